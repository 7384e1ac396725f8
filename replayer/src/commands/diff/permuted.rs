//! Messages whose values say only in which order things were done, or how far somebody was.

use std::collections::BTreeMap;

use super::difference::{Difference, Kind};
use super::masked;
use super::noise::{Hits, Noise, Spot};
use super::run::Item;

/// Messages that say how far somebody is.
const SAMPLED_MIN: usize = 4;
/// Messages of one side that are looked at for that.
const SAMPLED_MAX: usize = 512;

/// Finds messages that have only changed their values among each other, such as numbers that a server gave
/// to its clients as they came: of all that differ on their way, each run has the same values.
pub fn find_permuted(differences: &mut [Difference], noise: &mut Noise) {
    // Words that differ, by where they stand, and how much more often the first run has them.
    type Words = BTreeMap<(String, String, usize), BTreeMap<String, i64>>;
    let mut all = Words::new();
    let payload = |difference: &&mut Difference| {
        let printed = difference.kind == Kind::Output && !difference.fields.is_empty();
        difference.kind == Kind::Payload || printed
    };
    let mut more: BTreeMap<String, i64> = BTreeMap::new();
    for difference in differences.iter() {
        if matches!(difference.kind, Kind::Missing | Kind::Extra) {
            let times = i64::try_from(difference.times).unwrap_or(i64::MAX);
            let known = more.entry(difference.link.clone()).or_default();
            *known = known.saturating_add(times);
        }
    }
    let mut words = |difference: &Difference| {
        let mut found = Vec::new();
        for field in &difference.fields {
            let (Some(a), Some(b)) = (&field.a, &field.b) else {
                return None;
            };
            let mut cut = |text: &str| -> Vec<String> {
                let spot = Spot {
                    protocol: "",
                    connection: "",
                    field: &field.path,
                };
                let masked = noise.mask(spot, text, &mut Hits::new());
                let words = masked.split(|c: char| !c.is_alphanumeric());
                words.map(str::to_owned).collect()
            };
            let (a, b) = (cut(a), cut(b));
            if a.len() != b.len() {
                return None;
            }
            let both = a.into_iter().zip(b).enumerate();
            for (at, (a, b)) in both.filter(|(_, (a, b))| a != b) {
                found.push(((difference.way.clone(), field.path.clone(), at), a, b));
            }
        }
        (difference.more == 0).then_some(found)
    };
    for difference in differences.iter_mut().filter(payload) {
        for (place, a, b) in words(difference).into_iter().flatten() {
            let counts = all.entry(place).or_default();
            *counts.entry(a).or_default() += 1;
            *counts.entry(b).or_default() -= 1;
        }
    }
    // Where one run has more messages, it has as many values more.
    let even = |place: &(String, String, usize), link: &str| {
        let counts: Option<&BTreeMap<String, i64>> = all.get(place);
        let odd = counts.map_or(i64::MAX, |counts| {
            counts.values().map(|count| count.abs()).sum()
        });
        odd <= 2 * more.get(link).copied().unwrap_or(0)
    };
    for difference in differences.iter_mut().filter(payload) {
        let words = words(difference);
        // What people see is in another order only if it is a number that somebody was given.
        let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        let printed = difference.kind == Kind::Output;
        let words =
            words.filter(|words| !printed || words.iter().all(|(_, a, b)| number(a) && number(b)));
        let permuted = words.is_some_and(|words| {
            !words.is_empty()
                && words
                    .iter()
                    .all(|(place, ..)| even(place, &difference.link))
        });
        difference.permuted = permuted || difference.sampled;
    }
}

/// Whether two messages only say how far their sender was, such as how many of something it had got: the numbers of
/// all messages that say the same never fall in either run, and come to the same.
pub fn is_sampled(noise: &mut Noise, lists: [&[Item]; 2], items: [&Item; 2]) -> bool {
    let mut cut = |item: &Item| {
        let text = masked::body(noise, item);
        let digit = |c: char| c.is_ascii_digit();
        let numbers = text
            .split(|c: char| !digit(c))
            .filter(|part| !part.is_empty());
        let numbers: Option<Vec<u64>> = numbers.map(|part| part.parse().ok()).collect();
        (text.replace(digit, ""), numbers.unwrap_or_default())
    };
    let wanted = items.map(|item| cut(item).0);
    if wanted[0] != wanted[1] || lists.iter().any(|list| list.len() > SAMPLED_MAX) {
        return false;
    }
    let rows = lists.map(|list| {
        let all = list.iter().map(&mut cut);
        let same = all.filter(|(text, _)| *text == wanted[0]);
        same.map(|(_, numbers)| numbers).collect::<Vec<_>>()
    });
    let rises = |rows: &Vec<Vec<u64>>| {
        let never_falls = |pair: &[Vec<u64>]| {
            let both = pair[0].iter().zip(&pair[1]);
            pair[0].len() == pair[1].len() && both.clone().all(|(one, next)| one <= next)
        };
        rows.len() >= SAMPLED_MIN && rows.windows(2).all(never_falls)
    };
    rows.iter().all(rises) && rows[0].last() == rows[1].last()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use reenact_wire::Node;

    use super::super::run::Sight;
    use super::*;

    fn said(texts: &[&str]) -> Vec<Item> {
        let item = |text: &&str| Item {
            sight: Sight::default(),
            received: None,
            protocol: "udp",
            text: (*text).to_owned(),
            body: Node::text(*text),
        };
        texts.iter().map(item).collect()
    }

    fn sampled(a: &[&str], b: &[&str], at: usize) -> bool {
        let mut noise = Noise::new(BTreeSet::new(), BTreeSet::new());
        let (a, b) = (said(a), said(b));
        is_sampled(&mut noise, [&a, &b], [&a[at], &b[at]])
    }

    #[test]
    fn who_comes_to_the_same_was_only_elsewhere() {
        let a = ["ACK 1", "ACK 2", "ACK 2", "ACK 5", "ACK 9"];
        assert!(sampled(
            &a,
            &["ACK 1", "ACK 2", "ACK 4", "ACK 5", "ACK 9"],
            2
        ));
        // Something is missing at the end.
        assert!(!sampled(
            &a,
            &["ACK 1", "ACK 2", "ACK 4", "ACK 5", "ACK 8"],
            2
        ));
        // It is no counter.
        assert!(!sampled(
            &a,
            &["ACK 3", "ACK 2", "ACK 4", "ACK 5", "ACK 9"],
            2
        ));
        // It says something else.
        assert!(!sampled(
            &a,
            &["ACK 1", "ACK 2", "NAK 4", "ACK 5", "ACK 9"],
            2
        ));
    }
}
