//! The writer's own promises.

use super::*;
use crate::limits::{CHUNK_MAX, FRAME_RAW_MAX};

#[test]
fn an_unwritable_place_is_noticed_at_once() {
    let folder = Folder::new();
    let path = folder.file("no/such/folder/trace.zst");
    assert!(matches!(
        Writer::create(&path, &meta()),
        Err(WriteError::Create { .. })
    ));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_trace() {
    let full = Path::new("/dev/full");
    assert!(matches!(
        Writer::create(full, &meta()),
        Err(WriteError::Write { frame: 0, .. })
    ));
}

#[test]
fn a_write_error_ends_the_trace_and_leaves_it_readable() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut writer = Writer::create(&path, &meta()).unwrap();
    let one = || event(Header::default(), Vec::new());
    writer.event(stream(1, 1), one()).unwrap();
    writer.flush().unwrap();
    writer.event(stream(1, 1), one()).unwrap();
    writer.frames.break_file();
    assert!(matches!(
        writer.flush(),
        Err(WriteError::Write { frame: 2, .. })
    ));
    let ended = |result| assert!(matches!(result, Err(WriteError::Ended { frame: 2, .. })));
    ended(writer.event(stream(1, 1), one()));
    ended(writer.content_bytes(1, 0, b"x"));
    ended(writer.content_end(1, 0));
    ended(writer.anchor(1, 1));
    ended(writer.process_end(&ProcessEnd::default()));
    ended(writer.flush());
    ended(writer.finish(&end()).map(drop));
    let mut reader = Reader::open(&path).unwrap();
    assert!(reader.is_cut());
    assert_eq!(reader.verify(&mut |_, _| {}).unwrap().events, 1);
}

#[cfg(unix)]
#[test]
fn a_new_trace_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    drop(Writer::create(&path, &meta()).unwrap());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_was_flushed_survives_the_writer() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut writer = Writer::create(&path, &meta()).unwrap();
    let one = || event(Header::default(), Vec::new());
    writer.event(stream(1, 1), one()).unwrap();
    writer.flush().unwrap();
    writer.event(stream(1, 1), one()).unwrap();
    drop(writer);
    let mut reader = Reader::open(&path).unwrap();
    assert!(reader.is_cut() && !reader.complete() && reader.end().is_none());
    assert_eq!(reader.streams()[0].events, 1);
    assert!(!reader.verify(&mut |_, _| {}).unwrap().complete);
}

#[test]
fn events_that_the_format_cannot_hold_are_refused_and_cost_nothing() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut writer = Writer::create(&path, &meta()).unwrap();
    let mut bad = vec![
        event(
            Header::default(),
            vec![part(Role::ContentBytes, 0, vec![1])],
        ),
        event(
            Header {
                kind: 255,
                ..Header::default()
            },
            Vec::new(),
        ),
    ];
    let mut wrong = part(Role::Output, 0, vec![1, 2]);
    wrong.len = 3;
    bad.push(event(Header::default(), vec![wrong]));
    let mut wrong = part(Role::Content, 0, vec![1]);
    wrong.len = 1;
    bad.push(event(Header::default(), vec![wrong]));
    for event in bad {
        let refused = writer.event(stream(1, 1), event);
        assert!(matches!(refused, Err(WriteError::BadEvent { seq: 0, .. })));
    }
    let good = event(Header::default(), Vec::new());
    writer.event(stream(1, 1), good).unwrap();
    writer.finish(&end()).unwrap();
    assert!(try_all(&path).unwrap());
}

#[test]
fn contents_out_of_order_are_refused_and_unfinished_ones_reported() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut writer = Writer::create(&path, &meta()).unwrap();
    writer.content_bytes(1, 0, b"abc").unwrap();
    let bad = |result| {
        assert!(matches!(
            result,
            Err(WriteError::BadContent { number: 1, .. })
        ))
    };
    bad(writer.content_bytes(1, 4, b"e"));
    bad(writer.content_bytes(1, 2, b"c"));
    bad(writer.content_end(1, 4));
    writer.content_bytes(2, 0, b"abc").unwrap();
    writer.content_end(2, 3).unwrap();
    // Who sent this one was killed at it.
    writer.content_bytes(3, 0, b"abc").unwrap();
    for number in [1, 2] {
        let refers = EventPart {
            content: number,
            ..part(Role::Content, 0, Vec::new())
        };
        let event = event(Header::default(), vec![refers]);
        writer.event(stream(1, 1), event).unwrap();
    }
    writer.finish(&end()).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    assert!(!reader.complete() && !reader.is_cut());
    let reasons = &reader.end().unwrap().reasons;
    assert_eq!(reasons, &["content 1 was not received in full"]);
    assert!(reader.file(1).is_err());
    assert_eq!(reader.file(2).unwrap().size, 3);
    reader.verify(&mut |_, _| {}).unwrap();
}

#[test]
fn frames_and_memory_stay_bounded_whatever_the_parts() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut dice = Dice::new(3);
    let mut writer = Writer::create(&path, &meta()).unwrap();
    for _ in 0..4 {
        let parts = (0..20_000).map(|at| part(Role::Output, dice.next(), vec![at as u8; 40]));
        let event = event(Header::default(), parts.collect());
        writer.event(stream(1, 1), event).unwrap();
    }
    let bytes = dice.bytes(9 * CHUNK_MAX);
    writer.content_bytes(1, 0, &bytes).unwrap();
    writer.content_end(1, bytes.len() as u64).unwrap();
    writer.finish(&end()).unwrap();
    assert!(try_all(&path).unwrap());
    let reader = Reader::open(&path).unwrap();
    let largest = reader
        .frames()
        .iter()
        .map(|info| info.raw_len)
        .max()
        .unwrap();
    assert!((largest as usize) < FRAME_RAW_MAX / 2, "{largest}");
}
