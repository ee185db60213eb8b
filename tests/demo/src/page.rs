//! The page that the demonstration ends with.

use crate::incident::Corrected;
use crate::{Arguments, seconds};
use harness::{DayFigures, Paid, ParkedAt, Played, percentile};
use hospital::Sender;
use hospital::send::Report;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The rest is counted.
const DIFFERENCES_SHOWN: usize = 20;

/// Everything that is shown.
pub(crate) struct Page<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) played: &'a Played,
    pub(crate) report: &'a Report,
    pub(crate) figures: &'a DayFigures,
    /// The same before anything was sent.
    pub(crate) before: &'a DayFigures,
    /// Records by topic, before and after.
    pub(crate) topics: [Vec<(&'static str, usize)>; 2],
    pub(crate) parked: &'a [ParkedAt],
    /// How many inputs waited before the codes were mapped.
    pub(crate) waited: usize,
    /// What was put right in this run.
    pub(crate) corrected: Option<Corrected>,
    pub(crate) paid: Paid,
    /// Everything that does not agree.
    pub(crate) wrong: &'a [String],
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = "─".repeat(96);
        writeln!(f, "\n{rule}")?;
        match self.wrong.len() {
            0 => writeln!(f, "The books balance.")?,
            wrong => writeln!(f, "THE BOOKS DO NOT BALANCE: {wrong} differences.")?,
        }
        writeln!(f)?;
        self.messages(f)?;
        self.events(f)?;
        self.waiting(f)?;
        self.incident(f)?;
        self.invoices(f)?;
        self.sums(f)?;
        self.latencies(f)?;
        self.places(f)?;
        for wrong in self.wrong.iter().take(DIFFERENCES_SHOWN) {
            writeln!(f, "DIFFERS     {wrong}")?;
        }
        if let Some(more @ 1..) = self.wrong.len().checked_sub(DIFFERENCES_SHOWN) {
            writeln!(f, "            and {more} more")?;
        }
        writeln!(f, "{rule}")
    }
}

