//! Answers to those who only look how things are.
//!
//! Whoever looks, in both runs, sees what there is at that moment. That one of them saw something on the way which
//! the other did not is chance, where things came to the one that is asked in another order.

use rustc_hash::FxHashSet;

use super::polls;
use super::talks::Described;

/// What is asked in a run of those that answer: by roles and hash.
pub type Questions<'a> = FxHashSet<(&'a str, u64)>;

pub fn questions<'a>(talks: &'a [Described<'_>]) -> Questions<'a> {
    let all = talks.iter().flat_map(|of| {
        let hashes = of.hashes[0].iter();
        hashes.map(|hash| (of.roles.as_str(), *hash))
    });
    all.collect()
}

/// Whether a message answers a look at how things are, as there is one in the other run, too.
pub fn is_answer(of: &Described<'_>, at: usize, others: &Questions<'_>) -> bool {
    let [asked, told] = &of.talk.lanes;
    // Of lines that no protocol explains, none is known to be an answer.
    if told[at].protocol == of.talk.channel {
        return false;
    }
    let answered_ns = told[at].sight.point.time_ns;
    // Where each question has its answer, several may be on their way.
    let question = match asked.len() == told.len() {
        true => Some(at),
        false => {
            let before = asked.partition_point(|item| item.sight.point.time_ns <= answered_ns);
            let next_ns = asked
                .get(before)
                .map_or(u64::MAX, |next| next.sight.point.time_ns);
            let from_ns = before.checked_sub(1).map(|question| {
                let question = &asked[question];
                question.sight.point.time_ns
            });
            // Who is told several things had asked to be told them.
            let answers = told.iter().filter(|answer| {
                let time_ns = answer.sight.point.time_ns;
                Some(time_ns) >= from_ns && time_ns < next_ns
            });
            before.checked_sub(1).filter(|_| answers.count() == 1)
        }
    };
    let Some(question) = question else {
        return false;
    };
    !polls::changes(&asked[question])
        && others.contains(&(of.roles.as_str(), of.hashes[0][question]))
}
