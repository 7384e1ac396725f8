//! Programs that run to their end by themselves.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use reenact_tests::{build, need};

use crate::way::{ended_well, Outcome, Way};

/// What one operation cost.
#[derive(Clone, Copy, Debug)]
enum Clock {
    /// The whole run, by so many.
    Life(u32),
    /// As many nanoseconds as the program says itself, of so many operations.
    Own(u32),
}

#[derive(Clone, Debug)]
pub struct Program {
    words: Vec<OsString>,
    clock: Clock,
}

impl Program {
    /// A script, of which the whole run is divided by so many operations.
    pub fn script(text: &str, operations: u32) -> Program {
        Program {
            words: ["bash", "-c", text].map(OsString::from).to_vec(),
            clock: Clock::Life(operations),
        }
    }

    pub fn guest(name: &str) -> Program {
        Program {
            words: vec![build(name).binary.into()],
            clock: Clock::Life(1),
        }
    }

    pub fn python(text: &str) -> Program {
        let python = need("python3", "python3");
        Program {
            words: vec![python.into(), "-c".into(), text.into()],
            clock: Clock::Life(1),
        }
    }

    /// An operation of `measures.c`.
    pub fn measures(built: &Measures, what: &str, count: u32, threads: u32) -> Program {
        let (count_word, threads) = (count.to_string(), threads.to_string());
        Program {
            words: vec![
                built.0.clone().into(),
                what.into(),
                count_word.into(),
                threads.into(),
            ],
            clock: Clock::Own(count),
        }
    }

    pub fn run(&self, way: Way, folder: &Path) -> Result<Outcome, String> {
        let words: Vec<&OsStr> = self.words.iter().map(OsString::as_os_str).collect();
        let finished = ended_well("the program", way.command(folder, &words))?;
        let life_s = finished.took.as_secs_f64();
        let (cost_s, operations) = match self.clock {
            Clock::Life(count) => (life_s / f64::from(count), count),
            Clock::Own(count) => {
                let said = finished.text();
                let ns: Result<f64, _> = said.trim().parse();
                (ns.map_err(|_| format!("no number: {said}"))? / 1e9, count)
            }
        };
        let outcome = Outcome {
            cost_s,
            life_s,
            ..Outcome::default()
        };
        match way {
            Way::Recorded => outcome.with_trace(folder, f64::from(operations)),
            Way::Native | Way::Filtered | Way::Strace => Ok(outcome),
        }
    }
}

/// `measures.c`, compiled.
#[derive(Clone, Debug)]
pub struct Measures(PathBuf);

impl Measures {
    pub fn compile(folder: &Path) -> Measures {
        let binary = folder.join("measures");
        let mut gcc = Command::new(need("gcc", "gcc"));
        gcc.args(["-O2", "-Wall", "-Wextra", "-pthread", "-o"])
            .arg(&binary)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/benches/ratios/measures.c"
            ));
        ended_well("gcc", gcc).expect("measures.c compiles");
        Measures(binary)
    }
}
