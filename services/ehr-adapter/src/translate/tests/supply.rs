//! Consumptions: charges that take from stock, dispenses, administrations, requisitions.

use super::*;
use canon::events::supply_consumption::ConsumptionSource;
use canon::{Date, StockKey};

#[track_caller]
fn taken(more: &str, text: &str) -> Vec<(String, Consumption)> {
    let consumption = |statement| match statement {
        Statement::Consumption(name, event) => Some((name.to_string(), *event)),
        _ => None,
    };
    statements_of(more, text).into_iter().filter_map(consumption).collect()
}

pub(super) const RDS: &str = "MSH|^~\\&|PHARM1|LAKESIDE|VERTEBRA|HQ|20260301101500||RDS^O13|31|P|2.5\r\
    PID|1||4711^^^LAKESIDE^MR||Muster^Erika\r\
    PV1|1|I|W1^12^3||||||||||||||||V100\r\
    ORC|RE|P7|F7\r\
    RXD|1|A11^Infusion|20260301090000|3|BOX||||||||PHARM|||||L42|20271231\r";

#[test]
fn a_dispense_takes_an_item_from_a_place() {
    let taken = taken("", RDS);
    let [(name, event)] = &taken[..] else { panic!("one: {taken:?}") };
    assert_eq!(name, "consumption/north/dispense/P7/1/INFUSION@WH%2FPharmacy");
    let expected = Consumption {
        change: canon::Change::Recorded,
        consumption: name.clone(),
        item: "INFUSION".parse().expect("an item"),
        location: "WH/Pharmacy".parse().expect("a location"),
        lot: Some("L42".to_owned()),
        expires_on: Date::from_ymd(2027, 12, 31),
        quantity: "30".parse().expect("a number"),
        unit: Some("Units".to_owned()),
        encounter: Some(tokens().encounter("LAKESIDE", "V100")),
        patient: Some(tokens().patient("LAKESIDE", "4711")),
        sender: "north".to_owned(),
        control_id: "31".to_owned(),
        source: ConsumptionSource::Dispense,
        code: "A11".to_owned(),
        returned: false,
        consumed_at: at("2026-03-01T08:00:00Z"),
        facility: Some("LAKESIDE".to_owned()),
        occurred_at: at("2026-03-01T09:15:00Z"),
    };
    assert_eq!(event, &expected);
}

