//! What is written comes back.

use super::*;
use crate::limits::{CHUNK_MAX, EVENT_INLINE_MAX};
use reenact_abi::event::Kind;

#[test]
fn events_of_anything_come_back() {
    let folder = Folder::new();
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let path = folder.file("trace.zst");
        let mut writer = Writer::create(&path, &meta()).unwrap();
        let mut written: Vec<Vec<Event>> = vec![Vec::new(); 5];
        for _ in 0..dice.below(3000) {
            let at = dice.below(5) as usize;
            let event = wild_event(&mut dice);
            written[at].push(event.clone());
            writer.event(stream(at as u32, 9), event).unwrap();
            if dice.below(500) == 0 {
                writer.flush().unwrap();
            }
        }
        writer.finish(&end()).unwrap();
        assert!(try_all(&path).unwrap());
        let items = items(&mut Reader::open(&path).unwrap()).unwrap();
        for (at, events) in written.iter().enumerate() {
            assert!(
                events_of(&items, stream(at as u32, 9)) == *events,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn everything_else_comes_back() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut writer = Writer::create(&path, &meta()).unwrap();
    let killed = ProcessEnd {
        process: 3,
        task: 4,
        complete: false,
        killed_by: 9,
        exe: b"/bin/x\xff".to_vec(),
        parent: 1,
    };
    writer.anchor(u64::MAX, 1).unwrap();
    writer.process_end(&killed).unwrap();
    let end = End {
        exit_code: None,
        signal: Some(-9),
        reasons: vec!["a ring overflowed".into()],
        ..end()
    };
    let summary = writer.finish(&end).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.meta(), &meta());
    assert_eq!(reader.end(), Some(&end));
    assert_eq!(summary.bytes, reader.file_size());
    let anchor = Anchor {
        wall_ns: u64::MAX,
        mono_ns: 1,
    };
    assert_eq!(reader.anchors().unwrap(), [anchor]);
    assert_eq!(reader.process_ends().unwrap(), [killed]);
    assert_eq!(reader.table().unwrap(), crate::table::current());
}

#[test]
fn payloads_of_every_size_class_come_back() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut dice = Dice::new(1);
    let sizes = [
        4095,
        4096,
        CHUNK_MAX - 1,
        CHUNK_MAX,
        CHUNK_MAX + 1,
        5 * CHUNK_MAX + 7,
    ];
    let mut events: Vec<Event> = Vec::new();
    for size in sizes {
        let parts = vec![part(Role::Output, 1, dice.bytes(size))];
        events.push(event(Header::default(), parts));
    }
    let many = (0..300).map(|at| part(Role::Data, at, dice.bytes(EVENT_INLINE_MAX / 100)));
    events.push(event(Header::default(), many.collect()));
    let mut writer = Writer::create(&path, &meta()).unwrap();
    for event in events.iter().chain(&events) {
        writer.event(stream(1, 1), event.clone()).unwrap();
    }
    let summary = writer.finish(&end()).unwrap();
    // Each chunk is stored once although every event was written twice.
    assert!(summary.chunk_bytes < 10 * CHUNK_MAX as u64);
    assert!(try_all(&path).unwrap());
    let read = items(&mut Reader::open(&path).unwrap()).unwrap();
    let twice: Vec<Event> = events.iter().chain(&events).cloned().collect();
    assert!(events_of(&read, stream(1, 1)) == twice);
}

