//! What a day has of everything.

use hospital::truth::{Bad, ChargeKind, Fate, Standing};
use hospital::{Config, Day, MARK, Plan, Sender, Share, content};
use std::collections::{BTreeMap, BTreeSet};

fn bytes(plan: &Plan) -> Vec<Vec<u8>> {
    plan.outgoing().map(|outgoing| outgoing.bytes.clone()).collect()
}

#[test]
fn a_seed_makes_the_same_day_again_and_another_seed_another() {
    let plan = |seed| Day::plan(&Config::new(seed, 60));
    assert_eq!(bytes(&plan(7)), bytes(&plan(7)));
    assert_eq!(plan(7).truth, plan(7).truth);
    // What is no message tells nothing of its day.
    let (seven, eight): (BTreeSet<_>, BTreeSet<_>) =
        (bytes(&plan(7)).into_iter().collect(), bytes(&plan(8)).into_iter().collect());
    assert!(seven.is_disjoint(&eight));
}

#[test]
fn bytes_are_the_same_on_every_machine() {
    let plan = Day::plan(&Config::new(1, 80));
    let all = plan.outgoing().flat_map(|outgoing| content(&outgoing.bytes)).collect::<Vec<u8>>();
    let sum = content(&all).iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    // Another value means another day for everybody who keeps a seed: say so in the changelog.
    assert_eq!(sum, "dbc11259cde6e4d7");
}

#[test]
fn every_kind_of_message_comes_in_a_day_of_300_patients_from_whom_it_is_expected() {
    let kinds = Day::plan(&Config::new(3, 300)).kinds();
    let expected = [
        (
            Sender::North,
            "ADT^A01 ADT^A02 ADT^A03 ADT^A04 ADT^A05 ADT^A06 ADT^A07 ADT^A08 ADT^A11 ADT^A12 ADT^A13 ADT^A28 ADT^A31 \
             ADT^A40 ADT^A45 ADT^Z99 DFT^P03 RAS^O17 garbage",
        ),
        (Sender::Lab, "DFT^P03 ORM^O01 ORU^R01 RDE^O11 RDS^O13"),
        (
            Sender::Clinic,
            "ADT^A03 ADT^A04 ADT^A05 ADT^A08 ADT^A18 ADT^A28 ADT^A31 ADT^A34 ADT^A35 ADT^A41 ADT^A44 DFT^P03 SIU^S12 \
             SIU^S13 SIU^S14 SIU^S15 SIU^S26",
        ),
    ];
    for (sender, names) in expected {
        for name in names.split_whitespace() {
            assert!(kinds.contains_key(&(sender, name.to_owned())), "{sender} sends no {name}");
        }
    }
}

#[test]
fn a_day_has_everything_that_goes_wrong_in_one() {
    let truth = Day::plan(&Config::new(3, 300)).truth;
    let charges = &truth.charges;
    assert!(charges.iter().any(|charge| charge.late));
    assert!(charges.iter().any(|charge| charge.in_cancelled_discharge));
    assert!(charges.iter().any(|charge| charge.said.len() > 1));
    for kind in [ChargeKind::Charge, ChargeKind::Credit, ChargeKind::Adjustment] {
        assert!(
            charges.iter().any(|charge| charge.kind == kind && charge.sender == Sender::North),
            "{kind:?}"
        );
    }
    assert!(
        charges.iter().any(|charge| charge.kind == ChargeKind::Credit && charge.sender == Sender::Clinic)
    );
    for standing in [Standing::Open, Standing::Finished, Standing::Cancelled] {
        assert!(truth.visits.iter().any(|visit| visit.standing == standing), "{standing:?}");
    }
    assert!(truth.visits.iter().any(|visit| visit.moved_to.is_some()));
    assert!(truth.results.iter().any(|result| result.status == "C"));
    assert!(truth.orders.iter().any(|order| order.control == "CA"));
    assert!(truth.silences.iter().all(|silent| silent.held > 0) && !truth.silences.is_empty());
    let codes: BTreeSet<_> =
        truth.messages.iter().map(|message| (message.id.sender, &message.control_id)).collect();
    assert!(codes.len() < truth.messages.len(), "no control id came twice");
    assert_eq!(
        Sender::ALL.map(|sender| truth.messages.iter().any(|message| message.id.sender == sender)),
        [true; 3]
    );
}

#[test]
fn bad_messages_come_at_the_rate_that_is_asked_for_and_each_kind_in_turn() {
    let of = |bad| {
        let config = Config { bad, ..Config::new(5, 300) };
        let mut counts: BTreeMap<Bad, usize> = BTreeMap::new();
        let truth = Day::plan(&config).truth;
        for message in &truth.messages {
            match &message.fate {
                Fate::Refused { why } | Fate::Parked { why } | Fate::Ignored { why } => {
                    *counts.entry(*why).or_default() += 1
                }
                Fate::Unmapped { .. } => *counts.entry(Bad::UnknownCode).or_default() += 1,
                Fate::Applied | Fate::Behind { .. } => {}
            }
        }
        (counts, truth.messages.len())
    };
    let (none, _) = of(Share::NONE);
    assert_eq!(none.len(), 0);
    let (some, all) = of(Share::of_hundred(2));
    let count: usize = some.values().sum();
    assert!((all * 17 / 1_000..=all * 20 / 1_000).contains(&count), "{count} of {all}");
    assert_eq!(some.keys().copied().collect::<BTreeSet<_>>(), Bad::ALL.into());
}

#[test]
fn everything_that_says_who_a_patient_is_can_be_found_again() {
    for outgoing in Day::plan(&Config::new(9, 60)).outgoing() {
        let Some(read) = crate::reader::Read::of(outgoing) else { continue };
        let Some(pid) = read.segment("PID") else { continue };
        let fields: &[usize] = if outgoing.id.sender == Sender::Lab { &[3, 5] } else { &[3, 5, 11, 13, 18] };
        for field in fields {
            let text = pid.get(*field).map(String::as_str).unwrap_or_default();
            assert!(text.is_empty() || text == "\"\"" || text.contains(MARK), "PID-{field}: {text}");
        }
        assert!(!outgoing.control_id.as_deref().unwrap_or_default().contains(MARK));
        for ft1 in read.segments.iter().filter(|segment| segment[0] == "FT1") {
            assert!(!ft1[2].contains(MARK));
        }
    }
}

#[test]
fn a_stream_is_in_order_and_a_silent_sender_says_nothing() {
    let plan = Day::plan(&Config::new(4, 200));
    let silent = &plan.truth.silences[0];
    for sender in Sender::ALL {
        let stream = plan.stream(sender);
        assert!(
            stream.windows(2).all(|two| two[0].due <= two[1].due && two[0].order < two[1].order),
            "{sender}"
        );
        let during = |due| silent.from <= due && due < silent.to;
        assert_eq!(stream.iter().any(|outgoing| during(outgoing.due)), sender != silent.sender, "{sender}");
    }
    let copies = plan.outgoing().filter(|outgoing| outgoing.is_copy).count();
    assert!(copies > 10);
    assert_eq!(plan.outgoing().count() - copies, plan.truth.messages.len());
}

#[test]
fn a_truth_that_is_written_is_read_again_as_it_was() {
    let truth = Day::plan(&Config::new(2, 80)).truth;
    let mut bytes = Vec::new();
    truth.write(&mut bytes).expect("written");
    assert!(bytes.iter().filter(|byte| **byte == b'\n').count() > truth.messages.len());
    let read = hospital::truth::Truth::read(&*bytes).expect("read");
    assert!(read == truth, "it differs");
}
