//! From the kernel's execve of the shim to the target's first instruction.
//!
//! Recording maps the program named by the launch parameters and writes an event for each mapping,
//! then one for the finished image. Replay carries those events out and needs no program at all.

pub mod elf;
pub mod program;
pub mod stack;

use core::sync::atomic::Ordering;

use reenact_abi::arena::{self, inflight, Boot, Mode, Net, PATH_MAX_SLOT};
use reenact_abi::event::{Header, Kind, Role};
use reenact_abi::{map, ABI_VERSION, BOOT_ENV};

use crate::arch;
use crate::guest_mem;
use crate::hooks::{memory, tasks};
use crate::intercept::{clock, net, patch, trap};
use crate::loader::program::{Format, SCRIPT_DEPTH_MAX};
use crate::loader::stack::{Built, Initial, Wanted};
use crate::say::Text;
use crate::signals;
use crate::sys::{self, Errno, SigAction};
use crate::task::{mm, session, slot, Process, Task, FRAMES_ROOM};
use crate::{log, nr, preempt, record, replay, ring, turns, warn};
use core::fmt::Write;

/// Exit status for "the command was found but cannot be executed", as env(1) and shells use it.
const CANNOT_EXECUTE: i32 = 126;
const CANNOT_START: i32 = 125;

/// What the rest of the start needs from the kernel's stack; copied out before that stack goes.
struct Launch {
    initial: Initial,
    boot_env: u64,
    exe_fd: i32,
    path: [u8; 4096],
    path_len: usize,
}

/// Runs on the kernel's initial stack: finds the launch parameters and moves to the task's block.
pub fn start(initial_stack: u64) -> ! {
    let initial = Initial::read(initial_stack);
    let Some((index, value)) = find_boot(&initial) else {
        warn!("reenact-agent-shim: this program is started by `record` and `replay`, not by hand");
        sys::exit_group(CANNOT_START);
    };
    let mut text = [0u8; 4200];
    let value = guest_mem::string(value, &mut text).unwrap_or(b"");
    let Some(boot) = Boot::parse(value) else {
        warn!("reenact-agent-shim: malformed launch parameters");
        sys::exit_group(CANNOT_START);
    };
    let task = match prepare(&boot) {
        Ok(task) => task,
        Err(errno) => {
            warn!("reenact: cannot attach to the session (error {}): its command has ended, or is of another version", errno.0);
            sys::exit_group(CANNOT_START);
        }
    };
    let mut launch = Launch {
        initial,
        boot_env: index,
        exe_fd: boot.exe_fd,
        path: [0; 4096],
        path_len: 0,
    };
    launch.path_len = boot.path.len().min(4095);
    launch.path[..launch.path_len].copy_from_slice(&boot.path[..launch.path_len]);
    // SAFETY: the block's stack is unused; `launch` lives on the kernel's stack, which stays until
    // `go` unmaps it.
    unsafe { arch::on_stack(task.stack_end() - FRAMES_ROOM, go, &raw const launch as u64) }
}

fn find_boot(initial: &Initial) -> Option<(u64, u64)> {
    let name = BOOT_ENV.as_bytes();
    (0..initial.env_count()).rev().find_map(|index| {
        let at = initial.env(index);
        let mut start = [0u8; 16];
        guest_mem::read(at, &mut start[..name.len()]);
        (start[..name.len()] == *name).then_some((index, at + name.len() as u64))
    })
}

