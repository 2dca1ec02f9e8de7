//! Files on any medium: for each one a queue, so that what is asked of it is done one after the
//! other in the order asked. It must never do any of it in the loop's thread: it says what to begin
//! next, and a pool, a ring or a simulated machine does it.

mod pooled;
mod system;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use bytes::Bytes;

use super::Driver;
use crate::io::{FileAsk, FileDone, FileId, FileOp, FileOutcome, OpenOptions};
use crate::net::copy_of;
use crate::offload::{Done, Job, Value};
use crate::{JobId, Token};

pub(super) use pooled::Pooled;
pub(super) use system::System;

/// Where files are, and how each thing is done there, taking as long as it takes.
pub(crate) trait Medium: Clone + Send + 'static {
    /// An open file; closed when the last clone is dropped.
    type Handle: Clone + Send + 'static;

    /// Opens a file, and says how long it is.
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<(Self::Handle, u64)>;
    /// Reads as many bytes, or up to the end.
    fn read(&self, handle: &Self::Handle, offset: u64, len: usize) -> io::Result<Bytes>;
    fn write(&self, handle: &Self::Handle, offset: u64, bytes: &[u8]) -> io::Result<()>;
    fn append(&self, handle: &Self::Handle, bytes: &[u8]) -> io::Result<()>;
    fn sync(&self, handle: &Self::Handle, data_only: bool) -> io::Result<()>;
}

/// All files of one driver, closed ones included until that is done.
pub(crate) struct Files<M: Medium> {
    medium: M,
    queues: BTreeMap<FileId, Queue<M::Handle>>,
    /// What is being done, by its job.
    begun: BTreeMap<JobId, FileId>,
}

struct Queue<H> {
    /// The file, or why it could not be opened.
    handle: io::Result<H>,
    /// The bound is the core's, for all files together.
    waiting: VecDeque<FileAsk>,
    is_busy: bool,
}

/// Something to begin now. Whoever has done it says so with [`Files::end`].
pub(crate) struct Task<M: Medium> {
    pub(crate) ask: FileAsk,
    /// As in the queue. (Of a file that is opened now, it is an error that nobody sees.)
    pub(crate) handle: io::Result<M::Handle>,
    medium: M,
}

/// What was done.
struct Performed<H> {
    result: io::Result<FileOutcome>,
    opened: Option<H>,
}

impl Driver {
    pub(crate) fn ask_file(&mut self, ask: FileAsk) {
        match self {
            Driver::Readiness(driver) => driver.ask_file(ask),
            Driver::Simulated(driver) => driver.ask_file(ask),
            Driver::Recorder(recorder) => recorder.ask_file(ask),
            Driver::Replayer(replayer) => replayer.ask_file(ask),
            #[cfg(target_os = "linux")]
            Driver::Uring(driver) => driver.ask_file(ask),
            #[cfg(feature = "tls")]
            Driver::Tls(layer) => layer.ask_file(ask),
            #[cfg(feature = "tls")]
            Driver::Moving => {}
        }
    }
}

impl<M: Medium> Files<M> {
    pub(crate) fn new(medium: M) -> Files<M> {
        Files {
            medium,
            queues: BTreeMap::new(),
            begun: BTreeMap::new(),
        }
    }

    /// Takes something that is asked, and gives it back if it is to begin at once.
    #[must_use]
    pub(crate) fn ask(&mut self, ask: FileAsk) -> Option<Task<M>> {
        let file = ask.file;
        let queue = self.queues.entry(file).or_insert_with(|| Queue {
            handle: Err(io::ErrorKind::NotConnected.into()),
            waiting: VecDeque::new(),
            is_busy: false,
        });
        queue.waiting.push_back(ask);
        self.begin(file)
    }

