//! Content of HTTP messages: undone compression, and a tree where the type says what it is.

use crate::blob::{Blob, Collector};
use crate::limits::{BODY_MAX, DECOMPRESSED_MAX};
use crate::node::{Name, Node};
use std::io::Read;

/// Encodings that may be applied over each other.
const ENCODINGS_MAX: usize = 3;

pub fn decode(blob: Blob, media_type: &str, encoding: Option<&[u8]>) -> Node {
    let Some(encoding) = encoding else {
        return parse(blob, media_type);
    };
    let encoding = String::from_utf8_lossy(encoding).to_ascii_lowercase();
    let names: Vec<&str> = encoding.split(',').map(str::trim).rev().collect();
    if names.len() > ENCODINGS_MAX || !blob.is_whole() {
        return Node::Bytes(blob.shorten());
    }
    let mut plain = blob.clone();
    for name in names {
        let whole = plain.whole().and_then(|bytes| decompress(name, bytes));
        match whole {
            Some(decoded) => plain = decoded,
            // What cannot be decompressed is shown as it was sent.
            None => return Node::Bytes(blob.shorten()),
        }
    }
    parse(plain, media_type)
}

/// Undoes one encoding, within bounds.
pub fn decompress(encoding: &str, bytes: &[u8]) -> Option<Blob> {
    match encoding {
        "gzip" | "x-gzip" => read(flate2::read::MultiGzDecoder::new(bytes)),
        // By the specification a zlib stream; some servers send a bare one.
        "deflate" => read(flate2::read::ZlibDecoder::new(bytes))
            .or_else(|| read(flate2::read::DeflateDecoder::new(bytes))),
        "br" => read(brotli_decompressor::Decompressor::new(bytes, 4096)),
        "zstd" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).ok()?;
            decoder.window_log_max(23).ok()?;
            read(decoder)
        }
        "identity" | "" => Some(bytes.into()),
        _ => None,
    }
}

/// Reads all, if it is not more than what may come out.
fn read(mut from: impl Read) -> Option<Blob> {
    let mut plain = Collector::new(BODY_MAX);
    let mut piece = [0; 8192];
    loop {
        match from.read(&mut piece).ok()? {
            0 => return Some(plain.finish()),
            len => plain.push(&piece[..len]),
        }
        if plain.len() > DECOMPRESSED_MAX {
            return None;
        }
    }
}

fn parse(blob: Blob, media_type: &str) -> Node {
    let media_type = media_type.to_ascii_lowercase();
    let json = media_type == "application/json" || media_type.ends_with("+json");
    let form = media_type == "application/x-www-form-urlencoded";
    match blob.whole() {
        Some([]) => Node::Null,
        Some(bytes) if json => Node::from_json(bytes).unwrap_or_else(|| Node::bytes(blob)),
        Some(bytes) if form && std::str::from_utf8(bytes).is_ok() => {
            let fields = form_urlencoded::parse(bytes).into_owned();
            Node::Map(
                fields
                    .map(|(name, value)| (Name::from(name), Node::Text(value)))
                    .collect(),
            )
        }
        Some(_) | None => Node::bytes(blob),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(bytes: &[u8], encoding: &[u8]) -> Node {
        decode(bytes.into(), "application/json", Some(encoding))
    }

    #[test]
    fn compressed_content_is_read() {
        let json = br#"{"a":[1]}"#;
        let expected = Node::from_json(json).unwrap();
        let zlib = |level| {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(json).unwrap();
            encoder.finish().unwrap()
        };
        let zlib = zlib(flate2::Compression::fast());
        // An uncompressed block of brotli: window, length, the bytes, and an empty last block.
        let brotli = [&[0x0f, 0x04, 0x80][..], json, &[0x03]].concat();
        assert_eq!(decoded(&gzip(json), b"gzip"), expected);
        assert_eq!(decoded(&gzip(&gzip(json)), b"gzip, gzip"), expected);
        assert_eq!(decoded(&zlib, b"deflate"), expected);
        assert_eq!(decoded(&zlib[2..zlib.len() - 4], b"Deflate"), expected);
        assert_eq!(
            decoded(&zstd::bulk::compress(json, 1).unwrap(), b"zstd"),
            expected
        );
        assert_eq!(decoded(&brotli, b"br"), expected);
    }

    #[test]
    fn bombs_and_damage_stay_as_sent() {
        let mut bomb = gzip(&vec![0; DECOMPRESSED_MAX as usize + 1]);
        assert!(
            matches!(decoded(&bomb, b"gzip"), Node::Bytes(blob) if blob.len == bomb.len() as u64)
        );
        bomb.truncate(50);
        assert!(matches!(decoded(&bomb, b"gzip"), Node::Bytes(blob) if blob.head == bomb));
        assert!(matches!(decoded(b"x", b"secret"), Node::Bytes(_)));
        // What is large, but no bomb, is hashed.
        let large = vec![b'x'; 2 * BODY_MAX];
        let hash = blake3::hash(&large);
        assert!(matches!(decoded(&gzip(&large), b"gzip"),
            Node::Bytes(blob) if blob.digest == Some(*hash.as_bytes())));
    }

    #[test]
    fn forms_are_fields() {
        let node = decode(
            b"a=1&b=x+y%21".as_slice().into(),
            "application/x-www-form-urlencoded",
            None,
        );
        assert_eq!(node.to_string(), r#"{a: "1", b: "x y!"}"#);
    }
}
