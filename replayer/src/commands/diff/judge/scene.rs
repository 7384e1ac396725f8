//! All that is known of two runs when the causes of what differs are weighed.

use super::super::about::{is_conflict, process_in, process_of, same_memory, sooner, Words};
use super::super::cause::{seen, suspected, Cause, How, HARMLESS, LOOSE};
use super::super::chance;
use super::super::difference::{Difference, Kind};
use super::super::first_seen;
use super::{Judgement, Ranks, UNRELATED};

/// Slow things that are told of one difference.
const SLOW_MAX: usize = 3;
/// How far chance is ahead of what came of it, if nothing else is left.
const AHEAD: f64 = 0.05;
/// What a cause has ahead of others that speaks of what failed.
const RELATED: f64 = 0.03;
/// Messages that changed places, about what failed, before what chance does anyway; and if what differs names
/// what they said.
const UNLIKELY: f64 = 0.45;
const LIKELY: f64 = 0.7;
/// Pairs of messages of the same shapes that changed places, of which one says less; and how much.
const OFTEN_MIN: usize = 4;
const OFTEN: f64 = 0.85;
/// How far another root is ahead of an overtaking that came behind it.
const AHEAD_OF_ORDER: f64 = 0.01;
/// How much a program says that was built anew, where what it does otherwise comes first, and what a storm has
/// ahead of a message.
const BUILT: f64 = 0.92;
const STORM: f64 = 0.02;

/// Something that is never the same, by its place among the suspects, with the root that it explains.
#[derive(Clone, Copy)]
pub struct Explained<'a> {
    pub suspect: &'a Difference,
    pub root: &'a Difference,
}

pub(super) struct Scene<'s, 'a> {
    pub ranks: &'s Ranks<'a>,
    pub differences: &'s [Difference],
    /// Of each difference, whether nothing led to it.
    pub is_root: Vec<bool>,
    pub roots: Vec<&'s Difference>,
    pub symptoms: Vec<&'s Difference>,
    pub overtaken: Vec<&'s Difference>,
    pub words: Words,
}

