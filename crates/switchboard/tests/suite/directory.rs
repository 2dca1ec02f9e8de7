//! A directory for the files of one world. It must never be another one's, nor outlive it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("suite-{}-{number}.files", std::process::id());
        Directory(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    /// A path in it; it is made for that.
    pub fn path(&self, name: &str) -> PathBuf {
        std::fs::create_dir_all(&self.0).expect("a directory can be made");
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // where there is one
    }
}
