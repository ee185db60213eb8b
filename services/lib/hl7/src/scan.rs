//! Searching for separator bytes: the only place that walks over a payload.
//!
//! Consumes byte slices, gives positions and pieces of them. Under test every byte looked at is counted, so
//! that "linear" is asserted by counting and not by a clock.

/// Words of eight bytes that are compared before memchr is called.
const NEAR_WORDS: usize = 2;

/// Bytes that are passed over at once by counting their separators.
const BLOCK_BYTES: usize = 32;

/// Position of the first `needle`.
///
/// Most pieces of a message are shorter than a call of memchr is worth, so the first bytes are compared here,
/// eight at a time.
#[inline]
pub(crate) fn find(needle: u8, hay: &[u8]) -> Option<usize> {
    let at = find_near(needle, hay);
    work::add(at.map_or(hay.len(), |at| at + 1));
    at
}

/// Position of the first of two needles.
pub(crate) fn find_either(one: u8, other: u8, hay: &[u8]) -> Option<usize> {
    let at = memchr::memchr2(one, other, hay);
    work::add(at.map_or(hay.len(), |at| at + 1));
    at
}

/// The piece with this index (from 0) of `hay` split by `separator`.
///
/// A far piece, such as PV1-44, lies behind many short ones: whole blocks are passed over by counting, which
/// is several times faster than stopping at every separator.
pub(crate) fn piece(hay: &[u8], separator: u8, index: usize) -> Option<&[u8]> {
    let mut rest = hay;
    let mut left = index;
    while left > 0
        && let Some((block, tail)) = rest.split_first_chunk::<BLOCK_BYTES>()
    {
        let found = count(block, separator);
        if found >= left {
            break;
        }
        left -= found;
        rest = tail;
    }
    for _ in 0..left {
        let at = find(separator, rest)?;
        rest = rest.get(at + 1..)?;
    }
    let end = find(separator, rest).unwrap_or(rest.len());
    rest.get(..end)
}

/// The pieces of a slice, in order, without a copy. No bytes at all are no piece; one separator makes two.
#[derive(Clone)]
pub(crate) struct Pieces<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(hay: &'a [u8], separator: u8) -> Self {
        Self { rest: (!hay.is_empty()).then_some(hay), separator }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (piece, tail) = match find(self.separator, rest) {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)),
            None => (rest, None),
        };
        self.rest = tail;
        Some(piece)
    }
}

#[inline]
fn find_near(needle: u8, hay: &[u8]) -> Option<usize> {
    let mut rest = hay;
    for word in 0..NEAR_WORDS {
        let Some((head, tail)) = rest.split_first_chunk::<8>() else {
            return rest.iter().position(|&byte| byte == needle).map(|at| word * 8 + at);
        };
        if let Some(at) = find_in_word(needle, *head) {
            return Some(word * 8 + at);
        }
        rest = tail;
    }
    memchr::memchr(needle, rest).map(|at| NEAR_WORDS * 8 + at)
}

/// Position of the first `needle` among eight bytes: the first byte that is zero after the exclusive or. What
/// the subtraction borrows can only mark bytes behind that one.
#[inline]
fn find_in_word(needle: u8, bytes: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    let differs = u64::from_le_bytes(bytes) ^ (ONES * u64::from(needle));
    let zeros = differs.wrapping_sub(ONES) & !differs & HIGHS;
    (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
}

fn count(block: &[u8; BLOCK_BYTES], separator: u8) -> usize {
    work::add(BLOCK_BYTES);
    // Sums of at most 32 fit a byte, which lets the compiler compare and add the whole block at once.
    usize::from(block.iter().map(|&byte| u8::from(byte == separator)).sum::<u8>())
}

/// How many bytes this thread has looked at; nothing outside of tests.
pub(crate) mod work {
    #[cfg(test)]
    thread_local!(static BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });

    #[cfg(test)]
    pub(crate) fn add(bytes: usize) {
        BYTES.with(|total| total.set(total.get() + bytes));
    }

    #[cfg(not(test))]
    #[inline(always)]
    pub(crate) fn add(_bytes: usize) {}

    /// Bytes looked at by `task`.
    #[cfg(test)]
    pub(crate) fn of<T>(task: impl FnOnce() -> T) -> (T, usize) {
        let before = BYTES.with(std::cell::Cell::get);
        let result = task();
        (result, BYTES.with(std::cell::Cell::get) - before)
    }
}
