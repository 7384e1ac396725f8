//! Instructions that give way to a jump: which can, and how they are carried out elsewhere.
//!
//! What this never does: write to the target's code. Its callers do.

use crate::guest_mem;
use crate::intercept::decode::{self, Instruction};
use crate::returns;
use crate::task::mm;

/// Bytes of code that a window may span, with all its instructions.
pub const WINDOW_MAX: usize = 24;

/// Bytes of a jump.
pub const JUMP: usize = 5;

/// The jump that leads from one place to another, if it reaches so far.
pub fn jump(from: u64, to: u64) -> Option<[u8; JUMP]> {
    let distance = i32::try_from(to.wrapping_sub(from + JUMP as u64) as i64).ok()?;
    let mut bytes = [0xe9, 0, 0, 0, 0];
    bytes[1..].copy_from_slice(&distance.to_le_bytes());
    Some(bytes)
}

/// Machine code in the making.
pub struct Code {
    pub bytes: [u8; 4096],
    pub at: usize,
    base: u64,
    /// False once something did not fit.
    pub whole: bool,
}

impl Code {
    /// Code that is to stand at `base`.
    pub fn at(base: u64) -> Code {
        Code {
            bytes: [0xcc; 4096],
            at: 0,
            base,
            whole: true,
        }
    }

    pub fn put(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.at..self.at + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.at += bytes.len();
            }
            None => self.whole = false,
        }
    }

    pub fn word(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    /// Keeps rax at an address, and the flags in rax.
    pub fn keep_flags(&mut self, rax: u32) {
        // mov %rax, rax; lahf; seto %al
        self.put(&[0x48, 0x89, 0x04, 0x25]);
        self.word(rax);
        self.put(&[0x9f, 0x0f, 0x90, 0xc0]);
    }

    /// Undoes that.
    pub fn restore_flags(&mut self, rax: u32) {
        // add $0x7f, %al; sahf; mov rax, %rax
        self.put(&[0x04, 0x7f, 0x9e, 0x48, 0x8b, 0x04, 0x25]);
        self.word(rax);
    }

    /// jne to somewhere that is known later; position of its distance.
    pub fn jump_not_equal(&mut self) -> usize {
        self.put(&[0x0f, 0x85, 0, 0, 0, 0]);
        self.at - 4
    }

    /// jb, likewise.
    pub fn jump_below(&mut self) -> usize {
        self.put(&[0x0f, 0x82, 0, 0, 0, 0]);
        self.at - 4
    }

    /// The jump whose distance stands at `position` leads here.
    pub fn land(&mut self, position: usize) {
        let distance = (self.at as i64 - (position as i64 + 4)) as i32;
        if let Some(room) = self.bytes.get_mut(position..position + 4) {
            room.copy_from_slice(&distance.to_le_bytes());
        }
    }

    /// Writes instructions that stood at `from` so that they do here what they did there, and a jump
    /// to what follows them.
    pub fn relocate(&mut self, code: &[u8], from: u64) -> bool {
        let mut done = 0;
        while done < code.len() {
            let Some(next) = decode::decode(&code[done..]) else {
                return false;
            };
            let bytes = &code[done..done + next.len];
            let behind = from + (done + next.len) as u64;
            match branch(&next, bytes, behind) {
                Some(target) => {
                    match (next.map, next.opcode) {
                        (0, 0xe9 | 0xeb) => self.put(&[0xe9]),
                        (_, opcode) => self.put(&[0x0f, 0x80 | opcode & 0x0f]),
                    }
                    if !self.distance(target) {
                        return false;
                    }
                }
                None => {
                    let start = self.at;
                    self.put(bytes);
                    if let Some(at) = next.relative_operand(bytes) {
                        let old = i64::from(i32::from_le_bytes([
                            bytes[at],
                            bytes[at + 1],
                            bytes[at + 2],
                            bytes[at + 3],
                        ]));
                        let target = behind.wrapping_add(old as u64);
                        let here = self.base + (start + next.len) as u64;
                        let Ok(distance) = i32::try_from(target.wrapping_sub(here) as i64) else {
                            return false;
                        };
                        self.bytes[start + at..start + at + 4]
                            .copy_from_slice(&distance.to_le_bytes());
                    }
                }
            }
            done += next.len;
        }
        self.put(&[0xe9]);
        self.distance(from + code.len() as u64)
    }

    fn distance(&mut self, target: u64) -> bool {
        let here = self.base + self.at as u64 + 4;
        match i32::try_from(target.wrapping_sub(here) as i64) {
            Ok(distance) => {
                self.put(&distance.to_le_bytes());
                true
            }
            Err(_) => false,
        }
    }
}