/// Maps the session and the first blocks.
fn prepare(boot: &Boot) -> sys::Result<&'static mut Task> {
    let prot = sys::PROT_READ | sys::PROT_WRITE;
    let flags = sys::MAP_SHARED | sys::MAP_FIXED_NOREPLACE;
    // SAFETY: NOREPLACE never touches an existing mapping.
    unsafe {
        sys::mmap(
            map::CONTROL,
            arena::CONTROL_END,
            prot,
            flags,
            boot.arena_fd,
            0,
        )?
    };
    let shared = session();
    if shared.magic != arena::MAGIC
        || shared.abi_version != ABI_VERSION
        || boot.slot as usize >= arena::SLOTS_MAX
    {
        return Err(Errno::EINVAL);
    }
    if shared.image_len != 0 && may_name_another() {
        detach_from_file(boot.arena_fd);
    }
    let process = Process::first()?;
    process.mode = if shared.mode == Mode::Replay as u32 {
        Mode::Replay
    } else {
        Mode::Record
    };
    process.net = if shared.net == Net::Seccomp as u32 {
        Net::Seccomp
    } else {
        Net::Dispatch
    };
    process.arena_fd = boot.arena_fd;
    process.shim_fd = boot.shim_fd;
    let task = Task::create(process, false)?;
    let mine = slot(boot.slot);
    task.slot = boot.slot;
    task.process = mine.process;
    task.number = mine.task;
    Ok(task)
}

/// The rest of the start, on the task's own stack.
extern "C" fn go(launch: u64) -> ! {
    let task = Task::current();
    // SAFETY: `start` keeps it alive on the kernel's stack.
    let launch = unsafe { &mut *(launch as *mut Launch) };
    let fresh = inherit(task);
    trap::install_handlers();
    trap::use_signal_stack(task);
    if task.recording() {
        record_image(task, launch, fresh)
    } else {
        replay_image(task)
    }
}

/// Signal state that execve keeps; the slot carries what the kernel was not told.
/// True for the first program of a session.
fn inherit(task: &mut Task) -> bool {
    let carried = slot(task.slot).reserved;
    let [kept, ignored, mask, tid] = carried;
    let fresh = kept == 0;
    task.mask = if fresh {
        sys::sigprocmask(sys::SIG_BLOCK, 0)
    } else {
        mask
    };
    if fresh && task.recording() {
        for signal in 1..=64 {
            if let Ok(action) = sys::sigaction(signal, None) {
                if action.handler == sys::SIG_IGN {
                    task.process().actions[signal as usize].handler = sys::SIG_IGN;
                }
            }
        }
    } else {
        for signal in 1..=64u32 {
            if ignored & signals::bit(signal) != 0 {
                task.process().actions[signal as usize].handler = sys::SIG_IGN;
            }
        }
    }
    task.tid = if task.recording() {
        sys::gettid()
    } else {
        tid as u32
    };
    // The mask that execve kept may block what we need.
    sys::sigprocmask(sys::SIG_SETMASK, signals::real_mask(task.mask));
    fresh
}

/// What the next program of this task must know, kept in its slot over execve.
pub fn carry(task: &Task) {
    let mut ignored = 0;
    for signal in 1..=64u32 {
        if task.process().actions[signal as usize].handler == sys::SIG_IGN {
            ignored |= signals::bit(signal);
        }
    }
    set_carried(task, [1, ignored, task.mask, u64::from(task.tid)]);
}

fn set_carried(task: &Task, carried: [u64; 4]) {
    let at = slot(task.slot) as *const arena::Slot as *mut arena::Slot;
    // SAFETY: the slot is this task's own.
    unsafe { (*at).reserved = carried };
}

