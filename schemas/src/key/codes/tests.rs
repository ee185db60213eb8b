//! Keys read back what they write, refuse the rest, and have one way to be written.

use super::*;
use crate::key::tests::check;

/// A code, and the key it makes.
#[track_caller]
fn check_of(plain: &str, expected: Result<&str, KeyError>) {
    let item = ItemCode::of(plain);
    assert_eq!(item.as_ref().map(ItemCode::as_str).map_err(|error| *error), expected, "{plain:?}");
    if let Ok(item) = item {
        assert_eq!(item.plain(), plain);
        check::<ItemCode>(item.as_str(), Ok(()));
    }
}

#[test]
fn a_code_may_be_any_text_that_is_not_empty_nor_too_long() {
    check_of("FURN-7777", Ok("FURN-7777"));
    check_of("Größe 2/3 *", Ok("Größe 2/3 *"));
    check_of("a@b", Ok("a%40b"));
    check_of("50%", Ok("50%25"));
    check_of("%40", Ok("%2540"));
    check_of("a\tb\u{85}", Ok("a%09b%C2%85"));
    check_of("", Err(KeyError::Code));
    check_of(&"x".repeat(128), Ok(&"x".repeat(128)));
    check_of(&"x".repeat(129), Err(KeyError::Code));
    check_of(&"@".repeat(43), Err(KeyError::Code));
}

#[test]
fn a_code_is_written_in_one_way_only() {
    for wrong in ["", "a@b", "a\nb", "50%", "%4", "%zz", "%+1", "%41", "%2f", "%c2%85", "%C2", "%é"] {
        check::<ItemCode>(wrong, Err(KeyError::Code));
        check::<LocationCode>(wrong, Err(KeyError::Code));
        check::<PartnerCode>(wrong, Err(KeyError::Code));
    }
    check::<LocationCode>("WH/Stock/Theatre 2", Ok(()));
    check::<PartnerCode>("a%40b", Ok(()));
}

#[test]
fn stock_is_of_an_item_at_a_location() {
    check::<StockKey>("FURN-7777@WH-STOCK", Ok(()));
    check::<StockKey>("a%40b@c/d", Ok(()));
    check::<StockKey>("FURN-7777", Err(KeyError::Parts("item@location")));
    check::<StockKey>("FURN-7777@", Err(KeyError::Code));
    check::<StockKey>("@WH", Err(KeyError::Code));
    check::<StockKey>("a@b@c", Err(KeyError::Code));
    let key = StockKey::of(&ItemCode::of("a@b").unwrap(), &LocationCode::of("c").unwrap());
    assert_eq!(key.to_string(), "a%40b@c");
    assert_eq!(serde_json::to_string(&key).unwrap(), "\"a%40b@c\"");
}

#[test]
fn a_code_of_a_table_is_a_senders_or_everybodys() {
    const FORM: KeyError = KeyError::Parts("table/sender/code");
    check::<CodeKey>("charge/*/99213", Ok(()));
    check::<CodeKey>("department/lakeside-ehr/ICU%2F2@x", Ok(()));
    check::<CodeKey>("unit/north/*", Ok(()));
    check::<CodeKey>("charge/*/", Err(KeyError::Code));
    check::<CodeKey>("charge/*/a%40", Err(KeyError::Code));
    check::<CodeKey>("charge//99213", Err(KeyError::Name));
    check::<CodeKey>("charge/a b/99213", Err(KeyError::Name));
    check::<CodeKey>("unknown/*/99213", Err(KeyError::Table));
    check::<CodeKey>("Charge/*/99213", Err(KeyError::Table));
    check::<CodeKey>("charge/99213", Err(FORM));
    check::<CodeKey>("charge/*/99/213", Err(FORM));
    let sender: SenderName = "north".parse().unwrap();
    let key = CodeKey::of(CodeTable::Location, Some(&sender), "4W/12").unwrap();
    assert_eq!(key.to_string(), "location/north/4W%2F12");
    assert_eq!((key.table(), key.sender(), key.code()), (CodeTable::Location, Some(&sender), "4W/12"));
    assert_eq!(key.for_everybody().to_string(), "location/*/4W%2F12");
    assert_eq!(CodeKey::of(CodeTable::Unknown, None, "x"), Err(KeyError::Table));
    assert_eq!(CodeKey::of(CodeTable::Unit, None, ""), Err(KeyError::Code));
}

#[test]
fn every_table_of_the_schema_has_keys() {
    let schema: serde_json::Value =
        serde_json::from_str(<crate::Code as crate::Event>::SCHEMA).expect("a schema");
    let table = schema["fields"].as_array().unwrap().iter().find(|field| field["name"] == "table").unwrap();
    let mut symbols: Vec<_> = table["type"]["symbols"].as_array().unwrap().iter().collect();
    symbols.retain(|symbol| *symbol != "unknown");
    for symbol in &symbols {
        check::<CodeKey>(&format!("{}/*/x", symbol.as_str().unwrap()), Ok(()));
    }
    assert_eq!(symbols.len(), TABLES.len());
}

/// Codes of letters that are escaped, and of some that are not, by a seed (xorshift64*).
fn codes(mut seed: u64) -> impl Iterator<Item = String> {
    const LETTERS: [char; 12] = ['a', 'Z', '0', ' ', '%', '@', '/', '*', '\n', '\u{7f}', '\u{9f}', 'é'];
    let mut below = move |limit: usize| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        (seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    };
    std::iter::repeat_with(move || (0..=below(20)).map(|_| LETTERS[below(LETTERS.len())]).collect())
}

#[test]
fn different_codes_have_different_keys_that_read_back() {
    let sender: SenderName = "north".parse().unwrap();
    let mut texts = std::collections::BTreeMap::new();
    for (plain, other) in codes(7).zip(codes(11)).take(20_000) {
        let (item, location) = (ItemCode::of(&plain).unwrap(), LocationCode::of(&other).unwrap());
        assert_eq!((item.plain(), location.plain()), (plain.clone(), other.clone()));
        let stock = StockKey::of(&item, &location);
        assert_eq!(stock.to_string().parse(), Ok(stock.clone()));
        assert!(!stock.to_string().contains(char::is_control));
        let code = CodeKey::of(CodeTable::Charge, Some(&sender), &plain).unwrap();
        assert_eq!(code.to_string().parse(), Ok(code.clone()));
        let before = texts.insert((stock.to_string(), code.to_string()), (plain.clone(), other.clone()));
        assert!(before.is_none_or(|before| before == (plain, other)));
    }
}
