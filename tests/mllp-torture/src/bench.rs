//! What a case works with: connections, messages, and the words for what has to come of them.

use crate::answer::Answer;
use crate::cases::Case;
use crate::message::{Message, Numbers};
use crate::report::{Finding, Outcome};
use crate::target::Target;
use crate::tls::Manner;
use crate::wire::{Heard, Peer};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A pause between attempts to be answered after a case: the endpoint may still be letting go of its connections.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Why a case ended before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The endpoint did other than it has to.
    Failed {
        /// What it has to do.
        expected: String,
        /// What it did.
        came: String,
    },
    /// The case cannot be run against this target.
    Skipped {
        /// Why.
        why: String,
    },
}

/// What a case works with.
#[derive(Debug)]
pub struct Bench {
    pub(crate) target: Arc<Target>,
    numbers: Arc<Numbers>,
    steps: Vec<String>,
    tolerated: Vec<String>,
}

/// Runs a case and then a healthy message on a new connection.
pub(crate) async fn run(target: &Target, case: &Case, numbers: &Arc<Numbers>) -> Finding {
    let mut bench = Bench {
        target: Arc::new(target.clone()),
        numbers: numbers.clone(),
        steps: Vec::new(),
        tolerated: Vec::new(),
    };
    let begun = Instant::now();
    let mut ended = (case.run)(&mut bench).await;
    if !matches!(ended, Err(Ended::Skipped { .. })) {
        let healthy = bench.lives().await;
        ended = ended.and(healthy);
    }
    let outcome = match ended {
        Ok(()) if bench.tolerated.is_empty() => Outcome::Passed,
        Ok(()) => Outcome::Tolerated { what: bench.tolerated.join("; ") },
        Err(Ended::Failed { expected, came }) => Outcome::Failed { expected, came },
        Err(Ended::Skipped { why }) => Outcome::Skipped { why },
    };
    Finding {
        number: case.number,
        name: case.name,
        says: case.says,
        outcome,
        steps: bench.steps,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// That the endpoint did other than expected.
pub(crate) fn failed<T>(expected: impl fmt::Display, came: impl fmt::Display) -> Result<T, Ended> {
    Err(Ended::Failed { expected: expected.to_string(), came: came.to_string() })
}

/// That the case cannot be run.
pub(crate) fn skipped<T>(why: &str) -> Result<T, Ended> {
    Err(Ended::Skipped { why: why.to_owned() })
}

impl Bench {
    /// A healthy message under a control id of its own.
    pub(crate) fn message(&self) -> Message {
        Message::healthy(&self.target.sender, self.numbers.next())
    }

    /// Notes what was done or seen.
    pub(crate) fn step(&mut self, what: impl fmt::Display) {
        self.steps.push(what.to_string());
    }

    /// Notes a variation that is known and does no harm.
    pub(crate) fn tolerates(&mut self, what: impl fmt::Display) {
        let what = what.to_string();
        self.step(&what);
        if !self.tolerated.contains(&what) {
            self.tolerated.push(what);
        }
    }

    /// Whether a variation was noted.
    pub(crate) fn has_tolerated(&self) -> bool {
        !self.tolerated.is_empty()
    }

    /// A new connection.
    pub(crate) async fn peer(&mut self) -> Result<Peer, Ended> {
        match Peer::connect(&self.target, Manner::Usual).await {
            Ok(peer) => Ok(peer),
            Err(error) => failed("a connection", error),
        }
    }

    /// An answer, whatever its code.
    pub(crate) async fn answer(&mut self, peer: &mut Peer, expected: &str) -> Result<Answer, Ended> {
        match peer.hears().await {
            Heard::Answer(answer) => {
                self.step(&answer);
                Ok(answer)
            }
            other => failed(expected, other),
        }
    }

    /// AA with this MSA-2 as the next thing that comes.
    pub(crate) async fn accepts(&mut self, peer: &mut Peer, control_id: &str) -> Result<Answer, Ended> {
        let expected = format!("AA to {control_id}");
        let answer = self.answer(peer, &expected).await?;
        self.is_accept(&answer, control_id)?;
        Ok(answer)
    }

    /// Sends a message in one packet; it has to be accepted.
    pub(crate) async fn sends(&mut self, peer: &mut Peer, message: &Message) -> Result<Answer, Ended> {
        peer.says(&message.frame()).await;
        self.accepts(peer, &message.control_id).await
    }

    /// Sends a healthy message; it has to be accepted.
    pub(crate) async fn goes_on(&mut self, peer: &mut Peer) -> Result<(), Ended> {
        let message = self.message();
        self.step("a healthy message on the same connection");
        self.sends(peer, &message).await.map(|_| ())
    }

    /// That an answer is AA to this message.
    pub(crate) fn is_accept(&mut self, answer: &Answer, control_id: &str) -> Result<(), Ended> {
        if !answer.accepts() || !answer.is_to(control_id) {
            return failed(format!("AA to {control_id}"), answer);
        }
        if answer.code == "CA" {
            self.tolerates("it answers in enhanced mode, CA, where MSH-15 does not ask for it");
        }
        Ok(())
    }

    /// A healthy message on a new connection: accepted before the patience is over.
    async fn lives(&mut self) -> Result<(), Ended> {
        let until = Instant::now() + self.target.timeout;
        self.step("a healthy message on a new connection");
        loop {
            let message = self.message();
            let expected = format!("afterwards, on a new connection, AA to {}", message.control_id);
            let came = match Peer::connect(&self.target, Manner::Usual).await {
                Err(error) => error.to_string(),
                Ok(mut peer) => {
                    peer.says(&message.frame()).await;
                    match peer.hears().await {
                        Heard::Answer(answer) => {
                            self.step(&answer);
                            return match self.is_accept(&answer, &message.control_id) {
                                Ok(()) => Ok(()),
                                Err(_) => failed(expected, answer),
                            };
                        }
                        other => other.to_string(),
                    }
                }
            };
            if Instant::now() >= until {
                return failed(expected, came);
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}
