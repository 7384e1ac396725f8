//! Stopping a task that computes, between two calls: so that nobody of its group starves, and so that
//! a signal is delivered in time. And finding the same place again in replay, without counters.
//!
//! Recording steps through some instructions first, and notes which words of memory they touch. Then
//! the state where the task stands is written down: registers, those words, a hash of the stack.
//! Replay puts a jump at that instruction, to code that compares all this with what was recorded, at a
//! nanosecond or so a pass, and goes on with the instruction where it differs.
//!
//! A state that comes back (a loop that waits for memory to change) matches when it is reached for the
//! first time: a stop there has the same effects.

use core::sync::atomic::{AtomicU64, Ordering};

use reenact_abi::arena::Reason;
use reenact_abi::event::{Header, Kind, Role};
use reenact_abi::map::{STUBS, STUBS_SIZE};

use crate::arch::frame::{self, Registers, UContext};
use crate::arch::PREEMPT;
use crate::guest_mem::{self, Block, Hash};
use crate::intercept::decode::{self, Instruction};
use crate::intercept::moved::{jump, window, Code, JUMP, WINDOW_MAX};
use crate::intercept::{clock, patch, trap};
use crate::sys;
use crate::task::{mm, Task};
use crate::{
    chaos, checksum, divergence, images, log, loops, nr, record, replay, ring, signals, turns,
};

/// Instructions stepped through before a stop, at least and at most.
const STEPS_MIN: u32 = 1500;
const STEPS_MAX: u32 = 6000;
/// More of them at most, where the stop is to stand behind an atomic instruction.
const STEPS_AIMING: u32 = 2500;
/// A loop as short as this, in bytes, that has changed no memory in so many steps does nothing else.
const TIGHT: u64 = 256;
const STEPS_TIGHT: u32 = 200;
/// Words of memory written down: those that changed, and some of the others touched last.
pub const WORDS: usize = 80;
const UNCHANGED_MAX: usize = 8;
/// Words watched while stepping.
const WATCHED: usize = 384;
/// Places passed by at which a jump would replace more than one instruction: a table may lead to the
/// second one.
const PASSED_BY_MAX: u32 = 40;
/// The trap flag.
pub const TRAP_FLAG: u64 = 0x100;

/// Recording: a stop that is being prepared. One per address space: only the task that has the turn
/// is stepped.
pub struct Stepping {
    active: bool,
    /// CLOCK_MONOTONIC when it began.
    began_ns: u64,
    steps: u32,
    /// Steps before the stop, at least.
    least: u32,
    /// Every step since the last event is made here.
    whole: bool,
    /// The stop is to stand behind an atomic instruction, if one comes soon: with a lock just taken, say.
    aims: bool,
    /// The next instruction is one.
    atomic: bool,
    /// Words touched last, without repetition, and what they held before; the next goes to `at`.
    words: [[u64; 2]; WATCHED],
    at: usize,
    /// Where stepping began, to see whether the task only goes round.
    first: [u64; 16],
    first_rip: u64,
    /// What the words held when the registers were last as at first, and whether they are again.
    passed: u64,
    spins: bool,
    /// It was stopped because it is a short loop that changes no memory.
    tight: bool,
    passed_by: u32,
    lowest: u64,
    highest: u64,
}

/// Replay: the stop that is to be found.
pub struct Armed {
    active: bool,
    rip: u64,
    prot: u64,
    stack_hash: u64,
    vector_hash: u64,
    /// Hash over `regions`; 0: not compared.
    memory_hash: u64,
    regions: [[u64; 2]; checksum::REGIONS_MAX],
    region_count: usize,
    code: [u8; WINDOW_MAX],
    code_len: usize,
    /// Where the instructions that gave way to the jump are carried out; 0: a breakpoint was set.
    moved_at: u64,
}

static mut STEPPING: Stepping = Stepping::IDLE;

