//! Any bytes at all: opening, verifying and reading must end in an answer or an error.
#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use reenact_trace::Reader;

fuzz_target!(|bytes: &[u8]| {
    let name = format!("reenact-trace-fuzz-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).expect("the temporary folder is writable");
    if let Ok(mut reader) = Reader::open(&path) {
        let _ = reader.verify(&mut |_, _| {});
        let _ = reader.for_each(&mut |_| ControlFlow::Continue(()));
        for number in reader.contents() {
            if let Ok(file) = reader.file(number) {
                let _ = reader.write_content(&file, &mut std::io::sink());
            }
        }
    }
});
