//! Redis: RESP 2 and 3, as <https://redis.io/docs/latest/develop/reference/protocol-spec/> has it,
//! with inline commands, pipelining, publications, MONITOR, CLIENT REPLY, and the stream of
//! replication (PSYNC). Streamed strings and lists of RESP 3, which no server sends, are damage.

mod command;
mod replication;
mod sniff;
mod value;

use crate::escape::Summary;
use crate::flow::{Input, Line};
use crate::limits::{BODY_MAX, HEAD_KEPT, LINE_MAX, OUTSTANDING_MAX};
use crate::message::{Answer, Completeness, Direction, Kind, Message, MessageId, Span};
use crate::node::Node;
use crate::protocol::{Confidence, Decoder, End, Opening, Output, Protocol};
use crate::raw::{Found, Skipper};
use crate::settings::Settings;
use command::Answered;
use replication::Replication;
use sniff::{is_command, is_inline, is_value};
use std::collections::VecDeque;
use std::sync::Arc;
use value::{is_lead, Parser, Step, Value};

const NAME: &str = "redis";
const PORT: u16 = 6379;

pub struct Resp;

impl Protocol for Resp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, opening: &Opening<'_>) -> Confidence {
        let inline = is_inline(opening.to_server) && is_value(opening.to_client) == Found::Yes;
        if is_command(opening.to_server) == Found::Yes || inline {
            return Confidence::Certain;
        }
        // The middle of a connection.
        let command_within = |bytes: &[u8]| {
            memchr::memchr_iter(b'\n', bytes).any(|at| is_command(&bytes[at + 1..]) == Found::Yes)
        };
        let silent = opening.to_server.is_empty() || opening.port == Some(PORT);
        if command_within(opening.to_server)
            || silent && opening.port == Some(PORT) && is_value(opening.to_client) == Found::Yes
        {
            Confidence::Likely
        } else {
            Confidence::Possible
        }
    }

    fn decoder(&self, settings: &Arc<Settings>) -> Box<dyn Decoder> {
        Box::new(RespDecoder::new(settings.bodies()))
    }
}

/// A request without its reply.
struct Outstanding {
    request: MessageId,
    answered: Answered,
    /// Whether a confirmation came for it.
    begun: bool,
}

struct Side {
    parser: Parser,
    open: Option<(MessageId, Span)>,
    skipper: Option<(Skipper, &'static str)>,
}

struct RespDecoder {
    bodies: bool,
    sides: [Side; 2],
    outstanding: VecDeque<Outstanding>,
    /// Whether each reply is known to answer the oldest request without one.
    certain: bool,
    seen: [bool; 2],
    /// Whether channels were subscribed to.
    subscribed: bool,
    monitoring: bool,
    /// CLIENT REPLY OFF, and SKIP.
    muted: bool,
    skip_next: bool,
    replication: Replication,
}

impl RespDecoder {
    fn new(bodies: bool) -> Self {
        let side = || Side {
            parser: Parser::new(bodies),
            open: None,
            skipper: None,
        };
        Self {
            bodies,
            sides: [side(), side()],
            outstanding: VecDeque::new(),
            certain: true,
            seen: [false; 2],
            subscribed: false,
            monitoring: false,
            muted: false,
            skip_next: false,
            replication: Replication::No,
        }
    }

    /// Goes on behind damage: what answers what is a guess from here on.
    fn lose(&mut self, direction: Direction, why: &'static str) {
        self.certain = false;
        self.outstanding.clear();
        if !matches!(self.replication, Replication::No) {
            self.replication = Replication::Commands;
        }
        self.sides[direction.index()].skipper = Some((Skipper::new(NAME, direction), why));
    }

    /// Ends the message that is being read before its end.
    fn abandon(&mut self, direction: Direction, completeness: Completeness, out: &mut Output<'_>) {
        let side = &mut self.sides[direction.index()];
        let value = side.parser.abandon();
        if let Some((id, span)) = side.open.take() {
            let (lead, node) = value.map_or((0, Node::Null), |value| (value.lead, value.node));
            self.message(id, direction, span, Value { lead, node }, completeness, out);
        }
        if direction == Direction::ToClient {
            match std::mem::replace(&mut self.replication, Replication::No) {
                Replication::Bytes { id, span, len, .. } => {
                    self.database(id, span, Some(len), completeness, out);
                    self.replication = Replication::Commands;
                }
                Replication::Until { id, span, .. } => {
                    self.database(id, span, None, completeness, out);
                    self.replication = Replication::Commands;
                }
                other @ (Replication::No
                | Replication::Asked
                | Replication::Database
                | Replication::Commands) => self.replication = other,
            }
        }
    }

