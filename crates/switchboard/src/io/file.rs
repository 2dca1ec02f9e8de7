//! Files: how one is opened, what can be asked of it, and what comes of that.
//! It must never make a system call: what stands here is plain data, the same on every driver.

use std::fmt;
use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use crate::{JobId, Token};

/// Names a file that a source has [opened](crate::Context::open_file). As a [`Token`], it can be
/// copied and kept anywhere, and names nothing any more once the file is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) u64);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}", self.0)
    }
}

/// How a file is opened: as [`std::fs::OpenOptions`], which has the same names.
///
/// ```
/// use switchboard::OpenOptions;
///
/// let to_read = OpenOptions::new().read(true);
/// let log = OpenOptions::new().append(true).create(true);
/// let replaced = OpenOptions::new().write(true).create(true).truncate(true);
/// # let _ = (to_read, log, replaced);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct OpenOptions {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) truncate: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    #[cfg(unix)]
    pub(crate) mode: Option<u32>,
}

impl OpenOptions {
    /// Nothing is allowed yet.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Whether it can be read.
    pub fn read(mut self, read: bool) -> OpenOptions {
        self.read = read;
        self
    }

    /// Whether it can be [written](crate::Context::write_file) at any place.
    pub fn write(mut self, write: bool) -> OpenOptions {
        self.write = write;
        self
    }

    /// Whether all that is written goes [behind its end](crate::Context::append_file), wherever
    /// that is by then: also when other processes append to it.
    pub fn append(mut self, append: bool) -> OpenOptions {
        self.append = append;
        self
    }

    /// Whether what is in it is thrown away.
    pub fn truncate(mut self, truncate: bool) -> OpenOptions {
        self.truncate = truncate;
        self
    }

    /// Whether it is made if there is none.
    pub fn create(mut self, create: bool) -> OpenOptions {
        self.create = create;
        self
    }

    /// Whether it is made, and it is an error if there is one.
    pub fn create_new(mut self, create_new: bool) -> OpenOptions {
        self.create_new = create_new;
        self
    }

    /// Who may do what with a file that is made (default 0o666), less the process's umask.
    ///
    /// # Platforms
    /// Unix.
    #[cfg(unix)]
    pub fn mode(mut self, mode: u32) -> OpenOptions {
        self.mode = Some(mode);
        self
    }
}

impl OpenOptions {
    /// What no system would take, in words.
    pub(crate) fn check(&self) -> io::Result<()> {
        let writes = self.write || self.append;
        let makes = self.create || self.create_new;
        let what = if !self.read && !writes {
            "a file is opened to read, write or append"
        } else if self.append && self.truncate {
            "a file that is appended to is not truncated"
        } else if self.append && self.write {
            "a file is opened to write or to append: appended bytes have no other place"
        } else if (makes || self.truncate) && !writes {
            "a file that is made or truncated is opened to write or append, too"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    }
}

/// Files end where a signed number does; a ring means something else by the highest offset.
pub(crate) fn check_end(offset: u64, len: usize) -> io::Result<()> {
    let end = offset.checked_add(len as u64);
    if end.is_none_or(|end| i64::try_from(end).is_err()) {
        let text = format!("no file has {len} bytes at {offset}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

/// Something that was asked of a file has ended, well or not.
#[derive(Debug)]
pub struct FileDone {
    /// The file.
    pub file: FileId,
    /// What was asked, as the method that asked it has returned it.
    pub job: JobId,
    /// What came of it.
    pub result: io::Result<FileOutcome>,
}

/// What came of something that was asked of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileOutcome {
    /// It is open.
    Opened {
        /// How long it is, in bytes; 0 for what has no length, such as `/dev/null`.
        len: u64,
    },
    /// It was read.
    Read {
        /// Where the bytes begin in the file.
        offset: u64,
        /// The bytes: fewer than were asked for only where the file ends, none behind its end.
        bytes: Bytes,
    },
    /// All bytes were written.
    Written {
        /// How many.
        len: usize,
    },
    /// What was written before is on the disk.
    Synced,
    /// All of it is in the other file.
    Copied {
        /// How many bytes.
        len: u64,
    },
    /// All of it is in the outbox, or has gone.
    Sent {
        /// How many bytes.
        len: u64,
    },
    /// It is closed.
    Closed,
}

/// Something that a source asks of a file.
#[derive(Debug)]
pub(crate) struct FileAsk {
    pub(crate) token: Token,
    pub(crate) job: JobId,
    pub(crate) file: FileId,
    pub(crate) op: FileOp,
}

#[derive(Debug)]
pub(crate) enum FileOp {
    Open(PathBuf, OpenOptions),
    Read { offset: u64, len: usize },
    Write { offset: u64, bytes: Bytes },
    Append(Bytes),
    Sync { data_only: bool },
    Close,
}

/// For a recording: two that do the same say the same.
impl fmt::Display for FileOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |bytes: &Bytes| (bytes.len(), crc32fast::hash(bytes));
        match self {
            FileOp::Open(path, options) => write!(f, "open {path:?} {options:?}"),
            FileOp::Read { offset, len } => write!(f, "read {len} bytes at {offset}"),
            FileOp::Write { offset, bytes } => {
                let (len, sum) = sum(bytes);
                write!(f, "write {len} bytes (CRC-32 {sum:08x}) at {offset}")
            }
            FileOp::Append(bytes) => {
                let (len, sum) = sum(bytes);
                write!(f, "append {len} bytes (CRC-32 {sum:08x})")
            }
            FileOp::Sync { data_only: false } => f.write_str("sync"),
            FileOp::Sync { data_only: true } => f.write_str("sync its data"),
            FileOp::Close => f.write_str("close"),
        }
    }
}
