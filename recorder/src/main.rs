//! `record`: runs a command as it is and writes what it learned from outside into one trace.

mod cli;
mod command;
mod doctor;
mod drain;
mod meta;
mod session;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
