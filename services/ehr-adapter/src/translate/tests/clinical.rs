//! Appointments, orders, results.

use super::supply::{OMS, RAS, RDS};
use super::*;
use canon::Phi;
use canon::events::clinical_appointment::AppointmentStatus;
use canon::events::clinical_order::OrderStatus;
use canon::events::clinical_result::ResultStatus;

const SIU: &str = "MSH|^~\\&|SCH1|LAKESIDE|VERTEBRA|HQ|20260301101500||SIU^S12|41|P|2.5\r\
    SCH|P1|F1|||||||30|MIN|^^^20260302093000\r\
    PID|1||4711^^^LAKESIDE^MR||Muster^Erika\r\
    AIS|1||MRI^Scan\r\
    AIL|1||R3^1^^SOUTH\r\
    AIP|1||D9^Doe^Jane\r";

#[track_caller]
fn appointment_of(edits: &[(&str, &str)]) -> (String, Appointment) {
    let mut statements = statements_of("", &edited(SIU, edits));
    match statements.pop() {
        Some(Statement::Appointment(name, event)) if statements.is_empty() => (name.to_string(), *event),
        other => panic!("not one appointment: {other:?}"),
    }
}

#[test]
fn an_appointment_is_known_by_its_number_and_stands_where_the_trigger_says() {
    let (name, event) = appointment_of(&[]);
    let patient = tokens().patient("LAKESIDE", "4711");
    assert_eq!(name, format!("appointment/north/{patient}/F1"));
    let expected = Appointment {
        change: canon::Change::Recorded,
        appointment: "appointment/north/F1".to_owned(),
        patient,
        encounter: None,
        sender: "north".to_owned(),
        control_id: "41".to_owned(),
        trigger: "S12".to_owned(),
        status: AppointmentStatus::Booked,
        starts_at: Some(at("2026-03-02T08:30:00Z")),
        ends_at: Some(at("2026-03-02T09:00:00Z")),
        service: Some("MRI".to_owned()),
        location: Some("R3^1".to_owned()),
        resource: Some("D9".to_owned()),
        facility: Some("SOUTH".to_owned()),
        occurred_at: at("2026-03-01T09:15:00Z"),
    };
    assert_eq!(event, expected);
    use AppointmentStatus::{Cancelled, Modified, NoShow, Rescheduled};
    for (trigger, status) in [("S13", Rescheduled), ("S14", Modified), ("S15", Cancelled), ("S26", NoShow)] {
        assert_eq!(appointment_of(&[("SIU^S12", &format!("SIU^{trigger}"))]).1.status, status);
    }
}

#[track_caller]
fn check_span(edits: &[(&str, &str)], from: Option<&str>, to: Option<&str>) {
    let (_, event) = appointment_of(edits);
    assert_eq!((event.starts_at, event.ends_at), (from.map(at), to.map(at)));
}

#[test]
fn an_appointments_times_stand_in_several_places() {
    let start = Some("2026-03-02T08:30:00Z");
    check_span(
        &[("^^^20260302093000", "^^^20260302093000^20260302101500")],
        start,
        Some("2026-03-02T09:15:00Z"),
    );
    let tq1 = "\rTQ1|1||||||20260302093000|20260302094500\rPID";
    check_span(&[("|^^^20260302093000\rPID", tq1)], start, Some("2026-03-02T08:45:00Z"));
    let ais = [("|30|MIN|^^^20260302093000", ""), ("MRI^Scan", "MRI^Scan|20260302093000|||2|h")];
    check_span(&ais, start, Some("2026-03-02T10:30:00Z"));
    check_span(&[("|30|MIN|^^^20260302093000", "")], None, None);
    check_span(&[("|30|MIN|", "|30|fortnights|")], start, None);
}

#[test]
fn an_appointment_of_nobody_parks_unless_the_sender_has_such() {
    let nobody = "invalid: PID-3 names no patient of the authority that counts";
    check_parks("", SIU, &[("LAKESIDE^MR", "OTHER")], nobody);
    let more = "ignore: [SIU without a patient]\n";
    check_nothing(more, SIU, &[("LAKESIDE^MR", "OTHER")], ("SIU^S12", Why::Ignored));
    assert_eq!(statements_of(more, SIU).len(), 1);
    check_parks(
        "",
        SIU,
        &[("SCH|P1|F1", "SCH||")],
        "invalid: SCH-2, else SCH-1 are empty: no appointment number",
    );
}

