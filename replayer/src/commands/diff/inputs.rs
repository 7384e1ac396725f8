//! What processes took from the world besides messages: environment, files, clocks,
//! random bytes, how long the disk took, and the order in which their threads ran.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reenact_abi::event::{Kind, Role};
use reenact_abi::syscalls::flow::{self, Flow};
use reenact_abi::syscalls::{self, Arg};
use reenact_causal::{EventId, Merge, Next, Place, Point};
use reenact_trace::{Event, Reader, StreamId, TraceError};
use reenact_wire::escape;
use rustc_hash::FxHashMap;

use super::clocks::{Clocks, CLOCK_GETTIME, CLOCK_MONOTONIC, TIME};

/// Bytes at the beginning of a file that are kept to be compared as text.
const HEAD_MAX: usize = 64 << 10;
/// And of all files together.
const ALL_HEADS_MAX: usize = 64 << 20;
/// Files that one process opens, reads of random bytes, and changes of the running thread, that are
/// kept; later ones are not compared.
const FILES_MAX: usize = 1 << 16;
const RANDOM_MAX: usize = 1 << 12;
const SWITCHES_MAX: usize = 1 << 18;
/// Bytes of an environment.
const ENVIRONMENT_MAX: usize = 4 << 20;
/// Calls that took less are not remembered as slow.
const TOOK_MIN_NS: u64 = 1_000_000;
/// Waits that took less are looks at whether something is there, and those for others that are remembered.
const EXPIRED_MIN_NS: u64 = 20_000_000;
const JOINED_MIN_NS: u64 = 50_000_000;
const WAITS_MAX: usize = 1 << 16;
/// How far a clock may be from the recording's own, and still be the same clock.
const CLOCK_SLACK_NS: i128 = 2_000_000_000;

const READ: u16 = 0;
const LSEEK: u16 = 8;
const WRITE: u16 = 1;
const MMAP: u16 = 9;
const PREAD64: u16 = 17;
const PWRITE64: u16 = 18;
const READV: u16 = 19;
const WRITEV: u16 = 20;
const NANOSLEEP: u16 = 35;
const FSYNC: u16 = 74;
const FDATASYNC: u16 = 75;
const GETTIMEOFDAY: u16 = 96;
const SYNC: u16 = 162;
const CLOCK_NANOSLEEP: u16 = 230;
const SYNC_FILE_RANGE: u16 = 277;
const PREADV: u16 = 295;
const PWRITEV: u16 = 296;
const SYNCFS: u16 = 306;
const GETRANDOM: u16 = 318;
const PREADV2: u16 = 327;
const PWRITEV2: u16 = 328;
/// Libraries seed their hash tables so as they start, whatever the program does.
const GRND_NONBLOCK: u64 = 1;
const MKDIR: u16 = 83;
const CREAT: u16 = 85;
const POLL: u16 = 7;
const SELECT: u16 = 23;
const ACCEPT: u16 = 43;
const RECVFROM: u16 = 45;
const RECVMSG: u16 = 47;
const WAIT4: u16 = 61;
const RT_SIGTIMEDWAIT: u16 = 128;
const FUTEX: u16 = 202;
const SEMTIMEDOP: u16 = 220;
const EPOLL_WAIT: u16 = 232;
const WAITID: u16 = 247;
const MKDIRAT: u16 = 258;
const PSELECT6: u16 = 270;
const PPOLL: u16 = 271;
const EPOLL_PWAIT: u16 = 281;
const ACCEPT4: u16 = 288;
const RECVMMSG: u16 = 299;
const EPOLL_PWAIT2: u16 = 441;
const EAGAIN: i64 = 11;
const ETIMEDOUT: i64 = 110;
const O_ACCMODE: u64 = 3;
const O_EXCL: u64 = 0o200;
/// Bytes of a content that are read at once.
const PIECE_MAX: u64 = 4 << 20;
const TIMER_ABSTIME: u64 = 1;
const S_IFMT: u64 = 0o170_000;
const S_IFIFO: u64 = 0o010_000;
const F_DUPFD: u64 = 0;
const F_DUPFD_CLOEXEC: u64 = 1030;

