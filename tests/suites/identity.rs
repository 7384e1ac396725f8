//! How a recorded process looks from outside: to `pgrep`, `pidof`, `ps` and a debugger.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::Command;

use reenact_tests::{
    guest, limit, need, program, until, Net, OpenFolder, Place, Recorder, Subject,
};

/// A process that sleeps for an unmistakable while, and its pid.
fn sleeper(subject: Subject) -> (Recorder, i32) {
    let recorder = subject.start_recording();
    let pid_file = recorder.folder().join("pid");
    let pid = until("the program writes its pid", || {
        fs::read_to_string(&pid_file).ok()?.trim().parse().ok()
    });
    until("it becomes sleep", || {
        (fs::read_to_string(format!("/proc/{pid}/comm")).ok()? == "sleep\n").then_some(())
    });
    (recorder, pid)
}

fn sleeping(seconds: &str) -> Subject {
    let text = format!("echo $$ > pid; exec sleep {seconds}");
    program(&["sh", "-c", &text])
}

fn output(program: &Path, arguments: &[impl AsRef<OsStr>]) -> String {
    let ran = Command::new(program)
        .args(arguments)
        .output()
        .expect("it starts");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

fn is_listed(pid: i32, listed: &str) -> bool {
    listed
        .split_whitespace()
        .any(|word| word.parse() == Ok(pid))
}

#[test]
fn pgrep_and_pidof_find_it() {
    for (net, seconds) in [(Net::Dispatch, "4242.5"), (Net::Seccomp, "4242.6")] {
        let (_recorder, pid) = sleeper(sleeping(seconds).net(net));
        let pattern = format!("^sleep {seconds}$");
        let found = output(&need("pgrep", "procps"), &["-f", &pattern]);
        assert_eq!(
            found.trim(),
            pid.to_string(),
            "pgrep -f finds it and nothing else"
        );
        assert!(is_listed(
            pid,
            &output(&need("pgrep", "procps"), &["-x", "sleep"])
        ));
        assert!(is_listed(
            pid,
            &output(&need("pidof", "sysvinit-utils or procps"), &["sleep"])
        ));
        let line = output(
            &need("ps", "procps"),
            &["-o", "comm=,args=", "-p", &pid.to_string()],
        );
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>(),
            ["sleep", "sleep", seconds]
        );
    }
}

/// Whether other processes see a recorded `sleep` as itself, and otherwise what they see.
fn sees_sleep(pid: i32) -> Result<(), String> {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).expect("its own program");
    match fs::canonicalize(need("sleep", "coreutils")).ok() == Some(exe.clone()) {
        true => Ok(()),
        false => Err(exe.display().to_string()),
    }
}

#[test]
fn a_privileged_process_is_its_program_to_others() {
    // SAFETY: geteuid takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    // Without privileges this is the next test.
    if root {
        let (_recorder, pid) = sleeper(sleeping("4242.7"));
        assert_eq!(sees_sleep(pid), Ok(()));
    }
}

#[test]
fn an_unprivileged_process_is_its_program_to_others() {
    let folder = OpenFolder::new();
    let subject = folder.subject(sleeping("4242.8").at(Place::unprivileged()));
    let (_recorder, pid) = sleeper(subject);
    let due = match limit("identity/an_unprivileged_process_is_its_program_to_others") {
        None => Ok(()),
        Some(limit) => Err(limit.outcome),
    };
    assert_eq!(
        sees_sleep(pid),
        due,
        "update tests/guests/KNOWN_LIMITS.md if this is right"
    );
}

/// What gdb says of a process. It finds the program's file by itself only in /proc/PID/exe, where a
/// replay never names it, and a recording does with privileges (see above).
fn seen_by_gdb(program: &Path, pid: i32) -> String {
    let mut arguments: Vec<OsString> = ["-nx", "-batch", "-p"].map(OsString::from).into();
    arguments.push(pid.to_string().into());
    if fs::read_link(format!("/proc/{pid}/exe")).ok() != fs::canonicalize(program).ok() {
        arguments.push(program.into());
    }
    arguments.extend(["-ex", "info sharedlibrary", "-ex", "bt"].map(OsString::from));
    output(&need("gdb", "gdb"), &arguments)
}

