//! The decoders behind the hashes: mutated bytes under fresh seals never panic, and never make the
//! reader take more memory than its limits allow.

use super::*;
use crate::envelope::{decompress, index_frame, index_of_frame, Seal};
use crate::limits::FRAME_RAW_MAX;

/// Uncompressed frames and the index of a small trace.
fn plain(folder: &Folder) -> (Vec<Vec<u8>>, Vec<u8>) {
    let path = folder.file("sound.zst");
    small_trace(&path);
    let bytes = std::fs::read(&path).unwrap();
    let reader = Reader::open(&path).unwrap();
    let frames = reader.frames();
    let raw = frames.iter().map(|info| {
        let start = info.offset as usize;
        let compressed = &bytes[start..start + info.compressed_len as usize];
        decompress(compressed, info.raw_len).unwrap()
    });
    let end = frames.last().unwrap().end() as usize;
    (
        raw.collect(),
        index_of_frame(&bytes[end..]).unwrap().to_vec(),
    )
}

/// Appends a frame with a seal.
fn seal(out: &mut Vec<u8>, number: u64, compressed: &[u8], raw_len: usize, last: &mut Digest) {
    let seal = Seal::new([7; 16], number, raw_len, compressed, last);
    *last = seal.hash;
    out.extend_from_slice(compressed);
    out.extend_from_slice(&seal.encode());
}

/// A file of these frames, sealed.
fn resealed(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = [0; 32];
    for (number, raw) in frames.iter().enumerate() {
        let compressed = zstd::bulk::compress(raw, 1).unwrap();
        seal(&mut out, number as u64, &compressed, raw.len(), &mut last);
    }
    out
}

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(bytes.len() as u64) as usize;
        match dice.below(6) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.next() as u8,
            2 => bytes[at] = [0, 0x7f, 0x80, 0xff, 0xc6, 0xdf][dice.below(6) as usize],
            3 => bytes.insert(at, dice.next() as u8),
            4 => drop(bytes.remove(at)),
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

#[test]
fn resealing_alone_changes_nothing() {
    let folder = Folder::new();
    let (frames, index) = plain(&folder);
    let path = folder.write(&resealed(&frames));
    assert!(!try_all(&path).unwrap());
    // The same frames compressed at another level: the old index is not about them.
    let whole = [resealed(&frames), index_frame(&index)].concat();
    assert!(try_all(&folder.write(&whole)).is_err());
}

#[test]
fn mutated_frames_never_panic() {
    let folder = Folder::new();
    let (frames, _) = plain(&folder);
    let mut dice = Dice::new(11);
    let mut survived = 0;
    for _ in 0..1500 {
        // The first frame is mostly the table; the others hold what is worth mutating.
        let mut mutated = frames.clone();
        let at = dice.below(frames.len() as u64) as usize;
        mutate(&mut dice, &mut mutated[at]);
        survived += u32::from(try_all(&folder.write(&resealed(&mutated))).is_ok());
    }
    assert!(survived > 0, "mutations must reach beyond the first check");
}

#[test]
fn mutated_indexes_never_panic_and_are_found() {
    let folder = Folder::new();
    let (_, index) = plain(&folder);
    let bytes = std::fs::read(folder.file("sound.zst")).unwrap();
    let reader = Reader::open(&folder.file("sound.zst")).unwrap();
    let end = reader.frames().last().unwrap().end() as usize;
    let mut dice = Dice::new(12);
    for _ in 0..1500 {
        let mut mutated = index.clone();
        mutate(&mut dice, &mut mutated);
        let path = folder.write(&[&bytes[..end], &index_frame(&mutated)].concat());
        let result = try_all(&path);
        // Names of fields that no reader looks at may change unnoticed.
        if mutated.len() != index.len() {
            continue;
        }
        let changed = mutated != index;
        assert!(!changed || !matches!(result, Ok(true)) || only_unread(&index, &mutated));
    }
}

/// Whether two indexes differ only in what readers skip: version and count of frames.
fn only_unread(a: &[u8], b: &[u8]) -> bool {
    let of = |bytes: &[u8]| {
        let fields = crate::msgpack::Values::new(bytes).next_fields().ok()??;
        crate::index::Index::decode(&fields).ok()
    };
    of(a) == of(b)
}

#[test]
fn a_bomb_is_refused() {
    let folder = Folder::new();
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    for claimed in [1000, FRAME_RAW_MAX, FRAME_RAW_MAX + 1, u32::MAX as usize] {
        let mut out = Vec::new();
        seal(&mut out, 0, &bomb, claimed, &mut [0; 32]);
        let opened = Reader::open(&folder.write(&out));
        assert!(matches!(opened, Err(TraceError::Corrupt { frame: 0, .. })));
    }
}

#[test]
fn unknown_types_and_fields_are_skipped() {
    let folder = Folder::new();
    let (mut frames, _) = plain(&folder);
    let before = items(&mut Reader::open(&folder.file("sound.zst")).unwrap()).unwrap();
    for frame in &mut frames {
        let mut packer = crate::msgpack::Packer(frame);
        packer.map(2);
        packer.text_field("type", "from-the-future");
        packer.number(5);
        packer.list(1);
        packer.nil();
        packer.map(0);
    }
    let mut reader = Reader::open(&folder.write(&resealed(&frames))).unwrap();
    reader.verify(&mut |_, _| {}).unwrap();
    assert!(items(&mut reader).unwrap() == before);
}

#[test]
fn a_newer_major_version_is_told_from_damage() {
    let folder = Folder::new();
    let (mut frames, _) = plain(&folder);
    let at = frames[0]
        .windows(5)
        .position(|name| name == b"major")
        .unwrap();
    frames[0][at + 5] = 2;
    let opened = Reader::open(&folder.write(&resealed(&frames)));
    assert!(matches!(opened, Err(TraceError::Version { .. })));
    let at = frames[0]
        .windows(5)
        .position(|name| name == b"minor")
        .unwrap();
    frames[0][at - 1 - 5 + 5] = frames[0][at - 1];
    frames[0][at + 5] = 9;
    let at = frames[0]
        .windows(5)
        .position(|name| name == b"major")
        .unwrap();
    frames[0][at + 5] = 1;
    assert!(Reader::open(&folder.write(&resealed(&frames))).is_ok());
}
