//! What is written into a pipe whose reader has had enough, as `head` has: how much of it, and in which pieces, is a
//! matter of time.

use reenact_causal::Ended;
use reenact_wire::Node;

use super::run::{Item, Run, Talk};

/// Whether nobody read a message, though what was written before it was read.
pub fn is_unread(talk: &Talk, side: usize, item: &Item) -> bool {
    let lane = &talk.lanes[side];
    talk.channel == "pipe"
        && item.received.is_none()
        && lane.first().is_some_and(|first| first.received.is_some())
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
