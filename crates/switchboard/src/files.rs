//! What a source asks of files, and what it is told: names, bounds, and who owns an open file.
//! It must never touch a file: what is asked here is noted, and a driver does it off the loop.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;

use crate::core::{Core, Request};
use crate::handler::Handler;
use crate::io::{FileAsk, FileDone, FileId, FileOp, OpenOptions, check_end};
use crate::net::copy_of;
use crate::program::Program;
use crate::sources::{Kind, Phase};
use crate::transfers::Transfer;
use crate::{Context, Error, JobId, LoopContext, Result, Token};

/// The files of a reactor.
#[derive(Default)]
pub(crate) struct Files {
    open: BTreeMap<FileId, Open>,
    jobs: BTreeMap<JobId, FileJob>,
    pub(crate) transfers: BTreeMap<JobId, Transfer>,
    /// Those of all jobs and transfers under way.
    pub(crate) bytes: usize,
    /// Files opened so far.
    count: u64,
}

struct Open {
    /// With whom it ends.
    owner: Token,
    appends: bool,
    /// Transfers that use it. It is closed when they have ended.
    users: usize,
    /// Nothing more is asked of it: who closes it, and by which job.
    closing: Option<(Token, JobId)>,
    /// Why it could not be opened, if it is yet to be closed.
    failure: Option<std::io::Error>,
}

/// Something under way.
struct FileJob {
    /// Bytes that it holds, or will.
    bytes: usize,
    /// What it means for the file.
    step: Step,
    /// What it is a part of.
    transfer: Option<JobId>,
}

#[derive(Clone, Copy)]
enum Step {
    Open,
    Use,
    Close,
}

impl<S: 'static> LoopContext<'_, S> {
    /// Opens a file as a source of its own, whose `handler` is told what becomes of it: for a
    /// program that has no other source, or work that belongs to none. The first it is told is
    /// [`handle_file`](crate::Handler::handle_file), of the opening. Like any source, it lives until
    /// somebody closes it, or the reactor shuts down and no connection is left.
    ///
    /// ```
    /// use switchboard::{Context, FileDone, FileOutcome, Handler, OpenOptions, Reactor, Result};
    ///
    /// /// Counts the lines of a file, 64 KiB after 64 KiB.
    /// struct Lines;
    ///
    /// impl Handler<usize> for Lines {
    ///     fn handle_file(
    ///         &mut self,
    ///         lines: &mut usize,
    ///         cx: &mut Context<'_, usize>,
    ///         done: FileDone,
    ///     ) -> Result {
    ///         let next = match done.result? {
    ///             FileOutcome::Read { bytes, .. } if bytes.is_empty() => {
    ///                 cx.close(); // that was the end of the file
    ///                 return Ok(());
    ///             }
    ///             FileOutcome::Read { offset, bytes } => {
    ///                 *lines += bytes.iter().filter(|byte| **byte == b'\n').count();
    ///                 offset + bytes.len() as u64
    ///             }
    ///             _ => 0, // it is open
    ///         };
    ///         cx.read_file(done.file, next, 64 * 1024).map(drop)
    ///     }
    /// }
    ///
    /// let path = std::env::temp_dir().join(format!("lines-{}", std::process::id()));
    /// std::fs::write(&path, "one\ntwo\nthree\n")?;
    /// let mut reactor = Reactor::new(0)?;
    /// reactor.with(|_, cx| cx.open(&path, OpenOptions::new().read(true), Lines))?;
    /// reactor.run()?;
    /// assert_eq!(*reactor.state(), 3);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Context::open_file`]; there are too many sources, or the reactor is shutting down.
    pub fn open(
        &mut self,
        path: impl AsRef<Path>,
        options: OpenOptions,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        self.core.check_open(&options)?;
        let token = self.core.insert(Kind::File, Phase::Open, handler)?;
        self.core.open_file(token, path.as_ref(), options);
        Ok(token)
    }
}

