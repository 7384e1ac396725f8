//! The kernel as the shim itself uses it: raw calls with names, and errors as `Errno`.
//!
//! Wrappers here are safe where the kernel cannot change Rust-visible memory behind our back, and
//! `unsafe` otherwise. Nothing here records or replays.

use crate::arch;
use crate::nr;

/// A kernel error number, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    pub const EPERM: Errno = Errno(1);
    pub const ENOENT: Errno = Errno(2);
    pub const EINTR: Errno = Errno(4);
    pub const E2BIG: Errno = Errno(7);
    pub const ENOEXEC: Errno = Errno(8);
    pub const EBADF: Errno = Errno(9);
    pub const EAGAIN: Errno = Errno(11);
    pub const ENOMEM: Errno = Errno(12);
    pub const EACCES: Errno = Errno(13);
    pub const EFAULT: Errno = Errno(14);
    pub const EEXIST: Errno = Errno(17);
    pub const EINVAL: Errno = Errno(22);
    pub const ENAMETOOLONG: Errno = Errno(36);
    pub const ENOSYS: Errno = Errno(38);
    pub const ELOOP: Errno = Errno(40);

    /// As a system call returns it.
    pub fn ret(self) -> i64 {
        -i64::from(self.0)
    }
}

pub type Result<T> = core::result::Result<T, Errno>;

/// Splits a raw return value.
pub fn check(ret: i64) -> Result<u64> {
    if (-4095..0).contains(&ret) {
        Err(Errno(-ret as i32))
    } else {
        Ok(ret as u64)
    }
}

/// A raw call with fewer than six arguments.
///
/// # Safety
/// As [`arch::syscall`].
#[inline(always)]
pub unsafe fn call<const N: usize>(number: u64, given: [u64; N]) -> i64 {
    let mut args = [0; 6];
    let mut at = 0;
    while at < N {
        args[at] = given[at];
        at += 1;
    }
    // SAFETY: forwarded promise.
    unsafe { arch::syscall(number, args) }
}

pub const PROT_READ: u64 = 1;
pub const PROT_WRITE: u64 = 2;
pub const PROT_EXEC: u64 = 4;
pub const MAP_SHARED: u64 = 1;
pub const MAP_PRIVATE: u64 = 2;
pub const MAP_TYPE: u64 = 0xf;
pub const MAP_FIXED: u64 = 0x10;
pub const MAP_ANONYMOUS: u64 = 0x20;
pub const MAP_32BIT: u64 = 0x40;
pub const MAP_GROWSDOWN: u64 = 0x100;
pub const MAP_NORESERVE: u64 = 0x4000;
pub const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;

pub const O_ACCMODE: u64 = 3;
pub const O_RDONLY: u64 = 0;
pub const O_CLOEXEC: u64 = 0o2_000_000;
pub const AT_FDCWD: u64 = -100i64 as u64;
pub const AT_EMPTY_PATH: u64 = 0x1000;

pub const F_DUPFD: u64 = 0;
pub const F_SETFD: u64 = 2;

pub const SIG_BLOCK: u64 = 0;
pub const SIG_UNBLOCK: u64 = 1;
pub const SIG_SETMASK: u64 = 2;

/// `struct stat` of x86-64.
#[derive(Clone, Copy, Default, Debug)]
#[repr(C)]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub nlink: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub pad: u32,
    pub rdev: u64,
    pub size: i64,
    pub blksize: i64,
    pub blocks: i64,
    pub atime: u64,
    pub atime_ns: u64,
    pub mtime: u64,
    pub mtime_ns: u64,
    pub ctime: u64,
    pub ctime_ns: u64,
    pub unused: [u64; 3],
}

pub const S_IFMT: u32 = 0o170_000;
pub const S_IFREG: u32 = 0o100_000;
pub const S_IFCHR: u32 = 0o020_000;
pub const S_ISUID: u32 = 0o4000;
pub const S_ISGID: u32 = 0o2000;

/// # Safety
/// As mmap(2): a fixed mapping replaces what was there.
pub unsafe fn mmap(
    addr: u64,
    len: u64,
    prot: u64,
    flags: u64,
    fd: i32,
    offset: u64,
) -> Result<u64> {
    // SAFETY: forwarded promise.
    check(unsafe { arch::syscall(nr::MMAP, [addr, len, prot, flags, fd as i64 as u64, offset]) })
}

