//! From events to facts: processes, descriptors and connections are followed from the first event on.
//!
//! Events must come in an order that is right within each group of tasks, and in which a task's first
//! event follows the call that made it; [`crate::Story`] sees to both. Whether a send or its receipt
//! comes first does not matter.

mod calls;
mod messages;
mod parts;
mod sockets;
mod transfer;

use std::collections::BTreeMap;

use reenact_abi::event::{flags, Header, Kind, Role};
use reenact_abi::syscalls::flow::{self, Flow};
use reenact_trace::{Event, Mark, ProcessEnd, StreamId};
use rustc_hash::FxHashMap;

use crate::connections::Connections;
use crate::descriptors::{File, Files, Table};
use crate::fact::{Ended, Fact, Moment, Place, Standard};
use crate::ids::EventId;
use messages::Ports;

/// CLONE_FILES.
const CLONE_FILES: u64 = 0x400;
/// Longest name of a program (TASK_COMM_LEN, less the zero).
const NAME_MAX: usize = 15;
/// Arguments of a program that are kept, and their bytes.
const ARGV_MAX: usize = 1 << 16;
const SIGCHLD: u32 = 17;
const SIGKILL: u32 = 9;
/// Signals that kill whoever does not handle them, the surest first: SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT,
/// SIGABRT, SIGALRM, SIGUSR1, SIGUSR2, SIGPIPE.
const DEADLY: [u32; 10] = [SIGKILL, 15, 2, 1, 3, 6, 14, 10, 12, 13];
/// Where a `siginfo_t` names a process.
const SI_PID: usize = 16;

/// A process, as far as it has been followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub number: u32,
    /// The recorded process that made it.
    pub parent: Option<u32>,
    /// As its parent sees it.
    pub pid: i64,
    /// Its first task.
    pub main: StreamId,
    /// The last part of its program's path, at most 15 bytes, and the one of its parent until then.
    pub name: Vec<u8>,
    pub exe: Vec<u8>,
    pub argv: Vec<Vec<u8>>,
    pub started_ns: u64,
    pub ended: Option<Ended>,
    /// Its last event so far.
    pub last: EventId,
    table: u32,
    /// Tasks that have not ended.
    tasks: u32,
    /// One of its tasks was killed, and with it the process, though others did something at that time.
    killed: bool,
}

#[derive(Default)]
struct Task {
    place: Place,
    time_ns: u64,
    /// What endpoint events that follow are about.
    made: Option<Made>,
}

/// The call whose endpoints are described by the events that follow it.
#[derive(Clone, Copy, Debug)]
struct Made {
    how: How,
    fd: u32,
    /// After what the call began.
    since: Option<(Place, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Accept,
    Connect,
    Bind,
}

/// Follows a recording.
#[derive(Default)]
pub struct Tracker {
    processes: BTreeMap<u32, Process>,
    tasks: FxHashMap<StreamId, Task>,
    /// Who made a task, until it starts.
    made: FxHashMap<StreamId, (EventId, i64)>,
    tables: FxHashMap<u32, (Table, u32)>,
    next_table: u32,
    files: Files,
    connections: Connections,
    ports: Ports,
    fifos: FxHashMap<Vec<u8>, Option<crate::fact::ConnectionId>>,
    /// Processes by their pids, the newest of each.
    pids: FxHashMap<i64, u32>,
    /// The last kill of a process by signal: who and where.
    kills: FxHashMap<(u32, u32), (u32, EventId)>,
    facts: Vec<Moment>,
}

/// One event on its way through the tracker.
#[derive(Clone, Copy)]
struct Cx<'a> {
    id: EventId,
    event: &'a Event,
    place: Place,
    since: Option<(Place, u64)>,
    time_ns: u64,
}

impl Cx<'_> {
    fn header(&self) -> &Header {
        &self.event.header
    }

    fn arg(&self, at: u8) -> u64 {
        self.header().args[usize::from(at) % 6]
    }

    fn fd(&self, at: u8) -> u32 {
        self.arg(at) as u32
    }

    fn process(&self) -> u32 {
        self.id.stream.process
    }

    fn ret(&self) -> i64 {
        self.header().ret
    }

    /// What the call returned, if it was no error.
    fn success(&self) -> Option<u64> {
        u64::try_from(self.ret()).ok()
    }
}

impl Tracker {
    pub fn new() -> Tracker {
        Tracker::default()
    }

    /// All processes so far, by their numbers.
    pub fn processes(&self) -> &BTreeMap<u32, Process> {
        &self.processes
    }

    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Whether the task has run or the call that made it has been seen: the first task of a recording
    /// has no such call.
    pub(crate) fn knows(&self, stream: StreamId) -> bool {
        self.processes.is_empty()
            || self.tasks.contains_key(&stream)
            || self.made.contains_key(&stream)
    }

