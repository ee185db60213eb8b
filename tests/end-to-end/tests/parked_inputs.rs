//! What an operator does about parked inputs, on the real stack: a message that cannot be read is edited, one is given up, and a
//! request that Odoo refused is tried again once its payer is there. In the end every charge is on one invoice line.
//!
//! Needs what `VERTEBRA_TEST_*` name, and the services' programs, which `cargo build --workspace --bins` makes.

use end_to_end::{drained, folder, seed, settled};
use harness::{
    Books, Fleet, Hospital, Kind, Launch, Outgoing, Plan, Process, Role, Sender, SenderFile, Stack, check,
    until,
};
use odoo::{Client, Context};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const READY: Duration = Duration::from_secs(60);
const PARKED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_is_edited_given_up_and_tried_again_and_every_charge_is_invoiced_once() {
    let Some(stack) = Stack::from_env() else { return };
    let seed = seed();
    let folder = folder("parked-inputs", seed);
    let plan = Plan {
        seed,
        visits: 12,
        charges: (1, 3),
        finished_of_ten: 10,
        twice_of_hundred: 0,
        sender: "parked-inputs".to_owned(),
    };
    let hospital = Hospital::day(plan);
    let file = SenderFile::small(hospital.sender(), Launch::free_port());
    let fleet = Fleet::new(&stack, &folder, vec![file]).expect("its files");
    fleet.apply_contract().expect("topics and schemas");
    stack.seed_odoo().await.expect("partners and products");
    let paid =
        hospital.visits().iter().find_map(|visit| visit.payer.as_deref()).expect("somebody has a payer");
    let payer = Payer::take_away(&stack.odoo(), paid).await;
    let mut processes = start(&fleet).await;
    let books = Books::open(&stack).await.expect("the books");

    let before = Operator { fleet: &fleet, stack: &stack, before: Vec::new() };
    let before = ["ehr-adapter", "odoo-writer"].iter().flat_map(|service| before.numbers(service)).collect();
    let operator = Operator { fleet: &fleet, stack: &stack, before };
    let is_followed = |visit: usize, id: &str| {
        let mut behind = hospital.messages().filter(|(of, _)| *of == visit).map(|(_, message)| message);
        behind.by_ref().any(|message| message.control_id == id) && behind.next().is_some()
    };
    let is_right = |(visit, message): &(usize, &Outgoing)| {
        message.kind == Kind::Charges && is_followed(*visit, &message.control_id)
    };
    let right = hospital.messages().find(is_right).expect("charges with something behind them").1.clone();
    let wrong = Outgoing { bytes: replaced(&right.bytes, "|CG|", "|XX|"), ..right.clone() };
    let alien = Outgoing { control_id: format!("X{}", right.control_id), ..wrong.clone() };
    let alien = Outgoing { bytes: replaced(&wrong.bytes, &right.control_id, &alien.control_id), ..alien };
    let mut sender = Sender::new(fleet.mllp(hospital.sender()));
    for (_, message) in hospital.messages() {
        let spoiled = message.control_id == right.control_id;
        sender.send(if spoiled { &wrong } else { message }).await.expect("acknowledged");
    }
    sender.send(&alien).await.expect("acknowledged");

    // Two messages are wrong; the first holds up its patient.
    settled(&books).await;
    let has_more = || async {
        let parked = operator.parked("ehr-adapter");
        (parked.len() > 2).then_some(parked)
    };
    let parked = until(PARKED, has_more).await.expect("two messages, and what stands behind the first");
    let head =
        parked.iter().find(|input| input["reason"] != "behind").expect("a first one")["id"].to_string();

    // Tried again as it is, it parks again; nobody behind it is named.
    let again = operator.said(1, &["redrive", "--service", "ehr-adapter", "--id", &head, "--yes"]);
    assert!(again.contains("unsupported 1") || again.contains("invalid 1"), "{again}");

    // What is parked again has another number.
    let parked = operator.parked("ehr-adapter");
    let head =
        parked.iter().find(|input| input["reason"] != "behind").expect("a first one")["id"].to_string();
    let last = parked.last().expect("the alien one")["id"].to_string();
    let behind = operator.said(2, &["redrive", "--service", "ehr-adapter", "--id", &last]);
    assert!(behind.contains("waits behind"), "{behind}");
    let shown = operator.said(0, &["show", "--service", "ehr-adapter", "--id", &head]);
    assert!(!shown.contains("MSH|"), "a message was shown unasked");
    let shown = operator.said(0, &["show", "--service", "ehr-adapter", "--id", &head, "--reveal"]);
    assert!(shown.contains("MSH|") && shown.contains("|XX|"), "the message is shown to whoever says why");

    let status = operator.asked(&["status", "--json", "--kafka-bootstrap", &stack.kafka]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let services = status["services"].as_array().expect("services").iter();
    let adapter =
        services.clone().find(|service| service["service"] == "ehr-adapter").expect("it has a ledger");
    let mut processors = adapter["processors"].as_array().expect("processors").iter();
    let translation = processors.find(|at| at["processor"] == "hl7-translation").expect("the translation");
    let count = i64::try_from(parked.len()).expect("few");
    assert!(translation["parked"].as_i64() >= Some(count) && translation["unowned"] == 0, "{translation}");
    assert!(translation["behind_s"].is_u64() && services.count() >= 3, "{status}");

    // The alien one is given up, the wrong one edited; what waited goes on.
    operator.said(0, &["discard", "--service", "ehr-adapter", "--id", &last]);
    operator.said(0, &["discard", "--service", "ehr-adapter", "--id", &last, "--yes"]);
    let corrected = folder.join("corrected.hl7");
    std::fs::write(&corrected, &right.bytes).expect("a file");
    let edit = ["edit", "--service", "ehr-adapter", "--id", &head, "--message", path(&corrected)];
    let dry = operator.said(0, &edit);
    assert!(dry.contains("a dry run"), "{dry}");
    assert_eq!(operator.parked("ehr-adapter").len(), parked.len() - 1, "a dry run changed something");
    operator.said(0, &[&edit[..], &["--yes"]].concat());
    assert_eq!(operator.parked("ehr-adapter"), Vec::<Value>::new());

    // Requests of the payer that Odoo does not know are refused, until it does.
    let is_refused = || async {
        let refused = operator.parked("odoo-writer");
        refused.iter().any(|input| input["reason"] == "refused").then_some(())
    };
    until(PARKED, is_refused).await.expect("requests are refused");
    settled(&books).await;
    let ids = operator.heads("odoo-writer");
    let stopped = operator.said(1, &["redrive", "--service", "odoo-writer", "--id", &ids, "--yes"]);
    assert!(stopped.contains("rejected again"), "{stopped}");
    payer.bring_back(&stack.odoo()).await;
    let ids = operator.heads("odoo-writer");
    println!("{}", operator.said(0, &["redrive", "--service", "odoo-writer", "--id", &ids, "--yes"]));
    assert_eq!(operator.parked("odoo-writer"), Vec::<Value>::new());

    settled(&books).await;
    let evidence = books.read().await.expect("everything can be read");
    let differences = check(&hospital, &sender.history, &evidence);
    let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(differences.is_empty(), "the books do not balance:\n{}", told.join("\n"));
    // All of it is kept, sealed, and said on the topic.
    let verified = until(PARKED, || async {
        let verified = operator.verify("ehr-adapter");
        (verified["topic"] == verified["ledger"]).then_some(verified)
    });
    let verified = verified.await.expect("the topic says all that the ledger has");
    assert_eq!(verified["broken"], json!([]), "{verified}");
    let did = operator.did("ehr-adapter");
    for action in ["redrive", "reveal", "discard", "edit"] {
        assert!(did.contains(action), "{action} in {did}");
    }
    drained(&mut processes).await;
    std::fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}

async fn start(fleet: &Fleet) -> Vec<Process> {
    let mut processes: Vec<Process> =
        Role::WAY.iter().map(|role| fleet.start(*role).unwrap_or_else(|error| panic!("{error}"))).collect();
    for process in &mut processes {
        process.ready(READY).await.unwrap_or_else(|error| panic!("{error}"));
    }
    processes
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn replaced(bytes: &[u8], before: &str, after: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).expect("the hospital writes UTF-8");
    assert!(text.contains(before));
    text.replace(before, after).into_bytes()
}

/// Whoever types the commands.
struct Operator<'a> {
    fleet: &'a Fleet,
    stack: &'a Stack,
    /// What tests before this one have left.
    before: Vec<(String, String)>,
}

