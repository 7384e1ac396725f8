//! Connections of both runs paired, and what was said over them compared.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use reenact_wire::Node;
use rustc_hash::FxHasher;

use super::compare::{shown, Arrival, Found};
use super::difference::{Difference, Kind};
use super::noise::{Builtin, Hits, Noise, Spot};
use super::pairs::Pairs;
use super::run::{Item, Run, Sight, Talk};
use super::sequence::{self, Step};
use super::tree::Comparer;

/// Differences of one direction that are told one by one.
const OF_LANE_MAX: usize = 256;

/// Compares all that was said. Returns what arrived in both runs, by the receiving processes.
pub fn compare(
    runs: [&Run; 2],
    pairs: &Pairs,
    noise: &mut Noise,
    found: &mut Found,
) -> BTreeMap<(u32, u32), Vec<Arrival>> {
    let mut comparing = Comparing {
        runs,
        pairs,
        noise,
        found,
        arrivals: BTreeMap::new(),
        lanes: 0,
    };
    let talks = [0, 1].map(|run| comparing.describe(run));
    let mut left = [0, 1].map(|run| (0..talks[run].len()).collect::<Vec<usize>>());
    let mut both = Vec::new();
    // Connections that say the same first, then those that ask the same, then in their order.
    for round in [Round::Same, Round::Asks, Round::Ends] {
        let keys = [0, 1].map(|run| {
            let keys = left[run].iter().map(|at| talks[run][*at].key(round));
            keys.collect::<Vec<_>>()
        });
        let pairs = sequence::by_key(&keys[0], &keys[1]);
        both.extend(pairs.iter().map(|(a, b)| (left[0][*a], left[1][*b])));
        for run in [0, 1] {
            let gone: BTreeSet<usize> = pairs.iter().map(|(a, b)| [*a, *b][run]).collect();
            let mut at = 0;
            left[run].retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
        }
    }
    both.sort_unstable();
    for (a, b) in both {
        comparing.both([&talks[0][a], &talks[1][b]]);
    }
    for run in [0, 1] {
        for at in &left[run] {
            comparing.only(run, &talks[run][*at]);
        }
    }
    comparing.arrivals
}

#[derive(Clone, Copy)]
enum Round {
    Same,
    Asks,
    Ends,
}

/// A connection with what it is recognised by.
struct Described<'a> {
    talk: &'a Talk,
    /// `CLIENT -> SERVER`, by programs.
    name: String,
    ends: String,
    /// Hashes of what each side said, message by message.
    hashes: [Vec<u64>; 2],
}

impl Described<'_> {
    fn key(&self, round: Round) -> (String, u64) {
        let sides: &[Vec<u64>] = match round {
            Round::Same => &self.hashes,
            Round::Asks => &self.hashes[..1],
            Round::Ends => &[],
        };
        let mut hasher = FxHasher::default();
        for side in sides {
            hasher.write_usize(side.len());
            side.iter().for_each(|hash| hasher.write_u64(*hash));
        }
        (self.ends.clone(), hasher.finish())
    }
}

struct Comparing<'a> {
    runs: [&'a Run; 2],
    pairs: &'a Pairs,
    noise: &'a mut Noise,
    found: &'a mut Found,
    arrivals: BTreeMap<(u32, u32), Vec<Arrival>>,
    lanes: usize,
}