const ORM: &str = "MSH|^~\\&|EHR1|LAKESIDE|VERTEBRA|HQ|20260301101500||ORM^O01|51|P|2.5\r\
    PID|1||4711^^^LAKESIDE^MR||Muster^Erika\r\
    PV1|1|I|W1^12^3||||||||||||||||V100\r\
    ORC|NW|P1|||||||20260301100000\r\
    OBR|1|P1||CBC^Blood count\r\
    ORC|CA|P2\r";

#[track_caller]
fn orders_of(text: &str) -> Vec<(String, Order)> {
    let order = |statement| match statement {
        Statement::Order(name, event) => (name.to_string(), *event),
        other => panic!("no order: {other:?}"),
    };
    statements_of("", text).into_iter().map(order).collect()
}

#[test]
fn every_orc_is_an_order() {
    let orders = orders_of(ORM);
    let patient = tokens().patient("LAKESIDE", "4711");
    let expected = Order {
        change: canon::Change::Recorded,
        order: "order/north/P1".to_owned(),
        patient,
        encounter: Some(tokens().encounter("LAKESIDE", "V100")),
        sender: "north".to_owned(),
        control_id: "51".to_owned(),
        trigger: "O01".to_owned(),
        order_control: "NW".to_owned(),
        status: OrderStatus::New,
        code: "CBC".to_owned(),
        description: Some(Phi("Blood count".to_owned())),
        quantity: None,
        unit: None,
        ordered_at: Some(at("2026-03-01T09:00:00Z")),
        facility: Some("LAKESIDE".to_owned()),
        occurred_at: at("2026-03-01T09:15:00Z"),
    };
    assert_eq!(orders[0], (format!("order/north/{patient}/P1"), expected));
    let (_, called_off) = &orders[1];
    assert_eq!((called_off.order.as_str(), called_off.code.as_str()), ("order/north/P2", ""));
    assert_eq!(called_off.status, OrderStatus::Cancelled);
    check_parks(
        "",
        ORM,
        &[("ORC|CA|P2", "ORC|CA|P1")],
        "conflict: ORC[2]-2 is the order of an earlier ORC of this message",
    );
    let unnumbered = "invalid: ORC[2]: ORC-2, else OBR-2, else ORC-3, else OBR-3 are empty: no order number";
    check_parks("", ORM, &[("ORC|CA|P2", "ORC|CA|")], unnumbered);
}

#[test]
fn each_obr_behind_an_orc_is_an_order_where_it_has_a_number_of_its_own() {
    let second = |number: &str| {
        edited(ORM, &[("count\r", &format!("count\rOBR|2|{number}||CRP^Protein||20260301\r"))])
    };
    let told: Vec<_> = orders_of(&second("P3"))
        .into_iter()
        .map(|(_, order)| (order.order, order.code, order.description, order.order_control))
        .collect();
    let of = |number: &str, code: &str, description: Option<&str>, control: &str| {
        let description = description.map(|text| Phi(text.to_owned()));
        (format!("order/north/{number}"), code.to_owned(), description, control.to_owned())
    };
    let expected = [
        of("P1", "CBC", Some("Blood count"), "NW"),
        of("P3", "CRP", Some("Protein"), "NW"),
        of("P2", "", None, "CA"),
    ];
    assert_eq!(told, expected);
    let unnumbered = "unsupported: ORC[1]: a further OBR behind one ORC, without a number of its own";
    check_parks("", &second("P1"), &[], unnumbered);
    check_parks("", &second(""), &[], unnumbered);
    let rxe = [("OBR|1|P1||CBC^Blood count\r", "RXE||A11|1\rRXE||A10|1\r")];
    check_parks("", ORM, &rxe, "unsupported: ORC[1]: a second RXE behind one ORC");
}

#[test]
fn what_stands_before_the_first_orc_belongs_to_no_order_and_parks() {
    let before =
        |name: &str| format!("unsupported: {name} stands before the first ORC: not said to which it belongs");
    check_parks("", ORM, &[("ORC|NW|P1", "OBR|1|P0||X\rORC|NW|P1")], &before("OBR"));
    for (text, segment) in
        [(RDS, "RXD|1|A11||3\r"), (RAS, "RXA|0|1|||A10|1\r"), (OMS, "RQD|1|A10|||1||||W1\r")]
    {
        let early = edited(text, &[("ORC|", &format!("{segment}ORC|"))]);
        check_parks("", &early, &[], &before(&segment[..3]));
        // Without any ORC they lead themselves.
        let (alone, _) = text.split_once("ORC|").expect("an ORC");
        assert_eq!(statements_of("", &format!("{alone}{segment}")).len(), 1);
    }
}

