//! Traces made by hand, and what is left of them when their events are tampered with.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use reenact_abi::event::{flags, Header, Kind, Role, HEADER_SIZE};
use reenact_abi::syscalls::ROWS;
use reenact_trace::{End, Event, EventPart, Meta, ProcessEnd, Reader, StreamId, Writer};

use super::Dice;
use crate::fact::{Ended, Fact, Side};
use crate::ids::EventId;
use crate::model::Model;
use crate::story::Story;

/// A file that goes away with the test.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A trace of these events.
fn trace(events: &[(StreamId, Event)]) -> File {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("reenact-causal-{}-{number}.zst", std::process::id());
    let file = File(std::env::temp_dir().join(name));
    let meta = Meta {
        uuid: [7; 16],
        mono_start_ns: 1,
        root_process: 1,
        ..Meta::default()
    };
    let mut writer = Writer::create(&file.0, &meta).unwrap();
    let mut streams: Vec<StreamId> = Vec::new();
    for (stream, event) in events {
        writer.event(*stream, event.clone()).unwrap();
        if !streams.contains(stream) {
            streams.push(*stream);
        }
    }
    for stream in streams {
        let end = ProcessEnd {
            process: stream.process,
            task: stream.task,
            complete: true,
            ..ProcessEnd::default()
        };
        writer.process_end(&end).unwrap();
    }
    writer.finish(&End::default()).unwrap();
    file
}

const A: StreamId = StreamId {
    process: 1,
    task: 1,
};
const B: StreamId = StreamId {
    process: 2,
    task: 2,
};

fn part(role: Role, addr: u64, bytes: &[u8]) -> EventPart {
    EventPart {
        role,
        addr,
        len: bytes.len() as u64,
        content: 0,
        bytes: bytes.to_vec(),
    }
}

/// Writes events of two processes, each a group of its own.
#[derive(Default)]
struct Script {
    events: Vec<(StreamId, Event)>,
    orders: [u64; 4],
}

impl Script {
    fn add(&mut self, stream: StreamId, header: Header, parts: Vec<EventPart>) -> EventId {
        let order = &mut self.orders[stream.process as usize];
        *order += 1;
        let header = Header {
            size: HEADER_SIZE as u32,
            group: stream.process,
            order: *order,
            flags: header.flags | if parts.is_empty() { 0 } else { flags::MORE },
            ..header
        };
        self.events.push((stream, Event { header, parts }));
        EventId::new(stream, *order - 1)
    }

    fn call(
        &mut self,
        stream: StreamId,
        name: &str,
        time_ns: u64,
        args: &[u64],
        ret: i64,
        parts: Vec<EventPart>,
    ) -> EventId {
        let row = ROWS.iter().find(|row| row.name == name).unwrap();
        let mut header = Header {
            kind: Kind::Call as u8,
            nr: row.nr,
            time_ns,
            ret,
            ..Header::default()
        };
        header.args[..args.len()].copy_from_slice(args);
        self.add(stream, header, parts)
    }

    fn kind(&mut self, stream: StreamId, kind: Kind, time_ns: u64) -> EventId {
        let header = Header {
            kind: kind as u8,
            time_ns,
            ..Header::default()
        };
        self.add(stream, header, Vec::new())
    }
}

struct Written {
    events: Vec<(StreamId, Event)>,
    fork: EventId,
    send: EventId,
    answer: EventId,
    answered: EventId,
}

