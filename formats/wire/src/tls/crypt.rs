//! Decryption of records: RFC 8446, section 5.2 (TLS 1.3), RFC 5288 and 7905 (TLS 1.2).

use ring::aead::{
    Aad, LessSafeKey, Nonce, UnboundKey, AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305,
};
use ring::{aead, hkdf, hmac};
use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherSuite};

const NONCE_LEN: usize = aead::NONCE_LEN;
/// Of a nonce of AES-GCM in TLS 1.2, how much is from the keys, and how much stands in each record.
const SALT_LEN: usize = 4;
const EXPLICIT_LEN: usize = 8;
/// Header of a record.
const HEADER_LEN: usize = 5;

/// A cipher suite that can be decrypted.
#[derive(Clone, Copy)]
pub struct Suite {
    cipher: &'static aead::Algorithm,
    /// Whether its hash is SHA-384 rather than SHA-256.
    sha384: bool,
}

impl Suite {
    pub fn of(number: u16) -> Option<Suite> {
        let suite = TlsCipherSuite::from_id(number)?;
        let cipher = match (&suite.enc, &suite.enc_mode, suite.enc_size) {
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 128) => &AES_128_GCM,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 256) => &AES_256_GCM,
            (TlsCipherEnc::Chacha20_Poly1305, ..) => &CHACHA20_POLY1305,
            _ => return None,
        };
        Some(Suite {
            cipher,
            sha384: suite.name.ends_with("_SHA384"),
        })
    }

    fn hkdf(self) -> hkdf::Algorithm {
        match self.sha384 {
            true => hkdf::HKDF_SHA384,
            false => hkdf::HKDF_SHA256,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self.sha384 {
            true => hmac::HMAC_SHA384,
            false => hmac::HMAC_SHA256,
        }
    }

    fn hash_len(self) -> usize {
        if self.sha384 {
            48
        } else {
            32
        }
    }
}

/// How records of one version are put together.
enum Scheme {
    /// The traffic secret, from which the next one is made.
    Tls13(Vec<u8>),
    Tls12 {
        /// Whether a part of the nonce stands in the record.
        explicit: bool,
    },
}

/// What a record held.
pub struct Opened {
    /// Type of its content.
    pub content: u8,
    pub bytes: Vec<u8>,
    /// Where the first of these bytes was in the record's payload.
    pub at: usize,
}

/// Decrypts the records of one direction, one after the other.
pub struct Opener {
    suite: Suite,
    scheme: Scheme,
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
}

impl Opener {
    /// From a traffic secret of TLS 1.3.
    pub fn tls13(suite: Suite, secret: Vec<u8>) -> Option<Opener> {
        if secret.len() != suite.hash_len() {
            return None;
        }
        let mut key = vec![0; suite.cipher.key_len()];
        let mut iv = [0; NONCE_LEN];
        expand(suite, &secret, b"key", &mut key)?;
        expand(suite, &secret, b"iv", &mut iv)?;
        Some(Opener {
            key: LessSafeKey::new(UnboundKey::new(suite.cipher, &key).ok()?),
            scheme: Scheme::Tls13(secret),
            suite,
            iv,
            sequence: 0,
        })
    }

    /// From the master secret of TLS 1.2.
    pub fn tls12(
        suite: Suite,
        master: &[u8],
        client_random: &[u8; 32],
        server_random: &[u8; 32],
        to_server: bool,
    ) -> Option<Opener> {
        let explicit = suite.cipher != &CHACHA20_POLY1305;
        let key_len = suite.cipher.key_len();
        let iv_len = if explicit { SALT_LEN } else { NONCE_LEN };
        let seed = [&b"key expansion"[..], server_random, client_random].concat();
        let block = prf(suite, master, &seed, 2 * (key_len + iv_len));
        let side = usize::from(!to_server);
        let key = block.get(side * key_len..(side + 1) * key_len)?;
        let ivs = block.get(2 * key_len..)?;
        let mut iv = [0; NONCE_LEN];
        iv[..iv_len].copy_from_slice(ivs.get(side * iv_len..(side + 1) * iv_len)?);
        Some(Opener {
            key: LessSafeKey::new(UnboundKey::new(suite.cipher, key).ok()?),
            scheme: Scheme::Tls12 { explicit },
            suite,
            iv,
            sequence: 0,
        })
    }

