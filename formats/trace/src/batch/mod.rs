//! Batches: a run of events of one stream as columns.
//!
//! Both sides keep the same expectations in [`Sites`]: what the next event of a site (kind, flags,
//! number and instruction) will look like, namely like the one before it. Columns hold only the
//! differences, so a column that is all expectation is all zeros and is not stored.

mod decode;
mod encode;

pub(crate) use decode::{stream_of, PartPayload, RawEvent, Reading};
pub(crate) use encode::{Batch, Stored};

use crate::limits::{PREDICTED_PARTS_MAX, WORDS_BYTES_MAX};

/// In the role column: the payload lies in content chunks.
const CHUNKED: u8 = 0x80;
/// In the role column: the payload is stored as differences of words.
const WORDS: u8 = 0x40;
/// The role itself.
const ROLE: u8 = 0x3f;

/// Codes of the hash column: none, as before at this site, then the batch's distinct hashes.
const HASH_NONE: u64 = 0;
const HASH_SAME: u64 = 1;
const HASH_FIRST: u64 = 2;

const WORD_COUNT: usize = WORDS_BYTES_MAX / 8;

/// The columns, in the order in which they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Col {
    SiteKind,
    SiteFlags,
    SiteNr,
    SiteRip,
    SiteTicket,
    Site,
    Group,
    Order,
    Ticket,
    Time,
    Arg0,
    Arg1,
    Arg2,
    Arg3,
    Arg4,
    Arg5,
    Ret,
    Rsp,
    Hash,
    Hashes,
    Parts,
    Role,
    Addr,
    Len,
    Content,
    Words,
    Bytes,
    Chunks,
}

const ARGS: [Col; 6] = [
    Col::Arg0,
    Col::Arg1,
    Col::Arg2,
    Col::Arg3,
    Col::Arg4,
    Col::Arg5,
];

const COLUMNS: usize = Col::Chunks as usize + 1;

/// Names in the file, by [`Col`].
const NAMES: [&str; COLUMNS] = [
    "site_kind",
    "site_flags",
    "site_nr",
    "site_rip",
    "site_ticket",
    "site",
    "group",
    "order",
    "ticket",
    "time",
    "arg0",
    "arg1",
    "arg2",
    "arg3",
    "arg4",
    "arg5",
    "ret",
    "rsp",
    "hash",
    "hashes",
    "parts",
    "role",
    "addr",
    "len",
    "content",
    "words",
    "bytes",
    "chunks",
];

/// Columns that hold raw bytes rather than numbers, and are stored whenever not empty.
fn is_raw(column: usize) -> bool {
    const RAW: [Col; 6] = [
        Col::SiteKind,
        Col::Site,
        Col::Hashes,
        Col::Role,
        Col::Words,
        Col::Bytes,
    ];
    RAW.iter().any(|raw| *raw as usize == column) || column == Col::Chunks as usize
}

/// What tells events apart that resemble each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Site {
    kind: u8,
    flags: u8,
    nr: u16,
    rip: u64,
    /// Whether its events have a ticket.
    ticketed: bool,
}

/// The previous event of a site.
#[derive(Clone, Debug, Default)]
struct Last {
    args: [u64; 6],
    ret: u64,
    rsp: u64,
    hash: u64,
    part_count: u64,
    parts: Vec<LastPart>,
}

/// The previous part at some place.
#[derive(Clone, Copy, Debug, Default)]
struct LastPart {
    addr: u64,
    len: u64,
    content: u64,
    words: [u64; WORD_COUNT],
}

/// Expectations that run over all events of a batch, whatever their site.
#[derive(Clone, Copy, Debug, Default)]
struct Running {
    group: u64,
    order: u64,
    ticket: u64,
    time_ns: u64,
    rsp: u64,
}

impl Last {
    /// Expectations before the first event of a site: only the stack is near what it was.
    fn fresh(running: &Running) -> Last {
        Last {
            rsp: running.rsp,
            ..Last::default()
        }
    }

    /// What is expected of part number `at` when `before` is the part before it.
    fn part(&self, at: usize, before: Option<&LastPart>) -> LastPart {
        match (self.parts.get(at), before) {
            (Some(part), _) => *part,
            (None, Some(before)) => LastPart {
                addr: before.addr.wrapping_add(before.len),
                words: [0; WORD_COUNT],
                ..*before
            },
            (None, None) => LastPart::default(),
        }
    }

    /// Remembers part number `at` for the next event of the site.
    fn remember(&mut self, at: usize, part: LastPart) {
        if at < self.parts.len() {
            self.parts[at] = part;
        } else if at < PREDICTED_PARTS_MAX {
            self.parts.push(part);
        }
    }
}

/// Whether a payload may be stored as differences of words: a small one of whole words, as long as
/// the one it is expected to be like.
fn may_be_words(len: u64, expected: u64) -> bool {
    len > 0 && len <= WORDS_BYTES_MAX as u64 && len % 8 == 0 && len == expected
}

/// Whether an inline payload is a candidate for being an expectation.
fn has_words(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.len() <= WORDS_BYTES_MAX && bytes.len() % 8 == 0
}

/// The words of an inline payload, all zero when it is no candidate for being an expectation.
fn words_of(bytes: &[u8]) -> [u64; WORD_COUNT] {
    let mut words = [0; WORD_COUNT];
    if has_words(bytes) {
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of 8"));
        }
    }
    words
}
