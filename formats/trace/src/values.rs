//! The values of a frame other than batches and the table: fields to MessagePack and back.

use crate::error::Damage;
use crate::index::StreamRange;
use crate::limits::{CHUNK_MAX, FILE_CHUNKS_MAX};
use crate::model::{Anchor, End, Meta, ProcessEnd, StreamId};
use crate::msgpack::{Fields, Packer, Value};
use crate::version::{FormatMajor, FormatMinor, FormatVersion};
use crate::Digest;

/// What each frame's header repeats, so that a frame can be copied into another file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub uuid: [u8; 16],
    pub host: String,
    pub boot_id: String,
}

/// The first value of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub version: FormatVersion,
    pub origin: Origin,
    pub number: u64,
    pub streams: Vec<StreamRange>,
    pub events: u64,
    pub time: Option<(u64, u64)>,
}

const FORMAT: &str = "reenact";

impl Origin {
    pub fn encode_header(
        &self,
        out: &mut Vec<u8>,
        number: u64,
        streams: &[StreamRange],
        events: u64,
        time: Option<(u64, u64)>,
    ) {
        let version = FormatVersion::CURRENT;
        let mut packer = Packer(out);
        packer.map(11);
        packer.text_field("type", "frame");
        packer.text_field("format", FORMAT);
        packer.number_field("major", version.major.0.into());
        packer.number_field("minor", version.minor.0.into());
        packer.bytes_field("recording", &self.uuid);
        packer.text_field("host", &self.host);
        packer.text_field("boot_id", &self.boot_id);
        packer.number_field("number", number);
        packer.number_field("events", events);
        packer.text("time");
        match time {
            None => packer.nil(),
            Some((first, last)) => {
                packer.list(2);
                packer.number(first);
                packer.number(last);
            }
        }
        packer.text("streams");
        packer.list(streams.len());
        for range in streams {
            packer.list(4);
            packer.number(range.stream.process.into());
            packer.number(range.stream.task.into());
            packer.number(range.first);
            packer.number(range.count);
        }
    }
}

impl FrameHeader {
    /// The version alone, which any version of the format keeps at its place.
    pub fn version(fields: &Fields<'_>) -> Result<FormatVersion, Damage> {
        if fields.kind() != "frame" || fields.text("format") != Ok(FORMAT) {
            return Err(Damage::new("a frame does not start with its header"));
        }
        Ok(FormatVersion {
            major: FormatMajor(fields.u32("major")?),
            minor: FormatMinor(fields.u32("minor")?),
        })
    }

    pub fn decode(fields: &Fields<'_>) -> Result<FrameHeader, Damage> {
        let time = match fields.get("time") {
            Some(Value::Nil) => None,
            _ => match fields.list("time")? {
                [Value::Unsigned(first), Value::Unsigned(last)] => Some((*first, *last)),
                _ => return Err(Damage::new("a frame's time is not a range")),
            },
        };
        let streams = fields.list("streams")?.iter().map(stream_range);
        Ok(FrameHeader {
            version: FrameHeader::version(fields)?,
            origin: Origin {
                uuid: fields.array("recording")?,
                host: fields.text("host")?.to_owned(),
                boot_id: fields.text("boot_id")?.to_owned(),
            },
            number: fields.u64("number")?,
            events: fields.u64("events")?,
            time,
            streams: streams.collect::<Result<_, _>>()?,
        })
    }
}

fn stream_range(value: &Value<'_>) -> Result<StreamRange, Damage> {
    let damage = || Damage::new("a frame's stream is not a range");
    let Value::List(items) = value else {
        return Err(damage());
    };
    let [Value::Unsigned(process), Value::Unsigned(task), Value::Unsigned(first), Value::Unsigned(count)] =
        items[..]
    else {
        return Err(damage());
    };
    Ok(StreamRange {
        stream: StreamId {
            process: u32::try_from(process).map_err(|_| damage())?,
            task: u32::try_from(task).map_err(|_| damage())?,
        },
        first,
        count,
    })
}

