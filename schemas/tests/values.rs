//! Values of the contract: decimals, times, names and ids, headers. All of them are fixed for life.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use canon::decimal::DecimalError;
use canon::headers::{HeaderError, Headers};
use canon::{Change, Date, Fixed, Money, Name, Phi, Timestamp, TraceParent, event_id};
use uuid::Uuid;

#[track_caller]
fn check_money(text: &str, expected: Result<&str, DecimalError>) {
    let read = text.parse::<Money>();
    assert_eq!(read.map(|money| money.to_string()), expected.map(str::to_owned), "{text}");
}

#[test]
fn money_is_read_exactly_or_not_at_all() {
    let (scale, precision) = (DecimalError::Scale { scale: 4 }, DecimalError::Precision { precision: 18 });
    check_money("12.34", Ok("12.34"));
    check_money("12.3400000000", Ok("12.34"));
    check_money("-0.0001", Ok("-0.0001"));
    check_money("-0", Ok("0"));
    check_money("+7", Ok("7"));
    check_money(".5", Ok("0.5"));
    check_money("5.", Ok("5"));
    check_money("000000000000000000000000007", Ok("7"));
    check_money("99999999999999.9999", Ok("99999999999999.9999"));
    check_money("1234.56501", Err(scale));
    check_money("100000000000000", Err(precision));
    check_money("1e3", Err(DecimalError::Form));
    check_money("1,000.00", Err(DecimalError::Form));
    check_money("1.2.3", Err(DecimalError::Form));
    check_money("--1", Err(DecimalError::Form));
    check_money("", Err(DecimalError::Form));
    check_money(".", Err(DecimalError::Form));
    check_money(" 1", Err(DecimalError::Form));
    check_money(&"9".repeat(60), Err(precision));
}

#[test]
fn money_is_reckoned_exactly_or_not_at_all() {
    let money = |text: &str| text.parse::<Money>().unwrap();
    let most = money("99999999999999.9999");
    assert_eq!(money("0.1").checked_add(money("0.2")), Some(money("0.3")));
    assert_eq!(most.checked_add(money("0.0001")), None);
    assert_eq!((-most).checked_sub(money("0.0001")), None);
    assert_eq!(Money::sum([most, most, -most]), Some(most));
    assert_eq!(Money::sum([most, most]), None);
    assert_eq!(Money::sum([]), Some(Money::ZERO));
    assert_eq!(money("12.5").checked_mul(money("3")), Ok(money("37.5")));
    assert_eq!(money("0.01").checked_mul(money("0.001")), Err(DecimalError::Scale { scale: 4 }));
    assert_eq!(most.checked_mul(money("2")), Err(DecimalError::Precision { precision: 18 }));
    assert_eq!(Money::from_whole(-3).unwrap().to_string(), "-3");
    assert_eq!(Money::from_unscaled(123_400).unwrap(), money("12.34"));
    assert!(Money::from_unscaled(i64::MIN).is_err());
    assert_eq!((money("12.3400").decimals(), money("12").decimals(), money("0.0001").decimals()), (2, 0, 4));
    assert_eq!(format!("{:.2} {:.2} {:.9}", money("12"), money("-0.125"), money("1")), "12.00 -0.125 1.0000");
    assert_eq!("7".parse::<Fixed<1, 0>>().unwrap().to_string(), "7");
    assert_eq!(serde_json::to_string(&money("12.3400")).unwrap(), "\"12.34\"");
    assert!(serde_json::from_str::<Money>("12.34").is_err(), "a float is no money");
}

#[test]
fn times_and_days_are_written_as_the_world_writes_them() {
    let time: Timestamp = "2026-11-20T01:02:03.000004+01:00".parse().unwrap();
    assert_eq!(time.to_string(), "2026-11-20T00:02:03.000004Z");
    assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    assert_eq!((Timestamp(-1).as_millis(), Timestamp(-1).date().to_string()), (-1, "1969-12-31".to_owned()));
    assert_eq!(Timestamp::MAX + std::time::Duration::from_secs(1), Timestamp::MAX);
    assert!(!Timestamp::MAX.to_string().is_empty() && !Date(i32::MIN).to_string().is_empty());
    assert_eq!(time.date().to_string(), "2026-11-20");
    assert_eq!("2024-02-29".parse(), Ok(Date::from_ymd(2024, 2, 29).unwrap()));
    assert_eq!(Date::from_ymd(2024, 2, 29).unwrap().midnight().to_string(), "2024-02-29T00:00:00Z");
    for wrong in ["2023-02-29", "20240229", "2024-2-9", "2024-02-29T00:00", ""] {
        assert!(wrong.parse::<Date>().is_err(), "{wrong}");
    }
    assert_eq!(time.since(Timestamp::EPOCH).as_micros(), time.0.unsigned_abs().into());
    assert!(Timestamp::EPOCH.since(time).is_zero());
}

