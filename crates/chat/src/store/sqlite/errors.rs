//! What SQLite's errors mean to the server. It must never turn a failure into a success.

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::store::StoreError;

/// An error of SQLite as the store's.
pub(super) fn failure(error: rusqlite::Error) -> StoreError {
    let Some(code) = error.sqlite_error() else {
        return StoreError::Failed(error.to_string());
    };
    match code.code {
        // Beside the file itself, the index of its log can meet the end of the disk.
        ErrorCode::DiskFull => StoreError::Full,
        _ if code.extended_code == ffi::SQLITE_IOERR_SHMSIZE => StoreError::Full,
        ErrorCode::DatabaseCorrupt => StoreError::Failed(format!(
            "the database is damaged ({error}): stop the server and put a backup in its place"
        )),
        ErrorCode::NotADatabase => {
            StoreError::Failed("the file is no database: name another directory".to_owned())
        }
        _ => StoreError::Failed(error.to_string()),
    }
}

/// A number that SQLite can hold. Times that it cannot are later than anything.
pub(super) fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number that [`clamped`] has made.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
