//! Packages of Python and Node that recorded programs use, of known versions, installed once.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{need, target_dir};

/// A folder of packages for Python (`NAME==VERSION`), for `PYTHONPATH`.
pub fn python_packages(packages: &[&str]) -> PathBuf {
    installed("python", packages, |folder| {
        let python = need("python3", "python3");
        let tools = folder.join("tools");
        run(Command::new(python).arg("-m").arg("venv").arg(&tools));
        let mut pip = Command::new(tools.join("bin/pip"));
        pip.args(["install", "--quiet", "--target"]).arg(folder);
        run(pip.args(packages));
        fs::remove_dir_all(&tools).expect("the tools go away again");
    })
}

/// What the programs of the shop need: the folders for `PYTHONPATH` and `NODE_PATH`.
pub fn shop_packages() -> [PathBuf; 2] {
    let python = [
        "grpcio==1.85.3",
        "protobuf==7.36.2",
        "psycopg[binary]==3.3.9",
    ];
    let node = ["@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1"];
    [python_packages(&python), node_packages(&node)]
}

/// A folder of packages for Node (`NAME@VERSION`), for `NODE_PATH`.
pub fn node_packages(packages: &[&str]) -> PathBuf {
    let folder = installed("node", packages, |folder| {
        let mut npm = Command::new(need("npm", "npm"));
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]);
        npm.args(["--loglevel=error", "--prefix"]).arg(folder);
        run(npm.args(packages));
    });
    folder.join("node_modules")
}

/// The folder of these packages; `install` fills it the first time.
fn installed(kind: &str, packages: &[&str], install: impl Fn(&Path)) -> PathBuf {
    let hash = blake3::hash(packages.join(" ").as_bytes()).to_hex();
    let all = target_dir().join("packages");
    let folder = all.join(format!("{kind}-{}", &hash[..16]));
    let done = folder.join("done");
    fs::create_dir_all(&all).unwrap_or_else(|error| panic!("{}: {error}", all.display()));
    // Tests of several processes may need the same packages at once.
    let lock = File::create(all.join("lock")).expect("a file to lock");
    // SAFETY: flock takes a descriptor, which is open, and a number.
    let locked = unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) };
    assert_eq!(locked, 0, "flock: {}", std::io::Error::last_os_error());
    if !done.exists() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for packages");
        install(&folder);
        fs::write(&done, packages.join("\n")).expect("a note that all is there");
    }
    folder
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} fails:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
