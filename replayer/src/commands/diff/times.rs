//! Times in texts: how far they are from the clock of their run.
//!
//! Times differ between any two runs, and that says nothing, as long as they went on with the clock. A
//! time that is an hour ahead of the clock in one run only says that somebody's clock jumped.

use std::sync::LazyLock;

use regex::Regex;

/// Times may be that much further from the clock in one run than in the other.
pub const SLACK_MS: i128 = 120_000;
/// And what is further away is no time.
const FAR_MAX_MS: i128 = 366 * 86_400_000;
/// Seconds from 1900 to 1970.
const SINCE_1900_S: i128 = 2_208_988_800;
/// On a machine that has just started, CLOCK_MONOTONIC is no larger than other numbers are.
const UPTIME_MIN_NS: u64 = 1_000_000_000_000;

/// Where the kernel maps programs, their memory and their stacks.
const ADDRESSES: std::ops::Range<u64> = 0x5500_0000_0000..0x8000_0000_0000;

static DATE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"\b(\d{4})-(\d{2})-(\d{2})[T _](\d{2}):(\d{2})(?::(\d{2}))?";
    Regex::new(pattern).expect("the pattern is sound")
});
static SINCE_1970: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"\b(1[6-9]\d{8})(?:\.\d+|(\d{3})|\d{6}|\d{9})?\b";
    Regex::new(pattern).expect("the pattern is sound")
});

/// How far the first time in a text is ahead of a clock, in milliseconds. A time zone that is written
/// behind it is not looked at: it is the same in both runs, and only the distance between them counts.
pub fn away_ms(text: &str, now_ns: i128) -> Option<i128> {
    let seconds = match DATE.captures(text) {
        Some(date) => {
            let part = |at: usize| {
                date.get(at)
                    .map_or(Some(0), |text| text.as_str().parse().ok())
            };
            let days = days(part(1)?, part(2)?, part(3)?)?;
            days * 86_400 + part(4)? * 3600 + part(5)? * 60 + part(6)?
        }
        None => SINCE_1970.captures(text)?[1].parse::<i64>().ok()?,
    };
    Some(i128::from(seconds) * 1000 - now_ns / 1_000_000)
}

/// Whether bytes are no text.
pub fn is_binary(bytes: &[u8]) -> bool {
    let control = |byte: &u8| *byte < 0x20 && !b"\t\n\r\x1b".contains(byte);
    bytes.iter().any(control) || std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_some())
}

/// Blanks numbers in bytes that are no text, if they are what the clock said when they were sent: seconds,
/// milliseconds, microseconds or nanoseconds, of 32 or 64 bits, of either byte order. That anything else
/// has such a value is less likely than one in a hundred thousand.
pub fn blank(bytes: &mut [u8], wall_ns: i128, time_ns: u64) {
    if bytes.len() < 4 || !is_binary(bytes) {
        return;
    }
    let now_ns = wall_ns + i128::from(time_ns);
    let near = |ns: i128, clock_ns: i128| (ns - clock_ns).abs() < SLACK_MS * 1_000_000;
    let mut at = 0;
    while at + 4 <= bytes.len() {
        let word = |len: usize| bytes.get(at..at + len);
        let long = word(8).and_then(|word| <[u8; 8]>::try_from(word).ok());
        let is_long = long.is_some_and(|word| {
            [u64::from_le_bytes(word), u64::from_be_bytes(word)]
                .into_iter()
                .any(|number| {
                    let units = [1, 1_000, 1_000_000, 1_000_000_000];
                    let number_ns = |unit: i128| i128::from(number) * unit;
                    let seconds = f64::from_bits(number);
                    let float_ns = (1e9..1e10)
                        .contains(&seconds)
                        .then_some((seconds * 1e9) as i128);
                    units.iter().any(|unit| near(number_ns(*unit), now_ns))
                        || float_ns.is_some_and(|ns| near(ns, now_ns))
                })
        });
        // The other clock has far smaller values, so that less tells it from other numbers.
        let uptime = || {
            let number = long.map_or(0, u64::from_le_bytes);
            let known = time_ns > UPTIME_MIN_NS && at % 4 == 0;
            known && near(i128::from(number), i128::from(time_ns))
        };
        // Where something lies in somebody's memory is drawn anew in each run.
        let address = || {
            let number = long.map_or(0, u64::from_le_bytes);
            at % 8 == 0 && ADDRESSES.contains(&number)
        };
        let is_long = is_long || uptime() || address();
        let short = word(4).and_then(|word| <[u8; 4]>::try_from(word).ok());
        let is_short = short.is_some_and(|word| {
            let numbers = [u32::from_le_bytes(word), u32::from_be_bytes(word)];
            let mut seconds = numbers.into_iter().map(i128::from);
            seconds.any(|seconds| near(seconds * 1_000_000_000, now_ns))
        });
        // Of NTP, seconds since 1900 and their fraction.
        let is_ntp = long.is_some_and(|word| {
            let seconds = i128::from(u64::from_be_bytes(word) >> 32) - SINCE_1900_S;
            near(seconds * 1_000_000_000, now_ns)
        });
        let is_long = is_long || is_ntp;
        let len = match (is_long, is_short) {
            (true, _) => 8,
            (false, true) => 4,
            (false, false) => {
                at += 1;
                continue;
            }
        };
        bytes[at..at + len].fill(0);
        at += len;
    }
}

