//! Every line of assembly, and the layouts that the x86-64 kernel ABI fixes.
//!
//! What must already hold: nothing; this is the bottom. What it never does: decide anything.

pub mod frame;

use core::arch::{asm, global_asm};
use core::sync::atomic::AtomicU64;

use reenact_abi::map::PAGE;

/// Enters the kernel.
///
/// # Safety
/// As unsafe as the call itself: the kernel reads and writes memory as `nr` says.
#[inline(always)]
pub unsafe fn syscall(nr: u64, args: [u64; 6]) -> i64 {
    let ret: i64;
    // SAFETY: the instruction clobbers rcx and r11 only; memory effects are the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr as i64 => ret,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    ret
}

global_asm!(
    // The entry point: the kernel's stack pointer points at argc.
    ".globl reenact_start",
    ".type reenact_start, @function",
    "reenact_start:",
    ".cfi_startproc",
    ".cfi_undefined rip",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {start}",
    "ud2",
    ".cfi_endproc",
    // Signal frames of ours return through here. To a debugger this is what "called" the handler:
    // it finds the interrupted code's registers in the ucontext (arch/frame.rs), at which the stack
    // pointer points. Unwinders look up the byte before a return address, hence the `nop`.
    ".cfi_startproc",
    ".cfi_signal_frame",
    ".cfi_def_cfa rsp, 0",
    ".cfi_offset rip, 168",
    ".cfi_offset rsp, 160",
    ".cfi_offset rax, 144",
    ".cfi_offset rbx, 128",
    ".cfi_offset rcx, 152",
    ".cfi_offset rdx, 136",
    ".cfi_offset rsi, 112",
    ".cfi_offset rdi, 104",
    ".cfi_offset rbp, 120",
    ".cfi_offset r8, 40",
    ".cfi_offset r9, 48",
    ".cfi_offset r10, 56",
    ".cfi_offset r11, 64",
    ".cfi_offset r12, 72",
    ".cfi_offset r13, 80",
    ".cfi_offset r14, 88",
    ".cfi_offset r15, 96",
    "nop",
    ".globl reenact_restorer",
    ".type reenact_restorer, @function",
    "reenact_restorer:",
    "mov eax, 15",
    "syscall",
    "ud2",
    ".cfi_endproc",
    // See `interruptible`: r12 has the address of `pending`, r13 where to go on; the rest is as for the
    // call. A signal that arrives between the test and the kernel's entry moves rip to the abort label
    // (Valgrind and QEMU do the same), so no wake-up is lost.
    ".globl reenact_interruptible",
    ".type reenact_interruptible, @function",
    "reenact_interruptible:",
    ".cfi_startproc",
    ".cfi_def_cfa rsp, 0",
    ".cfi_register rip, r13",
    ".globl reenact_window_begin",
    "reenact_window_begin:",
    "cmp dword ptr [r12], 0",
    "jne reenact_window_abort",
    "syscall",
    ".globl reenact_window_end",
    "reenact_window_end:",
    "jmp r13",
    ".globl reenact_window_abort",
    "reenact_window_abort:",
    "mov rax, -512",
    "jmp r13",
    ".cfi_endproc",
    // guest_copy(to, from, len) -> bytes left: a fault inside ends the copy instead of the process.
    ".globl reenact_guest_copy",
    "reenact_guest_copy:",
    ".cfi_startproc",
    "mov rcx, rdx",
    "cmp rcx, 64",
    "ja reenact_guest_copy_at",
    // A few bytes: `rep movsb` takes longer to start than this takes in all. A word that faults is
    // taken up again byte by byte, so that the copy ends where it must.
    ".globl reenact_guest_words_at",
    "reenact_guest_words_at:",
    "cmp rcx, 16",
    "jb 3f",
    "movups xmm0, [rsi]",
    "movups [rdi], xmm0",
    "add rsi, 16",
    "add rdi, 16",
    "sub rcx, 16",
    "jmp reenact_guest_words_at",
    "3:",
    "cmp rcx, 8",
    "jb 2f",
    "mov rax, [rsi]",
    "mov [rdi], rax",
    "add rsi, 8",
    "add rdi, 8",
    "sub rcx, 8",
    ".globl reenact_guest_words_end",
    "reenact_guest_words_end:",
    "2:",
    "test rcx, rcx",
    "jz reenact_guest_copy_end",
    ".globl reenact_guest_copy_at",
    "reenact_guest_copy_at:",
    "rep movsb",
    ".globl reenact_guest_copy_end",
    "reenact_guest_copy_end:",
    "mov rax, rcx",
    "ret",
    ".cfi_endproc",
    // guest_touch(at) -> 0 if the byte can be written, which keeps its value; 1 if that faults. It is
    // memory that a call is about to write: nobody else may count on it.
    ".globl reenact_guest_touch",
    "reenact_guest_touch:",
    ".cfi_startproc",
    "mov eax, 1",
    ".globl reenact_guest_touch_at",
    "reenact_guest_touch_at:",
    "or byte ptr [rdi], 0",
    "xor eax, eax",
    ".globl reenact_guest_touch_end",
    "reenact_guest_touch_end:",
    "ret",
    ".cfi_endproc",
    // guest_store_pair(to, first, second) -> 0, or 1 if that faults.
    ".globl reenact_guest_store_pair",
    "reenact_guest_store_pair:",
    ".cfi_startproc",
    "mov eax, 1",
    ".globl reenact_guest_store_pair_at",
    "reenact_guest_store_pair_at:",
    "mov [rdi], rsi",
    "mov [rdi + 8], rdx",
    "xor eax, eax",
    ".globl reenact_guest_store_pair_end",
    "reenact_guest_store_pair_end:",
    "ret",
    ".cfi_endproc",
    // enter(sp, ip): leave for the program's first instruction with the registers that execve gives.
    ".globl reenact_enter",
    "reenact_enter:",
    "mov rsp, rdi",
    "mov r11, rsi",
    "xor eax, eax",
    "xor ebx, ebx",
    "xor ecx, ecx",
    "xor edx, edx",
    "xor esi, esi",
    "xor edi, edi",
    "xor ebp, ebp",
    "xor r8d, r8d",
    "xor r9d, r9d",
    "xor r10d, r10d",
    "xor r12d, r12d",
    "xor r13d, r13d",
    "xor r14d, r14d",
    "xor r15d, r15d",
    "xorps xmm0, xmm0",
    "xorps xmm1, xmm1",
    "xorps xmm2, xmm2",
    "xorps xmm3, xmm3",
    "xorps xmm4, xmm4",
    "xorps xmm5, xmm5",
    "xorps xmm6, xmm6",
    "xorps xmm7, xmm7",
    "xorps xmm8, xmm8",
    "xorps xmm9, xmm9",
    "xorps xmm10, xmm10",
    "xorps xmm11, xmm11",
    "xorps xmm12, xmm12",
    "xorps xmm13, xmm13",
    "xorps xmm14, xmm14",
    "xorps xmm15, xmm15",
    "jmp r11",
    // on_stack(sp, function, argument): run the rest on another stack; never returns.
    ".globl reenact_on_stack",
    "reenact_on_stack:",
    "mov rsp, rdi",
    "xor ebp, ebp",
    "mov rdi, rdx",
    "call rsi",
    "ud2",
    // sigreturn(frame): restore the context that a signal frame at `frame` describes.
    ".globl reenact_sigreturn",
    "reenact_sigreturn:",
    "mov rsp, rdi",
    "mov eax, 15",
    "syscall",
    "ud2",
    // Where the stub of a rewritten call site leads: the number of the site is on the task's own stack,
    // the target's stack pointer in PATCHED. Everything that `patched` may change is kept in a
    // `PatchedFrame`, and all but the result (rax) and what the instruction itself changes (rcx, r11) is
    // given back. `patched` comes back by a jump, as it is entered by one: kernels that guard their returns
    // leave the CPU with none of ours to predict, and each `ret` behind a system call then costs as much as
    // thirty instructions.
    ".globl reenact_patched_entry",
    ".type reenact_patched_entry, @function",
    "reenact_patched_entry:",
    ".cfi_startproc",
    ".cfi_def_cfa rsp, 8",
    "pushfq",
    "cld",
    "sub rsp, 560",
    // The caller is the target: CFA is its stack pointer, at rsp + 416, its address at rsp + 424.
    ".cfi_escape 0x0f, 0x04, 0x77, 0xa0, 0x03, 0x06",
    ".cfi_escape 0x10, 0x10, 0x03, 0x77, 0xa8, 0x03",
    // rbx, rbp and r12 to r15, which `patched` changes, are kept at rsp + 384, 376, and from 328 on.
    ".cfi_escape 0x10, 0x03, 0x03, 0x77, 0x80, 0x03",
    ".cfi_escape 0x10, 0x06, 0x03, 0x77, 0xf8, 0x02",
    ".cfi_escape 0x10, 0x0c, 0x03, 0x77, 0xc8, 0x02",
    ".cfi_escape 0x10, 0x0d, 0x03, 0x77, 0xd0, 0x02",
    ".cfi_escape 0x10, 0x0e, 0x03, 0x77, 0xd8, 0x02",
    ".cfi_escape 0x10, 0x0f, 0x03, 0x77, 0xe0, 0x02",
    "movaps [rsp], xmm0",
    "movaps [rsp + 16], xmm1",
    "movaps [rsp + 32], xmm2",
    "movaps [rsp + 48], xmm3",
    "movaps [rsp + 64], xmm4",
    "movaps [rsp + 80], xmm5",
    "movaps [rsp + 96], xmm6",
    "movaps [rsp + 112], xmm7",
    "movaps [rsp + 128], xmm8",
    "movaps [rsp + 144], xmm9",
    "movaps [rsp + 160], xmm10",
    "movaps [rsp + 176], xmm11",
    "movaps [rsp + 192], xmm12",
    "movaps [rsp + 208], xmm13",
    "movaps [rsp + 224], xmm14",
    "movaps [rsp + 240], xmm15",
    "mov [rsp + 296], r8",
    "mov [rsp + 304], r9",
    "mov [rsp + 312], r10",
    "mov [rsp + 328], r12",
    "mov [rsp + 336], r13",
    "mov [rsp + 344], r14",
    "mov [rsp + 352], r15",
    "mov [rsp + 360], rdi",
    "mov [rsp + 368], rsi",
    "mov [rsp + 376], rbp",
    "mov [rsp + 384], rbx",
    "mov [rsp + 392], rdx",
    "mov [rsp + 400], rax",
    "mov rdi, rsp",
    // What looks like a return address is one to debuggers alone.
    "lea rax, [rip + reenact_patched_exit]",
    "push rax",
    "jmp {patched}",
    "nop",
    ".globl reenact_patched_exit",
    "reenact_patched_exit:",
    "movaps xmm0, [rsp]",
    "movaps xmm1, [rsp + 16]",
    "movaps xmm2, [rsp + 32]",
    "movaps xmm3, [rsp + 48]",
    "movaps xmm4, [rsp + 64]",
    "movaps xmm5, [rsp + 80]",
    "movaps xmm6, [rsp + 96]",
    "movaps xmm7, [rsp + 112]",
    "movaps xmm8, [rsp + 128]",
    "movaps xmm9, [rsp + 144]",
    "movaps xmm10, [rsp + 160]",
    "movaps xmm11, [rsp + 176]",
    "movaps xmm12, [rsp + 192]",
    "movaps xmm13, [rsp + 208]",
    "movaps xmm14, [rsp + 224]",
    "movaps xmm15, [rsp + 240]",
    "mov r8, [rsp + 296]",
    "mov r9, [rsp + 304]",
    "mov r10, [rsp + 312]",
    "mov r11, [rsp + 320]",
    "mov r12, [rsp + 328]",
    "mov r13, [rsp + 336]",
    "mov r14, [rsp + 344]",
    "mov r15, [rsp + 352]",
    "mov rdi, [rsp + 360]",
    "mov rsi, [rsp + 368]",
    "mov rbp, [rsp + 376]",
    "mov rbx, [rsp + 384]",
    "mov rdx, [rsp + 392]",
    "mov rcx, [rsp + 408]",
    // `popfq` takes longer than all of the above. What programs have set but for the results of
    // arithmetic is the interrupt flag and the bit that is always one; OF is made by an addition.
    "mov eax, [rsp + 560]",
    "test eax, 0xfffff528",
    "jnz 2f",
    "shl eax, 4",
    "shr ah, 7",
    "mov al, ah",
    "add al, 127",
    "mov ah, [rsp + 560]",
    "sahf",
    "mov rax, [rsp + 400]",
    "mov rsp, [rip + {state} + 0]",
    "jmp [rip + {state} + 16]",
    "2:",
    "mov rax, [rsp + 400]",
    "lea rsp, [rsp + 560]",
    "popfq",
    "mov rsp, [rip + {state} + 0]",
    "jmp [rip + {state} + 16]",
    ".cfi_endproc",
    // clone(nr, args: *const [u64; 6], child_sp, function, argument) -> i64
    // The child starts in `function(argument)` on `child_sp`; the parent gets the kernel's result.
    ".globl reenact_clone",
    "reenact_clone:",
    ".cfi_startproc",
    "push rbx",
    ".cfi_adjust_cfa_offset 8",
    "push r12",
    ".cfi_adjust_cfa_offset 8",
    "push r13",
    ".cfi_adjust_cfa_offset 8",
    "mov rax, rdi",
    "mov r11, rsi",
    "mov rbx, rdx",
    "mov r12, rcx",
    "mov r13, r8",
    "mov rdi, [r11]",
    "mov rsi, [r11 + 8]",
    "mov rdx, [r11 + 16]",
    "mov r10, [r11 + 24]",
    "mov r8, [r11 + 32]",
    "mov r9, [r11 + 40]",
    "syscall",
    "test rax, rax",
    "jz 2f",
    "pop r13",
    ".cfi_adjust_cfa_offset -8",
    "pop r12",
    ".cfi_adjust_cfa_offset -8",
    "pop rbx",
    ".cfi_adjust_cfa_offset -8",
    "ret",
    "2:",
    "mov rsp, rbx",
    "xor ebp, ebp",
    "mov rdi, r13",
    "call r12",
    "ud2",
    ".cfi_endproc",
    start = sym crate::start,
    patched = sym crate::intercept::patched,
    state = sym PATCHED,
);

