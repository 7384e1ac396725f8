//! Facts become lines: notes on processes, and messages that are cut out of connections' bytes.

use std::collections::{BTreeMap, VecDeque};

use reenact_abi::names;
use reenact_causal::{
    Address, Bytes, Channel, ConnectionId, Ended, EventId, Fact, Lane, Moment, Peer, Place, Side,
    Story,
};
use reenact_trace::StreamId;
use reenact_wire::{
    escape, Chunk, Detail, Direction, Hint, Message, MessageId, Registry, Settings, TlsKeys,
};
use rustc_hash::FxHashMap;
use serde_json::{json, Map, Value};

use super::line::{Cut, Line, What};
use super::words::{
    closed, direction, has_protocol, lossy, main_of, name, note, opened, outside, quoted, raw,
    shortened, signal_name, standard, trouble, TEXT_MAX,
};

/// Events of a connection that a message may refer to; older ones are forgotten.
const EVENTS_MAX: usize = 8192;
/// Of a closed connection, how many receipts are remembered: lines of what they received are still to
/// be written.
const RECEIVED_KEPT: usize = 64;
/// Requests that wait for their reply; older ones are forgotten.
const REQUESTS_MAX: usize = 65_536;

/// Where a piece of a stream came from.
#[derive(Clone, Debug)]
struct Carrier {
    event: EventId,
    place: Place,
    time_ns: u64,
    told_ns: u64,
    who: String,
    main: StreamId,
    incoming: bool,
}

/// One direction.
#[derive(Default)]
struct Way {
    bytes: Lane<Carrier>,
    /// Offsets up to which was received, and when, the latest last.
    received: VecDeque<(u64, u64)>,
}

struct Talk {
    wire: Option<reenact_wire::Connection>,
    ways: [Way; 2],
    carriers: VecDeque<Carrier>,
    /// Number of the first of `carriers`.
    base: u64,
    /// When requests began.
    requests: BTreeMap<MessageId, u64>,
    closed: [bool; 2],
    /// Who used each side last.
    users: [Option<u32>; 2],
}

/// Makes lines.
pub struct Narrator {
    registry: Registry,
    /// Those that the registry's decoders read by: programs write them down while they are recorded.
    keys: TlsKeys,
    protocol: Option<String>,
    bodies: bool,
    talks: FxHashMap<ConnectionId, Talk>,
    messages: Vec<Message>,
    /// The latest time of all facts so far.
    told_ns: u64,
}

impl Narrator {
    /// `protocol`: of all connections, whatever they look like.
    pub fn new(mut settings: Settings, protocol: Option<String>) -> Narrator {
        let bodies = settings.detail == Detail::Full;
        settings.tls_keys.grow();
        Narrator {
            keys: settings.tls_keys.clone(),
            registry: Registry::standard(settings),
            protocol,
            bodies,
            talks: FxHashMap::default(),
            messages: Vec::new(),
            told_ns: 0,
        }
    }

