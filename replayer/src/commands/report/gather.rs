//! A run as a page shows it: the lines of the story with where they lead to, and the steps by which
//! causes and effects are found.

use std::collections::VecDeque;

use reenact_causal::{
    ConnectionId, Ended, EventId, Fact, Model, Moment, Place, Side, Steps, Story, Way,
};
use reenact_trace::{Reader, TraceError};
use rustc_hash::FxHashMap;

use super::payload;
use crate::commands::show::causes::Index;
use crate::commands::show::line::{Line, What};
use crate::commands::show::narrator::Narrator;
use crate::commands::show::words::{self, quoted, shortened, signal_name, TEXT_MAX};
use crate::commands::show::Window;

/// Bytes of payloads that a page holds; older messages go without.
const PAYLOADS_MAX: usize = 32 << 20;
/// Links that a page holds; earlier ones are left out.
const LINKS_MAX: usize = 1 << 20;
/// Processes and connections that a page describes.
const PROCESSES_MAX: usize = 20_000;
const CONNECTIONS_MAX: usize = 50_000;

/// What of a run is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Nanoseconds since the start of the run.
    pub from_ns: u64,
    pub to_ns: u64,
    /// Lines; of more, the last ones are kept.
    pub lines_max: usize,
}

/// Who is at the other end of a message, or is meant by a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    Nobody,
    Process(u32),
    /// Somebody outside of the recording, by what they are called.
    Outside(String),
}

/// A message's place among what was said over its connection.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    pub connection: ConnectionId,
    pub from: Side,
    pub span: (u64, u64),
    pub protocol: &'static str,
    /// Known from who received it.
    pub incoming: bool,
    /// Its number within the connection, and that of the message that it answers.
    pub number: Option<u64>,
    pub answers: Option<u64>,
    /// When the request that it answers was sent, and when its last byte was.
    pub asked_ns: Option<u64>,
    pub ended_ns: u64,
}

/// A line of the story.
#[derive(Clone, Debug)]
pub struct Item {
    pub told_ns: u64,
    pub time_ns: u64,
    pub event: EventId,
    pub place: Place,
    pub kind: &'static str,
    pub text: String,
    /// What is wrong with it, if it is a message.
    pub broken: Option<String>,
    pub is_trouble: bool,
    pub payload: String,
    pub other: Other,
    pub said: Option<Said>,
    /// Where it had been received as a whole.
    pub received: Option<(EventId, u64)>,
    pub took_ns: Option<u64>,
    /// The line of the request that it answers.
    pub answers: Option<usize>,
    /// Steps from which a walk to causes and to effects begins, and links that are effects at once.
    pub causes: Next,
    pub effects: Next,
    pub at_once: Vec<u32>,
}

/// A step that a walk goes to. What was left out of the page is not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    None,
    LeftOut,
    Step(u32),
}

/// Why one event came before another.
#[derive(Clone, Debug)]
pub struct Link {
    /// The lines that tell of it, the latest first.
    pub items: Vec<usize>,
    pub back: Next,
    pub on: Next,
}

/// The steps of one way: their links, and the steps beside them.
pub type Walk = Vec<(u32, Next)>;

pub struct Process {
    pub number: u32,
    pub parent: Option<u32>,
    pub pid: i64,
    pub name: String,
    pub command: String,
    pub started_ns: u64,
    pub ended_ns: Option<u64>,
    pub end: String,
    pub is_trouble: bool,
    pub main: u32,
}

pub struct Connection {
    pub number: u32,
    pub channel: &'static str,
    pub ends: [String; 2],
    pub lines: u64,
}

/// How much there is that the page does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Lines before the first and behind the last that are shown.
    pub before: u64,
    pub after: u64,
    pub payloads: u64,
    pub links: u64,
    pub processes: u64,
    pub connections: u64,
}

pub struct Picture {
    pub start_ns: u64,
    pub end_ns: u64,
    pub command: String,
    pub ended: String,
    pub failed: bool,
    pub wall_start_ns: u64,
    /// Why the trace is not all of the run.
    pub incomplete: Vec<String>,
    pub items: Vec<Item>,
    pub links: Vec<Link>,
    pub causes: Walk,
    pub effects: Walk,
    pub processes: Vec<Process>,
    pub connections: Vec<Connection>,
    pub left_out: LeftOut,
}

