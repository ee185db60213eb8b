//! What a message waits for: its sender's configuration, and rows of code tables for its day.

use super::fold::{configures, reasons, rig, sees, unmapped};
use super::supply::{OMS, RDS};
use super::*;
use crate::setup::Setup;
use backbone::rig::Rig;
use canon::Date;

#[test]
fn a_message_of_a_sender_that_is_not_known_waits_until_it_is() {
    let mut rig = Rig::new(folding(Setup::new(tokens(), unmapped())));
    sees(&mut rig, "", ADT);
    sees(&mut rig, "", DFT);
    assert_eq!(reasons(&rig), ["missing", "behind"]);
    configures(&mut rig, "currency: Euro\n");
    assert_eq!(reasons(&rig), ["invalid", "behind"], "a configuration that cannot be read is waited out");
    configures(&mut rig, "");
    assert_eq!((rig.latest::<Encounter>().len(), rig.latest::<Charge>().len()), (1, 2));
    assert_eq!(rig.parked(), []);
}

#[test]
fn what_the_senders_configuration_is_to_say_waits_until_it_does() {
    let other = edited(ADT, &[("V100", "V200")]);
    let mut unique = rig("");
    sees(&mut unique, "", ADT);
    sees(&mut unique, "", &other);
    configures(&mut unique, "dft: both\n");
    assert_eq!(reasons(&unique), ["conflict"], "it still does not say so");
    configures(&mut unique, "control_ids: restarts\n");
    assert_eq!((unique.latest::<Encounter>().len(), unique.parked()), (2, vec![]));
    let mut unsaid = rig("");
    sees(&mut unsaid, "", &edited(ADT, &[("|17|P|", "|17||")]));
    sees(&mut unsaid, "", DFT);
    assert_eq!(reasons(&unsaid), ["invalid", "behind"]);
    configures(&mut unsaid, "processing: [P, \"\"]\n");
    assert_eq!((unsaid.latest::<Charge>().len(), unsaid.parked()), (2, vec![]));
    let mut nowhere = rig("");
    sees(&mut nowhere, "", &edited(RDS, &[("|PHARM|", "||"), ("|W1^12^3|", "||")]));
    assert_eq!(reasons(&nowhere), ["invalid"]);
    configures(&mut nowhere, "facilities: {LAKESIDE: {warehouse: LK/Stock}}\n");
    assert_eq!((nowhere.latest::<Consumption>().len(), nowhere.parked()), (1, vec![]));
}

#[test]
fn a_code_that_is_not_mapped_parks_its_patient_until_its_row_comes() {
    let more = "dft: both\n";
    let mut rig = rig(more);
    let strange =
        edited(DFT, &[("A10^Swab", "N1"), ("12.50||D7", "12.50||D7|||W1"), ("4.10&USD", "4.10&USD||||W1")]);
    sees(&mut rig, more, &strange);
    sees(&mut rig, more, ADT);
    assert_eq!(reasons(&rig), ["missing", "behind"]);
    let (key, row) = code(CodeTable::Charge, "N1", "NEEDLE", |_| {});
    rig.knows::<Code>(&key, &row);
    assert_eq!(rig.parked(), []);
    let items: Vec<String> = rig.latest::<Consumption>().iter().map(|event| event.item.to_string()).collect();
    assert_eq!(items, ["NEEDLE", "INFUSION"]);
    assert_eq!((rig.latest::<Charge>().len(), rig.latest::<Encounter>().len()), (2, 1));
}

/// What is parked for a code goes on when everybody's row of it comes.
#[track_caller]
fn check_released(more: &str, message: &str, table: CodeTable, change: impl FnOnce(&mut CodeEntry)) {
    let mut rig = rig(more);
    sees(&mut rig, more, message);
    sees(&mut rig, more, ADT);
    assert_eq!(reasons(&rig), ["missing", "behind"]);
    let (key, row) = code(table, "N1", "NEEDLE", change);
    rig.knows::<Code>(&key.for_everybody(), &Code { sender: None, ..row });
    assert_eq!(rig.parked(), []);
    assert_eq!(rig.latest::<Encounter>().len(), 1);
}

#[test]
fn what_waits_for_a_code_is_released_by_everybodys_row_as_well() {
    let placed = edited(DFT, &[("12.50||D7", "12.50||D7|||W1"), ("4.10&USD", "4.10&USD||||W1")]);
    let item = edited(&placed, &[("A10^Swab", "N1")]);
    check_released("dft: both\n", &item, CodeTable::Charge, |_| {});
    let place = edited(&placed, &[("D7|||W1", "D7|||N1")]);
    check_released("dft: both\n", &place, CodeTable::Location, |_| {});
    let unpriced = edited(DFT, &[("||||12.50||D7", "|||2||"), ("A10^Swab", "N1")]);
    check_released("", &unpriced, CodeTable::Charge, |entry| {
        entry.price = Some("4".parse().expect("a price"));
        entry.currency = Some("EUR".to_owned());
    });
}