#[test]
fn contents_come_back_whole_and_in_pieces() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut dice = Dice::new(2);
    let big = dice.bytes(3 * CHUNK_MAX + 17);
    let mut writer = Writer::create(&path, &meta()).unwrap();
    for (at, piece) in big.chunks(70_000).enumerate() {
        let offset = at as u64 * 70_000;
        writer.content_bytes(1, offset, piece).unwrap();
        writer.content_bytes(2, offset, piece).unwrap();
    }
    let size = big.len() as u64;
    writer.content_end(1, size).unwrap();
    writer.content_end(2, size).unwrap();
    writer.content_end(3, 0).unwrap();
    let summary = writer.finish(&end()).unwrap();
    assert_eq!(summary.chunk_bytes, size);
    assert!(try_all(&path).unwrap());
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.contents(), [1, 2, 3]);
    // Random bytes take their own size; the rest of the file is the table, the lists and the index.
    let share = reader.content_share().unwrap();
    assert!(share.abs_diff(size) < size / 100, "{share} of {size}");
    assert!(share < reader.file_size());
    for number in [1, 2] {
        let file = reader.file(number).unwrap();
        let mut out = Vec::new();
        assert_eq!(reader.write_content(&file, &mut out).unwrap(), size);
        assert!(out == big);
    }
    let file = reader.file(1).unwrap();
    let middle = reader
        .read_content(&file, CHUNK_MAX as u64 - 5, 10)
        .unwrap();
    assert_eq!(middle, big[CHUNK_MAX - 5..CHUNK_MAX + 5]);
    assert_eq!(
        reader.read_content(&file, size - 3, 10).unwrap(),
        big[big.len() - 3..]
    );
    assert_eq!(reader.file(3).unwrap().size, 0);
    assert!(matches!(
        reader.file(4),
        Err(TraceError::NoContent { number: 4, .. })
    ));
}

#[test]
fn many_streams_come_back_and_cursors_follow_them() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut writer = Writer::create(&path, &meta()).unwrap();
    let streams: Vec<StreamId> = (0..1500).map(|at| stream(at / 3, at % 3)).collect();
    let make = |id: StreamId, round: u64| {
        let header = Header {
            kind: 1,
            order: round,
            time_ns: 1000 * round + u64::from(id.process),
            ..Header::default()
        };
        event(header, Vec::new())
    };
    for round in 0..20 {
        for id in &streams {
            writer.event(*id, make(*id, round)).unwrap();
        }
        if round % 7 == 0 {
            writer.flush().unwrap();
        }
    }
    writer.finish(&end()).unwrap();
    assert!(try_all(&path).unwrap());
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.streams().len(), streams.len());
    let mut cursor = reader.cursor(stream(77, 2), 5);
    for round in 5..20 {
        let (seq, event) = cursor.next(&mut reader).unwrap().unwrap();
        assert_eq!((seq, event), (round, make(stream(77, 2), round)));
    }
    assert_eq!(cursor.next(&mut reader).unwrap(), None);
}

#[test]
fn a_trace_is_the_same_bytes_each_time() {
    let folder = Folder::new();
    let (a, b) = (folder.file("a.zst"), folder.file("b.zst"));
    small_trace(&a);
    small_trace(&b);
    assert!(std::fs::read(a).unwrap() == std::fs::read(b).unwrap());
}

#[test]
fn rewrite_changes_what_it_is_told_and_nothing_else() {
    let folder = Folder::new();
    let (a, b, c) = (
        folder.file("a.zst"),
        folder.file("b.zst"),
        folder.file("c.zst"),
    );
    small_trace(&a);
    rewrite(&a, &b, &mut |_, _| {}).unwrap();
    assert!(std::fs::read(&a).unwrap() == std::fs::read(&b).unwrap());
    let mut seen = 0;
    rewrite(&a, &c, &mut |_, event| {
        seen += 1;
        if seen == 5 {
            event.header.ret = event.header.ret.wrapping_add(1);
        }
    })
    .unwrap();
    assert!(try_all(&c).unwrap());
    let before = items(&mut Reader::open(&a).unwrap()).unwrap();
    let after = items(&mut Reader::open(&c).unwrap()).unwrap();
    let different = before.iter().zip(&after).filter(|(a, b)| a != b);
    assert_eq!((before.len(), different.count()), (after.len(), 1));
}

