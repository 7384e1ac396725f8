//! What the decoders make of the captures, however the bytes come.

use super::*;
use proptest::prelude::*;

#[test]
fn captures_read_as_expected() {
    for fixture in fixture::all() {
        let mut found = String::new();
        for talk in &fixture.talks {
            found.push_str("connection\n");
            for message in decode(talk) {
                found.push_str(&format!("{}\n", show(&message)));
                found.push_str(&format!(
                    "    {}\n",
                    serde_json::to_string(&message.body).unwrap()
                ));
            }
        }
        fixture.expect(&found);
    }
}

#[test]
fn bytes_one_by_one_make_the_same() {
    for fixture in fixture::all() {
        for talk in &fixture.talks {
            let whole = decode(talk);
            let single = decode_pieces(talk, Hint::default(), |_| 1);
            assert_same(&whole, &single, &fixture.name);
        }
    }
}

pub fn assert_same(a: &[Message], b: &[Message], name: &str) {
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a, b, "{name}: {}", show(a));
    }
    assert_eq!(a.len(), b.len(), "{name}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn any_pieces_make_the_same(sizes in prop::collection::vec(1..400_usize, 1..50)) {
        for fixture in fixture::all() {
            for talk in &fixture.talks {
                let mut sizes = sizes.iter().cycle();
                let pieces = decode_pieces(talk, Hint::default(), |_| *sizes.next().unwrap());
                assert_same(&decode(talk), &pieces, &fixture.name);
            }
        }
    }
}

/// A conversation up to a number of bytes, over both directions.
pub fn cut(talk: &Talk, len: usize) -> Talk {
    let mut left = len;
    let mut out = Talk::new();
    for (direction, bytes) in talk {
        let kept = left.min(bytes.len());
        left -= kept;
        out.push((*direction, bytes[..kept].to_vec()));
    }
    out
}

#[test]
fn what_was_complete_before_a_cut_stays_so() {
    for fixture in fixture::all() {
        for talk in &fixture.talks {
            let whole = decode(talk);
            let total: usize = talk.iter().map(|chunk| chunk.1.len()).sum();
            // Each byte of small conversations, and many places of large ones.
            for len in (0..total).step_by(1 + total / 3000) {
                let messages = decode(&cut(talk, len));
                if messages.iter().any(|message| message.protocol == RAW) {
                    // Too short to be recognised.
                    continue;
                }
                let complete = |message: &&Message| message.completeness == Completeness::Complete;
                for message in messages.iter().filter(complete) {
                    let same = whole.iter().find(|other| other.id == message.id);
                    let until_close = message.span.end == same.map_or(0, |same| same.span.end);
                    assert!(
                        same == Some(message) || !until_close,
                        "{} cut at {len}: {}",
                        fixture.name,
                        show(message)
                    );
                }
            }
        }
    }
}

#[test]
fn a_forced_protocol_needs_no_signs() {
    let http = Fixture::read("http");
    let name = |protocol: &str| Hint {
        protocol: Some(protocol.into()),
        ..Hint::default()
    };
    for talk in &http.talks {
        assert_same(
            &decode(talk),
            &decode_pieces(talk, name("http/1"), |len| len),
            "forced",
        );
        let raw = decode_pieces(talk, name("no such"), |len| len);
        assert!(raw.iter().all(|message| message.protocol == RAW));
        assert_eq!(raw.len(), talk.len());
        decode_pieces(talk, name("redis"), |len| len);
    }
}

#[test]
fn sides_are_told_apart() {
    for fixture in fixture::all() {
        // An inline command is not known from a reply that is a list.
        for talk in fixture
            .talks
            .iter()
            .filter(|talk| !talk[0].1.starts_with(b"SUBSCRIBE"))
        {
            let turned: Talk = talk
                .iter()
                .map(|(direction, bytes)| (direction.reverse(), bytes.clone()))
                .collect();
            let hint = Hint {
                roles_unknown: true,
                ..Hint::default()
            };
            let mut messages = decode_pieces(&turned, hint, |len| len);
            for message in &mut messages {
                message.direction = message.direction.reverse();
            }
            assert_same(&decode(talk), &messages, &fixture.name);
        }
    }
}
