//! The envelope: compressed frames, their seals, and walking them without an index.
//!
//! None of this changes between versions of the format.

use std::io::{self, Read};

use crate::error::Damage;
use crate::limits::{FRAME_COMPRESSED_MAX, FRAME_RAW_MAX, INDEX_MAX};
use crate::Digest;

pub(crate) const ZSTD_MAGIC: u32 = 0xFD2F_B528;
/// Skippable frames: a seal, and the index.
const SEAL_MAGIC: u32 = 0x184D_2A52;
const INDEX_MAGIC: u32 = 0x184D_2A53;
/// Most bytes of a zstd block (RFC 8878, 3.1.1.2.4).
const BLOCK_MAX: usize = 128 << 10;

const SEAL_TAG: [u8; 4] = *b"RNSL";
/// Bytes of a skippable frame's magic and size.
const SKIPPABLE_HEADER: usize = 8;
/// Bytes of a seal that its own hash covers.
const SEAL_HASHED: usize = 40;
/// Bytes of a seal, with the skippable frame's header.
pub(crate) const SEAL_SIZE: usize = SKIPPABLE_HEADER + SEAL_HASHED + 32;

/// Last bytes of a finished trace.
const FOOTER_MAGIC: [u8; 8] = *b"REENACT\n";
/// Bytes of the footer: root hash, payload size, magic.
pub(crate) const FOOTER_SIZE: usize = 32 + 8 + 8;

/// What stands between two data frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// The recording that the frame belongs to.
    pub uuid: [u8; 16],
    /// The frame's number in its recording, from 0.
    pub number: u64,
    pub compressed_len: u32,
    pub raw_len: u32,
    pub hash: Digest,
}

impl Seal {
    /// Seals `compressed`, which follows the frame whose seal has the hash `previous` (zeros for
    /// a recording's first frame).
    pub fn new(
        uuid: [u8; 16],
        number: u64,
        raw_len: usize,
        compressed: &[u8],
        previous: &Digest,
    ) -> Seal {
        let mut seal = Seal {
            uuid,
            number,
            compressed_len: compressed.len() as u32,
            raw_len: raw_len as u32,
            hash: [0; 32],
        };
        seal.hash = seal.digest(compressed, previous);
        seal
    }

    fn digest(&self, compressed: &[u8], previous: &Digest) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(previous);
        hasher.update(&self.hashed());
        hasher.update(compressed);
        hasher.finalize().into()
    }

    pub fn check(&self, compressed: &[u8], previous: &Digest) -> Result<(), Damage> {
        if self.compressed_len as usize != compressed.len() {
            return Err(Damage::new("the seal is of a frame of another length"));
        }
        if self.digest(compressed, previous) != self.hash {
            return Err(Damage::new("the bytes do not match their seal"));
        }
        Ok(())
    }

    fn hashed(&self) -> [u8; SEAL_HASHED] {
        let mut out = [0; SEAL_HASHED];
        out[0..4].copy_from_slice(&SEAL_TAG);
        out[4..8].copy_from_slice(&self.compressed_len.to_le_bytes());
        out[8..12].copy_from_slice(&self.raw_len.to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        out[24..40].copy_from_slice(&self.uuid);
        out
    }

    pub fn encode(&self) -> [u8; SEAL_SIZE] {
        let payload = (SEAL_SIZE - SKIPPABLE_HEADER) as u32;
        let mut out = [0; SEAL_SIZE];
        out[0..4].copy_from_slice(&SEAL_MAGIC.to_le_bytes());
        out[4..8].copy_from_slice(&payload.to_le_bytes());
        out[8..48].copy_from_slice(&self.hashed());
        out[48..].copy_from_slice(&self.hash);
        out
    }

    pub fn decode(bytes: &[u8; SEAL_SIZE]) -> Result<Seal, Damage> {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let seal = Seal {
            compressed_len: word(12),
            raw_len: word(16),
            number: u64::from(word(24)) | u64::from(word(28)) << 32,
            uuid: bytes[32..48].try_into().expect("16 bytes"),
            hash: bytes[48..].try_into().expect("32 bytes"),
        };
        if seal.encode() != *bytes {
            return Err(Damage::new("a frame is not followed by its seal"));
        }
        if seal.raw_len as usize > FRAME_RAW_MAX {
            return Err(Damage::new("a frame claims more than its largest size"));
        }
        Ok(seal)
    }
}

