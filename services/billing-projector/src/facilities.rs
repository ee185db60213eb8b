//! What the installation says of its facilities: who invoices for them where their charges do not say it, who looks after what is wrong, and which day
//! it is there. A YAML file, `*` for those that it does not name.

use crate::place::Place;
use jiff::Timestamp as Moment;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// Facilities by their codes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Facilities {
    by_code: BTreeMap<String, Facility>,
}

/// One facility.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facility {
    /// The company in Odoo, by external id or database id. None: the writer's own.
    pub company: Option<String>,
    /// The journal in Odoo, by external id or database id. None: the writer's own.
    pub journal: Option<String>,
    /// Who looks after invoices that are not as they were requested.
    pub owner: Option<String>,
    /// In which a day of its books begins and ends. None: UTC.
    pub time_zone: Option<Zone>,
}

/// A time zone by its IANA name.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone(TimeZone);

impl TryFrom<String> for Zone {
    type Error = jiff::Error;
    fn try_from(name: String) -> Result<Self, jiff::Error> {
        TimeZone::get(&name).map(Self)
    }
}

/// Its name: the journal records the setup as text.
impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or_default())
    }
}

/// The code that stands for every facility without an entry, and for what names none.
const OTHERS: &str = "*";

impl Facilities {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(yaml: &str) -> Result<Self, serde_saphyr::Error> {
        serde_saphyr::from_str(yaml)
    }

    /// A facility's entry, else that of all others, else nothing.
    pub(crate) fn of(&self, code: Option<&str>) -> Facility {
        let found = code.and_then(|code| self.by_code.get(code)).or_else(|| self.by_code.get(OTHERS));
        found.cloned().unwrap_or_default()
    }
}

impl Facility {
    /// Where its invoices go.
    pub(crate) fn place(&self) -> Place {
        Place { company: self.company.clone(), journal: self.journal.clone() }
    }

    /// The day that a moment falls on there.
    pub(crate) fn day(&self, at: canon::Timestamp) -> canon::Date {
        let zone = self.time_zone.as_ref().map(|zone| zone.0.clone());
        let local = zone.and_then(|zone| {
            let moment = Moment::from_microsecond(at.as_micros()).ok()?;
            let day = moment.to_zoned(zone).date();
            canon::Date::from_ymd(day.year(), day.month(), day.day())
        });
        local.unwrap_or_else(|| at.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(yaml: &str, code: Option<&str>, expected: &str) {
        let facility = Facilities::parse(yaml).unwrap().of(code);
        let day = facility.day("2026-06-30T22:30:00Z".parse().unwrap());
        let or = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
        let told =
            format!("{} {} {} {day}", or(&facility.company), or(&facility.journal), or(&facility.owner));
        assert_eq!(told, expected);
    }

    #[test]
    fn a_facility_has_its_own_entry_or_that_of_all_others() {
        let yaml = "NORTH: {company: base.north, journal: '7', owner: Nora, time_zone: Europe/Berlin}\n\
                    '*': {owner: Otto}\n";
        check(yaml, Some("NORTH"), "base.north 7 Nora 2026-07-01");
        check(yaml, Some("SOUTH"), "- - Otto 2026-06-30");
        check(yaml, None, "- - Otto 2026-06-30");
        check("{}", Some("NORTH"), "- - - 2026-06-30");
    }

    #[test]
    fn mistakes_in_the_file_are_told() {
        for yaml in ["NORTH: {compani: x}", "NORTH: {time_zone: Europe/Atlantis}", "[]"] {
            assert!(Facilities::parse(yaml).is_err(), "{yaml}");
        }
    }
}