#[test]
fn a_drug_is_ordered_with_its_amount() {
    let rxe = "RXE|^^^20260301|A11^Infusion|1||ML|||||500|ML";
    for (trigger, segment) in [("RDE^O11", rxe), ("OMP^O09", "RXO|A11^Infusion||||||||||500|ML")] {
        let text = edited(ORM, &[("ORM^O01", trigger), ("OBR|1|P1||CBC^Blood count", segment)]);
        let (_, order) = orders_of(&text).remove(0);
        assert_eq!((order.code.as_str(), order.unit.as_deref()), ("A11", Some("ML")), "{trigger}");
        assert_eq!(order.quantity, Some("500".parse().expect("a number")));
        assert_eq!(order.description, Some(Phi("Infusion".to_owned())));
    }
}

#[track_caller]
fn check_amount(edits: &[(&str, &str)], expected: Option<&str>) {
    let amount = orders_of(&edited(ORM, edits)).remove(0).1.quantity;
    assert_eq!(amount, expected.map(|number| number.parse().expect("a number")), "{edits:?}");
}

#[test]
fn an_amount_stands_in_a_timing_too_and_one_that_cannot_be_read_is_none() {
    let timing = |text: &str| format!("ORC|NW|P1|||||{text}||");
    check_amount(&[("ORC|NW|P1|||||||", &timing("2^Q8H"))], Some("2"));
    check_amount(&[("ORC|NW|P1|||||||", &timing("1&TAB^Q8H"))], Some("1"));
    check_amount(&[("ORC|NW|P1|||||||", &timing("&TAB^Q8H"))], None);
    check_amount(&[("ORC|NW|P1|||||||", &timing("some&TAB^Q8H"))], None);
    let rxe = "RXE||A11^Infusion|1||ML|||||";
    check_amount(&[("OBR|1|P1||CBC^Blood count", &format!("{rxe}as needed|ML"))], None);
    check_amount(&[("OBR|1|P1||CBC^Blood count", &format!("{rxe}1.5|ML"))], Some("1.5"));
}

/// The number that a fact has by the sender's own places.
#[track_caller]
fn check_number(more: &str, text: &str, expected: &str) {
    let number = match statements_of(more, text).remove(0) {
        Statement::Appointment(_, event) => event.appointment,
        Statement::Order(_, event) => event.order,
        Statement::Result(_, event) => event.order.unwrap_or_default(),
        other => panic!("no number: {other:?}"),
    };
    assert_eq!(number, expected, "{more}");
}

#[test]
fn numbers_of_orders_and_appointments_stand_where_the_sender_says() {
    let orders = "order_paths: [ZOR-2, ORC-4, OBR-3]\n";
    let orm = edited(ORM, &[("\rORC|CA|P2\r", "\r")]);
    check_number(orders, &edited(&orm, &[("ORC|NW|P1||", "ORC|NW|P1||G9")]), "order/north/G9");
    check_number(orders, &edited(&orm, &[("OBR|1|P1|", "OBR|1|P1|F9")]), "order/north/F9");
    check_number(orders, &format!("{orm}ZOR|x|Z9\r"), "order/north/Z9");
    let unnumbered = "invalid: ORC[1]: ZOR-2, else ORC-4, else OBR-3 are empty: no order number";
    check_parks(orders, &orm, &[], unnumbered);
    check_number("order_paths: [ORC-3]\n", ORU, "order/north/F1");
    check_number("order_paths: [OBR-4.1]\n", ORU, "order/north/CBC");
    let appointments = "appointment_paths: [SCH-26, ZSC-1]\n";
    check_number(appointments, &format!("{SIU}ZSC|Z9\r"), "appointment/north/Z9");
    let placed = edited(SIU, &[("|^^^20260302093000", &format!("|^^^20260302093000{}A9", "|".repeat(15)))]);
    check_number(appointments, &placed, "appointment/north/A9");
    let unnumbered = "invalid: SCH-26, else ZSC-1 are empty: no appointment number";
    check_parks(appointments, SIU, &[], unnumbered);
}

