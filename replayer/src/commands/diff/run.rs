//! One of the two runs, as it is compared: processes, what was said, and what else came from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reenact_causal::{Bytes, Channel, Ended, Fact, Model, Moment, Place, Point};
use reenact_causal::{ConnectionId, Peer, Side, Story};
use reenact_trace::{Reader, TraceError};
use reenact_wire::{escape, Blob, Node, Settings, RAW};
use rustc_hash::FxHashMap;

use super::inputs::{self, Inputs};
use crate::commands::show::line::{event_name, Line, What};
use crate::commands::show::narrator::Narrator;
use crate::commands::show::words;

/// Bytes of one direction that are kept to be compared as text; of what follows, the hash is.
const BYTES_MAX: usize = 4 << 20;
/// And of all directions together.
const ALL_BYTES_MAX: usize = 512 << 20;
/// Characters that are shown of what a message carries.
const CONTENT_MAX: usize = 60;
/// Bytes of a line.
const LINE_MAX: usize = 8192;

/// A place in a run that people can look at.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    pub point: Point,
    /// As `replay show` takes it.
    pub event: String,
    pub who: String,
}

/// Something that was said.
#[derive(Clone, Debug)]
pub struct Item {
    pub sight: Sight,
    /// Who received it, and where it had been received as a whole.
    pub received: Option<Sight>,
    pub protocol: &'static str,
    pub text: String,
    pub body: Node,
}

/// A connection, a pipe, or one of the run's outputs.
#[derive(Clone, Debug)]
pub struct Talk {
    pub channel: &'static str,
    /// The recorded processes at both ends.
    pub ends: [Option<u32>; 2],
    /// Of an end outside, its address without what differs between runs.
    pub names: [String; 2],
    /// What was said from each side.
    pub lanes: [Vec<Item>; 2],
}

#[derive(Clone, Debug, Default)]
pub struct Process {
    pub number: u32,
    pub parent: Option<u32>,
    pub name: String,
    pub argv: Vec<String>,
    pub start: Sight,
    pub end: Option<(Ended, Sight)>,
    /// What else happened: connections refused, signals, faults.
    pub notes: Vec<(String, Sight)>,
    pub inputs: Inputs,
}

/// A run, read.
pub struct Run {
    pub start_ns: u64,
    pub processes: BTreeMap<u32, Process>,
    pub talks: Vec<Talk>,
    pub model: Model,
    pub ports: BTreeSet<u64>,
    pub pids: BTreeSet<u64>,
    pub is_cut: bool,
}

impl Run {
    pub fn open(path: &Path) -> Result<Run, TraceError> {
        let mut reader = Reader::open(path)?;
        let mut story = Story::new(&reader);
        let mut gatherer = Gatherer {
            narrator: Narrator::new(Settings::default(), None),
            lines: Vec::new(),
            fresh: Vec::new(),
            streams: BTreeMap::new(),
            kept: 0,
            processes: BTreeMap::new(),
            pids: BTreeSet::new(),
        };
        let model = Model::read(&mut reader, &mut story, &mut |story, moment| {
            gatherer.take(story, moment);
        })?;
        gatherer.finish();
        let parents = story.processes().iter();
        let parents = parents.filter_map(|(number, process)| Some((*number, process.parent?)));
        let inputs = inputs::read(&mut reader, parents.collect())?;
        Ok(gatherer.run(&reader, &story, model, inputs))
    }

    pub fn name(&self, process: u32) -> String {
        match self.processes.get(&process) {
            Some(known) => format!("{}[{process}]", known.name),
            None => format!("process[{process}]"),
        }
    }

    pub fn happens_before(&self, a: Place, b: Place) -> bool {
        self.model.causality().happens_before(a, b)
    }
}

/// Where bytes that no protocol was told of belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Connection(ConnectionId, Side),
    /// One of the run's outputs, of a process.
    Output(u32, &'static str),
}

/// Bytes of one way, by where they begin.
#[derive(Default)]
struct Pieces {
    sent: Vec<Piece>,
    received: Vec<Piece>,
    /// For outputs: bytes so far.
    len: u64,
}

