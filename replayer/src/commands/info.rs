//! `replay info`: what a trace holds, and whether it can be replayed here.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reenact_abi::mark;
use reenact_trace::{Item, Mark, Reader, TraceError};

use crate::cli::exit;
use crate::commands::trace_error;
use crate::run;

#[derive(Args)]
pub struct Info {
    /// The trace.
    pub trace: PathBuf,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn command(argv: &[Vec<u8>]) -> String {
    let quote = |arg: &Vec<u8>| {
        let arg = text(arg);
        let plain = !arg.is_empty()
            && arg
                .chars()
                .all(|c| c.is_alphanumeric() || "-_./=:,+@%".contains(c));
        if plain {
            arg
        } else {
            format!("'{}'", arg.replace('\'', "'\\''"))
        }
    };
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// How many marks of each kind the programs made, in the order of the kinds' numbers.
fn count_marks(reader: &mut Reader) -> Result<Vec<(mark::Mark, u64)>, TraceError> {
    let mut counts: Vec<(mark::Mark, u64)> =
        mark::Mark::ALL.iter().map(|kind| (*kind, 0)).collect();
    reader.for_each(&mut |item| {
        if let Item::Event { event, .. } = item {
            let kind = Mark::of(&event).map(|mark| mark.kind);
            for (counted, count) in &mut counts {
                *count += u64::from(kind == Some(*counted));
            }
        }
        ControlFlow::Continue(())
    })?;
    counts.retain(|(_, count)| *count != 0);
    Ok(counts)
}

/// `2 checksums, 1 note`.
fn counted(marks: &[(mark::Mark, u64)]) -> String {
    let each = |(kind, count): &(mark::Mark, u64)| {
        let plural = if *count == 1 { "" } else { "s" };
        format!("{count} {}{plural}", kind.name())
    };
    marks.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn seconds(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

pub fn main(args: &Info) -> ExitCode {
    let mut reader = match Reader::open(&args.trace) {
        Ok(reader) => reader,
        Err(error) => return trace_error(&error),
    };
    let meta = reader.meta().clone();
    let end = reader.end().cloned();
    let streams = reader.streams();
    let contents = reader.contents().len();
    let ends = match reader.process_ends() {
        Ok(ends) => ends,
        Err(error) => return trace_error(&error),
    };
    let content_bytes = match reader.content_share() {
        Ok(bytes) => bytes,
        Err(error) => return trace_error(&error),
    };
    let marks = match count_marks(&mut reader) {
        Ok(marks) => marks,
        Err(error) => return trace_error(&error),
    };
    let mut processes: Vec<u32> = streams.iter().map(|info| info.stream.process).collect();
    processes.dedup();
    let ended = match &end {
        None => "unknown: the end of the trace is missing".to_owned(),
        Some(end) => match (end.exit_code, end.signal) {
            (Some(code), _) => format!("exit status {code}"),
            (_, Some(signal)) => format!("signal {signal}"),
            _ => "unknown".to_owned(),
        },
    };
    let missing: Vec<String> = match &end {
        None => vec!["the recorder died, or the file was cut".to_owned()],
        Some(end) => end.reasons.clone(),
    };
    let here = run::cannot_replay_here();
    let uuid: String = meta.uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    if args.json {
        let value = serde_json::json!({
            "file": args.trace, "bytes": reader.file_size(), "recording": uuid, "tool": meta.tool_version,
            "command": meta.argv.iter().map(|arg| text(arg)).collect::<Vec<_>>(), "cwd": text(&meta.cwd),
            "host": meta.host, "kernel": meta.kernel, "cpu": meta.cpu, "uid": meta.uid,
            "started_unix_ns": meta.wall_start_ns,
            "duration_ns": end.as_ref().map(|end| end.mono_end_ns.saturating_sub(meta.mono_start_ns)),
            "exit_code": end.as_ref().and_then(|end| end.exit_code), "signal": end.as_ref().and_then(|end| end.signal),
            "processes": processes.len(), "tasks": streams.len(),
            "events": streams.iter().map(|info| info.events).sum::<u64>(), "contents": contents,
            "content_bytes": content_bytes,
            "marks": marks.iter().map(|(kind, count)| (kind.name().to_owned(), (*count).into()))
                .collect::<serde_json::Map<_, _>>(),
            "net": meta.net, "chaos": meta.chaos, "complete": end.as_ref().is_some_and(|end| end.complete) && !reader.is_cut(),
            "missing": missing, "replayable_here": here.is_none(), "why_not": here,
        });
        println!("{value}");
    } else {
        println!("command    {}", command(&meta.argv));
        println!("in         {}", text(&meta.cwd));
        println!(
            "on         {} (Linux {}, {}), uid {}",
            meta.host, meta.kernel, meta.cpu, meta.uid
        );
        println!(
            "started    {} (seconds since 1970, UTC)",
            seconds(meta.wall_start_ns)
        );
        if let Some(end) = &end {
            println!(
                "took       {} s",
                seconds(end.mono_end_ns.saturating_sub(meta.mono_start_ns))
            );
        }
        println!("ended      {ended}");
        println!("processes  {} ({} tasks)", processes.len(), streams.len());
        println!(
            "events     {}",
            streams.iter().map(|info| info.events).sum::<u64>()
        );
        if !marks.is_empty() {
            println!("marks      {}; see replay events --marks", counted(&marks));
        }
        println!(
            "file       {} bytes, {} frames; {content_bytes} bytes of these are {contents} file contents",
            reader.file_size(),
            reader.frames().len()
        );
        println!(
            "recording  {uuid}, by version {} through {}",
            meta.tool_version, meta.net
        );
        if let Some(seed) = meta.chaos {
            println!("chaos      seed {seed}");
        }
        let running = ends.iter().filter(|end| !end.complete).count();
        if running != 0 {
            println!("cut short  {running} task(s) went on after the recording, or were not recorded to their end");
        }
        println!(
            "complete   {}",
            if missing.is_empty() {
                "yes".to_owned()
            } else {
                format!("no: {}", missing.join("; "))
            }
        );
        println!(
            "replay     {}",
            here.as_deref()
                .map_or("possible here".to_owned(), |why| format!("not here: {why}"))
        );
    }
    if reader.is_cut() {
        ExitCode::from(exit::INCOMPLETE)
    } else {
        ExitCode::SUCCESS
    }
}