impl<S: 'static> Context<'_, S> {
    /// Opens a file. It belongs to this source, and is closed with it.
    ///
    /// The name of the file is there at once, and so all that follows can be asked right away, by
    /// this source or any other:
    ///
    /// ```
    /// use switchboard::{Context, FileDone, FileId, FileOutcome, Handler, OpenOptions, Reactor};
    /// use switchboard::{Result, Stream, Token};
    ///
    /// /// Writes what its connection receives to a file.
    /// struct Keeper {
    ///     log: FileId,
    /// }
    ///
    /// impl Handler<u64> for Keeper {
    ///     fn handle_read(&mut self, _: &mut u64, cx: &mut Context<'_, u64>) -> Result {
    ///         let line = cx.recv(usize::MAX).to_vec();
    ///         cx.append_file(self.log, line)?;
    ///         cx.sync_file(self.log)?; // when that is told, the line is on the disk
    ///         Ok(())
    ///     }
    ///
    ///     fn handle_file(
    ///         &mut self,
    ///         synced: &mut u64,
    ///         cx: &mut Context<'_, u64>,
    ///         done: FileDone,
    ///     ) -> Result {
    ///         if let FileOutcome::Synced = done.result? { // an `Err` closes the connection
    ///             *synced += 1;
    ///             cx.send("kept\n")?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// struct Door;
    ///
    /// impl Handler<u64> for Door {
    ///     fn handle_accepted(
    ///         &mut self,
    ///         _: &mut u64,
    ///         cx: &mut Context<'_, u64>,
    ///         stream: Stream,
    ///     ) -> Result {
    ///         let options = OpenOptions::new().append(true).create(true);
    ///         let log = cx.open_file(std::env::temp_dir().join("keeper.log"), options)?;
    ///         cx.register(stream, Keeper { log })?;
    ///         Ok(())
    ///     }
    ///
    ///     // The file belongs to the listener, which opened it: it is told of that.
    ///     fn handle_file(&mut self, _: &mut u64, _: &mut Context<'_, u64>, done: FileDone) -> Result {
    ///         done.result.map(drop).map_err(Into::into)
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::new(0)?;
    /// reactor.listen("127.0.0.1:0", Door)?;
    /// # Ok::<(), switchboard::Error>(())
    /// ```
    ///
    /// All that is asked of one file is done one after the other, in the order asked, whoever
    /// asks; that of several files at the same time. (Who wants to read two parts of a file at once
    /// opens it twice.) None of it runs in the loop's thread. Each is told of by
    /// [`handle_file`](crate::Handler::handle_file) of the source that asked. If that has ended by
    /// then, it is done all the same, and nobody is told; what a reactor has not begun when it is
    /// dropped is not done. If the file cannot be opened, whatever was asked of it ends with the
    /// same error.
    ///
    /// With io_uring the ring reads, writes and syncs; elsewhere, and for opening and closing, up
    /// to four threads do. In a [simulation](crate::sim) files are those of the machine's
    /// [`Disk`](crate::sim::Disk), and lose in a crash what was not synced.
    ///
    /// # Errors
    /// Options that make no sense, with what is wrong with them; [`Error::TooManyFiles`];
    /// [`Error::TooManyJobs`]; [`Error::Stale`] in `handle_close`. Why the file cannot be opened is
    /// told later: that there is none, that it is a directory, that it is a pipe or terminal
    /// (which [`watch`](crate::LoopContext::watch) is for).
    pub fn open_file(&mut self, path: impl AsRef<Path>, options: OpenOptions) -> Result<FileId> {
        let token = self.token();
        if !self.is_open(token) {
            return Err(Error::Stale(token));
        }
        self.core.check_open(&options)?;
        Ok(self.core.open_file(token, path.as_ref(), options))
    }

    /// Reads up to `len` bytes that begin at `offset`: fewer only where the file ends.
    ///
    /// # Errors
    /// [`Error::FileBytes`] if more bytes would be under way than may be (those of reads count
    /// from the asking on); [`Error::StaleFile`] if the file is closed or was not opened;
    /// [`Error::TooManyJobs`]; [`Error::Stale`] in `handle_close`; an offset beyond what a file can
    /// have.
    pub fn read_file(&mut self, file: FileId, offset: u64, len: usize) -> Result<JobId> {
        self.core.files.get(file)?;
        check_end(offset, len)?;
        let op = FileOp::Read { offset, len };
        self.ask_file(file, len, op)
    }

