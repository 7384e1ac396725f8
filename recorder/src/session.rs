//! One recording: start the command, drain while it runs, close the trace.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use reenact_abi::arena::{state, Mode, RINGS_END};
use reenact_launch::{machine, Launch, Session, SessionError, StartError};
use reenact_trace::{End, WriteError, Writer};

use crate::cli::Run;
use crate::command::{self, CommandError, Program};
use crate::drain::Drain;
use crate::meta;

/// What other processes of the run get to finish after the command itself has ended.
const GRACE: Duration = Duration::from_millis(200);
/// The longest sleep between two looks at the rings.
const POLL: Duration = Duration::from_millis(20);
/// What the recorder's own death may cost, in time.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("{0}; nothing was started")]
    Output(#[source] WriteError),
    #[error("{0}")]
    Session(#[from] SessionError),
    #[error("{0}")]
    Start(#[from] StartError),
}

impl RecordError {
    pub fn exit_status(&self) -> u8 {
        match self {
            RecordError::Command(CommandError::NotFound(_)) => 127,
            RecordError::Command(CommandError::CannotExecute { .. }) => 126,
            RecordError::Output(_) | RecordError::Session(_) | RecordError::Start(_) => {
                crate::cli::CANNOT_START
            }
        }
    }
}

/// The command's pid, for the signal handler that passes signals on.
static CHILD: AtomicI32 = AtomicI32::new(0);

extern "C" fn pass_on(signal: i32, info: *const libc::siginfo_t, _: *mut libc::c_void) {
    let child = CHILD.load(Ordering::Relaxed);
    // SAFETY: the kernel passes a siginfo_t to handlers that ask for one.
    let from_terminal = unsafe { (*info).si_code } == libc::SI_KERNEL;
    if child > 0 && !from_terminal {
        // SAFETY: kill is async-signal-safe.
        unsafe { libc::kill(child, signal) };
    }
}

/// A terminal's signals reach the command by themselves; what others send to the recorder is meant for
/// the command, and passed on. The recorder lives on, to close the trace.
fn outlive_signals() {
    const FOR_THE_COMMAND: [i32; 6] = [
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGHUP,
        libc::SIGUSR1,
        libc::SIGUSR2,
    ];
    // SAFETY: installs handlers that only call async-signal-safe functions; no thread runs yet.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        // Rust's runtime ignores SIGPIPE; the command gets what a shell would give it.
        reenact_launch::remember(libc::SIGPIPE, libc::SIG_DFL);
        for signal in FOR_THE_COMMAND {
            let mut old: libc::sigaction = std::mem::zeroed();
            let mut new: libc::sigaction = std::mem::zeroed();
            new.sa_sigaction = pass_on as *const () as usize;
            new.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigaction(signal, &new, &mut old);
            reenact_launch::remember(signal, old.sa_sigaction);
        }
    }
}

pub fn record(run: &Run) -> Result<ExitCode, RecordError> {
    let program = command::find(&run.command)?;
    if machine::is_recorded() {
        return Err(within_a_recording(program).into());
    }
    let net = machine::choose_net(machine::requested_net());
    let described = meta::collect(run, net);
    let mut writer = Writer::create(&run.output, &described).map_err(RecordError::Output)?;
    let session = Session::create(Mode::Record, net, RINGS_END, RINGS_END)?;
    prepare(&session, run);
    outlive_signals();
    let child = start(&session, program)?;
    CHILD.store(child, Ordering::Relaxed);
    step_back();

    let mut drain = Drain::new(&session);
    let (status, trouble) = follow(&session, &mut drain, &mut writer, child);
    session
        .header()
        .state
        .store(state::CLOSED, Ordering::SeqCst);
    let outcome = match trouble {
        None => finish(drain, writer, status),
        Some(error) => Err(error),
    };
    report(run, outcome);
    Ok(exit_code(status))
}

/// The command becomes part of the recording that this process is in, in place of this process. Returns
/// only if it cannot be executed.
fn within_a_recording(program: Program) -> CommandError {
    eprintln!(
        "record: this is recorded already; the command becomes part of that recording, and no other trace is written"
    );
    let mut words = program.argv.iter();
    let mut command = process::Command::new(&program.path);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    let source = command.args(words).exec();
    CommandError::CannotExecute {
        path: program.path.to_string_lossy().into_owned(),
        source,
    }
}

fn prepare(session: &Session, run: &Run) {
    let rewrites = !run.no_patch;
    let header = session.header_ptr();
    // SAFETY: nobody else is running yet.
    unsafe {
        (*header).rewrites = u32::from(rewrites);
        // Without rewriting, the cycle counter traps, and the vDSO cannot be used.
        (*header).vdso_data_pages = if rewrites { meta::vdso_data_pages() } else { 0 };
        (*header).tsc_is_clock = u32::from(meta::tsc_is_clock());
        (*header).wall_less_monotonic_ns = meta::wall_less_monotonic_ns();
        (*header).time_offset_ns = meta::time_offset_ns();
        (*header).chaos = u32::from(run.chaos.is_some());
        (*header).chaos_seed = run.chaos.unwrap_or(0);
        (*header).stdout = Session::identify(1).unwrap_or_default();
        (*header).stderr = Session::identify(2).unwrap_or_default();
        (*header).owner.store(own_tid(), Ordering::SeqCst);
        (*header).next_process.store(1, Ordering::SeqCst);
        (*header).next_task.store(1, Ordering::SeqCst);
        (*header).next_group.store(1, Ordering::SeqCst);
    }
    let group = session.group(0);
    group.id.store(1, Ordering::SeqCst);
    group.members.store(1, Ordering::SeqCst);
    group.order.store(1, Ordering::SeqCst);
    register_death(session);
}

/// Draining has buffers to fall behind by, the run has none: where they compete for a CPU, the run is to
/// win, and what balances load over CPUs is to take one that drains for nearly idle. Not the last
/// place: on a busy machine, tasks wait for draining once their rings are full. The command has been
/// started, and keeps the priority that it would have had.
fn step_back() {
    const NICE: i32 = 10;
    // SAFETY: neither touches memory; both are of the calling thread. Nothing is lost if they fail.
    unsafe {
        let now = libc::getpriority(libc::PRIO_PROCESS, 0);
        libc::setpriority(libc::PRIO_PROCESS, 0, (now + NICE).min(19));
    }
}

fn own_tid() -> u32 {
    // SAFETY: gettid cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// Has the kernel mark the session when this thread dies, so that shims stop waiting for us.
fn register_death(session: &Session) {
    #[repr(C)]
    struct List {
        first: *const usize,
        futex_offset: isize,
        pending: usize,
        entry: usize,
    }
    let list: &'static mut List = Box::leak(Box::new(List {
        first: std::ptr::null(),
        futex_offset: 0,
        pending: 0,
        entry: 0,
    }));
    list.entry = list as *const List as usize;
    list.first = &list.entry;
    list.futex_offset =
        session.header().owner.as_ptr() as isize - &list.entry as *const usize as isize;
    // SAFETY: the list is leaked, so it outlives the thread; the C library's own list, which only
    // serves robust mutexes, is not used by this program.
    unsafe { libc::syscall(libc::SYS_set_robust_list, list as *const List, 24) };
}

