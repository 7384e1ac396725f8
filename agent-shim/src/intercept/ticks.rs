//! The clocks between two looks at them: the cycle counter tells how much time has passed since.
//!
//! The vDSO waits until everything before it has been carried out, which takes longer than all that is
//! done to write a clock read down. The counter alone takes half as long, and waits for nothing.
//!
//! What must already hold: the kernel itself makes its clock of the counter (`Session::tsc_is_clock`), and
//! the caller has its group's turn. What this never does: go back, or stray from the kernel's clock by
//! more than a look at it is uncertain and that may be slewed within [`REACH_NS`]: some 30 ns.

use crate::arch;
use crate::intercept::clock::{self, MONOTONIC, REALTIME};
use crate::task::session;

/// The clock is looked at again after so long.
const REACH_NS: u64 = 50_000;
/// The counter's rate is known once it was watched for so long.
const WATCHED_NS: u64 = 10_000;
/// Cycles that a look may take; in a longer one something else has run.
const LOOK_MAX: u64 = 600;
/// Further from what was expected than this, and a thousandth of the time that has passed, the counter or
/// the clock stood still meanwhile (a suspended machine, a virtual one that moved): the rate is void.
const ASTRAY_NS: u64 = 500;
/// Two looks at how far CLOCK_REALTIME is ahead that differ by less have found the same; and one that takes
/// longer has found nothing.
const SAME_NS: u64 = 300;
/// Looks until one is short enough.
const LOOKS: u32 = 3;
/// Bits behind the point of nanoseconds per cycle, and the most that there can be.
const POINT: u32 = 32;
const RATE_MAX: u64 = 1000 << POINT;

struct Ticks {
    /// Cycles after the last look for which the rate may be used; 0: none.
    reach: u64,
    /// The counter when the clock was last looked at, and its rate in nanoseconds per cycle.
    cycles: u64,
    rate: u64,
    /// Nanoseconds since the last look that have been told at least: no time is told twice.
    told_ns: u64,
    /// What CLOCK_REALTIME and CLOCK_MONOTONIC showed at the last look.
    clocks: [Clock; 2],
    /// The counter when CLOCK_REALTIME was looked at for the last look, and what it is ahead by.
    realtime_of: u64,
    ahead_ns: u64,
    /// Counter and nanoseconds from which on they are watched.
    since: [u64; 2],
}

/// Nanoseconds, and the same as a `struct timespec`.
#[derive(Clone, Copy)]
struct Clock {
    ns: u64,
    timespec: [u64; 2],
}

const SECOND: u64 = 1_000_000_000;

impl Clock {
    const ZERO: Clock = Clock {
        ns: 0,
        timespec: [0; 2],
    };

    fn at(ns: u64) -> Clock {
        Clock {
            ns,
            timespec: [ns / SECOND, ns % SECOND],
        }
    }

    /// As a `struct timespec`, some nanoseconds (less than a second) later.
    #[inline(always)]
    fn after(&self, ns: u64) -> [u64; 2] {
        let [seconds, nanoseconds] = self.timespec;
        let later = nanoseconds + ns;
        if later < SECOND {
            [seconds, later]
        } else {
            [seconds + 1, later - SECOND]
        }
    }
}

const UNKNOWN: Ticks = Ticks {
    reach: 0,
    cycles: 0,
    rate: 0,
    told_ns: 0,
    clocks: [Clock::ZERO; 2],
    realtime_of: 0,
    ahead_ns: 0,
    since: [0; 2],
};

static mut TICKS: Ticks = UNKNOWN;

/// Those of the address space.
#[allow(static_mut_refs)]
#[inline(always)]
fn ticks() -> &'static mut Ticks {
    // SAFETY: only the task that holds the group's turn runs code that uses it.
    unsafe { &mut TICKS }
}

/// What is known holds no longer: a forked child may be in another time namespace than its parent, and a
/// counter that traps must not be read.
pub fn forget() {
    *ticks() = UNKNOWN;
}

