//! The syscall table as it lies in a trace, so that a newer build can read what an older one
//! recorded by the rules it was recorded under.

use reenact_abi::syscalls::{arg_names, Arg, Blocks, Class, Len, Row, ROWS};
use serde::{Deserialize, Serialize};

use crate::error::Damage;
use crate::msgpack::{Fields, Packer, Value};

/// A row, in words rather than in this build's enums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRow {
    pub nr: u16,
    pub name: String,
    /// `emulated`, `executed` or `denied`.
    pub class: String,
    /// `never` or `may`.
    pub blocks: String,
    /// The hook's name, `None` when there is none.
    pub hook: String,
    pub args: Vec<TableArg>,
    pub note: String,
}

/// An argument of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableArg {
    /// Empty where the call has no such argument.
    pub name: String,
    /// `none`, `int`, `fd`, …, `in`, `out`, `iovec-in`, ….
    pub kind: String,
    /// How many bytes lie behind it: `fixed`, `arg`, `arg-times`, `ret`, `cell`, `str`, …; empty
    /// when that is no question.
    pub len: String,
    /// The numbers that go with `len` (or with `kind`, where there is no `len`), in the order that
    /// `formats/FORMAT.md` gives: arguments' positions, then bytes.
    pub numbers: Vec<u32>,
}

/// The rows of this build.
pub(crate) fn current() -> Vec<TableRow> {
    ROWS.iter().map(row).collect()
}

fn row(row: &Row) -> TableRow {
    let class = match row.class {
        Class::Emulated => "emulated",
        Class::Executed => "executed",
        Class::Denied => "denied",
    };
    let blocks = match row.blocks {
        Blocks::Never => "never",
        Blocks::May => "may",
    };
    TableRow {
        nr: row.nr,
        name: row.name.to_owned(),
        class: class.to_owned(),
        blocks: blocks.to_owned(),
        hook: format!("{:?}", row.hook),
        args: arguments(row),
        note: row.note.to_owned(),
    }
}

fn arguments(row: &Row) -> Vec<TableArg> {
    let named = row.args.iter().zip(arg_names(row));
    let named = named.map(|(arg, name)| TableArg {
        name: name.to_owned(),
        ..argument(arg)
    });
    named.collect()
}

fn argument(arg: &Arg) -> TableArg {
    let plain = |kind: &str| TableArg {
        kind: kind.to_owned(),
        ..TableArg::default()
    };
    let counted = |kind: &str, arg: &u8| TableArg {
        numbers: vec![u32::from(*arg)],
        ..plain(kind)
    };
    let memory = |kind: &str, len: &Len| {
        let (len, numbers) = length(len);
        TableArg {
            len: len.to_owned(),
            numbers,
            ..plain(kind)
        }
    };
    match arg {
        Arg::None => plain("none"),
        Arg::Int => plain("int"),
        Arg::Fd => plain("fd"),
        Arg::DirFd => plain("dir-fd"),
        Arg::Pid => plain("pid"),
        Arg::Signal => plain("signal"),
        Arg::Flags => plain("flags"),
        Arg::Mode => plain("mode"),
        Arg::Addr => plain("addr"),
        Arg::Path => plain("path"),
        Arg::In(len) => memory("in", len),
        Arg::Out(len) => memory("out", len),
        Arg::OutAlways(len) => memory("out-always", len),
        Arg::InOut(len) => memory("in-out", len),
        Arg::OutOnEintr(len) => memory("out-on-eintr", len),
        Arg::InOutAlways(len) => memory("in-out-always", len),
        Arg::PollFds(count) => counted("poll-fds", count),
        Arg::IovecIn(count) => counted("iovec-in", count),
        Arg::IovecOut(count) => counted("iovec-out", count),
        Arg::MsgIn => plain("msg-in"),
        Arg::MsgOut => plain("msg-out"),
        Arg::MmsgIn(count) => counted("mmsg-in", count),
        Arg::MmsgOut(count) => counted("mmsg-out", count),
        Arg::ByHook => plain("by-hook"),
    }
}

