//! The one syscall table: a row per x86-64 system call.
//!
//! A row is the only place that knows a call's arguments, which of the program's memory it reads
//! and writes, whether it may block, and what replay does. Recording, replay, `show`, `diff` and
//! the published list of calls all read it. Calls whose memory effects a row cannot say in the
//! vocabulary below name a [`Hook`], and the shim has one file per topic of hooks. Where a request or
//! command in one argument decides what the others are, [`sub`] and [`ioctl`] hold a row per request.
//!
//! Three rules hold for every row:
//! - A null pointer means that there is nothing behind the argument.
//! - A length is the most that the kernel reads or writes. It may write less (a struct of an older
//!   version, `CLOCK_NANOSLEEP`'s remainder with `TIMER_ABSTIME`), so scratch memory that stands in
//!   for the program's starts as a copy of it.
//! - Memory that is not there is never an error of the table: the kernel returns EFAULT, or does
//!   not look (the event of `EPOLL_CTL_DEL`). Whoever reads by the table must tolerate it.

mod describe;
pub mod flat;
pub mod flow;
pub mod ioctl;
mod rows;
pub mod sub;
#[cfg(test)]
mod tests;

pub use describe::{arg_names, describe, markdown};
pub use rows::ROWS;

/// What replay does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It touches the world: replay takes result and outputs from the log.
    Emulated,
    /// It works on the program's own memory or tasks: replay executes it (through its hook).
    Executed,
    /// It is never entered: the program gets ENOSYS (or what the hook says) and takes its fallback.
    Denied,
}

/// How many bytes (or what else) lie behind a pointer argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Len {
    /// Always so many bytes.
    Fixed(u32),
    /// As many bytes as argument `.0` says.
    Arg(u8),
    /// As many bytes as argument `.0` says, and `.1` more (msgsnd's type word).
    ArgPlus(u8, u32),
    /// Argument `.0` times `.1` bytes.
    ArgTimes(u8, u32),
    /// As many bytes as the call returned.
    Ret,
    /// As many bytes as the call returned, at most what argument `.0` says: xattr calls with a size
    /// of zero only ask, and recv with MSG_TRUNC returns more than it wrote.
    RetWithin(u8),
    /// As many bytes as the call returned, at most what argument `.0` says, and `.1` more (msgrcv's
    /// type word).
    RetPlus(u8, u32),
    /// The returned number times so many bytes.
    RetTimes(u32),
    /// The returned number, at most what argument `.0` says, times `.1` bytes (getgroups of zero only asks;
    /// epoll_wait has room for so many events).
    RetTimesWithin(u8, u32),
    /// The u32 behind pointer argument `.0` (a socklen_t): on entry the room, on return the length;
    /// the smaller of both was written.
    Cell(u8),
    /// A struct that says its own size: the u32 at byte `.0` plus `.1`, and never less than `.2`.
    /// The u32 counts as it was on entry: the kernel may write another one.
    Sized(u32, u32, u32),
    /// A NUL-terminated string; one that is written is measured after the call.
    Str,
    /// An fd_set for argument `.0` descriptors: bits rounded up to 8 bytes. The kernel clamps the
    /// number to the size of the descriptor table, so that a huge one is no error.
    FdSet(u8),
    /// A node mask of argument `.0` less one bits (get_nodes() in mm/mempolicy.c), rounded up to 8 bytes.
    NodeMask(u8),
}

/// One argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    /// The call does not have this argument: what its register holds is chance, see [`arguments`].
    None,
    /// A plain value.
    Int,
    /// A file descriptor.
    Fd,
    /// A directory descriptor for the path that follows (AT_FDCWD allowed).
    DirFd,
    /// A pid, tid or process group.
    Pid,
    Signal,
    /// Bits, shown in hexadecimal.
    Flags,
    /// Permission bits, shown in octal.
    Mode,
    /// An address that is a value (mmap's) rather than something read or written through.
    Addr,
    /// A path: a NUL-terminated string that is read.
    Path,
    /// Memory that is read.
    In(Len),
    /// Memory that is written when the call succeeds.
    Out(Len),
    /// Memory that is not read, and may be written whether or not the call succeeds.
    OutAlways(Len),
    /// Memory that is read, and written when the call succeeds.
    InOut(Len),
    /// Memory that is written when the call fails with EINTR (the remaining time of a sleep).
    OutOnEintr(Len),
    /// Memory that is read, and may be written whether or not the call succeeds.
    InOutAlways(Len),
    /// An array of `struct pollfd` (8 bytes), its count in argument `.0`: fd and events are read, and
    /// revents, which programs leave uninitialised, is written whether or not the call succeeds.
    PollFds(u8),
    /// An array of `struct iovec`, its count in argument `.0`, whose bytes are read.
    IovecIn(u8),
    /// The same, filled with as many bytes as the call returned.
    IovecOut(u8),
    /// A `struct msghdr` that is sent (name, iovecs and control are read).
    MsgIn,
    /// A `struct msghdr` that is received into.
    MsgOut,
    /// An array of `struct mmsghdr`, its count in argument `.0`, that is sent (msg_len is written).
    MmsgIn(u8),
    /// The same, received into.
    MmsgOut(u8),
    /// What lies behind depends on another argument, or holds pointers itself: the hook knows, and
    /// for the calls in [`sub`] and [`ioctl`] the row found there says it.
    ByHook,
}

