//! The table against the kernel's header and against its own grammar.

extern crate std;

use std::format;
use std::fs;
use std::println;
use std::string::String;

use super::ioctl::{self, Behind};
use super::sub::{self, Sub};
use super::{arg_names, describe, markdown, row, Arg, Blocks, Class, Hook, Len, Row, ROWS};

const HEADERS: [&str; 2] = [
    "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "/usr/include/asm/unistd_64.h",
];

#[test]
fn every_call_in_the_kernel_header_has_its_row() {
    let Some(header) = HEADERS
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
    else {
        println!("skipped: no asm/unistd_64.h here; install the kernel's user-space headers");
        return;
    };
    let mut calls = 0;
    for line in header.lines() {
        let Some((name, nr)) = line
            .strip_prefix("#define __NR_")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let nr = nr.trim().parse().expect("a number follows the name");
        let row = row(nr).unwrap_or_else(|| panic!("{name} ({nr}) has no row"));
        assert_eq!(row.name, name, "row {nr}");
        calls += 1;
    }
    assert!(calls > 300, "the header names only {calls} calls");
}

#[test]
fn a_call_is_given_what_it_has_arguments_for() {
    let given = |name: &str| {
        let row = ROWS.iter().find(|row| row.name == name).expect("a call");
        super::arguments(row.nr.into(), [1, 2, 3, 4, 5, 6])
    };
    assert_eq!(given("getpid"), [0; 6]);
    assert_eq!(given("read"), [1, 2, 3, 0, 0, 0]);
    assert_eq!(given("clone"), [1, 2, 3, 4, 5, 0]);
    for name in ["mmap", "futex", "sendto", "recvfrom", "copy_file_range"] {
        assert_eq!(given(name), [1, 2, 3, 4, 5, 6], "{name}");
    }
    // Whatever a command of a call takes, its row names.
    for row in ROWS {
        let taken = (0..5000).filter_map(|command| sub::sub(row.nr, &[command; 6]));
        for sub in taken.chain((0..5000).filter_map(|at| sub::sub(row.nr, &[at << 8; 6]))) {
            let places = row.args.iter().filter(|arg| **arg == Arg::ByHook).count();
            let filled = sub.args.iter().filter(|arg| **arg != Arg::None).count();
            assert!(filled <= places, "{} {}", row.name, sub.name);
        }
    }
    assert_eq!(super::arguments(400, [7; 6]), [7; 6]);
}

#[test]
fn numbers_ascend() {
    for pair in ROWS.windows(2) {
        assert!(
            pair[0].nr < pair[1].nr,
            "{} stands before {}",
            pair[0].name,
            pair[1].name
        );
    }
    for row in ROWS {
        assert_eq!(
            super::row(row.nr.into()).map(|found| found.name),
            Some(row.name)
        );
    }
    assert!(row(400).is_none() && row(511).is_none() && row(512).is_none());
    assert!(row(u64::MAX).is_none());
}

#[test]
fn rows_are_well_formed() {
    for row in ROWS {
        if let Err(why) = check(row, &row.args) {
            panic!("{}: {why}", row.name);
        }
    }
}

#[test]
fn malformed_rows_are_seen() {
    const GOOD: Row = Row {
        nr: 0,
        name: "bad",
        class: Class::Emulated,
        blocks: Blocks::Never,
        hook: Hook::None,
        args: [
            Arg::Int,
            Arg::In(Len::Arg(0)),
            Arg::None,
            Arg::None,
            Arg::None,
            Arg::None,
        ],
        note: "",
    };
    let with = |at: usize, arg: Arg| {
        let mut args = GOOD.args;
        args[at] = arg;
        check(&Row { args, ..GOOD }, &args)
    };
    assert_eq!(check(&GOOD, &GOOD.args), Ok(()));
    assert!(
        with(1, Arg::In(Len::Arg(6))).is_err(),
        "a length beyond the arguments"
    );
    assert!(
        with(1, Arg::In(Len::ArgTimes(2, 8))).is_err(),
        "a length in no argument"
    );
    assert!(
        with(1, Arg::Out(Len::Cell(0))).is_err(),
        "a cell that is no pointer"
    );
    assert!(
        with(1, Arg::IovecIn(1)).is_err(),
        "a count that is the array itself"
    );
    assert!(with(0, Arg::None).is_err(), "an argument after none");
    assert!(
        with(1, Arg::ByHook).is_err(),
        "a place for a hook without one"
    );
    let denied = Row {
        class: Class::Denied,
        ..GOOD
    };
    assert!(
        check(&denied, &denied.args).is_err(),
        "denied without a word"
    );
}

