//! Fields of messages: strings, numbers, and values by their type and format.

use crate::blob::Blob;
use crate::node::{Name, Node};
use std::sync::Arc;

/// Reads a message. Each method returns nothing where the message is too short.
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn byte(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    pub fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A count of fields, which is never negative.
    pub fn count(&mut self) -> Option<usize> {
        usize::try_from(self.i16()?).ok()
    }

    /// Up to a zero, which is read, too.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }

    /// A value with its length, or NULL.
    pub fn value(&mut self) -> Option<Option<&'a [u8]>> {
        match self.u32()? {
            u32::MAX => Some(None),
            len => Some(Some(self.take(len as usize)?)),
        }
    }
}

/// A column of a result.
#[derive(Debug)]
pub struct Column {
    pub name: String,
    pub kind: u32,
    pub binary: bool,
}

pub type Columns = Arc<[Column]>;

/// RowDescription.
pub fn columns(payload: &[u8]) -> Option<Columns> {
    let mut cursor = Cursor(payload);
    let count = cursor.count()?;
    let mut columns = Vec::with_capacity(count.min(payload.len() / 19 + 1));
    for _ in 0..count {
        let name = String::from_utf8_lossy(cursor.text()?).into_owned();
        cursor.take(6)?;
        let kind = cursor.u32()?;
        cursor.take(6)?;
        let binary = cursor.i16()? == 1;
        columns.push(Column { name, kind, binary });
    }
    Some(columns.into())
}

/// DataRow: a field for each column, or a list where the columns are not known. `formats` are
/// those that were asked for when the statement was bound.
pub fn row(payload: &[u8], columns: Option<&Columns>, formats: &[bool]) -> Option<Node> {
    let mut cursor = Cursor(payload);
    let count = cursor.count()?;
    let columns = columns.filter(|columns| columns.len() == count);
    let mut fields = Vec::with_capacity(count.min(payload.len() / 4 + 1));
    let mut values = Vec::new();
    for at in 0..count {
        let bytes = cursor.value()?;
        let column = columns.map(|columns| &columns[at]);
        let binary = format(formats, at).unwrap_or(column.is_some_and(|column| column.binary));
        let node = value(bytes, column.map_or(0, |column| column.kind), binary);
        match column {
            Some(column) => fields.push((Name::from(column.name.clone()), node)),
            None => values.push(node),
        }
    }
    Some(if columns.is_some() {
        Node::Map(fields)
    } else {
        Node::List(values)
    })
}

/// The format of a value: one may stand for all.
pub fn format(formats: &[bool], at: usize) -> Option<bool> {
    match formats {
        [all] => Some(*all),
        _ => formats.get(at).copied(),
    }
}

/// A list of formats.
pub fn formats(cursor: &mut Cursor<'_>) -> Option<Vec<bool>> {
    let count = cursor.count()?;
    (0..count).map(|_| Some(cursor.i16()? == 1)).collect()
}

/// Types that have a form of their own here, by their object identifiers in `pg_type.dat`.
mod kind {
    pub const BOOL: u32 = 16;
    pub const NAME: u32 = 19;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT4: u32 = 23;
    pub const TEXT: u32 = 25;
    pub const OID: u32 = 26;
    pub const JSON: u32 = 114;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const UNKNOWN: u32 = 705;
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const UUID: u32 = 2950;
    pub const JSONB: u32 = 3802;
}

pub fn value(bytes: Option<&[u8]>, kind: u32, binary: bool) -> Node {
    let Some(bytes) = bytes else {
        return Node::Null;
    };
    let known = if binary {
        from_binary(bytes, kind)
    } else {
        from_text(bytes, kind)
    };
    known.unwrap_or_else(|| match binary {
        true => Node::Bytes(Blob::from(bytes).shorten()),
        false => Node::slice(bytes),
    })
}

