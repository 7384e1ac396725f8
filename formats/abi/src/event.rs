//! Event records as they lie in a ring (recording) or in a replay log.
//!
//! One event is a [`Header`] followed, while `flags & MORE`, by [`Part`]s. Both are 8-byte
//! aligned, and both carry their own whole size, so a reader can walk them without knowing the
//! kinds. A record never exceeds [`RECORD_MAX`]; longer payloads are split into several parts.

/// Largest single record (header or part with its bytes), in bytes.
pub const RECORD_MAX: usize = 16 * 1024;

/// What an event is. Numbers are part of the trace format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A system call: `nr`, `args`, `ret`, outputs as parts.
    Call = 1,
    /// A new program image: the initial stack as an output part; `rip`/`rsp` are the entry.
    /// `args`: stack low end, stack bytes, brk start, arguments' start, environment's start, xstate bytes.
    Image = 2,
    /// One mapping made by the loader: `args` as for mmap, `ret` the address.
    Map = 3,
    /// A task runs for the first time: `ret` its tid as the program sees it; `args[0]` parent task.
    TaskStart = 4,
    /// An asynchronous signal was delivered: `nr` signal, `args[0]` 1 when the interrupted call is
    /// to be executed again afterwards, siginfo as a data part.
    Signal = 5,
    /// The program faulted: `nr` signal, `args[0]` si_code, `args[1]` fault address,
    /// `args[2]` trap number, `args[3]` error code; `ret` 1 when the program has a handler.
    Fault = 6,
    /// RDTSC or RDTSCP: `ret` the counter, `args[0]` TSC_AUX for RDTSCP.
    Tsc = 7,
    /// CPUID: `args[0..2]` leaf and subleaf, `args[2..6]` eax, ebx, ecx, edx.
    Cpuid = 8,
    /// A task ended in an orderly way: `ret` the exit code, `args[0]` 1 for the whole process.
    Exit = 9,
    /// Two groups became one: `args[0]` the group given up, `args[1]` its order there.
    Merge = 10,
    /// A task was stopped between calls, at `rip`: `args` and data parts are its state, see FORMAT.md.
    Preempt = 11,
    /// Events are missing here: `args[0]` the reason, see [`Gap`].
    Gap = 12,
    /// An end of a connection or pipe came to be: `args[0]` fd, `args[1]` device, `args[2]` inode,
    /// `args[3]` socket cookie, `args[4]` cookie of the network namespace, `args[5]` address family;
    /// its own address as data part 0, its peer's as data part 1, where it has them.
    Endpoint = 13,
    /// A checksum of state: `nr` what of, see FORMAT.md; hash as a data part.
    Checksum = 14,
    /// The following program runs unrecorded: `args[0]` the reason, path as a data part.
    Unrecorded = 15,
    /// The next call has already changed memory, although it is still to wait: outputs as parts.
    Stored = 16,
    /// The task goes on after others ran: behind a stop, or behind an instruction that gave its turn up.
    Resume = 17,
    /// The program said something about itself by the call that follows: `nr` a [`crate::mark::Mark`],
    /// `args[0]` a [`crate::mark::Form`], `args[1]` bytes of the name or text as given, `args[2]` bytes
    /// summed, `args[3]` bytes of the sum; the name or text as data part 0, the sum as data part 1.
    Mark = 37,
    /// Reserved kinds; readers skip what they do not know.
    Plan = 32,
    Step = 33,
    FaultIntent = 34,
    FaultEffect = 35,
    Assertion = 36,
    Checkpoint = 38,
    Redaction = 39,
    /// In rings only: a call like an earlier one, see [`Alike`].
    Alike = 253,
    /// In rings only: an event like an earlier one, see [`Again`].
    Again = 254,
    /// Not an event: a part of the one before it.
    Part = 255,
}

