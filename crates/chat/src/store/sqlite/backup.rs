//! A copy of a database that a server may be using. It must never be taken for good before it was
//! checked.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Error, Result, ffi};

use super::SqliteArchive;
use super::errors::failure;
use crate::store::StoreError;

/// Pages (1 MiB) that are copied between two reports.
const STEP: i32 = 256;

impl SqliteArchive {
    /// Copies the database as it is now to `path`, where nothing is yet, and checks the copy.
    /// `progress` is told of the pages that are copied, and of all.
    ///
    /// A server that uses it goes on; its log grows until the copy is complete.
    ///
    /// # Errors
    /// It cannot be read or written, or the copy is damaged, as the database is then.
    pub fn back_up(
        &mut self,
        path: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> std::result::Result<(), StoreError> {
        let mut copy = Connection::open(path).map_err(failure)?;
        copy_pages(&mut self.connection, &mut copy, progress).map_err(failure)?;
        // In one file, without a log beside it.
        copy.pragma_update(None, "journal_mode", "DELETE")
            .map_err(failure)?;
        match check(&copy).map_err(failure)?.as_str() {
            "ok" => Ok(()),
            problem => {
                let problem = problem.lines().last().unwrap_or_default();
                Err(StoreError::Failed(format!(
                    "the database is damaged ({problem}): go back to an earlier backup"
                )))
            }
        }
    }
}

fn copy_pages(
    from: &mut Connection,
    to: &mut Connection,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    // One moment for all steps: otherwise each commit of the server would begin the copy anew.
    let moment = from.transaction()?;
    moment.query_row("SELECT origin FROM server", (), |_| Ok(()))?;
    let backup = Backup::new(&moment, to)?;
    loop {
        let step = backup.step(STEP)?;
        let pages = backup.progress();
        let (all, rest) = (pages.pagecount as u64, pages.remaining as u64);
        progress(all - rest, all);
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // Nobody else has the copy, and readers of the log wait for nobody.
            _ => {
                return Err(Error::SqliteFailure(
                    ffi::Error::new(ffi::SQLITE_BUSY),
                    None,
                ));
            }
        }
    }
}

/// "ok", or the first things that are wrong. Looks at the index of words, too.
fn check(copy: &Connection) -> Result<String> {
    copy.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))
}
