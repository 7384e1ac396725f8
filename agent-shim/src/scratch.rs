//! Scratch memory: what the kernel writes to in place of the target's memory while a task that waits
//! in a call has given its turn up.
//!
//! Another task of the group runs meanwhile. Were the kernel to write to the target's memory, that
//! task could see bytes that replay puts back only at the call's own event: it might read them, copy
//! them to a forked child, or end the process with them. So every argument that the call's row says
//! is written gets a stand-in, and what the kernel changed there is copied to the target's memory once
//! the task has its turn again: within the ranges of [`outputs::each`], which are also the recorded ones.
//!
//! What must hold: the task has the turn before and after. Stand-ins start as copies, so that bytes
//! which the kernel leaves alone stay what they are. Only changed bytes go back, because the target may
//! have changed others meanwhile (a `pollfd` is half the target's). A transfer whose result counts the
//! bytes that were written is the exception on both sides: large ones are not copied first, and all of
//! the counted bytes go back.
//!
//! Memory that cannot be read and written is passed as it is, so that the kernel itself says EFAULT,
//! and so is what would take more than [`map::SCRATCH_STRIDE`]. What this never does: move a word that
//! the kernel waits on (futexes), stand in for memory that the kernel may remember beyond the call or
//! whose shape nobody knows (requests of ioctl without a row, what only hooks know), or cost anything
//! in a task that shares memory with nobody.

use core::mem::{size_of, MaybeUninit};
use core::sync::atomic::Ordering;

use reenact_abi::map::{self, PAGE};
use reenact_abi::syscalls::{Arg, Hook, Len};

use crate::dispatch::Cx;
use crate::guest_mem::{self, Iovec, Mmsghdr, Msghdr, Plain};
use crate::sys::{self, Errno};
use crate::task::Task;
use crate::{arch, inputs, nr, outputs, record, turns};

/// What fits is taken from the task's own stack.
const ON_STACK: usize = 16 << 10;
/// The kernel takes no more vectors or messages (UIO_MAXIOV).
const VECTORS_MAX: u64 = 1024;
/// `struct sockaddr_storage`: no address is longer.
const NAME_MAX: u64 = 128;
const ALIGN: u64 = 16;

/// Could another task see what the kernel writes for this call, which may block?
#[inline]
pub fn wanted(cx: &Cx) -> bool {
    is_shared(cx.task) && !cx.task.detached && covers(cx)
}

/// Could another task see what the kernel writes to the task's memory?
#[inline(always)]
pub fn is_shared(task: &Task) -> bool {
    turns::mine(task).members.load(Ordering::Relaxed) > 1
}

/// Memory to stand in for `len` bytes of the target's at `at`, of which the call's result counts those
/// that were written. It lasts until the task's next call.
#[inline(always)]
pub fn stand_in(task: &mut Task, at: u64, len: u64) -> Option<u64> {
    let last = at.checked_add(len.checked_sub(1)?)?;
    let there = guest_mem::writable(at) && guest_mem::writable(last);
    if !there || task.scratch < len && !keep(task, len) {
        return None;
    }
    Some(map::SCRATCH + u64::from(task.index) * map::SCRATCH_STRIDE)
}

/// Maps memory that stays.
#[cold]
fn keep(task: &mut Task, len: u64) -> bool {
    if len > KEPT {
        return false;
    }
    let at = map::SCRATCH + u64::from(task.index) * map::SCRATCH_STRIDE;
    task.scratch = if map_at(at, KEPT) { KEPT } else { 0 };
    task.scratch != 0
}