    fn message(
        &mut self,
        id: MessageId,
        direction: Direction,
        span: Span,
        value: Value,
        completeness: Completeness,
        out: &mut Output<'_>,
    ) {
        let whole = completeness == Completeness::Complete;
        let (kind, answers, summary, mut body) = match (direction, value.node) {
            (Direction::ToServer, Node::List(words)) => self.command(id, words, whole),
            (Direction::ToServer, node) => {
                (Kind::Request, None, summary_of(value.lead, &node), node)
            }
            (Direction::ToClient, node) => {
                let (kind, answers) = self.reply(value.lead, &node, whole);
                let commands = matches!(self.replication, Replication::Commands);
                let mut line = Summary::new();
                match &node {
                    Node::List(words) if commands && kind == Kind::Push => {
                        command::summarise(words, &mut line);
                        (kind, answers, line.finish(), node)
                    }
                    _ => (kind, answers, summary_of(value.lead, &node), node),
                }
            }
        };
        if !self.bodies {
            body = Node::Null;
        }
        out.emit(Message {
            id,
            direction,
            protocol: NAME,
            kind,
            span,
            summary,
            body,
            answers,
            stream: None,
            trace_parent: None,
            completeness,
        });
    }

    fn command(
        &mut self,
        id: MessageId,
        mut words: Vec<Node>,
        whole: bool,
    ) -> (Kind, Option<Answer>, String, Node) {
        let answered = self.answered(&words);
        command::redact(&mut words);
        let mut line = Summary::new();
        command::summarise(&words, &mut line);
        let kind = match answered {
            Answered::Never => Kind::OneWay,
            Answered::Once | Answered::Confirmed(_) | Answered::Monitor | Answered::Replication => {
                Kind::Request
            }
        };
        if kind == Kind::Request && whole {
            if self.outstanding.len() == OUTSTANDING_MAX {
                self.outstanding.clear();
                self.certain = false;
            }
            self.outstanding.push_back(Outstanding {
                request: id,
                answered,
                begun: false,
            });
        }
        (kind, None, line.finish(), Node::List(words))
    }

    fn answered(&mut self, words: &[Node]) -> Answered {
        let reply = command::is(words.first(), "CLIENT") && command::is(words.get(1), "REPLY");
        if reply && command::is(words.get(2), "ON") {
            self.muted = false;
            return Answered::Once;
        }
        if reply && command::is(words.get(2), "OFF") {
            self.muted = true;
        } else if reply && command::is(words.get(2), "SKIP") {
            self.skip_next = true;
            return Answered::Never;
        }
        if std::mem::take(&mut self.skip_next) || self.muted {
            return Answered::Never;
        }
        let answered = command::answered(words);
        match answered {
            Answered::Confirmed(_) => self.subscribed = true,
            Answered::Replication => self.replication = Replication::Asked,
            Answered::Once | Answered::Monitor | Answered::Never => {}
        }
        answered
    }

