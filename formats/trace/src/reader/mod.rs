//! The reader: opens a trace, by its index or by walking it, and hands out what it holds.
//!
//! Whatever is read from the file is checked against its seal before it is looked at. Memory stays
//! bounded: a few decompressed frames, one batch and one event's payload at a time.

mod about;
mod contents;
mod items;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::stream_of;
use crate::envelope::{decompress, index_frame_size, index_of_frame, Seal, FOOTER_SIZE, SEAL_SIZE};
use crate::error::{Damage, TraceError};
use crate::index::Index;
use crate::model::{End, Meta, StreamId};
use crate::msgpack::Values;
use crate::scan::{scan, Scan, Survey, Trouble};
use crate::values::{Chunk, FrameHeader};
use crate::version::{FormatVersion, Unreadable};
use crate::Digest;

pub use contents::FileContent;
pub(crate) use items::OwnedEvent;

/// Decompressed bytes that are kept at hand.
const CACHE_MAX: usize = 48 << 20;

/// One of the recordings in a file. There are several after a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub meta: Meta,
    /// `None` when the recording was cut.
    pub end: Option<End>,
}

/// A decompressed frame, whose seal has been checked.
pub(crate) struct Loaded {
    pub raw: Vec<u8>,
    /// Where in `raw` each chunk's bytes are.
    chunks: HashMap<Digest, Range<usize>>,
    /// Where in `raw` the batches of each stream begin, in ascending order.
    batches: HashMap<StreamId, Vec<usize>>,
}

/// Reads one trace.
pub struct Reader {
    pub(crate) path: PathBuf,
    file: File,
    pub(crate) len: u64,
    pub(crate) index: Index,
    recordings: Vec<Recording>,
    /// Whether the file ends as a writer ends it.
    finished: bool,
    selected: usize,
    cache: VecDeque<(usize, Arc<Loaded>)>,
}

impl Reader {
    /// Opens a trace. A file that was cut is walked and decompressed once to learn what it holds.
    ///
    /// # Errors
    ///
    /// [`TraceError::Corrupt`] when the bytes cannot be those that were written. With an index,
    /// frames other than the first and last are checked when they are read.
    pub fn open(path: &Path) -> Result<Reader, TraceError> {
        let io = |source| TraceError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let mut magic = Vec::new();
        (&file).take(4).read_to_end(&mut magic).map_err(io)?;
        if !magic.is_empty() && magic != crate::envelope::ZSTD_MAGIC.to_le_bytes()[..magic.len()] {
            return Err(TraceError::NotATrace {
                path: path.to_owned(),
                what: "it does not start with a zstd frame".into(),
            });
        }
        let mut reader = Reader {
            path: path.to_owned(),
            file,
            len,
            index: Index::default(),
            recordings: Vec::new(),
            finished: false,
            selected: 0,
            cache: VecDeque::new(),
        };
        let first = reader.scan(true)?;
        if first.index.frames.is_empty() {
            return Err(TraceError::Empty {
                path: path.to_owned(),
            });
        }
        match reader.stored_index(&first.index)? {
            Some(index) => reader.adopt_index(index)?,
            None => reader.recover()?,
        }
        Ok(reader)
    }