impl Page<'_> {
    fn messages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (report, truth) = (self.report, &self.played.plan.truth);
        writeln!(
            f,
            "messages    {} acknowledged, {} refused as no message of ours, {} transmissions: copies, and {} after lost answers",
            report.acknowledged, report.refused, report.transmissions, report.lost
        )?;
        for sender in Sender::ALL {
            let count = truth.messages.iter().filter(|message| message.id.sender == sender).count();
            let kinds: std::collections::BTreeSet<&str> = truth
                .messages
                .iter()
                .filter(|message| message.id.sender == sender)
                .map(|message| message.kind.as_str())
                .collect();
            writeln!(f, "            {:<8}{count:>6} of {} kinds", sender.name(), kinds.len())?;
        }
        writeln!(
            f,
            "            {} patients, {} visits, {} charges, credits and adjustments, {} orders, {} results",
            truth.patients.len(),
            truth.visits.len(),
            self.figures.charges,
            truth.orders.len(),
            truth.results.len()
        )
    }

    fn events(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = &self.topics;
        for (index, ((topic, count), (_, was))) in after.iter().zip(before).enumerate() {
            let title = if index == 0 { "events" } else { "" };
            writeln!(f, "{title:<12}{topic:<28} {count:>7}   {} new", count - was.min(count))?;
        }
        Ok(())
    }

    fn waiting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.parked.len();
        if self.waited > left {
            let released = self.waited - left;
            writeln!(
                f,
                "parked      {released} waited for codes that nobody had mapped, and went on when they were"
            )?;
        }
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for parked in self.parked {
            *reasons
                .entry(format!("{}: {} ({})", parked.service, parked.detail, parked.reason))
                .or_default() += 1;
        }
        if reasons.is_empty() {
            return writeln!(f, "parked      none");
        }
        for (index, (reason, count)) in reasons.iter().enumerate() {
            let title = if index == 0 && self.waited <= left { "parked" } else { "" };
            writeln!(f, "{title:<12}{count} × {reason}")?;
        }
        Ok(())
    }

    fn incident(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Corrected { accounts, facts }) = self.corrected else { return Ok(()) };
        writeln!(
            f,
            "incident    {accounts} accounts were not what the EHR had posted: the clinic's file named the wrong currency"
        )?;
        writeln!(
            f,
            "            corrected, and its messages translated again: {facts} charges, credited and invoiced anew"
        )
    }

    fn invoices(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, before) = (self.figures, self.before);
        writeln!(
            f,
            "Odoo        {} invoices and {} credit notes posted, {} lines; new in this run: {}, {}, {}",
            now.invoices,
            now.credit_notes,
            now.lines,
            now.invoices - before.invoices.min(now.invoices),
            now.credit_notes - before.credit_notes.min(now.credit_notes),
            now.lines - before.lines.min(now.lines),
        )?;
        let Paid { payments, invoices } = self.paid;
        writeln!(
            f,
            "            {invoices} invoices paid, in part or whole; {payments} payments registered in this run"
        )?;
        if now.invoices > 0 && now.invoices == before.invoices && now.lines == before.lines {
            writeln!(f, "            the day was sent before: the same messages changed nothing")?;
        }
        Ok(())
    }

    fn sums(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.figures;
        for (index, (currency, charged)) in figures.charged.iter().enumerate() {
            let title = if index == 0 { "sums" } else { "" };
            let of = |sums: &BTreeMap<String, Decimal>| {
                grouped(&sums.get(currency).copied().unwrap_or_default().normalize().to_string())
            };
            writeln!(
                f,
                "{title:<12}{:>14} {currency} charged, less credits",
                grouped(&charged.normalize().to_string())
            )?;
            writeln!(
                f,
                "          = {:>14} {currency} on posted invoices, less credit notes",
                of(&figures.invoiced)
            )?;
            writeln!(
                f,
                "          + {:>14} {currency} of visits that are not finished",
                of(&figures.unbilled)
            )?;
            writeln!(f, "            {:>14} {currency} of it paid", of(&figures.paid))?;
        }
        Ok(())
    }

    fn latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut answers: Vec<Duration> =
            self.played.told.iter().filter_map(|told| told.answer_us).map(Duration::from_micros).collect();
        answers.sort_unstable();
        let of = |sorted: &[Duration], percent| percentile(sorted, percent).map_or("-".to_owned(), seconds);
        writeln!(f, "latency     message to ACK: p50 {}, p99 {}", of(&answers, 50), of(&answers, 99))?;
        let posted = &self.figures.latencies;
        match posted.len() {
            0 => writeln!(f, "            last ACK of a visit to its posted invoice: nothing new to measure"),
            count => writeln!(
                f,
                "            last ACK of a visit to its posted invoice: p50 {}, p99 {} ({count} invoices)",
                of(posted, 50),
                of(posted, 99)
            ),
        }
    }

    fn places(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = self.arguments;
        writeln!(f, "look at     {}", arguments.odoo_page)?;
        for (name, url) in arguments.metrics.iter().filter_map(|named| named.split_once('=')) {
            let logs = arguments.logs.display();
            writeln!(f, "            {url}/metrics and /ready: {name}; log: {logs}/{name}/log")?;
        }
        let records = arguments.records.display();
        writeln!(f, "            {records}: what was sent, and what it has to come to, as JSON lines")?;
        writeln!(f, "            make demo again: the same day, and nothing changes; make demo-down: stop")
    }
}

/// `1234567.5` as `1,234,567.50`.
fn grouped(amount: &str) -> String {
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}.{cents:0<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_and_have_their_cents() {
        for (amount, shown) in
            [("0", "0.00"), ("12.5", "12.50"), ("-1234.56", "-1,234.56"), ("1234567", "1,234,567.00")]
        {
            assert_eq!(grouped(amount), shown);
        }
    }
}
