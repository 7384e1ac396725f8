//! A program to record, its recording, and the replays of that: each a value whose methods read as a sentence.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reenact_abi::event::Kind;
use reenact_trace::{Item, Reader};

use crate::limits::{limit, Limit, Step};
use crate::place::Place;
use crate::run::{Ending, Finished, Running};
use crate::scratch::Scratch;
use crate::tools::{record_binary, replay_binary};

/// How the engine catches system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// Syscall User Dispatch, where the kernel has it.
    Dispatch,
    /// The seccomp fallback, forced.
    Seccomp,
}

/// A program that has not run yet.
#[derive(Clone, Debug)]
pub struct Subject {
    name: String,
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    net: Net,
    quiet: bool,
    unpatched: bool,
    stops_min: u64,
    chaos: Option<u64>,
    verifies_itself: bool,
    ends: Option<Ending>,
    limit: Duration,
    place: Place,
    commands: Option<PathBuf>,
}

/// A program of the system with its arguments.
pub fn program(words: &[&str]) -> Subject {
    Subject::new(words.join(" "), words.iter().map(OsString::from).collect())
}

/// A script for bash, which begins in an empty folder of its own.
pub fn script(text: &str) -> Subject {
    program(&["bash", "-c", text])
}

impl Subject {
    fn new(name: String, words: Vec<OsString>) -> Subject {
        Subject {
            name,
            words,
            environment: Vec::new(),
            net: Net::Dispatch,
            quiet: true,
            unpatched: false,
            stops_min: 0,
            chaos: None,
            verifies_itself: false,
            ends: None,
            limit: Duration::from_secs(120),
            place: Place::default(),
            commands: None,
        }
    }

    pub(crate) fn of_guest(name: &str, binary: PathBuf, ends: Ending) -> Subject {
        let mut subject = Subject::new(name.to_owned(), vec![binary.into()]);
        subject.verifies_itself = true;
        subject.ends = Some(ends);
        subject
    }

    /// Another name than the command: the one by which the table of known limits may list it.
    pub fn called(mut self, name: &str) -> Subject {
        self.name = name.to_owned();
        self
    }

