//! One direction's stream: bytes that are not read yet, and the events that carried them.
//!
//! A decoder reads through [`Input`]. While it leaves nothing unread, chunks are read where the
//! caller has them; only an unread rest is copied, to have what follows behind it.

use crate::message::{Direction, Span};
use memchr::memchr;
use std::collections::VecDeque;

#[derive(Default)]
pub(crate) struct Flow {
    pending: Vec<u8>,
    /// Where the unread bytes begin in `pending`.
    head: usize,
    /// Offset of the first unread byte in the stream.
    offset: u64,
    /// Offsets from which on events carried the stream, as far back as the last byte read.
    spans: VecDeque<(u64, u64)>,
    /// Offset up to which no line feed was found.
    scanned: u64,
    /// Where what the decoder reads begins, if that is known.
    beginning: Option<u64>,
}

/// Below this, read bytes at the front of the buffer stay where they are.
const COMPACT_FROM: usize = 64 << 10;

impl Flow {
    /// Offset behind all that came.
    pub fn end(&self) -> u64 {
        self.offset + self.unread().len() as u64
    }

    pub fn unread(&self) -> &[u8] {
        &self.pending[self.head..]
    }

    /// Goes on at another offset, without what was unread.
    pub fn restart(&mut self, offset: u64) {
        self.pending.clear();
        self.head = 0;
        self.offset = offset;
        self.scanned = offset;
        self.spans.clear();
        // Streams are counted from their beginning.
        self.beginning = Some(0);
    }

    fn note(&mut self, event: u64) {
        let end = self.end();
        if self.spans.back().is_none_or(|span| span.1 != event) {
            self.spans.push_back((end, event));
        }
    }

    /// Keeps bytes unread.
    pub fn push(&mut self, bytes: &[u8], event: u64) {
        if !bytes.is_empty() {
            self.note(event);
            self.pending.extend_from_slice(bytes);
        }
    }

    /// Lets `read` have the unread bytes and `chunk` behind them; what it does not take stays.
    /// Returns how much it took.
    pub fn offer(
        &mut self,
        direction: Direction,
        chunk: &[u8],
        event: u64,
        read: impl FnOnce(&mut Input<'_>),
    ) -> usize {
        let direct = self.unread().is_empty() && !chunk.is_empty();
        if direct {
            self.note(event);
        } else {
            self.push(chunk, event);
        }
        let mut input = Input {
            direction,
            bytes: if direct {
                chunk
            } else {
                &self.pending[self.head..]
            },
            taken: 0,
            offset: self.offset,
            spans: &self.spans,
            scanned: &mut self.scanned,
            beginning: self.beginning,
        };
        read(&mut input);
        let taken = input.taken;
        self.offset += taken as u64;
        if direct {
            self.pending.clear();
            self.head = 0;
            self.pending.extend_from_slice(&chunk[taken..]);
        } else {
            self.head += taken;
            self.compact();
        }
        // The byte before the first unread one may still be asked for.
        while self.spans.get(1).is_some_and(|next| next.0 < self.offset) {
            self.spans.pop_front();
        }
        taken
    }

    /// Takes all unread bytes away, apart by the events that carried them. They are expected to
    /// come again, for another decoder.
    pub fn drain(&mut self) -> Vec<(u64, Vec<u8>)> {
        let beginning = self.offset;
        let mut pieces = Vec::new();
        while !self.unread().is_empty() {
            self.offer(Direction::ToServer, &[], 0, |input| {
                let event = input.begin().first_event;
                pieces.push((event, input.take(input.same_event()).to_vec()));
            });
        }
        self.restart(beginning);
        self.beginning = Some(beginning);
        pieces
    }

    fn compact(&mut self) {
        if self.head == self.pending.len() {
            self.pending.clear();
            self.head = 0;
            if self.pending.capacity() > COMPACT_FROM {
                self.pending = Vec::new();
            }
        } else if self.head >= COMPACT_FROM && self.head > self.pending.len() / 2 {
            self.pending.drain(..self.head);
            self.head = 0;
        }
    }
}

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// Its end has not come.
    Partial,
    TooLong,
}

/// The unread bytes of one direction.
pub struct Input<'a> {
    direction: Direction,
    bytes: &'a [u8],
    taken: usize,
    /// Offset of `bytes` in the stream.
    offset: u64,
    spans: &'a VecDeque<(u64, u64)>,
    scanned: &'a mut u64,
    beginning: Option<u64>,
}