#[track_caller]
fn check_taken(more: &str, text: &str, expected: &[&str]) {
    let told: Vec<String> = taken(more, text)
        .iter()
        .map(|(_, event)| {
            let how = if event.returned { "returned" } else { "taken" };
            let unit = event.unit.as_deref().unwrap_or("-");
            format!("{} {} {unit} {how} at {}", event.item, event.quantity, event.location)
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn a_place_and_a_unit_are_what_the_tables_say() {
    check_taken("", &edited(RDS, &[("|BOX|", "|ML|")]), &["INFUSION 3 mL taken at WH/Pharmacy"]);
    check_taken("", &edited(RDS, &[("|3|BOX|", "|-3|BOX|")]), &["INFUSION 30 Units returned at WH/Pharmacy"]);
    check_taken("", &edited(RDS, &[("|PHARM|", "||")]), &["INFUSION 30 Units taken at WH/Ward 1"]);
    let warehouse = "facilities: {LAKESIDE: {warehouse: LK/Stock}}\n";
    let nowhere = edited(RDS, &[("|PHARM|", "||"), ("|W1^12^3|", "||")]);
    check_taken(warehouse, &nowhere, &["INFUSION 30 Units taken at LK/Stock"]);
    check_parks(
        "",
        &nowhere,
        &[],
        "invalid: FT1-16, else RXD-13, else RXA-11, else RQD-9, else PV1-3 are empty, and the facility has no \
         warehouse in the sender's configuration",
    );
    let plain = edited(RDS, &[("|A11^Infusion|", "|A10|")]);
    check_taken("", &plain, &["GAUZE 3 BOX taken at WH/Pharmacy"]);
    // By the box of its own row, by the table, and by nobody's.
    assert_eq!(as_said("", RDS), Vec::<String>::new());
    assert_eq!(as_said("", &edited(RDS, &[("|BOX|", "|ML|")])), Vec::<String>::new());
    assert_eq!(as_said("", &plain), ["unit BOX"]);
}

#[test]
fn what_is_in_no_table_waits_for_its_row_and_what_is_not_stocked_is_counted() {
    let parked = translated("", &edited(RDS, &[("|A11^", "|X1^")]), 0).expect_err("parked");
    assert_eq!(parked.waits_for[0].key, "charge/north/X1");
    let parked = translated("", &edited(RDS, &[("|PHARM|", "|CELLAR|")]), 0).expect_err("parked");
    assert_eq!(parked.waits_for[0].key, "location/north/CELLAR");
    check_nothing("", RDS, &[("|A11^", "|BED^")], ("RXD", Why::NotStocked));
}

pub(super) const RAS: &str = "MSH|^~\\&|PHARM1|LAKESIDE|VERTEBRA|HQ|20260301101500||RAS^O17|32|P|2.5\r\
    PID|1||4711^^^LAKESIDE^MR||Muster^Erika\r\
    PV1|1|I|W1^12^3||||||||||||||||V100\r\
    ORC|RE|P7|F7\r\
    RXA|0|1|20260301090000|20260301090500|A10^Gauze|2|PCE||||PHARM||||L43|20271130\r";

#[test]
fn an_administration_takes_what_was_given_and_a_deleted_one_is_taken_back() {
    check_taken("", RAS, &["GAUZE 2 PCE taken at WH/Pharmacy"]);
    let (name, event) = taken("", RAS).remove(0);
    assert_eq!(name, "consumption/north/administration/P7/0/1/20260301090000/GAUZE@WH%2FPharmacy");
    assert_eq!((event.lot.as_deref(), event.source), (Some("L43"), ConsumptionSource::Administration));
    check_taken_back(&edited(RAS, &[("20271130", "20271130|||||D")]), &name);
}

/// All that a message says is that this was not taken after all.
#[track_caller]
fn check_taken_back(text: &str, name: &str) {
    let stock = name.rsplit('/').next().expect("a stock").replace("%2F", "/");
    let key: StockKey = stock.parse().expect("a key");
    assert_eq!(statements_of("", text), [Statement::Unconsumed(name.parse().expect("a name"), key)]);
}

#[test]
fn what_was_refused_or_not_given_is_taken_back_where_it_was_told_before_and_is_counted() {
    let name = "consumption/north/administration/P7/0/1/20260301090000/GAUZE@WH%2FPharmacy";
    for status in ["NA", "RE"] {
        let refused = edited(RAS, &[("20271130", &format!("20271130||||{status}|U"))]);
        check_taken_back(&refused, name);
        let counted = translated("", &refused, 0).expect("translated").unmapped;
        assert_eq!(counted, [Unmapped { what: "RXA".to_owned(), why: Why::NotGiven }]);
        check_taken_back(&edited(&refused, &[("|2|PCE|", "|||")]), name);
        // Nothing is known of these, and nothing was taken: nobody waits for a row.
        for (from, to) in
            [("A10^Gauze", "X1"), ("A10^Gauze", ""), ("PHARM|", "CELLAR|"), ("A10^Gauze", "BED")]
        {
            check_nothing("", &refused, &[(from, to)], ("RXA", Why::NotGiven));
        }
    }
    let (_, line) = RAS.split_at(RAS.find("RXA").expect("an RXA"));
    let both = format!("{RAS}{}", edited(line, &[("20271130", "20271130||||RE")]));
    assert_eq!(statements_of("", &both).len(), 1, "what this message says was given stands");
    check_taken("", &both, &["GAUZE 2 PCE taken at WH/Pharmacy"]);
}

#[test]
fn what_was_taken_for_an_order_that_is_called_off_is_taken_back() {
    let (dispense, _) = taken("", RDS).remove(0);
    let (administration, _) = taken("", RAS).remove(0);
    for control in ["CA", "CR", "DC", "DR", "OC", "OD"] {
        let orc = format!("ORC|{control}|");
        check_taken_back(&edited(RDS, &[("ORC|RE|", &orc)]), &dispense);
        check_taken_back(&edited(RDS, &[("ORC|RE|", &orc), ("|3|BOX|", "|||")]), &dispense);
        check_taken_back(&edited(RAS, &[("ORC|RE|", &orc)]), &administration);
    }
}

pub(super) const OMS: &str = "MSH|^~\\&|CAB1|LAKESIDE|VERTEBRA|HQ|20260301101500||OMS^O05|33|P|2.5\r\
    ORC|NW|R1\rRQD|1||A10||4|PCE|||W1\rRQD|2|A11|||1|BOX|||W1\r\
    ORC|CA|R0\rRQD|1||A10||9|PCE|||W1\r";

#[test]
fn a_requisition_takes_from_stock_without_a_patient_and_a_cancelled_one_is_taken_back() {
    check_taken("", OMS, &["GAUZE 4 PCE taken at WH/Ward 1", "INFUSION 10 Units taken at WH/Ward 1"]);
    let statements = statements_of("", OMS);
    let Statement::Unconsumed(name, key) = &statements[2] else { panic!("taken back: {statements:?}") };
    let expected = ("consumption/north/requisition/R0/1/GAUZE@WH%2FWard 1", "GAUZE@WH/Ward 1");
    assert_eq!((name.as_str(), key.to_string().as_str()), expected);
    let twice = edited(OMS, &[("RQD|2|", "RQD|1|")]);
    check_parks("", &twice, &[], "conflict: two RQD have the same numbers");
}

#[test]
fn what_a_dft_means_is_the_senders_configuration() {
    let placed = edited(DFT, &[("12.50||D7", "12.50||D7|||W1"), ("4.10&USD", "4.10&USD||||W1")]);
    let topics =
        |more: &str| -> Vec<&str> { named(&statements_of(more, &placed)).iter().map(|it| it.0).collect() };
    let (charge, supply) = ("billing.charge.v1", "supply.consumption.v1");
    assert_eq!(topics("dft: charge\n"), [charge, charge]);
    assert_eq!(topics("dft: consumption\n"), [supply, supply]);
    assert_eq!(topics("dft: both\n"), [charge, supply, charge, supply]);
    check_nothing("dft: ignore\n", &placed, &[], ("DFT^P03", Why::Ignored));
    check_taken(
        "dft: both\n",
        &placed,
        &["GAUZE 1 - taken at WH/Ward 1", "INFUSION 30 Units taken at WH/Ward 1"],
    );
    let returned = edited(&placed, &[("|CG|A10", "|CD|A10"), ("|CG|A11", "|AJ|A11")]);
    check_taken("dft: consumption\n", &returned, &["GAUZE 1 - returned at WH/Ward 1"]);
    let lots = edited(&placed, &[("W1\rFT1|2", "W1\rZLT|L5\rFT1|2")]);
    let taken = taken("dft: consumption\nlot_path: ZLT-1\n", &lots);
    assert_eq!(taken.iter().map(|(_, event)| event.lot.as_deref()).collect::<Vec<_>>(), [Some("L5"), None]);
}

#[test]
fn a_consumption_needs_neither_visit_nor_amount() {
    let more = "dft: consumption\nlocation_paths: [FT1-16]\n";
    let text = edited(DFT, &[("|V100", "|"), ("12.50||D7", "||D7|||W1"), ("4.10&USD", "||||W1")]);
    let taken = taken(more, &text);
    assert_eq!(taken.iter().map(|(_, event)| event.encounter).collect::<Vec<_>>(), [None, None]);
    assert_eq!(taken[0].0, "consumption/north//T1/GAUZE@WH%2FWard 1");
    check_parks("dft: both\n", &text, &[], "invalid: PV1-19, else PID-18: no visit number");
}
