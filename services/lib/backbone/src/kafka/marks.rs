//! The marks of a ledger at the broker: how far its lanes had come when it was published from last.
//!
//! They lie in one committed offset, of a group called as the relay's transactional id is: its metadata hold the marks,
//! and its number means nothing. Offsets are the one thing that Kafka takes into a transaction besides records: both
//! become visible, or neither does. Nobody is ever a member of that group.

use super::reach::{Context, Reach};
use super::settings::KafkaSettings;
use crate::edge::{BrokerError, Witness};
use crate::record::Marks;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;

const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest metadata that a broker takes unless it is told otherwise (`offset.metadata.max.bytes`).
const BYTES_MAX: usize = 4096;

/// The marks of one relay shard.
pub struct KafkaMarks {
    consumer: Arc<BaseConsumer<Context>>,
    topic: &'static str,
    reach: Reach,
}

impl KafkaMarks {
    /// The marks kept for a transactional id, at partition 0 of a topic that is there.
    ///
    /// # Errors
    /// When the settings do not make a client.
    pub fn new(
        kafka: &KafkaSettings,
        transactional_id: &str,
        topic: &'static str,
    ) -> Result<Self, BrokerError> {
        let reach = Reach::new(None);
        let mut config = kafka.client();
        config
            .set("group.id", transactional_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Marks of a transaction that is still open are waited for.
            .set("isolation.level", "read_committed");
        let consumer = config
            .create_with_context(Context { reach: reach.clone() })
            .map_err(|error| reach.failed("the keeper of marks cannot be made", error))?;
        Ok(Self { consumer: Arc::new(consumer), topic, reach })
    }

    /// Whether the marks of so many lanes find room, however far they come.
    pub fn have_room(lanes: &[(&str, i32)]) -> bool {
        let all = lanes.iter().flat_map(|(name, count)| (0..*count).map(move |lane| (*name, lane)));
        let all: Marks = all.map(|(name, lane)| ((name.to_owned(), lane), i64::MAX)).collect();
        written(&all).len() <= BYTES_MAX
    }

    /// What is to be committed, and under which group.
    pub(crate) fn leave(
        &self,
        marks: &Marks,
    ) -> Result<(TopicPartitionList, ConsumerGroupMetadata), KafkaError> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(self.topic, 0, Offset::Offset(0))?;
        if let Some(mut kept) = offsets.find_partition(self.topic, 0) {
            kept.set_metadata(written(marks));
        }
        let no_group = KafkaError::ConsumerCommit(RDKafkaErrorCode::UnknownGroup);
        Ok((offsets, self.consumer.group_metadata().ok_or(no_group)?))
    }
}

impl Witness for KafkaMarks {
    async fn marks(&self) -> Result<Marks, BrokerError> {
        let (consumer, topic) = (self.consumer.clone(), self.topic);
        let asking = tokio::task::spawn_blocking(move || {
            let mut asked = TopicPartitionList::new();
            asked.add_partition(topic, 0);
            let kept = consumer.committed_offsets(asked, ASK_TIMEOUT)?;
            let kept = kept.find_partition(topic, 0);
            kept.map_or(Ok(String::new()), |kept| kept.error().map(|()| kept.metadata().to_owned()))
        });
        let what = "the marks of the ledger cannot be asked";
        let kept = asking.await.map_err(|error| BrokerError::caused(what, error))?;
        let kept = kept.map_err(|error| self.reach.failed(what, error))?;
        read(&kept).ok_or_else(|| BrokerError::new("the marks of the ledger are not as we write them"))
    }
}

/// `<processor> <lane 0>,<lane 1>,…;`, numbers in base 36; a lane without a number is not known.
fn written(marks: &Marks) -> String {
    let mut text = String::new();
    let mut last: Option<(&str, i32)> = None;
    for ((processor, lane), seq) in marks {
        let before = match last {
            Some((same, before)) if same == processor => before,
            _ => {
                text.push_str(if last.is_some() { ";" } else { "" });
                text.push_str(processor);
                text.push(' ');
                0
            }
        };
        (before..*lane).for_each(|_| text.push(','));
        text.push_str(&base36(*seq));
        last = Some((processor, *lane));
    }
    text
}

/// The marks as they were written; nothing when they were not.
fn read(text: &str) -> Option<Marks> {
    let mut marks = Marks::new();
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let (processor, lanes) = part.split_once(' ')?;
        for (lane, seq) in (0..).zip(lanes.split(',')) {
            if !seq.is_empty() {
                marks.insert((processor.to_owned(), lane), i64::from_str_radix(seq, 36).ok()?);
            }
        }
    }
    Some(marks)
}

fn base36(number: i64) -> String {
    let mut rest = number.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(rest % 36).unwrap_or(0);
        digits.extend(char::from_digit(digit, 36));
        rest /= 36;
        if rest == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(marks: &[(&str, i32, i64)], text: &str) {
        let marks: Marks =
            marks.iter().map(|(processor, lane, seq)| (((*processor).to_owned(), *lane), *seq)).collect();
        assert_eq!(written(&marks), text);
        assert_eq!(read(text), Some(marks));
    }

    #[test]
    fn marks_are_read_as_they_were_written() {
        check(&[], "");
        check(&[("billing-case", 0, 0)], "billing-case 0");
        check(&[("a", 0, 35), ("a", 1, 36), ("a", 3, 46_655), ("b.c", 2, 7)], "a z,10,,zzz;b.c ,,7");
        check(&[("a", 0, i64::MAX)], "a 1y2p0ij32e8e7");
    }

    #[test]
    fn what_was_not_written_so_is_not_read() {
        for text in ["a", "a !", "a 1,2;b"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn two_hundred_and_fifty_lanes_find_room_however_far_they_have_come() {
        assert!(KafkaMarks::have_room(&[("a-processor", 125), ("another-processor", 125)]));
        assert!(!KafkaMarks::have_room(&[("a-processor", 400)]));
    }
}