/// What the stubs of rewritten sites and the code behind them share. One per address space is enough:
/// of the tasks in it only the one that holds the turn runs code of the target.
#[repr(C)]
pub struct Patched {
    /// The target's stack pointer.
    pub rsp: AtomicU64,
    /// The stack that a stub changes to: that of the running task.
    pub stack: AtomicU64,
    /// Where the target goes on.
    pub resume: AtomicU64,
    /// Address of the code that stubs jump to.
    pub entry: AtomicU64,
}

pub static PATCHED: Patched = Patched {
    rsp: AtomicU64::new(0),
    stack: AtomicU64::new(0),
    resume: AtomicU64::new(0),
    entry: AtomicU64::new(0),
};

/// What the code that looks for a stop compares with.
pub static PREEMPT: crate::preempt::Shared = crate::preempt::Shared {
    rax: AtomicU64::new(0),
    rcx: AtomicU64::new(0),
    registers: [const { AtomicU64::new(0) }; 16],
    words: [const { AtomicU64::new(0) }; crate::preempt::WORDS],
};

/// What the code that counts passes of loops uses.
pub static LOOPS: crate::loops::Shared = crate::loops::Shared {
    rax: AtomicU64::new(0),
    rcx: AtomicU64::new(0),
    limit: AtomicU64::new(u64::MAX),
    passes: [const { AtomicU64::new(0) }; crate::loops::LOOPS_MAX],
};

