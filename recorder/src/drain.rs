//! Draining the rings: from shared memory, which a target may have scribbled over, into the trace.
//!
//! What must already hold: the session's rings are mapped. What this never does: trust a size that
//! it finds in them, or stop the target because something is wrong.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use reenact_abi::arena::{
    self, inflight, slot, Slot, LARGE, RINGS, RING_LARGE, RING_SIZE, SLOTS_MAX,
};
use reenact_abi::event::{
    alike, flags, Again, Alike, Header, Kind, Part, Role, AGAIN_SIZE, ALIKE_SIZE, HEADER_SIZE,
    PART_BYTES_MAX, PART_SIZE, RECORD_MAX, TEMPLATES,
};
use reenact_launch::Session;
use reenact_trace::{
    Event, EventPart, PairAgain, PartRef, ProcessEnd, StreamHandle, StreamId, WriteError, Writer,
};
use smallvec::SmallVec;

const OWNER_DIED: u32 = 0x4000_0000;

/// An event that later ones repeat.
#[derive(Clone, Copy)]
struct Template {
    header: Header,
    /// Address of its only part, if it has one.
    addr: u64,
}

/// A stream whose task has a slot.
#[derive(Default)]
struct Live {
    stream: Option<(StreamId, StreamHandle)>,
    parent: u32,
    /// Bytes that do not make a whole event yet.
    pending: Vec<u8>,
    /// Events that later ones repeat.
    templates: Box<[Option<Template>]>,
    /// A large event whose parts are still coming.
    open: Option<Event>,
    /// Kind and result of the last event.
    last: Option<(u8, i64)>,
    /// The template that it repeats, if it is a pair.
    repeated: Option<usize>,
    /// How often the slot was seen in state FOREIGN in a row.
    foreign: u32,
    broken: bool,
}

/// What stands for the bytes of a hole, which are not carried.
static ZEROES: [u8; PART_BYTES_MAX] = [0; PART_BYTES_MAX];

/// Bytes that are taken from a ring at a time.
const AT_ONCE: u64 = 128 << 10;

/// Totals for the closing line and the trace's end.
#[derive(Default, Clone, Debug)]
pub struct Totals {
    pub events: u64,
    pub streams: u64,
    pub gaps: u64,
    pub unrecorded: u64,
    pub broken: u64,
    pub detached: u64,
}

pub struct Drain<'a> {
    session: &'a Session,
    live: BTreeMap<usize, Live>,
    /// Slots that were in use when all were last looked at, and how many tasks there had been then:
    /// a slot comes into use before its task is counted.
    used: Vec<usize>,
    counted: u32,
    pub totals: Totals,
}

impl<'a> Drain<'a> {
    pub fn new(session: &'a Session) -> Self {
        Drain {
            session,
            live: BTreeMap::new(),
            used: Vec::new(),
            counted: 0,
            totals: Totals::default(),
        }
    }

    /// Takes everything that is there. Returns how many bytes of events that was.
    pub fn pass(&mut self, writer: &mut Writer) -> Result<u64, WriteError> {
        let mut taken = 0;
        self.look_for_tasks();
        for at in 0..self.used.len() {
            let index = self.used[at];
            let session = self.session;
            let entry = session.slot(index);
            let state = entry.state.load(Ordering::Acquire);
            if state == slot::FREE || state == slot::CLAIMED {
                continue;
            }
            let dead = entry.owner.load(Ordering::Acquire) & OWNER_DIED != 0;
            let foreign = self.seen_foreign(index, state);
            taken += self.drain_slot(index, entry, writer)?;
            if dead || foreign {
                // Once more: what it wrote between our look at the ring and its death.
                taken += self.drain_all(index, entry, writer)?;
                self.end_stream(index, entry, writer, state, foreign)?;
            }
        }
        Ok(taken)
    }

    /// Looks at all slots, if there are new tasks: there are thousands, and a pass is short.
    fn look_for_tasks(&mut self) {
        let counted = self.session.header().next_task.load(Ordering::SeqCst);
        if counted == self.counted {
            return;
        }
        let session = self.session;
        let in_use =
            |index: &usize| session.slot(*index).state.load(Ordering::Acquire) != slot::FREE;
        self.used = (0..SLOTS_MAX).filter(in_use).collect();
        self.counted = counted;
    }

