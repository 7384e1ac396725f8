//! Connections: their ends, and how the ends of recorded processes are joined.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::address::Address;
use crate::descriptors::FileId;
use crate::fact::{Channel, ConnectionId, Side};
use crate::ids::EventId;

/// An accepted unix connection whose client is not known after this time is taken for one from outside.
const ACCEPTED_WAITS_NS: u64 = 1_000_000_000;

/// A connection, pipe or pair of sockets for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub channel: Channel,
    /// Cookie of the network namespace, 0 where there is none.
    pub net: u64,
    pub ends: [End; 2],
    /// Bytes (or messages, where the channel keeps them) sent from each side.
    pub streams: [Stream; 2],
    /// Whether it is certain that these two ends belong together: unix sockets have no names by which
    /// two clients of one path could be told apart.
    pub certain: bool,
}

/// One end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The recorded process that made it; `None` as long as it is outside of the recording.
    pub process: Option<u32>,
    pub address: Option<Address>,
    /// The event from which it is known.
    pub event: Option<EventId>,
    /// Time of that event.
    pub time_ns: u64,
}

/// What went one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub sent: u64,
    pub received: u64,
    /// Descriptors that travel.
    pub(crate) passed: VecDeque<Vec<FileId>>,
}

/// Who is at an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer<'a> {
    /// A recorded process.
    Process(u32),
    /// Somebody outside of the recording, at this address if it is known.
    Outside(Option<&'a Address>),
}

/// All connections of a recording, as far as it has been read.
#[derive(Debug, Default)]
pub struct Connections {
    all: Vec<Connection>,
    /// Who listens where, by network namespace.
    listeners: FxHashMap<(u64, Address), u32>,
    /// Connecting ends by namespace and own address, and accepted ends by namespace and peer's
    /// address, that wait for the other.
    connecting: FxHashMap<(u64, Address), ConnectionId>,
    accepted: FxHashMap<(u64, Address), ConnectionId>,
    /// The same for unix sockets, by the path that was connected to.
    unix_connecting: FxHashMap<Address, VecDeque<ConnectionId>>,
    unix_accepted: FxHashMap<Address, VecDeque<ConnectionId>>,
}

impl Connections {
    /// All of them, by their numbers.
    pub fn all(&self) -> &[Connection] {
        &self.all
    }

