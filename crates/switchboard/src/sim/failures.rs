//! Failures of a simulated machine whose numbers not every system has: as the one that the program is
//! built for says them. It must never have one that all know by the same name.

use std::io;

use rustix::io::Errno;

/// A send on a connection that the peer has done with.
#[cfg(unix)]
pub(super) const GONE: Errno = Errno::PIPE;
#[cfg(not(unix))]
pub(super) const GONE: Errno = Errno::CONNABORTED;

/// There is no such file.
pub(super) fn no_file() -> io::Error {
    #[cfg(unix)]
    return Errno::NOENT.into();
    #[cfg(not(unix))]
    return io::ErrorKind::NotFound.into();
}

/// There is such a file already.
pub(super) fn file_exists() -> io::Error {
    #[cfg(unix)]
    return Errno::EXIST.into();
    #[cfg(not(unix))]
    return io::ErrorKind::AlreadyExists.into();
}
