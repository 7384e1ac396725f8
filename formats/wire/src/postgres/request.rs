//! What clients ask. Messages of the extended protocol that belong together (Parse, Bind, Describe,
//! Execute, Sync) are one request, which reads like the statement that it executes.

use super::fields::{formats, redact, value, Cursor};
use super::{Expected, PostgresDecoder, Step, NAME};
use crate::blob::{Blob, Collector};
use crate::escape::Summary;
use crate::limits::{BODY_MAX, ITEMS_MAX, OUTSTANDING_MAX};
use crate::message::{Completeness, Direction, Kind, Message, MessageId, Span};
use crate::node::{Name, Node};
use crate::protocol::Output;
use std::collections::BTreeMap;

/// Bytes of a statement that are kept to show it where it is executed.
const SQL_MAX: usize = 4 << 10;

/// Prepared statements and portals that are remembered.
const NAMES_MAX: usize = 1 << 12;

/// A prepared statement.
#[derive(Clone, Default)]
struct Statement {
    /// Its number, by which what the server says of it is kept.
    number: u64,
    sql: Vec<u8>,
    types: Vec<u32>,
}

#[derive(Clone, Default)]
struct Portal {
    statement: Statement,
    formats: Vec<bool>,
}

#[derive(Default)]
pub struct Names {
    statements: BTreeMap<Vec<u8>, Statement>,
    portals: BTreeMap<Vec<u8>, Portal>,
    last_number: u64,
}

fn remember<T>(map: &mut BTreeMap<Vec<u8>, T>, name: &[u8], value: T) {
    if map.len() >= NAMES_MAX {
        map.pop_first();
    }
    map.insert(name.to_vec(), value);
}

/// What a request does, the most telling last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Sync,
    Close,
    Bind,
    Describe,
    Prepare,
    Execute,
}

/// A request that is being put together.
pub struct Unit {
    id: MessageId,
    span: Span,
    verb: Verb,
    sql: Option<Vec<u8>>,
    parameters: Option<Vec<Node>>,
    parts: Vec<(Name, Node)>,
    damage: Option<(u64, &'static str)>,
}

/// Rows that the client copies to the server.
pub struct CopyIn {
    id: MessageId,
    span: Span,
    count: u64,
    bytes: Collector,
}

const BAD_FIELDS: &str = "the fields do not fit the message";

impl PostgresDecoder {
    /// Takes a message of the client. Of a long one, `payload` is only the beginning.
    pub(super) fn request(&mut self, tag: u8, payload: &[u8], span: Span, out: &mut Output<'_>) {
        if !matches!(tag, b'd' | b'c' | b'f') {
            self.end_copy(
                Completeness::Cut {
                    why: "the copying ends without its end",
                },
                out,
            );
        }
        let known = match tag {
            b'Q' | b'F' | b'p' | b'X' => {
                self.flush(out);
                self.simple(tag, payload, span, out);
                Some(())
            }
            b'd' | b'c' | b'f' => {
                self.flush(out);
                self.copy_in(tag, payload, span, out);
                Some(())
            }
            b'P' => self.parse(payload, span, out),
            b'B' => self.bind(payload, span, out),
            b'D' | b'C' => self.describe_or_close(tag, payload, span, out),
            b'E' => self.execute(payload, span, out),
            b'H' if self.unit.is_none() => {
                let (id, mut line) = (out.begin(), Summary::new());
                line.text("Flush");
                let complete = Completeness::Complete;
                self.emit(Kind::OneWay, id, span, line, Node::Null, complete, out);
                Some(())
            }
            _ => {
                // Sync and Flush end what was begun.
                let unit = self.unit(Verb::Sync, span, out);
                if tag == b'S' {
                    self.expect(unit, Step::Sync);
                }
                self.flush(out);
                Some(())
            }
        };
        if known.is_none() {
            let at = span.start;
            if let Some(unit) = &mut self.unit {
                unit.damage = Some((at, BAD_FIELDS));
            } else {
                self.unit(Verb::Sync, span, out);
                if let Some(unit) = &mut self.unit {
                    unit.damage = Some((at, BAD_FIELDS));
                }
            }
        }
    }

    /// The request that a message belongs to: the one before, unless that is already executed.
    fn unit(&mut self, verb: Verb, span: Span, out: &mut Output<'_>) -> MessageId {
        let again = |unit: &Unit| match verb {
            Verb::Sync => false,
            Verb::Bind | Verb::Prepare => unit.verb == Verb::Execute || unit.verb == verb,
            Verb::Close | Verb::Describe | Verb::Execute => unit.verb == Verb::Execute,
        };
        if self.unit.as_ref().is_some_and(again) {
            self.flush(out);
        }
        let unit = self.unit.get_or_insert_with(|| Unit {
            id: out.begin(),
            span,
            verb,
            sql: None,
            parameters: None,
            parts: Vec::new(),
            damage: None,
        });
        unit.verb = unit.verb.max(verb);
        unit.span.end = span.end;
        unit.span.last_event = span.last_event;
        unit.id
    }

