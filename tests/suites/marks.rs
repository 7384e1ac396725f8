//! Marks: programs in several languages say each kind of thing about themselves, the trace tells it, and a replay that
//! comes to another state says which.

use std::ops::ControlFlow;
use std::path::Path;

use reenact_abi::event::{Kind, Role};
use reenact_abi::mark;
use reenact_tests::{
    go_program, guest, java_classes, need, program, script, source, Finished, Recording, Subject,
};
use reenact_trace::{rewrite, Event, Item, Mark, Reader};
use serde_json::Value;

/// The checksum of `id 1, id 2` and a newline: the program's own, SHA-256, and the one that the recorder makes.
const OWN: &str = "b9fe9e5401ae63817b8631beaf548af78cca94e704d2445f1ddd526b94cb944f";
const RECORDERS: &str = "5525675d2e14e8d4 (11 bytes)";

const DIVERGED: Option<i32> = Some(3);

fn path(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

fn said(recording: &Recording) -> Vec<Mark> {
    let mut reader = Reader::open(recording.trace()).expect("a trace");
    let mut marks = Vec::new();
    let walked = reader.for_each(&mut |item| {
        if let Item::Event { event, .. } = item {
            marks.extend(Mark::of(&event));
        }
        ControlFlow::Continue(())
    });
    walked.expect("a trace that can be read");
    marks
}

/// The program makes the marks that each program here makes, and is reproduced.
fn makes_marks(subject: Subject, users: &str) {
    let recording = subject.record().as_native();
    let shown: Vec<String> = said(&recording).iter().map(Mark::to_string).collect();
    let [phase, note, all, now] = &shown[..] else {
        panic!("four marks were due: {shown:?}");
    };
    assert_eq!(phase, "phase \"load\"");
    assert_eq!(note, "note \"hello, 50% of it: é\"");
    assert_eq!(all, &format!("checksum \"users/all\" = {users}"));
    assert!(now.starts_with("checksum \"now\" = "), "{now}");
    let listed = recording
        .replay_with(&["events", "--marks"], recording.trace())
        .text();
    assert_eq!(listed.lines().count(), 4, "{listed}");
    for (line, mark) in listed.lines().zip(&shown) {
        assert!(line.ends_with(mark), "{line} is not {mark}");
    }
    let story = recording.replay_with(&["show"], recording.trace()).text();
    for mark in [phase, note, all] {
        assert!(story.contains(mark.as_str()), "{mark} is not told: {story}");
    }
    let info = recording.replay_with(&["info"], recording.trace()).text();
    let counted = "marks      2 checksums, 1 note, 1 phase";
    assert!(info.lines().any(|line| line.starts_with(counted)), "{info}");
    recording.replay().same_output().replay().same_output();
}

#[test]
fn of_rust() {
    let rust = program(&[env!("CARGO_BIN_EXE_rust-marks")]);
    makes_marks(rust.clone(), RECORDERS);
    makes_marks(rust.unpatched(), RECORDERS);
}

#[test]
fn of_python() {
    need("python3", "python3");
    makes_marks(program(&["python3", path(&source("marks/marks.py"))]), OWN);
}

#[test]
fn of_node() {
    need("node", "nodejs");
    makes_marks(program(&["node", path(&source("marks/marks.js"))]), OWN);
}

#[test]
fn of_go() {
    makes_marks(program(&[path(&go_program("marks/marks.go"))]), OWN);
}

#[test]
fn of_java() {
    need("java", "default-jdk-headless");
    let classes = java_classes("marks/Marks.java");
    makes_marks(program(&["java", "-cp", path(&classes), "Marks"]), OWN);
}

#[test]
fn of_bash() {
    makes_marks(program(&["bash", path(&source("marks/marks.sh"))]), OWN);
}

/// Each call that can ask for a path makes a mark, once; the one that fails for its length makes none.
#[test]
fn every_way_to_ask_for_a_path_is_one_mark() {
    let recording = guest("marks/paths").record().as_native();
    let marks = said(&recording);
    let notes: Vec<String> = marks
        .iter()
        .filter(|mark| mark.kind == mark::Mark::Note)
        .map(Mark::quoted)
        .collect();
    let short: Vec<&str> = notes
        .iter()
        .map(|note| &note[..note.len().min(20)])
        .collect();
    let long = format!("\"{}", "x".repeat(19));
    let due = [
        "\"faccessat\"",
        "\"faccessat2\"",
        "\"stat\"",
        "\"lstat\"",
        "\"fstatat\"",
        "\"not followed\"",
        "\"statx\"",
        "\"open\"",
        "\"creat\"",
        "\"openat\"",
        "\"openat2\"",
        "\"wrong-mode\"",
        "\"wrong-flags\"",
        &long,
    ];
    assert_eq!(short, due);
    assert_eq!(marks.len(), due.len() + 21, "a phase, and 20 checksums");
    let long = marks.iter().find(|mark| mark.given == 3000);
    assert_eq!(long.expect("a long note").text.len(), mark::TEXT_MAX);
    let pid = recording.stdout().replace("pid ", "");
    let pid: u32 = pid
        .lines()
        .next()
        .and_then(|line| line.parse().ok())
        .expect("a pid");
    let last = marks.last().expect("a mark");
    assert_eq!(last.text, b"pid/of this");
    let value = last
        .value
        .iter()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    assert_eq!(value, pid);
}

/// A path that names no kind of mark leaves no event.
#[test]
fn other_paths_are_no_marks() {
    let recording = guest("marks/without_kind").record().as_native();
    assert_eq!(said(&recording), []);
}

/// Alters the trace's last event that `alter` accepts, with fresh hashes, and replays that.
fn replay_altered(recording: &Recording, alter: impl Fn(&mut Event) -> bool) -> Finished {
    let copy = recording.folder("altered").join("trace.zst");
    let mut found = 0;
    rewrite(recording.trace(), &copy, &mut |_, event| {
        found += u32::from(alter(&mut event.clone()));
    })
    .expect("a copy of the trace");
    assert!(found > 0, "the recording has no such event");
    let faithful = recording.replay_with(&[], &copy);
    assert_eq!(faithful.code(), Some(0), "{}", faithful.error_text());
    let mut seen = 0;
    rewrite(recording.trace(), &copy, &mut |_, event| {
        let mut altered = event.clone();
        if alter(&mut altered) {
            seen += 1;
            if seen == found {
                *event = altered;
            }
        }
    })
    .expect("an altered copy of the trace");
    recording.replay_with(&[], &copy)
}

/// The replay stopped, and said this of it.
fn diverged(replayed: &Finished, why: &str) {
    let said = replayed.error_text();
    assert_eq!(replayed.code(), DIVERGED, "{said}");
    let due = format!("replay: diverged: {why}\n");
    assert!(said.contains(&due), "`{due}` is not said: {said}");
}

/// Changes one data part of a mark of this kind.
fn with(event: &mut Event, kind: mark::Mark, part: usize, change: impl Fn(&mut Vec<u8>)) -> bool {
    let chosen = Mark::of(event).is_some_and(|mark| mark.kind == kind);
    if chosen {
        assert_eq!(event.parts[part].role, Role::Data);
        change(&mut event.parts[part].bytes);
    }
    chosen
}

#[test]
fn a_checksum_that_differs_is_named() {
    let script = "[ -e /.reenact/mark/checksum/users/00ff ]; [ -e /.reenact/mark/phase/one ]; date";
    let recording = self::script(script).record();
    let sum = replay_altered(&recording, |event| {
        with(event, mark::Mark::Checksum, 1, |value| value[1] ^= 1)
    });
    diverged(
        &sum,
        "checksum \"users\" differs: recorded 00fe, replayed 00ff",
    );
    assert!(sum
        .error_text()
        .contains("recorded  checksum \"users\" = 00fe"));
    let phase = replay_altered(&recording, |event| {
        with(event, mark::Mark::Phase, 0, |name| name[0] = b'X')
    });
    diverged(
        &phase,
        "the mark differs: recorded phase \"Xne\", replayed phase \"one\"",
    );
    let name = replay_altered(&recording, |event| {
        with(event, mark::Mark::Checksum, 0, |name| name[0] = b'U')
    });
    diverged(
        &name,
        "the mark differs: recorded checksum \"Users\" = 00ff, replayed checksum \"users\" = 00ff",
    );
    let moved = replay_altered(&recording, |event| {
        let chosen = Mark::of(event).is_some_and(|mark| mark.kind == mark::Mark::Phase);
        if chosen {
            event.header.nr = mark::Mark::Note as u16;
        }
        chosen
    });
    diverged(
        &moved,
        "the mark differs: recorded note \"one\", replayed phase \"one\"",
    );
}

/// The recorded program read something else than the replayed one: the first that shows it is its mark.
#[test]
fn a_program_that_comes_to_another_state_is_told_by_its_mark() {
    let text =
        "read u < /proc/sys/kernel/random/uuid; [ -e /.reenact/mark/checksum/u/${u//-/} ]; echo $u";
    let recording = script(text).record();
    let recorded = said(&recording)[0].value_digits();
    let first = if recorded.starts_with('a') { 'b' } else { 'a' };
    let replayed = replay_altered(&recording, |event| {
        let is_call = event.header.kind == Kind::Call as u8;
        // bash reads byte by byte what it cannot seek in.
        let uuid = event.parts.iter_mut().find(|part| {
            let starts = part.bytes.first() == recorded.as_bytes().first();
            is_call && part.role == Role::Output && starts && matches!(event.header.ret, 1 | 37)
        });
        uuid.map(|part| part.bytes[0] = first as u8).is_some()
    });
    let said = replayed.error_text();
    assert_eq!(replayed.code(), DIVERGED, "{said}");
    let due = format!("diverged: checksum \"u\" differs: recorded {recorded}, replayed ");
    assert!(said.contains(&due), "`{due}` is not said: {said}");
}

/// Three replicas tell a checksum after each step; PLANT makes one of them go wrong at the third.
const REPLICAS: &str = "
replica() { state=0; for step in 1 2 3 4; do
    state=$((state * 7 + step)); [ \"$1$2 $step\" != \"bwrong 3\" ] || state=$((state + 1))
    [ -e /.reenact/mark/checksum/ledger/$(printf %04x $state) ]; done; }
for one in a b c; do (replica $one $PLANT) & wait $!; done";

#[test]
fn replicas_that_should_agree_are_held_against_each_other() {
    let right = script(REPLICAS).env("PLANT", "right").record();
    let shown = right.replay_with(&["show", "--checksums"], right.trace());
    assert_eq!(shown.code(), Some(0), "{}", shown.text());
    assert!(shown.text().contains(" agree"), "{}", shown.text());

    let wrong = script(REPLICAS).env("PLANT", "wrong").record();
    let shown = wrong.replay_with(&["show", "--checksums", "--json"], wrong.trace());
    assert_eq!(shown.code(), Some(1), "{}", shown.text());
    let told: Value = serde_json::from_slice(&shown.stdout).expect("one line of JSON");
    assert_eq!(told["name"], "ledger");
    let processes = told["processes"].as_array().expect("processes");
    assert_eq!(processes.len(), 3, "{told:#}");
    // The second replica, at its third checksum.
    let odd = told["disagree"].as_array().expect("who disagrees");
    assert_eq!(odd.len(), 1, "{told:#}");
    assert_eq!(odd[0]["process"], processes[1]["process"], "{told:#}");
    assert_eq!(odd[0]["number"], 3, "{told:#}");
    assert_eq!(
        odd[0]["event"], processes[1]["told"][2]["event"],
        "{told:#}"
    );
    let shown = wrong.replay_with(&["show", "--checksums"], wrong.trace());
    let event = odd[0]["event"].as_str().expect("an event");
    let line = format!("disagrees from {event} on");
    assert!(shown.text().contains(&line), "{}", shown.text());

    // Two runs are compared by them, too.
    let right_trace = right.trace().display().to_string();
    let options = ["diff", "--json", &right_trace];
    let compared = right.replay_with(&options, wrong.trace());
    let told: Value = serde_json::from_slice(&compared.stdout).expect("JSON");
    let causes = told["causes"].as_array().expect("causes");
    let sum = causes.iter().find(|cause| cause["kind"] == "checksum");
    let sum = sum.unwrap_or_else(|| panic!("no checksum: {told:#}"));
    assert_eq!(sum["b"]["event"], event, "{told:#}");
}