impl Meta {
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            uuid: self.uuid,
            host: self.host.clone(),
            boot_id: self.boot_id.clone(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut packer = Packer(&mut out);
        packer.map(17 + usize::from(self.chaos.is_some()));
        packer.text_field("type", "meta");
        packer.bytes_field("uuid", &self.uuid);
        packer.text_field("tool_version", &self.tool_version);
        packer.text("argv");
        packer.list(self.argv.len());
        for argument in &self.argv {
            packer.bytes(argument);
        }
        packer.bytes_field("cwd", &self.cwd);
        packer.text_field("host", &self.host);
        packer.text_field("boot_id", &self.boot_id);
        packer.text_field("kernel", &self.kernel);
        packer.text_field("cpu", &self.cpu);
        packer.number_field("uid", self.uid.into());
        packer.number_field("wall_start_ns", self.wall_start_ns);
        packer.number_field("mono_start_ns", self.mono_start_ns);
        packer.text_field("net", &self.net);
        packer.flag_field("patched", self.patched);
        packer.number_field("root_process", self.root_process.into());
        packer.text_field("stdout", &self.stdout);
        packer.text_field("stderr", &self.stderr);
        if let Some(seed) = self.chaos {
            packer.number_field("chaos", seed);
        }
        out
    }

    pub(crate) fn decode(fields: &Fields<'_>) -> Result<Meta, Damage> {
        let argv = fields.list("argv")?.iter().map(|value| match value {
            Value::Bytes(bytes) => Ok(bytes.to_vec()),
            _ => Err(Damage::new("an argument is not bytes")),
        });
        Ok(Meta {
            uuid: fields.array("uuid")?,
            tool_version: fields.text("tool_version")?.to_owned(),
            argv: argv.collect::<Result<_, _>>()?,
            cwd: fields.bytes("cwd")?.to_vec(),
            host: fields.text("host")?.to_owned(),
            boot_id: fields.text("boot_id")?.to_owned(),
            kernel: fields.text("kernel")?.to_owned(),
            cpu: fields.text("cpu")?.to_owned(),
            uid: fields.u32("uid")?,
            wall_start_ns: fields.u64("wall_start_ns")?,
            mono_start_ns: fields.u64("mono_start_ns")?,
            net: fields.text("net")?.to_owned(),
            patched: fields.flag("patched")?,
            chaos: fields.optional_u64("chaos")?,
            root_process: fields.u32("root_process")?,
            stdout: fields.text("stdout")?.to_owned(),
            stderr: fields.text("stderr")?.to_owned(),
        })
    }
}

impl ProcessEnd {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut packer = Packer(&mut out);
        packer.map(7);
        packer.text_field("type", "process");
        packer.number_field("process", self.process.into());
        packer.number_field("task", self.task.into());
        packer.flag_field("complete", self.complete);
        packer.number_field("killed_by", self.killed_by.into());
        packer.bytes_field("exe", &self.exe);
        packer.number_field("parent", self.parent.into());
        out
    }

    pub(crate) fn decode(fields: &Fields<'_>) -> Result<ProcessEnd, Damage> {
        Ok(ProcessEnd {
            process: fields.u32("process")?,
            task: fields.u32("task")?,
            complete: fields.flag("complete")?,
            killed_by: fields.u32("killed_by")?,
            exe: fields.bytes("exe")?.to_vec(),
            parent: fields.u32("parent")?,
        })
    }
}

impl Anchor {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut packer = Packer(&mut out);
        packer.map(3);
        packer.text_field("type", "anchor");
        packer.number_field("wall_ns", self.wall_ns);
        packer.number_field("mono_ns", self.mono_ns);
        out
    }

    pub(crate) fn decode(fields: &Fields<'_>) -> Result<Anchor, Damage> {
        Ok(Anchor {
            wall_ns: fields.u64("wall_ns")?,
            mono_ns: fields.u64("mono_ns")?,
        })
    }
}

