//! Liveness, readiness and metrics over HTTP.
//!
//! Consumes heartbeats of the loops and named conditions with reasons; publishes `/live`, `/ready` and `/metrics`.
//! Alive means that every registered loop has come round within its own deadline, so that a stuck pipeline is
//! restarted though its HTTP server answers. Ready means that every condition holds. No reason tells a payload.

use crate::metrics::Metrics;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The state of a service's health, shared by its loops.
#[derive(Clone, Default)]
pub struct Health {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    beats: BTreeMap<String, Beats>,
    conditions: BTreeMap<String, Standing>,
}

struct Beats {
    deadline: Duration,
    last: Instant,
}

struct Standing {
    /// Why it does not hold; nothing when it does.
    reason: Option<String>,
    since: Instant,
}

/// A loop's pulse. Dropped, the loop is done and its deadline is off.
pub struct Heartbeat {
    name: String,
    health: Health,
}

/// Something that has to hold for the service to be ready, such as "kafka".
#[derive(Clone)]
pub struct Condition {
    name: Arc<str>,
    health: Health,
}

/// What `/live` and `/ready` say, as JSON.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// Whether all is well.
    pub ok: bool,
    /// Each loop or condition: `ok`, or why not.
    pub parts: BTreeMap<String, String>,
}

impl Health {
    /// Nothing registered: alive and ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a loop that has to beat within `deadline`, again and again.
    pub fn heartbeat(&self, name: impl Into<String>, deadline: Duration) -> Heartbeat {
        let name = name.into();
        self.lock().beats.insert(name.clone(), Beats { deadline, last: Instant::now() });
        Heartbeat { name, health: self.clone() }
    }

    /// A condition of readiness. One that is new does not hold, until it is said to.
    pub fn condition(&self, name: &str) -> Condition {
        let standing = || Standing { reason: Some("not known yet".to_owned()), since: Instant::now() };
        self.lock().conditions.entry(name.to_owned()).or_insert_with(standing);
        Condition { name: name.into(), health: self.clone() }
    }

    /// Which loops are alive.
    pub fn live(&self) -> Report {
        let shared = self.lock();
        let late = |beats: &Beats| beats.last.elapsed().checked_sub(beats.deadline);
        let ok = shared.beats.values().all(|beats| late(beats).is_none());
        let tell = |beats: &Beats| match late(beats) {
            None => "ok".to_owned(),
            Some(over) => format!("{} ms over its deadline", over.as_millis()),
        };
        let parts = shared.beats.iter().map(|(name, beats)| (name.clone(), tell(beats))).collect();
        Report { ok, parts }
    }

    /// Which conditions hold.
    pub fn ready(&self) -> Report {
        let shared = self.lock();
        let ok = shared.conditions.values().all(|standing| standing.reason.is_none());
        let tell = |standing: &Standing| match &standing.reason {
            None => "ok".to_owned(),
            Some(reason) => format!("{reason} (for {} s)", standing.since.elapsed().as_secs()),
        };
        let parts = shared.conditions.iter().map(|(name, standing)| (name.clone(), tell(standing))).collect();
        Report { ok, parts }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("live", &self.live()).field("ready", &self.ready()).finish()
    }
}

impl Heartbeat {
    /// The loop has come round.
    pub fn beat(&self) {
        if let Some(beats) = self.health.lock().beats.get_mut(&self.name) {
            beats.last = Instant::now();
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.health.lock().beats.remove(&self.name);
    }
}

impl Condition {
    /// It holds.
    pub fn ready(&self) {
        self.set(None);
    }

    /// It does not hold. The reason names parts of the system and error codes, never data.
    pub fn unready(&self, reason: impl fmt::Display) {
        self.set(Some(reason.to_string()));
    }

    /// Whether it holds.
    pub fn is_ready(&self) -> bool {
        self.health.lock().conditions.get(&*self.name).is_some_and(|standing| standing.reason.is_none())
    }

    /// Takes the condition away, since the part that had it is gone.
    pub fn retire(&self) {
        self.health.lock().conditions.remove(&*self.name);
    }

