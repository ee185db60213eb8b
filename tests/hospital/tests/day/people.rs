//! Patients, visits, appointments, results and supplies, read again from the bytes.

use crate::reader::good;
use hospital::truth::{Standing, Truth};
use hospital::{Config, Day, Plan, Sender};
use std::collections::BTreeMap;

fn plan() -> Plan {
    Day::plan(&Config::new(11, 300))
}

#[test]
fn a_visit_stands_where_its_last_message_left_it() {
    let plan = plan();
    let mut standing: BTreeMap<(Sender, String), Standing> = BTreeMap::new();
    let mut moved: BTreeMap<String, String> = BTreeMap::new();
    for read in good(&plan) {
        let Some(trigger) = read.kind().strip_prefix("ADT^").map(str::to_owned) else { continue };
        let key = (read.sender, read.visit());
        match trigger.as_str() {
            "A05" => drop(standing.insert(key, Standing::Planned)),
            "A01" | "A04" | "A13" => drop(standing.insert(key, Standing::Open)),
            "A03" => drop(standing.insert(key, Standing::Finished)),
            "A11" => drop(standing.insert(key, Standing::Cancelled)),
            "A45" => drop(moved.insert(read.get("MRG", 5), read.visit())),
            "A35" | "A41" | "A44" => drop(moved.insert(read.get("MRG", 3), read.visit())),
            _ => {}
        }
    }
    let visits = &plan.truth.visits;
    let told: BTreeMap<_, _> =
        visits.iter().map(|visit| ((visit.sender, visit.visit.clone()), visit.standing)).collect();
    assert_eq!(standing, told);
    let told: BTreeMap<_, _> =
        visits.iter().filter_map(|visit| Some((visit.visit.clone(), visit.moved_to.clone()?))).collect();
    assert_eq!(moved, told);
}

#[test]
fn a_patient_is_as_last_said() {
    let plan = plan();
    let (mut patients, mut links) = (BTreeMap::new(), BTreeMap::new());
    for read in good(&plan).iter().filter(|read| read.kind().starts_with("ADT")) {
        let pid = read.segment("PID").expect("a PID");
        let part = |field, component| read.component(pid, field, component);
        let entry: &mut [String; 3] = patients.entry((read.sender, part(3, 1))).or_default();
        entry[0] = part(5, 1);
        if !part(11, 1).is_empty() {
            entry[1] = part(11, 1);
        }
        match part(13, 1).as_str() {
            "" => {}
            "\"\"" => entry[2].clear(),
            phone => phone.clone_into(&mut entry[2]),
        }
        if ["A40", "A34", "A18"].iter().any(|trigger| read.kind().ends_with(trigger)) {
            links.insert(read.get("MRG", 1), part(3, 1));
        }
    }
    let Truth { patients: told, links: told_links, .. } = &plan.truth;
    let told: BTreeMap<_, _> = told
        .iter()
        .map(|it| ((it.sender, it.id.clone()), [it.family.clone(), it.street.clone(), it.phone.clone()]))
        .collect();
    assert_eq!(patients, told);
    assert_eq!(links, told_links.iter().map(|link| (link.retired.clone(), link.survivor.clone())).collect());
}

#[test]
fn an_appointment_is_as_last_said() {
    let plan = plan();
    let mut appointments = BTreeMap::new();
    for read in good(&plan).iter().filter(|read| read.kind().starts_with("SIU")) {
        let sch = read.segment("SCH").expect("a SCH");
        let status = match read.kind().as_str() {
            "SIU^S12" => "booked",
            "SIU^S13" => "rescheduled",
            "SIU^S14" => "modified",
            "SIU^S15" => "cancelled",
            "SIU^S26" => "no_show",
            other => panic!("{other}"),
        };
        let times = [4, 5].map(|component| read.time(&read.component(sch, 11, component)));
        appointments.insert(sch[1].clone(), (status.to_owned(), times));
    }
    let told = plan.truth.appointments.iter();
    let told: BTreeMap<_, _> =
        told.map(|it| (it.placer.clone(), (it.status.clone(), [it.starts_at, it.ends_at]))).collect();
    assert_eq!(appointments, told);
}

#[test]
fn orders_and_results_are_as_last_said() {
    let plan = plan();
    let (mut orders, mut results) = (BTreeMap::new(), BTreeMap::new());
    for read in good(&plan).iter().filter(|read| read.sender == Sender::Lab) {
        match read.kind().as_str() {
            "ORM^O01" | "RDE^O11" => drop(orders.insert(read.get("ORC", 2), read.get("ORC", 1))),
            "ORU^R01" => {
                let obx = read.segments.iter().filter(|segment| segment[0] == "OBX");
                let values: Vec<_> = obx.map(|obx| (read.component(obx, 3, 1), obx[5].clone())).collect();
                let observed_at = read.time(&read.get("OBR", 7));
                results.insert(read.get("OBR", 3), (read.get("OBX", 11), values, observed_at));
                assert_eq!(
                    read.component(read.segment("NTE").expect("a note"), 3, 1),
                    "ZZCANARY-Note: geprüft! für Station"
                );
            }
            _ => {}
        }
    }
    let told = plan.truth.orders.iter().map(|it| (it.placer.clone(), it.control.clone())).collect();
    assert_eq!(orders, told);
    let told = plan.truth.results.iter();
    let told =
        told.map(|it| (it.filler.clone(), (it.status.clone(), it.values.clone(), it.observed_at))).collect();
    assert_eq!(results, told);
}

#[test]
fn what_is_used_up_is_what_the_bytes_say() {
    let plan = plan();
    let mut used = BTreeMap::new();
    for read in good(&plan) {
        let (segment, code, quantity, place) = match (read.sender, read.kind().as_str()) {
            (Sender::Lab, "DFT^P03") => ("FT1", 7, 10, 16),
            (_, "RDS^O13") => ("RXD", 2, 4, 13),
            (_, "RAS^O17") => ("RXA", 5, 6, 11),
            _ => continue,
        };
        let quantity: i64 = read.get(segment, quantity).parse().expect("a number");
        *used.entry((read.get(segment, code), read.get(segment, place))).or_insert(0) += quantity;
    }
    let mut told = BTreeMap::new();
    for it in &plan.truth.consumptions {
        *told.entry((it.code.clone(), it.location.clone())).or_insert(0) += it.quantity;
    }
    assert!(used.len() > 8, "{used:?}");
    assert_eq!(used, told);
}
