//! Comparison with `hl7-parser` on well-formed messages whose segments end with CR.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use hl7::message::Message;

#[allow(dead_code, reason = "each test uses some of the samples")]
mod samples;

/// Every sub-component both parsers find, as (segment, field, repetition, component, text).
type Parts<'a> = Vec<(String, usize, usize, usize, Vec<&'a str>)>;

fn ours(payload: &str) -> Parts<'_> {
    let message = Message::parse(payload.as_bytes()).unwrap();
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    let mut parts = Parts::new();
    for segment in message.segments() {
        for (field_index, field) in segment.fields().enumerate() {
            for (repeat_index, repetition) in field.repetitions().enumerate() {
                for (index, component) in repetition.components().enumerate() {
                    let found = component.subcomponents().map(|part| text(part.raw())).collect();
                    parts.push((
                        text(segment.name()).to_owned(),
                        field_index + 1,
                        repeat_index,
                        index,
                        found,
                    ));
                }
            }
        }
    }
    without_empty(parts)
}

fn theirs(payload: &str) -> Parts<'_> {
    let message = hl7_parser::Message::parse(payload).unwrap();
    let mut parts = Parts::new();
    for segment in message.segments() {
        for (field_index, field) in segment.fields().enumerate() {
            for (repeat_index, repeat) in field.repeats().enumerate() {
                for (index, component) in repeat.components().enumerate() {
                    let found = component.subcomponents().map(|part| part.raw_value()).collect();
                    parts.push((segment.name.to_owned(), field_index + 1, repeat_index, index, found));
                }
            }
        }
    }
    without_empty(parts)
}

/// They list an empty part of an empty field, we do not; nothing was sent either way. They take the header's
/// own delimiters apart by themselves.
fn without_empty(mut parts: Parts<'_>) -> Parts<'_> {
    parts.retain(|(segment, field, _, _, found)| {
        !(segment == "MSH" && *field <= 2) && found.iter().any(|text| !text.is_empty())
    });
    parts
}

#[track_caller]
fn check(payload: &str) {
    let (ours, theirs) = (ours(payload), theirs(payload));
    assert!(!ours.is_empty());
    for (our, their) in ours.iter().zip(&theirs) {
        assert_eq!(our, their);
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn both_parsers_find_the_same_parts() {
    check(samples::DFT);
    check(&samples::ORU_LF.trim_end().replace('\n', "\r"));
}

#[test]
fn both_parsers_find_the_same_parts_in_other_delimiters() {
    check(&samples::ADT_CUSTOM.replace("@#!", "@!"));
}