    /// Appends the lines of a fact.
    pub fn take(&mut self, story: &Story, moment: &Moment, out: &mut Vec<Line>) {
        self.told_ns = self.told_ns.max(moment.time_ns);
        let told_ns = self.told_ns;
        let note = |kind, text: String| Line {
            told_ns,
            ..note(story, moment, kind, text, Map::new())
        };
        match &moment.fact {
            Fact::Start { pid, .. } => {
                let process = story.process(moment.event.stream.process);
                let parent = process.and_then(|process| process.parent);
                let is_first = process.is_some_and(|process| process.main == moment.event.stream);
                if let Some(parent) = parent.filter(|_| is_first) {
                    let text = format!("forked by {}, pid {pid}", name(story, parent));
                    out.push(note("fork", text));
                }
            }
            Fact::Exec { path, argv } => {
                let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
                let words = shortened(&words.join(" "), TEXT_MAX);
                let text = if words.is_empty() {
                    escape(path)
                } else {
                    words
                };
                let mut line = note("exec", format!("runs {text}"));
                let argv: Vec<_> = argv.iter().map(|word| lossy(word)).collect();
                line.more.insert("path".into(), json!(lossy(path)));
                line.more.insert("argv".into(), json!(argv));
                out.push(line);
            }
            Fact::End { how, .. } => {
                let (kind, text) = match how {
                    Ended::Status(status) => ("exit", format!("exits with status {status}")),
                    Ended::Signal(signal) => {
                        ("killed", format!("killed by {}", signal_name(*signal)))
                    }
                    Ended::Killed => ("killed", "killed".to_owned()),
                    Ended::Unknown => ("end", "its recording ends here".to_owned()),
                };
                out.push(note(kind, text));
            }
            Fact::Kill { signal, target } => {
                let text = format!("sends {} to {}", signal_name(*signal), name(story, *target));
                let mut line = note("kill", text);
                line.more.insert("target".into(), json!(target));
                out.push(line);
            }
            Fact::Signal { signal, sender, .. } => {
                let mut text = format!("gets {}", signal_name(*signal));
                if let Some(sender) = sender {
                    text += &format!(" from {}", name(story, *sender));
                }
                out.push(note("signal", text));
            }
            Fact::Fault {
                signal,
                handled,
                address,
            } => {
                let end = if *handled { "handled" } else { "fatal" };
                let text = format!("{} at address {address:#x}, {end}", signal_name(*signal));
                out.push(note("fault", text));
            }
            Fact::Listen { address } => out.push(note("listen", format!("listens on {address}"))),
            Fact::Refused { errno, to } => {
                let why = names::errno(*errno as u64).unwrap_or("an error");
                let to = to.as_ref().map_or(String::new(), |to| format!(" to {to}"));
                out.push(note("refused", format!("cannot connect{to}: {why}")));
            }
            Fact::Unrecorded { path } => {
                let text = format!("runs unrecorded from here: {}", escape(path));
                out.push(note("unrecorded", text));
            }
            Fact::Gap { reason } => {
                out.push(note(
                    "gap",
                    format!("events are missing here (reason {reason})"),
                ));
            }
            Fact::Mark { mark } => out.push(note("mark", mark.to_string())),
            Fact::Standard { which, bytes, .. } => {
                self.learn(&bytes.known);
                out.push(Line {
                    told_ns,
                    ..standard(story, moment, *which, bytes)
                });
            }
            Fact::Open {
                connection,
                side,
                settled,
            } => {
                if *settled {
                    out.push(Line {
                        told_ns,
                        ..opened(story, moment, *connection, *side)
                    });
                }
            }
            Fact::Close { connection, side } => {
                let (peer, _) = self.peer(story, *connection, side.other());
                let line = closed(story, moment, *connection, &peer);
                out.extend(line.map(|line| Line { told_ns, ..line }));
                self.close(*connection, *side, out);
            }
            Fact::EndOfStream { .. } => {}
            Fact::Send {
                connection,
                from,
                offset,
                bytes,
            } => {
                self.learn(&bytes.known);
                let carrier = carrier(story, moment, told_ns, false);
                let talk = self.talk(story, *connection);
                talk.users[from.index()] = Some(moment.event.stream.process);
                self.bytes(story, *connection, *from, *offset, bytes, carrier, out);
            }
            Fact::Receive {
                connection,
                from,
                offset,
                bytes,
                ..
            } => {
                let known = story.connections().get(*connection);
                let talk = self.talk(story, *connection);
                talk.users[from.other().index()] = Some(moment.event.stream.process);
                let received = &mut talk.ways[from.index()].received;
                received.push_back((offset.saturating_add(bytes.len), moment.time_ns));
                if received.len() > EVENTS_MAX {
                    received.pop_front();
                }
                let incoming = known.ends[from.index()].process.is_none();
                if known.channel.keeps_messages() && !incoming && *offset != u64::MAX {
                    return;
                }
                let carrier = carrier(story, moment, told_ns, true);
                self.bytes(story, *connection, *from, *offset, bytes, carrier, out);
            }
            Fact::KeyLog { lines } => drop(self.keys.add_log(lines)),
            Fact::Spawn { .. } | Fact::Wait { .. } | Fact::Chain { .. } => {}
        }
    }

    /// A key log may also be a pipe, or one of the run's outputs.
    fn learn(&self, bytes: &[u8]) {
        if TlsKeys::begins_log(bytes) {
            self.keys.add_log(bytes);
        }
    }

