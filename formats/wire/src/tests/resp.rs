//! Redis: what no capture shows.

use super::*;

fn talk(chunks: &[(&str, &str)]) -> Talk {
    let direction = |mark: &str| match mark {
        ">" => Direction::ToServer,
        _ => Direction::ToClient,
    };
    chunks
        .iter()
        .map(|(mark, text)| (direction(mark), fixture::unescape(text)))
        .collect()
}

fn shown(chunks: &[(&str, &str)]) -> Vec<String> {
    decode(&talk(chunks)).iter().map(show).collect()
}

#[test]
fn a_broken_reply_is_marked_and_the_next_is_read() {
    let shown = shown(&[
        (
            ">",
            r"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n",
        ),
        ("<", r"$3\r\nxyzw\r\nrest\r\n$1\r\nb\r\n"),
        (">", r"*1\r\n$4\r\nPING\r\n"),
        ("<", r"+PONG\r\n"),
    ]);
    assert_eq!(
        shown,
        [
            r#"0 > redis Request 0..20 @0..0: GET a"#,
            r#"1 > redis Request 20..40 @0..0: GET b"#,
            r#"2 < redis Reply to 0 0..9 @1..1: "xyz" Damaged { at: 9, why: "a string is longer than announced" }"#,
            r#"3 < redis Raw 9..16 @1..1: 7 B "\nrest\r\n" Skipped { why: "a string is longer than announced" }"#,
            r#"4 < redis Reply 16..23 @1..1: "b""#,
            r#"5 > redis Request 40..54 @2..2: PING"#,
            r#"6 < redis Reply to 5? 23..30 @3..3: +PONG"#,
        ]
    );
}

#[test]
fn the_middle_of_a_connection_is_found() {
    let talk = talk(&[
        (">", r"st of a value\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n"),
        ("<", r":1\r\n$1\r\na\r\n"),
    ]);
    let messages = decode_from(1000, &talk, Hint::default(), |len| len);
    let shown: Vec<String> = messages.iter().map(show).collect();
    assert_eq!(
        shown,
        [
            r#"0 > redis Raw 1000..1015 @0..0: 15 B "st of a value\r\n" Skipped { why: "the recording begins within a message" }"#,
            r#"1 > redis Request 1015..1035 @0..0: GET a"#,
            r#"2 < redis Reply to 1? 1000..1004 @1..1: :1"#,
            r#"3 < redis Reply 1004..1011 @1..1: "a""#,
        ]
    );
}

#[test]
fn what_is_large_is_hashed_and_what_is_deep_is_damage() {
    let value = vec![b'x'; limits::BODY_MAX + 1];
    let mut bytes = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", value.len()).into_bytes();
    bytes.extend_from_slice(&value);
    bytes.extend_from_slice(b"\r\n");
    let messages = decode(&vec![(Direction::ToServer, bytes)]);
    assert_eq!(messages[0].summary, "SET k <1048577 B>");
    let Node::List(words) = &messages[0].body else {
        panic!("{:?}", messages[0].body)
    };
    let Node::Bytes(blob) = &words[2] else {
        panic!("{:?}", words[2])
    };
    assert_eq!(blob.digest, Some(*blake3::hash(&value).as_bytes()));

    let deep = "*1\r\n".repeat(100_000);
    let messages = decode(&talk(&[
        (">", "PING\\r\\n"),
        ("<", "+PONG\\r\\n"),
        ("<", &deep),
    ]));
    assert!(messages.iter().any(|message| matches!(
        message.completeness,
        Completeness::Damaged {
            why: "values are nested too deeply",
            ..
        }
    )));

    let wide = format!(
        "*{}\r\n{}",
        limits::ITEMS_MAX + 10,
        ":1\r\n".repeat(limits::ITEMS_MAX + 10)
    );
    let messages = decode(&talk(&[
        (">", "PING\\r\\n"),
        ("<", "+PONG\\r\\n"),
        ("<", &wide),
    ]));
    let Node::List(items) = &messages[2].body else {
        panic!("{:?}", messages[2].body)
    };
    assert_eq!(items.last(), Some(&Node::Elided(10)));
}
