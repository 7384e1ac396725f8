//! Contents on their way into a trace: cut into chunks, each stored once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use reenact_abi::event::Role;

use crate::error::WriteError;
use crate::index::Holds;
use crate::limits::{CHUNK_MAX, CONTENT_BUFFERED_MAX, FILE_CHUNKS_MAX};
use crate::model::PartRef;
use crate::values::{Chunk, FileValue};
use crate::writer::{Frames, Writer};
use crate::Digest;

/// A content that is being received.
#[derive(Default)]
struct Open {
    /// Bytes received.
    received: u64,
    /// Offset of the first chunk not listed yet.
    listed: u64,
    /// Chunks not listed yet.
    chunks: Vec<(u32, Digest)>,
    /// Bytes not stored yet.
    pending: Vec<u8>,
}

/// Every content and chunk of a recording.
#[derive(Default)]
pub(crate) struct Contents {
    open: BTreeMap<u64, Open>,
    ended: BTreeSet<u64>,
    /// Referred to by events, and not ended then.
    wanted: BTreeSet<u64>,
    /// Bytes held back over all of `open`.
    buffered: usize,
    known: HashSet<Digest>,
    pub chunk_bytes: u64,
}

impl Contents {
    pub fn chunks(&self) -> u64 {
        self.known.len() as u64
    }

    /// Numbers of the contents that events refer to and that never ended. One that nothing refers to
    /// is no loss: who sent it was killed at it.
    pub fn missing(&self) -> Vec<u64> {
        let wanted = |number: &&u64| self.wanted.contains(number);
        self.open.keys().filter(wanted).copied().collect()
    }

    /// Notes the contents that an event refers to; 0 stands for zeroes.
    pub fn refer(&mut self, parts: &[PartRef<'_>]) {
        for part in parts.iter().filter(|part| part.role == Role::Content) {
            if part.content != 0 && !self.ended.contains(&part.content) {
                self.wanted.insert(part.content);
            }
        }
    }

    /// Stores a chunk unless the trace has it already.
    pub fn store(&mut self, frames: &mut Frames, bytes: &[u8]) -> Result<Digest, WriteError> {
        let hash: Digest = blake3::hash(bytes).into();
        if !self.known.contains(&hash) {
            let value = Chunk { hash, bytes }.encode();
            frames.value(&value, Holds::CONTENT)?;
            frames.draft.chunks.push(hash);
            frames.seal_if_full()?;
            self.known.insert(hash);
            self.chunk_bytes += bytes.len() as u64;
        }
        Ok(hash)
    }

    /// Notes a chunk that was stored as it is.
    pub fn copied(&mut self, chunk: &Chunk<'_>) {
        self.known.insert(chunk.hash);
    }

    /// Stores a payload of any size as chunks.
    pub fn store_all(
        &mut self,
        frames: &mut Frames,
        bytes: &[u8],
    ) -> Result<Vec<Digest>, WriteError> {
        let chunks = bytes.chunks(CHUNK_MAX);
        chunks.map(|chunk| self.store(frames, chunk)).collect()
    }

    /// Stores what content `number` has pending: a whole chunk, or all of it when `all`.
    fn store_pending(
        &mut self,
        frames: &mut Frames,
        number: u64,
        all: bool,
    ) -> Result<(), WriteError> {
        let Some(mut open) = self.open.remove(&number) else {
            return Ok(());
        };
        let stored = self.store_open(frames, number, &mut open, all);
        self.open.insert(number, open);
        stored
    }

    fn store_open(
        &mut self,
        frames: &mut Frames,
        number: u64,
        open: &mut Open,
        all: bool,
    ) -> Result<(), WriteError> {
        let whole = open.pending.len() - open.pending.len() % CHUNK_MAX;
        let take = if all { open.pending.len() } else { whole };
        for chunk in open.pending[..take].chunks(CHUNK_MAX) {
            let hash = self.store(frames, chunk)?;
            open.chunks.push((chunk.len() as u32, hash));
        }
        open.pending.drain(..take);
        self.buffered -= take;
        while open.chunks.len() >= FILE_CHUNKS_MAX {
            list(frames, number, open, None)?;
        }
        Ok(())
    }

    /// Stores the largest pending pieces until little enough is held back.
    fn relieve(&mut self, frames: &mut Frames) -> Result<(), WriteError> {
        while self.buffered > CONTENT_BUFFERED_MAX {
            let largest = self.open.iter().max_by_key(|(_, open)| open.pending.len());
            let number = *largest.expect("something holds the bytes").0;
            self.store_pending(frames, number, true)?;
        }
        Ok(())
    }

    fn receive(
        &mut self,
        frames: &mut Frames,
        number: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        let bad = |what: String| Err(WriteError::BadContent { number, what });
        if self.ended.contains(&number) {
            return bad("it has ended before".into());
        }
        let open = self.open.entry(number).or_default();
        if offset != open.received {
            return bad(format!("offset {offset} follows {} bytes", open.received));
        }
        // Taken in slices, so that a large call holds back no more than a chunk.
        for bytes in bytes.chunks(CHUNK_MAX) {
            let open = self.open.entry(number).or_default();
            open.pending.extend_from_slice(bytes);
            open.received += bytes.len() as u64;
            self.buffered += bytes.len();
            self.store_pending(frames, number, false)?;
        }
        self.relieve(frames)
    }

    fn end(&mut self, frames: &mut Frames, number: u64, size: u64) -> Result<(), WriteError> {
        let received = self.open.get(&number).map_or(0, |open| open.received);
        if self.ended.contains(&number) || received != size {
            let what = format!("it ends at {size} bytes, and {received} were received");
            return Err(WriteError::BadContent { number, what });
        }
        self.store_pending(frames, number, true)?;
        let mut open = self.open.remove(&number).unwrap_or_default();
        self.ended.insert(number);
        list(frames, number, &mut open, Some(size))
    }
}

/// Lists the chunks of a content that are not listed yet.
fn list(
    frames: &mut Frames,
    number: u64,
    open: &mut Open,
    size: Option<u64>,
) -> Result<(), WriteError> {
    let take = open.chunks.len().min(FILE_CHUNKS_MAX);
    let value = FileValue {
        number,
        offset: open.listed,
        size,
        chunks: open.chunks.drain(..take).collect(),
    };
    open.listed += value.listed();
    frames.value(&value.encode(), Holds::FILE)?;
    frames.draft.files.push(number);
    frames.seal_if_full()
}

impl Writer {
    /// Adds bytes to content `number`. Each content's bytes come in order and without holes.
    ///
    /// # Errors
    ///
    /// [`WriteError::BadContent`] for bytes out of order, which leaves the trace usable.
    pub fn content_bytes(
        &mut self,
        number: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        self.frames.check()?;
        self.contents
            .receive(&mut self.frames, number, offset, bytes)
    }

    /// Ends content `number`, which must have received `size` bytes.
    ///
    /// # Errors
    ///
    /// [`WriteError::BadContent`] when it did not, which leaves the content unfinished.
    pub fn content_end(&mut self, number: u64, size: u64) -> Result<(), WriteError> {
        self.frames.check()?;
        self.contents.end(&mut self.frames, number, size)
    }
}
