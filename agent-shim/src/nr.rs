//! Numbers of the calls that the shim names in its own code, looked up in the one syscall table
//! while compiling: a name that the table does not have does not compile.

use reenact_abi::syscalls::ROWS;

const fn number(name: &str) -> u64 {
    let mut at = 0;
    while at < ROWS.len() {
        if same(ROWS[at].name.as_bytes(), name.as_bytes()) {
            return ROWS[at].nr as u64;
        }
        at += 1;
    }
    panic!("the syscall table has no such call")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

pub const ARCH_PRCTL: u64 = number("arch_prctl");
pub const CLOCK_GETTIME: u64 = number("clock_gettime");
pub const CLONE3: u64 = number("clone3");
pub const CLONE: u64 = number("clone");
pub const CLOSE: u64 = number("close");
pub const CLOSE_RANGE: u64 = number("close_range");
pub const CONNECT: u64 = number("connect");
pub const COPY_FILE_RANGE: u64 = number("copy_file_range");
pub const EPOLL_CTL: u64 = number("epoll_ctl");
pub const EXECVEAT: u64 = number("execveat");
pub const EXIT: u64 = number("exit");
pub const EXIT_GROUP: u64 = number("exit_group");
pub const FACCESSAT2: u64 = number("faccessat2");
pub const FCNTL: u64 = number("fcntl");
pub const FGETXATTR: u64 = number("fgetxattr");
pub const FSTAT: u64 = number("fstat");
pub const FSTATFS: u64 = number("fstatfs");
pub const FTRUNCATE: u64 = number("ftruncate");
pub const TKILL: u64 = number("tkill");
pub const FUTEX: u64 = number("futex");
pub const GETEGID: u64 = number("getegid");
pub const GETEUID: u64 = number("geteuid");
pub const GETPEERNAME: u64 = number("getpeername");
pub const GETPID: u64 = number("getpid");
pub const GETSOCKNAME: u64 = number("getsockname");
pub const GETSOCKOPT: u64 = number("getsockopt");
pub const GETTIMEOFDAY: u64 = number("gettimeofday");
pub const GETTID: u64 = number("gettid");
pub const LSEEK: u64 = number("lseek");
pub const LSTAT: u64 = number("lstat");
pub const MADVISE: u64 = number("madvise");
pub const MINCORE: u64 = number("mincore");
pub const MMAP: u64 = number("mmap");
pub const MPROTECT: u64 = number("mprotect");
pub const MREMAP: u64 = number("mremap");
pub const MUNMAP: u64 = number("munmap");
pub const NANOSLEEP: u64 = number("nanosleep");
pub const NEWFSTATAT: u64 = number("newfstatat");
pub const OPEN: u64 = number("open");
pub const OPENAT: u64 = number("openat");
pub const PRCTL: u64 = number("prctl");
pub const PREAD64: u64 = number("pread64");
pub const PRLIMIT64: u64 = number("prlimit64");
pub const PWRITE64: u64 = number("pwrite64");
pub const PWRITEV2: u64 = number("pwritev2");
pub const PWRITEV: u64 = number("pwritev");
pub const READ: u64 = number("read");
pub const READLINKAT: u64 = number("readlinkat");
pub const RECVFROM: u64 = number("recvfrom");
pub const RECVMMSG: u64 = number("recvmmsg");
pub const RECVMSG: u64 = number("recvmsg");
pub const RESTART_SYSCALL: u64 = number("restart_syscall");
pub const RT_SIGACTION: u64 = number("rt_sigaction");
pub const RT_SIGPROCMASK: u64 = number("rt_sigprocmask");
pub const RT_TGSIGQUEUEINFO: u64 = number("rt_tgsigqueueinfo");
pub const RT_SIGRETURN: u64 = number("rt_sigreturn");
pub const SCHED_GETAFFINITY: u64 = number("sched_getaffinity");
pub const SCHED_SETAFFINITY: u64 = number("sched_setaffinity");
pub const SECCOMP: u64 = number("seccomp");
pub const SENDMMSG: u64 = number("sendmmsg");
pub const SENDMSG: u64 = number("sendmsg");
pub const SENDTO: u64 = number("sendto");
pub const SET_ROBUST_LIST: u64 = number("set_robust_list");
pub const SHMCTL: u64 = number("shmctl");
pub const SIGALTSTACK: u64 = number("sigaltstack");
pub const SPLICE: u64 = number("splice");
pub const STATX: u64 = number("statx");
pub const TEE: u64 = number("tee");
pub const TGKILL: u64 = number("tgkill");
pub const TIME: u64 = number("time");
pub const TIMER_CREATE: u64 = number("timer_create");
pub const TIMER_DELETE: u64 = number("timer_delete");
pub const TIMER_SETTIME: u64 = number("timer_settime");
pub const UNSHARE: u64 = number("unshare");
pub const VMSPLICE: u64 = number("vmsplice");
pub const WRITE: u64 = number("write");
pub const WRITEV: u64 = number("writev");
