//! One charge followed by an operator on the real stack: by its visit's number, its message, its events and its invoice. What is
//! told is in order, has causes, and holds nothing of the patient unless somebody says why.
//!
//! Needs what `VERTEBRA_TEST_*` name, and the services' programs, which `cargo build --workspace --bins` makes.

use end_to_end::{Operator, drained, folder, seed, settled, start};
use harness::canaries::MARK;
use harness::{
    Books, Fleet, Hospital, Kind, Launch, Outgoing, Plan, Sender, SenderFile, Stack, Visit, until,
};
use serde_json::Value;
use std::time::Duration;

/// How long it takes the poller to see what was made in Odoo.
const COME_BACK: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_is_followed_from_its_message_to_its_invoice_and_what_waits_is_told() {
    let Some(stack) = Stack::from_env() else { return };
    let seed = seed();
    let folder = folder("traced", seed);
    let plan = Plan {
        seed,
        visits: 6,
        charges: (2, 3),
        finished_of_ten: 10,
        twice_of_hundred: 0,
        sender: "traced".to_owned(),
    };
    let hospital = Hospital::day(plan);
    let file = SenderFile::small(hospital.sender(), Launch::free_port());
    let fleet = Fleet::new(&stack, &folder, vec![file]).expect("its files");
    fleet.apply_contract().expect("topics and schemas");
    stack.seed_odoo().await.expect("partners and products");
    let mut processes = start(&fleet).await;
    let books = Books::open(&stack).await.expect("the books");
    let operator = Operator::new(&fleet, &stack);

    // One visit's last charges are told by a message that cannot be read.
    let (spoiled, message) = hospital
        .messages()
        .filter(|(_, message)| message.kind == Kind::Charges)
        .map(|(visit, message)| (visit, message.clone()))
        .last()
        .expect("charges");
    let text = String::from_utf8(message.bytes.clone()).expect("UTF-8").replace("|CG|", "|XX|");
    let wrong = Outgoing { bytes: text.into_bytes(), ..message.clone() };
    let mut sender = Sender::new(fleet.mllp(hospital.sender()));
    for (_, message) in hospital.messages() {
        let is_wrong = message.control_id == wrong.control_id;
        sender.send(if is_wrong { &wrong } else { message }).await.expect("acknowledged");
    }
    settled(&books).await;

    let whole =
        hospital.visits().iter().enumerate().find(|(number, visit)| {
            *number != spoiled && visit.discharge.is_some() && visit.charges.len() > 1
        });
    let visit = whole.expect("a visit whose messages can all be read").1;
    let trace = until(COME_BACK, || async { whole_way(&operator, visit) });
    let trace = trace.await.expect("the whole way is told");
    the_way_is_in_order(&trace, visit);
    let others = other_names(&trace);
    for (name, kind) in &others {
        let told = told_whole(&operator, &["trace", name, "--as", kind]).await;
        assert!(!told["steps"].as_array().expect("steps").is_empty(), "{name} as {kind}");
    }
    let charge = &others.iter().find(|(_, kind)| *kind == "event").expect("an event").0;
    let told = told_whole(&operator, &["trace", charge, "--as", "event"]).await;
    let topics = topics(&told);
    for topic in ["raw.hl7v2.v1", "billing.charge.v1", "billing.invoice-request.v1", "billing.invoice.v1"] {
        assert!(topics.contains(&topic.to_owned()), "{topic} in {topics:?}");
    }

    the_parked_message_is_told(&operator, &wrong);
    patients_data_are_shown_for_a_reason(&operator, &wrong);
    let told = operator.said(1, &["trace", "NOBODY-KNOWS-IT"]);
    assert!(told.contains("nothing was found") && told.contains("looked at raw.hl7v2.v1 since"), "{told}");
    the_installation_is_well(&operator, &stack).await;
    drained(&mut processes).await;
    std::fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}

/// What is told of a visit, once Odoo's own word has come back.
fn whole_way(operator: &Operator<'_>, visit: &Visit) -> Option<Value> {
    let args = ["trace", "-", "--as", "visit", "--json"];
    let (code, said) = operator.answered(&args, &visit.number);
    assert!(!said.contains(MARK), "a patient's number was told: {said}");
    assert!(code <= 1, "{said}");
    let told: Value = serde_json::from_str(&said).ok()?;
    // A draft has none yet.
    let is_numbered = of_topic(&told, "billing.invoice.v1/").any(|step| step["values"]["number"].is_string());
    (code == 0 && is_numbered).then_some(told)
}

