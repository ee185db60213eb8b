//! F10: PostgreSQL dies, has no room, does not answer a COMMIT, and is restored from an older backup.

use super::disks::fill;
use crate::Part;
use crate::play::{HAPPENS, Path, Scenario, Stage};
use crate::proxy::Manner;
use crate::world::Start;
use crate::{Deadline, until};
use harness::Role;
use std::path::Path as File;
use std::process::Command;
use std::time::Duration;

/// One after the other, in an order that is drawn; the backup last.
pub(super) const F10: Scenario = Scenario {
    lacks: |ground| ground.database_disk().err(),
    ..Scenario::new(
        "F10",
        "PostgreSQL: kill -9 in mid-batch; disk full; COMMIT whose answer is lost; restored from an older backup, also under services that go on, and `vertebra recover`",
        |stage| Box::pin(database(stage)),
    )
};

const LEDGERS: [(Role, &str, &str); 3] = [
    (Role::Translate, "ehr-adapter", "ehr_adapter"),
    (Role::Bill, "billing-projector", "billing_projector"),
    (Role::Write, "odoo-writer", "odoo_writer"),
];

async fn database(stage: &mut Stage) {
    let lives_on = stage.chance.of_hundred(50);
    let mut left = vec![0, 1, 2];
    while !left.is_empty() {
        match left.remove(stage.chance.below(left.len())) {
            0 => killed(stage).await,
            1 => full(stage).await,
            _ => unanswered(stage).await,
        }
        stage.flows(15).await;
    }
    restored(stage, lives_on).await;
}

async fn killed(stage: &mut Stage) {
    stage.kill_part(Part::Postgres).await;
    let held = stage.number(0, 4);
    stage.holds(Duration::from_secs(held as u64)).await;
    stage.start_part(Part::Postgres).await;
}

async fn full(stage: &mut Stage) {
    let disk = stage.ground.database_disk().expect("the scenario runs only where there is one");
    let ballast = fill(&disk);
    stage.note("no byte is left for postgres");
    let held = stage.number(3, 10);
    stage.holds(Duration::from_secs(held as u64)).await;
    std::fs::remove_file(ballast).expect("the ballast goes");
    stage.note("there is room again");
    // A server that could write no log has ended itself; one that goes on is left alone by this.
    Part::Postgres.start().await;
}

async fn unanswered(stage: &mut Stage) {
    for _ in 0..3 {
        let before = stage.path(Path::Postgres).touched();
        stage.behaves(Path::Postgres, Manner::Mute);
        stage.touched(Path::Postgres, before).await;
        let held = stage.number(0, 4);
        stage.holds(Duration::from_secs(held as u64)).await;
        stage.behaves(Path::Postgres, Manner::Open);
        stage.flows(10).await;
    }
}

