//! A choice by random bytes that mattered once.
//!
//! Which of several shards, servers or names a process takes for a thing may be drawn anew in every run, good ones
//! too, so that how the runs differ in it says nothing by itself. It is a cause where the thing it was drawn for then
//! came to something that the other run never says: the way that it took is known in both runs, and what came of it
//! is not. So messages of both runs are paired by what they are about, wherever and in whatever order they were
//! sent; of those that took another way, the ones count behind which something new is said about the same thing.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::about::picks;
use super::alike::shape;
use super::compare::{shown, sight_of};
use super::difference::{Difference, Kind};
use super::inputs::Random;
use super::judge::Explained;
use super::learn;
use super::masked;
use super::noise::Noise;
use super::run::{Item, Process, Run};
use super::talks::name;
use super::tree::{Comparer, FieldDiff};
use crate::commands::show::words::shortened;

/// Messages of a run, and of one place, that are looked at.
const MESSAGES_MAX: usize = 40_000;
const OF_PLACE_MAX: usize = 400;
/// Choices that are told.
const CHOICES_MAX: usize = 2;
/// A name is of one thing if hardly any message has it.
const NAMED_MAX: u32 = 24;
const NAMED_SHARE: usize = 4;
/// The same among all messages, where few are of its place.
const ALONE_MAX: u32 = 10;
const ALONE_SHARE: usize = 8;
/// Characters of such a name.
const NAME_MIN: usize = 4;
/// Characters of a name with digits, such as an id, and how many messages of one place are about its thing.
const OWN_MIN: usize = 6;
const OWN_MAX: u32 = 2;
/// How long before a message its sender had read the random bytes that decide it.
const DRAWN_WITHIN_NS: u64 = 1_000_000_000;
/// What is left of a choice beside something that was changed or lost, and beside a slow disk.
const BESIDE_GIVEN: f64 = 0.6;
const BESIDE_SLOW: f64 = 0.93;
/// And where it is not known that these bytes decided, as any random number of its process comes of them.
const SEEDED: f64 = 0.92;
/// Words of one text that are looked at.
const WORDS_MAX: usize = 64;
/// Characters of texts in sentences.
const TEXT_MAX: usize = 90;

/// A value of a message: where it stands there, as people read that, and what it is without noise.
struct Value {
    at: u64,
    path: String,
    text: String,
}

struct Message<'a> {
    item: &'a Item,
    place: u64,
    values: Vec<Value>,
    /// Names in it as they were sent, ascending, and whether each looks like no other thing's.
    names: Vec<(u64, bool)>,
    /// It went to somebody who is recorded or not, and was not only printed.
    is_sent: bool,
    side: usize,
}

/// All that was said in a run, in the order of time.
struct Said<'a> {
    run: &'a Run,
    all: Vec<Message<'a>>,
    of_place: FxHashMap<u64, Vec<usize>>,
    /// How many messages have a value at a place, and a name.
    values: FxHashMap<u64, u32>,
    names: FxHashMap<u64, u32>,
    /// The same among messages of one place.
    names_of_place: FxHashMap<(u64, u64), u32>,
}

fn number(parts: &[&[u8]]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = rustc_hash::FxHasher::default();
    for part in parts {
        hasher.write(part);
        hasher.write_u8(0);
    }
    hasher.finish()
}

/// Places in lists are all one, as far as what is known there goes.
fn known_at(place: u64, value: &Value) -> u64 {
    let field = learn::of_field(place, &value.path);
    number(&[&field.to_le_bytes(), value.text.as_bytes()])
}

