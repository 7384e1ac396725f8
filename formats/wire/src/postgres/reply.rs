//! What servers answer: all messages that answer one request are one reply.

use super::fields::{columns, report, row, Columns, Cursor, Report};
use super::{PostgresDecoder, Step, NAME};
use crate::blob::{Blob, Collector};
use crate::escape::Summary;
use crate::limits::{BODY_MAX, ITEMS_MAX};
use crate::message::{Answer, Completeness, Direction, Kind, Message, MessageId, Span};
use crate::node::{Name, Node};
use crate::protocol::Output;

/// Prepared statements of which the columns are remembered.
const DESCRIBED_MAX: usize = 1 << 12;

/// Results and notices of one reply that are kept.
const PARTS_MAX: usize = 1 << 10;

/// What one statement returned.
#[derive(Default)]
struct Outcome {
    columns: Option<Columns>,
    formats: Vec<bool>,
    rows: Vec<Node>,
    count: u64,
    tag: Option<String>,
    copied: Option<Collector>,
}

/// A reply that is being put together.
pub struct Reply {
    unit: Option<MessageId>,
    id: MessageId,
    span: Span,
    outcomes: Vec<Outcome>,
    /// The statement whose rows are coming.
    current: Option<Outcome>,
    outcomes_left_out: u64,
    error: Option<Report>,
    notices: Vec<Node>,
    settings: Vec<(Name, Node)>,
    /// What was done besides, in a word.
    done: &'static str,
    authentication: Option<String>,
    status: Option<&'static str>,
    kept: usize,
    damage: Option<(u64, &'static str)>,
}

const BAD_FIELDS: &str = "the fields do not fit the message";

impl PostgresDecoder {
    /// Takes a message of the server. Of a long one, `payload` is only the beginning.
    pub(super) fn reply(
        &mut self,
        tag: u8,
        payload: &[u8],
        whole: bool,
        span: Span,
        out: &mut Output<'_>,
    ) {
        let idle = self.expected.is_empty() && self.draft.is_none();
        match tag {
            b'A' => return self.notification(payload, span, out),
            b'N' | b'S' if idle => return self.unasked(tag, payload, span, out),
            b'd' if self.copy_both => {
                let mut line = Summary::new();
                line.text("copy data ").show(payload.len()).text(" B");
                return self.push(span, line, Node::Bytes(Blob::from(payload).shorten()), out);
            }
            _ => {}
        }
        let unit = self.expected.front().map(|expected| expected.unit);
        if self.draft.as_ref().is_some_and(|draft| draft.unit != unit) {
            self.settle(Completeness::Complete, out);
        }
        let draft = self.draft.get_or_insert_with(|| Reply {
            unit,
            id: out.begin(),
            span,
            outcomes: Vec::new(),
            current: None,
            outcomes_left_out: 0,
            error: None,
            notices: Vec::new(),
            settings: Vec::new(),
            done: "",
            authentication: None,
            status: None,
            kept: 0,
            damage: None,
        });
        draft.span.end = span.end;
        draft.span.last_event = span.last_event;
        let known = self.take(tag, payload);
        if known.is_none() && whole {
            if let Some(draft) = &mut self.draft {
                draft.damage = draft.damage.or(Some((span.start, BAD_FIELDS)));
            }
        }
        let next = self.expected.front().map(|expected| expected.unit);
        let ended = match self.draft.as_ref().and_then(|draft| draft.unit) {
            Some(unit) => next != Some(unit),
            // Without a request, what ends any reply ends this one.
            None => matches!(tag, b'Z' | b'R'),
        };
        if ended {
            self.settle(Completeness::Complete, out);
        }
    }

