//! Which descriptors are watched: one can be watched once, since a kernel may tell of it only once.
//! It must never know a descriptor for longer than its source lives: the number is given away again.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::RawFd;

#[derive(Default)]
pub(super) struct Watched(BTreeSet<RawFd>);

impl Watched {
    pub(super) fn begin(&mut self, fd: RawFd) -> io::Result<()> {
        if self.0.insert(fd) {
            return Ok(());
        }
        let text = format!(
            "descriptor {fd} is watched already: close that source first, or watch a duplicate"
        );
        Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
    }

    pub(super) fn end(&mut self, fd: RawFd) {
        self.0.remove(&fd);
    }
}
