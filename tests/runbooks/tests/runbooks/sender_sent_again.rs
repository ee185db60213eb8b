//! A sender sent a week again: what it had sent came to nothing new; what its engine had altered was given up.

use harness::{Difference, Kind, Outgoing, Role, Sender};
use runbooks::scene::{Scene, scaled};
use runbooks::typist::{Nobody, Typist};
use std::collections::BTreeSet;

/// Of so many messages of visits one is altered.
const ALTERED_OF: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_sent_a_week_again() {
    let Some(scene) = Scene::set("sent-again", scaled(20, 1_000)).await else { return };
    let services = scene.services().await;
    let mut history = scene.sent(&scene.hospital).await;
    let before = services.balanced(&scene.hospital, &history).await;

    history.merge(scene.sent(&scene.hospital).await);
    // Some come through another release of the engine, which adds a segment of its own.
    let mut sender = Sender::new(scene.fleet.mllp(scene.hospital.sender()));
    let visits = scene.hospital.messages().filter(|(_, message)| message.kind == Kind::Visit);
    let mut altered = BTreeSet::new();
    for (_, message) in visits.step_by(ALTERED_OF) {
        let bytes = [&message.bytes[..], b"ZEN|engine 8\r"].concat();
        sender.send(&Outgoing { bytes, ..message.clone() }).await.expect("acknowledged");
        altered.insert(message.control_id.clone());
    }
    services.settled().await;
    let adapter = services.of(Role::Translate).url("");
    let mut typist = Typist::new("sender-sent-again.md", &scene.fleet, &scene.stack)
        .knowing("sender", scene.hospital.sender())
        .knowing("ehr-adapter", &adapter)
        .knowing("altered", &altered.len().to_string());
    typist.types(&mut Nobody).await;

    let is_altered =
        |one: &Difference| matches!(one, Difference::Unsent { control_id } if altered.contains(control_id));
    let after = services.balanced_but(&scene.hospital, &history, is_altered).await;
    assert!(
        after.raw.len() >= before.raw.len() + scene.hospital.messages().count(),
        "the week did not land a second time"
    );
    assert!(after.invoices == before.invoices, "the week changed something in odoo");
    assert_eq!(after.requests.stated.len(), before.requests.stated.len());
    assert_eq!(after.charges.stated.len(), before.charges.stated.len());
    services.over(&scene).await;
}
