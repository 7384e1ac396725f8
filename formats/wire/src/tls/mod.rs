//! TLS 1.0 to 1.3: RFC 8446, 5246. Each record is a message. What is sent in the clear is named:
//! handshakes with the name of the server and the protocols offered, alerts. Where the settings have
//! the session's keys, records are decrypted (AES-GCM and ChaCha20-Poly1305), and what they carry is
//! decoded in their place. The rest is shown as encrypted.

mod crypt;
mod hello;
mod inner;
mod keys;
#[cfg(test)]
pub mod seal;
mod session;

pub use keys::TlsKeys;

use crate::escape::Summary;
use crate::flow::Input;
use crate::limits::TLS_DEPTH_MAX;
use crate::message::{Answer, Completeness, Direction, Kind, Message, MessageId, Span};
use crate::node::{Name, Node};
use crate::protocol::{Confidence, Decoder, End, Opening, Output, Protocol};
use crate::raw::{Found, Skipper};
use crate::settings::Settings;
use hello::Handshake;
use inner::Inner;
use session::{Crypt, Session};
use std::sync::Arc;

const NAME: &str = "tls";
const HEADER_LEN: usize = 5;

/// Content of a record, with what encryption may add to it in TLS 1.2.
const RECORD_MAX: usize = (1 << 14) + 2048;

/// Bytes of a direction that may wait for their keys: several flights of handshakes.
const WAITING_MAX: u64 = 1 << 18;

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
            session: Session::default(),
            inner: None,
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

impl Content {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            20 => Content::ChangeCipherSpec,
            21 => Content::Alert,
            22 => Content::Handshake,
            23 => Content::Data,
            24 => Content::Heartbeat,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Content::ChangeCipherSpec => "change of keys",
            Content::Alert => "alert",
            Content::Handshake => "handshake",
            Content::Data => "data",
            Content::Heartbeat => "heartbeat",
        }
    }
}

struct Header {
    content: Content,
    len: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Result<Self, &'static str>> {
        let [content, major, minor, a, b] = *bytes.first_chunk::<HEADER_LEN>()?;
        let Some(content) = Content::of(content) else {
            return Some(Err("no record has this type"));
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
    /// How far bytes of this side have come.
    offered: u64,
    crypt: Crypt,
}

struct TlsDecoder {
    settings: Arc<Settings>,
    sides: [Side; 2],
    hello: Option<MessageId>,
    certain: bool,
    session: Session,
    /// What the connection carries, once something of it was decrypted.
    inner: Option<Box<Inner>>,
}

/// What is told of a record.
struct Told {
    line: Summary,
    fields: Vec<(Name, Node)>,
    kind: Kind,
    answers: Option<Answer>,
}

impl Told {
    fn new() -> Self {
        let mut line = Summary::new();
        line.text("TLS ");
        Self {
            line,
            fields: Vec::new(),
            kind: Kind::Raw,
            answers: None,
        }
    }

    fn alert(&mut self, code: u8) {
        let name = hello::alert_name(code);
        self.line.text("alert ").text(name);
        self.fields.push(("alert".into(), Node::text(name)));
    }
}

impl TlsDecoder {
    /// Reads a record. Returns whether it was there, and need not wait for its keys.
    fn record(
        &mut self,
        input: &mut Input<'_>,
        finally: bool,
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
        let encrypted = match header.content {
            Content::ChangeCipherSpec => false,
            Content::Data => true,
            Content::Alert | Content::Handshake | Content::Heartbeat => {
                self.sides[direction.index()].encrypted
            }
        };
        if encrypted && !self.is_decided(direction, input.offset(), finally) {
            return Ok(false);
        }
        let (span, bytes) = input.take_span(HEADER_LEN + header.len);
        let payload = &bytes[HEADER_LEN..];
        if encrypted {
            let opened = match (
                &mut self.sides[direction.index()].crypt,
                bytes.first_chunk(),
            ) {
                (Crypt::Open(opener), Some(head)) => opener.open(head, payload),
                _ => None,
            };
            match opened {
                Some(opened) => self.opened(direction, span, opened, out)?,
                None => self.hidden(direction, span, &header, out),
            }
            return Ok(true);
        }
        let id = out.begin();
        let mut told = Told::new();
        match header.content {
            Content::ChangeCipherSpec => {
                // In TLS 1.3 this is there for the looks alone.
                if !self.session.is_13() {
                    let side = &mut self.sides[direction.index()];
                    side.encrypted = true;
                    side.crypt = Crypt::Unknown;
                }
                told.line.text("change of keys");
            }
            Content::Alert if payload.len() == 2 => told.alert(payload[1]),
            Content::Handshake => {
                self.handshake(direction, payload, id, &mut told)?;
            }
            Content::Alert | Content::Data | Content::Heartbeat => {
                let what = header.content.name();
                told.line
                    .text(what)
                    .text(", ")
                    .show(payload.len())
                    .text(" B");
            }
        }
        self.tell(direction, id, span, told, out);
        Ok(true)
    }

