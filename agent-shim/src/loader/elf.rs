//! ELF files: reading their headers and mapping their segments (the gABI and fs/binfmt_elf.c).

use reenact_abi::event::{Kind, Role};
use reenact_abi::map::{self, PAGE};

use crate::hooks::memory;
use crate::sys::{self, Errno};
use crate::task::Task;
use crate::{record, ring};

pub const PT_LOAD: u32 = 1;
pub const PT_INTERP: u32 = 3;
pub const PT_PHDR: u32 = 6;
pub const PT_GNU_STACK: u32 = 0x6474_e551;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
const SEGMENTS_MAX: usize = 32;

/// `Elf64_Phdr`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Segment {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub vaddr: u64,
    pub paddr: u64,
    pub filesz: u64,
    pub memsz: u64,
    pub align: u64,
}

/// The headers of a file that can be loaded.
#[derive(Clone, Copy)]
pub struct Elf {
    pub position_independent: bool,
    pub entry: u64,
    phoff: u64,
    segments: [Segment; SEGMENTS_MAX],
    count: usize,
}

pub enum Refused {
    /// 32-bit, or not x86-64.
    OtherMachine,
    Malformed,
}

/// Where a file was mapped.
#[derive(Clone, Copy, Default)]
pub struct Loaded {
    /// What was added to the file's addresses.
    pub base: u64,
    pub entry: u64,
    pub phdr: u64,
    pub phnum: u64,
    pub code: (u64, u64),
    pub data: (u64, u64),
}

fn half(head: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([head[at], head[at + 1]])
}

fn word(head: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&head[at..at + 8]);
    u64::from_le_bytes(bytes)
}

const fn down(value: u64) -> u64 {
    value & !(PAGE - 1)
}

const fn up(value: u64) -> u64 {
    down(value + PAGE - 1)
}

/// Reads the headers of a file whose first bytes are `head`.
pub fn read(fd: i32, head: &[u8]) -> Result<Elf, Refused> {
    if head.len() < 64 {
        return Err(Refused::Malformed);
    }
    let (class, kind, machine) = (head[4], half(head, 16), half(head, 18));
    if class != 2 || head[5] != 1 || machine != EM_X86_64 {
        return Err(Refused::OtherMachine);
    }
    let (entry, phoff) = (word(head, 24), word(head, 32));
    let (size, count) = (half(head, 54) as usize, half(head, 56) as usize);
    if (kind != ET_EXEC && kind != ET_DYN) || size != 56 || count == 0 || count > SEGMENTS_MAX {
        return Err(Refused::Malformed);
    }
    let mut segments = [Segment::default(); SEGMENTS_MAX];
    let bytes = count * size;
    // SAFETY: segments are plain integers, and `count` of them fit.
    let into = unsafe { core::slice::from_raw_parts_mut(segments.as_mut_ptr() as *mut u8, bytes) };
    match sys::pread(fd, into, phoff) {
        Ok(got) if got == bytes => {}
        _ => return Err(Refused::Malformed),
    }
    let elf = Elf {
        position_independent: kind == ET_DYN,
        entry,
        phoff,
        segments,
        count,
    };
    let (low, high) = elf.span();
    let sound = elf.loads().all(|load| {
        load.filesz <= load.memsz
            && load
                .vaddr
                .checked_add(load.memsz)
                .is_some_and(|end| end < 1 << 46)
            && load.offset.checked_add(load.filesz).is_some()
            && load.vaddr % PAGE == load.offset % PAGE
    });
    if !sound || low >= high {
        return Err(Refused::Malformed);
    }
    Ok(elf)
}

impl Elf {
    pub fn segments(&self) -> &[Segment] {
        &self.segments[..self.count]
    }

    fn loads(&self) -> impl Iterator<Item = &Segment> {
        self.segments()
            .iter()
            .filter(|segment| segment.kind == PT_LOAD && segment.memsz != 0)
    }

    /// Lowest and highest address of the loadable segments, in whole pages.
    pub fn span(&self) -> (u64, u64) {
        let low = self.loads().map(|load| down(load.vaddr)).min().unwrap_or(0);
        let high = self
            .loads()
            .map(|load| up(load.vaddr + load.memsz))
            .max()
            .unwrap_or(0);
        (low, high)
    }

    /// Does it insist on addresses that are the shim's?
    pub fn conflicts(&self) -> bool {
        let (low, high) = self.span();
        !self.position_independent && low < map::SHIM_END && high > map::SHIM
    }

