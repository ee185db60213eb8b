//! The ledgers, held against the topics and against their own journals.

use super::{Verdict, notices};
use crate::play::stage::Stage;
use backbone::kafka::{Admin, Visible, tail};
use backbone::postgres::look;
use backbone::proof::{Proof, ProofError, prove};
use backbone::record::Record;
use backbone::store::LaneId;
use harness::{Books, Evidence, Ledger};
use std::collections::BTreeMap;
use std::time::Duration;

/// I3, I5, I6, I7 and I8, as far as ledgers tell.
pub(super) async fn read(
    verdict: &mut Verdict,
    stage: &Stage,
    books: &Books,
    evidence: &Evidence,
) -> Result<(), String> {
    verdict.not_judged(8, "nothing was parked");
    let mut topics = Topics { stage, records: BTreeMap::new() };
    for ledger in books.ledgers() {
        for (processor, inputs) in ledger.processors {
            positions(verdict, stage, ledger, processor, inputs).await?;
            journal(verdict, &mut topics, ledger, processor).await?;
            parked(verdict, &mut topics, ledger, processor).await?;
        }
    }
    bytes_told(verdict, stage, evidence).await?;
    rebuilt(verdict, stage, books).await;
    Ok(())
}

/// Topics, each read once.
struct Topics<'a> {
    stage: &'a Stage,
    records: BTreeMap<String, Vec<Record>>,
}

impl Topics<'_> {
    async fn of(&mut self, topic: &str) -> Result<&[Record], String> {
        if !self.records.contains_key(topic) {
            let catalog = canon::Catalog::builtin();
            let name = catalog.topics().map(|known| known.name.as_str()).find(|known| *known == topic);
            let name: &'static str = name.ok_or_else(|| format!("{topic} is no topic of the catalog"))?;
            let read = tail(&self.stage.world.stack.kafka(), name, Visible::Committed).await;
            self.records.insert(topic.to_owned(), read.map_err(|error| error.to_string())?);
        }
        Ok(&self.records[topic])
    }
}

/// I5: no position is beyond what is durable.
async fn positions(
    verdict: &mut Verdict,
    stage: &Stage,
    ledger: &Ledger,
    processor: &str,
    inputs: &[&str],
) -> Result<(), String> {
    let admin = Admin::new(&stage.world.stack.kafka()).map_err(|error| error.to_string())?;
    let at = look::positions(&ledger.store, processor).await.map_err(|error| error.to_string())?;
    for topic in inputs {
        for (partition, held) in admin.held(topic).await.map_err(|error| error.to_string())? {
            let next = at.get(&(partition, (*topic).to_owned())).copied().unwrap_or(0);
            if next > held.end {
                let service = ledger.service;
                verdict.violated(
                    5,
                    format!(
                        "{service} {processor}: {topic} {partition} is read to {next}, it ends at {}",
                        held.end
                    ),
                );
            }
        }
    }
    Ok(())
}

/// I6: one row per sequence, without gaps. I1: every record behind the position is in one of them, and in one only.
async fn journal(
    verdict: &mut Verdict,
    topics: &mut Topics<'_>,
    ledger: &Ledger,
    processor: &'static str,
) -> Result<(), String> {
    let positions = look::positions(&ledger.store, processor).await.map_err(|error| error.to_string())?;
    for lane in look::lanes(&ledger.store, processor).await.map_err(|error| error.to_string())? {
        let id = LaneId { processor, number: lane.number };
        let entries = look::journal(&ledger.store, id).await.map_err(|error| error.to_string())?;
        if entries.is_empty() {
            continue;
        }
        let place = format!("{} {processor} lane {}", ledger.service, lane.number);
        let mut read: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
        for entry in &entries {
            for segment in &entry.segments {
                read.entry(&segment.topic).or_default().push((segment.first, segment.next));
            }
        }
        let clocks =
            entries.windows(2).filter(|pair| pair[1].seq <= pair[0].seq || pair[1].clock < pair[0].clock);
        for pair in clocks {
            verdict.violated(6, format!("{place}: sequence {} follows {}", pair[1].seq, pair[0].seq));
        }
        for (topic, segments) in read {
            let twice = segments.windows(2).filter(|pair| pair[1].0 < pair[0].1);
            for pair in twice {
                verdict.violated(6, format!("{place}: {topic} {:?} was folded after {:?}", pair[1], pair[0]));
            }
            let next = positions.get(&(lane.number, topic.to_owned())).copied().unwrap_or(0);
            let records = topics.of(topic).await?;
            let its = records.iter().filter(|record| record.partition == lane.number && record.offset < next);
            let passed_over = its.filter(|record| {
                !segments.iter().any(|(first, next)| (*first..*next).contains(&record.offset))
            });
            for record in passed_over {
                verdict.violated(1, format!("{place}: {topic}@{} was passed over", record.offset));
            }
        }
    }
    Ok(())
}