    fn set(&self, reason: Option<String>) {
        let mut shared = self.health.lock();
        let Some(standing) = shared.conditions.get_mut(&*self.name) else {
            return;
        };
        let turned = standing.reason.is_none() != reason.is_none();
        let first_reason = reason.clone().filter(|_| turned);
        standing.reason = reason;
        if !turned {
            return;
        }
        standing.since = Instant::now();
        drop(shared);
        match first_reason {
            Some(reason) => tracing::warn!(condition = &*self.name, reason, "not ready"),
            None => tracing::info!(condition = &*self.name, "ready"),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("name", &self.name).field("ready", &self.is_ready()).finish()
    }
}

/// The HTTP server, bound and not yet serving: binding can fail, serving cannot.
pub struct HealthServer {
    listener: TcpListener,
    router: Router,
}

impl HealthServer {
    /// Binds the address; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub async fn bind(address: SocketAddr, health: Health, metrics: Metrics) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, router: router(health, metrics) })
    }

    /// The address bound.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the token is cancelled, and answers what was begun.
    pub async fn serve(self, until: CancellationToken) {
        let serving = axum::serve(self.listener, self.router).with_graceful_shutdown(until.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(%error, "the health server ended");
        }
    }
}

/// The three pages, to be served or to be driven by a test.
pub fn router(health: Health, metrics: Metrics) -> Router {
    let status = |ok: bool| {
        if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    let answer = move |report: Report| (status(report.ok), Json(report)).into_response();
    Router::new()
        .route(
            "/live",
            get(move |State((health, _)): State<(Health, Metrics)>| async move { answer(health.live()) }),
        )
        .route(
            "/ready",
            get(move |State((health, _)): State<(Health, Metrics)>| async move { answer(health.ready()) }),
        )
        .route(
            "/metrics",
            get(|State((_, metrics)): State<(Health, Metrics)>| async move {
                ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
            }),
        )
        .with_state((health, metrics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_is_new_does_not_hold_until_it_is_said_to() {
        let health = Health::new();
        assert!(health.ready().ok);
        let kafka = health.condition("kafka");
        assert!(!health.ready().ok);
        kafka.ready();
        assert!(health.ready().ok && kafka.is_ready());
        kafka.unready("no broker answers");
        let report = health.ready();
        assert!(!report.ok && report.parts["kafka"].starts_with("no broker answers"), "{report:?}");
        kafka.retire();
        assert!(health.ready().ok);
    }

    #[test]
    fn a_loop_past_its_deadline_is_not_alive_and_one_that_ended_is_forgotten() {
        let health = Health::new();
        let patient = health.heartbeat("patient", Duration::from_secs(3600));
        let hasty = health.heartbeat("hasty", Duration::ZERO);
        hasty.beat();
        patient.beat();
        let report = health.live();
        assert!(!report.ok && report.parts["patient"] == "ok", "{report:?}");
        drop(hasty);
        assert!(health.live().ok);
    }

    #[tokio::test]
    async fn the_pages_tell_what_holds_and_what_does_not() {
        let (health, metrics) = (Health::new(), Metrics::new("test").expect("metrics"));
        let kafka = health.condition("kafka");
        let server = HealthServer::bind(([127, 0, 0, 1], 0).into(), health, metrics).await.expect("bound");
        let address = server.address().expect("address");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(stop.clone()));
        let page = async |path: &str| {
            let answer = reqwest::get(format!("http://{address}{path}")).await.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("a body"))
        };
        assert_eq!(page("/live").await, (200, r#"{"ok":true,"parts":{}}"#.to_owned()));
        assert_eq!(page("/ready").await.0, 503);
        kafka.ready();
        assert_eq!(page("/ready").await, (200, r#"{"ok":true,"parts":{"kafka":"ok"}}"#.to_owned()));
        assert!(page("/metrics").await.1.contains("vertebra_build_info"));
        stop.cancel();
        serving.await.expect("served");
    }
}
