//! What a protocol is to this crate: something that recognises a stream, and makes decoders.
//!
//! To add a protocol, write a file with the two traits and name it in
//! [`Registry::standard`](crate::Registry::standard).

use crate::flow::Input;
use crate::message::{Completeness, Direction, Kind, Message, MessageId, Span};
use crate::node::Node;
use crate::settings::Settings;
use std::sync::Arc;

/// The first bytes of both directions, at most [`SNIFF_BYTES`](crate::limits::SNIFF_BYTES) each,
/// and what else is known of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    pub to_server: &'a [u8],
    pub to_client: &'a [u8],
    /// The port that the server listens on.
    pub port: Option<u16>,
}

/// How sure a protocol is that a stream is its own.
///
/// The choice must not depend on the pieces in which bytes come. So what is `Certain` of some bytes
/// stays so for more of them, and two protocols are never `Certain` of the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// It is something else.
    No,
    /// Nothing speaks against it.
    Possible,
    /// It looks like it.
    Likely,
    /// Decided at once, without more bytes.
    Certain,
}

pub trait Protocol: Send + Sync {
    /// As it stands in messages, and as a choice is forced by.
    fn name(&self) -> &'static str;

    fn sniff(&self, opening: &Opening<'_>) -> Confidence;

    fn decoder(&self, settings: &Arc<Settings>) -> Box<dyn Decoder>;
}

/// Cuts one connection's bytes into messages.
///
/// Bytes come in an order in which what causes something comes before what it causes: a request
/// before its reply. A decoder takes what it can and leaves the rest, which it is offered again
/// with more behind it. It must not depend on the pieces in which bytes come, nor panic on any.
pub trait Decoder: Send {
    /// New bytes have come in the direction of `input`.
    fn feed(&mut self, input: &mut Input<'_>, out: &mut Output<'_>);

    /// Bytes of the direction are missing. What is unread was `rest`; reading goes on behind the
    /// hole.
    fn gap(&mut self, rest: &mut Input<'_>, out: &mut Output<'_>);

    /// Nothing follows in the direction of `rest`.
    fn end(&mut self, rest: &mut Input<'_>, end: End, out: &mut Output<'_>);
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its sender closed it.
    Closed,
    /// Nothing more of it is known.
    Unknown,
}

impl End {
    pub(crate) fn why(self) -> &'static str {
        match self {
            End::Closed => "the connection was closed",
            End::Unknown => "the recording ends",
        }
    }
}

/// What a decoder asks for besides messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Nothing,
    /// Unread bytes of the other direction can be read now.
    Wake,
    /// Another protocol goes on from here, to be told from its bytes.
    Sniff,
    /// The protocol of this name goes on from here.
    Switch(&'static str),
}

/// Where decoders put messages.
pub struct Output<'a> {
    pub(crate) messages: &'a mut Vec<Message>,
    pub(crate) next_id: &'a mut u64,
    pub(crate) ask: Ask,
}

impl Output<'_> {
    /// The number of a message that begins.
    pub fn begin(&mut self) -> MessageId {
        let id = MessageId(*self.next_id);
        *self.next_id += 1;
        id
    }

    pub fn emit(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Bytes that nothing is known of.
    pub fn raw(
        &mut self,
        protocol: &'static str,
        direction: Direction,
        span: Span,
        summary: String,
        body: Node,
        completeness: Completeness,
    ) {
        let id = self.begin();
        self.emit(Message {
            id,
            direction,
            protocol,
            kind: Kind::Raw,
            span,
            summary,
            body,
            answers: None,
            stream: None,
            trace_parent: None,
            completeness,
        });
    }

    /// Unread bytes of the other direction can be read now. Only of use where bytes were read.
    pub fn wake(&mut self) {
        if self.ask == Ask::Nothing {
            self.ask = Ask::Wake;
        }
    }

    /// Another protocol goes on behind what was read of both directions. The decoder must return
    /// without reading more.
    pub fn switch(&mut self, protocol: Option<&'static str>) {
        self.ask = protocol.map_or(Ask::Sniff, Ask::Switch);
    }

    pub(crate) fn is_switching(&self) -> bool {
        matches!(self.ask, Ask::Sniff | Ask::Switch(_))
    }
}
