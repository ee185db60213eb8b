//! A service's process: settings first and whole, then the parts, then the loops until SIGTERM.
//!
//! Nothing binds and nothing is connected before the configuration is valid. Then: health and metrics are served;
//! topics are compared with the catalog (a mismatch ends the process with what to do); schema ids are looked up;
//! the ledger is opened and migrated; lanes and relay shards are taken. Whatever is away is waited for, unready and
//! saying so. SIGTERM drains: lanes are given back, what was begun is ended.

mod audited;
mod beside;
mod landing;
mod ledger;
mod parts;
mod replaying;
#[cfg(test)]
mod restored;
mod source;
mod watch;

pub use landing::{LandError, Lander, Listening};

use crate::env::Env;
use crate::health::{Health, HealthServer};
use crate::metrics::Metrics;
use crate::program::{Folding, Program};
use crate::projection::Projection;
use crate::settings::{
    Command, Common, CommonValues, Inputs, Ledger, LedgerValues, Mistakes, Scope, Spec, Stop, Values,
};
use crate::sink::Sink;
use crate::source::{Source, Sourcing};
use crate::{shutdown, telemetry};
use beside::Beside;
use canon::event::Event;
use ledger::{SinkLanes, SinkRunner};
use parts::Surroundings;
use prometheus::core::Collector;
use source::SourceRunner;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A service being declared.
pub struct Service {
    name: &'static str,
    spec: Spec,
    common: Common,
}

impl Service {
    /// A service with the settings that every one has; `about` says in a sentence what it does.
    pub fn new(name: &'static str, about: &'static str) -> Self {
        let mut spec = Spec::new(name, about);
        let common = Common::declare(spec.all());
        Self { name, spec, common }
    }

    /// Declares a sub-command; a service that has any wants one of them.
    pub fn command(&mut self, name: &'static str, about: &'static str) -> Command {
        self.spec.command(name, about)
    }

    /// Where the service's own settings are declared, for all commands.
    pub fn settings(&mut self) -> Scope<'_> {
        self.spec.all()
    }

    /// Where settings of some commands are declared.
    pub fn settings_of(&mut self, commands: &[Command]) -> Scope<'_> {
        self.spec.within(commands)
    }

    /// Declares the settings of a ledger, for all commands.
    pub fn ledger(&mut self) -> Ledger {
        Ledger::declare(self.spec.all())
    }

    /// Declares the settings of a ledger, for some commands.
    pub fn ledger_of(&mut self, commands: &[Command]) -> Ledger {
        Ledger::declare(self.spec.within(commands))
    }

    /// Reads the settings, builds the work, and does it until SIGTERM. Ends with 0 after a drain, 2 when the
    /// configuration is wrong, 1 when the service cannot run at all.
    pub fn run(self, build: impl FnOnce(&Values) -> Result<Work, Mistakes>) -> ExitCode {
        let values = match self.spec.parse(&Inputs::of_process()) {
            Ok(values) => values,
            Err(stop) => return stop.end(),
        };
        let work = match build(&values) {
            Ok(work) => work,
            Err(mistakes) => return Stop::Mistakes(mistakes).end(),
        };
        let common = self.common.values(self.name, &values);
        if let Err(error) = telemetry::init(&common.log_level, common.log_format) {
            return report(&error);
        }
        for notice in values.notices() {
            tracing::warn!("{notice}");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        match runtime {
            Ok(runtime) => {
                let ended = runtime.block_on(serve(self.name, &common, work));
                runtime.shutdown_timeout(Duration::from_secs(1));
                ended
            }
            Err(error) => report(&error),
        }
    }
}

/// What a process does.
pub struct Work {
    kind: Kind,
    beside: Vec<Beside>,
}

enum Kind {
    Ledgered(Ledgered),
    Landing(landing::Start),
}

/// Projections, sinks and sources over one ledger.
pub(crate) struct Ledgered {
    ledger: LedgerValues,
    programs: Vec<Arc<dyn Program>>,
    sinks: Vec<Arc<dyn SinkRunner>>,
    sources: Vec<Arc<dyn SourceRunner>>,
}

impl Work {
    /// Work over a ledger; projections, sinks and sources are added to it.
    pub fn with_ledger(ledger: LedgerValues) -> Self {
        let (programs, sinks, sources) = (Vec::new(), Vec::new(), Vec::new());
        let kind = Kind::Ledgered(Ledgered { ledger, programs, sinks, sources });
        Self { kind, beside: Vec::new() }
    }