    /// Takes a message into the reply. Returns nothing if its fields do not fit.
    fn take(&mut self, tag: u8, payload: &[u8]) -> Option<()> {
        let bodies = self.settings.bodies();
        let draft = self.draft.as_mut()?;
        let step = self.expected.front().map(|expected| &expected.step);
        let mut cursor = Cursor(payload);
        match tag {
            b'R' => {
                let code = cursor.u32()?;
                draft.authentication = Some(match code {
                    0 => "authenticated".into(),
                    3 => "asks for the password".into(),
                    5 => "asks for the password, hashed by MD5".into(),
                    7..=9 => "asks for GSSAPI or SSPI".into(),
                    10 => {
                        let mechanism = String::from_utf8_lossy(cursor.text()?).into_owned();
                        format!("asks for SASL, {mechanism}")
                    }
                    11 => "SASL goes on".into(),
                    12 => "SASL is complete".into(),
                    _ => format!("authentication of kind {code}"),
                });
                // The others wait for an answer.
                if code != 0 && code != 12 {
                    self.expected.pop_front();
                }
            }
            b'K' => {
                let process = cursor.u32()?;
                draft
                    .settings
                    .push(("process".into(), Node::Int(process.into())));
                // Who knows it can cancel queries.
                draft.settings.push(("secret".into(), Node::Redacted));
            }
            b'S' => {
                let (name, value) = (cursor.text()?, cursor.text()?);
                if draft.settings.len() < PARTS_MAX {
                    let name = Name::from(String::from_utf8_lossy(name).into_owned());
                    draft.settings.push((name, Node::slice(value)));
                }
            }
            b'N' => {
                let report = report(payload)?;
                if draft.notices.len() < PARTS_MAX {
                    draft.notices.push(Node::Map(report.fields));
                }
            }
            b'E' => {
                draft.error = Some(report(payload)?);
                if draft.current.is_some() {
                    draft.end_outcome(None);
                }
                self.fail();
            }
            b'1' | b'2' | b'3' | b'n' => {
                let done = match tag {
                    b'1' => "prepared",
                    b'2' => "bound",
                    b'3' => "closed",
                    _ => "described, no rows",
                };
                draft.did(done);
                self.expected.pop_front();
            }
            b't' => draft.did("described"),
            b'T' => {
                let columns = columns(payload)?;
                match step {
                    Some(Step::DescribeStatement(number)) => {
                        if self.described.len() >= DESCRIBED_MAX {
                            self.described.pop_first();
                        }
                        self.described.insert(*number, columns.clone());
                    }
                    Some(Step::DescribePortal) => {}
                    Some(_) | None => {
                        draft.current = Some(Outcome {
                            columns: Some(columns),
                            ..Outcome::default()
                        });
                        return Some(());
                    }
                }
                draft.did("described");
                draft.current = Some(Outcome {
                    columns: Some(columns),
                    ..Outcome::default()
                });
                self.expected.pop_front();
            }
            b'D' => {
                let mut current = draft.current.take().unwrap_or_default();
                if let (0, Some(Step::Execute { statement, formats })) = (current.count, step) {
                    current.formats.clone_from(formats);
                    let described = || self.described.get(statement).cloned();
                    current.columns = current.columns.or_else(described);
                }
                let at = current.count;
                current.count += 1;
                draft.kept += payload.len();
                if bodies && draft.kept <= BODY_MAX && at < ITEMS_MAX as u64 {
                    let row = row(payload, current.columns.as_ref(), &current.formats);
                    let bad = row.is_none();
                    current.rows.extend(row);
                    draft.current = Some(current);
                    return (!bad).then_some(());
                }
                draft.current = Some(current);
            }
            b'C' | b'I' | b's' => {
                let tag = match tag {
                    b'C' => String::from_utf8_lossy(cursor.text()?).into_owned(),
                    b'I' => "empty query".into(),
                    _ => "more rows to come".into(),
                };
                draft.end_outcome(Some(tag));
                if matches!(step, Some(Step::Execute { .. })) {
                    self.expected.pop_front();
                }
            }
            b'Z' => {
                draft.status = Some(match cursor.byte()? {
                    b'I' => "idle",
                    b'T' => "in a transaction",
                    _ => "in a failed transaction",
                });
                // Whatever is expected before the next Sync does not come any more.
                while let Some(expected) = self.expected.pop_front() {
                    if matches!(expected.step, Step::Sync | Step::Query | Step::Authenticate) {
                        break;
                    }
                }
            }
            b'G' => draft.did("ready to copy"),
            b'W' => {
                draft.did("copying in both directions");
                self.copy_both = true;
            }
            b'H' => {
                let collector = if bodies {
                    Collector::new(BODY_MAX)
                } else {
                    Collector::head(0)
                };
                draft.current = Some(Outcome {
                    copied: Some(collector),
                    ..Outcome::default()
                });
            }
            b'd' => {
                let current = draft.current.get_or_insert_with(Outcome::default);
                current.count += 1;
                current
                    .copied
                    .get_or_insert_with(|| Collector::new(BODY_MAX))
                    .push(payload);
            }
            b'V' => draft.did("returned"),
            _ => {}
        }
        Some(())
    }

