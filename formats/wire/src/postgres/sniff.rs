//! How messages of PostgreSQL begin, to recognise them.

use crate::message::Direction;
use crate::raw::Found;

/// What a client may begin with, in place of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    Startup { minor: u16 },
    Ssl,
    Gss,
    Cancel,
}

/// Longest first message that servers accept.
const OPENING_MAX: u32 = 10_000;

/// The length and kind of a client's first message, if these bytes begin one.
pub fn opening(bytes: &[u8]) -> Result<(usize, Opening), Found> {
    let Some([a, b, c, d, code @ ..]) = bytes.first_chunk::<8>() else {
        let zero = bytes.iter().take(2).all(|byte| *byte == 0);
        return Err(if zero { Found::More } else { Found::No });
    };
    let len = u32::from_be_bytes([*a, *b, *c, *d]);
    let opening = match u32::from_be_bytes(*code) {
        80_877_102 if len >= 16 => Opening::Cancel,
        80_877_103 if len == 8 => Opening::Ssl,
        80_877_104 if len == 8 => Opening::Gss,
        version if version >> 16 == 3 && len >= 9 => Opening::Startup {
            minor: version as u16,
        },
        _ => return Err(Found::No),
    };
    if len > OPENING_MAX {
        return Err(Found::No);
    }
    Ok((len as usize, opening))
}

/// Tags of messages in a direction.
pub fn is_tag(direction: Direction, tag: u8) -> bool {
    let tags: &[u8] = match direction {
        Direction::ToServer => b"QPBEDSCHXFfpdc",
        Direction::ToClient => b"RKSZTDCENI123ntAGHWcdVvs",
    };
    tags.contains(&tag)
}

/// The length behind a tag, which counts itself: how many bytes the message has in all.
pub fn total_len(direction: Direction, header: [u8; 5]) -> Result<usize, &'static str> {
    let [tag, len @ ..] = header;
    let len = u32::from_be_bytes(len);
    if !is_tag(direction, tag) {
        return Err("no message has this tag");
    }
    let fits = match (direction, tag) {
        (Direction::ToServer, b'S' | b'H' | b'X' | b'c') => len == 4,
        (Direction::ToServer, b'E') => len >= 9,
        (Direction::ToServer, b'D' | b'C') => len >= 6,
        (Direction::ToClient, b'Z') => len == 5,
        (Direction::ToClient, b'1' | b'2' | b'3' | b'n' | b's' | b'c' | b'I') => len == 4,
        (Direction::ToClient, b'R' | b'K') => len >= 8,
        (Direction::ToServer | Direction::ToClient, _) => len >= 4,
    };
    // PostgreSQL itself stops there.
    if !fits || len >= 1 << 30 {
        return Err("a message of this tag does not have this length");
    }
    Ok(len as usize + 1)
}

/// Whether a chain of messages begins here: three of them, or fewer with one that is decisive.
pub fn is_usual(direction: Direction, bytes: &[u8]) -> Found {
    let mut rest = bytes;
    for _ in 0..3 {
        let Some(header) = rest.first_chunk::<5>() else {
            let tag = rest.first().is_none_or(|tag| is_tag(direction, *tag));
            return if tag { Found::More } else { Found::No };
        };
        let len = match total_len(direction, *header) {
            Ok(len) if len <= 1 << 16 => len,
            Ok(_) | Err(_) => return Found::No,
        };
        let Some(message) = rest.get(..len) else {
            return Found::More;
        };
        let decisive = match (direction, header[0]) {
            (Direction::ToServer, b'Q') => {
                let text = &message[5..];
                text.split_last()
                    .is_some_and(|(end, text)| *end == 0 && !text.contains(&0))
            }
            (Direction::ToServer, b'S') => true,
            (Direction::ToClient, b'Z') => matches!(message[5], b'I' | b'T' | b'E'),
            (Direction::ToServer | Direction::ToClient, _) => false,
        };
        if decisive {
            return Found::Yes;
        }
        rest = &rest[len..];
    }
    Found::Yes
}
