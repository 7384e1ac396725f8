//! HTTP/2: RFC 9113. Requests and replies are messages; so are GOAWAY and the end of a stream by
//! RST_STREAM. Frames that only manage the connection (SETTINGS, PING, WINDOW_UPDATE, PRIORITY)
//! are read and not shown. A message's bytes reach from its first frame to its last, and frames of
//! other streams may lie between.

mod frame;
mod hpack;
mod stream;

use crate::flow::Input;
use crate::message::{Completeness, Direction, Kind, Message, Span};
use crate::node::Node;
use crate::protocol::{Confidence, Decoder, End, Opening, Output, Protocol};
use crate::raw::{Found, Skipper};
use crate::settings::Settings;
use crate::{escape::Summary, limits::HEAD_MAX};
use frame::{
    error_name, is_usual, Header, Type, END_HEADERS, END_STREAM, HEADER_LEN, PADDED, PREFACE,
    PRIORITY,
};
use hpack::Hpack;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stream::{Block, Context, Stream};

pub const NAME: &str = "http/2";

/// Bytes by which content of gRPC is told where its header fields are not known.
const PEEKED: usize = 5;

/// Streams that are open at a time; beyond, the oldest is given up.
const STREAMS_MAX: usize = 1 << 14;

pub struct Http2;

impl Protocol for Http2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, opening: &Opening<'_>) -> Confidence {
        if opening.to_server.starts_with(PREFACE) {
            return Confidence::Certain;
        }
        let usual = |bytes| is_usual(bytes) == Found::Yes;
        if usual(opening.to_server) || usual(opening.to_client) {
            Confidence::Likely
        } else {
            Confidence::Possible
        }
    }

    fn decoder(&self, settings: &Arc<Settings>) -> Box<dyn Decoder> {
        Box::new(Http2Decoder {
            settings: settings.clone(),
            sides: [Side::new(), Side::new()],
            streams: BTreeMap::new(),
            given_up: BTreeSet::new(),
        })
    }
}

/// A DATA frame that is being read.
struct Data {
    header: Header,
    /// Until it was given to a message, where the frame begins.
    span: Span,
    begun: bool,
    left: usize,
    padding: usize,
}

enum Reading {
    /// Nothing was read.
    Nothing,
    Header,
    Data(Data),
    /// A frame of no interest, so many bytes more.
    Ignored(usize),
    Skipping(Skipper, &'static str),
}

/// A header block that CONTINUATION frames go on with.
struct Partial {
    header: Header,
    promised: Option<u32>,
    span: Span,
    bytes: Vec<u8>,
}

struct Side {
    reading: Reading,
    hpack: Hpack,
    block: Option<Partial>,
}

impl Side {
    fn new() -> Self {
        Self {
            reading: Reading::Nothing,
            hpack: Hpack::new(),
            block: None,
        }
    }
}

struct Http2Decoder {
    settings: Arc<Settings>,
    sides: [Side; 2],
    streams: BTreeMap<u32, Stream>,
    /// Streams that were given up, for which frames may still be on their way.
    given_up: BTreeSet<u32>,
}

impl Http2Decoder {
    /// Reads the client's preface, or finds out that the recording begins in the middle.
    /// Returns whether there are frames to read.
    fn begin(&mut self, input: &mut Input<'_>) -> bool {
        let direction = input.direction();
        let side = &mut self.sides[direction.index()];
        let known = input.len().min(PREFACE.len());
        let preface = input.bytes()[..known] == PREFACE[..known];
        match direction {
            Direction::ToServer if preface && known < PREFACE.len() => return false,
            Direction::ToServer if preface => {
                input.take(PREFACE.len());
                side.reading = Reading::Header;
            }
            Direction::ToClient if input.is_beginning() => side.reading = Reading::Header,
            Direction::ToServer | Direction::ToClient => {
                let why = "the recording begins within a connection";
                side.reading = Reading::Skipping(Skipper::new(NAME, direction), why);
                self.sides.iter_mut().for_each(|side| side.hpack.forget());
            }
        }
        true
    }

