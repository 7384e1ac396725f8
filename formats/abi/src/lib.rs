//! What the freestanding shim and the two commands agree on, in one place.
//!
//! Nothing here allocates, depends on anything or touches the machine: constants, plain
//! `repr(C)` data and the syscall table. The shim (no_std) and the commands (std) both link it,
//! so a fact about a syscall or a byte offset is written down once.
#![no_std]
#![deny(unsafe_code)]

pub mod arena;
pub mod event;
pub mod map;
pub mod mark;
pub mod names;
pub mod syscalls;
pub mod timens;

/// Environment entry that carries the launch parameters over `execve` into the shim. The shim
/// removes it before the target can see it. See [`arena::Boot`] for the value.
pub const BOOT_ENV: &str = "REENACT_BOOT=";

/// Bumped whenever any layout in this crate changes: shim and command must agree exactly.
pub const ABI_VERSION: u32 = 2;
