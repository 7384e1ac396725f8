//! One entry for every system call that the net catches: `dispatch::call`.

use reenact_abi::arena::Mode;
use reenact_abi::syscalls::{self, sub, sub::Resolved, Hook, Row};

use crate::arch::frame::UContext;
use crate::intercept::cpuid;
use crate::nr;
use crate::signals;
use crate::task::Task;
use crate::{chaos, record, replay};

/// A system call as the target made it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub nr: u64,
    pub args: [u64; 6],
    /// Address behind the instruction, and the stack pointer there.
    pub rip: u64,
    pub rsp: u64,
}

impl Call {
    /// From what its registers hold, rax first.
    #[inline(always)]
    pub fn new(rax: u64, registers: [u64; 6], rip: u64, rsp: u64) -> Call {
        let nr = rax & 0xffff_ffff;
        Call {
            nr,
            args: syscalls::arguments(nr, registers),
            rip,
            rsp,
        }
    }
}

/// What a call's handling works on.
pub struct Cx<'a> {
    pub task: &'a mut Task,
    pub context: &'a mut UContext,
    pub call: Call,
    pub row: &'static Row,
    /// The context is the kernel's frame; otherwise it comes from a rewritten site, holds only the
    /// registers of the call, and no signal can be delivered to it.
    pub trapped: bool,
    /// The row with its command applied: what this very call does to memory.
    pub shape: Resolved,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It returned so; the event is still to be completed from the row.
    Return(i64),
    /// It returned so; the hook has completed the event.
    Completed(i64),
    /// The context has been replaced (or the call never happened); leave it as it is.
    Replaced,
    /// A signal came before the call began.
    NotEntered,
}

/// The row that stands for numbers that the table does not know: such calls do not exist.
static UNKNOWN: Row = Row {
    nr: u16::MAX,
    name: "unknown",
    class: syscalls::Class::Denied,
    blocks: syscalls::Blocks::Never,
    hook: syscalls::Hook::None,
    args: [syscalls::Arg::None; 6],
    note: "newer than this table: ENOSYS, so that programs take their fallback",
};

/// What is left to do once a call has been handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing: the target goes on.
    Done,
    /// The call is still to be made, by a trap.
    Trap,
    /// The call was made; a trap must deliver what comes before the target goes on.
    Deliver,
}

/// A call that trapped.
pub fn call(task: &mut Task, context: &mut UContext, call: Call) {
    let row = syscalls::row(call.nr).unwrap_or(&UNKNOWN);
    let task_index = task.index;
    task.kernel_mask = context.mask;
    handle(task, context, call, row, true);
    let task = Task::at(task_index);
    context.mask = signals::real_mask(task.mask);
}

/// A call from a rewritten site.
pub fn from_patched(task: &mut Task, context: &mut UContext, call: Call) -> After {
    let row = syscalls::row(call.nr).unwrap_or(&UNKNOWN);
    if needs_context(row.hook) {
        return After::Trap;
    }
    task.kernel_mask = signals::real_mask(task.mask);
    handle(task, context, call, row, false)
}

/// Does handling this call take or replace the whole context of its caller?
pub fn needs_context(hook: Hook) -> bool {
    matches!(
        hook,
        Hook::Clone
            | Hook::Clone3
            | Hook::Fork
            | Hook::Vfork
            | Hook::Execve
            | Hook::Execveat
            | Hook::Exit
            | Hook::ExitGroup
            | Hook::RtSigreturn
    )
}

fn handle(
    task: &mut Task,
    context: &mut UContext,
    call: Call,
    row: &'static Row,
    trapped: bool,
) -> After {
    let mode = task.process().mode;
    task.rsp = call.rsp;
    let of_cores = matches!(call.nr, nr::SCHED_GETAFFINITY | nr::SCHED_SETAFFINITY);
    cpuid::calls(task, of_cores || needs_context(row.hook));
    let shape = sub::resolve(row, &call.args);
    let mut cx = Cx {
        task,
        context,
        call,
        row,
        trapped,
        shape,
    };
    match mode {
        Mode::Record => record::call(&mut cx),
        Mode::Replay => replay::call(&mut cx),
    }
}

/// The trap that a rewritten site asked for after its call was made.
pub fn deliver(task: &mut Task, context: &mut UContext) {
    task.kernel_mask = context.mask;
    match task.process().mode {
        Mode::Record => {
            signals::deliver_pending(task, context, false);
            chaos::delivered(task, context);
        }
        Mode::Replay => {
            replay::after(task, context, true);
        }
    }
    context.mask = signals::real_mask(task.mask);
}