/// A parent and its child talk over a pair of sockets. The child answers before the parent's call that
/// sent the question has returned, and the fork returns after the child has begun.
fn talk() -> Written {
    let mut script = Script::default();
    let fds = [5u32.to_le_bytes(), 6u32.to_le_bytes()].concat();
    script.kind(A, Kind::TaskStart, 10);
    let pair = vec![part(Role::Output, 0x1000, &fds)];
    script.call(A, "socketpair", 20, &[1, 1, 0, 0x1000], 0, pair);
    let child = [2u32.to_le_bytes(), 2u32.to_le_bytes()].concat();
    let made = vec![part(Role::Data, 0, &child)];
    let fork = script.call(A, "fork", 100, &[], 4711, made);
    script.kind(B, Kind::TaskStart, 90);
    script.call(A, "close", 110, &[6], 0, vec![]);
    script.call(B, "close", 95, &[5], 0, vec![]);
    let question = vec![part(Role::Input, 0x2000, b"question")];
    let send = script.call(A, "write", 250, &[5, 0x2000, 8], 8, question);
    // In two pieces.
    for (at, piece) in [(200, &b"ques"[..]), (210, b"tion")] {
        let piece = vec![part(Role::Output, 0x3000, piece)];
        script.call(B, "read", at, &[6, 0x3000, 4], 4, piece);
    }
    let yes = vec![part(Role::Input, 0x4000, b"yes")];
    let answer = script.call(B, "sendto", 240, &[6, 0x4000, 3], 3, yes);
    let got = vec![part(Role::Output, 0x5000, b"yes")];
    let answered = script.call(A, "recvfrom", 300, &[5, 0x5000, 10], 3, got);
    script.call(B, "exit_group", 310, &[3], 0, vec![]);
    let status = vec![part(Role::Output, 0x6000, &[0, 3, 0, 0])];
    script.call(A, "wait4", 400, &[u64::MAX, 0x6000], 4711, status);
    script.call(A, "exit_group", 500, &[0], 0, vec![]);
    Written {
        events: script.events,
        fork,
        send,
        answer,
        answered,
    }
}

fn facts(file: &File) -> Vec<(EventId, Fact)> {
    let mut reader = Reader::open(&file.0).unwrap();
    let mut story = Story::new(&reader);
    let mut facts = Vec::new();
    while let Some(moment) = story.next(&mut reader).unwrap() {
        facts.push((moment.event, moment.fact));
    }
    facts
}

#[test]
fn causes_come_before_effects_although_calls_return_later() {
    let written = talk();
    let facts = facts(&trace(&written.events));
    let at = |event: EventId| facts.iter().position(|(of, _)| *of == event).unwrap();
    let read = EventId::new(B, 2);
    assert!(at(written.fork) < at(EventId::new(B, 0)));
    assert!(at(written.send) < at(read));
    assert!(at(read) < at(written.answer));
    assert!(at(written.answer) < at(written.answered));
    let started = Fact::Start {
        by: Some(written.fork),
        pid: 4711,
    };
    assert_eq!(facts[at(EventId::new(B, 0))].1, started);
    let ends = facts.iter().filter_map(|(_, fact)| match fact {
        Fact::End { how, .. } => Some(*how),
        _ => None,
    });
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [Ended::Status(3), Ended::Status(0)]
    );
    let waited = facts
        .iter()
        .any(|(_, fact)| matches!(fact, Fact::Wait { child: 2, .. }));
    assert!(waited);
}

