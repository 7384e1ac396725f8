//! Bounds on what is kept. Streams may hold anything, so each size that depends on their bytes
//! has its bound here.

/// Bytes of one body, or of one message's values together, that are kept whole.
pub const BODY_MAX: usize = 1 << 20;

/// Bytes kept of a body that is longer than [`BODY_MAX`], or that nothing can make sense of.
pub const HEAD_KEPT: usize = 1 << 10;

/// Length of a line of a text protocol.
pub const LINE_MAX: usize = 64 << 10;

/// Length of the head of an HTTP/1 message, and of a header block of HTTP/2.
pub const HEAD_MAX: usize = 256 << 10;

/// Header fields of one HTTP message.
pub const HEADERS_MAX: usize = 1024;

/// Characters of a summary.
pub const SUMMARY_MAX: usize = 200;

/// Characters of one value within a summary.
pub const SUMMARY_VALUE_MAX: usize = 60;

/// Levels of nested values.
pub const DEPTH_MAX: usize = 32;

/// Values in one message; those beyond are counted only.
pub const ITEMS_MAX: usize = 1 << 16;

/// Requests of one connection that wait for their reply; older ones are forgotten.
pub const OUTSTANDING_MAX: usize = 1 << 16;

/// Bytes of each direction that are looked at to tell a protocol.
pub const SNIFF_BYTES: usize = 512;

/// Bytes of one direction that a decoder may leave unread, waiting for more. Above it the decoder
/// is taken to be stuck, and the rest of the connection is raw. It is above every bound on what a
/// decoder reads at once.
pub const PENDING_MAX: usize = 4 << 20;

/// Bytes that compressed content may become. More is not decompressed.
pub const DECOMPRESSED_MAX: u64 = 16 << 20;

/// TLS within TLS, and so on.
pub const TLS_DEPTH_MAX: u8 = 3;