fn record_image(task: &mut Task, launch: &mut Launch, fresh: bool) -> ! {
    let vdso = clock::adopt(launch.initial.aux(stack::AT_SYSINFO_EHDR).unwrap_or(0));
    clock::join_recording();
    tasks::register(task);
    if ring::map_ring(task).is_err() {
        warn!("reenact: no room for the event ring; this process runs unrecorded");
        task.detached = true;
    }
    if fresh {
        turns::acquire(task);
        record::event(
            task,
            Header {
                kind: Kind::TaskStart as u8,
                ret: i64::from(task.tid),
                ..Header::default()
            },
        );
    } else {
        turns::leave_shared(task);
        complete_exec(task);
    }
    let mut interpreter_names = Text::<4096>::new();
    match load(task, launch, &mut interpreter_names) {
        Ok((entry, built)) => {
            leave_traces_of_kernel(&built.1, launch.exe_fd);
            sys::close(launch.exe_fd);
            let header = Header {
                kind: Kind::Image as u8,
                args: [
                    built.0.low,
                    map::STACK_TOP - built.0.low,
                    mm().brk_start,
                    built.0.args.0,
                    built.0.env.0,
                    task.mask,
                ],
                ret: sys::stack_limit() as i64,
                rip: entry,
                rsp: built.0.sp,
                ..Header::default()
            };
            record::open(task, header);
            ring::part(
                task,
                Role::Output,
                built.0.sp,
                built.0.sp,
                map::STACK_TOP - built.0.sp,
                0,
            );
            let exe = task.process().exe_path();
            let (exe, len) = (exe.as_ptr() as u64, exe.len() as u64);
            ring::part(task, Role::Data, 0, exe, len, 0);
            let launch_path = &launch.path[..launch.path_len];
            ring::part(
                task,
                Role::Data,
                1,
                launch_path.as_ptr() as u64,
                launch_path.len() as u64,
                0,
            );
            ring::finish(task);
            if fresh && net::install(task.process().net).is_err() {
                warn!("reenact: the kernel refuses a seccomp filter; the program runs unrecorded");
            }
            enter(task, built.0.sp, entry, vdso)
        }
        Err(errno) => {
            let path = core::str::from_utf8(&launch.path[..launch.path_len]).unwrap_or("?");
            warn!("record: cannot execute {path} (error {})", errno.0);
            sys::exit_group(CANNOT_EXECUTE)
        }
    }
}

/// The execve that led here succeeded: its event, which the old program began, is complete.
fn complete_exec(task: &mut Task) {
    let mine = task.my_slot();
    if mine.written.inflight.load(Ordering::Acquire) == inflight::NONE {
        return;
    }
    task.last_record = task.head;
    task.head += reenact_abi::event::HEADER_SIZE as u64;
    record::complete(task, 0);
    ring::finish(task);
}

/// Arms what must be armed last, and jumps.
fn enter(task: &mut Task, sp: u64, entry: u64, vdso: Option<(u64, u64)>) -> ! {
    let process = task.process();
    patch::running(task);
    preempt::arm_next(task);
    drop_kernel_mappings(vdso);
    sys::sigprocmask(sys::SIG_SETMASK, signals::real_mask(task.mask));
    clock::begin(task);
    net::trap_cpuid(true);
    if net::arm(process.net).is_err() {
        warn!("reenact: the kernel refuses to catch system calls; the program runs unrecorded");
        net::allow_tsc(true);
        net::trap_cpuid(false);
    }
    // SAFETY: the stack and the image were just made.
    unsafe { arch::enter(sp, entry) }
}

/// The files that are loaded: the program and its interpreter.
struct Files {
    main: elf::Elf,
    main_fd: i32,
}

type Image = (u64, (Built, Shape));

/// What PR_SET_MM wants to know.
#[derive(Clone, Copy, Default)]
struct Shape {
    code: (u64, u64),
    data: (u64, u64),
    built: Built,
    name: [u8; 16],
}

