//! The recording side of a task's event ring.
//!
//! What must already hold: the ring is mapped twice in a row at the task's window, so that a
//! record is always contiguous. A header is written *before* the kernel is entered and stays
//! unpublished while the call runs; should the task die there, the recorder finds it through
//! `inflight`. What this never does: lose an event silently, or wait for ever.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{self, inflight, state, LARGE_RINGS_MAX, RING_LARGE, RING_SIZE};
use reenact_abi::event::{
    self, flags, Again, Alike, Header, Kind, Part, Role, AGAIN_SIZE, ALIKE_SIZE, HEADER_SIZE,
    PART_BYTES_MAX, PART_SIZE, TEMPLATES,
};
use reenact_abi::map;

use crate::dispatch::Call;
use crate::guest_mem;
use crate::loops;
use crate::sys;
use crate::task::{session, Task};

/// FUTEX_OWNER_DIED.
pub const OWNER_DIED: u32 = 0x4000_0000;

/// A task waits this long for a stalled recorder before it runs on unrecorded.
const STALL_MAX_NS: u64 = 10_000_000_000;
/// And if another task has waited in vain before: those that share memory would wait one after another.
const STALL_AGAIN_NS: u64 = 50_000_000;

/// Maps the ring of the task's slot.
pub fn map_ring(task: &mut Task) -> sys::Result<()> {
    if task.my_slot().large_ring.load(Ordering::Acquire) == 0 {
        map_small(task)?;
    } else {
        map_large(task)?;
    }
    task.head = task.my_slot().written.head.load(Ordering::Acquire);
    task.tail = task.my_slot().drained.tail.load(Ordering::Acquire);
    task.woken = task.head;
    task.ring_waited = false;
    task.templates = [Template::NONE; TEMPLATES];
    Ok(())
}

fn map_small(task: &mut Task) -> sys::Result<()> {
    let offset = arena::RINGS + u64::from(task.slot) * RING_SIZE;
    map_at(task, task.window_base(), offset, RING_SIZE)
}

fn map_large(task: &mut Task) -> sys::Result<()> {
    let at = map::LARGE_WINDOWS + u64::from(task.index) * map::LARGE_WINDOW;
    let offset = arena::LARGE + u64::from(task.slot) * RING_LARGE;
    map_at(task, at, offset, RING_LARGE)
}

fn map_at(task: &mut Task, at: u64, offset: u64, size: u64) -> sys::Result<()> {
    let prot = sys::PROT_READ | sys::PROT_WRITE;
    for copy in 0..2 {
        // SAFETY: the range belongs to this task.
        unsafe {
            sys::mmap(
                at + copy * size,
                size,
                prot,
                sys::MAP_SHARED | sys::MAP_FIXED,
                task.process().arena_fd,
                offset,
            )?;
        }
    }
    (task.ring, task.ring_size) = (at, size);
    Ok(())
}

/// Takes the slot's large ring into use, if there may be another one. The ring is empty.
fn enlarge(task: &mut Task) {
    task.ring_waited = false;
    let in_use = &session().large_rings;
    if in_use.fetch_add(1, Ordering::SeqCst) >= LARGE_RINGS_MAX || map_large(task).is_err() {
        in_use.fetch_sub(1, Ordering::SeqCst);
        return;
    }
    task.my_slot().large_ring.store(1, Ordering::Release);
}

const _: () = assert!(map::TASK_STACK + 2 * RING_SIZE <= map::TASK_STRIDE);

fn address(task: &Task, position: u64) -> u64 {
    task.ring + (position & (task.ring_size - 1))
}

/// Asks the recorder to drain.
pub fn wake_recorder() {
    let session = session();
    session.wake.fetch_add(1, Ordering::SeqCst);
    sys::futex_wake(&session.wake, 1);
}

/// Does somebody take our events?
pub fn recorder_alive() -> bool {
    let session = session();
    session.state.load(Ordering::Acquire) == state::OPEN
        && session.owner.load(Ordering::Acquire) & OWNER_DIED == 0
}

/// Makes room for `need` bytes behind what is written; false when the task is to run on unrecorded.
#[inline(always)]
fn make_room(task: &mut Task, need: u64) -> bool {
    let enlarges = task.ring_size == RING_SIZE && task.ring_waited;
    task.head - task.tail + need <= task.ring_size && !enlarges || wait_for_room(task, need)
}

