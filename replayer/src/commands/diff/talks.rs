//! Connections of both runs paired, and what was said over them compared.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;

use reenact_causal::{Ended, EventId, Place};
use reenact_wire::Node;
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::compare::{away, shown, Found, Told, SLOWER_BY_NS, SLOWER_TIMES};
use super::difference::{Difference, Kind};
use super::learn;
use super::noise::{Builtin, Hits, Noise, Spot};
use super::order::Arrival;
use super::pairs::Pairs;
use super::polls;
use super::run::{Item, Run, Sight, Talk};
use super::sequence::{self, Step, Stretch};
use super::times;
use super::tree::{Comparer, FieldDiff};
use crate::commands::show::words::shortened;

/// What is said of a message that only one of the runs has.
const MISSING: &str = "is missing in the second run";
const EXTRA: &str = "is sent in the second run only";
/// What is asked and answered so many times more is one thing.
const AGAIN_MIN: u64 = 5;
/// Of what is only looked at.
const LOOKS_MIN: u64 = 3;
/// Messages that say how far somebody is.
const SAMPLED_MIN: usize = 4;
/// What is asked so many times more in all, and so many times as often as in the first run, is a storm.
const STORM_MIN: u64 = 10;
const STORM_TIMES: u64 = 3;
/// Differences of one direction that are told one by one.
const OF_LANE_MAX: usize = 256;
/// Words of one text by which it is told how much it is like another, and how alike two are that are the same.
const PARTS_MAX: usize = 256;
const LIKE_MAX: usize = 100;
/// Of so many messages on each side, each is compared with each.
const PAIRED_MAX: usize = 256;
/// Messages to one process, and their bytes, that are looked at to tell whether it passes on what it was told, and how
/// many of the last ones.
const TOLD_MAX: usize = 1 << 14;
const TOLD_TEXT_MAX: usize = 4 << 10;
const FORWARDED_WITHIN: usize = 64;
/// Messages that came later, of which it is asked why.
const SENT_MAX: usize = 1 << 20;

/// Hashes of what each side of each connection said, message by message, equal where the messages are
/// equal but for noise.
pub type Hashes = Vec<[Vec<u64>; 2]>;

/// Hashes of all that was said in a run.
pub fn hashes(run: &Run, noise: &mut Noise) -> Hashes {
    let of_talk = |talk: &Talk| {
        let (name, roles) = (name(run, talk), learn::roles(run, talk));
        [0, 1].map(|side: usize| {
            let items = talk.lanes[side].iter();
            let hash = |item: &Item| {
                let mut comparer = Comparer {
                    noise,
                    protocol: item.protocol,
                    connection: &name,
                    now_ns: None,
                    unordered: false,
                    base: Some(learn::base(&roles, side, item.protocol, &shape(item))),
                };
                comparer.hash(&item.body)
            };
            items.map(hash).collect()
        })
    };
    run.talks.iter().map(of_talk).collect()
}

/// A number for what each process took part in saying, in whatever order.
pub fn said(run: &Run, hashes: &Hashes) -> BTreeMap<u32, u64> {
    let mut said: BTreeMap<u32, u64> = BTreeMap::new();
    for (talk, hashes) in run.talks.iter().zip(hashes) {
        let mut hasher = FxHasher::default();
        hashes
            .iter()
            .for_each(|side| hasher.write_usize(side.len()));
        let all = hashes.iter().flatten();
        all.for_each(|hash| hasher.write_u64(*hash));
        if hashes.iter().all(Vec::is_empty) {
            continue;
        }
        for process in talk.ends.into_iter().flatten() {
            let sum = said.entry(process).or_default();
            *sum = sum.wrapping_add(hasher.finish());
        }
    }
    said
}

/// `CLIENT -> SERVER`, by programs.
pub fn name(run: &Run, talk: &Talk) -> String {
    let program = |side: usize| match talk.ends[side] {
        Some(process) => run
            .processes
            .get(&process)
            .map_or("process", |process| &process.name),
        None => &talk.names[side],
    };
    format!("{} -> {}", program(0), program(1))
}

/// Compares all that was said. Returns what arrived in both runs, by the groups of tasks that got it.
pub fn compare(
    runs: [&Run; 2],
    pairs: &Pairs,
    hashes: [&Hashes; 2],
    noise: &mut Noise,
    found: &mut Found,
) -> BTreeMap<(u32, u32), Vec<Arrival>> {
    let mut comparing = Comparing {
        runs,
        pairs,
        noise,
        found,
        arrivals: BTreeMap::new(),
        sent: Vec::new(),
        elsewhere: 0,
        last_sent: runs.map(last_sent),
        rerouted: 0,
        told_to: runs.map(told_to),
    };
    comparing.found.told = runs.map(|run| {
        let orders = |told: &Vec<(u64, u64)>| told.iter().map(|(order, _)| *order).collect();
        let all = run.heard.iter();
        all.map(|(chain, told)| (*chain, orders(told))).collect()
    });
    let talks = [0, 1].map(|run| comparing.describe(run, hashes[run]));
    let mut left = [0, 1].map(|run| (0..talks[run].len()).collect::<Vec<usize>>());
    let mut both = Vec::new();
    // Connections that say the same first, then those that ask the same, then in their order.
    for round in [Round::Same, Round::Asks, Round::Ends] {
        let keys = [0, 1].map(|run| {
            let keys = left[run].iter().map(|at| talks[run][*at].key(round));
            keys.collect::<Vec<_>>()
        });
        let pairs = sequence::by_key(&keys[0], &keys[1]);
        both.extend(pairs.iter().map(|(a, b)| (left[0][*a], left[1][*b])));
        for run in [0, 1] {
            let gone: BTreeSet<usize> = pairs.iter().map(|(a, b)| [*a, *b][run]).collect();
            let mut at = 0;
            left[run].retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
        }
    }
    both.sort_unstable();
    // A connection that only one run has is compared with nothing, and what was said over it may have
    // been said over another one instead.
    let mut all: Vec<[Option<usize>; 2]> = both.iter().map(|(a, b)| [Some(*a), Some(*b)]).collect();
    all.extend(left[0].iter().map(|a| [Some(*a), None]));
    all.extend(left[1].iter().map(|b| [None, Some(*b)]));
    comparing.lanes(&talks, &all);
    find_permuted(&mut comparing.found.differences, comparing.noise);
    let answered = comparing.slow_answers(&talks);
    let matched = std::mem::take(&mut comparing.sent);
    comparing.slow_messages(&matched, &answered);
    noise_of_order(comparing.noise, comparing.elsewhere);
    comparing.arrivals
}

/// What each process was told, as text.
fn told_to(run: &Run) -> FxHashMap<u32, Vec<(u64, String)>> {
    let mut all: FxHashMap<u32, Vec<(u64, String)>> = FxHashMap::default();
    for item in run.talks.iter().flat_map(|talk| &talk.lanes).flatten() {
        let Some(received) = &item.received else {
            continue;
        };
        let told = all.entry(received.point.event.stream.process).or_default();
        if told.len() < TOLD_MAX {
            let mut text = serde_json::to_string(&item.body).unwrap_or_default();
            let mut end = text.len().min(TOLD_TEXT_MAX);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            told.push((received.point.time_ns, text));
        }
    }
    all.values_mut().for_each(|told| told.sort());
    all
}

