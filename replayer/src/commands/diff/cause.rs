//! A candidate cause: what differs, with how likely it is and why.

use super::difference::{Difference, Kind};

/// What is left of a score where something before it differs.
pub const FOLLOWS: f64 = 0.35;
/// And where that may only be a matter of order.
pub const LOOSE: f64 = 0.9;
/// Where the same values are only given to others.
pub const PERMUTED: f64 = 0.5;
/// What is left of an answer of one who was told things in another order.
pub const ANSWER: f64 = 0.9;
/// What is left of what chance does between any two runs.
pub const WEAK: f64 = 0.5;
/// And where it does not lead to anything that people see failing.
pub const HARMLESS: f64 = 0.6;

/// A candidate cause.
#[derive(Clone, Debug)]
pub struct Cause {
    pub difference: Difference,
    pub score: f64,
    pub reason: String,
    /// Nothing before it differs.
    pub is_root: bool,
}

/// What is known of a difference when it is judged.
#[derive(Clone, Copy)]
pub struct How {
    /// It follows from what may have led to nothing.
    pub loose: bool,
    /// Something that failed follows from it.
    pub leads: bool,
    /// Anything failed.
    pub fails: bool,
    /// It speaks of what failed.
    pub named: bool,
}

/// What differs in itself, as a cause.
pub fn seen(difference: &Difference, is_root: bool, how: How) -> Cause {
    let How {
        loose,
        leads,
        fails,
        named,
    } = how;
    let mut score = difference.weight();
    let mut reason = match is_root {
        true => "everything before it is the same in both runs".to_owned(),
        false => "it follows from a difference before it".to_owned(),
    };
    if !difference.note.is_empty() {
        reason = format!("{}, and {reason}", difference.note);
    }
    if !is_root {
        score *= if loose { LOOSE } else { FOLLOWS };
    }
    if difference.weak && named && difference.kind == Kind::Elsewhere {
        score = Kind::Missing.weight();
        reason += ", and what failed is about the same";
    } else if difference.weak {
        score *= WEAK;
        reason += ", and chance does as much";
    }
    if difference.internal && !difference.weak {
        score *= PERMUTED;
        reason += ", and the run wrote it itself";
    }
    let answers = difference.kind == Kind::Payload && difference.is_answer();
    if answers && difference.reordered && !difference.weak {
        score *= ANSWER;
        reason += ", and it is an answer of one who was told things in another order";
    }
    if difference.permuted {
        score *= if difference.weak { 1.0 } else { PERMUTED };
        reason += ", and both runs have the same values there, in another order";
    }
    if !leads {
        score *= HARMLESS;
        reason += ", and nothing that failed follows from it";
    } else if is_root && !difference.kind.is_symptom() && fails {
        reason += ", and it leads to how the run ends or what it prints";
    }
    Cause {
        difference: difference.clone(),
        score,
        reason,
        is_root,
    }
}

/// What is never the same, as a cause of a root.
pub fn suspected(suspect: &Difference, root: &Difference, score: f64) -> Cause {
    let reason = match suspect.kind {
        Kind::Overtaken => {
            "the same messages, in another order, and then the receiver goes on differently"
        }
        Kind::Slow => "what differs first came behind it, or while it lasted",
        Kind::Threads => {
            "the process differs after it, its threads share memory, and it was told the same"
        }
        Kind::Randomness if suspect.outside => {
            "the process differs after it, though it was told the same"
        }
        Kind::Randomness => "the process differs after it, and its libraries may go by that",
        Kind::Clock => "the process differs after it, and knows what time it was",
        Kind::Missing | Kind::Extra | Kind::Payload | Kind::Happening => "",
        Kind::Process | Kind::Exit | Kind::File | Kind::Environment => "",
        Kind::Written | Kind::Elsewhere => "",
        Kind::Jump | Kind::Checksum | Kind::Program => "",
        Kind::Arguments | Kind::Output => "",
    };
    let shown = root.sides.iter().flatten().next();
    let at = shown.map_or(String::new(), |shown| {
        format!(" (at {})", shown.sight.event())
    });
    Cause {
        difference: suspect.clone(),
        score,
        reason: format!("{reason}{at}"),
        is_root: true,
    }
}
