//! The seeds of a fuzz target, and mutations of them, against what holds for any bytes: what `make test` runs of fuzzing.
//!
//! The same bytes every time: a failure names the target, the seed's file and the round, and repeats.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that mean something to one of the targets.
const SPECIAL: &[u8] = b"|^~\\&#\r\n\x0b\x1c\"MSHFB0129+-.,:;=T/{}[]X\xef\xbb\xbf\xff\x00\x02\x80";

/// A small generator (splitmix64), so that the same mutations happen everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).expect("31 bits") % end.max(1)
    }

    fn special(&mut self) -> u8 {
        SPECIAL[self.below(SPECIAL.len())]
    }

    /// One to four changes: a byte replaced, put in or taken out, a piece repeated, moved or cut off.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let (at, length) = (self.below(bytes.len() + 1), 1 + self.below(24));
            let end = (at + length).min(bytes.len());
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = self.special(),
                1 => bytes.insert(at, self.special()),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let piece = bytes[at..end].to_vec();
                    let times = 1 + self.below(8);
                    bytes.splice(at..at, piece.repeat(times));
                }
                4 => {
                    let piece: Vec<u8> = bytes.drain(at..end).collect();
                    let target = self.below(bytes.len() + 1);
                    bytes.splice(target..target, piece);
                }
                _ => bytes.truncate(bytes.len() - bytes.len().min(length)),
            }
        }
    }
}

/// Runs every seed of a target, then so many mutations over all of them.
pub(crate) fn check(target: &str, mutations: usize, holds: fn(&[u8])) {
    let seeds = seeds(target);
    for (path, seed) in &seeds {
        run(target, path, 0, seed, holds);
    }
    let mut random = Random(0x7665_7274);
    for round in 1..=mutations {
        let (path, seed) = &seeds[random.below(seeds.len())];
        let mut bytes = seed.clone();
        random.mutate(&mut bytes);
        run(target, path, round, &bytes, holds);
    }
}

fn run(target: &str, path: &Path, round: usize, bytes: &[u8], holds: fn(&[u8])) {
    let held = std::panic::catch_unwind(|| holds(bytes)).is_ok();
    assert!(held, "{target}: seed {}, round {round}: {}", path.display(), bytes.escape_ascii());
}

/// The committed corpus of a target, in the order of the names.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus(target);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "a corpus for {target}");
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("a seed"))).collect()
}

/// Where a target's seeds are.
pub(crate) fn corpus(target: &str) -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found =
        folders.find_map(|folder| Some(folder.join("tests/fuzz/corpus")).filter(|path| path.is_dir()));
    found.expect("the repository").join(target)
}
