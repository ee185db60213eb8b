//! The tables as a source, once they have come to rest: each code is a row, and one that is written no longer is taken
//! back.

use backbone::Unavailable;
use backbone::source::{Mark, Page, Source, SourceRow, Sourcing, Sweep};
use canon::{Code, CodeKey, Name};
use std::path::PathBuf;
use std::time::Duration;

/// What a row of this source is.
const KIND: &str = "code";

/// How often the folder is looked at. What differs from the look before is still being written: it is published when two
/// looks are alike.
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
    /// How the folder looked the last time. It is read whole each time.
    type Cursor = Option<String>;

    async fn next(&self, last: &Option<String>, at: Mark) -> Result<Page<Option<String>>, Unavailable> {
        let look = codes::look(&self.folder);
        let seen = Some(look.print);
        if seen != *last {
            return Ok(Page::new(Vec::new(), seen).then_wait(LOOK));
        }
        let codes = look.codes.map_err(|mistakes| {
            let count = mistakes.len();
            match mistakes.into_iter().next() {
                Some(first) => Unavailable::because(Mistaken { count, first }),
                None => Unavailable { source: None },
            }
        })?;
        let present = codes.keys().map(ToString::to_string).collect();
        let page = Page::new(codes.into_iter().map(row).collect(), seen);
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

    /// Looks at the folder until it is known to rest.
    async fn settles(rig: &mut SourceRig<Tables>) {
        rig.pulls().await.expect("a look");
        rig.pulls().await.expect("a page");
    }

    #[tokio::test]
    async fn what_the_files_say_is_published_once_and_what_they_no_longer_say_is_taken_back() {
        let folder = std::env::temp_dir().join(format!("vertebra-code-importer-{}", std::process::id()));
        write(&folder, "A,X\nB,Y\n");
        let mut rig = SourceRig::new(sourcing(folder.clone()));
        settles(&mut rig).await;
        settles(&mut rig).await;
        assert_eq!(rig.published::<Code>().len(), 2);
        write(&folder, "A,Z\n");
        settles(&mut rig).await;
        assert_eq!(targets(&rig), [("A".to_owned(), "Z".to_owned())]);
        // A mistake takes nothing back.
        write(&folder, "A,Z\nB\n");
        rig.pulls().await.expect("a look");
        assert!(rig.pulls().await.is_err());
        assert_eq!(targets(&rig), [("A".to_owned(), "Z".to_owned())]);
        fs::remove_file(folder.join("charge.csv")).expect("removed");
        rig.pulls().await.expect("a look");
        assert!(rig.pulls().await.is_err(), "no table at all is none that says that there are no codes");
        assert_eq!(targets(&rig), [("A".to_owned(), "Z".to_owned())]);
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[tokio::test]
    async fn a_table_that_is_still_being_written_takes_nothing_back() {
        let folder = std::env::temp_dir().join(format!("vertebra-code-importer-half-{}", std::process::id()));
        write(&folder, "A,X\nB,Y\n");
        let mut rig = SourceRig::new(sourcing(folder.clone()));
        rig.pulls().await.expect("a look");
        assert_eq!(targets(&rig), []);
        rig.pulls().await.expect("a page");
        // Half of it is a sound table.
        write(&folder, "A,Z\n");
        rig.pulls().await.expect("a look");
        write(&folder, "A,Z\nB,Y\nC,X\n");
        settles(&mut rig).await;
        assert_eq!(rig.published::<Code>().iter().filter(|(_, code)| code.is_none()).count(), 0);
        let told: Vec<String> =
            targets(&rig).into_iter().map(|(code, target)| format!("{code} {target}")).collect();
        assert_eq!(told, ["A Z", "B Y", "C X"]);
        fs::remove_dir_all(&folder).expect("removed");
    }
}
