//! A copy of a trace with changed events and fresh hashes.
//!
//! It serves tests that alter one recorded value and expect a divergence: an altered byte alone
//! would be found as damage before anything is replayed.

use std::path::Path;

use crate::batch::{Batch, Reading};
use crate::content::Contents;
use crate::error::{Damage, TraceError, WriteError};
use crate::index::Holds;
use crate::model::{Event, StreamId};
use crate::msgpack::Values;
use crate::reader::{OwnedEvent, Reader};
use crate::values::{Chunk, FileValue};
use crate::writer::{check_event, store, Frames, Options};

/// Copies the first recording of `input` to `output`, frame by frame, letting `f` change each
/// event. All else is copied as it is. A cut trace becomes a cut trace.
pub fn rewrite(
    input: &Path,
    output: &Path,
    f: &mut dyn FnMut(StreamId, &mut Event),
) -> Result<(), TraceError> {
    let mut reader = Reader::open(input)?;
    let frames = Frames::create(output, reader.meta().origin(), Options::default())?;
    let mut copy = Copy {
        frames,
        contents: Contents::default(),
    };
    for frame in 0..reader.frames().len() {
        if reader.frames()[frame].recording == 0 {
            copy.frame(&mut reader, frame, f)?;
        }
    }
    if reader.is_cut() {
        copy.frames.settle()?;
    } else {
        copy.frames.finish()?;
    }
    Ok(())
}

struct Copy {
    frames: Frames,
    contents: Contents,
}

impl Copy {
    fn frame(
        &mut self,
        reader: &mut Reader,
        frame: usize,
        f: &mut dyn FnMut(StreamId, &mut Event),
    ) -> Result<(), TraceError> {
        let loaded = reader.load(frame)?;
        let mut values = Values::new(&loaded.raw);
        loop {
            let start = values.offset();
            let fields = values.next_fields();
            let fields = fields.map_err(|damage| reader.corrupt(frame, damage))?;
            let Some(fields) = fields else { break };
            let value = &loaded.raw[start..values.offset()];
            let damage = |damage: Damage| reader.corrupt(frame, damage);
            match fields.kind() {
                // Each frame gets a header of its own.
                "frame" => continue,
                "batch" => {
                    let batch = Reading::new(&fields).map_err(damage)?;
                    self.batch(reader, frame, batch, f)?;
                    continue;
                }
                "content" => {
                    let chunk = Chunk::decode(&fields).map_err(damage)?;
                    self.contents.copied(&chunk);
                    self.frames.draft.chunks.push(chunk.hash);
                }
                "file" => {
                    let file = FileValue::decode(&fields).map_err(damage)?;
                    self.frames.draft.files.push(file.number);
                }
                _ => {}
            }
            self.frames.value(value, Holds::of(fields.kind()))?;
        }
        Ok(self.frames.seal()?)
    }

    fn batch(
        &mut self,
        reader: &mut Reader,
        frame: usize,
        mut batch: Reading<'_>,
        f: &mut dyn FnMut(StreamId, &mut Event),
    ) -> Result<(), TraceError> {
        let stream = batch.stream;
        let mut changed = Batch::new(stream, batch.first_seq);
        loop {
            let raw = batch
                .next()
                .map_err(|damage| reader.corrupt(frame, damage))?;
            let Some(raw) = raw else { break };
            let mut event = reader.fetch(frame, OwnedEvent::of(raw))?;
            f(stream, &mut event);
            let seq = changed.first_seq() + changed.count();
            let parts = event.part_refs();
            check_event(&event.header, &parts).map_err(|what| WriteError::BadEvent {
                stream,
                seq,
                what,
            })?;
            let stored = store(&mut self.contents, &mut self.frames, &parts)?;
            changed.push(&event.header, &parts, &stored);
        }
        Ok(self.frames.batch(changed)?)
    }
}
