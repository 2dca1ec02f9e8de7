//! Failures of a simulated machine whose numbers not every system has: as the one that the program is
//! built for says them. It must never have one that all know by the same name.

use std::io;

use rustix::io::Errno;

pub(super) use numbers::GONE;

/// There is no such file.
pub(super) fn no_file() -> io::Error {
    io::Error::from_raw_os_error(numbers::NO_FILE)
}

/// There is such a file already.
pub(super) fn file_exists() -> io::Error {
    io::Error::from_raw_os_error(numbers::FILE_EXISTS)
}

pub(super) fn disk_full() -> io::Error {
    io::Error::from_raw_os_error(numbers::DISK_FULL)
}

/// The disk has failed.
pub(super) fn disk_failed() -> io::Error {
    io::Error::from_raw_os_error(numbers::DISK_FAILED)
}

#[cfg(unix)]
mod numbers {
    use super::Errno;

    /// A send on a connection that the peer has done with.
    pub(in super::super) const GONE: Errno = Errno::PIPE;
    pub(super) const NO_FILE: i32 = Errno::NOENT.raw_os_error();
    pub(super) const FILE_EXISTS: i32 = Errno::EXIST.raw_os_error();
    pub(super) const DISK_FULL: i32 = Errno::NOSPC.raw_os_error();
    pub(super) const DISK_FAILED: i32 = Errno::IO.raw_os_error();
}

/// Numbers of Windows ("System Error Codes") that mean the same, where Winsock has none.
#[cfg(not(unix))]
mod numbers {
    use super::Errno;

    /// A send on a connection that the peer has done with.
    pub(in super::super) const GONE: Errno = Errno::from_raw_os_error(109); // ERROR_BROKEN_PIPE
    pub(super) const NO_FILE: i32 = 2; // ERROR_FILE_NOT_FOUND
    pub(super) const FILE_EXISTS: i32 = 80; // ERROR_FILE_EXISTS
    pub(super) const DISK_FULL: i32 = 112; // ERROR_DISK_FULL
    pub(super) const DISK_FAILED: i32 = 1117; // ERROR_IO_DEVICE
}
