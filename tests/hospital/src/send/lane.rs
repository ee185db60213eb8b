//! The messages of one connection, in their order: written, answered, and written again until they are.

use super::Sending;
use super::connection::{Answer, Connection};
use super::told::{End, Told, Unacknowledged};
use crate::chance::Chance;
use crate::config::Sender;
use crate::dialect::Dialect;
use crate::plan::{Outgoing, Plan, content, hex};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(super) struct Lane {
    plan: Arc<Plan>,
    how: Arc<Sending>,
    sender: Sender,
    number: u64,
    address: SocketAddr,
    /// Places in the sender's stream, and ranks among all that is sent.
    messages: Vec<(usize, usize)>,
    dialect: Dialect,
    chance: Chance,
    connection: Option<Connection>,
    /// What is written and not answered, oldest first.
    flying: VecDeque<Flight>,
    /// The next to be written.
    next: usize,
    /// How often the oldest unanswered message was tried, and since when.
    tries: Tries,
}

struct Flight {
    /// Its place among the lane's messages.
    place: usize,
    told: Told,
    written: Instant,
}

#[derive(Default)]
struct Tries {
    /// By place among the lane's messages.
    written: Vec<u32>,
    failed_in_a_row: u32,
    since: Option<Instant>,
    last: String,
}

impl Lane {
    pub(super) fn new(
        plan: Arc<Plan>,
        how: Arc<Sending>,
        sender: Sender,
        number: u64,
        address: SocketAddr,
        messages: Vec<(usize, usize)>,
    ) -> Self {
        let purpose =
            100 * (number + 1) + Sender::ALL.iter().position(|one| *one == sender).unwrap_or(0) as u64;
        Self {
            chance: Chance::apart(plan.config.seed, purpose),
            tries: Tries { written: vec![0; messages.len()], ..Tries::default() },
            plan,
            how,
            sender,
            number,
            address,
            messages,
            dialect: Dialect::of(sender),
            connection: None,
            flying: VecDeque::new(),
            next: 0,
        }
    }

    /// Sends everything, and says what it gave up on.
    pub(super) async fn run(mut self, begun: Instant, log: mpsc::Sender<Told>) -> Option<Unacknowledged> {
        loop {
            let is_done = self.next == self.messages.len();
            if is_done && self.flying.is_empty() {
                return None;
            }
            let failed = if !is_done && self.has_room() && self.is_due(begun).await {
                self.write().await
            } else {
                self.read(&log).await
            };
            let Err((end, last)) = failed else { continue };
            self.go_back(end, &log).await;
            self.tries.failed_in_a_row += 1;
            self.tries.last = last;
            let since = *self.tries.since.get_or_insert_with(Instant::now);
            if since.elapsed() > self.how.patience {
                return Some(self.gives_up());
            }
            if end != End::LostOnPurpose {
                sleep(self.how.between_tries).await;
            }
        }
    }

    fn has_room(&self) -> bool {
        self.flying.len() < self.how.pipeline.max(1)
    }

    /// Whether the next message is to be written now; waits for that unless an answer can be waited for.
    async fn is_due(&self, begun: Instant) -> bool {
        let due = begun + self.how.after(self.messages[self.next].1);
        if self.flying.is_empty() {
            sleep_until(due).await;
        }
        due <= Instant::now()
    }

