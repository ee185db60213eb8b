//! Pokes: a POST of anything to a secret path makes every source look now. Nothing of what is posted is believed, or even
//! read: webhooks of Odoo's are unsigned, come several times or not at all, and know nothing that Odoo does not say better.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

/// Longer bodies are cut off; what is in them is nobody's business.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long to wait before the address is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Where pokes come from. Copies are of the same.
#[derive(Clone, Debug)]
pub struct Poke {
    pokes: watch::Sender<u64>,
    is_served: Arc<AtomicBool>,
}

/// Where webhooks are heard.
#[derive(Clone, Copy, Debug)]
pub struct Webhooks {
    /// The address; behind a proxy, on loopback.
    pub address: SocketAddr,
    /// What the path ends in.
    pub secret: Uuid,
}

/// A source's ear.
#[derive(Debug)]
pub(crate) struct Poked(watch::Receiver<u64>);

impl Default for Poke {
    fn default() -> Self {
        Self { pokes: watch::Sender::new(0), is_served: Arc::default() }
    }
}

impl Poke {
    /// Makes all sources look now.
    pub fn poke(&self) {
        self.pokes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn ear(&self) -> Poked {
        Poked(self.pokes.subscribe())
    }

    /// The pages that poke.
    pub fn router(&self, secret: Uuid) -> Router {
        let poke = self.clone();
        let heard = post(async move || {
            poke.poke();
            StatusCode::NO_CONTENT
        });
        Router::new().route(&format!("/poke/{secret}"), heard).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
    }

    /// Begins to serve them, the first time it is called.
    pub(crate) fn serve_once(&self, webhooks: Webhooks) {
        if !self.is_served.swap(true, Ordering::Relaxed) {
            tokio::spawn(self.clone().serve(webhooks));
        }
    }

    /// Serves them until the process ends; an address that is taken is tried again, since pokes only hurry.
    pub async fn serve(self, Webhooks { address, secret }: Webhooks) {
        loop {
            let error = match TcpListener::bind(address).await {
                Ok(listener) => match axum::serve(listener, self.router(secret)).await {
                    Ok(()) => return,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            tracing::warn!(%address, %error, "webhooks are not heard there; changes are found by polling alone");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Poked {
    /// Waits for a poke, for so long. Pokes since the last wait count as one.
    pub(crate) async fn wait(&mut self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.0.changed()).await;
    }

    /// What was poked so far has been heard.
    pub(crate) fn hear(&mut self) {
        self.0.mark_unchanged();
    }
}
