//! Heads of HTTP/1 messages: where they begin and end, and what they say.

use crate::http::{Fields, Start};
use crate::limits::HEADERS_MAX;
use crate::message::Direction;
use crate::raw::Found;

/// What follows the method and a space.
pub fn method(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes
        .iter()
        .take(25)
        .position(|byte| !byte.is_ascii_uppercase() && *byte != b'-')?;
    (end >= 3 && bytes[end] == b' ').then(|| &bytes[end + 1..])
}

/// Whether bytes begin with a request line that can be taken for nothing else.
pub fn request_line(bytes: &[u8]) -> Found {
    let head = &bytes[..bytes.len().min(8 << 10)];
    let line = memchr::memchr(b'\n', head).map(|end| &head[..end]);
    match (method(head), line) {
        (Some(_), Some(line)) => {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let mut words = line.split(|byte| *byte == b' ').skip(1);
            let target = words.next().is_some_and(|target| !target.is_empty());
            let version = words
                .next()
                .is_some_and(|v| v == b"HTTP/1.1" || v == b"HTTP/1.0");
            if target && version && words.next().is_none() {
                Found::Yes
            } else {
                Found::No
            }
        }
        (Some(_), None) if head.len() < 8 << 10 => Found::More,
        (None, None) if head.len() < 25 && head.iter().all(u8::is_ascii_uppercase) => Found::More,
        (Some(_), None) | (None, _) => Found::No,
    }
}

/// Whether bytes begin with a status line.
pub fn status_line(bytes: &[u8]) -> Found {
    const BEGIN: &[u8] = b"HTTP/1.";
    let known = bytes.len().min(BEGIN.len());
    if bytes[..known] != BEGIN[..known] {
        return Found::No;
    }
    match bytes.get(BEGIN.len()..BEGIN.len() + 5) {
        None => Found::More,
        Some([b'0' | b'1', b' ', code @ ..]) if code.iter().all(u8::is_ascii_digit) => Found::Yes,
        Some(_) => Found::No,
    }
}

/// Where the head ends, behind the empty line.
pub fn end_of_head(bytes: &[u8], searched: &mut usize) -> Option<usize> {
    // The empty line may have begun in what was searched.
    let from = searched.saturating_sub(3);
    for at in memchr::memchr_iter(b'\n', &bytes[from..]).map(|at| at + from) {
        match bytes.get(at + 1..) {
            Some([b'\n', ..]) => return Some(at + 2),
            Some([b'\r', b'\n', ..]) => return Some(at + 3),
            Some(_) | None => {}
        }
    }
    *searched = bytes.len();
    None
}

/// What a head says.
pub struct Head {
    pub start: Start,
    /// The second number of the version.
    pub version: u8,
    pub fields: Fields,
    pub length: Option<u64>,
    pub chunked: bool,
    pub upgrade: Option<Then>,
}

/// What follows a message in place of HTTP/1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// CONNECT.
    Tunnel,
    /// `h2c`.
    Http2,
    WebSocket,
    Other,
}

pub fn parse(direction: Direction, head: &[u8], bodies: bool) -> Result<Head, &'static str> {
    let lines = memchr::memchr_iter(b'\n', head).count();
    if lines > HEADERS_MAX {
        return Err("too many header fields");
    }
    let mut headers = vec![httparse::EMPTY_HEADER; lines];
    let (start, version, headers) = match direction {
        Direction::ToServer => {
            let mut request = httparse::Request::new(&mut headers);
            let parsed = request.parse(head);
            let complete = parsed.is_ok_and(|status| status.is_complete());
            let (Some(method), Some(target), true) = (request.method, request.path, complete)
            else {
                return Err("not the head of a request");
            };
            let (method, target) = (method.to_string(), target.as_bytes().to_vec());
            (
                Start::Request { method, target },
                request.version,
                request.headers,
            )
        }
        Direction::ToClient => {
            let mut reply = httparse::Response::new(&mut headers);
            let parsed = httparse::ParserConfig::default()
                .allow_spaces_after_header_name_in_responses(true)
                .parse_response(&mut reply, head);
            let complete = parsed.is_ok_and(|status| status.is_complete());
            let (Some(status), true) = (reply.code, complete) else {
                return Err("not the head of a reply");
            };
            let reason = reply.reason.unwrap_or("").to_string();
            (
                Start::Reply { status, reason },
                reply.version,
                reply.headers,
            )
        }
    };
    let mut fields = Fields::default();
    let (mut length, mut chunked, mut upgrade) = (None, false, None);
    for header in headers.iter() {
        let (name, value) = (header.name, header.value.trim_ascii());
        fields.add(name, value, bodies);
        if name.eq_ignore_ascii_case("content-length") {
            // Several equal lengths may come as a list.
            let text = value
                .split(|byte| *byte == b',')
                .next()
                .unwrap_or(value)
                .trim_ascii();
            let number = text
                .iter()
                .all(u8::is_ascii_digit)
                .then(|| std::str::from_utf8(text).ok());
            let number = number.flatten().and_then(|text| text.parse().ok());
            length = Some(number.ok_or("not a length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            let last = value
                .rsplit(|byte| *byte == b',')
                .next()
                .unwrap_or(value)
                .trim_ascii();
            chunked |= last.eq_ignore_ascii_case(b"chunked");
        } else if name.eq_ignore_ascii_case("upgrade") {
            upgrade = Some(match value.to_ascii_lowercase().as_slice() {
                b"h2c" => Then::Http2,
                b"websocket" => Then::WebSocket,
                _ => Then::Other,
            });
        }
    }

    Ok(Head {
        start,
        version: version.unwrap_or(1),
        fields,
        length,
        chunked,
        upgrade,
    })
}