/// I8: what is parked has the very bytes of its record. I3: whatever came behind it of its key is parked as well.
async fn parked(
    verdict: &mut Verdict,
    topics: &mut Topics<'_>,
    ledger: &Ledger,
    processor: &str,
) -> Result<(), String> {
    let parked = look::parked(&ledger.store, processor).await.map_err(|error| error.to_string())?;
    let mut chains: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
    for one in &parked {
        verdict.looked(8);
        let Some(at) = &one.record else { continue };
        let kept = look::bytes(&ledger.store, one.id).await.map_err(|error| error.to_string())?;
        let records = topics.of(&at.topic).await?;
        let of = |record: &&Record| (record.partition, record.offset) == (at.partition, at.offset);
        let place = format!("{} {processor}: {} {}@{}", ledger.service, at.topic, at.partition, at.offset);
        match (records.iter().find(of), kept) {
            (Some(record), Some(kept)) => {
                if record.value != kept.value || record.key != kept.key || record.headers != kept.headers {
                    verdict.violated(8, format!("{place} is parked with other bytes"));
                }
            }
            (record, _) => {
                let what = if record.is_some() { "without its bytes" } else { "and on no topic" };
                verdict.violated(8, format!("{place} is parked {what}"));
            }
        }
        if let Some(chain) = &one.chain {
            chains.entry((at.topic.clone(), chain.clone())).or_default().push(at.offset);
        }
    }
    for ((topic, chain), offsets) in chains {
        let first = offsets.iter().min().copied().unwrap_or(0);
        let records = topics.of(&topic).await?;
        let behind = records
            .iter()
            .filter(|record| record.offset > first && record.key.as_deref() == Some(chain.as_bytes()));
        for record in behind.filter(|record| !offsets.contains(&record.offset)) {
            verdict.violated(3, format!("{topic}@{} passed by what is parked of its key", record.offset));
        }
    }
    Ok(())
}

/// I8: whatever is parked was told to the world.
async fn bytes_told(verdict: &mut Verdict, stage: &Stage, evidence: &Evidence) -> Result<(), String> {
    for service in ["ehr-adapter", "billing-projector", "odoo-writer"] {
        let parked =
            evidence.parked.iter().filter(|one| one.service == service && one.reason != "behind").count();
        if parked > notices(stage, service).await? {
            verdict.violated(8, format!("{service} has parked {parked} and told fewer"));
        }
    }
    Ok(())
}

/// I7: what ledgers have is what their journals lead to.
async fn rebuilt(verdict: &mut Verdict, stage: &Stage, books: &Books) {
    let kafka = stage.world.stack.kafka();
    let Ok(registry) = stage.world.stack.registry() else {
        return verdict.not_judged(7, "the registry cannot be asked");
    };
    let ledger = |service: &str| books.ledgers().iter().find(|ledger| ledger.service == service);
    let (Some(billing), Some(adapter)) = (ledger("billing-projector"), ledger("ehr-adapter")) else {
        return verdict.not_judged(7, "the run has no projections");
    };
    let folding = billing_projector::folding(billing_projector::Setup {
        hold: Duration::ZERO,
        lines_max: 500,
        known_items_only: false,
        taxed: false,
        facilities: billing_projector::Facilities::default(),
    });
    let tokens = canon::Tokenizer::new(harness::SECRET.as_bytes()).expect("a secret");
    let (translation, patients) = ehr_adapter::foldings(tokens).expect("counters");
    verdict.looked(7);
    let mut told = |what: &str, proof: Result<Proof, ProofError>| match proof {
        Ok(proof) => {
            for difference in proof.differences {
                verdict.violated(7, format!("{what}: {difference}"));
            }
        }
        Err(error) => verdict.violated(7, format!("{what} cannot be rebuilt: {error}")),
    };
    told("billing", prove(folding, billing.service, &billing.store, &kafka, &registry).await);
    told("translation", prove(translation, adapter.service, &adapter.store, &kafka, &registry).await);
    told("patients", prove(patients, adapter.service, &adapter.store, &kafka, &registry).await);
}