    /// What connections still hold when the recording ends.
    pub fn finish(&mut self, out: &mut Vec<Line>) {
        let mut talks = std::mem::take(&mut self.talks);
        let mut left: Vec<_> = talks.iter_mut().collect();
        left.sort_unstable_by_key(|(connection, _)| **connection);
        for (connection, talk) in left {
            if let Some(wire) = talk.wire.take() {
                wire.finish(&mut self.messages);
                self.emit(talk, *connection, out);
            }
        }
        self.talks = talks;
    }

    /// Who is at a side, for whom a message is: the process that used it last, or made it.
    pub fn peer(&self, story: &Story, connection: ConnectionId, side: Side) -> (String, Value) {
        let talk = self.talks.get(&connection);
        let user = talk.and_then(|talk| talk.users[side.index()]);
        let connections = story.connections();
        let process = user.or(match connections.peer(connection, side) {
            Peer::Process(process) => Some(process),
            Peer::Outside(_) => None,
        });
        match process {
            Some(process) => {
                let name = name(story, process);
                let value = json!({ "process": process, "name": name });
                (name, value)
            }
            None => {
                let address = connections.get(connection).ends[side.index()]
                    .address
                    .as_ref();
                let text = outside(connections.get(connection).channel, address);
                let value = json!({ "outside": address.map(Address::to_string) });
                (text, value)
            }
        }
    }

    /// How long the reply that a line tells of took, from the return of the call that sent the request:
    /// until it was received as a whole, or sent, if it never was.
    pub fn took_ns(&self, line: &Line) -> Option<u64> {
        let What::Message {
            connection,
            from,
            span,
            asked_ns,
            ended_ns,
            ..
        } = &line.what
        else {
            return None;
        };
        let way = self
            .talks
            .get(connection)
            .map(|talk| &talk.ways[from.index()]);
        let received = way.and_then(|way| {
            let at = way.received.partition_point(|(end, _)| *end < span.1);
            way.received.get(at)
        });
        let ended_ns = received.map_or(*ended_ns, |(_, time_ns)| *time_ns);
        asked_ns.map(|asked_ns| ended_ns.saturating_sub(asked_ns))
    }

