//! What is known of a patient, from messages in any order.

use super::*;
use crate::land::intake_for_tests;
use crate::sender::Sender;
use crate::translate::UnmappedCount;
use backbone::rig::Rig;
use canon::{SenderName, Tokenizer};

const SENDER: &str =
    "name: north\ntime_zone: UTC\ncurrency: EUR\npatient_authority: LAKESIDE\nvisit_authority: LAKESIDE\n";

fn tokens() -> Tokenizer {
    Tokenizer::new(b"an invented secret of 32 bytes!!").expect("long enough")
}

fn rig() -> Rig<Known> {
    rig_of("")
}

/// With more in the sender's file.
fn rig_of(more: &str) -> Rig<Known> {
    let unmapped = UnmappedCount::new().expect("a count");
    let mut rig = Rig::new(folding(Setup::new(tokens(), unmapped)));
    let name: SenderName = "north".parse().expect("a name");
    let config =
        SenderConfig { change: Change::Recorded, sender: name.clone(), text: format!("{SENDER}{more}") };
    rig.knows::<SenderConfig>(&name, &config);
    rig
}

/// A message of a kind, at an hour, with what its PID has behind the identifier.
fn message(kind: &str, id: &str, hour: u32, pid: &str) -> String {
    format!(
        "MSH|^~\\&|ADT1|LAKESIDE|V|HQ|2026030100||{kind}|{id}|P|2.5\rEVN||20260301{hour:02}\r\
         PID|1||4711^^^LAKESIDE^MR{pid}\r"
    )
}

fn sees(rig: &mut Rig<Known>, text: &str) {
    sees_bytes(rig, text.as_bytes());
}

fn sees_bytes(rig: &mut Rig<Known>, bytes: &[u8]) {
    let sender = Sender::parse(SENDER).expect("valid");
    let (key, headers, raw) = intake_for_tests(&sender, &tokens(), bytes);
    rig.sees_raw(headers.factname.parse().expect("a name"), headers.id, &key, raw);
}

/// `family, given, birth date, sex, address, phone, deceased` of the patient.
#[track_caller]
fn told(rig: &Rig<Known>) -> String {
    let mut patients = rig.latest::<Patient>();
    assert_eq!(patients.len(), 1);
    let patient = patients.remove(0);
    assert_eq!(patient.patient, tokens().patient("LAKESIDE", "4711"));
    let fields =
        [patient.family, patient.given, patient.birth_date, patient.sex, patient.address, patient.phone];
    let text = |field: Option<Phi<String>>| field.map_or_else(|| "-".to_owned(), Phi::into_inner);
    let fields: Vec<String> = fields.into_iter().map(text).collect();
    format!("{} {}", fields.join(" / "), if patient.deceased.0 { "deceased" } else { "alive" })
}

const FULL: &str = "||Muster^Erika^^^^^L||19800203|F|||1 Long Lane^^Lakeside^^12345^DE||040 1~040 2";

#[test]
fn a_patient_is_what_registration_says() {
    let mut rig = rig();
    sees(&mut rig, &message("ADT^A28", "1", 8, FULL));
    assert_eq!(told(&rig), "Muster / Erika / 19800203 / F / 1 Long Lane, Lakeside, 12345, DE / 040 1 alive");
    let event = rig.latest::<Patient>().remove(0);
    assert_eq!(
        (event.sender.as_str(), event.occurred_at),
        ("north", "2026-03-01T08:00:00Z".parse().expect("a time"))
    );
    assert!(format!("{event:?}").contains("[redacted]") && !format!("{event:?}").contains("Muster"));
}

#[test]
fn an_empty_field_leaves_what_is_known_and_two_quotes_delete_it() {
    let mut rig = rig();
    sees(&mut rig, &message("ADT^A28", "1", 8, FULL));
    sees(&mut rig, &message("ADT^A08", "2", 9, "||^Erica|||\"\"|||\"\"||"));
    assert_eq!(told(&rig), "Muster / Erica / 19800203 / - / - / 040 1 alive");
    sees(&mut rig, &message("ADT^A31", "3", 10, "||\"\"||||||||||||||||||||||||20260301"));
    assert_eq!(told(&rig), "- / - / 19800203 / - / - / 040 1 deceased");
}

