//! Values of RESP, read piece by piece.
//!
//! This is not a library's parser because a value may be larger than what should be held: bulk
//! strings pass through as they come, and what exceeds the bounds is hashed and counted.

use crate::blob::Collector;
use crate::flow::{Input, Line};
use crate::limits::{BODY_MAX, DEPTH_MAX, HEAD_KEPT, ITEMS_MAX, LINE_MAX, SUMMARY_MAX};
use crate::node::{Name, Node};

/// A value with the byte that tells its type.
pub struct Value {
    pub lead: u8,
    pub node: Node,
}

pub enum Step {
    Value(Value),
    /// More bytes are needed.
    More,
    Bad(&'static str),
}

enum Got {
    Value(Value),
    /// The beginning of a string or list, or attributes: what follows can be read.
    Header,
    Nothing,
}

/// A list, map or set whose elements are coming.
struct Frame {
    lead: u8,
    left: u64,
    items: Vec<Node>,
    elided: u64,
}

struct Bulk {
    lead: u8,
    left: u64,
    bytes: Collector,
}

pub struct Parser {
    bodies: bool,
    stack: Vec<Frame>,
    bulk: Option<Bulk>,
    /// Bytes and values kept of the value being read.
    kept: usize,
    items: usize,
}

/// Values kept where only a summary is made.
const SUMMARY_ITEMS: usize = 32;

pub fn is_lead(byte: u8) -> bool {
    b"+-:$*_#,(!=%~>|".contains(&byte)
}

/// A decimal number, without surplus.
pub fn integer(text: &[u8]) -> Option<i64> {
    let digits = text
        .strip_prefix(b"-")
        .or(text.strip_prefix(b"+"))
        .unwrap_or(text);
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

impl Parser {
    pub fn new(bodies: bool) -> Self {
        Self {
            bodies,
            stack: Vec::new(),
            bulk: None,
            kept: 0,
            items: 0,
        }
    }

    /// Reads up to the end of a value.
    pub fn step(&mut self, input: &mut Input<'_>) -> Step {
        loop {
            let got = match self.bulk.take() {
                Some(bulk) => self.bulk(bulk, input),
                None => match input.line(LINE_MAX) {
                    Line::Whole(line) => self.line(line),
                    Line::Partial => Ok(Got::Nothing),
                    Line::TooLong => Err("the line is too long"),
                },
            };
            match got {
                Err(why) => return Step::Bad(why),
                Ok(Got::Header) => {}
                Ok(Got::Nothing) => return Step::More,
                Ok(Got::Value(value)) => {
                    if let Some(value) = self.place(value) {
                        self.kept = 0;
                        self.items = 0;
                        return Step::Value(value);
                    }
                }
            }
        }
    }

    fn bulk(&mut self, mut bulk: Bulk, input: &mut Input<'_>) -> Result<Got, &'static str> {
        let piece = input.take_up_to(bulk.left);
        bulk.bytes.push(piece);
        bulk.left -= piece.len() as u64;
        if bulk.left > 0 || input.len() < 2 {
            self.bulk = Some(bulk);
            return Ok(Got::Nothing);
        }
        if input.take(2) != b"\r\n" {
            self.bulk = Some(bulk);
            return Err("a string is longer than announced");
        }
        let Bulk { lead, bytes, .. } = bulk;
        let mut blob = bytes.finish();
        self.kept += blob.head.len();
        // A verbatim string begins with its format.
        if lead == b'=' && blob.head.get(3) == Some(&b':') && blob.is_whole() {
            blob.head.drain(..4);
            blob.len -= 4;
        }
        let node = Node::bytes(blob);
        Ok(Got::Value(Value {
            lead,
            node: if lead == b'!' { error(node) } else { node },
        }))
    }

    fn line(&mut self, line: &[u8]) -> Result<Got, &'static str> {
        let (&lead, rest) = line.split_first().ok_or("an empty line")?;
        let node = match lead {
            b'+' => self.short(rest),
            b'-' => error(self.short(rest)),
            b':' => Node::Int(integer(rest).ok_or("not a number")?),
            b'(' if !rest.is_empty() => self.short(rest),
            b'_' if rest.is_empty() => Node::Null,
            b'#' => match rest {
                b"t" => Node::Bool(true),
                b"f" => Node::Bool(false),
                _ => return Err("not a truth value"),
            },
            b',' => {
                let number = std::str::from_utf8(rest)
                    .ok()
                    .and_then(|text| text.parse().ok());
                Node::Float(number.ok_or("not a number")?)
            }
            b'$' | b'!' | b'=' => match integer(rest).ok_or("not a length")? {
                -1 => Node::Null,
                len => {
                    let left = u64::try_from(len).map_err(|_| "a negative length")?;
                    self.bulk = Some(Bulk {
                        lead,
                        left,
                        bytes: self.collector(),
                    });
                    return Ok(Got::Header);
                }
            },
            b'*' | b'~' | b'>' | b'%' | b'|' => match integer(rest).ok_or("not a count")? {
                -1 => Node::Null,
                count => {
                    let count = u64::try_from(count).map_err(|_| "a negative count")?;
                    let pairs = matches!(lead, b'%' | b'|');
                    let left = count
                        .checked_mul(1 + u64::from(pairs))
                        .ok_or("a count too large")?;
                    if self.stack.len() == DEPTH_MAX {
                        return Err("values are nested too deeply");
                    }
                    let frame = Frame {
                        lead,
                        left,
                        items: Vec::new(),
                        elided: 0,
                    };
                    if left > 0 {
                        self.stack.push(frame);
                        return Ok(Got::Header);
                    }
                    return Ok(frame.finish().map_or(Got::Header, Got::Value));
                }
            },
            _ => return Err("no type begins with this byte"),
        };
        Ok(Got::Value(Value { lead, node }))
    }

    fn short(&mut self, text: &[u8]) -> Node {
        self.kept += text.len();
        if self.bodies && self.kept <= BODY_MAX {
            return Node::slice(text);
        }
        let mut head = Collector::head(SUMMARY_MAX);
        head.push(text);
        Node::bytes(head.finish())
    }

    fn collector(&self) -> Collector {
        if self.bodies {
            Collector::new(BODY_MAX.saturating_sub(self.kept).max(HEAD_KEPT))
        } else {
            Collector::head(SUMMARY_MAX)
        }
    }

    /// Puts a value where it belongs, and returns the outermost one once it is complete.
    fn place(&mut self, mut value: Value) -> Option<Value> {
        let max = if self.bodies {
            ITEMS_MAX
        } else {
            SUMMARY_ITEMS
        };
        while let Some(frame) = self.stack.last_mut() {
            self.items += 1;
            if self.items <= max {
                frame.items.push(value.node);
            } else {
                frame.elided += 1;
            }
            frame.left -= 1;
            if frame.left > 0 {
                return None;
            }
            // Attributes stand before a value and are none.
            value = self.stack.pop()?.finish()?;
        }
        Some(value)
    }

    /// What has come of a value that will not be complete, and a fresh start.
    pub fn abandon(&mut self) -> Option<Value> {
        let bulk = self.bulk.take();
        let mut value = bulk.map(|bulk| Value {
            lead: bulk.lead,
            node: Node::bytes(bulk.bytes.finish()),
        });
        while let Some(mut frame) = self.stack.pop() {
            frame.items.extend(value.take().map(|value| value.node));
            value = frame.finish();
        }
        self.kept = 0;
        self.items = 0;
        value
    }
}

impl Frame {
    /// The value; none for attributes.
    fn finish(mut self) -> Option<Value> {
        let node = match self.lead {
            b'|' => return None,
            b'%' => {
                let mut fields = Vec::with_capacity(self.items.len() / 2 + 1);
                let mut items = self.items.into_iter();
                while let Some(name) = items.next() {
                    let name = match name {
                        Node::Text(text) => Name::from(text),
                        other => Name::from(other.to_string()),
                    };
                    fields.push((name, items.next().unwrap_or(Node::Null)));
                }
                if self.elided > 0 {
                    fields.push(("…".into(), Node::Elided(self.elided / 2)));
                }
                Node::Map(fields)
            }
            _ => {
                if self.elided > 0 {
                    self.items.push(Node::Elided(self.elided));
                }
                Node::List(self.items)
            }
        };
        Some(Value {
            lead: self.lead,
            node,
        })
    }
}

fn error(text: Node) -> Node {
    Node::map([("error", text)])
}
