//! Tables as people write them, right and wrong.

use canon::CodeTable;
use codes::{Mistake, look, read};
use std::fs;
use std::path::PathBuf;

/// A folder with these files; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn of(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("vertebra-codes-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        for (file, text) in files {
            fs::write(path.join(file), text).expect("a file");
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn rows_of_one_code_are_its_times_in_their_order() {
    let charge = "code,target,valid_from,valid_to,price,currency,sender\n\
        CON-1,CON,2026-04-01,,131.50,USD,\n\
        CON-1,CON,,2026-04-01,120,USD,*\n\
        CON-1,OWN,,,99.0001,EUR,north\n";
    let folder = Folder::of("times", &[("charge.csv", charge), ("notes.txt", "not a table")]);
    let codes = read(&folder.0).expect("codes");
    let keys: Vec<String> = codes.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["charge/*/CON-1", "charge/north/CON-1"]);
    let everybodys = &codes.values().next().expect("one").entries;
    let prices: Vec<String> =
        everybodys.iter().filter_map(|entry| entry.price).map(|price| price.to_string()).collect();
    assert_eq!(prices.len(), 2);
    assert!(everybodys[0].valid_from.is_none() && everybodys[1].valid_to.is_none());
    assert!(codes.values().all(|code| code.table == CodeTable::Charge));
}

/// The mistakes as they are told, without the folder.
#[track_caller]
fn check(name: &str, table: &str, told: &[&str]) {
    let folder = Folder::of(name, &[("charge.csv", table)]);
    let mistakes: Vec<Mistake> = read(&folder.0).err().unwrap_or_default();
    let prefix = format!("{}/", folder.0.display());
    let said: Vec<String> = mistakes.iter().map(|mistake| mistake.to_string().replace(&prefix, "")).collect();
    assert_eq!(said.len(), told.len(), "{said:?}");
    for (said, told) in said.iter().zip(told) {
        assert!(said.starts_with(told), "{said:?}, expected {told:?}");
    }
}

#[test]
fn every_mistake_is_told_with_its_file_and_line() {
    let table = "table,code,target,valid_from,valid_to,price,currency\n\
        ward,A,B,,,,\n\
        payer,A,,,,,\n\
        charge,A,B,1.4.2026,,,\n\
        charge,A,B,2026-04-01,2026-04-01,,\n\
        charge,A,B,,,12.345678,USD\n\
        charge,A,B,,,12.34,\n\
        charge,A,B,,,12.34,usd\n\
        charge,,B,,,,\n\
        charge,A,B,,,12.34,USD\n";
    let told = [
        "charge.csv:2: `table` is not",
        "charge.csv:3: `target` is not",
        "charge.csv:4: `valid_from` is not",
        "charge.csv:5: `valid_to` is not",
        "charge.csv:6: `price` is not",
        "charge.csv:7: `currency` is not",
        "charge.csv:8: `currency` is not",
        "charge.csv:9: `code` is not",
    ];
    check("mistakes", table, &told);
}

#[test]
fn two_rows_of_one_code_may_not_hold_on_one_day() {
    let table = "code,target,valid_from,valid_to\nA,X,,2026-05-01\nA,Y,2026-04-30,\nB,X,,\nA,Z,2026-05-01,\n";
    check("overlap", table, &["charge.csv:3: it holds on days on which line 2 says something else"]);
}

#[test]
fn a_column_that_is_not_known_and_a_folder_that_is_not_there_are_told() {
    check("column", "code,target,colour\nA,B,red\n", &["charge.csv:2: it cannot be read as a code table"]);
    let mistakes = read(&PathBuf::from("/nonexistent/codes")).expect_err("no folder");
    assert!(mistakes[0].to_string().starts_with("/nonexistent/codes: it cannot be read"));
}

#[test]
fn a_folder_without_any_table_is_a_mistake() {
    let folder = Folder::of("empty", &[("notes.txt", "not a table")]);
    let mistakes = read(&folder.0).expect_err("no table");
    let told = format!("{}: there is no code table (*.csv) in this folder", folder.0.display());
    assert_eq!(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>(), [told]);
}

#[test]
fn two_looks_are_alike_where_no_byte_of_the_tables_is_another() {
    let folder = Folder::of("looks", &[("charge.csv", "code,target\nA,X\n"), ("notes.txt", "")]);
    let write = |file: &str, text: &str| fs::write(folder.0.join(file), text).expect("written");
    let first = look(&folder.0).print;
    write("notes.txt", "not a table");
    assert_eq!(look(&folder.0).print, first);
    write("charge.csv", "code,target\nA,X\nB");
    let half = look(&folder.0);
    assert!(half.codes.is_err() && half.print != first);
    write("charge.csv", "code,target\nA,X\n");
    assert_eq!(look(&folder.0).print, first);
    write("unit.csv", "code,target\n");
    assert_ne!(look(&folder.0).print, first);
}