    /// After an error, the server reads up to the next Sync.
    fn fail(&mut self) {
        while let Some(expected) = self.expected.front() {
            match expected.step {
                Step::Query | Step::Sync => return,
                Step::Authenticate => {
                    self.expected.pop_front();
                    return;
                }
                Step::Parse
                | Step::Bind
                | Step::DescribeStatement(_)
                | Step::DescribePortal
                | Step::Execute { .. }
                | Step::Close => drop(self.expected.pop_front()),
            }
        }
    }

    /// Emits the reply that was put together.
    pub(super) fn settle(&mut self, completeness: Completeness, out: &mut Output<'_>) {
        let Some(mut draft) = self.draft.take() else {
            return;
        };
        if draft
            .current
            .as_ref()
            .is_some_and(|current| current.count > 0)
        {
            draft.end_outcome(None);
        }
        let completeness = match draft.damage {
            Some((at, why)) => Completeness::Damaged { at, why },
            None => self.ending.unwrap_or(completeness),
        };
        out.emit(Message {
            id: draft.id,
            direction: Direction::ToClient,
            protocol: NAME,
            kind: Kind::Reply,
            span: draft.span,
            summary: draft.summary(),
            answers: draft.unit.map(|request| Answer {
                request,
                certain: self.certain,
            }),
            body: if self.settings.bodies() {
                draft.node()
            } else {
                Node::Null
            },
            stream: None,
            trace_parent: None,
            completeness,
        });
    }

    fn notification(&mut self, payload: &[u8], span: Span, out: &mut Output<'_>) {
        let mut cursor = Cursor(payload);
        let process = cursor.u32().unwrap_or(0);
        let [channel, text] = [(); 2].map(|()| cursor.text().unwrap_or(b""));
        let mut line = Summary::new();
        line.text("NOTIFY ").raw(channel).text(" ").quoted(text);
        let body = Node::map([
            ("channel", Node::slice(channel)),
            ("payload", Node::slice(text)),
            ("process", Node::Int(process.into())),
        ]);
        self.push(span, line, body, out);
    }

    /// Notices and settings between replies.
    fn unasked(&mut self, tag: u8, payload: &[u8], span: Span, out: &mut Output<'_>) {
        let mut line = Summary::new();
        let body = if tag == b'N' {
            let report = report(payload).unwrap_or_default();
            summarise_report(&report, &mut line);
            Node::Map(report.fields)
        } else {
            let mut cursor = Cursor(payload);
            let [name, value] = [(); 2].map(|()| cursor.text().unwrap_or(b""));
            line.text("setting ").raw(name).text(" = ").quoted(value);
            Node::map([("name", Node::slice(name)), ("value", Node::slice(value))])
        };
        self.push(span, line, body, out);
    }

    fn push(&self, span: Span, line: Summary, body: Node, out: &mut Output<'_>) {
        let id = out.begin();
        out.emit(Message {
            id,
            direction: Direction::ToClient,
            protocol: NAME,
            kind: Kind::Push,
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
            completeness: Completeness::Complete,
        });
    }
}

fn summarise_report(report: &Report, line: &mut Summary) {
    line.raw(report.severity.as_bytes())
        .text(" ")
        .raw(report.code.as_bytes());
    line.text(" ").raw(report.message.as_bytes());
}

impl Reply {
    fn did(&mut self, what: &'static str) {
        // What comes later says more, except of a statement that was prepared.
        if self.done != "prepared" {
            self.done = what;
        }
    }

