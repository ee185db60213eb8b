//! Taking parts of the stack away, and bringing them back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether a part was taken away and has not come back. One test at a time does that.
static AWAY: AtomicBool = AtomicBool::new(false);

/// A part of the stack that can go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One broker of a cluster, by its number.
    Broker(u8),
    /// The broker, or all of them.
    Kafka,
    /// The real Odoo.
    Odoo,
    /// The database.
    Postgres,
    /// The schema registry.
    Registry,
}

impl Part {
    /// The name of the condition that services show for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broker(_) | Self::Kafka => "kafka",
            Self::Odoo => "odoo",
            Self::Postgres => "postgres",
            Self::Registry => "registry",
        }
    }

    /// Its name in `scripts/stack`.
    pub fn component(self) -> String {
        match self {
            Self::Broker(number) => format!("kafka-{number}"),
            part => part.name().to_owned(),
        }
    }

    /// kill -9.
    pub async fn kill(self) {
        AWAY.store(true, Ordering::SeqCst);
        self.run("kill").await;
    }

    /// Starts it if it is down, and waits until it answers. What ends while it starts is started again, as whoever looks after it
    /// would.
    pub async fn start(self) {
        if self.tries("up").await.is_err() && self.tries("up").await.is_err() {
            self.run("up").await;
        }
        AWAY.store(false, Ordering::SeqCst);
    }

    /// SIGTERM, and a new start.
    pub async fn restart(self) {
        self.run("restart").await;
    }

    /// SIGSTOP: it neither answers nor closes connections.
    pub async fn freeze(self) {
        AWAY.store(true, Ordering::SeqCst);
        self.run("stop").await;
    }

    /// SIGCONT.
    pub async fn thaw(self) {
        self.run("cont").await;
        AWAY.store(false, Ordering::SeqCst);
    }

    async fn run(self, command: &str) {
        self.tries(command).await.unwrap_or_else(|told| panic!("{told}"));
    }

    async fn tries(self, command: &str) -> Result<(), String> {
        let (instance, component) = (instance(), self.component());
        let running = tokio::process::Command::new(crate::ground::script())
            .args([command, &component, "--instance", &instance])
            .output();
        let ran = tokio::time::timeout(Duration::from_secs(180), running).await;
        let output = ran.expect("scripts/stack ends in time").expect("scripts/stack runs");
        let told = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("scripts/stack {command} {component}: {told}"))
        }
    }
}

/// Brings back what a test that failed has left away.
pub(crate) async fn repair() {
    if AWAY.load(Ordering::SeqCst) {
        for part in [Part::Kafka, Part::Postgres, Part::Registry] {
            part.restart().await;
        }
        AWAY.store(false, Ordering::SeqCst);
    }
}

/// The copy of the stack that the tests are on.
///
/// # Panics
/// When the environment does not say.
pub(crate) fn instance() -> String {
    variable("VERTEBRA_STACK_INSTANCE").expect("VERTEBRA_STACK_INSTANCE names the stack's instance")
}

/// Whether the long form was asked for.
pub fn is_long() -> bool {
    variable("VERTEBRA_TEST_LONG").is_some_and(|value| value == "1")
}

#[expect(clippy::disallowed_methods, reason = "tests are told where the stack is by their environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
