//! What differs between any two runs, and says nothing: times, ids, ports, pids, and what the user's
//! rules name.
//!
//! Text is *masked*: each noisy part is replaced by what kind of noise it is. Two values that differ
//! only where they are masked are equal but for noise.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

pub use super::builtin::Builtin;
use super::learn::{words, Learnt};
use super::renamed::{self, Names};
use super::run::Run;
use super::tree::Drawn;
use regex::{Captures, Regex, RegexBuilder};
use serde::Deserialize;

/// Bytes of a value in which noise is looked for; the rest is compared as it is.
const MASKED_MAX: usize = 1 << 20;
/// Bytes of a file of rules, and rules in it.
const RULES_BYTES_MAX: u64 = 1 << 20;
const RULES_MAX: usize = 1000;
/// Bytes of a text in which names of numbers are looked for.
const NAMED_MAX: usize = 16 << 10;
/// Names of temporary files that are known, and characters of such a name that differ.
const TEMPORARY_MAX: usize = 512;
const RANDOM_PART_MIN: usize = 6;
const RANDOM_MIN: usize = 4;
const RANDOM_DIGITS_MIN: usize = 8;
/// Levels of temporary folders within each other.
const MADE_ROUNDS: usize = 3;
/// Numbers below are no pids or ports to go by: too many other things have such values.
const NUMBER_MIN: u64 = 100;

#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("{path}: {source}")]
    Unreadable {
        path: String,
        source: std::io::Error,
    },
    #[error("{path}: more than {RULES_BYTES_MAX} bytes, or more than {RULES_MAX} rules")]
    TooLarge { path: String },
    #[error("{path}: {message}")]
    Syntax { path: String, message: String },
    #[error("{path}: rule {number} says nothing")]
    Empty { path: String, number: usize },
    #[error("{path}: rule {number}: {source}")]
    Pattern {
        path: String,
        number: usize,
        source: regex::Error,
    },
}

/// One rule of a file: all that it names must hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    protocol: Option<String>,
    connection: Option<String>,
    field: Option<String>,
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRules {
    #[serde(default)]
    ignore: Vec<Written>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// As people find it again.
    name: String,
    protocol: Option<Regex>,
    connection: Option<Regex>,
    field: Option<Regex>,
    text: Option<Regex>,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub struct Spot<'a> {
    pub protocol: &'a str,
    /// `CLIENT -> SERVER`, by their programs.
    pub connection: &'a str,
    pub field: &'a str,
}

/// Which noise was found: bits of built-in kinds, then of rules.
pub type Hits = BTreeSet<usize>;

/// Seconds since 1970 of this part of the century.
const THIS_CENTURY: std::ops::Range<f64> = 1.6e9..2.0e9;

/// All noise that is known.
pub struct Noise {
    patterns: Vec<(Builtin, Regex)>,
    /// Any of these patterns: most values have none.
    any: Regex,
    number: Regex,
    word: Regex,
    /// Where the two runs were started, if not in the same folder; the longer one first.
    folders: Vec<String>,
    /// Names of files that the runs made and that differ in a random part.
    temporary: BTreeSet<String>,
    temporaries: Option<Regex>,
    rules: Vec<Rule>,
    ports: BTreeSet<u64>,
    pids: BTreeSet<u64>,
    /// Differences that were suppressed, per built-in kind and then per rule.
    counts: Vec<u64>,
    /// Whether a rule's text or place occurred at all.
    used: Vec<bool>,
    learnt: Learnt,
    renamed: Names,
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("patterns of this file are sound")
}

