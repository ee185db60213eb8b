//! Records that no producer of ours writes, put onto a real topic beside sound ones.

use backbone::contract::Contract;
use backbone::edge::BrokerError;
use backbone::kafka::{Landing, LandingProducer};
use canon::catalog::Catalog;
use canon::event::{Event, event_id};
use canon::events::billing_charge::ChargeKind;
use canon::{Change, Charge, EncounterToken, Headers, Money, Name, Quantity, Timestamp, codec};
use harness::Stack;
use uuid::Uuid;

/// 2025-03-10T06:00:00Z: whenever it is run, it is the same.
const MORNING: Timestamp = Timestamp(1_741_586_400_000_000);

/// A record as it is put onto the topic of charges.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value's bytes.
    pub value: Vec<u8>,
    /// Names and values.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Whoever puts them there.
pub struct Poisoner {
    producer: LandingProducer,
    partitions: u32,
}

impl Poisoner {
    /// A producer to the stack's Kafka.
    ///
    /// # Errors
    /// When none can be made.
    pub fn new(stack: &Stack) -> Result<Self, BrokerError> {
        let partitions = Contract::of(Catalog::builtin()).partitions(Charge::TOPIC);
        Ok(Self { producer: LandingProducer::start(&stack.kafka(), None)?, partitions })
    }

    /// Puts records there, in their order; where each came to stand.
    ///
    /// # Errors
    /// When Kafka does not take one.
    pub async fn put(&self, records: &[Put]) -> Result<Vec<(i32, i64)>, BrokerError> {
        let mut acks = Vec::new();
        for put in records {
            let partition = self.partition(&put.key);
            let Put { key, value, headers } = put;
            let landing = Landing { topic: Charge::TOPIC, partition, key, value, headers };
            acks.push((partition, self.producer.send(landing).await?));
        }
        let mut places = Vec::new();
        for (partition, ack) in acks {
            places.push((partition, ack.await?.0));
        }
        Ok(places)
    }

    /// The partition that a key belongs to.
    ///
    /// # Panics
    /// When there are more partitions than a broker can have.
    pub fn partition(&self, key: &[u8]) -> i32 {
        i32::try_from(canon::partition(key, self.partitions)).expect("a partition")
    }

    /// Another partition.
    ///
    /// # Panics
    /// When there are more partitions than a broker can have.
    pub fn next_to(&self, partition: i32) -> i32 {
        (partition + 1) % i32::try_from(self.partitions).expect("a number of partitions")
    }

    /// A visit that nobody had before.
    pub fn visit(&self) -> EncounterToken {
        EncounterToken::from_bytes(Uuid::new_v4().into_bytes())
    }

    /// One whose key belongs to this partition.
    pub fn visit_of(&self, partition: i32) -> EncounterToken {
        let mut visits = std::iter::repeat_with(|| self.visit());
        visits
            .find(|visit| self.partition(visit.as_str().as_bytes()) == partition)
            .unwrap_or_else(|| self.visit())
    }
}

/// A sound charge, the first, second … of its visit.
///
/// # Panics
/// When it cannot be encoded.
pub fn charge(visit: EncounterToken, version: i64, schema_id: u32) -> Put {
    let transaction = format!("T{version}");
    let name = Name::new("charge", &["poisoned", visit.as_str(), &transaction]);
    let body = Charge {
        change: Change::Recorded,
        charge: name.as_str().to_owned(),
        encounter: visit,
        patient: None,
        sender: "poisoned".to_owned(),
        control_id: format!("C{version}"),
        facility: None,
        transaction_id: transaction,
        kind: ChargeKind::Charge,
        reverses: None,
        code: "CON-001".to_owned(),
        description: None,
        quantity: Quantity::from_whole(1).expect("one"),
        amount: Money::from_whole(120).expect("a sum"),
        currency: "USD".to_owned(),
        service_at: MORNING,
        department: None,
        company: None,
        journal: None,
        occurred_at: MORNING,
    };
    let headers = Headers {
        id: event_id(name.fact_id(Charge::TOPIC), 1),
        source: "/vertebra/ehr-adapter".to_owned(),
        r#type: Charge::TOPIC.to_owned(),
        time: MORNING,
        subject: visit.to_string(),
        version: Some(version),
        revision: Some(1),
        factname: name.as_str().to_owned(),
        correlationid: None,
        causationid: None,
        facility: None,
        sourceref: None,
        traceparent: None,
    };
    Put {
        key: visit.as_str().as_bytes().to_vec(),
        value: codec::encode(schema_id, &body).expect("a charge can be written"),
        headers: headers.to_pairs(),
    }
}

