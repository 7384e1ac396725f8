//! HTTP/1.0 and HTTP/1.1: RFC 9112, with the rules of RFC 9110 for messages without content, for
//! CONNECT and for upgrades.

mod head;

use crate::blob::Collector;
use crate::escape::Summary;
use crate::flow::{Input, Line};
use crate::http::{self, collector, Fields, Start};
use crate::limits::{HEAD_MAX, LINE_MAX, OUTSTANDING_MAX};
use crate::message::{Answer, Completeness, Direction, Kind, Message, MessageId, Span};
use crate::node::Node;
use crate::protocol::{Confidence, Decoder, End, Opening, Output, Protocol};
use crate::raw::{Found, Skipper};
use crate::settings::Settings;
use head::{end_of_head, method, parse, request_line, status_line, Head, Then};
use std::collections::VecDeque;
use std::sync::Arc;

const NAME: &str = "http/1";

pub struct Http1;

impl Protocol for Http1 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, opening: &Opening<'_>) -> Confidence {
        if request_line(opening.to_server) == Found::Yes {
            return Confidence::Certain;
        }
        // The middle of a connection, or a request line that is longer than what is looked at.
        let long = method(opening.to_server).is_some_and(|rest| rest.starts_with(b"/"));
        let within = |bytes: &[u8], begins: fn(&[u8]) -> Found| {
            memchr::memchr_iter(b'\n', bytes).any(|at| begins(&bytes[at + 1..]) == Found::Yes)
        };
        let likely = long
            || status_line(opening.to_client) == Found::Yes
            || within(opening.to_server, request_line)
            || within(opening.to_client, status_line);
        if likely {
            Confidence::Likely
        } else {
            Confidence::Possible
        }
    }

    fn decoder(&self, settings: &Arc<Settings>) -> Box<dyn Decoder> {
        Box::new(Http1Decoder::new(settings.bodies()))
    }
}

/// How the end of the content is told.
enum Framing {
    Length(u64),
    Chunk(Chunk),
    /// It ends with the stream.
    Close,
}

enum Chunk {
    Size,
    Data(u64),
    /// The line end behind the data.
    End,
    Trailers,
}

/// A message whose head was read.
struct Draft {
    id: MessageId,
    span: Span,
    start: Start,
    version: u8,
    fields: Fields,
    trailers: Fields,
    content: Collector,
    framing: Framing,
    answers: Option<Answer>,
    /// What comes behind this message is another protocol, if the server agrees.
    then: Option<Then>,
}

enum Reading {
    /// The head, of which so many bytes were searched for its end.
    Head {
        id: Option<MessageId>,
        searched: usize,
    },
    Content(Box<Draft>),
    Skipping(Skipper, &'static str),
}

impl Reading {
    fn head() -> Self {
        Reading::Head {
            id: None,
            searched: 0,
        }
    }
}

/// A request without its reply.
struct Outstanding {
    request: MessageId,
    head_only: bool,
    connect: bool,
}

struct Http1Decoder {
    bodies: bool,
    reading: [Reading; 2],
    outstanding: VecDeque<Outstanding>,
    certain: bool,
    seen: [bool; 2],
    /// What the last request asks for; until it is answered, it is unknown what follows it.
    awaited: Option<Then>,
}

impl Http1Decoder {
    fn new(bodies: bool) -> Self {
        Self {
            bodies,
            reading: [Reading::head(), Reading::head()],
            outstanding: VecDeque::new(),
            certain: true,
            seen: [false; 2],
            awaited: None,
        }
    }

    fn lose(&mut self, direction: Direction, why: &'static str) {
        self.certain = false;
        self.outstanding.clear();
        self.awaited = None;
        self.reading[direction.index()] = Reading::Skipping(Skipper::new(NAME, direction), why);
    }

    /// Reads a head if it is all there.
    fn head(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) -> Option<Reading> {
        let direction = input.direction();
        let Reading::Head { id, searched } = &mut self.reading[direction.index()] else {
            return None;
        };
        let bytes = input.bytes();
        // Some clients send a line end behind their content.
        if id.is_none() && matches!(bytes.first(), Some(b'\r' | b'\n')) {
            input.take(1);
            return Some(Reading::head());
        }
        let id = *id.get_or_insert_with(|| out.begin());
        let wrong = match direction {
            Direction::ToServer => {
                let head = &bytes[..bytes.len().min(33)];
                let token =
                    |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
                match head.iter().position(|byte| !token(byte)) {
                    Some(end) => end == 0 || head[end] != b' ',
                    None => head.len() == 33,
                }
            }
            Direction::ToClient => status_line(bytes) == Found::No,
        };
        let end = (!wrong).then(|| end_of_head(bytes, searched)).flatten();
        let why = match end {
            Some(end) if end <= HEAD_MAX => match parse(direction, &bytes[..end], self.bodies) {
                Ok(head) => {
                    let (span, _) = input.take_span(end);
                    let draft = self.draft(id, direction, head, span);
                    return Some(Reading::Content(Box::new(draft)));
                }
                Err(why) => why,
            },
            None if !wrong && bytes.len() <= HEAD_MAX => return None,
            None if wrong && !self.seen[direction.index()] => {
                "the recording begins within a message"
            }
            None if wrong => "not the head of a message",
            Some(_) | None => "the head is too long",
        };
        self.lose(direction, why);
        let mut skipper = Skipper::new(NAME, direction);
        skipper.skip(input, 1);
        Some(Reading::Skipping(skipper, why))
    }

