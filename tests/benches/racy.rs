//! How often programs with a bug of order show it: natively, recorded, and recorded with chaos. Prints a
//! table and judges nothing.
//!
//! `cargo bench -p reenact-tests --bench racy`, or with `-- ROUNDS` for another number of runs than forty.

use std::time::Duration;

use reenact_tests::{all_racy, racy, shows_bug, Finished, Subject};

fn main() {
    // cargo passes `--bench` first.
    let rounds = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(40);
    println!(
        "{:<22}{:>10}{:>10}{:>10}{:>24}",
        format!("bug seen in {rounds} runs"),
        "native",
        "record",
        "--chaos",
        "--chaos against native"
    );
    let (mut often, mut programs) = (0, 0);
    for file in all_racy() {
        let native = seen(&file, rounds, |subject, _| subject.native());
        let plain = seen(&file, rounds, |subject, _| subject.record().recorded);
        let chaos = seen(&file, rounds, |subject, seed| {
            subject.chaos(seed).record().recorded
        });
        let ratio = match native {
            0 if chaos == 0 => "-".to_owned(),
            0 => format!("never natively, {chaos}"),
            _ => format!("{:.1} times", chaos as f64 / native as f64),
        };
        println!("{file:<22}{native:>10}{plain:>10}{chaos:>10}{ratio:>24}");
        // One that never showed natively may have been about to show once.
        often += u64::from(chaos >= 5 * native.max(1));
        programs += 1;
    }
    println!(
        "with --chaos, {often} of {programs} show their bug at least 5 times as often as natively"
    );
}

/// In how many runs the bug shows; seeds count from 1.
fn seen(file: &str, rounds: u64, run: impl Fn(Subject, u64) -> Finished) -> u64 {
    let within = || racy(file).within(Duration::from_secs(60));
    let bugs = (1..=rounds).filter(|seed| shows_bug(&run(within(), *seed)));
    bugs.count() as u64
}
