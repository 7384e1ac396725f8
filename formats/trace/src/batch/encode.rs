//! Events to columns.

use reenact_abi::event::{flags, Header, Role};
use rustc_hash::FxHashMap;

use super::{
    has_words, is_raw, may_be_words, Col, Last, LastPart, Running, Site, ARGS, CHUNKED, COLUMNS,
    HASH_FIRST, HASH_SAME, NAMES, WORDS, WORD_COUNT,
};
use crate::limits::{
    BATCH_BYTES_TARGET, BATCH_EVENTS_TARGET, BATCH_PARTS_TARGET, EVENT_INLINE_MAX,
};
use crate::model::{PartRef, StreamId};
use crate::msgpack::Packer;
use crate::varint::{size, zigzag, Column};
use crate::writer::PairAgain;
use crate::Digest;

/// The chunks of an event's payloads that are too large for a batch, by the part's position.
#[derive(Default)]
pub(crate) struct Stored(pub Vec<(usize, Vec<Digest>)>);

impl Stored {
    /// The chunks of part number `at`; none if its payload is inline.
    fn of(&self, at: usize) -> &[Digest] {
        let found = self.0.iter().find(|(part, _)| *part == at);
        found.map_or(&[], |(_, chunks)| chunks)
    }
}

/// Bytes that an event, and a part beside its payload, are taken for.
const EVENT_WEIGHT: usize = 8;
const PART_WEIGHT: usize = 4;
/// The columns that the part of a pair goes to.
const PAIR_COLUMNS: [Col; 3] = [Col::Words, Col::Bytes, Col::Role];
const PAIR_WEIGHT: usize = EVENT_WEIGHT + PART_WEIGHT + 16;

/// Sites that are looked for at the place that their instruction's address gives, before the map is
/// asked. A power of two.
const RECENT: usize = 128;

/// Which of a site's events are most alike: those of calls by the same way, with the same first argument
/// (a descriptor, mostly). A way that recurs gets an entry of its own in the dictionary, so that what
/// is expected of its next event is what its last one was.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Way {
    site: Site,
    rsp: u64,
    arg: u64,
}

/// A way is worth an entry when it is taken for this time, and so many ways of a batch are counted.
const WORTHWHILE: u8 = 3;
const WAYS_MAX: usize = 4096;

/// Events of one stream, being collected.
///
/// Most entries of most columns are zero, as most events are what was expected. A zero costs
/// nothing: columns with an entry for each event (or each part) are filled up to the position of
/// the next entry that is not zero.
pub(crate) struct Batch {
    stream: StreamId,
    first_seq: u64,
    count: usize,
    tickets: usize,
    parts: usize,
    weight: usize,
    time: (u64, u64),
    first: Running,
    running: Running,
    sites: FxHashMap<Site, usize>,
    /// How often each way was taken, and its entry once it has one.
    ways: FxHashMap<Way, (u8, usize)>,
    recent: Box<[(Way, usize); RECENT]>,
    last_rip: u64,
    last: Vec<Last>,
    /// The dictionary's entry of the last event, if that was a pair as expected.
    pair: Option<usize>,
    hashes: FxHashMap<u64, u64>,
    columns: [Column; COLUMNS],
}

