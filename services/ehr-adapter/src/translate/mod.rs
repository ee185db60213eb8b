//! Translation: what one message said, as facts. A pure fold without memory.
//!
//! Consumes `raw.hl7v2.v1`; looks up `reference.sender.v1` and `reference.code.v1`; publishes `clinical.*`,
//! `billing.charge.v1` and `supply.consumption.v1`. [`kind`] has what is mapped. What is not mapped, or not wanted by the
//! sender's configuration, comes to nothing and is counted. What cannot be read without guessing parks, and says
//! which position.

mod appointment;
mod charge;
mod consumption;
mod currency;
mod encounter;
mod kind;
mod link;
mod order;
mod part;
mod reader;
mod result;
mod source;
mod statement;
mod stock;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
mod unmapped;

pub(crate) use reader::Reader;
pub(crate) use source::occurred_at;
pub(crate) use statement::{Shown, Statement, stated};
pub(crate) use unmapped::{Unmapped, UnmappedCount, Why};

use crate::sender::{ControlIds, Reading};
use crate::setup::{Setup, until_configured};
use backbone::{Cx, Fact, Folding, On, Projection, Reason, Reject};
use canon::{
    Appointment, Charge, Code, Consumption, Encounter, LabResult, Order, PatientLink, RawHl7v2, RawKey,
    SenderConfig, Tokenizer,
};
use hl7::charset::Charset;
use hl7::message::{Message, ParseError};
use kind::Kind;
use serde::{Deserialize, Serialize};
use source::Source;
use std::collections::BTreeSet;
use tables::{AsSaid, Tables};

/// The translation of raw messages. It remembers nothing: each message is translated by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Translation {}

/// What a message is translated with.
pub(crate) struct Desk<'a> {
    pub(crate) reading: &'a Reading,
    pub(crate) tables: &'a dyn Tables,
    pub(crate) tokens: &'a Tokenizer,
}

/// What came of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Translated {
    /// What it says; each is emitted under its name.
    pub(crate) statements: Vec<Statement>,
    /// What of it came to nothing.
    pub(crate) unmapped: Vec<Unmapped>,
    /// Codes in it that are in no table, and stand in its facts as it says them.
    pub(crate) as_said: BTreeSet<AsSaid>,
}

/// The translation as the service runs it.
pub(crate) fn folding(setup: Setup) -> Folding<Translation> {
    Folding::new(setup)
        .on::<RawHl7v2>()
        .knows::<Code>()
        .knows::<SenderConfig>()
        .emits::<Appointment>()
        .emits::<Charge>()
        .emits::<Consumption>()
        .emits::<Encounter>()
        .emits::<LabResult>()
        .emits::<Order>()
        .emits::<PatientLink>()
}

impl Projection for Translation {
    const NAME: &'static str = "hl7-translation";
    type Key = RawKey;
    type Setup = Setup;
}

impl On<RawHl7v2> for Translation {
    fn on(&mut self, fact: &Fact<RawHl7v2>, cx: &mut Cx<'_, Setup>) -> Result<(), Reject> {
        let translated = {
            let reading = cx.setup().reading(cx, &fact.body.sender)?;
            let tables = tables::Looked::new(cx);
            let desk = Desk { reading: &reading, tables: &tables, tokens: cx.setup().tokens() };
            translate(&desk, &fact.body, fact.homonyms)
        };
        let translated = translated.map_err(|reject| {
            // What nobody is known to own parks nobody else.
            let blocks_key = reject.blocks_key && !matches!(fact.key, RawKey::Sender(_));
            Reject { blocks_key, ..reject }
        })?;
        for unmapped in &translated.unmapped {
            cx.setup().count(&fact.body.sender, unmapped);
        }
        for as_said in &translated.as_said {
            cx.setup().count_code(&fact.body.sender, as_said);
        }
        for statement in translated.statements {
            statement.say(cx);
        }
        Ok(())
    }
}