/// # Safety
/// As munmap(2): nothing may use the range any more.
pub unsafe fn munmap(addr: u64, len: u64) -> Result<u64> {
    // SAFETY: forwarded promise.
    check(unsafe { call(nr::MUNMAP, [addr, len]) })
}

/// # Safety
/// As mprotect(2).
pub unsafe fn mprotect(addr: u64, len: u64, prot: u64) -> Result<u64> {
    // SAFETY: forwarded promise.
    check(unsafe { call(nr::MPROTECT, [addr, len, prot]) })
}

/// Opens a NUL-terminated path.
pub fn open(path: &[u8], flags: u64) -> Result<i32> {
    debug_assert!(path.last() == Some(&0));
    // SAFETY: the kernel reads up to the NUL.
    let ret = unsafe { call(nr::OPENAT, [AT_FDCWD, path.as_ptr() as u64, flags, 0]) };
    check(ret).map(|fd| fd as i32)
}

pub fn close(fd: i32) {
    // SAFETY: closing touches no memory; that nobody uses `fd` is the caller's business.
    let _ = unsafe { call(nr::CLOSE, [fd as u64]) };
}

pub fn fstat(fd: i32) -> Result<Stat> {
    let mut stat = Stat::default();
    // SAFETY: the kernel writes one `struct stat`.
    check(unsafe { call(nr::FSTAT, [fd as u64, &raw mut stat as u64]) })?;
    Ok(stat)
}

/// The O_ flags of an open file.
pub fn status_flags(fd: i32) -> Result<u64> {
    const F_GETFL: u64 = 3;
    // SAFETY: no memory is touched.
    check(unsafe { call(nr::FCNTL, [fd as u64, F_GETFL]) })
}

pub fn read(fd: i32, into: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most the slice.
    let ret = unsafe {
        call(
            nr::READ,
            [fd as u64, into.as_mut_ptr() as u64, into.len() as u64],
        )
    };
    check(ret).map(|n| n as usize)
}

pub fn pread(fd: i32, into: &mut [u8], offset: u64) -> Result<usize> {
    let args = [
        fd as u64,
        into.as_mut_ptr() as u64,
        into.len() as u64,
        offset,
    ];
    // SAFETY: the kernel writes at most the slice.
    check(unsafe { call(nr::PREAD64, args) }).map(|n| n as usize)
}

pub fn write(fd: i32, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads the slice.
    let ret = unsafe {
        call(
            nr::WRITE,
            [fd as u64, bytes.as_ptr() as u64, bytes.len() as u64],
        )
    };
    check(ret).map(|n| n as usize)
}

/// readlinkat(2) on a NUL-terminated path; returns the bytes written.
pub fn readlink(path: &[u8], into: &mut [u8]) -> Result<usize> {
    let args = [
        AT_FDCWD,
        path.as_ptr() as u64,
        into.as_mut_ptr() as u64,
        into.len() as u64,
    ];
    // SAFETY: the kernel reads up to the NUL and writes at most the slice.
    check(unsafe { call(nr::READLINKAT, args) }).map(|n| n as usize)
}

pub fn gettid() -> u32 {
    // SAFETY: no memory is touched.
    unsafe { call::<0>(nr::GETTID, []) as u32 }
}

pub fn getpid() -> u32 {
    // SAFETY: no memory is touched.
    unsafe { call::<0>(nr::GETPID, []) as u32 }
}

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn monotonic_ns() -> u64 {
    let mut ts = [0u64; 2];
    // SAFETY: the kernel writes one timespec.
    unsafe { call(nr::CLOCK_GETTIME, [1, ts.as_mut_ptr() as u64]) };
    ts[0] * 1_000_000_000 + ts[1]
}

pub fn wall_ns() -> u64 {
    let mut ts = [0u64; 2];
    // SAFETY: the kernel writes one timespec.
    unsafe { call(nr::CLOCK_GETTIME, [0, ts.as_mut_ptr() as u64]) };
    ts[0] * 1_000_000_000 + ts[1]
}

pub fn sleep_ns(ns: u64) {
    let ts = [ns / 1_000_000_000, ns % 1_000_000_000];
    // SAFETY: the kernel reads one timespec.
    unsafe { call(nr::NANOSLEEP, [ts.as_ptr() as u64, 0]) };
}

