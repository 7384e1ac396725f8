//! How long an x86-64 instruction is, and whether two bytes are one.
//!
//! Enough of the opcode maps (Intel SDM volume 2, appendix A) to walk code. What this never does:
//! guess; an encoding that it does not know has no length.

/// An instruction, as far as its shape goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub len: usize,
    /// Opcode map (0: one byte, 1: 0f, 2: 0f38, 3: 0f3a; vector maps likewise) and opcode.
    pub map: u8,
    pub opcode: u8,
    /// Position of the ModRM byte; 0: it has none.
    pub modrm: usize,
    pub rex: u8,
    /// 0x64 or 0x65: relative to fs or gs.
    pub segment: u8,
    /// Encoded with VEX or EVEX, whose register extensions are not told.
    pub vector: bool,
    /// REP or REPNE in front.
    pub repeated: bool,
    /// LOCK in front.
    pub locked: bool,
}

/// The instruction at the start of `code`; `None` for what is none or does not fit.
pub fn decode(code: &[u8]) -> Option<Instruction> {
    let mut at = 0;
    let mut short = false;
    let mut address_32 = false;
    let mut found = Instruction {
        len: 0,
        map: 0,
        opcode: 0,
        modrm: 0,
        rex: 0,
        segment: 0,
        vector: false,
        repeated: false,
        locked: false,
    };
    loop {
        match *code.get(at)? {
            0x66 => short = true,
            0x67 => address_32 = true,
            0xf2 | 0xf3 => found.repeated = true,
            segment @ (0x64 | 0x65) => found.segment = segment,
            0xf0 => found.locked = true,
            0x2e | 0x36 | 0x3e | 0x26 => {}
            _ => break,
        }
        at += 1;
    }
    let mut opcode = *code.get(at)?;
    if opcode & 0xf0 == 0x40 {
        found.rex = opcode;
        at += 1;
        opcode = *code.get(at)?;
    }
    let wide = found.rex & 8 != 0;
    at += 1;
    let full = if short && !wide { 2 } else { 4 };
    found.opcode = opcode;
    let (modrm, immediate) = match opcode {
        0x0f => {
            found.opcode = *code.get(at)?;
            found.map = 1;
            at += 1;
            match found.opcode {
                0x38 | 0x3a => {
                    found.map = if found.opcode == 0x38 { 2 } else { 3 };
                    found.opcode = *code.get(at)?;
                    at += 1;
                    (true, usize::from(found.map == 3))
                }
                second => two_byte(second)?,
            }
        }
        // VEX: two or three bytes, then an opcode of the maps 0f, 0f38 and 0f3a. EVEX has three.
        0xc5 | 0xc4 | 0x62 => {
            found.vector = true;
            (found.map, at) = match opcode {
                0xc5 => (1, at + 1),
                0xc4 => (*code.get(at)? & 0x1f, at + 2),
                _ => (*code.get(at)? & 7, at + 3),
            };
            found.opcode = *code.get(at)?;
            at += 1;
            vector(found.map, found.opcode)?
        }
        0xa0..=0xa3 => (false, if address_32 { 4 } else { 8 }),
        0xb8..=0xbf => (false, if wide { 8 } else { full }),
        0xf6 | 0xf7 => {
            let tests = *code.get(at)? & 0x30 == 0;
            let size = if opcode == 0xf6 { 1 } else { full };
            (true, if tests { size } else { 0 })
        }
        _ => one_byte(opcode, full)?,
    };
    if modrm {
        found.modrm = at;
        at += operand(&code[at.min(code.len())..])?;
    }
    found.len = at + immediate;
    (found.len <= 15 && found.len <= code.len()).then_some(found)
}

/// Bytes of the instruction at the start of `code`.
pub fn length(code: &[u8]) -> Option<usize> {
    decode(code).map(|found| found.len)
}

