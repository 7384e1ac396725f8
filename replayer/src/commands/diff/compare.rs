//! Everything that two runs have, compared.

use std::collections::{BTreeMap, BTreeSet};

use reenact_causal::Ended;
use reenact_wire::Node;

use super::difference::{Difference, Kind, Shown};
use super::inputs::Opened;
use super::noise::{Builtin, Hits, Noise, Spot};
use super::pairs::Pairs;
use super::run::{Process, Run, Sight};
use super::sequence;
use super::tree::Comparer;
use crate::commands::show::words::{shortened, signal_name};

/// How far from its place a message is looked for that changed places with another, and how many
/// such pairs are looked for in one process.
const CROSSED_WITHIN: usize = 1024;
const OVERTAKEN_MAX: usize = 1024;
/// Characters of texts in sentences.
const TEXT_MAX: usize = 160;

/// What was found.
#[derive(Default)]
pub struct Found {
    /// What differs, whatever the reason.
    pub differences: Vec<Difference>,
    /// What differs in most pairs of runs, and matters only if something else follows from it.
    pub suspects: Vec<Difference>,
    /// Events that sent messages which are pairs.
    pub matched: Vec<[String; 2]>,
}

pub fn shown(sight: &Sight, text: impl Into<String>) -> Option<Shown> {
    Some(Shown {
        sight: sight.clone(),
        text: shortened(&text.into(), TEXT_MAX),
    })
}

/// Compares processes with what they were given and how they ended.
pub fn processes(runs: [&Run; 2], pairs: &Pairs, noise: &mut Noise, found: &mut Found) {
    for (run, only, which) in [(0, &pairs.only[0], "first"), (1, &pairs.only[1], "second")] {
        for number in only {
            let Some(process) = runs[run].processes.get(number) else {
                continue;
            };
            let name = runs[run].name(*number);
            let what = format!("Only the {which} run starts {name}.");
            let mut sides = [None, None];
            sides[run] = shown(&process.start, process.argv.join(" "));
            let [a, b] = sides;
            found
                .differences
                .push(Difference::new(Kind::Process, what).at(a, b));
        }
    }
    for (a, b) in &pairs.both {
        let of = (runs[0].processes.get(a), runs[1].processes.get(b));
        if let (Some(a), Some(b)) = of {
            let parents = [(0, a), (1, b)].map(|(run, process)| {
                let parent = process.parent?;
                runs[run].processes.get(&parent)
            });
            arguments([a, b], noise, found);
            environment([a, b], parents, noise, found);
            files([a, b], noise, found);
            happenings([a, b], noise, found);
            endings([a, b], found);
            suspects([a, b], found);
        }
    }
}

fn arguments(of: [&Process; 2], noise: &mut Noise, found: &mut Found) {
    let [a, b] = of;
    if a.argv == b.argv {
        return;
    }
    let list = |process: &Process| {
        let words = process.argv.iter().map(Node::text);
        Node::List(words.collect())
    };
    let mut comparer = Comparer {
        noise,
        protocol: "argv",
        connection: &a.name,
    };
    let compared = comparer.compare(&list(a), &list(b), true);
    if compared.different > 0 {
        let what = format!("The arguments of {} differ.", a.name);
        let mut difference = Difference::new(Kind::Arguments, what).at(
            shown(&a.start, a.argv.join(" ")),
            shown(&b.start, b.argv.join(" ")),
        );
        difference.fields = compared.fields;
        found.differences.push(difference);
    }
}

fn environment(
    of: [&Process; 2],
    parents: [Option<&Process>; 2],
    noise: &mut Noise,
    found: &mut Found,
) {
    let [a, b] = of;
    let maps = |process: &Process| -> BTreeMap<String, String> {
        process.inputs.env.iter().cloned().collect()
    };
    let (of_a, of_b) = (maps(a), maps(b));
    let inherited = parents.map(|parent| parent.map(maps).unwrap_or_default());
    let names: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
    for name in names {
        let values = (of_a.get(name), of_b.get(name));
        // What the parents were given is told of them.
        let above = (inherited[0].get(name), inherited[1].get(name));
        if values.0 == values.1 || values == above {
            continue;
        }
        let mut hits = Hits::new();
        let spot = Spot {
            protocol: "env",
            connection: &a.name,
            field: name,
        };
        let mut masked = |value: Option<&String>| {
            value.map(|value| noise.mask(spot, value, &mut hits).into_owned())
        };
        let (one, other) = (masked(values.0), masked(values.1));
        let ignored = |value: &Option<String>| value.as_ref().is_none_or(|v| v == "<ignored>");
        if one == other || ignored(&one) && ignored(&other) {
            noise.suppress(&hits);
            continue;
        }
        let side = |process: &Process, value: Option<&String>| {
            let text = match value {
                Some(value) => format!("{name}={value}"),
                None => format!("no {name}"),
            };
            shown(&process.start, text)
        };
        let what = format!("The environment variable {name} of {} differs.", a.name);
        let difference = Difference::new(Kind::Environment, what);
        found
            .differences
            .push(difference.at(side(a, values.0), side(b, values.1)));
    }
}