impl Noise {
    /// The built-in kinds; `ports` and `pids` are those that the two runs used.
    pub fn new(ports: BTreeSet<u64>, pids: BTreeSet<u64>) -> Noise {
        let day = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*";
        let month = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*";
        let clock = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?";
        let dates = [
            format!(r"\b\d{{4}}-\d{{2}}-\d{{2}}(?:[T _]{clock}(?:Z|[+-]\d{{2}}:?\d{{2}})?)?"),
            format!(r"\b{day},? \d{{1,2}}[ -]{month}[ -]\d{{2,4}} {clock}(?: [A-Z]{{3,4}})?"),
            format!(r"\b{day} {month} +\d{{1,2}} {clock}(?: [A-Z]{{3,4}})?(?: \d{{4}})?"),
            format!(r"\b\d{{1,2}}[/ ]{month}[/ ]\d{{4}}[: ]{clock}(?: [+-]\d{{4}})?"),
            r"\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?\b".to_owned(),
            // Seconds since 1970 of this part of the century, with or without what is finer.
            r"\b1[6-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?\b".to_owned(),
        ];
        let mut patterns = vec![(
            Builtin::Uuid,
            pattern(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
        )];
        patterns.extend(dates.iter().map(|text| (Builtin::Time, pattern(text))));
        patterns.extend([
            (
                Builtin::TemporaryPath,
                pattern(
                    r"/(?:var/)?tmp/(?:\.?tmp[.\w-]+|[\w.-]*[.-][A-Za-z0-9_]{6,}|[\w.-]*\d[\w.-]*)",
                ),
            ),
            (Builtin::Address, pattern(r"\b0x[0-9a-f]{6,16}\b")),
            (
                Builtin::Duration,
                pattern(r"\b\d+(?:\.\d+)? ?(?:ns|µs|us|ms|s|sec|secs|seconds|milliseconds)\b"),
            ),
        ]);
        let all: Vec<String> = patterns
            .iter()
            .map(|(_, regex)| format!("(?:{})", regex.as_str()))
            .collect();
        Noise {
            any: pattern(&all.join("|")),
            patterns,
            // Hexadecimal words are told from words and numbers by their length.
            number: pattern(r"\b(?:[0-9a-fA-F]{12,}|\d{3,}|[a-zA-Z]{1,2}\d{4,5})\b"),
            word: pattern(r"\b[0-9A-Za-z]{8,}\b"),
            folders: Vec::new(),
            temporary: BTreeSet::new(),
            temporaries: None,
            rules: Vec::new(),
            ports,
            pids,
            counts: vec![0; Builtin::ALL.len()],
            used: Vec::new(),
            learnt: Learnt::default(),
            renamed: Names::default(),
        }
    }

    /// Ports, pids and the folder of a run are noise.
    pub fn meet(&mut self, run: &Run) {
        self.ports.extend(&run.ports);
        self.pids.extend(&run.pids);
    }

    /// The same, to compare two other runs with: what is suppressed there is not counted here.
    pub fn aside(&self) -> Noise {
        Noise {
            patterns: self.patterns.clone(),
            any: self.any.clone(),
            number: self.number.clone(),
            word: self.word.clone(),
            folders: self.folders.clone(),
            temporary: self.temporary.clone(),
            temporaries: self.temporaries.clone(),
            rules: self.rules.clone(),
            ports: self.ports.clone(),
            pids: self.pids.clone(),
            counts: self.counts.clone(),
            used: self.used.clone(),
            learnt: self.learnt.clone(),
            renamed: self.renamed.clone(),
        }
    }

    /// What each of two runs made, by folders: names that differ in a random part only are those of temporary
    /// files, wherever these are.
    pub fn add_made(&mut self, runs: [&BTreeSet<(String, String)>; 2]) {
        for _ in 0..MADE_ROUNDS {
            // Folders may be temporary themselves.
            let [a, b] = runs.map(|made| {
                let all = made.iter().map(|(folder, name)| {
                    let spot = Spot {
                        protocol: "file",
                        connection: "",
                        field: "path",
                    };
                    let folder = self.mask(spot, folder, &mut Hits::new()).into_owned();
                    (folder, name.clone())
                });
                all.collect::<BTreeSet<_>>()
            });
            let before = self.temporary.len();
            for (folder, name) in a.difference(&b).take(TEMPORARY_MAX) {
                let others = b.difference(&a).filter(|(beside, _)| beside == folder);
                for (_, other) in others.filter(|(_, other)| is_random_part(name, other)) {
                    self.temporary.extend([name.clone(), other.clone()]);
                }
            }
            if self.temporary.len() == before || before > TEMPORARY_MAX {
                break;
            }
            let names = self.temporary.iter().map(|name| regex::escape(name));
            let names: Vec<String> = names.collect();
            self.temporaries = Regex::new(&names.join("|")).ok();
        }
    }

    pub fn set_renamed(&mut self, names: Names) {
        self.renamed = names;
    }

    pub fn set_learnt(&mut self, learnt: Learnt) {
        self.learnt = learnt;
    }

    /// What turned out to be drawn by chance is noise, too.
    pub fn add_drawn<'d>(&mut self, all: impl Iterator<Item = &'d Drawn>) {
        all.for_each(|one| self.learnt.add(one));
    }

