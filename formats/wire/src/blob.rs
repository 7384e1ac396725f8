//! Bytes of bounded size: kept whole up to a limit, and beyond it as length, hash and head.

use crate::limits::HEAD_KEPT;
use serde::{Serialize, Serializer};

/// Bytes, or what is kept of them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Blob {
    /// Length of all.
    pub len: u64,
    /// All bytes, or the first of them.
    pub head: Vec<u8>,
    /// BLAKE3 of all bytes, where `head` does not have them all and the settings ask for bodies.
    pub digest: Option<[u8; 32]>,
}

impl Blob {
    /// All bytes, if they were kept.
    pub fn whole(&self) -> Option<&[u8]> {
        self.is_whole().then_some(&self.head[..])
    }

    pub fn is_whole(&self) -> bool {
        self.head.len() as u64 == self.len
    }

    /// Keeps no more than the head.
    pub fn shorten(self) -> Self {
        if !self.is_whole() || self.head.len() <= HEAD_KEPT {
            return self;
        }
        let digest = Some(blake3::hash(&self.head).into());
        let head = self.head[..HEAD_KEPT].to_vec();
        Self {
            head,
            digest,
            ..self
        }
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Self {
        Self {
            len: bytes.len() as u64,
            head: bytes.to_vec(),
            digest: None,
        }
    }
}

/// Bytes in hexadecimal, for people who read the JSON.
struct Hex<'a>(&'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use std::fmt::Write;
        let mut text = String::with_capacity(2 * self.0.len());
        for byte in self.0 {
            write!(text, "{byte:02x}").expect("writing to a string");
        }
        serializer.serialize_str(&text)
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Blob", 3)?;
        fields.serialize_field("len", &self.len)?;
        fields.serialize_field("hex", &Hex(&self.head))?;
        match &self.digest {
            Some(digest) => fields.serialize_field("blake3", &Hex(digest))?,
            None => fields.skip_field("blake3")?,
        }
        fields.end()
    }
}

/// Takes bytes as they come, and never holds more than its limit.
#[derive(Debug)]
pub struct Collector {
    limit: usize,
    blob: Blob,
    hashing: Hashing,
}

#[derive(Debug)]
enum Hashing {
    Never,
    /// All bytes are kept until now.
    NotYet,
    Begun(Box<blake3::Hasher>),
}

impl Collector {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            blob: Blob::default(),
            hashing: Hashing::NotYet,
        }
    }

    /// Keeps a head, for summaries, and no hash.
    pub fn head(limit: usize) -> Self {
        Self {
            hashing: Hashing::Never,
            ..Self::new(limit)
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.blob.len += bytes.len() as u64;
        match &mut self.hashing {
            Hashing::Begun(hasher) => drop(hasher.update(bytes)),
            Hashing::NotYet if self.blob.len <= self.limit as u64 => {
                self.blob.head.extend_from_slice(bytes);
            }
            Hashing::NotYet => {
                let mut hasher = Box::new(blake3::Hasher::new());
                hasher.update(&self.blob.head).update(bytes);
                self.hashing = Hashing::Begun(hasher);
                self.keep(bytes, HEAD_KEPT.min(self.limit));
                self.blob.head.shrink_to_fit();
            }
            Hashing::Never => self.keep(bytes, self.limit),
        }
    }

    /// Keeps the first `kept` bytes.
    fn keep(&mut self, bytes: &[u8], kept: usize) {
        let missing = kept.saturating_sub(self.blob.head.len()).min(bytes.len());
        self.blob.head.extend_from_slice(&bytes[..missing]);
        self.blob.head.truncate(kept);
    }

    pub fn len(&self) -> u64 {
        self.blob.len
    }

    pub fn is_empty(&self) -> bool {
        self.blob.len == 0
    }

    pub fn finish(self) -> Blob {
        let digest = match self.hashing {
            Hashing::Begun(hasher) => Some(hasher.finalize().into()),
            Hashing::NotYet | Hashing::Never => None,
        };
        Blob {
            digest,
            ..self.blob
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_does_not_depend_on_pieces() {
        let bytes: Vec<u8> = (0..5000_u32).map(|n| ((n * n) >> 3) as u8).collect();
        for (limit, len) in [
            (10, 9),
            (10, 10),
            (10, 11),
            (2000, 2000),
            (2000, 2001),
            (2000, 5000),
        ] {
            let bytes = &bytes[..len];
            let mut expected = Collector::new(limit);
            expected.push(bytes);
            let expected = expected.finish();
            assert_eq!(expected.digest.is_some(), len > limit);
            assert_eq!(expected.len, len as u64);
            let hash = blake3::hash(bytes);
            assert!(expected
                .digest
                .is_none_or(|digest| digest == *hash.as_bytes()));
            assert!(bytes.starts_with(&expected.head));
            for piece in [1, 7, 1024] {
                let mut collector = Collector::new(limit);
                bytes.chunks(piece).for_each(|piece| collector.push(piece));
                assert_eq!(collector.finish(), expected);
            }
        }
    }
}
