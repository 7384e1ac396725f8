//! Which of many differences are roots: nothing that differs led to them.
//!
//! The two runs may contradict each other. Where a lock is given too early, a conflict comes of it, and then
//! much is not done that in the first run led to the lock: each of the three follows from another. Of such a
//! circle, the roots are those that come first in the second run, which is the one that is asked about; what
//! that run lacks is none.

/// A row of bits for each difference.
struct Reach {
    words: usize,
    bits: Vec<u64>,
}

impl Reach {
    fn new(count: usize) -> Reach {
        let words = count.div_ceil(64);
        Reach {
            words,
            bits: vec![0; words * count],
        }
    }

    fn set(&mut self, from: usize, to: usize) {
        self.bits[from * self.words + to / 64] |= 1 << (to % 64);
    }

    fn has(&self, from: usize, to: usize) -> bool {
        self.bits[from * self.words + to / 64] & (1 << (to % 64)) != 0
    }

    /// Whatever is reached over others, too.
    fn close(&mut self, count: usize) {
        for over in 0..count {
            for from in 0..count {
                if from != over && self.has(from, over) {
                    for word in 0..self.words {
                        self.bits[from * self.words + word] |= self.bits[over * self.words + word];
                    }
                }
            }
        }
    }
}

/// `follows(a, b)`: b follows from a, by both runs. `second(a, b)`: the second run has both, and a led to b
/// there. `is_in_second(a)`: it has a.
pub fn roots(
    count: usize,
    follows: &dyn Fn(usize, usize) -> bool,
    second: &dyn Fn(usize, usize) -> bool,
    is_in_second: &dyn Fn(usize) -> bool,
) -> Vec<bool> {
    let mut reach = Reach::new(count);
    for from in 0..count {
        for to in (0..count).filter(|to| *to != from) {
            if follows(from, to) {
                reach.set(from, to);
            }
        }
    }
    reach.close(count);
    let is_root = |at: usize| {
        let others = || (0..count).filter(move |other| *other != at);
        let circle = |other: &usize| reach.has(*other, at) && reach.has(at, *other);
        let follows = others().any(|other| reach.has(other, at) && !reach.has(at, other));
        let in_circle = others().any(|other| circle(&other));
        let later = || others().filter(circle).any(|other| second(other, at));
        !follows && (!in_circle || is_in_second(at) && !later())
    };
    (0..count).map(is_root).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        count: usize,
        follows: &[(usize, usize)],
        second: &[(usize, usize)],
        lacks: &[usize],
    ) -> Vec<usize> {
        let roots = roots(
            count,
            &|a, b| follows.contains(&(a, b)),
            &|a, b| second.contains(&(a, b)),
            &|a| !lacks.contains(&a),
        );
        (0..count).filter(|at| roots[*at]).collect()
    }

    #[test]
    fn what_nothing_leads_to_is_a_root() {
        assert_eq!(of(4, &[(0, 1), (1, 2)], &[], &[]), [0, 3]);
        assert_eq!(of(0, &[], &[], &[]), Vec::<usize>::new());
        let chain: Vec<_> = (0..199).map(|at| (at + 1, at)).collect();
        assert_eq!(of(200, &chain, &[], &[]), [199]);
    }

    #[test]
    fn a_circle_begins_where_the_second_run_does() {
        // A lock that is given too early, a conflict, and what the second run never came to.
        let circle = [(0, 1), (1, 2), (2, 0)];
        assert_eq!(of(3, &circle, &[(0, 1)], &[2]), [0]);
        // A circle that follows from something has no root.
        let led = [(0, 1), (1, 2), (2, 0), (3, 2)];
        assert_eq!(of(4, &led, &[(0, 1)], &[2]), [3]);
    }
}
