//! Bytes: which connection, which way, at which offset.

use reenact_abi::event::{flags, Role};

use super::{parts, Cx, Tracker};
use crate::connections::Connection;
use crate::descriptors::{File, FileId, Socket};
use crate::fact::{Bytes, Channel, ConnectionId, Fact, Side, Standard};

const MSG_OOB: u64 = 1;
const MSG_PEEK: u64 = 2;
const MSG_ERRQUEUE: u64 = 0x2000;
const MSG_CMSG_CLOEXEC: u64 = 0x4000_0000;
/// Data parts of a call that wrote to a file, which have lines of a key log.
const KEY_LOG: u64 = 2;
/// Messages with descriptors that are remembered for one direction until they are received.
const PASSED_MAX: usize = 4096;

/// What a descriptor leads to, as far as bytes are concerned.
enum Target {
    End(ConnectionId, Side),
    /// A socket that exchanges messages without a connection.
    Port(FileId),
    Standard(Standard),
    /// Nothing that anybody else reads.
    Nowhere,
}

impl Tracker {
    fn target(&mut self, cx: &Cx<'_>, fd: u32) -> Target {
        let Some(id) = self.file_at(cx, fd) else {
            return Target::Nowhere;
        };
        match self.files.get(id) {
            Some(File::End(connection, side)) => Target::End(*connection, *side),
            Some(File::Standard(which)) => Target::Standard(*which),
            Some(File::Socket(socket)) if !socket.connects => Target::Port(id),
            Some(File::Socket(socket)) => {
                let socket = socket.clone();
                self.lone_socket(cx, id, &socket)
            }
            Some(File::Other | File::Path(_)) | None => Target::Nowhere,
        }
    }

    /// Bytes go through a socket of which no event said how it was connected.
    fn lone_socket(&mut self, cx: &Cx<'_>, id: FileId, socket: &Socket) -> Target {
        let mut end = self.end_here(cx);
        end.address = socket.local.clone();
        let peer = socket.peer.clone();
        let made = self
            .connections
            .add(socket.channel, socket.net, Side::Zero, end, peer);
        let Some(connection) = made else {
            return Target::Nowhere;
        };
        if let Some(file) = self.files.get_mut(id) {
            *file = File::End(connection, Side::Zero);
        }
        let side = Side::Zero;
        let settled = self.connections.is_settled(connection, side);
        self.say(
            cx,
            Fact::Open {
                connection,
                side,
                settled,
            },
        );
        Target::End(connection, side)
    }

