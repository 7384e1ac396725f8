//! What calls do with descriptors, tasks, and bytes that somebody else may see: the facts from which
//! connections and causes are read out of a trace.
//!
//! A call that is not in [`FLOWS`] does nothing of the kind. Sources: the man pages of the calls.

use super::Row;

/// What a call does. Numbers are positions of arguments, from 0; descriptors are those of the
/// calling process. Unless another is named, argument 0 is the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// Takes as many bytes from the descriptor as it returns; MSG_ flags in argument `.0`.
    Receive(Option<u8>),
    /// recvmsg: the same through the `struct msghdr` of argument 1, with MSG_ flags in argument 2.
    ReceiveMessage,
    /// recvmmsg: returns a number of messages.
    ReceiveMessages,
    /// Gives as many bytes to the descriptor as it returns; MSG_ flags in argument `.0`.
    Send(Option<u8>),
    /// sendmmsg: returns a number of messages.
    SendMessages,
    /// As many bytes as it returns move from descriptor argument `.0` to `.1`.
    Move(u8, u8),
    /// tee: as many bytes as it returns are copied from a pipe to another, and stay in the first.
    Tee,
    /// vmsplice: gives as many bytes as it returns to the write end of a pipe, or takes them from its read end.
    Vmsplice,
    /// Returns a descriptor of the path in argument `.0`, with O_ flags in argument `.1`.
    Open(u8, Option<u8>),
    /// Makes a file of the path in argument `.0`, with its type and mode in argument `.1`.
    MakeNode(u8, u8),
    /// Returns a descriptor of something that no bytes come out of for others, with a close-on-exec
    /// bit (`.1`) in argument `.0`.
    Make(u8, u32),
    /// Returns a descriptor of something else.
    MakePlain,
    /// socket(domain, type, protocol).
    Socket,
    /// socketpair(domain, type, protocol, pair).
    Socketpair,
    /// pipe(pair), with O_ flags in argument `.0`.
    Pipe(Option<u8>),
    /// accept: returns a descriptor, with SOCK_ flags in argument `.0`.
    Accept(Option<u8>),
    Connect,
    Bind,
    Listen,
    /// shutdown(fd, how).
    Shutdown,
    /// getpeername: the peer's address in argument 1.
    PeerName,
    /// getsockopt(fd, level, option, value).
    SocketOption,
    Close,
    /// close_range(first, last, flags).
    CloseRange,
    /// Returns another descriptor of the same thing.
    Dup,
    /// Makes argument 1 another descriptor of the same thing, with O_ flags in argument `.0`.
    DupTo(Option<u8>),
    Fcntl,
    Ioctl,
    /// pidfd_getfd and the like: returns a descriptor of something of another process.
    Fetch,
    /// Makes a task; CLONE_ flags in argument `.0`, where they are in a register.
    Spawn(Option<u8>),
    /// A new program takes the place of the old one.
    Exec,
    /// The task ends with the status in argument 0.
    ExitTask,
    /// The process does.
    ExitProcess,
    /// wait4: returns the pid of a child that ended, its wait status behind argument 1.
    Wait,
    /// waitid: the child stands in the `siginfo_t` behind argument 2.
    WaitId,
    /// Sends the signal in argument `.1` to the process, group or thread in argument `.0`.
    Kill(u8, u8),
    /// unshare: CLONE_ flags in argument 0.
    Unshare,
}

macro_rules! flows {
    ($( $nr:literal $name:ident $flow:expr; )*) => {
        /// In ascending order of numbers.
        pub static FLOWS: &[(u16, Flow)] = &[$( ($nr, $flow) ),*];

        #[cfg(test)]
        pub(super) static FLOW_NAMES: &[&str] = &[$( stringify!($name) ),*];
    };
}

use Flow::*;

/// O_CLOEXEC, SOCK_CLOEXEC, EFD_CLOEXEC and their kin are one number on x86-64.
pub const CLOEXEC: u32 = 0o2_000_000;
/// MFD_CLOEXEC and PERF_FLAG_FD_CLOEXEC.
const MFD_CLOEXEC: u32 = 1;
const PERF_CLOEXEC: u32 = 8;

flows! {
      0  read              Receive(None);
      1  write             Send(None);
      2  open              Open(0, Some(1));
      3  close             Close;
     16  ioctl             Ioctl;
     19  readv             Receive(None);
     20  writev            Send(None);
     22  pipe              Pipe(None);
     32  dup               Dup;
     33  dup2              DupTo(None);
     40  sendfile          Move(1, 0);
     41  socket            Socket;
     42  connect           Connect;
     43  accept            Accept(None);
     44  sendto            Send(Some(3));
     45  recvfrom          Receive(Some(3));
     46  sendmsg           Send(Some(2));
     47  recvmsg           ReceiveMessage;
     48  shutdown          Shutdown;
     49  bind              Bind;
     50  listen            Listen;
     52  getpeername       PeerName;
     53  socketpair        Socketpair;
     55  getsockopt        SocketOption;
     56  clone             Spawn(Some(0));
     57  fork              Spawn(None);
     58  vfork             Spawn(None);
     59  execve            Exec;
     60  exit              ExitTask;
     61  wait4             Wait;
     62  kill              Kill(0, 1);
     72  fcntl             Fcntl;
     85  creat             Open(0, None);
    133  mknod             MakeNode(0, 1);
    200  tkill             Kill(0, 1);
    213  epoll_create      MakePlain;
    231  exit_group        ExitProcess;
    234  tgkill            Kill(1, 2);
    247  waitid            WaitId;
    253  inotify_init      MakePlain;
    257  openat            Open(1, Some(2));
    259  mknodat           MakeNode(1, 2);
    272  unshare           Unshare;
    275  splice            Move(0, 2);
    276  tee               Tee;
    278  vmsplice          Vmsplice;
    282  signalfd          MakePlain;
    283  timerfd_create    Make(1, CLOEXEC);
    284  eventfd           MakePlain;
    288  accept4           Accept(Some(3));
    289  signalfd4         Make(3, CLOEXEC);
    290  eventfd2          Make(1, CLOEXEC);
    291  epoll_create1     Make(0, CLOEXEC);
    292  dup3              DupTo(Some(2));
    293  pipe2             Pipe(Some(1));
    294  inotify_init1     Make(0, CLOEXEC);
    295  preadv            Receive(None);
    296  pwritev           Send(None);
    298  perf_event_open   Make(4, PERF_CLOEXEC);
    299  recvmmsg          ReceiveMessages;
    307  sendmmsg          SendMessages;
    319  memfd_create      Make(1, MFD_CLOEXEC);
    322  execveat          Exec;
    326  copy_file_range   Move(0, 2);
    327  preadv2           Receive(None);
    328  pwritev2          Send(None);
    434  pidfd_open        MakePlain;
    435  clone3            Spawn(None);
    436  close_range       CloseRange;
    437  openat2           Open(1, None);
    438  pidfd_getfd       Fetch;
}

/// What a call does with descriptors, tasks and bytes, if anything.
pub fn flow(row: &Row) -> Option<Flow> {
    flow_of(row.nr)
}

/// The same by number.
pub fn flow_of(nr: u16) -> Option<Flow> {
    let at = FLOWS.binary_search_by_key(&nr, |(nr, _)| *nr).ok()?;
    Some(FLOWS[at].1)
}
