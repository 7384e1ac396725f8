//! What a descriptor leads to, as far as recording cares: asked of the kernel once, and kept until
//! the descriptor is closed.
//!
//! What this never does: answer from memory where other address spaces may close a descriptor of
//! ours, or for a vfork child, whose descriptors are its own although the memory is its parent's.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use reenact_abi::arena::Inode;
use reenact_abi::map;
use reenact_abi::syscalls::Hook;

use crate::dispatch::Cx;
use crate::hooks::tasks;
use crate::nr;
use crate::sys;
use crate::task::{session, Task};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Leads {
    /// To a regular file, or nowhere.
    Elsewhere = 1,
    /// To a socket, a pipe or a device: what is written there somebody else may read.
    Messages = 2,
    /// To the run's own standard output.
    Stdout = 3,
    /// To the run's own standard error.
    Stderr = 4,
}

/// Higher descriptors are asked about each time.
const KEPT: usize = 4096;

static KNOWN: [AtomicU8; KEPT] = [const { AtomicU8::new(0) }; KEPT];

/// Another address space has the same descriptors.
static SHARED: AtomicBool = AtomicBool::new(false);

/// A process with the same descriptors, but memory of its own, is about to be made.
pub fn share() {
    SHARED.store(true, Ordering::Relaxed);
}

fn keeps(task: &Task) -> bool {
    task.state as u64 == map::HEAP && !SHARED.load(Ordering::Relaxed)
}

pub fn leads_to(task: &Task, fd: u64) -> Leads {
    let fd = fd as u32;
    let Some(known) = KNOWN.get(fd as usize).filter(|_| keeps(task)) else {
        return ask(fd);
    };
    match known.load(Ordering::Relaxed) {
        1 => Leads::Elsewhere,
        2 => Leads::Messages,
        3 => Leads::Stdout,
        4 => Leads::Stderr,
        _ => {
            let leads = ask(fd);
            known.store(leads as u8, Ordering::Relaxed);
            leads
        }
    }
}

/// The descriptors, first and last, that a call is the last to know as what they are.
pub fn ended_by(cx: &Cx) -> Option<(u64, u64)> {
    let [first, last, ..] = cx.call.args.map(|arg| arg & 0xffff_ffff);
    match cx.row.hook {
        Hook::Execve | Hook::Execveat | Hook::ExitGroup => Some((0, u64::from(u32::MAX))),
        Hook::Exit if tasks::leaves_process(cx) => Some((0, u64::from(u32::MAX))),
        Hook::Close => Some((first, first)),
        Hook::CloseRange => Some((first, last)),
        Hook::Dup2 | Hook::Dup3 => Some((last, last)),
        _ => None,
    }
}

/// A call has returned: what it closed may have been asked about while it waited.
pub fn returned(cx: &Cx) {
    if cx.call.nr == nr::UNSHARE {
        share();
    }
    if let Some(ended) = ended_by(cx) {
        forget(cx.task, ended);
    }
}

/// These descriptors are being closed or replaced.
pub fn forget(task: &Task, (first, last): (u64, u64)) {
    if task.state as u64 != map::HEAP || first >= KEPT as u64 || first > last {
        return;
    }
    for known in &KNOWN[first as usize..=last.min(KEPT as u64 - 1) as usize] {
        known.store(0, Ordering::Relaxed);
    }
}

fn ask(fd: u32) -> Leads {
    let Ok(stat) = sys::fstat(fd as i32) else {
        return Leads::Elsewhere;
    };
    let session = session();
    let is = |inode: &Inode| inode.ino != 0 && inode.dev == stat.dev && inode.ino == stat.ino;
    match (is(&session.stdout), is(&session.stderr)) {
        // Both lead to the same place: the number is what the program meant.
        (true, true) if fd == 2 => Leads::Stderr,
        (true, _) => Leads::Stdout,
        (_, true) => Leads::Stderr,
        _ => match stat.mode & sys::S_IFMT {
            sys::S_IFREG => Leads::Elsewhere,
            // /dev/null and its kin: nobody reads what is written there.
            sys::S_IFCHR if stat.rdev >> 8 == 1 => Leads::Elsewhere,
            _ => Leads::Messages,
        },
    }
}
