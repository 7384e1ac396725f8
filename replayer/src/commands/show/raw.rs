//! `replay show --raw`: events as they were recorded, calls in the manner of strace.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reenact_abi::event::{flags, Kind, Role};
use reenact_abi::names;
use reenact_abi::syscalls::{self, sub, Arg};
use reenact_causal::{EventId, Merge, Next};
use reenact_trace::{Event, Reader, StreamId, TableArg, TableRow};
use reenact_wire::escape;
use serde_json::json;

use super::line::{event_name, paint, seconds};
use super::output::Output;
use super::{Filter, Show, ShowError};
use crate::render;

/// Bytes of a buffer that are shown.
const SHOWN: usize = 48;
const AT_FDCWD: i32 = -100;

pub fn show(
    args: &Show,
    reader: &mut Reader,
    filter: &Filter,
    out: &mut Output<'_>,
) -> Result<(), ShowError> {
    let rows = reader.table()?;
    let table: BTreeMap<u16, TableRow> = rows.into_iter().map(|row| (row.nr, row)).collect();
    let mut mains: BTreeMap<u32, StreamId> = BTreeMap::new();
    for info in reader.streams() {
        mains.entry(info.stream.process).or_insert(info.stream);
    }
    // Names of programs are learnt on the way.
    let mut programs: BTreeMap<u32, String> = BTreeMap::new();
    let mut merge = Merge::between(reader, filter.from_ns, filter.to_ns);
    while let Some(next) = merge.next(reader)? {
        let Next::Event { id, time_ns, event } = next else {
            continue;
        };
        if event.header.kind == Kind::Image as u8 {
            programs.insert(id.stream.process, program(&event));
        }
        if !filter.wants_time(time_ns) || !filter.wants_event(id) {
            continue;
        }
        let process = id.stream.process;
        let name = match programs.get(&process) {
            Some(program) => format!("{program}[{process}]"),
            None => format!("process[{process}]"),
        };
        let kind = Kind::from_u8(event.header.kind);
        let text = match kind {
            Some(Kind::Call) => call(&event, table.get(&event.header.nr)),
            Some(_) | None => render::header(&event.header),
        };
        let plain = format!("{name}  {text}");
        if !filter.wants_process(process, &name) || !filter.wants_text(&plain) {
            continue;
        }
        let since = time_ns.saturating_sub(filter.looks.start_ns);
        if args.json {
            let value = json!({
                "kind": kind.map_or("unknown", Kind::name), "time_ns": since,
                "event": id.to_string(), "process": process, "who": name, "text": text,
                "nr": event.header.nr, "args": event.header.args, "ret": event.header.ret,
                "group": event.header.group, "order": event.header.order,
            });
            out.line(&value.to_string())?;
            continue;
        }
        let main = mains.get(&process).copied().unwrap_or(id.stream);
        out.line(&line(filter, id, main, since, &name, &text))?;
    }
    Ok(())
}

fn line(
    filter: &Filter,
    id: EventId,
    main: StreamId,
    since: u64,
    name: &str,
    text: &str,
) -> String {
    let dim = anstyle::Style::new().dimmed();
    let time = format!("{:>12} {:<10}", seconds(since), event_name(id, main));
    format!("{}  {name}  {text}", paint(filter.looks.colour, dim, &time))
}

fn program(event: &Event) -> String {
    let mut parts = event.parts.iter();
    let path = parts.find(|part| part.role == Role::Data && part.addr == 1);
    let path = path.map_or(&[][..], |part| &part.bytes);
    escape(path.rsplit(|byte| *byte == b'/').next().unwrap_or(path))
}

/// A call by the row that the trace has of it.
fn call(event: &Event, row: Option<&TableRow>) -> String {
    let header = &event.header;
    let Some(row) = row else {
        return format!(
            "syscall_{}({:#x?}) = {}",
            header.nr,
            header.args,
            result(event, false)
        );
    };
    // What depends on a command is in this build's table, if it means the same call by the number.
    let known = syscalls::row(header.nr.into()).filter(|known| known.name == row.name);
    let shape = known.map(|known| sub::resolve(known, &header.args));
    let mut text = format!("{}(", escape(row.name.as_bytes()));
    let args = row.args.iter().take(6).take_while(|arg| arg.kind != "none");
    for (at, arg) in args.enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        let by_command = shape.as_ref().filter(|_| arg.kind == "by-hook");
        let kind = by_command.map_or(arg.kind.as_str(), |shape| kind_of(&shape.args[at]));
        let command = shape.as_ref().map_or("", |shape| shape.command);
        if !command.is_empty() && is_command(row, at) {
            text.push_str(command);
        } else {
            text.push_str(&argument(event, at, arg, kind));
        }
    }
    let address = matches!(row.name.as_str(), "mmap" | "mremap" | "brk" | "shmat");
    let _ = write!(text, ") = {}", result(event, address));
    text
}

