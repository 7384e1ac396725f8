//! Running a command to its end within a time limit, with both outputs captured apart.

use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fmt, thread};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Exit(i32),
    Signal(i32),
    /// The harness killed it.
    TimeLimit,
}

impl Ending {
    fn of(status: ExitStatus) -> Ending {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exit(code),
            (None, Some(signal)) => Ending::Signal(signal),
            (None, None) => unreachable!("a waited-for child has exited or was killed"),
        }
    }

    /// The exit code by which a shell, and `record`, reports this ending.
    pub fn code(self) -> Option<i32> {
        match self {
            Ending::Exit(code) => Some(code),
            Ending::Signal(signal) => Some(128 + signal),
            Ending::TimeLimit => None,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exit(code) => write!(f, "exit code {code}"),
            Ending::Signal(signal) => write!(f, "death by signal {signal}"),
            Ending::TimeLimit => write!(f, "no end within the time limit"),
        }
    }
}

/// A command that ended, and all that it printed.
#[derive(Clone, Debug)]
pub struct Finished {
    pub ending: Ending,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Finished {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    pub fn code(&self) -> Option<i32> {
        self.ending.code()
    }
}

/// A command that runs in a process group of its own. Dropping it kills the group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    started: Instant,
    limit: Duration,
    ended: bool,
}

impl Running {
    /// stdin is empty unless the command says otherwise; both outputs are captured.
    pub fn start(mut command: Command, limit: Duration) -> Running {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Running {
            child,
            started: Instant::now(),
            limit,
            ended: false,
        }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid fits")
    }

    /// Sends a signal to the command itself, and not to its children.
    pub fn kill(&self, signal: i32) {
        send(self.pid(), signal);
    }

    /// Waits until the command has ended and its last descendant has closed both outputs.
    pub fn finish(mut self) -> Finished {
        let mut stdout = self.child.stdout.take();
        let mut stderr = self.child.stderr.take();
        let mut captured = [Vec::new(), Vec::new()];
        let pidfd = pidfd_of(self.pid());
        let mut status = None;
        let deadline = self.started + self.limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let watched = [
                stdout.as_ref().map_or(-1, AsRawFd::as_raw_fd),
                stderr.as_ref().map_or(-1, AsRawFd::as_raw_fd),
                if status.is_none() {
                    pidfd.as_raw_fd()
                } else {
                    -1
                },
            ];
            if watched == [-1, -1, -1] {
                break;
            }
            let ready = readable(watched, left);
            if ready[0] && !take(&mut stdout, &mut captured[0]) {
                stdout = None;
            }
            if ready[1] && !take(&mut stderr, &mut captured[1]) {
                stderr = None;
            }
            if ready[2] {
                status = Some(self.child.wait().expect("a child can be waited for"));
            }
        }
        let whole = status.is_some() && stdout.is_none() && stderr.is_none();
        let ending = match status {
            Some(status) if whole => Ending::of(status),
            _ => Ending::TimeLimit,
        };
        self.end(status.is_some());
        let [stdout, stderr] = captured;
        Finished {
            ending,
            stdout,
            stderr,
            took: self.started.elapsed(),
        }
    }

    /// Kills what is left of the group; the leader is reaped unless it was before.
    fn end(&mut self, reaped: bool) {
        self.ended = true;
        send(-self.pid(), libc::SIGKILL);
        if !reaped {
            let _ = self.child.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.end(false);
        }
    }
}

/// Waits until `condition` gives a value, and fails with `what` after a minute.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited a minute in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn send(target: i32, signal: i32) {
    // SAFETY: kill takes two numbers; the target is a child of this process, not yet reaped, or its group.
    unsafe { libc::kill(target, signal) };
}

fn pidfd_of(pid: i32) -> OwnedFd {
    // SAFETY: pidfd_open takes two numbers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(fd >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("a descriptor fits")) }
}

fn readable(fds: [i32; 3], limit: Duration) -> [bool; 3] {
    let mut polled = fds.map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    let timeout = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the array is valid for its length, which is passed along.
    unsafe { libc::poll(polled.as_mut_ptr(), 3, timeout.max(1)) };
    polled.map(|each| each.revents != 0)
}

/// Moves what is there; false at the end of the stream.
fn take(stream: &mut Option<impl Read>, into: &mut Vec<u8>) -> bool {
    let mut bytes = [0; 65536];
    let got = stream.as_mut().map_or(Ok(0), |open| open.read(&mut bytes));
    let got = got.expect("a pipe is readable");
    into.extend_from_slice(&bytes[..got]);
    got > 0
}
