//! What the caller wants of decoders, and what it knows.

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
    pub(crate) descriptors: Option<DescriptorPool>,
}

impl Settings {
    /// Adds a `FileDescriptorSet`, as `protoc --descriptor_set_out --include_imports` writes it, to
    /// decode messages of gRPC by.
    pub fn add_descriptors(&mut self, file_descriptor_set: &[u8]) -> Result<(), DescriptorError> {
        let pool = self.descriptors.get_or_insert_with(DescriptorPool::new);
        pool.decode_file_descriptor_set(file_descriptor_set)
    }

    pub(crate) fn bodies(&self) -> bool {
        self.detail == Detail::Full
    }
}
