//! The examples whose bugs need two runs to be understood: recorded until they fail and until they pass, the failure
//! is re-enacted, and what decided it is named first.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reenact_tests::{need, program, target_dir, Recording};
use serde_json::Value;

/// Runs of an example, at most. The knobs below make a run fail, and pass, with at least one chance in five, on a busy
/// machine too; so of a million calls of a test less than two find only one kind of run (0.8^60).
const RUNS_MAX: u32 = 60;

struct Example {
    folder: PathBuf,
    /// A variable of the environment that makes the failure more frequent.
    knob: (&'static str, &'static str),
    /// What is printed by runs that pass in another way than most.
    unusual: &'static str,
    /// What is printed by runs that fail: a machine that is very busy may find other ways.
    assertion: &'static str,
}

impl Example {
    fn set_up(&self) {
        let mut setup = Command::new(self.folder.join("setup"));
        let output = setup.env("CARGO_TARGET_DIR", target_dir()).output();
        let output = output.expect("setup starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "setup: {said}");
    }

    /// A run that passed, and one that failed.
    fn runs(&self) -> [Recording; 2] {
        self.set_up();
        let (mut passed, mut failed) = (None, None);
        for _ in 0..RUNS_MAX {
            let path = self.folder.join("e2e-test.sh").display().to_string();
            let target = target_dir().display().to_string();
            let run = program(&[&path])
                .env(self.knob.0, self.knob.1)
                .env("CARGO_TARGET_DIR", &target)
                .within(Duration::from_secs(120))
                .record();
            match run.recorded.code() {
                Some(0) if run.stdout().contains(self.unusual) => {}
                Some(0) => passed = Some(run),
                Some(1) if run.recorded.error_text().contains(self.assertion) => failed = Some(run),
                Some(1) => {}
                _ => run.fail("the example neither passed nor failed", None),
            }
            if let (Some(_), Some(_)) = (&passed, &failed) {
                break;
            }
        }
        let passed = passed.expect("one of these runs passes");
        [passed, failed.expect("one of these runs fails")]
    }
}

fn example(name: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    examples.join(name).canonicalize().expect("an example")
}

/// The JSON that `replay` prints with these words, one value for each line.
fn json(recording: &Recording, options: &[&str]) -> Vec<Value> {
    let printed = recording.replay_with(options, recording.trace());
    if !matches!(printed.code(), Some(0 | 1)) {
        recording.fail(&format!("replay {options:?} fails"), Some(&printed));
    }
    let text = printed.text();
    let values = text.lines().map(serde_json::from_str);
    values.map(|value| value.expect("JSON")).collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// The likeliest cause of what was different in the run that failed.
fn likeliest([passed, failed]: &[Recording; 2]) -> Value {
    let passed = passed.trace().display().to_string();
    let told = json(failed, &["diff", "--json", &passed]);
    assert_eq!(text(&told[0], "verdict"), "different");
    told[0]["causes"][0].clone()
}

/// What led to the failing assertion, nearest first: as many lines as fit into ten.
fn causes(failed: &Recording) -> Vec<String> {
    let all = json(failed, &["show", "--json"]);
    let says = |line: &&Value| text(line, "text").contains("AssertionError");
    let failing = all.iter().rev().find(says).expect("the assertion failed");
    let options = [
        "show",
        "--json",
        "-n",
        "10",
        "--causes-of",
        text(failing, "event"),
    ];
    let lines = json(failed, &options);
    lines
        .iter()
        .map(|line| text(line, "text").to_owned())
        .collect()
}

#[test]
fn a_reply_that_is_given_to_the_next_user() {
    need("redis-server", "redis-server");
    need("python3", "python3");
    let example = Example {
        folder: example("redis-py"),
        knob: ("ITEMS", "40000"),
        unusual: " 503 ",
        assertion: "AssertionError: ben asked for their profile",
    };
    let runs = example.runs();
    // The first user was not answered in time; all else came of that.
    let first = likeliest(&runs);
    assert_eq!(text(&first, "kind"), "payload", "{first:#}");
    assert!(text(&first["b"], "text").starts_with("503 "), "{first:#}");
    let [_, failed] = runs;
    let causes = causes(&failed);
    let leads = |what: &str| causes.iter().any(|cause| cause.contains(what));
    assert!(leads("[\"title-") && leads("SORT feed:ada"), "{causes:#?}");
    failed.replay().same_output().replay().same_output();
}

#[test]
fn a_lock_that_two_hold() {
    need("node", "nodejs");
    need("npm", "npm");
    need("python3", "python3");
    need("curl", "curl");
    let example = Example {
        folder: example("locks"),
        knob: ("GATHER_MS", "40"),
        unusual: "lapsed",
        assertion: "AssertionError: settlement holds the lock",
    };
    let runs = example.runs();
    // The second client was given the lock because the lease of the first had lapsed, at the node that it asked.
    let first = likeliest(&runs);
    assert_eq!(text(&first, "kind"), "payload", "{first:#}");
    assert!(
        text(&first["b"], "text").starts_with("gRPC OK {1: 2, 2: 1}"),
        "{first:#}"
    );
    let [_, failed] = runs;
    let causes = causes(&failed);
    assert!(
        causes
            .iter()
            .any(|cause| cause.contains("gRPC OK {1: 2, 2: 1}")),
        "{causes:#?}"
    );
    failed.replay().same_output().replay().same_output();
}
