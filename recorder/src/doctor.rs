//! `record doctor`: what of recording works on this machine.

use std::io;
use std::process::ExitCode;

use reenact_abi::arena::Net;
use reenact_launch::machine::{choose_net, dispatch_works, in_child, is_recorded, requested_net};

use crate::meta;

/// One probe.
struct Finding {
    name: &'static str,
    ok: bool,
    what: String,
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
        what: format!("{} is used", meta::net_name(choose_net(requested_net()))),
    });
    let recorded = is_recorded();
    found.push(Finding {
        name: "not-recorded",
        ok: !recorded,
        what: yes_no(
            !recorded,
            "this process is in no recording",
            "this process is recorded: what it records becomes part of that recording",
        ),
    });
    let cpuid = cpuid_faults();
    found.push(Finding {
        name: "cpuid",
        ok: cpuid,
        what: yes_no(
            cpuid,
            "is recorded",
            "does not trap on this CPU: it is recorded where files ask for it; made code is answered by the CPU",
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
    // Without these recording works all the same, in another way.
    const BETTER_WITH: [&str; 4] = ["syscall-user-dispatch", "seccomp", "not-recorded", "cpuid"];
    let usable = found
        .iter()
        .all(|finding| finding.ok || BETTER_WITH.contains(&finding.name));
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