impl Batch {
    pub fn new(stream: StreamId, first_seq: u64) -> Batch {
        Batch {
            stream,
            first_seq,
            count: 0,
            tickets: 0,
            parts: 0,
            weight: 0,
            time: (0, 0),
            first: Running::default(),
            running: Running::default(),
            sites: FxHashMap::default(),
            ways: FxHashMap::default(),
            recent: Box::new([(Way::default(), usize::MAX); RECENT]),
            last_rip: 0,
            last: Vec::new(),
            pair: None,
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
        self.count as u64
    }

    /// Earliest and latest time of its events.
    pub fn time(&self) -> Option<(u64, u64)> {
        (self.count != 0).then_some(self.time)
    }

    /// About as many bytes as its columns have.
    pub fn weight(&self) -> usize {
        self.weight
    }

    pub fn is_full(&self) -> bool {
        self.count >= BATCH_EVENTS_TARGET
            || self.parts >= BATCH_PARTS_TARGET
            || self.weight >= BATCH_BYTES_TARGET
    }

    fn col(&mut self, column: Col) -> &mut Column {
        &mut self.columns[column as usize]
    }

    pub fn push(&mut self, header: &Header, parts: &[PartRef<'_>], stored: &Stored) {
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
            self.time = (header.time_ns, header.time_ns);
        }
        let site = self.site(header);
        self.push_at(site, header, parts, stored);
    }

    fn push_at(&mut self, site: usize, header: &Header, parts: &[PartRef<'_>], stored: &Stored) {
        let at = self.count;
        self.pair = None;
        self.note_time(header.time_ns);
        self.running_columns(header);
        let Batch { columns, last, .. } = self;
        let expected = &mut last[site];
        let mut delta = |column: Col, value: u64, expected: u64| {
            if value != expected {
                columns[column as usize].delta_at(at, value, expected);
            }
        };
        let pairs = header.args.iter().zip(&expected.args);
        if pairs.fold(0, |bits, (arg, was)| bits | (arg ^ was)) != 0 {
            for (index, column) in ARGS.into_iter().enumerate() {
                delta(column, header.args[index], expected.args[index]);
            }
            expected.args = header.args;
        }
        delta(Col::Ret, header.ret as u64, expected.ret);
        delta(Col::Rsp, header.rsp, expected.rsp);
        delta(Col::Parts, parts.len() as u64, expected.part_count);
        expected.ret = header.ret as u64;
        expected.rsp = header.rsp;
        expected.part_count = parts.len() as u64;
        let hash = std::mem::replace(&mut expected.hash, header.input_hash);
        if header.input_hash != 0 {
            self.hash(header.input_hash, hash);
        }
        if !parts.is_empty() {
            self.push_parts(site, parts, stored);
        }
        self.running.rsp = header.rsp;
        self.weight += EVENT_WEIGHT;
        self.count += 1;
    }

    /// Puts an event without input hash and ticket, whose only part is these two words that it wrote at
    /// `addr`: the same as [`Batch::push`], and quicker if it is as expected.
    pub fn push_pair(&mut self, header: &Header, addr: u64, pair: [u64; 2]) {
        let bytes = pair.map(u64::to_le_bytes);
        let part = PartRef {
            role: Role::Output,
            addr,
            len: 16,
            content: 0,
            bytes: bytes.as_flattened(),
        };
        if self.count == 0 {
            return self.push(header, &[part], &Stored::default());
        }
        let site = self.site(header);
        let expected = &mut self.last[site];
        let pairs = header.args.iter().zip(&expected.args);
        let differs = pairs.fold(0, |bits, (arg, was)| bits | (arg ^ was))
            | (header.ret as u64 ^ expected.ret)
            | (header.rsp ^ expected.rsp)
            | (1 ^ expected.part_count);
        let like = match expected.parts.first_mut() {
            Some(like) if differs == 0 && like.addr == addr && like.len == 16 => like,
            _ => return self.push_at(site, header, &[part], &Stored::default()),
        };
        expected.hash = 0;
        like.words[2..].fill(0);
        let content = std::mem::take(&mut like.content);
        let mut like_words = [like.words[0], like.words[1]];
        like.words[..2].copy_from_slice(&pair);
        if content != 0 {
            let at = self.parts;
            self.col(Col::Content).delta_at(at, 0, content);
        }
        self.running_columns(header);
        self.running.rsp = header.rsp;
        self.note_time(header.time_ns);
        let [mut words, mut bytes, mut role] =
            PAIR_COLUMNS.map(|col| std::mem::take(self.col(col)));
        put_pair(&mut words, &mut bytes, &mut role, &mut like_words, pair);
        self.put_back(PAIR_COLUMNS, [words, bytes, role]);
        self.pair = Some(site);
        self.parts += 1;
        self.weight += PAIR_WEIGHT;
        self.count += 1;
    }

    /// Puts events that differ from the last one in their order, their time and their two words alone,
    /// until the batch is full; how many those were. None if each has to be put as any other.
    pub fn push_pairs_again(&mut self, pairs: impl Iterator<Item = PairAgain>) -> usize {
        let Some(site) = self.pair else {
            return 0;
        };
        if self.last[site].parts.is_empty() {
            return 0;
        }
        const COLS: [Col; 3] = [Col::Site, Col::Order, Col::Time];
        let [mut sites, mut order, mut time] = COLS.map(|col| std::mem::take(self.col(col)));
        let [mut words, mut bytes, mut role] =
            PAIR_COLUMNS.map(|col| std::mem::take(self.col(col)));
        let like = &mut self.last[site].parts[0];
        let (first, mut at, mut weight) = (self.count, self.count, self.weight);
        let mut like_words = [like.words[0], like.words[1]];
        let (mut last_order, mut last_ns) = (self.running.order, self.running.time_ns);
        for pair in pairs.take(BATCH_EVENTS_TARGET.saturating_sub(first)) {
            let expected = last_order.wrapping_add(1);
            if pair.order != expected {
                order.delta_at(at, pair.order, expected);
            }
            if pair.time_ns != last_ns {
                time.delta_at(at, pair.time_ns, last_ns);
            }
            (last_order, last_ns) = (pair.order, pair.time_ns);
            self.time.0 = self.time.0.min(last_ns);
            self.time.1 = self.time.1.max(last_ns);
            put_pair(
                &mut words,
                &mut bytes,
                &mut role,
                &mut like_words,
                pair.words,
            );
            at += 1;
            weight += PAIR_WEIGHT;
            if weight >= BATCH_BYTES_TARGET {
                break;
            }
        }
        like.words[..2].copy_from_slice(&like_words);
        if site != 0 {
            sites.repeat_at(first, at - first, site as u64);
        }
        self.put_back(COLS, [sites, order, time]);
        self.put_back(PAIR_COLUMNS, [words, bytes, role]);
        (self.running.order, self.running.time_ns) = (last_order, last_ns);
        (self.count, self.weight) = (at, weight);
        self.parts += at - first;
        at - first
    }

    /// Puts columns back that were taken out to be worked on side by side.
    fn put_back<const N: usize>(&mut self, cols: [Col; N], taken: [Column; N]) {
        for (col, column) in cols.into_iter().zip(taken) {
            *self.col(col) = column;
        }
    }

    fn note_time(&mut self, time_ns: u64) {
        self.time.0 = self.time.0.min(time_ns);
        self.time.1 = self.time.1.max(time_ns);
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
        let way = Way {
            site,
            rsp: header.rsp,
            arg: header.args[0],
        };
        // 2^64 by the golden ratio.
        let mixed = (way.site.rip ^ way.rsp ^ way.arg << 24).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = (mixed >> 32) as usize % RECENT;
        let (recent, known) = self.recent[place];
        let index = if known != usize::MAX && recent == way {
            known
        } else {
            self.known_way(way, place)
        };
        let at = self.count;
        if index != 0 {
            self.col(Col::Site).number_at(at, index as u64);
        }
        index
    }

    fn known_way(&mut self, way: Way, place: usize) -> usize {
        if self.ways.len() >= WAYS_MAX && !self.ways.contains_key(&way) {
            return self.known_site(way.site);
        }
        let (times, entry) = self.ways.entry(way).or_insert((0, 0));
        *times = times.saturating_add(1);
        let index = match *times {
            WORTHWHILE => {
                *entry = self.last.len();
                self.new_site(way.site)
            }
            fewer if fewer < WORTHWHILE => return self.known_site(way.site),
            _ => *entry,
        };
        self.recent[place] = (way, index);
        index
    }

    fn known_site(&mut self, site: Site) -> usize {
        match self.sites.get(&site) {
            Some(index) => *index,
            None => {
                let index = self.new_site(site);
                self.sites.insert(site, index);
                index
            }
        }
    }

    fn new_site(&mut self, site: Site) -> usize {
        let last_rip = self.last_rip;
        self.col(Col::SiteKind).byte(site.kind);
        self.col(Col::SiteFlags).byte(site.flags);
        self.col(Col::SiteNr).number(site.nr.into());
        self.col(Col::SiteRip).delta(site.rip, last_rip);
        self.col(Col::SiteTicket).byte(site.ticketed.into());
        self.last_rip = site.rip;
        self.last.push(Last::fresh(&self.running));
        self.last.len() - 1
    }

    fn running_columns(&mut self, header: &Header) {
        let (running, at) = (self.running, self.count);
        let mut delta = |column: Col, value: u64, expected: u64| {
            if value != expected {
                self.columns[column as usize].delta_at(at, value, expected);
            }
        };
        delta(Col::Group, header.group.into(), running.group);
        delta(Col::Order, header.order, running.order.wrapping_add(1));
        delta(Col::Time, header.time_ns, running.time_ns);
        if header.ticket != 0 {
            let (at, expected) = (self.tickets, running.ticket.wrapping_add(1));
            self.col(Col::Ticket).delta_at(at, header.ticket, expected);
            self.tickets += 1;
            self.running.ticket = header.ticket;
        }
        self.running.group = header.group.into();
        self.running.order = header.order;
        self.running.time_ns = header.time_ns;
    }

    fn hash(&mut self, hash: u64, expected: u64) {
        let at = self.count;
        if hash == expected {
            return self.col(Col::Hash).number_at(at, HASH_SAME);
        }
        let next = self.hashes.len() as u64;
        let index = *self.hashes.entry(hash).or_insert(next);
        if index == next {
            self.col(Col::Hashes).raw(&hash.to_le_bytes());
        }
        self.col(Col::Hash).number_at(at, HASH_FIRST + index);
    }

    fn push_parts(&mut self, site: usize, parts: &[PartRef<'_>], stored: &Stored) {
        let Batch { columns, last, .. } = self;
        let expected = &mut last[site];
        // The part before, where the site has none at this place yet.
        let mut before: Option<LastPart> = None;
        for (at, part) in parts.iter().enumerate() {
            let (position, chunks) = (self.parts + at, stored.of(at));
            if let Some(like) = expected.parts.get_mut(at) {
                push_part(columns, position, part, chunks, like);
            } else {
                let last = at.checked_sub(1).and_then(|at| expected.parts.get(at));
                let mut like = expected.part(at, last.or(before.as_ref()));
                push_part(columns, position, part, chunks, &mut like);
                expected.remember(at, like);
                before = Some(like);
            }
            self.weight += PART_WEIGHT + part.bytes.len().min(EVENT_INLINE_MAX);
        }
        self.parts += parts.len();
    }

    /// The finished value.
    pub fn encode(mut self) -> Vec<u8> {
        self.fill();
        let stored = |(at, column): &(usize, &Column)| {
            column.nonzero || (is_raw(*at) && !column.bytes.is_empty())
        };
        let columns = || self.columns.iter().enumerate().filter(stored);
        let bytes: usize = self.columns.iter().map(|column| column.bytes.len()).sum();
        let mut out = Vec::with_capacity(bytes + 512);
        let mut packer = Packer(&mut out);
        packer.map(8 + columns().count());
        packer.text_field("type", "batch");
        packer.number_field("process", self.stream.process.into());
        packer.number_field("task", self.stream.task.into());
        packer.number_field("seq", self.first_seq);
        packer.number_field("count", self.count as u64);
        packer.number_field("group_base", self.first.group);
        packer.number_field("order_base", self.first.order);
        packer.number_field("time_base", self.first.time_ns);
        for (at, column) in columns() {
            packer.bytes_field(NAMES[at], &column.bytes);
        }
        out
    }

    /// Fills up every column that is stored with the zeros behind its last entry.
    fn fill(&mut self) {
        const BY_EVENT: [Col; 14] = [
            Col::Site,
            Col::Group,
            Col::Order,
            Col::Time,
            Col::Arg0,
            Col::Arg1,
            Col::Arg2,
            Col::Arg3,
            Col::Arg4,
            Col::Arg5,
            Col::Ret,
            Col::Rsp,
            Col::Hash,
            Col::Parts,
        ];
        const BY_PART: [Col; 3] = [Col::Addr, Col::Len, Col::Content];
        let (count, parts, tickets) = (self.count, self.parts, self.tickets);
        for column in BY_EVENT {
            let always = column == Col::Site;
            let column = self.col(column);
            if always || column.nonzero {
                column.fill(count);
            }
        }
        for column in BY_PART.map(|column| column as usize) {
            if self.columns[column].nonzero {
                self.columns[column].fill(parts);
            }
        }
        if self.col(Col::Ticket).nonzero {
            self.col(Col::Ticket).fill(tickets);
        }
    }
}

/// Puts the part of a pair, which is expected to be `like` one; then `like` is this one.
#[inline(always)]
fn put_pair(
    words: &mut Column,
    bytes: &mut Column,
    role: &mut Column,
    like: &mut [u64; 2],
    pair: [u64; 2],
) {
    let coded = [0, 1].map(|word| zigzag(pair[word].wrapping_sub(like[word])));
    *like = pair;
    let short = (coded[0] | coded[1]) < 1 << 28;
    if short || (size(coded[0]) + size(coded[1])) * 2 <= 16 {
        role.byte(Role::Output as u8 | WORDS);
        coded.iter().for_each(|word| words.number(*word));
    } else {
        role.byte(Role::Output as u8);
        bytes.raw(pair.map(u64::to_le_bytes).as_flattened());
    }
}

/// Puts part number `at` of the batch, which is expected to be `like` one; then `like` is this one.
fn push_part(
    columns: &mut [Column; COLUMNS],
    at: usize,
    part: &PartRef<'_>,
    chunks: &[Digest],
    like: &mut LastPart,
) {
    let mut delta = |column: Col, value: u64, expected: &mut u64| {
        if value != *expected {
            columns[column as usize].delta_at(at, value, *expected);
            *expected = value;
        }
    };
    let like_len = like.len;
    delta(Col::Addr, part.addr, &mut like.addr);
    delta(Col::Len, part.len, &mut like.len);
    delta(Col::Content, part.content, &mut like.content);
    let inline = if chunks.is_empty() { part.bytes } else { &[] };
    let mut role = part.role as u8;
    if !chunks.is_empty() {
        role |= CHUNKED;
        columns[Col::Chunks as usize].raw(chunks.as_flattened());
    }
    if has_words(inline) {
        let mut coded = [0; WORD_COUNT];
        let (mut count, mut bytes) = (0, 0);
        let mut words = inline.chunks_exact(8);
        for was in &mut like.words {
            let Some(word) = words.next() else {
                *was = 0;
                continue;
            };
            let word = u64::from_le_bytes(word.try_into().expect("chunks of 8"));
            coded[count] = zigzag(word.wrapping_sub(*was));
            bytes += size(coded[count]);
            count += 1;
            *was = word;
        }
        let coded = &coded[..count];
        if may_be_words(part.len, like_len) && bytes * 2 <= inline.len() {
            role |= WORDS;
            let column = &mut columns[Col::Words as usize];
            coded.iter().for_each(|word| column.number(*word));
        } else {
            columns[Col::Bytes as usize].raw(inline);
        }
    } else {
        columns[Col::Bytes as usize].raw(inline);
        like.words = [0; WORD_COUNT];
    }
    columns[Col::Role as usize].byte(role);
}
