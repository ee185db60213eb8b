//! Everything that says what became of a day, read whole.

use super::{Books, BooksError};
use backbone::contract::SchemaSource;
use backbone::postgres::look;
use backbone::record::Record;
use backbone::store::Ended;
use canon::{
    Appointment, Case, Charge, Consumption, Encounter, Event, Headers, Invoice, InvoiceRequest, LabResult,
    Order, Patient, PatientLink, Payment, RawHl7v2, Timestamp, codec,
};
use odoo::invoice::{FoundInvoice, Invoices};
use odoo::{Context, ExternalId, Link, Maybe, Search};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Names asked for in one search.
const NAMES_PER_SEARCH: usize = 500;

/// What Kafka, the ledgers and Odoo have.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Raw messages.
    pub raw: Vec<Landed>,
    /// Facts of visits.
    pub encounters: Read<Encounter>,
    /// Facts of charges.
    pub charges: Read<Charge>,
    /// Requests for invoices.
    pub requests: Read<InvoiceRequest>,
    /// Cases, the compacted topic.
    pub cases: Read<Case>,
    /// Patients, the compacted topic.
    pub patients: Read<Patient>,
    /// Numbers of one patient, the compacted topic.
    pub links: Read<PatientLink>,
    /// Appointments.
    pub appointments: Read<Appointment>,
    /// Orders.
    pub orders: Read<Order>,
    /// Results.
    pub results: Read<LabResult>,
    /// Consumption.
    pub consumptions: Read<Consumption>,
    /// What Odoo's invoices came back as.
    pub entered: Read<Invoice>,
    /// What Odoo's payments came back as.
    pub paid: Read<Payment>,
    /// Dead-letter notices.
    pub dead_letters: usize,
    /// What waits for a person.
    pub parked: Vec<ParkedAt>,
    /// What the writer remembers, by the request's fact name: whether it took effect, and when.
    pub effects: BTreeMap<String, (bool, Timestamp)>,
    /// Odoo's invoices by the external ids that requests give them.
    pub invoices: BTreeMap<ExternalId, FoundInvoice>,
    /// How many invoices Odoo has under a visit's number, whoever made them.
    pub by_reference: BTreeMap<String, usize>,
}

/// A raw message on its topic.
#[derive(Clone, Debug)]
pub struct Landed {
    /// Its sender.
    pub sender: String,
    /// MSH-10.
    pub control_id: Option<String>,
    /// The SHA-256 of its bytes without MSH-7.
    pub content: [u8; 32],
    /// Where it stands.
    pub at: (i32, i64),
}

/// A topic's records, decoded.
#[derive(Clone, Debug)]
pub struct Read<E> {
    /// In the order of partition and offset.
    pub stated: Vec<Stated<E>>,
    /// Places of records that cannot be decoded.
    pub unreadable: Vec<(i32, i64)>,
}

impl<E> Default for Read<E> {
    fn default() -> Self {
        Self { stated: Vec::new(), unreadable: Vec::new() }
    }
}

impl<E> Read<E> {
    /// What readers see: a relay may publish rows twice, with the same version, and readers drop the second one.
    fn once(&mut self) {
        let mut met = BTreeSet::new();
        self.stated.retain(|stated| met.insert((stated.key.clone(), stated.version, stated.id)));
    }
}

/// A fact or a command on its topic.
#[derive(Clone, Debug)]
pub struct Stated<E> {
    /// Its key.
    pub key: String,
    /// Partition and offset.
    pub at: (i32, i64),
    /// `ce_id`.
    pub id: uuid::Uuid,
    /// `ce_factname`.
    pub name: String,
    /// `ce_version`.
    pub version: i64,
    /// `ce_revision`.
    pub revision: u32,
    /// The record's body; nothing in a tombstone.
    pub body: Option<E>,
}

/// Something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedAt {
    /// The service that parked it.
    pub service: &'static str,
    /// Which part of it.
    pub processor: &'static str,
    /// Topic, partition and offset; nothing for a deadline.
    pub record: Option<(String, i32, i64)>,
    /// The key that it blocks.
    pub key: Option<String>,
    /// The class of the reason.
    pub reason: String,
    /// In words.
    pub detail: String,
}

