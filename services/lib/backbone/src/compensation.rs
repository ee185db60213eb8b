//! Commands that should have been others: in the place of a second content goes what their author makes of the difference.
//!
//! A command is given once under its name and was perhaps carried out. When a fold says something else under that name, or
//! takes it back, further commands under names of their own put the world right: a credit note and a new invoice. The
//! ledger then has the content that is in force, so that saying it again is no news; the topic has what was given.

use crate::contract::Schemas;
use crate::emission::{Cause, Desk, Draft, Emitted, Refusal, Said};
use crate::program::Program;
use crate::reject::{Reason, Reject};
use canon::event::{Event, Name};
use std::collections::HashMap;
use std::str::FromStr;
use uuid::Uuid;

/// A command as it is in force, and as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Amendment<'a, E> {
    /// The name under which the command was given.
    pub name: &'a str,
    /// What is in force; nothing when the command had been taken back.
    pub before: Option<&'a E>,
    /// What should be; nothing when it is taken back.
    pub after: Option<&'a E>,
    /// How often the command was said otherwise, this time included, and one: 2 the first time. Belongs into the names that
    /// are given, since the same difference may come up again.
    pub revision: u32,
}

/// What an author makes of an amendment: commands under names that are given to nothing else. Plain and repeatable, as a
/// fold is.
pub type Compensate<E> = fn(&Amendment<'_, E>) -> Vec<(Name, E)>;

/// An amendment in wire form.
pub(crate) struct Amended<'a> {
    name: &'a str,
    key: &'a str,
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    revision: u32,
}

/// A [`Compensate`] with its type erased.
pub(crate) trait Compensation: Send + Sync {
    fn make(&self, amended: &Amended<'_>, schemas: &Schemas) -> Result<Vec<Draft>, Reject>;
}

pub(crate) struct Typed<E>(pub(crate) Compensate<E>);

impl<E: Event> Compensation for Typed<E> {
    fn make(&self, amended: &Amended<'_>, schemas: &Schemas) -> Result<Vec<Draft>, Reject> {
        let read = |wire: Option<&[u8]>| wire.map(|wire| schemas.decode::<E>(wire)).transpose();
        let (before, after) = (read(amended.before)?, read(amended.after)?);
        let wrong = || Reject::new(Reason::Envelope, "the key is not of the topic's key type");
        let key = E::Key::from_str(amended.key).map_err(|_| wrong())?;
        let (name, revision) = (amended.name, amended.revision);
        let amendment = Amendment { name, before: before.as_ref(), after: after.as_ref(), revision };
        Ok((self.0)(&amendment).into_iter().map(|(name, command)| Draft::emit(name, &key, command)).collect())
    }
}

/// A command said otherwise: its place, what is in force from now on, and what puts the world right.
struct Found {
    place: usize,
    row: Emitted,
    drafts: Vec<Draft>,
}

/// Puts what authors make of it in the place of every command that is given otherwise than before; the facts that are stated
/// so. `emitted` are the ledger's rows. What has no such author, and what was taken over from the topic, stays as it is, to be
/// refused.
pub(crate) fn compensate(
    said: &mut Vec<Said>,
    emitted: &HashMap<Uuid, Emitted>,
    program: &dyn Program,
    at: &Desk<'_>,
) -> Result<Vec<Uuid>, Refusal> {
    let mut all = found(said, emitted, program, at)?;
    let mut facts = Vec::new();
    // From behind, so that places stay what they are.
    while let Some(Found { place, row, drafts }) = all.pop() {
        let Said { input, draft, cause } = &mut said[place];
        draft.amend(row);
        let (input, cause) = (*input, Cause { origin: None, ..cause.clone() });
        facts.extend(drafts.iter().map(|draft| draft.fact));
        let drafts = drafts.into_iter().map(|draft| Said { input, draft, cause: cause.clone() });
        said.splice(place + 1..=place, drafts);
    }
    Ok(facts)
}

fn found(
    said: &[Said],
    emitted: &HashMap<Uuid, Emitted>,
    program: &dyn Program,
    at: &Desk<'_>,
) -> Result<Vec<Found>, Refusal> {
    let mut in_force: HashMap<Uuid, Emitted> = HashMap::new();
    let mut all = Vec::new();
    for (place, Said { input, draft, .. }) in said.iter().enumerate() {
        let Some(author) = program.compensation(draft.topic).filter(|_| at.contract.is_command(draft.topic))
        else {
            continue;
        };
        let refuse = |reject| Refusal { input: *input, fact: draft.fact, reject };
        let before = in_force.get(&draft.fact).or_else(|| emitted.get(&draft.fact));
        let Some(row) = at.next(draft, before).map_err(refuse)? else {
            // Stated again as it was taken over: from here on it is known.
            if let Some(row) = before.filter(|row| row.is_taken_over() && draft.is_statement()) {
                in_force.insert(draft.fact, Emitted { origin: None, ..row.clone() });
            }
            continue;
        };
        if let Some(before) = before {
            // What is in force of a command that was given by a ledger before it went back in time is not known.
            if before.is_taken_over() {
                continue;
            }
            let wire = |row: &Emitted| (!row.withdrawn).then(|| row.wire.clone());
            let (before, after) = (wire(before), wire(&row));
            let (before, after) = (before.as_deref(), after.as_deref());
            let (name, key, revision) = (draft.name.as_str(), draft.key.as_str(), row.revision);
            let amended = Amended { name, key, before, after, revision };
            let drafts = author.make(&amended, at.schemas).map_err(refuse)?;
            all.push(Found { place, row: row.clone(), drafts });
        }
        in_force.insert(draft.fact, row);
    }
    Ok(all)
}
