//! Messages between sockets that are not connected streams: UDP, and unix datagrams.
//!
//! They may be lost, and come from anybody. One that was received is matched to the earliest one that
//! was sent there from that address with the same content.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use super::sockets::Endpoint;
use super::{Cx, Tracker};
use crate::address::Address;
use crate::connections::{wildcards, End};
use crate::descriptors::{File, FileId};
use crate::fact::{Bytes, Channel, ConnectionId, Fact, Side};
use crate::ids::EventId;

/// Messages that are remembered for one socket until they are received; beyond, the oldest count as lost.
const WAITING_MAX: usize = 4096;
/// Receipts that wait for a send which is seen later.
const AWAITED_MAX: usize = 64;

/// A socket for messages.
struct Port {
    end: End,
    channel: Channel,
    net: u64,
    /// Where it is connected to.
    peer: Option<Address>,
    /// Sent to it and not received yet.
    waiting: VecDeque<Waiting>,
    awaited: VecDeque<Awaited>,
}

struct Waiting {
    from: u32,
    connection: ConnectionId,
    side: Side,
    number: u64,
    bytes: Bytes,
}

struct Awaited {
    event: EventId,
    source: Option<Address>,
    bytes: Bytes,
}

/// A receipt that was matched to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matched {
    pub connection: ConnectionId,
    pub from: Side,
    pub number: u64,
    pub certain: bool,
}

/// All sockets for messages.
#[derive(Default)]
pub(crate) struct Ports {
    all: Vec<Port>,
    bound: FxHashMap<(u64, Address), u32>,
    /// The newest that is bound to an address in any namespace: a socket that was never bound does not
    /// know in which one it is.
    anywhere: FxHashMap<Address, u32>,
    /// Between two ports, or a port and somewhere outside: the side given is that of the first.
    connections: BTreeMap<(u32, Other), (ConnectionId, Side)>,
    /// Receipts whose send was seen later.
    pub late: FxHashMap<EventId, VecDeque<Matched>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Other {
    Port(u32),
    Outside(Option<Address>),
}

impl Ports {
    pub fn close(&mut self, port: Option<u32>) {
        let Some(port) = port else { return };
        if let Some(known) = self.all.get_mut(port as usize) {
            known.waiting.clear();
            known.awaited.clear();
        }
        self.bound.retain(|_, bound| *bound != port);
        self.anywhere.retain(|_, bound| *bound != port);
    }

    /// Whether the receipt may still be matched by a send that has not been seen.
    pub fn awaits(&self, event: EventId) -> bool {
        let mut awaited = self.all.iter().flat_map(|port| &port.awaited);
        awaited.any(|awaited| awaited.event == event)
    }

    /// The port that is reached at an address, from a namespace if that is known.
    fn at(&self, net: u64, address: &Address) -> Option<u32> {
        let at = |address: Address| match net {
            0 => self.anywhere.get(&address).copied(),
            net => self.bound.get(&(net, address)).copied(),
        };
        let mut wildcards = wildcards(address).into_iter();
        at(address.clone()).or_else(|| wildcards.find_map(at))
    }

    fn bind(&mut self, net: u64, address: Address, port: u32) -> bool {
        self.anywhere.insert(address.clone(), port);
        self.bound.insert((net, address), port) != Some(port)
    }

    fn get(&mut self, port: u32) -> &mut Port {
        &mut self.all[port as usize]
    }
}

impl Tracker {
    /// The port behind a file, made when it is first asked for.
    fn port_of(&mut self, cx: &Cx<'_>, file: FileId) -> Option<u32> {
        let end = self.end_here(cx);
        let Some(File::Socket(socket)) = self.files.get_mut(file) else {
            return None;
        };
        if let Some(port) = socket.port {
            return Some(port);
        }
        let port = u32::try_from(self.ports.all.len()).ok()?;
        socket.port = Some(port);
        self.ports.all.push(Port {
            end: End {
                address: socket.local.clone(),
                ..end
            },
            channel: socket.channel,
            net: socket.net,
            peer: socket.peer.clone(),
            waiting: VecDeque::new(),
            awaited: VecDeque::new(),
        });
        Some(port)
    }