    fn end_outcome(&mut self, tag: Option<String>) {
        let mut outcome = self.current.take().unwrap_or_default();
        outcome.tag = tag;
        if self.outcomes.len() < PARTS_MAX {
            self.outcomes.push(outcome);
        } else {
            self.outcomes_left_out += 1;
        }
    }

    fn summary(&self) -> String {
        let mut line = Summary::new();
        if let Some(error) = &self.error {
            summarise_report(error, &mut line);
            return line.finish();
        }
        for (at, outcome) in self.outcomes.iter().enumerate() {
            if line.is_full() {
                return line.finish();
            }
            if at > 0 {
                line.text("; ");
            }
            outcome.summarise(&mut line);
        }
        if self.outcomes.is_empty() {
            let text = match (&self.authentication, self.done, self.unit) {
                (Some(text), _, _) => text,
                (None, "", Some(_)) => "skipped after an error",
                (None, "", None) => "ready",
                (None, done, _) => done,
            };
            line.raw(text.as_bytes());
        }
        line.finish()
    }

    fn node(self) -> Node {
        let mut fields: Vec<(Name, Node)> = Vec::new();
        let mut outcomes: Vec<Node> = self.outcomes.into_iter().map(Outcome::node).collect();
        if self.outcomes_left_out > 0 {
            outcomes.push(Node::Elided(self.outcomes_left_out));
        }
        if !outcomes.is_empty() {
            fields.push(("results".into(), Node::List(outcomes)));
        }
        if let Some(current) = self.current.and_then(|current| current.columns) {
            let names = current
                .iter()
                .map(|column| Node::text(column.name.as_str()));
            fields.push(("columns".into(), Node::List(names.collect())));
        }
        fields.extend(
            self.error
                .map(|error| ("error".into(), Node::Map(error.fields))),
        );
        if !self.notices.is_empty() {
            fields.push(("notices".into(), Node::List(self.notices)));
        }
        fields.extend(
            self.authentication
                .map(|text| ("authentication".into(), Node::Text(text))),
        );
        if !self.settings.is_empty() {
            fields.push(("settings".into(), Node::Map(self.settings)));
        }
        fields.extend(
            self.status
                .map(|status| ("status".into(), Node::text(status))),
        );
        Node::Map(fields)
    }
}

impl Outcome {
    fn summarise(&self, line: &mut Summary) {
        let returned = self.columns.is_some() || self.count > 0;
        if self.copied.is_none() && returned {
            line.show(self.count)
                .text(if self.count == 1 { " row" } else { " rows" });
        }
        match self.tag.as_deref() {
            Some(tag) if tag.starts_with("SELECT ") && returned => {}
            Some(tag) => {
                if self.copied.is_none() && returned {
                    line.text(", ");
                }
                line.raw(tag.as_bytes());
            }
            None => {}
        }
    }

    fn node(mut self) -> Node {
        let mut fields: Vec<(Name, Node)> = Vec::new();
        if let Some(columns) = &self.columns {
            let names = columns
                .iter()
                .map(|column| Node::text(column.name.as_str()));
            fields.push(("columns".into(), Node::List(names.collect())));
        }
        if let Some(copied) = self.copied {
            fields.push(("data".into(), Node::bytes(copied.finish())));
        } else if self.columns.is_some() || self.count > 0 {
            let left_out = self.count - self.rows.len() as u64;
            if left_out > 0 {
                self.rows.push(Node::Elided(left_out));
            }
            fields.push(("rows".into(), Node::List(self.rows)));
        }
        fields.extend(self.tag.map(|tag| ("tag".into(), Node::Text(tag))));
        Node::Map(fields)
    }
}
