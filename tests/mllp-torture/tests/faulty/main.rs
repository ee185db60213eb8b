//! The kit judged: each fault of an endpoint is found by the case that is named for it, and a good endpoint passes.

#[path = "../authority/mod.rs"]
mod authority;
mod encryption;
mod endpoint;

use endpoint::{Endpoint, Fault};
use futures::future::join_all;
use mllp_torture::{Case, Mllp, Outcome, Slow, Target, all, run};
use std::time::Duration;

/// How long a fault is waited on that shows by silence.
const SILENCE: Duration = Duration::from_secs(3);
const OVERSIZE_BYTES: usize = 2 << 20;

fn target(endpoint: &Endpoint) -> Target {
    Target { oversize_bytes: OVERSIZE_BYTES, ..Target::new(&endpoint.address) }
}

fn named(name: &str) -> Case {
    all().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case is named {name}"))
}

/// What a case says of a target.
async fn verdict(target: &Target, name: &str) -> Outcome {
    let report = run(target, &[named(name)], |_| {}).await;
    let [healthy, finding] = &report.findings[..] else {
        panic!("{name}: not even a healthy message is answered: {:?}", report.findings);
    };
    assert_eq!(healthy.outcome, Outcome::Passed, "{name}");
    finding.outcome.clone()
}

async fn check_failed(fault: Fault, mllp: Mllp, name: &str, came: &str) {
    let endpoint = Endpoint::with(fault).await;
    let target = Target { timeout: SILENCE, mllp, ..target(&endpoint) };
    match verdict(&target, name).await {
        Outcome::Failed { came: seen, .. } => assert!(seen.contains(came), "{fault:?}: {name}: {seen}"),
        other => panic!("{fault:?} was not found by {name}: {other:?}"),
    }
}

