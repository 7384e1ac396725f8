//! What recording and replaying cost, as ratios against a native run. Prints a table and judges nothing.
//!
//! `cargo bench -p reenact-tests`, or with `-- ROUNDS` for another number of rounds than five.

use std::time::Duration;

use reenact_tests::{build, program, script, Ending, Finished, Net, Subject};

fn main() {
    // cargo passes `--bench` first.
    let rounds = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(5);
    println!(
        "{:<28}{:>12}{:>10}{:>10}{:>10}{:>12}",
        "best of rounds", "native ms", "record", "seccomp", "replay", "trace KiB"
    );
    measure("1000 x /bin/true from bash", rounds, || {
        script("for ((i = 0; i < 1000; i++)); do /bin/true; done")
    });
    measure("300 x /bin/true from bash", rounds, || {
        script("for ((i = 0; i < 300; i++)); do /bin/true; done")
    });
    measure("50,000 clock reads", rounds, || {
        guest("time/many_clock_reads")
    });
    measure("pipe, both ways", rounds, || {
        guest("process/pipe_both_ways")
    });
    measure("pipe, 4 MiB", rounds, || guest("process/pipe_big_transfer"));
    measure("TCP, 8 MiB", rounds, || guest("sockets/tcp_bulk"));
    measure("CPython starting", rounds, || {
        program(&["python3", "-c", "import json, asyncio"])
    });
}

fn guest(name: &str) -> Subject {
    let binary = build(name).binary;
    program(&[binary.to_str().expect("a UTF-8 path")])
}

fn measure(name: &str, rounds: u32, subject: impl Fn() -> Subject) {
    let limited = || subject().within(Duration::from_secs(300));
    let native = best(rounds, || limited().native());
    let record = best(rounds, || limited().record().recorded);
    let filtered = best(rounds, || limited().net(Net::Seccomp).record().recorded);
    let recording = limited().record();
    let trace = std::fs::metadata(recording.trace()).map_or(0, |status| status.len());
    let replay = best(rounds, || {
        recording.replay_with(&["--quiet"], recording.trace())
    });
    let native = native.expect("the program runs natively").as_secs_f64();
    let ratio = |time: Option<Duration>| match time {
        Some(time) => format!("{:.2}", time.as_secs_f64() / native),
        None => "failed".to_owned(),
    };
    println!(
        "{name:<28}{:>12.1}{:>10}{:>10}{:>10}{:>12}",
        native * 1000.0,
        ratio(record),
        ratio(filtered),
        ratio(replay),
        trace / 1024
    );
}

/// The shortest of some runs, and nothing as soon as one fails: a run that broke off early was not fast.
fn best(rounds: u32, run: impl Fn() -> Finished) -> Option<Duration> {
    (0..rounds)
        .map(|_| Some(run()).filter(|run| run.ending == Ending::Exit(0)))
        .map(|run| run.map(|run| run.took))
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .min()
}
