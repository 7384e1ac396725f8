//! What is written into a pipe whose reader has had enough, as `head` has: how much of it, and in which pieces, is a
//! matter of time.

use reenact_causal::Ended;
use reenact_wire::Node;

use rustc_hash::{FxHashMap, FxHashSet};

use super::learn;
use super::run::{Item, Run, Talk};

/// Leaves out what was written to readers that stop early, as those of their kind do in either run: what they did not
/// read, and what they read and did not hand on. Returns how much more that was in one of the runs.
pub fn leave_out(runs: &mut [Run; 2]) -> u64 {
    let mut early: FxHashSet<String> = FxHashSet::default();
    for run in runs.iter() {
        for talk in run.talks.iter().filter(|talk| talk.channel == "pipe") {
            if talk.lanes.iter().any(|lane| is_unread(lane)) {
                early.insert(learn::roles(run, talk));
            }
        }
    }
    if early.is_empty() {
        return 0;
    }
    let [a, b] = runs;
    trim(a, &early).abs_diff(trim(b, &early))
}

/// Whether something was read and nothing behind some place.
fn is_unread(lane: &[Item]) -> bool {
    let read = lane.first().is_some_and(|first| first.received.is_some());
    read && lane.last().is_some_and(|last| last.received.is_none())
}

fn line(item: &Item) -> Option<&str> {
    match &item.body {
        Node::Text(text) => Some(text.trim_end_matches(['\r', '\n'])),
        _ => None,
    }
}

fn trim(run: &mut Run, early: &FxHashSet<String>) -> u64 {
    let cut: Vec<usize> = (0..run.talks.len())
        .filter(|at| {
            let talk = &run.talks[*at];
            talk.channel == "pipe" && early.contains(&learn::roles(run, talk))
        })
        .collect();
    let reader = |talk: &Talk| {
        let mut read = talk.lanes.iter().flatten();
        let read = read.find_map(|item| item.received.as_ref());
        read.map(|sight| sight.point.event.stream.process)
    };
    let readers: FxHashSet<u32> = cut
        .iter()
        .filter_map(|at| reader(&run.talks[*at]))
        .collect();
    let mut said: FxHashMap<u32, FxHashSet<String>> = FxHashMap::default();
    for item in run.talks.iter().flat_map(|talk| &talk.lanes).flatten() {
        let sender = item.sight.point.event.stream.process;
        if let Some(text) = line(item).filter(|_| readers.contains(&sender)) {
            said.entry(sender).or_default().insert(text.to_owned());
        }
    }
    let mut count = 0;
    for at in cut {
        let talk = &mut run.talks[at];
        run.cut_short.extend(talk.ends[0]);
        let said = reader(talk).and_then(|reader| said.get(&reader));
        for lane in &mut talk.lanes {
            let before = lane.len();
            lane.retain(|item| {
                let handed_on = said
                    .zip(line(item))
                    .is_none_or(|(said, text)| said.contains(text));
                item.received.is_some() && handed_on
            });
            count += (before - lane.len()) as u64;
        }
    }
    count
}

/// Whether one of two messages is the beginning of the other, and the last that its sender could write.
pub fn is_cut(runs: [&Run; 2], talks: [&Talk; 2], side: usize, items: [&Item; 2]) -> bool {
    let (Node::Text(a), Node::Text(b)) = (&items[0].body, &items[1].body) else {
        return false;
    };
    let (short, long, run) = match a.len() < b.len() {
        true => (a, b, 0),
        false => (b, a, 1),
    };
    let last = talks[run].lanes[side].last();
    let last = last.is_some_and(|last| last.sight.point == items[run].sight.point);
    let sender = items[run].sight.point.event.stream.process;
    let ended = runs[run].processes.get(&sender);
    let ended = ended
        .and_then(|known| known.end.as_ref())
        .map(|(how, _)| *how);
    talks[run].channel == "pipe"
        && long.starts_with(&**short)
        && last
        && ended != Some(Ended::Status(0))
}
