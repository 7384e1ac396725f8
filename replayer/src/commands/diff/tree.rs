//! Two messages compared field by field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::Hasher;

use reenact_wire::{escape, Blob, Node};
use rustc_hash::FxHasher;

use super::learn;
use super::noise::{are_drawn_alike, Builtin, Hits, Noise, Spot};
use super::sequence::{self, Step};
use super::times;

/// Fields of one message that are reported; further ones are only counted.
const FIELDS_MAX: usize = 32;
/// Characters of a value that are shown.
const VALUE_MAX: usize = 120;
/// Lists of so many items are compared as sets.
const UNORDERED_MIN: usize = 64;
/// Odd, so that no two numbers become the same, and far from sums of small ones.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Levels of trees that are walked; what lies deeper is compared as text.
const DEPTH_MAX: usize = 160;

/// A field that differs. `None`: it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDiff {
    pub path: String,
    pub a: Option<String>,
    pub b: Option<String>,
}

/// What two trees come to.
#[derive(Default)]
pub struct Compared {
    pub fields: Vec<FieldDiff>,
    /// Fields that differ, reported or not.
    pub different: u64,
    /// Fields that differ only by noise.
    pub noise: u64,
    /// Of those that differ, times that are not noise: how far apart they are, in milliseconds, each
    /// less the clock of its run.
    pub moved: Vec<i128>,
    /// A rule of the user hid something.
    pub ignored: bool,
    /// Words that differ, by their places.
    pub words: Vec<Drawn>,
}

/// What differs at a place, if one of the two or both were drawn by chance.
#[derive(Clone, Debug)]
pub enum Drawn {
    /// A word of each.
    Word { place: u64, words: [String; 2] },
    /// Bytes of what is no text: where they begin and end.
    Bytes { place: u64, from: usize, to: usize },
}

/// Compares trees of one kind of place.
pub struct Comparer<'a> {
    pub noise: &'a mut Noise,
    pub protocol: &'a str,
    pub connection: &'a str,
    /// CLOCK_REALTIME where each of the two is, to tell times that merely went on from others.
    pub now_ns: Option<[i128; 2]>,
    /// Within a list whose order says nothing.
    pub unordered: bool,
    /// Where messages of that shape stand, for what was learnt of such places.
    pub base: Option<u64>,
}

impl<'a> Comparer<'a> {
    /// Of a place of which nothing was learnt, and where no time is known.
    pub fn of(noise: &'a mut Noise, protocol: &'a str, connection: &'a str) -> Self {
        Comparer {
            noise,
            protocol,
            connection,
            now_ns: None,
            unordered: false,
            base: None,
        }
    }

    /// Compares; suppressed differences are counted if `count` says so.
    pub fn compare(&mut self, a: &Node, b: &Node, count: bool) -> Compared {
        let mut out = Compared::default();
        self.nodes(&mut String::new(), a, b, count, 0, &mut out);
        out
    }

    /// A number that is equal for trees that are equal but for noise.
    pub fn hash(&mut self, node: &Node) -> u64 {
        let mut hasher = FxHasher::default();
        self.hash_node(&mut String::new(), node, 0, &mut hasher);
        hasher.finish()
    }

    fn mask(&mut self, path: &str, value: &str, hits: &mut Hits) -> String {
        let masked = self.mask_known(path, value, hits);
        let is_printed = matches!(self.protocol, "stdout" | "stderr");
        let place = self.place(path);
        let learnt = self.noise.mask_learnt(place, &masked, is_printed, hits);
        learnt.unwrap_or(masked)
    }

    /// Without what is known of the place.
    fn mask_known(&mut self, path: &str, value: &str, hits: &mut Hits) -> String {
        let spot = Spot {
            protocol: self.protocol,
            connection: self.connection,
            field: path,
        };
        self.noise.mask(spot, value, hits).into_owned()
    }

    fn place(&self, path: &str) -> Option<u64> {
        self.base
            .map(|base| learn::of_part(base, path, self.protocol))
    }