/// A file that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    pub path: String,
    /// The error number, if it could not be.
    pub errno: i64,
    pub point: Point,
    /// Of all that was read or mapped, each byte once.
    pub hash: blake3::Hasher,
    pub len: u64,
    pub head: Vec<u8>,
    /// It was read to its end.
    pub ended: bool,
    /// Where the next read begins.
    position: u64,
}

impl Opened {
    /// `bytes` are at this offset. What was read before is not read again: a shell goes back in its script
    /// before each command that it starts. Returns how much of the budget for heads is used.
    fn take(&mut self, at: u64, bytes: &[u8], budget: usize) -> usize {
        let known = self.len.saturating_sub(at);
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let fresh = bytes.get(known..).unwrap_or_default();
        if fresh.is_empty() {
            return 0;
        }
        if at > self.len {
            self.hash.update(&at.to_le_bytes());
        }
        self.hash.update(fresh);
        // A head is whole as long as nothing of the file was left out.
        let whole = self.head.len() as u64 == self.len && at <= self.len;
        self.len = at.max(self.len) + fresh.len() as u64;
        let left = if whole { HEAD_MAX - self.head.len() } else { 0 };
        let head = &fresh[..fresh.len().min(left).min(budget)];
        self.head.extend_from_slice(head);
        head.len()
    }

    /// All that was read is known, byte by byte.
    pub fn is_whole(&self) -> bool {
        self.errno == 0 && self.head.len() as u64 == self.len
    }

    /// Of two that read the same file, one only stopped earlier.
    pub fn is_same_so_far(&self, other: &Opened) -> bool {
        let (short, long) = match self.len <= other.len {
            true => (self, other),
            false => (other, self),
        };
        short.is_whole() && !short.ended && long.errno == 0 && long.head.starts_with(&short.head)
    }
}

/// Random bytes that were read.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    pub point: Point,
    pub hash: [u8; 32],
    /// They may seed hash tables and nothing else.
    pub of_library: bool,
}

/// Time that calls on one file, or sleeps, took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    pub total_ns: u64,
    pub longest_ns: u64,
    /// Of the longest.
    pub point: Point,
}

#[derive(Clone, Debug, Default)]
pub struct Inputs {
    pub env: Vec<(String, String)>,
    /// What was mapped as the program started, of itself and its loader: where in the file, how much, and a hash.
    pub image: BTreeSet<(u64, u64, [u8; 32])>,
    /// Its own path.
    pub executable: String,
    pub files: Vec<Opened>,
    pub random: Vec<Random>,
    /// The clock was read: how often, and the first time.
    pub clocks: u64,
    pub clock: Option<Point>,
    /// Where a clock first was elsewhere than the recording's own, and how far ahead, in nanoseconds.
    pub jump: Option<(Point, i128)>,
    /// What CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC, where it is first read in a run.
    pub boot: Option<(Point, i128)>,
    /// Questions about paths other than opening them, by call and path: the last error number, or 0.
    pub looks: BTreeMap<(u16, String), (i64, Point)>,
    /// Last names of what it made that cannot have been there before, with the folders these are in.
    pub made: BTreeSet<(String, String)>,
    /// Names of files that it opened for writing, or gave a file, and how often.
    pub written: BTreeMap<String, (u64, Point)>,
    /// And of FIFOs that it made: what comes out of those are messages.
    pub fifos: BTreeSet<String>,
    /// By what was done, such as `fsync of /var/lib/x`.
    pub took: BTreeMap<String, Took>,
    /// Where it had waited as long as it wanted to, and nothing came.
    pub expired: Vec<Place>,
    /// Where it had waited long for a task or a process, from when to when.
    pub joined: Vec<(Place, (u64, u64))>,
    /// How much longer than it wanted to it slept at most, in nanoseconds, and where it woke up.
    pub late: Option<(u64, Point)>,
    /// The threads that ran, by the order in which they were made.
    pub switches: Vec<(u32, Point)>,
    /// Tasks, whose numbers go up as they are made.
    threads: BTreeSet<u32>,
}

