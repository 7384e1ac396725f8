//! `replay diff` on pairs of recordings in which one thing was planted: it must come first.

use std::fs;

use reenact_tests::{need, script, source, Recording};
use serde_json::Value;

/// What was planted is not to be read off the environment that planted it.
const RULES: &str = "[[ignore]]\nprotocol = \"env\"\nfield = \"PLANT\"\n";
const CONFIG: &str = "{\"price\": 5, \"currency\": \"EUR\"}\n";

/// A run of the service and its clients, which ends with a status.
struct Run {
    plant: &'static str,
    config: &'static str,
    discount: Option<&'static str>,
}

impl Run {
    fn planted(plant: &'static str) -> Run {
        Run {
            plant,
            config: CONFIG,
            discount: None,
        }
    }

    fn record(&self) -> Recording {
        need("python3", "python3");
        let service = source("orders.py");
        let text = format!(
            "echo '{}' > config.json; exec python3 {}",
            self.config.trim(),
            service.display()
        );
        let subject = script(&text).env("PLANT", self.plant);
        match self.discount {
            Some(discount) => subject.env("DISCOUNT", discount).record(),
            None => subject.record(),
        }
    }
}

/// What `replay diff --json` says of two recordings, and its exit status.
fn diff(a: &Recording, b: &Recording, options: &[&str]) -> (Value, i32) {
    let rules = a.folder("rules").join("rules.toml");
    fs::write(&rules, RULES).expect("a file of rules");
    let b_trace = b.trace().display().to_string();
    let a_trace = a.trace().display().to_string();
    let rules = rules.display().to_string();
    let mut all = vec!["diff", "--json", "--ignore", &rules];
    all.extend(options);
    all.push(&a_trace);
    let compared = a.replay_with(&all, b_trace.as_ref());
    let code = compared.code().unwrap_or(-1);
    match serde_json::from_slice(&compared.stdout) {
        Ok(value) => (value, code),
        Err(_) => a.fail("replay diff prints no JSON", Some(&compared)),
    }
}

/// The first cause of a pair of runs that differ.
fn first_cause(a: &Recording, b: &Recording) -> Value {
    let (told, code) = diff(a, b, &[]);
    assert_eq!(
        (told["verdict"].as_str(), code),
        (Some("different"), 1),
        "{told:#}"
    );
    let scores: Vec<f64> = told["causes"]
        .as_array()
        .expect("causes")
        .iter()
        .map(|cause| cause["score"].as_f64().expect("a score"))
        .collect();
    assert!(scores.is_sorted_by(|one, other| one >= other), "{scores:?}");
    assert_eq!(told["causes"][0]["root"], true, "{told:#}");
    told["causes"][0].clone()
}

/// The first cause when a passing run is compared with one in which this was planted.
fn planted(plant: &'static str) -> Value {
    first_cause(&Run::planted("").record(), &Run::planted(plant).record())
}

fn says(cause: &Value, kind: &str, words: &[&str]) {
    assert_eq!(cause["kind"], kind, "{cause:#}");
    let what = cause["what"].as_str().expect("a sentence");
    for word in words {
        assert!(what.contains(word), "{word}: {cause:#}");
    }
}

#[test]
fn two_runs_that_pass_are_the_same_but_for_noise() {
    let (a, b) = (Run::planted("").record(), Run::planted("").record());
    let (told, code) = diff(&a, &b, &[]);
    assert_eq!(
        (told["verdict"].as_str(), code),
        (Some("same but for noise"), 0),
        "{told:#}"
    );
    assert!(told["noise"]["uuid"].as_u64() > Some(0), "{told:#}");
    assert_eq!(
        told["unused_rules"][0],
        "rule 1 (protocol env, field PLANT)"
    );
    let (told, code) = diff(&a, &a, &[]);
    assert_eq!(
        (told["verdict"].as_str(), code),
        (Some("same"), 0),
        "{told:#}"
    );
}

#[test]
fn a_field_of_a_message() {
    let cause = planted("payload");
    says(&cause, "payload", &["content.count", "http"]);
    assert_eq!(cause["fields"][0]["path"], "content.count");
    assert_eq!(cause["fields"][0]["a"], "3");
    assert_eq!(cause["fields"][0]["b"], "7");
}

#[test]
fn a_message_that_was_dropped() {
    let cause = planted("drop");
    says(&cause, "missing", &["POST /order"]);
}

#[test]
fn a_message_that_was_sent_twice() {
    let cause = planted("double");
    says(&cause, "extra", &["POST /order"]);
}

#[test]
fn a_request_that_was_tried_again() {
    let cause = planted("retry");
    says(&cause, "extra", &["POST /order"]);
}

#[test]
fn a_message_that_overtook_another() {
    let (a, b) = (Run::planted("").record(), Run::planted("overtake").record());
    let cause = first_cause(&a, &b);
    says(&cause, "overtaken", &["POST /order", "figs", "kiwis"]);
    // Where it happened can be looked at: what came first there is what led to it.
    for (recording, side, first) in [(&a, "a", "figs"), (&b, "b", "kiwis")] {
        let event = cause[side]["event"].as_str().expect("an event");
        let text = cause[side]["text"].as_str().expect("a text");
        let words = ["figs", "kiwis"].map(|item| text.find(item).expect("both messages"));
        assert_eq!(words[0] < words[1], first == "figs", "{text}");
        let options = ["show", "--json", "-n", "1", "--causes-of", event];
        let shown = recording.replay_with(&options, recording.trace());
        assert_eq!(shown.code(), Some(0), "{}", shown.error_text());
        assert!(shown.text().contains(first), "{}", shown.text());
    }
}

