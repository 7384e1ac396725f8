//! Frames of HTTP/2: RFC 9113, sections 4 and 6.

use crate::limits::HEAD_MAX;
use crate::raw::Found;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const HEADER_LEN: usize = 9;

pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const PRIORITY: u8 = 0x20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    Promise,
    Ping,
    GoAway,
    Window,
    Continuation,
    /// An extension; receivers ignore those that they do not know.
    Other,
}

#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub len: usize,
    pub kind: Type,
    pub flags: u8,
    pub stream: u32,
}

impl Header {
    /// Reads a header of which all bytes are there.
    pub fn parse(bytes: &[u8]) -> Option<Result<Self, &'static str>> {
        let [a, b, c, kind, flags, stream @ ..] = *bytes.first_chunk::<HEADER_LEN>()?;
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        // The highest bit is reserved and to be ignored.
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        let kind = match kind {
            0 => Type::Data,
            1 => Type::Headers,
            2 => Type::Priority,
            3 => Type::Reset,
            4 => Type::Settings,
            5 => Type::Promise,
            6 => Type::Ping,
            7 => Type::GoAway,
            8 => Type::Window,
            9 => Type::Continuation,
            _ => Type::Other,
        };
        let header = Self {
            len,
            kind,
            flags,
            stream,
        };
        Some(header.check().map(|()| header))
    }

    fn check(&self) -> Result<(), &'static str> {
        let lengths = match self.kind {
            Type::Priority => self.len == 5,
            Type::Reset | Type::Window => self.len == 4,
            Type::Settings => self.len % 6 == 0 && (self.flags & 1 == 0 || self.len == 0),
            Type::Ping => self.len == 8,
            Type::GoAway => self.len >= 8,
            Type::Promise => self.len >= 4,
            Type::Data | Type::Headers | Type::Continuation | Type::Other => true,
        };
        let stream = match self.kind {
            Type::Data
            | Type::Headers
            | Type::Priority
            | Type::Reset
            | Type::Promise
            | Type::Continuation => self.stream != 0,
            Type::Settings | Type::Ping | Type::GoAway => self.stream == 0,
            Type::Window | Type::Other => true,
        };
        // Frames of these types pass through; the others are read as a whole.
        let bounded = matches!(self.kind, Type::Data | Type::Other) || self.len <= HEAD_MAX;
        match (lengths, stream, bounded) {
            (true, true, true) => Ok(()),
            (false, _, _) => Err("a frame of this type does not have this length"),
            (true, false, _) => Err("a frame of this type does not belong to this stream"),
            (true, true, false) => Err("the frame is too long"),
        }
    }

    /// Whether this is what senders usually make, and not what random bytes look like.
    fn is_usual(&self, reserved: bool) -> bool {
        let flags = match self.kind {
            Type::Data => END_STREAM | PADDED,
            Type::Headers => END_STREAM | END_HEADERS | PADDED | PRIORITY,
            Type::Settings | Type::Ping => 1,
            Type::Promise => END_HEADERS | PADDED,
            Type::Continuation => END_HEADERS,
            Type::Priority | Type::Reset | Type::GoAway | Type::Window => 0,
            Type::Other => return false,
        };
        !reserved && self.flags & !flags == 0 && self.len <= 1 << 14 && self.stream < 1 << 24
    }
}

/// Whether two usual frames follow each other.
pub fn is_usual(bytes: &[u8]) -> Found {
    let mut rest = bytes;
    for _ in 0..2 {
        match Header::parse(rest) {
            None => return Found::More,
            Some(Ok(header)) if header.is_usual(rest[5] & 0x80 != 0) => {
                match rest.get(HEADER_LEN + header.len..) {
                    Some(behind) => rest = behind,
                    None => return Found::More,
                }
            }
            Some(_) => return Found::No,
        }
    }
    Found::Yes
}

/// Names of error codes, section 7.
pub fn error_name(code: u32) -> &'static str {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    NAMES
        .get(code as usize)
        .copied()
        .unwrap_or("an unknown error")
}
