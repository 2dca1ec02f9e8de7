//! What is no longer kept goes, a bounded part of it at each step. It must never look at entries
//! that stay.

use rusqlite::{Connection, OptionalExtension, Result, Row, TransactionBehavior, params};

use super::errors::clamped;
use super::words;
use super::writing::FORGOTTEN;
use crate::store::retention::{PRUNE_MAX, Retention};

/// Pages that one step gives back to the file system.
const PAGES_MAX: i64 = 256;

/// Pages that are kept for what comes next.
const PAGES_SPARE: i64 = 256;

/// Tables that hold entries, and the column of `conversation` that counts them.
const TABLES: [(&str, &str); 2] = [("message", "messages"), ("happening", "happenings")];

/// Removes a part of what is not kept; if there was any, the last message in the index of words then.
pub(super) fn step(
    connection: &mut Connection,
    retention: &Retention,
    unix_ms: u64,
) -> Result<Option<i64>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let bans = "DELETE FROM ban WHERE until_ms <= ?1";
    let bans = transaction.execute(bans, [clamped(unix_ms)])?;
    let removed = bans > 0
        || forgotten(&transaction)?
        || too_old(&transaction, retention, unix_ms)?
        || too_many(&transaction, retention)?
        || too_large(&transaction, retention)?
        || nothing_left(&transaction)?;
    let (indexed, _) = words::ends(&transaction)?;
    transaction.commit()?;
    Ok(removed.then_some(indexed))
}

