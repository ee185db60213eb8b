//! What has to hold at the end of a schedule, over the ledger, the topics and the world outside.

use super::{LANES, Scenario, headers, version};
use crate::emission::Emitted;
use crate::projection::Projection;
use crate::rebuild::{Ground, Rebuilt, is_come_to, rebuild};
use crate::reject::Reason;
use crate::sim::sample::{self, Left, Order, Right, TOPICS, Tally};
use crate::store::{Ended, LaneId, ParkedItem};
use canon::event::{Event, Name};
use canon::key::EncounterToken;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

impl Scenario {
    pub(super) fn check(&self) -> Result<(), String> {
        self.each_input_is_applied_or_parked_once()?;
        self.parked_inputs_keep_their_order()?;
        self.only_killers_are_parked_as_such()?;
        for topic in [sample::Sum::TOPIC, sample::Order::TOPIC, sample::Note::TOPIC] {
            for lane in 0..LANES {
                self.versions_rise_without_gaps(topic, lane)?;
            }
        }
        self.nobody_waits_behind_nobody()?;
        self.the_journal_has_each_batch_once()?;
        self.decisions_keep_what_was_decided()?;
        self.each_command_took_effect_once_in_order()?;
        self.commands_and_their_amendments_come_to_what_is_in_force()?;
        (0..LANES).try_for_each(|lane| self.a_rebuild_equals_the_live_state(lane))
    }

    fn each_input_is_applied_or_parked_once(&self) -> Result<(), String> {
        let keys: BTreeSet<&EncounterToken> = self.inputs.iter().map(|(_, key, _)| key).collect();
        for key in keys {
            let state = self.state(key);
            if state.doubled > 0 {
                return Err(format!("{key}: {} inputs were folded twice", state.doubled));
            }
            for (topic, applied) in [(Left::TOPIC, &state.left), (Right::TOPIC, &state.right)] {
                let came = self.inputs.iter().filter(|(of, k, _)| *of == topic && k == key);
                let came: BTreeSet<i64> = came.map(|(_, _, version)| *version).collect();
                let parked = self.parked(key, topic);
                let given_up = self.given_up(key, topic);
                let mut ended: Vec<i64> = applied.iter().copied().chain(parked).chain(given_up).collect();
                ended.sort_unstable();
                if ended != came.iter().copied().collect::<Vec<_>>() {
                    return Err(format!("{key} {topic}: {ended:?} ended of {came:?}"));
                }
            }
        }
        Ok(())
    }

    fn state(&self, key: &EncounterToken) -> Tally {
        let tables = self.store.tables();
        let stored = tables.states.get(&(Tally::NAME, key.to_string()));
        stored.map(|stored| serde_json::from_value(stored.body.clone()).unwrap()).unwrap_or_default()
    }

    fn parked(&self, key: &EncounterToken, topic: &str) -> Vec<i64> {
        let tables = self.store.tables();
        let records = tables.parked.values().filter_map(|(_, parked)| match &parked.item {
            ParkedItem::Record(record) if parked.chain.as_deref() == Some(key.as_str()) => Some(record),
            _ => None,
        });
        records.filter(|record| record.topic == topic).filter_map(version).collect()
    }

    fn parked_inputs_keep_their_order(&self) -> Result<(), String> {
        let keys: BTreeSet<&EncounterToken> = self.inputs.iter().map(|(_, key, _)| key).collect();
        for key in keys {
            for topic in [Left::TOPIC, Right::TOPIC] {
                let parked = self.parked(key, topic);
                if !parked.is_sorted() {
                    return Err(format!("{key} {topic}: parked out of order: {parked:?}"));
                }
            }
            let tables = self.store.tables();
            let chain = tables.parked.values().filter(|(lane, parked)| {
                lane.processor == Tally::NAME && parked.chain.as_deref() == Some(key.as_str())
            });
            let heads = chain.filter(|(_, parked)| parked.reason != Reason::Behind).count();
            if heads > 1 {
                return Err(format!("{key}: {heads} heads of one chain"));
            }
        }
        Ok(())
    }

