//! The disk of a simulated machine: what has been synced survives a loss of power, the rest may or
//! may not, in whole or in part. It must never lose what `sync` has promised.

mod opened;
mod trouble;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use super::ends::Notifier;
use super::faults::{Counts, Fault, Faults};
use super::world::{MachineId, Notice};
use trouble::Trouble;

/// What a disk holds at most, all files together.
const CAPACITY: usize = 64 * 1024 * 1024;

/// Changes of one file, and of names, that wait for a sync: the older ones are written back.
const UNSYNCED: usize = 1000;

/// The disk of a simulated machine, for its handlers and their
/// [offloaded](crate::Context::offload) jobs; any number of clones are the same disk. See
/// [`Simulation::disk`](super::Simulation::disk).
///
/// What was written is read back at once. After a crash, what was [synced](Self::sync) is there;
/// of each later write, all, a part from its beginning, or nothing. Files that were made, renamed
/// or removed are so after a crash only up to some moment at or after the last `sync` of any file,
/// as on a file system with a journal. Of writes that are never synced, the oldest become durable
/// when there are more than a thousand. A disk holds 64 MiB.
///
/// A disk takes no time of its own: what takes time is the job ([`Faults::job_time`],
/// [`Fault::SlowJob`]) that uses it. It can be sent to any job, on a [serial
/// lane](crate::LoopContext::open_lane) or not.
///
/// Where it [fails](Fault::DiskError), or is [full](Fault::DiskFull), a part of what was to be
/// written, from its beginning, is there all the same: after a [`write`](Self::write), of the new
/// content, since the old one is gone by then. And a sync that fails may have lost what it should
/// have made durable, as on ext4 and XFS: what was written to that file since the sync before can
/// be read until the next crash, but no later sync keeps it, unless it is written again. (Rebello et
/// al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020, section 3.)
#[derive(Clone)]
pub struct Disk {
    machine: MachineId,
    notifier: Notifier,
    files: Arc<Mutex<Files>>,
}

struct Files {
    /// The machine has no power: whoever still runs has no disk.
    off: bool,
    numbers: u64,
    contents: BTreeMap<u64, Content>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    unsynced_names: VecDeque<Naming>,
    /// How often each file is open: it stays, though it may have no name any more.
    opened: BTreeMap<u64, usize>,
    trouble: Trouble,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    unsynced: VecDeque<Change>,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate,
}

enum Naming {
    Link(String, u64),
    Unlink(String),
    Rename(String, String),
}

impl Disk {
    pub(crate) fn new(machine: MachineId, notifier: Notifier, seed: u64) -> Disk {
        let files = Files {
            off: false,
            numbers: 0,
            contents: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: VecDeque::new(),
            opened: BTreeMap::new(),
            trouble: Trouble::new(seed),
        };
        Disk {
            machine,
            notifier,
            files: Arc::new(Mutex::new(files)),
        }
    }