impl<'a> Said<'a> {
    fn of(run: &'a Run, noise: &mut Noise) -> Option<Said<'a>> {
        if run.messages() > MESSAGES_MAX {
            return None;
        }
        let mut all = Vec::new();
        for talk in &run.talks {
            let (roles, name) = (learn::roles(run, talk), name(run, talk));
            for (side, lane) in talk.lanes.iter().enumerate() {
                for item in lane {
                    let place = learn::base(&roles, side, item.protocol, &shape(item));
                    let mut comparer = Comparer::of(noise, item.protocol, &name);
                    all.push(Message {
                        item,
                        place,
                        values: values(&mut comparer, item),
                        names: names(item),
                        is_sent: !matches!(talk.channel, "stdout" | "stderr" | "stdin"),
                        side,
                    });
                }
            }
        }
        all.sort_by_key(|one| one.item.sight.point.time_ns);
        let mut said = Said {
            run,
            all,
            of_place: FxHashMap::default(),
            values: FxHashMap::default(),
            names: FxHashMap::default(),
            names_of_place: FxHashMap::default(),
        };
        for (at, one) in said.all.iter().enumerate() {
            said.of_place.entry(one.place).or_default().push(at);
            let known: FxHashSet<u64> = one
                .values
                .iter()
                .map(|value| known_at(one.place, value))
                .collect();
            for value in known {
                *said.values.entry(value).or_default() += 1;
            }
            for (name, _) in &one.names {
                *said.names.entry(*name).or_default() += 1;
                let of_place = said.names_of_place.entry((one.place, *name));
                *of_place.or_default() += 1;
            }
        }
        Some(said)
    }

    fn knows(&self, place: u64, value: &Value) -> bool {
        self.values.contains_key(&known_at(place, value))
    }

    /// Whether a name of a message tells what it is about from others of its place.
    fn is_telling(&self, message: &Message<'_>, name: u64, is_own: bool) -> bool {
        let count = self.names.get(&name).copied().unwrap_or(0);
        let of_place = self.names_of_place.get(&(message.place, name)).copied();
        let others = self.of_place.get(&message.place).map_or(0, Vec::len);
        let few = match others < NAMED_SHARE {
            true => count <= ALONE_MAX && count as usize * ALONE_SHARE <= self.all.len(),
            false => of_place.unwrap_or(0) as usize * NAMED_SHARE <= others,
        };
        count <= NAMED_MAX && (few || is_own && of_place <= Some(OWN_MAX))
    }

    /// Whether two messages name one thing.
    fn is_about(&self, one: &Message<'_>, other: &Message<'_>) -> bool {
        let mut names = one.names.iter();
        names.any(|(name, is_own)| {
            let both = other.names.binary_search(&(*name, *is_own)).is_ok();
            both && self.is_telling(one, *name, *is_own) && self.is_telling(other, *name, *is_own)
        })
    }
}

/// What a message says, value by value; of a text, word by word.
fn values(comparer: &mut Comparer<'_>, item: &Item) -> Vec<Value> {
    let mut all = Vec::new();
    comparer.numbered_leaves(&item.body, &mut |path, text| {
        let cut = path.is_empty() || text.contains(' ');
        let words = text.split([' ', '\n', ',', ';']).filter(|_| cut);
        for (at, word) in words.enumerate().take(WORDS_MAX) {
            all.push(Value {
                at: number(&[path.as_bytes(), &at.to_le_bytes()]),
                path: path.to_owned(),
                text: word.to_owned(),
            });
        }
        if !cut {
            all.push(Value {
                at: number(&[path.as_bytes()]),
                path: path.to_owned(),
                text: text.to_owned(),
            });
        }
    });
    all
}

fn names(item: &Item) -> Vec<(u64, bool)> {
    let text = serde_json::to_string(&item.body).unwrap_or_default();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
    let words = words.filter(|word| word.len() >= NAME_MIN);
    let is_own = |word: &str| word.len() >= OWN_MIN && word.bytes().any(|b| b.is_ascii_digit());
    let words = words.map(|word| (number(&[word.as_bytes()]), is_own(word)));
    let mut all: Vec<(u64, bool)> = words.collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A message of the second run with the one of the first that is about the same.
struct Choice<'a> {
    messages: [&'a Message<'a>; 2],
    fields: Vec<FieldDiff>,
    /// Who received each, if that differs.
    went: Option<[String; 2]>,
}

/// Choices by random bytes of the second run behind which something is said about the same thing that the first run
/// never says.
pub fn decided(runs: [&Run; 2], noise: &mut Noise) -> Vec<Difference> {
    let [a, b] = runs;
    let draws = |process: u32| {
        let known = b.processes.get(&process);
        known.map_or(&[][..], |known| &known.inputs.random)
    };
    if b.processes.keys().all(|process| draws(*process).is_empty()) {
        return Vec::new();
    }
    let (Some(in_a), Some(in_b)) = (Said::of(a, noise), Said::of(b, noise)) else {
        return Vec::new();
    };
    let is_new = |message: &Message<'_>| {
        let mut values = message.values.iter();
        message.is_sent
            && in_a.of_place.contains_key(&message.place)
            && values.any(|value| !in_a.knows(message.place, value))
    };
    let fresh: Vec<&Message<'_>> = in_b.all.iter().filter(|one| is_new(one)).collect();
    let mut found = Vec::new();
    for (at, message) in in_b.all.iter().enumerate() {
        if found.len() == CHOICES_MAX {
            break;
        }
        let point = message.item.sight.point;
        let sender = point.event.stream.process;
        let Some(random) = drawn_before(draws(sender), message.item) else {
            continue;
        };
        let Some(choice) = choice(&in_a, &in_b, at, noise) else {
            continue;
        };
        let later = |one: &&&Message<'_>| {
            let place = one.item.sight.point.place;
            in_b.is_about(message, one) && b.happens_before(point.place, place)
        };
        let Some(then) = fresh.iter().find(later) else {
            continue;
        };
        found.extend(told(runs, &choice, random, then).filter(|one| {
            // Who was seeded passes on what others chose, or counts.
            !one.late || found.is_empty() && (choice.went.is_some() || picks(one))
        }));
    }
    found
}