/// Descriptors of a process: positions in `files` of a process.
type Table = BTreeMap<u32, (u32, usize)>;

#[derive(Default)]
struct Walk {
    parents: BTreeMap<u32, u32>,
    processes: BTreeMap<u32, Inputs>,
    tables: BTreeMap<u32, Arc<Table>>,
    /// When each task's event before returned.
    returned: FxHashMap<StreamId, u64>,
    clocks: Clocks,
    /// Bytes of files that may still be kept.
    left: usize,
    /// Parts of contents by their numbers, where they begin, and how long they are, hashed once.
    contents: FxHashMap<(u64, u64, u64), [u8; 32]>,
    /// What is mapped of programs that have not begun yet.
    starting: BTreeMap<u32, BTreeSet<(u64, u64, [u8; 32])>>,
}

/// Walks the recording's events. `parents`: who made each process.
pub fn read(
    reader: &mut Reader,
    parents: BTreeMap<u32, u32>,
) -> Result<BTreeMap<u32, Inputs>, TraceError> {
    let meta = reader.meta();
    let mut walk = Walk {
        parents,
        clocks: Clocks::new(i128::from(meta.wall_start_ns) - i128::from(meta.mono_start_ns)),
        left: ALL_HEADS_MAX,
        ..Walk::default()
    };
    let mut merge = Merge::new(reader);
    while let Some(next) = merge.next(reader)? {
        if let Next::Event { id, time_ns, event } = next {
            walk.event(reader, id, time_ns, &event);
        }
    }
    for inputs in walk.processes.values_mut() {
        let threads = (0..).zip(&inputs.threads).map(|(at, task)| (*task, at));
        let threads: BTreeMap<u32, u32> = threads.collect();
        for (task, _) in &mut inputs.switches {
            *task = threads.get(task).copied().unwrap_or_default();
        }
    }
    Ok(walk.processes)
}

impl Walk {
    fn event(&mut self, reader: &mut Reader, id: EventId, time_ns: u64, event: &Event) {
        let header = &event.header;
        let point = Point {
            event: id,
            place: Place {
                chain: header.group,
                order: header.order,
            },
            time_ns,
            since: None,
        };
        let process = id.stream.process;
        if !self.processes.contains_key(&process) {
            self.inherit(process);
        }
        let inputs = self.processes.entry(process).or_default();
        let task = id.stream.task;
        inputs.threads.insert(task);
        let changes = inputs.switches.last().is_none_or(|(last, _)| *last != task);
        if changes && inputs.switches.len() < SWITCHES_MAX {
            inputs.switches.push((task, point));
        }
        let before_ns = self.returned.insert(id.stream, time_ns).unwrap_or(time_ns);
        match Kind::from_u8(header.kind) {
            Some(Kind::Map) => self.starts(reader, process, event),
            Some(Kind::Image) => {
                inputs.env = environment(event);
                let mut parts = event.parts.iter();
                let path = parts.find(|part| part.role == Role::Data && part.addr == 0);
                inputs.executable = path.map_or_else(String::new, |path| escape(&path.bytes));
                inputs.image = self.starting.remove(&process).unwrap_or_default();
            }
            Some(Kind::Tsc) => inputs.reads_clock(point, None),
            Some(Kind::Call) => {
                let took_ns = time_ns.saturating_sub(before_ns);
                self.call(reader, process, point, event, took_ns);
            }
            // Nothing else brings anything in that is not told by other facts.
            Some(_) | None => {}
        }
    }

    /// A part of a program or its loader is mapped.
    fn starts(&mut self, reader: &mut Reader, process: u32, event: &Event) {
        for part in event.parts.iter() {
            if part.role == Role::Content && part.content != 0 {
                let hash = self.content(reader, (part.content, part.addr, part.len));
                let mapped = (event.header.args[5], part.len, hash);
                self.starting.entry(process).or_default().insert(mapped);
            }
        }
    }

