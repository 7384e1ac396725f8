//! Encryption of records of TLS 1.3, for tests.

use super::crypt::{expand, Suite};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_128_GCM};

/// Encrypts with TLS_AES_128_GCM_SHA256.
pub struct Sealer {
    secret: Vec<u8>,
    sequence: u64,
}

impl Sealer {
    pub fn new(secret: &[u8]) -> Self {
        Self {
            secret: secret.to_vec(),
            sequence: 0,
        }
    }

    fn suite() -> Suite {
        Suite::of(0x1301).unwrap()
    }

    /// The same keys, from the first record on.
    pub fn again(&self) -> Self {
        Self::new(&self.secret)
    }

    /// Behind a KeyUpdate.
    pub fn next(&self) -> Self {
        let mut next = vec![0; self.secret.len()];
        expand(Self::suite(), &self.secret, b"traffic upd", &mut next).unwrap();
        Self::new(&next)
    }

    pub fn seal(&mut self, content: u8, bytes: &[u8]) -> Vec<u8> {
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        expand(Self::suite(), &self.secret, b"key", &mut key).unwrap();
        expand(Self::suite(), &self.secret, b"iv", &mut iv).unwrap();
        let number = self.sequence.to_be_bytes();
        iv[4..].iter_mut().zip(number).for_each(|(a, b)| *a ^= b);
        self.sequence += 1;
        let mut inner = [bytes, &[content]].concat();
        let [high, low] = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
        let header = [23, 3, 3, high, low];
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let nonce = Nonce::assume_unique_for_key(iv);
        key.seal_in_place_append_tag(nonce, Aad::from(header), &mut inner)
            .unwrap();
        [&header[..], &inner].concat()
    }
}