    /// A value without bytes that are drawn anew in each run.
    fn blanked<'n>(&self, path: &str, node: &'n Node, hits: &mut Hits) -> Cow<'n, Node> {
        let ranges = self
            .place(path)
            .and_then(|place| self.noise.drawn_at(place));
        match ranges.zip(binary(node)) {
            Some((ranges, bytes)) => {
                hits.insert(Builtin::Drawn as usize);
                Cow::Owned(learn::blanked(bytes, ranges))
            }
            None => Cow::Borrowed(node),
        }
    }

    /// Words and bytes that differ, where two values are of one kind.
    fn drawn(&mut self, path: &str, a: &Node, b: &Node) -> Vec<Drawn> {
        let Some(place) = self.place(path) else {
            return Vec::new();
        };
        if let Some((a, b)) = binary(a).zip(binary(b)) {
            return learn::drawn_bytes(place, a, b);
        }
        let [a, b] = [a, b].map(|node| self.mask_known(path, &text(node), &mut Hits::new()));
        learn::drawn_words(place, &a, &b)
    }

    /// Whether two lists have the same items but for noise, in whatever order.
    pub fn has_same_items(&mut self, a: &Node, b: &Node) -> bool {
        let (Node::List(a), Node::List(b)) = (a, b) else {
            return false;
        };
        let [a, b] = [a, b].map(|list| {
            let hashes = list.iter().map(|item| {
                let mut hasher = FxHasher::default();
                self.hash_node(&mut "0".to_owned(), item, 1, &mut hasher);
                hasher.finish()
            });
            sorted(&hashes.collect::<Vec<u64>>())
        });
        a == b
    }

    /// Calls `take` with each value and the path to it.
    pub fn leaves(&mut self, node: &Node, take: &mut dyn FnMut(&str, &str)) {
        self.leaves_of(&mut String::new(), node, (0, false), take);
    }

    /// The same, with the places of items in their lists.
    pub fn numbered_leaves(&mut self, node: &Node, take: &mut dyn FnMut(&str, &str)) {
        self.leaves_of(&mut String::new(), node, (0, true), take);
    }

    fn leaves_of(
        &mut self,
        path: &mut String,
        node: &Node,
        (depth, numbered): (usize, bool),
        take: &mut dyn FnMut(&str, &str),
    ) {
        let parsed = embedded(node);
        match parsed.as_ref().unwrap_or(node) {
            Node::Map(fields) if depth < DEPTH_MAX => {
                for (name, value) in fields {
                    within(path, name, |path| {
                        self.leaves_of(path, value, (depth + 1, numbered), take)
                    });
                }
            }
            Node::List(items) if depth < DEPTH_MAX => {
                for (at, item) in items.iter().enumerate() {
                    let counts = numbered || depth == 0 && self.protocol == "redis";
                    let at = if counts { at } else { 0 };
                    within(path, &at.to_string(), |path| {
                        self.leaves_of(path, item, (depth + 1, numbered), take)
                    });
                }
            }
            node => {
                let masked = self.mask(path, &text(node), &mut Hits::new());
                take(path, &masked);
            }
        }
    }

    fn hash_node(&mut self, path: &mut String, node: &Node, depth: usize, to: &mut FxHasher) {
        let parsed = embedded(node);
        let node = parsed.as_ref().unwrap_or(node);
        match node {
            Node::Map(fields) if depth < DEPTH_MAX => {
                to.write_u8(1);
                // The order of fields says nothing.
                let mut sum = 0u64;
                for (name, value) in fields {
                    let mut one = FxHasher::default();
                    one.write(name.as_bytes());
                    within(path, name, |path| {
                        self.hash_node(path, value, depth + 1, &mut one);
                    });
                    sum = sum.wrapping_add(one.finish().wrapping_mul(SPREAD));
                }
                to.write_u64(sum);
            }
            Node::List(items) if depth < DEPTH_MAX => {
                to.write_u8(2);
                // A long list may be what a hash table has, in no order.
                let mut sum = 0u64;
                let within_other = self.unordered;
                self.unordered |= items.len() >= UNORDERED_MIN;
                for (at, item) in items.iter().enumerate() {
                    let mut one = FxHasher::default();
                    within(path, &at.to_string(), |path| {
                        self.hash_node(path, item, depth + 1, &mut one);
                    });
                    match within_other || items.len() >= UNORDERED_MIN {
                        false => to.write_u64(one.finish()),
                        // Which of its items are there says nothing, if not all are.
                        true if is_elided(items) => {}
                        true => sum = sum.wrapping_add(one.finish().wrapping_mul(SPREAD)),
                    }
                }
                self.unordered = within_other;
                to.write_u64(sum);
            }
            Node::Map(_) | Node::List(_) | Node::Null | Node::Bool(_) | Node::Int(_) => {
                self.hash_leaf(path, node, to);
            }
            Node::UInt(_) | Node::Float(_) | Node::Text(_) | Node::Bytes(_) => {
                self.hash_leaf(path, node, to);
            }
            Node::Elided(_) | Node::Redacted => self.hash_leaf(path, node, to),
        }
    }

    fn hash_leaf(&mut self, path: &str, node: &Node, to: &mut FxHasher) {
        let node = &*self.blanked(path, node, &mut Hits::new());
        let masked = self.mask(path, &text(node), &mut Hits::new());
        to.write_u8(3);
        to.write(masked.as_bytes());
        to.write(&unmasked(node));
    }

    fn nodes(
        &mut self,
        path: &mut String,
        a: &Node,
        b: &Node,
        count: bool,
        depth: usize,
        out: &mut Compared,
    ) {
        if a == b {
            return;
        }
        let (in_a, in_b) = (embedded(a), embedded(b));
        let (a, b) = match (&in_a, &in_b) {
            (Some(a), Some(b)) => (a, b),
            (_, _) => (a, b),
        };
        match (a, b) {
            (Node::Map(a), Node::Map(b)) if depth < DEPTH_MAX => {
                let (of_a, of_b) = (named(a), named(b));
                for (key, value) in &of_a {
                    within(path, &shown_key(key), |path| match of_b.get(key) {
                        Some(other) => self.nodes(path, value, other, count, depth + 1, out),
                        None => self.one(path, Some(*value), None, count, out),
                    });
                }
                for (key, value) in of_b.iter().filter(|(key, _)| !of_a.contains_key(*key)) {
                    within(path, &shown_key(key), |path| {
                        self.one(path, None, Some(*value), count, out);
                    });
                }
            }
            (Node::List(a), Node::List(b)) if depth < DEPTH_MAX => {
                self.lists(path, a, b, count, depth, out);
            }
            (a, b) => self.one(path, Some(a), Some(b), count, out),
        }
    }

    fn lists(
        &mut self,
        path: &mut String,
        a: &[Node],
        b: &[Node],
        count: bool,
        depth: usize,
        out: &mut Compared,
    ) {
        let within_other = self.unordered;
        self.unordered |= a.len() >= UNORDERED_MIN && b.len() >= UNORDERED_MIN;
        let mut hashes = |items: &[Node]| -> Vec<u64> {
            let hash = |item| {
                let mut hasher = FxHasher::default();
                self.hash_node(path, item, depth + 1, &mut hasher);
                hasher.finish()
            };
            items.iter().map(hash).collect()
        };
        let (of_a, of_b) = (hashes(a), hashes(b));
        let unordered = std::mem::replace(&mut self.unordered, within_other);
        let elided = is_elided(a) && is_elided(b) && a.last() == b.last();
        if unordered && (elided || sorted(&of_a) == sorted(&of_b)) {
            out.noise += 1;
            return;
        }
        for step in sequence::align(&of_a, &of_b, |_, _| true) {
            match step {
                Step::Both(at, other) => within(path, &at.to_string(), |path| {
                    self.nodes(path, &a[at], &b[other], count, depth + 1, out);
                }),
                Step::OnlyA(at) => within(path, &at.to_string(), |path| {
                    self.one(path, Some(&a[at]), None, count, out);
                }),
                Step::OnlyB(at) => within(path, &at.to_string(), |path| {
                    self.one(path, None, Some(&b[at]), count, out);
                }),
            }
        }
    }

    /// Two values that are not equal, or one that the other tree does not have.
    fn one(
        &mut self,
        path: &str,
        a: Option<&Node>,
        b: Option<&Node>,
        count: bool,
        out: &mut Compared,
    ) {
        let mut hits = Hits::new();
        let sides = [a, b];
        let [a, b] = sides.map(|node| node.map(|node| self.blanked(path, node, &mut hits)));
        let (a, b) = (a.as_deref(), b.as_deref());
        let mut masked = |node: Option<&Node>| {
            node.map(|node| (self.mask(path, &text(node), &mut hits), unmasked(node)))
        };
        let (of_a, of_b) = (masked(a), masked(b));
        let ignored = |masked: &Option<(String, Vec<u8>)>| {
            masked.as_ref().is_none_or(|(text, _)| text == "<ignored>")
        };
        let drawn = a.zip(b).is_some_and(|(a, b)| are_drawn(a, b));
        if drawn {
            hits.insert(Builtin::Token as usize);
        }
        if of_a == of_b || drawn || ignored(&of_a) && ignored(&of_b) {
            let now_ns = self.now_ns.filter(|_| !ignored(&of_a));
            let moved = now_ns.zip(a.zip(b)).and_then(|(now_ns, (a, b))| {
                let of_a = times::away_ms(&text(a), now_ns[0])?;
                let apart = times::away_ms(&text(b), now_ns[1])? - of_a;
                (apart.abs() > times::SLACK_MS).then_some(apart)
            });
            let Some(moved) = moved else {
                out.noise += 1;
                out.ignored |= ignored(&of_a) && ignored(&of_b);
                if count {
                    self.noise.suppress(&hits);
                }
                return;
            };
            out.moved.push(moved);
        }
        // A time in what is no text that left the clock, in one of the runs.
        let of_bytes = self.now_ns.and_then(|now_ns| {
            let [a, b] = [binary(sides[0]?)?, binary(sides[1]?)?];
            let ahead = times::binary_away_ms(b, a, now_ns[1]);
            ahead.or_else(|| Some(-times::binary_away_ms(a, b, now_ns[0])?))
        });
        out.moved.extend(of_bytes);
        out.different += 1;
        if out.fields.len() < FIELDS_MAX {
            out.words.extend(match sides {
                [Some(a), Some(b)] => self.drawn(path, a, b),
                [_, _] => Vec::new(),
            });
            let [a, b] = sides;
            let shown = |node: Option<&Node>| node.map(shown);
            out.fields.push(FieldDiff {
                path: escape(path.as_bytes()),
                a: shown(a),
                b: shown(b),
            });
        }
    }
}