/// Waits while `*word == value`, at most `timeout_ns`; works across processes.
pub fn futex_wait(
    word: &core::sync::atomic::AtomicU32,
    value: u32,
    timeout_ns: u64,
) -> Result<u64> {
    let ts = [timeout_ns / 1_000_000_000, timeout_ns % 1_000_000_000];
    let args = [
        word.as_ptr() as u64,
        0,
        u64::from(value),
        ts.as_ptr() as u64,
        0,
        0,
    ];
    // SAFETY: the kernel reads the word and one timespec.
    check(unsafe { arch::syscall(nr::FUTEX, args) })
}

pub fn futex_wake(word: &core::sync::atomic::AtomicU32, count: u32) {
    // SAFETY: the kernel only looks the address up.
    unsafe {
        arch::syscall(
            nr::FUTEX,
            [word.as_ptr() as u64, 1, u64::from(count), 0, 0, 0],
        )
    };
}

/// Ends the process at once.
pub fn exit_group(code: i32) -> ! {
    loop {
        // SAFETY: does not return.
        unsafe { call(nr::EXIT_GROUP, [code as u64]) };
    }
}

/// Ends the calling task.
pub fn exit_task(code: i32) -> ! {
    loop {
        // SAFETY: does not return.
        unsafe { call(nr::EXIT, [code as u64]) };
    }
}

/// `struct kernel_sigaction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SigAction {
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: u64,
}

impl SigAction {
    pub const DEFAULT: SigAction = SigAction {
        handler: SIG_DFL,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
}

pub const SIG_DFL: u64 = 0;
pub const SIG_IGN: u64 = 1;
pub const SA_NOCLDSTOP: u64 = 1;
pub const SA_NOCLDWAIT: u64 = 2;
pub const SA_SIGINFO: u64 = 4;
pub const SA_RESTORER: u64 = 0x0400_0000;
pub const SA_ONSTACK: u64 = 0x0800_0000;
pub const SA_RESTART: u64 = 0x1000_0000;
pub const SA_NODEFER: u64 = 0x4000_0000;
pub const SA_RESETHAND: u64 = 0x8000_0000;

pub fn sigaction(signal: u32, new: Option<&SigAction>) -> Result<SigAction> {
    let mut old = SigAction::DEFAULT;
    let new = new.map_or(0, |action| action as *const SigAction as u64);
    let args = [u64::from(signal), new, &raw mut old as u64, 8];
    // SAFETY: handlers that we install are ours; the kernel reads and writes one structure each.
    check(unsafe { call(nr::RT_SIGACTION, args) })?;
    Ok(old)
}

/// Sets the real signal mask; returns the old one.
pub fn sigprocmask(how: u64, set: u64) -> u64 {
    let mut old = 0u64;
    // SAFETY: the kernel reads and writes one word each.
    unsafe {
        call(
            nr::RT_SIGPROCMASK,
            [how, &raw const set as u64, &raw mut old as u64, 8],
        )
    };
    old
}

const RLIMIT_STACK: u64 = 3;

fn limit(resource: u64, new: Option<[u64; 2]>) -> Result<[u64; 2]> {
    let mut old = [0u64; 2];
    let new = new.as_ref().map_or(0, |limit| limit.as_ptr() as u64);
    // SAFETY: the kernel reads and writes one structure each.
    check(unsafe { call(nr::PRLIMIT64, [0, resource, new, old.as_mut_ptr() as u64]) })?;
    Ok(old)
}

/// How far the stack may grow, in bytes.
pub fn stack_limit() -> u64 {
    limit(RLIMIT_STACK, None).map_or(8 << 20, |limit| limit[0])
}

/// Lets the stack grow as far as it could in the recorded process.
pub fn set_stack_limit(soft: u64) {
    if let Ok([_, hard]) = limit(RLIMIT_STACK, None) {
        let _ = limit(RLIMIT_STACK, Some([soft.min(hard), hard]));
    }
}

/// Opens with one descriptor more than the soft limit allows: the kernel's execve needs none.
pub fn with_spare_descriptor<T>(open: impl Fn() -> Result<T>) -> Result<T> {
    const RLIMIT_NOFILE: u64 = 7;
    const EMFILE: Errno = Errno(24);
    match open() {
        Err(EMFILE) => {
            let [soft, hard] = limit(RLIMIT_NOFILE, None)?;
            if soft >= hard {
                return Err(EMFILE);
            }
            limit(RLIMIT_NOFILE, Some([(soft + 16).min(hard), hard]))?;
            let result = open();
            let _ = limit(RLIMIT_NOFILE, Some([soft, hard]));
            result
        }
        other => other,
    }
}
