//! Builds the shim for its fixed address with flags that no other crate wants.
//!
//! Cargo has no way to say "this dependency is a freestanding executable", so a nested cargo with
//! a target folder of its own builds it.

use std::env;
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
    for watched in ["src", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", shim.join(watched).display());
    }
    println!(
        "cargo:rerun-if-changed={}",
        shim.join("../formats/abi/src").display()
    );
    println!("cargo:rerun-if-changed=build.rs");

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
    std::fs::copy(built, out.join("reenact-agent-shim")).expect("the shim's image can be copied");
}
