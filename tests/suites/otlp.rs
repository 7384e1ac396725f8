//! `replay export otlp`: a real collector receives the spans, intact, and they say what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use reenact_tests::kiosk::{
    export, export_with, free_ports, kiosk, shown, text, told, PROGRAMS_SPAN, PROGRAMS_TRACE,
};
use reenact_tests::{python_packages, replay_binary, script, until, Recording, Running};
use serde_json::Value;

/// A span, as it was received.
#[derive(Clone, Debug, Default, PartialEq)]
struct Span {
    resource: BTreeMap<String, String>,
    fields: BTreeMap<String, String>,
    attributes: BTreeMap<String, String>,
    /// The ids of the spans that links lead to, with what they are.
    links: Vec<(String, String)>,
}

impl Span {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    fn service(&self) -> &str {
        self.resource.get("service.name").map_or("", String::as_str)
    }
}

/// Reads what the collector wrote down of the spans that it received.
fn received(log: &str) -> Vec<Span> {
    #[derive(PartialEq)]
    enum In {
        Resource,
        Span,
        Attributes,
        Events,
        Links,
    }
    let mut within = In::Span;
    let mut resource = BTreeMap::new();
    let mut spans: Vec<Span> = Vec::new();
    for line in log.lines() {
        let pair = line.trim_start().split_once(": ");
        let entry = line
            .trim_start()
            .strip_prefix("-> ")
            .and_then(|entry| entry.split_once(": "));
        let value = |value: &str| {
            let inner = value
                .split_once('(')
                .and_then(|(_, rest)| rest.strip_suffix(')'));
            inner.unwrap_or(value).to_owned()
        };
        match line {
            "Resource attributes:" => (within, resource) = (In::Resource, BTreeMap::new()),
            "Attributes:" => within = In::Attributes,
            "Events:" => within = In::Events,
            "Links:" => within = In::Links,
            _ if line.starts_with("ScopeSpans") => within = In::Events,
            _ if line.starts_with("Span #") => {
                within = In::Span;
                spans.push(Span {
                    resource: resource.clone(),
                    ..Span::default()
                });
            }
            _ => match (&within, entry, pair, spans.last_mut()) {
                (In::Resource, Some((name, text)), ..) => {
                    resource.insert(name.to_owned(), value(text));
                }
                (In::Attributes, Some((name, text)), _, Some(span)) => {
                    span.attributes.insert(name.to_owned(), value(text));
                }
                (In::Links, Some(("reenact.link", text)), _, Some(span)) => {
                    span.links.last_mut().expect("a link has an id before").1 = value(text);
                }
                (In::Links, _, Some((name, id)), Some(span)) => {
                    let name = name.trim_start_matches("-> ").trim();
                    if name == "ID" || name == "Span ID" {
                        span.links.push((id.trim().to_owned(), String::new()));
                    }
                }
                (In::Span, _, Some((name, text)), Some(span)) => {
                    span.fields
                        .insert(name.trim().to_owned(), text.trim().to_owned());
                }
                _ => {}
            },
        }
    }
    spans
}

