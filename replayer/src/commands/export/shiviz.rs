//! A log with vector clocks for ShiViz (bestchai.bitbucket.io/shiviz).
//!
//! The first line is the regular expression by which ShiViz reads the rest, as GoVector writes it, and
//! an empty line follows. Then each event takes two lines: host and clock, and what happened. A host is
//! a process. A clock has the number of events of each process that are known to have happened up to
//! here; its own grows by one with each event. So one event of the log happened before another exactly
//! if `formats/causal` says so of the two places.
//!
//! A call that sent something may have returned after its receiver had it. What it sent was under way
//! when the call began, and so the event stands there, before what others of its group did meanwhile.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::Write;

use reenact_causal::{EventId, Fact, Moment, Place, Point, Story};
use reenact_trace::Reader;
use reenact_wire::Detail;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::json;

use super::gather::Run;
use super::output::Output;
use super::ExportError;
use crate::commands::show::line::What;
use crate::commands::show::words::{plain as name, shortened};
use crate::commands::show::Decoding;

/// How ShiViz reads the log. The `m` flag that it adds makes `.` end at a line's end.
const PARSER: &str = r"(?<host>\S*) (?<id>\S*) (?<clock>{.*})\n(?<event>.*)";
/// Characters of an event's text.
const TEXT_MAX: usize = 300;

/// Something that happened, with its place in the order of its chain.
#[derive(Clone, Copy)]
struct Entry {
    point: Point,
    /// Where it stands: its own place, or behind that after which its call began.
    place: Place,
    /// Whether it stands before other events of its place.
    early: bool,
    what: Plain,
}