/// Maps `len` bytes at a task's own place.
fn map_at(at: u64, len: u64) -> bool {
    let flags =
        sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_NORESERVE | sys::MAP_FIXED_NOREPLACE;
    // SAFETY: NOREPLACE never touches an existing mapping.
    let map = || unsafe { sys::mmap(at, len, sys::PROT_READ | sys::PROT_WRITE, flags, -1, 0) };
    let mut made = map();
    if made == Err(Errno::EEXIST) {
        // Too small for this call, or left behind by a task that is gone.
        // SAFETY: the range is this task's own, which is in no other call.
        let _ = unsafe { sys::munmap(at, map::SCRATCH_STRIDE) };
        made = map();
    }
    match made {
        Ok(made) if made == at => true,
        Ok(other) => {
            // SAFETY: mapped just now.
            let _ = unsafe { sys::munmap(other, len) };
            false
        }
        Err(_) => false,
    }
}

fn covers(cx: &Cx) -> bool {
    match cx.row.hook {
        // The kernel finds whoever waits by the address.
        Hook::Futex | Hook::FutexWaitv => false,
        // A driver may keep the address of a request that the table does not know.
        Hook::Ioctl => !cx.shape.command.is_empty(),
        _ => true,
    }
}

/// Enters the kernel without the turn, with stand-ins; the kernel's result, or EFAULT when the
/// target's memory has gone meanwhile.
pub fn enter(cx: &mut Cx, nr: u64, args: &[u64; 6]) -> i64 {
    let call = Transfer {
        nr,
        shape: &cx.shape.args,
        args,
    };
    let need = call.need();
    match need.bytes() {
        0 => record::wait(cx.task, nr, args),
        bytes if bytes <= ON_STACK as u64 => on_stack(cx.task, &call, need),
        bytes if bytes <= map::SCRATCH_STRIDE => mapped(cx.task, &call, need),
        _ => record::wait(cx.task, nr, args),
    }
}

/// A function of its own, so that other calls do without the room.
#[inline(never)]
fn on_stack(task: &Task, call: &Transfer, need: Need) -> i64 {
    #[repr(align(16))]
    struct Room(MaybeUninit<[u8; ON_STACK]>);
    let mut room = Room(MaybeUninit::uninit());
    call.within(task, Memory::new(room.0.as_mut_ptr() as u64, need))
}

/// What is mapped for one call stays for the next up to this size: servers read into the same large
/// buffer again and again.
const KEPT: u64 = 1 << 20;

#[inline(never)]
fn mapped(task: &mut Task, call: &Transfer, need: Need) -> i64 {
    let at = map::SCRATCH + u64::from(task.index) * map::SCRATCH_STRIDE;
    let len = need.bytes().next_multiple_of(PAGE).max(KEPT);
    if len <= task.scratch {
        return call.within(task, Memory::new(at, need));
    }
    task.scratch = 0;
    if !map_at(at, len) {
        return record::wait(task, call.nr, call.args);
    }
    let ret = call.within(task, Memory::new(at, need));
    if len == KEPT {
        task.scratch = KEPT;
    } else {
        // SAFETY: mapped above, and the call is over.
        let _ = unsafe { sys::munmap(at, len) };
    }
    ret
}

/// A stand-in for memory of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
struct Segment {
    at: u64,
    target: u64,
    len: u64,
    /// A second copy of how it was when the call began; 0 where the result counts what was written.
    was: u64,
}

/// What a call's stand-ins take.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Need {
    segments: u64,
    room: u64,
}

impl Need {
    fn bytes(self) -> u64 {
        self.room
            .saturating_add(self.segments * size_of::<Segment>() as u64)
    }
}

/// Scratch memory of one call: a table of segments, in the order of their addresses, then the segments.
struct Memory {
    table: u64,
    count: u64,
    need: Need,
    /// From here on it is free; 0 while all that is wanted is `need`.
    next: u64,
    end: u64,
    /// Two arguments overlap in a way that stand-ins would not show.
    overlap: bool,
}

impl Memory {
    const MEASURE: Memory = Memory {
        table: 0,
        count: 0,
        need: Need {
            segments: 0,
            room: 0,
        },
        next: 0,
        end: 0,
        overlap: false,
    };

