//! Where spans go: to a collector, or into a file.

use std::io::Write as _;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::runtime::Runtime;

use super::spans::Batch;
use super::{Otlp, Protocol};
use crate::commands::export::output::Output;
use crate::commands::export::ExportError;

/// Spans of one message to a collector, and about how many bytes of them: by default, most take 4 MiB.
const PART_SPANS_MAX: usize = 512;
const PART_BYTES_MAX: usize = 1 << 20;
/// About what a span takes without its texts.
const SPAN_BYTES: usize = 256;
const TIMEOUT: Duration = Duration::from_secs(10);

pub enum Sender {
    Collector {
        exporter: Box<SpanExporter>,
        runtime: Runtime,
        to: String,
    },
    File(Output),
}

/// The first of these variables that is set to something.
fn variable(names: [&str; 2]) -> Option<String> {
    let mut set = names
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    set.find(|value| !value.is_empty())
}

impl Sender {
    pub fn new(args: &Otlp) -> Result<Sender, ExportError> {
        if let Some(path) = &args.output {
            return Ok(Sender::File(Output::create(
                path,
                args.common.force,
                false,
            )?));
        }
        let protocol = match args.protocol {
            Some(protocol) => protocol,
            None => {
                let names = [
                    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                    "OTEL_EXPORTER_OTLP_PROTOCOL",
                ];
                match variable(names).as_deref() {
                    None | Some("grpc") => Protocol::Grpc,
                    Some("http/protobuf") => Protocol::Http,
                    Some(other) => {
                        let what = format!(
                            "the protocol {other:?} is not known: use grpc or http/protobuf"
                        );
                        return Err(ExportError::Usage(what));
                    }
                }
            }
        };
        let names = [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ];
        let said = args.endpoint.clone().or_else(|| variable(names));
        let plain = said.as_ref().is_none_or(|url| url.starts_with("http://"));
        if !plain {
            let what = "the endpoint must begin with http://: send by way of a collector near you";
            return Err(ExportError::Usage(what.to_owned()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let to = said.unwrap_or_else(|| match protocol {
            Protocol::Grpc => "http://localhost:4317".to_owned(),
            Protocol::Http => "http://localhost:4318".to_owned(),
        });
        // Variables about headers and time are read by the library.
        let given = args
            .endpoint
            .as_deref()
            .map(|url| url.trim_end_matches('/'));
        let timed = variable([
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
        ]);
        let built = {
            let _guard = runtime.enter();
            match protocol {
                Protocol::Grpc => {
                    let mut builder = SpanExporter::builder().with_tonic();
                    if let Some(url) = given {
                        builder = builder.with_endpoint(url);
                    }
                    if timed.is_none() {
                        builder = builder.with_timeout(TIMEOUT);
                    }
                    builder.build()
                }
                Protocol::Http => {
                    let mut builder = SpanExporter::builder().with_http();
                    if let Some(url) = given {
                        // As the variable for all signals is meant: the path is added.
                        let whole = match url.ends_with("/v1/traces") {
                            true => url.to_owned(),
                            false => format!("{url}/v1/traces"),
                        };
                        builder = builder.with_endpoint(whole);
                    }
                    if timed.is_none() {
                        builder = builder.with_timeout(TIMEOUT);
                    }
                    builder.build()
                }
            }
        };
        let exporter = built.map_err(|error| ExportError::Usage(error.to_string()))?;
        Ok(Sender::Collector {
            exporter: Box::new(exporter),
            runtime,
            to,
        })
    }

    /// Sends the spans of one resource.
    pub fn send(&mut self, batch: Batch) -> Result<(), ExportError> {
        match self {
            Sender::Collector {
                exporter,
                runtime,
                to,
            } => {
                exporter.set_resource(&batch.resource);
                for part in parts(batch.spans) {
                    let sent = runtime.block_on(exporter.export(part));
                    sent.map_err(|error| {
                        ExportError::Sending(format!("{to} did not take the spans: {error}"))
                    })?;
                }
                Ok(())
            }
            Sender::File(out) => {
                let resource = ResourceAttributesWithSchema::from(&batch.resource);
                for part in parts(batch.spans) {
                    let mut resource_spans = group_spans_by_resource_and_scope(part, &resource);
                    for one in &mut resource_spans {
                        // Nothing whose order is random is written down.
                        let attributes = one
                            .resource
                            .as_mut()
                            .map(|resource| &mut resource.attributes);
                        if let Some(attributes) = attributes {
                            attributes.sort_by(|a, b| a.key.cmp(&b.key));
                        }
                    }
                    let request = ExportTraceServiceRequest { resource_spans };
                    let line = serde_json::to_string(&request);
                    let line =
                        line.map_err(|error| ExportError::from(std::io::Error::from(error)))?;
                    writeln!(out, "{line}")?;
                }
                Ok(())
            }
        }
    }

    pub fn finish(self, spans: usize) -> Result<(), ExportError> {
        match self {
            Sender::Collector { to, .. } => {
                eprintln!("replay: {spans} spans sent to {to}");
                Ok(())
            }
            Sender::File(out) => out.finish(Ok(())),
        }
    }
}

/// Spans in portions that a collector takes.
fn parts(spans: Vec<SpanData>) -> Vec<Vec<SpanData>> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for span in spans {
        let own = weight(&span);
        let full = part.len() == PART_SPANS_MAX || bytes + own > PART_BYTES_MAX;
        if full && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += own;
        part.push(span);
    }
    parts.push(part);
    parts
}

fn weight(span: &SpanData) -> usize {
    let attributes = |all: &[KeyValue]| -> usize {
        all.iter()
            .map(|one| one.key.as_str().len() + one.value.as_str().len())
            .sum()
    };
    let events = span
        .events
        .iter()
        .map(|event| SPAN_BYTES + attributes(&event.attributes));
    let links = span
        .links
        .iter()
        .map(|link| SPAN_BYTES + attributes(&link.attributes));
    SPAN_BYTES + attributes(&span.attributes) + events.chain(links).sum::<usize>()
}
