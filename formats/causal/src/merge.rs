//! All events of a recording in the order of their times, read frame by frame.
//!
//! Streams interleave by the batch in the file. The index says from when each frame has events, so an
//! event can be handed out as soon as no frame that is still to be read has an earlier one. A recorder
//! writes everything that it has several times a second: that much is held in memory, and no more.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;

use reenact_trace::{Event, Item, ProcessEnd, Reader, StreamId, TraceError};
use rustc_hash::FxHashMap;

use crate::ids::EventId;

/// Payload bytes and events that are held; a file whose frames overlap more is handed out in an order
/// that is right within each stream, and between streams only nearly.
const HELD_BYTES_MAX: usize = 512 << 20;
/// A recorder writes what it has several times a second; this much later all of it is surely written.
const UNWRITTEN_NS: u64 = 2_000_000_000;
/// What an event and a part cost in memory without their payload.
const EVENT_BYTES: usize = 192;
const PART_BYTES: usize = 96;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Event {
        id: EventId,
        /// CLOCK_MONOTONIC nanoseconds, never less than that of the stream's event before.
        time_ns: u64,
        event: Event,
    },
    /// A stream has ended: nothing of it follows.
    End(ProcessEnd),
}

#[derive(Default)]
struct Queue {
    stream: StreamId,
    events: VecDeque<(u64, Event)>,
    /// Time of the last event that was put into the queue.
    time_ns: u64,
    end: Option<ProcessEnd>,
    /// Whether the heap has an entry for the queue's head.
    queued: bool,
    /// Not to be handed out until [`Merge::release`].
    held: bool,
    /// Whether the frame that is being read has touched it.
    touched: bool,
}

