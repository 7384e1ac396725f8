//! Re-enacting: start the first process, watch, and say how it went.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reenact_abi::arena::{slot, state, Net, Reason, Report, SLOTS_MAX};
use reenact_launch::{machine, Launch, Session};
use reenact_trace::{End, Mark, Reader};

use crate::cli::{exit, Pace, Run};
use crate::commands::trace_error;
use crate::layout::{self, Layout, LayoutError};
use crate::render;

/// A replay that makes no progress this much longer than the recorded run ever paused hangs.
const HANG_AFTER: Duration = Duration::from_secs(15);

/// The longest sleep between two looks at what runs, should no process ask to be ended.
const POLL: Duration = Duration::from_micros(500);

/// How a replay went.
enum Outcome {
    Faithful,
    Incomplete(String),
    Diverged(Box<Difference>),
    SetUp(String),
    Corrupt(String),
}

struct Difference {
    report: Report,
    what: String,
}

/// Why re-execution is impossible on this machine, if it is.
pub fn cannot_replay_here() -> Option<String> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        None
    } else {
        Some("re-execution needs Linux on x86-64".to_owned())
    }
}

pub fn main(args: &Run) -> ExitCode {
    let Some(path) = &args.trace else {
        return ExitCode::from(exit::USAGE);
    };
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return trace_error(&error),
    };
    // Nothing runs before every byte is known to be what was written.
    let (verified, built) = std::thread::scope(|scope| {
        let verified = scope.spawn(|| Reader::open(path)?.verify(&mut |_, _| {}));
        let built = layout::build(&mut reader, choose_net());
        (verified.join(), built)
    });
    match verified {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return trace_error(&error),
        Err(panic) => std::panic::resume_unwind(panic),
    }
    let layout = match built {
        Ok(layout) => layout,
        Err(LayoutError::Trace(error)) => return trace_error(&error),
        Err(LayoutError::Empty) if reader.is_cut() => {
            eprintln!(
                "replay: the trace was cut before the first process: there is nothing to replay"
            );
            return ExitCode::from(exit::INCOMPLETE);
        }
        Err(error) => {
            eprintln!("replay: {error}");
            return ExitCode::from(exit::SET_UP);
        }
    };
    let started = Instant::now();
    let outcome = enact(&mut reader, &layout, args);
    let took = started.elapsed();
    let end = reader.end().cloned();
    if let Some(to) = &args.report {
        if let Err(error) = write_report(to, path, &outcome, &layout, took) {
            eprintln!("replay: cannot write {}: {error}", to.display());
        }
    }
    conclude(args, path, outcome, &layout, end, took)
}

fn choose_net() -> Net {
    // Of the two, only the slower one is worth forcing here: replay needs a net that works.
    machine::choose_net(machine::requested_net().filter(|net| *net == Net::Seccomp))
}

fn enact(reader: &mut Reader, layout: &Layout, args: &Run) -> Outcome {
    let pace = args.pace;
    let session = &layout.session;
    let header = session.header_ptr();
    // SAFETY: nobody else is running yet.
    unsafe {
        (*header).replay_start_ns = machine::monotonic_ns();
        (*header).record_start_ns = reader.meta().mono_start_ns;
        (*header).rewrites = u32::from(!args.no_patch);
        (*header).pace_num = pace.num;
        (*header).pace_den = pace.den.max(1);
    }
    // SAFETY: orphans of the replay are ours to wait for; the stack may grow as far as it did.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_STACK, &mut limit);
        limit.rlim_cur = limit.rlim_max.min(1 << 30);
        libc::setrlimit(libc::RLIMIT_STACK, &limit);
        let no_core = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::setrlimit(libc::RLIMIT_CORE, &no_core);
    }
    let slot = session.claim_first(layout.root.process, layout.root.task, 0);
    let launch = Launch {
        session,
        slot,
        program: None,
        argv: vec![b"reenact".to_vec()],
        env: Vec::new(),
    };
    if let Err(error) = launch.start() {
        return Outcome::SetUp(error.to_string());
    }
    let hung = watch(layout, pace);
    judge(reader, layout, hung)
}

