//! The tables as a source: each code is a row, and one that is written no longer is taken back.

use backbone::Unavailable;
use backbone::source::{Mark, Page, Source, SourceRow, Sourcing, Sweep};
use canon::{Code, CodeKey, Name};
use std::path::PathBuf;
use std::time::Duration;

/// What a row of this source is.
const KIND: &str = "code";

/// How often the folder is looked at: a change is published this late at most.
const LOOK: Duration = Duration::from_secs(2);

/// The folder of code tables.
pub(crate) struct Tables {
    folder: PathBuf,
}

/// A table has mistakes: what was published stays until they are mended.
#[derive(Debug, thiserror::Error)]
#[error("the code tables have {} mistakes, the first: {first}", .count)]
struct Mistaken {
    count: usize,
    #[source]
    first: codes::Mistake,
}

/// The source as the service runs it.
pub(crate) fn sourcing(folder: PathBuf) -> Sourcing<Tables> {
    Sourcing::new(Tables { folder }).states::<Code>()
}

impl Source for Tables {
    const NAME: &'static str = "code-tables";
    /// The folder is read whole each time.
    type Cursor = ();

    async fn next(&self, _: &(), at: Mark) -> Result<Page<()>, Unavailable> {
        let codes = codes::read(&self.folder).map_err(|mistakes| {
            let count = mistakes.len();
            match mistakes.into_iter().next() {
                Some(first) => Unavailable::because(Mistaken { count, first }),
                None => Unavailable { source: None },
            }
        })?;
        let present = codes.keys().map(ToString::to_string).collect();
        let page = Page::new(codes.into_iter().map(row).collect(), ());
        Ok(page.swept(Sweep { kind: KIND, present, began: at }).then_wait(LOOK))
    }
}

fn row((key, code): (CodeKey, Code)) -> SourceRow {
    let name = Name::new("code", &[key.to_string()]);
    SourceRow::new(KIND, key.to_string()).states::<Code>(name, &key, code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backbone::source::SourceRig;
    use std::fs;
    use std::path::Path;

    fn write(folder: &Path, table: &str) {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("charge.csv"), format!("code,target\n{table}")).expect("a file");
    }

    fn targets(rig: &SourceRig<Tables>) -> Vec<(String, String)> {
        rig.latest::<Code>().into_iter().map(|code| (code.code, code.entries[0].target.clone())).collect()
    }

    #[tokio::test]
    async fn what_the_files_say_is_published_once_and_what_they_no_longer_say_is_taken_back() {
        let folder = std::env::temp_dir().join(format!("vertebra-code-importer-{}", std::process::id()));
        write(&folder, "A,X\nB,Y\n");
        let mut rig = SourceRig::new(sourcing(folder.clone()));
        rig.pulls().await.expect("a page");
        rig.pulls().await.expect("a page");
        assert_eq!(rig.published::<Code>().len(), 2);
        write(&folder, "A,Z\n");
        rig.pulls().await.expect("a page");
        assert_eq!(targets(&rig), [("A".to_owned(), "Z".to_owned())]);
        // A mistake takes nothing back.
        write(&folder, "A,Z\nB\n");
        assert!(rig.pulls().await.is_err());
        assert_eq!(targets(&rig), [("A".to_owned(), "Z".to_owned())]);
        fs::remove_dir_all(&folder).expect("removed");
    }
}