    /// `need.bytes()` bytes at `at` must be the caller's to give.
    fn new(at: u64, need: Need) -> Memory {
        Memory {
            table: at,
            next: at + need.segments * size_of::<Segment>() as u64,
            end: at + need.bytes(),
            need,
            ..Memory::MEASURE
        }
    }

    fn measures(&self) -> bool {
        self.next == 0
    }

    /// Room for `len` bytes that are not copied back.
    fn room(&mut self, len: u64) -> Option<u64> {
        let len = len.checked_next_multiple_of(ALIGN)?;
        if self.measures() {
            self.need.room = self.need.room.saturating_add(len);
            return Some(0);
        }
        let at = self.next;
        // The target's memory may say other sizes than when it was measured: others share it.
        if self.end - at < len {
            return None;
        }
        self.next += len;
        Some(at)
    }

    /// Room to stand in for `len` bytes at `target`: aligned as these are where direct I/O may ask for it.
    fn room_like(&mut self, target: u64, len: u64) -> Option<u64> {
        /// No device has smaller blocks.
        const BLOCK: u64 = 512;
        let align = match target | len {
            whole if whole.is_multiple_of(PAGE) => PAGE,
            whole if whole.is_multiple_of(BLOCK) => BLOCK,
            _ => return self.room(len),
        };
        let from = self.room(len.checked_add(align)?)?;
        Some(from.next_multiple_of(align))
    }

    /// The address to give the kernel in place of `target`. With `counted`, the call's result says how
    /// many bytes were written.
    fn stand_in(&mut self, target: u64, len: u64, counted: bool) -> u64 {
        if target == 0 || len == 0 || len > map::SCRATCH_STRIDE {
            return target;
        }
        if self.measures() {
            self.need.segments += 1;
            let _ = self.room_like(target, len);
            if !counted {
                let _ = self.room(len);
            }
            return target;
        }
        self.make(target, len, counted).unwrap_or(target)
    }

    fn make(&mut self, target: u64, len: u64, counted: bool) -> Option<u64> {
        if !counted {
            for index in 0..self.count {
                let other = self.segment(index);
                if other.was == 0
                    || target >= other.target + other.len
                    || other.target >= target + len
                {
                    continue;
                }
                // Twice the same (both sets of a select): the kernel's last word counts, as natively.
                if (target, len) == (other.target, other.len) {
                    return Some(other.at);
                }
                self.overlap = true;
                return None;
            }
        }
        let last = target.checked_add(len - 1)?;
        if self.count == self.need.segments
            || !guest_mem::writable(target)
            || !guest_mem::writable(last)
        {
            return None;
        }
        let (next, count) = (self.next, self.count);
        let at = self.room_like(target, len)?;
        let was = if counted { Some(0) } else { self.room(len) };
        // What is counted and large is not copied: the kernel may need little of it.
        let copied = counted && len > PAGE || copy(at, target, len);
        let (Some(was), true) = (was, copied) else {
            self.next = next;
            return None;
        };
        self.store(
            self.table + count * size_of::<Segment>() as u64,
            Segment {
                at,
                target,
                len,
                was,
            },
        );
        self.count += 1;
        Some(at)
    }

    /// Stores a value in scratch memory.
    fn store<T>(&self, at: u64, value: T) {
        if !self.measures() {
            // SAFETY: callers pass places that `room` gave, or in the table, aligned for all that is stored.
            unsafe { (at as *mut T).write(value) };
        }
    }

    fn segment(&self, index: u64) -> Segment {
        // SAFETY: the table holds `count` segments, of which callers name one.
        unsafe { *((self.table + index * size_of::<Segment>() as u64) as *const Segment) }
    }

    fn bytes(&self, at: u64, len: u64) -> &[u8] {
        // SAFETY: callers name bytes of a segment; nobody writes them while the slice lives.
        unsafe { core::slice::from_raw_parts(at as *const u8, len as usize) }
    }

