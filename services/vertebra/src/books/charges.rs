//! Charges: each that was stated is in the books of its visit as its latest word says, is parked, was given up, or was not read
//! yet; in number, and to the cent.

use super::{Failed, Known, Topics, named, place, read, topic};
use crate::trace::ensure;
use ::books::Reader;
use ::books::flow::{Flow, Of, Place};
use backbone::contract::SchemaSource;
use backbone::postgres::PostgresStore;
use backbone::record::Record;
use backbone::registry::Registry;
use backbone::settings::ServiceUrl;
use canon::{Change, Charge, Event, Money};
use std::collections::HashMap;

/// Who folds them.
const PROCESSOR: &str = "billing-case";
/// Charges asked for at a time.
const AT_A_TIME: usize = 1_000;

/// The latest word on a charge.
struct Said {
    of: Of,
    amount: Money,
    revision: u32,
    withdrawn: bool,
    /// The same word may be published twice.
    places: Vec<(i32, i64)>,
}

pub(super) async fn flow(
    store: &PostgresStore,
    ledgers: &ServiceUrl,
    topics: &Topics<'_>,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Flow, Failed> {
    let name = topic(Charge::TOPIC);
    let known = Known::of(store, PROCESSOR, name).await?;
    let mut flow = Flow::new("charges", name, PROCESSOR);
    let mut said: HashMap<String, Said> = HashMap::new();
    let (mut unreadable, mut words) = (Vec::new(), 0_u64);
    read(topics, name, told, async |records| {
        ensure(topics.registry, &records).await?;
        for record in &records {
            words += 1;
            match word(record, topics.registry) {
                Some((charge, word)) => keep(&mut said, charge, word),
                // It says of whom nothing: where it is it is told all the same.
                None => unreadable.push(place(record)),
            }
        }
        Ok(())
    })
    .await?;
    flow.again = words.saturating_sub((said.len() + unreadable.len()) as u64);
    for at in unreadable {
        let stands = standing(&known, &[at]).unwrap_or(Place::Missing);
        flow.add(Of::default(), Money::ZERO, stands, Money::ZERO, || named(name, at));
    }
    let reader = Reader::connect(ledgers).await?;
    let mut said: Vec<(String, Said)> = said.into_iter().collect();
    said.sort_by(|one, other| one.0.cmp(&other.0));
    for some in said.chunks(AT_A_TIME) {
        let keys: Vec<String> = some.iter().map(|(key, _)| key.clone()).collect();
        let booked = reader.charges(&keys).await?;
        for (key, word) in some {
            add(&mut flow, &known, word, booked.get(key).copied());
        }
    }
    Ok(flow)
}

/// What a record says of a charge, by visit and charge.
fn word(record: &Record, registry: &Registry) -> Option<(String, Said)> {
    let charge: Charge = registry.schemas().decode(record.value.as_deref()?).ok()?;
    let revision = super::headers(record)?.revision?;
    let withdrawn = charge.change == Change::Withdrawn;
    let of = Of {
        sender: charge.sender,
        facility: charge.facility.unwrap_or_default(),
        day: charge.service_at.date().to_string(),
        currency: charge.currency,
    };
    let amount = if withdrawn { Money::ZERO } else { charge.amount };
    let said = Said { of, amount, revision, withdrawn, places: vec![place(record)] };
    Some((format!("{}/{}", charge.encounter, charge.charge), said))
}

fn keep(said: &mut HashMap<String, Said>, charge: String, word: Said) {
    match said.get_mut(&charge) {
        Some(held) if held.revision > word.revision => {}
        Some(held) if held.revision == word.revision => held.places.extend(word.places),
        _ => {
            said.insert(charge, word);
        }
    }
}

/// Where a word is that was not taken; nothing of one that was.
fn standing(known: &Known, places: &[(i32, i64)]) -> Option<Place> {
    let any = |is: &dyn Fn(&(i32, i64)) -> bool| places.iter().any(is);
    match () {
        () if places.iter().all(|at| known.is_ahead(*at)) => Some(Place::InFlight),
        () if any(&|at| known.parked.contains(at)) => Some(Place::Parked),
        () if any(&|at| known.given_up.contains(at)) => Some(Place::Discarded),
        () => None,
    }
}

fn add(flow: &mut Flow, known: &Known, word: &Said, booked: Option<Money>) {
    let has = booked.unwrap_or_default();
    let stands = standing(known, &word.places).unwrap_or_else(|| match booked {
        // What was never heard of is not heard of when it is taken back, either.
        None if !word.withdrawn => Place::Missing,
        _ if has == word.amount => Place::Applied,
        _ => Place::Missing,
    });
    let at = word.places.first().copied().unwrap_or_default();
    let topic = flow.topic;
    flow.add(word.of.clone(), word.amount, stands, has, || named(topic, at));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn known() -> Known {
        Known {
            next: BTreeMap::from([(0, 10)]),
            parked: BTreeSet::from([(0, 5)]),
            given_up: BTreeSet::from([(0, 6)]),
        }
    }

    fn said(amount: &str, offset: i64, withdrawn: bool) -> Said {
        let amount = amount.parse().expect("money");
        Said { of: Of::default(), amount, revision: 1, withdrawn, places: vec![(0, offset)] }
    }

    #[track_caller]
    fn check(word: &Said, booked: Option<&str>, place: &str, balances: bool) {
        let mut flow = Flow::new("charges", "billing.charge.v1", PROCESSOR);
        add(&mut flow, &known(), word, booked.map(|amount| amount.parse().expect("money")));
        let totals = flow.totals();
        let sums = &totals[""];
        let placed = sums.each().into_iter().skip(1).find(|(_, sum)| sum.count == 1).expect("one").0;
        assert_eq!((placed, flow.balances()), (place, balances));
    }

    #[test]
    fn a_charge_is_where_its_latest_word_is() {
        check(&said("10", 3, false), Some("10"), "applied", true);
        check(&said("10", 3, false), Some("9"), "missing", false);
        check(&said("10", 3, false), None, "missing", false);
        check(&said("0", 3, true), None, "applied", true);
        check(&said("0", 3, true), Some("0"), "applied", true);
        check(&said("10", 5, false), Some("7"), "parked", true);
        check(&said("10", 6, false), None, "given up", true);
        check(&said("10", 10, false), None, "in flight", true);
    }

    #[test]
    fn a_word_that_was_published_twice_is_one_and_an_older_one_is_none() {
        let mut kept = HashMap::new();
        let word = |amount, revision, offset| Said { revision, ..said(amount, offset, false) };
        keep(&mut kept, "c".to_owned(), word("10", 1, 1));
        keep(&mut kept, "c".to_owned(), word("12", 2, 2));
        keep(&mut kept, "c".to_owned(), word("10", 1, 3));
        keep(&mut kept, "c".to_owned(), word("12", 2, 11));
        assert_eq!((kept["c"].amount.to_string(), kept["c"].places.len()), ("12".to_owned(), 2));
        assert_eq!(standing(&known(), &kept["c"].places), None, "it was read where it lay first");
    }
}
