//! The writer: events into batches, batches into frames, frames into the file.
//!
//! What must already hold: one writer per file. What is on disk is a readable (if cut) trace at any
//! time, whatever happens to the recorder: frames are written whole, in one call each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reenact_abi::event::{Header, Kind, Role};

use crate::batch::{Batch, Stored};
use crate::content::Contents;
use crate::draft::Draft;
use crate::error::WriteError;
use crate::index::{Holds, StreamRange};
use crate::limits::{
    BUFFERED_MAX, CHUNKED_FROM, EVENT_BYTES_MAX, EVENT_INLINE_MAX, EVENT_PARTS_MAX,
};
use crate::model::{Anchor, End, Event, Meta, PartRef, ProcessEnd, StreamId, Summary};
use crate::press::{Press, Written};
use crate::table::{self, TableRow};
use crate::values::Origin;

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// zstd's level.
    pub level: i32,
}

impl Default for Options {
    fn default() -> Options {
        Options { level: 3 }
    }
}

/// A stream's place in a [`Writer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHandle(usize);

/// What an event has of its own that is a pair like the one before it.
#[derive(Clone, Copy, Debug)]
pub struct PairAgain {
    pub order: u64,
    pub time_ns: u64,
    pub words: [u64; 2],
}

/// A stream, and the batch of it that is being collected.
struct Collected {
    stream: StreamId,
    next_seq: u64,
    batch: Option<Box<Batch>>,
}

/// Writes one trace.
pub struct Writer {
    pub(crate) frames: Frames,
    pub(crate) contents: Contents,
    streams: Vec<Collected>,
    by_id: BTreeMap<StreamId, usize>,
    /// Column bytes held back over all batches.
    buffered: usize,
    events: u64,
}

impl Writer {
    /// Creates (or replaces the contents of) the file at `path` and writes the first frame, so
    /// that an unwritable place is noticed before anything is started. A new file is readable by
    /// its owner only: a trace holds everything that the programs saw.
    pub fn create(path: &Path, meta: &Meta) -> Result<Writer, WriteError> {
        Writer::create_with(path, meta, Options::default())
    }

    /// The same with other than the default options.
    pub fn create_with(path: &Path, meta: &Meta, options: Options) -> Result<Writer, WriteError> {
        Writer::create_from(path, meta, options, &table::current())
    }

    pub(crate) fn create_from(
        path: &Path,
        meta: &Meta,
        options: Options,
        rows: &[TableRow],
    ) -> Result<Writer, WriteError> {
        let mut frames = Frames::create(path, meta.origin(), options)?;
        frames.value(&meta.encode(), Holds::META)?;
        frames.value(&table::encode(rows), Holds::TABLE)?;
        frames.seal()?;
        Ok(Writer {
            frames,
            contents: Contents::default(),
            streams: Vec::new(),
            by_id: BTreeMap::new(),
            buffered: 0,
            events: 0,
        })
    }

    pub fn path(&self) -> &Path {
        &self.frames.path
    }

    /// Bytes written to the file so far.
    pub fn bytes_written(&self) -> u64 {
        self.frames.press.bytes_written()
    }

    /// Events taken so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Adds the next event of a stream.
    ///
    /// # Errors
    ///
    /// [`WriteError::BadEvent`] for an event that the format cannot hold, which leaves the trace
    /// usable without it; others end the trace.
    pub fn event(&mut self, stream: StreamId, event: Event) -> Result<(), WriteError> {
        let handle = self.handle(stream);
        self.event_of(handle, &event.header, &event.part_refs())
    }

    /// The stream's place here, for many calls of [`Writer::event_of`].
    pub fn handle(&mut self, stream: StreamId) -> StreamHandle {
        let next = self.streams.len();
        let index = *self.by_id.entry(stream).or_insert(next);
        if index == next {
            self.streams.push(Collected {
                stream,
                next_seq: 0,
                batch: None,
            });
        }
        StreamHandle(index)
    }