    /// A task that stays in FOREIGN has become a program that we do not record.
    fn seen_foreign(&mut self, index: usize, state: u32) -> bool {
        let live = self.live.entry(index).or_default();
        live.foreign = if state == slot::FOREIGN {
            live.foreign + 1
        } else {
            0
        };
        live.foreign > 5
    }

    pub fn alive(&self) -> usize {
        (0..SLOTS_MAX)
            .filter(|index| self.session.slot(*index).state.load(Ordering::Acquire) != slot::FREE)
            .count()
    }

    /// Takes all that a task has written which will write no more.
    fn drain_all(
        &mut self,
        index: usize,
        entry: &Slot,
        writer: &mut Writer,
    ) -> Result<u64, WriteError> {
        let mut taken = 0;
        for _ in 0..=RING_LARGE / AT_ONCE {
            match self.drain_slot(index, entry, writer)? {
                0 => break,
                bytes => taken += bytes,
            }
        }
        Ok(taken)
    }

    fn drain_slot(
        &mut self,
        index: usize,
        entry: &Slot,
        writer: &mut Writer,
    ) -> Result<u64, WriteError> {
        let live = self.live.entry(index).or_default();
        if live.stream.is_none() {
            let stream = StreamId {
                process: entry.process,
                task: entry.task,
            };
            live.stream = Some((stream, writer.handle(stream)));
            live.parent = entry.parent_process;
            self.totals.streams += 1;
        }
        let (head, tail) = (
            entry.written.head.load(Ordering::Acquire),
            entry.drained.tail.load(Ordering::Relaxed),
        );
        let ready = head.wrapping_sub(tail);
        let (_, size) = ring(index, entry);
        if ready == 0 || ready > size {
            live.broken |= ready > size;
            return Ok(0);
        }
        // As much at a time as a cache holds beside what becomes of it.
        let (ready, left) = (ready.min(AT_ONCE), ready.saturating_sub(AT_ONCE));
        copy_ring(self.session, index, tail, ready, &mut live.pending);
        entry
            .drained
            .tail
            .store(tail.wrapping_add(ready), Ordering::Release);
        // A task that waits is woken once there is room for a while.
        let room = left <= size / 2;
        if room && entry.drained.waiting.load(Ordering::SeqCst) != 0 {
            wake(&entry.drained.waiting);
        }
        // Out of the stream while its records are read, so that they need not be copied.
        let mut pending = std::mem::take(&mut live.pending);
        let taken = consume(live, &pending, writer, &mut self.totals)?;
        pending.drain(..taken);
        live.pending = pending;
        Ok(ready)
    }

    /// The task is gone: what it was in the middle of is unfinished.
    fn end_stream(
        &mut self,
        index: usize,
        entry: &Slot,
        writer: &mut Writer,
        state: u32,
        foreign: bool,
    ) -> Result<(), WriteError> {
        let mut live = self.live.remove(&index).unwrap_or_default();
        let Some((stream, _)) = live.stream else {
            return Ok(());
        };
        self.unfinished(index, entry, &mut live, writer)?;
        let by_fault = live
            .last
            .is_some_and(|(kind, ret)| kind == Kind::Fault as u8 && ret == 0);
        let gaps = entry.gaps.load(Ordering::Relaxed);
        self.totals.gaps += u64::from(gaps);
        self.totals.broken += u64::from(live.broken);
        self.totals.unrecorded += u64::from(foreign);
        let ended = state == slot::ENDED || by_fault;
        let exe_len = entry
            .exe
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(entry.exe.len());
        writer.process_end(&ProcessEnd {
            process: stream.process,
            task: stream.task,
            complete: gaps == 0 && !live.broken && !foreign,
            killed_by: if ended || foreign {
                0
            } else {
                libc::SIGKILL as u32
            },
            exe: entry.exe[..exe_len].to_vec(),
            parent: live.parent,
        })?;
        if entry.large_ring.swap(0, Ordering::SeqCst) != 0 {
            self.session
                .give_back(LARGE + index as u64 * RING_LARGE, RING_LARGE);
            let in_use = &self.session.header().large_rings;
            let _ = in_use.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        }
        self.free(entry);
        Ok(())
    }