    /// The first of a chain is parked for a reason of its own, or for a row that has not come.
    fn nobody_waits_behind_nobody(&self) -> Result<(), String> {
        let tables = self.store.tables();
        let mut met: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (lane, parked) in tables.parked.values() {
            let Some(chain) = parked.chain.as_deref() else { continue };
            let is_first = met.insert((lane.processor, chain));
            if is_first && parked.reason == Reason::Behind && parked.waits.is_none() {
                return Err(format!("{} {chain}: what is parked waits behind nobody", lane.processor));
            }
        }
        Ok(())
    }

    fn the_journal_has_each_batch_once(&self) -> Result<(), String> {
        for (lane, entries) in &self.store.tables().journal {
            let twice = entries.windows(2).find(|two| two[0].seq >= two[1].seq);
            if let Some(two) = twice {
                return Err(format!(
                    "{lane:?}: batch {} is in the journal behind {}",
                    two[1].seq, two[0].seq
                ));
            }
        }
        Ok(())
    }

    fn only_killers_are_parked_as_such(&self) -> Result<(), String> {
        for (_, parked) in self.store.tables().parked.values() {
            let ParkedItem::Record(record) = &parked.item else { continue };
            let is_killer = self.killers.iter().any(|(topic, key, number)| {
                (*topic, Some(*number)) == (record.topic, version(record))
                    && record.key.as_deref() == Some(key.to_string().as_bytes())
            });
            if parked.reason == Reason::Crash && !is_killer {
                return Err(format!(
                    "{} {} was parked for a crash it did not cause",
                    record.topic, record.offset
                ));
            }
        }
        Ok(())
    }

    /// I4: at most one effect per command, exactly one if applied, in the order of its key.
    fn each_command_took_effect_once_in_order(&self) -> Result<(), String> {
        let orders = self.orders.lock();
        let tables = self.store.tables();
        let mut wanted: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
        for record in (0..LANES).flat_map(|lane| self.broker.committed(Order::TOPIC, lane, 0)) {
            let name = headers(&record).factname;
            let mine = wanted.entry(record.key.clone().unwrap_or_default()).or_default();
            if mine.contains(&name) {
                continue;
            }
            let ended = tables.effects.values().find(|effect| effect.name == name);
            let ended = ended.ok_or_else(|| format!("{name}: no effect and not parked"))?.ended;
            let made = orders.iter().filter(|(made, _)| *made == name).count();
            if made != usize::from(ended == Ended::Applied) {
                return Err(format!("{name}: {ended:?}, made {made} times"));
            }
            if ended == Ended::Applied {
                mine.push(name);
            }
        }
        for (key, names) in wanted {
            let made: Vec<&String> =
                orders.iter().filter(|(_, of)| of.as_bytes() == key).map(|(name, _)| name).collect();
            if made != names.iter().collect::<Vec<_>>() {
                return Err(format!("effects out of order: {made:?}, wanted {names:?}"));
            }
        }
        Ok(())
    }

    /// What was given of an order and of the differences to it is what the ledger has in force.
    fn commands_and_their_amendments_come_to_what_is_in_force(&self) -> Result<(), String> {
        // What came out otherwise after the ledger had gone back is parked, for a person.
        if self.recovered {
            return Ok(());
        }
        let schemas = &self.broker.schemas;
        let read = |wire: &[u8]| schemas.decode::<Order>(wire).map(|order| order.n);
        let mut given: BTreeMap<String, i64> = BTreeMap::new();
        for record in (0..LANES).flat_map(|lane| self.broker.committed(Order::TOPIC, lane, 0)) {
            let n = read(record.value.as_deref().unwrap_or_default()).map_err(|reject| reject.detail)?;
            given.insert(headers(&record).factname, n);
        }
        let tables = self.store.tables();
        let fixed = tables.emitted.values().filter(|row| row.name.starts_with("order%2Ffixed/"));
        for row in fixed {
            let in_force = if row.withdrawn { 0 } else { read(&row.wire).map_err(|reject| reject.detail)? };
            let mut sum = given.get(&row.name).copied().unwrap_or(0);
            for revision in 2..=row.revision {
                let name = Name::new("difference", &[row.name.clone(), revision.to_string()]).to_string();
                sum += given.get(&name).ok_or_else(|| format!("{name} was not given"))?;
            }
            if sum != in_force {
                return Err(format!("{}: {sum} was given in all, {in_force} is in force", row.name));
            }
        }
        Ok(())
    }

