//! The subcommands, one file each.

pub mod diff;
pub mod events;
pub mod export;
pub mod info;
pub mod report;
pub mod show;
pub mod verify;

use std::process::ExitCode;

use reenact_trace::TraceError;

use crate::cli::exit;

/// Prints an error of the trace and chooses the exit status.
pub fn trace_error(error: &TraceError) -> ExitCode {
    eprintln!("replay: {error}");
    let io = matches!(error, TraceError::Io { .. });
    ExitCode::from(if io { exit::SET_UP } else { exit::CORRUPT })
}
