//! The file that is written: new, and for its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::ExportError;

enum Sink {
    Stdout(io::StdoutLock<'static>),
    File(BufWriter<File>, PathBuf),
}

pub struct Output {
    sink: Sink,
}

/// An error of the output that is open; [`Output::finish`] says which one that is.
pub fn failed(source: io::Error) -> ExportError {
    ExportError::Output {
        path: PathBuf::from("-"),
        source,
    }
}

impl Output {
    /// Makes a file that is not there yet; `force` takes one away that is. `-` is standard output, unless
    /// that is a terminal and what comes is `binary`.
    pub fn create(path: &Path, force: bool, binary: bool) -> Result<Output, ExportError> {
        if path == Path::new("-") {
            let out = io::stdout().lock();
            if binary && out.is_terminal() {
                let what = "this is no text for a terminal: choose a file with -o";
                return Err(ExportError::Usage(what.to_owned()));
            }
            return Ok(Output {
                sink: Sink::Stdout(out),
            });
        }
        let failed = |source| ExportError::Output {
            path: path.to_owned(),
            source,
        };
        // A device or a pipe is written to as it is; only files are replaced.
        let known = fs::metadata(path).ok();
        let special = known.is_some_and(|known| !known.is_file());
        let mut open = OpenOptions::new();
        open.write(true);
        if !special {
            if force {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(failed(error));
                    }
                    Ok(()) | Err(_) => {}
                }
            }
            open.create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        }
        match open.open(path) {
            Ok(file) => Ok(Output {
                sink: Sink::File(BufWriter::with_capacity(1 << 16, file), path.to_owned()),
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let path = path.display();
                let what =
                    format!("{path} exists: choose another file, or replace it with --force");
                Err(ExportError::Usage(what))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes what is held back, and says where something went wrong. What was written stays: a part of
    /// it may be of use.
    pub fn finish(mut self, written: Result<(), ExportError>) -> Result<(), ExportError> {
        let finished = written.and_then(|()| Ok(self.flush()?));
        match (finished, self.sink) {
            (Err(ExportError::Output { source, .. }), Sink::File(_, path)) => {
                Err(ExportError::Output { path, source })
            }
            (finished, _) => finished,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Stdout(out) => out.write(bytes),
            Sink::File(out, _) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stdout(out) => out.flush(),
            Sink::File(out, _) => out.flush(),
        }
    }
}