impl Kind {
    pub const ALL: &'static [Kind] = &[
        Kind::Call,
        Kind::Image,
        Kind::Map,
        Kind::TaskStart,
        Kind::Signal,
        Kind::Fault,
        Kind::Tsc,
        Kind::Cpuid,
        Kind::Exit,
        Kind::Merge,
        Kind::Preempt,
        Kind::Gap,
        Kind::Endpoint,
        Kind::Checksum,
        Kind::Unrecorded,
        Kind::Stored,
        Kind::Resume,
        Kind::Plan,
        Kind::Step,
        Kind::FaultIntent,
        Kind::FaultEffect,
        Kind::Assertion,
        Kind::Mark,
        Kind::Checkpoint,
        Kind::Redaction,
        Kind::Alike,
        Kind::Again,
        Kind::Part,
    ];

    pub fn from_u8(value: u8) -> Option<Kind> {
        Self::ALL.iter().copied().find(|kind| *kind as u8 == value)
    }

    /// The name used in traces, `show` and documentation.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Call => "call",
            Kind::Image => "image",
            Kind::Map => "map",
            Kind::TaskStart => "task-start",
            Kind::Signal => "signal",
            Kind::Fault => "fault",
            Kind::Tsc => "tsc",
            Kind::Cpuid => "cpuid",
            Kind::Exit => "exit",
            Kind::Merge => "merge",
            Kind::Preempt => "preempt",
            Kind::Gap => "gap",
            Kind::Endpoint => "endpoint",
            Kind::Checksum => "checksum",
            Kind::Unrecorded => "unrecorded",
            Kind::Stored => "stored",
            Kind::Resume => "resume",
            Kind::Plan => "plan",
            Kind::Step => "step",
            Kind::FaultIntent => "fault-intent",
            Kind::FaultEffect => "fault-effect",
            Kind::Assertion => "assertion",
            Kind::Mark => "mark",
            Kind::Checkpoint => "checkpoint",
            Kind::Redaction => "redaction",
            Kind::Alike => "alike",
            Kind::Again => "again",
            Kind::Part => "part",
        }
    }
}

/// `Header::flags` and `Part::flags`.
pub mod flags {
    /// Another part of this event follows.
    pub const MORE: u8 = 1;
    /// The task died inside this call, or was there when the recording ended: `ret` means nothing.
    pub const UNFINISHED: u8 = 2;
    /// The call wrote to the run's standard output; `Header::ticket` orders such writes.
    pub const STDOUT: u8 = 4;
    /// Likewise for standard error.
    pub const STDERR: u8 = 8;
    /// Nothing was compared for this event (the input could not be read).
    pub const NO_INPUT: u8 = 16;
}

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Gap {
    /// The recorder did not drain the ring within a second.
    Stalled = 1,
    /// No slot was free for a new task.
    NoSlot = 2,
    /// The recording ended while the task ran on.
    Detached = 3,
}

/// Fixed part of an event. Times in nanoseconds of CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// Bytes of this record (always [`HEADER_SIZE`]).
    pub size: u32,
    /// A [`Kind`].
    pub kind: u8,
    pub flags: u8,
    /// Syscall or signal number.
    pub nr: u16,
    /// Group of tasks that this event is ordered in.
    pub group: u32,
    /// In rings: the template (see [`Again`] and [`Alike`]) that this event becomes, plus one; 0: none.
    pub template: u32,
    /// Position in the group's total order.
    pub order: u64,
    /// With the flags STDOUT or STDERR: order among all such writes, from 1. Of a call that makes a
    /// task: the child's process number, shifted left by 32, and task number.
    pub ticket: u64,
    pub time_ns: u64,
    pub args: [u64; 6],
    pub ret: i64,
    pub rip: u64,
    pub rsp: u64,
    /// Hash of every byte that the call took from the program's memory.
    pub input_hash: u64,
}

/// Size of [`Header`], in bytes.
pub const HEADER_SIZE: usize = core::mem::size_of::<Header>();

/// In rings only, for what programs do most, reading clocks: an event that equals the last one which
/// became template number `template` of the task, but for its order, time, and the 16 bytes of its
/// only part. The recorder makes it whole again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Again {
    /// Bytes of this record (always [`AGAIN_SIZE`]).
    pub size: u32,
    /// Always `Kind::Again`.
    pub kind: u8,
    pub flags: u8,
    pub template: u16,
    pub order: u64,
    pub time_ns: u64,
    pub words: [u64; 2],
}