impl Instruction {
    /// Does it change memory in one piece with reading it? Locks are taken and given back so.
    pub fn is_atomic(&self, code: &[u8]) -> bool {
        let exchanges = self.map == 0 && matches!(self.opcode, 0x86 | 0x87) && !self.vector;
        self.locked || exchanges && code[self.modrm] >> 6 != 3
    }

    /// Position of the displacement if the operand is relative to the instruction pointer.
    pub fn relative_operand(&self, code: &[u8]) -> Option<usize> {
        (self.modrm != 0 && code[self.modrm] & 0xc7 == 0x05).then_some(self.modrm + 1)
    }

    /// Address of the memory operand. `registers` are in the order of their numbers in encodings
    /// (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15); `next` is the address behind.
    pub fn address(&self, code: &[u8], registers: &[u64; 16], next: u64) -> Option<u64> {
        if self.modrm == 0 || self.vector || code[self.modrm] >> 6 == 3 {
            return None;
        }
        let extended = |bit: u8, low: u8| {
            let high = if self.rex & bit != 0 { 8 } else { 0 };
            usize::from(low & 7) + high
        };
        let (mode, rm) = (code[self.modrm] >> 6, code[self.modrm] & 7);
        let mut at = self.modrm + 1;
        let mut sum = 0u64;
        let mut wide = mode == 2;
        if rm == 4 {
            let sib = code[at];
            at += 1;
            let index = extended(2, sib >> 3);
            if index != 4 {
                sum = registers[index] << (sib >> 6);
            }
            if sib & 7 == 5 && mode == 0 {
                wide = true;
            } else {
                sum = sum.wrapping_add(registers[extended(1, sib)]);
            }
        } else if mode == 0 && rm == 5 {
            wide = true;
            sum = next;
        } else {
            sum = registers[extended(1, rm)];
        }
        let distance = if wide {
            let bytes = code.get(at..at + 4)?;
            i64::from(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        } else if mode == 1 {
            i64::from(*code.get(at)? as i8)
        } else {
            0
        };
        Some(sum.wrapping_add(distance as u64))
    }
}

/// Is there a ModRM byte, and how many bytes of immediate follow?
fn one_byte(opcode: u8, full: usize) -> Option<(bool, usize)> {
    Some(match opcode {
        0x00..=0x3f => match opcode & 7 {
            0..=3 => (true, 0),
            4 => (false, 1),
            5 => (false, full),
            _ => return None,
        },
        0x50..=0x5f | 0x6c..=0x6f | 0x90..=0x99 | 0x9b..=0x9f => (false, 0),
        0x63 | 0x84..=0x8e => (true, 0),
        0x68 => (false, full),
        0x69 | 0x81 | 0xc7 => (true, full),
        0x6a | 0x70..=0x7f | 0xa8 | 0xb0..=0xb7 | 0xcd | 0xe0..=0xe7 | 0xeb => (false, 1),
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => (true, 1),
        0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xfe | 0xff => (true, 0),
        0xa4..=0xa7 | 0xaa..=0xaf | 0xc3 | 0xc9 | 0xcb | 0xcc | 0xcf | 0xd7 => (false, 0),
        0xa9 => (false, full),
        0xc2 | 0xca => (false, 2),
        0xc8 => (false, 3),
        // Near branches take 32 bits whatever the prefix says.
        0xe8 | 0xe9 => (false, 4),
        0xec..=0xef | 0xf1 | 0xf4 | 0xf5 | 0xf8..=0xfd => (false, 0),
        _ => return None,
    })
}

fn two_byte(opcode: u8) -> Option<(bool, usize)> {
    Some(match opcode {
        0x05..=0x09 | 0x0b | 0x30..=0x35 | 0x37 | 0x77 | 0xa0..=0xa2 | 0xa8..=0xaa => (false, 0),
        0xc8..=0xcf => (false, 0),
        0x80..=0x8f => (false, 4),
        0x0f | 0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => (true, 1),
        0x04 | 0x0a | 0x0c | 0x0e | 0x24..=0x27 | 0x36 | 0x39 | 0x3b..=0x3f | 0x7a | 0x7b => {
            return None;
        }
        0xa6 | 0xa7 => return None,
        _ => (true, 0),
    })
}

fn vector(map: u8, opcode: u8) -> Option<(bool, usize)> {
    match map {
        1 if opcode == 0x77 => Some((false, 0)),
        1 => Some((
            true,
            usize::from(matches!(opcode, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6)),
        )),
        2 | 5 | 6 => Some((true, 0)),
        3 => Some((true, 1)),
        _ => None,
    }
}

/// Bytes of ModRM, SIB and displacement.
fn operand(code: &[u8]) -> Option<usize> {
    let modrm = *code.first()?;
    let (mode, rm) = (modrm >> 6, modrm & 7);
    if mode == 3 {
        return Some(1);
    }
    let mut size = 1;
    let mut base = rm;
    if rm == 4 {
        base = *code.get(1)? & 7;
        size += 1;
    }
    Some(match mode {
        0 if base == 5 => size + 4,
        0 => size,
        1 => size + 1,
        _ => size + 4,
    })
}

/// What can be said of bytes that look like RDTSC or RDTSCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Instruction,
    /// They belong to other instructions, or to data.
    Other,
    Unknown,
}

