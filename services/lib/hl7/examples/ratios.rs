//! Compares speeds with `hl7-parser` on one invented charge message and prints ratios.
//!
//! Times depend on the machine and are never asserted.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use hl7::message::Message;

#[path = "../tests/samples/mod.rs"]
#[allow(dead_code, reason = "the tests use more of the samples")]
mod samples;

/// How long each way runs.
const RUN: Duration = Duration::from_millis(1500);

fn main() {
    println!("one message of {} bytes, {} segments", samples::DFT.len(), samples::DFT.matches('\r').count());
    let theirs = per_second("hl7-parser, parse", || their_components(samples::DFT));
    for (name, ours) in [
        ("hl7, segments only", per_second("hl7, segments only", || segments(samples::DFT.as_bytes()))),
        ("hl7, six fields", per_second("hl7, six fields", || six_fields(samples::DFT.as_bytes()))),
        (
            "hl7, all components",
            per_second("hl7, all components", || all_components(samples::DFT.as_bytes())),
        ),
    ] {
        println!("{name}: {} times hl7-parser", ours / theirs.max(1));
    }
}

fn segments(bytes: &[u8]) -> usize {
    Message::parse(bytes).map_or(0, |message| message.segments().len())
}

fn six_fields(bytes: &[u8]) -> usize {
    let Ok(message) = Message::parse(bytes) else {
        return 0;
    };
    let header = message.header();
    let header = header.field(9).raw().len() + header.field(10).raw().len();
    let patient =
        message.segment("PID").map_or(0, |pid| pid.field(3).raw().len() + pid.field(18).raw().len());
    let visit = message.segment("PV1").map_or(0, |pv1| pv1.field(19).raw().len() + pv1.field(44).raw().len());
    header + patient + visit
}

fn all_components(bytes: &[u8]) -> usize {
    let Ok(message) = Message::parse(bytes) else {
        return 0;
    };
    let fields = message.segments().flat_map(|segment| segment.fields());
    let components =
        fields.flat_map(|field| field.repetitions()).flat_map(|repetition| repetition.components());
    components.map(|component| component.raw().len()).sum()
}

fn their_components(text: &str) -> usize {
    let Ok(message) = hl7_parser::Message::parse(text) else {
        return 0;
    };
    let fields = message.segments().flat_map(|segment| segment.fields());
    let components = fields.flat_map(|field| field.repeats()).flat_map(|repeat| repeat.components());
    components.map(|component| component.raw_value().len()).sum()
}

/// Runs `task` for a while, prints and gives how often it ran in a second.
fn per_second(name: &str, task: impl Fn() -> usize) -> u128 {
    let (start, mut runs) = (Instant::now(), 0_u128);
    while start.elapsed() < RUN {
        for _ in 0..200 {
            black_box(task());
        }
        runs += 200;
    }
    let rate = runs * 1_000_000 / start.elapsed().as_micros().max(1);
    println!("{name}: {rate} messages/s");
    rate
}
