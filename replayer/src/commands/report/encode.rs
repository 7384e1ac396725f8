//! A picture as the bytes that a page holds: columns of small numbers and two long texts behind a
//! header that describes them, deflated and in base64. `data.js` reads them.
//!
//! ```text
//! u32 little-endian    length of the header
//! header               JSON: tables, and the names, counts and lengths of columns in their order
//! columns              LEB128 numbers; in a `delta` column, zigzag differences to the one before
//! texts, payloads      UTF-8; their columns have lengths in UTF-16 units, as JavaScript counts
//! ```

use std::io::{self, Write};

use base64::prelude::{Engine, BASE64_STANDARD};
use flate2::write::DeflateEncoder;
use flate2::Compression;
use reenact_causal::{EventId, Side};
use reenact_trace::StreamId;
use rustc_hash::FxHashMap;
use serde_json::{json, Value};

use super::gather::{Item, Next, Other, Picture, Walk};

/// Between texts, so that nothing is found across two of them.
const SEPARATOR: char = '\n';

mod flags {
    pub const TROUBLE: u64 = 1;
    pub const INCOMING: u64 = 2;
    pub const FROM_ONE: u64 = 4;
}

/// Packs a value alone, as a picture without columns.
pub fn pack_json(value: &Value) -> io::Result<String> {
    pack(value, &[], "", "")
}

/// `file`: the trace as it is typed behind `replay show`.
pub fn pack_picture(picture: &Picture, file: &str) -> io::Result<String> {
    let mut columns = Columns::default();
    let mut tables = Tables::default();
    let items = &picture.items;
    let since = |ns: u64| ns.saturating_sub(picture.start_ns);
    columns.delta("told", items.iter().map(|item| since(item.told_ns)));
    // Numbers of a damaged trace may be any.
    let difference = |a: u64, b: u64| a.wrapping_sub(b) as i64;
    let early = items.iter();
    columns.signed(
        "early",
        early.map(|item| difference(item.told_ns, item.time_ns)),
    );
    let streams: Vec<u64> = items
        .iter()
        .map(|item| tables.stream(item.event.stream))
        .collect();
    columns.plain("stream", streams.into_iter());
    columns.delta("seq", items.iter().map(|item| item.event.seq));
    let kinds: Vec<u64> = items.iter().map(|item| tables.kind(item.kind)).collect();
    columns.plain("kind", kinds.into_iter());
    columns.plain("flags", items.iter().map(flags_of));
    let others: Vec<u64> = items.iter().map(|item| tables.other(&item.other)).collect();
    columns.plain("other", others.into_iter());
    let connection = |item: &Item| item.said.map_or(0, |said| u64::from(said.connection.0) + 1);
    columns.plain("connection", items.iter().map(connection));
    let protocols: Vec<u64> = items
        .iter()
        .map(|item| item.said.map_or(0, |said| tables.protocol(said.protocol)))
        .collect();
    columns.plain("protocol", protocols.into_iter());
    let received: Vec<(u64, u64, i64)> = items
        .iter()
        .map(|item| match item.received {
            None => (0, 0, 0),
            Some((EventId { stream, seq }, time_ns)) => {
                let later = difference(time_ns, item.told_ns);
                (tables.stream(stream) + 1, seq, later)
            }
        })
        .collect();
    columns.plain("receiver", received.iter().map(|(stream, ..)| *stream));
    columns.delta("receivedSeq", received.iter().map(|(_, seq, _)| *seq));
    columns.signed("receivedLater", received.iter().map(|(.., later)| *later));
    let took = items
        .iter()
        .map(|item| item.took_ns.map_or(0, |ns| ns.saturating_add(1)));
    columns.plain("took", took);
    let answers = items.iter().enumerate();
    let answers = answers.map(|(at, item)| item.answers.map_or(0, |request| (at - request) as u64));
    columns.plain("answers", answers);
    let broken: Vec<u64> = items
        .iter()
        .map(|item| item.broken.as_ref().map_or(0, |why| tables.word(why) + 1))
        .collect();
    columns.plain("broken", broken.into_iter());
    columns.delta("causes", items.iter().map(|item| number(item.causes)));
    columns.delta("effects", items.iter().map(|item| number(item.effects)));
    columns.plain("atOnce", items.iter().map(|item| item.at_once.len() as u64));
    let at_once = items.iter().flat_map(|item| &item.at_once);
    columns.delta("atOnceLinks", at_once.map(|link| u64::from(*link)));
    let links = &picture.links;
    columns.plain(
        "linkItems",
        links.iter().map(|link| link.items.len() as u64),
    );
    let told = links.iter().flat_map(|link| &link.items);
    columns.delta("linkItemsAll", told.map(|at| *at as u64));
    columns.delta("linkBack", links.iter().map(|link| number(link.back)));
    columns.delta("linkOn", links.iter().map(|link| number(link.on)));
    for (walk, link, beside) in [
        (&picture.causes, "causeLink", "causeBeside"),
        (&picture.effects, "effectLink", "effectBeside"),
    ] {
        let walk: &Walk = walk;
        columns.delta(link, walk.iter().map(|(link, _)| u64::from(*link)));
        columns.delta(beside, walk.iter().map(|(_, next)| number(*next)));
    }
    let texts = columns.texts("text", items.iter().map(|item| item.text.as_str()));
    let payloads = columns.texts("payload", items.iter().map(|item| item.payload.as_str()));
    let header = json!({
        "file": file,
        "command": picture.command,
        "ended": picture.ended,
        "failed": picture.failed,
        "startedUnixNs": picture.wall_start_ns.to_string(),
        "durationNs": since(picture.end_ns),
        "incomplete": picture.incomplete,
        "leftOut": {
            "before": picture.left_out.before, "after": picture.left_out.after,
            "payloads": picture.left_out.payloads, "links": picture.left_out.links,
            "processes": picture.left_out.processes, "connections": picture.left_out.connections,
        },
        "processes": picture.processes.iter().map(|process| json!([
            process.number, process.parent, process.pid, process.name, process.command,
            since(process.started_ns), process.ended_ns.map(since), process.end, process.is_trouble,
        ])).collect::<Vec<_>>(),
        "connections": picture.connections.iter().map(|connection| json!([
            connection.number, connection.channel, connection.ends[0], connection.ends[1], connection.lines,
        ])).collect::<Vec<_>>(),
        "streams": tables.streams.iter().map(|stream| {
            let process = picture.processes.binary_search_by_key(&stream.process, |process| process.number);
            let main = process.is_ok_and(|at| picture.processes[at].main == stream.task);
            json!([stream.process, stream.task, main])
        }).collect::<Vec<_>>(),
        "kinds": tables.kinds,
        "protocols": tables.protocols,
        "outsiders": tables.outsiders,
        "words": tables.words,
        "columns": columns.described,
        "texts": texts.len(),
    });
    pack(&header, &columns.bytes, &texts, &payloads)
}

