//! Invented requests for tests.

#![allow(dead_code, reason = "each test takes what it needs")]

use canon::events::billing_invoice_request::{Line, RequestKind};
use canon::{Change, Date, EncounterToken, InvoiceRequest, Money, Phi, Quantity, Timestamp};

/// A visit that only this call has.
pub(crate) fn visit() -> EncounterToken {
    EncounterToken::from_bytes(*uuid::Uuid::new_v4().as_bytes())
}

/// The first request of visit number `visit`, with a line for each code and amount.
pub(crate) fn request(visit: u8, lines: &[(&str, &str)]) -> InvoiceRequest {
    request_of(EncounterToken::from_bytes([visit; 16]), lines)
}

/// The first request of a visit.
pub(crate) fn request_of(visit: EncounterToken, lines: &[(&str, &str)]) -> InvoiceRequest {
    let request = format!("{visit}-1");
    let lines: Vec<Line> = lines
        .iter()
        .enumerate()
        .map(|(index, (code, amount))| line(&request, index + 1, code, amount))
        .collect();
    InvoiceRequest {
        change: Change::Recorded,
        encounter: visit,
        number: 1,
        kind: RequestKind::Invoice,
        reverses: None,
        facility: None,
        company: None,
        journal: None,
        payer: None,
        currency: "USD".to_owned(),
        invoice_date: Date::from_ymd(2026, 1, 5).unwrap(),
        visit_number: Phi(String::new()),
        total: Money::sum(lines.iter().map(|line| line.amount)).unwrap(),
        request,
        lines,
    }
}

/// The second request of a visit: a credit note that gives all of the first one back.
pub(crate) fn reversal_of(invoice: &InvoiceRequest) -> InvoiceRequest {
    let request = format!("{}-2", invoice.encounter);
    let back = |(index, line): (usize, &Line)| Line {
        line: format!("{request}-{}", index + 1),
        reverses: Some(line.line.clone()),
        ..line.clone()
    };
    InvoiceRequest {
        number: 2,
        kind: RequestKind::CreditNote,
        reverses: Some(invoice.request.clone()),
        lines: invoice.lines.iter().enumerate().map(back).collect(),
        request,
        ..invoice.clone()
    }
}

/// A line of a request.
pub(crate) fn line(request: &str, position: usize, code: &str, amount: &str) -> Line {
    Line {
        line: format!("{request}-{position}"),
        charge: format!("charge/{position}"),
        reverses: None,
        code: code.to_owned(),
        description: None,
        quantity: Quantity::from_whole(1).unwrap(),
        amount: amount.parse().unwrap(),
        service_at: Timestamp(1_767_225_600_000_000),
    }
}
