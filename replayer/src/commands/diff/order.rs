//! Messages that reached a process in another order than in the other run.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::Arc;

use reenact_causal::{EventId, Place};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::compare::{shown, Found};
use super::difference::{Difference, Kind};
use super::masked;
use super::noise::Noise;
use super::run::{Item, Sight};
use super::sequence;
use crate::commands::show::words::shortened;

/// How far from its place a message is looked for that changed places with another, and how many
/// such pairs are looked for in one process.
const CROSSED_WITHIN: usize = 1024;
const OVERTAKEN_MAX: usize = 1024;
/// Nearest messages of those that changed places with one, of which one that is about the same is preferred.
const RELATED_WITHIN: usize = 256;
/// Messages that name a thing which is rare.
const NAMED_MAX: usize = 6;
/// Of so many messages one can say what is rare among them.
const RARE_OF_MIN: usize = 6;
/// Of so many messages of one shape, what all have says nothing.
const ALIKE_MIN: usize = 3;
/// Digits of a number by which something may be known.
const ID_MIN: usize = 4;
const ID_MAX: usize = 9;
/// First messages of a connection, with which somebody may introduce itself.
const GREETINGS_MAX: usize = 6;
/// Characters of texts in sentences.
const TEXT_MAX: usize = 160;

/// Messages that reached a process in both runs: by their order there, and on which connection. Those
/// that processes with shared memory got have one order.
pub struct Arrival {
    pub sights: [Sight; 2],
    /// The calls that sent it.
    pub sent: [EventId; 2],
    pub lane: usize,
    /// The same of the second run.
    pub lane_b: usize,
    /// From the client of its connection, or else from the server.
    pub side: usize,
    /// Where it stands in what its side said, in each run: several may arrive at once.
    pub stands: [usize; 2],
    /// It stands at another place within its connection, or on another connection.
    pub moved: bool,
    /// It is a datagram, which the network may hold back behind others.
    pub datagram: bool,
    /// It is a line of what no protocol was told of.
    pub line: bool,
    pub text: String,
    /// Numbers in it by which something may be known.
    pub ids: BTreeSet<String>,
    /// Who sent it.
    pub from: Arc<str>,
}

/// Where messages arrived that both runs have, by the groups of tasks that got them.
pub type Arrived = BTreeMap<(u32, u32), Vec<[Place; 2]>>;

/// Numbers are everywhere; a name is not.
pub fn is_name(word: &str) -> bool {
    word.len() > 2
        && word
            .bytes()
            .any(|byte| byte.is_ascii_alphabetic() || byte >= 0x80)
}

/// Numbers in a message that are long enough to be somebody's, and no times.
pub fn ids(noise: &mut Noise, item: &Item) -> BTreeSet<String> {
    let text = masked::body(noise, item);
    let words = text.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| is_id(word))
        .map(str::to_owned)
        .collect()
}

pub fn is_id(word: &str) -> bool {
    (ID_MIN..=ID_MAX).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Words of a message, without what is said of its way.
pub fn words_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let end = text.rfind("  (from ").unwrap_or(text.len());
    let words = text[..end].split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned)
}

/// What a message is without its values: its first word, and the names of its fields.
fn shape(text: &str) -> String {
    let first = words_in(text).find(|word| is_name(word));
    let mut shape = first.unwrap_or_default();
    let mut word = String::new();
    for c in text.chars() {
        match c {
            ':' | '=' if !word.is_empty() => {
                shape.push(' ');
                shape.push_str(&std::mem::take(&mut word));
            }
            '"' => {}
            c if c.is_alphabetic() || c == '_' => word.push(c),
            _ => word.clear(),
        }
    }
    shape
}

/// A number for two shapes.
fn number(shapes: &[String; 2]) -> u64 {
    let mut hasher = FxHasher::default();
    for shape in shapes {
        hasher.write(shape.as_bytes());
        hasher.write_u8(0);
    }
    hasher.finish()
}

/// Which messages name what, among the first ones of a process.
struct Names<'a> {
    all: &'a [Arrival],
    of: Vec<OnceCell<BTreeSet<String>>>,
    /// How many of those that are looked at have each word.
    having: FxHashMap<String, usize>,
    /// The same among messages of one shape, with how many these are under the empty word.
    of_shape: FxHashMap<(String, String), usize>,
    looked_at: usize,
}