/// Waits until nothing of the replay runs any more, and ends what hangs. True when something did.
fn watch(layout: &Layout, pace: Pace) -> bool {
    let session = &layout.session;
    let header = session.header();
    let patience = HANG_AFTER + Duration::from_nanos(layout.longest_pause_ns.saturating_mul(4));
    let (mut seen, mut since) = (0, Instant::now());
    let mut hung = false;
    loop {
        let mut status = 0;
        // SAFETY: waitpid writes one integer.
        match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
            0 => {}
            -1 if io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD) => return hung,
            _ => continue,
        }
        let done = header.events_done.load(Ordering::Relaxed);
        if done != seen {
            (seen, since) = (done, Instant::now());
        }
        end_as_asked(session);
        let stopped = header.state.load(Ordering::SeqCst) != state::OPEN;
        let late = since.elapsed()
            > if pace.num == 0 {
                patience
            } else {
                patience * 1000
            };
        if stopped || late {
            hung |= late && !stopped;
            header.state.store(state::STOPPED, Ordering::SeqCst);
            end_all(session);
        }
        session.wait_for_work(session.asked(), POLL);
    }
}

/// Processes whose recorded ones were killed cannot do that to themselves: they are confined.
fn end_as_asked(session: &Session) {
    for index in 0..SLOTS_MAX {
        let slot = session.slot(index);
        let (signal, pid) = (
            slot.end_by.load(Ordering::SeqCst) as i32,
            slot.pid.load(Ordering::SeqCst) as i32,
        );
        if signal != 0 && pid > 1 {
            slot.end_by.store(0, Ordering::SeqCst);
            slot.pid.store(0, Ordering::SeqCst);
            slot.state.store(slot::FREE, Ordering::SeqCst);
            // SAFETY: a process of this replay that waits to be ended.
            unsafe {
                libc::kill(pid, signal);
                libc::kill(pid, libc::SIGKILL);
            }
        }
    }
}

