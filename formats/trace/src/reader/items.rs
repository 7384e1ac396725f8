//! Events and everything else, in the order of the file.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::Reader;
use crate::batch::{PartPayload, RawEvent, Reading};
use crate::error::{Damage, TraceError};
use crate::index::{FrameInfo, Holds};
use crate::model::{Anchor, End, Event, EventPart, Item, ProcessEnd, StreamId};
use crate::msgpack::{Fields, Values};
use crate::values::FileValue;
use crate::Digest;

impl Reader {
    /// Hands out everything in the selected recording until `f` breaks.
    pub fn for_each(
        &mut self,
        f: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<(), TraceError> {
        for frame in self.frames_with(Holds(u32::MAX)) {
            if self.frame_items(frame, f)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Hands out everything in the frame at a position of [`Reader::frames`].
    pub fn for_each_in(
        &mut self,
        frame: usize,
        f: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<(), TraceError> {
        if frame < self.index.frames.len() {
            // Breaking ends the frame, which is all there is to hand out.
            let _ = self.frame_items(frame, f)?;
        }
        Ok(())
    }

    fn frame_items(
        &mut self,
        frame: usize,
        f: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TraceError> {
        let loaded = self.load(frame)?;
        let mut values = Values::new(&loaded.raw);
        loop {
            let fields = values.next_fields();
            let fields = fields.map_err(|damage| self.corrupt(frame, damage))?;
            let Some(fields) = fields else { break };
            if fields.kind() == "batch" {
                let batch = Reading::new(&fields).map_err(|damage| self.corrupt(frame, damage))?;
                if self.batch_items(frame, batch, f)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                continue;
            }
            let item = item(&fields).map_err(|damage| self.corrupt(frame, damage))?;
            if item.is_some_and(|item| f(item).is_break()) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn batch_items(
        &mut self,
        frame: usize,
        mut batch: Reading<'_>,
        f: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TraceError> {
        let stream = batch.stream;
        let mut seq = batch.first_seq;
        loop {
            let raw = batch.next().map_err(|damage| self.corrupt(frame, damage))?;
            let Some(raw) = raw else { break };
            let event = self.fetch(frame, OwnedEvent::of(raw))?;
            if f(Item::Event { stream, seq, event }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            seq += 1;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The frames of the selected recording that hold events of a stream from `seq` on.
    pub(crate) fn frames_of(&self, stream: StreamId, seq: u64) -> VecDeque<usize> {
        let holds = |info: &FrameInfo| {
            let found = info
                .streams
                .binary_search_by_key(&stream, |range| range.stream);
            found.is_ok_and(|at| info.streams[at].end().is_none_or(|end| end > seq))
        };
        let frames = self.index.frames.iter().enumerate();
        let mine = frames.filter(|(_, info)| info.recording == self.selected && holds(info));
        mine.map(|(at, _)| at).collect()
    }

    /// The next batch of a stream in a frame that reaches `from`, looked for from `offset` on, with
    /// chunked payloads still to be fetched. Returns where to look for the one after it, or `None`
    /// when the frame has no more.
    pub(crate) fn next_batch(
        &mut self,
        (frame, offset): (usize, usize),
        stream: StreamId,
        from: u64,
        out: &mut VecDeque<(u64, OwnedEvent)>,
    ) -> Result<Option<usize>, TraceError> {
        let loaded = self.load(frame)?;
        let batches = loaded.batches.get(&stream).map_or(&[][..], Vec::as_slice);
        for begin in &batches[batches.partition_point(|begin| *begin < offset)..] {
            let found = collect(&loaded.raw[*begin..], from, out);
            if found.map_err(|damage| self.corrupt(frame, damage))? {
                return Ok(Some(begin + 1));
            }
        }
        Ok(None)
    }

    /// The event with all of its payloads.
    pub(crate) fn fetch(&mut self, frame: usize, owned: OwnedEvent) -> Result<Event, TraceError> {
        let mut event = owned.event;
        for (part, hashes) in owned.chunked {
            let part = &mut event.parts[part];
            let len = part.len as usize;
            for hash in hashes {
                self.append_chunk(&hash, &mut part.bytes)
                    .map_err(|damage| self.corrupt(frame, damage))?;
                if part.bytes.len() > len {
                    break;
                }
            }
            if part.bytes.len() != len {
                let damage = Damage::new("a payload's chunks do not add up to its length");
                return Err(self.corrupt(frame, damage));
            }
        }
        Ok(event)
    }
}

/// Takes the events of a batch from `from` on, if it reaches that.
fn collect(value: &[u8], from: u64, out: &mut VecDeque<(u64, OwnedEvent)>) -> Result<bool, Damage> {
    let fields = Values::new(value).next_fields()?;
    let fields = fields.ok_or_else(|| Damage::new("a batch is empty"))?;
    let mut batch = Reading::new(&fields)?;
    if batch.first_seq + batch.count <= from {
        return Ok(false);
    }
    let mut seq = batch.first_seq;
    while let Some(event) = batch.next()? {
        if seq >= from {
            out.push_back((seq, OwnedEvent::of(event)));
        }
        seq += 1;
    }
    Ok(true)
}

/// The item that a value other than a batch stands for, if any.
fn item(fields: &Fields<'_>) -> Result<Option<Item>, Damage> {
    Ok(match Holds::of(fields.kind()) {
        Holds::FILE => {
            let value = FileValue::decode(fields)?;
            let number = value.number;
            value.size.map(|size| Item::File { number, size })
        }
        Holds::ANCHOR => Some(Item::Anchor(Anchor::decode(fields)?)),
        Holds::PROCESS => Some(Item::ProcessEnd(ProcessEnd::decode(fields)?)),
        Holds::END => Some(Item::End(End::decode(fields)?)),
        _ => None,
    })
}

/// An event that no longer borrows from its frame, with chunked payloads still to be fetched.
pub(crate) struct OwnedEvent {
    event: Event,
    /// Part and digests of its chunks.
    chunked: Vec<(usize, Vec<Digest>)>,
}

impl OwnedEvent {
    pub fn of(raw: RawEvent<'_>) -> OwnedEvent {
        let mut chunked = Vec::new();
        let mut parts = Vec::with_capacity(raw.parts.len());
        for part in raw.parts {
            // A role of a newer version: its reader would know what to do with it.
            let Some(role) = part.role else { continue };
            let bytes = match part.payload {
                PartPayload::None => Vec::new(),
                PartPayload::Inline(bytes) => bytes.to_vec(),
                PartPayload::Words(bytes, len) => bytes[..len].to_vec(),
                PartPayload::Chunks(digests) => {
                    let digests = digests.chunks_exact(32);
                    let digests = digests.map(|digest| digest.try_into().expect("chunks of 32"));
                    chunked.push((parts.len(), digests.collect()));
                    Vec::new()
                }
            };
            parts.push(EventPart {
                role,
                addr: part.addr,
                len: part.len,
                content: part.content,
                bytes,
            });
        }
        let event = Event {
            header: raw.header,
            parts,
        };
        OwnedEvent { event, chunked }
    }
}