impl End {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut packer = Packer(&mut out);
        packer.map(11);
        packer.text_field("type", "end");
        packer.text("exit_code");
        packer.optional_i32(self.exit_code);
        packer.text("signal");
        packer.optional_i32(self.signal);
        packer.number_field("wall_end_ns", self.wall_end_ns);
        packer.number_field("mono_end_ns", self.mono_end_ns);
        packer.flag_field("complete", self.complete);
        packer.text("reasons");
        packer.list(self.reasons.len());
        for reason in &self.reasons {
            packer.text(reason);
        }
        packer.number_field("events", self.events);
        packer.number_field("streams", self.streams);
        packer.number_field("chunks", self.chunks);
        packer.number_field("chunk_bytes", self.chunk_bytes);
        out
    }

    pub(crate) fn decode(fields: &Fields<'_>) -> Result<End, Damage> {
        let reasons = fields.list("reasons")?.iter().map(|value| match value {
            Value::Text(text) => Ok((*text).to_owned()),
            _ => Err(Damage::new("a reason is not a string")),
        });
        Ok(End {
            exit_code: fields.optional_i32("exit_code")?,
            signal: fields.optional_i32("signal")?,
            wall_end_ns: fields.u64("wall_end_ns")?,
            mono_end_ns: fields.u64("mono_end_ns")?,
            complete: fields.flag("complete")?,
            reasons: reasons.collect::<Result<_, _>>()?,
            events: fields.u64("events")?,
            streams: fields.u64("streams")?,
            chunks: fields.u64("chunks")?,
            chunk_bytes: fields.u64("chunk_bytes")?,
        })
    }
}

/// A content chunk.
pub(crate) struct Chunk<'a> {
    pub hash: Digest,
    pub bytes: &'a [u8],
}

impl<'a> Chunk<'a> {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 64);
        let mut packer = Packer(&mut out);
        packer.map(3);
        packer.text_field("type", "content");
        packer.bytes_field("hash", &self.hash);
        packer.bytes_field("bytes", self.bytes);
        out
    }

    pub fn decode(fields: &Fields<'a>) -> Result<Chunk<'a>, Damage> {
        let bytes = fields.bytes("bytes")?;
        if bytes.is_empty() || bytes.len() > CHUNK_MAX {
            return Err(Damage::new("a content chunk is empty or too large"));
        }
        Ok(Chunk {
            hash: fields.array("hash")?,
            bytes,
        })
    }
}

/// A piece of a content's chunk list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileValue {
    pub number: u64,
    /// Offset in the content of the first chunk listed here.
    pub offset: u64,
    /// Size of the whole content, in its last piece only.
    pub size: Option<u64>,
    /// Length and digest of each chunk.
    pub chunks: Vec<(u32, Digest)>,
}

/// Bytes of one entry of a chunk list: length as u32, little-endian, and digest.
const CHUNK_ENTRY: usize = 4 + 32;

impl FileValue {
    /// Bytes of the content that are listed here.
    pub fn listed(&self) -> u64 {
        self.chunks.iter().map(|(len, _)| u64::from(*len)).sum()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut list = Vec::with_capacity(self.chunks.len() * CHUNK_ENTRY);
        for (len, hash) in &self.chunks {
            list.extend_from_slice(&len.to_le_bytes());
            list.extend_from_slice(hash);
        }
        let mut out = Vec::with_capacity(list.len() + 64);
        let mut packer = Packer(&mut out);
        packer.map(4 + usize::from(self.size.is_some()));
        packer.text_field("type", "file");
        packer.number_field("number", self.number);
        packer.number_field("offset", self.offset);
        if let Some(size) = self.size {
            packer.number_field("size", size);
        }
        packer.bytes_field("chunks", &list);
        out
    }

    pub fn decode(fields: &Fields<'_>) -> Result<FileValue, Damage> {
        let list = fields.bytes("chunks")?;
        if list.len() % CHUNK_ENTRY != 0 || list.len() / CHUNK_ENTRY > FILE_CHUNKS_MAX {
            return Err(Damage::new("a content's chunk list has a wrong length"));
        }
        let mut chunks = Vec::with_capacity(list.len() / CHUNK_ENTRY);
        for entry in list.chunks_exact(CHUNK_ENTRY) {
            let (len, hash) = entry.split_at(4);
            let len = u32::from_le_bytes(len.try_into().expect("split at 4"));
            if len == 0 || len as usize > CHUNK_MAX {
                return Err(Damage::new("a content lists an empty or too large chunk"));
            }
            chunks.push((len, hash.try_into().expect("the rest of 36")));
        }
        let value = FileValue {
            number: fields.u64("number")?,
            offset: fields.u64("offset")?,
            size: fields.get("size").map(|_| fields.u64("size")).transpose()?,
            chunks,
        };
        let end = value.offset.checked_add(value.listed());
        if end.is_none() || value.size.is_some_and(|size| Some(size) != end) {
            return Err(Damage::new("a content's chunks do not add up to its size"));
        }
        Ok(value)
    }
}