    /// Bytes of what stands at a place that are drawn anew in each run.
    pub fn drawn_at(&self, place: u64) -> Option<&BTreeSet<(usize, usize)>> {
        self.learnt.bytes_at(place)
    }

    /// A text that is masked already, without what is known of its place from the runs.
    pub fn mask_learnt(
        &self,
        place: Option<u64>,
        text: &str,
        is_printed: bool,
        hits: &mut Hits,
    ) -> Option<String> {
        let mut hit = |kind: Builtin| {
            hits.insert(kind as usize);
        };
        self.learnt.mask(place, text, is_printed, &mut hit)
    }

    /// Runs that were started in different folders are told apart by that, and by nothing that it says.
    pub fn add_folders(&mut self, folders: [&str; 2]) {
        let [a, b] = folders;
        let named = folders
            .iter()
            .all(|folder| folder.starts_with('/') && folder.len() > 1);
        if a != b && named {
            self.folders = folders.map(str::to_owned).to_vec();
            self.folders
                .sort_by_key(|folder| std::cmp::Reverse(folder.len()));
        }
    }

    /// Adds the rules of a file.
    pub fn add_file(&mut self, path: &Path) -> Result<(), RulesError> {
        let name = || path.display().to_string();
        let unreadable = |source| RulesError::Unreadable {
            path: name(),
            source,
        };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > RULES_BYTES_MAX {
            return Err(RulesError::TooLarge { path: name() });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        self.add(&text, &name())
    }

    fn add(&mut self, text: &str, path: &str) -> Result<(), RulesError> {
        let written: WrittenRules = toml::from_str(text).map_err(|error| RulesError::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        if written.ignore.len() > RULES_MAX {
            return Err(RulesError::TooLarge {
                path: path.to_owned(),
            });
        }
        for (at, rule) in written.ignore.into_iter().enumerate() {
            let number = at + 1;
            let parts = [
                ("protocol", &rule.protocol),
                ("connection", &rule.connection),
                ("field", &rule.field),
                ("text", &rule.text),
            ];
            let said: Vec<String> = parts
                .iter()
                .filter_map(|(key, value)| Some(format!("{key} {}", value.as_deref()?)))
                .collect();
            if said.is_empty() {
                return Err(RulesError::Empty {
                    path: path.to_owned(),
                    number,
                });
            }
            let failed = |source| RulesError::Pattern {
                path: path.to_owned(),
                number,
                source,
            };
            let compiled = |text: &Option<String>, glob: bool| {
                let text = text.as_ref().map(|text| match glob {
                    true => self::glob(text),
                    false => text.clone(),
                });
                let build = |text: String| RegexBuilder::new(&text).size_limit(1 << 20).build();
                text.map(build).transpose().map_err(failed)
            };
            self.rules.push(Rule {
                name: format!("rule {number} ({})", said.join(", ")),
                protocol: compiled(&rule.protocol, true)?,
                connection: compiled(&rule.connection, true)?,
                field: compiled(&rule.field, true)?,
                text: compiled(&rule.text, false)?,
            });
            self.counts.push(0);
            self.used.push(false);
        }
        Ok(())
    }

    /// A value with its noise replaced, and which noise that was.
    pub fn mask<'a>(&mut self, spot: Spot<'_>, value: &'a str, hits: &mut Hits) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(value);
        if value.len() > MASKED_MAX {
            return masked;
        }
        for (at, rule) in self.rules.iter().enumerate() {
            let holds = |pattern: &Option<Regex>, text: &str| {
                pattern.as_ref().is_none_or(|regex| regex.is_match(text))
            };
            let here = holds(&rule.protocol, spot.protocol)
                && holds(&rule.connection, spot.connection)
                && holds(&rule.field, spot.field);
            if !here {
                continue;
            }
            let new = match &rule.text {
                None => Some("<ignored>".to_owned()),
                Some(regex) => match regex.replace_all(&masked, "<ignored>") {
                    Cow::Owned(new) => Some(new),
                    Cow::Borrowed(_) => None,
                },
            };
            if let Some(new) = new {
                self.used[at] = true;
                hits.insert(Builtin::ALL.len() + at);
                masked = Cow::Owned(new);
            }
        }
        if let Some(new) = renamed::replaced(&masked, &self.renamed) {
            hits.insert(Builtin::Renamed as usize);
            masked = Cow::Owned(new);
        }
        for folder in &self.folders {
            if let Some(new) = without_folder(&masked, folder) {
                hits.insert(Builtin::WorkingFolder as usize);
                masked = Cow::Owned(new);
            }
        }
        if let Some(regex) = &self.temporaries {
            let name = format!("<{}>", Builtin::TemporaryPath.name());
            if let Cow::Owned(new) = regex.replace_all(&masked, name) {
                hits.insert(Builtin::TemporaryPath as usize);
                masked = Cow::Owned(new);
            }
        }
        // What is left of the caller's patience, counted down, with its unit behind.
        if spot.field.ends_with("grpc-timeout") {
            hits.insert(Builtin::Duration as usize);
            return Cow::Borrowed("<duration>");
        }
        if let Some(kind) = kind_of_field(spot.field) {
            if is_plain(&masked) || kind == Builtin::Token && is_opaque(&masked) {
                hits.insert(kind as usize);
                return Cow::Owned(format!("<{}>", kind.name()));
            }
        }
        // All that the patterns look for has digits, but for names of temporary files.
        if !masked.bytes().any(|byte| byte.is_ascii_digit()) && !masked.contains("tmp/") {
            return masked;
        }
        let patterns = match self.any.is_match(&masked) {
            true => self.patterns.as_slice(),
            false => &[],
        };
        // How long something takes is measured in messages; in what programs are given it is chosen.
        let given = matches!(spot.protocol, "file" | "env" | "argv");
        let patterns = patterns.iter();
        for (kind, regex) in patterns.filter(|(kind, _)| !given || *kind != Builtin::Duration) {
            if let Cow::Owned(new) = regex.replace_all(&masked, format!("<{}>", kind.name())) {
                hits.insert(*kind as usize);
                masked = Cow::Owned(new);
            }
        }
        let numbers = self.number.replace_all(&masked, |found: &Captures<'_>| {
            let text = &found[0];
            let end = found.get(0).map_or(0, |all| all.end());
            // Somebody looks for any of ten ports.
            let ten = masked
                .get(end..)
                .is_some_and(|rest| rest.starts_with("[0-9]"));
            let kind = match ten {
                true => self.is_port_without_last(text).then_some(Builtin::Port),
                false => self.kind_of_number(text),
            };
            match kind {
                Some(kind) => {
                    hits.insert(kind as usize);
                    format!("<{}>", kind.name())
                }
                None => text.to_owned(),
            }
        });
        if let Cow::Owned(new) = numbers {
            masked = Cow::Owned(new);
        }
        if let Some(new) = named_numbers(&masked, hits) {
            masked = Cow::Owned(new);
        }
        let words = self.word.replace_all(&masked, |found: &Captures<'_>| {
            let text = &found[0];
            if !is_drawn(text) {
                return text.to_owned();
            }
            hits.insert(Builtin::Token as usize);
            format!("<{}>", Builtin::Token.name())
        });
        if let Cow::Owned(new) = words {
            masked = Cow::Owned(new);
        }
        masked
    }

    fn is_port_without_last(&self, text: &str) -> bool {
        let first = text
            .parse()
            .ok()
            .and_then(|number: u64| number.checked_mul(10));
        let ports = first.map(|first| self.ports.range(first..first.saturating_add(10)));
        ports.is_some_and(|mut ports| ports.next().is_some())
    }

    fn kind_of_number(&self, text: &str) -> Option<Builtin> {
        let digits = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        if digits.len() < text.len() && (4..=5).contains(&digits.len()) && text.len() < 8 {
            // A letter is an option, and what follows its number: `-P43210`.
            return digits
                .parse()
                .ok()
                .filter(|number| self.ports.contains(number))
                .map(|_| Builtin::Port);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number: u64 = text.parse().ok()?;
            if number < NUMBER_MIN {
                return None;
            }
            // Seconds since 1970 as a binary number with a fraction, of which only its bits are known.
            if THIS_CENTURY.contains(&f64::from_bits(number)) {
                return Some(Builtin::Time);
            }
            if self.ports.contains(&number) {
                return Some(Builtin::Port);
            }
            return self.pids.contains(&number).then_some(Builtin::Pid);
        }
        // A token has digits and letters; a word of a language has no digits.
        let digits = text.bytes().any(|byte| byte.is_ascii_digit());
        digits.then_some(Builtin::Token)
    }

    /// Notes that a difference was suppressed.
    pub fn suppress(&mut self, hits: &Hits) {
        for hit in hits {
            self.counts[*hit] += 1;
        }
    }

    pub fn suppress_builtin(&mut self, kind: Builtin, count: u64) {
        self.counts[kind as usize] += count;
    }

    /// What was suppressed how often, built-in kinds first.
    pub fn counted(&self) -> Vec<(String, u64)> {
        let builtin = Builtin::ALL.iter().map(|kind| kind.name().to_owned());
        let names = builtin.chain(self.rules.iter().map(|rule| rule.name.clone()));
        let all = names.zip(self.counts.iter().copied());
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// Rules for which nothing was found.
    pub fn unused(&self) -> Vec<String> {
        let all = self.rules.iter().zip(&self.used);
        let unused = all.filter(|(_, used)| !**used);
        unused.map(|(rule, _)| rule.name.clone()).collect()
    }
}

