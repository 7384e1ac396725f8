//! Everything that two runs have, compared.

use std::collections::{BTreeMap, BTreeSet};

use reenact_causal::{Ended, Point};
use reenact_wire::Node;

use super::arguments::arguments;
use super::clocks::clocks;
use super::difference::{Difference, Kind, Shown};
use super::forms::Forms;
use super::inputs::{Opened, Took};
use super::noise::{Builtin, Hits, Noise, Spot};
use super::order::Arrived;
use super::pairs::Pairs;
use super::run::{Checksum, Named, Process, Run, Sight};
use super::tree::Comparer;
use crate::commands::show::words::{is_interpreter, shortened, signal_name};

/// Random reads of one process that are looked at.
const RANDOM_MAX: usize = 1024;
/// What is slow took so much longer, and so many times as long.
pub const SLOWER_BY_NS: u64 = 200_000_000;
pub const SLOWER_TIMES: u64 = 4;
/// A disk that stalled kept one call waiting so long, and so many times as long as any in the first run.
const STALLED_MIN_NS: u64 = 500_000_000;
const STALLED_TIMES: u64 = 10;
/// What tells of the shell and the terminal that a run was recorded in, rather than of the run.
const OF_TERMINAL: [&str; 9] = [
    "OLDPWD",
    "SHLVL",
    "_",
    "COLUMNS",
    "LINES",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "WINDOWID",
];
const SIGTERM: u32 = 15;
/// Characters of texts in sentences.
const TEXT_MAX: usize = 160;

/// Places in the order of each group of tasks, by their groups, ascending.
pub type Told = BTreeMap<u32, Vec<u64>>;

/// What was found.
#[derive(Default)]
pub struct Found {
    /// What differs, whatever the reason.
    pub differences: Vec<Difference>,
    /// What differs in most pairs of runs, and matters only if something else follows from it.
    pub suspects: Vec<Difference>,
    /// Events that sent messages which are pairs.
    pub matched: Vec<[Named; 2]>,
    /// Processes of the first run that were given something else, which is not told because a rule
    /// leaves it out, or because it is code. What they do otherwise need not be chance.
    pub excused: BTreeSet<u32>,
    /// Processes of the first run that read what others wrote into files while it went on.
    pub fed: BTreeSet<u32>,
    /// Processes, by run, that do again what others of the same kind do, such as one pass of a loop.
    pub loops: BTreeSet<(usize, u32)>,
    /// When something was told to processes of each run.
    pub told: [Told; 2],
    /// When processes of each run had waited as long as they wanted to, in vain.
    pub expired: [Told; 2],
    /// Hashes of answers to what is looked at again and again in both runs: what is seen is a matter of time.
    pub watched: BTreeSet<u64>,
    /// Where messages arrived that both runs have.
    pub arrived: Arrived,
    /// What messages of each run consist of.
    pub forms: [Forms; 2],
}

pub fn shown(sight: &Sight, text: impl Into<String>) -> Option<Shown> {
    Some(Shown {
        sight: sight.clone(),
        text: shortened(&text.into(), TEXT_MAX),
    })
}

/// Compares processes with what they were given and how they ended.
pub fn processes(runs: [&Run; 2], pairs: &Pairs, noise: &mut Noise, found: &mut Found) {
    for (run, only, which) in [(0, &pairs.only[0], "first"), (1, &pairs.only[1], "second")] {
        for number in only {
            let Some(process) = runs[run].processes.get(number) else {
                continue;
            };
            let name = runs[run].name(*number);
            let words = shortened(&process.argv.join(" "), TEXT_MAX);
            let what = format!("Only the {which} run starts {name}: {words}");
            let mut sides = [None, None];
            sides[run] = shown(&process.start, process.argv.join(" "));
            let [a, b] = sides;
            found
                .differences
                .push(Difference::new(Kind::Process, what).at(a, b));
        }
    }
    found.expired = runs.map(expired);
    for (a, b) in &pairs.both {
        let of = (runs[0].processes.get(a), runs[1].processes.get(b));
        if let (Some(a), Some(b)) = of {
            let parents = [(0, a), (1, b)].map(|(run, process)| {
                let parent = process.parent?;
                runs[run].processes.get(&parent)
            });
            // A child does what its parent's memory says.
            if parents[0].is_some_and(|parent| found.excused.contains(&parent.number)) {
                found.excused.insert(a.number);
            }
            if is_fed(runs[0], a) {
                found.fed.insert(a.number);
            }
            program(runs, [a, b], parents, noise, found);
            arguments(runs, [a, b], noise, found);
            environment([a, b], parents, noise, found);
            files(runs, [a, b], noise, found);
            looks(runs, [a, b], noise, found);
            clocks(runs, [a, b], parents, found);
            happenings([a, b], noise, found);
            checksums([a, b], found);
            endings(runs, [a, b], noise, found);
            slow([a, b], noise, found);
            suspects([a, b], found);
        }
    }
}

