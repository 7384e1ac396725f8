//! `replay show` on recordings of real systems: who is joined to whom, which bytes are whose, and what
//! led to what.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use reenact_causal::{ConnectionId, Fact, Model, Side, Story};
use reenact_tests::{need, program, replay_binary, script, Recording};
use reenact_trace::Reader;
use serde_json::Value;

/// The lines that `replay show --json` prints with these options.
fn lines(recording: &Recording, options: &[&str]) -> Vec<Value> {
    let options = [&["show", "--json"], options].concat();
    let shown = recording.replay_with(&options, recording.trace());
    if shown.code() != Some(0) {
        recording.fail("replay show fails", Some(&shown));
    }
    let text = shown.text();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"));
    lines.collect()
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

/// A process's name without its number.
fn name(text: &str) -> &str {
    text.split('[').next().unwrap_or_default()
}

/// Messages as `who > peer: text`, without numbers of processes.
fn messages(lines: &[Value]) -> Vec<String> {
    let messages = lines.iter().filter(|line| text(line, "kind") == "message");
    let told = messages.map(|line| {
        let peer = text(&line["peer"], "name");
        let arrow = if line["incoming"] == true { '<' } else { '>' };
        format!(
            "{} {arrow} {}: {}",
            name(text(line, "who")),
            name(peer),
            text(line, "text")
        )
    });
    told.collect()
}

/// For every direction of every connection whose sender and receiver were both recorded: what was
/// received is what was sent, in the same place. Returns how many bytes were compared.
fn received_is_what_was_sent(trace: &Path) -> usize {
    let mut reader = Reader::open(trace).expect("a trace");
    let mut story = Story::new(&reader);
    let mut ways: BTreeMap<(ConnectionId, Side), [Vec<u8>; 2]> = BTreeMap::new();
    while let Some(moment) = story.next(&mut reader).expect("a sound trace") {
        let (key, offset, bytes, at) = match moment.fact {
            Fact::Send {
                connection,
                from,
                offset,
                bytes,
            } => ((connection, from), offset, bytes, 0),
            Fact::Receive {
                connection,
                from,
                offset,
                bytes,
                ..
            } => ((connection, from), offset, bytes, 1),
            _ => continue,
        };
        if story.connections().get(key.0).channel.keeps_messages() {
            continue;
        }
        let way = &mut ways.entry(key).or_default()[at];
        assert_eq!(way.len() as u64, offset, "offsets have no holes");
        assert_eq!(
            bytes.known.len() as u64,
            bytes.len,
            "all bytes are in the trace"
        );
        way.extend(bytes.known);
    }
    let mut compared = 0;
    for ((connection, from), [sent, received]) in &ways {
        if sent.is_empty() || received.is_empty() {
            continue;
        }
        assert!(received.len() <= sent.len(), "{connection:?} from {from:?}");
        assert!(
            *received == sent[..received.len()],
            "{connection:?} from {from:?}"
        );
        compared += received.len();
    }
    compared
}

#[test]
fn curl_and_a_python_http_server() {
    need("curl", "curl");
    need("python3", "python3");
    let recording = script(
        "echo content > file; python3 -u -c 'import http.server,sys\ns=http.server.HTTPServer((\"127.0.0.1\",0),http.server.SimpleHTTPRequestHandler)\nopen(\"port\",\"w\").write(str(s.server_port)+\"\\n\")\nfor i in range(2): s.handle_request()' 2>/dev/null & \
         until grep -q . port 2>/dev/null; do sleep 0.05; done; read port < port; curl -s http://127.0.0.1:$port/file; curl -s -o /dev/null http://127.0.0.1:$port/absent; wait; curl -s http://127.0.0.1:$port/; echo $?",
    )
    .record();
    let all = lines(&recording, &[]);
    let http: Vec<_> = messages(&all)
        .into_iter()
        .filter(|told| told.contains("GET /") || told.contains(": 200 ") || told.contains(": 404 "))
        .filter(|told| !told.contains('"'))
        .collect();
    assert_eq!(http.len(), 4, "{http:?}");
    assert_eq!(http[0], "curl > python3: GET /file");
    assert!(http[1].starts_with("python3 > curl: 200 "), "{http:?}");
    assert_eq!(http[2], "curl > python3: GET /absent");
    assert!(http[3].starts_with("python3 > curl: 404 "), "{http:?}");
    let only = lines(&recording, &["--protocol", "http", "--process", "curl"]);
    assert_eq!(messages(&only), http);
    let reply = &only[3];
    assert!(reply["took_ns"].as_u64().expect("a reply took some time") > 0);
    // What led to the last reply: its request, the connection, the fork; and the first client before.
    let causes = lines(
        &recording,
        &["--causes-of", text(reply, "event"), "-n", "40"],
    );
    assert_eq!(messages(&causes[..1]), [http[2].clone()]);
    let kinds: Vec<_> = causes.iter().map(|line| text(line, "kind")).collect();
    assert!(
        kinds.contains(&"connect") && kinds.contains(&"fork"),
        "{kinds:?}"
    );
    assert!(messages(&causes).contains(&http[0]), "{causes:?}");
    let refused = all.iter().filter(|line| {
        text(line, "kind") == "refused" && text(line, "text").contains("ECONNREFUSED")
    });
    assert_eq!(refused.count(), 1, "the server has gone");
    assert!(received_is_what_was_sent(recording.trace()) > 500);
}

#[test]
fn redis_clients_and_what_they_tell_each_other_through_the_server() {
    need("redis-server", "redis-server");
    need("redis-cli", "redis-tools");
    let recording = script(
        "redis-server --port 17395 --bind 127.0.0.1 --save '' >log 2>&1 & S=$!
for i in $(seq 200); do redis-cli -p 17395 ping >/dev/null 2>&1 && break; sleep 0.05; done
redis-cli -p 17395 set key:1 xyz; redis-cli -p 17395 get key:1
printf '*2\\r\\n$4\\r\\nINCR\\r\\n$1\\r\\nn\\r\\n*2\\r\\n$4\\r\\nINCR\\r\\n$1\\r\\nn\\r\\n*1\\r\\n$4\\r\\nQUIT\\r\\n' > many
exec 3<>/dev/tcp/127.0.0.1/17395; cat many >&3; cat <&3; exec 3>&-
redis-cli -p 17395 shutdown nosave; wait $S",
    )
    .record();
    let all = lines(&recording, &["--protocol", "redis"]);
    let told = messages(&all);
    let set = told
        .iter()
        .position(|told| told == "redis-cli > redis-server: set key:1 \"xyz\"");
    let set = set.unwrap_or_else(|| panic!("{told:?}"));
    assert_eq!(told[set + 1], "redis-server > redis-cli: +OK");
    assert_eq!(told[set + 2], "redis-cli > redis-server: get key:1");
    assert_eq!(told[set + 3], "redis-server > redis-cli: \"xyz\"");
    for reply in [&all[set + 1], &all[set + 3]] {
        assert!(reply["took_ns"].as_u64().is_some(), "{reply}");
    }
    // Three requests in one write, and their replies in pairs.
    let pipelined = |wanted: &str| told.iter().filter(|told| told.ends_with(wanted)).count();
    assert_eq!(
        (pipelined(": INCR n"), pipelined(": :1"), pipelined(": :2")),
        (2, 1, 1),
        "{told:?}"
    );
    // The first client's SET led to what the second was told, though the two never met.
    let causes = lines(
        &recording,
        &["--causes-of", text(&all[set + 3], "event"), "-n", "60"],
    );
    assert!(
        messages(&causes).contains(&told[set]),
        "{:?}",
        messages(&causes)
    );
    let effects = lines(
        &recording,
        &["--effects-of", text(&all[set], "event"), "-n", "60"],
    );
    assert!(
        messages(&effects).contains(&told[set + 3]),
        "{:?}",
        messages(&effects)
    );
    // And not the other way round.
    let later = lines(
        &recording,
        &["--causes-of", text(&all[set], "event"), "-n", "10000"],
    );
    assert!(!messages(&later).contains(&told[set + 2]));
    assert!(received_is_what_was_sent(recording.trace()) > 100);
}

#[test]
fn a_pipeline_of_processes() {
    let recording = script(
        "echo one two | tr a-z A-Z | while read x y; do echo \"$y $x\"; done; (exit 3); kill -9 $$",
    )
    .record();
    let all = lines(&recording, &[]);
    let told = messages(&all);
    assert_eq!(
        told,
        ["bash > tr: \"one two\\n\"", "tr > bash: \"ONE TWO\\n\""],
        "{told:?}"
    );
    let find = |wanted: &str| {
        let line = all.iter().find(|line| text(line, "text").contains(wanted));
        line.unwrap_or_else(|| panic!("{wanted} is missing: {all:?}"))
    };
    let printed = find("writes stdout: \"TWO ONE\\n\"");
    find("exits with status 3");
    assert_eq!(text(find("killed by SIGKILL"), "who"), "bash[1]");
    let causes = lines(&recording, &["--causes-of", text(printed, "event")]);
    let causes = messages(&causes);
    assert_eq!(causes, [told[1].clone(), told[0].clone()]);
    let list = lines(&recording, &["--connections"]);
    let pipes = list.iter().filter(|line| text(line, "channel") == "pipe");
    let used = pipes.filter(|line| line["there"]["sent"] != 0);
    let sums = used.map(|line| {
        (
            line["there"]["sent"].clone(),
            line["there"]["received"].clone(),
        )
    });
    let sums: Vec<_> = sums.collect();
    assert_eq!(sums, [(8.into(), 8.into()), (8.into(), 8.into())]);
    assert_eq!(received_is_what_was_sent(recording.trace()), 16);
}

const CHANNELS: &str = r#"
import os, socket
a, b = socket.socketpair()
if os.fork() == 0:
    a.close(); got = b.recv(100); b.sendall(got.upper()); os._exit(0)
b.close(); a.sendall(b'by a pair'); a.recv(100); os.wait()
s = socket.socket(socket.AF_UNIX); s.bind('door'); s.listen()
r, w = os.pipe()
if os.fork() == 0:
    c = socket.socket(socket.AF_UNIX); c.connect('door')
    socket.send_fds(c, [b'take this'], [w]); c.recv(10); os._exit(0)
os.close(w)
c, _ = s.accept()
_, fds, _, _ = socket.recv_fds(c, 100, 4)
os.write(fds[0], b'by a passed descriptor'); os.read(r, 100); c.sendall(b'by a path'); os.wait()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
if os.fork() == 0:
    v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    v.sendto(b'first datagram', u.getsockname()); v.sendto(b'second datagram', u.getsockname()); v.recv(100); os._exit(0)
u.recvfrom(100); _, back = u.recvfrom(100); u.sendto(b'datagram back', back); os.wait()
os.mkfifo('fifo')
if os.fork() == 0:
    f = open('fifo', 'w'); f.write('by a fifo'); f.close(); os._exit(0)
open('fifo').read(); os.wait()
d, e = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
d.send(b'x'); d.send(b''); d.send(b'z'); e.recv(9); e.recv(9); e.recv(9)
"#;

#[test]
fn pairs_paths_datagrams_fifos_and_passed_descriptors() {
    need("python3", "python3");
    let recording = program(&["python3", "-c", CHANNELS]).record();
    let list = lines(&recording, &["--connections"]);
    let of = |channel: &str| -> Vec<(u64, u64)> {
        let of = list.iter().filter(|line| text(line, "channel") == channel);
        let counts = of.map(|line| {
            let both = ["there", "back"].map(|way| {
                let [sent, received] = ["sent", "received"].map(|what| line[way][what].as_u64());
                assert_eq!(sent, received, "{line}");
                sent.expect("a count")
            });
            assert_eq!(line["certain"], true);
            (both[0], both[1])
        });
        counts.collect()
    };
    assert_eq!(of("unix"), [(9, 9), (9, 9)]);
    assert_eq!(of("udp"), [(2, 1)]);
    assert_eq!(of("fifo"), [(9, 0)]);
    assert_eq!(of("unix-messages"), [(3, 0)]);
    assert!(of("pipe").contains(&(22, 0)));
    let told = messages(&lines(&recording, &[]));
    let has = |wanted: &str| {
        assert!(
            told.iter().any(|told| told.ends_with(wanted)),
            "{wanted}: {told:?}"
        )
    };
    has("python3 > python3: \"second datagram\"");
    has("python3 > python3: \"datagram back\"");
    has("python3 > python3: \"by a fifo\"");
    has("python3 > python3: \"by a passed descriptor\"");
    // Each end is a process of its own, however they are called.
    for channel in ["unix", "udp", "fifo"] {
        let line = list
            .iter()
            .find(|line| text(line, "channel") == channel)
            .expect(channel);
        let [a, b] = [0, 1].map(|end| line["ends"][end]["processes"][0]["process"].as_u64());
        assert!(a.is_some() && b.is_some() && a != b, "{line}");
    }
    assert!(received_is_what_was_sent(recording.trace()) >= 67);
    let mut reader = Reader::open(recording.trace()).expect("a trace");
    let mut story = Story::new(&reader);
    let model = Model::read(&mut reader, &mut story, &mut |_, _| {}).expect("a sound trace");
    assert_eq!(model.causality().dropped(), 0);
    for number in 0..story.connections().all().len() as u32 {
        for side in [Side::Zero, Side::One] {
            let way = model.direction(ConnectionId(number), side);
            for got in &way.receives {
                let sent = way.sent_in(got.start, got.end);
                assert!(!sent.is_empty() && got.certain, "{number} {side:?} {got:?}");
                let after = |place| model.causality().happens_before(place, got.point.place);
                assert!(
                    sent.iter().all(|sent| after(sent.point.place)),
                    "{got:?} {sent:?}"
                );
            }
        }
    }
}

#[test]
fn a_peer_that_was_not_recorded_is_called_outside() {
    need("curl", "curl");
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = server.local_addr().expect("a bound address");
    let serving = thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a client");
        let mut request = [0; 4096];
        let got = stream.read(&mut request).expect("a request");
        assert!(got > 0, "a client asks before it leaves");
        let reply = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes";
        stream.write_all(reply.as_bytes()).expect("a reply");
    });
    let url = format!("http://{address}/");
    let recording = program(&["curl", "-s", &url]).record();
    serving.join().expect("the server served");
    let all = lines(&recording, &["--protocol", "http"]);
    assert_eq!(all.len(), 2, "{all:?}");
    for (line, incoming) in all.iter().zip([false, true]) {
        assert_eq!(text(&line["peer"], "outside"), address.to_string());
        assert_eq!(
            (name(text(line, "who")), &line["incoming"]),
            ("curl", &incoming.into())
        );
    }
    let shown = recording.replay_with(&["show", "--protocol", "http"], recording.trace());
    let wanted = format!("curl[1] → outside {address}  GET /");
    assert!(shown.text().contains(&wanted), "{}", shown.text());
}