    /// The call is about to begin.
    fn seal(&self) {
        for index in 0..self.count {
            let segment = self.segment(index);
            if segment.was != 0 {
                copy(segment.was, segment.at, segment.len);
            }
        }
    }

    /// The segment that holds `at`.
    fn find(&self, at: u64) -> Option<Segment> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let segment = self.segment(middle);
            if at < segment.at {
                high = middle;
            } else if at >= segment.at + segment.len {
                low = middle + 1;
            } else {
                return Some(segment);
            }
        }
        None
    }

    /// Copies what the kernel wrote to the target's memory; false if that is not there. A range that
    /// is not in scratch memory is the target's already.
    fn give_back(&self, at: u64, len: u64) -> bool {
        let Some(segment) = self.find(at) else {
            return true;
        };
        let offset = at - segment.at;
        let len = len.min(segment.len - offset);
        let now = self.bytes(at, len);
        let target = segment.target + offset;
        if segment.was == 0 {
            return guest_mem::write(target, now) == now.len();
        }
        let was = self.bytes(segment.was + offset, len);
        let mut good = true;
        changed(was, now, |from, to| {
            good &= guest_mem::write(target + from as u64, &now[from..to]) == to - from;
        });
        good
    }
}

fn copy(to: u64, from: u64, len: u64) -> bool {
    // SAFETY: `to` is scratch memory of so many bytes; a faulting source ends the copy.
    unsafe { arch::copy(to, from, len as usize) == 0 }
}

/// Walks the runs of bytes that differ, as positions of their first byte and of the one behind them.
fn changed(was: &[u8], now: &[u8], mut run: impl FnMut(usize, usize)) {
    let len = was.len().min(now.len());
    let mut at = 0;
    while at < len {
        if was[at] == now[at] {
            at += 1;
            continue;
        }
        let from = at;
        while at < len && was[at] != now[at] {
            at += 1;
        }
        run(from, at);
    }
}

/// MSG_TRUNC: the result counts what was there, not what was written.
pub fn truncates(nr: u64, args: &[u64; 6]) -> bool {
    const MSG_TRUNC: u64 = 0x20;
    let flags = match nr {
        nr::RECVFROM | nr::RECVMMSG => args[3],
        nr::RECVMSG => args[2],
        _ => 0,
    };
    flags & MSG_TRUNC != 0
}

/// A call that is to be given stand-ins.
struct Transfer<'a> {
    nr: u64,
    shape: &'a [Arg; 6],
    args: &'a [u64; 6],
}

