//! What lines say: facts, processes and bytes in words. Whatever comes from the trace is escaped.

use reenact_abi::names;
use reenact_causal::{
    Address, Bytes, Channel, ConnectionId, Connections, Moment, Peer, Side, Standard, Story,
};
use reenact_trace::StreamId;
use reenact_wire::{escape, Completeness, Direction};
use serde_json::{json, Map, Value};

use super::line::{Line, What};

/// Characters of a program's arguments, and of what is written to the run's outputs.
pub const TEXT_MAX: usize = 200;

/// Whether protocols are spoken over a channel; what goes through pipes is text or files.
pub fn has_protocol(channel: Channel) -> bool {
    match channel {
        Channel::Tcp | Channel::Unix | Channel::Socket => true,
        Channel::Udp | Channel::UnixMessages | Channel::Pipe | Channel::Fifo => false,
        Channel::Unknown => false,
    }
}

pub fn direction(from: Side) -> Direction {
    match from {
        Side::Zero => Direction::ToServer,
        Side::One => Direction::ToClient,
    }
}

pub fn main_of(story: &Story, process: u32) -> StreamId {
    let process = story.process(process);
    process.map_or(StreamId::default(), |process| process.main)
}

/// Programs that do not say what they are run for: their script does.
const INTERPRETERS: [&str; 13] = [
    "python", "pypy", "node", "deno", "bun", "bash", "sh", "dash", "perl", "ruby", "php", "lua",
    "java",
];
/// Characters of a word of a role, and arguments that are looked at.
const ROLE_MAX: usize = 24;
const WORDS_MAX: usize = 3;

/// A process as it is called in lines: its program's name, what it is run for, and its number.
pub fn name(story: &Story, process: u32) -> String {
    match story
        .process(process)
        .filter(|known| !known.name.is_empty())
    {
        None => format!("process[{process}]"),
        Some(known) => {
            let argv: Vec<String> = known.argv.iter().map(|word| escape(word)).collect();
            format!("{}[{process}]", title(&escape(&known.name), &argv))
        }
    }
}

/// A process for other tools, whose names have no spaces: its program's name and its number.
pub fn plain(story: &Story, process: u32) -> String {
    match story
        .process(process)
        .filter(|known| !known.name.is_empty())
    {
        None => format!("process[{process}]"),
        Some(known) => format!("{}[{process}]", escape(&known.name)),
    }
}

/// A program's name with what it is run for, such as `python3 render.py canary` or `server replica`, as far as
/// its arguments say.
pub fn title(name: &str, argv: &[String]) -> String {
    match role(name, argv) {
        Some(role) => format!("{name} {role}"),
        None => name.to_owned(),
    }
}

/// A program with its script, whatever its other arguments are.
pub fn kind(name: &str, argv: &[String]) -> String {
    let mut words = argv.iter().skip(1).map(String::as_str);
    match script(&mut words).filter(|_| is_interpreter(name)) {
        Some(script) => format!("{name} {}", script.rsplit('/').next().unwrap_or(script)),
        None => name.to_owned(),
    }
}

/// Whether a program is an interpreter, whatever its version.
pub fn is_interpreter(name: &str) -> bool {
    let name = name.trim_end_matches(|c: char| !c.is_alphabetic());
    INTERPRETERS.contains(&name)
}

/// The script that an interpreter runs, and the first word among the arguments.
fn role(name: &str, argv: &[String]) -> Option<String> {
    let mut words = argv.iter().skip(1).map(String::as_str);
    let script = match is_interpreter(name) {
        true => Some(script(&mut words)?),
        false => None,
    };
    let what = words
        .take_while(|word| !word.starts_with('-'))
        .take(WORDS_MAX)
        .find(|word| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let begins = word.starts_with(|c: char| c.is_ascii_alphabetic());
            let mut parts = word.split('-');
            let parts = parts.all(|part| part.len() > 1 && part.chars().all(plain));
            begins && parts && word.len() <= ROLE_MAX
        });
    let script = script.map(|script| script.rsplit('/').next().unwrap_or(script));
    let script = script.filter(|script| *script != name && script.len() <= ROLE_MAX);
    let both: Vec<&str> = script.into_iter().chain(what).collect();
    (!both.is_empty()).then(|| both.join(" "))
}

/// Takes an interpreter's own options, and the script behind them. There is none if the program itself stands
/// among the arguments.
fn script<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<&'a str> {
    loop {
        match words.next()? {
            "-c" | "-e" | "-p" | "-r" | "--eval" => return None,
            "-m" | "-jar" => return words.next(),
            "-cp" | "-classpath" | "--class-path" | "-W" | "-X" | "-I" | "--require" => {
                words.next()?;
            }
            option if option.starts_with('-') => {}
            script => return Some(script),
        }
    }
}

pub fn note(
    story: &Story,
    moment: &Moment,
    kind: &'static str,
    text: String,
    more: Map<String, Value>,
) -> Line {
    let process = moment.event.stream.process;
    Line {
        time_ns: moment.time_ns,
        told_ns: moment.time_ns,
        event: moment.event,
        place: moment.place,
        main: main_of(story, process),
        who: name(story, process),
        what: What::Note { kind, text },
        body: None,
        more,
    }
}

