//! The store on a disk: one SQLite database. It must never say that something is stored before it is
//! synced, and never leave a part of a batch.
//!
//! The database is in WAL mode with `synchronous=FULL`: a commit appends the pages that it changes
//! to the log (`-wal` beside the file) and syncs that. Reads go on meanwhile, in connections of
//! their own. From time to time the log is copied into the file.

mod archive;
mod backup;
mod copying;
mod errors;
mod everything;
mod loading;
mod migrations;
mod opening;
mod pruning;
mod rows;
mod words;
mod writing;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

pub use archive::SqliteArchive;
use copying::Copying;
use errors::failure;
pub use everything::Cursor;
pub use migrations::VERSION;
use opening::Lock;
use writing::{Batch, Known};

use super::record::{Snapshot, Write};
use super::retention::Retention;
use super::{Store, StoreError};

/// Messages and the rest in a SQLite database.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    retention: Retention,
    origin: u32,
    known: Known,
    copying: Copying,
    /// The last message in the index of words, by its id.
    indexed: i64,
    /// Since the log was last emptied, something was removed that is still to be read there.
    removed: bool,
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes one there that only the owner can read. Brings one of
    /// an earlier version up to date.
    ///
    /// # Errors
    /// Another process has it open, it was made by a later version, it is no database, or the disk
    /// fails.
    pub fn open(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        SqliteStore::locked(path.as_ref(), Lock::take)
    }

    /// As [`open`](Self::open), when no other process has it open any more: blocks until then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_when_free(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        SqliteStore::locked(path.as_ref(), Lock::wait)
    }

    fn locked(
        path: &Path,
        lock: fn(&Path) -> Result<Lock, StoreError>,
    ) -> Result<SqliteStore, StoreError> {
        let path = path.to_owned();
        let lock = lock(&path)?;
        let mut connection = opening::to_write(&path)?;
        let copying = Copying::new(&mut connection).map_err(failure)?;
        let server = "SELECT origin, indexed FROM server";
        let server = connection.query_row(server, (), |row| Ok((row.get(0)?, row.get(1)?)));
        let (origin, indexed) = server.map_err(failure)?;
        Ok(SqliteStore {
            origin,
            indexed,
            connection,
            path,
            retention: Retention::default(),
            known: Known::new(),
            copying,
            // The process before may have ended before it emptied the log.
            removed: true,
            _lock: lock,
        })
    }

    /// What [`prune`](Store::prune) keeps.
    pub fn set_retention(&mut self, retention: Retention) {
        self.retention = retention;
    }

    /// After how many pages the log is copied into the file, with the next commit. Commits become
    /// slower with fewer, and the log takes more room with more.
    pub fn set_log_pages(&mut self, pages: u32) {
        self.copying.set_pages_max(pages);
    }

    /// A connection of its own for reading, for another thread.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn archive(&self) -> Result<SqliteArchive, StoreError> {
        SqliteArchive::open(&self.path)
    }

    /// The last message in the index of words after it.
    fn try_commit(&mut self, writes: &[Write]) -> rusqlite::Result<i64> {
        // Said at once that it writes: a read that becomes a write could fail half way.
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let mut batch = Batch::begin(&transaction, &mut self.known, self.origin, self.indexed);
        for write in writes {
            batch.write(write)?;
        }
        let indexed = batch.end()?;
        transaction.commit()?;
        Ok(indexed)
    }

    /// After a sync that failed the pages of the batch may be in the log all the same, where a
    /// process that starts would find them. Another commit in their place ends that.
    fn take_back(&mut self) {
        // An update of a row to what it is would write nothing, but this does. Where it fails too,
        // the next batch does it.
        let _ = self.connection.pragma_update(None, "user_version", VERSION);
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        loading::snapshot(&mut self.connection).map_err(failure)
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.removed |= writes.iter().any(|it| matches!(it, Write::Redact { .. }));
        match self.try_commit(writes) {
            Ok(indexed) => self.indexed = indexed,
            Err(error) => {
                // Of conversations that this batch has made, the numbers mean nothing now.
                self.known.clear();
                self.take_back();
                return Err(failure(error));
            }
        }
        self.copying.after_commit(&self.connection);
        Ok(())
    }

    fn prune(&mut self, unix_ms: u64) -> Result<bool, StoreError> {
        self.known.clear();
        let removed = pruning::step(&mut self.connection, &self.retention, unix_ms);
        self.copying.after_commit(&self.connection);
        if let Some(indexed) = removed.map_err(failure)? {
            self.indexed = indexed;
            self.removed = true;
            return Ok(true);
        }
        if pruning::give_back_pages(&self.connection).map_err(failure)? {
            return Ok(true);
        }
        if self.removed {
            // Readers of what was there before may hold this up; the next call tries again.
            self.removed = !self.copying.empty_log(&self.connection)?;
        }
        // Nobody else looks whether it can be.
        self.copying.check().map(|()| false)
    }
}
