//! Recording, the short way: calls from rewritten sites that need nothing but to be made and written
//! down. Most of what servers do is reading and writing one piece of memory, again and again from the
//! same places, and an event like an earlier one takes 40 bytes and the piece.
//!
//! What must already hold: the call comes from a rewritten site. What this never does: anything that
//! [`record::call`] does not do as well. Whatever is out of the ordinary (a signal that waits, a task
//! that wants the turn, a full ring, the run's own outputs, files) is left to it, before the call is
//! made.

use core::sync::atomic::Ordering;

use reenact_abi::arena::state;
use reenact_abi::event::{alike, Header, Kind, Role, ALIKE_SIZE};
use reenact_abi::syscalls::flat::{self, Buffer, Flat};

use crate::arch::{self, NOT_ENTERED};
use crate::dispatch::{After, Call};
use crate::guest_mem::{self, Hash};
use crate::hooks::descriptors::{self, Leads};
use crate::intercept::clock;
use crate::sys::Errno;
use crate::task::{session, Task};
use crate::{chaos, record, ring, scratch, signals, streams, turns};

/// More bytes of one call are written down the long way.
const BYTES_MAX: u64 = 8192;

/// Is there nothing to do but to make the call and write it down?
#[inline(always)]
pub fn undisturbed(task: &Task) -> bool {
    task.pending.load(Ordering::Acquire) == 0
        && !task.detached
        && task.recording()
        && session().state.load(Ordering::Relaxed) == state::OPEN
        && !turns::is_wanted(task)
        && !chaos::on()
}

/// What the call takes, or has room for.
#[derive(Clone, Copy, Default)]
struct Piece {
    at: u64,
    len: u64,
    /// Bytes that stand for one in the result; 0: they are taken, not written.
    unit: u64,
    /// See [`alike`].
    part: u8,
}

impl Piece {
    fn of(flat: &Flat, args: &[u64; 6]) -> Piece {
        let arg = |index: u8| args[index as usize % 6];
        let taken = |index: u8, len: u64| Piece {
            at: arg(index),
            len,
            unit: 0,
            part: index | alike::TAKEN,
        };
        let piece = match flat.buffer {
            Buffer::None => return Piece::default(),
            Buffer::In { arg: index, len } => taken(index, arg(len)),
            Buffer::InFixed { arg: index, len } => taken(index, len.into()),
            Buffer::Out {
                arg: index,
                most,
                size,
            } => Piece {
                at: arg(index),
                len: match size {
                    1 => arg(most),
                    size => (arg(most) & 0xffff_ffff) * u64::from(size),
                },
                unit: size.into(),
                part: index,
            },
        };
        if piece.at == 0 {
            return Piece::default();
        }
        piece
    }

    fn is_taken(&self) -> bool {
        self.part & alike::TAKEN != 0
    }

    /// Bytes that a call which returned `ret` wrote there.
    fn written(&self, ret: i64) -> u64 {
        (ret.max(0) as u64).saturating_mul(self.unit).min(self.len)
    }
}

/// Makes the call and writes it down, and says what comes next and what it returned; `None` if it has
/// not been made.
#[inline(always)]
pub fn call(task: &mut Task, call: &Call) -> Option<(After, u64)> {
    let flat = flat::flat(call.nr)?;
    if !undisturbed(task) || scratch::truncates(call.nr, &call.args) {
        return None;
    }
    make(task, call, flat)
}