/// Whether all of this is said, each behind the one before.
fn says_in_order(text: &str, words: &[&str]) -> bool {
    let mut rest = text;
    words.iter().all(|word| match rest.split_once(word) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

/// From libc's function, which the shim's signal handler interrupted, outwards.
const CHAIN: [&str; 5] = [
    "<signal handler called>",
    "nanosleep",
    "in inner (",
    "in outer (",
    "in main (",
];

/// The pid of the guest that a command of ours runs. Until it has its name, it is not yet loaded.
fn child_called(name: &str, parent: i32) -> i32 {
    let pgrep = need("pgrep", "procps");
    until("the guest is loaded", || {
        let found = output(&pgrep, &["-P", &parent.to_string(), "-x", name]);
        found.trim().parse().ok()
    })
}

/// Waits until the guest sleeps, and for what gdb says then.
fn seen_asleep(program: &Path, pid: i32) -> String {
    until("a debugger sees every function of the guest", || {
        let seen = seen_by_gdb(program, pid);
        // Shown if the test fails.
        println!("{seen}");
        says_in_order(&seen, &CHAIN).then_some(seen)
    })
}

#[test]
fn a_debugger_sees_its_stack_and_libraries() {
    for net in [Net::Dispatch, Net::Seccomp] {
        let subject = guest("call_chain").net(net);
        let program = subject.program().to_owned();
        let recorder = subject.start_recording();
        let pid = child_called("call_chain", recorder.running.pid());
        let seen = seen_asleep(&program, pid);
        assert!(seen.contains("libc.so.6"), "{seen}");
        assert!(seen.contains("ld-linux-x86-64.so.2"), "{seen}");
        wake(pid);
        let recording = recorder.finish();
        assert_eq!(recording.recorded.code(), Some(0));

        // The sleep lasted as long as gdb took, and now lasts ten times as long.
        let replaying = recording.start_replaying(&["--quiet", "--pace", "0.1x"]);
        let pid = child_called("call_chain", replaying.pid());
        let seen = seen_asleep(&program, pid);
        assert!(seen.contains("libc.so.6"), "{seen}");
        assert!(seen.contains("ld-linux-x86-64.so.2"), "{seen}");
        let replayed = replaying.finish();
        assert_eq!(replayed.code(), Some(0), "{}", replayed.error_text());
        assert_eq!(replayed.stdout, recording.recorded.stdout);
    }
}

fn wake(pid: i32) {
    // SAFETY: kill takes two numbers; the guest runs until this signal comes.
    unsafe { libc::kill(pid, libc::SIGUSR1) };
}

/// Programs of the system have no symbols, but unwind information.
#[test]
fn a_debugger_sees_through_a_program_without_symbols() {
    let (_recorder, pid) = sleeper(sleeping("4243.5"));
    let seen = seen_by_gdb(&need("sleep", "coreutils"), pid);
    let due = ["<signal handler called>", "nanosleep", "__libc_start_main"];
    assert!(says_in_order(&seen, &due), "{seen}");
}

#[test]
fn a_debugger_leaves_the_recording_intact() {
    let gdb = need("gdb", "gdb");
    let text = "echo $$ > pid; until [ -e go ]; do sleep 0.05; done; echo done; exit 3";
    let recorder = program(&["sh", "-c", text]).start_recording();
    let folder = recorder.folder();
    let pid: i32 = until("the program writes its pid", || {
        fs::read_to_string(folder.join("pid"))
            .ok()?
            .trim()
            .parse()
            .ok()
    });
    output(
        &gdb,
        &["-nx", "-batch", "-p", &pid.to_string(), "-ex", "bt"],
    );
    fs::write(folder.join("go"), "").expect("a file to wait for");
    let recording = recorder.finish();
    assert_eq!(recording.recorded.code(), Some(3));
    recording.replay().same_output();
}
