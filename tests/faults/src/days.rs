//! Days of an invented hospital that are played against a world, and the books that must balance after each.

use crate::versions;
use crate::world::World;
use backbone::postgres::look;
use harness::{Books, History, Hospital, Kind, Outgoing, Plan, Sender, check};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How long everything may take to come to its end once nothing is broken any more.
const SETTLE: Duration = Duration::from_secs(180);
/// A sender's patience with one answer: a listener that was stopped never gives it.
pub(crate) const ACK_TIMEOUT: Duration = Duration::from_secs(7);

/// What was played against a world so far.
pub struct Days<'w> {
    world: &'w World,
    days: Vec<(Hospital, History)>,
    /// Visits charged with what Odoo has no product for: the writer parks their requests.
    unbillable: usize,
    /// Opened when the services' ledgers are there.
    books: Option<Books>,
}

/// A day that is being sent.
pub struct Playing {
    hospital: Hospital,
    history: History,
    address: SocketAddr,
    left: Vec<Outgoing>,
    sending: Option<JoinHandle<History>>,
}

impl<'w> Days<'w> {
    /// None yet.
    pub fn new(world: &'w World) -> Self {
        Self { world, days: Vec::new(), unbillable: 0, books: None }
    }

    /// Makes up a day of so many visits, all of which end; nothing is sent yet.
    pub fn day(&self, visits: usize, seed: u64) -> Playing {
        Playing::new(self.world.mllp(), visits, seed)
    }

    /// Takes a day that was sent whole.
    pub async fn close(&mut self, mut playing: Playing) {
        playing.sent().await;
        self.days.push(playing.played());
    }

    /// Sends a day of so many visits, and takes it.
    pub async fn play(&mut self, visits: usize, seed: u64) {
        let mut playing = self.day(visits, seed);
        playing.send_rest();
        self.close(playing).await;
    }

