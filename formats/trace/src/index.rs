//! The index: where each frame lies and what it holds.

use std::collections::{BTreeMap, HashMap};

use crate::envelope::{Seal, SEAL_SIZE};
use crate::error::Damage;
use crate::limits::{FRAME_COMPRESSED_MAX, FRAME_RAW_MAX};
use crate::model::StreamId;
use crate::msgpack::{Fields, Packer};
use crate::varint::{Column, Numbers};
use crate::version::FormatVersion;
use crate::Digest;

/// A run of events of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRange {
    pub stream: StreamId,
    /// Position in the stream of the run's first event, from 0.
    pub first: u64,
    pub count: u64,
}

impl StreamRange {
    /// Position after the last event.
    pub(crate) fn end(&self) -> Option<u64> {
        self.first.checked_add(self.count)
    }
}

/// One frame, as the index knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// Position of its recording in [`crate::Reader::recordings`].
    pub recording: usize,
    /// Number in its recording, from 0.
    pub number: u64,
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    pub compressed_len: u32,
    pub raw_len: u32,
    pub events: u64,
    /// Earliest and latest time of its events, CLOCK_MONOTONIC nanoseconds.
    pub time: Option<(u64, u64)>,
    pub streams: Vec<StreamRange>,
    /// Hash in its seal.
    pub hash: Digest,
    pub(crate) previous: Digest,
    pub(crate) holds: Holds,
}

impl FrameInfo {
    /// Where it and its seal end.
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.compressed_len) + SEAL_SIZE as u64
    }

    pub(crate) fn seal(&self, uuid: [u8; 16]) -> Seal {
        Seal {
            uuid,
            number: self.number,
            compressed_len: self.compressed_len,
            raw_len: self.raw_len,
            hash: self.hash,
        }
    }
}

/// Which types of values a frame holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds(pub u32);

impl Holds {
    pub const META: Holds = Holds(1);
    pub const TABLE: Holds = Holds(2);
    pub const BATCH: Holds = Holds(4);
    pub const CONTENT: Holds = Holds(8);
    pub const FILE: Holds = Holds(16);
    pub const ANCHOR: Holds = Holds(32);
    pub const PROCESS: Holds = Holds(64);
    pub const END: Holds = Holds(128);
    /// Types that this version does not know.
    pub const OTHER: Holds = Holds(256);

    pub fn of(kind: &str) -> Holds {
        match kind {
            "meta" => Holds::META,
            "table" => Holds::TABLE,
            "batch" => Holds::BATCH,
            "content" => Holds::CONTENT,
            "file" => Holds::FILE,
            "anchor" => Holds::ANCHOR,
            "process" => Holds::PROCESS,
            "end" => Holds::END,
            _ => Holds::OTHER,
        }
    }

    pub fn and(self, other: Holds) -> Holds {
        Holds(self.0 | other.0)
    }

    pub fn any(self, other: Holds) -> bool {
        self.0 & other.0 != 0
    }
}

/// A frame about to enter the index.
pub(crate) struct Entry {
    pub seal: Seal,
    pub events: u64,
    pub time: Option<(u64, u64)>,
    pub streams: Vec<StreamRange>,
    pub holds: Holds,
    pub chunks: Vec<Digest>,
    pub files: Vec<u64>,
}

/// Everything that is known about a file without reading its frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// Identities, in the order of their first frames.
    pub recordings: Vec<[u8; 16]>,
    pub frames: Vec<FrameInfo>,
    /// The frame that holds a chunk.
    pub chunks: HashMap<Digest, u32>,
    /// The frames that hold a content's chunk list, by recording and number.
    pub files: BTreeMap<(usize, u64), Vec<u32>>,
    /// Last frame of each recording.
    tails: Vec<u32>,
}

impl Index {
    /// Where the frames end.
    pub fn end(&self) -> u64 {
        self.frames.last().map_or(0, FrameInfo::end)
    }