/// What is wrong with a row that has these arguments.
fn check(row: &Row, args: &[Arg; 6]) -> Result<(), String> {
    if row.class == Class::Denied && row.note.is_empty() {
        return Err("is denied, and no note says why".into());
    }
    if row.class == Class::Denied && row.blocks == Blocks::May {
        return Err("is denied, and yet may block".into());
    }
    if !row.note.is_empty() && !row.note.ends_with('.') {
        return Err("has a note that does not end in a full stop".into());
    }
    let mut ended = false;
    for (at, arg) in args.iter().enumerate() {
        ended |= *arg == Arg::None;
        if ended && *arg != Arg::None {
            return Err(format!("argument {at} follows none"));
        }
        if row.hook == Hook::None && *arg == Arg::ByHook {
            return Err(format!(
                "argument {at} is left to a hook, but there is none"
            ));
        }
        if let Some(count) = count_of(arg) {
            let found = args.get(usize::from(count));
            if found != Some(&Arg::Int) {
                return Err(format!(
                    "argument {at} is counted by {count}, which is {found:?}"
                ));
            }
        }
        if let Some(Len::Cell(cell)) = len_of(arg) {
            let found = args.get(usize::from(cell));
            let good = matches!(
                found,
                Some(Arg::InOut(Len::Fixed(4)) | Arg::InOutAlways(Len::Fixed(4)))
            );
            if !good {
                return Err(format!(
                    "argument {at} is measured by {cell}, which is {found:?}"
                ));
            }
        }
    }
    Ok(())
}

fn len_of(arg: &Arg) -> Option<Len> {
    match *arg {
        Arg::In(len)
        | Arg::Out(len)
        | Arg::OutAlways(len)
        | Arg::InOut(len)
        | Arg::OutOnEintr(len)
        | Arg::InOutAlways(len) => Some(len),
        Arg::None
        | Arg::Int
        | Arg::Fd
        | Arg::DirFd
        | Arg::Pid
        | Arg::Signal
        | Arg::Flags
        | Arg::Mode
        | Arg::Addr
        | Arg::Path
        | Arg::PollFds(_)
        | Arg::IovecIn(_)
        | Arg::IovecOut(_)
        | Arg::MsgIn
        | Arg::MsgOut
        | Arg::MmsgIn(_)
        | Arg::MmsgOut(_)
        | Arg::ByHook => None,
    }
}

/// The argument that counts what lies behind this one.
fn count_of(arg: &Arg) -> Option<u8> {
    match *arg {
        Arg::PollFds(at)
        | Arg::IovecIn(at)
        | Arg::IovecOut(at)
        | Arg::MmsgIn(at)
        | Arg::MmsgOut(at) => Some(at),
        _ => match len_of(arg)? {
            Len::Arg(at)
            | Len::ArgPlus(at, _)
            | Len::ArgTimes(at, _)
            | Len::RetWithin(at)
            | Len::RetPlus(at, _)
            | Len::RetTimesWithin(at, _)
            | Len::FdSet(at)
            | Len::NodeMask(at) => Some(at),
            Len::Fixed(_)
            | Len::Ret
            | Len::RetTimes(_)
            | Len::Cell(_)
            | Len::Sized(..)
            | Len::Str => None,
        },
    }
}

