//! What kind of program a file is: ELF that we load, a `#!` script, or one that must run without us.

use crate::loader::elf::{self, Elf};
use crate::nr;
use crate::sys::{self, Errno, Stat};

/// Bytes that the kernel looks at (BINPRM_BUF_SIZE).
pub const HEAD: usize = 256;
/// Scripts may name scripts so many times (exec_binprm in fs/exec.c).
pub const SCRIPT_DEPTH_MAX: usize = 5;

// It lives on the stack for a moment; there is no heap to box it in.
#[allow(clippy::large_enum_variant)]
pub enum Format {
    Elf(Elf),
    Script(Script),
    /// Another architecture, or an address that we need: it must run unrecorded.
    Foreign,
}

/// The first line of a `#!` script.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    line: [u8; HEAD],
    interpreter: (usize, usize),
    argument: Option<(usize, usize)>,
}

impl Script {
    pub fn interpreter(&self) -> &[u8] {
        &self.line[self.interpreter.0..self.interpreter.1]
    }

    pub fn argument(&self) -> Option<&[u8]> {
        self.argument.map(|(from, to)| &self.line[from..to])
    }

    /// As fs/binfmt_script.c reads it: blanks are skipped, the rest of the line is one argument.
    fn parse(head: &[u8]) -> sys::Result<Script> {
        let mut line = [0u8; HEAD];
        line[..head.len()].copy_from_slice(head);
        let end = match head.iter().position(|byte| *byte == b'\n') {
            Some(at) => at,
            None if head.len() < HEAD => head.len(),
            // A line that does not end must at least show where the interpreter's name does.
            None => {
                let start = head[2..]
                    .iter()
                    .position(|byte| !is_blank(*byte))
                    .ok_or(Errno::ENOEXEC)?
                    + 2;
                head[start..]
                    .iter()
                    .position(|byte| is_blank(*byte) || *byte == 0)
                    .ok_or(Errno::ENOEXEC)?;
                head.len()
            }
        };
        let mut end = end;
        while end > 2 && is_blank(line[end - 1]) {
            end -= 1;
        }
        let mut from = 2;
        while from < end && is_blank(line[from]) {
            from += 1;
        }
        if from == end {
            return Err(Errno::ENOEXEC);
        }
        let mut to = from;
        while to < end && !is_blank(line[to]) && line[to] != 0 {
            to += 1;
        }
        let mut rest = to;
        while rest < end && is_blank(line[rest]) {
            rest += 1;
        }
        let argument = (rest < end && line[rest] != 0).then_some((rest, end));
        Ok(Script {
            line,
            interpreter: (from, to),
            argument,
        })
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Reads the head of an open file.
pub fn classify(fd: i32) -> sys::Result<Format> {
    let mut head = [0u8; HEAD];
    let len = sys::pread(fd, &mut head, 0)?;
    let head = &head[..len];
    if head.starts_with(b"#!") {
        return Script::parse(head).map(Format::Script);
    }
    if !head.starts_with(b"\x7fELF") {
        return Err(Errno::ENOEXEC);
    }
    match elf::read(fd, head) {
        Ok(elf) if elf.conflicts() => Ok(Format::Foreign),
        Ok(elf) => Ok(Format::Elf(elf)),
        Err(elf::Refused::OtherMachine) => Ok(Format::Foreign),
        Err(elf::Refused::Malformed) => Err(Errno::ENOEXEC),
    }
}

/// Would executing this file change what the process may do? Then it must not run under us.
pub fn grants_privilege(fd: i32, stat: &Stat) -> bool {
    const PR_GET_NO_NEW_PRIVS: u64 = 39;
    const ST_NOSUID: u64 = 2;
    // SAFETY: no memory is touched.
    if unsafe { sys::call(nr::PRCTL, [PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0]) } == 1 {
        return false;
    }
    let mut statfs = [0u64; 15];
    // SAFETY: the kernel writes one struct statfs.
    unsafe { sys::call(nr::FSTATFS, [fd as u64, statfs.as_mut_ptr() as u64]) };
    if statfs[10] & ST_NOSUID != 0 {
        return false;
    }
    // SAFETY: no memory is touched.
    let (uid, gid) = unsafe {
        (
            sys::call::<0>(nr::GETEUID, []) as u32,
            sys::call::<0>(nr::GETEGID, []) as u32,
        )
    };
    if stat.mode & sys::S_ISUID != 0 && stat.uid != uid {
        return true;
    }
    let set_group = sys::S_ISGID | 0o010;
    if stat.mode & set_group == set_group && stat.gid != gid {
        return true;
    }
    if uid == 0 {
        return false;
    }
    let name = b"security.capability\0";
    // SAFETY: the kernel reads the name; a size of zero asks for the length only.
    unsafe { sys::call(nr::FGETXATTR, [fd as u64, name.as_ptr() as u64, 0, 0]) > 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let script = Script::parse(head).expect("a script");
        (
            script.interpreter().to_vec(),
            script.argument().map(<[u8]>::to_vec),
        )
    }

    #[test]
    fn a_script_line_is_read_as_the_kernel_reads_it() {
        assert_eq!(parsed(b"#!/bin/sh\nexit"), (b"/bin/sh".to_vec(), None));
        assert_eq!(
            parsed(b"#! \t/bin/sh  -e x \n"),
            (b"/bin/sh".to_vec(), Some(b"-e x".to_vec()))
        );
        assert_eq!(
            parsed(b"#!/usr/bin/env python3"),
            (b"/usr/bin/env".to_vec(), Some(b"python3".to_vec()))
        );
        assert!(Script::parse(b"#!\n").is_err());
        assert!(Script::parse(b"#!   \n/bin/sh").is_err());
    }
}
