//! What a simulated reactor is polled by in somebody else's loop: always ready, since nothing outside
//! of the simulation can tell when there is something to do. It must never be closed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use super::Simulated;

impl Simulated {
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        ready()
            .expect("it was there when the driver was made")
            .as_fd()
    }
}

pub(super) fn ready() -> io::Result<&'static File> {
    static NULL: OnceLock<File> = OnceLock::new();
    if let Some(file) = NULL.get() {
        return Ok(file);
    }
    let file = File::open("/dev/null")?;
    Ok(NULL.get_or_init(|| file))
}
