//! Calls, by what they do with descriptors and tasks.

use reenact_abi::event::{flags, Role};
use reenact_abi::syscalls::flow::{Flow, CLOEXEC};

use super::{parts, Cx, How, Made, Tracker, CLONE_FILES, SI_PID};
use crate::address::Address;
use crate::descriptors::{File, FileId, Socket, Table};
use crate::fact::{Channel, ConnectionId, Ended, Fact, Side};

const CLOSE_RANGE_UNSHARE: u64 = 2;
const CLOSE_RANGE_CLOEXEC: u64 = 4;
const F_DUPFD: u64 = 0;
const F_SETFD: u64 = 2;
const F_DUPFD_CLOEXEC: u64 = 1030;
const FIOCLEX: u64 = 0x5451;
const FIONCLEX: u64 = 0x5450;
const O_ACCMODE: u64 = 3;
const O_WRONLY: u64 = 1;
const S_IFMT: u64 = 0o170_000;
const S_IFIFO: u64 = 0o010_000;
const EAGAIN: i64 = -11;
const EINTR: i64 = -4;
const EINPROGRESS: i64 = -115;
const EALREADY: i64 = -114;
const EISCONN: i64 = -106;
const SOL_SOCKET: u64 = 1;
const SO_ERROR: u64 = 4;
const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const SOCK_STREAM: u64 = 1;
const SOCK_DGRAM: u64 = 2;
const SOCK_SEQPACKET: u64 = 5;

impl Tracker {
    pub(super) fn call(&mut self, cx: &Cx<'_>, flow: Flow) {
        if cx.header().flags & flags::UNFINISHED != 0 {
            match flow {
                // Only a task that was made in such a call is known to be there.
                Flow::Spawn(at) => self.spawn(cx, at),
                // Who kills itself does not come back; of the first process nobody tells the pid.
                Flow::Kill(pid, signal) => {
                    let target = self.pids.get(&i64::from(cx.arg(pid) as i32));
                    if target.is_none_or(|target| *target == cx.process()) {
                        let of = (cx.process(), cx.arg(signal) as u32);
                        self.kills.insert(of, (cx.process(), cx.id));
                    }
                }
                _ => {}
            }
            return;
        }
        match flow {
            Flow::Receive(at) => self.receive(cx, cx.fd(0), at.map_or(0, |at| cx.arg(at))),
            Flow::ReceiveMessage => self.receive_message(cx),
            Flow::ReceiveMessages => self.receive_messages(cx),
            Flow::Send(at) => self.send(cx, cx.fd(0), at.map_or(0, |at| cx.arg(at))),
            Flow::SendMessages => self.send_messages(cx),
            Flow::Move(from, to) => self.transfer(cx, cx.fd(from), cx.fd(to)),
            Flow::Tee => self.send(cx, cx.fd(1), 0),
            Flow::Vmsplice if parts::has(cx.event, Role::Output) => self.receive(cx, cx.fd(0), 0),
            Flow::Vmsplice => self.send(cx, cx.fd(0), 0),
            Flow::Open(path, at) => self.opened(cx, path, at),
            Flow::MakeNode(path, mode) => {
                if cx.ret() == 0 && cx.arg(mode) & S_IFMT == S_IFIFO {
                    if let Some(path) = parts::at(cx.event, Role::Input, cx.arg(path)) {
                        self.fifos.entry(path.to_vec()).or_insert(None);
                    }
                }
            }
            Flow::Make(at, bit) => {
                let on = cx.arg(at) & u64::from(bit) != 0;
                self.new_file(cx, cx.ret(), File::Other, on);
            }
            Flow::MakePlain | Flow::Fetch => self.new_file(cx, cx.ret(), File::Other, false),
            Flow::Socket => {
                let socket = File::Socket(Socket::new(cx.arg(0), cx.arg(1)));
                self.new_file(cx, cx.ret(), socket, cloexec(cx.arg(1)));
            }
            Flow::Socketpair => self.socketpair(cx),
            Flow::Pipe(at) => self.pipe(cx, at.map_or(0, |at| cx.arg(at))),
            Flow::Accept(at) => self.accept(cx, at.map_or(0, |at| cx.arg(at))),
            Flow::Connect => self.connect(cx),
            Flow::Bind if cx.ret() == 0 => self.made_by(cx, How::Bind, cx.fd(0)),
            Flow::Listen if cx.ret() == 0 => self.listen(cx),
            Flow::PeerName if cx.ret() == 0 => self.peer_name(cx),
            Flow::SocketOption if cx.ret() == 0 => self.socket_option(cx),
            Flow::Bind | Flow::Listen | Flow::PeerName | Flow::SocketOption => {}
            Flow::Shutdown => {}
            Flow::Close => self.close(cx, cx.fd(0)),
            Flow::CloseRange => self.close_range(cx),
            Flow::Dup => self.duplicate(cx, cx.fd(0), cx.ret(), false),
            Flow::DupTo(at) => {
                // The kernel leaves equal descriptors of dup2 as they are.
                if cx.fd(0) != cx.fd(1) {
                    let on = at.is_some_and(|at| cloexec(cx.arg(at)));
                    self.duplicate(cx, cx.fd(0), cx.ret(), on);
                }
            }
            Flow::Fcntl => match cx.arg(1) & 0xffff_ffff {
                F_DUPFD => self.duplicate(cx, cx.fd(0), cx.ret(), false),
                F_DUPFD_CLOEXEC => self.duplicate(cx, cx.fd(0), cx.ret(), true),
                F_SETFD if cx.ret() == 0 => self.set_cloexec(cx, cx.fd(0), cx.arg(2) & 1 != 0),
                _ => {}
            },
            Flow::Ioctl if cx.ret() == 0 => match cx.arg(1) & 0xffff_ffff {
                FIOCLEX => self.set_cloexec(cx, cx.fd(0), true),
                FIONCLEX => self.set_cloexec(cx, cx.fd(0), false),
                _ => {}
            },
            Flow::Ioctl => {}
            Flow::Spawn(at) => self.spawn(cx, at),
            Flow::Exec if cx.ret() == 0 => self.exec(cx),
            Flow::Exec => {}
            Flow::ExitTask => {
                let process = self.processes.get(&cx.process());
                if process.is_none_or(|process| process.tasks <= 1 && !process.killed) {
                    self.end_process(cx, Ended::Status(cx.arg(0) as u8), None);
                }
            }
            Flow::ExitProcess => self.end_process(cx, Ended::Status(cx.arg(0) as u8), None),
            Flow::Wait => self.wait(cx, cx.ret()),
            Flow::WaitId => {
                let info = parts::at(cx.event, Role::Output, cx.arg(2)).unwrap_or_default();
                if cx.ret() == 0 {
                    self.wait(cx, parts::u32_of(info, SI_PID).unwrap_or(0).into());
                }
            }
            Flow::Kill(pid, signal) => {
                self.kill(cx, i64::from(cx.arg(pid) as i32), cx.arg(signal) as u32);
            }
            Flow::Unshare => {
                if cx.ret() == 0 && cx.arg(0) & CLONE_FILES != 0 {
                    self.own_table(cx);
                }
            }
        }
    }

