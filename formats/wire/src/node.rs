//! The structured form of a message: a tree, to be compared field by field.

use crate::blob::Blob;
use crate::escape::Summary;
use crate::limits::{ITEMS_MAX, SUMMARY_VALUE_MAX};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// Name of a field.
pub type Name = Cow<'static, str>;

/// A value. Maps keep the order of the wire, and may hold a name twice, as headers do.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(String),
    Bytes(Blob),
    List(Vec<Node>),
    Map(Vec<(Name, Node)>),
    /// So many values more, which were not kept.
    Elided(u64),
    /// A secret, which is not shown; nor is its length.
    Redacted,
}

impl Node {
    pub fn text(text: impl Into<String>) -> Self {
        Node::Text(text.into())
    }

    /// Text where the bytes are UTF-8 and all there, else the bytes.
    pub fn bytes(blob: Blob) -> Self {
        if !blob.is_whole() {
            return Node::Bytes(blob);
        }
        match String::from_utf8(blob.head) {
            Ok(text) => Node::Text(text),
            Err(error) => Node::Bytes(
                Blob {
                    head: error.into_bytes(),
                    ..blob
                }
                .shorten(),
            ),
        }
    }

    pub fn slice(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Node::text(text),
            Err(_) => Node::Bytes(Blob::from(bytes).shorten()),
        }
    }

    pub fn map<const N: usize>(fields: [(&'static str, Node); N]) -> Self {
        Node::Map(
            fields
                .into_iter()
                .map(|(name, node)| (name.into(), node))
                .collect(),
        )
    }

    /// The first field of that name of a map.
    pub fn get(&self, name: &str) -> Option<&Node> {
        match self {
            Node::Map(fields) => fields
                .iter()
                .find(|field| field.0 == name)
                .map(|field| &field.1),
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::UInt(_)
            | Node::Float(_)
            | Node::Text(_)
            | Node::Bytes(_)
            | Node::List(_)
            | Node::Elided(_)
            | Node::Redacted => None,
        }
    }

    /// Reads JSON. Members keep their order, and repeated ones are kept.
    pub fn from_json(text: &[u8]) -> Option<Self> {
        let mut items = 0;
        let mut reader = serde_json::Deserializer::from_slice(text);
        let node = JsonSeed(&mut items).deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(node)
    }

    /// Writes the value into a summary, as far as it fits.
    pub fn summarise(&self, line: &mut Summary) {
        if line.is_full() {
            return;
        }
        match self {
            Node::Null => line.text("null"),
            Node::Bool(value) => line.show(value),
            Node::Int(value) => line.show(value),
            Node::UInt(value) => line.show(value),
            Node::Float(value) => line.show(value),
            Node::Text(text) if text.len() > SUMMARY_VALUE_MAX => line
                .quoted(text.as_bytes())
                .text(" (")
                .show(text.len())
                .text(" B)"),
            Node::Text(text) => line.quoted(text.as_bytes()),
            Node::Bytes(blob) if blob.len as usize <= SUMMARY_VALUE_MAX / 2 => {
                line.quoted(&blob.head)
            }
            Node::Bytes(blob) => line.text("<").show(blob.len).text(" B>"),
            Node::List(items) => {
                line.text("[");
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        line.text(", ");
                    }
                    item.summarise(line);
                    if line.is_full() {
                        return;
                    }
                }
                line.text("]")
            }
            Node::Map(fields) => {
                line.text("{");
                for (at, (name, node)) in fields.iter().enumerate() {
                    if at > 0 {
                        line.text(", ");
                    }
                    if is_word(name) {
                        line.raw(name.as_bytes());
                    } else {
                        line.quoted(name.as_bytes());
                    }
                    line.text(": ");
                    node.summarise(line);
                    if line.is_full() {
                        return;
                    }
                }
                line.text("}")
            }
            Node::Elided(count) => line.text("… ").show(count).text(" more"),
            Node::Redacted => line.text("<redacted>"),
        };
    }
}

/// Whether a name can stand without quotes.
fn is_word(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    !name.is_empty() && name.len() <= SUMMARY_VALUE_MAX && name.chars().all(plain)
}

/// One line, shortened as summaries are.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Summary::new();
        self.summarise(&mut line);
        f.write_str(&line.finish())
    }
}

/// What JSON has no form for becomes an object with one member whose name starts with `$`.
impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let special = |name: &'static str, count: u64| -> (&'static str, u64) { (name, count) };
        match self {
            Node::Null => serializer.serialize_unit(),
            Node::Bool(value) => serializer.serialize_bool(*value),
            Node::Int(value) => serializer.serialize_i64(*value),
            Node::UInt(value) => serializer.serialize_u64(*value),
            Node::Float(value) => serializer.serialize_f64(*value),
            Node::Text(text) => serializer.serialize_str(text),
            Node::Bytes(blob) => serializer.collect_map([("$bytes", blob)]),
            Node::List(items) => serializer.collect_seq(items),
            Node::Map(fields) => serializer.collect_map(fields.iter().map(|(n, v)| (n, v))),
            Node::Elided(count) => serializer.collect_map([special("$elided", *count)]),
            Node::Redacted => serializer.collect_map([("$redacted", true)]),
        }
    }
}

/// Builds a tree from JSON, within the bound on values; the parser bounds the depth.
struct JsonSeed<'a>(&'a mut usize);

impl JsonSeed<'_> {
    fn count<E: Error>(&mut self) -> Result<(), E> {
        *self.0 += 1;
        if *self.0 > ITEMS_MAX {
            return Err(E::custom("too many values"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for JsonSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Node, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonSeed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    /// One number has one form, whichever parser it came through.
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(i64::try_from(value).map_or(Node::UInt(value), Node::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(JsonSeed(self.0))? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            fields.push((Name::from(name), map.next_value_seed(JsonSeed(self.0))?));
        }
        Ok(Node::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_order_and_numbers() {
        let text = r#"{"b":1,"a":[-1,18446744073709551615,1.5,null,true,"x\u001b"],"b":{}}"#;
        let node = Node::from_json(text.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&node).unwrap(), text);
        assert_eq!(
            node.to_string(),
            r#"{b: 1, a: [-1, 18446744073709551615, 1.5, null, true, "x\u{1b}"], b: {}}"#
        );
        assert_eq!(Node::from_json(b"{} x"), None);
        assert_eq!(Node::from_json(&vec![b'['; 100_000]), None);
        let long = format!("[{}0]", "0,".repeat(ITEMS_MAX));
        assert_eq!(Node::from_json(long.as_bytes()), None);
    }
}