#[test]
fn text_from_a_trace_cannot_steer_a_terminal() {
    let recording = script("printf 'a\\033[2Jb\\007\\n'; printf '\\033]0;x\\007' | cat; x=$'\\033[31m'; /bin/echo \"$x\" >/dev/null").record();
    for options in [
        &["show"][..],
        &["show", "--raw"],
        &["show", "--connections"],
        &["show", "--json"],
    ] {
        let shown = recording.replay_with(options, recording.trace());
        assert_eq!(shown.code(), Some(0));
        let bad = shown
            .stdout
            .iter()
            .find(|byte| **byte < b' ' && **byte != b'\n' || **byte == 0x7f);
        assert_eq!(bad, None, "{options:?}");
    }
    let shown = recording.replay_with(&["show"], recording.trace());
    assert!(shown.text().contains("a\\u{1b}[2Jb"), "{}", shown.text());
    let coloured = recording.replay_with(&["show", "--color", "always"], recording.trace());
    assert!(coloured.text().contains("\u{1b}["));
    // Colours and nothing else: `ESC [ … m`.
    for after in coloured.text().split('\u{1b}').skip(1) {
        let end = after.find(|c: char| !matches!(c, '[' | ';' | '0'..='9'));
        assert_eq!(end.map(|end| &after[end..end + 1]), Some("m"), "{after:?}");
    }
}

