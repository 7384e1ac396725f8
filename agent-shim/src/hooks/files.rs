//! Calls on descriptors and paths: the shim's own descriptors are hidden, and /proc/self/exe is the
//! target's program, not the shim.

use reenact_abi::arena::{self, PATH_MAX_SLOT};
use reenact_abi::map::PAGE;
use reenact_abi::syscalls::{ioctl, Arg, Hook};

use crate::dispatch::{Cx, Flow};
use crate::guest_mem;
use crate::nr;
use crate::say::{link_of, Text};
use crate::sys::{self, Errno};
use crate::task::{slot, Task};
use crate::{outputs, record};
use core::fmt::Write;
use core::sync::atomic::Ordering;

const PROC_SUPER_MAGIC: u64 = 0x9fa0;

fn hidden(task: &Task, fd: u64) -> bool {
    let process = task.process();
    let fd = fd as i32;
    fd >= 0 && (fd == process.arena_fd || fd == process.shim_fd)
}

pub fn record(cx: &mut Cx) -> Flow {
    let args = cx.call.args;
    match cx.row.hook {
        Hook::Close | Hook::Dup | Hook::Fcntl | Hook::Ioctl if hidden(cx.task, args[0]) => {
            Flow::Return(Errno::EBADF.ret())
        }
        Hook::CloseRange => close_range(cx),
        Hook::Dup2 | Hook::Dup3 => {
            if hidden(cx.task, args[0]) {
                return Flow::Return(Errno::EBADF.ret());
            }
            if hidden(cx.task, args[1]) && make_way(cx.task, args[1] as i32).is_err() {
                return Flow::Return(Errno::EBADF.ret());
            }
            cx.enter()
        }
        Hook::Ioctl => ioctl_call(cx),
        Hook::Getdents | Hook::Getdents64 => getdents(cx),
        Hook::Readlink => readlink(cx, 0),
        Hook::Readlinkat => readlink(cx, 1),
        Hook::Open | Hook::Openat if looks_at_link(cx) => cx.enter(),
        Hook::Open => with_exe(cx, 0),
        Hook::Openat | Hook::Openat2 => with_exe(cx, 1),
        // The link itself is meant: it is the kernel's, whatever it points to.
        Hook::PathExe if looks_at_link(cx) => cx.enter(),
        Hook::PathExe => {
            let path = cx.row.args.iter().position(|arg| *arg == Arg::Path);
            with_exe(cx, path.unwrap_or(0))
        }
        _ => cx.enter(),
    }
}

fn looks_at_link(cx: &Cx) -> bool {
    const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
    let args = cx.call.args;
    const O_NOFOLLOW: u64 = 0o400_000;
    match cx.call.nr {
        nr::LSTAT => true,
        nr::OPEN => args[1] & O_NOFOLLOW != 0,
        nr::OPENAT => args[2] & O_NOFOLLOW != 0,
        nr::NEWFSTATAT | nr::FACCESSAT2 => args[3] & AT_SYMLINK_NOFOLLOW != 0,
        nr::STATX => args[2] & AT_SYMLINK_NOFOLLOW != 0,
        _ => false,
    }
}

/// Moves one of our descriptors away from a number that the target wants.
fn make_way(task: &mut Task, fd: i32) -> sys::Result<()> {
    let from = (fd + 1) as u64;
    // SAFETY: duplicates a descriptor; no memory is touched.
    let moved = unsafe { sys::call(nr::FCNTL, [fd as u64, sys::F_DUPFD, from]) };
    let moved = match sys::check(moved) {
        Ok(new) => new,
        // SAFETY: as above.
        Err(_) => sys::check(unsafe { sys::call(nr::FCNTL, [fd as u64, sys::F_DUPFD, 200]) })?,
    } as i32;
    let process = task.process();
    if process.arena_fd == fd {
        process.arena_fd = moved;
    } else {
        process.shim_fd = moved;
    }
    sys::close(fd);
    Ok(())
}

fn close_range(cx: &mut Cx) -> Flow {
    let [first, last, flags, ..] = cx.call.args;
    let (first, last) = (first as u32, last as u32);
    let process = cx.task.process();
    let mut ours = [process.arena_fd as u32, process.shim_fd as u32];
    ours.sort_unstable();
    if first > last || !ours.iter().any(|fd| (first..=last).contains(fd)) {
        return cx.enter();
    }
    let mut from = first;
    let mut ret = 0;
    for fd in ours.into_iter().chain([u32::MAX]) {
        let (to, next) = if fd == u32::MAX || fd > last {
            (last, u32::MAX)
        } else {
            (fd.wrapping_sub(1), fd + 1)
        };
        if fd >= from || fd == u32::MAX {
            if from <= to && to != u32::MAX || to == last && from <= last {
                // SAFETY: closes the target's own descriptors.
                ret =
                    unsafe { sys::call(nr::CLOSE_RANGE, [u64::from(from), u64::from(to), flags]) };
                if ret < 0 {
                    break;
                }
            }
            if next == u32::MAX || next > last {
                break;
            }
            from = next;
        }
    }
    Flow::Return(ret)
}

