//! Makes each kind of mark, about bytes that differ from run to run.

use std::time::SystemTime;

fn main() {
    reenact_marks::phase("load");
    let now = format!("{:?} in process {}", SystemTime::now(), std::process::id());
    reenact_marks::note("hello, 50% of it: é");
    reenact_marks::checksum("users/all", b"id 1, id 2\n");
    reenact_marks::checksum("now", now.as_bytes());
    println!("{now}");
}
