//! The seeds of the fuzz target, and mutations of them, against what holds for any bytes.

mod invariants;
#[path = "../../../../tests/fuzz/mutations.rs"]
mod mutations;

#[test]
fn a_table_takes_any_bytes() {
    mutations::check("codes", 3_000, invariants::table);
}