impl Stepping {
    const IDLE: Stepping = Stepping {
        active: false,
        began_ns: 0,
        steps: 0,
        least: STEPS_MIN,
        whole: false,
        aims: false,
        atomic: false,
        words: [[0; 2]; WATCHED],
        at: 0,
        first: [0; 16],
        first_rip: 0,
        passed: 0,
        spins: false,
        tight: false,
        passed_by: 0,
        lowest: u64::MAX,
        highest: 0,
    };

    /// A short loop that looks at few words, of which it leaves some alone: it may wait for one of
    /// them, with a counter.
    fn is_tight(&self) -> bool {
        self.steps.is_multiple_of(STEPS_TIGHT)
            && self.highest - self.lowest < TIGHT
            && (1..=loops::WORDS).contains(&self.at)
            && self.left_alone().next().is_some()
    }

    /// Words that are as they were when they were first touched.
    fn left_alone(&self) -> impl Iterator<Item = u64> + '_ {
        let words = self.words[..self.at.min(WATCHED)].iter();
        words
            .filter(|[at, before]| guest_mem::get(*at) == Ok(*before))
            .map(|[at, _]| *at)
    }

    /// Does the task go round until some word is changed by another? One that computes touches more.
    fn waits(&self) -> bool {
        self.tight || self.spins && (1..=loops::WORDS).contains(&self.at)
    }

    /// The words that tell this state from others, and what they hold: those that changed while
    /// stepping, and a few others; of each the last touched first.
    fn telling_words(&self, into: &mut [[u64; 2]; WORDS]) -> usize {
        let mut count = 0;
        for changed in [true, false] {
            let room = if changed {
                WORDS - UNCHANGED_MAX
            } else {
                (count + UNCHANGED_MAX).min(WORDS)
            };
            for back in 0..self.at.min(WATCHED) {
                let [at, before] = self.words[(self.at - 1 - back) % WATCHED];
                match guest_mem::get::<u64>(at) {
                    Ok(value) if (value != before) == changed && count < room => {
                        into[count] = [at, value];
                        count += 1;
                    }
                    _ => {}
                }
            }
        }
        count
    }
}

static mut ARMED: Armed = Armed {
    active: false,
    rip: 0,
    prot: 0,
    stack_hash: 0,
    vector_hash: 0,
    memory_hash: 0,
    regions: [[0; 2]; checksum::REGIONS_MAX],
    region_count: 0,
    code: [0; WINDOW_MAX],
    code_len: 0,
    moved_at: 0,
};

#[allow(static_mut_refs)]
fn stepping() -> &'static mut Stepping {
    // SAFETY: only the task that holds the group's turn runs code that uses it.
    unsafe { &mut STEPPING }
}

#[allow(static_mut_refs)]
fn armed() -> &'static mut Armed {
    // SAFETY: as above.
    unsafe { &mut ARMED }
}

/// What the comparing code reads, at addresses that 32 bits hold.
#[repr(C)]
pub struct Shared {
    /// rax and rcx while flags are kept in rax.
    pub rax: AtomicU64,
    pub rcx: AtomicU64,
    /// The recorded registers, in the order of their numbers in encodings.
    pub registers: [AtomicU64; 16],
    pub words: [AtomicU64; WORDS],
}

/// Registers in the order of their numbers in encodings.
pub fn numbered(regs: &Registers) -> [u64; 16] {
    [
        regs.rax, regs.rcx, regs.rdx, regs.rbx, regs.rsp, regs.rbp, regs.rsi, regs.rdi, regs.r8,
        regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15,
    ]
}

/// Memory around the stack pointer: the red zone below, and some frames above, but for XSAVE images.
pub fn stack_hash(rsp: u64) -> u64 {
    const BYTES: usize = 128 + 1024;
    let mut block = Block::<{ BYTES + images::HEADER_END }>::new();
    let len = block.len();
    let from = rsp.wrapping_sub(128);
    let have = block.read_mut(from, len);
    images::blank(have, from);
    let mut hash = Hash::NEW;
    hash.blocks(&have[..have.len().min(BYTES)]);
    hash.0
}

