//! All decoders against captures of real programs: what they make of them, and that nothing of it
//! depends on how the bytes come, or breaks when bytes are cut, lost or changed.

mod fixture;
mod fixtures;
mod grpc;
mod mutation;
mod resp;
mod tls;

use crate::*;
use fixture::{Fixture, Talk};

/// Feeds a conversation in the pieces that `split` makes of each chunk, and returns all messages.
fn decode_pieces(talk: &Talk, hint: Hint, split: impl FnMut(usize) -> usize) -> Vec<Message> {
    decode_from(0, talk, hint, split)
}

/// The same for streams of which the first bytes were not recorded.
fn decode_from(
    missing: u64,
    talk: &Talk,
    hint: Hint,
    split: impl FnMut(usize) -> usize,
) -> Vec<Message> {
    let registry = Registry::standard(Settings::default());
    decode_with(&registry, missing, talk, hint, split)
}

fn decode_with(
    registry: &Registry,
    missing: u64,
    talk: &Talk,
    hint: Hint,
    mut split: impl FnMut(usize) -> usize,
) -> Vec<Message> {
    let mut connection = registry.connection(hint);
    let mut messages = Vec::new();
    let mut offsets = [missing; 2];
    for (event, (direction, bytes)) in talk.iter().enumerate() {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (bytes, behind) = rest.split_at(split(rest.len()).clamp(1, rest.len()));
            let chunk = next_chunk(event, *direction, bytes, &mut offsets);
            connection.feed(chunk, &mut messages);
            rest = behind;
        }
    }
    for direction in Direction::BOTH {
        connection.close(direction, &mut messages);
    }
    connection.finish(&mut messages);
    check(missing, &messages, talk);
    messages
}

/// The bytes of an event, behind what their direction has had so far.
fn next_chunk<'a>(
    event: usize,
    direction: Direction,
    bytes: &'a [u8],
    offsets: &mut [u64; 2],
) -> Chunk<'a> {
    let offset = offsets[direction.index()];
    offsets[direction.index()] += bytes.len() as u64;
    Chunk {
        direction,
        event: event as u64,
        offset,
        bytes,
    }
}

fn decode(talk: &Talk) -> Vec<Message> {
    decode_pieces(talk, Hint::default(), |len| len)
}

/// What holds for the messages of any bytes.
fn check(missing: u64, messages: &[Message], talk: &Talk) {
    let mut ids: Vec<u64> = messages.iter().map(|message| message.id.0).collect();
    ids.sort_unstable();
    assert!(
        ids.windows(2).all(|pair| pair[0] < pair[1]),
        "numbers are given once"
    );
    let total = |direction| -> usize {
        talk.iter()
            .filter(|chunk| chunk.0 == direction)
            .map(|chunk| chunk.1.len())
            .sum()
    };
    for message in messages {
        let Span {
            start,
            end,
            first_event,
            last_event,
        } = message.span;
        assert!(
            start <= end && end <= missing + total(message.direction) as u64,
            "{message:?}"
        );
        assert!(
            first_event <= last_event && last_event < talk.len() as u64,
            "{message:?}"
        );
        assert!(
            message.summary.chars().count() <= limits::SUMMARY_MAX + 1,
            "{message:?}"
        );
        assert!(
            message.summary.chars().all(crate::escape::is_plain),
            "{message:?}"
        );
        if let Some(answer) = message.answers {
            assert!(ids.binary_search(&answer.request.0).is_ok(), "{message:?}");
        }
        serde_json::to_string(message).unwrap();
    }
}

/// A message as the expectations have it.
fn show(message: &Message) -> String {
    let arrow = match message.direction {
        Direction::ToServer => '>',
        Direction::ToClient => '<',
    };
    let answers = match message.answers {
        Some(Answer { request, certain }) => {
            format!(" to {}{}", request.0, if certain { "" } else { "?" })
        }
        None => String::new(),
    };
    let stream = message
        .stream
        .map_or(String::new(), |stream| format!(" stream {stream}"));
    let parent = message
        .trace_parent
        .map_or(String::new(), |parent| format!(" [{parent}]"));
    let marks = match message.completeness {
        Completeness::Complete => String::new(),
        other => format!(" {other:?}"),
    };
    let Span {
        start,
        end,
        first_event,
        last_event,
    } = message.span;
    format!(
        "{} {arrow} {} {:?}{answers}{stream} {start}..{end} @{first_event}..{last_event}: {}{parent}{marks}",
        message.id.0, message.protocol, message.kind, message.summary
    )
}
