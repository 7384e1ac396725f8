//! Spans of a run.

use std::collections::BTreeMap;
use std::time::SystemTime;

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use opentelemetry_sdk::Resource;
use opentelemetry_semantic_conventions::{attribute as names, SCHEMA_URL};
use reenact_causal::{Behalf, ConnectionId, Ended, LinkKind, Point, Process, Side};
use reenact_trace::Meta;
use reenact_wire::TraceParent;
use rustc_hash::{FxHashMap, FxHashSet};

use super::meaning::Meaning;
use crate::commands::export::clock::WallClock;
use crate::commands::export::gather::{Exchange, Run, Said};
use crate::commands::show::line::{Line, What};
use crate::commands::show::words::{plain as name, shortened, signal_name};

/// Links of one span, and events of a process's.
const LINKS_MAX: usize = 32;
const EVENTS_MAX: usize = 128;
/// Characters of a text.
pub(super) const TEXT_MAX: usize = 1_000;
/// Requests within requests; what is deeper begins a trace of its own.
const DEPTH_MAX: usize = 100;
/// Links of the run that are looked at to find a message that came before.
const CAUSES_MAX: usize = 8;

/// Spans of one process.
pub struct Batch {
    pub resource: Resource,
    pub spans: Vec<SpanData>,
}

/// Where a span stands.
#[derive(Clone, Debug)]
struct Context {
    trace: TraceId,
    span: SpanId,
    parent: SpanId,
    /// Whether the parent is a span of the program's own, which is not exported here.
    remote: bool,
    flags: TraceFlags,
}

/// What a span is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    Process(u32),
    /// By the exchange's number: where it was made, and where it was served.
    Client(usize),
    Server(usize),
    /// By the message's.
    Producer(usize),
    Consumer(usize),
}

pub struct Builder<'a> {
    pub(super) run: &'a Run<Meaning>,
    pub(super) clock: &'a WallClock,
    pub(super) meta: &'a Meta,
    scope: InstrumentationScope,
    /// Contexts of requests' spans, as far as they were needed.
    contexts: FxHashMap<Role, Context>,
    /// Requests and other messages by their last bytes, to find the message that a link is of.
    messages: FxHashMap<(ConnectionId, Side), BTreeMap<u64, usize>>,
    notes: BTreeMap<u32, Vec<&'a Line>>,
    /// Connections of which something is TLS.
    pub(super) secure: FxHashSet<ConnectionId>,
    /// How many requests the one at hand is within.
    depth: usize,
    batches: BTreeMap<u32, Vec<SpanData>>,
}

impl<'a> Builder<'a> {
    pub fn new(run: &'a Run<Meaning>, clock: &'a WallClock, meta: &'a Meta) -> Builder<'a> {
        let mut messages: FxHashMap<_, BTreeMap<u64, usize>> = FxHashMap::default();
        for (at, said) in run.said.iter().enumerate() {
            let way = messages.entry((said.connection, said.from)).or_default();
            way.insert(said.span.1, at);
        }
        let secure = run.said.iter().filter(|said| said.protocol == "tls");
        let secure = secure.map(|said| said.connection).collect();
        let mut notes: BTreeMap<u32, Vec<&Line>> = BTreeMap::new();
        for line in &run.notes {
            notes
                .entry(line.event.stream.process)
                .or_default()
                .push(line);
        }
        let scope = InstrumentationScope::builder("reenact")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build();
        Builder {
            run,
            clock,
            meta,
            scope,
            contexts: FxHashMap::default(),
            messages,
            notes,
            secure,
            depth: 0,
            batches: BTreeMap::new(),
        }
    }

    /// All spans, process by process.
    pub fn build(mut self) -> Vec<Batch> {
        for process in self.run.story.processes().values() {
            self.process(process);
        }
        for (number, exchange) in self.run.exchanges.iter().enumerate() {
            self.exchange(number, exchange);
        }
        for (at, said) in self.run.said.iter().enumerate() {
            if self.run.exchange_of(at).is_none() {
                self.message(at, said);
            }
        }
        let batches = std::mem::take(&mut self.batches);
        let batches = batches.into_iter().map(|(process, spans)| Batch {
            resource: self.resource(process),
            spans,
        });
        batches.collect()
    }

    fn time(&self, mono_ns: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.clock.since_epoch(mono_ns)
    }

    /// An id of something in this recording.
    fn hash(&self, what: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.meta.uuid).update(what.as_bytes());
        hasher.finalize().into()
    }

