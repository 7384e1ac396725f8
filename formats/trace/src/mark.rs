//! Marks, decoded: what a recorded program said about itself.

use std::fmt;

use reenact_abi::event::{Header, Kind, Role};
use reenact_abi::mark::{self, VALUE_MAX};

use crate::model::Event;

/// A mark as the program made it. Its `Display` is one line: `phase "load"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub kind: mark::Mark,
    /// The name of a checksum or phase, or the text of a note: its first bytes, where it was long.
    pub text: Vec<u8>,
    /// Bytes of the name or text as the program gave it.
    pub given: u64,
    /// The value of a checksum, most significant byte first; empty for other marks.
    pub value: Vec<u8>,
    /// Bytes that the checksum was made of, where the program left summing to the recorder; else 0.
    pub summed: u64,
}

impl Mark {
    /// The mark that an event is, unless it is something else or a kind of mark that is not known.
    pub fn of(event: &Event) -> Option<Mark> {
        let data = |which: u64| {
            let part = event
                .parts
                .iter()
                .find(|part| part.role == Role::Data && part.addr == which);
            part.map_or(&[][..], |part| &part.bytes)
        };
        Mark::from_bytes(&event.header, data(0), data(1))
    }

    /// The same from an event's header and data.
    pub fn from_bytes(header: &Header, text: &[u8], value: &[u8]) -> Option<Mark> {
        if header.kind != Kind::Mark as u8 {
            return None;
        }
        Some(Mark {
            kind: mark::Mark::from_number(header.nr)?,
            text: text.to_vec(),
            given: header.args[1],
            value: value.to_vec(),
            summed: header.args[2],
        })
    }

    /// The same from the bytes of a replay's report: the value in a room of fixed size, then the text.
    pub fn from_report(header: &Header, bytes: &[u8]) -> Option<Mark> {
        let (value, text) = bytes.split_at_checked(VALUE_MAX)?;
        let len = (header.args[3] as usize).min(VALUE_MAX);
        Mark::from_bytes(header, text, &value[..len])
    }

    /// Are both checksums of what has the same name?
    pub fn is_sum_of_same(&self, other: &Mark) -> bool {
        (self.kind, other.kind) == (mark::Mark::Checksum, mark::Mark::Checksum)
            && self.text == other.text
            && self.given == other.given
    }

    /// The value of a checksum in hexadecimal digits.
    pub fn value_digits(&self) -> String {
        self.value
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The name or text in quotes.
    pub fn quoted(&self) -> String {
        let more = if self.given > self.text.len() as u64 {
            "..."
        } else {
            ""
        };
        // What is no character is shown as the byte that it is.
        let text: String = self
            .text
            .utf8_chunks()
            .flat_map(|chunk| {
                let bytes = chunk.invalid().iter();
                let odd = bytes.map(|byte| format!("\\x{byte:02x}"));
                [chunk.valid().escape_debug().to_string()]
                    .into_iter()
                    .chain(odd)
                    .collect::<Vec<_>>()
            })
            .collect();
        format!("\"{text}\"{more}")
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.quoted())?;
        match self.kind {
            mark::Mark::Checksum => {
                write!(f, " = {}", self.value_digits())?;
                if self.summed != 0 {
                    write!(f, " ({} bytes)", self.summed)?;
                }
                Ok(())
            }
            mark::Mark::Note | mark::Mark::Phase => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventPart;

    fn event(kind: Kind, nr: u16, args: [u64; 6], data: &[&[u8]]) -> Event {
        let parts = data.iter().zip(0..).map(|(bytes, addr)| EventPart {
            role: Role::Data,
            addr,
            len: bytes.len() as u64,
            content: 0,
            bytes: bytes.to_vec(),
        });
        Event {
            header: Header {
                kind: kind as u8,
                nr,
                args,
                ..Header::default()
            },
            parts: parts.collect(),
        }
    }

    fn shown(nr: u16, args: [u64; 6], data: &[&[u8]]) -> String {
        let mark = Mark::of(&event(Kind::Mark, nr, args, data));
        mark.map_or_else(|| "none".to_owned(), |mark| mark.to_string())
    }

    #[test]
    fn marks_read_well() {
        let sum = shown(1, [2, 5, 70, 2, 0, 0], &[b"users", &[0x0a, 0xff]]);
        assert_eq!(sum, "checksum \"users\" = 0aff (70 bytes)");
        assert_eq!(
            shown(2, [1, 4, 0, 0, 0, 0], &["é\n\"".as_bytes()]),
            r#"note "é\n\"""#
        );
        assert_eq!(
            shown(2, [1, 9, 0, 0, 0, 0], &[b"a\xff"]),
            r#"note "a\xff"..."#
        );
        assert_eq!(shown(3, [1, 0, 0, 0, 0, 0], &[]), r#"phase """#);
        assert_eq!(shown(9, [0; 6], &[b"newer"]), "none");
        assert_eq!(Mark::of(&event(Kind::Call, 1, [0; 6], &[b"x"])), None);
    }

    #[test]
    fn a_report_has_value_and_text() {
        let of = event(Kind::Mark, 1, [1, 2, 0, 3, 0, 0], &[]);
        let mut bytes = vec![0; VALUE_MAX];
        bytes[..3].copy_from_slice(&[1, 2, 0]);
        bytes.extend_from_slice(b"db");
        let mark = Mark::from_report(&of.header, &bytes).expect("a mark");
        assert_eq!(mark.to_string(), "checksum \"db\" = 010200");
        assert_eq!(Mark::from_report(&of.header, &bytes[..9]), None);
    }
}
