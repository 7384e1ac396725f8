//! execve: the kernel is asked to run the shim again, which loads the new program.
//!
//! Everything that can make execve fail is found out before the point of no return, so that the
//! target sees the kernel's own errors. Programs that cannot run under the shim run without it.

use core::fmt::Write;
use core::sync::atomic::Ordering;

use reenact_abi::arena::{self, Reason};
use reenact_abi::event::Header;
use reenact_abi::syscalls::Hook;
use reenact_abi::BOOT_ENV;

use crate::dispatch::{Cx, Flow};
use crate::guest_mem;
use crate::hooks::{files, locks, tasks};
use crate::intercept::net;
use crate::loader;
use crate::loader::program::{self, Format, SCRIPT_DEPTH_MAX};
use crate::nr;
use crate::say::{link_of, Text};
use crate::sys::{self, Errno};
use crate::task::Task;
use crate::{divergence, replay, turns, warn};
use reenact_abi::arena::Net;

const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const AT_EACCESS: u64 = 0x200;
const O_NOFOLLOW: u64 = 0o400_000;
const X_OK: u64 = 1;
/// Longest environment or argument list, in pointers, that is passed on.
const POINTERS_MAX: u64 = 1 << 21;

struct Wanted {
    dir: u64,
    path: u64,
    argv: u64,
    envp: u64,
    flags: u64,
}

fn wanted(cx: &Cx) -> Wanted {
    let a = cx.call.args;
    match cx.row.hook {
        Hook::Execveat => Wanted {
            dir: a[0],
            path: a[1],
            argv: a[2],
            envp: a[3],
            flags: a[4],
        },
        _ => Wanted {
            dir: sys::AT_FDCWD,
            path: a[0],
            argv: a[1],
            envp: a[2],
            flags: 0,
        },
    }
}