/// The vector registers of a kernel's frame (xmm0 to xmm15 in the FXSAVE image).
pub fn vector_hash(fpstate: u64) -> u64 {
    if fpstate == 0 {
        return 0;
    }
    let mut hash = Hash::NEW;
    // SAFETY: contexts that reach here are the kernel's own frames.
    if unsafe { frame::has_vectors(fpstate) } {
        hash.guest(fpstate + 160, 256);
    } else {
        hash.bytes(&[0; 256]);
    }
    hash.0
}

// Recording.

/// Somebody waits: the task is to stop soon.
pub fn begin(task: &mut Task, context: &mut UContext) {
    let stepping = stepping();
    if stepping.active || task.detached {
        return;
    }
    *stepping = Stepping {
        active: true,
        began_ns: clock::monotonic_ns(),
        first: numbered(&context.regs),
        first_rip: context.regs.rip,
        ..Stepping::IDLE
    };
    task.stepped = true;
    context.regs.eflags |= TRAP_FLAG;
    note_words(&context.regs);
    if chaos::on() {
        let aim = chaos::aim(task);
        stepping.least += aim.steps;
        stepping.aims = aim.atomic;
    }
}

/// A call of the task is over, and nothing has run since: it is to stop after so many steps, should
/// others of its group wait by then.
pub fn begin_behind(task: &mut Task, context: &mut UContext, aim: chaos::Aim) {
    if stepping().active || task.detached {
        return;
    }
    begin(task, context);
    let stepping = stepping();
    (stepping.least, stepping.aims, stepping.whole) = (aim.steps, aim.atomic, true);
    // Instructions behind the call may stand elsewhere, and a jump in their place.
    stepping.at = 0;
}

/// The task faults, or has gone far enough: stepping ends.
pub fn cancel(context: &mut UContext) {
    if context.regs.eflags & TRAP_FLAG != 0 && stepping().active {
        stepping().active = false;
        context.regs.eflags &= !TRAP_FLAG;
    }
}

/// The task makes a call, which is a boundary. The instruction has copied the flags to r11.
pub fn cancel_by_call(context: &mut UContext) {
    if context.regs.eflags & TRAP_FLAG != 0 && stepping().active {
        cancel(context);
        context.regs.r11 &= !TRAP_FLAG;
    }
}