    /// Adds the next event of a stream, whose bytes lie elsewhere.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::event`].
    pub fn event_of(
        &mut self,
        handle: StreamHandle,
        header: &Header,
        parts: &[PartRef<'_>],
    ) -> Result<(), WriteError> {
        self.frames.check()?;
        let collected = &mut self.streams[handle.0];
        let (stream, seq) = (collected.stream, collected.next_seq);
        check_event(header, parts).map_err(|what| WriteError::BadEvent { stream, seq, what })?;
        let small =
            |part: &PartRef<'_>| part.bytes.len() < CHUNKED_FROM && !part.role.is_reference();
        // Most events have one short piece of memory, or none.
        let stored = if parts.len() <= 1 && parts.iter().all(small) {
            Stored::default()
        } else {
            self.contents.refer(parts);
            store(&mut self.contents, &mut self.frames, parts)?
        };
        self.push(handle, |batch| batch.push(header, parts, &stored))
    }

    /// Adds the next event of a stream: one without input hash and ticket, whose only part is these two
    /// words, written at `addr`.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::event`].
    pub fn pair_of(
        &mut self,
        handle: StreamHandle,
        header: &Header,
        addr: u64,
        pair: [u64; 2],
    ) -> Result<(), WriteError> {
        self.frames.check()?;
        let collected = &self.streams[handle.0];
        let (stream, seq) = (collected.stream, collected.next_seq);
        check_kind(header).map_err(|what| WriteError::BadEvent { stream, seq, what })?;
        self.push(handle, |batch| batch.push_pair(header, addr, pair))
    }

    /// Adds events that differ from the stream's last one, which [`Writer::pair_of`] or this added, in
    /// their order, their time and their two words alone. Returns how many of them it took: none where
    /// that takes the whole of the first.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::event`].
    pub fn pairs_again(
        &mut self,
        handle: StreamHandle,
        pairs: impl Iterator<Item = PairAgain>,
    ) -> Result<usize, WriteError> {
        self.frames.check()?;
        let collected = &mut self.streams[handle.0];
        let Some(batch) = &mut collected.batch else {
            return Ok(0);
        };
        let before = batch.weight();
        let taken = batch.push_pairs_again(pairs);
        self.buffered += batch.weight() - before;
        collected.next_seq += taken as u64;
        self.events += taken as u64;
        let full = batch.is_full();
        self.end_if_full(handle, full)?;
        Ok(taken)
    }

    fn push(
        &mut self,
        handle: StreamHandle,
        put: impl FnOnce(&mut Batch),
    ) -> Result<(), WriteError> {
        let collected = &mut self.streams[handle.0];
        let (stream, seq) = (collected.stream, collected.next_seq);
        let batch = collected
            .batch
            .get_or_insert_with(|| Box::new(Batch::new(stream, seq)));
        let before = batch.weight();
        put(batch);
        self.buffered += batch.weight() - before;
        collected.next_seq += 1;
        self.events += 1;
        let full = batch.is_full();
        self.end_if_full(handle, full)
    }

    #[inline(always)]
    fn end_if_full(&mut self, handle: StreamHandle, full: bool) -> Result<(), WriteError> {
        if full {
            self.end_batch(handle)?;
        }
        if self.buffered > BUFFERED_MAX {
            self.end_batches()?;
        }
        Ok(())
    }

    /// Notes what both clocks showed at one moment.
    pub fn anchor(&mut self, wall_ns: u64, mono_ns: u64) -> Result<(), WriteError> {
        let anchor = Anchor { wall_ns, mono_ns };
        self.frames.value(&anchor.encode(), Holds::ANCHOR)?;
        self.frames.seal_if_full()
    }

    /// Notes how a stream ended, after its last event.
    pub fn process_end(&mut self, end: &ProcessEnd) -> Result<(), WriteError> {
        let handle = self.handle(end.stream());
        self.end_batch(handle)?;
        self.frames.value(&end.encode(), Holds::PROCESS)?;
        self.frames.seal_if_full()
    }

    /// Writes everything that is held back as a whole frame (but for contents that have not
    /// ended): what the recorder's death can cost from here on is what comes later.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.end_batches()?;
        self.frames.seal()?;
        self.frames.settle()
    }

    /// Ends the trace: `end` with its counts, then the index.
    pub fn finish(mut self, end: &End) -> Result<Summary, WriteError> {
        self.end_batches()?;
        let mut end = End {
            events: self.events,
            streams: self.streams.iter().filter(|of| of.next_seq != 0).count() as u64,
            chunks: self.contents.chunks(),
            chunk_bytes: self.contents.chunk_bytes,
            ..end.clone()
        };
        for number in self.contents.missing() {
            end.complete = false;
            end.reasons
                .push(format!("content {number} was not received in full"));
        }
        self.frames.value(&end.encode(), Holds::END)?;
        self.frames.seal()?;
        let written = self.frames.finish()?;
        Ok(Summary {
            bytes: written.bytes,
            raw_bytes: written.raw_bytes,
            frames: written.frames,
            streams: end.streams,
            events: end.events,
            chunks: end.chunks,
            chunk_bytes: end.chunk_bytes,
        })
    }

    fn end_batch(&mut self, handle: StreamHandle) -> Result<(), WriteError> {
        let Some(batch) = self.streams[handle.0].batch.take() else {
            return self.frames.check();
        };
        self.buffered -= batch.weight();
        self.frames.batch(*batch)
    }

    fn end_batches(&mut self) -> Result<(), WriteError> {
        self.buffered = 0;
        for index in self.by_id.values() {
            if let Some(batch) = self.streams[*index].batch.take() {
                self.frames.batch(*batch)?;
            }
        }
        Ok(())
    }
}

fn check_kind(header: &Header) -> Result<(), String> {
    const NONE: [u8; 3] = [Kind::Part as u8, Kind::Again as u8, Kind::Alike as u8];
    if NONE.contains(&header.kind) {
        return Err("a part or a repetition is no event".into());
    }
    Ok(())
}

