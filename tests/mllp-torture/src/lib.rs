//! Torture for MLLP endpoints: what senders and networks do to one, case by case, and a verdict on each.
//!
//! Consumes the address of any endpoint, ours or another's; sends it invented messages, byte for byte as a case wants
//! them; gives a report. It shares no code with what it judges: framing, messages and the reader of answers are its
//! own.
//!
//! A verdict is from a client's point of view. What only the endpoint's operator can see (that a message was stored
//! before it was acknowledged, that a probe made no noise in the logs) is not here.

mod answer;
mod bench;
mod cases;
mod message;
mod replay;
mod report;
mod target;
mod tls;
mod wire;

pub use answer::{Answer, Verdict};
pub use bench::{Bench, Ended};
pub use cases::{Case, all};
pub use message::Sender;
pub use replay::{Replayed, messages, replay};
pub use report::{Finding, Outcome, Report};
pub use target::{Mllp, Slow, Target};
pub use tls::{BadTls, CertificateFiles, Tls, TlsFiles};

/// Runs the cases one after the other, each followed by a healthy message. Stops before the first one when the
/// endpoint does not answer a healthy message at all: then no case tells anything.
pub async fn run(target: &Target, cases: &[Case], mut told: impl FnMut(&Finding)) -> Report {
    let mut report = Report::new(&target.address);
    let healthy = bench::run(target, &cases::healthy(), report.numbers()).await;
    let goes_on = !matches!(healthy.outcome, Outcome::Failed { .. });
    told(&healthy);
    report.add(healthy);
    for case in cases.iter().take(if goes_on { usize::MAX } else { 0 }) {
        let finding = bench::run(target, case, report.numbers()).await;
        told(&finding);
        report.add(finding);
    }
    report
}