    fn io(&self, source: std::io::Error) -> TraceError {
        TraceError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn scan(&mut self, only_first: bool) -> Result<Scan, TraceError> {
        let start = self.file.seek(SeekFrom::Start(0));
        start.map_err(|source| self.io(source))?;
        let mut input = BufReader::with_capacity(1 << 18, &self.file);
        let mut scan = scan(&mut input, only_first);
        match scan.trouble.take() {
            None => Ok(scan),
            Some(trouble) => {
                let (frame, offset) = (scan.index.frames.len(), scan.index.end());
                Err(self.trouble(trouble, frame, offset))
            }
        }
    }

    pub(crate) fn trouble(&self, trouble: Trouble, frame: usize, offset: u64) -> TraceError {
        match trouble {
            Trouble::Io(source) => self.io(source),
            Trouble::Version(found) => TraceError::Version {
                path: self.path.clone(),
                found,
                supported: FormatVersion::CURRENT,
            },
            Trouble::Damage(damage) => TraceError::Corrupt {
                path: self.path.clone(),
                frame: frame as u64,
                offset,
                what: damage.what,
            },
        }
    }

    /// The error for damage in a frame of the index.
    pub(crate) fn corrupt(&self, frame: usize, damage: Damage) -> TraceError {
        let offset = self.index.frames.get(frame).map_or(0, |info| info.offset);
        self.trouble(Trouble::Damage(damage), frame, offset)
    }

    fn footer(&mut self) -> Result<Option<u64>, TraceError> {
        let Some(start) = self.len.checked_sub(FOOTER_SIZE as u64) else {
            return Ok(None);
        };
        let footer = self.read(start, FOOTER_SIZE)?;
        let footer = footer.try_into().expect("as many bytes as asked for");
        Ok(index_frame_size(&footer))
    }

    /// The index at the end, if it is there, whole, and about this file. Whatever is wrong with
    /// it will be found, and said, by walking the file instead.
    fn stored_index(&mut self, first: &Index) -> Result<Option<Index>, TraceError> {
        let Some(size) = self.footer()? else {
            return Ok(None);
        };
        let Some(start) = self.len.checked_sub(size) else {
            return Ok(None);
        };
        let frame = self.read(start, size as usize)?;
        let index = index_of_frame(&frame).and_then(|index| {
            let fields = Values::new(index).next_fields()?;
            let fields = fields.ok_or_else(|| Damage::new("the index is empty"))?;
            Index::decode(&fields)
        });
        let about_this =
            |index: &Index| index.end() == start && index.frames.first() == first.frames.first();
        Ok(index.ok().filter(about_this))
    }

    fn adopt_index(&mut self, index: Index) -> Result<(), TraceError> {
        self.index = index;
        self.finished = true;
        let mut heads: Vec<Option<usize>> = vec![None; self.index.recordings.len()];
        for (at, info) in self.index.frames.iter().enumerate() {
            heads[info.recording].get_or_insert(at);
        }
        for (recording, head) in heads.into_iter().enumerate() {
            let tail = self.index.tail(recording);
            let head = head.expect("each recording has a frame");
            let meta = self.survey(head)?.meta;
            let meta = meta.ok_or_else(|| {
                self.corrupt(
                    head,
                    Damage::new("a recording does not start with its `meta`"),
                )
            })?;
            let end = self.survey(tail)?.end;
            self.recordings.push(Recording { meta, end });
        }
        Ok(())
    }

    fn recover(&mut self) -> Result<(), TraceError> {
        let scan = self.scan(false)?;
        if !scan.finished && self.footer()?.is_some() {
            // The file was finished, so that its frames stop early is no cut.
            let (frame, offset) = (scan.index.frames.len(), scan.index.end());
            let damage = Damage::new("a frame runs beyond the end of the file");
            return Err(self.trouble(damage.into(), frame, offset));
        }
        self.index = scan.index;
        self.finished = scan.finished;
        let metas = scan.metas.into_iter().zip(scan.ends);
        self.recordings = metas.map(|(meta, end)| Recording { meta, end }).collect();
        Ok(())
    }

    /// What the frame at a position holds.
    pub(crate) fn survey(&mut self, frame: usize) -> Result<Survey, TraceError> {
        let loaded = self.load(frame)?;
        let offset = self.index.frames[frame].offset;
        Survey::of(&loaded.raw).map_err(|trouble| self.trouble(trouble, frame, offset))
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, TraceError> {
        let mut bytes = Vec::new();
        let sought = self.file.seek(SeekFrom::Start(offset));
        let got = sought.and_then(|_| (&self.file).take(len as u64).read_to_end(&mut bytes));
        match got {
            Ok(got) if got == len => Ok(bytes),
            Ok(_) => Err(self.io(std::io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.io(source)),
        }
    }

    /// The frame at a position of the file, checked and decompressed.
    pub(crate) fn load(&mut self, frame: usize) -> Result<Arc<Loaded>, TraceError> {
        if let Some(at) = self.cache.iter().position(|(cached, _)| *cached == frame) {
            let hit = self.cache.remove(at).expect("just found");
            self.cache.push_back(hit);
            return Ok(self.cache.back().expect("just put").1.clone());
        }
        let info = &self.index.frames[frame];
        let (offset, compressed) = (info.offset, info.compressed_len as usize);
        let bytes = self.read(offset, compressed + SEAL_SIZE)?;
        let loaded = self.check(frame, &bytes);
        let loaded = Arc::new(loaded.map_err(|trouble| self.trouble(trouble, frame, offset))?);
        self.cache.push_back((frame, loaded.clone()));
        let size = |cache: &VecDeque<(usize, Arc<Loaded>)>| -> usize {
            cache.iter().map(|(_, loaded)| loaded.raw.len()).sum()
        };
        while self.cache.len() > 1 && size(&self.cache) > CACHE_MAX {
            self.cache.pop_front();
        }
        Ok(loaded)
    }

    fn check(&self, frame: usize, bytes: &[u8]) -> Result<Loaded, Trouble> {
        let info = &self.index.frames[frame];
        let (compressed, seal) = bytes.split_at(info.compressed_len as usize);
        let seal = Seal::decode(seal.try_into().expect("split before the seal"))?;
        if seal != info.seal(self.index.recordings[info.recording]) {
            return Err(Damage::new("the seal is not the one in the index").into());
        }
        seal.check(compressed, &info.previous)?;
        let raw = decompress(compressed, seal.raw_len)?;
        let mut chunks = HashMap::new();
        let mut values = Values::new(&raw);
        let header = values.next_fields()?;
        let header = header.ok_or_else(|| Damage::new("a frame is empty"))?;
        let version = FrameHeader::version(&header)?;
        match version.check_readable_by(FormatVersion::CURRENT) {
            Ok(()) => {}
            Err(Unreadable::TooNew | Unreadable::TooOld) => return Err(Trouble::Version(version)),
        }
        let mut batches: HashMap<StreamId, Vec<usize>> = HashMap::new();
        loop {
            let begin = values.offset();
            let Some(fields) = values.next_fields()? else {
                break;
            };
            match fields.kind() {
                "content" => {
                    let chunk = Chunk::decode(&fields)?;
                    let start = chunk.bytes.as_ptr() as usize - raw.as_ptr() as usize;
                    chunks.insert(chunk.hash, start..start + chunk.bytes.len());
                }
                "batch" => batches.entry(stream_of(&fields)?).or_default().push(begin),
                _ => {}
            }
        }
        Ok(Loaded {
            raw,
            chunks,
            batches,
        })
    }

    /// Appends a chunk's bytes.
    fn append_chunk(&mut self, hash: &Digest, out: &mut Vec<u8>) -> Result<usize, Damage> {
        let missing = || Damage::new("a chunk that is referred to is not in the trace");
        let frame = *self.index.chunks.get(hash).ok_or_else(missing)?;
        let loaded = self.load(frame as usize).map_err(|error| match error {
            TraceError::Corrupt { what, .. } => Damage::new(what),
            error => Damage::new(error.to_string()),
        })?;
        let range = loaded.chunks.get(hash).ok_or_else(missing)?;
        out.extend_from_slice(&loaded.raw[range.clone()]);
        Ok(range.len())
    }
}
