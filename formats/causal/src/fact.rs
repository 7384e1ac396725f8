//! What happened, in terms of processes, connections and bytes rather than calls.

use reenact_trace::{Mark, StreamId};

use crate::address::Address;
use crate::ids::EventId;

/// A fact about a run, and the event that it was learnt from. An event may give several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    pub event: EventId,
    /// Where the event stands among the events that are ordered with it.
    pub place: Place,
    /// Place and time of the task's event before: the call began after that.
    pub since: Option<(Place, u64)>,
    /// CLOCK_MONOTONIC nanoseconds, of the call's return.
    pub time_ns: u64,
    pub fact: Fact,
}

/// A place in a chain: a group of tasks that ran one at a time, whose events have one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub chain: u32,
    pub order: u64,
}

/// Number of a connection, counted from 0 in the order in which they came to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

/// What kind of channel a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    Tcp,
    Udp,
    /// Bytes over a unix socket.
    Unix,
    /// Messages over a unix socket, with or without a connection.
    UnixMessages,
    Pipe,
    /// A pipe that has a path.
    Fifo,
    /// A socket of another kind.
    Socket,
    /// Something that was open before the recording began, or a device: written bytes are known, and
    /// nothing of what it is.
    Unknown,
}

impl Channel {
    pub fn name(self) -> &'static str {
        match self {
            Channel::Tcp => "tcp",
            Channel::Udp => "udp",
            Channel::Unix => "unix",
            Channel::UnixMessages => "unix-messages",
            Channel::Pipe => "pipe",
            Channel::Fifo => "fifo",
            Channel::Socket => "socket",
            Channel::Unknown => "descriptor",
        }
    }

    /// Whether what is sent arrives as the messages that were sent, or not at all.
    pub fn keeps_messages(self) -> bool {
        match self {
            Channel::Udp | Channel::UnixMessages => true,
            Channel::Tcp | Channel::Unix | Channel::Pipe | Channel::Fifo => false,
            Channel::Socket | Channel::Unknown => false,
        }
    }
}

/// An end of a connection. Of a pipe, end 0 writes and end 1 reads; of a socket, end 0 connected
/// (or was made first), and end 1 accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Zero,
    One,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Zero => Side::One,
            Side::One => Side::Zero,
        }
    }

    pub fn index(self) -> usize {
        match self {
            Side::Zero => 0,
            Side::One => 1,
        }
    }
}

/// Bytes that travelled: `len` of them, and the bytes themselves where the trace has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    pub len: u64,
    /// Fewer than `len` where the trace does not have them all (bytes that the kernel moved between
    /// two descriptors).
    pub known: Vec<u8>,
}

/// Which of the run's own outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standard {
    Input,
    Output,
    Error,
}

impl Standard {
    pub fn name(self) -> &'static str {
        match self {
            Standard::Input => "stdin",
            Standard::Output => "stdout",
            Standard::Error => "stderr",
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// With this status, 0 to 255.
    Status(u8),
    /// By this signal.
    Signal(u32),
    /// By a signal that nobody recorded is known to have sent before: a task that is killed inside a call tells
    /// neither by what nor when.
    Killed,
    /// It was still running when the recording ended, or its end is missing.
    Unknown,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A call made a task: of another process, or a thread of the same.
    Spawn { child: StreamId, pid: i64 },
    /// A task ran for the first time. `by` made it.
    Start { by: Option<EventId>, pid: i64 },
    /// A program took over the process.
    Exec { path: Vec<u8>, argv: Vec<Vec<u8>> },
    /// The process ended. Where a signal ended it, this belongs to its last event.
    End { how: Ended, by: Option<EventId> },
    /// The event took note of the end of a child.
    Wait { child: u32, last: Option<EventId> },
    /// A signal was sent to another process of the recording.
    Kill { signal: u32, target: u32 },
    /// A signal was delivered: what sent it, if that was recorded.
    Signal {
        signal: u32,
        sender: Option<u32>,
        by: Option<EventId>,
    },
    /// The program did what no program may: a signal, whether it was handled, and the address.
    Fault {
        signal: u32,
        handled: bool,
        address: u64,
    },
    /// A socket waits for connections, or (UDP) for messages.
    Listen { address: Address },
    /// An end of a connection came to be known. One that connects without waiting is not settled until
    /// it is known where to.
    Open {
        connection: ConnectionId,
        side: Side,
        settled: bool,
    },
    /// A connection could not be made: the error number, and where to, if known.
    Refused { errno: i32, to: Option<Address> },
    /// The last descriptor of an end was closed.
    Close {
        connection: ConnectionId,
        side: Side,
    },
    /// Bytes were sent from a side, starting at an offset of that direction; of a channel that keeps
    /// messages, one message with its number in that direction.
    Send {
        connection: ConnectionId,
        from: Side,
        offset: u64,
        bytes: Bytes,
    },
    /// Bytes arrived that were sent from a side. Of a channel that keeps messages, `offset` is the
    /// number of the message that was matched, or `u64::MAX` for none.
    Receive {
        connection: ConnectionId,
        from: Side,
        offset: u64,
        bytes: Bytes,
        certain: bool,
    },
    /// Nothing more will come from a side.
    EndOfStream {
        connection: ConnectionId,
        from: Side,
    },
    /// Bytes went to the run's own output, or came from its input.
    Standard {
        which: Standard,
        ticket: u64,
        bytes: Bytes,
    },
    /// Lines of a file by which encrypted connections can be read: the recorder keeps those of TLS key
    /// logs.
    KeyLog { lines: Vec<u8> },
    /// What follows runs unrecorded: the path.
    Unrecorded { path: Vec<u8> },
    /// Events are missing here.
    Gap { reason: u64 },
    /// The program said something about itself.
    Mark { mark: Mark },
    /// The task's events are ordered in another chain from here on; it knows all up to these places.
    Chain { after: Vec<Place> },
}
