//! That the engine did what the other suites believe it did: it rewrote code, or left it alone; it stopped tasks where
//! they computed, and found these places again.

use reenact_tests::{all_guests, c_program, guest, program, Ending, Net, Subject};

/// Reads its own code, and ends with 1 if some of it is not as in the files that it came from.
fn own_code() -> Subject {
    let binary = c_program("own_code.c");
    program(&[binary.to_str().expect("a UTF-8 path")])
}

fn leaves_code_alone(net: Net) {
    let recording = own_code().net(net).unpatched().record().as_native();
    let replayed = recording.replay_with(&["--quiet", "--no-patch"], recording.trace());
    assert_eq!(
        replayed.ending,
        Ending::Exit(0),
        "{}",
        replayed.error_text()
    );
    assert_eq!(replayed.text(), recording.stdout());
}

#[test]
fn without_patching_no_byte_of_code_changes() {
    leaves_code_alone(Net::Dispatch);
}

#[test]
fn without_patching_no_byte_of_code_changes_behind_the_filter() {
    leaves_code_alone(Net::Seccomp);
}

/// Otherwise the two tests above could not fail.
#[test]
fn with_patching_a_program_sees_that_its_code_changed() {
    let recording = own_code().record();
    let ending = recording.recorded.ending;
    assert_eq!(ending, Ending::Exit(1), "{}", recording.stdout());
    recording.replay().same_output();
    // Sites that were not rewritten in the recording are so in the replay, and the program sees that, too.
    let recording = own_code().unpatched().record().as_native();
    recording.replay().gives(3);
}

/// These only compute, so that others of their group, or signals, wait until they are stopped.
const COMPUTING: &[&str] = &[
    "preemption/alarm_in_a_loop",
    "preemption/killed_while_stopped",
    "preemption/returns_into_a_loop",
    "preemption/spin_on_memory",
    "preemption/tree_inserts",
    "preemption/two_counters",
];

const STOPS_IN_ALL: u64 = 100;

#[test]
fn tasks_that_compute_are_stopped_and_the_places_found_again() {
    let mut stops = 0;
    for name in all_guests() {
        if name.starts_with("preemption/") {
            let due = u64::from(COMPUTING.contains(&name.as_str()));
            let recording = guest(&name).stopped_at_least(due).record().as_native();
            stops += recording.stops();
            recording.replay().same_output().replay().same_output();
        }
    }
    assert!(stops >= STOPS_IN_ALL, "{stops} stops over all guests");
}
