//! The seeds of the fuzz targets, and mutations of them, against what holds for any bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod invariants;
#[path = "../../../../tests/fuzz/mutations.rs"]
mod mutations;

use mutations::check;

/// Mutations of each target, over all of its seeds.
const MUTATIONS: usize = 20_000;

#[test]
fn the_parser_takes_any_bytes() {
    check("hl7-parser", MUTATIONS, invariants::parser);
}

#[test]
fn the_framing_takes_any_bytes() {
    check("hl7-mllp", MUTATIONS, invariants::framing);
}

#[test]
fn the_splitting_of_batches_takes_any_bytes() {
    check("hl7-batch", MUTATIONS, invariants::batch);
}

#[test]
fn the_acknowledgement_takes_any_bytes() {
    check("hl7-ack", MUTATIONS, invariants::answer);
}

#[test]
fn the_time_takes_any_bytes() {
    check("hl7-time", MUTATIONS, invariants::time);
}

#[test]
fn character_sets_take_any_bytes() {
    check("hl7-charset", MUTATIONS, invariants::charset);
}
