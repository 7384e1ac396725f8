//! What chance and time do between any two runs.

use super::super::about::{is_fine, process_in, same_memory};
use super::super::difference::{Difference, Kind};
use super::Ranks;

/// What is said so many times more often is no matter of order; and where nothing came of it that anybody sees.
const AGAIN_MIN: u64 = 5;
const UNSEEN_AGAIN_MIN: u64 = 20;
/// Digits of a number that is likely to be drawn by chance.
const DRAWN_DIGITS_MIN: usize = 6;

impl Ranks<'_> {
    /// Takes out what is of no consequence, if nothing that anybody sees differs: what only came of the order
    /// in which messages arrived or threads ran, which is a matter of time, and files that the run wrote for
    /// itself. Returns these, and what is left.
    pub(super) fn without_consequence(
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
                let timely =
                    one.timely || follows(&timely) && (!one.storm || one.times < UNSEEN_AGAIN_MIN);
                (!one.kind.is_given() || one.drawn || one.timely) && timely && !follows(&other)
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
    pub(super) fn is_scheduling(&self, one: &Difference) -> bool {
        let said = matches!(
            one.kind,
            Kind::Missing | Kind::Extra | Kind::Payload | Kind::Elsewhere
        );
        let few = one.times < UNSEEN_AGAIN_MIN && !one.lost;
        said && one.known && few && !self.is_excused(one) && self.is_behind_chance(one)
    }

    /// Whether a difference is what the same build does otherwise when other things come first.
    pub(super) fn is_timely(&self, root: &Difference) -> bool {
        // Whoever runs other code, or was given something that a rule hides, has a better reason.
        let chance = || {
            let looped = self.loops.contains(&process_in(root))
                || self.is_drawn(root)
                || is_fine(root)
                // Whoever was told and given the same, and does something else that nobody sees, does that by chance.
                || self.unseen;
            !root.outside && !self.is_excused(root) && (looped || self.is_reordered(root))
        };
        let many = match (self.unseen, root.storm) {
            (true, false) => u64::MAX,
            (true, true) => UNSEEN_AGAIN_MIN,
            (false, _) => AGAIN_MIN,
        };
        match root.kind {
            Kind::File => {
                let own = !root.outside && !root.given && !self.is_excused(root);
                root.internal || root.written || self.unseen && own
            }
            Kind::Written => root.internal || root.written || root.permuted || self.unseen,
            Kind::Output => root.permuted,
            Kind::Elsewhere => true,
            Kind::Payload => root.permuted || root.internal || chance(),
            Kind::Missing | Kind::Extra => {
                root.internal || root.sampled || root.times < many && chance()
            }
            Kind::Process => chance(),
            Kind::Overtaken | Kind::Jump | Kind::Slow | Kind::Checksum | Kind::Happening => false,
            Kind::Arguments => root.drawn || self.unseen && !root.outside && chance(),
            Kind::Exit | Kind::Environment | Kind::Program => false,
            Kind::Threads | Kind::Randomness | Kind::Clock => false,
        }
    }

    /// Whether chance does as much between any two runs.
    pub(super) fn is_weak(&self, root: &Difference) -> bool {
        match root.kind {
            // Whoever looks sees what there is at that moment, which others see in the other run.
            Kind::Payload if root.look && root.known && !self.is_excused(root) => true,
            Kind::Payload if root.forwarded => root.permuted || root.internal,
            // The kernel hands connections to whoever of several that share a port comes first.
            Kind::Payload if root.shared => true,
            // Which of several comes to do a thing is a matter of time.
            Kind::Payload if root.crossed && !root.is_answer() => true,
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
                let again = root.again && !self.is_excused(root);
                root.internal || again || root.sampled || seen
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
    pub(super) fn is_drawn(&self, root: &Difference) -> bool {
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
            .filter(|one| one.kind == Kind::Randomness && !one.seed);
        let drawn = drawn && !root.fields.is_empty() && root.more == 0;
        drawn && random.any(|one| self.explains(one, root))
    }

    /// Whether messages arrived or threads ran in another order before it.
    pub(super) fn is_reordered(&self, root: &Difference) -> bool {
        self.is_behind(root, &[Kind::Overtaken, Kind::Threads])
    }

    /// Whether a suspect of one of some kinds is before it in its process.
    pub(super) fn is_behind(&self, root: &Difference, kinds: &[Kind]) -> bool {
        let mut suspects = self.suspects.iter();
        suspects.any(|suspect| {
            kinds.contains(&suspect.kind)
                && same_memory(suspect, root)
                && (self.before)(suspect, root)
        })
    }

    /// Whether messages changed places or threads ran in another order anywhere before it.
    pub(super) fn is_behind_chance(&self, root: &Difference) -> bool {
        let mut suspects = self.suspects.iter();
        suspects.any(|suspect| {
            matches!(suspect.kind, Kind::Overtaken | Kind::Threads) && (self.before)(suspect, root)
        })
    }
}
