//! HPACK, RFC 7541: header blocks to fields.
//!
//! This is not a library's decoder because a recording may begin in the middle of a connection or
//! lose bytes: then old entries of the dynamic table are unknown, while those that come later are
//! found by the same indexes. Strings are decoded by a library.

use crate::limits::HEAD_MAX;
use httlib_huffman::DecoderSpeed;
use std::collections::VecDeque;

/// Largest dynamic table that is kept; peers agree on 4 KiB unless they say otherwise.
const TABLE_MAX: usize = 1 << 20;

/// Bytes that the fields of one block may have.
const FIELDS_MAX: usize = 4 * HEAD_MAX;

/// Stands for what is not known.
pub const UNKNOWN: &[u8] = b"?";

type Field = (Vec<u8>, Vec<u8>);

pub struct Hpack {
    /// The latest first.
    entries: VecDeque<Field>,
    size: usize,
    size_max: usize,
    /// Whether there may be older entries than those here.
    incomplete: bool,
}

/// Reads a block.
struct Block<'a>(&'a [u8]);

const TOO_SHORT: &str = "the header block is too short";

impl Block<'_> {
    fn byte(&mut self) -> Result<u8, &'static str> {
        let (&byte, rest) = self.0.split_first().ok_or(TOO_SHORT)?;
        self.0 = rest;
        Ok(byte)
    }

    /// A number that begins in the low `bits` of the next byte.
    fn number(&mut self, bits: u32) -> Result<usize, &'static str> {
        let mask = (1_u32 << bits) - 1;
        let mut value = u32::from(self.byte()?) & mask;
        if value < mask {
            return Ok(value as usize);
        }
        // Four bytes more make 28 bits, which is more than any length or index here.
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value += u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value as usize);
            }
        }
        Err("a number of the header block is too large")
    }

    fn string(&mut self) -> Result<Vec<u8>, &'static str> {
        let huffman = self.0.first().is_some_and(|byte| byte & 0x80 != 0);
        let len = self.number(7)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(TOO_SHORT)?;
        self.0 = rest;
        if !huffman {
            return Ok(bytes.to_vec());
        }
        let mut text = Vec::with_capacity(len * 8 / 5);
        httlib_huffman::decode(bytes, &mut text, DecoderSpeed::FiveBits)
            .map_err(|_| "a string of the header block cannot be decoded")?;
        Ok(text)
    }
}

impl Hpack {
    pub fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            size_max: 4096,
            incomplete: false,
        }
    }

    /// Goes on where earlier blocks were not seen.
    pub fn forget(&mut self) {
        self.entries.clear();
        self.size = 0;
        // The table may have been made larger; entries too many are never asked for.
        self.size_max = TABLE_MAX;
        self.incomplete = true;
    }

    /// Gives each field of a block to `field`. After an error, the table is as far as it came.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), &'static str> {
        let mut block = Block(block);
        let mut total = 0;
        let mut count = |name: &[u8], value: &[u8]| {
            total += name.len() + value.len();
            if total > FIELDS_MAX {
                Err("the header fields are too long")
            } else {
                Ok(())
            }
        };
        while let Some(first) = block.0.first() {
            match first {
                0x80.. => {
                    let index = block.number(7)?;
                    let (name, value) = self.get(index)?;
                    count(name, value)?;
                    field(name, value);
                }
                0x40..0x80 => {
                    let (name, value) = self.literal(&mut block, 6)?;
                    count(&name, &value)?;
                    field(&name, &value);
                    self.insert((name, value));
                }
                0x20..0x40 => {
                    self.size_max = block.number(5)?.min(TABLE_MAX);
                    self.evict();
                }
                0..0x20 => {
                    let (name, value) = self.literal(&mut block, 4)?;
                    count(&name, &value)?;
                    field(&name, &value);
                }
            }
        }
        Ok(())
    }

    fn literal(&self, block: &mut Block<'_>, bits: u32) -> Result<Field, &'static str> {
        let name = match block.number(bits)? {
            0 => block.string()?,
            index => self.get(index)?.0.to_vec(),
        };
        Ok((name, block.string()?))
    }

    fn get(&self, index: usize) -> Result<(&[u8], &[u8]), &'static str> {
        if let Some((name, value)) = index.checked_sub(1).and_then(|at| STATIC.get(at)) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        match index
            .checked_sub(STATIC.len() + 1)
            .and_then(|at| self.entries.get(at))
        {
            Some((name, value)) => Ok((name, value)),
            None if self.incomplete && index > 0 => Ok((UNKNOWN, UNKNOWN)),
            None => Err("no header field has this index"),
        }
    }

    fn insert(&mut self, field: Field) {
        self.size += entry_size(&field);
        self.entries.push_front(field);
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.size_max {
            let Some(field) = self.entries.pop_back() else {
                return;
            };
            self.size -= entry_size(&field);
        }
    }
}

