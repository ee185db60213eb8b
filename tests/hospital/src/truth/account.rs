//! What a day's charges add up to: follows from charges and visits alone.

use super::{ChargeKind, Fate, Standing, Truth, Visit};
use crate::config::Sender;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a visit's invoices come to in one currency, credit notes taken off, once everything has settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub sender: Sender,
    pub visit: String,
    pub currency: String,
    pub charged: Decimal,
    pub credited: Decimal,
    pub adjusted: Decimal,
    /// `charged - credited + adjusted`: on invoices if it is finished, else unbilled.
    pub net: Decimal,
    /// Of that, what waits for a code to be mapped.
    pub unmapped: Decimal,
    pub finished: bool,
    pub payer: Option<String>,
    pub moved_to: Option<String>,
}

impl Truth {
    /// What each visit's invoices come to, by currency.
    pub fn accounts(&self) -> Vec<Account> {
        let visits: BTreeMap<(Sender, &str), &Visit> =
            self.visits.iter().map(|visit| ((visit.sender, visit.visit.as_str()), visit)).collect();
        let mut accounts: BTreeMap<(Sender, &str, &str), Account> = BTreeMap::new();
        for charge in self.charges.iter().filter(|charge| charge.counts()) {
            let visit = visits.get(&(charge.sender, charge.visit.as_str()));
            let account =
                accounts.entry((charge.sender, &charge.visit, &charge.currency)).or_insert_with(|| Account {
                    sender: charge.sender,
                    visit: charge.visit.clone(),
                    currency: charge.currency.clone(),
                    charged: Decimal::ZERO,
                    credited: Decimal::ZERO,
                    adjusted: Decimal::ZERO,
                    net: Decimal::ZERO,
                    unmapped: Decimal::ZERO,
                    finished: visit.is_some_and(|visit| visit.standing == Standing::Finished),
                    payer: visit.and_then(|visit| visit.payer.clone()),
                    moved_to: visit.and_then(|visit| visit.moved_to.clone()),
                });
            let part = match charge.kind {
                ChargeKind::Charge => &mut account.charged,
                ChargeKind::Credit => &mut account.credited,
                ChargeKind::Adjustment => &mut account.adjusted,
            };
            *part += charge.amount;
            account.net += charge.net();
            if matches!(charge.fate, Fate::Unmapped { .. }) {
                account.unmapped += charge.net();
            }
        }
        accounts.into_values().collect()
    }

    /// The sums of all charges that count, by currency.
    pub fn sums(&self) -> BTreeMap<String, Decimal> {
        let mut sums = BTreeMap::new();
        for charge in self.charges.iter().filter(|charge| charge.counts()) {
            *sums.entry(charge.currency.clone()).or_insert(Decimal::ZERO) += charge.net();
        }
        sums
    }
}
