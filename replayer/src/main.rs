//! `replay`: re-enacts a trace, and tells what is in it.

mod cli;
mod commands;
mod layout;
mod render;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