/// May the call wait for something outside the program?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blocks {
    Never,
    /// It may, and gives its turn up first.
    May,
}

/// Calls that a row alone cannot describe. The shim matches on this exhaustively.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// None: the row says it all.
    None,
    // Memory of the program itself.
    Mmap,
    Munmap,
    Mremap,
    Mprotect,
    Madvise,
    Brk,
    Mincore,
    /// Memory calls that are executed as they are, with their result compared: mlock and friends, msync.
    MemoryPlain,
    Shmat,
    Shmdt,
    // Tasks.
    Clone,
    Clone3,
    Fork,
    Vfork,
    Execve,
    Execveat,
    Exit,
    ExitGroup,
    SetTidAddress,
    RobustList,
    ArchPrctl,
    Prctl,
    Futex,
    FutexWaitv,
    Wait4,
    Waitid,
    // Signals.
    RtSigaction,
    RtSigprocmask,
    RtSigreturn,
    Sigaltstack,
    /// Calls that take a signal mask which must not hold our signals: ppoll, pselect6, epoll_pwait,
    /// epoll_pwait2, rt_sigsuspend, rt_sigtimedwait, signalfd, signalfd4.
    SigmaskArg,
    // Files.
    Open,
    Openat,
    Openat2,
    Close,
    CloseRange,
    Dup,
    Dup2,
    Dup3,
    Fcntl,
    Ioctl,
    Getdents,
    Getdents64,
    Readlink,
    Readlinkat,
    /// Calls on a path that may be /proc/self/exe: stat, lstat, access, newfstatat, statx, faccessat…
    PathExe,
    /// Bytes move between two descriptors inside the kernel: sendfile, splice, tee, copy_file_range, vmsplice.
    Transfer,
    /// Bytes go to a file that may be mapped shared: write, pwrite64, writev, pwritev, pwritev2.
    Write,
    /// The extent of such a file changes: truncate, ftruncate, fallocate.
    Truncate,
    Mount,
    // Sockets: connections are described when they come to be.
    Socketpair,
    Pipe,
    Accept,
    Connect,
    Bind,
    Sockopt,
    // The rest.
    Seccomp,
    Bpf,
    Ptrace,
    ProcessVm,
    Rlimit,
    Select,
    /// Deprecated or module-level calls whose request decides the layout: quotactl, keyctl, msgctl, semctl, shmctl, …
    ByRequest,
    /// Reads of clocks that need not enter the kernel.
    Clock,
}

/// A system call.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub nr: u16,
    pub name: &'static str,
    pub class: Class,
    pub blocks: Blocks,
    pub hook: Hook,
    pub args: [Arg; 6],
    /// What a user of the published list should know; empty when it works as natively.
    pub note: &'static str,
}

/// Numbers beyond this are not system calls.
pub const NR_MAX: usize = 512;

/// The row of a number, or `None` for calls newer than the table.
pub fn row(nr: u64) -> Option<&'static Row> {
    match INDEX.get(nr as usize) {
        Some(at) if *at != 0 && nr < NR_MAX as u64 => Some(&ROWS[*at as usize - 1]),
        _ => None,
    }
}

/// How many arguments call `nr` has; those that the table does not know count as having all.
pub fn arity(nr: u64) -> usize {
    ARITY
        .get(nr as usize)
        .map_or(6, |arity| usize::from(*arity))
}

/// What call `nr` is given, of the registers that can hold arguments: those it does not have are 0, so that
/// the same call is the same whatever the program left in them.
#[inline(always)]
pub fn arguments(nr: u64, registers: [u64; 6]) -> [u64; 6] {
    let arity = arity(nr);
    let mut arguments = registers;
    for (index, argument) in arguments.iter_mut().enumerate() {
        if index >= arity {
            *argument = 0;
        }
    }
    arguments
}

static ARITY: [u8; NR_MAX] = arities();

const fn arities() -> [u8; NR_MAX] {
    let mut arities = [6; NR_MAX];
    let mut at = 0;
    while at < ROWS.len() {
        let row = &ROWS[at];
        let mut arity = 6;
        while arity > 0 && matches!(row.args[arity - 1], Arg::None) {
            arity -= 1;
        }
        arities[row.nr as usize] = arity as u8;
        at += 1;
    }
    arities
}

/// Position in [`ROWS`] plus one, by number.
static INDEX: [u16; NR_MAX] = index();

const fn index() -> [u16; NR_MAX] {
    let mut index = [0u16; NR_MAX];
    let mut at = 0;
    while at < ROWS.len() {
        let nr = ROWS[at].nr as usize;
        assert!(
            nr < NR_MAX && index[nr] == 0,
            "a number stands twice in the table"
        );
        index[nr] = at as u16 + 1;
        at += 1;
    }
    index
}