/// How far a time in bytes that are no text is ahead of a clock, in milliseconds, where the other run has one that
/// went on with its clock, and was blanked.
pub fn binary_away_ms(bytes: &[u8], blanked: &[u8], now_ns: i128) -> Option<i128> {
    if bytes.len() != blanked.len() {
        return None;
    }
    let far_ms = |seconds: i128| {
        let away_ms = seconds * 1000 - now_ns / 1_000_000;
        let plausible = away_ms.abs() > SLACK_MS && away_ms.abs() < FAR_MAX_MS;
        plausible.then_some(away_ms)
    };
    let blank = |at: usize, len: usize| {
        let is_blank = blanked.get(at..at + len)?.iter().all(|byte| *byte == 0);
        let word = bytes.get(at..at + len).filter(|_| is_blank)?;
        word.iter().any(|byte| *byte != 0).then_some(word)
    };
    (0..bytes.len()).find_map(|at| {
        let long = blank(at, 8).and_then(|word| <[u8; 8]>::try_from(word).ok());
        let of_long = long.and_then(|word| {
            let numbers = [u64::from_be_bytes(word), u64::from_le_bytes(word)].map(i128::from);
            let units = [1, 1_000, 1_000_000, 1_000_000_000];
            let mut all = numbers
                .into_iter()
                .flat_map(|number| units.map(|unit| number / unit));
            let ntp = (numbers[0] >> 32) - SINCE_1900_S;
            far_ms(ntp).or_else(|| all.find_map(far_ms))
        });
        let short = blank(at, 4).and_then(|word| <[u8; 4]>::try_from(word).ok());
        let of_short = || {
            let word = short?;
            let numbers = [u32::from_be_bytes(word), u32::from_le_bytes(word)];
            numbers.into_iter().map(i128::from).find_map(far_ms)
        };
        of_long.or_else(of_short)
    })
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March put the leap day at the end.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Some(era * 146_097 + of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_measured_from_the_clock() {
        let now_ns = 1_795_391_392_000_000_000;
        assert_eq!(away_ms("at 1795391393.5", now_ns), Some(1000));
        assert_eq!(away_ms("1795394992000 ms", now_ns), Some(3_600_000));
        assert_eq!(away_ms("2026-11-22T23:49:52Z", now_ns), Some(0));
        assert_eq!(away_ms("2026-11-23 00:49:52", now_ns), Some(3_600_000));
        assert_eq!(away_ms("nothing of 2026", now_ns), None);
        assert_eq!(away_ms("2026-77-01 10:00", now_ns), None);
        // A time of NTP that is an hour ahead, beside one that was blanked.
        let seconds = u32::try_from(1_795_391_392 + 3600 + SINCE_1900_S).unwrap_or_default();
        let mut bytes = [&[7, 1][..], &seconds.to_be_bytes(), &[9; 4]].concat();
        let blanked = [&[7, 1][..], &[0; 8]].concat();
        assert_eq!(binary_away_ms(&bytes, &blanked, now_ns), Some(3_600_000));
        blank(&mut bytes, now_ns, 0);
        assert_eq!(bytes[..2], [7, 1]);
        blank(&mut bytes, now_ns + 3_600_000_000_000, 0);
        assert_eq!(bytes, blanked);
        assert_eq!((days(1970, 1, 1), days(2000, 3, 1)), (Some(0), Some(11017)));
    }
}
