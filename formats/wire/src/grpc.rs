//! gRPC over HTTP/2: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>. Messages
//! with their length in front, and a status behind the last one.

use crate::blob::{Blob, Collector};
use crate::escape::Summary;
use crate::http::content::decompress;
use crate::limits::BODY_MAX;
use crate::node::Node;
use crate::protobuf;
use crate::settings::Settings;
use prost_reflect::MessageDescriptor;

pub const NAME: &str = "grpc";

/// Bytes of a payload that are kept where only summaries are made.
const SUMMARY_BYTES: usize = 4096;

/// Whether a content type is gRPC's. That of gRPC-Web, which is framed alike, is not.
pub fn is_grpc(content_type: Option<&str>) -> bool {
    let rest = content_type.and_then(|kind| kind.strip_prefix("application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
}

/// Cuts the content of a stream into messages.
#[derive(Default)]
pub struct Reader {
    prefix: Vec<u8>,
    left: usize,
    payload: Option<Collector>,
}

pub struct Payload {
    compressed: bool,
    bytes: Blob,
}

impl Reader {
    pub fn is_between(&self) -> bool {
        self.prefix.is_empty()
    }

    /// How many bytes can be read before a message ends or more is known of it.
    pub fn wants(&self) -> usize {
        match self.payload {
            Some(_) => self.left,
            None => 5 - self.prefix.len(),
        }
    }

    /// Takes at most as many bytes as are wanted, and returns the message that ends with them.
    pub fn push(&mut self, bytes: &[u8], bodies: bool) -> Option<Payload> {
        match &mut self.payload {
            Some(payload) => {
                payload.push(bytes);
                self.left -= bytes.len();
            }
            None => {
                self.prefix.extend_from_slice(bytes);
                let [_, len @ ..] = *self.prefix.first_chunk::<5>()?;
                self.left = u32::from_be_bytes(len) as usize;
                let collector = if bodies {
                    Collector::new(BODY_MAX)
                } else {
                    Collector::head(SUMMARY_BYTES)
                };
                self.payload = Some(collector);
            }
        }
        if self.left > 0 {
            return None;
        }
        self.take()
    }

    /// What came of a message that will not be complete.
    pub fn take(&mut self) -> Option<Payload> {
        let compressed = self.prefix.first().is_some_and(|flag| *flag != 0);
        self.prefix.clear();
        self.left = 0;
        let bytes = self.payload.take()?.finish();
        Some(Payload { compressed, bytes })
    }
}

/// Types of a method's messages: what it takes, and what it returns.
pub fn types(settings: &Settings, path: &str) -> Option<(MessageDescriptor, MessageDescriptor)> {
    let (service, method) = path.strip_prefix('/')?.rsplit_once('/')?;
    let service = settings
        .descriptors
        .as_ref()?
        .get_service_by_name(service)?;
    let method = service.methods().find(|known| known.name() == method)?;
    Some((method.input(), method.output()))
}

impl Payload {
    pub fn decode(self, kind: Option<&MessageDescriptor>, encoding: &str, json: bool) -> Node {
        let plain = match (self.compressed, self.bytes.whole()) {
            (_, None) => return Node::Bytes(self.bytes.shorten()),
            (false, Some(_)) => None,
            (true, Some(bytes)) => match decompress(encoding, bytes) {
                Some(plain) => Some(plain),
                None => return Node::Bytes(self.bytes.shorten()),
            },
        };
        let plain = plain.unwrap_or(self.bytes);
        let Some(bytes) = plain.whole() else {
            return Node::Bytes(plain);
        };
        let decoded = match kind {
            _ if json => Node::from_json(bytes),
            Some(kind) => protobuf::decode_as(kind, bytes),
            None => None,
        };
        match decoded.or_else(|| protobuf::decode(bytes)) {
            Some(node) => node,
            None => Node::Bytes(plain.shorten()),
        }
    }
}

/// How a call ended: the two fields behind the last message.
#[derive(Default)]
pub struct Status {
    pub code: Option<u32>,
    /// With percent signs for what is not plain text.
    pub message: Vec<u8>,
}

impl Status {
    fn name(&self) -> Option<&'static str> {
        const NAMES: [&str; 17] = [
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        ];
        NAMES.get(self.code? as usize).copied()
    }

    fn text(&self) -> Vec<u8> {
        percent_encoding::percent_decode(&self.message).collect()
    }

    pub fn summarise(&self, line: &mut Summary) {
        match (self.code, self.name()) {
            (None, _) => return,
            (Some(_), Some(name)) => line.text(" ").text(name),
            (Some(code), None) => line.text(" status ").show(code),
        };
        if !self.message.is_empty() {
            line.text(" ").quoted(&self.text());
        }
    }

    pub fn node(&self) -> Option<Node> {
        let code = self.code?;
        Some(Node::map([
            ("code", Node::Int(code.into())),
            ("name", self.name().map_or(Node::Null, Node::text)),
            ("message", Node::slice(&self.text())),
        ]))
    }
}