#[track_caller]
fn check_order_status(orc: &str, expected: OrderStatus) {
    assert_eq!(orders_of(&edited(ORM, &[("ORC|CA|P2", orc)]))[1].1.status, expected, "{orc}");
}

#[test]
fn an_order_stands_where_its_control_says_else_its_status() {
    check_order_status("ORC|DC|P2", OrderStatus::Cancelled);
    check_order_status("ORC|HD|P2", OrderStatus::Held);
    check_order_status("ORC|XO|P2", OrderStatus::Changed);
    check_order_status("ORC|SC|P2|||CM", OrderStatus::Completed);
    check_order_status("ORC|SC|P2|||IP", OrderStatus::Unsaid);
    check_order_status("ORC||P2", OrderStatus::Unsaid);
}

pub(super) const ORU: &str = "MSH|^~\\&|LAB1|LAKESIDE|VERTEBRA|HQ|20260301101500||ORU^R01|61|P|2.5\r\
    PID|1||4711^^^LAKESIDE^MR||Muster^Erika\r\
    ORC|RE|P1|F1\r\
    OBR|1|P1|F1|CBC^Blood count|||20260301080000||||||||||||||||||F\r\
    OBX|1|NM|WBC^Leukocytes||7.1|10*9/L|4.0 - 11.0|N|||F|||20260301081500\r\
    OBX|2|NM|HGB^Haemoglobin|a|9.0|g/dL|12 - 16|L|||F\r\
    NTE|1||a note\r\
    OBR|2|P1|F1|CRP^C-reactive protein\r\
    OBX|1|ST|CRP||<5|mg/L|||||P\r";

#[track_caller]
pub(super) fn results_of(text: &str) -> Vec<(String, LabResult)> {
    let result = |statement| match statement {
        Statement::Result(name, event) => (name.to_string(), *event),
        other => panic!("no result: {other:?}"),
    };
    statements_of("", text).into_iter().map(result).collect()
}

#[test]
fn every_obr_is_a_result_with_its_observations() {
    let results = results_of(ORU);
    assert_eq!(results.len(), 2);
    let (name, first) = &results[0];
    let patient = tokens().patient("LAKESIDE", "4711");
    assert_eq!(name, &format!("result/north/{patient}/F1/CBC"));
    assert_eq!(first.result, "result/north/F1/CBC");
    assert_eq!((first.order.as_deref(), first.encounter), (Some("order/north/P1"), None));
    assert_eq!((first.status, first.observed_at), (ResultStatus::Final, Some(at("2026-03-01T07:00:00Z"))));
    let [wbc, hgb] = &first.observations[..] else { panic!("two") };
    assert_eq!((wbc.code.as_str(), wbc.value.clone()), ("WBC", Some(Phi("7.1".to_owned()))));
    assert_eq!((wbc.unit.as_deref(), wbc.reference_range.as_deref()), (Some("10*9/L"), Some("4.0 - 11.0")));
    assert_eq!(wbc.observed_at, Some(at("2026-03-01T07:15:00Z")));
    assert_eq!((hgb.sub_id.as_deref(), hgb.abnormal.clone()), (Some("a"), Some(Phi("L".to_owned()))));
    assert_eq!(hgb.observed_at, first.observed_at);
    let (_, second) = &results[1];
    assert_eq!((second.code.as_str(), second.status), ("CRP", ResultStatus::Preliminary));
    let twice = "conflict: OBR[2] has the numbers and the code of an earlier OBR of this message";
    check_parks("", ORU, &[("|CRP^C-reactive protein", "|CBC")], twice);
}

#[test]
fn a_result_without_numbers_is_known_by_its_message() {
    let text = edited(ORU, &[("ORC|RE|P1|F1\r", ""), ("|P1|F1|", "|||")]);
    let (_, first) = &results_of(&text)[0];
    assert_eq!((first.result.as_str(), first.order.as_deref()), ("result/north/61-1/CBC", None));
}

#[test]
fn a_value_that_is_too_long_stays_in_the_raw_message() {
    let long = "JVBERi".repeat(20_000);
    let text = edited(ORU, &[("||<5|", &format!("||^application^pdf^Base64^{long}|"))]);
    let value = results_of(&text)[1].1.observations[0].value.clone();
    assert_eq!(value, Some(Phi("[120024 bytes, in the raw message]".to_owned())));
}