    /// Writes all of `bytes`, from `offset` on. Whatever was there is replaced; a gap that is left
    /// before it reads as zeros. If it fails, a part may be written.
    ///
    /// `Vec<u8>`, `String`, `Bytes` and `'static` bytes are taken without a copy, and held until
    /// they are written, whatever becomes of the source.
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file); the file was opened to
    /// [append](OpenOptions::append).
    pub fn write_file(
        &mut self,
        file: FileId,
        offset: u64,
        bytes: impl Into<Bytes>,
    ) -> Result<JobId> {
        let bytes = bytes.into();
        if self.core.files.get(file)?.appends {
            let text = format!("{file} was opened to append: call `append_file`");
            return Err(Error::other(text));
        }
        check_end(offset, bytes.len())?;
        let len = bytes.len();
        let op = FileOp::Write { offset, bytes };
        self.ask_file(file, len, op)
    }

    /// Writes all of `bytes` behind the end of a file that was opened to
    /// [append](OpenOptions::append); see [`write_file`](Self::write_file).
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file); the file was not opened to append.
    pub fn append_file(&mut self, file: FileId, bytes: impl Into<Bytes>) -> Result<JobId> {
        let bytes = bytes.into();
        if !self.core.files.get(file)?.appends {
            let text = format!("{file} was not opened to append: call `write_file`");
            return Err(Error::other(text));
        }
        let len = bytes.len();
        let op = FileOp::Append(bytes);
        self.ask_file(file, len, op)
    }

    /// Has the disk keep what was written before, and the file's length and times: when that is
    /// told, it survives a loss of power (as `fsync`). That a file which was made has its name may
    /// need more, depending on the file system.
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file).
    pub fn sync_file(&mut self, file: FileId) -> Result<JobId> {
        self.core.files.get(file)?;
        let op = FileOp::Sync { data_only: false };
        self.ask_file(file, 0, op)
    }

    /// As [`sync_file`](Self::sync_file), without the times of the file (as `fdatasync`): less
    /// work where its length stays.
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file).
    pub fn sync_file_data(&mut self, file: FileId) -> Result<JobId> {
        self.core.files.get(file)?;
        let op = FileOp::Sync { data_only: true };
        self.ask_file(file, 0, op)
    }

    /// Closes a file when all that was asked of it is done. It takes part in no bound but that of
    /// files, so it never has to wait for others.
    ///
    /// # Errors
    /// [`Error::StaleFile`]; [`Error::Stale`] in `handle_close` (whose files are closed anyway).
    pub fn close_file(&mut self, file: FileId) -> Result<JobId> {
        self.core.files.get(file)?;
        let token = self.token();
        if !self.is_open(token) {
            return Err(Error::Stale(token));
        }
        Ok(self.core.close_file(token, file))
    }

    fn ask_file(&mut self, file: FileId, bytes: usize, op: FileOp) -> Result<JobId> {
        let token = self.token();
        self.core.check_file_job(token, bytes)?;
        Ok(self.core.start_file_job(token, file, bytes, op))
    }
}

impl Files {
    pub(crate) fn are_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    fn get(&self, file: FileId) -> Result<&Open> {
        let open = self.open.get(&file).filter(|open| open.closing.is_none());
        open.ok_or(Error::StaleFile(file))
    }

    pub(crate) fn appends(&self, file: FileId) -> Result<bool> {
        self.get(file).map(|open| open.appends)
    }

    /// Forgets a file that is closed, or could not be opened, but for one that is yet to be closed.
    fn ended(&mut self, step: Step, done: &mut FileDone) {
        match (step, &done.result, self.open.get_mut(&done.file)) {
            (Step::Open, Err(error), Some(open)) if open.closing.is_some() => {
                open.failure = Some(copy_of(error));
            }
            (Step::Close, ..) | (Step::Open, Err(_), _) => {
                let open = self.open.remove(&done.file);
                if let Some(failure) = open.and_then(|open| open.failure) {
                    done.result = Err(failure); // as with all that was asked of it
                }
            }
            _ => {}
        }
    }

    /// A transfer begins to use a file.
    pub(crate) fn hold(&mut self, file: FileId) {
        if let Some(open) = self.open.get_mut(&file) {
            open.users += 1;
        }
    }
}