#[test]
fn commands_ascend_and_fill_their_rows() {
    for &(nr, table) in sub::TABLES {
        let row = row(nr.into()).expect("a table belongs to a row");
        for pair in table.windows(2) {
            assert!(
                pair[0].command < pair[1].command,
                "{} is misplaced",
                pair[1].name
            );
        }
        let places = row.args.iter().filter(|arg| **arg == Arg::ByHook).count();
        assert!(places > 0, "{} leaves nothing open", row.name);
        for Sub { name, args, .. } in table {
            assert!(
                args.len() <= places,
                "{name} has more arguments than {}",
                row.name
            );
            let mut given = args.iter();
            let filled = row.args.map(|arg| match arg {
                Arg::ByHook => *given.next().unwrap_or(&Arg::Addr),
                other => other,
            });
            if let Err(why) = check(row, &filled) {
                panic!("{name}: {why}");
            }
        }
    }
}

#[test]
fn commands_are_found_by_the_registers_that_select_them() {
    let resolved = |name: &str, registers: [u64; 6]| {
        let row = ROWS
            .iter()
            .find(|row| row.name == name)
            .expect("a known call");
        sub::resolve(row, &registers)
    };

    let lock = resolved("fcntl", [3, 7, 0x1000, 0, 0, 0]);
    assert_eq!((lock.command, lock.blocks), ("F_SETLKW", Blocks::May));
    assert_eq!(lock.args[2], Arg::In(Len::Fixed(32)));

    let wait = resolved("futex", [0x1000, 128, 1, 0, 0, 0]);
    assert_eq!((wait.command, wait.blocks), ("FUTEX_WAIT", Blocks::May));
    assert_eq!(wait.args[3], Arg::In(Len::Fixed(16)));
    let wake_op = resolved("futex", [0x1000, 128 | 5, 1, 1, 0x2000, 0]);
    assert_eq!(wake_op.blocks, Blocks::Never);
    assert_eq!(wake_op.args[3], Arg::Int);
    assert_eq!(wake_op.args[4], Arg::InOutAlways(Len::Fixed(4)));

    assert_eq!(
        resolved("prctl", [16, 0x1000, 0, 0, 0, 0]).args[1],
        Arg::Out(Len::Fixed(16))
    );
    assert_eq!(
        resolved("prctl", [35, 14, 0x1000, 104, 0, 0]).command,
        "PR_SET_MM_MAP"
    );
    assert_eq!(
        resolved("prctl", [9999, 0, 0, 0, 0, 0]).args[1],
        Arg::ByHook
    );
    // USRQUOTA is the low byte of the command.
    assert_eq!(
        resolved("quotactl", [0x8000_0700, 0, 0, 0, 0, 0]).command,
        "Q_GETQUOTA"
    );
    assert_eq!(
        resolved("quotactl_fd", [3, 0x8000_0701, 0, 0, 0, 0]).command,
        "Q_GETQUOTA"
    );
    assert_eq!(
        resolved("ioctl", [0, 0x5401, 0, 0, 0, 0]).args[2],
        Arg::Out(Len::Fixed(36))
    );
    assert_eq!(
        resolved("ioctl", [0, 0x8912, 0, 0, 0, 0]).args[2],
        Arg::ByHook
    );
    assert_eq!(resolved("read", [0; 6]).args, ROWS[0].args);
}

#[test]
fn ioctl_requests_ascend() {
    for pair in ioctl::REQUESTS.windows(2) {
        assert!(pair[0].cmd < pair[1].cmd, "{} is misplaced", pair[1].name);
    }
}

#[test]
fn ioctl_requests_are_taken_from_the_table_before_their_number() {
    let flat = |cmd: u32| match ioctl::request(cmd).behind {
        Behind::Arg(arg) => arg,
        other => panic!("{cmd:#x} is {other:?}"),
    };
    // FS_IOC_GETFLAGS says a long and means an int; FICLONE says a pointer and means a descriptor.
    assert_eq!(flat(0x8008_6601), Arg::Out(Len::Fixed(4)));
    assert_eq!(flat(0x4004_9409), Arg::Fd);
    // EVIOCGNAME(256), a made-up _IOW and _IOWR, and a number that says nothing.
    assert_eq!(flat(0x8100_4506), Arg::Out(Len::Fixed(256)));
    assert_eq!(flat(0x4010_ee01), Arg::In(Len::Fixed(16)));
    assert_eq!(flat(0xc010_ee01), Arg::InOut(Len::Fixed(16)));
    assert_eq!(flat(0x0000_ee01), Arg::Int);
    assert_eq!(ioctl::request(0x8912).behind, Behind::Ifconf);
}