    pub(super) fn receive(&mut self, cx: &Cx<'_>, fd: u32, message_flags: u64) {
        let Some(len) = cx.success() else { return };
        if message_flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE) != 0 {
            return;
        }
        match self.target(cx, fd) {
            Target::End(connection, side) => {
                let bytes = parts::payload(cx.event, Role::Output, len);
                self.received(cx, connection, side.other(), bytes);
            }
            Target::Port(file) => {
                let bytes = parts::payload(cx.event, Role::Output, len);
                // recvfrom's fifth argument; read and readv have no such thing.
                let name = parts::at(cx.event, Role::Output, cx.arg(4));
                let name = name.filter(|_| cx.arg(4) != 0).map(<[u8]>::to_vec);
                self.receive_datagram(cx, file, name.as_deref(), bytes);
            }
            Target::Standard(which) => {
                let bytes = parts::payload(cx.event, Role::Output, len);
                self.say(
                    cx,
                    Fact::Standard {
                        which,
                        ticket: 0,
                        bytes,
                    },
                );
            }
            Target::Nowhere => {}
        }
    }

    pub(super) fn receive_message(&mut self, cx: &Cx<'_>) {
        let Some(len) = cx.success() else { return };
        if cx.arg(2) & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE) != 0 {
            return;
        }
        let message = parts::message(cx.event, cx.arg(1));
        let bytes = parts::payload(cx.event, Role::Output, len);
        match self.target(cx, cx.fd(0)) {
            Target::End(connection, side) => {
                let descriptors = message.control.map(parts::rights).unwrap_or_default();
                if !descriptors.is_empty() {
                    let cloexec = cx.arg(2) & MSG_CMSG_CLOEXEC != 0;
                    self.descriptors_arrive(cx, connection, side.other(), &descriptors, cloexec);
                }
                self.received(cx, connection, side.other(), bytes);
            }
            Target::Port(file) => {
                let name = message.name.map(<[u8]>::to_vec);
                self.receive_datagram(cx, file, name.as_deref(), bytes);
            }
            Target::Standard(_) | Target::Nowhere => {}
        }
    }

    pub(super) fn receive_messages(&mut self, cx: &Cx<'_>) {
        let Some(count) = cx.success() else { return };
        if cx.arg(3) & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE) != 0 {
            return;
        }
        let lengths = parts::message_lengths(cx.event, cx.arg(1), count);
        for (entry, len) in (0..).zip(lengths) {
            let bytes = parts::received_message(cx.event, cx.arg(1), entry, len);
            match self.target(cx, cx.fd(0)) {
                Target::End(connection, side) => {
                    self.received(cx, connection, side.other(), bytes);
                }
                Target::Port(file) => {
                    let header = cx.arg(1).wrapping_add(entry * parts::MMSGHDR);
                    let name = parts::message(cx.event, header).name.map(<[u8]>::to_vec);
                    self.receive_datagram(cx, file, name.as_deref(), bytes);
                }
                Target::Standard(_) | Target::Nowhere => {}
            }
        }
    }

    pub(super) fn send(&mut self, cx: &Cx<'_>, fd: u32, message_flags: u64) {
        let Some(len) = cx.success() else { return };
        if message_flags & MSG_OOB != 0 {
            return;
        }
        let lines = parts::all(cx.event, Role::Data, KEY_LOG);
        if !lines.is_empty() {
            self.say(cx, Fact::KeyLog { lines });
            return;
        }
        let bytes = parts::payload(cx.event, Role::Input, len);
        let header = cx.header();
        if header.flags & (flags::STDOUT | flags::STDERR) != 0 {
            let which = if header.flags & flags::STDOUT != 0 {
                Standard::Output
            } else {
                Standard::Error
            };
            let ticket = header.ticket;
            self.say(
                cx,
                Fact::Standard {
                    which,
                    ticket,
                    bytes,
                },
            );
            return;
        }
        match self.target(cx, fd) {
            Target::End(connection, side) => {
                if let Some(control) = parts::at(cx.event, Role::Data, 1) {
                    self.descriptors_leave(cx, connection, side, &parts::rights(control));
                }
                self.sent(cx, connection, side, bytes);
            }
            Target::Port(file) => {
                let name = parts::at(cx.event, Role::Data, 0).map(<[u8]>::to_vec);
                self.send_datagram(cx, file, name.as_deref(), bytes);
            }
            Target::Standard(which) => {
                self.say(
                    cx,
                    Fact::Standard {
                        which,
                        ticket: 0,
                        bytes,
                    },
                );
            }
            Target::Nowhere if !bytes.known.is_empty() => self.send_somewhere(cx, fd, bytes),
            Target::Nowhere => {}
        }
    }

    /// The recorder saw that somebody may read this, but the events do not tell what it is: something
    /// that was open before, a device, or a FIFO that was made outside.
    fn send_somewhere(&mut self, cx: &Cx<'_>, fd: u32, bytes: Bytes) {
        let path = self.file_at(cx, fd).and_then(|file| self.files.get(file));
        let address = match path {
            Some(File::Path(path)) => Some(crate::address::Address::Unix(path.clone())),
            Some(File::Other | File::Standard(_) | File::Socket(_) | File::End(..)) | None => None,
        };
        let end = self.end_here(cx);
        let made = self
            .connections
            .add(Channel::Unknown, 0, Side::Zero, end, address);
        let Some(connection) = made else { return };
        let known = self.file_at(cx, fd);
        match known.and_then(|id| self.files.get_mut(id)) {
            Some(file) => *file = File::End(connection, Side::Zero),
            None => self.new_file(cx, fd.into(), File::End(connection, Side::Zero), false),
        }
        self.sent(cx, connection, Side::Zero, bytes);
    }

    pub(super) fn send_messages(&mut self, cx: &Cx<'_>) {
        let Some(count) = cx.success() else { return };
        let lengths = parts::message_lengths(cx.event, cx.arg(1), count);
        let total = lengths.iter().map(|len| u64::from(*len)).sum();
        let mut rest = parts::payload(cx.event, Role::Input, total).known;
        for len in lengths {
            let after = rest.split_off((len as usize).min(rest.len()));
            let bytes = Bytes {
                len: len.into(),
                known: std::mem::replace(&mut rest, after),
            };
            match self.target(cx, cx.fd(0)) {
                Target::End(connection, side) => self.sent(cx, connection, side, bytes),
                Target::Port(file) => self.send_datagram(cx, file, None, bytes),
                Target::Standard(_) | Target::Nowhere => {}
            }
        }
    }

    /// Bytes moved within the kernel: nobody saw them.
    pub(super) fn transfer(&mut self, cx: &Cx<'_>, from: u32, to: u32) {
        let Some(len) = cx.success().filter(|len| *len > 0) else {
            return;
        };
        let unseen = || Bytes {
            len,
            known: Vec::new(),
        };
        if let Target::End(connection, side) = self.target(cx, from) {
            self.received(cx, connection, side.other(), unseen());
        }
        match self.target(cx, to) {
            Target::End(connection, side) => self.sent(cx, connection, side, unseen()),
            Target::Standard(which) => {
                let ticket = cx.header().ticket;
                self.say(
                    cx,
                    Fact::Standard {
                        which,
                        ticket,
                        bytes: unseen(),
                    },
                );
            }
            Target::Port(_) | Target::Nowhere => {}
        }
    }

    fn sent(&mut self, cx: &Cx<'_>, connection: ConnectionId, from: Side, bytes: Bytes) {
        let known = self.connections.get_mut(connection);
        let units = units(known, &bytes);
        if units == 0 {
            return;
        }
        let stream = &mut known.streams[from.index()];
        let offset = stream.sent;
        stream.sent = offset.saturating_add(units);
        self.say(
            cx,
            Fact::Send {
                connection,
                from,
                offset,
                bytes,
            },
        );
    }

    fn received(&mut self, cx: &Cx<'_>, connection: ConnectionId, from: Side, bytes: Bytes) {
        let known = self.connections.get_mut(connection);
        let certain = known.certain;
        let stream = &known.streams[from.index()];
        let empty = known.channel.keeps_messages() && stream.received < stream.sent;
        if bytes.len == 0 && !empty {
            self.say(cx, Fact::EndOfStream { connection, from });
            return;
        }
        let units = units(known, &bytes);
        let stream = &mut known.streams[from.index()];
        let offset = stream.received;
        stream.received = offset.saturating_add(units);
        self.say(
            cx,
            Fact::Receive {
                connection,
                from,
                offset,
                bytes,
                certain,
            },
        );
    }

    /// Descriptors leave in a message: they stay open until they arrive.
    fn descriptors_leave(
        &mut self,
        cx: &Cx<'_>,
        connection: ConnectionId,
        from: Side,
        descriptors: &[u32],
    ) {
        if descriptors.is_empty() {
            return;
        }
        let files: Vec<FileId> = descriptors
            .iter()
            .map(|fd| match self.file_at(cx, *fd) {
                Some(file) => file,
                None => self.files.add(File::Other),
            })
            .collect();
        let stream = &mut self.connections.get_mut(connection).streams[from.index()];
        if stream.passed.len() < PASSED_MAX {
            stream.passed.push_back(files.clone());
            for file in files {
                self.files.keep(file);
            }
        }
    }

    fn descriptors_arrive(
        &mut self,
        cx: &Cx<'_>,
        connection: ConnectionId,
        from: Side,
        descriptors: &[u32],
        cloexec: bool,
    ) {
        let stream = &mut self.connections.get_mut(connection).streams[from.index()];
        let passed = stream.passed.pop_front();
        let mut files = passed.clone().unwrap_or_default();
        while files.len() < descriptors.len() {
            files.push(self.files.add(File::Other));
        }
        for (fd, file) in descriptors.iter().zip(&files) {
            self.set(cx, *fd, *file, cloexec);
        }
        for file in passed.iter().flatten() {
            let closed = self.files.drop(*file);
            self.closed(cx, closed);
        }
    }
}

/// How far bytes move a stream on: by their number, or by one message.
fn units(connection: &Connection, bytes: &Bytes) -> u64 {
    if connection.channel.keeps_messages() {
        1
    } else {
        bytes.len
    }
}
