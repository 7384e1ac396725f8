//! The memory that a command shares with every shim of a session (`reenact_abi::arena`).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

use reenact_abi::arena::{self, Group, Inode, Mode, Net, Slot};
use reenact_abi::ABI_VERSION;

/// Why a session could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}: {source}; the session's memory is an anonymous file (memfd), so look at memory limits and at vm.memfd_noexec")]
pub struct SessionError {
    action: &'static str,
    #[source]
    source: io::Error,
}

fn failed(action: &'static str) -> SessionError {
    SessionError {
        action,
        source: io::Error::last_os_error(),
    }
}

/// The shared memory and the shim's executable, both as descriptors that shims inherit.
pub struct Session {
    arena: OwnedFd,
    shim: OwnedFd,
    base: *mut u8,
    len: usize,
}

// SAFETY: the mapping is shared memory that is only accessed through atomics and volatile copies.
unsafe impl Send for Session {}
// SAFETY: as above.
unsafe impl Sync for Session {}

fn memfd(name: &CStr) -> Result<OwnedFd, SessionError> {
    // SAFETY: the name is NUL-terminated; the result is checked and owned.
    unsafe {
        let fd = libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return Err(failed("create an anonymous file"));
        }
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

impl Session {
    /// Makes a session whose file is `file_len` bytes long, of which the first `mapped_len` (at
    /// least the control part) are mapped here.
    pub fn create(
        mode: Mode,
        net: Net,
        file_len: u64,
        mapped_len: u64,
    ) -> Result<Session, SessionError> {
        let shim = memfd(c"reenact-shim")?;
        let mut written = 0;
        while written < crate::IMAGE.len() {
            let rest = &crate::IMAGE[written..];
            // SAFETY: writes the slice to our own descriptor.
            let n = unsafe { libc::write(shim.as_raw_fd(), rest.as_ptr().cast(), rest.len()) };
            if n <= 0 {
                return Err(failed("write the shim"));
            }
            written += n as usize;
        }
        let shim = reopen_for_execution(shim)?;
        let arena = memfd(c"reenact-session")?;
        let len = mapped_len.max(arena::CONTROL_END) as usize;
        // SAFETY: sizes a file of ours and maps it; both results are checked.
        let base = unsafe {
            if libc::ftruncate(arena.as_raw_fd(), file_len.max(len as u64) as i64) != 0 {
                return Err(failed("size the session's memory"));
            }
            let prot = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(
                std::ptr::null_mut(),
                len,
                prot,
                libc::MAP_SHARED,
                arena.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(failed("map the session's memory"));
        }
        let session = Session {
            arena,
            shim,
            base: base.cast(),
            len,
        };
        let header = session.header_ptr();
        // SAFETY: the mapping is zeroed, large enough and ours alone so far.
        unsafe {
            (*header).magic = arena::MAGIC;
            (*header).abi_version = ABI_VERSION;
            (*header).mode = mode as u32;
            (*header).net = net as u32;
        }
        // Shims replace their mappings by ones of this copy; without it no process names its own executable.
        let end = arena::IMAGE + crate::IMAGE.len() as u64;
        let has_room = end <= arena::RINGS.min(file_len);
        if mode == Mode::Record && has_room && session.write_at(crate::IMAGE, arena::IMAGE).is_ok()
        {
            // SAFETY: as above.
            unsafe { (*header).image_len = crate::IMAGE.len() as u64 };
        }
        Ok(session)
    }

    /// The header, for setting what shims only read. Nobody else may be running yet.
    pub fn header_ptr(&self) -> *mut arena::Session {
        self.base.cast()
    }

    pub fn header(&self) -> &arena::Session {
        // SAFETY: the mapping lives as long as `self`.
        unsafe { &*self.base.cast() }
    }

    pub fn slot(&self, index: usize) -> &Slot {
        assert!(index < arena::SLOTS_MAX);
        // SAFETY: inside the control part, which is mapped.
        unsafe {
            &*self
                .base
                .add(arena::SLOTS as usize)
                .cast::<Slot>()
                .add(index)
        }
    }

    pub fn group(&self, index: usize) -> &Group {
        assert!(index < arena::GROUPS_MAX);
        // SAFETY: inside the control part, which is mapped.
        unsafe {
            &*self
                .base
                .add(arena::GROUPS as usize)
                .cast::<Group>()
                .add(index)
        }
    }

    /// Writes bytes at an offset of the session's file, mapped or not.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        let file = std::mem::ManuallyDrop::new(std::fs::File::from(self.arena.try_clone()?));
        let written = file.write_all_at(bytes, offset);
        drop(std::mem::ManuallyDrop::into_inner(file));
        written
    }

    /// Makes the session's file longer.
    pub fn grow(&self, len: u64) -> io::Result<()> {
        // SAFETY: sizes a file of ours.
        if unsafe { libc::ftruncate(self.arena.as_raw_fd(), len as i64) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// How often shims have asked for something so far, for [`Session::wait_for_work`].
    pub fn asked(&self) -> u32 {
        self.header().wake.load(Ordering::SeqCst)
    }

    /// Sleeps until a shim asks for something after `seen`, or a while (less than a second).
    pub fn wait_for_work(&self, seen: u32, at_most: Duration) {
        let word = &self.header().wake;
        let timeout = libc::timespec {
            tv_sec: 0,
            tv_nsec: at_most.as_nanos() as i64,
        };
        // SAFETY: the kernel reads the word and the timeout.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT,
                seen,
                &timeout,
                0,
                0,
            )
        };
    }

    /// Gives memory of the session's file back, from `offset` on; it then reads as zeroes.
    pub fn give_back(&self, offset: u64, len: u64) {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: concerns a file of ours; where it fails, the memory stays in use.
        unsafe { libc::fallocate(self.arena.as_raw_fd(), mode, offset as i64, len as i64) };
    }

    /// Appends shared bytes; `offset + len` must lie in the mapped part.
    pub fn copy_out(&self, offset: u64, len: usize, into: &mut Vec<u8>) {
        assert!(offset as usize + len <= self.len);
        into.reserve(len);
        let had = into.len();
        // SAFETY: in bounds, and there is room for them; the bytes may change while they are copied,
        // which garbles data that a hostile target could have garbled anyway.
        unsafe {
            let from = self.base.add(offset as usize);
            std::ptr::copy_nonoverlapping(from, into.as_mut_ptr().add(had), len);
            into.set_len(had + len);
        }
    }

    pub fn arena_fd(&self) -> &OwnedFd {
        &self.arena
    }

    pub fn shim_fd(&self) -> &OwnedFd {
        &self.shim
    }

    /// Fills a slot for the first task and marks it as claimed.
    pub fn claim_first(&self, process: u32, task: u32, group: u32) -> u32 {
        let slot = self.slot(0) as *const Slot as *mut Slot;
        // SAFETY: nobody else is running yet.
        unsafe {
            (*slot).process = process;
            (*slot).task = task;
            (*slot).reserved = [0; 4];
            (*slot).group.store(group, Ordering::Relaxed);
            (*slot).state.store(arena::slot::CLAIMED, Ordering::Release);
        }
        0
    }

    /// Which object a descriptor of ours leads to; `None` for what cannot be told apart from others
    /// (the null device).
    pub fn identify(fd: i32) -> Option<Inode> {
        // SAFETY: fstat writes one structure.
        let stat = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            if libc::fstat(fd, &mut stat) != 0 {
                return None;
            }
            stat
        };
        let null = libc::makedev(1, 3);
        if stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == null {
            return None;
        }
        Some(Inode {
            dev: stat.st_dev,
            ino: stat.st_ino,
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: unmaps what `create` mapped; references into it end with `self`.
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}

/// A file that anybody holds open for writing cannot be executed (ETXTBSY). Without /proc a named
/// file, removed at once, does.
fn reopen_for_execution(shim: OwnedFd) -> Result<OwnedFd, SessionError> {
    let path = format!("/proc/self/fd/{}\0", shim.as_raw_fd());
    // SAFETY: the path is NUL-terminated; results are checked.
    unsafe {
        if libc::fchmod(shim.as_raw_fd(), 0o755) != 0 {
            return Err(failed("make the shim executable"));
        }
        let fd = libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            return Ok(OwnedFd::from_raw_fd(fd));
        }
    }
    through_a_file().map_err(|source| SessionError {
        action: "store the shim in a temporary file",
        source,
    })
}

fn through_a_file() -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut last = io::Error::from_raw_os_error(libc::ENOENT);
    for dir in [std::env::temp_dir(), "/dev/shm".into(), ".".into()] {
        let path = dir.join(format!(".reenact-shim-{}", std::process::id()));
        let stored = (|| {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o700)
                .open(&path)?;
            io::Write::write_all(&mut file, crate::IMAGE)?;
            drop(file);
            let file = std::fs::File::open(&path);
            std::fs::remove_file(&path)?;
            file
        })();
        match stored {
            Ok(file) => return Ok(file.into()),
            Err(error) => last = error,
        }
    }
    Err(last)
}
