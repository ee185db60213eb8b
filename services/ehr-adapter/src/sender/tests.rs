//! Senders' files: what is read, and every mistake with its line.

mod reading;

use super::*;
use std::fs;

const LEAST: &str =
    "name: north\ntime_zone: UTC\ncurrency: EUR\npatient_authority: NORTH\nvisit_authority: NORTH\n";

#[track_caller]
fn check_mistakes(text: &str, expected: &[&str]) {
    let told = match Sender::parse(text) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(told, expected);
}

#[test]
fn a_sender_needs_a_name_a_zone_a_currency_and_its_authorities() {
    let sender = Sender::parse(LEAST).expect("valid");
    assert_eq!(sender.name, "north");
    assert_eq!(sender.listening.address.to_string(), "127.0.0.1:2575");
    assert_eq!(sender.listening.frame_bytes_max, 4 << 20);
    assert_eq!(sender.listening.ack_deadline, Duration::from_secs(20));
    assert_eq!(sender.reading.processing, ["P"]);
    assert_eq!(sender.reading.patient.assigning_authority.as_deref(), Some("NORTH"));
    assert_eq!(sender.reading.visit.paths.iter().map(ToString::to_string).collect::<Vec<_>>(), ["PV1-19"]);
    check_mistakes(
        "listen: 127.0.0.1:1\n",
        &[
            "name: is missing: a name of at most 64 letters, digits, dots, hyphens and underscores",
            "time_zone: is missing: a name such as Europe/Berlin",
            "currency: is missing: three capital letters of ISO 4217",
            "patient_authority: is missing: a text; quote it if it looks like something else",
            "visit_authority: is missing: a text; quote it if it looks like something else",
        ],
    );
    check_mistakes(
        "name: north\ntime_zone: UTC\ndft: ignore\npatient_authority: NORTH\nvisit_authority: NORTH\n",
        &[],
    );
    // What YAML takes for a number, or for no.
    check_mistakes(
        &LEAST
            .replace("patient_authority: NORTH", "patient_authority: 7")
            .replace("visit_authority: NORTH", "visit_authority: N"),
        &[
            "line 4: patient_authority: is not a text; quote it if it looks like something else",
            "line 5: visit_authority: is not a text; quote it if it looks like something else",
        ],
    );
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let text = format!(
        "{LEAST}listen: nowhere\nallow: [10.0.0.0/33]\nframe_max: 8MiB\nidleTimeout: 5s\nack_deadline: 0s\n\
         visit_paths:\n  - PV1-19\n  - PV1\npayer: 7\ncolour: red\nacknowledge: sometimes\nmllp: v3\n\
         tls: {{certificate: a, key: b}}\n"
    );
    check_mistakes(
        &text,
        &[
            "line 6: listen: is not an address such as 127.0.0.1:2575",
            "line 7: allow: is not a list of addresses and networks such as [10.1.2.3, 10.2.0.0/16], host bits zero",
            "line 8: frame_max: is not an amount of bytes such as 4MiB, from 1KiB up to 64KiB less than raw.hl7v2.v1 \
             takes",
            "line 9: idleTimeout: is not a field of a sender; did you mean idle_timeout?",
            "line 10: ack_deadline: is not a time span such as 20s, from 1s to 5m",
            "line 12: visit_paths: is not a list of paths such as [PV1-19, PID-18]",
            "line 14: payer: is not a path such as IN1-3",
            "line 15: colour: is not a field of a sender",
            "line 16: acknowledge: is not original, enhanced or by-message",
            "line 17: mllp: is not v1 or v2",
            "line 18: tls: is not a mapping of three files: certificate, key and client_authorities",
        ],
    );
}

#[test]
fn what_is_no_yaml_is_told_with_its_line() {
    let mistakes = Sender::parse("name: north\nname: south\n").expect_err("a name twice");
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].line, 2, "{}", mistakes[0]);
    let mistakes = Sender::parse("name: [north\n").expect_err("a list without an end");
    assert!(matches!(mistakes[0].problem, Problem::Form(_)), "{}", mistakes[0]);
}