/// What a field's own name says its numbers are. The name is taken apart into words, so that a
/// `timeout` is no `time`.
fn kind_of_field(path: &str) -> Option<Builtin> {
    let last = path.rsplit(['.', ':']).next().unwrap_or(path);
    let lower = last.to_ascii_lowercase();
    match lower.as_str() {
        "content-length" => return Some(Builtin::Length),
        // RFC 6455: drawn anew for each connection, and made of that.
        "sec-websocket-key" | "sec-websocket-accept" => return Some(Builtin::Token),
        _ => {}
    }
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    for word in words {
        match word {
            "time" | "timestamp" | "ts" | "date" | "mtime" | "ctime" | "atime" | "expires" => {
                return Some(Builtin::Time)
            }
            "elapsed" | "duration" | "latency" | "took" | "uptime" | "age" | "ms" | "us" | "ns" => {
                return Some(Builtin::Duration)
            }
            "rss" | "vsz" | "heap" | "memory" | "mem" | "cpu" | "load" | "loadavg" | "rps"
            | "qps" | "throughput" | "heapused" | "heaptotal" | "maxrss" => {
                return Some(Builtin::Load)
            }
            "pid" | "ppid" | "tid" => return Some(Builtin::Pid),
            "port" => return Some(Builtin::Port),
            "inode" | "ino" | "nonce" | "token" | "salt" | "etag" | "session" | "csrf" => {
                return Some(Builtin::Token)
            }
            _ => {}
        }
    }
    None
}

