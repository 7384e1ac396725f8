//! Verification: everything that a trace claims, checked against everything it holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::batch::{PartPayload, RawEvent, Reading};
use crate::draft::{extend, join};
use crate::error::{Damage, TraceError};
use crate::index::{Holds, Index, StreamRange};
use crate::limits::CHUNK_MAX;
use crate::model::{Anchor, ProcessEnd, StreamId};
use crate::msgpack::{Fields, Values};
use crate::reader::Reader;
use crate::scan::Survey;
use crate::table;
use crate::values::{Chunk, FileValue};
use crate::Digest;

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifySummary {
    /// Bytes of the file up to the end of the last whole frame (or of the whole file).
    pub bytes: u64,
    pub raw_bytes: u64,
    pub frames: u64,
    pub recordings: u64,
    pub streams: u64,
    pub events: u64,
    pub chunks: u64,
    pub chunk_bytes: u64,
    /// Contents that are whole.
    pub contents: u64,
    /// Contents that events refer to, or that were begun, and that are not whole.
    pub contents_missing: u64,
    /// Bytes after the last whole frame of a cut file.
    pub bytes_cut: u64,
    /// Whether every recording in the file is complete.
    pub complete: bool,
}

impl Reader {
    /// Checks every byte of the file and everything it says about itself. `progress` is told the
    /// bytes done and the bytes in all after each frame.
    ///
    /// # Errors
    ///
    /// [`TraceError::Corrupt`] for the first thing that is wrong.
    pub fn verify(
        &mut self,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<VerifySummary, TraceError> {
        let mut check = Check::default();
        for frame in 0..self.index.frames.len() {
            let loaded = self.load(frame)?;
            let survey = self.survey(frame)?;
            let checked = check.frame(self, frame, &loaded.raw, survey);
            checked.map_err(|damage| self.corrupt(frame, damage))?;
            progress(self.index.frames[frame].end(), self.len);
        }
        let last = self.index.frames.len() - 1;
        if check.index != self.index {
            let damage = Damage::new("the index does not match the frames");
            return Err(self.corrupt(last, damage));
        }
        check
            .ends(self)
            .map_err(|damage| self.corrupt(last, damage))?;
        progress(self.len, self.len);
        Ok(check.summary(self))
    }
}

/// What has been seen so far.
#[derive(Default)]
struct Check {
    index: Index,
    /// By recording.
    streams: Vec<BTreeMap<StreamId, StreamRange>>,
    chunks: HashMap<Digest, u32>,
    /// Bytes listed of each content, and whether it is whole, by recording and number.
    contents: BTreeMap<(usize, u64), (u64, bool)>,
    /// Contents that events refer to.
    referred: BTreeSet<(usize, u64)>,
    chunk_bytes: u64,
    raw_bytes: u64,
}

/// What has been seen of one frame.
#[derive(Default)]
struct Frame {
    recording: usize,
    streams: BTreeMap<StreamId, StreamRange>,
    events: u64,
    time: Option<(u64, u64)>,
}

impl Check {
    fn frame(
        &mut self,
        reader: &Reader,
        at: usize,
        raw: &[u8],
        survey: Survey,
    ) -> Result<(), Damage> {
        let info = &reader.index.frames[at];
        let uuid = reader.index.recordings[info.recording];
        let header = survey.header.clone();
        let (number, _) = self.index.next_of(&uuid);
        if header.origin.uuid != uuid || header.number != number {
            return Err(Damage::new("a frame's header does not match its seal"));
        }
        self.index.add(survey.entry(info.seal(uuid)))?;
        self.streams
            .resize_with(self.index.recordings.len(), BTreeMap::new);
        self.raw_bytes += raw.len() as u64;
        let mut frame = Frame {
            recording: info.recording,
            ..Frame::default()
        };
        let mut values = Values::new(raw);
        while let Some(fields) = values.next_fields()? {
            self.value(&mut frame, &fields)?;
        }
        let streams: Vec<StreamRange> = frame.streams.into_values().collect();
        if streams != header.streams || frame.events != header.events || frame.time != header.time {
            return Err(Damage::new("a frame's header does not match its events"));
        }
        for range in streams {
            let known = &mut self.streams[info.recording];
            if range.first != 0 && !known.contains_key(&range.stream) {
                let what = format!("the first events of {} are missing", range.stream);
                return Err(Damage::new(what));
            }
            extend(known, range)?;
        }
        Ok(())
    }

    fn value(&mut self, frame: &mut Frame, fields: &Fields<'_>) -> Result<(), Damage> {
        match Holds::of(fields.kind()) {
            Holds::BATCH => self.batch(frame, Reading::new(fields)?),
            Holds::CONTENT => self.chunk(Chunk::decode(fields)?),
            Holds::FILE => self.file(frame.recording, FileValue::decode(fields)?),
            Holds::TABLE => table::decode(fields).map(drop),
            Holds::ANCHOR => Anchor::decode(fields).map(drop),
            Holds::PROCESS => ProcessEnd::decode(fields).map(drop),
            // `meta` and `end` were decoded by the survey; of others nothing is known.
            _ => Ok(()),
        }
    }

