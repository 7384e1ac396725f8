//! Which differences are causes and which only follow.
//!
//! What differs in one process can only come from what it was told, what it read, or chance within
//! it. So a difference with another one before it, in the order of causes of either run, follows from
//! that; one without is a *root*. A root that was not given from outside is explained by what differs
//! without being told: messages that reached its process in another order, threads, random bytes,
//! clocks, in that order. If the process is known to have been told and given the same, then nothing
//! but chance is left, and it is ranked in front of what came of it. Another build of a program is no
//! explanation by itself: what the program did otherwise is told as if it had been the same.

use std::collections::BTreeSet;

use reenact_causal::Place;

use super::about::{
    in_vain, is_conflict, is_fine, is_handed_on, passes_on, picks, process_in, process_of,
    same_memory, sooner, Words,
};
use super::cause::{seen, suspected, Cause, How, HARMLESS, LOOSE, WEAK};
use super::chance;
use super::compare::{Found, Told};
use super::difference::{Difference, Kind};
use super::first_seen;
use super::order::Arrived;
use super::roots;
use super::run::Run;

/// Roots and symptoms that are looked for, and differences that are judged; later ones are only counted.
const ROOTS_MAX: usize = 64;
const JUDGED_MAX: usize = 4096;
/// Differences, the earliest ones, of which each is asked about each other.
const CLOSELY_MAX: usize = 400;
/// How far the only explanation that is left is in front of what it explains.
const AHEAD: f64 = 0.06;
const BESIDE: f64 = 0.12;
/// What a cause has ahead of others that speaks of what failed, and what is left of an overtaking that does not
/// where others do.
const RELATED: f64 = 0.03;
const UNRELATED: f64 = 0.3;
const UNLIKELY: f64 = 0.45;
const LIKELY: f64 = 0.7;
/// What is said so many times more often is no matter of order.
const AGAIN_MIN: u64 = 5;
/// The same, where nothing came of it that anybody sees.
const UNSEEN_AGAIN_MIN: u64 = 20;
/// Digits of a number that is likely to be drawn by chance.
const DRAWN_DIGITS_MIN: usize = 6;
/// Messages that came too late, of which it is asked why.
const LATE_MAX: usize = 64;
/// Slow things that are told of one difference, and how much less it says that a message came late than why.
const SLOW_MAX: usize = 3;
const LATER: f64 = 0.005;
/// How much a program says that was built anew, where what it does otherwise comes first, and what a storm has
/// ahead of a message.
const BUILT: f64 = 0.92;
/// How much the order of threads says, where nothing else came in another one, and what they gave went to others.
const BY_THREADS: f64 = 0.83;
const STORM: f64 = 0.02;

#[derive(Default)]
pub struct Judgement {
    /// The first difference whose causes are equal or noise.
    pub first: Option<Cause>,
    /// By score, the likeliest first.
    pub causes: Vec<Cause>,
    /// Overtakings that nothing follows from.
    pub harmless: u64,
    /// What took longer, without anything that came of it.
    pub in_time: u64,
    /// What differs, of which nothing came that anybody sees.
    pub without: Vec<Difference>,
}

/// Whether one difference is before another in the order of causes of a run.
type Before<'a> = dyn Fn(&Difference, &Difference) -> bool + 'a;

/// Judges with the order of causes of both runs.
pub fn judge(runs: [&Run; 2], found: Found) -> Judgement {
    let starts = runs.map(|run| run.start_ns);
    let before = |one: &Difference, other: &Difference| {
        let in_run = |run: usize| match (&one.places[run], &other.places[run]) {
            (Some(one), Some(other)) => {
                runs[run].happens_before(one.point.place, other.point.place)
            }
            (_, _) => false,
        };
        if let Some(run) = one.decides.or(other.decides) {
            return in_run(run);
        }
        // Where a run does not have one of them, it would have been somewhere behind its place: that
        // is asked only if no run has both.
        let has_both = |run: &usize| one.sides[*run].is_some() && other.sides[*run].is_some();
        let any = (0..2).any(|run| has_both(&run));
        (0..2).filter(|run| !any || has_both(run)).any(in_run)
    };
    let second = |one: &Difference, other: &Difference| match (&one.sides[1], &other.sides[1]) {
        (Some(one), Some(other)) => {
            runs[1].happens_before(one.sight.point.place, other.sight.point.place)
        }
        (_, _) => false,
    };
    let leads = |one: Place, other: Place| runs[1].happens_before(one, other);
    let orders = Orders {
        before: &before,
        second: &second,
        leads: &leads,
    };
    rank(found, starts, orders)
}

/// The orders of causes.
#[derive(Clone, Copy)]
struct Orders<'a> {
    before: &'a Before<'a>,
    /// Of the second run.
    second: &'a Before<'a>,
    /// Of the second run, between places.
    leads: &'a dyn Fn(Place, Place) -> bool,
}

