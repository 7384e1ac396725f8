//! Whole traces: written, read back, damaged.

mod corruption;
mod golden;
mod mutation;
mod redis;
mod round_trip;
mod writing;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use reenact_abi::event::{flags, Header, Role, HEADER_SIZE};

use crate::*;

/// A folder that goes away with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("reenact-trace-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with these bytes.
    pub fn write(&self, bytes: &[u8]) -> PathBuf {
        let path = self.file("bytes.zst");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Repeatable pseudo-random numbers (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Numbers as programs have them, and the extremes.
    pub fn value(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 63,
            3 => self.next(),
            4 => u64::from(u32::MAX) + self.below(3),
            5 => u64::MAX - self.below(4096),
            6 => 0x7fff_0000_0000 + self.below(1 << 20),
            _ => self.below(300),
        }
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

pub fn stream(process: u32, task: u32) -> StreamId {
    StreamId { process, task }
}

pub fn meta() -> Meta {
    Meta {
        uuid: [7; 16],
        tool_version: "0.1.0".into(),
        argv: vec![b"sh".to_vec(), b"-c".to_vec(), vec![0xff, 0xfe]],
        cwd: b"/home/user".to_vec(),
        host: "alpha".into(),
        boot_id: "boot".into(),
        kernel: "6.18".into(),
        cpu: "cpu".into(),
        uid: 1000,
        wall_start_ns: 1_700_000_000_000_000_000,
        mono_start_ns: 123_456,
        net: "sud".into(),
        patched: true,
        chaos: None,
        root_process: 1,
        stdout: "pipe".into(),
        stderr: "tty".into(),
    }
}

pub fn end() -> End {
    End {
        exit_code: Some(0),
        complete: true,
        wall_end_ns: u64::MAX,
        ..End::default()
    }
}

/// An event as a reader returns it.
pub fn event(header: Header, parts: Vec<EventPart>) -> Event {
    let more = if parts.is_empty() { 0 } else { flags::MORE };
    let header = Header {
        size: HEADER_SIZE as u32,
        template: 0,
        flags: header.flags & !flags::MORE | more,
        ..header
    };
    Event { header, parts }
}

pub fn part(role: Role, addr: u64, bytes: Vec<u8>) -> EventPart {
    EventPart {
        role,
        addr,
        len: bytes.len() as u64,
        content: 0,
        bytes,
    }
}

/// An event of anything.
pub fn wild_event(dice: &mut Dice) -> Event {
    let kinds = [1, 2, 5, 10, 32, 39, 200];
    let mut args = [0; 6];
    args.iter_mut().for_each(|arg| *arg = dice.value());
    let header = Header {
        kind: kinds[dice.below(7) as usize],
        flags: dice.below(256) as u8,
        nr: [0, 1, 228, u16::MAX][dice.below(4) as usize],
        group: dice.value() as u32,
        order: dice.value(),
        ticket: dice.value(),
        time_ns: dice.value(),
        args,
        ret: dice.value() as i64,
        rip: [0, 0x7f00_1234, u64::MAX][dice.below(3) as usize],
        rsp: dice.value(),
        input_hash: dice.value(),
        ..Header::default()
    };
    let count = dice.below(4) * dice.below(3);
    let parts = (0..count).map(|_| wild_part(dice)).collect();
    event(header, parts)
}

fn wild_part(dice: &mut Dice) -> EventPart {
    let len = [0, 1, 8, 16, 24, 32, 40, 4095, 4096, 5000][dice.below(10) as usize];
    let addr = dice.value();
    match dice.below(4) {
        0 => EventPart {
            len: dice.value(),
            content: dice.value(),
            ..part(Role::Content, addr, Vec::new())
        },
        1 => part(Role::Data, addr, dice.bytes(len)),
        2 => part(Role::Input, addr, vec![dice.below(3) as u8; len]),
        _ => EventPart {
            content: dice.value(),
            ..part(Role::Output, addr, vec![0; len])
        },
    }
}

/// Everything that a reader hands out.
pub fn items(reader: &mut Reader) -> Result<Vec<Item>, TraceError> {
    let mut items = Vec::new();
    reader.for_each(&mut |item| {
        items.push(item);
        ControlFlow::Continue(())
    })?;
    Ok(items)
}

/// The events of one stream among items.
pub fn events_of(items: &[Item], wanted: StreamId) -> Vec<Event> {
    let mut events = Vec::new();
    for item in items {
        if let Item::Event { stream, seq, event } = item {
            if *stream == wanted {
                assert_eq!(*seq, events.len() as u64);
                events.push(event.clone());
            }
        }
    }
    events
}

/// A small trace of several frames with something of everything in it: small enough to be read
/// anew for each of its bytes.
pub fn small_trace(path: &Path) {
    let mut dice = Dice::new(5);
    let rows = &crate::table::current()[..2];
    let mut writer = Writer::create_from(path, &meta(), Options::default(), rows).unwrap();
    for round in 0..3 {
        for at in 0..4 {
            let mut event = wild_event(&mut dice);
            event.parts.retain(|part| part.bytes.len() < 50);
            if at == 0 {
                event
                    .parts
                    .push(part(Role::Output, 1, vec![round as u8; 4096]));
            }
            writer.event(stream(1, 1 + at % 2), event).unwrap();
        }
        writer.anchor(round, round * 2).unwrap();
        writer.content_bytes(round, 0, &dice.bytes(100)).unwrap();
        writer.content_end(round, 100).unwrap();
        writer.flush().unwrap();
    }
    writer.process_end(&ProcessEnd::default()).unwrap();
    writer.finish(&end()).unwrap();
}

/// Opens and reads all of it, as far as it goes; tells whether all is well and complete.
pub fn try_all(path: &Path) -> Result<bool, TraceError> {
    let mut reader = Reader::open(path)?;
    let summary = reader.verify(&mut |_, _| {})?;
    items(&mut reader)?;
    for number in reader.contents() {
        if let Ok(file) = reader.file(number) {
            reader.write_content(&file, &mut std::io::sink())?;
        }
    }
    reader.table()?;
    reader.anchors()?;
    reader.process_ends()?;
    for info in reader.streams() {
        let mut cursor = reader.cursor(info.stream, 0);
        while cursor.next(&mut reader)?.is_some() {}
    }
    Ok(summary.complete && reader.complete())
}
