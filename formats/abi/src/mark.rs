//! Marks: what a recorded program says about itself, through calls that fail harmlessly without us.
//!
//! A mark is a question whether a path below [`PATH_PREFIX`] exists, which any language can ask, or
//! a `prctl` with an option of [`Mark::option`], for speed and for bytes of any kind. It becomes an
//! event of kind `Mark` in front of the call's own, which fails as it does natively.
//!
//! What this never does: fail a program. A path that says nothing here is an ordinary path.

use crate::syscalls::{Hook, Row};

/// Paths below it are marks: `checksum/NAME/HEX`, `note/TEXT` and `phase/NAME`.
pub const PATH_PREFIX: &[u8] = b"/.reenact/mark/";

/// Names and texts are cut behind so many bytes.
pub const TEXT_MAX: usize = 1024;

/// Most bytes of a checksum that is given as a number (64: SHA-512 has as many).
pub const VALUE_MAX: usize = 64;

/// What a mark says. Numbers are part of the trace format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Mark {
    /// Some state, by its name, has this checksum.
    Checksum = 1,
    /// A text for readers.
    Note = 2,
    /// What follows belongs to the phase of this name.
    Phase = 3,
}

impl Mark {
    pub const ALL: &'static [Mark] = &[Mark::Checksum, Mark::Note, Mark::Phase];

    pub fn from_number(number: u16) -> Option<Mark> {
        Self::ALL
            .iter()
            .copied()
            .find(|mark| *mark as u16 == number)
    }

    /// The name, in paths and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Mark::Checksum => "checksum",
            Mark::Note => "note",
            Mark::Phase => "phase",
        }
    }

    /// The option of prctl: "RNM" and the number, far from any of the kernel's.
    pub const fn option(self) -> u32 {
        0x524e_4d00 | self as u32
    }

    pub fn from_option(option: u32) -> Option<Mark> {
        Self::ALL
            .iter()
            .copied()
            .find(|mark| mark.option() == option)
    }
}

/// How a mark was made. Numbers are part of the trace format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Form {
    Path = 1,
    Prctl = 2,
}

/// Is this a call by which programs find out whether a path exists?
pub fn asks_for_path(row: &Row) -> bool {
    matches!(
        row.hook,
        Hook::Open | Hook::Openat | Hook::Openat2 | Hook::PathExe
    )
}

/// A mark in full.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    pub mark: Mark,
    pub form: Form,
    /// Bytes of the name or text as it was given; what lies beyond [`TEXT_MAX`] is not kept.
    pub given: u64,
    /// Bytes that a checksum was made of; 0 where only its value is known.
    pub summed: u64,
    text: [u8; TEXT_MAX],
    text_len: usize,
    value: [u8; VALUE_MAX],
    value_len: usize,
}

impl Said {
    pub const fn new(mark: Mark, form: Form) -> Said {
        Said {
            mark,
            form,
            given: 0,
            summed: 0,
            text: [0; TEXT_MAX],
            text_len: 0,
            value: [0; VALUE_MAX],
            value_len: 0,
        }
    }

    /// What a path says, if anything.
    pub fn from_path(path: &[u8]) -> Option<Said> {
        let rest = path.strip_prefix(PATH_PREFIX)?;
        let slash = rest.iter().position(|byte| *byte == b'/')?;
        let (kind, words) = (&rest[..slash], &rest[slash + 1..]);
        let mark = Mark::ALL
            .iter()
            .copied()
            .find(|mark| mark.name().as_bytes() == kind)?;
        let mut said = Said::new(mark, Form::Path);
        match mark {
            Mark::Note | Mark::Phase => said.say(words),
            Mark::Checksum => {
                // Names may contain slashes; a checksum cannot.
                let slash = words.iter().rposition(|byte| *byte == b'/')?;
                said.say(&words[..slash]);
                said.hexadecimal(&words[slash + 1..])?;
            }
        }
        Some(said)
    }

    /// The name or text.
    pub fn text(&self) -> &[u8] {
        &self.text[..self.text_len]
    }

    /// The checksum, most significant byte first; nothing for other marks.
    pub fn value(&self) -> &[u8] {
        &self.value[..self.value_len]
    }

    pub fn set_value(&mut self, value: [u8; 8]) {
        self.value[..8].copy_from_slice(&value);
        self.value_len = 8;
    }

