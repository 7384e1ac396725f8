//! Protocol buffers: by their descriptors where they are given, else by what the bytes alone tell
//! (<https://protobuf.dev/programming-guides/encoding/>), as a tree of field numbers.

use crate::blob::Blob;
use crate::limits::{DEPTH_MAX, ITEMS_MAX};
use crate::node::{Name, Node};
use prost_reflect::{DynamicMessage, MapKey, MessageDescriptor, Value};

/// A message of which the type is known.
pub fn decode_as(descriptor: &MessageDescriptor, bytes: &[u8]) -> Option<Node> {
    let message = DynamicMessage::decode(descriptor.clone(), bytes).ok()?;
    Some(message_node(&message))
}

fn message_node(message: &DynamicMessage) -> Node {
    let mut fields = Vec::new();
    // Fields in the order of their numbers, those that are not known behind them.
    for (field, value) in message.fields() {
        let enumeration = match field.kind() {
            prost_reflect::Kind::Enum(kind) => Some(kind),
            _ => None,
        };
        let name = Name::from(field.name().to_string());
        fields.push((name, value_node(value, enumeration.as_ref())));
    }
    let mut unknown = Vec::new();
    for field in message.unknown_fields() {
        let mut raw = Vec::new();
        field.encode(&mut raw);
        unknown.extend_from_slice(&raw);
    }
    if let Some(Node::Map(more)) = decode(&unknown) {
        fields.extend(more);
    }
    Node::Map(fields)
}

fn value_node(value: &Value, kind: Option<&prost_reflect::EnumDescriptor>) -> Node {
    match value {
        Value::Bool(value) => Node::Bool(*value),
        Value::I32(value) => Node::Int((*value).into()),
        Value::I64(value) => Node::Int(*value),
        Value::U32(value) => Node::Int((*value).into()),
        Value::U64(value) => unsigned(*value),
        Value::F32(value) => Node::Float((*value).into()),
        Value::F64(value) => Node::Float(*value),
        Value::String(text) => Node::text(text.as_str()),
        Value::Bytes(bytes) => Node::Bytes(Blob::from(&bytes[..]).shorten()),
        Value::EnumNumber(number) => match kind.and_then(|kind| kind.get_value(*number)) {
            Some(value) => Node::text(value.name()),
            None => Node::Int((*number).into()),
        },
        Value::Message(message) => message_node(message),
        Value::List(items) => Node::List(items.iter().map(|item| value_node(item, kind)).collect()),
        Value::Map(map) => {
            // The library's map is a hash map.
            let mut pairs: Vec<(&MapKey, &Value)> = map.iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(b.0));
            let name = |key: &MapKey| match key {
                MapKey::Bool(key) => key.to_string(),
                MapKey::I32(key) => key.to_string(),
                MapKey::I64(key) => key.to_string(),
                MapKey::U32(key) => key.to_string(),
                MapKey::U64(key) => key.to_string(),
                MapKey::String(key) => key.clone(),
            };
            let pair =
                |(key, value): (&MapKey, &Value)| (name(key).into(), value_node(value, None));
            Node::Map(pairs.into_iter().map(pair).collect())
        }
    }
}

fn unsigned(value: u64) -> Node {
    i64::try_from(value).map_or(Node::UInt(value), Node::Int)
}

/// A message of unknown type: each field by its number, in the order of the wire. Numbers are
/// shown as they are encoded, so a negative one of type `sint` is not told from a large one.
pub fn decode(bytes: &[u8]) -> Option<Node> {
    fields(&mut Wire(bytes), 0, &mut 0, None)
}

struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
            if byte & 0x80 == 0 {
                // The tenth byte has one bit left.
                let fits = at < 9 || *byte <= 1;
                self.0 = &self.0[at + 1..];
                return fits.then_some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// Fields up to the end, or to the end of group `group`.
fn fields(
    wire: &mut Wire<'_>,
    depth: usize,
    items: &mut usize,
    group: Option<u64>,
) -> Option<Node> {
    if depth == DEPTH_MAX {
        return None;
    }
    let mut fields = Vec::new();
    while !wire.0.is_empty() {
        *items += 1;
        if *items > ITEMS_MAX {
            return None;
        }
        let key = wire.varint()?;
        let number = key >> 3;
        if number == 0 || number >= 1 << 29 {
            return None;
        }
        let node = match key & 7 {
            0 => unsigned(wire.varint()?),
            1 => Node::UInt(u64::from_le_bytes(wire.take(8)?.try_into().ok()?)),
            2 => {
                let len = usize::try_from(wire.varint()?).ok()?;
                delimited(wire.take(len)?, depth, items)
            }
            3 => fields_of_group(wire, depth, items, number)?,
            4 if group == Some(number) => return Some(Node::Map(fields)),
            5 => Node::UInt(u32::from_le_bytes(wire.take(4)?.try_into().ok()?).into()),
            _ => return None,
        };
        let node = match node {
            Node::UInt(value) => unsigned(value),
            other => other,
        };
        fields.push((number.to_string().into(), node));
    }
    group.is_none().then_some(Node::Map(fields))
}

fn fields_of_group(
    wire: &mut Wire<'_>,
    depth: usize,
    items: &mut usize,
    number: u64,
) -> Option<Node> {
    fields(wire, depth + 1, items, Some(number))
}

/// A string, a message, packed numbers or bytes: the encoding does not tell, so this is a guess.
fn delimited(bytes: &[u8], depth: usize, items: &mut usize) -> Node {
    let text = std::str::from_utf8(bytes).ok();
    let plain = |text: &str| {
        !text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    };
    // Keys of low fields are control characters, which texts rarely have.
    let wordy = text.is_some_and(|text| plain(text) && !text.starts_with(['\n', '\r', '\t']));
    if wordy {
        return Node::slice(bytes);
    }
    let before = *items;
    if let Some(node) = fields(&mut Wire(bytes), depth + 1, items, None) {
        return node;
    }
    *items = before;
    match text {
        Some(text) if plain(text) => Node::text(text),
        Some(_) | None => Node::Bytes(Blob::from(bytes).shorten()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_unknown_type() {
        // 1: 150, 2: "testing", 3: {1: "a", 2: 7}, 4: fixed32, 5: fixed64, 6: bytes, 7: a group
        let bytes = b"\x08\x96\x01\x12\x07testing\x1a\x05\x0a\x01a\x10\x07\x25\x01\0\0\0\x29\x02\0\0\0\0\0\0\0\
            \x32\x02\xff\xfe\x3b\x08\x01\x3c";
        let node = decode(bytes).unwrap();
        assert_eq!(
            node.to_string(),
            r#"{1: 150, 2: "testing", 3: {1: "a", 2: 7}, 4: 1, 5: 2, 6: "\xff\xfe", 7: {1: 1}}"#
        );
        for len in [1, 2, 4, 11, 20, bytes.len() - 1] {
            assert_eq!(decode(&bytes[..len]), None, "{len}");
        }
        assert_eq!(
            decode(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
            None
        );
        assert_eq!(decode(&[0x0b; 1000]), None);
    }
}
