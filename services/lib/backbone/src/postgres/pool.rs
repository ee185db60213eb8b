//! Connections: how they are made, what every session is told, what happens to one that is given up.

use super::failure::Failure;
use super::identifier::Identifier;
use super::{OpenError, PostgresSettings};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use std::time::Duration;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Config, NoTls};

/// Where TLS would come in: today the server is on loopback, or behind a sidecar that speaks TLS for us (a pgbouncer
/// must pool sessions, since every session has settings and prepared statements of ours).
fn connector() -> NoTls {
    NoTls
}

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn pool(settings: &PostgresSettings, schema: &Identifier) -> Result<Pool, OpenError> {
    // The parser's own error can quote the URL, password included.
    let mut config: Config = settings.url.reveal().as_str().parse().map_err(|_| OpenError::Url)?;
    let keepalive = settings.lease / 4;
    config
        .application_name(settings.application_name())
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives(true)
        .keepalives_idle(keepalive.max(Duration::from_secs(1)))
        .keepalives_interval(Duration::from_secs(1))
        .keepalives_retries(3)
        .tcp_user_timeout(settings.lease)
        // Of several hosts the one that can be written to, so that a fail-over is followed.
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    // A connection is checked for being open only: none goes back with a transaction on it.
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let session = session(settings, schema);
    let tell = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let session = session.clone();
        Box::pin(async move {
            client.batch_execute(&session).await.map_err(HookError::Backend)?;
            // Sees a client go away while a statement waits for a lock; not every system can tell.
            let _ = client.batch_execute("SET client_connection_check_interval = '500ms'").await;
            Ok(())
        })
    });
    Pool::builder(Manager::from_config(config, connector(), manager))
        .max_size(settings.connections_max)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(settings.lease / 2))
        .create_timeout(Some(CONNECT_TIMEOUT * 2))
        .post_create(tell)
        .build()
        .map_err(|_| OpenError::Url)
}

/// What every session is told.
///
/// A stopped process's transaction is ended by the server well before its lease has passed: half of it idle in the
/// transaction, half of it waiting for a lock. Plans are made once and by index: tables that were empty when they were
/// planned for would otherwise be scanned whole for a while.
fn session(settings: &PostgresSettings, schema: &Identifier) -> String {
    let half_ms = (settings.lease / 2).as_millis().max(1);
    let lease_ms = settings.lease.as_millis().max(1);
    format!(
        "SET search_path = {schema}; \
         SET idle_in_transaction_session_timeout = {half_ms}; \
         SET lock_timeout = {half_ms}; \
         SET statement_timeout = {lease_ms}; \
         SET default_transaction_isolation = 'read committed'; \
         SET synchronous_commit = on; \
         SET client_min_messages = warning; \
         SET plan_cache_mode = force_generic_plan; \
         SET enable_seqscan = off; \
         SET jit = off"
    )
}

/// A connection of the pool.
pub(super) async fn connection(pool: &Pool) -> Result<Object, Failure> {
    Ok(pool.get().await?)
}

/// Closes a connection instead of giving it back: what the server still does on it is rolled back.
pub(super) fn close(connection: Object) {
    drop(Object::take(connection));
}
