//! CPUID for the target: asked of the CPU once per session and leaf.
//!
//! The target is told of no instruction whose result nobody could record, so that it does without.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{self, CpuidEntry, CPUIDS_MAX};
use reenact_abi::map;

use crate::arch;
use crate::intercept::net;
use crate::nr;
use crate::sys::{call, check};
use crate::task::{mm, Task};

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

/// Where no CPUID can be caught, code that is made at run time gets the CPU's own answer, in which cores
/// differ by their numbers. A task that has just made memory executable therefore makes its next calls
/// on the first core that it may use, in recording and in replay: virtual machines ask the CPU as soon as
/// they have a place for the question.
pub struct Staying {
    /// Calls that the task has left to make there; 0: it runs where it likes.
    calls: u32,
    /// The cores that it may use otherwise.
    cores: [u64; CORES / 64],
}

/// Cores that a mask has room for.
const CORES: usize = 1024;
/// Calls that a task makes on one core, and how often a program's code is new.
const CALLS: u32 = 32;
const TIMES: u32 = 8;

/// The running task has made memory executable that is no file's.
pub fn made_code() {
    let task = Task::current();
    let times = &mut mm().times_stayed;
    if task.detached || *times >= TIMES || net::can_trap_cpuid() {
        return;
    }
    *times += 1;
    let staying = &mut task.staying;
    let bytes = size_of_val(&staying.cores);
    if staying.calls == 0 {
        let at = staying.cores.as_mut_ptr() as u64;
        // SAFETY: the kernel writes the mask.
        if check(unsafe { call(nr::SCHED_GETAFFINITY, [0, bytes as u64, at]) }).is_err() {
            return;
        }
    }
    let Some((at, word)) = (staying.cores.iter().enumerate()).find(|(_, word)| **word != 0) else {
        return;
    };
    let mut first = [0; CORES / 64];
    first[at] = word & word.wrapping_neg();
    if run_on(&first) {
        staying.calls = CALLS;
    }
}

/// The task is about to make a call, which `ends` its stay: cores are asked for, say, or inherited.
#[inline(always)]
pub fn calls(task: &mut Task, ends: bool) {
    if task.staying.calls != 0 {
        stay_for_less(&mut task.staying, ends);
    }
}

#[cold]
fn stay_for_less(staying: &mut Staying, ends: bool) {
    staying.calls = if ends { 0 } else { staying.calls - 1 };
    if staying.calls == 0 {
        run_on(&staying.cores);
    }
}

fn run_on(cores: &[u64; CORES / 64]) -> bool {
    let args = [0, size_of_val(cores) as u64, cores.as_ptr() as u64];
    // SAFETY: the kernel reads the mask.
    check(unsafe { call(nr::SCHED_SETAFFINITY, args) }).is_ok()
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