    /// A hash of what is referred to. Whether the whole file is kept or only that part of it is a matter of time.
    fn content(&mut self, reader: &mut Reader, key: (u64, u64, u64)) -> [u8; 32] {
        let known = self.contents.get(&key).copied();
        let hash = known.unwrap_or_else(|| content_hash(reader, key));
        self.contents.insert(key, hash);
        hash
    }

    /// A process starts with what its parent has. The call that makes it may return after the child's
    /// first events, so the child's first event is when this is looked at.
    fn inherit(&mut self, process: u32) {
        let parent = self.parents.get(&process).copied();
        let mut inputs = Inputs::default();
        if let Some(known) = parent.and_then(|parent| self.processes.get(&parent)) {
            inputs.env.clone_from(&known.env);
            inputs.image.clone_from(&known.image);
            inputs.executable.clone_from(&known.executable);
        }
        if let Some(table) = parent.and_then(|parent| self.tables.get(&parent)).cloned() {
            self.tables.insert(process, table);
        }
        self.processes.insert(process, inputs);
    }

    fn call(
        &mut self,
        reader: &mut Reader,
        process: u32,
        point: Point,
        event: &Event,
        took_ns: u64,
    ) {
        let header = &event.header;
        let time_ns = point.time_ns;
        let inputs = self.processes.entry(process).or_default();
        let fd = |at: usize| header.args[at] as u32;
        let success = u32::try_from(header.ret).ok();
        inputs.waits(point, event, took_ns);
        match header.nr {
            GETTIMEOFDAY | TIME | CLOCK_GETTIME => {
                let ahead_ns = self.clocks.ahead(event, &mut inputs.boot, point);
                return inputs.reads_clock(point, ahead_ns);
            }
            GETRANDOM => return inputs.reads_random(point, event),
            READ | PREAD64 | READV | PREADV | PREADV2 => {
                self.took(process, header.nr, Some(fd(0)), point, took_ns);
                return self.reads(process, fd(0), point, event);
            }
            WRITE | PWRITE64 | WRITEV | PWRITEV | PWRITEV2 | FSYNC | FDATASYNC
            | SYNC_FILE_RANGE | SYNCFS => {
                return self.took(process, header.nr, Some(fd(0)), point, took_ns);
            }
            NANOSLEEP | CLOCK_NANOSLEEP => {
                // That it took longer than what was asked for says how busy the machine was.
                let asked_ns = asked_ns(event, time_ns.saturating_sub(took_ns));
                if header.ret == 0 {
                    inputs.wakes(point, took_ns.saturating_sub(asked_ns));
                }
                return self.took(process, header.nr, None, point, took_ns.min(asked_ns));
            }
            SYNC => return self.took(process, header.nr, None, point, took_ns),
            MMAP => return self.maps(reader, process, fd(4), event),
            LSEEK => return self.seeks(process, fd(0), header.ret),
            _ => {}
        }
        let Some(flow) = flow::flow_of(header.nr) else {
            return inputs.looks(point, event);
        };
        match flow {
            Flow::Open(path, flags) => {
                let at = header.args[usize::from(path) % 6];
                let mut parts = event.parts.iter();
                let path = parts.find(|part| part.role == Role::Input && part.addr == at);
                let Some(path) = path else { return };
                let bytes = path.bytes.split(|byte| *byte == 0).next();
                if inputs.files.len() >= FILES_MAX {
                    return;
                }
                let writes = match flags {
                    Some(at) => header.args[usize::from(at) % 6] & O_ACCMODE != 0,
                    None => header.nr == CREAT,
                };
                if writes && success.is_some() {
                    inputs.writes(bytes.unwrap_or_default(), point);
                }
                let flags = flags.map_or(0, |at| header.args[usize::from(at) % 6]);
                if flags & O_EXCL != 0 && success.is_some() {
                    inputs.makes(bytes.unwrap_or_default());
                }
                inputs.files.push(Opened {
                    path: escape(bytes.unwrap_or_default()),
                    errno: header.ret.min(0),
                    point,
                    hash: blake3::Hasher::new(),
                    len: 0,
                    head: Vec::new(),
                    ended: false,
                    position: 0,
                });
                let file = (process, inputs.files.len() - 1);
                if let Some(fd) = success {
                    self.table(process).insert(fd, file);
                }
            }
            Flow::Close => {
                self.table(process).remove(&fd(0));
            }
            Flow::Dup => self.duplicate(process, fd(0), success),
            Flow::DupTo(_) => self.duplicate(process, fd(0), success.map(|_| fd(1))),
            Flow::Fcntl if matches!(header.args[1], F_DUPFD | F_DUPFD_CLOEXEC) => {
                self.duplicate(process, fd(0), success);
            }
            // What makes other descriptors takes the places of closed files.
            Flow::Socket | Flow::Accept(_) | Flow::MakePlain | Flow::Make(..) => {
                if let Some(fd) = success {
                    self.table(process).remove(&fd);
                }
            }
            Flow::Receive(_) | Flow::ReceiveMessage | Flow::ReceiveMessages | Flow::Send(_) => {}
            Flow::SendMessages | Flow::Vmsplice | Flow::Spawn(_) | Flow::Move(..) | Flow::Tee => {}
            Flow::MakeNode(path, mode) => {
                let path = header.args[usize::from(path) % 6];
                let fifo = header.args[usize::from(mode) % 6] & S_IFMT == S_IFIFO;
                let mut parts = event.parts.iter();
                let path = parts.find(|part| part.role == Role::Input && part.addr == path);
                if let Some(path) = path.filter(|_| fifo && success.is_some()) {
                    let bytes = path.bytes.split(|byte| *byte == 0).next();
                    inputs.fifos.insert(last_name(bytes.unwrap_or_default()));
                }
            }
            Flow::Socketpair | Flow::Pipe(_) | Flow::Connect | Flow::Bind | Flow::Listen => {}
            Flow::Shutdown | Flow::PeerName | Flow::SocketOption | Flow::CloseRange => {}
            Flow::Fcntl | Flow::Ioctl | Flow::Fetch | Flow::Exec | Flow::ExitTask => {}
            Flow::ExitProcess | Flow::Wait | Flow::WaitId | Flow::Kill(..) | Flow::Unshare => {}
        }
    }