/// How likely a choice is the cause beside others: something that was changed, lost or slow says more.
pub fn weighed(
    choice: &Difference,
    score: f64,
    roots: &[&Difference],
    explained: &[Explained<'_>],
) -> f64 {
    let stronger = |root: &&&Difference| {
        let given = root.kind.is_given() && !root.drawn && !root.internal;
        (given || root.lost) && !root.weak
    };
    let slow = |one: &&Explained<'_>| one.suspect.kind == Kind::Slow && one.suspect.disk;
    let score = if choice.late { score * SEEDED } else { score };
    match (
        roots.iter().find(stronger).is_some(),
        explained.iter().find(slow).is_some(),
    ) {
        (true, _) => score * BESIDE_GIVEN,
        (false, true) => score * BESIDE_SLOW,
        (false, false) => score,
    }
}

/// The random bytes that decide what the sender of a message does: those that it had read last, just before, or else
/// those that its language seeds its own numbers with.
pub fn drawn_before<'a>(all: &'a [Random], item: &Item) -> Option<&'a Random> {
    let sent = item.sight.point;
    let earlier = |random: &&Random| random.point.time_ns <= sent.time_ns;
    let mut before = all.iter().rev().filter(earlier).filter(|random| {
        let near = sent.time_ns - random.point.time_ns <= DRAWN_WITHIN_NS;
        near && !random.of_library
    });
    let Some(last) = before.next() else {
        return all.iter().rev().find(earlier);
    };
    let own = |random: &&Random| random.point.event.stream == sent.event.stream;
    std::iter::once(last).chain(before).find(own).or(Some(last))
}

/// The message of the first run that is most about the same, if both only differ in what either run knows.
fn choice<'a>(
    in_a: &'a Said<'a>,
    in_b: &'a Said<'a>,
    at: usize,
    noise: &mut Noise,
) -> Option<Choice<'a>> {
    let message = &in_b.all[at];
    let of_a = in_a.of_place.get(&message.place)?;
    let of_b = in_b.of_place.get(&message.place)?;
    if of_a.len().max(of_b.len()) > OF_PLACE_MAX {
        return None;
    }
    let values: FxHashMap<u64, &Value> = message.values.iter().map(|one| (one.at, one)).collect();
    let rarity = |value: &Value| {
        let known = known_at(message.place, value);
        let count = in_a.values.get(&known).copied().unwrap_or(0);
        let all = of_a.len() as f64 + 1.0;
        (all / f64::from(count.max(1))).ln().max(0.01)
    };
    let likeness = |other: &Message<'_>| -> f64 {
        let same = other
            .values
            .iter()
            .filter(|one| values.get(&one.at).is_some_and(|own| own.text == one.text));
        same.map(rarity).sum()
    };
    let likes: Vec<f64> = of_a.iter().map(|at| likeness(&in_a.all[*at])).collect();
    let most = likes.iter().copied().fold(0.0, f64::max);
    let best: Vec<usize> = of_a
        .iter()
        .zip(&likes)
        .filter(|(_, like)| **like > most - 1e-9)
        .map(|(at, _)| *at)
        .collect();
    // Of several that say the same, the one that is as far in its run.
    let text = |one: &Message<'_>| -> Vec<String> {
        one.values.iter().map(|value| value.text.clone()).collect()
    };
    let twin = match best.as_slice() {
        [only] => *only,
        several => {
            let own = text(message);
            if several.iter().any(|at| text(&in_a.all[*at]) != own) {
                return None;
            }
            let before = of_b.iter().take_while(|one| **one < at);
            let rank = before.filter(|one| text(&in_b.all[**one]) == own).count();
            *several.get(rank)?
        }
    };
    let twin = &in_a.all[twin];
    let mut fields = Vec::new();
    let others: FxHashMap<u64, &Value> = twin.values.iter().map(|one| (one.at, one)).collect();
    for (at, value) in &values {
        let other = others.get(at)?;
        if other.text == value.text {
            continue;
        }
        if !in_a.knows(message.place, value) || !in_b.knows(message.place, other) {
            return None;
        }
        fields.push(FieldDiff {
            path: value.path.clone(),
            a: Some(other.text.clone()),
            b: Some(value.text.clone()),
        });
    }
    fields.sort_by(|one, other| one.path.cmp(&other.path));
    if others.len() != values.len() || most <= 0.0 {
        return None;
    }
    // Who took a thing that is there for several did not choose it.
    let mut sender = |said: &Said<'_>, message: &Message<'_>| {
        let process = message.item.sight.point.event.stream.process;
        let known = said.run.processes.get(&process)?;
        Some(masked::arguments(noise, known))
    };
    if sender(in_a, twin) != sender(in_b, message) {
        return None;
    }
    let went = went(in_a, in_b, [twin, message], noise);
    (!fields.is_empty() || went.is_some()).then_some(Choice {
        messages: [twin, message],
        fields,
        went,
    })
}

