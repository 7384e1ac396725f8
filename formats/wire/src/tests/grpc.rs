//! gRPC with descriptors, and recordings of HTTP/2 without their beginning.

use super::*;

fn read(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name);
    std::fs::read(path).unwrap()
}

#[test]
fn descriptors_give_names() {
    let mut settings = Settings::default();
    assert!(settings.add_descriptors(b"no descriptors").is_err());
    settings.add_descriptors(&read("orders.desc")).unwrap();
    let registry = Registry::standard(settings);
    let fixture = Fixture::read("grpc");
    let messages = decode_with(&registry, 0, &fixture.talks[0], Hint::default(), |len| len);
    assert_eq!(
        messages[0].summary,
        r#"gRPC /orders.Orders/Get {id: "a", limit: 7}"#
    );
    assert_eq!(
        messages[1].body.get("message").unwrap().to_string(),
        r#"{id: "a", total: -7, items: [{name: "tea", count: 2}, {name: "milk", count: 1}], state: "PAID", notes: {a: 2, b: -1}, weight: 1.5, signature: "\xff\u{0}"}"#
    );
    assert_eq!(messages[1].summary.matches("total: -7").count(), 1);
}

#[test]
fn the_middle_of_a_connection_is_found() {
    let fixture = Fixture::read("grpc");
    let talk = &fixture.talks[0];
    let whole = decode(talk);
    // From the third call on.
    let missing = |direction, chunks: usize| -> usize {
        let before = talk[..chunks].iter().filter(|chunk| chunk.0 == direction);
        before.map(|chunk| chunk.1.len()).sum()
    };
    let first = 10;
    let registry = Registry::standard(Settings::default());
    let mut connection = registry.connection(Hint::default());
    let mut messages = Vec::new();
    let mut offsets = Direction::BOTH.map(|direction| missing(direction, first) as u64);
    for (event, (direction, bytes)) in talk.iter().enumerate().skip(first) {
        let chunk = next_chunk(event, *direction, bytes, &mut offsets);
        connection.feed(chunk, &mut messages);
    }
    connection.finish(&mut messages);
    let calls = |messages: &[Message], from: u64| -> Vec<String> {
        let later = messages
            .iter()
            .filter(|message| message.span.first_event >= from);
        later.map(|message| message.summary.clone()).collect()
    };
    let (found, whole) = (calls(&messages, 19), calls(&whole, 19));
    assert_eq!(found.len(), whole.len());
    // Paths that were sent before are known by a number only.
    let named = |summary: &&String| !summary.contains("gRPC ? ") && !summary.starts_with("? ?");
    let known = found.iter().filter(named).count();
    assert!(known > found.len() / 2, "{found:#?}");
}
