//! Odoo was down for six hours: requests waited, nothing parked, and each was carried out once when it was back.

use harness::Role;
use runbooks::expect::Known;
use runbooks::proxy::Proxy;
use runbooks::scene::{Scene, scaled};
use runbooks::typist::{Others, Typist};
use std::sync::Arc;

/// Whoever runs Odoo.
struct Operators(Arc<Proxy>);

impl Others for Operators {
    async fn then(&mut self, name: &str, _known: &mut Known) -> bool {
        match name {
            "odoo is back" => self.0.open().await.expect("its port is free"),
            _ => return false,
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odoo_was_down_for_six_hours() {
    let Some(mut scene) = Scene::set("odoo-down", scaled(20, 600)).await else { return };
    let odoo = scene.stack.odoo.url.trim_start_matches("http://").trim_end_matches('/').parse();
    let proxy = Proxy::before(odoo.expect("an address")).await.expect("a port");
    let through = format!("http://{}", proxy.address());
    scene.fleet = scene.fleet.clone().with(Role::Write, "odoo-url", &through);
    let services = scene.services().await;
    let before = services.books.read().await.expect("everything can be read").effects.len();
    proxy.close();
    let history = scene.sent(&scene.hospital).await;
    let writer = services.of(Role::Write).url("");
    let mut typist =
        Typist::new("odoo-was-down.md", &scene.fleet, &scene.stack).knowing("odoo-writer", &writer);
    typist.types(&mut Operators(proxy)).await;

    let evidence = services.balanced(&scene.hospital, &history).await;
    let made = evidence.effects.len() - before;
    assert!(made >= scene.hospital.visits().len(), "{made} requests were carried out");
    services.over(&scene).await;
}
