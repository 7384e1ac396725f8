//! Frames on their way into the file: compressed, sealed and written, beside whoever fills them.
//!
//! What must already hold: frames come in their order. What this never does: write a frame behind one
//! that could not be written, or hold more than [`WAITING_MAX`] that are not.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::draft::Plain;
use crate::envelope::{index_frame, Seal, FOOTER_SIZE};
use crate::error::WriteError;
use crate::index::{Entry, Holds, Index};
use crate::limits::INDEX_MAX;
use crate::writer::Options;

/// zstd's level, at most, for frames without contents: they come by the hundred while programs run,
/// and their columns are small already.
const EVENTS_LEVEL: i32 = 1;

/// Frames that wait for the one before them; whoever fills frames faster waits as well.
const WAITING_MAX: usize = 2;

/// What both sides know.
#[derive(Default)]
struct Shared {
    /// Bytes in the file.
    bytes: AtomicU64,
    has_failed: AtomicBool,
    failed: Mutex<Option<WriteError>>,
}

/// What a file came to.
pub(crate) struct Written {
    pub bytes: u64,
    /// Bytes of its frames before they were compressed.
    pub raw_bytes: u64,
    pub frames: u64,
}

enum Job {
    Frame(Plain),
    /// Everything before it is done.
    Tell(SyncSender<()>),
    #[cfg(test)]
    BreakFile,
    #[cfg(test)]
    Die,
}

/// Where the file is.
enum Place {
    /// No thread has been needed yet, or none could be had.
    Here(Box<Output>),
    Beside(SyncSender<Job>, JoinHandle<Box<Output>>),
    Gone,
}

pub(crate) struct Press {
    path: PathBuf,
    shared: Arc<Shared>,
    place: Place,
    frames: u64,
}

impl Press {
    pub fn create(path: &Path, uuid: [u8; 16], options: Options) -> Result<Press, WriteError> {
        let shared = Arc::new(Shared::default());
        let output = Output::create(path, uuid, options, Arc::clone(&shared))?;
        Ok(Press {
            path: path.to_owned(),
            shared,
            place: Place::Here(Box::new(output)),
            frames: 0,
        })
    }

    /// Number of the next frame.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    pub fn bytes_written(&self) -> u64 {
        self.shared.bytes.load(Ordering::Acquire)
    }

    /// Why no frame can follow: told once.
    pub fn failed(&self) -> Option<WriteError> {
        if !self.shared.has_failed.load(Ordering::Acquire) {
            return None;
        }
        let failed = self.shared.failed.lock();
        failed.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Gives a frame away. The first one is written when this returns, later ones soon.
    pub fn frame(&mut self, plain: Plain) {
        if self.frames == 1 {
            self.start();
        }
        self.frames += 1;
        match &mut self.place {
            Place::Here(output) => output.frame(plain),
            // If there is nobody any more, `settle` and `finish` say so.
            Place::Beside(jobs, _) => drop(jobs.send(Job::Frame(plain))),
            Place::Gone => {}
        }
    }

    /// Waits until all that was given away is written, or cannot be.
    pub fn settle(&self) -> Result<(), WriteError> {
        let Place::Beside(jobs, _) = &self.place else {
            return Ok(());
        };
        let (tell, told) = sync_channel(1);
        let asked = jobs.send(Job::Tell(tell)).is_ok();
        (asked && told.recv().is_ok())
            .then_some(())
            .ok_or_else(|| self.died())
    }

    fn died(&self) -> WriteError {
        WriteError::Write {
            path: self.path.clone(),
            frame: self.frames,
            source: io::Error::other("the thread that compresses has died"),
        }
    }

    fn start(&mut self) {
        let place = std::mem::replace(&mut self.place, Place::Gone);
        let Place::Here(output) = place else {
            self.place = place;
            return;
        };
        // Given over by itself, so that it is still here should there be no thread.
        let (give, given) = sync_channel::<Box<Output>>(1);
        let (jobs, list) = sync_channel(WAITING_MAX);
        let thread = Builder::new()
            .name("compress".into())
            .spawn(move || work(given, list));
        self.place = match thread {
            Ok(thread) => {
                let _ = give.send(output);
                Place::Beside(jobs, thread)
            }
            Err(_) => Place::Here(output),
        };
    }

    /// Takes the file back, behind the last frame.
    fn end(&mut self) -> Option<Box<Output>> {
        match std::mem::replace(&mut self.place, Place::Gone) {
            Place::Here(output) => Some(output),
            Place::Beside(jobs, thread) => {
                drop(jobs);
                thread.join().ok()
            }
            Place::Gone => None,
        }
    }

    /// Writes the index; what the file came to.
    pub fn finish(&mut self) -> Result<Written, WriteError> {
        let output = self.end();
        if let Some(error) = self.failed() {
            return Err(error);
        }
        output.ok_or_else(|| self.died())?.finish()
    }

    /// Makes every later write fail, as a full disk would.
    #[cfg(test)]
    pub fn break_file(&mut self) {
        match &mut self.place {
            Place::Here(output) => output.break_file(),
            Place::Beside(jobs, _) => jobs.send(Job::BreakFile).expect("the thread is there"),
            Place::Gone => {}
        }
    }
}

