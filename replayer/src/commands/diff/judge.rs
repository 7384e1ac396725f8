//! Which differences are causes and which only follow.
//!
//! What differs in one process can only come from what it was told, what it read, or chance within
//! it. So a difference with another one before it, in the order of causes of either run, follows from
//! that; one without is a *root*. A root that was not given from outside is explained by what differs
//! without being told: messages that reached its process in another order, threads, random bytes,
//! clocks, in that order.

use super::compare::Found;
use super::difference::{Difference, Kind};
use super::roots;
use super::run::{Run, Sight};

/// Roots and symptoms that are looked for, and differences that are judged; later ones are only counted.
const ROOTS_MAX: usize = 64;
const JUDGED_MAX: usize = 4096;
/// Differences, the earliest ones, of which each is asked about each other.
const CLOSELY_MAX: usize = 400;
/// What is left of a score where something before it differs.
const FOLLOWS: f64 = 0.35;
/// And where it does not lead to anything that people see failing.
const HARMLESS: f64 = 0.8;

/// A candidate cause.
#[derive(Clone, Debug)]
pub struct Cause {
    pub difference: Difference,
    pub score: f64,
    pub reason: String,
    /// Nothing before it differs.
    pub is_root: bool,
}

#[derive(Default)]
pub struct Judgement {
    /// The first difference whose causes are equal or noise.
    pub first: Option<Cause>,
    /// By score, the likeliest first.
    pub causes: Vec<Cause>,
    /// Overtakings that nothing follows from.
    pub harmless: u64,
}

/// Whether one difference is before another in the order of causes of a run.
type Before<'a> = dyn Fn(&Difference, &Difference) -> bool + 'a;

/// Judges with the order of causes of both runs.
pub fn judge(runs: [&Run; 2], found: Found) -> Judgement {
    let starts = runs.map(|run| run.start_ns);
    let before = |one: &Difference, other: &Difference| {
        // Where a run does not have one of them, it would have been somewhere behind its place: that
        // is asked only if no run has both.
        let has_both = |run: &usize| one.sides[*run].is_some() && other.sides[*run].is_some();
        let any = (0..2).any(|run| has_both(&run));
        (0..2).filter(|run| !any || has_both(run)).any(|run| {
            match (&one.places[run], &other.places[run]) {
                (Some(one), Some(other)) => {
                    runs[run].happens_before(one.point.place, other.point.place)
                }
                (_, _) => false,
            }
        })
    };
    let second = |one: &Difference, other: &Difference| match (&one.sides[1], &other.sides[1]) {
        (Some(one), Some(other)) => {
            runs[1].happens_before(one.sight.point.place, other.sight.point.place)
        }
        (_, _) => false,
    };
    rank(found, starts, &before, &second)
}