    /// What a value from the server is.
    fn reply(&mut self, lead: u8, node: &Node, whole: bool) -> (Kind, Option<Answer>) {
        let list = match node {
            Node::List(items) if matches!(lead, b'*' | b'>') => &items[..],
            _ => &[],
        };
        let word = list.first().map_or(&b""[..], command::bytes);
        if command::is_confirmation(word) {
            if let Some(answer) = self.confirm() {
                return (Kind::Reply, Some(answer));
            }
        }
        let publication = [&b"message"[..], b"pmessage", b"smessage"].contains(&word)
            && (self.subscribed || self.outstanding.is_empty());
        let observed = self.monitoring && lead == b'+' && is_observation(node);
        let replicated = matches!(self.replication, Replication::Commands) && !list.is_empty();
        if lead == b'>' || publication || observed || replicated {
            return (Kind::Push, None);
        }
        // Confirmations without a number end where another reply comes.
        let ended = |front: &Outstanding| {
            front.begun && matches!(front.answered, Answered::Confirmed(None))
        };
        while self.outstanding.front().is_some_and(ended) {
            self.outstanding.pop_front();
        }
        let Some(front) = self.outstanding.front() else {
            self.certain = false;
            return (Kind::Reply, None);
        };
        let answer = Answer {
            request: front.request,
            certain: self.certain,
        };
        if whole {
            match front.answered {
                Answered::Monitor if lead == b'+' => self.monitoring = true,
                Answered::Replication => {
                    let text = match node {
                        Node::Text(text) => text.as_str(),
                        _ => "",
                    };
                    self.replication = match text.split(' ').next() {
                        Some("FULLRESYNC") => Replication::Database,
                        Some("CONTINUE") => Replication::Commands,
                        Some(_) | None => Replication::No,
                    };
                }
                Answered::Monitor | Answered::Once | Answered::Confirmed(_) | Answered::Never => {}
            }
            self.outstanding.pop_front();
        }
        (Kind::Reply, Some(answer))
    }

    /// Counts a confirmation for the oldest request, if that waits for one.
    fn confirm(&mut self) -> Option<Answer> {
        // Confirmations of one request without a number end where the next request's begin.
        let more = self.outstanding.len() > 1;
        let front = self.outstanding.front_mut()?;
        let Answered::Confirmed(left) = &mut front.answered else {
            return None;
        };
        let answer = Answer {
            request: front.request,
            certain: self.certain && (left.is_some() || !more),
        };
        front.begun = true;
        if let Some(left) = left {
            *left -= 1;
            if *left == 0 {
                self.outstanding.pop_front();
            }
        }
        Some(answer)
    }

    /// Reads the line of an inline command. Returns whether there was one.
    fn read_inline(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) -> bool {
        let mut span = input.begin();
        let line = match input.line(LINE_MAX) {
            Line::Whole(line) => line,
            Line::Partial => return false,
            Line::TooLong => {
                self.lose(Direction::ToServer, "the line is too long");
                return true;
            }
        };
        input.extend(&mut span);
        let text = line.iter().all(|byte| *byte >= b' ' || *byte == b'\t');
        match command::split_inline(line).filter(|_| text) {
            // Redis ignores empty lines.
            Some(words) if words.is_empty() => {}
            Some(words) => {
                let id = out.begin();
                let value = Value {
                    lead: b'*',
                    node: Node::List(words),
                };
                self.message(
                    id,
                    Direction::ToServer,
                    span,
                    value,
                    Completeness::Complete,
                    out,
                );
            }
            None => {
                let id = out.begin();
                let why = "no command begins with this byte";
                let damage = Completeness::Damaged {
                    at: span.start,
                    why,
                };
                let value = Value {
                    lead: b'+',
                    node: Node::slice(&line[..line.len().min(HEAD_KEPT)]),
                };
                self.message(id, Direction::ToServer, span, value, damage, out);
                self.lose(Direction::ToServer, why);
            }
        }
        true
    }

    /// Bytes that begin no message. In the middle of a connection that is no damage.
    fn misplaced(&mut self, direction: Direction) {
        let first = !self.seen[direction.index()];
        let why = if first {
            "the recording begins within a message"
        } else {
            "no type begins with this byte"
        };
        self.lose(direction, why);
    }
}

/// A line of MONITOR: a time in seconds with a fraction, then the client in brackets.
fn is_observation(node: &Node) -> bool {
    let text = command::bytes(node);
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'.');
    end.is_some_and(|end| end > 0 && text[end..].starts_with(b" ["))
}

fn summary_of(lead: u8, node: &Node) -> String {
    let mut line = Summary::new();
    let error = node.get("error").filter(|_| matches!(lead, b'-' | b'!'));
    match (lead, node) {
        (b'+', Node::Text(text)) => drop(line.text("+").raw(text.as_bytes())),
        (_, Node::Null) if lead != 0 => drop(line.text("(nil)")),
        (b':', Node::Int(value)) => drop(line.text(":").show(value)),
        _ => match error {
            Some(text) => drop(line.text("-").raw(command::bytes(text))),
            None => node.summarise(&mut line),
        },
    }
    line.finish()
}

