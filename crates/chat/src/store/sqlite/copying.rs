//! When the log is copied into the file. It must never take a copy for durable after a sync of it has
//! failed.
//!
//! Where readers hold up a part of the log, SQLite copies the rest, and syncs the file once that part
//! has followed. When a sync fails, the system may have dropped what was written before it, and
//! believe that it is on the disk (<https://wiki.postgresql.org/wiki/Fsync_Errors>); but SQLite would
//! write only the part again that followed, and then empty the log. So after such a failure this
//! process copies nothing any more. Nothing is lost: the log has everything, since each commit has
//! synced it, and the next process copies all of it anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result};

use super::errors::failure;
use crate::store::StoreError;

/// Pages of the log (16 MiB) after which it is copied.
const PAGES: u32 = 4096;

/// What is copied, and whether that can be trusted.
#[derive(Debug)]
pub(super) struct Copying {
    /// Pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    pages_max: u32,
    /// Why nothing is copied any more.
    failed: Option<StoreError>,
}

impl Copying {
    /// Takes it over from SQLite, which would tell nobody of a failure.
    pub(super) fn new(connection: &mut Connection) -> Result<Copying> {
        let pages = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut _, pages| {
            counter.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Copying {
            pages,
            pages_max: PAGES,
            failed: None,
        })
    }

    pub(super) fn set_pages_max(&mut self, pages: u32) {
        self.pages_max = pages;
    }

    /// Copies what readers do not hold up, if there is enough. That it fails is no failure of the
    /// commit before it.
    pub(super) fn after_commit(&mut self, connection: &Connection) {
        if self.failed.is_none() && self.pages.load(Ordering::Relaxed) >= self.pages_max {
            // It is tried again, or `failed` is looked at later.
            let _ = self.copy(connection, "PASSIVE");
        }
    }

    /// Copies the whole log and empties it; whether nothing held that up.
    pub(super) fn empty_log(&mut self, connection: &Connection) -> Result<bool, StoreError> {
        self.check()?;
        self.copy(connection, "TRUNCATE")
    }

    /// Whether copies can be trusted.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn copy(&mut self, connection: &Connection, how: &str) -> Result<bool, StoreError> {
        let sql = format!("PRAGMA wal_checkpoint({how})");
        let busy = connection.query_row(&sql, (), |row| row.get::<_, i64>(0));
        busy.map(|busy| busy == 0).map_err(|error| {
            let error = failure(error);
            // What does not fit is not synced either, and written again.
            if error != StoreError::Full {
                self.give_up(connection, &error);
            }
            error
        })
    }

    fn give_up(&mut self, connection: &Connection, why: &StoreError) {
        self.failed = Some(StoreError::Failed(format!(
            "the log is not copied into the database any more ({why}), and grows: restart the \
             server when the disk is in order"
        )));
        // Whoever closes it last would copy it.
        let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }
}