/// Nanoseconds of CLOCK_MONOTONIC; `None` where the counter cannot tell them.
#[inline(always)]
pub fn monotonic_ns() -> Option<u64> {
    let ticks = ticks();
    let since_ns = ticks.now().or_else(look)?;
    Some(ticks.clocks[MONOTONIC as usize].ns + since_ns)
}

/// The same, and what `clock` (CLOCK_REALTIME or CLOCK_MONOTONIC) shows then, as a `struct timespec`.
#[inline(always)]
pub fn read(clock: u64) -> Option<(u64, [u64; 2])> {
    let ticks = ticks();
    let since_ns = ticks.now().or_else(look)?;
    if clock == REALTIME && ticks.realtime_of != ticks.cycles {
        look_at_realtime()?;
    }
    let time = ticks.clocks[clock as usize % 2].after(since_ns);
    Some((ticks.clocks[MONOTONIC as usize].ns + since_ns, time))
}

impl Ticks {
    #[inline(always)]
    fn now(&self) -> Option<u64> {
        if self.reach == 0 {
            return None;
        }
        self.since_look(arch::cycles())
    }

    /// Nanoseconds since the last look, if `cycles` is within its reach.
    #[inline(always)]
    fn since_look(&self, cycles: u64) -> Option<u64> {
        let passed = cycles.wrapping_sub(self.cycles);
        (passed < self.reach).then(|| ((passed * self.rate) >> POINT).max(self.told_ns))
    }

    /// CLOCK_MONOTONIC showed `ns` at `cycles`.
    fn learn(&mut self, cycles: u64, ns: u64) {
        let before = self.clocks[MONOTONIC as usize].ns;
        let passed = cycles.wrapping_sub(self.cycles);
        let expected = |passed| {
            let ns = (u128::from(passed) * u128::from(self.rate)) >> POINT;
            before.saturating_add(u64::try_from(ns).unwrap_or(u64::MAX))
        };
        let uncertain = ASTRAY_NS + ns.saturating_sub(before) / 1000;
        let astray = self.rate != 0 && expected(passed).abs_diff(ns) > uncertain;
        // What was told last may have been some nanoseconds ahead.
        let told = expected(passed.min(self.reach)).max(before + self.told_ns);
        self.told_ns = Some(told.saturating_sub(ns))
            .filter(|ns| *ns < REACH_NS)
            .unwrap_or(0);
        if astray || self.since[1] == 0 {
            self.since = [cycles, ns];
        }
        self.cycles = cycles;
        self.clocks[MONOTONIC as usize] = Clock::at(ns);
        let watched = cycles.wrapping_sub(self.since[0]);
        let watched_ns = ns.saturating_sub(self.since[1]);
        let rate = (u128::from(watched_ns) << POINT).checked_div(u128::from(watched));
        (self.rate, self.reach) = match rate.map(u64::try_from) {
            Some(Ok(rate @ 1..=RATE_MAX)) if watched_ns >= WATCHED_NS => {
                (rate, watched.min((REACH_NS << POINT) / rate))
            }
            _ => (0, 0),
        };
    }
}

/// Looks at CLOCK_MONOTONIC; returns the nanoseconds since then that have been told.
#[cold]
#[inline(never)]
fn look() -> Option<u64> {
    if session().tsc_is_clock == 0 || clock::must_trap() {
        return None;
    }
    let ticks = ticks();
    for _ in 0..LOOKS {
        let (before, _) = arch::tsc();
        let [seconds, ns] = clock::read(MONOTONIC)?;
        let took = arch::tsc().0.wrapping_sub(before);
        if took <= LOOK_MAX {
            ticks.learn(before.wrapping_add(took / 2), seconds * SECOND + ns);
            return Some(ticks.told_ns);
        }
    }
    None
}

