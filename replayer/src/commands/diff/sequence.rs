//! Two sequences aligned.

use std::collections::BTreeMap;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, Token};
use rustc_hash::FxHashMap;

/// Items of one sequence that are aligned; those beyond are taken for pairs in their order.
const ALIGNED_MAX: usize = 1 << 22;
/// Pairs of neighbours that a stretch of differences may have, to be compared with each other.
const PAIRS_MAX: usize = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Both(usize, usize),
    OnlyA(usize),
    OnlyB(usize),
}

/// A stretch of both sequences: equal, item by item, or without anything in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub equal: bool,
    pub a: Range<usize>,
    pub b: Range<usize>,
}

/// Aligns two sequences: equal items first, and between those, items that are `alike`, in order.
pub fn align(a: &[u64], b: &[u64], mut alike: impl FnMut(usize, usize) -> bool) -> Vec<Step> {
    let mut steps = Vec::with_capacity(a.len().max(b.len()));
    for stretch in stretches(a, b) {
        if stretch.equal {
            let both = stretch.a.zip(stretch.b);
            steps.extend(both.map(|(a, b)| Step::Both(a, b)));
        } else {
            let (a, b): (Vec<_>, Vec<_>) = (stretch.a.collect(), stretch.b.collect());
            let mut like = |one, other| u32::from(alike(one, other));
            pair_most_alike(&a, &b, &mut like, &mut steps);
        }
    }
    steps
}

/// Two sequences of one length, of which each item belongs to the one at the same place.
pub fn one_by_one(len: usize) -> Vec<Stretch> {
    let all = Stretch {
        equal: true,
        a: 0..len,
        b: 0..len,
    };
    vec![all]
}

/// What is equal in two sequences, in order, and what is between.
///
/// The work is near linear in the length of equal stretches; where nearly everything differs, a
/// heuristic bounds it, and the result need not be the shortest.
pub fn stretches(a: &[u64], b: &[u64]) -> Vec<Stretch> {
    let known = a.len().min(ALIGNED_MAX);
    let other = b.len().min(ALIGNED_MAX);
    let mut numbers: FxHashMap<u64, u32> = FxHashMap::default();
    let mut tokens = |items: &[u64]| -> Vec<Token> {
        let token = |item: &u64| {
            let next = numbers.len() as u32;
            Token(*numbers.entry(*item).or_insert(next))
        };
        items.iter().map(token).collect()
    };
    let (before, after) = (tokens(&a[..known]), tokens(&b[..other]));
    let mut diff = Diff::default();
    diff.compute_with(Algorithm::Myers, &before, &after, numbers.len() as u32);
    let mut all = Vec::new();
    let mut add = |equal, a: Range<usize>, b: Range<usize>| {
        if !a.is_empty() || !b.is_empty() {
            all.push(Stretch { equal, a, b });
        }
    };
    let (mut at_a, mut at_b) = (0, 0);
    for hunk in diff.hunks() {
        let (before, after) = (hunk.before.start as usize, hunk.after.start as usize);
        add(true, at_a..before, at_b..after);
        (at_a, at_b) = (hunk.before.end as usize, hunk.after.end as usize);
        add(false, before..at_a, after..at_b);
    }
    add(true, at_a..known, at_b..other);
    add(false, known..a.len(), other..b.len());
    all
}

/// What differs on both sides at one place: the pairs that are most alike in sum, keeping the order. `like`: how much
/// two are alike; those that are not at all are no pair.
pub fn pair_most_alike(
    a: &[usize],
    b: &[usize],
    like: &mut impl FnMut(usize, usize) -> u32,
    steps: &mut Vec<Step>,
) {
    let (rows, columns) = (a.len(), b.len());
    if rows.saturating_mul(columns) > PAIRS_MAX {
        for (one, other) in a.iter().zip(b) {
            if like(*one, *other) > 0 {
                steps.push(Step::Both(*one, *other));
            } else {
                steps.extend([Step::OnlyA(*one), Step::OnlyB(*other)]);
            }
        }
        let both = rows.min(columns);
        steps.extend(a[both..].iter().copied().map(Step::OnlyA));
        steps.extend(b[both..].iter().copied().map(Step::OnlyB));
        return;
    }
    let at = |row: usize, column: usize| row * (columns + 1) + column;
    // The common subsequence that is most alike, from the end.
    let mut best = vec![0u32; (rows + 1) * (columns + 1)];
    let mut likes = vec![0u32; (rows + 1) * (columns + 1)];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let alike = like(a[row], b[column]);
            likes[at(row, column)] = alike;
            let both = if alike > 0 {
                best[at(row + 1, column + 1)] + alike
            } else {
                0
            };
            let one = best[at(row + 1, column)].max(best[at(row, column + 1)]);
            best[at(row, column)] = both.max(one);
        }
    }
    let (mut row, mut column) = (0, 0);
    while row < rows && column < columns {
        let alike = likes[at(row, column)];
        if alike > 0 && best[at(row, column)] == best[at(row + 1, column + 1)] + alike {
            steps.push(Step::Both(a[row], b[column]));
            (row, column) = (row + 1, column + 1);
        } else if best[at(row, column)] == best[at(row + 1, column)] {
            steps.push(Step::OnlyA(a[row]));
            row += 1;
        } else {
            steps.push(Step::OnlyB(b[column]));
            column += 1;
        }
    }
    steps.extend(a[row..].iter().copied().map(Step::OnlyA));
    steps.extend(b[column..].iter().copied().map(Step::OnlyB));
}

