//! Builds the shim for its fixed address with flags that no other crate wants.
//!
//! Cargo has no way to say "this dependency is a freestanding executable", so a nested cargo with
//! a target folder of its own builds it. What the linker leaves out of memory (symbols and section
//! headers) is then made a segment, so that a debugger can read the whole image from a process.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Flags of the freestanding build; one entry each.
const RUSTFLAGS: &[&str] = &[
    "-Crelocation-model=static",
    "-Cpanic=abort",
    "-Cforce-unwind-tables=yes",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-static",
    "-Clink-arg=-no-pie",
    "-Clink-arg=-Wl,-e,reenact_start",
    "-Clink-arg=-Wl,--image-base=0x70000000",
    "-Clink-arg=-Wl,--build-id=none",
    "-Clink-arg=-Wl,-z,norelro",
    "-Clink-arg=-Wl,-z,noexecstack",
];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let shim = here.parent().unwrap().to_path_buf();
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    // Paths relative to this package: a target folder that is copied with its clone watches that clone.
    for watched in [
        "../src",
        "../Cargo.toml",
        "../../formats/abi/src",
        "build.rs",
    ] {
        println!("cargo:rerun-if-changed={watched}");
    }

    let target = out.join("target");
    let status = Command::new(env::var_os("CARGO").unwrap())
        .args(["build", "--release", "--bin", "reenact-agent-shim"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .arg("--manifest-path")
        .arg(shim.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("REENACT_FREESTANDING", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"))
        // The outer build's wrappers (clippy's, say) and flags are not meant for this one.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "the agent shim did not build");
    let built = target.join("x86_64-unknown-linux-gnu/release/reenact-agent-shim");
    let mut image = fs::read(built).expect("the shim's image is there");
    load_symbols(&mut image);
    fs::write(out.join("reenact-agent-shim"), image).expect("the shim's image can be written");
}

/// Has the kernel map the rest of the file behind the last segment, read-only: symbols, names and
/// section headers. The header that this takes is PT_GNU_EH_FRAME's, which only an unwinder within
/// the process would look for, and there is none.
fn load_symbols(image: &mut [u8]) {
    const PT_LOAD: u32 = 1;
    const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
    const READ: u32 = 4;
    const PAGE: u64 = 4096;
    let word = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap());
    let half = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]) as usize;
    let kind = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap());

    // Offsets in Elf64_Ehdr and Elf64_Phdr.
    let (first, size, count) = (word(32) as usize, half(54), half(56));
    let headers = || (0..count).map(|index| first + index * size);
    let loads = || headers().filter(|at| kind(*at) == PT_LOAD);
    let file_end = loads().map(|at| word(at + 8) + word(at + 32)).max();
    let memory_end = loads().map(|at| word(at + 16) + word(at + 40)).max();
    let (file_end, memory_end) = (
        file_end.expect("the shim has segments"),
        memory_end.expect("the shim has segments"),
    );
    // The kernel wants segments in the order of their addresses; this one comes last.
    let spare = headers()
        .find(|at| kind(*at) == PT_GNU_EH_FRAME)
        .expect("the linker makes a header for unwind information (--eh-frame-hdr)");
    assert!(
        loads().all(|at| at < spare),
        "the header for unwind information follows those of the segments"
    );
    assert!(
        word(40) >= file_end,
        "the section headers lie behind all that is loaded"
    );

    let len = image.len() as u64 - file_end;
    let address = memory_end.next_multiple_of(PAGE) + file_end % PAGE;
    let mut header = Vec::new();
    header.extend(PT_LOAD.to_le_bytes());
    header.extend(READ.to_le_bytes());
    for field in [file_end, address, address, len, len, PAGE] {
        header.extend(field.to_le_bytes());
    }
    image[spare..spare + header.len()].copy_from_slice(&header);
}
