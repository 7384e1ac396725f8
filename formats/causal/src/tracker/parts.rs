//! What calls carried, taken out of their events' parts. Layouts are those of x86-64 Linux.

use reenact_abi::event::Role;
use reenact_trace::Event;

use crate::fact::Bytes;

const SOL_SOCKET: u32 = 1;
const SCM_RIGHTS: u32 = 1;
/// `struct mmsghdr`, and the `struct msghdr` that it starts with.
pub const MMSGHDR: u64 = 64;
pub const MSGHDR: u64 = 56;
/// Descriptors that one message may carry (SCM_MAX_FD).
const PASSED_MAX: usize = 253;

/// The first `len` bytes of the parts of a role: the payload stands before names and headers.
pub fn payload(event: &Event, role: Role, len: u64) -> Bytes {
    let mut known = Vec::new();
    for part in event.parts.iter().filter(|part| part.role == role) {
        let left = len - known.len() as u64;
        let take = part
            .bytes
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        known.extend_from_slice(&part.bytes[..take]);
        if take as u64 == left {
            break;
        }
    }
    Bytes { len, known }
}

/// Did the call carry anything of a role?
pub fn has(event: &Event, role: Role) -> bool {
    event.parts.iter().any(|part| part.role == role)
}

/// The part of a role at an address.
pub fn at(event: &Event, role: Role, addr: u64) -> Option<&[u8]> {
    let mut parts = event.parts.iter();
    let part = parts.find(|part| part.role == role && part.addr == addr)?;
    Some(&part.bytes)
}

/// All parts of a role at an address, one behind the other.
pub fn all(event: &Event, role: Role, addr: u64) -> Vec<u8> {
    let parts = event.parts.iter();
    let parts = parts.filter(|part| part.role == role && part.addr == addr);
    parts.flat_map(|part| part.bytes.iter().copied()).collect()
}

pub fn u32_of(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

pub fn u64_of(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}

/// Two descriptors that a call wrote.
pub fn pair(event: &Event, addr: u64) -> Option<[u32; 2]> {
    let bytes = at(event, Role::Output, addr)?;
    Some([u32_of(bytes, 0)?, u32_of(bytes, 4)?])
}

/// The descriptors in control messages (cmsg(3)).
pub fn rights(control: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    let mut from = 0usize;
    while let (Some(len), Some(level), Some(kind)) = (
        u64_of(control, from),
        u32_of(control, from + 8),
        u32_of(control, from + 12),
    ) {
        let Ok(len) = usize::try_from(len) else { break };
        let Some(end) = from.checked_add(len) else {
            break;
        };
        if len < 16 || end > control.len() {
            break;
        }
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS) {
            let numbers = control[from + 16..end].chunks_exact(4);
            found.extend(numbers.filter_map(|bytes| u32_of(bytes, 0)));
        }
        from = end.next_multiple_of(8);
    }
    found.truncate(PASSED_MAX);
    found
}

/// What a `struct msghdr` points to, as the kernel left it: address and length of the name and of
/// the control messages.
pub struct Message<'a> {
    pub name: Option<&'a [u8]>,
    pub control: Option<&'a [u8]>,
}

pub fn message(event: &Event, header_at: u64) -> Message<'_> {
    let header = at(event, Role::Output, header_at).unwrap_or_default();
    let pointed = |at_byte: usize| {
        let addr = u64_of(header, at_byte).filter(|addr| *addr != 0)?;
        at(event, Role::Output, addr)
    };
    Message {
        name: pointed(0),
        control: pointed(32),
    }
}

/// The messages of recvmmsg or sendmmsg: where each one's payload starts among the payload parts, and
/// its length as the kernel wrote it.
pub fn message_lengths(event: &Event, vector: u64, count: u64) -> Vec<u32> {
    let entries = 0..count.min(1024);
    let entries = entries.map(|entry| vector.wrapping_add(entry * MMSGHDR));
    let lengths = entries.map_while(|entry| {
        let bytes = at(event, Role::Output, entry.wrapping_add(MSGHDR))?;
        u32_of(bytes, 0)
    });
    lengths.collect()
}

/// The payload of message number `entry` of recvmmsg: its parts follow the length word of the one before.
pub fn received_message(event: &Event, vector: u64, entry: u64, len: u32) -> Bytes {
    let outputs = event.parts.iter().filter(|part| part.role == Role::Output);
    let mut outputs = outputs.peekable();
    if entry > 0 {
        let before = vector.wrapping_add((entry - 1) * MMSGHDR + MSGHDR);
        for part in outputs.by_ref() {
            if part.addr == before && part.len == 4 {
                break;
            }
        }
    }
    let mut known = Vec::new();
    for part in outputs {
        let take = part.bytes.len().min(len as usize - known.len());
        known.extend_from_slice(&part.bytes[..take]);
        if known.len() == len as usize {
            break;
        }
    }
    Bytes {
        len: len.into(),
        known,
    }
}

/// Strings that follow each other in memory, each with a zero byte at its end.
pub fn strings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let strings = bytes.split_inclusive(|byte| *byte == 0);
    let whole = strings.filter_map(|text| text.strip_suffix(&[0]));
    whole.map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_are_walked_within_their_bounds() {
        let mut control = Vec::new();
        control.extend(20u64.to_le_bytes());
        control.extend(1u32.to_le_bytes());
        control.extend(2u32.to_le_bytes());
        control.extend([9, 0, 0, 0, 0, 0, 0, 0]);
        control.extend(24u64.to_le_bytes());
        control.extend(1u32.to_le_bytes());
        control.extend(1u32.to_le_bytes());
        control.extend(7u32.to_le_bytes());
        control.extend(8u32.to_le_bytes());
        assert_eq!(rights(&control), [7, 8]);
        for cut in 0..control.len() {
            let found = rights(&control[..cut]);
            assert!(found.is_empty(), "{cut}: {found:?}");
        }
        for len in [0, 15, 25, u64::MAX, u64::MAX - 7] {
            control[24..32].copy_from_slice(&u64::to_le_bytes(len));
            assert!(rights(&control).is_empty(), "{len}");
        }
    }
}
