//! One flow's books: what was acknowledged at its beginning, and where each of it is. Nothing but sums; who reads topics and
//! ledgers says of each thing where it was found.

use canon::Money;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Things that are nowhere are named up to here; all are counted.
const NAMED_MAX: usize = 20;

/// Whose part of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Of {
    /// The sender; empty of what no sender says.
    pub sender: String,
    /// The facility's code; empty where none is said.
    pub facility: String,
    /// The day in UTC: of messages when they came, of charges of the service, of requests the invoice's.
    pub day: String,
    /// ISO 4217; empty of what has no amount.
    pub currency: String,
}

/// Where a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// It took effect; of a message also: it came to nothing, as it was meant to.
    Applied,
    /// A person gave it up.
    Discarded,
    /// It was not read yet.
    InFlight,
    /// Nobody knows of it: the books are wrong.
    Missing,
    /// It waits for a person.
    Parked,
}

/// So many, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// What they come to.
    pub amount: Money,
}

/// Where the things of one account are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// What the source was told is safe.
    pub acknowledged: Sum,
    /// See [`Place`].
    pub applied: Sum,
    /// See [`Place`].
    pub parked: Sum,
    /// See [`Place`].
    pub discarded: Sum,
    /// See [`Place`].
    pub in_flight: Sum,
    /// See [`Place`].
    pub missing: Sum,
}

/// One flow: what goes from a topic through a processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// What flows: messages, charges, requests.
    pub what: &'static str,
    /// Where it begins.
    pub topic: &'static str,
    /// Who takes it.
    pub processor: &'static str,
    /// By account.
    #[serde(serialize_with = "rows")]
    pub accounts: BTreeMap<Of, Sums>,
    /// What came again and says nothing new; in no account.
    pub again: u64,
    /// Places of things that nobody knows of, the first of them.
    pub named: Vec<String>,
}

impl Flow {
    /// A flow of which nothing is known yet.
    pub fn new(what: &'static str, topic: &'static str, processor: &'static str) -> Self {
        Self { what, topic, processor, accounts: BTreeMap::new(), again: 0, named: Vec::new() }
    }

    /// One thing that was acknowledged, with its amount, and where its latest word is. `taken` is what of the amount took
    /// effect before: of a correction that waits, what was said first.
    pub fn add(&mut self, of: Of, amount: Money, place: Place, taken: Money, name: impl FnOnce() -> String) {
        let sums = self.accounts.entry(of).or_default();
        sums.acknowledged.add(1, amount);
        if place == Place::Missing && self.named.len() < NAMED_MAX {
            self.named.push(name());
        }
        let rest = Money::sum([amount, -taken]).unwrap_or_default();
        sums.applied.add(0, taken);
        let at = match place {
            Place::Applied => &mut sums.applied,
            Place::Discarded => &mut sums.discarded,
            Place::InFlight => &mut sums.in_flight,
            Place::Missing => &mut sums.missing,
            Place::Parked => &mut sums.parked,
        };
        at.add(1, rest);
    }

    /// Over all accounts of a currency.
    pub fn totals(&self) -> BTreeMap<&str, Sums> {
        let mut totals: BTreeMap<&str, Sums> = BTreeMap::new();
        for (of, sums) in &self.accounts {
            let total = totals.entry(of.currency.as_str()).or_default();
            total.each_mut().into_iter().zip(sums.each()).for_each(|(total, (_, sum))| {
                total.add(sum.count, sum.amount);
            });
        }
        totals
    }

    /// Whether everything is somewhere.
    pub fn balances(&self) -> bool {
        self.accounts.values().all(Sums::balance)
    }
}

impl Sum {
    fn add(&mut self, count: u64, amount: Money) {
        self.count += count;
        self.amount = Money::sum([self.amount, amount]).unwrap_or_default();
    }
}