    /// Landing: what `listen` accepts is durable in Kafka before it is answered, and nothing else is on the way.
    pub fn landing<E, F, L>(listen: L) -> Self
    where
        E: Event,
        F: Future<Output = Listening> + Send + 'static,
        L: FnOnce(Lander<E>) -> F + Send + 'static,
    {
        Self { kind: Kind::Landing(landing::start(listen)), beside: Vec::new() }
    }

    /// Adds a projection.
    #[must_use]
    pub fn project<P: Projection>(mut self, folding: Folding<P>) -> Self {
        if let Kind::Ledgered(work) = &mut self.kind {
            work.programs.push(Arc::new(folding));
        }
        self
    }

    /// Adds a sink.
    #[must_use]
    pub fn sink<K: Sink>(mut self, sink: K) -> Self {
        if let Kind::Ledgered(work) = &mut self.kind {
            work.sinks.push(Arc::new(SinkLanes { sink: Arc::new(sink) }));
        }
        self
    }

    /// Adds a source.
    #[must_use]
    pub fn source<S: Source>(mut self, sourcing: Sourcing<S>) -> Self {
        if let Kind::Ledgered(work) = &mut self.kind {
            work.sources.push(Arc::new(sourcing));
        }
        self
    }

    /// Serves metrics of the service's own, which its work counts.
    #[must_use]
    pub fn serves<C: Collector + 'static>(self, collector: C) -> Self {
        self.beside(collector, std::future::pending())
    }

    /// Serves metrics of the service's own, which a future keeps up to date for as long as the process works. Every
    /// instance does: tell what the ledger says, which is the same of all, or what is this instance's alone.
    #[must_use]
    pub fn beside<C, F>(mut self, collector: C, keep: F) -> Self
    where
        C: Collector + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.beside.push(Beside { collector: Box::new(collector), keep: Box::pin(keep) });
        self
    }
}

/// A future that does a service's work; an error is one that waiting does not heal.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send>>;

async fn serve(name: &'static str, common: &CommonValues, work: Work) -> ExitCode {
    let stop = match shutdown::on_signals() {
        Ok(stop) => stop,
        Err(error) => return report(&error),
    };
    let metrics = match Metrics::new(name) {
        Ok(metrics) => metrics,
        Err(error) => return report(&error),
    };
    let mut beside = match beside::begin(work.beside, &metrics) {
        Ok(beside) => beside,
        Err(error) => return report(&error),
    };
    let health = Health::new();
    let server = match HealthServer::bind(common.http_listen, health.clone(), metrics.clone()).await {
        Ok(server) => server,
        Err(error) => {
            tracing::error!(address = %common.http_listen, %error, "health and metrics cannot be served there");
            return ExitCode::FAILURE;
        }
    };
    let address =
        server.address().map_or_else(|_| common.http_listen.to_string(), |address| address.to_string());
    tracing::info!(service = name, instance = %common.instance, http = address, "started");
    let needs: &[&str] = match &work.kind {
        Kind::Ledgered(_) => &["kafka", "postgres", "registry", "topics"],
        Kind::Landing(_) => &["kafka", "registry", "topics"],
    };
    // Named before the pages are served: ready means that all of them hold, not that nobody has looked yet.
    needs.iter().for_each(|name| drop(health.condition(name)));
    let pages = tokio::spawn(server.serve(stop.clone()));
    let around = Surroundings {
        name,
        common: common.clone(),
        health,
        metrics,
        stop: stop.clone(),
        env: TokioEnv::new(),
    };
    let running: Running = match work.kind {
        Kind::Ledgered(work) => Box::pin(ledger::run(around, work)),
        Kind::Landing(start) => start(around),
    };
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(common.drain_timeout).await;
    };
    let ended = tokio::select! {
        ended = running => ended,
        // It panicked, which is a bug: the process ends, and is started again by whoever watches it.
        Some(Err(bug)) = beside.join_next() => Err(bug.into()),
        () = drained => {
            tracing::warn!("the drain took too long: leases run out by themselves");
            Ok(())
        }
    };
    stop.cancel();
    let _ = pages.await;
    match ended {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => report(error.as_ref()),
    }
}

/// Tells why the process cannot go on: in the log where there is one.
fn report(error: &(dyn Error + 'static)) -> ExitCode {
    tracing::error!("{}", chain(error));
    ExitCode::FAILURE
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// Waiting under tokio.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokioEnv {
    began: Instant,
}

impl TokioEnv {
    fn new() -> Self {
        Self { began: Instant::now() }
    }
}

impl Env for TokioEnv {
    async fn sleep(&self, how_long: Duration) {
        tokio::time::sleep(how_long).await;
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn jitter_permille(&self) -> u32 {
        u32::try_from(RandomState::new().hash_one(self.began.elapsed().subsec_nanos()) % 1000).unwrap_or(0)
    }
}
