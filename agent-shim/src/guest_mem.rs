//! The only place where the target's pointers are followed.
//!
//! A pointer of the target is an allegation: every access here may fault, and says so instead of
//! killing the process. Nothing else in the shim dereferences an address that it was given.

use core::mem::MaybeUninit;

use crate::arch;
use crate::sys::{Errno, Result};

/// Copies out of the target; the number of bytes that could be read.
pub fn read(from: u64, into: &mut [u8]) -> usize {
    // SAFETY: the destination is a slice of ours; a faulting source ends the copy.
    into.len() - unsafe { arch::copy(into.as_mut_ptr() as u64, from, into.len()) }
}

/// Room for bytes of the target, which costs nothing until they are there.
pub struct Block<const LEN: usize>(MaybeUninit<[u8; LEN]>);

impl<const LEN: usize> Block<LEN> {
    #[inline(always)]
    pub fn new() -> Block<LEN> {
        Block(MaybeUninit::uninit())
    }

    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        LEN
    }

    /// Copies up to `want` bytes out of the target: those that could be read.
    #[inline(always)]
    pub fn read(&mut self, from: u64, want: usize) -> &[u8] {
        self.read_mut(from, want)
    }

    /// The same, to be changed.
    #[inline(always)]
    pub fn read_mut(&mut self, from: u64, want: usize) -> &mut [u8] {
        let want = want.min(LEN);
        let at = self.0.as_mut_ptr() as *mut u8;
        // SAFETY: the destination is ours and has `want` bytes, of which all but `left` are written.
        unsafe {
            let left = arch::copy(at as u64, from, want);
            core::slice::from_raw_parts_mut(at, want - left)
        }
    }
}

/// Copies into the target; the number of bytes that could be written.
pub fn write(to: u64, from: &[u8]) -> usize {
    if overlaps_shim(to, from.len() as u64) {
        return 0;
    }
    // SAFETY: the destination is the target's own memory, or faults and ends the copy.
    from.len() - unsafe { arch::copy(to, from.as_ptr() as u64, from.len()) }
}

/// Copies from the target to memory of ours (a ring) that is not a slice.
///
/// # Safety
/// `to..to + len` must be writable memory of the shim's.
pub unsafe fn read_raw(from: u64, to: u64, len: usize) -> usize {
    // SAFETY: forwarded promise.
    len - unsafe { arch::copy(to, from, len) }
}

/// Copies memory of ours (or of the target) to the target's; the number of bytes that could be.
///
/// # Safety
/// `from..from + len` must be readable memory of the shim's, or the target's.
pub unsafe fn copy_back(to: u64, from: u64, len: u64) -> u64 {
    if overlaps_shim(to, len) {
        return 0;
    }
    // SAFETY: forwarded promise; a faulting destination ends the copy.
    len - unsafe { arch::copy(to, from, len as usize) } as u64
}

/// Can the target's byte be written? It keeps its value.
pub fn writable(at: u64) -> bool {
    // SAFETY: a byte of the target's own, or a fault, which says no.
    !overlaps_shim(at, 1) && unsafe { arch::touch(at) }
}

/// Does a range touch memory that belongs to the shim?
pub fn overlaps_shim(addr: u64, len: u64) -> bool {
    reenact_abi::map::is_ours(addr, len)
}

/// A plain value out of the target's memory.
pub fn get<T: Plain>(from: u64) -> Result<T> {
    let mut value = T::ZERO;
    let size = core::mem::size_of::<T>();
    // SAFETY: any bytes are a valid T, and the copy is bounded by its size.
    let left = unsafe { arch::copy(&raw mut value as u64, from, size) };
    if left == 0 {
        Ok(value)
    } else {
        Err(Errno::EFAULT)
    }
}

/// Stores a plain value into the target's memory.
pub fn put<T: Plain>(to: u64, value: T) -> Result<()> {
    let size = core::mem::size_of::<T>();
    if overlaps_shim(to, size as u64) {
        return Err(Errno::EFAULT);
    }
    // SAFETY: the destination is the target's own memory, or faults and ends the copy.
    let left = unsafe { arch::copy(to, &raw const value as u64, size) };
    if left == 0 {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

/// Stores two words into the target's memory.
#[inline(always)]
pub fn put_pair(to: u64, words: [u64; 2]) -> Result<()> {
    // SAFETY: the destination is the target's own memory, or faults and ends the store.
    if !overlaps_shim(to, 16) && unsafe { arch::store_pair(to, words) } {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

/// Copies a NUL-terminated string without its NUL; the bytes read, or why not.
pub fn string(from: u64, into: &mut [u8]) -> Result<&[u8]> {
    let mut have = 0;
    while have < into.len() {
        // Read up to the end of a page at a time: the next one may not exist.
        let to_page_end = 4096 - ((from + have as u64) & 4095) as usize;
        let want = to_page_end.min(into.len() - have);
        let got = read(from + have as u64, &mut into[have..have + want]);
        if let Some(nul) = into[have..have + got].iter().position(|byte| *byte == 0) {
            return Ok(&into[..have + nul]);
        }
        have += got;
        if got < want {
            return Err(Errno::EFAULT);
        }
    }
    Err(Errno::ENAMETOOLONG)
}

/// Length of a NUL-terminated string, at most `max`.
pub fn string_len(from: u64, max: usize) -> Result<usize> {
    let mut block = Block::<256>::new();
    let mut have = 0usize;
    while have < max {
        let to_page_end = 4096 - ((from + have as u64) & 4095) as usize;
        let want = to_page_end.min(block.len());
        let bytes = block.read(from + have as u64, want);
        if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
            return Ok(have + nul);
        }
        have += bytes.len();
        if bytes.len() < want {
            return Err(Errno::EFAULT);
        }
    }
    Ok(max)
}

/// Types for which any bytes are a value.
///
/// # Safety
/// The implementor must have no padding that matters and no invalid bit patterns.
pub unsafe trait Plain: Copy {
    const ZERO: Self;
}

macro_rules! plain {
    ($($kind:ty => $zero:expr),* $(,)?) => {
        $(
            // SAFETY: integers and structures of integers.
            unsafe impl Plain for $kind {
                const ZERO: Self = $zero;
            }
        )*
    };
}

/// `struct iovec`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Iovec {
    pub base: u64,
    pub len: u64,
}

/// `struct msghdr`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Msghdr {
    pub name: u64,
    pub name_len: u32,
    pub pad: u32,
    pub iov: u64,
    pub iov_len: u64,
    pub control: u64,
    pub control_len: u64,
    pub flags: i32,
    pub pad2: u32,
}

/// `struct mmsghdr`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Mmsghdr {
    pub header: Msghdr,
    pub len: u32,
    pub pad: u32,
}

