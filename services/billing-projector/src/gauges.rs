//! The books as metrics: what is where, by sender, facility and currency, read from the ledger now and then.
//!
//! The sums are over all days, since a label of days would grow for ever, and over all lanes, since they are the
//! ledger's: every instance tells the same, so a dashboard takes the greatest of them (`max by`), not their sum.

use crate::entry::sum;
use backbone::settings::ServiceUrl;
use books::{Account, Aside, BooksError, Reader, Sums, Whose};
use canon::Money;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntGaugeVec, Opts};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the ledger is asked.
const EVERY: Duration = Duration::from_secs(15);

/// The gauges; copies are handles of the same.
#[derive(Clone)]
pub struct Gauges {
    amounts: GaugeVec,
    charges: IntGaugeVec,
}

impl Gauges {
    /// All of them, without a value yet.
    ///
    /// # Errors
    /// Never, as long as the names are well formed.
    pub fn new() -> Result<Self, prometheus::Error> {
        let amounts =
            Opts::new("vertebra_billing_amount", "Where the amounts of charges are, in their currency");
        let charges = Opts::new("vertebra_billing_charges", "Charges, credits and adjustments that stand");
        Ok(Self {
            amounts: GaugeVec::new(amounts, &["sender", "facility", "currency", "place"])?,
            charges: IntGaugeVec::new(charges, &["sender", "facility", "currency"])?,
        })
    }

    /// Keeps them up to date for ever. While the ledger cannot be read they stay as they are.
    pub async fn follow(self, url: ServiceUrl) {
        loop {
            if let Err(error) = self.read(&url).await {
                tracing::debug!(%error, "the books cannot be read for metrics");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn read(&self, url: &ServiceUrl) -> Result<(), BooksError> {
        let reader = Reader::connect(url).await?;
        loop {
            self.set(&reader.accounts().await?, &reader.diverged().await?, &reader.aside().await?);
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Tells these accounts, what charges come to that are parked or given up, and by how much requests diverged of these facilities and currencies; no others. Something may
    /// have diverged by nothing, so it is the series that says it; and of several senders, so it is told of none.
    fn set(
        &self,
        accounts: &BTreeMap<Account, Sums>,
        diverged: &BTreeMap<(String, String), Money>,
        aside: &BTreeMap<Whose, Aside>,
    ) {
        let mut places: BTreeMap<[&str; 4], Money> = BTreeMap::new();
        let mut counts: BTreeMap<[&str; 3], i64> = BTreeMap::new();
        for (account, sums) in accounts {
            let Account { sender, facility, currency, .. } = account;
            let labels = [sender.as_str(), facility.as_str(), currency.as_str()];
            *counts.entry(labels).or_default() += sums.count;
            let amounts = [
                ("charges", sums.charges),
                ("unbilled", sums.unbilled),
                ("requested", sums.requested),
                ("draft", sums.draft),
                ("posted", sums.posted),
                ("cancelled", sums.cancelled),
                ("deleted", sums.deleted),
                ("missing", sums.missing),
            ];
            for (place, amount) in amounts {
                let total = places.entry([labels[0], labels[1], labels[2], place]).or_default();
                *total = sum([*total, amount]);
            }
        }
        for ((facility, currency), amount) in diverged {
            places.insert(["", facility, currency, "diverged"], *amount);
        }
        for ((sender, facility, currency), sums) in aside {
            for (place, amount) in [("parked", sums.parked), ("discarded", sums.discarded)] {
                places.insert([sender, facility, currency, place], amount);
            }
        }
        self.amounts.reset();
        self.charges.reset();
        for (labels, amount) in places {
            // A metric is a float by its nature; no amount is computed from it.
            let shown = amount.to_string().parse().unwrap_or(f64::NAN);
            self.amounts.with_label_values(&labels).set(shown);
        }
        for (labels, count) in counts {
            self.charges.with_label_values(&labels).set(count);
        }
    }
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.amounts.desc().into_iter().chain(self.charges.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.amounts.collect().into_iter().chain(self.charges.collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backbone::metrics::Metrics;

    #[test]
    fn what_is_where_is_told_over_all_days() {
        let gauges = Gauges::new().unwrap();
        let metrics = Metrics::new("billing-projector").unwrap();
        metrics.register(gauges.clone()).unwrap();
        let account = |sender: &str, day: &str| Account {
            sender: sender.to_owned(),
            facility: "NORTH".to_owned(),
            day: day.to_owned(),
            currency: "EUR".to_owned(),
        };
        let sums = |charges: &str, posted: &str| Sums {
            count: 2,
            charges: charges.parse().unwrap(),
            posted: posted.parse().unwrap(),
            missing: sum([charges.parse().unwrap(), -posted.parse::<Money>().unwrap()]).abs(),
            ..Sums::default()
        };
        let told = |place: &str, sender: &str, amount: &str| {
            let labels = format!("currency=\"EUR\",facility=\"NORTH\",place=\"{place}\",sender=\"{sender}\"");
            let line =
                format!("vertebra_billing_amount{{{labels},service=\"billing-projector\"}} {amount}\n");
            metrics.render().contains(&line)
        };
        let first = account("lakeside", "2026-01-01");
        let accounts =
            [(first.clone(), sums("10.5", "10.5")), (account("lakeside", "2026-01-02"), sums("2", "1.5"))];
        gauges.set(&BTreeMap::from(accounts), &BTreeMap::new(), &BTreeMap::new());
        assert!(told("charges", "lakeside", "12.5"), "{}", metrics.render());
        assert!(told("posted", "lakeside", "12") && told("missing", "lakeside", "0.5"));
        // Too much on one day does not make good for too little on another.
        let accounts =
            [(first.clone(), sums("10", "10.5")), (account("lakeside", "2026-01-02"), sums("2", "1.5"))];
        gauges.set(&BTreeMap::from(accounts), &BTreeMap::new(), &BTreeMap::new());
        assert!(told("charges", "lakeside", "12") && told("posted", "lakeside", "12"));
        assert!(told("missing", "lakeside", "1"), "{}", metrics.render());
        let hilltop = BTreeMap::from([(account("hilltop", "2026-01-01"), sums("1", "1"))]);
        let whose = ("hilltop".to_owned(), "NORTH".to_owned(), "EUR".to_owned());
        let aside = Aside { parked: "7.5".parse().unwrap(), ..Aside::default() };
        let diverged = BTreeMap::from([(("NORTH".to_owned(), "EUR".to_owned()), Money::ZERO)]);
        gauges.set(&hilltop, &diverged, &BTreeMap::from([(whose, aside)]));
        assert!(told("charges", "hilltop", "1") && !metrics.render().contains("lakeside"));
        assert!(told("diverged", "", "0"), "{}", metrics.render());
        assert!(
            told("parked", "hilltop", "7.5") && told("discarded", "hilltop", "0"),
            "{}",
            metrics.render()
        );
        gauges.set(&hilltop, &BTreeMap::new(), &BTreeMap::new());
        assert!(!metrics.render().contains("diverged"));
    }
}
