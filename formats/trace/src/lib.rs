//! The trace file `trace.zst`: writer, reader, recovery of cut files, index and verification.
//!
//! A trace is a sequence of independent zstd frames, each a run of MessagePack values, each
//! followed by a seal that proves it and its place. `formats/FORMAT.md` is the normative
//! description; this crate is its only implementation in Rust.
//!
//! What must already hold: nothing. A trace is untrusted input, and every size taken from a file
//! is bounded by a constant in [`limits`] before anything is allocated for it.
//!
//! What it never does: print, panic on a file's contents, use `unsafe`, or depend on the platform
//! (traces are read on any system, whichever one they were recorded on).
#![forbid(unsafe_code)]

mod batch;
mod content;
mod cursor;
mod draft;
mod envelope;
mod error;
mod index;
pub mod limits;
mod mark;
mod model;
mod msgpack;
mod press;
mod reader;
mod rewrite;
mod scan;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod varint;
mod verify;
mod version;
mod writer;

pub use cursor::Cursor;
pub use error::{TraceError, WriteError};
pub use index::{FrameInfo, StreamRange};
pub use mark::Mark;
pub use model::{
    Anchor, End, Event, EventPart, Item, Meta, PartRef, ProcessEnd, StreamId, StreamInfo, Summary,
};
pub use reader::{FileContent, Reader, Recording};
pub use rewrite::rewrite;
pub use table::{TableArg, TableRow};
pub use verify::VerifySummary;
pub use version::{FormatMajor, FormatMinor, FormatVersion, Unreadable};
pub use writer::{Options, PairAgain, StreamHandle, Writer};

/// BLAKE3 digest.
pub type Digest = [u8; 32];