fn is_elided(items: &[Node]) -> bool {
    matches!(items.last(), Some(Node::Elided(_)))
}

fn sorted(hashes: &[u64]) -> Vec<u64> {
    let mut all = hashes.to_vec();
    all.sort_unstable();
    all
}

/// Goes one level down.
fn within<T>(path: &mut String, name: &str, f: impl FnOnce(&mut String) -> T) -> T {
    let len = path.len();
    if len > 0 {
        path.push('.');
    }
    // Paths are for people and rules: a name of absurd length is cut.
    path.extend(name.chars().take(200));
    let result = f(path);
    path.truncate(len);
    result
}

/// Fields by name and by which of that name they are.
fn named(fields: &[(reenact_wire::Name, Node)]) -> BTreeMap<(&str, usize), &Node> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for (name, node) in fields {
        let at = seen.entry(name).or_default();
        all.insert((&**name, *at), node);
        *at += 1;
    }
    all
}

fn shown_key((name, at): &(&str, usize)) -> String {
    match at {
        0 => (*name).to_owned(),
        at => format!("{name}#{}", at + 1),
    }
}

/// JSON that stands in a text.
fn embedded(node: &Node) -> Option<Node> {
    // A body of JSON that was declared to be a form is one name without a value.
    let text = match node {
        Node::Text(text) => text.as_str(),
        Node::Map(fields) => match fields.as_slice() {
            [(name, Node::Text(value))] if name.starts_with('{') && value.is_empty() => name,
            _ => return None,
        },
        _ => return None,
    };
    let trimmed = text.trim();
    let encloses = trimmed.starts_with('{') && trimmed.ends_with('}')
        || trimmed.starts_with('[') && trimmed.ends_with(']');
    if !encloses {
        return None;
    }
    Node::from_json(trimmed.as_bytes())
}

