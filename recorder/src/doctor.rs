//! `record doctor`: what of recording works on this machine.

use std::io;
use std::process::ExitCode;

use reenact_abi::arena::Net;

use crate::{meta, session};

/// One probe.
struct Finding {
    name: &'static str,
    ok: bool,
    what: String,
}

/// Runs a probe in a child, so that it can change nothing here; true when it exits with 0.
fn in_child(probe: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child only runs the probe, which makes system calls, and exits.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(i32::from(!probe()));
        }
        let mut status = 0;
        pid > 0
            && libc::waitpid(pid, &mut status, 0) == pid
            && libc::WIFEXITED(status)
            && libc::WEXITSTATUS(status) == 0
    }
}

fn dispatch_works() -> bool {
    in_child(|| {
        const PR_SET_SYSCALL_USER_DISPATCH: i32 = 59;
        let everything = u64::MAX >> 1;
        // SAFETY: the allowed range is the whole address space: nothing is caught.
        unsafe { libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0u64, everything, 0u64) == 0 }
    })
}

fn seccomp_works() -> bool {
    in_child(|| {
        let allow = libc::sock_filter {
            code: 6,
            jt: 0,
            jf: 0,
            k: 0x7fff_0000,
        };
        let program = libc::sock_fprog {
            len: 1,
            filter: &allow as *const _ as *mut _,
        };
        // SAFETY: a filter that allows everything, in a child of our own.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::syscall(libc::SYS_seccomp, 1, 0, &program) == 0
        }
    })
}

fn cpuid_faults() -> bool {
    // SAFETY: sets a flag of the child alone.
    in_child(|| unsafe { libc::syscall(libc::SYS_arch_prctl, 0x1012, 0) == 0 })
}

/// The net to use: what was asked for, else the faster one that works.
pub fn choose_net() -> Net {
    match session::requested_net() {
        Some(net) => net,
        None if dispatch_works() => Net::Dispatch,
        None => Net::Seccomp,
    }
}

fn probe() -> Vec<Finding> {
    let yes_no = |ok: bool, yes: &str, no: &str| (if ok { yes } else { no }).to_owned();
    let mut found = Vec::new();
    let dispatch = dispatch_works();
    found.push(Finding {
        name: "syscall-user-dispatch",
        ok: dispatch,
        what: yes_no(
            dispatch,
            "works",
            "refused by this kernel (needs Linux 5.11): seccomp is used instead",
        ),
    });
    let seccomp = seccomp_works();
    found.push(Finding {
        name: "seccomp",
        ok: seccomp,
        what: yes_no(
            seccomp,
            "works",
            "refused: there is nothing to fall back on",
        ),
    });
    found.push(Finding {
        name: "net",
        ok: dispatch || seccomp,
        what: format!("{} is used", meta::net_name(choose_net())),
    });
    let cpuid = cpuid_faults();
    found.push(Finding {
        name: "cpuid",
        ok: cpuid,
        what: yes_no(
            cpuid,
            "is recorded",
            "cannot be caught on this CPU: replay needs a CPU of the same kind",
        ),
    });
    let memfd =
        reenact_launch::Session::create(reenact_abi::arena::Mode::Record, Net::Dispatch, 0, 0);
    found.push(Finding {
        name: "shared-memory",
        ok: memfd.is_ok(),
        what: memfd.map_or_else(|error| error.to_string(), |_| "works".to_owned()),
    });
    found
}

pub fn main(json: bool) -> ExitCode {
    let found = probe();
    let usable = found
        .iter()
        .filter(|finding| finding.name != "cpuid" && finding.name != "syscall-user-dispatch");
    let usable = usable
        .filter(|finding| finding.name != "seccomp")
        .all(|finding| finding.ok);
    if json {
        let fields: serde_json::Map<String, serde_json::Value> = found
            .iter()
            .map(|f| {
                (
                    f.name.to_owned(),
                    serde_json::json!({ "ok": f.ok, "what": f.what }),
                )
            })
            .collect();
        println!("{}", serde_json::Value::Object(fields));
    } else {
        for finding in &found {
            println!(
                "{:4} {:22} {}",
                if finding.ok { "ok" } else { "no" },
                finding.name,
                finding.what
            );
        }
        println!(
            "{}",
            if usable {
                "recording works here"
            } else {
                "recording does not work here"
            }
        );
    }
    let _ = io::Write::flush(&mut io::stdout());
    if usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