/// Two tasks of one group: the one that sent the question comes back from its call behind the other,
/// which has taken the answer in by then.
#[test]
fn a_question_is_told_before_its_answer_whoever_of_a_group_returns_first() {
    let asking = StreamId {
        process: 1,
        task: 3,
    };
    let mut script = Script::default();
    let fds = [5u32.to_le_bytes(), 6u32.to_le_bytes()].concat();
    script.kind(A, Kind::TaskStart, 10);
    let pair = vec![part(Role::Output, 0x1000, &fds)];
    script.call(A, "socketpair", 20, &[1, 1, 0, 0x1000], 0, pair);
    let thread = [1u32.to_le_bytes(), 3u32.to_le_bytes()].concat();
    let made = vec![part(Role::Data, 0, &thread)];
    script.call(A, "clone", 30, &[0x10f00], 4712, made);
    script.kind(asking, Kind::TaskStart, 40);
    let child = [2u32.to_le_bytes(), 2u32.to_le_bytes()].concat();
    let made = vec![part(Role::Data, 0, &child)];
    script.call(A, "fork", 50, &[], 4711, made);
    script.kind(B, Kind::TaskStart, 60);
    let got = vec![part(Role::Output, 0x3000, b"question")];
    script.call(B, "read", 200, &[6, 0x3000, 8], 8, got);
    let yes = vec![part(Role::Input, 0x4000, b"yes")];
    script.call(B, "write", 210, &[6, 0x4000, 3], 3, yes);
    let got = vec![part(Role::Output, 0x5000, b"yes")];
    script.call(A, "read", 220, &[5, 0x5000, 3], 3, got);
    let question = vec![part(Role::Input, 0x2000, b"question")];
    script.call(asking, "write", 230, &[5, 0x2000, 8], 8, question);
    let file = trace(&script.events);
    let told = facts(&file)
        .into_iter()
        .filter_map(|(event, fact)| match fact {
            Fact::Send { bytes, .. } => Some((event.stream, "sends", bytes.known)),
            Fact::Receive { bytes, .. } => Some((event.stream, "gets", bytes.known)),
            _ => None,
        });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            (asking, "sends", b"question".to_vec()),
            (B, "gets", b"question".to_vec()),
            (B, "sends", b"yes".to_vec()),
            (A, "gets", b"yes".to_vec()),
        ]
    );
}

/// A group that waits for what its processes were sent makes others meanwhile, and sees them end.
#[test]
fn a_process_is_told_of_behind_the_call_that_made_it() {
    let made_by_a = StreamId {
        process: 3,
        task: 3,
    };
    let mut script = Script::default();
    let fds = [5u32.to_le_bytes(), 6u32.to_le_bytes()].concat();
    script.kind(A, Kind::TaskStart, 10);
    let pipe = vec![part(Role::Output, 0x1000, &fds)];
    script.call(A, "pipe", 20, &[0x1000], 0, pipe);
    let child = |stream: StreamId| {
        let numbers = [stream.process.to_le_bytes(), stream.task.to_le_bytes()];
        vec![part(Role::Data, 0, &numbers.concat())]
    };
    script.call(A, "fork", 30, &[], 4711, child(B));
    script.kind(B, Kind::TaskStart, 40);
    let got = vec![part(Role::Output, 0x3000, b"late")];
    script.call(A, "read", 50, &[5, 0x3000, 4], 4, got);
    let fork = script.call(A, "fork", 60, &[], 4712, child(made_by_a));
    let start = script.kind(made_by_a, Kind::TaskStart, 70);
    let end = script.call(made_by_a, "exit_group", 80, &[0], 0, vec![]);
    let wait = script.call(A, "wait4", 90, &[u64::MAX, 0], 4712, vec![]);
    let sent = vec![part(Role::Input, 0x2000, b"late")];
    script.call(B, "write", 100, &[6, 0x2000, 4], 4, sent);
    let file = trace(&script.events);
    let told: Vec<EventId> = facts(&file).into_iter().map(|(event, _)| event).collect();
    let at = |event: EventId| told.iter().position(|one| *one == event).unwrap();
    assert!(at(fork) < at(start) && at(start) < at(end) && at(end) < at(wait));
    // So the order of causes has all links.
    let mut reader = Reader::open(&file.0).unwrap();
    let mut story = Story::new(&reader);
    let model = Model::read(&mut reader, &mut story, &mut |_, _| {}).unwrap();
    let place = |event| {
        Model::place(&mut Reader::open(&file.0).unwrap(), event)
            .unwrap()
            .unwrap()
    };
    let order = model.causality();
    assert!(order.happens_before(place(fork), place(end)));
    assert!(order.happens_before(place(end), place(wait)));
}