/// What `reenact_patched_entry` keeps on the task's stack.
#[repr(C)]
pub struct PatchedFrame {
    pub vectors: [u128; 16],
    /// Of which only what the entry stored is valid: all but r11, rcx, rsp, rip and the flags.
    pub context: frame::UContext,
    pub flags: u64,
    pub site: u64,
}

const _: () = {
    use core::mem::offset_of;
    let regs = offset_of!(PatchedFrame, context) + offset_of!(frame::UContext, regs);
    assert!(offset_of!(PatchedFrame, flags) == 560 && offset_of!(PatchedFrame, site) == 568);
    assert!(regs + offset_of!(frame::Registers, r8) == 296);
    assert!(regs + offset_of!(frame::Registers, r11) == 320);
    assert!(regs + offset_of!(frame::Registers, r12) == 328);
    assert!(regs + offset_of!(frame::Registers, r15) == 352);
    assert!(regs + offset_of!(frame::Registers, rdi) == 360);
    assert!(regs + offset_of!(frame::Registers, rbp) == 376);
    assert!(regs + offset_of!(frame::Registers, rbx) == 384);
    assert!(regs + offset_of!(frame::Registers, rdx) == 392);
    assert!(regs + offset_of!(frame::Registers, rcx) == 408);
    assert!(regs + offset_of!(frame::Registers, rsp) == 416);
    assert!(offset_of!(Patched, resume) == 16);
};

