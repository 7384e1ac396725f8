//! The harness itself: each of its checks is fed a wrong answer and must say so.
//!
//! The commands here are shell scripts that keep a program's output and print it again, with a known defect.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reenact_tests::{
    all_guests, bare_root, docker_filter, each_guest, guest, limits, need, program, record_binary,
    script, Ending, Place, Running, Subject,
};

const RECORD: &str = r#"#!/bin/bash
[ "$1" = -o ] && trace=$2
while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
shift
{ "$@" >"$trace.out" 2>"$trace.err"; } 2>/dev/null
code=$?
cat "$trace.out"
cat "$trace.err" >&2
echo $code >"$trace"
exit $code
"#;

const REPLAY: &str = r#"#!/bin/bash
PATH=/usr/bin:/bin
propagate=
for word; do [ "$word" = --propagate-exit ] && propagate=yes; trace=$word; done
cat "$trace.out"
cat "$trace.err" >&2
[ "$propagate" ] && exit "$(cat "$trace")"
exit 0
"#;

fn commands(record: &str, replay: &str) -> PathBuf {
    let folder = tempfile::tempdir().expect("a folder").keep();
    for (name, text) in [("record", record), ("replay", replay)] {
        let path = folder.join(name);
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its permissions");
    }
    folder
}

fn judged_by(subject: Subject, record: &str, replay: &str) {
    let folder = commands(record, replay);
    subject.by_commands_in(&folder).is_faithful();
    fs::remove_dir_all(folder).expect("the scripts are there");
}

fn changed(script: &str, from: &str, to: &str) -> String {
    assert!(
        script.contains(from),
        "the defect is put where something was"
    );
    script.replace(from, to)
}

#[test]
fn right_commands_pass() {
    judged_by(guest("process/exec"), RECORD, REPLAY);
    judged_by(script("echo out; echo err >&2; exit 3"), RECORD, REPLAY);
}

#[test]
#[should_panic(expected = "stdout differs from byte 3 on")]
fn a_changed_byte_is_noticed() {
    judged_by(
        program(&["echo", "12345"]),
        RECORD,
        &changed(REPLAY, "cat \"$trace.out\"", "echo 12375"),
    );
}

#[test]
#[should_panic(expected = "stdout differs from byte 5 on")]
fn a_missing_byte_is_noticed() {
    judged_by(
        program(&["echo", "12345"]),
        RECORD,
        &changed(REPLAY, "cat \"$trace.out\"", "echo -n 12345"),
    );
}

#[test]
#[should_panic(expected = "stderr differs")]
fn a_line_of_replays_own_is_noticed() {
    judged_by(
        program(&["true"]),
        RECORD,
        &changed(REPLAY, "cat \"$trace.err\"", "echo replay: hello"),
    );
}

#[test]
#[should_panic(expected = "replay: exit code 3")]
fn a_divergence_is_noticed() {
    judged_by(
        program(&["true"]),
        RECORD,
        &changed(REPLAY, "exit 0", "exit 3"),
    );
}

#[test]
#[should_panic(expected = "replay: exit code 0, but Some(5) was due")]
fn a_code_that_is_not_propagated_is_noticed() {
    judged_by(
        script("exit 5"),
        RECORD,
        &changed(REPLAY, "exit \"$(cat \"$trace\")\"", "exit 0"),
    );
}

#[test]
#[should_panic(expected = "the trace says that sites were rewritten")]
fn a_way_that_was_not_taken_is_noticed() {
    let record = record_binary();
    let deaf = format!(
        "#!/bin/bash\nexec {} \"${{@/--no-patch/--quiet}}\"\n",
        record.display()
    );
    judged_by(program(&["true"]).unpatched().loud(), &deaf, REPLAY);
}

#[test]
#[should_panic(expected = "0 stops, but 1 were due")]
fn stops_that_did_not_happen_are_missed() {
    program(&["true"]).stopped_at_least(1).is_faithful();
}

#[test]
#[should_panic(expected = "under `record`: exit code 0, natively: exit code 5")]
fn a_verdict_changed_by_record_is_noticed() {
    judged_by(
        script("exit 5"),
        &changed(RECORD, "exit $code", "exit 0"),
        REPLAY,
    );
}

#[test]
#[should_panic(expected = "under `record`: no line EXIT-SUCCESS")]
fn a_guest_that_fails_quietly_is_noticed() {
    judged_by(
        guest("process/exec"),
        &changed(RECORD, "\"$@\" >", "true >"),
        REPLAY,
    );
}

#[test]
#[should_panic(expected = "the replay made files")]
fn a_file_left_behind_is_noticed() {
    judged_by(
        program(&["true"]),
        RECORD,
        &changed(REPLAY, "exit 0", "touch left; exit 0"),
    );
}

#[test]
fn endless_programs_are_ended() {
    let subject = script("sleep 1000 & sleep 1000").within(Duration::from_secs(1));
    assert_eq!(subject.native().ending, Ending::TimeLimit);
}

