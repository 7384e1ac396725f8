//! Programs with a bug of order: recorded with chaos and without, whatever happened happens again.
//!
//! How often the bugs show is measured, not tested: `cargo bench -p reenact-tests --bench racy`.

use reenact_tests::{
    all_guests, all_racy, each_guest, guest, limit, need, program, racy, rounds, script, shows_bug,
    thorough, Ending,
};

const PROGRAMS: &[&str] = &[
    "aba_stack.c",
    "dict_race.py",
    "double_checked.c",
    "early_exit.c",
    "lock_order.c",
    "lost_update.c",
    "missed_wakeup.c",
    "signal_in_malloc.c",
    "torn_read.c",
    "use_after_free.c",
];

/// Records some runs, every other one with chaos, and replays each twice.
fn happens_again(file: &str) {
    for round in 0..rounds(20).into() {
        let subject = racy(file);
        let subject = if round % 2 == 0 {
            subject.chaos(round / 2)
        } else {
            subject
        };
        let recording = subject.record();
        shows_bug(&recording.recorded);
        recording.replay().same_output().replay().same_output();
    }
}

#[test]
fn every_program_is_tried() {
    assert_eq!(all_racy(), PROGRAMS);
}

#[test]
fn aba_in_a_lock_free_stack() {
    happens_again("aba_stack.c");
}

#[test]
fn a_data_race_on_a_map() {
    happens_again("dict_race.py");
}

#[test]
fn broken_double_checked_initialisation() {
    happens_again("double_checked.c");
}

#[test]
fn early_exit() {
    happens_again("early_exit.c");
}

#[test]
fn a_lock_order_deadlock() {
    happens_again("lock_order.c");
}

#[test]
fn a_lost_update() {
    happens_again("lost_update.c");
}

#[test]
fn a_missed_wake_up() {
    happens_again("missed_wakeup.c");
}

#[test]
fn a_signal_in_the_middle_of_malloc() {
    happens_again("signal_in_malloc.c");
}

#[test]
fn a_torn_read() {
    happens_again("torn_read.c");
}

#[test]
fn use_after_free() {
    happens_again("use_after_free.c");
}

/// A bug that shows in about a third of the runs with chaos shows in one of these.
#[test]
fn chaos_finds_a_lost_update() {
    let recording = (0..40).map(|seed| racy("lost_update.c").chaos(seed).record());
    let failed = recording
        .filter(|recording| shows_bug(&recording.recorded))
        .take(1)
        .last();
    let failed = failed.expect("one of forty seeds shows the bug");
    failed.replay().same_output().replay().same_output();
}

/// Seeds that a program of which all is right is tried with.
fn seeds() -> std::ops::Range<u64> {
    0..if thorough() { 5 } else { 1 }
}

#[test]
fn guests_are_right_with_chaos() {
    let few = [
        "files/read_write",
        "map/tsan",
        "preemption/two_counters",
        "process/fork_concurrent",
        "process/pi_mutex",
        "process/pipe_big_transfer",
        "process/robust_mutex",
        "signals/interrupted_read",
        "sockets/epoll_server",
        "sockets/tcp_bulk",
        "sockets/unix_stream",
        "threads/seen_while_waiting",
    ]
    .map(str::to_owned);
    let names = if thorough() {
        all_guests()
    } else {
        few.to_vec()
    };
    let names: Vec<_> = names
        .into_iter()
        .filter(|name| limit(name).is_none())
        .collect();
    each_guest(&names, |name| {
        for seed in seeds() {
            guest(name).chaos(seed).is_faithful();
        }
    });
}

#[test]
fn programs_are_right_with_chaos() {
    for seed in seeds() {
        script("for i in 1 2 3 4; do (echo $i; date +%N) | sort | cat; done; seq 100000 | md5sum; seq 40 | xargs -P 4 -n 4 echo | wc -l")
            .chaos(seed)
            .is_faithful();
        need("git", "git");
        script("git init -q r && cd r && for i in 1 2 3; do seq ${i}000 > f$i; git add .; git -c user.name=n -c user.email=e commit -qm $i; done; git gc -q; git clone -q . ../c; git log --oneline")
            .chaos(seed)
            .is_faithful();
        need("python3", "python3");
        let text = "
import queue, subprocess, threading
work, done = queue.Queue(), []
def worker():
    while (item := work.get()) is not None:
        done.append(item * item)
threads = [threading.Thread(target=worker) for _ in range(4)]
for thread in threads: thread.start()
for item in range(200): work.put(item)
for _ in threads: work.put(None)
for thread in threads: thread.join()
assert sorted(done) == [n * n for n in range(200)]
print(done, subprocess.run('seq 30000 | tail -1', shell=True, capture_output=True).stdout)
";
        program(&["python3", "-c", text]).chaos(seed).is_faithful();
    }
}

/// Only what POSIX allows to be short is: transfers on streams, and none that is one piece.
const TRANSFERS: &str = "
import os, socket, tempfile
def short(size, send, receive):
    count = 0
    for _ in range(400):
        sent = send(b'x' * size)
        got = len(receive(size))
        count += (got, sent) != (size, size)
        while got < sent:
            got += len(receive(sent - got))
    return count
a, b = socket.socketpair()
r, w = os.pipe()
c, d = socket.socketpair(type=socket.SOCK_DGRAM)
f = tempfile.TemporaryFile(buffering=0)
print('stream', short(1000, a.send, b.recv) != 0)
print('small', short(80, a.send, b.recv))
print('pipe', short(4000, lambda data: os.write(w, data), lambda size: os.read(r, size)))
print('datagram', short(1000, c.send, d.recv))
print('file', short(100000, f.write, lambda size: os.pread(f.fileno(), size, 0)))
";

#[test]
fn only_streams_are_short() {
    need("python3", "python3");
    let transfers = |chaos| {
        let subject = program(&["python3", "-c", TRANSFERS]);
        let recording = if chaos { subject.chaos(3) } else { subject }.record();
        assert_eq!(recording.recorded.ending, Ending::Exit(0));
        let said = recording.stdout();
        recording.replay().same_output();
        said
    };
    let whole = "small 0\npipe 0\ndatagram 0\nfile 0\n";
    assert_eq!(transfers(false), format!("stream False\n{whole}"));
    assert_eq!(transfers(true), format!("stream True\n{whole}"));
}

#[test]
fn the_trace_says_which_seed_it_was() {
    let seed_of = |subject: reenact_tests::Subject| {
        let recording = subject.record();
        let info = recording.replay_with(&["info", "--json"], recording.trace());
        let info: serde_json::Value = serde_json::from_slice(&info.stdout).expect("JSON");
        info["chaos"].as_u64()
    };
    assert_eq!(seed_of(program(&["true"]).chaos(u64::MAX)), Some(u64::MAX));
    assert_eq!(seed_of(program(&["true"])), None);
}
