//! The operating system's files, by calls that take as long as they take.
//! It must never be called in a thread that runs a loop: the pool for files calls it.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::Medium;
use crate::io::OpenOptions;
#[cfg(unix)]
use unix::{open, read, write_all};
#[cfg(windows)]
use windows::{open, read, write_all};

#[derive(Clone)]
pub(in crate::driver) struct System;

impl Medium for System {
    type Handle = Arc<File>;

    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<(Arc<File>, u64)> {
        let (file, len) = open(path, options)?;
        Ok((Arc::new(file), len))
    }

    fn read(&self, file: &Arc<File>, offset: u64, len: usize) -> io::Result<Bytes> {
        read(file, offset, len)
    }

    fn write(&self, file: &Arc<File>, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_all(file, offset, bytes)
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
