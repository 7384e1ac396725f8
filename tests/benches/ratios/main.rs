//! What recording and replaying cost, as ratios against native runs beside them. Prints a table and judges nothing.
//!
//! `cargo bench -p reenact-tests --bench ratios`, with `-- --quick` for one round of small loads, `-- --rounds N` for another number
//! of rounds than five, and with words for the rows that contain one of them.
//!
//! A machine that others use is now fast and now slow, so every round runs all ways in turn, a ratio is between two
//! runs of one round, and the table has the median of these.

mod program;
mod server;
mod way;

use std::io::Write;
use std::path::Path;

use program::{Measures, Program};
use server::Server;
use way::{Outcome, Way};

enum Row {
    Program(Program),
    Server(Server),
}

impl Row {
    fn run(&self, way: Way) -> Result<Outcome, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        match self {
            Row::Program(program) => program.run(way, folder.path()),
            Row::Server(server) => server.run(way, folder.path()),
        }
    }
}

fn main() {
    let mut rounds = 5;
    let mut quick = false;
    let mut wanted = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // cargo's own.
            "--bench" => {}
            "--quick" => (quick, rounds) = (true, 1),
            "--rounds" => {
                let number = words.next().and_then(|word| word.parse().ok());
                rounds = number.filter(|rounds| *rounds > 0).unwrap_or_else(|| {
                    eprintln!("ratios: --rounds takes a number");
                    std::process::exit(64);
                });
            }
            _ => wanted.push(word),
        }
    }
    let built = tempfile::tempdir().expect("a temporary folder");
    println!(
        "{:<30}{:>10}{:>9}{:>9}{:>9}{:>9}{:>11}{:>12}",
        "median ratios of each round",
        "native",
        "record",
        "seccomp",
        "strace",
        "replay",
        "trace B/op",
        "record MiB"
    );
    for (name, row) in rows(built.path(), quick) {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            print!("{name:<30}");
            let _ = std::io::stdout().flush();
            measure(&row, rounds);
        }
    }
    println!(
        "native: time of one operation. record, seccomp, strace: that time in ratio to it, recorded, recorded behind"
    );
    println!(
        "the seccomp filter, under strace -f -o. replay: all of the replay in ratio to all of the native run. trace"
    );
    println!("B/op: bytes of the trace for an operation, without embedded files. record MiB: peak memory of `record`.");
}

fn rows(built: &Path, quick: bool) -> Vec<(&'static str, Row)> {
    let built = Measures::compile(built);
    let scaled = |count: u32| if quick { count / 10 } else { count };
    let measures = |what, count, threads| {
        Row::Program(Program::measures(&built, what, scaled(count), threads))
    };
    let server = |server, load, requests| {
        Row::Server(Server {
            server,
            load,
            requests: scaled(requests),
        })
    };
    let starts = scaled(300);
    let starting = format!("for ((i = 0; i < {starts}; i++)); do /bin/true; done");
    let guest = |name| Row::Program(Program::guest(name));
    vec![
        (
            "Redis, SET, 20 clients",
            server(&[], &["-t", "set", "-c", "20"], 50_000),
        ),
        (
            "Redis, GET, pipelined by 16",
            server(&[], &["-t", "get", "-c", "20", "-P", "16"], 200_000),
        ),
        (
            "Redis, 4 I/O threads, SET",
            server(&["--io-threads", "4"], &["-t", "set", "-c", "50"], 1_000),
        ),
        ("a clock read", measures("clocks", 1_000_000, 1)),
        ("64 bytes through a pipe", measures("pipe", 200_000, 1)),
        (
            "/bin/true from bash",
            Row::Program(Program::script(&starting, starts)),
        ),
        ("computing in 1 thread", measures("compute", 200_000_000, 1)),
        (
            "computing in 2 threads",
            measures("compute", 200_000_000, 2),
        ),
        ("pipe, both ways", guest("process/pipe_both_ways")),
        ("pipe, 4 MiB", guest("process/pipe_big_transfer")),
        ("TCP, 8 MiB", guest("sockets/tcp_bulk")),
        (
            "CPython starting",
            Row::Program(Program::python("import json, asyncio")),
        ),
    ]
}

/// One line of the table: every round runs all ways in turn.
fn measure(row: &Row, rounds: u32) {
    let mut all: Vec<[Result<Outcome, String>; 4]> = Vec::new();
    for _ in 0..rounds {
        all.push(Way::ALL.map(|way| row.run(way)));
    }
    // What failed once has no number: the rounds that it lacks may have been the slow ones.
    let medians = |value: &dyn Fn(&Outcome, &Outcome) -> Option<f64>, way: Way| {
        let values = all.iter().map(|round| {
            let native = round[Way::Native as usize].as_ref().ok()?;
            value(native, round[way as usize].as_ref().ok()?)
        });
        values.collect::<Option<Vec<f64>>>().map(median)
    };
    let cost = |way| {
        shown(
            medians(&|native, run| Some(run.cost_s / native.cost_s), way),
            2,
        )
    };
    let recorded = |value: &dyn Fn(&Outcome, &Outcome) -> Option<f64>, digits| {
        shown(medians(value, Way::Recorded), digits)
    };
    let native = medians(&|native, _| Some(native.cost_s), Way::Native);
    println!(
        "{:>10}{:>9}{:>9}{:>9}{:>9}{:>11}{:>12}",
        native.map_or("failed".to_owned(), duration),
        cost(Way::Recorded),
        cost(Way::Filtered),
        cost(Way::Strace),
        recorded(&|native, run| Some(run.replay_s? / native.life_s), 2),
        recorded(&|_, run| run.trace_bytes, 1),
        recorded(&|_, run| Some(run.recorder_kib? / 1024.0), 1),
    );
    for (way, error) in all.iter().flat_map(|round| {
        Way::ALL
            .into_iter()
            .zip(round)
            .filter_map(|(way, run)| run.as_ref().err().map(|error| (way, error)))
    }) {
        println!("    {way:?}: {}", error.trim_end());
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.1} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s => format!("{:.1} ms", s * 1e3),
    }
}
