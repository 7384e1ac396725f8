//! `replay show`: the run as a story for people.

pub mod causes;
mod checksums;
mod connections;
pub mod line;
pub mod narrator;
mod output;
mod raw;
pub mod words;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use reenact_causal::{BadEventName, EventId, EventName, Story, Way};
use reenact_trace::{Reader, TraceError};
use reenact_wire::{Detail, Settings};
use regex::Regex;

use crate::cli::exit;
use crate::commands::trace_error;
use line::{Line, Looks, What};
use narrator::Narrator;
use output::Output;

/// Messages are told by their bytes, and some only after more of them: so many lines are held back, or
/// so much of the recording's time, to print them in the order of time.
const WINDOW_LINES: usize = 512;
const WINDOW_NS: u64 = 1_000_000_000;

/// Exit status where processes disagree about their checksums.
const DISAGREE: u8 = 1;

/// Tell what happened: who started what, who said what to whom, what failed.
#[derive(Args)]
#[command(after_help = "\
Each line has the seconds since the start, the event's name, the process and what it did:

     0.081344 p6:340      redis-cli[6] → redis-server[2]  SET key:1 \"xyz\"
     0.081690 p2:590      redis-server[2] → redis-cli[6]  +OK  (0.34 ms)

A process is called by its program and its number in the recording. An event is named p6:340 (process
6, its event 340), or p6.t7:12 for the process's further task 7; names can be typed back. A peer that was
not recorded is `outside ADDRESS`. The time behind a reply is since its request began.

Examples:
  replay show trace.zst                            all of it
  replay show --process redis-cli trace.zst        what concerns processes of that name
  replay show --process 6 --process 2 trace.zst    what concerns process 6 or 2
  replay show --protocol http trace.zst            only HTTP messages
  replay show --match 'timeout|refused' trace.zst  lines in which that stands
  replay show --from 0.5 --to 0.75 trace.zst       a quarter of a second
  replay show --connections trace.zst              who was connected to whom, and how much was said
  replay show --connection 3 trace.zst             what was said over connection 3 of that list
  replay show --causes-of p6:352 trace.zst         what led to an event, nearest first
  replay show --effects-of p2:590 trace.zst        what it led to
  replay show --checksums trace.zst                checksums of programs' states, and who disagrees
  replay show --raw --events p6:340..360 trace.zst its system calls 340 to 360
  replay show --json trace.zst | jq .text          one JSON object per line")]
pub struct Show {
    /// The trace.
    pub trace: PathBuf,
    /// Only lines of or to this process: its number, or its program's name. May be repeated.
    #[arg(short, long, value_name = "PROCESS")]
    pub process: Vec<String>,
    /// Only this connection, by its number in --connections. May be repeated.
    #[arg(long, value_name = "N", value_parser = connection_number)]
    pub connection: Vec<u32>,
    /// Only messages of this protocol (http, redis, raw, pipe, …). May be repeated.
    #[arg(long, value_name = "NAME")]
    pub protocol: Vec<String>,
    /// Only lines in which this regular expression is found.
    #[arg(short = 'e', long = "match", value_name = "REGEX")]
    pub text: Option<String>,
    /// Only from this second of the run on.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub from: Option<u64>,
    /// Only up to this second of the run.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub to: Option<u64>,
    /// Only these events of a task, such as p3:100..200.
    #[arg(long, value_name = "RANGE", value_parser = range)]
    pub events: Option<Range>,
    /// What led to an event, nearest first.
    #[arg(long, value_name = "EVENT", conflicts_with_all = ["effects_of", "raw", "connections"])]
    pub causes_of: Option<EventName>,
    /// What an event led to, nearest first.
    #[arg(long, value_name = "EVENT", conflicts_with_all = ["raw", "connections"])]
    pub effects_of: Option<EventName>,
    /// Most lines of causes or effects.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// System calls and other events instead of messages.
    #[arg(long, conflicts_with = "connections")]
    pub raw: bool,
    /// List the connections.
    #[arg(long)]
    pub connections: bool,
    /// List the checksums that programs told of their state, and say which processes disagree with
    /// others about one of the same name, and from where on: exit status 1 then.
    #[arg(long, conflicts_with_all = ["raw", "connections", "causes_of", "effects_of"])]
    pub checksums: bool,
    #[command(flatten)]
    pub decoding: Decoding,
    /// One JSON object per line, with all that messages say.
    #[arg(long)]
    pub json: bool,
    /// Colours: `auto` means on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Do not start a pager ($PAGER, or `less -R`) on a terminal.
    #[arg(long)]
    pub no_pager: bool,
}

