//! Every guest, recorded and replayed, by Syscall User Dispatch and behind the seccomp filter.

use reenact_tests::{guest, Net};

fn dispatched(name: &str) {
    guest(name).is_faithful();
}

fn filtered(name: &str) {
    guest(name).net(Net::Seccomp).is_faithful();
}

include!(concat!(env!("OUT_DIR"), "/guests.rs"));