fn rank(found: Found, starts: [u64; 2], orders: Orders<'_>) -> Judgement {
    let Found {
        mut differences,
        mut suspects,
        excused,
        told,
        expired,
        arrived,
        loops,
        matched: _,
        watched: _,
        forms: _,
    } = found;
    let order = |difference: &Difference| (time(difference, starts), difference.kind);
    differences.sort_by_key(order);
    differences.truncate(JUDGED_MAX);
    suspects.sort_by_key(order);
    let ranks = Ranks {
        suspects: &suspects,
        excused: &excused,
        told: &told,
        expired: &expired,
        arrived: &arrived,
        loops: &loops,
        unseen: !differences.iter().any(Difference::is_seen),
        starts,
        before: orders.before,
        second: orders.second,
        leads: orders.leads,
    };
    for difference in &mut differences {
        difference.timely = ranks.is_timely(difference);
        difference.reordered = ranks.is_reordered(difference);
        difference.weak = ranks.is_weak(difference);
        difference.threaded = !ranks.is_excused(difference)
            && ranks.is_behind(difference, &[Kind::Threads])
            && !ranks.is_behind(difference, &[Kind::Overtaken]);
    }
    let mut judgement = Judgement::default();
    if !differences.iter().any(Difference::is_seen) {
        let without;
        (without, differences) = ranks.without_consequence(differences);
        judgement.without = without;
    }
    ranks.judge(&differences, &mut judgement);
    judgement
}

/// When a difference first shows, since its run began.
fn time(difference: &Difference, starts: [u64; 2]) -> u64 {
    let since = |run: usize| {
        let time_ns = difference.sides[run].as_ref()?.sight.point.time_ns;
        Some(time_ns.saturating_sub(starts[run]))
    };
    let times = [0, 1].into_iter().filter_map(since);
    times.min().unwrap_or(u64::MAX)
}

struct Ranks<'a> {
    suspects: &'a [Difference],
    excused: &'a BTreeSet<u32>,
    told: &'a [Told; 2],
    expired: &'a [Told; 2],
    arrived: &'a Arrived,
    loops: &'a BTreeSet<(usize, u32)>,
    /// Nothing that anybody sees differs.
    unseen: bool,
    starts: [u64; 2],
    before: &'a Before<'a>,
    second: &'a Before<'a>,
    leads: &'a dyn Fn(Place, Place) -> bool,
}

impl<'a> Ranks<'a> {
    /// Where the runs contradict each other, the second counts: what came of what there is asked about, and
    /// the first knows only what would have come next without it.
    fn follows(&self, root: &Difference, other: &Difference) -> bool {
        // What was in a file before the run began follows from nothing in it.
        let given = matches!(other.kind, Kind::File | Kind::Program) && other.outside
            // Nor does what a clock says.
            || other.kind == Kind::Jump && other.fields.is_empty();
        let passes_on = passes_on(root, other);
        // What a program says of its state leads to nothing.
        let unlikely = root.kind == Kind::Program && root.weight() < Kind::Payload.weight();
        !unlikely
            && !matches!(root.kind, Kind::Checksum | Kind::Output)
            && (!root.weak || other.weak || other.kind.is_symptom() || passes_on)
            && !root.internal
            && (!root.permuted || passes_on)
            && !is_handed_on(root, other)
            // The network loses what it loses, whatever the programs do.
            && !(other.lost && other.outside)
            && (!other.decisive || root.kind.is_given())
            && !(root.decisive && root.late)
            && !given
            && (self.before)(root, other)
            && (!(self.before)(other, root) || (self.second)(root, other))
    }

    fn roots(&self, differences: &[Difference]) -> Vec<bool> {
        // The clocks of the two runs are not one, so time alone does not tell what comes first.
        let close = differences.len().min(CLOSELY_MAX);
        let within = roots::roots(
            close,
            &|one, other| self.follows(&differences[one], &differences[other]),
            &|one, other| (self.second)(&differences[one], &differences[other]),
            &|at| differences[at].sides[1].is_some(),
        );
        let mut roots: Vec<&Difference> = Vec::new();
        let mut is_root = Vec::with_capacity(differences.len());
        for (at, difference) in differences.iter().enumerate() {
            let follows = match within.get(at) {
                Some(root) => !root,
                None => roots.iter().any(|root| self.follows(root, difference)),
            };
            let root = roots.len() < ROOTS_MAX && !follows;
            if root {
                roots.push(difference);
            }
            is_root.push(root);
        }
        is_root
    }

    /// Takes out what is of no consequence, if nothing that anybody sees differs: what only came of the order
    /// in which messages arrived or threads ran, which is a matter of time, and files that the run wrote for
    /// itself. Returns these, and what is left.
    fn without_consequence(
        &self,
        differences: Vec<Difference>,
    ) -> (Vec<Difference>, Vec<Difference>) {
        let is_root = self.roots(&differences);
        let roots = || {
            let all = differences.iter().zip(&is_root);
            all.filter(|(_, root)| **root).map(|(one, _)| one)
        };
        let (timely, other): (Vec<_>, Vec<_>) = roots().partition(|root| root.timely);
        let harmless = |(one, root): &(&Difference, &bool)| match root {
            _ if self.is_scheduling(one) => true,
            true => one.timely,
            false => {
                let follows = |of: &[&Difference]| of.iter().any(|root| self.follows(root, one));
                let timely = one.timely || follows(&timely) && one.times < UNSEEN_AGAIN_MIN;
                (!one.kind.is_given() || one.drawn) && timely && !follows(&other)
                    || one.internal
                    || one.written
                    || one.kind == Kind::Written
            }
        };
        let harmless: Vec<bool> = differences
            .iter()
            .zip(&is_root)
            .map(|all| harmless(&all))
            .collect();
        let mut split: [Vec<Difference>; 2] = Default::default();
        for (difference, harmless) in differences.into_iter().zip(harmless) {
            split[usize::from(!harmless)].push(difference);
        }
        split.into()
    }