/// Whether a process reads a file that another one wrote into.
fn is_fed(run: &Run, process: &Process) -> bool {
    let read = process.inputs.files.iter();
    let read = read.filter(|file| file.errno == 0 && file.len > 0 && !is_volatile(&file.path));
    // By their paths: a loop opens one file many times.
    let paths: BTreeSet<&String> = read.map(|file| &file.path).collect();
    let written = |path: &&String| {
        let mut writers = run.writers(path);
        writers.any(|writer| writer.number != process.number)
    };
    let mut fed = paths.into_iter().filter(written);
    fed.any(|path| !run.is_fifo(path))
}

fn expired(run: &Run) -> Told {
    let mut expired = Told::new();
    for place in run.processes.values().flat_map(|one| &one.inputs.expired) {
        expired.entry(place.chain).or_default().push(place.order);
    }
    expired
        .values_mut()
        .for_each(|orders| orders.sort_unstable());
    expired
}

/// Whether two runs ran the same build of a program.
fn program(
    runs: [&Run; 2],
    of: [&Process; 2],
    parents: [Option<&Process>; 2],
    noise: &mut Noise,
    found: &mut Found,
) {
    let [a, b] = of;
    let inherited = parents.map(|parent| parent.map(|parent| &parent.inputs.image));
    let forked = inherited == [Some(&a.inputs.image), Some(&b.inputs.image)];
    let known = !a.inputs.image.is_empty() && !b.inputs.image.is_empty();
    if a.inputs.image == b.inputs.image || forked || !known {
        return;
    }
    found.excused.insert(a.number);
    if is_ignored(noise, "program", &a.name, &a.title) {
        return;
    }
    let path = match a.inputs.executable.as_str() {
        "" => &a.title,
        path => path,
    };
    let what = format!("The program {path} is another build: its code or data differ.");
    let side = |process: &Process| {
        let mapped = process.inputs.image.iter().map(|(_, len, _)| len);
        let text = format!(
            "runs {} ({} bytes mapped)",
            process.argv.join(" "),
            mapped.sum::<u64>()
        );
        shown(&process.start, text)
    };
    let mut difference = Difference::new(Kind::Program, what).at(side(a), side(b));
    difference.built = true;
    difference.outside = (runs.iter()).all(|run| run.writers(path).next().is_none());
    found.differences.push(difference);
}

/// Whether a rule leaves out all of a place, which is then counted.
fn is_ignored(noise: &mut Noise, protocol: &str, connection: &str, field: &str) -> bool {
    let mut hits = Hits::new();
    let spot = Spot {
        protocol,
        connection,
        field,
    };
    let ignored = noise.mask(spot, "contents", &mut hits) == "<ignored>";
    if ignored {
        noise.suppress(&hits);
    }
    ignored
}

/// Whether a file holds a program's code, which is told apart from what a program is given to work on.
pub fn is_code(process: &Process, path: &str) -> bool {
    const SUFFIXES: [&str; 20] = [
        ".py", ".pyc", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".pm", ".sh", ".lua", ".class",
        ".jar", ".so", ".php", ".wasm", ".tcl", ".beam", ".awk", ".go",
    ];
    let script = || {
        let mut words = process.argv.iter();
        words.next();
        interprets(process) && words.next().is_some_and(|word| word == path)
    };
    SUFFIXES.iter().any(|suffix| path.ends_with(suffix)) || path.contains(".so.") || script()
}

