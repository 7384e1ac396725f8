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
            at(Kind::Exit, 3, 30, "exit"),
        ],
        ..Found::default()
    };
    let either =
        |one: &Difference, other: &Difference| one.what != "exit" && one.what != other.what;
    let second = |one: &Difference, _: &Difference| one.what == "lock";
    let judgement = rank(found(), [0, 0], orders(&either, &second));
    assert_eq!(order(&judgement), ["lock", "conflict", "exit"]);
    assert!(!judgement.causes[1].is_root);
    let neither = |_: &Difference, _: &Difference| false;
    let judgement = rank(found(), [0, 0], orders(&either, &neither));
    assert!(judgement.causes[..2].iter().all(|cause| cause.is_root));
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
    // Whoever was told the same in the same order, and does something else, does that by chance.
    assert_eq!(ranked(both(), Vec::new(), &links).without.len(), 2);
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
    let links = [
        ("clock", "reply"),
        ("random", "reply"),
        ("reply", "exit"),
        ("clock", "exit"),
        ("random", "exit"),
    ];
    let of = |process: u32, asked: bool| {
        let mut random = at(Kind::Randomness, process, 2, "random");
        random.outside = asked;
        let suspects = vec![at(Kind::Clock, process, 1, "clock"), random];
        let reply = at(Kind::Payload, process, 20, "reply");
        let exit = at(Kind::Exit, 5, 30, "exit");
        let judgement = ranked(vec![reply, exit], suspects, &links);
        let all = order(&judgement);
        let all = all.into_iter().filter(|what| *what != "exit");
        all.collect::<Vec<_>>().join(" / ")
    };
    // The program asked for random bytes, and was told and given the same.
    let chance =
        "program[2] chose otherwise by chance, told and given the same: only its random bytes";
    let first = "may differ; first seen in: reply / reply";
    assert_eq!(
        of(2, true),
        format!("{chance} (p2:2) and clock (p2:1) {first}")
    );
    // Its libraries did, which seed its random numbers.
    let seeds = "which seed its numbers (p2:2) and clock (p2:1)";
    assert_eq!(of(2, false), format!("{chance}, {seeds} {first}"));
    // It was given something else, which a rule hides.
    assert_eq!(of(9, true), "reply / random / clock");
}

#[test]
fn another_build_does_not_explain_what_it_does_otherwise() {
    let judgement = ranked(
        vec![
            at(Kind::Program, 2, 5, "program"),
            at(Kind::Payload, 2, 20, "reply"),
            at(Kind::Exit, 3, 30, "exit"),
        ],
        Vec::new(),
        &[("program", "reply"), ("reply", "exit")],
    );
    let program = "program; first seen in: reply.";
    assert_eq!(order(&judgement)[..2], ["reply", program]);
}

#[test]
fn what_is_slow_explains_what_others_did_without_it() {
    let mut slow = at(Kind::Slow, 3, 10, "fsync");
    slow.outside = true;
    let both = || {
        let again = at(Kind::Extra, 2, 20, "again");
        vec![again, at(Kind::Exit, 4, 30, "exit")]
    };
    let links = [("again", "exit")];
    let judgement = ranked(both(), vec![slow.clone()], &links);
    assert_eq!(order(&judgement), ["fsync", "again", "exit"]);
    slow.places
        .iter_mut()
        .flatten()
        .for_each(|sight| sight.point.time_ns += 1 << 40);
    let judgement = ranked(both(), vec![slow], &links);
    assert_eq!(
        (order(&judgement), judgement.in_time),
        (vec!["again", "exit"], 1)
    );
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
