//! Loops that wait until another task changes memory: how often one goes round is counted, so that a
//! stop in it is a number, and costs neither steps nor hashes.
//!
//! The first stop in such a loop is like any other (see preempt.rs). After it, an instruction of the
//! loop gives way to a jump to code that counts a pass and compares with a limit: recording sets that
//! to when the turn is to be given up, replay to the number that was recorded. Counted is from the
//! task's last event on, and no other task runs in between.
//!
//! What must already hold: the caller has its group's turn. What this never does: touch code that the
//! program may write, or that lies beside a rewritten call.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use reenact_abi::arena::Reason;
use reenact_abi::event::{Header, Kind, Role};
use reenact_abi::map::{PAGE, STUBS, STUBS_SIZE};

use crate::arch::frame::UContext;
use crate::arch::LOOPS;
use crate::guest_mem::{self, Hash};
use crate::intercept::moved::{jump, window, Code, WINDOW_MAX};
use crate::intercept::patch;
use crate::preempt;
use crate::sys;
use crate::task::{mm, session, Task};
use crate::{divergence, log, record, ring, signals, turns};

/// Loops known in an address space.
pub const LOOPS_MAX: usize = 24;
/// Words that a loop which waits looks at, at most: one that computes looks at more.
pub const WORDS: usize = 8;
/// Two places so near each other, in bytes, that look at the same words are in one loop.
const NEAR: u64 = 256;
/// Bytes of a loop's stub.
const STUB: u64 = 128;
const _: () = assert!(LOOPS_MAX as u64 * STUB <= PAGE);

/// Passes after which a loop that nobody wants to be interrupted is looked at. One that has made 64
/// times as many since the last event computes, and counting slows it down.
const PASSES_MAX: u64 = 1 << 22;
/// While only others that wait in loops want the turn, and nobody has done anything since last time,
/// twice as many passes each time, up to 2^12, or 2^22 for a loop that changes memory as well: it may be
/// one that computes.
const ROUNDS_MAX: u32 = 12;
const ROUNDS_COMPUTING_MAX: u32 = 22;

/// What the counting code uses, at addresses that 32 bits hold.
#[repr(C)]
pub struct Shared {
    /// rax and rcx meanwhile.
    pub rax: AtomicU64,
    pub rcx: AtomicU64,
    /// A loop that has made as many passes traps.
    pub limit: AtomicU64,
    pub passes: [AtomicU64; LOOPS_MAX],
}

/// A loop; without an address the entry is free.
#[derive(Clone, Copy)]
struct Loop {
    rip: u64,
    code: [u8; WINDOW_MAX],
    len: usize,
    /// Its stub, and where that carries out the instructions that gave way.
    stub: u64,
    moved_at: u64,
    /// Recording: addresses of the words that it looks at and leaves alone, as far as they are known,
    /// and how many rounds it may take.
    words: [u64; WORDS],
    rounds_max: u32,
}

const NONE: Loop = Loop {
    rip: 0,
    code: [0; WINDOW_MAX],
    len: 0,
    stub: 0,
    moved_at: 0,
    words: [0; WORDS],
    rounds_max: ROUNDS_MAX,
};

static mut TABLE: [Loop; LOOPS_MAX] = [NONE; LOOPS_MAX];

/// Entries of the table that were ever used.
static USED: AtomicU32 = AtomicU32::new(0);

#[allow(static_mut_refs)]
fn table() -> &'static mut [Loop] {
    let used = USED.load(Ordering::Relaxed) as usize;
    // SAFETY: only the task that holds the group's turn runs code that uses it.
    unsafe { &mut TABLE[..used] }
}

fn page(range: usize) -> u64 {
    STUBS[range] + STUBS_SIZE - 2 * PAGE
}

/// The loop whose stub holds this address.
fn at_stub(rip: u64) -> Option<usize> {
    let inside = |known: &Loop| (known.stub..known.stub + STUB).contains(&rip);
    table()
        .iter()
        .position(|known| known.rip != 0 && inside(known))
}

/// An event of the running task is complete: passes are counted from here.
#[inline(always)]
pub fn forget_passes() {
    if USED.load(Ordering::Relaxed) != 0 {
        forget_all_passes();
    }
}

#[cold]
#[inline(never)]
fn forget_all_passes() {
    let used = USED.load(Ordering::Relaxed) as usize;
    for passes in &LOOPS.passes[..used.min(LOOPS_MAX)] {
        passes.store(0, Ordering::Relaxed);
    }
}

/// Recording: somebody wants the turn, or a signal waits. The next pass of any loop traps.
pub fn hurry() {
    if USED.load(Ordering::Relaxed) != 0 {
        LOOPS.limit.store(0, Ordering::SeqCst);
    }
}

/// Recording: the task has its turn.
pub fn begin_turn(task: &Task) {
    if USED.load(Ordering::Relaxed) == 0 {
        return;
    }
    let limit = if turns::is_looped_for(task) {
        1 << task.rounds
    } else {
        PASSES_MAX
    };
    LOOPS.limit.store(limit, Ordering::SeqCst);
    if turns::is_waited_for(task) {
        hurry();
    }
}

