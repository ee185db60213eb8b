//! A folder of senders' files and what is published of it.

use super::*;
use backbone::source::SourceRig;
use std::fs;

const NORTH: &str = "name: north\ntime_zone: UTC\ncurrency: EUR\npatient_authority: NORTH\nvisit_authority: NORTH\nlisten: 127.0.0.1:0\n";

/// A folder that is gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("vertebra-publishing-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    fn has(&self, name: &str, text: &str) {
        fs::write(self.0.join(format!("{name}.yaml")), text).expect("written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What was published so far: the sender and its file, or nothing where it was taken back.
fn told(rig: &SourceRig<Senders>) -> Vec<(String, Option<String>)> {
    let told = |(key, config): (_, Option<SenderConfig>)| (key, config.map(|config| config.text));
    rig.published::<SenderConfig>().into_iter().map(told).collect()
}

/// Looks at the folder until it is known to rest.
async fn settles(rig: &mut SourceRig<Senders>) {
    rig.pulls().await.expect("a look");
    rig.pulls().await.expect("read");
}

#[tokio::test]
async fn a_file_that_is_still_being_written_is_not_published() {
    let folder = Folder::new();
    folder.has("north", NORTH);
    let mut rig = SourceRig::new(sourcing(folder.0.clone()));
    rig.pulls().await.expect("a look");
    assert_eq!(told(&rig), []);
    rig.pulls().await.expect("read");
    // Half of it is a sound file.
    let whole = format!("{NORTH}dft: ignore\ncontrol_ids: restarts\n");
    folder.has("north", whole.strip_suffix("control_ids: restarts\n").expect("half"));
    rig.pulls().await.expect("a look");
    folder.has("north", &whole);
    settles(&mut rig).await;
    let expected = [NORTH, &whole].map(|text| ("north".to_owned(), Some(text.to_owned())));
    assert_eq!(told(&rig), expected);
}

#[tokio::test]
async fn a_senders_file_is_published_whole_once_again_when_it_changes_and_taken_back_when_it_is_gone() {
    let folder = Folder::new();
    folder.has("north", NORTH);
    folder.has("south", &NORTH.replace("north", "south"));
    let mut rig = SourceRig::new(sourcing(folder.0.clone()));
    settles(&mut rig).await;
    settles(&mut rig).await;
    let stated = |name: &str, text: &str| (name.to_owned(), Some(text.to_owned()));
    let mut expected = vec![stated("north", NORTH), stated("south", &NORTH.replace("north", "south"))];
    assert_eq!(told(&rig), expected);
    let changed = format!("{NORTH}dft: ignore\n");
    folder.has("north", &changed);
    settles(&mut rig).await;
    expected.push(stated("north", &changed));
    assert_eq!(told(&rig), expected);
    fs::remove_file(folder.0.join("south.yaml")).expect("removed");
    settles(&mut rig).await;
    expected.push(("south".to_owned(), None));
    assert_eq!(told(&rig), expected);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing_and_is_told_with_its_line() {
    let folder = Folder::new();
    folder.has("north", NORTH);
    let mut rig = SourceRig::new(sourcing(folder.0.clone()));
    settles(&mut rig).await;
    folder.has("north", &NORTH.replace("EUR", "Euro"));
    settles(&mut rig).await;
    assert_eq!(told(&rig), [("north".to_owned(), Some(NORTH.to_owned()))]);
    let refused = rig.refused();
    assert_eq!(refused.len(), 1);
    let (kind, id, reason, detail) = &refused[0];
    assert_eq!((kind.to_string().as_str(), id.as_str(), *reason), ("sender", "north", Reason::Invalid));
    assert!(detail.ends_with("north.yaml:3: currency: is not three capital letters of ISO 4217"), "{detail}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_tried_again() {
    let folder = Folder::new();
    let mut rig = SourceRig::new(sourcing(folder.0.join("away")));
    assert!(rig.pulls().await.is_err());
}
