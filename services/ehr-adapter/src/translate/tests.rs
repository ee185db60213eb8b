//! What messages mean, as data: a message with something changed, and what comes of it.

mod charges;
mod clinical;
mod content;
mod fold;
mod supply;
mod visits;
mod waits;

use super::tables::{AsSaid, Listed};
use super::*;
use crate::land::intake_for_tests;
use crate::sender::Sender;
use canon::event::Name;
use canon::events::reference_code::CodeEntry;
use canon::{CodeKey, CodeTable, Timestamp};
use std::sync::Arc;

pub(super) const ADT: &str = "MSH|^~\\&|ADT1|LAKESIDE|VERTEBRA|HQ|20260301101500||ADT^A01|17|P|2.5\r\
    EVN|A01|20260301101400\r\
    PID|1||9^^^OTHER^PI~4711^^^LAKESIDE^MR||Muster^Erika\r\
    PV1|1|I|W1^12^3^SOUTH||||||||||||||||V100|||||||||||||||||||||||||20260301080000|\r\
    IN1|1|PLAN|AOK1^^^X\r";

pub(super) const DFT: &str = "MSH|^~\\&|ADT1|LAKESIDE|VERTEBRA|HQ|20260301101500+0100||DFT^P03|18|P|2.5\r\
    PID|1||4711^^^LAKESIDE^MR||Muster^Erika|||||||||||||V100\r\
    FT1|1|T1||20260301|20260301|CG|A10^Swab||||12.50||D7\r\
    FT1|2|T2||||CG|A11|long text||3||4.10&USD\r";

pub(super) fn text(more: &str) -> String {
    let default = |field: &str, text: &str| {
        if more.contains(field) { String::new() } else { format!("{field}: {text}\n") }
    };
    let zone = default("time_zone", "Europe/Berlin");
    let visits = default("visit_authority", "LAKESIDE") + &default("visit_paths", "[PV1-19, PID-18]");
    format!("name: north\n{zone}currency: EUR\npatient_authority: LAKESIDE\n{visits}{more}")
}

pub(super) fn sender(more: &str) -> Sender {
    Sender::parse(&text(more)).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

pub(super) fn tokens() -> Tokenizer {
    Tokenizer::new(b"an invented secret of 32 bytes!!").expect("long enough")
}

/// A row of a code table: a code of north's, what it stands for, and more of its entry.
pub(super) fn code(
    table: CodeTable,
    code: &str,
    target: &str,
    more: impl FnOnce(&mut CodeEntry),
) -> (CodeKey, Code) {
    let sender = "north".parse().expect("a name");
    let mut entry = CodeEntry {
        valid_from: None,
        valid_to: None,
        target: target.to_owned(),
        description: None,
        price: None,
        currency: None,
        unit: None,
        factor: None,
    };
    more(&mut entry);
    let key = CodeKey::of(table, Some(&sender), code).expect("a key");
    let row = Code {
        change: canon::Change::Recorded,
        table,
        sender: Some(sender),
        code: code.to_owned(),
        entries: vec![entry],
    };
    (key, row)
}

/// Gauze and an infusion by the box, two places, a unit and a department.
pub(super) fn codes() -> Vec<(CodeKey, Code)> {
    let plain = |_: &mut CodeEntry| {};
    vec![
        code(CodeTable::Charge, "A10", "GAUZE", |entry| {
            entry.price = Some("2.50".parse().expect("a number"));
            entry.currency = Some("EUR".to_owned());
        }),
        code(CodeTable::Charge, "A11", "INFUSION", |entry| {
            entry.unit = Some("Units".to_owned());
            entry.factor = Some("10".parse().expect("a number"));
        }),
        code(CodeTable::Charge, "BED", "", plain),
        code(CodeTable::Location, "W1", "WH/Ward 1", plain),
        code(CodeTable::Location, "PHARM", "WH/Pharmacy", plain),
        code(CodeTable::Unit, "ML", "mL", plain),
        code(CodeTable::Department, "D8", "SURGERY", plain),
    ]
}

pub(super) fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the message");
        text.replace(from, to)
    })
}

pub(super) fn translated_bytes(more: &str, bytes: &[u8], homonyms: u32) -> Result<Translated, Reject> {
    let sender = sender(more);
    let (_, _, raw) = intake_for_tests(&sender, &tokens(), bytes);
    let tables = Listed(codes().into_iter().map(|(key, code)| (key, Arc::new(code))).collect());
    let desk = Desk { reading: &sender.reading, tables: &tables, tokens: &tokens() };
    translate(&desk, &raw, homonyms)
}

pub(super) fn translated(more: &str, text: &str, homonyms: u32) -> Result<Translated, Reject> {
    translated_bytes(more, text.as_bytes(), homonyms)
}

#[track_caller]
pub(super) fn statements_of(more: &str, text: &str) -> Vec<Statement> {
    translated(more, text, 0).unwrap_or_else(|reject| panic!("{reject}")).statements
}

#[track_caller]
pub(super) fn check_parks(more: &str, text: &str, edits: &[(&str, &str)], expected: &str) {
    let parked = translated(more, &edited(text, edits), 0).expect_err("parked").to_string();
    assert_eq!(parked, expected);
}

#[track_caller]
pub(super) fn check_nothing(more: &str, text: &str, edits: &[(&str, &str)], expected: (&str, Why)) {
    let unmapped = Unmapped { what: expected.0.to_owned(), why: expected.1 };
    let nothing = Translated { unmapped: vec![unmapped], ..Translated::default() };
    assert_eq!(translated(more, &edited(text, edits), 0), Ok(nothing));
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// What stands in the facts as it is said, `unit BOX`.
pub(super) fn as_said(more: &str, text: &str) -> Vec<String> {
    let translated = translated(more, text, 0).unwrap_or_else(|reject| panic!("{reject}"));
    let told = |said: AsSaid| format!("{} {}", said.table.as_str(), said.code);
    translated.as_said.into_iter().map(told).collect()
}

/// The names of what was said, by topic.
pub(super) fn named(statements: &[Statement]) -> Vec<(&'static str, Name)> {
    statements
        .iter()
        .map(|statement| {
            let shown = statement.shown();
            (shown.topic, shown.name.parse().expect("a name"))
        })
        .collect()
}
