//! Laying a trace out as the shared memory that replaying shims read (`reenact_abi::arena`).
//!
//! Two walks over the trace: the first measures and collects, the second writes. Orders and
//! tickets are renumbered without holes, so that a shim waits for exact numbers only, and a trace
//! that was cut still replays as far as it goes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use reenact_abi::arena::{self, Mode, Net, Stream, GROUPS_MAX};
use reenact_abi::event::{flags, Header, Kind, Part, Role, HEADER_SIZE, PART_BYTES_MAX, PART_SIZE};
use reenact_abi::map::PAGE;
use reenact_launch::{Session, SessionError};
use reenact_trace::{Event, EventPart, Item, Reader, StreamId, TraceError};

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
    /// Tasks that were killed while they wrote to the run's own output.
    pub unknown_outputs: u64,
}

struct Plan {
    streams: BTreeMap<StreamId, Measured>,
    /// Orders of each group that more than one stream takes part in, sorted.
    orders: HashMap<u32, (u32, Vec<u64>)>,
    tickets: Vec<u64>,
    contents: BTreeMap<u64, (u64, u64)>,
    /// Shared objects: place and room.
    objects: BTreeMap<u64, (u64, u64)>,
    events: u64,
    longest_pause_ns: u64,
    unknown_outputs: u64,
}

/// The largest part of a shared object that replay keeps, in bytes.
const OBJECT_MAX: u64 = 1 << 36;

fn has_order(header: &Header) -> bool {
    header.flags & flags::UNFINISHED == 0
}

fn record_size(event: &Event) -> u64 {
    let parts: u64 = event.parts.iter().map(part_size).sum();
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
    let mut groups: HashMap<u32, (BTreeSet<StreamId>, Vec<u64>)> = HashMap::new();
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
                if has_order(header) {
                    let group = groups.entry(header.group).or_default();
                    group.0.insert(stream);
                    group.1.push(header.order);
                    if measured.last_time_ns != 0 {
                        longest = longest.max(header.time_ns.saturating_sub(measured.last_time_ns));
                    }
                    measured.last_time_ns = header.time_ns;
                }
                if header.ticket != 0 && to_output {
                    tickets.push(header.ticket);
                }
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
    let mut orders = HashMap::new();
    let mut shared: Vec<_> = groups
        .into_iter()
        .filter(|(_, (streams, _))| streams.len() > 1)
        .collect();
    shared.sort_unstable_by_key(|(id, _)| *id);
    if shared.len() >= GROUPS_MAX {
        return Err(LayoutError::TooManyGroups(shared.len()));
    }
    for (index, (id, (_, mut list))) in shared.into_iter().enumerate() {
        list.sort_unstable();
        orders.insert(id, (index as u32 + 1, list));
    }
    Ok(Plan {
        streams,
        orders,
        tickets,
        contents,
        objects,
        events,
        longest_pause_ns: longest,
        unknown_outputs,
    })
}

/// In a trace that was cut, tasks that share memory replay up to the first event of theirs that is
/// missing: what comes later depends on it.
fn cut_shared_orders(plan: &mut Plan) {
    for (_, orders) in plan.orders.values_mut() {
        let whole = orders
            .windows(2)
            .take_while(|pair| pair[1] == pair[0] + 1)
            .count()
            + 1;
        orders.truncate(whole);
    }
}

fn page_up(value: u64) -> u64 {
    value.next_multiple_of(PAGE)
}

/// Makes the session of a trace.
pub fn build(reader: &mut Reader, net: Net) -> Result<Layout, LayoutError> {
    let mut plan = measure(reader)?;
    if reader.is_cut() {
        cut_shared_orders(&mut plan);
    }
    let first = reader.meta().root_process;
    let root = *plan
        .streams
        .keys()
        .find(|stream| stream.process == first)
        .ok_or(LayoutError::Empty)?;
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
            session.write_at(&bytes, at + offset).map_err(memory)?;
            offset += bytes.len() as u64;
        }
    }
    let ended_early = write_streams(reader, &plan, &mut places, &session, end)?;
    let cut_streams = write_table(&plan, &places, &ended_early, &session).map_err(memory)?;
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
    })
}

fn write_table(
    plan: &Plan,
    places: &BTreeMap<StreamId, (u64, u64)>,
    ended_early: &BTreeSet<StreamId>,
    session: &Session,
) -> io::Result<u64> {
    let mut table = Vec::new();
    let mut cut = 0;
    for (id, measured) in &plan.streams {
        let (offset, written) = places[id];
        let complete = measured.complete && measured.cut_at.is_none() && !ended_early.contains(id);
        cut += u64::from(!complete);
        for word in [id.process, id.task] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        for word in [offset, written - offset] {
            table.extend_from_slice(&word.to_le_bytes());
        }
        for word in [u32::from(complete), measured.killed_by] {
            table.extend_from_slice(&word.to_le_bytes());
        }
    }
    session.write_at(&table, arena::LOG)?;
    let header = session.header_ptr();
    // SAFETY: nobody else is running yet.
    unsafe { (*header).streams = plan.streams.len() as u64 };
    Ok(cut)
}

const _: () = assert!(size_of::<Stream>() == 32);

fn write_streams(
    reader: &mut Reader,
    plan: &Plan,
    places: &mut BTreeMap<StreamId, (u64, u64)>,
    session: &Session,
    end: u64,
) -> Result<BTreeSet<StreamId>, LayoutError> {
    const BUFFER_MAX: usize = 1 << 20;
    let mut buffers: HashMap<StreamId, Vec<u8>> = HashMap::new();
    let mut trouble = None;
    let mut ended_early = BTreeSet::new();
    reader.for_each(&mut |item| {
        let Item::Event { stream, seq, event } = item else {
            return ControlFlow::Continue(());
        };
        let Some(measured) = plan.streams.get(&stream) else {
            return ControlFlow::Continue(());
        };
        if measured.cut_at.is_some_and(|cut| seq >= cut) {
            return ControlFlow::Continue(());
        }
        if beyond_whole_order(plan, &event.header) {
            ended_early.insert(stream);
        }
        if ended_early.contains(&stream) {
            return ControlFlow::Continue(());
        }
        let buffer = buffers.entry(stream).or_default();
        encode(plan, &event, buffer);
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
        None => Ok(ended_early),
    }
}

/// Is this event behind a hole in its group's order?
fn beyond_whole_order(plan: &Plan, header: &Header) -> bool {
    let orders = plan.orders.get(&header.group).filter(|_| has_order(header));
    orders.is_some_and(|(_, orders)| orders.last().is_none_or(|last| header.order > *last))
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

/// Writes an event as the shim reads it.
fn encode(plan: &Plan, event: &Event, into: &mut Vec<u8>) {
    let mut header = event.header;
    header.size = HEADER_SIZE as u32;
    header.flags &= !flags::MORE;
    if !event.parts.is_empty() {
        header.flags |= flags::MORE;
    }
    (header.group, header.order) = match plan.orders.get(&header.group) {
        Some((index, orders)) if has_order(&header) => (
            *index,
            orders.partition_point(|order| *order < header.order) as u64,
        ),
        _ => (0, 0),
    };
    if header.ticket != 0 && header.flags & (flags::STDOUT | flags::STDERR) != 0 {
        header.ticket = plan
            .tickets
            .partition_point(|ticket| *ticket < header.ticket) as u64
            + 1;
    }
    push_header(&header, into);
    let last = event.parts.len().saturating_sub(1);
    for (index, part) in event.parts.iter().enumerate() {
        push_part(plan, part, index != last, into);
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