impl Operator<'_> {
    #[track_caller]
    fn said(&self, code: i32, args: &[&str]) -> String {
        let mut all = vec!["parked"];
        all.extend(args);
        if args[0] != "list" {
            all.extend(["--by", "a test", "--because", "it is tested"]);
        }
        let output = Command::new(self.fleet.program("vertebra"))
            .env_clear()
            .args(all)
            .args(["--postgres-url", &self.stack.postgres_url])
            .output()
            .expect("the program is built");
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }

    /// The audit of a service, held against its seals.
    fn verify(&self, service: &str) -> Value {
        let stack = self.stack;
        let told = self.asked(&[
            "audit",
            "verify",
            "--service",
            service,
            "--json",
            "--topic",
            "--kafka-bootstrap",
            &stack.kafka,
            "--registry-url",
            &stack.registry_url,
        ]);
        serde_json::from_str(&told).expect("JSON")
    }

    fn did(&self, service: &str) -> String {
        self.asked(&["audit", "list", "--service", service, "--json"])
    }

    fn asked(&self, args: &[&str]) -> String {
        let output = Command::new(self.fleet.program("vertebra"))
            .env_clear()
            .args(args)
            .args(["--postgres-url", &self.stack.postgres_url])
            .output()
            .expect("the program is built");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn parked(&self, service: &str) -> Vec<Value> {
        let output = Command::new(self.fleet.program("vertebra"))
            .env_clear()
            .args([
                "parked",
                "list",
                "--service",
                service,
                "--json",
                "--limit",
                "1000",
                "--postgres-url",
                &self.stack.postgres_url,
            ])
            .output()
            .expect("the program is built");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let inputs = told["inputs"].as_array().expect("inputs").iter();
        let is_new = |input: &&Value| !self.before.contains(&(service.to_owned(), input["id"].to_string()));
        inputs.filter(is_new).cloned().collect()
    }

    fn numbers(&self, service: &str) -> Vec<(String, String)> {
        let parked = self.parked(service);
        parked.iter().map(|input| (service.to_owned(), input["id"].to_string())).collect()
    }

    /// The first ones of their keys.
    fn heads(&self, service: &str) -> String {
        let parked = self.parked(service);
        let heads = parked.iter().filter(|input| input["reason"] != "behind");
        heads.map(|input| input["id"].to_string()).collect::<Vec<_>>().join(",")
    }
}

/// The external id of a payer's partner, while it is not there.
struct Payer {
    name: Value,
    partner: Value,
}

impl Payer {
    async fn take_away(odoo: &Client, code: &str) -> Self {
        let domain = json!([["module", "=", "__vertebra__"], ["name", "=", format!("payer_{code}")]]);
        let args = json!({"domain": domain, "fields": ["name", "res_id"]});
        let rows: Vec<Value> =
            odoo.call("ir.model.data", "search_read", &[], args, &Context::new()).await.expect("its row");
        let row = rows.first().expect("the payer was seeded");
        let id = row["id"].as_i64().expect("an id");
        odoo.call::<Value>("ir.model.data", "unlink", &[id], Value::Null, &Context::new())
            .await
            .expect("gone");
        Self { name: row["name"].clone(), partner: row["res_id"].clone() }
    }

    async fn bring_back(&self, odoo: &Client) {
        let row = json!({
            "module": "__vertebra__", "name": self.name, "model": "res.partner", "res_id": self.partner, "noupdate": true,
        });
        odoo.create("ir.model.data", &[row], &Context::new()).await.expect("an external id");
    }
}
