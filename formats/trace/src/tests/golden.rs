//! Traces that older versions wrote stay readable. Each file in `golden/` is what [`small_trace`]
//! wrote in the version that it is named after, and is never written again.

use super::*;

fn golden(version: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    folder.join(format!("{version}.zst"))
}

#[test]
fn version_1_0_still_reads_the_same() {
    let folder = Folder::new();
    let path = folder.file("now.zst");
    small_trace(&path);
    let mut now = Reader::open(&path).unwrap();
    let mut then = Reader::open(&golden("1.0")).unwrap();
    assert!(try_all(then.path()).unwrap());
    assert_eq!(then.meta(), now.meta());
    assert!(items(&mut then).unwrap() == items(&mut now).unwrap());
    assert!(!then.table().unwrap().is_empty());
    for number in then.contents() {
        let (old, new) = (then.file(number).unwrap(), now.file(number).unwrap());
        assert_eq!(old, new);
    }
}

/// For a new version only: `cargo test -p reenact-trace golden -- --ignored`.
#[test]
#[ignore = "writes a file of the source tree"]
fn write_the_golden_trace_of_this_version() {
    let path = golden(&FormatVersion::CURRENT.to_string());
    assert!(!path.exists(), "{} is never written again", path.display());
    small_trace(&path);
}
