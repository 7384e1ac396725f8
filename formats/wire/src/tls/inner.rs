//! What is carried by a TLS connection: bytes of another protocol, decoded like those of any
//! connection.
//!
//! Ciphers leave bytes in their places, so each byte of the content has its own byte of the stream.
//! Messages are given these places.

use crate::connection::{Chunk, Connection, Hint};
use crate::message::{Completeness, Direction, Message, Span};
use crate::protocol::{End, Output};
use crate::registry::Registry;
use crate::settings::Settings;
use std::collections::VecDeque;
use std::sync::Arc;

/// Records of a direction whose places are remembered. A message that is longer begins where the first
/// of these does.
const RECORDS_MAX: usize = 1 << 16;

/// Where the bytes of a record's content are.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Offset of the first in the content of the direction, and in the stream.
    inner: u64,
    outer: u64,
    len: u64,
    first_event: u64,
    last_event: u64,
}

pub struct Inner {
    connection: Option<Connection>,
    /// By direction.
    places: [VecDeque<Place>; 2],
    offsets: [u64; 2],
    ended: [bool; 2],
}

impl Inner {
    /// `protocol`: by its name in ALPN (RFC 7301), if one was agreed upon.
    pub fn new(settings: &Arc<Settings>, protocol: Option<&[u8]>) -> Self {
        let protocol = match protocol {
            Some(b"http/1.1" | b"http/1.0") => Some("http/1"),
            Some(b"h2") => Some("http/2"),
            Some(_) | None => None,
        };
        let registry = Registry::standard(settings.within_tls());
        let hint = Hint {
            protocol: protocol.map(str::to_owned),
            ..Hint::default()
        };
        Self {
            connection: Some(registry.connection(hint)),
            places: Default::default(),
            offsets: [0; 2],
            ended: [false; 2],
        }
    }

    /// Takes the content of a record, whose first byte is at `outer` in the stream. `span` is the
    /// record's.
    pub fn feed(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        outer: u64,
        span: Span,
        out: &mut Output<'_>,
    ) {
        if bytes.is_empty() {
            return;
        }
        let at = direction.index();
        let offset = self.offsets[at];
        let places = &mut self.places[at];
        if places.len() == RECORDS_MAX {
            places.pop_front();
        }
        places.push_back(Place {
            inner: offset,
            outer,
            len: bytes.len() as u64,
            first_event: span.first_event,
            last_event: span.last_event,
        });
        self.offsets[at] += bytes.len() as u64;
        let chunk = Chunk {
            direction,
            event: span.last_event,
            offset,
            bytes,
        };
        self.with(out, |connection, messages| connection.feed(chunk, messages));
    }

    /// Nothing (more) is known of a direction.
    pub fn end(&mut self, direction: Direction, end: End, out: &mut Output<'_>) {
        if std::mem::replace(&mut self.ended[direction.index()], true) {
            return;
        }
        self.with(out, |connection, messages| {
            connection.ended(direction, end, messages)
        });
        if self.ended == [true; 2] {
            self.connection = None;
        }
    }

    /// Lets the inner connection speak, with numbers of messages of the outer one's.
    fn with(
        &mut self,
        out: &mut Output<'_>,
        speak: impl FnOnce(&mut Connection, &mut Vec<Message>),
    ) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let made = out.messages.len();
        connection.number_from(*out.next_id);
        speak(connection, out.messages);
        *out.next_id = connection.next_number();
        for message in &mut out.messages[made..] {
            let places = &self.places[message.direction.index()];
            place(places, message);
        }
    }
}

fn place(places: &VecDeque<Place>, message: &mut Message) {
    let of = |inner: u64| {
        let behind = places.partition_point(|place| place.inner <= inner);
        places.get(behind.saturating_sub(1)).copied()
    };
    let outer = |inner: u64| {
        of(inner).map_or(inner, |place| {
            place.outer + inner.saturating_sub(place.inner).min(place.len)
        })
    };
    let Span { start, end, .. } = message.span;
    if let Completeness::Damaged { at, .. } = &mut message.completeness {
        *at = outer(*at);
    }
    // Behind the last byte, wherever the next one is.
    let last = end.max(start + 1) - 1;
    message.span = Span {
        start: outer(start),
        end: if end > start {
            outer(last) + 1
        } else {
            outer(start)
        },
        first_event: of(start).map_or(message.span.first_event, |place| place.first_event),
        last_event: of(last).map_or(message.span.last_event, |place| place.last_event),
    };
}
