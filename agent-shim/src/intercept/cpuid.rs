//! CPUID for the target: asked of the CPU once per session and leaf.
//!
//! The target is told of no instruction whose result nobody could record, so that it does without.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{self, CpuidEntry, CPUIDS_MAX};
use reenact_abi::map;

use crate::arch;
use crate::intercept::net;

const FREE: u32 = 0;
const BUSY: u32 = 1;
const READY: u32 = 2;

fn entry(index: usize) -> &'static CpuidEntry {
    // SAFETY: the table is part of the control mapping; the index is in bounds.
    unsafe { &*((map::CONTROL + arena::CPUIDS) as *const CpuidEntry).add(index % CPUIDS_MAX) }
}

/// eax, ebx, ecx and edx of a leaf.
pub fn answer(leaf: u32, subleaf: u32) -> [u32; 4] {
    let hash = (leaf.wrapping_mul(0x9e37_79b9) ^ subleaf.wrapping_mul(0x85eb_ca6b)) >> 16;
    for probe in 0..8 {
        let entry = entry(hash as usize + probe);
        match entry
            .state
            .compare_exchange(FREE, BUSY, Ordering::SeqCst, Ordering::SeqCst)
        {
            Ok(_) => {
                let values = ask(leaf, subleaf);
                entry.leaf.store(leaf, Ordering::Relaxed);
                entry.subleaf.store(subleaf, Ordering::Relaxed);
                for (slot, value) in entry.values.iter().zip(values) {
                    slot.store(value, Ordering::Relaxed);
                }
                entry.state.store(READY, Ordering::Release);
                return values;
            }
            Err(READY)
                if entry.leaf.load(Ordering::Relaxed) == leaf
                    && entry.subleaf.load(Ordering::Relaxed) == subleaf =>
            {
                return [0, 1, 2, 3]
                    .map(|index: usize| entry.values[index].load(Ordering::Relaxed));
            }
            Err(_) => {}
        }
    }
    ask(leaf, subleaf)
}

fn ask(leaf: u32, subleaf: u32) -> [u32; 4] {
    net::trap_cpuid(false);
    let values = arch::cpuid(leaf, subleaf);
    net::trap_cpuid(true);
    without_chance(leaf, subleaf, values)
}

/// Hides what gives another result each time and cannot be caught (Intel SDM volume 2, CPUID; AMD64
/// manual volume 3, appendix E).
fn without_chance(leaf: u32, subleaf: u32, [eax, mut ebx, mut ecx, edx]: [u32; 4]) -> [u32; 4] {
    const RDRAND: u32 = 1 << 30;
    /// Transactions end whenever an interrupt comes: HLE and RTM.
    const TRANSACTIONS: u32 = 1 << 4 | 1 << 11;
    const RDSEED: u32 = 1 << 18;
    /// The number of the core.
    const RDPID: u32 = 1 << 22;
    /// TPAUSE and UMWAIT tell whether time ran out.
    const WAITPKG: u32 = 1 << 5;
    /// RDPRU: counters of cycles.
    const RDPRU: u32 = 1 << 4;
    match (leaf, subleaf) {
        (1, _) => ecx &= !RDRAND,
        (7, 0) => {
            ebx &= !(TRANSACTIONS | RDSEED);
            ecx &= !(RDPID | WAITPKG);
        }
        (0x8000_0008, _) => ebx &= !RDPRU,
        _ => {}
    }
    [eax, ebx, ecx, edx]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_hidden_and_nothing_else() {
        let all = [u32::MAX; 4];
        let hidden = |leaf, subleaf| without_chance(leaf, subleaf, all).map(|word| !word);
        assert_eq!(hidden(0, 0), [0; 4]);
        assert_eq!(hidden(1, 0), [0, 0, 0x4000_0000, 0]);
        assert_eq!(hidden(7, 0), [0, 0x0004_0810, 0x0040_0020, 0]);
        assert_eq!(hidden(7, 1), [0; 4]);
        assert_eq!(hidden(0x8000_0008, 0), [0, 0x10, 0, 0]);
    }
}