#[test]
fn deaths_by_signal_are_told_from_exits() {
    assert_eq!(
        script("kill -SEGV $$").native().ending,
        Ending::Signal(libc::SIGSEGV)
    );
    assert_eq!(script("exit 139").native().ending, Ending::Exit(139));
}

#[test]
fn the_docker_profile_denies_and_allows() {
    let contained = Place {
        filter: docker_filter(),
        ..Place::default()
    };
    let ran =
        script("unshare -U true; echo $?; setarch -R true; echo $?; ls / > /dev/null; echo $?")
            .at(contained)
            .native();
    // A new user namespace and fixed addresses are denied, and ordinary work is not.
    assert_eq!(
        ran.text().lines().collect::<Vec<_>>(),
        ["1", "1", "0"],
        "{}",
        ran.error_text()
    );
}

/// What a program prints in a bare root of its own.
fn printed_elsewhere(name: &str, arguments: &[&str]) -> String {
    let root = tempfile::tempdir().expect("a folder");
    bare_root(root.path(), &need(name, "coreutils"));
    let place = Place {
        namespaces: Some(4242),
        root: Some(root.path().to_owned()),
        ..Place::default()
    };
    let mut command = Command::new(format!("/{name}"));
    command.args(arguments);
    place.apply(&mut command, Path::new("/tmp"));
    let ran = Running::start(command, Duration::from_secs(60)).finish();
    assert_eq!(ran.ending, Ending::Exit(0), "{}", ran.error_text());
    ran.text()
}

#[test]
fn elsewhere_is_another_user_and_host_without_programs() {
    assert_eq!(printed_elsewhere("id", &["-u"]), "4242\n");
    assert_eq!(printed_elsewhere("uname", &["-n"]), "elsewhere\n");
    assert_eq!(
        printed_elsewhere("ls", &["/dev", "/tmp"]),
        "/dev:\nnull\n\n/tmp:\n"
    );
    assert!(!printed_elsewhere("ls", &["/"]).contains("etc"));
}

/// A guest whose replay exits with 3 and this message, by the table.
const LIMITED: &str = "misc/foreign_memory";

/// As `replay` does with a guest that it cannot re-enact: a part of its output, the message, the exit code.
const LIMITED_REPLAY: &str = r#"#!/bin/bash
echo "replay: diverged: argument 1 differs" >&2
exit 3
"#;

fn limited_is_judged(record: &str, replay: &str) {
    judged_by(guest(LIMITED), record, replay);
}

#[test]
fn a_known_limit_passes() {
    limited_is_judged(RECORD, LIMITED_REPLAY);
}

#[test]
#[should_panic(expected = "update the table")]
fn a_known_limit_that_is_gone_is_noticed() {
    limited_is_judged(RECORD, REPLAY);
}

#[test]
#[should_panic(expected = "update the table")]
fn another_exit_code_than_the_known_limits_is_noticed() {
    limited_is_judged(RECORD, &changed(LIMITED_REPLAY, "exit 3", "exit 6"));
}

#[test]
#[should_panic(expected = "update the table")]
fn another_message_than_the_known_limits_is_noticed() {
    limited_is_judged(RECORD, &changed(LIMITED_REPLAY, "argument", "ghost"));
}

#[test]
#[should_panic(expected = "update the table")]
fn wrong_output_beside_a_known_limit_is_noticed() {
    limited_is_judged(
        RECORD,
        &changed(LIMITED_REPLAY, "exit 3", "echo wrong; exit 3"),
    );
}

#[test]
#[should_panic(expected = "under `record`: exit code 0, natively: exit code 5")]
fn a_limit_of_replay_excuses_no_recording() {
    judged_by(
        script("exit 5").called(LIMITED),
        &changed(RECORD, "exit $code", "exit 0"),
        LIMITED_REPLAY,
    );
}

#[test]
fn every_known_limit_belongs_to_a_test() {
    let guests = all_guests();
    let limits = limits();
    assert!(!limits.is_empty(), "the table is read");
    for limit in limits {
        let (suite, name) = limit
            .test
            .split_once('/')
            .expect("a suite or topic, and a name");
        let suite = format!("{}/suites/{suite}.rs", env!("CARGO_MANIFEST_DIR"));
        let in_a_suite = fs::read_to_string(suite).is_ok_and(|text| {
            text.contains(&format!("fn {name}()")) && text.contains(&format!("\"{}\"", limit.test))
        });
        assert!(
            in_a_suite || guests.contains(&limit.test),
            "KNOWN_LIMITS.md: there is no test {}",
            limit.test
        );
    }
}

#[test]
#[should_panic(expected = "2 of 3 guests failed: [\"a\", \"c\"]")]
fn all_failures_of_a_list_are_named() {
    each_guest(&["a", "b", "c"], |name| assert_eq!(name, "b"));
}
