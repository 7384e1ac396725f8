//! Where a recording, its trace and its replays lie.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The folders of one recording, which any user may enter, removed at the end unless the test fails.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub path: PathBuf,
    folder: RefCell<Option<TempDir>>,
}

impl Scratch {
    pub fn new() -> Scratch {
        let folder = tempfile::Builder::new()
            .prefix("reenact-")
            .tempdir()
            .expect("a temporary folder");
        let path = folder.path().to_owned();
        open_to_all(&path);
        Scratch {
            path,
            folder: RefCell::new(Some(folder)),
        }
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).expect("a folder in a temporary folder");
        open_to_all(&path);
        path
    }

    pub fn keep(&self) {
        if let Some(folder) = self.folder.borrow_mut().take() {
            let _ = folder.keep();
        }
    }
}

fn open_to_all(path: &Path) {
    let everyone = fs::Permissions::from_mode(0o777);
    fs::set_permissions(path, everyone).expect("permissions of a folder of our own");
}
