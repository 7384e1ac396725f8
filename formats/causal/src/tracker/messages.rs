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

/// Messages that are remembered for one socket until they are received; beyond, the oldest count as lost.
const WAITING_MAX: usize = 4096;
/// Bytes of a message that are compared with others.
const COMPARED_MAX: usize = 256;

/// A socket for messages.
struct Port {
    end: End,
    channel: Channel,
    net: u64,
    /// Where it is connected to.
    peer: Option<Address>,
    closed: bool,
    /// Sent to it and not received yet.
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    from: u32,
    connection: ConnectionId,
    side: Side,
    number: u64,
    bytes: Bytes,
}

/// A receipt that was matched to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Matched {
    connection: ConnectionId,
    from: Side,
    number: u64,
    certain: bool,
}

/// All sockets for messages.
#[derive(Default)]
pub(crate) struct Ports {
    all: Vec<Port>,
    bound: FxHashMap<(u64, Address), u32>,
    /// The newest that is bound to an address in any namespace: a socket that was never bound does not
    /// know in which one it is.
    anywhere: FxHashMap<Address, u32>,
    /// Between two ports, or of a port alone: the side given is that of the first.
    connections: BTreeMap<(u32, Other), (ConnectionId, Side)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Other {
    Port(u32),
    /// Somewhere that no address is known of.
    Nowhere,
}

impl Ports {
    pub fn close(&mut self, port: Option<u32>) {
        let Some(port) = port else { return };
        if let Some(known) = self.all.get_mut(port as usize) {
            known.waiting.clear();
            known.closed = true;
        }
    }

    /// The port that is reached at an address, from a namespace if that is known.
    fn at(&self, net: u64, address: &Address) -> Option<u32> {
        let at = |address: Address| {
            let port = match net {
                0 => self.anywhere.get(&address).copied(),
                net => self.bound.get(&(net, address)).copied(),
            };
            port.filter(|port| self.is_open(*port))
        };
        let mut wildcards = wildcards(address).into_iter();
        at(address.clone()).or_else(|| wildcards.find_map(at))
    }

    fn is_open(&self, port: u32) -> bool {
        self.all
            .get(port as usize)
            .is_some_and(|known| !known.closed)
    }

    fn bind(&mut self, net: u64, address: Address, port: u32) -> bool {
        self.anywhere.insert(address.clone(), port);
        self.bound.insert((net, address), port) != Some(port)
    }

    /// The port at an address: one that stands for somebody outside where none is known. Whoever
    /// binds the address later takes its place.
    fn there(&mut self, channel: Channel, net: u64, address: &Address) -> Option<u32> {
        if let Some(port) = self.at(net, address) {
            return Some(port);
        }
        let port = self.add(Port {
            end: End {
                address: Some(address.clone()),
                ..End::default()
            },
            channel,
            net,
            peer: None,
            closed: false,
            waiting: VecDeque::new(),
        })?;
        self.bind(net, address.clone(), port);
        Some(port)
    }

    fn add(&mut self, port: Port) -> Option<u32> {
        let number = u32::try_from(self.all.len()).ok()?;
        self.all.push(port);
        Some(number)
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
        let port = self.ports.add(Port {
            end: End {
                address: socket.local.clone(),
                ..end
            },
            channel: socket.channel,
            net: socket.net,
            peer: socket.peer.clone(),
            closed: false,
            waiting: VecDeque::new(),
        })?;
        socket.port = Some(port);
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
        let bytes_sent = bytes;
        let bytes = sample(&bytes_sent);
        let to = name.and_then(Address::decode);
        let Some(port) = self.port_of(cx, file) else {
            return;
        };
        let known = self.ports.get(port);
        let to = to.or(known.peer.clone());
        let (channel, net) = (known.channel, known.net);
        let to = to.filter(Address::is_reachable);
        let target = to.and_then(|to| self.ports.there(channel, net, &to));
        let other = match target {
            Some(target) => Other::Port(target),
            None => Other::Nowhere,
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
                bytes: bytes_sent,
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
        let target = self.ports.get(target);
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
        let sampled = sample(&bytes);
        let (channel, net) = (known.channel, known.net);
        match self.take_waiting(port, &source, &sampled) {
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
                let source = source.filter(Address::is_reachable);
                let there = source.and_then(|source| self.ports.there(channel, net, &source));
                // Whoever speaks first is the one that connects.
                let made = match there {
                    Some(there) => self.message_connection(there, Other::Port(port)),
                    None => {
                        let alone = self.message_connection(port, Other::Nowhere);
                        alone.map(|(connection, side)| (connection, side.other()))
                    }
                };
                let Some((connection, from)) = made else {
                    return;
                };
                self.say(
                    cx,
                    Fact::Receive {
                        connection,
                        from,
                        offset: u64::MAX,
                        bytes,
                        certain: true,
                    },
                );
            }
        }
    }

    /// Whether a message that was received is still to be seen being sent: it was sent by somebody who
    /// is not known to be outside.
    pub(super) fn awaits_datagram(&self, file: FileId, name: Option<&[u8]>, bytes: &Bytes) -> bool {
        let Some(File::Socket(socket)) = self.files.get(file) else {
            return false;
        };
        let known = socket
            .port
            .and_then(|port| self.ports.all.get(port as usize));
        let peer = known.map_or(&socket.peer, |known| &known.peer);
        let source = name.and_then(Address::decode).or(peer.clone());
        let source = source.filter(Address::is_reachable);
        let sender = source
            .as_ref()
            .and_then(|source| self.ports.at(socket.net, source));
        let sender = sender.and_then(|sender| self.ports.all.get(sender as usize));
        if sender.is_some_and(|sender| sender.end.process.is_none()) {
            return false;
        }
        match socket.port {
            Some(port) => self.waiting(port, &source, &sample(bytes)).is_none(),
            None => true,
        }
    }

    /// The earliest message that may be the one received, of which it has all, or else the beginning:
    /// its position, who sent it, and whether nobody else did.
    fn waiting(
        &self,
        port: u32,
        source: &Option<Address>,
        bytes: &Bytes,
    ) -> Option<(usize, u32, bool)> {
        let waiting = &self.ports.all.get(port as usize)?.waiting;
        let find = |same: fn(&Bytes, &Bytes) -> bool| {
            let mut candidates = waiting.iter().enumerate().filter(|(_, message)| {
                let sender = self.ports.all.get(message.from as usize);
                let address = sender.and_then(|sender| sender.end.address.clone());
                may_be_from(&address, source) && same(bytes, &message.bytes)
            });
            let (at, first) = candidates.next()?;
            let from = first.from;
            let alone = candidates.all(|(_, message)| message.from == from);
            Some((at, from, alone))
        };
        find(same).or_else(|| find(cut_short))
    }

    fn take_waiting(
        &mut self,
        port: u32,
        source: &Option<Address>,
        bytes: &Bytes,
    ) -> Option<Matched> {
        let (at, from, certain) = self.waiting(port, source, bytes)?;
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
        if let Some(known) = self.ports.connections.get(&(port, other)) {
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
            Other::Nowhere => (None, None),
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

/// As much of a message as is compared with others.
fn sample(bytes: &Bytes) -> Bytes {
    Bytes {
        len: bytes.len,
        known: bytes.known[..bytes.known.len().min(COMPARED_MAX)].to_vec(),
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