impl Transfer<'_> {
    fn need(&self) -> Need {
        let mut memory = Memory::MEASURE;
        self.arguments(&mut memory);
        memory.need
    }

    /// Makes the call with stand-ins in `memory`.
    fn within(&self, task: &Task, memory: Memory) -> i64 {
        self.around(memory, |args| record::wait(task, self.nr, args))
    }

    fn around(&self, mut memory: Memory, make: impl FnOnce(&[u64; 6]) -> i64) -> i64 {
        let with = self.arguments(&mut memory);
        if memory.overlap {
            return make(self.args);
        }
        memory.seal();
        let before = outputs::before(self.shape, self.args);
        let ret = make(&with);
        if ret == arch::NOT_ENTERED {
            return ret;
        }
        let mut good = true;
        outputs::each(self.shape, &with, ret, &before, &mut |at, len| {
            good &= memory.give_back(at, len);
        });
        if good {
            ret
        } else {
            Errno::EFAULT.ret()
        }
    }

    /// The arguments to give the kernel.
    fn arguments(&self, memory: &mut Memory) -> [u64; 6] {
        let count = |index: u8| self.args[index as usize % 6] & 0xffff_ffff;
        let mut with = *self.args;
        for (arg, at) in self.shape.iter().zip(&mut with) {
            if *at == 0 {
                continue;
            }
            *at = match *arg {
                Arg::Out(len)
                | Arg::OutAlways(len)
                | Arg::InOut(len)
                | Arg::InOutAlways(len)
                | Arg::OutOnEintr(len) => {
                    let (len, counted) = self.room(len, *at);
                    memory.stand_in(*at, len, counted && !truncates(self.nr, self.args))
                }
                Arg::PollFds(fds) => memory.stand_in(*at, count(fds).min(1 << 20) * 8, false),
                Arg::IovecOut(vectors) => self.vectors(memory, *at, count(vectors)),
                Arg::MsgOut => self.messages::<Msghdr>(memory, *at, 1),
                Arg::MmsgOut(messages) => {
                    self.messages::<Mmsghdr>(memory, *at, count(messages).min(VECTORS_MAX))
                }
                // Their lengths are written.
                Arg::MmsgIn(messages) => {
                    let len = count(messages).min(VECTORS_MAX) * size_of::<Mmsghdr>() as u64;
                    memory.stand_in(*at, len, false)
                }
                _ => *at,
            };
        }
        with
    }

    /// The most that the kernel writes, and whether the result counts it; 0 where nobody knows.
    fn room(&self, len: Len, at: u64) -> (u64, bool) {
        let arg = |index: u8| self.args[index as usize % 6];
        match len {
            Len::RetWithin(index) => (arg(index), true),
            Len::RetPlus(index, more) => (arg(index).saturating_add(more.into()), true),
            Len::RetTimesWithin(index, size) => {
                ((arg(index) & 0xffff_ffff) * u64::from(size), true)
            }
            Len::Ret | Len::RetTimes(_) | Len::Str => (0, false),
            len => (inputs::input_len(len, at, self.args), false),
        }
    }

    /// MSG_TRUNC: the result counts what was there, not what was written.
    fn vectors(&self, memory: &mut Memory, at: u64, count: u64) -> u64 {
        if count == 0 || count > VECTORS_MAX {
            return at;
        }
        let size = size_of::<Iovec>() as u64;
        let Some(array) = memory.room(count * size) else {
            return at;
        };
        for index in 0..count {
            let Ok(mut vector) = guest_mem::get::<Iovec>(at + index * size) else {
                return at;
            };
            vector.base = memory.stand_in(vector.base, vector.len, !truncates(self.nr, self.args));
            memory.store(array + index * size, vector);
        }
        array
    }

    /// `count` headers in a row, and what they point to.
    fn messages<T: Header>(&self, memory: &mut Memory, at: u64, count: u64) -> u64 {
        let size = size_of::<T>() as u64;
        let array = memory.stand_in(at, count * size, false);
        if array == at && !memory.measures() {
            return at;
        }
        for index in 0..count {
            let Ok(mut header) = guest_mem::get::<T>(at + index * size) else {
                break;
            };
            let message = header.message();
            let name_len = u64::from(message.name_len);
            if name_len <= i32::MAX as u64 {
                message.name = memory.stand_in(message.name, name_len.min(NAME_MAX), false);
            }
            if message.iov != 0 {
                message.iov = self.vectors(memory, message.iov, message.iov_len);
            }
            message.control = memory.stand_in(message.control, message.control_len, false);
            memory.store(array + index * size, header);
        }
        array
    }
}

/// Headers of received messages.
trait Header: Plain {
    fn message(&mut self) -> &mut Msghdr;
}

impl Header for Msghdr {
    fn message(&mut self) -> &mut Msghdr {
        self
    }
}

impl Header for Mmsghdr {
    fn message(&mut self) -> &mut Msghdr {
        &mut self.header
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_abi::syscalls::{row, Row};

    fn named(number: u64) -> &'static Row {
        row(number).expect("the table has it")
    }

    fn at<T>(value: &mut T) -> u64 {
        value as *mut T as u64
    }

