//! LEB128 numbers and columns of them.
//!
//! Differences are taken with wrapping arithmetic and zigzag-coded, so that each 64-bit value
//! round-trips and small differences in either direction are short.

use crate::error::Damage;

/// Most bytes of a 64-bit LEB128 number.
const LEB_MAX: usize = 10;

/// Small for small differences in either direction: 0, -1, 1, -2, … become 0, 1, 2, 3, ….
#[inline(always)]
pub(crate) fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (((difference as i64) >> 63) as u64)
}

pub(crate) fn unzigzag(coded: u64) -> u64 {
    (coded >> 1) ^ (coded & 1).wrapping_neg()
}

/// Appends `value` as unsigned LEB128.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value as u8);
    } else if value < 0x4000 {
        out.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]);
    } else {
        put_long(out, value);
    }
}

#[inline(never)]
fn put_long(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`put`] appends for `value`.
pub(crate) fn size(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// A column being written.
#[derive(Default)]
pub(crate) struct Column {
    pub bytes: Vec<u8>,
    /// Entries put so far, in columns that are written by position.
    entries: usize,
    /// Whether anything but zero was put: an all-zero column of numbers is not stored.
    pub nonzero: bool,
}

impl Column {
    #[inline(always)]
    pub fn number(&mut self, value: u64) {
        self.nonzero |= value != 0;
        put(&mut self.bytes, value);
    }

    /// Puts `value` as its difference from what the reader expects.
    pub fn delta(&mut self, value: u64, expected: u64) {
        self.number(zigzag(value.wrapping_sub(expected)));
    }

    /// Puts entry `at`; the ones that were passed over are zero.
    #[inline(always)]
    pub fn number_at(&mut self, at: usize, value: u64) {
        if self.entries != at {
            self.fill(at);
        }
        self.entries = at + 1;
        self.number(value);
    }

    /// Puts the same number as so many entries from entry `at` on.
    pub fn repeat_at(&mut self, at: usize, times: usize, value: u64) {
        if value < 0x80 && times != 0 {
            self.number_at(at, value);
            self.bytes.resize(self.bytes.len() + times - 1, value as u8);
            self.entries = at + times;
        } else {
            (at..at + times).for_each(|at| self.number_at(at, value));
        }
    }

    #[inline(always)]
    pub fn delta_at(&mut self, at: usize, value: u64, expected: u64) {
        self.number_at(at, zigzag(value.wrapping_sub(expected)));
    }

    /// Makes it `entries` long, of which the new ones are zero.
    pub fn fill(&mut self, entries: usize) {
        let missing = entries - self.entries;
        self.bytes.resize(self.bytes.len() + missing, 0);
        self.entries = entries;
    }

    pub fn byte(&mut self, value: u8) {
        self.nonzero |= value != 0;
        self.bytes.push(value);
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.nonzero |= !bytes.is_empty();
        self.bytes.extend_from_slice(bytes);
    }
}

/// A column being read. One that was not stored yields zeros for ever.
#[derive(Clone, Copy, Default)]
pub(crate) struct Numbers<'a> {
    bytes: Option<&'a [u8]>,
}

impl<'a> Numbers<'a> {
    pub fn new(bytes: Option<&'a [u8]>) -> Numbers<'a> {
        Numbers { bytes }
    }

    pub fn number(&mut self) -> Result<u64, Damage> {
        let Some(bytes) = &mut self.bytes else {
            return Ok(0);
        };
        let mut value = 0u64;
        for at in 0..LEB_MAX {
            let byte = *bytes
                .get(at)
                .ok_or_else(|| Damage::new("a column is too short"))?;
            let bits = u64::from(byte & 0x7f);
            if at == LEB_MAX - 1 && byte > 1 {
                break;
            }
            value |= bits << (7 * at);
            if byte & 0x80 == 0 {
                *bytes = &bytes[at + 1..];
                return Ok(value);
            }
        }
        Err(Damage::new("a number in a column exceeds 64 bits"))
    }

    pub fn delta(&mut self, expected: u64) -> Result<u64, Damage> {
        Ok(unzigzag(self.number()?).wrapping_add(expected))
    }

    /// The next number, which must fit `max`.
    pub fn at_most(&mut self, max: u64) -> Result<u64, Damage> {
        match self.number()? {
            value if value <= max => Ok(value),
            value => Err(Damage::new(format!("{value} where at most {max} can be"))),
        }
    }

    /// The next `count` raw bytes.
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let bytes = self.bytes.unwrap_or(&[]);
        let (taken, rest) = bytes
            .split_at_checked(count)
            .ok_or_else(|| Damage::new("a column is too short"))?;
        if self.bytes.is_some() {
            self.bytes = Some(rest);
        }
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8, Damage> {
        match self.bytes {
            None => Ok(0),
            Some(_) => Ok(self.raw(1)?[0]),
        }
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.bytes.map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTREMES: [u64; 12] = [
        0,
        1,
        127,
        128,
        16_383,
        16_384,
        u32::MAX as u64,
        1 << 63,
        (1 << 63) - 1,
        u64::MAX - 1,
        u64::MAX,
        0x8000_0000_0000_0001,
    ];

    #[test]
    fn every_difference_of_extremes_comes_back() {
        for value in EXTREMES {
            for expected in EXTREMES {
                let mut column = Column::default();
                column.delta(value, expected);
                let mut numbers = Numbers::new(Some(&column.bytes));
                assert_eq!(numbers.delta(expected), Ok(value));
                assert_eq!(numbers.left(), 0);
            }
        }
    }

    #[test]
    fn size_agrees_with_put() {
        for value in EXTREMES {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out.len(), size(value), "{value}");
        }
    }

    #[test]
    fn numbers_that_do_not_end_or_do_not_fit_are_damage() {
        for bytes in [&[0x80u8; 3][..], &[0xff; 11], &[0xff; 10], &[]] {
            assert!(Numbers::new(Some(bytes)).number().is_err());
        }
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Numbers::new(Some(&most)).number(), Ok(u64::MAX));
    }
}
