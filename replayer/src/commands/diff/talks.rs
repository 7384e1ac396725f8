//! Connections of both runs paired, and what was said over them compared.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;

use reenact_causal::Ended;
use reenact_wire::Node;
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::alike::{likeness, print, shape};
use super::clocks::away;
use super::compare::{shown, Found, SLOWER_BY_NS};
use super::cut_off;
use super::difference::{Difference, Kind};
use super::in_order::{answers_in_order, is_one_by_one};
use super::learn;
use super::lonely::Lonely;
use super::looks::{self, Questions};
use super::noise::{Builtin, Hits, Noise, Spot};
use super::order::{self, Arrival};
use super::pairs::Pairs;
use super::permuted::{find_permuted, is_sampled};
use super::run::{Item, Run, Sight, Talk};
use super::sequence::{self, Step, Stretch};
use super::times;
use super::told::{greets, knows, last_sent, told_to};
use super::tree::{Comparer, FieldDiff};

/// What is said of a message that only one of the runs has.
pub const MISSING: &str = "is missing in the second run";
pub const EXTRA: &str = "is sent in the second run only";
/// Differences of one direction that are told one by one.
pub const OF_LANE_MAX: usize = 256;
/// Last messages to a process that are looked at to tell whether it passes on what it was told.
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
                    base: Some(learn::base(&roles, side, item.protocol, &shape(item))),
                    ..Comparer::of(noise, item.protocol, &name)
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
    comparing.twice(&talks, &both);
    find_permuted(&mut comparing.found.differences, comparing.noise);
    let answered = comparing.slow_answers(&talks);
    let matched = std::mem::take(&mut comparing.sent);
    comparing.slow_messages(&matched, &answered);
    noise_of_order(comparing.noise, comparing.elsewhere);
    comparing.arrivals
}

#[derive(Clone, Copy)]
enum Round {
    Same,
    Asks,
    Ends,
}

/// A connection with what it is recognised by.
pub struct Described<'a> {
    pub talk: &'a Talk,
    pub name: String,
    pub ends: String,
    /// The same with kinds of processes, of which several may be the same.
    pub kin: String,
    /// The same with programs and scripts alone.
    pub roles: String,
    pub hashes: &'a [Vec<u64>; 2],
}

/// How much the ends of two connections must be the same.
#[derive(Clone, Copy)]
pub enum Within {
    Ends,
    Kin,
    Roles,
}

