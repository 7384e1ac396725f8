//! `replay export`: what was said in the run, in the formats of other tools.
//!
//! Each format is a file. What holds for all: nothing but the trace is read, what is written is for
//! its owner alone, and a file that is there is not replaced unless that was asked for.

mod chrome;
mod clock;
mod gather;
mod jsonl;
mod otlp;
mod output;
mod pcapng;
mod shiviz;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use reenact_trace::{Reader, TraceError};

use crate::cli::exit;
use crate::commands::show::{Decoding, ShowError};
use crate::commands::trace_error;
use output::Output;

/// Write what was said in the run in a format that other tools read.
///
/// A trace holds what programs saw, and so does what is made of it: treat it alike.
#[derive(Args)]
#[command(after_help = "\
Examples:
  replay export otlp trace.zst                              send spans to the collector on this machine
  replay export otlp --endpoint http://10.0.0.7:4317 trace.zst
  replay export otlp -o spans.jsonl trace.zst               or write them down, as OTLP in JSON
  replay export chrome -o run.json trace.zst                then open run.json in ui.perfetto.dev
  replay export pcapng -o run.pcapng trace.zst              then wireshark run.pcapng
  replay export pcapng trace.zst | tshark -r - -Y http
  replay export shiviz -o run.log trace.zst                 then load run.log in ShiViz
  replay export jsonl trace.zst | jq 'select(.kind == \"message\").text'")]
pub struct Export {
    #[command(subcommand)]
    format: Format,
}

#[derive(Subcommand)]
enum Format {
    Otlp(otlp::Otlp),
    /// A timeline for Perfetto (ui.perfetto.dev) and chrome://tracing, as JSON.
    ///
    /// Processes, threads, requests as slices on both sides, messages as arrows, and marks, signals, exits
    /// and the like as instants.
    Chrome(IntoFile),
    /// A capture for Wireshark and tshark: what went over sockets, pipes and FIFOs, as packets.
    ///
    /// The bytes, addresses and times are those of the run; headers and handshakes are made up around
    /// them. TLS keys that programs wrote down are in the capture, too. Pipes and unix sockets appear as
    /// TCP between addresses 127.128.0.0/9 that stand for processes and are named. Comments of packets
    /// tell the processes and the event. Protocols on ports of their own are told to Wireshark by options,
    /// which are printed.
    Pcapng(IntoFile),
    /// A log with vector clocks for ShiViz: who could have known of what.
    ///
    /// The first line of the file is the regular expression for the field "Log parsing regular expression".
    /// Hosts are processes. ShiViz draws up to some thousands of events.
    Shiviz(IntoFile),
    /// JSON lines, one object for each message or event: the same that `replay show --json` prints.
    ///
    /// `kind` says what a line is, `time_ns` when it was since the start, `event` its event, `process` and
    /// `who` whose it is; messages have `peer`, `protocol`, `text`, `body` and the like.
    Jsonl(IntoFile),
}

/// What formats take that are files and nothing else.
#[derive(Args)]
struct IntoFile {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    to: To,
}

/// What all formats take.
#[derive(Args)]
struct Common {
    /// The trace.
    trace: PathBuf,
    /// Replace OUT if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    decoding: Decoding,
}

/// Where to write.
#[derive(Args)]
struct To {
    /// Write here, for its owner alone; `-` is standard output.
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
}

/// Why nothing (more) was exported.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error("{}: {source}", path.display())]
    Output { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Usage(String),
    /// A collector that is not there, or refuses.
    #[error("{0}")]
    Sending(String),
}

impl From<ShowError> for ExportError {
    fn from(error: ShowError) -> ExportError {
        match error {
            ShowError::Trace(error) => ExportError::Trace(error),
            ShowError::Output(source) => output::failed(source),
            ShowError::Usage(text) => ExportError::Usage(text),
        }
    }
}

impl From<io::Error> for ExportError {
    fn from(source: io::Error) -> ExportError {
        output::failed(source)
    }
}

pub fn main(args: &Export) -> ExitCode {
    match export(args) {
        Ok(true) => ExitCode::from(exit::INCOMPLETE),
        Ok(false) => ExitCode::SUCCESS,
        Err(ExportError::Trace(error)) => trace_error(&error),
        // Whoever read as much as it wanted is no failure.
        Err(ExportError::Output { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error @ ExportError::Usage(_)) => {
            eprintln!("replay: {error}");
            ExitCode::from(exit::USAGE)
        }
        Err(error @ (ExportError::Output { .. } | ExportError::Sending(_))) => {
            eprintln!("replay: {error}");
            ExitCode::from(exit::SET_UP)
        }
    }
}

/// Whether the trace lacks its end.
fn export(args: &Export) -> Result<bool, ExportError> {
    let common = match &args.format {
        Format::Otlp(args) => &args.common,
        Format::Chrome(args)
        | Format::Pcapng(args)
        | Format::Shiviz(args)
        | Format::Jsonl(args) => &args.common,
    };
    let mut reader = Reader::open(&common.trace)?;
    let mut file = |to: &To, binary: bool, write: &mut Write<'_>| {
        let mut out = Output::create(&to.output, common.force, binary)?;
        let written = write(&mut reader, &mut out);
        out.finish(written)
    };
    match &args.format {
        Format::Otlp(args) => otlp::export(args, &mut reader)?,
        Format::Chrome(args) => file(&args.to, false, &mut |reader, out| {
            chrome::export(&common.decoding, reader, out)
        })?,
        Format::Pcapng(args) => {
            let mut hints = Vec::new();
            file(&args.to, true, &mut |reader, out| {
                hints = pcapng::export(&common.decoding, reader, out)?;
                Ok(())
            })?;
            pcapng::teach(&args.to.output, &hints);
        }
        Format::Shiviz(args) => file(&args.to, false, &mut |reader, out| {
            shiviz::export(&common.decoding, reader, out)
        })?,
        Format::Jsonl(args) => file(&args.to, false, &mut |reader, out| {
            jsonl::export(&common.decoding, reader, out)
        })?,
    }
    Ok(reader.is_cut())
}

type Write<'a> = dyn FnMut(&mut Reader, &mut Output) -> Result<(), ExportError> + 'a;
