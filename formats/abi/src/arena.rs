//! The shared memory of a session: one sparse file that the command creates and every shim maps.
//!
//! Layout, in bytes from the start of the file:
//!
//! ```text
//! 0         Session                       one page
//! SLOTS     [Slot; SLOTS_MAX]             one per living task
//! GROUPS    [Group; GROUPS_MAX]           one per group of tasks that take turns
//! CONTENTS  [ContentEntry; CONTENTS_MAX]  recording: file contents already in the trace
//! INODES    [InodeEntry; INODES_MAX]      shared mappings by inode
//! CPUIDS    [CpuidEntry; CPUIDS_MAX]      recording: what CPUID answered
//! CLOCKS    [ClockEntry; CLOCKS_MAX]      recording: where code reads the cycle counter
//! IMAGE     the shim's own file           recording only
//! RINGS     [u8; RING_SIZE] per slot      recording only
//! LARGE     [u8; RING_LARGE] per slot     recording only
//! LOG       streams and contents          replay only, laid out by the replayer
//! ```
//!
//! Shims treat what other shims wrote as hints to be checked, and the commands treat all of it as
//! untrusted input: a target may scribble over it.

use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::map::PAGE;

pub const MAGIC: u64 = u64::from_le_bytes(*b"REENACT\x01");

/// Tasks alive at one time in a session.
pub const SLOTS_MAX: usize = 4096;
pub const GROUPS_MAX: usize = 4096;
pub const CONTENTS_MAX: usize = 16384;
pub const INODES_MAX: usize = 1024;
pub const CPUIDS_MAX: usize = 512;
pub const CLOCKS_MAX: usize = 4096;
/// Reads of the cycle counter in one mapping of a file; more are not remembered.
pub const CLOCK_SITES_MAX: usize = 96;

/// Bytes of event records that a task may be ahead of the recorder, at first. A power of two.
pub const RING_SIZE: u64 = 64 * 1024;
/// And once it has had to wait for the recorder. A power of two.
pub const RING_LARGE: u64 = 1024 * 1024;
/// Large rings at one time in a session.
pub const LARGE_RINGS_MAX: u32 = 128;
/// Bytes of log that a replaying task has mapped at a time.
pub const WINDOW_SIZE: u64 = 128 * 1024;

pub const SLOTS: u64 = PAGE;
pub const GROUPS: u64 = SLOTS + (SLOTS_MAX * core::mem::size_of::<Slot>()) as u64;
pub const CONTENTS: u64 = GROUPS + (GROUPS_MAX * core::mem::size_of::<Group>()) as u64;
pub const INODES: u64 = CONTENTS + (CONTENTS_MAX * core::mem::size_of::<ContentEntry>()) as u64;
pub const CPUIDS: u64 = INODES + (INODES_MAX * core::mem::size_of::<InodeEntry>()) as u64;
pub const CLOCKS: u64 = CPUIDS + (CPUIDS_MAX * core::mem::size_of::<CpuidEntry>()) as u64;
/// End of what every shim maps at [`crate::map::CONTROL`].
pub const CONTROL_END: u64 =
    (CLOCKS + (CLOCKS_MAX * core::mem::size_of::<ClockEntry>()) as u64).next_multiple_of(PAGE);
pub const IMAGE: u64 = RINGS - IMAGE_MAX;
pub const IMAGE_MAX: u64 = 2 << 20;
pub const RINGS: u64 = 16 << 20;
pub const LARGE: u64 = RINGS + SLOTS_MAX as u64 * RING_SIZE;
pub const RINGS_END: u64 = LARGE + SLOTS_MAX as u64 * RING_LARGE;
pub const LOG: u64 = RINGS;

const _: () = assert!(CONTROL_END <= crate::map::HEAP - crate::map::CONTROL);
const _: () = assert!(CONTROL_END <= IMAGE);
const _: () = assert!(core::mem::size_of::<Session>() <= PAGE as usize);

/// What the shims are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Mode {
    Record = 1,
    Replay = 2,
}

/// How system calls are caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Net {
    /// prctl(PR_SET_SYSCALL_USER_DISPATCH).
    Dispatch = 1,
    /// A seccomp filter that returns SECCOMP_RET_TRAP.
    Seccomp = 2,
}

