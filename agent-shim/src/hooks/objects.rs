//! Shared objects: files (and memfds, and /dev/shm) that recorded processes map shared and may write.
//!
//! What one process stores there another loads without a call, so all that map one object take
//! turns; and what is written through a descriptor shows in the mappings, so replay keeps the
//! object in the session file, where every mapping of it leads.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{self, InodeEntry, INODES_MAX};
use reenact_abi::event::{Header, Kind, Role};
use reenact_abi::map;

use crate::dispatch::{Cx, Flow};
use crate::hooks::{contents, output};
use crate::nr;
use crate::sys::{self, Stat};
use crate::task::{group, session, Task};
use crate::{log, record, ring, turns};

const FREE: u32 = 0;
const BUSY: u32 = 1;
const READY: u32 = 2;
const PROBES: usize = 64;

fn entry(index: usize) -> &'static InodeEntry {
    // SAFETY: the table is part of the control mapping; the index is in bounds.
    unsafe { &*((map::CONTROL + arena::INODES) as *const InodeEntry).add(index % INODES_MAX) }
}

fn start(stat: &Stat) -> usize {
    ((stat.dev ^ stat.ino).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

/// The entry of an inode, if some recorded process maps it.
fn known(stat: &Stat) -> Option<&'static InodeEntry> {
    for probe in 0..PROBES {
        let entry = entry(start(stat).wrapping_add(probe));
        match entry.state.load(Ordering::Acquire) {
            FREE => return None,
            READY
                if entry.dev.load(Ordering::Relaxed) == stat.dev
                    && entry.ino.load(Ordering::Relaxed) == stat.ino =>
            {
                return Some(entry);
            }
            _ => {}
        }
    }
    None
}

fn regular(fd: i32) -> Option<Stat> {
    sys::fstat(fd)
        .ok()
        .filter(|stat| stat.mode & sys::S_IFMT == sys::S_IFREG)
}

/// May the descriptor write? A read-only mapping of a file that nobody of ours writes is content.
fn writable(fd: i32) -> bool {
    sys::status_flags(fd).is_ok_and(|flags| flags & sys::O_ACCMODE != 0)
}

/// A shared mapping of `fd` was made: its mappers are one group from here on.
pub fn join(task: &mut Task, fd: i32) {
    if task.detached {
        return;
    }
    let Some(stat) = regular(fd) else { return };
    if known(&stat).is_none() && !writable(fd) {
        return;
    }
    let merged = turns::regroup(task, || {
        let own = turns::root(task.my_slot().group.load(Ordering::Relaxed));
        let Some(entry) = known(&stat) else {
            claim(&stat, own);
            return false;
        };
        if !lives(entry) {
            new_object(entry);
            belongs_to(entry, own);
            return false;
        }
        let merged = turns::merge(task, entry.group.load(Ordering::Relaxed));
        // Whoever maps it next joins a group that lives.
        belongs_to(
            entry,
            turns::root(task.my_slot().group.load(Ordering::Relaxed)),
        );
        merged
    });
    task.merged |= merged;
    task.process().shares_memory = true;
}

/// Does the group of those who map it still exist?
fn lives(entry: &InodeEntry) -> bool {
    let index = entry.group.load(Ordering::Relaxed);
    group(index).id.load(Ordering::SeqCst) == entry.group_id.load(Ordering::Relaxed)
}

/// Makes the entry that of an object which `index`'s group maps.
fn belongs_to(entry: &InodeEntry, index: u32) {
    entry.group.store(index, Ordering::Relaxed);
    entry
        .group_id
        .store(group(index).id.load(Ordering::SeqCst), Ordering::Relaxed);
}

fn new_object(entry: &InodeEntry) {
    let object = session().next_content.fetch_add(1, Ordering::Relaxed) + 1;
    entry.object.store(object, Ordering::Relaxed);
}

fn claim(stat: &Stat, own: u32) {
    for probe in 0..PROBES {
        let entry = entry(start(stat).wrapping_add(probe));
        if entry
            .state
            .compare_exchange(FREE, BUSY, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
        {
            entry.dev.store(stat.dev, Ordering::Relaxed);
            entry.ino.store(stat.ino, Ordering::Relaxed);
            belongs_to(entry, own);
            new_object(entry);
            entry.state.store(READY, Ordering::Release);
            session().objects.fetch_add(1, Ordering::SeqCst);
            return;
        }
    }
}

/// The object number behind a shared mapping, if it is one.
pub fn of_mapping(task: &Task, fd: i32) -> Option<u64> {
    if task.detached {
        return None;
    }
    known(&regular(fd)?).map(|entry| entry.object.load(Ordering::Relaxed))
}

/// Adds to the current mmap event what it maps, and what that holds now.
pub fn attach(task: &mut Task, fd: i32, object: u64, offset: u64, len: u64) {
    let Some(stat) = regular(fd) else { return };
    let held = (stat.size.max(0) as u64).saturating_sub(offset).min(len);
    let content = if held == 0 {
        0
    } else {
        contents::send(task, fd, offset, held)
    };
    ring::reference(task, Role::Object, offset, len, object);
    if held != 0 {
        ring::reference(task, Role::Content, 0, held, content);
    }
}

/// A merge that the current call brought about, as an event of its own behind it.
pub fn note_merge(task: &mut Task) {
    if core::mem::take(&mut task.merged) {
        record::event(
            task,
            Header {
                kind: Kind::Merge as u8,
                ..Header::default()
            },
        );
    }
}

/// Is `fd` a file that recorded processes map shared? Then whoever writes to it through a descriptor
/// takes turns with them, and its number is returned.
pub fn join_by_descriptor(task: &mut Task, fd: i32) -> Option<u64> {
    if task.detached || session().objects.load(Ordering::SeqCst) == 0 {
        return None;
    }
    let entry = known(&regular(fd)?).filter(|entry| lives(entry))?;
    let group = entry.group.load(Ordering::Relaxed);
    if turns::root(group) != turns::root(task.my_slot().group.load(Ordering::Relaxed)) {
        task.merged |= turns::regroup(task, || turns::merge(task, group));
        task.process().shares_memory = true;
    }
    Some(entry.object.load(Ordering::Relaxed))
}

/// Adds to the event of a successful write where in a shared object its bytes went.
pub fn note_write(cx: &mut Cx, fd: i32, object: u64, ret: i64) {
    if ret <= 0 {
        return;
    }
    let args = cx.call.args;
    let offset = match cx.call.nr {
        nr::PWRITE64 | nr::PWRITEV | nr::PWRITEV2 if args[3] != u64::MAX => args[3],
        // SAFETY: no memory is touched.
        _ => unsafe { sys::call(nr::LSEEK, [fd as u64, 0, 1]) as u64 }.wrapping_sub(ret as u64),
    };
    ring::reference(cx.task, Role::Object, offset, ret as u64, object);
}

/// Replay: the object holds what the file held when this mapping was recorded.
pub fn refresh(task: &Task, zone: u64, from: u64, len: u64) {
    let (mut block, mut had) = ([0u8; 8192], [0u8; 8192]);
    let session_fd = task.process().arena_fd;
    let mut done = 0;
    while done < len {
        let want = (len - done).min(block.len() as u64) as usize;
        let got = sys::pread(session_fd, &mut block[..want], from + done).unwrap_or(0);
        if got == 0 {
            return;
        }
        // What is the same already may be a hole, and is to remain one.
        let known = sys::pread(session_fd, &mut had[..got], zone + done).unwrap_or(0);
        if block[..got] != had[..known] {
            put(task, zone + done, block.as_ptr() as u64, got as u64);
        }
        done += got as u64;
    }
}

/// Replay: writes memory to the session file.
fn put(task: &Task, offset: u64, from: u64, len: u64) {
    // SAFETY: the kernel reads the memory and reports what it cannot read.
    unsafe {
        sys::call(
            nr::PWRITE64,
            [task.process().arena_fd as u64, from, len, offset],
        )
    };
}

/// ftruncate and its kin: what is cut off is zero when the file grows again.
pub fn record(cx: &mut Cx) -> Flow {
    let args = cx.call.args;
    let shared = match cx.call.nr {
        nr::FTRUNCATE => join_by_descriptor(cx.task, args[0] as i32),
        _ => None,
    };
    let flow = if shared.is_some() {
        cx.enter_in_turn()
    } else {
        cx.enter()
    };
    let (Flow::Return(ret), Some(object)) = (flow, shared) else {
        return flow;
    };
    record::complete(cx.task, ret);
    if ret == 0 {
        ring::reference(cx.task, Role::Object, args[1], 0, object);
    }
    Flow::Completed(ret)
}

pub fn replay(cx: &mut Cx, header: &Header) -> Flow {
    let mut cut = None;
    log::consume(cx.task, header, |_, piece| {
        if piece.is(Role::Object) {
            cut = Some((piece.part.content + piece.part.addr, piece.part.len));
        }
    });
    if let Some((zone, len)) = cut {
        let zeroes = [0u8; 4096];
        let mut done = 0;
        while done < len {
            let take = (len - done).min(4096);
            put(cx.task, zone + done, zeroes.as_ptr() as u64, take);
            done += take;
        }
    }
    Flow::Completed(header.ret)
}

/// Replay: bytes that a call wrote through a descriptor show in the mappings of the object.
pub fn replay_write(cx: &Cx, zone: u64, len: u64) {
    let mut done = 0;
    output::sent(cx, len, |from, len| {
        put(cx.task, zone + done, from, len);
        done += len;
    });
}
