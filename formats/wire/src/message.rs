//! What decoders make: messages, with their place in the stream.

use crate::node::Node;
use serde::{Serialize, Serializer};
use std::fmt;

/// Which way bytes went. The side that opened the connection is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    ToServer,
    ToClient,
}

impl Direction {
    pub const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

    pub fn reverse(self) -> Self {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Direction::ToServer => 0,
            Direction::ToClient => 1,
        }
    }
}

/// Number of a message within its connection, in the order in which messages began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MessageId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Asks for a reply.
    Request,
    /// Answers a request.
    Reply,
    /// Sent by the server unasked: publications, notices, notifications.
    Push,
    /// Sent by the client, and never answered.
    OneWay,
    /// Bytes that nothing is known of.
    Raw,
}

/// Place of a message in its direction's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte.
    pub end: u64,
    /// Event that carried the first byte.
    pub first_event: u64,
    /// Event that carried the last byte.
    pub last_event: u64,
}

impl Span {
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}

/// The request that a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub request: MessageId,
    /// False where the match rests on an assumption: behind damage, and where the recording does
    /// not have the beginning of the connection.
    pub certain: bool,
}

/// Whether a message is all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    Complete,
    /// The message ends before its end.
    Cut {
        why: &'static str,
    },
    /// From this offset of the stream on, the bytes do not follow the protocol.
    Damaged {
        at: u64,
        why: &'static str,
    },
    /// The bytes were passed over to find the next message.
    Skipped {
        why: &'static str,
    },
}

/// Context of a distributed trace: the `traceparent` header of W3C Trace Context, level 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    pub trace_id: [u8; 16],
    pub parent_id: [u8; 8],
    pub flags: u8,
}

impl TraceParent {
    /// Reads `VERSION-TRACE-PARENT-FLAGS`; later versions may append fields, which are ignored.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let (head, rest) = text.split_at_checked(55)?;
        let version = hex::<1>(&head[..2])?[0];
        let separated = [2, 35, 52].iter().all(|at| head[*at] == b'-');
        let ends = rest.is_empty() || version != 0 && rest[0] == b'-';
        if !separated || version == 0xff || !ends {
            return None;
        }
        let parent = Self {
            trace_id: hex(&head[3..35])?,
            parent_id: hex(&head[36..52])?,
            flags: hex::<1>(&head[53..55])?[0],
        };
        // All zeroes are invalid by the specification.
        (parent.trace_id != [0; 16] && parent.parent_id != [0; 8]).then_some(parent)
    }
}

/// Lower-case digits only, as the specification wants.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(out)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.parent_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One message of a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message {
    pub id: MessageId,
    pub direction: Direction,
    /// Name of the protocol, as its [`Protocol`](crate::Protocol) gives it.
    pub protocol: &'static str,
    pub kind: Kind,
    pub span: Span,
    /// One line for a person: escaped, and bounded in length.
    pub summary: String,
    /// All that the message says. [`Node::Null`] where the settings ask for summaries only. Its
    /// texts are as they were sent: whoever prints them escapes them, as its `Display` does.
    pub body: Node,
    pub answers: Option<Answer>,
    /// Number of the stream within the connection, for protocols that have them.
    pub stream: Option<u32>,
    pub trace_parent: Option<TraceParent>,
    pub completeness: Completeness,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparents() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(
            TraceParent::parse(good.as_bytes()).unwrap().to_string(),
            good
        );
        let later = good.replacen("00", "cc", 1) + "-what-the-future-brings";
        assert_eq!(
            TraceParent::parse(later.as_bytes()).unwrap().to_string(),
            good
        );
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0é",
        ] {
            assert_eq!(TraceParent::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