/// Looks at how far CLOCK_REALTIME is ahead, which is the same until somebody sets it.
#[cold]
#[inline(never)]
fn look_at_realtime() -> Option<()> {
    let read = |clock| clock::read(clock).map(|[seconds, ns]| seconds * SECOND + ns);
    let mut found = None;
    for _ in 0..LOOKS {
        found = ahead(read(MONOTONIC)?, read(REALTIME)?, read(MONOTONIC)?);
        if found.is_some() {
            break;
        }
    }
    let (found, ticks) = (found?, ticks());
    if (found.wrapping_sub(ticks.ahead_ns) as i64).unsigned_abs() > SAME_NS {
        ticks.ahead_ns = found;
    }
    let monotonic_ns = ticks.clocks[MONOTONIC as usize].ns;
    ticks.clocks[REALTIME as usize] = Clock::at(monotonic_ns.wrapping_add(ticks.ahead_ns));
    ticks.realtime_of = ticks.cycles;
    Some(())
}

/// How far `realtime` is ahead of a CLOCK_MONOTONIC looked at `before` and `after` it; `None` where something
/// else has run between, as nobody knows on which side of it the clock was read.
fn ahead(before: u64, realtime: u64, after: u64) -> Option<u64> {
    let took = after.saturating_sub(before);
    (took <= SAME_NS).then(|| realtime.wrapping_sub(before + took / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose counter counts 2.5 times per nanosecond, from anywhere.
    fn cycles(ns: u64) -> u64 {
        (u64::MAX - 1000).wrapping_add(ns * 5 / 2)
    }

    /// The time that is told at `ns`, by a counter that is off by some cycles.
    fn tell(ticks: &Ticks, cycles: u64) -> Option<u64> {
        let since_ns = ticks.since_look(cycles)?;
        Some(ticks.clocks[1].ns + since_ns)
    }

    fn is_near(told: Option<u64>, ns: u64) -> bool {
        told.is_some_and(|told| told.abs_diff(ns) < 3)
    }

    #[test]
    fn time_is_told_between_looks_and_never_goes_back() {
        let mut ticks = UNKNOWN;
        let (mut last, mut looks) = (0, 0);
        for step in 1..10_000u64 {
            let ns = 1_000_000_000 + step * 700;
            let told = tell(&ticks, cycles(ns)).unwrap_or_else(|| {
                // A look is off by up to 20 ns either way.
                looks += 1;
                ticks.learn(cycles(ns + step * 7919 % 41 - 20), ns);
                ns + ticks.told_ns
            });
            assert!(told >= last, "{told} after {last}");
            assert!(told.abs_diff(ns) < 80, "{told} for {ns}");
            last = told;
        }
        assert!(looks < 1000, "{looks} looks");
    }

    #[test]
    fn a_rate_is_known_only_after_a_while() {
        let mut ticks = UNKNOWN;
        ticks.learn(cycles(1000), 1000);
        ticks.learn(cycles(2000), 2000);
        assert_eq!(tell(&ticks, cycles(2001)), None);
        ticks.learn(cycles(20_000), 20_000);
        assert!(is_near(tell(&ticks, cycles(21_000)), 21_000));
        assert_eq!(tell(&ticks, cycles(19_000)), None, "before the look");
        assert_eq!(tell(&ticks, cycles(500_000)), None, "out of reach");
    }

    #[test]
    fn a_counter_that_stood_still_is_watched_anew() {
        let mut ticks = UNKNOWN;
        for ns in [1000, 20_000, 40_000] {
            ticks.learn(cycles(ns), ns);
        }
        // An hour in which the counter did not count.
        let hour = 3_600_000_000_000;
        ticks.learn(cycles(60_000), hour);
        assert_eq!(tell(&ticks, cycles(60_100)), None);
        ticks.learn(cycles(100_000), hour + 40_000);
        assert!(is_near(tell(&ticks, cycles(110_000)), hour + 50_000));
    }

    #[test]
    fn an_interrupted_look_at_two_clocks_tells_nothing() {
        assert_eq!(ahead(1000, 51_030, 1060), Some(50_000));
        assert_eq!(ahead(1000, 51_030, 25_000), None);
        // A clock set to before the machine's start is behind.
        assert_eq!(ahead(1000, 30, 1060), Some(0u64.wrapping_sub(1000)));
    }

    #[test]
    fn a_second_is_carried() {
        let clock = Clock::at(3 * SECOND - 10);
        assert_eq!(clock.after(9), [2, SECOND - 1]);
        assert_eq!(clock.after(10), [3, 0]);
    }
}
