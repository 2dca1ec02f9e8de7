//! Answers to queries, from a connection of its own. It must never write, nor read more rows than
//! the limit of a query asks for, but for those that a search has to look at.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::errors::{clamped, failure, unsigned};
use super::writing::FORGOTTEN;
use super::{opening, rows, words};
use crate::chat::event::Message;
use crate::chat::ids::Msgid;
use crate::store::place::{Place, Range, ranges, start};
use crate::store::query::{ANSWER_MAX, Anchor, Answer, Conversation, Entry, Query, merged};
use crate::store::{Archive, StoreError, query};

/// Reads what a [`SqliteStore`](super::SqliteStore) has written, in this process or another one.
#[derive(Debug)]
pub struct SqliteArchive {
    pub(super) connection: Connection,
}

impl SqliteArchive {
    /// Opens the database at `path`, which has to be there.
    ///
    /// # Errors
    /// It is not, or is of another version.
    pub fn open(path: impl AsRef<Path>) -> std::result::Result<SqliteArchive, StoreError> {
        let connection = opening::to_read(path.as_ref())?;
        Ok(SqliteArchive { connection })
    }
}

impl Archive for SqliteArchive {
    fn ask(&mut self, query: &Query) -> std::result::Result<Answer, StoreError> {
        // All of one moment.
        let transaction = self.connection.transaction().map_err(failure)?;
        answer(&transaction, query).map_err(failure)
    }
}

fn answer(connection: &Connection, query: &Query) -> Result<Answer> {
    match query {
        Query::History {
            conversation,
            span,
            limit,
            happenings,
        } => {
            let limit = (*limit).min(ANSWER_MAX);
            let mut entries = Vec::new();
            if let Some(id) = conversation_id(connection, conversation)? {
                for range in ranges(*span, limit, |msgid| place(connection, msgid))? {
                    entries.extend(history(connection, id, range, *happenings)?);
                }
            }
            Ok(Answer::Entries(entries))
        }
        Query::Targets {
            account,
            rooms,
            between,
            limit,
        } => targets(connection, account.as_deref(), rooms, *between, *limit).map(Answer::Targets),
        Query::Search {
            conversations,
            words,
            from,
            before,
            limit,
        } => {
            let found = search(
                connection,
                conversations,
                words,
                from.as_deref(),
                *before,
                *limit,
            );
            found.map(Answer::Entries)
        }
        Query::Message(msgid) => message(connection, *msgid).map(Answer::Message),
        Query::ReadMarks { account } => {
            let sql = "SELECT target, unix_ms FROM read_mark WHERE account = ?1 \
                       ORDER BY target LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let mark = |row: &Row<'_>| Ok((row.get(0)?, unsigned(row.get(1)?)));
            let marks = statement.query_map(params![account, count(ANSWER_MAX)], mark)?;
            marks.collect::<Result<_>>().map(Answer::ReadMarks)
        }
        Query::Audit { limit } => {
            let sql = "SELECT unix_ms, admin, action FROM audit ORDER BY id DESC LIMIT ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let entry = |row: &Row<'_>| Ok((unsigned(row.get(0)?), row.get(1)?, row.get(2)?));
            let entries = statement.query_map([count(*limit)], entry)?;
            let mut entries: Vec<_> = entries.collect::<Result<_>>()?;
            entries.reverse();
            Ok(Answer::Audit(entries))
        }
    }
}

fn conversation_id(connection: &Connection, conversation: &Conversation) -> Result<Option<i64>> {
    let sql = "SELECT id FROM conversation WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let id = statement.query_row([conversation.key()], |row| row.get(0));
    id.optional()
}

fn message(connection: &Connection, msgid: Msgid) -> Result<Option<Arc<Message>>> {
    let sql = select_message(&format!(
        "m.origin = ?1 AND m.sequence = ?2 AND ifnull(m.conversation NOT IN ({FORGOTTEN}), 1)"
    ));
    let mut statement = connection.prepare_cached(&sql)?;
    let message = statement.query_row(
        params![msgid.database, clamped(msgid.sequence)],
        rows::message,
    );
    Ok(message.optional()?.map(Arc::new))
}

fn select_message(condition: &str) -> String {
    format!("SELECT {} FROM message m WHERE {condition}", rows::MESSAGE)
}