#[tokio::test]
async fn an_endpoint_without_a_fault_passes_every_case_that_can_be_run() {
    let endpoint = Endpoint::with(Fault::Flawless).await;
    let report = run(&target(&endpoint), &all(), |_| {}).await;
    let is_good = |outcome: &Outcome| matches!(outcome, Outcome::Passed | Outcome::Skipped { .. });
    let others: Vec<_> = report.findings.iter().filter(|finding| !is_good(&finding.outcome)).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(report.is_good());
    assert_eq!(report.findings.len(), all().len() + 1);
    assert!(report.summary().contains(" 0 tolerated, 0 failed, "), "{}", report.summary());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_found_by_the_case_that_is_named_for_it() {
    let silence = "no answer in time";
    let faults = [
        (Fault::SilentWithoutStartBlock, "bytes-before-the-start-block", silence),
        (Fault::AnswersTwice, "cr-in-a-later-packet", "AA to TRT"),
        (Fault::AnswersOnlyTheFirstOfAPacket, "frames-in-one-packet", silence),
        (Fault::DiesByOneByte, "one-byte-packets", "closed"),
        (Fault::DiesByOneByte, "split-at-every-byte", "closed"),
        (Fault::AcceptsWhatWasGivenUp, "a-start-block-amid-a-frame", "never came whole"),
        (Fault::SilentAboutTheTooLarge, "a-message-over-the-size-cap", silence),
        (Fault::ServesOneAtATime, "half-open-connections-hold-up-nobody", silence),
        (Fault::DiesByAProbe, "a-probe-that-connects-and-closes", ""),
        (Fault::DiesByAProbe, "a-probe-that-resets", ""),
        (Fault::AcceptsWhatWasCutOff, "a-reconnect-amid-a-message", "never came whole"),
        (Fault::NamesTheMessageBefore, "many-messages-on-one-connection", "AA to TRT"),
        (Fault::ServesOneAtATime, "many-connections-at-once", silence),
        (Fault::AcceptsStrayCommitBytes, "a-commit-byte-that-nobody-asked-for", "AA without MSA-2"),
        (Fault::AnswersOnlyTheFirstOfAPacket, "messages-before-the-first-ack", silence),
        (Fault::AnswersInReverse, "messages-before-the-first-ack", "AA to TRT"),
        (Fault::NamesTheMessageBefore, "messages-before-the-first-ack", "AA to TRT"),
        (Fault::AnswersInReverse, "more-messages-than-any-queue-holds", "AA to TRT"),
        (Fault::ShowsNoSwap, "what-an-ack-says-of-its-message", "TORTURE"),
        (Fault::UppercasesControlIds, "what-an-ack-says-of-its-message", "AA to T.:"),
        (Fault::RefusesASecondTime, "a-message-sent-again", "AE"),
        (Fault::RefusesASecondTime, "a-message-whose-ack-was-lost", "AE"),
        (Fault::SilentAboutTheUnparsable, "no-msh", silence),
        (Fault::SilentAboutTheUnparsable, "no-control-id", silence),
        (Fault::AcceptsWhatIsNoMessage, "no-msh", "AA without MSA-2"),
        (Fault::AcceptsWhatIsNoMessage, "no-control-id", "AA without MSA-2"),
        (Fault::AcceptsWhatIsNoMessage, "an-empty-frame", "AA without MSA-2"),
        (Fault::RefusesWithoutPid, "no-pid", "AE"),
        (Fault::RefusesTraining, "training-and-debugging-messages", "AE"),
        (Fault::KeepsDelimitersOfValues, "custom-delimiters", "TORTURE*1.2.3.4*ISO"),
        (Fault::AnswersBatchesTwice, "a-batch", "AA without MSA-2"),
        (Fault::ClosesAtOtherThanAscii, "character-sets", "closed"),
        (Fault::SilentAboutMerges, "merges-cancels-and-corrections", silence),
        (Fault::SilentAboutYears, "times", silence),
        (Fault::HangsAtLength, "deep-repetition", silence),
        (Fault::HangsAtLength, "a-megabyte-in-one-field", silence),
        (Fault::HangsAtLength, "an-escape-that-never-ends", silence),
        (Fault::SilentAboutTheUnparsable, "no-message-at-all", silence),
    ];
    join_all(faults.map(|(fault, name, came)| check_failed(fault, Mllp::V1, name, came))).await;
}

#[tokio::test]
async fn an_endpoint_of_mllp_v1_is_none_of_v2() {
    check_failed(Fault::Flawless, Mllp::V2, "a-commit-byte-before-the-ack", "AA to TRT").await;
}

#[tokio::test]
async fn an_endpoint_of_mllp_v2_passes_as_one_and_not_as_one_of_v1() {
    let endpoint = Endpoint::with(Fault::Commits).await;
    let target = Target { mllp: Mllp::V2, ..target(&endpoint) };
    let report = run(&target, &all(), |_| {}).await;
    let is_good = |outcome: &Outcome| matches!(outcome, Outcome::Passed | Outcome::Skipped { .. });
    let others: Vec<_> = report.findings.iter().filter(|finding| !is_good(&finding.outcome)).collect();
    assert!(others.is_empty(), "{others:#?}");
    for (fault, mllp, came) in
        [(Fault::Commits, Mllp::V1, "0x06"), (Fault::CommitsByTheWrongByte, Mllp::V2, "0x15")]
    {
        let endpoint = Endpoint::with(fault).await;
        let target = Target { mllp, ..Target::new(&endpoint.address) };
        let report = run(&target, &all(), |_| {}).await;
        let [finding] = &report.findings[..] else { panic!("{fault:?} was not found: {report:?}") };
        assert!(finding.to_string().contains(came), "{finding}");
    }
}

#[tokio::test]
async fn a_known_variation_is_tolerated_and_told() {
    for (fault, name, what) in [
        (Fault::ReusesControlIds, "what-an-ack-says-of-its-message", "MSH-10 and none of its own"),
        (Fault::ReusesControlIds, "a-message-sent-again", "both ACKs have one MSH-10"),
        (Fault::RefusesEscapes, "escapes-and-values", "it refuses every escape with AE"),
        (Fault::HangsAtLength, "a-sender-that-dribbles-is-cut-off", "--slow"),
    ] {
        let endpoint = Endpoint::with(fault).await;
        match verdict(&target(&endpoint), name).await {
            Outcome::Tolerated { what: told } | Outcome::Skipped { why: told } => {
                assert!(told.contains(what), "{fault:?}: {told}");
            }
            other => panic!("{fault:?}: {name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_waits_for_ever_on_a_sender_that_dribbles_is_found() {
    let endpoint = Endpoint::with(Fault::Flawless).await;
    let target = Target { slow: Slow::Within(Duration::from_secs(1)), ..target(&endpoint) };
    let outcome = verdict(&target, "a-sender-that-dribbles-is-cut-off").await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(verdict(&target, "an-idle-connection-is-let-go-or-served").await, Outcome::Passed);
}

#[tokio::test]
async fn where_nobody_listens_no_case_is_run() {
    let address = Endpoint::with(Fault::Flawless).await.address.clone();
    let target = Target { timeout: Duration::from_millis(300), ..Target::new(address) };
    let report = run(&target, &all(), |_| {}).await;
    assert_eq!(report.findings.len(), 1);
    assert!(!report.is_good());
}