    /// Works on the descriptors of the event's process.
    pub(super) fn with_table<T>(
        &mut self,
        cx: &Cx<'_>,
        f: impl FnOnce(&mut Table, &mut crate::descriptors::Files) -> T,
    ) -> Option<T> {
        let table = self.processes.get(&cx.process())?.table;
        let (table, _) = self.tables.get_mut(&table)?;
        Some(f(table, &mut self.files))
    }

    pub(super) fn file_at(&self, cx: &Cx<'_>, fd: u32) -> Option<FileId> {
        let table = self.processes.get(&cx.process())?.table;
        self.tables.get(&table)?.0.get(fd)
    }

    /// A descriptor of an open file, which may close another.
    pub(super) fn set(&mut self, cx: &Cx<'_>, fd: u32, file: FileId, cloexec: bool) {
        let closed = self.with_table(cx, |table, files| table.set(files, fd, file, cloexec));
        self.closed(cx, closed.flatten());
    }

    pub(super) fn new_file(&mut self, cx: &Cx<'_>, fd: i64, file: File, cloexec: bool) {
        if let Ok(fd) = u32::try_from(fd) {
            let file = self.files.add(file);
            self.set(cx, fd, file, cloexec);
        }
    }

    fn duplicate(&mut self, cx: &Cx<'_>, from: u32, to: i64, cloexec: bool) {
        let Ok(to) = u32::try_from(to) else { return };
        match self.file_at(cx, from) {
            Some(file) => self.set(cx, to, file, cloexec),
            None => self.close(cx, to),
        }
    }

    fn set_cloexec(&mut self, cx: &Cx<'_>, fd: u32, on: bool) {
        self.with_table(cx, |table, files| table.close_on_exec(files, fd, on));
    }

