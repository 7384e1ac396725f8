//! One recorded connection: tells its protocol, and keeps what its decoder has not read.

use crate::flow::Flow;
use crate::limits::{PENDING_MAX, SNIFF_BYTES};
use crate::message::{Completeness, Direction, Message};
use crate::protocol::{Ask, Confidence, Decoder, End, Opening, Output};
use crate::raw::RawDecoder;
use crate::registry::Registry;
use std::borrow::Cow;
use std::collections::VecDeque;

/// What is known of a connection besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct Hint {
    /// The port that the server listens on. It never decides alone.
    pub port: Option<u16>,
    /// Decode as the protocol of this name, whatever the bytes look like. Unknown names are raw.
    pub protocol: Option<String>,
    /// The sides may be the wrong way round: nobody saw which one opened the connection.
    pub roles_unknown: bool,
}

/// Bytes that one event moved.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    pub direction: Direction,
    /// Number of the event, which means nothing to this crate.
    pub event: u64,
    /// Where the bytes begin in the stream of their direction.
    pub offset: u64,
    pub bytes: &'a [u8],
}

/// What happens to a direction, as the decoder sees it.
enum Piece<'a> {
    Bytes {
        event: u64,
        bytes: Cow<'a, [u8]>,
    },
    /// The stream goes on at this offset.
    Gap {
        to: u64,
    },
    End(End),
}