#[cold]
fn wait_for_room(task: &mut Task, need: u64) -> bool {
    let mine = task.my_slot();
    let mut waited_ns = 0;
    loop {
        task.tail = mine.drained.tail.load(Ordering::Acquire);
        let used = task.head - task.tail;
        if used == 0 && task.ring_size == RING_SIZE && task.ring_waited {
            enlarge(task);
        }
        if used + need <= task.ring_size {
            return true;
        }
        let patience_ns = match session().stalled.load(Ordering::Relaxed) {
            0 => STALL_MAX_NS,
            _ => STALL_AGAIN_NS,
        };
        if !recorder_alive() || waited_ns >= patience_ns {
            session().stalled.store(1, Ordering::Relaxed);
            mine.gaps.fetch_add(1, Ordering::SeqCst);
            task.detached = true;
            return false;
        }
        // What is written so far may go: its last record is marked as having a successor.
        publish(task);
        mine.drained.waiting.store(1, Ordering::SeqCst);
        wake_recorder();
        let used = task.head - mine.drained.tail.load(Ordering::SeqCst);
        if used + need > task.ring_size {
            task.ring_waited = true;
            let begin = sys::monotonic_ns();
            let _ = sys::futex_wait(&mine.drained.waiting, 1, 20_000_000);
            waited_ns += sys::monotonic_ns() - begin;
        }
        mine.drained.waiting.store(0, Ordering::SeqCst);
    }
}

fn publish(task: &mut Task) {
    let mine = task.my_slot();
    mine.written
        .inflight
        .store(inflight::NONE, Ordering::Release);
    mine.written.head.store(task.head, Ordering::Release);
}

/// Writes a header that is not yet complete; parts and [`finish`] follow.
pub fn begin(task: &mut Task, header: &Header) {
    if task.detached || !make_room(task, HEADER_SIZE as u64) {
        return;
    }
    let at = address(task, task.head);
    // SAFETY: room for a header was made; the ring is ours until published.
    unsafe {
        *(at as *mut Header) = Header {
            size: HEADER_SIZE as u32,
            ..*header
        }
    };
    task.last_record = task.head;
    task.head += HEADER_SIZE as u64;
    task.my_slot()
        .written
        .inflight
        .store(inflight::IN_RING, Ordering::Release);
}

/// The header written last, to be completed; only until the first part or [`finish`].
pub fn header(task: &mut Task) -> &mut Header {
    // SAFETY: `begin` wrote it there, and it is not published.
    unsafe { &mut *(address(task, task.last_record) as *mut Header) }
}

/// Adds payload taken from `addr` (of the target or our own): as many parts as it needs.
/// Returns the bytes that could be read.
pub fn part(task: &mut Task, role: Role, addr: u64, from: u64, len: u64, content: u64) -> u64 {
    let mut done = 0u64;
    while done < len {
        if task.detached {
            return done;
        }
        let want = (len - done).min(PART_BYTES_MAX as u64);
        mark_more(task);
        if !make_room(task, PART_SIZE as u64 + want.next_multiple_of(8)) {
            return done;
        }
        let at = address(task, task.head);
        // SAFETY: room was made for the part and its padded payload.
        let got = unsafe { guest_mem::read_raw(from + done, at + PART_SIZE as u64, want as usize) }
            as u64;
        push_part(task, role, addr.wrapping_add(done), got, got, content);
        done += got;
        if got < want {
            break;
        }
    }
    done
}

/// Adds a part without bytes (a reference to content, or its end).
pub fn reference(task: &mut Task, role: Role, addr: u64, len: u64, content: u64) {
    if task.detached {
        return;
    }
    mark_more(task);
    if make_room(task, PART_SIZE as u64) {
        push_part(task, role, addr, len, 0, content);
    }
}

/// Adds `len` zeroes, from `addr` on, to a content: bytes that are not carried.
pub fn zeroes(task: &mut Task, addr: u64, len: u64, content: u64) {
    let mut done = 0;
    while done < len && !task.detached {
        let take = (len - done).min(PART_BYTES_MAX as u64);
        reference(task, Role::ContentBytes, addr + done, take, content);
        done += take;
    }
}

fn mark_more(task: &mut Task) {
    let at = address(task, task.last_record);
    // SAFETY: `flags` is the sixth byte of headers and of parts alike.
    unsafe { *((at + 5) as *mut u8) |= flags::MORE };
}

const _: () =
    assert!(core::mem::offset_of!(Header, flags) == 5 && core::mem::offset_of!(Part, flags) == 5);

