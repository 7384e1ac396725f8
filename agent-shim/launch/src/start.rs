//! Starting the first process of a session.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use reenact_abi::BOOT_ENV;

use crate::session::Session;

/// The numbers at which shims keep our two descriptors, out of the way of programs.
const HIDDEN_FDS: [i32; 2] = [1022, 1023];

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("an argument contains a NUL byte")]
    Nul,
    #[error("cannot start a process: {0}; check the limits on processes and open files")]
    System(#[source] io::Error),
}

/// What to start.
pub struct Launch<'a> {
    pub session: &'a Session,
    pub slot: u32,
    /// The program, open for reading, and the path that it is told; `None` in replay.
    pub program: Option<(&'a OwnedFd, &'a OsStr)>,
    pub argv: Vec<Vec<u8>>,
    pub env: Vec<Vec<u8>>,
}

impl Launch<'_> {
    /// Forks and runs the shim; returns the child's pid.
    pub fn start(&self) -> Result<i32, StartError> {
        let strings = |list: &[Vec<u8>]| -> Result<Vec<CString>, StartError> {
            list.iter()
                .map(|text| CString::new(text.as_slice()).map_err(|_| StartError::Nul))
                .collect()
        };
        let argv = strings(&self.argv)?;
        let mut env = strings(&self.env)?;
        let fds = hidden_fds();
        let (exe_fd, path) = match self.program {
            Some((fd, path)) => (fd.as_raw_fd(), path.as_bytes().to_vec()),
            None => (-1, Vec::new()),
        };
        // The program's descriptor is moved behind the two others, so that the target finds it closed
        // and unused once it runs.
        let exe_number = if exe_fd < 0 { -1 } else { fds[0] - 1 };
        let mut boot = format!(
            "{BOOT_ENV}{},{},{},{},",
            fds[0], fds[1], exe_number, self.slot
        )
        .into_bytes();
        boot.extend_from_slice(&path);
        env.push(CString::new(boot).map_err(|_| StartError::Nul)?);
        let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
            list.iter()
                .map(|text| text.as_ptr())
                .chain([std::ptr::null()])
                .collect()
        };
        let (argv_list, env_list) = (pointers(&argv), pointers(&env));
        let arena = self.session.arena_fd().as_raw_fd();
        let shim = self.session.shim_fd().as_raw_fd();
        // SAFETY: between fork and exec the child only makes async-signal-safe calls on memory that
        // was prepared before.
        unsafe {
            let pid = libc::fork();
            if pid < 0 {
                return Err(StartError::System(io::Error::last_os_error()));
            }
            if pid == 0 {
                for (from, to) in [(arena, fds[0]), (shim, fds[1]), (exe_fd, exe_number)] {
                    if from >= 0 && libc::dup2(from, to) < 0 {
                        libc::_exit(125);
                    }
                }
                for signal in [
                    libc::SIGINT,
                    libc::SIGQUIT,
                    libc::SIGPIPE,
                    libc::SIGTERM,
                    libc::SIGHUP,
                ] {
                    if let Some(old) = inherited(signal) {
                        libc::signal(signal, old);
                    }
                }
                libc::syscall(
                    libc::SYS_execveat,
                    fds[1],
                    c"".as_ptr(),
                    argv_list.as_ptr(),
                    env_list.as_ptr(),
                    libc::AT_EMPTY_PATH,
                );
                libc::_exit(125);
            }
            Ok(pid)
        }
    }
}

/// As high as the limit allows, up to the usual place.
fn hidden_fds() -> [i32; 2] {
    // SAFETY: getrlimit writes one structure.
    let soft = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur.min(1024) as i32
    };
    if soft >= 1024 {
        HIDDEN_FDS
    } else {
        [soft - 2, soft - 1]
    }
}

/// Dispositions that this command was started with: Rust's runtime and the commands change some.
static mut INHERITED: [usize; 65] = [usize::MAX; 65];

/// Remembers a signal's disposition before the command changes it for itself.
pub fn remember(signal: i32, disposition: usize) {
    if (1..65).contains(&signal) {
        // SAFETY: called from `main` before any thread is started.
        unsafe { INHERITED[signal as usize] = disposition };
    }
}

fn inherited(signal: i32) -> Option<usize> {
    // SAFETY: only read after `main` wrote it.
    let disposition = unsafe { INHERITED[signal as usize] };
    (disposition != usize::MAX).then_some(disposition)
}
