//! What is never the same in two runs, such as the order of messages and threads, as an explanation of what differs.

use reenact_causal::Place;

use super::super::about::{in_vain, is_conflict, picks, process_of, same_memory, sooner};
use super::super::cause::{ANSWER, WEAK};
use super::super::compare::Told;
use super::super::difference::{Difference, Kind};
use super::super::learn;
use super::scene::Explained;
use super::{Ranks, LATER};

/// How far the only explanation that is left is in front of what it explains, and another one behind it.
const AHEAD: f64 = 0.06;
const BESIDE: f64 = 0.12;
/// How much the order of threads says, where nothing else came in another one, and what they gave went to others.
const BY_THREADS: f64 = 0.83;
/// The same, where messages came in another order, which have nothing to do with it.
const UNORDERED: f64 = 0.5;
/// Messages that came too late, of which it is asked why.
const LATE_MAX: usize = 64;

impl Ranks<'_> {
    /// Whether nothing was told to the process between one place and the other.
    pub(super) fn is_fresh(&self, suspect: &Difference, root: &Difference) -> bool {
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

    pub(super) fn explains(&self, suspect: &Difference, root: &Difference) -> bool {
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
    pub(super) fn gave_up(&self, root: &Difference) -> bool {
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
    pub(super) fn held_up(&self, slow: &Difference, root: &Difference) -> bool {
        let Some(slow) = slow.places[1].as_ref().map(|sight| sight.point.place) else {
            return false;
        };
        self.late(root).any(|place| (self.leads)(slow, place))
    }

    /// Messages that the process had in the first run before it differed, and not yet in the second: where they
    /// arrived there.
    pub(super) fn late(&self, root: &Difference) -> impl Iterator<Item = Place> + '_ {
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

    /// Where a process runs other code, or was given something that a rule hides, that explains what it does
    /// otherwise better than the order of messages that have nothing to do with each other.
    pub(super) fn is_plausible(
        &self,
        overtaken: &Difference,
        root: &Difference,
        related: bool,
    ) -> bool {
        let told = related || overtaken.alone || !self.is_excused(root);
        !root.permuted && told || is_conflict(overtaken, root)
    }

    /// Whether nothing but chance within its process is left to explain a root: the process was told the same in the
    /// same order, and given the same.
    pub(super) fn is_left_to_chance(&self, root: &Difference) -> bool {
        // Who had waited in vain did not choose.
        let decides = match root.kind {
            Kind::Payload => !in_vain(root),
            Kind::Process | Kind::Arguments => true,
            _ => false,
        };
        decides
            && !root.outside
            && !root.weak
            && !root.forwarded
            && !self.is_excused(root)
            && !self.is_told_otherwise(root)
            && !self.is_behind(root, &[Kind::Overtaken])
    }

    /// Whether its process had been told something else before, whatever that was.
    fn is_told_otherwise(&self, root: &Difference) -> bool {
        let reads = process_of(root).is_some_and(|process| self.fed.contains(&process));
        if reads {
            return true;
        }
        (0..2).any(|run| {
            let Some(place) = root.places[run].as_ref().map(|sight| sight.point.place) else {
                return false;
            };
            let told = self.otherwise[run].get(&place.chain);
            told.and_then(|orders| orders.first())
                .is_some_and(|first| *first < place.order)
        })
    }

    /// Whether chance within its process explains what differs, as far as its words go: nothing that it passes on
    /// was told to it, and nothing came in another order that has to do with it.
    pub(super) fn is_by_chance(&self, root: &Difference) -> bool {
        let surely = root.words.iter().all(learn::is_surely);
        let ordered = |one: &&Difference| match one.kind {
            Kind::Overtaken => one.related || is_conflict(one, root),
            Kind::Threads => !surely && self.is_fresh(one, root),
            _ => false,
        };
        let mut ordered = self.suspects.iter().filter(ordered);
        matches!(root.kind, Kind::Payload | Kind::Arguments)
            && !root.words.is_empty()
            && !root.outside
            && !root.forwarded
            && !root.permuted
            && !root.internal
            && !self.is_excused(root)
            && (surely || !self.is_told_otherwise(root))
            && !ordered.any(|one| same_memory(one, root) && (self.before)(one, root))
    }

    /// How likely something that is never the same explains a root. It is ahead of the root if nothing else is
    /// left: its process was told and given the same, and nothing more was told to it in between.
    pub(super) fn score(
        &self,
        suspect: &Difference,
        root: &Difference,
        explained: &[Explained<'_>],
        named: bool,
    ) -> f64 {
        let sure = !root.outside && !self.is_excused(root) && !root.weak;
        let fresh = || self.is_fresh(suspect, root);
        let threads = || {
            let mut all = explained.iter();
            all.any(|one| one.suspect.kind == Kind::Threads && std::ptr::eq(one.root, root))
        };
        let ahead = match suspect.kind {
            // An answer that what failed is about says more than the threads behind it.
            Kind::Threads if sure && (fresh() || named && !root.is_answer()) => Some(AHEAD * 0.75),
            // What only may have come of another order, and what failed is about.
            Kind::Threads if root.weak && named && !root.permuted => return UNORDERED,
            // The same was told in the same order, and went to others.
            Kind::Threads if root.threaded && root.permuted && named => return BY_THREADS,
            // What is lost or said again is told by itself: that chance did it is behind that.
            Kind::Randomness
                if matches!(root.kind, Kind::Missing | Kind::Extra) || root.forwarded =>
            {
                let left = if root.weak { WEAK } else { 1.0 };
                let answers = root.reordered && root.is_answer();
                let left = if answers { left * ANSWER } else { left };
                return root.kind.weight() * left - LATER;
            }
            // Where threads ran in another order, that may be because of what was drawn.
            Kind::Randomness
                if sure && picks(root) && suspect.outside && !self.is_told_otherwise(root) =>
            {
                Some(if fresh() || !threads() {
                    AHEAD
                } else {
                    -BESIDE
                })
            }
            Kind::Randomness if self.is_left_to_chance(root) && (picks(root) || !threads()) => {
                Some(AHEAD / 2.0)
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
            None if suspect.stalls => suspect.weight(),
            None => suspect.kind.weight(),
        }
    }
}
