//! What HTTP/1 and HTTP/2 have in common: header fields, and the content of messages.

pub mod content;

use crate::blob::{Blob, Collector};
use crate::escape::Summary;
use crate::limits::{BODY_MAX, SUMMARY_MAX};
use crate::message::{Kind, TraceParent};
use crate::node::{Name, Node};

/// The first line of a message, or the pseudo-fields in its place.
#[derive(Debug)]
pub enum Start {
    Request { method: String, target: Vec<u8> },
    Reply { status: u16, reason: String },
}

impl Start {
    pub fn kind(&self) -> Kind {
        match self {
            Start::Request { .. } => Kind::Request,
            Start::Reply { .. } => Kind::Reply,
        }
    }
}

/// Summary and body of a message.
pub fn render(
    start: Start,
    version: String,
    mut fields: Fields,
    mut trailers: Fields,
    content: Blob,
    bodies: bool,
) -> (String, Node) {
    let mut line = Summary::new();
    match &start {
        Start::Request { method, target } => {
            line.raw(method.as_bytes()).text(" ").raw(target);
            if content.len > 0 {
                line.text(" (");
                fields.describe(content.len, ", ", &mut line);
                line.text(")");
            }
        }
        Start::Reply { status, reason } => {
            line.show(status);
            if content.len > 0 {
                line.text(" ");
                fields.describe(content.len, " ", &mut line);
            } else if !reason.is_empty() {
                line.text(" ").raw(reason.as_bytes());
            }
        }
    }
    let summary = line.finish();
    if !bodies {
        return (summary, Node::Null);
    }
    let mut body: Vec<(Name, Node)> = Vec::with_capacity(6);
    match start {
        Start::Request { method, target } => {
            body.push(("method".into(), Node::Text(method)));
            body.push(("target".into(), Node::slice(&target)));
        }
        Start::Reply { status, reason } => {
            body.push(("status".into(), Node::Int(status.into())));
            if !reason.is_empty() {
                body.push(("reason".into(), Node::Text(reason)));
            }
        }
    }
    let content = fields.decode(content);
    body.push(("version".into(), Node::Text(version)));
    body.push(("headers".into(), fields.take()));
    body.push(("content".into(), content));
    if !trailers.is_empty() {
        body.push(("trailers".into(), trailers.take()));
    }
    (summary, Node::Map(body))
}

/// The header fields of a message, as far as they matter here or are kept.
#[derive(Debug, Default)]
pub struct Fields {
    /// In the order of the wire, with lower-case names. Empty where only summaries are made.
    kept: Vec<(Name, Node)>,
    pub content_type: Option<String>,
    pub encoding: Option<Vec<u8>>,
    pub trace_parent: Option<TraceParent>,
}

impl Fields {
    pub fn add(&mut self, name: &str, value: &[u8], bodies: bool) {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "content-type" if self.content_type.is_none() => {
                let head = &value[..value.len().min(SUMMARY_MAX)];
                self.content_type = Some(String::from_utf8_lossy(head).into_owned());
            }
            "content-encoding" if self.encoding.is_none() => self.encoding = Some(value.to_vec()),
            "traceparent" => self.trace_parent = TraceParent::parse(value),
            _ => {}
        }
        if bodies {
            let value = shown(&name, value);
            self.kept.push((name.into(), value));
        }
    }

    /// The type without its parameters.
    pub fn media_type(&self) -> &str {
        let whole = self.content_type.as_deref().unwrap_or("");
        whole.split(';').next().unwrap_or("").trim()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub fn take(&mut self) -> Node {
        Node::Map(std::mem::take(&mut self.kept))
    }

    /// Says what the content is: `application/json 123 B`.
    pub fn describe(&self, len: u64, between: &'static str, line: &mut Summary) {
        let kind = self.media_type();
        if !kind.is_empty() {
            line.raw(kind.as_bytes()).text(between);
        }
        line.show(len).text(" B");
        if let Some(encoding) = &self.encoding {
            line.text(" ").raw(&encoding[..encoding.len().min(20)]);
        }
    }

    /// The content in structured form.
    pub fn decode(&self, blob: Blob) -> Node {
        content::decode(blob, self.media_type(), self.encoding.as_deref())
    }
}

/// What collects the content of a message.
pub fn collector(bodies: bool) -> Collector {
    if bodies {
        Collector::new(BODY_MAX)
    } else {
        Collector::head(0)
    }
}

/// Passwords and tokens are not shown, only how they were presented.
fn shown(name: &str, value: &[u8]) -> Node {
    if !matches!(name, "authorization" | "proxy-authorization") {
        return Node::slice(value);
    }
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(0);
    Node::map([
        ("scheme", Node::slice(&value[..end])),
        ("credentials", Node::Redacted),
    ])
}
