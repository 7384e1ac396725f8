//! Messages that only one of the runs has.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::{FxHashMap, FxHashSet};

use super::alike::{likeness, print, shape};
use super::difference::Difference;
use super::looks::{self, Questions};
use super::noise::Builtin;
use super::polls;
use super::run::{Item, Sight};
use super::talks::{Comparing, Described, Within, EXTRA, MISSING, OF_LANE_MAX};

/// What is asked and answered so many times more is one thing.
const AGAIN_MIN: u64 = 5;
/// Of what is only looked at.
const LOOKS_MIN: u64 = 3;
/// What is asked so many times more in all, and so many times as often as in the first run, is a storm.
const STORM_MIN: u64 = 10;
const STORM_TIMES: u64 = 3;
/// Messages that a connection may begin with.
const OPENING_MAX: usize = 6;
/// Of so many messages on each side, each is compared with each.
const PAIRED_MAX: usize = 256;

/// A message that is nowhere in the other run: of which pair of connections, and what was before it.
pub struct Lonely {
    pub talk: usize,
    pub side: usize,
    pub at: usize,
    pub hash: u64,
    pub before: [Option<Sight>; 2],
}

/// How often each of some messages is said in a run, by whose they are.
fn said_often<'t>(
    talks: &'t [Described<'_>],
    lonely: &[Lonely],
) -> FxHashMap<(&'t str, usize, u64), u64> {
    let wanted: FxHashSet<u64> = lonely.iter().map(|one| one.hash).collect();
    let mut counts = FxHashMap::default();
    for of in talks {
        for (side, hashes) in of.hashes.iter().enumerate() {
            for hash in hashes.iter().filter(|hash| wanted.contains(hash)) {
                *counts.entry((of.roles.as_str(), side, *hash)).or_default() += 1;
            }
        }
    }
    counts
}

/// What several connections begin with, by whose they are: whoever keeps some introduces itself on each.
fn openings<'t>(talks: &'t [Described<'_>]) -> FxHashSet<(&'t str, usize, u64)> {
    let mut counts: FxHashMap<(&str, usize, u64), usize> = FxHashMap::default();
    for of in talks {
        for (side, hashes) in of.hashes.iter().enumerate() {
            let first: BTreeSet<u64> = hashes.iter().take(OPENING_MAX).copied().collect();
            for hash in first {
                *counts.entry((of.roles.as_str(), side, hash)).or_default() += 1;
            }
        }
    }
    counts.retain(|_, connections| *connections > 1);
    counts.into_keys().collect()
}

/// Whether a message only asks how things are, of those that a protocol explains.
fn is_look(of: &Described<'_>, item: &Item) -> bool {
    item.protocol != of.talk.channel && !polls::changes(item)
}

/// Whether a message answers what is said first on connections.
fn answers_opening(
    of: &Described<'_>,
    at: usize,
    openings: &[FxHashSet<(&str, usize, u64)>; 2],
) -> bool {
    let asked = of.hashes[0].get(at).filter(|_| at < OPENING_MAX);
    let opens = |hash: &u64| {
        let key = (of.roles.as_str(), 0, *hash);
        openings.iter().any(|all| all.contains(&key))
    };
    asked.is_some_and(opens)
}

impl<'a> Comparing<'a> {
    /// What only one run has: paired with what is alike on another connection between the same two, or
    /// else missing or extra. The same, said again and again, is one difference.
    pub fn lonely(
        &mut self,
        talks: &[Vec<Described<'a>>; 2],
        asked: &[Questions<'_>; 2],
        lonely: [Vec<Lonely>; 2],
    ) {
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
        // How often the other run says it; and of one connection of the first run, at most.
        let both: [FxHashMap<(&str, usize, u64), u64>; 2] =
            [0, 1].map(|run: usize| said_often(&talks[1 - run], &lonely[run]));
        let known = &both[1];
        let mut known_ends: FxHashMap<(&str, usize, u64), u64> = FxHashMap::default();
        for of in talks[0].iter().filter(|_| !extra.is_empty()) {
            for (side, hashes) in of.hashes.iter().enumerate() {
                let found = hashes.iter().filter(|hash| extra.contains(hash));
                let mut here: FxHashMap<u64, u64> = FxHashMap::default();
                for hash in found {
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
        let openings = [0, 1].map(|run: usize| openings(&talks[run]));
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
                let difference = self.one(run, of, one.side, item, &one.before, one.hash);
                let Some(mut difference) = difference else {
                    continue;
                };
                let answers = one.side == 1;
                let look = !answers && is_look(of, item);
                difference.look = look || answers && looks::is_answer(of, one.at, &asked[1 - run]);
                difference.again = answers && answers_opening(of, one.at, &openings)
                    || self.is_substituted(run, of, item);
                let told = told.entry((one.talk, one.side)).or_default();
                if *told < OF_LANE_MAX {
                    *told += 1;
                    again.insert(same, (self.found.differences.len(), 1));
                    self.found.differences.push(difference);
                }
            }
            let (folded, storms) = self.storms(run, talks, &again, known);
            for (same, (at, times)) in again {
                let difference = &mut self.found.differences[at];
                if !difference.storm {
                    difference.times = times;
                }
                let looks = !asks_change[&same];
                let of_roles = known.get(&same).copied().unwrap_or(0);
                let of_ends = known_ends.get(&same).copied().unwrap_or(0);
                let often = of_roles >= AGAIN_MIN || of_ends >= LOOKS_MIN && looks;
                // Who keeps several connections makes as many as it needs at a time.
                let opens = openings.iter().all(|all| all.contains(&same));
                // One look more or less at how things are changes nothing.
                let others = both[run].get(&same).copied().unwrap_or(0);
                let look = looks
                    && difference.look
                    && same.1 == 0
                    && times <= others.max(LOOKS_MIN)
                    && others > 0;
                let few = often && times <= of_roles || opens && times < STORM_MIN || look;
                difference.again = (few || difference.again) && !storms.contains(&at);
                let verb = match (run, known.contains_key(&same), times) {
                    (0, _, 1) | (1, false, 1) => continue,
                    (0, _, _) => format!("is missing {times} times in the second run"),
                    (_, true, 1) => "is sent again in the second run, once more".to_owned(),
                    (_, true, _) => {
                        format!("is sent again and again in the second run, {times} more times")
                    }
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

    /// Whether a shell tells itself one value with digits, such as a number that it draws.
    fn is_substituted(&self, run: usize, of: &Described<'a>, item: &Item) -> bool {
        let sender = item.sight.point.event.stream.process;
        let received = item.received.as_ref();
        let receiver = received.map(|sight| sight.point.event.stream.process);
        let known = |process| self.runs[run].processes.get(&process);
        let own = known(sender).zip(receiver.and_then(known));
        of.talk.channel == "pipe"
            && own.is_some_and(|(from, to)| from.parent == Some(to.number) && from.argv == to.argv)
            && shape(item) == "value"
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
        talks: &[Vec<Described<'a>>; 2],
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
            // Where as much else is asked less often, other things are asked, and not more.
            let asked = |run: usize| {
                let all = talks[run].iter().filter(|of| of.roles == ends);
                all.map(|of| of.talk.lanes[0].len() as u64).sum::<u64>()
            };
            let instead = || asked(1) < asked(0) + more / 2;
            if run == 0 || more < STORM_MIN || more < before * (STORM_TIMES - 1) || instead() {
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
}
