//! A system of several languages and protocols: `replay show` lists every request with its reply, and
//! the servers counted as many.

use std::collections::{BTreeMap, BTreeSet};

use reenact_tests::kiosk::export;
use reenact_tests::{
    c_program, go_program, need, postgres_cluster, postgres_programs, program, shop_packages,
    source, wireshark, Recording,
};
use serde_json::Value;

const CUSTOMERS: u64 = 4;
const ORDERS_EACH: u64 = 20;

/// Customers (C), gateway (Go), pricing (Python), stock (Node), Redis and PostgreSQL, recorded.
fn shop() -> Recording {
    need("redis-server", "redis-server");
    need("node", "nodejs");
    let python = need("python3", "python3").display().to_string();
    let [python_path, node_path] = shop_packages().map(|folder| folder.display().to_string());
    let paths = [
        ("GATEWAY", go_program("shop/gateway.go")),
        ("CUSTOMER", c_program("shop/customer.c")),
        ("PG_BIN", postgres_programs()),
        ("CLUSTER", postgres_cluster("shop")),
    ];
    let script = source("shop/shop.sh").display().to_string();
    let subject = program(&["bash", &script])
        .env("PYTHON", &python)
        .env("PYTHONPATH", &python_path)
        .env("NODE_PATH", &node_path)
        .env("THREADS", &CUSTOMERS.to_string())
        .env("ORDERS", &ORDERS_EACH.to_string());
    let subject = paths.iter().fold(subject, |subject, (name, path)| {
        subject.env(name, &path.display().to_string())
    });
    let recording = subject.record();
    if recording.recorded.code() != Some(0) {
        recording.fail("the shop does not run", None);
    }
    recording
}

/// What the parts of the system printed: `stock handled 80` as ("stock handled", 80).
fn counters(recording: &Recording) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    for line in recording.stdout().lines() {
        let words: Vec<&str> = line.split([' ', '|']).collect();
        for pair in words[1..].chunks(2) {
            if let [name, count] = pair {
                let count = count.parse().expect("a count");
                counters.insert(format!("{} {name}", words[0]), count);
            }
        }
    }
    counters
}

/// A step of an order: who asks whom, by which protocol and words, and which counter has them.
struct Hop {
    from: &'static str,
    to: &'static str,
    protocol: &'static str,
    asks: &'static str,
    counter: &'static str,
    /// Whether the request, and the reply, name the order.
    names: [bool; 2],
}

