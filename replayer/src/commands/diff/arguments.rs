//! What processes were run for.

use std::collections::BTreeSet;

use reenact_wire::Node;

use super::compare::{is_code, shown, Found};
use super::difference::{Difference, Kind};
use super::learn;
use super::learn::words;
use super::noise::Noise;
use super::run::{Process, Run};
use super::tree::Comparer;

/// Characters of a word or number that may have been drawn by chance, and of one that somebody had said.
const DRAWN_MIN: usize = 4;
const SAID_MIN: usize = 2;

/// Compares what two processes were run for.
pub fn arguments(runs: [&Run; 2], of: [&Process; 2], noise: &mut Noise, found: &mut Found) {
    let [a, b] = of;
    if a.argv == b.argv {
        return;
    }
    let list = |process: &Process| {
        let words = process.argv.iter().map(Node::text);
        Node::List(words.collect())
    };
    let mut comparer = Comparer {
        base: Some(learn::base(&a.role, 0, "argv", "")),
        ..Comparer::of(noise, "argv", &a.name)
    };
    let compared = comparer.compare(&list(a), &list(b), true);
    if compared.ignored {
        found.excused.insert(a.number);
    }
    if compared.different > 0 {
        let opens = |process: &Process, word: &String| {
            let mut files = process.inputs.files.iter();
            is_code(process, word) && files.any(|file| file.path.ends_with(word.as_str()))
        };
        let pairs = a.argv.iter().zip(&b.argv).filter(|(a, b)| a != b);
        let scripts = a.argv.len() == b.argv.len()
            && pairs
                .clone()
                .all(|(one, other)| opens(a, one) && opens(b, other));
        let (kind, what) = match scripts {
            true => (Kind::Program, format!("{} runs another script.", a.title)),
            false => (
                Kind::Arguments,
                format!("The arguments of {} differ.", a.title),
            ),
        };
        let mut difference = Difference::new(kind, what).at(
            shown(&a.start, a.argv.join(" ")),
            shown(&b.start, b.argv.join(" ")),
        );
        difference.fields = compared.fields;
        difference.words = compared.words;
        difference.drawn = kind == Kind::Arguments
            && compared.different == difference.fields.len() as u64
            && difference.fields.iter().all(|field| {
                let both = [&field.a, &field.b];
                let drawn = |run: usize| {
                    let started_ns = of[run].start.point.time_ns;
                    is_drawn(runs[run], started_ns, [both[run], both[1 - run]])
                };
                drawn(0) && drawn(1)
            });
        // What a recorded process hands on is told like a message.
        let handed = a.parent.is_some() && b.parent.is_some() && kind == Kind::Arguments;
        difference.outside = !handed;
        if !difference.drawn && !handed {
            found.excused.insert(a.number);
        }
        found.differences.push(difference);
    }
}

/// Whether all that is in the first of two arguments and not in the other looks as if it was drawn by chance, and
/// no message repeats it, or had been said before the process began, so that it is no news. What seeds a program is
/// meant to decide what it does.
fn is_drawn(run: &Run, started_ns: u64, [own, other]: [&Option<String>; 2]) -> bool {
    let (Some(own), Some(other)) = (own, other) else {
        return false;
    };
    let others: BTreeSet<&str> = words(other)
        .iter()
        .map(|word| &other[word.range()])
        .collect();
    let found = words(own);
    let mut differ = found
        .iter()
        .filter(|word| !others.contains(&own[word.range()]));
    let drawn = |text: &str| text.len() >= DRAWN_MIN && text.bytes().any(|b| b.is_ascii_digit());
    let seeds = own.to_ascii_lowercase().contains("seed");
    !seeds
        && differ.clone().next().is_some()
        && differ.all(|word| {
            let text = &own[word.range()];
            let said = text.len() >= SAID_MIN && run.says(text, started_ns);
            said || drawn(text) && !run.says(text, u64::MAX)
        })
}
