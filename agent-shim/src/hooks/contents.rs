//! File contents: sent into the trace once, referred to by every mapping.

use core::sync::atomic::{AtomicU64, Ordering};

use reenact_abi::arena::{self, ContentEntry, CONTENTS_MAX};
use reenact_abi::event::Role;
use reenact_abi::map::{self, PAGE};

use crate::nr;
use crate::ring;
use crate::say::link_of;
use crate::sys::{self, Stat};
use crate::task::{session, Task};

/// Files up to this size are taken whole, so that all mappings of one share one content; larger ones
/// are when most of one is mapped, as the dynamic loader does at first.
const WHOLE_MAX: u64 = 64 << 20;
/// A file changed less than this ago might change again without its times telling.
const SETTLED_NS: u64 = 2_000_000_000;
const PROBES: usize = 16;

const FREE: u32 = 0;
const BUSY: u32 = 1;
const READY: u32 = 2;

fn entry(index: usize) -> &'static ContentEntry {
    // SAFETY: the table is part of the control mapping; the index is in bounds.
    unsafe { &*((map::CONTROL + arena::CONTENTS) as *const ContentEntry).add(index % CONTENTS_MAX) }
}

/// Adds to the current event what a mapping of `len` bytes at `offset` of `fd` holds.
/// The bytes of it, and the number of the content.
pub fn attach(task: &mut Task, fd: i32, offset: u64, len: u64) -> Option<(u64, u64)> {
    if task.detached {
        return None;
    }
    let stat = sys::fstat(fd).ok()?;
    if stat.mode & sys::S_IFMT == sys::S_IFCHR {
        // /dev/zero and what works like it: content number 0 is all zeroes.
        ring::reference(task, Role::Content, 0, len, 0);
        return None;
    }
    if stat.mode & sys::S_IFMT != sys::S_IFREG {
        return None;
    }
    let size = stat.size.max(0) as u64;
    let held = size.saturating_sub(offset).min(len);
    if held == 0 {
        return None;
    }
    let [modified_ns, changed_ns] = times_ns(&stat);
    let settled = sys::wall_ns().saturating_sub(modified_ns.max(changed_ns)) > SETTLED_NS;
    let whole = Key::new(&stat, 0, size);
    let (key, from) =
        if settled && (size <= WHOLE_MAX || held >= size / 2 || whole.known().is_some()) {
            (whole, offset)
        } else {
            (Key::new(&stat, offset, held), 0)
        };
    let content = match key.known() {
        Some(content) if settled => content,
        _ => {
            let content = send(task, fd, key.offset, key.len);
            if settled {
                key.remember(content);
            }
            content
        }
    };
    ring::reference(task, Role::Content, from, held, content);
    Some((held, content))
}

fn times_ns(stat: &Stat) -> [u64; 2] {
    [(stat.mtime, stat.mtime_ns), (stat.ctime, stat.ctime_ns)]
        .map(|(seconds, ns)| seconds * 1_000_000_000 + ns)
}

/// What tells bytes of a file from all others.
struct Key {
    offset: u64,
    len: u64,
    words: [u64; 7],
}

impl Key {
    fn new(stat: &Stat, offset: u64, len: u64) -> Key {
        let [mtime_ns, ctime_ns] = times_ns(stat);
        let size = stat.size as u64;
        Key {
            offset,
            len,
            words: [stat.dev, stat.ino, size, mtime_ns, ctime_ns, offset, len],
        }
    }

    fn entries(&self) -> impl Iterator<Item = &'static ContentEntry> {
        let [dev, ino, ..] = self.words;
        let mix = ino
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(self.offset / PAGE);
        let first = (dev ^ mix >> 17) as usize;
        (0..PROBES).map(move |probe| entry(first.wrapping_add(probe)))
    }

    /// The number of the content, if it is in the trace already.
    fn known(&self) -> Option<u64> {
        let same = |entry: &&ContentEntry| {
            entry.state.load(Ordering::Acquire) == READY
                && words(entry).map(|word| word.load(Ordering::Relaxed)) == self.words
        };
        let found = self.entries().find(same)?;
        Some(found.content.load(Ordering::Relaxed))
    }

    /// Called when all has been sent: who is killed before that leaves nothing behind.
    fn remember(&self, content: u64) {
        let claimed = self.entries().find(|entry| {
            let claim =
                entry
                    .state
                    .compare_exchange(FREE, BUSY, Ordering::SeqCst, Ordering::SeqCst);
            claim.is_ok()
        });
        let Some(entry) = claimed else { return };
        for (word, value) in words(entry).iter().zip(self.words) {
            word.store(value, Ordering::Relaxed);
        }
        entry.content.store(content, Ordering::Relaxed);
        entry.state.store(READY, Ordering::Release);
    }
}

fn words(entry: &ContentEntry) -> [&AtomicU64; 7] {
    [
        &entry.dev,
        &entry.ino,
        &entry.size,
        &entry.mtime_ns,
        &entry.ctime_ns,
        &entry.offset,
        &entry.len,
    ]
}

/// Sends `len` bytes of `fd` from `offset` on as a content of their own; its number.
pub fn send(task: &mut Task, fd: i32, offset: u64, len: u64) -> u64 {
    let content = session().next_content.fetch_add(1, Ordering::Relaxed) + 1;
    let got = match holey(fd, len) {
        Some(own) => {
            let got = send_between_holes(task, own, offset, len, content);
            sys::close(own);
            got
        }
        None => ring::part_from_file(task, Role::ContentBytes, 0, fd, offset, len, content),
    };
    ring::reference(task, Role::ContentEnd, got, 0, content);
    content
}

/// Files that are smaller are read whatever holes they have.
const HOLEY_MIN: u64 = 1 << 20;

/// A description of our own of a file most of which is holes: shared memory is made much larger than it
/// will ever be filled. To look for holes moves a description's position, so it cannot be the target's.
fn holey(fd: i32, len: u64) -> Option<i32> {
    let stat = sys::fstat(fd).ok()?;
    let stored = (stat.blocks.max(0) as u64).saturating_mul(512);
    if len < HOLEY_MIN || stored >= stat.size.max(0) as u64 / 2 {
        return None;
    }
    sys::open(link_of(fd).as_bytes(), sys::O_RDONLY | sys::O_CLOEXEC).ok()
}

fn send_between_holes(task: &mut Task, fd: i32, offset: u64, len: u64, content: u64) -> u64 {
    const SEEK_DATA: u64 = 3;
    const SEEK_HOLE: u64 = 4;
    const ENXIO: i32 = 6;
    let end = offset + len;
    // SAFETY: no memory is touched.
    let seek =
        |from, whence| sys::check(unsafe { sys::call(nr::LSEEK, [fd as u64, from, whence]) });
    let mut at = offset;
    while at < end && !task.detached {
        let data = match seek(at, SEEK_DATA) {
            Ok(data) => data.clamp(at, end),
            Err(sys::Errno(ENXIO)) => end,
            Err(_) => at,
        };
        ring::zeroes(task, at - offset, data - at, content);
        let hole = seek(data, SEEK_HOLE).map_or(end, |hole| hole.clamp(data, end));
        let want = if data < end { hole - data } else { 0 };
        let role = Role::ContentBytes;
        let got = ring::part_from_file(task, role, data - offset, fd, data, want, content);
        at = data + got;
        if got < want || (want == 0 && at < end) {
            break;
        }
    }
    at - offset
}
