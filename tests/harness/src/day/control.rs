//! What the day's senders would say that they posted: control totals, as an EHR exports them.

use super::{Played, accounts};
use hospital::Sender;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::fmt::Write;

impl Played {
    /// CSV of sender, facility, day (UTC), currency, count and amount: of everything that counts once every code is mapped.
    pub fn control_totals(&self) -> String {
        let truth = &self.plan.truth;
        let facilities: BTreeMap<(Sender, &str), &str> = truth
            .visits
            .iter()
            .map(|visit| ((visit.sender, visit.visit.as_str()), visit.facility.as_str()))
            .collect();
        let mut totals: BTreeMap<(&str, &str, String, &str), (usize, Decimal)> = BTreeMap::new();
        for charge in truth.charges.iter().filter(|charge| charge.counts()) {
            let facility =
                facilities.get(&(charge.sender, charge.visit.as_str())).copied().unwrap_or_default();
            let day = charge.service_at.to_string().chars().take(10).collect();
            let account: (&str, &str, String, &str) =
                (charge.sender.name(), facility, day, charge.currency.as_str());
            let (count, amount) = totals.entry(account).or_default();
            *count += 1;
            *amount += accounts::signed(charge);
        }
        let mut csv = "sender,facility,day,currency,count,amount\n".to_owned();
        for ((sender, facility, day, currency), (count, amount)) in totals {
            // Writing into a text does not fail.
            let _ = writeln!(csv, "{sender},{facility},{day},{currency},{count},{amount}");
        }
        csv
    }
}
