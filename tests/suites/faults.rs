//! What goes wrong: damaged, altered and cut traces, killed recorders and programs, full disks, missing commands.
//!
//! Random places are few by default; `REENACT_THOROUGH=1` takes as many as the claims name.

use std::cell::Cell;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use reenact_abi::event::{Header, Kind, Role};
use reenact_tests::{
    build, c_program, guest, need, program, record_binary, replay_binary, rounds, script, until,
    Ending, Finished, Net, Random, Recording, Running, Subject,
};
use reenact_trace::{rewrite, Event, Item, Reader, StreamId, Writer};

const REPRODUCED: Option<i32> = Some(0);
const DIVERGED: Option<i32> = Some(3);
const NOT_SET_UP: Option<i32> = Some(4);
const CORRUPT: Option<i32> = Some(5);
const INCOMPLETE: Option<i32> = Some(6);

fn some_work() -> Recording {
    let work = "for i in 1 2 3 4 5; do echo $i $RANDOM; date +%N; done; head -c 300000 /dev/urandom | tee big | cksum; ls -la /etc; wc -c big";
    let recording = script(work).record();
    assert_eq!(recording.recorded.ending, Ending::Exit(0));
    recording
}

/// What a replay printed is what the recording printed, as far as it goes.
fn is_prefix(of: &Recording, replayed: &Finished) -> bool {
    of.recorded.stdout.starts_with(&replayed.stdout)
}

#[test]
fn a_flipped_byte_is_found_and_named() {
    let recording = some_work();
    let original = fs::read(recording.trace()).expect("the trace");
    let altered = recording.folder("altered").join("trace.zst");
    let mut random = Random::from_environment();
    for _ in 0..rounds(1000) {
        let at = random.below(original.len() as u64) as usize;
        let mask = 1 + random.below(255) as u8;
        let mut bytes = original.clone();
        bytes[at] ^= mask;
        fs::write(&altered, bytes).expect("an altered trace");
        let replayed = recording.replay_with(&[], &altered);
        let said = replayed.error_text();
        let what = format!(
            "byte {at} of {} changed by {mask:#x}: {}\n{said}",
            original.len(),
            replayed.ending
        );
        assert!([CORRUPT, INCOMPLETE].contains(&replayed.code()), "{what}");
        if replayed.code() == CORRUPT {
            assert!(said.contains("frame"), "the frame is not named: {what}");
        }
        assert!(!said.contains("panicked"), "{what}");
        let verified = recording.verify(&altered);
        assert!(
            [CORRUPT, INCOMPLETE].contains(&verified.code()),
            "verify: {what}"
        );
    }
}

#[test]
fn a_cut_trace_replays_as_far_as_it_goes() {
    let recording = some_work();
    let original = fs::read(recording.trace()).expect("the trace");
    let cut = recording.folder("cut").join("trace.zst");
    let mut random = Random::from_environment();
    let random_lengths = (0..rounds(200)).map(|_| random.below(original.len() as u64) as usize);
    // Within the last bytes only the index is cut, and all that happened is there.
    let at_the_end = [1, 100].map(|bytes| original.len() - bytes);
    for length in random_lengths.chain(at_the_end) {
        fs::write(&cut, &original[..length]).expect("a cut trace");
        let replayed = recording.replay_with(&[], &cut);
        let what = format!(
            "cut at {length} of {}: {}\n{}",
            original.len(),
            replayed.ending,
            replayed.error_text()
        );
        // Before the first frame is whole there is nothing that says what this file was.
        let readable = Reader::open(&cut).is_ok();
        let due = if readable { INCOMPLETE } else { CORRUPT };
        assert_eq!(replayed.code(), due, "{what}");
        assert!(is_prefix(&recording, &replayed), "{what}");
    }
}

#[test]
fn files_that_are_no_traces_are_refused() {
    let recording = program(&["true"]).record();
    let folder = recording.folder("strange");
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"hello"),
        ("zeros", &[0; 10_000]),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("a strange file");
        let replayed = recording.replay_with(&[], &path);
        assert_eq!(
            replayed.code(),
            CORRUPT,
            "{name}: {}",
            replayed.error_text()
        );
    }
    let absent = recording.replay_with(&[], &folder.join("absent"));
    assert_ne!(absent.code(), REPRODUCED);
    assert!(absent.error_text().contains("absent"), "the file is named");
}

