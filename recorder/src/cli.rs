//! The command line of `record`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{doctor, session};

/// Record a command and everything that it starts into one trace, to be re-enacted with `replay`.
///
/// The command runs as it would without `record`: same output, same exit status, same signals.
/// Reenact's own lines go to standard error and start with `record:`.
#[derive(Parser)]
#[command(
    name = "record",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
#[command(after_help = "Examples:
  record -- ./e2e-test.sh                record a test into trace.zst
  record -o flaky.zst -- pytest -x       choose the file
  record --chaos 7 -- ./e2e-test.sh      look for a rare order of events; other seeds, other orders
  record doctor                          what works on this machine

Exit status: that of the command (128+N when a signal N ended it); 125 when recording could not
start, 126 when the command cannot be executed, 127 when it was not found.")]
struct Cli {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Action {
    /// Say what of recording works on this machine, and which ways are in use.
    Doctor {
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// What to record.
#[derive(Args, Clone)]
pub struct Run {
    /// Write the trace here; an existing file is replaced.
    #[arg(short, long, value_name = "FILE", default_value = "trace.zst")]
    pub output: PathBuf,
    /// Print nothing of our own.
    #[arg(short, long)]
    pub quiet: bool,
    /// Let each system call trap: slower, and nothing of the program's code is rewritten.
    #[arg(long)]
    pub no_patch: bool,
    /// Draw from SEED which task runs next and for how long, and where transfers on streams are short:
    /// finds bugs of order that rarely show.
    #[arg(long, value_name = "SEED")]
    pub chaos: Option<u64>,
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Exit status when recording could not start, as env(1) uses it.
pub const CANNOT_START: u8 = 125;

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { CANNOT_START } else { 0 });
        }
    };
    match cli.action {
        Some(Action::Doctor { json }) => doctor::main(json),
        None => match session::record(&cli.run) {
            Ok(status) => status,
            Err(error) => {
                eprintln!("record: {error}");
                ExitCode::from(error.exit_status())
            }
        },
    }
}