    /// Whether a message of which both runs have all parts is only said at another place, more or less often, behind
    /// what came in another order.
    fn is_scheduling(&self, one: &Difference) -> bool {
        let said = matches!(
            one.kind,
            Kind::Missing | Kind::Extra | Kind::Payload | Kind::Elsewhere
        );
        let few = one.times < UNSEEN_AGAIN_MIN && !one.lost;
        said && one.known && few && !self.is_excused(one) && self.is_behind_chance(one)
    }

    /// Whether a difference is what the same build does otherwise when other things come first.
    fn is_timely(&self, root: &Difference) -> bool {
        // Whoever runs other code, or was given something that a rule hides, has a better reason.
        let chance = || {
            let looped = self.loops.contains(&process_in(root))
                || self.is_drawn(root)
                || is_fine(root)
                || self.unseen && self.is_behind_chance(root);
            !root.outside && !self.is_excused(root) && (looped || self.is_reordered(root))
        };
        let many = if self.unseen {
            UNSEEN_AGAIN_MIN
        } else {
            AGAIN_MIN
        };
        match root.kind {
            Kind::File => root.internal || root.written,
            Kind::Written => root.internal || root.written || root.permuted || self.unseen,
            Kind::Output => root.permuted,
            Kind::Elsewhere => true,
            Kind::Payload => root.permuted || root.internal || chance(),
            Kind::Missing | Kind::Extra => {
                root.internal || root.sampled || root.times < many && chance()
            }
            Kind::Process => chance(),
            Kind::Overtaken | Kind::Jump | Kind::Slow | Kind::Checksum | Kind::Happening => false,
            Kind::Arguments => root.drawn,
            Kind::Exit | Kind::Environment | Kind::Program => false,
            Kind::Threads | Kind::Randomness | Kind::Clock => false,
        }
    }

    /// Whether chance does as much between any two runs.
    fn is_weak(&self, root: &Difference) -> bool {
        match root.kind {
            Kind::Payload if root.forwarded => root.permuted || root.internal,
            Kind::Payload => {
                // Whoever is refused something in one run only was refused it for a reason.
                let status = root.fields.iter().any(|field| field.path == "status");
                let overtaken = || !status && self.is_behind(root, &[Kind::Overtaken]);
                let chance = self.is_drawn(root) || overtaken();
                let sure = !root.outside && !self.is_excused(root);
                root.permuted || root.internal || root.greets || is_fine(root) || chance && sure
            }
            Kind::Missing | Kind::Extra => {
                let seen = root.look && self.is_behind(root, &[Kind::Overtaken]);
                root.internal || root.again || root.sampled || seen
            }
            Kind::Written => root.internal || root.timely || root.permuted,
            Kind::File => root.internal,
            Kind::Elsewhere => true,
            Kind::Output => root.permuted,
            Kind::Overtaken | Kind::Jump | Kind::Slow | Kind::Checksum | Kind::Happening => false,
            Kind::Arguments => root.drawn,
            // One of several tries to reach somebody may fail.
            Kind::Exit => root.again && self.loops.contains(&process_in(root)),
            Kind::Process | Kind::Environment => false,
            Kind::Program | Kind::Threads | Kind::Randomness | Kind::Clock => false,
        }
    }

    /// Whether all that differs are large numbers that have nothing in common, behind random bytes.
    fn is_drawn(&self, root: &Difference) -> bool {
        let number = |value: &Option<String>| -> Option<f64> {
            let text = value.as_deref()?;
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            text.parse().ok().filter(|_| digits >= DRAWN_DIGITS_MIN)
        };
        let drawn = root.fields.iter().all(|field| {
            let both = number(&field.a).zip(number(&field.b));
            both.is_some_and(|(a, b): (f64, f64)| (a - b).abs() > a.abs().max(b.abs()) / 100.0)
        });
        let mut random = self
            .suspects
            .iter()
            .filter(|one| one.kind == Kind::Randomness);
        let drawn = drawn && !root.fields.is_empty() && root.more == 0;
        drawn && random.any(|one| self.explains(one, root))
    }

    /// Whether messages arrived or threads ran in another order before it.
    fn is_reordered(&self, root: &Difference) -> bool {
        self.is_behind(root, &[Kind::Overtaken, Kind::Threads])
    }

    /// Whether a suspect of one of some kinds is before it in its process.
    fn is_behind(&self, root: &Difference, kinds: &[Kind]) -> bool {
        let mut suspects = self.suspects.iter();
        suspects.any(|suspect| {
            kinds.contains(&suspect.kind)
                && same_memory(suspect, root)
                && (self.before)(suspect, root)
        })
    }

