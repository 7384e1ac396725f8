//! All events of a recording in the order of their times, read frame by frame.
//!
//! Streams interleave by the batch in the file. The index says from when each frame has events, so an
//! event can be handed out as soon as no frame that is still to be read has an earlier one. A recorder
//! writes everything that it has several times a second: that much is held in memory, and no more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::ops::ControlFlow;

use reenact_trace::{Event, Item, ProcessEnd, Reader, StreamId, TraceError};
use rustc_hash::FxHashMap;

use crate::ids::EventId;

/// Payload bytes and events that are held; a file whose frames overlap more is handed out in an order
/// that is right within each stream, and between streams only nearly.
const HELD_BYTES_MAX: usize = 512 << 20;
const HELD_EVENTS_MAX: usize = 8 << 20;
/// What an event costs in memory without its payload.
const EVENT_BYTES: usize = 256;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Event {
        id: EventId,
        /// CLOCK_MONOTONIC nanoseconds, never less than that of the stream's event before.
        time_ns: u64,
        event: Box<Event>,
    },
    /// A stream has ended: nothing of it follows.
    End(ProcessEnd),
}

#[derive(Default)]
struct Queue {
    events: VecDeque<(u64, Box<Event>)>,
    /// Time of the last event that was put into the queue.
    time_ns: u64,
    end: Option<ProcessEnd>,
    /// Whether the heap has an entry for the queue's head.
    queued: bool,
    /// Not to be handed out until [`Merge::release`].
    held: bool,
}

/// A walk over a recording.
pub struct Merge {
    /// Positions of the frames that are still to be read, the next one last, each with the earliest
    /// time in it and in all that follow.
    frames: Vec<(usize, u64)>,
    queues: FxHashMap<StreamId, Queue>,
    heap: BinaryHeap<Reverse<(u64, StreamId)>>,
    ends: VecDeque<ProcessEnd>,
    held_bytes: usize,
    held_events: usize,
    now_ns: u64,
}

impl Merge {
    /// A walk over the selected recording from its start.
    pub fn new(reader: &Reader) -> Merge {
        Merge::between(reader, 0, u64::MAX)
    }

    /// A walk over those frames of the recording that have events between two times (CLOCK_MONOTONIC
    /// nanoseconds). It begins within streams.
    pub fn between(reader: &Reader, from_ns: u64, to_ns: u64) -> Merge {
        let uuid = reader.meta().uuid;
        let mut all = reader.recordings().iter();
        let selected = all.position(|recording| recording.meta.uuid == uuid);
        let selected = selected.unwrap_or(0);
        let frames = reader.frames().iter().enumerate();
        let mut frames: Vec<(usize, u64)> = frames
            .filter(|(_, info)| info.recording == selected)
            .filter(|(_, info)| {
                let inside = |(first, last)| first <= to_ns && last >= from_ns;
                info.time.is_none_or(inside)
            })
            .map(|(at, info)| (at, info.time.map_or(u64::MAX, |(first, _)| first)))
            .collect();
        frames.reverse();
        // From the file's end: the earliest time that is still to come.
        let mut least = u64::MAX;
        for (_, first) in &mut frames {
            least = least.min(*first);
            *first = least;
        }
        Merge {
            frames,
            queues: FxHashMap::default(),
            heap: BinaryHeap::new(),
            ends: VecDeque::new(),
            held_bytes: 0,
            held_events: 0,
            now_ns: 0,
        }
    }

