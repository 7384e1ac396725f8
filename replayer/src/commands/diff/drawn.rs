//! What a process drew by chance, found by what it was told.
//!
//! Who was told and given the same in both runs, and says something else that nobody had told it, says it by chance:
//! the thread that ran first, a random number, the clock. Where that is a value with digits, such as the number of a
//! house in made up data, it is most often noise, which hides what else differs, as all that is said later follows
//! from it. So such values are left out, and the runs are compared once more, until nothing of that kind is left: each
//! round finds what those say who were told the values of the last. What was left out is a cause, too, but only the
//! last one: where nothing else explains what failed.

use super::cause::Cause;
use super::compare::Found;
use super::difference::Kind;
use super::ending;
use super::judge::{self, Judgement};
use super::learn::{self, Values};
use super::noise::Noise;
use super::run::Run;

/// How often the runs are compared.
const ROUNDS_MAX: usize = 8;
/// Messages of runs that are compared so often.
const MESSAGES_MAX: usize = 100_000;
/// Causes that were left out and are told.
const TOLD_MAX: usize = 2;
/// What is left of one where something else explains what failed.
const BESIDE: f64 = 0.6;
/// How much a cause says that explains what failed.
const STRONG: f64 = 0.8;

/// Leaves out what was drawn by chance. Returns what that would explain.
pub fn find(runs: [&mut Run; 2], values: [&Values; 2], noise: &mut Noise) -> Vec<Cause> {
    let [a, b] = runs;
    let mut all = Vec::new();
    if a.messages().max(b.messages()) > MESSAGES_MAX {
        return all;
    }
    for _ in 0..ROUNDS_MAX {
        let mut aside = noise.aside();
        let (_, mut found): (_, Found) = super::differences([&mut *a, &mut *b], &mut aside);
        ending::leave_out([&*a, &*b], &mut aside, &mut found);
        let judged = judge::judge([&*a, &*b], found);
        let fresh: Vec<Cause> = {
            let causes = judged.causes.into_iter();
            let shared = |cause: &Cause| {
                let mut words = cause.difference.words.iter();
                words.all(|one| learn::is_shared(one, values))
            };
            let drawn = causes.filter(|cause| cause.is_root && cause.difference.chance);
            drawn.filter(|cause| !shared(cause)).collect()
        };
        if fresh.is_empty() {
            break;
        }
        for cause in &fresh {
            let words = cause.difference.words.iter();
            noise.add_drawn(words.filter(|one| !learn::is_shared(one, values)));
        }
        all.extend(fresh);
    }
    all.sort_by(|one, other| other.score.total_cmp(&one.score));
    all
}

/// Adds what was left out to the causes of what failed.
pub fn add(judgement: &mut Judgement, drawn: Vec<Cause>) {
    let fails = judgement.causes.iter().any(|one| one.difference.is_seen());
    if !fails {
        return;
    }
    let mut causes = judgement.causes.iter();
    let explained = causes.any(|one| one.is_root && one.score >= STRONG);
    for mut cause in drawn.into_iter().take(TOLD_MAX) {
        cause.score *= if explained { BESIDE } else { 1.0 };
        judgement.causes.push(cause);
    }
    judgement
        .causes
        .sort_by(|one, other| other.score.total_cmp(&one.score));
    let symptom = judgement
        .first
        .as_ref()
        .is_none_or(|one| one.difference.kind.is_symptom());
    if symptom {
        let mut causes = judgement.causes.iter();
        let first =
            causes.find(|one| one.difference.chance && one.difference.kind != Kind::Payload);
        judgement.first = first.cloned().or(judgement.first.take());
    }
}