/// Alters the last event that `chosen` picks, in a copy with fresh hashes, and replays that.
fn replay_altered(
    recording: &Recording,
    chosen: impl Fn(&Event) -> bool,
    alter: impl Fn(&mut Event),
) -> Finished {
    let copy = recording.folder("altered").join("trace.zst");
    let mut found = 0;
    rewrite(recording.trace(), &copy, &mut |_, event| {
        found += u32::from(chosen(event))
    })
    .expect("a copy of the trace");
    assert!(found > 0, "the recording has no such event");
    let unaltered = recording.replay_with(&[], &copy);
    assert_eq!(
        unaltered.code(),
        REPRODUCED,
        "a faithful copy: {}",
        unaltered.error_text()
    );
    let mut seen = 0;
    rewrite(recording.trace(), &copy, &mut |_, event| {
        seen += u32::from(chosen(event));
        if chosen(event) && seen == found {
            seen += 1;
            alter(event);
        }
    })
    .expect("an altered copy of the trace");
    recording.replay_with(&[], &copy)
}

fn diverged(replayed: &Finished) {
    let said = replayed.error_text();
    assert_eq!(replayed.code(), DIVERGED, "{}: {said}", replayed.ending);
    for word in ["event", "process", "recorded", "replayed"] {
        assert!(
            said.contains(word),
            "the divergence does not say `{word}`: {said}"
        );
    }
}

fn is_call(header: &Header, nr: i64) -> bool {
    header.kind == Kind::Call as u8 && i64::from(header.nr) == nr
}

fn has_output(event: &Event) -> bool {
    let output = |role| role == Role::Output;
    event
        .parts
        .iter()
        .any(|part| output(part.role) && !part.bytes.is_empty())
}

fn flip_output(event: &mut Event) {
    let part = event
        .parts
        .iter_mut()
        .find(|part| part.role == Role::Output);
    let part = part.expect("chosen for its output");
    part.bytes[0] ^= 0x11;
}

#[test]
fn an_altered_read_diverges() {
    let recording = script("read x < /proc/sys/kernel/random/uuid; echo $x").record();
    let small_read = |event: &Event| {
        is_call(&event.header, libc::SYS_read) && has_output(event) && event.header.ret < 100
    };
    diverged(&replay_altered(&recording, small_read, flip_output));
}

#[test]
fn an_altered_random_value_diverges() {
    let recording = guest("misc/crash_at_random").record();
    // The C library draws some for itself, with a flag.
    let random = |event: &Event| {
        is_call(&event.header, libc::SYS_getrandom)
            && event.header.ret == 8
            && event.header.args[2] == 0
    };
    diverged(&replay_altered(&recording, random, flip_output));
}

#[test]
fn an_altered_clock_diverges() {
    let recording = program(&["date", "+%s.%N"]).record();
    let clock =
        |event: &Event| is_call(&event.header, libc::SYS_clock_gettime) && has_output(event);
    diverged(&replay_altered(&recording, clock, flip_output));
}

#[test]
fn an_altered_cycle_counter_diverges() {
    let recording = guest("time/cycle_counter").record();
    let counter = |event: &Event| event.header.kind == Kind::Tsc as u8;
    diverged(&replay_altered(&recording, counter, |event| {
        event.header.ret += 1
    }));
}

#[test]
fn an_altered_pid_diverges() {
    let recording = guest("process/fork").record();
    let fork = |event: &Event| {
        [libc::SYS_clone, libc::SYS_clone3, libc::SYS_fork]
            .iter()
            .any(|nr| is_call(&event.header, *nr))
            && event.header.ret > 0
    };
    diverged(&replay_altered(&recording, fork, |event| {
        event.header.ret += 1
    }));
}

#[test]
fn an_altered_call_number_diverges() {
    let recording = guest("process/fork").record();
    let lseek = |event: &Event| is_call(&event.header, libc::SYS_lseek);
    diverged(&replay_altered(&recording, lseek, |event| {
        event.header.nr = libc::SYS_getppid as u16
    }));
}

#[test]
fn an_altered_argument_diverges() {
    let recording = guest("process/fork").record();
    let lseek = |event: &Event| is_call(&event.header, libc::SYS_lseek);
    diverged(&replay_altered(&recording, lseek, |event| {
        event.header.args[2] ^= 1
    }));
}

#[test]
fn an_altered_input_hash_diverges() {
    let recording = guest("process/fork").record();
    let write = |event: &Event| is_call(&event.header, libc::SYS_write);
    diverged(&replay_altered(&recording, write, |event| {
        event.header.input_hash ^= 1
    }));
}

