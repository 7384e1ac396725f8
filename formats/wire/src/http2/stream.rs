//! Streams of HTTP/2: each is a request and its reply, or the messages of a gRPC call.

use crate::blob::Collector;
use crate::escape::Summary;
use crate::flow::Input;
use crate::grpc;
use crate::http::{self, collector, Fields, Start};
use crate::message::{
    Answer, Completeness, Direction, Kind, Message, MessageId, Span, TraceParent,
};
use crate::node::{Name, Node};
use crate::protocol::Output;
use crate::settings::Settings;
use prost_reflect::MessageDescriptor;

use super::hpack::UNKNOWN;
use super::NAME;

/// The fields of a header block.
#[derive(Default)]
pub struct Block {
    pub method: Option<String>,
    pub path: Option<Vec<u8>>,
    pub authority: Option<Vec<u8>>,
    pub status: Option<u16>,
    pub fields: Fields,
    pub grpc: grpc::Status,
    pub grpc_encoding: Option<String>,
    /// Whether fields are missing that earlier, unrecorded blocks introduced.
    unknown: bool,
}

impl Block {
    pub fn add(&mut self, name: &[u8], value: &[u8], bodies: bool) {
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b":method" => self.method = Some(text()),
            b":path" => self.path = Some(value.to_vec()),
            b":status" => {
                self.status = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok())
            }
            b"grpc-status" => {
                self.grpc.code = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
            }
            UNKNOWN => self.unknown = true,
            b"grpc-message" => self.grpc.message = value.to_vec(),
            b"grpc-encoding" => self.grpc_encoding = Some(text()),
            _ => {
                if name == b":authority" {
                    self.authority = Some(value.to_vec());
                }
                self.fields
                    .add(&String::from_utf8_lossy(name), value, bodies);
            }
        }
    }
}

/// What a message is emitted with besides its own content.
pub struct Context<'a> {
    pub settings: &'a Settings,
    pub stream: u32,
    pub direction: Direction,
}

/// A call of gRPC, as both directions know it.
struct Call {
    path: Vec<u8>,
    types: Option<(MessageDescriptor, MessageDescriptor)>,
}

/// One direction of a stream.
#[derive(Default)]
pub struct Half {
    pub done: bool,
    /// The message that has begun, from its first frame on.
    open: Option<(MessageId, Span)>,
    start: Option<Start>,
    fields: Fields,
    trailers: Fields,
    content: Option<Collector>,
    status: grpc::Status,
    encoding: String,
    trace_parent: Option<TraceParent>,
    reader: Option<grpc::Reader>,
    /// The field that tells a call may be among those that are unknown.
    maybe_call: bool,
    /// The last message of a call's reply, which is shown with the status.
    held: Option<(MessageId, Span, Node)>,
    /// Messages of the call that were emitted.
    sent: u64,
    /// What is wrong with the header block.
    damage: Option<(u64, &'static str)>,
}

#[derive(Default)]
pub struct Stream {
    /// By direction.
    pub halves: [Half; 2],
    pub request: Option<MessageId>,
    call: Option<Call>,
}

fn join(span: &mut Span, more: Span) {
    span.end = more.end;
    span.last_event = more.last_event;
}

impl Stream {
    pub fn half(&mut self, direction: Direction) -> &mut Half {
        &mut self.halves[direction.index()]
    }

    pub fn is_done(&self) -> bool {
        self.halves.iter().all(|half| half.done)
    }

