//! Time: read without a system call while recording, and the cycle counter kept from the target.
//!
//! The kernel's vDSO stays mapped for the shim's own use; the target is told of none. It reads the
//! cycle counter, so the counter cannot be made to trap (PR_SET_TSC) at the same time. Instead, each
//! RDTSC and RDTSCP in a mapped file is replaced by an instruction that faults. Where it is not certain
//! that all have been found (code made at run time, bytes that could be either), the address space
//! falls back: the counter traps, and clocks are read by system calls.
//!
//! Replay reads no clock for a program: there the counter always traps.

use core::sync::atomic::{AtomicU64, Ordering};

use reenact_abi::arena::{self, ClockEntry, CLOCKS_MAX, CLOCK_SITES_MAX, CPUID_SITE};
use reenact_abi::map::{self, PAGE};
use reenact_abi::timens;

use crate::guest_mem;
use crate::intercept::decode::{self, Verdict};
use crate::intercept::{net, patch, ticks};
use crate::nr;
use crate::sys;
use crate::task::{mm, session, Task};

/// The vDSO's clock_gettime, and where the image lies; 0: not to be used.
static GETTIME: AtomicU64 = AtomicU64::new(0);
static BEGIN: AtomicU64 = AtomicU64::new(0);
static END: AtomicU64 = AtomicU64::new(0);

/// More than the kernel has ever mapped in front of its vDSO.
const DATA_MAX: u64 = 16 * PAGE;

pub const REALTIME: u64 = 0;
pub const MONOTONIC: u64 = 1;
pub const REALTIME_COARSE: u64 = 5;
/// Clocks that the vDSO answers by itself: the two above, MONOTONIC_RAW, the coarse ones, BOOTTIME, TAI.
const FAST: u64 = 0b1000_1111_0011;

/// Takes the vDSO at `base` into use; the range of it and its data, which must stay mapped.
pub fn adopt(base: u64) -> Option<(u64, u64)> {
    let data = u64::from(session().vdso_data_pages) * PAGE;
    if base == 0 || data == 0 {
        return None;
    }
    let (function, len) = find(base, b"__vdso_clock_gettime")?;
    BEGIN.store(base, Ordering::Relaxed);
    END.store(base + len, Ordering::Relaxed);
    GETTIME.store(function, Ordering::Relaxed);
    Some((base - data, base + len))
}

/// Finds a symbol of the image at `base`, and the image's size (ELF-64, all in one segment).
fn find(base: u64, wanted: &[u8]) -> Option<(u64, u64)> {
    const PT_LOAD: u32 = 1;
    const PT_DYNAMIC: u32 = 2;
    const DT_STRTAB: u64 = 5;
    const DT_SYMTAB: u64 = 6;
    let word = |at: u64| guest_mem::get::<u64>(at).ok();
    let (headers, count) = (word(base + 32)?, guest_mem::get::<u16>(base + 56).ok()?);
    let (mut dynamic, mut size, mut bias) = (0, 0, 0);
    for index in 0..u64::from(count).min(16) {
        let at = base + headers + index * 56;
        match guest_mem::get::<u32>(at).ok()? {
            PT_LOAD => {
                size = word(at + 40)?;
                bias = base.wrapping_sub(word(at + 16)?);
            }
            PT_DYNAMIC => dynamic = base + word(at + 8)?,
            _ => {}
        }
    }
    let (mut strings, mut symbols) = (0, 0);
    for index in 0..64 {
        let (key, value) = (word(dynamic + index * 16)?, word(dynamic + index * 16 + 8)?);
        match key {
            0 => break,
            DT_STRTAB => strings = value.wrapping_add(bias),
            DT_SYMTAB => symbols = value.wrapping_add(bias),
            _ => {}
        }
    }
    if dynamic == 0 || strings <= symbols || size == 0 {
        return None;
    }
    // Strings follow the symbols in every vDSO that there has been.
    for index in 0..((strings - symbols) / 24).min(64) {
        let at = symbols + index * 24;
        let mut name = [0u8; 32];
        let text = guest_mem::string(
            strings + u64::from(guest_mem::get::<u32>(at).ok()?),
            &mut name,
        );
        if text == Ok(wanted) {
            let function = word(at + 8)?.wrapping_add(bias);
            return Some((function, size.next_multiple_of(PAGE)));
        }
    }
    None
}

