//! The operating system's files, by calls that take as long as they take.
//! It must never be called in a thread that runs a loop: the pool for files calls it.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, pread, retry_on_intr};

use super::Medium;
use crate::io::OpenOptions;

#[derive(Clone)]
pub(in crate::driver) struct System;

impl Medium for System {
    type Handle = Arc<File>;

    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<(Arc<File>, u64)> {
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
        Ok((Arc::new(file), metadata.len()))
    }

    fn read(&self, file: &Arc<File>, offset: u64, len: usize) -> io::Result<Bytes> {
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

    fn write(&self, file: &Arc<File>, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn append(&self, file: &Arc<File>, bytes: &[u8]) -> io::Result<()> {
        (&**file).write_all(bytes)
    }

    fn sync(&self, file: &Arc<File>, data_only: bool) -> io::Result<()> {
        match data_only {
            true => file.sync_data(),
            false => file.sync_all(),
        }
    }
}