impl Picture {
    /// Reads a run, in one walk over its trace. Memory grows with its messages and processes, and the
    /// picture itself is bounded.
    pub fn read(
        reader: &mut Reader,
        narrator: Narrator,
        wanted: Wanted,
    ) -> Result<Picture, TraceError> {
        let mut story = Story::new(reader);
        let mut gatherer = Gatherer {
            narrator,
            window: Window::default(),
            fresh: Vec::new(),
            start_ns: reader.meta().mono_start_ns,
            last_ns: reader.meta().mono_start_ns,
            wanted,
            index: Index::default(),
            items: VecDeque::new(),
            told: 0,
            payload_bytes: 0,
            payload_from: 0,
            left_out: LeftOut::default(),
            lives: FxHashMap::default(),
        };
        let model = Model::read(reader, &mut story, &mut |story, moment| {
            gatherer.take(story, moment);
        })?;
        gatherer.finish(&story);
        Ok(gatherer.picture(reader, &story, &model))
    }
}

struct Gatherer {
    narrator: Narrator,
    window: Window,
    fresh: Vec<Line>,
    start_ns: u64,
    last_ns: u64,
    wanted: Wanted,
    index: Index,
    /// The latest of the lines that are wanted; they go by their numbers, counted from the first one.
    items: VecDeque<Item>,
    told: usize,
    payload_bytes: usize,
    /// Number of the first line whose payload is still there.
    payload_from: usize,
    left_out: LeftOut,
    /// When processes began and ended, in the order in which things are told.
    lives: FxHashMap<u32, (u64, Option<u64>)>,
}

impl Gatherer {
    fn take(&mut self, story: &Story, moment: &Moment) {
        self.last_ns = self.last_ns.max(moment.time_ns);
        let life = self.lives.entry(moment.event.stream.process);
        let (_, end) = life.or_insert((self.last_ns, None));
        if let Fact::End { .. } = moment.fact {
            *end = Some(self.last_ns);
        }
        self.narrator.take(story, moment, &mut self.fresh);
        self.drain(story, Some(moment.time_ns));
    }

    fn finish(&mut self, story: &Story) {
        self.narrator.finish(&mut self.fresh);
        self.drain(story, None);
    }

    fn drain(&mut self, story: &Story, now_ns: Option<u64>) {
        self.fresh.drain(..).for_each(|line| self.window.add(line));
        while let Some(line) = self.window.next(now_ns) {
            self.line(story, line);
        }
    }

    fn line(&mut self, story: &Story, line: Line) {
        let since = line.told_ns.saturating_sub(self.start_ns);
        if since < self.wanted.from_ns {
            self.left_out.before += 1;
            return;
        }
        if since > self.wanted.to_ns {
            self.left_out.after += 1;
            return;
        }
        self.index.add(&line, self.told);
        let item = self.item(story, line);
        self.payload_bytes += item.payload.len();
        self.items.push_back(item);
        self.told += 1;
        if self.items.len() > self.wanted.lines_max {
            if let Some(gone) = self.items.pop_front() {
                self.payload_bytes -= gone.payload.len();
                self.left_out.before += 1;
            }
        }
        let first = self.told - self.items.len();
        self.payload_from = self.payload_from.max(first);
        while self.payload_bytes > PAYLOADS_MAX {
            let Some(item) = self.items.get_mut(self.payload_from - first) else {
                break;
            };
            let payload = std::mem::take(&mut item.payload);
            self.payload_bytes -= payload.len();
            self.left_out.payloads += u64::from(!payload.is_empty());
            self.payload_from += 1;
        }
    }

    fn item(&self, story: &Story, line: Line) -> Item {
        let number = |name: &str| line.more.get(name).and_then(|value| value.as_u64());
        let kind = line.kind();
        let is_trouble = line.is_trouble();
        let payload = match (
            &line.body,
            line.more.get("data").and_then(|data| data.as_str()),
        ) {
            (Some(body), _) => payload::of_node(body),
            (None, Some(data)) => payload::of_text(data),
            (None, None) => String::new(),
        };
        let target = number("target").and_then(|target| u32::try_from(target).ok());
        let mut other = target.map_or(Other::Nobody, Other::Process);
        if kind == "fork" {
            let parent = story.process(line.event.stream.process);
            let parent = parent.and_then(|process| process.parent);
            other = parent.map_or(Other::Nobody, Other::Process);
        }
        let (text, said, broken) = match &line.what {
            What::Note { text, .. } => (text.clone(), None, None),
            What::Message {
                connection,
                from,
                span,
                protocol,
                text,
                asked_ns,
                ended_ns,
                incoming,
                broken,
                cut: _,
            } => {
                let side = if *incoming { *from } else { from.other() };
                let (name, value) = self.narrator.peer(story, *connection, side);
                let process = value.get("process").and_then(|number| number.as_u64());
                other = match process.and_then(|number| u32::try_from(number).ok()) {
                    Some(process) => Other::Process(process),
                    None => Other::Outside(name),
                };
                let answers = line.more.get("answers");
                let answers = answers.and_then(|answer| answer.get("request")?.as_u64());
                let said = Said {
                    connection: *connection,
                    from: *from,
                    span: *span,
                    protocol,
                    incoming: *incoming,
                    number: number("message"),
                    answers,
                    asked_ns: *asked_ns,
                    ended_ns: *ended_ns,
                };
                (text.clone(), Some(said), broken.clone())
            }
        };
        Item {
            told_ns: line.told_ns,
            time_ns: line.time_ns,
            event: line.event,
            place: line.place,
            kind,
            text,
            broken,
            is_trouble,
            payload,
            other,
            said,
            received: None,
            took_ns: None,
            answers: None,
            causes: Next::None,
            effects: Next::None,
            at_once: Vec::new(),
        }
    }

