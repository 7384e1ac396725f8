//! Bytes of protocols that are not known, and bytes passed over after damage.

use crate::blob::Collector;
use crate::escape::Summary;
use crate::flow::Input;
use crate::limits::{BODY_MAX, HEAD_KEPT};
use crate::message::{Completeness, Direction, Span};
use crate::node::Node;
use crate::protocol::{Decoder, End, Output};
use crate::settings::Settings;
use memchr::memchr;
use std::sync::Arc;

/// Name of what no protocol claims.
pub const RAW: &str = "raw";

/// Each chunk is a message.
pub(crate) struct RawDecoder {
    bodies: bool,
}

impl RawDecoder {
    pub fn new(settings: &Arc<Settings>) -> Self {
        Self {
            bodies: settings.bodies(),
        }
    }
}

impl Decoder for RawDecoder {
    fn feed(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) {
        while !input.is_empty() {
            emit(
                input,
                input.same_event(),
                self.bodies,
                Completeness::Complete,
                out,
            );
        }
    }

    fn gap(&mut self, _rest: &mut Input<'_>, _out: &mut Output<'_>) {}

    fn end(&mut self, _rest: &mut Input<'_>, _end: End, _out: &mut Output<'_>) {}
}

/// Emits the next `len` bytes as a raw message.
pub(crate) fn emit(
    input: &mut Input<'_>,
    len: usize,
    bodies: bool,
    completeness: Completeness,
    out: &mut Output<'_>,
) {
    let direction = input.direction();
    let (span, bytes) = input.take_span(len);
    let mut body = Node::Null;
    if bodies {
        let mut collector = Collector::new(BODY_MAX);
        collector.push(bytes);
        body = Node::bytes(collector.finish());
    }
    out.raw(
        RAW,
        direction,
        span,
        summary(bytes, span.len()),
        body,
        completeness,
    );
}

fn summary(head: &[u8], len: u64) -> String {
    let mut line = Summary::new();
    line.show(len).text(" B ").quoted(head);
    line.finish()
}

/// Bytes that a decoder passes over to find the next message.
pub(crate) struct Skipper {
    protocol: &'static str,
    direction: Direction,
    span: Option<Span>,
    bytes: Collector,
    /// Whether the last byte passed over was a line feed.
    at_line: bool,
}

/// What bytes at the beginning of a line are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Yes,
    No,
    /// More bytes are needed.
    More,
}

impl Skipper {
    pub fn new(protocol: &'static str, direction: Direction) -> Self {
        let bytes = Collector::new(HEAD_KEPT);
        Self {
            protocol,
            direction,
            span: None,
            bytes,
            at_line: false,
        }
    }

    pub fn skip(&mut self, input: &mut Input<'_>, len: usize) {
        if len > 0 && !input.is_empty() {
            let mut span = self.span.unwrap_or_else(|| input.begin());
            self.bytes.push(input.take(len));
            input.extend(&mut span);
            self.span = Some(span);
        }
    }

    /// Passes over bytes up to what looks like the beginning of a message. Returns whether it was found.
    pub fn skip_until(&mut self, input: &mut Input<'_>, begins: impl Fn(&[u8]) -> Found) -> bool {
        let bytes = input.bytes();
        for at in 0..bytes.len() {
            match begins(&bytes[at..]) {
                Found::No => {}
                found => {
                    self.skip(input, at);
                    return found == Found::Yes;
                }
            }
        }
        self.skip(input, bytes.len());
        false
    }

    /// Passes over bytes up to a line that `begins` a message. Returns whether it was found.
    pub fn skip_to_line(&mut self, input: &mut Input<'_>, begins: impl Fn(&[u8]) -> Found) -> bool {
        loop {
            let bytes = input.bytes();
            if self.at_line && !bytes.is_empty() {
                match begins(bytes) {
                    Found::Yes => return true,
                    Found::More => return false,
                    Found::No => {}
                }
            }
            match memchr(b'\n', bytes) {
                Some(at) => self.skip(input, at + 1),
                None => self.skip(input, bytes.len()),
            }
            if input.is_empty() && !bytes.ends_with(b"\n") {
                self.at_line &= bytes.is_empty();
                return false;
            }
            self.at_line = true;
        }
    }

    /// Emits what was passed over, if anything.
    pub fn emit(self, why: &'static str, out: &mut Output<'_>) {
        if let Some(span) = self.span {
            let blob = self.bytes.finish();
            let text = summary(&blob.head, span.len());
            let completeness = Completeness::Skipped { why };
            out.raw(
                self.protocol,
                self.direction,
                span,
                text,
                Node::Bytes(blob),
                completeness,
            );
        }
    }
}
