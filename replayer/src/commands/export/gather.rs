//! All that was said in a run, at once, with how it travelled and what it answers.
//!
//! Memory grows with the messages of the run. Formats that are written while the trace is being read
//! do without.

use std::collections::BTreeMap;

use reenact_causal::{ConnectionId, Fact, Model, Moment, Passage, Point, Served, Side, Story};
use reenact_trace::Reader;
use reenact_wire::{Detail, Kind, MessageId};
use rustc_hash::FxHashMap;

use super::ExportError;
use crate::commands::show::line::{Cut, Line, What};
use crate::commands::show::words::main_of;
use crate::commands::show::Decoding;

/// A message, with what a format keeps of it.
pub struct Said<T> {
    pub line: Line,
    pub kept: T,
    pub connection: ConnectionId,
    pub from: Side,
    pub protocol: &'static str,
    pub text: String,
    pub span: (u64, u64),
    pub cut: Option<Cut>,
    pub broken: Option<String>,
    pub passage: Passage,
}

impl<T> Said<T> {
    /// Where its first and last bytes were sent, if that was recorded.
    pub fn sent(&self) -> Option<(Point, Point)> {
        self.passage.sent
    }

    /// Where they were received, likewise.
    pub fn received(&self) -> Option<(Point, Point)> {
        self.passage.received
    }
}

/// A request and what came back: positions in [`Run::said`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub request: usize,
    /// The last of its replies: some have several.
    pub reply: Option<usize>,
}

/// A run, as far as it was said.
pub struct Run<T> {
    pub story: Story,
    pub model: Model,
    /// In the order in which they were told.
    pub said: Vec<Said<T>>,
    pub notes: Vec<Line>,
    /// In the order of their requests.
    pub exchanges: Vec<Exchange>,
    /// Which exchange was being served when.
    pub served: Served,
    /// The exchange that a message is of.
    of: FxHashMap<usize, usize>,
}

impl<T> Run<T> {
    /// Reads a trace. `keep` makes of each message what is kept of it; its body goes away. `seen` is
    /// shown each fact on the way.
    pub fn gather(
        decoding: &Decoding,
        detail: Detail,
        reader: &mut Reader,
        keep: &mut dyn FnMut(&Line) -> T,
        seen: &mut dyn FnMut(&Story, &Moment),
    ) -> Result<Run<T>, ExportError> {
        let mut narrator = decoding.narrator(detail)?;
        let mut story = Story::new(reader);
        let (mut said, mut notes) = (Vec::new(), Vec::new());
        let mut fresh: Vec<Line> = Vec::new();
        let mut sort = |fresh: &mut Vec<Line>| {
            for mut line in fresh.drain(..) {
                let kept = keep(&line);
                line.body = None;
                let What::Message {
                    connection,
                    from,
                    span,
                    protocol,
                    text,
                    broken,
                    cut,
                    ..
                } = &mut line.what
                else {
                    notes.push(line);
                    continue;
                };
                said.push(Said {
                    connection: *connection,
                    from: *from,
                    protocol,
                    text: std::mem::take(text),
                    span: *span,
                    cut: *cut,
                    broken: broken.take(),
                    passage: Passage::default(),
                    kept,
                    line,
                });
            }
        };
        let mut spawns: BTreeMap<u32, Point> = BTreeMap::new();
        let model = Model::read(reader, &mut story, &mut |story, moment| {
            narrator.take(story, moment, &mut fresh);
            sort(&mut fresh);
            if let Fact::Spawn { child, .. } = &moment.fact {
                if child.process != moment.event.stream.process {
                    spawns.entry(child.process).or_insert(point(moment));
                }
            }
            seen(story, moment);
        })?;
        narrator.finish(&mut fresh);
        sort(&mut fresh);
        let mut run = Run {
            story,
            model,
            said,
            notes,
            exchanges: Vec::new(),
            served: Served::default(),
            of: FxHashMap::default(),
        };
        run.pair();
        for (process, by) in spawns {
            run.served.made(process, by);
        }
        run.served.sort();
        Ok(run)
    }

    /// Finds how messages travelled, and what they answer.
    fn pair(&mut self) {
        let mut requests: FxHashMap<(ConnectionId, MessageId), usize> = FxHashMap::default();
        for (at, said) in self.said.iter_mut().enumerate() {
            let (start, end) = said.span;
            said.passage = self.model.passage(said.connection, said.from, start, end);
            let Some(cut) = said.cut else { continue };
            if cut.kind == Kind::Request {
                requests.insert((said.connection, cut.id), self.exchanges.len());
                self.of.insert(at, self.exchanges.len());
                self.exchanges.push(Exchange {
                    request: at,
                    reply: None,
                });
            }
        }
        for (at, said) in self.said.iter().enumerate() {
            let answers = said.cut.and_then(|cut| cut.answers);
            let Some(asked) = answers.and_then(|id| requests.get(&(said.connection, id))) else {
                continue;
            };
            self.exchanges[*asked].reply = Some(at);
            self.of.insert(at, *asked);
        }
        for (number, exchange) in self.exchanges.iter().enumerate() {
            if let Some((_, received)) = self.said[exchange.request].received() {
                let replied = exchange.reply.and_then(|reply| self.said[reply].sent());
                let replied = replied.map(|(_, last)| last);
                self.served.add(number, received, replied);
            }
        }
    }

    /// The exchange that a message is of: its request, or one of its replies.
    pub fn exchange_of(&self, said: usize) -> Option<usize> {
        self.of.get(&said).copied()
    }

    /// An event as a person types it.
    pub fn event_name(&self, point: &Point) -> String {
        let main = main_of(&self.story, point.event.stream.process);
        crate::commands::show::line::event_name(point.event, main)
    }
}

fn point(moment: &Moment) -> Point {
    Point {
        event: moment.event,
        place: moment.place,
        time_ns: moment.time_ns,
        since: moment.since,
    }
}
