//! Signal frames as the x86-64 kernel writes and reads them (arch/x86/include/uapi/asm/sigcontext.h,
//! asm-generic/siginfo.h).

use reenact_abi::map::PAGE;

/// `struct sigaltstack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct AltStack {
    pub sp: u64,
    pub flags: i32,
    pub pad: u32,
    pub size: u64,
}

impl AltStack {
    pub const DISABLED: AltStack = AltStack {
        sp: 0,
        flags: SS_DISABLE,
        pad: 0,
        size: 0,
    };

    /// Is `sp` on this stack?
    pub fn holds(&self, sp: u64) -> bool {
        sp > self.sp && sp - self.sp <= self.size
    }
}

pub const SS_ONSTACK: i32 = 1;
pub const SS_DISABLE: i32 = 2;
pub const SS_AUTODISARM: i32 = 1 << 31;

/// `struct sigcontext_64`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Registers {
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rsp: u64,
    pub rip: u64,
    pub eflags: u64,
    /// cs, gs, fs and ss, 16 bits each.
    pub segments: u64,
    pub err: u64,
    pub trapno: u64,
    pub oldmask: u64,
    pub cr2: u64,
    /// Address of the floating-point state.
    pub fpstate: u64,
    pub reserved: [u64; 8],
}

/// `struct ucontext`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct UContext {
    pub flags: u64,
    pub link: u64,
    pub stack: AltStack,
    pub regs: Registers,
    pub mask: u64,
}

/// `struct siginfo`, of which only the head is typed.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct SigInfo {
    pub bytes: [u8; 128],
}

impl SigInfo {
    pub const ZERO: SigInfo = SigInfo { bytes: [0; 128] };

    fn int(&self, at: usize) -> i32 {
        i32::from_le_bytes([
            self.bytes[at],
            self.bytes[at + 1],
            self.bytes[at + 2],
            self.bytes[at + 3],
        ])
    }
    pub fn code(&self) -> i32 {
        self.int(8)
    }
    /// `si_addr` of a fault, `si_call_addr` of a SIGSYS.
    pub fn addr(&self) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.bytes[16..24]);
        u64::from_le_bytes(word)
    }
    /// `si_syscall` of a SIGSYS.
    pub fn syscall(&self) -> i32 {
        self.int(24)
    }
}

/// What the kernel pushes for a handler: the return address, then these.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SignalFrame {
    pub restorer: u64,
    pub context: UContext,
    pub info: SigInfo,
}

const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
/// Offsets in the FXSAVE image: software-reserved bytes, and the XSAVE header behind it.
const SW_RESERVED: u64 = 464;
/// Where the software-reserved bytes name the components that the kernel stored.
pub const FEATURES: u64 = SW_RESERVED + 8;
pub const XSAVE_HEADER: u64 = 512;
pub const FXSAVE_SIZE: u64 = 512;
pub const MXCSR: u64 = 24;

/// Bytes of the floating-point state at `fpstate`, trailing magic included.
///
/// # Safety
/// `fpstate` must be what the kernel put into a signal frame.
pub unsafe fn fpstate_size(fpstate: u64) -> u64 {
    if fpstate == 0 {
        return 0;
    }
    // SAFETY: the kernel wrote at least the 512 bytes of the legacy image.
    let (magic, size) = unsafe {
        (
            *((fpstate + SW_RESERVED) as *const u32),
            *((fpstate + SW_RESERVED + 4) as *const u32),
        )
    };
    if magic == FP_XSTATE_MAGIC1 {
        u64::from(size).min(4 * PAGE)
    } else {
        FXSAVE_SIZE
    }
}

/// Does the state at `fpstate` hold xmm registers? If the CPU calls them unused they are zero, and what lies in
/// their place is whatever was there.
///
/// # Safety
/// `fpstate` must be what the kernel put into a signal frame.
pub unsafe fn has_vectors(fpstate: u64) -> bool {
    const SSE: u64 = 2;
    // SAFETY: the kernel wrote the legacy image, and where it says so the header behind it.
    unsafe {
        *((fpstate + SW_RESERVED) as *const u32) != FP_XSTATE_MAGIC1
            || *((fpstate + XSAVE_HEADER) as *const u64) & SSE != 0
    }
}

/// x86 flags that the kernel clears before it runs a handler.
pub const HANDLER_CLEARS: u64 = 0x400 | 0x1_0000 | 0x100;

const _: () = assert!(core::mem::size_of::<Registers>() == 256);
const _: () = assert!(core::mem::size_of::<UContext>() == 304);
const _: () = assert!(core::mem::size_of::<SignalFrame>() == 440);
