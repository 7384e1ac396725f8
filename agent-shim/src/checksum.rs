//! Checksums of memory: what a process had in its writable pages when it ended, compared by replay.
//!
//! Recording takes the regions from /proc/self/maps and hashes each; the list travels in the event,
//! so that replay needs no /proc. Pages that were never touched and pages of zeroes count alike.

use reenact_abi::arena::Reason;
use reenact_abi::event::{Header, Kind, Role};
use reenact_abi::map::PAGE;

use crate::guest_mem::{self, Hash};
use crate::nr;
use crate::sys;
use crate::task::{session, Task};
use crate::{divergence, images, log, record, replay, ring};
use core::sync::atomic::Ordering;

/// `Header::nr` of a checksum event: memory at the end of a process.
pub const MEMORY_AT_EXIT: u16 = 1;

/// In the two headers of a report, the arguments from here on are the start, bytes and hash of the
/// region that differs; in a trace they are 0.
const REPORTED: usize = 3;

/// One region in the event's data: start, bytes, hash, and 1 when a file lies behind it.
const ENTRY: usize = 32;
/// Regions in one event, and bytes hashed; what is beyond is skipped and counted.
pub const REGIONS_MAX: usize = 96;
const BYTES_MAX: u64 = 64 << 20;
/// Larger regions are reservations, such as a sanitizer's shadow: looking for their pages takes longer
/// than the process ran.
const SPARSE_MAX: u64 = 16 << 30;
const FILE_MAX: u64 = 16 << 20;

struct Region {
    start: u64,
    len: u64,
    file: bool,
}

/// Emits the checksum of a recorded process that is about to end.
pub fn record(task: &mut Task) {
    if task.detached {
        return;
    }
    let mut entries = [0u8; REGIONS_MAX * ENTRY];
    let (mut count, mut skipped) = (0usize, 0u64);
    let mut budget = BYTES_MAX;
    let known = mappings(|line| {
        let Some(whole) = parse(line) else {
            return;
        };
        skipped += whole.len;
        for region in live(task, &whole) {
            let most = if region.file { FILE_MAX } else { SPARSE_MAX };
            let fits = count < REGIONS_MAX && region.len <= most && region.len != 0;
            let hashed = if fits { hash(&region, budget) } else { None };
            let Some((hash, bytes)) = hashed else {
                continue;
            };
            skipped -= region.len;
            budget -= bytes.min(budget);
            let at = count * ENTRY;
            for (index, word) in [region.start, region.len, hash, u64::from(region.file)]
                .into_iter()
                .enumerate()
            {
                entries[at + index * 8..at + index * 8 + 8].copy_from_slice(&word.to_le_bytes());
            }
            count += 1;
        }
    });
    if !known {
        return;
    }
    let kind = Kind::Checksum as u8;
    let args = [count as u64, skipped, 0, 0, 0, 0];
    record::open(
        task,
        Header {
            kind,
            nr: MEMORY_AT_EXIT,
            args,
            ..Header::default()
        },
    );
    ring::part(
        task,
        Role::Data,
        0,
        entries.as_ptr() as u64,
        (count * ENTRY) as u64,
        0,
    );
    ring::finish(task);
}

/// Compares with the recorded checksum, if the next event is one.
pub fn replay(task: &mut Task) {
    let Some(header) = log::peek(task) else {
        return;
    };
    if header.kind != Kind::Checksum as u8 || header.nr != MEMORY_AT_EXIT {
        return;
    }
    replay::take_turn(task, &header);
    let mut entries = [0u8; REGIONS_MAX * ENTRY];
    let mut have = 0;
    log::consume(task, &header, |_, piece| {
        if piece.is(Role::Data) {
            have = piece.copy_to(&mut entries);
        }
    });
    // A list that lost regions would otherwise match.
    if header.args[0] != (have / ENTRY) as u64 {
        divergence::failed(task, Reason::BadLog, header.args[0]);
    }
    for entry in entries[..have].chunks_exact(ENTRY) {
        let word = |index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&entry[index * 8..index * 8 + 8]);
            u64::from_le_bytes(bytes)
        };
        let region = Region {
            start: word(0),
            len: word(1).min(1 << 40),
            file: word(3) != 0,
        };
        if guest_mem::overlaps_shim(region.start, region.len) {
            divergence::failed(task, Reason::BadLog, region.start);
        }
        let found = hash(&region, u64::MAX).map_or(0, |(hash, _)| hash);
        if found != word(2) {
            let (mut recorded, mut replayed) = (header, header);
            recorded.args[REPORTED..].copy_from_slice(&[region.start, region.len, word(2)]);
            replayed.args[REPORTED..].copy_from_slice(&[region.start, region.len, found]);
            divergence::report(task, Reason::Checksum, &recorded, &replayed, region.start);
        }
    }
    session().checksums_matched.fetch_add(1, Ordering::Relaxed);
}