/// Bytes around a candidate that a verdict is taken from.
pub const BEFORE: usize = 96;
pub const BEHIND: usize = 40;

/// Looks at the candidate at `at` of `code`, `size` bytes long. Two independent signs must agree:
/// walks that begin at many places before it all come past it, and what follows takes the counter out
/// of eax, or joins its halves (shl $32, %rdx). Data among code shows by bytes that are no instruction.
pub fn judge(code: &[u8], at: usize, size: usize) -> Verdict {
    let (hits, misses, broken) = walks(code, at);
    let behind = &code[at + size..(at + size + BEHIND).min(code.len())];
    let (joined, taken) = takes_counter(&code[next_of(code, at + size)..]);
    // A walk through code seldom ends: only those that fell into step wrongly do.
    let data = broken * 4 > hits + misses || !decodes(behind);
    if agreed(hits, misses) && (joined || taken) {
        Verdict::Instruction
    } else if !joined && (agreed(misses, hits) || data && !taken) {
        Verdict::Other
    } else {
        Verdict::Unknown
    }
}

/// Is the candidate at `at` a CPUID for certain? Two of three signs must agree: walks come past it; eax or ecx
/// are set right before it; and one of the instructions behind it uses a register that it sets. Walks that begin
/// in the constants of code, which may hold text, come past anything.
pub fn is_cpuid(code: &[u8], at: usize) -> bool {
    let behind = &code[at + 2..(at + 2 + BEHIND).min(code.len())];
    if !is_code(behind) {
        return false;
    }
    let (hits, misses, broken) = walks(code, at);
    let walked = agreed(hits, misses) && broken * 4 <= hits + misses;
    match (is_prepared(&code[..at]), takes_identity(behind)) {
        // Unless they are a constant of an instruction, whose code is to be written somewhere.
        (true, true) => !agreed(misses, hits),
        (prepared, taken) => walked && (prepared || taken),
    }
}

/// Does the code end with instructions of which one sets eax or ecx, as somebody does who asks for a leaf?
fn is_prepared(before: &[u8]) -> bool {
    /// Bytes that are looked at.
    const NEAR: usize = 20;
    let end = before.len();
    (end.saturating_sub(NEAR)..end).any(|start| {
        let mut at = start;
        while at < end {
            match length(&before[at..]) {
                Some(len) => at += len,
                None => return false,
            }
        }
        at == end && sets_leaf(&before[start..])
    })
}