/// The address that stubs jump to.
pub fn patched_entry() -> u64 {
    reenact_patched_entry as *const () as u64
}

extern "C" {
    pub fn reenact_restorer();
    fn reenact_interruptible();
    fn reenact_window_begin();
    fn reenact_window_end();
    fn reenact_window_abort();
    fn reenact_guest_copy(to: *mut u8, from: *const u8, len: usize) -> usize;
    fn reenact_guest_words_at();
    fn reenact_guest_words_end();
    fn reenact_guest_copy_at();
    fn reenact_guest_copy_end();
    fn reenact_guest_touch(at: *mut u8) -> u32;
    fn reenact_guest_touch_at();
    fn reenact_guest_touch_end();
    fn reenact_guest_store_pair(to: *mut u64, first: u64, second: u64) -> u32;
    fn reenact_guest_store_pair_at();
    fn reenact_guest_store_pair_end();
    fn reenact_patched_entry();
    fn reenact_patched_exit() -> !;
    fn reenact_enter(sp: u64, ip: u64) -> !;
    fn reenact_on_stack(sp: u64, function: extern "C" fn(u64) -> !, argument: u64) -> !;
    fn reenact_sigreturn(frame: u64) -> !;
    fn reenact_clone(
        nr: u64,
        args: *const [u64; 6],
        child_sp: u64,
        function: extern "C" fn(u64) -> !,
        argument: u64,
    ) -> i64;
    static __executable_start: u8;
    static etext: u8;
}