fn from_text(bytes: &[u8], kind: u32) -> Option<Node> {
    match kind {
        kind::BOOL => match bytes {
            b"t" => Some(Node::Bool(true)),
            b"f" => Some(Node::Bool(false)),
            _ => None,
        },
        kind::INT2 | kind::INT4 | kind::INT8 | kind::OID => {
            Some(Node::Int(std::str::from_utf8(bytes).ok()?.parse().ok()?))
        }
        kind::FLOAT4 | kind::FLOAT8 => {
            let number: f64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
            number.is_finite().then_some(Node::Float(number))
        }
        kind::JSON | kind::JSONB => Node::from_json(bytes),
        _ => None,
    }
}

fn from_binary(bytes: &[u8], kind: u32) -> Option<Node> {
    match kind {
        kind::BOOL => Some(Node::Bool(*bytes.first()? != 0)),
        kind::INT2 => Some(Node::Int(i16::from_be_bytes(bytes.try_into().ok()?).into())),
        kind::INT4 => Some(Node::Int(i32::from_be_bytes(bytes.try_into().ok()?).into())),
        kind::INT8 => Some(Node::Int(i64::from_be_bytes(bytes.try_into().ok()?))),
        kind::OID => Some(Node::Int(u32::from_be_bytes(bytes.try_into().ok()?).into())),
        kind::FLOAT4 => Some(Node::Float(
            f32::from_be_bytes(bytes.try_into().ok()?).into(),
        )),
        kind::FLOAT8 => Some(Node::Float(f64::from_be_bytes(bytes.try_into().ok()?))),
        kind::NAME | kind::TEXT | kind::UNKNOWN | kind::BPCHAR | kind::VARCHAR => {
            Some(Node::slice(bytes))
        }
        kind::JSON => Node::from_json(bytes),
        // Version 1 is text.
        kind::JSONB => Node::from_json(bytes.strip_prefix(b"\x01")?),
        kind::UUID => {
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            let digits = format!("{:032x}", u128::from_be_bytes(bytes));
            let parts = [
                &digits[..8],
                &digits[8..12],
                &digits[12..16],
                &digits[16..20],
                &digits[20..],
            ];
            Some(Node::Text(parts.join("-")))
        }
        _ => None,
    }
}

/// ErrorResponse and NoticeResponse.
#[derive(Debug, Default)]
pub struct Report {
    pub severity: String,
    pub code: String,
    pub message: String,
    pub fields: Vec<(Name, Node)>,
}

pub fn report(payload: &[u8]) -> Option<Report> {
    let mut cursor = Cursor(payload);
    let mut report = Report::default();
    loop {
        let tag = cursor.byte()?;
        if tag == 0 {
            return Some(report);
        }
        let text = String::from_utf8_lossy(cursor.text()?).into_owned();
        let name = match tag {
            b'S' => {
                report.severity.clone_from(&text);
                "severity"
            }
            // The same, never translated.
            b'V' => {
                report.severity = text;
                continue;
            }
            b'C' => {
                report.code.clone_from(&text);
                "code"
            }
            b'M' => {
                report.message.clone_from(&text);
                "message"
            }
            b'D' => "detail",
            b'H' => "hint",
            b'P' => "position",
            b'p' => "internal position",
            b'q' => "internal query",
            b'W' => "where",
            b's' => "schema",
            b't' => "table",
            b'c' => "column",
            b'd' => "type",
            b'n' => "constraint",
            b'F' => "file",
            b'L' => "line",
            b'R' => "routine",
            _ => continue,
        };
        report.fields.push((name.into(), Node::Text(text)));
    }
}

