//! File contents: sent into the trace once, referred to by every mapping.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{self, ContentEntry, CONTENTS_MAX};
use reenact_abi::event::Role;
use reenact_abi::map;

use crate::ring;
use crate::sys::{self, Stat};
use crate::task::{session, Task};

/// Files up to this size are taken whole, so that all mappings of one share one content.
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
/// The bytes of it, and the number of the content if the mapping shows a whole file from `offset` on.
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
    if size > WHOLE_MAX {
        let content = send(task, fd, offset, held);
        ring::reference(task, Role::Content, 0, held, content);
        return None;
    }
    let content = whole(task, fd, &stat, size);
    ring::reference(task, Role::Content, offset, held, content);
    Some((held, content))
}

/// The content number of a whole file, sent now unless it is in the trace already.
fn whole(task: &mut Task, fd: i32, stat: &Stat, size: u64) -> u64 {
    let mtime_ns = stat.mtime * 1_000_000_000 + stat.mtime_ns;
    let ctime_ns = stat.ctime * 1_000_000_000 + stat.ctime_ns;
    let settled = sys::wall_ns().saturating_sub(ctime_ns.max(mtime_ns)) > SETTLED_NS;
    if !settled {
        return send(task, fd, 0, size);
    }
    let hash = (stat.dev ^ stat.ino.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17) as usize;
    let mut claimed = None;
    for probe in 0..PROBES {
        let entry = entry(hash.wrapping_add(probe));
        match entry
            .state
            .compare_exchange(FREE, BUSY, Ordering::SeqCst, Ordering::SeqCst)
        {
            Ok(_) => {
                claimed = Some(entry);
                break;
            }
            Err(READY) => {
                let same = entry.dev.load(Ordering::Relaxed) == stat.dev
                    && entry.ino.load(Ordering::Relaxed) == stat.ino
                    && entry.size.load(Ordering::Relaxed) == size
                    && entry.mtime_ns.load(Ordering::Relaxed) == mtime_ns
                    && entry.ctime_ns.load(Ordering::Relaxed) == ctime_ns;
                if same {
                    return entry.content.load(Ordering::Relaxed);
                }
            }
            Err(_) => {}
        }
    }
    let content = send(task, fd, 0, size);
    if let Some(entry) = claimed {
        entry.dev.store(stat.dev, Ordering::Relaxed);
        entry.ino.store(stat.ino, Ordering::Relaxed);
        entry.size.store(size, Ordering::Relaxed);
        entry.mtime_ns.store(mtime_ns, Ordering::Relaxed);
        entry.ctime_ns.store(ctime_ns, Ordering::Relaxed);
        entry.content.store(content, Ordering::Relaxed);
        entry.state.store(READY, Ordering::Release);
    }
    content
}

pub fn send(task: &mut Task, fd: i32, offset: u64, len: u64) -> u64 {
    let content = session().next_content.fetch_add(1, Ordering::Relaxed) + 1;
    let got = ring::part_from_file(task, Role::ContentBytes, 0, fd, offset, len, content);
    ring::reference(task, Role::ContentEnd, got, 0, content);
    content
}