/// Uncompressed bytes of a frame. The buffer never exceeds what the seal says, which is bounded.
pub(crate) fn decompress(compressed: &[u8], raw_len: u32) -> Result<Vec<u8>, Damage> {
    let raw = zstd::bulk::decompress(compressed, (raw_len as usize).min(FRAME_RAW_MAX))
        .map_err(|error| Damage::new(format!("it does not decompress ({error})")))?;
    if raw.len() != raw_len as usize {
        return Err(Damage::new(
            "it decompresses to another size than its seal says",
        ));
    }
    Ok(raw)
}

/// The index frame around `index`, with its footer.
pub(crate) fn index_frame(index: &[u8]) -> Vec<u8> {
    let payload = index.len() + FOOTER_SIZE;
    let mut out = Vec::with_capacity(SKIPPABLE_HEADER + payload);
    out.extend_from_slice(&INDEX_MAGIC.to_le_bytes());
    out.extend_from_slice(&(payload as u32).to_le_bytes());
    out.extend_from_slice(index);
    let root = blake3::hash(&out);
    out.extend_from_slice(root.as_bytes());
    out.extend_from_slice(&(payload as u64).to_le_bytes());
    out.extend_from_slice(&FOOTER_MAGIC);
    out
}

/// The index inside an index frame, once its root hash and lengths agree.
pub(crate) fn index_of_frame(frame: &[u8]) -> Result<&[u8], Damage> {
    let damage = || Damage::new("the index does not match its root hash");
    let payload = frame.len().checked_sub(SKIPPABLE_HEADER);
    let index = payload.and_then(|payload| payload.checked_sub(FOOTER_SIZE));
    let index = index.ok_or_else(damage)?;
    let index = &frame[SKIPPABLE_HEADER..SKIPPABLE_HEADER + index];
    if index_frame(index) != frame {
        return Err(damage());
    }
    Ok(index)
}

/// Whole size of the index frame that ends with `footer`, if these are a footer's bytes.
pub(crate) fn index_frame_size(footer: &[u8; FOOTER_SIZE]) -> Option<u64> {
    let (size, magic) = footer[32..].split_at(8);
    let size = u64::from_le_bytes(size.try_into().expect("split at 8"));
    let bounds = FOOTER_SIZE as u64..=INDEX_MAX as u64;
    let is_footer = magic == FOOTER_MAGIC && bounds.contains(&size);
    is_footer.then(|| size + SKIPPABLE_HEADER as u64)
}

/// What is found at a place between frames.
#[derive(Debug)]
pub(crate) enum Found {
    /// A data frame with its seal.
    Data(Vec<u8>, Seal),
    /// The whole index frame.
    Index(Vec<u8>),
    /// The file ends here.
    Nothing,
    /// The file ends within what starts here.
    Cut,
    /// Something that no writer writes.
    Bad(Damage),
}

/// Collects what it reads, and tells whether the input sufficed.
struct Collector<'a, R> {
    input: &'a mut R,
    bytes: Vec<u8>,
}

impl<R: Read> Collector<'_, R> {
    /// Reads `count` more bytes; `None` when the input ends before.
    fn more(&mut self, count: usize) -> io::Result<Option<&[u8]>> {
        let start = self.bytes.len();
        let mut input = self.input.by_ref().take(count as u64);
        let got = input.read_to_end(&mut self.bytes)?;
        Ok((got == count).then(|| &self.bytes[start..]))
    }
}

