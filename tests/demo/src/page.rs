//! The page that the demonstration ends with.

use crate::{Arguments, seconds};
use harness::{Figures, History, Hospital, ParkedAt};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The rest is counted.
const DIFFERENCES_SHOWN: usize = 20;

/// Everything that is shown.
pub(crate) struct Page<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) hospital: &'a Hospital,
    pub(crate) history: &'a History,
    pub(crate) figures: &'a Figures,
    /// The same before anything was sent.
    pub(crate) before: &'a Figures,
    /// Records by topic, before and after.
    pub(crate) topics: [BTreeMap<&'static str, usize>; 2],
    pub(crate) parked: &'a [ParkedAt],
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
        let (sent, transmissions) = (self.history.messages(), self.history.transmissions());
        let again = transmissions - sent;
        writeln!(
            f,
            "messages    {sent} sent over MLLP, {} acknowledged; {again} of them sent a second time",
            self.history.acknowledged_messages(),
        )?;
        let visits = self.hospital.visits();
        let finished = visits.iter().filter(|visit| visit.discharge.is_some()).count();
        writeln!(
            f,
            "            {} visits, {finished} of them finished, with {} charges",
            visits.len(),
            self.figures.charges
        )
    }

    fn events(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = &self.topics;
        for (index, (topic, count)) in after.iter().enumerate() {
            let title = if index == 0 { "events" } else { "" };
            let fresh = count - before.get(topic).copied().unwrap_or(0).min(*count);
            writeln!(f, "{title:<12}{topic:<28} {count:>7}   {fresh} new")?;
        }
        if self.parked.is_empty() {
            return writeln!(f, "parked      none");
        }
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for parked in self.parked {
            *reasons
                .entry(format!("{}: {} ({})", parked.service, parked.detail, parked.reason))
                .or_default() += 1;
        }
        for (index, (reason, count)) in reasons.iter().enumerate() {
            writeln!(f, "{:<12}{count} × {reason}", if index == 0 { "parked" } else { "" })?;
        }
        Ok(())
    }

    fn invoices(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, before) = (self.figures, self.before);
        writeln!(
            f,
            "Odoo        {} invoices posted with {} lines; new in this run: {} invoices, {} lines",
            now.invoices,
            now.lines,
            now.invoices - before.invoices.min(now.invoices),
            now.lines - before.lines.min(now.lines),
        )?;
        if now.invoices > 0 && now.invoices == before.invoices && now.lines == before.lines {
            writeln!(f, "            the day was sent before: the same messages changed nothing")?;
        }
        Ok(())
    }

    fn sums(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.figures;
        writeln!(f, "sums        {:>14} USD charged by the hospital", grouped(&figures.sent.to_string()))?;
        writeln!(f, "          = {:>14} USD on posted invoices", grouped(&figures.invoiced.to_string()))?;
        let open = grouped(&figures.unbilled.to_string());
        writeln!(f, "          + {open:>14} USD of visits that are not finished")
    }

    fn latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answers = self.history.answers();
        let of = |sorted: &[Duration], percent| {
            harness::percentile(sorted, percent).map_or("-".to_owned(), seconds)
        };
        writeln!(f, "latency     message to ACK: p50 {}, p99 {}", of(&answers, 50), of(&answers, 99))?;
        let posted = &self.figures.latencies;
        match posted.len() {
            0 => writeln!(f, "            ACK to posted invoice: nothing new to measure"),
            count => writeln!(
                f,
                "            ACK to posted invoice: p50 {}, p99 {} ({count} invoices, all asked for at once)",
                of(posted, 50),
                of(posted, 99)
            ),
        }
    }

    fn places(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = self.arguments;
        writeln!(f, "look at     {}", arguments.odoo_page)?;
        for (name, url) in arguments.metrics.iter().filter_map(|named| named.split_once('=')) {
            writeln!(
                f,
                "            {url}/metrics and /ready: {name}; log: {}/{name}/log",
                arguments.logs.display()
            )?;
        }
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
