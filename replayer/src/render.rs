//! Events in words.

use reenact_abi::event::{flags, Header, Kind};
use reenact_abi::syscalls::{self, sub, Arg};

/// One line: a call as strace would show it, or the essence of another event.
pub fn header(header: &Header) -> String {
    match Kind::from_u8(header.kind) {
        Some(Kind::Call) => call(header),
        Some(Kind::Signal) => {
            let again = if header.args[0] == 1 {
                ", before the call"
            } else {
                ""
            };
            format!("signal {} delivered{again}", header.nr)
        }
        Some(Kind::Fault) => {
            let handled = if header.ret != 0 { "handled" } else { "fatal" };
            format!(
                "signal {} at {:#x}, address {:#x} ({handled})",
                header.nr, header.rip, header.args[1]
            )
        }
        Some(Kind::Tsc) => format!("rdtsc = {:#x} at {:#x}", header.ret, header.rip),
        Some(Kind::Cpuid) => format!(
            "cpuid {:#x}.{:#x} at {:#x}",
            header.args[0], header.args[1], header.rip
        ),
        Some(Kind::Map) => format!(
            "loader maps {:#x}+{:#x} prot {} at {:#x}",
            header.args[0], header.args[1], header.args[2], header.ret
        ),
        Some(Kind::Endpoint) => format!(
            "descriptor {} is inode {} on device {:#x}, socket cookie {:#x}, network namespace {:#x}, domain {}",
            header.args[0], header.args[2], header.args[1], header.args[3], header.args[4], header.args[5]
        ),
        Some(Kind::Image) => format!(
            "program starts at {:#x}, stack {:#x}",
            header.rip, header.rsp
        ),
        Some(Kind::Checksum) => checksum(header),
        Some(Kind::TaskStart) => format!("task starts as {}", header.ret),
        Some(kind) => format!("{} {:?} = {}", kind.name(), header.args, header.ret),
        None => format!("kind {}", header.kind),
    }
}

/// A checksum has a region only in the report of a difference: the one that differs.
fn checksum(header: &Header) -> String {
    let [regions, skipped, _, start, len, hash] = header.args;
    if start != 0 {
        format!("memory at {start:#x}, {len} bytes, has the hash {hash:#018x}")
    } else {
        format!("memory at the end: {regions} regions, and {skipped} bytes that were skipped")
    }
}

fn call(header: &Header) -> String {
    let Some(row) = syscalls::row(u64::from(header.nr)) else {
        return format!("syscall_{}({:x?}) = {}", header.nr, header.args, header.ret);
    };
    let shape = sub::resolve(row, &header.args);
    let count = shape
        .args
        .iter()
        .rposition(|arg| *arg != Arg::None)
        .map_or(0, |last| last + 1);
    let shown: Vec<String> = (0..count)
        .map(|index| {
            let value = header.args[index];
            match shape.args[index] {
                Arg::Int | Arg::Fd | Arg::DirFd | Arg::Pid | Arg::Signal => {
                    // Most of these are C ints; the upper half of the register is noise then.
                    if value >> 32 == 0xffff_ffff || value >> 31 == 1 {
                        format!("{}", value as i32)
                    } else {
                        format!("{}", value as i64)
                    }
                }
                Arg::Mode => format!("{value:#o}"),
                _ if index == 1 && !shape.command.is_empty() => shape.command.to_owned(),
                _ => format!("{value:#x}"),
            }
        })
        .collect();
    let result = if header.flags & flags::UNFINISHED != 0 {
        "?".to_owned()
    } else if (-4095..0).contains(&header.ret) || (0..1 << 20).contains(&header.ret) {
        format!("{}", header.ret)
    } else {
        format!("{:#x}", header.ret)
    };
    format!("{}({}) = {result}", row.name, shown.join(", "))
}

/// Bytes as a quoted string, at most `max` of them.
pub fn bytes(bytes: &[u8], max: usize) -> String {
    let mut out = String::from("\"");
    for byte in bytes.iter().take(max) {
        out.extend(byte.escape_ascii().map(char::from));
    }
    out.push('"');
    if bytes.len() > max {
        out.push_str("...");
    }
    out
}