/// A walk over a recording.
pub struct Merge {
    /// Positions of the frames that are still to be read, the next one last, each with the earliest
    /// time in it and in all that follow.
    frames: Vec<(usize, u64)>,
    queues: Vec<Queue>,
    places: FxHashMap<StreamId, usize>,
    /// Heads of queues by time, then by stream.
    heap: BinaryHeap<Reverse<(u64, StreamId, usize)>>,
    /// The queue that an event was just taken from: often it has the next one, too.
    current: Option<usize>,
    ends: VecDeque<ProcessEnd>,
    held_bytes: usize,
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
        // A call that a task died in has the time 0, and hides when its frame begins: that is looked for as
        // far back as a recorder leaves events unwritten, or as the frame before it begins.
        let start_ns = reader.meta().mono_start_ns;
        let mut before_ns = start_ns;
        let mut frames = Vec::new();
        for (at, info) in reader.frames().iter().enumerate() {
            if info.recording != selected {
                continue;
            }
            let first_ns = match info.time {
                Some((first, _)) if first >= start_ns => first,
                Some((_, last)) => before_ns
                    .min(last.saturating_sub(UNWRITTEN_NS))
                    .max(start_ns),
                None => u64::MAX,
            };
            if let Some((_, last)) = info.time {
                before_ns = first_ns;
                if first_ns > to_ns || last < from_ns {
                    continue;
                }
            }
            frames.push((at, first_ns));
        }
        frames.reverse();
        // From the file's end: the earliest time that is still to come.
        let mut least = u64::MAX;
        for (_, first) in &mut frames {
            least = least.min(*first);
            *first = least;
        }
        Merge {
            frames,
            queues: Vec::new(),
            places: FxHashMap::default(),
            heap: BinaryHeap::new(),
            current: None,
            ends: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// The next event, or the end of a stream; `None` when all has been handed out.
    pub fn next(&mut self, reader: &mut Reader) -> Result<Option<Next>, TraceError> {
        loop {
            if let Some(end) = self.ends.pop_front() {
                return Ok(Some(Next::End(end)));
            }
            let Some((time_ns, at)) = self.earliest() else {
                if self.read(reader)? || self.release_earliest() {
                    continue;
                }
                return Ok(None);
            };
            let due = self.frames.last().is_none_or(|(_, first)| *first > time_ns);
            if !due && self.held_bytes <= HELD_BYTES_MAX {
                self.read(reader)?;
                continue;
            }
            let queue = &mut self.queues[at];
            let Some((seq, event)) = queue.events.pop_front() else {
                continue;
            };
            self.held_bytes = self.held_bytes.saturating_sub(weight(&event));
            if queue.events.is_empty() {
                self.ends.extend(queue.end.take());
            }
            let id = EventId::new(queue.stream, seq);
            return Ok(Some(Next::Event { id, time_ns, event }));
        }
    }

    /// The earliest event that is held, which is then at the head of the current queue.
    fn earliest(&mut self) -> Option<(u64, usize)> {
        loop {
            let current = self.current.filter(|at| !self.queues[*at].held);
            let head = current.and_then(|at| {
                let queue = &self.queues[at];
                let (_, event) = queue.events.front()?;
                Some((event.header.time_ns, queue.stream, at))
            });
            let top = self.heap.peek().map(|Reverse(top)| *top);
            match (head, top) {
                (Some(head), top) if top.is_none_or(|top| head < top) => {
                    return Some((head.0, head.2));
                }
                (head, Some((_, _, at))) => {
                    self.heap.pop();
                    self.queues[at].queued = false;
                    self.current = None;
                    if let Some((_, _, before)) = head {
                        self.enter(before);
                    }
                    self.current = Some(at);
                }
                (None, None) => return None,
                (Some(_), None) => self.current = None,
            }
        }
    }

    /// Puts an event that was just handed out back, and hands nothing of its stream out for now.
    pub fn hold(&mut self, id: EventId, time_ns: u64, mut event: Event) {
        let at = self.place(id.stream);
        self.held_bytes += weight(&event);
        event.header.time_ns = time_ns;
        let queue = &mut self.queues[at];
        queue.events.push_front((id.seq, event));
        queue.held = true;
        // An end that follows the event must not overtake it.
        if let Some(end) = self.ends.iter().position(|end| end.stream() == id.stream) {
            queue.end = self.ends.remove(end);
        }
    }

    /// Hands a held stream out again.
    pub fn release(&mut self, stream: StreamId) {
        let at = self.place(stream);
        self.queues[at].held = false;
        self.enter(at);
    }

    /// At the end, what is held is waiting for something that never comes.
    fn release_earliest(&mut self) -> bool {
        let held = self.queues.iter().filter(|queue| queue.held);
        let first = held.map(|queue| queue.stream).min();
        if let Some(stream) = first {
            self.release(stream);
        }
        first.is_some()
    }

    fn place(&mut self, stream: StreamId) -> usize {
        let queues = &mut self.queues;
        *self.places.entry(stream).or_insert_with(|| {
            queues.push(Queue {
                stream,
                ..Queue::default()
            });
            queues.len() - 1
        })
    }

    /// Enters a queue's head into the heap. The current queue is not in it.
    fn enter(&mut self, at: usize) {
        if self.current == Some(at) {
            return;
        }
        let queue = &mut self.queues[at];
        if queue.queued || queue.held {
            return;
        }
        if let Some((_, event)) = queue.events.front() {
            let key = (event.header.time_ns, queue.stream, at);
            self.heap.push(Reverse(key));
            queue.queued = true;
        }
    }

    /// Reads a frame; `false` after the last.
    fn read(&mut self, reader: &mut Reader) -> Result<bool, TraceError> {
        let Some((frame, _)) = self.frames.pop() else {
            return Ok(false);
        };
        if let Some(current) = self.current.take() {
            self.enter(current);
        }
        let mut touched: Vec<usize> = Vec::new();
        let mut last = None;
        reader.for_each_in(frame, &mut |item| {
            let stream = match &item {
                Item::Event { stream, .. } => *stream,
                Item::ProcessEnd(end) => end.stream(),
                Item::File { .. } | Item::Anchor(_) | Item::End(_) => {
                    return ControlFlow::Continue(());
                }
            };
            let at = match last {
                Some((known, at)) if known == stream => at,
                _ => self.place(stream),
            };
            last = Some((stream, at));
            let queue = &mut self.queues[at];
            if !std::mem::replace(&mut queue.touched, true) {
                touched.push(at);
            }
            match item {
                Item::Event { seq, mut event, .. } => {
                    queue.time_ns = queue.time_ns.max(event.header.time_ns);
                    event.header.time_ns = queue.time_ns;
                    self.held_bytes += weight(&event);
                    queue.events.push_back((seq, event));
                }
                Item::ProcessEnd(end) => queue.end = Some(end),
                Item::File { .. } | Item::Anchor(_) | Item::End(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        for at in touched {
            let queue = &mut self.queues[at];
            queue.touched = false;
            if queue.events.is_empty() {
                self.ends.extend(queue.end.take());
            }
            self.enter(at);
        }
        Ok(true)
    }
}

fn weight(event: &Event) -> usize {
    let parts = event.parts.iter().map(|part| part.bytes.len() + PART_BYTES);
    EVENT_BYTES + parts.sum::<usize>()
}
