//! What waits for a person: parked inputs, and money that does not add up.

use super::{Alert, Severity, risen};

/// Reasons that point at a defect of ours or of a release.
const DEFECTS: &str = "crash|decode|encode|envelope|panic|revision";
/// Reasons that end by themselves when a row of a table comes.
const UNMAPPED: &str = "gone|missing";

pub(super) fn alerts() -> Vec<Alert> {
    let mut alerts = rows();
    alerts.push(Alert {
        name: "VertebraParkedRising",
        severity: Severity::Page,
        expr: "sum by (service, processor) (increase(vertebra_parked_total[15m])) > 50".to_owned(),
        holds: "0m",
        runbook: "parked",
        summary: "{{ $labels.processor }} parked {{ $value | humanize }} inputs in a quarter of an hour",
        means: "Something changed: a release, a sender's interface, a code table. Each of them is kept with its bytes, \
                and later ones of its key wait behind it.",
        then: "See by reason and sender what they have in common: `vertebra parked list`.",
    });
    alerts.push(Alert {
        name: "VertebraNotTranslated",
        severity: Severity::Ticket,
        expr: risen(
            "vertebra_translation_unmapped_total{reason=\"not_mapped\"}",
            "service, sender, what",
            "1h",
        ),
        holds: "0m",
        runbook: "unmapped-codes",
        summary: "{{ $labels.sender }} sends {{ $labels.what }}, which nobody has said the meaning of",
        means: "The messages are stored and acknowledged and come to nothing further.",
        then: "Ask the sender's owner what they are for; ignore them in the sender's file, or have them mapped.",
    });
    alerts.push(Alert {
        name: "VertebraBooksDiffer",
        severity: Severity::Page,
        expr: "max by (sender, facility, currency) (abs(vertebra_billing_amount{place=\"missing\"})) > 0".to_owned(),
        holds: "15m",
        runbook: "books-differ",
        summary: "the books of {{ $labels.sender }} at {{ $labels.facility }} differ by {{ $value }} {{ $labels.currency }}",
        means: "Charges are not all unbilled, requested, invoiced, parked or discarded: money is missing or doubled.",
        then: "Do not correct anything in Odoo by hand yet; keep the figures and find the visit.",
    });
    alerts.push(Alert {
        name: "VertebraBooksDiverged",
        severity: Severity::Ticket,
        // There is a series while something has diverged, be it by nothing: a currency, a line that was exchanged.
        expr: "max by (facility, currency) (vertebra_billing_amount{place=\"diverged\"}) >= 0".to_owned(),
        holds: "15m",
        runbook: "books-differ",
        summary: "requests of {{ $labels.facility }} have diverged by {{ $value }} {{ $labels.currency }}",
        means: "In Odoo an invoice of ours is not what was asked for (cancelled, deleted, edited, credited by hand), or another \
                payer is said for it by now. The books tell what was asked for, so they look right. Nothing is repaired.",
        then: "`billing-projector books` lists them with their owners, who decide what holds.",
    });
    alerts
}

fn rows() -> Vec<Alert> {
    let alert = |name, severity, reasons: &str, holds, runbook, means, then| Alert {
        name,
        severity,
        expr: format!("max by (service, processor, reason) (vertebra_parked_rows{{{reasons}}}) > 0"),
        holds,
        runbook,
        summary: "{{ $value }} inputs of {{ $labels.processor }} are parked: {{ $labels.reason }}",
        means,
        then,
    };
    vec![
        alert(
            "VertebraUnmappedCodes",
            Severity::Ticket,
            &format!("reason=~\"{UNMAPPED}\""),
            "10m",
            "unmapped-codes",
            "Codes, items or senders that no table has. Charges that need them are on no invoice until they come, and \
             are then released by themselves, in order.",
            "`vertebra codes unmapped` lists them.",
        ),
        alert(
            "VertebraParkedDefect",
            Severity::Page,
            &format!("reason=~\"{DEFECTS}\""),
            "5m",
            "parked",
            "The input is probably sound and the program is not. It is kept with its bytes; later ones of its key wait.",
            "If a release was rolled out, roll it back; tell its developers.",
        ),
        alert(
            "VertebraInvoiceDiverged",
            Severity::Ticket,
            "reason=\"diverged\"",
            "10m",
            "parked",
            "In Odoo an invoice of ours is not what was asked for: a person changed it. Nothing is overwritten.",
            "The owner of invoices decides what holds.",
        ),
        alert(
            "VertebraParked",
            Severity::Ticket,
            &format!("reason!~\"{DEFECTS}|{UNMAPPED}|diverged|behind\""),
            "10m",
            "parked",
            "What a sender said cannot be used as it is, or Odoo refuses it. It is kept with its bytes, and later ones \
             of its key wait behind it: that visit gets no invoice.",
            "`vertebra parked list` says what is wrong; whoever answers for the topic decides.",
        ),
    ]
}
