//! Which differences are causes and which only follow.
//!
//! What differs in one process can only come from what it was told, what it read, or chance within
//! it. So a difference with another one before it, in the order of causes of either run, follows from
//! that; one without is a *root*. A root that was not given from outside is explained by what differs
//! without being told: messages that reached its process in another order, threads, random bytes,
//! clocks, in that order. If the process is known to have been told and given the same, then nothing
//! but chance is left, and it is ranked in front of what came of it. Another build of a program is no
//! explanation by itself: what the program did otherwise is told as if it had been the same.

mod explains;
mod scene;
mod timely;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use reenact_causal::Place;

use super::about::{is_handed_on, passes_on, process_in, process_of, Words};
use super::cause::Cause;
use super::compare::{Found, Told};
use super::difference::{Difference, Kind};
use super::order::Arrived;
use super::roots;
use super::run::Run;
pub use scene::Explained;
use scene::Scene;

/// Roots and symptoms that are looked for, and differences that are judged; later ones are only counted.
const ROOTS_MAX: usize = 64;
const JUDGED_MAX: usize = 4096;
/// Differences, the earliest ones, of which each is asked about each other.
const CLOSELY_MAX: usize = 400;
/// How much an overtaking says that is not about what failed, where others are.
const UNRELATED: f64 = 0.3;
/// How much less it says that chance did it, or that a message came late, than what is told by itself.
const LATER: f64 = 0.005;

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
        fed,
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
        otherwise: [0, 1].map(|run| told_otherwise(&differences, run)),
        excused: &excused,
        fed: &fed,
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
        difference.chance = ranks.is_by_chance(difference);
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

/// Where what differs reached somebody.
fn told_otherwise(differences: &[Difference], run: usize) -> Told {
    let mut told = Told::new();
    for one in differences {
        let place = match one.kind {
            Kind::Arguments => one.places[run].as_ref(),
            Kind::Payload | Kind::Missing | Kind::Extra | Kind::Elsewhere => one.to[run].as_ref(),
            _ => None,
        };
        if let Some(sight) = place {
            let place = sight.point.place;
            told.entry(place.chain).or_default().push(place.order);
        }
    }
    told.values_mut().for_each(|orders| orders.sort_unstable());
    told
}

struct Ranks<'a> {
    suspects: &'a [Difference],
    /// Who was told something else, in each run: the group of tasks, and where in its order.
    otherwise: [Told; 2],
    excused: &'a BTreeSet<u32>,
    fed: &'a BTreeSet<u32>,
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
        // Other code does nothing but through a process that runs it.
        let made = matches!(other.kind, Kind::Process | Kind::Arguments | Kind::Written);
        let runs = process_of(root) == process_of(other) || process_in(root) == process_in(other);
        if root.kind == Kind::Program && !runs && !made && other.kind != Kind::File {
            return false;
        }
        let passes_on = passes_on(root, other);
        // What a program says of its state leads to nothing.
        let unlikely = root.kind == Kind::Program && root.weight() < Kind::Payload.weight()
            // Most variables that all processes are given differ between any two machines, and matter to none.
            || root.kind == Kind::Environment && root.outside && !passes_on;
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
        let overtaken: Vec<&Difference> = {
            let all = self.suspects.iter();
            all.filter(|one| one.kind == Kind::Overtaken).collect()
        };
        let words = Words::new(&symptoms, &overtaken, &roots);
        let scene = Scene {
            ranks: self,
            differences,
            is_root,
            roots,
            symptoms,
            overtaken,
            words,
        };
        scene.causes(judgement);
        judgement.causes.sort_by(|a, b| {
            let by_time = time(&a.difference, self.starts).cmp(&time(&b.difference, self.starts));
            b.score.total_cmp(&a.score).then(by_time)
        });
        let first = judgement.causes.iter();
        let first = first.filter(|cause| cause.is_root && is_first(cause));
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

    fn is_excused(&self, difference: &Difference) -> bool {
        process_of(difference).is_some_and(|a| self.excused.contains(&a))
    }
}

/// Whether a cause can be shown as where the runs first differ.
fn is_first(cause: &Cause) -> bool {
    let unnamed = cause.difference.kind == Kind::Overtaken && cause.score <= UNRELATED;
    match cause.difference.kind {
        _ if unnamed => false,
        Kind::Threads | Kind::Randomness | Kind::Clock | Kind::Slow => false,
        Kind::Program => false,
        Kind::Overtaken | Kind::Missing | Kind::Extra | Kind::Payload => true,
        Kind::Jump | Kind::Checksum => true,
        Kind::Happening | Kind::Process | Kind::Exit => true,
        Kind::File | Kind::Written | Kind::Elsewhere => true,
        Kind::Environment | Kind::Arguments | Kind::Output => true,
    }
}
