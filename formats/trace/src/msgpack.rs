//! MessagePack values: writing, and reading within bounds.
//!
//! Reading borrows from the frame and builds one small tree per value, so that unknown types and
//! fields cost nothing and a hostile value cannot claim more memory than its own bytes allow.

use rmp::Marker;

use crate::error::Damage;
use crate::limits::{VALUE_DEPTH_MAX, VALUE_NODES_MAX};

/// A value, borrowed from the bytes it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    /// Below zero.
    Negative(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// Something that this format does not use: floats and extensions.
    Other,
}

/// The values that follow one another in a frame.
pub(crate) struct Values<'a> {
    input: &'a [u8],
    at: usize,
    nodes_left: usize,
}

impl<'a> Values<'a> {
    pub fn new(input: &'a [u8]) -> Values<'a> {
        Values {
            input,
            at: 0,
            nodes_left: 0,
        }
    }

    /// Where the next value starts.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The next value, or `None` at the end.
    pub fn next(&mut self) -> Result<Option<Value<'a>>, Damage> {
        if self.at == self.input.len() {
            return Ok(None);
        }
        self.nodes_left = VALUE_NODES_MAX;
        self.value(VALUE_DEPTH_MAX).map(Some)
    }

    /// The next value, which must be a map with a `type`.
    pub fn next_fields(&mut self) -> Result<Option<Fields<'a>>, Damage> {
        self.next()?.map(Fields::of).transpose()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let end = self.at.checked_add(count);
        let bytes = end.and_then(|end| self.input.get(self.at..end));
        let bytes = bytes.ok_or_else(|| Damage::new("a value runs past its frame's end"))?;
        self.at += count;
        Ok(bytes)
    }

    /// The next `count` (at most 8) bytes as a big-endian number.
    fn big_endian(&mut self, count: usize) -> Result<u64, Damage> {
        let bytes = self.take(count)?;
        Ok(bytes
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, count: usize) -> Result<Value<'a>, Damage> {
        let unused = 64 - 8 * count as u32;
        let value = (self.big_endian(count)? << unused) as i64 >> unused;
        Ok(match u64::try_from(value) {
            Ok(value) => Value::Unsigned(value),
            Err(_) => Value::Negative(value),
        })
    }

    fn text(&mut self, count: usize) -> Result<Value<'a>, Damage> {
        let text = std::str::from_utf8(self.take(count)?);
        text.map(Value::Text)
            .map_err(|_| Damage::new("a string is not UTF-8"))
    }

    fn list(&mut self, count: usize, depth: usize) -> Result<Value<'a>, Damage> {
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.value(depth)?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, count: usize, depth: usize) -> Result<Value<'a>, Damage> {
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push((self.value(depth)?, self.value(depth)?));
        }
        Ok(Value::Map(entries))
    }

    fn skip(&mut self, count: usize) -> Result<Value<'a>, Damage> {
        self.take(count)?;
        Ok(Value::Other)
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Damage> {
        if depth == 0 || self.nodes_left == 0 {
            return Err(Damage::new("a value is nested too deeply or too large"));
        }
        self.nodes_left -= 1;
        let inner = depth - 1;
        let marker = Marker::from_u8(self.take(1)?[0]);
        match marker {
            Marker::Null => Ok(Value::Nil),
            Marker::True => Ok(Value::Bool(true)),
            Marker::False => Ok(Value::Bool(false)),
            Marker::FixPos(value) => Ok(Value::Unsigned(value.into())),
            Marker::FixNeg(value) => Ok(Value::Negative(value.into())),
            Marker::U8 => self.big_endian(1).map(Value::Unsigned),
            Marker::U16 => self.big_endian(2).map(Value::Unsigned),
            Marker::U32 => self.big_endian(4).map(Value::Unsigned),
            Marker::U64 => self.big_endian(8).map(Value::Unsigned),
            Marker::I8 => self.signed(1),
            Marker::I16 => self.signed(2),
            Marker::I32 => self.signed(4),
            Marker::I64 => self.signed(8),
            Marker::FixStr(count) => self.text(count.into()),
            Marker::Str8 => self.length(1).and_then(|count| self.text(count)),
            Marker::Str16 => self.length(2).and_then(|count| self.text(count)),
            Marker::Str32 => self.length(4).and_then(|count| self.text(count)),
            Marker::Bin8 => self.length(1).and_then(|count| self.bytes(count)),
            Marker::Bin16 => self.length(2).and_then(|count| self.bytes(count)),
            Marker::Bin32 => self.length(4).and_then(|count| self.bytes(count)),
            Marker::FixArray(count) => self.list(count.into(), inner),
            Marker::Array16 => self.length(2).and_then(|count| self.list(count, inner)),
            Marker::Array32 => self.length(4).and_then(|count| self.list(count, inner)),
            Marker::FixMap(count) => self.map(count.into(), inner),
            Marker::Map16 => self.length(2).and_then(|count| self.map(count, inner)),
            Marker::Map32 => self.length(4).and_then(|count| self.map(count, inner)),
            Marker::F32 => self.skip(4),
            Marker::F64 => self.skip(8),
            Marker::FixExt1 => self.skip(2),
            Marker::FixExt2 => self.skip(3),
            Marker::FixExt4 => self.skip(5),
            Marker::FixExt8 => self.skip(9),
            Marker::FixExt16 => self.skip(17),
            Marker::Ext8 => self.length(1).and_then(|count| self.skip(count + 1)),
            Marker::Ext16 => self.length(2).and_then(|count| self.skip(count + 1)),
            Marker::Ext32 => self.length(4).and_then(|count| self.skip(count + 1)),
            Marker::Reserved => Err(Damage::new("a byte that MessagePack never uses")),
        }
    }

    fn length(&mut self, count: usize) -> Result<usize, Damage> {
        // At most 32 bits, which any usize that this builds for holds.
        Ok(self.big_endian(count)? as usize)
    }

    fn bytes(&mut self, count: usize) -> Result<Value<'a>, Damage> {
        self.take(count).map(Value::Bytes)
    }
}