/// `Session::state`.
pub mod state {
    /// Events are taken.
    pub const OPEN: u32 = 0;
    /// No more events are taken: tasks run on as they would have without us.
    pub const CLOSED: u32 = 1;
    /// Replay only: a task has diverged (or failed) and wrote [`super::Session::report`].
    pub const STOPPED: u32 = 2;
}

/// [`Session::merge_lock`] while the recorder holds it.
pub const MERGE_BY_RECORDER: u32 = u32::MAX;

/// An object in a file system, as fstat(2) tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Inode {
    pub dev: u64,
    pub ino: u64,
}

#[repr(C)]
pub struct Session {
    pub magic: u64,
    pub abi_version: u32,
    /// A [`Mode`].
    pub mode: u32,
    /// A [`Net`].
    pub net: u32,
    pub state: AtomicU32,
    /// 1: call sites that trap often are rewritten to jumps.
    pub rewrites: u32,
    /// Recording: pages of data that the kernel maps in front of its vDSO; 0: leave the vDSO alone.
    pub vdso_data_pages: u32,
    /// Recording: 1: schedules and short transfers are drawn from `chaos_seed`.
    pub chaos: u32,
    pub chaos_seed: u64,
    /// Bit 31 is set while nobody lives on the command's side: recording only. The low bits are the
    /// command's thread id while it lives; the kernel sets FUTEX_OWNER_DIED (bit 30) when it dies.
    pub owner: AtomicU32,
    /// Counts requests to drain; the recorder sleeps on it as a futex.
    pub wake: AtomicU32,
    /// Next recording-wide process, task and content numbers (recording only).
    pub next_process: AtomicU32,
    pub next_task: AtomicU32,
    pub next_group: AtomicU32,
    /// Serialises changes of who belongs to which group: the holder's slot plus one,
    /// [`MERGE_BY_RECORDER`], or 0.
    pub merge_lock: AtomicU32,
    pub next_content: AtomicU64,
    /// The run's own standard output and error (recording: to recognise them; ino 0: not followed).
    pub stdout: Inode,
    pub stderr: Inode,
    /// Serialises writes to the run's output: the holder's task number, or 0.
    pub output_lock: AtomicU32,
    pub output_waiters: AtomicU32,
    /// Recording: 1: a task has waited for the recorder in vain, and others need not wait as long.
    pub stalled: AtomicU32,
    /// Recording: tickets handed out. Replay: the ticket that may write now is this plus one.
    pub tickets: AtomicU64,
    /// Replay: length of the stream table at [`LOG`], in entries.
    pub streams: u64,
    /// Replay: CLOCK_MONOTONIC at which the replay began, and of the recording's first event.
    pub replay_start_ns: u64,
    pub record_start_ns: u64,
    /// Replay: recorded time runs `pace_num / pace_den` as fast; `pace_num` 0 skips all waiting.
    pub pace_num: u32,
    pub pace_den: u32,
    /// Replay: events replayed, and state checksums that matched, so far.
    pub events_done: AtomicU64,
    pub checksums_matched: AtomicU64,
    /// Replay: streams that ended as recorded.
    pub streams_done: AtomicU64,
    /// Replay: 0 free, 1 being written, 2 complete.
    pub report_state: AtomicU32,
    /// Recording: shared objects known so far.
    pub objects: AtomicU32,
    /// Recording: large rings in use.
    pub large_rings: AtomicU32,
    /// Recording: 1: the kernel makes its clock of the cycle counter, the same on all CPUs.
    pub tsc_is_clock: u32,
    /// Recording: CLOCK_REALTIME less CLOCK_MONOTONIC as it began, and what CLOCK_MONOTONIC is ahead of the
    /// host's in the time namespace of the recorder; nanoseconds.
    pub wall_less_monotonic_ns: i64,
    pub time_offset_ns: i64,
    /// Bytes of the shim's file at [`IMAGE`]; 0: it is not there.
    pub image_len: u64,
    pub report: Report,
}