impl Sums {
    /// With their names, what was acknowledged first.
    pub fn each(&self) -> [(&'static str, Sum); 6] {
        [
            ("acknowledged", self.acknowledged),
            ("applied", self.applied),
            ("parked", self.parked),
            ("given up", self.discarded),
            ("in flight", self.in_flight),
            ("missing", self.missing),
        ]
    }

    fn each_mut(&mut self) -> [&mut Sum; 6] {
        [
            &mut self.acknowledged,
            &mut self.applied,
            &mut self.parked,
            &mut self.discarded,
            &mut self.in_flight,
            &mut self.missing,
        ]
    }

    /// Whether nothing is missing, and the parts come to the whole.
    fn balance(&self) -> bool {
        let parts = [self.applied, self.parked, self.discarded, self.in_flight];
        let count: u64 = parts.iter().map(|part| part.count).sum();
        self.missing == Sum::default()
            && count == self.acknowledged.count
            && Money::sum(parts.iter().map(|part| part.amount)) == Some(self.acknowledged.amount)
    }
}

/// A row for people: whose, then each sum.
fn line(f: &mut fmt::Formatter<'_>, of: &str, sums: &Sums, has_money: bool) -> fmt::Result {
    write!(f, "{of:<44}")?;
    for (_, sum) in sums.each() {
        let cell = match has_money {
            true => format!("{} {:.2}", sum.count, sum.amount),
            false => sum.count.to_string(),
        };
        write!(f, " {cell:>18}")?;
    }
    writeln!(f)
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, topic, processor, .. } = self;
        write!(f, "{:<44}", format!("{what}: {topic} to {processor}"))?;
        Sums::default().each().iter().try_for_each(|(name, _)| write!(f, " {name:>18}"))?;
        writeln!(f)?;
        for (of, sums) in &self.accounts {
            let Of { sender, facility, day, currency } = of;
            let of = [sender, facility, day, currency].map(|part| if part.is_empty() { "-" } else { part });
            line(f, &of.join(" "), sums, !currency.is_empty())?;
        }
        for (currency, sums) in self.totals() {
            let of = if currency.is_empty() { "all".to_owned() } else { format!("all {currency}") };
            line(f, &of, &sums, !currency.is_empty())?;
        }
        if self.again > 0 {
            writeln!(f, "{} came again and say nothing new", self.again)?;
        }
        self.named.iter().try_for_each(|name| writeln!(f, "MISSING: {name}"))
    }
}

fn rows<S: serde::Serializer>(accounts: &BTreeMap<Of, Sums>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Row<'a> {
        #[serde(flatten)]
        of: &'a Of,
        #[serde(flatten)]
        sums: &'a Sums,
    }
    serializer.collect_seq(accounts.iter().map(|(of, sums)| Row { of, sums }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(currency: &str) -> Of {
        Of { sender: "north".to_owned(), currency: currency.to_owned(), ..Of::default() }
    }

    fn money(text: &str) -> Money {
        text.parse().expect("money")
    }

    #[track_caller]
    fn check(things: &[(&str, Place, &str)], balances: bool, expected: [(u64, &str); 6]) {
        let mut flow = Flow::new("charges", "t", "p");
        for (amount, place, taken) in things {
            flow.add(of("EUR"), money(amount), *place, money(taken), || "a place".to_owned());
        }
        let sums = &flow.totals()["EUR"];
        let told = sums.each().map(|(_, sum)| (sum.count, sum.amount.to_string()));
        let expected = expected.map(|(count, amount)| (count, amount.to_owned()));
        assert_eq!((flow.balances(), told), (balances, expected));
    }

    #[test]
    fn what_is_acknowledged_is_somewhere() {
        check(
            &[("10", Place::Applied, "0"), ("5.5", Place::Parked, "0"), ("1", Place::Discarded, "0")],
            true,
            [(3, "16.5"), (1, "10"), (1, "5.5"), (1, "1"), (0, "0"), (0, "0")],
        );
        check(
            &[("10", Place::Missing, "0"), ("-4", Place::InFlight, "0")],
            false,
            [(2, "6"), (0, "0"), (0, "0"), (0, "0"), (1, "-4"), (1, "10")],
        );
    }

    #[test]
    fn a_correction_that_waits_is_parked_with_what_it_changes() {
        check(
            &[("12", Place::Parked, "10")],
            true,
            [(1, "12"), (0, "10"), (1, "2"), (0, "0"), (0, "0"), (0, "0")],
        );
        // What the books have otherwise than it was said, and nobody knows why, is missing.
        check(
            &[("12", Place::Missing, "12.01")],
            false,
            [(1, "12"), (0, "12.01"), (0, "0"), (0, "0"), (0, "0"), (1, "-0.01")],
        );
    }

    #[test]
    fn a_missing_count_without_an_amount_is_told_too() {
        let mut flow = Flow::new("messages", "t", "p");
        flow.add(of(""), Money::ZERO, Place::Missing, Money::ZERO, || "t/0@7".to_owned());
        assert!(!flow.balances());
        assert!(flow.to_string().contains("MISSING: t/0@7"), "{flow}");
    }
}