/// The named fields of a map.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    entries: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Fields<'a> {
    /// The fields of a map; entries whose key is not a string are unknown to us and skipped.
    pub fn of(value: Value<'a>) -> Result<Fields<'a>, Damage> {
        let Value::Map(entries) = value else {
            return Err(Damage::new("a value is not a map"));
        };
        let entries = entries.into_iter().filter_map(|(key, value)| match key {
            Value::Text(key) => Some((key, value)),
            _ => None,
        });
        Ok(Fields {
            entries: entries.collect(),
        })
    }

    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let found = self.entries.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value)
    }

    /// The value's type, empty when it has none.
    pub fn kind(&self) -> &'a str {
        match self.get("type") {
            Some(Value::Text(kind)) => kind,
            _ => "",
        }
    }

    fn missing(&self, name: &str) -> Damage {
        Damage::new(format!("the field `{name}` is missing or of another type"))
    }

    pub fn u64(&self, name: &str) -> Result<u64, Damage> {
        match self.get(name) {
            Some(Value::Unsigned(value)) => Ok(*value),
            _ => Err(self.missing(name)),
        }
    }

    pub fn u32(&self, name: &str) -> Result<u32, Damage> {
        u32::try_from(self.u64(name)?).map_err(|_| self.missing(name))
    }

    /// `None` when the field is nil or not there.
    pub fn optional_i32(&self, name: &str) -> Result<Option<i32>, Damage> {
        let value = match self.get(name) {
            None | Some(Value::Nil) => return Ok(None),
            Some(Value::Unsigned(value)) => i32::try_from(*value).ok(),
            Some(Value::Negative(value)) => i32::try_from(*value).ok(),
            Some(_) => None,
        };
        value.map(Some).ok_or_else(|| self.missing(name))
    }

    /// `None` when the field is nil or not there.
    pub fn optional_u64(&self, name: &str) -> Result<Option<u64>, Damage> {
        match self.get(name) {
            None | Some(Value::Nil) => Ok(None),
            Some(_) => self.u64(name).map(Some),
        }
    }

    pub fn flag(&self, name: &str) -> Result<bool, Damage> {
        match self.get(name) {
            Some(Value::Bool(value)) => Ok(*value),
            _ => Err(self.missing(name)),
        }
    }

    pub fn text(&self, name: &str) -> Result<&'a str, Damage> {
        match self.get(name) {
            Some(Value::Text(value)) => Ok(value),
            _ => Err(self.missing(name)),
        }
    }

    pub fn bytes(&self, name: &str) -> Result<&'a [u8], Damage> {
        self.optional_bytes(name)?.ok_or_else(|| self.missing(name))
    }

    pub fn optional_bytes(&self, name: &str) -> Result<Option<&'a [u8]>, Damage> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bytes(value)) => Ok(Some(value)),
            Some(_) => Err(self.missing(name)),
        }
    }

    pub fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], Damage> {
        self.bytes(name)?
            .try_into()
            .map_err(|_| Damage::new(format!("the field `{name}` is not {N} bytes")))
    }

    pub fn list(&self, name: &str) -> Result<&[Value<'a>], Damage> {
        match self.get(name) {
            Some(Value::List(items)) => Ok(items),
            _ => Err(self.missing(name)),
        }
    }
}