/// A value as text, to look for noise in.
fn text(node: &Node) -> String {
    match node {
        Node::Null => "null".to_owned(),
        Node::Bool(value) => value.to_string(),
        Node::Int(value) => value.to_string(),
        Node::UInt(value) => value.to_string(),
        Node::Float(value) => value.to_string(),
        Node::Text(text) => text.clone(),
        Node::Bytes(blob) => escape(&blob.head),
        Node::Elided(count) => format!("{count} more"),
        Node::Redacted => "redacted".to_owned(),
        Node::List(_) | Node::Map(_) => serde_json::to_string(node).unwrap_or_default(),
    }
}

/// What of a value is compared as it is.
fn unmasked(node: &Node) -> Vec<u8> {
    match node {
        Node::Bytes(Blob {
            digest: Some(digest),
            len,
            ..
        }) => [&digest[..], &len.to_le_bytes()].concat(),
        Node::Bytes(_) | Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) => Vec::new(),
        Node::Float(_) | Node::Text(_) | Node::List(_) | Node::Map(_) => Vec::new(),
        Node::Elided(_) | Node::Redacted => Vec::new(),
    }
}

/// All bytes of what is no text.
fn binary(node: &Node) -> Option<&[u8]> {
    match node {
        Node::Bytes(blob) => blob.whole(),
        Node::Text(text) if times::is_binary(text.as_bytes()) => Some(text.as_bytes()),
        _ => None,
    }
}