/// Whether a process runs an interpreter, so that its program does not say what it is.
fn interprets(process: &Process) -> bool {
    let program = process.argv.first();
    let name = program.and_then(|word| word.rsplit('/').next());
    name.is_some_and(is_interpreter)
}

/// Whether somebody looks for a service of the machine that is not there, as libraries do that look up names.
fn is_lookup(note: &str) -> bool {
    let service = ["unix:/var/run/", "unix:/run/", "unix:/dev/log"];
    let path = note.strip_prefix("cannot connect to ");
    note.ends_with("ENOENT") && path.is_some_and(|at| service.iter().any(|one| at.starts_with(one)))
}

/// What everybody reads as it starts.
fn is_of_system(path: &str) -> bool {
    ["/etc/", "/usr/", "/lib", "/proc/", "/sys/", "/dev/"]
        .iter()
        .any(|folder| path.starts_with(folder))
}

/// What an interpreter keeps of code that it has read before, and the loader of where libraries are.
fn is_cache(path: &str) -> bool {
    path.contains("/__pycache__/") || path.ends_with(".pyc") || path == "/etc/ld.so.cache"
}

fn environment(
    of: [&Process; 2],
    parents: [Option<&Process>; 2],
    noise: &mut Noise,
    found: &mut Found,
) {
    let [a, b] = of;
    let maps = |process: &Process| -> BTreeMap<String, String> {
        process.inputs.env.iter().cloned().collect()
    };
    let (of_a, of_b) = (maps(a), maps(b));
    let inherited = parents.map(|parent| parent.map(maps).unwrap_or_default());
    let names: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
    for name in names {
        let values = (of_a.get(name), of_b.get(name));
        // What the parents were given is told of them.
        let above = (inherited[0].get(name), inherited[1].get(name));
        if values.0 == values.1 || values == above {
            continue;
        }
        // Where the shell that recorded was before, and what it was started in.
        if OF_TERMINAL.contains(&name.as_str()) {
            noise.suppress_builtin(Builtin::WorkingFolder, 1);
            continue;
        }
        let mut hits = Hits::new();
        let spot = Spot {
            protocol: "env",
            connection: &a.name,
            field: name,
        };
        let mut masked = |value: Option<&String>| {
            value.map(|value| noise.mask(spot, value, &mut hits).into_owned())
        };
        let (one, other) = (masked(values.0), masked(values.1));
        let ignored = |value: &Option<String>| value.as_ref().is_none_or(|v| v == "<ignored>");
        if one == other || ignored(&one) && ignored(&other) {
            if [one, other]
                .iter()
                .flatten()
                .any(|value| value == "<ignored>")
            {
                found.excused.insert(a.number);
            }
            noise.suppress(&hits);
            continue;
        }
        let side = |process: &Process, value: Option<&String>| {
            let text = match value {
                Some(value) => format!("{name}={value}"),
                None => format!("no {name}"),
            };
            shown(&process.start, text)
        };
        let what = format!("The environment variable {name} of {} differs.", a.title);
        let mut difference = Difference::new(Kind::Environment, what);
        difference.outside = a.parent.is_none() && b.parent.is_none();
        found
            .differences
            .push(difference.at(side(a, values.0), side(b, values.1)));
    }
}

