//! How each sender writes: delimiters, line ends, character set, version, times.

use crate::config::Sender;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// One sender's way of writing.
#[derive(Clone, Debug)]
pub(crate) struct Dialect {
    pub(crate) sender: Sender,
    field: char,
    component: char,
    repetition: char,
    escape: char,
    subcomponent: char,
    segment_end: &'static str,
    /// MSH-3 and MSH-4.
    pub(crate) source: [&'static str; 2],
    version: &'static str,
    /// MSH-18.
    charset: &'static str,
    is_latin: bool,
    /// MSH-9.3 is written.
    names_structure: bool,
    zone: TimeZone,
    /// Times say their offset from UTC.
    writes_offset: bool,
}

/// The header of a message.
pub(crate) struct Header<'a> {
    pub(crate) code: &'a str,
    pub(crate) trigger: &'a str,
    pub(crate) control_id: &'a str,
    pub(crate) processing: &'a str,
    pub(crate) sent_at: Timestamp,
}

impl Dialect {
    pub(crate) fn of(sender: Sender) -> Self {
        let usual = Self {
            sender,
            field: '|',
            component: '^',
            repetition: '~',
            escape: '\\',
            subcomponent: '&',
            segment_end: "\r",
            source: ["HIS", "NORTH"],
            version: "2.5.1",
            charset: "UNICODE UTF-8",
            is_latin: false,
            names_structure: true,
            zone: TimeZone::fixed(Offset::constant(-5)),
            writes_offset: true,
        };
        match sender {
            Sender::North => usual,
            Sender::Lab => Self {
                field: '!',
                component: '$',
                repetition: '*',
                escape: '#',
                subcomponent: '%',
                segment_end: "\n",
                source: ["LABOR", "NORTH"],
                version: "2.3",
                charset: "8859/1",
                is_latin: true,
                names_structure: false,
                zone: zone("Europe/Berlin"),
                writes_offset: false,
                ..usual
            },
            Sender::Clinic => Self {
                segment_end: "\r\n",
                source: ["PRAXIS", "CLINIC"],
                version: "2.4",
                charset: "",
                names_structure: false,
                zone: zone("Europe/Lisbon"),
                writes_offset: false,
                ..usual
            },
        }
    }

    /// A value with its delimiters escaped.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for char in text.chars() {
            let letter = match char {
                _ if char == self.field => 'F',
                _ if char == self.component => 'S',
                _ if char == self.subcomponent => 'T',
                _ if char == self.repetition => 'R',
                _ if char == self.escape => 'E',
                _ => {
                    out.push(char);
                    continue;
                }
            };
            out.extend([self.escape, letter, self.escape]);
        }
        out
    }

    /// Components, each escaped.
    pub(crate) fn components(&self, parts: &[&str]) -> String {
        let escaped: Vec<String> = parts.iter().map(|part| self.text(part)).collect();
        escaped.join(&self.component.to_string()).trim_end_matches(self.component).to_owned()
    }

    /// Repetitions of what was written already.
    pub(crate) fn repetitions(&self, written: &[String]) -> String {
        written.join(&self.repetition.to_string())
    }

    /// CP: an amount with its currency, which may be left out.
    pub(crate) fn price(&self, amount: &str, currency: Option<&str>) -> String {
        match currency {
            Some(currency) => format!("{amount}{}{currency}", self.subcomponent),
            None => amount.to_owned(),
        }
    }

    /// To the second.
    pub(crate) fn time(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.zone.clone());
        local.strftime(if self.writes_offset { "%Y%m%d%H%M%S%z" } else { "%Y%m%d%H%M%S" }).to_string()
    }

    /// To the minute: what was cut off is not said.
    pub(crate) fn minute(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.zone.clone());
        local.strftime(if self.writes_offset { "%Y%m%d%H%M%z" } else { "%Y%m%d%H%M" }).to_string()
    }

    pub(crate) fn segment<'d>(&'d self, name: &'static str) -> Segment<'d> {
        Segment { dialect: self, name, fields: Vec::new() }
    }

    /// The MSH.
    pub(crate) fn header(&self, header: &Header<'_>) -> String {
        let Self { field, component, repetition, escape, subcomponent, .. } = self;
        let kind = match (header.code, self.names_structure) {
            (code, true) => self.components(&[
                code,
                header.trigger,
                &format!("{code}_{}", structure(code, header.trigger)),
            ]),
            (code, false) => self.components(&[code, header.trigger]),
        };
        let rest = [
            self.source[0].to_owned(),
            self.source[1].to_owned(),
            "VERTEBRA".to_owned(),
            "HOUSE".to_owned(),
            self.time(header.sent_at),
            String::new(),
            kind,
            self.text(header.control_id),
            header.processing.to_owned(),
            self.version.to_owned(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            self.charset.to_owned(),
        ];
        let rest = rest.join(&field.to_string());
        let text = format!("MSH{field}{component}{repetition}{escape}{subcomponent}{field}{rest}");
        text.trim_end_matches(*field).to_owned()
    }

    /// The message with another MSH-7: engines renew it when they send again.
    pub(crate) fn renewed(&self, bytes: &[u8], at: Timestamp) -> Vec<u8> {
        with_sent_at(bytes, self.time(at).as_bytes())
    }

    /// Segments as bytes. What Latin-1 does not have is a question mark, as old engines write it.
    pub(crate) fn bytes(&self, segments: &[String]) -> Vec<u8> {
        let text: String = segments.iter().flat_map(|segment| [segment.as_str(), self.segment_end]).collect();
        if self.is_latin {
            text.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect()
        } else {
            text.into_bytes()
        }
    }
}

