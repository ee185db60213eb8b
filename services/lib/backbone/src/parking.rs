//! Notices of parked inputs: `ops.dead-letter.v1` tells the world, the bytes stay in the ledger.

use crate::emission::{Cause, Desk, Draft, Said};
use crate::fact::Meta;
use crate::record::Record;
use crate::store::{LaneId, Parked, ParkedItem};
use canon::DeadLetter;
use canon::event::{Event, Name};
use canon::key::ServiceName;

/// The input index of a notice: it belongs to none.
pub(crate) const NOTICE: usize = usize::MAX;

/// One notice per parked record, where the contract has the topic. Deadlines have no bytes to be told of.
pub(crate) fn notices(desk: &Desk<'_>, lane: LaneId, parked: &[Parked]) -> Vec<Said> {
    let Some(key) = notice_key(desk) else { return Vec::new() };
    parked.iter().filter_map(|parked| notice(lane, &key, parked)).collect()
}

/// The key of a service's notices; nothing where the contract does not have them.
pub(crate) fn notice_key(desk: &Desk<'_>) -> Option<ServiceName> {
    let known =
        desk.contract.topic(DeadLetter::TOPIC).is_ok() && desk.schemas.id_of(DeadLetter::TOPIC).is_ok();
    desk.source.parse().ok().filter(|_| known)
}

/// Takes back the notices of records that were parked and have been folded after all.
pub(crate) fn withdrawals(desk: &Desk<'_>, lane: LaneId, resolved: &[Record]) -> Vec<Said> {
    let Some(key) = notice_key(desk) else { return Vec::new() };
    let withdrawal = |record: &Record| {
        let cause = Meta::of(record).map_or_else(|_| Cause::default(), |meta| Cause::of(&meta.headers));
        Said { input: NOTICE, draft: Draft::retract::<DeadLetter>(name(lane, record), &key), cause }
    };
    resolved.iter().map(withdrawal).collect()
}

fn name(lane: LaneId, record: &Record) -> Name {
    let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
    Name::new("dead-letter", &[lane.processor, record.topic, &partition, &offset])
}

fn notice(lane: LaneId, key: &ServiceName, parked: &Parked) -> Option<Said> {
    let ParkedItem::Record(record) = &parked.item else { return None };
    let meta = Meta::of(record).ok();
    let name = name(lane, record);
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