#[test]
fn another_exit_status() {
    let cause = planted("exit");
    says(&cause, "exit", &["python3"]);
    assert_eq!(cause["b"]["text"], "exits with status 3");
}

#[test]
fn a_death_by_signal() {
    let cause = planted("signal");
    says(&cause, "exit", &["python3"]);
    assert_eq!(cause["b"]["text"], "killed by SIGKILL");
}

#[test]
fn a_configuration_that_was_changed() {
    let other = Run {
        config: "{\"price\": 6, \"currency\": \"EUR\"}\n",
        ..Run::planted("")
    };
    // The shell that writes the file has it in its arguments, which are not what is asked about.
    let (a, b) = (Run::planted("").record(), other.record());
    let cause = first_cause(&a, &b);
    says(&cause, "file", &["config.json"]);
    assert_eq!(cause["fields"][0]["path"], "price");
}

#[test]
fn a_variable_of_the_environment() {
    let other = Run {
        discount: Some("1"),
        ..Run::planted("")
    };
    let cause = first_cause(&Run::planted("").record(), &other.record());
    says(&cause, "environment", &["DISCOUNT"]);
    assert_eq!(cause["a"]["text"], "no DISCOUNT");
}

#[test]
fn traces_that_are_damaged_or_missing_are_trouble_and_no_verdict() {
    let recording = Run::planted("").record();
    let whole = fs::read(recording.trace()).expect("a trace");
    let folder = recording.folder("damaged");
    for at in 1..24 {
        let mut bytes = whole.clone();
        match at % 3 {
            0 => bytes.truncate(whole.len() * at / 24),
            _ => bytes[whole.len() * at / 24] ^= 0x55,
        }
        let path = folder.join(format!("{at}.zst"));
        fs::write(&path, bytes).expect("a damaged trace");
        let name = path.display().to_string();
        let compared = recording.replay_with(&["diff", &name], recording.trace());
        let code = compared.code();
        assert!(
            matches!(code, Some(0..=2)),
            "{at}: {code:?} {}",
            compared.error_text()
        );
        // What was cut short is not the whole run, and says so.
        if code != Some(2) {
            assert!(!compared.error_text().contains("panicked"));
        }
    }
    let missing = recording.replay_with(&["diff", "/nonexistent"], recording.trace());
    assert_eq!(missing.code(), Some(2));
}

#[test]
fn what_differs_between_further_good_runs_is_noise() {
    // Numbers of one width: a shorter one stands behind more blanks, which is another difference.
    let draw = || loop {
        let drawn = script("echo drew $(od -An -N2 -tu2 /dev/urandom) of 3 bags").record();
        if drawn.stdout().len() == "drew 12345 of 3 bags\n".len() {
            return drawn;
        }
    };
    let (good, other, again) = (draw(), draw(), draw());
    let (told, code) = diff(&good, &other, &[]);
    assert_eq!((told["verdict"].as_str(), code), (Some("different"), 1));
    let further = again.trace().display().to_string();
    let (told, code) = diff(&good, &other, &["--also-good", &further]);
    assert_eq!(code, 0, "{told:#}");
    assert!(
        told["noise"]["between-good-runs"].as_u64() > Some(0),
        "{told:#}"
    );
    // What the good runs agree in is none.
    let bad = script("echo drew $(od -An -N2 -tu2 /dev/urandom) of 4 bags").record();
    let (told, _) = diff(&good, &bad, &["--also-good", &further]);
    assert_eq!(told["verdict"], "different", "{told:#}");
}

#[test]
fn how_servers_end_as_a_run_is_taken_down_is_noise() {
    let run = |status: &'static str| {
        let text = "sh -c 'trap \"exit $PLANT\" TERM; while :; do sleep 0.01; done' & server=$!; \
                    sleep 0.3; echo done; kill $server; wait $server; true";
        script(text).env("PLANT", status).record()
    };
    let (told, code) = diff(&run("0"), &run("3"), &[]);
    assert_eq!(code, 0, "{told:#}");
    assert!(told["noise"]["shutdown"].as_u64() > Some(0), "{told:#}");
}

#[test]
fn a_choice_by_random_bytes_that_mattered() {
    need("python3", "python3");
    let program = source("shelves.py");
    let record = |passes: bool| loop {
        let run = script(&format!("python3 {}; true", program.display())).record();
        if run.stdout().contains("total 82") == passes {
            return run;
        }
    };
    let cause = first_cause(&record(true), &record(false));
    says(&cause, "randomness", &["gizmo-31", "west", "east"]);
}

/// Whoever was told and given the same decides by chance: that is a cause of what failed, and no difference between
/// two runs that went well.
#[test]
fn a_choice_that_only_chance_explains() {
    let service = r#"open $ask, "<", "ask"; chomp($item = <$ask>); open $answer, ">", "answer";
                     print $answer "$item lies on the ", (qw(left middle right))[int rand 3], "\n""#;
    let text = format!(
        "mkfifo ask answer; perl -e '{service}' & echo bolt > ask; read found < answer; wait; \
         case $found in *right) echo nothing there; exit 1;; *) echo there it is;; esac"
    );
    let choose = |fails: bool| {
        let mut drawn = (0..100).map(|_| script(&text).record());
        let drawn = drawn.find(|one| one.stdout().starts_with("nothing") == fails);
        drawn.expect("chance chooses each")
    };
    let (good, other, bad) = (choose(false), choose(false), choose(true));
    let (told, code) = diff(&good, &other, &[]);
    assert_eq!(code, 0, "{told:#}");
    let cause = first_cause(&good, &bad);
    says(&cause, "randomness", &["by chance"]);
}
