//! What codes stand for: items that have to be known, payers.

use super::*;
use canon::events::inventory_item::ItemTracking;
use canon::events::reference_code::CodeEntry;
use canon::{CodeKey, CodeTable, ItemCode};

fn item(code: &str) -> (ItemCode, Item) {
    let key = ItemCode::of(code).unwrap();
    let item = Item {
        change: Change::Recorded,
        item: key.clone(),
        product_id: 1,
        template_id: 1,
        name: "an item".to_owned(),
        active: true,
        barcode: None,
        unit: "Units".to_owned(),
        storable: false,
        tracking: ItemTracking::None,
        list_price: Money::ZERO,
        standard_price: Money::ZERO,
        currency: None,
        company: None,
    };
    (key, item)
}

/// A row with targets, each from its day on until the next one's.
fn code(table: CodeTable, sender: Option<&str>, code: &str, targets: &[(&str, &str)]) -> (CodeKey, Code) {
    let sender = sender.map(|sender| sender.parse().unwrap());
    let key = CodeKey::of(table, sender.as_ref(), code).unwrap();
    let day = |index: usize| targets.get(index).map(|(day, _)| day.parse().unwrap());
    let entry = |(index, (_, target)): (usize, &(&str, &str))| CodeEntry {
        valid_from: day(index),
        valid_to: day(index + 1),
        target: (*target).to_owned(),
        description: None,
        price: None,
        currency: None,
        unit: None,
        factor: None,
    };
    let entries = targets.iter().enumerate().map(entry).collect();
    (key, Code { change: Change::Recorded, table, sender, code: code.to_owned(), entries })
}

fn strict() -> Rig<Case> {
    Rig::new(folding(Setup { known_items_only: true, ..setup(0) }))
}

fn codes(rig: &Rig<Case>) -> Vec<String> {
    let requests = rig.emitted::<InvoiceRequest>();
    requests.into_iter().flat_map(|request| request.lines).map(|line| line.code).collect()
}

#[test]
fn a_charge_of_an_unknown_item_waits_until_it_is_known() {
    let mut rig = strict();
    go_on(&mut rig, &[discharged("1", -1), posted("a", "1"), posted("b", "2")]);
    let parked: Vec<String> = rig.parked().iter().map(|(reason, _)| reason.to_string()).collect();
    assert_eq!(parked, ["missing", "behind"]);
    let (key, item) = item("4711");
    rig.knows(&key, &item);
    assert_eq!(rig.parked(), []);
    assert_eq!(requests(&rig).concat(), "1 nobody 2025-12-31 3 EUR: a=1 b=2");
    assert_eq!(codes(&rig), ["4711", "4711"]);
}

#[test]
fn a_charge_of_a_code_that_nobody_has_mapped_waits_until_it_is_mapped() {
    let mut rig = strict();
    let (key, mri) = item("IMG-MRI");
    rig.knows(&key, &mri);
    go_on(&mut rig, &[discharged("1", -1), posted("a", "1")]);
    assert_eq!(rig.parked().len(), 1);
    let (key, row) = code(CodeTable::Charge, Some("lakeside"), "4711", &[("2020-01-01", "IMG-MRI")]);
    rig.knows(&key, &row);
    assert_eq!(rig.parked(), []);
    assert_eq!(codes(&rig), ["IMG-MRI"]);
}

#[test]
fn a_code_stands_for_the_item_of_the_day_of_service_by_the_senders_table_first() {
    let mut rig = strict();
    for code in ["ITEM-A", "ITEM-B", "ITEM-C"] {
        let (key, item) = item(code);
        rig.knows(&key, &item);
    }
    let (key, everybodys) = code(CodeTable::Charge, None, "4711", &[("2020-01-01", "ITEM-A")]);
    rig.knows(&key, &everybodys);
    let on = |id: &str, hour: i64| Step::Posted(Charge { service_at: at(hour), ..charge(id, "1") });
    go_on(&mut rig, &[discharged("1", -100), on("a", -30)]);
    let targets = [("2025-12-01", "ITEM-B"), ("2025-12-31", "ITEM-C")];
    let (key, own) = code(CodeTable::Charge, Some("lakeside"), "4711", &targets);
    rig.knows(&key, &own);
    // 2025-12-30, 2025-12-31, and a day that the sender's own table says nothing of.
    go_on(&mut rig, &[on("b", -30), on("c", -20), on("d", -24 * 60)]);
    assert_eq!(rig.parked(), []);
    assert_eq!(codes(&rig), ["ITEM-A", "ITEM-B", "ITEM-C", "ITEM-A"]);
    // What a table says later changes nothing that was asked for, not even when the charge is stated again.
    let again = Charge { change: Change::Corrected, service_at: at(-30), ..charge("a", "1") };
    go_on(&mut rig, &[Step::Posted(again)]);
    assert_eq!(codes(&rig).len(), 4);
}

#[test]
fn what_names_a_charge_waits_for_no_item() {
    let mut rig = strict();
    let (key, item) = item("4711");
    rig.knows(&key, &item);
    let credit = Charge {
        kind: ChargeKind::Credit,
        reverses: Some("a".to_owned()),
        code: "VOID".to_owned(),
        ..charge("c", "-1")
    };
    go_on(&mut rig, &[discharged("1", -1), posted("a", "3"), Step::Posted(credit.clone())]);
    assert_eq!(rig.parked(), []);
    go_on(&mut rig, &[Step::Posted(Charge { reverses: None, ..credit })]);
    assert_eq!(rig.parked().len(), 1);
}

#[test]
fn a_payer_is_who_the_tables_say() {
    let mut rig = run(0, &[]);
    let (key, row) = code(CodeTable::Payer, None, "AOK", &[("2020-01-01", "P-7")]);
    rig.knows(&key, &row);
    go_on(&mut rig, &[admitted("1", -20), posted("a", "1"), discharged("2", -1)]);
    go_on(&mut rig, &[payer("3", -1, "TK"), posted("b", "2"), payer("4", 0, ""), posted("c", "4")]);
    let payers: Vec<_> = rig.emitted::<InvoiceRequest>().into_iter().map(|request| request.payer).collect();
    assert_eq!(payers, [Some("P-7".to_owned()), Some("TK".to_owned()), None]);
}

#[test]
fn one_payer_under_two_codes_is_one_payer_and_a_table_that_changes_makes_no_other() {
    let billed = [payer("1", -2, "104212505"), discharged("2", -1), posted("a", "1")];
    let row = |source: &str, target: &str| code(CodeTable::Payer, None, source, &[("2020-01-01", target)]);
    let check = |rows: &[(CodeKey, Code)], later: &[(CodeKey, Code)], steps: &[Step], expected: &[&str]| {
        let mut rig = Rig::new(folding(setup(0)));
        rows.iter().for_each(|(key, row)| rig.knows(key, row));
        go_on(&mut rig, &billed);
        later.iter().for_each(|(key, row)| rig.knows(key, row));
        go_on(&mut rig, steps);
        let what = rig.rows("billing_diverged");
        let what: Vec<&str> = what.iter().map(|row| row["what"].as_str().unwrap()).collect();
        assert_eq!(what, expected);
    };
    let table = [row("104212505", "AOK"), row("aok", "AOK"), row("tk", "TK")];
    check(&table, &[], &[payer("3", 1, "aok")], &[]);
    check(&table, &[], &[payer("3", 1, "tk")], &["payer TK instead of AOK"]);
    check(&table, &[row("104212505", "IKK")], &[posted("b", "2")], &[]);
}
