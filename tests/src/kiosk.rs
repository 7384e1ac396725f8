//! A small system that several suites record, and what `replay` says of a recording.

use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::Value;

use crate::{need, script, source, Finished, Recording};

/// The trace that a client of the kiosk says it is in, and its span.
pub const PROGRAMS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// And its span.
pub const PROGRAMS_SPAN: &str = "b7ad6b7169203331";

/// Ports that nobody uses now.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound address").port())
}

/// A service that speaks HTTP and keeps its data in Redis, and its clients.
pub fn kiosk() -> Recording {
    for (tool, package) in [
        ("redis-server", "redis-server"),
        ("redis-cli", "redis-tools"),
        ("curl", "curl"),
    ] {
        need(tool, package);
    }
    let service = source("kiosk.py");
    let [port] = free_ports();
    script(
        "redis-server --port $PORT --bind 127.0.0.1 --unixsocket door --save '' >log 2>&1 & S=$!
for i in $(seq 200); do redis-cli -p $PORT ping >/dev/null 2>&1 && break; sleep 0.05; done
redis-cli -s door set price:tea 3
mkfifo up; python3 $KIOSK $PORT 4 > up & W=$!; read http < up
for item in tea tea cake; do curl -s http://127.0.0.1:$http/buy/$item; done
curl -s -H \"traceparent: 00-$TRACE-$SPAN-01\" http://127.0.0.1:$http/buy/tea
wait $W; redis-cli -p $PORT shutdown nosave; wait $S",
    )
    .env("PORT", &port.to_string())
    .env("KIOSK", service.to_str().expect("a path in UTF-8"))
    .env("TRACE", PROGRAMS_TRACE)
    .env("SPAN", PROGRAMS_SPAN)
    .record()
}

/// Exports with these options.
pub fn export_with(recording: &Recording, options: &[&str]) -> Finished {
    let options = [&["export"], options].concat();
    recording.replay_with(&options, recording.trace())
}

/// Exports into a file of the recording's own folder.
pub fn export(recording: &Recording, format: &str, name: &str) -> (PathBuf, Finished) {
    let path = recording.folder("exports").join(name);
    let path_text = path.to_str().expect("a path in UTF-8");
    let exported = export_with(recording, &[format, "-o", path_text]);
    if exported.code() != Some(0) {
        recording.fail("replay export fails", Some(&exported));
    }
    (path, exported)
}

/// What `replay show --json` prints: as it is, and line by line.
pub fn shown(recording: &Recording) -> (String, Vec<Value>) {
    let shown = recording.replay_with(&["show", "--json"], recording.trace());
    let lines = shown.text();
    let values = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"));
    let values = values.collect();
    (lines, values)
}

/// A field that is text, or nothing.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Messages of a protocol and type, of `replay show`.
pub fn told<'a>(lines: &'a [Value], protocol: &str, kind: &str) -> Vec<&'a Value> {
    let of = |line: &&Value| text(line, "protocol") == protocol && text(line, "type") == kind;
    lines.iter().filter(of).collect()
}
