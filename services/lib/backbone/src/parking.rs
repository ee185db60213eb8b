//! Notices of parked inputs: `ops.dead-letter.v1` tells the world, the bytes stay in the ledger.

use crate::emission::{Cause, Desk, Draft, Said};
use crate::fact::Meta;
use crate::store::{LaneId, Parked, ParkedItem};
use canon::DeadLetter;
use canon::event::{Event, Name};
use canon::key::ServiceName;

/// The input index of a notice: it belongs to none.
pub(crate) const NOTICE: usize = usize::MAX;

/// One notice per parked record, where the contract has the topic. Deadlines have no bytes to be told of.
pub(crate) fn notices(desk: &Desk<'_>, lane: LaneId, parked: &[Parked]) -> Vec<Said> {
    let known =
        desk.contract.topic(DeadLetter::TOPIC).is_ok() && desk.schemas.id_of(DeadLetter::TOPIC).is_ok();
    let Some(key) = desk.source.parse::<ServiceName>().ok().filter(|_| known) else { return Vec::new() };
    parked.iter().filter_map(|parked| notice(lane, &key, parked)).collect()
}

fn notice(lane: LaneId, key: &ServiceName, parked: &Parked) -> Option<Said> {
    let ParkedItem::Record(record) = &parked.item else { return None };
    let meta = Meta::of(record).ok();
    let partition = record.partition.to_string();
    let offset = record.offset.to_string();
    let name = Name::new("dead-letter", &[lane.processor, record.topic, &partition, &offset]);
    let body = DeadLetter {
        service: key.clone(),
        processor: lane.processor.to_owned(),
        lane: lane.number,
        topic: record.topic.to_owned(),
        partition: record.partition,
        offset: record.offset,
        chain: parked.chain.clone().unwrap_or_default(),
        reason_class: parked.reason.as_str().to_owned(),
        reason: parked.detail.clone(),
        parked_at: parked.at,
        event_id: meta.as_ref().map(|meta| meta.headers.id),
        attempts: 1,
    };
    let cause = meta.map_or_else(Cause::default, |meta| Cause::of(&meta.headers));
    Some(Said { input: NOTICE, draft: Draft::emit(name, key, body), cause })
}
