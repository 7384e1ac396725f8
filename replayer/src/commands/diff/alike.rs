//! How much messages are alike.

use std::hash::Hasher;

use reenact_wire::Node;
use rustc_hash::FxHasher;

use super::learn;
use super::noise::Noise;
use super::run::Item;
use super::times;
use super::tree::Comparer;

/// Words of one text by which it is told how much it is like another, and how alike two are that are the same.
const PARTS_MAX: usize = 256;
const LIKE_MAX: usize = 100;

/// What a message is about, without its details: messages of one shape are taken for one another.
pub fn shape(item: &Item) -> String {
    fn word(text: &str) -> String {
        let text = text.trim_start();
        let end = text.find(|c: char| c.is_whitespace() || "?:=".contains(c));
        let word = &text[..end.unwrap_or(text.len())];
        let plain = word.chars().filter(|c| !c.is_ascii_digit());
        plain.take(64).collect()
    }
    match &item.body {
        Node::Map(fields) => {
            let named = fields.iter().map(|(name, value)| match (&**name, value) {
                ("method" | "target" | "command" | "name" | "query" | "type", Node::Text(text)) => {
                    format!("{name}={}", word(text))
                }
                ("content", Node::Map(_)) => "content={}".to_owned(),
                ("content", Node::List(_)) => "content=[]".to_owned(),
                // A reply is a reply, whether it is of success or not.
                ("reason", _) => String::new(),
                (name, _) => name.to_owned(),
            });
            named.collect::<Vec<String>>().join(" ")
        }
        Node::List(items) => match items.first() {
            Some(Node::Text(text)) => format!("[{}", word(text)),
            Some(_) | None => "[".to_owned(),
        },
        // What Redis answers to a command is a value, if it is no list.
        Node::Text(_) if item.protocol == "redis" => "value".to_owned(),
        Node::Text(text) if times::is_binary(text.as_bytes()) => "bytes".to_owned(),
        // A word alone, in which there are digits, is a value.
        Node::Text(text) if is_value(text.trim()) => "value".to_owned(),
        Node::Text(text) => word(text),
        Node::Bytes(_) => "bytes".to_owned(),
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) => {
            "value".to_owned()
        }
        Node::Elided(_) | Node::Redacted => "hidden".to_owned(),
    }
}

fn is_value(word: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    word.chars().all(plain) && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// What a message consists of, to tell how much two are alike: a number for each value and word, ascending.
pub fn print(noise: &mut Noise, of: Option<(&str, &str, usize)>, item: &Item) -> Vec<u64> {
    let (name, roles, side) = of.unwrap_or_default();
    let mut comparer = Comparer {
        base: Some(learn::base(roles, side, item.protocol, &shape(item))),
        ..Comparer::of(noise, item.protocol, name)
    };
    let mut all = Vec::new();
    comparer.leaves(&item.body, &mut |path, text| {
        let parts: Vec<&str> = match path.is_empty() {
            true => text.split([' ', '\n', ',', ';']).collect(),
            false => vec![text],
        };
        for part in parts.into_iter().take(PARTS_MAX) {
            let mut hasher = FxHasher::default();
            hasher.write(path.as_bytes());
            hasher.write_u8(0);
            hasher.write(part.as_bytes());
            all.push(hasher.finish());
        }
    });
    all.sort_unstable();
    all
}

/// How much of two messages is the same, at most `LIKE_MAX`.
pub fn likeness(a: &[u64], b: &[u64]) -> u32 {
    let (mut at, mut other, mut same) = (0, 0, 0usize);
    while at < a.len() && other < b.len() {
        match a[at].cmp(&b[other]) {
            std::cmp::Ordering::Less => at += 1,
            std::cmp::Ordering::Greater => other += 1,
            std::cmp::Ordering::Equal => {
                (at, other, same) = (at + 1, other + 1, same + 1);
            }
        }
    }
    (LIKE_MAX * same / a.len().max(b.len()).max(1)) as u32
}