/// What is told once nothing of it is on its way: the poller tells more of it meanwhile.
async fn told_whole(operator: &Operator<'_>, args: &[&str]) -> Value {
    let told = until(COME_BACK, || async {
        let (code, told) = operator.json_of_either(args);
        (code == 0).then_some(told)
    });
    told.await.unwrap_or_else(|| panic!("{args:?}: something is on its way for ever"))
}

/// The topics that the steps lie on.
fn topics(trace: &Value) -> Vec<String> {
    let places = steps(trace).filter(|step| step["where"] == "topic");
    places.filter_map(|step| Some(step["place"].as_str()?.split('/').next()?.to_owned())).collect()
}

fn steps(trace: &Value) -> impl Iterator<Item = &Value> {
    trace["steps"].as_array().expect("steps").iter()
}

fn of_topic<'a>(trace: &'a Value, topic: &'a str) -> impl Iterator<Item = &'a Value> {
    steps(trace).filter(move |step| step["place"].as_str().is_some_and(|place| place.starts_with(topic)))
}

/// Every charge comes of a message and stands behind it, and Odoo has the sum.
#[track_caller]
fn the_way_is_in_order(trace: &Value, visit: &Visit) {
    let charges: Vec<&Value> =
        of_topic(trace, "billing.charge.v1/").filter(|step| step["where"] == "topic").collect();
    assert_eq!(charges.len(), visit.charges.len(), "{trace:#}");
    for charge in charges {
        let (of, at) =
            (charge["because"].as_u64().expect("a cause"), charge["step"].as_u64().expect("a number"));
        let cause = steps(trace).find(|step| step["step"] == of).expect("the cause");
        assert!(of < at && cause["place"].as_str().expect("a place").starts_with("raw.hl7v2.v1/"), "{cause}");
        assert!(charge["version"].is_i64() && charge["revision"] == 1, "{charge}");
    }
    let posted: Vec<&Value> = steps(trace).filter(|step| step["where"] == "odoo").collect();
    assert!(!posted.is_empty(), "{trace:#}");
    let total = |step: &Value| -> canon::Money {
        step["values"]["untaxed"].as_str().expect("an amount").parse().expect("money")
    };
    let sum = canon::Money::sum(posted.iter().map(|step| total(step))).expect("it fits");
    assert_eq!(sum, Hospital::sum(visit), "{trace:#}");
    assert!(posted.iter().all(|step| step["values"]["state"] == "posted"), "{posted:?}");
    for (processor, what) in
        [("hl7-translation", "read, in batch"), ("billing-case", "read, in batch"), ("emissions", "stated")]
    {
        let is_it = |step: &Value| {
            step["where"] == "ledger"
                && step["place"].as_str().is_some_and(|place| place.ends_with(processor))
                && step["what"].as_str().is_some_and(|said| said.starts_with(what))
        };
        assert!(steps(trace).any(is_it), "{processor}: {what} in {trace:#}");
    }
    let applied =
        steps(trace).filter(|step| step["what"].as_str().is_some_and(|what| what.starts_with("applied")));
    assert_eq!(applied.count(), posted.len(), "{trace:#}");
}

/// What else the same way can be asked after by.
fn other_names(trace: &Value) -> Vec<(String, &'static str)> {
    let text = |step: &Value, field: &str| step["values"][field].as_str().expect("said").to_owned();
    let charge = of_topic(trace, "billing.charge.v1/").next().expect("a charge");
    let request = of_topic(trace, "billing.invoice-request.v1/").next().expect("a request");
    let invoice = of_topic(trace, "billing.invoice.v1/").find(|step| step["values"]["number"].is_string());
    vec![
        (charge["id"].as_str().expect("an id").to_owned(), "event"),
        (charge["fact"].as_str().expect("a name").to_owned(), "event"),
        (text(charge, "control_id"), "control-id"),
        (text(request, "request"), "invoice"),
        (text(invoice.expect("an invoice with its number"), "number"), "invoice"),
    ]
}