/// The task made one step. False when it was none of ours.
pub fn step(task: &mut Task, context: &mut UContext) -> bool {
    let stepping = stepping();
    if !stepping.active {
        // A step that was under way when stepping ended.
        let late = task.stepped && context.regs.eflags & TRAP_FLAG != 0;
        task.stepped = false;
        if late {
            context.regs.eflags &= !TRAP_FLAG;
        }
        return late;
    }
    let rip = context.regs.rip;
    if stepping.whole && patch::in_tail(rip) {
        // Instructions that gave way to a jump, on the way back from the call.
        return true;
    }
    if trap::in_shim(rip) || patch::in_stub(rip) {
        // A call: whoever waits gets the turn there.
        cancel(context);
        return true;
    }
    stepping.steps += 1;
    if rip == stepping.first_rip && numbered(&context.regs) == stepping.first {
        let mut hash = Hash::NEW;
        for [at, _] in &stepping.words[..stepping.at.min(WATCHED)] {
            hash.word(guest_mem::get(*at).unwrap_or(*at));
        }
        stepping.spins |= stepping.passed == hash.0;
        stepping.passed = hash.0;
    }
    let mut code = [0u8; 64];
    let got = guest_mem::read(rip, &mut code);
    let Some(next) = decode::decode(&code[..got.min(16)]) else {
        cancel(context);
        return true;
    };
    if stepping.steps >= STEPS_MAX || reads_flags(&next) {
        cancel(context);
        return true;
    }
    stepping.lowest = stepping.lowest.min(rip);
    stepping.highest = stepping.highest.max(rip);
    let behind_atomic = core::mem::replace(&mut stepping.atomic, next.is_atomic(&code));
    if behind_atomic && stepping.steps >= stepping.least {
        stepping.aims = false;
    }
    let least = stepping.least + if stepping.aims { STEPS_AIMING } else { 0 };
    // The next instruction may not be one to stop at: it is no other loop for that.
    stepping.tight = stepping.highest - stepping.lowest < TIGHT
        && !stepping.aims
        && (stepping.tight || stepping.is_tight());
    // A loop whose passes are counted stops the task by itself, in a moment.
    let counted = !stepping.whole
        && stepping.steps < STEPS_MAX / 2
        && loops::overlaps(stepping.lowest, stepping.highest + 16);
    let enough = !counted
        && (stepping.steps >= least || !stepping.whole && (stepping.spins || stepping.tight));
    if enough && stepping.whole && !turns::is_waited_for(task) {
        cancel(context);
        return true;
    }
    if enough && !next.repeated {
        let mut patchable = window(&code[..got], rip).is_some() && patch::reach(rip).is_some();
        if patchable && next.len < JUMP && stepping.passed_by < PASSED_BY_MAX {
            stepping.passed_by += 1;
            patchable = false;
        }
        // Replay passes by a place few times that it comes to soon: a breakpoint there costs little.
        let late = (least + STEPS_MIN).min(STEPS_MAX - STEPS_MIN / 2);
        if patchable || stepping.whole || stepping.steps > late {
            cancel(context);
            stop(task, context);
            return true;
        }
    }
    note_words(&context.regs);
    true
}

/// PUSHF would show the trap flag; POPF and IRET may drop it.
fn reads_flags(next: &Instruction) -> bool {
    next.map == 0 && matches!(next.opcode, 0x9c | 0x9d | 0xcf)
}

/// Remembers which memory the instruction at rip is about to touch.
fn note_words(regs: &Registers) {
    let mut code = [0u8; 16];
    let got = guest_mem::read(regs.rip, &mut code);
    let Some(next) = decode::decode(&code[..got]) else {
        return;
    };
    let numbers = numbered(regs);
    let Some(mut at) = next.address(&code, &numbers, regs.rip + next.len as u64) else {
        return;
    };
    if next.map == 0 && next.opcode == 0x8d {
        // LEA touches nothing.
        return;
    }
    if next.segment != 0 {
        const ARCH_GET_FS: u64 = 0x1003;
        const ARCH_GET_GS: u64 = 0x1004;
        let which = if next.segment == 0x64 {
            ARCH_GET_FS
        } else {
            ARCH_GET_GS
        };
        let mut base = 0u64;
        // SAFETY: the kernel writes one word.
        unsafe { sys::call(nr::ARCH_PRCTL, [which, &raw mut base as u64]) };
        at = at.wrapping_add(base);
    }
    let at = at & !7;
    let stepping = stepping();
    let known = stepping.words[..stepping.at.min(WATCHED)]
        .iter()
        .any(|word| word[0] == at);
    if known || at == 0 || guest_mem::overlaps_shim(at, 8) {
        return;
    }
    if let Ok(value) = guest_mem::get::<u64>(at) {
        stepping.words[stepping.at % WATCHED] = [at, value];
        stepping.at += 1;
    }
}