    fn table(&mut self, process: u32) -> &mut Table {
        Arc::make_mut(self.tables.entry(process).or_default())
    }

    fn duplicate(&mut self, process: u32, from: u32, to: Option<u32>) {
        let Some(to) = to else { return };
        let table = self.table(process);
        match table.get(&from).copied() {
            Some(file) => table.insert(to, file),
            None => table.remove(&to),
        };
    }

    fn file(&mut self, process: u32, fd: u32) -> Option<(&mut Opened, &mut usize)> {
        let (owner, at) = *self.tables.get(&process)?.get(&fd)?;
        let file = self.processes.get_mut(&owner)?.files.get_mut(at)?;
        Some((file, &mut self.left))
    }

    /// Bytes of a file that a parent opened count as the parent's.
    fn reads(&mut self, process: u32, fd: u32, point: Point, event: &Event) {
        let header = &event.header;
        let Some((file, left)) = self.file(process, fd) else {
            return;
        };
        let mut at = match header.nr {
            PREAD64 | PREADV | PREADV2 => header.args[3],
            _ => file.position,
        };
        let end = at.saturating_add(u64::try_from(header.ret).unwrap_or(0));
        if !matches!(header.nr, PREAD64 | PREADV | PREADV2) {
            file.position = end;
        }
        file.ended |= header.ret == 0 && at >= file.len;
        let outputs = event.parts.iter().filter(|part| part.role == Role::Output);
        if matches!(&*file.path, "/dev/urandom" | "/dev/random") {
            let inputs = self.processes.entry(process).or_default();
            return inputs.reads_random(point, event);
        }
        for part in outputs {
            *left -= file.take(at, &part.bytes, *left);
            at = at.saturating_add(part.bytes.len() as u64);
        }
    }

