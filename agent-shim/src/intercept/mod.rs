//! Catching what the target does: system calls (the net), faults, RDTSC and CPUID.

pub mod cpuid;
pub mod net;
pub mod trap;
