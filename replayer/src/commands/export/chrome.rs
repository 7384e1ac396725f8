//! The Trace Event Format of Chrome, which Perfetto and chrome://tracing open.
//!
//! A process of the run is a process, a task a thread. Each call that sent or received (a part of) a
//! message is a short slice on its task, and an arrow leads from the one to the other. A request and
//! its reply are a span of the process that asked, from the first byte sent to the last received, and
//! one of the process that answered; as many may overlap, these are asynchronous slices. Whatever else
//! `replay show` tells is an instant.
//!
//! Times are microseconds since the start of the recording.

use std::collections::BTreeSet;
use std::io::{self, Write};

use reenact_causal::Point;
use reenact_trace::{Reader, StreamId};
use reenact_wire::Detail;
use serde_json::{json, Map, Value};

use super::gather::{Exchange, Run, Said};
use super::output::Output;
use super::ExportError;
use crate::commands::show::line::What;
use crate::commands::show::words::{lossy, plain as name, shortened};
use crate::commands::show::Decoding;

/// Length of the slice of a call that moved a message, unless the call before it was nearer: what a
/// task did between two calls is not known, so the slice says only when the call returned.
const CALL_NS: u64 = 1_000;
/// Characters of a name.
const NAME_MAX: usize = 120;

pub fn export(
    decoding: &Decoding,
    reader: &mut Reader,
    out: &mut Output,
) -> Result<(), ExportError> {
    let meta = reader.meta().clone();
    let run = Run::gather(
        decoding,
        Detail::Summaries,
        reader,
        &mut |_| (),
        &mut |_, _| {},
    )?;
    let mut events = Events {
        out,
        start_ns: meta.mono_start_ns,
        first: true,
    };
    let about = json!({
        "command": meta.argv.iter().map(|word| lossy(word)).collect::<Vec<_>>(),
        "host": meta.host, "started_unix_ns": meta.wall_start_ns,
        "tool": concat!("Reenact ", env!("CARGO_PKG_VERSION")),
    });
    write!(
        events.out,
        "{{\"displayTimeUnit\":\"ns\",\"otherData\":{about},\"traceEvents\":["
    )?;
    names(&run, &mut events)?;
    for (at, said) in run.said.iter().enumerate() {
        message(&run, at, said, &mut events)?;
    }
    for (number, exchange) in run.exchanges.iter().enumerate() {
        exchanged(&run, number, exchange, &mut events)?;
    }
    for line in &run.notes {
        let What::Note { kind, text } = &line.what else {
            continue;
        };
        events.event(
            "i",
            kind,
            text,
            line.time_ns,
            line.event.stream,
            json!({ "s": "t", "args": { "event": line.event_name() } }),
        )?;
    }
    write!(events.out, "\n]}}\n")?;
    Ok(())
}

struct Events<'a> {
    out: &'a mut Output,
    start_ns: u64,
    first: bool,
}

impl Events<'_> {
    /// An event of a phase (`ph`), with more fields.
    fn event(
        &mut self,
        phase: &str,
        category: &str,
        name: &str,
        time_ns: u64,
        stream: StreamId,
        more: Value,
    ) -> io::Result<()> {
        let mut fields = Map::new();
        fields.insert("ph".into(), json!(phase));
        fields.insert("cat".into(), json!(category));
        fields.insert("name".into(), json!(shortened(name, NAME_MAX)));
        fields.insert("ts".into(), micros(time_ns.saturating_sub(self.start_ns)));
        fields.insert("pid".into(), json!(stream.process));
        fields.insert("tid".into(), json!(stream.task));
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        let between = if std::mem::take(&mut self.first) {
            "\n"
        } else {
            ",\n"
        };
        self.out.write_all(between.as_bytes())?;
        self.out
            .write_all(Value::Object(fields).to_string().as_bytes())
    }
}

/// Nanoseconds as microseconds, exactly as far as a double goes.
fn micros(ns: u64) -> Value {
    json!(ns as f64 / 1000.0)
}

