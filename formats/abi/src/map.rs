//! The one normative address map of a recorded (and replayed) process.
//!
//! Everything of ours lies below 2 GiB, beneath the shadow of AddressSanitizer (which starts at
//! 0x7fff8000); everything of the target that the kernel would have placed lies where
//! ThreadSanitizer still calls it application memory (above 0x7e8000000000, or 0x55…–0x56…).
//! The kernel's own stack and vDSO are at 0x7ffb… and higher, and are unmapped at start.

/// A page, in bytes, on x86-64.
pub const PAGE: u64 = 4096;

/// Load address of the shim's image (text, data, bss).
pub const SHIM: u64 = 0x7000_0000;
/// First byte behind everything that belongs to the shim.
pub const SHIM_END: u64 = 0x7fff_0000;

/// Where the control part of the shared arena (header, slots, groups, caches) is mapped.
pub const CONTROL: u64 = 0x7100_0000;

/// Private memory of the shim that is per address space: process state and large buffers.
pub const HEAP: u64 = 0x7180_0000;
pub const HEAP_END: u64 = 0x7200_0000;

/// Task blocks: state, signal stack and event window of each task, [`TASK_STRIDE`] apart.
pub const TASKS: u64 = 0x7200_0000;
pub const TASK_STRIDE: u64 = 256 * 1024;
/// Bytes of a task block that hold its state and its signal stack; the window follows.
pub const TASK_STACK: u64 = 128 * 1024;
/// Tasks that one address space can hold.
pub const TASKS_MAX: u64 = (SHIM_END - TASKS) / TASK_STRIDE;

/// Recording: memory that calls of large transfers are given in place of the target's while they
/// block, [`SCRATCH_STRIDE`] for each task. All sanitizers call this application memory, and the
/// kernel, which chooses when [`ARENA`] is full, does not come so far down.
pub const SCRATCH: u64 = 0x5500_0000_0000;
pub const SCRATCH_END: u64 = 0x5510_0000_0000;
pub const SCRATCH_STRIDE: u64 = 64 << 20;

/// Recording: large rings, each mapped twice in a row.
pub const LARGE_WINDOWS: u64 = SCRATCH + TASKS_MAX * SCRATCH_STRIDE;
pub const LARGE_WINDOW: u64 = 2 * crate::arena::RING_LARGE;
const _: () = assert!(LARGE_WINDOWS + TASKS_MAX * LARGE_WINDOW <= SCRATCH_END);

/// Kernel-chosen mappings are placed top-down in this range, the same way in each recording.
pub const ARENA: u64 = 0x7e90_0000_0000;
pub const ARENA_END: u64 = 0x7ff0_0000_0000;

/// First byte behind the target's main stack, which grows down from here.
pub const STACK_TOP: u64 = 0x7ff8_0000_0000;

/// Load address of position-independent executables.
pub const PIE: u64 = 0x5555_5555_4000;

/// Where `brk` starts.
pub const BRK: u64 = 0x5600_0000_0000;

/// Stubs of rewritten call sites. A jump reaches 2 GiB, so there is a range near each place where code
/// lies: non-PIE executables, position-independent ones, and libraries.
pub const STUBS: [u64; 3] = [HEAP_END - STUBS_SIZE, 0x5555_4000_0000, ARENA_END];
pub const STUBS_SIZE: u64 = 1 << 20;

/// Does a range touch memory that belongs to the shim?
#[inline(always)]
pub const fn is_ours(addr: u64, len: u64) -> bool {
    let end = addr.saturating_add(len);
    if len == 0 || addr >= PIE && end <= ARENA_END || addr >= ARENA_END + STUBS_SIZE {
        return false;
    }
    is_one_of_ours(addr, end)
}

/// The same for any range, without the short way for where nothing is ours.
const fn is_one_of_ours(addr: u64, end: u64) -> bool {
    let mut ours = addr < SHIM_END && end > SHIM || addr < SCRATCH_END && end > SCRATCH;
    let mut at = 1;
    while at < STUBS.len() {
        ours |= addr < STUBS[at] + STUBS_SIZE && end > STUBS[at];
        at += 1;
    }
    ours
}

const _: () = assert!(!is_one_of_ours(PIE, ARENA_END));
const _: () = assert!(!is_one_of_ours(ARENA_END + STUBS_SIZE, u64::MAX));
