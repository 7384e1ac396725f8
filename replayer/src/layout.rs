//! Laying a trace out as the shared memory that replaying shims read (`reenact_abi::arena`).
//!
//! Two walks over the trace: the first measures and collects, the second writes. Orders and
//! tickets are renumbered without holes, so that a shim waits for exact numbers only, and a trace
//! that was cut still replays as far as it goes: walks in between find out how far that is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use reenact_abi::arena::{self, Mode, Net, Stream, GROUPS_MAX};
use reenact_abi::event::{flags, Header, Kind, Part, Role, HEADER_SIZE, PART_BYTES_MAX, PART_SIZE};
use reenact_abi::map::PAGE;
use reenact_abi::syscalls::{self, Hook};
use reenact_launch::{Session, SessionError};
use reenact_trace::{Event, EventPart, Item, Reader, StreamId, TraceError};
use rustc_hash::FxHashMap;

#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("{0}")]
    Trace(#[from] TraceError),
    #[error("{0}")]
    Session(#[from] SessionError),
    #[error("cannot write the replay's memory: {0}; it needs about {needed} bytes", needed = .1)]
    Memory(#[source] io::Error, u64),
    #[error("the trace has no first process")]
    Empty,
    #[error("{0} groups of tasks share memory; this version replays at most {GROUPS_MAX}")]
    TooManyGroups(usize),
}

/// What the first walk finds of one stream.
#[derive(Default)]
struct Measured {
    bytes: u64,
    complete: bool,
    killed_by: u32,
    /// An event that cannot be replayed (its content is missing): the stream ends before it.
    cut_at: Option<u64>,
    last_time_ns: u64,
    /// The group of its last event, and the one that it belonged to before (0: none).
    group: u32,
    left: u32,
}

/// What the groups of a trace went through.
#[derive(Default)]
struct Groups {
    /// Who takes part in each, and the orders of its events.
    events: HashMap<u32, (BTreeSet<StreamId>, Vec<u64>)>,
    /// Orders of events that happened, but are only known as unfinished calls.
    unfinished: HashMap<u32, Vec<u64>>,
    /// The order at which a task came into a group, and from which one.
    joins: HashMap<u32, Vec<(u64, u32)>>,
    /// Groups whose tasks went on in another one.
    merged: HashSet<u32>,
}

/// A session that is ready to run.
pub struct Layout {
    pub session: Session,
    pub root: StreamId,
    pub streams: u64,
    pub events: u64,
    /// The longest time between two events of one stream.
    pub longest_pause_ns: u64,
    /// Streams that end before their task did.
    pub cut_streams: u64,
    /// Tasks whose stream ends while they wrote to the run's own output.
    pub unknown_outputs: u64,
    /// Events that the trace holds, and that cannot be replayed because others are missing.
    pub dropped: u64,
}

struct Plan {
    streams: BTreeMap<StreamId, Measured>,
    /// Orders of each group that more than one stream takes part in, sorted.
    orders: FxHashMap<u32, (u32, Vec<u64>)>,
    merged: HashSet<u32>,
    /// Of writes to the run's own output, sorted.
    tickets: Vec<u64>,
    /// Processes that ended by a call.
    ended: HashSet<u32>,
    contents: BTreeMap<u64, (u64, u64)>,
    /// Shared objects: place and room.
    objects: BTreeMap<u64, (u64, u64)>,
    events: u64,
    longest_pause_ns: u64,
    unknown_outputs: u64,
}

/// `Header::nr` of a checksum of memory at the end of a process (see FORMAT.md).
const MEMORY_AT_EXIT: u16 = 1;

/// The largest part of a shared object that replay keeps, in bytes.
const OBJECT_MAX: u64 = 1 << 36;

fn has_order(header: &Header) -> bool {
    header.flags & flags::UNFINISHED == 0
}

/// The parts that replay has a use for: what a call took is in the replayed program's own memory.
fn laid_out(event: &Event) -> impl Iterator<Item = &EventPart> {
    event.parts.iter().filter(|part| part.role != Role::Input)
}

fn record_size(event: &Event) -> u64 {
    let parts: u64 = laid_out(event).map(part_size).sum();
    HEADER_SIZE as u64 + parts
}

fn part_size(part: &EventPart) -> u64 {
    if part.role.is_reference() {
        return PART_SIZE as u64;
    }
    let mut size = 0;
    let mut left = part.bytes.len();
    loop {
        let take = left.min(PART_BYTES_MAX);
        size += (PART_SIZE + take.next_multiple_of(8)) as u64;
        left -= take;
        if left == 0 {
            return size;
        }
    }
}

fn measure(reader: &mut Reader) -> Result<Plan, LayoutError> {
    let known: BTreeSet<u64> = reader.contents().into_iter().collect();
    let mut streams: BTreeMap<StreamId, Measured> = BTreeMap::new();
    let mut groups = Groups::default();
    let (mut children, mut ended) = (BTreeSet::new(), HashSet::new());
    let mut tickets = Vec::new();
    let mut contents = BTreeMap::new();
    let mut objects: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let (mut events, mut longest, mut unknown_outputs) = (0, 0, 0);
    reader.for_each(&mut |item| {
        match item {
            Item::Event { stream, seq, event } => {
                let measured = streams.entry(stream).or_default();
                let missing = event.parts.iter().any(|part| {
                    part.role == Role::Content
                        && part.content != 0
                        && !known.contains(&part.content)
                });
                if missing {
                    measured.cut_at.get_or_insert(seq);
                }
                if measured.cut_at.is_some() {
                    return ControlFlow::Continue(());
                }
                for part in event
                    .parts
                    .iter()
                    .filter(|part| part.role == Role::Content && part.content != 0)
                {
                    contents.insert(part.content, (0, 0));
                }
                for part in event.parts.iter().filter(|part| part.role == Role::Object) {
                    let room = &mut objects.entry(part.content).or_default().1;
                    // Only what is mapped needs a place; a write beyond that shows nowhere.
                    if event.parts.iter().any(|part| part.role == Role::Content) || part.len != 0 {
                        *room = (*room)
                            .max(page_up(part.addr.saturating_add(part.len).min(OBJECT_MAX)));
                    }
                }
                events += 1;
                measured.bytes += record_size(&event);
                let header = &event.header;
                let to_output = header.flags & (flags::STDOUT | flags::STDERR) != 0;
                unknown_outputs += u64::from(!has_order(header) && to_output);
                children.extend(child(&event));
                if header.kind == Kind::Checksum as u8 && header.nr == MEMORY_AT_EXIT {
                    ended.insert(stream.process);
                }
                if has_order(header) {
                    groups.note(stream, measured, header);
                    if measured.last_time_ns != 0 {
                        longest = longest.max(header.time_ns.saturating_sub(measured.last_time_ns));
                    }
                    measured.last_time_ns = header.time_ns;
                } else if header.order != 0 {
                    let lost = groups.unfinished.entry(header.group).or_default();
                    lost.push(header.order);
                }
                tickets.extend(ticket(header));
            }
            Item::ProcessEnd(end) => {
                let measured = streams
                    .entry(StreamId {
                        process: end.process,
                        task: end.task,
                    })
                    .or_default();
                measured.complete = end.complete;
                measured.killed_by = end.killed_by;
            }
            Item::File { .. } | Item::Anchor(_) | Item::End(_) => {}
        }
        ControlFlow::Continue(())
    })?;
    tickets.sort_unstable();
    tickets.dedup();
    let cut = reader.is_cut();
    if cut {
        // Of a child whose first event is missing it is known that it was.
        for child in children {
            streams.entry(child).or_default();
        }
        let whole = whole_prefix(&tickets, |_| false);
        tickets.truncate(whole);
    }
    let lacks_events = cut || streams.values().any(|measured| !measured.complete);
    let mut orders = FxHashMap::default();
    let mut shared: Vec<u32> = groups
        .events
        .iter()
        .filter(|(_, (streams, _))| streams.len() > 1)
        .map(|(id, _)| *id)
        .collect();
    shared.sort_unstable();
    if shared.len() >= GROUPS_MAX {
        return Err(LayoutError::TooManyGroups(shared.len()));
    }
    let limits: Vec<usize> = shared
        .iter()
        .map(|id| {
            if lacks_events {
                groups.whole(*id)
            } else {
                usize::MAX
            }
        })
        .collect();
    for (index, (id, limit)) in shared.into_iter().zip(limits).enumerate() {
        let (_, mut list) = groups.events.remove(&id).unwrap_or_default();
        list.sort_unstable();
        list.truncate(limit);
        orders.insert(id, (index as u32 + 1, list));
    }
    Ok(Plan {
        streams,
        orders,
        merged: groups.merged,
        tickets,
        ended,
        contents,
        objects,
        events,
        longest_pause_ns: longest,
        unknown_outputs,
    })
}

/// The task that this call made.
fn child(event: &Event) -> Option<StreamId> {
    let header = &event.header;
    let makes_tasks = [Hook::Clone, Hook::Clone3, Hook::Fork, Hook::Vfork];
    let row = syscalls::row(u64::from(header.nr)).filter(|row| makes_tasks.contains(&row.hook));
    if row.is_none() || header.kind != Kind::Call as u8 || !has_order(header) || header.ret <= 0 {
        return None;
    }
    let data = event.parts.iter().find(|part| part.role == Role::Data)?;
    let word = |at: usize| {
        Some(u32::from_le_bytes(
            data.bytes.get(at..at + 4)?.try_into().ok()?,
        ))
    };
    Some(StreamId {
        process: word(0)?,
        task: word(4)?,
    })
}

/// The place of an event among the writes to the run's own output, if it is one.
fn ticket(header: &Header) -> Option<u64> {
    let to_output = header.flags & (flags::STDOUT | flags::STDERR) != 0;
    (has_order(header) && to_output && header.ticket != 0).then_some(header.ticket)
}

/// How many of these sorted numbers there are from 1 on without a hole, but for those in front of
/// which there may be one.
fn whole_prefix(numbers: &[u64], may_jump_to: impl Fn(u64) -> bool) -> usize {
    let mut next = 1;
    let holds = |number: &&u64| {
        let follows = **number == next || may_jump_to(**number);
        next = **number + 1;
        follows
    };
    numbers.iter().take_while(holds).count()
}

impl Groups {
    fn note(&mut self, stream: StreamId, measured: &mut Measured, header: &Header) {
        let events = self.events.entry(header.group).or_default();
        events.0.insert(stream);
        events.1.push(header.order);
        if measured.group != header.group {
            measured.left = std::mem::replace(&mut measured.group, header.group);
            if measured.left != 0 {
                let joins = self.joins.entry(header.group).or_default();
                joins.push((header.order, measured.left));
            }
        }
        if header.kind == Kind::Merge as u8 {
            self.merged.insert(measured.left);
        }
    }

    /// How many of a group's events there are, in their order, before the first that is missing:
    /// what comes later depends on it.
    fn whole(&self, id: u32) -> usize {
        let none = Vec::new();
        let events = self.events.get(&id).map_or(&none, |(_, orders)| orders);
        let unfinished = self.unfinished.get(&id).unwrap_or(&none);
        let mut known = [&events[..], unfinished].concat();
        known.sort_unstable();
        let joins = self.joins.get(&id);
        // Merged with a group that is further on, a group goes on from there.
        let may_jump_to = |order: u64| {
            let mut from = joins.into_iter().flatten().filter(|join| join.0 == order);
            from.any(|(_, from)| self.last(*from) + 1 == order)
        };
        match whole_prefix(&known, may_jump_to) {
            0 => 0,
            whole => {
                let last = known[whole - 1];
                events.iter().filter(|order| **order <= last).count()
            }
        }
    }

    fn last(&self, id: u32) -> u64 {
        let events = self.events.get(&id).map(|(_, orders)| orders);
        let all = events.into_iter().chain(self.unfinished.get(&id)).flatten();
        all.copied().max().unwrap_or(0)
    }
}

/// What cannot be replayed because events are missing.
#[derive(Default)]
struct Dropped {
    /// The first event of each stream that is not replayed.
    from: BTreeMap<StreamId, u64>,
    events: u64,
    /// Some of it would have been seen: output, or the end of a task.
    seen: bool,
}

/// A stream ends at its first event that depends on a missing one; with what else was to come, it
/// takes away what depends on that. Walks the trace until nothing more falls.
fn settle(reader: &mut Reader, plan: &mut Plan) -> Result<Dropped, LayoutError> {
    loop {
        let mut dropped = Dropped::default();
        let mut fell = false;
        reader.for_each(&mut |item| {
            let Item::Event { stream, seq, event } = item else {
                return ControlFlow::Continue(());
            };
            let Some(measured) = plan.streams.get(&stream) else {
                return ControlFlow::Continue(());
            };
            let cut = measured.cut_at.is_some_and(|cut| seq >= cut);
            let header = &event.header;
            if cut || (!dropped.from.contains_key(&stream) && !beyond(plan, header)) {
                return ControlFlow::Continue(());
            }
            dropped.from.entry(stream).or_insert(seq);
            dropped.events += 1;
            dropped.seen |= measured.complete || ticket(header).is_some();
            if let Some((_, orders)) = plan.orders.get_mut(&header.group) {
                if has_order(header) {
                    fell |= cut_before(orders, header.order);
                }
            }
            if let Some(ticket) = ticket(header) {
                fell |= cut_before(&mut plan.tickets, ticket);
            }
            ControlFlow::Continue(())
        })?;
        if !fell {
            return Ok(dropped);
        }
    }
}

/// Takes a number and all behind it off; true when there was something.
fn cut_before(numbers: &mut Vec<u64>, number: u64) -> bool {
    let before = numbers.len();
    numbers.truncate(numbers.partition_point(|each| *each < number));
    numbers.len() < before
}

fn page_up(value: u64) -> u64 {
    value.next_multiple_of(PAGE)
}

/// Makes the session of a trace.
pub fn build(reader: &mut Reader, net: Net) -> Result<Layout, LayoutError> {
    let mut plan = measure(reader)?;
    let cut = reader.is_cut();
    let lacks_events = cut || plan.streams.values().any(|measured| !measured.complete);
    let dropped = if lacks_events {
        settle(reader, &mut plan)?
    } else {
        Dropped::default()
    };
    let root = root(reader, &plan, &dropped).ok_or(LayoutError::Empty)?;
    let mut end = page_up(arena::LOG + (plan.streams.len() * size_of::<Stream>()) as u64);
    let mut places: BTreeMap<StreamId, (u64, u64)> = BTreeMap::new();
    for (stream, measured) in &plan.streams {
        places.insert(*stream, (end, end));
        end = page_up(end + measured.bytes);
    }
    let numbers: Vec<u64> = plan.contents.keys().copied().collect();
    let mut files = Vec::new();
    for number in numbers {
        let file = reader.file(number)?;
        plan.contents.insert(number, (end, file.size));
        end = page_up(end + file.size);
        files.push((number, file));
    }
    for place in plan.objects.values_mut() {
        place.0 = end;
        end += place.1;
    }
    let session = Session::create(Mode::Replay, net, end, arena::CONTROL_END)?;
    let memory = |error| LayoutError::Memory(error, end);
    for (number, file) in &files {
        let at = plan.contents[number].0;
        let mut offset = 0;
        while offset < file.size {
            let bytes = reader.read_content(file, offset, 1 << 20)?;
            if bytes.is_empty() {
                break;
            }
            write_what_is_not_zero(&session, &bytes, at + offset).map_err(memory)?;
            offset += bytes.len() as u64;
        }
    }
    let last = write_streams(reader, &plan, &dropped, &mut places, &session, end)?;
    let ends = Ends {
        dropped: &dropped,
        last: &last,
    };
    let cut_streams = write_table(&plan, &places, &ends, &session).map_err(memory)?;
    for (index, _) in plan.orders.values() {
        session
            .group(*index as usize)
            .order
            .store(0, Ordering::SeqCst);
    }
    Ok(Layout {
        session,
        root,
        streams: plan.streams.len() as u64,
        events: plan.events,
        longest_pause_ns: plan.longest_pause_ns,
        cut_streams,
        unknown_outputs: plan.unknown_outputs,
        dropped: if dropped.seen { dropped.events } else { 0 },
    })
}

/// Writes bytes to memory that is zero, and leaves the pages that are to stay so untouched: what is
/// mapped shared is often much larger than what was ever stored in it.
fn write_what_is_not_zero(session: &Session, bytes: &[u8], at: u64) -> io::Result<()> {
    const PAGE_SIZE: usize = PAGE as usize;
    const ZEROES: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
    let is_zero = |page: &[u8]| *page == ZEROES[..page.len()];
    let mut done = 0;
    while done < bytes.len() {
        let pages = bytes[done..].chunks(PAGE_SIZE);
        let stored = pages.take_while(|page| !is_zero(page)).map(<[u8]>::len);
        let stored: usize = stored.sum();
        session.write_at(&bytes[done..done + stored], at + done as u64)?;
        done += stored;
        let pages = bytes[done..].chunks(PAGE_SIZE);
        let zero = pages.take_while(|page| is_zero(page)).map(<[u8]>::len);
        done += zero.sum::<usize>();
    }
    Ok(())
}

/// The first task of the first process; `None` when a cut trace lacks its beginning.
fn root(reader: &Reader, plan: &Plan, dropped: &Dropped) -> Option<StreamId> {
    let first = reader.meta().root_process;
    let root = *plan.streams.keys().find(|stream| stream.process == first)?;
    // Threads of its process have logs as well. The first task that ever was has the number 1.
    let starts = plan.streams[&root].bytes != 0 && dropped.from.get(&root) != Some(&0);
    (!reader.is_cut() || (root.task == 1 && starts)).then_some(root)
}

/// How streams end.
struct Ends<'a> {
    dropped: &'a Dropped,
    /// Group and order of the last event of each.
    last: &'a HashMap<StreamId, (u32, u64)>,
}

impl Ends<'_> {
    /// Did others of its group go on behind a stream's last event?
    fn others_went_on(&self, plan: &Plan, id: &StreamId) -> bool {
        let Some((group, order)) = self.last.get(id) else {
            return false;
        };
        let orders = plan.orders.get(group).map(|(_, orders)| orders);
        orders.is_some_and(|orders| {
            plan.merged.contains(group) || orders.last().is_some_and(|last| last > order)
        })
    }
}