    fn close(&mut self, cx: &Cx<'_>, fd: u32) {
        // The descriptor is gone whatever close returned, unless it was none.
        let closed = self.with_table(cx, |table, files| table.close(files, fd));
        self.closed(cx, closed.flatten());
    }

    fn close_range(&mut self, cx: &Cx<'_>) {
        if cx.ret() != 0 {
            return;
        }
        if cx.arg(2) & CLOSE_RANGE_UNSHARE != 0 {
            self.own_table(cx);
        }
        let (first, last) = (cx.fd(0), cx.fd(1));
        let within = self.with_table(cx, |table, _| table.within(first, last));
        for fd in within.unwrap_or_default() {
            if cx.arg(2) & CLOSE_RANGE_CLOEXEC != 0 {
                self.set_cloexec(cx, fd, true);
            } else {
                self.close(cx, fd);
            }
        }
    }

    /// The process stops sharing its descriptors with others.
    fn own_table(&mut self, cx: &Cx<'_>) {
        let Some(process) = self.processes.get(&cx.process()) else {
            return;
        };
        let Some((table, users)) = self.tables.get_mut(&process.table) else {
            return;
        };
        if *users <= 1 {
            return;
        }
        *users -= 1;
        let copy = table.clone();
        let table = self.add_table(copy);
        if let Some(process) = self.processes.get_mut(&cx.process()) {
            process.table = table;
        }
    }

    fn exec(&mut self, cx: &Cx<'_>) {
        self.own_table(cx);
        let closed = self.with_table(cx, |table, _| table.closed_by_exec());
        for fd in closed.unwrap_or_default() {
            self.close(cx, fd);
        }
        // All other tasks of the process are gone.
        if let Some(process) = self.processes.get_mut(&cx.process()) {
            (process.tasks, process.killed) = (1, false);
        }
    }

    /// A file that no descriptor leads to any more.
    pub(super) fn closed(&mut self, cx: &Cx<'_>, file: Option<File>) {
        match file {
            Some(File::End(connection, side)) => {
                self.say(cx, Fact::Close { connection, side });
            }
            Some(File::Socket(socket)) => self.ports.close(socket.port),
            Some(File::Other | File::Standard(_) | File::Path(_)) | None => {}
        }
    }

    fn opened(&mut self, cx: &Cx<'_>, path: u8, at: Option<u8>) {
        let Some(fd) = cx.success() else { return };
        let flags = at.map_or(0, |at| cx.arg(at));
        let path = parts::at(cx.event, Role::Input, cx.arg(path)).unwrap_or_default();
        let file = match own_descriptor(path).and_then(|fd| self.file_at(cx, fd)) {
            Some(file) => file,
            None => match self.fifo(cx, path) {
                Some(connection) => {
                    let reads = flags & O_ACCMODE != O_WRONLY;
                    let side = if reads { Side::One } else { Side::Zero };
                    self.files.add(File::End(connection, side))
                }
                None => self.files.add(File::Path(path.to_vec())),
            },
        };
        self.set(cx, fd as u32, file, cloexec(flags));
    }

    /// The connection behind a path that is known to be a FIFO's.
    fn fifo(&mut self, cx: &Cx<'_>, path: &[u8]) -> Option<ConnectionId> {
        let known = *self.fifos.get(path)?;
        let address = || Some(Address::Unix(path.to_vec()));
        let id = known.or_else(|| {
            let mut end = self.end_here(cx);
            end.address = address();
            self.connections
                .add(Channel::Fifo, 0, Side::Zero, end, address())
        })?;
        self.fifos.insert(path.to_vec(), Some(id));
        Some(id)
    }

    fn pipe(&mut self, cx: &Cx<'_>, flags: u64) {
        let Some([reads, writes]) = parts::pair(cx.event, cx.arg(0)).filter(|_| cx.ret() == 0)
        else {
            return;
        };
        let end = self.end_here(cx);
        let made = self
            .connections
            .add(Channel::Pipe, 0, Side::Zero, end.clone(), None);
        let Some(id) = made else { return };
        self.connections.get_mut(id).ends[Side::One.index()] = end;
        for (fd, side) in [(reads, Side::One), (writes, Side::Zero)] {
            self.new_file(cx, fd.into(), File::End(id, side), cloexec(flags));
        }
    }

