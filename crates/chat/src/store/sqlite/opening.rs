//! How a database is opened: by one process that writes, and any number of readers. It must never
//! let two processes write.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ToSql};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::errors::failure;
use super::migrations;
use crate::durable::sync_name;
use crate::store::StoreError;

/// How long one connection waits for another one, where it has to: while the log is begun anew.
const BUSY: Duration = Duration::from_secs(5);

/// What the log may take after it was copied into the file.
const LOG_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// How SQLite calls a database that gives pages back when it is told to.
const INCREMENTAL: u8 = 2;

/// More than there are kinds of statements.
const STATEMENTS: usize = 64;

/// Held by the one process that writes, for as long as it lives.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// A file of its own beside the database: closing any descriptor of the database itself would
    /// take SQLite's own locks from it.
    pub(super) fn take(path: &Path) -> Result<Lock, StoreError> {
        Lock::by(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Waits for the process that has it.
    pub(super) fn wait(path: &Path) -> Result<Lock, StoreError> {
        Lock::by(path, FlockOperation::LockExclusive)
    }

    fn by(path: &Path, operation: FlockOperation) -> Result<Lock, StoreError> {
        let path = beside(path, ".lock");
        let options = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).mode(0o600);
            options
        };
        let mut file = options().open(&path).map_err(|why| cannot(&path, &why))?;
        match flock(&file, operation) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut process = String::new();
                let _ = file.read_to_string(&mut process); // for the message only
                return Err(StoreError::Failed(format!(
                    "process {} has {} open: end it first, or name another directory",
                    process.trim(),
                    path.with_extension("").display()
                )));
            }
            Err(why) => return Err(cannot(&path, &why.into())),
        }
        // Who has it is only for people to read, so it need not be there.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Lock(file))
    }
}

impl Drop for Lock {
    /// Closing the file is not enough: a process that this one is just starting has it, too, for the
    /// moment until it runs its own program.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock); // then it ends with the last descriptor
    }
}

/// The connection that writes.
pub(super) fn to_write(path: &Path) -> Result<Connection, StoreError> {
    // SQLite gives the files beside it the mode of this one.
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(cannot(path, &why)),
        _ => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let mut connection = connect(path, flags)?;
    migrations::check(&connection)?;
    set_up(&connection)?;
    migrations::migrate(&mut connection)?;
    // The names of the file and of its log, too, have to survive a loss of power: SQLite syncs that
    // of the log, but does not look whether it can.
    sync_name(path).map_err(|why| cannot(path, &why))?;
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn to_read(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match migrations::check(&connection)? {
        migrations::VERSION => {
            // What a search makes for itself.
            let memory = connection.pragma_update(None, "temp_store", "MEMORY");
            memory.map(|()| connection).map_err(failure)
        }
        found => Err(StoreError::Failed(format!(
            "the data is of an earlier version (schema {found}): a server brings it up to date"
        ))),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.busy_timeout(BUSY).map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A file that somebody prepared must not do more than hold data.
    let harden = [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    ];
    for (option, value) in harden {
        connection.set_db_config(option, value).map_err(failure)?;
    }
    Ok(connection)
}

fn set_up(connection: &Connection) -> Result<(), StoreError> {
    let set = |name, value: &dyn ToSql| {
        let set = connection.pragma_update(None, name, value);
        set.map_err(failure)
    };
    // Of a new database only: of another one it is a write, for which a full disk has no room.
    let vacuum = connection.pragma_query_value(None, "auto_vacuum", |row| row.get::<_, u8>(0));
    if vacuum.map_err(failure)? != INCREMENTAL {
        set("auto_vacuum", &INCREMENTAL)?;
    }
    let mode = begin_log(connection).map_err(failure)?;
    if mode != ["wal"] {
        let why =
            "the database cannot have a log beside it: put the data on a disk of this machine";
        return Err(StoreError::Failed(why.to_owned()));
    }
    set("synchronous", &"FULL")?;
    set("foreign_keys", &true)?;
    // What was removed is overwritten.
    set("secure_delete", &true)?;
    set("journal_size_limit", &LOG_BYTES_MAX)
}

/// The mode that it is in then. Without a log SQLite would go on all the same, but a commit would
/// wait for readers, and a loss of power could bring back what was before it.
fn begin_log(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA journal_mode = WAL")?;
    // To the end: what fails, fails after the answer.
    statement.query_map((), |row| row.get(0))?.collect()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn cannot(path: &Path, why: &io::Error) -> StoreError {
    match why.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Failed(format!("{}: {why}", path.display())),
    }
}