    /// A socket for messages was bound or connected: the file has its addresses already.
    pub(super) fn bound_port(&mut self, cx: &Cx<'_>, endpoint: Endpoint, bound: bool) {
        let Some(file) = self.file_at(cx, endpoint.fd) else {
            return;
        };
        let Some(port) = self.port_of(cx, file) else {
            return;
        };
        let known = self.ports.get(port);
        known.net = endpoint.net;
        known.peer = endpoint.peer.or(known.peer.take());
        known.end.address = endpoint.local.or(known.end.address.take());
        let address = known.end.address.clone().filter(Address::is_reachable);
        let Some(address) = address else { return };
        if self.ports.bind(endpoint.net, address.clone(), port) && bound {
            self.say(cx, Fact::Listen { address });
        }
    }

    pub(super) fn send_datagram(
        &mut self,
        cx: &Cx<'_>,
        file: FileId,
        name: Option<&[u8]>,
        bytes: Bytes,
    ) {
        let Some(port) = self.port_of(cx, file) else {
            return;
        };
        let known = self.ports.get(port);
        let to = name.and_then(Address::decode).or(known.peer.clone());
        let net = known.net;
        let target = to.as_ref().and_then(|to| self.ports.at(net, to));
        let other = match target {
            Some(target) => Other::Port(target),
            None => Other::Outside(to),
        };
        let Some((connection, side)) = self.message_connection(port, other) else {
            return;
        };
        let stream = &mut self.connections.get_mut(connection).streams[side.index()];
        let number = stream.sent;
        stream.sent = number.saturating_add(1);
        self.say(
            cx,
            Fact::Send {
                connection,
                from: side,
                offset: number,
                bytes: bytes.clone(),
            },
        );
        let Some(target) = target else { return };
        let message = Waiting {
            from: port,
            connection,
            side,
            number,
            bytes,
        };
        let source = self.ports.get(port).end.address.clone();
        let target = self.ports.get(target);
        let net_there = target.net;
        let awaited = target.awaited.iter().position(|awaited| {
            may_be_from(&source, &awaited.source) && same(&awaited.bytes, &message.bytes)
        });
        if let Some(awaited) = awaited.and_then(|at| target.awaited.remove(at)) {
            self.learn_source(port, awaited.source, net_there);
            let stream = &mut self.connections.get_mut(connection).streams[side.index()];
            stream.received = stream.received.saturating_add(1);
            let matched = Matched {
                connection,
                from: side,
                number,
                certain: true,
            };
            let late = self.ports.late.entry(awaited.event).or_default();
            late.push_back(matched);
            return;
        }
        if target.waiting.len() == WAITING_MAX {
            target.waiting.pop_front();
        }
        target.waiting.push_back(message);
    }

    pub(super) fn receive_datagram(
        &mut self,
        cx: &Cx<'_>,
        file: FileId,
        name: Option<&[u8]>,
        bytes: Bytes,
    ) {
        let Some(port) = self.port_of(cx, file) else {
            return;
        };
        let known = self.ports.get(port);
        let source = name.and_then(Address::decode).or(known.peer.clone());
        let source = source.filter(|source| *source != Address::Unnamed);
        match self.take_waiting(port, &source, &bytes) {
            Some(matched) => {
                self.say(
                    cx,
                    Fact::Receive {
                        connection: matched.connection,
                        from: matched.from,
                        offset: matched.number,
                        bytes,
                        certain: matched.certain,
                    },
                );
            }
            None => {
                let known = self.ports.get(port);
                if known.awaited.len() == AWAITED_MAX {
                    known.awaited.pop_front();
                }
                known.awaited.push_back(Awaited {
                    event: cx.id,
                    source: source.clone(),
                    bytes: bytes.clone(),
                });
                let Some((connection, side)) =
                    self.message_connection(port, Other::Outside(source))
                else {
                    return;
                };
                self.say(
                    cx,
                    Fact::Receive {
                        connection,
                        from: side.other(),
                        offset: u64::MAX,
                        bytes,
                        certain: true,
                    },
                );
            }
        }
    }

