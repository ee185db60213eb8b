//! The clinical half of a day: patients, links, visits, appointments, orders, results, each as last said.

use super::Played;
use super::check::{Amiss, latest};
use crate::books::Evidence;
use canon::Change;
use canon::events::clinical_result::Observation;
use hospital::truth::Fate;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Visits of `held` keys are not followed: something of theirs waits for a code.
pub(super) fn check(played: &Played, evidence: &Evidence, held: &BTreeSet<String>, found: &mut Vec<Amiss>) {
    patients(played, evidence, found);
    links(played, evidence, found);
    visits(played, evidence, held, found);
    messages(played, evidence, found);
    appointments(played, evidence, found);
    orders(played, evidence, found);
    results(played, evidence, found);
}

/// Holds what is there against what should be, by the same names.
pub(super) fn hold<V: PartialEq + Debug>(
    what: &'static str,
    mut is: BTreeMap<String, V>,
    should: BTreeMap<String, V>,
    found: &mut Vec<Amiss>,
) {
    for (of, should) in should {
        match is.remove(&of) {
            None => found.push(Amiss::Missing { what, of }),
            Some(is) if is != should => {
                found.push(Amiss::Differs { what, of, is: format!("{is:?}"), should: format!("{should:?}") });
            }
            Some(_) => {}
        }
    }
    found.extend(is.into_keys().map(|of| Amiss::Stranger { what, of }));
}

/// Names and addresses are compared and never told: what differs is told by the names of the fields.
fn patients(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) {
    let bodies = latest(&evidence.patients.stated, |body| body.change == Change::Withdrawn);
    let mut is: BTreeMap<&str, &canon::Patient> =
        bodies.into_values().map(|(stated, body)| (stated.key.as_str(), body)).collect();
    for patient in &played.plan.truth.patients {
        let key = played.patient(patient.sender, &patient.id).to_string();
        let of = format!("{} ({})", patient.id, patient.sender);
        let Some(body) = is.remove(key.as_str()) else {
            found.push(Amiss::Missing { what: "patient", of });
            continue;
        };
        let text = |is: &Option<canon::Phi<String>>| {
            is.as_ref().map(|text| text.reveal().clone()).unwrap_or_default()
        };
        let fields = [
            ("family", text(&body.family) == patient.family),
            ("given", text(&body.given) == patient.given),
            ("birth date", text(&body.birth_date) == patient.birth_date),
            ("sex", text(&body.sex) == patient.sex),
            (
                "address",
                [&patient.street, &patient.town].iter().all(|part| text(&body.address).contains(*part)),
            ),
            ("phone", text(&body.phone) == patient.phone),
            ("deceased", *body.deceased.reveal() == patient.deceased),
        ];
        let wrong: Vec<&str> =
            fields.into_iter().filter(|(_, is_right)| !is_right).map(|(name, _)| name).collect();
        if !wrong.is_empty() {
            let (is, should) = (format!("another in {}", wrong.join(", ")), "as last said".to_owned());
            found.push(Amiss::Differs { what: "patient", of, is, should });
        }
    }
}

fn links(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) {
    let bodies = latest(&evidence.links.stated, |body| body.change == Change::Withdrawn);
    let is: BTreeMap<String, String> =
        bodies.into_values().map(|(stated, body)| (stated.key.clone(), body.survivor.to_string())).collect();
    let truth = &played.plan.truth;
    let ours = played.patients();
    let should = truth.links.iter().map(|link| {
        let token = |id: &str| played.patient(link.sender, id).to_string();
        (token(&link.retired), token(&link.survivor))
    });
    let is = is.into_iter().filter(|(retired, _)| ours.contains(retired)).collect();
    hold("link of patient", is, should.collect(), found);
}

/// Every visit was heard of, and is finished if it is.
fn visits(played: &Played, evidence: &Evidence, held: &BTreeSet<String>, found: &mut Vec<Amiss>) {
    use hospital::truth::Standing;
    let heard: BTreeSet<&str> = evidence.encounters.stated.iter().map(|stated| stated.key.as_str()).collect();
    let cases = latest(&evidence.cases.stated, |body| body.change == Change::Withdrawn);
    let finished: BTreeMap<&str, bool> =
        cases.into_values().map(|(stated, body)| (stated.key.as_str(), body.finished)).collect();
    for visit in &played.plan.truth.visits {
        let key = played.visit(visit.sender, &visit.visit).to_string();
        let of = format!("{} ({})", visit.visit, visit.sender);
        if !heard.contains(key.as_str()) {
            found.push(Amiss::Missing { what: "visit", of: of.clone() });
        }
        // Of one that was moved into another, who is asked for its charges is the biller's to decide.
        let should = visit.standing == Standing::Finished;
        let is = finished.get(key.as_str()).copied().unwrap_or(false);
        if is != should && visit.moved_to.is_none() && !held.contains(&key) {
            let (is, should) = (format!("finished: {is}"), format!("{:?}", visit.standing));
            found.push(Amiss::Differs { what: "the case of visit", of, is, should });
        }
    }
}

