//! The schema, one step from each version to the next. A step that was released must never change:
//! what it has made is on somebody's disk.

use rusqlite::{Connection, TransactionBehavior};

use super::errors::failure;
use crate::store::StoreError;

/// "Swbd": what `file` and SQLite call the application id of a database.
const APPLICATION_ID: u32 = 0x5377_6264;

/// The step at index `n` leads from version `n` to `n + 1`.
const STEPS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
];

/// The newest version that is known here.
pub const VERSION: u32 = STEPS.len() as u32;

/// Brings the database to [`VERSION`], each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    for step in check(connection)?..VERSION {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(failure)?;
        let sql = STEPS[step as usize];
        transaction.execute_batch(sql).map_err(failure)?;
        let pragma = |name, value| transaction.pragma_update(None, name, value);
        pragma("application_id", APPLICATION_ID).map_err(failure)?;
        pragma("user_version", step + 1).map_err(failure)?;
        transaction.commit().map_err(failure)?;
    }
    Ok(())
}

/// The version of what is there, if this program has made it and knows it; 0 if nothing is.
pub(super) fn check(connection: &Connection) -> Result<u32, StoreError> {
    let pragma = |name| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(failure)
    };
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = connection
        .query_row(tables, (), |row| row.get(0))
        .map_err(failure)?;
    if tables == 0 {
        return Ok(0);
    }
    if application != i64::from(APPLICATION_ID) {
        let why = "the file is the database of another program: name another directory";
        return Err(StoreError::Failed(why.to_owned()));
    }
    match u32::try_from(version).unwrap_or(u32::MAX) {
        found if found > VERSION => Err(StoreError::TooNew {
            found,
            known: VERSION,
        }),
        found => Ok(found),
    }
}
