//! One of the two runs, as it is compared: processes, what was said, and what else came from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use reenact_causal::{Bytes, Channel, Ended, EventId, Fact, Model, Moment, Place, Point};
use reenact_causal::{ConnectionId, Peer, Side, Story};
use reenact_trace::{Mark, Reader, StreamId, TraceError};
use reenact_wire::{escape, Blob, Node, RAW};
use rustc_hash::{FxHashMap, FxHashSet};

use super::inputs::{self, Inputs};
use super::{times, told};
use crate::commands::show::line::{event_name, Line, What};
use crate::commands::show::narrator::Narrator;
use crate::commands::show::words;

/// Bytes of one direction that are kept to be compared as text; of what follows, the hash is.
const BYTES_MAX: usize = 4 << 20;
/// And of all directions together.
const ALL_BYTES_MAX: usize = 512 << 20;
/// Characters that are shown of what a message carries.
const CONTENT_MAX: usize = 60;
/// Datagrams that came from nowhere, and marks of one process, that are compared.
const STRAYS_MAX: usize = 1 << 12;
const MARKS_MAX: usize = 1 << 18;
/// Bytes of a line.
const LINE_MAX: usize = 8192;

const SIGCHLD: u32 = 17;
const SIGURG: u32 = 23;
const SIGWINCH: u32 = 28;

/// A place in a run that people can look at.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    pub point: Point,
    /// The first task of its process, which its short name leaves out.
    main: StreamId,
    pub who: Arc<str>,
}

impl Sight {
    pub fn new(point: Point, main: StreamId, who: impl Into<Arc<str>>) -> Sight {
        Sight {
            point,
            main,
            who: who.into(),
        }
    }

    /// The event, as `replay show` takes it.
    pub fn event(&self) -> String {
        self.named().event()
    }

    pub fn named(&self) -> Named {
        Named {
            event: self.point.event,
            main: self.main,
        }
    }
}

/// An event, with what its name is made of.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    event: EventId,
    main: StreamId,
}

impl Named {
    /// As `replay show` takes it.
    pub fn event(self) -> String {
        event_name(self.event, self.main)
    }
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

impl Item {
    /// Whether who sent it is also who received it, if somebody did.
    fn is_to_itself(&self) -> bool {
        let sender = self.sight.point.event.stream.process;
        let received = self.received.as_ref();
        received.is_some_and(|sight| sight.point.event.stream.process == sender)
    }
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
    /// Datagrams that arrived from each side without having been sent once more, and where.
    pub twice: [Vec<Item>; 2],
}

/// A checksum that a program told, and where.
pub type Checksum = (Mark, Sight);

#[derive(Clone, Debug, Default)]
pub struct Process {
    pub number: u32,
    pub parent: Option<u32>,
    pub name: String,
    /// The same with what it is run for.
    pub title: String,
    /// Its program and script, without its arguments.
    pub role: String,
    pub argv: Vec<String>,
    pub start: Sight,
    pub end: Option<(Ended, Sight)>,
    /// What else happened: connections refused, signals, faults, what the program says about itself.
    pub notes: Vec<(String, Sight)>,
    /// Checksums that the program tells of its state.
    pub checksums: Vec<Checksum>,
    pub inputs: Inputs,
}

/// A run, read.
pub struct Run {
    pub start_ns: u64,
    /// CLOCK_REALTIME less CLOCK_MONOTONIC, as it started.
    pub wall_ns: i128,
    pub processes: BTreeMap<u32, Process>,
    pub talks: Vec<Talk>,
    pub model: Model,
    pub ports: BTreeSet<u64>,
    pub pids: BTreeSet<u64>,
    /// When something was told to each group of tasks, by its place in the group's order.
    pub heard: BTreeMap<u32, Vec<(u64, u64)>>,
    /// Messages that only say that their sender is still there, which are not compared.
    pub heartbeats: u64,
    /// Tries to connect to somebody who was not there yet, which are not compared either.
    pub early: u64,
    /// What the kernel answered.
    pub of_kernel: u64,
    /// How much more was left out than of the run that it is compared with, as nobody needed it.
    pub unread: u64,
    /// Who wrote to readers that stop early: whether such a one gets to its end is a matter of time.
    pub cut_short: BTreeSet<u32>,
    /// Processes that only waited for something, or served those.
    pub waiting: BTreeSet<u32>,
    pub is_cut: bool,
}

impl Run {
    /// `narrator`: makes lines of messages.
    pub fn open(path: &Path, narrator: Narrator) -> Result<Run, TraceError> {
        let mut reader = Reader::open(path)?;
        let mut story = Story::new(&reader);
        let mut gatherer = Gatherer {
            narrator,
            strays: Vec::new(),
            items: FxHashMap::default(),
            decoded: FxHashSet::default(),
            names: FxHashMap::default(),
            fresh: Vec::new(),
            streams: BTreeMap::new(),
            kept: 0,
            processes: BTreeMap::new(),
            pids: BTreeSet::new(),
            ports: BTreeSet::new(),
            opened: FxHashMap::default(),
            connected: FxHashMap::default(),
            refused: Vec::new(),
            wall_ns: i128::from(reader.meta().wall_start_ns)
                - i128::from(reader.meta().mono_start_ns),
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
            Some(known) => format!("{}[{process}]", known.title),
            None => format!("process[{process}]"),
        }
    }