#[test]
fn what_a_program_writes_to_a_key_log_is_no_message() {
    let mut script = Script::default();
    script.kind(A, Kind::TaskStart, 10);
    let lines = [&b"CLIENT_RANDOM "[..], b"00 11\n"];
    let lines = lines.map(|piece| part(Role::Data, 2, piece)).to_vec();
    script.call(A, "writev", 20, &[5, 0x1000, 2], 20, lines);
    script.call(A, "write", 30, &[5, 0x1000, 9], 9, Vec::new());
    let file = trace(&script.events);
    let found: Vec<_> = facts(&file)
        .into_iter()
        .filter(|(_, fact)| !matches!(fact, Fact::Start { .. } | Fact::End { .. }))
        .map(|(event, fact)| (event.seq, fact))
        .collect();
    let lines = b"CLIENT_RANDOM 00 11\n".to_vec();
    assert_eq!(found, [(1, Fact::KeyLog { lines })]);
}

#[test]
fn bytes_are_matched_by_their_offsets() {
    let written = talk();
    let file = trace(&written.events);
    let mut reader = Reader::open(&file.0).unwrap();
    let mut story = Story::new(&reader);
    let model = Model::read(&mut reader, &mut story, &mut |_, _| {}).unwrap();
    let all = story.connections().all();
    assert_eq!(all.len(), 1);
    let connection = crate::fact::ConnectionId(0);
    let question = model.direction(connection, Side::Zero);
    let sends: Vec<_> = question
        .sends
        .iter()
        .map(|sent| (sent.start, sent.end))
        .collect();
    let receives: Vec<_> = question
        .receives
        .iter()
        .map(|got| (got.start, got.end))
        .collect();
    assert_eq!((sends, receives), (vec![(0, 8)], vec![(0, 4), (4, 8)]));
    assert_eq!(question.sent_in(4, 8)[0].point.event, written.send);
    assert!(question.receives.iter().all(|got| got.certain));
    let place = |reader: &mut Reader, event| Model::place(reader, event).unwrap().unwrap();
    let (send, answered) = (
        place(&mut reader, written.send),
        place(&mut reader, written.answered),
    );
    let answer = place(&mut reader, written.answer);
    let order = model.causality();
    // The question returned after the answer was sent, and is its cause all the same.
    assert!(order.happens_before(send, answer));
    assert!(order.happens_before(answer, answered));
    assert!(!order.happens_before(answer, send));
    let causes = order.causes_of(answer, 10);
    assert_eq!(causes[0].from.event, written.send);
    let absent = EventId::new(B, 1000);
    assert_eq!(Model::place(&mut reader, absent).unwrap(), None);
}

#[test]
fn writers_that_nothing_orders_are_ambiguous() {
    let mut script = Script::default();
    let fds = [5u32.to_le_bytes(), 6u32.to_le_bytes()].concat();
    script.kind(A, Kind::TaskStart, 10);
    let pipe = vec![part(Role::Output, 0x1000, &fds)];
    script.call(A, "pipe", 20, &[0x1000], 0, pipe);
    let child = [2u32.to_le_bytes(), 2u32.to_le_bytes()].concat();
    script.call(A, "fork", 30, &[], 4711, vec![part(Role::Data, 0, &child)]);
    script.kind(B, Kind::TaskStart, 40);
    let bytes = |bytes: &[u8]| vec![part(Role::Input, 0x2000, bytes)];
    script.call(A, "write", 50, &[6, 0x2000, 1], 1, bytes(b"a"));
    script.call(B, "write", 60, &[6, 0x2000, 1], 1, bytes(b"b"));
    script.call(B, "exit_group", 70, &[0], 0, vec![]);
    script.call(A, "wait4", 80, &[u64::MAX, 0], 4711, vec![]);
    script.call(A, "write", 90, &[6, 0x2000, 1], 1, bytes(b"c"));
    let got = vec![part(Role::Output, 0x3000, b"abc")];
    script.call(A, "read", 95, &[5, 0x3000, 3], 3, got);
    let file = trace(&script.events);
    let mut reader = Reader::open(&file.0).unwrap();
    let mut story = Story::new(&reader);
    let model = Model::read(&mut reader, &mut story, &mut |_, _| {}).unwrap();
    let direction = model.direction(crate::fact::ConnectionId(0), Side::Zero);
    let certain: Vec<_> = direction.sends.iter().map(|send| send.certain).collect();
    // The last write follows the end of the other writer, which was waited for.
    assert_eq!(certain, [false, false, true]);
    assert!(!direction.receives[0].certain);
}