/// Pairs of two sets: the first of a key with the first of that key, and so on.
pub fn by_key<K: Ord>(a: &[K], b: &[K]) -> Vec<(usize, usize)> {
    let mut waiting: BTreeMap<&K, Vec<usize>> = BTreeMap::new();
    for (at, key) in b.iter().enumerate().rev() {
        waiting.entry(key).or_default().push(at);
    }
    let pairs = a.iter().enumerate().filter_map(|(at, key)| {
        let other = waiting.get_mut(key)?.pop()?;
        Some((at, other))
    });
    pairs.collect()
}

/// Of a permutation, the items that moved: those outside of its longest ascending subsequence.
pub fn moved(ranks: &[usize]) -> Vec<usize> {
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; ranks.len()];
    for (at, rank) in ranks.iter().enumerate() {
        let place = tails.partition_point(|tail| ranks[*tail] < *rank);
        before[at] = place.checked_sub(1).map(|place| tails[place]);
        match tails.get_mut(place) {
            Some(tail) => *tail = at,
            None => tails.push(at),
        }
    }
    let mut stays = vec![false; ranks.len()];
    let mut at = tails.last().copied();
    while let Some(one) = at {
        stays[one] = true;
        at = before[one];
    }
    (0..ranks.len()).filter(|at| !stays[*at]).collect()
}

#[cfg(test)]
mod tests {
    use super::Step::{Both, OnlyA, OnlyB};
    use super::*;

    #[test]
    fn what_is_dropped_changed_or_doubled_is_found_in_its_place() {
        let any = |_, _| true;
        assert_eq!(
            align(&[1, 2, 3, 4], &[1, 2, 4], any),
            [Both(0, 0), Both(1, 1), OnlyA(2), Both(3, 2)]
        );
        assert_eq!(
            align(&[1, 2, 3], &[1, 9, 3], any),
            [Both(0, 0), Both(1, 1), Both(2, 2)]
        );
        assert_eq!(
            align(&[1, 2, 3], &[1, 9, 3], |_, _| false),
            [Both(0, 0), OnlyA(1), OnlyB(1), Both(2, 2)]
        );
        let doubled = align(&[1, 2, 3], &[1, 2, 2, 3], any);
        assert_eq!(
            doubled
                .iter()
                .filter(|step| matches!(step, OnlyB(_)))
                .count(),
            1
        );
    }

    #[test]
    fn within_a_stretch_alike_items_are_pairs() {
        // Kinds are the tens.
        let (a, b) = ([11, 21, 31], [22, 32]);
        let steps = align(&a, &b, |one, other| a[one] / 10 == b[other] / 10);
        assert_eq!(steps, [OnlyA(0), Both(1, 0), Both(2, 1)]);
    }

    #[test]
    fn large_inputs_that_have_nothing_in_common_take_a_moment() {
        let a: Vec<u64> = (0..200_000).collect();
        let b: Vec<u64> = (0..200_000).map(|item| item + 1_000_000).collect();
        assert_eq!(align(&a, &b, |_, _| true).len(), 200_000);
        assert_eq!(align(&a, &b, |_, _| false).len(), 400_000);
        assert_eq!(align(&a, &[], |_, _| true).len(), 200_000);
    }

    #[test]
    fn pairs_of_sets_keep_the_order_of_each_key() {
        assert_eq!(by_key(&["a", "b", "a"], &["b", "a", "c"]), [(0, 1), (1, 0)]);
    }

    #[test]
    fn what_moved_is_least() {
        assert_eq!(moved(&[0, 1, 2, 3]), [] as [usize; 0]);
        assert_eq!(moved(&[0, 3, 1, 2, 4]), [1]);
        assert_eq!(moved(&[1, 0]).len(), 1);
    }
}
