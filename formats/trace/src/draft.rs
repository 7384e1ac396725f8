//! A frame before it is compressed.

use std::collections::BTreeMap;

use crate::error::{Damage, WriteError};
use crate::index::{Holds, StreamRange};
use crate::limits::{FRAME_EVENTS_TARGET, FRAME_RAW_MAX, FRAME_STREAMS_MAX, FRAME_TARGET};
use crate::model::StreamId;
use crate::values::Origin;
use crate::Digest;

/// Room that the frame's header may take.
const HEADER_ROOM: usize = 1 << 20;

/// Values of a frame, with what its header and the index will say of them.
#[derive(Default)]
pub(crate) struct Draft {
    body: Vec<u8>,
    streams: BTreeMap<StreamId, StreamRange>,
    pub events: u64,
    pub time: Option<(u64, u64)>,
    pub holds: Holds,
    pub chunks: Vec<Digest>,
    pub files: Vec<u64>,
}

/// A frame ready to be compressed, which any thread may do.
pub(crate) struct Plain {
    pub raw: Vec<u8>,
    pub streams: Vec<StreamRange>,
    pub events: u64,
    pub time: Option<(u64, u64)>,
    pub holds: Holds,
    pub chunks: Vec<Digest>,
    pub files: Vec<u64>,
}

impl Draft {
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    pub fn is_full(&self) -> bool {
        let target = if self.holds.any(Holds::CONTENT) {
            FRAME_TARGET
        } else {
            FRAME_EVENTS_TARGET
        };
        self.body.len() >= target || self.streams.len() >= FRAME_STREAMS_MAX
    }

    /// Whether a value of `len` bytes still fits.
    pub fn has_room(&self, len: usize) -> bool {
        self.body.len() + len <= FRAME_RAW_MAX - HEADER_ROOM
    }

    /// Adds an encoded value.
    pub fn value(&mut self, value: &[u8], holds: Holds) -> Result<(), WriteError> {
        if !self.has_room(value.len()) {
            return Err(WriteError::TooLarge {
                what: "value",
                bytes: value.len(),
                max: FRAME_RAW_MAX - HEADER_ROOM,
            });
        }
        self.body.extend_from_slice(value);
        self.holds = self.holds.and(holds);
        Ok(())
    }

    /// Adds a batch of these events, whose encoded value is `value`.
    pub fn batch(
        &mut self,
        range: StreamRange,
        time: Option<(u64, u64)>,
        value: &[u8],
    ) -> Result<(), WriteError> {
        self.value(value, Holds::BATCH)?;
        let entry = self
            .streams
            .entry(range.stream)
            .or_insert(StreamRange { count: 0, ..range });
        entry.count += range.count;
        self.events += range.count;
        self.time = join(self.time, time);
        Ok(())
    }

    /// Puts the header in front.
    pub fn finish(self, origin: &Origin, number: u64) -> Result<Plain, WriteError> {
        let streams: Vec<StreamRange> = self.streams.into_values().collect();
        let mut raw = Vec::with_capacity(self.body.len() + 512);
        origin.encode_header(&mut raw, number, &streams, self.events, self.time);
        raw.extend_from_slice(&self.body);
        if raw.len() > FRAME_RAW_MAX {
            return Err(WriteError::TooLarge {
                what: "frame",
                bytes: raw.len(),
                max: FRAME_RAW_MAX,
            });
        }
        Ok(Plain {
            raw,
            streams,
            events: self.events,
            time: self.time,
            holds: self.holds,
            chunks: self.chunks,
            files: self.files,
        })
    }
}

/// The smallest range that holds both.
pub(crate) fn join(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// Adds up the ranges of one stream, which must follow one another.
pub(crate) fn extend(
    streams: &mut BTreeMap<StreamId, StreamRange>,
    range: StreamRange,
) -> Result<(), Damage> {
    let entry = streams
        .entry(range.stream)
        .or_insert(StreamRange { count: 0, ..range });
    if entry.end() != Some(range.first) || range.end().is_none() {
        return Err(Damage::new(format!(
            "events of {} are missing before number {}",
            range.stream, range.first
        )));
    }
    entry.count += range.count;
    Ok(())
}
