//! Protocol messages, cut out of recorded byte streams after the fact.
//!
//! A [`Registry`] makes a [`Connection`] for each recorded connection. That is fed with both
//! directions' bytes, tells the protocol by them, and yields [`Message`]s: what was asked, what was
//! answered, and which events carried it. [`Protocol`] and [`Decoder`] are what a further protocol
//! implements.
//!
//! What must already hold: chunks come in causal order, a request's bytes before its reply's.
//!
//! Passwords and what authenticates are left out of messages that are understood. Bytes that are not
//! understood are shown as they are.
//!
//! What it never does: read or write anything by itself, use `unsafe`, panic on bytes, hold more
//! than what is incomplete within the bounds of [`limits`], or depend on the pieces in which bytes
//! come.
#![forbid(unsafe_code)]

mod blob;
mod connection;
mod escape;
mod flow;
mod grpc;
mod http;
mod http1;
mod http2;
pub mod limits;
mod message;
mod node;
mod postgres;
mod protobuf;
mod protocol;
mod raw;
mod registry;
mod resp;
mod settings;
#[cfg(test)]
mod tests;
mod tls;

pub use blob::{Blob, Collector};
pub use connection::{Chunk, Connection, Hint};
pub use escape::{escape, Summary};
pub use flow::{Input, Line};
pub use message::{Answer, Completeness, Direction, Kind, Message, MessageId, Span, TraceParent};
pub use node::{Name, Node};
pub use protocol::{Confidence, Decoder, End, Opening, Output, Protocol};
pub use raw::RAW;
pub use registry::Registry;
pub use settings::{Detail, Settings};
pub use tls::TlsKeys;