    /// Makes a call with stand-ins, `act` being the kernel.
    fn call(nr: u64, args: [u64; 6], act: impl FnOnce(&[u64; 6]) -> i64) -> i64 {
        let transfer = Transfer {
            nr,
            shape: &named(nr).args,
            args: &args,
        };
        let need = transfer.need();
        let mut room = vec![0xeeu128; need.bytes() as usize / 16 + 1];
        transfer.around(Memory::new(room.as_mut_ptr() as u64, need), act)
    }

    fn kernel_writes<T>(to: u64, value: T) {
        // SAFETY: `to` is what the code under test gives the kernel, with room for the value.
        unsafe { (to as *mut T).write_unaligned(value) };
    }

    #[test]
    fn a_read_shows_only_what_it_counts_and_only_afterwards() {
        let mut buffer = [1u8; 8];
        let to = at(&mut buffer);
        let ret = call(nr::READ, [0, to, 8, 0, 0, 0], |args| {
            assert_ne!(args[1], to);
            kernel_writes(args[1], *b"abcdefgh");
            // SAFETY: the buffer lives; the code under test may have written it behind the compiler's back.
            assert_eq!(unsafe { (to as *const [u8; 8]).read_volatile() }, [1; 8]);
            3
        });
        assert_eq!((ret, &buffer), (3, b"abc\x01\x01\x01\x01\x01"));
        let ret = call(nr::READ, [0, to, 8, 0, 0, 0], |args| {
            kernel_writes(args[1], *b"xyz");
            -5
        });
        assert_eq!((ret, &buffer[..3]), (-5, b"abc".as_slice()));
    }

    #[test]
    fn a_call_that_was_not_entered_changes_nothing() {
        let mut fds = [[7u16; 4]; 2];
        let to = at(&mut fds);
        let ret = call(7, [to, 2, 0, 0, 0, 0], |args| {
            kernel_writes(args[0], [9u16; 8]);
            arch::NOT_ENTERED
        });
        assert_eq!((ret, fds), (arch::NOT_ENTERED, [[7; 4]; 2]));
    }

    #[test]
    fn what_others_changed_meanwhile_is_kept() {
        // struct pollfd: fd, events, revents.
        let mut fds = [[3u16, 0, 1, 0xaaaa], [4, 0, 1, 0]];
        let to = at(&mut fds);
        call(7, [to, 2, 0, 0, 0, 0], |args| {
            kernel_writes(args[0] + 6, 0u16);
            kernel_writes(args[0] + 14, 1u16);
            kernel_writes(to + 8, 99u16);
            1
        });
        assert_eq!(fds, [[3, 0, 1, 0], [99, 0, 1, 1]]);
    }

    #[test]
    fn one_set_given_twice_is_one_set() {
        let mut set = [0b11u64; 1];
        let to = at(&mut set);
        call(23, [64, to, to, 0, 0, 0], |args| {
            assert_eq!(args[1], args[2]);
            kernel_writes(args[1], 0u64);
            kernel_writes(args[2], 0b11u64);
            2
        });
        assert_eq!(set, [0b11]);
    }

    #[test]
    fn arguments_that_overlap_otherwise_are_the_targets_own() {
        let mut sets = [1u64; 3];
        let to = at(&mut sets);
        let given = [128, to, to + 8, 0, 0, 0];
        call(23, given, |args| {
            assert_eq!(*args, given);
            0
        });
    }

