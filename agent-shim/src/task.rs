//! The state of a task (thread) and of its process, as the shim keeps it.
//!
//! A task's block lies at a multiple of `TASK_STRIDE` and holds its signal stack, so the running
//! task is found from the stack pointer alone; no segment register is needed. A process's block
//! lies in the shim's private heap: fork copies it, threads share it, and a vfork child, which
//! shares its parent's memory, gets a copy of its own.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use reenact_abi::arena::{self, Group, Mode, Net, Session, Slot};
use reenact_abi::event::TEMPLATES;
use reenact_abi::map;

use crate::arch::{self, frame::AltStack, frame::SigInfo};
use crate::chaos::Dice;
use crate::intercept::cpuid::Staying;
use crate::ring::Template;
use crate::signals;
use crate::sys::{self, SigAction};

pub const SIGNALS: usize = 65;

/// The kernel's `struct robust_list_head` with its only entry; the futex word is the slot's owner.
#[repr(C)]
pub struct RobustList {
    pub first: u64,
    pub futex_offset: i64,
    pub pending: u64,
    /// The entry: points back to the head.
    pub entry: u64,
}

#[repr(C)]
pub struct Task {
    /// Non-zero while `info` waits for delivery; the interruptible call tests it.
    pub pending: AtomicU32,
    /// Position of this block.
    pub index: u32,
    /// Slot in the session.
    pub slot: u32,
    /// Recording-wide numbers.
    pub process: u32,
    pub number: u32,
    /// Thread id as the program sees it.
    pub tid: u32,
    /// Recording: a timer of the kernel's that hurries a waiting signal, plus one; 0: none yet.
    pub timer: u32,
    /// Recording: the running call made connection endpoints, which are to become events.
    pub made_endpoint: bool,
    /// Recording: the running call merged two groups, which is to become an event.
    pub merged: bool,
    /// Nothing is recorded any more: calls go straight to the kernel.
    pub detached: bool,
    /// A call from a rewritten site returned this, but a trap must deliver something first.
    pub returns: Option<u64>,
    /// The cycle counter traps in this task.
    pub clocks_trap: bool,
    /// Where it runs for a while.
    pub staying: Staying,
    pub state: *mut Process,
    pub info: SigInfo,
    /// Blocked signals as the program sees them.
    pub mask: u64,
    /// The mask that the kernel had in force when the running call was caught.
    pub kernel_mask: u64,
    pub alt: AltStack,
    /// The signal stack that it had last, or has.
    pub alt_last: AltStack,
    pub clear_child_tid: u64,
    pub robust_list: u64,
    pub robust: RobustList,
    /// Recording: the same for a task that has a list of its own, which follows.
    pub robust_chained: RobustList,
    /// Recording: bytes written to the ring, where the last record begins, and what was published.
    pub head: u64,
    /// How far the recorder had drained it when that was last looked at.
    pub tail: u64,
    pub last_record: u64,
    /// Where the ring stood when the recorder was last asked to drain.
    pub woken: u64,
    /// Recording: the task was stepped at some time.
    pub stepped: bool,
    /// Recording: bytes mapped to stand in for the target's memory during calls.
    pub scratch: u64,
    /// Recording with chaos: what the task draws from.
    pub dice: Dice,
    /// The target's stack pointer when the task was last in its own code.
    pub rsp: u64,
    /// Replay: the task's log, the position in it, and the part of it that is mapped.
    pub log_offset: u64,
    pub log_len: u64,
    pub log_complete: u32,
    pub log_killed_by: u32,
    pub log_runs_on: u32,
    pub log_marks_robust: u32,
    pub at: u64,
    pub window: u64,
    pub window_mapped: bool,
    /// Recording: events that the recorder knows, and that later ones may repeat.
    pub templates: [Template; TEMPLATES],
    /// Recording: how often in a row the task has given its turn up in a loop while nobody did
    /// anything: the events of its group, without such stops, and what the loop saw then.
    pub rounds: u32,
    pub done_before: [u64; 2],
    /// Recording: where the ring is mapped, its bytes, and whether the task waited for room in it: then it gets a large one.
    pub ring: u64,
    pub ring_size: u64,
    pub ring_waited: bool,
    /// Replay: the group and order of the event taken last, while its turn has not been given up.
    pub turn: (u32, u64),
    /// Events recorded or replayed so far.
    pub events: u64,
    /// Context that a new task of this address space starts with.
    pub first_context: u64,
    /// Non-zero while the kernel still runs a thread on this block; zeroed by the kernel.
    pub alive: AtomicU32,
}