    fn socketpair(&mut self, cx: &Cx<'_>) {
        let Some(pair) = parts::pair(cx.event, cx.arg(3)).filter(|_| cx.ret() == 0) else {
            return;
        };
        let end = self.end_here(cx);
        let channel = channel(cx.arg(0), cx.arg(1));
        let made = self
            .connections
            .add(channel, 0, Side::Zero, end.clone(), None);
        let Some(id) = made else { return };
        self.connections.get_mut(id).ends[Side::One.index()] = end;
        for (fd, side) in pair.into_iter().zip([Side::Zero, Side::One]) {
            self.new_file(cx, fd.into(), File::End(id, side), cloexec(cx.arg(1)));
        }
    }

    fn accept(&mut self, cx: &Cx<'_>, flags: u64) {
        let Some(fd) = cx.success() else { return };
        let listener = self.file_at(cx, cx.fd(0)).and_then(|id| self.files.get(id));
        let socket = match listener {
            Some(File::Socket(socket)) => Socket {
                port: None,
                ..socket.clone()
            },
            _ => Socket::new(0, SOCK_STREAM),
        };
        self.new_file(cx, fd as i64, File::Socket(socket), cloexec(flags));
        self.made_by(cx, How::Accept, fd as u32);
    }

    fn connect(&mut self, cx: &Cx<'_>) {
        match cx.ret() {
            0 | EINPROGRESS => self.made_by(cx, How::Connect, cx.fd(0)),
            EAGAIN | EINTR | EALREADY | EISCONN => {}
            errno => self.refused(cx, errno.unsigned_abs() as i32),
        }
    }

    fn refused(&mut self, cx: &Cx<'_>, errno: i32) {
        let known = self.forget_connecting(cx, cx.fd(0));
        let asked = parts::at(cx.event, Role::Data, 0).and_then(Address::decode);
        let to = asked.or(known);
        self.say(cx, Fact::Refused { errno, to });
    }

    /// A connection that was made without waiting is asked for how that went.
    fn socket_option(&mut self, cx: &Cx<'_>) {
        if (cx.arg(1) & 0xffff_ffff, cx.arg(2) & 0xffff_ffff) != (SOL_SOCKET, SO_ERROR) {
            return;
        }
        let value = parts::at(cx.event, Role::Output, cx.arg(3));
        let errno = value.and_then(|value| parts::u32_of(value, 0)).unwrap_or(0);
        let connecting = self
            .file_at(cx, cx.fd(0))
            .and_then(|file| self.files.get(file));
        if errno != 0 && matches!(connecting, Some(File::End(_, Side::Zero))) {
            self.refused(cx, errno as i32);
        }
    }

    fn made_by(&mut self, cx: &Cx<'_>, how: How, fd: u32) {
        let since = cx.since;
        let made = Made { how, fd, since };
        self.tasks.entry(cx.id.stream).or_default().made = Some(made);
    }
}

impl Socket {
    /// A socket of a domain and type (socket(2)).
    pub(super) fn new(domain: u64, kind: u64) -> Socket {
        Socket {
            channel: channel(domain, kind),
            connects: matches!(kind & 0xf, SOCK_STREAM | SOCK_SEQPACKET),
            local: None,
            peer: None,
            net: 0,
            port: None,
        }
    }
}

fn cloexec(flags: u64) -> bool {
    flags & u64::from(CLOEXEC) != 0
}

/// What sockets of a domain and type carry.
fn channel(domain: u64, kind: u64) -> Channel {
    match (domain, kind & 0xf) {
        (AF_UNIX, SOCK_STREAM) => Channel::Unix,
        (AF_UNIX, _) => Channel::UnixMessages,
        (AF_INET | AF_INET6, SOCK_STREAM) => Channel::Tcp,
        (AF_INET | AF_INET6, SOCK_DGRAM) => Channel::Udp,
        _ => Channel::Socket,
    }
}

/// The descriptor that a path names: shells give the ends of pipes to programs so.
fn own_descriptor(path: &[u8]) -> Option<u32> {
    let prefixes: [&[u8]; 3] = [b"/dev/fd/", b"/proc/self/fd/", b"/proc/thread-self/fd/"];
    let rest = prefixes
        .iter()
        .find_map(|prefix| path.strip_prefix(*prefix));
    let number = match (rest, path) {
        (Some(number), _) => std::str::from_utf8(number).ok()?,
        (None, b"/dev/stdin") => "0",
        (None, b"/dev/stdout") => "1",
        (None, b"/dev/stderr") => "2",
        (None, _) => return None,
    };
    number.parse().ok()
}
