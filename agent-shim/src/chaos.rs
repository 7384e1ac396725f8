//! Recording with chaos: schedules that are rare by themselves, drawn from a seed.
//!
//! What is drawn: whether a task gives its turn up at a call, how long it keeps it, whether it is
//! stopped a few instructions behind a call, who takes the turn next, which tasks are slow, and
//! whether a transfer on a stream is short. All of that could have happened without us, and each
//! leaves the events that it leaves without us: replay knows nothing of chaos.
//!
//! What must already hold: the task has the turn wherever it says so below. What this never does: cost
//! a recording without chaos more than a look at [`on`], or give a program a result that POSIX forbids.

use core::sync::atomic::Ordering;

use reenact_abi::syscalls::{Blocks, Hook};

use crate::dispatch::{After, Cx, Flow};
use crate::guest_mem;
use crate::nr;
use crate::sys;
use crate::task::{session, Task};
use crate::{preempt, record, turns};

/// Is the session recorded with chaos?
#[inline(always)]
pub fn on() -> bool {
    session().chaos != 0
}

/// What a task draws from.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Dice {
    state: u64,
    /// One call in so many is delayed; 0: nothing has been drawn yet.
    delayed: u32,
    /// One call in so many gives the turn up although nobody has waited for long.
    yields: u32,
    /// Calls so far.
    calls: u32,
    /// Where behind the running call the task is to stop; no steps: nowhere. A fresh task is all zeroes.
    aim: Aim,
}

/// Where a task is to stop.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Aim {
    /// Instructions until there, at least.
    pub steps: u32,
    /// Behind an atomic instruction, if one comes soon.
    pub atomic: bool,
}

impl Aim {
    const NOWHERE: Aim = Aim {
        steps: 0,
        atomic: false,
    };
}

/// The steps of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

impl Dice {
    /// All that follows depends on the seed and on these numbers alone.
    fn new(seed: u64, process: u32, task: u32, program: u64) -> Dice {
        let mut state = mix(seed.wrapping_add(GAMMA));
        for number in [u64::from(process), u64::from(task), program] {
            state = mix(state ^ number.wrapping_add(GAMMA));
        }
        let mut dice = Dice {
            state,
            delayed: 1,
            yields: 1,
            calls: 0,
            aim: Aim::NOWHERE,
        };
        // A few tasks are much slower than the rest: that finds what even odds for all hide.
        dice.delayed = [512, 512, 128, 16][dice.below(4) as usize];
        dice.yields = [2, 4, 8, 32][dice.below(4) as usize];
        dice
    }

    /// A task that makes many calls is disturbed at fewer of them, or it would not come to its end.
    fn rarer(&mut self) -> u32 {
        self.calls = self.calls.saturating_add(1);
        1 << (self.calls >> 8)
            .checked_ilog2()
            .map_or(0, |log| log.min(7) + 1)
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// Below `bound`, which is small against 2^64.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.below(u64::from(count)) == 0
    }

    /// From `low` on and below `low << doublings`: each order of magnitude as likely as another.
    fn spread(&mut self, low: u64, doublings: u64) -> u64 {
        let base = low << self.below(doublings);
        base + self.below(base)
    }
}

/// The running task's dice.
fn dice(task: &mut Task) -> &mut Dice {
    if task.dice.delayed == 0 {
        // What follows an execve must not repeat what came before it.
        let at = task.my_slot().written.head.load(Ordering::Relaxed);
        task.dice = Dice::new(session().chaos_seed, task.process, task.number, at);
    }
    &mut task.dice
}

/// A fork's child is another task.
pub fn forked(task: &mut Task) {
    task.dice.delayed = 0;
    task.dice.aim = Aim::NOWHERE;
}

/// Does another task take turns with this one?
fn shares(task: &Task) -> bool {
    turns::mine(task).members.load(Ordering::Relaxed) > 1
}

