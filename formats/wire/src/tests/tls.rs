//! TLS with the keys of its sessions: what is within reads as if it had been sent in the clear.

use super::fixtures::assert_same;
use super::mutation::{mutate, Dice};
use super::*;
use crate::tls::seal::Sealer;

fn log() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tls.keys");
    std::fs::read(path).unwrap()
}

fn registry(keys: &TlsKeys) -> Registry {
    let settings = Settings {
        tls_keys: keys.clone(),
        ..Settings::default()
    };
    Registry::standard(settings)
}

fn with_log(log: &[u8]) -> Registry {
    let keys = TlsKeys::default();
    assert!(keys.add_log(log) > 10);
    registry(&keys)
}

fn decode_by(registry: &Registry, talk: &Talk, split: impl FnMut(usize) -> usize) -> Vec<Message> {
    decode_with(registry, 0, talk, Hint::default(), split)
}

fn is_encrypted(message: &Message) -> bool {
    message.summary.ends_with("encrypted")
}

#[test]
fn captures_read_as_in_the_clear() {
    let fixture = Fixture {
        name: "tls-decrypted".into(),
        ..Fixture::read("tls")
    };
    let registry = with_log(&log());
    let mut found = String::new();
    let mut versions = [0; 2];
    for talk in &fixture.talks {
        found.push_str("connection\n");
        let messages = decode_by(&registry, talk, |len| len);
        for message in &messages {
            found.push_str(&format!("{}\n", show(message)));
            let body = serde_json::to_string(&message.body).unwrap();
            found.push_str(&format!("    {body}\n"));
        }
        let http = messages
            .iter()
            .filter(|message| message.protocol.starts_with("http/"));
        if http.clone().any(|message| message.kind == Kind::Request) {
            let is_13 = messages
                .iter()
                .any(|message| message.summary.contains("ServerHello 1.3"));
            versions[usize::from(is_13)] += 1;
            assert!(!messages.iter().any(is_encrypted), "{messages:?}");
            assert!(http.clone().any(|message| message.kind == Kind::Reply));
        }
    }
    assert!(versions[0] > 0 && versions[1] > 0, "{versions:?}");
    fixture.expect(&found);
}

#[test]
fn pieces_make_the_same() {
    let registry = with_log(&log());
    for talk in &Fixture::read("tls").talks {
        let whole = decode_by(&registry, talk, |len| len);
        assert_same(&whole, &decode_by(&registry, talk, |_| 1), "one by one");
        let mut dice = Dice::new(5);
        let pieces = decode_by(&registry, talk, |_| 1 + dice.below(200) as usize);
        assert_same(&whole, &pieces, "pieces");
    }
}

/// Messages without their numbers, in the order of the streams.
fn sorted(messages: Vec<Message>) -> Vec<String> {
    let mut shown: Vec<_> = messages
        .iter()
        .map(|message| {
            let text = format!(
                "{:?} {} {}",
                message.kind, message.protocol, message.summary
            );
            (
                message.direction,
                message.span.start,
                message.span.end,
                text,
            )
        })
        .collect();
    shown.sort();
    shown
        .into_iter()
        .map(|shown| format!("{shown:?}"))
        .collect()
}

/// Feeds a conversation, and adds the keys before the chunk of this number.
fn learning(talk: &Talk, at: usize) -> Vec<Message> {
    let mut keys = TlsKeys::default();
    keys.grow();
    let mut connection = registry(&keys).connection(Hint::default());
    let mut messages = Vec::new();
    let mut offsets = [0; 2];
    for (event, (direction, bytes)) in talk.iter().enumerate() {
        if event == at {
            keys.add_log(&log());
        }
        let chunk = next_chunk(event, *direction, bytes, &mut offsets);
        connection.feed(chunk, &mut messages);
    }
    connection.finish(&mut messages);
    check(0, &messages, talk);
    messages
}

#[test]
fn keys_may_come_while_the_handshake_goes_on() {
    let known = with_log(&log());
    for talk in &Fixture::read("tls").talks {
        // Both sides write them down before they send the first bytes that need them.
        let client = talk
            .iter()
            .enumerate()
            .filter(|(_, chunk)| chunk.0 == Direction::ToServer);
        let Some((second, _)) = client.clone().nth(1) else {
            continue;
        };
        let early = decode_by(&known, talk, |len| len);
        assert_eq!(sorted(learning(talk, second)), sorted(early));
        // Where none come, nothing is lost, and nothing is decrypted.
        let never = sorted(learning(talk, usize::MAX));
        assert_eq!(never, sorted(decode(talk)));
    }
}

#[test]
fn wrong_keys_leave_it_encrypted() {
    let text = String::from_utf8(log()).unwrap();
    let lines = text.lines().map(|line| {
        let (line, last) = line.split_at(line.len() - 1);
        format!("{line}{}\n", if last == "0" { "1" } else { "0" })
    });
    let wrong = with_log(lines.collect::<String>().as_bytes());
    for talk in &Fixture::read("tls").talks {
        assert_same(
            &decode_by(&wrong, talk, |len| len),
            &decode(talk),
            "wrong keys",
        );
    }
}