fn end_all(session: &Session) {
    for index in 0..SLOTS_MAX {
        let slot = session.slot(index);
        let pid = slot.pid.load(Ordering::SeqCst) as i32;
        if slot.state.load(Ordering::SeqCst) == slot::RUNNING && pid > 1 {
            // SAFETY: a process of this replay; its pid cannot be reused before we have waited for it.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
}

fn judge(reader: &Reader, layout: &Layout, hung: bool) -> Outcome {
    let header = layout.session.header();
    if header.report_state.load(Ordering::SeqCst) == 2 {
        // SAFETY: written once, before the state said so.
        let report = unsafe { std::ptr::read_volatile(&header.report) };
        let reason = Reason::from_u32(report.reason).unwrap_or(Reason::BadLog);
        let where_ = format!("process {}, event {}", report.process, report.event);
        return match reason {
            Reason::BadLog => Outcome::Corrupt(format!("{where_}: the trace contradicts itself")),
            Reason::System => {
                let error = io::Error::from_raw_os_error(report.detail as i32);
                Outcome::SetUp(format!("{where_}: {error}"))
            }
            reason => {
                let what = describe(reason, &report);
                Outcome::Diverged(Box::new(Difference { report, what }))
            }
        };
    }
    let (done, all) = (header.streams_done.load(Ordering::SeqCst), layout.streams);
    let events = header.events_done.load(Ordering::SeqCst);
    let whole = !reader.is_cut() && reader.end().is_some_and(|end| end.complete);
    if events == 0 && layout.events != 0 && !hung {
        return Outcome::SetUp("the first process ended before it could begin; a filter of this machine or container, or a recording that this is part of, may not let it run".to_owned());
    }
    if done < all && (whole || hung) {
        let mut report = header.report;
        report.reason = Reason::Hang as u32;
        let what = format!(
            "{} of {all} tasks did not reach their recorded end ({events} of {} events replayed)",
            all - done,
            layout.events
        );
        return Outcome::Diverged(Box::new(Difference { report, what }));
    }
    match reader.end().filter(|_| !reader.is_cut()) {
        None => Outcome::Incomplete(
            "its end is missing: the recorder died, or the file was cut".to_owned(),
        ),
        Some(_) if layout.unknown_outputs != 0 => Outcome::Incomplete(format!(
            "{} task(s) were killed or left while they wrote to the run's output, and how much of that got out is unknown",
            layout.unknown_outputs
        )),
        Some(_) if layout.dropped != 0 => Outcome::Incomplete(format!(
            "the recording ended while the run went on, and {} events depend on some that it lacks",
            layout.dropped
        )),
        Some(end) if !end.complete => Outcome::Incomplete(end.reasons.join("; ")),
        Some(_) => Outcome::Faithful,
    }
}

fn describe(reason: Reason, report: &Report) -> String {
    match reason {
        Reason::Kind => "something else happened",
        Reason::Number => "another call was made",
        Reason::Argument => return format!("argument {} differs", report.detail + 1),
        Reason::InstructionPointer => "the call came from another place in the program",
        Reason::StackPointer => "the stack pointer differs",
        Reason::Input => "the bytes given to the call differ",
        Reason::Result => "a call that replay executes gave another result",
        Reason::EndOfStream => "the recorded task ended here, but the replayed one goes on",
        Reason::Fault => "the program faulted differently",
        Reason::Checksum if report.recorded.nr == WRITTEN => {
            return format!(
                "what was written to descriptor {} differs: {} bytes recorded, {} replayed",
                report.detail, report.recorded.args[1], report.replayed.args[1]
            )
        }
        Reason::Checksum => {
            return format!(
                "memory at {:#x} differs at the end of the process",
                report.detail
            )
        }
        Reason::Hang => "the program does not reach the next recorded event",
        Reason::Order => "an event that others wait for never came",
        Reason::Preempted => {
            "the place where the recorded task was stopped between two calls was not found again"
        }
        Reason::Mark => return marks_differ(report),
        Reason::None | Reason::BadLog | Reason::System => "unknown",
    }
    .to_owned()
}

/// Which mark differs, by its name, and how.
fn marks_differ(report: &Report) -> String {
    match marks(report) {
        Some([recorded, replayed]) if recorded.is_sum_of_same(&replayed) => format!(
            "checksum {} differs: recorded {}, replayed {}",
            recorded.quoted(),
            sum(&recorded),
            sum(&replayed)
        ),
        Some([recorded, replayed]) => {
            format!("the mark differs: recorded {recorded}, replayed {replayed}")
        }
        None => "the mark differs".to_owned(),
    }
}

fn sum(mark: &Mark) -> String {
    let digits = mark.value_digits();
    if mark.summed == 0 {
        digits
    } else {
        format!("{digits} ({} bytes)", mark.summed)
    }
}

/// The recorded and the replayed mark, if that is what differs.
fn marks(report: &Report) -> Option<[Mark; 2]> {
    let bytes = |all: &[u8], len: u32| all[..all.len().min(len as usize)].to_vec();
    let recorded = bytes(&report.recorded_bytes, report.recorded_len);
    let replayed = bytes(&report.input, report.input_len);
    Some([
        Mark::from_report(&report.recorded, &recorded)?,
        Mark::from_report(&report.replayed, &replayed)?,
    ])
}

/// The two sides of a difference, in words.
fn sides(report: &Report) -> [Option<String>; 2] {
    match marks(report) {
        Some(marks) => marks.map(|mark| Some(mark.to_string())),
        None => [&report.recorded, &report.replayed]
            .map(|header| (header.kind != 0).then(|| render::header(header))),
    }
}

/// `Header::nr` of a checksum of what was written to a descriptor (see FORMAT.md).
const WRITTEN: u16 = 2;

fn conclude(
    args: &Run,
    path: &Path,
    outcome: Outcome,
    layout: &Layout,
    end: Option<End>,
    took: Duration,
) -> ExitCode {
    let header = layout.session.header();
    match outcome {
        Outcome::Faithful | Outcome::Incomplete(_) => {
            let events = header.events_done.load(Ordering::SeqCst);
            if !args.quiet {
                let matched = header.checksums_matched.load(Ordering::SeqCst);
                eprintln!(
                    "replay: {events} events of {} tasks reproduced in {:.3} s, {matched} state checksums matched, 0 divergences",
                    layout.streams,
                    took.as_secs_f64()
                );
            }
            if let Outcome::Incomplete(why) = outcome {
                eprintln!("replay: faithful as far as the trace goes, but it is incomplete: {why}");
                return ExitCode::from(exit::INCOMPLETE);
            }
            match end {
                Some(end) if args.propagate_exit => propagated(&end),
                _ => ExitCode::SUCCESS,
            }
        }
        Outcome::Diverged(difference) => {
            show_difference(path, &difference);
            ExitCode::from(exit::DIVERGED)
        }
        Outcome::SetUp(why) => {
            eprintln!("replay: {why}");
            ExitCode::from(exit::SET_UP)
        }
        Outcome::Corrupt(why) => {
            eprintln!("replay: {}: {why}", path.display());
            ExitCode::from(exit::CORRUPT)
        }
    }
}

fn propagated(end: &End) -> ExitCode {
    match (end.exit_code, end.signal) {
        (Some(code), _) => ExitCode::from(code as u8),
        (_, Some(signal)) => ExitCode::from(128 + signal as u8),
        _ => ExitCode::SUCCESS,
    }
}

fn show_difference(path: &Path, difference: &Difference) {
    let report = &difference.report;
    eprintln!("replay: diverged: {}", difference.what);
    if report.process == 0 {
        return;
    }
    eprintln!(
        "replay:   process {} task {}, event {}",
        report.process, report.task, report.event
    );
    let headers = [
        ("recorded", &report.recorded),
        ("replayed", &report.replayed),
    ];
    for ((side, header), shown) in headers.into_iter().zip(sides(report)) {
        let Some(shown) = shown else {
            continue;
        };
        eprintln!("replay:   {side}  {shown}");
        // Events of the shim's own come from no place in the program.
        if header.rip != 0 {
            eprintln!(
                "replay:             at {:#x}, stack {:#x}",
                header.rip, header.rsp
            );
        }
    }
    if report.input_len != 0 && marks(report).is_none() {
        let len = (report.input_len as usize).min(report.input.len());
        eprintln!(
            "replay:   replayed input  {}",
            render::bytes(&report.input[..len], 160)
        );
    }
    eprintln!(
        "replay:   look closer: replay events {} --process {} --parts",
        path.display(),
        report.process
    );
}

fn write_report(
    to: &Path,
    trace: &Path,
    outcome: &Outcome,
    layout: &Layout,
    took: Duration,
) -> io::Result<()> {
    let header = layout.session.header();
    let (name, why) = match outcome {
        Outcome::Faithful => ("faithful", String::new()),
        Outcome::Incomplete(why) => ("incomplete", why.clone()),
        Outcome::Diverged(difference) => ("diverged", difference.what.clone()),
        Outcome::SetUp(why) => ("set-up failed", why.clone()),
        Outcome::Corrupt(why) => ("corrupt", why.clone()),
    };
    let mut value = serde_json::json!({
        "trace": trace, "outcome": name, "why": why, "seconds": took.as_secs_f64(),
        "events": header.events_done.load(Ordering::SeqCst), "tasks": layout.streams,
        "tasks_cut_short": layout.cut_streams,
        "checksums_matched": header.checksums_matched.load(Ordering::SeqCst),
    });
    if let Outcome::Diverged(difference) = outcome {
        let report = &difference.report;
        let [recorded, replayed] = sides(report);
        value["divergence"] = serde_json::json!({
            "process": report.process, "task": report.task, "event": report.event, "what": difference.what,
            "recorded": recorded, "replayed": replayed,
        });
    }
    std::fs::write(to, format!("{value}\n"))
}
