//! One of several alike in a message: an FT1, an RXD, an OBR, with the segments that belong to it.

use super::reader::Reader;
use backbone::Reject;
use canon::{Date, Fixed, Timestamp};
use hl7::message::{Field, Group, Path, Presence, Segment, Value};
use std::num::NonZeroU16;

/// A segment that is told of by itself.
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
}

impl<'r, 'a> Part<'r, 'a> {
    /// The segments of a name, each leading its own group.
    pub(super) fn all(reader: &'r Reader<'r, 'a>, name: &'static str) -> Vec<Self> {
        Self::led_by(reader, name, name)
    }

    /// The segments of a name within the groups of a leader; where there is no leader they lead.
    pub(super) fn led_by(reader: &'r Reader<'r, 'a>, leader: &'static str, name: &'static str) -> Vec<Self> {
        let message = reader.message();
        let leader = if message.segment(leader).is_some() { leader } else { name };
        let mut parts = Vec::new();
        for group in message.groups(leader, &[]) {
            for segment in group.segments_named(name) {
                parts.push(Self { reader, segment, group, leader, name, number: parts.len() + 1 });
            }
        }
        parts
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

    fn segment_of(&self, path: &Path) -> Option<Segment<'a>> {
        let name = path.segment();
        let skip = path.occurrence.map_or(0, |occurrence| usize::from(occurrence.get()) - 1);
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
