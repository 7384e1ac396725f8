//! What the caller wants of decoders.

/// How much of a message is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Detail {
    /// Summary and body.
    #[default]
    Full,
    /// The summary only, which is several times as fast: bodies are neither kept nor decoded.
    Summaries,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub detail: Detail,
}

impl Settings {
    pub(crate) fn bodies(&self) -> bool {
        self.detail == Detail::Full
    }
}