    /// The working folder of the command that was recorded, as its environment names it.
    pub fn folder(&self) -> &str {
        let root = self.processes.values().next();
        let mut entries = root.into_iter().flat_map(|root| &root.inputs.env);
        let folder = entries.find(|(name, _)| name == "PWD");
        folder.map_or("", |(_, folder)| folder)
    }

    /// Whether any message or output until some time has a text in it.
    pub fn says(&self, text: &str, until_ns: u64) -> bool {
        let mut all = self.talks.iter().flat_map(|talk| &talk.lanes).flatten();
        all.any(|item| {
            let body = || serde_json::to_string(&item.body).unwrap_or_default();
            item.sight.point.time_ns < until_ns
                && (item.text.contains(text) || body().contains(text))
        })
    }

    /// What was made that was not there before: folders and names.
    pub fn made(&self) -> BTreeSet<(String, String)> {
        let all = self.processes.values();
        all.flat_map(|process| process.inputs.made.iter().cloned())
            .collect()
    }

    /// How many messages there are.
    pub fn messages(&self) -> usize {
        let lanes = self.talks.iter().flat_map(|talk| &talk.lanes);
        lanes.map(Vec::len).sum()
    }

    /// Processes of the run that wrote a file of that name.
    pub fn writers<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Process> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let all = self.processes.values();
        all.filter(move |process| process.inputs.written.contains_key(name))
    }

    /// How often a file of that name was opened for writing.
    pub fn times_written(&self, path: &str) -> u64 {
        let name = path.rsplit('/').next().unwrap_or(path);
        let all = self.processes.values();
        all.filter_map(|process| process.inputs.written.get(name))
            .map(|(times, _)| times)
            .sum()
    }

