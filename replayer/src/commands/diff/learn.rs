//! Noise that is learnt from what the runs say: places whose values are drawn anew each time.
//!
//! A *place* is a field of messages of one shape, between two kinds of processes, in one direction; in a text
//! without fields, it is what stands behind a name, or at one position behind the same first word. Where hardly
//! any value comes twice within a run, hardly any is in both runs, and the values of both are not related, the
//! values are drawn: they say nothing, and neither do they where they are repeated. Of further runs that passed,
//! whatever differs between two of them at one place is noise, too.
//!
//! Nothing is ever learnt of a place at which the runs agree.

use std::collections::BTreeSet;
use std::hash::Hasher;
use std::ops::Range;

use reenact_wire::{Blob, Node};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::alike::shape;
use super::noise::{Builtin, Noise};
use super::run::{Run, Talk};
use super::talks::name;
use super::tree::{Comparer, Drawn};

/// Values that are kept of a place, and places.
const VALUES_MAX: usize = 512;
const PLACES_MAX: usize = 1 << 18;
/// Bytes of a text in which words are looked for.
const TEXT_MAX: usize = 16 << 10;
/// Values from which on a place is judged by how they are spread, rather than by what they look like.
const SPREAD_MIN: usize = 5;
/// Values of one place of which few come twice by chance.
const MANY_MIN: usize = 6;
/// Bytes of a drawn value in what is no text, and equal ones between them.
const BYTES_MIN: usize = 2;
const BYTES_MAX: usize = 16;
const BYTES_APART_MAX: usize = 1;
/// Characters of a drawn value that is known again elsewhere.
const KNOWN_MIN: usize = 4;

/// What was learnt.
#[derive(Clone, Default)]
pub struct Learnt {
    places: FxHashMap<u64, Builtin>,
    values: FxHashSet<String>,
    /// Values that turned out to be drawn: what is printed of them is told nevertheless.
    drawn: FxHashSet<String>,
    /// By places, where bytes begin and end that are drawn anew.
    bytes: FxHashMap<u64, BTreeSet<(usize, usize)>>,
}

impl Learnt {
    /// What is known of a word at a place.
    fn kind(&self, place: Option<u64>, word: &str, is_printed: bool) -> Option<Builtin> {
        let of_place = place.and_then(|place| self.places.get(&place)).copied();
        // In messages, short values are too many other things.
        let long = place.is_none() || is_long(word);
        let known = self.values.contains(word) || !is_printed && self.drawn.contains(word);
        of_place.or_else(|| (long && known).then_some(Builtin::Drawn))
    }

    /// Takes over what turned out to be drawn by chance.
    pub fn add(&mut self, drawn: &Drawn) {
        match drawn {
            Drawn::Word { place, words } => {
                self.places.entry(*place).or_insert(Builtin::Drawn);
                let long = words.iter().filter(|word| is_long(word));
                self.drawn.extend(long.cloned());
            }
            Drawn::Bytes { place, from, to } => {
                self.bytes.entry(*place).or_default().insert((*from, *to));
            }
        }
    }

    pub fn bytes_at(&self, place: u64) -> Option<&BTreeSet<(usize, usize)>> {
        self.bytes.get(&place)
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.values.is_empty() && self.drawn.is_empty()
    }

    /// A text with the words replaced that are known to be noise. `base`: the place of the whole text, if it has
    /// one.
    pub fn mask(
        &self,
        base: Option<u64>,
        text: &str,
        is_printed: bool,
        hit: &mut dyn FnMut(Builtin),
    ) -> Option<String> {
        if self.is_empty() || text.len() > TEXT_MAX {
            return None;
        }
        let mut out = String::new();
        let mut copied = 0;
        for word in words(text) {
            let place = base.map(|base| word.place(base));
            let Some(kind) = self.kind(place, &text[word.range.clone()], is_printed) else {
                continue;
            };
            hit(kind);
            out.push_str(&text[copied..word.range.start]);
            out.push('<');
            out.push_str(kind.name());
            out.push('>');
            copied = word.range.end;
        }
        if copied == 0 {
            return None;
        }
        out.push_str(&text[copied..]);
        Some(out)
    }
}

/// A word that may be a value: it has digits, or a name in front of it, or is the whole text.
pub struct Word {
    range: Range<usize>,
    /// What it is known by within its text.
    by: u64,
    /// The name in front of it.
    label: Range<usize>,
}