fn is_checksum(event: &Event) -> bool {
    event.header.kind == Kind::Checksum as u8
}

/// Bytes that a checksum event holds for one region: start, length, hash, and whether a file lies behind it.
const CHECKSUM_ENTRY: usize = 32;

#[test]
fn an_altered_state_checksum_diverges_and_names_the_memory() {
    let recording = guest("process/fork").record();
    let regions = |event: &Event| event.parts[0].bytes.len() / CHECKSUM_ENTRY;
    for last in [false, true] {
        let start = Cell::new(0);
        let replayed = replay_altered(&recording, is_checksum, |event| {
            let index = if last { regions(event) - 1 } else { 0 };
            let entry = &mut event.parts[0].bytes[index * CHECKSUM_ENTRY..][..CHECKSUM_ENTRY];
            start.set(u64::from_le_bytes(entry[..8].try_into().expect("8 bytes")));
            entry[16] ^= 1;
        });
        diverged(&replayed);
        let said = replayed.error_text();
        let memory = format!("memory at {:#x}", start.get());
        for side in ["diverged: ", "recorded  ", "replayed  "] {
            let named = format!("{side}{memory}");
            assert!(said.contains(&named), "`{named}` is not said: {said}");
        }
    }
}

/// The trace itself is inconsistent then, so this is no divergence of the program's.
#[test]
fn a_state_checksum_that_lost_a_region_is_refused() {
    let recording = guest("process/fork").record();
    let shorter = replay_altered(&recording, is_checksum, |event| {
        let part = &mut event.parts[0];
        part.len -= CHECKSUM_ENTRY as u64;
        part.bytes.truncate(part.len as usize);
    });
    assert_eq!(shorter.code(), CORRUPT, "{}", shorter.error_text());
    let miscounted = replay_altered(&recording, is_checksum, |event| event.header.args[0] += 1);
    assert_eq!(miscounted.code(), CORRUPT, "{}", miscounted.error_text());
}

/// The lines of a report that name the divergence, without the hint that follows.
fn named(said: &str) -> Vec<&str> {
    said.lines()
        .filter(|line| line.starts_with("replay:") && !line.contains("look closer"))
        .collect()
}

#[test]
fn a_divergence_is_named_and_always_the_same() {
    let text = "read x < /proc/sys/kernel/random/uuid; echo $x; (date; exit 3); date +%N";
    let recording = script(text).record();
    let small_read = |event: &Event| {
        is_call(&event.header, libc::SYS_read) && has_output(event) && event.header.ret < 100
    };
    let first = replay_altered(&recording, small_read, flip_output);
    diverged(&first);
    let said = first.error_text();
    let lines = named(&said);
    let number_after = |line: &str, word: &str| {
        let mut words = line.split([' ', ',']).skip_while(|each| *each != word);
        words
            .nth(1)
            .is_some_and(|number| number.parse::<u64>().is_ok())
    };
    assert!(
        lines
            .iter()
            .any(|line| number_after(line, "process") && number_after(line, "event")),
        "process and event have numbers: {said}"
    );
    for side in ["recorded ", "replayed "] {
        let names_call = |line: &&str| line.contains(side) && line.contains(") = ");
        assert!(lines.iter().any(names_call), "{side}call in full: {said}");
    }
    let altered = recording.folder("altered").join("trace.zst");
    for _ in 0..rounds(100) {
        let again = recording.replay_with(&[], &altered);
        diverged(&again);
        assert_eq!(named(&again.error_text()), lines);
    }
}

#[test]
fn code_of_a_trace_cannot_leave_its_confinement() {
    let folder = tempfile::tempdir().expect("a folder");
    let outside = folder.path().join("escaped");
    let guest = build("escape");
    let words = [&guest.binary, &outside].map(|path| path.to_str().expect("a UTF-8 path"));
    for net in [Net::Dispatch, Net::Seccomp] {
        let recording = program(&words).net(net).record();
        assert_eq!(
            recording.recorded.ending,
            Ending::Exit(0),
            "{}",
            recording.recorded.error_text()
        );
        // The way out is one: while recording, it leads to a file.
        fs::remove_file(&outside).expect("a file made by a call that the recorder did not see");
        let replayed = recording.replay_with(&["--quiet"], recording.trace());
        assert!(!outside.exists(), "the replay reached a file outside");
        assert_eq!(replayed.code(), DIVERGED, "{}", replayed.error_text());
    }
}