impl Decoder for RespDecoder {
    fn feed(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) {
        let direction = input.direction();
        let at = direction.index();
        if !self.seen[at] && !input.is_empty() {
            // A server does not speak first.
            let first = direction == Direction::ToServer || self.seen[0];
            let beginning = input.is_beginning();
            self.certain &= beginning && first;
            let lead = input.bytes()[0];
            let begins = match direction {
                Direction::ToServer => beginning || lead == b'*',
                Direction::ToClient => is_lead(lead),
            };
            if !begins {
                self.misplaced(direction);
            }
            self.seen[at] = true;
        }
        while !input.is_empty() {
            let side = &mut self.sides[at];
            if let Some((mut skipper, why)) = side.skipper.take() {
                let found = skipper.skip_to_line(input, |bytes| match direction {
                    Direction::ToServer => is_command(bytes),
                    Direction::ToClient => is_value(bytes),
                });
                if !found {
                    side.skipper = Some((skipper, why));
                    return;
                }
                skipper.emit(why, out);
                continue;
            }
            if side.open.is_none() {
                match direction {
                    Direction::ToServer if input.bytes()[0] != b'*' => {
                        if !self.read_inline(input, out) {
                            return;
                        }
                        continue;
                    }
                    Direction::ToClient => match self.replication {
                        Replication::Database
                        | Replication::Bytes { .. }
                        | Replication::Until { .. } => {
                            if !self.read_database(input, out) {
                                return;
                            }
                            continue;
                        }
                        Replication::Asked | Replication::Commands if input.bytes()[0] == b'\n' => {
                            input.take(1);
                            continue;
                        }
                        Replication::No | Replication::Asked | Replication::Commands => {
                            if !is_lead(input.bytes()[0]) {
                                self.misplaced(direction);
                                continue;
                            }
                        }
                    },
                    Direction::ToServer => {}
                }
            }
            let side = &mut self.sides[at];
            let (id, mut span) = side
                .open
                .take()
                .unwrap_or_else(|| (out.begin(), input.begin()));
            let step = side.parser.step(input);
            input.extend(&mut span);
            match step {
                Step::More => {
                    side.open = Some((id, span));
                    return;
                }
                Step::Value(value) => {
                    self.message(id, direction, span, value, Completeness::Complete, out);
                }
                Step::Bad(why) => {
                    side.open = Some((id, span));
                    let damage = Completeness::Damaged {
                        at: input.offset(),
                        why,
                    };
                    self.abandon(direction, damage, out);
                    self.lose(direction, why);
                }
            }
        }
    }

    fn gap(&mut self, rest: &mut Input<'_>, out: &mut Output<'_>) {
        let why = "bytes are missing";
        let damage = Completeness::Damaged {
            at: rest.offset() + rest.len() as u64,
            why,
        };
        self.stop(rest, damage, why, out);
        self.lose(rest.direction(), why);
    }

    fn end(&mut self, rest: &mut Input<'_>, end: End, out: &mut Output<'_>) {
        self.stop(rest, Completeness::Cut { why: end.why() }, end.why(), out);
    }
}

impl RespDecoder {
    /// Emits what is incomplete, with the unread rest.
    fn stop(
        &mut self,
        rest: &mut Input<'_>,
        completeness: Completeness,
        why: &'static str,
        out: &mut Output<'_>,
    ) {
        let direction = rest.direction();
        let side = &mut self.sides[direction.index()];
        if let Some((mut skipper, _)) = side.skipper.take() {
            skipper.skip(rest, rest.len());
            skipper.emit(why, out);
            return;
        }
        match &mut self.replication {
            Replication::Bytes { span, .. } | Replication::Until { span, .. }
                if direction == Direction::ToClient =>
            {
                rest.take(rest.len().min(BODY_MAX));
                rest.extend(span);
            }
            _ => {
                if let Some((_, span)) = &mut side.open {
                    rest.take(rest.len());
                    rest.extend(span);
                }
            }
        }
        self.abandon(direction, completeness, out);
    }
}
