//! Finding the program of a command, as execvp(3) does.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// A program that can be started.
pub struct Program {
    pub path: PathBuf,
    pub file: OwnedFd,
    pub argv: Vec<OsString>,
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{0}: command not found")]
    NotFound(String),
    #[error("{path}: {source}")]
    CannotExecute { path: String, source: io::Error },
}

/// Looks a command up in PATH (or takes it as a path when it contains a slash).
pub fn find(command: &[OsString]) -> Result<Program, CommandError> {
    let name = &command[0];
    let shown = name.to_string_lossy().into_owned();
    if name.is_empty() {
        return Err(CommandError::NotFound(shown));
    }
    let candidates: Vec<PathBuf> = if name.as_bytes().contains(&b'/') {
        vec![PathBuf::from(name)]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/bin:/usr/bin"));
        std::env::split_paths(&path)
            .map(|dir| {
                if dir.as_os_str().is_empty() {
                    Path::new(".").join(name)
                } else {
                    dir.join(name)
                }
            })
            .collect()
    };
    let mut denied = None;
    for candidate in candidates {
        match open(&candidate) {
            Ok(file) => return Ok(with_shell(candidate, file, command)),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) if source.raw_os_error() == Some(libc::ENOTDIR) => {}
            Err(source) => {
                let path = candidate.to_string_lossy().into_owned();
                denied.get_or_insert(CommandError::CannotExecute { path, source });
            }
        }
    }
    Err(denied.unwrap_or(CommandError::NotFound(shown)))
}

fn open(path: &Path) -> io::Result<File> {
    let meta = std::fs::metadata(path)?;
    let kind = meta.file_type();
    if kind.is_dir()
        || kind.is_fifo()
        || kind.is_socket()
        || kind.is_char_device()
        || kind.is_block_device()
    {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is NUL-terminated.
    let allowed =
        unsafe { libc::faccessat(libc::AT_FDCWD, name.as_ptr(), libc::X_OK, libc::AT_EACCESS) };
    if allowed != 0 {
        return Err(io::Error::last_os_error());
    }
    File::open(path)
}

/// A text without `#!` is run by the shell, as execvp(3) does.
fn with_shell(path: PathBuf, mut file: File, command: &[OsString]) -> Program {
    let mut head = [0u8; 4];
    let got = file.read(&mut head).unwrap_or(0);
    let argv = command.to_vec();
    if head[..got].starts_with(b"\x7fELF") || head[..got].starts_with(b"#!") {
        return Program {
            path,
            file: file.into(),
            argv,
        };
    }
    let shell = Path::new("/bin/sh");
    match File::open(shell) {
        Ok(file) => {
            let mut with = vec![OsString::from("/bin/sh"), path.into_os_string()];
            with.extend(argv.into_iter().skip(1));
            Program {
                path: shell.into(),
                file: file.into(),
                argv: with,
            }
        }
        Err(_) => Program {
            path,
            file: file.into(),
            argv,
        },
    }
}

/// Bytes of an argument.
pub fn bytes(text: &OsStr) -> Vec<u8> {
    text.as_bytes().to_vec()
}