impl<'s> Scene<'s, '_> {
    /// Adds all causes, each with its score.
    pub fn causes(&self, judgement: &mut Judgement) {
        let mut used = vec![false; self.ranks.suspects.len()];
        let explained = self.explained(&mut used);
        self.slow_disks(&mut used, judgement);
        let unused = |kind: Kind| {
            let all = self.ranks.suspects.iter().zip(&used);
            all.filter(|(one, used)| one.kind == kind && !**used)
                .count() as u64
        };
        judgement.harmless = unused(Kind::Overtaken);
        judgement.in_time = unused(Kind::Slow);
        judgement.causes.extend(self.suspected(&explained));
        judgement.causes.extend(self.asked_elsewhere());
        for (difference, is_root) in self.differences.iter().zip(&self.is_root) {
            if !judgement
                .causes
                .iter()
                .any(|known| tells(known, difference))
            {
                let cause = self.weigh(difference, *is_root, &explained);
                judgement.causes.push(cause);
            }
        }
    }

    /// What is never the same, each as the cause of the root of which it says most.
    fn suspected(&self, explained: &[Explained<'s>]) -> Vec<Cause> {
        let mut best: Vec<(&Difference, Option<Cause>)> = Vec::new();
        for one in explained {
            let score = self.weigh_suspect(*one, explained);
            let cause = match self.by_chance(*one, score, explained) {
                Some(cause) => cause,
                None => Some(suspected(one.suspect, one.root, score)),
            };
            let mut known = best.iter_mut();
            match known.find(|(suspect, _)| std::ptr::eq(*suspect, one.suspect)) {
                None => best.push((one.suspect, cause)),
                // What is told with others is not told once more.
                Some((_, None)) => {}
                Some((_, Some(known))) => match cause {
                    Some(cause) if cause.score > known.score => *known = cause,
                    _ => {}
                },
            }
        }
        best.into_iter().filter_map(|(_, cause)| cause).collect()
    }

    /// Whether something that failed comes behind it.
    fn leads(&self, difference: &Difference) -> bool {
        let mut symptoms = self.symptoms.iter();
        self.symptoms.is_empty()
            || difference.kind.is_symptom()
            || symptoms.any(|at| (self.ranks.before)(difference, at))
    }

    fn is_plausible(&self, suspect: &Difference, root: &Difference) -> bool {
        let related = self.words.names_both(suspect) > 0;
        self.ranks.is_plausible(suspect, root, related)
    }

    /// Of several that changed places, the one that is most about what differs; then one that was not there
    /// yet; then the last one before.
    fn likeliest(
        &self,
        all: &mut dyn Iterator<Item = (usize, &'s Difference)>,
        root: &Difference,
    ) -> Option<(usize, &'s Difference)> {
        let related = |suspect: &Difference| {
            let place = root.places[1].as_ref().map(|sight| sight.point.place);
            let late = suspect.behind[1].zip(place);
            let late = late
                .is_some_and(|(one, other)| one.chain == other.chain && one.order > other.order);
            let alone = suspect.alone && late;
            let plausible = self.is_plausible(suspect, root);
            (plausible, alone, self.words.names_both(suspect), late)
        };
        all.map(|(at, one)| (related(one), (at, one)))
            .reduce(|best, one| if one.0 > best.0 { one } else { best })
            .map(|(_, one)| one)
    }

    /// Roots, each with what explains it. `used`: of each suspect, whether it explains any.
    fn explained(&self, used: &mut [bool]) -> Vec<Explained<'s>> {
        let mut explained = Vec::new();
        let roots = self.roots.iter().copied();
        for root in roots.filter(|root| !root.kind.is_given() && !root.decisive) {
            for kind in [
                Kind::Overtaken,
                Kind::Slow,
                Kind::Threads,
                Kind::Randomness,
                Kind::Clock,
            ] {
                for (at, suspect) in self.nearest(kind, root) {
                    used[at] = true;
                    explained.push(Explained { suspect, root });
                }
            }
        }
        explained
    }

    /// What of a kind explains a root best.
    fn nearest(&self, kind: Kind, root: &Difference) -> Vec<(usize, &'s Difference)> {
        // The last one before the difference is the likeliest.
        let near = self.ranks.suspects.iter().enumerate().rev();
        let explains = |one: &Difference| one.kind == kind && self.ranks.explains(one, root);
        let mut near = near.filter(|(_, one)| explains(one));
        match kind {
            Kind::Slow => near.take(SLOW_MAX).collect(),
            Kind::Overtaken => self.likeliest(&mut near, root).into_iter().collect(),
            Kind::Randomness => {
                // What libraries read for themselves explains less than what the program asked for.
                let last = near.next();
                let mut all = last.into_iter().chain(near);
                let asked = all.find(|(_, one)| one.outside);
                asked.or(last).into_iter().collect()
            }
            _ => near.next().into_iter().collect(),
        }
    }

    /// A disk that was slow before something failed, though nothing says that somebody waited for it.
    fn slow_disks(&self, used: &mut [bool], judgement: &mut Judgement) {
        for (at, suspect) in self.ranks.suspects.iter().enumerate() {
            let slow = suspect.kind == Kind::Slow && suspect.disk && !used[at];
            let mut symptoms = self.symptoms.iter();
            let later = symptoms.find(|one| sooner(suspect, one, self.ranks.starts));
            if let Some(symptom) = later.filter(|_| slow) {
                used[at] = true;
                let left = if suspect.stalls { 1.0 } else { HARMLESS };
                let score = suspect.weight() * left;
                judgement.causes.push(suspected(suspect, symptom, score));
            }
        }
    }

    /// The score of something that is never the same.
    fn weigh_suspect(&self, one: Explained<'_>, explained: &[Explained<'_>]) -> f64 {
        let Explained { suspect, root } = one;
        // Where messages about one thing changed places, threads only followed.
        let crossed = explained.iter().any(|one| {
            let about = || self.words.names_both(one.suspect) > 0 || is_conflict(one.suspect, root);
            one.suspect.kind == Kind::Overtaken && std::ptr::eq(one.root, root) && about()
        });
        // And what leads to the failure elsewhere needs no threads.
        let elsewhere = || {
            self.roots.iter().any(|one| {
                let other = !one.weak && !one.kind.is_symptom() && !same_memory(one, root);
                other && self.leads(one)
            })
        };
        let named = self.words.shares(root) && !crossed && !elsewhere();
        let mut score = match suspect.kind {
            Kind::Overtaken => self.weigh_overtaken(suspect, root),
            _ => self.ranks.score(suspect, root, explained, named),
        };
        // Nothing needs to be told by what is slow.
        let late = suspect.kind == Kind::Slow && self.leads(root);
        if !self.leads(suspect) && !late {
            score *= HARMLESS;
        }
        // Whoever waits in vain for what is missing is slow to answer.
        let caused = |one: &&&Difference| {
            let said = matches!(one.kind, Kind::Missing | Kind::Extra | Kind::Process);
            said && !one.weak && !std::ptr::eq(**one, root) && (self.ranks.before)(one, suspect)
        };
        if (suspect.answer || suspect.late) && self.roots.iter().any(|one| caused(&one)) {
            score *= LOOSE;
        }
        score
    }

    /// Answers that another process of the same kind gave in the second run: whoever asked chose by chance whom to ask.
    fn asked_elsewhere(&self) -> Option<Cause> {
        let mut roots = self.roots.iter();
        let crossed =
            |root: &&&Difference| root.crossed && !root.shared && !root.weak && root.is_answer();
        let root = roots.find(|root| crossed(root) && root.kind == Kind::Payload)?;
        let [Some(a), Some(b)] = &root.sides else {
            return None;
        };
        // Its question is where it was before it had the answer.
        let asker = root.to[1].as_ref()?;
        let chain = asker.point.place.chain;
        let drew = |one: &&Difference| {
            let place = one.places[1].as_ref().map(|sight| sight.point.place);
            let before = |place: reenact_causal::Place| {
                place.chain == chain && place.order < asker.point.place.order
            };
            one.kind == Kind::Randomness && place.is_some_and(before)
        };
        let mut all = self.ranks.suspects.iter().rev().filter(drew);
        let last = all.next()?;
        let random = all.find(|one| one.outside).unwrap_or(last);
        let reordered = self.overtaken.iter().any(|one| {
            let place = one.places[1].as_ref();
            place.is_some_and(|sight| sight.point.place.chain == chain)
        });
        // What it asked for decides, and order only if it asked for none.
        let ahead = if reordered && !random.outside {
            -AHEAD_OF_ORDER
        } else {
            AHEAD
        };
        let mut cause = suspected(random, root, root.kind.weight() + ahead);
        cause.difference.what = format!(
            "{} chose by chance whom to ask: {} instead of {}, as its {} may differ; first seen in: {}",
            asker.who,
            b.sight.who,
            a.sight.who,
            chance_of(random),
            root.what
        );
        Some(cause)
    }

    /// Where a root is left to chance, all that may have decided it is told at once, by the likeliest; of the others
    /// nothing is told.
    fn by_chance(
        &self,
        one: Explained<'_>,
        score: f64,
        explained: &[Explained<'_>],
    ) -> Option<Option<Cause>> {
        let Explained { suspect, root } = one;
        let decides = |kind| matches!(kind, Kind::Threads | Kind::Randomness | Kind::Clock);
        if !decides(suspect.kind) || !self.ranks.is_left_to_chance(root) {
            return None;
        }
        let mut all: Vec<(f64, &Difference)> = explained
            .iter()
            .filter(|other| decides(other.suspect.kind) && std::ptr::eq(other.root, root))
            .map(|other| (self.weigh_suspect(*other, explained), other.suspect))
            .collect();
        all.sort_by(|one, other| other.0.total_cmp(&one.0));
        let (_, likeliest) = *all.first()?;
        if !std::ptr::eq(likeliest, suspect) {
            return Some(None);
        }
        let score = score.max(root.weight() + RELATED);
        let parts: Vec<String> = all.iter().map(|(_, part)| chance_of(part)).collect();
        let list = match parts.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => return None,
        };
        let who = root.sides.iter().flatten().next()?;
        let mut cause = suspected(suspect, root, score);
        cause.difference.chance = true;
        cause.difference.words.clone_from(&root.words);
        cause.difference.what = format!(
            "{} chose otherwise by chance, told and given the same: only its {list} may differ; first seen in: {}",
            who.sight.who, root.what
        );
        Some(Some(cause))
    }

    /// How much a variable says that all processes were given, where one says something else for which there is no
    /// better reason than chance.
    fn given_otherwise(&self) -> f64 {
        let chance = |root: &&&Difference| {
            let said = root.kind == Kind::Payload && !root.weak && !root.outside;
            said && !self.ranks.is_excused(root) && !root.forwarded && self.leads(root)
        };
        let all = self.roots.iter().filter(chance);
        let most = all.map(|root| root.weight()).fold(0.0, f64::max);
        most + AHEAD_OF_ORDER
    }

    fn weigh_overtaken(&self, suspect: &Difference, root: &Difference) -> f64 {
        if suspect.lost {
            return suspect.weight();
        }
        let named = self.words.names_both(suspect) > 0 || is_conflict(suspect, root);
        // What chance does in any two runs explains no failure.
        let known = !root.weak || self.words.names_failure(suspect) || self.symptoms.is_empty();
        let score = match self.is_plausible(suspect, root) {
            true if named && known => suspect.kind.weight(),
            true if named && is_conflict(suspect, root) => LIKELY,
            true if named => UNLIKELY,
            true | false => UNRELATED,
        };
        // What comes in any order all the time is hardly the cause.
        let alike = self.overtaken.iter();
        let alike = alike.filter(|one| one.place == suspect.place);
        let often = alike.count() >= OFTEN_MIN;
        // Though it is ahead of what it explains.
        let least = root.weight() + AHEAD_OF_ORDER;
        let score = match often {
            true => score.min((score * OFTEN).max(least)),
            false => score,
        };
        // Nor what only came in another order behind something else that differs.
        let behind = self.roots.iter().filter(|one| self.is_strong(one));
        let behind = behind.filter(|one| (self.ranks.second)(one, suspect));
        behind.fold(score, |score, one| score.min(one.weight() - AHEAD_OF_ORDER))
    }

    /// Whether a root is no matter of chance, and leads to what failed.
    fn is_strong(&self, root: &Difference) -> bool {
        let said = match root.kind {
            Kind::Missing | Kind::Extra => !root.outside || root.lost,
            Kind::Payload => self.ranks.is_excused(root),
            Kind::File => root.weight() > root.kind.weight(),
            _ => false,
        };
        said && !root.weak && !root.timely && self.leads(root)
    }

    /// A difference as a cause.
    fn weigh(&self, difference: &Difference, is_root: bool, explained: &[Explained<'_>]) -> Cause {
        let fails = !self.symptoms.is_empty();
        let named = self.words.shares(difference) && !difference.kind.is_symptom();
        let how = How {
            loose: !is_root && self.is_loose(difference),
            leads: self.leads(difference),
            fails,
            named,
        };
        let mut cause = seen(difference, is_root, how);
        let most = self.differences.iter().map(|one| one.times).max();
        if difference.storm && Some(difference.times) == most {
            cause.score = cause.score.max(difference.weight() + STORM);
            cause.reason += ", and nothing else differs as often";
        }
        if difference.built && self.is_run_by(difference) {
            cause.score = cause.score.max(BUILT);
            cause.reason += ", and a process that runs it is where the runs first differ";
        }
        if difference.kind == Kind::Program {
            // How a process ends comes of its code only if nothing else led to it.
            let led = |one: &Difference| {
                let mut roots = self.roots.iter();
                let strong = |root: &Difference| !root.weak && root.kind != Kind::Program;
                let symptom = matches!(one.kind, Kind::Exit | Kind::Output);
                symptom && roots.any(|root| strong(root) && self.ranks.follows(root, one))
            };
            let own = self.differences.iter().filter(|one| !led(one));
            let all = self.overtaken.iter().copied().chain(own);
            let same = self.differences.iter();
            let same = same.filter(|one| one.what == difference.what && one.kind == Kind::Program);
            let shares = |one: &Difference| self.words.shares(one);
            let told = first_seen::told(same, all, &shares);
            if difference.built && is_root && told.is_some() && how.leads && fails {
                cause.score = cause.score.max(BUILT);
            }
            // What none of its processes does otherwise explains nothing.
            if told.is_none() {
                cause.score = cause.score.min(difference.kind.weight());
            }
            cause.difference.what = told.unwrap_or(cause.difference.what);
        }
        if difference.kind == Kind::Environment && how.leads && fails {
            cause.score = cause.score.max(self.given_otherwise());
        }
        if difference.decisive {
            cause.score = chance::weighed(difference, cause.score, &self.roots, explained);
        }
        if let Some(random) = self.picked_by(difference) {
            cause.reason += &random;
        }
        if is_root && named {
            cause.score += RELATED;
        }
        cause
    }

    /// Whether a difference follows only from what order alone may have led to, so that it may have another
    /// cause.
    fn is_loose(&self, difference: &Difference) -> bool {
        let mut led = self
            .roots
            .iter()
            .filter(|root| self.ranks.follows(root, difference));
        let ordered = led.all(|root| {
            (root.timely || root.reordered) && !matches!(root.kind, Kind::File | Kind::Written)
        });
        // What is answered comes of what was asked; what is asked is a decision.
        self.ranks.is_excused(difference) && !difference.is_answer() && ordered
    }

    /// Whether one of some roots is in a process that runs a program.
    fn is_run_by(&self, program: &Difference) -> bool {
        let process = process_of(program);
        let mut roots = self
            .roots
            .iter()
            .filter(|root| !root.kind.is_given() && !root.weak);
        roots.any(|root| process_of(root) == process || process_in(root) == process_in(program))
    }

    /// Of what went to another process: which random bytes its sender had read just before.
    fn picked_by(&self, difference: &Difference) -> Option<String> {
        if difference.kind != Kind::Elsewhere {
            return None;
        }
        let mut suspects = self.ranks.suspects.iter().rev();
        let random = suspects.find(|one| {
            one.kind == Kind::Randomness && one.outside && self.ranks.explains(one, difference)
        })?;
        let read = random.sides[1].as_ref()?;
        Some(format!(
            ", and the random bytes that {} read just before ({}) decide where it goes",
            read.sight.who,
            read.sight.event()
        ))
    }
}

/// Whether a cause tells the same: a child's file or environment is its parent's.
fn tells(known: &Cause, difference: &Difference) -> bool {
    let kind = difference.kind;
    let given = known.difference.kind.is_given() && kind.is_given() && kind != Kind::Slow;
    let what = difference.what.trim_end_matches('.');
    given && known.difference.what.starts_with(what)
}

/// What of a process is never the same, in a list.
fn chance_of(suspect: &Difference) -> String {
    let at = suspect.sides[1].as_ref();
    let at = at.map_or(String::new(), |shown| format!(" ({})", shown.sight.event()));
    match suspect.kind {
        Kind::Threads => format!("threads' order{at}"),
        Kind::Clock => format!("clock{at}"),
        _ if suspect.seed => "seeds of random numbers".to_owned(),
        _ if suspect.outside => format!("random bytes{at}"),
        _ => format!("random bytes, which seed its numbers{at}"),
    }
}
