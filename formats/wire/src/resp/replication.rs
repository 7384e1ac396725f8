//! The stream that a replica asks for: the database, then all commands that change it.

use super::value::{integer, Value};
use super::{RespDecoder, NAME};
use crate::escape::Summary;
use crate::flow::{Input, Line};
use crate::limits::LINE_MAX;
use crate::message::{Completeness, Direction, Kind, Message, MessageId, Span};
use crate::node::Node;
use crate::protocol::Output;

/// What the server sends besides replies.
pub enum Replication {
    No,
    /// The reply to PSYNC is to come.
    Asked,
    /// The database follows.
    Database,
    /// The database, so many bytes more.
    Bytes {
        id: MessageId,
        span: Span,
        left: u64,
        len: u64,
    },
    /// The database, up to these forty bytes.
    Until {
        id: MessageId,
        span: Span,
        mark: Vec<u8>,
    },
    Commands,
}

impl RespDecoder {
    pub(super) fn database(
        &mut self,
        id: MessageId,
        span: Span,
        len: Option<u64>,
        completeness: Completeness,
        out: &mut Output<'_>,
    ) {
        let len = len.unwrap_or(span.len());
        let mut line = Summary::new();
        line.text("database ").show(len).text(" B");
        out.emit(Message {
            id,
            direction: Direction::ToClient,
            protocol: NAME,
            kind: Kind::Push,
            span,
            summary: line.finish(),
            body: if self.bodies {
                Node::map([("database", Node::UInt(len))])
            } else {
                Node::Null
            },
            answers: None,
            stream: None,
            trace_parent: None,
            completeness,
        });
        self.replication = Replication::Commands;
    }

    /// Reads what of the database has come. Returns whether there is more to read behind it.
    pub(super) fn read_database(&mut self, input: &mut Input<'_>, out: &mut Output<'_>) -> bool {
        match std::mem::replace(&mut self.replication, Replication::Commands) {
            Replication::Database if input.bytes().starts_with(b"\n") => {
                // Sent while the database is being written, to keep the connection alive.
                input.take(1);
                self.replication = Replication::Database;
                true
            }
            Replication::Database => {
                let mut span = input.begin();
                let line = match input.line(LINE_MAX) {
                    Line::Whole(line) => line,
                    Line::Partial => {
                        self.replication = Replication::Database;
                        return false;
                    }
                    Line::TooLong => b"",
                };
                input.extend(&mut span);
                let mark = line.strip_prefix(b"$EOF:").filter(|mark| mark.len() == 40);
                let len = line.strip_prefix(b"$").and_then(integer);
                let id = out.begin();
                self.replication = match (mark, len.map(u64::try_from)) {
                    (Some(mark), _) => Replication::Until {
                        id,
                        span,
                        mark: mark.to_vec(),
                    },
                    (None, Some(Ok(len))) => Replication::Bytes {
                        id,
                        span,
                        left: len,
                        len,
                    },
                    (None, Some(Err(_)) | None) => {
                        let why = "no database follows";
                        let value = Value {
                            lead: 0,
                            node: Node::Null,
                        };
                        let damage = Completeness::Damaged {
                            at: span.start,
                            why,
                        };
                        self.message(id, Direction::ToClient, span, value, damage, out);
                        self.lose(Direction::ToClient, why);
                        Replication::Commands
                    }
                };
                true
            }
            Replication::Bytes {
                id,
                mut span,
                left,
                len,
            } => {
                let left = left - input.take_up_to(left).len() as u64;
                input.extend(&mut span);
                if left == 0 {
                    self.database(id, span, Some(len), Completeness::Complete, out);
                } else {
                    self.replication = Replication::Bytes {
                        id,
                        span,
                        left,
                        len,
                    };
                }
                left == 0
            }
            Replication::Until { id, mut span, mark } => {
                match memchr::memmem::find(input.bytes(), &mark) {
                    Some(at) => {
                        input.take(at + mark.len());
                        input.extend(&mut span);
                        self.database(id, span, None, Completeness::Complete, out);
                        true
                    }
                    None => {
                        input.take(input.len().saturating_sub(mark.len() - 1));
                        input.extend(&mut span);
                        self.replication = Replication::Until { id, span, mark };
                        false
                    }
                }
            }
            other @ (Replication::No | Replication::Asked | Replication::Commands) => {
                self.replication = other;
                true
            }
        }
    }
}