    /// Number that the next frame of a recording must have, and the hash it must follow.
    pub fn next_of(&self, uuid: &[u8; 16]) -> (u64, Digest) {
        let recording = self.recordings.iter().position(|known| known == uuid);
        match recording.map(|at| &self.frames[self.tails[at] as usize]) {
            Some(tail) => (tail.number + 1, tail.hash),
            None => (0, [0; 32]),
        }
    }

    /// The last frame of a recording.
    pub fn tail(&self, recording: usize) -> usize {
        self.tails[recording] as usize
    }

    /// Adds the next frame of the file, which becomes the next one of its recording whatever
    /// number its seal has: whoever has read the frame compares that with [`Index::next_of`].
    pub fn add(&mut self, entry: Entry) -> Result<(), Damage> {
        let (number, previous) = self.next_of(&entry.seal.uuid);
        let position = u32::try_from(self.frames.len());
        let position = position.map_err(|_| Damage::new("the file has too many frames"))?;
        let uuid = &entry.seal.uuid;
        let recording = match self.recordings.iter().position(|known| known == uuid) {
            Some(at) => at,
            None => {
                self.recordings.push(*uuid);
                self.tails.push(position);
                self.recordings.len() - 1
            }
        };
        self.tails[recording] = position;
        for chunk in entry.chunks {
            // Frames copied from another recording may hold a chunk again; the first one serves.
            self.chunks.entry(chunk).or_insert(position);
        }
        for number in entry.files {
            let frames = self.files.entry((recording, number)).or_default();
            if frames.last() != Some(&position) {
                frames.push(position);
            }
        }
        self.frames.push(FrameInfo {
            recording,
            number,
            offset: self.end(),
            compressed_len: entry.seal.compressed_len,
            raw_len: entry.seal.raw_len,
            events: entry.events,
            time: entry.time,
            streams: entry.streams,
            hash: entry.seal.hash,
            previous,
            holds: entry.holds,
        });
        Ok(())
    }

    /// The index as a MessagePack value. Neither map's own order may reach the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut columns = Columns::default();
        let mut last_time = 0;
        for frame in &self.frames {
            columns.at("recording").number(frame.recording as u64);
            columns.at("compressed").number(frame.compressed_len.into());
            columns.at("raw").number(frame.raw_len.into());
            columns.at("events").number(frame.events);
            columns.at("holds").number(frame.holds.0.into());
            columns.at("timed").number(frame.time.is_some().into());
            if let Some((first, last)) = frame.time {
                columns.at("time_first").delta(first, last_time);
                columns.at("time_last").delta(last, first);
                last_time = first;
            }
            columns.at("streams").number(frame.streams.len() as u64);
            for range in &frame.streams {
                columns.at("process").number(range.stream.process.into());
                columns.at("task").number(range.stream.task.into());
                columns.at("first").number(range.first);
                columns.at("count").number(range.count);
            }
            columns.at("seals").raw(&frame.hash);
        }
        let mut chunks: Vec<(u32, &Digest)> = self.chunks.iter().map(|(a, b)| (*b, a)).collect();
        chunks.sort_unstable();
        for (frame, hash) in chunks {
            columns.at("chunk_frame").number(frame.into());
            columns.at("chunk_hash").raw(hash);
        }
        for ((recording, number), frames) in &self.files {
            for frame in frames {
                columns.at("file_recording").number(*recording as u64);
                columns.at("file_number").number(*number);
                columns.at("file_frame").number(u64::from(*frame));
            }
        }
        columns.encode(self)
    }

    pub fn decode(fields: &Fields<'_>) -> Result<Index, Damage> {
        if fields.kind() != "index" {
            return Err(Damage::new("the index is of another type"));
        }
        let recordings = fields.bytes("recordings")?;
        let mut index = Index::default();
        let mut reading = Reading {
            fields,
            columns: BTreeMap::new(),
            last_time: 0,
        };
        while reading.at("seals")?.left() > 0 {
            let entry = reading.frame(recordings)?;
            index.add(entry)?;
        }
        let last_frame = (index.frames.len() as u64).saturating_sub(1);
        while reading.at("chunk_hash")?.left() > 0 {
            let hash = reading.at("chunk_hash")?.raw(32)?;
            let frame = reading.at("chunk_frame")?.at_most(last_frame)?;
            index
                .chunks
                .insert(hash.try_into().expect("32 bytes"), frame as u32);
        }
        while reading.at("file_number")?.left() > 0 {
            let recording = reading.at("file_recording")?.at_most(last_frame)? as usize;
            let number = reading.at("file_number")?.number()?;
            let frame = reading.at("file_frame")?.at_most(last_frame)?;
            let frames = index.files.entry((recording, number)).or_default();
            frames.push(frame as u32);
        }
        Ok(index)
    }
}

