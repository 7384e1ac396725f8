//! Bytes from the wire as text that is safe to print: on one line, without control characters, and
//! without the invisible characters that reorder or hide text. Also the bounded one-line summary.

use crate::limits::{SUMMARY_MAX, SUMMARY_VALUE_MAX};
use std::fmt::Write;

/// Whether a terminal shows the character as itself, in its place.
pub(crate) fn is_plain(c: char) -> bool {
    let hidden = matches!(u32::from(c),
        0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff
        | 0xfff9..=0xfffb | 0xe0000..=0xe0fff);
    !c.is_control() && !hidden
}

/// Appends `bytes`, at most `max` characters, and returns whether all of them fit.
///
/// What is not plain text becomes an escape: `\n`, `\u{1b}`, or `\xff` for what is not UTF-8.
fn escape_into(out: &mut String, bytes: &[u8], quoted: bool, max: usize) -> bool {
    // A character takes at most ten places, so what lies far behind `max` is never looked at.
    let seen = &bytes[..bytes.len().min(max.saturating_mul(4).saturating_add(4))];
    let mut left = max;
    for chunk in seen.utf8_chunks() {
        for c in chunk.valid().chars() {
            if left == 0 {
                return false;
            }
            left -= 1;
            match c {
                '\\' => out.push_str("\\\\"),
                '"' if quoted => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if is_plain(c) => out.push(c),
                c => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("writing to a string"),
            }
        }
        for byte in chunk.invalid() {
            if left == 0 {
                return false;
            }
            left -= 1;
            write!(out, "\\x{byte:02x}").expect("writing to a string");
        }
    }
    seen.len() == bytes.len()
}

/// `bytes` as printable text on one line, whole.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    escape_into(&mut out, bytes, false, usize::MAX);
    out
}

/// One line for a person. It stops at its bound with an ellipsis, and takes bytes of the wire only
/// in escaped form.
#[derive(Default)]
pub struct Summary {
    text: String,
    chars: usize,
    full: bool,
}

impl Summary {
    pub fn new() -> Self {
        Self::default()
    }

    fn add(&mut self, piece: &str) {
        let chars = piece.chars().count();
        if self.full || self.chars + chars > SUMMARY_MAX {
            if !self.full {
                self.full = true;
                self.text.push('…');
            }
            return;
        }
        self.chars += chars;
        self.text.push_str(piece);
    }

    /// Whether nothing more fits, so that callers need not go through what is left.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Our own words.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.add(text);
        self
    }

    /// Anything that prints our own words or numbers.
    pub fn show(&mut self, value: impl std::fmt::Display) -> &mut Self {
        self.add(&value.to_string());
        self
    }

    /// Bytes of the wire, escaped. They may fill the line.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        let mut piece = String::new();
        let room = SUMMARY_MAX.saturating_sub(self.chars);
        let whole = escape_into(&mut piece, bytes, false, room);
        self.bounded(piece, whole)
    }

    /// Bytes of the wire, escaped and within quotes, shortened to what one value may take.
    pub fn quoted(&mut self, bytes: &[u8]) -> &mut Self {
        let mut piece = String::from("\"");
        if !escape_into(&mut piece, bytes, true, SUMMARY_VALUE_MAX) {
            piece.push('…');
        }
        piece.push('"');
        self.add(&piece);
        self
    }

    /// Text that may be longer than the line; what fits of it is shown.
    fn bounded(&mut self, piece: String, whole: bool) -> &mut Self {
        let room = SUMMARY_MAX.saturating_sub(self.chars);
        if whole && piece.chars().count() <= room {
            self.add(&piece);
        } else if !self.full {
            self.text.extend(piece.chars().take(room));
            self.text.push('…');
            self.full = true;
        }
        self
    }

    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let wire = "a\x1b[31m\u{9b}2J\u{202e}\r\n\t\\\"é\u{7f}".as_bytes();
        let wire = [wire, b"\xff\xc2"].concat();
        let text = escape(&wire);
        assert_eq!(
            text,
            r#"a\u{1b}[31m\u{9b}2J\u{202e}\r\n\t\\"é\u{7f}\xff\xc2"#
        );
        assert!(text.chars().all(is_plain));
    }

    #[test]
    fn a_summary_is_bounded() {
        for len in [0, 1, SUMMARY_MAX - 1, SUMMARY_MAX, SUMMARY_MAX + 1, 100_000] {
            for fill in [b'a', 0, 0xff, b'"'] {
                let bytes = vec![fill; len];
                let mut line = Summary::new();
                line.raw(&bytes).quoted(&bytes).text("x");
                let text = line.finish();
                assert!(text.chars().count() <= SUMMARY_MAX + 1, "{}", text.len());
                assert_eq!(
                    text.ends_with('…'),
                    text.chars().count() > SUMMARY_MAX || len > 30
                );
            }
        }
    }
}