    /// The only process of the run that wrote a file of that name, and where it last began to.
    pub fn writer(&self, path: &str) -> Option<(&Process, Point)> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut all = self.processes.values().filter_map(|process| {
            let (_, point) = process.inputs.written.get(name)?;
            Some((process, *point))
        });
        let only = all.next()?;
        all.next().is_none().then_some(only)
    }

    pub fn is_fifo(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut all = self.processes.values();
        all.any(|process| process.inputs.fifos.contains(name))
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

/// A message with the bytes that it spans.
type Spanning = (u64, u64, Item);

struct Gatherer {
    narrator: Narrator,
    /// Datagrams that came from somebody who is recorded, and was not seen sending them.
    strays: Vec<(ConnectionId, Side, Piece)>,
    /// Messages of each way, with the bytes that they span.
    items: FxHashMap<(ConnectionId, Side), Vec<Spanning>>,
    /// Connections of which messages are known, so that their bytes are not needed.
    decoded: FxHashSet<ConnectionId>,
    /// What processes are called, once each.
    names: FxHashMap<String, Arc<str>>,
    fresh: Vec<Line>,
    streams: BTreeMap<Way, Pieces>,
    kept: usize,
    processes: BTreeMap<u32, Process>,
    pids: BTreeSet<u64>,
    /// Of those who listen: nobody may ever have connected.
    ports: BTreeSet<u64>,
    /// When each address was first connected to.
    opened: FxHashMap<String, u64>,
    /// When each process last connected to somebody.
    connected: FxHashMap<u32, u64>,
    /// Connections refused: by process, which of its notes, and to which address.
    refused: Vec<(u32, usize, Option<String>)>,
    /// CLOCK_REALTIME less CLOCK_MONOTONIC.
    wall_ns: i128,
}

impl Gatherer {
    fn take(&mut self, story: &Story, moment: &Moment) {
        self.narrator.take(story, moment, &mut self.fresh);
        self.keep();
        let process = moment.event.stream.process;
        let point = Point {
            event: moment.event,
            place: moment.place,
            time_ns: moment.time_ns,
            since: moment.since,
        };
        let here = Sight {
            point,
            main: words::main_of(story, process),
            who: self.name(words::name(story, process)),
        };
        let process = self.processes.entry(process).or_default();
        if process.start.who.is_empty() {
            process.start = here.clone();
        }
        let here = || here.clone();
        match &moment.fact {
            Fact::Start { pid, .. } => {
                self.pids.insert(pid.unsigned_abs());
            }
            Fact::Exec { .. } => process.start = here(),
            Fact::End { how, .. } => process.end = Some((*how, here())),
            Fact::Refused { errno, to } => {
                let at = to.as_ref().map(ToString::to_string);
                let to = to.as_ref().map_or(String::new(), |to| format!(" to {to}"));
                let why = reenact_abi::names::errno(*errno as u64).unwrap_or("an error");
                self.refused
                    .push((moment.event.stream.process, process.notes.len(), at));
                let note = format!("cannot connect{to}: {why}");
                process.notes.push((note, here()));
            }
            // How a program's threads wake each other is its own affair.
            Fact::Signal { sender, .. } if *sender == Some(moment.event.stream.process) => {}
            // These do nothing to whoever does not ask for them.
            Fact::Signal {
                signal: SIGCHLD | SIGURG | SIGWINCH,
                ..
            } => {}
            Fact::Signal { signal, .. } => {
                let text = format!("gets {}", words::signal_name(*signal));
                process.notes.push((text, here()));
            }
            // A virtual machine looks for null pointers and asks its threads to stop by faults.
            Fact::Fault { handled: true, .. } => {}
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
                if self.decoded.contains(connection) {
                    return;
                }
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
                let stray = *offset == u64::MAX && known.process.is_some();
                if stray && self.strays.len() < STRAYS_MAX {
                    let piece = self.piece(*offset, bytes, here());
                    self.strays.push((*connection, *from, piece));
                } else if known.process.is_none() && !self.decoded.contains(connection) {
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
            Fact::Kill {
                signal: SIGCHLD | SIGURG | SIGWINCH,
                ..
            } => {}
            Fact::Kill { signal, target } => {
                let name = story.process(*target).map(|known| escape(&known.name));
                let (signal, name) = (words::signal_name(*signal), name.unwrap_or_default());
                process
                    .notes
                    .push((format!("sends {signal} to {name}"), here()));
            }
            Fact::Spawn { .. } | Fact::Wait { .. } | Fact::Gap { .. } => {}
            Fact::Open { connection, .. } => {
                let process = moment.event.stream.process;
                self.connected.insert(process, moment.time_ns);
                let address = &story.connections().get(*connection).ends[1].address;
                if let Some(address) = address {
                    let first = self.opened.entry(address.to_string());
                    first.or_insert(moment.time_ns);
                }
            }
            Fact::Listen { address } => self.ports.extend(address.port().map(u64::from)),
            Fact::Close { .. } => {}
            Fact::KeyLog { .. } => {}
            Fact::EndOfStream { .. } | Fact::Chain { .. } => {}
            Fact::Mark { mark } => match mark.kind {
                reenact_abi::mark::Mark::Checksum if process.checksums.len() < MARKS_MAX => {
                    process.checksums.push((mark.clone(), here()));
                }
                reenact_abi::mark::Mark::Checksum => {}
                reenact_abi::mark::Mark::Note | reenact_abi::mark::Mark::Phase => {
                    if process.notes.len() < MARKS_MAX {
                        process.notes.push((mark.to_string(), here()));
                    }
                }
            },
        }
    }

    fn piece(&mut self, start: u64, bytes: &Bytes, sight: Sight) -> Piece {
        let left = ALL_BYTES_MAX.saturating_sub(self.kept);
        let mut bytes = bytes.clone();
        bytes.known.truncate(left);
        self.kept += bytes.known.len();
        times::blank(&mut bytes.known, self.wall_ns, sight.point.time_ns);
        Piece {
            start,
            bytes,
            sight,
        }
    }

    fn finish(&mut self) {
        self.narrator.finish(&mut self.fresh);
        self.keep();
    }

    /// Takes over the messages among fresh lines. What no decoder made has no body, and is gathered as
    /// bytes.
    fn keep(&mut self) {
        let mut fresh = std::mem::take(&mut self.fresh);
        for line in fresh.drain(..) {
            let What::Message {
                protocol,
                connection,
                from,
                ..
            } = &line.what
            else {
                continue;
            };
            let key = (*connection, *from);
            if *protocol == RAW || line.body.is_none() {
                continue;
            }
            if self.decoded.insert(key.0) {
                for side in [Side::Zero, Side::One] {
                    let pieces = self.streams.remove(&Way::Connection(key.0, side));
                    let pieces = pieces.unwrap_or_default();
                    for piece in pieces.sent.iter().chain(&pieces.received) {
                        self.kept = self.kept.saturating_sub(piece.bytes.known.len());
                    }
                }
            }
            let who = self.name(line.who.clone());
            self.items.entry(key).or_default().extend(item(line, who));
        }
        self.fresh = fresh;
    }

    /// Whoever could not connect before anybody could came too early, which says how fast the server was,
    /// and nothing else.
    fn forget_early_refusals(&mut self) -> u64 {
        let mut early = 0;
        for (number, at, to) in self.refused.iter().rev() {
            let first = match to {
                Some(to) => self.opened.get(to),
                None => self.connected.get(number),
            };
            let Some(process) = self.processes.get_mut(number) else {
                continue;
            };
            let refused_ns = process.notes[*at].1.point.time_ns;
            if first.is_some_and(|first_ns| refused_ns < *first_ns) {
                process.notes.remove(*at);
                early += 1;
            }
        }
        early
    }

    fn name(&mut self, name: String) -> Arc<str> {
        if let Some(known) = self.names.get(&name) {
            return known.clone();
        }
        let shared: Arc<str> = name.as_str().into();
        self.names.insert(name, shared.clone());
        shared
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
                process.title = words::title(&process.name, &process.argv);
                process.role = words::kind(&process.name, &process.argv);
                self.pids.insert(known.pid.unsigned_abs());
            }
        }
        let connections = story.connections().all();
        let ports = connections
            .iter()
            .flat_map(|connection| &connection.ends)
            .filter_map(|end| end.address.as_ref()?.port())
            .map(u64::from)
            .chain(std::mem::take(&mut self.ports))
            .collect();
        let early = self.forget_early_refusals();
        let mut talks = Vec::new();
        let mut heartbeats = 0;
        for (number, known) in connections.iter().enumerate() {
            let Ok(number) = u32::try_from(number) else {
                break;
            };
            let id = ConnectionId(number);
            let who = |side: Side| match story.connections().peer(id, side) {
                Peer::Process(process) => (Some(process), String::new()),
                Peer::Outside(address) => {
                    let address = address.filter(|_| side == Side::One);
                    let text = address.map_or("outside".to_owned(), |at| format!("outside {at}"));
                    (None, text)
                }
            };
            let ends = [who(Side::Zero), who(Side::One)];
            let named = known.ends.iter().any(|end| end.address.is_some());
            if known.channel == Channel::Unknown {
                continue;
            }
            // A protocol that one side was told by holds for both.
            let decoded = self.decoded.contains(&id);
            let mut lane = |from: Side, messages: Option<Vec<Spanning>>| {
                let pieces = self.streams.get(&Way::Connection(id, from));
                let mut items = match decoded {
                    true => messages.unwrap_or_default(),
                    false => pieces.map_or(Vec::new(), |pieces| {
                        cut(pieces, known.channel.name(), known.channel.keeps_messages())
                    }),
                };
                let all = items.len();
                items.retain(|(_, _, item)| !told::is_heartbeat(item));
                heartbeats += (all - items.len()) as u64;
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
                        let name = words::name(story, process);
                        let known = self.names.get(&name).cloned();
                        Sight {
                            point: to.point,
                            main: words::main_of(story, process),
                            who: known.unwrap_or_else(|| name.into()),
                        }
                    });
                    item
                });
                told.collect::<Vec<Item>>()
            };
            let messages = [Side::Zero, Side::One].map(|side| self.items.remove(&(id, side)));
            let [zero, one] = messages;
            let mut lanes = [lane(Side::Zero, zero), lane(Side::One, one)];
            let mut ends = ends;
            // Of a FIFO either side may be the one that came first.
            // A pipe is made by somebody who hands its ends to others.
            let recorded = ends.iter().any(|(process, _)| process.is_some());
            if matches!(known.channel, Channel::Fifo | Channel::Pipe) && recorded {
                if lanes[0].is_empty() {
                    lanes.swap(0, 1);
                    ends.swap(0, 1);
                }
                if let Some(first) = lanes[0].first() {
                    let to = first.received.as_ref();
                    let to = to.map(|sight| sight.point.event.stream.process);
                    ends[0].0 = Some(first.sight.point.event.stream.process);
                    ends[1].0 = to.or(ends[1].0);
                }
            }
            // How a program's threads wake each other is its own affair, and a matter of time.
            if !named && lanes.iter().flatten().all(Item::is_to_itself) {
                continue;
            }
            let twice = [Side::Zero, Side::One].map(|side| {
                let all = self.strays.iter();
                let own = all.filter(|(of, from, _)| (*of, *from) == (id, side));
                let items = own.map(|(.., piece)| whole(piece, known.channel.name()));
                items.collect::<Vec<Item>>()
            });
            talks.push(Talk {
                channel: known.channel.name(),
                ends: [ends[0].0, ends[1].0],
                lanes,
                twice,
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
                    twice: Default::default(),
                });
            }
        }
        Run {
            heard: told::heard(&talks),
            start_ns: reader.meta().mono_start_ns,
            wall_ns: self.wall_ns,
            processes: self.processes,
            talks,
            model,
            ports,
            pids: self.pids,
            heartbeats,
            early,
            of_kernel: 0,
            unread: 0,
            cut_short: BTreeSet::new(),
            waiting: BTreeSet::new(),
            is_cut: reader.is_cut(),
        }
    }
}

