//! A person's rights in the database, as `deploy/postgres/operator.sql` gives them: to ask and to look, and to change nothing that
//! services write.

use super::{CASES, Stand, check, filled, variable, vertebra};
use backbone::store::Changes;
use std::process::Output;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

const RIGHTS: &str = include_str!("../../../../deploy/postgres/operator.sql");
/// What nobody but a service does.
const DENIED: [&str; 14] = [
    "DELETE FROM parked",
    "UPDATE parked SET reason = 'other'",
    "UPDATE emitted SET version = 9",
    "UPDATE counter SET version = 9",
    "DELETE FROM journal",
    "DELETE FROM outbox",
    "UPDATE lane SET seq = 9",
    "UPDATE intent SET because = 'another reason'",
    "DELETE FROM intent",
    "UPDATE audit_head SET seq = 9",
    "INSERT INTO intent (processor, lane, body, asked_by, because, audit_seq) VALUES ('p', 0, '{}', 'jo', 'so', 9)",
    "INSERT INTO outbox (topic) VALUES ('t')",
    "SELECT audit_seal()",
    "CREATE TABLE mine (a int)",
];

async fn connect(url: &str, schema: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = {schema}")).await.expect("a path");
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_ask_and_look_and_write_nothing_that_services_write() {
    let Some(stand) = Stand::try_new().await else { return };
    let url = variable("VERTEBRA_TEST_OPERATOR_POSTGRES_URL");
    let url = url.expect("VERTEBRA_TEST_OPERATOR_POSTGRES_URL says how a person connects");
    let schema = stand.service.replace('-', "_");
    let owner = connect(&stand.url, &schema).await;
    let typed = |args: &[&str]| -> Output {
        vertebra(args.iter().copied().chain(["--service", stand.service, "--postgres-url", &url]))
    };
    assert_eq!(typed(&["lanes", "list"]).status.code(), Some(2), "nothing was granted yet");
    owner.batch_execute(&format!("SET vertebra.ledger = '{schema}'")).await.expect("set");
    owner.batch_execute(RIGHTS).await.expect("granted");

    let fence = filled(&stand).await;
    let stop = Some("9 inputs in a row were rejected".to_owned());
    stand.commit(&fence, Changes { stop, ..Changes::default() }).await;
    check(&typed(&["lanes", "list"]), 1, &["STOPPED"]);
    check(&typed(&["parked", "list", "--since", "1970-01-01T00:00:00Z"]), 1, &["5 parked"]);
    check(&typed(&["parked", "list", "--until", "1970-01-01T00:00:00Z"]), 0, &["nothing is parked"]);
    let who = ["--by", "jo", "--because", "it is tested"];
    let asks = |args: &[&str]| typed(&[args, &who].concat());
    let lane = ["--processor", CASES, "--lane", "0"];
    check(&asks(&[&["lanes", "resume"][..], &lane].concat()), 0, &["goes on"]);
    check(&asks(&["parked", "redrive", "--key", "k1", "--timeout", "0s"]), 1, &["has not answered"]);
    check(&typed(&["parked", "show", "--id", "1"]), 0, &["billing.charge.v1"]);
    check(&typed(&["audit", "list"]), 0, &["resume", "it is tested"]);
    check(&typed(&["audit", "verify"]), 0, &[]);
    let client = connect(&url, &schema).await;
    // As `replay run` asks for it once something was folded.
    let rebuild =
        format!("INSERT INTO replay (processor, asked_by, because) VALUES ('{CASES}', 'jo', 'it is tested')");
    client.batch_execute(&rebuild).await.expect("a rebuild is asked for");
    check(&typed(&["replay", "list"]), 1, &[CASES]);
    check(&asks(&["replay", "retire", "--replay", "1"]), 0, &[]);
    for sql in DENIED {
        let refused = client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}: {refused:?}");
    }
    // What looks like the chain's head and is one's own is not written: the chain stays whole.
    let mine = "CREATE TEMP TABLE audit_head (seq bigint, hash bytea); GRANT ALL ON audit_head TO PUBLIC;
        INSERT INTO pg_temp.audit_head VALUES (70, '\\x00')";
    client.batch_execute(mine).await.expect("a table of one's own");
    let asked = "INSERT INTO intent (processor, lane, body, asked_by, because, ended_at_us, result)
        VALUES ('p', 0, '{\"do\": \"nothing\"}', 'jo', 'it is tested', 1, '{}') RETURNING audit_seq";
    let sealed: i64 = client.query_one(asked, &[]).await.expect("sealed").get(0);
    assert!(sealed < 70, "it was sealed by somebody's own head: {sealed}");
    check(&typed(&["audit", "verify"]), 0, &[]);
    stand.drop().await;
}
