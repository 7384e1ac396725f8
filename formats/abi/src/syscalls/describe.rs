//! The table as text, for the published list of calls.

use core::fmt::{Result, Write};

use super::rows::{ARG_NAMES, ROWS};
use super::{Arg, Blocks, Class, Len, Row};

/// Writes a C-like signature, such as `read(int fd, out void *buf[ret, at most count], long count)`.
pub fn describe(row: &Row, out: &mut impl Write) -> Result {
    let names = super::arg_names(row);
    write!(out, "{}(", row.name)?;
    for (at, arg) in row.args.iter().enumerate() {
        if matches!(arg, Arg::None) {
            break;
        }
        if at > 0 {
            out.write_str(", ")?;
        }
        argument(arg, &names, names[at], out)?;
    }
    out.write_str(")")
}

/// Writes the whole table as a markdown table.
pub fn markdown(out: &mut impl Write) -> Result {
    writeln!(
        out,
        "| nr | call | replay | may block | note |\n|---:|---|---|---|---|"
    )?;
    for row in ROWS {
        write!(out, "| {} | `", row.nr)?;
        describe(row, out)?;
        let class = match row.class {
            Class::Emulated => "emulated",
            Class::Executed => "executed",
            Class::Denied => "denied",
        };
        let blocks = match row.blocks {
            Blocks::Never => "",
            Blocks::May => "yes",
        };
        writeln!(out, "` | {class} | {blocks} | {} |", row.note)?;
    }
    Ok(())
}

fn argument(arg: &Arg, names: &[&str; 6], name: &str, out: &mut impl Write) -> Result {
    let count = |at: &u8| names.get(*at as usize).copied().unwrap_or("?");
    match arg {
        Arg::None => Ok(()),
        Arg::Int => write!(out, "long {name}"),
        Arg::Fd | Arg::DirFd => write!(out, "int {name}"),
        Arg::Pid => write!(out, "pid_t {name}"),
        Arg::Signal => write!(out, "int {name}"),
        Arg::Flags => write!(out, "unsigned long {name}"),
        Arg::Mode => write!(out, "mode_t {name}"),
        Arg::Addr => write!(out, "void *{name}"),
        Arg::Path | Arg::In(Len::Str) => write!(out, "const char *{name}"),
        Arg::In(len) => memory("in", name, len, names, out),
        Arg::Out(len) | Arg::OutAlways(len) => memory("out", name, len, names, out),
        Arg::InOut(len) | Arg::InOutAlways(len) => memory("inout", name, len, names, out),
        Arg::OutOnEintr(len) => memory("out-on-eintr", name, len, names, out),
        Arg::PollFds(n) => write!(out, "inout struct pollfd {name}[{}]", count(n)),
        Arg::IovecIn(n) => write!(out, "in struct iovec {name}[{}]", count(n)),
        Arg::IovecOut(n) => write!(out, "out struct iovec {name}[{}]", count(n)),
        Arg::MsgIn => write!(out, "in struct msghdr *{name}"),
        Arg::MsgOut => write!(out, "out struct msghdr *{name}"),
        Arg::MmsgIn(n) => write!(out, "in struct mmsghdr {name}[{}]", count(n)),
        Arg::MmsgOut(n) => write!(out, "out struct mmsghdr {name}[{}]", count(n)),
        Arg::ByHook => write!(out, "... {name}"),
    }
}

fn memory(way: &str, name: &str, len: &Len, names: &[&str; 6], out: &mut impl Write) -> Result {
    let of = |at: &u8| names.get(*at as usize).copied().unwrap_or("?");
    write!(out, "{way} void *{name}[")?;
    match len {
        Len::Fixed(bytes) => write!(out, "{bytes}"),
        Len::Arg(at) => write!(out, "{}", of(at)),
        Len::ArgPlus(at, more) => write!(out, "{} + {more}", of(at)),
        Len::ArgTimes(at, each) => write!(out, "{} * {each}", of(at)),
        Len::Ret => write!(out, "ret"),
        Len::RetWithin(at) => write!(out, "ret, at most {}", of(at)),
        Len::RetPlus(at, more) => write!(out, "ret + {more}, at most {} + {more}", of(at)),
        Len::RetTimes(each) => write!(out, "ret * {each}"),
        Len::RetTimesWithin(at, each) => write!(out, "ret * {each}, at most {} * {each}", of(at)),
        Len::Cell(at) => write!(out, "*{}", of(at)),
        Len::Sized(..) => write!(out, "its size field"),
        Len::Str => write!(out, "string"),
        Len::FdSet(at) => write!(out, "{} bits", of(at)),
        Len::NodeMask(at) => write!(out, "{} - 1 bits", of(at)),
    }?;
    out.write_str("]")
}

/// The names of a row's arguments, empty where it has none. Rows that are not of [`ROWS`] have none.
pub fn arg_names(row: &Row) -> [&'static str; 6] {
    match ROWS.binary_search_by_key(&row.nr, |row| row.nr) {
        Ok(at) => ARG_NAMES[at],
        Err(_) => [""; 6],
    }
}