impl Books {
    /// Reads everything.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn read(&self) -> Result<Evidence, BooksError> {
        let requests: Read<InvoiceRequest> = self.stated().await?;
        let mut parked = Vec::new();
        let mut effects = BTreeMap::new();
        for (ledger, processor) in self.processors() {
            for seen in look::parked(&ledger.store, processor).await? {
                parked.push(ParkedAt {
                    service: ledger.service,
                    processor,
                    record: seen.record.map(|at| (at.topic, at.partition, at.offset)),
                    key: seen.chain,
                    reason: seen.reason.as_str().to_owned(),
                    detail: seen.detail,
                });
            }
            let ended = look::effects(&ledger.store, processor).await?;
            effects.extend(
                ended.into_values().map(|effect| (effect.name, (effect.ended == Ended::Applied, effect.at))),
            );
        }
        let bodies: Vec<&InvoiceRequest> =
            requests.stated.iter().filter_map(|stated| stated.body.as_ref()).collect();
        let invoices = self.invoices(&bodies).await?;
        let by_reference = self.by_reference(&bodies).await?;
        Ok(Evidence {
            raw: self.landed().await?,
            encounters: self.stated().await?,
            charges: self.stated().await?,
            cases: self.stated().await?,
            patients: self.stated().await?,
            links: self.stated().await?,
            appointments: self.stated().await?,
            orders: self.stated().await?,
            results: self.stated().await?,
            consumptions: self.stated().await?,
            entered: self.stated().await?,
            paid: self.stated().await?,
            dead_letters: self.tail(canon::DeadLetter::TOPIC).await?.len(),
            requests,
            parked,
            effects,
            invoices,
            by_reference,
        })
    }

    async fn landed(&self) -> Result<Vec<Landed>, BooksError> {
        let read: Read<RawHl7v2> = self
            .decoded(|record| {
                // A raw record has no version: its place will do.
                Some((record.offset, 1))
            })
            .await?;
        let landed = |stated: Stated<RawHl7v2>| {
            let raw = stated.body?;
            let content = hospital::content(raw.payload.reveal());
            Some(Landed { sender: raw.sender, control_id: raw.control_id, content, at: stated.at })
        };
        Ok(read.stated.into_iter().filter_map(landed).collect())
    }

    async fn stated<E: Event>(&self) -> Result<Read<E>, BooksError> {
        let numbers = |record: &Record| {
            let pairs = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            let headers = Headers::from_pairs(pairs).ok()?;
            Some((headers.version?, headers.revision?))
        };
        let mut read: Read<E> = self.decoded(numbers).await?;
        read.once();
        Ok(read)
    }

    async fn decoded<E: Event>(
        &self,
        numbers: impl Fn(&Record) -> Option<(i64, u32)>,
    ) -> Result<Read<E>, BooksError> {
        let records = self.tail(E::TOPIC).await?;
        let values = records.iter().filter_map(|record| record.value.as_deref());
        let ids: BTreeSet<u32> = values.filter_map(|value| Some(codec::split(value).ok()?.0)).collect();
        self.registry.ensure(&ids.into_iter().collect::<Vec<_>>()).await?;
        let mut read = Read::default();
        for record in &records {
            let at = (record.partition, record.offset);
            let pairs = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            let body = record.value.as_deref().map(|value| self.registry.schemas().decode::<E>(value));
            match (Headers::from_pairs(pairs), numbers(record), body.transpose()) {
                (Ok(headers), Some((version, revision)), Ok(body)) => read.stated.push(Stated {
                    key: String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned(),
                    at,
                    id: headers.id,
                    name: headers.factname,
                    version,
                    revision,
                    body,
                }),
                _ => read.unreadable.push(at),
            }
        }
        Ok(read)
    }

    async fn invoices(
        &self,
        requests: &[&InvoiceRequest],
    ) -> Result<BTreeMap<ExternalId, FoundInvoice>, BooksError> {
        let ids: BTreeSet<ExternalId> = requests
            .iter()
            .filter_map(|request| ExternalId::coded("invoice", &request.request).ok())
            .collect();
        let ids: Vec<ExternalId> = ids.into_iter().collect();
        let invoices = Invoices::new(self.odoo.clone(), self.companies().await?);
        let mut found = BTreeMap::new();
        for ids in ids.chunks(NAMES_PER_SEARCH) {
            found.extend(invoices.read_back(ids).await?);
        }
        Ok(found)
    }

    async fn companies(&self) -> Result<Vec<i64>, odoo::Error> {
        #[derive(Deserialize)]
        struct Row {
            id: i64,
        }
        let search = Search { fields: &["id"], order: "id", ..Search::default() };
        let rows: Vec<Row> = self.odoo.search_read("res.company", &search, &Context::new()).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    async fn by_reference(
        &self,
        requests: &[&InvoiceRequest],
    ) -> Result<BTreeMap<String, usize>, BooksError> {
        #[derive(Deserialize)]
        struct Row {
            #[serde(rename = "ref")]
            reference: Maybe<String>,
            #[serde(rename = "currency_id")]
            _currency: Maybe<Link>,
        }
        let numbers: BTreeSet<&str> =
            requests.iter().map(|request| request.visit_number.reveal().as_str()).collect();
        let numbers: Vec<&str> = numbers.into_iter().collect();
        let context = Context::new().companies(&self.companies().await?);
        let mut found = BTreeMap::new();
        for numbers in numbers.chunks(NAMES_PER_SEARCH) {
            let domain = json!([["ref", "in", numbers], ["move_type", "=", "out_invoice"]]);
            let search = Search { domain, fields: &["ref", "currency_id"], order: "id", ..Search::default() };
            let rows: Vec<Row> = self.odoo.search_read("account.move", &search, &context).await?;
            for reference in rows.into_iter().filter_map(|row| row.reference.0) {
                *found.entry(reference).or_insert(0) += 1;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn what_is_published_twice_counts_once_and_another_record_of_its_version_is_kept() {
        let rows = [(1, 10), (2, 20), (1, 10), (2, 21)];
        let stated = |(at, (version, id)): (i64, (i64, u128))| Stated {
            key: "k".to_owned(),
            at: (0, at),
            id: Uuid::from_u128(id),
            name: "n".to_owned(),
            version,
            revision: 1,
            body: Some(()),
        };
        let mut read = Read { stated: (0..).zip(rows).map(stated).collect(), unreadable: Vec::new() };
        read.once();
        assert_eq!(read.stated.iter().map(|stated| stated.at.1).collect::<Vec<_>>(), [0, 1, 3]);
    }
}