/// The task stops here: the others of its group go on, and signals are delivered.
fn stop(task: &mut Task, context: &mut UContext) {
    let stepping = stepping();
    let registers = numbered(&context.regs);
    let mut words = [[0u64; 2]; WORDS];
    let count = stepping.telling_words(&mut words);
    // A loop that only waits is the same at each pass.
    let memory = if stepping.spins {
        None
    } else {
        task.rsp = context.regs.rsp;
        checksum::memory(task)
    };
    let args = [
        stack_hash(context.regs.rsp),
        vector_hash(context.regs.fpstate),
        protection(context.regs.rip),
        u64::from(stepping.spins),
        context.regs.eflags,
        memory.as_ref().map_or(0, |memory| memory.hash),
    ];
    let waits = stepping.waits();
    let computes = stepping.left_alone().count() < stepping.at;
    let mut looked_at = [0; loops::WORDS];
    for (at, word) in looked_at.iter_mut().zip(stepping.left_alone()) {
        *at = word;
    }
    let spins = stepping.spins;
    record::open(
        task,
        Header {
            kind: Kind::Preempt as u8,
            rip: context.regs.rip,
            rsp: context.regs.rsp,
            args,
            ..Header::default()
        },
    );
    ring::part(task, Role::Data, 0, registers.as_ptr() as u64, 128, 0);
    ring::part(
        task,
        Role::Data,
        1,
        words.as_ptr() as u64,
        16 * count as u64,
        0,
    );
    if let Some(memory) = &memory {
        let regions = memory.regions.as_ptr() as u64;
        ring::part(task, Role::Data, 2, regions, 16 * memory.count as u64, 0);
    }
    ring::finish(task);
    // What the task did until here is known now, even if it never goes on.
    turns::give_way(task, spins, clock::monotonic_ns() - stepping.began_ns);
    record::resumed(task);
    if waits {
        loops::found(context.regs.rip, &looked_at, computes);
        loops::begin_turn(task);
    }
    signals::deliver_pending(task, context, false);
    context.mask = signals::real_mask(task.mask);
    context.regs.rip = patch::resume_at(context.regs.rip);
}

/// How the code at `rip` is mapped.
fn protection(rip: u64) -> u64 {
    let usual = sys::PROT_READ | sys::PROT_EXEC;
    if mm().code.holds(rip, rip + 1) {
        return usual;
    }
    crate::checksum::protection_of(rip).unwrap_or(usual)
}

// Replay.

/// The task is about to run: if its next event is a stop, that is to be found.
pub fn arm_next(task: &mut Task) {
    if task.recording() {
        return;
    }
    match log::peek(task) {
        Some(header) if header.kind == Kind::Preempt as u8 => arm(task, &header),
        _ => {}
    }
}

/// The next event of the task is a stop: it is to be found.
pub fn arm(task: &mut Task, header: &Header) {
    if header.ret != 0 {
        return loops::arm(task, header);
    }
    loops::clear(header.rip, header.rip.saturating_add(WINDOW_MAX as u64));
    let shared = &PREEMPT;
    let mut registers = [0u8; 128];
    let mut words = [0u8; WORDS * 16];
    let mut regions = [0u8; checksum::REGIONS_MAX * 16];
    let (mut have, mut have_words, mut have_regions) = (0, 0, 0);
    log::look(task, header, |_, piece| {
        if piece.is(Role::Data) && piece.part.addr == 0 {
            have = piece.copy_to(&mut registers);
        } else if piece.is(Role::Data) && piece.part.addr == 2 {
            have_regions = piece.copy_to(&mut regions);
        } else if piece.is(Role::Data) {
            have_words = piece.copy_to(&mut words);
        }
    });
    let prot = header.args[2] & 7;
    if have != registers.len()
        || guest_mem::overlaps_shim(header.rip, 64)
        || prot & sys::PROT_EXEC == 0
    {
        divergence::failed(task, Reason::BadLog, header.rip);
    }
    let word = |bytes: &[u8], at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(eight)
    };
    for (index, register) in shared.registers.iter().enumerate() {
        register.store(word(&registers, index * 8), Ordering::Relaxed);
    }
    let count = have_words / 16;
    let mut addresses = [0u64; WORDS];
    for (index, address) in addresses[..count].iter_mut().enumerate() {
        *address = word(&words, index * 16);
        shared.words[index].store(word(&words, index * 16 + 8), Ordering::Relaxed);
        if guest_mem::overlaps_shim(*address, 8) {
            divergence::failed(task, Reason::BadLog, *address);
        }
    }
    let armed = armed();
    *armed = Armed {
        active: true,
        rip: header.rip,
        prot,
        stack_hash: header.args[0],
        vector_hash: header.args[1],
        memory_hash: header.args[5],
        regions: [[0; 2]; checksum::REGIONS_MAX],
        region_count: have_regions / 16,
        code: [0; WINDOW_MAX],
        code_len: 0,
        moved_at: 0,
    };
    for (index, region) in armed.regions[..have_regions / 16].iter_mut().enumerate() {
        *region = [word(&regions, index * 16), word(&regions, index * 16 + 8)];
        if guest_mem::overlaps_shim(region[0] & !1, region[1]) {
            divergence::failed(task, Reason::BadLog, region[0]);
        }
    }
    let mut code = [0u8; 64];
    let got = guest_mem::read(header.rip, &mut code);
    let place = patch::reach(header.rip);
    if let (Some(len), Some(range)) = (window(&code[..got], header.rip), place) {
        if compare_at(armed, &code[..len], range, &addresses[..count]) {
            return;
        }
    }
    // No room for a jump: a breakpoint is slow, but always fits.
    armed.code[0] = code[0];
    armed.code_len = 1;
    if !patch::store_protected(header.rip, &[0xcc], prot) {
        divergence::failed(task, Reason::System, header.rip);
    }
}