fn length(len: &Len) -> (&'static str, Vec<u32>) {
    let arg = |at: &u8| u32::from(*at);
    match len {
        Len::Fixed(bytes) => ("fixed", vec![*bytes]),
        Len::Arg(at) => ("arg", vec![arg(at)]),
        Len::ArgPlus(at, bytes) => ("arg-plus", vec![arg(at), *bytes]),
        Len::ArgTimes(at, bytes) => ("arg-times", vec![arg(at), *bytes]),
        Len::Ret => ("ret", vec![]),
        Len::RetWithin(at) => ("ret-within", vec![arg(at)]),
        Len::RetPlus(at, bytes) => ("ret-plus", vec![arg(at), *bytes]),
        Len::RetTimes(bytes) => ("ret-times", vec![*bytes]),
        Len::RetTimesWithin(at, bytes) => ("ret-times-within", vec![arg(at), *bytes]),
        Len::Cell(at) => ("cell", vec![arg(at)]),
        Len::Sized(at, plus, least) => ("sized", vec![*at, *plus, *least]),
        Len::Str => ("str", vec![]),
        Len::FdSet(at) => ("fd-set", vec![arg(at)]),
        Len::NodeMask(at) => ("node-mask", vec![arg(at)]),
    }
}

pub(crate) fn encode(rows: &[TableRow]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut packer = Packer(&mut out);
    packer.map(2);
    packer.text_field("type", "table");
    packer.text("rows");
    packer.list(rows.len());
    for row in rows {
        packer.map(7);
        packer.number_field("nr", row.nr.into());
        packer.text_field("name", &row.name);
        packer.text_field("class", &row.class);
        packer.text_field("blocks", &row.blocks);
        packer.text_field("hook", &row.hook);
        packer.text_field("note", &row.note);
        packer.text("args");
        packer.list(row.args.len());
        for arg in &row.args {
            encode_arg(&mut packer, arg);
        }
    }
    out
}

fn encode_arg(packer: &mut Packer<'_>, arg: &TableArg) {
    packer.map(4);
    packer.text_field("name", &arg.name);
    packer.text_field("kind", &arg.kind);
    packer.text_field("len", &arg.len);
    packer.text("numbers");
    packer.list(arg.numbers.len());
    for number in &arg.numbers {
        packer.number(u64::from(*number));
    }
}

pub(crate) fn decode(fields: &Fields<'_>) -> Result<Vec<TableRow>, Damage> {
    fields.list("rows")?.iter().map(decode_row).collect()
}

fn decode_row(value: &Value<'_>) -> Result<TableRow, Damage> {
    let fields = Fields::of(value.clone())?;
    let text = |name| fields.text(name).map(str::to_owned);
    Ok(TableRow {
        nr: u16::try_from(fields.u64("nr")?).map_err(|_| Damage::new("`nr` exceeds 16 bits"))?,
        name: text("name")?,
        class: text("class")?,
        blocks: text("blocks")?,
        hook: text("hook")?,
        note: text("note")?,
        args: fields
            .list("args")?
            .iter()
            .map(decode_arg)
            .collect::<Result<_, _>>()?,
    })
}

fn decode_arg(value: &Value<'_>) -> Result<TableArg, Damage> {
    let fields = Fields::of(value.clone())?;
    let numbers = fields.list("numbers")?.iter().map(|value| match value {
        Value::Unsigned(number) => u32::try_from(*number).ok(),
        _ => None,
    });
    let numbers: Option<_> = numbers.collect();
    Ok(TableArg {
        name: fields.text("name")?.to_owned(),
        kind: fields.text("kind")?.to_owned(),
        len: fields.text("len")?.to_owned(),
        numbers: numbers.ok_or_else(|| Damage::new("`numbers` holds something else"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msgpack::Values;
    use reenact_abi::syscalls::Hook;

    #[test]
    fn rows_come_back() {
        let mut rows = current();
        rows.push(row(&Row {
            nr: 511,
            name: "example",
            class: Class::Denied,
            blocks: Blocks::May,
            hook: Hook::Futex,
            args: [
                Arg::Fd,
                Arg::In(Len::ArgTimes(2, 12)),
                Arg::Int,
                Arg::InOut(Len::Cell(4)),
                Arg::MmsgOut(2),
                Arg::None,
            ],
            note: "a note",
        }));
        let bytes = encode(&rows);
        let fields = Values::new(&bytes).next_fields().unwrap().unwrap();
        assert_eq!(decode(&fields), Ok(rows));
    }
}
