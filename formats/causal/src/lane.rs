//! The bytes of one direction in order, from whoever knew them first.
//!
//! A sender's copy comes first where it is in the trace. What the kernel moved by itself is known from
//! its receiver alone, so bytes behind it wait, up to a bound.

use std::collections::BTreeMap;

/// Bytes that are kept while what lies in front of them is not known.
const AHEAD_MAX: usize = 4 << 20;

/// A piece of a direction: where it begins, its bytes, and what its giver noted with them.
pub type Piece<T> = (u64, Vec<u8>, T);

/// One direction. `T` is what belongs to each piece, such as who carried it.
#[derive(Clone, Debug)]
pub struct Lane<T> {
    /// Offset up to which bytes were handed out.
    told: u64,
    /// What is known further on.
    ahead: BTreeMap<u64, (Vec<u8>, T)>,
    ahead_bytes: usize,
}

impl<T> Default for Lane<T> {
    fn default() -> Lane<T> {
        Lane {
            told: 0,
            ahead: BTreeMap::new(),
            ahead_bytes: 0,
        }
    }
}

impl<T> Lane<T> {
    /// Offset up to which bytes were handed out, or passed over.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// Takes what somebody sent or received at an offset. What is known already is ignored.
    pub fn add(&mut self, offset: u64, bytes: &[u8], note: T) {
        let end = offset.saturating_add(bytes.len() as u64);
        if end <= self.told || bytes.is_empty() {
            return;
        }
        let skip = usize::try_from(self.told.saturating_sub(offset)).unwrap_or(usize::MAX);
        let bytes = bytes.get(skip..).unwrap_or_default();
        let offset = offset.max(self.told);
        if !self.ahead.contains_key(&offset) {
            self.ahead_bytes += bytes.len();
            self.ahead.insert(offset, (bytes.to_vec(), note));
        }
    }

    /// What comes next. Where something is missing, the receiver's copy is waited for, up to a bound.
    pub fn next_piece(&mut self) -> Option<Piece<T>> {
        loop {
            let (offset, _) = self.ahead.first_key_value()?;
            if *offset > self.told && self.ahead_bytes <= AHEAD_MAX {
                return None;
            }
            let piece = self.take();
            if piece.is_some() {
                return piece;
            }
        }
    }

    /// What is left when nothing more will come, holes or not.
    pub fn next_left(&mut self) -> Option<Piece<T>> {
        while !self.ahead.is_empty() {
            let piece = self.take();
            if piece.is_some() {
                return piece;
            }
        }
        None
    }

    /// The first piece that is kept, unless all of it was told before.
    fn take(&mut self) -> Option<Piece<T>> {
        let (offset, (mut bytes, note)) = self.ahead.pop_first()?;
        self.ahead_bytes -= bytes.len();
        let end = offset.saturating_add(bytes.len() as u64);
        if end <= self.told {
            return None;
        }
        let skip = usize::try_from(self.told.saturating_sub(offset)).unwrap_or(usize::MAX);
        bytes.drain(..skip.min(bytes.len()));
        let offset = offset.max(self.told);
        self.told = end;
        Some((offset, bytes, note))
    }

    /// Moves on to an offset: what lies before it counts as told.
    pub fn pass_to(&mut self, offset: u64) {
        self.told = self.told.max(offset);
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.ahead = BTreeMap::new();
        self.ahead_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_filled_by_whoever_knows_it() {
        let mut lane = Lane::default();
        lane.add(0, b"one ", 'a');
        lane.add(8, b"three", 'b');
        assert_eq!(lane.next_piece(), Some((0, b"one ".to_vec(), 'a')));
        assert_eq!(lane.next_piece(), None);
        lane.add(2, b"e two thr", 'c');
        assert_eq!(lane.next_piece(), Some((4, b"two thr".to_vec(), 'c')));
        assert_eq!(lane.next_piece(), Some((11, b"ee".to_vec(), 'b')));
        assert_eq!((lane.next_piece(), lane.told()), (None, 13));
    }

    #[test]
    fn what_is_left_is_handed_out_in_the_end() {
        let mut lane = Lane::default();
        lane.add(5, b"late", ());
        lane.add(7, b"te", ());
        assert_eq!(lane.next_piece(), None);
        assert_eq!(lane.next_left(), Some((5, b"late".to_vec(), ())));
        assert_eq!(lane.next_left(), None);
        // Enough that is kept ends the waiting.
        lane.add(20, &vec![1; AHEAD_MAX + 1], ());
        assert_eq!(lane.next_piece().map(|piece| piece.0), Some(20));
    }
}