    /// I3 and I6: nothing stale on any topic.
    fn versions_rise_without_gaps(&self, topic: &'static str, lane: i32) -> Result<(), String> {
        let mut seen: BTreeMap<Vec<u8>, (i64, BTreeMap<i64, Uuid>, i64)> = BTreeMap::new();
        for record in self.broker.committed(topic, lane, 0) {
            let headers = headers(&record);
            let (version, id) = (headers.version.unwrap_or(0), headers.id);
            let key = record.key.clone().unwrap_or_default();
            let (most, ids, last) = seen.entry(key).or_default();
            *last = version;
            if version > *most + 1 {
                return Err(format!("{topic}/{lane}: version {version} after {most}"));
            }
            *most = (*most).max(version);
            if ids.insert(version, id).is_some_and(|other| other != id) {
                return Err(format!("{topic}/{lane}: version {version} was given twice"));
            }
        }
        let tables = self.store.tables();
        for ((of, key), counter) in &tables.counters {
            let mine = sample::contract().partition_of(topic, key.as_bytes()) == lane;
            let (most, last) = seen.get(key.as_bytes()).map_or((0, 0), |(most, _, last)| (*most, *last));
            if of == topic && mine && (*counter, *counter) != (most, last) {
                return Err(format!(
                    "{topic}/{lane} {key}: counted {counter}, published {most}, last {last}"
                ));
            }
        }
        Ok(())
    }

    /// I7.
    fn a_rebuild_equals_the_live_state(&self, number: i32) -> Result<(), String> {
        let lane = LaneId { processor: Tally::NAME, number };
        let tables = self.store.tables();
        let journal = tables.journal.get(&lane).cloned().unwrap_or_default();
        let (folding, contract) = (sample::compensating(), sample::contract());
        let schemas = &self.broker.schemas;
        let rows = &tables.table_rows;
        let taken_over = |row: &&Emitted| row.is_taken_over();
        let given: Vec<Emitted> = tables.emitted.values().filter(taken_over).cloned().collect();
        let ground = Ground {
            service: "simulated",
            program: &folding,
            contract: &contract,
            schemas,
            tables: rows,
            given: &given,
        };
        let read = |topic: &str, first: i64, next: i64| {
            let topic = TOPICS.into_iter().find(|known| *known == topic).unwrap_or_default();
            let records = self.broker.committed(topic, number, first);
            records.into_iter().filter(|record| record.offset < next).collect()
        };
        let mut rebuilt = rebuild(&ground, &journal, read).map_err(|error| error.to_string())?;
        let mine = |key: &str| contract.partition_of(Left::TOPIC, key.as_bytes()) == number;
        let live = Rebuilt {
            states: tables
                .states
                .iter()
                .filter(|((_, key), _)| mine(key))
                .map(|((_, key), state)| (key.clone(), state.clone()))
                .collect(),
            deadlines: tables
                .deadlines
                .iter()
                .filter(|((of, _), _)| *of == lane)
                .map(|((_, key), at)| (key.clone(), *at))
                .collect(),
            parked: tables
                .parked
                .values()
                .filter(|(of, _)| *of == lane)
                .map(|(_, parked)| parked.clone())
                .collect(),
            rows: tables
                .rows
                .iter()
                .filter(|((_, row), _)| mine(row))
                .map(|(at, row)| (at.clone(), row.clone()))
                .collect(),
            facts: tables
                .emitted
                .values()
                .filter(|row| mine(&row.key))
                .filter(|row| is_come_to(row, &journal))
                .map(|row| (row.fact, (row.content, row.withdrawn)))
                .collect(),
        };
        let mut live = live;
        if self.recovered {
            // What was published before the ledger went back, and came out otherwise this time: it is not stated again,
            // or was stated in between and is withdrawn.
            let is_given = |fact: &Uuid| given.iter().any(|row| row.fact == *fact);
            for facts in [&mut rebuilt.facts, &mut live.facts] {
                facts.retain(|fact, (_, withdrawn)| !*withdrawn && !is_given(fact));
            }
        }
        if rebuilt == live {
            Ok(())
        } else {
            Err(format!("lane {number}: a rebuild differs:\n{rebuilt:#?}\nlive:\n{live:#?}"))
        }
    }
}