/// Why a replay stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    None = 0,
    /// The next recorded event is of another kind.
    Kind = 1,
    /// Another system call.
    Number = 2,
    /// The same call with other arguments; `detail` is the first argument that differs.
    Argument = 3,
    /// The call was made from another place.
    InstructionPointer = 4,
    StackPointer = 5,
    /// Same arguments, but other bytes behind them.
    Input = 6,
    /// A call that replay executes returned something else; `detail` is what it returned.
    Result = 7,
    /// The recorded stream of this task ends here, but the program goes on.
    EndOfStream = 8,
    /// The program faulted where the recorded one did not, or differently.
    Fault = 9,
    /// Memory at a checkpoint or at exit differs.
    Checksum = 10,
    /// The log is not what it should be.
    BadLog = 11,
    /// The kernel refused something that replay needs; `detail` is the errno.
    System = 12,
    /// The program runs on without reaching the next recorded event.
    Hang = 13,
    /// The other end of a shared order never arrived.
    Order = 14,
    /// The recorded task was stopped between two calls, and the replayed one made a call before
    /// it came to the same place in the same state.
    Preempted = 15,
    /// The program says something else about itself: of both marks, `recorded_bytes` and `input` are the
    /// value, with zeros up to [`crate::mark::VALUE_MAX`] bytes, and the text.
    Mark = 16,
}

impl Reason {
    pub const ALL: &'static [Reason] = &[
        Reason::None,
        Reason::Kind,
        Reason::Number,
        Reason::Argument,
        Reason::InstructionPointer,
        Reason::StackPointer,
        Reason::Input,
        Reason::Result,
        Reason::EndOfStream,
        Reason::Fault,
        Reason::Checksum,
        Reason::BadLog,
        Reason::System,
        Reason::Hang,
        Reason::Order,
        Reason::Preempted,
        Reason::Mark,
    ];

    pub fn from_u32(value: u32) -> Option<Reason> {
        Self::ALL.iter().copied().find(|r| *r as u32 == value)
    }
}

/// The first difference, written once by the task that found it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Report {
    /// A [`Reason`].
    pub reason: u32,
    pub process: u32,
    pub task: u32,
    pub reserved: u32,
    /// Events of this task that replayed before.
    pub event: u64,
    pub detail: u64,
    pub recorded: crate::event::Header,
    pub replayed: crate::event::Header,
    /// Bytes that the replayed call took from memory (the start of them), for the reader.
    pub input_len: u32,
    /// Bytes that the recorded event carried, where they say what differs.
    pub recorded_len: u32,
    pub input: [u8; 512],
    pub recorded_bytes: [u8; 512],
}

/// `Slot::state`.
pub mod slot {
    pub const FREE: u32 = 0;
    /// Taken by a parent for a child that has not run yet.
    pub const CLAIMED: u32 = 1;
    pub const RUNNING: u32 = 2;
    /// Everything that the task will ever write is in the ring.
    pub const ENDED: u32 = 3;
    /// The task is about to run a program that cannot be recorded; RUNNING again if that fails.
    pub const FOREIGN: u32 = 4;
}

/// Length of the paths kept in a slot.
pub const PATH_MAX_SLOT: usize = 256;

/// Something that shares no cache line with what others write.
#[repr(C, align(64))]
pub struct Line<T>(pub T);

impl<T> core::ops::Deref for Line<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// The recorder's side of a ring.
#[repr(C)]
pub struct Drained {
    /// Bytes ever drained.
    pub tail: AtomicU64,
    /// Non-zero while the task waits for room: a futex that the recorder wakes.
    pub waiting: AtomicU32,
}

/// The task's side of a ring.
#[repr(C)]
pub struct Written {
    /// Bytes ever written.
    pub head: AtomicU64,
    /// See [`inflight`].
    pub inflight: AtomicU32,
    pub reserved: u32,
    /// Of the call that the task is inside of, with [`inflight::IN_SLOT`]: the words of a [`Header`].
    pub call: [AtomicU64; HEADER_WORDS],
}

/// Words of a [`crate::event::Header`].
pub const HEADER_WORDS: usize = crate::event::HEADER_SIZE / 8;

