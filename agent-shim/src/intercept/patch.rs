//! Call sites that trap again and again are rewritten to a jump: an optimisation, and nothing else.
//!
//! A site is rewritten in one of two ways. `mov $nr, %eax` in front of the instruction becomes the
//! jump, and the instruction stays as it is; or the instruction itself becomes the jump, together with
//! what follows it, if that can be carried out elsewhere. The jump leads to a stub nearby, which
//! changes to the task's own stack and enters `patched`. Whatever that cannot do (a signal frame is
//! needed, a new task starts) is done by a system call instruction in the stub, which traps.
//!
//! What must already hold: the caller has its group's turn, so nobody else runs the code that is
//! rewritten. What this never does: touch code that the program may write, shares with others, or did
//! not map from a file; and show its own addresses: everywhere else a site is where it was.

use core::sync::atomic::Ordering;

use reenact_abi::map::{PAGE, STUBS, STUBS_SIZE};

use crate::arch::{self, PATCHED};
use crate::guest_mem;
use crate::intercept::{clock, moved};
use crate::sys;
use crate::task::{mm, session, Task, FRAMES_ROOM};
use crate::{loops, preempt};

/// A site is rewritten when it traps for this time: rewriting costs as much as a few traps.
const WORTHWHILE: u32 = 4;

/// Bytes of a stub, and where its parts begin.
const STUB: u64 = 64;
const TRAP: u64 = 33;
const TAIL: u64 = 35;
const LOGICAL: u64 = 56;
/// The last two pages of each range are for code that counts passes of loops (see loops.rs) and code
/// that looks for a stop (see preempt.rs).
const STUBS_PER_RANGE: u64 = (STUBS_SIZE - 2 * PAGE) / STUB;

const CODE_RANGES: usize = 192;
const COUNTERS: usize = 256;
const SITES: usize = 2048;
const COUNTER_READS: usize = 256;
const CPUIDS: usize = 128;
const LOOKED_AT: usize = 32;

/// What is known of an address space's code.
pub struct Code {
    /// Private, executable, unwritable mappings of files: start and end.
    ranges: [(u64, u64); CODE_RANGES],
    /// How often a site has trapped.
    counters: [(u64, u32); COUNTERS],
    /// Rewritten sites: the address behind the instruction, and the stub, hashed by the former. An
    /// entry without a stub is one that was given up.
    sites: [(u64, u64); SITES],
    /// Stubs made in each range, and the first and last site that they stand for.
    made: [u32; STUBS.len()],
    spans: [(u64, u64); STUBS.len()],
    /// Where reads of the cycle counter were hidden, and where CPUIDs were.
    hidden: [u64; COUNTER_READS],
    hidden_cpuids: [u64; CPUIDS],
    /// Not all of them could be: the counter traps.
    pub clocks_trap: bool,
    /// Mapped code that was looked at for them: start, end, and the number of the content.
    pub looked_at: [(u64, u64, u64); LOOKED_AT],
}

impl Code {
    pub const EMPTY: Code = Code {
        ranges: [(0, 0); CODE_RANGES],
        counters: [(0, 0); COUNTERS],
        sites: [(0, 0); SITES],
        made: [0; STUBS.len()],
        spans: [(u64::MAX, 0); STUBS.len()],
        hidden: [0; COUNTER_READS],
        hidden_cpuids: [0; CPUIDS],
        clocks_trap: false,
        looked_at: [(0, 0, 0); LOOKED_AT],
    };

    /// A file was mapped privately.
    pub fn mapped(&mut self, start: u64, len: u64, prot: u64) {
        self.gone(start, len);
        if is_code(prot) {
            self.add((start, start + len));
        }
    }

    /// What lies there may be executed, written, both or neither from now on.
    pub fn protected(&mut self, start: u64, len: u64, prot: u64) {
        if !is_code(prot) {
            self.leave(start, start.saturating_add(len));
        }
    }

