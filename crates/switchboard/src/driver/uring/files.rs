//! Reading, writing and syncing of files by the ring itself.
//! It must never free what the kernel reads or writes before the completion of that operation has
//! come, whatever has become of the source that asked.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::{opcode, squeue, types};

use super::completions::Found;
use super::{Told, Uring};
use crate::Token;
use crate::driver::Event;
use crate::driver::files::{System, Task};
use crate::io::{FileAsk, FileOp, FileOutcome};

/// Operations on files have numbers above those of places, and below those of sends.
pub(super) const FILE: u64 = 1 << 62;

/// From so many bytes on, a thread of the kernel copies them, since what is in its cache already
/// would be copied at once, in the loop's thread: 32 KiB take as long as a few messages.
const BY_THREAD: usize = 32 * 1024;

/// What one operation is asked for at most: a length has 32 bits.
const AT_ONCE: usize = 1 << 30;

#[derive(Default)]
pub(super) struct Files {
    /// By number; the kernel holds pointers into these, which do not move with them.
    operations: Vec<Option<Operation>>,
    free: Vec<u32>,
    to_start: Vec<u32>,
}

struct Operation {
    task: Task<System>,
    /// What a read has brought; as long as that, with room for the rest.
    buffer: Vec<u8>,
    /// How many bytes have been written.
    written: usize,
}

impl Files {
    pub(super) fn has_more(&self) -> bool {
        !self.to_start.is_empty()
    }

    fn insert(&mut self, task: Task<System>) {
        let buffer = match task.ask.op {
            FileOp::Read { len, .. } => Vec::with_capacity(len),
            _ => Vec::new(),
        };
        let operation = Some(Operation {
            task,
            buffer,
            written: 0,
        });
        let index = self.free.pop().unwrap_or_else(|| {
            self.operations.push(None);
            (self.operations.len() - 1) as u32 // the core's bound on jobs is far below
        });
        self.operations[index as usize] = operation;
        self.to_start.push(index);
    }

    /// Leaves what the kernel may still use to it.
    #[cold]
    pub(super) fn leak(&mut self) {
        std::mem::forget(std::mem::take(&mut self.operations));
    }
}

impl Operation {
    fn entry(&mut self) -> Option<squeue::Entry> {
        let handle = self.task.handle.as_ref().ok()?;
        let fd = types::Fd(handle.as_raw_fd());
        let (entry, len) = match &self.task.ask.op {
            FileOp::Read { offset, len } => {
                let at = offset + self.buffer.len() as u64;
                let len = (len - self.buffer.len()).min(AT_ONCE);
                let room = self.buffer.spare_capacity_mut().as_mut_ptr().cast();
                let read = opcode::Read::new(fd, room, len as u32);
                (read.offset(at).build(), len)
            }
            // Where a file is opened to append, the kernel ignores the offset.
            FileOp::Write { bytes, .. } | FileOp::Append(bytes) => {
                let offset = match self.task.ask.op {
                    FileOp::Write { offset, .. } => offset + self.written as u64,
                    _ => 0,
                };
                let rest = &bytes[self.written..];
                let len = rest.len().min(AT_ONCE);
                let write = opcode::Write::new(fd, rest.as_ptr(), len as u32);
                (write.offset(offset).build(), len)
            }
            FileOp::Sync { data_only } => {
                let mut flags = types::FsyncFlags::empty();
                flags.set(types::FsyncFlags::DATASYNC, *data_only);
                (opcode::Fsync::new(fd).flags(flags).build(), 0)
            }
            FileOp::Open(..) | FileOp::Close => return None, // the pool does these
        };
        let flags = match len >= BY_THREAD {
            true => squeue::Flags::ASYNC,
            false => squeue::Flags::empty(),
        };
        Some(entry.flags(flags))
    }

    /// What a completion says: the outcome, or nothing if there is a rest to be asked for.
    fn progress(&mut self, result: i32) -> Option<io::Result<FileOutcome>> {
        if result == -libc::EINTR {
            return None;
        }
        if result < 0 {
            return Some(Err(io::Error::from_raw_os_error(-result)));
        }
        let count = result as usize;
        match &self.task.ask.op {
            FileOp::Read { offset, len } => {
                let filled = self.buffer.len() + count;
                assert!(filled <= self.buffer.capacity());
                // SAFETY: within the capacity, and the kernel has written as many bytes more.
                unsafe { self.buffer.set_len(filled) };
                if count > 0 && filled < *len {
                    return None;
                }
                let mut bytes = std::mem::take(&mut self.buffer);
                if filled < *len {
                    bytes.shrink_to_fit(); // the file ends here
                }
                let bytes = bytes.into();
                let offset = *offset;
                Some(Ok(FileOutcome::Read { offset, bytes }))
            }
            FileOp::Write { bytes, .. } | FileOp::Append(bytes) => {
                self.written += count;
                let len = bytes.len();
                match (self.written == len, count) {
                    (true, _) => Some(Ok(FileOutcome::Written { len })),
                    (false, 0) => Some(Err(io::ErrorKind::WriteZero.into())),
                    (false, _) => None,
                }
            }
            FileOp::Sync { .. } => Some(Ok(FileOutcome::Synced)),
            FileOp::Open(..) | FileOp::Close => None,
        }
    }
}

impl Uring {
    pub(crate) fn ask_file(&mut self, ask: FileAsk) {
        self.results.ask_file(ask);
    }

    /// Whether something of a file has to be given to the kernel.
    pub(super) fn has_file_to_start(&self) -> bool {
        self.files.has_more() || self.results.files.has_native()
    }

    #[cold]
    pub(super) fn queue_files(&mut self) -> io::Result<()> {
        for task in self.results.files.take_native() {
            self.files.insert(task);
        }
        while let Some(&index) = self.files.to_start.last() {
            let operation = self.files.operations[index as usize].as_mut();
            if let Some(entry) = operation.and_then(Operation::entry) {
                let entry = entry.user_data(FILE | u64::from(index));
                // SAFETY: it points into a buffer or bytes of the operation, which stay where they
                // are until its completion: nobody touches them before `file_told`. `drop` waits
                // for that, or leaks them. Its descriptor is held as long.
                unsafe { self.ring.start(&entry)? };
            }
            self.files.to_start.pop();
        }
        Ok(())
    }

    #[cold]
    pub(super) fn file_told(&mut self, told: &Told) -> Option<(Token, Found)> {
        let index = told.place();
        let place = self.files.operations.get_mut(index as usize)?;
        let Some(result) = place.as_mut()?.progress(told.result) else {
            self.files.to_start.push(index);
            return None;
        };
        let ask = place.take()?.task.ask; // lets the file go: it may be closed next
        self.files.free.push(index);
        let done = self.results.files.end_native(ask.job, result)?;
        Some((ask.token, Found::Event(Event::File(Box::new(done)))))
    }
}
