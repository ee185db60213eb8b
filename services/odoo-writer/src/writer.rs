//! Carries invoice requests out in Odoo: loaded, read back and compared, posted.
//!
//! Consumes `billing.invoice-request.v1`. Makes invoices and credit notes, several in one create-only `load`; never
//! changes or deletes one. A credit note has its invoice's key, so it comes after it and in a call of its own, which is
//! when Odoo sets the two off against each other. Each step begins with the state that Odoo has, so a repeat after a crash goes on where the last try ended. What
//! a person made of an invoice meanwhile is reported as diverged and left as it is. Deleted after it took effect, it is
//! not made again: the runtime's effect ledger is consulted before this effect is.

use crate::books::{Held, Terms, ask, companies};
use crate::invoice::{Unwritable, draft};
use crate::key::KeyFile;
use backbone::{Fact, Outcome, Sink};
use canon::InvoiceRequest;
use odoo::invoice::{Created, Difference, FoundInvoice, InvoiceDraft, Invoices, MoveState, Posted, compare};
use odoo::{Client, Consequence, Denial};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many differences a report names; the rest is counted.
const DIFFERENCES_TOLD: usize = 5;

/// The sink.
#[derive(Debug)]
pub struct Writer {
    client: Client,
    key: KeyFile,
    terms: Terms,
    portion: Portion,
    patience: Patience,
}

/// How much goes into one `load`, which is one transaction of Odoo's.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// Requests at most.
    pub requests_max: usize,
    /// Lines at most, unless one request alone has more. Odoo loads about 60 in a second and ends a call after 120 s.
    pub lines_max: usize,
}

/// What is to be done about an invoice that was read back.
#[derive(Debug)]
enum Next {
    End(Outcome),
    /// It is as it was meant, and still a draft.
    Post(i64),
}

impl Sink for Writer {
    const NAME: &'static str = "odoo-invoices";
    type Command = InvoiceRequest;

    async fn effect(&self, commands: &[Fact<InvoiceRequest>]) -> Vec<Outcome> {
        if let Some(until) = self.patience.take() {
            tokio::time::sleep_until(until).await;
        }
        let requests: Vec<&InvoiceRequest> = commands.iter().map(|command| &command.body).collect();
        let mut outcomes = Vec::with_capacity(requests.len());
        let mut left = &requests[..];
        while !left.is_empty() {
            let (portion, rest) = left.split_at(self.portion.of(left));
            match self.carry_out(portion).await {
                Ok(ended) => outcomes.extend(ended),
                Err(held) => {
                    self.patience.hear(&held);
                    // Odoo is not asked for the rest: what holds one portion holds them all.
                    let held = Arc::new(held);
                    outcomes.extend(left.iter().map(|_| Outcome::retry(held.clone())));
                    return outcomes;
                }
            }
            left = rest;
        }
        outcomes
    }
}

impl Writer {
    /// A writer through this client, which uses the key of that file.
    pub fn new(client: Client, key: KeyFile, terms: Terms, portion: Portion) -> Self {
        Self { client, key, terms, portion, patience: Patience::default() }
    }

    /// Carries a portion out; once more if the key's file has another key than the one that was denied.
    async fn carry_out(&self, requests: &[&InvoiceRequest]) -> Result<Vec<Outcome>, Held> {
        let used = self.key.key();
        match self.attempt(requests).await {
            Err(Held::Odoo(odoo::Error::Denied { denial: Denial::Key, .. }))
                if self.key.renew(&self.client).await? != used =>
            {
                tracing::info!("odoo's api key was read again from its file");
                self.attempt(requests).await
            }
            ended => ended,
        }
    }

    async fn attempt(&self, requests: &[&InvoiceRequest]) -> Result<Vec<Outcome>, Held> {
        let books = ask(&self.client, &self.terms, requests).await?;
        let drafts: Vec<Result<InvoiceDraft, Unwritable>> =
            requests.iter().map(|request| draft(request, &books)).collect();
        let writable: Vec<InvoiceDraft> =
            drafts.iter().filter_map(|draft| draft.as_ref().ok().cloned()).collect();
        let invoices = Invoices::new(self.client.clone(), companies(&books.places));
        let mut written = write(&invoices, &writable).await?.into_iter();
        let unanswered = || Outcome::retry(Held::Contended);
        let outcome = |draft: Result<InvoiceDraft, Unwritable>| match draft {
            Ok(_) => written.next().unwrap_or_else(unanswered),
            Err(gone @ Unwritable::Reversed { .. }) => Outcome::diverged(gone),
            Err(unwritable) => Outcome::refused(unwritable),
        };
        Ok(drafts.into_iter().map(outcome).collect())
    }
}

