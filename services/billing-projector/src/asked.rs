//! What was asked for: requests never change, so each is kept as it was made, with how much of it was given back.

use canon::events::billing_invoice_request::{Line, RequestKind};
use canon::{Change, Date, EncounterToken, InvoiceRequest, Money, Phi};
use serde::{Deserialize, Serialize};

use crate::entry::{Billable, sum};
use crate::place::Place;
use crate::visit::Payer;

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) kind: RequestKind,
    /// Of a credit note: the index of the request that it reverses.
    pub(crate) reverses: Option<usize>,
    pub(crate) facility: Option<String>,
    pub(crate) company: Option<String>,
    pub(crate) journal: Option<String>,
    pub(crate) payer: Option<String>,
    /// Who that was, as it was said then. None: nobody was; or an earlier release asked, which did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payer_said: Option<Payer>,
    pub(crate) currency: String,
    pub(crate) date: Date,
    pub(crate) lines: Vec<AskedLine>,
}

/// A line of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AskedLine {
    pub(crate) charge: String,
    pub(crate) what: Billable,
    /// What the charge said of company and journal.
    #[serde(default, skip_serializing_if = "Place::is_unsaid")]
    pub(crate) place: Place,
    /// As the request has it: a credit note's is positive.
    pub(crate) amount: Money,
    /// What credit notes of ours have taken back of it.
    pub(crate) credited: Money,
    /// Of a credit note: the line that it takes back.
    pub(crate) reverses: Option<LineAt>,
}

/// A line among the requests, by indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LineAt {
    pub(crate) request: usize,
    pub(crate) line: usize,
}

impl Asked {
    /// Where it is invoiced.
    pub(crate) fn place(&self) -> Place {
        Place { company: self.company.clone(), journal: self.journal.clone() }
    }

    /// What a line adds to the visit's account.
    pub(crate) fn signed(&self, line: &AskedLine) -> Money {
        if self.kind == RequestKind::CreditNote { -line.amount } else { line.amount }
    }

    /// The sum, as the request has it.
    pub(crate) fn total(&self) -> Money {
        sum(self.lines.iter().map(|line| line.amount))
    }

    /// What the whole request adds to the visit's account.
    pub(crate) fn effect(&self) -> Money {
        sum(self.lines.iter().map(|line| self.signed(line)))
    }

    /// What is left of it to be paid: nothing of a credit note, which goes to whom its invoice went.
    pub(crate) fn left(&self) -> Option<Money> {
        let left: Vec<Money> = self.lines.iter().map(AskedLine::left).collect();
        let is_left = self.reverses.is_none() && left.iter().any(|amount| !amount.is_zero());
        is_left.then(|| sum(left))
    }

    /// The command. `visit` names the request, `bears` is the visit that it is for.
    pub(crate) fn command(
        &self,
        visit: &EncounterToken,
        index: usize,
        bears: EncounterToken,
        visit_number: Phi<String>,
    ) -> InvoiceRequest {
        let line = |(position, line): (usize, &AskedLine)| Line {
            line: line_id(visit, LineAt { request: index, line: position }),
            charge: line.charge.clone(),
            reverses: line.reverses.map(|at| line_id(visit, at)),
            code: line.what.item.clone(),
            description: line.what.description.clone(),
            quantity: line.what.quantity,
            amount: line.amount,
            service_at: line.what.service_at,
        };
        InvoiceRequest {
            change: Change::Recorded,
            request: request_id(visit, index),
            encounter: bears,
            number: number(index),
            kind: self.kind,
            reverses: self.reverses.map(|reversed| request_id(visit, reversed)),
            facility: self.facility.clone(),
            company: self.company.clone(),
            journal: self.journal.clone(),
            payer: self.payer.clone(),
            currency: self.currency.clone(),
            invoice_date: self.date,
            visit_number,
            lines: self.lines.iter().enumerate().map(line).collect(),
            total: self.total(),
        }
    }
}

impl AskedLine {
    /// What is left of it to be taken back.
    pub(crate) fn left(&self) -> Money {
        self.amount.checked_sub(self.credited).unwrap_or_default()
    }
}

/// A request's number within its visit, from 1.
pub(crate) fn number(index: usize) -> i32 {
    i32::try_from(index + 1).unwrap_or(i32::MAX)
}

/// A request's id. Its lines have it too, with their position: a request never changes, so neither do they.
pub(crate) fn request_id(visit: &EncounterToken, index: usize) -> String {
    format!("{visit}-{}", number(index))
}

/// The index of a request of this visit.
pub(crate) fn index_of(visit: &EncounterToken, request: &str) -> Option<usize> {
    let number = request.strip_prefix(visit.as_str())?.strip_prefix('-')?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

/// The index of the request of this visit that one with such an id puts right (see [`crate::compensate`]).
pub(crate) fn amends(visit: &EncounterToken, request: &str) -> Option<usize> {
    let (amended, made) = request.rsplit_once('-')?;
    index_of(visit, amended).filter(|_| made.starts_with(['c', 'n']))
}

/// A line's id.
pub(crate) fn line_id(visit: &EncounterToken, at: LineAt) -> String {
    format!("{}-{}", request_id(visit, at.request), at.line + 1)
}
