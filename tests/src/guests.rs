//! Guest programs: one C file each, compiled once per content.

use std::ffi::OsStr;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use crate::run::{Ending, Finished};
use crate::subject::{program, Subject};
use crate::tools::{need, target_dir};

/// A guest as its source describes it.
#[derive(Clone, Debug)]
pub struct Guest {
    pub binary: PathBuf,
    /// How it ends natively: with exit code 0 unless its source says otherwise.
    pub ends: Ending,
}

/// A guest to run, by topic and name: `guest("process/fork")`.
pub fn guest(name: &str) -> Subject {
    let built = build(name);
    Subject::of_guest(name, built.binary, built.ends)
}

/// A program with a bug of order, by the name of its file in the folder racy.
pub fn racy(file: &str) -> Subject {
    let source = folder_of("racy").join(file);
    match source.extension().and_then(OsStr::to_str) {
        Some("c") => {
            let built = build_source(&source, &[folder_of("racy").join("racy.h")]);
            program(&[built.binary.to_str().expect("a UTF-8 path")])
        }
        Some("py") => {
            need("python3", "python3");
            program(&["python3", source.to_str().expect("a UTF-8 path")])
        }
        _ => panic!("{file}: neither C nor Python"),
    }
    .called(file)
}

/// Did a program with a bug of order show it? It says so in words and by its exit status, or the address
/// sanitizer does.
pub fn shows_bug(run: &Finished) -> bool {
    let said = run.text() + &run.error_text();
    let bug = said.contains("BUG: ") || said.contains("ERROR: AddressSanitizer: ");
    let well = said.contains("all is well: ");
    let verdict = (run.ending, bug, well);
    assert!(
        matches!(
            verdict,
            (Ending::Exit(1), true, false) | (Ending::Exit(0), false, true)
        ),
        "no verdict: {}\n{said}",
        run.ending
    );
    bug
}

/// The files of all programs with a bug of order, in the order of the alphabet.
pub fn all_racy() -> Vec<String> {
    let folder = folder_of("racy");
    let listed =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = listed.map(|entry| entry.expect("an entry of a folder").file_name());
    let names = names.map(|name| name.into_string().expect("names of programs are UTF-8"));
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".h")).collect();
    names.sort();
    names
}

/// Checks every guest of a list, and fails in the end with the names of all that failed.
pub fn each_guest(names: &[impl AsRef<str>], check: impl Fn(&str)) {
    let mut failed = Vec::new();
    for name in names.iter().map(AsRef::as_ref) {
        // Nothing is used after a panic but the names.
        if panic::catch_unwind(AssertUnwindSafe(|| check(name))).is_err() {
            failed.push(name);
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} guests failed: {failed:?}",
        failed.len(),
        names.len()
    );
}

/// The names of all guests, by topic, in the order of the alphabet.
pub fn all_guests() -> Vec<String> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let listed =
            fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        listed
            .map(|entry| entry.expect("an entry of a folder").path())
            .collect()
    };
    let mut names = Vec::new();
    for topic in entries(&folder()).iter().filter(|path| path.is_dir()) {
        for source in entries(topic) {
            if source.extension().is_some_and(|extension| extension == "c") {
                let name = source.with_extension("");
                let name = name.strip_prefix(folder()).expect("a guest of ours");
                names.push(name.to_str().expect("names of guests are UTF-8").to_owned());
            }
        }
    }
    names.sort();
    names
}

fn folder() -> PathBuf {
    folder_of("guests")
}

fn folder_of(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind)
}

/// Compiles a guest, unless the same source was compiled by the same flags before.
pub fn build(name: &str) -> Guest {
    let source = folder().join(name).with_extension("c");
    build_source(
        &source,
        &["guest.h", "loopback.h", "../../agent-shim/sdk/reenact.h"]
            .map(|header| folder().join(header)),
    )
}

/// Compiles a source that includes these headers, unless all of them were compiled before.
fn build_source(source: &Path, headers: &[PathBuf]) -> Guest {
    let name = source.file_stem().expect("a source has a name");
    let name = name.to_str().expect("names of guests are UTF-8");
    let text =
        fs::read_to_string(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let ends = text
        .lines()
        .take(3)
        .find_map(|line| line.strip_prefix("// ends: "))
        .map_or(Ending::Exit(0), |words| parse_ending(name, words));
    let flags: Vec<&str> = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("// flags:"))
        .unwrap_or("")
        .split_whitespace()
        .collect();

    let mut hasher = blake3::Hasher::new();
    hasher.update(text.as_bytes());
    for header in headers {
        hasher.update(
            &fs::read(header).unwrap_or_else(|error| panic!("{}: {error}", header.display())),
        );
    }
    let hash = hasher.finalize().to_hex();
    let cache = target_dir().join("guests").join(&hash[..16]);
    let binary = cache.join(name);
    if !binary.exists() {
        fs::create_dir_all(&cache).unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
        compile(source, &flags, &binary);
    }
    Guest { binary, ends }
}

fn compile(source: &Path, flags: &[&str], binary: &Path) {
    // Several tests may compile the same guest at once; the rename makes whichever is last win whole.
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    let partial = binary.with_extension(format!("{}-{attempt}-partial", process::id()));
    let output = Command::new(need("gcc", "gcc"))
        .args(["-O1", "-Wall", "-Wextra", "-Wno-format-truncation", "-I"])
        .arg(folder())
        .arg("-o")
        .arg(&partial)
        .arg(source)
        .args(flags)
        .output()
        .expect("gcc starts");
    assert!(
        output.status.success(),
        "{} does not compile; sanitizers and static libraries come with the packages gcc and libc6-dev:\n{}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&partial, binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
}

fn parse_ending(name: &str, words: &str) -> Ending {
    let parsed = words.split_once(' ').and_then(|(kind, number)| {
        let number = number.trim().parse().ok()?;
        match kind {
            "exit" => Some(Ending::Exit(number)),
            "signal" => Some(Ending::Signal(number)),
            _ => None,
        }
    });
    parsed.unwrap_or_else(|| panic!("{name}: `// ends: {words}` is neither an exit nor a signal"))
}