struct Piece {
    start: u64,
    bytes: Bytes,
    sight: Sight,
}

struct Gatherer {
    narrator: Narrator,
    lines: Vec<Line>,
    fresh: Vec<Line>,
    streams: BTreeMap<Way, Pieces>,
    kept: usize,
    processes: BTreeMap<u32, Process>,
    pids: BTreeSet<u64>,
}

fn sight(story: &Story, moment: &Moment) -> Sight {
    let process = moment.event.stream.process;
    Sight {
        point: Point {
            event: moment.event,
            place: moment.place,
            time_ns: moment.time_ns,
            since: moment.since,
        },
        event: event_name(moment.event, words::main_of(story, process)),
        who: words::name(story, process),
    }
}

impl Gatherer {
    fn take(&mut self, story: &Story, moment: &Moment) {
        self.narrator.take(story, moment, &mut self.fresh);
        let messages = self.fresh.drain(..).filter(|line| match &line.what {
            // What no decoder made has no body, and is gathered as bytes.
            What::Message { protocol, .. } => *protocol != RAW && line.body.is_some(),
            What::Note { .. } => false,
        });
        self.lines.extend(messages);
        let here = || sight(story, moment);
        let process = self
            .processes
            .entry(moment.event.stream.process)
            .or_default();
        if process.start.event.is_empty() {
            process.start = here();
        }
        match &moment.fact {
            Fact::Start { pid, .. } => {
                self.pids.insert(pid.unsigned_abs());
            }
            Fact::Exec { .. } => process.start = here(),
            Fact::End { how, .. } => process.end = Some((*how, here())),
            Fact::Refused { errno, to } => {
                let to = to.as_ref().map_or(String::new(), |to| format!(" to {to}"));
                let why = reenact_abi::names::errno(*errno as u64).unwrap_or("an error");
                process
                    .notes
                    .push((format!("cannot connect{to}: {why}"), here()));
            }
            Fact::Signal { signal, .. } => {
                let text = format!("gets {}", words::signal_name(*signal));
                process.notes.push((text, here()));
            }
            Fact::Fault { signal, .. } => {
                let text = format!("faults: {}", words::signal_name(*signal));
                process.notes.push((text, here()));
            }
            Fact::Unrecorded { path } => {
                let text = format!("runs unrecorded: {}", escape(path));
                process.notes.push((text, here()));
            }
            Fact::Send {
                connection,
                from,
                offset,
                bytes,
            } => {
                let way = Way::Connection(*connection, *from);
                let piece = self.piece(*offset, bytes, here());
                self.streams.entry(way).or_default().sent.push(piece);
            }
            Fact::Receive {
                connection,
                from,
                offset,
                bytes,
                ..
            } => {
                let known = &story.connections().get(*connection).ends[from.index()];
                if known.process.is_none() {
                    let way = Way::Connection(*connection, *from);
                    let piece = self.piece(*offset, bytes, here());
                    self.streams.entry(way).or_default().received.push(piece);
                }
            }
            Fact::Standard { which, bytes, .. } => {
                let way = Way::Output(moment.event.stream.process, which.name());
                let offset = self.streams.get(&way).map_or(0, |pieces| pieces.len);
                let piece = self.piece(offset, bytes, here());
                let pieces = self.streams.entry(way).or_default();
                pieces.len = offset.saturating_add(bytes.len);
                pieces.sent.push(piece);
            }
            Fact::Spawn { .. } | Fact::Wait { .. } | Fact::Kill { .. } | Fact::Gap { .. } => {}
            Fact::Listen { .. } | Fact::Open { .. } | Fact::Close { .. } => {}
            Fact::EndOfStream { .. } | Fact::Mark { .. } | Fact::Chain { .. } => {}
            Fact::KeyLog { .. } => {}
        }
    }

    fn piece(&mut self, start: u64, bytes: &Bytes, sight: Sight) -> Piece {
        let left = ALL_BYTES_MAX.saturating_sub(self.kept);
        let mut bytes = bytes.clone();
        bytes.known.truncate(left);
        self.kept += bytes.known.len();
        Piece {
            start,
            bytes,
            sight,
        }
    }