    fn draft(&mut self, id: MessageId, direction: Direction, head: Head, span: Span) -> Draft {
        let mut then = head.upgrade;
        let (framing, answers) = match &head.start {
            Start::Request { method, .. } => {
                let connect = method == "CONNECT";
                if self.outstanding.len() == OUTSTANDING_MAX {
                    self.outstanding.clear();
                    self.certain = false;
                }
                let head_only = method == "HEAD";
                self.outstanding.push_back(Outstanding {
                    request: id,
                    head_only,
                    connect,
                });
                if connect {
                    then = Some(Then::Tunnel);
                }
                (None, None)
            }
            Start::Reply { status, .. } => {
                let front = self.outstanding.front();
                let answer = front.map(|front| Answer {
                    request: front.request,
                    certain: self.certain,
                });
                let tunnel =
                    front.is_some_and(|front| front.connect) && (200..300).contains(status);
                let head_only = front.is_some_and(|front| front.head_only);
                then = match status {
                    101 => Some(head.upgrade.or(self.awaited).unwrap_or(Then::Other)),
                    _ if tunnel => Some(Then::Tunnel),
                    _ => None,
                };
                // Interim replies announce another one.
                if *status >= 200 || *status == 101 {
                    self.outstanding.pop_front();
                }
                let empty = *status < 200 || matches!(status, 204 | 304) || head_only || tunnel;
                (empty.then_some(Framing::Length(0)), answer)
            }
        };
        let framing = framing.unwrap_or(match (head.chunked, head.length, direction) {
            (true, _, _) => Framing::Chunk(Chunk::Size),
            (false, Some(length), _) => Framing::Length(length),
            (false, None, Direction::ToServer) => Framing::Length(0),
            (false, None, Direction::ToClient) => Framing::Close,
        });
        Draft {
            id,
            span,
            start: head.start,
            version: head.version,
            fields: head.fields,
            trailers: Fields::default(),
            content: collector(self.bodies),
            framing,
            answers,
            then,
        }
    }

    fn emit(
        &self,
        draft: Draft,
        direction: Direction,
        completeness: Completeness,
        out: &mut Output<'_>,
    ) {
        let trace_parent = draft.fields.trace_parent;
        let kind = draft.start.kind();
        let version = format!("1.{}", draft.version);
        let content = draft.content.finish();
        let (summary, body) = http::render(
            draft.start,
            version,
            draft.fields,
            draft.trailers,
            content,
            self.bodies,
        );
        out.emit(Message {
            id: draft.id,
            direction,
            protocol: NAME,
            kind,
            span: draft.span,
            summary,
            body,
            answers: draft.answers,
            stream: None,
            trace_parent,
            completeness,
        });
    }

    /// Emits a message that is all there, and goes on to what follows it.
    fn complete(&mut self, draft: Draft, direction: Direction, out: &mut Output<'_>) {
        let then = draft.then;
        let interim = matches!(draft.start, Start::Reply { status, .. } if status < 200);
        self.emit(draft, direction, Completeness::Complete, out);
        match (direction, then) {
            (Direction::ToServer, then) => self.awaited = then,
            (Direction::ToClient, Some(then)) => {
                self.awaited = None;
                out.switch(match then {
                    Then::Tunnel | Then::Other => None,
                    Then::Http2 => Some("http/2"),
                    Then::WebSocket => Some("websocket"),
                });
            }
            (Direction::ToClient, None) => {
                if !interim && self.awaited.take().is_some() {
                    out.wake();
                }
            }
        }
    }