impl Drop for Press {
    fn drop(&mut self) {
        self.end();
    }
}

fn work(given: Receiver<Box<Output>>, jobs: Receiver<Job>) -> Box<Output> {
    let mut output = given
        .recv()
        .expect("whoever starts the thread gives it the file");
    for job in jobs {
        match job {
            Job::Frame(plain) => output.frame(plain),
            Job::Tell(tell) => drop(tell.send(())),
            #[cfg(test)]
            Job::BreakFile => output.break_file(),
            #[cfg(test)]
            Job::Die => panic!("as it was told"),
        }
    }
    output
}

/// The file.
struct Output {
    path: PathBuf,
    file: File,
    uuid: [u8; 16],
    level: i32,
    compressor: zstd::bulk::Compressor<'static>,
    index: Index,
    shared: Arc<Shared>,
}

impl Output {
    fn create(
        path: &Path,
        uuid: [u8; 16],
        options: Options,
        shared: Arc<Shared>,
    ) -> Result<Output, WriteError> {
        let failed = |source| WriteError::Create {
            path: path.to_owned(),
            source,
        };
        let mut open = OpenOptions::new();
        open.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        let file = open.open(path).map_err(failed)?;
        let compressor = zstd::bulk::Compressor::new(options.level).and_then(|mut compressor| {
            compressor.include_checksum(true)?;
            Ok(compressor)
        });
        Ok(Output {
            path: path.to_owned(),
            file,
            uuid,
            level: options.level,
            compressor: compressor.map_err(failed)?,
            index: Index::default(),
            shared,
        })
    }

    /// Writes a frame, unless one before it could not be written.
    fn frame(&mut self, plain: Plain) {
        if self.shared.has_failed.load(Ordering::Acquire) {
            return;
        }
        match self.write_frame(plain) {
            Ok(()) => self.shared.bytes.store(self.index.end(), Ordering::Release),
            Err(source) => {
                let error = self.failed(source);
                let failed = self.shared.failed.lock();
                *failed.unwrap_or_else(PoisonError::into_inner) = Some(error);
                self.shared.has_failed.store(true, Ordering::Release);
            }
        }
    }

    fn write_frame(&mut self, plain: Plain) -> io::Result<()> {
        let compressed = self.compress(&plain)?;
        let (number, previous) = self.index.next_of(&self.uuid);
        let seal = Seal::new(self.uuid, number, plain.raw.len(), &compressed, &previous);
        let bytes = [&compressed[..], &seal.encode()].concat();
        self.file.write_all(&bytes)?;
        let entry = Entry {
            seal,
            events: plain.events,
            time: plain.time,
            streams: plain.streams,
            holds: plain.holds,
            chunks: plain.chunks,
            files: plain.files,
        };
        let added = self.index.add(entry);
        added.map_err(|damage| io::Error::other(damage.what))
    }

    fn compress(&mut self, plain: &Plain) -> io::Result<Vec<u8>> {
        let level = if plain.holds.any(Holds::CONTENT) {
            self.level
        } else {
            self.level.min(EVENTS_LEVEL)
        };
        self.compressor.set_compression_level(level)?;
        self.compressor.compress(&plain.raw)
    }

    /// Ends the file after its last whole frame.
    fn failed(&mut self, source: io::Error) -> WriteError {
        // Half a frame would be taken for a cut as well; without it the file is merely tidier.
        let _ = self.file.set_len(self.index.end());
        WriteError::Write {
            path: self.path.clone(),
            frame: self.index.frames.len() as u64,
            source,
        }
    }

    fn finish(&mut self) -> Result<Written, WriteError> {
        let index = self.index.encode();
        if index.len() > INDEX_MAX - FOOTER_SIZE {
            return Err(WriteError::TooLarge {
                what: "index",
                bytes: index.len(),
                max: INDEX_MAX,
            });
        }
        let frame = index_frame(&index);
        let written = self.file.write_all(&frame);
        written.map_err(|source| self.failed(source))?;
        let frames = &self.index.frames;
        Ok(Written {
            bytes: self.index.end() + frame.len() as u64,
            raw_bytes: frames.iter().map(|frame| u64::from(frame.raw_len)).sum(),
            frames: frames.len() as u64,
        })
    }

    #[cfg(test)]
    fn break_file(&mut self) {
        self.file = File::open(&self.path).expect("the file is there");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Folder;

    #[test]
    fn a_thread_that_died_is_no_success() {
        let folder = Folder::new();
        let mut press = Press::create(&folder.file("t.zst"), [1; 16], Options::default()).unwrap();
        press.frames = 1;
        press.start();
        let Place::Beside(jobs, _) = &press.place else {
            panic!("there is no thread");
        };
        jobs.send(Job::Die).unwrap();
        assert!(matches!(press.settle(), Err(WriteError::Write { .. })));
        assert!(matches!(press.finish(), Err(WriteError::Write { .. })));
    }
}