    fn picture(mut self, reader: &Reader, story: &Story, model: &Model) -> Picture {
        let first = self.told - self.items.len();
        let mut items: Vec<Item> = std::mem::take(&mut self.items).into();
        let mut requests: FxHashMap<(ConnectionId, u64), usize> = FxHashMap::default();
        for (at, item) in items.iter_mut().enumerate() {
            let Some(said) = item.said else { continue };
            // An event may have made several messages: the request is known before its reply is.
            let reply = said
                .answers
                .and_then(|request| requests.get(&(said.connection, request)));
            item.answers = reply.copied();
            if let Some(number) = said.number {
                requests.insert((said.connection, number), at);
            }
            let way = model.direction(said.connection, said.from);
            let received = way.received_in(said.span.0, said.span.1).last();
            if let Some(received) = received {
                let event = received.point.event;
                if !said.incoming {
                    // Whoever received it is who it was for.
                    item.other = Other::Process(event.stream.process);
                    item.received = Some((event, received.point.time_ns));
                }
            }
            let ended_ns = received.map_or(said.ended_ns, |received| received.point.time_ns);
            item.took_ns = said
                .asked_ns
                .map(|asked_ns| ended_ns.saturating_sub(asked_ns));
        }
        let (links, causes, effects, gone) = self.links(model, &mut items, first);
        self.left_out.links = gone;
        let meta = reader.meta();
        let (ended, failed) = match reader.end() {
            Some(end) => match (end.exit_code, end.signal) {
                (Some(code), _) => (format!("exit status {code}"), code != 0),
                (_, Some(signal)) => {
                    let name = signal_name(u32::try_from(signal).unwrap_or(0));
                    (format!("killed by {name}"), true)
                }
                (None, None) => ("end unknown".to_owned(), false),
            },
            None => ("the end of the trace is missing".to_owned(), true),
        };
        let incomplete = match reader.end() {
            Some(end) => end.reasons.clone(),
            None => vec!["the recorder died, or the file was cut".to_owned()],
        };
        let words: Vec<String> = meta.argv.iter().map(|word| quoted(word)).collect();
        Picture {
            start_ns: self.start_ns,
            end_ns: self.last_ns,
            command: shortened(&words.join(" "), 4 * TEXT_MAX),
            ended,
            failed,
            wall_start_ns: meta.wall_start_ns,
            incomplete,
            processes: self.processes(story),
            connections: self.connections(story, &items),
            items,
            links,
            causes,
            effects,
            left_out: self.left_out,
        }
    }

    /// The links between what is shown, the steps over them, and how many links are left out.
    fn links(
        &self,
        model: &Model,
        items: &mut [Item],
        first: usize,
    ) -> (Vec<Link>, Walk, Walk, u64) {
        let causality = model.causality();
        let all = causality.links();
        let from_ns = match items.first() {
            Some(item) if self.left_out.before > 0 => item.told_ns,
            Some(_) | None => 0,
        };
        let to_ns = match self.wanted.to_ns {
            u64::MAX => u64::MAX,
            to_ns => self.start_ns.saturating_add(to_ns),
        };
        let causal = all.iter().filter(|link| link.kind.is_cause()).count();
        let mut left = causal.min(LINKS_MAX);
        // Links are in the order in which they arrive: the last ones are kept.
        let mut kept: Vec<Option<u32>> = vec![None; all.len()];
        for (at, link) in all.iter().enumerate().rev() {
            let within = link.to.time_ns >= from_ns && link.from.time_ns <= to_ns;
            if link.kind.is_cause() && within && left > 0 {
                left -= 1;
                kept[at] = Some(0);
            }
        }
        let numbers = kept.iter_mut().filter_map(Option::as_mut);
        let mut count = 0;
        numbers.for_each(|number| {
            *number = count;
            count += 1;
        });
        let back = Kept::of(causality.steps(Way::Causes), &kept);
        let on = Kept::of(causality.steps(Way::Effects), &kept);
        let links = all.iter().zip(&kept).filter(|(_, kept)| kept.is_some());
        let links: Vec<Link> = links
            .map(|(link, _)| Link {
                items: self
                    .index
                    .of(link)
                    .into_iter()
                    .filter_map(|at| at.checked_sub(first))
                    .collect(),
                back: back.next(back.steps.beyond(link)),
                on: on.next(on.steps.beyond(link)),
            })
            .collect();
        for item in items {
            item.causes = back.next(back.steps.start(item.place));
            item.effects = on.next(on.steps.start(item.place));
            let at_once = on.steps.at_once(item.place);
            item.at_once = at_once.filter_map(|link| kept[link as usize]).collect();
        }
        let gone = (causal as u64).saturating_sub(links.len() as u64);
        (links, back.walk(&kept), on.walk(&kept), gone)
    }