/// Hash and bytes hashed of a region; `None` when it holds more than `budget`.
fn hash(region: &Region, budget: u64) -> Option<(u64, u64)> {
    const BATCH: u64 = 1024;
    let mut hash = Hash::NEW;
    let mut bytes = 0;
    let mut resident = [0u8; BATCH as usize];
    let mut page = [0u8; PAGE as usize + images::HEADER_END];
    let mut pages = images::Pages::NEW;
    let mut at = region.start;
    let end = region.start + region.len;
    while at < end {
        let batch = ((end - at) / PAGE).min(BATCH);
        if batch == 0 {
            break;
        }
        // SAFETY: the kernel writes one byte per page.
        let known = unsafe {
            sys::call(
                nr::MINCORE,
                [at, batch * PAGE, resident.as_mut_ptr() as u64],
            )
        } == 0;
        for index in 0..batch {
            if !region.file && known && resident[index as usize] & 1 == 0 {
                continue;
            }
            let from = at + index * PAGE;
            let room = page.len().min((end - from) as usize);
            let got = guest_mem::read(from, &mut page[..room]);
            let got = pages.blank(&mut page[..got], from);
            if page[..got].iter().all(|byte| *byte == 0) {
                continue;
            }
            bytes += PAGE;
            if bytes > budget {
                return None;
            }
            hash.word(from);
            hash.bytes(&page[..got]);
        }
        at += batch * PAGE;
    }
    Some((hash.0, bytes))
}

/// What of a region is in use: what lies above the stack pointers of all tasks in it, but for the whole
/// pages of a signal stack that nobody is on. Dead frames leave XSAVE images of the dynamic linker's there,
/// whose header says which registers the CPU happened to hold as unused.
fn live(task: &Task, region: &Region) -> [Region; 2] {
    let end = region.start + region.len;
    let start = task
        .stack_pointers()
        .filter(|rsp| (region.start..end).contains(rsp))
        .map(|rsp| rsp.next_multiple_of(PAGE).min(end))
        .fold(region.start, u64::max);
    let part = |start: u64, end: u64| Region {
        start,
        len: end.saturating_sub(start),
        file: region.file,
    };
    let mut unused = task.unused_signal_stacks().map(|(from, to)| {
        let from = from.checked_next_multiple_of(PAGE).unwrap_or(end);
        (from.clamp(start, end), (to & !(PAGE - 1)).clamp(start, end))
    });
    match unused.find(|(from, to)| from < to) {
        Some((from, to)) => [part(start, from), part(to, end)],
        None => [part(start, end), part(end, end)],
    }
}

/// Regions of memory, and a hash over them: enough to tell a state of a process from another one.
pub struct Memory {
    pub hash: u64,
    /// Start (with the lowest bit set if a file lies behind it) and bytes of each.
    pub regions: [[u64; 2]; REGIONS_MAX],
    pub count: usize,
}

/// Bytes hashed at most where a task is stopped: as many as take some milliseconds.
const STATE_MAX: u64 = 48 << 20;

/// Hashes all private writable memory that is in use; `None` when that is too much.
pub fn memory(task: &Task) -> Option<Memory> {
    let mut found = Memory {
        hash: 0,
        regions: [[0; 2]; REGIONS_MAX],
        count: 0,
    };
    let mut whole = true;
    let known = mappings(|line| {
        let Some(region) = parse(line) else {
            return;
        };
        for part in live(task, &region) {
            if region.len > SPARSE_MAX || found.count == REGIONS_MAX {
                whole = false;
            } else if part.len != 0 {
                found.regions[found.count] = [part.start | u64::from(part.file), part.len];
                found.count += 1;
            }
        }
    });
    if !known || !whole {
        return None;
    }
    found.hash = hash_of(&found.regions[..found.count], STATE_MAX)?;
    Some(found)
}