    /// Whatever was there is there no more.
    pub fn gone(&mut self, start: u64, len: u64) {
        let end = start.saturating_add(len);
        self.leave(start, end);
        loops::gone(start, end);
        clock::gone(start, end);
        for hidden in self.hidden.iter_mut().chain(&mut self.hidden_cpuids) {
            if (start..end).contains(hidden) {
                *hidden = 0;
            }
        }
        for code in &mut self.looked_at {
            if code.0 < end && code.1 > start {
                *code = (0, 0, 0);
            }
        }
        let rewritten = |span: &(u64, u64)| span.0 < end && span.1 > start;
        if !self.spans.iter().any(rewritten) {
            return;
        }
        for site in &mut self.sites {
            if (start..end).contains(&site.0) {
                site.1 = 0;
            }
        }
        for counter in &mut self.counters {
            if (start..end).contains(&counter.0) {
                *counter = (0, 0);
            }
        }
    }

    fn add(&mut self, range: (u64, u64)) {
        if let Some(free) = self.ranges.iter_mut().find(|range| range.1 == 0) {
            *free = range;
        }
    }

    /// Nothing between `start` and `end` is code that may be rewritten.
    fn leave(&mut self, start: u64, end: u64) {
        for index in 0..CODE_RANGES {
            let (from, to) = self.ranges[index];
            if from < end && to > start {
                self.ranges[index] = (0, 0);
                if from < start {
                    self.add((from, start));
                }
                if to > end {
                    self.add((end, to));
                }
            }
        }
    }

    pub fn holds(&self, start: u64, end: u64) -> bool {
        let within = |range: &(u64, u64)| range.0 <= start && end <= range.1;
        self.ranges.iter().any(within)
    }

    /// Counts a trap; true when the site has earned a stub.
    fn count(&mut self, rip: u64) -> bool {
        let counter = &mut self.counters[(rip as usize >> 1) % COUNTERS];
        if counter.0 != rip {
            *counter = (rip, 0);
        }
        counter.1 = counter.1.saturating_add(1);
        counter.1 == WORTHWHILE
    }

    /// The stub of a site; `None` when it has none.
    fn stub(&self, rip: u64) -> Option<u64> {
        for probe in 0..SITES {
            match self.sites[hash(rip).wrapping_add(probe) % SITES] {
                (0, _) => return None,
                (at, stub) if at == rip => return (stub != 0).then_some(stub),
                _ => {}
            }
        }
        None
    }

    /// Does a rewritten call lie there?
    pub fn rewritten(&self, start: u64, end: u64) -> bool {
        let near = |site: &(u64, u64)| site.0 < end + 8 && site.0 + 16 > start;
        self.sites.iter().any(|site| site.1 != 0 && near(site))
    }

    fn remember(&mut self, rip: u64, stub: u64) -> bool {
        for probe in 0..SITES / 2 {
            let site = &mut self.sites[hash(rip).wrapping_add(probe) % SITES];
            if site.0 == 0 || site.0 == rip {
                *site = (rip, stub);
                return true;
            }
        }
        false
    }

    /// Room for a stub within reach of `site`.
    fn place(&mut self, site: u64) -> Option<(u64, u64)> {
        let range = reach(site)?;
        let number = u64::from(self.made[range]);
        if number >= STUBS_PER_RANGE {
            return None;
        }
        let at = STUBS[range] + number * STUB;
        if at.is_multiple_of(PAGE) {
            let flags = sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_FIXED_NOREPLACE;
            let prot = sys::PROT_READ | sys::PROT_EXEC;
            // SAFETY: NOREPLACE never touches an existing mapping.
            let mapped = unsafe { sys::mmap(at, PAGE, prot, flags, -1, 0) };
            if mapped != Ok(at) {
                // An address that the kernel did not honour is of no use; nobody else has it.
                if let Ok(other) = mapped {
                    // SAFETY: mapped just now.
                    let _ = unsafe { sys::munmap(other, PAGE) };
                }
                return None;
            }
        }
        self.made[range] += 1;
        let span = &mut self.spans[range];
        *span = (span.0.min(site), span.1.max(site + 16));
        Some((at, (range as u64) << 24 | number))
    }
}

/// May code of this protection be rewritten? What the program may write it may also compare.
fn is_code(prot: u64) -> bool {
    prot & (sys::PROT_EXEC | sys::PROT_WRITE) == sys::PROT_EXEC
}