fn start(session: &Session, program: Program) -> Result<i32, RecordError> {
    let slot = session.claim_first(1, 1, 0);
    let env = std::env::vars_os().map(|(name, value)| {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        entry
    });
    let launch = Launch {
        session,
        slot,
        program: Some((&program.file, program.path.as_os_str())),
        argv: program
            .argv
            .iter()
            .map(|arg: &OsString| command::bytes(arg))
            .collect(),
        env: env.collect(),
    };
    Ok(launch.start()?)
}

/// Drains until the command has ended and the others had their grace. A write error ends the
/// recording, not the run.
fn follow(
    session: &Session,
    drain: &mut Drain,
    writer: &mut Writer,
    child: i32,
) -> (i32, Option<WriteError>) {
    let mut trouble = None;
    let mut ended: Option<(i32, Instant)> = None;
    let mut last_flush = Instant::now();
    loop {
        let seen = session.asked();
        if trouble.is_none() {
            if let Err(error) = step(drain, writer, &mut last_flush) {
                session
                    .header()
                    .state
                    .store(state::CLOSED, Ordering::SeqCst);
                trouble = Some(error);
            }
        }
        match ended {
            None => ended = reap(child, false).map(|status| (status, Instant::now())),
            Some((status, _)) if trouble.is_some() => return (status, trouble),
            Some((status, since)) => {
                if drain.alive() == 0 || since.elapsed() > GRACE {
                    return (status, trouble);
                }
            }
        }
        if ended.is_none() && trouble.is_some() {
            ended = reap(child, true).map(|status| (status, Instant::now()));
            continue;
        }
        let at_most = if ended.is_some() {
            Duration::from_millis(1)
        } else {
            POLL
        };
        session.wait_for_work(seen, at_most);
    }
}

