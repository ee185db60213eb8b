//! What puts right in Odoo a request that should have been another one: a credit note of what changed, and an invoice
//! of what is new. A plain function; who was carried out, and that it should not have been, others find out.
//!
//! The fold itself never needs it: what the source changes is a difference of its state. It is for requests that a
//! corrected release, or a replay, makes otherwise than an earlier one did.

use backbone::Amendment;
use canon::event::ContentHash;
use canon::events::billing_invoice_request::{Line, RequestKind};
use canon::{Event, InvoiceRequest, Money, Name};

/// What makes of the effect of the request in force that of the one that should be.
///
/// The requests' ids follow from the one amended, from the content of both, and from how often it was amended, so that the
/// same correction, told again, makes the same requests: `<request>-c<hash>` takes back, `<request>-n<hash>` asks for what is
/// new. Lines that both have stay as they are. A line that is taken back names the line of the request amended, also when
/// that request was amended before.
pub fn compensate(amendment: &Amendment<'_, InvoiceRequest>) -> Vec<(Name, InvoiceRequest)> {
    let Amendment { before, after, .. } = *amendment;
    let hash = hash(amendment);
    let of = |all: Option<&InvoiceRequest>| all.map_or(Vec::new(), |request| request.lines.clone());
    let (mut gone, mut new) = (of(before), of(after));
    if before.zip(after).is_some_and(|(before, after)| same_terms(before, after)) {
        gone.retain(|line| !new.iter().any(|other| same(line, other)));
        new.retain(|line| !of(before).iter().any(|other| same(line, other)));
    }
    let mut made = Vec::new();
    if let Some(before) = before {
        let back = match before.kind {
            RequestKind::CreditNote => RequestKind::Invoice,
            RequestKind::Invoice | RequestKind::Unknown => RequestKind::CreditNote,
        };
        made.extend(document(before, back, &gone, format!("{}-c{hash}", before.request), Some(before)));
    }
    if let Some(after) = after {
        made.extend(document(after, after.kind, &new, format!("{}-n{hash}", after.request), None));
    }
    let named = |request: InvoiceRequest| (Name::new("compensation", &[&request.request]), request);
    made.into_iter().map(named).collect()
}

/// A document of some lines; the other kind of document where they come to less than nothing. None without lines.
fn document(
    like: &InvoiceRequest,
    kind: RequestKind,
    lines: &[Line],
    request: String,
    reversed: Option<&InvoiceRequest>,
) -> Option<InvoiceRequest> {
    let total = Money::sum(lines.iter().map(|line| line.amount))?;
    let (kind, turned) = match (total.is_negative(), kind) {
        (true, RequestKind::CreditNote) => (RequestKind::Invoice, true),
        (true, _) => (RequestKind::CreditNote, true),
        (false, kind) => (kind, false),
    };
    let is_note = kind == RequestKind::CreditNote;
    let line = |(position, line): (usize, &Line)| Line {
        line: format!("{request}-{}", position + 1),
        reverses: match reversed {
            Some(_) => is_note.then(|| line.line.clone()),
            None => line.reverses.clone(),
        },
        amount: if turned { -line.amount } else { line.amount },
        ..line.clone()
    };
    let reverses = match reversed {
        Some(reversed) => is_note.then(|| reversed.request.clone()),
        None => like.reverses.clone().filter(|_| is_note),
    };
    let lines: Vec<Line> = lines.iter().enumerate().map(line).collect();
    let total = Money::sum(lines.iter().map(|line| line.amount))?;
    (!lines.is_empty()).then(|| InvoiceRequest { kind, reverses, lines, total, request, ..like.clone() })
}

/// Whether what both have in common can stay: it is owed by the same to the same.
fn same_terms(before: &InvoiceRequest, after: &InvoiceRequest) -> bool {
    let terms = |request: &InvoiceRequest| {
        let InvoiceRequest { kind, currency, payer, company, journal, reverses, .. } = request.clone();
        (kind, currency, payer, company, journal, reverses)
    };
    terms(before) == terms(after)
}

