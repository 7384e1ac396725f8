//! What a difference is about, and where it is.

use std::collections::BTreeSet;

use super::difference::{Difference, Kind};
use super::order::{is_id, is_name, words_in};
use super::tree::Drawn;

/// Digits behind the point of a number that was measured.
const FINE_DIGITS_MIN: usize = 3;

/// Whether what differs may have been picked from several: a number is rather the result of something.
pub fn picks(root: &Difference) -> bool {
    let number = |value: &Option<String>| {
        let text = value.as_deref().unwrap_or_default();
        text.trim_matches('"').parse::<f64>().is_ok()
    };
    let mut fields = root.fields.iter();
    fields.all(|field| !number(&field.a) || !number(&field.b))
}

/// Whether all that differs are numbers with so many digits behind the point that they were measured, and that are
/// about the same: how busy the machine was, or what the time was.
pub fn is_fine(root: &Difference) -> bool {
    let number = |value: &Option<String>| -> Option<f64> {
        let text = value.as_deref()?.trim_matches('"');
        let decimals = text.rsplit_once('.').map_or(0, |(_, digits)| digits.len());
        text.parse().ok().filter(|_| decimals >= FINE_DIGITS_MIN)
    };
    let fine = root.fields.iter().all(|field| {
        // One of them may end in a zero, which is not written.
        let any = number(&field.a).or(number(&field.b)).is_some();
        let parse =
            |value: &Option<String>| value.as_deref()?.trim_matches('"').parse::<f64>().ok();
        let both = parse(&field.a).zip(parse(&field.b));
        any && both.is_some_and(|(a, b)| (a - b).abs() <= a.abs().max(b.abs()) / 2.0)
    });
    fine && !root.fields.is_empty() && root.more == 0
}

/// Whether what differs has a name in it that one of the two messages said that changed places.
pub fn is_conflict(overtaken: &Difference, root: &Difference) -> bool {
    let Some(shown) = &overtaken.sides[0] else {
        return false;
    };
    let said: BTreeSet<String> = words_in(&shown.text)
        .chain(words_in(&overtaken.what))
        .collect();
    !root.permuted
        && root.fields.iter().any(|field| {
            let words = |value: &Option<String>| -> BTreeSet<String> {
                value.iter().flat_map(|value| words_in(value)).collect()
            };
            let (a, b) = (words(&field.a), words(&field.b));
            let mut differ = a.symmetric_difference(&b);
            differ.any(|word| (is_name(word) || word.len() > 3) && said.contains(word))
        })
}

/// Words by which what failed is told from other things: a cause that speaks of the same is likelier.
pub struct Words {
    of_symptoms: BTreeSet<String>,
    /// The same for messages that changed places: without what most of these have in common.
    of_failure: BTreeSet<String>,
}