    /// The path of the program interpreter, NUL-terminated, if it names one.
    pub fn interpreter<'a>(
        &self,
        fd: i32,
        into: &'a mut [u8; 4096],
    ) -> sys::Result<Option<&'a [u8]>> {
        let Some(segment) = self
            .segments()
            .iter()
            .find(|segment| segment.kind == PT_INTERP)
        else {
            return Ok(None);
        };
        let len = segment.filesz as usize;
        if !(2..=into.len()).contains(&len) {
            return Err(Errno::ENOEXEC);
        }
        if sys::pread(fd, &mut into[..len], segment.offset)? != len || into[len - 1] != 0 {
            return Err(Errno::ENOEXEC);
        }
        Ok(Some(&into[..len]))
    }

    /// Does it ask for an executable stack?
    pub fn executable_stack(&self) -> bool {
        self.segments()
            .iter()
            .any(|segment| segment.kind == PT_GNU_STACK && segment.flags & 1 != 0)
    }

    fn alignment(&self) -> u64 {
        let widest = self
            .loads()
            .map(|load| load.align)
            .filter(|align| align.is_power_of_two())
            .max();
        widest.unwrap_or(PAGE).max(PAGE)
    }

    /// Maps all segments; `wanted` is where a position-independent file goes (0: into the arena).
    pub fn map(&self, task: &mut Task, fd: i32, wanted: u64) -> sys::Result<Loaded> {
        let (low, _) = self.span();
        let base = if self.position_independent {
            self.reserve(task, wanted)?.wrapping_sub(low)
        } else {
            0
        };
        let mut loaded = Loaded {
            base,
            entry: base.wrapping_add(self.entry),
            phnum: self.count as u64,
            code: (u64::MAX, 0),
            data: (u64::MAX, 0),
            ..Loaded::default()
        };
        let mut index = 0;
        while index < self.count {
            let load = self.segments[index];
            index += 1;
            if load.kind == PT_PHDR {
                loaded.phdr = base.wrapping_add(load.vaddr);
            }
            if load.kind != PT_LOAD || load.memsz == 0 {
                continue;
            }
            map_segment(task, fd, base, &load, !self.position_independent)?;
            let start = base.wrapping_add(load.vaddr);
            let range = if load.flags & 1 != 0 {
                &mut loaded.code
            } else {
                &mut loaded.data
            };
            *range = (range.0.min(start), range.1.max(start + load.filesz));
            if loaded.phdr == 0 && (load.offset..load.offset + load.filesz).contains(&self.phoff) {
                loaded.phdr = start + (self.phoff - load.offset);
            }
        }
        Ok(loaded)
    }

    /// Finds room for the whole span, so that nothing else gets between the segments.
    fn reserve(&self, task: &mut Task, wanted: u64) -> sys::Result<u64> {
        let (low, high) = self.span();
        let (len, align) = (high - low, self.alignment());
        let flags = sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_NORESERVE;
        let slack = if align > PAGE { align } else { 0 };
        let hint = wanted & !(align - 1);
        let got = memory::place(hint, len + slack, 0, flags, -1, 0)?;
        let at = (got + slack) & !(align - 1);
        // SAFETY: gives back what alignment made superfluous of the range just mapped.
        unsafe {
            if at > got {
                let _ = sys::munmap(got, at - got);
            }
            let (end, whole) = (at + len, got + len + slack);
            if whole > end {
                let _ = sys::munmap(end, whole - end);
            }
        }
        if task.recording() {
            memory::record_loader_map(task, at, [at, len, 0, flags | sys::MAP_FIXED, u64::MAX, 0]);
        }
        Ok(at)
    }
}

fn map_segment(
    task: &mut Task,
    fd: i32,
    base: u64,
    load: &Segment,
    absolute: bool,
) -> sys::Result<()> {
    let mut prot = 0;
    for (bit, value) in [
        (4, sys::PROT_READ),
        (2, sys::PROT_WRITE),
        (1, sys::PROT_EXEC),
    ] {
        if load.flags & bit != 0 {
            prot |= value;
        }
    }
    let start = base.wrapping_add(load.vaddr);
    let (page, file_end, end) = (down(start), start + load.filesz, up(start + load.memsz));
    // A file with fixed addresses must not replace anything; the others map into their reservation.
    let fixed = if absolute {
        sys::MAP_FIXED_NOREPLACE
    } else {
        sys::MAP_FIXED
    };
    let file_pages = up(file_end);
    if load.filesz != 0 {
        let flags = sys::MAP_PRIVATE | fixed;
        let offset = load.offset - (start - page);
        let len = file_end - page;
        memory::place(page, len, prot, flags, fd, offset)?;
        let args = [
            page,
            len,
            prot,
            sys::MAP_PRIVATE | sys::MAP_FIXED,
            fd as u64,
            offset,
        ];
        let tail = if prot & sys::PROT_WRITE != 0 && load.memsz > load.filesz {
            file_pages - file_end
        } else {
            0
        };
        if tail != 0 {
            zero(file_end, tail);
        }
        if task.recording() {
            let kind = Kind::Map as u8;
            record::open(
                task,
                reenact_abi::event::Header {
                    kind,
                    args,
                    ret: page as i64,
                    ..Default::default()
                },
            );
            let held = crate::hooks::contents::attach(task, fd, offset, up(len));
            memory::note_code(page, args);
            memory::note_counters(page, prot, sys::MAP_PRIVATE, offset, held);
            if tail != 0 {
                ring::part(task, Role::Output, file_end, file_end, tail, 0);
            }
            ring::finish(task);
        }
    }
    let from = if load.filesz == 0 { page } else { file_pages };
    if end > from {
        let flags = sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | fixed;
        memory::place(from, end - from, prot, flags, -1, 0)?;
        if task.recording() {
            let flags = sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | sys::MAP_FIXED;
            memory::record_loader_map(task, from, [from, end - from, prot, flags, u64::MAX, 0]);
        }
    }
    Ok(())
}

/// The C library's loader relies on zeroes up to the end of the last data page.
fn zero(from: u64, len: u64) {
    let zeroes = [0u8; 512];
    let mut done = 0;
    while done < len {
        let take = (len - done).min(512) as usize;
        if crate::guest_mem::write(from + done, &zeroes[..take]) < take {
            return;
        }
        done += take as u64;
    }
}
