//! Sources of a service, with their types erased.

use super::TokioEnv;
use super::ledger::{Live, Loop};
use crate::postgres::PostgresStore;
use crate::registry::Registry;
use crate::source::lane::{self, Pulling};
use crate::source::{Source, Sourcing};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(super) type LivePulling = Pulling<Live<PostgresStore>, Registry, TokioEnv>;

/// A source with its type erased.
pub(crate) trait SourceRunner: Send + Sync {
    fn name(&self) -> &'static str;
    fn outputs(&self) -> Vec<(&'static str, &'static str)>;
    fn pull(self: Arc<Self>, parts: LivePulling, stop: CancellationToken) -> Loop;
}

impl<S: Source> SourceRunner for Sourcing<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn outputs(&self) -> Vec<(&'static str, &'static str)> {
        Sourcing::outputs(self)
    }

    fn pull(self: Arc<Self>, parts: LivePulling, stop: CancellationToken) -> Loop {
        Box::pin(async move { lane::share(&parts, &self, stop).await })
    }
}