    /// Reads a header, and with it all of a frame that is no DATA. Returns whether it was there.
    fn frame(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) -> Result<bool, &'static str> {
        let direction = input.direction();
        let side = &mut self.sides[direction.index()];
        let Some(header) = Header::parse(input.bytes()) else {
            return Ok(false);
        };
        let header = header?;
        let continues = match (&side.block, header.kind) {
            (Some(block), Type::Continuation) => block.header.stream == header.stream,
            (Some(_), _) | (None, Type::Continuation) => false,
            (None, _) => true,
        };
        if !continues {
            return Err("a header block is not continued");
        }
        match header.kind {
            Type::Data => {
                let padded = usize::from(header.flags & PADDED != 0);
                let Some(head) = input.bytes().get(..HEADER_LEN + padded) else {
                    return Ok(false);
                };
                let padding = if padded == 1 {
                    usize::from(head[HEADER_LEN])
                } else {
                    0
                };
                let left = header
                    .len
                    .checked_sub(padded + padding)
                    .ok_or("padding without a frame")?;
                if self.given_up.contains(&header.stream) {
                    input.take(HEADER_LEN);
                    side.reading = Reading::Ignored(header.len);
                    return Ok(true);
                }
                let (span, _) = input.take_span(HEADER_LEN + padded);
                side.reading = Reading::Data(Data {
                    header,
                    span,
                    begun: false,
                    left,
                    padding,
                });
            }
            Type::Other | Type::Settings | Type::Ping | Type::Window | Type::Priority => {
                input.take(HEADER_LEN);
                side.reading = Reading::Ignored(header.len);
            }
            Type::Headers | Type::Promise | Type::Continuation | Type::Reset | Type::GoAway => {
                if input.len() < HEADER_LEN + header.len {
                    return Ok(false);
                }
                let (span, bytes) = input.take_span(HEADER_LEN + header.len);
                let payload = &bytes[HEADER_LEN..];
                match header.kind {
                    Type::Reset => self.reset(direction, header, span, payload, out),
                    Type::GoAway => self.go_away(direction, span, payload, out),
                    _ => self.fragment(direction, header, span, payload, out)?,
                }
            }
        }
        Ok(true)
    }

