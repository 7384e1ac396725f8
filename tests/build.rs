//! Writes one test per guest and way of running it, so that each is named, run and reported alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// Each is a function of suites/guests.rs.
const WAYS: &[&str] = &["dispatched", "filtered", "unpatched"];

fn main() {
    println!("cargo::rerun-if-changed=guests");
    let mut topics: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for topic in fs::read_dir("guests").expect("the folder guests is readable") {
        let topic = topic.expect("an entry of guests").path();
        if !topic.is_dir() {
            continue;
        }
        println!("cargo::rerun-if-changed={}", topic.display());
        let names = topics.entry(stem(&topic)).or_default();
        for source in fs::read_dir(&topic).expect("a topic is readable") {
            let source = source.expect("an entry of a topic").path();
            if source.extension().is_some_and(|extension| extension == "c") {
                names.push(stem(&source));
            }
        }
        names.sort();
    }
    let mut tests = String::new();
    for way in WAYS {
        writeln!(tests, "mod {way} {{").expect("writing to a string");
        for (topic, names) in &topics {
            writeln!(tests, "    mod {topic} {{").expect("writing to a string");
            for name in names {
                writeln!(
                    tests,
                    "        #[test]\n        fn {name}() {{\n            crate::{way}(\"{topic}/{name}\");\n        }}"
                )
                .expect("writing to a string");
            }
            tests.push_str("    }\n");
        }
        tests.push_str("}\n");
    }
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("guests.rs"), tests).expect("OUT_DIR is writable");
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .and_then(|stem| stem.to_str())
        .expect("names of guests are UTF-8")
        .to_owned()
}
