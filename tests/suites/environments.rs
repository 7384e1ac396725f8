//! Where the recorder itself runs: as an ordinary user, in a container's seccomp profile, outside the target's namespaces.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use reenact_tests::{
    all_guests, docker_filter, each_guest, need, program, record_binary, script, thorough, Net,
    OpenFolder, Place, Running, Subject,
};

/// One guest of each kind that the surroundings could matter to; `REENACT_THOROUGH=1` takes all.
const GUESTS: &[&str] = &[
    "map/pie",
    "map/static_non_pie",
    "map/asan",
    "map/small_address_space",
    "map/shared_file",
    "identity/cmdline",
    "identity/self_exe",
    "identity/open_descriptors",
    "process/fork_nested",
    "process/vfork_exec",
    "process/exec_script",
    "process/exec_failures",
    "process/death_by_signal",
    "process/orphan",
    "signals/mask_and_pending",
    "signals/repair_fault",
    "files/read_write",
    "files/pseudo_terminal",
    "time/cycle_counter",
    "time/cpu_identity",
    "sockets/tcp",
    "sockets/pass_descriptor",
    "misc/groups",
    "misc/refused_facilities",
    "misc/personality",
];

fn in_a_container() -> Place {
    Place {
        filter: docker_filter(),
        ..Place::unprivileged()
    }
}

fn is_faithful_at(subject: Subject, place: Place) {
    subject.at(place.clone()).is_faithful_in(place);
}

fn guests_at(place: &Place, net: Net) {
    let folder = OpenFolder::new();
    let all = all_guests();
    let names: Vec<&str> = match thorough() {
        true => all.iter().map(String::as_str).collect(),
        false => GUESTS.to_vec(),
    };
    each_guest(&names, |name| {
        is_faithful_at(folder.guest(name).net(net), place.clone());
    });
}

#[test]
fn as_an_unprivileged_user() {
    guests_at(&Place::unprivileged(), Net::Dispatch);
}

#[test]
fn as_an_unprivileged_user_by_seccomp() {
    guests_at(&Place::unprivileged(), Net::Seccomp);
}

#[test]
fn under_dockers_default_profile() {
    guests_at(&in_a_container(), Net::Dispatch);
}

#[test]
fn under_dockers_default_profile_by_seccomp() {
    guests_at(&in_a_container(), Net::Seccomp);
}

#[test]
fn a_shell_script_under_dockers_default_profile() {
    let folder = OpenFolder::new();
    let text = "for i in 1 2 3; do date +%N | tee $i; done; ls -la; python3 -c 'import os; print(os.getpid())' || true; git --version; exit 5";
    is_faithful_at(folder.subject(script(text)), in_a_container());
}

#[test]
fn a_target_in_namespaces_of_its_own() {
    need("unshare", "util-linux");
    program(&[
        "unshare",
        "-Urpfmn",
        "--mount-proc",
        "sh",
        "-c",
        "echo $$; id -u; ps ax 2>/dev/null | wc -l; ls /proc | grep -c '^[0-9]'; /bin/true; readlink /proc/self; exit 4",
    ])
    .is_faithful();
}

#[test]
fn a_target_in_namespaces_of_its_own_by_seccomp() {
    need("unshare", "util-linux");
    program(&[
        "unshare",
        "-Urpfmn",
        "sh",
        "-c",
        "echo $$; id; (exit 3); echo $?",
    ])
    .net(Net::Seccomp)
    .is_faithful();
}

#[test]
fn a_target_in_another_root() {
    need("unshare", "util-linux");
    script(
        "mkdir -p r/bin r/proc; cp /bin/sh r/bin; for l in $(LD_TRACE_LOADED_OBJECTS=1 /bin/sh | grep -o '/[^ ]*'); do mkdir -p r${l%/*}; cp $l r$l; done; \
         unshare -r --root=r /bin/sh -c 'echo in another root $$; echo *; exit 6'; echo $?",
    )
    .is_faithful();
}

#[test]
fn a_target_with_a_clean_environment() {
    program(&["env", "-i", "/bin/sh", "-c", "export; echo $$; /bin/true"]).is_faithful();
}

#[test]
fn a_setuid_program_that_grants_rights_runs_unrecorded() {
    // `mount --version` needs no rights, and its file gives them to everyone.
    let mount = need("mount", "mount");
    let mode = fs::metadata(&mount)
        .expect("its status")
        .permissions()
        .mode();
    assert_ne!(
        mode & 0o4000,
        0,
        "{} is not setuid here: install the package mount as Debian has it",
        mount.display()
    );
    let folder = OpenFolder::new();
    let subject = folder
        .subject(script("echo before; mount --version; echo after $?"))
        .at(Place::unprivileged());
    let recording = subject.loud().record().as_native();
    let said = recording.recorded.error_text();
    assert!(
        said.lines()
            .any(|line| line.starts_with("record:") && line.contains("unrecorded")),
        "{said}"
    );
    assert!(
        recording.stdout().contains("after 0"),
        "{}",
        recording.stdout()
    );
    let replayed = recording.replay_with(&["--quiet"], recording.trace());
    assert!(
        [Some(0), Some(6)].contains(&replayed.code()),
        "{}",
        replayed.error_text()
    );
}

#[test]
fn the_doctor_names_the_net() {
    for (net, expected) in [(None, "dispatch"), (Some("seccomp"), "seccomp")] {
        let mut command = Command::new(record_binary());
        command.arg("doctor").env_remove("REENACT_NET");
        if let Some(net) = net {
            command.env("REENACT_NET", net);
        }
        let said = Running::start(command, Duration::from_secs(120)).finish();
        let text = said.text().to_lowercase();
        assert!(text.contains(expected), "{text}");
    }
}
