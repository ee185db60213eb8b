//! One of several alike in a message: an FT1, an RXD, an OBR, with the segments that belong to it.

use super::reader::Reader;
use backbone::{Reason, Reject};
use canon::{Date, Fixed, Timestamp};
use hl7::message::{Field, Group, Path, Presence, Segment, Value};
use std::num::NonZeroU16;

/// A segment that is told of by itself.
#[derive(Clone, Copy)]
pub(super) struct Part<'r, 'a> {
    pub(super) reader: &'r Reader<'r, 'a>,
    segment: Segment<'a>,
    /// The segment's group, from the one that leads it.
    group: Group<'r, 'a>,
    /// What leads the groups of this kind; what stands before the first of them holds for all.
    leader: &'static str,
    name: &'static str,
    /// From 1, within the message.
    number: usize,
    /// Which of several segments of a name within the group is meant, from 1; the first if not said.
    nth: Option<(&'static str, NonZeroU16)>,
}

impl<'r, 'a> Part<'r, 'a> {
    /// The segments of a name, each leading its own group.
    pub(super) fn all(reader: &'r Reader<'r, 'a>, name: &'static str) -> Vec<Self> {
        Self::within_groups(reader, name, name)
    }

    /// The segments of a name within the groups of a leader; where there is no leader they lead.
    pub(super) fn led_by(
        reader: &'r Reader<'r, 'a>,
        leader: &'static str,
        name: &'static str,
    ) -> Result<Vec<Self>, Reject> {
        if reader.message().segment(leader).is_none() {
            return Ok(Self::all(reader, name));
        }
        Self::none_before(reader, leader, &[name])?;
        Ok(Self::within_groups(reader, leader, name))
    }

    /// Parks a message with such a segment before the first leader, in no group: whose it is, is not said, and perhaps
    /// the others are put with the wrong one too.
    pub(super) fn none_before(
        reader: &Reader<'_, '_>,
        leader: &'static str,
        names: &[&'static str],
    ) -> Result<(), Reject> {
        let mut before = reader.message().segments().take_while(|segment| !segment.is(leader));
        match before.find_map(|segment| names.iter().find(|name| segment.is(name))) {
            None => Ok(()),
            Some(name) => {
                let detail = format!("{name} stands before the first {leader}: not said to which it belongs");
                Err(Reject::new(Reason::Unsupported, detail))
            }
        }
    }

    fn within_groups(reader: &'r Reader<'r, 'a>, leader: &'static str, name: &'static str) -> Vec<Self> {
        let mut parts = Vec::new();
        for group in reader.message().groups(leader, &[]) {
            for segment in group.segments_named(name) {
                let number = parts.len() + 1;
                parts.push(Self { reader, segment, group, leader, name, number, nth: None });
            }
        }
        parts
    }

    /// The part with each of the segments of a name within its group; itself, where there is none.
    pub(super) fn each(self, name: &'static str) -> impl Iterator<Item = Self> {
        let most = u16::try_from(self.count(name)).unwrap_or(u16::MAX).max(1);
        (1..=most).filter_map(NonZeroU16::new).map(move |nth| Self { nth: Some((name, nth)), ..self })
    }

    /// How many segments of a name are within the group.
    pub(super) fn count(&self, name: &str) -> usize {
        self.group.segments_named(name).count()
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// A field of the segment itself.
    pub(super) fn field(&self, number: usize) -> Field<'a> {
        self.segment.field(number)
    }

    /// The first component of a field of the segment itself.
    pub(super) fn code(&self, field: usize) -> Result<Option<String>, Reject> {
        self.reader.code(*self.field(field).component(1), self.at(field))
    }

    pub(super) fn decimal<const P: u32, const S: u32>(
        &self,
        field: usize,
    ) -> Result<Option<Fixed<P, S>>, Reject> {
        self.reader.decimal(*self.field(field).component(1).subcomponent(1), self.at(field))
    }

    /// A time; of a range its start.
    pub(super) fn time(&self, field: usize) -> Result<Option<Timestamp>, Reject> {
        self.reader.time(*self.field(field).component(1).subcomponent(1), self.at(field))
    }

    /// The day of a time, as the source has it.
    pub(super) fn day(&self, field: usize) -> Option<Date> {
        self.reader.day(*self.field(field).component(1).subcomponent(1))
    }

    /// The code at a path: of this segment, of its group, or of what stands before all groups.
    pub(super) fn code_at(&self, path: &Path) -> Result<Option<String>, Reject> {
        self.reader.code(self.value(path), path)
    }

    /// The code at the first of some paths that has one.
    pub(super) fn first_of(&self, paths: &[Path]) -> Result<Option<String>, Reject> {
        for path in paths {
            if let Some(code) = self.code_at(path)? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    /// The first value among some places within the group that are written down in this crate.
    pub(super) fn said(&self, places: &[&'static str]) -> Option<(Value<'a>, &'static str)> {
        places.iter().find_map(|place| {
            let mut path = Path::parse(place).ok()?;
            path.within.component = path.within.component.or(NonZeroU16::new(1));
            path.occurrence = self.occurrence(&path);
            let value = self.group.get(&path);
            (value.presence() == Presence::Value).then_some((value, *place))
        })
    }

    /// The code at the first of some places within the group that has a value.
    pub(super) fn said_code(&self, places: &[&'static str]) -> Result<Option<String>, Reject> {
        match self.said(places) {
            Some((value, place)) => self.reader.code(value, self.within(place)),
            None => Ok(None),
        }
    }

    /// `FT1[2]-11`.
    pub(super) fn at(&self, field: usize) -> String {
        format!("{}[{}]-{field}", self.name, self.number)
    }

    /// A place within the group, `ORC[2]: RXE-10`.
    pub(super) fn within(&self, place: &str) -> String {
        format!("{}[{}]: {place}", self.leader, self.number)
    }

    fn value(&self, path: &Path) -> Value<'a> {
        let mut within = path.within;
        // A path names a field's first component unless it says more.
        within.component = within.component.or(NonZeroU16::new(1));
        match self.segment_of(path) {
            Some(segment) => segment.get(&within),
            // What is not there is an absent value.
            None => *self.segment.field(0),
        }
    }

    fn occurrence(&self, path: &Path) -> Option<NonZeroU16> {
        let nth = self.nth.filter(|(name, _)| *name == path.segment());
        path.occurrence.or(nth.map(|(_, nth)| nth))
    }

    fn segment_of(&self, path: &Path) -> Option<Segment<'a>> {
        let name = path.segment();
        let skip = self.occurrence(path).map_or(0, |occurrence| usize::from(occurrence.get()) - 1);
        if name == self.name {
            return Some(self.segment);
        }
        let before = || {
            let head = self.reader.message().segments().take_while(|segment| !segment.is(self.leader));
            head.filter(|segment| segment.is(name)).nth(skip)
        };
        self.group.segments_named(name).nth(skip).or_else(before)
    }
}
