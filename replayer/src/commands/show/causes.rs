//! `replay show --causes-of` and `--effects-of`: the messages and other lines by which one event led
//! to another.

use std::collections::{BTreeMap, BTreeSet};

use reenact_causal::{ConnectionId, EventId, Link, LinkKind, Model, Side, Story, Way};
use reenact_trace::Reader;
use rustc_hash::{FxHashMap, FxHashSet};

use super::line::{Line, What};
use super::output::Output;
use super::{narrator, Filter, Show, ShowError};

/// Lines by what they are about, so that those which tell of a link are found. They go by their
/// positions in a list of the caller's.
#[derive(Default)]
pub struct Index {
    notes: FxHashMap<EventId, Vec<usize>>,
    /// Where to a connection leads may be learnt only after it was made.
    connects: FxHashMap<ConnectionId, usize>,
    /// By the offset behind the message's last byte: where it begins, and the line.
    messages: FxHashMap<(ConnectionId, Side), BTreeMap<u64, (u64, usize)>>,
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

    fn line(&self, line: &Line) -> bool {
        match &line.what {
            What::Note { .. } => {
                connects(line).is_some_and(|id| self.connects.contains(&id))
                    || self.events.contains(&line.event)
            }
            What::Message {
                connection,
                from,
                span,
                ..
            } => {
                let ranges = self.ranges.get(&(*connection, *from));
                let behind =
                    ranges.and_then(|ranges| ranges.range(span.0.saturating_add(1)..).next());
                behind.is_some_and(|(_, start)| *start < span.1)
            }
        }
    }
}

/// The connection that a line tells the making of.
fn connects(line: &Line) -> Option<ConnectionId> {
    let of = line
        .more
        .get("connection")
        .filter(|_| line.kind() == "connect");
    let number = u32::try_from(of?.as_u64()?).ok();
    number.map(ConnectionId)
}

impl Index {
    pub fn add(&mut self, line: &Line, at: usize) {
        match &line.what {
            What::Note { .. } => {
                self.notes.entry(line.event).or_default().push(at);
                if let Some(connection) = connects(line) {
                    self.connects.insert(connection, at);
                }
            }
            What::Message {
                connection,
                from,
                span,
                ..
            } => {
                let messages = self.messages.entry((*connection, *from)).or_default();
                messages.insert(span.1, (span.0, at));
            }
        }
    }

    /// The lines that tell of a link, the latest first.
    pub fn of(&self, link: &Link) -> Vec<usize> {
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
                let found = behind.map(|(_, found)| *found);
                let found = found.take_while(|(start, _)| *start < end);
                let mut found: Vec<usize> = found.map(|(_, at)| at).collect();
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
    out: &mut Output<'_>,
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
        let wanted_lines = Wanted::of(&links);
        let mut lines: Vec<Line> = Vec::new();
        let mut index = Index::default();
        let mut fresh = Vec::new();
        let mut add = |fresh: &mut Vec<Line>| {
            for line in fresh.drain(..).filter(|line| wanted_lines.line(line)) {
                index.add(&line, lines.len());
                lines.push(line);
            }
        };
        while let Some(moment) = story.next(reader)? {
            narrator.take(&story, &moment, &mut fresh);
            add(&mut fresh);
        }
        narrator.finish(&mut fresh);
        add(&mut fresh);
        let mut seen = BTreeSet::new();
        let told = links.iter().flat_map(|link| index.of(link));
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
            if filter.print(&story, &narrator, &lines[at], out)? {
                left -= 1;
            }
        }
        return Ok(());
    }
}
