//! What is known of processes, connections and messages, as attributes.

use opentelemetry::trace::Status;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::Resource;
use opentelemetry_semantic_conventions::{attribute as names, SCHEMA_URL};
use reenact_causal::{Address, Channel, ConnectionId, Point, Side};
use reenact_wire::escape;

use super::meaning::{Failure, Meaning};
use super::spans::{Builder, TEXT_MAX};
use crate::commands::export::gather::Said;
use crate::commands::show::words::{lossy, shortened};

impl Builder<'_> {
    /// Who a process is.
    pub(super) fn resource(&self, number: u32) -> Resource {
        let meta = self.meta;
        let id: String = meta.uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut own = vec![
            KeyValue::new(names::HOST_NAME, meta.host.clone()),
            KeyValue::new(names::HOST_ARCH, "amd64"),
            KeyValue::new(names::OS_TYPE, "linux"),
            KeyValue::new(names::OS_DESCRIPTION, meta.kernel.clone()),
            KeyValue::new(names::SERVICE_INSTANCE_ID, format!("{id}.{number}")),
            KeyValue::new("reenact.recording", id),
            KeyValue::new("reenact.process", i64::from(number)),
        ];
        let mut service = format!("process {number}");
        if let Some(process) = self.run.story.process(number) {
            if !process.name.is_empty() {
                service = escape(&process.name);
            }
            let words = process
                .argv
                .iter()
                .map(|word| StringValue::from(lossy(word)));
            let words = Value::Array(Array::String(words.collect()));
            own.extend([
                KeyValue::new(names::PROCESS_COMMAND_ARGS, words),
                KeyValue::new(names::PROCESS_EXECUTABLE_NAME, service.clone()),
                KeyValue::new(names::PROCESS_EXECUTABLE_PATH, lossy(&process.exe)),
            ]);
            let parent = process
                .parent
                .and_then(|parent| self.run.story.process(parent));
            // The first process of a run has a parent that was not recorded.
            let pids = [
                (names::PROCESS_PID, Some(process.pid)),
                (names::PROCESS_PARENT_PID, parent.map(|parent| parent.pid)),
            ];
            let known = pids
                .into_iter()
                .filter_map(|(name, pid)| Some((name, pid.filter(|pid| *pid > 0)?)));
            own.extend(known.map(|(name, pid)| KeyValue::new(name, pid)));
        }
        let builder = Resource::builder_empty().with_service_name(service);
        builder.with_schema_url(own, SCHEMA_URL).build()
    }

    /// What is known of a request and its reply, as its client (side 0) or server sees it.
    pub(super) fn describe(
        &self,
        span: &mut SpanData,
        request: &Said<Meaning>,
        reply: Option<&Said<Meaning>>,
        side: Side,
        point: &Point,
    ) {
        let secure = self.secure.contains(&request.connection);
        let attributes = request.kept.attributes.iter();
        let attributes = attributes.map(|attribute| match secure {
            true => over_tls(attribute.clone()),
            false => attribute.clone(),
        });
        span.attributes.extend(attributes);
        self.network(span, request.connection, side);
        self.place(span, request, point);
        let stream = i64::from(point.event.stream.task);
        span.attributes
            .push(KeyValue::new(names::THREAD_ID, stream));
        let Some(reply) = reply else {
            fail(span, "no_reply", "there is no reply".to_owned());
            return;
        };
        span.attributes
            .extend(reply.kept.attributes.iter().cloned());
        let text = shortened(&reply.text, TEXT_MAX);
        span.attributes.push(KeyValue::new("reenact.reply", text));
        if let Some(Failure {
            kind,
            text,
            of_client,
        }) = &reply.kept.failure
        {
            if side == Side::Zero || !of_client {
                fail(span, kind, text.clone());
            }
        }
        if let Some(broken) = &reply.broken {
            fail(span, "broken_reply", broken.clone());
        }
    }

    /// Where a message is in the recording.
    pub(super) fn place(&self, span: &mut SpanData, said: &Said<Meaning>, point: &Point) {
        span.attributes.extend([
            KeyValue::new("reenact.event", self.run.event_name(point)),
            KeyValue::new("reenact.connection", i64::from(said.connection.0)),
            KeyValue::new("reenact.protocol", said.protocol),
            KeyValue::new("reenact.text", shortened(&said.text, TEXT_MAX)),
        ]);
        if let Some(broken) = &said.broken {
            span.attributes
                .push(KeyValue::new("reenact.broken", broken.clone()));
        }
    }

    /// Addresses, as the end at `side` sees them.
    pub(super) fn network(&self, span: &mut SpanData, connection: ConnectionId, side: Side) {
        let known = self.run.story.connections().get(connection);
        let own = &mut span.attributes;
        let (transport, typed) = match known.channel {
            Channel::Tcp => ("tcp", true),
            Channel::Udp => ("udp", true),
            Channel::Unix | Channel::UnixMessages => ("unix", false),
            Channel::Pipe | Channel::Fifo => ("pipe", false),
            Channel::Socket | Channel::Unknown => ("", false),
        };
        if !transport.is_empty() {
            own.push(KeyValue::new(names::NETWORK_TRANSPORT, transport));
        }
        let mut put = |address: Option<&Address>, name: &'static str, port_name: &'static str| {
            let Some(address) = address else { return };
            match address {
                Address::Inet(address) => {
                    own.push(KeyValue::new(name, address.ip().to_string()));
                    own.push(KeyValue::new(port_name, i64::from(address.port())));
                }
                Address::Unix(path) => own.push(KeyValue::new(name, escape(path))),
                Address::Unnamed | Address::Other(..) => {}
            }
        };
        let [client, server] = [0, 1].map(|at| known.ends[at].address.as_ref());
        put(server, names::SERVER_ADDRESS, names::SERVER_PORT);
        let peer = match side {
            Side::Zero => server,
            Side::One => {
                put(client, names::CLIENT_ADDRESS, names::CLIENT_PORT);
                client
            }
        };
        put(peer, names::NETWORK_PEER_ADDRESS, names::NETWORK_PEER_PORT);
        if let (true, Some(Address::Inet(address))) = (typed, server.or(client)) {
            let version = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            own.push(KeyValue::new(names::NETWORK_TYPE, version));
        }
    }
}

/// What is said over HTTP within TLS has another scheme.
fn over_tls(attribute: KeyValue) -> KeyValue {
    let value = attribute.value.as_str().into_owned();
    match (attribute.key.as_str(), value.strip_prefix("http:")) {
        (names::URL_SCHEME, _) => KeyValue::new(names::URL_SCHEME, "https"),
        (names::URL_FULL, Some(rest)) => KeyValue::new(names::URL_FULL, format!("https:{rest}")),
        _ => attribute,
    }
}

/// Marks a span as failed; the first reason stays.
fn fail(span: &mut SpanData, kind: &str, text: String) {
    if span.status == Status::Unset {
        span.attributes
            .push(KeyValue::new(names::ERROR_TYPE, kind.to_owned()));
        span.status = Status::error(text);
    }
}
