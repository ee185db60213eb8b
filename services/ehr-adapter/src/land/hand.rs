//! Payloads in hand: what was read and is not answered yet, from the reader of a connection to its writer.

use super::answer::Answer;
use super::watch::InFlight;
use super::{Desk, Land};
use backbone::mutant::{self, Mutant};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// A payload in hand.
pub(super) struct InHand<A> {
    /// The payload where it is a batch: its answer has its shape.
    pub(super) batch: Option<Vec<u8>>,
    /// Its message, or those of the batch in order.
    pub(super) messages: Vec<Waiting<A>>,
    pub(super) _room: OwnedSemaphorePermit,
}

/// A message that waits for its answer.
pub(super) struct Waiting<A> {
    /// Its MSH alone, to answer in its delimiters; none if it cannot be read.
    pub(super) header: Option<Vec<u8>>,
    pub(super) outcome: Outcome<A>,
    pub(super) flight: Option<InFlight>,
}

pub(super) enum Outcome<A> {
    /// On its way to Kafka; what to say when it is there.
    Sent { ack: A, deadline: Instant, answer: Answer },
    /// Known already.
    Known(Answer),
}

/// What became of a message: never accepted before Kafka has it.
pub(super) async fn settle<L: Land>(desk: &Desk<L>, outcome: Outcome<L::Ack>) -> Answer {
    let (ack, deadline, answer) = match outcome {
        Outcome::Known(answer) => return answer,
        Outcome::Sent { answer, .. } if mutant::is(Mutant::AckBeforeDurable) => return answer,
        Outcome::Sent { ack, deadline, answer } => (ack, deadline, answer),
    };
    tokio::select! {
        biased;
        durable = ack => match durable {
            Ok(_) => answer,
            Err(error) => {
                if desk.watch.may_warn() {
                    tracing::warn!(sender = desk.sender.name, %error, "a message is not known to be durable");
                }
                Answer::Unknown
            }
        },
        () = sleep_until(deadline) => Answer::Unknown,
        () = desk.shared.hurry.cancelled() => Answer::Unknown,
    }
}
