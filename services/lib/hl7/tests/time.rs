//! Case 17: time zones and precision.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use hl7::time::{Dtm, Origin, Part, Precision, TimeError, UnknownZone, Zone, format_utc, instant};

/// A value in Berlin is this instant, written in UTC.
#[track_caller]
fn check(value: &str, precision: Precision, origin: Origin, expected: &str) {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let instant = instant(value.as_bytes(), &zone).unwrap();
    assert_eq!((instant.precision, instant.origin), (precision, origin), "{value}");
    assert_eq!(format_utc(instant.micros), expected, "{value}");
}

#[track_caller]
fn check_refused(value: &str, expected: TimeError) {
    let error = Dtm::parse(value.as_bytes()).unwrap_err();
    assert_eq!(error, expected, "{value}");
    assert!(value.len() < 3 || !error.to_string().contains(value), "an error never quotes the value");
}

#[test]
fn case_17_every_precision_is_kept_and_what_is_left_out_is_the_first() {
    check("2026", Precision::Year, Origin::Zone, "20251231230000.000+0000");
    check("202607", Precision::Month, Origin::Zone, "20260630220000.000+0000");
    check("20260301", Precision::Day, Origin::Zone, "20260228230000.000+0000");
    check("2026030112", Precision::Hour, Origin::Zone, "20260301110000.000+0000");
    check("202603011215", Precision::Minute, Origin::Zone, "20260301111500.000+0000");
    check("20260301121530", Precision::Second, Origin::Zone, "20260301111530.000+0000");
    check("20260301121530.5", Precision::Fraction(1), Origin::Zone, "20260301111530.500+0000");
    check("20260301121530.05", Precision::Fraction(2), Origin::Zone, "20260301111530.050+0000");
    check("20260301121530.123", Precision::Fraction(3), Origin::Zone, "20260301111530.123+0000");
    check("20260301121530.1234", Precision::Fraction(4), Origin::Zone, "20260301111530.123+0000");
    let micros = |value: &str| instant(value.as_bytes(), &Zone::UTC).unwrap().micros;
    assert_eq!(micros("19700101000000.1234"), 123_400);
    assert_eq!(micros("19700101000000.123456"), 123_456);
    assert_eq!(micros("19691231235959.9999"), -100);
}

#[test]
fn case_17_an_offset_in_the_value_holds_at_any_precision() {
    check("2026-0500", Precision::Year, Origin::Stated, "20260101050000.000+0000");
    check("20260301+0530", Precision::Day, Origin::Stated, "20260228183000.000+0000");
    check("202603011215-0000", Precision::Minute, Origin::Stated, "20260301121500.000+0000");
    check("20260301121530.1234+0100", Precision::Fraction(4), Origin::Stated, "20260301111530.123+0000");
    check("99991231235959-1400", Precision::Second, Origin::Stated, "99991231235959.999+0000");
}

#[test]
fn case_17_a_local_time_that_occurs_twice_is_the_first() {
    check("20261025015959", Precision::Second, Origin::Zone, "20261024235959.000+0000");
    check("20261025023000", Precision::Second, Origin::ZoneFold, "20261025003000.000+0000");
    check("20261025030000", Precision::Second, Origin::Zone, "20261025020000.000+0000");
    check("20261025023000+0100", Precision::Second, Origin::Stated, "20261025013000.000+0000");
}

#[test]
fn case_17_a_local_time_that_never_occurs_is_shifted_forward() {
    check("20260329015959", Precision::Second, Origin::Zone, "20260329005959.000+0000");
    check("20260329023000", Precision::Second, Origin::ZoneGap, "20260329013000.000+0000");
    check("20260329030000", Precision::Second, Origin::Zone, "20260329010000.000+0000");
    // A whole day was left out here.
    let apia = Zone::named("Pacific/Apia").unwrap();
    let day = instant(b"20111230", &apia).unwrap();
    assert_eq!((day.origin, format_utc(day.micros).as_str()), (Origin::ZoneGap, "20111230100000.000+0000"));
}

#[test]
fn case_17_the_end_of_time_is_a_time() {
    check("99991231", Precision::Day, Origin::Zone, "99991230230000.000+0000");
    check("00010101", Precision::Day, Origin::Zone, "00010101000000.000+0000");
    assert_eq!(format_utc(i64::MAX), "99991231235959.999+0000");
    assert_eq!(format_utc(i64::MIN), "00010101000000.000+0000");
    assert_eq!(format_utc(-1), "19691231235959.999+0000");
}

#[test]
fn case_17_a_date_of_birth_does_not_move_with_the_zone() {
    let born = Dtm::parse(b"19700228").unwrap();
    assert_eq!((born.date(), born.precision()), ((1970, 2, 28), Precision::Day));
}

#[test]
fn case_17_an_error_names_the_part_and_not_the_value() {
    let short = |part| TimeError::CutShort { part };
    let range = |part| TimeError::OutOfRange { part };
    let unexpected = |position| TimeError::Unexpected { position };
    check_refused("", TimeError::Empty);
    check_refused("202", short(Part::Year));
    check_refused("20260", short(Part::Month));
    check_refused("2026030", short(Part::Day));
    check_refused("202603011", short(Part::Hour));
    check_refused("2026030112153", short(Part::Second));
    check_refused("20260301121530.", short(Part::Fraction));
    check_refused("20260301+01", short(Part::Offset));
    check_refused("00000101", range(Part::Year));
    check_refused("20261301", range(Part::Month));
    check_refused("20260001", range(Part::Month));
    check_refused("20260230", range(Part::Day));
    check_refused("20260300", range(Part::Day));
    check_refused("2026030124", range(Part::Hour));
    check_refused("202603011260", range(Part::Minute));
    check_refused("20260301121560", range(Part::Second));
    check_refused("20260301+2400", range(Part::Offset));
    check_refused("20260301121530.1234567", TimeError::FractionTooFine);
    check_refused("2026-03-01", short(Part::Offset));
    check_refused("2026/03/01", unexpected(4));
    check_refused("01.03.2026", short(Part::Year));
    check_refused("20260301 1215", unexpected(8));
    check_refused("202603011215.5", unexpected(12));
    check_refused("20260301121530+0100x", unexpected(19));
    check_refused("x", unexpected(0));
    check_refused("202603011215301", unexpected(14));
}

#[test]
fn a_zone_is_one_of_the_database() {
    assert_eq!(Zone::named("Mars/Olympus"), Err(UnknownZone));
    assert!(Zone::named("America/New_York").is_ok());
}

#[test]
fn case_17_a_point_in_time_is_on_the_day_of_the_zone() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let day = |zone: &Zone, value: &str| zone.date(instant(value.as_bytes(), &Zone::UTC).unwrap().micros);
    assert_eq!(day(&berlin, "20260228225959"), Some((2026, 2, 28)));
    assert_eq!(day(&berlin, "20260228230000"), Some((2026, 3, 1)));
    assert_eq!(day(&berlin, "20260630220000"), Some((2026, 7, 1)), "in summer");
    assert_eq!(day(&Zone::UTC, "20260228230000"), Some((2026, 2, 28)));
    assert_eq!(berlin.date(i64::MAX), None);
}
