//! What outlives the server: messages, rooms, roles, accounts. It must never be called in the
//! reactor's thread: its calls wait for the disk.

mod encoding;
pub mod exchange;
pub mod log;
mod memory;
pub mod place;
pub mod query;
pub mod record;
pub mod retention;
pub mod sqlite;

use std::fmt::{self, Display, Formatter};

use query::{Answer, Query};
use record::{Snapshot, Write};

/// Where everything that must not be lost is kept. One thread at a time has it.
pub trait Store: Send + 'static {
    /// All that a server needs in memory when it starts.
    ///
    /// # Errors
    /// It cannot be read.
    fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// Makes all of `writes` durable, in this order, or none.
    ///
    /// Once it has returned `Ok`, a loss of power takes nothing of it away. After an error nothing
    /// of it is stored, and a later call may do better.
    ///
    /// # Errors
    /// The disk is full, or fails.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError>;

    /// Removes what retention no longer keeps, a bounded part of it at each call; `true`: there is
    /// more.
    ///
    /// # Errors
    /// The disk fails.
    fn prune(&mut self, unix_ms: u64) -> Result<bool, StoreError>;
}

/// Reads beside a [`Store`], in another thread, and never waits for a commit.
pub trait Archive: Send + 'static {
    /// # Errors
    /// It cannot be read, or the query makes no sense.
    fn ask(&mut self, query: &Query) -> Result<Answer, StoreError>;
}

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// There is no room on the disk.
    Full,
    /// The disk, or the database on it, fails: in the words of whoever noticed.
    Failed(String),
    /// Written by a later version of this program.
    TooNew {
        /// The schema of the file.
        found: u32,
        /// The newest one that is known here.
        known: u32,
    },
}

impl Display for StoreError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full => f.write_str("the disk is full"),
            StoreError::Failed(why) => write!(f, "the store fails: {why}"),
            StoreError::TooNew { found, known } => write!(
                f,
                "the data was written by a later version (schema {found}, this one knows {known}): \
                 use that version, or a backup of before"
            ),
        }
    }
}

impl std::error::Error for StoreError {}
