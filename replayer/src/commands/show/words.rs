//! What lines say: facts, processes and bytes in words. Whatever comes from the trace is escaped.

use reenact_abi::names;
use reenact_causal::{
    Address, Bytes, Channel, ConnectionId, Connections, Moment, Peer, Side, Standard, Story,
};
use reenact_trace::StreamId;
use reenact_wire::{escape, Completeness, Direction};
use serde_json::{json, Map, Value};

use super::line::{Line, What};

/// Characters of a program's arguments, and of what is written to the run's outputs.
pub const TEXT_MAX: usize = 200;

/// Whether protocols are spoken over a channel; what goes through pipes is text or files.
pub fn has_protocol(channel: Channel) -> bool {
    match channel {
        Channel::Tcp | Channel::Unix | Channel::Socket => true,
        Channel::Udp | Channel::UnixMessages | Channel::Pipe | Channel::Fifo => false,
        Channel::Unknown => false,
    }
}

pub fn direction(from: Side) -> Direction {
    match from {
        Side::Zero => Direction::ToServer,
        Side::One => Direction::ToClient,
    }
}

pub fn main_of(story: &Story, process: u32) -> StreamId {
    let process = story.process(process);
    process.map_or(StreamId::default(), |process| process.main)
}

/// A process as it is called in lines: its program's name and its number.
pub fn name(story: &Story, process: u32) -> String {
    let known = story.process(process);
    let name = known.map_or(&b""[..], |process| &process.name);
    if name.is_empty() {
        format!("process[{process}]")
    } else {
        format!("{}[{process}]", escape(name))
    }
}

pub fn note(
    story: &Story,
    moment: &Moment,
    kind: &'static str,
    text: String,
    more: Map<String, Value>,
) -> Line {
    let process = moment.event.stream.process;
    Line {
        time_ns: moment.time_ns,
        told_ns: moment.time_ns,
        event: moment.event,
        place: moment.place,
        main: main_of(story, process),
        who: name(story, process),
        what: What::Note { kind, text },
        body: None,
        more,
    }
}

pub fn standard(story: &Story, moment: &Moment, which: Standard, bytes: &Bytes) -> Line {
    let verb = match which {
        Standard::Input => "reads stdin",
        Standard::Output => "writes stdout",
        Standard::Error => "writes stderr",
    };
    let text = format!("{verb}: {}", raw(bytes));
    let mut line = note(story, moment, which.name(), text, Map::new());
    line.more.insert("bytes".into(), json!(bytes.len));
    line.more.insert("data".into(), json!(lossy(&bytes.known)));
    line
}

pub fn opened(story: &Story, moment: &Moment, connection: ConnectionId, side: Side) -> Line {
    let connections: &Connections = story.connections();
    let known = connections.get(connection);
    let there = connections.peer(connection, side.other());
    let address = known.ends[1].address.as_ref().map(Address::to_string);
    let at = address.map_or(String::new(), |address| format!(" at {address}"));
    let text = match (side, there) {
        (Side::Zero, Peer::Process(process)) => {
            format!("connects to {}{at}", name(story, process))
        }
        (Side::Zero, Peer::Outside(_)) => format!("connects to somebody outside{at}"),
        (Side::One, Peer::Process(process)) => format!("accepts {}{at}", name(story, process)),
        (Side::One, Peer::Outside(address)) => {
            let from = address.map_or(String::new(), |address| format!(" from {address}"));
            format!("accepts somebody outside{from}")
        }
    };
    let kind = match side {
        Side::Zero => "connect",
        Side::One => "accept",
    };
    let mut line = note(story, moment, kind, text, Map::new());
    line.more.insert("connection".into(), json!(connection.0));
    line.more
        .insert("channel".into(), json!(known.channel.name()));
    line
}

/// `peer`: who is at the other end.
pub fn closed(
    story: &Story,
    moment: &Moment,
    connection: ConnectionId,
    peer: &str,
) -> Option<Line> {
    let known = story.connections().get(connection);
    let [there, back] = &known.streams;
    let used = [there, back]
        .iter()
        .any(|way| way.sent.max(way.received) > 0);
    let own = known.ends[0].process == known.ends[1].process;
    if !has_protocol(known.channel) || own && !used {
        return None;
    }
    let text = format!("closes the connection with {peer}");
    let mut line = note(story, moment, "close", text, Map::new());
    line.more.insert("connection".into(), json!(connection.0));
    Some(line)
}

/// Somebody who is not in the recording.
pub fn outside(channel: Channel, address: Option<&Address>) -> String {
    match address {
        Some(address) => format!("outside {address}"),
        None => format!("outside ({})", channel.name()),
    }
}

pub fn trouble(completeness: &Completeness) -> Option<String> {
    match completeness {
        Completeness::Complete => None,
        Completeness::Cut { why } => Some(format!("cut: {why}")),
        Completeness::Damaged { at, why } => Some(format!("damaged at byte {at}: {why}")),
        Completeness::Skipped { why } => Some(format!("skipped: {why}")),
    }
}

/// Bytes that nothing is known of, as a quoted line.
pub fn raw(bytes: &Bytes) -> String {
    if bytes.known.is_empty() && bytes.len > 0 {
        return format!("({} bytes, which are not in the trace)", bytes.len);
    }
    let shown = &bytes.known[..bytes.known.len().min(TEXT_MAX)];
    let text = shortened(&escape(shown).replace('"', "\\\""), TEXT_MAX);
    if shown.len() as u64 == bytes.len {
        format!("\"{text}\"")
    } else {
        format!("\"{text}\"… {} bytes", bytes.len)
    }
}

/// A word as one would type it for a shell.
pub fn quoted(word: &[u8]) -> String {
    let text = escape(word);
    let plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "-_./=:,+@%".contains(c));
    if plain {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

pub fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max).chain(['…']).collect()
}

pub fn signal_name(signal: u32) -> String {
    match names::signal(signal.into()) {
        Some(name) => name.to_owned(),
        None => format!("signal {signal}"),
    }
}

pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
