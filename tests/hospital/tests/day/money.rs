//! The truth's money, counted again from the bytes.

use crate::reader::{Read, good};
use hospital::truth::Standing;
use hospital::{Config, Day, Plan, Sender, Share};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// By sender, visit, transaction: kind, amount as it adds to the account, currency, what it names, when it was served.
type Book = BTreeMap<(Sender, String, String), (String, Decimal, String, String, jiff::Timestamp)>;

fn book(plan: &Plan) -> Book {
    let mut book = Book::new();
    for read in good(plan).iter().filter(|read| read.kind() == "DFT^P03" && read.sender != Sender::Lab) {
        for (place, ft1) in read.segments.iter().enumerate().filter(|(_, segment)| segment[0] == "FT1") {
            let kind = ft1[6].clone();
            let (amount, currency) = amount(read, ft1);
            let signed = if kind == "CD" { -amount.abs() } else { amount };
            let (names, default) = match read.sender {
                Sender::Clinic => (read.component(&read.segments[place + 1], 2, 1), "EUR"),
                Sender::North | Sender::Lab => (read.component(ft1, 3, 1), "USD"),
            };
            let currency = if currency.is_empty() { default.to_owned() } else { currency };
            let key = (read.sender, read.visit(), ft1[2].clone());
            book.insert(key, (kind, signed, currency, names, read.time(&ft1[4])));
        }
    }
    book
}

fn amount(read: &Read, ft1: &[String]) -> (Decimal, String) {
    let number = |text: &str| text.parse::<Decimal>().expect("a number");
    let (extended, currency) = read.money(ft1, 11);
    if !extended.is_empty() {
        return (number(&extended), currency);
    }
    let (each, currency) = read.money(ft1, 12);
    (number(&each) * number(&ft1[10]), currency)
}

fn counted(plan: &Plan) -> Book {
    let truth = plan.truth.charges.iter().filter(|charge| charge.counts());
    truth
        .map(|charge| {
            let kind = match charge.kind {
                hospital::truth::ChargeKind::Charge => "CG",
                hospital::truth::ChargeKind::Credit => "CD",
                hospital::truth::ChargeKind::Adjustment => "AJ",
            };
            let key = (charge.sender, charge.visit.clone(), charge.transaction.clone());
            let names = charge.reverses.clone().unwrap_or_default();
            (key, (kind.to_owned(), charge.net(), charge.currency.clone(), names, charge.service_at))
        })
        .collect()
}

#[track_caller]
fn check(config: &Config) {
    let plan = Day::plan(config);
    let (book, counted) = (book(&plan), counted(&plan));
    assert!(book.len() > config.patients, "{} charges", book.len());
    let differs = |one: &Book, other: &Book| -> Book {
        one.iter()
            .filter(|(key, value)| other.get(key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    assert_eq!(differs(&book, &counted), differs(&counted, &book));
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    let mut accounts: BTreeMap<(Sender, String, String), Decimal> = BTreeMap::new();
    for ((sender, visit, _), (_, amount, currency, ..)) in &book {
        *sums.entry(currency.clone()).or_default() += amount;
        *accounts.entry((*sender, visit.clone(), currency.clone())).or_default() += amount;
    }
    assert_eq!(sums, plan.truth.sums());
    let told = plan.truth.accounts();
    assert!(told.iter().all(|account| account.net == account.charged - account.credited + account.adjusted));
    let told: BTreeMap<_, _> =
        told.into_iter().map(|it| ((it.sender, it.visit, it.currency), it.net)).collect();
    assert_eq!(accounts, told);
}

#[test]
fn charges_and_sums_are_what_the_bytes_say() {
    check(&Config::new(7, 300));
    check(&Config { bad: Share::of_hundred(10), twice: Share::of_hundred(20), ..Config::new(8, 100) });
    check(&Config { bad: Share::NONE, silence: None, ..Config::new(9, 100) });
}

#[test]
fn times_hold_on_the_days_on_which_clocks_change() {
    for day in ["2025-03-30", "2025-10-26"] {
        check(&Config { day: day.parse().expect("a day"), ..Config::new(7, 60) });
    }
}

#[test]
fn a_charge_without_an_amount_costs_what_the_table_says() {
    let plan = Day::plan(&Config { unpriced: Share::of_hundred(100), ..Config::new(7, 60) });
    let mut unpriced = 0;
    for read in good(&plan).iter().filter(|read| read.kind() == "DFT^P03" && read.sender == Sender::North) {
        for ft1 in read.segments.iter().filter(|segment| segment[0] == "FT1") {
            if !read.money(ft1, 11).0.is_empty() {
                continue;
            }
            unpriced += 1;
            let charge =
                plan.truth.charges.iter().find(|charge| charge.transaction == ft1[2]).expect("in the truth");
            let rows = [hospital::TABLES[0].rows(), hospital::LATER.rows()].concat();
            let row = rows.iter().find(|row| row.code == charge.code && row.valid_to.is_empty());
            let price = row.and_then(|row| row.price).expect("a price");
            assert_eq!(charge.said[0].amount, price * ft1[10].parse::<Decimal>().expect("a number"));
        }
    }
    assert!(unpriced > 50, "{unpriced}");
}

#[test]
fn what_takes_back_names_a_charge_of_its_visit_and_never_more_than_it() {
    let truth = Day::plan(&Config::new(7, 300)).truth;
    for charge in truth.charges.iter().filter(|charge| charge.reverses.is_some()) {
        let is_it = |other: &&hospital::truth::Charge| {
            other.visit == charge.visit && Some(&other.transaction) == charge.reverses.as_ref()
        };
        let of = truth.charges.iter().find(is_it).expect("a charge of the visit");
        assert!(of.amount + charge.net() >= Decimal::ZERO, "{charge:?}");
    }
    for account in truth.accounts() {
        let visit = truth.visits.iter().find(|visit| visit.visit == account.visit).expect("its visit");
        assert_eq!(account.finished, visit.standing == Standing::Finished);
        assert!(visit.standing != Standing::Cancelled || account.net.is_zero());
    }
}