/// The page of each range of stubs that holds the comparing code.
fn comparing_page(range: usize) -> u64 {
    STUBS[range] + STUBS_SIZE - 4096
}

/// Puts the comparing code in place and a jump to it at the instruction.
fn compare_at(armed: &mut Armed, code: &[u8], range: usize, addresses: &[u64]) -> bool {
    let page = comparing_page(range);
    let mut out = Code::at(page);
    let low = |at: u64| at as u32;
    let shared = &PREEMPT;
    let (rax, rcx) = (
        low(shared.rax.as_ptr() as u64),
        low(shared.rcx.as_ptr() as u64),
    );
    out.keep_flags(rax);
    let mut exits = [0usize; 16 + WORDS];
    let mut exit_count = 0;
    for number in 1..16u8 {
        // cmp register, %number; jne
        let (rex, low_bits) = if number >= 8 {
            (0x4c, number - 8)
        } else {
            (0x48, number)
        };
        out.put(&[rex, 0x3b, 0x04 | low_bits << 3, 0x25]);
        out.word(low(shared.registers[number as usize].as_ptr() as u64));
        exits[exit_count] = out.jump_not_equal();
        exit_count += 1;
    }
    // rax itself stands in memory now.
    let own = [rax];
    let all = own
        .iter()
        .map(|at| (u64::from(*at), low(shared.registers[0].as_ptr() as u64)));
    let words = addresses
        .iter()
        .zip(&shared.words)
        .map(|(at, value)| (*at, low(value.as_ptr() as u64)));
    for (at, value) in all.chain(words) {
        // mov %rcx, rcx; mov $at, %rcx; mov (%rcx), %rcx; cmp value, %rcx; mov rcx, %rcx; jne
        out.put(&[0x48, 0x89, 0x0c, 0x25]);
        out.word(rcx);
        out.put(&[0x48, 0xb9]);
        out.put(&at.to_le_bytes());
        out.put(&[0x48, 0x8b, 0x09, 0x48, 0x3b, 0x0c, 0x25]);
        out.word(value);
        out.put(&[0x48, 0x8b, 0x0c, 0x25]);
        out.word(rcx);
        if exit_count < exits.len() {
            exits[exit_count] = out.jump_not_equal();
            exit_count += 1;
        }
    }
    // And a trap: all of this was equal.
    out.restore_flags(rax);
    out.put(&[0xcc]);
    for exit in &exits[..exit_count] {
        out.land(*exit);
    }
    out.restore_flags(rax);
    armed.moved_at = page + out.at as u64;
    let moved = out.relocate(code, armed.rip);
    if !moved || !out.whole || !patch::comparing_code(page, &out.bytes) {
        armed.moved_at = 0;
        return false;
    }
    armed.code[..code.len()].copy_from_slice(code);
    armed.code_len = code.len();
    jump(armed.rip, page).is_some_and(|jump| patch::store_protected(armed.rip, &jump, armed.prot))
}

