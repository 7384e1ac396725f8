//! The target's initial stack, as the kernel's create_elf_tables lays it out (fs/binfmt_elf.c).

use reenact_abi::map::{self, PAGE};

use crate::guest_mem;
use crate::sys;

pub const AT_NULL: u64 = 0;
pub const AT_IGNORE: u64 = 1;
pub const AT_PHDR: u64 = 3;
pub const AT_PHNUM: u64 = 5;
pub const AT_BASE: u64 = 7;
pub const AT_ENTRY: u64 = 9;
pub const AT_PLATFORM: u64 = 15;
pub const AT_BASE_PLATFORM: u64 = 24;
pub const AT_RANDOM: u64 = 25;
pub const AT_RSEQ_FEATURE_SIZE: u64 = 27;
pub const AT_RSEQ_ALIGN: u64 = 28;
pub const AT_EXECFN: u64 = 31;
pub const AT_SYSINFO_EHDR: u64 = 33;

/// The kernel's initial stack of the shim.
#[derive(Clone, Copy)]
pub struct Initial {
    pub argc: u64,
    pub argv: u64,
    pub envp: u64,
    pub auxv: u64,
}

fn word(at: u64) -> u64 {
    guest_mem::get(at).unwrap_or(0)
}

impl Initial {
    pub fn read(sp: u64) -> Initial {
        let argc = word(sp);
        let argv = sp + 8;
        let envp = argv + (argc + 1) * 8;
        let mut auxv = envp;
        while word(auxv) != 0 {
            auxv += 8;
        }
        Initial {
            argc,
            argv,
            envp,
            auxv: auxv + 8,
        }
    }

    pub fn arg(&self, index: u64) -> u64 {
        word(self.argv + index * 8)
    }

    pub fn env(&self, index: u64) -> u64 {
        word(self.envp + index * 8)
    }

    pub fn env_count(&self) -> u64 {
        (self.auxv - self.envp) / 8 - 1
    }

    pub fn aux(&self, key: u64) -> Option<u64> {
        let mut at = self.auxv;
        while word(at) != AT_NULL {
            if word(at) == key {
                return Some(word(at + 8));
            }
            at += 16;
        }
        None
    }
}

/// What the target's stack is to say.
pub struct Wanted<'a> {
    pub initial: Initial,
    /// Arguments to put in place of the first `drop_args` of `initial`.
    pub first_args: &'a [&'a [u8]],
    pub drop_args: u64,
    /// Index of the environment entry that is ours.
    pub boot_env: u64,
    pub exec_name: &'a [u8],
    /// Replacements for auxiliary values.
    pub aux: &'a [(u64, u64)],
    pub executable: bool,
}

/// The finished stack.
#[derive(Clone, Copy, Default)]
pub struct Built {
    pub sp: u64,
    pub args: (u64, u64),
    pub env: (u64, u64),
    pub auxv: u64,
    pub low: u64,
}

/// Room for an auxiliary vector, in words; the kernel keeps fewer.
pub const AUX_WORDS: usize = 128;

/// What others see in /proc/PID/auxv: the target's auxiliary vector, and in the place of the vDSO,
/// which the target is not told of, the shim. Debuggers load what lies there from memory, and so can
/// walk from the shim's frames to the target's. Returns the words that were written.
pub fn shown_aux(auxv: u64, into: &mut [u64; AUX_WORDS]) -> usize {
    into[..2].copy_from_slice(&[AT_SYSINFO_EHDR, map::SHIM]);
    let (mut at, mut count) = (auxv, 2);
    while count + 4 <= into.len() && word(at) != AT_NULL {
        if word(at) != AT_IGNORE {
            into[count..count + 2].copy_from_slice(&[word(at), word(at + 8)]);
            count += 2;
        }
        at += 16;
    }
    into[count..count + 2].copy_from_slice(&[AT_NULL, 0]);
    count + 2
}

fn string_size(at: u64) -> u64 {
    guest_mem::string_len(at, 1 << 21).unwrap_or(0) as u64 + 1
}

struct Writer {
    at: u64,
}

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) -> u64 {
        let start = self.at;
        guest_mem::write(start, bytes);
        self.at += bytes.len() as u64;
        start
    }

    fn text(&mut self, text: &[u8]) -> u64 {
        let start = self.bytes(text);
        self.bytes(&[0]);
        start
    }

    fn copy(&mut self, from: u64) -> u64 {
        let (start, len) = (self.at, string_size(from));
        // SAFETY: from the kernel's stack to the target's new one.
        unsafe { crate::arch::copy(start, from, len as usize) };
        self.at += len;
        start
    }

    fn word(&mut self, value: u64) {
        let _ = guest_mem::put(self.at, value);
        self.at += 8;
    }
}