    /// Decrypts the next record; `None` if these are not its keys.
    pub fn open(&mut self, header: &[u8; HEADER_LEN], payload: &[u8]) -> Option<Opened> {
        let mut nonce = self.iv;
        let number = self.sequence.to_be_bytes();
        let at = match &self.scheme {
            Scheme::Tls12 { explicit: true } => {
                let sent = payload.get(..EXPLICIT_LEN)?;
                nonce[SALT_LEN..].copy_from_slice(sent);
                EXPLICIT_LEN
            }
            Scheme::Tls12 { explicit: false } | Scheme::Tls13(_) => {
                let last = &mut nonce[NONCE_LEN - number.len()..];
                last.iter_mut().zip(number).for_each(|(a, b)| *a ^= b);
                0
            }
        };
        let mut bytes = payload.get(at..)?.to_vec();
        let len = bytes.len().checked_sub(self.suite.cipher.tag_len())?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = match &self.scheme {
            Scheme::Tls13(_) => self.key.open_in_place(nonce, Aad::from(header), &mut bytes),
            Scheme::Tls12 { .. } => {
                let len = u16::try_from(len).ok()?.to_be_bytes();
                let [content, major, minor, ..] = *header;
                let mut about = [0; 13];
                about[..8].copy_from_slice(&number);
                about[8..].copy_from_slice(&[content, major, minor, len[0], len[1]]);
                self.key.open_in_place(nonce, Aad::from(about), &mut bytes)
            }
        };
        let len = plain.ok()?.len();
        bytes.truncate(len);
        self.sequence = self.sequence.checked_add(1)?;
        let content = match &self.scheme {
            Scheme::Tls12 { .. } => header[0],
            Scheme::Tls13(_) => {
                // The type stands behind the content, and zeroes may follow.
                let last = bytes.iter().rposition(|byte| *byte != 0)?;
                let content = bytes[last];
                bytes.truncate(last);
                content
            }
        };
        Some(Opened { content, bytes, at })
    }

    /// The keys that follow a KeyUpdate.
    pub fn next(self) -> Option<Opener> {
        match self.scheme {
            Scheme::Tls12 { .. } => None,
            Scheme::Tls13(secret) => {
                let mut next = vec![0; secret.len()];
                expand(self.suite, &secret, b"traffic upd", &mut next)?;
                Opener::tls13(self.suite, next)
            }
        }
    }
}

/// Length of what is expanded.
struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label without context (RFC 8446, section 7.1).
pub(super) fn expand(suite: Suite, secret: &[u8], label: &[u8], out: &mut [u8]) -> Option<()> {
    let len = u16::try_from(out.len()).ok()?.to_be_bytes();
    let name = [b"tls13 ", label].concat();
    let name_len = [u8::try_from(name.len()).ok()?];
    let info = [&len[..], &name_len, &name, &[0]];
    let secret = hkdf::Prk::new_less_safe(suite.hkdf(), secret);
    let expanded = secret.expand(&info, Len(out.len())).ok()?;
    expanded.fill(out).ok()
}

/// P_hash (RFC 5246, section 5), `len` bytes or somewhat more.
fn prf(suite: Suite, secret: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
    let key = hmac::Key::new(suite.hmac(), secret);
    let mut out = Vec::with_capacity(len + 48);
    let mut a = hmac::sign(&key, seed);
    while out.len() < len {
        let block = [a.as_ref(), seed].concat();
        out.extend_from_slice(hmac::sign(&key, &block).as_ref());
        a = hmac::sign(&key, a.as_ref());
    }
    out
}
