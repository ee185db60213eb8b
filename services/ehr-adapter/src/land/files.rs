//! The senders' files as they change: looked at each second by content, taken once they have come to rest.

use super::roster::Roster;
use super::tls::{Material, Tls};
use super::{Land, StartError};
use crate::sender::{self, Mistake, Sender};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A sender's file at one look, with the files that it names.
pub(crate) struct Seen {
    /// The file's name without its ending, which is the sender's.
    pub(crate) name: String,
    /// A hash of all of it.
    pub(crate) print: [u8; 32],
    path: PathBuf,
    said: Result<(Sender, Option<Material>), Vec<Mistake>>,
}

/// What a sender is served under.
pub(crate) struct Setting {
    pub(crate) sender: Sender,
    pub(crate) tls: Option<Tls>,
}

impl Seen {
    fn of(file: sender::File) -> Self {
        let mut hash = Sha256::new();
        hash.update(&file.text);
        let name = file.stem();
        let said = file.sender.and_then(|sender| {
            let material = sender.listening.tls.as_ref().map(Material::read).transpose();
            let material = material.map_err(|mistake| vec![mistake.within(&file.path)])?;
            Ok((sender, material))
        });
        match &said {
            Ok((_, material)) => material.iter().flat_map(Material::bytes).for_each(|bytes| {
                hash.update(bytes.len().to_be_bytes());
                hash.update(bytes);
            }),
            Err(mistakes) => mistakes.iter().for_each(|mistake| hash.update(mistake.to_string())),
        }
        Self { name, print: hash.finalize().into(), path: file.path, said }
    }

    /// A sender as if a file said so, for settings that no file can say.
    #[cfg(test)]
    pub(crate) fn of_sender(sender: Sender) -> Self {
        Self { name: sender.name.clone(), print: [0; 32], path: PathBuf::new(), said: Ok((sender, None)) }
    }

    /// What it comes to, or every mistake.
    pub(crate) fn setting(&self) -> Result<Setting, Vec<Mistake>> {
        let (sender, material) = self.said.as_ref().map_err(Clone::clone)?;
        let tls = material.as_ref().map(Tls::of).transpose();
        let tls = tls.map_err(|mistake| vec![mistake.within(&self.path)])?;
        Ok(Setting { sender: sender.clone(), tls })
    }
}

/// Looks at the folder.
pub(crate) fn look(folder: &Path) -> Result<Vec<Seen>, Mistake> {
    Ok(sender::read(folder)?.into_iter().map(Seen::of).collect())
}

/// Every mistake in the senders' files and in what they name: what `--check-config` says of `land`.
pub(crate) fn check(folder: &Path) -> Result<(), Vec<Mistake>> {
    let seen = look(folder).map_err(|mistake| vec![mistake])?;
    let mistakes: Vec<Mistake> = seen.iter().filter_map(|seen| seen.setting().err()).flatten().collect();
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// Opens the roster with what the folder says.
pub(crate) async fn open<L: Land>(roster: &mut Roster<L>, folder: &Path) -> Result<(), StartError> {
    let seen = look(folder).map_err(|mistake| StartError::Mistakes(vec![mistake]))?;
    roster.open(seen).await
}

/// Keeps the roster as the folder says, until told to stop. What differs from the look before is still being written.
pub(crate) async fn follow<L: Land>(
    mut roster: Roster<L>,
    folder: PathBuf,
    every: Duration,
    counts: super::watch::Counts,
    stop: CancellationToken,
) {
    let mut last: Option<BTreeMap<String, [u8; 32]>> = None;
    let mut is_told = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let at = folder.clone();
        let Ok(looked) = tokio::task::spawn_blocking(move || look(&at)).await else { continue };
        counts.rejected("*", looked.is_err());
        match looked {
            Ok(seen) => {
                is_told = false;
                let now = seen.iter().map(|seen| (seen.name.clone(), seen.print)).collect();
                if last.replace(now) == last {
                    roster.apply(seen).await;
                }
            }
            Err(mistake) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!("the senders' folder is not followed: {mistake}");
                }
            }
        }
    }
}
