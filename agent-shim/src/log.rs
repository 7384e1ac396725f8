//! The replaying side of a task's events: a sliding window over its log.
//!
//! The log is laid out by the replayer from a trace that nobody has vouched for, so every size in
//! it is checked before it is used; a log that lies ends the replay with `Reason::BadLog`.

use reenact_abi::arena::{self, Reason, Stream, WINDOW_SIZE};
use reenact_abi::event::{flags, Header, Kind, Part, Role, HEADER_SIZE, PART_SIZE, RECORD_MAX};
use reenact_abi::map::PAGE;

use crate::divergence;
use crate::guest_mem;
use crate::sys;
use crate::task::{session, Task};

const _: () = assert!(
    reenact_abi::map::TASK_STACK + WINDOW_SIZE <= reenact_abi::map::TASK_STRIDE
        && RECORD_MAX * 2 < WINDOW_SIZE as usize
);

/// Finds the log of a task; false when there is none.
pub fn open(task: &mut Task) -> bool {
    let Some(entry) = find(task, task.process, task.number) else {
        return false;
    };
    task.log_offset = entry.offset;
    task.log_len = entry.len;
    task.log_complete = entry.complete;
    task.log_killed_by = entry.killed_by;
    task.log_runs_on = entry.runs_on;
    task.log_marks_robust = entry.marks_robust;
    task.at = 0;
    task.window_mapped = false;
    true
}

/// Is there a log of that task?
pub fn exists(task: &Task, process: u32, number: u32) -> bool {
    find(task, process, number).is_some()
}

fn find(task: &Task, process: u32, number: u32) -> Option<Stream> {
    let (mut low, mut high) = (0, session().streams);
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = stream(task, middle);
        match (entry.process, entry.task).cmp(&(process, number)) {
            core::cmp::Ordering::Less => low = middle + 1,
            core::cmp::Ordering::Greater => high = middle,
            core::cmp::Ordering::Equal => return Some(entry),
        }
    }
    None
}

fn stream(task: &Task, index: u64) -> Stream {
    let mut entry = Stream::default();
    let size = core::mem::size_of::<Stream>();
    // SAFETY: `Stream` is plain integers; the slice covers exactly it.
    let bytes = unsafe { core::slice::from_raw_parts_mut(&raw mut entry as *mut u8, size) };
    let _ = sys::pread(
        task.process().arena_fd,
        bytes,
        arena::LOG + index * size as u64,
    );
    entry
}

/// Address of the record at the current position, mapped as a whole; `None` at the end.
fn record(task: &mut Task) -> Option<u64> {
    if task.at >= task.log_len {
        return None;
    }
    let reach = (task.at + RECORD_MAX as u64).min(task.log_len);
    if !task.window_mapped || task.at < task.window || reach > task.window + WINDOW_SIZE {
        let start = task.at & !(PAGE - 1);
        let base = task.window_base();
        // SAFETY: the window belongs to this task.
        let mapped = unsafe {
            sys::mmap(
                base,
                WINDOW_SIZE,
                sys::PROT_READ,
                sys::MAP_PRIVATE | sys::MAP_FIXED,
                task.process().arena_fd,
                task.log_offset + start,
            )
        };
        if let Err(errno) = mapped {
            divergence::failed(task, Reason::System, errno.0 as u64);
        }
        task.window = start;
        task.window_mapped = true;
    }
    Some(task.window_base() + (task.at - task.window))
}

/// The event at the current position.
pub fn peek(task: &mut Task) -> Option<Header> {
    let at = record(task)?;
    if task.log_len - task.at < HEADER_SIZE as u64 {
        divergence::failed(task, Reason::BadLog, task.at);
    }
    // SAFETY: the window maps at least a header here; any bytes are a valid one.
    let header = unsafe { *(at as *const Header) };
    if header.size as usize != HEADER_SIZE || header.kind == Kind::Part as u8 {
        divergence::failed(task, Reason::BadLog, task.at);
    }
    Some(header)
}

/// A part of the current event, its bytes in the window.
pub struct Piece {
    pub part: Part,
    pub bytes: u64,
}

/// Walks the parts of the event at the current position and leaves the position behind it.
pub fn consume(task: &mut Task, header: &Header, mut each: impl FnMut(&mut Task, &Piece)) {
    task.at += u64::from(header.size);
    let mut more = header.flags & flags::MORE != 0;
    while more {
        let Some(at) = record(task) else {
            divergence::failed(task, Reason::BadLog, task.at);
        };
        let left = task.log_len - task.at;
        if left < PART_SIZE as u64 {
            divergence::failed(task, Reason::BadLog, task.at);
        }
        // SAFETY: the window maps at least a part here; any bytes are a valid one.
        let part = unsafe { *(at as *const Part) };
        let held = u64::from(part.size).saturating_sub(PART_SIZE as u64);
        let carries = !Role::from_u8(part.role).is_some_and(Role::is_reference);
        if part.kind != Kind::Part as u8
            || (part.size as usize) < PART_SIZE
            || part.size as usize > RECORD_MAX
            || u64::from(part.size) > left
            || part.size % 8 != 0
            || (carries && part.len > held)
        {
            divergence::failed(task, Reason::BadLog, task.at);
        }
        each(
            task,
            &Piece {
                part,
                bytes: at + PART_SIZE as u64,
            },
        );
        task.at += u64::from(part.size);
        more = part.flags & flags::MORE != 0;
    }
    task.events += 1;
    session()
        .events_done
        .fetch_add(1, core::sync::atomic::Ordering::Relaxed);
}

/// Walks the parts of the current event; the position stays.
pub fn look(task: &mut Task, header: &Header, each: impl FnMut(&mut Task, &Piece)) {
    let (at, events) = (task.at, task.events);
    consume(task, header, each);
    session()
        .events_done
        .fetch_sub(1, core::sync::atomic::Ordering::Relaxed);
    (task.at, task.events) = (at, events);
}

/// Bytes of output that the current event carries.
pub fn output_bytes(task: &mut Task, header: &Header) -> u64 {
    let mut sum = 0;
    look(task, header, |_, piece| {
        if piece.is(Role::Output) {
            sum += piece.part.len;
        }
    });
    sum
}

/// Copies the current event's data bytes; how many there were.
pub fn first_data(task: &mut Task, header: &Header, into: &mut [u8]) -> usize {
    let mut have = 0;
    look(task, header, |_, piece| {
        if piece.is(Role::Data) {
            have = piece.copy_to(into);
        }
    });
    have
}

impl Piece {
    pub fn is(&self, role: Role) -> bool {
        self.part.role == role as u8
    }

    /// Copies the bytes to where the recorded call left them in the program's memory.
    pub fn put_back(&self) -> bool {
        !guest_mem::overlaps_shim(self.part.addr, self.part.len)
            // SAFETY: the destination is the target's own memory, or faults and ends the copy.
            && unsafe { crate::arch::copy(self.part.addr, self.bytes, self.part.len as usize) } == 0
    }

    /// The start of the bytes, copied out.
    pub fn copy_to(&self, into: &mut [u8]) -> usize {
        let take = into.len().min(self.part.len as usize);
        guest_mem::read(self.bytes, &mut into[..take])
    }
}