    fn finish(&mut self) {
        self.narrator.finish(&mut self.fresh);
        let messages = self.fresh.drain(..).filter(|line| match &line.what {
            What::Message { protocol, .. } => *protocol != RAW && line.body.is_some(),
            What::Note { .. } => false,
        });
        self.lines.extend(messages);
    }

    fn run(
        mut self,
        reader: &Reader,
        story: &Story,
        model: Model,
        mut inputs: BTreeMap<u32, Inputs>,
    ) -> Run {
        for (number, process) in &mut self.processes {
            process.number = *number;
            process.inputs = inputs.remove(number).unwrap_or_default();
            if let Some(known) = story.process(*number) {
                process.parent = known.parent;
                process.name = escape(&known.name);
                process.argv = known.argv.iter().map(|word| escape(word)).collect();
                self.pids.insert(known.pid.unsigned_abs());
            }
        }
        let connections = story.connections().all();
        let ports = connections
            .iter()
            .flat_map(|connection| &connection.ends)
            .filter_map(|end| end.address.as_ref()?.port())
            .map(u64::from)
            .collect();
        let mut lines: FxHashMap<(ConnectionId, Side), Vec<Line>> = FxHashMap::default();
        for line in self.lines {
            if let What::Message {
                connection, from, ..
            } = &line.what
            {
                lines.entry((*connection, *from)).or_default().push(line);
            }
        }
        let mut talks = Vec::new();
        for (number, known) in connections.iter().enumerate() {
            let Ok(number) = u32::try_from(number) else {
                break;
            };
            let id = ConnectionId(number);
            if known.channel == Channel::Unknown {
                continue;
            }
            let who = |side: Side| match story.connections().peer(id, side) {
                Peer::Process(process) => (Some(process), String::new()),
                Peer::Outside(address) => {
                    let address = address.filter(|_| side == Side::One);
                    let text = address.map_or("outside".to_owned(), |at| format!("outside {at}"));
                    (None, text)
                }
            };
            let ends = [who(Side::Zero), who(Side::One)];
            let lane = |from: Side, lines: Option<Vec<Line>>| {
                let pieces = self.streams.get(&Way::Connection(id, from));
                let mut items = match lines {
                    Some(lines) => lines.into_iter().filter_map(item).collect(),
                    None => pieces.map_or(Vec::new(), |pieces| {
                        cut(pieces, known.channel.name(), known.channel.keeps_messages())
                    }),
                };
                items.sort_by_key(|(start, ..)| *start);
                let direction = model.direction(id, from);
                let told = items.into_iter().map(|(start, end, mut item)| {
                    let to = direction.received_in(start, end).last();
                    let sent = direction.sent_in(start, end).first();
                    if let Some(known) = sent.or(direction.received_in(start, end).first()) {
                        item.sight.point = known.point;
                    }
                    item.received = to.map(|to| {
                        let process = to.point.event.stream.process;
                        Sight {
                            point: to.point,
                            event: event_name(to.point.event, words::main_of(story, process)),
                            who: words::name(story, process),
                        }
                    });
                    item
                });
                told.collect::<Vec<Item>>()
            };
            let mut messages = |side| lines.remove(&(id, side));
            let (zero, one) = (messages(Side::Zero), messages(Side::One));
            // A protocol that one side was told by holds for both.
            let decoded = zero.is_some() || one.is_some();
            let of = |lines: Option<Vec<Line>>| match decoded {
                true => Some(lines.unwrap_or_default()),
                false => None,
            };
            talks.push(Talk {
                channel: known.channel.name(),
                ends: [ends[0].0, ends[1].0],
                lanes: [lane(Side::Zero, of(zero)), lane(Side::One, of(one))],
                names: ends.map(|(_, name)| name),
            });
        }
        for (way, pieces) in &self.streams {
            if let Way::Output(process, which) = way {
                let items = cut(pieces, which, false).into_iter();
                talks.push(Talk {
                    channel: which,
                    ends: [Some(*process), None],
                    names: [String::new(), (*which).to_owned()],
                    lanes: [items.map(|(_, _, item)| item).collect(), Vec::new()],
                });
            }
        }
        Run {
            start_ns: reader.meta().mono_start_ns,
            processes: self.processes,
            talks,
            model,
            ports,
            pids: self.pids,
            is_cut: reader.is_cut(),
        }
    }
}