/// To whom each of two questions went, if these are several instances of one program, and both runs have both.
fn went(
    in_a: &Said<'_>,
    in_b: &Said<'_>,
    of: [&Message<'_>; 2],
    noise: &mut Noise,
) -> Option<[String; 2]> {
    if of[0].side != 0 {
        return None;
    }
    let mut masked = |process: &Process| masked::arguments(noise, process);
    let receivers = [(in_a, of[0]), (in_b, of[1])].map(|(said, message)| {
        let received = message.item.received.as_ref()?;
        let process = received.point.event.stream.process;
        let known = said.run.processes.get(&process)?;
        Some((received.who.clone(), masked(known)))
    });
    let [Some((a, of_a)), Some((b, of_b))] = receivers else {
        return None;
    };
    let mut has = |said: &Said<'_>, argv: &Vec<String>| {
        let mut all = said.run.processes.values();
        all.any(|one| masked(one) == *argv)
    };
    let several = of_a != of_b && has(in_a, &of_b) && has(in_b, &of_a);
    several.then(|| [a, b].map(|who: Arc<str>| who.to_string()))
}

fn told(
    runs: [&Run; 2],
    choice: &Choice<'_>,
    random: &Random,
    then: &Message<'_>,
) -> Option<Difference> {
    let items = choice.messages.map(|message| message.item);
    let sender = items[1].sight.point.event.stream.process;
    let process = runs[1].processes.get(&sender)?;
    let read = sight_of(process, random.point);
    let which = match (&choice.went, choice.fields.first()) {
        (Some([a, b]), _) => format!("it goes to {b} instead of {a}"),
        (None, Some(field)) => {
            let side = |value: &Option<String>| value.clone().unwrap_or_default();
            format!("it says {} instead of {}", side(&field.b), side(&field.a))
        }
        (None, None) => return None,
    };
    let seeds =
        random.of_library || items[1].sight.point.time_ns - random.point.time_ns > DRAWN_WITHIN_NS;
    let (who, event) = (&read.who, read.event());
    let drawn = match seeds {
        true => format!("Random numbers of {who}, seeded with other random bytes ({event}),"),
        false => format!("Random bytes that {who} read ({event})"),
    };
    let text = shortened(&items[1].text, TEXT_MAX);
    let what = format!("{drawn} sent “{text}” another way: {which}.");
    let first = &items[0].sight;
    let mut difference = Difference::new(Kind::Randomness, what).at(
        shown(first, items[0].text.as_str()),
        shown(&read, "reads random bytes"),
    );
    difference.note = format!(
        "of the same thing, “{}” is said then, which the first run never says",
        shortened(&then.item.text, TEXT_MAX)
    );
    difference.fields.clone_from(&choice.fields);
    difference.decisive = true;
    difference.late = seeds;
    difference.outside = true;
    // What comes of it comes of the message.
    difference.places[1] = Some(items[1].sight.clone());
    Some(difference)
}
