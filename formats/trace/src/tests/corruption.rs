//! Damage is found, and never taken for a sound trace.

use super::*;

/// A sound small trace.
fn sound(folder: &Folder) -> Vec<u8> {
    let path = folder.file("sound.zst");
    small_trace(&path);
    assert!(try_all(&path).unwrap());
    std::fs::read(path).unwrap()
}

fn is_sound(folder: &Folder, bytes: &[u8]) -> bool {
    try_all(&folder.write(bytes)).is_ok_and(|complete| complete)
}

/// Start and end of each frame with its seal.
fn frames(folder: &Folder) -> Vec<(usize, usize)> {
    let reader = Reader::open(&folder.file("sound.zst")).unwrap();
    let frames = reader.frames().iter();
    frames
        .map(|info| (info.offset as usize, info.end() as usize))
        .collect()
}

fn assert_corrupt(folder: &Folder, bytes: &[u8], frame: u64) {
    match try_all(&folder.write(bytes)) {
        Err(TraceError::Corrupt { frame: found, .. }) => assert_eq!(found, frame),
        other => panic!("{other:?} where frame {frame} is damaged"),
    }
}

#[test]
fn a_flip_at_every_byte_is_found() {
    let folder = Folder::new();
    let mut bytes = sound(&folder);
    let mut cuts = 0;
    for at in 0..bytes.len() {
        let bit = at % 8;
        bytes[at] ^= 1 << bit;
        match try_all(&folder.write(&bytes)) {
            Ok(true) => panic!("bit {bit} of byte {at} is not noticed"),
            Ok(false) => cuts += 1,
            Err(_) => {}
        }
        bytes[at] ^= 1 << bit;
    }
    // Only flips in the index's own size and in the footer's magic may look like a cut.
    assert!(cuts < 40, "{cuts} flips look like a cut");
    assert!(is_sound(&folder, &bytes));
}

#[test]
fn a_flip_in_an_unfinished_file_is_found_or_cuts_it() {
    let folder = Folder::new();
    let bytes = sound(&folder);
    let frames = frames(&folder);
    let mut bytes = bytes[..frames[3].1].to_vec();
    for at in 0..bytes.len() {
        bytes[at] ^= 0x10;
        let found = try_all(&folder.write(&bytes));
        assert!(!matches!(found, Ok(true)), "byte {at}");
        bytes[at] ^= 0x10;
    }
}

#[test]
fn a_truncation_at_every_length_leaves_the_whole_frames() {
    let folder = Folder::new();
    let bytes = sound(&folder);
    let frames = frames(&folder);
    for len in 0..bytes.len() {
        let path = folder.write(&bytes[..len]);
        let whole = frames.iter().filter(|(_, end)| *end <= len).count();
        match Reader::open(&path) {
            Err(TraceError::Empty { .. }) => assert_eq!(whole, 0, "{len} bytes"),
            Err(error) => panic!("{len} bytes: {error}"),
            Ok(mut reader) => {
                assert_eq!(reader.frames().len(), whole, "{len} bytes");
                assert!(reader.is_cut() && !reader.complete());
                let summary = reader.verify(&mut |_, _| {}).unwrap();
                let end = frames[whole - 1].1;
                assert_eq!(summary.bytes_cut, (len - end) as u64);
                items(&mut reader).unwrap();
            }
        }
    }
}

#[test]
fn swapped_dropped_and_doubled_frames_are_found() {
    let folder = Folder::new();
    let bytes = sound(&folder);
    let frames = frames(&folder);
    assert!(frames.len() >= 4);
    let piece = |at: usize| bytes[frames[at].0..frames[at].1].to_vec();
    let rest = bytes[frames[frames.len() - 1].1..].to_vec();
    let build = |order: &[usize]| -> Vec<u8> {
        let mut out: Vec<u8> = order.iter().flat_map(|at| piece(*at)).collect();
        out.extend_from_slice(&rest);
        out
    };
    let all: Vec<usize> = (0..frames.len()).collect();
    assert!(is_sound(&folder, &build(&all)));
    let mut swapped = all.clone();
    swapped.swap(1, 2);
    assert_corrupt(&folder, &build(&swapped), 1);
    let mut dropped = all.clone();
    dropped.remove(2);
    assert_corrupt(&folder, &build(&dropped), 2);
    let mut doubled = all.clone();
    doubled.insert(2, 1);
    assert_corrupt(&folder, &build(&doubled), 2);
    let last_dropped = &all[..all.len() - 1];
    assert_corrupt(&folder, &build(last_dropped), last_dropped.len() as u64);
    // Without an index at the end the seals alone must tell.
    for order in [&swapped, &dropped, &doubled] {
        let unfinished: Vec<u8> = order.iter().flat_map(|at| piece(*at)).collect();
        assert!(matches!(
            Reader::open(&folder.write(&unfinished)),
            Err(TraceError::Corrupt { .. })
        ));
    }
}

#[test]
fn whatever_follows_the_end_is_damage() {
    let folder = Folder::new();
    let bytes = sound(&folder);
    let frames = frames(&folder);
    let last = bytes[frames[frames.len() - 1].0..].to_vec();
    for extra in [
        &b"\0"[..],
        b"garbage of some length",
        &[0; 100],
        &last,
        &bytes,
    ] {
        let longer = [&bytes[..], extra].concat();
        assert_corrupt(&folder, &longer, frames.len() as u64);
        let unfinished = [&bytes[..frames[2].1], b"garbage"].concat();
        assert_corrupt(&folder, &unfinished, 3);
    }
}

#[test]
fn something_else_is_no_trace() {
    let folder = Folder::new();
    for bytes in [&b"#!/bin/sh\n"[..], &[0; 64], b"PK\x03\x04", b"x"] {
        let opened = Reader::open(&folder.write(bytes));
        assert!(matches!(opened, Err(TraceError::NotATrace { .. })));
    }
    let other = zstd::bulk::compress(b"not a trace", 3).unwrap();
    assert!(Reader::open(&folder.write(&other)).is_err());
    assert!(matches!(
        Reader::open(&folder.file("absent")),
        Err(TraceError::Io { .. })
    ));
}