    /// Takes a piece of a header block.
    fn fragment(
        &mut self,
        direction: Direction,
        header: Header,
        span: Span,
        mut payload: &[u8],
        out: &mut Output<'_>,
    ) -> Result<(), &'static str> {
        let side = &mut self.sides[direction.index()];
        let mut promised = None;
        if header.kind != Type::Continuation {
            const SHORT: &str = "the frame is shorter than its fields";
            let skip = |len: usize, payload: &mut &[u8]| -> Result<Vec<u8>, &'static str> {
                let (bytes, rest) = payload.split_at_checked(len).ok_or(SHORT)?;
                *payload = rest;
                Ok(bytes.to_vec())
            };
            if header.flags & PADDED != 0 {
                let padding = usize::from(skip(1, &mut payload)?[0]);
                let kept = payload
                    .len()
                    .checked_sub(padding)
                    .ok_or("padding without a frame")?;
                payload = &payload[..kept];
            }
            if header.kind == Type::Headers && header.flags & PRIORITY != 0 {
                skip(5, &mut payload)?;
            }
            if header.kind == Type::Promise {
                let bytes = skip(4, &mut payload)?;
                let bytes = bytes.try_into().map_err(|_| SHORT)?;
                promised = Some(u32::from_be_bytes(bytes) & 0x7fff_ffff);
            }
        }
        let mut block = match side.block.take() {
            Some(mut block) => {
                block.span.end = span.end;
                block.span.last_event = span.last_event;
                block
            }
            None => Partial {
                header,
                promised,
                span,
                bytes: Vec::new(),
            },
        };
        if block.bytes.len() + payload.len() > HEAD_MAX {
            return Err("the header block is too long");
        }
        block.bytes.extend_from_slice(payload);
        if header.flags & END_HEADERS == 0 {
            side.block = Some(block);
        } else {
            self.headers(direction, block, out);
        }
        Ok(())
    }

    fn headers(&mut self, direction: Direction, partial: Partial, out: &mut Output<'_>) {
        let bodies = self.settings.bodies();
        let mut block = Block::default();
        let hpack = &mut self.sides[direction.index()].hpack;
        let decoded = hpack.decode(&partial.bytes, |name, value| block.add(name, value, bodies));
        let damage = decoded.err().map(|why| {
            hpack.forget();
            (partial.span.start, why)
        });
        self.make_room(out);
        if let Some(promised) = partial.promised {
            let id = out.begin();
            let stream = self.streams.entry(promised).or_default();
            let (summary, body) = stream.promise(block, id, bodies);
            let completeness = match damage {
                Some((at, why)) => Completeness::Damaged { at, why },
                None => Completeness::Complete,
            };
            out.emit(Message {
                id,
                direction,
                protocol: NAME,
                kind: Kind::Push,
                span: partial.span,
                summary: format!("promised {summary}"),
                body,
                answers: None,
                stream: Some(promised),
                trace_parent: None,
                completeness,
            });
            return;
        }
        let number = partial.header.stream;
        if self.given_up.contains(&number) {
            return;
        }
        let stream = self.streams.entry(number).or_default();
        let context = Context {
            settings: &self.settings,
            stream: number,
            direction,
        };
        stream.headers(&context, block, partial.span, damage, out);
        if partial.header.flags & END_STREAM != 0 {
            self.end_stream(number, direction, None, out);
        }
    }

    /// Reads what is there of a DATA frame. Returns whether it was read to its end.
    fn data(&mut self, mut data: Data, input: &mut Input<'_>, out: &mut Output<'_>) -> bool {
        let direction = input.direction();
        let number = data.header.stream;
        if !data.begun && input.len() < data.left.min(PEEKED) {
            self.sides[direction.index()].reading = Reading::Data(data);
            return false;
        }
        self.make_room(out);
        let stream = self.streams.entry(number).or_default();
        if data.left > 0 {
            let context = Context {
                settings: &self.settings,
                stream: number,
                direction,
            };
            let begins = (!data.begun).then_some(data.span);
            data.begun = true;
            data.left -= stream.data(&context, input, data.left, begins, out);
        }
        if data.left == 0 {
            data.padding -= input.take(data.padding).len();
        }
        input.extend(&mut data.span);
        if data.left > 0 || data.padding > 0 {
            self.sides[direction.index()].reading = Reading::Data(data);
            return false;
        }
        self.sides[direction.index()].reading = Reading::Header;
        if data.header.flags & END_STREAM != 0 {
            self.end_stream(number, direction, Some(data.span), out);
        }
        true
    }

    fn end_stream(
        &mut self,
        number: u32,
        direction: Direction,
        frame: Option<Span>,
        out: &mut Output<'_>,
    ) {
        let Some(stream) = self.streams.get_mut(&number) else {
            return;
        };
        let context = Context {
            settings: &self.settings,
            stream: number,
            direction,
        };
        stream.end(&context, frame, Completeness::Complete, out);
        if stream.is_done() {
            self.streams.remove(&number);
        }
    }

    /// Gives a stream up: emits what of it is incomplete.
    fn abandon(&mut self, number: u32, completeness: Completeness, out: &mut Output<'_>) {
        self.given_up.insert(number);
        if self.given_up.len() > STREAMS_MAX {
            self.given_up.pop_first();
        }
        if let Some(mut stream) = self.streams.remove(&number) {
            for direction in Direction::BOTH {
                let context = Context {
                    settings: &self.settings,
                    stream: number,
                    direction,
                };
                stream.end(&context, None, completeness, out);
            }
        }
    }

    fn make_room(&mut self, out: &mut Output<'_>) {
        if self.streams.len() >= STREAMS_MAX {
            if let Some(number) = self.streams.keys().next().copied() {
                self.abandon(
                    number,
                    Completeness::Cut {
                        why: "too many streams are open",
                    },
                    out,
                );
            }
        }
    }

    fn reset(
        &mut self,
        direction: Direction,
        header: Header,
        span: Span,
        payload: &[u8],
        out: &mut Output<'_>,
    ) {
        let code = payload
            .first_chunk()
            .map_or(0, |code| u32::from_be_bytes(*code));
        self.abandon(
            header.stream,
            Completeness::Cut {
                why: "the stream was reset",
            },
            out,
        );
        let mut line = Summary::new();
        line.text("RST_STREAM ").text(error_name(code));
        let body = Node::map([("error", Node::Int(code.into()))]);
        self.notice(direction, Some(header.stream), span, line, body, out);
    }

    fn go_away(&mut self, direction: Direction, span: Span, payload: &[u8], out: &mut Output<'_>) {
        let number = |at: usize| {
            let bytes = payload.get(at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
        };
        let (last, code) = (number(0) & 0x7fff_ffff, number(4));
        let text = payload.get(8..).unwrap_or(b"");
        let mut line = Summary::new();
        line.text("GOAWAY ")
            .text(error_name(code))
            .text(", last stream ")
            .show(last);
        if !text.is_empty() {
            line.text(" ").quoted(text);
        }
        let body = Node::map([
            ("last-stream", Node::Int(last.into())),
            ("error", Node::Int(code.into())),
            ("text", Node::slice(text)),
        ]);
        self.notice(direction, None, span, line, body, out);
    }

    /// Emits what concerns a stream or the connection as a whole.
    fn notice(
        &self,
        direction: Direction,
        stream: Option<u32>,
        span: Span,
        line: Summary,
        body: Node,
        out: &mut Output<'_>,
    ) {
        let kind = match direction {
            Direction::ToServer => Kind::OneWay,
            Direction::ToClient => Kind::Push,
        };
        let id = out.begin();
        out.emit(Message {
            id,
            direction,
            protocol: NAME,
            kind,
            span,
            summary: line.finish(),
            body: if self.settings.bodies() {
                body
            } else {
                Node::Null
            },
            answers: None,
            stream,
            trace_parent: None,
            completeness: Completeness::Complete,
        });
    }

    /// Ends all that one direction has begun.
    fn stop(&mut self, direction: Direction, completeness: Completeness, out: &mut Output<'_>) {
        self.sides[direction.index()].block = None;
        for (number, stream) in &mut self.streams {
            let context = Context {
                settings: &self.settings,
                stream: *number,
                direction,
            };
            stream.end(&context, None, completeness, out);
        }
        self.streams.retain(|_, stream| !stream.is_done());
    }

    fn lose(&mut self, direction: Direction, at: u64, why: &'static str, out: &mut Output<'_>) {
        self.stop(direction, Completeness::Damaged { at, why }, out);
        let side = &mut self.sides[direction.index()];
        side.hpack.forget();
        side.reading = Reading::Skipping(Skipper::new(NAME, direction), why);
    }
}

