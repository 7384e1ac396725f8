//! What happens as a run is taken down: whoever is told to end, or loses those that were, does so in whatever
//! order. It says nothing where both runs end and print the same.

use std::collections::BTreeSet;

use reenact_causal::Ended;

use super::compare::Found;
use super::difference::{Difference, Kind};
use super::noise::{Builtin, Noise};
use super::run::{Process, Run};

/// Signals by which a process is told to end.
const TO_END: [&str; 5] = [
    "gets SIGTERM",
    "gets SIGINT",
    "gets SIGHUP",
    "gets SIGQUIT",
    "gets SIGKILL",
];

/// Leaves out what differs only behind the place in each run from which on it is taken down.
pub fn leave_out(runs: [&Run; 2], noise: &mut Noise, found: &mut Found) {
    let printed = |one: &Difference| one.kind == Kind::Output && !is_stderr(one);
    if !end_alike(runs) || found.differences.iter().any(printed) {
        return;
    }
    let [Some(in_a), Some(in_b)] = runs.map(taken_down) else {
        return;
    };
    let from_ns = [in_a, in_b];
    let before = found.differences.len();
    found
        .differences
        .retain(|one| !is_of_ending(runs, one, from_ns));
    let gone = (before - found.differences.len()) as u64;
    noise.suppress_builtin(Builtin::Shutdown, gone);
}

fn is_stderr(difference: &Difference) -> bool {
    difference.way.starts_with("stderr ")
}

/// Whether the commands that were recorded end alike.
pub fn end_alike(runs: [&Run; 2]) -> bool {
    let [a, b] = runs.map(|run| {
        let root = run.processes.values().next();
        root.and_then(|root| root.end.as_ref()).map(|(how, _)| *how)
    });
    a.is_some() && a == b
}

/// When a process was first told to end, or was ended.
fn told_ns(process: &Process) -> Option<u64> {
    let mut notes = process.notes.iter();
    let told = notes.find(|(text, _)| TO_END.contains(&text.as_str()));
    let killed = process
        .end
        .iter()
        .find(|(how, _)| matches!(how, Ended::Killed | Ended::Signal(_)));
    let told = told.map(|(_, sight)| sight);
    let sight = told.or(killed.map(|(_, sight)| sight))?;
    Some(sight.point.time_ns)
}

/// From when on a run is taken down: the first time that a process is told to end behind all that those send to
/// each other who never are.
fn taken_down(run: &Run) -> Option<u64> {
    let told: BTreeSet<(u64, u32)> = run
        .processes
        .iter()
        .filter_map(|(number, process)| Some((told_ns(process)?, *number)))
        .collect();
    let ending: BTreeSet<u32> = told.iter().map(|(_, number)| *number).collect();
    let connections = run.talks.iter().filter(|talk| {
        !matches!(
            talk.channel,
            "pipe" | "fifo" | "stdout" | "stderr" | "stdin"
        )
    });
    let sent = connections.flat_map(|talk| &talk.lanes).flatten();
    let last_ns = sent
        .map(|item| item.sight.point)
        .filter(|point| !ending.contains(&point.event.stream.process))
        .map(|point| point.time_ns)
        .max()
        .unwrap_or(0);
    let mut behind = told.range((last_ns, 0)..);
    behind.next().map(|(time_ns, _)| *time_ns)
}

/// Whether all that a run shows of a difference is behind the place from which on it is taken down.
fn is_of_ending(runs: [&Run; 2], difference: &Difference, from_ns: [u64; 2]) -> bool {
    let late = |run: usize| match &difference.sides[run] {
        None => true,
        Some(shown) => {
            let point = shown.sight.point;
            let process = runs[run].processes.get(&point.event.stream.process);
            let end = process.and_then(|process| process.end.as_ref());
            let runs_on = end.is_none_or(|(how, _)| *how == Ended::Unknown);
            point.time_ns >= from_ns[run] || difference.kind == Kind::Exit && runs_on
        }
    };
    let told = match difference.kind {
        Kind::Exit | Kind::Happening | Kind::Missing | Kind::Extra | Kind::Payload => true,
        Kind::Output => is_stderr(difference),
        Kind::Overtaken | Kind::Jump | Kind::Slow | Kind::Checksum | Kind::Process => false,
        Kind::Elsewhere | Kind::Written | Kind::File | Kind::Environment => false,
        Kind::Arguments | Kind::Program | Kind::Threads => false,
        Kind::Randomness | Kind::Clock => false,
    };
    told && late(0) && late(1)
}