#[repr(C)]
pub struct Process {
    pub used: AtomicU32,
    pub mode: Mode,
    pub net: Net,
    pub arena_fd: i32,
    pub shim_fd: i32,
    pub actions: [SigAction; SIGNALS],
    /// The running program, as /proc/self/exe names it.
    pub exe: [u8; 4096],
    pub exe_len: usize,
    /// Memory of ours that execve leaves in the parent of a vfork child: start and bytes.
    pub left_behind: (u64, u64),
    /// Replay: tasks of this process that live, and those of them whose recorded stream has ended.
    pub live: AtomicU32,
    pub parked: AtomicU32,
    /// Replay: whether one of these ends the process itself, as soon as all are there.
    pub exits: AtomicBool,
    /// It maps memory that other processes may write: a forked child joins the group.
    pub shares_memory: bool,
    /// Recording with chaos: it asks epoll for edges, and takes a short transfer for one.
    pub wants_edges: bool,
}

/// Room for the shim's own stack and state at the start of each block.
const STATE: u64 = 8192;
const _: () = assert!(core::mem::size_of::<Task>() <= STATE as usize);

/// The end of each stack where the kernel puts its frames is used for nothing else: XSAVE leaves holes
/// in a frame, which targets see in the frames that we copy for them, and untouched holes are zero.
pub const FRAMES_ROOM: u64 = 32 * 1024;

/// What is known of the room for a task's block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Block {
    Free,
    Taken,
    Lent,
}

/// Signal stacks of tasks whose blocks others have now; the oldest ones are forgotten.
pub struct LeftStacks {
    stacks: [AltStack; Self::MAX],
    count: usize,
}

impl LeftStacks {
    const MAX: usize = 32;
    pub const NONE: LeftStacks = LeftStacks {
        stacks: [AltStack::DISABLED; Self::MAX],
        count: 0,
    };

    fn push(&mut self, stack: AltStack) {
        if stack.size != 0 && !self.iter().any(|left| left.sp == stack.sp) {
            self.stacks[self.count % Self::MAX] = stack;
            self.count += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = AltStack> + '_ {
        self.stacks[..self.count.min(Self::MAX)].iter().copied()
    }
}

/// Process blocks: more than one only while vfork children run.
const PROCESS_STRIDE: u64 = 8192;
const PROCESSES: u64 = 64;
const _: () = assert!(core::mem::size_of::<Process>() <= PROCESS_STRIDE as usize);

/// The state of the address space, shared by all that run in it.
pub static mut MM: crate::hooks::memory::Mm = crate::hooks::memory::Mm::EMPTY;

#[allow(static_mut_refs)]
pub fn mm() -> &'static mut crate::hooks::memory::Mm {
    // SAFETY: only the task that holds the group's turn runs code that uses it.
    unsafe { &mut MM }
}

pub fn session() -> &'static Session {
    // SAFETY: mapped before any task runs, never unmapped.
    unsafe { &*(map::CONTROL as *const Session) }
}

pub fn slot(index: u32) -> &'static Slot {
    let index = index as usize % arena::SLOTS_MAX;
    // SAFETY: as `session`; the index is in bounds.
    unsafe { &*((map::CONTROL + arena::SLOTS) as *const Slot).add(index) }
}

