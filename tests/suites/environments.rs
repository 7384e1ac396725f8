//! Where the recorder itself runs: as an ordinary user, in a container's seccomp profile, outside the target's namespaces.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use reenact_tests::{
    build, docker_filter, need, program, record_binary, replay_binary, script, Net, Place, Running,
    Subject,
};

const NOBODY: u32 = 65534;

/// One guest of each kind that the surroundings could matter to.
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

/// Copies of the commands and of programs that any user may run, wherever the originals lie.
struct OpenFolder {
    path: PathBuf,
    _owner: tempfile::TempDir,
}

impl OpenFolder {
    fn new() -> OpenFolder {
        let owner = tempfile::tempdir().expect("a folder");
        let path = owner.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
        let folder = OpenFolder {
            path,
            _owner: owner,
        };
        folder.copy(record_binary());
        folder.copy(replay_binary());
        folder
    }

    fn copy(&self, binary: PathBuf) -> PathBuf {
        let to = self
            .path
            .join(binary.file_name().expect("a binary has a name"));
        fs::copy(&binary, &to).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        to
    }

    fn guest(&self, name: &str) -> Subject {
        let guest = build(name);
        let copy = self.copy(guest.binary);
        self.subject(program(&[copy.to_str().expect("a UTF-8 path")]).ends(guest.ends))
    }

    fn subject(&self, subject: Subject) -> Subject {
        subject.by_commands_in(&self.path)
    }
}

/// The harness as root becomes another user; as another user it is one already.
fn unprivileged() -> Place {
    // SAFETY: geteuid takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    Place {
        user: root.then_some(NOBODY),
        ..Place::default()
    }
}

fn in_a_container() -> Place {
    Place {
        filter: docker_filter(),
        ..unprivileged()
    }
}

fn is_faithful_at(subject: Subject, place: Place) {
    let recording = subject.at(place.clone()).record().as_native();
    recording
        .replay_in(place)
        .same_output()
        .replay()
        .same_output();
}

fn guests_at(place: &Place, net: Net) {
    let folder = OpenFolder::new();
    for name in GUESTS {
        is_faithful_at(folder.guest(name).net(net), place.clone());
    }
}

#[test]
fn as_an_unprivileged_user() {
    guests_at(&unprivileged(), Net::Dispatch);
}

#[test]
fn as_an_unprivileged_user_by_seccomp() {
    guests_at(&unprivileged(), Net::Seccomp);
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
        "mkdir -p r/bin r/proc; cp /bin/sh r/bin; for l in $(ldd /bin/sh | grep -o '/[^ ]*'); do mkdir -p r${l%/*}; cp $l r$l; done; \
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
        .at(unprivileged());
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
        let said = Running::start(command, Duration::from_secs(20)).finish();
        let text = said.text().to_lowercase();
        assert!(text.contains(expected), "{text}");
    }
}
