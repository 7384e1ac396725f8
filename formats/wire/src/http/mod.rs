//! What HTTP/1 and HTTP/2 have in common: header fields, and the content of messages.

mod content;

use crate::blob::{Blob, Collector};
use crate::escape::Summary;
use crate::limits::{BODY_MAX, SUMMARY_MAX};
use crate::message::TraceParent;
use crate::node::{Name, Node};

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
    let len = (value.len() - end) as u64;
    Node::map([
        ("scheme", Node::slice(&value[..end])),
        ("credentials", Node::Redacted(len)),
    ])
}
