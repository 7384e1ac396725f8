//! Places that the program may come back to by itself: a handler was shown them, and may have made the interrupted code
//! go on by a return of its own, at any later time. (Go's runtime preempts goroutines so.) What the kernel or we resume
//! can be led around a jump that was put into code; a return cannot, so no jump may reach over such a place.
//!
//! A filter of bits, which forgets none: two places may share a bit, and then one of them is avoided without need.
//! Recording and replay pass the same places in the same order, so that both see the same bits.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::loops;

const BITS: u64 = 1 << 15;

/// One filter per address space; a forked child inherits what its parent's handlers were shown.
static PLACES: [AtomicU64; BITS as usize / 64] = [const { AtomicU64::new(0) }; BITS as usize / 64];

fn bit(place: u64) -> (&'static AtomicU64, u64) {
    // The upper bits of a product depend on all bits of the place.
    let bit = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 49;
    (&PLACES[(bit / 64) as usize], 1 << (bit % 64))
}

/// A handler is shown that the program stood here.
pub fn shown(place: u64) {
    loops::clear_around(place);
    let (word, bit) = bit(place);
    word.fetch_or(bit, Ordering::Relaxed);
}

/// May the program come back to one of these places? They are few.
pub fn may_lead_to(mut places: Range<u64>) -> bool {
    places.any(|place| {
        let (word, bit) = bit(place);
        word.load(Ordering::Relaxed) & bit != 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_shown_is_avoided_and_others_are_not() {
        let loops = 0x55_5555_5550_0000..0x55_5555_5550_0400;
        assert!(!may_lead_to(loops.clone()));
        shown(0x55_5555_5550_0123);
        assert!(may_lead_to(0x55_5555_5550_0120..0x55_5555_5550_0124));
        assert!(!may_lead_to(0x55_5555_5550_011f..0x55_5555_5550_0123));
        assert_eq!(loops.filter(|at| may_lead_to(*at..at + 1)).count(), 1);
    }
}
