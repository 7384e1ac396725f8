//! How commands and values of Redis begin, to recognise them.

use crate::raw::Found;
use crate::resp::value::integer;

/// The number at the beginning of a line, and what follows the line.
fn numbered(bytes: &[u8], lead: u8) -> Result<(i64, &[u8]), Found> {
    let (&first, rest) = bytes.split_first().ok_or(Found::More)?;
    if first != lead {
        return Err(Found::No);
    }
    // The longest number has 20 characters.
    let head = &rest[..rest.len().min(22)];
    let Some(end) = memchr::memchr(b'\r', head) else {
        let digits = head
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'-');
        return Err(if digits && head.len() < 22 {
            Found::More
        } else {
            Found::No
        });
    };
    let number = integer(&rest[..end]).ok_or(Found::No)?;
    match rest.get(end + 1) {
        Some(b'\n') => Ok((number, &rest[end + 2..])),
        Some(_) => Err(Found::No),
        None => Err(Found::More),
    }
}

/// Whether bytes begin a command: a list of strings.
pub fn is_command(bytes: &[u8]) -> Found {
    let count = match numbered(bytes, b'*') {
        Ok((count, rest)) if count > 0 => numbered(rest, b'$'),
        Ok(_) => Err(Found::No),
        Err(found) => Err(found),
    };
    match count {
        Ok((len, _)) if len >= 0 => Found::Yes,
        Ok(_) => Found::No,
        Err(found) => found,
    }
}

/// Whether bytes begin a value.
pub fn is_value(bytes: &[u8]) -> Found {
    match bytes.first() {
        None => Found::More,
        Some(lead @ (b'$' | b':' | b'*' | b'%' | b'~' | b'>' | b'=' | b'!' | b'|')) => {
            match numbered(bytes, *lead) {
                Ok((number, _)) if number >= -1 || *lead == b':' => Found::Yes,
                Ok(_) => Found::No,
                Err(found) => found,
            }
        }
        Some(b'_') if bytes.starts_with(b"_\r\n") => Found::Yes,
        Some(b'_') if b"_\r\n".starts_with(bytes) => Found::More,
        Some(lead @ (b'+' | b'-' | b',' | b'#' | b'(')) => {
            let line = &bytes[..bytes.len().min(1 << 10)];
            match memchr::memchr(b'\r', line) {
                Some(end) if line.get(end + 1) == Some(&b'\n') => {
                    let wordy = |byte: &u8| (b' '..0x7f).contains(byte);
                    let upper = line[1..end].first().is_some_and(u8::is_ascii_uppercase);
                    let fits = line[1..end].iter().all(wordy) && (*lead != b'-' || upper);
                    if fits {
                        Found::Yes
                    } else {
                        Found::No
                    }
                }
                Some(end) if end + 1 < line.len() => Found::No,
                None if line.len() == 1 << 10 => Found::No,
                Some(_) | None => Found::More,
            }
        }
        Some(_) => Found::No,
    }
}

/// Whether bytes begin with a line that is an inline command which people and probes send.
pub fn is_inline(bytes: &[u8]) -> bool {
    const WORDS: [&str; 17] = [
        "AUTH",
        "CLIENT",
        "COMMAND",
        "CONFIG",
        "DEL",
        "ECHO",
        "GET",
        "HELLO",
        "INFO",
        "KEYS",
        "MONITOR",
        "PING",
        "PSUBSCRIBE",
        "QUIT",
        "SELECT",
        "SET",
        "SUBSCRIBE",
    ];
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return false;
    };
    let line = bytes[..end].trim_ascii();
    let word = line.split(|byte| *byte == b' ').next().unwrap_or(line);
    // A request of HTTP, and lines of memcached, look alike but are answered otherwise.
    WORDS
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
        && !line.starts_with(b"GET /")
}
