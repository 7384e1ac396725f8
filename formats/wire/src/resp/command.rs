//! Commands of Redis: how they read, what in them is secret, and how they are answered.

use crate::escape::Summary;
use crate::node::Node;
use crate::resp::value::integer;

/// What comes back for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// One value.
    Once,
    /// A confirmation for each of so many channels; without a number, for all that there are.
    Confirmed(Option<u64>),
    /// One value, and then every command that the server executes.
    Monitor,
    /// The stream of replication.
    Replication,
    Never,
}

/// Bytes of an argument.
pub fn bytes(node: &Node) -> &[u8] {
    match node {
        Node::Text(text) => text.as_bytes(),
        Node::Bytes(blob) => &blob.head,
        Node::Null
        | Node::Bool(_)
        | Node::Int(_)
        | Node::UInt(_)
        | Node::Float(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Elided(_)
        | Node::Redacted => b"",
    }
}

pub fn is(node: Option<&Node>, word: &str) -> bool {
    node.is_some_and(|node| bytes(node).eq_ignore_ascii_case(word.as_bytes()))
}

const SUBSCRIBING: [&str; 6] = [
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
];

/// Whether the word is the name under which a (un)subscription is confirmed.
pub fn is_confirmation(word: &[u8]) -> bool {
    SUBSCRIBING
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

pub fn answered(words: &[Node]) -> Answered {
    let name = words.first();
    if is_confirmation(name.map_or(b"", bytes)) {
        let channels = words.len() as u64 - 1;
        return Answered::Confirmed((channels > 0).then_some(channels));
    }
    match name {
        _ if is(name, "MONITOR") => Answered::Monitor,
        _ if is(name, "PSYNC") || is(name, "SYNC") => Answered::Replication,
        _ if is(name, "REPLCONF") && is(words.get(1), "ACK") => Answered::Never,
        _ => Answered::Once,
    }
}

/// Hides passwords.
pub fn redact(words: &mut [Node]) {
    let hide = |node: &mut Node| *node = Node::Redacted;
    let (name, rest) = match words.split_first_mut() {
        Some((name, rest)) => (Some(&*name), rest),
        None => return,
    };
    if is(name, "AUTH") {
        // With two arguments the first is the user.
        rest.iter_mut().last().map(hide);
    } else if is(name, "HELLO") || is(name, "MIGRATE") {
        let auth = rest
            .iter()
            .position(|node| is(Some(node), "AUTH") || is(Some(node), "AUTH2"));
        if let Some(at) = auth {
            // `AUTH2 user password`, `HELLO 3 AUTH user password`, `MIGRATE … AUTH password`.
            let named = is(name, "HELLO") || is(rest.get(at), "AUTH2");
            rest.get_mut(at + 1 + usize::from(named)).map(hide);
        }
    } else if is(name, "CONFIG") {
        for at in 1..rest.len() {
            let secret = ["requirepass", "masterauth"]
                .iter()
                .any(|key| is(rest.get(at - 1), key));
            if secret && is(rest.first(), "SET") {
                hide(&mut rest[at]);
            }
        }
    } else if is(name, "ACL") && is(rest.first(), "SETUSER") {
        let secret =
            |node: &&mut Node| matches!(bytes(node).first(), Some(b'>' | b'<' | b'#' | b'!'));
        rest.iter_mut().skip(2).filter(secret).for_each(hide);
    }
}

/// The command as one would type it.
pub fn summarise(words: &[Node], line: &mut Summary) {
    for (at, word) in words.iter().enumerate() {
        if line.is_full() {
            return;
        }
        if at > 0 {
            line.text(" ");
        }
        let text = bytes(word);
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:/{}@*".contains(byte);
        let word_like = !text.is_empty() && text.len() <= 60 && text.iter().all(plain);
        // The name and the key stand bare, as do numbers and options.
        let option = || text.len() <= 12 && text.iter().all(u8::is_ascii_uppercase);
        let bare = at <= 1 || integer(text).is_some() || option();
        if word_like && bare && matches!(word, Node::Text(_)) {
            line.raw(text);
        } else {
            word.summarise(line);
        }
    }
}

/// Splits an inline command into its words, as Redis does: with quotes and escapes.
pub fn split_inline(line: &[u8]) -> Option<Vec<Node>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while let Some(&first) = rest.first() {
        let mut word = Vec::new();
        if first == b'"' || first == b'\'' {
            let mut at = 1;
            loop {
                match *rest.get(at)? {
                    byte if byte == first => break,
                    b'\\' if first == b'"' => {
                        at += 1;
                        word.push(match *rest.get(at)? {
                            b'n' => b'\n',
                            b'r' => b'\r',
                            b't' => b'\t',
                            b'b' => 8,
                            b'a' => 7,
                            other => other,
                        });
                    }
                    byte => word.push(byte),
                }
                at += 1;
            }
            rest = &rest[at + 1..];
            if rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
                return None;
            }
        } else {
            let end = rest
                .iter()
                .position(u8::is_ascii_whitespace)
                .unwrap_or(rest.len());
            word.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
        }
        words.push(Node::slice(&word));
        rest = rest.trim_ascii_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> String {
        let mut words = split_inline(line.as_bytes()).unwrap();
        redact(&mut words);
        let mut out = Summary::new();
        summarise(&words, &mut out);
        out.finish()
    }

    #[test]
    fn commands_read_as_typed() {
        assert_eq!(typed("SET key:1 xyz EX 100"), r#"SET key:1 "xyz" EX 100"#);
        assert_eq!(typed(r#"set "a b" "\n\"" '' "#), r#"set "a b" "\n\"" """#);
        assert!(split_inline(b"\"open").is_none());
    }

    #[test]
    fn passwords_are_hidden() {
        for (line, shown) in [
            ("AUTH hunter2", "AUTH <redacted>"),
            ("auth joe hunter2", "auth joe <redacted>"),
            (
                "HELLO 3 AUTH joe hunter2 SETNAME x",
                r#"HELLO 3 AUTH "joe" <redacted> SETNAME "x""#,
            ),
            (
                "CONFIG SET requirepass hunter2",
                r#"CONFIG SET "requirepass" <redacted>"#,
            ),
            (
                "ACL SETUSER joe on >hunter2 ~*",
                r#"ACL SETUSER "joe" "on" <redacted> "~*""#,
            ),
            (
                "MIGRATE h 1 k 0 9 AUTH2 joe hunter2",
                r#"MIGRATE h 1 "k" 0 9 "AUTH2" "joe" <redacted>"#,
            ),
        ] {
            assert_eq!(typed(line), shown);
        }
    }
}