/// What was said in rooms that are gone.
fn forgotten(connection: &Connection) -> Result<bool> {
    let sql = format!("{FORGOTTEN} AND messages + happenings > 0 LIMIT 1");
    let found = connection
        .query_row(&sql, (), |row| row.get(0))
        .optional()?;
    let Some(conversation) = found else {
        return Ok(false);
    };
    for (table, _) in TABLES {
        let rows = first_of(connection, table, conversation, PRUNE_MAX as i64)?;
        if !rows.is_empty() {
            remove(connection, table, &rows)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn too_old(connection: &Connection, retention: &Retention, unix_ms: u64) -> Result<bool> {
    let Some(age) = retention.max_age else {
        return Ok(false);
    };
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let oldest = clamped(unix_ms.saturating_sub(age_ms));
    let sql = "DELETE FROM read_mark WHERE unix_ms < ?1";
    let marks = connection.execute(sql, [oldest])?;
    let Some(head) = head(connection)?.filter(|head| head.place.0 < oldest) else {
        return Ok(marks > 0);
    };
    let rows = rows_of(connection, &head, (oldest, 0, 0))?;
    remove(connection, head.table, &rows)?;
    Ok(true)
}

fn too_many(connection: &Connection, retention: &Retention) -> Result<bool> {
    let Some(max) = retention.max_count.map(clamped) else {
        return Ok(false);
    };
    for (table, counter) in TABLES {
        let sql = format!("SELECT id, {counter} FROM conversation WHERE {counter} > ?1 LIMIT 1");
        let found = connection
            .query_row(&sql, [max], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
            .optional()?;
        let Some((conversation, count)): Option<(i64, i64)> = found else {
            continue;
        };
        let surplus = (count - max).min(PRUNE_MAX as i64);
        let rows = first_of(connection, table, conversation, surplus)?;
        remove(connection, table, &rows)?;
        return Ok(true);
    }
    Ok(false)
}

/// The first entries of a conversation: their ids and bytes.
fn first_of(
    connection: &Connection,
    table: &str,
    conversation: i64,
    limit: i64,
) -> Result<Vec<(i64, i64)>> {
    let sql = format!(
        "SELECT id, bytes FROM {table} WHERE conversation = ?1 \
         ORDER BY unix_ms, origin, sequence LIMIT ?2"
    );
    let mut statement = connection.prepare(&sql)?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    statement
        .query_map(params![conversation, limit], row)?
        .collect()
}

fn too_large(connection: &Connection, retention: &Retention) -> Result<bool> {
    let Some(max) = retention.max_bytes.map(clamped) else {
        return Ok(false);
    };
    let bytes: i64 = connection.query_row("SELECT bytes FROM server", (), |row| row.get(0))?;
    let mut surplus = bytes - max;
    if surplus <= 0 {
        return Ok(false);
    }
    let Some(head) = head(connection)? else {
        return Ok(false);
    };
    let mut rows = rows_of(connection, &head, END)?;
    let needed = rows.iter().take_while(|(_, bytes)| {
        let is_needed = surplus > 0;
        surplus -= bytes;
        is_needed
    });
    let needed = needed.count();
    rows.truncate(needed);
    remove(connection, head.table, &rows)?;
    Ok(true)
}

/// What entries are ordered by, as in [`Place`](crate::store::place::Place): time, database,
/// number.
type Place = (i64, i64, i64);

/// Behind all entries.
const END: Place = (i64::MAX, i64::MAX, i64::MAX);

/// Where the oldest entry of all is: the entries of one database are in order of time by their
/// names.
struct Head {
    table: &'static str,
    place: Place,
    /// Of the same table and database everything before this is older than the rest.
    until: Place,
}

fn head(connection: &Connection) -> Result<Option<Head>> {
    let mut heads = Vec::new();
    for (table, _) in TABLES {
        let mut after = -1_i64;
        let sql = format!(
            "SELECT unix_ms, origin, sequence FROM {table} WHERE origin > ?1 \
             ORDER BY origin, sequence LIMIT 1"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        // Databases are as few as machines that messages came from.
        while let Some(place) = statement.query_row([after], place).optional()? {
            heads.push((place, table));
            after = place.1;
        }
    }
    heads.sort_unstable();
    let until = heads.get(1).map_or(END, |next| next.0);
    let first = heads.first();
    Ok(first.map(|(place, table)| Head {
        table,
        place: *place,
        until,
    }))
}

fn place(row: &Row<'_>) -> Result<Place> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// The first entries of `head`, all of them before `end`, and before any of another head.
fn rows_of(connection: &Connection, head: &Head, end: Place) -> Result<Vec<(i64, i64)>> {
    let sql = format!(
        "SELECT unix_ms, origin, sequence, id, bytes FROM {} WHERE origin = ?1 \
         ORDER BY sequence LIMIT ?2",
        head.table
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let end = end.min(head.until);
    let rows = statement.query_map(params![head.place.1, PRUNE_MAX as i64], |row| {
        Ok((place(row)?, (row.get(3)?, row.get(4)?)))
    })?;
    let rows: Vec<(Place, (i64, i64))> = rows.collect::<Result<_>>()?;
    let old = rows.into_iter().take_while(|(place, _)| *place < end);
    Ok(old.map(|(_, row)| row).collect())
}

/// Removes entries by their ids and bytes.
pub(super) fn remove(connection: &Connection, table: &str, rows: &[(i64, i64)]) -> Result<()> {
    let counter = TABLES.iter().find(|(name, _)| *name == table);
    let counter = counter.expect("a head is of one of the tables").1;
    let text = if table == "message" { "text" } else { "''" };
    let delete = format!("DELETE FROM {table} WHERE id = ?1 RETURNING conversation, {text}");
    let count = format!("UPDATE conversation SET {counter} = {counter} - 1 WHERE id = ?1");
    for (id, bytes) in rows {
        let mut statement = connection.prepare_cached(&delete)?;
        let (conversation, text) = statement.query_row([id], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, String>(1)?))
        })?;
        words::forget(connection, *id, &text)?;
        connection.prepare_cached(&count)?.execute([conversation])?;
        connection
            .prepare_cached("UPDATE server SET bytes = bytes - ?1")?
            .execute([bytes])?;
    }
    words::recede(connection)
}

/// Conversations of which nothing is kept: that they were is not kept either.
fn nothing_left(connection: &Connection) -> Result<bool> {
    let sql = "DELETE FROM conversation WHERE id IN (SELECT id FROM conversation \
               WHERE messages = 0 AND happenings = 0 LIMIT ?1)";
    Ok(connection.execute(sql, [PRUNE_MAX as i64])? > 0)
}

/// Gives pages that nothing is on any more back to the file system; whether there are more.
pub(super) fn give_back_pages(connection: &Connection) -> Result<bool> {
    let free = || connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
    let surplus = free()? - PAGES_SPARE;
    if surplus <= 0 {
        return Ok(false);
    }
    let sql = format!("PRAGMA incremental_vacuum({})", surplus.min(PAGES_MAX));
    let mut statement = connection.prepare(&sql)?;
    let mut pages = statement.query(())?;
    // A page at each step.
    while pages.next()?.is_some() {}
    Ok(surplus > PAGES_MAX)
}