    #[test]
    fn a_message_comes_back_with_the_targets_own_pointers() {
        let (mut data, mut name, mut control) = ([[0u8; 4]; 2], [5u8; 16], [6u64; 4]);
        let mut vectors = [0, 1].map(|index| Iovec {
            base: at(&mut data[index]),
            len: 4,
        });
        let header = Msghdr {
            name: at(&mut name),
            name_len: 16,
            iov: at(&mut vectors),
            iov_len: 2,
            control: at(&mut control),
            control_len: 32,
            ..Msghdr::default()
        };
        let mut message = header;
        let to = at(&mut message);
        let ret = call(nr::RECVMSG, [0, to, 0, 0, 0, 0], |args| {
            let mut given = guest_mem::get::<Msghdr>(args[1]).unwrap();
            assert!(given.name != header.name && given.control != header.control);
            for (index, text) in [*b"abcd", *b"efgh"].into_iter().enumerate() {
                let vector = guest_mem::get::<Iovec>(given.iov + index as u64 * 16).unwrap();
                assert_ne!(vector.base, vectors[index].base);
                kernel_writes(vector.base, text);
            }
            kernel_writes(given.name, *b"na");
            kernel_writes(given.control, 16u64);
            (given.name_len, given.control_len, given.flags) = (2, 16, 8);
            kernel_writes(args[1], given);
            6
        });
        assert_eq!((ret, &data), (6, &[*b"abcd", *b"ef\0\0"]));
        assert_eq!((&name[..3], control), (b"na\x05".as_slice(), [16, 6, 6, 6]));
        assert_eq!((message.name, message.iov), (header.name, header.iov));
        assert_eq!((message.control, message.control_len), (header.control, 16));
        assert_eq!((message.name_len, message.flags), (2, 8));
    }

    #[test]
    fn a_message_that_was_cut_leaves_the_rest_alone() {
        let mut buffer = vec![1u8; 3 * PAGE as usize];
        let to = buffer.as_mut_ptr() as u64;
        let args = [0, to, buffer.len() as u64, 0x20, 0, 0];
        let ret = call(nr::RECVFROM, args, |args| args[2] as i64);
        assert_eq!(ret, buffer.len() as i64);
        assert!(buffer.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn an_address_comes_back_as_long_as_it_is() {
        let (mut address, mut len) = ([3u8; 16], 16u32);
        let given = [0, at(&mut address), at(&mut len), 0, 0, 0];
        call(43, given, |args| {
            kernel_writes(args[1], *b"abcd");
            kernel_writes(args[2], 4u32);
            5
        });
        assert_eq!((&address[..5], len), (b"abcd\x03".as_slice(), 4));
    }

    #[test]
    fn the_rest_of_a_sleep_comes_back_when_it_was_interrupted() {
        let mut rest = [7u64; 2];
        let given = [0, at(&mut rest), 0, 0, 0, 0];
        call(nr::NANOSLEEP, given, |args| {
            kernel_writes(args[1], [1u64, 2]);
            0
        });
        assert_eq!(rest, [7; 2]);
        call(nr::NANOSLEEP, given, |args| {
            kernel_writes(args[1], [1u64, 2]);
            Errno::EINTR.ret()
        });
        assert_eq!(rest, [1, 2]);
    }

    #[test]
    fn calls_that_write_nothing_and_those_that_ask_too_much_have_no_need() {
        let need = |nr: u64, args: [u64; 6]| {
            Transfer {
                nr,
                shape: &named(nr).args,
                args: &args,
            }
            .need()
            .bytes()
        };
        assert_eq!(need(nr::WRITE, [1, 4096, 100, 0, 0, 0]), 0);
        assert_eq!(need(nr::READ, [0, 0, 100, 0, 0, 0]), 0);
        assert_eq!(need(nr::READ, [0, 4096, u64::MAX, 0, 0, 0]), 0);
        assert_eq!(need(nr::READ, [0, 4096, 100, 0, 0, 0]), 32 + 112);
        assert_eq!(need(7, [4096, 2, 0, 0, 0, 0]), 32 + 16 + 16);
    }

    #[test]
    fn runs_of_changed_bytes() {
        let runs = |was: &[u8], now: &[u8]| {
            let mut runs = Vec::new();
            changed(was, now, |from, to| runs.push((from, to)));
            runs
        };
        assert_eq!(runs(b"", b""), []);
        assert_eq!(runs(b"same", b"same"), []);
        assert_eq!(runs(b"abcdef", b"aXXdeX"), [(1, 3), (5, 6)]);
    }
}
