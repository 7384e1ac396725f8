//! PostgreSQL, version 3 of its protocol:
//! <https://www.postgresql.org/docs/current/protocol.html>. With the negotiation of encryption,
//! authentication (of which nothing secret is shown), simple and extended queries, COPY,
//! notifications and cancellation.

mod fields;
mod reply;
mod request;
mod sniff;

use crate::blob::Collector;
use crate::escape::Summary;
use crate::flow::Input;
use crate::limits::{BODY_MAX, HEAD_KEPT, HEAD_MAX};
use crate::message::{Answer, Completeness, Direction, Kind, Message, MessageId, Span};
use crate::node::{Name, Node};
use crate::protocol::{self, Confidence, Decoder, End, Output, Protocol};
use crate::raw::{Found, Skipper};
use crate::settings::Settings;
use fields::{Columns, Cursor};
use reply::Reply;
use request::{CopyIn, Names, Unit};
use sniff::{is_usual, opening, total_len, Opening};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const NAME: &str = "postgresql";
const HEADER_LEN: usize = 5;

pub struct Postgres;

impl Protocol for Postgres {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, first: &protocol::Opening<'_>) -> Confidence {
        if opening(first.to_server).is_ok() {
            return Confidence::Certain;
        }
        let client = is_usual(Direction::ToServer, first.to_server) == Found::Yes;
        let server = is_usual(Direction::ToClient, first.to_client) == Found::Yes;
        if client || server {
            Confidence::Likely
        } else {
            Confidence::Possible
        }
    }

    fn decoder(&self, settings: &Arc<Settings>) -> Box<dyn Decoder> {
        Box::new(PostgresDecoder {
            settings: settings.clone(),
            reading: [Reading::Nothing, Reading::Nothing],
            unit: None,
            copy: None,
            names: Names::default(),
            draft: None,
            expected: VecDeque::new(),
            described: BTreeMap::new(),
            encryption: None,
            copy_both: false,
            certain: true,
            ending: None,
        })
    }
}

/// What the server will answer, message by message.
enum Step {
    Parse,
    Bind,
    DescribeStatement(u64),
    DescribePortal,
    Execute {
        statement: u64,
        formats: Vec<bool>,
    },
    Close,
    Sync,
    /// Up to ReadyForQuery.
    Query,
    /// Up to ReadyForQuery, or to the next thing that is asked of the client.
    Authenticate,
}

struct Expected {
    unit: MessageId,
    step: Step,
}

enum Reading {
    /// Nothing was read; a client begins without a tag.
    Nothing,
    Messages,
    /// A message too long to be read at once.
    Long {
        tag: u8,
        span: Span,
        left: usize,
        bytes: Collector,
    },
    Skipping(Skipper, &'static str),
}

struct PostgresDecoder {
    settings: Arc<Settings>,
    reading: [Reading; 2],
    /// The client's request that is being put together.
    unit: Option<Unit>,
    copy: Option<CopyIn>,
    names: Names,
    /// The server's reply that is being put together.
    draft: Option<Reply>,
    expected: VecDeque<Expected>,
    /// Columns of prepared statements, by their number.
    described: BTreeMap<u64, Columns>,
    /// A request for encryption that is not answered; until then it is unknown what follows.
    encryption: Option<MessageId>,
    copy_both: bool,
    certain: bool,
    /// What becomes of a message that is taken before its end.
    ending: Option<Completeness>,
}

impl PostgresDecoder {
    /// Reads a client's first message. Returns whether it was there.
    fn open(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) -> bool {
        let direction = Direction::ToServer;
        let (len, kind) = match opening(input.bytes()) {
            Ok(opening) => opening,
            Err(Found::More) => return false,
            Err(Found::Yes | Found::No) => {
                self.misplaced(direction);
                return true;
            }
        };
        if input.len() < len {
            return false;
        }
        let (span, bytes) = input.take_span(len);
        let mut cursor = Cursor(&bytes[8..]);
        let id = out.begin();
        let mut line = Summary::new();
        let mut body = Vec::new();
        let message = match kind {
            Opening::Startup { minor } => {
                line.text("Startup");
                body.push(("version".into(), Node::text(format!("3.{minor}"))));
                while let (Some(name @ [_, ..]), Some(value)) = (cursor.text(), cursor.text()) {
                    if matches!(name, b"user" | b"database") {
                        line.text(" ").raw(name).text("=").raw(value);
                    }
                    body.push((
                        Name::from(String::from_utf8_lossy(name).into_owned()),
                        Node::slice(value),
                    ));
                }
                self.expect(id, Step::Authenticate);
                self.reading[direction.index()] = Reading::Messages;
                Kind::Request
            }
            Opening::Ssl | Opening::Gss => {
                line.text(if kind == Opening::Ssl {
                    "SSLRequest"
                } else {
                    "GSSENCRequest"
                });
                self.encryption = Some(id);
                Kind::Request
            }
            Opening::Cancel => {
                let process = cursor.u32().unwrap_or(0);
                line.text("Cancel process ").show(process);
                body.push(("process".into(), Node::Int(process.into())));
                body.push(("secret".into(), Node::Redacted));
                Kind::OneWay
            }
        };
        self.emit(
            message,
            id,
            span,
            line,
            Node::Map(body),
            Completeness::Complete,
            out,
        );
        true
    }