#[test]
fn a_killed_recorder_leaves_the_program_alone() {
    let mut random = Random::from_environment();
    for _ in 0..rounds(50) {
        let recorder = script("echo $$ > started; for i in $(seq 40); do echo line $i; /bin/true; sleep 0.005; done; echo $i > finished")
            .start_recording();
        let folder = recorder.folder();
        until("the program starts", || {
            fs::metadata(folder.join("started")).ok()
        });
        thread::sleep(Duration::from_millis(random.below(150)));
        recorder.running.kill(libc::SIGKILL);
        until("the program goes on to its end", || {
            fs::read_to_string(folder.join("finished"))
                .ok()
                .filter(|text| text == "40\n")
        });
        let recording = recorder.finish();
        let text = recording.stdout();
        assert_eq!(text.lines().count(), 40, "every line came through: {text}");
        // Killed before the first frame was written there is nothing to replay; after it, a part.
        let replayed = recording.replay_with(&["--quiet"], recording.trace());
        let readable = Reader::open(recording.trace()).is_ok();
        let due = if readable {
            vec![INCOMPLETE, REPRODUCED]
        } else {
            vec![CORRUPT, NOT_SET_UP]
        };
        assert!(
            due.contains(&replayed.code()),
            "{}: {}",
            replayed.ending,
            replayed.error_text()
        );
        assert!(is_prefix(&recording, &replayed));
    }
}

#[test]
fn a_recorder_that_stands_still_leaves_threads_alone() {
    let threads = c_program("busy_threads.c");
    let threads = threads.to_str().expect("a UTF-8 path");
    let recorder = program(&[threads, "enough"]).start_recording();
    thread::sleep(Duration::from_millis(300));
    // Longer than tasks wait for it; then they run on unrecorded.
    recorder.running.kill(libc::SIGSTOP);
    thread::sleep(Duration::from_secs(12));
    fs::write(recorder.folder().join("enough"), "").expect("a file of our own");
    thread::sleep(Duration::from_millis(500));
    recorder.running.kill(libc::SIGCONT);
    let recording = recorder.finish();
    let told = (recording.recorded.code(), recording.stdout());
    assert_eq!(told, (Some(0), "all is well\n".to_owned()));
    let said = recording.recorded.error_text();
    assert!(said.contains("the recorder fell behind"), "{said}");
    let replayed = recording.replay_with(&["--quiet"], recording.trace());
    assert_eq!(replayed.code(), INCOMPLETE, "{}", replayed.error_text());
    assert!(is_prefix(&recording, &replayed));
}

#[test]
fn a_signal_sent_to_the_recorder_is_the_commands() {
    let signals = [
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGHUP,
        libc::SIGUSR1,
        libc::SIGUSR2,
    ];
    for signal in signals {
        let recorder = script(&format!(
            "trap 'echo caught; exit 7' {signal}; echo > started; for i in $(seq 600); do sleep 0.05; done; echo never"
        ))
        .start_recording();
        let folder = recorder.folder();
        until("the program starts", || {
            fs::metadata(folder.join("started")).ok()
        });
        recorder.running.kill(signal);
        let recording = recorder.finish();
        assert_eq!(
            (recording.recorded.code(), recording.stdout().as_str()),
            (Some(7), "caught\n"),
            "signal {signal}"
        );
        recording.replay().same_output();
    }
}

#[test]
fn threads_whose_recorder_was_killed_replay_to_that_point() {
    let mut random = Random::from_environment();
    let mut replayable = 0;
    for round in 0..rounds(40).max(6) {
        let guest = build("hand_round");
        let path = guest.binary.to_str().expect("a UTF-8 path");
        let recorder = program(&[path, "1200"]).start_recording();
        thread::sleep(Duration::from_millis(300 + random.below(700)));
        recorder.running.kill(libc::SIGKILL);
        let recording = recorder.finish();
        assert!(
            recording.stdout().ends_with("EXIT-SUCCESS\n"),
            "it went on to its end: {}",
            recording.stdout()
        );
        if Reader::open(recording.trace()).is_err() {
            continue;
        }
        let replayed = recording.replay_with(&["--quiet"], recording.trace());
        if replayed.code() != INCOMPLETE || !is_prefix(&recording, &replayed) {
            recording.fail(
                &format!("round {round}: {}", replayed.ending),
                Some(&replayed),
            );
        }
        replayable += u32::from(!replayed.stdout.is_empty());
    }
    assert!(replayable > 0, "none had anything to replay");
}

