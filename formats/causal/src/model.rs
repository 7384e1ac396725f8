//! All that a recording says about bytes and causes, at once.

use reenact_trace::{Reader, TraceError};
use rustc_hash::FxHashMap;

use crate::causality::{Causality, Link, LinkKind, Point};
use crate::connections::Connections;
use crate::fact::{ConnectionId, Fact, Moment, Place, Side};
use crate::ids::EventId;
use crate::story::Story;

/// Bytes `start..end` of one direction of a connection (or one message, by its number), that one event
/// sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub start: u64,
    pub end: u64,
    pub point: Point,
    /// Whether it is certain that these are the bytes: not so where several groups of tasks write to,
    /// or read from, one direction, and nothing tells who came first.
    pub certain: bool,
}

/// What went one way over a connection, each list in the order of its offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    pub sends: Vec<Transfer>,
    pub receives: Vec<Transfer>,
}

impl Direction {
    /// The sends that a range of bytes came from.
    pub fn sent_in(&self, start: u64, end: u64) -> &[Transfer] {
        overlapping(&self.sends, start, end)
    }

    /// The receives that a range of bytes went to.
    pub fn received_in(&self, start: u64, end: u64) -> &[Transfer] {
        overlapping(&self.receives, start, end)
    }
}

/// How a range of bytes, or a message, travelled: the first and the last event that sent some of it, and
/// that received some. `None` on a side that was not recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    pub sent: Option<(Point, Point)>,
    pub received: Option<(Point, Point)>,
}

fn overlapping(transfers: &[Transfer], start: u64, end: u64) -> &[Transfer] {
    let first = transfers.partition_point(|transfer| transfer.end <= start);
    let last = transfers.partition_point(|transfer| transfer.start < end);
    transfers.get(first..last).unwrap_or_default()
}

/// A recording, understood.
pub struct Model {
    directions: FxHashMap<(ConnectionId, Side), Direction>,
    causality: Causality,
}

impl Model {
    /// Walks a story to its end, and hands each fact to `seen` on the way. The story goes on knowing
    /// the processes and connections that the model speaks of.
    ///
    /// Memory grows with the messages and processes of the recording, not with its events.
    pub fn read(
        reader: &mut Reader,
        story: &mut Story,
        seen: &mut dyn FnMut(&Story, &Moment),
    ) -> Result<Model, TraceError> {
        let mut builder = Builder::default();
        while let Some(moment) = story.next(reader)? {
            builder.take(&moment);
            seen(story, &moment);
        }
        Ok(builder.finish(story.connections()))
    }

    /// What went over a connection from one side.
    pub fn direction(&self, connection: ConnectionId, from: Side) -> &Direction {
        static NONE: Direction = Direction {
            sends: Vec::new(),
            receives: Vec::new(),
        };
        self.directions.get(&(connection, from)).unwrap_or(&NONE)
    }

    /// How bytes `start..end` of a direction, or the message `start` of one, travelled.
    pub fn passage(&self, connection: ConnectionId, from: Side, start: u64, end: u64) -> Passage {
        let ends = |transfers: &[Transfer]| match transfers {
            [] => None,
            [first, .., last] => Some((first.point, last.point)),
            [only] => Some((only.point, only.point)),
        };
        match self.directions.get(&(connection, from)) {
            Some(way) => Passage {
                sent: ends(way.sent_in(start, end)),
                received: ends(way.received_in(start, end)),
            },
            None => Passage::default(),
        }
    }

    pub fn causality(&self) -> &Causality {
        &self.causality
    }