/// A message as it is compared, with its place in the stream. Its place in the order of events is
/// that of the call that sent its first byte.
fn item(line: Line, who: Arc<str>) -> Option<Spanning> {
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
    let point = Point {
        event: line.event,
        time_ns: line.time_ns,
        ..Point::default()
    };
    let item = Item {
        sight: Sight::new(point, line.main, who),
        received: None,
        protocol,
        text,
        body,
    };
    Some((span.0, span.1, item))
}

/// What arrived at once.
fn whole(piece: &Piece, channel: &'static str) -> Item {
    let bytes = piece.bytes.known.as_slice();
    Item {
        sight: piece.sight.clone(),
        received: None,
        protocol: channel,
        text: words::shortened(&escape(bytes.strip_suffix(b"\n").unwrap_or(bytes)), 120),
        body: Node::slice(bytes),
    }
}

/// Bytes cut into lines, whatever the pieces were in which they came; messages of a channel that
/// keeps them stay whole.
fn cut(pieces: &Pieces, channel: &'static str, messages: bool) -> Vec<Spanning> {
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
    // What is no text has no lines: a message is what was sent at once.
    let binary = order
        .iter()
        .any(|piece| times::is_binary(&piece.bytes.known));
    if messages || binary && !pieces.sent.is_empty() {
        for piece in order {
            let len = if messages { 1 } else { piece.bytes.len };
            let end = piece.start.saturating_add(len);
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
    hide_lengths(&mut items);
    items
}

/// A line that ends with how long the next one is says nothing by that.
fn hide_lengths(items: &mut [Spanning]) {
    let line = |item: &Item| match &item.body {
        Node::Text(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        _ => None,
    };
    for at in 1..items.len() {
        let Some((head, next)) = line(&items[at - 1].2).zip(line(&items[at].2)) else {
            continue;
        };
        let number = head.rsplit([' ', ':', '=', '$']).next().unwrap_or_default();
        let counts = number.parse() == Ok(next.len()) && number.len() > 1;
        if counts {
            let rest = &head[..head.len() - number.len()];
            items[at - 1].2.body = Node::text(format!("{rest}<length>"));
        }
    }
}