impl<'a> Comparing<'a> {
    fn describe(&mut self, run: usize) -> Vec<Described<'a>> {
        let of = self.runs[run];
        let mut all = Vec::new();
        for talk in &of.talks {
            if talk.lanes.iter().all(Vec::is_empty) {
                continue;
            }
            let repeated =
                |end: &Option<u32>| end.is_some_and(|process| self.pairs.is_repeated(run, process));
            if talk.ends.iter().any(repeated) {
                continue;
            }
            let program = |side: usize| match talk.ends[side] {
                Some(process) => of
                    .processes
                    .get(&process)
                    .map_or("process", |process| &process.name),
                None => &talk.names[side],
            };
            let name = format!("{} -> {}", program(0), program(1));
            let mut who = |side: usize| match talk.ends[side] {
                Some(process) => self.pairs.common(run, process),
                None => {
                    let spot = Spot {
                        protocol: talk.channel,
                        connection: &name,
                        field: "address",
                    };
                    let address = &talk.names[side];
                    self.noise
                        .mask(spot, address, &mut Hits::new())
                        .into_owned()
                }
            };
            let ends = format!("{} {} {}", talk.channel, who(0), who(1));
            let hashes = [0, 1].map(|side: usize| {
                let items = talk.lanes[side].iter();
                let hash = |item: &Item| {
                    let mut comparer = Comparer {
                        noise: self.noise,
                        protocol: item.protocol,
                        connection: &name,
                    };
                    comparer.hash(&item.body)
                };
                items.map(hash).collect()
            });
            all.push(Described {
                talk,
                name,
                ends,
                hashes,
            });
        }
        all
    }

    fn both(&mut self, of: [&Described<'a>; 2]) {
        for side in [0, 1] {
            self.lane(of, side);
            self.lanes += 1;
        }
    }

    fn lane(&mut self, of: [&Described<'a>; 2], side: usize) {
        let lanes = of.map(|described| &described.talk.lanes[side]);
        let shapes = lanes.map(|lane| lane.iter().map(shape).collect::<Vec<String>>());
        let alike = |a: usize, b: usize| {
            lanes[0][a].protocol == lanes[1][b].protocol && shapes[0][a] == shapes[1][b]
        };
        let steps = sequence::align(&of[0].hashes[side], &of[1].hashes[side], alike);
        let mut before: [Option<Sight>; 2] = [None, None];
        let mut told = 0;
        for step in steps {
            let difference = match step {
                Step::Both(a, b) => {
                    let items = [&lanes[0][a], &lanes[1][b]];
                    before = items.map(|item| Some(item.sight.clone()));
                    self.arrived(items);
                    let events = items.map(|item| item.sight.event.clone());
                    self.found.matched.push(events);
                    self.pair(of, side, items)
                }
                Step::OnlyA(at) => self.one(0, of[0], side, &lanes[0][at], &before),
                Step::OnlyB(at) => self.one(1, of[1], side, &lanes[1][at], &before),
            };
            if let Some(difference) = difference.filter(|_| told < OF_LANE_MAX) {
                told += 1;
                self.found.differences.push(difference);
            }
        }
    }

    fn arrived(&mut self, items: [&Item; 2]) {
        let [Some(a), Some(b)] = items.map(|item| item.received.clone()) else {
            return;
        };
        let processes = [&a, &b].map(|sight| sight.point.event.stream.process);
        if self.pairs.other(processes[0]) == Some(processes[1]) {
            let key = (processes[0], processes[1]);
            self.arrivals.entry(key).or_default().push(Arrival {
                sights: [a, b],
                lane: self.lanes,
                text: items[0].text.clone(),
            });
        }
    }

    fn pair(
        &mut self,
        of: [&Described<'a>; 2],
        side: usize,
        items: [&Item; 2],
    ) -> Option<Difference> {
        if items[0].body == items[1].body {
            return None;
        }
        let mut comparer = Comparer {
            noise: self.noise,
            protocol: items[0].protocol,
            connection: &of[0].name,
        };
        let compared = comparer.compare(&items[0].body, &items[1].body, true);
        if compared.different == 0 {
            return None;
        }
        let names: Vec<&str> = compared
            .fields
            .iter()
            .take(3)
            .map(|field| field.path.as_str())
            .filter(|path| !path.is_empty())
            .collect();
        let which = match (names.len(), compared.different) {
            (0, _) => "The text".to_owned(),
            (1, 1) => format!("The field {}", names[0]),
            (_, count) if count > 3 => format!("{count} fields ({}, …)", names.join(", ")),
            (_, _) => format!("The fields {}", names.join(", ")),
        };
        let who = self.route(0, of[0], side, items[0]);
        let kind = kind_of(of[0].talk, Kind::Payload);
        let verb = if compared.different > 1 {
            "differ"
        } else {
            "differs"
        };
        let what = format!("{which} of a {} message {who} {verb}.", items[0].protocol);
        let mut difference = Difference::new(kind, what).at(
            shown(&items[0].sight, self.told(0, of[0], side, items[0])),
            shown(&items[1].sight, self.told(1, of[1], side, items[1])),
        );
        difference.more = compared.different - compared.fields.len() as u64;
        difference.fields = compared.fields;
        Some(difference)
    }

    fn one(
        &mut self,
        run: usize,
        of: &Described<'a>,
        side: usize,
        item: &Item,
        before: &[Option<Sight>; 2],
    ) -> Option<Difference> {
        let mut hits = Hits::new();
        let spot = Spot {
            protocol: item.protocol,
            connection: &of.name,
            field: "",
        };
        if self.noise.mask(spot, &item.text, &mut hits) == "<ignored>" {
            self.noise.suppress(&hits);
            return None;
        }
        let route = self.route(run, of, side, item);
        let (kind, verb) = match run {
            0 => (Kind::Missing, "is missing in the second run"),
            _ => (Kind::Extra, "is sent in the second run only"),
        };
        let kind = kind_of(of.talk, kind);
        let what = format!("“{}” {route} {verb}.", item.text);
        let mut sides = [None, None];
        sides[run] = shown(&item.sight, self.told(run, of, side, item));
        let [a, b] = sides;
        let mut difference = Difference::new(kind, what).at(a, b);
        let fallback = before[1 - run].clone();
        let fallback = fallback.or_else(|| self.start_of(1 - run, run, item));
        difference.places[1 - run] = fallback;
        Some(difference)
    }

    /// Where the other run's sender began, if there is one.
    fn start_of(&self, other: usize, run: usize, item: &Item) -> Option<Sight> {
        let sender = item.sight.point.event.stream.process;
        let twin = self
            .pairs
            .both
            .iter()
            .find(|(a, b)| [*a, *b][run] == sender)?;
        let process = self.runs[other].processes.get(&[twin.0, twin.1][other])?;
        Some(process.start.clone())
    }

    /// All of a connection that only one run has.
    fn only(&mut self, run: usize, of: &Described<'a>) {
        let mut told = 0;
        for side in [0, 1] {
            for item in &of.talk.lanes[side] {
                let difference = self.one(run, of, side, item, &[None, None]);
                if let Some(difference) = difference.filter(|_| told < OF_LANE_MAX) {
                    told += 1;
                    self.found.differences.push(difference);
                }
            }
        }
    }

    fn route(&self, run: usize, of: &Described<'a>, side: usize, item: &Item) -> String {
        let end = |side: usize| match of.talk.ends[side] {
            Some(process) => self.runs[run].name(process),
            None => of.talk.names[side].clone(),
        };
        // A socket may have gone to a child: whoever sent it is the sender.
        let from = match of.talk.ends[side] {
            Some(_) => item.sight.who.clone(),
            None => end(side),
        };
        let to = match &item.received {
            Some(sight) => sight.who.clone(),
            None => end(1 - side),
        };
        format!("from {from} to {to}")
    }

    fn told(&self, run: usize, of: &Described<'a>, side: usize, item: &Item) -> String {
        let route = self.route(run, of, side, item);
        format!("{}  ({route})", item.text)
    }
}

/// What a process prints is a symptom, and no message to another.
fn kind_of(talk: &Talk, kind: Kind) -> Kind {
    match talk.channel {
        "stdout" | "stderr" => Kind::Output,
        "stdin" => Kind::File,
        _ => kind,
    }
}

/// What a message is about, without its details: messages of one shape are taken for one another.
fn shape(item: &Item) -> String {
    fn word(text: &str) -> String {
        let text = text.trim_start();
        let end = text.find(|c: char| c.is_whitespace() || "?:=".contains(c));
        let word = &text[..end.unwrap_or(text.len())];
        let plain = word.chars().filter(|c| !c.is_ascii_digit());
        plain.take(64).collect()
    }
    match &item.body {
        Node::Map(fields) => {
            let named = fields.iter().map(|(name, value)| match (&**name, value) {
                ("method" | "target" | "command" | "name" | "query" | "type", Node::Text(text)) => {
                    format!("{name}={}", word(text))
                }
                // A reply is a reply, whether it is of success or not.
                ("reason", _) => String::new(),
                (name, _) => name.to_owned(),
            });
            named.collect::<Vec<String>>().join(" ")
        }
        Node::List(items) => match items.first() {
            Some(Node::Text(text)) => format!("[{}", word(text)),
            Some(_) | None => "[".to_owned(),
        },
        Node::Text(text) => word(text),
        Node::Bytes(_) => "bytes".to_owned(),
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) => {
            "value".to_owned()
        }
        Node::Elided(_) | Node::Redacted => "hidden".to_owned(),
    }
}

/// Counts what moved without consequence.
pub fn suppress_order(noise: &mut Noise, count: u64) {
    noise.suppress_builtin(Builtin::Order, count);
}
