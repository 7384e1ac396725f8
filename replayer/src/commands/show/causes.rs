//! `replay show --causes-of` and `--effects-of`: the messages and other lines by which one event led
//! to another.

use std::collections::{BTreeMap, BTreeSet};

use reenact_causal::{ConnectionId, EventId, Link, LinkKind, Model, Side, Story};
use reenact_trace::Reader;
use rustc_hash::{FxHashMap, FxHashSet};

use super::line::{Line, What};
use super::output::Output;
use super::{narrator, Filter, Show, ShowError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Causes,
    Effects,
}

/// The lines that tell of some links, to be found by what they are about.
#[derive(Default)]
struct Lines {
    all: Vec<Line>,
    notes: FxHashMap<EventId, Vec<usize>>,
    /// Where to a connection leads may be learnt only after it was made.
    connects: FxHashMap<ConnectionId, usize>,
    /// By the offset of the message's last byte.
    messages: FxHashMap<(ConnectionId, Side), BTreeMap<u64, usize>>,
    wanted: Wanted,
}

/// What links are about: all other lines are forgotten at once.
#[derive(Default)]
struct Wanted {
    events: FxHashSet<EventId>,
    connects: FxHashSet<ConnectionId>,
    /// Ranges of bytes, by their ends.
    ranges: FxHashMap<(ConnectionId, Side), BTreeMap<u64, u64>>,
}

impl Wanted {
    fn of(links: &[Link]) -> Wanted {
        let mut wanted = Wanted::default();
        for link in links {
            wanted.events.extend([link.from.event, link.to.event]);
            match link.kind {
                LinkKind::Bytes {
                    connection,
                    from,
                    start,
                    end,
                } => {
                    let ranges = wanted.ranges.entry((connection, from)).or_default();
                    let known = ranges.entry(end).or_insert(start);
                    *known = start.min(*known);
                }
                LinkKind::Connect(connection) => {
                    wanted.connects.insert(connection);
                }
                LinkKind::Close(_) | LinkKind::Spawn | LinkKind::Wait | LinkKind::Signal => {}
                LinkKind::Chain | LinkKind::Output => {}
            }
        }
        wanted
    }

    fn bytes(&self, key: (ConnectionId, Side), span: (u64, u64)) -> bool {
        let ranges = self.ranges.get(&key);
        let behind = ranges.and_then(|ranges| ranges.range(span.0.saturating_add(1)..).next());
        behind.is_some_and(|(_, start)| *start < span.1)
    }
}

impl Lines {
    fn add(&mut self, line: Line) {
        let at = self.all.len();
        match &line.what {
            What::Note { kind, .. } => {
                let connection = line.more.get("connection").and_then(|n| n.as_u64());
                let connection = connection.and_then(|number| u32::try_from(number).ok());
                let connection = connection.map(ConnectionId).filter(|_| *kind == "connect");
                let connects = connection.filter(|id| self.wanted.connects.contains(id));
                if connects.is_none() && !self.wanted.events.contains(&line.event) {
                    return;
                }
                self.notes.entry(line.event).or_default().push(at);
                if let Some(connection) = connects {
                    self.connects.insert(connection, at);
                }
            }
            What::Message {
                connection,
                from,
                span,
                ..
            } => {
                let key = (*connection, *from);
                if !self.wanted.bytes(key, *span) {
                    return;
                }
                self.messages.entry(key).or_default().insert(span.1, at);
            }
        }
        self.all.push(line);
    }

    /// The lines that tell of a link, the latest first.
    fn of(&self, link: &Link) -> Vec<usize> {
        let note = |event: EventId| self.notes.get(&event).cloned().unwrap_or_default();
        match link.kind {
            LinkKind::Bytes {
                connection,
                from,
                start,
                end,
            } => {
                let Some(messages) = self.messages.get(&(connection, from)) else {
                    return Vec::new();
                };
                let behind = messages.range(start.saturating_add(1)..);
                let overlaps = |at: &usize| match &self.all[*at].what {
                    What::Message { span, .. } => span.0 < end,
                    What::Note { .. } => false,
                };
                let found = behind.map(|(_, at)| *at).take_while(overlaps);
                let mut found: Vec<usize> = found.collect();
                found.reverse();
                found
            }
            LinkKind::Connect(connection) => {
                let connect = self.connects.get(&connection);
                connect.copied().into_iter().collect()
            }
            LinkKind::Close(_) | LinkKind::Wait => note(link.from.event),
            LinkKind::Signal => note(link.from.event),
            LinkKind::Spawn => note(link.to.event),
            LinkKind::Chain | LinkKind::Output => Vec::new(),
        }
    }
}

pub fn show(
    args: &Show,
    reader: &mut Reader,
    filter: &Filter,
    event: EventId,
    way: Way,
    out: &mut Output,
) -> Result<(), ShowError> {
    let Some(place) = Model::place(reader, event)? else {
        let what = format!("there is no event {event} in this trace");
        return Err(ShowError::Usage(what));
    };
    let mut story = Story::new(reader);
    let model = Model::read(reader, &mut story, &mut |_, _| {})?;
    drop(story);
    let causality = model.causality();
    // Several links may be one message, and some are none: more of them may be needed than lines.
    let mut wanted = args.limit.saturating_mul(8).max(256);
    loop {
        let links = match way {
            Way::Causes => causality.causes_of(place, wanted),
            Way::Effects => causality.effects_of(place, wanted),
        };
        // The story is told once more, for the lines of these links alone.
        let mut narrator = narrator(args)?;
        let mut story = Story::new(reader);
        let mut lines = Lines {
            wanted: Wanted::of(&links),
            ..Lines::default()
        };
        let mut fresh = Vec::new();
        while let Some(moment) = story.next(reader)? {
            narrator.take(&story, &moment, &mut fresh);
            fresh.drain(..).for_each(|line| lines.add(line));
        }
        narrator.finish(&mut fresh);
        fresh.drain(..).for_each(|line| lines.add(line));
        let mut seen = BTreeSet::new();
        let told = links.iter().flat_map(|link| lines.of(link));
        let told: Vec<usize> = told.filter(|at| seen.insert(*at)).collect();
        if told.len() < args.limit && links.len() == wanted && wanted < 1 << 24 {
            wanted = wanted.saturating_mul(16);
            continue;
        }
        let mut left = args.limit;
        for at in told {
            if left == 0 {
                break;
            }
            if filter.print(&story, &narrator, &lines.all[at], out)? {
                left -= 1;
            }
        }
        return Ok(());
    }
}