    /// Takes a header block, whose frames are `span`.
    pub fn headers(
        &mut self,
        context: &Context<'_>,
        block: Block,
        span: Span,
        damage: Option<(u64, &'static str)>,
        out: &mut Output<'_>,
    ) {
        let bodies = context.settings.bodies();
        let half = &mut self.halves[context.direction.index()];
        if half.done {
            return;
        }
        half.damage = half.damage.or(damage);
        if half.start.is_some() || half.content.is_some() {
            half.trailers = block.fields;
            half.status = block.grpc;
            if let Some((_, open)) = &mut half.open {
                join(open, span);
            } else if let Some((_, held, _)) = &mut half.held {
                join(held, span);
            } else {
                half.open = Some((out.begin(), span));
            }
            return;
        }
        let id = out.begin();
        half.open = Some((id, span));
        half.trace_parent = block.fields.trace_parent;
        half.encoding = block.grpc_encoding.unwrap_or_default();
        half.status = block.grpc;
        let start = match context.direction {
            Direction::ToServer => {
                let method = block.method.unwrap_or_else(|| "?".into());
                let target = block
                    .path
                    .or(block.authority)
                    .unwrap_or_else(|| b"?".to_vec());
                if grpc::is_grpc(block.fields.content_type.as_deref()) {
                    let path = String::from_utf8_lossy(&target);
                    let types = grpc::types(context.settings, &path);
                    self.call = Some(Call {
                        path: target.clone(),
                        types,
                    });
                }
                self.request = Some(id);
                Start::Request { method, target }
            }
            Direction::ToClient => {
                let status = block.status.unwrap_or(0);
                Start::Reply {
                    status,
                    reason: String::new(),
                }
            }
        };
        let half = &mut self.halves[context.direction.index()];
        half.maybe_call = block.unknown && block.fields.content_type.is_none();
        half.fields = block.fields;
        if matches!(
            start,
            Start::Reply {
                status: 100..=199,
                ..
            }
        ) {
            // An interim reply; the final one has header fields of its own.
            half.content = Some(collector(bodies));
            half.start = Some(start);
            self.emit_plain(context, Completeness::Complete, out);
            return;
        }
        let call = self.call.is_some() || grpc::is_grpc(half.fields.content_type.as_deref());
        if call && grpc::is_grpc(half.fields.content_type.as_deref()) {
            half.reader = Some(grpc::Reader::default());
        }
        half.content = Some(collector(bodies));
        half.start = Some(start);
    }

    /// Takes content: what is there of the next `left` bytes. `frame` is what was read of the
    /// frame until now.
    pub fn data(
        &mut self,
        context: &Context<'_>,
        input: &mut Input<'_>,
        left: usize,
        mut frame: Option<Span>,
        out: &mut Output<'_>,
    ) -> usize {
        let bodies = context.settings.bodies();
        self.guess(context.direction, input.bytes(), left);
        let mut taken = 0;
        while taken < left && !input.is_empty() {
            let half = &mut self.halves[context.direction.index()];
            if half.done {
                // Bytes behind the end of the stream belong to nothing.
                return taken + input.take(left - taken).len();
            }
            let mut begin = || (out.begin(), frame.take().unwrap_or_else(|| input.begin()));
            let (id, mut span) = half.open.take().unwrap_or_else(&mut begin);
            let Some(reader) = &mut half.reader else {
                let bytes = input.take(left - taken);
                taken += bytes.len();
                half.content
                    .get_or_insert_with(|| collector(bodies))
                    .push(bytes);
                input.extend(&mut span);
                half.open = Some((id, span));
                continue;
            };
            let bytes = input.take(reader.wants().min(left - taken));
            taken += bytes.len();
            input.extend(&mut span);
            match reader.push(bytes, bodies) {
                None => half.open = Some((id, span)),
                Some(payload) => {
                    let node = self.decode(context, payload);
                    match context.direction {
                        Direction::ToServer => {
                            self.emit_call(
                                context,
                                id,
                                span,
                                Some(node),
                                Completeness::Complete,
                                out,
                            );
                        }
                        Direction::ToClient => {
                            self.release(context, out);
                            self.half(context.direction).held = Some((id, span, node));
                        }
                    }
                }
            }
            // Messages behind the first one of a frame begin where they begin.
            frame = None;
        }
        taken
    }

    /// Takes a stream for a call if its header fields are not known and its first frame of content
    /// holds just one message of gRPC.
    fn guess(&mut self, direction: Direction, bytes: &[u8], left: usize) {
        let half = &mut self.halves[direction.index()];
        let Some([0 | 1, len @ ..]) = bytes.first_chunk::<5>() else {
            return;
        };
        let fits = u32::from_be_bytes(*len) as usize + 5 == left;
        let first = half.content.as_ref().is_some_and(Collector::is_empty);
        if std::mem::take(&mut half.maybe_call) && first && fits {
            half.reader = Some(grpc::Reader::default());
            let path = match &half.start {
                Some(Start::Request { target, .. }) => target.clone(),
                Some(Start::Reply { .. }) | None => UNKNOWN.to_vec(),
            };
            self.call.get_or_insert(Call { path, types: None });
        }
    }

    fn decode(&mut self, context: &Context<'_>, payload: grpc::Payload) -> Node {
        let types = self.call.as_ref().and_then(|call| call.types.as_ref());
        let kind = types.map(|types| match context.direction {
            Direction::ToServer => &types.0,
            Direction::ToClient => &types.1,
        });
        let half = &self.halves[context.direction.index()];
        payload.decode(
            kind,
            &half.encoding,
            half.fields.media_type().ends_with("+json"),
        )
    }

    /// Emits the message that was held back.
    fn release(&mut self, context: &Context<'_>, out: &mut Output<'_>) {
        if let Some((id, span, node)) = self.half(context.direction).held.take() {
            self.emit_call(context, id, span, Some(node), Completeness::Complete, out);
        }
    }

    /// Ends a direction. `frame` is the one that says so.
    pub fn end(
        &mut self,
        context: &Context<'_>,
        frame: Option<Span>,
        completeness: Completeness,
        out: &mut Output<'_>,
    ) {
        let half = &mut self.halves[context.direction.index()];
        if std::mem::replace(&mut half.done, true) {
            return;
        }
        let completeness = match half.damage {
            Some((at, why)) => Completeness::Damaged { at, why },
            None => completeness,
        };
        if let (Some(frame), Some((_, span))) = (frame, &mut half.open) {
            join(span, frame);
        }
        let complete = completeness == Completeness::Complete;
        let Some(reader) = &mut half.reader else {
            if half.open.is_none() && complete {
                // A stream of which only the end was recorded.
                half.open = frame.map(|frame| (out.begin(), frame));
            }
            return self.emit_plain(context, completeness, out);
        };
        let between = reader.is_between();
        let part = reader.take();
        let open = half.open.take();
        let held = half.held.take();
        let completeness = match (complete, between) {
            (true, false) => Completeness::Cut {
                why: "the stream ends within a message",
            },
            (true, true) | (false, _) => completeness,
        };
        match (held, open) {
            (Some((id, mut span, node)), None) => {
                if let Some(frame) = frame {
                    join(&mut span, frame);
                }
                self.emit_call(context, id, span, Some(node), completeness, out);
            }
            (held, Some((id, span))) => {
                if let Some((id, span, node)) = held {
                    self.emit_call(context, id, span, Some(node), Completeness::Complete, out);
                }
                let part = part.map(|part| self.decode(context, part));
                let unfinished = !between || self.half(context.direction).sent == 0;
                let status = self.half(context.direction).status.code.is_some();
                if unfinished || status {
                    self.emit_call(context, id, span, part, completeness, out);
                }
            }
            (None, None) => {}
        }
    }

    /// Emits a request or reply that is no call.
    fn emit_plain(
        &mut self,
        context: &Context<'_>,
        completeness: Completeness,
        out: &mut Output<'_>,
    ) {
        let bodies = context.settings.bodies();
        let request = self.request;
        let half = self.half(context.direction);
        let (Some((id, span)), content) = (half.open.take(), half.content.take()) else {
            return;
        };
        let content = content.unwrap_or_else(|| collector(bodies)).finish();
        let start = half.start.take().unwrap_or(match context.direction {
            Direction::ToServer => Start::Request {
                method: "?".into(),
                target: b"?".to_vec(),
            },
            Direction::ToClient => Start::Reply {
                status: 0,
                reason: String::new(),
            },
        });
        let kind = start.kind();
        let (fields, trailers) = (
            std::mem::take(&mut half.fields),
            std::mem::take(&mut half.trailers),
        );
        let (summary, body) = http::render(start, "2".into(), fields, trailers, content, bodies);
        out.emit(Message {
            id,
            direction: context.direction,
            protocol: NAME,
            kind,
            span,
            summary,
            body,
            answers: answer(context.direction, request),
            stream: Some(context.stream),
            trace_parent: half.trace_parent,
            completeness,
        });
    }

    /// Emits a message of a call, or its end without one.
    fn emit_call(
        &mut self,
        context: &Context<'_>,
        id: MessageId,
        span: Span,
        node: Option<Node>,
        completeness: Completeness,
        out: &mut Output<'_>,
    ) {
        let request = self.request;
        let path = self.call.as_ref().map_or(&b"?"[..], |call| &call.path);
        let half = &mut self.halves[context.direction.index()];
        let first = half.sent == 0;
        half.sent += 1;
        let status = if half.done {
            std::mem::take(&mut half.status)
        } else {
            grpc::Status::default()
        };
        let mut line = Summary::new();
        line.text("gRPC");
        let kind = match context.direction {
            Direction::ToServer => {
                line.text(" ").raw(path);
                // What follows the first message goes to the same call, and has no reply of its own.
                if first {
                    Kind::Request
                } else {
                    Kind::OneWay
                }
            }
            Direction::ToClient => Kind::Reply,
        };
        status.summarise(&mut line);
        if let Some(node) = &node {
            line.text(" ");
            node.summarise(&mut line);
        }
        let mut body = Node::Null;
        if context.settings.bodies() {
            let mut parts: Vec<(Name, Node)> = Vec::new();
            if context.direction == Direction::ToServer {
                parts.push(("path".into(), Node::slice(path)));
            }
            if first && !half.fields.is_empty() {
                parts.push(("headers".into(), half.fields.take()));
            }
            parts.extend(node.map(|node| ("message".into(), node)));
            parts.extend(status.node().map(|status| ("status".into(), status)));
            if half.done && !half.trailers.is_empty() {
                parts.push(("trailers".into(), half.trailers.take()));
            }
            body = Node::Map(parts);
        }
        out.emit(Message {
            id,
            direction: context.direction,
            protocol: grpc::NAME,
            kind,
            span,
            summary: line.finish(),
            body,
            answers: answer(context.direction, request),
            stream: Some(context.stream),
            trace_parent: half.trace_parent.filter(|_| first),
            completeness,
        });
    }

    /// A request that the server makes in the client's place. Returns how it reads.
    pub fn promise(&mut self, block: Block, id: MessageId, bodies: bool) -> (String, Node) {
        let start = Start::Request {
            method: block.method.unwrap_or_else(|| "?".into()),
            target: block.path.unwrap_or_else(|| b"?".to_vec()),
        };
        self.request = Some(id);
        self.half(Direction::ToServer).done = true;
        let content = collector(bodies).finish();
        http::render(
            start,
            "2".into(),
            block.fields,
            Fields::default(),
            content,
            bodies,
        )
    }
}

/// A stream has one request, so what comes back on it answers that.
fn answer(direction: Direction, request: Option<MessageId>) -> Option<Answer> {
    match direction {
        Direction::ToServer => None,
        Direction::ToClient => request.map(|request| Answer {
            request,
            certain: true,
        }),
    }
}
