//! Processes that stood still: a machine that was suspended, a container that was frozen, a process that was stopped.
//!
//! Whoever is not run while it sleeps wakes up late by as long as that took, and its clock has gone on meanwhile.

use super::compare::{shown, sight_of};
use super::difference::{Difference, Kind};
use super::run::{Process, Run};

/// How late somebody wakes up who had stood still, and how many times as late as anybody in the first run.
const LATE_MIN_NS: u64 = 1_000_000_000;
const LATE_TIMES: u64 = 4;

fn late_ns(process: &Process) -> u64 {
    process.inputs.late.map_or(0, |(late_ns, _)| late_ns)
}

/// That processes of the second run stood still.
pub fn paused(runs: [&Run; 2]) -> Option<Difference> {
    let [before, after] = runs.map(|run| run.processes.values().map(late_ns).max().unwrap_or(0));
    if after < LATE_MIN_NS || after / LATE_TIMES < before {
        return None;
    }
    let all: Vec<&Process> = {
        let all = runs[1].processes.values();
        all.filter(|process| late_ns(process) >= after / 2)
            .collect()
    };
    let first = all
        .iter()
        .filter_map(|process| Some((process.inputs.late?.1, *process)))
        .min_by_key(|(point, _)| point.time_ns)?;
    let who = match all.len() {
        1 => format!("{} was paused: it stood still", first.1.title),
        count => format!(
            "The run was paused: {count} processes, such as {}, stood still",
            first.1.title
        ),
    };
    let seconds = format!(
        "{}.{:03} s",
        after / 1_000_000_000,
        after / 1_000_000 % 1000
    );
    let what =
        format!("{who} for {seconds} in the second run, while the clocks went on {seconds} ahead.");
    let sight = sight_of(first.1, first.0);
    let text = format!("wakes up {seconds} late");
    let mut difference = Difference::new(Kind::Jump, what).at(None, shown(&sight, text));
    difference.outside = true;
    Some(difference)
}
