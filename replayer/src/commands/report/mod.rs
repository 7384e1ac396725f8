//! `replay report`: a run, or the difference of two, as one page to look at.
//!
//! What must already hold: nothing; a trace is untrusted, and so is every text in it. The page's own
//! script and style are allowed by their hashes, and nothing else is: not the network either.
//!
//! What it never does: decide what a line says or what led to what. That is [`super::show`]'s and
//! [`super::diff`]'s; the page shows it.

mod encode;
mod gather;
mod page;
mod payload;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use reenact_trace::{Reader, TraceError};
use reenact_wire::{Detail, Settings};

use crate::cli::exit;
use crate::commands::diff::{self, DiffError};
use crate::commands::show::narrator::Narrator;
use crate::commands::show::{self, Decoding};
use crate::commands::trace_error;
use gather::{Picture, Wanted};

/// Write a page that shows a run as a picture, to be opened in a browser.
#[derive(Args)]
#[command(after_help = "\
The page is one file, and needs no server and no network: open it, copy it, attach it to a bug report.
It has a lane for each process, with time running down, and an arrow for each message. In it,

  wheel, drag, arrows   move; with Ctrl, and with + and -, zoom; 0 shows all of the run
  hover                 shows what a message says, decoded
  click                 selects: causes and effects light up and are listed, nearest first
  j and k, h and l      the next and previous event; the nearest cause and the nearest effect
  /                     searches; n and Shift+N go through what was found
  ?                     lists all keys

What it tells of an event is what `replay show --causes-of` and `--effects-of` tell. Of a long run it
has the last lines, and says what it leaves out: --from, --to and --limit choose another part.

Examples:
  replay report trace.zst                        writes report.html
  replay report trace.zst -o run.html
  replay report --from 2.5 --to 4 trace.zst      one and a half seconds of it
  replay report good.zst bad.zst -o diff.html    what `replay diff` finds, with both runs side by side

A page holds what programs sent to each other. Treat it like the trace: it is readable for you alone.

Exit status: 0 written; 4 it could not be written; 5 trace corrupt or incompatible; 64 usage.")]
pub struct Report {
    /// The trace, or the run to compare with.
    #[arg(value_name = "FILE")]
    pub trace: PathBuf,
    /// The run in question: the page is then about what is different in it.
    #[arg(value_name = "OTHER")]
    pub other: Option<PathBuf>,
    /// The page.
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    /// Only from this second of the run on.
    #[arg(long, value_name = "SECONDS", value_parser = show::seconds)]
    pub from: Option<u64>,
    /// Only up to this second of the run.
    #[arg(long, value_name = "SECONDS", value_parser = show::seconds)]
    pub to: Option<u64>,
    /// Most messages and other lines of a run; of more, the last ones are shown.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 150_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    #[command(flatten)]
    pub decoding: Decoding,
    /// Rules for what else is noise, for two traces, as in `replay diff`.
    #[arg(long, value_name = "FILE", requires = "other")]
    pub ignore: Vec<PathBuf>,
    /// Print nothing but errors.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error(transparent)]
    Diff(#[from] DiffError),
    #[error("{}: {error}", path.display())]
    Output { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Usage(String),
}

pub fn main(args: &Report) -> ExitCode {
    let written = match &args.other {
        None => one(args),
        Some(other) => two(args, other),
    };
    match written {
        Ok(told) => {
            if !args.quiet {
                eprintln!("replay: {told}");
            }
            ExitCode::SUCCESS
        }
        Err(ReportError::Trace(error) | ReportError::Diff(DiffError::Trace(error))) => {
            trace_error(&error)
        }
        Err(error @ (ReportError::Diff(_) | ReportError::Usage(_))) => {
            eprintln!("replay: {error}");
            ExitCode::from(exit::USAGE)
        }
        Err(error @ ReportError::Output { .. }) => {
            eprintln!("replay: {error}");
            ExitCode::from(exit::SET_UP)
        }
    }
}

/// The page of one run.
fn one(args: &Report) -> Result<String, ReportError> {
    let picture = picture(&args.trace, args)?;
    let file = file_name(&args.trace);
    let html = page::run(&picture, &file).map_err(|error| output_error(&args.output, error))?;
    write(&args.output, &html)?;
    let mut told = format!(
        "{} messages and other lines in {}, {} bytes",
        picture.items.len(),
        args.output.display(),
        html.len()
    );
    let gone = picture.left_out.before + picture.left_out.after;
    if gone > 0 {
        told += &format!("; {gone} more are left out (--from, --to and --limit choose others)");
    }
    Ok(told)
}

/// The page of the difference of two.
fn two(args: &Report, other: &Path) -> Result<String, ReportError> {
    let compared =
        diff::compare_files([&args.trace, other], &Default::default(), &args.ignore, &[])?;
    let pictures = [picture(&args.trace, args)?, picture(other, args)?];
    write_diff(&compared, &pictures, [&args.trace, other], &args.output)
}

/// The page for `replay diff --html`, of runs that have been compared.
pub fn of_diff(
    compared: &diff::Compared,
    traces: [&Path; 2],
    output: &Path,
) -> Result<String, ReportError> {
    let wanted = Wanted {
        from_ns: 0,
        to_ns: u64::MAX,
        lines_max: 150_000,
    };
    let read = |path: &Path| {
        let mut reader = Reader::open(path)?;
        let narrator = Narrator::new(Settings::default(), None);
        Picture::read(&mut reader, narrator, wanted)
    };
    let pictures = [read(traces[0])?, read(traces[1])?];
    write_diff(compared, &pictures, traces, output)
}

fn write_diff(
    compared: &diff::Compared,
    pictures: &[Picture; 2],
    traces: [&Path; 2],
    output: &Path,
) -> Result<String, ReportError> {
    let files = traces.map(file_name);
    let html = page::diff(compared, pictures, &files);
    let html = html.map_err(|error| output_error(output, error))?;
    write(output, &html)?;
    Ok(format!(
        "{}, told in {}, {} bytes",
        compared.outcome().verdict(),
        output.display(),
        html.len()
    ))
}

fn picture(path: &Path, args: &Report) -> Result<Picture, ReportError> {
    let mut reader = Reader::open(path)?;
    let narrator = args.decoding.narrator(Detail::Full);
    let narrator = narrator.map_err(|error| ReportError::Usage(error.to_string()))?;
    let wanted = Wanted {
        from_ns: args.from.unwrap_or(0),
        to_ns: args.to.unwrap_or(u64::MAX),
        lines_max: args.limit as usize,
    };
    Ok(Picture::read(&mut reader, narrator, wanted)?)
}

/// A trace as it is typed behind a command.
fn file_name(path: &Path) -> String {
    show::words::quoted(path.as_os_str().as_encoded_bytes())
}

fn output_error(path: &Path, error: io::Error) -> ReportError {
    ReportError::Output {
        path: path.to_owned(),
        error,
    }
}

/// Writes the page beside its place and moves it there, so that no half of one is seen. Only its owner
/// can read it. What is no file, such as a pipe, is written to as it is.
fn write(path: &Path, html: &str) -> Result<(), ReportError> {
    if fs::metadata(path).is_ok_and(|known| !known.is_file()) {
        return fs::write(path, html).map_err(|error| output_error(path, error));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = create(&beside)
        .and_then(|mut file| file.write_all(html.as_bytes()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        output_error(path, error)
    })
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