    /// Replaces the content of a file, which is made if there is none.
    ///
    /// # Errors
    /// `StorageFull`; the machine has no power; a fault.
    pub fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.files()?;
        files.check_room(bytes.len())?;
        let (written, outcome) = self.try_write(&mut files, path, bytes);
        let content = files.open_or_make(path);
        content.change(Change::Truncate);
        content.change(Change::Write {
            offset: 0,
            bytes: written.to_vec(),
        });
        self.tell("disk write", path, written);
        outcome
    }

    /// Writes behind the end of a file, which is made if there is none.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn append(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.files()?;
        files.check_room(bytes.len())?;
        let (written, outcome) = self.try_write(&mut files, path, bytes);
        let content = files.open_or_make(path);
        content.change(Change::Write {
            offset: content.bytes.len(),
            bytes: written.to_vec(),
        });
        self.tell("disk append", path, written);
        outcome
    }

    /// The content of a file.
    ///
    /// # Errors
    /// `NotFound`; the machine has no power.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut files = self.files()?;
        let bytes = files.open(path)?.bytes.clone();
        self.tell("disk read", path, &bytes);
        Ok(bytes)
    }

    /// Makes durable what was written to a file, and all that was done to names until now.
    ///
    /// # Errors
    /// As [`read`](Self::read); a fault.
    pub fn sync(&self, path: &str) -> io::Result<()> {
        let mut files = self.files()?;
        files.open(path)?;
        let number = files.names[path];
        self.try_sync(&mut files, number, path)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let mut files = self.files()?;
        files.open(path)?;
        files.name(Naming::Unlink(path.to_owned()));
        self.tell("disk remove", path, &[]);
        Ok(())
    }

    /// Gives a file another name, in place of the file that has it: after a crash it is the one
    /// or the other.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files()?;
        files.open(from)?;
        files.name(Naming::Rename(from.to_owned(), to.to_owned()));
        self.tell("disk rename", from, to.as_bytes());
        Ok(())
    }

    /// The names of all files, in order.
    ///
    /// # Errors
    /// The machine has no power.
    pub fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files()?.names.keys().cloned().collect())
    }

    /// What of `bytes` is written, and what is said of it.
    fn try_write<'b>(
        &self,
        files: &mut Files,
        path: &str,
        bytes: &'b [u8],
    ) -> (&'b [u8], io::Result<()>) {
        match files.trouble.of_write(bytes.len()) {
            None => (bytes, Ok(())),
            Some((fault, part)) => {
                self.tell(fault.name(), path, &[]);
                (&bytes[..part], Err(trouble::error(fault)))
            }
        }
    }

    fn try_sync(&self, files: &mut Files, number: u64, path: &str) -> io::Result<()> {
        self.tell("disk sync", path, &[]);
        if files.sync(number) {
            return Ok(());
        }
        self.tell(Fault::DiskError.name(), path, &[]);
        Err(trouble::error(Fault::DiskError))
    }

    /// What goes wrong from now on.
    pub(crate) fn set_faults(&self, faults: &Faults) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.trouble.set(faults);
    }

    pub(crate) fn add_counts(&self, counts: &mut Counts) {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        counts.add(&files.trouble.counts);
    }

    pub(crate) fn power_off(&self, rng: &mut Rng) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.off = true;
        files.opened.clear();
        files.crash(rng);
    }

    pub(crate) fn power_on(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.off = false;
    }

    fn files(&self) -> io::Result<MutexGuard<'_, Files>> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.off {
            let text = "the simulated machine has no power";
            return Err(io::Error::new(io::ErrorKind::NotConnected, text));
        }
        Ok(files)
    }

    fn tell(&self, what: &'static str, path: &str, bytes: &[u8]) {
        self.notifier.tell(Notice::Disk {
            machine: self.machine,
            what,
            path: path.to_owned(),
            bytes: bytes.to_vec(),
        });
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl Files {
    fn open(&mut self, path: &str) -> io::Result<&mut Content> {
        let number = self.names.get(path);
        let content = number.and_then(|number| self.contents.get_mut(number));
        content.ok_or_else(|| {
            let text = format!("there is no file {path:?} on the simulated disk");
            io::Error::new(io::ErrorKind::NotFound, text)
        })
    }

    fn open_or_make(&mut self, path: &str) -> &mut Content {
        let number = match self.names.get(path) {
            Some(number) => *number,
            None => {
                self.numbers += 1;
                self.name(Naming::Link(path.to_owned(), self.numbers));
                self.numbers
            }
        };
        self.contents.entry(number).or_default()
    }

    fn check_room(&self, more: usize) -> io::Result<()> {
        let held = |content: &Content| content.bytes.len().max(content.durable.len());
        let all: usize = self.contents.values().map(held).sum();
        if all + more > CAPACITY {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.unsynced_names.push_back(naming);
        if self.unsynced_names.len() > UNSYNCED {
            self.commit_names(1);
        }
    }

    /// Makes the oldest `count` changes of names durable.
    fn commit_names(&mut self, count: usize) {
        for naming in self.unsynced_names.drain(..count) {
            naming.apply(&mut self.durable_names);
        }
        let (names, durable) = (&self.names, &self.durable_names);
        let is_named = |number: &u64| {
            let mut all = names.values().chain(durable.values());
            all.any(|named| named == number)
        };
        let opened = &self.opened;
        let is_there = |number: &u64| is_named(number) || opened.contains_key(number);
        self.contents.retain(|number, _| is_there(number));
    }

    /// False if it has failed: then what was to be kept of the file is nobody's care any more.
    fn sync(&mut self, number: u64) -> bool {
        let mut failed = self.trouble.of_sync();
        let is_kept = failed.is_none();
        if let Some(content) = self.contents.get_mut(&number) {
            content.write_back(|change| match &mut failed {
                None => Some(change),
                Some(rng) => change.torn(rng),
            });
        }
        if is_kept {
            let all = self.unsynced_names.len();
            self.commit_names(all);
        }
        is_kept
    }

    fn crash(&mut self, rng: &mut Rng) {
        let kept = rng.usize(..=self.unsynced_names.len());
        self.unsynced_names.truncate(kept);
        self.names.clone_from(&self.durable_names);
        for naming in &self.unsynced_names {
            naming.apply(&mut self.names);
        }
        self.commit_names(kept);
        for content in self.contents.values_mut() {
            content.write_back(|change| change.torn(rng));
            content.bytes.clone_from(&content.durable);
        }
    }
}

impl Content {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.bytes);
        self.unsynced.push_back(change);
        if self.unsynced.len() > UNSYNCED
            && let Some(oldest) = self.unsynced.pop_front()
        {
            oldest.apply(&mut self.durable);
        }
    }

    /// Makes durable what is `left` of each change.
    fn write_back(&mut self, mut left: impl FnMut(Change) -> Option<Change>) {
        for change in std::mem::take(&mut self.unsynced) {
            if let Some(change) = left(change) {
                change.apply(&mut self.durable);
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Truncate => content.clear(),
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0); // what was lost before it reads as zeros
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// What is left of it after a crash: all, a part, nothing.
    fn torn(self, rng: &mut Rng) -> Option<Change> {
        match (self, rng.u8(0..3)) {
            (_, 0) => None,
            (Change::Write { offset, mut bytes }, 1) => {
                cov_mark::hit!(torn_write);
                bytes.truncate(rng.usize(..=bytes.len()));
                (!bytes.is_empty()).then_some(Change::Write { offset, bytes })
            }
            (change, _) => Some(change),
        }
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Naming::Link(name, number) => {
                names.insert(name.clone(), *number);
            }
            Naming::Unlink(name) => {
                names.remove(name);
            }
            Naming::Rename(from, to) => {
                if let Some(number) = names.remove(from) {
                    names.insert(to.clone(), number);
                }
            }
        }
    }
}