/// The address that a task stands at which carries out moved instructions.
pub fn logical(rip: u64) -> u64 {
    let Some(index) = at_stub(rip) else {
        return rip;
    };
    let known = &table()[index];
    let offset = rip.wrapping_sub(known.moved_at);
    if offset < known.len as u64 {
        known.rip + offset
    } else {
        known.rip
    }
}

/// Where a task goes on that is to go on at `rip`, if that is among instructions that gave way.
pub fn resume_at(rip: u64) -> Option<u64> {
    let inside = |known: &&Loop| (known.rip + 1..known.rip + known.len as u64).contains(&rip);
    let known = table().iter().find(inside)?;
    Some(known.moved_at + (rip - known.rip))
}

/// Do instructions of a loop between these addresses stand elsewhere?
pub fn overlaps(start: u64, end: u64) -> bool {
    let within = |known: &Loop| known.rip < end && known.rip + known.len as u64 > start;
    table().iter().any(|known| known.rip != 0 && within(known))
}

/// Whatever was there is there no more.
pub fn gone(start: u64, end: u64) {
    for known in table() {
        if known.rip < end && known.rip + known.len as u64 > start {
            known.rip = 0;
        }
    }
}

/// Puts instructions back that a search for a stop must find in their places.
pub fn clear(start: u64, end: u64) {
    for index in 0..table().len() {
        let known = &table()[index];
        if known.rip != 0 && known.rip < end && known.rip + known.len as u64 > start {
            remove(index);
        }
    }
}

/// The program may come back to this place by itself: it must find the instruction there.
pub fn clear_around(place: u64) {
    for index in 0..table().len() {
        let known = &table()[index];
        if known.rip != 0 && (known.rip + 1..known.rip + known.len as u64).contains(&place) {
            remove(index);
        }
    }
}

fn remove(index: usize) {
    let known = &mut table()[index];
    patch::store_code(known.rip, &known.code[..known.len]);
    known.rip = 0;
}

/// Recording: the task was stopped at `rip`, in a loop that waits for one of these words to change.
/// From now on its passes are counted, if that can be. `computes`: it changes memory itself.
pub fn found(rip: u64, words: &[u64; WORDS], computes: bool) {
    let near = |known: &Loop| known.rip.abs_diff(rip) < NEAR && known.words == *words;
    let counted = table().iter().any(|known| known.rip != 0 && near(known));
    if session().rewrites == 0 || counted {
        return;
    }
    if let Some(index) = install(rip) {
        let known = &mut table()[index];
        known.words = *words;
        known.rounds_max = if computes {
            ROUNDS_COMPUTING_MAX
        } else {
            ROUNDS_MAX
        };
    }
}

/// A hash of the words that a loop looks at.
fn seen(known: &Loop) -> u64 {
    let mut hash = Hash::NEW;
    hash.word(known.rip);
    for word in known.words.iter().take_while(|word| **word != 0) {
        hash.word(guest_mem::get(*word).unwrap_or(0));
    }
    hash.0
}

/// Makes the loop at `rip` a counted one; its position.
#[allow(static_mut_refs)]
fn install(rip: u64) -> Option<usize> {
    if let Some(known) = table().iter().position(|known| known.rip == rip) {
        return Some(known);
    }
    let mut code = [0u8; 64];
    let got = guest_mem::read(rip, &mut code);
    let len = window(&code[..got], rip)?;
    let end = rip + len as u64;
    if !mm().code.holds(rip, end) || mm().code.rewritten(rip, end) || overlaps(rip, end) {
        return None;
    }
    let range = patch::reach(rip)?;
    let used = table().len();
    let index = match table().iter().position(|known| known.rip == 0) {
        Some(free) => free,
        None if used < LOOPS_MAX => used,
        None => return None,
    };
    let stub = page(range) + index as u64 * STUB;
    let (image, moved_at) = image(index, stub, &code[..len], rip)?;
    if !patch::counting_code(page(range), stub, &image) {
        return None;
    }
    let mut known = Loop {
        rip,
        stub,
        moved_at,
        len,
        ..NONE
    };
    known.code[..len].copy_from_slice(&code[..len]);
    let jump = jump(rip, stub)?;
    LOOPS.passes[index].store(0, Ordering::Relaxed);
    if !patch::store_code(rip, &jump) {
        return None;
    }
    // SAFETY: as in `table`; the index is in bounds.
    unsafe { TABLE[index] = known };
    USED.fetch_max(index as u32 + 1, Ordering::Relaxed);
    Some(index)
}