pub fn group(index: u32) -> &'static Group {
    let index = index as usize % arena::GROUPS_MAX;
    // SAFETY: as `session`; the index is in bounds.
    unsafe { &*((map::CONTROL + arena::GROUPS) as *const Group).add(index) }
}

impl Task {
    fn base(index: u32) -> u64 {
        map::TASKS + u64::from(index) * map::TASK_STRIDE
    }

    /// The running task. Must be called on a task's own stack.
    pub fn current() -> &'static mut Task {
        let base = arch::stack_pointer() & !(map::TASK_STRIDE - 1);
        // SAFETY: signal handlers and task starts run on the stack inside the block.
        unsafe { &mut *(base as *mut Task) }
    }

    pub fn at(index: u32) -> &'static mut Task {
        // SAFETY: callers hold an index that `create` returned.
        unsafe { &mut *(Task::base(index) as *mut Task) }
    }

    /// Maps a block; its position is the first one that is free, or whose task has ended. One that is `lent`, to a
    /// child that leaves the address space by itself, is only free again when it is destroyed.
    pub fn create(state: *mut Process, lent: bool) -> sys::Result<&'static mut Task> {
        let blocks = &mut mm().blocks;
        let free = blocks.iter().enumerate().position(|(index, block)| {
            let ended = || Task::at(index as u32).alive.load(Ordering::Acquire) == 0;
            *block == Block::Free || *block == Block::Taken && ended()
        });
        let index = free.ok_or(sys::Errno::EAGAIN)? as u32;
        if blocks[index as usize] == Block::Taken {
            let ended = Task::at(index);
            mm().left_stacks.push(ended.alt_last);
            signals::drop_timer(ended);
            // SAFETY: the kernel says that nobody runs on it any more.
            unsafe { Task::destroy(index) };
        }
        let base = Task::base(index);
        let flags =
            sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_NORESERVE | sys::MAP_FIXED_NOREPLACE;
        let prot = sys::PROT_READ | sys::PROT_WRITE;
        // SAFETY: NOREPLACE never touches an existing mapping.
        let at = unsafe { sys::mmap(base, map::TASK_STACK, prot, flags, -1, 0) }?;
        if at != base {
            // SAFETY: a kernel without NOREPLACE mapped it elsewhere; nobody uses it.
            let _ = unsafe { sys::munmap(at, map::TASK_STACK) };
            return Err(sys::Errno::ENOMEM);
        }
        // SAFETY: fresh zeroed memory of sufficient size.
        let task = unsafe { &mut *(base as *mut Task) };
        task.index = index;
        task.state = state;
        task.alt = AltStack::DISABLED;
        task.alive.store(1, Ordering::Relaxed);
        mm().blocks[index as usize] = if lent { Block::Lent } else { Block::Taken };
        Ok(task)
    }

    /// A forked child has no block but its own.
    pub fn forget_others(own: u32) {
        let blocks = mm().blocks.iter_mut().enumerate();
        for (_, block) in blocks.filter(|(index, _)| *index != own as usize) {
            *block = Block::Free;
        }
    }

    /// The blocks that are mapped.
    fn blocks() -> impl Iterator<Item = &'static Task> {
        let blocks = mm().blocks.iter().enumerate();
        let there = blocks.filter(|(_, block)| **block != Block::Free);
        there.map(|(index, _)| &*Task::at(index as u32))
    }

    /// The stack pointers of all tasks of the address space.
    pub fn stack_pointers(&self) -> impl Iterator<Item = u64> {
        Task::blocks().map(|task| task.rsp)
    }

    /// First byte and end of the signal stacks, of all tasks of the address space, that nobody is on: those
    /// that were given up, too, for what handlers left there stays.
    pub fn unused_signal_stacks(&self) -> impl Iterator<Item = (u64, u64)> {
        let of_tasks = Task::blocks().map(|task| (task.alt_last, task.rsp));
        let left = mm().left_stacks.iter().map(|stack| (stack, 0));
        let unused = of_tasks
            .chain(left)
            .filter(|(stack, rsp)| stack.size != 0 && !stack.holds(*rsp));
        unused.map(|(stack, _)| (stack.sp, stack.sp.saturating_add(stack.size)))
    }

    /// Where the ring or the log window of this task is mapped.
    pub fn window_base(&self) -> u64 {
        Task::base(self.index) + map::TASK_STACK
    }

    /// End of the task's own stack.
    pub fn stack_end(&self) -> u64 {
        Task::base(self.index) + map::TASK_STACK
    }

    /// The kernel delivers signals on this stack.
    pub fn signal_stack(&self) -> AltStack {
        AltStack {
            sp: Task::base(self.index) + STATE,
            flags: 0,
            pad: 0,
            size: map::TASK_STACK - STATE,
        }
    }

    /// Unmaps everything of a task that will never run again.
    ///
    /// # Safety
    /// Nothing may run on its stack.
    pub unsafe fn destroy(index: u32) {
        // SAFETY: forwarded promise; the whole stride is ours.
        let _ = unsafe { sys::munmap(Task::base(index), map::TASK_STRIDE) };
        mm().blocks[index as usize] = Block::Free;
    }

    pub fn process(&self) -> &'static mut Process {
        // SAFETY: set at creation to a block of the pool, which outlives the task.
        unsafe { &mut *self.state }
    }

    pub fn recording(&self) -> bool {
        self.process().mode == Mode::Record
    }

    pub fn my_slot(&self) -> &'static Slot {
        slot(self.slot)
    }
}

