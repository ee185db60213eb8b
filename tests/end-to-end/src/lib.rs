//! Nothing of its own: the tests beside it run on the real stack. See `tests/first_charge.rs`.
