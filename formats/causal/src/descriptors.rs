//! Descriptor tables of processes, and the open files that they lead to.

use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::address::Address;
use crate::fact::{Channel, ConnectionId, Side, Standard};

/// Descriptors of one table; the kernel's own limit is of this order, and a trace can claim anything.
const TABLE_MAX: usize = 1 << 16;

/// An open file description: what several descriptors may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId(u64);

/// What an open file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// Nothing that bytes go to others through.
    Other,
    Standard(Standard),
    /// A path; a FIFO's leads to its connection.
    Path(Vec<u8>),
    Socket(Socket),
    /// An end of a pipe, a connected socket, or something unknown.
    End(ConnectionId, Side),
}

/// A socket that belongs to no connection (yet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    pub channel: Channel,
    pub local: Option<Address>,
    pub peer: Option<Address>,
    /// Cookie of the network namespace.
    pub net: u64,
    /// Whether it is connected before it exchanges anything (SOCK_STREAM, SOCK_SEQPACKET).
    pub connects: bool,
    /// Number among the sockets that exchange messages without a connection.
    pub port: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    file: FileId,
    close_on_exec: bool,
}

/// A process's descriptors. Copies are cheap until one of them changes.
#[derive(Clone, Debug, Default)]
pub struct Table(Rc<BTreeMap<u32, Slot>>);

/// All open files.
#[derive(Default)]
pub struct Files {
    /// Each with the number of tables that lead to it.
    files: FxHashMap<FileId, (File, u32)>,
    next: u64,
}

impl Files {
    pub fn get(&self, id: FileId) -> Option<&File> {
        self.files.get(&id).map(|(file, _)| file)
    }

    pub fn get_mut(&mut self, id: FileId) -> Option<&mut File> {
        self.files.get_mut(&id).map(|(file, _)| file)
    }

    /// A file that no table leads to yet.
    pub fn add(&mut self, file: File) -> FileId {
        self.next += 1;
        let id = FileId(self.next);
        self.files.insert(id, (file, 0));
        id
    }

    /// Keeps a file although a table may stop leading to it: it travels in a message.
    pub fn keep(&mut self, id: FileId) {
        if let Some((_, references)) = self.files.get_mut(&id) {
            *references = references.saturating_add(1);
        }
    }

    /// Undoes [`Files::keep`], or forgets a descriptor; the file, if it was the last.
    pub fn drop(&mut self, id: FileId) -> Option<File> {
        let (_, references) = self.files.get_mut(&id)?;
        *references = references.saturating_sub(1);
        if *references == 0 {
            return self.files.remove(&id).map(|(file, _)| file);
        }
        None
    }
}

impl Table {
    pub fn get(&self, fd: u32) -> Option<FileId> {
        self.0.get(&fd).map(|slot| slot.file)
    }

    /// The slots, as this table's own: a copy holds all of its files once more.
    fn own(&mut self, files: &mut Files) -> &mut BTreeMap<u32, Slot> {
        if Rc::get_mut(&mut self.0).is_none() {
            for slot in self.0.values() {
                files.keep(slot.file);
            }
        }
        Rc::make_mut(&mut self.0)
    }

    /// Makes a descriptor lead to a file; what it led to before is closed. Returns that if it was the
    /// last to lead there.
    pub fn set(
        &mut self,
        files: &mut Files,
        fd: u32,
        file: FileId,
        close_on_exec: bool,
    ) -> Option<File> {
        let slots = self.own(files);
        if slots.len() >= TABLE_MAX && !slots.contains_key(&fd) {
            return None;
        }
        files.keep(file);
        let slot = Slot {
            file,
            close_on_exec,
        };
        let before = slots.insert(fd, slot);
        before.and_then(|before| files.drop(before.file))
    }

    pub fn close_on_exec(&mut self, files: &mut Files, fd: u32, on: bool) {
        if let Some(slot) = self.own(files).get_mut(&fd) {
            slot.close_on_exec = on;
        }
    }

    /// Closes a descriptor; what it led to, if it was the last to lead there.
    pub fn close(&mut self, files: &mut Files, fd: u32) -> Option<File> {
        if !self.0.contains_key(&fd) {
            return None;
        }
        let slot = self.own(files).remove(&fd)?;
        files.drop(slot.file)
    }

    /// The descriptors of a range, first and last.
    pub fn within(&self, first: u32, last: u32) -> Vec<u32> {
        if first > last {
            return Vec::new();
        }
        self.0.range(first..=last).map(|(fd, _)| *fd).collect()
    }

    /// Those that a new program does not inherit.
    pub fn closed_by_exec(&self) -> Vec<u32> {
        let closed = self.0.iter().filter(|(_, slot)| slot.close_on_exec);
        closed.map(|(fd, _)| *fd).collect()
    }

    /// The table goes away; the files that nothing leads to any more, in the order of descriptors.
    pub fn end(self, files: &mut Files) -> Vec<File> {
        match Rc::try_unwrap(self.0) {
            Ok(slots) => {
                let slots = slots.into_values();
                slots.filter_map(|slot| files.drop(slot.file)).collect()
            }
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_closed_by_the_last_descriptor_in_any_table() {
        let mut files = Files::default();
        let mut parent = Table::default();
        let file = files.add(File::Other);
        assert_eq!(parent.set(&mut files, 3, file, false), None);
        assert_eq!(parent.set(&mut files, 4, file, true), None);
        let mut child = parent.clone();
        assert_eq!(parent.close(&mut files, 3), None);
        assert_eq!(child.get(3), Some(file));
        assert_eq!(parent.close(&mut files, 4), None);
        assert_eq!(child.closed_by_exec(), [4]);
        assert_eq!(child.close(&mut files, 4), None);
        assert_eq!(child.clone().end(&mut files), []);
        assert_eq!(child.end(&mut files), [File::Other]);
        assert_eq!(files.get(file), None);
    }
}