/// When Odoo said to come again (Retry-After).
#[derive(Debug, Default)]
struct Patience(Mutex<Option<Instant>>);

impl Patience {
    /// It is not waited for longer than this, whatever it says.
    const MAX: Duration = Duration::from_secs(60);

    fn hear(&self, held: &Held) {
        if let Held::Odoo(error) = held
            && let Consequence::Retry { after: Some(after) } = error.consequence()
        {
            self.keep(Instant::now(), after);
        }
    }

    fn keep(&self, now: Instant, after: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + after.min(Self::MAX));
    }

    fn take(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Portion {
    /// How many of the requests go together: at least one.
    fn of(self, requests: &[&InvoiceRequest]) -> usize {
        let mut lines = 0;
        let fitting = requests.iter().take(self.requests_max).take_while(|request| {
            lines += request.lines.len();
            lines <= self.lines_max
        });
        fitting.count().max(1).min(requests.len())
    }
}

/// One outcome per draft, in order.
async fn write(invoices: &Invoices, drafts: &[InvoiceDraft]) -> Result<Vec<Outcome>, Held> {
    let created = invoices.create_only(drafts).await?;
    let ids: Vec<_> = drafts.iter().map(|draft| draft.external_id.clone()).collect();
    let found = invoices.read_back(&ids).await?;
    let steps: Vec<Next> = drafts
        .iter()
        .zip(created)
        .map(|(draft, created)| next(draft, created, found.get(&draft.external_id)))
        .collect();
    let ready: Vec<i64> = steps.iter().filter_map(Next::ready).collect();
    let mut posted = invoices.post(&ready).await?.into_iter();
    let outcome = |step| match step {
        Next::End(outcome) => outcome,
        Next::Post(id) => ended(id, posted.next().unwrap_or(Posted::Retry)),
    };
    Ok(steps.into_iter().map(outcome).collect())
}

impl Next {
    fn ready(&self) -> Option<i64> {
        match self {
            Self::End(_) => None,
            Self::Post(id) => Some(*id),
        }
    }
}

fn next(draft: &InvoiceDraft, created: Created, found: Option<&FoundInvoice>) -> Next {
    match created {
        Created::Refused(reason) => return Next::End(Outcome::refused(reason)),
        Created::Retry => return Next::End(Outcome::retry(Held::Contended)),
        Created::Existing(_) | Created::Loaded(_) => {}
    }
    let Some(found) = found else {
        return Next::End(Outcome::diverged("the invoice was deleted in odoo before it was posted"));
    };
    if found.state == MoveState::Cancel {
        return Next::End(cancelled());
    }
    let differences = compare(draft, found);
    if !differences.is_empty() {
        return Next::End(diverged(&differences, found.state));
    }
    match found.state {
        MoveState::Draft => Next::Post(found.id),
        MoveState::Posted | MoveState::Cancel => Next::End(applied(found.id)),
    }
}

fn ended(id: i64, posted: Posted) -> Outcome {
    match posted {
        Posted::Already | Posted::Posted => applied(id),
        Posted::Cancelled => cancelled(),
        Posted::Gone => Outcome::diverged("the invoice was deleted in odoo before it was posted"),
        Posted::Refused(refusal) => {
            Outcome::refused(format!("the draft is loaded and cannot be posted: {refusal}"))
        }
        Posted::Retry => Outcome::retry(Held::Contended),
    }
}

fn applied(id: i64) -> Outcome {
    Outcome::Applied { their_id: Some(format!("account.move,{id}")) }
}

fn cancelled() -> Outcome {
    Outcome::diverged("the invoice was cancelled in odoo")
}

fn diverged(differences: &[Difference], state: MoveState) -> Outcome {
    let told: Vec<String> = differences.iter().take(DIFFERENCES_TOLD).map(ToString::to_string).collect();
    let state = match state {
        MoveState::Draft => "draft",
        MoveState::Posted => "posted invoice",
        MoveState::Cancel => "cancelled invoice",
    };
    let more = match differences.len().saturating_sub(DIFFERENCES_TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Outcome::diverged(format!("odoo's {state} is not as it was requested: {}{more}", told.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odoo_is_waited_for_once_and_a_minute_at_most() {
        let (patience, now) = (Patience::default(), Instant::now());
        assert_eq!(patience.take(), None);
        patience.keep(now, Duration::from_secs(7));
        assert_eq!(patience.take(), Some(now + Duration::from_secs(7)));
        assert_eq!(patience.take(), None);
        patience.keep(now, Duration::from_secs(3_600));
        assert_eq!(patience.take(), Some(now + Duration::from_secs(60)));
    }
}