/// One fact of every ADT that is to be applied. The clinic's control ids come again: they are counted.
fn messages(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) {
    let truth = &played.plan.truth;
    let mut should: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // A message that moves a visit into another is a fact of the one that was moved.
    let moved = truth.visits.iter().filter(|visit| visit.moved_to.is_some());
    let moving: BTreeSet<_> = moved.flat_map(|visit| &visit.messages).collect();
    for visit in &truth.visits {
        let its = visit.messages.iter().filter(|id| visit.moved_to.is_some() || !moving.contains(id));
        let its = its.filter_map(|id| truth.message(*id));
        let applied = its.filter(|message| message.fate == Fate::Applied);
        let ids = applied.filter_map(|message| message.control_id.clone()).collect();
        should.insert(played.visit(visit.sender, &visit.visit).to_string(), ids);
    }
    let bodies = latest(&evidence.encounters.stated, |body| body.change == Change::Withdrawn);
    let mut is: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (stated, body) in bodies.into_values().filter(|(stated, _)| should.contains_key(&stated.key)) {
        is.entry(stated.key.clone()).or_default().push(body.control_id.clone());
    }
    hold("the messages of visit", sorted(is), sorted(should), found);
}

fn appointments(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) {
    let patients = played.patients();
    let bodies = latest(&evidence.appointments.stated, |body| body.change == Change::Withdrawn);
    let mut is: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (stated, body) in bodies.into_values().filter(|(stated, _)| patients.contains(&stated.key)) {
        is.entry(stated.key.clone()).or_default().push(appointment(
            &format!("{:?}", body.status).to_lowercase(),
            body.starts_at.map(|at| at.0),
            body.ends_at.map(|at| at.0),
        ));
    }
    let mut should: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &played.plan.truth.appointments {
        let patient = played.patient(one.sender, &one.patient).to_string();
        should.entry(patient).or_default().push(appointment(
            &one.status.replace('_', ""),
            Some(one.starts_at.as_microsecond()),
            Some(one.ends_at.as_microsecond()),
        ));
    }
    hold("the appointments of patient", sorted(is), sorted(should), found);
}

fn appointment(status: &str, starts_at: Option<i64>, ends_at: Option<i64>) -> String {
    format!("{status} from {starts_at:?} to {ends_at:?}")
}

fn orders(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) {
    let patients = played.patients();
    let bodies = latest(&evidence.orders.stated, |body| body.change == Change::Withdrawn);
    let mut is: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (stated, body) in bodies.into_values().filter(|(stated, _)| patients.contains(&stated.key)) {
        is.entry(stated.key.clone()).or_default().push(format!("{} {}", body.code, body.order_control));
    }
    let mut should: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &played.plan.truth.orders {
        let patient = played.patient(one.sender, &one.patient).to_string();
        should.entry(patient).or_default().push(format!("{} {}", one.code, one.control));
    }
    hold("the orders of patient", sorted(is), sorted(should), found);
}

fn results(played: &Played, evidence: &Evidence, found: &mut Vec<Amiss>) {
    let patients = played.patients();
    let bodies = latest(&evidence.results.stated, |body| body.change == Change::Withdrawn);
    let mut is: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (stated, body) in bodies.into_values().filter(|(stated, _)| patients.contains(&stated.key)) {
        let status: String = format!("{:?}", body.status).chars().take(1).collect();
        let value = |one: &Observation| Some(format!("{} {}", one.code, one.value.as_ref()?.reveal()));
        let values: Vec<String> = body.observations.iter().filter_map(value).collect();
        is.entry(stated.key.clone()).or_default().push(format!(
            "{} {status} {}",
            body.code,
            values.join(" ")
        ));
    }
    let mut should: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &played.plan.truth.results {
        let patient = played.patient(one.sender, &one.patient).to_string();
        let values: Vec<String> = one.values.iter().map(|(code, value)| format!("{code} {value}")).collect();
        should.entry(patient).or_default().push(format!("{} {} {}", one.code, one.status, values.join(" ")));
    }
    hold("the results of patient", sorted(is), sorted(should), found);
}

/// Lists are compared whatever their order.
pub(super) fn sorted(mut lists: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    lists.values_mut().for_each(|list| list.sort());
    lists
}