    /// Whether an event is the receipt of something that was not seen being sent yet, and cannot be
    /// understood without: a message that tells by its content whose it is, or descriptors.
    pub(crate) fn awaits(&self, id: EventId, event: &Event) -> bool {
        let header = &event.header;
        if header.kind != Kind::Call as u8 || header.flags & flags::UNFINISHED != 0 {
            return false;
        }
        let (Some(flow), Ok(len)) = (flow::flow_of(header.nr), u64::try_from(header.ret)) else {
            return false;
        };
        if !matches!(flow, Flow::Receive(_) | Flow::ReceiveMessage) {
            return false;
        }
        let process = self.processes.get(&id.stream.process);
        let table = process.and_then(|process| self.tables.get(&process.table));
        let file = table.and_then(|(table, _)| table.get(header.args[0] as u32));
        let message = || parts::message(event, header.args[1]);
        match file.map(|file| (file, self.files.get(file))) {
            Some((_, Some(File::End(connection, side)))) if flow == Flow::ReceiveMessage => {
                let known = self.connections.get(*connection);
                let from = side.other().index();
                known.ends[from].process.is_some()
                    && known.streams[from].passed.is_empty()
                    && !message()
                        .control
                        .map(parts::rights)
                        .unwrap_or_default()
                        .is_empty()
            }
            Some((file, Some(File::Socket(socket)))) if !socket.connects => {
                let bytes = parts::payload(event, Role::Output, len);
                let name = match flow {
                    Flow::ReceiveMessage => message().name,
                    _ => parts::at(event, Role::Output, header.args[4]),
                };
                self.awaits_datagram(file, name, &bytes)
            }
            _ => false,
        }
    }

    /// Takes an event, and appends the facts that it holds.
    pub fn event(&mut self, id: EventId, time_ns: u64, event: &Event, facts: &mut Vec<Moment>) {
        self.enter(id, time_ns);
        let place = self.place(id, &event.header);
        let before = self.tasks.get(&id.stream);
        let cx = Cx {
            id,
            event,
            place,
            since: before.map(|task| (task.place, task.time_ns)),
            time_ns,
        };
        self.follow_chain(&cx);
        self.dispatch(&cx);
        let task = self.tasks.entry(id.stream).or_default();
        task.place = place;
        task.time_ns = time_ns;
        if let Some(process) = self.processes.get_mut(&id.stream.process) {
            process.last = id;
        }
        facts.append(&mut self.facts);
    }

    /// Takes the end of a stream.
    pub fn end(&mut self, end: &ProcessEnd, time_ns: u64, facts: &mut Vec<Moment>) {
        let stream = end.stream();
        let Some(task) = self.tasks.get(&stream) else {
            return;
        };
        let (place, since) = (task.place, (task.place, task.time_ns));
        let Some(process) = self.processes.get_mut(&end.process) else {
            return;
        };
        process.tasks = process.tasks.saturating_sub(1);
        process.killed |= end.killed_by != 0;
        // Threads are killed when their process exits, so that only the last one's end tells.
        if process.ended.is_some() || process.tasks > 0 {
            return;
        }
        let (id, killed) = (process.last, process.killed);
        let sent = self.deadly(end.process);
        let how = match (killed, sent) {
            (false, _) => Ended::Unknown,
            (true, Some((signal, _))) => Ended::Signal(signal),
            (true, None) => Ended::Killed,
        };
        let by = sent.filter(|_| killed).map(|(_, event)| event);
        let event = Event::default();
        let cx = Cx {
            id,
            event: &event,
            // The end comes after all that the process did, and is no event of its own.
            place: Place {
                order: place.order.saturating_add(1),
                ..place
            },
            since: Some(since),
            time_ns,
        };
        self.end_process(&cx, how, by);
        facts.append(&mut self.facts);
    }

    fn say(&mut self, cx: &Cx<'_>, fact: Fact) {
        self.facts.push(Moment {
            event: cx.id,
            place: cx.place,
            since: cx.since,
            time_ns: cx.time_ns,
            fact,
        });
    }

    /// Makes sure that the event's process is known: events of a cut trace may lack their beginning.
    fn enter(&mut self, id: EventId, time_ns: u64) {
        let number = id.stream.process;
        if self.processes.contains_key(&number) {
            return;
        }
        let mut table = Table::default();
        if self.processes.is_empty() {
            let standard = [Standard::Input, Standard::Output, Standard::Error];
            for (fd, which) in (0..).zip(standard) {
                let file = self.files.add(File::Standard(which));
                table.set(&mut self.files, fd, file, false);
            }
        }
        let table = self.add_table(table);
        self.processes.insert(
            number,
            Process {
                number,
                parent: None,
                pid: 0,
                main: id.stream,
                name: Vec::new(),
                exe: Vec::new(),
                argv: Vec::new(),
                started_ns: time_ns,
                ended: None,
                last: id,
                table,
                tasks: 1,
                killed: false,
            },
        );
    }