fn load(task: &mut Task, launch: &mut Launch, names: &mut Text<4096>) -> sys::Result<Image> {
    let mut spans = [(0usize, 0usize); SCRIPT_DEPTH_MAX * 2 + 2];
    let mut span_count = 0;
    let files = follow_scripts(launch, names, &mut spans, &mut span_count)?;
    note_exe(task, files.main_fd);

    let mut interpreter = [0u8; 4096];
    let interpreter_path = files.main.interpreter(files.main_fd, &mut interpreter)?;
    let main = files.main.map(task, files.main_fd, map::PIE)?;
    let (mut entry, mut base) = (main.entry, 0);
    if let Some(path) = interpreter_path {
        let fd = sys::with_spare_descriptor(|| sys::open(path, sys::O_RDONLY | sys::O_CLOEXEC))?;
        let Format::Elf(elf) = program::classify(fd)? else {
            return Err(Errno(80));
        };
        let loaded = elf.map(task, fd, 0)?;
        sys::close(fd);
        (entry, base) = (loaded.entry, loaded.base);
    }
    // Kept until the process has been told what it runs.
    launch.exe_fd = files.main_fd;
    mm().brk_start = map::BRK;
    mm().brk = map::BRK;

    // The arguments that scripts put in front: newest interpreter first.
    let mut first: [&[u8]; SCRIPT_DEPTH_MAX * 2 + 2] = [b""; SCRIPT_DEPTH_MAX * 2 + 2];
    for (index, span) in spans[..span_count].iter().enumerate() {
        first[index] = &names.as_bytes()[span.0..span.1];
    }
    let built = stack::build(&Wanted {
        initial: launch.initial,
        first_args: &first[..span_count],
        drop_args: u64::from(span_count != 0).min(launch.initial.argc),
        boot_env: launch.boot_env,
        exec_name: &launch.path[..launch.path_len],
        aux: &[
            (stack::AT_PHDR, main.phdr),
            (stack::AT_PHNUM, main.phnum),
            (stack::AT_BASE, base),
            (stack::AT_ENTRY, main.entry),
        ],
        executable: files.main.executable_stack(),
    })?;
    let mut name = [0u8; 16];
    let path = &launch.path[..launch.path_len];
    let last = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    let take = (path.len() - last).min(15);
    name[..take].copy_from_slice(&path[last..last + take]);
    Ok((
        entry,
        (
            built,
            Shape {
                code: main.code,
                data: main.data,
                built,
                name,
            },
        ),
    ))
}

/// Opens what must really run: interpreters of scripts until there is an ELF file. The arguments
/// that this puts in front are pushed to `names`, in order, as `spans`.
fn follow_scripts(
    launch: &mut Launch,
    names: &mut Text<4096>,
    spans: &mut [(usize, usize)],
    count: &mut usize,
) -> sys::Result<Files> {
    let mut fd = launch.exe_fd;
    let mut path = [0u8; 4096];
    path[..launch.path_len].copy_from_slice(&launch.path[..launch.path_len]);
    let mut path_len = launch.path_len;
    for _ in 0..=SCRIPT_DEPTH_MAX {
        match program::classify(fd)? {
            Format::Elf(main) => return Ok(Files { main, main_fd: fd }),
            Format::Foreign => return Err(Errno::ENOEXEC),
            Format::Script(script) => {
                sys::close(fd);
                let mut push = |bytes: &[u8]| {
                    let from = names.as_bytes().len();
                    names.push(bytes);
                    (from, names.as_bytes().len())
                };
                let mut front = [push(script.interpreter()), (0, 0), (0, 0)];
                let mut added = 1;
                if let Some(argument) = script.argument() {
                    front[added] = push(argument);
                    added += 1;
                }
                // A nested script replaces the interpreter's name that the outer one put first.
                if *count == 0 {
                    front[added] = push(&path[..path_len]);
                    added += 1;
                } else {
                    front[added] = spans[0];
                    added += 1;
                }
                let keep = if *count == 0 { 0 } else { *count - 1 };
                let old_from = *count - keep;
                if added + keep > spans.len() {
                    return Err(Errno::ELOOP);
                }
                spans.copy_within(old_from..old_from + keep, added);
                spans[..added].copy_from_slice(&front[..added]);
                *count = added + keep;

                let interpreter = script.interpreter();
                path_len = interpreter.len();
                path[..path_len].copy_from_slice(interpreter);
                path[path_len] = 0;
                fd = sys::with_spare_descriptor(|| sys::open(&path[..=path_len], sys::O_RDONLY))?;
            }
        }
    }
    Err(Errno::ELOOP)
}

/// Remembers what /proc/self/exe must say.
fn note_exe(task: &mut Task, fd: i32) {
    let mut link = Text::<32>::new();
    let _ = write!(link, "/proc/self/fd/{fd}\0");
    let process = task.process();
    process.exe_len = sys::readlink(link.as_bytes(), &mut process.exe[..4095]).unwrap_or(0);
    let at = slot(task.slot) as *const arena::Slot as *mut arena::Slot;
    let mut exe = [0u8; PATH_MAX_SLOT];
    let take = process.exe_len.min(PATH_MAX_SLOT - 1);
    exe[..take].copy_from_slice(&process.exe[..take]);
    // SAFETY: the slot is this task's own.
    unsafe { (*at).exe = exe };
}

