//! Calls that bring connections into being: what identifies their two ends is noted behind the call,
//! so that a reader can join the endpoints of recorded processes and name the peers of others.

use reenact_abi::event::{Header, Kind, Role};
use reenact_abi::syscalls::Hook;

use crate::dispatch::{Cx, Flow};
use crate::guest_mem;
use crate::nr;
use crate::sys;
use crate::task::Task;
use crate::{record, ring};

const SOL_SOCKET: u64 = 1;
const SO_DOMAIN: u64 = 39;
const SO_COOKIE: u64 = 57;
const SO_NETNS_COOKIE: u64 = 71;

/// What the data parts of an endpoint event are, by their `addr`.
const LOCAL: u64 = 0;
const PEER: u64 = 1;

pub fn record(cx: &mut Cx) -> Flow {
    let flow = cx.enter();
    if let Flow::Return(ret) = flow {
        cx.task.made_endpoint = !cx.task.detached && made(cx, ret);
    }
    flow
}

/// EINPROGRESS: the connection is under way, and its local end is known.
const EINPROGRESS: i64 = -115;

fn made(cx: &Cx, ret: i64) -> bool {
    match cx.row.hook {
        Hook::Connect => ret == 0 || ret == EINPROGRESS,
        _ => ret >= 0,
    }
}

/// Behind the event of a call that made endpoints: an event for each.
pub fn note(cx: &mut Cx, ret: i64) {
    if !core::mem::take(&mut cx.task.made_endpoint) {
        return;
    }
    let args = cx.call.args;
    match cx.row.hook {
        Hook::Accept => endpoint(cx.task, ret as i32),
        Hook::Connect | Hook::Bind => endpoint(cx.task, args[0] as i32),
        Hook::Socketpair | Hook::Pipe => {
            let at = if cx.row.hook == Hook::Pipe {
                args[0]
            } else {
                args[3]
            };
            for index in 0..2 {
                if let Ok(fd) = guest_mem::get::<i32>(at + index * 4) {
                    endpoint(cx.task, fd);
                }
            }
        }
        _ => {}
    }
}

fn endpoint(task: &mut Task, fd: i32) {
    let Ok(stat) = sys::fstat(fd) else { return };
    let domain = option(fd, SO_DOMAIN).map_or(0, |domain| domain & 0xffff_ffff);
    let args = [
        fd as u64,
        stat.dev,
        stat.ino,
        option(fd, SO_COOKIE).unwrap_or(0),
        option(fd, SO_NETNS_COOKIE).unwrap_or(0),
        domain,
    ];
    record::open(
        task,
        Header {
            kind: Kind::Endpoint as u8,
            args,
            ..Header::default()
        },
    );
    for (number, what) in [(nr::GETSOCKNAME, LOCAL), (nr::GETPEERNAME, PEER)] {
        let mut address = [0u8; 128];
        let mut len = address.len() as u32;
        let given = [fd as u64, address.as_mut_ptr() as u64, &raw mut len as u64];
        // SAFETY: the kernel writes at most the array, and the length.
        if unsafe { sys::call(number, given) } == 0 {
            let len = u64::from(len.min(128));
            ring::part(task, Role::Data, what, address.as_ptr() as u64, len, 0);
        }
    }
    ring::finish(task);
}

fn option(fd: i32, name: u64) -> Option<u64> {
    let mut value = 0u64;
    let mut len = 8u32;
    let given = [
        fd as u64,
        SOL_SOCKET,
        name,
        &raw mut value as u64,
        &raw mut len as u64,
    ];
    // SAFETY: the kernel writes at most eight bytes, and the length.
    (unsafe { sys::call(nr::GETSOCKOPT, given) } == 0).then_some(value)
}