/// All that reads a trace, which may end in an error, and must end.
fn try_all(file: &File) -> bool {
    let Ok(mut reader) = Reader::open(&file.0) else {
        return false;
    };
    let mut story = Story::new(&reader);
    let Ok(model) = Model::read(&mut reader, &mut story, &mut |_, _| {}) else {
        return false;
    };
    for info in reader.streams() {
        if let Ok(Some(place)) = Model::place(&mut reader, EventId::new(info.stream, 1)) {
            let causality = model.causality();
            causality.causes_of(place, 20);
            causality.effects_of(place, 20);
        }
    }
    for number in 0..story.connections().all().len() as u32 {
        for side in [Side::Zero, Side::One] {
            story
                .connections()
                .peer(crate::fact::ConnectionId(number), side);
        }
    }
    true
}

#[test]
fn tampered_events_never_panic() {
    let written = talk();
    let mut dice = Dice::new(11);
    let mut read = 0;
    let rounds = 500;
    for _ in 0..rounds {
        let mut events = written.events.clone();
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(events.len() as u64) as usize;
            tamper(&mut dice, &mut events, at);
        }
        read += u32::from(try_all(&trace(&events)));
    }
    // Most of what is changed makes no difference to whether a trace can be read.
    assert!(read > rounds / 2, "{read}");
}

fn value(dice: &mut Dice) -> u64 {
    match dice.below(6) {
        0 => 0,
        1 => u64::MAX,
        2 => dice.next(),
        3 => u64::from(u32::MAX) + dice.below(3),
        _ => dice.below(20),
    }
}

fn tamper(dice: &mut Dice, events: &mut [(StreamId, Event)], at: usize) {
    let (stream, event) = &mut events[at];
    let header = &mut event.header;
    match dice.below(12) {
        0 => header.args[dice.below(6) as usize] = value(dice),
        1 => header.ret = value(dice) as i64,
        2 => header.time_ns = value(dice),
        3 => header.order = value(dice),
        4 => header.group = value(dice) as u32,
        5 => header.nr = any_flow(dice),
        6 => {
            let mut kinds: Vec<Kind> = Kind::ALL.to_vec();
            // These stand in rings only.
            kinds.retain(|kind| !matches!(kind, Kind::Part | Kind::Again | Kind::Alike));
            header.kind = kinds[dice.below(kinds.len() as u64) as usize] as u8;
        }
        7 => header.ticket = value(dice),
        8 => {
            *stream = StreamId {
                process: dice.below(4) as u32,
                task: dice.below(4) as u32,
            };
        }
        9 => {
            let len = dice.below(64) as usize;
            let bytes: Vec<u8> = (0..len).map(|_| dice.next() as u8).collect();
            let role = [Role::Output, Role::Input, Role::Data][dice.below(3) as usize];
            event.parts.push(part(role, value(dice), &bytes));
            event.header.flags |= flags::MORE;
        }
        10 => {
            if let Some(part) = event.parts.first_mut() {
                part.addr = value(dice);
            }
        }
        _ => header.flags ^= flags::UNFINISHED,
    }
}

/// A call that does something with descriptors or tasks.
fn any_flow(dice: &mut Dice) -> u16 {
    use reenact_abi::syscalls::flow::FLOWS;
    FLOWS[dice.below(FLOWS.len() as u64) as usize].0
}