    /// The call that a task is inside of, which will not be seen to return.
    fn unfinished(
        &mut self,
        index: usize,
        entry: &Slot,
        live: &mut Live,
        writer: &mut Writer,
    ) -> Result<(), WriteError> {
        let look = || {
            let written = &entry.written;
            let head = written.head.load(Ordering::Acquire);
            let mut bytes = Vec::new();
            match written.inflight.load(Ordering::Acquire) {
                inflight::IN_RING => {
                    copy_ring(self.session, index, head, HEADER_SIZE as u64, &mut bytes)
                }
                inflight::IN_SLOT => {
                    let words = written.call.iter().map(|word| word.load(Ordering::Relaxed));
                    bytes.extend(words.flat_map(u64::to_le_bytes));
                }
                _ => {}
            }
            Some((head, header_of(bytes.first_chunk()?)))
        };
        let (first, second) = (look(), look());
        // A task that lives on may be writing what we read.
        let Some((head, mut header)) = first.filter(|_| first == second && !live.broken) else {
            return Ok(());
        };
        let drained = head == entry.drained.tail.load(Ordering::Acquire)
            && live.open.is_none()
            && live.pending.is_empty();
        if header.kind == Kind::Call as u8 && drained {
            header.flags = header.flags & !flags::MORE | flags::UNFINISHED;
            emit(live, header, &[], writer, &mut self.totals)?;
        }
        Ok(())
    }