fn rank(found: Found, starts: [u64; 2], before: &Before<'_>, second: &Before<'_>) -> Judgement {
    let Found {
        mut differences,
        mut suspects,
        ..
    } = found;
    let time = |difference: &Difference| {
        let since = |run: usize| {
            let time_ns = difference.sides[run].as_ref()?.sight.point.time_ns;
            Some(time_ns.saturating_sub(starts[run]))
        };
        [0, 1]
            .into_iter()
            .filter_map(since)
            .min()
            .unwrap_or(u64::MAX)
    };
    differences.sort_by_key(|difference| (time(difference), difference.kind));
    differences.truncate(JUDGED_MAX);
    suspects.sort_by_key(|difference| (time(difference), difference.kind));
    // The clocks of the two runs are not one, so time alone does not tell what comes first.
    let close = differences.len().min(CLOSELY_MAX);
    let follows = |root: usize, at: usize| {
        let (root, other) = (&differences[root], &differences[at]);
        // Where the runs contradict each other, the second counts: what came of what there is asked about, and
        // the first knows only what would have come next without it.
        before(root, other) && (!before(other, root) || second(root, other))
    };
    let within = roots::roots(
        close,
        &follows,
        &|one, other| second(&differences[one], &differences[other]),
        &|at| differences[at].sides[1].is_some(),
    );
    let mut roots: Vec<usize> = Vec::new();
    let mut is_root = Vec::with_capacity(differences.len());
    for at in 0..differences.len() {
        let of_roots = at >= close && roots.iter().any(|root| follows(*root, at));
        let of_any = within.get(at).is_some_and(|root| !root);
        let root = roots.len() < ROOTS_MAX && !of_roots && !of_any;
        if root {
            roots.push(at);
        }
        is_root.push(root);
    }
    let symptoms: Vec<usize> = (0..differences.len())
        .filter(|at| differences[*at].kind.is_symptom())
        .take(ROOTS_MAX)
        .collect();
    let leads = |difference: &Difference| {
        symptoms.is_empty()
            || difference.kind.is_symptom()
            || symptoms
                .iter()
                .any(|at| before(difference, &differences[*at]))
    };
    let mut judgement = Judgement::default();
    let mut used = vec![false; suspects.len()];
    for root in roots.iter().map(|at| &differences[*at]) {
        if root.kind.is_given() {
            continue;
        }
        for kind in [
            Kind::Overtaken,
            Kind::Threads,
            Kind::Randomness,
            Kind::Clock,
        ] {
            // The last overtaking before the difference is the likeliest.
            let mut near = suspects.iter().enumerate().rev().filter(|(_, suspect)| {
                // What comes of the root in the second run does not explain it.
                let explains = before(suspect, root) && !second(root, suspect);
                suspect.kind == kind && same_process(suspect, root) && explains
            });
            if let Some((at, suspect)) = near.next() {
                if !std::mem::replace(&mut used[at], true) {
                    judgement
                        .causes
                        .push(suspected(suspect, root, leads(suspect)));
                }
            }
        }
    }
    judgement.harmless = suspects
        .iter()
        .zip(&used)
        .filter(|(suspect, used)| suspect.kind == Kind::Overtaken && !**used)
        .count() as u64;
    for (at, difference) in differences.iter().enumerate() {
        let same = |known: &Cause| {
            let given = known.difference.kind.is_given() && difference.kind.is_given();
            given && known.difference.what == difference.what
        };
        if judgement.causes.iter().any(same) {
            continue;
        }
        let leads = leads(difference);
        let mut score = difference.kind.weight();
        let mut reason = match is_root[at] {
            true => "everything before it is the same in both runs".to_owned(),
            false => "it follows from a difference before it".to_owned(),
        };
        if !is_root[at] {
            score *= FOLLOWS;
        }
        if !leads {
            score *= HARMLESS;
            reason += ", and nothing that failed follows from it";
        } else if is_root[at] && !difference.kind.is_symptom() && !symptoms.is_empty() {
            reason += ", and it leads to how the run ends or what it prints";
        }
        judgement.causes.push(Cause {
            difference: difference.clone(),
            score,
            reason,
            is_root: is_root[at],
        });
    }
    judgement.causes.sort_by(|a, b| {
        let by_time = time(&a.difference).cmp(&time(&b.difference));
        b.score.total_cmp(&a.score).then(by_time)
    });
    let first = judgement.causes.iter().filter(|cause| {
        let shown = match cause.difference.kind {
            Kind::Threads | Kind::Randomness | Kind::Clock => false,
            Kind::Overtaken | Kind::Missing | Kind::Extra | Kind::Payload => true,
            Kind::Happening | Kind::Process | Kind::Exit | Kind::File => true,
            Kind::Environment | Kind::Arguments | Kind::Output => true,
        };
        cause.is_root && shown
    });
    judgement.first = first
        .min_by_key(|cause| (time(&cause.difference), cause.difference.kind))
        .cloned();
    judgement
}

fn suspected(suspect: &Difference, root: &Difference, leads: bool) -> Cause {
    let reason = match suspect.kind {
        Kind::Overtaken => {
            "the same messages, in another order, and then the receiver goes on differently"
        }
        Kind::Threads => "the process differs after it, and its threads share memory",
        Kind::Randomness => "the process differs after it, though it was told the same",
        Kind::Clock => "the process differs after it, and knows what time it was",
        Kind::Missing | Kind::Extra | Kind::Payload | Kind::Happening => "",
        Kind::Process | Kind::Exit | Kind::File | Kind::Environment => "",
        Kind::Arguments | Kind::Output => "",
    };
    let mut score = suspect.kind.weight();
    if !leads {
        score *= HARMLESS;
    }
    let shown = root.sides.iter().flatten().next();
    let at = shown.map_or(String::new(), |shown| {
        format!(" (at {})", shown.sight.event)
    });
    Cause {
        difference: suspect.clone(),
        score,
        reason: format!("{reason}{at}"),
        is_root: true,
    }
}