/// Whether the format can hold the event.
pub(crate) fn check_event(header: &Header, parts: &[PartRef<'_>]) -> Result<(), String> {
    check_kind(header)?;
    if parts.len() > EVENT_PARTS_MAX {
        return Err(format!("more than {EVENT_PARTS_MAX} parts"));
    }
    let mut bytes = 0;
    for part in parts {
        let expected = match part.role {
            Role::Output | Role::Data | Role::Input => part.len,
            Role::Content | Role::Object => 0,
            Role::ContentBytes | Role::ContentEnd => {
                return Err("a content's bytes are no part of an event".into())
            }
        };
        if part.bytes.len() as u64 != expected {
            return Err(format!(
                "a part of length {} with {} bytes",
                part.len,
                part.bytes.len()
            ));
        }
        bytes += part.bytes.len();
    }
    if bytes > EVENT_BYTES_MAX {
        return Err(format!(
            "a payload of {bytes} bytes, and at most {EVENT_BYTES_MAX} can be: give it as content"
        ));
    }
    Ok(())
}

/// Stores the payloads that are too large for a batch.
pub(crate) fn store(
    contents: &mut Contents,
    frames: &mut Frames,
    parts: &[PartRef<'_>],
) -> Result<Stored, WriteError> {
    let bytes = |part: &PartRef<'_>| part.bytes.len();
    let small = parts.iter().all(|part| bytes(part) < CHUNKED_FROM);
    let mut stored = Stored::default();
    if small && parts.iter().map(bytes).sum::<usize>() <= EVENT_INLINE_MAX {
        return Ok(stored);
    }
    let mut inline_left = EVENT_INLINE_MAX;
    for (at, part) in parts.iter().enumerate() {
        let len = bytes(part);
        if len < CHUNKED_FROM && len <= inline_left {
            inline_left -= len;
        } else {
            let chunks = contents.store_all(frames, part.bytes)?;
            stored.0.push((at, chunks));
        }
    }
    Ok(stored)
}

/// The frame that is being filled, and where full ones go.
pub(crate) struct Frames {
    path: PathBuf,
    origin: Origin,
    pub draft: Draft,
    press: Press,
    /// The first frame that is not there: an error ended the trace, or it is finished.
    ended: Option<u64>,
}

impl Frames {
    pub fn create(path: &Path, origin: Origin, options: Options) -> Result<Frames, WriteError> {
        let press = Press::create(path, origin.uuid, options)?;
        Ok(Frames {
            path: path.to_owned(),
            origin,
            draft: Draft::default(),
            press,
            ended: None,
        })
    }

    /// Fails once an error has ended the trace.
    pub fn check(&mut self) -> Result<(), WriteError> {
        if let Some(frame) = self.ended {
            return Err(WriteError::Ended {
                path: self.path.clone(),
                frame,
            });
        }
        if let Some(error) = self.press.failed() {
            self.ended = match error {
                WriteError::Write { frame, .. } => Some(frame),
                _ => Some(self.press.frames()),
            };
            return Err(error);
        }
        Ok(())
    }

    fn end(&mut self) {
        self.ended = Some(self.press.frames());
    }

    /// Adds a value to the current frame, or to a new one if it has no room left.
    pub fn value(&mut self, value: &[u8], holds: Holds) -> Result<(), WriteError> {
        self.make_room(value.len())?;
        self.draft.value(value, holds)
    }

    pub fn batch(&mut self, batch: Batch) -> Result<(), WriteError> {
        let range = StreamRange {
            stream: batch.stream(),
            first: batch.first_seq(),
            count: batch.count(),
        };
        let time = batch.time();
        let value = batch.encode();
        self.make_room(value.len())?;
        let added = self.draft.batch(range, time, &value);
        added.inspect_err(|_| self.end())?;
        self.seal_if_full()
    }

    fn make_room(&mut self, len: usize) -> Result<(), WriteError> {
        self.check()?;
        if self.draft.has_room(len) {
            return Ok(());
        }
        self.seal()
    }

    pub fn seal_if_full(&mut self) -> Result<(), WriteError> {
        if self.draft.is_full() {
            self.seal()?;
        }
        Ok(())
    }

    /// Gives the current frame away to be written, unless it is empty.
    pub fn seal(&mut self) -> Result<(), WriteError> {
        self.check()?;
        if self.draft.is_empty() {
            return Ok(());
        }
        let draft = std::mem::take(&mut self.draft);
        let plain = draft.finish(&self.origin, self.press.frames());
        // A frame that is lost leaves a hole in its streams, so nothing may follow it.
        let plain = plain.inspect_err(|_| self.end())?;
        self.press.frame(plain);
        self.check()
    }

    /// Waits until all full frames are in the file.
    pub fn settle(&mut self) -> Result<(), WriteError> {
        let settled = self.press.settle();
        self.check()?;
        settled.inspect_err(|_| self.end())
    }

    /// Makes every later write fail, as a full disk would.
    #[cfg(test)]
    pub fn break_file(&mut self) {
        self.press.break_file();
    }

    /// Writes the index and returns what the file came to.
    pub fn finish(&mut self) -> Result<Written, WriteError> {
        self.check()?;
        self.end();
        self.press.finish()
    }
}
