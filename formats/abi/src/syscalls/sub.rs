//! Rows per command, for the calls whose last arguments depend on an earlier one.
//!
//! [`resolve`] is how to ask: it fills the [`Arg::ByHook`] places of a row with what the command
//! puts there. A `ByHook` that stays in its answer means that the command is not known, or that
//! what lies behind holds pointers or needs to be asked for, and is left to the hook.

use super::Arg::{
    Addr, ByHook, Fd, Flags, In, InOut, InOutAlways, Int, IovecIn, Out, Path, Pid, Signal,
};
use super::Len::*;
use super::{ioctl, Arg, Blocks, Len, Row};

/// One command of a call.
#[derive(Clone, Copy, Debug)]
pub struct Sub {
    pub command: u32,
    pub name: &'static str,
    pub blocks: Blocks,
    /// What stands in the row's `ByHook` places, in order; where it is shorter, the call ignores them.
    pub args: &'static [Arg],
}

/// A row with its command applied.
#[derive(Clone, Copy, Debug)]
pub struct Resolved {
    /// The command's name; empty when the row has none or it is not known.
    pub command: &'static str,
    pub blocks: Blocks,
    pub args: [Arg; 6],
}

/// What the call with these argument registers does to memory, and whether it may block.
///
/// ioctl is included where one flat argument says it; see [`ioctl::request`] for the rest.
pub fn resolve(row: &Row, registers: &[u64; 6]) -> Resolved {
    let plain = Resolved {
        command: "",
        blocks: row.blocks,
        args: row.args,
    };
    if row.nr == IOCTL {
        let request = ioctl::request(registers[1] as u32);
        return match request.behind {
            ioctl::Behind::Arg(arg) => Resolved {
                command: request.name,
                blocks: request.blocks,
                args: fill(&row.args, &[arg]),
            },
            _ => Resolved {
                command: request.name,
                blocks: request.blocks,
                ..plain
            },
        };
    }
    match sub(row.nr, registers) {
        Some(sub) => Resolved {
            command: sub.name,
            blocks: sub.blocks,
            args: fill(&row.args, sub.args),
        },
        None => plain,
    }
}

/// The command of a call, if the call has a table and the command stands in it.
pub fn sub(nr: u16, registers: &[u64; 6]) -> Option<&'static Sub> {
    let selector = |at: usize| registers[at] as u32;
    let (table, command) = match nr {
        SHMCTL => (SHMCTL_CMDS, selector(1)),
        SEMCTL => (SEMCTL_CMDS, selector(2)),
        MSGCTL => (MSGCTL_CMDS, selector(1)),
        FCNTL => (FCNTL_CMDS, selector(1)),
        PTRACE => (PTRACE_REQUESTS, selector(0)),
        SYSLOG => (SYSLOG_TYPES, selector(0)),
        SYSFS => (SYSFS_OPTIONS, selector(0)),
        PRCTL if selector(0) == PR_SET_MM => (PRCTL_MM_OPTIONS, selector(1)),
        PRCTL => (PRCTL_OPTIONS, selector(0)),
        ARCH_PRCTL => (ARCH_PRCTL_CODES, selector(0)),
        QUOTACTL => (QUOTACTL_CMDS, selector(0) >> 8),
        QUOTACTL_FD => (QUOTACTL_CMDS, selector(1) >> 8),
        FUTEX => (FUTEX_OPS, selector(1) & FUTEX_CMD_MASK),
        KEYCTL => (KEYCTL_OPS, selector(0)),
        SECCOMP => (SECCOMP_OPS, selector(0)),
        FSCONFIG => (FSCONFIG_CMDS, selector(1)),
        LANDLOCK_ADD_RULE => (LANDLOCK_RULES, selector(1)),
        _ => return None,
    };
    let at = table
        .binary_search_by_key(&command, |sub| sub.command)
        .ok()?;
    Some(&table[at])
}

