//! One line of the story, as text for people or as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use reenact_causal::{ConnectionId, EventId, Place, Side};
use reenact_trace::StreamId;
use reenact_wire::{Kind, MessageId, Node, TraceParent};
use serde_json::{json, Map, Value};

/// A line that is still to be written: who receives a message may be known only a little later.
#[derive(Clone, Debug)]
pub struct Line {
    pub time_ns: u64,
    /// Where the line stands among others: a time that never goes back from a cause to its effect, as
    /// the times at which calls returned may.
    pub told_ns: u64,
    pub event: EventId,
    pub place: Place,
    /// The first task of the event's process, which its short name leaves out.
    pub main: StreamId,
    /// The process, with the name that it had then.
    pub who: String,
    pub what: What,
    /// All that a message says, where that is wanted.
    pub body: Option<Node>,
    /// Further fields for JSON.
    pub more: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub enum What {
    /// Something that a process did or that happened to it.
    Note { kind: &'static str, text: String },
    /// A message over a connection.
    Message {
        connection: ConnectionId,
        from: Side,
        /// Bytes of the direction that it spans.
        span: (u64, u64),
        protocol: &'static str,
        /// Escaped.
        text: String,
        /// When the request that it answers was sent.
        asked_ns: Option<u64>,
        /// When its last byte was.
        ended_ns: u64,
        /// Why the sender is not a recorded process: the message is known from who received it.
        incoming: bool,
        /// What is wrong with it, if something is.
        broken: Option<String>,
        /// What its decoder says besides; `None` of bytes that were not decoded.
        cut: Option<Cut>,
    },
}

/// A message as its decoder cut it out of the stream.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub id: MessageId,
    pub kind: Kind,
    /// The request that it answers.
    pub answers: Option<MessageId>,
    pub trace_parent: Option<TraceParent>,
}

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub struct Looks {
    pub colour: bool,
    pub json: bool,
    /// CLOCK_MONOTONIC nanoseconds of the recording's start.
    pub start_ns: u64,
}

impl Line {
    /// The event, as a person types it.
    pub fn event_name(&self) -> String {
        event_name(self.event, self.main)
    }

    /// `message`, or what kind of note it is.
    pub fn kind(&self) -> &'static str {
        match &self.what {
            What::Note { kind, .. } => kind,
            What::Message { .. } => "message",
        }
    }

    /// Whether the line should catch the eye.
    pub fn is_trouble(&self) -> bool {
        match &self.what {
            What::Note { kind, text } => match *kind {
                "fault" | "killed" | "gap" | "refused" | "unrecorded" => true,
                "exit" => !text.ends_with("status 0"),
                _ => false,
            },
            What::Message { broken, .. } => broken.is_some(),
        }
    }

    /// All that a person sees of it, for searching. `peer` is who is at the other end.
    pub fn plain(&self, peer: &str) -> String {
        let (arrow, text) = self.parts(peer, None);
        format!("{}{arrow} {text}", self.who)
    }

    fn parts(&self, peer: &str, took_ns: Option<u64>) -> (String, String) {
        match &self.what {
            What::Note { text, .. } => (String::new(), text.clone()),
            What::Message {
                text,
                incoming,
                broken,
                ..
            } => {
                let arrow = if *incoming { "←" } else { "→" };
                let mut text = text.clone();
                if let Some(took_ns) = took_ns {
                    let _ = write!(text, "  ({})", duration(took_ns));
                }
                if let Some(broken) = broken {
                    let _ = write!(text, "  [{broken}]");
                }
                (format!(" {arrow} {peer}"), text)
            }
        }
    }

    /// `took_ns`: how long the reply took, if it is one.
    pub fn text(&self, looks: &Looks, peer: &str, took_ns: Option<u64>) -> String {
        let (arrow, text) = self.parts(peer, took_ns);
        let time = seconds(self.time_ns.saturating_sub(looks.start_ns));
        let event = self.event_name();
        let who = format!("{}{arrow}", self.who);
        let paint = |style: Style, text: &str| paint(looks.colour, style, text);
        let dim = Style::new().dimmed();
        let name = Style::new().fg_color(Some(colour_of(self.event.stream.process).into()));
        let text = match &self.what {
            What::Note { .. } if self.is_trouble() => {
                paint(Style::new().fg_color(Some(AnsiColor::Red.into())), &text)
            }
            What::Note { .. } | What::Message { .. } => text,
        };
        format!(
            "{} {}  {}  {text}",
            paint(dim, &format!("{time:>12}")),
            paint(dim, &format!("{event:<10}")),
            paint(name, &who),
        )
    }

    pub fn json(&self, looks: &Looks, peer: Option<&Value>, took_ns: Option<u64>) -> String {
        let mut fields = Map::new();
        fields.insert("kind".into(), json!(self.kind()));
        let since = self.time_ns.saturating_sub(looks.start_ns);
        fields.insert("time_ns".into(), json!(since));
        fields.insert("event".into(), json!(self.event.to_string()));
        fields.insert("process".into(), json!(self.event.stream.process));
        fields.insert("who".into(), json!(self.who));
        match &self.what {
            What::Note { text, .. } => {
                fields.insert("text".into(), json!(text));
            }
            What::Message {
                connection,
                span,
                protocol,
                text,
                incoming,
                broken,
                ..
            } => {
                fields.insert("peer".into(), peer.cloned().unwrap_or(Value::Null));
                fields.insert("incoming".into(), json!(incoming));
                fields.insert("connection".into(), json!(connection.0));
                fields.insert("start".into(), json!(span.0));
                fields.insert("end".into(), json!(span.1));
                fields.insert("protocol".into(), json!(protocol));
                fields.insert("text".into(), json!(text));
                if let Some(took_ns) = took_ns {
                    fields.insert("took_ns".into(), json!(took_ns));
                }
                if let Some(broken) = broken {
                    fields.insert("broken".into(), json!(broken));
                }
            }
        }
        if let Some(body) = &self.body {
            fields.insert("body".into(), json!(body));
        }
        for (name, value) in &self.more {
            fields.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Value::Object(fields).to_string()
    }
}

pub fn paint(colour: bool, style: Style, text: &str) -> String {
    if colour {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

fn colour_of(process: u32) -> AnsiColor {
    const COLOURS: [AnsiColor; 6] = [
        AnsiColor::Cyan,
        AnsiColor::Green,
        AnsiColor::Yellow,
        AnsiColor::Magenta,
        AnsiColor::Blue,
        AnsiColor::BrightCyan,
    ];
    COLOURS[process as usize % COLOURS.len()]
}

/// `p3:120` for the first task of process 3, `p3.t5:120` for others.
pub fn event_name(event: EventId, main: StreamId) -> String {
    if event.stream == main {
        format!("p{}:{}", main.process, event.seq)
    } else {
        event.to_string()
    }
}

/// Seconds with microseconds.
pub fn seconds(ns: u64) -> String {
    format!("{}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000)
}

/// With a unit that leaves few digits.
pub fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{}.{} µs", ns / 1_000, ns / 100 % 10),
        1_000_000..1_000_000_000 => {
            format!("{}.{:02} ms", ns / 1_000_000, ns / 10_000 % 100)
        }
        _ => format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1000),
    }
}
