//! What a trace holds, as programs see it.

use std::fmt;

use reenact_abi::event::{Header, Role};
use serde::{Deserialize, Serialize};

/// A task of a process: one stream of events. Both ids are the recording's own, never the kernel's.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct StreamId {
    pub process: u32,
    pub task: u32,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}, task {}", self.process, self.task)
    }
}

/// One event with its payload.
///
/// The trace does not store `header.size`, `header.template` and the flag `MORE`, which describe
/// the ring: a reader sets them to `HEADER_SIZE`, 0 and whether there are parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub header: Header,
    pub parts: Vec<EventPart>,
}

/// A piece of an event's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPart {
    /// `Output`, `Data`, `Input` or `Content`.
    pub role: Role,
    /// Address in the program's memory; for `Content` the offset in the content.
    pub addr: u64,
    /// For `Content` the bytes taken from the content; otherwise always `bytes.len()`.
    pub len: u64,
    /// The content's number, for `Content`.
    pub content: u64,
    /// Empty for `Content`.
    pub bytes: Vec<u8>,
}

/// An [`EventPart`] whose bytes lie elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct PartRef<'a> {
    pub role: Role,
    pub addr: u64,
    pub len: u64,
    pub content: u64,
    pub bytes: &'a [u8],
}

impl Event {
    pub fn part_refs(&self) -> Vec<PartRef<'_>> {
        let parts = self.parts.iter().map(|part| PartRef {
            role: part.role,
            addr: part.addr,
            len: part.len,
            content: part.content,
            bytes: &part.bytes,
        });
        parts.collect()
    }
}

/// What was recorded, where and how. The first value after the first frame's header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The recording's identity.
    pub uuid: [u8; 16],
    /// Version of `record`.
    pub tool_version: String,
    pub argv: Vec<Vec<u8>>,
    pub cwd: Vec<u8>,
    pub host: String,
    /// The kernel's boot id: monotonic times are comparable within one.
    pub boot_id: String,
    pub kernel: String,
    pub cpu: String,
    pub uid: u32,
    /// Wall clock at the start, nanoseconds since 1970.
    pub wall_start_ns: u64,
    /// CLOCK_MONOTONIC at the same moment.
    pub mono_start_ns: u64,
    /// How calls were caught: `sud` or `seccomp`.
    pub net: String,
    /// Whether sites were rewritten.
    pub patched: bool,
    /// The seed that schedules and short transfers were drawn from, if they were.
    pub chaos: Option<u64>,
    pub root_process: u32,
    /// What standard output was: `tty`, `pipe`, `file`, ….
    pub stdout: String,
    pub stderr: String,
}

/// How a stream ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEnd {
    pub process: u32,
    pub task: u32,
    /// Whether every event of it was recorded.
    pub complete: bool,
    /// The signal that killed it, or 0.
    pub killed_by: u32,
    /// Path of the last program that it ran.
    pub exe: Vec<u8>,
    /// The parent process, 0 for none that was recorded.
    pub parent: u32,
}

impl ProcessEnd {
    pub fn stream(&self) -> StreamId {
        StreamId {
            process: self.process,
            task: self.task,
        }
    }
}

/// The two clocks of a host at one moment, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    pub wall_ns: u64,
    pub mono_ns: u64,
}

/// How a recording ended. The last value of its last frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The root process's exit code, unless a signal killed it.
    pub exit_code: Option<i32>,
    /// The signal that killed the root process.
    pub signal: Option<i32>,
    pub wall_end_ns: u64,
    pub mono_end_ns: u64,
    /// Whether nothing is missing.
    pub complete: bool,
    /// Why something is missing, for people.
    pub reasons: Vec<String>,
    /// Events, streams, content chunks and their bytes in the trace; the writer fills these in.
    pub events: u64,
    pub streams: u64,
    pub chunks: u64,
    pub chunk_bytes: u64,
}

/// What a finished trace came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Size of the file.
    pub bytes: u64,
    /// Size of all frames before compression.
    pub raw_bytes: u64,
    pub frames: u64,
    pub streams: u64,
    pub events: u64,
    pub chunks: u64,
    pub chunk_bytes: u64,
}

/// One stream as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    pub stream: StreamId,
    pub events: u64,
    /// Positions in the file of the first and last frame that hold events of it.
    pub first_frame: u64,
    pub last_frame: u64,
}

/// What [`crate::Reader::for_each`] hands out, in the order of the file. Events of one stream come
/// in their order; different streams interleave by the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Event {
        stream: StreamId,
        /// Position in the stream, from 0.
        seq: u64,
        event: Event,
    },
    /// A content is whole: [`crate::Reader::file`] reads it.
    File {
        number: u64,
        size: u64,
    },
    Anchor(Anchor),
    ProcessEnd(ProcessEnd),
    End(End),
}
