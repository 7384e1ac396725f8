//! OpenTelemetry: the run as spans.
//!
//! | of the run | span |
//! |---|---|
//! | a process | `INTERNAL`, within its parent's; all of them are one trace, that of the run |
//! | a request with its reply, where it was made | `CLIENT`, from the first byte sent to the last received |
//! | the same where it was served | `SERVER`, within the former |
//! | another message, where it was sent and received | `PRODUCER`, and `CONSUMER` within that |
//!
//! A request that was made while another was being served is within the span of that (see
//! [`reenact_causal::Served`]); where several may be meant, they are links. A `traceparent` in a request
//! goes before that: it names the program's own span, whose trace the request's spans then are in. What
//! was made for nobody begins a trace of its own, linked to its process. A link also leads to the
//! message that was received last before, which is the nearest cause. Links say in `reenact.link` which
//! of these they are.
//!
//! Ids are made of the recording's id and of places in it: exported again, a run has the same ones.

mod describe;
mod meaning;
mod send;
mod spans;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reenact_trace::Reader;
use reenact_wire::Detail;

use super::clock::WallClock;
use super::gather::Run;
use super::{Common, ExportError};
use meaning::Meaning;
use send::Sender;

/// Spans for OpenTelemetry: to a collector over gRPC or HTTP, or into a file.
///
/// Each process is a resource, each request a span where it was made and one within it where it was
/// served. Requests that were made while another was served are within that; a `traceparent` in a
/// request joins its spans to the program's own trace. Other messages are spans of their sender and
/// receiver. OTEL_EXPORTER_OTLP_ENDPOINT, …_PROTOCOL, …_HEADERS and …_TIMEOUT are respected.
#[derive(Args)]
pub struct Otlp {
    #[command(flatten)]
    pub(super) common: Common,
    /// Where the collector listens, by default OTEL_EXPORTER_OTLP_ENDPOINT, or else port 4317 (gRPC) or 4318
    /// (HTTP) of this machine. `https` is not spoken: send by way of a collector near you.
    #[arg(long, value_name = "URL", conflicts_with = "output")]
    endpoint: Option<String>,
    /// How to speak to it, by default as OTEL_EXPORTER_OTLP_PROTOCOL says, or else gRPC.
    #[arg(long, value_enum, conflicts_with = "output")]
    protocol: Option<Protocol>,
    /// Write OTLP as lines of JSON here instead, for its owner alone; `-` is standard output.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Grpc,
    #[value(name = "http/protobuf", alias = "http")]
    Http,
}

pub fn export(args: &Otlp, reader: &mut Reader) -> Result<(), ExportError> {
    // What cannot be sent anywhere is said before the trace is read.
    let mut sender = Sender::new(args)?;
    let meta = reader.meta().clone();
    let clock = WallClock::of(reader)?;
    let run = Run::gather(
        &args.common.decoding,
        Detail::Full,
        reader,
        &mut |line| Meaning::of(line),
        &mut |_, _| {},
    )?;
    let batches = spans::Builder::new(&run, &clock, &meta).build();
    let mut spans = 0;
    for batch in batches {
        spans += batch.spans.len();
        sender.send(batch)?;
    }
    sender.finish(spans)
}