/// What must hold of the spans of a run of the kiosk; what does not.
fn judge(spans: &[Span], lines: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.field("ID"), span)).collect();
    check(by_id.len() == spans.len(), "ids are not unique".to_owned());
    let parent = |span: &Span| by_id.get(span.field("Parent ID")).copied();
    let of_kind = |kind: &'static str| {
        let kind = format!("SPAN_KIND_{kind}");
        spans.iter().filter(move |span| span.field("Kind") == kind)
    };
    // One span of each request where it was made, and one within that where it was served.
    let requests: Vec<&Value> = [
        told(lines, "http/1", "request"),
        told(lines, "redis", "request"),
    ]
    .concat();
    for kind in ["CLIENT", "SERVER"] {
        let count = of_kind(kind).count();
        check(
            count == requests.len(),
            format!("{count} {kind} of {}", requests.len()),
        );
    }
    for span in of_kind("SERVER") {
        let client = parent(span).is_some_and(|client| {
            client.field("Kind") == "SPAN_KIND_CLIENT"
                && client.field("Trace ID") == span.field("Trace ID")
                && client.attribute("reenact.text") == span.attribute("reenact.text")
                && client.service() != span.service()
        });
        check(client, format!("no client of {span:?}"));
    }
    for line in requests {
        let (event, peer) = (text(line, "event"), text(&line["peer"], "name"));
        let seq = event.rsplit(':').next().unwrap_or_default();
        let who = text(line, "who")
            .split(['[', ' '])
            .next()
            .unwrap_or_default();
        let mut same = of_kind("CLIENT").filter(|span| {
            span.service() == who
                && span
                    .attribute("reenact.event")
                    .ends_with(&format!(":{seq}"))
                && span.attribute("reenact.text") == text(line, "text")
        });
        check(
            same.next().is_some(),
            format!("no span of {line} to {peer}"),
        );
    }
    // What the kiosk asks Redis is for the client that it serves.
    let mut joined = 0;
    for span in of_kind("CLIENT").filter(|span| span.service() == "python3") {
        let served = parent(span);
        let outer = served.and_then(parent);
        let sound = served.is_some_and(|served| {
            served.field("Kind") == "SPAN_KIND_SERVER" && served.service() == "python3"
        }) && outer.is_some_and(|outer| outer.service() == "curl");
        check(sound, format!("{span:?} is not within a request"));
        check(
            span.attribute("db.system.name") == "redis",
            format!("{span:?}"),
        );
        joined += usize::from(span.field("Trace ID") == PROGRAMS_TRACE);
    }
    check(
        joined == 2,
        format!("{joined} requests to Redis in the program's own trace"),
    );
    let own = of_kind("CLIENT").filter(|span| span.field("Parent ID") == PROGRAMS_SPAN);
    let own: Vec<&Span> = own.collect();
    check(
        own.len() == 1 && own[0].service() == "curl",
        format!("{own:?}"),
    );
    // Failures.
    let missing = |kind: &'static str| {
        let all = of_kind(kind).filter(|span| span.attribute("http.response.status_code") == "404");
        all.map(|span| span.field("Status code").to_owned())
            .collect::<Vec<_>>()
    };
    check(
        missing("CLIENT") == ["STATUS_CODE_ERROR"],
        format!("{:?}", missing("CLIENT")),
    );
    check(
        missing("SERVER") == ["STATUS_CODE_UNSET"],
        format!("{:?}", missing("SERVER")),
    );
    let refused = of_kind("CLIENT").filter(|span| {
        span.attribute("error.type") == "ERR" && span.attribute("db.operation.name") == "NOSUCH"
    });
    let refused = refused.count();
    check(refused == 1, format!("{refused} refused commands"));
    // Links lead to spans, and from what was received to what was sent.
    for span in spans {
        for (id, what) in &span.links {
            check(
                by_id.contains_key(id.as_str()),
                format!("{what} of {span:?} leads nowhere"),
            );
        }
    }
    for span in of_kind("CONSUMER") {
        let sender = parent(span).filter(|sender| sender.field("Kind") == "SPAN_KIND_PRODUCER");
        let linked = sender.is_some_and(|sender| {
            span.links
                .iter()
                .any(|(id, what)| id == sender.field("ID") && what == "sent_as")
        });
        check(linked, format!("no sender of {span:?}"));
    }
    check(
        of_kind("CONSUMER").count() > 0,
        "nothing was received".to_owned(),
    );
    let caused = spans
        .iter()
        .flat_map(|span| &span.links)
        .filter(|(_, what)| what == "caused_by");
    let caused = caused.count();
    check(caused > 3, format!("{caused} causes"));
    // A resource for each process.
    let processes = lines.iter().filter_map(|line| line["process"].as_u64());
    let processes: BTreeSet<u64> = processes.collect();
    let roots = of_kind("INTERNAL").count();
    check(
        roots == processes.len(),
        format!("{roots} of {} processes", processes.len()),
    );
    for span in of_kind("INTERNAL") {
        for name in [
            "host.name",
            "process.command_args",
            "service.instance.id",
            "os.type",
        ] {
            check(
                span.resource.contains_key(name),
                format!("{name} of {span:?}"),
            );
        }
    }
    wrong
}

/// A collector, and where it writes what it received.
struct Collector {
    running: Running,
    log: PathBuf,
    grpc: u16,
    http: u16,
}

impl Collector {
    fn start(folder: &Path) -> Collector {
        let program = python_packages(&["rotel==0.0.1a15"]).join("rotel/rotel-agent");
        let [grpc, http] = free_ports();
        let log = folder.join("collector.log");
        let mut command = Command::new("sh");
        // The log is a file, so that nothing has to read it while the collector runs.
        command.args(["-c", "exec \"$0\" \"$@\" >\"$LOG\""]);
        command.env("LOG", &log).arg(program);
        command.args(["start", "--exporter", "blackhole", "--debug-log", "traces"]);
        command.args([
            "--debug-log-verbosity",
            "detailed",
            "--batch-timeout",
            "50ms",
        ]);
        for (option, port) in [
            ("--otlp-grpc-endpoint", grpc),
            ("--otlp-http-endpoint", http),
        ] {
            command.arg(option).arg(format!("127.0.0.1:{port}"));
        }
        let running = Running::start(command, Duration::from_secs(120));
        for port in [grpc, http] {
            until("the collector listens", || {
                std::net::TcpStream::connect(("127.0.0.1", port)).ok()
            });
        }
        Collector {
            running,
            log,
            grpc,
            http,
        }
    }