/// A message as it is compared, with its place in the stream. Its place in the order of events is
/// that of the call that sent its first byte.
fn item(line: Line) -> Option<(u64, u64, Item)> {
    let event = line.event_name();
    let What::Message {
        span,
        protocol,
        text,
        ..
    } = line.what
    else {
        return None;
    };
    let body = line.body.unwrap_or(Node::Null);
    // What a message carries tells it from others of its kind.
    let text = match body.get("content") {
        None | Some(Node::Null) => text,
        Some(content) => format!(
            "{text} {}",
            words::shortened(&content.to_string(), CONTENT_MAX)
        ),
    };
    let item = Item {
        sight: Sight {
            point: Point {
                event: line.event,
                time_ns: line.time_ns,
                ..Point::default()
            },
            event,
            who: line.who,
        },
        received: None,
        protocol,
        text,
        body,
    };
    Some((span.0, span.1, item))
}

/// Bytes cut into lines, whatever the pieces were in which they came; messages of a channel that
/// keeps them stay whole.
fn cut(pieces: &Pieces, channel: &'static str, messages: bool) -> Vec<(u64, u64, Item)> {
    let from = match pieces.sent.is_empty() {
        true => &pieces.received,
        false => &pieces.sent,
    };
    let mut order: Vec<&Piece> = from.iter().collect();
    order.sort_by_key(|piece| piece.start);
    let mut items = Vec::new();
    let item = |bytes: &[u8], node: Option<Node>, sight: &Sight| Item {
        sight: sight.clone(),
        received: None,
        protocol: channel,
        text: words::shortened(&escape(bytes.strip_suffix(b"\n").unwrap_or(bytes)), 120),
        body: node.unwrap_or_else(|| Node::slice(bytes)),
    };
    if messages {
        for piece in order {
            let end = piece.start.saturating_add(1);
            items.push((
                piece.start,
                end,
                item(&piece.bytes.known, None, &piece.sight),
            ));
        }
        return items;
    }
    let mut line: Vec<u8> = Vec::new();
    let mut begun: Option<(u64, &Sight)> = None;
    let mut known = 0u64;
    let mut rest = blake3::Hasher::new();
    let mut rest_from: Option<(u64, &Sight)> = None;
    for piece in order {
        let skip = known.saturating_sub(piece.start);
        let bytes = usize::try_from(skip)
            .ok()
            .and_then(|skip| piece.bytes.known.get(skip..))
            .unwrap_or_default();
        let mut at = piece.start.max(known);
        known = known.max(piece.start.saturating_add(piece.bytes.len));
        if at as usize > BYTES_MAX {
            rest.update(bytes);
            rest_from.get_or_insert((at, &piece.sight));
            continue;
        }
        for byte in bytes {
            let (start, sight) = *begun.get_or_insert((at, &piece.sight));
            line.push(*byte);
            at = at.saturating_add(1);
            if *byte == b'\n' || line.len() == LINE_MAX {
                items.push((start, at, item(&line, None, sight)));
                line.clear();
                begun = None;
            }
        }
    }
    if let Some((start, sight)) = begun {
        let end = start.saturating_add(line.len() as u64);
        items.push((start, end, item(&line, None, sight)));
    }
    if let Some((start, sight)) = rest_from {
        let blob = Blob {
            len: known.saturating_sub(start),
            head: Vec::new(),
            digest: Some(rest.finalize().into()),
        };
        let text = format!("{} bytes more", blob.len);
        items.push((
            start,
            known,
            item(text.as_bytes(), Some(Node::Bytes(blob)), sight),
        ));
    }
    items
}