#[track_caller]
fn the_parked_message_is_told(operator: &Operator<'_>, wrong: &Outgoing) {
    let told = operator.json(1, &["trace", &wrong.control_id, "--as", "control-id"]);
    let waits: Vec<&Value> = steps(&told).filter(|step| step["waits"] == true).collect();
    let is_parked = |step: &&Value| step["what"].as_str().is_some_and(|what| what.starts_with("parked as"));
    let parked = waits.iter().copied().find(is_parked).unwrap_or_else(|| panic!("{told:#}"));
    assert!(parked["because"].is_u64(), "{parked}");
    let page = operator.said(1, &["trace", &wrong.control_id]);
    assert!(page.contains("WAITS: parked as") && !page.contains(MARK), "{page}");
}

#[track_caller]
fn patients_data_are_shown_for_a_reason(operator: &Operator<'_>, wrong: &Outgoing) {
    let args = ["trace", &wrong.control_id, "--as", "control-id", "--reveal", "--by", "a test", "--because"];
    let shown = operator.said(1, &[&args[..], &["it is tested here"]].concat());
    assert!(shown.contains(MARK) && shown.contains("|XX|"), "{shown}");
    let kept = operator.said(0, &["audit", "list", "--service", "ehr-adapter"]);
    assert!(kept.contains("it is tested here") && kept.contains("reveal"), "{kept}");
    assert!(!kept.contains(MARK), "{kept}");
}

/// What else an operator looks at while everything runs.
async fn the_installation_is_well(operator: &Operator<'_>, stack: &Stack) {
    let examined = operator.json(0, &["doctor"]);
    let lines = examined["lines"].as_array().expect("lines");
    let verdict = |area: &str, what: &str| {
        let line = lines.iter().find(|line| line["area"] == area && line["what"] == what);
        line.map(|line| line["verdict"].clone()).unwrap_or_default()
    };
    // One broker without an authorizer: it works, and somebody should look.
    for (area, what, expected) in [
        ("Kafka", "brokers", "warning"),
        ("Kafka", "authorizer", "warning"),
        ("Kafka", "reading", "ok"),
        ("Kafka", "topics", "ok"),
        ("registry", "schemas", "ok"),
        ("PostgreSQL", "ehr-adapter", "ok"),
        ("Odoo", "database", "ok"),
        ("Odoo", "module account", "ok"),
        ("Odoo", "rights", "ok"),
        ("clock", "the broker", "ok"),
        ("clock", "the database", "ok"),
        ("clock", "odoo", "ok"),
    ] {
        assert_eq!(verdict(area, what), expected, "{area}, {what}: {examined:#}");
    }
    operator.said(0, &["contract", "check"]);
    operator.said(0, &["lanes", "list", "--service", "billing-projector"]);
    operator.said(0, &["source", "list", "--service", "odoo-poller"]);
    operator.said(0, &["codes", "unmapped", "--service", "billing-projector"]);
    operator.said(0, &["audit", "verify", "--service", "ehr-adapter"]);
    let status = operator.json(1, &["status"]);
    let services = status["services"].as_array().expect("services");
    let names: Vec<&str> = services.iter().filter_map(|service| service["service"].as_str()).collect();
    assert!(names.contains(&"odoo-writer") && names.contains(&"code-importer"), "{names:?}");
    let is_behind = |service: &&Value| {
        let processors = service["processors"].as_array().expect("processors");
        processors.iter().any(|at| at["behind_s"].as_u64().is_some_and(|seconds| seconds > 600))
    };
    assert!(!services.iter().any(|service| is_behind(&service)), "{status:#}");
    // A lease that is renewed late is nobody's for a moment.
    let held = until(COME_BACK, || async { are_held(&operator.json_of_either(&["status"]).1).then_some(()) });
    held.await.expect("every lane is held by somebody");
    let known = operator.said(0, &["recover", "--service", "billing-projector"]);
    assert!(!known.is_empty(), "{}", stack.kafka);
}

/// Whether the page names who holds each lane of this fleet's services, and under which epoch.
fn are_held(status: &Value) -> bool {
    let ours = ["code-importer", "odoo-poller", "ehr-adapter", "billing-projector", "odoo-writer"];
    let services = status["services"].as_array().expect("services").iter();
    let ours =
        services.filter(|service| service["service"].as_str().is_some_and(|name| ours.contains(&name)));
    let mut processors = ours.flat_map(|service| service["processors"].as_array().expect("processors"));
    processors.all(|at| {
        let held: u64 = at["owners"].as_object().expect("owners").values().filter_map(Value::as_u64).sum();
        Some(held) == at["lanes"].as_u64() && at["epoch"].as_i64().is_some_and(|epoch| epoch > 0)
    })
}