/// Size of [`Again`], in bytes.
pub const AGAIN_SIZE: usize = core::mem::size_of::<Again>();

/// In rings only, for the calls that programs make most: a call that equals the last one which became
/// template number `template` of the task in all that a header holds but order, time, result and input
/// hash. Its only part, if any, is what lies behind one argument. The recorder makes it whole again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Alike {
    /// Bytes of this record: [`ALIKE_SIZE`], and those of the part, padded with anything to 8.
    pub size: u32,
    /// Always `Kind::Alike`.
    pub kind: u8,
    /// The part, see [`alike`].
    pub part: u8,
    pub template: u16,
    pub order: u64,
    pub time_ns: u64,
    pub ret: i64,
    /// Of a call that took bytes, their hash, and the part has as many as it returned. Of one that wrote
    /// some, how many the part has.
    pub hash_or_len: u64,
}

/// Size of [`Alike`] without its part, in bytes.
pub const ALIKE_SIZE: usize = core::mem::size_of::<Alike>();

/// `Alike::part`: the argument that points at the bytes, and what was done with them.
pub mod alike {
    pub const ARGUMENT: u8 = 7;
    /// The call took bytes: there is a hash.
    pub const TAKEN: u8 = 8;
    /// The bytes that it took are the part.
    pub const INPUT: u8 = 16;
    /// The bytes that it wrote are the part.
    pub const OUTPUT: u8 = 32;
}

/// Templates of each task. A power of two.
pub const TEMPLATES: usize = 64;

/// What a part's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Bytes that the call wrote to the program's memory at `addr`.
    Output = 1,
    /// Bytes about the event that are not in the program's memory there; `addr` tells which (see FORMAT.md).
    Data = 2,
    /// Bytes that the call took from the program's memory at `addr`.
    Input = 3,
    /// `len` bytes at offset `addr` of content number `content`.
    Content = 4,
    /// Bytes of content number `content`, starting at its offset `addr`; not part of the event itself.
    ContentBytes = 5,
    /// Content number `content` is complete with `addr` bytes.
    ContentEnd = 6,
    /// `len` bytes at offset `addr` of shared object number `content`: of a mapping, what is mapped;
    /// of a write, where its bytes went; of a truncation, `len` is 0 and `addr` the new size.
    Object = 7,
}

impl Role {
    pub const ALL: &'static [Role] = &[
        Role::Output,
        Role::Data,
        Role::Input,
        Role::Content,
        Role::ContentBytes,
        Role::ContentEnd,
        Role::Object,
    ];

    /// Refers to bytes elsewhere: no payload follows, whatever `len` says.
    pub const fn is_reference(self) -> bool {
        matches!(self, Role::Content | Role::Object)
    }

    /// May stand in an event of a trace; the others only travel in rings.
    pub const fn in_trace(self) -> bool {
        !matches!(self, Role::ContentBytes | Role::ContentEnd)
    }

    pub fn from_u8(value: u8) -> Option<Role> {
        // Numbers are given without holes, from 1.
        Self::ALL.get(usize::from(value).wrapping_sub(1)).copied()
    }
}

/// A piece of payload; `len` bytes follow, padded with zeroes to 8 (none for the roles `Content`
/// and `ContentEnd`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Part {
    /// Bytes of this record with its padded payload.
    pub size: u32,
    /// Always `Kind::Part`.
    pub kind: u8,
    pub flags: u8,
    /// A [`Role`].
    pub role: u8,
    pub reserved: u8,
    pub addr: u64,
    pub len: u64,
    pub content: u64,
}

/// Size of [`Part`] without its payload, in bytes.
pub const PART_SIZE: usize = core::mem::size_of::<Part>();

/// Most payload bytes that one part record carries.
pub const PART_BYTES_MAX: usize = RECORD_MAX - PART_SIZE;