#[test]
fn calls_read_as_strace_shows_them() {
    let recording = script("cat /absent; echo hi").record();
    let shown = recording.replay_with(
        &["show", "--raw", "--match", "absent|hi"],
        recording.trace(),
    );
    let text = shown.text();
    let opens = "openat(AT_FDCWD, \"/absent\", 0x0, 0o0) = -1 ENOENT";
    assert!(
        text.lines()
            .any(|line| line.starts_with(' ') && line.contains("cat[") && line.ends_with(opens)),
        "{text}"
    );
    assert!(text.contains("write(1, \"hi\\n\", 3) = 3"), "{text}");
    let one = recording.replay_with(&["show", "--raw", "--events", "p1:3..5"], recording.trace());
    let names: Vec<_> = one
        .text()
        .lines()
        .map(|line| line.split_whitespace().nth(1).map(str::to_owned))
        .collect();
    assert_eq!(
        names,
        ["p1:3", "p1:4", "p1:5"].map(|name| Some(name.to_owned()))
    );
}

#[test]
fn filters_take_away_and_never_add() {
    let recording = script("for i in 1 2 3; do echo $i | cat; sleep 0.1; done").record();
    let all = lines(&recording, &[]);
    let fewer: [&[&str]; 6] = [
        &["--process", "cat"],
        &["--process", "1"],
        &["--match", "stdout"],
        &["--from", "0.1", "--to", "0.25"],
        &["--connection", "1"],
        &["--protocol", "pipe"],
    ];
    for options in fewer {
        let some = lines(&recording, options);
        assert!(
            !some.is_empty() && some.len() < all.len(),
            "{options:?}: {}",
            some.len()
        );
        assert!(some.iter().all(|line| all.contains(line)), "{options:?}");
    }
    let times: Vec<_> = lines(&recording, &["--from", "0.1", "--to", "0.25"]);
    let within =
        |line: &Value| (100_000_000..=250_000_000).contains(&line["time_ns"].as_u64().unwrap_or(0));
    assert!(times.iter().all(within));
}

#[test]
fn what_cannot_be_shown_is_said() {
    let recording = script("echo x | cat").record();
    let fails: [(&[&str], &str); 6] = [
        (&["--descriptors", "/absent"], "/absent: "),
        (&["--causes-of", "p99:1"], "there is no p99"),
        (&["--causes-of", "p1:999999"], "there is no event"),
        (&["--causes-of", "1:2"], "an event is named like"),
        (&["--match", "("], "regex"),
        (&["--from", "soon"], "use seconds"),
    ];
    for (options, wanted) in fails {
        let options = [&["show"], options].concat();
        let shown = recording.replay_with(&options, recording.trace());
        assert_eq!(shown.code(), Some(64), "{options:?}");
        assert!(
            shown.error_text().contains(wanted),
            "{}",
            shown.error_text()
        );
    }
    // A reader that has seen enough is no failure.
    let pipeline = "\"$0\" show --color always \"$1\" | head -1 >/dev/null; echo ${PIPESTATUS[0]}";
    let ended = Command::new("bash")
        .args(["-c", pipeline])
        .arg(replay_binary())
        .arg(recording.trace())
        .output()
        .expect("bash starts");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "0\n");
    assert!(ended.stderr.is_empty());
}