/// Whether two values are words that were drawn by chance in each run.
fn are_drawn(a: &Node, b: &Node) -> bool {
    match (a, b) {
        (Node::Text(a), Node::Text(b)) => are_drawn_alike(a, b),
        (_, _) => false,
    }
}

fn shown(node: &Node) -> String {
    let text = match node {
        Node::Text(text) => format!("\"{}\"", escape(text.as_bytes()).replace('"', "\\\"")),
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) => text(node),
        Node::Bytes(_) | Node::List(_) | Node::Map(_) => node.to_string(),
        Node::Elided(_) | Node::Redacted => node.to_string(),
    };
    crate::commands::show::words::shortened(&text, VALUE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn compared(a: &str, b: &str) -> (Vec<String>, u64) {
        let mut noise = Noise::new(BTreeSet::new(), BTreeSet::new());
        let mut comparer = Comparer::of(&mut noise, "http", "a -> b");
        let (a, b) = (Node::text(a), Node::text(b));
        let out = comparer.compare(&a, &b, true);
        let equal = comparer.hash(&a) == comparer.hash(&b);
        assert_eq!(equal, out.different == 0, "hash and comparison agree");
        let fields = out.fields.into_iter().map(|field| {
            let side = |side: Option<String>| side.unwrap_or("-".to_owned());
            format!("{}: {} | {}", field.path, side(field.a), side(field.b))
        });
        (fields.collect(), out.noise)
    }

    #[test]
    fn fields_are_found_by_their_paths() {
        let (fields, noise) = compared(
            r#"{"a":{"b":[1,2,3]},"when":"2026-01-01T10:00:00Z","x":1}"#,
            r#"{"when":"2026-01-02T10:00:01Z","a":{"b":[1,5,3]},"y":true}"#,
        );
        assert_eq!(fields, ["a.b.1: 2 | 5", "x: 1 | -", "y: - | true"]);
        assert_eq!(noise, 1);
    }

    #[test]
    fn what_was_put_in_front_of_a_list_moves_nothing() {
        let (fields, _) = compared("[1,2,3,4]", "[0,1,2,3,4]");
        assert_eq!(fields, ["0: - | 0"]);
    }

    #[test]
    fn equal_but_for_order_of_fields_and_noise_is_equal() {
        let id = "0af76519-16cd-43dd-8448-eb211c80319";
        let (fields, noise) = compared(
            &format!(r#"{{"id":"{id}c","n":1}}"#),
            &format!(r#"{{"n":1,"id":"{id}d"}}"#),
        );
        assert!(fields.is_empty() && noise == 1, "{fields:?}");
        assert_eq!(compared("{\"n\":1}", "{\"n\":2}").0, ["n: 1 | 2"]);
    }

    #[test]
    fn names_that_stand_twice_are_told_apart() {
        let map = |values: [&str; 2]| {
            let fields = values.map(|value| ("set-cookie".into(), Node::text(value)));
            Node::Map(fields.into())
        };
        let mut noise = Noise::new(BTreeSet::new(), BTreeSet::new());
        let mut comparer = Comparer::of(&mut noise, "http", "");
        let out = comparer.compare(&map(["a", "b"]), &map(["a", "c"]), false);
        assert_eq!(out.fields[0].path, "set-cookie#2");
    }
}
