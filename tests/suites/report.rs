//! `replay report`: pages of real recordings, driven in a browser.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Instant;

use reenact_tests::{need, script, source, Browser, Recording};
use serde_json::{json, Value};

/// Writes a page about a recording, and gives where it is and what was said.
fn report(recording: &Recording, options: &[&str]) -> (PathBuf, String) {
    let page = recording.folder("page").join("report.html");
    let name = page.display().to_string();
    let options = [&["report", "-o", &name], options].concat();
    let told = recording.replay_with(&options, recording.trace());
    if told.code() != Some(0) {
        recording.fail("replay report fails", Some(&told));
    }
    let mode = fs::metadata(&page).expect("a page").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "what programs said is for its owner");
    (page, told.error_text())
}

/// A redis-server and its clients. One of them says what would run if the page let it.
fn redis() -> Recording {
    need("redis-server", "redis-server");
    need("redis-cli", "redis-tools");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("a bound address").port();
    drop(free);
    script(&format!(
        "redis-server --port {port} --bind 127.0.0.1 --save '' >log 2>&1 & S=$!
for i in $(seq 200); do redis-cli -p {port} ping >/dev/null 2>&1 && break; sleep 0.05; done
redis-cli -p {port} set key:1 xyz; redis-cli -p {port} get key:1
redis-cli -p {port} set hostile \"$HOSTILE\"
redis-cli -p {port} lpush jobs '{{\"id\": 17, \"name\": \"needle\"}}'
redis-cli -p {port} shutdown nosave; wait $S; exit 3"
    ))
    .env("HOSTILE", HOSTILE)
    .record()
}

const HOSTILE: &str =
    "</script><script>document.title='owned'</script><img src=http://127.0.0.1:9/x \
    onerror=\"document.title='owned'\"><svg onload=\"document.title='owned'\"><!--";

/// The line whose text begins so.
fn line(browser: &Browser, side: u32, text: &str) -> u64 {
    let found = browser.run(
        "const run = reenact.runs[arguments[0]];
         for (let at = 0; at < run.count; at++) if (run.text(at).startsWith(arguments[1])) return at;",
        vec![json!(side), json!(text)],
    );
    found
        .as_u64()
        .unwrap_or_else(|| panic!("{text} is not on the page"))
}

/// Scrolls to a line and gives where it is in the window.
fn place(browser: &Browser, side: u32, line: u64) -> (f64, f64) {
    let place = browser.run(
        "reenact.bring(arguments[0], arguments[1]); return reenact.diagrams[arguments[0]].pointOf(arguments[1])",
        vec![json!(side), json!(line)],
    );
    let number = |name: &str| place[name].as_f64().expect("a coordinate");
    (number("x"), number("y"))
}

fn text(browser: &Browser, selector: &str) -> String {
    let script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent).join('\\n')";
    let text = browser.run(script, vec![json!(selector)]);
    text.as_str().expect("a text").to_owned()
}

fn list(browser: &Browser, way: &str) -> Vec<String> {
    let script = "return [...document.querySelectorAll(`#list-${arguments[0]} button`)].map((one) => one.dataset.event)";
    let events = browser.run(script, vec![json!(way)]);
    let events = events.as_array().expect("a list").iter();
    events
        .map(|event| event.as_str().expect("an event").to_owned())
        .collect()
}

/// The events of the lines that `replay show` prints.
fn shown(recording: &Recording, option: &str, event: &str, most: usize) -> Vec<String> {
    let most = most.to_string();
    let options = ["show", option, event, "-n", &most, "--color", "never"];
    let shown = recording.replay_with(&options, recording.trace());
    assert_eq!(shown.code(), Some(0), "{}", shown.error_text());
    let events = shown.text();
    let events = events.lines().map(|line| {
        let event = line.split_whitespace().nth(1);
        event.expect("a line has an event").to_owned()
    });
    events.collect()
}

fn type_search(browser: &Browser, wanted: &str) {
    browser.key("/");
    browser.until("document.activeElement.id === 'search'");
    for letter in wanted.chars() {
        browser.key(&letter.to_string());
    }
    browser.key("Enter");
}

