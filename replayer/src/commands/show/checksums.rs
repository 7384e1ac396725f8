//! `replay show --checksums`: what programs said of their state, and whether those that say it under one
//! name agree.
//!
//! Checksums of one name are compared by their number: the first that each process tells, the second,
//! and so on. Whoever has told fewer has merely not got as far.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use reenact_abi::mark;
use reenact_causal::{Fact, Story};
use reenact_trace::{Mark, Reader};
use serde_json::json;

use super::line::{event_name, paint, seconds};
use super::output::Output;
use super::words::{main_of, name};
use super::{Filter, ShowError};

/// Checksums that are kept; those of a run that tells more are compared as far as that.
const KEPT_MAX: usize = 1 << 20;

/// One that a process told.
struct Told {
    time_ns: u64,
    /// As people type it.
    event: String,
    mark: Mark,
}

/// What one process told under a name.
struct Teller {
    process: u32,
    who: String,
    told: Vec<Told>,
}

/// Where a process begins to say something else than most.
struct Dissent<'a> {
    teller: &'a Teller,
    /// Counted from 0.
    number: usize,
    told: &'a Told,
    others: &'a Told,
}

/// Tells all checksums; whether all that have one name agree.
pub fn show(reader: &mut Reader, filter: &Filter, out: &mut Output<'_>) -> Result<bool, ShowError> {
    let mut by_name: BTreeMap<(Vec<u8>, u64), Vec<Teller>> = BTreeMap::new();
    let mut kept = 0;
    let mut story = Story::new(reader);
    while let Some(moment) = story.next(reader)? {
        let Fact::Mark { mark } = &moment.fact else {
            continue;
        };
        let process = moment.event.stream.process;
        let who = name(&story, process);
        let wanted = mark.kind == mark::Mark::Checksum
            && filter.wants_process(process, &who)
            && filter.wants_time(moment.time_ns)
            && filter.wants_event(moment.event)
            && filter.wants_text(&mark.to_string());
        if !wanted || kept == KEPT_MAX {
            continue;
        }
        kept += 1;
        let tellers = by_name.entry((mark.text.clone(), mark.given)).or_default();
        let at = tellers.iter().position(|teller| teller.process == process);
        let at = at.unwrap_or_else(|| {
            tellers.push(Teller {
                process,
                who: who.clone(),
                told: Vec::new(),
            });
            tellers.len() - 1
        });
        tellers[at].told.push(Told {
            time_ns: moment.time_ns,
            event: event_name(moment.event, main_of(&story, process)),
            mark: mark.clone(),
        });
    }
    let mut all_agree = true;
    for tellers in by_name.values() {
        let dissent = dissent(tellers);
        all_agree &= dissent.is_empty();
        match filter.looks.json {
            true => out.line(&as_json(tellers, &dissent, filter))?,
            false => as_text(tellers, &dissent, filter, out)?,
        }
    }
    if by_name.is_empty() && !filter.looks.json {
        out.line("no checksums were told")?;
    }
    Ok(all_agree)
}

/// For each process that does not agree with most others, where that begins. Of as many on each side,
/// those count as most whose first process began first.
fn dissent(tellers: &[Teller]) -> Vec<Dissent<'_>> {
    let mut found: Vec<Dissent<'_>> = Vec::new();
    let longest = tellers.iter().map(|teller| teller.told.len()).max();
    for number in 0..longest.unwrap_or(0) {
        let left = |teller: &&Teller| {
            let known = found
                .iter()
                .any(|known| known.teller.process == teller.process);
            !known && teller.told.len() > number
        };
        let here: Vec<&Teller> = tellers.iter().filter(left).collect();
        let times = |told: &Told| {
            let same = here
                .iter()
                .filter(|one| one.told[number].mark.value == told.mark.value);
            same.count()
        };
        // The last of equal ones is taken, hence from the back.
        let most = here.iter().rev().map(|teller| &teller.told[number]);
        let Some(most) = most.max_by_key(|told| times(told)) else {
            continue;
        };
        for teller in &here {
            let told = &teller.told[number];
            if told.mark.value != most.mark.value {
                found.push(Dissent {
                    teller,
                    number,
                    told,
                    others: most,
                });
            }
        }
    }
    found
}

fn as_text(
    tellers: &[Teller],
    dissent: &[Dissent<'_>],
    filter: &Filter,
    out: &mut Output<'_>,
) -> Result<(), ShowError> {
    let looks = filter.looks;
    let Some(first) = tellers.first().and_then(|teller| teller.told.first()) else {
        return Ok(());
    };
    out.line(&format!("checksum {}", first.mark.quoted()))?;
    for teller in tellers {
        for (number, told) in teller.told.iter().enumerate() {
            let odd = dissent
                .iter()
                .any(|one| one.teller.process == teller.process && one.number <= number);
            let style = match odd {
                true => Style::new().fg_color(Some(AnsiColor::Red.into())),
                false => Style::new(),
            };
            let value = paint(looks.colour && odd, style, &told.mark.value_digits());
            let time = seconds(told.time_ns.saturating_sub(looks.start_ns));
            out.line(&format!(
                "{time:>14} {:<10}  {:<20} {:>4}  {value}",
                told.event,
                teller.who,
                number + 1
            ))?;
        }
    }
    for one in dissent {
        let text = format!(
            "  {} disagrees from {} on: its number {} is {}, and that of others is {} ({})",
            one.teller.who,
            one.told.event,
            one.number + 1,
            one.told.mark.value_digits(),
            one.others.mark.value_digits(),
            one.others.event,
        );
        let red = Style::new().fg_color(Some(AnsiColor::Red.into()));
        out.line(&paint(looks.colour, red, &text))?;
    }
    if dissent.is_empty() && tellers.len() > 1 {
        let all: Vec<&str> = tellers.iter().map(|teller| &*teller.who).collect();
        out.line(&format!("  {} agree", all.join(", ")))?;
    }
    Ok(())
}

fn as_json(tellers: &[Teller], dissent: &[Dissent<'_>], filter: &Filter) -> String {
    let name = tellers.first().and_then(|teller| teller.told.first());
    let name = name.map(|told| String::from_utf8_lossy(&told.mark.text).into_owned());
    let processes = tellers.iter().map(|teller| {
        let told = teller.told.iter().map(|told| {
            let since = told.time_ns.saturating_sub(filter.looks.start_ns);
            json!({ "event": told.event, "time_ns": since, "value": told.mark.value_digits() })
        });
        let told: Vec<_> = told.collect();
        json!({ "process": teller.process, "who": teller.who, "told": told })
    });
    let odd = dissent.iter().map(|one| {
        json!({
            "process": one.teller.process,
            "who": one.teller.who,
            "event": one.told.event,
            "number": one.number + 1,
            "value": one.told.mark.value_digits(),
            "others": one.others.mark.value_digits(),
            "others_event": one.others.event,
        })
    });
    let (processes, odd): (Vec<_>, Vec<_>) = (processes.collect(), odd.collect());
    json!({
        "kind": "checksum",
        "name": name,
        "agree": dissent.is_empty(),
        "processes": processes,
        "disagree": odd,
    })
    .to_string()
}
