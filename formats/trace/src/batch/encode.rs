//! Events to columns.

use reenact_abi::event::{flags, Header, Role};
use rustc_hash::FxHashMap;

use super::{
    is_raw, may_be_words, words_of, Col, Last, LastPart, Running, Site, ARGS, CHUNKED, COLUMNS,
    HASH_FIRST, HASH_NONE, HASH_SAME, NAMES, WORDS,
};
use crate::limits::{BATCH_BYTES_TARGET, BATCH_EVENTS_TARGET};
use crate::model::StreamId;
use crate::msgpack::Packer;
use crate::varint::{size, zigzag, Column};
use crate::Digest;

/// A part as it is stored.
pub(crate) struct Payload<'a> {
    pub role: u8,
    pub addr: u64,
    pub len: u64,
    pub content: u64,
    /// The payload itself, when it is stored inline.
    pub inline: &'a [u8],
    /// Its chunks, when it is stored as such; empty otherwise.
    pub chunks: Vec<Digest>,
}

/// Events of one stream, being collected.
pub(crate) struct Batch {
    stream: StreamId,
    first_seq: u64,
    count: u64,
    time: Option<(u64, u64)>,
    first: Running,
    running: Running,
    sites: FxHashMap<Site, usize>,
    last_rip: u64,
    last: Vec<Last>,
    hashes: FxHashMap<u64, u64>,
    columns: [Column; COLUMNS],
}

impl Batch {
    pub fn new(stream: StreamId, first_seq: u64) -> Batch {
        Batch {
            stream,
            first_seq,
            count: 0,
            time: None,
            first: Running::default(),
            running: Running::default(),
            sites: FxHashMap::default(),
            last_rip: 0,
            last: Vec::new(),
            hashes: FxHashMap::default(),
            columns: Default::default(),
        }
    }

    pub fn stream(&self) -> StreamId {
        self.stream
    }

    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Earliest and latest time of its events.
    pub fn time(&self) -> Option<(u64, u64)> {
        self.time
    }

    /// Column bytes so far.
    pub fn size(&self) -> usize {
        self.columns.iter().map(|column| column.bytes.len()).sum()
    }

    pub fn is_full(&self) -> bool {
        self.count >= BATCH_EVENTS_TARGET as u64 || self.size() >= BATCH_BYTES_TARGET
    }

    fn col(&mut self, column: Col) -> &mut Column {
        &mut self.columns[column as usize]
    }

