//! What a call wrote to the program's memory, as its row says: copied into the event.
//!
//! [`each`] is the only place that knows which bytes a call wrote.

use reenact_abi::event::Role;
use reenact_abi::syscalls::{Arg, Len};

use crate::guest_mem::{self, Iovec, Mmsghdr, Msghdr};
use crate::inputs;
use crate::ring;
use crate::sys::Errno;
use crate::task::Task;

/// Room that a call's length cells and headers named on entry; the kernel overwrites them.
#[derive(Clone, Copy, Default)]
pub struct Before {
    /// Value of the length cell of each argument that has one.
    cell: [u32; 6],
    /// Name and control room of a received message.
    name: u32,
    control: u64,
}

const VECTORS_MAX: u64 = 1024;

/// Notes what must be known from before the call.
pub fn before(shape: &[Arg; 6], args: &[u64; 6]) -> Before {
    let mut before = Before::default();
    for (index, arg) in shape.iter().enumerate() {
        match *arg {
            Arg::Out(len @ Len::Sized(..))
            | Arg::OutAlways(len @ Len::Sized(..))
            | Arg::InOut(len @ Len::Sized(..))
            | Arg::InOutAlways(len @ Len::Sized(..))
                if args[index] != 0 =>
            {
                before.cell[index] = inputs::input_len(len, args[index], args).min(1 << 20) as u32;
            }
            Arg::Out(Len::Cell(cell)) if args[cell as usize % 6] != 0 => {
                before.cell[index] = guest_mem::get(args[cell as usize % 6]).unwrap_or(0);
            }
            Arg::MsgOut => {
                if let Ok(message) = guest_mem::get::<Msghdr>(args[index]) {
                    before.name = message.name_len;
                    before.control = message.control_len;
                }
            }
            _ => {}
        }
    }
    before
}

/// Emits every output of a call that returned `ret`.
pub fn emit(task: &mut Task, shape: &[Arg; 6], args: &[u64; 6], ret: i64, before: &Before) {
    each(shape, args, ret, before, &mut |at, len| {
        bytes(task, at, len)
    });
}

/// Walks the ranges that a call with these arguments wrote before it returned `ret`. A length may be 0.
pub fn each(
    shape: &[Arg; 6],
    args: &[u64; 6],
    ret: i64,
    before: &Before,
    bytes: &mut impl FnMut(u64, u64),
) {
    let failed = (-4095..0).contains(&ret);
    let interrupted = ret == Errno::EINTR.ret();
    for (index, arg) in shape.iter().enumerate() {
        let at = args[index];
        if at == 0 {
            continue;
        }
        match *arg {
            Arg::Out(len) | Arg::InOut(len) if !failed => {
                bytes(at, output_len(len, at, args, ret, before.cell[index]));
            }
            // Written whatever the result says, but never where it cannot be (select's timeout).
            Arg::PollFds(_) | Arg::OutAlways(_) | Arg::InOutAlways(_)
                if !guest_mem::overlaps_shim(at, 1) && !guest_mem::writable(at) => {}
            Arg::PollFds(count) => bytes(
                at,
                (args[count as usize % 6] & 0xffff_ffff).min(1 << 20) * 8,
            ),
            Arg::OutAlways(len) | Arg::InOutAlways(len) => {
                bytes(at, output_len(len, at, args, ret, before.cell[index]))
            }
            Arg::OutOnEintr(len) if interrupted => {
                bytes(at, output_len(len, at, args, ret, before.cell[index]));
            }
            Arg::IovecOut(count) if !failed => {
                vectors(at, args[count as usize % 6], ret as u64, bytes)
            }
            Arg::MsgOut if !failed => received(at, ret as u64, before, bytes),
            Arg::MmsgOut(_) if !failed => {
                for message in 0..(ret as u64).min(VECTORS_MAX) {
                    let entry = at + message * core::mem::size_of::<Mmsghdr>() as u64;
                    if let Ok(header) = guest_mem::get::<Mmsghdr>(entry) {
                        let room = Before {
                            name: header.header.name_len,
                            control: header.header.control_len,
                            ..*before
                        };
                        received(entry, u64::from(header.len), &room, bytes);
                        bytes(entry + 56, 4);
                    }
                }
            }
            Arg::MmsgIn(_) if !failed => {
                for message in 0..(ret as u64).min(VECTORS_MAX) {
                    bytes(
                        at + message * core::mem::size_of::<Mmsghdr>() as u64 + 56,
                        4,
                    );
                }
            }
            _ => {}
        }
    }
}

fn output_len(len: Len, at: u64, args: &[u64; 6], ret: i64, cell_before: u32) -> u64 {
    let returned = ret.max(0) as u64;
    match len {
        Len::Ret => returned,
        Len::RetWithin(index) => returned.min(args[index as usize % 6]),
        Len::RetPlus(index, more) => returned.min(args[index as usize % 6]) + u64::from(more),
        Len::RetTimesWithin(index, size) => {
            returned.min(args[index as usize % 6]) * u64::from(size)
        }
        Len::Sized(..) => u64::from(cell_before),
        Len::RetTimes(size) => returned.saturating_mul(u64::from(size)),
        Len::Cell(index) => {
            let after = guest_mem::get::<u32>(args[index as usize % 6]).unwrap_or(0);
            u64::from(after.min(cell_before))
        }
        len => inputs::input_len(len, at, args),
    }
}

/// One output as parts of the current event.
pub fn bytes(task: &mut Task, at: u64, len: u64) {
    if len != 0 {
        ring::part(task, Role::Output, at, at, len, 0);
    }
}

fn vectors(at: u64, count: u64, mut left: u64, bytes: &mut impl FnMut(u64, u64)) {
    for index in 0..count.min(VECTORS_MAX) {
        if left == 0 {
            return;
        }
        let Ok(vector) = guest_mem::get::<Iovec>(at + index * 16) else {
            return;
        };
        let take = vector.len.min(left);
        bytes(vector.base, take);
        left -= take;
    }
}

fn received(at: u64, ret: u64, before: &Before, bytes: &mut impl FnMut(u64, u64)) {
    let Ok(message) = guest_mem::get::<Msghdr>(at) else {
        return;
    };
    vectors(message.iov, message.iov_len, ret, bytes);
    if message.name != 0 {
        bytes(message.name, u64::from(message.name_len.min(before.name)));
    }
    if message.control != 0 {
        bytes(message.control, message.control_len.min(before.control));
    }
    // The header itself: name length, control length and flags were updated.
    bytes(at, core::mem::size_of::<Msghdr>() as u64);
}