    /// A connection that a fact named.
    ///
    /// # Panics
    ///
    /// If the number is not from this recording.
    pub fn get(&self, id: ConnectionId) -> &Connection {
        &self.all[id.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> &mut Connection {
        &mut self.all[id.0 as usize]
    }

    /// Who is at a side. Before a server has accepted a connection, it is whoever listens there.
    pub fn peer(&self, id: ConnectionId, side: Side) -> Peer<'_> {
        let connection = self.get(id);
        let end = &connection.ends[side.index()];
        if let Some(process) = end.process {
            return Peer::Process(process);
        }
        let listener = end.address.as_ref();
        match listener.and_then(|address| self.listener(connection.net, address)) {
            Some(process) => Peer::Process(process),
            None => Peer::Outside(end.address.as_ref()),
        }
    }

    /// The process that listens at an address, which may be bound to all addresses.
    pub fn listener(&self, net: u64, address: &Address) -> Option<u32> {
        let at = |address: Address| self.listeners.get(&(net, address)).copied();
        at(address.clone()).or_else(|| wildcards(address).into_iter().find_map(at))
    }

    pub(crate) fn listen(&mut self, net: u64, address: Address, process: u32) {
        self.listeners.insert((net, address), process);
    }

    /// A new connection of which one end is known; `None` when numbers run out.
    pub(crate) fn add(
        &mut self,
        channel: Channel,
        net: u64,
        side: Side,
        end: End,
        other: Option<Address>,
    ) -> Option<ConnectionId> {
        let id = ConnectionId(u32::try_from(self.all.len()).ok()?);
        let mut ends = [End::default(), End::default()];
        ends[side.index()] = end;
        ends[side.other().index()].address = other;
        self.all.push(Connection {
            channel,
            net,
            ends,
            streams: [Stream::default(), Stream::default()],
            certain: true,
        });
        Some(id)
    }

    /// The end that connected: joins an accepted one that waits for it, or waits itself.
    pub(crate) fn connected(
        &mut self,
        channel: Channel,
        net: u64,
        end: End,
        peer: Option<Address>,
    ) -> Option<ConnectionId> {
        let own = end.address.clone().filter(Address::is_reachable);
        if let Some(own) = &own {
            if let Some(id) = self.accepted.remove(&(net, own.clone())) {
                self.get_mut(id).ends[Side::Zero.index()] = end;
                return Some(id);
            }
        }
        if own.is_none() {
            let now = end.time_ns;
            let waiting = peer
                .as_ref()
                .and_then(|peer| self.unix_accepted.get_mut(peer));
            let all = &mut self.all;
            if let Some(waiting) = waiting {
                while let Some(id) = waiting.pop_front() {
                    let connection = &mut all[id.0 as usize];
                    let accepted_ns = connection.ends[Side::One.index()].time_ns;
                    if accepted_ns.saturating_add(ACCEPTED_WAITS_NS) >= now {
                        connection.certain = waiting.is_empty();
                        connection.ends[Side::Zero.index()] = end;
                        return Some(id);
                    }
                }
            }
        }
        let id = self.add(channel, net, Side::Zero, end, peer.clone())?;
        match (own, peer) {
            (Some(own), _) => {
                self.connecting.insert((net, own), id);
            }
            (None, Some(peer)) => self.unix_connecting.entry(peer).or_default().push_back(id),
            (None, None) => {}
        }
        Some(id)
    }

    /// The end that was accepted, likewise.
    pub(crate) fn accepted(
        &mut self,
        channel: Channel,
        net: u64,
        end: End,
        peer: Option<Address>,
    ) -> Option<ConnectionId> {
        let peer = peer.filter(Address::is_reachable);
        if let Some(peer) = &peer {
            if let Some(id) = self.connecting.remove(&(net, peer.clone())) {
                self.get_mut(id).ends[Side::One.index()] = end;
                return Some(id);
            }
        } else if let Some(own) = &end.address {
            let waiting = self.unix_connecting.get_mut(own);
            if let Some(id) = waiting.and_then(VecDeque::pop_front) {
                let more = self
                    .unix_connecting
                    .get(own)
                    .is_some_and(|rest| !rest.is_empty());
                let connection = self.get_mut(id);
                connection.certain = !more;
                connection.ends[Side::One.index()] = end;
                return Some(id);
            }
        }
        let own = end.address.clone();
        let id = self.add(channel, net, Side::One, end, peer.clone())?;
        match (peer, own) {
            (Some(peer), _) => {
                self.accepted.insert((net, peer), id);
            }
            (None, Some(own)) => self.unix_accepted.entry(own).or_default().push_back(id),
            (None, None) => {}
        }
        Some(id)
    }

    /// Whether it is known who, or what address, is at the other end.
    pub(crate) fn is_settled(&self, id: ConnectionId, side: Side) -> bool {
        let other = &self.get(id).ends[side.other().index()];
        other.process.is_some() || other.address.is_some() || side == Side::One
    }

    /// What is learnt later about an end's own address and its peer's.
    pub(crate) fn learn(
        &mut self,
        id: ConnectionId,
        side: Side,
        own: Option<Address>,
        peer: Option<Address>,
    ) {
        let ends = &mut self.get_mut(id).ends;
        for (side, address) in [(side, own), (side.other(), peer)] {
            let known = &mut ends[side.index()].address;
            *known = known.take().or(address);
        }
    }
}

/// The addresses to which a socket may be bound that is reached at another one.
pub(crate) fn wildcards(address: &Address) -> Vec<Address> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    match address.port() {
        Some(port) => vec![
            Address::Inet((Ipv4Addr::UNSPECIFIED, port).into()),
            Address::Inet((Ipv6Addr::UNSPECIFIED, port).into()),
        ],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(port: u16) -> Address {
        Address::Inet(([127, 0, 0, 1], port).into())
    }

    fn end(process: u32, address: Address, time_ns: u64) -> End {
        End {
            process: Some(process),
            address: Some(address),
            event: None,
            time_ns,
        }
    }

    #[test]
    fn tcp_ends_join_by_their_addresses_in_either_order_and_within_a_namespace() {
        let mut all = Connections::default();
        let client = |port, at| end(1, inet(port), at);
        let server = |at| end(2, inet(80), at);
        let a = all.connected(Channel::Tcp, 7, client(5000, 1), Some(inet(80)));
        assert_eq!(
            all.accepted(Channel::Tcp, 7, server(2), Some(inet(5000))),
            a
        );
        let b = all.accepted(Channel::Tcp, 7, server(3), Some(inet(5001)));
        assert_eq!(all.connected(Channel::Tcp, 7, client(5001, 4), None), b);
        let c = all.accepted(Channel::Tcp, 7, server(5), Some(inet(5002)));
        assert_ne!(all.connected(Channel::Tcp, 8, client(5002, 6), None), c);
        assert_eq!(
            all.peer(c.unwrap(), Side::Zero),
            Peer::Outside(Some(&inet(5002)))
        );
        assert_eq!(all.peer(b.unwrap(), Side::Zero), Peer::Process(1));
    }

    #[test]
    fn unix_ends_join_in_order_and_say_when_that_is_a_guess() {
        let mut all = Connections::default();
        let path = Address::Unix(b"/s".to_vec());
        let client = |at| end(1, Address::Unnamed, at);
        let server = |at| end(2, path.clone(), at);
        let a = all.connected(Channel::Unix, 0, client(1), Some(path.clone()));
        let b = all.connected(Channel::Unix, 0, client(2), Some(path.clone()));
        assert_eq!(all.accepted(Channel::Unix, 0, server(3), None), a);
        assert!(!all.get(a.unwrap()).certain);
        assert_eq!(all.accepted(Channel::Unix, 0, server(4), None), b);
        assert!(all.get(b.unwrap()).certain);
        // A client that connects much later is not the one that was accepted.
        let outside = all.accepted(Channel::Unix, 0, server(5), None);
        let late = all.connected(Channel::Unix, 0, client(9_000_000_000), Some(path.clone()));
        assert_ne!(late, outside);
    }

    #[test]
    fn whoever_listens_is_the_peer_until_somebody_accepts() {
        let mut all = Connections::default();
        all.listen(7, Address::Inet(([0, 0, 0, 0], 80).into()), 2);
        let id = all
            .connected(Channel::Tcp, 7, end(1, inet(5000), 1), Some(inet(80)))
            .unwrap();
        assert_eq!(all.peer(id, Side::One), Peer::Process(2));
        all.accepted(Channel::Tcp, 7, end(3, inet(80), 2), Some(inet(5000)));
        assert_eq!(all.peer(id, Side::One), Peer::Process(3));
    }
}