/// The argument that chose the command: the one before what depends on it.
fn is_command(row: &TableRow, at: usize) -> bool {
    let first = row.args.iter().position(|arg| arg.kind == "by-hook");
    let named = |name: &str| row.args.get(at).is_some_and(|arg| arg.name == name);
    first.is_some()
        && ["cmd", "op", "option", "request", "code", "type"]
            .iter()
            .any(|name| named(name))
}

fn kind_of(arg: &Arg) -> &'static str {
    match arg {
        Arg::None => "none",
        Arg::Int => "int",
        Arg::Fd => "fd",
        Arg::DirFd => "dir-fd",
        Arg::Pid => "pid",
        Arg::Signal => "signal",
        Arg::Flags => "flags",
        Arg::Mode => "mode",
        Arg::Addr | Arg::ByHook => "addr",
        Arg::Path => "path",
        Arg::In(_) | Arg::IovecIn(_) | Arg::MsgIn | Arg::MmsgIn(_) => "in",
        Arg::Out(_) | Arg::OutAlways(_) | Arg::InOut(_) | Arg::InOutAlways(_) => "out",
        Arg::OutOnEintr(_) | Arg::PollFds(_) | Arg::IovecOut(_) => "out",
        Arg::MsgOut | Arg::MmsgOut(_) => "out",
    }
}

fn argument(event: &Event, at: usize, arg: &TableArg, kind: &str) -> String {
    let value = event.header.args[at];
    // Most of these are C ints; the upper half of the register is noise then.
    let int = || match value as i32 {
        int if value >> 32 == 0xffff_ffff || value >> 31 == 1 => i64::from(int),
        _ => value as i64,
    };
    let behind = |role: Role| {
        let mut parts = event.parts.iter();
        parts.find(|part| part.role == role && part.addr == value && !part.bytes.is_empty())
    };
    let shown = |role: Role| behind(role).map(|part| render::bytes(&part.bytes, SHOWN));
    let pointer = || match value {
        0 => "NULL".to_owned(),
        value => format!("{value:#x}"),
    };
    match kind {
        "dir-fd" if value as i32 == AT_FDCWD => "AT_FDCWD".to_owned(),
        "int" | "fd" | "dir-fd" | "pid" => int().to_string(),
        "signal" => match names::signal(value) {
            Some(name) => name.to_owned(),
            None => int().to_string(),
        },
        "mode" => format!("{value:#o}"),
        "flags" => format!("{value:#x}"),
        "path" => match behind(Role::Input) {
            Some(part) => format!("\"{}\"", escape(&part.bytes).replace('"', "\\\"")),
            None => pointer(),
        },
        "in" | "in-out" | "in-out-always" => shown(Role::Input)
            .or_else(|| shown(Role::Output))
            .unwrap_or_else(pointer),
        "out" | "out-always" | "out-on-eintr" | "poll-fds" => {
            shown(Role::Output).unwrap_or_else(pointer)
        }
        "iovec-in" | "msg-in" | "mmsg-in" => all(event, Role::Input).unwrap_or_else(pointer),
        "iovec-out" | "msg-out" | "mmsg-out" => all(event, Role::Output).unwrap_or_else(pointer),
        _ => {
            let _ = &arg.name;
            pointer()
        }
    }
}

/// The bytes of vectors, whose own addresses the trace does not have.
fn all(event: &Event, role: Role) -> Option<String> {
    let parts = event.parts.iter().filter(|part| part.role == role);
    let bytes: Vec<u8> = parts
        .flat_map(|part| part.bytes.iter().copied())
        .take(SHOWN + 1)
        .collect();
    (!bytes.is_empty()).then(|| format!("[{}]", render::bytes(&bytes, SHOWN)))
}

fn result(event: &Event, address: bool) -> String {
    let ret = event.header.ret;
    if event.header.flags & flags::UNFINISHED != 0 {
        return "?".to_owned();
    }
    if (-4095..0).contains(&ret) {
        return match names::errno(ret.unsigned_abs()) {
            Some(name) => format!("-1 {name}"),
            None => ret.to_string(),
        };
    }
    if address {
        format!("{ret:#x}")
    } else {
        ret.to_string()
    }
}