/// Section 4.1.
fn entry_size(field: &Field) -> usize {
    field.0.len() + field.1.len() + 32
}

/// Appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(hpack: &mut Hpack, hex: &str) -> Result<String, &'static str> {
        let digits = hex.replace(' ', "");
        let bytes: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        let mut out = String::new();
        hpack.decode(&bytes, |name, value| {
            let [name, value] = [name, value].map(String::from_utf8_lossy);
            out.push_str(&format!("{name}={value};"));
        })?;
        Ok(out)
    }

    /// Appendix C.4 and C.6.
    #[test]
    fn the_examples_of_the_specification() {
        let mut requests = Hpack::new();
        for (hex, fields) in [
            (
                "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
                ":method=GET;:scheme=http;:path=/;:authority=www.example.com;",
            ),
            (
                "8286 84be 5886 a8eb 1064 9cbf",
                ":method=GET;:scheme=http;:path=/;:authority=www.example.com;cache-control=no-cache;",
            ),
            (
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
                ":method=GET;:scheme=https;:path=/index.html;:authority=www.example.com;custom-key=custom-value;",
            ),
        ] {
            assert_eq!(decode(&mut requests, hex).unwrap(), fields);
        }
        assert_eq!(requests.size, 164);
        let mut replies = Hpack::new();
        replies.size_max = 256;
        let date = "date=Mon, 21 Oct 2013 20:13:21 GMT;location=https://www.example.com;";
        for (hex, fields) in [
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                format!(":status=302;cache-control=private;{date}"),
            ),
            (
                "4883 640e ffc1 c0bf",
                format!(":status=307;cache-control=private;{date}"),
            ),
        ] {
            let hex: String = hex.split_whitespace().collect();
            assert_eq!(decode(&mut replies, &hex).unwrap(), fields);
        }
        assert_eq!((replies.entries.len(), replies.size), (4, 222));
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        for hex in [
            "be",
            "80",
            "ff",
            "ffffffffffff",
            "40",
            "4085aa",
            "0005",
            "41 81ff",
            "3f ffffffff0f",
        ] {
            assert!(decode(&mut Hpack::new(), hex).is_err(), "{hex}");
        }
    }

    #[test]
    fn a_table_of_which_the_beginning_is_missing() {
        let mut hpack = Hpack::new();
        hpack.forget();
        assert_eq!(
            decode(&mut hpack, "82 be 4001610162 be bf").unwrap(),
            ":method=GET;?=?;a=b;a=b;?=?;"
        );
    }

    #[test]
    fn a_small_block_does_not_become_much() {
        let mut hpack = Hpack::new();
        let mut block = vec![0x3f, 0xe1, 0xff, 0x03, 0x40, 1, b'a', 0x7f, 0xa1, 0x3e];
        block.extend(vec![b'x'; 8096]);
        assert!(hpack.decode(&block, |_, _| {}).is_ok());
        assert_eq!(hpack.entries.len(), 1);
        assert!(hpack.decode(&vec![0xbe; 100_000], |_, _| {}).is_err());
    }
}