    /// Whether messages changed places or threads ran in another order anywhere before it.
    fn is_behind_chance(&self, root: &Difference) -> bool {
        let mut suspects = self.suspects.iter();
        suspects.any(|suspect| {
            matches!(suspect.kind, Kind::Overtaken | Kind::Threads) && (self.before)(suspect, root)
        })
    }

    /// Whether nothing was told to the process between one place and the other.
    fn is_fresh(&self, suspect: &Difference, root: &Difference) -> bool {
        let quiet = |run: usize| {
            let places =
                [suspect, root].map(|one| one.places[run].as_ref().map(|at| at.point.place));
            let [Some(from), Some(to)] = places else {
                return None;
            };
            let told = self.told[run].get(&to.chain).map_or(&[][..], Vec::as_slice);
            let first = told.partition_point(|order| *order <= from.order);
            Some(told.get(first).is_none_or(|order| *order >= to.order))
        };
        quiet(1).or_else(|| quiet(0)).unwrap_or(false)
    }

    fn explains(&self, suspect: &Difference, root: &Difference) -> bool {
        if suspect.kind != Kind::Slow {
            // What comes of the root in the second run does not explain it.
            let ahead = (self.before)(suspect, root) && !(self.second)(root, suspect);
            let own = suspect.kind != Kind::Randomness || !root.crossed;
            return !root.outside && own && same_memory(suspect, root) && ahead;
        }
        // Whoever waits for something slow may be elsewhere, and wait in vain.
        let elsewhere = !same_memory(suspect, root);
        let waited = || in_vain(root) && !suspect.late || self.gave_up(root);
        let disk = suspect.disk && (self.second)(suspect, root) && !root.weak;
        let vain = (suspect.outside || elsewhere) && waited() || disk;
        vain && sooner(suspect, root, self.starts) || elsewhere && self.held_up(suspect, root)
    }

    /// Whether a difference is what somebody does who had waited as long as it wanted to, in the second run only.
    fn gave_up(&self, root: &Difference) -> bool {
        let expired = |run: usize| {
            let place = root.places[run].as_ref()?.point.place;
            let last = |of: &Told| {
                let all = of.get(&place.chain)?;
                let next = all.partition_point(|order| *order < place.order);
                all.get(next.checked_sub(1)?).copied()
            };
            let expired = last(&self.expired[run])?;
            Some(last(&self.told[run]).is_none_or(|told| told < expired))
        };
        expired(1) == Some(true) && expired(0) != Some(true)
    }

    /// Whether something slow held up a message that was there before the difference in the first run, and came
    /// behind it in the second.
    fn held_up(&self, slow: &Difference, root: &Difference) -> bool {
        let Some(slow) = slow.places[1].as_ref().map(|sight| sight.point.place) else {
            return false;
        };
        self.late(root).any(|place| (self.leads)(slow, place))
    }

