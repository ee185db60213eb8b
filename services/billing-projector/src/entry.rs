//! What the source says of a visit's money: charges, credits and adjustments, each as it stands now.

use crate::place::Place;
use backbone::{Reason, Reject};
use canon::events::billing_charge::ChargeKind;
use canon::{Charge, Date, Money, Phi, Quantity, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far a credit of a credit of a charge is followed; nobody books more, and two that name each other end here.
const NAMED_DEPTH_MAX: usize = 8;

/// A visit's transactions, by the source's ids.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Entries {
    by_id: BTreeMap<String, Entry>,
}

/// A transaction as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) kind: ChargeKind,
    pub(crate) what: Billable,
    /// Where the source says that it is invoiced.
    #[serde(default, skip_serializing_if = "Place::is_unsaid")]
    pub(crate) place: Place,
    /// The transaction that it takes back or adjusts.
    pub(crate) reverses: Option<String>,
    /// The source took it back: it counts nought, and stays to say what its lines were for.
    pub(crate) withdrawn: bool,
    pub(crate) sender: String,
    /// The facility that the transaction itself names.
    pub(crate) facility: Option<String>,
    /// The day of the service at its facility: the day in whose books it is.
    pub(crate) day: Date,
    /// The source's time of what it said last.
    pub(crate) told_at: Timestamp,
}

/// What an invoice's line shows. A correction that leaves it as it was is none to billing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Billable {
    /// The source's code.
    pub(crate) code: String,
    /// The item that it stands for, which a line names.
    pub(crate) item: String,
    pub(crate) description: Option<Phi<String>>,
    pub(crate) quantity: Quantity,
    /// What it adds to the visit's account, before what names it.
    pub(crate) amount: Money,
    pub(crate) currency: String,
    pub(crate) service_at: Timestamp,
}

impl Entry {
    /// The transaction that a fact states.
    ///
    /// # Errors
    /// Of a kind that cannot be billed, or a credit that would not take anything away.
    pub(crate) fn of(charge: &Charge, item: String, day: Date) -> Result<Self, Reject> {
        if charge.kind == ChargeKind::Unknown {
            let what = "FT1-6: a kind of transaction that this release does not know";
            return Err(Reject::new(Reason::Unsupported, what));
        }
        if charge.kind == ChargeKind::Credit && charge.amount > Money::ZERO {
            return Err(Reject::new(Reason::Invalid, "a credit above zero: it would add to the account"));
        }
        let what = Billable {
            code: charge.code.clone(),
            item,
            description: charge.description.clone(),
            quantity: charge.quantity,
            amount: charge.amount,
            currency: charge.currency.clone(),
            service_at: charge.service_at,
        };
        Ok(Self {
            kind: charge.kind,
            what,
            place: Place::said(charge),
            reverses: charge.reverses.clone().filter(|named| *named != charge.charge),
            withdrawn: false,
            sender: charge.sender.clone(),
            facility: charge.facility.clone(),
            day,
            told_at: charge.occurred_at,
        })
    }

    /// Whether a fact says what is known already: what its code stands for is then not asked again, so that a table
    /// that changed meanwhile changes no invoice.
    pub(crate) fn says(&self, charge: &Charge) -> bool {
        Self::of(charge, self.what.item.clone(), self.day)
            .is_ok_and(|said| said == Self { told_at: said.told_at, ..self.clone() })
    }

    /// Whether a fact says what is known already but for the place where it is to be invoiced.
    pub(crate) fn moves(&self, charge: &Charge) -> bool {
        Self::of(charge, self.what.item.clone(), self.day).is_ok_and(|said| {
            said == Self { told_at: said.told_at, place: said.place.clone(), ..self.clone() }
        })
    }
}

impl Entries {
    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.by_id.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.by_id.iter()
    }

    pub(crate) fn put(&mut self, id: &str, entry: Entry) {
        self.by_id.insert(id.to_owned(), entry);
    }

    /// Takes a transaction back; one that was never heard of stays unheard of.
    pub(crate) fn withdraw(&mut self, id: &str, told_at: Timestamp) {
        if let Some(entry) = self.by_id.get_mut(id) {
            (entry.withdrawn, entry.told_at) = (true, told_at);
        }
    }

    /// The charge that a transaction is about in the end: itself, or what it names, or what that names. One that has
    /// not come yet is named all the same.
    pub(crate) fn root<'a>(&'a self, id: &'a str) -> &'a str {
        let mut root = id;
        for _ in 0..NAMED_DEPTH_MAX {
            match self.get(root).and_then(|entry| entry.reverses.as_deref()) {
                Some(named) => root = named,
                None => break,
            }
        }
        root
    }

    /// What a transaction adds to the visit's account.
    pub(crate) fn effect(&self, id: &str) -> Money {
        self.get(id).filter(|entry| !entry.withdrawn).map_or(Money::ZERO, |entry| entry.what.amount)
    }
}

/// The sum; what would not fit was refused when it came.
pub(crate) fn sum(amounts: impl IntoIterator<Item = Money>) -> Money {
    Money::sum(amounts).unwrap_or_default()
}