    /// Reads the byte that answers a request for encryption, if it is one.
    fn encryption(&mut self, request: MessageId, input: &mut Input<'_>, out: &mut Output<'_>) {
        self.encryption = None;
        out.wake();
        let (summary, encrypted) = match input.bytes()[0] {
            b'S' => ("encryption accepted", true),
            b'G' => ("encryption accepted", true),
            b'N' => ("encryption refused", false),
            // Servers that do not know the request answer with an error.
            _ => return self.expect(request, Step::Authenticate),
        };
        let id = out.begin();
        let (span, _) = input.take_span(1);
        out.emit(Message {
            id,
            direction: Direction::ToClient,
            protocol: NAME,
            kind: Kind::Reply,
            span,
            summary: summary.into(),
            body: if self.settings.bodies() {
                Node::Bool(encrypted)
            } else {
                Node::Null
            },
            answers: Some(Answer {
                request,
                certain: self.certain,
            }),
            stream: None,
            trace_parent: None,
            completeness: Completeness::Complete,
        });
        if encrypted {
            out.switch(None);
        }
    }

    /// Reads a message. Returns whether it was there.
    fn message(
        &mut self,
        input: &mut Input<'_>,
        out: &mut Output<'_>,
    ) -> Result<bool, &'static str> {
        let direction = input.direction();
        let Some(header) = input.bytes().first_chunk::<HEADER_LEN>() else {
            let tag = input.bytes()[0];
            return if sniff::is_tag(direction, tag) {
                Ok(false)
            } else {
                Err("no message has this tag")
            };
        };
        let tag = header[0];
        let len = total_len(direction, *header)?;
        if len > BODY_MAX {
            let (span, _) = input.take_span(HEADER_LEN);
            let bytes = Collector::new(HEAD_KEPT);
            let left = len - HEADER_LEN;
            self.reading[direction.index()] = Reading::Long {
                tag,
                span,
                left,
                bytes,
            };
            return Ok(true);
        }
        if input.len() < len {
            return Ok(false);
        }
        let (span, bytes) = input.take_span(len);
        self.dispatch(direction, tag, &bytes[HEADER_LEN..], true, span, out);
        Ok(true)
    }

    fn dispatch(
        &mut self,
        direction: Direction,
        tag: u8,
        payload: &[u8],
        whole: bool,
        span: Span,
        out: &mut Output<'_>,
    ) {
        match direction {
            Direction::ToServer => self.request(tag, payload, span, out),
            Direction::ToClient => self.reply(tag, payload, whole, span, out),
        }
    }

    /// Ends what a direction has begun.
    fn stop(&mut self, direction: Direction, completeness: Completeness, out: &mut Output<'_>) {
        match direction {
            Direction::ToServer => {
                self.flush(out);
                self.end_copy(completeness, out);
            }
            Direction::ToClient => self.settle(completeness, out),
        }
    }