    /// Where an event stands, to ask [`Model::causality`] about; `None` if there is no such event.
    pub fn place(reader: &mut Reader, event: EventId) -> Result<Option<Place>, TraceError> {
        let mut cursor = reader.cursor(event.stream, event.seq.saturating_sub(1));
        let mut place: Option<Place> = None;
        while let Some((seq, next)) = cursor.next(reader)? {
            let own = Place {
                chain: next.header.group,
                order: next.header.order,
            };
            // An event that a task died in has no place of its own.
            let has_none = own.order == 0 || own.chain == 0;
            if seq == event.seq {
                return Ok(Some(match place {
                    Some(before) if has_none => before,
                    _ => own,
                }));
            }
            if seq > event.seq {
                break;
            }
            place = Some(own);
        }
        Ok(None)
    }
}

#[derive(Default)]
struct Builder {
    links: Vec<Link>,
    directions: FxHashMap<(ConnectionId, Side), Direction>,
    /// Events that others refer to.
    points: FxHashMap<EventId, Point>,
    ends: FxHashMap<u32, Point>,
    opened: FxHashMap<(ConnectionId, Side), Point>,
    closed: FxHashMap<(ConnectionId, Side), Point>,
    outputs: Vec<(u64, Point)>,
}

impl Builder {
    fn take(&mut self, moment: &Moment) {
        let point = Point {
            event: moment.event,
            place: moment.place,
            time_ns: moment.time_ns,
            since: moment.since,
        };
        match &moment.fact {
            Fact::Spawn { .. } | Fact::Kill { .. } => {
                self.points.insert(moment.event, point);
            }
            Fact::Start { by, .. } => self.link(LinkKind::Spawn, by.as_ref(), point),
            Fact::Signal { by, sender, .. } => {
                let child = sender.and_then(|sender| self.ends.get(&sender).copied());
                match by.and_then(|by| self.points.get(&by)).copied().or(child) {
                    Some(from) if by.is_some() => self.add(LinkKind::Signal, from, point),
                    Some(_) | None => {}
                }
            }
            Fact::End { by, .. } => {
                self.link(LinkKind::Signal, by.as_ref(), point);
                self.ends.insert(moment.event.stream.process, point);
            }
            Fact::Wait { child, .. } => {
                if let Some(from) = self.ends.get(child).copied() {
                    self.add(LinkKind::Wait, from, point);
                }
            }
            Fact::Open {
                connection, side, ..
            } => {
                let known = self.opened.insert((*connection, *side), point);
                if known.is_some() {
                    return;
                }
                let other = self.opened.get(&(*connection, side.other())).copied();
                if let Some(other) = other {
                    // The one that connected comes first, whichever was seen first.
                    let (from, to) = match side {
                        Side::Zero => (point, other),
                        Side::One => (other, point),
                    };
                    self.add(LinkKind::Connect(*connection), from, to);
                }
            }
            Fact::Close { connection, side } => {
                self.closed.insert((*connection, *side), point);
            }
            Fact::EndOfStream { connection, from } => {
                if let Some(closed) = self.closed.get(&(*connection, *from)).copied() {
                    self.add(LinkKind::Close(*connection), closed, point);
                }
            }
            Fact::Send {
                connection,
                from,
                offset,
                bytes,
            } => {
                let direction = self.directions.entry((*connection, *from)).or_default();
                direction
                    .sends
                    .push(transfer(*offset, bytes.len, point, true));
            }
            Fact::Receive {
                connection,
                from,
                offset,
                bytes,
                certain,
            } => {
                let direction = self.directions.entry((*connection, *from)).or_default();
                let transfer = transfer(*offset, bytes.len, point, *certain);
                direction.receives.push(transfer);
            }
            Fact::Standard { ticket, .. } => {
                if *ticket != 0 {
                    self.outputs.push((*ticket, point));
                }
            }
            Fact::Chain { after } => {
                for place in after {
                    let from = Point {
                        place: *place,
                        time_ns: moment.time_ns.saturating_sub(1),
                        ..Point::default()
                    };
                    self.add(LinkKind::Chain, from, point);
                }
            }
            Fact::Exec { .. } | Fact::Fault { .. } | Fact::Listen { .. } => {}
            Fact::Refused { .. } | Fact::Unrecorded { .. } | Fact::Gap { .. } => {}
            Fact::Mark { .. } | Fact::KeyLog { .. } => {}
        }
    }