/// The place of a message; of one that is not there, behind what was made in its database before.
fn place(connection: &Connection, msgid: Msgid) -> Result<Place> {
    let mut unix_ms = 0;
    for table in ["message", "happening"] {
        let sql = format!(
            "SELECT unix_ms FROM {table} WHERE origin = ?1 AND sequence <= ?2 \
             ORDER BY sequence DESC LIMIT 1"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let row = params![msgid.database, clamped(msgid.sequence)];
        let found = statement.query_row(row, |row| row.get(0)).optional()?;
        unix_ms = unix_ms.max(unsigned(found.unwrap_or(0)));
    }
    Ok(Place::of(unix_ms, msgid))
}

fn history(connection: &Connection, id: i64, range: Range, all: bool) -> Result<Vec<Entry>> {
    let table = (rows::MESSAGE, "message m", "m");
    let messages = entries(connection, table, id, range, |row| {
        rows::message(row).map(|message| Entry::Message(Arc::new(message)))
    })?;
    if !all {
        return Ok(messages);
    }
    let table = (rows::HAPPENING, "happening h", "h");
    let happenings = entries(connection, table, id, range, |row| {
        rows::happening(row).map(|happening| Entry::Happening(Arc::new(happening)))
    })?;
    Ok(merged(messages, happenings, range))
}

fn entries(
    connection: &Connection,
    (columns, table, name): (&str, &str, &str),
    id: i64,
    range: Range,
    read: impl FnMut(&Row<'_>) -> Result<Entry>,
) -> Result<Vec<Entry>> {
    let order = if range.newest { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {columns} FROM {table} WHERE {name}.conversation = ?1 \
         AND ({name}.unix_ms, {name}.origin, {name}.sequence) > (?2, ?3, ?4) \
         AND ({name}.unix_ms, {name}.origin, {name}.sequence) < (?5, ?6, ?7) \
         ORDER BY {name}.unix_ms {order}, {name}.origin {order}, {name}.sequence {order} LIMIT ?8"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let (after, before) = (range.after, range.before);
    let rows = statement.query_map(
        params![
            id,
            clamped(after.unix_ms),
            after.database,
            clamped(after.sequence),
            clamped(before.unix_ms),
            before.database,
            clamped(before.sequence),
            count(range.limit),
        ],
        read,
    )?;
    let mut entries: Vec<Entry> = rows.collect::<Result<_>>()?;
    if range.newest {
        entries.reverse();
    }
    Ok(entries)
}

fn targets(
    connection: &Connection,
    account: Option<&str>,
    rooms: &[Arc<str>],
    (from, to): (u64, u64),
    limit: usize,
) -> Result<Vec<(Arc<str>, u64)>> {
    let order = if from <= to { "ASC" } else { "DESC" };
    let sql = format!(
        "SELECT id, last FROM (SELECT id, key, \
             (SELECT max(unix_ms) FROM message WHERE conversation = c.id) AS last \
             FROM conversation c WHERE (first IS NULL AND key IN (SELECT value FROM json_each(?1))) \
             OR first = ?2 OR second = ?2) \
         WHERE last > ?3 AND last < ?4 ORDER BY last {order}, key {order} LIMIT ?5"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let (earlier, later) = (clamped(from.min(to)), clamped(from.max(to)));
    let rooms = serde_json::json!(rooms.iter().map(AsRef::as_ref).collect::<Vec<&str>>());
    let row = params![rooms.to_string(), account, earlier, later, count(limit)];
    let found = statement.query_map(row, |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
    let found: Vec<(i64, u64)> = found.collect::<Result<_>>()?;
    let named = found.into_iter().map(|(id, unix_ms)| {
        let sql = select_message(
            "m.conversation = ?1 ORDER BY m.unix_ms DESC, m.origin DESC, m.sequence DESC LIMIT 1",
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let last = statement.query_row([id], rows::message)?;
        Ok((last.shown_to(account.unwrap_or_default()), unix_ms))
    });
    let mut named: Vec<_> = named.collect::<Result<_>>()?;
    if from > to {
        named.reverse();
    }
    Ok(named)
}

fn search(
    connection: &Connection,
    conversations: &[Conversation],
    text: &str,
    from: Option<&str>,
    before: Option<Anchor>,
    limit: usize,
) -> Result<Vec<Entry>> {
    // Each word in quotes, so that none of it is taken for the language of FTS5.
    let quoted: Vec<String> = query::words(text)
        .map(|word| format!("\"{word}\""))
        .collect();
    if quoted.is_empty() {
        return Ok(Vec::new());
    }
    let before = match before {
        Some(anchor) => start(anchor, |msgid| place(connection, msgid))?,
        None => Place::LAST,
    };
    let keys: Vec<String> = conversations.iter().map(Conversation::key).collect();
    let keys = serde_json::json!(keys).to_string();
    words::index_recent(connection, &keys)?;
    // What was found comes first, whatever SQLite thinks of it: it is what is not of all messages.
    let sql = format!(
        "SELECT {} FROM (SELECT rowid AS id FROM message_text WHERE message_text MATCH ?1 \
             UNION ALL SELECT rowid FROM temp.recent_text WHERE recent_text MATCH ?1) AS found \
         CROSS JOIN message m ON m.id = found.id \
         WHERE m.conversation IN (SELECT c.id FROM conversation c \
             WHERE c.key IN (SELECT value FROM json_each(?2))) \
         AND (?3 IS NULL OR m.nick = ?3 COLLATE NOCASE OR m.account = ?3 COLLATE NOCASE) \
         AND (m.unix_ms, m.origin, m.sequence) < (?4, ?5, ?6) \
         ORDER BY m.unix_ms DESC, m.origin DESC, m.sequence DESC LIMIT ?7",
        rows::MESSAGE
    );
    let mut statement = connection.prepare(&sql)?;
    let found = statement.query_map(
        params![
            quoted.join(" "),
            keys,
            from,
            clamped(before.unix_ms),
            before.database,
            clamped(before.sequence),
            count(limit),
        ],
        |row| rows::message(row).map(|message| Entry::Message(Arc::new(message))),
    )?;
    let mut entries: Vec<Entry> = found.collect::<Result<_>>()?;
    entries.reverse();
    Ok(entries)
}

fn count(limit: usize) -> i64 {
    limit.min(ANSWER_MAX) as i64
}