    pub(super) fn expect(&mut self, unit: MessageId, step: Step) {
        if self.expected.len() == OUTSTANDING_MAX {
            self.expected.clear();
            self.certain = false;
        }
        self.expected.push_back(Expected { unit, step });
    }

    fn parse(&mut self, payload: &[u8], span: Span, out: &mut Output<'_>) -> Option<()> {
        let mut cursor = Cursor(payload);
        let name = cursor.text()?;
        // A long statement is there in part.
        let sql = match cursor.text() {
            Some(sql) => sql,
            None => std::mem::take(&mut cursor.0),
        };
        let count = cursor.count().unwrap_or(0).min(payload.len());
        let types = (0..count).map_while(|_| cursor.u32()).collect();
        let sql = redact(&sql[..sql.len().min(BODY_MAX)]);
        let unit = self.unit(Verb::Prepare, span, out);
        self.names.last_number += 1;
        let number = self.names.last_number;
        let kept = sql[..sql.len().min(SQL_MAX)].to_vec();
        remember(
            &mut self.names.statements,
            name,
            Statement {
                number,
                sql: kept,
                types,
            },
        );
        self.expect(unit, Step::Parse);
        let unit = self.unit.as_mut()?;
        unit.sql = Some(sql);
        if !name.is_empty() {
            unit.parts.push(("statement".into(), Node::slice(name)));
        }
        Some(())
    }

    fn bind(&mut self, payload: &[u8], span: Span, out: &mut Output<'_>) -> Option<()> {
        let unit = self.unit(Verb::Bind, span, out);
        self.expect(unit, Step::Bind);
        let mut cursor = Cursor(payload);
        let (portal, name) = (cursor.text()?, cursor.text()?);
        let statement = self.names.statements.get(name).cloned().unwrap_or_default();
        let parameter_formats = formats(&mut cursor)?;
        let count = cursor.count()?;
        let mut parameters = Vec::new();
        for at in 0..count.min(ITEMS_MAX) {
            let bytes = cursor.value()?;
            let binary = super::fields::format(&parameter_formats, at).unwrap_or(false);
            let kind = statement.types.get(at).copied().unwrap_or(0);
            parameters.push(value(bytes, kind, binary));
        }
        let formats = formats(&mut cursor)?;
        let unit = self.unit.as_mut()?;
        unit.sql.get_or_insert_with(|| statement.sql.clone());
        unit.parameters = Some(parameters);
        let named = [("statement", name), ("portal", portal)];
        for (part, name) in named.into_iter().filter(|named| !named.1.is_empty()) {
            if !unit.parts.iter().any(|known| known.0 == part) {
                unit.parts.push((part.into(), Node::slice(name)));
            }
        }
        remember(
            &mut self.names.portals,
            portal,
            Portal { statement, formats },
        );
        Some(())
    }

    fn describe_or_close(
        &mut self,
        tag: u8,
        payload: &[u8],
        span: Span,
        out: &mut Output<'_>,
    ) -> Option<()> {
        let verb = if tag == b'D' {
            Verb::Describe
        } else {
            Verb::Close
        };
        let unit = self.unit(verb, span, out);
        let mut cursor = Cursor(payload);
        let (kind, name) = (cursor.byte()?, cursor.text()?);
        let step = match (tag, kind) {
            (b'D', b'S') => {
                let statement = self.names.statements.get(name);
                Step::DescribeStatement(statement.map_or(0, |statement| statement.number))
            }
            (b'D', _) => Step::DescribePortal,
            (_, b'S') => {
                self.names.statements.remove(name);
                Step::Close
            }
            (_, _) => {
                self.names.portals.remove(name);
                Step::Close
            }
        };
        if tag == b'C' {
            let part = if kind == b'S' {
                "close statement"
            } else {
                "close portal"
            };
            self.unit
                .as_mut()?
                .parts
                .push((part.into(), Node::slice(name)));
        }
        self.expect(unit, step);
        Some(())
    }

    fn execute(&mut self, payload: &[u8], span: Span, out: &mut Output<'_>) -> Option<()> {
        let unit = self.unit(Verb::Execute, span, out);
        let mut cursor = Cursor(payload);
        let name = cursor.text();
        let portal = name
            .and_then(|name| self.names.portals.get(name))
            .cloned()
            .unwrap_or_default();
        self.expect(
            unit,
            Step::Execute {
                statement: portal.statement.number,
                formats: portal.formats,
            },
        );
        let unit = self.unit.as_mut()?;
        unit.sql.get_or_insert(portal.statement.sql);
        name?;
        match cursor.u32()? {
            0 => {}
            rows => unit
                .parts
                .push(("rows at most".into(), Node::Int(rows.into()))),
        }
        Some(())
    }