    /// Writes the next message.
    async fn write(&mut self) -> Result<(), (End, String)> {
        let broken = |error: io::Error| (End::Broken, error.to_string());
        let place = self.next;
        let outgoing = &self.plan.stream(self.sender)[self.messages[place].0];
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.address).await.map_err(broken)?),
        };
        self.tries.written[place] += 1;
        let attempt = self.tries.written[place];
        let bytes = match attempt {
            1 => outgoing.bytes.clone(),
            _ => self
                .dialect
                .renewed(&outgoing.bytes, outgoing.due + SignedDuration::from_mins(attempt.into())),
        };
        let written = connection.write(&bytes).await;
        let told = told(outgoing, &bytes, attempt, self.number);
        self.flying.push_back(Flight { place, told, written: Instant::now() });
        self.next += 1;
        written.map_err(broken)?;
        // Only at the first attempt, so that even where all are lost everything arrives at last.
        if attempt == 1 && self.chance.of_ten_thousand(self.how.lost_acks.of_ten_thousand()) {
            // Now and then it is gone before the message was even read.
            if self.chance.of_hundred(75)
                && let Some(connection) = &self.connection
            {
                let _ = timeout(self.how.ack_timeout, connection.answered()).await;
            }
            return Err((End::LostOnPurpose, "the connection was closed on purpose".to_owned()));
        }
        Ok(())
    }

    /// Reads the answer to the oldest unanswered message.
    async fn read(&mut self, log: &mpsc::Sender<Told>) -> Result<(), (End, String)> {
        let Some(connection) = &mut self.connection else {
            return Err((End::Broken, "there is no connection".to_owned()));
        };
        let answer = match timeout(self.how.ack_timeout, connection.answer()).await {
            Err(_) => return Err((End::Late, "no answer in time".to_owned())),
            Ok(Err(error)) => return Err((End::Broken, error.to_string())),
            Ok(Ok(None)) => return Err((End::Strange, "the answer is no acknowledgement".to_owned())),
            Ok(Ok(Some(answer))) => answer,
        };
        let Some(flight) = self.flying.front_mut() else { return Ok(()) };
        let expected = flight.told.control_id.as_deref().unwrap_or_default();
        if answer.control_id != expected.as_bytes() {
            return Err((End::Strange, "the answer is to another message".to_owned()));
        }
        flight.take(&answer);
        let end = flight.told.end;
        if end == End::AskedAgain {
            return Err((end, answer.code.letters().to_owned()));
        }
        if let Some(flight) = self.flying.pop_front() {
            let _ = log.send(flight.told).await;
        }
        self.tries = Tries { written: std::mem::take(&mut self.tries.written), ..Tries::default() };
        Ok(())
    }

    /// Gives the connection up: whatever came later on it would answer an earlier try.
    async fn go_back(&mut self, end: End, log: &mpsc::Sender<Told>) {
        self.connection = None;
        if let Some(oldest) = self.flying.front() {
            self.next = oldest.place;
        }
        for mut flight in self.flying.drain(..) {
            // The oldest one's answer may have been read: AE.
            if flight.told.end == End::Broken {
                flight.told.end = if end == End::AskedAgain { End::Broken } else { end };
            }
            let _ = log.send(flight.told).await;
        }
    }

    fn gives_up(&self) -> Unacknowledged {
        let outgoing = &self.plan.stream(self.sender)[self.messages[self.next].0];
        Unacknowledged {
            id: outgoing.id,
            tries: self.tries.failed_in_a_row,
            last: self.tries.last.clone(),
            unsent: self.messages.len() - self.next - 1,
        }
    }
}

impl Flight {
    fn take(&mut self, answer: &Answer) {
        use hl7::ack::AckCode::{
            ApplicationAccept, ApplicationError, ApplicationReject, CommitAccept, CommitError, CommitReject,
        };
        self.told.code = Some(answer.code.letters().to_owned());
        self.told.answer_us = Some(micros(self.written.elapsed()));
        self.told.end = match answer.code {
            ApplicationAccept | CommitAccept => End::Acknowledged,
            ApplicationError | CommitError => End::AskedAgain,
            ApplicationReject | CommitReject => End::Refused,
        };
        if self.told.end == End::Acknowledged {
            self.told.acknowledged_at = Some(Timestamp::now());
        }
    }
}

/// What can be said of a message that was just written.
fn told(outgoing: &Outgoing, bytes: &[u8], attempt: u32, connection: u64) -> Told {
    Told {
        id: outgoing.id,
        control_id: outgoing.control_id.clone(),
        kind: outgoing.kind.clone(),
        is_copy: outgoing.is_copy,
        attempt,
        connection,
        sha256: hex(&Sha256::digest(bytes)),
        content: hex(&content(bytes)),
        sent_at: Timestamp::now(),
        acknowledged_at: None,
        answer_us: None,
        code: None,
        // Unless something better comes of it.
        end: End::Broken,
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