impl Words {
    pub fn new<'a>(
        symptoms: &[&Difference],
        overtaken: &[&'a Difference],
        roots: &[&'a Difference],
    ) -> Words {
        let mut of_symptoms: BTreeSet<String> = BTreeSet::new();
        for symptom in symptoms.iter().filter(|one| one.kind == Kind::Output) {
            let texts = symptom.sides.iter().flatten();
            of_symptoms.extend(texts.flat_map(|shown| words_in(&shown.text)));
        }
        let mut of_failure = of_symptoms.clone();
        of_failure.retain(|word| {
            let having = overtaken.iter().filter(|one| one.common.contains(word));
            (is_name(word) || is_id(word))
                && (overtaken.len() < 4 || having.count() * 2 <= overtaken.len())
        });
        let candidates: Vec<BTreeSet<String>> = overtaken
            .iter()
            .chain(roots)
            .filter(|one| !one.kind.is_symptom())
            .map(|one| words_of(one))
            .collect();
        // What most of them have tells none from the others.
        let rare = |word: &String| {
            let having = candidates.iter().filter(|words| words.contains(word));
            candidates.len() < 4 || having.count() * 2 <= candidates.len()
        };
        of_symptoms.retain(rare);
        let is_named = |one: &&Difference| !one.common.is_disjoint(&of_failure);
        if !overtaken.iter().any(is_named) {
            of_failure.clear();
        }
        Words {
            of_symptoms,
            of_failure,
        }
    }

    /// How many things two messages that changed places both name, and what failed, too.
    pub fn names_both(&self, overtaken: &Difference) -> usize {
        let common = overtaken.common.iter();
        match self.of_failure.is_empty() {
            true => usize::from(overtaken.related),
            false => common
                .filter(|word| self.of_failure.contains(*word))
                .count(),
        }
    }

    /// Whether both name something that what failed names, too.
    pub fn names_failure(&self, overtaken: &Difference) -> bool {
        !self.of_failure.is_empty() && self.names_both(overtaken) > 0
    }

    pub fn shares(&self, difference: &Difference) -> bool {
        !words_of(difference).is_disjoint(&self.of_symptoms)
    }
}

/// Whether an argument is what its process says: then the message tells more.
pub fn is_handed_on(argument: &Difference, message: &Difference) -> bool {
    argument.kind == Kind::Arguments
        && message.kind == Kind::Payload
        && process_in(argument) == process_in(message)
        && !words_of(argument).is_disjoint(&words_of(message))
}

/// Whether somebody says again what only changed hands at one whose threads ran in another order: that is one of the
/// two things that were given to others there. Or whether both have the same values in the same runs.
pub fn passes_on(root: &Difference, other: &Difference) -> bool {
    let changed_hands = root.threaded
        && root.permuted
        && matches!(other.kind, Kind::Missing | Kind::Extra | Kind::Payload)
        && !words_of(root).is_disjoint(&words_of(other));
    let said = match other.kind {
        Kind::File | Kind::Written | Kind::Arguments | Kind::Payload => true,
        _ => root.kind == Kind::Environment,
    };
    let said = said && is_also_said(root, other);
    changed_hands || said || other.forwarded && is_said_again(root, other)
}

/// What each run alone says in what differs.
fn only_said(difference: &Difference) -> [BTreeSet<String>; 2] {
    let mut all: [BTreeSet<String>; 2] = Default::default();
    let words = |value: Option<&str>| -> BTreeSet<String> {
        value
            .map(|value| words_in(value).collect())
            .unwrap_or_default()
    };
    let mut add = |a: BTreeSet<String>, b: BTreeSet<String>| {
        all[0].extend(&a - &b);
        all[1].extend(&b - &a);
    };
    for field in &difference.fields {
        add(words(field.a.as_deref()), words(field.b.as_deref()));
    }
    // Long texts are shown in part.
    for drawn in &difference.words {
        if let Drawn::Word { words, .. } = drawn {
            let [a, b] = words.each_ref().map(|word| BTreeSet::from([word.clone()]));
            add(a, b);
        }
    }
    if difference.kind == Kind::Environment {
        // A variable has its value behind its name.
        let value = |run: usize| Some(difference.sides[run].as_ref()?.text.split_once('=')?.1);
        add(words(value(0)), words(value(1)));
    }
    all
}

/// Whether each run says something of what it alone says in the one in the other, too.
fn is_also_said(root: &Difference, other: &Difference) -> bool {
    let (of_root, of_other) = (only_said(root), only_said(other));
    // A variable may be there in one run only.
    let said = |run: usize| !of_root[run].is_disjoint(&of_other[run]);
    match root.kind {
        Kind::Environment => said(0) || said(1),
        _ => said(0) && said(1),
    }
}

/// Whether all that differs in a message is a part of what differs in another one.
fn is_said_again(root: &Difference, other: &Difference) -> bool {
    let (of_root, of_other) = (only_said(root), only_said(other));
    (0..2).all(|run| !of_other[run].is_empty() && of_other[run].is_subset(&of_root[run]))
}

/// What a difference is about: the values that differ, or else what was said.
fn words_of(difference: &Difference) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for field in &difference.fields {
        let side = |value: &Option<String>| -> BTreeSet<String> {
            value.iter().flat_map(|value| words_in(value)).collect()
        };
        let (a, b) = (side(&field.a), side(&field.b));
        all.extend(a.symmetric_difference(&b).cloned());
    }
    if difference.fields.is_empty() {
        let texts = difference.sides.iter().flatten();
        all.extend(texts.flat_map(|shown| words_in(&shown.text)));
    }
    all
}

/// Whether a difference is what somebody does who waited in vain.
pub fn in_vain(root: &Difference) -> bool {
    match root.kind {
        Kind::Missing | Kind::Extra | Kind::Happening | Kind::Process | Kind::Exit => true,
        Kind::Payload | Kind::Output => {
            let text = root.sides[1].as_ref().map_or("", |shown| &shown.text);
            let text = text.to_ascii_lowercase();
            let words = [
                "time",
                "deadline",
                "unavailable",
                "error",
                "500",
                "502",
                "503",
                "504",
            ];
            words.iter().any(|word| text.contains(word))
        }
        Kind::Overtaken | Kind::Jump | Kind::Slow | Kind::Checksum | Kind::File => false,
        Kind::Written => true,
        Kind::Elsewhere => false,
        Kind::Environment | Kind::Arguments | Kind::Program => false,
        Kind::Threads | Kind::Randomness | Kind::Clock => false,
    }
}

/// The process of the first run that a difference is in.
pub fn process_of(difference: &Difference) -> Option<u32> {
    let sight = difference.places[0].as_ref()?;
    Some(sight.point.event.stream.process)
}

/// A run and its process that has a difference.
pub fn process_in(difference: &Difference) -> (usize, u32) {
    let process = |run: usize| {
        let shown = difference.sides[run].as_ref()?;
        Some((run, shown.sight.point.event.stream.process))
    };
    process(0).or_else(|| process(1)).unwrap_or_default()
}

/// Whether one began before the other, in a run that has both.
pub fn sooner(one: &Difference, other: &Difference, starts: [u64; 2]) -> bool {
    let time = |difference: &Difference, run: usize| {
        let sight = difference.places[run].as_ref()?;
        Some(sight.point.time_ns.saturating_sub(starts[run]))
    };
    (0..2).any(|run| {
        matches!((time(one, run), time(other, run)), (Some(one), Some(other)) if one <= other)
    })
}

/// Whether both are of one process, or of processes that share memory.
pub fn same_memory(one: &Difference, other: &Difference) -> bool {
    let of = |difference: &Difference, run: usize| {
        let by = difference.by[run].as_ref();
        let point = by.or(difference.places[run].as_ref())?.point;
        Some((point.event.stream.process, point.place.chain))
    };
    (0..2).any(|run| match (of(one, run), of(other, run)) {
        (Some(one), Some(other)) => one.0 == other.0 || one.1 == other.1 && one.1 != 0,
        (_, _) => false,
    })
}