/// Does the code begin with an instruction that puts the number of a leaf, or a register, into eax or ecx?
fn sets_leaf(code: &[u8]) -> bool {
    const LEAVES: u32 = 64;
    /// Those of the CPU, of hypervisors, and extended ones.
    const FIRST: [u32; 4] = [0, 0x4000_0000, 0x8000_0000, 0xc000_0000];
    match *code {
        [0xb8 | 0xb9, a, b, c, d, ..] => {
            let leaf = u32::from_le_bytes([a, b, c, d]);
            FIRST.iter().any(|first| leaf.wrapping_sub(*first) < LEAVES)
        }
        // xor of either with itself; mov of a register to it.
        [0x31 | 0x33, 0xc0 | 0xc9, ..] => true,
        [0x40 | 0x44, 0x89, modrm, ..] | [0x89, modrm, ..] => {
            modrm >= 0xc0 && matches!(modrm & 7, 0 | 1)
        }
        [0x40 | 0x41, 0x8b, modrm, ..] | [0x8b, modrm, ..] => {
            modrm >= 0xc0 && matches!(modrm >> 3 & 7, 0 | 1)
        }
        _ => false,
    }
}

/// Walks that begin at many places before `at`: how many come to it, past it, and to neither.
fn walks(code: &[u8], at: usize) -> (u32, u32, u32) {
    /// Walks need some way to fall into step.
    const SETTLED: usize = 32;
    let (mut hits, mut misses, mut broken) = (0u32, 0u32, 0u32);
    for start in at.saturating_sub(BEFORE)..at.saturating_sub(SETTLED) {
        let mut position = start;
        while position < at {
            match code.get(position..).and_then(length) {
                Some(len) => position += len,
                None => break,
            }
        }
        if position == at {
            hits += 1;
        } else if position > at {
            misses += 1;
        } else {
            broken += 1;
        }
    }
    (hits, misses, broken)
}

fn agreed(mine: u32, other: u32) -> bool {
    mine >= 8 && other * 20 <= mine
}

/// Does one of the next instructions use eax, ebx, ecx or edx as they are?
fn takes_identity(behind: &[u8]) -> bool {
    let mut at = 0;
    for _ in 0..6 {
        let Some(next) = behind.get(at..).and_then(decode) else {
            return false;
        };
        let modrm = (next.modrm != 0).then(|| behind[at + next.modrm]);
        let (reg, rm) = modrm.map_or((8, 8), |byte| (byte >> 3 & 7, byte & 7));
        let is_register = modrm.is_some_and(|byte| byte >= 0xc0);
        let takes = match (next.map, next.opcode) {
            // mov, xchg, test, add, sub, or, and, xor, cmp with a register as its source.
            (0, 0x88 | 0x89 | 0x87 | 0x85 | 0x01 | 0x29 | 0x09 | 0x21 | 0x31 | 0x39) => {
                next.rex & 4 == 0 && reg < 4
            }
            // The same to a register, and with a constant; shifts, tests of bits, widening, to a vector.
            (0, 0x8b | 0x03 | 0x2b | 0x0b | 0x23 | 0x33 | 0x3b)
            | (0, 0x81 | 0x83 | 0xc1 | 0xd1 | 0xd3 | 0xf7)
            | (1, 0xa3 | 0xba | 0xb6 | 0xb7 | 0x6e) => is_register && next.rex & 1 == 0 && rm < 4,
            // Of single bytes: ah, ch, dh and bh, too.
            (0, 0x80 | 0xc0 | 0xd0 | 0xf6) => is_register && next.rex & 1 == 0,
            // and, or, xor, sub, cmp, test of eax with a constant; xchg with eax.
            (0, 0x25 | 0x0d | 0x35 | 0x2d | 0x3d | 0xa9 | 0x91..=0x97) => true,
            (0, 0x24 | 0x0c | 0x34 | 0x2c | 0x3c | 0xa8) => true,
            _ => false,
        };
        if takes {
            return true;
        }
        at += next.len;
    }
    false
}

/// Where code goes on from `at`, behind a short jump if there is one.
fn next_of(code: &[u8], at: usize) -> usize {
    let target = match code[at.min(code.len())..] {
        [0xeb, distance, ..] => at
            .wrapping_add(2)
            .wrapping_add_signed(distance as i8 as isize),
        _ => at,
    };
    target.min(code.len())
}

