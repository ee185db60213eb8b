//! The folder of senders' files: every file by itself, so that one that is broken does not take the others along.

use super::{Mistake, Problem, Sender};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One file of the folder.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// What it says; nothing if it could not be opened.
    pub(crate) text: String,
    pub(crate) sender: Result<Sender, Vec<Mistake>>,
}

/// Reads every `.yaml` file of a folder, in the order of their names.
///
/// # Errors
/// The folder cannot be read, or has no such file.
pub(crate) fn read(folder: &Path) -> Result<Vec<File>, Mistake> {
    let unreadable = |error: std::io::Error| Mistake::of_file(folder, Problem::Unreadable(error.kind()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    paths.sort();
    if paths.is_empty() {
        return Err(Mistake::of_file(folder, Problem::NoFiles));
    }
    let mut files: Vec<File> = paths.into_iter().map(File::read).collect();
    let mut addresses = BTreeMap::new();
    for file in &mut files {
        let Ok(sender) = &file.sender else { continue };
        let address = sender.listening.address;
        if address.port() != 0 && addresses.insert(address, ()).is_some() {
            file.sender = Err(vec![Mistake::of_file(&file.path, Problem::AddressTaken(address))]);
        }
    }
    Ok(files)
}

/// The senders of a folder, or every mistake in their files.
///
/// # Errors
/// When there is one.
pub(crate) fn load(folder: &Path) -> Result<Vec<Sender>, Vec<Mistake>> {
    let (mut senders, mut mistakes) = (Vec::new(), Vec::new());
    for file in read(folder).map_err(|mistake| vec![mistake])? {
        match file.sender {
            Ok(sender) => senders.push(sender),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    if mistakes.is_empty() { Ok(senders) } else { Err(mistakes) }
}

/// The sender of one file.
///
/// # Errors
/// Every mistake in it.
pub(crate) fn open(path: &Path) -> Result<Sender, Vec<Mistake>> {
    File::read(path.to_owned()).sender
}

impl File {
    fn read(path: PathBuf) -> Self {
        match fs::read_to_string(&path) {
            Ok(text) => Self { sender: Self::parse(&path, &text), path, text },
            Err(error) => {
                let mistake = Mistake::of_file(&path, Problem::Unreadable(error.kind()));
                Self { path, text: String::new(), sender: Err(vec![mistake]) }
            }
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Sender, Vec<Mistake>> {
        let within = |mistake: Mistake| mistake.within(path);
        let mut sender =
            Sender::parse(text).map_err(|mistakes| mistakes.into_iter().map(within).collect::<Vec<_>>())?;
        if path.file_stem().is_none_or(|stem| stem != sender.name.as_str()) {
            return Err(vec![Mistake::of_file(path, Problem::FileName)]);
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        sender.listening.tls = sender.listening.tls.map(|files| files.within(folder));
        Ok(sender)
    }

    /// What the sender of this file is called: files are named as their senders are.
    pub(crate) fn stem(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}
