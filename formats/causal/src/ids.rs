//! Names of events that a person can type back.

use std::fmt;
use std::str::FromStr;

use reenact_trace::StreamId;

/// An event of a recording: its stream and its position there, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    pub stream: StreamId,
    pub seq: u64,
}

impl EventId {
    pub fn new(stream: StreamId, seq: u64) -> EventId {
        EventId { stream, seq }
    }
}

/// The long form, `p3.t5:120`: process 3, task 5, the task's event 120.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StreamId { process, task } = self.stream;
        write!(f, "p{process}.t{task}:{}", self.seq)
    }
}

/// An event as it was typed: `p3.t5:120`, or `p3:120` for the first task of process 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventName {
    pub process: u32,
    /// `None` for the process's first task, the one with the lowest number.
    pub task: Option<u32>,
    pub seq: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is named like p3:120 (process 3, its event 120), or p3.t5:120 for task 5 of it")]
pub struct BadEventName;

impl FromStr for EventName {
    type Err = BadEventName;

    fn from_str(text: &str) -> Result<EventName, BadEventName> {
        let (place, seq) = text.split_once(':').ok_or(BadEventName)?;
        let (process, task) = match place.split_once('.') {
            Some((process, task)) => (process, Some(number(task, 't')?)),
            None => (place, None),
        };
        Ok(EventName {
            process: number(process, 'p')?,
            task,
            seq: plain(seq)?,
        })
    }
}

fn number(text: &str, letter: char) -> Result<u32, BadEventName> {
    plain(text.strip_prefix(letter).ok_or(BadEventName)?)
}

/// Digits and nothing else: `parse` alone would take a sign.
fn plain<T: FromStr>(text: &str) -> Result<T, BadEventName> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadEventName);
    }
    text.parse().map_err(|_| BadEventName)
}

impl EventName {
    /// The event, if one of these streams (ordered, as a reader gives them) is the one that it is of.
    pub fn resolve(self, streams: impl IntoIterator<Item = StreamId>) -> Option<EventId> {
        let is = |stream: &StreamId| {
            stream.process == self.process && self.task.is_none_or(|task| task == stream.task)
        };
        let stream = streams.into_iter().find(is)?;
        Some(EventId::new(stream, self.seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let stream = |process, task| StreamId { process, task };
        let streams = [stream(1, 1), stream(3, 4), stream(3, 5)];
        let event = EventId::new(streams[2], 120);
        assert_eq!(event.to_string(), "p3.t5:120");
        let name: EventName = event.to_string().parse().unwrap();
        assert_eq!(name.resolve(streams), Some(event));
        let short: EventName = "p3:7".parse().unwrap();
        assert_eq!(short.resolve(streams), Some(EventId::new(streams[1], 7)));
        assert_eq!("p2:7".parse::<EventName>().unwrap().resolve(streams), None);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in [
            "",
            "p3",
            "3:1",
            "p3:",
            "p:1",
            "p3.5:1",
            "p3.t:1",
            "p3:-1",
            "p3:+1",
            "p99999999999:1",
            "p3:1x",
        ] {
            // An empty number would parse as none.
            assert!(bad.parse::<EventName>().is_err(), "{bad}");
        }
    }
}
