//! A bad deploy parked ten thousand events: it was rolled back, stopped lanes resumed, and all of it tried again.

use canon::{Event, SenderConfig};
use harness::{Fleet, until};
use runbooks::expect::Known;
use runbooks::scene::{Scene, scaled};
use runbooks::typist::{Others, Typist};
use std::time::Duration;

const TAKEN_UP: Duration = Duration::from_secs(60);

/// Whoever rolls it back.
struct Deployers<'a> {
    fleet: &'a Fleet,
    sender: &'a str,
    right: String,
}

impl Others for Deployers<'_> {
    async fn then(&mut self, name: &str, _known: &mut Known) -> bool {
        match name {
            "the deploy is rolled back" => {
                self.fleet.rewrite_sender(self.sender, &self.right).expect("the file before");
            }
            _ => return false,
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_deploy_parked_ten_thousand_events() {
    let Some(scene) = Scene::set("bad-deploy", scaled(60, 2_200)).await else { return };
    let services = scene.services().await;
    let (sender, file) = (scene.hospital.sender(), scene.fleet.folder().join("senders"));
    let right = std::fs::read_to_string(file.join(format!("{sender}.yaml"))).expect("its file");
    let before = services.books.read().await.expect("everything can be read").parked;
    // The path of a charge's code was mistyped: no charge has one.
    let configs = services.books.count(SenderConfig::TOPIC).await.expect("the topic");
    scene.fleet.rewrite_sender(sender, &format!("{right}charge_code: FT1-17\n")).expect("the bad file");
    let published = until(TAKEN_UP, || async {
        (services.books.count(SenderConfig::TOPIC).await.ok()? != configs).then_some(())
    });
    published.await.expect("the bad file is published");
    let history = scene.sent(&scene.hospital).await;
    let parked = until(TAKEN_UP, || async {
        let parked = services.books.read().await.ok()?.parked;
        (parked.len() >= before.len() + scaled(100, 10_000)).then_some(parked.len())
    });
    println!("{} parked", parked.await.expect("the deploy parks"));

    let mut typist =
        Typist::new("bad-deploy-parked.md", &scene.fleet, &scene.stack).knowing("sender", sender);
    typist.types(&mut Deployers { fleet: &scene.fleet, sender, right }).await;

    let evidence = services.balanced(&scene.hospital, &history).await;
    let left: Vec<_> = evidence.parked.iter().filter(|parked| !before.contains(parked)).collect();
    assert!(left.is_empty(), "{left:?}");
    services.over(&scene).await;
}