/// Appends MessagePack to a buffer, which cannot fail.
pub(crate) struct Packer<'a>(pub &'a mut Vec<u8>);

const ENDLESS: &str = "a Vec takes every byte";

impl Packer<'_> {
    pub fn map(&mut self, entries: usize) {
        rmp::encode::write_map_len(self.0, entries as u32).expect(ENDLESS);
    }

    pub fn list(&mut self, items: usize) {
        rmp::encode::write_array_len(self.0, items as u32).expect(ENDLESS);
    }

    pub fn text(&mut self, value: &str) {
        rmp::encode::write_str(self.0, value).expect(ENDLESS);
    }

    pub fn bytes(&mut self, value: &[u8]) {
        rmp::encode::write_bin(self.0, value).expect(ENDLESS);
    }

    pub fn number(&mut self, value: u64) {
        rmp::encode::write_uint(self.0, value).expect(ENDLESS);
    }

    pub fn nil(&mut self) {
        rmp::encode::write_nil(self.0).expect(ENDLESS);
    }

    pub fn optional_i32(&mut self, value: Option<i32>) {
        match value {
            Some(value) => {
                rmp::encode::write_sint(self.0, value.into()).expect(ENDLESS);
            }
            None => self.nil(),
        }
    }

    pub fn flag(&mut self, value: bool) {
        rmp::encode::write_bool(self.0, value).expect(ENDLESS);
    }

    pub fn text_field(&mut self, name: &str, value: &str) {
        self.text(name);
        self.text(value);
    }

    pub fn bytes_field(&mut self, name: &str, value: &[u8]) {
        self.text(name);
        self.bytes(value);
    }

    pub fn number_field(&mut self, name: &str, value: u64) {
        self.text(name);
        self.number(value);
    }

    pub fn flag_field(&mut self, name: &str, value: bool) {
        self.text(name);
        self.flag(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_and_wide_numbers_come_back() {
        let mut out = Vec::new();
        for value in [0, 1, -1, -32, -33, -129, -40_000, i32::MIN, i32::MAX] {
            let mut packer = Packer(&mut out);
            packer.map(1);
            packer.text("n");
            packer.optional_i32(Some(value));
            let fields = Values::new(&out).next_fields().unwrap().unwrap();
            assert_eq!(fields.optional_i32("n"), Ok(Some(value)));
            out.clear();
        }
        Packer(&mut out).number(u64::MAX);
        let value = Values::new(&out).next().unwrap();
        assert_eq!(value, Some(Value::Unsigned(u64::MAX)));
    }

    #[test]
    fn hostile_lengths_and_nesting_are_damage() {
        let deep = vec![0x91u8; 100_000];
        let long = [0xdd, 0xff, 0xff, 0xff, 0xff, 0x01];
        let wide = [0xdf, 0xff, 0xff, 0xff, 0xff];
        let binary = [0xc6, 0xff, 0xff, 0xff, 0xff];
        for bytes in [
            &deep[..],
            &long,
            &wide,
            &binary,
            &[0xc1],
            &[0xa2, 0xff, 0xfe],
        ] {
            assert!(Values::new(bytes).next().is_err());
        }
        let many = [&[0xdd, 0x00, 0xff, 0xff, 0xff][..], &vec![0; 0xff_ffff]].concat();
        assert!(Values::new(&many).next().is_err());
    }
}
