//! Names that are drawn anew in each run, and that are too short to look so, such as codes of two letters.
//!
//! Where a process that reads random bytes is the first to say a word, and says another one at the same place for
//! each thing, which the other run never says, these words are names. Messages that say the same but for them are
//! one, and so the names of one run are those of the other, one to one, wherever they stand. What the two runs then
//! say otherwise is told; and so is a name that the second run gave to two things of the first.

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::alike::shape;
use super::chance::drawn_before;
use super::compare::{shown, sight_of};
use super::difference::{Difference, Kind};
use super::learn;
use super::noise::Noise;
use super::run::{Item, Run};
use super::talks::name;
use super::tree::Comparer;
use crate::commands::show::words::shortened;

/// Messages of a run that are looked at.
const MESSAGES_MAX: usize = 40_000;
/// Characters of a name, and how many of them there are at least.
const NAME_MIN: usize = 2;
const NAME_MAX: usize = 12;
const NAMES_MIN: usize = 3;
/// Characters of names of which two are enough.
const LONG_MIN: usize = 6;
/// Values of one place that are looked at.
const VALUES_MAX: usize = 512;
/// Names that stand for two things and are told.
const TWICE_MAX: usize = 2;
/// Characters of texts in sentences.
const TEXT_MAX: usize = 90;

/// What stands for each name in a masked text.
pub type Names = FxHashMap<String, String>;

/// A word that somebody says at a place.
struct Said<'a> {
    word: String,
    item: &'a Item,
    /// A number for what else the message says.
    rest: u64,
}

type Places<'a> = FxHashMap<u64, Vec<Said<'a>>>;

/// Words of letters and digits, with where they stand.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .map(move |word| {
            let at = from;
            from = at + word.len() + 1;
            (at, word)
        })
        .filter(|(_, word)| !word.is_empty())
}

/// A text with its names replaced, if it has any.
pub fn replaced(text: &str, names: &Names) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let mut out = String::new();
    let mut copied = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let base = text.len() - rest.len();
        let plain = |c: char| c.is_ascii_alphanumeric();
        let Some(start) = rest.find(plain) else { break };
        let word = &rest[start..];
        let len = word.find(|c: char| !plain(c)).unwrap_or(word.len());
        if let Some(known) = names.get(&word[..len]) {
            out.push_str(&text[copied..base + start]);
            out.push_str(known);
            copied = base + start + len;
        }
        rest = &rest[start + len..];
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// What may be a name in a word: what stands behind its last dash, if that is long enough.
fn name_in(word: &str) -> Option<&str> {
    let last = word.rsplit(['-', '_', '.']).next().unwrap_or(word);
    let name = if last.len() >= LONG_MIN { last } else { word };
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let letters = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    let fits = (NAME_MIN..=NAME_MAX).contains(&name.len());
    (fits && plain && letters).then_some(name)
}

/// Whether a name is long enough, and mixed enough, to be one though there are few.
fn is_long(name: &str) -> bool {
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.len() >= LONG_MIN
        && name.bytes().all(hexadecimal)
        && name.bytes().any(|byte| byte.is_ascii_digit())
}

/// What processes that read random bytes say, by the places of words that may be names.
fn gather<'a>(run: &'a Run, noise: &mut Noise) -> Places<'a> {
    let mut all = Places::default();
    for talk in &run.talks {
        if matches!(talk.channel, "stdout" | "stderr" | "stdin") {
            continue;
        }
        let (roles, name) = (learn::roles(run, talk), name(run, talk));
        for (side, lane) in talk.lanes.iter().enumerate() {
            for item in lane {
                let sender = item.sight.point.event.stream.process;
                let known = run.processes.get(&sender);
                if known.is_none_or(|known| known.inputs.random.is_empty()) {
                    continue;
                }
                let base = learn::base(&roles, side, item.protocol, &shape(item));
                let mut comparer = Comparer::of(noise, item.protocol, &name);
                comparer.numbered_leaves(&item.body, &mut |path, text| {
                    // What stands in a list is known by where.
                    let mut field = FxHasher::default();
                    field.write_u64(base);
                    field.write(path.as_bytes());
                    let field = field.finish();
                    for word in learn::words(text) {
                        let word_at = &text[word.range()];
                        if let Some(name) = name_in(word_at) {
                            let values = all.entry(word.place(field)).or_default();
                            values.push(Said {
                                word: name.to_owned(),
                                item,
                                rest: 0,
                            });
                        }
                    }
                });
            }
        }
    }
    for values in all.values_mut() {
        values.sort_by_key(|one| one.item.sight.point.time_ns);
    }
    all
}

