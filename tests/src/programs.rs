//! Larger programs than guests, with sources under programs/, built once per content.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use crate::tools::{need, target_dir};

/// The path of a source under programs/.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("programs")
        .join(name)
}

/// Builds a program in C, with optimisation, as people ship it.
pub fn c_program(name: &str) -> PathBuf {
    built(name, |source, binary| {
        let mut gcc = Command::new(need("gcc", "gcc"));
        gcc.args(["-O2", "-Wall", "-Wextra", "-pthread", "-o"]);
        gcc.arg(binary).arg(source);
        gcc
    })
}

/// Builds a library in C, to be loaded in front of others.
pub fn c_library(name: &str) -> PathBuf {
    built(name, |source, library| {
        let mut gcc = Command::new(need("gcc", "gcc"));
        gcc.args(["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o"]);
        gcc.arg(library).arg(source);
        gcc
    })
}

/// Builds a program in Go: static, by the toolchain that is there, and without asking the network.
pub fn go_program(name: &str) -> PathBuf {
    built(name, |source, binary| {
        let mut go = Command::new(need("go", "golang-go"));
        go.arg("build").arg("-o").arg(binary).arg(source);
        go.env("GO111MODULE", "off").env("CGO_ENABLED", "0");
        go.env("GOCACHE", target_dir().join("go-cache"));
        go
    })
}

/// The folder with the classes of a program in Java.
pub fn java_classes(name: &str) -> PathBuf {
    built(name, |source, folder| {
        let mut javac = Command::new(need("javac", "default-jdk-headless"));
        javac.arg("-d").arg(folder).arg(source);
        javac
    })
}

fn built(name: &str, compiler: impl Fn(&Path, &Path) -> Command) -> PathBuf {
    let source = source(name);
    let text = fs::read(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let hash = blake3::hash(&text).to_hex();
    let cache = target_dir().join("programs").join(&hash[..16]);
    let binary = cache.join(source.file_stem().expect("a program has a name"));
    if !binary.exists() {
        fs::create_dir_all(&cache).unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
        // Several tests may build the same program at once; the rename makes whichever is last win whole.
        static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
        let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
        let partial = cache.join(format!("{}-{attempt}-partial", process::id()));
        let output = compiler(&source, &partial).output();
        let output = output.expect("a compiler starts");
        assert!(
            output.status.success(),
            "{} does not build:\n{}",
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        fs::rename(&partial, &binary)
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    }
    binary
}