/// Files by their paths: what was read of the last one that was opened under each path, as a program
/// may look many times until a file is there.
fn files(runs: [&Run; 2], of: [&Process; 2], noise: &mut Noise, found: &mut Found) {
    let [a, b] = of;
    let mut by_path = |process: &Process| {
        let mut all: BTreeMap<String, (Opened, u64)> = BTreeMap::new();
        for file in &process.inputs.files {
            let spot = Spot {
                protocol: "file",
                connection: &process.name,
                field: "path",
            };
            let path = noise.mask(spot, &file.path, &mut Hits::new()).into_owned();
            let count = all.get(&path).map_or(0, |(_, count)| *count);
            all.insert(path, (file.clone(), count + 1));
        }
        all
    };
    let (of_a, of_b) = (by_path(a), by_path(b));
    // One of several that work alike may have had nothing to do.
    let opened = |run: usize, path: &str| {
        let mut all = runs[run]
            .processes
            .values()
            .flat_map(|one| &one.inputs.files);
        all.any(|file| file.path == path)
    };
    let only =
        |one: &BTreeMap<String, (Opened, u64)>, other: &BTreeMap<String, (Opened, u64)>, run| {
            one.iter().any(|(path, (file, _))| {
                !other.contains_key(path) && is_code(a, path) && !opened(run, &file.path)
            })
        };
    if only(&of_a, &of_b, 1) || only(&of_b, &of_a, 0) {
        found.excused.insert(a.number);
    }
    for (path, (one, times)) in of_a {
        let Some((other, other_times)) = of_b.get(&path) else {
            continue;
        };
        if times != *other_times {
            noise.suppress_builtin(Builtin::Repetition, 1);
        }
        if one.errno == other.errno && one.hash.finalize() == other.hash.finalize() {
            continue;
        }
        let fifo = runs.iter().any(|run| run.is_fifo(&one.path));
        if is_volatile(&one.path) || is_cache(&one.path) || fifo {
            noise.suppress_builtin(Builtin::VolatileFile, 1);
            continue;
        }
        if one.is_same_so_far(other) {
            continue;
        }
        let code = is_code(a, &one.path);
        if code && is_ignored(noise, "program", &a.name, &one.path) {
            found.excused.insert(a.number);
            continue;
        }
        let mut fields = Vec::new();
        let mut permuted = false;
        if one.is_whole() && other.is_whole() {
            let name = format!("file {}", one.path);
            let mut comparer = Comparer::of(noise, "file", &name);
            let lines = |text: &[u8]| match Node::from_json(text) {
                Some(node) => node,
                None => {
                    let lines = text.split_inclusive(|byte| *byte == b'\n');
                    Node::List(lines.map(Node::slice).collect())
                }
            };
            let [in_a, in_b] = [&one.head, &other.head].map(|head| lines(head));
            let compared = comparer.compare(&in_a, &in_b, true);
            permuted = compared.different > 0 && comparer.has_same_items(&in_a, &in_b);
            if compared.different == 0 {
                if compared.ignored {
                    found.excused.insert(a.number);
                }
                continue;
            }
            fields = compared.fields;
        } else {
            let spot = Spot {
                protocol: "file",
                connection: &a.name,
                field: &one.path,
            };
            let mut hits = Hits::new();
            if noise.mask(spot, "contents", &mut hits) == "<ignored>" {
                found.excused.insert(a.number);
                noise.suppress(&hits);
                continue;
            }
        }
        let side = |process: &Process, file: &Opened| {
            let text = match file.errno {
                0 => format!("reads {} ({} bytes)", file.path, file.len),
                errno => format!("cannot open {}: {}", file.path, error_name(errno)),
            };
            shown(&sight_of(process, file.point), text)
        };
        let what = match (one.errno == other.errno, code) {
            (true, false) => format!("The contents of the file {} differ.", one.path),
            (true, true) => format!("The code in {} differs.", one.path),
            (false, _) => format!("The file {} can be opened in one run only.", one.path),
        };
        let kind = if code { Kind::Program } else { Kind::File };
        if code {
            found.excused.insert(a.number);
        }
        let mut difference = Difference::new(kind, what).at(side(a, &one), side(b, other));
        difference.internal = is_internal(runs, of, [&one, other]);
        difference.outside = (runs.iter()).all(|run| run.writers(&one.path).next().is_none());
        if let ([Some(in_a), Some(in_b)], false) = (
            [runs[0].writer(&one.path), runs[1].writer(&other.path)],
            code,
        ) {
            let mut starters = [(0, a, in_a), (1, b, in_b)].into_iter();
            let given = starters
                .all(|(run, reader, (writer, _))| is_started_by(runs[run], reader, writer.number));
            difference.given = given && runs.iter().all(|run| run.times_written(&one.path) == 1);
            if !given {
                wrote([in_a, in_b], &one.path, &mut difference);
            }
        }
        difference.written = runs.iter().any(|run| run.times_written(&one.path) > 1);
        difference.fields = fields;
        difference.permuted = permuted && !difference.outside;
        // Several may read what was written once.
        let mut all = found.differences.iter();
        let known = all.any(|one| one.kind == Kind::Written && one.what == difference.what);
        if difference.kind != Kind::Written || !known {
            found.differences.push(difference);
        }
    }
}