    /// Has the name or text written by `fill`, which returns how much it wrote, of `given` bytes.
    pub fn fill(&mut self, given: u64, fill: impl FnOnce(&mut [u8]) -> usize) {
        let room = given.min(TEXT_MAX as u64) as usize;
        self.given = given;
        self.text_len = fill(&mut self.text[..room]).min(room);
    }

    /// Adds words with `%` and two hexadecimal digits in place of a byte, where that is what follows.
    fn say(&mut self, words: &[u8]) {
        let mut left = words;
        while let Some((byte, rest)) = left.split_first() {
            let escaped = match (*byte, rest) {
                (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
                _ => None,
            };
            let byte = escaped.map_or(*byte, |(high, low)| high << 4 | low);
            left = if escaped.is_some() { &rest[2..] } else { rest };
            self.given += 1;
            if self.text_len < TEXT_MAX {
                self.text[self.text_len] = byte;
                self.text_len += 1;
            }
        }
    }

    /// Takes the checksum; the first digit may stand alone, as in numbers.
    fn hexadecimal(&mut self, digits: &[u8]) -> Option<()> {
        let len = digits.len().div_ceil(2);
        if len == 0 || len > VALUE_MAX {
            return None;
        }
        for (at, byte) in digits.iter().rev().enumerate() {
            self.value[len - 1 - at / 2] |= digit(*byte)? << (at % 2 * 4);
        }
        self.value_len = len;
        Some(())
    }
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::{sub, Arg, Len, ROWS};

    fn said(path: &str) -> Option<Said> {
        Said::from_path(path.as_bytes())
    }

    #[test]
    fn paths_say_notes_phases_and_checksums() {
        let note = said("/.reenact/mark/note/50%25 of a/b%2fc d%zz%0").expect("a note");
        assert_eq!((note.mark, note.form), (Mark::Note, Form::Path));
        assert_eq!(note.text(), b"50% of a/b/c d%zz%0");
        assert_eq!((note.given, note.summed), (19, 0));
        assert!(note.value().is_empty());
        let phase = said("/.reenact/mark/phase/load").expect("a phase");
        assert_eq!((phase.mark, phase.text()), (Mark::Phase, &b"load"[..]));
        let sum = said("/.reenact/mark/checksum/a/b/00fFa").expect("a checksum");
        assert_eq!((sum.mark, sum.text()), (Mark::Checksum, &b"a/b"[..]));
        assert_eq!(sum.value(), [0x00, 0x0f, 0xfa]);
        assert!(said("/.reenact/mark/note/").is_some_and(|note| note.text().is_empty()));
    }

    #[test]
    fn other_paths_say_nothing() {
        for path in [
            "",
            "/.reenact/mark",
            "/.reenact/mark/",
            "/.reenact/mark/note",
            "/.reenact/mark/noted/x",
            "/.reenact/mark/checksum/name",
            "/.reenact/mark/checksum/name/",
            "/.reenact/mark/checksum/name/12xy",
            ".reenact/mark/note/x",
            "/tmp/.reenact/mark/note/x",
        ] {
            assert!(said(path).is_none(), "{path}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_or_refused() {
        let mut path = [b'x'; 4000];
        let start = b"/.reenact/mark/note/";
        path[..start.len()].copy_from_slice(start);
        let note = Said::from_path(&path).expect("a note");
        assert_eq!(note.text(), [b'x'; TEXT_MAX]);
        assert_eq!(note.given, (path.len() - start.len()) as u64);
        let mut path = [b'0'; 400];
        let start = b"/.reenact/mark/checksum/n/";
        path[..start.len()].copy_from_slice(start);
        assert!(Said::from_path(&path[..start.len() + 2 * VALUE_MAX]).is_some());
        assert!(Said::from_path(&path[..start.len() + 2 * VALUE_MAX + 1]).is_none());
    }

    /// The table says where the bytes of each option are, and is where else the numbers stand.
    #[test]
    fn the_table_has_each_option() {
        let prctl = ROWS.iter().find(|row| row.name == "prctl").expect("prctl");
        for mark in Mark::ALL {
            let option = u64::from(mark.option());
            let shape = sub::resolve(prctl, &[option, 0, 0, 0, 0, 0]);
            assert!(shape.command.starts_with("REENACT_"), "{mark:?}");
            assert_eq!(shape.args[1], Arg::In(Len::Arg(2)));
            assert_eq!(Mark::from_option(mark.option()), Some(*mark));
            assert_eq!(Mark::from_number(*mark as u16), Some(*mark));
        }
        assert_eq!(Mark::from_option(0x524e_4d00), None);
    }
}