/// Files by their paths: what was read of the last one that was opened under each path, as a program
/// may look many times until a file is there.
fn files(of: [&Process; 2], noise: &mut Noise, found: &mut Found) {
    let [a, b] = of;
    let mut by_path = |process: &Process| {
        let mut all: BTreeMap<String, (Opened, u64)> = BTreeMap::new();
        for file in &process.inputs.files {
            let spot = Spot {
                protocol: "file",
                connection: &process.name,
                field: "path",
            };
            let path = noise.mask(spot, &file.path, &mut Hits::new()).into_owned();
            let count = all.get(&path).map_or(0, |(_, count)| *count);
            all.insert(path, (file.clone(), count + 1));
        }
        all
    };
    let (of_a, of_b) = (by_path(a), by_path(b));
    for (path, (one, times)) in of_a {
        let Some((other, other_times)) = of_b.get(&path) else {
            continue;
        };
        if times != *other_times {
            noise.suppress_builtin(Builtin::Repetition, 1);
        }
        if one.errno == other.errno && one.hash.finalize() == other.hash.finalize() {
            continue;
        }
        let volatile = ["/proc/", "/sys/", "/dev/"];
        if volatile.iter().any(|folder| one.path.starts_with(folder)) {
            noise.suppress_builtin(Builtin::VolatileFile, 1);
            continue;
        }
        if one.is_same_so_far(other) {
            continue;
        }
        let mut fields = Vec::new();
        if one.is_whole() && other.is_whole() {
            let name = format!("file {}", one.path);
            let mut comparer = Comparer {
                noise,
                protocol: "file",
                connection: &name,
            };
            let lines = |file: &Opened| {
                let lines = file.head.split_inclusive(|byte| *byte == b'\n');
                match Node::from_json(&file.head) {
                    Some(node) => node,
                    None => Node::List(lines.map(Node::slice).collect()),
                }
            };
            let compared = comparer.compare(&lines(&one), &lines(other), true);
            if compared.different == 0 {
                continue;
            }
            fields = compared.fields;
        } else {
            let spot = Spot {
                protocol: "file",
                connection: &a.name,
                field: &one.path,
            };
            let mut hits = Hits::new();
            if noise.mask(spot, "contents", &mut hits) == "<ignored>" {
                noise.suppress(&hits);
                continue;
            }
        }
        let side = |process: &Process, file: &Opened| {
            let text = match file.errno {
                0 => format!("reads {} ({} bytes)", file.path, file.len),
                errno => {
                    let why = reenact_abi::names::errno(errno.unsigned_abs());
                    format!("cannot open {}: {}", file.path, why.unwrap_or("an error"))
                }
            };
            shown(&sight_of(process, file.point), text)
        };
        let what = match one.errno == other.errno {
            true => format!("The contents of the file {} differ.", one.path),
            false => format!("The file {} can be opened in one run only.", one.path),
        };
        let mut difference = Difference::new(Kind::File, what).at(side(a, &one), side(b, other));
        difference.fields = fields;
        found.differences.push(difference);
    }
}

/// A place of a process for which no line was made.
pub fn sight_of(process: &Process, point: reenact_causal::Point) -> Sight {
    let main = process.start.point.event.stream;
    Sight {
        point,
        event: match point.event.stream == main {
            true => format!("p{}:{}", point.event.stream.process, point.event.seq),
            false => point.event.to_string(),
        },
        who: format!("{}[{}]", process.name, process.number),
    }
}

/// What happens once more in one run than in the other is repetition; what happens only there differs.
fn happenings(of: [&Process; 2], noise: &mut Noise, found: &mut Found) {
    let mut masked = |process: &Process| -> Vec<String> {
        let spot = Spot {
            protocol: "event",
            connection: &process.name,
            field: "text",
        };
        let texts = process.notes.iter();
        let masked = texts.map(|(text, _)| noise.mask(spot, text, &mut Hits::new()).into_owned());
        masked.collect()
    };
    let texts = of.map(&mut masked);
    for run in [0, 1] {
        let mut told = BTreeSet::new();
        for (text, (full, sight)) in texts[run].iter().zip(&of[run].notes) {
            if texts[1 - run].contains(text) || text == "<ignored>" || !told.insert(text) {
                continue;
            }
            let which = ["first", "second"][run];
            let what = format!("Only in the {which} run, {} {full}.", sight.who);
            let mut sides = [None, None];
            sides[run] = shown(sight, full);
            let [a, b] = sides;
            let difference = Difference::new(Kind::Happening, what);
            found.differences.push(difference.at(a, b));
        }
    }
    if texts[0].len() != texts[1].len() {
        noise.suppress_builtin(Builtin::Repetition, 1);
    }
}