    /// The next event, or the end of a stream; `None` when all has been handed out.
    pub fn next(&mut self, reader: &mut Reader) -> Result<Option<Next>, TraceError> {
        loop {
            if let Some(end) = self.ends.pop_front() {
                return Ok(Some(Next::End(end)));
            }
            let Some(Reverse((time_ns, stream))) = self.heap.peek().copied() else {
                if self.read(reader)? || self.release_earliest() {
                    continue;
                }
                return Ok(None);
            };
            let due = self.frames.last().is_none_or(|(_, first)| *first > time_ns);
            let full = self.held_bytes > HELD_BYTES_MAX || self.held_events > HELD_EVENTS_MAX;
            if !due && !full {
                self.read(reader)?;
                continue;
            }
            self.heap.pop();
            let Some(queue) = self.queues.get_mut(&stream) else {
                continue;
            };
            queue.queued = false;
            if queue.held {
                continue;
            }
            let Some((seq, event)) = queue.events.pop_front() else {
                continue;
            };
            self.held_bytes -= weight(&event);
            self.held_events -= 1;
            self.now_ns = self.now_ns.max(time_ns);
            if queue.events.is_empty() {
                self.ends.extend(queue.end.take());
            }
            enter(&mut self.heap, stream, queue);
            return Ok(Some(Next::Event {
                id: EventId::new(stream, seq),
                time_ns,
                event,
            }));
        }
    }

    /// The time up to which events have been handed out.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Puts an event that was just handed out back, and hands nothing of its stream out for now.
    pub fn hold(&mut self, id: EventId, time_ns: u64, mut event: Box<Event>) {
        let queue = self.queues.entry(id.stream).or_default();
        self.held_bytes += weight(&event);
        self.held_events += 1;
        event.header.time_ns = time_ns;
        queue.events.push_front((id.seq, event));
        queue.held = true;
        // An end that follows the event must not overtake it.
        if let Some(at) = self.ends.iter().position(|end| end.stream() == id.stream) {
            queue.end = self.ends.remove(at);
        }
    }

    /// Hands a held stream out again.
    pub fn release(&mut self, stream: StreamId) {
        if let Some(queue) = self.queues.get_mut(&stream) {
            queue.held = false;
            enter(&mut self.heap, stream, queue);
        }
    }

    /// At the end, what is held is waiting for something that never comes.
    fn release_earliest(&mut self) -> bool {
        let held = self.queues.iter().filter(|(_, queue)| queue.held);
        let first = held.map(|(stream, _)| *stream).min();
        if let Some(stream) = first {
            self.release(stream);
        }
        first.is_some()
    }

    /// Reads a frame; `false` after the last.
    fn read(&mut self, reader: &mut Reader) -> Result<bool, TraceError> {
        let Some((frame, _)) = self.frames.pop() else {
            return Ok(false);
        };
        // Ordered, so that streams which end at the same moment do so in the same order each time.
        let mut touched = BTreeMap::new();
        let Merge {
            queues,
            held_bytes,
            held_events,
            ..
        } = self;
        reader.for_each_in(frame, &mut |item| {
            match item {
                Item::Event { stream, seq, event } => {
                    let queue = queues.entry(stream).or_default();
                    let mut event = Box::new(event);
                    queue.time_ns = queue.time_ns.max(event.header.time_ns);
                    event.header.time_ns = queue.time_ns;
                    *held_bytes += weight(&event);
                    *held_events += 1;
                    queue.events.push_back((seq, event));
                    touched.insert(stream, ());
                }
                Item::ProcessEnd(end) => {
                    let stream = end.stream();
                    touched.insert(stream, ());
                    queues.entry(stream).or_default().end = Some(end);
                }
                Item::File { .. } | Item::Anchor(_) | Item::End(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        for stream in touched.into_keys() {
            let queue = self.queues.entry(stream).or_default();
            if queue.events.is_empty() {
                self.ends.extend(queue.end.take());
            }
            enter(&mut self.heap, stream, queue);
        }
        Ok(true)
    }
}

fn weight(event: &Event) -> usize {
    let parts = event.parts.iter().map(|part| part.bytes.len() + 64);
    EVENT_BYTES + parts.sum::<usize>()
}

fn enter(heap: &mut BinaryHeap<Reverse<(u64, StreamId)>>, stream: StreamId, queue: &mut Queue) {
    if queue.queued || queue.held {
        return;
    }
    if let Some((_, event)) = queue.events.front() {
        heap.push(Reverse((event.header.time_ns, stream)));
        queue.queued = true;
    }
}
