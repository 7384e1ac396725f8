//! What was found, for people and as JSON.

use std::fmt::Write;

use serde_json::{json, Value};

use super::cause::Cause;
use super::difference::{Difference, Shown};
use super::judge::Judgement;
use super::noise::Noise;
use super::tree::FieldDiff;
use crate::commands::show::line::seconds;

/// Fields that are printed of a difference; JSON has all.
const FIELDS_MAX: usize = 8;
const FIELDS_OF_CAUSE_MAX: usize = 2;

pub struct Outcome<'a> {
    /// When the runs started, CLOCK_MONOTONIC nanoseconds.
    pub starts: [u64; 2],
    pub count: usize,
    pub judgement: &'a Judgement,
    pub noise: &'a Noise,
}

impl Outcome<'_> {
    pub fn verdict(&self) -> &'static str {
        match (self.count, self.suppressed()) {
            (0, 0) => "same",
            (0, _) => "same but for noise",
            (_, _) => "different",
        }
    }

    fn suppressed(&self) -> u64 {
        let noise: u64 = self.noise.counted().iter().map(|(_, count)| count).sum();
        noise + self.judgement.without.len() as u64
    }

    pub fn text(&self, limit: usize) -> String {
        let mut out = self.verdict().to_owned();
        let counted = self.noise.counted();
        if self.count > 0 {
            let many = if self.count == 1 { "" } else { "s" };
            let _ = write!(out, ": {} difference{many}", self.count);
            if self.suppressed() > 0 {
                let _ = write!(out, "; {} more are noise", self.suppressed());
            }
        }
        out.push('\n');
        if let Some(first) = &self.judgement.first {
            let _ = writeln!(out, "\nfirst difference\n  {}", first.difference.what);
            self.sides(&first.difference, &mut out);
        }
        let causes = &self.judgement.causes;
        if !causes.is_empty() {
            out.push_str("\nlikely causes\n");
        }
        for cause in causes.iter().take(limit) {
            let kind = cause.difference.kind.name();
            let what = &cause.difference.what;
            let _ = writeln!(out, "  {:.2}  {kind:<12} {what}", cause.score);
            for field in cause.difference.fields.iter().take(FIELDS_OF_CAUSE_MAX) {
                let _ = writeln!(out, "        {}", in_short(field));
            }
            let _ = writeln!(out, "        {}{}", events(&cause.difference), cause.reason);
        }
        if causes.len() > limit {
            let _ = writeln!(out, "  and {} more: --limit", causes.len() - limit);
        }
        let without = &self.judgement.without;
        if !without.is_empty() {
            out.push_str("\ndifferences without consequence\n");
        }
        for difference in without.iter().take(limit) {
            let _ = writeln!(out, "  {:<12} {}", difference.kind.name(), difference.what);
        }
        if without.len() > limit {
            let _ = writeln!(out, "  and {} more: --limit", without.len() - limit);
        }
        let numbered = |cause: &Cause| {
            let mut fields = cause.difference.fields.iter();
            fields.any(|field| {
                let rest = field.path.strip_prefix("message.");
                rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            })
        };
        if causes.iter().take(limit).any(numbered) {
            out.push_str("\nFields of gRPC messages are told by their numbers: --descriptors FILE gives them names and types.\n");
        }
        if !counted.is_empty() {
            let list = counted
                .iter()
                .map(|(name, count)| format!("{count} {name}"));
            let list: Vec<String> = list.collect();
            let _ = writeln!(out, "\nnoise: {}", list.join(", "));
        }
        out
    }

    fn sides(&self, difference: &Difference, out: &mut String) {
        for (run, name) in [(0, 'A'), (1, 'B')] {
            let Some(shown) = &difference.sides[run] else {
                let _ = writeln!(out, "    {name}  (nothing)");
                continue;
            };
            let time = seconds(shown.sight.point.time_ns.saturating_sub(self.starts[run]));
            let Shown { sight, text } = shown;
            let (event, who) = (sight.event(), &sight.who);
            let _ = writeln!(out, "    {name} {time:>12} {event:<10} {who}  {text}");
        }
        for field in difference.fields.iter().take(FIELDS_MAX) {
            let _ = writeln!(out, "      {}", in_short(field));
        }
        let more = difference.fields.len().saturating_sub(FIELDS_MAX) as u64 + difference.more;
        if more > 0 {
            let _ = writeln!(out, "      and {more} more fields");
        }
    }

    /// What is known, for programs: the stable interface.
    pub fn value(&self, limit: usize) -> Value {
        let cause = |cause: &Cause| {
            let difference = &cause.difference;
            let side = |run: usize| {
                let shown = difference.sides[run].as_ref()?;
                let since = shown.sight.point.time_ns.saturating_sub(self.starts[run]);
                Some(json!({
                    "event": shown.sight.event(),
                    "who": &*shown.sight.who,
                    "process": shown.sight.point.event.stream.process,
                    "time_ns": since,
                    "text": shown.text,
                }))
            };
            let fields = difference.fields.iter();
            let fields: Vec<Value> = fields
                .map(|field| json!({ "path": field.path, "a": field.a, "b": field.b }))
                .collect();
            json!({
                "kind": difference.kind.name(),
                "score": (cause.score * 1000.0).round() / 1000.0,
                "what": difference.what,
                "reason": cause.reason,
                "root": cause.is_root,
                "a": side(0),
                "b": side(1),
                "fields": fields,
                "more_fields": difference.more,
            })
        };
        let counted = self.noise.counted();
        let noise: serde_json::Map<String, Value> = counted
            .into_iter()
            .map(|(name, count)| (name, json!(count)))
            .collect();
        let causes: Vec<Value> = self
            .judgement
            .causes
            .iter()
            .take(limit)
            .map(cause)
            .collect();
        let without = &self.judgement.without;
        let without: Vec<Value> = without
            .iter()
            .take(limit)
            .map(|one| json!({ "kind": one.kind.name(), "what": one.what }))
            .collect();
        json!({
            "without_consequence": without,
            "verdict": self.verdict(),
            "differences": self.count,
            "first": self.judgement.first.as_ref().map(cause),
            "causes": causes,
            "noise": noise,
            "unused_rules": self.noise.unused(),
            "more_causes": self.judgement.causes.len().saturating_sub(limit),
        })
    }
}

/// A field with what it is in both runs.
fn in_short(field: &FieldDiff) -> String {
    let side = |value: &Option<String>| value.clone().unwrap_or("(none)".to_owned());
    let path = match field.path.as_str() {
        "" => "text",
        path => path,
    };
    format!("{path}: {} | {}", side(&field.a), side(&field.b))
}

/// The events of a difference, to look at.
fn events(difference: &Difference) -> String {
    let of = |run: usize| {
        let sight = &difference.sides[run].as_ref()?.sight;
        Some(format!("{} {}", ["A", "B"][run], sight.event()))
    };
    let events: Vec<String> = [0, 1].into_iter().filter_map(of).collect();
    match events.is_empty() {
        true => String::new(),
        false => format!("{}: ", events.join(", ")),
    }
}
