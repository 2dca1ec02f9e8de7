//! From the loop's thread to the file: frames wait in memory, and a thread of its own writes them.
//! It must never make the loop wait for the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::entry::{End, put_end, put_received, put_sent_again, put_sent_all};
use super::frame::{FRAME_HEAD, seal_frame};
use super::header::{Header, MAGIC};
use super::relays::Relays;
use crate::{Recording, Token};

/// How long the thread that writes lets more come together: what a process that is killed loses.
const GATHER: Duration = Duration::from_millis(20);

/// From this many bytes on it writes at once.
const PLENTY: usize = 1 << 20;

/// What may wait for the disk. Beyond it the recording ends: the loop does not wait.
const MAX_WAITING: usize = 32 << 20;

/// Room that is left for the entry that says why a recording ends.
const END_ROOM: u64 = 256;

/// A frame is cut when it has become so long. Short enough for a reader's memory, long enough for
/// its checksums to weigh nothing.
const FRAME: usize = 64 * 1024;

/// The file of a recording that is being made.
///
/// All that waits for the file is one buffer, which changes hands: during a tick the loop's thread
/// has it, and appends to it where it is.
pub(super) struct Sink {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    path: PathBuf,
    /// The buffer, if it is here; otherwise this is empty.
    bytes: Vec<u8>,
    is_here: bool,
    /// Where the present frame begins in it.
    frame: usize,
    relays: Relays,
    /// Bytes of the file, those that still wait included, but for the present frame.
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
    /// The buffer; empty while the loop's thread has it.
    bytes: Vec<u8>,
    /// The loop's thread has it, so there will be something in it soon.
    is_away: bool,
    /// The writer sleeps until there is something.
    is_idle: bool,
    /// The writer sleeps for a moment, or until there is plenty.
    is_gathering: bool,
    /// Nothing more will come.
    is_complete: bool,
    /// The file takes no more.
    failed: bool,
}