impl Word {
    pub fn place(&self, base: u64) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write_u64(base);
        hasher.write_u64(self.by);
        hasher.finish()
    }

    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The name in front of it, which may be empty.
    pub fn label<'a>(&self, text: &'a str) -> &'a str {
        &text[self.label.clone()]
    }
}

/// Values in a text.
pub fn words(text: &str) -> Vec<Word> {
    let bytes = text.as_bytes();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let joins = |at: usize| {
        let around = at > 0 && at + 1 < bytes.len() && plain(bytes[at - 1]) && plain(bytes[at + 1]);
        around && matches!(bytes[at], b'.' | b'-')
    };
    let mut found: Vec<Word> = Vec::new();
    let mut first: Option<u64> = None;
    let mut before: Range<usize> = 0..0;
    let (mut at, mut position) = (0, 0u64);
    while at < bytes.len() {
        if !plain(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && (plain(bytes[at]) || joins(at)) {
            at += 1;
        }
        let range = start..at;
        position += 1;
        let between = text[before.end..start].trim_matches([' ', '"', '\'', '\\']);
        let named = matches!(between, "=" | ":") && before.end > before.start;
        let named = named && bytes[before.start].is_ascii_alphabetic();
        let whole = start == 0 && at == bytes.len();
        let digits = bytes[range.clone()].iter().any(u8::is_ascii_digit);
        if named || whole || digits {
            let mut hasher = FxHasher::default();
            if named {
                hasher.write_u8(1);
                hasher.write(&bytes[before.clone()]);
            } else if !whole {
                hasher.write_u64(first.unwrap_or(2));
                hasher.write_u64(position);
            }
            let label = if named { before.clone() } else { 0..0 };
            found.push(Word {
                range: range.clone(),
                by: hasher.finish(),
                label,
            });
        } else if first.is_none() {
            let mut hasher = FxHasher::default();
            hasher.write(&bytes[range.clone()]);
            first = Some(hasher.finish() | 4);
        }
        before = range;
    }
    found
}

/// Words of two texts that differ where the same stands around them. A word without digits is a choice of what
/// there is, rather than drawn.
pub fn drawn_words(place: u64, a: &str, b: &str) -> Vec<Drawn> {
    if a.len().max(b.len()) > TEXT_MAX {
        return Vec::new();
    }
    let of_b = words(b);
    let has_digit = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
    let mut all = Vec::new();
    for word in words(a) {
        let Some(other) = of_b.iter().find(|other| other.by == word.by) else {
            continue;
        };
        let both = [&a[word.range.clone()], &b[other.range.clone()]];
        if both[0] != both[1] && both.iter().all(|word| has_digit(word)) {
            all.push(Drawn::Word {
                place: word.place(place),
                words: both.map(str::to_owned),
            });
        }
    }
    all
}

/// Bytes that differ in what is no text: a few that stand together.
pub fn drawn_bytes(place: u64, a: &[u8], b: &[u8]) -> Vec<Drawn> {
    if a.len() != b.len() || a.len() > TEXT_MAX {
        return Vec::new();
    }
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in (0..a.len()).filter(|at| a[*at] != b[*at]) {
        match runs.last_mut() {
            Some((_, to)) if at <= *to + BYTES_APART_MAX => *to = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    let fits = |(from, to): &(usize, usize)| (BYTES_MIN..=BYTES_MAX).contains(&(to - from));
    let runs = runs.into_iter().filter(fits);
    runs.map(|(from, to)| Drawn::Bytes { place, from, to })
        .collect()
}

/// Bytes without those that are drawn anew in each run.
pub fn blanked(bytes: &[u8], ranges: &BTreeSet<(usize, usize)>) -> Node {
    let mut head = bytes.to_vec();
    for (from, to) in ranges {
        if let Some(drawn) = head.get_mut(*from..*to) {
            drawn.fill(b'_');
        }
    }
    let len = head.len() as u64;
    let digest = None;
    Node::Bytes(Blob { len, head, digest })
}

/// A process's program and script, whatever its arguments are.
pub fn role(run: &Run, talk: &Talk, side: usize) -> String {
    match talk.ends[side].and_then(|process| run.processes.get(&process)) {
        Some(process) => process.role.clone(),
        None => talk.names[side].clone(),
    }
}

/// The kind of connection, by the roles at its ends.
pub fn roles(run: &Run, talk: &Talk) -> String {
    format!(
        "{} {} {}",
        talk.channel,
        role(run, talk, 0),
        role(run, talk, 1)
    )
}

/// A number for where messages of one shape stand.
pub fn base(roles: &str, side: usize, protocol: &str, shape: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(roles.as_bytes());
    hasher.write_usize(side);
    hasher.write(protocol.as_bytes());
    hasher.write(shape.as_bytes());
    hasher.finish()
}

/// The place of a field: positions in lists are all one.
pub fn of_field(base: u64, path: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(base);
    for part in path.split('.') {
        let position = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        hasher.write(if position { b"*" } else { part.as_bytes() });
        hasher.write_u8(b'.');
    }
    hasher.finish()
}

/// The same in a message of a protocol: a command of Redis has its arguments at their positions.
pub fn of_part(base: u64, path: &str, protocol: &str) -> u64 {
    let position = path.len() == 1 && path.bytes().all(|byte| byte.is_ascii_digit());
    let field = of_field(base, path);
    match position && protocol == "redis" {
        true => {
            let mut hasher = FxHasher::default();
            hasher.write_u64(field);
            hasher.write(path.as_bytes());
            hasher.finish()
        }
        false => field,
    }
}

/// Values by their places, in the order of time.
pub type Values = FxHashMap<u64, Vec<(u64, String)>>;

/// Whether both runs say much the same at the place of what differs.
pub fn is_shared(drawn: &Drawn, both: [&Values; 2]) -> bool {
    let Drawn::Word { place, .. } = drawn else {
        return false;
    };
    let [Some(a), Some(b)] = both.map(|values| values.get(place)) else {
        return false;
    };
    let (a, b) = (texts(a), texts(b));
    // Small numbers come again by chance, if there are many.
    let distinct = |of: &[&str]| of.iter().collect::<FxHashSet<_>>().len();
    let spread = |of: &[&str]| of.len() >= MANY_MIN && distinct(of) * 5 >= of.len() * 2;
    common(&a, &b) * 3 > a.len().min(b.len()) && !(spread(&a) && spread(&b))
}

/// Gathers what a run says.
pub fn gather(run: &Run, noise: &mut Noise) -> Values {
    let mut all = Values::default();
    for talk in &run.talks {
        let (roles, name) = (roles(run, talk), name(run, talk));
        for (side, lane) in talk.lanes.iter().enumerate() {
            for item in lane {
                let base = base(&roles, side, item.protocol, &shape(item));
                let mut comparer = Comparer::of(noise, item.protocol, &name);
                let time_ns = item.sight.point.time_ns;
                comparer.leaves(&item.body, &mut |path, text| {
                    if text.len() > TEXT_MAX {
                        return;
                    }
                    let field = of_part(base, path, item.protocol);
                    for word in words(text) {
                        let place = word.place(field);
                        if all.len() >= PLACES_MAX && !all.contains_key(&place) {
                            continue;
                        }
                        let values = all.entry(place).or_default();
                        if values.len() < VALUES_MAX {
                            values.push((time_ns, text[word.range].to_owned()));
                        }
                    }
                });
            }
        }
    }
    all.values_mut().for_each(|values| values.sort());
    all
}

/// Learns from two runs, and from further ones that passed as the first did.
pub fn learn(both: [&Values; 2], good: &[Values]) -> Learnt {
    let mut learnt = Learnt::default();
    let mut of_runs: [FxHashSet<&str>; 2] = Default::default();
    for (place, of_a) in both[0] {
        let Some(of_b) = both[1].get(place) else {
            continue;
        };
        let (a, b) = (texts(of_a), texts(of_b));
        if is_drawn(&a, &b) {
            learnt.places.insert(*place, Builtin::Drawn);
            of_runs[0].extend(a);
            of_runs[1].extend(b);
        }
    }
    // What the good runs all have cannot be drawn, and what differs between them is noise.
    let passed: Vec<&Values> = std::iter::once(both[0]).chain(good).collect();
    for (at, one) in passed.iter().enumerate() {
        for other in &passed[at + 1..] {
            for (place, values) in one.iter() {
                let Some(others) = other.get(place) else {
                    continue;
                };
                let (a, b) = (texts(values), texts(others));
                match common(&a, &b) < a.len().min(b.len()) {
                    true => {
                        let known = learnt.places.entry(*place);
                        known.or_insert(Builtin::BetweenGoodRuns);
                        if common(&a, &b) == 0 {
                            of_runs[0].extend(a);
                        }
                    }
                    false
                        if a.len() == b.len()
                            && learnt.places.get(place) == Some(&Builtin::Drawn) =>
                    {
                        learnt.places.remove(place);
                    }
                    false => {}
                }
            }
        }
    }
    let known =
        |word: &&&str| word.len() >= KNOWN_MIN && word.bytes().any(|byte| byte.is_ascii_digit());
    let [a, b] = &of_runs;
    let values = a.symmetric_difference(b).filter(known);
    learnt.values = values.map(|word| (*word).to_owned()).collect();
    learnt
}

/// Whether it is no number that somebody came to, whatever order its threads ran in.
pub fn is_surely(drawn: &Drawn) -> bool {
    match drawn {
        Drawn::Word { words, .. } => words.iter().all(|word| is_long(word)),
        Drawn::Bytes { .. } => false,
    }
}

fn is_long(word: &str) -> bool {
    word.len() > KNOWN_MIN + 1 || word.len() > KNOWN_MIN && looks_drawn(word)
}

fn texts(values: &[(u64, String)]) -> Vec<&str> {
    values.iter().map(|(_, text)| text.as_str()).collect()
}

/// How many values both have.
fn common(a: &[&str], b: &[&str]) -> usize {
    let mut counts: FxHashMap<&str, usize> = FxHashMap::default();
    for value in a {
        *counts.entry(value).or_default() += 1;
    }
    let mut common = 0;
    for value in b {
        if let Some(count) = counts.get_mut(value).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    common
}

/// Whether the values of a place are drawn anew in each run.
fn is_drawn(a: &[&str], b: &[&str]) -> bool {
    let least = a.len().min(b.len());
    let distinct = |values: &[&str]| values.iter().collect::<FxHashSet<_>>().len();
    let spread = |values: &[&str]| distinct(values) * 5 >= values.len() * 4;
    let common = common(a, b);
    if least == 0 || common * 10 > least {
        return false;
    }
    if !spread(a) || !spread(b) {
        // What was drawn once is said again and again.
        return common == 0 && a.iter().chain(b).all(|value| is_surely_drawn(value));
    }
    let looks = a.iter().chain(b).filter(|value| looks_drawn(value)).count();
    let all = a.len() + b.len();
    match least {
        1 => a.iter().chain(b).all(|value| is_surely_drawn(value)),
        2..SPREAD_MIN => looks == all && !are_related(a, b),
        _ => {
            let numbers = || a.iter().chain(b).all(|value| value.parse::<f64>().is_ok());
            (looks * 2 >= all || numbers()) && !are_related(a, b)
        }
    }
}

fn changes(word: &str) -> usize {
    let digit = |pair: &&[u8]| pair[0].is_ascii_digit() != pair[1].is_ascii_digit();
    let plain: Vec<u8> = word.bytes().filter(u8::is_ascii_alphanumeric).collect();
    plain.windows(2).filter(digit).count()
}

/// Digits behind the point of a number.
fn decimals(word: &str) -> Option<usize> {
    word.parse::<f64>().ok()?;
    Some(word.rsplit_once('.').map_or(0, |(_, digits)| digits.len()))
}

/// Whether a value may have been drawn, as far as it says.
fn looks_drawn(word: &str) -> bool {
    if let Some(decimals) = decimals(word) {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        return decimals >= 3 || decimals == 0 && digits >= 5;
    }
    let hexadecimal = |part: &str| {
        part.len() >= 4
            && part
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let last = word.rsplit(['-', '_']).next().unwrap_or(word);
    let upper = word.bytes().any(|byte| byte.is_ascii_uppercase());
    let lower = word.bytes().any(|byte| byte.is_ascii_lowercase());
    let mixed = changes(word) >= 2 && word.len() >= 5 || word.len() >= 12 && changes(word) >= 1;
    hexadecimal(last) || mixed || upper && lower && word.len() >= 8 && changes(word) >= 1
}

fn is_surely_drawn(word: &str) -> bool {
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let least = if word.bytes().all(hexadecimal) { 1 } else { 2 };
    match decimals(word) {
        Some(decimals) => decimals >= 9,
        None => looks_drawn(word) && word.len() >= 6 && changes(word) >= least,
    }
}

/// Whether the values of one run follow from those of the other, such as totals that are all a little less.
fn are_related(a: &[&str], b: &[&str]) -> bool {
    let numbers = |values: &[&str]| -> Option<Vec<f64>> {
        values.iter().map(|value| value.parse().ok()).collect()
    };
    let least = a.len().min(b.len());
    if let Some((a, b)) = numbers(a).zip(numbers(b)) {
        return least >= 3 && follow(&a[..least], &b[..least]);
    }
    let prefix = |values: &[&str]| {
        let first = values[0].as_bytes();
        let same = |at: &usize| {
            values
                .iter()
                .all(|value| value.as_bytes().get(*at) == first.get(*at))
        };
        (0..first.len()).take_while(same).count()
    };
    let skip = prefix(a).min(prefix(b));
    let mut sum = 0.0;
    for (one, other) in a.iter().zip(b) {
        let (one, other) = (
            &one.as_bytes()[skip..],
            &other.as_bytes()[skip.min(other.len())..],
        );
        let same = one
            .iter()
            .zip(other)
            .filter(|(a, b)| a.eq_ignore_ascii_case(b))
            .count();
        sum += same as f64 / one.len().max(other.len()).max(1) as f64;
    }
    sum / least as f64 > 0.4
}

/// Whether numbers rise and fall together, about the same height. Counters that began elsewhere do not.
fn follow(a: &[f64], b: &[f64]) -> bool {
    let count = a.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let apart = |values: &[f64], mean: f64| values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let both: f64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a - mean_a) * (b - mean_b))
        .sum();
    let spread = (apart(a, mean_a) * apart(b, mean_b)).sqrt();
    let span = |values: &[f64]| {
        let max = values.iter().copied().fold(f64::MIN, f64::max);
        max - values.iter().copied().fold(f64::MAX, f64::min)
    };
    let far = (mean_a - mean_b).abs() > 2.0 * span(a).max(span(b));
    spread > 0.0 && both / spread > 0.9 && !far
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(a: &[&str], b: &[&str]) -> bool {
        is_drawn(a, b)
    }

    #[test]
    fn what_never_comes_twice_is_drawn() {
        assert!(drawn(
            &["ab12", "09fe", "c0de", "17aa", "beef"],
            &["1f00", "aa01", "9c1d", "0b0b", "77e1"]
        ));
        assert!(drawn(
            &["0.37", "0.91", "0.12", "0.55", "0.60"],
            &["0.80", "0.11", "0.94", "0.27", "0.31"]
        ));
        // Counters that begin anywhere.
        assert!(drawn(
            &["512", "513", "514", "515", "516"],
            &["9001", "9002", "9003", "9004", "9005"]
        ));
        assert!(drawn(&["3f09ac"], &["b71e02"]));
    }

    #[test]
    fn what_is_related_or_repeated_is_not() {
        let ids = ["o1", "o2", "o3", "o4", "o5"];
        assert!(!drawn(&ids, &ids));
        assert!(!drawn(
            &["17", "20", "31", "44", "52"],
            &["16", "19", "30", "43", "51"]
        ));
        assert!(!drawn(&["17"], &["71"]));
        assert!(!drawn(
            &["1", "1", "1", "2", "1"],
            &["3", "3", "3", "4", "3"]
        ));
        assert!(!drawn(
            &["north", "south", "east", "west", "up"],
            &["a", "b", "c", "d", "e"]
        ));
        assert!(!drawn(&["AB12", "CD34", "EF56"], &["ab12", "cd34", "ef56"]));
    }

    #[test]
    fn arguments_of_a_command_have_positions() {
        assert_ne!(of_part(1, "1", "redis"), of_part(1, "2", "redis"));
        assert_eq!(of_part(1, "1", "http/1"), of_part(1, "2", "http/1"));
    }

    #[test]
    fn words_are_known_by_the_names_in_front_of_them() {
        let text = "GET a=1 \"b\": 2.5 x7";
        let found: Vec<&str> = words(text)
            .into_iter()
            .map(|word| &text[word.range])
            .collect();
        assert_eq!(found, ["1", "2.5", "x7"]);
        assert_eq!(words("plain words").len(), 0);
        assert_eq!(words("whole").len(), 1);
    }
}
