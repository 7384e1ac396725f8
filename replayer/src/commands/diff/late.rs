//! Answers and messages that came far later in the second run.

use std::collections::{BTreeMap, BTreeSet};

use reenact_causal::{EventId, Place};
use rustc_hash::FxHashMap;

use super::compare::{shown, SLOWER_BY_NS, SLOWER_TIMES};
use super::difference::{Difference, Kind};
use super::run::{Item, Sight};
use super::talks::{Comparing, Described};
use super::told::{answers, told_at};
use crate::commands::show::words::shortened;

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

impl<'a> Comparing<'a> {
    /// Answers that took far longer in the second run than any to the same question in the first, and for which
    /// nobody else was waited.
    pub fn slow_answers(&mut self, talks: &[Vec<Described<'a>>; 2]) -> BTreeSet<EventId> {
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
    pub fn slow_messages(&mut self, matched: &[[Sight; 2]], answered: &BTreeSet<EventId>) {
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