impl Shared {
    /// Held for as long as a swap of two buffers takes, by either side.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Neither side panics while it holds this; if one did, its bytes would still be bytes.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until there is something, or nothing more will come.
    fn wait_for_bytes<'a>(
        &'a self,
        mut waiting: MutexGuard<'a, Waiting>,
    ) -> MutexGuard<'a, Waiting> {
        while waiting.bytes.is_empty() && !waiting.is_complete {
            waiting.is_idle = true;
            waiting = (self.news.wait(waiting)).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_idle = false;
        waiting
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
            bytes: Vec::new(),
            is_here: false,
            frame: 0,
            relays: Relays::default(),
            len,
            max_bytes: recording.max_bytes,
            is_over: false,
        })
    }

    /// Whether nothing more is recorded.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Where entries are appended.
    #[inline]
    pub(super) fn entries(&mut self) -> &mut Vec<u8> {
        if !self.is_here {
            self.take();
        }
        &mut self.bytes
    }

    #[inline]
    pub(super) fn put_received(&mut self, token: Token, bytes: &[u8]) {
        put_received(self.entries(), token, bytes);
        let start = self.bytes.len() - bytes.len() - self.frame;
        self.relays.note(start, bytes.len());
    }

    /// All that waited went out, and all of it was new.
    #[inline]
    pub(super) fn put_sent(&mut self, token: Token, bytes: &[u8]) {
        self.entries();
        let frame = &self.bytes[self.frame..];
        if let Some(start) = self.relays.find(frame, bytes) {
            let back = frame.len() - start;
            put_sent_again(&mut self.bytes, token, back, bytes.len());
        } else {
            self.relays.pass();
            put_sent_all(&mut self.bytes, token, bytes);
        }
    }

    /// Cuts the present frame if it is long: between two entries.
    #[inline]
    pub(super) fn cut(&mut self) {
        if self.is_here && self.bytes.len() - self.frame > FRAME {
            self.close_frame();
            self.begin_frame();
        }
    }

    /// Hands over what was recorded: the loop's thread may sleep now.
    pub(super) fn commit(&mut self) {
        if self.is_here {
            self.close_frame();
            self.give();
        }
    }

    /// The last entry, and why it is the last; what comes later is not recorded.
    pub(super) fn end(&mut self, why: &End) {
        if self.is_over {
            return;
        }
        self.entries();
        self.close_frame();
        if !self.is_over {
            self.finish(why);
        }
        self.give();
    }

    fn take(&mut self) {
        let mut waiting = self.shared.lock();
        mem::swap(&mut self.bytes, &mut waiting.bytes);
        waiting.is_away = true;
        drop(waiting);
        self.is_here = true;
        self.begin_frame();
    }

    fn begin_frame(&mut self) {
        self.relays.clear();
        self.frame = self.bytes.len();
        self.bytes.extend_from_slice(&[0; FRAME_HEAD]);
    }

    /// The present frame is complete, unless there is nothing in it, or no room for it.
    fn close_frame(&mut self) {
        let frame = self.bytes.len() - self.frame;
        let len = self.len + frame as u64;
        let fits = len + END_ROOM <= self.max_bytes;
        if frame > FRAME_HEAD && fits && !self.is_over {
            seal_frame(&mut self.bytes[self.frame..]);
            self.len = len;
            return;
        }
        self.bytes.truncate(self.frame);
        if !fits && !self.is_over {
            self.finish(&End::AtBound);
        }
    }

    /// Says why the recording ends, and appends its last frame.
    fn finish(&mut self, why: &End) {
        let path = self.path.display();
        let bound = self.max_bytes;
        match why {
            End::Complete => {}
            End::AtBound => {
                tracing::warn!("the recording to {path} ends: its bound is {bound} bytes");
            }
            End::TooSlow => {
                tracing::error!("the recording to {path} ends: the disk does not keep up");
            }
            End::Unrecordable(what) => {
                tracing::warn!("the recording to {path} ends: {what} cannot be recorded");
            }
        }
        self.is_over = true;
        self.begin_frame();
        put_end(&mut self.bytes, why);
        seal_frame(&mut self.bytes[self.frame..]);
    }

    fn give(&mut self) {
        if self.bytes.len() > MAX_WAITING && !self.is_over {
            self.finish(&End::TooSlow);
        }
        self.is_here = false;
        let mut waiting = self.shared.lock();
        mem::swap(&mut self.bytes, &mut waiting.bytes);
        waiting.is_away = false;
        waiting.is_complete = self.is_over;
        let plenty = waiting.bytes.len() >= PLENTY || waiting.is_complete;
        let wake =
            mem::take(&mut waiting.is_idle) || plenty && mem::take(&mut waiting.is_gathering);
        self.is_over |= waiting.failed; // the writer has said why
        drop(waiting);
        if wake {
            self.shared.news.notify_one();
        }
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
        let waiting = shared.lock();
        let mut waiting = shared.wait_for_bytes(waiting); // the loop's thread may have it just now
        if waiting.bytes.is_empty() {
            return Ok(()); // nothing more will come
        }
        mem::swap(&mut bytes, &mut waiting.bytes);
        drop(waiting);
        file.write_all(&bytes)?;
        bytes.clear();
        // Each time that it wakes up costs the loop something, if they share a core: so it sleeps
        // first, and whether there is anything to write is looked at afterwards.
        let mut waiting = shared.lock();
        if waiting.bytes.len() < PLENTY && !waiting.is_complete {
            waiting.is_gathering = true;
            let more_may_come = |waiting: &mut Waiting| waiting.is_gathering;
            waiting = (shared.news)
                .wait_timeout_while(waiting, GATHER, more_may_come)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            waiting.is_gathering = false;
        }
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
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)] // elsewhere it gets what the directory says
    options.mode(0o600);
    options.open(path)
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