/// The trace of threads, without an end and without the events that are not `kept`.
fn replay_kept(kept: impl Fn(StreamId, u64) -> bool) -> (Recording, Finished) {
    let guest = build("hand_round");
    let path = guest.binary.to_str().expect("a UTF-8 path");
    let recording = program(&[path, "300"]).record();
    assert_eq!(recording.recorded.ending, Ending::Exit(0));
    let copy = recording.folder("altered").join("trace.zst");
    let mut reader = Reader::open(recording.trace()).expect("the trace");
    let mut writer = Writer::create(&copy, reader.meta()).expect("a copy");
    for number in reader.contents() {
        let file = reader.file(number).expect("a content");
        let mut at = 0;
        while at < file.size {
            let bytes = reader.read_content(&file, at, 1 << 20).expect("its bytes");
            writer.content_bytes(number, at, &bytes).expect("a copy");
            at += bytes.len() as u64;
        }
        writer.content_end(number, file.size).expect("a copy");
    }
    let take = &mut |item| {
        if let Item::Event { stream, seq, event } = item {
            if kept(stream, seq) {
                writer.event(stream, event).expect("a copy");
            }
        }
        ControlFlow::Continue(())
    };
    reader.for_each(take).expect("every event");
    writer.flush().expect("a copy");
    drop(writer);
    let replayed = recording.replay_with(&["--quiet"], &copy);
    (recording, replayed)
}

#[test]
fn a_trace_that_lacks_its_beginning_replays_nothing() {
    // Other threads of the first process are not its first.
    let (_, replayed) = replay_kept(|stream, _| stream.task != 1);
    let said = replayed.error_text();
    assert_eq!(replayed.code(), INCOMPLETE, "{said}");
    assert!(said.contains("cut before the first process"), "{said}");
    assert!(replayed.stdout.is_empty());
}

#[test]
fn a_trace_that_lacks_events_of_a_thread_replays_to_the_first_of_them() {
    for events in [0, 1, 200] {
        let (recording, replayed) = replay_kept(|stream, seq| stream.task != 3 || seq < events);
        if replayed.code() != INCOMPLETE || !is_prefix(&recording, &replayed) {
            recording.fail(
                &format!("{events} events of a thread: {}", replayed.ending),
                Some(&replayed),
            );
        }
    }
}

#[test]
fn a_killed_program_replays_to_that_point() {
    let mut random = Random::from_environment();
    for round in 0..rounds(200) {
        let recorder = script("echo $BASHPID > started; for i in $(seq 1000); do echo line $i $RANDOM; [ $((i % 7)) = 0 ] && /bin/true; x=$(echo $i); done")
            .start_recording();
        let started = recorder.folder().join("started");
        let pid: i32 = until("the program starts", || {
            fs::read_to_string(&started).ok()?.trim().parse().ok()
        });
        thread::sleep(Duration::from_micros(random.below(100_000)));
        let killed = Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .output()
            .expect("kill starts");
        let recording = recorder.finish();
        let ended = recording.recorded.ending;
        if !killed.status.success() {
            assert_eq!(ended, Ending::Exit(0), "it was over before it was killed");
        } else {
            assert_eq!(ended, Ending::Exit(137), "round {round}");
        }
        let replayed = recording.replay_with(&["--quiet"], recording.trace());
        let whole = replayed.stdout.len() == recording.recorded.stdout.len();
        let right = match replayed.code() {
            REPRODUCED => whole,
            INCOMPLETE => true,
            _ => false,
        };
        if !right || !is_prefix(&recording, &replayed) {
            recording.fail(
                &format!("round {round}: {}", replayed.ending),
                Some(&replayed),
            );
        }
    }
}