/// Reads what stands at the current place of `input`, which is between frames.
pub(crate) fn find(input: &mut impl Read) -> io::Result<Found> {
    let mut collector = Collector {
        input,
        bytes: Vec::new(),
    };
    let Some(magic) = collector.more(4)? else {
        let known = [ZSTD_MAGIC, INDEX_MAGIC].map(u32::to_le_bytes);
        let start = &collector.bytes[..];
        return Ok(match known.iter().any(|magic| magic.starts_with(start)) {
            _ if start.is_empty() => Found::Nothing,
            true => Found::Cut,
            false => Found::Bad(Damage::new("something that is no frame follows")),
        });
    };
    match u32::from_le_bytes(magic.try_into().expect("4 bytes")) {
        ZSTD_MAGIC => find_data(collector),
        INDEX_MAGIC => find_index(collector),
        SEAL_MAGIC => Ok(Found::Bad(Damage::new("a seal without its frame"))),
        _ => Ok(Found::Bad(Damage::new(
            "something that is no frame follows",
        ))),
    }
}

fn find_index<R: Read>(mut collector: Collector<'_, R>) -> io::Result<Found> {
    let Some(size) = collector.more(4)? else {
        return Ok(Found::Cut);
    };
    let size = u32::from_le_bytes(size.try_into().expect("4 bytes")) as usize;
    if !(FOOTER_SIZE..=INDEX_MAX).contains(&size) {
        return Ok(Found::Bad(Damage::new("the index has an impossible size")));
    }
    Ok(match collector.more(size)?.is_some() {
        true => Found::Index(collector.bytes),
        false => Found::Cut,
    })
}

fn find_data<R: Read>(mut collector: Collector<'_, R>) -> io::Result<Found> {
    match walk(&mut collector)? {
        Walk::Whole => {}
        Walk::Cut => return Ok(Found::Cut),
        Walk::Bad(what) => return Ok(Found::Bad(Damage::new(what))),
    }
    let compressed = collector.bytes;
    let mut seal = Collector {
        input: collector.input,
        bytes: Vec::new(),
    };
    if seal.more(SEAL_SIZE)?.is_none() {
        let magic = SEAL_MAGIC.to_le_bytes();
        let shared = seal.bytes.len().min(magic.len());
        return Ok(match seal.bytes[..shared] == magic[..shared] {
            true => Found::Cut,
            false => Found::Bad(Damage::new("a frame is not followed by its seal")),
        });
    }
    let bytes = seal.bytes.try_into().expect("as many bytes as asked for");
    Ok(match Seal::decode(&bytes) {
        Ok(seal) => Found::Data(compressed, seal),
        Err(damage) => Found::Bad(damage),
    })
}

enum Walk {
    Whole,
    Cut,
    Bad(&'static str),
}

/// Walks a zstd frame block by block (RFC 8878, 3.1.1), its magic being read already.
fn walk<R: Read>(collector: &mut Collector<'_, R>) -> io::Result<Walk> {
    let Some(&[descriptor]) = collector.more(1)? else {
        return Ok(Walk::Cut);
    };
    if descriptor & 0x08 != 0 {
        return Ok(Walk::Bad("a frame header with a reserved bit"));
    }
    let single_segment = descriptor & 0x20 != 0;
    let window = usize::from(!single_segment);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content_size = match descriptor >> 6 {
        0 => usize::from(single_segment),
        code => 1 << code,
    };
    if collector
        .more(window + dictionary + content_size)?
        .is_none()
    {
        return Ok(Walk::Cut);
    }
    loop {
        let Some(&[a, b, c]) = collector.more(3)? else {
            return Ok(Walk::Cut);
        };
        let header = u32::from_le_bytes([a, b, c, 0]);
        let size = (header >> 3) as usize;
        let stored = match header >> 1 & 3 {
            1 => 1,
            3 => return Ok(Walk::Bad("a block of a reserved type")),
            _ => size,
        };
        if size > BLOCK_MAX || collector.bytes.len() + stored > FRAME_COMPRESSED_MAX {
            return Ok(Walk::Bad("a frame or block exceeds its largest size"));
        }
        if collector.more(stored)?.is_none() {
            return Ok(Walk::Cut);
        }
        if header & 1 != 0 {
            break;
        }
    }
    let checksum = if descriptor & 0x04 != 0 { 4 } else { 0 };
    Ok(match collector.more(checksum)?.is_some() {
        true => Walk::Whole,
        false => Walk::Cut,
    })
}
