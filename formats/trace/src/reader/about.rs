//! What a trace says about itself, its recordings and its streams.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Reader, Recording};
use crate::error::{Damage, TraceError};
use crate::index::{FrameInfo, Holds};
use crate::model::{Anchor, End, Meta, ProcessEnd, StreamId, StreamInfo};
use crate::msgpack::{Fields, Values};
use crate::table::{self, TableRow};

impl Reader {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file, in bytes.
    pub fn file_size(&self) -> u64 {
        self.len
    }

    pub fn meta(&self) -> &Meta {
        &self.recordings[self.selected].meta
    }

    /// How the recording ended, `None` when it was cut.
    pub fn end(&self) -> Option<&End> {
        self.recordings[self.selected].end.as_ref()
    }

    /// Whether nothing is missing: the file is finished, and its writer said that all is in it.
    pub fn complete(&self) -> bool {
        self.finished && self.end().is_some_and(|end| end.complete)
    }

    /// Whether the file lacks its end.
    pub fn is_cut(&self) -> bool {
        !self.finished
    }

    pub fn frames(&self) -> &[FrameInfo] {
        &self.index.frames
    }

    /// All recordings in the file, in the order of their first frames.
    pub fn recordings(&self) -> &[Recording] {
        &self.recordings
    }

    /// Chooses which recording the other methods are about; the first one unless chosen.
    pub fn select(&mut self, recording: usize) -> Option<&Recording> {
        let chosen = self.recordings.get(recording)?;
        self.selected = recording;
        Some(chosen)
    }

    /// The streams of the selected recording.
    pub fn streams(&self) -> Vec<StreamInfo> {
        let mut streams: BTreeMap<StreamId, StreamInfo> = BTreeMap::new();
        for (at, info) in self.index.frames.iter().enumerate() {
            if info.recording != self.selected {
                continue;
            }
            for range in &info.streams {
                let stream = streams.entry(range.stream).or_insert(StreamInfo {
                    stream: range.stream,
                    events: 0,
                    first_frame: at as u64,
                    last_frame: at as u64,
                });
                stream.events = stream.events.saturating_add(range.count);
                stream.last_frame = at as u64;
            }
        }
        streams.into_values().collect()
    }

    /// The syscall table that the recording was made with.
    pub fn table(&mut self) -> Result<Vec<TableRow>, TraceError> {
        let mut rows = Vec::new();
        self.values(Holds::TABLE, &mut |fields| {
            rows.extend(table::decode(fields)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// All pairs of clock readings.
    pub fn anchors(&mut self) -> Result<Vec<Anchor>, TraceError> {
        let mut anchors = Vec::new();
        self.values(Holds::ANCHOR, &mut |fields| {
            anchors.push(Anchor::decode(fields)?);
            Ok(())
        })?;
        Ok(anchors)
    }

    /// How each stream ended, as far as the recording knows.
    pub fn process_ends(&mut self) -> Result<Vec<ProcessEnd>, TraceError> {
        let mut ends = Vec::new();
        self.values(Holds::PROCESS, &mut |fields| {
            ends.push(ProcessEnd::decode(fields)?);
            Ok(())
        })?;
        Ok(ends)
    }

    /// Numbers of the contents that the selected recording knows, whole or not.
    pub fn contents(&self) -> Vec<u64> {
        let mine = self.index.files.keys().filter(|key| key.0 == self.selected);
        mine.map(|(_, number)| *number).collect()
    }

    /// How much of the file the bytes of contents take: executables, mapped files, long reads and writes. Frames are
    /// compressed as wholes, so one that holds other things too is shared out by what each was before.
    pub fn content_share(&mut self) -> Result<u64, TraceError> {
        let mut share = 0;
        for frame in self.frames_with(Holds::CONTENT) {
            let loaded = self.load(frame)?;
            let mut values = Values::new(&loaded.raw);
            let mut plain = 0;
            loop {
                let start = values.offset();
                let fields = values.next_fields();
                let fields = fields.map_err(|damage| self.corrupt(frame, damage))?;
                let Some(fields) = fields else { break };
                if Holds::of(fields.kind()) == Holds::CONTENT {
                    plain += (values.offset() - start) as u64;
                }
            }
            let info = &self.index.frames[frame];
            // Neither length of a frame is more than 32 bits.
            share += u64::from(info.compressed_len) * plain / (loaded.raw.len() as u64).max(1);
        }
        Ok(share)
    }

    /// Positions of the selected recording's frames that hold any of some types.
    pub(super) fn frames_with(&self, holds: Holds) -> Vec<usize> {
        let frames = self.index.frames.iter().enumerate();
        let mine = frames.filter(|(_, info)| info.recording == self.selected);
        let some = mine.filter(|(_, info)| info.holds.any(holds));
        some.map(|(at, _)| at).collect()
    }

    fn values(
        &mut self,
        holds: Holds,
        f: &mut dyn FnMut(&Fields<'_>) -> Result<(), Damage>,
    ) -> Result<(), TraceError> {
        for frame in self.frames_with(holds) {
            let loaded = self.load(frame)?;
            let mut values = Values::new(&loaded.raw);
            loop {
                let fields = values.next_fields();
                let fields = fields.map_err(|damage| self.corrupt(frame, damage))?;
                let Some(fields) = fields else { break };
                if Holds::of(fields.kind()) == holds {
                    f(&fields).map_err(|damage| self.corrupt(frame, damage))?;
                }
            }
        }
        Ok(())
    }
}