fn same_process(one: &Difference, other: &Difference) -> bool {
    let process = |sight: &Option<Sight>| Some(sight.as_ref()?.point.event.stream.process);
    (0..2).any(|run| {
        let one = process(&one.places[run]);
        one.is_some() && one == process(&other.places[run])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::diff::compare::shown;
    use reenact_causal::{EventId, Point};
    use reenact_trace::StreamId;

    /// A difference of a process at a time.
    fn at(kind: Kind, process: u32, time_ns: u64, what: &str) -> Difference {
        let stream = StreamId { process, task: 1 };
        let sight = Sight {
            point: Point {
                event: EventId::new(stream, time_ns),
                time_ns,
                ..Point::default()
            },
            event: format!("p{process}:{time_ns}"),
            who: format!("program[{process}]"),
        };
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
            ..Found::default()
        };
        rank(found, [0, 0], &before, &before)
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
            suspects: Vec::new(),
            matched: Vec::new(),
        };
        let either = |_: &Difference, _: &Difference| true;
        let second = |one: &Difference, _: &Difference| one.what == "lock";
        let judgement = rank(found(), [0, 0], &either, &second);
        assert_eq!(order(&judgement), ["lock", "conflict"]);
        assert!(!judgement.causes[1].is_root);
        let neither = |_: &Difference, _: &Difference| false;
        let judgement = rank(found(), [0, 0], &either, &neither);
        assert!(judgement.causes.iter().all(|cause| cause.is_root));
    }

    #[test]
    fn an_overtaking_counts_only_where_the_receiver_goes_on_differently() {
        let overtaken = || vec![at(Kind::Overtaken, 2, 5, "overtaken")];
        let reply = || at(Kind::Payload, 2, 20, "reply");
        let judgement = ranked(vec![reply()], overtaken(), &[("overtaken", "reply")]);
        assert_eq!(order(&judgement), ["overtaken", "reply"]);
        assert_eq!(judgement.first.unwrap().difference.what, "overtaken");
        // Another process's difference cannot come from it, as all that it was told was the same.
        let elsewhere = at(Kind::Payload, 3, 20, "reply");
        let judgement = ranked(vec![elsewhere], overtaken(), &[("overtaken", "reply")]);
        assert_eq!(order(&judgement), ["reply"]);
        assert_eq!(judgement.harmless, 1);
        // Nor can what came before.
        let judgement = ranked(vec![reply()], overtaken(), &[]);
        assert_eq!(order(&judgement), ["reply"]);
        assert_eq!(ranked(Vec::new(), overtaken(), &[]).harmless, 1);
        // Nor can what came of the difference, in the run that is asked about.
        let both_ways = [("overtaken", "reply"), ("reply", "overtaken")];
        let judgement = ranked(vec![reply()], overtaken(), &both_ways);
        assert_eq!(order(&judgement), ["reply"]);
    }

    #[test]
    fn chance_is_named_behind_what_is_seen() {
        let suspects = vec![
            at(Kind::Clock, 2, 1, "clock"),
            at(Kind::Randomness, 2, 2, "random"),
        ];
        let links = [("clock", "reply"), ("random", "reply")];
        let judgement = ranked(vec![at(Kind::Payload, 2, 20, "reply")], suspects, &links);
        assert_eq!(order(&judgement), ["reply", "random", "clock"]);
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

    #[test]
    fn kinds_rank_as_documented() {
        let kinds = [
            Kind::Overtaken,
            Kind::Missing,
            Kind::Payload,
            Kind::Happening,
            Kind::Process,
            Kind::Exit,
            Kind::File,
            Kind::Environment,
            Kind::Arguments,
            Kind::Threads,
            Kind::Output,
            Kind::Randomness,
            Kind::Clock,
        ];
        assert!(kinds
            .windows(2)
            .all(|pair| pair[0].weight() > pair[1].weight()));
        // A given root is above any message that follows from it.
        assert!(Kind::Missing.weight() * FOLLOWS < Kind::Output.weight());
    }
}