#[test]
fn recordings_merge_by_copying_their_frames() {
    let folder = Folder::new();
    let mut files = Vec::new();
    for uuid in [[1; 16], [2; 16]] {
        let path = folder.file("one.zst");
        let mut writer = Writer::create(&path, &Meta { uuid, ..meta() }).unwrap();
        for at in 0..3 {
            let header = Header {
                order: at + u64::from(uuid[0]),
                ..Header::default()
            };
            let parts = vec![part(Role::Output, 0, vec![at as u8; 5000])];
            writer.event(stream(1, 1), event(header, parts)).unwrap();
            writer.flush().unwrap();
        }
        writer.finish(&end()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let reader = Reader::open(&path).unwrap();
        let frames = reader.frames().iter();
        let frames = frames.map(|info| bytes[info.offset as usize..info.end() as usize].to_vec());
        files.push(frames.collect::<Vec<_>>());
    }
    let pairs = files[0].iter().zip(&files[1]);
    let merged: Vec<u8> = pairs.flat_map(|(a, b)| [&a[..], b].concat()).collect();
    let path = folder.write(&merged);
    assert!(!try_all(&path).unwrap(), "it has no index yet");
    let index = Reader::open(&path).unwrap().index.encode();
    let path = folder.write(&[&merged[..], &crate::envelope::index_frame(&index)].concat());
    assert!(try_all(&path).unwrap());
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.recordings().len(), 2);
    for recording in 0..2 {
        reader.select(recording).unwrap();
        let items = items(&mut reader).unwrap();
        let events = events_of(&items, stream(1, 1));
        assert_eq!(events.len(), 3);
        assert_eq!(events[0].header.order, recording as u64 + 1);
    }
    assert!(reader.select(2).is_none());
}

#[test]
fn ways_that_recur_and_pairs_among_other_events_come_back() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut writer = Writer::create(&path, &meta()).unwrap();
    let one = writer.handle(stream(1, 1));
    let mut dice = Dice::new(7);
    let (mut put, mut repeated) = (Vec::new(), 0);
    for number in 0..40_000u64 {
        // Few ways of few calls, so that they recur; what they say is now as before, now wild.
        let header = Header {
            kind: Kind::Call as u8,
            nr: dice.below(3) as u16,
            order: number,
            time_ns: number * 32,
            args: [dice.below(5), 9, 8, 7, 6, dice.below(2)],
            ret: -(dice.below(2) as i64),
            rip: 0x1000 + dice.below(3) * 8,
            rsp: 0x7000 - dice.below(4) * 16,
            ..Header::default()
        };
        let words = [
            number / 9,
            if dice.below(9) == 0 {
                dice.value()
            } else {
                number * 3
            },
        ];
        let addr = 0x4000 + dice.below(2) * 0x100;
        let bytes = words.map(u64::to_le_bytes).as_flattened().to_vec();
        let event = match dice.below(4) {
            0 => event(header, vec![part(Role::Data, 1, dice.bytes(5))]),
            1 => event(
                Header {
                    input_hash: dice.value(),
                    ..header
                },
                Vec::new(),
            ),
            _ => event(header, vec![part(Role::Output, addr, bytes)]),
        };
        let is_pair = event.parts.first().map(|part| part.role) == Some(Role::Output);
        if is_pair {
            writer.pair_of(one, &event.header, addr, words).unwrap();
        } else {
            writer.event(stream(1, 1), event.clone()).unwrap();
        }
        put.push(event.clone());
        // And the same a few times more, now and then out of order.
        let again: Vec<PairAgain> = (1..=dice.below(4))
            .map(|again| PairAgain {
                order: number + dice.below(2) * again,
                time_ns: number * 32 + again * 7,
                words: [words[0], words[1].wrapping_sub(again * 1000)],
            })
            .collect();
        let taken = writer.pairs_again(one, again.iter().copied()).unwrap();
        assert!(is_pair || taken == 0);
        repeated += taken;
        put.extend(again[..taken].iter().map(|pair| {
            let header = Header {
                order: pair.order,
                time_ns: pair.time_ns,
                ..event.header
            };
            let bytes = pair.words.map(u64::to_le_bytes).as_flattened().to_vec();
            Event {
                header,
                parts: vec![part(Role::Output, addr, bytes)],
            }
        }));
    }
    assert!(repeated > 1000, "{repeated}");
    writer.finish(&end()).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let got = events_of(&items(&mut reader).unwrap(), stream(1, 1));
    assert_eq!(got.len(), put.len());
    for (number, (got, put)) in got.iter().zip(&put).enumerate() {
        assert_eq!(got, put, "event {number}");
    }
}