    /// Messages that the process had in the first run before it differed, and not yet in the second: where they
    /// arrived there.
    fn late(&self, root: &Difference) -> impl Iterator<Item = Place> + '_ {
        let [a, b] = [0, 1].map(|run| {
            let sight = root.places[run].as_ref();
            sight.map_or_else(Place::default, |sight| sight.point.place)
        });
        let all = self.arrived.get(&(a.chain, b.chain));
        let late = all
            .into_iter()
            .flatten()
            .filter(move |[of_a, of_b]| of_a.order < a.order && of_b.order > b.order);
        late.map(|[_, of_b]| *of_b).take(LATE_MAX)
    }

    fn judge(&self, differences: &[Difference], judgement: &mut Judgement) {
        let is_root = self.roots(differences);
        let roots: Vec<&Difference> = {
            let all = differences.iter().zip(&is_root);
            all.filter(|(_, root)| **root).map(|(one, _)| one).collect()
        };
        let symptoms: Vec<&Difference> = {
            let all = differences.iter().filter(|one| one.kind.is_symptom());
            all.take(ROOTS_MAX).collect()
        };
        let leads = |difference: &Difference| {
            symptoms.is_empty()
                || difference.kind.is_symptom()
                || symptoms.iter().any(|at| (self.before)(difference, at))
        };
        let overtaken: Vec<&Difference> = {
            let all = self.suspects.iter();
            all.filter(|one| one.kind == Kind::Overtaken).collect()
        };
        let words = Words::new(&symptoms, &overtaken, &roots);
        let plausible = |suspect: &Difference, root: &Difference| {
            self.is_plausible(suspect, root, words.names_both(suspect) > 0)
        };
        // Of several that changed places, the one that is most about what differs; then one that was not there
        // yet; then the last one before.
        let likeliest = |all: &mut dyn Iterator<Item = (usize, &'a Difference)>,
                         root: &Difference| {
            let related = |suspect: &Difference| {
                let place = root.places[1].as_ref().map(|sight| sight.point.place);
                let late = suspect.behind[1].zip(place);
                let late = late.is_some_and(|(one, other)| {
                    one.chain == other.chain && one.order > other.order
                });
                let alone = suspect.alone && late;
                let plausible = plausible(suspect, root);
                (plausible, alone, words.names_both(suspect), late)
            };
            all.map(|(at, one)| (related(one), (at, one)))
                .reduce(|best, one| if one.0 > best.0 { one } else { best })
                .map(|(_, one)| one)
        };
        let mut used = vec![false; self.suspects.len()];
        let mut explained: Vec<(&Difference, &Difference)> = Vec::new();
        for root in roots
            .iter()
            .filter(|root| !root.kind.is_given() && !root.decisive)
        {
            for kind in [
                Kind::Overtaken,
                Kind::Slow,
                Kind::Threads,
                Kind::Randomness,
                Kind::Clock,
            ] {
                // The last one before the difference is the likeliest.
                let near = self.suspects.iter().enumerate().rev();
                let mut near = near.filter(|(_, one)| one.kind == kind && self.explains(one, root));
                if kind == Kind::Slow {
                    for (at, suspect) in near.take(SLOW_MAX) {
                        if !std::mem::replace(&mut used[at], true) {
                            explained.push((suspect, root));
                        }
                    }
                    continue;
                }
                let mut nearest = match kind {
                    Kind::Overtaken => likeliest(&mut near, root),
                    _ => near.next(),
                };
                if kind == Kind::Randomness {
                    // What libraries read for themselves explains less than what the program asked for.
                    let mut all = nearest.into_iter().chain(near);
                    nearest = all.find(|(_, one)| one.outside).or(nearest);
                }
                if let Some((at, suspect)) = nearest {
                    if !std::mem::replace(&mut used[at], true) {
                        explained.push((suspect, root));
                    }
                }
            }
        }
        if !symptoms.is_empty() {
            for (at, suspect) in self.suspects.iter().enumerate() {
                let slow = suspect.kind == Kind::Slow && suspect.disk && !used[at];
                let later = symptoms
                    .iter()
                    .find(|one| sooner(suspect, one, self.starts));
                if let Some(symptom) = later.filter(|_| slow) {
                    used[at] = true;
                    let score = suspect.weight() * HARMLESS;
                    judgement.causes.push(suspected(suspect, symptom, score));
                }
            }
        }
        let unused = |kind: Kind| {
            let all = self.suspects.iter().zip(&used);
            all.filter(|(one, used)| one.kind == kind && !**used)
                .count() as u64
        };
        judgement.harmless = unused(Kind::Overtaken);
        judgement.in_time = unused(Kind::Slow);
        for (suspect, root) in &explained {
            // Where messages about one thing changed places, threads only followed.
            let crossed = explained.iter().any(|(one, of)| {
                let about = || words.names_both(one) > 0 || is_conflict(one, root);
                one.kind == Kind::Overtaken && std::ptr::eq(*of, *root) && about()
            });
            // And what leads to the failure elsewhere needs no threads.
            let elsewhere = || {
                roots.iter().any(|one| {
                    let other = !one.weak && !one.kind.is_symptom() && !same_memory(one, root);
                    other && leads(one)
                })
            };
            let named = words.shares(root) && !crossed && !elsewhere();
            let mut score = self.score(suspect, root, &explained, named);
            if suspect.kind == Kind::Overtaken {
                let named =
                    suspect.lost || words.names_both(suspect) > 0 || is_conflict(suspect, root);
                // What chance does in any two runs explains no failure.
                let known = !root.weak || words.names_failure(suspect) || symptoms.is_empty();
                score = match plausible(suspect, root) {
                    true if named && known => score,
                    true if named && is_conflict(suspect, root) => LIKELY,
                    true if named => UNLIKELY,
                    true | false => UNRELATED,
                };
                if suspect.lost {
                    score = suspect.weight();
                }
            }
            // Nothing needs to be told by what is slow.
            let late = suspect.kind == Kind::Slow && leads(root);
            if !leads(suspect) && !late {
                score *= HARMLESS;
            }
            // Whoever waits in vain for what is missing is slow to answer.
            let caused = |one: &&&Difference| {
                let said = matches!(one.kind, Kind::Missing | Kind::Extra | Kind::Process);
                said && !one.weak && !std::ptr::eq(**one, *root) && (self.before)(one, suspect)
            };
            if (suspect.answer || suspect.late) && roots.iter().any(|one| caused(&one)) {
                score *= LOOSE;
            }
            judgement.causes.push(suspected(suspect, root, score));
        }
        let most = differences.iter().map(|one| one.times).max();
        for (difference, is_root) in differences.iter().zip(&is_root) {
            let same = |known: &Cause| {
                let kind = difference.kind;
                let given =
                    known.difference.kind.is_given() && kind.is_given() && kind != Kind::Slow;
                given
                    && known
                        .difference
                        .what
                        .starts_with(difference.what.trim_end_matches('.'))
            };
            if judgement.causes.iter().any(same) {
                continue;
            }
            let loose = !*is_root && self.is_loose(difference, &roots);
            let fails = !symptoms.is_empty();
            let named = words.shares(difference) && !difference.kind.is_symptom();
            let how = How {
                loose,
                leads: leads(difference),
                fails,
                named,
            };
            let mut cause = seen(difference, *is_root, how);
            if difference.storm && Some(difference.times) == most {
                cause.score = cause.score.max(difference.weight() + STORM);
                cause.reason += ", and nothing else differs as often";
            }
            if difference.built && self.is_run_by(difference, &roots) {
                cause.score = cause.score.max(BUILT);
                cause.reason += ", and a process that runs it is where the runs first differ";
            }
            if difference.kind == Kind::Program {
                let all = overtaken.iter().copied().chain(differences);
                let same = differences.iter().filter(|one| one.what == difference.what);
                let same = same.filter(|one| one.kind == Kind::Program);
                let shares = |one: &Difference| words.shares(one);
                let told = first_seen::told(same, all, &shares);
                if difference.built && *is_root && told.is_some() && how.leads && fails {
                    cause.score = cause.score.max(BUILT);
                }
                cause.difference.what = told.unwrap_or(cause.difference.what);
            }
            if difference.decisive {
                cause.score = chance::weighed(difference, cause.score, &roots, &explained);
            }
            if let Some(random) = self.picked_by(difference) {
                cause.reason += &random;
            }
            if *is_root && named {
                cause.score += RELATED;
            }
            judgement.causes.push(cause);
        }
        judgement.causes.sort_by(|a, b| {
            let by_time = time(&a.difference, self.starts).cmp(&time(&b.difference, self.starts));
            b.score.total_cmp(&a.score).then(by_time)
        });
        let first = judgement.causes.iter().filter(|cause| {
            let unnamed = cause.difference.kind == Kind::Overtaken && cause.score <= UNRELATED;
            let shown = match cause.difference.kind {
                _ if unnamed => false,
                Kind::Threads | Kind::Randomness | Kind::Clock | Kind::Slow => false,
                Kind::Program => false,
                Kind::Overtaken | Kind::Missing | Kind::Extra | Kind::Payload => true,
                Kind::Jump | Kind::Checksum => true,
                Kind::Happening
                | Kind::Process
                | Kind::Exit
                | Kind::File
                | Kind::Written
                | Kind::Elsewhere => true,
                Kind::Environment | Kind::Arguments | Kind::Output => true,
            };
            cause.is_root && shown
        });
        judgement.first = first
            .min_by_key(|cause| {
                let difference = &cause.difference;
                (
                    difference.weak,
                    time(difference, self.starts),
                    difference.kind,
                )
            })
            .cloned();
    }

    /// Where a process runs other code, or was given something that a rule hides, that explains what it does
    /// otherwise better than the order of messages that have nothing to do with each other.
    fn is_plausible(&self, overtaken: &Difference, root: &Difference, related: bool) -> bool {
        let told = related || overtaken.alone || !self.is_excused(root);
        !root.permuted && told || is_conflict(overtaken, root)
    }

    /// Whether a difference follows only from what order alone may have led to, so that it may have another
    /// cause.
    fn is_loose(&self, difference: &Difference, roots: &[&Difference]) -> bool {
        let mut led = roots.iter().filter(|root| self.follows(root, difference));
        let ordered = led.all(|root| {
            (root.timely || root.reordered) && !matches!(root.kind, Kind::File | Kind::Written)
        });
        // What is answered comes of what was asked; what is asked is a decision.
        self.is_excused(difference) && !difference.is_answer() && ordered
    }

    /// Whether one of some roots is in a process that runs a program.
    fn is_run_by(&self, program: &Difference, roots: &[&Difference]) -> bool {
        let process = process_of(program);
        let mut roots = roots
            .iter()
            .filter(|root| !root.kind.is_given() && !root.weak);
        roots.any(|root| process_of(root) == process || process_in(root) == process_in(program))
    }

    /// Of what went to another process: which random bytes its sender had read just before.
    fn picked_by(&self, difference: &Difference) -> Option<String> {
        if difference.kind != Kind::Elsewhere {
            return None;
        }
        let mut suspects = self.suspects.iter().rev();
        let random = suspects.find(|one| {
            one.kind == Kind::Randomness && one.outside && self.explains(one, difference)
        })?;
        let read = random.sides[1].as_ref()?;
        Some(format!(
            ", and the random bytes that {} read just before ({}) decide where it goes",
            read.sight.who,
            read.sight.event()
        ))
    }

    fn is_excused(&self, difference: &Difference) -> bool {
        process_of(difference).is_some_and(|a| self.excused.contains(&a))
    }

    /// How likely something that is never the same explains a root. It is ahead of the root if nothing else is
    /// left: its process was told and given the same, and nothing more was told to it in between.
    fn score(
        &self,
        suspect: &Difference,
        root: &Difference,
        explained: &[(&Difference, &Difference)],
        named: bool,
    ) -> f64 {
        let sure = !root.outside && !self.is_excused(root) && !root.weak;
        let fresh = || self.is_fresh(suspect, root);
        let threads = || {
            let mut all = explained.iter();
            all.any(|(one, of)| one.kind == Kind::Threads && std::ptr::eq(*of, root))
        };
        let ahead = match suspect.kind {
            // An answer that what failed is about says more than the threads behind it.
            Kind::Threads if sure && (fresh() || named && !root.is_answer()) => Some(AHEAD * 0.75),
            // The same was told in the same order, and went to others.
            Kind::Threads if root.threaded && root.permuted && named => return BY_THREADS,
            // What is lost or said again is told by itself: that chance did it is behind that.
            Kind::Randomness
                if matches!(root.kind, Kind::Missing | Kind::Extra) || root.forwarded =>
            {
                let left = if root.weak { WEAK } else { 1.0 };
                return root.kind.weight() * left - LATER;
            }
            // Where threads ran in another order, that may be because of what was drawn.
            Kind::Randomness if sure && picks(root) && suspect.outside => {
                Some(if fresh() || !threads() {
                    AHEAD
                } else {
                    -BESIDE
                })
            }
            Kind::Overtaken | Kind::Slow | Kind::Threads | Kind::Randomness | Kind::Clock => None,
            Kind::Missing | Kind::Extra | Kind::Payload | Kind::Happening => None,
            Kind::Process | Kind::Exit | Kind::File | Kind::Environment => None,
            Kind::Written | Kind::Elsewhere => None,
            Kind::Jump | Kind::Checksum | Kind::Program => None,
            Kind::Arguments | Kind::Output => None,
        };
        match ahead {
            Some(ahead) => root.kind.weight().max(suspect.kind.weight()) + ahead,
            None if suspect.answer => suspect.kind.weight() - LATER,
            None => suspect.kind.weight(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::Sight;
    use super::*;
    use crate::commands::diff::compare::shown;
    use reenact_causal::{EventId, Point};
    use reenact_trace::StreamId;

    /// A difference of a process at a time.
    fn at(kind: Kind, process: u32, time_ns: u64, what: &str) -> Difference {
        let stream = StreamId { process, task: 1 };
        let point = Point {
            event: EventId::new(stream, time_ns),
            time_ns,
            ..Point::default()
        };
        let sight = Sight::new(point, stream, format!("program[{process}]"));
        let side = shown(&sight, what);
        Difference::new(kind, what.to_owned()).at(side.clone(), side)
    }

    /// Ranks; `links` are pairs of differences of which the first is before the second.
    fn ranked(
        differences: Vec<Difference>,
        suspects: Vec<Difference>,
        links: &[(&str, &str)],
    ) -> Judgement {
        let before = |one: &Difference, other: &Difference| {
            links.contains(&(one.what.as_str(), other.what.as_str()))
        };
        let found = Found {
            differences,
            suspects,
            excused: BTreeSet::from([9]),
            ..Found::default()
        };
        rank(found, [0, 0], orders(&before, &before))
    }

    fn orders<'a>(before: &'a Before<'a>, second: &'a Before<'a>) -> Orders<'a> {
        Orders {
            before,
            second,
            leads: &|_, _| false,
        }
    }

    fn order(judgement: &Judgement) -> Vec<&str> {
        let causes = judgement.causes.iter();
        causes.map(|cause| cause.difference.what.as_str()).collect()
    }

    #[test]
    fn what_follows_is_ranked_behind_what_it_follows_from() {
        let judgement = ranked(
            vec![
                at(Kind::Payload, 2, 20, "reply"),
                at(Kind::File, 1, 10, "config"),
                at(Kind::Exit, 3, 30, "exit"),
            ],
            Vec::new(),
            &[("config", "reply"), ("config", "exit"), ("reply", "exit")],
        );
        assert_eq!(order(&judgement), ["config", "reply", "exit"]);
        assert_eq!(judgement.first.unwrap().difference.what, "config");
    }

    #[test]
    fn where_the_runs_contradict_each_other_the_second_one_counts() {
        // A lock that was given too early leads to a conflict; without, the same work led to the lock.
        let found = || Found {
            differences: vec![
                at(Kind::Payload, 1, 10, "conflict"),
                at(Kind::Payload, 2, 20, "lock"),
            ],
            ..Found::default()
        };
        let either = |_: &Difference, _: &Difference| true;
        let second = |one: &Difference, _: &Difference| one.what == "lock";
        let judgement = rank(found(), [0, 0], orders(&either, &second));
        assert_eq!(order(&judgement), ["lock", "conflict"]);
        assert!(!judgement.causes[1].is_root);
        let neither = |_: &Difference, _: &Difference| false;
        let judgement = rank(found(), [0, 0], orders(&either, &neither));
        assert!(judgement.causes.iter().all(|cause| cause.is_root));
    }

    #[test]
    fn an_overtaking_counts_only_where_the_receiver_goes_on_differently() {
        let overtaken = || {
            let mut overtaken = at(Kind::Overtaken, 2, 5, "overtaken");
            overtaken.related = true;
            vec![overtaken]
        };
        let seen = |reply: Difference, links: &[(&str, &str)]| {
            let links = [links, &[("reply", "exit")]].concat();
            ranked(
                vec![reply, at(Kind::Exit, 3, 30, "exit")],
                overtaken(),
                &links,
            )
        };
        let reply = || at(Kind::Payload, 2, 20, "reply");
        let judgement = seen(reply(), &[("overtaken", "reply"), ("overtaken", "exit")]);
        assert_eq!(order(&judgement), ["overtaken", "reply", "exit"]);
        assert_eq!(judgement.first.unwrap().difference.what, "overtaken");
        // Another process's difference cannot come from it, as all that it was told was the same.
        let elsewhere = at(Kind::Payload, 3, 20, "reply");
        let judgement = seen(elsewhere, &[("overtaken", "reply")]);
        assert_eq!(order(&judgement), ["reply", "exit"]);
        assert_eq!(judgement.harmless, 1);
        // Nor can what came before.
        assert_eq!(order(&seen(reply(), &[])), ["reply", "exit"]);
        assert_eq!(ranked(Vec::new(), overtaken(), &[]).harmless, 1);
        // Nor can what came of the difference, in the run that is asked about.
        let both_ways = [("overtaken", "reply"), ("reply", "overtaken")];
        assert_eq!(order(&seen(reply(), &both_ways)), ["reply", "exit"]);
    }

    #[test]
    fn what_only_came_of_order_is_of_no_consequence_unless_somebody_sees_it() {
        let overtaken = || vec![at(Kind::Overtaken, 2, 5, "overtaken")];
        let links = [
            ("overtaken", "reply"),
            ("reply", "next"),
            ("overtaken", "next"),
        ];
        let both = || {
            let next = at(Kind::Payload, 3, 30, "next");
            vec![at(Kind::Payload, 2, 20, "reply"), next]
        };
        let judgement = ranked(both(), overtaken(), &links);
        assert_eq!((judgement.causes.len(), judgement.without.len()), (0, 2));
        // Whoever runs other code has a better reason.
        let mut other = both();
        other[0].sides.iter_mut().flatten().for_each(|shown| {
            shown.sight.point.event.stream.process = 9;
        });
        other[0].places = [0, 1].map(|run| {
            other[0].sides[run]
                .as_ref()
                .map(|shown| shown.sight.clone())
        });
        let judgement = ranked(other, Vec::new(), &links);
        assert_eq!(judgement.without.len(), 0);
        // And so has one to whom nothing came in another order.
        assert_eq!(ranked(both(), Vec::new(), &links).without.len(), 0);
        let mut seen = both();
        seen.push(at(Kind::Output, 3, 40, "output"));
        assert_eq!(ranked(seen, overtaken(), &links).without.len(), 0);
    }

    #[test]
    fn what_both_runs_have_all_parts_of_is_only_scheduled_otherwise() {
        let judged = |known: bool| {
            let mut next = at(Kind::Extra, 3, 30, "next");
            next.known = known;
            let other = at(Kind::Payload, 9, 20, "other");
            let overtaken = vec![at(Kind::Overtaken, 3, 5, "overtaken")];
            let links = [("overtaken", "next"), ("other", "next")];
            let judgement = ranked(vec![other, next], overtaken, &links);
            judgement.without.len()
        };
        assert_eq!([judged(true), judged(false)], [1, 0]);
    }

    #[test]
    fn chance_is_named_behind_what_is_seen_unless_nothing_else_is_left() {
        let links = [("clock", "reply"), ("random", "reply")];
        let of = |process: u32, asked: bool| {
            let mut random = at(Kind::Randomness, process, 2, "random");
            random.outside = asked;
            let suspects = vec![at(Kind::Clock, process, 1, "clock"), random];
            let reply = at(Kind::Payload, process, 20, "reply");
            let judgement = ranked(vec![reply], suspects, &links);
            order(&judgement).join(" ")
        };
        // The program asked for random bytes, and was told and given the same.
        assert_eq!(of(2, true), "random reply clock");
        // Its libraries did.
        assert_eq!(of(2, false), "reply random clock");
        // It was given something else, which a rule hides.
        assert_eq!(of(9, true), "reply random clock");
    }

    #[test]
    fn another_build_does_not_explain_what_it_does_otherwise() {
        let judgement = ranked(
            vec![
                at(Kind::Program, 2, 5, "program"),
                at(Kind::Payload, 2, 20, "reply"),
            ],
            Vec::new(),
            &[("program", "reply")],
        );
        let program = "program; first seen in: reply.";
        assert_eq!(order(&judgement), ["reply", program]);
    }

    #[test]
    fn what_is_slow_explains_what_others_did_without_it() {
        let mut slow = at(Kind::Slow, 3, 10, "fsync");
        slow.outside = true;
        let judgement = ranked(
            vec![at(Kind::Extra, 2, 20, "again")],
            vec![slow.clone()],
            &[],
        );
        assert_eq!(order(&judgement), ["fsync", "again"]);
        let early = vec![at(Kind::Extra, 2, 20, "again")];
        slow.places
            .iter_mut()
            .flatten()
            .for_each(|sight| sight.point.time_ns += 1 << 40);
        let judgement = ranked(early, vec![slow], &[]);
        assert_eq!((order(&judgement), judgement.in_time), (vec!["again"], 1));
    }

    #[test]
    fn of_two_roots_the_one_that_leads_to_the_failure_is_likelier() {
        let judgement = ranked(
            vec![
                at(Kind::Payload, 1, 10, "harmless"),
                at(Kind::Payload, 2, 20, "fatal"),
                at(Kind::Exit, 3, 30, "exit"),
            ],
            Vec::new(),
            &[("fatal", "exit")],
        );
        assert_eq!(order(&judgement)[0], "fatal");
    }
}
