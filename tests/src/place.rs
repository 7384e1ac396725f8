//! Where a command runs: as which user, in which namespaces and root, behind which filter.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io::{Error, Result};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guests::build;
use crate::subject::Subject;
use crate::tools::{libraries, record_binary, replay_binary};

/// The surroundings of a command. The default changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Another user and group, by number; takes root.
    pub user: Option<u32>,
    /// New user, mount, network, host name and IPC namespaces, in which the user has this number.
    pub namespaces: Option<u32>,
    /// A time namespace whose clocks are this many seconds ahead (the wall clock, which has no namespace, is not);
    /// takes root or namespaces.
    pub clocks_ahead: Option<u32>,
    /// Another root folder, with this working folder below it; takes namespaces.
    pub root: Option<PathBuf>,
    /// A seccomp filter, installed together with no-new-privileges.
    pub filter: Vec<libc::sock_filter>,
}

impl Place {
    /// Without privileges: root becomes nobody; another user has none already.
    pub fn unprivileged() -> Place {
        const NOBODY: u32 = 65534;
        // SAFETY: geteuid takes nothing and cannot fail.
        let root = unsafe { libc::geteuid() } == 0;
        Place {
            user: root.then_some(NOBODY),
            ..Place::default()
        }
    }

    /// Makes `command` start in this place. Its working folder is set here, because it is meant inside the root.
    pub fn apply(&self, command: &mut Command, folder: &Path) {
        if let Some(user) = self.user {
            // Setting both by Command happens before the closure below, which then needs no rights.
            command.uid(user).gid(user);
        }
        let entered = Entered {
            namespaces: self.namespaces,
            clocks_ahead: self.clocks_ahead,
            root: self.root.as_deref().map(c_path),
            null: self
                .root
                .as_deref()
                .map(|root| c_path(&root.join("dev/null"))),
            folder: c_path(folder),
            filter: self.filter.clone(),
        };
        // SAFETY: the closure runs between fork and exec and makes system calls on memory that was
        // prepared here; it allocates nothing and takes no locks.
        unsafe { command.pre_exec(move || entered.enter()) };
    }
}

struct Entered {
    namespaces: Option<u32>,
    clocks_ahead: Option<u32>,
    root: Option<CString>,
    null: Option<CString>,
    folder: CString,
    filter: Vec<libc::sock_filter>,
}

impl Entered {
    fn enter(&self) -> Result<()> {
        // A shell ignores these for what it starts in the background, which no script can undo.
        for signal in [libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: the default action needs no handler.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        if let Some(user) = self.namespaces {
            enter_namespaces(user)?;
        }
        if let Some(seconds) = self.clocks_ahead {
            enter_other_clocks(seconds)?;
        }
        if let (Some(root), Some(null)) = (&self.root, &self.null) {
            // SAFETY: all strings are terminated and live as long as the closure.
            unsafe {
                check(libc::mount(
                    c"/dev/null".as_ptr(),
                    null.as_ptr(),
                    std::ptr::null(),
                    libc::MS_BIND,
                    std::ptr::null(),
                ))?;
                check(libc::chroot(root.as_ptr()))?;
            }
        }
        // SAFETY: the string is terminated.
        check(unsafe { libc::chdir(self.folder.as_ptr()) })?;
        if !self.filter.is_empty() {
            install(&self.filter)?;
        }
        Ok(())
    }
}

fn enter_namespaces(user: u32) -> Result<()> {
    // SAFETY: these calls take numbers.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    let kinds = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC;
    // SAFETY: as above.
    check(unsafe { libc::unshare(kinds) })?;
    put(c"/proc/self/setgroups", format_args!("deny"))?;
    put(c"/proc/self/uid_map", format_args!("{user} {uid} 1"))?;
    put(c"/proc/self/gid_map", format_args!("{user} {gid} 1"))?;
    let name = b"elsewhere";
    // SAFETY: the name is valid for the length passed along.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })
}

/// The command's children find these clocks in any case, the command itself on recent kernels only.
fn enter_other_clocks(seconds: u32) -> Result<()> {
    // SAFETY: unshare takes a number.
    check(unsafe { libc::unshare(libc::CLONE_NEWTIME) })?;
    put(
        c"/proc/self/timens_offsets",
        format_args!("monotonic {seconds} 0\nboottime {seconds} 0\n"),
    )
}

/// Writes a short text to an existing file without allocating.
fn put(path: &std::ffi::CStr, text: std::fmt::Arguments<'_>) -> Result<()> {
    use std::io::Write as _;
    let mut bytes = [0u8; 64];
    let mut left = &mut bytes[..];
    left.write_fmt(text)?;
    let length = 64 - left.len();
    // SAFETY: the path is terminated, and the bytes are valid for the length passed along.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY);
        check(fd)?;
        let wrote = libc::write(fd, bytes.as_ptr().cast(), length);
        let failed = Error::last_os_error();
        libc::close(fd);
        if wrote == length as isize {
            Ok(())
        } else {
            Err(failed)
        }
    }
}

fn install(filter: &[libc::sock_filter]) -> Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Error::from_raw_os_error(libc::E2BIG))?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the program points at a filter of the length that it states; the kernel copies it.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &program,
        ))
    }
}

fn check(result: i32) -> Result<()> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(())
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("paths of tests hold no zero byte")
}

/// A root folder that holds one program, the libraries that it loads, `dev/null`, and nothing else.
pub fn bare_root(at: &Path, program: &Path) {
    for folder in ["dev", "tmp"] {
        fs::create_dir_all(at.join(folder)).expect("a folder in the new root");
    }
    fs::write(at.join("dev/null"), "").expect("a file to mount over");
    for file in libraries(program) {
        let inside = at.join(file.strip_prefix("/").expect("an absolute path"));
        fs::create_dir_all(inside.parent().expect("a file has a folder")).expect("a folder");
        fs::copy(&file, &inside).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    let name = program.file_name().unwrap_or(OsStr::new("program"));
    fs::copy(program, at.join(name)).expect("the program itself");
}

/// Copies of the commands and of guests that any user may run, wherever the originals lie.
#[derive(Debug)]
pub struct OpenFolder {
    pub path: PathBuf,
    _owner: tempfile::TempDir,
}

impl OpenFolder {
    pub fn new() -> OpenFolder {
        let owner = tempfile::tempdir().expect("a folder");
        let path = owner.path().to_owned();
        let everyone = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, everyone).expect("permissions of a folder of our own");
        let folder = OpenFolder {
            path,
            _owner: owner,
        };
        folder.copy(&record_binary());
        folder.copy(&replay_binary());
        folder
    }

    fn copy(&self, binary: &Path) -> PathBuf {
        let to = self
            .path
            .join(binary.file_name().expect("a binary has a name"));
        fs::copy(binary, &to).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        to
    }

    pub fn guest(&self, name: &str) -> Subject {
        let guest = build(name);
        let copy = self.copy(&guest.binary);
        self.subject(Subject::of_guest(name, copy, guest.ends))
    }

    /// The program, recorded and replayed by the commands in this folder.
    pub fn subject(&self, subject: Subject) -> Subject {
        subject.by_commands_in(&self.path)
    }
}

impl Default for OpenFolder {
    fn default() -> OpenFolder {
        OpenFolder::new()
    }
}
