//! Contents: executables, mapped files and other large things, by their numbers.

use std::io::Write;

use super::Reader;
use crate::error::{Damage, TraceError};
use crate::msgpack::Values;
use crate::values::FileValue;
use crate::Digest;

/// A content: its size and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    pub number: u64,
    pub size: u64,
    chunks: Vec<(u32, Digest)>,
}

impl Reader {
    /// Looks a content up by its number.
    ///
    /// # Errors
    ///
    /// [`TraceError::NoContent`] when it is not, or not wholly, in the trace.
    pub fn file(&mut self, number: u64) -> Result<FileContent, TraceError> {
        let mut chunks = Vec::new();
        let mut offset = 0;
        let mut size = None;
        let frames = self.index.files.get(&(self.selected, number));
        for frame in frames.cloned().unwrap_or_default() {
            let frame = frame as usize;
            let loaded = self.load(frame)?;
            let mut values = Values::new(&loaded.raw);
            loop {
                let fields = values.next_fields();
                let fields = fields.map_err(|damage| self.corrupt(frame, damage))?;
                let Some(fields) = fields else { break };
                if fields.kind() != "file" {
                    continue;
                }
                let value = FileValue::decode(&fields);
                let value = value.map_err(|damage| self.corrupt(frame, damage))?;
                if value.number != number {
                    continue;
                }
                if value.offset != offset || size.is_some() {
                    let damage = Damage::new("a content's chunk lists do not follow one another");
                    return Err(self.corrupt(frame, damage));
                }
                offset += value.listed();
                size = value.size;
                chunks.extend(value.chunks);
            }
        }
        match size {
            Some(size) => Ok(FileContent {
                number,
                size,
                chunks,
            }),
            None => Err(TraceError::NoContent {
                path: self.path.clone(),
                number,
                what: format!("its end is missing after {offset} bytes"),
            }),
        }
    }

    /// Bytes `offset..offset + len` of a content, fewer at its end.
    pub fn read_content(
        &mut self,
        file: &FileContent,
        offset: u64,
        len: usize,
    ) -> Result<Vec<u8>, TraceError> {
        let end = offset.saturating_add(len as u64);
        let mut out = Vec::new();
        let mut start = 0u64;
        for (size, hash) in &file.chunks {
            let next = start + u64::from(*size);
            if next > offset && start < end {
                let bytes = self.chunk(file, *size, hash)?;
                let from = offset.saturating_sub(start) as usize;
                let to = (end.min(next) - start) as usize;
                out.extend_from_slice(&bytes[from..to]);
            }
            start = next;
        }
        Ok(out)
    }

    /// Writes a content, and returns its size.
    pub fn write_content(
        &mut self,
        file: &FileContent,
        out: &mut dyn Write,
    ) -> Result<u64, TraceError> {
        for (size, hash) in &file.chunks {
            let bytes = self.chunk(file, *size, hash)?;
            out.write_all(&bytes).map_err(|source| TraceError::Output {
                path: self.path.clone(),
                number: file.number,
                source,
            })?;
        }
        Ok(file.size)
    }

    fn chunk(
        &mut self,
        file: &FileContent,
        size: u32,
        hash: &Digest,
    ) -> Result<Vec<u8>, TraceError> {
        let mut bytes = Vec::new();
        let got = self.append_chunk(hash, &mut bytes);
        let what = match got {
            Ok(got) if got == size as usize => return Ok(bytes),
            Ok(_) => "one of its chunks has another size".to_owned(),
            Err(damage) => damage.what,
        };
        Err(TraceError::NoContent {
            path: self.path.clone(),
            number: file.number,
            what,
        })
    }
}
