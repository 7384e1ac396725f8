//! Calls on the program's own address space.
//!
//! Recording places what the kernel would have placed at addresses from the one normative map
//! (`reenact_abi::map`); replay puts everything where the log says and never allocates by itself.

use reenact_abi::arena::Reason;
use reenact_abi::event::{Header, Role};
use reenact_abi::map::{self, PAGE};
use reenact_abi::syscalls::Hook;

use crate::dispatch::{Cx, Flow};
use crate::guest_mem::overlaps_shim;
use crate::hooks::{contents, objects};
use crate::intercept::patch::Code;
use crate::intercept::{clock, cpuid};
use crate::log;
use crate::nr;
use crate::sys::{self, Errno};
use crate::task::{mm, Block, LeftStacks, Task};
use crate::{divergence, outputs, record, replay, ring};

const HOLES: usize = 256;

/// What the shim knows of its address space: free room for kernel-chosen mappings, and the break.
pub struct Mm {
    /// Below this, nothing of the arena has been handed out.
    lowest: u64,
    /// Freed ranges above it, unordered; an entry of length 0 is unused.
    holes: [(u64, u64); HOLES],
    pub brk_start: u64,
    pub brk: u64,
    pub code: Code,
    /// Blocks of tasks, and signal stacks that are left of those that are no more.
    pub blocks: [Block; map::TASKS_MAX as usize],
    pub left_stacks: LeftStacks,
    /// See [`cpuid::made_code`].
    pub times_stayed: u32,
}

const fn up(value: u64) -> u64 {
    value.saturating_add(PAGE - 1) & !(PAGE - 1)
}

const HUGE: u64 = 2 << 20;

impl Mm {
    pub const EMPTY: Mm = Mm {
        lowest: map::ARENA_END,
        holes: [(0, 0); HOLES],
        brk_start: 0,
        brk: 0,
        code: Code::EMPTY,
        blocks: [Block::Free; map::TASKS_MAX as usize],
        left_stacks: LeftStacks::NONE,
        times_stayed: 0,
    };

    /// A free range of `len` bytes, a multiple of the page size.
    fn take(&mut self, len: u64) -> Option<u64> {
        let mut best: Option<usize> = None;
        for (index, hole) in self.holes.iter().enumerate() {
            // The highest hole that fits, as the kernel's top-down search would find it.
            if hole.1 >= len && best.is_none_or(|best| hole.0 > self.holes[best].0) {
                best = Some(index);
            }
        }
        if let Some(index) = best {
            let (start, size) = self.holes[index];
            self.holes[index].1 = size - len;
            return Some(start + size - len);
        }
        let mut at = self.lowest.checked_sub(len)?;
        if len >= HUGE {
            // As the kernel does, so that huge pages are possible.
            let aligned = at & !(HUGE - 1);
            let gap = self.lowest - (aligned + len);
            at = aligned;
            if gap != 0 {
                self.give(aligned + len, gap);
            }
        }
        if at < map::ARENA {
            return None;
        }
        self.lowest = at;
        Some(at)
    }

    /// The kernel handed out a range by itself: nothing of it will be.
    fn keep_out(&mut self, start: u64, len: u64) {
        let end = start.saturating_add(len);
        if start < self.lowest && end > map::ARENA {
            let free = self.lowest.saturating_sub(end);
            self.lowest = start.max(map::ARENA);
            if free != 0 {
                self.give(end, free);
            }
        }
    }

    /// A range is free again (or never was ours: then it is ignored).
    fn give(&mut self, mut start: u64, mut len: u64) {
        if !(map::ARENA..map::ARENA_END).contains(&start) || start < self.lowest {
            return;
        }
        // Join with neighbours, so that room does not crumble.
        for hole in &mut self.holes {
            if hole.1 != 0 && (hole.0 + hole.1 == start || start + len == hole.0) {
                start = start.min(hole.0);
                len += hole.1;
                hole.1 = 0;
            }
        }
        if start == self.lowest {
            self.lowest = start + len;
            return;
        }
        if let Some(free) = self.holes.iter_mut().find(|hole| hole.1 == 0) {
            *free = (start, len);
        }
    }
}