    pub fn args(mut self, args: &[&str]) -> Subject {
        self.words.extend(args.iter().map(OsString::from));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Subject {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn net(mut self, net: Net) -> Subject {
        self.net = net;
        self
    }

    /// Records without `--quiet`, for tests of what `record` itself says.
    pub fn loud(mut self) -> Subject {
        self.quiet = false;
        self
    }

    /// Records, and replays the second time, with every call trapping. The first replay rewrites sites
    /// as it likes: what was recorded in one way must replay in the other.
    pub fn unpatched(mut self) -> Subject {
        self.unpatched = true;
        self
    }

    /// While it was recorded, tasks must have been stopped so often where they computed.
    pub fn stopped_at_least(mut self, times: u64) -> Subject {
        self.stops_min = times;
        self
    }

    /// Records with schedules and short transfers drawn from this seed.
    pub fn chaos(mut self, seed: u64) -> Subject {
        self.chaos = Some(seed);
        self
    }

    /// The program's file, as it was given.
    pub fn program(&self) -> &Path {
        Path::new(&self.words[0])
    }

    /// How the program must end; without it, recorded as natively is all that is asked.
    pub fn ends(mut self, ending: Ending) -> Subject {
        self.ends = Some(ending);
        self
    }

    /// For programs that take longer than two minutes on a busy machine.
    pub fn within(mut self, limit: Duration) -> Subject {
        self.limit = limit;
        self
    }

    /// Where the program and its recorder run; replays do so where `Recording::replay_in` says.
    pub fn at(mut self, place: Place) -> Subject {
        self.place = place;
        self
    }

    /// Takes `record` and `replay` from this folder: copies that another user may run, or ones that are known to be wrong.
    pub fn by_commands_in(mut self, folder: &Path) -> Subject {
        self.commands = Some(folder.to_owned());
        self
    }

    fn command(&self, name: &str, built: fn() -> PathBuf) -> PathBuf {
        match &self.commands {
            Some(folder) => folder.join(name),
            None => built(),
        }
    }

    /// Runs the program by itself.
    pub fn native(&self) -> Finished {
        let scratch = Scratch::new();
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        self.run(command, &scratch, "native").finish()
    }

    /// Starts `record` and returns at once.
    pub fn start_recording(self) -> Recorder {
        let scratch = Scratch::new();
        let trace = scratch.path.join("trace.zst");
        let mut command = Command::new(self.command("record", record_binary));
        command.arg("-o").arg(&trace);
        if self.quiet {
            command.arg("--quiet");
        }
        if self.unpatched {
            command.arg("--no-patch");
        }
        if let Some(seed) = self.chaos {
            command.arg("--chaos").arg(seed.to_string());
        }
        command.arg("--").args(&self.words);
        if self.net == Net::Seccomp {
            command.env("REENACT_NET", "seccomp");
        }
        let running = self.run(command, &scratch, "recorded");
        Recorder {
            running,
            subject: self,
            scratch,
            trace,
        }
    }

    /// Runs the program under `record`, to its end.
    pub fn record(self) -> Recording {
        self.start_recording().finish()
    }

    /// All that a test usually asks: the recording ends as the program does natively, and two replays are the same
    /// byte for byte. Where a limit is known, exactly what its row says.
    pub fn is_faithful(self) {
        self.is_faithful_in(Place::default());
    }

    /// The same, with the first replay in this place.
    pub fn is_faithful_in(self, place: Place) {
        let limit = limit(&self.name);
        let recording = self.record();
        let Some(limit) = limit else {
            let replay = recording.as_native().replay_in(place).same_output();
            replay.replay().same_output();
            return;
        };
        match limit.step {
            Step::Record => {
                let replay = recording.limited_by(&limit).replay_in(place).same_output();
                replay.replay().same_output();
            }
            Step::Replay => recording.as_native().replay_in(place).limited_by(&limit),
            Step::Outside => panic!("{}: `outside` is no step of its own run", limit.test),
        }
    }

    fn run(&self, mut command: Command, scratch: &Scratch, folder: &str) -> Running {
        let folder = scratch.folder(folder);
        let temporary = scratch.folder("tmp");
        // What steers the harness is no part of a program's environment.
        for own in ["REENACT_BIN_DIR", "REENACT_SEED", "REENACT_THOROUGH"] {
            command.env_remove(own);
        }
        command
            .env("TMPDIR", &temporary)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.place.apply(&mut command, &folder);
        Running::start(command, self.limit)
    }
}

/// `record` at work.
#[derive(Debug)]
pub struct Recorder {
    pub running: Running,
    subject: Subject,
    scratch: Scratch,
    trace: PathBuf,
}

impl Recorder {
    /// The folder in which the program runs.
    pub fn folder(&self) -> PathBuf {
        self.scratch.path.join("recorded")
    }

    pub fn trace(&self) -> &Path {
        &self.trace
    }

    pub fn finish(self) -> Recording {
        Recording {
            recorded: self.running.finish(),
            subject: self.subject,
            native: None,
            scratch: self.scratch,
            trace: self.trace,
        }
    }
}

/// A program that ran under `record`.
#[derive(Debug)]
pub struct Recording {
    subject: Subject,
    pub recorded: Finished,
    native: Option<Finished>,
    scratch: Scratch,
    trace: PathBuf,
}

impl Recording {
    pub fn trace(&self) -> &Path {
        &self.trace
    }

    /// A folder for copies of the trace.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.scratch.folder(name)
    }

    pub fn stdout(&self) -> String {
        self.recorded.text()
    }

    /// How often a task was stopped where it computed. A replay is faithful only if it found each of these places.
    pub fn stops(&self) -> u64 {
        let mut stops = 0;
        let walked = self.reader().for_each(&mut |item| {
            if let Item::Event { event, .. } = item {
                stops += u64::from(event.header.kind == Kind::Preempt as u8);
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = walked {
            self.fail(&error.to_string(), None);
        }
        stops
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.trace).unwrap_or_else(|error| self.fail(&error.to_string(), None))
    }

    /// It was recorded in the way that the subject asks for.
    fn as_asked(&self) {
        let subject = &self.subject;
        if subject.unpatched && self.reader().meta().patched {
            self.fail("the trace says that sites were rewritten", None);
        }
        let stops = if subject.stops_min == 0 {
            0
        } else {
            self.stops()
        };
        if stops < subject.stops_min {
            let due = subject.stops_min;
            self.fail(&format!("{stops} stops, but {due} were due"), None);
        }
    }

    /// The program ended under `record` as it does without, and a guest found all as it should be.
    pub fn as_native(mut self) -> Recording {
        let native = self.subject.native();
        let expected = self.subject.ends.unwrap_or(native.ending);
        self.native = Some(native.clone());
        if native.ending != expected {
            self.fail(
                &format!("natively: {}, but {expected} was due", native.ending),
                None,
            );
        }
        if self.recorded.code() != expected.code() || expected.code().is_none() {
            let recorded = self.recorded.ending;
            self.fail(
                &format!("under `record`: {recorded}, natively: {expected}"),
                None,
            );
        }
        self.as_asked();
        if self.subject.verifies_itself {
            for (way, run) in [("natively", &native), ("under `record`", &self.recorded)] {
                if !says_success(run) {
                    self.fail(&format!("{way}: no line EXIT-SUCCESS"), None);
                }
            }
        }
        self
    }

    /// The program ended under `record` as the known limit says, and natively as it should.
    fn limited_by(mut self, limit: &Limit) -> Recording {
        let native = self.subject.native();
        let expected = self.subject.ends.unwrap_or(native.ending);
        self.native = Some(native.clone());
        let recorded = &self.recorded;
        let (code, or_faithful) = limit.code();
        let limited = recorded.code() == Some(code) && limit.explained_by(recorded);
        let faithful = recorded.code() == expected.code();
        if native.ending != expected || !(limited || or_faithful && faithful) {
            self.fail(&changed(limit), None);
        }
        self
    }

    /// Replays once, in a folder where nothing of the recorded program is.
    pub fn replay(self) -> Replay {
        self.replay_in(Place::default())
    }

    pub fn replay_in(self, place: Place) -> Replay {
        Replay::run(self, Run::Judged, place)
    }

    /// Runs `replay` with these words before the trace's path, and returns what came of it.
    pub fn replay_with(&self, options: &[&str], trace: &Path) -> Finished {
        self.replay_command(options, trace, &Place::default())
    }

    /// Checks a trace without replaying it.
    pub fn verify(&self, trace: &Path) -> Finished {
        self.replay_with(&["verify"], trace)
    }

    /// Starts `replay` with these words before the trace's path, and returns at once.
    pub fn start_replaying(&self, options: &[&str]) -> Running {
        self.start_replay_command(options, self.trace(), &Place::default())
    }

    fn replay_command(&self, options: &[&str], trace: &Path, place: &Place) -> Finished {
        self.start_replay_command(options, trace, place).finish()
    }

    fn start_replay_command(&self, options: &[&str], trace: &Path, place: &Place) -> Running {
        let (binary, trace_inside, folder) = match &place.root {
            None => {
                let folder = self.scratch.folder("elsewhere");
                let binary = self.subject.command("replay", replay_binary);
                (binary, trace.to_owned(), folder)
            }
            Some(root) => {
                fs::copy(trace, root.join("trace.zst")).expect("a copy of the trace");
                ("/replay".into(), "/trace.zst".into(), "/tmp".into())
            }
        };
        let mut command = Command::new(binary);
        command.args(options).arg(trace_inside).env_clear();
        if self.subject.net == Net::Seccomp {
            command.env("REENACT_NET", "seccomp");
        }
        place.apply(&mut command, &folder);
        Running::start(command, self.subject.limit)
    }

    /// Fails the test with all that helps to see why; the trace stays on disk.
    pub fn fail(&self, what: &str, replayed: Option<&Finished>) -> ! {
        let mut text = format!("{}: {what}\n", self.subject.name);
        if let Some(native) = &self.native {
            describe(&mut text, "native", native);
        }
        describe(&mut text, "recorded", &self.recorded);
        if let Some(replayed) = replayed {
            describe(&mut text, "replayed", replayed);
            let report = self.scratch.path.join("report.json");
            let options = ["--report", report.to_str().expect("a UTF-8 path")];
            let loud = self.replay_command(&options, &self.trace, &Place::default());
            describe(&mut text, "replayed once more, not quietly", &loud);
            if let Ok(report) = fs::read_to_string(&report) {
                let _ = writeln!(text, "--- report\n{}", shortened(report.as_bytes()));
            }
        }
        self.scratch.keep();
        let _ = writeln!(text, "the trace is kept: {}", self.trace.display());
        panic!("{text}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// The exit code is replay's own verdict.
    Judged,
    /// The exit code is the program's.
    Propagated,
}

/// A replay that ran to its end, and the recording that it replayed.
#[derive(Debug)]
pub struct Replay {
    recording: Recording,
    pub replayed: Finished,
    way: Run,
}

impl Replay {
    fn run(recording: Recording, way: Run, place: Place) -> Replay {
        let options: &[&str] = match way {
            Run::Judged => &["--quiet"],
            Run::Propagated if recording.subject.unpatched => {
                &["--quiet", "--propagate-exit", "--no-patch"]
            }
            Run::Propagated => &["--quiet", "--propagate-exit"],
        };
        let replayed = recording.replay_command(options, recording.trace(), &place);
        Replay {
            recording,
            replayed,
            way,
        }
    }

    /// Replays again, this time with the exit code of the recorded program.
    pub fn replay(self) -> Replay {
        Replay::run(self.recording, Run::Propagated, Place::default())
    }

    /// Both outputs are the recorded ones byte for byte, the exit code says so, and nothing was left lying about.
    pub fn same_output(self) -> Replay {
        let recording = &self.recording;
        let due = match self.way {
            Run::Judged => Some(0),
            Run::Propagated => recording.recorded.code(),
        };
        let fail = |what: &str| recording.fail(what, Some(&self.replayed));
        if self.replayed.code() != due {
            fail(&format!(
                "replay: {}, but {due:?} was due",
                self.replayed.ending
            ));
        }
        if let Some(at) = first_difference(&recording.recorded.stdout, &self.replayed.stdout) {
            fail(&format!("stdout differs from byte {at} on"));
        }
        if let Some(at) = first_difference(&recording.recorded.stderr, &self.replayed.stderr) {
            fail(&format!("stderr differs from byte {at} on"));
        }
        let left = fs::read_dir(recording.scratch.folder("elsewhere"));
        if left.expect("a readable folder").next().is_some() {
            fail("the replay made files in its working folder");
        }
        self
    }

    /// The replay ended as the known limit says, and printed nothing that the recording did not.
    fn limited_by(self, limit: &Limit) {
        let replayed = &self.replayed;
        let (code, or_faithful) = limit.code();
        if or_faithful && replayed.code() == Some(0) {
            self.same_output();
            return;
        }
        let recorded = &self.recording.recorded;
        if replayed.code() != Some(code)
            || !limit.explained_by(replayed)
            || !recorded.stdout.starts_with(&replayed.stdout)
        {
            self.recording.fail(&changed(limit), Some(replayed));
        }
    }

    /// replay's own verdict, for traces that cannot be replayed to the end.
    pub fn gives(self, code: i32) -> Replay {
        if self.replayed.code() != Some(code) {
            let what = format!(
                "replay: {}, but exit code {code} was due",
                self.replayed.ending
            );
            self.recording.fail(&what, Some(&self.replayed));
        }
        self
    }

    pub fn recording(&self) -> &Recording {
        &self.recording
    }
}

fn changed(limit: &Limit) -> String {
    format!(
        "not as tests/guests/KNOWN_LIMITS.md says ({:?}: {}, `{}`): update the table if this is right",
        limit.step, limit.outcome, limit.says
    )
}

fn says_success(run: &Finished) -> bool {
    let line = |text: &[u8]| {
        text.split(|byte| *byte == b'\n')
            .any(|line| line == b"EXIT-SUCCESS")
    };
    line(&run.stdout) || line(&run.stderr)
}

fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    (common < left.len().max(right.len())).then_some(common)
}

fn describe(text: &mut String, way: &str, run: &Finished) {
    let _ = writeln!(
        text,
        "--- {way}: {} after {} ms\n--- its stdout, {} bytes\n{}\n--- its stderr, {} bytes\n{}",
        run.ending,
        run.took.as_millis(),
        run.stdout.len(),
        shortened(&run.stdout),
        run.stderr.len(),
        shortened(&run.stderr)
    );
}

fn shortened(bytes: &[u8]) -> String {
    const KEPT: usize = 2000;
    if bytes.len() <= 2 * KEPT {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    format!(
        "{}\n… {} bytes …\n{}",
        String::from_utf8_lossy(&bytes[..KEPT]),
        bytes.len() - 2 * KEPT,
        String::from_utf8_lossy(&bytes[bytes.len() - KEPT..])
    )
}