/// What processes and threads are called.
fn names<T>(run: &Run<T>, events: &mut Events<'_>) -> io::Result<()> {
    let mut streams: BTreeSet<StreamId> = run.notes.iter().map(|line| line.event.stream).collect();
    for said in &run.said {
        let points = [said.sent(), said.received()];
        let points = points.into_iter().flatten();
        streams.extend(points.map(|(first, _)| first.event.stream));
        streams.insert(said.line.event.stream);
    }
    let mut before = None;
    for stream in streams {
        let Some(process) = run.story.process(stream.process) else {
            continue;
        };
        if before.replace(stream.process) != Some(stream.process) {
            let words = process.argv.iter().map(|word| lossy(word));
            let words = shortened(&words.collect::<Vec<_>>().join(" "), NAME_MAX);
            let start = events.start_ns;
            let all = [
                (
                    "process_name",
                    json!({ "name": name(&run.story, stream.process) }),
                ),
                (
                    "process_labels",
                    json!({ "labels": format!("pid {}: {words}", process.pid) }),
                ),
                (
                    "process_sort_index",
                    json!({ "sort_index": stream.process }),
                ),
            ];
            for (what, args) in all {
                events.event("M", "", what, start, process.main, json!({ "args": args }))?;
            }
        }
        let text = match stream == process.main {
            true => "main".to_owned(),
            false => format!("task {}", stream.task),
        };
        let args = json!({ "args": { "name": text } });
        events.event("M", "", "thread_name", events.start_ns, stream, args)?;
    }
    Ok(())
}

/// Slices of the calls that sent and received a message, and the arrow between them.
fn message<T>(run: &Run<T>, at: usize, said: &Said<T>, events: &mut Events<'_>) -> io::Result<()> {
    let ends = [
        said.sent().map(|sent| sent.0),
        said.received().map(|got| got.1),
    ];
    for (verb, point) in ["sends", "receives"].into_iter().zip(ends) {
        let Some(point) = point else { continue };
        let (begin_ns, took_ns) = slice(&point);
        let name = format!("{verb} {}", said.text);
        let args = json!({
            "event": run.event_name(&point), "text": said.text, "protocol": said.protocol,
            "connection": said.connection.0, "bytes": said.span.1.saturating_sub(said.span.0),
            "broken": said.broken,
        });
        let more = json!({ "dur": micros(took_ns), "args": args });
        events.event(
            "X",
            said.protocol,
            &name,
            begin_ns,
            point.event.stream,
            more,
        )?;
    }
    if let [Some(sent), Some(received)] = ends {
        // An arrow begins and ends within its slices, and not before it began.
        let from_ns = slice(&sent).0;
        let to_ns = received.time_ns.max(from_ns);
        let id = json!({ "id": at });
        events.event("s", "message", "message", from_ns, sent.event.stream, id)?;
        let id = json!({ "id": at, "bp": "e" });
        events.event("f", "message", "message", to_ns, received.event.stream, id)?;
    }
    Ok(())
}

/// When the slice of a call begins, and how long it is.
fn slice(point: &Point) -> (u64, u64) {
    let since_ns = point.since.map_or(0, |(_, time_ns)| time_ns);
    let took_ns = CALL_NS.min(point.time_ns.saturating_sub(since_ns));
    (point.time_ns - took_ns, took_ns)
}

/// The time that a request took, as the process that asked saw it, and the one that answered.
fn exchanged<T>(
    run: &Run<T>,
    number: usize,
    exchange: &Exchange,
    events: &mut Events<'_>,
) -> io::Result<()> {
    let request = &run.said[exchange.request];
    let reply = exchange.reply.map(|reply| &run.said[reply]);
    let asked = request.sent().map(|(first, _)| first);
    let answered = reply
        .and_then(|reply| reply.received())
        .map(|(_, last)| last);
    let got = request.received().map(|(_, last)| last);
    let replied = reply.and_then(|reply| reply.sent()).map(|(_, last)| last);
    let sides = [("client", asked, answered), ("server", got, replied)];
    for (side, begin, end) in sides {
        let Some(begin) = begin else { continue };
        // A request without an answer is told, and takes no time.
        let end_ns = end.map_or(begin.time_ns, |end| end.time_ns.max(begin.time_ns));
        let id = json!({ "local": format!("{side} {number}") });
        let args = json!({
            "event": run.event_name(&begin), "request": request.text,
            "reply": reply.map(|reply| &reply.text), "connection": request.connection.0,
        });
        let stream = begin.event.stream;
        let category = format!("{},{side}", request.protocol);
        let more = json!({ "id2": id, "args": args });
        events.event("b", &category, &request.text, begin.time_ns, stream, more)?;
        let more = json!({ "id2": id });
        events.event("e", &category, &request.text, end_ns, stream, more)?;
    }
    Ok(())
}