impl Described<'_> {
    pub fn within(&self, within: Within) -> &str {
        match within {
            Within::Ends => &self.ends,
            Within::Kin => &self.kin,
            Within::Roles => &self.roles,
        }
    }

    /// Says of a difference which way its message went.
    pub fn tell_way(&self, side: usize, difference: &mut Difference) {
        difference.way = format!("{} {} {side}", self.talk.channel, self.name);
        difference.link = format!("{} {side}", self.roles);
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

/// One direction of a pair of connections, as hashes and as what is equal.
struct Lane {
    talks: [Option<usize>; 2],
    side: usize,
    stretches: Vec<Stretch>,
}

pub struct Comparing<'a> {
    pub runs: [&'a Run; 2],
    pub pairs: &'a Pairs,
    pub noise: &'a mut Noise,
    pub found: &'a mut Found,
    pub arrivals: BTreeMap<(u32, u32), Vec<Arrival>>,
    /// Where messages were sent that both runs have.
    pub sent: Vec<[Sight; 2]>,
    /// Messages that stand elsewhere, and reached nobody who is recorded.
    pub elsewhere: u64,
    /// When each process sent its last message.
    pub last_sent: [FxHashMap<u32, u64>; 2],
    /// Questions that went to another process.
    pub rerouted: usize,
    /// What each process was told, in the order of time.
    pub told_to: [FxHashMap<u32, Vec<(u64, String)>>; 2],
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
                let both = of(0).len().min(of(1).len());
                let mut stretches = match is_one_by_one(talks, pair, side) {
                    true => sequence::one_by_one(both),
                    false => sequence::stretches(of(0), of(1)),
                };
                if side == 1 && answers_in_order(talks, pair) && of(0).len() != of(1).len() {
                    stretches = sequence::one_by_one(both);
                    stretches.push(Stretch {
                        equal: false,
                        a: both..of(0).len(),
                        b: both..of(1).len(),
                    });
                }
                lanes.push(Lane {
                    talks: *pair,
                    side,
                    stretches,
                });
            }
        }
        let moved = find_moved(talks, &lanes);
        let asked = [0, 1].map(|run: usize| looks::questions(&talks[run]));
        let mut lonely: [Vec<Lonely>; 2] = [Vec::new(), Vec::new()];
        for (number, lane) in lanes.iter().enumerate() {
            self.lane((number, lane), talks, &moved, &asked, &mut lonely);
        }
        self.elsewhere(talks, &moved, &lanes);
        self.lonely(talks, &asked, lonely);
    }

    fn lane(
        &mut self,
        (number, lane): (usize, &Lane),
        talks: &[Vec<Described<'a>>; 2],
        moved: &Moved,
        asked: &[Questions<'_>; 2],
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
                        if let Some(mut difference) = difference.filter(|_| told < OF_LANE_MAX) {
                            told += 1;
                            let answers = |of, at, run: usize| {
                                side == 1 && looks::is_answer(of, at, &asked[1 - run])
                            };
                            difference.look = answers(of_a, a, 0) && answers(of_b, b, 1);
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
        of[0].tell_way(side, &mut difference);
        difference.place = learn::base(&of[0].roles, side, items[0].protocol, &shape(items[0]));
        self.found.differences.push(difference);
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
                ids: order::ids(self.noise, items[0]),
                from: items[0].sight.who.clone(),
            });
        }
        known
    }

    pub fn pair(
        &mut self,
        of: [&Described<'a>; 2],
        side: usize,
        items: [&Item; 2],
    ) -> Option<Difference> {
        if items[0].body == items[1].body {
            return None;
        }
        if cut_off::is_cut(self.runs, of.map(|of| of.talk), side, items) {
            self.noise.suppress_builtin(Builtin::Timing, 1);
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
        of[0].tell_way(side, &mut difference);
        difference.place = learn::base(&of[0].roles, side, items[0].protocol, &shape(items[0]));
        let mut has = |forms: usize, item| {
            let forms = &self.found.forms[forms];
            forms.has(self.noise, difference.place, &of[0].name, item)
        };
        difference.known = has(1, items[0]) && has(0, items[1]);
        difference.internal = self.is_internal(of[0], items[0]);
        difference.greets = side == 1 && (0..2).all(|run: usize| greets(of[run].talk, items[run]));
        difference.forwarded = self.is_forwarded(items, &compared.fields);
        if difference.forwarded {
            difference.note = "in one run its sender passes on what it was told".to_owned();
        }
        let senders = items.map(|item| item.sight.point.event.stream.process);
        if self.pairs.is_crossed(senders) {
            difference.crossed = true;
            let started = |process: u32| {
                let known = self.runs[0].processes.get(&process)?;
                Some((known.parent?, &known.argv))
            };
            let twin = self.pairs.first(senders[1]);
            let parent = started(senders[0]).zip(twin.and_then(started));
            difference.shared = parent.is_some_and(|(one, other)| one == other);
            difference.note =
                "another process of the same kind says it in the second run".to_owned();
        }
        difference.more = compared.different - compared.fields.len() as u64;
        difference.fields = compared.fields;
        difference.words = compared.words;
        difference.to = items.map(|item| item.received.clone());
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

    pub fn one(
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
        difference.to[run].clone_from(&item.received);
        let others = &self.found.forms[1 - run];
        difference.known = others.has(self.noise, difference.place, &of.name, item);
        difference.sampled = side == 1 && self.found.watched.contains(&content);
        of.tell_way(side, &mut difference);
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
    pub fn is_cut_off(&self, run: usize, of: &Described<'a>, one: &Lonely) -> bool {
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

    pub fn route(&self, run: usize, of: &Described<'a>, side: usize, item: &Item) -> String {
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

    pub fn told(&self, run: usize, of: &Described<'a>, side: usize, item: &Item) -> String {
        let route = self.route(run, of, side, item);
        format!("{}  ({route})", item.text)
    }
}

/// What a process prints is a symptom, and no message to another.
fn kind_of(talk: &Talk, kind: Kind) -> Kind {
    match talk.channel {
        "stdout" | "stderr" => Kind::Output,
        "stdin" => Kind::File,
        _ => kind,
    }
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

/// Counts what moved without consequence.
pub fn noise_of_order(noise: &mut Noise, count: u64) {
    noise.suppress_builtin(Builtin::Order, count);
}