const fn hop(
    [from, to]: [&'static str; 2],
    protocol: &'static str,
    asks: &'static str,
    counter: &'static str,
    names: [bool; 2],
) -> Hop {
    Hop {
        from,
        to,
        protocol,
        asks,
        counter,
        names,
    }
}

const BOTH: [bool; 2] = [true, true];
const HOPS: [Hop; 6] = [
    hop(
        ["customer", "gateway"],
        "http/1",
        "POST /order",
        "gateway handled",
        BOTH,
    ),
    hop(
        ["gateway", "redis-server"],
        "redis",
        "INCR orders",
        "redis incr",
        [false, false],
    ),
    hop(
        ["gateway", "redis-server"],
        "redis",
        "HSET order:",
        "redis hset",
        [true, false],
    ),
    hop(
        ["gateway", "python3"],
        "http/1",
        "POST /price",
        "pricing handled",
        BOTH,
    ),
    hop(
        ["python3", "node"],
        "grpc",
        "gRPC /shop.Stock/Reserve",
        "stock handled",
        BOTH,
    ),
    hop(
        ["python3", "postgres"],
        "postgresql",
        "Execute INSERT",
        "postgres inserts",
        [true, false],
    ),
];

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

fn program_of(name: &str) -> &str {
    name.split(['[', ' ']).next().unwrap_or_default()
}

/// The order that a message speaks of, such as `c3-17`.
fn order(line: &Value) -> Option<String> {
    let body = line["body"].to_string();
    let words = body.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let mut names = words.filter(|word| {
        let parts = word.strip_prefix('c').and_then(|rest| rest.split_once('-'));
        parts.is_some_and(|(customer, number)| {
            customer.parse::<u8>().is_ok() && number.parse::<u8>().is_ok()
        })
    });
    names.next().map(str::to_owned)
}

/// Compares what was shown with what the servers counted; says what does not agree.
fn judge(lines: &[Value], counters: &BTreeMap<String, u64>) -> Result<(), String> {
    let of_shop = |name: &str| {
        let name = program_of(name);
        HOPS.iter().any(|hop| hop.from == name || hop.to == name)
    };
    let messages: Vec<&Value> = lines
        .iter()
        .filter(|line| text(line, "kind") == "message")
        .filter(|line| of_shop(text(line, "who")) && of_shop(text(&line["peer"], "name")))
        .collect();
    // Replies by the requests that they answer.
    let mut replies: BTreeMap<(u64, u64), Vec<(usize, &Value)>> = BTreeMap::new();
    for (at, line) in messages.iter().enumerate() {
        if let Some(request) = line["answers"]["request"].as_u64() {
            let connection = line["connection"].as_u64().ok_or("no connection")?;
            if line["answers"]["certain"] != true {
                return Err(format!("an uncertain reply: {line}"));
            }
            replies
                .entry((connection, request))
                .or_default()
                .push((at, *line));
        }
    }
    // For each order, where the requests about it stand, hop by hop, and then their replies.
    let mut stands: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for hop in &HOPS {
        let mut orders = BTreeSet::new();
        let mut count = 0;
        for (at, line) in messages.iter().enumerate() {
            let ours = text(line, "protocol") == hop.protocol
                && text(line, "type") == "request"
                && text(line, "text").starts_with(hop.asks);
            if !ours {
                continue;
            }
            count += 1;
            let ends = [text(line, "who"), text(&line["peer"], "name")].map(program_of);
            if ends != [hop.from, hop.to] || line["incoming"] != false {
                return Err(format!("from {} to {}? {line}", hop.from, hop.to));
            }
            let key = (line["connection"].as_u64(), line["message"].as_u64());
            let (Some(connection), Some(message)) = key else {
                return Err(format!("a request without a number: {line}"));
            };
            let Some([(reply_at, reply)]) = replies.get(&(connection, message)).map(Vec::as_slice)
            else {
                return Err(format!("not one reply: {line}"));
            };
            if program_of(text(reply, "who")) != hop.to || *reply_at < at {
                return Err(format!("an odd reply: {reply}"));
            }
            let named = [order(line), order(reply)];
            for (name, due) in named.iter().zip(hop.names) {
                if due != name.is_some() || due && *name != named[0] {
                    return Err(format!("which order? {line} {reply}"));
                }
            }
            if let Some(name) = &named[0] {
                orders.insert(name.clone());
                let stands = stands.entry(name.clone()).or_default();
                stands.push(at);
                stands.extend(hop.names[1].then_some(*reply_at));
            }
        }
        let counted = counters.get(hop.counter).copied();
        if counted != Some(count) {
            return Err(format!(
                "{}: {counted:?} counted, {count} shown",
                hop.counter
            ));
        }
        if hop.names[0] && orders.len() as u64 != count {
            return Err(format!(
                "{}: {} orders in {count}",
                hop.counter,
                orders.len()
            ));
        }
    }
    for (name, at) in stands {
        // Order, asked; price asked; stock asked and told; row; and back again.
        let [ordered, answered, kept, asked, priced, wanted, had, row] = at[..] else {
            return Err(format!("{name} is in {} messages", at.len()));
        };
        let story = [ordered, kept, asked, wanted, had, row, priced, answered];
        if !story.is_sorted() {
            return Err(format!("{name}: told in the order {story:?}"));
        }
    }
    // What else was said opens the session with PostgreSQL.
    let asked = |line: &Value| {
        HOPS.iter()
            .any(|hop| text(line, "text").starts_with(hop.asks))
    };
    let mut requests = BTreeSet::new();
    for line in messages
        .iter()
        .filter(|line| text(line, "type") == "request")
    {
        if !asked(line) && text(line, "protocol") != "postgresql" {
            return Err(format!("nobody asked for that: {line}"));
        }
        let key = line["connection"].as_u64().zip(line["message"].as_u64());
        let key = key.ok_or("a request without a number")?;
        if !requests.insert(key) || replies.get(&key).map(Vec::len) != Some(1) {
            return Err(format!("not one reply: {line}"));
        }
    }
    match replies.keys().find(|key| !requests.contains(key)) {
        Some(key) => Err(format!("a reply to nothing: {key:?}")),
        None => Ok(()),
    }
}

/// Wireshark finds the same requests in the packets: as many by each protocol, and to the same ends.
fn tshark_agrees(recording: &Recording, lines: &[Value]) {
    let (capture, exported) = export(recording, "pcapng", "shop.pcapng");
    let hints = &wireshark::taught(&exported);
    // A packet may have several messages, whose values come with commas between.
    let fields = |filter: &str, field: &str| {
        let packets = wireshark::fields(&capture, hints, filter, field).join(",");
        packets.split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    let shown = |protocol: &str, begins: &str| {
        let ours = lines.iter().filter(|line| {
            text(line, "kind") == "message"
                && text(line, "protocol") == protocol
                && text(line, "text").starts_with(begins)
        });
        ours.count()
    };
    let due = (CUSTOMERS * ORDERS_EACH) as usize;
    let count = |values: &[String], wanted: &str| values.iter().filter(|v| *v == wanted).count();

    let uris = fields("http.request", "http.request.uri");
    assert_eq!(count(&uris, "/order"), due);
    assert_eq!(count(&uris, "/price"), due);
    assert_eq!(uris.len(), shown("http/1", "POST "));
    let paths = fields("http2.headers.path", "http2.headers.path");
    assert_eq!(count(&paths, "/shop.Stock/Reserve"), paths.len());
    assert_eq!(paths.len(), shown("grpc", "gRPC /shop.Stock/Reserve"));
    let bodies = fields("grpc", "grpc.message_length");
    assert_eq!(bodies.len(), shown("grpc", "gRPC "));
    let said = fields("pgsql", "pgsql.type");
    for (theirs, ours) in [
        ("Startup message", "Startup "),
        ("Simple query", "Query "),
        ("Execute", "Execute "),
        ("Termination", "Terminate"),
    ] {
        assert_eq!(count(&said, theirs), shown("postgresql", ours), "{theirs}");
    }
    assert_eq!(count(&said, "Execute"), due);
    let words = fields("resp", "resp.bulk_string.value");
    let hex = |word: &str| {
        word.bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    for word in ["INCR", "HSET"] {
        let theirs = [word.to_owned(), word.to_lowercase()].map(|word| count(&words, &hex(&word)));
        assert_eq!(theirs.iter().sum::<usize>(), shown("redis", word), "{word}");
    }
    let bad = wireshark::tshark(&capture, hints, &["-Y", wireshark::BAD]);
    assert_eq!(bad, Vec::<String>::new());
}

#[test]
fn every_request_of_a_shop_in_four_languages_is_shown_with_its_reply() {
    let recording = shop();
    let counters = counters(&recording);
    let due = CUSTOMERS * ORDERS_EACH;
    assert_eq!(counters["customers answers"], due, "{counters:?}");
    assert_eq!(counters["gateway commands"], 2 * due, "{counters:?}");
    assert_eq!(counters["postgres rows"], due, "{counters:?}");
    let shown = recording.replay_with(&["show", "--json"], recording.trace());
    if shown.code() != Some(0) {
        recording.fail("replay show fails", Some(&shown));
    }
    let lines: Vec<Value> = shown
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    if let Err(why) = judge(&lines, &counters) {
        recording.fail(&why, None);
    }

    // The comparison sees a message that is lost, one that is invented, and a reply of another request.
    let of_hop = |hop: &Hop, kind: &str| {
        lines.iter().position(|line| {
            text(line, "protocol") == hop.protocol
                && text(line, "type") == kind
                && [hop.from, hop.to].contains(&program_of(text(line, "who")))
                && [hop.from, hop.to].contains(&program_of(text(&line["peer"], "name")))
                && (kind == "reply" || text(line, "text").starts_with(hop.asks))
        })
    };
    for hop in &HOPS {
        for kind in ["request", "reply"] {
            let at = of_hop(hop, kind).expect("a message");
            let mut lost = lines.clone();
            lost.remove(at);
            assert!(judge(&lost, &counters).is_err(), "lost: {}", lines[at]);
            let mut doubled = lines.clone();
            doubled.insert(at, lines[at].clone());
            assert!(judge(&doubled, &counters).is_err(), "twice: {}", lines[at]);
        }
        let mut turned = lines.clone();
        let at = of_hop(hop, "reply").expect("a reply");
        turned[at]["answers"]["request"] = 999_999.into();
        assert!(judge(&turned, &counters).is_err(), "turned: {}", lines[at]);
    }
    let mut counted_more = counters.clone();
    *counted_more.get_mut("stock handled").expect("a counter") += 1;
    assert!(judge(&lines, &counted_more).is_err());
    tshark_agrees(&recording, &lines);
    recording.replay().same_output();
}