fn hash(rip: u64) -> usize {
    (rip.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

/// The range of stubs that a jump at `site` reaches.
pub fn reach(site: u64) -> Option<usize> {
    const REACH: u64 = (1 << 31) - STUBS_SIZE;
    STUBS.iter().position(|base| base.abs_diff(site) < REACH)
}

/// Is this address in a stub?
pub fn in_stub(rip: u64) -> bool {
    STUBS
        .iter()
        .any(|base| (*base..*base + STUBS_SIZE).contains(&rip))
}

/// Is this address among what a stub carries out behind its call?
pub fn in_tail(rip: u64) -> bool {
    in_stub(rip) && rip % STUB >= TAIL
}

/// The stub of the site with that number.
#[inline(always)]
pub fn stub_of_number(number: u64) -> u64 {
    // A remainder by three would take as long as all the rest.
    const BASES: [u64; 4] = [STUBS[0], STUBS[1], STUBS[2], STUBS[0]];
    BASES[(number >> 24) as usize % BASES.len()] + (number & 0xff_ffff) * STUB
}

/// The address behind the system call instruction that a stub stands for.
pub fn logical(stub: u64) -> u64 {
    guest_mem::get(stub + LOGICAL).unwrap_or(0)
}

/// The same, for a stub that is known to be one.
///
/// # Safety
/// `stub` must be the address of a stub that was made.
#[inline(always)]
pub unsafe fn logical_of(stub: u64) -> u64 {
    // SAFETY: forwarded promise.
    unsafe { *((stub + LOGICAL) as *const u64) }
}

/// Where the target goes on behind a call made by this stub, and where it makes the call by a trap.
pub fn behind(stub: u64) -> u64 {
    stub + TAIL
}
pub fn trap(stub: u64) -> u64 {
    stub + TRAP
}

/// The stub whose trap was taken, if it was one: `rip` is what the kernel reported.
pub fn trapped_stub(rip: u64) -> Option<u64> {
    (in_stub(rip) && rip % STUB == TAIL).then_some(rip - TAIL)
}

/// Where a task must go on that is to go on at `rip`: instructions that became part of a jump are
/// carried out in the stub.
pub fn resume_at(rip: u64) -> u64 {
    match mm().code.stub(rip) {
        Some(stub) => behind(stub),
        None => preempt::resume_at(rip)
            .or_else(|| loops::resume_at(rip))
            .unwrap_or(rip),
    }
}

/// The task is about to run code of the target: stubs lead to its stack.
pub fn running(task: &mut Task) {
    clock::check(task);
    let stack = task.stack_end() - FRAMES_ROOM;
    PATCHED.stack.store(stack, Ordering::Relaxed);
}

/// A call trapped at `rip` (the address behind the instruction): rewrites the site if it is hot.
pub fn trapped(nr: u64, rip: u64) {
    let code = &mut mm().code;
    if session().rewrites == 0 || !code.count(rip) || code.stub(rip).is_some() {
        return;
    }
    let _ = rewrite(code, nr, rip);
}

/// What becomes a jump, and what of it is carried out in the stub behind the call.
struct Window {
    start: u64,
    /// `mov $nr, %eax` stood in front.
    loads: Option<u32>,
    moved: [u8; 8],
    moved_len: usize,
}

fn rewrite(code: &mut Code, nr: u64, rip: u64) -> Option<()> {
    let call = rip - 2;
    if !code.holds(call - 6, rip + 10) || loops::overlaps(call - 6, rip + 10) {
        return None;
    }
    let mut bytes = [0u8; 18];
    if guest_mem::read(call - 6, &mut bytes) != bytes.len() {
        return None;
    }
    let window = window(&bytes, nr, call)?;
    let (stub, number) = code.place(call)?;
    let back = rip + window.moved_len as u64;
    let image = image(stub, number, rip, back, &window)?;
    let jump = moved::jump(window.start, stub)?;
    if !code.remember(rip, stub) {
        return None;
    }
    PATCHED
        .entry
        .store(arch::patched_entry(), Ordering::Relaxed);
    let done = store_protected(stub, &image, PLAIN_CODE)
        && store_protected(window.start, &jump, PLAIN_CODE);
    if !done {
        code.remember(rip, 0);
    }
    Some(())
}

/// `bytes` are the six bytes before the instruction, the instruction, and ten behind it.
fn window(bytes: &[u8; 18], nr: u64, call: u64) -> Option<Window> {
    const MOV_EAX: u8 = 0xb8;
    if bytes[6..8] != [0x0f, 0x05] {
        return None;
    }
    // A prefix in front would make it another instruction; that the number is the very one which
    // trapped makes it all but certain that these five bytes are one.
    let number = u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
    let prefixed = matches!(bytes[0], 0x40..=0x4f | 0x66 | 0x0f);
    if bytes[1] == MOV_EAX && !prefixed && u64::from(number) == nr {
        return Some(Window {
            start: call - 5,
            loads: Some(number),
            moved: [0; 8],
            moved_len: 0,
        });
    }
    let behind = &bytes[8..];
    let moved_len = match behind {
        // cmp $-4096 or $-4095, %rax: how C libraries and Go look for an error.
        [0x48, 0x3d, 0x00 | 0x01, 0xf0, 0xff, 0xff, ..] => 6,
        // ret, and nothing but padding up to the next function.
        [0xc3, 0x90 | 0xcc | 0x66 | 0x0f, second, ..] if *second != 0x05 => 1,
        _ => return None,
    };
    let mut moved = [0; 8];
    moved[..moved_len].copy_from_slice(&behind[..moved_len]);
    Some(Window {
        start: call,
        loads: None,
        moved,
        moved_len,
    })
}

/// The stub's bytes.
fn image(stub: u64, number: u64, rip: u64, back: u64, window: &Window) -> Option<[u8; 64]> {
    let mut image = [0xccu8; STUB as usize];
    let low = |at: u64| u32::try_from(at).ok().map(u32::to_le_bytes);
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        image[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    match window.loads {
        Some(nr) => {
            put(&[0xb8]);
            put(&nr.to_le_bytes());
        }
        None => put(&[0x0f, 0x1f, 0x44, 0x00, 0x00]),
    }
    // mov %rsp, PATCHED.rsp; mov PATCHED.stack, %rsp; push $number; jmp *PATCHED.entry
    put(&[0x48, 0x89, 0x24, 0x25]);
    put(&low(PATCHED.rsp.as_ptr() as u64)?);
    put(&[0x48, 0x8b, 0x24, 0x25]);
    put(&low(PATCHED.stack.as_ptr() as u64)?);
    put(&[0x68]);
    put(&(number as u32).to_le_bytes());
    put(&[0xff, 0x24, 0x25]);
    put(&low(PATCHED.entry.as_ptr() as u64)?);
    put(&[0x0f, 0x05]);
    put(&window.moved[..window.moved_len]);
    let jump_end = stub + TAIL + window.moved_len as u64 + 5;
    let distance = i32::try_from(back.wrapping_sub(jump_end) as i64).ok()?;
    put(&[0xe9]);
    put(&distance.to_le_bytes());
    image[LOGICAL as usize..].copy_from_slice(&rip.to_le_bytes());
    Some(image)
}

/// What stands in place of RDTSC, RDTSCP and CPUID: HLT, which faults in a program, and what is left of
/// the instruction. An unknown instruction would do as well, but hypervisors look at each of those.
const HIDDEN_RDTSC: [u8; 2] = [0xf4, 0x31];
const HIDDEN_RDTSCP: [u8; 3] = [0xf4, 0x01, 0xf9];
const HIDDEN_CPUID: [u8; 2] = [0xf4, 0xa2];

/// An instruction that was hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    Rdtsc,
    Rdtscp,
    Cpuid,
}

/// Replaces the instructions at these ascending offsets from `base`; false when a read of the cycle
/// counter could not be. A CPUID that is left faults by itself, though it takes a virtual machine to its
/// host first.
pub fn hide_all(base: u64, offsets: &[u32]) -> bool {
    /// Sites this near each other are made writable together.
    const NEAR: u32 = 16 * PAGE as u32;
    let mut rest = offsets;
    while let Some(first) = rest.first() {
        let together = rest.iter().take_while(|at| **at - first < NEAR).count();
        let (now, later) = rest.split_at(together);
        let (from, to) = (
            base + u64::from(*first),
            base + u64::from(now[together - 1]) + 3,
        );
        let hidden = while_writable(from, to, PLAIN_CODE, || {
            now.iter().all(|at| hide(base + u64::from(*at)))
        });
        if !hidden {
            return false;
        }
        rest = later;
    }
    true
}

fn hide(at: u64) -> bool {
    let mut code = [0u8; 3];
    guest_mem::read(at, &mut code);
    let is_cpuid = code[..2] == [0x0f, 0xa2];
    let hidden = match is_cpuid {
        true => &mut mm().code.hidden_cpuids[..],
        false => &mut mm().code.hidden[..],
    };
    let Some(free) = hidden.iter_mut().find(|hidden| **hidden == 0) else {
        return is_cpuid;
    };
    let stored = match code {
        _ if is_cpuid => guest_mem::write(at, &HIDDEN_CPUID) == HIDDEN_CPUID.len(),
        [0x0f, 0x31, _] => guest_mem::write(at, &HIDDEN_RDTSC) == HIDDEN_RDTSC.len(),
        [0x0f, 0x01, 0xf9] => guest_mem::write(at, &HIDDEN_RDTSCP) == HIDDEN_RDTSCP.len(),
        _ => false,
    };
    if stored {
        *free = at;
    }
    stored
}

/// What was hidden at `rip`.
pub fn hidden(rip: u64) -> Option<Hidden> {
    let code = &mm().code;
    if !code.hidden.contains(&rip) && !code.hidden_cpuids.contains(&rip) {
        return None;
    }
    let mut code = [0u8; 3];
    guest_mem::read(rip, &mut code);
    let [first, second, _] = code;
    match [first, second] {
        _ if code == HIDDEN_RDTSCP => Some(Hidden::Rdtscp),
        HIDDEN_RDTSC => Some(Hidden::Rdtsc),
        HIDDEN_CPUID => Some(Hidden::Cpuid),
        _ => None,
    }
}

/// Puts a page of code of the shim's own at `page` of a range of stubs.
pub fn comparing_code(page: u64, bytes: &[u8; PAGE as usize]) -> bool {
    let flags = sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_FIXED;
    // SAFETY: the page is the shim's own, and nobody runs its old content.
    unsafe {
        sys::mmap(page, PAGE, sys::PROT_READ | sys::PROT_WRITE, flags, -1, 0).is_ok()
            && arch::copy(page, bytes.as_ptr() as u64, bytes.len()) == 0
            && sys::mprotect(page, PAGE, sys::PROT_READ | sys::PROT_EXEC).is_ok()
    }
}

/// Puts a stub of the shim's own into a page of a range of stubs, which is mapped when it is not yet.
pub fn counting_code(page: u64, at: u64, bytes: &[u8]) -> bool {
    let flags = sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_FIXED_NOREPLACE;
    // SAFETY: NOREPLACE never touches an existing mapping, and only the shim has some there.
    let _ = unsafe { sys::mmap(page, PAGE, PLAIN_CODE, flags, -1, 0) };
    store_protected(at, bytes, PLAIN_CODE)
}

/// Writes plain code.
pub fn store_code(at: u64, bytes: &[u8]) -> bool {
    store_protected(at, bytes, PLAIN_CODE)
}

/// Writes code whose pages are to have that protection afterwards.
pub fn store_protected(at: u64, bytes: &[u8], prot: u64) -> bool {
    while_writable(at, at + bytes.len() as u64, prot, || {
        // SAFETY: code of the target's, or a stub; a fault ends the copy.
        unsafe { arch::copy(at, bytes.as_ptr() as u64, bytes.len()) == 0 }
    })
}

/// How code lies in memory that may be rewritten.
const PLAIN_CODE: u64 = sys::PROT_READ | sys::PROT_EXEC;

/// Makes pages of code writable while `change` runs, and gives them the protection `prot` afterwards.
/// Nobody can run them then: the caller's group waits for its turn.
fn while_writable(from: u64, to: u64, prot: u64, change: impl FnOnce() -> bool) -> bool {
    let first = from & !(PAGE - 1);
    let len = to.next_multiple_of(PAGE) - first;
    // SAFETY: pages of code that are given back as they were.
    unsafe {
        if sys::mprotect(first, len, sys::PROT_READ | sys::PROT_WRITE).is_err() {
            return false;
        }
        let changed = change();
        sys::mprotect(first, len, prot).is_ok() && changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: u64 = 0x1000;

    fn bytes(before: [u8; 6], behind: [u8; 10]) -> [u8; 18] {
        let mut all = [0; 18];
        all[..6].copy_from_slice(&before);
        all[6..8].copy_from_slice(&[0x0f, 0x05]);
        all[8..].copy_from_slice(&behind);
        all
    }

    const NOPS: [u8; 10] = [0x90; 10];
    const COMPARES: [u8; 10] = [0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0x77, 1, 0xc3, 0];

    #[test]
    fn a_loaded_number_becomes_the_jump_when_it_is_the_number_of_the_call() {
        let code = bytes([0xc3, 0xb8, 39, 0, 0, 0], NOPS);
        let window = window(&code, 39, CALL).unwrap();
        assert_eq!((window.start, window.loads), (CALL - 5, Some(39)));
        assert!(super::window(&code, 40, CALL).is_none());
    }

    #[test]
    fn a_load_of_another_register_is_none_of_eax() {
        let code = bytes([0x41, 0xb8, 39, 0, 0, 0], NOPS);
        assert!(window(&code, 39, CALL).is_none());
    }

    #[test]
    fn a_comparison_behind_the_call_moves_into_the_stub() {
        let window = window(&bytes([0x90; 6], COMPARES), 1, CALL).unwrap();
        assert_eq!((window.start, window.moved_len), (CALL, 6));
        assert_eq!(window.moved[..6], COMPARES[..6]);
    }

    #[test]
    fn what_is_not_understood_stays() {
        assert!(window(&bytes([0x90; 6], [0x89; 10]), 1, CALL).is_none());
        assert!(window(&bytes([0x90; 6], NOPS), 1, CALL).is_none());
    }

    #[test]
    fn a_stub_holds_its_parts_where_others_look_for_them() {
        let window = window(&bytes([0x90; 6], COMPARES), 1, CALL).unwrap();
        let Some(image) = image(0x7ff0_0000_0040, 1, CALL + 2, CALL + 8, &window) else {
            // The test's own statics lie too high for a stub; the shim's do not.
            return;
        };
        assert_eq!(image[TRAP as usize..TAIL as usize], [0x0f, 0x05]);
        assert_eq!(image[LOGICAL as usize..], (CALL + 2).to_le_bytes());
    }

    #[test]
    fn code_that_goes_takes_its_sites_along() {
        let mut code = Code::EMPTY;
        code.mapped(0x1000, 0x2000, sys::PROT_READ | sys::PROT_EXEC);
        assert!(code.holds(0x1000, 0x3000));
        assert!(code.remember(0x1100, 0x40));
        assert_eq!(code.stub(0x1100), Some(0x40));
        code.spans[0] = (0x1100, 0x1110);
        code.gone(0x2000, 0x1000);
        assert!(code.holds(0x1000, 0x2000) && !code.holds(0x1000, 0x2001));
        code.protected(0x1800, 0x100, sys::PROT_READ | sys::PROT_WRITE);
        assert!(code.holds(0x1900, 0x2000) && !code.holds(0x1700, 0x1900));
        assert_eq!(code.stub(0x1100), Some(0x40));
        code.gone(0, 0x10000);
        assert_eq!(code.stub(0x1100), None);
    }

    #[test]
    fn writable_code_is_left_alone() {
        let mut code = Code::EMPTY;
        code.mapped(
            0x1000,
            0x1000,
            sys::PROT_READ | sys::PROT_EXEC | sys::PROT_WRITE,
        );
        assert!(!code.holds(0x1000, 0x1100));
    }
}