impl Decoder for Http2Decoder {
    fn feed(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) {
        let direction = input.direction();
        while !input.is_empty() {
            let side = &mut self.sides[direction.index()];
            match std::mem::replace(&mut side.reading, Reading::Header) {
                Reading::Nothing => {
                    side.reading = Reading::Nothing;
                    if !self.begin(input) {
                        return;
                    }
                }
                Reading::Header => match self.frame(input, out) {
                    Ok(true) => {
                        // A frame without content ends at once.
                        let side = &mut self.sides[direction.index()];
                        match std::mem::replace(&mut side.reading, Reading::Header) {
                            Reading::Data(data) => {
                                if !self.data(data, input, out) {
                                    return;
                                }
                            }
                            other => side.reading = other,
                        }
                    }
                    Ok(false) => return,
                    Err(why) => {
                        self.lose(direction, input.offset(), why, out);
                        let side = &mut self.sides[direction.index()];
                        if let Reading::Skipping(skipper, _) = &mut side.reading {
                            skipper.skip(input, 1);
                        }
                    }
                },
                Reading::Data(data) => {
                    if !self.data(data, input, out) {
                        return;
                    }
                }
                Reading::Ignored(left) => {
                    let left = left - input.take(left).len();
                    if left > 0 {
                        side.reading = Reading::Ignored(left);
                    }
                }
                Reading::Skipping(mut skipper, why) => {
                    if skipper.skip_until(input, is_usual) {
                        skipper.emit(why, out);
                    } else {
                        side.reading = Reading::Skipping(skipper, why);
                        return;
                    }
                }
            }
        }
    }

    fn gap(&mut self, rest: &mut Input<'_>, out: &mut Output<'_>) {
        let direction = rest.direction();
        let why = "bytes are missing";
        self.end(rest, End::Unknown, out);
        self.lose(direction, rest.offset(), why, out);
    }

    fn end(&mut self, rest: &mut Input<'_>, end: End, out: &mut Output<'_>) {
        let direction = rest.direction();
        let side = &mut self.sides[direction.index()];
        if let Reading::Skipping(skipper, why) =
            std::mem::replace(&mut side.reading, Reading::Header)
        {
            let mut skipper = skipper;
            skipper.skip(rest, rest.len());
            skipper.emit(why, out);
        }
        self.stop(direction, Completeness::Cut { why: end.why() }, out);
    }
}
