//! Transfers: a file to another file, or to a connection, part by part.
//! It must never hold more than two parts of one, nor read on while nobody takes what was read.

use std::io;
use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

use crate::core::Core;
use crate::io::{FileDone, FileId, FileOp, FileOutcome};
use crate::payload::Payload;
use crate::program::Program;
use crate::{Context, Error, JobId, Result, Token};

/// Bytes that are read at once. Two of these count towards the bound of bytes for as long as a
/// transfer is under way: one that is being written, and one that is being read.
const PART: usize = 256 * 1024;

/// A transfer under way.
pub(crate) struct Transfer {
    /// Who asked.
    token: Token,
    from: FileId,
    to: Sink,
    /// Where the next read begins, and where the last one ends.
    next: u64,
    end: u64,
    /// How much has got there.
    moved: u64,
    is_reading: bool,
    is_writing: bool,
    at_end: bool,
    /// Read, and not taken yet.
    ready: Option<Bytes>,
}

#[derive(Clone, Copy)]
enum Sink {
    /// From this offset on, or behind its end.
    File(FileId, Option<u64>),
    /// The outbox of who asked.
    Outbox,
}

impl<S: 'static> Context<'_, S> {
    /// Copies a file to the beginning of another one, or behind its end if that was opened to
    /// append. In parts of 256 KiB, of which one is written while the next one is read; what was
    /// asked of either file before is done first, and what is asked later may come in between.
    ///
    /// [`handle_file`](crate::Handler::handle_file) is told of `from`: that all is
    /// [copied](FileOutcome::Copied), or why not. If this source ends before, the copy stays
    /// incomplete. In a [recording](crate::Recording) there is every byte of it.
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file); both are the same file.
    pub fn copy_file(&mut self, from: FileId, to: FileId) -> Result<JobId> {
        if from == to {
            return Err(Error::other(format!("{from} cannot be copied to itself")));
        }
        let offset = match self.core.files.appends(to)? {
            true => None,
            false => Some(0),
        };
        let token = self.token();
        self.core
            .start_transfer(token, from, Sink::File(to, offset), 0, u64::MAX)
    }

    /// Sends a part of a file, or all of it (`..`), on this connection: as much at once as the
    /// peer takes, so neither a large file nor a slow peer needs much memory. What is read waits
    /// until the outbox is down to its low watermark.
    ///
    /// [`handle_file`](crate::Handler::handle_file) is told that all is
    /// [sent](FileOutcome::Sent) (into the outbox: it may be closed then), or why not. A range
    /// that ends behind the end of the file ends with it. What is sent before that comes between
    /// two parts, and a close cuts the rest off.
    ///
    /// ```
    /// use switchboard::{Context, FileDone, FileOutcome, Handler, OpenOptions, Result};
    ///
    /// /// Answers any request with a file, and ends.
    /// struct Answer;
    ///
    /// impl Handler<()> for Answer {
    ///     fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
    ///         cx.recv(usize::MAX);
    ///         let file = cx.open_file("index.html", OpenOptions::new().read(true))?;
    ///         cx.send_file(file, ..).map(drop)
    ///     }
    ///
    ///     fn handle_file(&mut self, _: &mut (), cx: &mut Context<'_, ()>, done: FileDone) -> Result {
    ///         if let FileOutcome::Sent { .. } = done.result? {
    ///             cx.close();
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file) and [`send`](Self::send).
    pub fn send_file(&mut self, file: FileId, range: impl RangeBounds<u64>) -> Result<JobId> {
        let next = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let token = self.token();
        self.core.sender(token)?;
        self.core
            .start_transfer(token, file, Sink::Outbox, next, end.max(next))
    }
}