    /// What it has received once that is so many spans.
    fn spans(&self, count: usize) -> Vec<Span> {
        until("the collector has all spans", || {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            let starts = text
                .lines()
                .filter(|line| line.starts_with("Span #"))
                .count();
            (starts >= count).then_some(())
        });
        // The last one may still be being written.
        std::thread::sleep(Duration::from_millis(300));
        received(&fs::read_to_string(&self.log).expect("a log"))
    }

    fn stop(self) {
        self.running.kill(libc::SIGTERM);
        let _ = self.running.finish();
    }
}

/// Sends the spans of a trace, and returns how many.
fn send(recording: &Recording, protocol: &str, port: u16) -> usize {
    let url = format!("http://127.0.0.1:{port}");
    let sent = Command::new(replay_binary())
        .args(["export", "otlp"])
        .arg(recording.trace())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &url)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .stdin(Stdio::null())
        .output()
        .expect("replay starts");
    let said = String::from_utf8_lossy(&sent.stderr);
    assert!(sent.status.success(), "{said}");
    let count = said
        .strip_prefix("replay: ")
        .and_then(|said| said.split(' ').next());
    let count = count.and_then(|count| count.parse().ok());
    count.unwrap_or_else(|| panic!("no count in {said}"))
}

#[test]
fn a_collector_receives_the_spans() {
    let recording = kiosk();
    let (_, lines) = shown(&recording);
    let mut both = Vec::new();
    for protocol in ["grpc", "http/protobuf"] {
        let collector = Collector::start(&recording.folder("exports"));
        let port = match protocol {
            "grpc" => collector.grpc,
            _ => collector.http,
        };
        let count = send(&recording, protocol, port);
        let spans = collector.spans(count);
        collector.stop();
        assert_eq!(spans.len(), count, "over {protocol}");
        let wrong = judge(&spans, &lines);
        assert!(
            wrong.is_empty(),
            "{protocol}: {} wrong: {:#?}",
            wrong.len(),
            &wrong[..1]
        );
        both.push(spans);
    }
    assert_eq!(both[0].len(), both[1].len());
    let by_id = |spans: &[Span]| -> BTreeMap<String, Span> {
        spans
            .iter()
            .map(|span| (span.field("ID").to_owned(), span.clone()))
            .collect()
    };
    assert!(
        by_id(&both[0]) == by_id(&both[1]),
        "both ways bring the same"
    );
    // The file has the same spans, under the same ids.
    let (path, _) = export(&recording, "otlp", "spans.jsonl");
    let file = fs::read_to_string(path).expect("a file");
    let mut ids = BTreeSet::new();
    for line in file.lines() {
        let request: Value = serde_json::from_str(line).expect("a line is JSON");
        let spans = &request["resourceSpans"][0]["scopeSpans"][0]["spans"];
        ids.extend(
            spans
                .as_array()
                .expect("spans")
                .iter()
                .map(|span| text(span, "spanId").to_owned()),
        );
    }
    let wanted: BTreeSet<String> = both[0]
        .iter()
        .map(|span| span.field("ID").to_owned())
        .collect();
    assert_eq!(ids, wanted);
    // What is judged can be wrong: a span that is lost, one within nothing, one of another trace.
    let tampered: [&dyn Fn(&mut Span) -> bool; 3] = [
        &|_| false,
        &|span| {
            span.fields
                .insert("Parent ID".into(), String::new())
                .is_some()
        },
        &|span| {
            span.fields
                .insert("Trace ID".into(), "0".repeat(32))
                .is_some()
        },
    ];
    for tamper in tampered {
        let mut spans = both[0].clone();
        let served =
            |span: &Span| span.field("Kind") == "SPAN_KIND_SERVER" && span.service() == "python3";
        let at = spans.iter().position(served).expect("a request was served");
        if !tamper(&mut spans[at]) {
            spans.remove(at);
        }
        assert!(!judge(&spans, &lines).is_empty(), "what is wrong must show");
    }
}

#[test]
fn what_cannot_be_sent_is_said() {
    let recording = script("echo x | cat").record();
    let [nobody] = free_ports();
    let nobody = format!("http://127.0.0.1:{nobody}");
    for protocol in ["grpc", "http/protobuf"] {
        let options = ["otlp", "--protocol", protocol, "--endpoint", &nobody];
        let sent = export_with(&recording, &options);
        assert_eq!(sent.code(), Some(4), "{}", sent.error_text());
        assert!(sent.error_text().contains(&nobody), "{}", sent.error_text());
    }
    let sent = export_with(&recording, &["otlp", "--endpoint", "https://127.0.0.1:1"]);
    assert_eq!(sent.code(), Some(64));
    assert!(
        sent.error_text().contains("http://"),
        "{}",
        sent.error_text()
    );
}
