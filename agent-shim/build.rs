//! The shim that commands embed is freestanding, and `agent-shim/launch` builds it with flags of its
//! own. Any other build of it is for lints and unit tests, and links like an ordinary program.

fn main() {
    println!("cargo:rerun-if-env-changed=REENACT_FREESTANDING");
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("REENACT_FREESTANDING").is_none() {
        println!("cargo:rustc-link-arg-bins=-lc");
    }
}
