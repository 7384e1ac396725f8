//! TLS 1.0 to 1.3: RFC 8446, 5246. Each record is a message. What is sent in the clear is named:
//! handshakes with the name of the server and the protocols offered, alerts. The rest is shown as
//! encrypted.

mod hello;

use crate::escape::Summary;
use crate::flow::Input;
use crate::message::{Answer, Completeness, Direction, Kind, Message, MessageId};
use crate::node::{Name, Node};
use crate::protocol::{Confidence, Decoder, End, Opening, Output, Protocol};
use crate::raw::{Found, Skipper};
use crate::settings::Settings;
use hello::Handshake;
use std::sync::Arc;

const NAME: &str = "tls";
const HEADER_LEN: usize = 5;

/// Content of a record, with what encryption may add to it in TLS 1.2.
const RECORD_MAX: usize = (1 << 14) + 2048;

/// Bytes of handshake messages that are put together.
const HANDSHAKE_MAX: usize = 1 << 17;

pub struct Tls;

impl Protocol for Tls {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, opening: &Opening<'_>) -> Confidence {
        // A handshake record with a ClientHello.
        let hello = matches!(opening.to_server, [0x16, 3, 0..=4, _, _, 1, ..]);
        let chain = |bytes| is_record(bytes) == Found::Yes;
        if hello && Header::parse(opening.to_server).is_some_and(|header| header.is_ok()) {
            Confidence::Certain
        } else if chain(opening.to_server) || chain(opening.to_client) {
            Confidence::Likely
        } else {
            Confidence::Possible
        }
    }

    fn decoder(&self, settings: &Arc<Settings>) -> Box<dyn Decoder> {
        Box::new(TlsDecoder {
            settings: settings.clone(),
            sides: [Side::default(), Side::default()],
            hello: None,
            certain: true,
        })
    }
}

/// Types of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    ChangeCipherSpec,
    Alert,
    Handshake,
    Data,
    Heartbeat,
}

struct Header {
    content: Content,
    len: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Result<Self, &'static str>> {
        let [content, major, minor, a, b] = *bytes.first_chunk::<HEADER_LEN>()?;
        let content = match content {
            20 => Content::ChangeCipherSpec,
            21 => Content::Alert,
            22 => Content::Handshake,
            23 => Content::Data,
            24 => Content::Heartbeat,
            _ => return Some(Err("no record has this type")),
        };
        let len = usize::from(u16::from_be_bytes([a, b]));
        Some(match (major, minor) {
            (3, 0..=4) if len <= RECORD_MAX => Ok(Self { content, len }),
            (3, 0..=4) => Err("the record is too long"),
            _ => Err("no record has this version"),
        })
    }
}

/// Whether a record begins here, and another one behind it unless it is a long one.
fn is_record(bytes: &[u8]) -> Found {
    let header = match Header::parse(bytes) {
        None => return Found::More,
        Some(Ok(header)) => header,
        Some(Err(_)) => return Found::No,
    };
    match (
        header.content,
        header.len,
        bytes.get(HEADER_LEN + header.len..),
    ) {
        (_, 0, _) => Found::No,
        (Content::ChangeCipherSpec, 1, _) | (Content::Data, 17.., _) => Found::Yes,
        (Content::ChangeCipherSpec | Content::Data, _, _) => Found::No,
        (_, _, None) => Found::More,
        (_, _, Some(rest)) => match Header::parse(rest) {
            None => Found::More,
            Some(Ok(_)) => Found::Yes,
            Some(Err(_)) => Found::No,
        },
    }
}