/// Whether a process is that one, or was started by it.
fn is_started_by(run: &Run, process: &Process, by: u32) -> bool {
    if process.number == by {
        return true;
    }
    let mut next = process.parent;
    while let Some(parent) = next {
        if parent == by {
            return true;
        }
        let known = run.processes.get(&parent).and_then(|known| known.parent);
        next = known.filter(|known| *known < parent);
    }
    false
}

/// Of a file that a process of each run wrote, it is that process that did something else.
fn wrote(by: [(&Process, Point); 2], path: &str, difference: &mut Difference) {
    if by[0].0.role != by[1].0.role {
        return;
    }
    difference.kind = Kind::Written;
    difference.what = format!(
        "{} writes something else into the file {path}.",
        by[1].0.title
    );
    for (run, (process, point)) in by.into_iter().enumerate() {
        let sight = sight_of(process, point);
        difference.by[run] = Some(sight);
    }
}

/// Whether a file is what the run's programs keep their state in: they wrote it themselves, and it is no text,
/// or they alone did. What a test writes for them to read, such as a configuration, is not meant.
fn is_internal(runs: [&Run; 2], of: [&Process; 2], files: [&Opened; 2]) -> bool {
    [0, 1].into_iter().all(|run| {
        let (process, file) = (of[run], files[run]);
        let mut writers = runs[run].writers(&file.path).peekable();
        let written = writers.peek().is_some();
        let own = writers.all(|writer| writer.argv == process.argv);
        let text = file.is_whole() && !super::times::is_binary(&file.head);
        written && (!text || own && !interprets(process))
    })
}

/// What the kernel makes up, and what no two runs have alike.
fn is_volatile(path: &str) -> bool {
    let folders = ["/proc/", "/sys/", "/dev/", "/.reenact/"];
    folders.iter().any(|folder| path.starts_with(folder))
}

fn error_name(errno: i64) -> &'static str {
    reenact_abi::names::errno(errno.unsigned_abs()).unwrap_or("an error")
}

/// Paths that were asked about otherwise than by opening them: the last answer in each run, as a
/// program may look many times until something is there.
fn looks(runs: [&Run; 2], of: [&Process; 2], noise: &mut Noise, found: &mut Found) {
    let mut by_path = |process: &Process| {
        let all = process.inputs.looks.iter().map(|((nr, path), look)| {
            let spot = Spot {
                protocol: "file",
                connection: &process.name,
                field: "path",
            };
            let masked = noise.mask(spot, path, &mut Hits::new()).into_owned();
            ((*nr, masked), (path.clone(), *look))
        });
        all.collect::<BTreeMap<_, _>>()
    };
    let [of_a, of_b] = of.map(&mut by_path);
    for ((nr, masked), (path, (errno, point))) in &of_a {
        let Some((_, (other_errno, other_point))) = of_b.get(&(*nr, masked.clone())) else {
            continue;
        };
        if errno == other_errno || masked.contains("<ignored>") {
            continue;
        }
        if is_volatile(path) || is_cache(path) {
            noise.suppress_builtin(Builtin::VolatileFile, 1);
            continue;
        }
        let call = reenact_abi::syscalls::row((*nr).into()).map_or("a call", |row| row.name);
        let side = |process: &Process, errno: i64, point| {
            let text = match errno {
                0 => format!("{call} of {path} succeeds"),
                errno => format!("{call} of {path}: {}", error_name(errno)),
            };
            shown(&sight_of(process, point), text)
        };
        let what = format!("{call} of {path} ends otherwise.");
        let mut difference = Difference::new(Kind::File, what).at(
            side(of[0], *errno, *point),
            side(of[1], *other_errno, *other_point),
        );
        // Whether what the run itself makes is there yet is no news from outside.
        let made = |run: &&Run| run.writers(path).next().is_some();
        difference.internal = runs.iter().any(made);
        found.differences.push(difference);
    }
}