/// `Written::inflight`: where the header lies of the call that the task is inside of.
pub mod inflight {
    pub const NONE: u32 = 0;
    /// Unpublished, in the ring at `head`.
    pub const IN_RING: u32 = 1;
    /// In `Written::call`.
    pub const IN_SLOT: u32 = 2;
}

/// A task's place in the session.
#[repr(C)]
pub struct Slot {
    /// See [`slot`].
    pub state: AtomicU32,
    /// The task's thread id in its own pid namespace; on the task's robust list, so that the kernel
    /// sets FUTEX_OWNER_DIED here however the task ends.
    pub owner: AtomicU32,
    /// Recording: somewhere in here, at the distance from `owner` that the target's own robust list
    /// has between an entry and its futex word, lies the entry that leads the kernel to that list.
    pub chain: [u32; 16],
    /// Recording-wide numbers, from 1.
    pub process: u32,
    pub task: u32,
    pub parent_process: u32,
    pub parent_task: u32,
    /// Thread and process id as the task sees them.
    pub tid: AtomicU32,
    pub pid: AtomicU32,
    /// Times that events were lost because nobody drained.
    pub gaps: AtomicU32,
    /// Replay: the signal that the replayer is to end the process with; 0: none.
    pub end_by: AtomicU32,
    /// Recording: 1 when the ring is the slot's large one. Changes only while the ring is empty.
    pub large_ring: AtomicU32,
    /// Index of the group that the task takes turns in.
    pub group: AtomicU32,
    /// What the recorder writes, apart from what the task writes all the time.
    pub drained: Line<Drained>,
    /// Over execve: 1, ignored signals, blocked signals, thread id as the program sees it.
    pub reserved: [u64; 4],
    pub written: Line<Written>,
    /// Path of the running program, NUL-terminated.
    pub exe: [u8; PATH_MAX_SLOT],
}

/// Tasks that take turns.
#[repr(C)]
pub struct Group {
    /// 0 free, 1 held, 2 held and waited for. Its holder runs target code.
    pub turn: AtomicU32,
    /// Index of the group that this one was merged into, plus one; 0 while it stands alone.
    pub merged_into: AtomicU32,
    /// Recording-wide number, from 1; 0 while the entry is free.
    pub id: AtomicU32,
    /// Living tasks.
    pub members: AtomicU32,
    /// Recording: events so far. Replay: order of the next event.
    pub order: AtomicU64,
    /// Replay: futex that is bumped whenever `order` moves by another task's doing.
    pub moved: AtomicU32,
    /// Tasks that wait for the turn.
    pub waiters: AtomicU32,
    /// Recording: how often the turn was taken; a futex for those who made way.
    pub grants: AtomicU32,
    pub making_way: AtomicU32,
    /// Recording: somebody has waited long enough: the holder is to give the turn up at its next call.
    pub wanted: AtomicU32,
    /// Recording: how long the others wait before they want it, in nanoseconds.
    pub slice_ns: AtomicU32,
    /// Recording: tasks that wait for the turn only to go round in a loop have tickets, of which all
    /// below `looping_head` are out of that queue. A futex.
    pub looping_head: AtomicU32,
    pub looping_tail: AtomicU32,
    /// Recording: how often the turn was given up in a loop.
    pub stops: AtomicU32,
    pub reserved: u32,
}

/// A file content that is in the trace: a file, or a part of one.
#[repr(C)]
pub struct ContentEntry {
    /// 0 free, 1 being written, 2 ready.
    pub state: AtomicU32,
    pub reserved: u32,
    pub dev: AtomicU64,
    pub ino: AtomicU64,
    pub size: AtomicU64,
    pub mtime_ns: AtomicU64,
    pub ctime_ns: AtomicU64,
    pub content: AtomicU64,
    /// Where in the file the content begins, and the bytes of it.
    pub offset: AtomicU64,
    pub len: AtomicU64,
}