/// Whether two lines show the same; their ids are their requests' affair.
fn same(one: &Line, other: &Line) -> bool {
    Line { line: String::new(), reverses: None, ..one.clone() }
        == Line { line: String::new(), reverses: None, ..other.clone() }
}

/// Twelve digits that follow from what was asked for, what should have been, and how often it was told otherwise.
fn hash(amendment: &Amendment<'_, InvoiceRequest>) -> String {
    let of = |request: Option<&InvoiceRequest>| {
        request.map_or_else(String::new, |request| ContentHash::of(request).to_string())
    };
    let Amendment { name, before, after, revision } = *amendment;
    let parts = [name.to_owned(), revision.to_string(), of(before), of(after)];
    let name = Name::new("compensation", &parts).fact_id(InvoiceRequest::TOPIC).simple().to_string();
    name.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon::{Change, Date, EncounterToken, Phi, Quantity, Timestamp};
    use std::collections::{BTreeMap, BTreeSet};

    fn request(kind: RequestKind, lines: &[(&str, &str)]) -> InvoiceRequest {
        let visit = EncounterToken::from_bytes([7; 16]);
        let request = "R-1".to_owned();
        let lines: Vec<Line> = lines
            .iter()
            .enumerate()
            .map(|(index, (charge, amount))| Line {
                line: format!("{request}-{}", index + 1),
                charge: (*charge).to_owned(),
                reverses: None,
                code: "4711".to_owned(),
                description: None,
                quantity: Quantity::from_whole(1).unwrap(),
                amount: amount.parse().unwrap(),
                service_at: Timestamp(0),
            })
            .collect();
        InvoiceRequest {
            change: Change::Recorded,
            encounter: visit,
            number: 1,
            kind,
            reverses: None,
            facility: None,
            company: None,
            journal: None,
            payer: None,
            currency: "EUR".to_owned(),
            invoice_date: Date(20_000),
            visit_number: Phi(String::new()),
            total: Money::sum(lines.iter().map(|line| line.amount)).unwrap(),
            request,
            lines,
        }
    }

    fn invoice(lines: &[(&str, &str)]) -> InvoiceRequest {
        request(RequestKind::Invoice, lines)
    }

    fn shown(made: &[InvoiceRequest]) -> Vec<String> {
        let line = |line: &Line| {
            let reverses = line.reverses.as_ref().map(|line| format!("@{line}")).unwrap_or_default();
            format!("{}={}{reverses}", line.charge, line.amount)
        };
        let text = |made: &InvoiceRequest| {
            let lines: Vec<String> = made.lines.iter().map(line).collect();
            let reverses = made.reverses.as_deref().unwrap_or("-");
            format!("{} {reverses} {}: {}", made.kind.as_str(), made.total, lines.join(" "))
        };
        made.iter().map(text).collect()
    }

    #[track_caller]
    fn check(before: &InvoiceRequest, after: Option<&InvoiceRequest>, expected: &[&str]) {
        check_from(Some(before), after, expected);
    }

    #[track_caller]
    fn check_from(before: Option<&InvoiceRequest>, after: Option<&InvoiceRequest>, expected: &[&str]) {
        let made = amend(before, after, 2);
        assert_eq!(shown(&made), expected);
        assert_eq!(amend(before, after, 2), made, "the same again");
        comes_to(before, after, &made);
    }

    fn amend(
        before: Option<&InvoiceRequest>,
        after: Option<&InvoiceRequest>,
        revision: u32,
    ) -> Vec<InvoiceRequest> {
        let made = compensate(&Amendment { name: "invoice-request/7/1", before, after, revision });
        let names: BTreeSet<&Name> = made.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), made.len());
        made.into_iter().map(|(_, request)| request).collect()
    }

    /// With what was made, each charge has come to what it should have.
    #[track_caller]
    fn comes_to(before: Option<&InvoiceRequest>, after: Option<&InvoiceRequest>, made: &[InvoiceRequest]) {
        let sums = |requests: &[&InvoiceRequest]| {
            let mut sums: BTreeMap<String, Money> = BTreeMap::new();
            for request in requests {
                for line in &request.lines {
                    let back = request.kind == RequestKind::CreditNote;
                    let sum = sums.entry(line.charge.clone()).or_default();
                    *sum = sum.checked_add(if back { -line.amount } else { line.amount }).unwrap();
                }
            }
            sums.retain(|_, sum| !sum.is_zero());
            sums
        };
        let all: Vec<&InvoiceRequest> = before.into_iter().chain(made).collect();
        let should: Vec<&InvoiceRequest> = after.into_iter().collect();
        assert_eq!(sums(&all), sums(&should));
    }

    #[test]
    fn what_did_not_change_needs_nothing() {
        let before = invoice(&[("a", "1"), ("b", "2")]);
        check(&before, Some(&before), &[]);
        check(&before, Some(&invoice(&[("b", "2"), ("a", "1")])), &[]);
    }

    #[test]
    fn what_changed_is_credited_and_what_is_new_is_invoiced() {
        let before = invoice(&[("a", "1"), ("b", "2")]);
        check(&before, None, &["credit_note R-1 3: a=1@R-1-1 b=2@R-1-2"]);
        check(&before, Some(&invoice(&[("a", "1")])), &["credit_note R-1 2: b=2@R-1-2"]);
        check(&before, Some(&invoice(&[("a", "1"), ("b", "2"), ("c", "4")])), &["invoice - 4: c=4"]);
        let expected = ["credit_note R-1 2: b=2@R-1-2", "invoice - 5: b=5"];
        check(&before, Some(&invoice(&[("a", "1"), ("b", "5")])), &expected);
    }

    #[test]
    fn who_owes_something_else_owes_all_of_it_anew() {
        let before = invoice(&[("a", "1"), ("b", "2")]);
        let expected = ["credit_note R-1 3: a=1@R-1-1 b=2@R-1-2", "invoice - 3: a=1 b=2"];
        check(&before, Some(&InvoiceRequest { payer: Some("AOK".to_owned()), ..before.clone() }), &expected);
        check(&before, Some(&InvoiceRequest { company: Some("2".to_owned()), ..before.clone() }), &expected);
    }

    #[test]
    fn documents_are_never_below_zero() {
        let before = invoice(&[("a", "5"), ("b", "-2")]);
        check(&before, Some(&invoice(&[("a", "5")])), &["invoice - 2: b=2"]);
        check(&invoice(&[("a", "5")]), Some(&before), &["credit_note - 2: b=2"]);
        let note = request(RequestKind::CreditNote, &[("a", "5")]);
        check(&note, None, &["invoice - 5: a=5"]);
        check(
            &note,
            Some(&request(RequestKind::CreditNote, &[("a", "3")])),
            &["invoice - 5: a=5", "credit_note - 3: a=3"],
        );
    }

    #[test]
    fn what_was_taken_back_is_asked_for_anew() {
        check_from(None, Some(&invoice(&[("a", "1"), ("b", "2")])), &["invoice - 3: a=1 b=2"]);
    }

    #[test]
    fn ids_follow_from_what_was_and_what_should_have_been() {
        let before = invoice(&[("a", "1")]);
        let id = |after: Option<&InvoiceRequest>, revision| {
            amend(Some(&before), after, revision)[0].request.clone()
        };
        let (gone, other) = (id(None, 2), id(Some(&invoice(&[("a", "2")])), 2));
        assert_ne!(gone, other);
        // Taken back, given anew, taken back again: another credit note.
        assert_ne!(gone, id(None, 4));
        assert!(gone.starts_with("R-1-c") && gone.len() == "R-1-c".len() + 12, "{gone}");
        let lines = &amend(Some(&before), None, 2)[0].lines;
        assert_eq!(lines[0].line, format!("{gone}-1"));
    }
}