/// What a message says; `homonyms` counts other messages that came under its control id before.
pub(crate) fn translate(desk: &Desk<'_>, raw: &RawHl7v2, homonyms: u32) -> Result<Translated, Reject> {
    let payload = Charset::readable(raw.payload.reveal(), desk.reading.charset);
    let message = Message::parse(&payload).map_err(unreadable)?;
    if let Some(why) = &raw.unparsed {
        return Err(Reject::alone(Reason::Invalid, why));
    }
    let reader = Reader::new(&message, desk.reading);
    let (said, kind) = Kind::of(raw, &reader)?;
    let nothing = |why| {
        Ok(Translated { unmapped: vec![Unmapped { what: said.clone(), why }], ..Translated::default() })
    };
    if unmapped::is_ignored(&said, &reader, desk.tokens) {
        return nothing(Why::Ignored);
    }
    let kind = match kind {
        Ok(kind) => kind,
        Err(why) => return nothing(why),
    };
    if !is_allowed(raw, desk.reading)? {
        return nothing(Why::Processing);
    }
    if is_anothers(homonyms, desk.reading) {
        let detail = "MSH-10 was given to another message before; if this sender's counter starts again, \
                      say `control_ids: restarts` in its configuration";
        return Err(until_configured(&raw.sender, Reject::new(Reason::Conflict, detail)));
    }
    let source = Source::of(raw, &reader, desk)?;
    match kind {
        Kind::Accounts => encounter::moves(&source),
        Kind::Administrations => consumption::administrations(&source),
        Kind::Appointment(status) => appointment::appointment(&source, status),
        Kind::Charges => charge::charges(&source),
        Kind::Dispenses => consumption::dispenses(&source),
        Kind::Link => link::links(&source),
        Kind::Orders => order::orders(&source),
        // The projection of patients reads it.
        Kind::Person => Ok(Translated::default()),
        Kind::Requisitions => consumption::requisitions(&source),
        Kind::Results => result::results(&source),
        Kind::Unlink => link::unlink(&source),
        Kind::Visit(status) => encounter::encounter(&source, status),
    }
}

impl Translated {
    fn of(statements: Vec<Statement>) -> Result<Self, Reject> {
        Ok(Self { statements, ..Self::default() })
    }
}

/// Whether a message counts that another projection reads: one that the translation passes by, or parks over its MSH, says
/// nothing there either.
pub(crate) fn counts(raw: &RawHl7v2, homonyms: u32, reader: &Reader<'_, '_>, tokens: &Tokenizer) -> bool {
    let Ok((said, _)) = Kind::of(raw, reader) else { return false };
    !unmapped::is_ignored(&said, reader, tokens)
        && matches!(is_allowed(raw, reader.reading()), Ok(true))
        && !is_anothers(homonyms, reader.reading())
}

/// Whether a message's control id is another one's.
fn is_anothers(homonyms: u32, reading: &Reading) -> bool {
    homonyms > 0 && reading.control_ids == ControlIds::Unique
}

/// Whether the message's processing mode is one that is translated here.
fn is_allowed(raw: &RawHl7v2, reading: &Reading) -> Result<bool, Reject> {
    let said = raw.processing_id.as_deref().unwrap_or_default();
    let is_listed = reading.processing.iter().any(|allowed| allowed == said);
    if said.is_empty() && !is_listed {
        // Skipping it could lose charges, taking it could bill a test: a person has to say.
        let detail =
            "MSH-11 is empty; if this sender leaves it out, add \"\" to `processing` in its configuration";
        return Err(until_configured(&raw.sender, Reject::new(Reason::Invalid, detail)));
    }
    Ok(is_listed)
}

fn unreadable(error: ParseError) -> Reject {
    match error {
        ParseError::Batch => Reject::alone(
            Reason::Unsupported,
            "the payload is a batch: its messages are to be landed one by one",
        ),
        other => Reject::alone(Reason::Invalid, other),
    }
}