/// Whether a message is the first of its connection, and the server's.
fn greets(talk: &Talk, item: &Item) -> bool {
    let begins = |lane: &[Item]| {
        lane.first()
            .map_or(u64::MAX, |first| first.sight.point.time_ns)
    };
    let sent_ns = item.sight.point.time_ns;
    begins(&talk.lanes[1]) == sent_ns && begins(&talk.lanes[0]) > sent_ns
}

/// Whether one of some texts has a value, and if it is but a number, at the same name.
fn knows(told: &[(u64, String)], path: &str, value: &Option<String>) -> bool {
    let named = |part: &&str| part.bytes().any(|byte| !byte.is_ascii_digit());
    let name = path.rsplit('.').find(named);
    let value = value.as_deref().map(|value| value.trim_matches('"'));
    let Some(value) = value.filter(|value| !value.is_empty() && !value.ends_with('…')) else {
        return false;
    };
    let plain = value.len() > 3 && !value.bytes().all(|byte| byte.is_ascii_digit());
    told.iter().any(|(_, text)| {
        text.match_indices(value).any(|(at, _)| {
            let before = text[..at].trim_end_matches(|c: char| "\": '\\".contains(c));
            plain || name.is_some_and(|name| before.ends_with(name))
        })
    })
}

/// When each process sent its last message.
fn last_sent(run: &Run) -> FxHashMap<u32, u64> {
    let mut last: FxHashMap<u32, u64> = FxHashMap::default();
    for item in run.talks.iter().flat_map(|talk| &talk.lanes).flatten() {
        let point = item.sight.point;
        let known = last.entry(point.event.stream.process).or_default();
        *known = point.time_ns.max(*known);
    }
    last
}

/// What was told to each group of tasks, by its place there.
fn told_at(run: &Run) -> FxHashMap<Place, &Item> {
    let all = run.talks.iter().flat_map(|talk| &talk.lanes).flatten();
    let all = all.filter_map(|item| Some((item.received.as_ref()?.point.place, item)));
    all.collect()
}

/// A question with the answer that took longest.
struct Answered<'a> {
    question: &'a Item,
    answer: &'a Item,
    took_ns: u64,
}

/// By connections' ends and what was asked.
fn slowest<'a>(talks: &[Described<'a>]) -> BTreeMap<(String, u64), Answered<'a>> {
    let mut all: BTreeMap<(String, u64), Answered<'a>> = BTreeMap::new();
    for of in talks {
        let lanes = &of.talk.lanes;
        let both = lanes[0].iter().zip(&lanes[1]).zip(&of.hashes[0]);
        for ((question, answer), hash) in both {
            let Some(received) = &question.received else {
                continue;
            };
            let (from, to) = (received.point, answer.sight.point);
            if from.event.stream.process != to.event.stream.process {
                continue;
            }
            let took_ns = to.time_ns.saturating_sub(from.time_ns);
            let one = Answered {
                question,
                answer,
                took_ns,
            };
            match all.get(&(of.ends.clone(), *hash)) {
                Some(known) if known.took_ns >= took_ns => {}
                Some(_) | None => {
                    all.insert((of.ends.clone(), *hash), one);
                }
            }
        }
    }
    all
}

/// Where answers were received.
fn answers(run: &Run) -> Told {
    let mut told = Told::new();
    let lanes = run.talks.iter().map(|talk| &talk.lanes[1]);
    for received in lanes.flatten().filter_map(|item| item.received.as_ref()) {
        let place = received.point.place;
        told.entry(place.chain).or_default().push(place.order);
    }
    told.values_mut().for_each(|orders| orders.sort_unstable());
    told
}

#[derive(Clone, Copy)]
enum Round {
    Same,
    Asks,
    Ends,
}

/// A connection with what it is recognised by.
struct Described<'a> {
    talk: &'a Talk,
    name: String,
    ends: String,
    /// The same with kinds of processes, of which several may be the same.
    kin: String,
    /// The same with programs and scripts alone.
    roles: String,
    hashes: &'a [Vec<u64>; 2],
}

/// How much the ends of two connections must be the same.
#[derive(Clone, Copy)]
enum Within {
    Ends,
    Kin,
    Roles,
}

impl Described<'_> {
    fn within(&self, within: Within) -> &str {
        match within {
            Within::Ends => &self.ends,
            Within::Kin => &self.kin,
            Within::Roles => &self.roles,
        }
    }

    fn key(&self, round: Round) -> (String, u64) {
        let sides: &[Vec<u64>] = match round {
            Round::Same => self.hashes,
            Round::Asks => &self.hashes[..1],
            Round::Ends => &[],
        };
        let mut hasher = FxHasher::default();
        for side in sides {
            hasher.write_usize(side.len());
            side.iter().for_each(|hash| hasher.write_u64(*hash));
        }
        (self.ends.clone(), hasher.finish())
    }
}

/// A message that is nowhere in the other run: of which pair of connections, and what was before it.
struct Lonely {
    talk: usize,
    side: usize,
    at: usize,
    hash: u64,
    before: [Option<Sight>; 2],
}

/// One direction of a pair of connections, as hashes and as what is equal.
struct Lane {
    talks: [Option<usize>; 2],
    side: usize,
    stretches: Vec<Stretch>,
}

struct Comparing<'a> {
    runs: [&'a Run; 2],
    pairs: &'a Pairs,
    noise: &'a mut Noise,
    found: &'a mut Found,
    arrivals: BTreeMap<(u32, u32), Vec<Arrival>>,
    /// Where messages were sent that both runs have.
    sent: Vec<[Sight; 2]>,
    /// Messages that stand elsewhere, and reached nobody who is recorded.
    elsewhere: u64,
    /// When each process sent its last message.
    last_sent: [FxHashMap<u32, u64>; 2],
    /// Questions that went to another process.
    rerouted: usize,
    /// What each process was told, in the order of time.
    told_to: [FxHashMap<u32, Vec<(u64, String)>>; 2],
}

