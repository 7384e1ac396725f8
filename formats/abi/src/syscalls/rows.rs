//! The rows, in numeric order, one call per line.
//!
//! Sources: syscall_64.tbl of Linux 7.0, the man pages, and the kernel where those are silent. Lengths are
//! those of the x86-64 kernel structs, not of libc's. The columns are: number, name, class, whether
//! it may block, hook, arguments (name and kind), and below them the note if there is one. Calls that
//! Linux has a number but no code for return ENOSYS natively; their rows have no arguments.

use super::Arg::*;
use super::Len::*;
use super::{Arg, Blocks, Class, Hook, Len, Row};

const U32: Len = Fixed(4);
const U64: Len = Fixed(8);
const TIMESPEC: Len = Fixed(16);
const TIMEVAL: Len = Fixed(16);
const ITIMERVAL: Len = Fixed(32);
const ITIMERSPEC: Len = Fixed(32);
const STAT: Len = Fixed(144);
const STATFS: Len = Fixed(120);
const RUSAGE: Len = Fixed(144);
const RLIMIT: Len = Fixed(16);
const SIGINFO: Len = Fixed(128);
/// waitid fills no more than si_status, and zeroes these when there is no child.
const WAIT_SIGINFO: Len = Fixed(28);
const SIGEVENT: Len = Fixed(64);
const TIMEX: Len = Fixed(208);
const MQ_ATTR: Len = Fixed(64);
/// `struct file_handle`: handle_bytes, type, then that many bytes.
const FILE_HANDLE: Len = Sized(0, 8, 8);
/// `struct perf_event_attr` keeps its size after its type.
const PERF_ATTR: Len = Sized(4, 0, 64);
/// `struct sched_attr`: a size of zero means the first version.
const SCHED_ATTR: Len = Sized(0, 0, 48);
const MNT_ID_REQ: Len = Sized(0, 0, 24);
const NS_ID_REQ: Len = Sized(0, 0, 32);

/// Fills up to the six arguments that registers can hold.
const fn six<T: Copy>(given: &[T], rest: T) -> [T; 6] {
    let mut all = [rest; 6];
    let mut at = 0;
    while at < given.len() {
        all[at] = given[at];
        at += 1;
    }
    all
}

macro_rules! rows {
    ($( $nr:literal $name:ident $class:ident $blocks:ident $hook:ident
        [$($arg:ident: $kind:expr),*] $($note:literal)?; )*) => {
        /// Every system call, in ascending order of numbers.
        pub static ROWS: &[Row] = &[$( Row {
            nr: $nr,
            name: stringify!($name),
            class: Class::$class,
            blocks: Blocks::$blocks,
            hook: Hook::$hook,
            args: six(&[$($kind),*], Arg::None),
            note: concat!($($note)?),
        } ),*];

        /// The names of the arguments of [`ROWS`], apart from them because only the commands want them.
        pub(super) static ARG_NAMES: &[[&str; 6]] = &[$( six(&[$( stringify!($arg) ),*], "") ),*];
    };
}

