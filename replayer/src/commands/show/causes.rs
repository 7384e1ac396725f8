//! `replay show --causes-of` and `--effects-of`: the messages and other lines by which one event led
//! to another.

use std::collections::{BTreeMap, BTreeSet};

use reenact_causal::{ConnectionId, EventId, Link, LinkKind, Model, Side, Story};
use reenact_trace::Reader;
use rustc_hash::FxHashMap;

use super::line::{Line, What};
use super::output::Output;
use super::{narrator, Filter, Show, ShowError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Causes,
    Effects,
}

/// Every line of the story, to be found by what it is about.
#[derive(Default)]
struct Lines {
    all: Vec<Line>,
    notes: FxHashMap<EventId, Vec<usize>>,
    /// Where to a connection leads may be learnt only after it was made.
    connects: FxHashMap<ConnectionId, usize>,
    /// By the offset of the message's last byte.
    messages: FxHashMap<(ConnectionId, Side), BTreeMap<u64, usize>>,
}

impl Lines {
    fn add(&mut self, line: Line) {
        let at = self.all.len();
        match &line.what {
            What::Note { kind, .. } => {
                self.notes.entry(line.event).or_default().push(at);
                let connection = line.more.get("connection").and_then(|n| n.as_u64());
                let connection = connection.and_then(|number| u32::try_from(number).ok());
                if let Some(number) = connection.filter(|_| *kind == "connect") {
                    self.connects.insert(ConnectionId(number), at);
                }
            }
            What::Message {
                connection,
                from,
                span,
                ..
            } => {
                let of = self.messages.entry((*connection, *from)).or_default();
                of.insert(span.1, at);
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
    let mut narrator = narrator(args)?;
    let mut lines = Lines::default();
    let mut fresh = Vec::new();
    let mut story = Story::new(reader);
    let model = Model::read(reader, &mut story, &mut |story, moment| {
        narrator.take(story, moment, &mut fresh);
        fresh.drain(..).for_each(|line| lines.add(line));
    })?;
    narrator.finish(&mut fresh);
    fresh.drain(..).for_each(|line| lines.add(line));
    let mut wanted = args.limit;
    loop {
        let causality = model.causality();
        let links = match way {
            Way::Causes => causality.causes_of(place, wanted),
            Way::Effects => causality.effects_of(place, wanted),
        };
        let mut seen = BTreeSet::new();
        let told = links.iter().flat_map(|link| lines.of(link));
        let told: Vec<usize> = told.filter(|at| seen.insert(*at)).collect();
        // Several links may be one message, and some are none: more of them may be needed.
        if told.len() < args.limit && links.len() == wanted && wanted < 1 << 24 {
            wanted = wanted.saturating_mul(4).max(64);
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