/// What took far longer in one of the runs, and waits for nobody who is recorded.
fn slow(of: [&Process; 2], noise: &mut Noise, found: &mut Found) {
    // By names without what differs between any two runs.
    let [a, b] = of.map(|process| {
        let mut all: BTreeMap<String, (&String, Took)> = BTreeMap::new();
        for (name, took) in &process.inputs.took {
            let spot = Spot {
                protocol: "file",
                connection: &process.name,
                field: "path",
            };
            let masked = noise.mask(spot, name, &mut Hits::new()).into_owned();
            match all.get_mut(&masked) {
                None => {
                    all.insert(masked, (name, *took));
                }
                Some((known, sum)) => {
                    let total_ns = sum.total_ns.saturating_add(took.total_ns);
                    if took.longest_ns > sum.longest_ns {
                        (*known, *sum) = (name, *took);
                    }
                    sum.total_ns = total_ns;
                }
            }
        }
        all
    });
    let masked: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let mut worst: BTreeMap<&str, (u64, Difference, u64)> = BTreeMap::new();
    for masked in masked {
        let (of_a, of_b) = (a.get(masked), b.get(masked));
        let Some((name, _)) = of_b.or(of_a) else {
            continue;
        };
        // Code that is read for the first time since the machine started comes from a cold disk.
        let (call, path) = name.split_once(" of ").unwrap_or((name, ""));
        if is_code(of[1], path) || is_cache(path) || call == "read" && is_of_system(path) {
            continue;
        }
        let took = [of_a, of_b].map(|known| known.map(|(_, took)| took));
        let total = took.map(|took| took.map_or(0, |took| took.total_ns));
        // The second run is the one in question; the first may have found caches cold.
        let [less, more]: [u64; 2] = total;
        if more < less.saturating_add(SLOWER_BY_NS) || more / SLOWER_TIMES < less {
            continue;
        }
        let times =
            total.map(|ns| format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1000));
        let who = &of[1].title;
        let what = format!("{name} in {who} took {} instead of {}.", times[1], times[0]);
        let side = |run: usize| {
            let took = took[run]?;
            let text = format!("{name} takes {}", times[run]);
            shown(&sight_of(of[run], took.point), text)
        };
        let mut difference = Difference::new(Kind::Slow, what).at(side(0), side(1));
        // A program may sleep because something else went wrong; a disk is slow by itself.
        difference.outside = name.contains(" of ");
        difference.disk = matches!(
            call,
            "fsync"
                | "fdatasync"
                | "write"
                | "pwrite64"
                | "writev"
                | "sync"
                | "syncfs"
                | "sync_file_range"
        );
        let longest = took.map(|took| took.map_or(0, |took| took.longest_ns));
        difference.stalls = difference.disk
            && longest[1] >= STALLED_MIN_NS
            && longest[1] / STALLED_TIMES >= longest[0];
        let by_ns = more - less;
        match worst.get_mut(call) {
            Some(known) => {
                known.2 += 1;
                if by_ns > known.0 {
                    (known.0, known.1) = (by_ns, difference);
                }
            }
            None => {
                worst.insert(call, (by_ns, difference, 0));
            }
        }
    }
    for (_, mut difference, others) in worst.into_values() {
        if others > 0 {
            let many = if others == 1 { "file" } else { "files" };
            difference.note = format!("so did that of {others} more {many}");
        }
        found.suspects.push(difference);
    }
}

/// A place of a process for which no line was made.
pub fn sight_of(process: &Process, point: reenact_causal::Point) -> Sight {
    let main = process.start.point.event.stream;
    let name = format!("{}[{}]", process.title, process.number);
    Sight::new(point, main, name)
}

