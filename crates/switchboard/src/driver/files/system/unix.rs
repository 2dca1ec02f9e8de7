//! How Unix opens a file, and reads and writes at a place in it. It must never open what would make a
//! thread wait for somebody else.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, pread, retry_on_intr};

use crate::io::OpenOptions;

pub(super) fn open(path: &Path, options: &OpenOptions) -> io::Result<(File, u64)> {
    // A pipe that nobody writes to would hold the thread until somebody does.
    let unblocked = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options()
        .read(options.read)
        .write(options.write)
        .append(options.append)
        .truncate(options.truncate)
        .create(options.create)
        .create_new(options.create_new)
        .mode(options.mode.unwrap_or(0o666))
        .custom_flags(unblocked.bits() as i32)
        .open(path)?;
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    if kind.is_fifo() || kind.is_socket() || file.is_terminal() {
        let text = "it is no file: a pipe or terminal is for `watch`";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    // Devices take the flag seriously, and so does io_uring.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok((file, metadata.len()))
}

pub(super) fn read(file: &File, offset: u64, len: usize) -> io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let at = offset + bytes.len() as u64;
        if retry_on_intr(|| pread(file, spare_capacity(&mut bytes), at))? == 0 {
            bytes.shrink_to_fit(); // the file ends here
            break;
        }
    }
    bytes.truncate(len); // there may be more room than was asked for
    Ok(bytes.into())
}

pub(super) fn write_all(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}
