//! Senders' files that change while the service runs.

use super::*;
use crate::land::files;
use hl7::ack::AckCode::{ApplicationAccept as AA, ApplicationReject as AR};
use std::fs;
use std::path::Path;

const EVERY: Duration = Duration::from_millis(5);

/// A folder of senders' files, gone when the test is.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("vertebra-land-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    /// Writes a file, whole or in the eyes of a reader not at all.
    pub(super) fn has(&self, name: &str, text: &str) {
        let draft = self.0.join(format!("{name}.draft"));
        fs::write(&draft, text).expect("written");
        fs::rename(draft, self.0.join(name)).expect("renamed");
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Stand {
    /// A server that follows a folder in which there is a sender named north.
    pub(super) async fn following(folder: &Folder) -> Self {
        let (shelf, shared) = shared(Mode::AtOnce);
        let mut roster = Roster::new(shared.clone());
        files::open(&mut roster, folder.path()).await.expect("opened");
        Self::serving(shelf, shared, roster, folder.path().to_owned(), EVERY).await
    }

    async fn listens_at(&self, sender: &str, count: usize) -> Vec<SocketAddr> {
        until(&format!("{count} listeners of {sender}"), || listens(&self.around, sender).len() == count)
            .await;
        listens(&self.around, sender)
    }

    pub(super) async fn has_rejected(&self, sender: &str, is_rejected: bool) {
        let is = u8::from(is_rejected);
        self.counts(&format!("vertebra_landing_sender_config_rejected{{sender=\"{sender}\"}} {is}")).await;
    }
}

#[tokio::test]
async fn a_changed_file_holds_for_new_connections_and_open_ones_go_on_under_the_old() {
    let folder = Folder::new();
    folder.has("north.yaml", SENDER);
    let stand = Stand::following(&folder).await;
    let mut before = stand.peer().await;
    before.says(&frame("1")).await;
    before.is_answered(AA, "1").await;
    let large = |id: &str| mllp::encode(&[&message(id)[..], b"OBX|1|TX|||", &vec![b'x'; 4 << 10]].concat());
    folder.has("north.yaml", &format!("{SENDER}frame_max: 2KiB\n"));
    // A connection at a time is made until one is served under the new settings.
    let changing = async {
        loop {
            let mut after = stand.peer().await;
            after.says(&large("2")).await;
            if after.hears().await.code == AR {
                break;
            }
        }
    };
    timeout(PATIENCE, changing).await.expect("changed in time");
    before.says(&large("3")).await;
    before.is_answered(AA, "3").await;
    assert_eq!(listens(&stand.around, "north"), [stand.address], "the listener is the same");
    stand.has_rejected("north", false).await;
}

#[tokio::test]
async fn a_new_file_is_listened_for_and_one_that_is_gone_is_not() {
    let folder = Folder::new();
    folder.has("north.yaml", SENDER);
    let stand = Stand::following(&folder).await;
    let mut north = stand.peer().await;
    north.says(&frame("1")).await;
    north.is_answered(AA, "1").await;
    folder.has("south.yaml", &SENDER.replace("name: north", "name: south").replace("NORTH", "SOUTH"));
    let south = stand.listens_at("south", 1).await[0];
    let mut peer = Peer::at(south).await;
    peer.says(&frame("2")).await;
    peer.is_answered(AA, "2").await;
    assert_eq!(stand.shelf.landed()[1].message.sender, "south");
    fs::remove_file(folder.path().join("north.yaml")).expect("removed");
    // Its connections are drained and closed.
    north.is_closed().await;
    stand.listens_at("north", 0).await;
    until("its silence to be nobody's", || {
        !stand.around.metrics.render().contains(r#"last_message_timestamp_seconds{sender="north""#)
    })
    .await;
    peer.says(&frame("3")).await;
    peer.is_answered(AA, "3").await;
}

#[tokio::test]
async fn another_address_is_listened_on_before_the_former_is_left() {
    let folder = Folder::new();
    folder.has("north.yaml", SENDER);
    let stand = Stand::following(&folder).await;
    let mut before = stand.peer().await;
    folder.has("north.yaml", &SENDER.replace("127.0.0.1:0", "127.0.0.2:0"));
    let moved = |around: &Around| {
        listens(around, "north").first().is_some_and(|at| at.ip().to_string() == "127.0.0.2")
    };
    until("the move", || listens(&stand.around, "north").len() == 1 && moved(&stand.around)).await;
    let mut after = Peer::at(listens(&stand.around, "north")[0]).await;
    for peer in [&mut before, &mut after] {
        peer.says(&frame("1")).await;
        peer.is_answered(AA, "1").await;
    }
    assert!(TcpStream::connect(stand.address).await.is_err());
}

#[tokio::test]
async fn a_file_that_is_broken_keeps_what_holds_and_says_so_once() {
    let logs = Logs::default();
    let _capturing = logs.capture();
    let folder = Folder::new();
    folder.has("north.yaml", SENDER);
    let stand = Stand::following(&folder).await;
    folder.has("north.yaml", &format!("{SENDER}frame_max: much\n"));
    folder.has("west.yaml", "name: west\n");
    stand.has_rejected("north", true).await;
    stand.has_rejected("west", true).await;
    let mut peer = stand.peer().await;
    peer.says(&frame("1")).await;
    peer.is_answered(AA, "1").await;
    let told = |what: &str| logs.text().lines().filter(|line| line.contains(what)).count();
    assert_eq!(told("north.yaml:7: frame_max: is not an amount of bytes"), 1, "{}", logs.text());
    // Another mistake is another thing to say; nothing else is said again.
    folder.has("north.yaml", &format!("{SENDER}frame_max: more\ncolour: red\n"));
    until("the new mistake", || told("north.yaml:8: colour: is not a field") == 1).await;
    assert_eq!(told("west.yaml: time_zone: is missing"), 1, "{}", logs.text());
    // What held before holds again: nothing is rejected any more.
    folder.has("north.yaml", SENDER);
    stand.has_rejected("north", false).await;
    fs::remove_file(folder.path().join("west.yaml")).expect("removed");
    until("the rejection to be forgotten", || {
        !stand.around.metrics.render().contains(r#"sender_config_rejected{sender="west""#)
    })
    .await;
    assert!(stand.around.health.live().ok);
}

#[tokio::test]
async fn senders_that_change_places_are_listened_for_at_each_others_addresses() {
    let folder = Folder::new();
    // What was free a moment ago, each on an address of its own.
    let mut free = Vec::new();
    for host in ["127.0.0.3:0", "127.0.0.4:0", "127.0.0.5:0"] {
        let listener = tokio::net::TcpListener::bind(host).await.expect("bound");
        free.push(listener.local_addr().expect("an address"));
    }
    let names = ["north", "south", "west"];
    let write = |places: [usize; 3]| {
        // In one moment, as a deployment does it.
        for (name, place) in names.iter().zip(places) {
            let text = SENDER.replace("north", name).replace("127.0.0.1:0", &free[place].to_string());
            folder.has(&format!("{name}.yaml"), &text);
        }
    };
    write([0, 1, 2]);
    let stand = Stand::following(&folder).await;
    for places in [[1, 0, 2], [2, 1, 0], [1, 2, 0]] {
        write(places);
        for (name, place) in names.iter().zip(places) {
            until(&format!("{name} at its place"), || listens(&stand.around, name) == [free[place]]).await;
            stand.has_rejected(name, false).await;
            let mut peer = Peer::at(free[place]).await;
            peer.says(&frame("1")).await;
            peer.is_answered(AA, "1").await;
            assert_eq!(stand.shelf.landed().last().expect("landed").message.sender, *name);
        }
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_tried_again_until_it_is_free() {
    let folder = Folder::new();
    folder.has("north.yaml", SENDER);
    let stand = Stand::following(&folder).await;
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let taken = other.local_addr().expect("an address");
    folder.has("south.yaml", &SENDER.replace("north", "south").replace("127.0.0.1:0", &taken.to_string()));
    stand.has_rejected("south", true).await;
    drop(other);
    assert_eq!(stand.listens_at("south", 1).await, [taken]);
    stand.has_rejected("south", false).await;
}

#[tokio::test]
async fn a_folder_that_is_gone_or_empty_ends_nobody() {
    let logs = Logs::default();
    let _capturing = logs.capture();
    let folder = Folder::new();
    folder.has("north.yaml", SENDER);
    let stand = Stand::following(&folder).await;
    fs::remove_file(folder.path().join("north.yaml")).expect("removed");
    stand.has_rejected("*", true).await;
    let mut peer = stand.peer().await;
    peer.says(&frame("1")).await;
    peer.is_answered(AA, "1").await;
    assert_eq!(logs.warnings(), 1, "{}", logs.text());
    folder.has("north.yaml", SENDER);
    stand.has_rejected("*", false).await;
}

#[tokio::test]
async fn a_drain_ends_the_following_too() {
    let folder = Folder::new();
    folder.has("north.yaml", SENDER);
    let stand = Stand::following(&folder).await;
    stand.around.stop.cancel();
    timeout(PATIENCE, stand.serving).await.expect("drained").expect("no panic");
}

#[tokio::test]
async fn a_start_with_a_mistake_opens_nobody() {
    let folder = Folder::new();
    folder.has("north.yaml", SENDER);
    folder.has("south.yaml", "name: south\n");
    let (_, shared) = shared(Mode::AtOnce);
    let opened = files::open(&mut Roster::new(shared.clone()), folder.path()).await;
    assert!(opened.expect_err("a mistake").to_string().contains("south.yaml: time_zone: is missing"));
    assert!(shared.around.health.live().parts.is_empty());
}
