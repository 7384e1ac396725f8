//! What first behaves otherwise in a process that runs other code: so that one reads it with the code.

use super::difference::{Difference, Kind};
use super::tree::FieldDiff;
use crate::commands::show::words::shortened;

/// Characters of what is seen first.
const TEXT_MAX: usize = 300;

/// The sentence of a program or its code that differs, with what is first seen of that, if anything is. `programs`: the
/// same in each process that runs it; `candidates`: what differs, in the order of time; `shares`: whether it speaks of
/// what failed, which tells more.
pub fn told<'a>(
    programs: impl Iterator<Item = &'a Difference> + Clone,
    candidates: impl Iterator<Item = &'a Difference> + Clone,
    shares: &dyn Fn(&Difference) -> bool,
) -> Option<String> {
    let sharing = candidates.clone().filter(|one| shares(one));
    let mut all = programs.clone();
    let telling = all.find_map(|one| Some((one, first(one, sharing.clone())?)));
    let mut all = programs;
    let (program, seen) =
        telling.or_else(|| all.find_map(|one| Some((one, first(one, candidates.clone())?))))?;
    let fields = seen.fields.iter().take(2).map(in_short);
    let fields: Vec<String> = fields.collect();
    let mut text = shortened(seen.what.trim_end_matches('.'), TEXT_MAX);
    if !fields.is_empty() {
        text = format!("{text} ({})", fields.join(", "));
    }
    if seen.storm && !seen.note.is_empty() {
        text = format!("{text} ({})", seen.note);
    }
    let what = program.what.trim_end_matches('.');
    Some(format!("{what}; first seen in: {text}."))
}

fn first<'a>(
    program: &Difference,
    candidates: impl Iterator<Item = &'a Difference> + Clone,
) -> Option<&'a Difference> {
    let storm = |one: &&Difference| one.storm && (is_in(program, one) || is_asked(program, one));
    let said = |one: &&Difference| !one.weak && !one.permuted && is_in(program, one);
    let message = |one: &&Difference| said(one) && one.kind != Kind::Overtaken && !one.forwarded;
    let all = || candidates.clone();
    let found = all().find(storm).or_else(|| all().find(message));
    // What one sender says of one thing is in an order.
    let moved = |one: &&Difference| said(one) && one.own_way && !one.common.is_empty();
    // Names with digits are ids, mostly.
    let telling = |one: &Difference| {
        let digits = |name: &String| name.bytes().any(|byte| byte.is_ascii_digit());
        (one.common.iter().any(digits), one.common.len())
    };
    found.or_else(|| {
        let moved = all().filter(moved);
        moved.reduce(|best, one| match telling(one) > telling(best) {
            true => one,
            false => best,
        })
    })
}

/// Whether a difference is in what the process does that runs the program.
fn is_in(program: &Difference, difference: &Difference) -> bool {
    let process = |of: &Difference, run: usize| {
        let sight = of.places[run].as_ref()?;
        Some(sight.point.event.stream.process)
    };
    match difference.kind {
        Kind::Overtaken => {
            let sender = difference.sender;
            sender.is_some() && process(program, 1) == sender
        }
        Kind::Missing
        | Kind::Extra
        | Kind::Payload
        | Kind::Elsewhere
        | Kind::Checksum
        | Kind::Written
        | Kind::Exit
        | Kind::Output
        | Kind::Happening => {
            let shows = |run: &usize| difference.sides[*run].is_some();
            let runs = (0..2).filter(shows);
            runs.into_iter().any(|run| {
                process(difference, run).is_some()
                    && process(difference, run) == process(program, run)
            })
        }
        Kind::Jump | Kind::Slow | Kind::Process => false,
        Kind::File | Kind::Environment | Kind::Arguments => false,
        Kind::Program | Kind::Threads | Kind::Randomness | Kind::Clock => false,
    }
}

/// Whether a difference is in what is asked of the process that runs the program.
fn is_asked(program: &Difference, difference: &Difference) -> bool {
    let ends = |run: usize| {
        let (program, shown) = (
            program.sides[run].as_ref()?,
            difference.sides[run].as_ref()?,
        );
        Some(shown.text.ends_with(&format!(" to {})", program.sight.who)))
    };
    ends(1).or_else(|| ends(0)).unwrap_or(false)
}

fn in_short(field: &FieldDiff) -> String {
    let side = |value: &Option<String>| value.clone().unwrap_or("(none)".to_owned());
    let text = format!("{}: {} | {}", field.path, side(&field.a), side(&field.b));
    shortened(&text, TEXT_MAX / 2)
}