    fn seeks(&mut self, process: u32, fd: u32, to: i64) {
        if let (Some((file, _)), Ok(to)) = (self.file(process, fd), u64::try_from(to)) {
            file.position = to;
        }
    }

    /// Notes how long a call took that waits for nobody who is recorded.
    fn took(&mut self, process: u32, nr: u16, fd: Option<u32>, point: Point, took_ns: u64) {
        // What took no time never becomes what took long.
        if took_ns < TOOK_MIN_NS {
            return;
        }
        let path = match fd {
            // Sockets, pipes and terminals are in no table of files.
            Some(fd) => match self.file(process, fd) {
                Some((file, _)) if is_disk(&file.path) => Some(file.path.clone()),
                Some(_) | None => return,
            },
            None => None,
        };
        let Some(row) = syscalls::row(nr.into()) else {
            return;
        };
        let what = match path {
            Some(path) => format!("{} of {path}", row.name),
            None => row.name.to_owned(),
        };
        let all = &mut self.processes.entry(process).or_default().took;
        if all.len() >= FILES_MAX {
            return;
        }
        let took = all.entry(what).or_insert(Took {
            total_ns: 0,
            longest_ns: 0,
            point,
        });
        took.total_ns = took.total_ns.saturating_add(took_ns);
        if took_ns > took.longest_ns {
            took.longest_ns = took_ns;
            took.point = Point {
                since: None,
                // Where it began: what came of it came while it lasted.
                time_ns: point.time_ns.saturating_sub(took_ns),
                ..point
            };
        }
    }

    fn maps(&mut self, reader: &mut Reader, process: u32, fd: u32, event: &Event) {
        let references = event.parts.iter().filter(|part| part.role == Role::Content);
        for part in references {
            let hash = self.content(reader, (part.content, part.addr, part.len));
            if let Some((file, _)) = self.file(process, fd) {
                file.hash.update(&hash);
                file.hash.update(&part.len.to_le_bytes());
                file.len += part.len;
            }
        }
    }
}

impl Inputs {
    /// `ahead_ns`: of the recording's own clock.
    fn reads_clock(&mut self, point: Point, ahead_ns: Option<i128>) {
        self.clocks += 1;
        self.clock.get_or_insert(point);
        let far = ahead_ns.filter(|ahead_ns| ahead_ns.abs() > CLOCK_SLACK_NS);
        if let Some(ahead_ns) = far {
            self.jump.get_or_insert((point, ahead_ns));
        }
    }

    fn reads_random(&mut self, point: Point, event: &Event) {
        if self.random.len() >= RANDOM_MAX {
            return;
        }
        let mut hash = blake3::Hasher::new();
        let outputs = event.parts.iter().filter(|part| part.role == Role::Output);
        outputs.for_each(|part| {
            hash.update(&part.bytes);
        });
        let header = &event.header;
        self.random.push(Random {
            point,
            hash: hash.finalize().into(),
            of_library: header.nr == GETRANDOM && header.args[2] & GRND_NONBLOCK != 0,
        });
    }

    /// A call that names a path and opens nothing: whether it found what it looked for.
    fn looks(&mut self, point: Point, event: &Event) {
        let header = &event.header;
        let Some(row) = syscalls::row(u64::from(header.nr)) else {
            return;
        };
        let is_path = |arg: &Arg| *arg == Arg::Path;
        let named = |at: usize| {
            let mut parts = event.parts.iter();
            let addr = header.args[at];
            let path = parts.find(|part| part.role == Role::Input && part.addr == addr);
            path.map(|path| path.bytes.split(|byte| *byte == 0).next())
        };
        let Some(at) = row.args.iter().position(is_path) else {
            return;
        };
        let last = row
            .args
            .iter()
            .rposition(is_path)
            .filter(|last| *last != at);
        if matches!(header.nr, MKDIR | MKDIRAT) && header.ret == 0 {
            self.makes(named(at).flatten().unwrap_or_default());
        }
        if let Some(path) = last.filter(|_| header.ret == 0).and_then(named) {
            self.writes(path.unwrap_or_default(), point);
        }
        let Some(bytes) = named(at) else {
            return;
        };
        let key = (header.nr, escape(bytes.unwrap_or_default()));
        if self.looks.len() < FILES_MAX || self.looks.contains_key(&key) {
            self.looks.insert(key, (header.ret.min(0), point));
        }
    }