#[test]
fn a_full_disk_hurts_nothing_but_the_trace() {
    need("unshare", "util-linux");
    let folder = tempfile::tempdir().expect("a folder");
    // The small file system is gone with its namespace, so the trace is copied out of it.
    let inside = r#"
        mount -t tmpfs -o size=2m none "$1/small" || exit 90
        cd "$1" && "$2" -o small/trace.zst -- bash -c 'head -c 9000000 /dev/urandom | wc -c; echo $$; exit 7'
        code=$?
        cp small/trace.zst . || exit 91
        exit $code"#;
    fs::create_dir(folder.path().join("small")).expect("a folder to mount on");
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", inside, "sh"])
        .arg(folder.path())
        .arg(record_binary());
    let ran = Running::start(command, Duration::from_secs(120)).finish();
    let said = ran.error_text();
    assert_eq!(ran.ending, Ending::Exit(7), "{said}");
    assert!(ran.text().starts_with("9000000\n"), "{}", ran.text());
    assert!(
        said.lines().any(|line| line.starts_with("record:")),
        "a warning is due: {said}"
    );
    let trace = folder.path().join("trace.zst");
    let replayed = program(&["true"])
        .record()
        .replay_with(&["--quiet"], &trace);
    assert_eq!(replayed.code(), INCOMPLETE, "{}", replayed.error_text());
}

fn record(arguments: &[&str], folder: &Path) -> Finished {
    let mut command = Command::new(record_binary());
    command.args(arguments).current_dir(folder);
    Running::start(command, Duration::from_secs(120)).finish()
}

#[test]
fn a_missing_command_is_127() {
    let folder = tempfile::tempdir().expect("a folder");
    for missing in ["a-command-that-is-nowhere", "./absent", "/absent/command"] {
        let ran = record(&["--", missing], folder.path());
        assert_eq!(ran.ending, Ending::Exit(127), "{}", ran.error_text());
        assert!(
            ran.error_text().contains(missing),
            "it is named: {}",
            ran.error_text()
        );
    }
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("text"), "no program").expect("a file");
    fs::create_dir(folder.path().join("directory")).expect("a folder");
    for unfit in ["./text", "./directory"] {
        let ran = record(&["--", unfit], folder.path());
        assert_eq!(
            ran.ending,
            Ending::Exit(126),
            "{unfit}: {}",
            ran.error_text()
        );
    }
}

#[test]
fn an_unwritable_output_is_125_and_nothing_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    for unwritable in ["absent/trace.zst", ".", "/proc/trace.zst"] {
        let ran = record(&["-o", unwritable, "--", "touch", "started"], folder.path());
        assert_eq!(
            ran.ending,
            Ending::Exit(125),
            "{unwritable}: {}",
            ran.error_text()
        );
        assert!(
            !folder.path().join("started").exists(),
            "the program was started"
        );
    }
}

/// `record`, by way of a shell, as the command that is recorded.
fn record_within(command: &str) -> Subject {
    let record = record_binary();
    script(&format!(
        "{0} -o inner.zst -- {1}; echo exit $?; ls; {0} --quiet -o inner.zst -- {1}",
        record.display(),
        command
    ))
}

#[test]
fn a_recording_within_a_recording_is_part_of_it() {
    for net in [Net::Dispatch, Net::Seccomp] {
        for (command, code) in [
            ("bash -c 'echo hello $$; (exit 7)'", 7),
            ("bash -c 'echo hello $$; kill -KILL $$'", 137),
            ("bash -c 'echo hello $$; yes | head -n 1; exit 7'", 7),
        ] {
            let recording = record_within(command).net(net).loud().record();
            let said = recording.recorded.error_text();
            assert_eq!(recording.recorded.code(), Some(code), "{said}");
            let text = recording.stdout();
            assert!(text.starts_with("hello "), "{text}");
            assert!(text.contains(&format!("\nexit {code}\n")), "{text}");
            assert!(!text.contains("inner.zst"), "the inner trace: {text}");
            let line = "record: this is recorded already";
            assert_eq!(said.matches(line).count(), 2, "{said}");
            assert!(!said.contains("unrecorded"), "{said}");
            let options = ["--quiet", "--propagate-exit"];
            let replayed = recording.replay_with(&options, recording.trace());
            assert_eq!(replayed.code(), Some(code), "{}", replayed.error_text());
            assert_eq!(replayed.text(), text);
        }
        let missing = record_within("a-command-that-is-nowhere").net(net).record();
        assert_eq!(missing.recorded.ending, Ending::Exit(127));
    }
}

