//! A stream's events one by one, for callers that follow many streams at once.

use std::collections::VecDeque;

use crate::error::TraceError;
use crate::model::{Event, StreamId};
use crate::reader::{OwnedEvent, Reader};

/// A place in a stream. It holds the events of at most one batch.
pub struct Cursor {
    stream: StreamId,
    from: u64,
    frames: VecDeque<usize>,
    /// Frame of `events`, and where to look for more in it.
    place: Option<(usize, usize)>,
    events: VecDeque<(u64, OwnedEvent)>,
}

impl Reader {
    /// A place before event `seq` of a stream of the selected recording.
    pub fn cursor(&self, stream: StreamId, seq: u64) -> Cursor {
        Cursor {
            stream,
            from: seq,
            frames: self.frames_of(stream, seq),
            place: None,
            events: VecDeque::new(),
        }
    }
}

impl Cursor {
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The next event and its position in the stream, or `None` after the last. `reader` is the
    /// one that the cursor came from.
    pub fn next(&mut self, reader: &mut Reader) -> Result<Option<(u64, Event)>, TraceError> {
        loop {
            let Some(place) = self.place else {
                let Some(frame) = self.frames.pop_front() else {
                    return Ok(None);
                };
                self.place = Some((frame, 0));
                continue;
            };
            if let Some((seq, event)) = self.events.pop_front() {
                return Ok(Some((seq, reader.fetch(place.0, event)?)));
            }
            let next = reader.next_batch(place, self.stream, self.from, &mut self.events)?;
            self.place = next.map(|offset| (place.0, offset));
        }
    }
}
