//! What was sent and what was acknowledged: the truth that books are held against.

use canon::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Every message, by control id.
#[derive(Clone, Debug, Default)]
pub struct History {
    messages: BTreeMap<String, Sent>,
    /// Times from a frame's last byte to its ACK.
    answers: Vec<Duration>,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The SHA-256 of its bytes, MSH-7 left out.
    pub content: [u8; 32],
    /// How often it was written to a socket.
    pub transmissions: u32,
    /// How often it was acknowledged.
    pub acknowledgements: u32,
    /// When it was first written.
    pub sent_at: Timestamp,
    /// When it was first acknowledged.
    pub acknowledged_at: Option<Timestamp>,
}

impl History {
    /// A message was written.
    pub fn sent(&mut self, control_id: &str, content: [u8; 32], at: Timestamp) {
        let fresh =
            Sent { content, transmissions: 0, acknowledgements: 0, sent_at: at, acknowledged_at: None };
        self.messages.entry(control_id.to_owned()).or_insert(fresh).transmissions += 1;
    }

    /// It was acknowledged.
    pub fn acknowledged(&mut self, control_id: &str, at: Timestamp, after: Duration) {
        self.answers.push(after);
        if let Some(sent) = self.messages.get_mut(control_id) {
            sent.acknowledgements += 1;
            sent.acknowledged_at.get_or_insert(at);
        }
    }

    /// Takes in what another sender remembers.
    pub fn merge(&mut self, other: Self) {
        self.answers.extend(other.answers);
        for (control_id, theirs) in other.messages {
            match self.messages.get_mut(&control_id) {
                None => {
                    self.messages.insert(control_id, theirs);
                }
                Some(ours) => {
                    ours.transmissions += theirs.transmissions;
                    ours.acknowledgements += theirs.acknowledgements;
                    ours.sent_at = ours.sent_at.min(theirs.sent_at);
                    let times = ours.acknowledged_at.into_iter().chain(theirs.acknowledged_at);
                    ours.acknowledged_at = times.min();
                }
            }
        }
    }

    /// A message.
    pub fn get(&self, control_id: &str) -> Option<&Sent> {
        self.messages.get(control_id)
    }

    /// Every message by control id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Sent)> {
        self.messages.iter().map(|(control_id, sent)| (control_id.as_str(), sent))
    }

    /// How many different messages.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// How often any was written.
    pub fn transmissions(&self) -> usize {
        self.messages.values().map(|sent| sent.transmissions as usize).sum()
    }

    /// How many different ones were acknowledged.
    pub fn acknowledged_messages(&self) -> usize {
        self.messages.values().filter(|sent| sent.acknowledged_at.is_some()).count()
    }

    /// Times from a frame's last byte to its ACK, sorted.
    pub fn answers(&self) -> Vec<Duration> {
        let mut answers = self.answers.clone();
        answers.sort_unstable();
        answers
    }
}
