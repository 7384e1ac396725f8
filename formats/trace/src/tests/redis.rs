//! What a trace costs on traffic like that of a key-value server.

use super::*;

/// A server with `clients` connections: per turn an epoll_wait, and per ready client a clock read
/// twice, a read of the request, a write of the reply. Returns the events and their number.
fn traffic(writer: &mut Writer, turns: u64, clients: u64) -> u64 {
    let mut dice = Dice::new(42);
    let mut now = 5_000_000_000_000u64;
    let mut count = 0;
    let mut call = |nr: u16, args: [u64; 6], ret: i64, hash: u64, parts: Vec<EventPart>| {
        now += 600 + dice.below(1500);
        count += 1;
        let header = Header {
            kind: 1,
            nr,
            group: 1,
            order: count,
            time_ns: now,
            args,
            ret,
            rip: 0x7f00_0010_0000 + u64::from(nr) * 0x40,
            rsp: 0x7ffc_0000_1000 - u64::from(nr) * 0x10,
            input_hash: hash,
            ..Header::default()
        };
        let parts = match nr {
            228 => {
                let wall = now + 1_700_000_000_000_000_000;
                let pair = [wall / 1_000_000_000, wall % 1_000_000_000 / 1000];
                let bytes = pair.map(u64::to_le_bytes).as_flattened().to_vec();
                vec![part(Role::Output, args[1], bytes)]
            }
            _ => parts,
        };
        writer.event(stream(1, 1), event(header, parts)).unwrap();
        dice.next()
    };
    let mut random = 1;
    for _ in 0..turns {
        let ready = 1 + random % 4;
        let mut fds = Vec::new();
        let mut list = Vec::new();
        for at in 0..ready {
            let fd = 8 + (random >> (8 * at)) % clients;
            fds.push(fd);
            list.extend_from_slice(&1u32.to_le_bytes());
            list.extend_from_slice(&fd.to_le_bytes());
        }
        let args = [5, 0x7f00_2000_0000, 10128, 100, 0, 8];
        call(
            232,
            args,
            ready as i64,
            0,
            vec![part(Role::Output, args[1], list)],
        );
        call(228, [0, 0x7ffc_0000_0e00, 0, 0, 0, 0], 0, 0, Vec::new());
        for fd in fds {
            let key = format!("key:{:012}", random % 100_000);
            let request = format!("*3\r\n$3\r\nSET\r\n$16\r\n{key}\r\n$3\r\nxxx\r\n").into_bytes();
            let buffer = 0x7f00_3000_0000 + fd * 0x5000;
            let len = request.len() as i64;
            let output = vec![part(Role::Output, buffer, request)];
            call(0, [fd, buffer, 16384, 0, 0, 0], len, 0, output);
            random = call(228, [0, 0x7ffc_0000_0d00, 0, 0, 0, 0], 0, 0, Vec::new());
            let reply = vec![part(Role::Input, buffer + 64, b"+OK\r\n".to_vec())];
            call(
                1,
                [fd, buffer + 64, 5, 0, 0, 0],
                5,
                0x1234_5678_9abc_def0,
                reply,
            );
        }
    }
    count
}

#[test]
fn an_event_of_a_busy_server_takes_few_bytes() {
    let folder = Folder::new();
    let path = folder.file("trace.zst");
    let mut writer = Writer::create(&path, &meta()).unwrap();
    let empty = writer.bytes_written();
    let started = std::time::Instant::now();
    let events = traffic(&mut writer, 20_000, 20);
    let summary = writer.finish(&end()).unwrap();
    let written = started.elapsed();
    let bytes = summary.bytes - empty;
    let per_event = bytes as f64 / events as f64;
    assert!(per_event < 9.0, "{per_event} bytes an event");
    assert!(try_all(&path).unwrap());
    // All of it is events: such traffic has no content.
    assert_eq!(Reader::open(&path).unwrap().content_share().unwrap(), 0);
    // Shown by `cargo test -- --nocapture`.
    eprintln!(
        "{events} events, {bytes} bytes, {per_event:.2} bytes/event, raw {:.2}, written in {:?}",
        summary.raw_bytes as f64 / events as f64,
        written
    );
}