fn endings(of: [&Process; 2], found: &mut Found) {
    let [a, b] = of;
    let how = |process: &Process| process.end.as_ref().map_or(Ended::Unknown, |(how, _)| *how);
    if how(a) == how(b) {
        return;
    }
    let side = |process: &Process| {
        let text = match how(process) {
            Ended::Status(status) => format!("exits with status {status}"),
            Ended::Signal(signal) => format!("killed by {}", signal_name(signal)),
            Ended::Unknown => "still runs when the recording ends".to_owned(),
        };
        let sight = process
            .end
            .as_ref()
            .map_or(&process.start, |(_, sight)| sight);
        shown(sight, text)
    };
    let what = format!("{} ends in another way.", a.name);
    let difference = Difference::new(Kind::Exit, what).at(side(a), side(b));
    found.differences.push(difference);
}

/// Clocks, random bytes and the order of threads, which are never the same.
fn suspects(of: [&Process; 2], found: &mut Found) {
    let [a, b] = of;
    let mut suspect = |kind, what, a: Option<Shown>, b: Option<Shown>| {
        found.suspects.push(Difference::new(kind, what).at(a, b));
    };
    let random = a.inputs.random.iter().zip(&b.inputs.random);
    if let Some((one, other)) = random.clone().find(|(one, other)| one.1 != other.1) {
        let what = format!("{} read other random bytes before.", a.name);
        let side =
            |process: &Process, point| shown(&sight_of(process, point), "reads random bytes");
        suspect(Kind::Randomness, what, side(a, one.0), side(b, other.0));
    }
    if let (Some(one), Some(other)) = (a.inputs.clock, b.inputs.clock) {
        let what = format!("{} read the clock before.", a.name);
        let side = |process: &Process, point| {
            let times = process.inputs.clocks;
            let text = format!("reads the clock ({times} times in all)");
            shown(&sight_of(process, point), text)
        };
        suspect(Kind::Clock, what, side(a, one), side(b, other));
    }
    if a.inputs.threads() > 1 && b.inputs.threads() > 1 {
        let mut switches = a.inputs.switches.iter().zip(&b.inputs.switches);
        if let Some((one, other)) = switches.find(|(one, other)| one.0 != other.0) {
            let what = format!("Threads of {} ran in another order.", a.name);
            let side = |process: &Process, (thread, point): &(u32, _)| {
                let text = format!("its thread {} runs next", thread + 1);
                shown(&sight_of(process, *point), text)
            };
            suspect(Kind::Threads, what, side(a, one), side(b, other));
        }
    }
}

/// Messages that reached a process in both runs: by their order there, and on which connection.
pub struct Arrival {
    pub sights: [Sight; 2],
    pub lane: usize,
    pub text: String,
}

/// Finds messages that overtook others.
pub fn overtaken(arrivals: &BTreeMap<(u32, u32), Vec<Arrival>>, found: &mut Found) {
    for all in arrivals.values() {
        let order = |run: usize| {
            let mut order: Vec<usize> = (0..all.len()).collect();
            order.sort_by_key(|at| {
                let point = &all[*at].sights[run].point;
                (point.time_ns, point.place.order, point.event.seq, *at)
            });
            order
        };
        let (of_a, of_b) = (order(0), order(1));
        let mut rank_b = vec![0; all.len()];
        for (rank, at) in of_b.iter().enumerate() {
            rank_b[*at] = rank;
        }
        let ranks: Vec<usize> = of_a.iter().map(|at| rank_b[*at]).collect();
        for moved in sequence::moved(&ranks).into_iter().take(OVERTAKEN_MAX) {
            // The nearest one of another connection that it changed places with.
            let crossed = |other: &usize| {
                let inverted = (*other < moved) != (ranks[*other] < ranks[moved]);
                inverted && all[of_a[*other]].lane != all[of_a[moved]].lane
            };
            let from = moved.saturating_sub(CROSSED_WITHIN);
            let to = all.len().min(moved.saturating_add(CROSSED_WITHIN));
            let Some(other) = (from..to)
                .filter(crossed)
                .min_by_key(|other| other.abs_diff(moved))
            else {
                continue;
            };
            let (one, other) = (&all[of_a[moved.min(other)]], &all[of_a[moved.max(other)]]);
            let what = format!(
                "“{}” was overtaken by “{}” on the way to {}.",
                shortened(&one.text, TEXT_MAX / 2),
                shortened(&other.text, TEXT_MAX / 2),
                one.sights[0].who,
            );
            let side = |run: usize, first: &Arrival, second: &Arrival| {
                let text = format!(
                    "receives {}, then {} ({})",
                    shortened(&first.text, TEXT_MAX / 3),
                    shortened(&second.text, TEXT_MAX / 3),
                    second.sights[run].event
                );
                shown(&first.sights[run], text)
            };
            let difference = Difference::new(Kind::Overtaken, what);
            let (a, b) = (side(0, one, other), side(1, other, one));
            found.suspects.push(difference.at(a, b));
        }
    }
}