/// What happened, where nothing better is known.
#[derive(Clone, Copy)]
enum Plain {
    Word(&'static str),
    Bytes(&'static str, u64),
}

/// What one chain or link knows: events of each process, by position.
type Clock = BTreeMap<u32, u64>;

pub fn export(
    decoding: &Decoding,
    reader: &mut Reader,
    out: &mut Output,
) -> Result<(), ExportError> {
    let mut entries = Vec::new();
    let run = Run::gather(
        decoding,
        Detail::Summaries,
        reader,
        &mut |_| (),
        &mut |_, moment| entries.extend(entry(moment)),
    )?;
    let texts = texts(&run);
    let order = Order::new(&run, entries);
    writeln!(out, "{PARSER}\n")?;
    order.walk(&mut |entry, clock| {
        let process = entry.point.event.stream.process;
        let host = host(&run.story, process);
        let clock: serde_json::Map<String, serde_json::Value> = clock
            .iter()
            .map(|(process, count)| (self::host(&run.story, *process), json!(count)))
            .collect();
        let event = run.event_name(&entry.point);
        let clock = serde_json::Value::Object(clock);
        let text = texts.get(&entry.point.event).map_or_else(
            || match entry.what {
                Plain::Word(word) => word.to_owned(),
                Plain::Bytes(verb, bytes) => format!("{verb} {bytes} B"),
            },
            |texts| shortened(&texts.join("; "), TEXT_MAX),
        );
        writeln!(out, "{host} {event} {clock}\n{text}")
    })?;
    Ok(())
}

/// A name without spaces.
fn host(story: &Story, process: u32) -> String {
    name(story, process).replace(char::is_whitespace, "_")
}

/// What messages and notes say of events.
fn texts(run: &Run<()>) -> FxHashMap<EventId, Vec<String>> {
    let mut texts: FxHashMap<EventId, Vec<String>> = FxHashMap::default();
    for line in &run.notes {
        if let What::Note { text, .. } = &line.what {
            texts.entry(line.event).or_default().push(text.clone());
        }
    }
    for said in &run.said {
        let ends = [
            said.sent().map(|sent| sent.0),
            said.received().map(|got| got.1),
        ];
        for (arrow, point) in ["→", "←"].into_iter().zip(ends) {
            let Some(point) = point else { continue };
            let text = format!("{arrow} {}", said.text);
            texts.entry(point.event).or_default().push(text);
        }
    }
    texts
}

/// Facts that are events of the log: whatever may be the end of a link, and what people want to see.
fn entry(moment: &Moment) -> Option<Entry> {
    let what = match &moment.fact {
        Fact::Spawn { .. } => Plain::Word("makes a task"),
        Fact::Start { .. } => Plain::Word("starts"),
        Fact::Exec { .. } => Plain::Word("runs a program"),
        Fact::End { .. } => Plain::Word("ends"),
        Fact::Wait { .. } => Plain::Word("takes note of the end of a child"),
        Fact::Kill { .. } => Plain::Word("sends a signal"),
        Fact::Signal { .. } => Plain::Word("gets a signal"),
        Fact::Fault { .. } => Plain::Word("faults"),
        Fact::Listen { .. } => Plain::Word("listens"),
        Fact::Open { .. } => Plain::Word("opens a connection"),
        Fact::Refused { .. } => Plain::Word("cannot connect"),
        Fact::Close { .. } => Plain::Word("closes a connection"),
        Fact::EndOfStream { .. } => Plain::Word("sees the end of a connection"),
        Fact::Send { bytes, .. } => Plain::Bytes("sends", bytes.len),
        Fact::Receive { bytes, .. } => Plain::Bytes("receives", bytes.len),
        Fact::Standard { bytes, .. } => Plain::Bytes("writes", bytes.len),
        Fact::Mark { .. } => Plain::Word("marks"),
        Fact::Unrecorded { .. } => Plain::Word("goes on unrecorded"),
        Fact::Gap { .. } => Plain::Word("events are missing"),
        Fact::Chain { .. } => Plain::Word("joins a group"),
        Fact::KeyLog { .. } => return None,
    };
    let point = Point {
        event: moment.event,
        place: moment.place,
        time_ns: moment.time_ns,
        since: moment.since,
    };
    Some(Entry {
        point,
        place: moment.place,
        early: false,
        what,
    })
}

/// The events of the log, chain by chain, and what leads from one to another.
struct Order {
    entries: Vec<Entry>,
    /// Positions in `entries` of each chain, in order.
    chains: BTreeMap<u32, Vec<usize>>,
    /// Where links lead to, by where they come from.
    links: FxHashMap<usize, Vec<usize>>,
    /// How many links an entry waits for.
    waits: Vec<usize>,
}

impl Order {
    fn new(run: &Run<()>, mut entries: Vec<Entry>) -> Order {
        let links = run.model.causality().links();
        let overlaps = |from: &Point, to: &Point| from.time_ns >= to.time_ns;
        let early: FxHashMap<EventId, Place> = links
            .iter()
            .filter(|link| overlaps(&link.from, &link.to))
            .filter_map(|link| Some((link.from.event, link.from.since?.0)))
            .collect();
        for entry in &mut entries {
            if let Some(since) = early.get(&entry.point.event) {
                if since.chain == entry.place.chain && since.order < entry.place.order {
                    entry.place = *since;
                    entry.early = true;
                }
            }
        }
        // An event gives one entry: what happened there happened at once.
        entries.sort_by_key(|entry| (entry.place, entry.early, entry.point.event));
        entries.dedup_by_key(|entry| (entry.place, entry.point.event));
        let mut chains: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let mut of: FxHashMap<EventId, usize> = FxHashMap::default();
        for (at, entry) in entries.iter().enumerate() {
            chains.entry(entry.place.chain).or_default().push(at);
            of.entry(entry.point.event).or_insert(at);
        }
        let mut order = Order {
            waits: vec![0; entries.len()],
            links: FxHashMap::default(),
            entries,
            chains,
        };
        let mut seen = FxHashSet::default();
        for link in links {
            let from = match of.get(&link.from.event) {
                Some(at) if overlaps(&link.from, &link.to) => Some(*at),
                Some(_) | None => order.last_until(link.from.place),
            };
            let to = order.first_from(link.to.place);
            let (Some(from), Some(to)) = (from, to) else {
                continue;
            };
            if from != to && seen.insert((from, to)) {
                order.links.entry(from).or_default().push(to);
                order.waits[to] += 1;
            }
        }
        order
    }

    /// The last entry of a chain that is not behind a place.
    fn last_until(&self, place: Place) -> Option<usize> {
        let chain = self.chains.get(&place.chain)?;
        let upto = chain.partition_point(|at| self.entries[*at].place <= place);
        Some(chain[upto.checked_sub(1)?])
    }

    fn first_from(&self, place: Place) -> Option<usize> {
        let chain = self.chains.get(&place.chain)?;
        // What stands early at a place belongs behind it.
        let before = |entry: &Entry| entry.place < place || entry.place == place && entry.early;
        let from = chain.partition_point(|at| before(&self.entries[*at]));
        chain.get(from).copied().or_else(|| {
            chain
                .last()
                .copied()
                .filter(|at| self.entries[*at].place == place)
        })
    }

    /// Hands out all entries with their clocks, causes before effects, else by time.
    fn walk(
        mut self,
        told: &mut dyn FnMut(&Entry, &Clock) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut next: BTreeMap<u32, usize> = self.chains.keys().map(|chain| (*chain, 0)).collect();
        let mut clocks: BTreeMap<u32, Clock> = BTreeMap::new();
        let mut carried: FxHashMap<usize, Clock> = FxHashMap::default();
        let mut ready: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
        let mut blocked: BTreeMap<u32, u64> = BTreeMap::new();
        let head = |order: &Order, next: &BTreeMap<u32, usize>, chain: u32| {
            let at = *order.chains.get(&chain)?.get(*next.get(&chain)?)?;
            Some((at, order.entries[at].point.time_ns))
        };
        let all: Vec<u32> = self.chains.keys().copied().collect();
        for chain in all {
            if let Some((at, time_ns)) = head(&self, &next, chain) {
                match self.waits[at] {
                    0 => ready.push(Reverse((time_ns, chain))),
                    _ => drop(blocked.insert(chain, time_ns)),
                }
            }
        }
        loop {
            let chain = match ready.pop() {
                Some(Reverse((_, chain))) => chain,
                // Links in a circle, which clocks that disagree can make: the earliest goes on.
                None => match blocked
                    .iter()
                    .min_by_key(|(chain, time_ns)| (**time_ns, **chain))
                {
                    Some((chain, _)) => *chain,
                    None => return Ok(()),
                },
            };
            blocked.remove(&chain);
            let Some((at, _)) = head(&self, &next, chain) else {
                continue;
            };
            let clock = clocks.entry(chain).or_default();
            for (process, count) in carried.remove(&at).unwrap_or_default() {
                let own = clock.entry(process).or_default();
                *own = count.max(*own);
            }
            let process = self.entries[at].point.event.stream.process;
            *clock.entry(process).or_default() += 1;
            told(&self.entries[at], clock)?;
            for to in self.links.remove(&at).unwrap_or_default() {
                let known = carried.entry(to).or_default();
                for (process, count) in clock.iter() {
                    let own = known.entry(*process).or_default();
                    *own = (*own).max(*count);
                }
                self.waits[to] = self.waits[to].saturating_sub(1);
                let there = self.entries[to].place.chain;
                if let Some((first, time_ns)) = head(&self, &next, there) {
                    if first == to && self.waits[to] == 0 && blocked.remove(&there).is_some() {
                        ready.push(Reverse((time_ns, there)));
                    }
                }
            }
            if let Some(position) = next.get_mut(&chain) {
                *position += 1;
            }
            if let Some((at, time_ns)) = head(&self, &next, chain) {
                match self.waits[at] {
                    0 => ready.push(Reverse((time_ns, chain))),
                    _ => drop(blocked.insert(chain, time_ns)),
                }
            }
        }
    }
}
