//! Senders' files as master data: what a message is read by is published, so that a fold looks it up and a rebuild finds
//! it as it was.
//!
//! Consumes the folder of senders' files, publishes `reference.sender.v1`, each file whole, once two looks are alike. A file that cannot be used is
//! told and changes nothing; one that is gone is withdrawn, and its sender's messages wait.

#[cfg(test)]
mod tests;

use crate::sender::{self, File};
use backbone::source::{Mark, Page, Source, SourceRow, Sourcing, Sweep};
use backbone::{Reason, Reject, Unavailable};
use canon::event::{Change, Name};
use canon::{SenderConfig, SenderName};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::time::Duration;

/// What a row of this source is.
const KIND: &str = "sender";

/// How often the folder is looked at. What differs from the look before is still being written: it is published when two
/// looks are alike.
const LOOK: Duration = Duration::from_secs(2);

/// The folder of senders' files.
pub(crate) struct Senders {
    folder: PathBuf,
}

/// The source as the service runs it.
pub(crate) fn sourcing(folder: PathBuf) -> Sourcing<Senders> {
    Sourcing::new(Senders { folder }).states::<SenderConfig>()
}

impl Source for Senders {
    const NAME: &'static str = "senders";
    /// How the folder looked the last time. It is read whole each time.
    type Cursor = Option<String>;

    async fn next(&self, last: &Option<String>, at: Mark) -> Result<Page<Option<String>>, Unavailable> {
        let files = sender::read(&self.folder).map_err(Unavailable::because)?;
        let seen = Some(print(&files));
        if seen != *last {
            return Ok(Page::new(Vec::new(), seen).then_wait(LOOK));
        }
        let present = files.iter().map(File::stem).collect();
        let page = Page::new(files.into_iter().map(row).collect(), seen);
        Ok(page.swept(Sweep { kind: KIND, present, began: at }).then_wait(LOOK))
    }
}

/// Another one if any byte of the files is.
fn print(files: &[File]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        for part in [file.path.as_os_str().as_encoded_bytes(), file.text.as_bytes()] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file's row: what it says, or why it cannot be used.
fn row(file: File) -> SourceRow {
    let stem = file.stem();
    let name = match &file.sender {
        Ok(sender) => sender.name.parse::<SenderName>().map_err(|error| error.to_string()),
        Err(mistakes) => Err(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    };
    match name {
        Ok(name) => {
            let config = SenderConfig { change: Change::Recorded, sender: name.clone(), text: file.text };
            SourceRow::new(KIND, stem).states::<SenderConfig>(
                Name::new("sender", &[name.as_str()]),
                &name,
                config,
            )
        }
        Err(told) => SourceRow::refused(KIND, stem, Reject::new(Reason::Invalid, told)),
    }
}