    /// Sends visits whose one charge Odoo has no product for, so that the writer has something to publish.
    pub async fn play_unbillable(&mut self, visits: usize) {
        let mut sender = Sender::new(self.world.mllp());
        sender.ack_timeout = ACK_TIMEOUT;
        for _ in 0..visits {
            self.unbillable += 1;
            for message in unbillable(self.unbillable) {
                sender.send(&message).await.unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }

    /// Waits until nothing is on its way, and holds the books against all that was sent. Returns how long it took to
    /// settle.
    ///
    /// # Panics
    /// When something is still on its way at the deadline, and when anything was doubled, lost or put out of order.
    pub async fn balanced(&mut self) -> Duration {
        let began = Instant::now();
        if self.books.is_none() {
            self.books = Some(Books::open(&self.world.stack).await.expect("the ledgers are there"));
        }
        let books = self.books.as_ref().expect("opened");
        let settled = books.settle(SETTLE, |_| ()).await.expect("everything can be asked");
        settled.unwrap_or_else(|unsettled| panic!("{unsettled}"));
        let took = began.elapsed();
        let evidence = books.read().await.expect("everything can be read");
        for (hospital, history) in &self.days {
            let differences = check(hospital, history, &evidence);
            let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
            assert!(told.is_empty(), "the books do not balance:\n{}", told.join("\n"));
        }
        self.parked_as_expected(books).await;
        let (mistakes, _) = versions::mistakes(self.world).await.expect("every topic can be read");
        assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
        took
    }

    /// What nobody can bill is parked once, and told once.
    async fn parked_as_expected(&self, books: &Books) {
        for ledger in books.ledgers() {
            let counts = look::parked_counts(&ledger.store).await.expect("the ledger can be read");
            let parked: i64 = counts.iter().map(|(.., count)| count).sum();
            let expected = if ledger.service == "odoo-writer" { self.unbillable } else { 0 };
            assert_eq!(usize::try_from(parked), Ok(expected), "{} has parked: {counts:?}", ledger.service);
        }
        let notices = versions::dead_letters(self.world).await.expect("the topic can be read");
        assert_eq!(notices, self.unbillable, "each parked command is told once");
    }

    /// How many messages were acknowledged, and how often one was sent besides.
    pub fn sent(&self) -> (usize, usize) {
        let histories = || self.days.iter().map(|(_, history)| history);
        let acknowledged = histories().map(History::acknowledged_messages).sum();
        (acknowledged, histories().map(History::transmissions).sum::<usize>() - acknowledged)
    }
}

impl Playing {
    /// Makes up a day of so many visits, all of which end; nothing is sent yet.
    pub(crate) fn new(address: SocketAddr, visits: usize, seed: u64) -> Self {
        let plan = Plan {
            seed,
            visits,
            charges: (1, 4),
            finished_of_ten: 10,
            twice_of_hundred: 5,
            sender: "hosp".to_owned(),
        };
        let hospital = Hospital::day(plan);
        let left = hospital.streams(1).concat();
        Self { hospital, history: History::default(), address, left, sending: None }
    }

    /// The day, and what became of its messages.
    ///
    /// # Panics
    /// When some of them were not sent.
    pub(crate) fn played(self) -> (Hospital, History) {
        assert!(
            self.left.is_empty() && self.sending.is_none(),
            "{} messages were never sent",
            self.left.len()
        );
        (self.hospital, self.history)
    }

    /// Sends the first half of each visit's messages, so that every visit has begun and none has ended; returns when it is
    /// acknowledged.
    pub async fn send_half(&mut self) {
        let begin = beginnings(&self.hospital);
        let of_beginnings = |message: &Outgoing| begin.contains(&message.control_id);
        let (first, rest) = std::mem::take(&mut self.left).into_iter().partition(of_beginnings);
        self.left = first;
        self.send_rest();
        self.sent().await;
        self.left = rest;
    }

    /// Begins to send what is left, whatever is down meanwhile.
    pub fn send_rest(&mut self) {
        let messages = std::mem::take(&mut self.left);
        let mut sender = Sender::new(self.address);
        sender.ack_timeout = ACK_TIMEOUT;
        self.sending = Some(tokio::spawn(async move {
            for message in &messages {
                sender.send(message).await.unwrap_or_else(|error| panic!("{error}"));
            }
            sender.history
        }));
    }

    /// Waits until all that was begun is acknowledged.
    ///
    /// # Panics
    /// When the sender lost its patience.
    pub async fn sent(&mut self) {
        if let Some(sending) = self.sending.take() {
            self.history.merge(sending.await.expect("the sender did not give up"));
        }
    }
}

/// The first half of each visit's messages, by their control ids.
fn beginnings(hospital: &Hospital) -> BTreeSet<String> {
    let mut visits: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (visit, message) in hospital.messages() {
        visits.entry(visit).or_default().push(&message.control_id);
    }
    let halves = visits.values().flat_map(|its| &its[..its.len() / 2]);
    halves.map(|id| (*id).to_owned()).collect()
}

/// A visit with one charge, under a code that is no product.
pub(crate) fn unbillable(number: usize) -> [Outgoing; 3] {
    let visit = format!("UB{number}");
    let gap = "|".repeat(45 - 19);
    let pid = format!("PID|1||{visit}P^^^GENERAL^MR");
    let pv1 = |discharged: &str| format!("PV1|1|I|||||||||||||||||{visit}{gap}{discharged}");
    let charge =
        format!("FT1|1|{visit}T||20250310100000|20250310100000|CG|NOSUCH^No such thing^L|||1|5.00|5.00");
    let message = |number: u8, kind: Kind, event: &str, structure: &str, segments: &[String]| {
        let control_id = format!("{visit}M{number}");
        let head = format!(
            "MSH|^~\\&|EHR|GENERAL|VERTEBRA|GENERAL|20250310100000||{event}^{structure}|{control_id}|P|2.5"
        );
        let all: Vec<String> =
            [head, "EVN||20250310100000".to_owned()].into_iter().chain(segments.iter().cloned()).collect();
        Outgoing { control_id, kind, bytes: (all.join("\r") + "\r").into_bytes() }
    };
    [
        message(1, Kind::Visit, "ADT^A01", "ADT_A01", &[pid.clone(), pv1("")]),
        message(2, Kind::Charges, "DFT^P03", "DFT_P03", &[pid.clone(), pv1(""), charge]),
        message(3, Kind::Visit, "ADT^A03", "ADT_A03", &[pid, pv1("20250311100000")]),
    ]
}
