//! What can go wrong, with the place where it did and what to do next.

use std::io;
use std::path::PathBuf;

use crate::model::StreamId;
use crate::version::FormatVersion;

/// A trace cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The operating system refused.
    #[error("cannot read the trace {}: {source}; check the path and its permissions", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The file is something else.
    #[error("{} is not a trace: {what}; give the file that `record` wrote", path.display())]
    NotATrace { path: PathBuf, what: String },
    /// The recording ended (or the file was cut) before its first frame was whole.
    #[error("{} holds no whole frame: the recording was cut at its very start; record again", path.display())]
    Empty { path: PathBuf },
    /// Written by a version that this build does not read.
    #[error("{} has format version {found}, and this build reads {supported}; use the version of Reenact that recorded it, or a newer one", path.display())]
    Version {
        path: PathBuf,
        found: FormatVersion,
        supported: FormatVersion,
    },
    /// The bytes are not those that were written.
    #[error("{} is damaged in frame {frame} at byte {offset}: {what}; copy it again from where it was recorded, or record again", path.display())]
    Corrupt {
        path: PathBuf,
        /// Position of the frame in the file, from 0.
        frame: u64,
        /// Position in the file, in bytes.
        offset: u64,
        what: String,
    },
    /// A content number that the trace does not hold in full.
    #[error("{} does not hold content {number} in full: {what}; the recording was cut before it was stored", path.display())]
    NoContent {
        path: PathBuf,
        number: u64,
        what: String,
    },
    /// The place that content was to be written to refused.
    #[error("cannot write content {number} of {}: {source}; check the space and permissions of the destination", path.display())]
    Output {
        path: PathBuf,
        number: u64,
        source: io::Error,
    },
    /// A changed copy could not be written.
    #[error("cannot write a copy: {0}")]
    Rewrite(#[from] WriteError),
}

/// A trace cannot be written (further). What is on disk stays readable as a cut trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file cannot be created.
    #[error("cannot create the trace {}: {source}; choose a writable place with --output", path.display())]
    Create { path: PathBuf, source: io::Error },
    /// The file cannot be extended.
    #[error("cannot write frame {frame} of the trace {}: {source}; the trace ends before it, free some space and record again", path.display())]
    Write {
        path: PathBuf,
        frame: u64,
        source: io::Error,
    },
    /// An earlier error ended the trace.
    #[error("the trace {} ended earlier, at frame {frame}, with an error", path.display())]
    Ended { path: PathBuf, frame: u64 },
    /// The event cannot be stored as it is.
    #[error("event {seq} of process {}, task {} cannot be stored: {what}", stream.process, stream.task)]
    BadEvent {
        stream: StreamId,
        seq: u64,
        what: String,
    },
    /// The content cannot be stored as it is.
    #[error("content {number} cannot be stored: {what}")]
    BadContent { number: u64, what: String },
    /// A value is too large for the format.
    #[error("the trace's {what} is too large: {bytes} bytes of at most {max}")]
    TooLarge {
        what: &'static str,
        bytes: usize,
        max: usize,
    },
}

/// What is wrong with some bytes, before it is known which file and frame they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub what: String,
}

impl Damage {
    pub fn new(what: impl Into<String>) -> Damage {
        Damage { what: what.into() }
    }

    pub fn because(self, context: impl std::fmt::Display) -> Damage {
        Damage {
            what: format!("{context}: {}", self.what),
        }
    }
}