/// A segment being written.
pub(crate) struct Segment<'d> {
    dialect: &'d Dialect,
    name: &'static str,
    fields: Vec<String>,
}

impl Segment<'_> {
    /// Puts a field that was written already, from 1 on.
    pub(crate) fn put(mut self, number: usize, written: impl Into<String>) -> Self {
        if self.fields.len() < number {
            self.fields.resize(number, String::new());
        }
        if let Some(place) = number.checked_sub(1) {
            self.fields[place] = written.into();
        }
        self
    }

    /// Puts a plain value, escaped.
    pub(crate) fn text(self, number: usize, text: &str) -> Self {
        let written = self.dialect.text(text);
        self.put(number, written)
    }

    /// Puts components, each escaped.
    pub(crate) fn parts(self, number: usize, parts: &[&str]) -> Self {
        let written = self.dialect.components(parts);
        self.put(number, written)
    }

    /// Puts a time, if there is one.
    pub(crate) fn time(self, number: usize, at: Option<Timestamp>) -> Self {
        let written = at.map(|at| self.dialect.time(at)).unwrap_or_default();
        self.put(number, written)
    }

    pub(crate) fn end(self) -> String {
        let field = self.dialect.field;
        let text = format!("{}{field}{}", self.name, self.fields.join(&field.to_string()));
        text.trim_end_matches(field).to_owned()
    }
}

/// MSH-9.3 where it differs from the trigger.
fn structure<'a>(code: &str, trigger: &'a str) -> &'a str {
    match (code, trigger) {
        ("ADT", "A04" | "A08" | "A13") => "A01",
        ("ADT", "A07") => "A06",
        ("ADT", "A11" | "A12") => "A09",
        ("ADT", "A28" | "A31") => "A05",
        ("ADT", "A40") => "A39",
        _ => trigger,
    }
}

/// A zone of the database that is built in.
fn zone(name: &str) -> TimeZone {
    jiff::tz::TimeZoneDatabase::bundled().get(name).unwrap_or(TimeZone::UTC)
}

/// The message with another MSH-7, whatever its delimiters are; as it is where it has none.
pub(crate) fn with_sent_at(bytes: &[u8], sent_at: &[u8]) -> Vec<u8> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let (header, rest) = bytes.split_at(end);
    let (Some(b"MSH"), Some(separator)) = (header.get(..3), header.get(3)) else { return bytes.to_vec() };
    // MSH-1 is the separator itself, so MSH-7 is the sixth behind the name.
    let mut fields: Vec<&[u8]> = header.split(|byte| byte == separator).collect();
    if let Some(field) = fields.get_mut(6) {
        *field = sent_at;
    }
    [&fields.join(separator)[..], rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_inside_a_value_are_escaped_in_the_senders_own_way() {
        let usual = Dialect::of(Sender::North);
        assert_eq!(usual.components(&["a&b", "c|d", "", ""]), "a\\T\\b^c\\F\\d");
        let lab = Dialect::of(Sender::Lab);
        assert_eq!(lab.components(&["a&b", "c!d"]), "a&b$c#F#d");
    }

    #[test]
    fn times_are_of_the_senders_zone_and_day() {
        let summer: Timestamp = "2025-07-01T10:20:30Z".parse().expect("a time");
        let winter: Timestamp = "2025-01-01T10:20:30Z".parse().expect("a time");
        assert_eq!(Dialect::of(Sender::North).time(summer), "20250701052030-0500");
        assert_eq!(Dialect::of(Sender::Lab).time(summer), "20250701122030");
        assert_eq!(Dialect::of(Sender::Lab).minute(winter), "202501011120");
        assert_eq!(Dialect::of(Sender::Clinic).time(winter), "20250101102030");
    }

    #[test]
    fn only_msh_7_changes_when_a_message_is_sent_again() {
        let message = b"MSH!$*#%!LABOR!NORTH!V!H!1!!ORU$R01!7!P!2.3\nPID!1\n";
        let again = with_sent_at(message, b"2");
        assert_eq!(again, b"MSH!$*#%!LABOR!NORTH!V!H!2!!ORU$R01!7!P!2.3\nPID!1\n");
        assert_eq!(with_sent_at(b"garbage", b"2"), b"garbage");
    }
}