fn pack(header: &Value, columns: &[u8], texts: &str, payloads: &str) -> io::Result<String> {
    let header = header.to_string();
    let len = u32::try_from(header.len()).map_err(io::Error::other)?;
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::new(6));
    deflate.write_all(&len.to_le_bytes())?;
    for part in [
        header.as_bytes(),
        columns,
        texts.as_bytes(),
        payloads.as_bytes(),
    ] {
        deflate.write_all(part)?;
    }
    Ok(BASE64_STANDARD.encode(deflate.finish()?))
}

fn flags_of(item: &Item) -> u64 {
    let mut all = u64::from(item.is_trouble) * flags::TROUBLE;
    if let Some(said) = item.said {
        all |= u64::from(said.incoming) * flags::INCOMING;
        all |= u64::from(said.from == Side::One) * flags::FROM_ONE;
    }
    all
}

fn number(next: Next) -> u64 {
    match next {
        Next::None => 0,
        Next::LeftOut => 1,
        Next::Step(step) => u64::from(step) + 2,
    }
}

/// What columns refer to by numbers.
#[derive(Default)]
struct Tables {
    streams: Vec<StreamId>,
    stream_numbers: FxHashMap<StreamId, u64>,
    kinds: Vec<&'static str>,
    protocols: Vec<&'static str>,
    outsiders: Vec<String>,
    outsider_numbers: FxHashMap<String, u64>,
    words: Vec<String>,
}

impl Tables {
    fn stream(&mut self, stream: StreamId) -> u64 {
        let next = self.streams.len() as u64;
        let number = *self.stream_numbers.entry(stream).or_insert(next);
        if number == next {
            self.streams.push(stream);
        }
        number
    }

    fn kind(&mut self, kind: &'static str) -> u64 {
        position(&mut self.kinds, kind)
    }

    fn protocol(&mut self, protocol: &'static str) -> u64 {
        position(&mut self.protocols, protocol) + 1
    }

    fn word(&mut self, word: &str) -> u64 {
        let known = self.words.iter().position(|known| known == word);
        let at = known.unwrap_or_else(|| {
            self.words.push(word.to_owned());
            self.words.len() - 1
        });
        at as u64
    }

    fn other(&mut self, other: &Other) -> u64 {
        match other {
            Other::Nobody => 0,
            Other::Process(process) => u64::from(*process) * 2 + 2,
            Other::Outside(name) => {
                let next = self.outsiders.len() as u64;
                let number = *self.outsider_numbers.entry(name.clone()).or_insert(next);
                if number == next {
                    self.outsiders.push(name.clone());
                }
                number * 2 + 3
            }
        }
    }
}

fn position(list: &mut Vec<&'static str>, word: &'static str) -> u64 {
    let known = list.iter().position(|known| *known == word);
    let at = known.unwrap_or_else(|| {
        list.push(word);
        list.len() - 1
    });
    at as u64
}

#[derive(Default)]
struct Columns {
    bytes: Vec<u8>,
    described: Vec<Value>,
}

impl Columns {
    fn plain(&mut self, name: &str, values: impl Iterator<Item = u64>) {
        self.column(name, "plain", values);
    }

    fn signed(&mut self, name: &str, values: impl Iterator<Item = i64>) {
        self.column(name, "signed", values.map(zigzag));
    }

    fn delta(&mut self, name: &str, values: impl Iterator<Item = u64>) {
        let mut before = 0u64;
        let differences = values.map(|value| {
            let difference = value.wrapping_sub(before) as i64;
            before = value;
            zigzag(difference)
        });
        self.column(name, "delta", differences);
    }

    fn column(&mut self, name: &str, how: &str, values: impl Iterator<Item = u64>) {
        let mut count = 0u64;
        for value in values {
            leb128(value, &mut self.bytes);
            count += 1;
        }
        self.described.push(json!([name, how, count]));
    }

    /// All texts one behind the other, and a column of their lengths.
    fn texts<'a>(&mut self, name: &str, texts: impl Iterator<Item = &'a str>) -> String {
        let mut all = String::new();
        let lengths: Vec<u64> = texts
            .map(|text| {
                all.push_str(text);
                all.push(SEPARATOR);
                text.encode_utf16().count() as u64
            })
            .collect();
        self.plain(name, lengths.into_iter());
        all
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn leb128(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
