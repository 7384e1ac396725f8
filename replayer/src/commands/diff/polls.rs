//! Questions that are asked again and again until the answer is the wished one: how often is a matter of
//! time, and only the last time says something.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use reenact_causal::Ended;
use reenact_wire::Node;
use rustc_hash::{FxHashMap, FxHasher};

use super::noise::{Builtin, Hits, Noise, Spot};
use super::run::{Item, Run, Talk};
use super::talks::{name, Hashes};

/// Bytes of an answer that is more than a word or a number.
const LONG_MIN: usize = 100;
/// How often the same must have been asked and answered in both runs to be a loop that looks for work, and by how
/// much one may turn more often than the other.
const IDLE_MIN: usize = 3;
const IDLE_RATIO: usize = 4;

/// Leaves out of both runs what only waited for something.
pub fn leave_out(runs: [&mut Run; 2], hashes: [&mut Hashes; 2], noise: &mut Noise) {
    let [a, b] = runs;
    let [of_a, of_b] = hashes;
    let early = [
        forget_early_tries(a, of_a, noise),
        forget_early_tries(b, of_b, noise),
    ];
    noise.suppress_builtin(Builtin::Startup, early[0].abs_diff(early[1]));
    let asked = [questions(a, of_a, noise), questions(b, of_b, noise)];
    let mut gone: [BTreeSet<(usize, usize)>; 2] = Default::default();
    for (question, in_a) in &asked[0] {
        let Some(in_b) = asked[1].get(question) else {
            continue;
        };
        if is_poll(in_a, in_b) {
            for (run, all) in [in_a, in_b].into_iter().enumerate() {
                let earlier = all.iter().take(all.len() - 1);
                gone[run].extend(earlier.map(|asked| (asked.talk, asked.at)));
            }
        } else {
            idle(in_a, in_b, &mut gone);
        }
    }
    let counts = [gone[0].len() as u64, gone[1].len() as u64];
    noise.suppress_builtin(Builtin::Repetition, counts[0].abs_diff(counts[1]));
    for (run, hashes, gone) in [(&mut *a, of_a, &gone[0]), (&mut *b, of_b, &gone[1])] {
        let mut polling: BTreeSet<u32> = BTreeSet::new();
        for (talk, at) in gone.iter().rev() {
            run.talks[*talk].lanes.iter_mut().for_each(|lane| {
                lane.remove(*at);
            });
            hashes[*talk].iter_mut().for_each(|lane| {
                lane.remove(*at);
            });
            if run.talks[*talk].lanes.iter().all(Vec::is_empty) {
                polling.extend(run.talks[*talk].ends[0]);
            }
        }
        // Whoever only polled hands on what it was told, such as to a filter.
        for talk in run.talks.iter().filter(|talk| !is_quiet(talk)) {
            if let Some(client) = talk.ends[0] {
                polling.remove(&client);
            }
        }
        forget(run, hashes, &polling);
        run.waiting.extend(&polling);
    }
    spread(a);
    spread(b);
}

/// A part of a script that did nothing but wait for what only waited did so, too.
fn spread(run: &mut Run) {
    let talking: BTreeSet<u32> = {
        let all = run.talks.iter();
        let all = all.filter(|talk| talk.lanes.iter().any(|lane| !lane.is_empty()));
        all.flat_map(|talk| talk.ends).flatten().collect()
    };
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (number, process) in &run.processes {
        if let Some(parent) = process.parent {
            children.entry(parent).or_default().push(*number);
        }
    }
    // Children have higher numbers than their parents.
    for (number, process) in run.processes.iter().rev() {
        let parent = process.parent.and_then(|parent| run.processes.get(&parent));
        let part = parent.is_some_and(|parent| parent.argv == process.argv);
        let waits = children
            .get(number)
            .is_some_and(|children| children.iter().all(|child| run.waiting.contains(child)));
        if part && waits && !talking.contains(number) {
            run.waiting.insert(*number);
        }
    }
}

/// A question with its answer.
struct Asked {
    talk: usize,
    at: usize,
    time_ns: u64,
    /// A hash of the answer, of a long one without its numbers.
    answer: u64,
    failed: bool,
}

