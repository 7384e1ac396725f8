//! Questions that are asked again and again until the answer is the wished one: how often is a matter of
//! time, and only the last time says something.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::ops::Range;

use reenact_causal::Ended;
use reenact_wire::Node;
use rustc_hash::{FxHashMap, FxHasher};

use super::masked;
use super::noise::{Builtin, Hits, Noise, Spot};
use super::replies::{has_each_answer, is_error, says_nothing};
use super::run::{Item, Run, Talk};
use super::talks::Hashes;

/// Bytes of an answer that is more than a word or a number.
const LONG_MIN: usize = 100;
/// How often the same must have been asked and answered in both runs to be a loop that looks for work, and by how
/// much one may turn more often than the other.
const IDLE_MIN: usize = 3;
const IDLE_RATIO: usize = 4;
/// How often somebody looks at something that is watched.
const WATCH_MIN: usize = 6;
/// How long somebody waits for an answer that says that there is nothing.
const IN_VAIN_MIN_NS: u64 = 100_000_000;
/// How long whoever polls waits before it asks again.
const PAUSE_MIN_NS: u64 = 3_000_000;

/// Leaves out of both runs what only waited for something. Returns hashes of answers to what was looked at again and
/// again.
pub fn leave_out(
    runs: [&mut Run; 2],
    hashes: [&mut Hashes; 2],
    noise: &mut Noise,
) -> BTreeSet<u64> {
    let [a, b] = runs;
    let [of_a, of_b] = hashes;
    let early = [
        forget_early_tries(a, of_a, noise),
        forget_early_tries(b, of_b, noise),
    ];
    noise.suppress_builtin(Builtin::Startup, early[0].abs_diff(early[1]));
    let mut asked = [questions(a, of_a, noise), questions(b, of_b, noise)];
    let mut gone: [Gone; 2] = Default::default();
    for (asked, gone) in asked.iter_mut().zip(&mut gone) {
        asked
            .values_mut()
            .for_each(|all| leave_out_in_vain(all, gone));
    }
    let mut kept: [Kept; 2] = Default::default();
    let mut watched = BTreeSet::new();
    // How many more times, by connection, something was looked for in the second run.
    let mut turns: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    let mut rest = Vec::new();
    for (question, in_a) in &asked[0] {
        let Some(in_b) = asked[1].get(question) else {
            continue;
        };
        let both = [in_a.as_slice(), in_b.as_slice()];
        if is_watch(both) {
            for (all, hashes) in both.into_iter().zip([&*of_a, &*of_b]) {
                let answers = all.iter().flat_map(|asked| {
                    let lane = &hashes[asked.talk][1];
                    lane[asked.answers.clone()].iter().copied()
                });
                watched.extend(answers);
            }
        }
        if is_poll(in_a, in_b) {
            leave_out_surplus(both, &mut gone, &mut kept);
        } else if idle(both, true, &[], &mut gone, &mut kept) {
            let more = in_b.len() as i64 - in_a.len() as i64;
            turns.entry(&question.0).or_default().insert(more);
        } else {
            rest.push((question, both));
        }
    }
    for (question, both) in rest {
        let turns: Vec<i64> = turns
            .get(&*question.0)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        idle(both, false, &turns, &mut gone, &mut kept);
    }
    let counts = [gone[0].len() as u64, gone[1].len() as u64];
    noise.suppress_builtin(Builtin::Repetition, counts[0].abs_diff(counts[1]));
    for (run, hashes, at) in [(&mut *a, of_a, 0), (&mut *b, of_b, 1)] {
        let mut polling: BTreeSet<u32> = BTreeSet::new();
        for (talk, lane, at) in gone[at].iter().rev() {
            run.talks[*talk].lanes[*lane].remove(*at);
            hashes[*talk][*lane].remove(*at);
        }
        let touched: BTreeSet<usize> = gone[at].iter().map(|(talk, ..)| *talk).collect();
        for talk in touched {
            // A command that only asked says besides only what the one does that is left.
            let instead = kept[at].talks.get(&talk).filter(|other| **other != talk);
            let same = |other: &usize| {
                let lanes = hashes[talk].iter().zip(&hashes[*other]);
                lanes
                    .into_iter()
                    .all(|(one, other)| one.iter().all(|hash| other.contains(hash)))
            };
            if instead.is_some_and(same) {
                run.talks[talk].lanes = Default::default();
                hashes[talk] = Default::default();
            }
            if run.talks[talk].lanes.iter().all(Vec::is_empty) {
                polling.extend(run.talks[talk].ends[0]);
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
    watched
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

/// Messages that are left out: by connection, side, and place.
type Gone = BTreeSet<(usize, usize, usize)>;

/// A question with its answer.
struct Asked {
    talk: usize,
    at: usize,
    /// Places of what was said to it.
    answers: Range<usize>,
    asker: u32,
    time_ns: u64,
    /// When it was answered.
    told_ns: u64,
    /// A hash of the answer, of a long one without its numbers.
    answer: u64,
    /// The same without any numbers.
    rough: u64,
    failed: bool,
    /// It says that there is nothing.
    nothing: bool,
    /// It asks for something to be done, rather than how things are.
    changes: bool,
    /// The next that is asked on its connection, if anything is, is the same.
    again: bool,
}

/// For connections over which something was asked that is left out: over which the same was asked that is not.
#[derive(Default)]
struct Kept {
    talks: BTreeMap<usize, usize>,
}

impl Kept {
    fn note(&mut self, all: &[Asked], left: usize) {
        let Some(left) = all.get(left).map(|asked| asked.talk) else {
            return;
        };
        self.talks
            .extend(all.iter().map(|asked| (asked.talk, left)));
    }
}

impl Asked {
    fn leave_out(&self, gone: &mut Gone) {
        gone.insert((self.talk, 0, self.at));
        gone.extend(self.answers.clone().map(|at| (self.talk, 1, at)));
    }
}

/// Whether somebody looks again and again at how things are, with pauses, and sees several things.
fn is_watch(both: [&[Asked]; 2]) -> bool {
    let looks = |all: &[Asked]| {
        let alone = all.windows(2).all(|pair| pair[0].asker == pair[1].asker);
        let plain = all.iter().all(|asked| !asked.changes && !asked.failed);
        all.len() > 1 && alone && plain && pauses(all)
    };
    let all = || both.into_iter().flatten();
    let answers: BTreeSet<u64> = all().map(|asked| asked.answer).collect();
    all().count() >= WATCH_MIN && answers.len() > 2 && both.into_iter().all(looks)
}

/// Whoever waits for something until it is told that there is nothing, and asks again, only waits.
fn leave_out_in_vain(all: &mut Vec<Asked>, gone: &mut Gone) {
    let mut last: BTreeMap<u32, u64> = BTreeMap::new();
    for asked in all.iter() {
        let time_ns = last.entry(asked.asker).or_default();
        *time_ns = asked.time_ns.max(*time_ns);
    }
    all.retain(|asked| {
        let waited = asked.told_ns.saturating_sub(asked.time_ns) >= IN_VAIN_MIN_NS;
        let again = last
            .get(&asked.asker)
            .is_some_and(|last| *last > asked.time_ns);
        let vain = asked.nothing && waited && again;
        if vain {
            asked.leave_out(gone);
        }
        !vain
    });
}

/// Whether whoever asks again waits before it does, mostly: others are told something, and answer.
fn pauses(all: &[Asked]) -> bool {
    let again = || all.windows(2);
    let waits =
        again().filter(|pair| pair[1].time_ns > pair[0].told_ns.saturating_add(PAUSE_MIN_NS));
    waits.count() * 2 >= again().count()
}

/// Whether several ask by turns, so that none of them waits for what the others are told.
fn is_of_several(all: &[Asked]) -> bool {
    let askers: BTreeSet<u32> = all.iter().map(|asked| asked.asker).collect();
    let turns = all.windows(2).filter(|pair| pair[0].asker != pair[1].asker);
    turns.count() >= askers.len()
}

/// Of what was asked until the answer was the wished one, each answer is left as often as in the run that was told
/// it less often.
fn leave_out_surplus(both: [&[Asked]; 2], gone: &mut [Gone; 2], kept: &mut [Kept; 2]) {
    let counts = both.map(|all| {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for asked in all {
            *counts.entry(asked.answer).or_default() += 1;
        }
        counts
    });
    for (run, all) in both.into_iter().enumerate() {
        let mut left = counts[1 - run].clone();
        if let Some(count) = all.last().and_then(|last| left.get_mut(&last.answer)) {
            *count -= 1;
        }
        // The last one is there in both runs.
        for asked in all.iter().rev().skip(1) {
            match left.get_mut(&asked.answer).filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => asked.leave_out(&mut gone[run]),
            }
        }
        kept[run].note(all, all.len() - 1);
    }
}

/// A question is a poll if it was asked again in one of the runs, the last answer is the same in both, and
/// another one than before. Whoever asks again because of an error does not poll, and neither does who has
/// something done twice.
fn is_poll(a: &[Asked], b: &[Asked]) -> bool {
    let (Some(last_a), Some(last_b)) = (a.last(), b.last()) else {
        return false;
    };
    let earlier = |all: &[Asked]| {
        let earlier = &all[..all.len() - 1];
        // Whoever does something else with each answer is given work.
        let alike = earlier
            .windows(2)
            .all(|pair| pair[0].answer == pair[1].answer);
        let waits = alike || earlier.iter().all(|asked| asked.again);
        let not_yet = |asked: &Asked| asked.answer != last_a.answer && !asked.failed;
        waits && pauses(all) && earlier.iter().all(|asked| not_yet(asked) && !asked.changes)
    };
    if is_start(a, b) {
        return true;
    }
    let again = a.len() + b.len() > 2;
    // Where several ask as often as they did, nobody waited.
    let several = a.len() == b.len() && (is_of_several(a) || is_of_several(b));
    again && !several && last_a.answer == last_b.answer && earlier(a) && earlier(b)
}

/// Whether both runs look whether somebody is there yet, and are told the same error until it is. A storm of tries is
/// none of this: neither run asks far more often than the other.
fn is_start(a: &[Asked], b: &[Asked]) -> bool {
    let ends = |all: &[Asked]| {
        let (last, earlier) = all.split_last()?;
        let alike = earlier
            .windows(2)
            .all(|pair| pair[0].answer == pair[1].answer);
        let not_yet = earlier.iter().all(|asked| asked.failed && !asked.changes);
        (alike && not_yet && !last.failed).then_some(last.rough)
    };
    let (least, most) = (a.len().min(b.len()), a.len().max(b.len()));
    let about = most <= least * IDLE_RATIO || most <= least + 2;
    let waits = a.len() + b.len() > 2 && pauses(a) && pauses(b);
    about && waits && ends(a).is_some() && ends(a) == ends(b)
}

/// A loop that looks for work asks the same and is told the same, many times in both runs: how often is a
/// matter of time, as long as it is about as often, or as long as the same is told to it otherwise. Of these, the
/// first of each run is left. `finds`: only what is sometimes told something else. `turns`: how many more times
/// the loop turned in the second run. Whether it is one.
fn idle(
    both: [&[Asked]; 2],
    finds: bool,
    turns: &[i64],
    gone: &mut [Gone; 2],
    kept: &mut [Kept; 2],
) -> bool {
    let mut by_answer: BTreeMap<u64, [Vec<usize>; 2]> = BTreeMap::new();
    for run in [0, 1] {
        for (at, asked) in both[run]
            .iter()
            .enumerate()
            .filter(|(_, asked)| !asked.failed)
        {
            by_answer.entry(asked.answer).or_default()[run].push(at);
        }
    }
    let counts = |same: &[Vec<usize>; 2]| same.each_ref().map(Vec::len);
    let differ = by_answer.values().filter(|same| {
        let counts = counts(same);
        counts[0] != counts[1]
    });
    let changes = both[0].first().is_some_and(|asked| asked.changes);
    // What is found is the same in both runs, and only how often nothing was, is not.
    let found = by_answer.len() > 1 && differ.count() == 1;
    if finds && (!found || changes) {
        return false;
    }
    // Whoever asks as often as it did turned as often.
    if both[0].len() == both[1].len() {
        return false;
    }
    if !both.into_iter().all(pauses) {
        return false;
    }
    let mut is_idle = false;
    for same in by_answer.into_values() {
        let counts = counts(&same);
        let (least, most) = (counts[0].min(counts[1]), counts[0].max(counts[1]));
        let more = counts[1] as i64 - counts[0] as i64;
        let several = more.unsigned_abs() as usize >= IDLE_MIN && !changes;
        let turned = several && turns.iter().any(|turns| turns.abs_diff(more) <= 1);
        let enough = match finds || turned {
            true => least > 1,
            false => least >= IDLE_MIN && most <= least * IDLE_RATIO,
        };
        if least == most || !enough {
            continue;
        }
        is_idle = true;
        for run in [0, 1] {
            let all = &same[run];
            all[1..]
                .iter()
                .for_each(|at| both[run][*at].leave_out(&mut gone[run]));
            kept[run].note(both[run], all[0]);
        }
    }
    is_idle
}

/// Whatever was asked, with what was said to it before the next question, in the order of time.
fn questions(
    run: &Run,
    hashes: &Hashes,
    noise: &mut Noise,
) -> FxHashMap<(String, u64), Vec<Asked>> {
    let mut all: FxHashMap<(String, u64), Vec<Asked>> = FxHashMap::default();
    for (number, (talk, hashes)) in run.talks.iter().zip(hashes).enumerate() {
        // Of several servers of one program, one may be there before another.
        let title = |side: usize| match talk.ends[side].and_then(|end| run.processes.get(&end)) {
            Some(process) => process.title.as_str(),
            None => &talk.names[side],
        };
        let name = format!("{} -> {}", title(0), title(1));
        let sent_ns = |item: &Item| item.sight.point.time_ns;
        // Whoever asks has got the answer before it asks again; the call that sent it may end later.
        let told_ns = |item: &Item| item.received.as_ref().unwrap_or(&item.sight).point.time_ns;
        let each = has_each_answer(talk);
        let mut told = 0;
        for (at, question) in talk.lanes[0].iter().enumerate() {
            let next = talk.lanes[0].get(at + 1).map_or(u64::MAX, sent_ns);
            let from = told;
            let behind = talk.lanes[1][from..].iter();
            told += match each {
                true => 1,
                false => behind.take_while(|answer| told_ns(answer) < next).count(),
            };
            let answers = &talk.lanes[1][from..told];
            if answers.is_empty() {
                continue;
            }
            let failed = answers.iter().any(is_error);
            let (mut hasher, mut plain) = (FxHasher::default(), FxHasher::default());
            for (answer, hash) in answers.iter().zip(&hashes[1][from..told]) {
                let first = answer.text.split(' ').next().unwrap_or_default();
                // An error is told by its number.
                match failed {
                    true => hasher.write(first.as_bytes()),
                    false => hasher.write_u64(rough(answer, noise).unwrap_or(*hash)),
                }
                let letters = answer
                    .text
                    .bytes()
                    .filter(|byte| !byte.is_ascii_digit() && *byte != b'.');
                letters.for_each(|byte| plain.write_u8(byte));
            }
            let key = (name.clone(), hashes[0][at]);
            all.entry(key).or_default().push(Asked {
                talk: number,
                at,
                answers: from..told,
                asker: question.sight.point.event.stream.process,
                time_ns: sent_ns(question),
                told_ns: answers.iter().map(told_ns).max().unwrap_or(0),
                answer: hasher.finish(),
                rough: plain.finish(),
                failed,
                nothing: answers.iter().all(says_nothing),
                changes: changes(question),
                again: hashes[0]
                    .get(at + 1)
                    .is_none_or(|next| *next == hashes[0][at]),
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

/// Whether a message asks for something to be done, as far as its protocol tells.
pub fn changes(question: &Item) -> bool {
    let text = |name: &str| match question.body.get(name) {
        Some(Node::Text(text)) => text.as_str(),
        Some(_) | None => "",
    };
    let verb = |text: &str| {
        let word = text.split_whitespace().next().unwrap_or_default();
        word.to_ascii_lowercase()
    };
    if question.protocol.starts_with("http") {
        return !matches!(text("method"), "GET" | "HEAD" | "OPTIONS");
    }
    let verb = match question.protocol {
        "postgresql" => verb(match text("sql") {
            "" => text("query"),
            sql => sql,
        }),
        _ => verb(&question.text),
    };
    let changing = [
        "append", "create", "decr", "decrby", "del", "delete", "drop", "expire", "getdel",
        "getset", "hdel", "hincrby", "hset", "incr", "incrby", "insert", "lpush", "lrem", "post",
        "publish", "put", "rpush", "sadd", "set", "setex", "setnx", "srem", "unlink", "update",
        "xadd", "xack", "zadd", "zincrby", "zrem", "add", "send", "store", "write",
    ];
    changing.contains(&verb.as_str())
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
        let key = (process.parent, masked::arguments(noise, process).join("\0"));
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