fn push_part(task: &mut Task, role: Role, addr: u64, len: u64, bytes: u64, content: u64) {
    let padded = bytes.next_multiple_of(8);
    let at = address(task, task.head);
    let part = Part {
        size: (PART_SIZE as u64 + padded) as u32,
        kind: Kind::Part as u8,
        flags: 0,
        role: role as u8,
        reserved: 0,
        addr,
        len,
        content,
    };
    // SAFETY: the caller made room for the part and `padded` bytes behind it.
    unsafe {
        *(at as *mut Part) = part;
        for pad in bytes..padded {
            *((at + PART_SIZE as u64 + pad) as *mut u8) = 0;
        }
    }
    task.last_record = task.head;
    task.head += u64::from(part.size);
}

/// The event written last did not happen.
pub fn retract(task: &mut Task) {
    if task.detached {
        return;
    }
    task.my_slot()
        .written
        .inflight
        .store(inflight::NONE, Ordering::Release);
    task.head = task.last_record;
}

/// Adds payload read from a file; returns the bytes that it had.
pub fn part_from_file(
    task: &mut Task,
    role: Role,
    addr: u64,
    fd: i32,
    offset: u64,
    len: u64,
    content: u64,
) -> u64 {
    let mut done = 0u64;
    while done < len && !task.detached {
        let want = (len - done).min(PART_BYTES_MAX as u64);
        mark_more(task);
        if !make_room(task, PART_SIZE as u64 + want.next_multiple_of(8)) {
            break;
        }
        let at = address(task, task.head) + PART_SIZE as u64;
        // SAFETY: room was made; the kernel writes at most `want` bytes of our ring.
        let got = unsafe { sys::call(crate::nr::PREAD64, [fd as u64, at, want, offset + done]) }
            .max(0) as u64;
        push_part(task, role, addr.wrapping_add(done), got, got, content);
        done += got;
        if got < want {
            break;
        }
    }
    done
}

/// Payload bytes of an event that [`whole`] writes, and all its bytes.
const WHOLE_BYTES: u64 = 16;
const WHOLE: u64 = (HEADER_SIZE + PART_SIZE) as u64 + WHOLE_BYTES;

pub fn has_room_for_whole(task: &mut Task) -> bool {
    has_room(task, WHOLE)
}

/// Is there room for so many bytes? Where the recorder has come to is looked at only when it must be:
/// it writes that on the other core.
#[inline(always)]
pub fn has_room(task: &mut Task, bytes: u64) -> bool {
    if task.head - task.tail + bytes <= task.ring_size {
        return true;
    }
    task.tail = task.my_slot().drained.tail.load(Ordering::Acquire);
    task.head - task.tail + bytes <= task.ring_size
}

/// What an event has in common with the ones that repeat it.
#[derive(Clone, Copy)]
pub struct Template {
    rip: u64,
    rsp: u64,
    args: [u64; 6],
    group: u32,
    nr: u32,
}

/// Spreads places in code and on the stack over the templates: 2^64 by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const SHIFT: u32 = 64 - TEMPLATES.trailing_zeros();
const _: () = assert!(TEMPLATES.is_power_of_two());

impl Template {
    pub const NONE: Template = Template {
        rip: 0,
        rsp: 0,
        args: [0; 6],
        group: 0,
        nr: 0,
    };

    /// What becomes the template of calls like this one.
    fn of(call: &Call, group: u32) -> Template {
        Template {
            rip: call.rip,
            rsp: call.rsp,
            args: call.args,
            group,
            nr: call.nr as u32,
        }
    }

    #[inline(always)]
    fn is_of(&self, call: &Call, group: u32) -> bool {
        let mut differs = (self.rip ^ call.rip) | (self.rsp ^ call.rsp);
        for (was, is) in self.args.iter().zip(&call.args) {
            differs |= was ^ is;
        }
        differs == 0 && self.group == group && u64::from(self.nr) == call.nr
    }
}

#[inline(always)]
fn template_number(call: &Call) -> usize {
    let place = call.rip ^ call.rsp ^ call.args[0] << 24;
    (place.wrapping_mul(SPREAD) >> SHIFT) as usize
}

/// Notes the call that is about to be entered where the recorder finds it should the task die there.
#[inline(always)]
pub fn entered(task: &Task, call: &Call, input_hash: u64) {
    let written = &task.my_slot().written;
    let header = Header {
        size: HEADER_SIZE as u32,
        kind: Kind::Call as u8,
        nr: call.nr as u16,
        args: call.args,
        rip: call.rip,
        rsp: call.rsp,
        input_hash,
        ..Header::default()
    };
    // SAFETY: a header is so many words without padding; nobody but this task writes them.
    unsafe { *(written.call.as_ptr() as *mut Header) = header };
    written.inflight.store(inflight::IN_SLOT, Ordering::Release);
}

/// The call that was noted has not begun after all.
pub fn not_entered(task: &Task) {
    let written = &task.my_slot().written;
    written.inflight.store(inflight::NONE, Ordering::Release);
}