/// Recording: an inode that some recorded process maps shared and may write.
#[repr(C)]
pub struct InodeEntry {
    /// 0 free, 1 being written, 2 ready.
    pub state: AtomicU32,
    /// Index of a group whose tasks map it.
    pub group: AtomicU32,
    pub dev: AtomicU64,
    pub ino: AtomicU64,
    /// Recording-wide number of the object.
    pub object: AtomicU64,
    /// Recording-wide number of the group: when the entry at its index has another one, the group is
    /// gone, and so is the object; file systems give its inode number to the next file.
    pub group_id: AtomicU32,
    pub reserved: u32,
}

/// Recording: what CPUID answered for a leaf and subleaf. Asking the CPU costs a virtual machine a trip
/// to its host, and the answers that differ by core (its APIC id) are better the same for a whole run.
#[repr(C)]
pub struct CpuidEntry {
    /// 0 free, 1 being written, 2 ready.
    pub state: AtomicU32,
    pub leaf: AtomicU32,
    pub subleaf: AtomicU32,
    pub reserved: u32,
    /// eax, ebx, ecx, edx.
    pub values: [AtomicU32; 4],
}

/// In [`ClockEntry::sites`].
pub const CPUID_SITE: u32 = 1 << 31;

/// Recording: where the code in a mapping of a file reads the cycle counter, and where it was seen to
/// ask for the CPU's identity.
#[repr(C)]
pub struct ClockEntry {
    /// 0 free, 1 being written, 2 ready.
    pub state: AtomicU32,
    /// Sites; with the highest bit, some that read the counter may be missing, because bytes could not be judged.
    pub count: AtomicU32,
    pub content: AtomicU64,
    pub offset: AtomicU64,
    pub len: AtomicU64,
    /// Offsets in the mapping; with [`CPUID_SITE`], of a CPUID.
    pub sites: [AtomicU32; CLOCK_SITES_MAX],
}

/// One task's log in a replay session; the table is sorted by (process, task).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Stream {
    pub process: u32,
    pub task: u32,
    /// Where its records lie in the session file (page-aligned), and how many bytes they take.
    pub offset: u64,
    pub len: u64,
    /// The stream's last event is the last thing that the recorded task did: 1. It was cut: 0.
    pub complete: u32,
    /// Signal that killed the task without an event of its own, or 0.
    pub killed_by: u32,
    /// 1: it was cut, and others of its group went on: the recorded task came to its next call, and
    /// they see what it stored until there.
    pub runs_on: u32,
    /// 1: a signal killed it with its whole process, so that the kernel marked its robust mutexes.
    pub marks_robust: u32,
}

/// Launch parameters, passed over `execve` as the value of [`crate::BOOT_ENV`]:
/// `arena_fd,shim_fd,exe_fd,slot,path` in decimal, the path last and verbatim.
#[derive(Clone, Copy, Debug)]
pub struct Boot<'a> {
    pub arena_fd: i32,
    pub shim_fd: i32,
    /// The program, open for reading, or -1 when there is none (replay).
    pub exe_fd: i32,
    pub slot: u32,
    /// The path as given to execve.
    pub path: &'a [u8],
}

impl<'a> Boot<'a> {
    /// Reads the value (without the name) back; `None` when it is malformed.
    pub fn parse(value: &'a [u8]) -> Option<Boot<'a>> {
        let mut rest = value;
        let mut number = || -> Option<i64> {
            let comma = rest.iter().position(|byte| *byte == b',')?;
            let (text, tail) = (&rest[..comma], &rest[comma + 1..]);
            rest = tail;
            let (negative, digits) = match text.split_first() {
                Some((b'-', digits)) => (true, digits),
                _ => (false, text),
            };
            if digits.is_empty() || digits.len() > 10 {
                return None;
            }
            let mut sum = 0i64;
            for digit in digits {
                if !digit.is_ascii_digit() {
                    return None;
                }
                sum = sum * 10 + i64::from(digit - b'0');
            }
            Some(if negative { -sum } else { sum })
        };
        let arena_fd = i32::try_from(number()?).ok()?;
        let shim_fd = i32::try_from(number()?).ok()?;
        let exe_fd = i32::try_from(number()?).ok()?;
        let slot = u32::try_from(number()?).ok()?;
        Some(Boot {
            arena_fd,
            shim_fd,
            exe_fd,
            slot,
            path: rest,
        })
    }
}