/// Services halt, and go on once a person has had them recovered; nothing is doubled or missing. Where nobody has stopped them
/// before, they find the ledger exchanged while they hold their lanes.
async fn restored(stage: &mut Stage, lives_on: bool) {
    let dump = stage.world.folder().join("backup.sql");
    let schemas = LEDGERS.map(|(.., schema)| ["--schema", schema]).concat();
    psql(stage, "pg_dump", &[&schemas[..], &["--file", text(&dump)]].concat()).expect("a backup");
    stage.note("a backup is made");
    let in_backup = [given(stage, LEDGERS[0].2).await, given(stage, LEDGERS[1].2).await];
    // A backlog of whole visits is folded at once. Read again, it comes record by record.
    stage.drain(Role::Bill).await;
    let day = stage.visits_begin().await;
    stage.visits_end(day).await;
    let messages = stage.number(30, 60);
    stage.flows(messages).await;
    stage.joins(Role::Bill);
    stage.ready(Role::Bill).await;
    stage.flows(30).await;
    // On their feet again after what had befallen the database, they publish what the backup does not know.
    for ((_, service, schema), (before, _)) in LEDGERS[..2].iter().zip(in_backup) {
        until("something is published since the backup", Deadline::secs(60), async || {
            match given(stage, schema).await {
                (versions, waiting) if versions - waiting > before => Ok(()),
                (versions, waiting) => Err(format!(
                    "{service}: {versions} versions, {before} in the backup, {waiting} rows wait"
                )),
            }
        })
        .await;
    }
    if !lives_on {
        LEDGERS.iter().for_each(|(role, ..)| stage.kill(*role));
    }
    stage.watch.looks_away();
    put_back(stage, &dump).await;
    stage.note(if lives_on { "the backup is restored under all of them" } else { "the backup is restored" });
    stage.watch.looks_again();
    if !lives_on {
        let one_by_one = Start { batch_max: Some("1"), ..Start::default() };
        LEDGERS.iter().for_each(|(role, ..)| stage.joins_as(*role, &one_by_one));
        stage.note("all of them start, and read one record at a time");
    }
    // What a sink did is found again in Odoo; its ledger is behind only where it had something to publish.
    for (role, service, _) in &LEDGERS[..2] {
        let reason = stage.victim(*role).until_unready(&["ledger"]).await;
        stage.note(format_args!("{service} halts: {reason}"));
    }
    for (_, service, _) in LEDGERS {
        let why = ["--yes", "--by", "a test", "--because", "the backup was restored"];
        let (done, said) = stage.types(&[&["recover", "--service", service][..], &why].concat()).await;
        assert!(done, "{service} is not recovered: {said}");
    }
    resumed(stage).await;
}

/// All ledgers as they were, in one transaction. One that loses against the services' own transactions is tried again.
async fn put_back(stage: &Stage, dump: &File) {
    let drop = format!("DROP SCHEMA {} CASCADE", LEDGERS.map(|(.., schema)| schema).join(", "));
    let restore = [
        "--quiet",
        "--single-transaction",
        "--set",
        "ON_ERROR_STOP=1",
        "--command",
        &drop,
        "--file",
        text(dump),
    ];
    until("the backup is restored", HAPPENS, async || psql(stage, "psql", &restore)).await;
}

/// How many versions a service has given, and how many of them are not published.
async fn given(stage: &Stage, schema: &str) -> (i64, i64) {
    let client = stage.world.connect().await.expect("the database answers");
    let sql = format!(
        "SELECT coalesce(sum(version), 0)::bigint, (SELECT count(*) FROM {schema}.outbox) FROM {schema}.counter"
    );
    let row = client.query_one(&sql, &[]).await.expect("the counters");
    (row.get(0), row.get(1))
}

/// Lanes of sinks, and of what had never worked before the backup, stay stopped until a person has looked at Odoo.
async fn resumed(stage: &mut Stage) {
    let client = stage.world.connect().await.expect("the database answers");
    for (_, service, schema) in LEDGERS {
        let sql =
            format!("SELECT processor, lane FROM {schema}.lane WHERE stopped_why IS NOT NULL ORDER BY 1, 2");
        for row in client.query(&sql, &[]).await.expect("the lanes") {
            let (processor, lane) = (row.get::<_, String>(0), row.get::<_, i32>(1).to_string());
            let lane = ["lanes", "resume", "--service", service, "--processor", &processor, "--lane", &lane];
            let why = ["--by", "a test", "--because", "odoo is the same"];
            let (done, said) = stage.types(&[&lane[..], &why].concat()).await;
            assert!(done, "a lane is not resumed: {said}");
        }
    }
}

fn psql(stage: &Stage, program: &str, args: &[&str]) -> Result<(), String> {
    let url = &stage.world.stack.postgres_url;
    let ended = Command::new(program).arg("--dbname").arg(url).args(args).output();
    let ended = ended.map_err(|error| format!("{program}: {error}"))?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&ended.stderr))),
    }
}

fn text(path: &File) -> &str {
    path.to_str().expect("a path that is text")
}
