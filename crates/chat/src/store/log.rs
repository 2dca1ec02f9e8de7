//! The store on a simulated disk: a log of batches, and everything of it in memory. It must never
//! change its memory before the disk has synced what changes it.
//!
//! A frame of the log is its length, the checksum of what follows, its number, and a `Record`; the
//! frames are numbered from 0. The log is in several files, read one behind the other. A frame
//! replaces those of its number and of later ones that were read before it: so whatever is left of
//! a batch that failed counts for nothing once another one is stored. What a torn end of a file
//! holds is no frame. Both times a new file is begun, since of a file whose sync has failed nobody
//! knows what it holds. Nor does who opens a log: what it reads may have been written by one whose
//! sync has failed, and be gone after the next loss of power. So it is all written again, as one
//! frame in a file of its own.
//!
//! Nothing is removed from the log: it is for runs that end.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard::Replayable;
use switchboard::sim::Disk;

use super::memory::Memory;
use super::query::{Answer, Query};
use super::record::{Snapshot, Write};
use super::retention::Retention;
use super::{Archive, Store, StoreError};

/// What a frame says.
enum Record {
    /// The first one: what the messages of this store are named after.
    Made(u32),
    Wrote(Vec<Write>),
    Pruned(u64, Retention),
    /// All of the log up to here, in place of what was read before it.
    Everything(Vec<Record>),
}

/// Messages and the rest on a [`Disk`]. Clones of it would be two writers, so there are none.
#[derive(Debug)]
pub struct LogStore {
    disk: Disk,
    retention: Retention,
    memory: Arc<Mutex<Memory>>,
    frames: u64,
    /// The number of the file that is written now, and whether it is good.
    file: u64,
    broken: bool,
}

impl LogStore {
    /// Reads the log that is on `disk`; begins one, of a database with this number, if none is.
    ///
    /// # Errors
    /// The disk fails, or holds what no crash can leave there.
    pub fn open(disk: &Disk, database: u32, retention: Retention) -> Result<LogStore, StoreError> {
        let mut memory = Memory::default();
        let names = disk.list().map_err(|error| failure(&error))?;
        let files: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
        let mut records = Vec::new();
        for file in &files {
            let bytes = disk.read(&name(*file)).map_err(|error| failure(&error))?;
            read(&bytes, &mut records)?;
        }
        if records.is_empty() {
            records.push(Record::Made(database));
        }
        let mut store = LogStore {
            disk: disk.clone(),
            retention,
            frames: 0,
            file: files.last().map_or(0, |last| last + 1),
            memory: Arc::default(),
            broken: false,
        };
        records.iter().for_each(|record| apply(record, &mut memory));
        let count = records.len() as u64;
        store.append(&Record::Everything(records))?;
        store.frames = count;
        *store.memory() = memory;
        Ok(store)
    }

    /// Reads what this store has, in any thread.
    pub fn archive(&self) -> LogArchive {
        LogArchive(Arc::clone(&self.memory))
    }

    fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        if self.broken {
            self.file += 1;
            self.broken = false;
        }
        let file = name(self.file);
        let frame = frame(self.frames, record);
        let appended = self.disk.append(&file, &frame);
        let outcome = appended.and_then(|()| self.disk.sync(&file));
        self.broken = outcome.is_err();
        outcome.map_err(|error| failure(&error))?;
        self.frames += 1;
        Ok(())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }
}

impl Store for LogStore {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        Ok(self.memory().snapshot())
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let record = Record::Wrote(writes.to_vec());
        self.append(&record)?;
        apply(&record, &mut self.memory());
        Ok(())
    }

    fn prune(&mut self, unix_ms: u64) -> Result<bool, StoreError> {
        if !self.memory().has_surplus(unix_ms, &self.retention) {
            return Ok(false);
        }
        let record = Record::Pruned(unix_ms, self.retention);
        self.append(&record)?;
        apply(&record, &mut self.memory());
        Ok(true)
    }
}

/// Reads beside a [`LogStore`].
#[derive(Debug, Clone)]
pub struct LogArchive(Arc<Mutex<Memory>>);

impl Archive for LogArchive {
    fn ask(&mut self, query: &Query) -> Result<Answer, StoreError> {
        Ok(lock(&self.0).answer(query))
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

fn apply(record: &Record, memory: &mut Memory) {
    match record {
        Record::Made(database) => memory.set_database(*database),
        Record::Wrote(writes) => writes.iter().for_each(|write| memory.write(write)),
        Record::Pruned(unix_ms, retention) => memory.prune(*unix_ms, retention),
        Record::Everything(records) => records.iter().for_each(|record| apply(record, memory)),
    }
}

/// Files are read in the order of their names.
fn name(file: u64) -> String {
    format!("chat-{file:010}.log")
}

fn number(name: &str) -> Option<u64> {
    name.strip_prefix("chat-")?
        .strip_suffix(".log")?
        .parse()
        .ok()
}

/// The length of a frame's rest, and its checksum.
const HEAD: usize = 8;

fn frame(number: u64, record: &Record) -> Vec<u8> {
    let mut frame = vec![0; HEAD];
    number.encode(&mut frame);
    record.encode(&mut frame);
    let len = u32::try_from(frame.len() - HEAD).expect("a batch is smaller than the disk");
    let checksum = crc32fast::hash(&frame[HEAD..]);
    frame[..4].copy_from_slice(&len.to_le_bytes());
    frame[4..HEAD].copy_from_slice(&checksum.to_le_bytes());
    frame
}

/// Reads the frames at the beginning of `bytes`, up to what is none.
fn read(mut bytes: &[u8], records: &mut Vec<Record>) -> Result<(), StoreError> {
    while let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() {
        let [l0, l1, l2, l3, c0, c1, c2, c3] = *head;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let Some((mut body, rest)) = rest.split_at_checked(len) else {
            break;
        };
        if crc32fast::hash(body) != u32::from_le_bytes([c0, c1, c2, c3]) {
            break;
        }
        let number = u64::decode(&mut body).filter(|number| *number <= records.len() as u64);
        let record = number.zip(Record::decode(&mut body));
        let (number, record) = record.ok_or_else(|| {
            StoreError::Failed("the log holds what was never written to it".to_owned())
        })?;
        records.truncate(number as usize);
        match record {
            Record::Everything(all) => *records = all,
            record => records.push(record),
        }
        bytes = rest;
    }
    Ok(())
}

fn failure(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Failed(error.to_string()),
    }
}

impl Replayable for Record {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Record::Made(database) => (0_u8, *database).encode(out),
            Record::Wrote(writes) => {
                1_u8.encode(out);
                writes.encode(out);
            }
            Record::Pruned(unix_ms, it) => {
                (2_u8, *unix_ms).encode(out);
                (it.max_age, it.max_count, it.max_bytes).encode(out);
            }
            Record::Everything(records) => {
                3_u8.encode(out);
                records.encode(out);
            }
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Record> {
        Some(match u8::decode(bytes)? {
            0 => Record::Made(Replayable::decode(bytes)?),
            1 => Record::Wrote(Replayable::decode(bytes)?),
            2 => {
                let unix_ms = Replayable::decode(bytes)?;
                let (max_age, max_count, max_bytes) = Replayable::decode(bytes)?;
                let retention = Retention {
                    max_age,
                    max_count,
                    max_bytes,
                };
                Record::Pruned(unix_ms, retention)
            }
            3 => Record::Everything(Replayable::decode(bytes)?),
            _ => return None,
        })
    }
}
