//! The ways in which a program is run: by itself, recorded, and traced as people do today.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reenact_tests::{need, record_binary, replay_binary, Ending, Finished, Running};

/// Longer than any run here takes on a slow machine; whoever is still at work then is ended.
pub const LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Native,
    Recorded,
    /// Recorded behind the seccomp filter.
    Filtered,
    /// `strace -f -o`, which writes down what the program did and cannot run it again.
    Strace,
}

impl Way {
    /// In the order in which each round runs them.
    pub const ALL: [Way; 4] = [Way::Native, Way::Recorded, Way::Filtered, Way::Strace];

    /// A command that runs a program in this way, in `folder`; what is written down lies there, too.
    pub fn command(self, folder: &Path, words: &[&OsStr]) -> Command {
        let mut command = match self {
            Way::Native => Command::new(words[0]),
            Way::Recorded | Way::Filtered => {
                let mut command = Command::new(record_binary());
                command
                    .arg("--quiet")
                    .arg("-o")
                    .arg(folder.join("trace.zst"));
                command.arg("--").arg(words[0]);
                command
            }
            Way::Strace => {
                let mut command = Command::new(need("strace", "strace"));
                command.arg("-f").arg("-o").arg(folder.join("strace.txt"));
                command.arg(words[0]);
                command
            }
        };
        command.args(&words[1..]).current_dir(folder);
        if self == Way::Filtered {
            command.env("REENACT_NET", "seccomp");
        }
        command
    }
}

/// What one run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Seconds for one operation.
    pub cost_s: f64,
    /// Seconds from the program's start to its end.
    pub life_s: f64,
    /// Seconds that the replay took, of what was recorded.
    pub replay_s: Option<f64>,
    /// Bytes of the trace for one operation, without embedded files.
    pub trace_bytes: Option<f64>,
    /// Most memory that the recorder had at once, in KiB, the rings that it maps included.
    pub recorder_kib: Option<f64>,
}

impl Outcome {
    /// Replays what `folder` holds, and says what it takes there.
    pub fn with_trace(mut self, folder: &Path, operations: f64) -> Result<Outcome, String> {
        let trace = folder.join("trace.zst");
        let mut replay = Command::new(replay_binary());
        replay.arg("--quiet").arg(&trace).current_dir(folder);
        self.replay_s = Some(ended_well("replay", replay)?.took.as_secs_f64());
        let mut info = Command::new(replay_binary());
        info.args(["info", "--json"]).arg(&trace);
        let info = ended_well("replay info", info)?.text();
        let info: serde_json::Value =
            serde_json::from_str(&info).map_err(|error| format!("replay info: {error}"))?;
        let bytes = |name: &str| info[name].as_f64().ok_or(format!("no {name} in {info}"));
        self.trace_bytes = Some((bytes("bytes")? - bytes("content_bytes")?) / operations);
        Ok(self)
    }
}

/// Runs a command to its end, and fails unless it succeeds: a run that broke off early was not fast.
pub fn ended_well(name: &str, command: Command) -> Result<Finished, String> {
    let finished = Running::start(command, LIMIT).finish();
    match finished.ending {
        Ending::Exit(0) => Ok(finished),
        ending => Err(format!("{name}: {ending}: {}", finished.error_text())),
    }
}