enum State {
    /// The protocol is not known yet: what came until now, in order.
    Sniffing(Vec<(Direction, Piece<'static>)>),
    Decoding(Box<dyn Decoder>),
}

/// Cuts one connection into messages.
pub struct Connection {
    registry: Registry,
    hint: Hint,
    state: State,
    /// The first bytes of each direction, while sniffing.
    heads: [Vec<u8>; 2],
    /// By direction as the decoder sees it, as are the next four.
    flows: [Flow; 2],
    /// Offset behind what came, once something came.
    known: [Option<u64>; 2],
    closed: [bool; 2],
    /// Whether the decoder sees the sides exchanged.
    exchanged: bool,
    next_id: u64,
}

impl Connection {
    pub(crate) fn new(registry: Registry, hint: Hint) -> Self {
        let state = match &hint.protocol {
            Some(name) => State::Decoding(decoder(&registry, name)),
            None => State::Sniffing(Vec::new()),
        };
        Self {
            registry,
            hint,
            state,
            heads: Default::default(),
            flows: Default::default(),
            known: Default::default(),
            closed: Default::default(),
            exchanged: false,
            next_id: 0,
        }
    }

    /// Takes the next bytes, and appends the messages that are complete with them.
    ///
    /// Chunks come in causal order: a request's before its reply's. The first of a direction may
    /// have any offset. Bytes that came before are ignored, and where bytes are missing, the
    /// message around them is marked.
    pub fn feed(&mut self, chunk: Chunk<'_>, messages: &mut Vec<Message>) {
        let made = messages.len();
        let direction = self.seen(chunk.direction);
        let at = direction.index();
        if self.closed[at] || chunk.bytes.is_empty() {
            return;
        }
        match self.known[at] {
            None => self.flows[at].restart(chunk.offset),
            Some(known) if chunk.offset > known => {
                self.go(direction, Piece::Gap { to: chunk.offset }, messages);
            }
            Some(_) => {}
        }
        // Sides may have been exchanged meanwhile.
        let direction = self.seen(chunk.direction);
        let known = self.known[direction.index()]
            .unwrap_or(chunk.offset)
            .max(chunk.offset);
        let old = usize::try_from(known - chunk.offset).unwrap_or(usize::MAX);
        if let Some(bytes) = chunk.bytes.get(old..).filter(|bytes| !bytes.is_empty()) {
            self.known[direction.index()] = Some(known.saturating_add(bytes.len() as u64));
            let bytes = Cow::Borrowed(bytes);
            self.go(
                direction,
                Piece::Bytes {
                    event: chunk.event,
                    bytes,
                },
                messages,
            );
        }
        self.restore(&mut messages[made..]);
    }

    /// The sender of the direction closed it.
    pub fn close(&mut self, direction: Direction, messages: &mut Vec<Message>) {
        self.ended(direction, End::Closed, messages);
    }

    /// Nothing more is known of the connection: appends what is incomplete.
    pub fn finish(mut self, messages: &mut Vec<Message>) {
        let made = messages.len();
        for direction in Direction::BOTH {
            self.end(direction, End::Unknown, messages);
        }
        self.restore(&mut messages[made..]);
    }

    /// A direction ends, for a reason that the caller knows.
    pub(crate) fn ended(&mut self, direction: Direction, end: End, messages: &mut Vec<Message>) {
        let made = messages.len();
        self.end(self.seen(direction), end, messages);
        self.restore(&mut messages[made..]);
    }

    /// Numbers messages from here on, within the numbers of another connection.
    pub(crate) fn number_from(&mut self, id: u64) {
        self.next_id = id;
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.next_id
    }

    fn end(&mut self, direction: Direction, end: End, messages: &mut Vec<Message>) {
        if !std::mem::replace(&mut self.closed[direction.index()], true) {
            self.go(direction, Piece::End(end), messages);
        }
    }

    /// Direction as the decoder sees it.
    fn seen(&self, direction: Direction) -> Direction {
        if self.exchanged {
            direction.reverse()
        } else {
            direction
        }
    }

    /// Gives messages the directions that the caller knows.
    fn restore(&self, messages: &mut [Message]) {
        if self.exchanged {
            for message in messages {
                message.direction = message.direction.reverse();
            }
        }
    }

    /// Does a piece, and what follows from it. All that a change of the decoder leaves unread is
    /// work again, in its order; as each change reads something first, this ends.
    fn go(&mut self, direction: Direction, piece: Piece<'_>, messages: &mut Vec<Message>) {
        let mut work = VecDeque::new();
        let mut next = Some((direction, piece));
        while let Some((direction, piece)) = next {
            match &mut self.state {
                State::Decoding(_) => self.decode(direction, piece, &mut work, messages),
                State::Sniffing(_) => self.sniff(direction, piece, &mut work),
            }
            next = work.pop_front();
        }
    }

    fn decode<'a>(
        &mut self,
        direction: Direction,
        piece: Piece<'a>,
        work: &mut VecDeque<(Direction, Piece<'a>)>,
        messages: &mut Vec<Message>,
    ) {
        let State::Decoding(decoder) = &mut self.state else {
            return;
        };
        let mut at = direction;
        let mut out = Output {
            messages,
            next_id: &mut self.next_id,
            ask: Ask::Nothing,
        };
        let mut taken = match piece {
            Piece::Bytes { event, bytes } => {
                let flow = &mut self.flows[at.index()];
                flow.offer(at, &bytes, event, |input| decoder.feed(input, &mut out))
            }
            Piece::Gap { to } => {
                let flow = &mut self.flows[at.index()];
                flow.offer(at, &[], 0, |rest| {
                    decoder.gap(rest, &mut out);
                    leave_no_rest(rest, "bytes behind it are missing", &mut out);
                });
                flow.restart(to);
                0
            }
            Piece::End(end) => {
                let flow = &mut self.flows[at.index()];
                flow.offer(at, &[], 0, |rest| {
                    decoder.end(rest, end, &mut out);
                    leave_no_rest(rest, end.why(), &mut out);
                })
            }
        };
        while out.ask == Ask::Wake && taken > 0 {
            at = at.reverse();
            out.ask = Ask::Nothing;
            let flow = &mut self.flows[at.index()];
            if !flow.unread().is_empty() {
                taken = flow.offer(at, &[], 0, |input| decoder.feed(input, &mut out));
            }
        }
        let ask = out.ask;
        let stuck = self
            .flows
            .iter()
            .any(|flow| flow.unread().len() > PENDING_MAX);
        if ask == Ask::Nothing && !stuck {
            return;
        }
        self.state = match ask {
            Ask::Sniff => State::Sniffing(Vec::new()),
            Ask::Switch(name) => State::Decoding(self::decoder(&self.registry, name)),
            Ask::Wake => return,
            // The decoder is stuck.
            Ask::Nothing => State::Decoding(Box::new(RawDecoder::new(self.registry.settings()))),
        };
        // The direction that was read last has what may not have come yet, so it goes second.
        for direction in [at, at.reverse()] {
            for (event, bytes) in self.flows[direction.index()].drain().into_iter().rev() {
                work.push_front((
                    direction,
                    Piece::Bytes {
                        event,
                        bytes: bytes.into(),
                    },
                ));
            }
        }
    }

    /// Adds to what is sniffed at, and chooses the decoder if enough is known. The choice depends
    /// on the bytes alone, not on the pieces in which they came: see [`Confidence`].
    fn sniff<'a>(
        &mut self,
        direction: Direction,
        piece: Piece<'a>,
        work: &mut VecDeque<(Direction, Piece<'a>)>,
    ) {
        let State::Sniffing(waiting) = &mut self.state else {
            return;
        };
        let finally = match piece {
            Piece::Bytes { event, bytes } => {
                let head = &mut self.heads[direction.index()];
                let (now, later) = bytes.split_at(bytes.len().min(SNIFF_BYTES - head.len()));
                head.extend_from_slice(now);
                let piece = Piece::Bytes {
                    event,
                    bytes: Cow::Owned(now.to_vec()),
                };
                waiting.push((direction, piece));
                if !later.is_empty() {
                    // What a large chunk still holds is not copied.
                    let len = now.len();
                    let bytes = match bytes {
                        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[len..]),
                        Cow::Owned(mut bytes) => Cow::Owned(bytes.split_off(len)),
                    };
                    work.push_front((direction, Piece::Bytes { event, bytes }));
                }
                head.len() == SNIFF_BYTES
            }
            Piece::Gap { to } => {
                waiting.push((direction, Piece::Gap { to }));
                true
            }
            Piece::End(end) => {
                waiting.push((direction, Piece::End(end)));
                self.closed == [true; 2]
            }
        };
        if let Some((decoder, exchange)) = self.choose(finally) {
            let decoding = State::Decoding(decoder);
            if let State::Sniffing(waiting) = std::mem::replace(&mut self.state, decoding) {
                for (direction, piece) in waiting.into_iter().rev() {
                    work.push_front((direction, piece));
                }
            }
            self.heads = Default::default();
            self.hint.roles_unknown = false;
            if exchange {
                self.exchanged = true;
                self.flows.swap(0, 1);
                self.known.swap(0, 1);
                self.closed.swap(0, 1);
                work.iter_mut()
                    .for_each(|piece| piece.0 = piece.0.reverse());
            }
        }
    }

    /// The decoder, and whether it takes the sides exchanged.
    fn choose(&self, finally: bool) -> Option<(Box<dyn Decoder>, bool)> {
        let opening = Opening {
            to_server: &self.heads[Direction::ToServer.index()],
            to_client: &self.heads[Direction::ToClient.index()],
            port: self.hint.port,
        };
        let (mut confidence, mut protocol) = self.registry.surest(&opening);
        let mut exchange = false;
        if self.hint.roles_unknown {
            let (to_server, to_client) = (opening.to_client, opening.to_server);
            let exchanged = Opening {
                to_server,
                to_client,
                ..opening
            };
            let other = self.registry.surest(&exchanged);
            exchange = other.0 > confidence;
            if exchange {
                (confidence, protocol) = other;
            }
        }
        match confidence {
            Confidence::Certain => {}
            Confidence::Possible | Confidence::Likely if !finally => return None,
            Confidence::Likely => {}
            Confidence::Possible | Confidence::No => protocol = None,
        }
        let settings = self.registry.settings();
        match protocol {
            Some(protocol) => Some((protocol.decoder(settings), exchange)),
            None => Some((Box::new(RawDecoder::new(settings)), false)),
        }
    }
}

fn decoder(registry: &Registry, name: &str) -> Box<dyn Decoder> {
    match registry.get(name) {
        Some(protocol) => protocol.decoder(registry.settings()),
        None => Box::new(RawDecoder::new(registry.settings())),
    }
}

/// Emits what a decoder has left unread at the end of a stream.
fn leave_no_rest(rest: &mut crate::flow::Input<'_>, why: &'static str, out: &mut Output<'_>) {
    if !rest.is_empty() {
        crate::raw::emit(rest, rest.len(), true, Completeness::Cut { why }, out);
    }
}