    /// Ends what is being read before its end.
    fn stop(
        &mut self,
        rest: &mut Input<'_>,
        completeness: Completeness,
        why: &'static str,
        out: &mut Output<'_>,
    ) {
        let direction = rest.direction();
        match std::mem::replace(&mut self.reading[direction.index()], Reading::head()) {
            Reading::Skipping(mut skipper, _) => {
                skipper.skip(rest, rest.len());
                skipper.emit(why, out);
            }
            Reading::Content(mut draft) => {
                rest.take(rest.len());
                rest.extend(&mut draft.span);
                self.emit(*draft, direction, completeness, out);
            }
            Reading::Head { id: Some(id), .. } if !rest.is_empty() => {
                let (span, bytes) = rest.take_span(rest.len());
                let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
                let mut line = Summary::new();
                line.raw(bytes[..end].trim_ascii_end());
                let kind = match direction {
                    Direction::ToServer => Kind::Request,
                    Direction::ToClient => Kind::Reply,
                };
                out.emit(Message {
                    id,
                    direction,
                    protocol: NAME,
                    kind,
                    span,
                    summary: line.finish(),
                    body: Node::Null,
                    answers: None,
                    stream: None,
                    trace_parent: None,
                    completeness,
                });
            }
            Reading::Head { .. } => {}
        }
    }
}

impl Draft {
    /// Reads content. Returns whether the message is all there, `None` if more bytes are needed.
    fn read(&mut self, input: &mut Input<'_>, bodies: bool) -> Result<Option<bool>, &'static str> {
        let result = match &mut self.framing {
            Framing::Length(left) => {
                let piece = input.take_up_to(*left);
                self.content.push(piece);
                *left -= piece.len() as u64;
                if *left == 0 {
                    Some(true)
                } else {
                    None
                }
            }
            Framing::Close => {
                self.content.push(input.take(input.len()));
                None
            }
            Framing::Chunk(Chunk::Data(left)) => {
                let piece = input.take_up_to(*left);
                self.content.push(piece);
                *left -= piece.len() as u64;
                if *left > 0 {
                    return Ok(None);
                }
                self.framing = Framing::Chunk(Chunk::End);
                Some(false)
            }
            Framing::Chunk(state) => match input.line(LINE_MAX) {
                Line::TooLong => return Err("the line is too long"),
                Line::Partial => None,
                Line::Whole(line) => match state {
                    Chunk::End if line.is_empty() => {
                        *state = Chunk::Size;
                        Some(false)
                    }
                    Chunk::End => return Err("a chunk is longer than announced"),
                    Chunk::Trailers if line.is_empty() => Some(true),
                    Chunk::Trailers => {
                        let colon = memchr::memchr(b':', line).ok_or("not a header field")?;
                        let name = std::str::from_utf8(&line[..colon])
                            .map_err(|_| "not a header field")?;
                        self.trailers
                            .add(name, line[colon + 1..].trim_ascii(), bodies);
                        Some(false)
                    }
                    Chunk::Size | Chunk::Data(_) => {
                        let digits = line
                            .split(|byte| *byte == b';')
                            .next()
                            .unwrap_or(line)
                            .trim_ascii();
                        let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits);
                        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                        let size = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
                        *state = match size.ok_or("not the size of a chunk")? {
                            0 => Chunk::Trailers,
                            size => Chunk::Data(size),
                        };
                        Some(false)
                    }
                },
            },
        };
        Ok(result)
    }
}

impl Decoder for Http1Decoder {
    fn feed(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) {
        let direction = input.direction();
        let at = direction.index();
        if !self.seen[at] {
            // A server does not speak first.
            let first = direction == Direction::ToServer || self.seen[0];
            self.certain &= input.is_beginning() && first;
        }
        while !input.is_empty() {
            let awaiting = direction == Direction::ToServer && self.awaited.is_some();
            if awaiting && input.len() <= HEAD_MAX {
                return;
            }
            match &mut self.reading[at] {
                Reading::Head { .. } => match self.head(input, out) {
                    None => return,
                    Some(next) => {
                        self.seen[at] = true;
                        self.reading[at] = next;
                    }
                },
                Reading::Skipping(skipper, _) => {
                    let begins = match direction {
                        Direction::ToServer => request_line,
                        Direction::ToClient => status_line,
                    };
                    if !skipper.skip_to_line(input, begins) {
                        return;
                    }
                    let next = std::mem::replace(&mut self.reading[at], Reading::head());
                    if let Reading::Skipping(skipper, why) = next {
                        skipper.emit(why, out);
                    }
                }
                Reading::Content(_) => {}
            }
            // A message may end with its head.
            let Reading::Content(draft) = &mut self.reading[at] else {
                continue;
            };
            let result = draft.read(input, self.bodies);
            input.extend(&mut draft.span);
            match result {
                Ok(None) => return,
                Ok(Some(false)) => {}
                Ok(Some(true)) => {
                    let done = std::mem::replace(&mut self.reading[at], Reading::head());
                    if let Reading::Content(draft) = done {
                        self.complete(*draft, direction, out);
                    }
                    if out.is_switching() {
                        return;
                    }
                }
                Err(why) => {
                    let damaged = std::mem::replace(&mut self.reading[at], Reading::head());
                    if let Reading::Content(draft) = damaged {
                        let damage = Completeness::Damaged {
                            at: input.offset(),
                            why,
                        };
                        self.emit(*draft, direction, damage, out);
                    }
                    self.lose(direction, why);
                }
            }
        }
    }

    fn gap(&mut self, rest: &mut Input<'_>, out: &mut Output<'_>) {
        let direction = rest.direction();
        let why = "bytes are missing";
        let damage = Completeness::Damaged {
            at: rest.offset() + rest.len() as u64,
            why,
        };
        self.stop(rest, damage, why, out);
        self.lose(direction, why);
    }

    fn end(&mut self, rest: &mut Input<'_>, end: End, out: &mut Output<'_>) {
        let until_close = matches!(&self.reading[rest.direction().index()],
            Reading::Content(draft) if matches!(draft.framing, Framing::Close));
        let completeness = if until_close && end == End::Closed {
            Completeness::Complete
        } else {
            Completeness::Cut { why: end.why() }
        };
        self.stop(rest, completeness, end.why(), out);
    }
}