impl<S: 'static> Core<S> {
    fn check_jobs(&self) -> Result {
        let limit = self.config.max_jobs;
        if self.jobs >= limit {
            return Err(Error::TooManyJobs { limit });
        }
        Ok(())
    }

    fn check_open(&self, options: &OpenOptions) -> Result {
        options.check()?;
        let limit = self.config.max_files;
        if self.files.open.len() >= limit {
            return Err(Error::TooManyFiles { limit });
        }
        self.check_jobs()
    }

    fn open_file(&mut self, token: Token, path: &Path, options: OpenOptions) -> FileId {
        self.files.count += 1;
        let file = FileId(self.files.count);
        let open = Open {
            owner: token,
            appends: options.append,
            users: 0,
            closing: None,
            failure: None,
        };
        self.files.open.insert(file, open);
        let op = FileOp::Open(path.to_owned(), options);
        self.start_file_job(token, file, 0, op);
        file
    }

    /// Whether a source may ask for something that holds as many bytes.
    pub(crate) fn check_file_job(&self, token: Token, bytes: usize) -> Result {
        let source = self.sources.get(token);
        if source.is_none_or(|source| source.is_ending()) {
            return Err(Error::Stale(token));
        }
        self.check_jobs()?;
        let limit = self.config.max_file_bytes;
        if bytes > limit - self.files.bytes {
            return Err(Error::FileBytes { limit });
        }
        Ok(())
    }

    fn start_file_job(&mut self, token: Token, file: FileId, bytes: usize, op: FileOp) -> JobId {
        let step = match op {
            FileOp::Open(..) => Step::Open,
            _ => Step::Use,
        };
        let transfer = None;
        let job = self.add_file_job(FileJob {
            bytes,
            step,
            transfer,
        });
        self.request_file(token, job, file, op);
        job
    }

    /// A part of a transfer, which has been counted with it.
    pub(crate) fn start_part(&mut self, token: Token, file: FileId, op: FileOp, of: JobId) {
        let job = self.add_file_job(FileJob {
            bytes: 0,
            step: Step::Use,
            transfer: Some(of),
        });
        self.request_file(token, job, file, op);
    }

    fn add_file_job(&mut self, job: FileJob) -> JobId {
        self.jobs += 1;
        self.next_job += 1;
        let id = JobId(self.next_job);
        self.files.bytes += job.bytes;
        self.files.jobs.insert(id, job);
        id
    }

    fn request_file(&mut self, token: Token, job: JobId, file: FileId, op: FileOp) {
        let ask = FileAsk {
            token,
            job,
            file,
            op,
        };
        self.requests.push(Request::File(ask));
    }

    fn close_file(&mut self, token: Token, file: FileId) -> JobId {
        let job = self.add_file_job(FileJob {
            bytes: 0,
            step: Step::Close,
            transfer: None,
        });
        if let Some(open) = self.files.open.get_mut(&file) {
            open.closing = Some((token, job));
            if open.users == 0 {
                self.request_file(token, job, file, FileOp::Close);
            }
        }
        job
    }

    /// A transfer does not use a file any more.
    pub(crate) fn release_file(&mut self, file: FileId) {
        let Some(open) = self.files.open.get_mut(&file) else {
            return;
        };
        open.users -= 1;
        if let (0, Some((token, job))) = (open.users, open.closing) {
            self.request_file(token, job, file, FileOp::Close);
        }
    }

    /// A source has ended: its files are closed once all that was asked of them is done.
    pub(crate) fn close_files_of(&mut self, token: Token) {
        let of_it = |(file, open): (&FileId, &Open)| {
            (open.owner == token && open.closing.is_none()).then_some(*file)
        };
        let files: Vec<FileId> = self.files.open.iter().filter_map(of_it).collect();
        self.drop_transfers_of(token);
        for file in files {
            self.close_file(token, file);
        }
    }

    /// Tells the source that asked. If that is gone or closing, nobody is told.
    #[cold]
    pub(crate) fn file_done(&mut self, program: &mut Program<S>, token: Token, mut done: FileDone) {
        self.jobs -= 1;
        if let Some(job) = self.files.jobs.remove(&done.job) {
            self.files.bytes -= job.bytes;
            self.files.ended(job.step, &mut done);
            if let Some(transfer) = job.transfer {
                return self.part_done(program, transfer, done);
            }
        }
        self.tell_file(program, token, done);
    }

    pub(crate) fn tell_file(&mut self, program: &mut Program<S>, token: Token, done: FileDone) {
        let mut done = Some(done);
        self.call(program, token, &[], |handler, state, cx| {
            match done.take() {
                Some(done) => handler.handle_file(state, cx, done),
                None => Ok(()),
            }
        });
    }
}