#[test]
fn a_charge_whose_row_has_no_price_waits_for_one_that_has() {
    let mut rig = rig("");
    sees(&mut rig, "", &edited(DFT, &[("||||12.50||D7", "|||2||"), ("A10^Swab", "BED")]));
    assert_eq!(reasons(&rig), ["invalid"]);
    let (key, row) = code(CodeTable::Charge, "BED", "", |entry| {
        entry.price = Some("80".parse().expect("a price"));
        entry.currency = Some("EUR".to_owned());
    });
    rig.knows::<Code>(&key, &row);
    assert_eq!(rig.parked(), []);
    assert_eq!(rig.latest::<Charge>()[0].amount.to_string(), "160");
}

#[test]
fn a_row_of_everybodys_holds_where_the_sender_has_none_on_that_day() {
    let mut rig = rig("");
    let unpriced = edited(DFT, &[("||||12.50||D7", "|||2||"), ("|T1||20260301|", "|T1||20260201|")]);
    let price = |price: &'static str, from: &'static str| {
        code(CodeTable::Charge, "A10", "GAUZE", |entry| {
            entry.price = Some(price.parse().expect("a price"));
            entry.valid_from = Some(from.parse().expect("a day"));
        })
    };
    let (key, own) = price("9", "2026-02-02");
    let (_, everybodys) = price("4", "2026-02-01");
    rig.knows::<Code>(&key, &own);
    rig.knows::<Code>(&key.for_everybody(), &Code { sender: None, ..everybodys });
    sees(&mut rig, "", &unpriced);
    assert_eq!(rig.latest::<Charge>()[0].amount.to_string(), "8");
    let later = [("20260201", "20260202"), ("|18|", "|19|"), ("|T1|", "|T3|"), ("|T2|", "|T4|")];
    sees(&mut rig, "", &edited(&unpriced, &later));
    let amounts: Vec<String> =
        rig.latest::<Charge>().iter().map(|charge| charge.amount.to_string()).collect();
    assert_eq!(amounts, ["8", "12.3", "18", "12.3"]);
}

/// A line without a day of its own takes what the tables say from this day on, and no longer what they said before.
#[track_caller]
fn check_day(more: &str, text: &str, day: &str) {
    let day: Date = day.parse().expect("a day");
    let item = |since: Date| {
        let mut rig = rig(more);
        let (key, mut row) = code(CodeTable::Charge, "A10", "BEFORE", |entry| entry.valid_to = Some(since));
        let (_, later) = code(CodeTable::Charge, "A10", "SINCE", |entry| entry.valid_from = Some(since));
        row.entries.extend(later.entries);
        rig.knows::<Code>(&key, &row);
        sees(&mut rig, more, text);
        rig.latest::<Consumption>().first().map(|event| event.item.to_string())
    };
    assert_eq!(item(day).as_deref(), Some("SINCE"), "{day}");
    assert_eq!(item(Date(day.0 + 1)).as_deref(), Some("BEFORE"), "{day}");
}

#[test]
fn case_17_tables_are_asked_for_the_day_where_the_sender_is() {
    let more = "dft: consumption\n";
    // An hour before midnight in London, half past midnight in Berlin.
    let night = ("20260301101500+0100", "20260301003000");
    let dft = edited(DFT, &[("|T1||20260301|20260301|", "|T1||||"), ("||D7", "||D7|||W1"), ("A11|", "BED|")]);
    check_day(more, &edited(&dft, &[night]), "2026-03-01");
    let event = ("\rPID", "\rEVN|P03|20260401003000\rPID");
    check_day(more, &edited(&dft, &[night, event]), "2026-04-01");
    check_day(more, &edited(&dft, &[night, ("\rPID", "\rEVN|P03|20260401003000-1100\rPID")]), "2026-04-01");
    check_day(more, &edited(&dft, &[night, ("\rPID", "\rEVN|P03|202604\rPID")]), "2026-04-01");
    let night = ("20260301101500", "20260301003000");
    let rds = edited(RDS, &[night, ("|20260301090000|", "||"), ("|A11^Infusion|", "|A10|")]);
    check_day("", &rds, "2026-03-01");
    check_day("", &edited(OMS, &[night]), "2026-03-01");
    // The time of RQD-10 is when it is needed.
    check_day("", &edited(OMS, &[night, ("PCE|||W1\rRQD|2", "PCE|||W1|20260501\rRQD|2")]), "2026-03-01");
    // Tests have received everything at 21:20 UTC.
    let unsaid = edited(&dft, &[("20260301101500+0100", "")]);
    check_day("dft: consumption\ntime_zone: Asia/Tokyo\n", &unsaid, "2026-03-02");
    check_day("dft: consumption\ntime_zone: America/New_York\n", &unsaid, "2026-03-01");
}