/// A text with the numbers replaced whose own names say that they are noise, such as in `load=0.37`.
fn named_numbers(text: &str, hits: &mut Hits) -> Option<String> {
    if !text.contains(['=', ':']) || text.len() > NAMED_MAX {
        return None;
    }
    let mut out = String::new();
    let mut copied = 0;
    for word in words(text) {
        let (range, label) = (word.range(), word.label(text));
        let kind = if label.is_empty() {
            None
        } else {
            kind_of_field(label)
        };
        let noisy = match kind {
            Some(Builtin::Duration | Builtin::Load | Builtin::Pid | Builtin::Port) => true,
            Some(Builtin::Time) => text[range.clone()].len() >= 6,
            Some(_) | None => false,
        };
        let Some(kind) = kind.filter(|_| noisy && is_plain(&text[range.clone()])) else {
            continue;
        };
        hits.insert(kind as usize);
        out.push_str(&text[copied..range.start]);
        out.push_str(&format!("<{}>", kind.name()));
        copied = range.end;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// Whether a value is a number, a date or the like, and no text.
fn is_plain(value: &str) -> bool {
    let digits = value.bytes().any(|byte| byte.is_ascii_digit());
    let plain = |c: char| c.is_ascii_digit() || "+-.:,TZ /".contains(c);
    digits && value.len() <= 40 && value.chars().all(plain)
}

/// What somebody drew by chance, or counted up from something drawn.
fn is_opaque(value: &str) -> bool {
    let digits = value.bytes().any(|byte| byte.is_ascii_digit());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=.:\"".contains(&byte);
    digits && (6..=256).contains(&value.len()) && value.bytes().all(plain)
}

/// Whether a word of letters and digits was drawn by chance: in one that somebody thought of, the digits
/// stand together, and do not change with letters again and again. Of eight hexadecimal digits, one in
/// three has them that much in order by chance.
fn is_drawn(word: &str) -> bool {
    let digit = |pair: &&[u8]| pair[0].is_ascii_digit() != pair[1].is_ascii_digit();
    let changes = word.as_bytes().windows(2).filter(digit).count();
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let least = match word.len() >= 8 && word.bytes().all(hexadecimal) {
        true => 1,
        false if word.len() > 8 => 2,
        false => 3,
    };
    changes >= least
}

/// Whether two words that have nothing in common were drawn by chance from the same letters.
pub fn are_drawn_alike(a: &str, b: &str) -> bool {
    let plain =
        |word: &str| word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mixed = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        digits > 0 && digits < word.len()
    };
    let both = plain(a) && plain(b) && a.len().abs_diff(b.len()) <= 3;
    let common = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    both && common < 3 && (mixed(a) || mixed(b)) && (is_drawn(a) || is_drawn(b))
}

/// Whether two names are the same but for one part, which was drawn by chance.
fn is_random_part(a: &str, b: &str) -> bool {
    if a == b || a.len() != b.len() || !a.is_ascii() || !b.is_ascii() {
        return false;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let differs = |at: &usize| a[*at] != b[*at];
    let (Some(first), Some(last)) = ((0..a.len()).find(differs), (0..a.len()).rfind(differs))
    else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    // Some of its characters may be the same by chance.
    let from = (0..first).rfind(|at| !plain(a[*at])).map_or(0, |at| at + 1);
    let to = (last..a.len()).find(|at| !plain(a[*at])).unwrap_or(a.len());
    let (one, other) = (&a[from..to], &b[from..to]);
    let changed = one.iter().zip(other).filter(|(a, b)| a != b).count();
    let drawn = |part: &[u8]| {
        let kinds = [
            part.iter().any(u8::is_ascii_digit),
            part.iter().any(u8::is_ascii_lowercase),
            part.iter().any(u8::is_ascii_uppercase),
        ];
        let digits = part.len() >= RANDOM_DIGITS_MIN && part.iter().all(u8::is_ascii_digit);
        kinds.into_iter().filter(|kind| *kind).count() >= 2 || digits
    };
    one.iter().chain(other).all(|byte| plain(*byte))
        && one.len() >= RANDOM_PART_MIN
        && changed >= RANDOM_MIN
        && (drawn(one) || drawn(other))
}

/// A text with the folder and what is left of its name replaced, if it is named there.
fn without_folder(text: &str, folder: &str) -> Option<String> {
    if !text.contains(folder) {
        return None;
    }
    let mut out = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find(folder) {
        let (before, behind) = (&rest[..at], &rest[at + folder.len()..]);
        out.push_str(before);
        // The folder itself or what is in it, and no other one whose name begins like that.
        let goes_on = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        match behind.chars().next().is_some_and(goes_on) {
            true => out.push_str(folder),
            false => {
                out.push_str("<working-folder>");
                found = true;
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    found.then_some(out)
}

/// A glob as a regular expression: `*` is any text, `?` any character.
fn glob(text: &str) -> String {
    let mut out = String::from("^(?s:");
    for c in text.chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(")$");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOT: Spot<'_> = Spot {
        protocol: "http",
        connection: "curl -> python3",
        field: "content.note",
    };

    fn noise() -> Noise {
        Noise::new([43210].into(), [12345].into())
    }

    fn masked(value: &str) -> String {
        let mut hits = Hits::new();
        noise().mask(SPOT, value, &mut hits).into_owned()
    }

    #[test]
    fn what_runs_make_with_a_random_name_is_temporary_wherever_it_lies() {
        assert!(is_random_part("day.Twcubw", "day.a9ciS4"));
        assert!(is_random_part("run-83719264.log", "run-15093377.log"));
        assert!(!is_random_part("day.monday", "day.friday"));
        assert!(!is_random_part("part.0001", "part.0002"));
        assert!(!is_random_part("a.Twcubw", "b.a9ciS4"));
        let made = |names: &[(&str, &str)]| -> BTreeSet<(String, String)> {
            let all = names.iter();
            all.map(|(folder, name)| ((*folder).to_owned(), (*name).to_owned()))
                .collect()
        };
        let a = made(&[
            ("/mnt/", "day.Twcubw"),
            ("/mnt/day.Twcubw/", "out.x8Kq2Lp9"),
        ]);
        let b = made(&[
            ("/mnt/", "day.a9ciS4"),
            ("/mnt/day.a9ciS4/", "out.Zz01mN4r"),
        ]);
        let mut noise = Noise::new(BTreeSet::new(), BTreeSet::new());
        noise.add_made([&a, &b]);
        let spot = Spot {
            protocol: "pipe",
            connection: "",
            field: "",
        };
        let mut mask = |text: &str| noise.mask(spot, text, &mut Hits::new()).into_owned();
        let [one, other] = ["Twcubw/out.x8Kq2Lp9", "a9ciS4/out.Zz01mN4r"]
            .map(|path| mask(&format!("wrote /mnt/day.{path}")));
        assert_eq!(one, other);
        assert_ne!(mask("day.monday"), mask("day.friday"));
    }

    #[test]
    fn what_differs_in_every_run_is_masked() {
        for (value, expected) in [
            ("id 0af76519-16cd-43dd-8448-eb211c80319c", "id <uuid>"),
            ("0af7651916cd43dd8448eb211c80319c", "<token>"),
            ("rev 05fbb916", "rev <token>"),
            ("at 2026-11-22T23:49:52.123Z.", "at <time>."),
            ("Sun, 22 Nov 2026 23:49:52 GMT", "<time>"),
            ("[22/Nov/2026:23:49:52 +0000] \"GET\"", "[<time>] \"GET\""),
            ("since 1795391392.5", "since <time>"),
            ("took 12.5 ms", "took <duration>"),
            ("127.0.0.1:43210", "127.0.0.1:<port>"),
            ("pid 12345 ended", "pid <pid> ended"),
            ("/tmp/tmp.Xy12abCD/file", "<temporary-path>/file"),
            ("object at 0x7f12345678", "object at <address>"),
        ] {
            assert_eq!(masked(value), expected);
        }
    }

    #[test]
    fn what_means_something_is_not() {
        for value in [
            "17",
            "total 1200",
            "43211",
            "defaced",
            "feedfacefeed",
            "GET /orders/7",
            "v1.2.3",
            "/tmp/config/file",
            "status 500",
            "10.0.0.1",
        ] {
            assert_eq!(masked(value), value);
        }
    }

    #[test]
    fn names_of_fields_say_what_numbers_are() {
        let mut noise = noise();
        let mut mask = |field, value: &'static str| {
            let spot = Spot { field, ..SPOT };
            noise.mask(spot, value, &mut Hits::new()).into_owned()
        };
        assert_eq!(mask("content.elapsed_ms", "17"), "<duration>");
        assert_eq!(mask("headers.content-length", "17"), "<length>");
        assert_eq!(mask("content.timeout", "17"), "17");
        assert_eq!(
            mask("headers.sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            "<token>"
        );
        assert_eq!(mask("content.time", "never"), "never");
    }

    #[test]
    fn rules_apply_where_they_say_and_tell_whether_they_did() {
        let mut noise = noise();
        let rules = "[[ignore]]\nprotocol = \"http\"\nfield = \"content.n*\"\n\
                     [[ignore]]\ntext = 'seq=\\d+'\n[[ignore]]\nconnection = \"redis*\"\n";
        noise.add(rules, "rules").unwrap();
        let mut hits = Hits::new();
        assert_eq!(noise.mask(SPOT, "anything", &mut hits), "<ignored>");
        let spot = Spot { field: "x", ..SPOT };
        assert_eq!(noise.mask(spot, "a seq=17", &mut hits), "a <ignored>");
        noise.suppress(&hits);
        let counted = noise.counted();
        assert_eq!(counted.len(), 2, "{counted:?}");
        assert_eq!(noise.unused(), ["rule 3 (connection redis*)"]);
    }

    #[test]
    fn bad_rules_are_told() {
        for bad in [
            "x",
            "[[ignore]]",
            "[[ignore]]\nfeild = 'x'",
            "[[ignore]]\ntext = '('",
        ] {
            assert!(noise().add(bad, "rules").is_err(), "{bad}");
        }
    }
}