    fn wakes(&mut self, point: Point, late_ns: u64) {
        if self.late.is_none_or(|(known_ns, _)| known_ns < late_ns) {
            self.late = Some((late_ns, point));
        }
    }

    fn waits(&mut self, point: Point, event: &Event, took_ns: u64) {
        let header = &event.header;
        let most_ms = match header.nr {
            POLL => header.args[2],
            EPOLL_WAIT | EPOLL_PWAIT => header.args[3],
            _ => u64::MAX,
        };
        if header.ret == 0 && matches!(header.nr, PSELECT6 | PPOLL) {
            let asked_ns = asked_ns(event, point.time_ns.saturating_sub(took_ns));
            self.wakes(point, took_ns.saturating_sub(asked_ns));
        }
        if header.ret == 0 && most_ms <= u64::from(u32::MAX >> 1) {
            let asked_ns = most_ms.saturating_mul(1_000_000);
            self.wakes(point, took_ns.saturating_sub(asked_ns));
        }
        if took_ns >= EXPIRED_MIN_NS && is_expired(header.nr, header.ret) {
            if self.expired.len() < WAITS_MAX {
                self.expired.push(point.place);
            }
            return;
        }
        let joins = matches!(header.nr, WAIT4 | WAITID | FUTEX);
        if joins && took_ns >= JOINED_MIN_NS && self.joined.len() < WAITS_MAX {
            let since_ns = point.time_ns.saturating_sub(took_ns);
            self.joined.push((point.place, (since_ns, point.time_ns)));
        }
    }

    fn writes(&mut self, path: &[u8], point: Point) {
        if self.written.len() < FILES_MAX {
            let known = self.written.entry(last_name(path)).or_insert((0, point));
            *known = (known.0 + 1, point);
        }
    }

    fn makes(&mut self, path: &[u8]) {
        if self.made.len() < FILES_MAX {
            let last = path.rsplit(|byte| *byte == b'/').next();
            let folder = &path[..path.len() - last.map_or(0, <[u8]>::len)];
            self.made.insert((escape(folder), last_name(path)));
        }
    }

    pub fn threads(&self) -> usize {
        self.threads.len()
    }
}

/// How long a program wanted to sleep, from this time of CLOCK_MONOTONIC on.
fn asked_ns(event: &Event, now_ns: u64) -> u64 {
    let header = &event.header;
    let (addr, absolute) = match header.nr {
        CLOCK_NANOSLEEP => (header.args[2], header.args[1] & TIMER_ABSTIME != 0),
        PSELECT6 => (header.args[4], false),
        PPOLL => (header.args[2], false),
        _ => (header.args[0], false),
    };
    let mut parts = event.parts.iter();
    let part = parts.find(|part| part.role == Role::Input && part.addr == addr);
    let word = |at: usize| {
        let bytes = part?.bytes.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let Some((seconds, ns)) = word(0).zip(word(8)) else {
        return u64::MAX;
    };
    let asked_ns = seconds.saturating_mul(1_000_000_000).saturating_add(ns);
    match absolute && header.args[0] == CLOCK_MONOTONIC {
        true => asked_ns.saturating_sub(now_ns),
        false => asked_ns,
    }
}

/// Whether a call that took its time says that nothing came.
fn is_expired(nr: u16, ret: i64) -> bool {
    match nr {
        POLL | SELECT | PSELECT6 | PPOLL | EPOLL_WAIT | EPOLL_PWAIT | EPOLL_PWAIT2 => ret == 0,
        READ | READV | RECVFROM | RECVMSG | RECVMMSG | ACCEPT | ACCEPT4 | RT_SIGTIMEDWAIT
        | SEMTIMEDOP => ret == -EAGAIN,
        _ => ret == -ETIMEDOUT,
    }
}

/// Whether a file may be on a disk.
fn is_disk(path: &str) -> bool {
    let folders = ["/dev/", "/proc/", "/sys/"];
    !folders.iter().any(|folder| path.starts_with(folder))
}

fn last_name(path: &[u8]) -> String {
    let name = path.rsplit(|byte| *byte == b'/').next();
    escape(name.unwrap_or_default())
}

/// A content that is not all there has the hash of nothing.
fn content_hash(reader: &mut Reader, (number, from, len): (u64, u64, u64)) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    if let Ok(file) = reader.file(number) {
        let end = from.saturating_add(len).min(file.size);
        let mut at = from;
        while at < end {
            let take = PIECE_MAX.min(end - at);
            match reader.read_content(&file, at, take as usize) {
                Ok(bytes) => hash.update(&bytes),
                Err(_) => {
                    hash.reset();
                    break;
                }
            };
            at += take;
        }
    }
    hash.finalize().into()
}