impl Process {
    /// Maps the pool and takes its first block.
    pub fn first() -> sys::Result<&'static mut Process> {
        let flags =
            sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_NORESERVE | sys::MAP_FIXED_NOREPLACE;
        // SAFETY: NOREPLACE never touches an existing mapping.
        unsafe {
            sys::mmap(
                map::HEAP,
                PROCESSES * PROCESS_STRIDE,
                sys::PROT_READ | sys::PROT_WRITE,
                flags,
                -1,
                0,
            )?;
            let first = &mut *(map::HEAP as *mut Process);
            first.used.store(1, Ordering::Relaxed);
            first.live.store(1, Ordering::Relaxed);
            first.actions = [SigAction::DEFAULT; SIGNALS];
            Ok(first)
        }
    }

    /// It has one task, which lives.
    pub fn begin(&self) {
        self.live.store(1, Ordering::Relaxed);
        self.parked.store(0, Ordering::Relaxed);
        self.exits.store(false, Ordering::Relaxed);
    }

    /// A copy for a vfork child, which must not change its parent's.
    pub fn duplicate(&self) -> Option<*mut Process> {
        for index in 0..PROCESSES {
            let at = (map::HEAP + index * PROCESS_STRIDE) as *mut Process;
            // SAFETY: blocks of the pool; `used` is atomic and claims the rest.
            unsafe {
                if (*at)
                    .used
                    .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok()
                {
                    core::ptr::copy_nonoverlapping(self as *const Process, at, 1);
                    (*at).left_behind = (0, 0);
                    (*at).begin();
                    return Some(at);
                }
            }
        }
        None
    }

    pub fn drop_left_behind(&mut self) {
        let (at, len) = core::mem::take(&mut self.left_behind);
        if len != 0 {
            // SAFETY: mapped by execve's preparation, which is over.
            let _ = unsafe { sys::munmap(at, len) };
        }
    }

    pub fn release(&mut self) {
        self.drop_left_behind();
        self.used.store(0, Ordering::SeqCst);
    }

    pub fn exe_path(&self) -> &[u8] {
        &self.exe[..self.exe_len.min(self.exe.len())]
    }
}
