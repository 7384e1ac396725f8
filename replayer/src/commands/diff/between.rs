//! Noise that is learnt from further runs that passed: whatever differs between two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::difference::{Difference, Kind};

/// Of so many messages of one shape that one good run has and another has not, any other is noise, too.
const ALL_MIN: usize = 3;

/// What differs between good runs, as numbers that are the same in any two runs.
#[derive(Default)]
pub struct Between {
    known: BTreeSet<u64>,
    /// Messages that one of them lacks, by their shapes.
    lonely: BTreeMap<u64, BTreeSet<u64>>,
}

impl Between {
    pub fn add(&mut self, difference: &Difference) {
        match difference.kind {
            Kind::Missing | Kind::Extra => {
                let all = self.lonely.entry(difference.place).or_default();
                all.insert(difference.content);
            }
            kind if is_told(kind) => {
                self.known.insert(signature(difference));
            }
            _ => {}
        }
    }

    pub fn has(&self, difference: &Difference) -> bool {
        match difference.kind {
            Kind::Missing | Kind::Extra => {
                let all = self.lonely.get(&difference.place);
                let same = |all: &BTreeSet<u64>| all.contains(&difference.content);
                all.is_some_and(|all| all.len() >= ALL_MIN || same(all))
            }
            kind => is_told(kind) && self.known.contains(&signature(difference)),
        }
    }
}

/// Clocks, random bytes and threads never are the same, and explain what differs nevertheless.
fn is_told(kind: Kind) -> bool {
    !matches!(kind, Kind::Threads | Kind::Randomness | Kind::Clock)
}

/// What a difference is, whatever the values are.
fn signature(difference: &Difference) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(difference.kind.name().as_bytes());
    hasher.write_u64(difference.place);
    let plain = |text: &str| -> Vec<u8> {
        let plain = text.bytes().filter(|byte| !byte.is_ascii_digit());
        plain.collect()
    };
    let fields: BTreeSet<Vec<u8>> = difference
        .fields
        .iter()
        .map(|field| plain(&field.path))
        .collect();
    match difference.place != 0 && !fields.is_empty() {
        true => fields.iter().for_each(|field| hasher.write(field)),
        false => hasher.write(&plain(&difference.what)),
    }
    hasher.finish()
}
