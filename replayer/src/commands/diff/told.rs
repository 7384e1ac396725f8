//! What processes were told, and when.

use std::collections::BTreeMap;

use reenact_causal::Place;
use rustc_hash::FxHashMap;

use super::compare::Told;
use super::run::{Item, Run, Talk};

/// Messages to one process, and bytes of each, that are looked at to tell whether it passes on what it was told.
const TOLD_MAX: usize = 1 << 14;
const TOLD_TEXT_MAX: usize = 4 << 10;

/// What each process was told, as text.
pub fn told_to(run: &Run) -> FxHashMap<u32, Vec<(u64, String)>> {
    let mut all: FxHashMap<u32, Vec<(u64, String)>> = FxHashMap::default();
    for item in run.talks.iter().flat_map(|talk| &talk.lanes).flatten() {
        let Some(received) = &item.received else {
            continue;
        };
        let told = all.entry(received.point.event.stream.process).or_default();
        if told.len() < TOLD_MAX {
            let mut text = serde_json::to_string(&item.body).unwrap_or_default();
            let mut end = text.len().min(TOLD_TEXT_MAX);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            told.push((received.point.time_ns, text));
        }
    }
    all.values_mut().for_each(|told| told.sort());
    all
}

/// Whether a message is the first of its connection, and the server's.
pub fn greets(talk: &Talk, item: &Item) -> bool {
    let begins = |lane: &[Item]| {
        lane.first()
            .map_or(u64::MAX, |first| first.sight.point.time_ns)
    };
    let sent_ns = item.sight.point.time_ns;
    // A call that sends may return after the answer is there.
    let asked = talk.lanes[0]
        .first()
        .and_then(|first| first.received.as_ref());
    let asked = asked.is_some_and(|received| received.point.time_ns <= sent_ns);
    begins(&talk.lanes[1]) == sent_ns && begins(&talk.lanes[0]) > sent_ns && !asked
}

/// Whether one of some texts has a value, and if it is but a number, at the same name.
pub fn knows(told: &[(u64, String)], path: &str, value: &Option<String>) -> bool {
    let named = |part: &&str| part.bytes().any(|byte| !byte.is_ascii_digit());
    let name = path.rsplit('.').find(named);
    let value = value.as_deref().map(|value| value.trim_matches('"'));
    let Some(value) = value.filter(|value| !value.is_empty() && !value.ends_with('…')) else {
        return false;
    };
    let plain = value.len() > 3 && !value.bytes().all(|byte| byte.is_ascii_digit());
    told.iter().any(|(_, text)| {
        text.match_indices(value).any(|(at, _)| {
            let before = text[..at].trim_end_matches(|c: char| "\": '\\".contains(c));
            plain || name.is_some_and(|name| before.ends_with(name))
        })
    })
}

/// When each process sent its last message.
pub fn last_sent(run: &Run) -> FxHashMap<u32, u64> {
    let mut last: FxHashMap<u32, u64> = FxHashMap::default();
    for item in run.talks.iter().flat_map(|talk| &talk.lanes).flatten() {
        let point = item.sight.point;
        let known = last.entry(point.event.stream.process).or_default();
        *known = point.time_ns.max(*known);
    }
    last
}

/// What was told to each group of tasks, by its place there.
pub fn told_at(run: &Run) -> FxHashMap<Place, &Item> {
    let all = run.talks.iter().flat_map(|talk| &talk.lanes).flatten();
    let all = all.filter_map(|item| Some((item.received.as_ref()?.point.place, item)));
    all.collect()
}

/// Where answers were received.
pub fn answers(run: &Run) -> Told {
    let mut told = Told::new();
    let lanes = run.talks.iter().map(|talk| &talk.lanes[1]);
    for received in lanes.flatten().filter_map(|item| item.received.as_ref()) {
        let place = received.point.place;
        told.entry(place.chain).or_default().push(place.order);
    }
    told.values_mut().for_each(|orders| orders.sort_unstable());
    told
}

/// When something was told to each group of tasks, by its place in the group's order.
pub fn heard(talks: &[Talk]) -> BTreeMap<u32, Vec<(u64, u64)>> {
    let mut heard: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    let all = talks.iter().flat_map(|talk| &talk.lanes).flatten();
    for received in all.filter_map(|item| item.received.as_ref()) {
        let point = received.point;
        let told = heard.entry(point.place.chain).or_default();
        told.push((point.place.order, point.time_ns));
    }
    heard.values_mut().for_each(|told| told.sort_unstable());
    heard
}

/// Whether a message is sent by a timer, so that how many there are says only how long a run took: a
/// replica of Redis tells each second how far it is, and its primary asks whether it is there.
pub fn is_heartbeat(item: &Item) -> bool {
    item.protocol == "redis"
        && ["REPLCONF ACK", "REPLCONF GETACK"].iter().any(|words| {
            let start = item.text.get(..words.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(words))
        })
}
