//! Checksums of what a process wrote, per descriptor: a rolling hash of the bytes, whatever the sizes
//! of the calls that wrote them. It becomes an event when the descriptor is closed and when the
//! process ends or runs another program; replay computes its own and compares.
//!
//! Each call's bytes are compared anyway. These sums are for comparing runs: two runs that wrote the
//! same in other portions have the same sums.

use core::sync::atomic::Ordering;

use reenact_abi::arena::Reason;
use reenact_abi::event::{Header, Kind};
use reenact_abi::map;

use crate::dispatch::Cx;
use crate::guest_mem::{Block, Hash};
use crate::hooks::{descriptors, output};
use crate::task::{session, Task};
use crate::{divergence, log, record, replay};

/// `Header::nr` of a checksum event: what was written to descriptor `args[0]`, `args[1]` bytes, whose
/// hash is `args[2]`.
pub const WRITTEN: u16 = 2;

/// Descriptors followed at a time; what is written to others is not summed.
const STREAMS: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stream {
    /// The descriptor plus one; 0: unused.
    used: u32,
    held: u32,
    bytes: u64,
    hash: Hash,
    word: [u8; 8],
}

const EMPTY: Stream = Stream {
    used: 0,
    held: 0,
    bytes: 0,
    hash: Hash::NEW,
    word: [0; 8],
};

static mut STREAM: [Stream; STREAMS] = [EMPTY; STREAMS];

/// Those of the address space. A vfork child's process is another, so nothing is summed for it.
#[allow(static_mut_refs)]
fn all(task: &Task) -> &'static mut [Stream] {
    if task.state as u64 != map::HEAP {
        return &mut [];
    }
    // SAFETY: only the task that holds the group's turn runs code that uses it.
    unsafe { &mut STREAM }
}

impl Stream {
    fn add(&mut self, mut at: u64, len: u64) {
        let mut left = len;
        self.bytes += len;
        while left != 0 {
            let mut block = Block::<512>::new();
            let room = if self.held != 0 {
                8 - u64::from(self.held)
            } else {
                block.len() as u64
            };
            let take = left.min(room) as usize;
            let bytes = block.read(at, take);
            self.push(bytes);
            if bytes.len() < take {
                return;
            }
            at += take as u64;
            left -= take as u64;
        }
    }

    fn wrote(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.push(bytes);
    }

    fn push(&mut self, mut bytes: &[u8]) {
        if self.held != 0 {
            let held = self.held as usize;
            let take = bytes.len().min(8 - held);
            self.word[held..held + take].copy_from_slice(&bytes[..take]);
            self.held += take as u32;
            bytes = &bytes[take..];
            if self.held < 8 {
                return;
            }
            self.hash.word(u64::from_le_bytes(self.word));
            self.held = 0;
        }
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            self.hash.word(u64::from_le_bytes(eight));
        }
        let rest = words.remainder();
        self.word[..rest.len()].copy_from_slice(rest);
        self.held = rest.len() as u32;
    }

    fn sum(&self) -> u64 {
        let mut hash = self.hash;
        hash.bytes(&self.word[..self.held as usize]);
        hash.word(self.bytes);
        hash.0
    }
}

/// A call has returned: if it wrote, its bytes are summed.
pub fn wrote(cx: &Cx, ret: i64) {
    if ret <= 0 || !output::writes(cx.row) {
        return;
    }
    if let Some((_, stream)) = of(cx.task, cx.call.args[0]) {
        output::sent(cx, ret as u64, |at, len| stream.add(at, len));
    }
}

/// The sum of a descriptor as it is, and as it is to be once all of some bytes are written. To make it
/// beside the hash of what the call takes is quicker than behind the call: each step of either waits for
/// the one before.
pub struct Ahead {
    index: usize,
    before: Stream,
    after: Stream,
}