pub fn record(cx: &mut Cx) -> Flow {
    let args = cx.call.args;
    match cx.row.hook {
        Hook::Mmap => record_mmap(cx),
        Hook::Munmap => {
            if overlaps_shim(args[0], args[1]) {
                return Flow::Return(Errno::EINVAL.ret());
            }
            let flow = cx.enter();
            if flow == Flow::Return(0) {
                mm().give(args[0], up(args[1]));
                mm().code.gone(args[0], up(args[1]));
            }
            flow
        }
        Hook::Mprotect => {
            if overlaps_shim(args[0], args[1]) {
                return Flow::Return(Errno::ENOMEM.ret());
            }
            let flow = cx.enter();
            if flow == Flow::Return(0) {
                note_protection(args);
            }
            flow
        }
        Hook::Mremap => record_mremap(cx),
        Hook::Madvise => {
            if overlaps_shim(args[0], args[1]) {
                return Flow::Return(Errno::EINVAL.ret());
            }
            let mut with = args;
            with[2] = canonical_advice(args[2]);
            cx.enter_with(cx.call.nr, with, false)
        }
        Hook::Brk => {
            let brk = set_brk(args[0]);
            Flow::Return(brk as i64)
        }
        Hook::Mincore => {
            let flow = cx.enter();
            if let Flow::Return(ret) = flow {
                record::complete(cx.task, ret);
                if ret == 0 {
                    outputs::bytes(cx.task, args[2], up(args[1]) / PAGE);
                }
                return Flow::Completed(ret);
            }
            flow
        }
        Hook::Shmat => record_shmat(cx),
        _ => cx.enter(),
    }
}

/// MADV_FREE lets the kernel choose when pages vanish; MADV_DONTNEED is what it allows at most.
fn canonical_advice(advice: u64) -> u64 {
    const MADV_DONTNEED: u64 = 4;
    const MADV_FREE: u64 = 8;
    if advice == MADV_FREE {
        MADV_DONTNEED
    } else {
        advice
    }
}