#[inline(always)]
fn make(task: &mut Task, call: &Call, flat: &Flat) -> Option<(After, u64)> {
    let pointers = call.args.iter().enumerate();
    if flat.others != 0
        && pointers.fold(0, |bits, (index, arg)| bits | u8::from(*arg != 0) << index) & flat.others
            != 0
    {
        return None;
    }
    let piece = Piece::of(flat, &call.args);
    if flat.writes && descriptors::leads_to(task, call.args[0]) != Leads::Messages {
        return None;
    }
    let (mut input_hash, mut ahead) = (0, None);
    if piece.is_taken() {
        if piece.len > BYTES_MAX || !ring::has_room(task, ALIKE_SIZE as u64 + piece.len + 8) {
            return None;
        }
        // They are copied before the call, to where the event will have them.
        let bytes = taken(task, &piece)?;
        let mut hash = Hash::NEW;
        hash.blocks(bytes);
        input_hash = hash.0;
        if flat.writes {
            ahead = streams::ahead(task, call.args[0], bytes);
        }
    }
    let mut args = call.args;
    if piece.unit != 0 && flat.blocks && scratch::is_shared(task) {
        args[usize::from(piece.part)] = scratch::stand_in(task, piece.at, piece.len)?;
    }
    task.rsp = call.rsp;
    task.kernel_mask = signals::real_mask(task.mask);
    ring::entered(task, call, input_hash);
    let mut ret = if flat.blocks {
        record::wait(task, call.nr, &args)
    } else {
        // SAFETY: the target's own call, with the target's own memory.
        unsafe { arch::syscall(call.nr, args) }
    };
    if ret == NOT_ENTERED {
        ring::not_entered(task);
        return None;
    }
    let from = args[usize::from(piece.part & alike::ARGUMENT)];
    if from != piece.at && piece.unit != 0 {
        let written = piece.written(ret);
        // SAFETY: a stand-in of the shim's has so many bytes, or it is the target's own memory.
        if unsafe { guest_mem::copy_back(piece.at, from, written) } != written {
            ret = Errno::EFAULT.ret();
        }
    }
    if flat.writes && ret > 0 {
        // SAFETY: `taken` put them there, and the ring is not published yet.
        let bytes = unsafe {
            core::slice::from_raw_parts(ring::alike_bytes(task) as *const u8, piece.len as usize)
        };
        streams::settle(task, call.args[0], ahead.as_ref(), bytes, ret as usize);
    }
    write_down(task, call, flat, &piece, ret, input_hash);
    let after = if signals::settled(task) {
        After::Done
    } else {
        After::Deliver
    };
    Some((after, ret as u64))
}

/// Copies what the call takes to where its event will have it.
fn taken<'a>(task: &Task, piece: &Piece) -> Option<&'a [u8]> {
    let to = ring::alike_bytes(task);
    // SAFETY: there is room in the ring, which is ours until it is published.
    unsafe {
        let got = guest_mem::read_raw(piece.at, to, piece.len as usize);
        (got as u64 == piece.len).then(|| core::slice::from_raw_parts(to as *const u8, got))
    }
}

#[inline(always)]
fn write_down(task: &mut Task, call: &Call, flat: &Flat, piece: &Piece, ret: i64, input_hash: u64) {
    let order = turns::next_order(task);
    let sent = if flat.writes { ret.max(0) as u64 } else { 0 };
    let mut returned = ring::Returned {
        ret,
        order,
        time_ns: clock::event_ns(),
        input_hash,
        part: piece.part,
        len: sent + piece.written(ret),
    };
    if returned.len != 0 {
        returned.part |= if flat.writes {
            alike::INPUT
        } else {
            alike::OUTPUT
        };
    }
    let known = ring::is_known(task, call, order.0);
    let fits = returned.len <= BYTES_MAX && ring::has_room(task, ALIKE_SIZE as u64 + BYTES_MAX);
    match known {
        Ok(template) if fits => {
            if piece.unit != 0 && returned.len != 0 {
                let to = ring::alike_bytes(task);
                // SAFETY: there is room in the ring. The bytes are those that the call wrote just now.
                unsafe { guest_mem::read_raw(piece.at, to, returned.len as usize) };
            }
            ring::alike(task, template, &returned);
        }
        known => write_down_whole(task, call, flat, piece, &returned, known.err().unwrap_or(0)),
    }
}

#[cold]
fn write_down_whole(
    task: &mut Task,
    call: &Call,
    flat: &Flat,
    piece: &Piece,
    returned: &ring::Returned,
    template: u32,
) {
    let header = Header {
        kind: Kind::Call as u8,
        nr: call.nr as u16,
        group: returned.order.0,
        template,
        order: returned.order.1,
        time_ns: returned.time_ns,
        args: call.args,
        ret: returned.ret,
        rip: call.rip,
        rsp: call.rsp,
        input_hash: returned.input_hash,
        ..Header::default()
    };
    ring::begin(task, &header);
    if returned.len != 0 {
        let role = if flat.writes {
            Role::Input
        } else {
            Role::Output
        };
        ring::part(task, role, piece.at, piece.at, returned.len, 0);
    }
    ring::finish(task);
}