/// Puts `given` into the `ByHook` places of `args`, one after the other.
fn fill(args: &[Arg; 6], given: &[Arg]) -> [Arg; 6] {
    let mut args = *args;
    let mut given = given.iter();
    for arg in args.iter_mut().filter(|arg| **arg == Arg::ByHook) {
        *arg = given.next().copied().unwrap_or(Arg::Addr);
    }
    args
}

const IOCTL: u16 = 16;
const SHMCTL: u16 = 31;
const SEMCTL: u16 = 66;
const MSGCTL: u16 = 71;
const FCNTL: u16 = 72;
const PTRACE: u16 = 101;
const SYSLOG: u16 = 103;
const SYSFS: u16 = 139;
const PRCTL: u16 = 157;
const ARCH_PRCTL: u16 = 158;
const QUOTACTL: u16 = 179;
const FUTEX: u16 = 202;
const KEYCTL: u16 = 250;
const SECCOMP: u16 = 317;
const FSCONFIG: u16 = 431;
const QUOTACTL_FD: u16 = 443;
const LANDLOCK_ADD_RULE: u16 = 445;

const PR_SET_MM: u32 = 35;
/// Without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME.
const FUTEX_CMD_MASK: u32 = !(128 | 256);

const U32: Len = Fixed(4);
const U64: Len = Fixed(8);
const TIMESPEC: Len = Fixed(16);
const FLOCK: Len = Fixed(32);