/// The index's columns by name. All that are not empty are stored.
#[derive(Default)]
struct Columns(BTreeMap<&'static str, Column>);

impl Columns {
    fn at(&mut self, name: &'static str) -> &mut Column {
        self.0.entry(name).or_default()
    }

    fn encode(&self, index: &Index) -> Vec<u8> {
        let mut out = Vec::new();
        let mut packer = Packer(&mut out);
        packer.map(5 + self.0.len());
        packer.text_field("type", "index");
        packer.number_field("major", FormatVersion::CURRENT.major.0.into());
        packer.number_field("minor", FormatVersion::CURRENT.minor.0.into());
        packer.number_field("frames", index.frames.len() as u64);
        packer.bytes_field("recordings", index.recordings.as_flattened());
        for (name, column) in &self.0 {
            packer.bytes_field(name, &column.bytes);
        }
        out
    }
}

/// The index's columns, being read. Each number takes at least a byte, which bounds every count.
struct Reading<'f, 'a> {
    fields: &'f Fields<'a>,
    columns: BTreeMap<&'static str, Numbers<'a>>,
    last_time: u64,
}

impl<'a> Reading<'_, 'a> {
    fn at(&mut self, name: &'static str) -> Result<&mut Numbers<'a>, Damage> {
        if !self.columns.contains_key(name) {
            let bytes = self.fields.optional_bytes(name)?.unwrap_or(&[]);
            self.columns.insert(name, Numbers::new(Some(bytes)));
        }
        Ok(self.columns.get_mut(name).expect("inserted above"))
    }

    fn frame(&mut self, recordings: &[u8]) -> Result<Entry, Damage> {
        let recording = self.at("recording")?.number()?;
        let mut uuids = recordings.chunks_exact(16);
        let uuid = uuids.nth(usize::try_from(recording).unwrap_or(usize::MAX));
        let uuid = uuid.ok_or_else(|| Damage::new("the index names no such recording"))?;
        let seal = Seal {
            uuid: uuid.try_into().expect("chunks of 16"),
            number: 0,
            compressed_len: self
                .at("compressed")?
                .at_most(FRAME_COMPRESSED_MAX as u64)? as u32,
            raw_len: self.at("raw")?.at_most(FRAME_RAW_MAX as u64)? as u32,
            hash: self.at("seals")?.raw(32)?.try_into().expect("32 bytes"),
        };
        let events = self.at("events")?.number()?;
        let holds = Holds(self.at("holds")?.at_most(u32::MAX.into())? as u32);
        let time = match self.at("timed")?.number()? {
            0 => None,
            _ => {
                let last_time = self.last_time;
                let first = self.at("time_first")?.delta(last_time)?;
                self.last_time = first;
                Some((first, self.at("time_last")?.delta(first)?))
            }
        };
        let count = self.at("streams")?.number()?;
        let mut streams = Vec::new();
        for _ in 0..count {
            streams.push(StreamRange {
                stream: StreamId {
                    process: self.at("process")?.at_most(u32::MAX.into())? as u32,
                    task: self.at("task")?.at_most(u32::MAX.into())? as u32,
                },
                first: self.at("first")?.number()?,
                count: self.at("count")?.number()?,
            });
        }
        Ok(Entry {
            seal,
            events,
            time,
            streams,
            holds,
            chunks: Vec::new(),
            files: Vec::new(),
        })
    }
}