    fn lose(&mut self, direction: Direction, at: u64, why: &'static str, out: &mut Output<'_>) {
        self.stop(direction, Completeness::Damaged { at, why }, out);
        self.certain = false;
        self.expected.clear();
        self.reading[direction.index()] = Reading::Skipping(Skipper::new(NAME, direction), why);
    }

    /// Bytes that begin no connection.
    fn misplaced(&mut self, direction: Direction) {
        self.certain = false;
        let why = "the recording begins within a message";
        self.reading[direction.index()] = Reading::Skipping(Skipper::new(NAME, direction), why);
    }
}

impl Decoder for PostgresDecoder {
    fn feed(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) {
        let direction = input.direction();
        while !input.is_empty() {
            match (direction, self.encryption) {
                (Direction::ToServer, Some(_)) if input.len() <= HEAD_MAX => return,
                (Direction::ToClient, Some(request)) => {
                    self.encryption(request, input, out);
                    if out.is_switching() {
                        return;
                    }
                    continue;
                }
                (Direction::ToServer | Direction::ToClient, _) => {}
            }
            let reading = &mut self.reading[direction.index()];
            match std::mem::replace(reading, Reading::Messages) {
                Reading::Nothing => match direction {
                    Direction::ToServer => {
                        *reading = Reading::Nothing;
                        if !self.open(input, out) {
                            return;
                        }
                    }
                    Direction::ToClient if input.is_beginning() && !self.expected.is_empty() => {}
                    // Behind an answer to a request for encryption.
                    Direction::ToClient if !self.expected.is_empty() && self.certain => {}
                    Direction::ToClient => self.misplaced(direction),
                },
                Reading::Messages => match self.message(input, out) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(why) => {
                        self.lose(direction, input.offset(), why, out);
                        if let Reading::Skipping(skipper, _) = &mut self.reading[direction.index()]
                        {
                            skipper.skip(input, 1);
                        }
                    }
                },
                Reading::Long {
                    tag,
                    mut span,
                    left,
                    mut bytes,
                } => {
                    let piece = input.take(left);
                    bytes.push(piece);
                    input.extend(&mut span);
                    let left = left - piece.len();
                    if left > 0 {
                        *reading = Reading::Long {
                            tag,
                            span,
                            left,
                            bytes,
                        };
                        return;
                    }
                    self.dispatch(direction, tag, &bytes.finish().head, false, span, out);
                }
                Reading::Skipping(mut skipper, why) => {
                    if !skipper.skip_until(input, |bytes| is_usual(direction, bytes)) {
                        *reading = Reading::Skipping(skipper, why);
                        return;
                    }
                    skipper.emit(why, out);
                }
            }
        }
    }

    fn gap(&mut self, rest: &mut Input<'_>, out: &mut Output<'_>) {
        self.end(rest, End::Unknown, out);
        self.lose(rest.direction(), rest.offset(), "bytes are missing", out);
    }

    fn end(&mut self, rest: &mut Input<'_>, end: End, out: &mut Output<'_>) {
        let direction = rest.direction();
        let cut = Completeness::Cut { why: end.why() };
        match std::mem::replace(&mut self.reading[direction.index()], Reading::Messages) {
            Reading::Skipping(mut skipper, why) => {
                skipper.skip(rest, rest.len());
                skipper.emit(why, out);
            }
            Reading::Long {
                tag,
                mut span,
                mut bytes,
                ..
            } => {
                bytes.push(rest.take(rest.len()));
                rest.extend(&mut span);
                self.flush(out);
                self.ending = Some(cut);
                self.dispatch(direction, tag, &bytes.finish().head, false, span, out);
            }
            Reading::Messages => {
                // What has come of a message may tell what it is, and what in it is secret.
                let header = rest.bytes().first_chunk::<HEADER_LEN>().copied();
                if let Some(header) = header.filter(|header| total_len(direction, *header).is_ok())
                {
                    let (span, bytes) = rest.take_span(rest.len());
                    self.flush(out);
                    self.ending = Some(cut);
                    let payload = &bytes[HEADER_LEN..];
                    self.dispatch(direction, header[0], payload, false, span, out);
                }
            }
            Reading::Nothing => {}
        }
        self.stop(direction, cut, out);
        self.ending = None;
    }
}