/// The stub's bytes, and where it carries out the moved instructions.
fn image(index: usize, stub: u64, code: &[u8], rip: u64) -> Option<([u8; STUB as usize], u64)> {
    let low = |word: &AtomicU64| word.as_ptr() as u64 as u32;
    let (rax, rcx) = (low(&LOOPS.rax), low(&LOOPS.rcx));
    let passes = low(&LOOPS.passes[index]);
    let mut out = Code::at(stub);
    out.keep_flags(rax);
    // incq passes; mov %rcx, rcx; mov limit, %rcx; cmp %rcx, passes; mov rcx, %rcx
    out.put(&[0x48, 0xff, 0x04, 0x25]);
    out.word(passes);
    out.put(&[0x48, 0x89, 0x0c, 0x25]);
    out.word(rcx);
    out.put(&[0x48, 0x8b, 0x0c, 0x25]);
    out.word(low(&LOOPS.limit));
    out.put(&[0x48, 0x39, 0x0c, 0x25]);
    out.word(passes);
    out.put(&[0x48, 0x8b, 0x0c, 0x25]);
    out.word(rcx);
    let goes_on = out.jump_below();
    out.restore_flags(rax);
    out.put(&[0xcc]);
    out.land(goes_on);
    out.restore_flags(rax);
    let moved_at = stub + out.at as u64;
    let moved = out.relocate(code, rip);
    if !moved || !out.whole || out.at as u64 > STUB {
        return None;
    }
    let mut image = [0xcc; STUB as usize];
    image[..out.at].copy_from_slice(&out.bytes[..out.at]);
    Some((image, moved_at))
}

/// A trap in the counting code. False when it was none.
pub fn trapped(task: &mut Task, context: &mut UContext) -> bool {
    let Some(index) = at_stub(context.regs.rip) else {
        return false;
    };
    let known = table()[index];
    if context.regs.rip > known.moved_at {
        return false;
    }
    context.regs.rip = known.rip;
    let passes = LOOPS.passes[index].load(Ordering::Relaxed);
    if task.recording() {
        preempt::cancel(context);
        reached(task, context, &known, passes);
        if passes >= 64 * PASSES_MAX {
            clear(known.rip, known.rip + 1);
        }
    } else if log::peek(task).is_some_and(|next| next.rip != known.rip) {
        // Another loop is the one to stop in: the limit is not meant for this one.
        LOOPS.passes[index].store(0, Ordering::Relaxed);
    } else {
        LOOPS.limit.store(u64::MAX, Ordering::Relaxed);
        compare(task, context, passes);
        preempt::matched(task, context);
    }
    // This pass has been counted.
    if context.regs.rip == known.rip && table()[index].rip == known.rip {
        context.regs.rip = known.moved_at;
    }
    true
}

/// The event of a stop in this pass, without its parts.
fn stop(context: &UContext, passes: u64) -> Header {
    Header {
        kind: Kind::Preempt as u8,
        rip: context.regs.rip,
        rsp: context.regs.rsp,
        args: [
            preempt::stack_hash(context.regs.rsp),
            preempt::vector_hash(context.regs.fpstate),
            sys::PROT_READ | sys::PROT_EXEC,
            1,
            context.regs.eflags,
            0,
        ],
        ret: passes as i64,
        ..Header::default()
    }
}

/// Recording: the limit is reached.
fn reached(task: &mut Task, context: &mut UContext, known: &Loop, passes: u64) {
    let signal = task.pending.load(Ordering::Acquire) != 0;
    let wanted = turns::is_waited_for(task) || turns::is_looped_for(task);
    if !signal && !wanted {
        begin_turn(task);
        LOOPS
            .limit
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |limit| {
                (limit != 0).then_some(passes + PASSES_MAX)
            })
            .ok();
        return;
    }
    let registers = preempt::numbered(&context.regs);
    let stop = stop(context, passes);
    record::open(task, stop);
    ring::part(task, Role::Data, 0, registers.as_ptr() as u64, 128, 0);
    ring::finish(task);
    if wanted {
        turns::give_way_in_loop(task, seen(known), known.rounds_max);
        record::resumed(task);
    }
    signals::deliver_pending(task, context, false);
    context.mask = signals::real_mask(task.mask);
    begin_turn(task);
    if context.regs.rip != stop.rip {
        context.regs.rip = patch::resume_at(context.regs.rip);
    }
}

/// Replay: the next event is a stop in a loop, `header`, after so many passes.
pub fn arm(task: &mut Task, header: &Header) {
    if install(header.rip).is_none() {
        divergence::failed(task, Reason::System, header.rip);
    }
    forget_passes();
    LOOPS.limit.store(header.ret as u64, Ordering::Relaxed);
}

/// Replay: so many passes were made. The state must be the recorded one.
fn compare(task: &mut Task, context: &UContext, passes: u64) {
    let made = stop(context, passes);
    let Some(header) = log::peek(task).filter(|next| next.kind == Kind::Preempt as u8) else {
        divergence::report(task, Reason::Kind, &Header::default(), &made, 0)
    };
    let mut registers = [0u8; 128];
    log::look(task, &header, |_, piece| {
        if piece.is(Role::Data) && piece.part.addr == 0 {
            piece.copy_to(&mut registers);
        }
    });
    let recorded = registers.chunks_exact(8).map(|bytes| {
        bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    });
    let same = preempt::numbered(&context.regs).into_iter().eq(recorded)
        && header.rip == made.rip
        && header.ret == made.ret
        && header.args[..2] == made.args[..2];
    if !same {
        divergence::report(task, Reason::Preempted, &header, &made, 0);
    }
}
