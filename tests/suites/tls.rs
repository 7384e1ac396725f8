//! What was said over TLS reads as if it had been said in the clear, where the keys are known, and is
//! shown as encrypted where they are not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reenact_tests::{need, script, source, until, Recording, Subject};
use serde_json::Value;

/// A certificate for localhost with its key, in one file.
fn certificate(folder: &Path) -> PathBuf {
    let (key, pem) = (folder.join("key.pem"), folder.join("both.pem"));
    let made = Command::new(need("openssl", "openssl"))
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&pem)
        .output()
        .expect("openssl starts");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let both = [fs::read(&pem), fs::read(&key)].map(|part| part.expect("a file"));
    fs::write(&pem, both.concat()).expect("a file of our own");
    pem
}

const PATHS: [&str; 4] = ["first", "absent", "large", "last"];

/// A server with `options`, and curl asking it for all paths, in two connections.
fn asked(scheme: &str, options: &str) -> Subject {
    need("curl", "curl");
    let text = format!(
        "{options} & S=$!; until grep -q . port 2>/dev/null; do sleep 0.05; done; read port < port
U={scheme}://localhost:$port; curl -sS --cacert $PEM --resolve localhost:$port:127.0.0.1 $U/first $U/absent $U/large
curl -sS --cacert $PEM --resolve localhost:$port:127.0.0.1 $U/last; wait $S"
    );
    script(&text).env(
        "SERVER",
        source("https.py").to_str().expect("a path in UTF-8"),
    )
}

fn shown(recording: &Recording, options: &[&str]) -> Vec<Value> {
    let options = [&["show", "--json"], options].concat();
    let shown = recording.replay_with(&options, recording.trace());
    if shown.code() != Some(0) {
        recording.fail("replay show fails", Some(&shown));
    }
    let text = shown.text();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Messages of HTTP as `who > peer: text`, without numbers.
fn http(recording: &Recording, options: &[&str]) -> Vec<String> {
    let lines = shown(recording, &[&["--protocol", "http"], options].concat());
    let name = |text: &str| text.split(['[', ' ']).next().unwrap_or_default().to_owned();
    let told = lines.iter().map(|line| {
        let body = line["body"]["content"].as_str().unwrap_or_default();
        let (who, peer) = (name(text(line, "who")), name(text(&line["peer"], "name")));
        format!("{who} > {peer}: {} ({})", text(line, "text"), body.len())
    });
    told.collect()
}

/// Whether some line says that it is encrypted.
fn is_hidden(recording: &Recording, options: &[&str]) -> bool {
    let lines = shown(recording, &[&["--protocol", "tls"], options].concat());
    lines
        .iter()
        .any(|line| text(line, "text").ends_with("encrypted"))
}

#[test]
fn what_curl_says_over_tls_reads_as_over_plain_http() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pem = certificate(folder.path());
    let pem = pem.to_str().expect("a path in UTF-8");
    // As many as there are connections.
    let plain = asked("http", "python3 $SERVER 2").env("PEM", pem).record();
    let wanted = http(&plain, &[]);
    assert_eq!(wanted.len(), 2 * PATHS.len(), "{wanted:?}");
    assert_eq!(wanted[0], "curl > python3: GET /first (0)");
    assert!(wanted[5].ends_with("(20000)"), "{wanted:?}");
    for version in ["1.2", "1.3"] {
        let server = format!("python3 $SERVER 2 {version} $PEM");
        let log = folder.path().join(format!("client-{version}.keys"));
        let log = log.to_str().expect("a path in UTF-8");
        let client = asked("https", &server)
            .env("PEM", pem)
            .env("SSLKEYLOGFILE", log);
        let client = client.record();
        assert!(fs::read_to_string(log).is_ok_and(|log| log.contains("CLIENT_")));
        assert_eq!(
            http(&client, &[]),
            wanted,
            "TLS {version}, keys of the client"
        );
        assert!(!is_hidden(&client, &[]), "TLS {version}");
        // A span knows that it was said over TLS.
        let spans = client
            .replay_with(&["export", "otlp", "-o", "-"], client.trace())
            .text();
        let whole = r#""key":"url.full","value":{"stringValue":"https://localhost:"#;
        assert_eq!(
            spans.matches(whole).count(),
            2 * PATHS.len(),
            "TLS {version}"
        );
        // Times and causes are those of the calls that carried the records.
        let lines = shown(&client, &["--protocol", "http"]);
        assert!(lines[1]["took_ns"]
            .as_u64()
            .is_some_and(|took_ns| took_ns > 0));
        let causes = shown(
            &client,
            &["--causes-of", text(&lines[1], "event"), "-n", "3"],
        );
        assert!(
            causes.iter().any(|line| text(line, "text") == "GET /first"),
            "{causes:?}"
        );
        // A server that writes its keys down is as good.
        let server = format!("env -u SSLKEYLOGFILE python3 $SERVER 2 {version} $PEM server.keys");
        let server = asked("https", &server).env("PEM", pem).record();
        assert_eq!(
            http(&server, &[]),
            wanted,
            "TLS {version}, keys of the server"
        );
        // Nobody does: all of it is said to be encrypted.
        let server = format!("python3 $SERVER 2 {version} $PEM");
        let nobody = asked("https", &server).env("PEM", pem).record();
        assert!(http(&nobody, &[]).is_empty() && is_hidden(&nobody, &[]));
        // Another session's keys do not help.
        let options = ["--tls-keys", log];
        assert!(http(&nobody, &options).is_empty() && is_hidden(&nobody, &options));
    }
}