    /// The place of an event. One that a task died in may have none of its own.
    fn place(&self, id: EventId, header: &Header) -> Place {
        let own = Place {
            chain: header.group,
            order: header.order,
        };
        let before = self.tasks.get(&id.stream).map(|task| task.place);
        match before {
            Some(before) if own.order == 0 || own.chain == 0 => before,
            Some(before) if before.chain == own.chain && before.order > own.order => before,
            _ => own,
        }
    }

    fn follow_chain(&mut self, cx: &Cx<'_>) {
        let mut after = Vec::new();
        let before = cx.since.map(|(place, _)| place);
        after.extend(before.filter(|before| before.chain != cx.place.chain));
        if cx.header().kind == Kind::Merge as u8 {
            let given_up = Place {
                chain: cx.arg(0) as u32,
                order: cx.arg(1),
            };
            after.extend((given_up.chain != cx.place.chain).then_some(given_up));
        }
        after.dedup();
        if !after.is_empty() {
            self.say(cx, Fact::Chain { after });
        }
    }

    fn dispatch(&mut self, cx: &Cx<'_>) {
        let Some(kind) = Kind::from_u8(cx.header().kind) else {
            return;
        };
        match kind {
            Kind::Call => {
                if let Some(flow) = flow::flow_of(cx.header().nr) {
                    self.call(cx, flow);
                }
            }
            Kind::Image => self.image(cx),
            Kind::TaskStart => self.start(cx),
            Kind::Signal => self.signal(cx),
            Kind::Fault => {
                let fact = Fact::Fault {
                    signal: cx.header().nr.into(),
                    handled: cx.ret() != 0,
                    address: cx.arg(1),
                };
                self.say(cx, fact);
            }
            Kind::Endpoint => self.endpoint(cx),
            Kind::Unrecorded => {
                let parts = cx.event.parts.iter();
                let path = parts.flat_map(|part| part.bytes.clone()).collect();
                self.say(cx, Fact::Unrecorded { path });
            }
            Kind::Gap => self.say(cx, Fact::Gap { reason: cx.arg(0) }),
            Kind::Mark => {
                if let Some(mark) = Mark::of(cx.event) {
                    self.say(cx, Fact::Mark { mark });
                }
            }
            // What follows an exit call is its checksum.
            Kind::Exit | Kind::Map | Kind::Tsc | Kind::Cpuid | Kind::Merge | Kind::Preempt => {}
            Kind::Checksum | Kind::Stored | Kind::Plan | Kind::Step | Kind::FaultIntent => {}
            Kind::FaultEffect | Kind::Assertion | Kind::Checkpoint | Kind::Redaction => {}
            Kind::Part | Kind::Again | Kind::Alike | Kind::Resume => {}
        }
    }

    fn image(&mut self, cx: &Cx<'_>) {
        let data = |which| parts::at(cx.event, Role::Data, which);
        let path = data(1).or(data(0)).unwrap_or_default();
        let exe = data(0).unwrap_or(path).to_vec();
        let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let name = last[..last.len().min(NAME_MAX)].to_vec();
        let argv = arguments(cx.event);
        if let Some(process) = self.processes.get_mut(&cx.process()) {
            process.name = name;
            process.exe = exe.clone();
            process.argv = argv.clone();
        }
        self.say(cx, Fact::Exec { path: exe, argv });
    }

    fn start(&mut self, cx: &Cx<'_>) {
        let by = self.made.remove(&cx.id.stream);
        let pid = by.map_or(cx.ret(), |(_, pid)| pid);
        let process = self.processes.get_mut(&cx.process());
        if let Some(process) = process.filter(|process| process.pid == 0) {
            // Nobody was seen making it.
            process.pid = pid;
        }
        let fact = Fact::Start {
            by: by.map(|(event, _)| event),
            pid,
        };
        self.say(cx, fact);
    }

    fn spawn(&mut self, cx: &Cx<'_>, flags: Option<u8>) {
        let ticket = cx.header().ticket;
        let child = match parts::at(cx.event, Role::Data, 0) {
            Some(bytes) => parts::u32_of(bytes, 0).zip(parts::u32_of(bytes, 4)),
            None => (ticket != 0).then_some(((ticket >> 32) as u32, ticket as u32)),
        };
        let Some((process, task)) = child else { return };
        let child = StreamId { process, task };
        let pid = cx.ret();
        self.made.insert(child, (cx.id, pid));
        if process == cx.process() {
            if let Some(process) = self.processes.get_mut(&process) {
                process.tasks = process.tasks.saturating_add(1);
            }
        } else if !self.processes.contains_key(&process) {
            let shared = flags.is_some_and(|at| cx.arg(at) & CLONE_FILES != 0);
            self.fork(cx, child, pid, shared);
        }
        self.say(cx, Fact::Spawn { child, pid });
    }

