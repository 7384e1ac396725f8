//! Calls that take or write at most one flat piece of memory, as their rows say: most of what programs
//! do. The shim has a short way for them.

use super::{Arg, Blocks, Class, Hook, Len, NR_MAX, ROWS};

/// The memory behind the one argument that points at some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    None,
    /// As many bytes as argument `len` says are read.
    In {
        arg: u8,
        len: u8,
    },
    /// Always so many bytes are read.
    InFixed {
        arg: u8,
        len: u32,
    },
    /// As many things of `size` bytes as the call returns are written, and argument `most` says how many
    /// there is room for.
    Out {
        arg: u8,
        most: u8,
        size: u32,
    },
}

/// A call of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flat {
    pub buffer: Buffer,
    pub blocks: bool,
    /// What is written goes to the descriptor that is the first argument.
    pub writes: bool,
    /// Bits of other arguments that point at memory: only while these are null it is such a call.
    pub others: u8,
}

/// What call number `nr` is, if it is one of that kind.
#[inline(always)]
pub fn flat(nr: u64) -> Option<&'static Flat> {
    FLAT.get(nr as usize)?.as_ref()
}

static FLAT: [Option<Flat>; NR_MAX] = table();

const fn table() -> [Option<Flat>; NR_MAX] {
    let mut table = [None; NR_MAX];
    let mut at = 0;
    while at < ROWS.len() {
        table[ROWS[at].nr as usize] = of(at);
        at += 1;
    }
    table
}

/// Sends like a write.
const SENDTO: u16 = 44;
/// Changes what descriptors mean.
const UNSHARE: u16 = 272;

const fn of(row: usize) -> Option<Flat> {
    let row = &ROWS[row];
    // Without its mask, a call that takes one is like any other.
    let masked = matches!(row.hook, Hook::SigmaskArg);
    let plain = masked || matches!(row.hook, Hook::None | Hook::Write);
    if !matches!(row.class, Class::Emulated) || !plain || row.nr == UNSHARE {
        return None;
    }
    let mut flat = Flat {
        buffer: Buffer::None,
        blocks: matches!(row.blocks, Blocks::May),
        writes: matches!(row.hook, Hook::Write) || row.nr == SENDTO,
        others: 0,
    };
    let mut index = 0;
    while index < row.args.len() {
        let arg = index as u8;
        let buffer = match row.args[index] {
            Arg::None | Arg::Int | Arg::Fd | Arg::DirFd | Arg::Pid | Arg::Signal => Buffer::None,
            Arg::Flags | Arg::Mode | Arg::Addr => Buffer::None,
            Arg::In(_) if masked => {
                flat.others |= 1 << arg;
                Buffer::None
            }
            Arg::In(Len::Arg(len)) => Buffer::In { arg, len },
            Arg::In(Len::Fixed(len)) => Buffer::InFixed { arg, len },
            Arg::Out(Len::RetWithin(most)) => Buffer::Out { arg, most, size: 1 },
            Arg::Out(Len::RetTimesWithin(most, size)) => Buffer::Out { arg, most, size },
            Arg::Out(_) | Arg::In(_) | Arg::InOut(_) | Arg::OutOnEintr(_) => {
                flat.others |= 1 << arg;
                Buffer::None
            }
            Arg::Path | Arg::OutAlways(_) | Arg::InOutAlways(_) | Arg::PollFds(_) => return None,
            Arg::IovecIn(_) | Arg::IovecOut(_) | Arg::MsgIn | Arg::MsgOut => return None,
            Arg::MmsgIn(_) | Arg::MmsgOut(_) | Arg::ByHook => return None,
        };
        match (buffer, flat.buffer) {
            (Buffer::None, _) => {}
            (buffer, Buffer::None) => flat.buffer = buffer,
            _ => flat.others |= 1 << arg,
        }
        index += 1;
    }
    Some(flat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::ROWS;

    fn named(name: &str) -> Option<&'static Flat> {
        let row = ROWS.iter().find(|row| row.name == name).unwrap();
        flat(row.nr.into())
    }

    #[test]
    fn transfers_of_one_buffer_are_flat() {
        let read = named("read").unwrap();
        let buffer = Buffer::Out {
            arg: 1,
            most: 2,
            size: 1,
        };
        assert_eq!((read.buffer, read.others), (buffer, 0));
        assert!(read.blocks && !read.writes);
        let write = named("write").unwrap();
        assert_eq!(write.buffer, Buffer::In { arg: 1, len: 2 });
        assert!(write.writes);
        let received = named("recvfrom").unwrap();
        assert_eq!((received.buffer, received.others), (buffer, 0b11_0000));
        assert_eq!(named("sendto").unwrap().others, 0b1_0000);
        assert_eq!(named("epoll_pwait").unwrap().others, 0b1_0000);
    }

    #[test]
    fn what_needs_more_than_its_row_is_not() {
        for name in [
            "mmap", "futex", "openat", "close", "readv", "poll", "ioctl", "unshare", "connect",
        ] {
            assert_eq!(named(name), None, "{name}");
        }
    }
}