    fn begin(&mut self, file: FileId) -> Option<Task<M>> {
        let queue = self.queues.get_mut(&file)?;
        if queue.is_busy {
            return None;
        }
        let Some(ask) = queue.waiting.pop_front() else {
            if queue.handle.is_err() {
                self.queues.remove(&file); // the core has been told, and asks nothing more of it
            }
            return None;
        };
        queue.is_busy = true;
        self.begun.insert(ask.job, file);
        let handle = match (&ask.op, &mut queue.handle) {
            // From here on it is in one place only, so the end of this closes it.
            (FileOp::Close, handle) => {
                std::mem::replace(handle, Err(io::ErrorKind::NotConnected.into()))
            }
            (_, Ok(handle)) => Ok(handle.clone()),
            (_, Err(error)) => Err(copy_of(error)),
        };
        Some(Task {
            ask,
            handle,
            medium: self.medium.clone(),
        })
    }

    /// Something has been done: what is to be told, and what to begin next.
    pub(crate) fn end(
        &mut self,
        job: JobId,
        result: io::Result<FileOutcome>,
    ) -> Option<(FileDone, Option<Task<M>>)> {
        let file = self.begun.remove(&job)?;
        if let Some(queue) = self.queues.get_mut(&file) {
            queue.is_busy = false;
        }
        let next = self.begin(file);
        Some((FileDone { file, job, result }, next))
    }

    /// The same for what [`Task::into_job`] has made; the job is given back if it is another's.
    pub(crate) fn end_job(
        &mut self,
        done: Box<Done>,
    ) -> Result<(FileDone, Option<Task<M>>), Box<Done>> {
        let job = done.job;
        let Some(file) = self.begun.get(&job) else {
            return Err(done);
        };
        let performed = done.value.map(|value| value.downcast());
        let result = match performed {
            Ok(Ok(performed)) => {
                let performed: Performed<M::Handle> = *performed;
                if let Some(queue) = self.queues.get_mut(file) {
                    match (performed.opened, &performed.result) {
                        (Some(handle), _) => queue.handle = Ok(handle),
                        // It is told to all that was asked meanwhile, too.
                        (None, Err(error)) if queue.handle.is_err() => {
                            queue.handle = Err(copy_of(error));
                        }
                        _ => {}
                    }
                }
                performed.result
            }
            Ok(Err(_)) | Err(_) => Err(io::Error::other("the file system's code panicked")),
        };
        let ended = self.end(job, result);
        Ok(ended.expect("it was looked up above"))
    }
}

impl<M: Medium> Task<M> {
    pub(crate) fn into_job(self) -> (Token, Job) {
        let (token, id) = (self.ask.token, self.ask.job);
        let job = Job {
            id,
            lane: None,
            codec: None,
            run: Box::new(move || Box::new(self.perform()) as Value),
        };
        (token, job)
    }

    fn perform(self) -> Performed<M::Handle> {
        let Task {
            ask,
            handle,
            medium,
        } = self;
        let (result, opened) = match (ask.op, handle) {
            (FileOp::Open(path, options), _) => match medium.open(&path, &options) {
                Ok((handle, len)) => (Ok(FileOutcome::Opened { len }), Some(handle)),
                Err(error) => {
                    let text = format!("cannot open {}: {error}", path.display());
                    (Err(io::Error::new(error.kind(), text)), None)
                }
            },
            (_, Err(error)) => (Err(error), None),
            (op, Ok(handle)) => (perform_on(&medium, handle, op), None),
        };
        Performed { result, opened }
    }
}

fn perform_on<M: Medium>(medium: &M, handle: M::Handle, op: FileOp) -> io::Result<FileOutcome> {
    Ok(match op {
        FileOp::Read { offset, len } => FileOutcome::Read {
            offset,
            bytes: medium.read(&handle, offset, len)?,
        },
        FileOp::Write { offset, bytes } => {
            medium.write(&handle, offset, &bytes)?;
            FileOutcome::Written { len: bytes.len() }
        }
        FileOp::Append(bytes) => {
            medium.append(&handle, &bytes)?;
            FileOutcome::Written { len: bytes.len() }
        }
        FileOp::Sync { data_only } => {
            medium.sync(&handle, data_only)?;
            FileOutcome::Synced
        }
        FileOp::Close | FileOp::Open(..) => {
            drop(handle);
            FileOutcome::Closed
        }
    })
}
