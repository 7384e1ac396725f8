//! What processes took from the world besides messages: environment, files, clocks, random bytes, and
//! the order in which their threads ran.

use std::collections::BTreeMap;
use std::sync::Arc;

use reenact_abi::event::{Kind, Role};
use reenact_abi::syscalls::flow::{self, Flow};
use reenact_causal::{EventId, Merge, Next, Place, Point};
use reenact_trace::{Event, Reader, TraceError};
use reenact_wire::escape;

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

const READ: u16 = 0;
const LSEEK: u16 = 8;
const MMAP: u16 = 9;
const PREAD64: u16 = 17;
const READV: u16 = 19;
const GETTIMEOFDAY: u16 = 96;
const TIME: u16 = 201;
const CLOCK_GETTIME: u16 = 228;
const PREADV: u16 = 295;
const GETRANDOM: u16 = 318;
const PREADV2: u16 = 327;
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

#[derive(Clone, Debug, Default)]
pub struct Inputs {
    pub env: Vec<(String, String)>,
    pub files: Vec<Opened>,
    /// Hashes of random bytes.
    pub random: Vec<(Point, [u8; 32])>,
    /// The clock was read: how often, and the first time.
    pub clocks: u64,
    pub clock: Option<Point>,
    /// The threads that ran, by the order in which they were first seen.
    pub switches: Vec<(u32, Point)>,
    threads: BTreeMap<u32, u32>,
}

/// Descriptors of a process: positions in `files` of a process.
type Table = BTreeMap<u32, (u32, usize)>;

#[derive(Default)]
struct Walk {
    parents: BTreeMap<u32, u32>,
    processes: BTreeMap<u32, Inputs>,
    tables: BTreeMap<u32, Arc<Table>>,
    heads: usize,
    /// Contents by their numbers, hashed once.
    contents: BTreeMap<u64, [u8; 32]>,
}

/// Walks the recording's events. `parents`: who made each process.
pub fn read(
    reader: &mut Reader,
    parents: BTreeMap<u32, u32>,
) -> Result<BTreeMap<u32, Inputs>, TraceError> {
    let mut walk = Walk {
        parents,
        ..Walk::default()
    };
    let mut merge = Merge::new(reader);
    while let Some(next) = merge.next(reader)? {
        if let Next::Event { id, time_ns, event } = next {
            walk.event(reader, id, time_ns, &event);
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
        let next = inputs.threads.len() as u32;
        let thread = *inputs.threads.entry(id.stream.task).or_insert(next);
        let changes = inputs
            .switches
            .last()
            .is_none_or(|(last, _)| *last != thread);
        if changes && inputs.switches.len() < SWITCHES_MAX {
            inputs.switches.push((thread, point));
        }
        match Kind::from_u8(header.kind) {
            Some(Kind::Image) => inputs.env = environment(event),
            Some(Kind::Tsc) => inputs.reads_clock(point),
            Some(Kind::Call) => self.call(reader, process, point, event),
            // Nothing else brings anything in that is not told by other facts.
            Some(_) | None => {}
        }
    }

    /// A process starts with what its parent has. The call that makes it may return after the child's
    /// first events, so the child's first event is when this is looked at.
    fn inherit(&mut self, process: u32) {
        let parent = self.parents.get(&process).copied();
        let mut inputs = Inputs::default();
        if let Some(known) = parent.and_then(|parent| self.processes.get(&parent)) {
            inputs.env.clone_from(&known.env);
        }
        if let Some(table) = parent.and_then(|parent| self.tables.get(&parent)).cloned() {
            self.tables.insert(process, table);
        }
        self.processes.insert(process, inputs);
    }

    fn call(&mut self, reader: &mut Reader, process: u32, point: Point, event: &Event) {
        let header = &event.header;
        let inputs = self.processes.entry(process).or_default();
        let fd = |at: usize| header.args[at] as u32;
        let success = u32::try_from(header.ret).ok();
        match header.nr {
            GETTIMEOFDAY | TIME | CLOCK_GETTIME => return inputs.reads_clock(point),
            GETRANDOM => return inputs.reads_random(point, event),
            READ | PREAD64 | READV | PREADV | PREADV2 => return self.reads(process, fd(0), event),
            MMAP => return self.maps(reader, process, fd(4), event),
            LSEEK => return self.seeks(process, fd(0), header.ret),
            _ => {}
        }
        let Some(flow) = flow::flow_of(header.nr) else {
            return;
        };
        match flow {
            Flow::Open(path, _) => {
                let at = header.args[usize::from(path) % 6];
                let mut parts = event.parts.iter();
                let path = parts.find(|part| part.role == Role::Input && part.addr == at);
                let Some(path) = path else { return };
                let bytes = path.bytes.split(|byte| *byte == 0).next();
                if inputs.files.len() >= FILES_MAX {
                    return;
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
            Flow::SendMessages
            | Flow::Spawn(_)
            | Flow::Move(..)
            | Flow::Tee
            | Flow::MakeNode(..) => {}
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
        Some((file, &mut self.heads))
    }

    /// Bytes of a file that a parent opened count as the parent's.
    fn reads(&mut self, process: u32, fd: u32, event: &Event) {
        let header = &event.header;
        let Some((file, heads)) = self.file(process, fd) else {
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
        for part in outputs {
            *heads += file.take(at, &part.bytes, ALL_HEADS_MAX.saturating_sub(*heads));
            at = at.saturating_add(part.bytes.len() as u64);
        }
    }

    fn seeks(&mut self, process: u32, fd: u32, to: i64) {
        if let (Some((file, _)), Ok(to)) = (self.file(process, fd), u64::try_from(to)) {
            file.position = to;
        }
    }

    fn maps(&mut self, reader: &mut Reader, process: u32, fd: u32, event: &Event) {
        let references = event.parts.iter().filter(|part| part.role == Role::Content);
        for part in references {
            let known = self.contents.get(&part.content).copied();
            let hash = known.unwrap_or_else(|| content_hash(reader, part.content));
            self.contents.insert(part.content, hash);
            if let Some((file, _)) = self.file(process, fd) {
                file.hash.update(&hash);
                file.hash.update(&part.addr.to_le_bytes());
                file.hash.update(&part.len.to_le_bytes());
                file.len += part.len;
            }
        }
    }
}

impl Inputs {
    fn reads_clock(&mut self, point: Point) {
        self.clocks += 1;
        self.clock.get_or_insert(point);
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
        self.random.push((point, hash.finalize().into()));
    }

    pub fn threads(&self) -> usize {
        self.threads.len()
    }
}

/// A content that is not all there has the hash of nothing.
fn content_hash(reader: &mut Reader, number: u64) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    if let Ok(file) = reader.file(number) {
        let mut out = std::io::BufWriter::new(&mut hash);
        let written = reader.write_content(&file, &mut out);
        drop(out);
        if written.is_err() {
            hash.reset();
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