    /// Emits the request that was put together.
    pub(super) fn flush(&mut self, out: &mut Output<'_>) {
        let Some(unit) = self.unit.take() else { return };
        let mut line = Summary::new();
        line.text(match unit.verb {
            Verb::Sync => "Sync",
            Verb::Close => "Close",
            Verb::Bind => "Bind",
            Verb::Describe => "Describe",
            Verb::Prepare => "Prepare",
            Verb::Execute => "Execute",
        });
        if let Some(sql) = &unit.sql {
            summarise_sql(sql, &mut line);
        }
        if let Some(parameters) = unit.parameters.as_ref().filter(|list| !list.is_empty()) {
            line.text(" [");
            for (at, parameter) in parameters.iter().enumerate() {
                if at > 0 {
                    line.text(", ");
                }
                parameter.summarise(&mut line);
            }
            line.text("]");
        }
        let mut fields = Vec::new();
        fields.extend(unit.sql.map(|sql| ("sql".into(), Node::slice(&sql))));
        fields.extend(
            unit.parameters
                .map(|list| ("parameters".into(), Node::List(list))),
        );
        fields.extend(unit.parts);
        let completeness = match unit.damage {
            Some((at, why)) => Completeness::Damaged { at, why },
            None => Completeness::Complete,
        };
        self.emit(
            Kind::Request,
            unit.id,
            unit.span,
            line,
            Node::Map(fields),
            completeness,
            out,
        );
    }

    /// Messages that are requests by themselves, or need no reply.
    fn simple(&mut self, tag: u8, payload: &[u8], span: Span, out: &mut Output<'_>) {
        let id = out.begin();
        let mut line = Summary::new();
        let mut kind = Kind::Request;
        let body = match tag {
            b'Q' => {
                let sql = redact(payload.strip_suffix(b"\0").unwrap_or(payload));
                line.text("Query");
                summarise_sql(&sql, &mut line);
                self.expect(id, Step::Query);
                Node::map([("sql", Node::slice(&sql))])
            }
            b'F' => {
                let function = Cursor(payload).u32().unwrap_or(0);
                line.text("Function call ").show(function);
                self.expect(id, Step::Query);
                Node::map([("function", Node::Int(function.into()))])
            }
            b'p' => {
                // Whichever kind it is, it is made of a password.
                line.text("Password <redacted>");
                self.expect(id, Step::Authenticate);
                Node::map([("password", Node::Redacted)])
            }
            _ => {
                line.text("Terminate");
                kind = Kind::OneWay;
                Node::Null
            }
        };
        self.emit(kind, id, span, line, body, Completeness::Complete, out);
    }

    fn copy_in(&mut self, tag: u8, payload: &[u8], span: Span, out: &mut Output<'_>) {
        if self.copy_both && tag == b'd' {
            let id = out.begin();
            let mut line = Summary::new();
            line.text("copy data ").show(payload.len()).text(" B");
            let body = Node::Bytes(Blob::from(payload).shorten());
            return self.emit(
                Kind::OneWay,
                id,
                span,
                line,
                body,
                Completeness::Complete,
                out,
            );
        }
        let bodies = self.settings.bodies();
        let copy = self.copy.get_or_insert_with(|| CopyIn {
            id: out.begin(),
            span,
            count: 0,
            bytes: if bodies {
                Collector::new(BODY_MAX)
            } else {
                Collector::head(0)
            },
        });
        copy.span.end = span.end;
        copy.span.last_event = span.last_event;
        match tag {
            b'd' => {
                copy.count += 1;
                copy.bytes.push(payload);
            }
            b'c' => self.end_copy(Completeness::Complete, out),
            _ => self.end_copy(
                Completeness::Cut {
                    why: "the client gave the copying up",
                },
                out,
            ),
        }
    }

    /// Emits what was copied.
    pub(super) fn end_copy(&mut self, completeness: Completeness, out: &mut Output<'_>) {
        let Some(copy) = self.copy.take() else { return };
        let mut line = Summary::new();
        let blob = copy.bytes.finish();
        line.text("copy data ").show(blob.len).text(" B");
        let body = Node::map([
            ("messages", Node::Int(copy.count as i64)),
            ("data", Node::bytes(blob)),
        ]);
        self.emit(
            Kind::OneWay,
            copy.id,
            copy.span,
            line,
            body,
            completeness,
            out,
        );
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn emit(
        &self,
        kind: Kind,
        id: MessageId,
        span: Span,
        line: Summary,
        body: Node,
        completeness: Completeness,
        out: &mut Output<'_>,
    ) {
        out.emit(Message {
            id,
            direction: Direction::ToServer,
            protocol: NAME,
            kind,
            span,
            summary: line.finish(),
            body: if self.settings.bodies() {
                body
            } else {
                Node::Null
            },
            answers: None,
            stream: None,
            trace_parent: None,
            completeness: match completeness {
                Completeness::Complete => self.ending.unwrap_or(completeness),
                Completeness::Cut { .. }
                | Completeness::Damaged { .. }
                | Completeness::Skipped { .. } => completeness,
            },
        });
    }
}

/// A statement on one line, with single spaces.
fn summarise_sql(sql: &[u8], line: &mut Summary) {
    for word in sql
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
    {
        if line.is_full() {
            return;
        }
        line.text(" ").raw(word);
    }
}