    fn talk(&mut self, story: &Story, connection: ConnectionId) -> &mut Talk {
        let registry = &self.registry;
        let protocol = &self.protocol;
        self.talks.entry(connection).or_insert_with(|| {
            let known = story.connections().get(connection);
            let wanted = protocol.is_some() || has_protocol(known.channel);
            let wire = wanted.then(|| {
                registry.connection(Hint {
                    port: known.ends[1].address.as_ref().and_then(Address::port),
                    protocol: protocol.clone(),
                    roles_unknown: known.channel == Channel::Unknown
                        || known.ends[0].process == known.ends[1].process,
                })
            });
            Talk {
                wire,
                ways: Default::default(),
                carriers: VecDeque::new(),
                base: 0,
                requests: BTreeMap::new(),
                closed: [false; 2],
                users: [None; 2],
            }
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn bytes(
        &mut self,
        story: &Story,
        connection: ConnectionId,
        from: Side,
        offset: u64,
        bytes: &Bytes,
        carrier: Carrier,
        out: &mut Vec<Line>,
    ) {
        let known = story.connections().get(connection);
        let messages = known.channel.keeps_messages();
        let Some(mut talk) = self.talks.remove(&connection) else {
            return;
        };
        if messages || talk.wire.is_none() {
            let lane = &mut talk.ways[from.index()].bytes;
            let end = offset.saturating_add(if messages { 1 } else { bytes.len });
            if messages || end > lane.told() {
                lane.pass_to(end);
                let span = (offset, end);
                let name = known.channel.name();
                let mut line = message(&carrier, connection, from, span, name, raw(bytes));
                if self.bodies {
                    line.more.insert("data".into(), json!(lossy(&bytes.known)));
                }
                out.push(line);
            }
        } else {
            let lane = &mut talk.ways[from.index()].bytes;
            lane.add(offset, &bytes.known, carrier);
            while let Some((offset, bytes, carrier)) = lane.next_piece() {
                talk.carriers.push_back(carrier);
                if talk.carriers.len() > EVENTS_MAX {
                    talk.carriers.pop_front();
                    talk.base += 1;
                }
                let chunk = Chunk {
                    direction: direction(from),
                    event: talk.base + talk.carriers.len() as u64 - 1,
                    offset,
                    bytes: &bytes,
                };
                if let Some(wire) = &mut talk.wire {
                    wire.feed(chunk, &mut self.messages);
                }
            }
            self.emit(&mut talk, connection, out);
        }
        self.talks.insert(connection, talk);
    }

    fn close(&mut self, connection: ConnectionId, side: Side, out: &mut Vec<Line>) {
        let Some(mut talk) = self.talks.remove(&connection) else {
            return;
        };
        talk.closed[side.index()] = true;
        if let Some(wire) = &mut talk.wire {
            wire.close(direction(side), &mut self.messages);
            self.emit(&mut talk, connection, out);
        }
        if talk.closed == [true; 2] {
            // Many connections may come and go: nothing more will be said over this one.
            if let Some(wire) = talk.wire.take() {
                wire.finish(&mut self.messages);
                self.emit(&mut talk, connection, out);
            }
            talk.carriers = VecDeque::new();
            talk.requests = BTreeMap::new();
            for way in &mut talk.ways {
                let old = way.received.len().saturating_sub(RECEIVED_KEPT);
                way.received.drain(..old);
                way.received.shrink_to_fit();
                way.bytes.clear();
            }
        }
        self.talks.insert(connection, talk);
    }

    /// Lines of the messages that were just cut out.
    fn emit(&mut self, talk: &mut Talk, connection: ConnectionId, out: &mut Vec<Line>) {
        for cut in self.messages.drain(..) {
            let carrier = |event: u64| {
                let at = event.checked_sub(talk.base)?;
                talk.carriers.get(usize::try_from(at).ok()?)
            };
            let Some(first) = carrier(cut.span.first_event).or(talk.carriers.front()) else {
                continue;
            };
            let last_ns = carrier(cut.span.last_event).map_or(first.time_ns, |last| last.time_ns);
            let from = match cut.direction {
                Direction::ToServer => Side::Zero,
                Direction::ToClient => Side::One,
            };
            let span = (cut.span.start, cut.span.end);
            let mut line = message(
                first,
                connection,
                from,
                span,
                cut.protocol,
                cut.summary.clone(),
            );
            let since = cut
                .answers
                .and_then(|answer| talk.requests.remove(&answer.request));
            if let What::Message {
                asked_ns,
                ended_ns,
                broken,
                cut: decoded,
                ..
            } = &mut line.what
            {
                *asked_ns = since;
                *ended_ns = last_ns;
                *broken = trouble(&cut.completeness);
                *decoded = Some(Cut {
                    id: cut.id,
                    kind: cut.kind,
                    answers: cut.answers.map(|answer| answer.request),
                    trace_parent: cut.trace_parent,
                });
            }
            if cut.kind == reenact_wire::Kind::Request {
                talk.requests.insert(cut.id, first.time_ns);
                if talk.requests.len() > REQUESTS_MAX {
                    talk.requests.pop_first();
                }
            }
            line.more.insert("message".into(), json!(cut.id));
            line.more.insert("type".into(), json!(cut.kind));
            if let Some(answers) = cut.answers {
                line.more.insert("answers".into(), json!(answers));
            }
            if self.bodies {
                line.body = Some(cut.body);
                line.more
                    .insert("completeness".into(), json!(cut.completeness));
                line.more.insert("stream".into(), json!(cut.stream));
                line.more
                    .insert("trace_parent".into(), json!(cut.trace_parent));
            }
            out.push(line);
        }
    }
}

fn carrier(story: &Story, moment: &Moment, told_ns: u64, incoming: bool) -> Carrier {
    let process = moment.event.stream.process;
    Carrier {
        event: moment.event,
        place: moment.place,
        time_ns: moment.time_ns,
        told_ns,
        who: name(story, process),
        main: main_of(story, process),
        incoming,
    }
}

fn message(
    carrier: &Carrier,
    connection: ConnectionId,
    from: Side,
    span: (u64, u64),
    protocol: &'static str,
    text: String,
) -> Line {
    Line {
        time_ns: carrier.time_ns,
        told_ns: carrier.told_ns,
        event: carrier.event,
        place: carrier.place,
        main: carrier.main,
        who: carrier.who.clone(),
        what: What::Message {
            connection,
            from,
            span,
            protocol,
            text,
            asked_ns: None,
            ended_ns: carrier.time_ns,
            incoming: carrier.incoming,
            broken: None,
            cut: None,
        },
        body: None,
        more: Map::new(),
    }
}
