//! Recovery: what a file holds, learnt by walking it from its start.

use std::io::Read;

use crate::envelope::{decompress, find, index_of_frame, Found, Seal};
use crate::error::Damage;
use crate::index::{Entry, Holds, Index};
use crate::model::{End, Meta};
use crate::msgpack::Values;
use crate::values::{Chunk, FileValue, FrameHeader};
use crate::version::{FormatVersion, Unreadable};

/// What is learnt from the values of one frame.
pub(crate) struct Survey {
    pub header: FrameHeader,
    pub meta: Option<Meta>,
    pub end: Option<End>,
    pub holds: Holds,
    pub chunks: Vec<crate::Digest>,
    pub files: Vec<u64>,
}

/// Why a frame cannot be surveyed.
#[derive(Debug)]
pub(crate) enum Trouble {
    Damage(Damage),
    Version(FormatVersion),
    Io(std::io::Error),
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Trouble {
        Trouble::Damage(damage)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        Trouble::Io(error)
    }
}

impl Survey {
    pub fn of(raw: &[u8]) -> Result<Survey, Trouble> {
        let mut values = Values::new(raw);
        let first = values.next_fields()?;
        let first = first.ok_or_else(|| Damage::new("a frame is empty"))?;
        let version = FrameHeader::version(&first)?;
        match version.check_readable_by(FormatVersion::CURRENT) {
            Ok(()) => {}
            Err(Unreadable::TooNew | Unreadable::TooOld) => return Err(Trouble::Version(version)),
        }
        let mut survey = Survey {
            header: FrameHeader::decode(&first)?,
            meta: None,
            end: None,
            holds: Holds::default(),
            chunks: Vec::new(),
            files: Vec::new(),
        };
        while let Some(fields) = values.next_fields()? {
            let holds = Holds::of(fields.kind());
            survey.holds = survey.holds.and(holds);
            match holds {
                Holds::META => survey.meta = Some(Meta::decode(&fields)?),
                Holds::END => survey.end = Some(End::decode(&fields)?),
                Holds::CONTENT => survey.chunks.push(Chunk::decode(&fields)?.hash),
                Holds::FILE => survey.files.push(FileValue::decode(&fields)?.number),
                _ => {}
            }
        }
        Ok(survey)
    }

    /// The frame's entry in the index.
    pub fn entry(self, seal: Seal) -> Entry {
        Entry {
            seal,
            events: self.header.events,
            time: self.header.time,
            streams: self.header.streams,
            holds: self.holds,
            chunks: self.chunks,
            files: self.files,
        }
    }
}

/// What walking a file came to.
pub(crate) struct Scan {
    pub index: Index,
    /// Whether the file ends with a whole index that says the same.
    pub finished: bool,
    /// What is wrong, after the last frame in `index`.
    pub trouble: Option<Trouble>,
    pub metas: Vec<Meta>,
    pub ends: Vec<Option<End>>,
}

/// Walks a file from its start. With `only_first`, no further than its first frame.
pub(crate) fn scan(input: &mut impl Read, only_first: bool) -> Scan {
    let mut scan = Scan {
        index: Index::default(),
        finished: false,
        trouble: None,
        metas: Vec::new(),
        ends: Vec::new(),
    };
    loop {
        match scan.step(input) {
            Ok(true) if only_first => break,
            Ok(true) => {}
            Ok(false) => break,
            Err(trouble) => {
                scan.trouble = Some(trouble);
                break;
            }
        }
    }
    scan
}

impl Scan {
    /// Takes what comes next; `false` at the end, be it regular or a cut.
    fn step(&mut self, input: &mut impl Read) -> Result<bool, Trouble> {
        match find(input)? {
            Found::Nothing | Found::Cut => Ok(false),
            Found::Bad(damage) => Err(damage.into()),
            Found::Index(frame) => {
                self.check_index(&frame)?;
                if input.read(&mut [0])? != 0 {
                    return Err(Damage::new("something follows the end of the trace").into());
                }
                self.finished = true;
                Ok(false)
            }
            Found::Data(compressed, seal) => {
                self.data(&compressed, seal)?;
                Ok(true)
            }
        }
    }

    fn data(&mut self, compressed: &[u8], seal: Seal) -> Result<(), Trouble> {
        let (number, previous) = self.index.next_of(&seal.uuid);
        if seal.number != number {
            let what = format!(
                "frame {} of a recording where {number} belongs",
                seal.number
            );
            return Err(Damage::new(what).into());
        }
        seal.check(compressed, &previous)?;
        let raw = decompress(compressed, seal.raw_len)?;
        let mut survey = Survey::of(&raw)?;
        if survey.header.origin.uuid != seal.uuid || survey.header.number != number {
            return Err(Damage::new("a frame's header does not match its seal").into());
        }
        let (meta, end) = (survey.meta.take(), survey.end.take());
        self.index.add(survey.entry(seal))?;
        let recording = self.index.frames.last().expect("just added").recording;
        if recording == self.metas.len() {
            let missing = || Damage::new("a recording does not start with its `meta`");
            self.metas.push(meta.ok_or_else(missing)?);
            self.ends.push(None);
        }
        if self.ends[recording].is_some() {
            return Err(Damage::new("a recording goes on after its end").into());
        }
        self.ends[recording] = end;
        Ok(())
    }

    fn check_index(&self, frame: &[u8]) -> Result<(), Trouble> {
        let mut values = Values::new(index_of_frame(frame)?);
        let fields = values.next_fields()?;
        let fields = fields.ok_or_else(|| Damage::new("the index is empty"))?;
        if values.next()?.is_some() || Index::decode(&fields)? != self.index {
            return Err(Damage::new("the index does not match the frames").into());
        }
        Ok(())
    }
}