/// A call while recording with chaos.
pub fn call(cx: &mut Cx) -> After {
    let after = record::made(cx, before);
    if cx.task.detached {
        return after;
    }
    behind(cx, after)
}

/// Keeps the turn for about as long as it takes a task that was made or woken to come and wait for it.
fn linger(task: &Task) {
    for _ in 0..4 {
        sys::sleep_ns(20_000);
        if turns::is_waited_for(task) {
            return;
        }
    }
}

/// The task has its turn, and is about to make a call.
fn before(cx: &mut Cx) {
    turns::make_way(cx.task);
    if cx.task.detached {
        return;
    }
    let task = &mut *cx.task;
    let shared = shares(task);
    let mut wanted = turns::is_waited_for(task);
    let rarer = dice(task).rarer();
    if shared && !wanted {
        // Others may be on their way: the shorter tasks run, the less they meet.
        let odds = if turns::is_made_way_for(task) { 1 } else { 3 };
        if dice(task).one_in(odds * rarer) {
            linger(task);
            wanted = turns::is_waited_for(task);
        }
    }

    let dice = self::dice(task);
    // Others learn of these calls: what they do until then is what a delay decides.
    let tells = matches!(
        cx.row.hook,
        Hook::Write | Hook::Transfer | Hook::Futex | Hook::Close | Hook::Exit | Hook::ExitGroup
    ) || cx.shape.blocks == Blocks::May;
    let odds = if tells { 1 } else { 4 };
    if dice.one_in(dice.delayed * odds * rarer) {
        let ns = dice.spread(4_000, 8);
        pause(task, shared, ns);
    } else if wanted && dice.one_in(dice.yields * rarer) {
        turns::hand_over(task);
    }
    note_edges(cx);
}

/// Lets time pass, and others run.
fn pause(task: &Task, shared: bool, ns: u64) {
    if shared {
        turns::release(task);
    }
    sys::sleep_ns(ns);
    if shared {
        turns::acquire(task);
    }
}

/// The call is over: the task may have to stop soon.
fn behind(cx: &mut Cx, after: After) -> After {
    let wakes = matches!(cx.row.hook, Hook::Futex | Hook::Clone | Hook::Clone3);
    let aim = match cx.row.hook {
        // The context is another one, or none.
        Hook::Fork | Hook::Vfork | Hook::Execve | Hook::Execveat | Hook::RtSigreturn => None,
        _ if after == After::Done
            && shares(cx.task)
            && (wakes || turns::is_waited_for(cx.task)) =>
        {
            aim_behind(cx.task)
        }
        _ => None,
    };
    let Some(aim) = aim else { return after };
    if cx.trapped {
        preempt::begin_behind(cx.task, cx.context, aim);
        return after;
    }
    cx.task.dice.aim = aim;
    After::Deliver
}

/// Is the task to stop soon behind a call, and where?
fn aim_behind(task: &mut Task) -> Option<Aim> {
    let dice = dice(task);
    let odds = dice.yields << (dice.calls >> 8).min(8);
    if !dice.one_in(odds) {
        return None;
    }
    let atomic = dice.one_in(2);
    let steps = dice.spread(1, if atomic { 6 } else { 9 }) as u32;
    Some(Aim { steps, atomic })
}

/// Where a task is to stop that computes: behind so many more steps than usual.
pub fn aim(task: &mut Task) -> Aim {
    // Handlers that run while a lock is held are rarer than threads that want it.
    let signalled = task.pending.load(Ordering::Relaxed) != 0;
    let dice = dice(task);
    Aim {
        steps: dice.below(500) as u32,
        atomic: signalled || dice.one_in(2),
    }
}

/// The trap that [`behind`] asked for.
pub fn delivered(task: &mut Task, context: &mut crate::arch::frame::UContext) {
    let aim = core::mem::replace(&mut task.dice.aim, Aim::NOWHERE);
    if aim.steps != 0 {
        preempt::begin_behind(task, context, aim);
    }
}

