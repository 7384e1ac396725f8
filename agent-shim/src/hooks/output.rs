//! Calls that write: those to the run's own standard output and error are ordered among all
//! processes while recording, and printed in that order by replay.

use core::sync::atomic::{AtomicU32, Ordering};

use reenact_abi::arena::state;
use reenact_abi::event::{flags, Header, Role};
use reenact_abi::syscalls::{Arg, Hook, Len, Row};

use crate::dispatch::{Cx, Flow};
use crate::guest_mem::{self, Iovec, Mmsghdr, Msghdr};
use crate::hooks::descriptors::{self, Leads};
use crate::hooks::objects;
use crate::nr;
use crate::sys::{self, Errno};
use crate::task::{session, slot, Task};
use crate::{log, outputs, record, ring};

/// A writer that holds the lock longer than this while it is dead or stuck loses it.
const STEAL_NS: u64 = 100_000_000;

fn lock(task: &Task) {
    let session = session();
    let me = task.slot + 1;
    let mut waited_ns = 0;
    loop {
        match session
            .output_lock
            .compare_exchange(0, me, Ordering::SeqCst, Ordering::SeqCst)
        {
            Ok(_) => return,
            Err(holder) => {
                let gone = slot(holder - 1).owner.load(Ordering::Relaxed) & ring::OWNER_DIED != 0;
                if gone || waited_ns >= STEAL_NS {
                    let taken = session.output_lock.compare_exchange(
                        holder,
                        me,
                        Ordering::SeqCst,
                        Ordering::SeqCst,
                    );
                    if taken.is_ok() {
                        return;
                    }
                }
                session.output_waiters.fetch_add(1, Ordering::SeqCst);
                let begin = sys::monotonic_ns();
                let _ = sys::futex_wait(&session.output_lock, holder, 10_000_000);
                waited_ns += sys::monotonic_ns() - begin;
                session.output_waiters.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

fn unlock(task: &Task) {
    let session = session();
    let released =
        session
            .output_lock
            .compare_exchange(task.slot + 1, 0, Ordering::SeqCst, Ordering::SeqCst);
    if released.is_ok() && session.output_waiters.load(Ordering::SeqCst) != 0 {
        sys::futex_wake(&session.output_lock, 1);
    }
}

/// The argument that says where the bytes go.
fn target_fd(cx: &Cx) -> u64 {
    let args = cx.call.args;
    match cx.call.nr {
        nr::SPLICE | nr::COPY_FILE_RANGE => args[2],
        nr::TEE => args[1],
        _ => args[0],
    }
}

/// Does a pipe's descriptor take bytes out of it?
fn is_read_end(fd: u64) -> bool {
    sys::status_flags(fd as i32).is_ok_and(|flags| flags & sys::O_ACCMODE == 0)
}

pub fn record(cx: &mut Cx) -> Flow {
    if cx.task.detached {
        return cx.enter();
    }
    let fd = target_fd(cx);
    if cx.call.nr == nr::VMSPLICE && is_read_end(fd) {
        cx.shape.args[1] = Arg::IovecOut(2);
        return cx.enter();
    }
    let flag = match descriptors::leads_to(cx.task, fd) {
        Leads::Stdout => flags::STDOUT,
        Leads::Stderr => flags::STDERR,
        Leads::Messages => return cx.enter(),
        Leads::Elsewhere => {
            let Some(object) = objects::join_by_descriptor(cx.task, fd as i32) else {
                return cx.enter();
            };
            let flow = cx.enter_in_turn();
            let Flow::Return(ret) = flow else { return flow };
            record::complete(cx.task, ret);
            emit(cx, ret);
            objects::note_write(cx, fd as i32, object, ret);
            return Flow::Completed(ret);
        }
    };
    if cx.row.hook == Hook::Transfer {
        // Bytes that never pass through the program's memory could not be printed by replay. Every
        // caller of these must be able to fall back on read and write.
        return Flow::Return(Errno::EINVAL.ret());
    }
    lock(cx.task);
    // Should the task be killed inside the call, nobody knows how much of this got out.
    ring::header(cx.task).flags |= flag;
    // The turn is kept: a task of the same group that got it meanwhile could not print either, and
    // tickets would not tell the order of the bytes. Whoever reads them is outside the run.
    let flow = cx.enter_in_turn();
    if let Flow::Return(ret) = flow {
        record::complete(cx.task, ret);
        if ret > 0 {
            record::ticket(cx.task, flag);
        }
        unlock(cx.task);
        emit(cx, ret);
        return Flow::Completed(ret);
    }
    unlock(cx.task);
    flow
}

/// What a writing call wrote to memory; none of them has a length that must be known from before.
fn emit(cx: &mut Cx, ret: i64) {
    let before = outputs::Before::default();
    outputs::emit(cx.task, &cx.shape.args, &cx.call.args, ret, &before);
}

pub fn replay(cx: &mut Cx, header: &Header) -> Flow {
    if header.flags & (flags::STDOUT | flags::STDERR) != 0 && header.ret > 0 {
        let fd = if header.flags & flags::STDOUT != 0 {
            1
        } else {
            2
        };
        if !await_ticket(header.ticket) {
            sys::exit_group(3);
        }
        sent(cx, header.ret as u64, |at, len| write_all(fd, at, len));
        session().tickets.store(header.ticket, Ordering::SeqCst);
        if session().output_waiters.load(Ordering::SeqCst) != 0 {
            sys::futex_wake(tickets_word(), u32::MAX >> 1);
        }
    }
    let mut object = None;
    log::consume(cx.task, header, |_, piece| {
        if piece.is(Role::Output) {
            piece.put_back();
        } else if piece.is(Role::Object) {
            object = Some((piece.part.content + piece.part.addr, piece.part.len));
        }
    });
    if let Some((zone, len)) = object {
        objects::replay_write(cx, zone, len);
    }
    Flow::Completed(header.ret)
}

/// The low half of the ticket counter, as a futex word.
fn tickets_word() -> &'static AtomicU32 {
    // SAFETY: only the address is taken; nobody but the kernel reads half of the counter.
    unsafe { AtomicU32::from_ptr(session().tickets.as_ptr() as *mut u32) }
}

/// Waits until everything that was printed before has been; false when the replay was stopped.
fn await_ticket(ticket: u64) -> bool {
    let session = session();
    loop {
        let now = session.tickets.load(Ordering::SeqCst);
        if now + 1 >= ticket {
            return true;
        }
        if session.state.load(Ordering::SeqCst) != state::OPEN {
            return false;
        }
        session.output_waiters.fetch_add(1, Ordering::SeqCst);
        let _ = sys::futex_wait(tickets_word(), now as u32, 50_000_000);
        session.output_waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Does the call write bytes of the program's memory to a descriptor, its first argument?
pub fn writes(row: &Row) -> bool {
    matches!(
        u64::from(row.nr),
        nr::WRITE
            | nr::PWRITE64
            | nr::WRITEV
            | nr::PWRITEV
            | nr::PWRITEV2
            | nr::SENDTO
            | nr::SENDMSG
            | nr::SENDMMSG
    )
}

/// What tells the data parts of a call that sent something apart.
const DESTINATION: u64 = 0;
const CONTROL: u64 = 1;
const KEY_LOG: u64 = 2;

/// Bytes of a call that writes lines of a TLS key log.
const KEY_LOG_MAX: u64 = 1 << 14;

/// How such lines begin: the first bytes of the labels in draft-ietf-tls-keylogfile.
const KEY_LABELS: [&[u8; 7]; 4] = [b"CLIENT_", b"SERVER_", b"EXPORTE", b"EARLY_E"];

/// Puts into the event what a call that returned `ret` sent to where somebody may read it, so that
/// a trace alone tells what was said. Bytes of files are left out: a replay has them.
pub fn note_sent(cx: &mut Cx, ret: i64) {
    if cx.call.nr == nr::CONNECT && !cx.task.detached {
        // A connection that is refused leaves no other trace of where it was to lead.
        let [_, at, len, ..] = cx.call.args;
        ring::part(cx.task, Role::Data, DESTINATION, at, len.min(128), 0);
    }
    if ret < 0 || cx.task.detached || !writes(cx.row) {
        return;
    }
    let args = cx.call.args;
    if descriptors::leads_to(cx.task, args[0]) == Leads::Elsewhere {
        return note_keys(cx, ret as u64);
    }
    let (shape, task) = (&cx.shape.args, &mut *cx.task);
    walk_sent(shape, &args, ret as u64, |at, len| {
        ring::part(task, Role::Input, at, at, len, 0);
    });
    let mut beside = |which, at, len: u64| {
        if at != 0 {
            ring::part(task, Role::Data, which, at, len.min(1 << 16), 0);
        }
    };
    match cx.call.nr {
        nr::SENDTO => beside(DESTINATION, args[4], args[5].min(128)),
        nr::SENDMSG => {
            if let Ok(message) = guest_mem::get::<Msghdr>(args[1]) {
                beside(DESTINATION, message.name, message.name_len.min(128).into());
                beside(CONTROL, message.control, message.control_len);
            }
        }
        _ => {}
    }
}

/// Of what goes to files, readers of a trace want one thing: by what the program's encrypted connections
/// can be read. A replay has it, but whoever reads the trace replays nothing.
fn note_keys(cx: &mut Cx, len: u64) {
    if len > KEY_LOG_MAX {
        return;
    }
    let (args, mut kept) = (cx.call.args, None);
    let (shape, task) = (&cx.shape.args, &mut *cx.task);
    walk_sent(shape, &args, len, |at, len| {
        let mut label = [0; 7];
        let is_log = *kept.get_or_insert_with(|| {
            guest_mem::read(at, &mut label) == label.len() && KEY_LABELS.contains(&&label)
        });
        if is_log {
            ring::part(task, Role::Data, KEY_LOG, at, len, 0);
        }
    });
}

/// Walks the bytes that a writing call which returned `ret` took from memory, piece by piece.
pub fn sent(cx: &Cx, ret: u64, each: impl FnMut(u64, u64)) {
    walk_sent(&cx.shape.args, &cx.call.args, ret, each);
}

fn walk_sent(shape: &[Arg; 6], args: &[u64; 6], len: u64, mut each: impl FnMut(u64, u64)) {
    for (index, arg) in shape.iter().enumerate() {
        let at = args[index];
        match *arg {
            Arg::In(Len::Arg(_)) => each(at, len),
            Arg::IovecIn(count) => vectors(at, args[count as usize % 6], len, &mut each),
            Arg::MsgIn => {
                if let Ok(message) = guest_mem::get::<Msghdr>(at) {
                    vectors(message.iov, message.iov_len, len, &mut each);
                }
            }
            // Such a call returns how many messages it sent, and the bytes of each stand beside it.
            Arg::MmsgIn(_) => {
                for entry in (0..len.min(1024)).map(|entry| at + entry * MMSGHDR_SIZE) {
                    if let Ok(Mmsghdr { header, len, .. }) = guest_mem::get(entry) {
                        vectors(header.iov, header.iov_len, len.into(), &mut each);
                    }
                }
            }
            _ => continue,
        }
        return;
    }
}

const MMSGHDR_SIZE: u64 = core::mem::size_of::<Mmsghdr>() as u64;

fn vectors(at: u64, count: u64, mut left: u64, each: &mut impl FnMut(u64, u64)) {
    for index in 0..count.min(1024) {
        let Ok(vector) = guest_mem::get::<Iovec>(at + index * 16) else {
            return;
        };
        let take = vector.len.min(left);
        each(vector.base, take);
        left -= take;
    }
}

fn write_all(fd: i32, at: u64, len: u64) {
    let mut done = 0;
    while done < len {
        // SAFETY: the kernel reads the target's memory and reports what it cannot read.
        match sys::check(unsafe { sys::call(nr::WRITE, [fd as u64, at + done, len - done]) }) {
            Ok(0) => return,
            Ok(wrote) => done += wrote,
            Err(Errno::EINTR) | Err(Errno::EAGAIN) => {}
            Err(_) => return,
        }
    }
}