plain! {
    u8 => 0,
    u16 => 0,
    u32 => 0,
    i32 => 0,
    u64 => 0,
    i64 => 0,
    [u64; 2] => [0; 2],
    [u64; 11] => [0; 11],
    Iovec => Iovec { base: 0, len: 0 },
    Msghdr => Msghdr { name: 0, name_len: 0, pad: 0, iov: 0, iov_len: 0, control: 0, control_len: 0, flags: 0, pad2: 0 },
    Mmsghdr => Mmsghdr {
        header: Msghdr { name: 0, name_len: 0, pad: 0, iov: 0, iov_len: 0, control: 0, control_len: 0, flags: 0, pad2: 0 },
        len: 0,
        pad: 0,
    },
    crate::sys::SigAction => crate::sys::SigAction::DEFAULT,
    crate::arch::frame::AltStack => crate::arch::frame::AltStack { sp: 0, flags: 0, pad: 0, size: 0 },
    crate::arch::frame::SigInfo => crate::arch::frame::SigInfo::ZERO,
    crate::arch::frame::UContext => crate::arch::frame::UContext {
        flags: 0,
        link: 0,
        stack: crate::arch::frame::AltStack { sp: 0, flags: 0, pad: 0, size: 0 },
        regs: crate::arch::frame::Registers {
            r8: 0, r9: 0, r10: 0, r11: 0, r12: 0, r13: 0, r14: 0, r15: 0, rdi: 0, rsi: 0, rbp: 0, rbx: 0,
            rdx: 0, rax: 0, rcx: 0, rsp: 0, rip: 0, eflags: 0, segments: 0, err: 0, trapno: 0, oldmask: 0,
            cr2: 0, fpstate: 0, reserved: [0; 8],
        },
        mask: 0,
    },
    crate::arch::frame::SignalFrame => crate::arch::frame::SignalFrame {
        restorer: 0,
        context: <crate::arch::frame::UContext as Plain>::ZERO,
        info: crate::arch::frame::SigInfo::ZERO,
    },
}

/// Memory of the target is hashed in blocks of so many bytes.
const BLOCK: usize = 1024;

/// A running hash of bytes: fast, not cryptographic; equality of inputs is all it must tell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub u64);

impl Hash {
    pub const NEW: Hash = Hash(0x9e37_79b9_7f4a_7c15);
    const MULTIPLIER: u64 = 0xa076_1d64_78bd_642f;

    fn mix(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * u128::from(Hash::MULTIPLIER);
        self.0 = (wide as u64 ^ (wide >> 64) as u64)
            .rotate_left(23)
            .wrapping_add(word);
    }

    pub fn word(&mut self, word: u64) {
        self.mix(word);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(word));
        self.mix(bytes.len() as u64);
    }

    /// Hashes bytes as [`Hash::guest`] does.
    pub fn blocks(&mut self, bytes: &[u8]) {
        bytes.chunks(BLOCK).for_each(|block| self.bytes(block));
    }

    /// Hashes memory of the target; what cannot be read counts by its absence.
    pub fn guest(&mut self, from: u64, len: u64) {
        let mut block = Block::<BLOCK>::new();
        let mut done = 0u64;
        while done < len {
            let want = (len - done).min(block.len() as u64) as usize;
            let bytes = block.read(from + done, want);
            self.bytes(bytes);
            let got = bytes.len();
            done += got as u64;
            if got < want {
                self.mix(u64::MAX);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Hash;

    fn hash(bytes: &[u8]) -> u64 {
        let mut hash = Hash::NEW;
        hash.bytes(bytes);
        hash.0
    }

    #[test]
    fn a_hash_tells_apart_what_differs_by_one_bit_or_one_length() {
        let base = [7u8; 100];
        for byte in 0..base.len() {
            for bit in 0..8 {
                let mut other = base;
                other[byte] ^= 1 << bit;
                assert_ne!(hash(&base), hash(&other));
            }
        }
        assert_ne!(hash(&[0; 8]), hash(&[0; 9]));
        assert_ne!(hash(b""), hash(&[0]));
    }
}
