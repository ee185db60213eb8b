//! Decimals out of JSON numbers without a float in between.

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::value::RawValue;
use std::fmt;

/// Digits that a decimal keeps on its way through a binary double and back (`DBL_DIG`).
const DIGITS_KEPT: u32 = 15;

/// A number of a JSON answer as the decimal that its text says. Deserialize it directly from JSON text; it is not for
/// `serde_json::Value` nor for flattened or untagged types, which turn numbers into floats first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(pub Decimal);

/// The JSON text is not a number that a [`Decimal`] holds exactly (28 digits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number of at most 28 digits")]
pub struct NotExact;

impl Exact {
    /// Reads a JSON number's text, exponents included: `12.34`, `100.0`, `1e-05`.
    pub fn parse(text: &str) -> Result<Self, NotExact> {
        let parsed = match text.contains(['e', 'E']) {
            true => Decimal::from_scientific(text),
            false => Decimal::from_str_exact(text),
        };
        parsed.map(|number| Self(number.normalize())).map_err(|_| NotExact)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(D::Error::custom)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether Odoo's floats give this number back as it was sent.
pub fn is_exact_in_odoo(number: Decimal) -> bool {
    let mantissa = number.normalize().mantissa().unsigned_abs();
    mantissa < 10u128.pow(DIGITS_KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, decimal: &str) {
        let read: Exact = serde_json::from_str(json).unwrap();
        assert_eq!(read.to_string(), decimal);
    }

    #[test]
    fn a_json_number_becomes_the_decimal_its_text_says() {
        check("12.34", "12.34");
        check("1500.0", "1500");
        check("0.1", "0.1");
        check("-0.005", "-0.005");
        check("0", "0");
        check("1e-05", "0.00001");
        check("1.5E+16", "15000000000000000");
        check("99999999999999.99", "99999999999999.99");
        check("0.30000000000000004", "0.30000000000000004");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for json in ["\"12\"", "false", "null", "[]", "1e400", "123456789012345678901234567890.5"] {
            assert!(serde_json::from_str::<Exact>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn fifteen_digits_pass_odoo_unchanged_and_sixteen_may_not() {
        let exact = |text: &str| is_exact_in_odoo(Decimal::from_str_exact(text).unwrap());
        assert!(exact("9999999999999.99"));
        assert!(exact("-0.00000000000001"));
        assert!(exact("100000000000000"));
        assert!(!exact("1000000000000000000000"));
        assert!(!exact("99999999999999.99"));
    }
}