#[test]
fn names_and_ids_are_the_same_for_ever() {
    let name = Name::new("charge", &["a/b", "50%", ""]);
    assert_eq!(name.as_str(), "charge/a%2Fb/50%25/");
    assert_eq!("charge/a%2Fb/50%25/".parse(), Ok(name));
    assert_ne!(Name::new("x", &["a", "b"]), Name::new("x", &["a/b"]));
    assert!("".parse::<Name>().is_err() && "/a".parse::<Name>().is_err());
    let fact = Name::new("charge", &["lakeside", "T1"]).fact_id("billing.charge.v1");
    assert_eq!(fact.to_string(), "ec00c0ec-d1b7-5b44-919b-2a2b42e18003");
    assert_eq!(event_id(fact, 1).to_string(), "662f7f82-3044-5211-be23-c7001159f6e7");
    assert_eq!(event_id(fact, 2).to_string(), "772e70b5-855b-5379-b273-db7e09fef1e3");
    assert_ne!(fact, Name::new("charge", &["lakeside", "T1"]).fact_id("billing.charge.v2"));
}

fn headers() -> Headers {
    Headers {
        id: Uuid::from_u128(1),
        source: "billing-projector".to_owned(),
        r#type: "billing.case.v1".to_owned(),
        time: Timestamp(1_790_000_000_123_456),
        subject: "5a".repeat(16),
        version: Some(7),
        revision: Some(2),
        factname: "case/5a".to_owned(),
        correlationid: Some("c".to_owned()),
        causationid: None,
        facility: None,
        sourceref: Some("billing.charge.v1/3/42".to_owned()),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok(),
    }
}

fn read(pairs: &[(String, Vec<u8>)]) -> Result<Headers, HeaderError> {
    Headers::from_pairs(pairs.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
}

#[test]
fn headers_read_back_what_they_write() {
    assert!(headers().traceparent.is_some());
    let pairs = headers().to_pairs();
    assert_eq!(read(&pairs), Ok(headers()));
    assert!(pairs.contains(&("ce_specversion".to_owned(), b"1.0".to_vec())));
    assert!(pairs.contains(&("ce_time".to_owned(), b"2026-09-21T14:13:20.123456Z".to_vec())));
    assert!(!pairs.iter().any(|(name, _)| name == "ce_facility"));
    let bare = Headers { version: None, revision: None, traceparent: None, ..headers() };
    assert_eq!(read(&bare.to_pairs()), Ok(bare));
}

#[test]
fn headers_not_of_this_contract_are_refused() {
    let without = |name: &str| {
        let pairs: Vec<_> = headers().to_pairs().into_iter().filter(|(header, _)| header != name).collect();
        read(&pairs)
    };
    let with = |name: &str, value: &[u8]| {
        let mut pairs = headers().to_pairs();
        pairs.iter_mut().filter(|(header, _)| header == name).for_each(|pair| pair.1 = value.to_vec());
        read(&pairs)
    };
    assert_eq!(without("ce_id"), Err(HeaderError::Missing("ce_id")));
    assert_eq!(without("ce_factname"), Err(HeaderError::Missing("ce_factname")));
    assert_eq!(with("ce_specversion", b"0.3"), Err(HeaderError::Unreadable("ce_specversion")));
    assert_eq!(with("ce_version", b"seven"), Err(HeaderError::Unreadable("ce_version")));
    assert_eq!(with("ce_subject", b"\xff"), Err(HeaderError::Unreadable("ce_subject")));
    let untraced = Headers { traceparent: None, ..headers() };
    assert_eq!(with("traceparent", b"garbage"), Ok(untraced), "tracing does not stop a record");
}

#[test]
fn a_traceparent_is_read_as_the_standard_says() {
    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let parsed: TraceParent = GOOD.parse().unwrap();
    assert!(parsed.is_sampled());
    assert_eq!(parsed.to_string(), GOOD);
    assert!(format!("01{}-more", &GOOD[2..]).parse::<TraceParent>().is_ok(), "a later version may say more");
    for wrong in [
        "",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        assert!(wrong.parse::<TraceParent>().is_err(), "{wrong}");
    }
}

#[test]
fn phi_is_carried_and_never_printed() {
    let name = Phi("Zz Canary".to_owned());
    assert_eq!(format!("{name} {name:?} {:?}", Some(&name)), "[redacted] [redacted] Some([redacted])");
    assert_eq!(serde_json::to_string(&name).unwrap(), "\"Zz Canary\"");
    assert_eq!(name.reveal(), "Zz Canary");
}

#[test]
fn a_change_of_a_newer_writer_is_unknown() {
    assert_eq!(serde_json::from_str::<Change>("\"merged\"").unwrap(), Change::Unknown);
    assert_eq!(serde_json::to_string(&Change::Withdrawn).unwrap(), "\"withdrawn\"");
}
