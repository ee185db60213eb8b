//! A naive reader: splits what stands there by what the first line says. It shares nothing with the writer.

use hospital::{Outgoing, Sender};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A message taken apart: segments of fields.
pub(crate) struct Read {
    pub(crate) sender: Sender,
    delimiters: Vec<char>,
    pub(crate) segments: Vec<Vec<String>>,
}

impl Read {
    /// Nothing for what does not begin with an MSH.
    pub(crate) fn of(outgoing: &Outgoing) -> Option<Self> {
        let text: String = match outgoing.id.sender {
            Sender::Lab => outgoing.bytes.iter().map(|byte| char::from(*byte)).collect(),
            Sender::North | Sender::Clinic => String::from_utf8(outgoing.bytes.clone()).expect("UTF-8"),
        };
        let delimiters: Vec<char> = text.strip_prefix("MSH")?.chars().take(5).collect();
        let mut segments: Vec<Vec<String>> = Vec::new();
        for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
            let mut fields: Vec<String> = line.split(delimiters[0]).map(str::to_owned).collect();
            if fields[0] == "MSH" {
                fields.insert(1, delimiters[0].to_string());
            }
            segments.push(fields);
        }
        Some(Self { sender: outgoing.id.sender, delimiters, segments })
    }

    /// The first segment of this name.
    pub(crate) fn segment(&self, name: &str) -> Option<&Vec<String>> {
        self.segments.iter().find(|segment| segment[0] == name)
    }

    /// A component of a field's last repetition, unescaped; empty where there is none.
    pub(crate) fn component(&self, segment: &[String], field: usize, component: usize) -> String {
        let text = segment.get(field).map(String::as_str).unwrap_or_default();
        let last = text.split(self.delimiters[2]).next_back().unwrap_or_default();
        let part = last.split(self.delimiters[1]).nth(component - 1).unwrap_or_default();
        let mut plain = part.to_owned();
        for (letter, which) in [("F", 0), ("S", 1), ("R", 2), ("T", 4), ("E", 3)] {
            let escape = self.delimiters[3];
            plain = plain.replace(&format!("{escape}{letter}{escape}"), &self.delimiters[which].to_string());
        }
        plain
    }

    /// The first component of the first segment of this name.
    pub(crate) fn get(&self, name: &str, field: usize) -> String {
        self.segment(name).map(|segment| self.component(segment, field, 1)).unwrap_or_default()
    }

    /// The first sub-component, and the second.
    pub(crate) fn money(&self, segment: &[String], field: usize) -> (String, String) {
        let text = segment.get(field).map(String::as_str).unwrap_or_default();
        let (amount, currency) = text.split_once(self.delimiters[4]).unwrap_or((text, ""));
        (amount.to_owned(), currency.to_owned())
    }

    pub(crate) fn kind(&self) -> String {
        let msh = &self.segments[0];
        format!("{}^{}", self.component(msh, 9, 1), self.component(msh, 9, 2))
    }

    /// The visit's number, where this sender has it.
    pub(crate) fn visit(&self) -> String {
        match self.sender {
            Sender::Clinic => self.get("PID", 18),
            Sender::North | Sender::Lab => self.get("PV1", 19),
        }
    }

    /// A time by this sender's zone.
    pub(crate) fn time(&self, text: &str) -> Timestamp {
        let digits = &text[..text.find(['+', '-']).unwrap_or(text.len())];
        let number =
            |from: usize, to: usize| digits.get(from..to).map_or(0, |part| part.parse().expect("digits"));
        let local = DateTime::constant(
            number(0, 4),
            i8::try_from(number(4, 6)).expect("a month"),
            i8::try_from(number(6, 8)).expect("a day"),
            i8::try_from(number(8, 10)).expect("an hour"),
            i8::try_from(number(10, 12)).expect("a minute"),
            i8::try_from(number(12, 14)).expect("a second"),
            0,
        );
        let zone = match self.sender {
            Sender::North => {
                let offset = &text[digits.len()..];
                assert_eq!(offset, "-0500");
                return local.to_zoned(TimeZone::UTC).expect("a time").timestamp()
                    + SignedDuration::from_hours(5);
            }
            Sender::Lab => "Europe/Berlin",
            Sender::Clinic => "Europe/Lisbon",
        };
        local.in_tz(zone).expect("a time").timestamp()
    }
}

/// Everything that counts: in the order of sending, each message once, without what is bad by its own bytes.
pub(crate) fn good(plan: &hospital::Plan) -> Vec<Read> {
    let mut sent: Vec<&Outgoing> = plan.outgoing().collect();
    sent.sort_by_key(|outgoing| outgoing.order);
    let mut seen = std::collections::BTreeSet::new();
    let mut behind: Vec<String> = Vec::new();
    let mut good = Vec::new();
    for outgoing in sent {
        if !seen.insert(outgoing.id) {
            continue;
        }
        let Some(read) = Read::of(outgoing) else { continue };
        let patient = read.get("PID", 3);
        let is_header_bad =
            read.get("MSH", 10).is_empty() || read.get("MSH", 11) == "T" || patient.is_empty();
        if is_header_bad || read.kind().ends_with("Z99") || behind.contains(&patient) {
            continue;
        }
        let is_amount_bad = |segment: &Vec<String>| {
            let amounts = [read.money(segment, 11).0, read.money(segment, 12).0];
            let is_number =
                |text: &String| text.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
            segment[0] == "FT1"
                && !amounts.iter().all(|text| is_number(text) && text.matches('.').count() < 2)
        };
        if read.segments.iter().any(is_amount_bad) {
            behind.push(patient);
            continue;
        }
        good.push(read);
    }
    good
}