/// Target of a direct jump, conditional or not.
fn branch(next: &Instruction, bytes: &[u8], behind: u64) -> Option<u64> {
    let distance = match (next.map, next.opcode) {
        (0, 0xeb | 0x70..=0x7f) => i64::from(bytes[next.len - 1] as i8),
        (0, 0xe9) | (1, 0x80..=0x8f) => {
            let at = next.len - 4;
            i64::from(i32::from_le_bytes([
                bytes[at],
                bytes[at + 1],
                bytes[at + 2],
                bytes[at + 3],
            ]))
        }
        _ => return None,
    };
    Some(behind.wrapping_add(distance as u64))
}

/// Bytes of the whole instructions at `rip` that a jump would replace, if they can be carried out
/// elsewhere and nobody jumps into their midst, or returns to what the jump itself covers. Of code that
/// a program made while it ran, only one instruction gives way: an interpreter's is full of places that
/// tables alone lead to.
pub fn window(code: &[u8], rip: u64) -> Option<usize> {
    let mut len = 0;
    while len < JUMP {
        let bytes = code.get(len..)?;
        let next = decode::decode(&bytes[..bytes.len().min(16)])?;
        let relocatable = match (next.map, next.opcode) {
            // Calls and returns leave addresses behind; loops have short distances only; what traps
            // means something where it stands.
            (0, 0xe8 | 0xc2 | 0xc3 | 0xcb | 0xca | 0xe0..=0xe3 | 0xcc | 0xcd | 0xf1 | 0xf4) => {
                false
            }
            (0, 0xff) => !matches!(bytes[next.modrm] >> 3 & 7, 2..=5),
            (0, 0x06 | 0x9c | 0x9d) => false,
            (1, 0x05 | 0x0b | 0x31 | 0x34 | 0xa2 | 0x01) => false,
            // PAUSE is written as a repeated NOP.
            _ => !next.repeated || next.map != 0 || next.opcode == 0x90,
        };
        let jumps = matches!(
            (next.map, next.opcode),
            (0, 0xeb | 0xe9 | 0x70..=0x7f) | (1, 0x80..=0x8f)
        );
        len += next.len;
        if !relocatable || len > WINDOW_MAX || jumps && len < JUMP {
            return None;
        }
    }
    let first = decode::decode(&code[..code.len().min(16)])?;
    if first.len < len && !mm().code.holds(rip, rip + len as u64) {
        return None;
    }
    let inside = rip + 1..rip + len as u64;
    let covered = rip + 1..rip + JUMP as u64;
    (!jumped_into(rip, &inside) && !returns::may_lead_to(covered)).then_some(len)
}

/// Does a jump nearby lead into that range?
fn jumped_into(rip: u64, inside: &core::ops::Range<u64>) -> bool {
    const NEAR: u64 = 2048;
    if inside.is_empty() {
        return false;
    }
    let start = rip.saturating_sub(NEAR);
    let mut code = [0u8; 2 * NEAR as usize];
    // What is not mapped holds no jumps: try the part from the instruction on alone.
    let mut from = start;
    let mut got = guest_mem::read(from, &mut code);
    if from + got as u64 <= rip {
        from = rip & !4095;
        got = guest_mem::read(from, &mut code);
    }
    // Walks that begin at several places fall into step with the code soon; what lies behind the
    // instruction is walked from there.
    let here = (rip - from) as usize;
    for start in [0, 1, 2, 3, here] {
        let mut at = start;
        while let Some(next) = code.get(at..got.min(at + 16)).and_then(decode::decode) {
            let behind = from + (at + next.len) as u64;
            let target = branch(&next, &code[at..at + next.len], behind);
            if target.is_some_and(|target| inside.contains(&target)) {
                return true;
            }
            at += next.len;
            if start != here && at >= here {
                break;
            }
        }
    }
    false
}
