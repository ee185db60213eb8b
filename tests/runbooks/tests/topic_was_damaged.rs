//! A topic was damaged: charges were cut off that billing had not read. Its lanes are moved, its producer says it once more.
//!
//! Behind it the topic of charges lacks what was corrected since, so it comes after the tests that count its versions.

use backbone::kafka::Admin;
use canon::{Charge, Event as _};
use harness::{Difference, Process, Role, until};
use runbooks::expect::Known;
use runbooks::scene::{READY, Scene, scaled};
use runbooks::typist::{Others, Typist};
use std::time::Duration;

const SAID: Duration = Duration::from_secs(60);

/// Whoever starts what was stopped.
struct Starters<'a> {
    scene: &'a Scene,
    billing: Option<Process>,
}

impl Others for Starters<'_> {
    async fn then(&mut self, name: &str, known: &mut Known) -> bool {
        match name {
            "billing starts" => {
                let billing = self.scene.fleet.start(Role::Bill).expect("the program");
                known.insert("billing-projector".to_owned(), billing.url(""));
                self.billing = Some(billing);
            }
            _ => return false,
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_was_damaged() {
    let Some(scene) = Scene::set("topic-damaged", scaled(15, 400)).await else { return };
    let mut services = scene.services().await;
    let history = scene.sent(&scene.hospital).await;
    let is_gap =
        |one: &Difference| matches!(one, Difference::Version { topic, .. } if *topic == Charge::TOPIC);
    services.balanced_but(&scene.hospital, &history, is_gap).await;

    // While billing is down another day comes, and somebody cuts its charges off.
    let place = services.processes.iter().position(|process| process.name().starts_with(Role::Bill.name()));
    let mut billing = services.processes.remove(place.expect("billing was started"));
    billing.stop(READY).await.expect("it drains");
    let today = scene.another_day(scaled(15, 400));
    let mut all = history;
    all.merge(scene.sent(&today).await);
    let prefix = today.prefix();
    let charges = until(SAID, || async {
        let charges = services.books.read().await.ok()?.charges.stated;
        let of_today = charges.iter().filter_map(|stated| stated.body.as_ref());
        let told = of_today.filter(|body| body.control_id.starts_with(&prefix)).count();
        (told >= today.charge_count()).then_some(told)
    });
    println!("{} charges are cut off", charges.await.expect("the charges are said"));
    let admin = Admin::new(&scene.stack.kafka()).expect("a client");
    let held = admin.held(Charge::TOPIC).await.expect("the topic");
    let ends = held.into_iter().map(|(partition, held)| (partition, held.end)).collect();
    admin.cut(Charge::TOPIC, &ends).await.expect("cut off");

    let mut starters = Starters { scene: &scene, billing: None };
    Typist::new("topic-was-damaged.md", &scene.fleet, &scene.stack).types(&mut starters).await;
    services.processes.extend(starters.billing);

    services.balanced_but(&today, &all, is_gap).await;
    services.balanced_but(&scene.hospital, &all, is_gap).await;
    services.over(&scene).await;
}