/// The environment that a program started with: it lies behind the arguments on the initial stack,
/// and in front of the program's own path, which holds no `=`.
fn environment(event: &Event) -> Vec<(String, String)> {
    let [_, _, _, _, start, _] = event.header.args;
    let mut bytes = Vec::new();
    // A large stack is several parts, which follow one another.
    for part in event.parts.iter().filter(|part| part.role == Role::Output) {
        let end = part.addr.saturating_add(part.bytes.len() as u64);
        let from = usize::try_from(start.saturating_sub(part.addr)).unwrap_or(usize::MAX);
        if end > start && bytes.len() < ENVIRONMENT_MAX {
            bytes.extend_from_slice(part.bytes.get(from..).unwrap_or_default());
        }
    }
    bytes.truncate(ENVIRONMENT_MAX);
    let strings = bytes.split(|byte| *byte == 0);
    let entries = strings.map_while(|entry| {
        let at = entry.iter().position(|byte| *byte == b'=')?;
        Some((escape(&entry[..at]), escape(&entry[at + 1..])))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of reads at some offsets.
    fn read(reads: &[(u64, &str)], ended: bool) -> Opened {
        let mut file = Opened {
            path: String::new(),
            errno: 0,
            point: Point::default(),
            hash: blake3::Hasher::new(),
            len: 0,
            head: Vec::new(),
            ended,
            position: 0,
        };
        for (at, bytes) in reads {
            file.take(*at, bytes.as_bytes(), HEAD_MAX);
        }
        file
    }

    #[test]
    fn what_is_read_again_counts_once() {
        let once = read(&[(0, "a line\nanother\n")], true);
        let again = read(
            &[(0, "a line\n"), (2, "line\nano"), (0, "a line\nanother\n")],
            true,
        );
        assert_eq!(once.hash.finalize(), again.hash.finalize());
        assert_eq!((once.len, &once.head), (again.len, &again.head));
        assert!(again.is_whole());
    }

    #[test]
    fn a_hole_is_part_of_what_was_read() {
        let (one, other) = (
            read(&[(0, "a"), (5, "b")], false),
            read(&[(0, "a"), (6, "b")], false),
        );
        assert_ne!(one.hash.finalize(), other.hash.finalize());
        assert!(!one.is_whole());
    }

    #[test]
    fn a_file_that_is_read_less_far_is_not_another_one() {
        let (long, short) = (read(&[(0, "abcdef")], true), read(&[(0, "abc")], false));
        assert!(long.is_same_so_far(&short) && short.is_same_so_far(&long));
        // One that ends there is.
        assert!(!long.is_same_so_far(&read(&[(0, "abc")], true)));
        assert!(!long.is_same_so_far(&read(&[(0, "abd")], false)));
    }
}