#[test]
fn what_changes_nothing_states_nothing() {
    let mut rig = rig();
    sees(&mut rig, &message("ADT^A01", "1", 8, FULL));
    sees(&mut rig, &message("ADT^A08", "2", 9, FULL));
    sees(&mut rig, &message("ADT^A03", "3", 10, ""));
    assert_eq!(rig.emitted::<Patient>().len(), 1);
}

#[test]
fn copies_of_others_training_and_what_cannot_be_read_say_nothing_and_park_nothing() {
    let mut rig = rig();
    sees(&mut rig, &message("ORU^R01", "1", 8, FULL));
    sees(&mut rig, &message("ADT^A28", "2", 8, FULL).replace("|2|P|", "|2|T|"));
    sees(&mut rig, &message("ADT^A28", "3", 8, FULL).replace("4711^^^LAKESIDE", "4711^^^OTHER"));
    sees(&mut rig, "PID|1||4711^^^LAKESIDE\r");
    assert_eq!(rig.emitted::<Patient>(), []);
    sees(&mut rig, &message("ADT^A28", "4", 8, FULL).replace("EVN||2026030108", "EVN||soon"));
    assert_eq!(rig.emitted::<Patient>().len(), 1, "the time it came stands in for one that cannot be read");
    assert_eq!(rig.parked(), []);
}

#[test]
fn what_is_ignored_and_a_control_id_given_twice_say_nothing() {
    let other = "||Beispiel^Otto";
    let mut rig = rig_of("ignore: [ADT^A31, ADT^A08 without a visit]\n");
    sees(&mut rig, &message("ADT^A28", "1", 8, FULL));
    let expected = told(&rig);
    sees(&mut rig, &message("ADT^A31", "2", 9, other));
    sees(&mut rig, &message("ADT^A08", "3", 9, other));
    sees(&mut rig, &message("ADT^A28", "1", 9, other));
    assert_eq!(told(&rig), expected);
    sees(&mut rig, &(message("ADT^A08", "4", 9, "||Beispiel") + "PV1||I|||||||||||||||||V1\r"));
    assert_eq!(told(&rig), expected.replace("Muster", "Beispiel"), "it names a visit");
    let mut restarts = rig_of("control_ids: restarts\n");
    sees(&mut restarts, &message("ADT^A28", "1", 8, FULL));
    sees(&mut restarts, &message("ADT^A28", "1", 9, other));
    assert_ne!(told(&restarts), expected);
}

#[test]
fn the_legal_name_counts_and_a_phone_may_stand_in_its_twelfth_component() {
    let mut rig = rig();
    let pid = "||Maid^E^^^^^M~Muster^Erika^^^^^L||1980||||||||".to_owned() + "";
    sees(&mut rig, &message("ADT^A28", "1", 8, &pid.replace("||||||||", "||||||^^^^^^^^^^^+49 40 1")));
    assert_eq!(told(&rig), "Muster / Erika / 1980 / - / - / +49 40 1 alive");
}

#[test]
fn case_14_a_character_that_looks_like_a_delimiter_shifts_no_field() {
    let mut rig = rig();
    let text = message("ADT^A28", "1", 8, "||@^Erika||1980|F").replace("|P|2.5\r", "|P|2.5||||||BIG-5\r");
    let (before, after) = text.split_once('@').expect("a place");
    sees_bytes(&mut rig, &[before.as_bytes(), b"\xa8\x7c", after.as_bytes()].concat());
    assert_eq!(told(&rig), "育 / Erika / 1980 / F / - / - alive");
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    let messages = [
        message("ADT^A28", "1", 8, FULL),
        message("ADT^A08", "2", 9, "||Muster^Erica||||||\"\""),
        message("ADT^A08", "3", 10, "||Beispiel|||D|||2 Short Street"),
        message("ADT^A31", "4", 10, "||Anders|||F||||||||||||||||||||||Y"),
    ];
    let latest = |order: &[usize]| {
        let mut rig = rig();
        order.iter().for_each(|place| sees(&mut rig, &messages[*place]));
        told(&rig)
    };
    let expected = latest(&[0, 1, 2, 3]);
    assert_eq!(expected, "Beispiel / Erica / 19800203 / F / 2 Short Street / 040 1 deceased");
    for first in 0..4_usize {
        for second in (0..4).filter(|place| *place != first) {
            for third in (0..4).filter(|place| ![first, second].contains(place)) {
                let fourth = 6 - first - second - third;
                assert_eq!(
                    latest(&[first, second, third, fourth]),
                    expected,
                    "{first} {second} {third} {fourth}"
                );
            }
        }
    }
}