enum Plan {
    Load(i32),
    Unrecorded(&'static str),
}

pub fn record(cx: &mut Cx) -> Flow {
    let wanted = wanted(cx);
    let mut name = Text::<4200>::new();
    let plan = plan(cx.task, &wanted, &mut name);
    if plan.is_ok() {
        // As good as done: what can still fail is what the kernel finds too large.
        locks::end_process(cx.task, &mut locks::stored);
    }
    match plan {
        Err(errno) => Flow::Return(errno.ret()),
        Ok(Plan::Load(fd)) => {
            let ret = launch(cx.task, &wanted, fd, name.as_bytes());
            sys::close(fd);
            Flow::Return(ret)
        }
        Ok(Plan::Unrecorded(why)) => unrecorded(cx, &wanted, why, name.as_bytes()),
    }
}

/// Decides how to run a program; `name` becomes the path that the program is told.
fn plan(task: &mut Task, wanted: &Wanted, name: &mut Text<4200>) -> sys::Result<Plan> {
    let mut buffer = [0u8; 4097];
    let path = guest_mem::string(wanted.path, &mut buffer[..4096])?;
    let len = path.len();
    let mut exe = [0u8; 4097];
    let by_descriptor = len == 0 && wanted.flags & sys::AT_EMPTY_PATH != 0;
    if len == 0 && !by_descriptor {
        return Err(Errno::ENOENT);
    }
    let relative = buffer[0] != b'/' && wanted.dir as i32 != sys::AT_FDCWD as i32;
    if by_descriptor {
        let _ = write!(name, "/dev/fd/{}", wanted.dir as i32);
    } else if relative {
        let _ = write!(name, "/dev/fd/{}/", wanted.dir as i32);
        name.push(&buffer[..len]);
    } else {
        name.push(&buffer[..len]);
    }
    buffer[len] = 0;
    let real: &[u8] = match files::exe_of(task, &buffer[..len], &mut exe) {
        Some(len) => &exe[..=len],
        None => &buffer[..=len],
    };
    let fd = match sys::with_spare_descriptor(|| open(wanted, real, by_descriptor)) {
        Ok(fd) => fd,
        Err(Errno::EACCES) if may_execute(wanted, real, by_descriptor).is_ok() => {
            return Ok(Plan::Unrecorded("it may be executed but not read"));
        }
        Err(errno) => return Err(errno),
    };
    let checked = may_execute(wanted, real, by_descriptor).and_then(|()| check(fd));
    match checked {
        Ok(Plan::Load(_)) => Ok(Plan::Load(fd)),
        other => {
            sys::close(fd);
            other
        }
    }
}

fn open(wanted: &Wanted, path: &[u8], by_descriptor: bool) -> sys::Result<i32> {
    if by_descriptor {
        let link = link_of(wanted.dir as i32);
        return sys::open(link.as_bytes(), sys::O_RDONLY).or_else(|_| {
            // SAFETY: duplicates a descriptor; no memory is touched.
            sys::check(unsafe { sys::call(nr::FCNTL, [wanted.dir, sys::F_DUPFD, 3]) })
                .map(|fd| fd as i32)
        });
    }
    let follow = if wanted.flags & AT_SYMLINK_NOFOLLOW != 0 {
        O_NOFOLLOW
    } else {
        0
    };
    // SAFETY: the kernel reads the path up to its NUL.
    let ret = unsafe {
        sys::call(
            nr::OPENAT,
            [
                wanted.dir,
                path.as_ptr() as u64,
                sys::O_RDONLY | follow | 0o4000,
                0,
            ],
        )
    };
    sys::check(ret).map(|fd| fd as i32)
}

fn may_execute(wanted: &Wanted, path: &[u8], by_descriptor: bool) -> sys::Result<()> {
    let (at, flags) = if by_descriptor {
        (c"".as_ptr(), AT_EACCESS | sys::AT_EMPTY_PATH)
    } else {
        (path.as_ptr().cast(), AT_EACCESS)
    };
    // SAFETY: the kernel reads the path up to its NUL.
    match sys::check(unsafe { sys::call(nr::FACCESSAT2, [wanted.dir, at as u64, X_OK, flags]) }) {
        Err(Errno::ENOSYS) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Looks at a file and, for scripts, at what would interpret it.
fn check(fd: i32) -> sys::Result<Plan> {
    let stat = sys::fstat(fd)?;
    if stat.mode & sys::S_IFMT != sys::S_IFREG {
        return Err(Errno::EACCES);
    }
    if program::grants_privilege(fd, &stat) {
        return Ok(Plan::Unrecorded(
            "it runs with other privileges than its caller",
        ));
    }
    check_format(fd, 0)
}

fn check_format(fd: i32, depth: usize) -> sys::Result<Plan> {
    match program::classify(fd)? {
        Format::Foreign => Ok(Plan::Unrecorded(
            "it is for another machine, or insists on addresses that the shim needs",
        )),
        Format::Elf(elf) => {
            let mut buffer = [0u8; 4096];
            if let Some(path) = elf.interpreter(fd, &mut buffer)? {
                let interpreter = sys::with_spare_descriptor(|| sys::open(path, sys::O_RDONLY))?;
                let format = program::classify(interpreter);
                sys::close(interpreter);
                match format {
                    Ok(Format::Elf(_)) => {}
                    Ok(_) => return Ok(Plan::Unrecorded("its interpreter is for another machine")),
                    Err(_) => return Err(Errno(80)),
                }
            }
            Ok(Plan::Load(fd))
        }
        Format::Script(script) => {
            if depth >= SCRIPT_DEPTH_MAX {
                return Err(Errno::ELOOP);
            }
            let mut path = [0u8; program::HEAD + 1];
            let name = script.interpreter();
            path[..name.len()].copy_from_slice(name);
            let path = &path[..=name.len()];
            let here = Wanted {
                dir: sys::AT_FDCWD,
                path: 0,
                argv: 0,
                envp: 0,
                flags: 0,
            };
            let interpreter = sys::with_spare_descriptor(|| open(&here, path, false))?;
            let result = may_execute(&here, path, false).and_then(|()| {
                let stat = sys::fstat(interpreter)?;
                if stat.mode & sys::S_IFMT != sys::S_IFREG {
                    return Err(Errno::EACCES);
                }
                check_format(interpreter, depth + 1)
            });
            sys::close(interpreter);
            match result? {
                Plan::Load(_) => Ok(Plan::Load(fd)),
                other => Ok(other),
            }
        }
    }
}

/// Builds the environment with the launch parameters and runs the shim. Returns only on failure.
fn launch(task: &mut Task, wanted: &Wanted, exe_fd: i32, name: &[u8]) -> i64 {
    let mut boot = Text::<4300>::new();
    let process = task.process();
    let _ = write!(
        boot,
        "{BOOT_ENV}{},{},{},{},",
        process.arena_fd, process.shim_fd, exe_fd, task.slot
    );
    boot.push(name);
    boot.push(b"\0");
    let count = match count_pointers(wanted.envp) {
        Ok(count) => count,
        Err(errno) => return errno.ret(),
    };
    let room = ((count + 2) * 8).next_multiple_of(4096);
    let Some(list) = scratch(room) else {
        return Errno::ENOMEM.ret();
    };
    // A vfork child leaves this behind in its parent's memory, which unmaps it.
    task.process().left_behind = (list, room);
    // SAFETY: the list has room for `count` pointers and two more.
    unsafe {
        crate::arch::copy(list, wanted.envp, (count * 8) as usize);
        *((list + count * 8) as *mut u64) = boot.as_bytes().as_ptr() as u64;
        *((list + count * 8 + 8) as *mut u64) = 0;
    }
    loader::carry(task);
    tasks::robust_list(task, false);
    let empty = b"\0";
    let args = [
        process.shim_fd as u64,
        empty.as_ptr() as u64,
        wanted.argv,
        list,
        sys::AT_EMPTY_PATH,
    ];
    // A counter that traps would do so in the next program, too, which reads clocks before it knows.
    net::allow_tsc(true);
    // SAFETY: on success this image is gone; on failure nothing has changed.
    let ret = unsafe { sys::call(nr::EXECVEAT, args) };
    net::allow_tsc(!task.clocks_trap);
    tasks::robust_list(task, true);
    task.process().drop_left_behind();
    ret
}

/// Memory in the shim's own range, so that the target's address space shows nothing of it.
fn scratch(room: u64) -> Option<u64> {
    use reenact_abi::map::{HEAP, HEAP_END};
    const FIRST: u64 = HEAP + (1 << 20);
    const STEP: u64 = 64 << 10;
    let flags = sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_FIXED_NOREPLACE;
    let mut at = FIRST;
    while at + room <= HEAP_END {
        // SAFETY: NOREPLACE never touches an existing mapping.
        match unsafe { sys::mmap(at, room, sys::PROT_READ | sys::PROT_WRITE, flags, -1, 0) } {
            Ok(at) => return Some(at),
            Err(Errno::EEXIST) => at += STEP,
            Err(_) => return None,
        }
    }
    None
}

fn count_pointers(at: u64) -> sys::Result<u64> {
    if at == 0 {
        return Ok(0);
    }
    for index in 0..POINTERS_MAX {
        if guest_mem::get::<u64>(at + index * 8)? == 0 {
            return Ok(index);
        }
    }
    Err(Errno::E2BIG)
}

/// Runs a program without us, or refuses it where the net would kill it.
fn unrecorded(cx: &mut Cx, wanted: &Wanted, why: &str, name: &[u8]) -> Flow {
    let process = cx.task.process();
    let shown = core::str::from_utf8(name).unwrap_or("a program");
    if process.net == Net::Seccomp {
        warn!("record: {shown} cannot run under the seccomp net ({why}); execve returns EPERM");
        return Flow::Return(Errno::EPERM.ret());
    }
    warn!("record: {shown} runs unrecorded: {why}");
    let mine = cx.task.my_slot();
    tasks::robust_list(cx.task, false);
    mine.state.store(arena::slot::FOREIGN, Ordering::SeqCst);
    for fd in [process.arena_fd, process.shim_fd] {
        // SAFETY: sets a flag of our own descriptors.
        unsafe { sys::call(nr::FCNTL, [fd as u64, sys::F_SETFD, 1]) };
    }
    net::disarm(process.net);
    let args = [
        wanted.dir,
        wanted.path,
        wanted.argv,
        wanted.envp,
        wanted.flags,
        0,
    ];
    // The new program never takes part in turns: whoever shares memory with this one goes on, a parent
    // that waits in vfork included.
    turns::release(cx.task);
    // SAFETY: the target's own execve.
    let ret = unsafe { crate::arch::syscall(nr::EXECVEAT, args) };
    turns::acquire(cx.task);
    for fd in [process.arena_fd, process.shim_fd] {
        // SAFETY: as above.
        unsafe { sys::call(nr::FCNTL, [fd as u64, sys::F_SETFD, 0]) };
    }
    mine.state.store(arena::slot::RUNNING, Ordering::SeqCst);
    tasks::robust_list(cx.task, true);
    net::allow_tsc(!cx.task.clocks_trap);
    net::trap_cpuid(true);
    let _ = net::arm(process.net);
    Flow::Return(ret)
}

pub fn replay(cx: &mut Cx, header: &Header) -> Flow {
    replay::outputs(cx.task, header);
    if header.ret != 0 {
        return Flow::Completed(header.ret);
    }
    let process = cx.task.process();
    let mine = cx.task.my_slot();
    mine.written.head.store(cx.task.at, Ordering::Relaxed);
    mine.drained.tail.store(cx.task.events, Ordering::Relaxed);
    loader::carry(cx.task);
    replay::give_turn(cx.task);
    replay::await_others(cx.task);
    let mut boot = Text::<64>::new();
    let _ = write!(
        boot,
        "{BOOT_ENV}{},{},-1,{},\0",
        process.arena_fd, process.shim_fd, cx.task.slot
    );
    let (empty, name) = (b"\0", b"reenact\0");
    let argv = [name.as_ptr() as u64, 0];
    let envp = [boot.as_bytes().as_ptr() as u64, 0];
    let args = [
        process.shim_fd as u64,
        empty.as_ptr() as u64,
        argv.as_ptr() as u64,
        envp.as_ptr() as u64,
        sys::AT_EMPTY_PATH,
    ];
    // SAFETY: on success this image is gone.
    let ret = unsafe { sys::call(nr::EXECVEAT, args) };
    divergence::failed(cx.task, Reason::System, (-ret) as u64)
}