/// Maps the stack and fills it; the mapping grows down like the kernel's.
pub fn build(wanted: &Wanted) -> sys::Result<Built> {
    let initial = &wanted.initial;
    let env_count = initial.env_count();
    let mut strings = wanted.exec_name.len() as u64 + 1;
    for arg in wanted.first_args {
        strings += arg.len() as u64 + 1;
    }
    for index in wanted.drop_args..initial.argc {
        strings += string_size(initial.arg(index));
    }
    for index in (0..env_count).filter(|index| *index != wanted.boot_env) {
        strings += string_size(initial.env(index));
    }
    let argc = wanted.first_args.len() as u64 + initial.argc.saturating_sub(wanted.drop_args);
    // Strings, platform names, random bytes, vectors, and room for the first frames.
    let aux_room = 64 * 16;
    let size = strings + 128 + aux_room + (argc + env_count + 4) * 8;
    let mapped = (size + 128 * 1024).next_multiple_of(PAGE);
    let low = map::STACK_TOP - mapped;
    let prot =
        sys::PROT_READ | sys::PROT_WRITE | if wanted.executable { sys::PROT_EXEC } else { 0 };
    let flags = sys::MAP_PRIVATE
        | sys::MAP_ANONYMOUS
        | sys::MAP_FIXED_NOREPLACE
        | sys::MAP_GROWSDOWN
        | sys::MAP_NORESERVE;
    // SAFETY: NOREPLACE never touches an existing mapping.
    unsafe { sys::mmap(low, mapped, prot, flags, -1, 0)? };

    let mut writer = Writer {
        at: map::STACK_TOP - 8 - strings,
    };
    let args_start = writer.at;
    for arg in wanted.first_args {
        writer.text(arg);
    }
    for index in wanted.drop_args..initial.argc {
        writer.copy(initial.arg(index));
    }
    let args_end = writer.at;
    for index in (0..env_count).filter(|index| *index != wanted.boot_env) {
        writer.copy(initial.env(index));
    }
    let env_end = writer.at;
    let exec_name = writer.text(wanted.exec_name);

    // Below the strings: platform names and the random bytes.
    let mut small = Writer {
        at: (args_start - 64) & !15,
    };
    let random = small.at;
    let mut bytes = [0u8; 16];
    guest_mem::read(initial.aux(AT_RANDOM).unwrap_or(0), &mut bytes);
    small.bytes(&bytes);
    let platform = initial.aux(AT_PLATFORM).map(|from| small.copy(from));
    let base_platform = initial.aux(AT_BASE_PLATFORM).map(|from| small.copy(from));

    let aux_at = initial.auxv;
    let mut aux_count = 1;
    while word(aux_at + (aux_count - 1) * 16) != AT_NULL {
        aux_count += 1;
    }
    let words = 1 + argc + 1 + (env_count - 1) + 1 + aux_count * 2;
    let sp = (random - words * 8) & !15;
    let mut vector = Writer { at: sp };
    vector.word(argc);
    let mut string = args_start;
    for _ in 0..argc {
        vector.word(string);
        string += string_size(string);
    }
    vector.word(0);
    while string < env_end {
        vector.word(string);
        string += string_size(string);
    }
    vector.word(0);
    let auxv_start = vector.at;
    for index in 0..aux_count {
        let (mut key, mut value) = (word(aux_at + index * 16), word(aux_at + index * 16 + 8));
        match key {
            AT_RANDOM => value = random,
            AT_PLATFORM => value = platform.unwrap_or(0),
            AT_BASE_PLATFORM => value = base_platform.unwrap_or(0),
            AT_EXECFN => value = exec_name,
            AT_SYSINFO_EHDR | AT_RSEQ_FEATURE_SIZE | AT_RSEQ_ALIGN => (key, value) = (AT_IGNORE, 0),
            _ => {}
        }
        if let Some((_, replaced)) = wanted.aux.iter().find(|(wanted, _)| *wanted == key) {
            value = *replaced;
        }
        vector.word(key);
        vector.word(value);
    }
    Ok(Built {
        sp,
        args: (args_start, args_end),
        env: (args_end, env_end),
        auxv: auxv_start,
        low,
    })
}