/// How bytes are cut into messages.
#[derive(Args, Clone, Debug, Default)]
pub struct Decoding {
    /// Take all connections for this protocol, whatever they look like.
    #[arg(long, value_name = "NAME")]
    pub decode_as: Option<String>,
    /// Descriptors of protobuf messages, to decode gRPC by (protoc --include_imports --descriptor_set_out).
    #[arg(long, value_name = "FILE")]
    pub descriptors: Option<PathBuf>,
    /// Secrets of TLS sessions, as programs write them where SSLKEYLOGFILE says. What recorded programs
    /// wrote there themselves is used without this.
    #[arg(long, value_name = "FILE")]
    pub tls_keys: Option<PathBuf>,
}

impl Decoding {
    /// What makes lines. With `Detail::Full` these have all that messages say.
    pub fn narrator(&self, detail: Detail) -> Result<Narrator, ShowError> {
        let mut settings = Settings::default();
        settings.detail = detail;
        if let Some(path) = &self.descriptors {
            let unusable = |why: &dyn std::fmt::Display| {
                ShowError::Usage(format!("{}: {why}", path.display()))
            };
            let set = std::fs::read(path).map_err(|error| unusable(&error))?;
            let added = settings.add_descriptors(&set);
            added.map_err(|error| unusable(&error))?;
        }
        if let Some(path) = &self.tls_keys {
            let unusable = |why: &dyn std::fmt::Display| {
                ShowError::Usage(format!("{}: {why}", path.display()))
            };
            let log = std::fs::read(path).map_err(|error| unusable(&error))?;
            if settings.tls_keys.add_log(&log) == 0 {
                return Err(unusable(
                    &"there is no secret in the format of SSLKEYLOGFILE",
                ));
            }
        }
        Ok(Narrator::new(settings, self.decode_as.clone()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// Events of one task, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: EventName,
    pub last: u64,
}

fn range(text: &str) -> Result<Range, String> {
    let bad = "use a range such as p3:100..200";
    let (first, last) = text.split_once("..").ok_or(bad)?;
    Ok(Range {
        first: first
            .parse()
            .map_err(|error: BadEventName| error.to_string())?,
        last: last.parse().map_err(|_| bad)?,
    })
}

/// Seconds as nanoseconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let seconds: Option<f64> = text.strip_suffix('s').unwrap_or(text).parse().ok();
    let seconds = seconds.filter(|seconds| (0.0..1e9).contains(seconds));
    let seconds = seconds.ok_or("use seconds, such as 0.5")?;
    Ok((seconds * 1e9).round() as u64)
}

fn connection_number(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix('c').unwrap_or(text).parse();
    number.map_err(|_| "use a number of --connections, such as 3".to_owned())
}

/// Why there is nothing (more) to show.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Whoever reads the output has gone, or its file is full.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    Usage(String),
}

pub fn main(args: &Show) -> ExitCode {
    let mut reader = match Reader::open(&args.trace) {
        Ok(reader) => reader,
        Err(error) => return trace_error(&error),
    };
    let mut out = Output::new(args);
    let shown = show(args, &mut reader, &mut out);
    let finished = out.finish().map_err(ShowError::from);
    match shown.and_then(|agree| finished.map(|()| agree)) {
        Ok(false) => ExitCode::from(DISAGREE),
        Ok(true) if reader.is_cut() => ExitCode::from(exit::INCOMPLETE),
        Ok(true) => ExitCode::SUCCESS,
        // Whoever read as much as it wanted is no failure.
        Err(ShowError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(ShowError::Trace(error)) => trace_error(&error),
        Err(error @ ShowError::Output(_)) => {
            eprintln!("replay: {error}");
            ExitCode::from(exit::SET_UP)
        }
        Err(error @ ShowError::Usage(_)) => {
            eprintln!("replay: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// All that `--json` prints, without filters.
pub fn json_lines(
    decoding: &Decoding,
    reader: &mut Reader,
    out: &mut dyn Write,
) -> Result<(), ShowError> {
    let filter = Filter::none(Looks {
        colour: false,
        json: true,
        start_ns: reader.meta().mono_start_ns,
    });
    let narrator = decoding.narrator(Detail::Full)?;
    let mut out = Output::to(out);
    story(narrator, reader, &filter, &mut out)?;
    Ok(out.finish()?)
}

/// Whether those who should agree do.
fn show(args: &Show, reader: &mut Reader, out: &mut Output<'_>) -> Result<bool, ShowError> {
    let looks = Looks {
        colour: out.colour,
        json: args.json,
        start_ns: reader.meta().mono_start_ns,
    };
    let filter = Filter::new(args, reader, looks)?;
    if args.checksums {
        return checksums::show(reader, &filter, out);
    }
    if args.raw {
        raw::show(args, reader, &filter, out)?;
    } else if args.connections {
        connections::show(reader, &filter, out)?;
    } else if let Some(event) = args.causes_of {
        let event = resolve(event, reader)?;
        causes::show(args, reader, &filter, event, Way::Causes, out)?;
    } else if let Some(event) = args.effects_of {
        let event = resolve(event, reader)?;
        causes::show(args, reader, &filter, event, Way::Effects, out)?;
    } else {
        story(narrator(args)?, reader, &filter, out)?;
    }
    Ok(true)
}

fn resolve(name: EventName, reader: &Reader) -> Result<EventId, ShowError> {
    let streams = reader.streams().into_iter().map(|info| info.stream);
    let event = name.resolve(streams);
    event.ok_or_else(|| {
        let task = name.task.map_or(String::new(), |task| format!(".t{task}"));
        ShowError::Usage(format!("there is no p{}{task} in this trace", name.process))
    })
}

fn narrator(args: &Show) -> Result<Narrator, ShowError> {
    let detail = if args.json {
        Detail::Full
    } else {
        Detail::Summaries
    };
    args.decoding.narrator(detail)
}

/// Lines that are held back until they can be told in the order of time.
#[derive(Default)]
pub struct Window {
    lines: BTreeMap<(u64, u64), Line>,
    count: u64,
}

impl Window {
    pub fn add(&mut self, line: Line) {
        self.lines.insert((line.told_ns, self.count), line);
        self.count += 1;
    }

    /// The next line, if nothing that is told later can come before it. `now_ns` is the time that the
    /// story has come to; `None` at its end.
    pub fn next(&mut self, now_ns: Option<u64>) -> Option<Line> {
        let first = self.lines.first_entry()?;
        let old = now_ns.is_none_or(|now_ns| first.key().0.saturating_add(WINDOW_NS) < now_ns);
        if !old && self.lines.len() <= WINDOW_LINES {
            return None;
        }
        self.lines.pop_first().map(|(_, line)| line)
    }
}

/// The story from its beginning, while the trace is being read.
fn story(
    mut narrator: Narrator,
    reader: &mut Reader,
    filter: &Filter,
    out: &mut Output<'_>,
) -> Result<(), ShowError> {
    let mut story = Story::new(reader);
    let mut window = Window::default();
    let mut fresh = Vec::new();
    loop {
        let moment = story.next(reader)?;
        let end = moment
            .as_ref()
            .is_none_or(|moment| filter.is_past(moment.time_ns));
        match &moment {
            Some(moment) => narrator.take(&story, moment, &mut fresh),
            None => narrator.finish(&mut fresh),
        }
        fresh.drain(..).for_each(|line| window.add(line));
        let now_ns = moment.map(|moment| moment.time_ns).filter(|_| !end);
        while let Some(line) = window.next(now_ns) {
            filter.print(&story, &narrator, &line, out)?;
        }
        if end {
            return Ok(());
        }
    }
}

/// What of the story is wanted.
pub struct Filter {
    pub looks: Looks,
    processes: Vec<String>,
    connections: Vec<u32>,
    protocols: Vec<String>,
    text: Option<Regex>,
    from_ns: u64,
    to_ns: u64,
    events: Option<(EventId, u64)>,
}

impl Filter {
    /// Everything is wanted.
    fn none(looks: Looks) -> Filter {
        Filter {
            looks,
            processes: Vec::new(),
            connections: Vec::new(),
            protocols: Vec::new(),
            text: None,
            from_ns: 0,
            to_ns: u64::MAX,
            events: None,
        }
    }

    fn new(args: &Show, reader: &Reader, looks: Looks) -> Result<Filter, ShowError> {
        let text = args.text.as_ref().map(|text| Regex::new(text)).transpose();
        let text = text.map_err(|error| ShowError::Usage(error.to_string()))?;
        let events = args.events.map(|range| {
            let first = resolve(range.first, reader)?;
            Ok::<_, ShowError>((first, range.last))
        });
        let at = |ns: u64| looks.start_ns.saturating_add(ns);
        Ok(Filter {
            looks,
            processes: args.process.clone(),
            connections: args.connection.clone(),
            protocols: args.protocol.clone(),
            text,
            from_ns: args.from.map_or(0, at),
            to_ns: args.to.map_or(u64::MAX, at),
            events: events.transpose()?,
        })
    }

    /// Whether nothing from this time on is wanted.
    fn is_past(&self, time_ns: u64) -> bool {
        time_ns.saturating_sub(WINDOW_NS) > self.to_ns
    }

    pub fn wants_time(&self, time_ns: u64) -> bool {
        (self.from_ns..=self.to_ns).contains(&time_ns)
    }

    pub fn wants_event(&self, event: EventId) -> bool {
        self.events.is_none_or(|(first, last)| {
            event.stream == first.stream && (first.seq..=last).contains(&event.seq)
        })
    }

    /// A process by its number, or by its name as lines have it, with or without the number behind.
    pub fn wants_process(&self, number: u32, name: &str) -> bool {
        self.processes.is_empty()
            || self.processes.iter().any(|wanted| {
                let number = number.to_string();
                *wanted == number
                    || wanted.strip_prefix('p') == Some(&number)
                    || wanted == name
                    || name.strip_suffix(&format!("[{number}]")) == Some(wanted)
            })
    }

    pub fn wants_text(&self, text: &str) -> bool {
        self.text.as_ref().is_none_or(|regex| regex.is_match(text))
    }

    fn wants(&self, line: &Line, peer: &str, peer_number: Option<u32>) -> bool {
        if !self.wants_time(line.time_ns) || !self.wants_event(line.event) {
            return false;
        }
        let there = peer_number.is_some_and(|number| self.wants_process(number, peer));
        if !there && !self.wants_process(line.event.stream.process, &line.who) {
            return false;
        }
        let (connection, protocol) = match &line.what {
            What::Message {
                connection,
                protocol,
                ..
            } => (Some(u64::from(connection.0)), Some(*protocol)),
            What::Note { .. } => (line.more.get("connection").and_then(|n| n.as_u64()), None),
        };
        let of_connection = |wanted: &u32| Some(u64::from(*wanted)) == connection;
        let of_protocol = |wanted: &String| {
            protocol.is_some_and(|name| name == wanted || name.starts_with(&format!("{wanted}/")))
        };
        (self.connections.is_empty() || self.connections.iter().any(of_connection))
            && (self.protocols.is_empty() || self.protocols.iter().any(of_protocol))
            && self.wants_text(&line.plain(peer))
    }

    /// Writes a line, if it is wanted; whether it was.
    pub fn print(
        &self,
        story: &Story,
        narrator: &Narrator,
        line: &Line,
        out: &mut Output<'_>,
    ) -> Result<bool, ShowError> {
        let peer = match &line.what {
            What::Message {
                connection,
                from,
                incoming,
                ..
            } => {
                let side = if *incoming { *from } else { from.other() };
                Some(narrator.peer(story, *connection, side))
            }
            What::Note { .. } => None,
        };
        let (name, value) = peer.unzip();
        let name = name.unwrap_or_default();
        let number = value.as_ref().and_then(|value| value.get("process"));
        let number = number.and_then(|number| number.as_u64());
        if !self.wants(
            line,
            &name,
            number.and_then(|number| u32::try_from(number).ok()),
        ) {
            return Ok(false);
        }
        let took_ns = narrator.took_ns(line);
        let text = if self.looks.json {
            line.json(&self.looks, value.as_ref(), took_ns)
        } else {
            line.text(&self.looks, &name, took_ns)
        };
        out.line(&text)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_times_are_as_people_type_them() {
        let range = range("p3:100..200").unwrap();
        assert_eq!((range.first.seq, range.last), (100, 200));
        for bad in ["", "p3:1", "3:1..2", "p3:1..", "p3:..2", "p3:1..-2"] {
            assert!(super::range(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("0.5"), Ok(500_000_000));
        assert_eq!(seconds("2s"), Ok(2_000_000_000));
        for bad in ["", "-1", "nan", "inf", "1e10", "x"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!(connection_number("c3"), Ok(3));
        assert!(connection_number("p3").is_err());
    }
}
