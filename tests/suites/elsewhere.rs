//! Replays far from home: without the recorded programs, another user, another host name, no network.

use std::fs;

use reenact_tests::{
    all_guests, bare_root, each_guest, guest, need, program, replay_binary, script, thorough,
    wall_clock_filter, Ending, Net, Place, Subject,
};

/// A root with nothing in it but `replay`, entered as user 4242 of new namespaces.
fn replays_elsewhere(subject: Subject) {
    let root = tempfile::tempdir().expect("a folder");
    bare_root(root.path(), &replay_binary());
    let place = Place {
        namespaces: Some(4242),
        root: Some(root.path().to_owned()),
        ..Place::default()
    };
    // At home again it is the same, too.
    subject.is_faithful_in(place);
    let left: Vec<_> = fs::read_dir(root.path().join("tmp"))
        .expect("a folder")
        .collect();
    assert!(left.is_empty(), "the replay left files behind: {left:?}");
}

#[test]
fn date() {
    replays_elsewhere(program(&["date", "+%s.%N"]));
}

/// Months after boot later; and the kernel kills a replayed process that asks it for the wall clock, so that replay
/// cannot depend on the day. (The wall clock has no namespace: setting it would change it for the whole machine.)
fn another_day() -> Place {
    Place {
        namespaces: Some(4242),
        clocks_ahead: Some(AHEAD),
        filter: wall_clock_filter(),
        ..Place::default()
    }
}

const AHEAD: u32 = 10_000_000;

/// Reads every clock of the kernel, by calls that no library can answer.
const CLOCKS: &str = "my $time = pack 'q2'; \
    print syscall(201, 0), qq(\\n); \
    syscall(96, $time, 0) == 0 or die; print join(' ', unpack 'q2', $time), qq(\\n); \
    for my $clock (0..9, 11) { syscall(228, $clock, $time); print join(' ', unpack 'q2', $time), qq(\\n) }";

#[test]
fn another_day_really_is_one() {
    need("perl", "perl");
    let uptime = script("cat /proc/uptime; true").at(another_day()).native();
    let text = uptime.text();
    let seconds = text.split('.').next().and_then(|text| text.parse().ok());
    assert!(
        seconds.is_some_and(|seconds: u32| seconds > AHEAD),
        "{text}"
    );
    let reader = program(&["perl", "-e", CLOCKS]).at(another_day()).native();
    assert_eq!(reader.ending, Ending::Signal(libc::SIGSYS));
}

#[test]
fn every_clock_on_another_day() {
    need("perl", "perl");
    need("python3", "python3");
    let text = "date +%s.%N; echo $EPOCHREALTIME $SECONDS; cat /proc/uptime; touch now; stat -c %y now; sleep 0.05; \
        python3 -c 'import time; print(time.time(), time.monotonic(), time.process_time(), time.localtime())'";
    for subject in [program(&["perl", "-e", CLOCKS]), script(text)] {
        subject.is_faithful_in(another_day());
    }
}

#[test]
fn identities_of_the_recorded_user_and_host() {
    replays_elsewhere(script("id; hostname || uname -n; uname -a; pwd; ls -lai /; cat /etc/passwd | cksum; echo $HOME $$ $UID"));
}

#[test]
fn a_network_that_is_not_there() {
    need("curl", "curl");
    need("python3", "python3");
    replays_elsewhere(script(
        "python3 -u -c 'import http.server\ns=http.server.HTTPServer((\"127.0.0.1\",0),http.server.SimpleHTTPRequestHandler)\nopen(\"port\",\"w\").write(str(s.server_port)+\"\\n\")\ns.handle_request()' & \
         until grep -q . port 2>/dev/null; do sleep 0.01; done; read port < port; curl -s http://127.0.0.1:$port/; wait",
    ));
}

/// `REENACT_THOROUGH=1` takes all.
#[test]
fn guests_of_every_topic() {
    let few = [
        "map/huge_bss_pie",
        "map/asan",
        "map/static_pie",
        "map/shared_file",
        "identity/self_exe",
        "identity/cmdline",
        "process/exec_script",
        "process/common_stdout",
        "signals/mask_and_pending",
        "files/pseudo_terminal",
        "files/inotify",
        "time/cpu_identity",
        "sockets/epoll_server",
        "misc/crash_at_random",
    ];
    let all = all_guests();
    let names: Vec<&str> = match thorough() {
        true => all.iter().map(String::as_str).collect(),
        false => few.to_vec(),
    };
    each_guest(&names, |name| replays_elsewhere(guest(name)));
}

#[test]
fn behind_the_seccomp_filter() {
    let names = ["process/exec_chain", "signals/nested", "sockets/tcp"];
    each_guest(&names, |name| {
        replays_elsewhere(guest(name).net(Net::Seccomp))
    });
}

#[test]
fn programs_removed_since_the_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("sort");
    fs::copy(need("sort", "coreutils"), &copy).expect("a copy of sort");
    let text = format!("printf 'b\\na\\n' | {}", copy.display());
    let recording = script(&text).record().as_native();
    drop(folder);
    recording.replay().same_output();
}