/// A new task is about to take its first turn.
pub fn delay_start(task: &mut Task) {
    let dice = dice(task);
    if dice.one_in(4) {
        let ns = dice.spread(10_000, 9);
        sys::sleep_ns(ns);
    }
}

/// A new task is about to run its first instruction.
pub fn begin_task(task: &mut Task, context: &mut crate::arch::frame::UContext) {
    if shares(task) {
        if let Some(aim) = aim_behind(task) {
            preempt::begin_behind(task, context, aim);
        }
    }
}

/// How long the running task waits before it wants the turn, in nanoseconds.
pub fn slice_ns() -> u64 {
    dice(Task::current()).spread(100_000, 8)
}

/// How often the running task, when it could have the turn, leaves it to another that waits.
pub fn passes() -> u32 {
    let dice = dice(Task::current());
    if dice.one_in(2) {
        0
    } else {
        dice.spread(1, 5) as u32
    }
}

/// For how long a signal that came while the task computes waits for a call, in nanoseconds.
pub fn hurry_ns(task: &mut Task) -> u64 {
    dice(task).spread(20_000, 9)
}

// Short transfers.

/// The shortest part of what is sent on a socket: the smallest segment that TCP makes here
/// (TCP_MIN_MSS). What is shorter has never come in two parts, and much relies on that.
const SEGMENT: u64 = 88;
/// Writes up to this length to a pipe are one piece to their readers (PIPE_BUF).
const PIPE_BUF: u64 = 4096;
const O_NONBLOCK: u64 = 0o4_000;
const O_ASYNC: u64 = 0o20_000;
const O_DIRECT: u64 = 0o40_000;

/// Whoever asks for edges takes a short transfer for the end of what there is, as epoll(7) allows:
/// there are none in its process.
fn note_edges(cx: &mut Cx) {
    const EPOLL_CTL_DEL: u64 = 2;
    const EPOLLET: u32 = 1 << 31;
    let [_, op, _, event, ..] = cx.call.args;
    if cx.call.nr == nr::EPOLL_CTL && op & 0xffff_ffff != EPOLL_CTL_DEL {
        let asks = guest_mem::get::<u32>(event).is_ok_and(|events| events & EPOLLET != 0);
        cx.task.process().wants_edges |= asks;
    }
}

/// What may be done to a transfer.
enum Stream {
    /// A stream socket: nothing on it has bounds.
    Socket,
    Pipe,
}

struct Transfer {
    stream: Stream,
    blocks: bool,
}

/// What the descriptor leads to, unless whole transfers are all that may be seen there: a short write
/// to a file says that the disk is full, datagrams have bounds, and so have the lines of a terminal.
fn transfer(fd: u64) -> Option<Transfer> {
    const S_IFIFO: u32 = 0o010_000;
    const S_IFSOCK: u32 = 0o140_000;
    let stat = sys::fstat(fd as i32).ok()?;
    let stream = match stat.mode & sys::S_IFMT {
        S_IFIFO => Stream::Pipe,
        S_IFSOCK if is_stream(fd) => Stream::Socket,
        _ => return None,
    };
    let flags = sys::status_flags(fd as i32).ok()?;
    // Signals tell of edges, and packets have bounds.
    (flags & (O_ASYNC | O_DIRECT) == 0).then_some(Transfer {
        stream,
        blocks: flags & O_NONBLOCK == 0,
    })
}

fn is_stream(fd: u64) -> bool {
    const SOL_SOCKET: u64 = 1;
    const SO_TYPE: u64 = 3;
    const SO_DOMAIN: u64 = 39;
    let option = |name| {
        let (mut value, mut len) = (0u32, 4u32);
        let args = [
            fd,
            SOL_SOCKET,
            name,
            &raw mut value as u64,
            &raw mut len as u64,
        ];
        // SAFETY: the kernel writes at most the two words.
        (unsafe { sys::call(nr::GETSOCKOPT, args) } == 0).then_some(value)
    };
    // AF_UNIX, AF_INET, AF_INET6.
    option(SO_TYPE) == Some(1) && matches!(option(SO_DOMAIN), Some(1 | 2 | 10))
}