/// A trap of the comparing code, or of a breakpoint. False when it was none of ours.
pub fn trapped(task: &mut Task, context: &mut UContext, stepped: bool) -> bool {
    let armed = armed();
    if !armed.active {
        return false;
    }
    let rip = context.regs.rip;
    let (inline, single) = (patch::in_stub(rip), rip == armed.rip + 1);
    if stepped && armed.moved_at == 0 {
        // The instruction under the breakpoint has been carried out; it may be as short as the breakpoint.
        context.regs.eflags &= !TRAP_FLAG;
        let _ = patch::store_protected(armed.rip, &[0xcc], armed.prot);
        return true;
    }
    if !inline && !single {
        return false;
    }
    context.regs.rip = armed.rip;
    if same(context, armed) {
        disarm();
        matched(task, context);
    } else if inline {
        context.regs.rip = armed.moved_at;
    } else {
        let _ = patch::store_protected(armed.rip, &armed.code[..1], armed.prot);
        context.regs.eflags |= TRAP_FLAG;
    }
    true
}

/// Is this all of the recorded state?
fn same(context: &UContext, armed: &Armed) -> bool {
    let registers = numbered(&context.regs);
    let equal = registers
        .iter()
        .zip(&PREEMPT.registers)
        .all(|(have, want)| *have == want.load(Ordering::Relaxed));
    equal
        && vector_hash(context.regs.fpstate) == armed.vector_hash
        && stack_hash(context.regs.rsp) == armed.stack_hash
        && same_memory(armed)
}

/// Is all writable memory as recorded?
fn same_memory(armed: &Armed) -> bool {
    if armed.memory_hash == 0 {
        return true;
    }
    // Code that the program may write is part of its memory: our jump must not be.
    let writable = armed.prot & sys::PROT_WRITE != 0;
    let mut jump = [0u8; WINDOW_MAX];
    let len = armed.code_len;
    if writable {
        guest_mem::read(armed.rip, &mut jump[..len]);
        guest_mem::write(armed.rip, &armed.code[..len]);
    }
    let hash = checksum::hash_of(&armed.regions[..armed.region_count], u64::MAX);
    if writable {
        guest_mem::write(armed.rip, &jump[..len]);
    }
    hash == Some(armed.memory_hash)
}

/// Where a task goes on that is to go on at `rip`, if instructions there gave way to a jump: they kept
/// their lengths.
pub fn resume_at(rip: u64) -> Option<u64> {
    let armed = armed();
    let inside = armed.rip + 1..armed.rip + armed.code_len as u64;
    (armed.active && armed.moved_at != 0 && inside.contains(&rip))
        .then(|| armed.moved_at + (rip - armed.rip))
}

/// The code is as it was.
pub fn disarm() {
    let armed = armed();
    if armed.active {
        armed.active = false;
        let _ = patch::store_protected(armed.rip, &armed.code[..armed.code_len], armed.prot);
    }
}

/// The place is found: the stop is re-enacted.
pub fn matched(task: &mut Task, context: &mut UContext) {
    let header = replay::next(task, &Header::default());
    if header.kind != Kind::Preempt as u8 {
        divergence::report(task, Reason::Kind, &header, &Header::default(), 0);
    }
    replay::take_turn(task, &header);
    log::consume(task, &header, |_, _| {});
    replay::after(task, context, true);
    context.mask = signals::real_mask(task.mask);
    context.regs.rip = patch::resume_at(context.regs.rip);
}
