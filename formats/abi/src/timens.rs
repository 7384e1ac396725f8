//! `/proc/PID/timens_offsets`: what clocks are ahead of the host's in a time namespace (time_namespaces(7)).

/// Nanoseconds that CLOCK_MONOTONIC is ahead of the host's, which may be negative.
pub fn monotonic_ns(offsets: &[u8]) -> Option<i64> {
    let mut lines = offsets.split(|byte| *byte == b'\n');
    let line = lines.find(|line| line.starts_with(b"monotonic"))?;
    let mut fields = line
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|field| !field.is_empty())
        .skip(1)
        .map(|field| core::str::from_utf8(field).ok()?.parse::<i64>().ok());
    let (seconds, ns) = (fields.next()??, fields.next()??);
    seconds.checked_mul(1_000_000_000)?.checked_add(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_seconds_and_nanoseconds() {
        let text = b"monotonic      -3600         5\nboottime           0         0\n";
        assert_eq!(monotonic_ns(text), Some(-3_600_000_000_000 + 5));
        assert_eq!(monotonic_ns(b"monotonic 1 0"), Some(1_000_000_000));
        for text in [
            &b""[..],
            b"boottime 0 0\n",
            b"monotonic\n",
            b"monotonic x 0\n",
            b"monotonic 9223372036854775807 0",
        ] {
            assert_eq!(monotonic_ns(text), None);
        }
    }
}
