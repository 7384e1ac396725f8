//! What a call takes from the program's memory, as its row says: hashed, so that replay can tell
//! the first call that was given other bytes.

use reenact_abi::syscalls::{Arg, Len};

use crate::guest_mem::{self, Hash, Iovec, Mmsghdr, Msghdr};

/// More than this of one argument is not hashed: what differs further on shows elsewhere.
const BYTES_MAX: u64 = 1 << 30;
const VECTORS_MAX: u64 = 1024;

/// Hash of all inputs; 0 for a call that takes none.
pub fn hash(shape: &[Arg; 6], args: &[u64; 6]) -> u64 {
    let mut hash = Hash::NEW;
    let mut any = false;
    for (index, arg) in shape.iter().enumerate() {
        let at = args[index];
        if at == 0 {
            continue;
        }
        any |= one(&mut hash, *arg, at, args);
    }
    if any {
        hash.0
    } else {
        0
    }
}

fn one(hash: &mut Hash, arg: Arg, at: u64, args: &[u64; 6]) -> bool {
    match arg {
        Arg::Path => string(hash, at),
        Arg::In(len) | Arg::InOut(len) | Arg::InOutAlways(len) => match len {
            Len::Str => string(hash, at),
            len => hash.guest(at, input_len(len, at, args).min(BYTES_MAX)),
        },
        Arg::PollFds(count) => {
            // fd and events; what stands in revents means nothing yet.
            for index in 0..(args[count as usize % 6] & 0xffff_ffff).min(1 << 20) {
                hash.guest(at + index * 8, 6);
            }
        }
        Arg::IovecIn(count) => vectors(hash, at, args[count as usize % 6]),
        Arg::MsgIn => {
            if let Ok(message) = guest_mem::get::<Msghdr>(at) {
                sent(hash, &message);
            }
        }
        Arg::MmsgIn(count) => {
            for index in 0..args[count as usize % 6].min(VECTORS_MAX) {
                let entry = at + index * core::mem::size_of::<Mmsghdr>() as u64;
                if let Ok(message) = guest_mem::get::<Mmsghdr>(entry) {
                    sent(hash, &message.header);
                }
            }
        }
        _ => return false,
    }
    true
}

fn string(hash: &mut Hash, at: u64) {
    match guest_mem::string_len(at, 1 << 17) {
        Ok(len) => hash.guest(at, len as u64),
        Err(_) => hash.word(u64::MAX),
    }
}

/// Bytes behind a pointer that a call reads.
pub fn input_len(len: Len, at: u64, args: &[u64; 6]) -> u64 {
    match len {
        Len::Fixed(bytes) => u64::from(bytes),
        Len::Arg(index) => args[index as usize % 6],
        Len::ArgTimes(index, size) => {
            (args[index as usize % 6] & 0xffff_ffff).saturating_mul(u64::from(size))
        }
        Len::FdSet(index) => fd_set(args[index as usize % 6]),
        Len::Cell(index) => u64::from(guest_mem::get::<u32>(args[index as usize % 6]).unwrap_or(0)),
        Len::ArgPlus(index, more) => args[index as usize % 6].saturating_add(u64::from(more)),
        Len::Sized(offset, more, least) => {
            let said = guest_mem::get::<u32>(at + u64::from(offset)).unwrap_or(0);
            (u64::from(said) + u64::from(more)).max(u64::from(least))
        }
        Len::NodeMask(index) => {
            (args[index as usize % 6].saturating_sub(1).min(1 << 20)).div_ceil(64) * 8
        }
        Len::Ret
        | Len::RetWithin(_)
        | Len::RetPlus(..)
        | Len::RetTimes(_)
        | Len::RetTimesWithin(..)
        | Len::Str => 0,
    }
}

pub fn fd_set(count: u64) -> u64 {
    (count & 0xffff_ffff).min(1 << 20).div_ceil(64) * 8
}

fn vectors(hash: &mut Hash, at: u64, count: u64) {
    for index in 0..count.min(VECTORS_MAX) {
        match guest_mem::get::<Iovec>(at + index * 16) {
            Ok(vector) => hash.guest(vector.base, vector.len.min(BYTES_MAX)),
            Err(_) => hash.word(u64::MAX),
        }
    }
}

fn sent(hash: &mut Hash, message: &Msghdr) {
    if message.name != 0 {
        hash.guest(message.name, u64::from(message.name_len.min(4096)));
    }
    vectors(hash, message.iov, message.iov_len);
    if message.control != 0 {
        hash.guest(message.control, message.control_len.min(1 << 16));
    }
}
