//! How Windows opens a file, and reads and writes at a place in it. Each call moves the file's position
//! too, so it must never be made while another one is: a file's queue sees to that.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::windows::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use crate::io::OpenOptions;

/// A directory is not opened by the call itself, which says that permission is denied.
pub(super) fn open(path: &Path, options: &OpenOptions) -> io::Result<(File, u64)> {
    let file = File::options()
        .read(options.read)
        .write(options.write)
        .append(options.append)
        .truncate(options.truncate)
        .create(options.create)
        .create_new(options.create_new)
        .open(path)?;
    if file.is_terminal() {
        let text = "it is no file, but a terminal";
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    let len = file.metadata()?.len();
    Ok((file, len))
}

pub(super) fn read(file: &File, offset: u64, len: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.seek_read(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break, // the file ends here
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    bytes.shrink_to_fit();
    Ok(bytes.into())
}

pub(super) fn write_all(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.seek_write(&bytes[written..], offset + written as u64) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
