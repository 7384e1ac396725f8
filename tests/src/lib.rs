//! The harness: runs a program natively, under `record`, and under `replay`, and compares.
//!
//! ```no_run
//! use reenact_tests::guest;
//! guest("process/fork").record().as_native().replay().same_output();
//! ```
//!
//! What must already hold: `record` and `replay` are built (`cargo build --release`) and lie beside the
//! running tests' target folder, or in the folder that `REENACT_BIN_DIR` names.
//!
//! What it never does: skip. A test that lacks a tool fails and names the package to install. Nothing
//! here knows how the engine works; it sees two commands, a trace file and what they print.

mod browser;
mod docker_profile;
mod guests;
pub mod kiosk;
mod limits;
mod packages;
mod place;
mod postgres;
mod programs;
mod random;
mod run;
mod scratch;
mod subject;
mod tools;
mod wall_clock;
pub mod wireshark;

pub use browser::Browser;
pub use docker_profile::docker_filter;
pub use guests::{all_guests, all_racy, build, each_guest, guest, racy, shows_bug, Guest};
pub use limits::{limit, limits, Limit, Step};
pub use packages::{node_packages, python_packages, shop_packages};
pub use place::{bare_root, OpenFolder, Place};
pub use postgres::{postgres_cluster, postgres_programs};
pub use programs::{c_library, c_program, go_program, java_classes, source};
pub use random::{rounds, thorough, Random};
pub use run::{until, Ending, Finished, Running};
pub use subject::{program, script, Net, Recorder, Recording, Replay, Subject};
pub use tools::{need, record_binary, replay_binary, target_dir};
pub use wall_clock::wall_clock_filter;