/// When each word is first said in a run.
fn first_said(run: &Run) -> FxHashMap<String, u64> {
    let mut first: FxHashMap<String, u64> = FxHashMap::default();
    for item in run.talks.iter().flat_map(|talk| &talk.lanes).flatten() {
        let time_ns = item.sight.point.time_ns;
        let text = serde_json::to_string(&item.body).unwrap_or_default();
        for (_, word) in tokens(&text).filter(|(_, word)| word.len() <= NAME_MAX) {
            match first.get_mut(word) {
                Some(known) => *known = time_ns.min(*known),
                None => {
                    first.insert(word.to_owned(), time_ns);
                }
            }
        }
    }
    first
}

/// Whether values of one place are long enough to be names by themselves: numbers alone are not.
fn are_long(a: &[Said<'_>], b: &[Said<'_>]) -> bool {
    let mut all = a.iter().chain(b);
    let letters = |one: &Said<'_>| one.word.bytes().any(|byte| byte.is_ascii_alphabetic());
    all.clone().all(|one| is_long(&one.word)) && all.any(letters)
}

/// Whether values of one place may be names, as far as they say: each is another one.
fn are_like_names(a: &[Said<'_>], b: &[Said<'_>]) -> bool {
    let distinct = |of: &[Said<'_>]| {
        let words: FxHashSet<&str> = of.iter().map(|one| one.word.as_str()).collect();
        words.len()
    };
    let [of_a, of_b] = [a, b].map(distinct);
    let len = a.first().map_or(0, |one| one.word.len());
    let long = are_long(a, b);
    let many = of_a.min(of_b) >= NAMES_MIN && of_a * 5 >= a.len() * 4 && of_b * 2 >= b.len();
    a.len().max(b.len()) <= VALUES_MAX
        && (long || many)
        && a.iter().chain(b).all(|one| one.word.len() == len)
}

/// Whether a run is the first to say most of its values there, and the other one does not say them.
fn are_new(of: &[Said<'_>], own: &FxHashMap<String, u64>, other: &FxHashMap<String, u64>) -> bool {
    let words: FxHashMap<&str, u64> = {
        let all = of.iter().rev();
        all.map(|one| (one.word.as_str(), one.item.sight.point.time_ns))
            .collect()
    };
    let new = words.iter().filter(|(word, time_ns)| {
        let first = own.get(**word).copied().unwrap_or(u64::MAX);
        first >= **time_ns && !other.contains_key(**word)
    });
    new.count() * 4 >= words.len() * 3
}

fn rest_of(item: &Item, names: &FxHashSet<&str>) -> u64 {
    let text = serde_json::to_string(&item.body).unwrap_or_default();
    let mut hasher = FxHasher::default();
    for (_, word) in tokens(&text) {
        let digits = word.bytes().any(|byte| byte.is_ascii_digit());
        if !(names.contains(word) || digits && word.len() > NAME_MAX) {
            hasher.write(word.as_bytes());
            hasher.write_u8(0);
        }
    }
    hasher.finish()
}

/// Pairs what two runs say at one place: what says the same but for names, and then what is left, in order.
fn pairs<'s, 'a>(a: &'s [Said<'a>], b: &'s [Said<'a>]) -> Vec<(&'s Said<'a>, &'s Said<'a>)> {
    let mut taken = vec![false; b.len()];
    let mut both = Vec::new();
    let mut left = Vec::new();
    for one in a {
        let same = |at: &usize| !taken[*at] && b[*at].rest == one.rest;
        match (0..b.len()).find(same) {
            Some(at) => {
                taken[at] = true;
                both.push((one, &b[at]));
            }
            None => left.push(one),
        }
    }
    let others = b.iter().zip(taken).filter(|(_, taken)| !taken);
    both.extend(left.into_iter().zip(others.map(|(one, _)| one)));
    both.sort_by_key(|(one, _)| one.item.sight.point.time_ns);
    both
}

