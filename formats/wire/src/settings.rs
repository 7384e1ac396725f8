//! What the caller wants of decoders, and what it knows.

use crate::tls::TlsKeys;
use prost_reflect::{DescriptorError, DescriptorPool};

/// How much of a message is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Detail {
    /// Summary and body.
    #[default]
    Full,
    /// The summary only, which takes less time and memory: bodies are neither kept nor decoded.
    Summaries,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub detail: Detail,
    /// Secrets of TLS sessions. With them, what is within is decoded.
    pub tls_keys: TlsKeys,
    pub(crate) descriptors: Option<DescriptorPool>,
    /// How many TLS connections these are within.
    pub(crate) tls_depth: u8,
}

impl Settings {
    /// Adds a `FileDescriptorSet`, as `protoc --descriptor_set_out --include_imports` writes it, to
    /// decode messages of gRPC by.
    pub fn add_descriptors(&mut self, file_descriptor_set: &[u8]) -> Result<(), DescriptorError> {
        let pool = self.descriptors.get_or_insert_with(DescriptorPool::new);
        pool.decode_file_descriptor_set(file_descriptor_set)
    }

    /// The same for what is carried by TLS.
    pub(crate) fn within_tls(&self) -> Settings {
        Settings {
            tls_depth: self.tls_depth.saturating_add(1),
            ..self.clone()
        }
    }

    pub(crate) fn bodies(&self) -> bool {
        self.detail == Detail::Full
    }
}