impl<'a> Comparing<'a> {
    fn describe(&mut self, run: usize, hashes: &'a Hashes) -> Vec<Described<'a>> {
        let of = self.runs[run];
        let mut all = Vec::new();
        for (talk, hashes) in of.talks.iter().zip(hashes) {
            if talk.lanes.iter().all(Vec::is_empty) {
                continue;
            }
            let repeated =
                |end: &Option<u32>| end.is_some_and(|process| self.pairs.is_repeated(run, process));
            if talk.ends.iter().any(repeated) {
                continue;
            }
            let name = name(of, talk);
            let mut who = |side: usize| match talk.ends[side] {
                Some(process) => self.pairs.common(run, process),
                None => {
                    let spot = Spot {
                        protocol: talk.channel,
                        connection: &name,
                        field: "address",
                    };
                    let address = &talk.names[side];
                    self.noise
                        .mask(spot, address, &mut Hits::new())
                        .into_owned()
                }
            };
            let ends = format!("{} {} {}", talk.channel, who(0), who(1));
            let kind = |side: usize| match talk.ends[side] {
                Some(process) => self.pairs.kind(run, process),
                None => &talk.names[side],
            };
            let kin = format!("{} {} {}", talk.channel, kind(0), kind(1));
            all.push(Described {
                talk,
                name,
                ends,
                kin,
                roles: learn::roles(of, talk),
                hashes,
            });
        }
        all
    }

    /// Compares connections, pair by pair. What is equal but stands elsewhere, within its connection or
    /// on another one between the same two, is no difference of what was said.
    fn lanes(&mut self, talks: &[Vec<Described<'a>>; 2], all: &[[Option<usize>; 2]]) {
        let mut lanes = Vec::new();
        for pair in all {
            for side in [0, 1] {
                let of = |run: usize| match pair[run] {
                    Some(at) => talks[run][at].hashes[side].as_slice(),
                    None => &[],
                };
                lanes.push(Lane {
                    talks: *pair,
                    side,
                    stretches: match is_one_by_one(talks, pair, side) {
                        true => sequence::one_by_one(of(0).len()),
                        false => sequence::stretches(of(0), of(1)),
                    },
                });
            }
        }
        let moved = find_moved(talks, &lanes);
        let mut lonely: [Vec<Lonely>; 2] = [Vec::new(), Vec::new()];
        for (number, lane) in lanes.iter().enumerate() {
            self.lane(number, lane, talks, &moved, &mut lonely);
        }
        self.elsewhere(talks, &moved, &lanes);
        self.lonely(talks, lonely);
    }

    fn lane(
        &mut self,
        number: usize,
        lane: &Lane,
        talks: &[Vec<Described<'a>>; 2],
        moved: &Moved,
        lonely: &mut [Vec<Lonely>; 2],
    ) {
        let side = lane.side;
        let of = [0, 1].map(|run| lane.talks[run].map(|at| &talks[run][at]));
        let items = |run: usize| of[run].map_or(&[][..], |of| &of.talk.lanes[side]);
        let lists = [items(0), items(1)];
        let mut before: [Option<Sight>; 2] = [None, None];
        let mut told = 0;
        for stretch in &lane.stretches {
            let steps = if stretch.equal {
                let both = stretch.a.clone().zip(stretch.b.clone());
                both.map(|(a, b)| Step::Both(a, b)).collect()
            } else {
                let stays = |run: usize, range: &Range<usize>| -> Vec<usize> {
                    let all = range.clone();
                    all.filter(|at| !moved.has(run, number, *at)).collect()
                };
                let (a, b) = (stays(0, &stretch.a), stays(1, &stretch.b));
                let shapes = [(0, &a), (1, &b)].map(|(run, list)| {
                    let shapes = list.iter().map(|at| (*at, shape(&lists[run][*at])));
                    shapes.collect::<FxHashMap<usize, String>>()
                });
                let prints = [(0, &a), (1, &b)].map(|(run, list): (usize, &Vec<usize>)| {
                    let prints = list.iter().map(|at| {
                        let of = of[run].map(|of| (of.name.as_str(), of.roles.as_str(), side));
                        (*at, print(self.noise, of, &lists[run][*at]))
                    });
                    prints.collect::<FxHashMap<usize, Vec<u64>>>()
                });
                let mut like = |a: usize, b: usize| {
                    let same = lists[0][a].protocol == lists[1][b].protocol
                        && shapes[0].get(&a) == shapes[1].get(&b);
                    match (prints[0].get(&a), prints[1].get(&b)) {
                        (Some(a), Some(b)) if same => 1 + likeness(a, b),
                        (_, _) => 0,
                    }
                };
                let mut steps = Vec::new();
                sequence::pair_most_alike(&a, &b, &mut like, &mut steps);
                steps
            };
            for step in steps {
                match step {
                    Step::Both(a, b) => {
                        let both = [&lists[0][a], &lists[1][b]];
                        before = both.map(|item| Some(item.sight.clone()));
                        self.arrived(both, ([number; 2], side), [a, b], false);
                        self.found.matched.push(both.map(|item| item.sight.named()));
                        self.note_sent(both);
                        let (Some(of_a), Some(of_b)) = (of[0], of[1]) else {
                            continue;
                        };
                        let lost = self.lost([of_a, of_b], side, [a, b]);
                        self.found.differences.extend(lost);
                        let difference = self.pair([of_a, of_b], side, both);
                        if let Some(difference) = difference.filter(|_| told < OF_LANE_MAX) {
                            told += 1;
                            self.found.differences.push(difference);
                        }
                    }
                    Step::OnlyA(at) | Step::OnlyB(at) => {
                        let run = usize::from(matches!(step, Step::OnlyB(_)));
                        let Some(talk) = lane.talks[run] else {
                            continue;
                        };
                        lonely[run].push(Lonely {
                            talk,
                            side,
                            at,
                            hash: talks[run][talk].hashes[side][at],
                            before: before.clone(),
                        });
                    }
                }
            }
        }
    }

    /// Of what came far later in the second run it is asked why.
    fn note_sent(&mut self, items: [&Item; 2]) {
        let since = [0, 1].map(|run: usize| {
            let time_ns = items[run].sight.point.time_ns;
            time_ns.saturating_sub(self.runs[run].start_ns)
        });
        let known = self.sent.len() < SENT_MAX;
        if known && since[1] > since[0].saturating_add(SLOWER_BY_NS / 2) {
            self.sent.push(items.map(|item| item.sight.clone()));
        }
    }

    /// What was said in both runs, at different places.
    fn elsewhere(&mut self, talks: &[Vec<Described<'a>>; 2], moved: &Moved, lanes: &[Lane]) {
        for (a, b) in &moved.pairs {
            let find = |run: usize, (lane, at): (usize, usize)| {
                let lane = &lanes[lane];
                let of = &talks[run][lane.talks[run]?];
                Some((of, lane.side, &of.talk.lanes[lane.side][at]))
            };
            let (Some((of_a, side, one)), Some((of_b, _, other))) = (find(0, *a), find(1, *b))
            else {
                continue;
            };
            let known = self.arrived([one, other], ([a.0, b.0], side), [a.1, b.1], true);
            self.rerouted([of_a, of_b], side, [one, other]);
            // What a test prints is expected in its order.
            if of_a.talk.channel == "stdout" {
                let what = format!("“{}” of {} stands elsewhere.", one.text, one.sight.who);
                let mut difference = Difference::new(Kind::Output, what).at(
                    shown(&one.sight, self.told(0, of_a, side, one)),
                    shown(&other.sight, self.told(1, of_b, side, other)),
                );
                difference.permuted = true;
                self.found.differences.push(difference);
            } else if !known {
                self.elsewhere += 1;
            }
        }
    }

    /// Notes a question that was asked of another process of the same program.
    fn rerouted(&mut self, of: [&Described<'a>; 2], side: usize, items: [&Item; 2]) {
        let ends = [0, 1].map(|run: usize| of[run].talk.ends[1]);
        let [Some(a), Some(b)] = ends else { return };
        let same = self.pairs.other(a) == Some(b) || of[0].kin == of[1].kin;
        let titles = [self.runs[0].name(a), self.runs[1].name(b)];
        if side != 0 || same || self.rerouted >= OF_LANE_MAX {
            return;
        }
        self.rerouted += 1;
        let from = &items[1].sight.who;
        let text = &items[1].text;
        let what = format!(
            "“{text}” goes from {from} to {} instead of {} in the second run.",
            titles[1], titles[0]
        );
        let mut difference = Difference::new(Kind::Elsewhere, what).at(
            shown(&items[0].sight, self.told(0, of[0], side, items[0])),
            shown(&items[1].sight, self.told(1, of[1], side, items[1])),
        );
        difference.way = format!("{} {} {side}", of[0].talk.channel, of[0].name);
        difference.place = learn::base(&of[0].roles, side, items[0].protocol, &shape(items[0]));
        self.found.differences.push(difference);
    }

    /// What only one run has: paired with what is alike on another connection between the same two, or
    /// else missing or extra. The same, said again and again, is one difference.
    fn lonely(&mut self, talks: &[Vec<Described<'a>>; 2], lonely: [Vec<Lonely>; 2]) {
        let pairs = self.pair_lonely(talks, &lonely);
        let paired = [0, 1].map(|run| {
            let all = pairs.iter().map(|(a, b)| [*a, *b][run]);
            all.collect::<BTreeSet<usize>>()
        });
        for (a, b) in &pairs {
            let of = [(0, *a), (1, *b)].map(|(run, at)| {
                let one: &Lonely = &lonely[run][at];
                (&talks[run][one.talk], one.side, one.at)
            });
            let items = of.map(|(of, side, at)| &of.talk.lanes[side][at]);
            let difference = self.pair([of[0].0, of[1].0], of[0].1, items);
            self.found.differences.extend(difference);
        }
        let extra: FxHashSet<u64> = lonely[1].iter().map(|one| one.hash).collect();
        let mut known: FxHashMap<(&str, usize, u64), u64> = FxHashMap::default();
        // Of one connection, at most.
        let mut known_ends: FxHashMap<(&str, usize, u64), u64> = FxHashMap::default();
        for of in talks[0].iter().filter(|_| !extra.is_empty()) {
            for (side, hashes) in of.hashes.iter().enumerate() {
                let found = hashes.iter().filter(|hash| extra.contains(hash));
                let mut here: FxHashMap<u64, u64> = FxHashMap::default();
                for hash in found {
                    *known.entry((of.roles.as_str(), side, *hash)).or_default() += 1;
                    *here.entry(*hash).or_default() += 1;
                }
                for (hash, many) in here {
                    let most = known_ends
                        .entry((of.roles.as_str(), side, hash))
                        .or_default();
                    *most = many.max(*most);
                }
            }
        }
        for run in [0, 1] {
            let mut told: BTreeMap<(usize, usize), usize> = BTreeMap::new();
            let mut asks_change: FxHashMap<(&str, usize, u64), bool> = FxHashMap::default();
            let mut again: FxHashMap<(&str, usize, u64), (usize, u64)> = FxHashMap::default();
            for (at, one) in lonely[run].iter().enumerate() {
                if paired[run].contains(&at) {
                    continue;
                }
                let of = &talks[run][one.talk];
                let same = (of.roles.as_str(), one.side, one.hash);
                if let Some((_, times)) = again.get_mut(&same) {
                    *times += 1;
                    continue;
                }
                let item = &of.talk.lanes[one.side][one.at];
                asks_change.insert(same, polls::changes(item));
                if self.is_cut_off(run, of, one) {
                    self.noise.suppress_builtin(Builtin::Timing, 1);
                    continue;
                }
                let Some(difference) = self.one(run, of, one.side, item, &one.before, one.hash)
                else {
                    continue;
                };
                let told = told.entry((one.talk, one.side)).or_default();
                if *told < OF_LANE_MAX {
                    *told += 1;
                    again.insert(same, (self.found.differences.len(), 1));
                    self.found.differences.push(difference);
                }
            }
            let (folded, storms) = self.storms(run, &again, &known);
            for (same, (at, times)) in again {
                let difference = &mut self.found.differences[at];
                if !difference.storm {
                    difference.times = times;
                }
                let looks = !asks_change[&same];
                let of_roles = known.get(&same).copied().unwrap_or(0);
                let of_ends = known_ends.get(&same).copied().unwrap_or(0);
                let often = of_roles >= AGAIN_MIN || of_ends >= LOOKS_MIN && looks;
                difference.again = often && times <= of_roles && !storms.contains(&at);
                let verb = match (run, known.contains_key(&same), times) {
                    (0, _, 1) | (1, false, 1) => continue,
                    (0, _, _) => format!("is missing {times} times in the second run"),
                    (_, true, 1) => "is sent once more in the second run".to_owned(),
                    (_, true, _) => format!("is sent {times} more times in the second run"),
                    (_, false, _) => format!("is sent {times} times, in the second run only"),
                };
                // The message itself may hold any words: it is the end of the sentence that says how often.
                let once = [MISSING, EXTRA][run];
                if let Some(about) = difference.what.strip_suffix(&format!("{once}.")) {
                    difference.what = format!("{about}{verb}.");
                }
            }
            for at in folded.into_iter().rev() {
                self.found.differences.remove(at);
            }
        }
    }

    /// Pairs of what stands alone and has one shape, those that are most alike first: of the same two processes, then of
    /// others of their kind.
    fn pair_lonely(
        &mut self,
        talks: &[Vec<Described<'a>>; 2],
        lonely: &[Vec<Lonely>; 2],
    ) -> Vec<(usize, usize)> {
        let prints = [0, 1].map(|run: usize| {
            let all = lonely[run].iter().map(|one| {
                let of = &talks[run][one.talk];
                let item = &of.talk.lanes[one.side][one.at];
                print(self.noise, Some((&of.name, &of.roles, one.side)), item)
            });
            all.collect::<Vec<_>>()
        });
        let mut gone = [0, 1].map(|run: usize| vec![false; lonely[run].len()]);
        let mut pairs = Vec::new();
        for within in [Within::Ends, Within::Kin, Within::Roles] {
            type Group = [Vec<usize>; 2];
            let mut groups: BTreeMap<(&str, usize, &str, String), Group> = BTreeMap::new();
            for run in [0, 1] {
                for (at, one) in lonely[run]
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| !gone[run][*at])
                {
                    let of = &talks[run][one.talk];
                    let item = &of.talk.lanes[one.side][one.at];
                    let key = (of.within(within), one.side, item.protocol, shape(item));
                    groups.entry(key).or_default()[run].push(at);
                }
            }
            for [a, b] in groups.into_values() {
                let mut alike: Vec<(u32, usize, usize, usize)> = Vec::new();
                let near = a.len().max(b.len()) <= PAIRED_MAX;
                for (at, one) in a.iter().enumerate() {
                    let others = b.iter().enumerate();
                    for (to, other) in others.filter(|(to, _)| near || *to == at) {
                        let like = likeness(&prints[0][*one], &prints[1][*other]);
                        alike.push((like, at.abs_diff(to), *one, *other));
                    }
                }
                alike.sort_by_key(|(like, apart, one, other)| {
                    (u32::MAX - like, *apart, *one, *other)
                });
                for (_, _, one, other) in alike {
                    if !gone[0][one] && !gone[1][other] {
                        gone[0][one] = true;
                        gone[1][other] = true;
                        pairs.push((one, other));
                    }
                }
            }
        }
        pairs.sort_unstable();
        pairs
    }

    /// Answers to what was asked again and again belong to the questions: whoever asks again is what people look
    /// for. Questions of one shape on one way are one storm. Returns the differences that are then told by others,
    /// and those that are told as storms.
    fn storms(
        &mut self,
        run: usize,
        again: &FxHashMap<(&str, usize, u64), (usize, u64)>,
        known: &FxHashMap<(&str, usize, u64), u64>,
    ) -> (Vec<usize>, BTreeSet<usize>) {
        let of_side = |wanted: usize| {
            let all = again.iter();
            let many = all
                .filter(move |((_, side, _), (_, times))| *side == wanted && *times >= AGAIN_MIN);
            let mut many: Vec<_> = many
                .map(|(key, (at, times))| (key.0, *at, *times, known.get(key).copied()))
                .collect();
            many.sort_unstable();
            many
        };
        let time = |all: &[Difference], at: usize| {
            let place = all[at].places[run].as_ref();
            place.map(|sight| sight.point.time_ns)
        };
        let mut folded = Vec::new();
        let mut storms = BTreeSet::new();
        // By connections' ends and shapes: differences, how many more times, and how often in the first run.
        type Group = (Vec<usize>, u64, u64);
        let mut groups: BTreeMap<(&str, u64), Group> = BTreeMap::new();
        for (ends, at, times, before) in of_side(0) {
            let place = self.found.differences[at].place;
            let group = groups.entry((ends, place)).or_default();
            group.0.push(at);
            group.1 += times;
            group.2 += before.unwrap_or(0);
        }
        let answers = of_side(1);
        for ((ends, _), (mut all, more, before)) in groups {
            all.sort_by_key(|at| time(&self.found.differences, *at));
            let first = all[0];
            let mut said = answers.iter();
            // All together may have had one answer.
            let answer =
                said.find(|(of, _, times, _)| *of == ends && times.abs_diff(more) <= 1 + more / 4);
            let differences = &mut self.found.differences;
            if let Some((_, answer, times, _)) = answer {
                if let Some(shown) = differences[*answer].sides[run].clone() {
                    let text = shown.text.split("  (from ").next().unwrap_or_default();
                    let often = match all.len() {
                        1 => String::new(),
                        _ => format!(", {times} more times"),
                    };
                    differences[first].note = format!("it is answered by “{text}”{often}");
                    // The first question may have been in both runs, and what is not, its answer.
                    if time(differences, *answer) < time(differences, first) {
                        differences[first].places = differences[*answer].places.clone();
                    }
                    folded.push(*answer);
                }
            }
            if run == 0 || more < STORM_MIN || more < before * (STORM_TIMES - 1) {
                continue;
            }
            differences[first].storm = true;
            storms.insert(first);
            differences[first].times = more;
            if all.len() > 1 {
                folded.extend(&all[1..]);
                let about = differences[first].what.strip_suffix(&format!("{EXTRA}."));
                let about = about.unwrap_or_default().to_owned();
                let others = match all.len() - 1 {
                    1 => "another one".to_owned(),
                    others => format!("{others} others"),
                };
                differences[first].what = format!(
                    "{about}and {others} like it are repeated: sent {more} more times in the second run."
                );
            }
        }
        folded.sort_unstable();
        folded.dedup();
        (folded, storms)
    }

    /// Notes that a message reached a process in both runs; whether it did.
    fn arrived(
        &mut self,
        items: [&Item; 2],
        (lanes, side): ([usize; 2], usize),
        stands: [usize; 2],
        moved: bool,
    ) -> bool {
        let [Some(a), Some(b)] = items.map(|item| item.received.clone()) else {
            return false;
        };
        let processes = [&a, &b].map(|sight| sight.point.event.stream.process);
        // Of several that serve alike, any may be the one.
        let kinds = [0, 1].map(|run| self.pairs.kind(run, processes[run]));
        let alike = kinds[0] == kinds[1] && !kinds[0].is_empty();
        let known = alike || self.pairs.other(processes[0]) == Some(processes[1]);
        if known {
            let key = (a.point.place.chain, b.point.place.chain);
            self.arrivals.entry(key).or_default().push(Arrival {
                sights: [a, b],
                sent: items.map(|item| item.sight.point.event),
                lane: lanes[0],
                lane_b: lanes[1],
                side,
                stands,
                moved,
                datagram: matches!(items[0].protocol, "udp" | "unix-messages"),
                line: matches!(
                    items[0].protocol,
                    "tcp" | "unix" | "socket" | "pipe" | "fifo"
                ),
                text: items[0].text.clone(),
                from: items[0].sight.who.clone(),
            });
        }
        known
    }

    fn pair(
        &mut self,
        of: [&Described<'a>; 2],
        side: usize,
        items: [&Item; 2],
    ) -> Option<Difference> {
        if items[0].body == items[1].body {
            return None;
        }
        let now_ns = [0, 1]
            .map(|run: usize| self.runs[run].wall_ns + i128::from(items[run].sight.point.time_ns));
        let mut comparer = Comparer {
            noise: self.noise,
            protocol: items[0].protocol,
            connection: &of[0].name,
            now_ns: Some(now_ns),
            unordered: false,
            base: Some(learn::base(
                &of[0].roles,
                side,
                items[0].protocol,
                &shape(items[0]),
            )),
        };
        let compared = comparer.compare(&items[0].body, &items[1].body, true);
        if compared.different == 0 {
            return None;
        }
        let names: Vec<&str> = compared
            .fields
            .iter()
            .take(3)
            .map(|field| field.path.as_str())
            .filter(|path| !path.is_empty())
            .collect();
        let which = match (names.len(), compared.different) {
            (0, _) => "The text".to_owned(),
            (1, 1) => format!("The field {}", names[0]),
            (_, count) if count > 3 => format!("{count} fields ({}, …)", names.join(", ")),
            (_, _) => format!("The fields {}", names.join(", ")),
        };
        let who = self.route(0, of[0], side, items[0]);
        // Times that left the clock are a clock that jumped, as long as nothing else differs.
        let jumped = compared.moved.first();
        let jumped = jumped.filter(|_| compared.moved.len() as u64 == compared.different);
        let kind = match jumped {
            Some(_) => Kind::Jump,
            None => kind_of(of[0].talk, Kind::Payload),
        };
        let verb = if compared.different > 1 {
            "differ"
        } else {
            "differs"
        };
        let what = format!("{which} of a {} message {who} {verb}.", items[0].protocol);
        let mut difference = Difference::new(kind, what).at(
            shown(&items[0].sight, self.told(0, of[0], side, items[0])),
            shown(&items[1].sight, self.told(1, of[1], side, items[1])),
        );
        difference.way = format!("{} {} {side}", of[0].talk.channel, of[0].name);
        difference.place = learn::base(&of[0].roles, side, items[0].protocol, &shape(items[0]));
        difference.internal = self.is_internal(of[0], items[0]);
        difference.greets = side == 1 && (0..2).all(|run: usize| greets(of[run].talk, items[run]));
        difference.forwarded = self.is_forwarded(items, &compared.fields);
        if difference.forwarded {
            difference.note = "in one run its sender passes on what it was told".to_owned();
        }
        difference.more = compared.different - compared.fields.len() as u64;
        difference.fields = compared.fields;
        difference.outside = of[0].talk.ends[side].is_none();
        let lists = [0, 1].map(|run: usize| of[run].talk.lanes[side].as_slice());
        difference.sampled = is_sampled(self.noise, lists, items);
        if let Some(apart_ms) = jumped {
            difference.note = format!("the time in it is {} in the second run", away(*apart_ms));
        }
        Some(difference)
    }

    /// Whether the sender had been told a value that differs in one run, and not in the other: it passes something else
    /// on.
    fn is_forwarded(&self, items: [&Item; 2], fields: &[FieldDiff]) -> bool {
        let near = [0, 1].map(|run: usize| {
            let point = items[run].sight.point;
            let told = self.told_to[run].get(&point.event.stream.process);
            let told = told.map_or(&[][..], Vec::as_slice);
            let until = told.partition_point(|(time_ns, _)| *time_ns <= point.time_ns);
            &told[until.saturating_sub(FORWARDED_WITHIN)..until]
        });
        let mut changed = fields.iter().filter(|field| {
            let of_a = knows(near[0], &field.path, &field.a);
            let of_b = knows(near[1], &field.path, &field.b);
            field.a.is_some() && field.b.is_some() && of_a != of_b
        });
        changed.next().is_some()
    }

    /// A datagram that is sent in both runs and arrives in one, though what was sent behind it did.
    fn lost(&mut self, of: [&Described<'a>; 2], side: usize, at: [usize; 2]) -> Option<Difference> {
        if !matches!(of[0].talk.channel, "udp" | "unix-messages") {
            return None;
        }
        let items = [0, 1].map(|run: usize| &of[run].talk.lanes[side][at[run]]);
        let run = match items.map(|item| item.received.is_some()) {
            [true, false] => 1,
            [false, true] => 0,
            [true, true] | [false, false] => return None,
        };
        let behind = &of[run].talk.lanes[side][at[run]..];
        if behind.iter().all(|item| item.received.is_none()) {
            self.noise.suppress_builtin(Builtin::Timing, 1);
            return None;
        }
        let (kind, verb) = match run {
            1 => (
                Kind::Missing,
                "is sent in both runs, and is lost on its way in the second one: it never arrives",
            ),
            _ => (
                Kind::Extra,
                "is sent in both runs, and arrives in the second one only",
            ),
        };
        let route = self.route(1 - run, of[1 - run], side, items[1 - run]);
        let what = format!("The datagram “{}” {route} {verb}.", items[1].text);
        let mut difference = Difference::new(kind, what).at(
            shown(&items[0].sight, self.told(0, of[0], side, items[0])),
            shown(&items[1].sight, self.told(1, of[1], side, items[1])),
        );
        difference.way = format!("{} {} {side}", of[0].talk.channel, of[0].name);
        // The network lost it, and nobody in the recording.
        difference.outside = true;
        difference.lost = true;
        Some(difference)
    }

    fn one(
        &mut self,
        run: usize,
        of: &Described<'a>,
        side: usize,
        item: &Item,
        before: &[Option<Sight>; 2],
        content: u64,
    ) -> Option<Difference> {
        let mut hits = Hits::new();
        let spot = Spot {
            protocol: item.protocol,
            connection: &of.name,
            field: "",
        };
        if self.noise.mask(spot, &item.text, &mut hits) == "<ignored>" {
            self.noise.suppress(&hits);
            return None;
        }
        let route = self.route(run, of, side, item);
        let (kind, verb) = match run {
            0 => (Kind::Missing, MISSING),
            _ => (Kind::Extra, EXTRA),
        };
        let kind = kind_of(of.talk, kind);
        let what = format!("“{}” {route} {verb}.", item.text);
        let mut sides = [None, None];
        sides[run] = shown(&item.sight, self.told(run, of, side, item));
        let [a, b] = sides;
        let mut difference = Difference::new(kind, what).at(a, b);
        difference.place = learn::base(&of.roles, side, item.protocol, &shape(item));
        difference.content = content;
        difference.sampled = side == 1 && self.found.watched.contains(&content);
        difference.way = format!("{} {} {side}", of.talk.channel, of.name);
        difference.internal = self.is_internal(of, item) || self.is_of_loop(run, of, item);
        let fallback = before[1 - run].clone();
        let fallback = fallback.or_else(|| self.start_of(1 - run, run, item));
        difference.places[1 - run] = fallback;
        difference.outside = of.talk.ends[side].is_none();
        Some(difference)
    }

    /// Whether a command that is run again and again says it to the next one of its pipeline: how often is a
    /// matter of time.
    fn is_of_loop(&self, run: usize, of: &Described<'a>, item: &Item) -> bool {
        let sender = item.sight.point.event.stream.process;
        let argv = |process: u32| {
            self.runs[run]
                .processes
                .get(&process)
                .map(|known| &known.argv)
        };
        let parent = self.runs[run]
            .processes
            .get(&sender)
            .and_then(|known| known.parent);
        let command = parent.is_some_and(|parent| argv(parent) != argv(sender));
        of.talk.channel == "pipe" && command && self.found.loops.contains(&(run, sender))
    }

    /// Answers that took far longer in the second run than any to the same question in the first, and for which
    /// nobody else was waited.
    fn slow_answers(&mut self, talks: &[Vec<Described<'a>>; 2]) -> BTreeSet<EventId> {
        let mut found = BTreeSet::new();
        let [in_a, in_b] = [0, 1].map(|run| slowest(&talks[run]));
        let answered = answers(self.runs[1]);
        for (key, other) in in_b {
            let Some(one) = in_a.get(&key) else {
                continue;
            };
            let (less, more) = (one.took_ns, other.took_ns);
            let slow = is_far_longer(less, more);
            let [Some(in_a), Some(in_b)] = [&one.question.received, &other.question.received]
            else {
                continue;
            };
            let (from, to) = (in_b.point, other.answer.sight.point);
            let told = answered.get(&from.place.chain);
            let told = told.map_or(&[][..], Vec::as_slice);
            let next = told.partition_point(|order| *order <= from.place.order);
            let alone = told.get(next).is_none_or(|order| *order > to.place.order);
            if !slow || !alone && from.place.chain == to.place.chain {
                continue;
            }
            let text = shortened(&other.question.text, 80);
            let sights = [in_a, in_b];
            let difference = slow_to_answer(&in_b.who, &text, "answers", sights, [less, more]);
            self.found.suspects.push(difference);
            found.insert(to.event);
        }
        found
    }

    /// Messages that were sent far later in the second run, though nothing more was told to their sender and it
    /// waited for nobody. `answered` are those that are told as slow answers.
    fn slow_messages(&mut self, matched: &[[Sight; 2]], answered: &BTreeSet<EventId>) {
        let mut told: Option<[FxHashMap<Place, &Item>; 2]> = None;
        for sights in matched {
            if answered.contains(&sights[1].point.event) {
                continue;
            }
            let took = [0, 1].map(|run| {
                let to = sights[run].point;
                let all = self.runs[run].heard.get(&to.place.chain)?;
                let next = all.partition_point(|one| one.0 < to.place.order);
                let (order, time_ns) = *all.get(next.checked_sub(1)?)?;
                let from = Place { order, ..to.place };
                Some((from, to.time_ns.saturating_sub(time_ns)))
            });
            let [Some((in_a, less)), Some((in_b, more))] = took else {
                continue;
            };
            let slow = is_far_longer(less, more);
            if !slow {
                continue;
            }
            let told = told.get_or_insert_with(|| self.runs.map(told_at));
            // What was left out of the runs is of no interest here, either.
            let (Some(in_a), Some(item)) = (told[0].get(&in_a), told[1].get(&in_b)) else {
                continue;
            };
            let (Some(in_a), Some(in_b)) = (&in_a.received, &item.received) else {
                continue;
            };
            if self.waited(in_b, &sights[1]) * 2 > more {
                continue;
            }
            let (who, text) = (&sights[1].who, shortened(&item.text, 80));
            let heard = [in_a, in_b];
            let mut difference = slow_to_answer(who, &text, "goes on", heard, [less, more]);
            difference.late = true;
            // What is handed on to several is late once.
            let known = self.found.suspects.last();
            if known.is_none_or(|known| known.what != difference.what) {
                self.found.suspects.push(difference);
            }
        }
    }

    /// How long the second run's process waited for tasks and processes between two places.
    fn waited(&self, from: &Sight, to: &Sight) -> u64 {
        let process = to.point.event.stream.process;
        let known = self.runs[1].processes.get(&process);
        let all = known.map_or(&[][..], |known| &known.inputs.joined);
        let (from_ns, to_ns) = (from.point.time_ns, to.point.time_ns);
        let within = all.iter().filter(|(place, _)| *place <= to.point.place);
        let longest = within.map(|(_, (since_ns, until_ns))| {
            let since_ns = from_ns.max(*since_ns);
            to_ns.min(*until_ns).saturating_sub(since_ns)
        });
        longest.max().unwrap_or(0)
    }

    /// Whether it is no text, and went between processes that run one program: what a server and its own
    /// children say to each other is theirs.
    fn is_internal(&self, of: &Described<'a>, item: &Item) -> bool {
        let binary = match &item.body {
            Node::Bytes(_) => true,
            Node::Text(text) => times::is_binary(text.as_bytes()),
            Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) => false,
            Node::List(_) | Node::Map(_) | Node::Elided(_) | Node::Redacted => false,
        };
        let argv = |side: usize| {
            let process = of.talk.ends[side]?;
            let known = self
                .runs
                .iter()
                .find_map(|run| run.processes.get(&process))?;
            Some(&known.argv)
        };
        binary && matches!(of.talk.channel, "pipe" | "unix") && argv(0) == argv(1)
    }

    /// Whether a message is the last of its sender, and the other run's sender was killed there: what it
    /// was about to send, or had just sent, is not known.
    fn is_cut_off(&self, run: usize, of: &Described<'a>, one: &Lonely) -> bool {
        let lane = &of.talk.lanes[one.side];
        let sender = lane[one.at].sight.point.event.stream.process;
        let mut pairs = self.pairs.both.iter();
        let twin = pairs.find(|(a, b)| [*a, *b][run] == sender);
        let ended = |run: usize, process: u32| {
            let known = self.runs[run].processes.get(&process)?;
            known.end.as_ref().map(|(how, _)| *how)
        };
        let killed = |how: Option<Ended>| {
            matches!(
                how,
                None | Some(Ended::Unknown | Ended::Killed | Ended::Signal(_))
            )
        };
        self.last_sent[run].get(&sender) == Some(&lane[one.at].sight.point.time_ns)
            && killed(ended(run, sender))
            && twin.is_some_and(|(a, b)| killed(ended(1 - run, [*a, *b][1 - run])))
    }

    /// Where the other run's sender began, if there is one.
    fn start_of(&self, other: usize, run: usize, item: &Item) -> Option<Sight> {
        let sender = item.sight.point.event.stream.process;
        let twin = self
            .pairs
            .both
            .iter()
            .find(|(a, b)| [*a, *b][run] == sender)?;
        let process = self.runs[other].processes.get(&[twin.0, twin.1][other])?;
        Some(process.start.clone())
    }

    fn route(&self, run: usize, of: &Described<'a>, side: usize, item: &Item) -> String {
        let end = |side: usize| match of.talk.ends[side] {
            Some(process) => Arc::from(self.runs[run].name(process)),
            None => Arc::from(of.talk.names[side].as_str()),
        };
        // A socket may have gone to a child: whoever sent it is the sender.
        let from = match of.talk.ends[side] {
            Some(_) => item.sight.who.clone(),
            None => end(side),
        };
        let to = match &item.received {
            Some(sight) => sight.who.clone(),
            None => end(1 - side),
        };
        format!("from {from} to {to}")
    }

    fn told(&self, run: usize, of: &Described<'a>, side: usize, item: &Item) -> String {
        let route = self.route(run, of, side, item);
        format!("{}  ({route})", item.text)
    }
}

/// Whether something took so much longer in the second run that it is told.
fn is_far_longer(less_ns: u64, more_ns: u64) -> bool {
    more_ns > less_ns.saturating_add(SLOWER_BY_NS) && more_ns / SLOWER_TIMES > less_ns
}

/// What there is to say of somebody who took far longer until it `does` something behind what it was told:
/// `took` nanoseconds in each run.
fn slow_to_answer(
    who: &str,
    text: &str,
    does: &str,
    told: [&Sight; 2],
    took: [u64; 2],
) -> Difference {
    let took = took.map(|ns| format!("{:.3} s", ns as f64 / 1e9));
    let what = format!(
        "{who} took {} instead of {} to answer “{text}”.",
        took[1], took[0]
    );
    let side = |run: usize| shown(told[run], format!("{does} in {}", took[run]));
    let mut difference = Difference::new(Kind::Slow, what).at(side(0), side(1));
    difference.answer = true;
    difference
}

/// Whether each message of a side belongs to the one at the same place of the other run: the questions are the
/// same and each has its answer, or the lines that are printed say the same but for numbers.
fn is_one_by_one(talks: &[Vec<Described<'_>>; 2], pair: &[Option<usize>; 2], side: usize) -> bool {
    let (Some(a), Some(b)) = (pair[0], pair[1]) else {
        return false;
    };
    let (a, b) = (&talks[0][a], &talks[1][b]);
    let lens = [a, b].map(|of| of.hashes.each_ref().map(Vec::len));
    if lens[0] != lens[1] {
        return false;
    }
    if side == 1 {
        return lens[0][0] == lens[0][1] && a.hashes[0] == b.hashes[0];
    }
    let plain = |item: &Item| item.text.replace(|c: char| c.is_ascii_digit(), "");
    let lines = a.talk.lanes[0].iter().zip(&b.talk.lanes[0]);
    let mut lines = lines.map(|(one, other)| plain(one) == plain(other));
    matches!(a.talk.channel, "stdout" | "stderr") && lines.all(|same| same)
}

/// What a process prints is a symptom, and no message to another.
fn kind_of(talk: &Talk, kind: Kind) -> Kind {
    match talk.channel {
        "stdout" | "stderr" => Kind::Output,
        "stdin" => Kind::File,
        _ => kind,
    }
}

/// What a message is about, without its details: messages of one shape are taken for one another.
pub fn shape(item: &Item) -> String {
    fn word(text: &str) -> String {
        let text = text.trim_start();
        let end = text.find(|c: char| c.is_whitespace() || "?:=".contains(c));
        let word = &text[..end.unwrap_or(text.len())];
        let plain = word.chars().filter(|c| !c.is_ascii_digit());
        plain.take(64).collect()
    }
    match &item.body {
        Node::Map(fields) => {
            let named = fields.iter().map(|(name, value)| match (&**name, value) {
                ("method" | "target" | "command" | "name" | "query" | "type", Node::Text(text)) => {
                    format!("{name}={}", word(text))
                }
                ("content", Node::Map(_)) => "content={}".to_owned(),
                ("content", Node::List(_)) => "content=[]".to_owned(),
                // A reply is a reply, whether it is of success or not.
                ("reason", _) => String::new(),
                (name, _) => name.to_owned(),
            });
            named.collect::<Vec<String>>().join(" ")
        }
        Node::List(items) => match items.first() {
            Some(Node::Text(text)) => format!("[{}", word(text)),
            Some(_) | None => "[".to_owned(),
        },
        // What Redis answers to a command is a value, if it is no list.
        Node::Text(_) if item.protocol == "redis" => "value".to_owned(),
        Node::Text(text) if times::is_binary(text.as_bytes()) => "bytes".to_owned(),
        Node::Text(text) => word(text),
        Node::Bytes(_) => "bytes".to_owned(),
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) => {
            "value".to_owned()
        }
        Node::Elided(_) | Node::Redacted => "hidden".to_owned(),
    }
}

/// What a message consists of, to tell how much two are alike: a number for each value and word, ascending.
fn print(noise: &mut Noise, of: Option<(&str, &str, usize)>, item: &Item) -> Vec<u64> {
    let (name, roles, side) = of.unwrap_or_default();
    let mut comparer = Comparer {
        noise,
        protocol: item.protocol,
        connection: name,
        now_ns: None,
        unordered: false,
        base: Some(learn::base(roles, side, item.protocol, &shape(item))),
    };
    let mut all = Vec::new();
    comparer.leaves(&item.body, &mut |path, text| {
        let parts: Vec<&str> = match path.is_empty() {
            true => text.split([' ', '\n', ',', ';']).collect(),
            false => vec![text],
        };
        for part in parts.into_iter().take(PARTS_MAX) {
            let mut hasher = FxHasher::default();
            hasher.write(path.as_bytes());
            hasher.write_u8(0);
            hasher.write(part.as_bytes());
            all.push(hasher.finish());
        }
    });
    all.sort_unstable();
    all
}

/// How much of two messages is the same, at most `LIKE_MAX`.
fn likeness(a: &[u64], b: &[u64]) -> u32 {
    let (mut at, mut other, mut same) = (0, 0, 0usize);
    while at < a.len() && other < b.len() {
        match a[at].cmp(&b[other]) {
            std::cmp::Ordering::Less => at += 1,
            std::cmp::Ordering::Greater => other += 1,
            std::cmp::Ordering::Equal => {
                (at, other, same) = (at + 1, other + 1, same + 1);
            }
        }
    }
    (LIKE_MAX * same / a.len().max(b.len()).max(1)) as u32
}

/// Messages that stand elsewhere in the other run, as pairs of a lane and a place in it.
struct Moved {
    pairs: Vec<((usize, usize), (usize, usize))>,
    of: [FxHashSet<(usize, usize)>; 2],
}

impl Moved {
    fn look_for(&mut self, talks: &[Vec<Described<'_>>; 2], lanes: &[Lane], within: Within) {
        type Places = VecDeque<(usize, usize)>;
        let mut loose: FxHashMap<(&str, usize, u64), [Places; 2]> = FxHashMap::default();
        let mut keys = Vec::new();
        for (number, lane) in lanes.iter().enumerate() {
            for stretch in lane.stretches.iter().filter(|stretch| !stretch.equal) {
                for (run, range) in [(0, &stretch.a), (1, &stretch.b)] {
                    let Some(talk) = lane.talks[run] else {
                        continue;
                    };
                    let of = &talks[run][talk];
                    let ends = of.within(within);
                    for at in range.clone().filter(|at| !self.has(run, number, *at)) {
                        let key = (ends, lane.side, of.hashes[lane.side][at]);
                        loose.entry(key).or_default()[run].push_back((number, at));
                        if run == 0 {
                            keys.push(key);
                        }
                    }
                }
            }
        }
        for key in keys {
            let Some([a, b]) = loose.get_mut(&key) else {
                continue;
            };
            let (Some(one), Some(other)) = (a.front().copied(), b.front().copied()) else {
                continue;
            };
            a.pop_front();
            b.pop_front();
            self.of[0].insert(one);
            self.of[1].insert(other);
            self.pairs.push((one, other));
        }
    }

    fn has(&self, run: usize, lane: usize, at: usize) -> bool {
        self.of[run].contains(&(lane, at))
    }
}

/// Finds, among what is not equal where it stands, what is equal elsewhere between the same two.
fn find_moved(talks: &[Vec<Described<'_>>; 2], lanes: &[Lane]) -> Moved {
    let mut moved = Moved {
        pairs: Vec::new(),
        of: Default::default(),
    };
    // Then what another process of the same kind said instead, such as one of several workers.
    for within in [Within::Ends, Within::Kin, Within::Roles] {
        moved.look_for(talks, lanes, within);
    }
    moved
}

/// Finds messages that have only changed their values among each other, such as numbers that a server gave
/// to its clients as they came: of all that differ on their way, each run has the same values.
fn find_permuted(differences: &mut [Difference], noise: &mut Noise) {
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
            let known = more.entry(difference.way.clone()).or_default();
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
    let even = |place: &(String, String, usize)| {
        let counts: Option<&BTreeMap<String, i64>> = all.get(place);
        let odd = counts.map_or(i64::MAX, |counts| {
            counts.values().map(|count| count.abs()).sum()
        });
        odd <= 2 * more.get(&place.0).copied().unwrap_or(0)
    };
    for difference in differences.iter_mut().filter(payload) {
        let words = words(difference);
        // What people see is in another order only if it is a number that somebody was given.
        let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        let printed = difference.kind == Kind::Output;
        let words =
            words.filter(|words| !printed || words.iter().all(|(_, a, b)| number(a) && number(b)));
        let permuted = words
            .is_some_and(|words| !words.is_empty() && words.iter().all(|(place, ..)| even(place)));
        difference.permuted = permuted || difference.sampled;
    }
}

/// Whether two messages only say how far their sender was, such as how many of something it had got: the numbers of
/// all messages that say the same never fall in either run, and come to the same.
fn is_sampled(noise: &mut Noise, lists: [&[Item]; 2], items: [&Item; 2]) -> bool {
    let mut cut = |item: &Item| {
        let text = serde_json::to_string(&item.body).unwrap_or_default();
        let spot = Spot {
            protocol: item.protocol,
            connection: "",
            field: "",
        };
        let text = noise.mask(spot, &text, &mut Hits::new()).into_owned();
        let digit = |c: char| c.is_ascii_digit();
        let numbers = text
            .split(|c: char| !digit(c))
            .filter(|part| !part.is_empty());
        let numbers: Option<Vec<u64>> = numbers.map(|part| part.parse().ok()).collect();
        (text.replace(digit, ""), numbers.unwrap_or_default())
    };
    let wanted = items.map(|item| cut(item).0);
    if wanted[0] != wanted[1] || lists.iter().any(|list| list.len() > PAIRED_MAX * 2) {
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

/// Counts what moved without consequence.
pub fn noise_of_order(noise: &mut Noise, count: u64) {
    noise.suppress_builtin(Builtin::Order, count);
}