/// The result of [`interruptible`] when a signal came first: the call has not begun.
pub const NOT_ENTERED: i64 = -512;

/// Enters the kernel unless `*pending` is set; a signal handler may abort it up to the last moment.
///
/// # Safety
/// As [`syscall`].
#[inline(always)]
pub unsafe fn interruptible(pending: *const u32, nr: u64, args: &[u64; 6]) -> i64 {
    let ret: i64;
    // SAFETY: as `syscall`; r13 is where the code that is jumped to goes on.
    unsafe {
        asm!(
            "lea r13, [rip + 2f]",
            "jmp {enter}",
            "2:",
            enter = sym reenact_interruptible,
            inlateout("rax") nr as i64 => ret,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            in("r12") pending, out("r13") _,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    ret
}

/// Goes on in the target, with what `kept` has.
///
/// # Safety
/// `kept` must be what `reenact_patched_entry` gave to `patched`, which calls this; nothing on the stack
/// below it is used any more.
#[inline(always)]
pub unsafe fn leave_patched(kept: *mut PatchedFrame) -> ! {
    // SAFETY: forwarded promise.
    unsafe {
        asm!("mov rsp, {kept}", "jmp {exit}", kept = in(reg) kept, exit = sym reenact_patched_exit,
             options(noreturn))
    }
}

/// Where a signal handler must send an interrupted task, if `rip` is inside the window.
pub fn window_abort(rip: u64) -> Option<u64> {
    let inside = (reenact_window_begin as *const () as u64..reenact_window_end as *const () as u64)
        .contains(&rip);
    inside.then_some(reenact_window_abort as *const () as u64)
}

/// Where a fault handler must send a task whose copy from or to the target's memory faulted.
pub fn copy_fixup(rip: u64) -> Option<u64> {
    let words =
        reenact_guest_words_at as *const () as u64..reenact_guest_words_end as *const () as u64;
    let pair = reenact_guest_store_pair_at as *const () as u64
        ..reenact_guest_store_pair_end as *const () as u64;
    if rip == reenact_guest_copy_at as *const () as u64 {
        Some(reenact_guest_copy_end as *const () as u64)
    } else if words.contains(&rip) {
        Some(reenact_guest_copy_at as *const () as u64)
    } else if rip == reenact_guest_touch_at as *const () as u64 {
        Some(reenact_guest_touch_end as *const () as u64)
    } else if pair.contains(&rip) {
        Some(reenact_guest_store_pair_end as *const () as u64)
    } else {
        None
    }
}

/// Stores two words; false if they cannot be.
///
/// # Safety
/// Whatever of `to` is mapped and writable must be the target's or the caller's own.
#[inline(always)]
pub unsafe fn store_pair(to: u64, [first, second]: [u64; 2]) -> bool {
    // SAFETY: the fault handler ends a store that faults.
    unsafe { reenact_guest_store_pair(to as *mut u64, first, second) == 0 }
}

/// Can this byte be written? It keeps its value.
///
/// # Safety
/// If it is mapped and writable it must be the target's or the caller's own.
pub unsafe fn touch(at: u64) -> bool {
    // SAFETY: an OR with zero changes nothing; the fault handler ends one that faults.
    unsafe { reenact_guest_touch(at as *mut u8) == 0 }
}

/// Copies memory that may not be there; returns the bytes that were not copied.
///
/// # Safety
/// Whatever of `to` is mapped and writable must be the target's or the caller's own.
pub unsafe fn copy(to: u64, from: u64, len: usize) -> usize {
    // SAFETY: a fault at the copying instruction is turned into a short count by the fault handler.
    unsafe { reenact_guest_copy(to as *mut u8, from as *const u8, len) }
}

/// # Safety
/// `sp` and `ip` must be a program's initial stack and entry point.
pub unsafe fn enter(sp: u64, ip: u64) -> ! {
    // SAFETY: forwarded promise.
    unsafe { reenact_enter(sp, ip) }
}

/// # Safety
/// `sp` must be the 16-byte aligned end of an unused stack.
pub unsafe fn on_stack(sp: u64, function: extern "C" fn(u64) -> !, argument: u64) -> ! {
    // SAFETY: forwarded promise.
    unsafe { reenact_on_stack(sp, function, argument) }
}

/// # Safety
/// `frame` must be the address of a well-formed `struct ucontext` (what a signal handler's stack
/// pointer points at once the return address is popped).
pub unsafe fn sigreturn(frame: u64) -> ! {
    // SAFETY: forwarded promise.
    unsafe { reenact_sigreturn(frame) }
}

/// # Safety
/// As clone(2); `child_sp` must be the end of a stack that the child alone will use.
pub unsafe fn clone(
    nr: u64,
    args: &[u64; 6],
    child_sp: u64,
    function: extern "C" fn(u64) -> !,
    argument: u64,
) -> i64 {
    // SAFETY: forwarded promise.
    unsafe { reenact_clone(nr, args, child_sp, function, argument) }
}

/// First byte and length of the shim's text, which alone may enter the kernel.
pub fn text_range() -> (u64, u64) {
    let begin = &raw const __executable_start as u64;
    let end = &raw const etext as u64;
    (begin, (end - begin + 4095) & !4095)
}

/// A segment of the shim's image, in memory and in its file. It begins with a page.
#[derive(Clone, Copy)]
pub struct Segment {
    pub writable: bool,
    pub executable: bool,
    pub start: u64,
    /// Bytes that come from the file.
    pub len: u64,
    pub offset: u64,
}

/// The loaded segments of the image (the symbols, too: see launch/build.rs).
pub fn segments() -> impl Iterator<Item = Segment> {
    const PT_LOAD: u32 = 1;
    const EXECUTE: u32 = 1;
    const WRITE: u32 = 2;
    let header = &raw const __executable_start;
    // SAFETY: the image begins with its ELF header, whose program headers lie in the same page.
    let (first, size, count) = unsafe {
        let first = header.add((header.add(32) as *const u64).read() as usize);
        let [size, count] = [54, 56].map(|at| (header.add(at) as *const u16).read() as usize);
        (first, size, count)
    };
    (0..count).filter_map(move |index| {
        // SAFETY: as above.
        let (kind, flags, [offset, start, len]) = unsafe {
            let at = first.add(index * size);
            let word = |offset: usize| (at.add(offset) as *const u64).read();
            let half = |offset: usize| (at.add(offset) as *const u32).read();
            (half(0), half(4), [word(8), word(16), word(32)])
        };
        let within = start & (PAGE - 1);
        (kind == PT_LOAD).then(|| Segment {
            writable: flags & WRITE != 0,
            executable: flags & EXECUTE != 0,
            start: start - within,
            len: len + within,
            offset: offset - within,
        })
    })
}

/// Runs CPUID; outside any net, so it must not fault here.
pub fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let out = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    [out.eax, out.ebx, out.ecx, out.edx]
}

/// The stack pointer, to find the running task's block.
#[inline(always)]
pub fn stack_pointer() -> u64 {
    let sp: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// The C memory functions that compiled Rust calls; there is no C library to bring them.
#[cfg(not(test))]
mod memory {
    use core::arch::asm;

    /// From here on `rep movsb` and `rep stosb` pay for their start.
    const LONG: usize = 256;

    #[no_mangle]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        // SAFETY: the C contract of memcpy. The last word may overlap the one before.
        unsafe {
            if len > LONG {
                asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
                     options(nostack, preserves_flags));
            } else if len >= 16 {
                asm!("2:",
                     "movups {v}, [{from} + {at}]",
                     "movups [{to} + {at}], {v}",
                     "add {at}, 16",
                     "cmp {at}, {last}",
                     "jb 2b",
                     "movups {v}, [{from} + {last}]",
                     "movups [{to} + {last}], {v}",
                     v = out(xmm_reg) _, at = inout(reg) 0usize => _, last = in(reg) len - 16,
                     to = in(reg) to, from = in(reg) from, options(nostack));
            } else {
                asm!("cmp {len}, 8", "jb 3f",
                     "mov {word}, [{from}]", "mov [{to}], {word}",
                     "mov {word}, [{from} + {len} - 8]", "mov [{to} + {len} - 8], {word}",
                     "jmp 4f",
                     "3:", "test {len}, {len}", "jz 4f",
                     "mov {word:l}, [{from} + {len} - 1]", "mov [{to} + {len} - 1], {word:l}",
                     "dec {len}", "jmp 3b",
                     "4:",
                     word = out(reg_abcd) _, len = inout(reg) len => _,
                     to = in(reg) to, from = in(reg) from, options(nostack));
            }
        }
        to
    }

    #[no_mangle]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        let distance = (to as usize).abs_diff(from as usize);
        if distance >= len {
            // SAFETY: the C contract of memcpy.
            return unsafe { memcpy(to, from, len) };
        }
        if to.cast_const() < from {
            // SAFETY: the C contract of memmove; byte by byte, each is read before it is overwritten.
            unsafe {
                asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
                     options(nostack, preserves_flags));
            }
            return to;
        }
        // SAFETY: the C contract of memmove; the direction flag is restored.
        unsafe {
            asm!("std", "rep movsb", "cld",
                 inout("rdi") to.add(len).wrapping_sub(1) => _,
                 inout("rsi") from.add(len).wrapping_sub(1) => _,
                 inout("rcx") len => _, options(nostack));
        }
        to
    }

    #[no_mangle]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
        let word = u64::from(byte as u8) * 0x0101_0101_0101_0101;
        // SAFETY: the C contract of memset; the last word may overlap the one before.
        unsafe {
            if !(8..=LONG).contains(&len) {
                asm!("rep stosb", inout("rdi") to => _, in("al") byte as u8, inout("rcx") len => _,
                     options(nostack, preserves_flags));
            } else {
                asm!("2:",
                     "mov [{to} + {at}], {word}",
                     "add {at}, 8",
                     "cmp {at}, {last}",
                     "jb 2b",
                     "mov [{to} + {last}], {word}",
                     at = inout(reg) 0usize => _, last = in(reg) len - 8,
                     to = in(reg) to, word = in(reg) word, options(nostack));
            }
        }
        to
    }

    #[no_mangle]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        let mut at = 0;
        while at < len {
            // SAFETY: the C contract of memcmp; volatile reads keep this loop from becoming a call to itself.
            let (x, y) = unsafe { (a.add(at).read_volatile(), b.add(at).read_volatile()) };
            if x != y {
                return i32::from(x) - i32::from(y);
            }
            at += 1;
        }
        0
    }

    #[no_mangle]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        // SAFETY: forwarded contract.
        unsafe { memcmp(a, b, len) }
    }

    #[no_mangle]
    unsafe extern "C" fn strlen(s: *const u8) -> usize {
        let mut len = 0;
        // SAFETY: the C contract of strlen.
        while unsafe { s.add(len).read_volatile() } != 0 {
            len += 1;
        }
        len
    }
}

/// The time-stamp counter, whatever is still being carried out.
#[inline(always)]
pub fn cycles() -> u64 {
    // SAFETY: reads a machine register.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The time-stamp counter once all before is done, and TSC_AUX.
pub fn tsc() -> (u64, u64) {
    let mut aux = 0u32;
    // SAFETY: reads two machine registers.
    let counter = unsafe { core::arch::x86_64::__rdtscp(&mut aux) };
    (counter, u64::from(aux))
}
