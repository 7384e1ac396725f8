//! Every guest, recorded and replayed, by Syscall User Dispatch, behind the seccomp filter, and
//! without any site rewritten.

use reenact_tests::{guest, Net};

fn dispatched(name: &str) {
    guest(name).is_faithful();
}

fn filtered(name: &str) {
    guest(name).net(Net::Seccomp).is_faithful();
}

fn unpatched(name: &str) {
    guest(name).unpatched().is_faithful();
}

include!(concat!(env!("OUT_DIR"), "/guests.rs"));
