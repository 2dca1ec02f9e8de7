//! Open files of a simulated disk, for what a program does by `open_file` and its like.
//! It must never find another file under a handle, whatever has become of the name.

use std::io;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::io::Errno;

use super::{CAPACITY, Change, Content, Disk, Files};
use crate::driver::Medium;
use crate::io::OpenOptions;
use crate::sim::failures::{file_exists, no_file};

/// A file that stays while somebody holds this, though it has no name any more.
#[derive(Clone)]
pub(crate) struct Opened(Arc<Inner>);

struct Inner {
    disk: Disk,
    number: u64,
    /// For the story.
    path: String,
    options: OpenOptions,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut files = lock(&self.disk);
        if let Some(count) = files.opened.get_mut(&self.number) {
            *count -= 1;
            if *count == 0 {
                files.opened.remove(&self.number);
            }
        }
        files.commit_names(0); // forgets those without a name
    }
}

/// Whether there is power or not: the end of a reactor comes after that of its machine.
fn lock(disk: &Disk) -> MutexGuard<'_, Files> {
    disk.files.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Medium for Disk {
    type Handle = Opened;

    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<(Opened, u64)> {
        let path = path.to_str().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let mut files = self.files()?;
        if !files.names.contains_key(&path) {
            if !options.create && !options.create_new {
                return Err(no_file());
            }
            files.open_or_make(&path);
        } else if options.create_new {
            return Err(file_exists());
        }
        let content = files.open(&path)?;
        if options.truncate && !content.bytes.is_empty() {
            content.change(Change::Truncate);
        }
        let len = content.bytes.len() as u64;
        let number = files.names[&path];
        *files.opened.entry(number).or_default() += 1;
        drop(files);
        self.tell("disk open", &path, &[]);
        let opened = Opened(Arc::new(Inner {
            disk: self.clone(),
            number,
            path,
            options: *options,
        }));
        Ok((opened, len))
    }

    fn read(&self, file: &Opened, offset: u64, len: usize) -> io::Result<Bytes> {
        if !file.0.options.read {
            return Err(Errno::BADF.into());
        }
        let mut files = self.files()?;
        let content = &files.content(file)?.bytes;
        let start = usize::try_from(offset).map_or(content.len(), |at| at.min(content.len()));
        let end = content.len().min(start.saturating_add(len));
        let bytes = Bytes::copy_from_slice(&content[start..end]);
        self.tell("disk read", &file.0.path, &bytes);
        Ok(bytes)
    }

    fn write(&self, file: &Opened, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if !file.0.options.write {
            return Err(Errno::BADF.into());
        }
        let offset = usize::try_from(offset).unwrap_or(CAPACITY);
        self.change(file, "disk write", bytes, |_| offset)
    }

    fn append(&self, file: &Opened, bytes: &[u8]) -> io::Result<()> {
        self.change(file, "disk append", bytes, Vec::len)
    }

    fn sync(&self, file: &Opened, _: bool) -> io::Result<()> {
        let mut files = self.files()?;
        files.content(file)?;
        self.try_sync(&mut files, file.0.number, &file.0.path)
    }
}

impl Disk {
    fn change(
        &self,
        file: &Opened,
        what: &'static str,
        bytes: &[u8],
        at: impl FnOnce(&Vec<u8>) -> usize,
    ) -> io::Result<()> {
        let mut files = self.files()?;
        let content = &files.content(file)?.bytes;
        if bytes.is_empty() {
            return Ok(()); // or a gap would be filled
        }
        let offset = at(content);
        let growth = offset
            .saturating_add(bytes.len())
            .saturating_sub(content.len());
        files.check_room(growth)?;
        let (written, outcome) = self.try_write(&mut files, &file.0.path, bytes);
        if !written.is_empty() {
            files.content(file)?.change(Change::Write {
                offset,
                bytes: written.to_vec(),
            });
        }
        self.tell(what, &file.0.path, written);
        outcome
    }
}

impl Files {
    fn content(&mut self, file: &Opened) -> io::Result<&mut Content> {
        let content = self.contents.get_mut(&file.0.number);
        content.ok_or_else(|| Errno::STALE.into()) // the machine has lost its power since
    }
}
