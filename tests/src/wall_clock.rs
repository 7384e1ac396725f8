//! A filter that kills whoever asks the kernel for the time of day.

use crate::docker_profile::{step, ALLOW, ARGS, JUMP_EQUAL, KILL, LOAD, NR, RETURN};

/// Kills a process that reads the wall clock by a system call. A program that reads it without one, from the vDSO,
/// is not seen; recorded and replayed programs have no vDSO.
pub fn wall_clock_filter() -> Vec<libc::sock_filter> {
    let clocks = [
        libc::CLOCK_REALTIME,
        libc::CLOCK_REALTIME_COARSE,
        libc::CLOCK_REALTIME_ALARM,
        libc::CLOCK_TAI,
    ];
    let mut code = vec![step(LOAD, NR, 0, 0)];
    for nr in [libc::SYS_time, libc::SYS_gettimeofday] {
        code.push(step(JUMP_EQUAL, nr as u32, 0, 1));
        code.push(step(RETURN, KILL, 0, 0));
    }
    code.push(step(JUMP_EQUAL, libc::SYS_clock_gettime as u32, 1, 0));
    code.push(step(RETURN, ALLOW, 0, 0));
    code.push(step(LOAD, ARGS, 0, 0));
    for clock in clocks {
        code.push(step(JUMP_EQUAL, clock as u32, 0, 1));
        code.push(step(RETURN, KILL, 0, 0));
    }
    code.push(step(RETURN, ALLOW, 0, 0));
    code
}