/// A question is a poll if it was asked again in one of the runs, the last answer is the same in both, and
/// another one than before. Whoever asks again because of an error does not poll.
fn is_poll(a: &[Asked], b: &[Asked]) -> bool {
    let (Some(last_a), Some(last_b)) = (a.last(), b.last()) else {
        return false;
    };
    let earlier = |all: &[Asked]| {
        let mut earlier = all.iter().take(all.len() - 1);
        earlier.all(|asked| asked.answer != last_a.answer && !asked.failed)
    };
    a.len() + b.len() > 2 && last_a.answer == last_b.answer && earlier(a) && earlier(b)
}

/// A loop that looks for work asks the same and is told the same, many times in both runs: how often is a
/// matter of time, as long as it is about as often. Of these, the first of each run is left.
fn idle(a: &[Asked], b: &[Asked], gone: &mut [BTreeSet<(usize, usize)>; 2]) {
    let mut by_answer: FxHashMap<u64, [Vec<&Asked>; 2]> = FxHashMap::default();
    for (run, all) in [a, b].into_iter().enumerate() {
        for asked in all.iter().filter(|asked| !asked.failed) {
            by_answer.entry(asked.answer).or_default()[run].push(asked);
        }
    }
    for same in by_answer.into_values() {
        let counts = same.each_ref().map(Vec::len);
        let (least, most) = (counts[0].min(counts[1]), counts[0].max(counts[1]));
        if least == most || least < IDLE_MIN || most > least * IDLE_RATIO {
            continue;
        }
        for (gone, all) in gone.iter_mut().zip(same) {
            gone.extend(all[1..].iter().map(|asked| (asked.talk, asked.at)));
        }
    }
}

/// Whatever was asked by messages that each have one answer, in the order of time.
fn questions(
    run: &Run,
    hashes: &Hashes,
    noise: &mut Noise,
) -> FxHashMap<(String, u64), Vec<Asked>> {
    let mut all: FxHashMap<(String, u64), Vec<Asked>> = FxHashMap::default();
    for (number, (talk, hashes)) in run.talks.iter().zip(hashes).enumerate() {
        if talk.lanes[0].len() != talk.lanes[1].len() || talk.lanes[0].is_empty() {
            continue;
        }
        let name = name(run, talk);
        for (at, (question, answer)) in talk.lanes[0].iter().zip(&talk.lanes[1]).enumerate() {
            let key = (name.clone(), hashes[0][at]);
            all.entry(key).or_default().push(Asked {
                talk: number,
                at,
                time_ns: question.sight.point.time_ns,
                answer: rough(answer, noise).unwrap_or(hashes[1][at]),
                failed: is_error(answer),
            });
        }
    }
    for asked in all.values_mut() {
        asked.sort_by_key(|asked| asked.time_ns);
    }
    all
}

/// A long answer without its numbers, such as of how many bytes a server has seen.
fn rough(reply: &Item, noise: &mut Noise) -> Option<u64> {
    let text = serde_json::to_string(&reply.body).unwrap_or_default();
    if text.len() < LONG_MIN {
        return None;
    }
    let spot = Spot {
        protocol: reply.protocol,
        connection: "",
        field: "",
    };
    let masked = noise.mask(spot, &text, &mut Hits::new());
    let mut hasher = FxHasher::default();
    let other = masked
        .bytes()
        .filter(|byte| !byte.is_ascii_digit() && *byte != b'-');
    other.for_each(|byte| hasher.write_u8(byte));
    Some(hasher.finish())
}

/// Whether a reply says that something went wrong.
fn is_error(reply: &Item) -> bool {
    let text = &reply.text;
    match reply.body.get("status") {
        Some(Node::UInt(status)) => return *status >= 400,
        Some(Node::Int(status)) => return *status >= 400,
        Some(_) | None => {}
    }
    let words = ["ERR", "FATAL", "PANIC", "-"];
    let http = text.starts_with(['4', '5']) && reply.protocol.starts_with("http");
    let grpc = text.starts_with("gRPC ") && !text.starts_with("gRPC OK");
    http || grpc || words.iter().any(|word| text.starts_with(word))
}

