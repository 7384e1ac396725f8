//! Wireshark's tshark, which reads captures without knowing us.

use std::path::Path;
use std::process::Command;

use crate::{need, Finished};

/// What tshark prints of a capture, by lines.
pub fn tshark(capture: &Path, hints: &[String], options: &[&str]) -> Vec<String> {
    let mut command = Command::new(need("tshark", "tshark"));
    command.arg("-r").arg(capture).args(hints).args(options);
    for preference in [
        "ip.check_checksum:TRUE",
        "tcp.check_checksum:TRUE",
        "udp.check_checksum:TRUE",
    ] {
        command.args(["-o", preference]);
    }
    let output = command.output().expect("tshark starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

/// Packets that something is wrong with.
pub const BAD: &str = "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 \
    || udp.checksum.status == 0 || tcp.analysis.flags";

/// The options that `replay export pcapng` teaches: which protocols are on ports that do not tell.
pub fn taught(exported: &Finished) -> Vec<String> {
    let taught = exported.error_text();
    let words: Vec<String> = taught.split_whitespace().map(str::to_owned).collect();
    let first = words.iter().position(|word| word == "-d");
    let first = first.unwrap_or_else(|| panic!("options are taught: {taught}"));
    words[first..words.len() - 1].to_vec()
}

/// One field of each packet that `filter` lets through.
pub fn fields(capture: &Path, hints: &[String], filter: &str, field: &str) -> Vec<String> {
    let options = ["-Y", filter, "-T", "fields", "-e", field];
    tshark(capture, hints, &options)
}
