//! What a trace says about connections and causes.
//!
//! A trace holds system calls. This crate reads out of it which processes there were, which of their
//! sockets and pipes were two ends of one thing, which bytes went over it when, and what happened
//! before what. [`Story`] hands that out in an order in which causes come before effects, while the
//! trace is being read; [`Model`] is all of it at once, with questions about causes.
//!
//! What must already hold: nothing. A trace is untrusted; events that make no sense are passed over.
//!
//! What it never does: print, panic on what a trace says, use `unsafe`, touch the machine other than
//! through [`reenact_trace::Reader`], or give an order of things that depends on a hash map's.
#![forbid(unsafe_code)]

mod address;
mod causality;
mod connections;
mod descriptors;
mod fact;
mod ids;
mod lane;
mod merge;
mod model;
mod served;
mod story;
#[cfg(test)]
mod tests;
mod tracker;

pub use address::Address;
pub use causality::{Causality, Link, LinkKind, Point, Steps, Way};
pub use connections::{Connection, Connections, End, Peer, Stream};
pub use fact::{Bytes, Channel, ConnectionId, Ended, Fact, Moment, Place, Side, Standard};
pub use ids::{BadEventName, EventId, EventName};
pub use lane::{Lane, Piece};
pub use merge::{Merge, Next};
pub use model::{Direction, Model, Passage, Transfer};
pub use served::{Behalf, Served};
pub use story::Story;
pub use tracker::{Process, Tracker};