fn ioctl_call(cx: &mut Cx) -> Flow {
    let args = cx.call.args;
    let behind = ioctl::request(args[1] as u32).behind;
    let before = match behind {
        ioctl::Behind::Tail(tail) => tail_len(&tail, args[2]),
        _ => 0,
    };
    let flow = cx.enter();
    let Flow::Return(ret) = flow else { return flow };
    if matches!(behind, ioctl::Behind::Arg(_)) {
        return flow;
    }
    record::complete(cx.task, ret);
    if ret >= 0 && args[2] != 0 {
        match behind {
            ioctl::Behind::Tail(_) => outputs::bytes(cx.task, args[2], before),
            ioctl::Behind::Ifconf => {
                outputs::bytes(cx.task, args[2], 16);
                let filled = guest_mem::get::<u32>(args[2]).unwrap_or(0);
                let buffer = guest_mem::get::<u64>(args[2] + 8).unwrap_or(0);
                if buffer != 0 {
                    outputs::bytes(cx.task, buffer, u64::from(filled));
                }
            }
            ioctl::Behind::Ethtool => {
                outputs::bytes(cx.task, args[2], 40);
                if let Ok(data) = guest_mem::get::<u64>(args[2] + 16) {
                    ethtool(cx.task, data);
                }
            }
            ioctl::Behind::Pointers(size) => outputs::bytes(cx.task, args[2], u64::from(size)),
            ioctl::Behind::Arg(_) => {}
        }
    }
    Flow::Completed(ret)
}

/// The structs of ethtool, of dozens of sizes: what the kernel wrote is among these bytes, and the others are as
/// they were.
fn ethtool(task: &mut Task, data: u64) {
    const MOST: u64 = 2048;
    let first = (PAGE - data % PAGE).min(MOST);
    outputs::bytes(task, data, first);
    if first < MOST && guest_mem::writable(data + first) {
        outputs::bytes(task, data + first, MOST - first);
    }
}

/// Bytes of a struct with an array at its end.
fn tail_len(tail: &ioctl::Tail, at: u64) -> u64 {
    let place = at + u64::from(tail.count_at);
    let count = match tail.count_bytes {
        2 => guest_mem::get::<u16>(place).map(u64::from),
        4 => guest_mem::get::<u32>(place).map(u64::from),
        _ => guest_mem::get::<u64>(place),
    };
    u64::from(tail.head) + count.unwrap_or(0).min(1 << 20) * u64::from(tail.each)
}

/// Is `path` another name of the program that a recorded process runs? Then that program's path.
pub fn exe_of(task: &Task, path: &[u8], into: &mut [u8; 4097]) -> Option<usize> {
    let rest = path.strip_prefix(b"/proc/")?;
    let who = rest.strip_suffix(b"/exe")?;
    let put = |into: &mut [u8; 4097], exe: &[u8]| {
        into[..exe.len()].copy_from_slice(exe);
        into[exe.len()] = 0;
        exe.len()
    };
    if who == b"self" || who == b"thread-self" {
        return Some(put(into, task.process().exe_path()));
    }
    let digits = who
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(who.len());
    // A thread's own directory may follow: /proc/PID/task/TID/exe.
    let rest = &who[digits..];
    let thread = rest
        .strip_prefix(b"/task/")
        .is_some_and(|tid| tid.iter().all(u8::is_ascii_digit));
    if digits == 0 || !(rest.is_empty() || thread) {
        return None;
    }
    let mut pid = 0u32;
    for digit in &who[..digits] {
        pid = pid.checked_mul(10)?.checked_add(u32::from(digit - b'0'))?;
    }
    if pid == task.my_slot().pid.load(Ordering::Relaxed) {
        return Some(put(into, task.process().exe_path()));
    }
    for index in 0..arena::SLOTS_MAX as u32 {
        let other = slot(index);
        if other.state.load(Ordering::Acquire) == arena::slot::RUNNING
            && other.pid.load(Ordering::Relaxed) == pid
        {
            let len = other
                .exe
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(PATH_MAX_SLOT);
            return (len != 0).then(|| put(into, &other.exe[..len]));
        }
    }
    None
}

fn exe_path_behind(task: &Task, at: u64, into: &mut [u8; 4097]) -> Option<usize> {
    let mut path = [0u8; 48];
    let path = guest_mem::string(at, &mut path).ok()?;
    let mut copy = [0u8; 48];
    copy[..path.len()].copy_from_slice(path);
    exe_of(task, &copy[..path.len()], into)
}

