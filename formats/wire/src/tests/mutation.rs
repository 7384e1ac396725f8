//! Changed, lost and repeated bytes: decoders never panic, never take more than they may, and find
//! their way back.

use super::fixtures::assert_same;
use super::*;

/// Random numbers that are the same in each run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

pub fn mutate(dice: &mut Dice, talk: &mut Talk) {
    for _ in 0..1 + dice.below(4) {
        let chunk = dice.below(talk.len() as u64) as usize;
        let bytes = &mut talk[chunk].1;
        if bytes.is_empty() {
            continue;
        }
        let at = dice.below(bytes.len() as u64) as usize;
        match dice.below(8) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.next() as u8,
            2 => {
                bytes[at] = *b"\0\x7f\x80\xff\r\n0 9"[..]
                    .get(dice.below(9) as usize)
                    .unwrap()
            }
            3 => bytes.insert(at, dice.next() as u8),
            4 => drop(bytes.remove(at)),
            5 => bytes.truncate(at),
            6 => {
                let piece = bytes[at..].to_vec();
                bytes.extend(piece);
            }
            _ => {
                let other = dice.below(talk.len() as u64) as usize;
                talk.swap(chunk, other);
            }
        }
    }
}

#[test]
fn mutated_conversations_never_panic() {
    let mut dice = Dice::new(21);
    let mut damaged = 0;
    for fixture in fixture::all() {
        for talk in &fixture.talks {
            for _ in 0..200 {
                let mut talk = talk.clone();
                mutate(&mut dice, &mut talk);
                let whole = decode(&talk);
                let seed = dice.next();
                let mut pieces = Dice::new(seed);
                let pieces =
                    decode_pieces(&talk, Hint::default(), |_| 1 + pieces.below(90) as usize);
                let is_raw = |message: &Message| message.protocol == RAW;
                if !whole.iter().any(is_raw) {
                    assert_same(&whole, &pieces, &fixture.name);
                }
                damaged += whole
                    .iter()
                    .filter(|m| m.completeness != Completeness::Complete)
                    .count();
            }
        }
    }
    assert!(damaged > 100, "mutations must be noticed");
}

#[test]
fn random_bytes_never_panic() {
    let registry = Registry::standard(Settings::default());
    let names: Vec<&str> = registry.names().collect();
    let mut dice = Dice::new(22);
    for round in 0..600_usize {
        let mut talk = Talk::new();
        for _ in 0..1 + dice.below(6) {
            let direction = Direction::BOTH[dice.below(2) as usize];
            // Few different bytes make more structure.
            let range = [256, 16, 4][dice.below(3) as usize];
            let from = dice.below(256) as u8;
            let bytes = (0..dice.below(700)).map(|_| from.wrapping_add(dice.below(range) as u8));
            talk.push((direction, bytes.collect()));
        }
        let protocol = Some(names[round % names.len()].to_string());
        let hint = || Hint {
            protocol: protocol.clone(),
            ..Hint::default()
        };
        let whole = decode_pieces(&talk, hint(), |len| len);
        let single = decode_pieces(&talk, hint(), |_| 1);
        if !whole.iter().any(|message| message.protocol == RAW) {
            assert_same(&whole, &single, names[round % names.len()]);
        }
        decode(&talk);
    }
}

/// Feeds a conversation without one chunk, whose bytes the offsets tell to be missing.
fn without(talk: &Talk, lost: usize) -> Vec<Message> {
    let mut connection = Registry::standard(Settings::default()).connection(Hint::default());
    let mut messages = Vec::new();
    let mut offsets = [0; 2];
    for (event, (direction, bytes)) in talk.iter().enumerate() {
        let chunk = next_chunk(event, *direction, bytes, &mut offsets);
        if event != lost {
            connection.feed(chunk, &mut messages);
            // What comes again is not read again.
            connection.feed(chunk, &mut messages);
        }
    }
    connection.finish(&mut messages);
    check(0, &messages, talk);
    messages
}

#[test]
fn decoders_go_on_behind_a_hole() {
    for fixture in fixture::all() {
        for talk in &fixture.talks {
            for lost in 0..talk.len() {
                without(talk, lost);
            }
        }
    }
}

#[test]
fn passwords_never_show() {
    for (name, secrets) in [
        ("postgres", &["hunter2", "'secret'", "n=,r="][..]),
        ("http", &["hunter2", "am9lOmh1bnRlcjI"]),
        ("redis", &["hunter2"]),
    ] {
        let fixture = Fixture::read(name);
        let shown = |messages: Vec<Message>| {
            let understood = messages
                .into_iter()
                .filter(|message| message.kind != Kind::Raw);
            let text: Vec<String> = understood
                .map(|message| serde_json::to_string(&message).unwrap())
                .collect();
            text.join("\n")
        };
        for talk in &fixture.talks {
            let total: usize = talk.iter().map(|chunk| chunk.1.len()).sum();
            for len in 0..=total {
                let text = shown(decode(&fixtures::cut(talk, len)));
                for secret in secrets {
                    assert!(!text.contains(secret), "{name} cut at {len}: {text}");
                }
            }
        }
    }
}