impl<S: 'static> Core<S> {
    fn start_transfer(
        &mut self,
        token: Token,
        from: FileId,
        to: Sink,
        next: u64,
        end: u64,
    ) -> Result<JobId> {
        self.files.appends(from)?;
        self.check_file_job(token, 2 * PART)?;
        self.jobs += 1;
        self.next_job += 1;
        let id = JobId(self.next_job);
        self.files.bytes += 2 * PART;
        let transfer = Transfer {
            token,
            from,
            to,
            next,
            end,
            moved: 0,
            is_reading: false,
            is_writing: false,
            at_end: false,
            ready: None,
        };
        self.files.hold(from);
        if let Sink::File(to, _) = to {
            self.files.hold(to);
        }
        self.files.transfers.insert(id, transfer);
        self.read_part(id);
        Ok(id)
    }

    /// Something that belongs to a transfer has ended.
    pub(crate) fn part_done(&mut self, program: &mut Program<S>, id: JobId, done: FileDone) {
        let Some(transfer) = self.files.transfers.get_mut(&id) else {
            return; // it has failed, or nobody is there to be told
        };
        match done.result {
            Err(error) => return self.end_transfer(program, id, Err(error)),
            Ok(FileOutcome::Read { bytes, .. }) => {
                transfer.is_reading = false;
                transfer.next += bytes.len() as u64;
                transfer.at_end = bytes.is_empty() || transfer.next == transfer.end;
                transfer.ready = (!bytes.is_empty()).then_some(bytes);
            }
            Ok(FileOutcome::Written { len }) => {
                transfer.is_writing = false;
                transfer.moved += len as u64;
            }
            Ok(_) => {}
        }
        self.go_on(program, id);
    }

    /// There is room in an outbox that was full.
    #[cold]
    pub(crate) fn transfers_go_on(&mut self, program: &mut Program<S>, token: Token) {
        let waits = |(id, transfer): (&JobId, &Transfer)| {
            (transfer.token == token && transfer.ready.is_some()).then_some(*id)
        };
        let waiting: Vec<JobId> = self.files.transfers.iter().filter_map(waits).collect();
        for id in waiting {
            self.go_on(program, id);
        }
    }

    /// Hands over what was read, if it is taken, and reads on.
    fn go_on(&mut self, program: &mut Program<S>, id: JobId) {
        if let Err(error) = self.hand_over(id) {
            return self.end_transfer(program, id, Err(error));
        }
        self.read_part(id);
        let Some(transfer) = self.files.transfers.get(&id) else {
            return;
        };
        let is_idle = !transfer.is_reading && !transfer.is_writing;
        if is_idle && transfer.at_end && transfer.ready.is_none() {
            let len = transfer.moved;
            let outcome = match transfer.to {
                Sink::File(..) => FileOutcome::Copied { len },
                Sink::Outbox => FileOutcome::Sent { len },
            };
            self.end_transfer(program, id, Ok(outcome));
        }
    }

    fn read_part(&mut self, id: JobId) {
        let Some(transfer) = self.files.transfers.get_mut(&id) else {
            return;
        };
        if transfer.is_reading || transfer.at_end || transfer.ready.is_some() {
            return;
        }
        transfer.is_reading = true;
        let (token, from, offset) = (transfer.token, transfer.from, transfer.next);
        let mut len = PART.min(usize::try_from(transfer.end - offset).unwrap_or(PART));
        if let (Sink::Outbox, Some(source)) = (transfer.to, self.sources.get(token)) {
            len = len.min(source.options.high as usize); // or it could never be sent
        }
        self.start_part(token, from, FileOp::Read { offset, len }, id);
    }

    fn hand_over(&mut self, id: JobId) -> io::Result<()> {
        let Some(transfer) = self.files.transfers.get_mut(&id) else {
            return Ok(());
        };
        let token = transfer.token;
        let Some(bytes) = transfer.ready.take_if(|_| !transfer.is_writing) else {
            return Ok(());
        };
        match transfer.to {
            Sink::File(to, offset) => {
                transfer.is_writing = true;
                let op = match offset {
                    Some(start) => FileOp::Write {
                        offset: start + transfer.moved,
                        bytes,
                    },
                    None => FileOp::Append(bytes),
                };
                self.start_part(token, to, op, id);
                Ok(())
            }
            Sink::Outbox => self.send_part(token, id, bytes),
        }
    }

    fn send_part(&mut self, token: Token, id: JobId, bytes: Bytes) -> io::Result<()> {
        let len = bytes.len();
        let source = self.sender(token).map_err(io::Error::other)?;
        let waiting = source.outbox_len();
        let has_room = waiting + len <= source.options.high as usize;
        if waiting > 0 && (waiting > source.options.low as usize || !has_room) {
            source.wants_write = true; // and so it goes on when that has drained
            return self.keep_part(id, bytes);
        }
        match self.send_at_length(token, Payload::Shared(bytes.clone()), &[]) {
            Ok(()) => {
                if let Some(transfer) = self.files.transfers.get_mut(&id) {
                    transfer.moved += len as u64;
                }
                Ok(())
            }
            // All sources together hold too much: it goes on when something of that has gone.
            Err(error) if error.is_full() => self.keep_part(id, bytes),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn keep_part(&mut self, id: JobId, bytes: Bytes) -> io::Result<()> {
        if let Some(transfer) = self.files.transfers.get_mut(&id) {
            transfer.ready = Some(bytes);
        }
        Ok(())
    }

    fn end_transfer(
        &mut self,
        program: &mut Program<S>,
        id: JobId,
        result: io::Result<FileOutcome>,
    ) {
        if let Some(transfer) = self.forget_transfer(id) {
            let done = FileDone {
                file: transfer.from,
                job: id,
                result,
            };
            self.tell_file(program, transfer.token, done);
        }
    }

    fn forget_transfer(&mut self, id: JobId) -> Option<Transfer> {
        let transfer = self.files.transfers.remove(&id)?;
        self.jobs -= 1;
        self.files.bytes -= 2 * PART;
        self.release_file(transfer.from);
        if let Sink::File(to, _) = transfer.to {
            self.release_file(to);
        }
        Some(transfer)
    }

    /// A source has ended: nobody waits for its transfers.
    pub(crate) fn drop_transfers_of(&mut self, token: Token) {
        let of_it = |(id, transfer): (&JobId, &Transfer)| (transfer.token == token).then_some(*id);
        let ended: Vec<JobId> = self.files.transfers.iter().filter_map(of_it).collect();
        for id in ended {
            self.forget_transfer(id);
        }
    }
}
