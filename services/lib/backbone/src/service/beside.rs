//! What a service does beside its work: metrics of its own, and the future that keeps each of them up to date.

use super::ledger::Loop;
use crate::metrics::Metrics;
use prometheus::core::Collector;
use tokio::task::JoinSet;

/// A collector that is served, and what keeps it.
pub(super) struct Beside {
    pub(super) collector: Box<dyn Collector>,
    pub(super) keep: Loop,
}

/// Serves the collectors and keeps them, for as long as what is answered is there.
pub(super) fn begin(all: Vec<Beside>, metrics: &Metrics) -> Result<JoinSet<()>, prometheus::Error> {
    let mut kept = JoinSet::new();
    for beside in all {
        metrics.register_boxed(beside.collector)?;
        kept.spawn(beside.keep);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::IntGauge;

    #[tokio::test]
    async fn a_collector_is_served_with_what_its_future_tells_until_nobody_holds_it() {
        let metrics = Metrics::new("s").unwrap();
        let gauge = IntGauge::new("vertebra_kept", "Kept").unwrap();
        let beside = |gauge: &IntGauge| {
            let kept = gauge.clone();
            let keep = Box::pin(async move {
                kept.set(7);
                std::future::pending::<()>().await;
            });
            Beside { collector: Box::new(gauge.clone()), keep }
        };
        let kept = begin(vec![beside(&gauge)], &metrics).unwrap();
        while gauge.get() != 7 {
            tokio::task::yield_now().await;
        }
        assert!(metrics.render().contains("vertebra_kept{service=\"s\"} 7\n"), "{}", metrics.render());
        assert!(begin(vec![beside(&gauge)], &metrics).is_err(), "one name, two metrics");
        drop(kept);
    }
}
