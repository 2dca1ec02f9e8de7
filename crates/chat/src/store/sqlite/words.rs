//! The index of words: what is in it and what is not yet, and searching both. It must never be behind
//! by more than a search can look through.
//!
//! An index entry for each message as it comes would be most of the work of storing it: a commit of
//! sixteen messages wrote some nineteen pages with it, and writes ten without. So
//! messages come into it a few hundred at a time, together with the batch that makes them too many:
//! what a crash leaves is a database whose index ends where it says that it does.

use rusqlite::{Connection, Result, params};

/// Messages that are not in the index, at most, but for those of one batch. Looking through them
/// takes a search some milliseconds.
pub(super) const BEHIND_MAX: i64 = 512;

/// How messages are taken apart into words. The one of `message_text` is in the schema.
const TOKENIZE: &str = "unicode61 remove_diacritics 2";

/// The last message in the index, and the last one of all, by their ids.
pub(super) fn ends(connection: &Connection) -> Result<(i64, i64)> {
    let sql = "SELECT indexed, coalesce((SELECT max(id) FROM message), 0) FROM server";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row((), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Puts all messages into the index that are not in it; the last one.
pub(super) fn catch_up(connection: &Connection) -> Result<i64> {
    let (indexed, last) = ends(connection)?;
    let sql = "INSERT INTO message_text (rowid, text) \
               SELECT id, text FROM message WHERE id > ?1 AND text <> ''";
    connection.prepare_cached(sql)?.execute([indexed])?;
    let sql = "UPDATE server SET indexed = ?1";
    connection.prepare_cached(sql)?.execute([last])?;
    Ok(last)
}

/// Takes the words of a message out of the index, if it is there; it has to be told what they were.
pub(super) fn forget(connection: &Connection, id: i64, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO message_text (message_text, rowid, text) \
               SELECT 'delete', ?1, ?2 FROM server WHERE indexed >= ?1";
    connection.prepare_cached(sql)?.execute(params![id, text])?;
    Ok(())
}

/// Messages have gone: the numbers of the last ones are given to others, which are in no index yet.
pub(super) fn recede(connection: &Connection) -> Result<()> {
    let sql = "UPDATE server SET indexed = coalesce((SELECT max(id) FROM message), 0) \
               WHERE indexed > coalesce((SELECT max(id) FROM message), 0)";
    connection.prepare_cached(sql)?.execute(())?;
    Ok(())
}

/// For a search, within its transaction: an index in memory of what the other one has not, which
/// goes with the transaction. `keys` are the conversations that matter, as JSON.
///
/// What is then asked for is `message_text` and `recent_text`, which are asked alike.
pub(super) fn index_recent(connection: &Connection, keys: &str) -> Result<()> {
    let sql = format!(
        "CREATE VIRTUAL TABLE temp.recent_text USING fts5 (text, content = '', \
         tokenize = '{TOKENIZE}')"
    );
    connection.execute(&sql, ())?;
    let sql = "INSERT INTO temp.recent_text (rowid, text) SELECT m.id, m.text \
               FROM server CROSS JOIN message m \
               WHERE m.id > server.indexed AND m.text <> '' AND m.conversation IN \
                   (SELECT c.id FROM conversation c WHERE c.key IN (SELECT value FROM json_each(?1)))";
    connection.execute(sql, [keys])?;
    Ok(())
}
