//! Notices of rows that are refused: `ops.dead-letter.v1` tells the world; the row stays where it is, in its source.
//!
//! A row has one notice: another reason corrects it, and it is taken back when the row can be stated, or is gone.

use super::Refusal;
use super::page::RowAt;
use crate::emission::{Cause, Desk, Draft, Said};
use crate::parking::{NOTICE, notice_key};
use crate::store::Fence;
use canon::DeadLetter;
use canon::event::Name;

/// What there is to tell, where the contract has the topic of notices.
pub(super) fn said(desk: &Desk<'_>, fence: &Fence, notices: &[(RowAt, Option<Refusal>)]) -> Vec<Said> {
    let Some(key) = notice_key(desk) else { return Vec::new() };
    let source = fence.lane.processor;
    let say = |((kind, id), why): &(RowAt, Option<Refusal>)| {
        let name = Name::new("dead-letter", &[source, kind, id]);
        let draft = match why {
            None => Draft::retract::<DeadLetter>(name, &key),
            // The topic is the row's kind, and the place is the sequence of the page: a row has neither.
            Some(why) => Draft::emit(
                name,
                &key,
                DeadLetter {
                    service: key.clone(),
                    processor: source.to_owned(),
                    lane: fence.lane.number,
                    topic: kind.clone(),
                    partition: 0,
                    offset: fence.seq + 1,
                    chain: String::new(),
                    reason_class: why.reason.as_str().to_owned(),
                    reason: format!("row {id}: {}", why.detail),
                    parked_at: desk.now,
                    event_id: None,
                    attempts: 1,
                },
            ),
        };
        let cause = Cause { source_ref: Some(format!("{kind}/{id}")), ..Cause::default() };
        Said { input: NOTICE, draft, cause }
    };
    notices.iter().map(say).collect()
}