    /// Takes a dead task out of its group; no merge may come between finding the group and leaving it.
    fn free(&self, entry: &Slot) {
        let lock = &self.session.header().merge_lock;
        let mut tries = 0;
        while lock
            .compare_exchange(
                0,
                arena::MERGE_BY_RECORDER,
                Ordering::SeqCst,
                Ordering::SeqCst,
            )
            .is_err()
        {
            tries += 1;
            if tries > 2_000 {
                // Its holder was killed. The group stays as it is: one entry more in use, no harm.
                entry.state.store(slot::FREE, Ordering::SeqCst);
                return;
            }
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
        let group = self
            .session
            .group(root(self.session, entry.group.load(Ordering::Relaxed)));
        if group.members.fetch_sub(1, Ordering::SeqCst) <= 1 {
            group.members.store(0, Ordering::SeqCst);
            group.id.store(0, Ordering::SeqCst);
        }
        lock.store(0, Ordering::SeqCst);
        entry.state.store(slot::FREE, Ordering::SeqCst);
    }

    /// The recording is over: streams of tasks that live on end here.
    pub fn close(&mut self, writer: &mut Writer) -> Result<(), WriteError> {
        self.pass(writer)?;
        for index in 0..SLOTS_MAX {
            let entry = self.session.slot(index);
            if entry.state.load(Ordering::Acquire) == slot::CLAIMED {
                // It was killed before its first instruction: a stream without events.
                writer.process_end(&ProcessEnd {
                    process: entry.process,
                    task: entry.task,
                    complete: true,
                    killed_by: libc::SIGKILL as u32,
                    exe: Vec::new(),
                    parent: entry.parent_process,
                })?;
            }
        }
        let left: Vec<usize> = self.live.keys().copied().collect();
        for index in left {
            let entry = self.session.slot(index);
            self.drain_all(index, entry, writer)?;
            let Some(mut live) = self.live.remove(&index) else {
                continue;
            };
            let Some((stream, _)) = live.stream else {
                continue;
            };
            // What it did up to this call others may have seen.
            self.unfinished(index, entry, &mut live, writer)?;
            self.totals.detached += 1;
            let gaps = entry.gaps.load(Ordering::Relaxed);
            self.totals.gaps += u64::from(gaps);
            writer.process_end(&ProcessEnd {
                process: stream.process,
                task: stream.task,
                complete: false,
                killed_by: 0,
                exe: Vec::new(),
                parent: live.parent,
            })?;
        }
        Ok(())
    }
}

fn root(session: &Session, mut index: u32) -> usize {
    for _ in 0..arena::GROUPS_MAX {
        match session
            .group(index as usize % arena::GROUPS_MAX)
            .merged_into
            .load(Ordering::Acquire)
        {
            0 => break,
            next => index = next - 1,
        }
    }
    index as usize % arena::GROUPS_MAX
}

/// Where a slot's ring lies in the session's file, and its size.
fn ring(index: usize, entry: &Slot) -> (u64, u64) {
    match entry.large_ring.load(Ordering::Acquire) {
        0 => (RINGS + index as u64 * RING_SIZE, RING_SIZE),
        _ => (LARGE + index as u64 * RING_LARGE, RING_LARGE),
    }
}

fn copy_ring(session: &Session, index: usize, position: u64, len: u64, into: &mut Vec<u8>) {
    let (base, size) = ring(index, session.slot(index));
    let at = position % size;
    let first = len.min(size - at);
    session.copy_out(base + at, first as usize, into);
    session.copy_out(base, (len - first) as usize, into);
}

fn wake(word: &std::sync::atomic::AtomicU32) {
    // SAFETY: the kernel only looks the address up.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1, 0, 0, 0) };
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[inline(always)]
fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Reads a header's fields from its bytes, in their `repr(C)` order.
fn header_of(bytes: &[u8; HEADER_SIZE]) -> Header {
    let mut args = [0u64; 6];
    for (index, arg) in args.iter_mut().enumerate() {
        *arg = word(bytes, 40 + index * 8);
    }
    Header {
        size: half(bytes, 0),
        kind: bytes[4],
        flags: bytes[5],
        nr: u16::from_le_bytes([bytes[6], bytes[7]]),
        group: half(bytes, 8),
        template: half(bytes, 12),
        order: word(bytes, 16),
        ticket: word(bytes, 24),
        time_ns: word(bytes, 32),
        args,
        ret: word(bytes, 88) as i64,
        rip: word(bytes, 96),
        rsp: word(bytes, 104),
        input_hash: word(bytes, 112),
    }
}

const _: () = assert!(
    HEADER_SIZE == 120
        && core::mem::offset_of!(Header, order) == 16
        && core::mem::offset_of!(Header, args) == 40
        && core::mem::offset_of!(Header, input_hash) == 112
        && core::mem::offset_of!(Part, addr) == 8
        && core::mem::offset_of!(Part, content) == 24
        && core::mem::offset_of!(Header, template) == 12
        && AGAIN_SIZE == 40
        && core::mem::offset_of!(Again, template) == 6
        && core::mem::offset_of!(Again, words) == 24
        && ALIKE_SIZE == 40
        && core::mem::offset_of!(Alike, part) == 5
        && core::mem::offset_of!(Alike, template) == 6
        && core::mem::offset_of!(Alike, ret) == 24
        && core::mem::offset_of!(Alike, hash_or_len) == 32
);

/// An event of so many bytes is not waited for as a whole.
const LONG: usize = 64 << 10;

/// What lies in front of the bytes that came from a ring.
enum Front {
    /// A whole event, as most are, of so many bytes.
    Event(usize),
    /// The beginning of one.
    Unfinished,
    /// One with contents or long payloads, or nothing that can be: to be taken record by record.
    Other,
}

/// Notes an event that later ones repeat.
fn keep_template(live: &mut Live, header: &Header, parts: &[PartRef<'_>]) {
    if live.templates.is_empty() {
        live.templates = vec![None; TEMPLATES].into();
    }
    if let Some(place) = live.templates.get_mut(header.template as usize - 1) {
        *place = Some(Template {
            header: *header,
            addr: parts.first().map_or(0, |part| part.addr),
        });
    }
}

/// Takes events that repeat the template of the first, as many as lie in a row; returns their bytes, or
/// 0 if there is no such template.
fn again(
    live: &mut Live,
    records: &[u8],
    writer: &mut Writer,
    totals: &mut Totals,
) -> Result<usize, WriteError> {
    let Some(first) = records.first_chunk::<AGAIN_SIZE>() else {
        return Ok(0);
    };
    let number = usize::from(u16::from_le_bytes([first[6], first[7]]));
    if half(first, 0) as usize != AGAIN_SIZE {
        return Ok(0);
    }
    let pair = |record: &[u8]| PairAgain {
        order: word(record, 8),
        time_ns: word(record, 16),
        words: [word(record, 24), word(record, 32)],
    };
    if let (Some((_, handle)), true) = (live.stream, live.repeated == Some(number)) {
        let row = records.chunks_exact(AGAIN_SIZE);
        let row = row.take_while(|record| record[..8] == first[..8]);
        let taken = writer.pairs_again(handle, row.map(pair))?;
        totals.events += taken as u64;
        if taken != 0 {
            return Ok(taken * AGAIN_SIZE);
        }
    }
    let Some(Some(Template { header, addr })) = live.templates.get_mut(number) else {
        return Ok(0);
    };
    let PairAgain {
        order,
        time_ns,
        words,
    } = pair(first);
    // What differs from event to event is nothing that a template is for.
    (header.order, header.time_ns) = (order, time_ns);
    (header.ret, header.input_hash) = (0, 0);
    if header.ticket != 0 {
        return Ok(0);
    }
    live.last = Some((header.kind, header.ret));
    live.repeated = Some(number);
    totals.events += 1;
    if let Some((_, handle)) = live.stream {
        writer.pair_of(handle, header, *addr, words)?;
    }
    Ok(AGAIN_SIZE)
}

/// Takes a call that is like a template; false if there is no such, or it cannot be.
fn alike(
    live: &mut Live,
    record: &[u8],
    writer: &mut Writer,
    totals: &mut Totals,
) -> Result<bool, WriteError> {
    let number = usize::from(u16::from_le_bytes([record[6], record[7]]));
    let Some(Some(Template { header, .. })) = live.templates.get_mut(number) else {
        return Ok(false);
    };
    let (how, ret, hash_or_len) = (record[5], word(record, 24), word(record, 32));
    let is = |bit| how & bit != 0;
    let (input_hash, len) = if is(alike::TAKEN) {
        (hash_or_len, if is(alike::INPUT) { ret } else { 0 })
    } else {
        (0, hash_or_len)
    };
    let role = if is(alike::INPUT) {
        Role::Input
    } else {
        Role::Output
    };
    let Some(bytes) = record[ALIKE_SIZE..].get(..len as usize) else {
        return Ok(false);
    };
    let Some(addr) = header.args.get(usize::from(how & alike::ARGUMENT)) else {
        return Ok(false);
    };
    (header.order, header.time_ns) = (word(record, 8), word(record, 16));
    (header.ret, header.input_hash) = (ret as i64, input_hash);
    let part = PartRef {
        role,
        addr: *addr,
        len,
        content: 0,
        bytes,
    };
    let parts = if is(alike::INPUT | alike::OUTPUT) {
        &[part][..]
    } else {
        &[]
    };
    live.last = Some((header.kind, header.ret));
    live.repeated = None;
    totals.events += 1;
    if let Some((_, handle)) = live.stream {
        live.broken |= !taken(writer.event_of(handle, header, parts))?;
    }
    Ok(true)
}

/// Finds the event in front, and its parts.
fn whole<'a>(bytes: &'a [u8], parts: &mut SmallVec<[PartRef<'a>; 4]>) -> Front {
    let Some(first) = bytes.first_chunk::<HEADER_SIZE>() else {
        return Front::Unfinished;
    };
    if half(first, 0) as usize != HEADER_SIZE || first[4] == Kind::Part as u8 {
        return Front::Other;
    }
    let (mut at, mut more) = (HEADER_SIZE, first[5] & flags::MORE != 0);
    while more {
        let Some(head) = bytes[at..].first_chunk::<PART_SIZE>() else {
            return Front::Unfinished;
        };
        let size = half(head, 0) as usize;
        let fits = (PART_SIZE..RECORD_MAX).contains(&size) && size.is_multiple_of(8);
        let role = Role::from_u8(head[6]).filter(|role| role.in_trace());
        let (true, Some(role)) = (fits && head[4] == Kind::Part as u8, role) else {
            return Front::Other;
        };
        let Some(record) = bytes.get(at..at + size) else {
            return Front::Unfinished;
        };
        let (addr, len, content) = (word(head, 8), word(head, 16), word(head, 24));
        let bytes = if role.is_reference() {
            &[][..]
        } else {
            match record[PART_SIZE..].get(..len as usize) {
                Some(bytes) if bytes.len() < PART_BYTES_MAX => bytes,
                _ => return Front::Other,
            }
        };
        parts.push(PartRef {
            role,
            addr,
            len,
            content,
            bytes,
        });
        more = head[5] & flags::MORE != 0;
        at += size;
    }
    Front::Event(at)
}

/// Takes whole records from the front of what is pending; returns the bytes taken.
fn consume(
    live: &mut Live,
    pending: &[u8],
    writer: &mut Writer,
    totals: &mut Totals,
) -> Result<usize, WriteError> {
    let mut at = 0;
    while !live.broken {
        let rest = &pending[at..];
        if rest.len() < 8 {
            break;
        }
        if live.open.is_none() && rest[4] == Kind::Again as u8 {
            if rest.len() < AGAIN_SIZE {
                break;
            }
            let taken = again(live, rest, writer, totals)?;
            live.broken = taken == 0;
            at += taken;
            continue;
        }
        if live.open.is_none() && rest[4] == Kind::Alike as u8 {
            let size = half(rest, 0) as usize;
            if !(ALIKE_SIZE..=RECORD_MAX).contains(&size) || !size.is_multiple_of(8) {
                live.broken = true;
                break;
            }
            let Some(record) = rest.get(..size) else {
                break;
            };
            if !alike(live, record, writer, totals)? {
                live.broken = true;
                break;
            }
            at += size;
            continue;
        }
        if live.open.is_none() {
            let mut parts = SmallVec::new();
            match (whole(rest, &mut parts), rest.first_chunk()) {
                (Front::Event(len), Some(bytes)) => {
                    let header = header_of(bytes);
                    if header.template != 0 {
                        keep_template(live, &header, &parts);
                    }
                    emit(live, header, &parts, writer, totals)?;
                    at += len;
                    continue;
                }
                (Front::Unfinished, _) if rest.len() < LONG => break,
                _ => {}
            }
        }
        let size = half(rest, 0) as usize;
        let is_part = rest[4] == Kind::Part as u8;
        let least = if is_part { PART_SIZE } else { HEADER_SIZE };
        if size < least
            || size > RECORD_MAX
            || !size.is_multiple_of(8)
            || is_part != live.open.is_some()
        {
            live.broken = true;
            break;
        }
        if rest.len() < size {
            break;
        }
        let record = &rest[..size];
        at += size;
        if is_part {
            part(live, record, writer)?;
        } else {
            live.open = record.first_chunk().map(|bytes| Event {
                header: header_of(bytes),
                parts: Vec::new(),
            });
        }
        if record[5] & flags::MORE == 0 {
            if let Some(event) = live.open.take() {
                if event.header.template != 0 {
                    keep_template(live, &event.header, &event.part_refs());
                }
                emit(live, event.header, &event.part_refs(), writer, totals)?;
            }
        }
    }
    Ok(if live.broken { pending.len() } else { at })
}

fn part(live: &mut Live, record: &[u8], writer: &mut Writer) -> Result<(), WriteError> {
    let (addr, len, content) = (word(record, 8), word(record, 16), word(record, 24));
    let bytes = &record[PART_SIZE..];
    let carried = bytes.get(..len as usize);
    match (Role::from_u8(record[6]), carried) {
        (Some(Role::ContentBytes), Some(bytes)) => {
            store(live, writer.content_bytes(content, addr, bytes))?;
        }
        (Some(Role::ContentBytes), None) if bytes.is_empty() && len <= ZEROES.len() as u64 => {
            let zeroes = &ZEROES[..len as usize];
            store(live, writer.content_bytes(content, addr, zeroes))?;
        }
        (Some(Role::ContentEnd), _) => store(live, writer.content_end(content, addr))?,
        (Some(role), carried) if role.is_reference() || carried.is_some() => {
            let bytes = match carried {
                Some(bytes) if !role.is_reference() => bytes.to_vec(),
                _ => Vec::new(),
            };
            let part = EventPart {
                role,
                addr,
                len,
                content,
                bytes,
            };
            push(live, part);
        }
        _ => live.broken = true,
    }
    Ok(())
}

/// A content that cannot be is the target's scribbling, like an event that cannot be.
fn store(live: &mut Live, stored: Result<(), WriteError>) -> Result<(), WriteError> {
    match stored {
        Err(WriteError::BadContent { .. }) => {
            live.broken = true;
            Ok(())
        }
        other => other,
    }
}

/// Joins what the shim split because a record is small.
fn push(live: &mut Live, part: EventPart) {
    let Some(event) = live.open.as_mut() else {
        return;
    };
    if let Some(last) = event.parts.last_mut() {
        let joins = last.role == part.role
            && !part.role.is_reference()
            && last.addr.wrapping_add(last.len) == part.addr
            && last.len % reenact_abi::event::PART_BYTES_MAX as u64 == 0;
        if joins {
            last.len += part.len;
            last.bytes.extend_from_slice(&part.bytes);
            return;
        }
    }
    event.parts.push(part);
}

fn emit(
    live: &mut Live,
    header: Header,
    parts: &[PartRef<'_>],
    writer: &mut Writer,
    totals: &mut Totals,
) -> Result<(), WriteError> {
    let Some((_, handle)) = live.stream else {
        return Ok(());
    };
    live.last = Some((header.kind, header.ret));
    live.repeated = None;
    totals.events += 1;
    live.broken |= !taken(writer.event_of(handle, &header, parts))?;
    Ok(())
}

/// An event that the format cannot hold is the target's scribbling: the stream ends before it.
fn taken(written: Result<(), WriteError>) -> Result<bool, WriteError> {
    match written {
        Ok(()) => Ok(true),
        Err(WriteError::BadEvent { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
