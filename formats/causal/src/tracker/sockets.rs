//! Sockets: what endpoint events say of them, and how they become ends of connections.

use reenact_abi::event::Role;

use super::{parts, Cx, How, Made, Tracker};
use crate::address::Address;
use crate::connections::End;
use crate::descriptors::{File, Socket};
use crate::fact::{ConnectionId, Fact, Side};

const SOCK_STREAM: u64 = 1;

/// What an endpoint event says.
pub(super) struct Endpoint {
    pub fd: u32,
    pub net: u64,
    pub domain: u64,
    pub local: Option<Address>,
    pub peer: Option<Address>,
}

impl Endpoint {
    fn of(cx: &Cx<'_>) -> Endpoint {
        let address = |which| {
            let bytes = parts::at(cx.event, Role::Data, which)?;
            Address::decode(bytes)
        };
        Endpoint {
            fd: cx.fd(0),
            net: cx.arg(4),
            domain: cx.arg(5),
            local: address(0),
            peer: address(1),
        }
    }
}

impl Tracker {
    /// An end that the event's process makes.
    pub(super) fn end_here(&self, cx: &Cx<'_>) -> End {
        End {
            process: Some(cx.process()),
            address: None,
            event: Some(cx.id),
            time_ns: cx.time_ns,
        }
    }

    pub(super) fn endpoint(&mut self, cx: &Cx<'_>) {
        let endpoint = Endpoint::of(cx);
        let task = self.tasks.entry(cx.id.stream).or_default();
        let Some(made) = task.made.take() else {
            // One of a pipe or a pair, which its call has told all about.
            return;
        };
        let Made { how, fd, since } = made;
        // What the endpoint says was so when the call was under way.
        let cx = &Cx { since, ..*cx };
        if fd != endpoint.fd {
            return;
        }
        let Some(file) = self.file_at(cx, fd) else {
            // Made before the recording began: only the endpoint tells what it is.
            self.unknown_socket(cx, &endpoint);
            return self.endpoint_of(cx, how, endpoint);
        };
        if !matches!(self.files.get(file), Some(File::Socket(_) | File::End(..))) {
            self.unknown_socket(cx, &endpoint);
        }
        self.endpoint_of(cx, how, endpoint);
    }

    fn unknown_socket(&mut self, cx: &Cx<'_>, endpoint: &Endpoint) {
        let socket = File::Socket(Socket::new(endpoint.domain, SOCK_STREAM));
        self.new_file(cx, endpoint.fd.into(), socket, false);
    }

    fn endpoint_of(&mut self, cx: &Cx<'_>, how: How, endpoint: Endpoint) {
        let Some(id) = self.file_at(cx, endpoint.fd) else {
            return;
        };
        let (connection, side) = match self.files.get_mut(id) {
            Some(File::Socket(socket)) => {
                socket.net = endpoint.net;
                socket.local = endpoint.local.clone();
                socket.peer = endpoint.peer.clone();
                let (channel, local) = (socket.channel, socket.local.clone());
                if !socket.connects {
                    let bound = how == How::Bind;
                    return self.bound_port(cx, endpoint, bound);
                }
                let end = End {
                    address: local,
                    ..self.end_here(cx)
                };
                let (net, peer) = (endpoint.net, endpoint.peer);
                match how {
                    How::Bind => return,
                    How::Accept => {
                        let id = self.connections.accepted(channel, net, end, peer);
                        (id, Side::One)
                    }
                    How::Connect => {
                        let id = self.connections.connected(channel, net, end, peer);
                        (id, Side::Zero)
                    }
                }
            }
            Some(File::End(connection, side)) => {
                // Connected a second time, to learn how the first went.
                let (connection, side) = (*connection, *side);
                self.settle(cx, connection, side, endpoint.local, endpoint.peer);
                return;
            }
            Some(File::Other | File::Standard(_) | File::Path(_)) | None => return,
        };
        let Some(connection) = connection else { return };
        if let Some(file) = self.files.get_mut(id) {
            *file = File::End(connection, side);
        }
        let settled = self.connections.is_settled(connection, side);
        self.say(
            cx,
            Fact::Open {
                connection,
                side,
                settled,
            },
        );
    }

    /// More is known about the two ends.
    fn settle(
        &mut self,
        cx: &Cx<'_>,
        connection: ConnectionId,
        side: Side,
        own: Option<Address>,
        peer: Option<Address>,
    ) {
        if self.connections.is_settled(connection, side) {
            return;
        }
        self.connections.learn(connection, side, own, peer);
        if self.connections.is_settled(connection, side) {
            self.say(
                cx,
                Fact::Open {
                    connection,
                    side,
                    settled: true,
                },
            );
        }
    }

    pub(super) fn listen(&mut self, cx: &Cx<'_>) {
        let Some(id) = self.file_at(cx, cx.fd(0)) else {
            return;
        };
        let Some(File::Socket(socket)) = self.files.get(id) else {
            return;
        };
        let (net, local) = (socket.net, socket.local.clone());
        if let Some(address) = local {
            self.connections.listen(net, address.clone(), cx.process());
            self.say(cx, Fact::Listen { address });
        }
    }

    pub(super) fn peer_name(&mut self, cx: &Cx<'_>) {
        let file = self.file_at(cx, cx.fd(0));
        let Some(File::End(connection, side)) = file.and_then(|file| self.files.get(file)) else {
            return;
        };
        let (connection, side) = (*connection, *side);
        let address = parts::at(cx.event, Role::Output, cx.arg(1)).and_then(Address::decode);
        self.settle(cx, connection, side, None, address);
    }

    /// A connection was refused: its end is no connection after all. Where to, if known.
    pub(super) fn forget_connecting(&mut self, cx: &Cx<'_>, fd: u32) -> Option<Address> {
        let id = self.file_at(cx, fd)?;
        let Some(File::End(connection, side)) = self.files.get(id) else {
            return None;
        };
        let (connection, side) = (*connection, *side);
        let known = self.connections.get(connection);
        let to = known.ends[side.other().index()].address.clone();
        let socket = Socket {
            channel: known.channel,
            ..Socket::new(0, SOCK_STREAM)
        };
        if let Some(file) = self.files.get_mut(id) {
            *file = File::Socket(socket);
        }
        to
    }
}