/// Makes the process look like the target to others.
fn leave_traces_of_kernel(shape: &Shape, exe_fd: i32) {
    let named = session().image_len != 0 && may_name_another() && tell_shape(shape, exe_fd as u32);
    if !named {
        tell_shape(shape, u32::MAX);
    }
    tell_name(&shape.name);
}

/// May the process name another executable (CAP_CHECKPOINT_RESTORE)? Nothing of the old one may be mapped
/// then.
fn may_name_another() -> bool {
    // SAFETY: no memory is touched.
    unsafe { sys::call::<0>(nr::GETEUID, []) == 0 }
}

/// Tells the kernel where the target's parts are, for /proc/PID and debuggers; false if it does not
/// want to know.
fn tell_shape(shape: &Shape, exe: u32) -> bool {
    const PR_SET_MM: u64 = 35;
    const PR_SET_MM_MAP: u64 = 14;
    let or = |range: (u64, u64)| {
        if range.0 >= range.1 {
            (map::PIE, map::PIE + 1)
        } else {
            range
        }
    };
    let (code, data) = (or(shape.code), or(shape.data));
    let (sp, args, env) = (shape.built.sp, shape.built.args, shape.built.env);
    let brk = mm().brk_start;
    let mut auxv = [0; stack::AUX_WORDS];
    let aux_size = stack::shown_aux(shape.built.auxv, &mut auxv) as u64 * 8;
    // struct prctl_mm_map: eleven addresses, the auxiliary vector, its size and the executable.
    let words: [u64; 13] = [
        code.0,
        code.1,
        data.0,
        data.1,
        brk,
        brk,
        sp,
        args.0,
        args.1,
        env.0,
        env.1,
        auxv.as_ptr() as u64,
        aux_size | u64::from(exe) << 32,
    ];
    // SAFETY: the kernel reads the structure and the vector.
    let ret = unsafe {
        sys::call(
            nr::PRCTL,
            [PR_SET_MM, PR_SET_MM_MAP, words.as_ptr() as u64, 104, 0],
        )
    };
    ret >= 0
}

fn tell_name(name: &[u8; 16]) {
    const PR_SET_NAME: u64 = 15;
    // SAFETY: the kernel reads the name.
    unsafe { sys::call(nr::PRCTL, [PR_SET_NAME, name.as_ptr() as u64]) };
}

/// Replaces the mappings of the shim's file by ones of its copy in the session's, so that the kernel lets
/// the process name another executable. The code that runs is replaced under its own feet by a single
/// call, with identical bytes. Nothing of the image may have been written to yet.
fn detach_from_file(arena_fd: i32) -> bool {
    arch::segments().all(|segment| {
        let may = |may, prot| if may { prot } else { 0 };
        let prot = sys::PROT_READ
            | may(segment.writable, sys::PROT_WRITE)
            | may(segment.executable, sys::PROT_EXEC);
        let flags = sys::MAP_PRIVATE | sys::MAP_FIXED;
        let from = arena::IMAGE + segment.offset;
        let end = segment.start + segment.len;
        // SAFETY: the same bytes take the place of those that are there, and zeroes follow what is written
        // to, as they did.
        unsafe {
            let mapped = sys::mmap(segment.start, segment.len, prot, flags, arena_fd, from);
            if mapped.is_ok() && segment.writable {
                let rest = end.next_multiple_of(map::PAGE) - end;
                core::ptr::write_bytes(end as *mut u8, 0, rest as usize);
            }
            mapped.is_ok()
        }
    })
}

/// The kernel's stack and vDSO lie above everything of the target (see the address map). The vDSO stays
/// if the shim uses it.
fn drop_kernel_mappings(vdso: Option<(u64, u64)>) {
    const TASK_END: u64 = 0x7fff_ffff_f000;
    // Some kernels put it beside the stack, others among the libraries.
    let (from, to) = vdso
        .filter(|(from, to)| *from > map::STACK_TOP && *to < TASK_END)
        .unwrap_or((TASK_END, TASK_END));
    // SAFETY: nothing of ours or of the target lives there; the launch data has been used.
    unsafe {
        let _ = sys::munmap(map::STACK_TOP, from - map::STACK_TOP);
        if to < TASK_END {
            let _ = sys::munmap(to, TASK_END - to);
        }
    }
}