/// The statement with passwords left out: literals behind the word PASSWORD.
pub fn redact(sql: &[u8]) -> Vec<u8> {
    const WORD: &[u8] = b"password";
    let mut out = Vec::with_capacity(sql.len());
    let mut at = 0;
    while at < sql.len() {
        let rest = &sql[at..];
        let word = rest.len() >= WORD.len() && rest[..WORD.len()].eq_ignore_ascii_case(WORD);
        if !word {
            out.push(sql[at]);
            at += 1;
            continue;
        }
        let behind = &rest[WORD.len()..];
        let spaces = behind
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let literal = literal_len(&behind[spaces..]);
        out.extend_from_slice(&rest[..WORD.len() + spaces]);
        at += WORD.len() + spaces + literal;
        if literal > 0 {
            out.extend_from_slice(b"<redacted>");
        }
    }
    out
}

/// Length of the string literal that the bytes begin with; an unfinished one reaches to the end.
fn literal_len(bytes: &[u8]) -> usize {
    let prefix = usize::from(matches!(bytes, [b'e' | b'E', b'\'', ..]));
    match bytes.get(prefix) {
        Some(b'\'') => {
            let mut at = prefix + 1;
            while at < bytes.len() {
                match bytes[at] {
                    b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
                    b'\'' => return at + 1,
                    b'\\' if prefix == 1 => at += 2,
                    _ => at += 1,
                }
            }
            bytes.len()
        }
        Some(b'$') => {
            // Dollar quotes: `$tag$ … $tag$`.
            let tag = bytes[1..]
                .iter()
                .position(|byte| *byte == b'$')
                .map(|end| &bytes[..end + 2]);
            let Some(tag) = tag.filter(|tag| !tag[1..].first().is_some_and(u8::is_ascii_digit))
            else {
                return 0;
            };
            let end = memchr::memmem::find(&bytes[tag.len()..], tag);
            end.map_or(bytes.len(), |end| end + 2 * tag.len())
        }
        Some(_) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_statements_are_hidden() {
        for (sql, shown) in [
            (
                "ALTER ROLE a PASSWORD 'x''y' LOGIN",
                "ALTER ROLE a PASSWORD <redacted> LOGIN",
            ),
            (
                "create user a password\n E'x\\'y'",
                "create user a password\n <redacted>",
            ),
            (
                "ALTER ROLE a PASSWORD $q$x$q$;",
                "ALTER ROLE a PASSWORD <redacted>;",
            ),
            (
                "ALTER ROLE a PASSWORD 'unfinished",
                "ALTER ROLE a PASSWORD <redacted>",
            ),
            (
                "SELECT password FROM users WHERE id = $1",
                "SELECT password FROM users WHERE id = $1",
            ),
            ("ALTER ROLE a PASSWORD $1", "ALTER ROLE a PASSWORD $1"),
        ] {
            assert_eq!(String::from_utf8(redact(sql.as_bytes())).unwrap(), shown);
        }
    }

    #[test]
    fn values_of_both_formats() {
        let text =
            |bytes: &'static str, kind| value(Some(bytes.as_bytes()), kind, false).to_string();
        assert_eq!(text("-5", kind::INT4), "-5");
        assert_eq!(text("t", kind::BOOL), "true");
        assert_eq!(text("1.5", kind::FLOAT8), "1.5");
        assert_eq!(text("NaN", kind::FLOAT8), "\"NaN\"");
        assert_eq!(text("{\"a\": 1}", kind::JSONB), "{a: 1}");
        assert_eq!(text("2024-01-01", 1082), "\"2024-01-01\"");
        let binary = |bytes: &'static [u8], kind| value(Some(bytes), kind, true).to_string();
        assert_eq!(binary(&[0xff, 0xff, 0xff, 0xfb], kind::INT4), "-5");
        assert_eq!(binary(&[0xff], kind::INT4), "\"\\xff\"");
        assert_eq!(binary(b"\x01[1]", kind::JSONB), "[1]");
        assert_eq!(
            binary(&[0x12; 16], kind::UUID),
            "\"12121212-1212-1212-1212-121212121212\""
        );
        assert_eq!(value(None, kind::INT4, true), Node::Null);
    }
}