/// Which names of both runs are the same.
#[derive(Default)]
struct Known {
    to_b: FxHashMap<String, String>,
    to_a: FxHashMap<String, String>,
}

impl Known {
    /// Whether the second name is known as another one's, in the second run.
    fn add(&mut self, a: &str, b: &str) -> bool {
        match (self.to_b.get(a), self.to_a.get(b)) {
            (None, None) => {
                self.to_b.insert(a.to_owned(), b.to_owned());
                self.to_a.insert(b.to_owned(), a.to_owned());
                false
            }
            (None, Some(_)) => true,
            (Some(_), _) => false,
        }
    }

    /// What stands for each: a word may be a name of something else in the other run.
    fn names(&self) -> Names {
        let mut numbers: FxHashMap<&str, usize> = FxHashMap::default();
        let mut all: Vec<(&String, &String)> = self.to_b.iter().collect();
        all.sort();
        for (number, (a, b)) in all.iter().enumerate() {
            let known = [a.as_str(), b.as_str()].map(|word| numbers.get(word).copied());
            let number = known[0].or(known[1]).unwrap_or(number);
            for old in known.into_iter().flatten() {
                numbers
                    .values_mut()
                    .filter(|one| **one == old)
                    .for_each(|one| *one = number);
            }
            numbers.insert(a, number);
            numbers.insert(b, number);
        }
        let names = numbers.into_iter();
        names
            .map(|(word, number)| (word.to_owned(), format!("<renamed {number}>")))
            .collect()
    }
}

/// Names of both runs, and what the second one gave a name to that was another thing's.
pub fn find(runs: [&Run; 2], noise: &mut Noise) -> (Names, Vec<Difference>) {
    if runs.iter().any(|run| run.messages() > MESSAGES_MAX) {
        return (Names::default(), Vec::new());
    }
    let [mut of_a, mut of_b] = runs.map(|run| gather(run, noise));
    of_a.retain(|place, a| {
        let b = of_b.get(place);
        b.is_some_and(|b| are_like_names(a, b))
    });
    if of_a.is_empty() {
        return (Names::default(), Vec::new());
    }
    let [in_a, in_b] = runs.map(first_said);
    of_a.retain(|place, a| {
        let b = of_b.get(place);
        b.is_some_and(|b| are_new(a, &in_a, &in_b) && are_new(b, &in_b, &in_a))
    });
    of_b.retain(|place, _| of_a.contains_key(place));
    let words = |of: &Places<'_>| -> FxHashSet<String> {
        let all = of.values().flatten();
        all.map(|one| one.word.clone()).collect()
    };
    let (names_a, names_b) = (words(&of_a), words(&of_b));
    let names: FxHashSet<&str> = names_a.iter().chain(&names_b).map(String::as_str).collect();
    for one in of_a.values_mut().chain(of_b.values_mut()).flatten() {
        one.rest = rest_of(one.item, &names);
    }
    let mut places: Vec<(u64, &Vec<Said<'_>>, &Vec<Said<'_>>)> = of_a
        .iter()
        .filter_map(|(place, a)| Some((a.first()?.item.sight.point.time_ns, a, of_b.get(place)?)))
        .collect();
    places.sort_by_key(|(time_ns, ..)| *time_ns);
    let mut known = Known::default();
    let mut twice = Vec::new();
    let mut alone = Names::default();
    for (_, a, b) in places {
        if are_long(a, b) {
            let words = a.iter().chain(b).map(|one| one.word.clone());
            alone.extend(words.map(|word| (word, "<renamed>".to_owned())));
            continue;
        }
        let both = pairs(a, b);
        // Each is drawn for one thing there.
        let words: FxHashSet<&str> = a.iter().map(|one| one.word.as_str()).collect();
        let once = words.len() == a.len() && a.len() == b.len();
        for (at, (one, other)) in both.iter().enumerate() {
            if known.add(&one.word, &other.word) && once && twice.len() < TWICE_MAX {
                let first = both[..at]
                    .iter()
                    .find(|(_, known)| known.word == other.word);
                twice.extend(first.map(|first| told(runs, *first, (one, other))));
            }
        }
    }
    if known.to_b.len() >= NAMES_MIN {
        alone.extend(known.names());
    } else {
        twice.clear();
    }
    (alone, twice)
}

