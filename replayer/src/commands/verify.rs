//! `replay verify`: every byte of a trace is what was written.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reenact_trace::Reader;

use crate::cli::exit;
use crate::commands::trace_error;

#[derive(Args)]
pub struct Verify {
    /// The trace.
    pub trace: PathBuf,
}

pub fn main(args: &Verify) -> ExitCode {
    let mut reader = match Reader::open(&args.trace) {
        Ok(reader) => reader,
        Err(error) => return trace_error(&error),
    };
    match reader.verify(&mut |_, _| {}) {
        Err(error) => trace_error(&error),
        Ok(summary) => {
            println!("{}: {summary:?}", args.trace.display());
            if reader.is_cut() {
                println!("the end is missing: the recorder died, or the file was cut");
                return ExitCode::from(exit::INCOMPLETE);
            }
            ExitCode::SUCCESS
        }
    }
}
