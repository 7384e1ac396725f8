//! The command line of `replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{commands, run};

/// Re-enact a recorded run: every process runs again and is given exactly what it was given.
///
/// Nothing of the machine is touched: no network, no files, no clock. The run's own output is
/// printed as it was; lines of `replay` itself go to standard error and start with `replay:`.
#[derive(Parser)]
#[command(
    name = "replay",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
#[command(after_help = "Examples:
  replay trace.zst                       re-enact the run
  replay --pace recorded trace.zst       with its recorded timing
  replay show trace.zst                  who said what to whom, and what failed
  replay diff good.zst bad.zst           what was different in the run that failed
  replay report trace.zst                the run as a picture, for a browser
  replay export chrome -o run.json trace.zst   for Perfetto; and for OpenTelemetry, Wireshark, ShiViz
  replay info trace.zst                  what, where, when, how it ended
  replay verify trace.zst                check every byte of the file

Exit status: 0 reproduced faithfully; 3 diverged; 4 set-up failed; 5 trace corrupt or incompatible;
6 faithful as far as it goes, but the trace is incomplete; 64 usage.")]
struct Cli {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Action {
    /// Say what was recorded, where, when, how it ended, and whether it can be replayed here.
    Info(commands::info::Info),
    /// Check every byte of a trace.
    Verify(commands::verify::Verify),
    /// Tell what happened: who started what, who said what to whom, what failed.
    Show(Box<commands::show::Show>),
    /// Tell what was different in the second of two runs, and what may have caused it.
    Diff(commands::diff::Diff),
    /// Write a page that shows a run, or the difference of two, as a picture.
    Report(commands::report::Report),
    /// Write what was said for other tools: OpenTelemetry, Perfetto, Wireshark, ShiViz, jq.
    Export(Box<commands::export::Export>),
    /// List events, one per line.
    Events(commands::events::Events),
}

/// What to replay.
#[derive(Args, Clone)]
pub struct Run {
    /// The trace.
    #[arg(required = true, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// How fast: `max` skips all waiting, `recorded` keeps the recorded timing, `2x` is twice as fast.
    #[arg(long, default_value = "max", value_parser = parse_pace)]
    pub pace: Pace,
    /// Print nothing of our own but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Let each system call trap, as `record --no-patch` does: slower, for checking.
    #[arg(long)]
    pub no_patch: bool,
    /// Exit with the recorded program's status when it was reproduced faithfully.
    #[arg(long)]
    pub propagate_exit: bool,
    /// Write the outcome as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Recorded time runs `num / den` times as fast; `num` 0 skips waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub num: u32,
    pub den: u32,
}

fn parse_pace(text: &str) -> Result<Pace, String> {
    match text {
        "max" => return Ok(Pace { num: 0, den: 1 }),
        "recorded" => return Ok(Pace { num: 1, den: 1 }),
        _ => {}
    }
    let factor: f64 = text
        .strip_suffix('x')
        .and_then(|number| number.parse().ok())
        .filter(|factor: &f64| factor.is_finite() && *factor >= 0.001 && *factor <= 1000.0)
        .ok_or("use `max`, `recorded`, or a factor from 0.001x to 1000x such as `2x`")?;
    Ok(Pace {
        num: (factor * 1000.0).round() as u32,
        den: 1000,
    })
}

/// Exit codes, the same for all commands.
pub mod exit {
    pub const DIVERGED: u8 = 3;
    pub const SET_UP: u8 = 4;
    pub const CORRUPT: u8 = 5;
    pub const INCOMPLETE: u8 = 6;
    pub const USAGE: u8 = 64;
}

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    match cli.action {
        Some(Action::Info(info)) => commands::info::main(&info),
        Some(Action::Verify(verify)) => commands::verify::main(&verify),
        Some(Action::Show(show)) => commands::show::main(&show),
        Some(Action::Diff(diff)) => commands::diff::main(&diff),
        Some(Action::Report(report)) => commands::report::main(&report),
        Some(Action::Export(export)) => commands::export::main(&export),
        Some(Action::Events(events)) => commands::events::main(&events),
        None => run::main(&cli.run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_a_word_or_a_factor() {
        assert_eq!(parse_pace("max"), Ok(Pace { num: 0, den: 1 }));
        assert_eq!(
            parse_pace("2x"),
            Ok(Pace {
                num: 2000,
                den: 1000
            })
        );
        assert_eq!(
            parse_pace("0.5x"),
            Ok(Pace {
                num: 500,
                den: 1000
            })
        );
        for bad in ["", "x", "0x", "-1x", "nanx", "infx", "fast", "2"] {
            assert!(parse_pace(bad).is_err(), "{bad}");
        }
    }
}