/// What happens once more in one run than in the other is repetition; what happens only there differs.
fn happenings(of: [&Process; 2], noise: &mut Noise, found: &mut Found) {
    let mut masked = |process: &Process| -> Vec<String> {
        let spot = Spot {
            protocol: "event",
            connection: &process.name,
            field: "text",
        };
        let texts = process.notes.iter();
        let masked = texts.map(|(text, _)| noise.mask(spot, text, &mut Hits::new()).into_owned());
        masked.collect()
    };
    let texts = of.map(&mut masked);
    for run in [0, 1] {
        let mut told = BTreeSet::new();
        for (text, (full, sight)) in texts[run].iter().zip(&of[run].notes) {
            if texts[1 - run].contains(text) || text == "<ignored>" || !told.insert(text) {
                continue;
            }
            if is_lookup(text) {
                noise.suppress_builtin(Builtin::VolatileFile, 1);
                continue;
            }
            let which = ["first", "second"][run];
            let what = format!("Only in the {which} run, {} {full}.", sight.who);
            let mut sides = [None, None];
            sides[run] = shown(sight, full);
            let [a, b] = sides;
            let mut difference = Difference::new(Kind::Happening, what).at(a, b);
            let from_outside = ["gets ", "cannot connect", "runs unrecorded"];
            difference.outside = from_outside.iter().any(|verb| full.starts_with(verb));
            found.differences.push(difference);
        }
    }
    if texts[0].len() != texts[1].len() {
        noise.suppress_builtin(Builtin::Repetition, 1);
    }
}

/// Checksums that programs tell of their state: of each name, the first that differs.
fn checksums(of: [&Process; 2], found: &mut Found) {
    let mut by_name: BTreeMap<&[u8], [Vec<&Checksum>; 2]> = BTreeMap::new();
    for run in [0, 1] {
        for mark in &of[run].checksums {
            by_name.entry(&mark.0.text).or_default()[run].push(mark);
        }
    }
    for [a, b] in by_name.values() {
        let differ = |at: &usize| match (a.get(*at), b.get(*at)) {
            (Some((one, _)), Some((other, _))) => one.value != other.value,
            (_, _) => true,
        };
        let Some(at) = (0..a.len().max(b.len())).find(differ) else {
            continue;
        };
        let sides = [a.get(at), b.get(at)];
        let Some((mark, _)) = sides.into_iter().flatten().next() else {
            continue;
        };
        let which = match at {
            0 => String::new(),
            at => format!(", number {} of that name,", at + 1),
        };
        let what = format!(
            "The checksum {}{which} of {} differs.",
            mark.quoted(),
            of[0].title
        );
        let side = |mark: Option<&&Checksum>| {
            let (mark, sight) = mark?;
            shown(sight, mark.to_string())
        };
        let mut difference =
            Difference::new(Kind::Checksum, what).at(side(sides[0]), side(sides[1]));
        for (run, marks) in [a, b].into_iter().enumerate() {
            // Where it would have been: behind the last one of that name.
            let last = marks.last().map_or(&of[run].start, |(_, sight)| sight);
            difference.places[run].get_or_insert_with(|| last.clone());
        }
        found.differences.push(difference);
    }
}

