//! Columns to events, one at a time.

use reenact_abi::event::{flags, Header, Role, HEADER_SIZE};

use super::{
    may_be_words, words_of, Col, Last, LastPart, Running, Site, ARGS, CHUNKED, COLUMNS, HASH_FIRST,
    HASH_NONE, HASH_SAME, NAMES, ROLE, WORDS, WORD_COUNT,
};
use crate::error::Damage;
use crate::limits::{
    BATCH_EVENTS_MAX, BATCH_PARTS_MAX, CHUNK_MAX, EVENT_BYTES_MAX, EVENT_PARTS_MAX,
};
use crate::model::StreamId;
use crate::msgpack::Fields;
use crate::varint::Numbers;

/// An event whose chunked payloads are still references.
#[derive(Debug)]
pub(crate) struct RawEvent<'a> {
    pub header: Header,
    pub parts: Vec<RawPart<'a>>,
}

#[derive(Debug)]
pub(crate) struct RawPart<'a> {
    /// `None` when this build does not know the role.
    pub role: Option<Role>,
    pub addr: u64,
    pub len: u64,
    pub content: u64,
    pub payload: PartPayload<'a>,
}

#[derive(Debug)]
pub(crate) enum PartPayload<'a> {
    None,
    Inline(&'a [u8]),
    Words([u8; WORD_COUNT * 8], usize),
    /// Digests of the chunks, 32 bytes each. All but the last stand for `CHUNK_MAX` bytes.
    Chunks(&'a [u8]),
}

/// A batch being read.
pub(crate) struct Reading<'a> {
    pub stream: StreamId,
    pub first_seq: u64,
    pub count: u64,
    left: u64,
    running: Running,
    sites: Vec<Site>,
    last: Vec<Option<Last>>,
    hashes: &'a [u8],
    columns: [Numbers<'a>; COLUMNS],
}

/// The stream that a batch is of.
pub(crate) fn stream_of(fields: &Fields<'_>) -> Result<StreamId, Damage> {
    Ok(StreamId {
        process: fields.u32("process")?,
        task: fields.u32("task")?,
    })
}

impl<'a> Reading<'a> {
    pub fn new(fields: &Fields<'a>) -> Result<Reading<'a>, Damage> {
        let mut columns = [Numbers::default(); COLUMNS];
        for (column, name) in columns.iter_mut().zip(NAMES) {
            *column = Numbers::new(fields.optional_bytes(name)?);
        }
        let order = fields.u64("order_base")?;
        let mut reading = Reading {
            stream: stream_of(fields)?,
            first_seq: fields.u64("seq")?,
            count: fields.u64("count")?,
            left: 0,
            running: Running {
                group: fields.u64("group_base")?,
                order,
                ticket: 0,
                time_ns: fields.u64("time_base")?,
                rsp: 0,
            },
            sites: Vec::new(),
            last: Vec::new(),
            hashes: fields
                .optional_bytes(NAMES[Col::Hashes as usize])?
                .unwrap_or(&[]),
            columns,
        };
        // Each event takes at least a byte of this column, which bounds a claimed count.
        if reading.count > reading.columns[Col::Site as usize].left() as u64 {
            return Err(Damage::new("a batch claims more events than it holds"));
        }
        let parts = reading.columns[Col::Role as usize].left();
        if reading.count > BATCH_EVENTS_MAX as u64 || parts > BATCH_PARTS_MAX {
            return Err(Damage::new("a batch exceeds its largest size"));
        }
        if reading.first_seq.checked_add(reading.count).is_none() {
            return Err(Damage::new("a batch counts beyond 64 bits"));
        }
        reading.left = reading.count;
        reading.sites()?;
        Ok(reading)
    }

    fn col(&mut self, column: Col) -> &mut Numbers<'a> {
        &mut self.columns[column as usize]
    }

    fn sites(&mut self) -> Result<(), Damage> {
        let count = self.col(Col::SiteKind).left();
        if count as u64 > self.count {
            return Err(Damage::new("a batch has more sites than events"));
        }
        let mut rip = 0;
        for _ in 0..count {
            rip = self.col(Col::SiteRip).delta(rip)?;
            let site = Site {
                kind: self.col(Col::SiteKind).byte()?,
                flags: self.col(Col::SiteFlags).byte()?,
                nr: self.col(Col::SiteNr).at_most(u16::MAX.into())? as u16,
                rip,
                ticketed: self.col(Col::SiteTicket).byte()? != 0,
            };
            self.sites.push(site);
        }
        self.last.resize_with(count, || None);
        Ok(())
    }

    /// The next event, or `None` after the last, when every column must have been used up.
    pub fn next(&mut self) -> Result<Option<RawEvent<'a>>, Damage> {
        if self.left == 0 {
            self.columns[Col::Hashes as usize] = Numbers::default();
            return match self.columns.iter().position(|column| column.left() != 0) {
                None => Ok(None),
                Some(at) => Err(Damage::new(format!(
                    "the column `{}` is too long",
                    NAMES[at]
                ))),
            };
        }
        self.left -= 1;
        self.event().map(Some)
    }

    fn event(&mut self) -> Result<RawEvent<'a>, Damage> {
        let index = self.col(Col::Site).number()?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(site) = self.sites.get(index).copied() else {
            return Err(Damage::new(
                "an event names a site that its batch does not have",
            ));
        };
        let mut header = Header {
            size: HEADER_SIZE as u32,
            kind: site.kind,
            flags: site.flags & !flags::MORE,
            nr: site.nr,
            rip: site.rip,
            ..Header::default()
        };
        self.running_columns(&mut header, site.ticketed)?;
        let fresh = Last::fresh(&self.running);
        let mut expected = self.last[index].take().unwrap_or(fresh);
        for (at, column) in ARGS.into_iter().enumerate() {
            header.args[at] = self.col(column).delta(expected.args[at])?;
        }
        header.ret = self.col(Col::Ret).delta(expected.ret)? as i64;
        header.rsp = self.col(Col::Rsp).delta(expected.rsp)?;
        header.input_hash = self.hash(expected.hash)?;
        let count = self.col(Col::Parts).delta(expected.part_count)?;
        if count > EVENT_PARTS_MAX as u64 || count > self.col(Col::Role).left() as u64 {
            return Err(Damage::new("an event claims more parts than it has"));
        }
        let parts = self.parts(count as usize, &mut expected)?;
        if !parts.is_empty() {
            header.flags |= flags::MORE;
        }
        expected.args = header.args;
        expected.ret = header.ret as u64;
        expected.rsp = header.rsp;
        expected.hash = header.input_hash;
        expected.part_count = count;
        self.last[index] = Some(expected);
        self.running.rsp = header.rsp;
        Ok(RawEvent { header, parts })
    }

    fn running_columns(&mut self, header: &mut Header, ticketed: bool) -> Result<(), Damage> {
        let running = self.running;
        let group = self.col(Col::Group).delta(running.group)?;
        header.group = u32::try_from(group).map_err(|_| Damage::new("a group exceeds 32 bits"))?;
        header.order = self.col(Col::Order).delta(running.order.wrapping_add(1))?;
        header.time_ns = self.col(Col::Time).delta(running.time_ns)?;
        if ticketed {
            header.ticket = self
                .col(Col::Ticket)
                .delta(running.ticket.wrapping_add(1))?;
            self.running.ticket = header.ticket;
        }
        self.running.group = group;
        self.running.order = header.order;
        self.running.time_ns = header.time_ns;
        Ok(())
    }

    fn hash(&mut self, expected: u64) -> Result<u64, Damage> {
        let code = match self.col(Col::Hash).number()? {
            HASH_NONE => return Ok(0),
            HASH_SAME => return Ok(expected),
            code => code - HASH_FIRST,
        };
        let at = usize::try_from(code).unwrap_or(usize::MAX);
        let bytes = self.hashes.chunks_exact(8).nth(at);
        let bytes = bytes.ok_or_else(|| Damage::new("an event names a hash that is not there"))?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("chunks of 8")))
    }

    fn parts(&mut self, count: usize, last: &mut Last) -> Result<Vec<RawPart<'a>>, Damage> {
        let mut parts = Vec::with_capacity(count);
        let mut before = None;
        let mut bytes_left = EVENT_BYTES_MAX as u64;
        for at in 0..count {
            let expected = last.part(at, before.as_ref());
            let part = self.part(&expected, &mut bytes_left)?;
            let words = match &part.payload {
                PartPayload::Inline(bytes) => words_of(bytes),
                PartPayload::Words(bytes, len) => words_of(&bytes[..*len]),
                PartPayload::None | PartPayload::Chunks(_) => [0; WORD_COUNT],
            };
            let now = LastPart {
                addr: part.addr,
                len: part.len,
                content: part.content,
                words,
            };
            last.remember(at, now);
            before = Some(now);
            parts.push(part);
        }
        Ok(parts)
    }

    fn part(&mut self, expected: &LastPart, bytes_left: &mut u64) -> Result<RawPart<'a>, Damage> {
        let tagged = self.col(Col::Role).byte()?;
        let role = tagged & ROLE;
        let addr = self.col(Col::Addr).delta(expected.addr)?;
        let len = self.col(Col::Len).delta(expected.len)?;
        let content = self.col(Col::Content).delta(expected.content)?;
        let known = Role::from_u8(role);
        let reference = known.is_some_and(Role::is_reference);
        let payload = if tagged & (CHUNKED | WORDS) == 0 && reference {
            PartPayload::None
        } else {
            *bytes_left = bytes_left
                .checked_sub(len)
                .ok_or_else(|| Damage::new("an event's payload exceeds the limit"))?;
            self.payload(tagged, len, expected)?
        };
        Ok(RawPart {
            role: known.filter(|role| role.in_trace()),
            addr,
            len,
            content,
            payload,
        })
    }

    fn payload(
        &mut self,
        tagged: u8,
        len: u64,
        expected: &LastPart,
    ) -> Result<PartPayload<'a>, Damage> {
        // The limit on an event's payload, checked by the caller, makes these casts exact.
        match tagged & (CHUNKED | WORDS) {
            0 => Ok(PartPayload::Inline(self.col(Col::Bytes).raw(len as usize)?)),
            CHUNKED if len > 0 => {
                let count = (len as usize).div_ceil(CHUNK_MAX);
                let digests = self.col(Col::Chunks).raw(count * 32)?;
                Ok(PartPayload::Chunks(digests))
            }
            WORDS if may_be_words(len, expected.len) => {
                let mut bytes = [0; WORD_COUNT * 8];
                let words = bytes[..len as usize].chunks_exact_mut(8);
                for (out, was) in words.zip(expected.words) {
                    let word = self.col(Col::Words).delta(was)?;
                    out.copy_from_slice(&word.to_le_bytes());
                }
                Ok(PartPayload::Words(bytes, len as usize))
            }
            _ => Err(Damage::new("a payload is marked in a way that cannot be")),
        }
    }
}
