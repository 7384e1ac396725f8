//! Where the commands and the tools of the system are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

pub fn record_binary() -> PathBuf {
    command_binary("record")
}

pub fn replay_binary() -> PathBuf {
    command_binary("replay")
}

/// The folder of build products that this test itself lies in, or below.
pub fn target_dir() -> PathBuf {
    let own = env::current_exe().expect("a test knows its own path");
    // target/<profile>/deps/<test>
    own.ancestors()
        .nth(3)
        .expect("tests lie three folders below the target folder")
        .to_owned()
}

fn command_binary(name: &str) -> PathBuf {
    let mut folders = Vec::new();
    match env::var_os("REENACT_BIN_DIR") {
        Some(folder) => folders.push(PathBuf::from(folder)),
        None => {
            folders.push(target_dir().join("release"));
            // What is built to be fast (a benchmark) is not to measure what is not.
            if cfg!(debug_assertions) {
                folders.push(target_dir().join("debug"));
            }
        }
    }
    // The newer one wins, so that a test never judges a build from before the last change.
    folders
        .iter()
        .map(|folder| folder.join(name))
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .max()
        .map(|(_, path)| path)
        .unwrap_or_else(|| {
            panic!(
                "`{name}` is in none of {folders:?}: run `cargo build --release`, or set REENACT_BIN_DIR"
            )
        })
}

/// The path of a program of the system, or a failure that names the package to install.
pub fn need(program: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!("`{program}` is not on this machine: install the package {package}")
        })
}

/// Every library that a program loads, the dynamic loader among them, as absolute paths.
pub(crate) fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new(need("ldd", "libc-bin"))
        .arg(program)
        .output()
        .expect("ldd starts");
    // A static program makes ldd print one line without any path.
    String::from_utf8_lossy(&listed.stdout)
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}