/// A way to spoil a record.
#[derive(Clone, Copy, Debug)]
pub struct Spoiling {
    /// What it is called.
    pub name: &'static str,
    /// The class of the reason that it parks for.
    pub reason: &'static str,
    /// Whether later records of its key wait behind it: those whose key cannot be told hold nobody up.
    pub blocks: bool,
    /// Does it.
    pub spoil: fn(&mut Put, &Ids),
}

/// Ids of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    /// Of the schema of charges.
    pub own: u32,
    /// Of another topic's schema.
    pub other: u32,
    /// The next one that it will give.
    pub next: u32,
}

/// Every way.
pub const SPOILINGS: [Spoiling; 17] = [
    decode("no bytes at all", |put, _| put.value.clear()),
    decode("not Avro", |put, _| put.value = b"{\"charge\": 1}".to_vec()),
    decode("a schema that the registry does not know", |put, ids| of_schema(put, ids.next)),
    decode("a schema id that no registry gives", |put, _| of_schema(put, u32::MAX)),
    decode("a schema of another topic", |put, ids| of_schema(put, ids.other)),
    decode("cut short", |put, _| put.value.truncate(put.value.len() - 3)),
    decode("cut short behind the id", |put, _| put.value.truncate(5)),
    decode("followed by more", |put, _| put.value.extend([0, 0, 0])),
    // A text of 2^62 bytes, one of fewer than none, and a number that does not end.
    decode("an absurd length", |put, _| {
        behind_the_id(put, &[0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])
    }),
    decode("a negative length", |put, _| behind_the_id(put, &[0, 0x01, 0x41])),
    decode("a number without an end", |put, _| behind_the_id(put, &[0xff; 40])),
    decode("an enum out of range", |put, _| put.value[5] = 0x7e),
    decode("a union out of range", |put, _| union_out_of_range(put)),
    Spoiling { name: "no headers", reason: "envelope", blocks: false, spoil: |put, _| put.headers.clear() },
    Spoiling {
        name: "no id",
        reason: "envelope",
        blocks: false,
        spoil: |put, _| put.headers.retain(|(name, _)| name != "ce_id"),
    },
    Spoiling {
        name: "a key that is no text",
        reason: "envelope",
        blocks: false,
        spoil: |put, _| put.key = vec![0xff, 0xfe],
    },
    Spoiling {
        name: "a key of another type",
        reason: "envelope",
        blocks: false,
        spoil: |put, _| put.key = b"north".to_vec(),
    },
];

const fn decode(name: &'static str, spoil: fn(&mut Put, &Ids)) -> Spoiling {
    Spoiling { name, reason: "decode", blocks: true, spoil }
}

fn of_schema(put: &mut Put, id: u32) {
    put.value[1..5].copy_from_slice(&id.to_be_bytes());
}

fn behind_the_id(put: &mut Put, bytes: &[u8]) {
    put.value.truncate(5);
    put.value.extend_from_slice(bytes);
}

/// The patient is the first field that may be left out: it stands behind the visit's token, 32 letters behind their length.
fn union_out_of_range(put: &mut Put) {
    let visit = put.key.clone();
    // The token stands in the charge's name too; the field is the later one.
    let at = put.value.windows(visit.len()).rposition(|bytes| bytes == visit).unwrap_or(0);
    put.value[at + visit.len()] = 0x0e;
}