/// Is this address in the vDSO that we use? A clock source that it cannot read makes it call the
/// kernel, and that call is ours.
pub fn in_vdso(rip: u64) -> bool {
    (BEGIN.load(Ordering::Relaxed)..END.load(Ordering::Relaxed)).contains(&rip)
}

/// Must the cycle counter trap in this address space? It traps for the shim, too.
pub fn must_trap() -> bool {
    mm().code.clocks_trap || GETTIME.load(Ordering::Relaxed) == 0
}

/// Before the first instruction of the target.
pub fn begin(task: &mut Task) {
    task.clocks_trap = !task.recording() || must_trap();
    net::allow_tsc(!task.clocks_trap);
}

/// Another task of the address space may have made it fall back.
pub fn check(task: &mut Task) {
    if mm().code.clocks_trap && !task.clocks_trap {
        task.clocks_trap = true;
        net::allow_tsc(false);
    }
}

/// Seconds and nanoseconds of a clock, if the vDSO can tell.
#[inline(always)]
pub fn read(clock: u64) -> Option<[u64; 2]> {
    let function = GETTIME.load(Ordering::Relaxed);
    if function == 0 || mm().code.clocks_trap || clock >= 12 || FAST >> clock & 1 == 0 {
        return None;
    }
    let mut time = [0u64; 2];
    // SAFETY: the kernel's function of that signature; it writes one timespec.
    let result = unsafe {
        let gettime: extern "C" fn(i32, *mut u64) -> i32 = core::mem::transmute(function);
        gettime(clock as i32, time.as_mut_ptr())
    };
    (result == 0).then(|| time.each_ref().map(super::word))
}

/// Nanoseconds of CLOCK_MONOTONIC.
#[inline(always)]
pub fn monotonic_ns() -> u64 {
    ticks::monotonic_ns().unwrap_or_else(looked_at)
}

#[cold]
fn looked_at() -> u64 {
    match read(MONOTONIC) {
        Some([seconds, ns]) => seconds * 1_000_000_000 + ns,
        None => sys::monotonic_ns(),
    }
}

/// The time of an event that happens now.
#[inline(always)]
pub fn event_ns() -> u64 {
    event_time(monotonic_ns())
}

/// Times of events are multiples of 32 ns: to read the clock takes about as long, and what is finer would
/// be a quarter of a trace.
#[inline(always)]
pub fn event_time(monotonic_ns: u64) -> u64 {
    monotonic_ns.wrapping_add(AHEAD.load(Ordering::Relaxed)) & !31
}

/// What CLOCK_MONOTONIC of the recording is ahead of this process's, which may live in another time namespace.
static AHEAD: AtomicU64 = AtomicU64::new(0);

/// From now on events have times of the recording's, whatever time namespace this is.
pub fn join_recording() {
    /// The wall clock strays from the other one by less, unless somebody sets it.
    const NEAR_NS: u64 = 500_000_000;
    AHEAD.store(0, Ordering::Relaxed);
    let wall_less_monotonic_ns = sys::wall_ns().wrapping_sub(sys::monotonic_ns()) as i64;
    let elsewhere_ns = wall_less_monotonic_ns.abs_diff(session().wall_less_monotonic_ns);
    if elsewhere_ns < NEAR_NS {
        return;
    }
    let Ok(fd) = sys::open(
        b"/proc/self/timens_offsets\0",
        sys::O_RDONLY | sys::O_CLOEXEC,
    ) else {
        return;
    };
    let mut text = [0u8; 128];
    // SAFETY: the kernel writes at most the buffer.
    let got = unsafe { sys::call(nr::READ, [fd as u64, text.as_mut_ptr() as u64, 128]) };
    sys::close(fd);
    let text = &text[..got.clamp(0, 128) as usize];
    if let Some(own_ns) = timens::monotonic_ns(text) {
        let ahead = session().time_offset_ns.wrapping_sub(own_ns);
        AHEAD.store(ahead as u64, Ordering::Relaxed);
    }
}