    fn fork(&mut self, cx: &Cx<'_>, child: StreamId, pid: i64, share_files: bool) {
        let Some(parent) = self.processes.get(&cx.process()) else {
            return;
        };
        let mut process = Process {
            number: child.process,
            parent: Some(parent.number),
            pid,
            main: child,
            started_ns: cx.time_ns,
            ended: None,
            last: cx.id,
            tasks: 1,
            ..parent.clone()
        };
        if share_files {
            if let Some((_, users)) = self.tables.get_mut(&process.table) {
                *users = users.saturating_add(1);
            }
        } else {
            let table = self.tables.get(&process.table);
            let copy = table.map_or_else(Table::default, |(table, _)| table.clone());
            process.table = self.add_table(copy);
        }
        self.pids.insert(pid, child.process);
        self.processes.insert(child.process, process);
    }

    fn signal(&mut self, cx: &Cx<'_>) {
        let signal = u32::from(cx.header().nr);
        let info = parts::at(cx.event, Role::Data, 0).unwrap_or_default();
        let code = parts::u32_of(info, 8).unwrap_or(0) as i32;
        let pid = parts::u32_of(info, SI_PID).unwrap_or(0);
        let (mut sender, mut by) = (None, None);
        // SI_USER, SI_QUEUE and SI_TKILL name the sender; CLD_ codes the child.
        if code <= 0 {
            // It is handled, so it kills nobody.
            if let Some((process, event)) = self.kills.remove(&(cx.process(), signal)) {
                (sender, by) = (Some(process), Some(event));
            }
        } else if signal == SIGCHLD {
            sender = self.pids.get(&i64::from(pid)).copied();
            let child = sender.and_then(|child| self.processes.get(&child));
            by = child
                .filter(|child| child.ended.is_some())
                .map(|child| child.last);
        }
        self.say(cx, Fact::Signal { signal, sender, by });
    }

    fn kill(&mut self, cx: &Cx<'_>, target: i64, signal: u32) {
        if cx.ret() != 0 || signal == 0 {
            return;
        }
        let target = self.pids.get(&target.abs()).copied();
        let Some(target) = target.filter(|target| *target != cx.process()) else {
            return;
        };
        self.kills.insert((target, signal), (cx.process(), cx.id));
        self.say(cx, Fact::Kill { signal, target });
    }

    /// The signal of those sent to a process that it died of, if it did: tasks that are killed do not tell.
    fn deadly(&self, process: u32) -> Option<(u32, EventId)> {
        DEADLY.iter().find_map(|signal| {
            let (_, event) = self.kills.get(&(process, *signal))?;
            Some((*signal, *event))
        })
    }

    fn wait(&mut self, cx: &Cx<'_>, pid: i64) {
        if pid <= 0 {
            return;
        }
        let Some(child) = self.pids.get(&pid).copied() else {
            return;
        };
        let last = self.processes.get(&child).map(|child| child.last);
        self.say(cx, Fact::Wait { child, last });
    }

    fn end_process(&mut self, cx: &Cx<'_>, how: Ended, by: Option<EventId>) {
        let Some(process) = self.processes.get_mut(&cx.process()) else {
            return;
        };
        if process.ended.is_some() {
            return;
        }
        process.ended = Some(how);
        let table = process.table;
        let closed = match self.tables.get_mut(&table) {
            Some((_, users)) if *users > 1 => {
                *users -= 1;
                Vec::new()
            }
            _ => {
                let table = self.tables.remove(&table);
                table.map_or_else(Vec::new, |(table, _)| table.end(&mut self.files))
            }
        };
        for file in closed {
            self.closed(cx, Some(file));
        }
        self.say(cx, Fact::End { how, by });
    }

    fn add_table(&mut self, table: Table) -> u32 {
        self.next_table = self.next_table.wrapping_add(1);
        self.tables.insert(self.next_table, (table, 1));
        self.next_table
    }
}

/// A program's arguments, out of the initial stack.
fn arguments(event: &Event) -> Vec<Vec<u8>> {
    let [_, _, _, from, to, _] = event.header.args;
    let stack = event.parts.iter().filter(|part| part.role == Role::Output);
    let mut bytes = Vec::new();
    // A large stack is several parts, which follow one another.
    for part in stack {
        let start = from.max(part.addr);
        let end = to.min(part.addr.saturating_add(part.bytes.len() as u64));
        if start < end && bytes.len() < ARGV_MAX {
            let range = (start - part.addr) as usize..(end - part.addr) as usize;
            bytes.extend_from_slice(&part.bytes[range]);
        }
    }
    bytes.truncate(ARGV_MAX);
    parts::strings(&bytes)
}
