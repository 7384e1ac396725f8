//! Marks: what a program says about itself while Reenact records it.
//!
//! ```
//! let table = b"id 1, id 2";
//! reenact_marks::phase("load");
//! reenact_marks::note("two rows came");
//! reenact_marks::checksum("table", table);
//! ```
//!
//! A reader of the recording sees them, and a replay compares them: a checksum that differs is
//! reported by its name. Outside of a recording each is one system call that fails harmlessly, and on
//! other systems than Linux on x86-64 it is nothing.
//!
//! This crate has no dependencies, needs no standard library, and never fails, allocates or waits.
#![no_std]

/// Options of prctl. They stand in Reenact's table of calls, too; its tests run this crate.
const CHECKSUM: u32 = 0x524e_4d01;
const NOTE: u32 = 0x524e_4d02;
const PHASE: u32 = 0x524e_4d03;

/// The state that is called `name` has these bytes at this point. Recorded is a 64-bit checksum of them,
/// which the recorder makes: fast, and not meant to withstand somebody who seeks a collision.
#[inline]
pub fn checksum(name: &str, bytes: &[u8]) {
    mark(CHECKSUM, name, bytes);
}

/// A text for whoever reads the recording; the first 1,024 bytes are kept.
#[inline]
pub fn note(text: &str) {
    mark(NOTE, text, &[]);
}

/// What follows belongs to the phase of this name.
#[inline]
pub fn phase(name: &str) {
    mark(PHASE, name, &[]);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[inline]
fn mark(option: u32, text: &str, bytes: &[u8]) {
    const PRCTL: usize = 157;
    // SAFETY: the kernel knows no such option: it looks at no argument and returns EINVAL. A recorder
    // reads what the two slices hold. The instruction changes rax, rcx and r11 only.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") PRCTL => _,
            in("rdi") u64::from(option),
            in("rsi") text.as_ptr(),
            in("rdx") text.len(),
            in("r10") bytes.as_ptr(),
            in("r8") bytes.len(),
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, readonly),
        );
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[inline]
fn mark(_option: u32, _text: &str, _bytes: &[u8]) {}
