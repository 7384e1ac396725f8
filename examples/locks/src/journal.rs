//! The commands of a node, on disk before anybody is told of them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use prost::Message;

use crate::proto::Command;

pub struct Journal {
    file: File,
}

impl Journal {
    pub fn create(path: &Path) -> io::Result<Journal> {
        Ok(Journal {
            file: File::create(path)?,
        })
    }

    /// Returns once the commands are on disk. Takes as long as the disk does.
    pub fn write(&mut self, commands: &[Command]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for command in commands {
            bytes.extend(command.encode_length_delimited_to_vec());
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()
    }
}