fn replay_image(task: &mut Task) -> ! {
    let mine = slot(task.slot);
    let (at, events) = (
        mine.written.head.load(Ordering::Relaxed),
        mine.drained.tail.load(Ordering::Relaxed),
    );
    if !log::open(task) {
        crate::divergence::failed(task, reenact_abi::arena::Reason::EndOfStream, 0);
    }
    (task.at, task.events) = (at, events);
    tasks::register(task);
    if at == 0 && net::confine().is_err() {
        crate::divergence::failed(task, reenact_abi::arena::Reason::System, 1);
    }
    // Children are waited for by the log, not by the kernel.
    let ignore = SigAction {
        handler: sys::SIG_IGN,
        ..SigAction::DEFAULT
    };
    let _ = sys::sigaction(signals::SIGCHLD, Some(&ignore));
    loop {
        let made = Header {
            kind: Kind::Image as u8,
            ..Header::default()
        };
        let header = replay::next(task, &made);
        replay::take_turn(task, &header);
        if header.kind == Kind::TaskStart as u8 {
            task.tid = header.ret as u32;
            log::consume(task, &header, |_, _| {});
        } else if header.kind == Kind::Map as u8 {
            memory::replay_map(task, &header);
        } else if header.kind == Kind::Image as u8 {
            replay_entry(task, &header)
        } else {
            crate::divergence::report(task, reenact_abi::arena::Reason::Kind, &header, &made, 0);
        }
    }
}

fn replay_entry(task: &mut Task, header: &Header) -> ! {
    let [low, len, brk, ..] = header.args;
    task.mask = header.args[5];
    let flags = sys::MAP_PRIVATE
        | sys::MAP_ANONYMOUS
        | sys::MAP_FIXED_NOREPLACE
        | sys::MAP_GROWSDOWN
        | sys::MAP_NORESERVE;
    let prot = sys::PROT_READ | sys::PROT_WRITE | sys::PROT_EXEC;
    // SAFETY: NOREPLACE never touches an existing mapping.
    if let Err(errno) = unsafe { sys::mmap(low, len, prot, flags, -1, 0) } {
        crate::divergence::failed(task, reenact_abi::arena::Reason::System, errno.0 as u64);
    }
    mm().brk_start = brk;
    mm().brk = brk;
    sys::set_stack_limit(header.ret as u64);
    let mut name = [0u8; 16];
    log::consume(task, header, |task, piece| {
        if piece.is(Role::Output) {
            piece.put_back();
        } else if piece.is(Role::Data) && piece.part.addr == 0 {
            let process = task.process();
            let mut exe = [0u8; 4096];
            process.exe_len = piece.copy_to(&mut exe[..4095]);
            process.exe = exe;
        } else if piece.is(Role::Data) {
            let mut path = [0u8; 4096];
            let len = piece.copy_to(&mut path);
            let last = path[..len]
                .iter()
                .rposition(|byte| *byte == b'/')
                .map_or(0, |at| at + 1);
            let take = (len - last).min(15);
            name[..take].copy_from_slice(&path[last..last + take]);
        }
    });
    let initial = Initial::read(header.rsp);
    let [args_at, env_at] = [header.args[3], header.args[4]];
    let shape = Shape {
        built: Built {
            sp: header.rsp,
            args: (args_at, env_at),
            // The name that was executed follows the environment.
            env: (env_at, initial.aux(stack::AT_EXECFN).unwrap_or(env_at)),
            auxv: initial.auxv,
            low,
        },
        name,
        ..Shape::default()
    };
    // The program's file is none of replay's business: /proc/PID/exe stays what it is.
    tell_shape(&shape, u32::MAX);
    tell_name(&name);
    replay::at_end(task);
    enter(task, header.rsp, header.rip, None)
}