impl<'a> Names<'a> {
    fn new(all: &'a [Arrival]) -> Names<'a> {
        let looked_at = all.len().min(CROSSED_WITHIN);
        let mut having: FxHashMap<String, usize> = FxHashMap::default();
        let mut of_shape: FxHashMap<(String, String), usize> = FxHashMap::default();
        for one in &all[..looked_at] {
            for id in &one.ids {
                *having.entry(id.clone()).or_default() += 1;
            }
            let shape = shape(&one.text);
            *of_shape.entry((shape.clone(), String::new())).or_default() += 1;
            let words: BTreeSet<String> = words_in(&one.text).collect();
            for word in words.difference(&one.ids).cloned() {
                *having.entry(word.clone()).or_default() += 1;
                *of_shape.entry((shape.clone(), word)).or_default() += 1;
            }
        }
        Names {
            all,
            of: all.iter().map(|_| OnceCell::new()).collect(),
            having,
            of_shape,
            looked_at,
        }
    }

    /// Whether a word names a field, or all messages of one's shape have it, so that it says nothing of what this
    /// one is about.
    fn is_of_shape(&self, at: usize, word: &str) -> bool {
        let shape = shape(&self.all[at].text);
        if shape.split(' ').any(|name| name == word) {
            return true;
        }
        let fields = shape.contains(' ');
        let count = |word: &str| {
            let key = (shape.clone(), word.to_owned());
            self.of_shape.get(&key).copied().unwrap_or(0)
        };
        let least = if fields { ALIKE_MIN - 1 } else { ALIKE_MIN };
        count("") >= least && count(word) == count("")
    }

    fn of(&self, at: usize) -> &BTreeSet<String> {
        let words = || words_in(&self.all[at].text).filter(|word| is_name(word));
        self.of[at].get_or_init(|| words().collect())
    }

    fn having(&self, word: &str) -> usize {
        self.having.get(word).copied().unwrap_or(1)
    }

    /// Names that two messages share, and that do not stand in most of the others.
    fn common(&self, one: usize, other: usize) -> BTreeSet<String> {
        let both = self.of(one).intersection(self.of(other));
        let telling = |word: &&String| {
            self.looked_at < RARE_OF_MIN || self.having(word) * 4 <= self.looked_at * 3
        };
        let both = both.filter(telling);
        // What all have that somebody publishes is what somebody else subscribes to.
        let kinds = shape(&self.all[one].text) != shape(&self.all[other].text);
        let both = both.filter(|word| {
            let of_shape = [one, other].map(|at| self.is_of_shape(at, word));
            of_shape == [false; 2] || kinds && of_shape != [true; 2]
        });
        // Numbers are everywhere: one of them says something where hardly any message has it.
        let ids = self.all[one].ids.intersection(&self.all[other].ids);
        let ids = ids.filter(|id| self.looked_at >= RARE_OF_MIN && self.is_rare(id));
        both.chain(ids).cloned().collect()
    }

    /// How much two messages have in common: the rarer, the more.
    fn nearness(&self, one: usize, other: usize) -> f64 {
        let common = self.common(one, other);
        let rarity = |word: &String| {
            let of_all = self.looked_at.max(1) as f64;
            (of_all / self.having(word) as f64).ln().max(0.1)
        };
        common.iter().map(rarity).sum()
    }

    /// Whether several connections say the same.
    fn is_said_by_several(&self, at: usize) -> bool {
        let (text, lane) = (&self.all[at].text, self.all[at].lane);
        let mut others = self.all[..self.looked_at].iter();
        others.any(|other| other.text == *text && other.lane != lane)
    }

    /// Whether hardly any message has the word, such as what two are about that change places.
    fn is_rare(&self, word: &str) -> bool {
        self.having(word) <= NAMED_MAX
    }

    /// Whether a message is of a kind that its receiver hardly ever gets.
    fn is_of_rare_kind(&self, at: usize) -> bool {
        let first = words_in(&self.all[at].text).next();
        let rare = |word: &String| is_name(word) && self.having(word) <= 2;
        self.looked_at >= RARE_OF_MIN && first.as_ref().is_some_and(rare)
    }
}

/// What was sent by one call and came as several lines is one message.
fn whole(all: Vec<Arrival>) -> Vec<Arrival> {
    let mut merged: Vec<Arrival> = Vec::with_capacity(all.len());
    for one in all {
        match merged.last_mut() {
            Some(last) if one.line && last.sent == one.sent && last.lane == one.lane => {
                if last.text.len() < TEXT_MAX {
                    last.text.push(' ');
                    last.text.push_str(&one.text);
                }
                last.ids.extend(one.ids);
            }
            Some(_) | None => merged.push(one),
        }
    }
    merged
}

/// Finds messages that overtook others.
pub fn overtaken(arrivals: BTreeMap<(u32, u32), Vec<Arrival>>, found: &mut Found) {
    for (key, all) in arrivals {
        let all = whole(all);
        let places = all
            .iter()
            .map(|one| one.sights.each_ref().map(|sight| sight.point.place));
        found.arrived.insert(key, places.collect());
        of_process(&all, found);
    }
}

fn of_process(all: &[Arrival], found: &mut Found) {
    let order = |run: usize| {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|at| {
            let point = &all[*at].sights[run].point;
            let stands = all[*at].stands[run];
            (point.time_ns, point.place.order, point.event.seq, stands)
        });
        order
    };
    let (of_a, of_b) = (order(0), order(1));
    let mut rank_b = vec![0; all.len()];
    for (rank, at) in of_b.iter().enumerate() {
        rank_b[*at] = rank;
    }
    let ranks: Vec<usize> = of_a.iter().map(|at| rank_b[*at]).collect();
    let moved = sequence::moved(&ranks);
    if moved.is_empty() {
        return;
    }
    let names = Names::new(all);
    let all_moved: FxHashSet<usize> = moved.iter().copied().collect();
    for moved in moved.into_iter().take(OVERTAKEN_MAX) {
        // Messages of one connection keep their order, unless they were sent in another.
        let crossed = |other: &usize| {
            let inverted = (*other < moved) != (ranks[*other] < ranks[moved]);
            let [one, other] = [moved, *other].map(|at| &all[of_a[at]]);
            let apart = one.lane != other.lane || one.moved || other.moved || one.datagram;
            inverted && apart && one.text != other.text
        };
        // One connection keeps an order: if both were on one in one of the runs only, they are not the same two.
        let torn = |other: &usize| {
            let [one, other] = [moved, *other].map(|at| &all[of_a[at]]);
            let together = [one.lane == other.lane, one.lane_b == other.lane_b];
            together[0] != together[1] && !one.datagram
        };
        // What each client says first, it says whenever it comes.
        let greet = |other: &usize| {
            let greets = |at: usize| {
                let early = all[at].stands.iter().all(|stands| *stands < GREETINGS_MAX);
                early && names.is_said_by_several(at)
            };
            greets(of_a[moved]) && greets(of_a[*other])
        };
        // What is answered on one connection and asked on another is in no order.
        let ordered = |other: &usize| {
            let (one, other) = (of_a[moved], of_a[*other]);
            all[one].side == all[other].side || !names.common(one, other).is_empty()
        };
        let from = moved.saturating_sub(CROSSED_WITHIN);
        let to = all.len().min(moved.saturating_add(CROSSED_WITHIN));
        let mut crossing: Vec<usize> = (from..to).filter(crossed).collect();
        crossing.sort_by_key(|other| other.abs_diff(moved));
        // The one that is most about the same thing, or else the nearest one.
        let nearness = |other: usize| names.nearness(of_a[moved], of_a[other]);
        let best = |moves: bool| {
            let near = crossing.iter().take(RELATED_WITHIN);
            let near = near.filter(|other| all_moved.contains(other) == moves);
            let near = near.filter(|other| ordered(other) && !torn(other) && !greet(other));
            let near = near.map(|other| (*other, nearness(*other)));
            near.reduce(|best, one| if one.1 > best.1 { one } else { best })
        };
        // Rather one that stayed where it was, unless that is about other things.
        let stayed = best(false);
        let apart = stayed.is_none_or(|(_, near)| near == 0.0);
        let moves = apart.then(|| best(true)).flatten();
        let moves = moves.filter(|(_, near)| stayed.is_none() || *near > 0.0);
        let Some((other, _)) = moves.or(stayed) else {
            continue;
        };
        let (one, other) = (of_a[moved.min(other)], of_a[moved.max(other)]);
        let mut difference = changed_places(&all[one], &all[other]);
        // What one sender sent in its order came in another.
        let same = all[one].lane == all[other].lane && all[one].datagram;
        let kept = !all[one].moved && !all[other].moved;
        difference.lost = same && kept;
        difference.common = names.common(one, other);
        difference.related = difference.common.iter().any(|name| names.is_rare(name));
        difference.alone = names.is_of_rare_kind(of_a[moved]);
        let mut shapes = [one, other].map(|at| shape(&all[at].text));
        shapes.sort_unstable();
        difference.place = number(&shapes);
        difference.related |= difference.alone && !difference.common.is_empty();
        found.suspects.push(difference);
    }
}

/// `one` came before `other` in the first run.
fn changed_places(one: &Arrival, other: &Arrival) -> Difference {
    let (first, second) = (
        shortened(&one.text, TEXT_MAX / 2),
        shortened(&other.text, TEXT_MAX / 2),
    );
    let (to, then) = (&one.sights[0].who, &other.sights[0].who);
    let also = match to == then {
        true => String::new(),
        false => format!(" and {then}, which share memory"),
    };
    let what = format!(
        "“{first}” from {} was overtaken by “{second}” from {} on the way to {to}{also}.",
        one.from, other.from
    );
    let side = |run: usize, first: &Arrival, second: &Arrival| {
        let text = format!(
            "receives {}, then {} ({})",
            shortened(&first.text, TEXT_MAX / 3),
            shortened(&second.text, TEXT_MAX / 3),
            second.sights[run].event()
        );
        shown(&first.sights[run], text)
    };
    let mut difference =
        Difference::new(Kind::Overtaken, what).at(side(0, one, other), side(1, other, one));
    difference.own_way = one.lane == other.lane;
    difference.sender = Some(one.sent[1].stream.process);
    difference.behind = [
        Some(other.sights[0].point.place),
        Some(one.sights[1].point.place),
    ];
    difference
}
