//! Chance from a seed: splitmix64, so that a day is the same on every machine.

use std::ops::RangeInclusive;

#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x0dd_ba11)
    }

    /// Another chance that does not hang on how often this one is asked.
    pub(crate) fn apart(seed: u64, purpose: u64) -> Self {
        let mut own = Self::new(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Self(own.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to and without `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// Within these bounds.
    pub(crate) fn within(&mut self, bounds: RangeInclusive<i64>) -> i64 {
        let width = bounds.end().saturating_sub(*bounds.start()).max(0).unsigned_abs() + 1;
        bounds.start() + i64::try_from(self.next() % width).unwrap_or(0)
    }

    pub(crate) fn of_hundred(&mut self, chances: u64) -> bool {
        self.next() % 100 < chances
    }

    pub(crate) fn of_ten_thousand(&mut self, chances: u32) -> bool {
        self.next() % 10_000 < u64::from(chances)
    }

    /// One of these; there is at least one.
    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