#[track_caller]
fn check_network(network: &str, peer: &str, is_within: Option<bool>) {
    let network: Option<Network> = network.parse().ok();
    let peer = peer.parse().expect("an address");
    assert_eq!(network.map(|network| network.contains(peer)), is_within);
}

#[test]
fn a_peer_is_within_a_network_by_its_prefix() {
    check_network("10.1.2.3", "10.1.2.3", Some(true));
    check_network("10.1.2.3", "10.1.2.4", Some(false));
    check_network("10.1.0.0/16", "10.1.255.4", Some(true));
    check_network("10.1.0.0/16", "10.2.0.1", Some(false));
    check_network("10.1.0.0/16", "::ffff:10.1.0.1", Some(true));
    check_network("0.0.0.0/0", "192.0.2.1", Some(true));
    check_network("0.0.0.0/0", "2001:db8::1", Some(false));
    check_network("2001:db8::/32", "2001:db8:7::1", Some(true));
    check_network("::/0", "2001:db8:7::1", Some(true));
    check_network("10.1.2.3/16", "10.1.2.3", None);
    check_network("10.1.0.0/33", "10.1.2.3", None);
    check_network("north", "10.1.2.3", None);
}

#[test]
fn the_senders_of_this_repository_are_valid() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/senders");
    let senders = load(&folder).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    assert!(senders.iter().any(|sender| sender.name == "demo"));
}

#[test]
fn the_files_of_tls_are_relative_to_the_senders_file() {
    let folder = std::env::temp_dir().join(format!("vertebra-senders-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&folder).expect("a folder");
    let text =
        format!("{LEAST}tls:\n  certificate: own.pem\n  key: own.key\n  client_authorities: /ca.pem\n");
    fs::write(folder.join("north.yaml"), text).expect("written");
    let senders = load(&folder).expect("valid");
    fs::remove_dir_all(&folder).expect("removed");
    let tls = senders[0].listening.tls.as_ref().expect("tls");
    assert_eq!(
        tls.paths(),
        [&*folder.join("own.pem"), &*folder.join("own.key"), std::path::Path::new("/ca.pem")]
    );
    assert_eq!(tls.line, 7);
}

#[test]
fn mistakes_over_several_files_name_the_file() {
    let folder = std::env::temp_dir().join(format!("vertebra-senders-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&folder).expect("a folder");
    let empty = load(&folder).expect_err("no files");
    fs::write(folder.join("north.yaml"), LEAST).expect("written");
    fs::write(folder.join("south.yaml"), LEAST.replace("currency: EUR", "currency: Euro")).expect("written");
    fs::write(folder.join("west.yaml"), LEAST).expect("written");
    let twin = LEAST.replace("name: north", "name: twin");
    fs::write(folder.join("twin.yaml"), twin).expect("written");
    let files = read(&folder).expect("files");
    let mistakes = load(&folder).expect_err("mistakes");
    fs::remove_dir_all(&folder).expect("removed");
    assert!(matches!(empty[0].problem, Problem::NoFiles));
    let told: Vec<String> = mistakes
        .iter()
        .map(|mistake| mistake.to_string().replace(&format!("{}/", folder.display()), ""))
        .collect();
    assert_eq!(
        told,
        [
            "south.yaml:3: currency: is not three capital letters of ISO 4217",
            "twin.yaml: 127.0.0.1:2575 is another sender's address too",
            "west.yaml: the file is not named as its sender is",
        ]
    );
    // One that is broken does not take the others along.
    let taken: Vec<_> = files.iter().map(|file| (file.stem(), file.sender.is_ok())).collect();
    assert_eq!(
        taken,
        [("north", true), ("south", false), ("twin", false), ("west", false)]
            .map(|(name, is)| (name.to_owned(), is))
    );
}