/// Hash over some regions; `None` when they hold more than `budget` bytes.
pub fn hash_of(regions: &[[u64; 2]], mut budget: u64) -> Option<u64> {
    let mut sum = Hash::NEW;
    for [start, len] in regions {
        let region = Region {
            start: *start & !1,
            len: (*len).min(1 << 40),
            file: start & 1 != 0,
        };
        let (one, bytes) = hash(&region, budget)?;
        budget -= bytes.min(budget);
        sum.word(one);
    }
    Some(sum.0)
}

/// How the mapping at an address may be used, as mmap(2) takes it.
pub fn protection_of(addr: u64) -> Option<u64> {
    let mut found = None;
    mappings(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let (Some(range), Some(prot)) = (fields.next(), fields.next()) else {
            return;
        };
        let mut ends = range.split(|byte| *byte == b'-');
        let (Some(start), Some(end)) = (ends.next().and_then(hex), ends.next().and_then(hex))
        else {
            return;
        };
        if (start..end).contains(&addr) && prot.len() >= 3 {
            let bit = |at: usize, letter, value| if prot[at] == letter { value } else { 0 };
            found = Some(
                bit(0, b'r', sys::PROT_READ)
                    | bit(1, b'w', sys::PROT_WRITE)
                    | bit(2, b'x', sys::PROT_EXEC),
            );
        }
    });
    found
}

/// Calls `each` for every line of /proc/self/maps; false when it cannot be read.
fn mappings(each: impl FnMut(&[u8])) -> bool {
    let Ok(fd) = sys::open(b"/proc/self/maps\0", sys::O_RDONLY | sys::O_CLOEXEC) else {
        return false;
    };
    lines(fd, each);
    sys::close(fd);
    true
}

/// Calls `each` for every line of a file.
fn lines(fd: i32, mut each: impl FnMut(&[u8])) {
    let mut buffer = [0u8; 8192];
    let mut have = 0;
    while let Ok(got) = sys::read(fd, &mut buffer[have..]) {
        if got == 0 {
            return;
        }
        have += got;
        let mut from = 0;
        while let Some(len) = buffer[from..have].iter().position(|byte| *byte == b'\n') {
            each(&buffer[from..from + len]);
            from += len + 1;
        }
        buffer.copy_within(from..have, 0);
        have -= from;
        if have == buffer.len() {
            return;
        }
    }
}

/// A writable private region of the target, from a line of /proc/PID/maps.
fn parse(line: &[u8]) -> Option<Region> {
    let mut fields = line
        .split(|byte| *byte == b' ')
        .filter(|field| !field.is_empty());
    let range = fields.next()?;
    let prot = fields.next()?;
    let (_offset, _device) = (fields.next()?, fields.next()?);
    let inode = fields.next()?;
    let dash = range.iter().position(|byte| *byte == b'-')?;
    let (start, end) = (hex(&range[..dash])?, hex(&range[dash + 1..])?);
    let wanted = prot.len() == 4 && prot[0] == b'r' && prot[1] == b'w' && prot[3] == b'p';
    if !wanted || end <= start || guest_mem::overlaps_shim(start, end - start) || start >= 1 << 47 {
        return None;
    }
    Some(Region {
        start,
        len: end - start,
        file: inode != b"0",
    })
}

fn hex(text: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for byte in text {
        value = value.checked_mul(16)? + u64::from((*byte as char).to_digit(16)?);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writable_private_regions_are_taken_from_maps() {
        let region = parse(b"7feffffc0000-7feffffc2000 rw-p 00000000 00:00 0 ").unwrap();
        assert_eq!(
            (region.start, region.len, region.file),
            (0x7feffffc0000, 0x2000, false)
        );
        assert!(
            parse(b"555555554000-555555556000 rw-p 00001000 fe:00 123   /bin/x")
                .unwrap()
                .file
        );
        assert!(parse(b"555555554000-555555556000 r-xp 00001000 fe:00 123   /bin/x").is_none());
        assert!(parse(b"7feffffc0000-7feffffc2000 rw-s 00000000 00:01 7 /dev/zero").is_none());
        assert!(parse(b"72000000-72020000 rw-p 00000000 00:00 0").is_none());
        assert!(parse(b"garbage").is_none());
    }
}
