//! Any bytes at all, as any protocol: decoding must end. The first byte of the input chooses the
//! protocol; then, for each chunk, a byte has its direction and a byte its length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reenact_wire::{Chunk, Direction, Hint, Registry, Settings};

fuzz_target!(|bytes: &[u8]| {
    let settings = Settings::default();
    settings.tls_keys.add_log(include_bytes!("../../fixtures/tls.keys"));
    let registry = Registry::standard(settings);
    let Some((choice, mut rest)) = bytes.split_first() else {
        return;
    };
    let protocol = registry.names().nth(usize::from(*choice)).map(String::from);
    let mut connection = registry.connection(Hint {
        protocol,
        ..Hint::default()
    });
    let (mut messages, mut offsets, mut event) = (Vec::new(), [0, 0], 0);
    while let [side, len, behind @ ..] = rest {
        let side = usize::from(side & 1);
        let (bytes, behind) = behind.split_at(behind.len().min(usize::from(*len)));
        let (direction, offset) = (Direction::BOTH[side], offsets[side]);
        connection.feed(
            Chunk {
                direction,
                event,
                offset,
                bytes,
            },
            &mut messages,
        );
        offsets[side] += bytes.len() as u64;
        event += 1;
        rest = behind;
    }
    connection.finish(&mut messages);
});