#[derive(Default)]
struct Side {
    seen: bool,
    /// Whether handshakes and alerts are encrypted from here on.
    encrypted: bool,
    /// Handshake bytes of which the message is not complete.
    handshake: Vec<u8>,
    skipper: Option<(Skipper, &'static str)>,
}

struct TlsDecoder {
    settings: Arc<Settings>,
    sides: [Side; 2],
    hello: Option<MessageId>,
    certain: bool,
}

impl TlsDecoder {
    /// Reads a record. Returns whether it was there.
    fn record(
        &mut self,
        input: &mut Input<'_>,
        out: &mut Output<'_>,
    ) -> Result<bool, &'static str> {
        let direction = input.direction();
        let Some(header) = Header::parse(input.bytes()) else {
            return Ok(false);
        };
        let header = header?;
        if input.len() < HEADER_LEN + header.len {
            return Ok(false);
        }
        let (span, bytes) = input.take_span(HEADER_LEN + header.len);
        let payload = &bytes[HEADER_LEN..];
        let id = out.begin();
        let mut line = Summary::new();
        let mut fields: Vec<(Name, Node)> = Vec::new();
        let mut kind = Kind::Raw;
        let mut answers = None;
        let side = &mut self.sides[direction.index()];
        line.text("TLS ");
        match header.content {
            Content::ChangeCipherSpec => {
                side.encrypted = true;
                line.text("change of keys");
            }
            Content::Alert if payload.len() == 2 && !side.encrypted => {
                line.text("alert ").text(hello::alert_name(payload[1]));
                fields.push(("alert".into(), Node::text(hello::alert_name(payload[1]))));
            }
            Content::Handshake if !side.encrypted => {
                if side.handshake.len() + payload.len() > HANDSHAKE_MAX {
                    side.handshake.clear();
                    return Err("the handshake is too long");
                }
                side.handshake.extend_from_slice(payload);
                let mut names = 0;
                while let Some((handshake, len)) = hello::next(&side.handshake) {
                    if names > 0 {
                        line.text(", ");
                    }
                    names += 1;
                    handshake.summarise(&mut line);
                    fields.push((handshake.name().into(), handshake.node()));
                    match handshake {
                        Handshake::ClientHello { .. } => {
                            kind = Kind::Request;
                            self.hello = Some(id);
                        }
                        Handshake::ServerHello { .. } => {
                            kind = Kind::Reply;
                            let certain = self.certain;
                            answers = self.hello.map(|request| Answer { request, certain });
                        }
                        Handshake::Other(_) => {}
                    }
                    side.handshake.drain(..len);
                }
                if names == 0 {
                    line.text("part of a handshake, ")
                        .show(payload.len())
                        .text(" B");
                }
            }
            Content::Alert | Content::Handshake | Content::Data | Content::Heartbeat => {
                let what = match header.content {
                    Content::Alert => "alert",
                    Content::Handshake => "handshake",
                    Content::Heartbeat => "heartbeat",
                    Content::Data | Content::ChangeCipherSpec => "data",
                };
                line.text(what)
                    .text(", ")
                    .show(payload.len())
                    .text(" B encrypted");
                fields.push(("encrypted".into(), Node::Int(payload.len() as i64)));
            }
        }
        out.emit(Message {
            id,
            direction,
            protocol: NAME,
            kind,
            span,
            summary: line.finish(),
            body: if self.settings.bodies() {
                Node::Map(fields)
            } else {
                Node::Null
            },
            answers,
            stream: None,
            trace_parent: None,
            completeness: Completeness::Complete,
        });
        Ok(true)
    }

    fn lose(&mut self, direction: Direction, why: &'static str) {
        let side = &mut self.sides[direction.index()];
        self.certain = false;
        side.handshake.clear();
        // Whether it is so is not known, and what is encrypted must not be taken for a handshake.
        side.encrypted = true;
        side.skipper = Some((Skipper::new(NAME, direction), why));
    }
}

impl Decoder for TlsDecoder {
    fn feed(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) {
        let direction = input.direction();
        while !input.is_empty() {
            let side = &mut self.sides[direction.index()];
            if !side.seen {
                side.seen = true;
                if !input.is_beginning() {
                    self.lose(direction, "the recording begins within a record");
                    continue;
                }
            }
            if let Some((mut skipper, why)) = side.skipper.take() {
                if !skipper.skip_until(input, is_record) {
                    side.skipper = Some((skipper, why));
                    return;
                }
                skipper.emit(why, out);
                continue;
            }
            match self.record(input, out) {
                Ok(true) => {}
                Ok(false) => return,
                Err(why) => {
                    self.lose(direction, why);
                    let side = &mut self.sides[direction.index()];
                    if let Some((skipper, _)) = &mut side.skipper {
                        skipper.skip(input, 1);
                    }
                }
            }
        }
    }

    fn gap(&mut self, rest: &mut Input<'_>, out: &mut Output<'_>) {
        self.end(rest, End::Unknown, out);
        self.lose(rest.direction(), "bytes are missing");
    }

    fn end(&mut self, rest: &mut Input<'_>, _end: End, out: &mut Output<'_>) {
        let side = &mut self.sides[rest.direction().index()];
        if let Some((mut skipper, why)) = side.skipper.take() {
            skipper.skip(rest, rest.len());
            skipper.emit(why, out);
        }
    }
}