#[test]
fn keys_may_come_from_a_file_and_wireshark_gets_them() {
    need("curl", "curl");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pem = certificate(folder.path());
    let pem_text = pem.to_str().expect("a path in UTF-8");
    let recorder = script("exec python3 $SERVER 1 1.3 $PEM")
        .env(
            "SERVER",
            source("https.py").to_str().expect("a path in UTF-8"),
        )
        .env("PEM", pem_text)
        .start_recording();
    let port = recorder.folder().join("port");
    let port = until("the server listens", || {
        let port = fs::read_to_string(&port).ok()?;
        Some(port.trim().to_owned()).filter(|port| !port.is_empty())
    });
    // The client is not recorded, and so its keys are not in the trace.
    let keys = folder.path().join("keys");
    let asked = Command::new("curl")
        .args(["-sS", "--cacert", pem_text, "--resolve"])
        .arg(format!("localhost:{port}:127.0.0.1"))
        .arg(format!("https://localhost:{port}/from-outside"))
        .env("SSLKEYLOGFILE", &keys)
        .output()
        .expect("curl starts");
    assert!(
        asked.status.success(),
        "{}",
        String::from_utf8_lossy(&asked.stderr)
    );
    let recording = recorder.finish();
    assert!(http(&recording, &[]).is_empty() && is_hidden(&recording, &[]));
    let keys_text = keys.to_str().expect("a path in UTF-8");
    let told = shown(&recording, &["--protocol", "http", "--tls-keys", keys_text]);
    let texts: Vec<&str> = told.iter().map(|line| text(line, "text")).collect();
    assert_eq!(texts[0], "GET /from-outside");
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(!is_hidden(&recording, &["--tls-keys", keys_text]));
    // One digit of each secret is another.
    let log = fs::read_to_string(&keys).expect("a file");
    let wrong = folder.path().join("wrong");
    let lines = log.lines().map(|line| {
        let (line, last) = line.split_at(line.len() - 1);
        format!("{line}{}\n", if last == "0" { "1" } else { "0" })
    });
    fs::write(&wrong, lines.collect::<String>()).expect("a file of our own");
    let wrong = ["--tls-keys", wrong.to_str().expect("a path in UTF-8")];
    assert!(http(&recording, &wrong).is_empty() && is_hidden(&recording, &wrong));
    let none = ["show", "--tls-keys", pem_text];
    let none = recording.replay_with(&none, recording.trace());
    assert_eq!(none.code(), Some(64));
    assert!(
        none.error_text().contains("SSLKEYLOGFILE"),
        "{}",
        none.error_text()
    );
    // A capture has the keys with it.
    let capture = folder.path().join("run.pcapng");
    let capture_text = capture.to_str().expect("a path in UTF-8");
    let options = [
        "export",
        "pcapng",
        "--tls-keys",
        keys_text,
        "-o",
        capture_text,
    ];
    let exported = recording.replay_with(&options, recording.trace());
    assert_eq!(exported.code(), Some(0), "{}", exported.error_text());
    let read = Command::new(need("tshark", "tshark"))
        .arg("-r")
        .arg(&capture)
        .args(["-d", &format!("tcp.port=={port},tls"), "-Y", "http.request"])
        .args(["-T", "fields", "-e", "http.request.uri"])
        .output()
        .expect("tshark starts");
    assert_eq!(
        String::from_utf8_lossy(&read.stdout).trim(),
        "/from-outside"
    );
}

#[test]
fn what_is_within_is_known_by_what_was_agreed_on() {
    need("node", "nodejs");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pem = certificate(folder.path());
    let recording = asked("https", "env -u SSLKEYLOGFILE node $H2 $PEM 4")
        .env("PEM", pem.to_str().expect("a path in UTF-8"))
        .env("H2", source("http2.js").to_str().expect("a path in UTF-8"))
        .env("SSLKEYLOGFILE", "keys")
        .record();
    let lines = shown(&recording, &["--protocol", "http/2"]);
    let requests = lines.iter().filter(|line| text(line, "type") == "request");
    let requests: Vec<&str> = requests.map(|line| text(line, "text")).collect();
    assert_eq!(requests, PATHS.map(|path| format!("GET /{path}")));
    let replies = lines.iter().filter(|line| text(line, "type") == "reply");
    let replies: Vec<&str> = replies.map(|line| text(line, "text")).collect();
    assert_eq!(replies.len(), 4, "{replies:?}");
    assert!(
        replies
            .iter()
            .all(|reply| reply.starts_with("200 text/plain")),
        "{replies:?}"
    );
    let agreed = shown(&recording, &["--match", "EncryptedExtensions h2"]);
    assert_eq!(agreed.len(), 2, "{agreed:?}");
}