/// A path call: the path may be another name of a recorded program.
fn with_exe(cx: &mut Cx, index: usize) -> Flow {
    let mut exe = [0u8; 4097];
    if exe_path_behind(cx.task, cx.call.args[index], &mut exe).is_none() {
        return cx.enter();
    }
    let mut args = cx.call.args;
    args[index] = exe.as_ptr() as u64;
    cx.enter_with(cx.call.nr, args, false)
}

fn readlink(cx: &mut Cx, index: usize) -> Flow {
    let mut exe = [0u8; 4097];
    let len = match exe_path_behind(cx.task, cx.call.args[index], &mut exe) {
        None if index == 1 => relative_exe(cx, &mut exe),
        found => found,
    };
    match len {
        Some(len) => put_link(cx, index, &exe[..len]),
        None => cx.enter(),
    }
}

/// A path relative to a directory of /proc may lead to some `exe` as well.
fn relative_exe(cx: &Cx, exe: &mut [u8; 4097]) -> Option<usize> {
    let mut name = [0u8; 40];
    let name = guest_mem::string(cx.call.args[1], &mut name).ok()?;
    if name.first() == Some(&b'/') || !name.ends_with(b"exe") {
        return None;
    }
    let link = link_of(cx.call.args[0] as i32);
    let mut path = [0u8; 96];
    let len = sys::readlink(link.as_bytes(), &mut path[..48]).ok()?;
    path[len] = b'/';
    let end = len + 1 + name.len();
    path[len + 1..end].copy_from_slice(name);
    exe_of(cx.task, &path[..end], exe)
}

/// Returns `exe` as readlink would.
fn put_link(cx: &mut Cx, index: usize, exe: &[u8]) -> Flow {
    let len = exe.len();
    let (at, room) = (cx.call.args[index + 1], cx.call.args[index + 2]);
    if room == 0 || room as i32 <= 0 {
        return Flow::Return(Errno::EINVAL.ret());
    }
    let take = (len as u64).min(room) as usize;
    if guest_mem::write(at, &exe[..take]) < take {
        return Flow::Return(Errno::EFAULT.ret());
    }
    Flow::Return(take as i64)
}

/// Directory entries: our own descriptors do not show in /proc/*/fd.
fn getdents(cx: &mut Cx) -> Flow {
    let flow = cx.enter();
    let Flow::Return(ret) = flow else { return flow };
    if ret <= 0 || cx.row.hook == Hook::Getdents {
        return flow;
    }
    let mut statfs = [0u64; 15];
    // SAFETY: the kernel writes one struct statfs of 120 bytes.
    unsafe { sys::call(nr::FSTATFS, [cx.call.args[0], statfs.as_mut_ptr() as u64]) };
    if statfs[0] != PROC_SUPER_MAGIC {
        return flow;
    }
    let (at, full) = (cx.call.args[1], ret as u64);
    let kept = drop_hidden(cx, at, full);
    if kept == 0 {
        // Everything in this batch was ours: the next one is what the program asked for.
        return getdents(cx);
    }
    // What the kernel wrote behind the entries that stay must not be left to chance.
    let zeroes = [0u8; 64];
    let mut wiped = kept;
    while wiped < full {
        let take = (full - wiped).min(64);
        guest_mem::write(at + wiped, &zeroes[..take as usize]);
        wiped += take;
    }
    record::complete(cx.task, kept as i64);
    outputs::bytes(cx.task, at, full);
    Flow::Completed(kept as i64)
}

fn drop_hidden(cx: &Cx, at: u64, len: u64) -> u64 {
    let process = cx.task.process();
    let mut names = [Text::<16>::new(), Text::<16>::new()];
    let _ = write!(names[0], "{}", process.arena_fd);
    let _ = write!(names[1], "{}", process.shim_fd);
    let (mut from, mut to) = (0, 0);
    while from < len {
        // struct linux_dirent64: ino, off, reclen (u16), type, name.
        let Ok(size) = guest_mem::get::<u16>(at + from + 16) else {
            return len;
        };
        let size = u64::from(size);
        if size == 0 || from + size > len {
            return len;
        }
        let mut name = [0u8; 16];
        let ours = match guest_mem::string(at + from + 19, &mut name) {
            Ok(name) => names.iter().any(|hidden| hidden.as_bytes() == name),
            Err(_) => false,
        };
        if !ours {
            if from != to {
                let mut moved = 0;
                let mut block = [0u8; 256];
                while moved < size {
                    let take = (size - moved).min(256) as usize;
                    guest_mem::read(at + from + moved, &mut block[..take]);
                    guest_mem::write(at + to + moved, &block[..take]);
                    moved += take as u64;
                }
            }
            to += size;
        }
        from += size;
    }
    to
}
