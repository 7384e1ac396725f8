//! PostgreSQL: where its programs are, and an empty cluster to copy.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use crate::tools::{need, target_dir};

/// The folder of PostgreSQL's programs. Debian keeps those of the server out of the path.
pub fn postgres_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let newest = folders.filter(|folder| folder.join("postgres").exists());
    match newest.max() {
        Some(folder) => folder,
        None => {
            let initdb = need("initdb", "postgresql");
            let real = fs::canonicalize(&initdb).unwrap_or(initdb);
            real.parent().expect("a program lies in a folder").into()
        }
    }
}

/// An initialised cluster that trusts the user `name`, made once.
pub fn postgres_cluster(name: &str) -> PathBuf {
    let cache = target_dir().join("postgres");
    let cluster = cache.join(name);
    if cluster.exists() {
        return cluster;
    }
    fs::create_dir_all(&cache).unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
    // Several tests may come here at once; one rename wins. PostgreSQL's programs refuse to run as
    // root, and another user may not reach the target folder, hence the detour.
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    let made = std::env::temp_dir().join(format!("reenact-pg-{}-{attempt}", process::id()));
    fs::create_dir(&made).expect("a folder of its own");
    let opened = fs::set_permissions(&made, fs::Permissions::from_mode(0o777));
    opened.expect("a folder that others may write to");
    let initdb = postgres_programs().join("initdb");
    // SAFETY: geteuid takes nothing and cannot fail.
    let mut command = match unsafe { libc::geteuid() } {
        0 => {
            let mut command = Command::new(need("setpriv", "util-linux"));
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
            command.arg(initdb);
            command
        }
        _ => Command::new(initdb),
    };
    command.arg("-D").arg(made.join("cluster"));
    command.args(["-U", name, "-A", "trust", "--no-sync", "-E", "UTF8"]);
    command.args(["--locale=C"]).current_dir(&made);
    let output = command.output().expect("initdb starts");
    assert!(
        output.status.success(),
        "initdb fails:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let partial = cache.join(format!("{}-{attempt}-partial", process::id()));
    copy(&made.join("cluster"), &partial);
    let _ = fs::remove_dir_all(&made);
    if fs::rename(&partial, &cluster).is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    assert!(cluster.exists(), "{}: no cluster", cluster.display());
    cluster
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp fails");
}
