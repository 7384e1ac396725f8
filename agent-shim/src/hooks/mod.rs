//! Calls that a row of the table cannot describe alone, one file per topic, with what recording
//! does and what replay does side by side.

use reenact_abi::event::Header;
use reenact_abi::syscalls::Hook;

use crate::dispatch::{Cx, Flow};
use crate::replay;

pub mod clocks;
pub mod contents;
pub mod descriptors;
pub mod exec;
pub mod files;
pub mod locks;
pub mod memory;
pub mod objects;
pub mod output;
pub mod signal_calls;
pub mod sockets;
pub mod tasks;

/// Carries a call out while recording.
pub fn record(cx: &mut Cx) -> Flow {
    match cx.row.hook {
        Hook::None => cx.enter(),
        Hook::Mmap
        | Hook::Munmap
        | Hook::Mremap
        | Hook::Mprotect
        | Hook::Madvise
        | Hook::Brk
        | Hook::Mincore
        | Hook::MemoryPlain
        | Hook::Shmat
        | Hook::Shmdt => memory::record(cx),
        Hook::Clone | Hook::Clone3 | Hook::Fork | Hook::Vfork => tasks::record_clone(cx),
        Hook::Execve | Hook::Execveat => exec::record(cx),
        Hook::Exit
        | Hook::ExitGroup
        | Hook::SetTidAddress
        | Hook::RobustList
        | Hook::ArchPrctl
        | Hook::Prctl
        | Hook::FutexWaitv
        | Hook::Seccomp => tasks::record(cx),
        Hook::Futex => locks::record(cx),
        Hook::RtSigaction
        | Hook::RtSigprocmask
        | Hook::RtSigreturn
        | Hook::Sigaltstack
        | Hook::SigmaskArg => signal_calls::record(cx),
        Hook::Open
        | Hook::Openat
        | Hook::Openat2
        | Hook::Close
        | Hook::CloseRange
        | Hook::Dup
        | Hook::Dup2
        | Hook::Dup3
        | Hook::Fcntl
        | Hook::Ioctl
        | Hook::Getdents
        | Hook::Getdents64
        | Hook::Readlink
        | Hook::Readlinkat
        | Hook::PathExe => files::record(cx),
        Hook::Write | Hook::Transfer => output::record(cx),
        Hook::Truncate => objects::record(cx),
        Hook::Clock => clocks::record(cx),
        Hook::Socketpair | Hook::Pipe | Hook::Accept | Hook::Connect | Hook::Bind => {
            sockets::record(cx)
        }
        Hook::Wait4
        | Hook::Waitid
        | Hook::Mount
        | Hook::Sockopt
        | Hook::Bpf
        | Hook::Ptrace
        | Hook::ProcessVm
        | Hook::Rlimit
        | Hook::Select
        | Hook::ByRequest => cx.enter(),
    }
}

/// What a call did although its task was killed inside it. False in a child that came of it.
pub fn unfinished(cx: &mut Cx, header: &Header) -> bool {
    match cx.row.hook {
        Hook::Clone | Hook::Clone3 | Hook::Fork | Hook::Vfork => {
            tasks::replay_unfinished(cx, header)
        }
        _ => true,
    }
}

/// Does the call return only after a child has run? Then its place in the order is behind the
/// child's events, and the hook takes the turn when the child is done.
pub fn waits_for_child(cx: &Cx) -> bool {
    matches!(cx.row.hook, Hook::Clone | Hook::Clone3 | Hook::Vfork) && tasks::is_vfork(cx)
}

/// Carries a call out while replaying `header`, which has been compared with it.
pub fn replay(cx: &mut Cx, header: &Header) -> Flow {
    match cx.row.hook {
        Hook::Mmap
        | Hook::Munmap
        | Hook::Mremap
        | Hook::Mprotect
        | Hook::Madvise
        | Hook::Brk
        | Hook::Mincore
        | Hook::MemoryPlain
        | Hook::Shmat
        | Hook::Shmdt => memory::replay(cx, header),
        Hook::Clone | Hook::Clone3 | Hook::Fork | Hook::Vfork => tasks::replay_clone(cx, header),
        Hook::Execve | Hook::Execveat => exec::replay(cx, header),
        Hook::Exit
        | Hook::ExitGroup
        | Hook::SetTidAddress
        | Hook::RobustList
        | Hook::ArchPrctl
        | Hook::Prctl
        | Hook::Futex
        | Hook::FutexWaitv
        | Hook::Seccomp => tasks::replay(cx, header),
        Hook::RtSigaction | Hook::RtSigprocmask | Hook::RtSigreturn | Hook::Sigaltstack => {
            signal_calls::replay(cx, header)
        }
        Hook::Write | Hook::Transfer => output::replay(cx, header),
        Hook::Truncate => objects::replay(cx, header),
        Hook::SigmaskArg
        | Hook::None
        | Hook::Open
        | Hook::Openat
        | Hook::Openat2
        | Hook::Close
        | Hook::CloseRange
        | Hook::Dup
        | Hook::Dup2
        | Hook::Dup3
        | Hook::Fcntl
        | Hook::Ioctl
        | Hook::Getdents
        | Hook::Getdents64
        | Hook::Readlink
        | Hook::Readlinkat
        | Hook::PathExe
        | Hook::Wait4
        | Hook::Waitid
        | Hook::Mount
        | Hook::Socketpair
        | Hook::Pipe
        | Hook::Accept
        | Hook::Connect
        | Hook::Bind
        | Hook::Sockopt
        | Hook::Bpf
        | Hook::Ptrace
        | Hook::ProcessVm
        | Hook::Rlimit
        | Hook::Select
        | Hook::Clock
        | Hook::ByRequest => emulated(cx, header),
    }
}

/// Result and outputs from the log; the world is not touched.
pub fn emulated(cx: &mut Cx, header: &Header) -> Flow {
    replay::outputs(cx.task, header);
    Flow::Completed(header.ret)
}
