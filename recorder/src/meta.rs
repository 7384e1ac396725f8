//! What a trace says about where and when it was made.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use reenact_abi::arena::Net;
use reenact_launch::machine;
use reenact_trace::Meta;

use crate::cli::Run;

pub fn wall_ns() -> u64 {
    machine::clock_ns(libc::CLOCK_REALTIME)
}

fn line(path: &str) -> String {
    fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        line.strip_prefix("model name")?
            .split_once(": ")
            .map(|pair| pair.1)
    });
    model.unwrap_or("unknown").to_owned()
}

/// What a descriptor of ours is, for the reader of a trace.
fn describe(fd: i32) -> String {
    fs::read_link(format!("/proc/self/fd/{fd}")).map_or("closed".to_owned(), |path| {
        path.to_string_lossy().into_owned()
    })
}

pub fn net_name(net: Net) -> &'static str {
    match net {
        Net::Dispatch => "syscall-user-dispatch",
        Net::Seccomp => "seccomp",
    }
}

/// Pages of data that the kernel maps in front of its vDSO, the same in every process; 0: not known.
pub fn vdso_data_pages() -> u32 {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut start = None;
    for line in maps.lines() {
        let Some((range, rest)) = line.split_once(' ') else {
            continue;
        };
        let at = range.split('-').next().unwrap_or_default();
        let at = u64::from_str_radix(at, 16).unwrap_or(0);
        if rest.ends_with("[vvar]") {
            start = start.or(Some(at));
        } else if rest.ends_with("[vdso]") {
            return start.map_or(0, |start| ((at - start) / 4096) as u32);
        }
    }
    0
}

/// Does the kernel make its clock of the cycle counter, which it does only while that counts alike on all
/// CPUs?
pub fn tsc_is_clock() -> bool {
    const CURRENT: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let of_counter = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page"];
    fs::read_to_string(CURRENT).is_ok_and(|name| of_counter.contains(&name.trim()))
}

/// CLOCK_REALTIME less CLOCK_MONOTONIC, in nanoseconds.
pub fn wall_less_monotonic_ns() -> i64 {
    let read = |clock| {
        // SAFETY: a timespec may be all zeroes, and the kernel writes one.
        let time = unsafe {
            let mut time = std::mem::zeroed::<libc::timespec>();
            libc::clock_gettime(clock, &mut time);
            time
        };
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    read(libc::CLOCK_REALTIME) - read(libc::CLOCK_MONOTONIC)
}

/// What CLOCK_MONOTONIC is ahead of the host's in this time namespace, in nanoseconds.
pub fn time_offset_ns() -> i64 {
    let offsets = fs::read("/proc/self/timens_offsets").unwrap_or_default();
    reenact_abi::timens::monotonic_ns(&offsets).unwrap_or(0)
}

/// Random bytes of the kernel's.
pub fn uuid() -> [u8; 16] {
    let mut bytes = [0u8; 16];
    // SAFETY: the kernel writes at most the array.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

pub fn collect(run: &Run, net: Net) -> Meta {
    Meta {
        uuid: uuid(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: run
            .command
            .iter()
            .map(|arg| arg.as_bytes().to_vec())
            .collect(),
        cwd: std::env::current_dir()
            .map(|dir| dir.as_os_str().as_bytes().to_vec())
            .unwrap_or_default(),
        host: line("/proc/sys/kernel/hostname"),
        boot_id: line("/proc/sys/kernel/random/boot_id"),
        kernel: line("/proc/sys/kernel/osrelease"),
        cpu: cpu(),
        // SAFETY: getuid cannot fail.
        uid: unsafe { libc::getuid() },
        wall_start_ns: wall_ns(),
        mono_start_ns: machine::monotonic_ns(),
        net: net_name(net).to_owned(),
        patched: !run.no_patch,
        chaos: run.chaos,
        root_process: 1,
        stdout: describe(1),
        stderr: describe(2),
    }
}