fn endings(runs: [&Run; 2], of: [&Process; 2], noise: &mut Noise, found: &mut Found) {
    let [a, b] = of;
    let how = |process: &Process| process.end.as_ref().map_or(Ended::Unknown, |(how, _)| *how);
    // Whether the trace tells the signal is a matter of what was recorded first.
    let alike = match (how(a), how(b)) {
        (Ended::Killed, Ended::Signal(_)) | (Ended::Signal(_), Ended::Killed) => true,
        (one, other) => one == other,
    };
    if alike {
        return;
    }
    // Whom nobody waits for, because its parent is gone, may or may not come to its end before the run does.
    let ends = |of: Ended| [how(a), how(b)].contains(&of);
    let orphan = |run: usize| {
        let parent = of[run]
            .parent
            .and_then(|parent| runs[run].processes.get(&parent));
        let gone = |parent: &Process| parent.parent.is_some() && how(parent) != Ended::Unknown;
        parent.is_some_and(gone)
    };
    if ends(Ended::Unknown) && ends(Ended::Status(0)) && orphan(0) && orphan(1) {
        noise.suppress_builtin(Builtin::Timing, 1);
        return;
    }
    if runs[0].cut_short.contains(&a.number) && runs[1].cut_short.contains(&b.number) {
        noise.suppress_builtin(Builtin::Timing, 1);
        return;
    }
    // Whom the run tells to end may come to its own end before it is killed.
    let told = |process: &Process| {
        let mut notes = process.notes.iter();
        let told = notes.any(|(text, _)| text == "gets SIGTERM");
        let killed = matches!(how(process), Ended::Signal(SIGTERM) | Ended::Killed);
        told && (killed || how(process) == Ended::Status(0))
    };
    if told(a) && told(b) {
        noise.suppress_builtin(Builtin::Timing, 1);
        return;
    }
    let side = |process: &Process| {
        let text = match how(process) {
            Ended::Status(status) => format!("exits with status {status}"),
            Ended::Signal(signal) => format!("killed by {}", signal_name(signal)),
            Ended::Killed => "killed".to_owned(),
            Ended::Unknown => "still runs when the recording ends".to_owned(),
        };
        let sight = process
            .end
            .as_ref()
            .map_or(&process.start, |(_, sight)| sight);
        shown(sight, text)
    };
    let what = format!("{} ends in another way.", a.title);
    let mut difference = Difference::new(Kind::Exit, what).at(side(a), side(b));
    let killed = |process: &Process| {
        let faults = process
            .notes
            .iter()
            .any(|(text, _)| text.starts_with("faults"));
        matches!(how(process), Ended::Signal(_) | Ended::Killed) && !faults
    };
    difference.outside = killed(a) || killed(b);
    let tries = |process: &Process| {
        let mut notes = process.notes.iter();
        notes.any(|(text, _)| text.starts_with("cannot connect to ") && !is_lookup(text))
    };
    difference.again = tries(a) || tries(b);
    difference.decides = match (killed(a), killed(b)) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        (true, true) | (false, false) => None,
    };
    found.differences.push(difference);
}

/// Clocks, random bytes and the order of threads, which are never the same.
fn suspects(of: [&Process; 2], found: &mut Found) {
    let [a, b] = of;
    let random = a.inputs.random.iter().zip(&b.inputs.random);
    let differ = random.filter(|(one, other)| one.hash != other.hash);
    for (one, other) in differ.take(RANDOM_MAX) {
        let what = format!("{} read other random bytes before.", a.title);
        let side =
            |process: &Process, point| shown(&sight_of(process, point), "reads random bytes");
        let mut difference = Difference::new(Kind::Randomness, what);
        difference.outside = !one.of_library && !other.of_library;
        found
            .suspects
            .push(difference.at(side(a, one.point), side(b, other.point)));
    }
    if a.inputs.random.is_empty() && b.inputs.random.is_empty() {
        // The kernel gives each program some, and its number and its clock may serve as well.
        let what = format!("{} seeds its random numbers anew in each run.", a.title);
        let mut difference = Difference::new(Kind::Randomness, what);
        difference.seed = true;
        let [of_a, of_b] = of.map(|process| shown(&process.start, "starts"));
        found.suspects.push(difference.at(of_a, of_b));
    }
    let mut suspect = |kind, what, a: Option<Shown>, b: Option<Shown>| {
        found.suspects.push(Difference::new(kind, what).at(a, b));
    };
    if let (Some(one), Some(other)) = (a.inputs.clock, b.inputs.clock) {
        let what = format!("{} read the clock before.", a.title);
        let side = |process: &Process, point| {
            let times = process.inputs.clocks;
            let text = format!("reads the clock ({times} times in all)");
            shown(&sight_of(process, point), text)
        };
        suspect(Kind::Clock, what, side(a, one), side(b, other));
    }
    if a.inputs.threads() > 1 && b.inputs.threads() > 1 {
        let mut switches = a.inputs.switches.iter().zip(&b.inputs.switches);
        if let Some((one, other)) = switches.find(|(one, other)| one.0 != other.0) {
            let what = format!("Threads of {} ran in another order.", a.title);
            let side = |process: &Process, (thread, point): &(u32, _)| {
                let text = format!("its thread {} runs next", thread + 1);
                shown(&sight_of(process, *point), text)
            };
            suspect(Kind::Threads, what, side(a, one), side(b, other));
        }
    }
}
