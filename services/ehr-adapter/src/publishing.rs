//! Senders' files as master data: what a message is read by is published, so that a fold looks it up and a rebuild finds
//! it as it was.
//!
//! Consumes the folder of senders' files, publishes `reference.sender.v1`, each file whole. A file that cannot be used is
//! told and changes nothing; one that is gone is withdrawn, and its sender's messages wait.

#[cfg(test)]
mod tests;

use crate::sender::{self, File};
use backbone::source::{Mark, Page, Source, SourceRow, Sourcing, Sweep};
use backbone::{Reason, Reject, Unavailable};
use canon::event::{Change, Name};
use canon::{SenderConfig, SenderName};
use std::path::PathBuf;
use std::time::Duration;

/// What a row of this source is.
const KIND: &str = "sender";

/// How often the folder is looked at: a change is published this late at most.
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
    /// The folder is read whole each time.
    type Cursor = ();

    async fn next(&self, _: &(), at: Mark) -> Result<Page<()>, Unavailable> {
        let files = sender::read(&self.folder).map_err(Unavailable::because)?;
        let present = files.iter().map(File::stem).collect();
        let page = Page::new(files.into_iter().map(row).collect(), ());
        Ok(page.swept(Sweep { kind: KIND, present, began: at }).then_wait(LOOK))
    }
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