impl<'a> Input<'a> {
    pub fn direction(&self) -> Direction {
        self.direction
    }

    pub fn bytes(&self) -> &'a [u8] {
        &self.bytes[self.taken..]
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Offset of the first unread byte in the stream.
    pub fn offset(&self) -> u64 {
        self.offset + self.taken as u64
    }

    /// Whether the first unread byte is the first of what this protocol carries. Where it is not,
    /// before anything was read, the recording begins in the middle.
    pub fn is_beginning(&self) -> bool {
        self.beginning == Some(self.offset())
    }

    /// Reads `len` bytes, or all if there are fewer.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let bytes = self.bytes();
        let bytes = &bytes[..len.min(bytes.len())];
        self.taken += bytes.len();
        bytes
    }

    /// Reads at most `len` bytes.
    pub fn take_up_to(&mut self, len: u64) -> &'a [u8] {
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Reads a line with its end, which is a line feed, or that behind a carriage return. Bytes
    /// are looked at once, however small the pieces in which they come.
    pub fn line(&mut self, max: usize) -> Line<'a> {
        let bytes = self.bytes();
        let known = self.scanned.saturating_sub(self.offset()) as usize;
        let known = known.min(bytes.len());
        match memchr(b'\n', &bytes[known..]) {
            Some(at) if known + at <= max => {
                self.take(known + at + 1);
                let line = &bytes[..known + at];
                Line::Whole(line.strip_suffix(b"\r").unwrap_or(line))
            }
            None if bytes.len() <= max => {
                *self.scanned = self.offset() + bytes.len() as u64;
                Line::Partial
            }
            Some(_) | None => Line::TooLong,
        }
    }

    /// Event that carried the byte at `offset`, which is unread or the last one read.
    fn event_at(&self, offset: u64) -> u64 {
        let behind = self.spans.partition_point(|span| span.0 <= offset);
        self.spans
            .get(behind.saturating_sub(1))
            .map_or(0, |span| span.1)
    }

    /// An empty span where the first unread byte is.
    pub fn begin(&self) -> Span {
        let (start, event) = (self.offset(), self.event_at(self.offset()));
        Span {
            start,
            end: start,
            first_event: event,
            last_event: event,
        }
    }

    /// Makes the span reach to the last byte read.
    pub fn extend(&self, span: &mut Span) {
        if self.offset() > span.end {
            span.end = self.offset();
            span.last_event = self.event_at(self.offset() - 1);
        }
    }

    /// Reads `len` bytes as a span.
    pub fn take_span(&mut self, len: usize) -> (Span, &'a [u8]) {
        let mut span = self.begin();
        let bytes = self.take(len);
        self.extend(&mut span);
        (span, bytes)
    }

    /// How many of the unread bytes the same event carried as the first of them.
    pub fn same_event(&self) -> usize {
        let behind = self.spans.partition_point(|span| span.0 <= self.offset());
        match self.spans.get(behind) {
            Some(next) => (next.0 - self.offset()) as usize,
            None => self.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_events() {
        let mut flow = Flow::default();
        let mut lines = Vec::new();
        for (event, piece) in ["a", "b\r", "\ncd\n\n", "e", "f\r\nrest"]
            .iter()
            .enumerate()
        {
            flow.offer(
                Direction::ToServer,
                piece.as_bytes(),
                event as u64,
                |input| loop {
                    let mut span = input.begin();
                    match input.line(10) {
                        Line::Whole(line) => {
                            input.extend(&mut span);
                            let line = String::from_utf8(line.to_vec()).unwrap();
                            lines.push((line, span.first_event, span.last_event, span.len()));
                        }
                        Line::Partial => break,
                        Line::TooLong => panic!("no line is that long"),
                    }
                },
            );
        }
        let line = |text: &str, first, last, len| (text.to_string(), first, last, len);
        let expected = [line("ab", 0, 2, 4), line("cd", 2, 2, 3), line("", 2, 2, 1)];
        assert_eq!(lines[..3], expected);
        assert_eq!(lines[3..], [line("ef", 3, 4, 4)]);
        assert_eq!(flow.unread(), b"rest");
        assert_eq!(flow.end(), 16);
        flow.offer(Direction::ToServer, b"more and more", 9, |input| {
            assert_eq!(input.line(10), Line::TooLong);
            assert_eq!(input.same_event(), 4);
        });
    }
}
