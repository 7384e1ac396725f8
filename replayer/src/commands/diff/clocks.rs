//! Clocks that are elsewhere than the recording's own, or than those of others.

use std::collections::BTreeMap;

use reenact_abi::event::Role;
use reenact_causal::Point;
use reenact_trace::Event;

use super::compare::{shown, sight_of, Found};
use super::difference::{Difference, Kind};
use super::run::{Process, Run};

/// How far apart the clocks of two runs are, each less the recording's own, to be told.
const CLOCKS_APART_MS: i128 = 2_000;

pub const TIME: u16 = 201;
pub const CLOCK_GETTIME: u16 = 228;
const CLOCK_REALTIME: u64 = 0;
pub const CLOCK_MONOTONIC: u64 = 1;
const CLOCK_MONOTONIC_RAW: u64 = 4;
const CLOCK_REALTIME_COARSE: u64 = 5;
const CLOCK_MONOTONIC_COARSE: u64 = 6;
const CLOCK_BOOTTIME: u64 = 7;
const CLOCK_REALTIME_ALARM: u64 = 8;
const CLOCK_BOOTTIME_ALARM: u64 = 9;
const CLOCK_TAI: u64 = 11;

/// The clocks of a run.
#[derive(Default)]
pub struct Clocks {
    /// CLOCK_REALTIME less CLOCK_MONOTONIC, as the recording began.
    wall_ns: i128,
    /// What other clocks were ahead of CLOCK_MONOTONIC, as they were first read.
    others: BTreeMap<u64, i128>,
}

impl Clocks {
    pub fn new(wall_ns: i128) -> Clocks {
        Clocks {
            wall_ns,
            others: BTreeMap::new(),
        }
    }

    /// How far a clock that was read is ahead of the recording's own, or of what it was as the run first read it.
    /// `boot`: of the process, for the first look at the clock that goes on while the machine sleeps.
    pub fn ahead(
        &mut self,
        event: &Event,
        boot: &mut Option<(Point, i128)>,
        point: Point,
    ) -> Option<i128> {
        let header = &event.header;
        let clock = match header.nr {
            CLOCK_GETTIME => header.args[0],
            _ => CLOCK_REALTIME,
        };
        let read_ns = if header.nr == TIME {
            i128::from(header.ret) * 1_000_000_000
        } else {
            let at = header.args[if header.nr == CLOCK_GETTIME { 1 } else { 0 }];
            let mut parts = event.parts.iter();
            let part = parts.find(|part| part.role == Role::Output && part.addr == at)?;
            let word = |at: usize| {
                let bytes = part.bytes.get(at..at + 8)?;
                Some(i128::from(i64::from_le_bytes(bytes.try_into().ok()?)))
            };
            let fraction_ns = if header.nr == CLOCK_GETTIME { 1 } else { 1000 };
            word(0)? * 1_000_000_000 + word(8)? * fraction_ns
        };
        let ahead_ns = read_ns - i128::from(header.time_ns);
        match clock {
            CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Some(ahead_ns - self.wall_ns),
            CLOCK_MONOTONIC | CLOCK_MONOTONIC_COARSE => Some(ahead_ns),
            CLOCK_MONOTONIC_RAW | CLOCK_BOOTTIME | CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM
            | CLOCK_TAI => {
                if clock == CLOCK_BOOTTIME && self.others.is_empty() {
                    *boot = Some((point, ahead_ns));
                }
                Some(ahead_ns - *self.others.entry(clock).or_insert(ahead_ns))
            }
            // How much of a processor a process had.
            _ => None,
        }
    }
}

/// A clock that is elsewhere than the recording's own clock, in one run.
pub fn clocks(
    runs: [&Run; 2],
    of: [&Process; 2],
    parents: [Option<&Process>; 2],
    found: &mut Found,
) {
    let ahead_ms = |process: &Process| process.inputs.jump.map_or(0, |(_, ns)| ns / 1_000_000);
    let far = |of: [&Process; 2]| {
        let apart = (ahead_ms(of[0]) - ahead_ms(of[1])).abs();
        apart > CLOCKS_APART_MS
    };
    let slept = boots(runs, of);
    found.differences.extend(slept);
    // What the parents saw as well is told of them.
    let above = matches!(parents, [Some(a), Some(b)] if far([a, b]));
    if !far(of) || above {
        return;
    }
    let side = |process: &Process| match process.inputs.jump {
        Some((point, _)) => {
            let text = format!("reads a clock that is {}", away(ahead_ms(process)));
            shown(&sight_of(process, point), text)
        }
        None => None,
    };
    let apart_ms = ahead_ms(of[1]) - ahead_ms(of[0]);
    // The recording's own clock goes wrong with CLOCK_MONOTONIC: then the process seems to begin elsewhere.
    let since = [0, 1].map(|run: usize| {
        let begin_ns = i128::from(of[run].start.point.time_ns);
        (begin_ns - i128::from(runs[run].start_ns)) / 1_000_000
    });
    let later_ms = since[1] - since[0];
    let own = later_ms.abs() > CLOCKS_APART_MS && (later_ms + apart_ms).abs() * 10 < apart_ms.abs();
    let (which, apart_ms) = match own {
        true => ("monotonic clock", later_ms),
        false => ("clock", apart_ms),
    };
    let what = format!(
        "The {which} of {} is elsewhere: {} in the second run.",
        of[0].title,
        away(apart_ms)
    );
    let mut difference = Difference::new(Kind::Jump, what).at(side(of[0]), side(of[1]));
    for (run, process) in of.iter().enumerate() {
        let place = &mut difference.places[run];
        place.get_or_insert_with(|| process.start.clone());
    }
    found.differences.push(difference);
}

/// `3600.000 s ahead`.
pub fn away(ms: i128) -> String {
    let word = if ms < 0 { "behind" } else { "ahead" };
    let ms = ms.unsigned_abs();
    format!("{}.{:03} s {word}", ms / 1000, ms % 1000)
}

/// The clock that goes on while the machine sleeps, where the runs first read it: it is ahead by as much as the machine
/// slept between them, unless somebody set it.
fn boots(runs: [&Run; 2], of: [&Process; 2]) -> Option<Difference> {
    let [Some((a, of_a)), Some((b, of_b))] = of.map(|process| process.inputs.boot) else {
        return None;
    };
    let apart_ms = (of_b - of_a) / 1_000_000;
    if apart_ms.abs() <= CLOCKS_APART_MS || super::ending::end_alike(runs) {
        return None;
    }
    let what = format!(
        "The boot clock of {} is elsewhere: {} in the second run.",
        of[0].title,
        away(apart_ms)
    );
    let side = |process: &Process, point, ns: i128| {
        let text = format!("reads CLOCK_BOOTTIME, {}", away(ns / 1_000_000));
        shown(&sight_of(process, point), text)
    };
    Some(Difference::new(Kind::Jump, what).at(side(of[0], a, of_a), side(of[1], b, of_b)))
}