/// These bytes are about to be written.
#[inline(always)]
pub fn ahead(task: &Task, fd: u64, bytes: &[u8]) -> Option<Ahead> {
    let (index, stream) = of(task, fd)?;
    let (before, mut after) = (*stream, *stream);
    after.wrote(bytes);
    Some(Ahead {
        index,
        before,
        after,
    })
}

/// The first `sent` of those bytes were written; others may have had the turn meanwhile.
#[inline(always)]
pub fn settle(task: &Task, fd: u64, ahead: Option<&Ahead>, bytes: &[u8], sent: usize) {
    if let Some(ahead) = ahead.filter(|_| sent == bytes.len()) {
        let stream = all(task).get_mut(ahead.index);
        if let Some(stream) = stream.filter(|stream| **stream == ahead.before) {
            *stream = ahead.after;
            return;
        }
    }
    if let Some((_, stream)) = of(task, fd) {
        stream.wrote(&bytes[..sent.min(bytes.len())]);
    }
}

/// The sum of a descriptor, if there is one or may be one more, and where it lies.
fn of(task: &Task, fd: u64) -> Option<(usize, &'static mut Stream)> {
    let streams = all(task);
    let name = (fd as u32).wrapping_add(1);
    let named = |name| streams.iter().position(|stream| stream.used == name);
    let index = named(name).or_else(|| named(0))?;
    let stream = &mut streams[index];
    stream.used = name;
    Some((index, stream))
}

/// Recording: a call that may be the last to know of some descriptors is about to be made.
pub fn before(cx: &mut Cx) {
    let Some((from, to)) = descriptors::ended_by(cx) else {
        return;
    };
    descriptors::forget(cx.task, (from, to));
    for index in 0..all(cx.task).len() {
        let stream = all(cx.task)[index];
        let fd = u64::from(stream.used.wrapping_sub(1));
        if stream.used == 0 || fd < from || fd > to {
            continue;
        }
        let args = [fd, stream.bytes, stream.sum(), 0, 0, 0];
        all(cx.task)[index] = EMPTY;
        if stream.bytes == 0 {
            // Another thread's call that writes there has begun, and will be told of behind this one.
            continue;
        }
        record::event(
            cx.task,
            Header {
                kind: Kind::Checksum as u8,
                nr: WRITTEN,
                args,
                ..Header::default()
            },
        );
    }
}

/// Replay: compares with the recorded sum, `header`, the next event.
pub fn compare(task: &mut Task, header: &Header) {
    replay::take_turn(task, header);
    log::consume(task, header, |_, _| {});
    let name = (header.args[0] as u32).wrapping_add(1);
    let streams = all(task);
    let made = streams
        .iter_mut()
        .find(|stream| stream.used == name)
        .map(|stream| core::mem::replace(stream, EMPTY));
    let [bytes, sum] = made.map_or([0, 0], |stream| [stream.bytes, stream.sum()]);
    if [bytes, sum] != header.args[1..3] {
        let mut made = *header;
        (made.args[1], made.args[2]) = (bytes, sum);
        divergence::report(task, Reason::Checksum, header, &made, header.args[0]);
    }
    session().checksums_matched.fetch_add(1, Ordering::Relaxed);
}

/// A forked child has written nothing yet.
pub fn forget(task: &Task) {
    for stream in all(task) {
        *stream = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(portions: &[&[u8]]) -> u64 {
        let mut stream = EMPTY;
        for portion in portions {
            stream.wrote(portion);
        }
        stream.sum()
    }

    #[test]
    fn portions_do_not_matter_and_bytes_do() {
        let whole = sum(&[b"the quick brown fox jumps"]);
        assert_eq!(whole, sum(&[b"the ", b"quick brown", b"", b" fox jumps"]));
        assert_eq!(whole, sum(&[b"the quick brown fox jump", b"s"]));
        assert_ne!(whole, sum(&[b"the quick brown fox jumpt"]));
        assert_ne!(sum(&[&[0; 7]]), sum(&[&[0; 8]]));
    }
}