    fn processes(&mut self, story: &Story) -> Vec<Process> {
        let all = story.processes();
        self.left_out.processes = all.len().saturating_sub(PROCESSES_MAX) as u64;
        let known = all.values().take(PROCESSES_MAX);
        known
            .map(|process| {
                let words: Vec<String> = process.argv.iter().map(|word| quoted(word)).collect();
                let (end, is_trouble) = match process.ended {
                    Some(Ended::Status(status)) => (format!("exit status {status}"), status != 0),
                    Some(Ended::Signal(signal)) => {
                        (format!("killed by {}", signal_name(signal)), true)
                    }
                    Some(Ended::Killed) => ("killed".to_owned(), true),
                    Some(Ended::Unknown) | None => ("end not recorded".to_owned(), false),
                };
                let life = self.lives.get(&process.number).copied();
                let (started_ns, ended_ns) = life.unwrap_or((process.started_ns, None));
                Process {
                    number: process.number,
                    parent: process.parent,
                    pid: process.pid,
                    name: words::name(story, process.number),
                    command: shortened(&words.join(" "), TEXT_MAX),
                    started_ns,
                    ended_ns,
                    end,
                    is_trouble,
                    main: process.main.task,
                }
            })
            .collect()
    }

    /// The connections over which something is shown.
    fn connections(&mut self, story: &Story, items: &[Item]) -> Vec<Connection> {
        let mut lines: FxHashMap<ConnectionId, (u64, [Option<String>; 2])> = FxHashMap::default();
        for item in items {
            let Some(said) = item.said else { continue };
            let (count, ends) = lines.entry(said.connection).or_default();
            *count += 1;
            let sender = Other::Process(item.event.stream.process);
            let (from, to) = match said.incoming {
                false => (&sender, &item.other),
                true => (&item.other, &sender),
            };
            for (side, who) in [(said.from, from), (said.from.other(), to)] {
                let end = &mut ends[side.index()];
                if end.is_none() {
                    *end = match who {
                        Other::Process(process) => Some(words::name(story, *process)),
                        Other::Outside(name) => Some(name.clone()),
                        Other::Nobody => None,
                    };
                }
            }
        }
        let mut used: Vec<_> = lines.into_iter().collect();
        used.sort_unstable_by_key(|(connection, _)| *connection);
        self.left_out.connections = used.len().saturating_sub(CONNECTIONS_MAX) as u64;
        used.truncate(CONNECTIONS_MAX);
        let described = used.into_iter().map(|(connection, (lines, ends))| {
            let channel = story.connections().get(connection).channel;
            Connection {
                number: connection.0,
                channel: channel.name(),
                ends: ends.map(Option::unwrap_or_default),
                lines,
            }
        });
        described.collect()
    }
}

/// The steps of one way whose links are kept, by their numbers among these.
struct Kept<'a> {
    steps: Steps<'a>,
    numbers: Vec<Option<u32>>,
}

impl<'a> Kept<'a> {
    fn of(steps: Steps<'a>, kept: &[Option<u32>]) -> Kept<'a> {
        let mut count = 0;
        let numbers = steps.all().map(|(link, _)| {
            kept[link as usize].map(|_| {
                count += 1;
                count - 1
            })
        });
        let numbers = numbers.collect();
        Kept { steps, numbers }
    }

    fn next(&self, step: Option<u32>) -> Next {
        match step.map(|step| self.numbers[step as usize]) {
            None => Next::None,
            Some(None) => Next::LeftOut,
            Some(Some(step)) => Next::Step(step),
        }
    }

    fn walk(&self, kept: &[Option<u32>]) -> Walk {
        let all = self.steps.all();
        let all = all.filter_map(|(link, beside)| Some((kept[link as usize]?, self.next(beside))));
        all.collect()
    }
}
