//! F15: what was folded is folded again and what was parked is tried again, while live traffic goes on and instances restart.

use crate::days::{ACK_TIMEOUT, unbillable};
use crate::play::{HAPPENS, Scenario, Stage};
use crate::until;
use harness::{Role, Sender};
use odoo::seed::{Named, Plan, seed};
use odoo::{Context, Search};
use serde_json::{Value, json};

/// By what operators have today: `vertebra again` and `vertebra parked redrive`.
pub(super) const F15: Scenario = Scenario {
    after: |stage| Box::pin(once(stage)),
    ..Scenario::new(
        "F15",
        "folding again, live traffic and redrive together, while instances restart",
        |stage| Box::pin(together(stage)),
    )
};

/// Visits whose charge Odoo has no product for at first.
const VISITS: usize = 4;

async fn together(stage: &mut Stage) {
    let mut sender = Sender::new(stage.world.mllp());
    sender.ack_timeout = ACK_TIMEOUT;
    for number in 1..=VISITS {
        for message in unbillable(number) {
            sender.send(&message).await.unwrap_or_else(|error| panic!("{error}"));
        }
    }
    until_parked(stage, VISITS).await;
    for round in 0..3 {
        let again = stage.typing(&[
            "again",
            "--service",
            "ehr-adapter",
            "--processor",
            "hl7-translation",
            "--topic",
            "raw.hl7v2.v1",
            "--since",
            "2020-01-01T00:00:00Z",
            "--yes",
            "--by",
            "a test",
            "--because",
            "a mapping was corrected",
        ]);
        let redrive = stage.typing(&[
            "parked",
            "redrive",
            "--service",
            "odoo-writer",
            "--processor",
            "odoo-invoices",
            "--yes",
            "--by",
            "a test",
            "--because",
            "the product is there",
        ]);
        let role = stage.one_of(&[Role::Translate, Role::Bill, Role::Write]);
        stage.bounce(role).await;
        stage.flows(15).await;
        for (what, typed) in [("again", again), ("redrive", redrive)] {
            let (done, said) = typed.await.expect("the command ends");
            let last = said.lines().last().unwrap_or_default().to_owned();
            stage.note(format_args!("{what}: {} {last}", if done { "done;" } else { "not all;" }));
        }
        if round == 1 {
            sells(stage).await;
        }
    }
    // Whoever was killed while it carried a wish out has left it to the next one.
    until_redriven(stage).await;
}

async fn parked(stage: &Stage) -> Result<i64, String> {
    let client = stage.world.connect().await.map_err(|error| error.to_string())?;
    let sql = "SELECT count(*) FROM odoo_writer.parked";
    Ok(client.query_one(sql, &[]).await.map_err(|error| error.to_string())?.get(0))
}

async fn until_parked(stage: &Stage, count: usize) {
    until(format!("{count} requests are parked"), HAPPENS, async || match parked(stage).await? {
        is if usize::try_from(is) == Ok(count) => Ok(()),
        is => Err(format!("{is} are")),
    })
    .await;
}

async fn until_redriven(stage: &mut Stage) {
    for _ in 0..5 {
        if parked(stage).await == Ok(0) {
            return;
        }
        let args = ["parked", "redrive", "--service", "odoo-writer", "--processor", "odoo-invoices", "--yes"];
        let why = ["--by", "a test", "--because", "the product is there"];
        let (_, said) = stage.types(&[&args[..], &why].concat()).await;
        stage.note(said.lines().last().unwrap_or_default().to_owned());
    }
    until_parked(stage, 0).await;
}

/// Odoo gets the product.
async fn sells(stage: &mut Stage) {
    let product = Named { code: "NOSUCH".to_owned(), name: "A thing after all".to_owned() };
    let plan = Plan {
        currency: "USD".to_owned(),
        self_pay: "Self-pay".to_owned(),
        payers: Vec::new(),
        items: vec![product],
    };
    seed(&stage.world.stack.odoo(), &plan).await.expect("odoo takes the product");
    stage.note("odoo has the product now");
}

/// Each of the visits that waited has one invoice.
async fn once(stage: &mut Stage) {
    stage.wanted.looked.push(8);
    let numbers: Vec<String> = (1..=VISITS).map(|number| format!("UB{number}")).collect();
    let domain = json!([["ref", "in", numbers], ["move_type", "=", "out_invoice"], ["state", "=", "posted"]]);
    let search = Search { domain, fields: &["ref"], order: "id", ..Search::default() };
    let found: Vec<Value> = stage
        .world
        .stack
        .odoo()
        .search_read("account.move", &search, &Context::new())
        .await
        .expect("odoo answers");
    for number in numbers {
        let count = found.iter().filter(|invoice| invoice["ref"] == number).count();
        if count != 1 {
            stage.violates(4, format_args!("{number} was redriven and is on {count} invoices"));
        }
    }
}