    fn tell(
        &self,
        direction: Direction,
        id: MessageId,
        span: Span,
        told: Told,
        out: &mut Output<'_>,
    ) {
        out.emit(Message {
            id,
            direction,
            protocol: NAME,
            kind: told.kind,
            span,
            summary: told.line.finish(),
            body: if self.settings.bodies() {
                Node::Map(told.fields)
            } else {
                Node::Null
            },
            answers: told.answers,
            stream: None,
            trace_parent: None,
            completeness: Completeness::Complete,
        });
    }

    /// A record that cannot be decrypted; nor can what follows it.
    fn hidden(&mut self, direction: Direction, span: Span, header: &Header, out: &mut Output<'_>) {
        self.sides[direction.index()].crypt = Crypt::Closed;
        let id = out.begin();
        let mut told = Told::new();
        let line = told.line.text(header.content.name()).text(", ");
        line.show(header.len).text(" B encrypted");
        let len = Node::Int(header.len as i64);
        told.fields.push(("encrypted".into(), len));
        self.tell(direction, id, span, told, out);
    }

    /// What a record held.
    fn opened(
        &mut self,
        direction: Direction,
        span: Span,
        opened: crypt::Opened,
        out: &mut Output<'_>,
    ) -> Result<(), &'static str> {
        match Content::of(opened.content) {
            Some(Content::Data) => {
                let protocol = self.session.protocol.as_deref();
                let settings = &self.settings;
                let inner = self
                    .inner
                    .get_or_insert_with(|| Box::new(Inner::new(settings, protocol)));
                let outer = span.start + (HEADER_LEN + opened.at) as u64;
                inner.feed(direction, &opened.bytes, outer, span, out);
            }
            Some(Content::Handshake) => {
                let id = out.begin();
                let mut told = Told::new();
                let keys = self.handshake(direction, &opened.bytes, id, &mut told)?;
                self.tell(direction, id, span, told, out);
                let crypt = &mut self.sides[direction.index()].crypt;
                match keys {
                    Keys::Same => {}
                    Keys::Updated => *crypt = std::mem::take(crypt).updated(),
                    Keys::Finished if self.session.is_13() => {
                        self.session.finished(direction);
                        *crypt = Crypt::Unknown;
                    }
                    Keys::Finished => {}
                }
            }
            Some(Content::Alert) if opened.bytes.len() == 2 => {
                let id = out.begin();
                let mut told = Told::new();
                told.alert(opened.bytes[1]);
                self.tell(direction, id, span, told, out);
                // Nothing follows close_notify.
                if let (0, Some(inner)) = (opened.bytes[1], &mut self.inner) {
                    inner.end(direction, End::Closed, out);
                }
            }
            Some(Content::Alert | Content::ChangeCipherSpec | Content::Heartbeat) | None => {
                let id = out.begin();
                let mut told = Told::new();
                let line = told.line.text("record of type ").show(opened.content);
                line.text(", ").show(opened.bytes.len()).text(" B");
                self.tell(direction, id, span, told, out);
            }
        }
        Ok(())
    }