/// The target put something else there.
pub fn gone(start: u64, end: u64) {
    let (begin, stop) = (BEGIN.load(Ordering::Relaxed), END.load(Ordering::Relaxed));
    if start < stop && end > begin.saturating_sub(DATA_MAX) && begin != 0 {
        GETTIME.store(0, Ordering::Relaxed);
        distrust();
    }
}

/// From now on the counter traps.
pub fn distrust() {
    mm().code.clocks_trap = true;
    ticks::forget();
}

/// Code of content number `content`, from its `offset` on, was mapped at `at`, `len` bytes of it. What
/// reads the cycle counter there is hidden, unless the counter traps, and so is what asks for the CPU's
/// identity, if that cannot trap.
pub fn code_mapped(at: u64, len: u64, offset: u64, content: u64) {
    let (counter, identity) = (!must_trap(), !net::can_trap_cpuid());
    if !counter && !identity {
        return;
    }
    let mut sites = [0u32; CLOCK_SITES_MAX];
    let found = known(content, offset, len, &mut sites).unwrap_or_else(|| {
        let found = look(at, len, identity, &mut sites);
        remember(content, offset, len, found, &sites);
        found
    });
    if !found.certain {
        distrust();
    }
    let hides_counter = counter && found.certain;
    let mut wanted = [0u32; CLOCK_SITES_MAX];
    let mut count_wanted = 0;
    let known = sites[..found.count].iter();
    for site in known.filter(|site| hides_counter || **site & CPUID_SITE != 0) {
        wanted[count_wanted] = site & !CPUID_SITE;
        count_wanted += 1;
    }
    let wanted = &mut wanted[..count_wanted];
    wanted.sort_unstable();
    let within = wanted.iter().all(|site| u64::from(*site) < len);
    if !within || !patch::hide_all(at, wanted) {
        distrust();
    } else if let Some(free) = mm().code.looked_at.iter_mut().find(|at| at.1 == 0) {
        *free = (at, at + len, content);
    }
}

/// What was found in code that was looked through.
#[derive(Clone, Copy)]
struct Found {
    /// Sites.
    count: usize,
    /// That these have all instructions that read the counter.
    certain: bool,
}

/// A CPUID was executed at `rip`, and faulted: the next one there is to fault without the CPU's help, and
/// so are those of other processes that map the same code. Nobody else looks for them: bytes that
/// were executed are an instruction for certain.
pub fn executed_cpuid(rip: u64) {
    let within = |range: &&(u64, u64, u64)| (range.0..range.1).contains(&rip);
    let Some((start, _, content)) = mm().code.looked_at.iter().find(within).copied() else {
        return;
    };
    let entry = entry(content);
    let site = (rip - start) as u32 | CPUID_SITE;
    let count = entry.count.load(Ordering::Relaxed);
    let sites = (count & !UNCERTAIN) as usize;
    let same = entry.state.load(Ordering::Acquire) == READY
        && entry.content.load(Ordering::Relaxed) == content;
    if !mm().code.holds(rip, rip + 2) || !patch::hide_all(start, &[site & !CPUID_SITE]) || !same {
        return;
    }
    let known = entry.sites.iter().take(sites);
    let mut known = known.map(|known| known.load(Ordering::Relaxed));
    if let (false, Some(free)) = (known.any(|known| known == site), entry.sites.get(sites)) {
        // Of two that come at the same time one may be forgotten, until it is executed again.
        free.store(site, Ordering::Relaxed);
        let _ =
            entry
                .count
                .compare_exchange(count, count + 1, Ordering::Release, Ordering::Relaxed);
    }
}

fn entry(content: u64) -> &'static ClockEntry {
    let index = content as usize % CLOCKS_MAX;
    // SAFETY: the table is part of the control mapping; the index is in bounds.
    unsafe { &*((map::CONTROL + arena::CLOCKS) as *const ClockEntry).add(index) }
}

const FREE: u32 = 0;
const BUSY: u32 = 1;
const READY: u32 = 2;
/// In `ClockEntry::count`: it is not certain that these are all that read the counter.
const UNCERTAIN: u32 = 1 << 31;

