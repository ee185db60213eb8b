//! Exact decimals of a fixed precision and scale, for money and quantities. Nothing here rounds.

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A decimal of at most `P` digits, `S` of them behind the point. `P` is at most 18, so that it fits 64 bits.
///
/// Avro has it as `bytes` with the logical type `decimal(P, S)`; JSON as text without trailing zeros, `"12.34"`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed<const P: u32, const S: u32> {
    unscaled: i64,
}

/// An amount of money, in units of a currency that stands beside it.
pub type Money = Fixed<18, 4>;
/// A count or measure of what was delivered, in the unit of its code.
pub type Quantity = Fixed<18, 4>;

/// A number is no decimal of this precision and scale. The number itself is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a plain decimal number.
    #[error("not a decimal number")]
    Form,
    /// More digits than the precision has.
    #[error("more than {precision} digits")]
    Precision {
        /// Digits there can be in all.
        precision: u32,
    },
    /// More digits behind the point than the scale has.
    #[error("more than {scale} decimals")]
    Scale {
        /// Digits there can be behind the point.
        scale: u32,
    },
}

impl<const P: u32, const S: u32> Fixed<P, S> {
    /// Nought.
    pub const ZERO: Self = Self { unscaled: 0 };
    const LIMIT: i64 = {
        assert!(P <= 18 && S <= P);
        10_i64.pow(P)
    };

    /// From the number in units of the last decimal: `12.34` at scale 4 is `123_400`.
    ///
    /// # Errors
    /// When it has more digits than the precision.
    pub fn from_unscaled(unscaled: i64) -> Result<Self, DecimalError> {
        Self::checked(i128::from(unscaled))
    }

    /// The number in units of the last decimal.
    pub fn unscaled(self) -> i64 {
        self.unscaled
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it has more digits than the precision.
    pub fn from_whole(whole: i64) -> Result<Self, DecimalError> {
        Self::checked(i128::from(whole) * i128::from(10_i64.pow(S)))
    }

    /// The sum, when the precision can hold it.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::checked(i128::from(self.unscaled) + i128::from(other.unscaled)).ok()
    }

    /// The difference, when the precision can hold it.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Self::checked(i128::from(self.unscaled) - i128::from(other.unscaled)).ok()
    }

    /// The product, exact.
    ///
    /// # Errors
    /// When it has more digits, in all or behind the point, than this type.
    pub fn checked_mul<const Q: u32, const T: u32>(self, other: Fixed<Q, T>) -> Result<Self, DecimalError> {
        let product = i128::from(self.unscaled) * i128::from(other.unscaled);
        let excess = i128::from(10_i64.pow(T));
        if product % excess == 0 {
            Self::checked(product / excess)
        } else {
            Err(DecimalError::Scale { scale: S })
        }
    }

    /// The sum of all, when the precision can hold it and every sum on the way fits 128 bits.
    pub fn sum(numbers: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut total = 0_i128;
        for number in numbers {
            total = total.checked_add(i128::from(number.unscaled))?;
        }
        Self::checked(total).ok()
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(self) -> Self {
        Self { unscaled: self.unscaled.abs() }
    }

    /// Digits behind the point, without trailing zeros: 2 of `12.34`. Compare with a currency's decimals.
    pub fn decimals(self) -> u32 {
        let mut rest = self.unscaled;
        let mut decimals = S;
        while decimals > 0 && rest % 10 == 0 {
            rest /= 10;
            decimals -= 1;
        }
        decimals
    }

    /// Whether it is nought.
    pub fn is_zero(self) -> bool {
        self.unscaled == 0
    }

    /// Whether it is below nought.
    pub fn is_negative(self) -> bool {
        self.unscaled < 0
    }

    fn checked(unscaled: i128) -> Result<Self, DecimalError> {
        match i64::try_from(unscaled) {
            Ok(unscaled) if -Self::LIMIT < unscaled && unscaled < Self::LIMIT => Ok(Self { unscaled }),
            _ => Err(DecimalError::Precision { precision: P }),
        }
    }
}

impl<const P: u32, const S: u32> std::ops::Neg for Fixed<P, S> {
    type Output = Self;
    fn neg(self) -> Self {
        Self { unscaled: -self.unscaled }
    }
}

impl<const P: u32, const S: u32> FromStr for Fixed<P, S> {
    type Err = DecimalError;

    /// Reads `12.34`, `-0.5`, `+7`, `.5` and `5.`; zeros beyond the scale are exact and pass, other digits do not.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut unscaled = 0_i128;
        let (mut seen, mut behind) = (false, None);
        for &byte in digits {
            match (byte, behind) {
                (b'.', None) => behind = Some(0_u32),
                (b'0'..=b'9', _) => {
                    seen = true;
                    if behind == Some(S) {
                        if byte != b'0' {
                            return Err(DecimalError::Scale { scale: S });
                        }
                        continue;
                    }
                    behind = behind.map(|count| count + 1);
                    unscaled = unscaled * 10 + i128::from(byte - b'0');
                    if unscaled >= i128::from(Self::LIMIT) {
                        return Err(DecimalError::Precision { precision: P });
                    }
                }
                _ => return Err(DecimalError::Form),
            }
        }
        if !seen {
            return Err(DecimalError::Form);
        }
        let missing = S - behind.unwrap_or(0);
        unscaled *= i128::from(10_i64.pow(missing));
        Self::checked(if negative { -unscaled } else { unscaled })
    }
}

impl<const P: u32, const S: u32> fmt::Display for Fixed<P, S> {
    /// Without trailing zeros; a precision (`{:.2}`) pads with zeros and never rounds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text::default();
        let padded = f.precision().and_then(|wanted| u32::try_from(wanted).ok()).unwrap_or(0).min(S);
        f.write_str(self.text(padded, &mut text))
    }
}

impl<const P: u32, const S: u32> fmt::Debug for Fixed<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const P: u32, const S: u32> Serialize for Fixed<P, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.serialize_str(self.text(0, &mut Text::default()))
    }
}

impl<'de, const P: u32, const S: u32> Deserialize<'de> for Fixed<P, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor<const P: u32, const S: u32>;
        impl<const P: u32, const S: u32> Visitor<'_> for TextVisitor<P, S> {
            type Value = Fixed<P, S>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a decimal of {P} digits, {S} behind the point, as text")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Room for a sign, a leading zero, a point and 18 digits.
#[derive(Default)]
struct Text([u8; 24]);

impl<const P: u32, const S: u32> Fixed<P, S> {
    /// Writes the digits from the right; `padded` is how many decimals are written though they are zeros.
    fn text<'a>(&self, padded: u32, room: &'a mut Text) -> &'a str {
        let mut at = room.0.len();
        let mut put = |byte: u8| {
            at -= 1;
            room.0[at] = byte;
        };
        let mut rest = self.unscaled.unsigned_abs();
        let shown = self.decimals().max(padded);
        for place in (0..S).rev() {
            let digit = (rest % 10) as u8;
            rest /= 10;
            if place < shown {
                put(b'0' + digit);
            }
        }
        if shown > 0 {
            put(b'.');
        }
        loop {
            put(b'0' + (rest % 10) as u8);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if self.unscaled < 0 {
            put(b'-');
        }
        std::str::from_utf8(&room.0[at..]).unwrap_or_default()
    }
}