fn write_table(
    plan: &Plan,
    places: &BTreeMap<StreamId, (u64, u64)>,
    ends: &Ends,
    session: &Session,
) -> io::Result<u64> {
    let mut table = Vec::new();
    let mut cut = 0;
    for (id, measured) in &plan.streams {
        let (offset, written) = places[id];
        let dropped = ends.dropped.from.contains_key(id);
        let complete = measured.complete && measured.cut_at.is_none() && !dropped;
        // One that was killed need not have come to its next call.
        let marks_robust = complete && measured.killed_by != 0 && !plan.ended.contains(&id.process);
        let runs_on = !complete && ends.others_went_on(plan, id);
        cut += u64::from(!complete);
        for word in [id.process, id.task] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        for word in [offset, written - offset] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        for word in [
            u32::from(complete),
            measured.killed_by,
            u32::from(runs_on),
            u32::from(marks_robust),
        ] {
            table.extend_from_slice(&word.to_le_bytes());
        }
    }
    session.write_at(&table, arena::LOG)?;
    let header = session.header_ptr();
    // SAFETY: nobody else is running yet.
    unsafe { (*header).streams = plan.streams.len() as u64 };
    Ok(cut)
}

const _: () = assert!(size_of::<Stream>() == 40);

/// Writes the events that are replayed; returns group and order of each stream's last one.
fn write_streams(
    reader: &mut Reader,
    plan: &Plan,
    dropped: &Dropped,
    places: &mut BTreeMap<StreamId, (u64, u64)>,
    session: &Session,
    end: u64,
) -> Result<HashMap<StreamId, (u32, u64)>, LayoutError> {
    const BUFFER_MAX: usize = 1 << 20;
    let mut buffers: HashMap<StreamId, Vec<u8>> = HashMap::new();
    let mut trouble = None;
    let mut last = HashMap::new();
    let mut cursors = Cursors::default();
    reader.for_each(&mut |item| {
        let Item::Event { stream, seq, event } = item else {
            return ControlFlow::Continue(());
        };
        let Some(measured) = plan.streams.get(&stream) else {
            return ControlFlow::Continue(());
        };
        let ends_at = [measured.cut_at, dropped.from.get(&stream).copied()];
        if ends_at.into_iter().flatten().any(|end| seq >= end) {
            return ControlFlow::Continue(());
        }
        if has_order(&event.header) {
            last.insert(stream, (event.header.group, event.header.order));
        }
        let buffer = buffers.entry(stream).or_default();
        encode(plan, &mut cursors, &event, buffer);
        if buffer.len() >= BUFFER_MAX {
            if let Err(error) = flush(session, places, stream, buffer) {
                trouble = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    for (stream, mut buffer) in buffers {
        if trouble.is_none() {
            trouble = flush(session, places, stream, &mut buffer).err();
        }
    }
    match trouble {
        Some(error) => Err(LayoutError::Memory(error, end)),
        None => Ok(last),
    }
}

/// Is this event behind a hole in its group's order, or among the writes to the run's output?
fn beyond(plan: &Plan, header: &Header) -> bool {
    let behind = |numbers: &[u64], number| numbers.last().is_none_or(|last| number > *last);
    let orders = plan.orders.get(&header.group).filter(|_| has_order(header));
    orders.is_some_and(|(_, orders)| behind(orders, header.order))
        || ticket(header).is_some_and(|ticket| behind(&plan.tickets, ticket))
}

fn flush(
    session: &Session,
    places: &mut BTreeMap<StreamId, (u64, u64)>,
    stream: StreamId,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    if let Some((_, at)) = places.get_mut(&stream) {
        session.write_at(buffer, *at)?;
        *at += buffer.len() as u64;
    }
    buffer.clear();
    Ok(())
}

/// Where in each group's orders the last event was: the next one is mostly the one behind it.
#[derive(Default)]
struct Cursors(FxHashMap<u32, usize>);

impl Cursors {
    /// The position of `order`, or where it would stand.
    fn of(&mut self, group: u32, orders: &[u64], order: u64) -> u64 {
        let place = self.0.entry(group).or_default();
        if orders.get(*place + 1) == Some(&order) {
            *place += 1;
        } else {
            *place = orders.partition_point(|each| *each < order);
        }
        *place as u64
    }
}

/// Writes an event as the shim reads it.
fn encode(plan: &Plan, cursors: &mut Cursors, event: &Event, into: &mut Vec<u8>) {
    let mut header = event.header;
    header.size = HEADER_SIZE as u32;
    header.flags &= !flags::MORE;
    let mut parts = laid_out(event).peekable();
    if parts.peek().is_some() {
        header.flags |= flags::MORE;
    }
    (header.group, header.order) = match plan.orders.get(&header.group) {
        Some((index, orders)) if has_order(&header) => {
            (*index, cursors.of(header.group, orders, header.order))
        }
        _ => (0, 0),
    };
    if header.ticket != 0 && header.flags & (flags::STDOUT | flags::STDERR) != 0 {
        header.ticket = plan
            .tickets
            .partition_point(|ticket| *ticket < header.ticket) as u64
            + 1;
    }
    push_header(&header, into);
    while let Some(part) = parts.next() {
        push_part(plan, part, parts.peek().is_some(), into);
    }
}

fn push_header(header: &Header, into: &mut Vec<u8>) {
    into.extend_from_slice(&header.size.to_le_bytes());
    into.extend_from_slice(&[header.kind, header.flags]);
    into.extend_from_slice(&header.nr.to_le_bytes());
    into.extend_from_slice(&header.group.to_le_bytes());
    into.extend_from_slice(&0u32.to_le_bytes());
    for word in [header.order, header.ticket, header.time_ns] {
        into.extend_from_slice(&word.to_le_bytes());
    }
    for word in header.args {
        into.extend_from_slice(&word.to_le_bytes());
    }
    for word in [header.ret as u64, header.rip, header.rsp, header.input_hash] {
        into.extend_from_slice(&word.to_le_bytes());
    }
}

fn push_part(plan: &Plan, part: &EventPart, more: bool, into: &mut Vec<u8>) {
    if part.role == Role::Content && part.content == 0 {
        raw_part(part.role, 0, part.len, 0, &[], more, into);
        return;
    }
    if part.role == Role::Object {
        let (at, room) = plan.objects.get(&part.content).copied().unwrap_or_default();
        let left = room.saturating_sub(part.addr);
        // A truncation cuts off everything behind it.
        let len = if part.len == 0 {
            left
        } else {
            part.len.min(left)
        };
        raw_part(part.role, part.addr, len, at, &[], more, into);
        return;
    }
    if part.role == Role::Content {
        let (at, size) = plan
            .contents
            .get(&part.content)
            .copied()
            .unwrap_or_default();
        let len = part.len.min(size.saturating_sub(part.addr));
        raw_part(part.role, part.addr, len, at, &[], more, into);
        return;
    }
    let mut done = 0;
    loop {
        let take = (part.bytes.len() - done).min(PART_BYTES_MAX);
        let bytes = &part.bytes[done..done + take];
        let another = done + take < part.bytes.len();
        let addr = part.addr.wrapping_add(done as u64);
        raw_part(
            part.role,
            addr,
            take as u64,
            part.content,
            bytes,
            more || another,
            into,
        );
        done += take;
        if !another {
            return;
        }
    }
}

fn raw_part(
    role: Role,
    addr: u64,
    len: u64,
    content: u64,
    bytes: &[u8],
    more: bool,
    into: &mut Vec<u8>,
) {
    let padded = bytes.len().next_multiple_of(8);
    into.extend_from_slice(&((PART_SIZE + padded) as u32).to_le_bytes());
    into.extend_from_slice(&[
        Kind::Part as u8,
        if more { flags::MORE } else { 0 },
        role as u8,
        0,
    ]);
    for word in [addr, len, content] {
        into.extend_from_slice(&word.to_le_bytes());
    }
    into.extend_from_slice(bytes);
    into.resize(into.len() + padded - bytes.len(), 0);
}

const _: () =
    assert!(core::mem::offset_of!(Part, addr) == 8 && core::mem::offset_of!(Part, content) == 24);