/// Makes a call that may block, with less to transfer than the target asked for, or in two parts;
/// `None` when it is to be made as it is.
pub fn short(cx: &mut Cx, nr: u64, args: &[u64; 6]) -> Option<Flow> {
    const MSG_DONTWAIT: u64 = 0x40;
    const MSG_NOSIGNAL: u64 = 0x4000;
    let (reads, plain) = match nr {
        nr::READ => (true, true),
        nr::WRITE => (false, true),
        nr::RECVFROM | nr::SENDTO => (
            nr == nr::RECVFROM,
            args[3] & !(MSG_DONTWAIT | MSG_NOSIGNAL) == 0 && args[4] == 0,
        ),
        _ => return None,
    };
    let count = args[2];
    let task = &mut *cx.task;
    let may_be = plain && count > SEGMENT && !task.detached && !task.process().wants_edges;
    if !may_be || !dice(task).one_in(8) {
        return None;
    }
    let Transfer { stream, blocks } = transfer(args[0])?;
    // The smallest part that a reader may be shown.
    let least = match stream {
        Stream::Socket => SEGMENT,
        // What was written as one piece is read as one piece.
        Stream::Pipe if reads || count <= PIPE_BUF => return None,
        Stream::Pipe => PIPE_BUF,
    };
    let dice = dice(task);
    let part = if dice.one_in(2) {
        least + dice.below(count - least)
    } else {
        least + dice.below((count - least).min(64))
    };
    let mut first = *args;
    first[2] = part;
    let done = cx.enter_waiting(nr, &first);
    let waits = nr != nr::SENDTO || args[3] & MSG_DONTWAIT == 0;
    match done {
        // A writer that waits writes all: only whoever reads sees two parts.
        Flow::Return(ret) if !reads && blocks && waits && ret == part as i64 => {
            let ns = self::dice(cx.task).spread(4_000, 6);
            let shared = shares(cx.task);
            pause(cx.task, shared, ns);
            let mut rest = *args;
            rest[1] += part;
            rest[2] -= part;
            Some(match cx.enter_waiting(nr, &rest) {
                Flow::Return(more) if more > 0 => Flow::Return(ret + more),
                // As when it is interrupted midway.
                Flow::Return(_) | Flow::NotEntered => done,
                Flow::Completed(_) | Flow::Replaced => done,
            })
        }
        flow => Some(flow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_all_and_each_number_matters() {
        let draws = |mut dice: Dice| [0; 4].map(|_| dice.next());
        let first = draws(Dice::new(1, 2, 3, 4));
        assert_eq!(first, draws(Dice::new(1, 2, 3, 4)));
        for other in [
            Dice::new(2, 2, 3, 4),
            Dice::new(1, 3, 3, 4),
            Dice::new(1, 2, 4, 4),
            Dice::new(1, 2, 3, 5),
        ] {
            assert_ne!(first, draws(other));
        }
    }

    #[test]
    fn numbers_are_drawn_from_where_they_should() {
        let mut dice = Dice::new(7, 1, 1, 0);
        let mut seen = [0u32; 9];
        for _ in 0..10_000 {
            let value = dice.spread(4, 8);
            assert!((4..4 << 8).contains(&value), "{value}");
            seen[(value / 4).ilog2() as usize] += 1;
        }
        assert!(seen[..8].iter().all(|count| (1000..1500).contains(count)));
        assert_eq!(seen[8], 0);
        let once = (0..8000).filter(|_| dice.one_in(8)).count();
        assert!((850..1150).contains(&once), "{once}");
    }
}