// rustfmt leaves a macro call with its own grammar alone, so the columns stay.
rows! {
//  nr  name                     class    blocks hook           arguments
     0  read                     Emulated May   None            [fd: Fd, buf: Out(RetWithin(2)), count: Int];
     1  write                    Emulated May   Write           [fd: Fd, buf: In(Arg(2)), count: Int];
     2  open                     Emulated May   Open            [path: Path, flags: Flags, mode: Mode];
     3  close                    Emulated Never Close           [fd: Fd];
     4  stat                     Emulated Never PathExe         [path: Path, statbuf: Out(STAT)];
     5  fstat                    Emulated Never None            [fd: Fd, statbuf: Out(STAT)];
     6  lstat                    Emulated Never PathExe         [path: Path, statbuf: Out(STAT)];
     7  poll                     Emulated May   None            [fds: PollFds(1), nfds: Int, timeout: Int];
     8  lseek                    Emulated Never None            [fd: Fd, offset: Int, whence: Int];
     9  mmap                     Executed Never Mmap            [addr: Addr, length: Int, prot: Flags, flags: Flags, fd: Fd, offset: Int];
    10  mprotect                 Executed Never Mprotect        [addr: Addr, length: Int, prot: Flags];
    11  munmap                   Executed Never Munmap          [addr: Addr, length: Int];
    12  brk                      Executed Never Brk             [addr: Addr];
    13  rt_sigaction             Executed Never RtSigaction     [sig: Signal, act: In(Fixed(32)), oldact: Out(Fixed(32)), sigsetsize: Int];
    14  rt_sigprocmask           Executed Never RtSigprocmask   [how: Int, set: In(Arg(3)), oldset: Out(Arg(3)), sigsetsize: Int];
    15  rt_sigreturn             Executed Never RtSigreturn     [];
    16  ioctl                    Emulated May   Ioctl           [fd: Fd, request: Flags, arg: ByHook]
        "Requests that neither their number nor the table describes are recorded by their result alone.";
    17  pread64                  Emulated May   None            [fd: Fd, buf: Out(RetWithin(2)), count: Int, offset: Int];
    18  pwrite64                 Emulated May   Write           [fd: Fd, buf: In(Arg(2)), count: Int, offset: Int];
    19  readv                    Emulated May   None            [fd: Fd, iov: IovecOut(2), iovcnt: Int];
    20  writev                   Emulated May   Write           [fd: Fd, iov: IovecIn(2), iovcnt: Int];
    21  access                   Emulated Never PathExe         [path: Path, mode: Mode];
    22  pipe                     Emulated Never Pipe            [pipefd: Out(U64)];
    23  select                   Emulated May   None            [nfds: Int, readfds: InOut(FdSet(0)), writefds: InOut(FdSet(0)), exceptfds: InOut(FdSet(0)), timeout: InOutAlways(TIMEVAL)];
    24  sched_yield              Emulated May   None            [];
    25  mremap                   Executed Never Mremap          [old_addr: Addr, old_size: Int, new_size: Int, flags: Flags, new_addr: Addr];
    26  msync                    Executed May   MemoryPlain     [addr: Addr, length: Int, flags: Flags];
    27  mincore                  Emulated Never Mincore         [addr: Addr, length: Int, vec: ByHook];
    28  madvise                  Executed Never Madvise         [addr: Addr, length: Int, advice: Int]
        "MADV_FREE acts as MADV_DONTNEED.";
    29  shmget                   Emulated Never None            [key: Int, size: Int, shmflg: Flags];
    30  shmat                    Executed Never Shmat           [shmid: Int, addr: Addr, shmflg: Flags];
    31  shmctl                   Emulated Never ByRequest       [shmid: Int, cmd: Int, buf: ByHook];
    32  dup                      Emulated Never Dup             [oldfd: Fd];
    33  dup2                     Emulated Never Dup2            [oldfd: Fd, newfd: Fd];
    34  pause                    Emulated May   None            [];
    35  nanosleep                Emulated May   None            [req: In(TIMESPEC), rem: OutOnEintr(TIMESPEC)];
    36  getitimer                Emulated Never None            [which: Int, curr: Out(ITIMERVAL)];
    37  alarm                    Emulated Never None            [seconds: Int];
    38  setitimer                Emulated Never None            [which: Int, new: In(ITIMERVAL), old: Out(ITIMERVAL)];
    39  getpid                   Emulated Never None            [];
    40  sendfile                 Emulated May   Transfer        [out_fd: Fd, in_fd: Fd, offset: InOut(U64), count: Int]
        "Into standard output or error: EINVAL, so that the program copies by itself and the bytes are recorded.";
    41  socket                   Emulated Never None            [domain: Int, type: Flags, protocol: Int];
    42  connect                  Emulated May   Connect         [fd: Fd, addr: In(Arg(2)), addrlen: Int];
    43  accept                   Emulated May   Accept          [fd: Fd, addr: Out(Cell(2)), addrlen: InOut(U32)];
    44  sendto                   Emulated May   None            [fd: Fd, buf: In(Arg(2)), len: Int, flags: Flags, dest_addr: In(Arg(5)), addrlen: Int];
    45  recvfrom                 Emulated May   None            [fd: Fd, buf: Out(RetWithin(2)), len: Int, flags: Flags, src_addr: Out(Cell(5)), addrlen: InOut(U32)];
    46  sendmsg                  Emulated May   None            [fd: Fd, msg: MsgIn, flags: Flags];
    47  recvmsg                  Emulated May   None            [fd: Fd, msg: MsgOut, flags: Flags];
    48  shutdown                 Emulated Never None            [fd: Fd, how: Int];
    49  bind                     Emulated Never Bind            [fd: Fd, addr: In(Arg(2)), addrlen: Int];
    50  listen                   Emulated Never None            [fd: Fd, backlog: Int];
    51  getsockname              Emulated Never None            [fd: Fd, addr: Out(Cell(2)), addrlen: InOut(U32)];
    52  getpeername              Emulated Never None            [fd: Fd, addr: Out(Cell(2)), addrlen: InOut(U32)];
    53  socketpair               Emulated Never Socketpair      [domain: Int, type: Flags, protocol: Int, sv: OutAlways(U64)];
    54  setsockopt               Emulated Never Sockopt         [fd: Fd, level: Int, optname: Int, optval: In(Arg(4)), optlen: Int];
    55  getsockopt               Emulated Never Sockopt         [fd: Fd, level: Int, optname: Int, optval: Out(Cell(4)), optlen: InOutAlways(U32)];
    56  clone                    Executed Never Clone           [flags: Flags, stack: Addr, parent_tid: ByHook, child_tid: ByHook, tls: Addr];
    57  fork                     Executed Never Fork            [];
    58  vfork                    Executed May   Vfork           [];
    59  execve                   Executed Never Execve          [path: Path, argv: ByHook, envp: ByHook]
        "setuid, 32-bit and binfmt_misc programs run unrecorded.";
    60  exit                     Executed Never Exit            [status: Int];
    61  wait4                    Emulated May   Wait4           [pid: Pid, wstatus: Out(U32), options: Flags, rusage: Out(RUSAGE)];
    62  kill                     Emulated Never None            [pid: Pid, sig: Signal];
    63  uname                    Emulated Never None            [buf: Out(Fixed(390))];
    64  semget                   Emulated Never None            [key: Int, nsems: Int, semflg: Flags];
    65  semop                    Emulated May   None            [semid: Int, sops: In(ArgTimes(2, 6)), nsops: Int];
    66  semctl                   Emulated Never ByRequest       [semid: Int, semnum: Int, cmd: Int, arg: ByHook];
    67  shmdt                    Executed Never Shmdt           [addr: Addr];
    68  msgget                   Emulated Never None            [key: Int, msgflg: Flags];
    69  msgsnd                   Emulated May   None            [msqid: Int, msgp: In(ArgPlus(2, 8)), msgsz: Int, msgflg: Flags];
    70  msgrcv                   Emulated May   None            [msqid: Int, msgp: Out(RetPlus(2, 8)), msgsz: Int, msgtyp: Int, msgflg: Flags];
    71  msgctl                   Emulated Never ByRequest       [msqid: Int, cmd: Int, buf: ByHook];
    72  fcntl                    Emulated May   Fcntl           [fd: Fd, cmd: Int, arg: ByHook];
    73  flock                    Emulated May   None            [fd: Fd, operation: Flags];
    74  fsync                    Emulated May   None            [fd: Fd];
    75  fdatasync                Emulated May   None            [fd: Fd];
    76  truncate                 Emulated Never Truncate        [path: Path, length: Int];
    77  ftruncate                Emulated Never Truncate        [fd: Fd, length: Int];
    78  getdents                 Emulated Never Getdents        [fd: Fd, dirp: Out(Ret), count: Int];
    79  getcwd                   Emulated Never None            [buf: Out(RetWithin(1)), size: Int];
    80  chdir                    Emulated Never None            [path: Path];
    81  fchdir                   Emulated Never None            [fd: Fd];
    82  rename                   Emulated Never None            [oldpath: Path, newpath: Path];
    83  mkdir                    Emulated Never None            [path: Path, mode: Mode];
    84  rmdir                    Emulated Never None            [path: Path];
    85  creat                    Emulated May   Open            [path: Path, mode: Mode];
    86  link                     Emulated Never None            [oldpath: Path, newpath: Path];
    87  unlink                   Emulated Never None            [path: Path];
    88  symlink                  Emulated Never None            [target: Path, linkpath: Path];
    89  readlink                 Emulated Never Readlink        [path: Path, buf: Out(RetWithin(2)), bufsiz: Int];
    90  chmod                    Emulated Never None            [path: Path, mode: Mode];
    91  fchmod                   Emulated Never None            [fd: Fd, mode: Mode];
    92  chown                    Emulated Never None            [path: Path, owner: Int, group: Int];
    93  fchown                   Emulated Never None            [fd: Fd, owner: Int, group: Int];
    94  lchown                   Emulated Never None            [path: Path, owner: Int, group: Int];
    95  umask                    Emulated Never None            [mask: Mode];
    96  gettimeofday             Emulated Never Clock           [tv: Out(TIMEVAL), tz: Out(Fixed(8))];
    97  getrlimit                Emulated Never Rlimit          [resource: Int, rlim: Out(RLIMIT)];
    98  getrusage                Emulated Never None            [who: Int, usage: Out(RUSAGE)];
    99  sysinfo                  Emulated Never None            [info: Out(Fixed(112))];
   100  times                    Emulated Never None            [buf: Out(Fixed(32))];
   101  ptrace                   Emulated Never Ptrace          [request: Int, pid: Pid, addr: ByHook, data: ByHook]
        "A tracer sees the recorder's code in a recorded program.";
   102  getuid                   Emulated Never None            [];
   103  syslog                   Emulated May   ByRequest       [type: Int, buf: ByHook, len: Int];
   104  getgid                   Emulated Never None            [];
   105  setuid                   Emulated Never None            [uid: Int];
   106  setgid                   Emulated Never None            [gid: Int];
   107  geteuid                  Emulated Never None            [];
   108  getegid                  Emulated Never None            [];
   109  setpgid                  Emulated Never None            [pid: Pid, pgid: Pid];
   110  getppid                  Emulated Never None            [];
   111  getpgrp                  Emulated Never None            [];
   112  setsid                   Emulated Never None            [];
   113  setreuid                 Emulated Never None            [ruid: Int, euid: Int];
   114  setregid                 Emulated Never None            [rgid: Int, egid: Int];
   115  getgroups                Emulated Never None            [size: Int, list: Out(RetTimesWithin(0, 4))];
   116  setgroups                Emulated Never None            [size: Int, list: In(ArgTimes(0, 4))];
   117  setresuid                Emulated Never None            [ruid: Int, euid: Int, suid: Int];
   118  getresuid                Emulated Never None            [ruid: Out(U32), euid: Out(U32), suid: Out(U32)];
   119  setresgid                Emulated Never None            [rgid: Int, egid: Int, sgid: Int];
   120  getresgid                Emulated Never None            [rgid: Out(U32), egid: Out(U32), sgid: Out(U32)];
   121  getpgid                  Emulated Never None            [pid: Pid];
   122  setfsuid                 Emulated Never None            [uid: Int];
   123  setfsgid                 Emulated Never None            [gid: Int];
   124  getsid                   Emulated Never None            [pid: Pid];
   125  capget                   Emulated Never None            [header: InOutAlways(Fixed(8)), data: Out(Fixed(24))];
   126  capset                   Emulated Never None            [header: InOutAlways(Fixed(8)), data: In(Fixed(24))];
   127  rt_sigpending            Emulated Never None            [set: Out(Arg(1)), sigsetsize: Int];
   128  rt_sigtimedwait          Emulated May   SigmaskArg      [set: In(Arg(3)), info: Out(SIGINFO), timeout: In(TIMESPEC), sigsetsize: Int];
   129  rt_sigqueueinfo          Emulated Never None            [pid: Pid, sig: Signal, info: In(SIGINFO)];
   130  rt_sigsuspend            Emulated May   SigmaskArg      [mask: In(Arg(1)), sigsetsize: Int];
   131  sigaltstack              Executed Never Sigaltstack     [ss: In(Fixed(24)), old_ss: Out(Fixed(24))];
   132  utime                    Emulated Never None            [path: Path, times: In(Fixed(16))];
   133  mknod                    Emulated Never None            [path: Path, mode: Mode, dev: Int];
   134  uselib                   Emulated Never None            [library: Path];
   135  personality              Emulated Never None            [persona: Flags]
        "ADDR_NO_RANDOMIZE has no effect: the recorder places mappings itself.";
   136  ustat                    Emulated Never None            [dev: Int, ubuf: Out(Fixed(32))];
   137  statfs                   Emulated Never None            [path: Path, buf: Out(STATFS)];
   138  fstatfs                  Emulated Never None            [fd: Fd, buf: Out(STATFS)];
   139  sysfs                    Emulated Never ByRequest       [option: Int, arg1: ByHook, arg2: ByHook];
   140  getpriority              Emulated Never None            [which: Int, who: Int];
   141  setpriority              Emulated Never None            [which: Int, who: Int, prio: Int];
   142  sched_setparam           Emulated Never None            [pid: Pid, param: In(U32)];
   143  sched_getparam           Emulated Never None            [pid: Pid, param: Out(U32)];
   144  sched_setscheduler       Emulated Never None            [pid: Pid, policy: Int, param: In(U32)];
   145  sched_getscheduler       Emulated Never None            [pid: Pid];
   146  sched_get_priority_max   Emulated Never None            [policy: Int];
   147  sched_get_priority_min   Emulated Never None            [policy: Int];
   148  sched_rr_get_interval    Emulated Never None            [pid: Pid, tp: Out(TIMESPEC)];
   149  mlock                    Executed Never MemoryPlain     [addr: Addr, length: Int];
   150  munlock                  Executed Never MemoryPlain     [addr: Addr, length: Int];
   151  mlockall                 Executed Never MemoryPlain     [flags: Flags];
   152  munlockall               Executed Never MemoryPlain     [];
   153  vhangup                  Emulated Never None            [];
   154  modify_ldt               Denied   Never None            [func: Int, ptr: Addr, bytecount: Int]
        "Returns ENOSYS: code that runs through segments of its own cannot be followed.";
   155  pivot_root               Emulated Never None            [new_root: Path, put_old: Path];
   156  _sysctl                  Emulated Never None            [];
   157  prctl                    Emulated Never Prctl           [option: Int, arg2: ByHook, arg3: ByHook, arg4: ByHook, arg5: ByHook]
        "A seccomp filter is logged, not installed.";
   158  arch_prctl               Executed Never ArchPrctl       [code: Int, addr: ByHook];
   159  adjtimex                 Emulated Never None            [buf: InOutAlways(TIMEX)];
   160  setrlimit                Emulated Never Rlimit          [resource: Int, rlim: In(RLIMIT)];
   161  chroot                   Emulated Never None            [path: Path];
   162  sync                     Emulated May   None            [];
   163  acct                     Emulated Never None            [path: Path];
   164  settimeofday             Emulated Never None            [tv: In(TIMEVAL), tz: In(Fixed(8))];
   165  mount                    Emulated May   Mount           [source: In(Str), target: Path, fstype: In(Str), flags: Flags, data: ByHook];
   166  umount2                  Emulated May   None            [target: Path, flags: Flags];
   167  swapon                   Emulated Never None            [path: Path, flags: Flags];
   168  swapoff                  Emulated Never None            [path: Path];
   169  reboot                   Emulated Never None            [magic: Int, magic2: Int, cmd: Flags, arg: In(Str)];
   170  sethostname              Emulated Never None            [name: In(Arg(1)), len: Int];
   171  setdomainname            Emulated Never None            [name: In(Arg(1)), len: Int];
   172  iopl                     Denied   Never None            [level: Int]
        "Returns ENOSYS: port access would bypass the recording.";
   173  ioperm                   Denied   Never None            [from: Int, num: Int, turn_on: Int]
        "Returns ENOSYS: port access would bypass the recording.";
   174  create_module            Emulated Never None            [];
   175  init_module              Emulated Never None            [image: In(Arg(1)), len: Int, params: In(Str)];
   176  delete_module            Emulated Never None            [name: In(Str), flags: Flags];
   177  get_kernel_syms          Emulated Never None            [];
   178  query_module             Emulated Never None            [];
   179  quotactl                 Emulated Never ByRequest       [cmd: Flags, special: Path, id: Int, addr: ByHook];
   180  nfsservctl               Emulated Never None            [];
   181  getpmsg                  Emulated Never None            [];
   182  putpmsg                  Emulated Never None            [];
   183  afs_syscall              Emulated Never None            [];
   184  tuxcall                  Emulated Never None            [];
   185  security                 Emulated Never None            [];
   186  gettid                   Emulated Never None            [];
   187  readahead                Emulated Never None            [fd: Fd, offset: Int, count: Int];
   188  setxattr                 Emulated Never None            [path: Path, name: In(Str), value: In(Arg(3)), size: Int, flags: Flags];
   189  lsetxattr                Emulated Never None            [path: Path, name: In(Str), value: In(Arg(3)), size: Int, flags: Flags];
   190  fsetxattr                Emulated Never None            [fd: Fd, name: In(Str), value: In(Arg(3)), size: Int, flags: Flags];
   191  getxattr                 Emulated Never None            [path: Path, name: In(Str), value: Out(RetWithin(3)), size: Int];
   192  lgetxattr                Emulated Never None            [path: Path, name: In(Str), value: Out(RetWithin(3)), size: Int];
   193  fgetxattr                Emulated Never None            [fd: Fd, name: In(Str), value: Out(RetWithin(3)), size: Int];
   194  listxattr                Emulated Never None            [path: Path, list: Out(RetWithin(2)), size: Int];
   195  llistxattr               Emulated Never None            [path: Path, list: Out(RetWithin(2)), size: Int];
   196  flistxattr               Emulated Never None            [fd: Fd, list: Out(RetWithin(2)), size: Int];
   197  removexattr              Emulated Never None            [path: Path, name: In(Str)];
   198  lremovexattr             Emulated Never None            [path: Path, name: In(Str)];
   199  fremovexattr             Emulated Never None            [fd: Fd, name: In(Str)];
   200  tkill                    Emulated Never None            [tid: Pid, sig: Signal];
   201  time                     Emulated Never Clock           [tloc: Out(U64)];
   202  futex                    Emulated May   Futex           [uaddr: ByHook, op: Flags, val: Int, timeout: ByHook, uaddr2: ByHook, val3: Int];
   203  sched_setaffinity        Emulated Never None            [pid: Pid, len: Int, mask: In(Arg(1))];
   204  sched_getaffinity        Emulated Never None            [pid: Pid, len: Int, mask: Out(Ret)];
   205  set_thread_area          Emulated Never None            [];
   206  io_setup                 Denied   Never None            [nr_events: Int, ctx: InOut(U64)]
        "Returns ENOSYS: completions are read from memory without a call.";
   207  io_destroy               Denied   Never None            [ctx: Int]
        "Returns ENOSYS, as io_setup does.";
   208  io_getevents             Denied   Never None            [ctx: Int, min_nr: Int, nr: Int, events: Out(RetTimes(32)), timeout: In(TIMESPEC)]
        "Returns ENOSYS, as io_setup does.";
   209  io_submit                Denied   Never None            [ctx: Int, nr: Int, iocbpp: In(ArgTimes(1, 8))]
        "Returns ENOSYS, as io_setup does.";
   210  io_cancel                Denied   Never None            [ctx: Int, iocb: In(Fixed(64)), result: Out(Fixed(32))]
        "Returns ENOSYS, as io_setup does.";
   211  get_thread_area          Emulated Never None            [];
   212  lookup_dcookie           Emulated Never None            [cookie: Int, buf: Out(RetWithin(2)), len: Int];
   213  epoll_create             Emulated Never None            [size: Int];
   214  epoll_ctl_old            Emulated Never None            [];
   215  epoll_wait_old           Emulated Never None            [];
   216  remap_file_pages         Denied   Never None            [addr: Addr, size: Int, prot: Flags, pgoff: Int, flags: Flags]
        "Returns ENOSYS: deprecated by Linux, which itself emulates it with mmap.";
   217  getdents64               Emulated Never Getdents64      [fd: Fd, dirp: Out(Ret), count: Int];
   218  set_tid_address          Executed Never SetTidAddress   [tidptr: Addr];
   219  restart_syscall          Emulated May   None            [];
   220  semtimedop               Emulated May   None            [semid: Int, sops: In(ArgTimes(2, 6)), nsops: Int, timeout: In(TIMESPEC)];
   221  fadvise64                Emulated Never None            [fd: Fd, offset: Int, len: Int, advice: Int];
   222  timer_create             Emulated Never None            [clockid: Int, sevp: In(SIGEVENT), timerid: OutAlways(U32)];
   223  timer_settime            Emulated Never None            [timerid: Int, flags: Flags, new: In(ITIMERSPEC), old: Out(ITIMERSPEC)];
   224  timer_gettime            Emulated Never None            [timerid: Int, curr: Out(ITIMERSPEC)];
   225  timer_getoverrun         Emulated Never None            [timerid: Int];
   226  timer_delete             Emulated Never None            [timerid: Int];
   227  clock_settime            Emulated Never None            [clockid: Int, tp: In(TIMESPEC)];
   228  clock_gettime            Emulated Never Clock           [clockid: Int, tp: Out(TIMESPEC)];
   229  clock_getres             Emulated Never None            [clockid: Int, res: Out(TIMESPEC)];
   230  clock_nanosleep          Emulated May   None            [clockid: Int, flags: Flags, req: In(TIMESPEC), rem: OutOnEintr(TIMESPEC)];
   231  exit_group               Executed Never ExitGroup       [status: Int];
   232  epoll_wait               Emulated May   None            [epfd: Fd, events: Out(RetTimesWithin(2, 12)), maxevents: Int, timeout: Int];
   233  epoll_ctl                Emulated Never None            [epfd: Fd, op: Int, fd: Fd, event: In(Fixed(12))];
   234  tgkill                   Emulated Never None            [tgid: Pid, tid: Pid, sig: Signal];
   235  utimes                   Emulated Never None            [path: Path, times: In(Fixed(32))];
   236  vserver                  Emulated Never None            [];
   237  mbind                    Emulated Never None            [addr: Addr, len: Int, mode: Flags, nodemask: In(NodeMask(4)), maxnode: Int, flags: Flags];
   238  set_mempolicy            Emulated Never None            [mode: Flags, nodemask: In(NodeMask(2)), maxnode: Int];
   239  get_mempolicy            Emulated Never None            [mode: Out(U32), nodemask: Out(NodeMask(2)), maxnode: Int, addr: Addr, flags: Flags];
   240  mq_open                  Emulated Never None            [name: Path, oflag: Flags, mode: Mode, attr: In(MQ_ATTR)];
   241  mq_unlink                Emulated Never None            [name: Path];
   242  mq_timedsend             Emulated May   None            [mqdes: Fd, msg: In(Arg(2)), msg_len: Int, msg_prio: Int, timeout: In(TIMESPEC)];
   243  mq_timedreceive          Emulated May   None            [mqdes: Fd, msg: Out(RetWithin(2)), msg_len: Int, msg_prio: Out(U32), timeout: In(TIMESPEC)];
   244  mq_notify                Emulated Never None            [mqdes: Fd, sevp: In(SIGEVENT)];
   245  mq_getsetattr            Emulated Never None            [mqdes: Fd, newattr: In(MQ_ATTR), oldattr: Out(MQ_ATTR)];
   246  kexec_load               Emulated Never None            [entry: Addr, nr_segments: Int, segments: In(ArgTimes(1, 32)), flags: Flags];
   247  waitid                   Emulated May   Waitid          [idtype: Int, id: Pid, info: OutAlways(WAIT_SIGINFO), options: Flags, rusage: Out(RUSAGE)];
   248  add_key                  Emulated Never None            [type: In(Str), description: In(Str), payload: In(Arg(3)), plen: Int, keyring: Int];
   249  request_key              Emulated May   None            [type: In(Str), description: In(Str), callout_info: In(Str), keyring: Int];
   250  keyctl                   Emulated Never ByRequest       [op: Int, arg2: ByHook, arg3: ByHook, arg4: ByHook, arg5: ByHook];
   251  ioprio_set               Emulated Never None            [which: Int, who: Int, ioprio: Int];
   252  ioprio_get               Emulated Never None            [which: Int, who: Int];
   253  inotify_init             Emulated Never None            [];
   254  inotify_add_watch        Emulated Never None            [fd: Fd, path: Path, mask: Flags];
   255  inotify_rm_watch         Emulated Never None            [fd: Fd, wd: Int];
   256  migrate_pages            Emulated Never None            [pid: Pid, maxnode: Int, old_nodes: In(NodeMask(1)), new_nodes: In(NodeMask(1))];
   257  openat                   Emulated May   Openat          [dirfd: DirFd, path: Path, flags: Flags, mode: Mode];
   258  mkdirat                  Emulated Never None            [dirfd: DirFd, path: Path, mode: Mode];
   259  mknodat                  Emulated Never None            [dirfd: DirFd, path: Path, mode: Mode, dev: Int];
   260  fchownat                 Emulated Never None            [dirfd: DirFd, path: Path, owner: Int, group: Int, flags: Flags];
   261  futimesat                Emulated Never None            [dirfd: DirFd, path: Path, times: In(Fixed(32))];
   262  newfstatat               Emulated Never PathExe         [dirfd: DirFd, path: Path, statbuf: Out(STAT), flags: Flags];
   263  unlinkat                 Emulated Never None            [dirfd: DirFd, path: Path, flags: Flags];
   264  renameat                 Emulated Never None            [olddirfd: DirFd, oldpath: Path, newdirfd: DirFd, newpath: Path];
   265  linkat                   Emulated Never None            [olddirfd: DirFd, oldpath: Path, newdirfd: DirFd, newpath: Path, flags: Flags];
   266  symlinkat                Emulated Never None            [target: Path, newdirfd: DirFd, linkpath: Path];
   267  readlinkat               Emulated Never Readlinkat      [dirfd: DirFd, path: Path, buf: Out(RetWithin(3)), bufsiz: Int];
   268  fchmodat                 Emulated Never None            [dirfd: DirFd, path: Path, mode: Mode];
   269  faccessat                Emulated Never PathExe         [dirfd: DirFd, path: Path, mode: Mode];
   270  pselect6                 Emulated May   SigmaskArg      [nfds: Int, readfds: InOut(FdSet(0)), writefds: InOut(FdSet(0)), exceptfds: InOut(FdSet(0)), timeout: InOutAlways(TIMESPEC), sigmask: ByHook];
   271  ppoll                    Emulated May   SigmaskArg      [fds: PollFds(1), nfds: Int, timeout: InOutAlways(TIMESPEC), sigmask: In(Arg(4)), sigsetsize: Int];
   272  unshare                  Emulated Never None            [flags: Flags];
   273  set_robust_list          Executed Never RobustList      [head: Addr, len: Int];
   274  get_robust_list          Executed Never RobustList      [pid: Pid, head: Out(U64), len: Out(U64)];
   275  splice                   Emulated May   Transfer        [fd_in: Fd, off_in: InOut(U64), fd_out: Fd, off_out: InOut(U64), len: Int, flags: Flags]
        "Into standard output or error: EINVAL, so that the program copies by itself and the bytes are recorded.";
   276  tee                      Emulated May   Transfer        [fd_in: Fd, fd_out: Fd, len: Int, flags: Flags];
   277  sync_file_range          Emulated May   None            [fd: Fd, offset: Int, nbytes: Int, flags: Flags];
   278  vmsplice                 Emulated May   Transfer        [fd: Fd, iov: ByHook, nr_segs: Int, flags: Flags]
        "Into standard output or error: EINVAL, so that the program writes by itself and the bytes are recorded.";
   279  move_pages               Emulated Never None            [pid: Pid, count: Int, pages: In(ArgTimes(1, 8)), nodes: In(ArgTimes(1, 4)), status: OutAlways(ArgTimes(1, 4)), flags: Flags];
   280  utimensat                Emulated Never None            [dirfd: DirFd, path: Path, times: In(Fixed(32)), flags: Flags];
   281  epoll_pwait              Emulated May   SigmaskArg      [epfd: Fd, events: Out(RetTimesWithin(2, 12)), maxevents: Int, timeout: Int, sigmask: In(Arg(5)), sigsetsize: Int];
   282  signalfd                 Emulated Never SigmaskArg      [fd: Fd, mask: In(Arg(2)), sizemask: Int];
   283  timerfd_create           Emulated Never None            [clockid: Int, flags: Flags];
   284  eventfd                  Emulated Never None            [initval: Int];
   285  fallocate                Emulated Never Truncate        [fd: Fd, mode: Flags, offset: Int, len: Int];
   286  timerfd_settime          Emulated Never None            [fd: Fd, flags: Flags, new: In(ITIMERSPEC), old: Out(ITIMERSPEC)];
   287  timerfd_gettime          Emulated Never None            [fd: Fd, curr: Out(ITIMERSPEC)];
   288  accept4                  Emulated May   Accept          [fd: Fd, addr: Out(Cell(2)), addrlen: InOut(U32), flags: Flags];
   289  signalfd4                Emulated Never SigmaskArg      [fd: Fd, mask: In(Arg(2)), sizemask: Int, flags: Flags];
   290  eventfd2                 Emulated Never None            [initval: Int, flags: Flags];
   291  epoll_create1            Emulated Never None            [flags: Flags];
   292  dup3                     Emulated Never Dup3            [oldfd: Fd, newfd: Fd, flags: Flags];
   293  pipe2                    Emulated Never Pipe            [pipefd: Out(U64), flags: Flags];
   294  inotify_init1            Emulated Never None            [flags: Flags];
   295  preadv                   Emulated May   None            [fd: Fd, iov: IovecOut(2), iovcnt: Int, pos_l: Int, pos_h: Int];
   296  pwritev                  Emulated May   Write           [fd: Fd, iov: IovecIn(2), iovcnt: Int, pos_l: Int, pos_h: Int];
   297  rt_tgsigqueueinfo        Emulated Never None            [tgid: Pid, tid: Pid, sig: Signal, info: In(SIGINFO)];
   298  perf_event_open          Emulated Never None            [attr: In(PERF_ATTR), pid: Pid, cpu: Int, group_fd: Fd, flags: Flags]
        "Counters that are read are recorded; the mapped sample buffer is not.";
   299  recvmmsg                 Emulated May   None            [fd: Fd, msgvec: MmsgOut(2), vlen: Int, flags: Flags, timeout: InOut(TIMESPEC)];
   300  fanotify_init            Emulated Never None            [flags: Flags, event_f_flags: Flags];
   301  fanotify_mark            Emulated Never None            [fd: Fd, flags: Flags, mask: Flags, dirfd: DirFd, path: Path];
   302  prlimit64                Emulated Never Rlimit          [pid: Pid, resource: Int, new: In(RLIMIT), old: Out(RLIMIT)];
   303  name_to_handle_at        Emulated Never None            [dirfd: DirFd, path: Path, handle: InOutAlways(FILE_HANDLE), mount_id: OutAlways(U64), flags: Flags];
   304  open_by_handle_at        Emulated May   None            [mount_fd: Fd, handle: In(FILE_HANDLE), flags: Flags];
   305  clock_adjtime            Emulated Never None            [clockid: Int, buf: InOut(TIMEX)];
   306  syncfs                   Emulated May   None            [fd: Fd];
   307  sendmmsg                 Emulated May   None            [fd: Fd, msgvec: MmsgIn(2), vlen: Int, flags: Flags];
   308  setns                    Emulated Never None            [fd: Fd, nstype: Flags];
   309  getcpu                   Emulated Never None            [cpu: Out(U32), node: Out(U32), tcache: Addr];
   310  process_vm_readv         Emulated Never ProcessVm       [pid: Pid, local_iov: IovecOut(2), liovcnt: Int, remote_iov: In(ArgTimes(4, 16)), riovcnt: Int, flags: Flags];
   311  process_vm_writev        Emulated Never ProcessVm       [pid: Pid, local_iov: IovecIn(2), liovcnt: Int, remote_iov: In(ArgTimes(4, 16)), riovcnt: Int, flags: Flags];
   312  kcmp                     Emulated Never None            [pid1: Pid, pid2: Pid, type: Int, idx1: Int, idx2: Int];
   313  finit_module             Emulated Never None            [fd: Fd, params: In(Str), flags: Flags];
   314  sched_setattr            Emulated Never None            [pid: Pid, attr: In(SCHED_ATTR), flags: Flags];
   315  sched_getattr            Emulated Never None            [pid: Pid, attr: Out(Arg(2)), size: Int, flags: Flags];
   316  renameat2                Emulated Never None            [olddirfd: DirFd, oldpath: Path, newdirfd: DirFd, newpath: Path, flags: Flags];
   317  seccomp                  Emulated Never Seccomp         [op: Int, flags: Flags, args: ByHook]
        "The filter is logged, not installed.";
   318  getrandom                Emulated Never None            [buf: Out(RetWithin(1)), buflen: Int, flags: Flags];
   319  memfd_create             Emulated Never None            [name: In(Str), flags: Flags];
   320  kexec_file_load          Emulated Never None            [kernel_fd: Fd, initrd_fd: Fd, cmdline_len: Int, cmdline: In(Arg(2)), flags: Flags];
   321  bpf                      Emulated Never Bpf             [cmd: Int, attr: ByHook, size: Int]
        "Maps that are shared with the kernel through mmap are not recorded.";
   322  execveat                 Executed Never Execveat        [dirfd: DirFd, path: Path, argv: ByHook, envp: ByHook, flags: Flags]
        "setuid, 32-bit and binfmt_misc programs run unrecorded.";
   323  userfaultfd              Denied   Never None            [flags: Flags]
        "Returns ENOSYS: page faults would be answered without a call of the faulting task.";
   324  membarrier               Emulated Never None            [cmd: Int, flags: Flags, cpu: Int];
   325  mlock2                   Executed Never MemoryPlain     [addr: Addr, length: Int, flags: Flags];
   326  copy_file_range          Emulated May   Transfer        [fd_in: Fd, off_in: InOut(U64), fd_out: Fd, off_out: InOut(U64), len: Int, flags: Flags]
        "Into standard output or error: EINVAL, so that the program copies by itself and the bytes are recorded.";
   327  preadv2                  Emulated May   None            [fd: Fd, iov: IovecOut(2), iovcnt: Int, pos_l: Int, pos_h: Int, flags: Flags];
   328  pwritev2                 Emulated May   Write           [fd: Fd, iov: IovecIn(2), iovcnt: Int, pos_l: Int, pos_h: Int, flags: Flags];
   329  pkey_mprotect            Executed Never Mprotect        [addr: Addr, length: Int, prot: Flags, pkey: Int];
   330  pkey_alloc               Denied   Never None            [flags: Flags, access_rights: Flags]
        "Returns ENOSYS: the machine that replays may lack protection keys.";
   331  pkey_free                Denied   Never None            [pkey: Int]
        "Returns ENOSYS, as pkey_alloc does.";
   332  statx                    Emulated Never PathExe         [dirfd: DirFd, path: Path, flags: Flags, mask: Flags, statxbuf: Out(Fixed(256))];
   333  io_pgetevents            Denied   Never None            [ctx: Int, min_nr: Int, nr: Int, events: Out(RetTimes(32)), timeout: In(TIMESPEC), usig: In(Fixed(16))]
        "Returns ENOSYS, as io_setup does.";
   334  rseq                     Denied   Never None            [rseq: Addr, len: Int, flags: Flags, sig: Int]
        "Returns ENOSYS: the kernel would write the current CPU into memory at any time.";
   335  uretprobe                Denied   Never None            []
        "Returns ENOSYS: it belongs to the kernel's own trampoline for probes.";
   336  uprobe                   Denied   Never None            []
        "Returns ENOSYS: it belongs to the kernel's own trampoline for probes.";
   424  pidfd_send_signal        Emulated Never None            [pidfd: Fd, sig: Signal, info: In(SIGINFO), flags: Flags];
   425  io_uring_setup           Denied   Never None            [entries: Int, params: InOut(Fixed(120))]
        "Returns ENOSYS: requests and completions pass through memory without a call.";
   426  io_uring_enter           Denied   Never None            [fd: Fd, to_submit: Int, min_complete: Int, flags: Flags, arg: In(Arg(5)), argsz: Int]
        "Returns ENOSYS, as io_uring_setup does.";
   427  io_uring_register        Denied   Never None            [fd: Fd, opcode: Int, arg: Addr, nr_args: Int]
        "Returns ENOSYS, as io_uring_setup does.";
   428  open_tree                Emulated Never None            [dirfd: DirFd, path: Path, flags: Flags];
   429  move_mount               Emulated Never None            [from_dirfd: DirFd, from_path: Path, to_dirfd: DirFd, to_path: Path, flags: Flags];
   430  fsopen                   Emulated Never None            [fsname: In(Str), flags: Flags];
   431  fsconfig                 Emulated May   ByRequest       [fd: Fd, cmd: Int, key: In(Str), value: ByHook, aux: Int];
   432  fsmount                  Emulated Never None            [fd: Fd, flags: Flags, attr_flags: Flags];
   433  fspick                   Emulated Never None            [dirfd: DirFd, path: Path, flags: Flags];
   434  pidfd_open               Emulated Never None            [pid: Pid, flags: Flags];
   435  clone3                   Executed Never Clone3          [args: ByHook, size: Int];
   436  close_range              Emulated Never CloseRange      [first: Fd, last: Fd, flags: Flags];
   437  openat2                  Emulated May   Openat2         [dirfd: DirFd, path: Path, how: In(Arg(3)), size: Int];
   438  pidfd_getfd              Emulated Never None            [pidfd: Fd, targetfd: Fd, flags: Flags];
   439  faccessat2               Emulated Never PathExe         [dirfd: DirFd, path: Path, mode: Mode, flags: Flags];
   440  process_madvise          Executed Never ProcessVm       [pidfd: Fd, iov: In(ArgTimes(2, 16)), iovcnt: Int, advice: Int, flags: Flags];
   441  epoll_pwait2             Emulated May   SigmaskArg      [epfd: Fd, events: Out(RetTimesWithin(2, 12)), maxevents: Int, timeout: In(TIMESPEC), sigmask: In(Arg(5)), sigsetsize: Int];
   442  mount_setattr            Emulated Never None            [dirfd: DirFd, path: Path, flags: Flags, attr: In(Arg(4)), size: Int];
   443  quotactl_fd              Emulated Never ByRequest       [fd: Fd, cmd: Flags, id: Int, addr: ByHook];
   444  landlock_create_ruleset  Emulated Never None            [attr: In(Arg(1)), size: Int, flags: Flags];
   445  landlock_add_rule        Emulated Never ByRequest       [ruleset_fd: Fd, rule_type: Int, rule_attr: ByHook, flags: Flags];
   446  landlock_restrict_self   Emulated Never None            [ruleset_fd: Fd, flags: Flags];
   447  memfd_secret             Denied   Never None            [flags: Flags]
        "Returns ENOSYS: memory that nobody else may read cannot be recorded.";
   448  process_mrelease         Emulated Never None            [pidfd: Fd, flags: Flags];
   449  futex_waitv              Emulated May   FutexWaitv      [waiters: In(ArgTimes(1, 24)), nr_futexes: Int, flags: Flags, timeout: In(TIMESPEC), clockid: Int];
   450  set_mempolicy_home_node  Emulated Never None            [start: Addr, len: Int, home_node: Int, flags: Flags];
   451  cachestat                Emulated Never None            [fd: Fd, range: In(Fixed(16)), cstat: Out(Fixed(40)), flags: Flags];
   452  fchmodat2                Emulated Never None            [dirfd: DirFd, path: Path, mode: Mode, flags: Flags];
   453  map_shadow_stack         Denied   Never None            [addr: Addr, size: Int, flags: Flags]
        "Returns ENOSYS: the machine that replays may lack shadow stacks.";
   454  futex_wake               Emulated Never Futex           [uaddr: Addr, mask: Flags, nr: Int, flags: Flags];
   455  futex_wait               Emulated May   Futex           [uaddr: Addr, val: Int, mask: Flags, flags: Flags, timeout: In(TIMESPEC), clockid: Int];
   456  futex_requeue            Emulated Never Futex           [waiters: In(Fixed(48)), flags: Flags, nr_wake: Int, nr_requeue: Int];
   457  statmount                Emulated Never None            [req: In(MNT_ID_REQ), buf: Out(Arg(2)), bufsize: Int, flags: Flags];
   458  listmount                Emulated Never None            [req: In(MNT_ID_REQ), mnt_ids: Out(RetTimes(8)), nr_mnt_ids: Int, flags: Flags];
   459  lsm_get_self_attr        Emulated Never None            [attr: Int, ctx: Out(Cell(2)), size: InOutAlways(U32), flags: Flags];
   460  lsm_set_self_attr        Emulated Never None            [attr: Int, ctx: In(Arg(2)), size: Int, flags: Flags];
   461  lsm_list_modules         Emulated Never None            [ids: Out(Cell(1)), size: InOutAlways(U32), flags: Flags];
   462  mseal                    Denied   Never None            [addr: Addr, len: Int, flags: Flags]
        "Returns ENOSYS: a sealed mapping could not be rewritten or restored.";
   463  setxattrat               Emulated Never ByRequest       [dirfd: DirFd, path: Path, at_flags: Flags, name: In(Str), args: ByHook, size: Int];
   464  getxattrat               Emulated Never ByRequest       [dirfd: DirFd, path: Path, at_flags: Flags, name: In(Str), args: ByHook, size: Int];
   465  listxattrat              Emulated Never None            [dirfd: DirFd, path: Path, at_flags: Flags, list: Out(RetWithin(4)), size: Int];
   466  removexattrat            Emulated Never None            [dirfd: DirFd, path: Path, at_flags: Flags, name: In(Str)];
   467  open_tree_attr           Emulated Never None            [dirfd: DirFd, path: Path, flags: Flags, attr: In(Arg(4)), size: Int];
   468  file_getattr             Emulated Never None            [dirfd: DirFd, path: Path, attr: Out(Arg(3)), usize: Int, at_flags: Flags];
   469  file_setattr             Emulated Never None            [dirfd: DirFd, path: Path, attr: In(Arg(3)), usize: Int, at_flags: Flags];
   470  listns                   Emulated Never None            [req: In(NS_ID_REQ), ns_ids: Out(RetTimes(8)), nr_ns_ids: Int, flags: Flags];
   471  rseq_slice_yield         Denied   Never None            []
        "Returns ENOSYS, as rseq does.";
}