/// A pass that took fewer bytes is not followed by another at once: programs that run need the CPU
/// more than a ring with room needs to be empty.
const WORTHWHILE: u64 = 128 << 10;

fn step(
    drain: &mut Drain,
    writer: &mut Writer,
    last_flush: &mut Instant,
) -> Result<(), WriteError> {
    for _ in 0..64 {
        if drain.pass(writer)? < WORTHWHILE {
            break;
        }
    }
    if last_flush.elapsed() > FLUSH_EVERY {
        writer.anchor(meta::wall_ns(), machine::monotonic_ns())?;
        writer.flush()?;
        *last_flush = Instant::now();
    }
    Ok(())
}

fn reap(child: i32, block: bool) -> Option<i32> {
    let mut status = 0;
    // SAFETY: waitpid writes one integer.
    let got = unsafe { libc::waitpid(child, &mut status, if block { 0 } else { libc::WNOHANG }) };
    match got {
        0 => None,
        pid if pid == child => Some(status),
        _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => None,
        _ => Some(0),
    }
}

/// What there is to say at the end.
struct Outcome {
    summary: reenact_trace::Summary,
    reasons: Vec<String>,
}

fn finish(mut drain: Drain, mut writer: Writer, status: i32) -> Result<Outcome, WriteError> {
    drain.close(&mut writer)?;
    let totals = &drain.totals;
    let mut reasons = Vec::new();
    let mut note = |count: u64, what: &str| {
        if count != 0 {
            reasons.push(format!("{count} {what}"));
        }
    };
    note(
        totals.gaps,
        "task(s) lost events because the recorder fell behind",
    );
    note(totals.unrecorded, "program(s) ran unrecorded");
    note(totals.broken, "event stream(s) were damaged by the program");
    let end = End {
        exit_code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        wall_end_ns: meta::wall_ns(),
        mono_end_ns: machine::monotonic_ns(),
        complete: reasons.is_empty(),
        reasons: reasons.clone(),
        events: totals.events,
        streams: totals.streams,
        chunks: 0,
        chunk_bytes: 0,
    };
    writer.anchor(end.wall_end_ns, end.mono_end_ns)?;
    let summary = writer.finish(&end)?;
    Ok(Outcome { summary, reasons })
}

fn report(run: &Run, outcome: Result<Outcome, WriteError>) {
    match outcome {
        Err(error) => eprintln!("record: the trace is incomplete: {error}"),
        Ok(outcome) => {
            for reason in &outcome.reasons {
                eprintln!("record: the trace is incomplete: {reason}");
            }
            if !run.quiet {
                let Outcome { summary, .. } = outcome;
                eprintln!(
                    "record: {} events of {} task(s), {} bytes in {}; try: replay {}",
                    summary.events,
                    summary.streams,
                    summary.bytes,
                    run.output.display(),
                    run.output.display()
                );
            }
        }
    }
}

fn exit_code(status: i32) -> ExitCode {
    if libc::WIFSIGNALED(status) {
        ExitCode::from(128 + libc::WTERMSIG(status) as u8)
    } else {
        ExitCode::from(libc::WEXITSTATUS(status) as u8)
    }
}