/// That the second run drew one name for two things.
fn told(
    runs: [&Run; 2],
    first: (&Said<'_>, &Said<'_>),
    then: (&Said<'_>, &Said<'_>),
) -> Difference {
    let sender = then.1.item.sight.point.event.stream.process;
    let process = runs[1].processes.get(&sender);
    let random = process.and_then(|known| drawn_before(&known.inputs.random, then.1.item));
    let title = process.map_or("a process", |known| known.title.as_str());
    let text = |said: &Said<'_>| {
        let text = shortened(&said.item.text, TEXT_MAX);
        format!("“{text}” ({})", said.item.sight.event())
    };
    let what = format!(
        "{title} read other random bytes, and drew the same name “{}” twice in the second run: for {} and for {}; in \
         the first run these are “{}” and “{}”.",
        then.1.word,
        text(first.1),
        text(then.1),
        first.0.word,
        then.0.word
    );
    let sight = match process.zip(random) {
        Some((process, random)) => sight_of(process, random.point),
        None => then.1.item.sight.clone(),
    };
    let mut difference = Difference::new(Kind::Randomness, what).at(
        shown(&then.0.item.sight, then.0.item.text.clone()),
        shown(&sight, format!("draws “{}”", then.1.word)),
    );
    difference.decisive = true;
    difference.outside = true;
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_wherever_they_stand_alone() {
        let names = Names::from_iter([("hw".to_owned(), "<renamed 0>".to_owned())]);
        let masked = |text| replaced(text, &names).unwrap_or_default();
        assert_eq!(masked("GET /p/hw?x"), "GET /p/<renamed 0>?x");
        assert_eq!(masked("hw lock:hw"), "<renamed 0> lock:<renamed 0>");
        assert_eq!(masked("hwy"), "");
    }

    #[test]
    fn names_stand_behind_dashes_or_alone() {
        assert_eq!(name_in("b-519429"), Some("519429"));
        assert_eq!(name_in("hw"), Some("hw"));
        assert_eq!([name_in("519429"), name_in("x"), name_in("a-b")], [None; 3]);
        assert!(is_long("a96747") && !is_long("faced") && !is_long("accede"));
    }

    #[test]
    fn a_name_is_one_to_one() {
        let mut known = Known::default();
        assert!(!known.add("hw", "sp"));
        assert!(!known.add("xv", "qg"));
        assert!(!known.add("hw", "sp"));
        // The second run gave it to another thing as well.
        assert!(known.add("qj", "qg"));
        let names = known.names();
        assert_eq!(names["hw"], names["sp"]);
        assert_ne!(names["hw"], names["qg"]);
        assert!(!names.contains_key("qj"));
        // A word that is a name in both runs.
        let mut known = Known::default();
        known.add("aa", "bb");
        known.add("bb", "cc");
        let names = known.names();
        assert_eq!(names["aa"], names["cc"]);
    }
}
