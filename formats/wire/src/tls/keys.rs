//! Secrets of TLS sessions, as programs write them down where `SSLKEYLOGFILE` says, in the format of
//! NSS: lines of a label, the client's random bytes and a secret, in hexadecimal
//! (draft-ietf-tls-keylogfile).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, RwLock};

/// Sessions whose secrets are kept; later ones are not.
const SESSIONS_MAX: usize = 1 << 16;
/// Length of a line: no secret is longer than 64 bytes.
const LINE_MAX: usize = 256;
/// Digits of a secret.
const DIGITS_MAX: usize = 128;

pub type Random = [u8; 32];

type Secrets = BTreeMap<(Random, Label), Vec<u8>>;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// The master secret of a session of TLS 1.2 and before.
    Master,
    ClientHandshake,
    ServerHandshake,
    ClientTraffic,
    ServerTraffic,
}

impl Label {
    fn parse(word: &[u8]) -> Option<Label> {
        Some(match word {
            b"CLIENT_RANDOM" => Label::Master,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Label::ClientHandshake,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Label::ServerHandshake,
            b"CLIENT_TRAFFIC_SECRET_0" => Label::ClientTraffic,
            b"SERVER_TRAFFIC_SECRET_0" => Label::ServerTraffic,
            _ => return None,
        })
    }
}

/// Secrets, shared by all that they were given to: what is added later is known to all.
#[derive(Clone, Default)]
pub struct TlsKeys {
    secrets: Arc<RwLock<Secrets>>,
    /// Whether more may come while streams are being read.
    growing: bool,
}

impl TlsKeys {
    /// Says that more may come while streams are being read: what cannot be decrypted then waits a
    /// little, until its sender has been answered.
    pub fn grow(&mut self) {
        self.growing = true;
    }

    pub(crate) fn is_growing(&self) -> bool {
        self.growing
    }

    /// Whether bytes begin like a line of such a file. Comments do not count.
    pub fn begins_log(bytes: &[u8]) -> bool {
        let word = bytes.split(|byte| *byte == b' ').next();
        let others = [&b"EXPORTER_SECRET"[..], b"CLIENT_EARLY_TRAFFIC_SECRET"];
        word.is_some_and(|word| Label::parse(word).is_some() || others.contains(&word))
    }

    /// Takes the lines of such a file, and returns how many secrets it had. Whatever else is in it is
    /// passed over.
    pub fn add_log(&self, log: &[u8]) -> usize {
        let Ok(mut secrets) = self.secrets.write() else {
            return 0;
        };
        let mut added = 0;
        for line in log.split(|byte| *byte == b'\n') {
            let Some((random, label, secret)) = parse(line.trim_ascii()) else {
                continue;
            };
            if secrets.len() < SESSIONS_MAX * 5 || secrets.contains_key(&(random, label)) {
                secrets.insert((random, label), secret);
                added += 1;
            }
        }
        added
    }

    pub(crate) fn find(&self, random: &Random, label: Label) -> Option<Vec<u8>> {
        self.secrets.read().ok()?.get(&(*random, label)).cloned()
    }
}

/// No secret is shown.
impl fmt::Debug for TlsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.secrets.read().map_or(0, |secrets| secrets.len());
        write!(f, "{count} secrets")
    }
}

fn parse(line: &[u8]) -> Option<(Random, Label, Vec<u8>)> {
    if line.len() > LINE_MAX {
        return None;
    }
    let mut words = line.split(|byte| *byte == b' ');
    let label = Label::parse(words.next()?)?;
    let random = hex(words.next()?)?.try_into().ok()?;
    let secret = hex(words.next()?)?;
    words.next().is_none().then_some((random, label, secret))
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    if digits.is_empty() || digits.len() % 2 != 0 || digits.len() > DIGITS_MAX {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16);
    let bytes = digits.chunks_exact(2).map(|pair| {
        let (high, low) = (value(pair[0])?, value(pair[1])?);
        u8::try_from(high << 4 | low).ok()
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_the_rest_is_passed_over() {
        let random = "ab".repeat(32);
        let keys = TlsKeys::default();
        let log = format!(
            "# a comment\nCLIENT_RANDOM {random} {0}\r\nSERVER_TRAFFIC_SECRET_0 {random} 0102\n\
             CLIENT_RANDOM {random} 1\nCLIENT_RANDOM {random} {0} more\nCLIENT_RANDOM zz {0}\nRSA x y\n",
            "0F".repeat(48)
        );
        assert_eq!(keys.add_log(log.as_bytes()), 2);
        let find = |label| keys.find(&[0xab; 32], label);
        assert_eq!(find(Label::Master), Some(vec![15; 48]));
        assert_eq!(find(Label::ServerTraffic), Some(vec![1, 2]));
        assert_eq!(find(Label::ClientTraffic), None);
        assert_eq!(format!("{keys:?}"), "2 secrets");
        assert!(TlsKeys::begins_log(b"EXPORTER_SECRET 00"));
        assert!(!TlsKeys::begins_log(b"CLIENT_RANDOMNESS is a virtue"));
    }
}