#[test]
fn signatures_name_every_argument() {
    for row in ROWS {
        let names = arg_names(row);
        for (arg, name) in row.args.iter().zip(names) {
            assert_eq!(*arg == Arg::None, name.is_empty(), "{}: {name:?}", row.name);
        }
    }
    let text = |nr: u64| {
        let mut text = String::new();
        describe(row(nr).expect("a known call"), &mut text).expect("strings take everything");
        text
    };
    assert_eq!(
        text(0),
        "read(int fd, out void *buf[ret, at most count], long count)"
    );
    assert_eq!(text(39), "getpid()");
    assert_eq!(
        text(257),
        "openat(int dirfd, const char *path, unsigned long flags, mode_t mode)"
    );
}

#[test]
fn the_published_list_has_a_line_per_call() {
    let mut text = String::new();
    markdown(&mut text).expect("strings take everything");
    assert_eq!(text.lines().count(), ROWS.len() + 2);
    println!("{text}");
}

#[test]
fn flows_name_the_calls_that_they_are_about() {
    use super::flow::{flow, Flow, FLOWS, FLOW_NAMES};
    assert!(FLOWS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    for ((nr, _), name) in FLOWS.iter().zip(FLOW_NAMES) {
        let row = row(u64::from(*nr)).expect("a row for each flow");
        assert_eq!(row.name, *name, "{nr}");
        let fd = |at: u8| assert_eq!(row.args[at as usize], Arg::Fd, "{name}");
        match flow(row).expect("it stands in the table") {
            Flow::Receive(_) => {
                fd(0);
                assert!(matches!(
                    row.args[1],
                    Arg::Out(Len::RetWithin(2)) | Arg::IovecOut(2)
                ));
            }
            Flow::ReceiveMessage => assert_eq!(row.args[1], Arg::MsgOut),
            Flow::ReceiveMessages => assert_eq!(row.args[1], Arg::MmsgOut(2)),
            Flow::Send(_) => {
                fd(0);
                assert!(matches!(
                    row.args[1],
                    Arg::In(Len::Arg(2)) | Arg::IovecIn(2) | Arg::MsgIn
                ));
            }
            Flow::Vmsplice => {
                fd(0);
                assert_eq!(row.args[1], Arg::ByHook);
            }
            Flow::SendMessages => assert_eq!(row.args[1], Arg::MmsgIn(2)),
            Flow::Move(from, to) => {
                fd(from);
                fd(to);
            }
            Flow::Open(path, flags) => {
                assert_eq!(row.args[path as usize], Arg::Path, "{name}");
                assert!(flags.is_none_or(|at| row.args[at as usize] == Arg::Flags));
            }
            Flow::MakeNode(path, mode) => {
                assert_eq!(row.args[path as usize], Arg::Path, "{name}");
                assert_eq!(row.args[mode as usize], Arg::Mode, "{name}");
            }
            Flow::Make(at, _) => assert_eq!(row.args[at as usize], Arg::Flags, "{name}"),
            Flow::Kill(pid, signal) => {
                assert_eq!(row.args[pid as usize], Arg::Pid, "{name}");
                assert_eq!(row.args[signal as usize], Arg::Signal, "{name}");
            }
            Flow::Connect | Flow::Bind | Flow::Listen | Flow::Shutdown | Flow::PeerName => fd(0),
            Flow::SocketOption => fd(0),
            Flow::Close | Flow::CloseRange | Flow::Dup | Flow::Fcntl | Flow::Ioctl => fd(0),
            Flow::Tee | Flow::DupTo(_) => {
                fd(0);
                fd(1);
            }
            Flow::Accept(_) | Flow::Fetch => fd(0),
            Flow::MakePlain | Flow::Socket | Flow::Socketpair | Flow::Pipe(_) => {}
            Flow::Spawn(_) | Flow::Exec | Flow::ExitTask | Flow::ExitProcess => {}
            Flow::Wait | Flow::WaitId | Flow::Unshare => {}
        }
    }
}
