//! Odoo was restored from last night's backup: what it had been given since is found missing, and made once more, each once.

use canon::Timestamp;
use harness::{Process, Role, check, until};
use runbooks::scene::{READY, Scene, scaled};
use runbooks::typist::{Nobody, Typist};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

const NOTICED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn odoo_was_restored_from_last_nights_backup() {
    let Some(mut scene) = Scene::set("odoo-restored", scaled(8, 100)).await else { return };
    assert!(is_ours(&scene), "VERTEBRA_STACK_INSTANCE names another instance than the one that is tested");
    scene.fleet = scene.fleet.clone().with(Role::Poll, "sweep-interval", "1s");
    let mut services = scene.services().await;
    let mut poller: Process = scene.fleet.start(Role::Poll).expect("the poller");
    poller.ready(READY).await.unwrap_or_else(|error| panic!("{error}"));
    services.processes.push(poller);
    let history = scene.sent(&scene.hospital).await;
    services.balanced(&scene.hospital, &history).await;

    stack("save");
    let saved_at = Timestamp::from(SystemTime::now());
    let today = scene.another_day(scaled(30, 400));
    let mut all = history;
    all.merge(scene.sent(&today).await);
    let before = services.balanced(&today, &all).await;
    until(NOTICED, || async {
        let told = services.books.read().await.ok()?.entered.stated.len();
        (told >= before.invoices.len()).then_some(())
    })
    .await
    .expect("the poller has told what was made");
    stack("restore");

    let mut typist = Typist::new("odoo-was-restored.md", &scene.fleet, &scene.stack)
        .knowing("time of the backup", &saved_at.to_string());
    typist.types(&mut Nobody).await;

    services.settled().await;
    let after = services.books.read().await.expect("everything can be read");
    for hospital in [&scene.hospital, &today] {
        let told: Vec<String> = check(hospital, &all, &after).iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "the books do not balance:\n{}", told.join("\n"));
    }
    assert_eq!(before.invoices.len(), after.invoices.len(), "as many invoices as before");
    assert_eq!(before.by_reference, after.by_reference, "somebody has more invoices than before");
    services.over(&scene).await;
}

/// Whether the environment names the instance that `VERTEBRA_TEST_*` does: another one's Odoo is not to be restored.
fn is_ours(scene: &Scene) -> bool {
    let told = script().arg("env").output().expect("the stack's script");
    String::from_utf8_lossy(&told.stdout).contains(&format!("VERTEBRA_ODOO_URL={}\n", scene.stack.odoo.url))
}

fn stack(verb: &str) {
    let ended = script().args([verb, "odoo"]).output().expect("the stack's script");
    assert!(ended.status.success(), "{verb}: {}", String::from_utf8_lossy(&ended.stderr));
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/stack"))
}
