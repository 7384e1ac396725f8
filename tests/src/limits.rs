//! The table of known limits, guests/KNOWN_LIMITS.md, which the tests hold against what happens.

use crate::run::Finished;

const TABLE: &str = include_str!("../guests/KNOWN_LIMITS.md");

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Limit {
    /// A guest, or a test of a suite.
    pub test: String,
    pub step: Step,
    /// What is seen instead of the right thing, as the table words it.
    pub outcome: String,
    /// Words that explain it on standard error.
    pub says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Record,
    Replay,
    Outside,
}

impl Limit {
    /// The exit code that the outcome names, and whether a faithful run is as good.
    pub(crate) fn code(&self) -> (i32, bool) {
        let (code, or_faithful) = match self.outcome.strip_suffix(" or faithful") {
            Some(code) => (code, true),
            None => (self.outcome.as_str(), false),
        };
        let code = code
            .strip_prefix("exit ")
            .and_then(|code| code.parse().ok());
        let code = code.unwrap_or_else(|| {
            panic!(
                "KNOWN_LIMITS.md: `{}` is no exit code ({})",
                self.outcome, self.test
            )
        });
        (code, or_faithful)
    }

    pub(crate) fn explained_by(&self, run: &Finished) -> bool {
        run.error_text().contains(&self.says)
    }
}

/// Every known limit.
pub fn limits() -> Vec<Limit> {
    let rows = TABLE.lines().skip_while(|line| !line.starts_with("|---"));
    rows.skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(row)
        .collect()
}

/// The limit that a guest, or a test of a suite, runs into.
pub fn limit(test: &str) -> Option<Limit> {
    limits().into_iter().find(|limit| limit.test == test)
}

fn row(line: &str) -> Limit {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [test, step, outcome, says, why] = cells[..] else {
        panic!("KNOWN_LIMITS.md: not five cells: {line}");
    };
    assert!(
        !why.is_empty(),
        "KNOWN_LIMITS.md: a reason is missing: {line}"
    );
    Limit {
        test: test.to_owned(),
        step: match step {
            "record" => Step::Record,
            "replay" => Step::Replay,
            "outside" => Step::Outside,
            _ => panic!("KNOWN_LIMITS.md: `{step}` is no step: {line}"),
        },
        outcome: outcome.to_owned(),
        says: says.to_owned(),
    }
}