/// A command that fails and is run again until it succeeds, before the server that it talks to has done
/// anything for anybody, only waits for that server. Takes away what it said; how many there were.
fn forget_early_tries(run: &mut Run, hashes: &mut Hashes, noise: &mut Noise) -> u64 {
    let success = |number: &u32| {
        let end = run
            .processes
            .get(number)
            .and_then(|process| process.end.as_ref());
        end.filter(|(how, _)| *how == Ended::Status(0))
            .map(|(_, sight)| sight.point.time_ns)
    };
    // When each server, by its program, had first done something for a process that succeeded.
    let mut served: BTreeMap<String, u64> = BTreeMap::new();
    let mut servers: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for talk in run.talks.iter().filter(|talk| !is_quiet(talk)) {
        let (Some(client), server) = (talk.ends[0], program(run, talk, 1)) else {
            continue;
        };
        if let Some(ended_ns) = success(&client) {
            let first = served.entry(server.clone()).or_insert(ended_ns);
            *first = ended_ns.min(*first);
        }
        servers.entry(client).or_default().insert(server);
    }
    let mut kinds: BTreeMap<(Option<u32>, String), Vec<u32>> = BTreeMap::new();
    for (number, process) in &run.processes {
        let spot = Spot {
            protocol: "argv",
            connection: &process.name,
            field: "argument",
        };
        let words = process.argv.iter();
        let words = words.map(|word| noise.mask(spot, word, &mut Hits::new()).into_owned());
        let key = (process.parent, words.collect::<Vec<_>>().join("\0"));
        kinds.entry(key).or_default().push(*number);
    }
    let mut early: BTreeSet<u32> = BTreeSet::new();
    for kind in kinds.values().filter(|kind| kind.len() > 1) {
        let Some(first) = kind.iter().position(|number| success(number).is_some()) else {
            continue;
        };
        let waits = |number: &&u32| {
            let process = &run.processes[*number];
            let parent = process.parent.and_then(|parent| run.processes.get(&parent));
            // A part of a script that goes on in another process is no command.
            let command = parent.is_none_or(|parent| parent.argv != process.argv);
            let failed = matches!(process.end, Some((Ended::Status(1..), _)));
            let start_ns = process.start.point.time_ns;
            let servers = servers.get(*number).into_iter().flatten();
            let mut served = servers.filter_map(|server| served.get(server));
            command && failed && served.all(|served_ns| *served_ns > start_ns)
        };
        early.extend(kind[..first].iter().filter(waits));
    }
    // Whoever talked to nobody else was there for them.
    let mut serving: BTreeSet<u32> = BTreeSet::new();
    let mut serves_others: BTreeSet<u32> = BTreeSet::new();
    for talk in run.talks.iter().filter(|talk| !is_quiet(talk)) {
        let early = talk.ends[0].is_some_and(|client| early.contains(&client));
        let senders = talk.lanes.iter().flatten();
        let senders = senders.map(|item| item.sight.point.event.stream.process);
        match early {
            true => serving.extend(senders),
            false => serves_others.extend(senders),
        }
    }
    run.waiting.extend(serving.difference(&serves_others));
    run.waiting.extend(&early);
    forget(run, hashes, &early);
    early.len() as u64
}

/// Takes away what processes said.
fn forget(run: &mut Run, hashes: &mut Hashes, processes: &BTreeSet<u32>) {
    for (talk, hashes) in run.talks.iter_mut().zip(hashes) {
        if talk
            .ends
            .iter()
            .flatten()
            .any(|end| processes.contains(end))
        {
            talk.lanes = Default::default();
            *hashes = Default::default();
        }
    }
}

fn is_quiet(talk: &Talk) -> bool {
    talk.lanes.iter().any(Vec::is_empty)
}

fn program(run: &Run, talk: &Talk, side: usize) -> String {
    let process = talk.ends[side].and_then(|end| run.processes.get(&end));
    process.map_or_else(|| talk.names[side].clone(), |process| process.name.clone())
}