/// What is known of that code.
fn known(content: u64, offset: u64, len: u64, sites: &mut [u32]) -> Option<Found> {
    let entry = entry(content);
    let same = entry.state.load(Ordering::Acquire) == READY
        && entry.content.load(Ordering::Relaxed) == content
        && entry.offset.load(Ordering::Relaxed) == offset
        && entry.len.load(Ordering::Relaxed) == len;
    if !same {
        return None;
    }
    let told = entry.count.load(Ordering::Relaxed);
    let count = ((told & !UNCERTAIN) as usize).min(sites.len());
    for (site, shared) in sites[..count].iter_mut().zip(&entry.sites) {
        *site = shared.load(Ordering::Relaxed);
    }
    Some(Found {
        count,
        certain: told & UNCERTAIN == 0,
    })
}

fn remember(content: u64, offset: u64, len: u64, found: Found, sites: &[u32]) {
    let entry = entry(content);
    let claimed = entry
        .state
        .compare_exchange(FREE, BUSY, Ordering::SeqCst, Ordering::SeqCst);
    if claimed.is_err() {
        return;
    }
    entry.content.store(content, Ordering::Relaxed);
    entry.offset.store(offset, Ordering::Relaxed);
    entry.len.store(len, Ordering::Relaxed);
    let uncertain = if found.certain { 0 } else { UNCERTAIN };
    let count = found.count as u32 | uncertain;
    entry.count.store(count, Ordering::Relaxed);
    for (shared, site) in entry.sites.iter().zip(&sites[..found.count]) {
        shared.store(*site, Ordering::Relaxed);
    }
    entry.state.store(READY, Ordering::Release);
}

/// Looks for instructions that read the counter, and for those that ask for the CPU's `identity`.
fn look(at: u64, len: u64, identity: bool, sites: &mut [u32]) -> Found {
    const BLOCK: usize = 4096;
    let (mut count, mut certain) = (0, true);
    let mut window = [0u8; decode::BEFORE + BLOCK + decode::BEHIND];
    let mut from = 0u64;
    while from < len {
        let before = from.min(decode::BEFORE as u64);
        let want = (before + BLOCK as u64 + decode::BEHIND as u64).min(len - from + before);
        let got = guest_mem::read(at + from - before, &mut window[..want as usize]);
        let code = &window[..got];
        let end = got.min(before as usize + BLOCK);
        for position in before as usize..end {
            if code[position] != 0x0f {
                continue;
            }
            let offset = (from + position as u64 - before) as u32;
            let size = match code[position..] {
                [_, 0xa2, ..] if identity && decode::is_cpuid(code, position) => {
                    // One too many is left alone.
                    if let Some(free) = sites.get_mut(count) {
                        *free = offset | CPUID_SITE;
                        count += 1;
                    }
                    continue;
                }
                [_, 0x31, ..] => 2,
                [_, 0x01, 0xf9, ..] => 3,
                _ => continue,
            };
            match (
                decode::judge(code, position, size),
                sites.get_mut(count).filter(|_| certain),
            ) {
                (Verdict::Other, _) => {}
                (Verdict::Instruction, Some(free)) => {
                    *free = offset;
                    count += 1;
                }
                _ if identity => certain = false,
                _ => {
                    return Found {
                        count,
                        certain: false,
                    }
                }
            }
        }
        if (got as u64) < want {
            break;
        }
        from += BLOCK as u64;
    }
    Found { count, certain }
}

/// The target's clock calls, where the vDSO can answer them: what it wrote, and where.
pub fn answer(number: u64, args: &[u64; 6]) -> Option<(i64, [u64; 2], u64)> {
    let (clock, to) = match number {
        nr::CLOCK_GETTIME => (args[0] as i32 as i64 as u64, args[1]),
        nr::GETTIMEOFDAY if args[1] == 0 => (REALTIME, args[0]),
        nr::TIME => (REALTIME_COARSE, args[0]),
        _ => return None,
    };
    let [seconds, ns] = read(clock)?;
    Some(match number {
        nr::CLOCK_GETTIME => (0, [seconds, ns], to),
        nr::GETTIMEOFDAY => (0, [seconds, ns / 1000], to),
        _ => (seconds as i64, [seconds, 0], to),
    })
}
