//! From the loop's thread to the file: frames wait in memory, and a thread of its own writes them.
//! It must never make the loop wait for the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::entry::{End, put_end};
use super::frame::{FRAME_HEAD, put_frame};
use super::header::{Header, MAGIC};
use crate::Recording;

/// How long the thread that writes lets more come together: what a process that is killed loses.
const GATHER: Duration = Duration::from_millis(20);

/// From this many bytes on it writes at once.
const PLENTY: usize = 1 << 20;

/// What may wait for the disk. Beyond it the recording ends: the loop does not wait.
const MAX_WAITING: usize = 32 << 20;

/// Room that is left for the entry that says why a recording ends.
const END_ROOM: u64 = 256;

/// The file of a recording that is being made.
pub(super) struct Sink {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    path: PathBuf,
    /// Bytes of the file, those that still wait included.
    len: u64,
    max_bytes: u64,
    is_over: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// The writer sleeps until it is told.
    asleep: bool,
    /// Nothing more will come.
    is_complete: bool,
    /// The file takes no more.
    failed: bool,
}

impl Shared {
    /// Held for as long as a copy within memory takes, by either side.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Neither side panics while it holds this; if one did, its bytes would still be bytes.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Makes the file, with `header` as its beginning.
    pub(super) fn create(recording: &Recording, header: &Header) -> io::Result<Sink> {
        let path = &recording.path;
        let mut file = open(path, recording.earlier).map_err(|error| {
            let text = format!("cannot record to {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        })?;
        let mut start = Vec::new();
        header.put(&mut start);
        let shared = Arc::new(Shared::default());
        let len = start.len() as u64;
        shared.lock().bytes = start;
        let theirs = Arc::clone(&shared);
        let shown = path.display().to_string();
        let writer = thread::Builder::new()
            .name("switchboard-record".into())
            .spawn(move || {
                if let Err(error) = write_all(&theirs, &mut file) {
                    theirs.lock().failed = true;
                    tracing::error!("the recording to {shown} ends, the program goes on: {error}");
                }
            })?;
        tracing::info!(
            "recording to {} all that is received and sent (readable by its owner only)",
            path.display()
        );
        Ok(Sink {
            shared,
            writer: Some(writer),
            path: path.clone(),
            len,
            max_bytes: recording.max_bytes,
            is_over: false,
        })
    }

    /// Whether nothing more is recorded.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Hands over entries as one frame, and empties `payload`.
    pub(super) fn commit(&mut self, payload: &mut Vec<u8>) {
        if !self.is_over && !payload.is_empty() {
            let len = self.len + (FRAME_HEAD + payload.len()) as u64;
            if len + END_ROOM > self.max_bytes {
                self.end(&End::AtBound);
            } else {
                self.push(payload);
            }
        }
        payload.clear();
    }

    /// The last entry, and why it is the last; what comes later is not recorded.
    pub(super) fn end(&mut self, why: &End) {
        if mem::replace(&mut self.is_over, true) {
            return;
        }
        match why {
            End::Complete => {}
            End::AtBound => tracing::warn!(
                "the recording to {} ends: it has reached its bound of {} bytes",
                self.path.display(),
                self.max_bytes
            ),
            End::TooSlow => tracing::error!(
                "the recording to {} ends: the disk does not keep up",
                self.path.display()
            ),
            End::Unrecordable(what) => tracing::warn!(
                "the recording to {} ends: {what} cannot be recorded",
                self.path.display()
            ),
        }
        let mut payload = Vec::new();
        put_end(&mut payload, why);
        self.append(&payload);
        self.shared.lock().is_complete = true;
        self.shared.news.notify_one();
    }

    fn push(&mut self, payload: &[u8]) {
        let (waiting, failed) = self.append(payload);
        if failed {
            self.is_over = true; // the writer has said why
        } else if waiting > MAX_WAITING {
            self.end(&End::TooSlow);
        }
    }

    /// How many bytes wait then, and whether they wait in vain.
    fn append(&mut self, payload: &[u8]) -> (usize, bool) {
        self.len += (FRAME_HEAD + payload.len()) as u64;
        let mut waiting = self.shared.lock();
        let before = waiting.bytes.len();
        put_frame(&mut waiting.bytes, payload);
        let (len, failed) = (waiting.bytes.len(), waiting.failed);
        let wake = mem::take(&mut waiting.asleep) || (before < PLENTY && len >= PLENTY);
        drop(waiting);
        if wake {
            self.shared.news.notify_one();
        }
        (len, failed)
    }
}

/// Waits until all is written: the program is about to end.
impl Drop for Sink {
    fn drop(&mut self) {
        self.end(&End::Complete);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join(); // it does not panic, and has said what went wrong
        }
    }
}

fn write_all(shared: &Shared, file: &mut File) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let mut waiting = shared.lock();
        while waiting.bytes.is_empty() && !waiting.is_complete {
            waiting.asleep = true;
            waiting = (shared.news.wait(waiting)).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.bytes.is_empty() {
            return Ok(());
        }
        let more_may_come =
            |waiting: &mut Waiting| !waiting.is_complete && waiting.bytes.len() < PLENTY;
        waiting = (shared.news)
            .wait_timeout_while(waiting, GATHER, more_may_come)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        mem::swap(&mut bytes, &mut waiting.bytes);
        drop(waiting);
        file.write_all(&bytes)?;
        bytes.clear();
    }
}

/// Makes the file, after it has moved away the recording that is there.
fn open(path: &Path, earlier: u32) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            return OpenOptions::new().write(true).open(path); // a device or a pipe
        }
        Ok(_) => make_way(path, earlier)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// `FILE` becomes `FILE.1`, and so on; the last one is removed.
fn make_way(path: &Path, earlier: u32) -> io::Result<()> {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        PathBuf::from(name)
    };
    // All are looked at before any is touched.
    let mut last = 0;
    while last < earlier && numbered(last + 1).exists() {
        last += 1;
    }
    for number in 0..=last {
        if !is_recording(&numbered(number))? {
            let name = numbered(number);
            let why = format!(
                "{} is there and is no recording: choose another name",
                name.display()
            );
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
    }
    if last == earlier {
        fs::remove_file(numbered(last))?;
    } else {
        fs::rename(numbered(last), numbered(last + 1))?;
    }
    for number in (0..last).rev() {
        fs::rename(numbered(number), numbered(number + 1))?;
    }
    Ok(())
}

/// An empty file is as good as none: a recording that could not begin leaves one.
fn is_recording(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start.is_empty() || start == MAGIC)
}