#[test]
fn changed_bytes_are_not_decrypted() {
    let registry = with_log(&log());
    let mut dice = Dice::new(23);
    let mut hidden = 0;
    for talk in &Fixture::read("tls").talks {
        let mut known = sorted(decode_by(&registry, talk, |len| len));
        known.extend(sorted(decode(talk)));
        for _ in 0..200 {
            let mut talk = talk.clone();
            mutate(&mut dice, &mut talk);
            let messages = decode_by(&registry, &talk, |len| len);
            hidden += messages
                .iter()
                .filter(|message| is_encrypted(message))
                .count();
            let mut pieces = Dice::new(dice.next());
            decode_by(&registry, &talk, |_| 1 + pieces.below(90) as usize);
        }
    }
    assert!(
        hidden > 100,
        "what was changed must not be decrypted: {hidden}"
    );
}

/// The beginning of a conversation in TLS 1.3 up to its hellos, with keys of our own for what follows.
fn hellos() -> (Talk, TlsKeys, [Sealer; 2]) {
    let talk = Fixture::read("tls").talks.swap_remove(0);
    let hellos: Talk = vec![talk[0].clone(), (talk[1].0, talk[1].1[..127].to_vec())];
    // A record's header, type and length of the handshake, and the version.
    let random: String = talk[0].1[11..43]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let keys = TlsKeys::default();
    let secrets = [("CLIENT", 3_u8), ("SERVER", 4)].map(|(side, byte)| {
        let secret = [byte; 32];
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("{side}_HANDSHAKE_TRAFFIC_SECRET {random} {hex}\n");
        let both = format!("{line}{side}_TRAFFIC_SECRET_0 {random} {hex}");
        assert_eq!(keys.add_log(both.as_bytes()), 2);
        secret
    });
    (hellos, keys, secrets.map(|secret| Sealer::new(&secret)))
}

const FINISHED: [u8; 4] = [20, 0, 0, 0];
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

#[test]
fn keys_are_updated() {
    let (mut talk, keys, [mut client, mut server]) = hellos();
    let mut send = |direction, bytes| talk.push((direction, bytes));
    send(Direction::ToClient, server.seal(22, &FINISHED));
    send(Direction::ToServer, client.seal(22, &FINISHED));
    let [mut client, mut server] = [client.again(), server.again()];
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    send(Direction::ToServer, client.seal(23, &request[..5]));
    send(Direction::ToServer, client.seal(22, &KEY_UPDATE));
    let mut client = client.next();
    send(Direction::ToServer, client.seal(23, &request[5..]));
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    send(Direction::ToClient, server.seal(23, reply));
    send(Direction::ToClient, server.seal(21, &[1, 0]));
    let messages = decode_by(&registry(&keys), &talk, |len| len);
    let text: Vec<_> = messages
        .iter()
        .map(|message| message.summary.as_str())
        .collect();
    assert!(
        text.contains(&"GET /") && text.contains(&"TLS KeyUpdate"),
        "{text:?}"
    );
    assert!(text.iter().any(|text| text.starts_with("200 ")), "{text:?}");
    assert!(text.contains(&"TLS alert close_notify"), "{text:?}");
    assert!(!messages.iter().any(is_encrypted), "{text:?}");
    // Its bytes are where they were sent, in two records with a KeyUpdate between.
    let get = messages
        .iter()
        .find(|message| message.summary == "GET /")
        .unwrap();
    let sizes: Vec<u64> = talk
        .iter()
        .filter(|chunk| chunk.0 == Direction::ToServer)
        .map(|chunk| chunk.1.len() as u64)
        .collect();
    let start = sizes[0] + sizes[1] + 5;
    let end: u64 = sizes.iter().sum::<u64>() - 17;
    assert_eq!((get.span.start, get.span.end), (start, end));
    // Without the update, what follows is not decrypted.
    talk.remove(5);
    let messages = decode_by(&registry(&keys), &talk, |len| len);
    assert!(messages.iter().any(is_encrypted));
}

#[test]
fn whatever_is_within_never_panics() {
    let mut dice = Dice::new(24);
    for _ in 0..400 {
        let (mut talk, keys, mut sealers) = hellos();
        for _ in 0..dice.below(12) {
            let side = dice.below(2) as usize;
            let content = [20, 21, 22, 23, 24, 0, 99][dice.below(7) as usize];
            let mut bytes: Vec<u8> = match dice.below(6) {
                0 => FINISHED.to_vec(),
                1 => KEY_UPDATE.to_vec(),
                // A handshake message of any type, which claims any length.
                2 => vec![dice.next() as u8, 0, dice.below(3) as u8, dice.next() as u8],
                3 => talk[0].1.clone(),
                4 => b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
                _ => Vec::new(),
            };
            bytes.extend((0..dice.below(40)).map(|_| dice.next() as u8));
            let record = sealers[side].seal(content, &bytes);
            talk.push((Direction::BOTH[side], record));
            match dice.below(4) {
                0 => sealers[side] = sealers[side].again(),
                1 => sealers[side] = sealers[side].next(),
                _ => {}
            }
        }
        let registry = registry(&keys);
        let whole = decode_by(&registry, &talk, |len| len);
        let single = decode_by(&registry, &talk, |_| 1);
        if !whole.iter().any(|message| message.protocol == RAW) {
            assert_same(&whole, &single, "within");
        }
    }
}
