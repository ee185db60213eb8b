//! The day as the house's own parser sees it: every message is one, in its own character set and zone.

use hl7::charset::{Charset, Origin};
use hl7::message::Message;
use hl7::time::{Zone, instant};
use hospital::truth::{Bad, Fate};
use hospital::{Config, Day, Sender};

#[test]
fn every_message_is_one_but_garbage() {
    let plan = Day::plan(&Config::new(13, 200));
    for outgoing in plan.outgoing() {
        let fate = &plan.truth.message(outgoing.id).expect("of the plan").fate;
        let parsed = Message::parse(&outgoing.bytes);
        assert_eq!(parsed.is_err(), *fate == Fate::Refused { why: Bad::Garbage }, "{}", outgoing.kind);
        let Ok(message) = parsed else { continue };
        let expected = outgoing.control_id.as_deref().unwrap_or_default();
        assert_eq!(message.header().field(10).raw(), expected.as_bytes());
        let choice = Charset::of(&message, Charset::UTF_8);
        let origin = if outgoing.id.sender == Sender::Clinic { Origin::Absent } else { Origin::Declared };
        assert_eq!(choice.origin, origin);
        let name =
            message.segment("PID").map(|pid| pid.field(5).component(1).text(choice.charset).into_owned());
        let patients = &plan.truth.patients;
        let family = outgoing_patient(&plan, outgoing)
            .and_then(|id| patients.iter().find(|patient| patient.id == id))
            .map(|patient| patient.family.clone());
        assert!(name.is_none() || family.is_none() || name == family, "{name:?} {family:?}");
    }
}

fn outgoing_patient<'p>(plan: &'p hospital::Plan, outgoing: &hospital::Outgoing) -> Option<&'p str> {
    plan.truth.message(outgoing.id)?.patient.as_deref()
}

#[test]
fn times_are_the_truths_by_the_zone_of_the_senders_file() {
    let plan = Day::plan(&Config { day: "2025-03-30".parse().expect("a day"), ..Config::new(14, 100) });
    let mut compared = 0;
    for outgoing in plan.outgoing() {
        let Ok(message) = Message::parse(&outgoing.bytes) else { continue };
        let yaml = outgoing.id.sender.yaml(1);
        let zone = yaml.lines().find_map(|line| line.strip_prefix("time_zone: ")).expect("a zone");
        let zone = Zone::named(zone).expect("a zone");
        for ft1 in message.segments_named("FT1") {
            let charge = plan.truth.charges.iter().find(|charge| {
                charge.sender == outgoing.id.sender && charge.transaction.as_bytes() == ft1.field(2).raw()
            });
            let Some(charge) = charge else { continue };
            let at = instant(ft1.field(4).raw(), &zone).expect("a time").micros;
            assert_eq!(at, charge.service_at.as_microsecond());
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}