/// Maps where the target asked, or where the address map says.
pub fn place(addr: u64, len: u64, prot: u64, flags: u64, fd: i32, offset: u64) -> sys::Result<u64> {
    if len == 0 || len > 1 << 47 {
        return Err(if len == 0 {
            Errno::EINVAL
        } else {
            Errno::ENOMEM
        });
    }
    let size = up(len);
    if flags & (sys::MAP_FIXED | sys::MAP_FIXED_NOREPLACE) != 0 {
        if overlaps_shim(addr, size) {
            return Err(if flags & sys::MAP_FIXED_NOREPLACE != 0 {
                Errno::EEXIST
            } else {
                Errno::ENOMEM
            });
        }
        // SAFETY: the target's own mapping, outside the shim's memory.
        return unsafe { sys::mmap(addr, len, prot, flags, fd, offset) };
    }
    let fixed = flags | sys::MAP_FIXED_NOREPLACE;
    // SAFETY: NOREPLACE never touches an existing mapping.
    let attempt = |at: u64| unsafe { sys::mmap(at, len, prot, fixed, fd, offset) };
    let hint = addr & !(PAGE - 1);
    if hint != 0 && !overlaps_shim(hint, size) {
        match attempt(hint) {
            Ok(at) => return Ok(at),
            Err(Errno::EEXIST) | Err(Errno::ENOMEM) | Err(Errno::EPERM) | Err(Errno::EINVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    if flags & sys::MAP_32BIT != 0 {
        return below_two_gigabytes(size, attempt);
    }
    let mut room = size;
    while let Some(at) = mm().take(room) {
        match attempt(at) {
            Ok(at) => return Ok(at),
            // Something that asked for this place by itself lives there; it stays handed out. It may be large.
            Err(Errno::EEXIST) => room = room.saturating_mul(2),
            Err(errno) => {
                mm().give(at, room);
                return Err(errno);
            }
        }
    }
    // No room left in the arena: the kernel may choose, and the log says where.
    // SAFETY: a kernel-chosen place is unused.
    let at = unsafe { sys::mmap(0, len, prot, flags, fd, offset) }?;
    mm().keep_out(at, size);
    Ok(at)
}

/// MAP_32BIT: the kernel's range is 1 to 2 GiB, whose upper part is ours.
fn below_two_gigabytes(size: u64, attempt: impl Fn(u64) -> sys::Result<u64>) -> sys::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut at = map::SHIM.checked_sub(size).ok_or(Errno::ENOMEM)? & !(PAGE - 1);
    while at >= 0x4000_0000 {
        match attempt(at) {
            Err(Errno::EEXIST) => at -= STEP.max(size).min(at),
            other => return other,
        }
    }
    Err(Errno::ENOMEM)
}

fn record_mmap(cx: &mut Cx) -> Flow {
    let [addr, len, prot, flags, fd, offset] = cx.call.args;
    let result = place(addr, len, prot, flags, fd as i32, offset);
    let ret = result.map_or_else(Errno::ret, |at| at as i64);
    if result.is_ok()
        && flags & sys::MAP_ANONYMOUS == 0
        && flags & sys::MAP_TYPE != sys::MAP_PRIVATE
    {
        objects::join(cx.task, fd as i32);
    }
    record::complete(cx.task, ret);
    if let Ok(at) = result {
        note_code(at, [addr, len, prot, flags, fd, offset]);
    }
    if result.is_ok() {
        let shared = flags & sys::MAP_TYPE != sys::MAP_PRIVATE;
        if flags & sys::MAP_ANONYMOUS == 0 {
            match shared
                .then(|| objects::of_mapping(cx.task, fd as i32))
                .flatten()
            {
                Some(object) => objects::attach(cx.task, fd as i32, object, offset, up(len)),
                None => {
                    let held = contents::attach(cx.task, fd as i32, offset, up(len));
                    note_counters(ret as u64, prot, flags, offset, held);
                }
            }
        } else if shared {
            cx.task.process().shares_memory = true;
        }
    }
    Flow::Completed(ret)
}

/// A mapping was made at `at`, with these arguments of mmap.
pub fn note_code(at: u64, args: [u64; 6]) {
    let [_, len, prot, flags, ..] = args;
    let from_file = flags & sys::MAP_ANONYMOUS == 0 && flags & sys::MAP_TYPE == sys::MAP_PRIVATE;
    if from_file {
        mm().code.mapped(at, up(len), prot);
    } else {
        mm().code.gone(at, up(len));
        if prot & sys::PROT_EXEC != 0 {
            clock::distrust();
            cpuid::made_code();
        }
    }
}

/// mprotect succeeded: code that was not mapped as such may be anything.
fn note_protection(args: [u64; 6]) {
    let [at, len, prot, ..] = args;
    if prot & sys::PROT_EXEC != 0 && !mm().code.holds(at, at + up(len)) {
        clock::distrust();
        cpuid::made_code();
    }
    mm().code.protected(at, up(len), prot);
}

/// The same, once it is known what the mapping holds: code may read the cycle counter.
pub fn note_counters(at: u64, prot: u64, flags: u64, offset: u64, held: Option<(u64, u64)>) {
    if prot & sys::PROT_EXEC == 0 {
        return;
    }
    match held {
        Some((len, content))
            if prot & sys::PROT_WRITE == 0 && flags & sys::MAP_TYPE == sys::MAP_PRIVATE =>
        {
            clock::code_mapped(at, len, offset, content);
        }
        _ => clock::distrust(),
    }
}

/// A mapping of the loader's own, as an event of its own.
pub fn record_loader_map(task: &mut Task, at: u64, args: [u64; 6]) {
    note_code(at, args);
    let [_, len, prot, flags, fd, offset] = args;
    record::open(
        task,
        Header {
            kind: reenact_abi::event::Kind::Map as u8,
            args,
            ret: at as i64,
            ..Header::default()
        },
    );
    if flags & sys::MAP_ANONYMOUS == 0 {
        let held = contents::attach(task, fd as i32, offset, up(len));
        note_counters(at, prot, flags, offset, held);
    }
    ring::finish(task);
}

/// An offset behind every session file.
const BEYOND_END: u64 = 1 << 50;

const MREMAP_MAYMOVE: u64 = 1;
const MREMAP_FIXED: u64 = 2;
const MREMAP_DONTUNMAP: u64 = 4;

fn record_mremap(cx: &mut Cx) -> Flow {
    let [old, old_len, new_len, flags, new, _] = cx.call.args;
    if overlaps_shim(old, old_len) || (flags & MREMAP_FIXED != 0 && overlaps_shim(new, new_len)) {
        return Flow::Return(Errno::EINVAL.ret());
    }
    mm().code.gone(old, up(old_len));
    if flags & MREMAP_FIXED != 0 {
        mm().code.gone(new, up(new_len));
    }
    if flags & MREMAP_MAYMOVE == 0 || flags & MREMAP_FIXED != 0 {
        return cx.enter();
    }
    if flags & MREMAP_DONTUNMAP == 0 {
        // SAFETY: the target's own mapping; without MAYMOVE nothing else is touched.
        let in_place = unsafe { sys::call(nr::MREMAP, [old, old_len, new_len, 0]) };
        if in_place != Errno::ENOMEM.ret() {
            if in_place == old as i64 && up(new_len) < up(old_len) {
                mm().give(old + up(new_len), up(old_len) - up(new_len));
            }
            return Flow::Return(in_place);
        }
    }
    let size = up(new_len);
    let placeholder = place(
        0,
        size,
        0,
        sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_NORESERVE,
        -1,
        0,
    );
    let at = match placeholder {
        Ok(at) => at,
        Err(errno) => return Flow::Return(errno.ret()),
    };
    // SAFETY: the destination is the placeholder just made.
    let ret = unsafe {
        sys::call(
            nr::MREMAP,
            [old, old_len, new_len, flags | MREMAP_FIXED, at],
        )
    };
    if ret < 0 {
        // SAFETY: unmaps the placeholder.
        let _ = unsafe { sys::munmap(at, size) };
        mm().give(at, size);
    } else if flags & MREMAP_DONTUNMAP == 0 && old_len != 0 {
        mm().give(old, up(old_len));
    }
    Flow::Return(ret)
}

/// Moves the break; returns the new one (or the old one when it cannot move).
pub fn set_brk(wanted: u64) -> u64 {
    let mm = mm();
    if wanted < mm.brk_start || wanted - mm.brk_start > 1 << 40 {
        return mm.brk;
    }
    let (have, want) = (up(mm.brk), up(wanted));
    if want > have {
        let flags = sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_FIXED_NOREPLACE;
        // SAFETY: NOREPLACE never touches an existing mapping.
        if unsafe {
            sys::mmap(
                have,
                want - have,
                sys::PROT_READ | sys::PROT_WRITE,
                flags,
                -1,
                0,
            )
        }
        .is_err()
        {
            return mm.brk;
        }
    } else if want < have {
        // SAFETY: the target gives this part of its heap up.
        let _ = unsafe { sys::munmap(want, have - want) };
    }
    mm.brk = wanted;
    wanted
}

/// SysV shared memory: placed by us, its content recorded as it is when it is attached.
fn record_shmat(cx: &mut Cx) -> Flow {
    const SHM_REMAP: u64 = 0o40_000;
    const IPC_STAT: u64 = 2;
    let [id, addr, flags, ..] = cx.call.args;
    // struct shmid64_ds: segment size behind the 48 bytes of permissions.
    let mut described = [0u64; 14];
    // SAFETY: the kernel writes 112 bytes.
    let known = unsafe { sys::call(nr::SHMCTL, [id, IPC_STAT, described.as_mut_ptr() as u64]) };
    let size = if known >= 0 { up(described[6]) } else { 0 };
    let (mut at, mut how) = (addr, flags);
    if addr == 0 && size != 0 {
        if let Ok(placed) = place(
            0,
            size,
            0,
            sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_NORESERVE,
            -1,
            0,
        ) {
            (at, how) = (placed, flags | SHM_REMAP);
        }
    }
    let flow = cx.enter_with(cx.call.nr, [id, at, how, 0, 0, 0], false);
    let Flow::Return(ret) = flow else { return flow };
    record::complete(cx.task, ret);
    if !(-4095..=0).contains(&ret) {
        cx.task.process().shares_memory = true;
        outputs::bytes(cx.task, ret as u64, size);
    }
    Flow::Completed(ret)
}

pub fn replay(cx: &mut Cx, header: &Header) -> Flow {
    let args = cx.call.args;
    match cx.row.hook {
        Hook::Mmap => {
            replay_map(cx.task, header);
            Flow::Completed(header.ret)
        }
        Hook::Munmap | Hook::Mprotect => {
            replay::outputs(cx.task, header);
            if header.ret == 0 && !overlaps_shim(args[0], args[1]) {
                let (number, with) = match cx.row.hook {
                    Hook::Munmap => (nr::MUNMAP, [args[0], args[1], 0]),
                    _ => (nr::MPROTECT, [args[0], args[1], args[2]]),
                };
                // SAFETY: the target's own mappings.
                execute(cx, header, unsafe { sys::call(number, with) });
                match cx.row.hook {
                    Hook::Munmap => mm().code.gone(args[0], up(args[1])),
                    _ => note_protection(args),
                }
            }
            Flow::Completed(header.ret)
        }
        Hook::Mremap => {
            replay::outputs(cx.task, header);
            if !(-4095..0).contains(&header.ret) {
                let with = if header.ret as u64 == args[0] {
                    [args[0], args[1], args[2], 0, 0]
                } else {
                    [
                        args[0],
                        args[1],
                        args[2],
                        args[3] | MREMAP_MAYMOVE | MREMAP_FIXED,
                        header.ret as u64,
                    ]
                };
                mm().code.gone(args[0], up(args[1]));
                mm().code.gone(header.ret as u64, up(args[2]));
                if overlaps_shim(header.ret as u64, args[2]) {
                    divergence::failed(cx.task, Reason::BadLog, header.ret as u64);
                }
                // SAFETY: the target's own mappings.
                execute(cx, header, unsafe { sys::call(nr::MREMAP, with) });
            }
            Flow::Completed(header.ret)
        }
        Hook::Madvise => {
            replay::outputs(cx.task, header);
            // The advice that changes what memory holds or who inherits it; the rest is about speed.
            const MEANT: [u64; 8] = [4, 9, 10, 11, 18, 19, 102, 103];
            let advice = canonical_advice(args[2]);
            if header.ret == 0 && MEANT.contains(&advice) && !overlaps_shim(args[0], args[1]) {
                // SAFETY: the target's own mappings.
                execute(cx, header, unsafe {
                    sys::call(nr::MADVISE, [args[0], args[1], advice])
                });
            }
            Flow::Completed(header.ret)
        }
        Hook::Brk => {
            replay::outputs(cx.task, header);
            // A break that a limit of the recorded machine held back stays where it was.
            let brk = if header.ret as u64 == args[0] {
                set_brk(args[0]) as i64
            } else {
                mm().brk as i64
            };
            execute(cx, header, brk);
            Flow::Completed(brk)
        }
        Hook::Shmat => {
            let at = header.ret as u64;
            if !(-4095..0).contains(&header.ret) {
                let size = log::output_bytes(cx.task, header);
                map_anonymous(
                    cx.task,
                    at,
                    up(size),
                    sys::PROT_READ | sys::PROT_WRITE,
                    sys::MAP_SHARED,
                );
            }
            replay::outputs(cx.task, header);
            Flow::Completed(header.ret)
        }
        _ => super::emulated(cx, header),
    }
}

/// An executed call must give what it gave.
fn execute(cx: &mut Cx, header: &Header, ret: i64) {
    if ret != header.ret {
        let made = Header { ret, ..*header };
        divergence::report(cx.task, Reason::Result, header, &made, ret as u64);
    }
}

fn map_anonymous(task: &mut Task, at: u64, len: u64, prot: u64, sharing: u64) {
    if overlaps_shim(at, len) || len == 0 {
        divergence::failed(task, Reason::BadLog, at);
    }
    let flags = sharing | sys::MAP_ANONYMOUS | sys::MAP_FIXED | sys::MAP_NORESERVE;
    // SAFETY: the recorded place of the target's own mapping.
    if let Err(errno) = unsafe { sys::mmap(at, len, prot, flags, -1, 0) } {
        divergence::failed(task, Reason::System, errno.0 as u64);
    }
}

/// Makes a recorded mapping again: `header` is an mmap call or a loader's map event.
pub fn replay_map(task: &mut Task, header: &Header) {
    let [_, len, prot, flags, ..] = header.args;
    let at = header.ret as u64;
    if (-4095..0).contains(&header.ret) {
        replay::outputs(task, header);
        return;
    }
    let size = up(len);
    note_code(at, header.args);
    let shared = if flags & sys::MAP_TYPE == sys::MAP_PRIVATE {
        sys::MAP_PRIVATE
    } else {
        sys::MAP_SHARED
    };
    let growing = flags & sys::MAP_GROWSDOWN;
    if flags & sys::MAP_ANONYMOUS != 0 {
        map_anonymous(task, at, size, prot, shared | growing);
        replay::outputs(task, header);
        return;
    }
    // A file: what it held lies in the session file; what is beyond its end is not accessible.
    map_anonymous(task, at, size, sys::PROT_READ | sys::PROT_WRITE, shared);
    let session_fd = task.process().arena_fd;
    let mut covered = 0;
    let mut object = None;
    log::consume(task, header, |task, piece| {
        if piece.is(Role::Object) {
            // Shared memory: an object of the session that every mapping of this inode leads to.
            let zone = piece.part.content + piece.part.addr;
            let flags = sys::MAP_SHARED | sys::MAP_FIXED;
            let bytes = up(piece.part.len).min(size);
            // SAFETY: inside the mapping just made.
            if let Err(errno) = unsafe { sys::mmap(at, bytes, prot, flags, session_fd, zone) } {
                divergence::failed(task, Reason::System, errno.0 as u64);
            }
            (object, covered) = (Some(zone), bytes);
        } else if let (true, Some(zone)) = (piece.is(Role::Content), object) {
            objects::refresh(
                task,
                zone,
                piece.part.content + piece.part.addr,
                piece.part.len,
            );
        } else if piece.is(Role::Content) && piece.part.len != 0 {
            let bytes = up(piece.part.len).min(size - covered);
            let from = piece.part.content + piece.part.addr;
            if piece.part.content == 0 {
                // All zeroes, as the mapping is already.
                // SAFETY: the mapping just made.
                let _ = unsafe { sys::mprotect(at + covered, bytes, prot) };
            } else {
                let flags = sys::MAP_PRIVATE | sys::MAP_FIXED;
                // SAFETY: inside the mapping just made.
                let mapped =
                    unsafe { sys::mmap(at + covered, bytes, prot, flags, session_fd, from) };
                if let Err(errno) = mapped {
                    divergence::failed(task, Reason::System, errno.0 as u64);
                }
                let is_code = prot & (sys::PROT_EXEC | sys::PROT_WRITE) == sys::PROT_EXEC;
                if is_code && shared == sys::MAP_PRIVATE {
                    clock::code_mapped(at + covered, bytes, from, from / PAGE);
                }
            }
            covered += bytes;
        } else if piece.is(Role::Output) {
            // The loader zeroes the end of the last data page.
            piece.put_back();
        }
    });
    if covered < size {
        // Beyond the end of the file an access raises SIGBUS: it does beyond the end of ours, too.
        let flags = sys::MAP_PRIVATE | sys::MAP_FIXED;
        // SAFETY: the rest of the mapping just made.
        let _ = unsafe {
            sys::mmap(
                at + covered,
                size - covered,
                prot,
                flags,
                session_fd,
                BEYOND_END,
            )
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_handed_out_is_handed_out_to_nobody_else() {
        const GIB: u64 = 1 << 30;
        let mut mm = Mm::EMPTY;
        let top = mm.take(PAGE).expect("room");
        // With free room above it, and over the lower end of the arena.
        for (start, len) in [(top - 100 * GIB, 60 * GIB), (map::ARENA - GIB, 2 * GIB)] {
            let mut mm = Mm::EMPTY;
            mm.take(PAGE);
            mm.keep_out(start, len);
            while let Some(at) = mm.take(GIB) {
                assert!(at + GIB <= start || at >= start + len, "{at:#x}");
                assert!(at >= map::ARENA && at + GIB <= top);
            }
        }
        // What lies elsewhere takes nothing away.
        mm.keep_out(map::ARENA - 2 * GIB, GIB);
        assert_eq!(mm.take(PAGE), Some(top - PAGE));
    }
}