#[test]
fn a_replay_within_a_recording_runs_unrecorded_or_says_that_it_cannot_run() {
    let inner = program(&["date"]).record();
    let trace = inner.trace().to_str().expect("a UTF-8 path");
    let replay = replay_binary();
    let replay = [replay.to_str().expect("a UTF-8 path"), "--quiet", trace];
    let dispatched = program(&replay).record();
    let said = dispatched.recorded.error_text();
    assert_eq!(dispatched.recorded.code(), REPRODUCED, "{said}");
    assert_eq!(dispatched.stdout(), inner.stdout(), "{said}");
    assert!(said.contains("unrecorded"), "{said}");
    let filtered = program(&replay).net(Net::Seccomp).record();
    let said = filtered.recorded.error_text();
    assert_eq!(filtered.recorded.code(), NOT_SET_UP, "{said}");
}

#[test]
fn wrong_usage_starts_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["--no-such-option", "--", "touch", "started"][..],
        &["--"],
        &[],
    ] {
        let ran = record(arguments, folder.path());
        assert!(
            matches!(ran.ending, Ending::Exit(64 | 125)),
            "{arguments:?}: {}",
            ran.ending
        );
        assert!(
            !folder.path().join("started").exists(),
            "the program was started"
        );
    }
}

#[test]
fn a_setuid_file_that_grants_nothing_is_loaded_like_any_other() {
    script("cp /bin/id own; chmod u+s own; ./own; cp /bin/id group; chmod g+s group; ./group")
        .is_faithful();
}

#[test]
fn a_32_bit_child_runs_unrecorded_with_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = thirty_two_bits(folder.path());
    let text = format!("echo before; {}; echo after $?", binary.display());
    runs_unrecorded(&script(&text), "before\nhello\nafter 7\n");
}

/// Whoever shares memory waits for each other's turns, and a program that is not recorded takes none.
#[test]
fn a_32_bit_child_of_a_process_that_shares_its_memory_lets_it_go_on() {
    need("python3", "python3");
    let folder = tempfile::tempdir().expect("a folder");
    let binary = thirty_two_bits(folder.path());
    let binary = binary.to_str().expect("a UTF-8 path");
    let by_vfork = format!("import subprocess; print(subprocess.run(['{binary}']).returncode)");
    let by_fork = format!(
        "import mmap, os\n\
         shared = mmap.mmap(-1, 4096)\n\
         child = os.fork()\n\
         if child == 0: os.execv('{binary}', ['thirty-two'])\n\
         print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    );
    for text in [by_vfork, by_fork] {
        runs_unrecorded(&program(&["python3", "-c", &text]), "hello\n7\n");
    }
}

/// All goes on as it does natively around the program that says hello, and replay lacks that word and says so.
fn runs_unrecorded(subject: &Subject, printed: &str) {
    let recording = subject.clone().loud().record();
    let said = recording.recorded.error_text();
    assert_eq!(recording.recorded.ending, Ending::Exit(0), "{said}");
    assert_eq!(recording.stdout(), printed, "{said}");
    assert!(
        said.lines()
            .any(|line| line.starts_with("record:") && line.contains("unrecorded")),
        "{said}"
    );
    let replayed = recording.replay_with(&["--quiet"], recording.trace());
    let said = replayed.error_text();
    assert_eq!(replayed.code(), INCOMPLETE, "{said}");
    assert!(said.contains("unrecorded"), "{said}");
    assert_eq!(replayed.text(), printed.replace("hello\n", ""));
}

/// Assembled without any library, because the 32-bit C library is seldom installed.
fn thirty_two_bits(folder: &Path) -> PathBuf {
    let binary = folder.join("thirty-two");
    let source = folder.join("thirty-two.s");
    let text =
        ".globl _start\n_start: mov $4,%eax\nmov $1,%ebx\nmov $text,%ecx\nmov $6,%edx\nint $0x80\n\
                mov $1,%eax\nmov $7,%ebx\nint $0x80\n.data\ntext: .ascii \"hello\\n\"\n";
    fs::write(&source, text).expect("a source file");
    let built = Command::new(need("gcc", "gcc"))
        .args(["-m32", "-nostdlib", "-static", "-no-pie", "-o"])
        .arg(&binary)
        .arg(&source)
        .output()
        .expect("gcc starts");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let everyone = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&binary, everyone.clone()).expect("its permissions");
    fs::set_permissions(folder, everyone).expect("its folder's permissions");
    let class = fs::read(&binary).expect("the program")[4];
    assert_eq!(class, 1, "it is an ELF file of the 32-bit class");
    let native = Command::new(&binary)
        .output()
        .expect("this kernel runs 32-bit programs (CONFIG_IA32_EMULATION)");
    assert_eq!(native.stdout, b"hello\n", "the kernel really runs it");
    binary
}