/// How a call ended that was noted by [`entered`].
pub struct Returned {
    pub ret: i64,
    pub order: (u32, u64),
    pub time_ns: u64,
    pub input_hash: u64,
    /// See [`reenact_abi::event::alike`].
    pub part: u8,
    /// Bytes that the part has.
    pub len: u64,
}

/// Where the bytes of an [`Alike`] are to lie.
#[inline(always)]
pub fn alike_bytes(task: &Task) -> u64 {
    address(task, task.head) + ALIKE_SIZE as u64
}

/// Is there an event that the recorder knows and this one is like? If not, it becomes one: `Err` has
/// its number, plus one.
#[inline(always)]
pub fn is_known(task: &mut Task, call: &Call, group: u32) -> Result<u16, u32> {
    let number = template_number(call);
    if task.templates[number].is_of(call, group) {
        return Ok(number as u16);
    }
    task.templates[number] = Template::of(call, group);
    Err(number as u32 + 1)
}

/// Writes the event of a call like that of a template. Its bytes lie at [`alike_bytes`], and there is
/// room for all.
#[inline(always)]
pub fn alike(task: &mut Task, template: u16, returned: &Returned) {
    let at = address(task, task.head);
    let size = ALIKE_SIZE as u64 + returned.len.next_multiple_of(8);
    let taken = returned.part & event::alike::TAKEN != 0;
    // SAFETY: the caller found room; the ring is ours until published.
    unsafe {
        *(at as *mut Alike) = Alike {
            size: size as u32,
            kind: Kind::Alike as u8,
            part: returned.part,
            template,
            order: returned.order.1,
            time_ns: returned.time_ns,
            ret: returned.ret,
            hash_or_len: if taken {
                returned.input_hash
            } else {
                returned.len
            },
        }
    };
    task.last_record = task.head;
    task.head += size;
    finish(task);
}

/// Writes the event of a call that returned 0 and wrote two words to `to`, an argument of it: for
/// which there is room.
#[inline(always)]
pub fn whole(
    task: &mut Task,
    call: &Call,
    order: (u32, u64),
    time_ns: u64,
    to: u64,
    words: [u64; 2],
) {
    let (group, order) = order;
    let number = template_number(call);
    if task.templates[number].is_of(call, group) {
        let at = address(task, task.head);
        // SAFETY: there is room for more than that; the ring is ours until published.
        unsafe {
            *(at as *mut Again) = Again {
                size: AGAIN_SIZE as u32,
                kind: Kind::Again as u8,
                flags: 0,
                template: number as u16,
                order,
                time_ns,
                words,
            }
        };
        task.last_record = task.head;
        task.head += AGAIN_SIZE as u64;
    } else {
        task.templates[number] = Template::of(call, group);
        let header = Header {
            size: HEADER_SIZE as u32,
            kind: Kind::Call as u8,
            flags: flags::MORE,
            nr: call.nr as u16,
            group,
            template: number as u32 + 1,
            order,
            time_ns,
            args: call.args,
            rip: call.rip,
            rsp: call.rsp,
            ..Header::default()
        };
        first(task, &header, to, words);
    }
    finish(task);
}

#[cold]
fn first(task: &mut Task, header: &Header, addr: u64, words: [u64; 2]) {
    let at = address(task, task.head);
    let part = Part {
        size: PART_SIZE as u32 + WHOLE_BYTES as u32,
        kind: Kind::Part as u8,
        flags: 0,
        role: Role::Output as u8,
        reserved: 0,
        addr,
        len: WHOLE_BYTES,
        content: 0,
    };
    // SAFETY: the caller found room for all three; the ring is ours until published.
    unsafe {
        *(at as *mut Header) = *header;
        *((at + HEADER_SIZE as u64) as *mut Part) = part;
        *((at + (HEADER_SIZE + PART_SIZE) as u64) as *mut [u64; 2]) = words;
    }
    task.last_record = task.head + HEADER_SIZE as u64;
    task.head += WHOLE;
}

/// The event is complete.
#[inline(always)]
pub fn finish(task: &mut Task) {
    if task.detached {
        return;
    }
    publish(task);
    loops::forget_passes();
    task.events += 1;
    if task.head - task.tail > task.ring_size / 2 && task.head - task.woken > task.ring_size / 8 {
        half_full(task);
    }
}

#[cold]
#[inline(never)]
fn half_full(task: &mut Task) {
    task.tail = task.my_slot().drained.tail.load(Ordering::Relaxed);
    if task.head - task.tail > task.ring_size / 2 {
        task.woken = task.head;
        wake_recorder();
    }
}