/// Are the halves of the counter joined soon, and is its lower half taken at once?
fn takes_counter(behind: &[u8]) -> (bool, bool) {
    const JOIN: [u8; 4] = [0x48, 0xc1, 0xe2, 0x20];
    let behind = &behind[..behind.len().min(BEHIND)];
    let joined = behind.windows(JOIN.len()).any(|bytes| bytes == JOIN);
    let mut at = 0;
    for _ in 0..3 {
        let Some(len) = behind.get(at..).and_then(length) else {
            break;
        };
        // mov %eax, to a register or to memory.
        let bare = match behind[at] {
            0x40..=0x4f => &behind[at + 1..],
            _ => &behind[at..],
        };
        if matches!(bare, [0x89, modrm, ..] if modrm & 0x38 == 0) {
            return (joined, true);
        }
        at += len;
    }
    (joined, false)
}

/// Is it a row of instructions, up to the last that may be cut?
fn decodes(code: &[u8]) -> bool {
    is_row(code, |_| true)
}

/// The same, and is none of them `add %al, (%rax)`, which nobody writes and data is full of?
fn is_code(code: &[u8]) -> bool {
    is_row(code, |instruction| !instruction.starts_with(&[0, 0]))
}

fn is_row(code: &[u8], is_likely: impl Fn(&[u8]) -> bool) -> bool {
    let mut at = 0;
    while at + 15 <= code.len() {
        match length(&code[at..]).filter(|_| is_likely(&code[at..])) {
            Some(len) => at += len,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_manual() {
        let known: &[(&[u8], usize)] = &[
            (&[0x90], 1),
            (&[0x48, 0x89, 0xe5], 3),
            (&[0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0], 8),
            (&[0x8b, 0x44, 0x24, 0x10], 4),
            (&[0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8], 10),
            (&[0x66, 0xb8, 1, 2], 4),
            (&[0xb8, 1, 2, 3, 4], 5),
            (&[0x0f, 0x31], 2),
            (&[0x0f, 0x01, 0xf9], 3),
            (&[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], 10),
            (&[0xe8, 1, 2, 3, 4], 5),
            (&[0x66, 0x48, 0xe8, 1, 2, 3, 4], 7),
            (&[0x0f, 0x84, 1, 2, 3, 4], 6),
            (&[0xf6, 0xc1, 1], 3),
            (&[0xf7, 0xd8], 2),
            (&[0xf7, 0x04, 0x24, 1, 2, 3, 4], 7),
            (&[0xc5, 0xf8, 0x77], 3),
            (&[0xc5, 0xfd, 0x6f, 0x07], 4),
            (&[0xc4, 0xe3, 0x7d, 0x39, 0xc1, 0x01], 6),
            (&[0x62, 0xf1, 0x7c, 0x48, 0x10, 0x47, 0x01], 7),
            (&[0x66, 0x0f, 0x3a, 0x0f, 0xc1, 8], 6),
            (&[0xf3, 0x0f, 0x1e, 0xfa], 4),
            (&[0x48, 0x8d, 0x05, 1, 2, 3, 4], 7),
            (&[0xc8, 1, 2, 3], 4),
            (&[0x0f, 0x05], 2),
        ];
        for (code, len) in known {
            assert_eq!(length(code), Some(*len), "{code:x?}");
            assert_eq!(length(&code[..len - 1]), None, "{code:x?} cut");
        }
    }

    #[test]
    fn nonsense_has_no_length() {
        assert_eq!(length(&[]), None);
        assert_eq!(length(&[0x06]), None);
        assert_eq!(length(&[0x66; 20]), None);
    }

    #[test]
    fn operands_are_where_the_registers_say() {
        let mut registers = [0; 16];
        for (number, register) in registers.iter_mut().enumerate() {
            *register = 0x1000 * (number as u64 + 1);
        }
        let at = |code: &[u8]| decode(code).unwrap().address(code, &registers, 0x900);
        // mov 0x10(%rsp), %eax; mov (%rdi,%rcx,8), %rax; mov -8(%r13), %rax; add $1, 0x20(%rip)
        assert_eq!(at(&[0x8b, 0x44, 0x24, 0x10]), Some(0x5010));
        assert_eq!(at(&[0x48, 0x8b, 0x04, 0xcf]), Some(0x8000 + 0x10000));
        assert_eq!(at(&[0x49, 0x8b, 0x45, 0xf8]), Some(0xe000 - 8));
        assert_eq!(at(&[0x83, 0x05, 0x20, 0, 0, 0, 1]), Some(0x920));
        // mov %eax, 0x601000; mov %rsp, %rbp
        assert_eq!(at(&[0x89, 0x04, 0x25, 0, 0x10, 0x60, 0]), Some(0x60_1000));
        assert_eq!(at(&[0x48, 0x89, 0xe5]), None);
    }

    fn among(code: &[u8]) -> (Vec<u8>, usize) {
        let mut all = vec![];
        while all.len() < BEFORE + 8 {
            all.extend_from_slice(&[0x48, 0x89, 0xe5, 0x8b, 0x44, 0x24, 0x10]);
        }
        let at = all.len();
        all.extend_from_slice(code);
        all.extend_from_slice(&[0x90; BEHIND]);
        (all, at)
    }

    #[test]
    fn a_cpuid_is_known_by_both_signs() {
        // cpuid; mov %ebx, %esi; then one behind which nothing takes what it gave, and a constant like it.
        let (code, at) = among(&[0x0f, 0xa2, 0x89, 0xde]);
        assert!(is_cpuid(&code, at));
        // mov %r8d, %r9d; ret
        let (code, at) = among(&[0x0f, 0xa2, 0x45, 0x89, 0xc1, 0xc3]);
        assert!(!is_cpuid(&code, at));
        let (code, at) = among(&[0xb8, 0x0f, 0xa2, 0, 0, 0x89, 0xde]);
        assert!(!is_cpuid(&code, at + 1));
    }

    #[test]
    fn a_leaf_right_before_tells_a_cpuid() {
        assert!(is_prepared(&[0x90, 0xb8, 1, 0, 0, 0]));
        assert!(is_prepared(&[0xb8, 0x08, 0, 0, 0x80, 0x53]));
        assert!(is_prepared(&[0x31, 0xc0, 0x48, 0x89, 0xde]));
        assert!(is_prepared(&[0x44, 0x89, 0xe0]));
        assert!(!is_prepared(&[0xb8, 1, 0, 0x12, 0]));
        assert!(!is_prepared(&[0x31, 0xd2, 0x48, 0x89, 0xde]));
        // Behind text, which walks do not come through.
        let mut code =
            b"AuthenticAMD, GenuineIntel, and what else there is that is no code ".repeat(2);
        code.extend_from_slice(&[0xb8, 1, 0, 0, 0]);
        let at = code.len();
        code.extend_from_slice(&[0x0f, 0xa2, 0x41, 0x89, 0xde]);
        code.extend_from_slice(&[0x90; BEHIND]);
        assert!(is_cpuid(&code, at));
        code[at - 2] = 0x12;
        assert!(!is_cpuid(&code, at));
    }

    #[test]
    fn a_read_of_the_counter_is_known_by_both_signs() {
        let (code, at) = among(&[0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20]);
        assert_eq!(judge(&code, at, 2), Verdict::Instruction);
        let (code, at) = among(&[0x0f, 0x31, 0x41, 0x89, 0xc0]);
        assert_eq!(judge(&code, at, 2), Verdict::Instruction);
        let (code, at) = among(&[0x0f, 0x31, 0xc3]);
        assert_eq!(judge(&code, at, 2), Verdict::Unknown);
        // mov $0x310f, %eax
        let (code, at) = among(&[0xb8, 0x0f, 0x31, 0, 0]);
        assert_eq!(judge(&code, at + 1, 2), Verdict::Other);
    }
}
