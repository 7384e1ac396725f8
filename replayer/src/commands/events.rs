//! `replay events`: the raw events of a trace, one per line.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reenact_abi::event::Kind;
use reenact_trace::{Item, Mark, Reader};

use crate::commands::trace_error;
use crate::render;

#[derive(Args)]
pub struct Events {
    /// The trace.
    pub trace: PathBuf,
    /// Only this process.
    #[arg(short, long)]
    pub process: Option<u32>,
    /// Only what programs said about themselves.
    #[arg(long)]
    pub marks: bool,
    /// Also what each event carried.
    #[arg(long)]
    pub parts: bool,
}

pub fn main(args: &Events) -> ExitCode {
    let mut reader = match Reader::open(&args.trace) {
        Ok(reader) => reader,
        Err(error) => return trace_error(&error),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let walked = reader.for_each(&mut |item| {
        let done = match item {
            Item::Event { stream, seq, event }
                if args.process.is_none_or(|wanted| wanted == stream.process)
                    && (!args.marks || event.header.kind == Kind::Mark as u8) =>
            {
                let kind = Kind::from_u8(event.header.kind).map_or("unknown", Kind::name);
                let line = writeln!(
                    out,
                    "{:>4}/{:<4} {seq:>7} g{}:{} {kind:10} {}",
                    stream.process,
                    stream.task,
                    event.header.group,
                    event.header.order,
                    Mark::of(&event)
                        .map_or_else(|| render::header(&event.header), |mark| mark.to_string())
                );
                line.and_then(|()| {
                    if args.parts {
                        parts(&mut out, &event)
                    } else {
                        Ok(())
                    }
                })
            }
            Item::ProcessEnd(end)
                if args.process.is_none_or(|wanted| wanted == end.process) && !args.marks =>
            {
                writeln!(out, "{:>4}/{:<4} ends: {end:?}", end.process, end.task)
            }
            _ => Ok(()),
        };
        if done.is_err() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let _ = out.flush();
    match walked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => trace_error(&error),
    }
}

fn parts(out: &mut impl Write, event: &reenact_trace::Event) -> io::Result<()> {
    for part in &event.parts {
        let shown = render::bytes(&part.bytes, 64);
        writeln!(
            out,
            "{:32}{:?} {:#x}+{} content {} {shown}",
            "", part.role, part.addr, part.len, part.content
        )?;
    }
    Ok(())
}
