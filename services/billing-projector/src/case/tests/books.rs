//! The books: every amount is somewhere, whatever happens in whatever order. Histories are made from seeds; the sums
//! that the source would give are kept beside the case, and held against its report rows and its requests after each
//! step. Thousands of seeds go through the case itself, some through the live core as well.

use super::odoo::invoice;
use super::*;
use crate::rows::{AccountRow, accounts};
use canon::events::billing_invoice::{InvoiceKind, InvoiceState};
use std::collections::BTreeMap;

/// Numbers that a seed repeats (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        usize::try_from((number >> 11) % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Sender, facility, day, currency.
type Account = (String, String, String, String);

/// A source that posts at random, an Odoo in which people do what they like, and what both would say of it.
struct World {
    numbers: Numbers,
    /// Whether everything that is wanted is requested after each step, as with a hold of nought.
    at_once: bool,
    case: Case,
    steps: Vec<Step>,
    posted: BTreeMap<String, Charge>,
    requests: Vec<InvoiceRequest>,
    entered: BTreeMap<usize, InvoiceState>,
}

impl World {
    fn new(seed: u64, at_once: bool) -> Self {
        Self {
            numbers: Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            at_once,
            case: Case::default(),
            steps: Vec::new(),
            posted: BTreeMap::new(),
            requests: Vec::new(),
            entered: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        match self.numbers.below(8) {
            0..=3 => self.post(),
            4 | 5 => self.change(),
            6 => self.enter(),
            _ => self.ask(),
        }
        if self.at_once {
            self.ask();
        }
    }

    /// A new transaction; one that names another may name one that comes later, or never.
    fn post(&mut self) {
        let id = format!("t{}", self.numbers.below(9));
        if self.posted.contains_key(&id) {
            return;
        }
        let kinds = [ChargeKind::Charge, ChargeKind::Charge, ChargeKind::Credit, ChargeKind::Adjustment];
        let kind = self.numbers.one_of(&kinds);
        let names = kind != ChargeKind::Charge && self.numbers.below(4) > 0;
        let body = Charge {
            kind,
            reverses: names.then(|| format!("t{}", self.numbers.below(9))),
            amount: self.amount(kind),
            currency: self.numbers.one_of(&["EUR", "EUR", "EUR", "USD"]).to_owned(),
            sender: self.numbers.one_of(&["lakeside", "hilltop"]).to_owned(),
            facility: Some(self.numbers.one_of(&["NORTH", "SOUTH"]).to_owned()),
            company: self.company(),
            service_at: at(self.numbers.one_of(&[-60, -30, -5])),
            ..charge(&id, "0")
        };
        self.tell(body);
    }

    fn company(&mut self) -> Option<String> {
        let companies = [None, Some("base.north"), Some("base.south")];
        self.numbers.one_of(&companies).map(str::to_owned)
    }

    fn amount(&mut self, kind: ChargeKind) -> Money {
        let cents = i64::try_from(self.numbers.below(20_000)).unwrap();
        let cents = match kind {
            ChargeKind::Credit => -cents / 2,
            ChargeKind::Adjustment => cents - 10_000,
            _ => cents,
        };
        Money::from_unscaled(cents * 100).unwrap()
    }

    /// A transaction is corrected, withdrawn or stated again.
    fn change(&mut self) {
        let index = self.numbers.below(self.posted.len());
        let Some(mut body) = self.posted.values().nth(index).cloned() else { return };
        body.change = Change::Corrected;
        match self.numbers.below(6) {
            0 => body.change = Change::Withdrawn,
            1 => body.service_at = at(self.numbers.one_of(&[-60, -30, -5])),
            2 => body.currency = self.numbers.one_of(&["EUR", "USD"]).to_owned(),
            3 => {}
            4 => body.company = self.company(),
            _ => body.amount = self.amount(body.kind),
        }
        self.tell(body);
    }

    fn tell(&mut self, body: Charge) {
        let id = body.charge.clone();
        if body.change == Change::Withdrawn {
            self.case.entries.withdraw(&id, body.occurred_at);
        } else {
            let entry = Entry::of(&body, body.code.clone(), body.service_at.date()).unwrap();
            self.case.entries.put(&id, entry);
        }
        self.posted.insert(id, body.clone());
        self.steps.push(Step::Posted(body));
    }

    /// Odoo has a request, in some state.
    fn enter(&mut self) {
        let index = self.numbers.below(self.requests.len());
        let Some(request) = self.requests.get(index) else { return };
        let states =
            [InvoiceState::Draft, InvoiceState::Posted, InvoiceState::Cancelled, InvoiceState::Deleted];
        let state = self.numbers.one_of(&states);
        // The poller says of what is gone that it was withdrawn; of what it never saw, nothing.
        let is_gone = state == InvoiceState::Deleted;
        if is_gone && !self.entered.contains_key(&index) {
            return;
        }
        let change = if is_gone { Change::Withdrawn } else { Change::Recorded };
        let amounts: Vec<String> = request.lines.iter().map(|line| line.amount.to_string()).collect();
        let amounts: Vec<&str> = amounts.iter().map(String::as_str).collect();
        let kind = match request.kind {
            RequestKind::CreditNote => InvoiceKind::CreditNote,
            _ => InvoiceKind::Invoice,
        };
        let body = Invoice { change, state, kind, ..invoice(i64::from(request.number), index + 1, &amounts) };
        self.entered.insert(index, state);
        self.case.books.hear_invoice(&token(), &body);
        self.steps.push(Step::Entered(body));
    }

    fn ask(&mut self) {
        for index in self.case.ask(None, &setup(0), at(0)) {
            let command = self.case.asked[index].command(&token(), index, token(), Phi(String::new()));
            self.requests.push(command);
        }
        let positions = self.case.positions();
        assert!(!positions.values().any(Position::wants), "asked, and still wanting: {positions:?}");
        let mut left = positions.iter().filter(|(at, _)| at.left.is_some());
        assert!(left.all(|(_, position)| position.asked.is_zero()), "left behind: {positions:?}");
    }

    fn accounts(&self) -> Vec<AccountRow> {
        accounts(&self.case, &token(), &self.case.positions())
    }

    /// By account: what the source posted.
    fn source(&self) -> BTreeMap<Account, (i64, Money)> {
        let mut sums: BTreeMap<Account, (i64, Money)> = BTreeMap::new();
        for body in self.posted.values().filter(|body| body.change != Change::Withdrawn) {
            let day = body.service_at.date().to_string();
            let facility = body.facility.clone().unwrap();
            let sum = sums.entry((body.sender.clone(), facility, day, body.currency.clone())).or_default();
            *sum = (sum.0 + 1, sum.1.checked_add(body.amount).unwrap());
        }
        sums
    }

    /// By currency and state: what was requested.
    fn requested(&self) -> BTreeMap<(String, &'static str), Money> {
        let mut sums: BTreeMap<(String, &'static str), Money> = BTreeMap::new();
        for (index, request) in self.requests.iter().enumerate() {
            let total = if request.kind == RequestKind::CreditNote { -request.total } else { request.total };
            let state = match self.entered.get(&index) {
                None => "requested",
                Some(InvoiceState::Posted) => "posted",
                Some(InvoiceState::Cancelled) => "cancelled",
                Some(InvoiceState::Deleted) => "deleted",
                Some(InvoiceState::Draft | InvoiceState::Unknown) => "draft",
            };
            add(sums.entry((request.currency.clone(), state)).or_default(), total);
        }
        sums
    }

    #[track_caller]
    fn balances(&self, seed: u64) {
        let mut source = self.source();
        let mut requested = self.requested();
        let mut carried: BTreeMap<String, Money> = BTreeMap::new();
        let mut unbilled: BTreeMap<String, Money> = BTreeMap::new();
        for row in self.accounts() {
            let shown = serde_json::to_value(&row).unwrap();
            let places = [
                ("requested", row.requested),
                ("draft", row.draft),
                ("posted", row.posted),
                ("cancelled", row.cancelled),
                ("deleted", row.deleted),
            ];
            let have = Money::sum(places.iter().map(|(_, amount)| *amount).chain([row.unbilled])).unwrap();
            assert_eq!(Some(have), row.charges.checked_add(row.carried), "seed {seed}: {shown}");
            let posted = source.remove(&(row.sender, row.facility, row.day, row.currency.clone()));
            assert_eq!((row.charges_count, row.charges), posted.unwrap_or_default(), "seed {seed}: {shown}");
            for (place, amount) in places {
                add(requested.entry((row.currency.clone(), place)).or_default(), -amount);
            }
            add(carried.entry(row.currency.clone()).or_default(), row.carried);
            add(unbilled.entry(row.currency).or_default(), row.unbilled);
        }
        for (at, position) in self.case.positions() {
            let left = [position.wanted, -position.asked, -position.waiting];
            let back = position.back.iter().map(|back| back.amount);
            let open = position.open.as_ref().map(|open| -open.amount);
            assert_eq!(sum(left.into_iter().chain(back).chain(open)), Money::ZERO, "seed {seed}: {at:?}");
            add(unbilled.entry(at.currency).or_default(), -position.unbilled());
        }
        assert!(source.is_empty(), "seed {seed}: no account of {source:?}");
        assert!(requested.values().all(|left| left.is_zero()), "seed {seed}: {requested:?}");
        assert!(carried.values().all(|left| left.is_zero()), "seed {seed}: carried {carried:?}");
        assert!(unbilled.values().all(|left| left.is_zero()), "seed {seed}: unbilled {unbilled:?}");
    }

    /// A request is of one company, and a credit note of the invoice's.
    #[track_caller]
    fn nobody_pays_another_company(&self, seed: u64) {
        for (index, asked) in self.case.asked.iter().enumerate() {
            let request = &self.requests[index];
            let said = asked.lines.iter().filter_map(|line| line.place.company.as_ref());
            for company in said {
                assert_eq!(Some(company), request.company.as_ref(), "seed {seed}: {request:?}");
            }
            let reversed = asked.reverses.map(|reversed| &self.requests[reversed].company);
            assert!(reversed.is_none_or(|company| *company == request.company), "seed {seed}: {request:?}");
        }
    }

    /// No line is given back beyond its amount, and no document is below zero.
    #[track_caller]
    fn nothing_is_given_back_twice(&self, seed: u64) {
        let mut left: BTreeMap<&str, Money> = BTreeMap::new();
        for request in &self.requests {
            assert!(!request.total.is_negative(), "seed {seed}: {request:?}");
            for line in &request.lines {
                if let Some(reversed) = &line.reverses {
                    let rest = left.get_mut(reversed.as_str()).unwrap();
                    add(rest, -line.amount);
                    assert!(!rest.is_negative() && !line.amount.is_negative(), "seed {seed}: {line:?}");
                } else {
                    left.insert(&line.line, line.amount);
                }
            }
        }
    }
}

fn add(sum: &mut Money, amount: Money) {
    *sum = sum.checked_add(amount).unwrap();
}

#[test]
fn whatever_happens_every_amount_is_somewhere_and_nowhere_twice() {
    let (mut requests, mut notes) = (0, 0);
    for seed in 1..=3_000 {
        let mut world = World::new(seed, seed % 2 == 0);
        for _ in 0..30 {
            world.step();
            world.balances(seed);
        }
        world.nothing_is_given_back_twice(seed);
        world.nobody_pays_another_company(seed);
        requests += world.requests.len();
        notes += world.requests.iter().filter(|request| request.kind == RequestKind::CreditNote).count();
    }
    // The histories do what they are for.
    assert!(requests > 9_000 && notes > 3_000, "{requests} requests, {notes} credit notes");
}

#[test]
fn the_live_core_comes_to_the_same_books() {
    for seed in 1..=10 {
        let mut world = World::new(seed, true);
        for _ in 0..24 {
            world.step();
        }
        let rig = run(0, &[&[discharged("1", -1)], &world.steps[..]].concat());
        assert_eq!(rig.parked(), []);
        let rows: Vec<_> = world.accounts().iter().map(|row| serde_json::to_value(row).unwrap()).collect();
        assert_eq!(rig.rows("billing_account"), rows, "seed {seed}");
    }
}