    fn link(&mut self, kind: LinkKind, from: Option<&EventId>, to: Point) {
        if let Some(from) = from.and_then(|from| self.points.get(from)).copied() {
            self.add(kind, from, to);
        }
    }

    fn add(&mut self, kind: LinkKind, from: Point, to: Point) {
        self.links.push(Link { kind, from, to });
    }

    fn finish(mut self, connections: &Connections) -> Model {
        self.outputs.sort_by_key(|(ticket, _)| *ticket);
        for pair in self.outputs.windows(2) {
            let (from, to) = (pair[0].1, pair[1].1);
            self.links.push(Link {
                kind: LinkKind::Output,
                from,
                to,
            });
        }
        for ((connection, _), direction) in &mut self.directions {
            let messages = connections.get(*connection).channel.keeps_messages();
            for list in [&mut direction.sends, &mut direction.receives] {
                list.sort_by_key(|transfer| (transfer.start, transfer.point.time_ns));
                if messages {
                    for transfer in list {
                        transfer.end = transfer.start.saturating_add(1);
                    }
                }
            }
        }
        // Whoever alone writes to and reads from a direction does so in a known order. What that tells
        // about others may order those who share one.
        let mut keys: Vec<_> = self.directions.keys().copied().collect();
        keys.sort_unstable();
        let (shared, alone): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| {
            let direction = &self.directions[key];
            [&direction.sends, &direction.receives]
                .iter()
                .any(|list| list.windows(2).any(changes_hands))
        });
        for key in alone {
            bytes_links(key, &self.directions[&key], &mut self.links);
        }
        let mut causality = Causality::new(self.links);
        if !shared.is_empty() {
            let mut more = Vec::new();
            for key in shared {
                let Some(direction) = self.directions.get_mut(&key) else {
                    continue;
                };
                judge(direction, &causality);
                bytes_links(key, direction, &mut more);
            }
            let mut links = causality.into_links();
            links.append(&mut more);
            causality = Causality::new(links);
        }
        Model {
            directions: self.directions,
            causality,
        }
    }
}

fn transfer(start: u64, len: u64, point: Point, certain: bool) -> Transfer {
    Transfer {
        start,
        end: start.saturating_add(len),
        point,
        certain,
    }
}

fn changes_hands(pair: &[Transfer]) -> bool {
    pair[0].point.place.chain != pair[1].point.place.chain
}

/// Marks what may have come in another order: neighbours of different groups, unless the one is known
/// to have happened before the other.
fn judge(direction: &mut Direction, causality: &Causality) {
    for list in [&mut direction.sends, &mut direction.receives] {
        for at in 1..list.len() {
            let (a, b) = (list[at - 1].point.place, list[at].point.place);
            if a.chain != b.chain && !causality.happens_before(a, b) {
                list[at - 1].certain = false;
                list[at].certain = false;
            }
        }
    }
    // What was received is as certain as what was sent there.
    let Direction { sends, receives } = direction;
    for receive in receives {
        let from = overlapping(sends, receive.start, receive.end);
        receive.certain &= from.iter().all(|send| send.certain);
    }
}

/// Links from what was sent to what was received, where that is certain.
fn bytes_links(
    (connection, from): (ConnectionId, Side),
    direction: &Direction,
    links: &mut Vec<Link>,
) {
    for receive in direction.receives.iter().filter(|receive| receive.certain) {
        let sends = direction.sent_in(receive.start, receive.end);
        for send in sends.iter().filter(|send| send.certain) {
            links.push(Link {
                kind: LinkKind::Bytes {
                    connection,
                    from,
                    start: send.start.max(receive.start),
                    end: send.end.min(receive.end),
                },
                from: send.point,
                to: receive.point,
            });
        }
    }
}