/// Nothing went wrong in the page, and nothing but the page was asked for.
fn is_quiet(browser: &Browser) {
    let said = browser.console();
    assert!(said.is_empty(), "{said:?}");
    let requests = browser.requests();
    let is_page = |url: &String| url.starts_with("file://");
    // The browser's own first page is made of addresses of its own.
    let own = |url: &String| is_page(url) || url.starts_with("data:") || url.starts_with("chrome:");
    assert!(requests.iter().any(is_page), "{requests:?}");
    assert!(requests.iter().all(own), "{requests:?}");
    assert_ne!(text(browser, "title"), "owned");
}

#[test]
fn a_run_of_redis() {
    let recording = redis();
    let (page, told) = report(&recording, &[]);
    assert!(told.contains("messages and other lines in"), "{told}");
    let html = fs::read_to_string(&page).expect("a page");
    assert!(html.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'"));
    println!("the page of a run of redis: {} bytes", html.len());
    let browser = Browser::start();
    browser.open(&page);
    browser.until("document.body.dataset.openMs");
    assert!(
        text(&browser, ".top").contains("exit status 3"),
        "{}",
        text(&browser, ".top")
    );
    let lanes = text(&browser, "#filter-lanes .title");
    assert!(
        lanes.contains("redis-server[2]") && lanes.contains("redis-cli · "),
        "{lanes}"
    );

    // What a message carries is found, shown below the pointer, and told in the panel.
    type_search(&browser, "needle");
    browser.until("document.getElementById('hits').textContent.startsWith('1 of ')");
    browser.until("document.body.classList.contains('selected')");
    let push = line(&browser, 0, "lpush jobs");
    browser.hover(place(&browser, 0, push));
    browser.until("!document.getElementById('tip').hidden");
    let tip = text(&browser, "#tip");
    assert!(
        tip.contains("→ redis-server[2]") && tip.contains("needle"),
        "{tip}"
    );

    // A click tells what led to it: the same as `replay show`, and in the picture, too.
    let get = line(&browser, 0, "get key:1");
    let reply = line(&browser, 0, "\"xyz\"");
    for at in [get, reply] {
        browser.key("Escape");
        browser.click(place(&browser, 0, at));
        let script = "return [reenact.chosen?.at, reenact.runs[0].event(arguments[0])]";
        let chosen = browser.run(script, vec![json!(at)]);
        assert_eq!(chosen[0], at);
        let event = chosen[1].as_str().expect("an event");
        for (way, option) in [("causes", "--causes-of"), ("effects", "--effects-of")] {
            let listed = list(&browser, way);
            assert!(!listed.is_empty(), "{way} of {event}");
            assert_eq!(
                listed,
                shown(&recording, option, event, listed.len()),
                "{way} of {event}"
            );
            let command = format!("replay show {option} {event} ");
            assert!(text(&browser, &format!(".{way} .command code")).starts_with(&command));
        }
    }
    let set = line(&browser, 0, "set key:1");
    let script = "const d = reenact.diagrams[0]; return [d.causes.has(arguments[0]), d.causes.has(arguments[1])]";
    let lit = browser.run(script, vec![json!(set), json!(push)]);
    assert_eq!(lit, json!([true, false]), "what was said later is no cause");

    // What is hostile is text.
    let hostile = line(&browser, 0, "set hostile");
    browser.click(place(&browser, 0, hostile));
    let payload = text(&browser, "#panel .payload");
    assert!(
        payload.contains("</script><script>document.title='owned'"),
        "{payload}"
    );
    is_quiet(&browser);
}

#[test]
fn the_keys_the_filters_and_what_is_left_out() {
    let recording = redis();
    let (page, told) = report(&recording, &["--limit", "25"]);
    assert!(told.contains("more are left out"), "{told}");
    let browser = Browser::start();
    browser.open(&page);
    browser.until("document.body.dataset.openMs");
    let notice = text(&browser, ".notice");
    assert!(
        notice.contains(" lines before ") && notice.contains("replay report --to"),
        "{notice}"
    );
    assert_eq!(browser.run("return reenact.runs[0].count", vec![]), 25);
    browser.key("j");
    browser.until("reenact.chosen?.at === 0");
    let cut = text(&browser, ".causes .notice");
    assert!(cut.contains("leaves out"), "{cut}");
    browser.key("j");
    browser.until("reenact.chosen?.at === 1");
    browser.key("e");
    browser.until("reenact.runs[0].isTrouble(reenact.chosen.at)");
    assert_eq!(text(&browser, "#panel .said"), "exits with status 3");
    browser.key("Escape");
    browser.until("reenact.chosen === null");
    // A protocol that is not wanted has no place.
    let redis =
        "reenact.diagrams[0].rows.items.some((at) => reenact.runs[0].protocol(at) === 'redis')";
    browser.until(redis);
    browser.run(
        "document.querySelector('#filter-protocols input').click()",
        vec![],
    );
    browser.until(&format!("!{redis}"));
    browser.run("document.getElementById('filter-none').click()", vec![]);
    browser.until(redis);
    let zoom = |browser: &Browser| browser.run("return reenact.view.rowPx", vec![]).as_f64();
    let before = zoom(&browser);
    browser.key("+");
    assert!(zoom(&browser) > before);
    is_quiet(&browser);
}

#[test]
fn a_hundred_thousand_messages() {
    need("redis-server", "redis-server");
    need("redis-benchmark", "redis-tools");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("a bound address").port();
    drop(free);
    let recording = script(&format!(
        "redis-server --port {port} --bind 127.0.0.1 --save '' >log 2>&1 & S=$!
for i in $(seq 200); do redis-cli -p {port} ping >/dev/null 2>&1 && break; sleep 0.05; done
redis-benchmark -p {port} -t set -n 50000 -c 20 -r 1000000 -q >/dev/null
redis-cli -p {port} shutdown nosave; wait $S"
    ))
    .record();
    let started = Instant::now();
    let (page, _) = report(&recording, &[]);
    let bytes = fs::metadata(&page).expect("a page").len();
    println!(
        "a page of 100,000 messages: {bytes} bytes, written in {:?}",
        started.elapsed()
    );
    assert!(bytes < 16 << 20, "{bytes}");
    let browser = Browser::start();
    let started = Instant::now();
    browser.open(&page);
    browser.until("document.body.dataset.openMs");
    let script = "return [Number(document.body.dataset.openMs), reenact.runs[0].messages]";
    let opened = browser.run(script, vec![]);
    println!(
        "opened in {:?}, {} ms of it in the page",
        started.elapsed(),
        opened[0]
    );
    let messages = opened[1].as_u64().expect("a number");
    assert!(messages >= 100_000, "{messages}");
    let middle = line(&browser, 0, "SET key:");
    let script = "return reenact.runs[0].text(arguments[0])";
    let key = browser.run(script, vec![json!(middle)]);
    let key = key
        .as_str()
        .and_then(|text| text.split(' ').nth(1))
        .expect("a key")
        .to_owned();
    let started = Instant::now();
    type_search(&browser, &key);
    browser.until("reenact.hits.length > 0 && reenact.chosen");
    println!("searched by typing in {:?}", started.elapsed());
    let script = "const at = reenact.runs[0].count - 3000; reenact.select(0, at, true); return at";
    browser.run(script, vec![]);
    let at = browser
        .run("return reenact.chosen.at", vec![])
        .as_u64()
        .expect("a line");
    let at_place = place(&browser, 0, at);
    // Out of the search, and then of the selection.
    browser.key("Escape");
    browser.key("Escape");
    browser.until("reenact.chosen === null");
    let started = Instant::now();
    browser.click(at_place);
    browser
        .until("reenact.chosen && document.querySelectorAll('#list-causes button').length >= 50");
    println!("a click told its causes in {:?}", started.elapsed());
    let event = browser.run("return reenact.runs[0].event(reenact.chosen.at)", vec![]);
    let event = event.as_str().expect("an event");
    let listed = list(&browser, "causes");
    assert_eq!(
        listed,
        shown(&recording, "--causes-of", event, listed.len())
    );
    browser.key("0");
    browser.until("reenact.view.rowPx < 0.1");
    is_quiet(&browser);
}

fn orders(plant: &str) -> Recording {
    need("python3", "python3");
    let service = source("orders.py");
    let text = format!(
        "echo '{{\"price\": 5, \"currency\": \"EUR\"}}' > config.json; exec python3 {}",
        service.display()
    );
    script(&text).env("PLANT", plant).record()
}

#[test]
fn the_difference_of_two_runs() {
    let (a, b) = (orders(""), orders("payload"));
    let rules = a.folder("rules").join("rules.toml");
    fs::write(
        &rules,
        "[[ignore]]\nprotocol = \"env\"\nfield = \"PLANT\"\n",
    )
    .expect("a file of rules");
    let rules = rules.display().to_string();
    let page = a.folder("page").join("diff.html");
    let name = page.display().to_string();
    let first = a.trace().display().to_string();
    let told = a.replay_with(
        &["report", "-o", &name, "--ignore", &rules, &first],
        b.trace(),
    );
    assert_eq!(told.code(), Some(0), "{}", told.error_text());
    assert!(
        told.error_text().contains("different, told in"),
        "{}",
        told.error_text()
    );
    // `replay diff` writes the same page, and keeps its own exit status.
    let other = a.folder("page").join("same.html");
    let other_name = other.display().to_string();
    let options = [
        "diff",
        "--json",
        "--html",
        &other_name,
        "--ignore",
        &rules,
        &first,
    ];
    let compared = a.replay_with(&options, b.trace());
    assert_eq!(compared.code(), Some(1));
    assert_eq!(
        fs::read(&page).expect("a page"),
        fs::read(&other).expect("a page")
    );
    let told: Value = serde_json::from_str(&compared.text()).expect("JSON");

    let browser = Browser::start();
    browser.open(&page);
    browser.until("document.body.dataset.openMs");
    assert_eq!(text(&browser, ".verdict"), "different");
    let findings = text(&browser, ".findings");
    for wanted in [
        told["first"]["what"].as_str(),
        told["causes"][0]["reason"].as_str(),
    ] {
        let wanted = wanted.expect("a sentence");
        assert!(findings.contains(wanted), "{wanted}: {findings}");
    }
    let fields = text(&browser, ".finding .fields td");
    assert!(fields.starts_with("content.count\n3\n7"), "{fields}");
    let noise = told["noise"].as_object().expect("counts");
    let listed = text(&browser, ".noise td:first-child");
    assert!(noise.keys().eq(listed.lines()), "{listed}");

    // The same message is in the same lane and at the same height in both runs.
    let lines = [0, 1].map(|side| line(&browser, side, "POST /order"));
    let script = "return arguments[0].map((at, side) => { const d = reenact.diagrams[side];
        return [d.lane(reenact.runs[side].process(at)), Math.round(d.rows.begin[at] * 1000)]; })";
    let places = browser.run(script, vec![json!(lines)]);
    assert_eq!(places[0], places[1]);

    // A difference leads to its place in the run.
    let button = ".finding [data-side=b][data-event]";
    browser.run(
        "document.querySelector(arguments[0]).click()",
        vec![json!(button)],
    );
    let script = "return [reenact.chosen.side, reenact.runs[1].event(reenact.chosen.at),
        document.querySelector(arguments[0]).dataset.event]";
    let chosen = browser.run(script, vec![json!(button)]);
    assert_eq!(chosen[0], 1);
    assert_eq!(chosen[1], chosen[2]);
    is_quiet(&browser);
}

#[test]
fn what_cannot_be_written_is_said() {
    let recording = script("echo x | cat").record();
    let absent = ["report", "-o", "/absent/folder/report.html"];
    let told = recording.replay_with(&absent, recording.trace());
    assert_eq!(told.code(), Some(4));
    assert!(
        told.error_text().contains("/absent/folder/report.html: "),
        "{}",
        told.error_text()
    );
    let folder = recording.folder("none");
    let page = folder.join("report.html").display().to_string();
    let cut = fs::read(recording.trace()).expect("a trace");
    let trace = folder.join("cut.zst");
    fs::write(&trace, &cut[..40]).expect("a cut trace");
    let told = recording.replay_with(&["report", "-o", &page], &trace);
    assert_eq!(told.code(), Some(5), "{}", told.error_text());
    let left = fs::read_dir(&folder).expect("a folder").count();
    assert_eq!(left, 1, "nothing but the trace is there");
}