    pub fn push(&mut self, header: &Header, parts: &[Payload<'_>]) {
        if self.count == 0 {
            // The first event's own values are the batch's base, so that its differences are 0.
            // Its ticket and its stack are stored whole.
            self.running = Running {
                group: header.group.into(),
                order: header.order.wrapping_sub(1),
                ticket: 0,
                time_ns: header.time_ns,
                rsp: 0,
            };
            self.first = self.running;
        }
        let (first, last) = self.time.unwrap_or((header.time_ns, header.time_ns));
        self.time = Some((first.min(header.time_ns), last.max(header.time_ns)));
        let site = self.site(header);
        self.running_columns(header);
        let mut expected = std::mem::take(&mut self.last[site]);
        for (at, column) in ARGS.into_iter().enumerate() {
            self.col(column).delta(header.args[at], expected.args[at]);
        }
        self.col(Col::Ret).delta(header.ret as u64, expected.ret);
        self.col(Col::Rsp).delta(header.rsp, expected.rsp);
        self.hash(header.input_hash, expected.hash);
        self.col(Col::Parts)
            .delta(parts.len() as u64, expected.part_count);
        let mut before = None;
        for (at, part) in parts.iter().enumerate() {
            let expected_part = expected.part(at, before.as_ref());
            let part = self.part(part, &expected_part);
            expected.remember(at, part);
            before = Some(part);
        }
        expected.args = header.args;
        expected.ret = header.ret as u64;
        expected.rsp = header.rsp;
        expected.hash = header.input_hash;
        expected.part_count = parts.len() as u64;
        self.last[site] = expected;
        self.running.rsp = header.rsp;
        self.count += 1;
    }

    /// Puts the event's site, which is new to the dictionary when it is new to the batch.
    fn site(&mut self, header: &Header) -> usize {
        let site = Site {
            kind: header.kind,
            flags: header.flags & !flags::MORE,
            nr: header.nr,
            rip: header.rip,
            ticketed: header.ticket != 0,
        };
        let next = self.last.len();
        let index = *self.sites.entry(site).or_insert(next);
        if index == next {
            let last_rip = self.last_rip;
            self.col(Col::SiteKind).byte(site.kind);
            self.col(Col::SiteFlags).byte(site.flags);
            self.col(Col::SiteNr).number(site.nr.into());
            self.col(Col::SiteRip).delta(site.rip, last_rip);
            self.col(Col::SiteTicket).byte(site.ticketed.into());
            self.last_rip = site.rip;
            self.last.push(Last::fresh(&self.running));
        }
        self.col(Col::Site).number(index as u64);
        index
    }

    fn running_columns(&mut self, header: &Header) {
        let running = self.running;
        self.col(Col::Group)
            .delta(header.group.into(), running.group);
        self.col(Col::Order)
            .delta(header.order, running.order.wrapping_add(1));
        self.col(Col::Time).delta(header.time_ns, running.time_ns);
        if header.ticket != 0 {
            self.col(Col::Ticket)
                .delta(header.ticket, running.ticket.wrapping_add(1));
            self.running.ticket = header.ticket;
        }
        self.running.group = header.group.into();
        self.running.order = header.order;
        self.running.time_ns = header.time_ns;
    }

    fn hash(&mut self, hash: u64, expected: u64) {
        if hash == 0 {
            return self.col(Col::Hash).number(HASH_NONE);
        }
        if hash == expected {
            return self.col(Col::Hash).number(HASH_SAME);
        }
        let next = self.hashes.len() as u64;
        let index = *self.hashes.entry(hash).or_insert(next);
        if index == next {
            self.col(Col::Hashes).raw(&hash.to_le_bytes());
        }
        self.col(Col::Hash).number(HASH_FIRST + index);
    }

    fn part(&mut self, part: &Payload<'_>, expected: &LastPart) -> LastPart {
        self.col(Col::Addr).delta(part.addr, expected.addr);
        self.col(Col::Len).delta(part.len, expected.len);
        self.col(Col::Content).delta(part.content, expected.content);
        let words = words_of(part.inline);
        let mut role = part.role;
        if !part.chunks.is_empty() {
            role |= CHUNKED;
            self.col(Col::Chunks).raw(part.chunks.as_flattened());
        } else if !Role::from_u8(part.role).is_some_and(Role::is_reference) {
            let count = part.inline.len() / 8;
            let differences = || words.iter().zip(expected.words).take(count);
            let coded = |(word, was): (&u64, u64)| zigzag(word.wrapping_sub(was));
            let bytes: usize = differences().map(coded).map(size).sum();
            if may_be_words(part.len, expected) && bytes * 2 <= part.inline.len() {
                role |= WORDS;
                differences().for_each(|(word, was)| self.col(Col::Words).delta(*word, was));
            } else {
                self.col(Col::Bytes).raw(part.inline);
            }
        }
        self.col(Col::Role).byte(role);
        LastPart {
            addr: part.addr,
            len: part.len,
            content: part.content,
            words,
        }
    }

    /// The finished value.
    pub fn encode(&self) -> Vec<u8> {
        let stored = |(at, column): &(usize, &Column)| {
            column.nonzero || (is_raw(*at) && !column.bytes.is_empty())
        };
        let columns = || self.columns.iter().enumerate().filter(stored);
        let mut out = Vec::with_capacity(self.size() + 256);
        let mut packer = Packer(&mut out);
        packer.map(8 + columns().count());
        packer.text_field("type", "batch");
        packer.number_field("process", self.stream.process.into());
        packer.number_field("task", self.stream.task.into());
        packer.number_field("seq", self.first_seq);
        packer.number_field("count", self.count);
        packer.number_field("group_base", self.first.group);
        packer.number_field("order_base", self.first.order);
        packer.number_field("time_base", self.first.time_ns);
        for (at, column) in columns() {
            packer.bytes_field(NAMES[at], &column.bytes);
        }
        out
    }
}