    /// Takes bytes of handshakes, and says what they mean for the keys of what follows.
    fn handshake(
        &mut self,
        direction: Direction,
        payload: &[u8],
        id: MessageId,
        told: &mut Told,
    ) -> Result<Keys, &'static str> {
        let side = &mut self.sides[direction.index()];
        if side.handshake.len() + payload.len() > HANDSHAKE_MAX {
            side.handshake.clear();
            return Err("the handshake is too long");
        }
        side.handshake.extend_from_slice(payload);
        let mut keys = Keys::Same;
        let mut names = 0;
        while let Some((handshake, len)) = hello::next(&side.handshake) {
            if names > 0 {
                told.line.text(", ");
            }
            names += 1;
            handshake.summarise(&mut told.line);
            told.fields
                .push((handshake.name().into(), handshake.node()));
            self.session.take(&handshake);
            match handshake {
                Handshake::ClientHello { .. } => {
                    told.kind = Kind::Request;
                    self.hello = Some(id);
                }
                Handshake::ServerHello { .. } => {
                    told.kind = Kind::Reply;
                    let certain = self.certain;
                    told.answers = self.hello.map(|request| Answer { request, certain });
                }
                Handshake::Finished => keys = Keys::Finished,
                Handshake::KeyUpdate => keys = Keys::Updated,
                Handshake::EncryptedExtensions { .. } | Handshake::Other(_) => {}
            }
            side.handshake.drain(..len);
        }
        if names == 0 {
            told.line
                .text("part of a handshake, ")
                .show(payload.len())
                .text(" B");
        }
        Ok(keys)
    }

    /// Finds the keys for an encrypted record at an offset. Keys that may still come are waited for,
    /// until the other side has answered: whoever writes them down does so before.
    fn is_decided(&mut self, direction: Direction, offset: u64, finally: bool) -> bool {
        let other = self.sides[direction.reverse().index()].offered;
        let side = &mut self.sides[direction.index()];
        if matches!(side.crypt, Crypt::Open(_) | Crypt::Closed) {
            return true;
        }
        let may_decrypt = self.certain && self.settings.tls_depth < TLS_DEPTH_MAX;
        if may_decrypt {
            if let Some(opener) = self.session.opener(&self.settings.tls_keys, direction) {
                side.crypt = Crypt::Open(opener);
                return true;
            }
        }
        let waits = may_decrypt
            && self.settings.tls_keys.is_growing()
            && self.session.may_have_keys()
            && !finally
            && side.offered.saturating_sub(offset) <= WAITING_MAX;
        match side.crypt {
            Crypt::Unknown if waits => side.crypt = Crypt::Waiting(other),
            Crypt::Waiting(until) if waits && other <= until => {}
            _ => side.crypt = Crypt::Closed,
        }
        !matches!(side.crypt, Crypt::Waiting(_))
    }

    fn lose(&mut self, direction: Direction, why: &'static str, out: &mut Output<'_>) {
        let side = &mut self.sides[direction.index()];
        self.certain = false;
        side.handshake.clear();
        // Whether it is so is not known, and what is encrypted must not be taken for a handshake.
        side.encrypted = true;
        // Which record comes next is part of its decryption.
        side.crypt = Crypt::Closed;
        side.skipper = Some((Skipper::new(NAME, direction), why));
        if let Some(inner) = &mut self.inner {
            inner.end(direction, End::Unknown, out);
        }
    }

    fn read(&mut self, input: &mut Input<'_>, finally: bool, out: &mut Output<'_>) {
        let direction = input.direction();
        let side = &mut self.sides[direction.index()];
        side.offered = side.offered.max(input.offset() + input.len() as u64);
        while !input.is_empty() {
            let side = &mut self.sides[direction.index()];
            if !side.seen {
                side.seen = true;
                if !input.is_beginning() {
                    self.lose(direction, "the recording begins within a record", out);
                    continue;
                }
            }
            if let Some((mut skipper, why)) = side.skipper.take() {
                if !skipper.skip_until(input, is_record) {
                    side.skipper = Some((skipper, why));
                    break;
                }
                skipper.emit(why, out);
                continue;
            }
            match self.record(input, finally, out) {
                Ok(true) => {}
                Ok(false) => break,
                Err(why) => {
                    self.lose(direction, why, out);
                    let side = &mut self.sides[direction.index()];
                    if let Some((skipper, _)) = &mut side.skipper {
                        skipper.skip(input, 1);
                    }
                }
            }
        }
        if let Crypt::Waiting(_) = self.sides[direction.reverse().index()].crypt {
            out.wake();
        }
    }
}

/// What a handshake means for the keys of what its sender sends next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Same,
    /// The next ones follow from these.
    Updated,
    /// Those of the session follow those of the handshake, in TLS 1.3.
    Finished,
}

impl Decoder for TlsDecoder {
    fn feed(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) {
        self.read(input, false, out);
    }

    fn gap(&mut self, rest: &mut Input<'_>, out: &mut Output<'_>) {
        self.end(rest, End::Unknown, out);
        self.lose(rest.direction(), "bytes are missing", out);
    }

    fn end(&mut self, rest: &mut Input<'_>, end: End, out: &mut Output<'_>) {
        let direction = rest.direction();
        if let Crypt::Waiting(_) = self.sides[direction.index()].crypt {
            self.read(rest, true, out);
        }
        let side = &mut self.sides[direction.index()];
        if let Some((mut skipper, why)) = side.skipper.take() {
            skipper.skip(rest, rest.len());
            skipper.emit(why, out);
        }
        if let Some(inner) = &mut self.inner {
            inner.end(direction, end, out);
        }
    }
}