    fn batch(&mut self, frame: &mut Frame, mut batch: Reading<'_>) -> Result<(), Damage> {
        let range = StreamRange {
            stream: batch.stream,
            first: batch.first_seq,
            count: batch.count,
        };
        extend(&mut frame.streams, range)?;
        frame.events += range.count;
        let mut seq = range.first;
        while let Some(event) = batch.next()? {
            let time = event.header.time_ns;
            frame.time = join(frame.time, Some((time, time)));
            self.event(frame.recording, &event)
                .map_err(|damage| damage.because(format!("event {seq} of {}", range.stream)))?;
            seq += 1;
        }
        Ok(())
    }

    fn event(&mut self, recording: usize, event: &RawEvent<'_>) -> Result<(), Damage> {
        for part in &event.parts {
            match part.payload {
                PartPayload::Chunks(digests) => {
                    let last = (digests.len() / 32).saturating_sub(1);
                    for (at, digest) in digests.chunks_exact(32).enumerate() {
                        let len = match at == last {
                            true => part.len as usize - last * CHUNK_MAX,
                            false => CHUNK_MAX,
                        };
                        self.refer(digest.try_into().expect("chunks of 32"), len as u32)?;
                    }
                }
                PartPayload::None => {
                    self.referred.insert((recording, part.content));
                }
                PartPayload::Inline(_) | PartPayload::Words(..) => {}
            }
        }
        Ok(())
    }

    fn refer(&self, digest: &Digest, len: u32) -> Result<(), Damage> {
        match self.chunks.get(digest) {
            Some(known) if *known == len => Ok(()),
            Some(_) => Err(Damage::new(
                "a chunk has another size than what refers to it",
            )),
            None => Err(Damage::new("a chunk is referred to before it is stored")),
        }
    }

    fn chunk(&mut self, chunk: Chunk<'_>) -> Result<(), Damage> {
        if blake3::hash(chunk.bytes) != chunk.hash {
            return Err(Damage::new("a content chunk does not match its hash"));
        }
        let len = chunk.bytes.len() as u32;
        if self.chunks.insert(chunk.hash, len).is_none() {
            self.chunk_bytes += u64::from(len);
        }
        Ok(())
    }

    fn file(&mut self, recording: usize, value: FileValue) -> Result<(), Damage> {
        for (len, digest) in &value.chunks {
            self.refer(digest, *len)?;
        }
        let entry = self.contents.entry((recording, value.number)).or_default();
        if *entry != (value.offset, false) {
            return Err(Damage::new(
                "a content's chunk lists do not follow one another",
            ));
        }
        *entry = (value.offset + value.listed(), value.size.is_some());
        Ok(())
    }

    /// What the recordings' ends claim.
    fn ends(&self, reader: &Reader) -> Result<(), Damage> {
        for (at, recording) in reader.recordings().iter().enumerate() {
            if recording.meta.uuid != self.index.recordings[at] {
                return Err(Damage::new("a recording's `meta` names another recording"));
            }
            let Some(end) = &recording.end else { continue };
            let streams = &self.streams[at];
            let events: u64 = streams.values().map(|range| range.count).sum();
            if end.events != events || end.streams != streams.len() as u64 {
                return Err(Damage::new("the counts at the end do not match the events"));
            }
        }
        Ok(())
    }

    fn summary(&self, reader: &Reader) -> VerifySummary {
        let whole = |key: &(usize, u64)| self.contents.get(key).is_some_and(|entry| entry.1);
        let begun = self.contents.keys().chain(&self.referred);
        let missing: BTreeSet<_> = begun.filter(|key| !whole(key)).collect();
        let recordings = reader.recordings();
        let complete = |end: &crate::model::End| end.complete;
        let end = match reader.is_cut() {
            true => reader.index.end(),
            false => reader.len,
        };
        VerifySummary {
            bytes: end,
            raw_bytes: self.raw_bytes,
            frames: self.index.frames.len() as u64,
            recordings: recordings.len() as u64,
            streams: self.streams.iter().map(|all| all.len() as u64).sum(),
            events: self.index.frames.iter().map(|frame| frame.events).sum(),
            chunks: self.chunks.len() as u64,
            chunk_bytes: self.chunk_bytes,
            contents: self.contents.keys().filter(|key| whole(key)).count() as u64,
            contents_missing: missing.len() as u64,
            bytes_cut: reader.len - end,
            complete: !reader.is_cut()
                && recordings
                    .iter()
                    .all(|one| one.end.as_ref().is_some_and(complete)),
        }
    }
}