pub fn standard(story: &Story, moment: &Moment, which: Standard, bytes: &Bytes) -> Line {
    let verb = match which {
        Standard::Input => "reads stdin",
        Standard::Output => "writes stdout",
        Standard::Error => "writes stderr",
    };
    let text = format!("{verb}: {}", raw(bytes));
    let mut line = note(story, moment, which.name(), text, Map::new());
    line.more.insert("bytes".into(), json!(bytes.len));
    line.more.insert("data".into(), json!(lossy(&bytes.known)));
    line
}

pub fn opened(story: &Story, moment: &Moment, connection: ConnectionId, side: Side) -> Line {
    let connections: &Connections = story.connections();
    let known = connections.get(connection);
    let there = connections.peer(connection, side.other());
    let address = known.ends[1].address.as_ref().map(Address::to_string);
    let at = address.map_or(String::new(), |address| format!(" at {address}"));
    let text = match (side, there) {
        (Side::Zero, Peer::Process(process)) => {
            format!("connects to {}{at}", name(story, process))
        }
        (Side::Zero, Peer::Outside(_)) => format!("connects to somebody outside{at}"),
        (Side::One, Peer::Process(process)) => format!("accepts {}{at}", name(story, process)),
        (Side::One, Peer::Outside(address)) => {
            let from = address.map_or(String::new(), |address| format!(" from {address}"));
            format!("accepts somebody outside{from}")
        }
    };
    let kind = match side {
        Side::Zero => "connect",
        Side::One => "accept",
    };
    let mut line = note(story, moment, kind, text, Map::new());
    line.more.insert("connection".into(), json!(connection.0));
    line.more
        .insert("channel".into(), json!(known.channel.name()));
    line
}

/// `peer`: who is at the other end.
pub fn closed(
    story: &Story,
    moment: &Moment,
    connection: ConnectionId,
    peer: &str,
) -> Option<Line> {
    let known = story.connections().get(connection);
    let [there, back] = &known.streams;
    let used = [there, back]
        .iter()
        .any(|way| way.sent.max(way.received) > 0);
    let own = known.ends[0].process == known.ends[1].process;
    if !has_protocol(known.channel) || own && !used {
        return None;
    }
    let text = format!("closes the connection with {peer}");
    let mut line = note(story, moment, "close", text, Map::new());
    line.more.insert("connection".into(), json!(connection.0));
    Some(line)
}

/// Somebody who is not in the recording.
pub fn outside(channel: Channel, address: Option<&Address>) -> String {
    match address {
        Some(address) => format!("outside {address}"),
        None => format!("outside ({})", channel.name()),
    }
}

pub fn trouble(completeness: &Completeness) -> Option<String> {
    match completeness {
        Completeness::Complete => None,
        Completeness::Cut { why } => Some(format!("cut: {why}")),
        Completeness::Damaged { at, why } => Some(format!("damaged at byte {at}: {why}")),
        Completeness::Skipped { why } => Some(format!("skipped: {why}")),
    }
}

/// Bytes that nothing is known of, as a quoted line.
pub fn raw(bytes: &Bytes) -> String {
    if bytes.known.is_empty() && bytes.len > 0 {
        return format!("({} bytes, which are not in the trace)", bytes.len);
    }
    let shown = &bytes.known[..bytes.known.len().min(TEXT_MAX)];
    let text = shortened(&escape(shown).replace('"', "\\\""), TEXT_MAX);
    if shown.len() as u64 == bytes.len {
        format!("\"{text}\"")
    } else {
        format!("\"{text}\"… {} bytes", bytes.len)
    }
}

/// A word as one would type it for a shell.
pub fn quoted(word: &[u8]) -> String {
    let text = escape(word);
    let plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "-_./=:,+@%".contains(c));
    if plain {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

pub fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max).chain(['…']).collect()
}

pub fn signal_name(signal: u32) -> String {
    match names::signal(signal.into()) {
        Some(name) => name.to_owned(),
        None => format!("signal {signal}"),
    }
}

pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_process_is_called_by_what_it_is_run_for() {
        for (name, line, wanted) in [
            (
                "python3",
                "python3 -u app/render.py /tmp/x canary",
                "python3 render.py canary",
            ),
            ("python3", "python3 -c pass", "python3"),
            (
                "python3.11",
                "python3 -m http.server 8000",
                "python3.11 http.server",
            ),
            ("java", "java -cp lib Main 7", "java Main"),
            ("bash", "bash", "bash"),
            ("test.sh", "bash ./test.sh", "test.sh"),
            ("node", "node --inspect worker.js w2", "node worker.js w2"),
            ("server", "./server replica 4000", "server replica"),
            ("tr", "tr a-z A-Z", "tr"),
            ("sleep", "sleep 1", "sleep"),
            ("redis-cli", "redis-cli -p 4000 get total", "redis-cli"),
            ("curl", "curl http://127.0.0.1/x", "curl"),
        ] {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(title(name, &argv), wanted, "{line}");
        }
    }
}
