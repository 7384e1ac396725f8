//! Sides of connections whose messages belong to each other by their places.

use super::run::Item;
use super::talks::Described;

/// Whether each message of a side belongs to the one at the same place of the other run: the questions are the
/// same and each has its answer, or the lines that are printed say the same but for numbers.
pub fn is_one_by_one(
    talks: &[Vec<Described<'_>>; 2],
    pair: &[Option<usize>; 2],
    side: usize,
) -> bool {
    let (Some(a), Some(b)) = (pair[0], pair[1]) else {
        return false;
    };
    let (a, b) = (&talks[0][a], &talks[1][b]);
    let lens = [a, b].map(|of| of.hashes.each_ref().map(Vec::len));
    if lens[0] != lens[1] {
        return false;
    }
    if side == 1 {
        return lens[0][0] == lens[0][1] && a.hashes[0] == b.hashes[0];
    }
    let plain = |item: &Item| item.text.replace(|c: char| c.is_ascii_digit(), "");
    let lines = a.talk.lanes[0].iter().zip(&b.talk.lanes[0]);
    let mut lines = lines.map(|(one, other)| plain(one) == plain(other));
    matches!(a.talk.channel, "stdout" | "stderr") && lines.all(|same| same)
}

/// Whether each question has its answer in both runs, and one of them only stopped asking earlier.
pub fn answers_in_order(talks: &[Vec<Described<'_>>; 2], pair: &[Option<usize>; 2]) -> bool {
    let (Some(a), Some(b)) = (pair[0], pair[1]) else {
        return false;
    };
    let of_talk = talks[0][a].talk;
    let [a, b] = [(0, a), (1, b)].map(|(run, at): (usize, usize)| talks[run][at].hashes);
    let answered = [a, b].iter().all(|of| of[0].len() == of[1].len());
    // Others may say something that they were not asked.
    let mut items = of_talk.lanes[1].iter();
    answered
        && items.all(|item| item.protocol.starts_with("http/1"))
        && (a[0].starts_with(&b[0]) || b[0].starts_with(&a[0]))
}
