//! Captures of real programs, as `fixtures/capture.py` writes them.

use crate::Direction;
use std::path::PathBuf;

/// What one connection carried, in order.
pub type Talk = Vec<(Direction, Vec<u8>)>;

pub struct Fixture {
    pub name: String,
    pub talks: Vec<Talk>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All captures, by name.
pub fn all() -> Vec<Fixture> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "txt"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
        .into_iter()
        .map(|path| Fixture::read(path.file_stem().unwrap().to_str().unwrap()))
        .collect()
}

impl Fixture {
    pub fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
        let mut talks = vec![Talk::new()];
        for line in text.lines() {
            let talk = talks.last_mut().unwrap();
            match line.split_at_checked(2) {
                Some(("> ", bytes)) => talk.push((Direction::ToServer, unescape(bytes))),
                Some(("< ", bytes)) => talk.push((Direction::ToClient, unescape(bytes))),
                _ if line == "connection" => talks.push(Talk::new()),
                _ => panic!("{name}: {line}"),
            }
        }
        Self {
            name: name.to_string(),
            talks,
        }
    }

    /// Compares with what is expected; with `REENACT_BLESS` set, writes that down instead.
    pub fn expect(&self, found: &str) {
        let path = folder().join(format!("{}.expected", self.name));
        if std::env::var_os("REENACT_BLESS").is_some() {
            return std::fs::write(path, found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
            assert_eq!(found, expected, "line {} of {}", number + 1, path.display());
        }
        assert_eq!(
            found.lines().count(),
            expected.lines().count(),
            "{}",
            path.display()
        );
    }
}

/// Bytes of a literal of Python.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
            other => other,
        });
    }
    bytes
}