    fn span_id(&self, role: Role) -> SpanId {
        let hash = self.hash(&format!("{role:?}"));
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash[..8]);
        SpanId::from_bytes(bytes)
    }

    fn trace_id(&self, what: &str) -> TraceId {
        let hash = self.hash(what);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        TraceId::from_bytes(bytes)
    }

    fn root(&self, role: Role) -> Context {
        Context {
            trace: self.trace_id(&format!("trace of {role:?}")),
            span: self.span_id(role),
            parent: SpanId::INVALID,
            remote: false,
            flags: TraceFlags::SAMPLED,
        }
    }

    fn within(&self, parent: &Context, role: Role) -> Context {
        Context {
            trace: parent.trace,
            span: self.span_id(role),
            parent: parent.span,
            remote: false,
            flags: parent.flags,
        }
    }

    /// Where the outermost span of an exchange stands: the one where it was made, or else where it was
    /// served.
    fn outer(&mut self, number: usize) -> (Role, Context) {
        let exchange = self.run.exchanges[number];
        let request = &self.run.said[exchange.request];
        let role = match request.sent() {
            Some(_) => Role::Client(number),
            None => Role::Server(number),
        };
        if let Some(known) = self.contexts.get(&role) {
            return (role, known.clone());
        }
        // Should requests go round in a circle, this one begins a trace.
        let root = self.root(role);
        self.contexts.insert(role, root.clone());
        let parent = request.cut.and_then(|cut| cut.trace_parent);
        let context = match parent {
            Some(parent) => self.of_program(&parent, role),
            None => match request.sent().map(|(first, _)| self.run.served.at(first)) {
                Some(Behalf::Request(asked)) if asked != number && self.depth < DEPTH_MAX => {
                    self.depth += 1;
                    let (_, parent) = self.inner(asked);
                    self.depth -= 1;
                    self.within(&parent, role)
                }
                Some(Behalf::Request(_) | Behalf::Several(_) | Behalf::Nobody) | None => root,
            },
        };
        self.contexts.insert(role, context.clone());
        (role, context)
    }

    /// The span of an exchange where it was served, or else where it was made.
    fn inner(&mut self, number: usize) -> (Role, Context) {
        let (role, outer) = self.outer(number);
        let request = self.run.exchanges[number].request;
        match (role, self.run.said[request].received()) {
            (Role::Client(_), Some(_)) => {
                let role = Role::Server(number);
                (role, self.within(&outer, role))
            }
            (role, _) => (role, outer),
        }
    }

    /// A span within one of the program's own.
    fn of_program(&self, parent: &TraceParent, role: Role) -> Context {
        Context {
            trace: TraceId::from_bytes(parent.trace_id),
            span: self.span_id(role),
            parent: SpanId::from_bytes(parent.parent_id),
            remote: true,
            flags: TraceFlags::new(parent.flags),
        }
    }

    fn process_context(&self, process: u32) -> Context {
        let parent = self
            .run
            .story
            .process(process)
            .and_then(|process| process.parent);
        let parent = parent.filter(|parent| self.run.story.process(*parent).is_some());
        Context {
            trace: self.trace_id("the run"),
            span: self.span_id(Role::Process(process)),
            parent: parent.map_or(SpanId::INVALID, |parent| {
                self.span_id(Role::Process(parent))
            }),
            remote: false,
            flags: TraceFlags::SAMPLED,
        }
    }

    fn process(&mut self, process: &Process) {
        let context = self.process_context(process.number);
        let notes = self.notes.remove(&process.number).unwrap_or_default();
        let mut events = SpanEvents::default();
        let mut end_ns = process.started_ns;
        for line in notes {
            end_ns = end_ns.max(line.time_ns);
            let What::Note { kind, text } = &line.what else {
                continue;
            };
            if events.events.len() == EVENTS_MAX {
                events.dropped_count += 1;
                continue;
            }
            let attributes = vec![
                KeyValue::new("reenact.event", line.event_name()),
                KeyValue::new("reenact.text", shortened(text, TEXT_MAX)),
            ];
            events
                .events
                .push(Event::new(*kind, self.time(line.time_ns), attributes, 0));
        }
        let mut attributes = Vec::new();
        let status = match process.ended {
            Some(Ended::Status(0)) => {
                attributes.push(KeyValue::new(names::PROCESS_EXIT_CODE, 0));
                Status::Ok
            }
            Some(Ended::Status(status)) => {
                attributes.push(KeyValue::new(names::PROCESS_EXIT_CODE, i64::from(status)));
                attributes.push(KeyValue::new(names::ERROR_TYPE, status.to_string()));
                Status::error(format!("exit status {status}"))
            }
            Some(Ended::Signal(signal)) => {
                let signal = signal_name(signal);
                attributes.push(KeyValue::new(names::ERROR_TYPE, signal.clone()));
                Status::error(format!("killed by {signal}"))
            }
            Some(Ended::Killed) => {
                attributes.push(KeyValue::new(names::ERROR_TYPE, "killed"));
                Status::error("killed")
            }
            Some(Ended::Unknown) | None => Status::Unset,
        };
        let name = format!("process {}", name(&self.run.story, process.number));
        let span = SpanData {
            events,
            status,
            attributes,
            ..self.span(
                &context,
                SpanKind::Internal,
                name,
                process.started_ns,
                end_ns,
            )
        };
        self.batches.entry(process.number).or_default().push(span);
    }

    /// A span without anything but its place and time.
    fn span(
        &self,
        context: &Context,
        span_kind: SpanKind,
        name: String,
        start_ns: u64,
        end_ns: u64,
    ) -> SpanData {
        SpanData {
            span_context: span_context(context),
            parent_span_id: context.parent,
            parent_span_is_remote: context.remote,
            span_kind,
            name: name.into(),
            start_time: self.time(start_ns),
            end_time: self.time(end_ns.max(start_ns)),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    /// The spans of a request, where it was made and where it was served.
    fn exchange(&mut self, number: usize, exchange: &Exchange) {
        let run = self.run;
        let request = &run.said[exchange.request];
        let reply = exchange.reply.map(|reply| &run.said[reply]);
        let (outer_role, outer) = self.outer(number);
        let name = request.kept.name.clone();
        let name = name.unwrap_or_else(|| request.protocol.to_owned());
        if let Some((first, last)) = request.sent() {
            let end = reply
                .and_then(|reply| reply.received())
                .map_or(last, |(_, last)| last);
            let mut span = self.span(
                &outer,
                SpanKind::Client,
                name.clone(),
                first.time_ns,
                end.time_ns,
            );
            self.describe(&mut span, request, reply, Side::Zero, &first);
            span.links = self.causes(&first, outer_role, &outer);
            let process = first.event.stream.process;
            self.batches.entry(process).or_default().push(span);
        }
        if let Some((_, got)) = request.received() {
            let (role, context) = self.inner(number);
            let end = reply
                .and_then(|reply| reply.sent())
                .map_or(got, |(_, last)| last);
            let mut span = self.span(&context, SpanKind::Server, name, got.time_ns, end.time_ns);
            self.describe(&mut span, request, reply, Side::One, &got);
            if role == outer_role {
                span.links = self.links_of_root(&got, &context);
            }
            let process = got.event.stream.process;
            self.batches.entry(process).or_default().push(span);
        }
    }

    /// The spans of a message that asks for nothing.
    fn message(&mut self, at: usize, said: &Said<Meaning>) {
        let size = i64::try_from(said.span.1.saturating_sub(said.span.0)).unwrap_or(i64::MAX);
        let channel = self.run.story.connections().get(said.connection).channel;
        let size = if channel.keeps_messages() {
            None
        } else {
            Some(size)
        };
        let about = |operation: &'static str, kind: &'static str| {
            let mut own = vec![
                KeyValue::new(names::MESSAGING_SYSTEM, said.protocol),
                KeyValue::new(names::MESSAGING_OPERATION_NAME, operation),
                KeyValue::new(names::MESSAGING_OPERATION_TYPE, kind),
                KeyValue::new(
                    names::MESSAGING_DESTINATION_NAME,
                    format!("connection {}", said.connection.0),
                ),
            ];
            own.extend(size.map(|size| KeyValue::new(names::MESSAGING_MESSAGE_BODY_SIZE, size)));
            own
        };
        let (role, other) = (Role::Producer(at), Role::Consumer(at));
        let mut producer = None;
        if let Some((first, last)) = said.sent() {
            let context = self.producer(at, &first);
            let name = format!("send {}", said.protocol);
            let mut span = self.span(
                &context,
                SpanKind::Producer,
                name,
                first.time_ns,
                last.time_ns,
            );
            span.attributes = about("send", "send");
            self.network(&mut span, said.connection, said.from);
            self.place(&mut span, said, &first);
            span.links = self.causes(&first, role, &context);
            let process = first.event.stream.process;
            self.batches.entry(process).or_default().push(span);
            producer = Some(context);
        }
        let received = said.received().or_else(|| {
            // A datagram of which nobody knows the sender.
            let line = &said.line;
            let point = Point {
                event: line.event,
                time_ns: line.time_ns,
                ..Point::default()
            };
            said.sent().is_none().then_some((point, point))
        });
        if let Some((first, last)) = received {
            let context = match &producer {
                Some(producer) => self.within(producer, other),
                None => self.root(other),
            };
            let name = format!("receive {}", said.protocol);
            let mut span = self.span(
                &context,
                SpanKind::Consumer,
                name,
                first.time_ns,
                last.time_ns,
            );
            span.attributes = about("receive", "receive");
            self.network(&mut span, said.connection, said.from.other());
            self.place(&mut span, said, &last);
            match &producer {
                Some(producer) => span.links.links.push(link(producer, "sent_as")),
                None => span.links = self.links_of_root(&last, &context),
            }
            let process = last.event.stream.process;
            self.batches.entry(process).or_default().push(span);
        }
    }

    /// Links of a span that begins with something sent at a point: to what may have asked for it, to the
    /// message that led to it, and to its process if it is within nothing else.
    fn causes(&mut self, point: &Point, role: Role, context: &Context) -> SpanLinks {
        let mut links = self.links_of_root(point, context);
        let own = match role {
            Role::Client(number) | Role::Server(number) => Some(number),
            Role::Process(_) | Role::Producer(_) | Role::Consumer(_) => None,
        };
        match self.run.served.at(*point) {
            Behalf::Several(requests) => {
                for asked in requests.into_iter().filter(|asked| Some(*asked) != own) {
                    let (_, asked) = self.inner(asked);
                    links.links.push(link(&asked, "may_be_for"));
                }
            }
            // A request of the program's own trace is still for whoever was being served.
            Behalf::Request(asked) if Some(asked) != own => {
                let (_, asked) = self.inner(asked);
                if asked.span != context.parent {
                    links.links.push(link(&asked, "for"));
                }
            }
            Behalf::Request(_) | Behalf::Nobody => {}
        }
        if let Some(before) = self.nearest(point) {
            let known = links
                .links
                .iter()
                .any(|link| link.span_context.span_id() == before.span);
            if before.span != context.parent && before.span != context.span && !known {
                links.links.push(link(&before, "caused_by"));
            }
        }
        let many = links.links.len().saturating_sub(LINKS_MAX);
        links.links.truncate(LINKS_MAX);
        links.dropped_count = many as u32;
        links
    }

    fn links_of_root(&self, point: &Point, context: &Context) -> SpanLinks {
        let mut links = SpanLinks::default();
        if context.parent == SpanId::INVALID {
            let process = self.process_context(point.event.stream.process);
            links.links.push(link(&process, "process"));
        }
        links
    }

    /// The span of the last message that whoever sent at this point had received, or knew of.
    fn nearest(&mut self, point: &Point) -> Option<Context> {
        let links = self
            .run
            .model
            .causality()
            .causes_of(point.place, CAUSES_MAX);
        for known in links {
            let LinkKind::Bytes {
                connection,
                from,
                end,
                ..
            } = known.kind
            else {
                continue;
            };
            let way = self.messages.get(&(connection, from))?;
            let (_, at) = way.range(end..).next().or_else(|| way.last_key_value())?;
            let at = *at;
            let context = match self.run.exchange_of(at) {
                // A reply was received by the span that asked, a request by the one that serves.
                Some(number) if self.run.exchanges[number].request == at => self.inner(number).1,
                Some(number) => self.outer(number).1,
                None => self.consumer(at),
            };
            return Some(context);
        }
        None
    }

    /// The span of a message where it was sent.
    fn producer(&mut self, at: usize, sent: &Point) -> Context {
        let role = Role::Producer(at);
        let parent = self.run.said[at].cut.and_then(|cut| cut.trace_parent);
        match (parent, self.run.served.at(*sent)) {
            (Some(parent), _) => self.of_program(&parent, role),
            (None, Behalf::Request(asked)) => {
                let (_, parent) = self.inner(asked);
                self.within(&parent, role)
            }
            (None, Behalf::Nobody | Behalf::Several(_)) => self.root(role),
        }
    }

    /// The span of a message where it was received.
    fn consumer(&mut self, at: usize) -> Context {
        let said = &self.run.said[at];
        let role = Role::Consumer(at);
        let Some((first, _)) = said.sent() else {
            return self.root(role);
        };
        let producer = self.producer(at, &first);
        self.within(&producer, role)
    }
}

fn span_context(context: &Context) -> SpanContext {
    let Context {
        trace, span, flags, ..
    } = context;
    SpanContext::new(*trace, *span, *flags, false, TraceState::NONE)
}

fn link(to: &Context, what: &'static str) -> Link {
    Link::new(
        span_context(to),
        vec![KeyValue::new("reenact.link", what)],
        0,
    )
}