macro_rules! subs {
    ($(#[$doc:meta])* $table:ident: $( $command:literal $name:ident $blocks:ident
        [$($arg:expr),*]; )*) => {
        $(#[$doc])*
        pub static $table: &[Sub] = &[$( Sub {
            command: $command,
            name: stringify!($name),
            blocks: Blocks::$blocks,
            args: &[$($arg),*],
        } ),*];
    };
}

subs! {
/// fcntl: what its third argument is (fcntl(2), uapi/linux/fcntl.h).
FCNTL_CMDS:
       0  F_DUPFD                 Never  [Int];
       1  F_GETFD                 Never  [];
       2  F_SETFD                 Never  [Flags];
       3  F_GETFL                 Never  [];
       4  F_SETFL                 Never  [Flags];
       5  F_GETLK                 Never  [InOut(FLOCK)];
       6  F_SETLK                 Never  [In(FLOCK)];
       7  F_SETLKW                May    [In(FLOCK)];
       8  F_SETOWN                Never  [Pid];
       9  F_GETOWN                Never  [];
      10  F_SETSIG                Never  [Signal];
      11  F_GETSIG                Never  [];
      15  F_SETOWN_EX             Never  [In(U64)];
      16  F_GETOWN_EX             Never  [Out(U64)];
      17  F_GETOWNER_UIDS         Never  [Out(U64)];
      36  F_OFD_GETLK             Never  [InOut(FLOCK)];
      37  F_OFD_SETLK             Never  [In(FLOCK)];
      38  F_OFD_SETLKW            May    [In(FLOCK)];
    1024  F_SETLEASE              Never  [Int];
    1025  F_GETLEASE              Never  [];
    1026  F_NOTIFY                Never  [Flags];
    1027  F_DUPFD_QUERY           Never  [Fd];
    1028  F_CREATED_QUERY         Never  [];
    1029  F_CANCELLK              Never  [In(FLOCK)];
    1030  F_DUPFD_CLOEXEC         Never  [Int];
    1031  F_SETPIPE_SZ            Never  [Int];
    1032  F_GETPIPE_SZ            Never  [];
    1033  F_ADD_SEALS             Never  [Flags];
    1034  F_GET_SEALS             Never  [];
    1035  F_GET_RW_HINT           Never  [Out(U64)];
    1036  F_SET_RW_HINT           Never  [In(U64)];
    1037  F_GET_FILE_RW_HINT      Never  [Out(U64)];
    1038  F_SET_FILE_RW_HINT      Never  [In(U64)];
}

subs! {
/// futex: uaddr, the fourth argument (a timeout or a count) and uaddr2 (futex(2)).
///
/// Words that the kernel merely looks at are `Addr`: other processes may change them, and the
/// result says what it saw. Words that it writes are `InOutAlways`, for it may write and then fail.
FUTEX_OPS:
       0  FUTEX_WAIT              May    [Addr, In(TIMESPEC), Addr];
       1  FUTEX_WAKE              Never  [Addr, Int, Addr];
       2  FUTEX_FD                Never  [Addr, Int, Addr];
       3  FUTEX_REQUEUE           Never  [Addr, Int, Addr];
       4  FUTEX_CMP_REQUEUE       Never  [Addr, Int, Addr];
       5  FUTEX_WAKE_OP           Never  [Addr, Int, InOutAlways(U32)];
       6  FUTEX_LOCK_PI           May    [InOutAlways(U32), In(TIMESPEC), Addr];
       7  FUTEX_UNLOCK_PI         Never  [InOutAlways(U32), Int, Addr];
       8  FUTEX_TRYLOCK_PI        Never  [InOutAlways(U32), Int, Addr];
       9  FUTEX_WAIT_BITSET       May    [Addr, In(TIMESPEC), Addr];
      10  FUTEX_WAKE_BITSET       Never  [Addr, Int, Addr];
      11  FUTEX_WAIT_REQUEUE_PI   May    [Addr, In(TIMESPEC), InOutAlways(U32)];
      12  FUTEX_CMP_REQUEUE_PI    Never  [Addr, Int, InOutAlways(U32)];
      13  FUTEX_LOCK_PI2          May    [InOutAlways(U32), In(TIMESPEC), Addr];
}

subs! {
/// prctl: its second to fifth argument (prctl(2), uapi/linux/prctl.h). The kernel knows no REENACT
/// option: these are marks (see [`crate::mark`]), name or text first, and what is summed.
PRCTL_OPTIONS:
       1  PR_SET_PDEATHSIG            Never  [Signal];
       2  PR_GET_PDEATHSIG            Never  [Out(U32)];
       3  PR_GET_DUMPABLE             Never  [];
       4  PR_SET_DUMPABLE             Never  [Int];
       5  PR_GET_UNALIGN              Never  [Out(U32)];
       6  PR_SET_UNALIGN              Never  [Int];
       7  PR_GET_KEEPCAPS             Never  [];
       8  PR_SET_KEEPCAPS             Never  [Int];
       9  PR_GET_FPEMU                Never  [Out(U32)];
      10  PR_SET_FPEMU                Never  [Int];
      11  PR_GET_FPEXC                Never  [Out(U32)];
      12  PR_SET_FPEXC                Never  [Int];
      13  PR_GET_TIMING               Never  [];
      14  PR_SET_TIMING               Never  [Int];
      15  PR_SET_NAME                 Never  [In(Str)];
      16  PR_GET_NAME                 Never  [Out(Fixed(16))];
      19  PR_GET_ENDIAN               Never  [Out(U32)];
      20  PR_SET_ENDIAN               Never  [Int];
      21  PR_GET_SECCOMP              Never  [];
      22  PR_SET_SECCOMP              Never  [Int, ByHook];
      23  PR_CAPBSET_READ             Never  [Int];
      24  PR_CAPBSET_DROP             Never  [Int];
      25  PR_GET_TSC                  Never  [Out(U32)];
      26  PR_SET_TSC                  Never  [Int];
      27  PR_GET_SECUREBITS           Never  [];
      28  PR_SET_SECUREBITS           Never  [Flags];
      29  PR_SET_TIMERSLACK           Never  [Int];
      30  PR_GET_TIMERSLACK           Never  [];
      31  PR_TASK_PERF_EVENTS_DISABLE Never  [];
      32  PR_TASK_PERF_EVENTS_ENABLE  Never  [];
      33  PR_MCE_KILL                 Never  [Int, Int];
      34  PR_MCE_KILL_GET             Never  [];
      36  PR_SET_CHILD_SUBREAPER      Never  [Int];
      37  PR_GET_CHILD_SUBREAPER      Never  [Out(U32)];
      38  PR_SET_NO_NEW_PRIVS         Never  [Int];
      39  PR_GET_NO_NEW_PRIVS         Never  [];
      40  PR_GET_TID_ADDRESS          Never  [Out(U64)];
      41  PR_SET_THP_DISABLE          Never  [Int, Flags];
      42  PR_GET_THP_DISABLE          Never  [];
      43  PR_MPX_ENABLE_MANAGEMENT    Never  [];
      44  PR_MPX_DISABLE_MANAGEMENT   Never  [];
      47  PR_CAP_AMBIENT              Never  [Int, Int];
      52  PR_GET_SPECULATION_CTRL     Never  [Int];
      53  PR_SET_SPECULATION_CTRL     Never  [Int, Int];
      55  PR_SET_TAGGED_ADDR_CTRL     Never  [Flags];
      56  PR_GET_TAGGED_ADDR_CTRL     Never  [];
      57  PR_SET_IO_FLUSHER           Never  [Int];
      58  PR_GET_IO_FLUSHER           Never  [];
      59  PR_SET_SYSCALL_USER_DISPATCH Never [Int, Addr, Int, Addr];
      62  PR_SCHED_CORE               Never  [Int, Pid, Int, Out(U64)];
      65  PR_SET_MDWE                 Never  [Flags];
      66  PR_GET_MDWE                 Never  [];
      67  PR_SET_MEMORY_MERGE         Never  [Int];
      68  PR_GET_MEMORY_MERGE         Never  [];
      74  PR_GET_SHADOW_STACK_STATUS  Never  [Out(U64)];
      75  PR_SET_SHADOW_STACK_STATUS  Never  [Flags];
      76  PR_LOCK_SHADOW_STACK_STATUS Never  [Flags];
      77  PR_TIMER_CREATE_RESTORE_IDS Never  [Int];
      78  PR_FUTEX_HASH               Never  [Int, Int, Flags];
0x41555856  PR_GET_AUXV               Never  [Out(RetWithin(2)), Int];
0x524e4d01  REENACT_CHECKSUM          Never  [In(Arg(2)), Int, In(Arg(4)), Int];
0x524e4d02  REENACT_NOTE              Never  [In(Arg(2)), Int];
0x524e4d03  REENACT_PHASE             Never  [In(Arg(2)), Int];
0x53564d41  PR_SET_VMA                Never  [Int, Addr, Int, In(Str)];
0x59616d61  PR_SET_PTRACER            Never  [Pid];
}

subs! {
/// prctl(PR_SET_MM, …): its second to fourth argument.
PRCTL_MM_OPTIONS:
       1  PR_SET_MM_START_CODE    Never  [Int, Addr];
       2  PR_SET_MM_END_CODE      Never  [Int, Addr];
       3  PR_SET_MM_START_DATA    Never  [Int, Addr];
       4  PR_SET_MM_END_DATA      Never  [Int, Addr];
       5  PR_SET_MM_START_STACK   Never  [Int, Addr];
       6  PR_SET_MM_START_BRK     Never  [Int, Addr];
       7  PR_SET_MM_BRK           Never  [Int, Addr];
       8  PR_SET_MM_ARG_START     Never  [Int, Addr];
       9  PR_SET_MM_ARG_END       Never  [Int, Addr];
      10  PR_SET_MM_ENV_START     Never  [Int, Addr];
      11  PR_SET_MM_ENV_END       Never  [Int, Addr];
      12  PR_SET_MM_AUXV          Never  [Int, In(Arg(3)), Int];
      13  PR_SET_MM_EXE_FILE      Never  [Int, Fd];
      14  PR_SET_MM_MAP           Never  [Int, In(Arg(3)), Int];
      15  PR_SET_MM_MAP_SIZE      Never  [Int, Out(U32)];
}

subs! {
/// arch_prctl: its second argument (arch_prctl(2), asm/prctl.h).
ARCH_PRCTL_CODES:
  0x1001  ARCH_SET_GS             Never  [Addr];
  0x1002  ARCH_SET_FS             Never  [Addr];
  0x1003  ARCH_GET_FS             Never  [Out(U64)];
  0x1004  ARCH_GET_GS             Never  [Out(U64)];
  0x1011  ARCH_GET_CPUID          Never  [];
  0x1012  ARCH_SET_CPUID          Never  [Int];
  0x1021  ARCH_GET_XCOMP_SUPP     Never  [Out(U64)];
  0x1022  ARCH_GET_XCOMP_PERM     Never  [Out(U64)];
  0x1023  ARCH_REQ_XCOMP_PERM     Never  [Int];
  0x1024  ARCH_GET_XCOMP_GUEST_PERM Never [Out(U64)];
  0x1025  ARCH_REQ_XCOMP_GUEST_PERM Never [Int];
  0x2001  ARCH_MAP_VDSO_X32       Never  [Addr];
  0x2002  ARCH_MAP_VDSO_32        Never  [Addr];
  0x2003  ARCH_MAP_VDSO_64        Never  [Addr];
  0x4001  ARCH_GET_UNTAG_MASK     Never  [Out(U64)];
  0x4002  ARCH_ENABLE_TAGGED_ADDR Never  [Int];
  0x4003  ARCH_GET_MAX_TAG_BITS   Never  [Out(U64)];
  0x4004  ARCH_FORCE_TAGGED_SVA   Never  [];
  0x5001  ARCH_SHSTK_ENABLE       Never  [Flags];
  0x5002  ARCH_SHSTK_DISABLE      Never  [Flags];
  0x5003  ARCH_SHSTK_LOCK         Never  [Flags];
  0x5004  ARCH_SHSTK_UNLOCK       Never  [Flags];
  0x5005  ARCH_SHSTK_STATUS       Never  [Out(U64)];
}

subs! {
/// shmctl: its third argument (shmctl(2)).
SHMCTL_CMDS:
       0  IPC_RMID                Never  [];
       1  IPC_SET                 Never  [In(Fixed(112))];
       2  IPC_STAT                Never  [Out(Fixed(112))];
       3  IPC_INFO                Never  [Out(Fixed(72))];
      11  SHM_LOCK                Never  [];
      12  SHM_UNLOCK              Never  [];
      13  SHM_STAT                Never  [Out(Fixed(112))];
      14  SHM_INFO                Never  [Out(Fixed(48))];
      15  SHM_STAT_ANY            Never  [Out(Fixed(112))];
}

subs! {
/// semctl: its fourth argument (semctl(2)). GETALL and SETALL move two bytes for each semaphore of
/// the set, whose number only IPC_STAT tells.
SEMCTL_CMDS:
       0  IPC_RMID                Never  [];
       1  IPC_SET                 Never  [In(Fixed(104))];
       2  IPC_STAT                Never  [Out(Fixed(104))];
       3  IPC_INFO                Never  [Out(Fixed(40))];
      11  GETPID                  Never  [];
      12  GETVAL                  Never  [];
      13  GETALL                  Never  [ByHook];
      14  GETNCNT                 Never  [];
      15  GETZCNT                 Never  [];
      16  SETVAL                  Never  [Int];
      17  SETALL                  Never  [ByHook];
      18  SEM_STAT                Never  [Out(Fixed(104))];
      19  SEM_INFO                Never  [Out(Fixed(40))];
      20  SEM_STAT_ANY            Never  [Out(Fixed(104))];
}

subs! {
/// msgctl: its third argument (msgctl(2)).
MSGCTL_CMDS:
       0  IPC_RMID                Never  [];
       1  IPC_SET                 Never  [In(Fixed(120))];
       2  IPC_STAT                Never  [Out(Fixed(120))];
       3  IPC_INFO                Never  [Out(Fixed(32))];
      11  MSG_STAT                Never  [Out(Fixed(120))];
      12  MSG_INFO                Never  [Out(Fixed(32))];
      13  MSG_STAT_ANY            Never  [Out(Fixed(120))];
}

subs! {
/// syslog: its buffer (syslog(2)).
SYSLOG_TYPES:
       0  SYSLOG_ACTION_CLOSE         Never  [];
       1  SYSLOG_ACTION_OPEN          Never  [];
       2  SYSLOG_ACTION_READ          May    [Out(RetWithin(2))];
       3  SYSLOG_ACTION_READ_ALL      Never  [Out(RetWithin(2))];
       4  SYSLOG_ACTION_READ_CLEAR    Never  [Out(RetWithin(2))];
       5  SYSLOG_ACTION_CLEAR         Never  [];
       6  SYSLOG_ACTION_CONSOLE_OFF   Never  [];
       7  SYSLOG_ACTION_CONSOLE_ON    Never  [];
       8  SYSLOG_ACTION_CONSOLE_LEVEL Never  [];
       9  SYSLOG_ACTION_SIZE_UNREAD   Never  [];
      10  SYSLOG_ACTION_SIZE_BUFFER   Never  [];
}

subs! {
/// sysfs: its second and third argument (sysfs(2)); the options have no names.
SYSFS_OPTIONS:
       1  index_of_name           Never  [In(Str)];
       2  name_of_index           Never  [Int, Out(Str)];
       3  number_of_types         Never  [];
}

subs! {
/// quotactl and quotactl_fd: their last argument, by the command without its quota type
/// (quotactl(2), uapi/linux/quota.h, uapi/linux/dqblk_xfs.h).
QUOTACTL_CMDS:
  0x5801  Q_XQUOTAON              Never  [In(U32)];
  0x5802  Q_XQUOTAOFF             Never  [In(U32)];
  0x5803  Q_XGETQUOTA             Never  [Out(Fixed(112))];
  0x5804  Q_XSETQLIM              Never  [In(Fixed(112))];
  0x5805  Q_XGETQSTAT             Never  [Out(Fixed(80))];
  0x5806  Q_XQUOTARM              Never  [In(U32)];
  0x5807  Q_XQUOTASYNC            Never  [];
  0x5808  Q_XGETQSTATV            Never  [InOut(Fixed(160))];
  0x5809  Q_XGETNEXTQUOTA         Never  [Out(Fixed(112))];
0x800001  Q_SYNC                  May    [];
0x800002  Q_QUOTAON               Never  [Path];
0x800003  Q_QUOTAOFF              Never  [];
0x800004  Q_GETFMT                Never  [Out(U32)];
0x800005  Q_GETINFO               Never  [Out(Fixed(24))];
0x800006  Q_SETINFO               Never  [In(Fixed(24))];
0x800007  Q_GETQUOTA              Never  [Out(Fixed(72))];
0x800008  Q_SETQUOTA              Never  [In(Fixed(72))];
0x800009  Q_GETNEXTQUOTA          Never  [Out(Fixed(72))];
}

subs! {
/// keyctl: its second to fifth argument (keyctl(2)). The PKEY operations take their buffers' lengths
/// from a struct.
KEYCTL_OPS:
       0  KEYCTL_GET_KEYRING_ID       Never  [Int, Int];
       1  KEYCTL_JOIN_SESSION_KEYRING Never  [In(Str)];
       2  KEYCTL_UPDATE               Never  [Int, In(Arg(3)), Int];
       3  KEYCTL_REVOKE               Never  [Int];
       4  KEYCTL_CHOWN                Never  [Int, Int, Int];
       5  KEYCTL_SETPERM              Never  [Int, Flags];
       6  KEYCTL_DESCRIBE             Never  [Int, Out(RetWithin(3)), Int];
       7  KEYCTL_CLEAR                Never  [Int];
       8  KEYCTL_LINK                 Never  [Int, Int];
       9  KEYCTL_UNLINK               Never  [Int, Int];
      10  KEYCTL_SEARCH               Never  [Int, In(Str), In(Str), Int];
      11  KEYCTL_READ                 Never  [Int, Out(RetWithin(3)), Int];
      12  KEYCTL_INSTANTIATE          Never  [Int, In(Arg(3)), Int, Int];
      13  KEYCTL_NEGATE               Never  [Int, Int, Int];
      14  KEYCTL_SET_REQKEY_KEYRING   Never  [Int];
      15  KEYCTL_SET_TIMEOUT          Never  [Int, Int];
      16  KEYCTL_ASSUME_AUTHORITY     Never  [Int];
      17  KEYCTL_GET_SECURITY         Never  [Int, Out(RetWithin(3)), Int];
      18  KEYCTL_SESSION_TO_PARENT    Never  [];
      19  KEYCTL_REJECT               Never  [Int, Int, Int, Int];
      20  KEYCTL_INSTANTIATE_IOV      Never  [Int, IovecIn(3), Int, Int];
      21  KEYCTL_INVALIDATE           Never  [Int];
      22  KEYCTL_GET_PERSISTENT       Never  [Int, Int];
      23  KEYCTL_DH_COMPUTE           Never  [In(Fixed(12)), Out(RetWithin(3)), Int, ByHook];
      24  KEYCTL_PKEY_QUERY           Never  [Int, Int, In(Str), Out(Fixed(56))];
      25  KEYCTL_PKEY_ENCRYPT         Never  [In(Fixed(40)), In(Str), ByHook, ByHook];
      26  KEYCTL_PKEY_DECRYPT         Never  [In(Fixed(40)), In(Str), ByHook, ByHook];
      27  KEYCTL_PKEY_SIGN            Never  [In(Fixed(40)), In(Str), ByHook, ByHook];
      28  KEYCTL_PKEY_VERIFY          Never  [In(Fixed(40)), In(Str), ByHook, ByHook];
      29  KEYCTL_RESTRICT_KEYRING     Never  [Int, In(Str), In(Str)];
      30  KEYCTL_MOVE                 Never  [Int, Int, Int, Flags];
      31  KEYCTL_CAPABILITIES         Never  [Out(RetWithin(2)), Int];
      32  KEYCTL_WATCH_KEY            Never  [Int, Fd, Int];
}

subs! {
/// seccomp: its last argument (seccomp(2)).
SECCOMP_OPS:
       0  SECCOMP_SET_MODE_STRICT Never  [];
       1  SECCOMP_SET_MODE_FILTER Never  [ByHook];
       2  SECCOMP_GET_ACTION_AVAIL Never [In(U32)];
       3  SECCOMP_GET_NOTIF_SIZES Never  [Out(Fixed(6))];
}

subs! {
/// fsconfig: its value (fsconfig(2)).
FSCONFIG_CMDS:
       0  FSCONFIG_SET_FLAG       Never  [];
       1  FSCONFIG_SET_STRING     Never  [In(Str)];
       2  FSCONFIG_SET_BINARY     Never  [In(Arg(4))];
       3  FSCONFIG_SET_PATH       Never  [Path];
       4  FSCONFIG_SET_PATH_EMPTY Never  [Path];
       5  FSCONFIG_SET_FD         Never  [];
       6  FSCONFIG_CMD_CREATE     May    [];
       7  FSCONFIG_CMD_RECONFIGURE May   [];
       8  FSCONFIG_CMD_CREATE_EXCL May   [];
}

subs! {
/// landlock_add_rule: its rule, by type (landlock_add_rule(2)).
LANDLOCK_RULES:
       1  LANDLOCK_RULE_PATH_BENEATH Never [In(Fixed(12))];
       2  LANDLOCK_RULE_NET_PORT  Never  [In(Fixed(16))];
}

subs! {
/// ptrace: its third and fourth argument, as the system call takes them: libc's PTRACE_PEEK*
/// return the word that the kernel stores through data (ptrace(2)).
PTRACE_REQUESTS:
       0  PTRACE_TRACEME          Never  [];
       1  PTRACE_PEEKTEXT         Never  [Addr, Out(U64)];
       2  PTRACE_PEEKDATA         Never  [Addr, Out(U64)];
       3  PTRACE_PEEKUSR          Never  [Addr, Out(U64)];
       4  PTRACE_POKETEXT         Never  [Addr, Int];
       5  PTRACE_POKEDATA         Never  [Addr, Int];
       6  PTRACE_POKEUSR          Never  [Addr, Int];
       7  PTRACE_CONT             Never  [Addr, Signal];
       8  PTRACE_KILL             Never  [];
       9  PTRACE_SINGLESTEP       Never  [Addr, Signal];
      12  PTRACE_GETREGS          Never  [Addr, Out(Fixed(216))];
      13  PTRACE_SETREGS          Never  [Addr, In(Fixed(216))];
      14  PTRACE_GETFPREGS        Never  [Addr, Out(Fixed(512))];
      15  PTRACE_SETFPREGS        Never  [Addr, In(Fixed(512))];
      16  PTRACE_ATTACH           Never  [];
      17  PTRACE_DETACH           Never  [Addr, Signal];
      24  PTRACE_SYSCALL          Never  [Addr, Signal];
      30  PTRACE_ARCH_PRCTL       Never  [ByHook, Int];
      31  PTRACE_SYSEMU           Never  [Addr, Signal];
      32  PTRACE_SYSEMU_SINGLESTEP Never [Addr, Signal];
      33  PTRACE_SINGLEBLOCK      Never  [Addr, Signal];
  0x4200  PTRACE_SETOPTIONS       Never  [Addr, Flags];
  0x4201  PTRACE_GETEVENTMSG      Never  [Addr, Out(U64)];
  0x4202  PTRACE_GETSIGINFO       Never  [Addr, Out(Fixed(128))];
  0x4203  PTRACE_SETSIGINFO       Never  [Addr, In(Fixed(128))];
  0x4204  PTRACE_GETREGSET        Never  [Int, ByHook];
  0x4205  PTRACE_SETREGSET        Never  [Int, ByHook];
  0x4206  PTRACE_SEIZE            Never  [Addr, Flags];
  0x4207  PTRACE_INTERRUPT        Never  [];
  0x4208  PTRACE_LISTEN           Never  [];
  0x4209  PTRACE_PEEKSIGINFO      Never  [In(Fixed(16)), Out(RetTimes(128))];
  0x420a  PTRACE_GETSIGMASK       Never  [Int, Out(Arg(2))];
  0x420b  PTRACE_SETSIGMASK       Never  [Int, In(Arg(2))];
  0x420c  PTRACE_SECCOMP_GET_FILTER Never [Int, Out(RetTimes(8))];
  0x420d  PTRACE_SECCOMP_GET_METADATA Never [Int, InOut(Arg(2))];
  0x420e  PTRACE_GET_SYSCALL_INFO Never  [Int, Out(RetWithin(2))];
  0x420f  PTRACE_GET_RSEQ_CONFIGURATION Never [Int, Out(RetWithin(2))];
  0x4210  PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG Never [Int, In(Arg(2))];
  0x4211  PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG Never [Int, Out(Arg(2))];
  0x4212  PTRACE_SET_SYSCALL_INFO Never  [Int, In(Arg(2))];
}

/// Every table, with the row that it belongs to.
pub static TABLES: &[(u16, &[Sub])] = &[
    (SHMCTL, SHMCTL_CMDS),
    (SEMCTL, SEMCTL_CMDS),
    (MSGCTL, MSGCTL_CMDS),
    (FCNTL, FCNTL_CMDS),
    (PTRACE, PTRACE_REQUESTS),
    (SYSLOG, SYSLOG_TYPES),
    (SYSFS, SYSFS_OPTIONS),
    (PRCTL, PRCTL_OPTIONS),
    (PRCTL, PRCTL_MM_OPTIONS),
    (ARCH_PRCTL, ARCH_PRCTL_CODES),
    (QUOTACTL, QUOTACTL_CMDS),
    (QUOTACTL_FD, QUOTACTL_CMDS),
    (FUTEX, FUTEX_OPS),
    (KEYCTL, KEYCTL_OPS),
    (SECCOMP, SECCOMP_OPS),
    (FSCONFIG, FSCONFIG_CMDS),
    (LANDLOCK_ADD_RULE, LANDLOCK_RULES),
];