    /// The earliest message that may be the one received: of which it has all, or else the beginning.
    fn take_waiting(
        &mut self,
        port: u32,
        source: &Option<Address>,
        bytes: &Bytes,
    ) -> Option<Matched> {
        let waiting = &self.ports.all.get(port as usize)?.waiting;
        let find = |same: fn(&Bytes, &Bytes) -> bool| {
            let mut candidates = waiting.iter().enumerate().filter(|(_, message)| {
                let sender = self.ports.all.get(message.from as usize);
                let address = sender.and_then(|sender| sender.end.address.clone());
                may_be_from(&address, source) && same(bytes, &message.bytes)
            });
            let (at, first) = candidates.next()?;
            let from = first.from;
            Some((
                at,
                from,
                candidates.all(|(_, message)| message.from == from),
            ))
        };
        let (at, from, certain) = find(same).or_else(|| find(cut_short))?;
        let here = self.ports.get(port);
        let message = here.waiting.remove(at)?;
        let net = here.net;
        self.learn_source(from, source.clone(), net);
        let known = self.connections.get_mut(message.connection);
        let stream = &mut known.streams[message.side.index()];
        stream.received = stream.received.saturating_add(1);
        Some(Matched {
            connection: message.connection,
            from: message.side,
            number: message.number,
            certain,
        })
    }

    /// The address of a socket that was never bound is seen by those that it writes to, who are in its
    /// network namespace.
    fn learn_source(&mut self, port: u32, source: Option<Address>, net: u64) {
        let known = self.ports.get(port);
        if known.end.address.is_some() {
            return;
        }
        let Some(source) = source.filter(Address::is_reachable) else {
            return;
        };
        known.end.address = Some(source.clone());
        if known.net == 0 {
            known.net = net;
        }
        let net = known.net;
        self.ports.bind(net, source, port);
    }

    /// The connection between a port and another, and the port's side of it.
    fn message_connection(&mut self, port: u32, other: Other) -> Option<(ConnectionId, Side)> {
        if let Some(known) = self.ports.connections.get(&(port, other.clone())) {
            return Some(*known);
        }
        let Port {
            end, channel, net, ..
        } = self.ports.all.get(port as usize)?;
        let (end, channel, net) = (end.clone(), *channel, *net);
        let (address, there) = match &other {
            Other::Port(other) => {
                let there = self.ports.all.get(*other as usize)?.end.clone();
                (there.address.clone(), Some(there))
            }
            Other::Outside(address) => (address.clone(), None),
        };
        let id = self
            .connections
            .add(channel, net, Side::Zero, end, address)?;
        if let Some(there) = there {
            self.connections.get_mut(id).ends[Side::One.index()] = there;
        }
        if let Other::Port(other) = other {
            let reverse = (other, Other::Port(port));
            self.ports.connections.insert(reverse, (id, Side::One));
        }
        self.ports
            .connections
            .insert((port, other), (id, Side::Zero));
        Some((id, Side::Zero))
    }
}

/// Whether a message from a socket with this address may have come from there, as far as either is
/// known: a receiver need not ask, and a socket that was never bound has no address yet.
fn may_be_from(sender: &Option<Address>, source: &Option<Address>) -> bool {
    match (sender, source) {
        (Some(sender), Some(source)) => {
            sender == source || sender.is_wildcard() && sender.port() == source.port()
        }
        (None, _) | (_, None) => true,
    }
}

/// Whether one message may be the other. The bytes of some are not known, only their number.
fn same(received: &Bytes, sent: &Bytes) -> bool {
    let known = received.known.len().min(sent.known.len());
    received.len == sent.len && received.known[..known] == sent.known[..known]
}

/// Whether a receiver may have had room for no more than the beginning.
fn cut_short(received: &Bytes, sent: &Bytes) -> bool {
    sent.known.len() > received.known.len() && sent.known.starts_with(&received.known)
}
