//! What is counted and measured of the polling, for the service's metrics. Copies are handles of the same.

use jiff::SignedDuration;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts};

/// From a change in Odoo to its publication here, in seconds.
const SECONDS: [f64; 11] = [1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 300.0, 3600.0];

/// The figures.
#[derive(Clone, Debug)]
pub struct Figures {
    codes_shared: IntGaugeVec,
    detection: HistogramVec,
    late: IntCounterVec,
    others: IntCounterVec,
}

impl Figures {
    /// Makes them.
    ///
    /// # Errors
    /// Never, with these names.
    pub fn new() -> Result<Self, prometheus::Error> {
        let model = &["model"];
        let opts = |name: &str, help: &str| Opts::new(format!("vertebra_odoo_poller_{name}"), help);
        let detection = HistogramOpts::new(
            "vertebra_odoo_poller_detection_seconds",
            "From the start of the transaction that changed a row in Odoo to its publication",
        );
        Ok(Self {
            codes_shared: IntGaugeVec::new(
                opts("shared_codes", "Codes that more than one record of a model has"),
                model,
            )?,
            detection: HistogramVec::new(detection.buckets(SECONDS.to_vec()), model)?,
            late: IntCounterVec::new(
                opts("late_rows_total", "Rows that came to light later than the overlap, found by a sweep"),
                model,
            )?,
            others: IntCounterVec::new(
                opts("rows_of_others_total", "Rows that were read and are nothing of ours"),
                model,
            )?,
        })
    }

    pub(crate) fn codes_shared(&self, model: &str, codes: usize) {
        self.codes_shared.with_label_values(&[model]).set(i64::try_from(codes).unwrap_or(i64::MAX));
    }

    pub(crate) fn detected(&self, model: &str, after: SignedDuration) {
        self.detection.with_label_values(&[model]).observe(after.as_secs_f64().max(0.0));
    }

    pub(crate) fn late(&self, model: &str, rows: usize) {
        self.late.with_label_values(&[model]).inc_by(rows as u64);
    }

    pub(crate) fn others(&self, model: &str, rows: usize) {
        self.others.with_label_values(&[model]).inc_by(rows as u64);
    }

    /// Rows found late so far.
    pub fn late_rows(&self, model: &str) -> u64 {
        self.late.with_label_values(&[model]).get()
    }

    /// Rows whose detection was measured so far.
    pub fn detections(&self, model: &str) -> u64 {
        self.detection.with_label_values(&[model]).get_sample_count()
    }
}

impl Collector for Figures {
    fn desc(&self) -> Vec<&Desc> {
        [self.codes_shared.desc(), self.detection.desc(), self.late.desc(), self.others.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let parts = [
            self.codes_shared.collect(),
            self.detection.collect(),
            self.late.collect(),
            self.others.collect(),
        ];
        parts.into_iter().flatten().collect()
    }
}
