//! All that is in a database, a page at a time. It must never hold up who writes: between two pages
//! nothing is held.

use std::sync::Arc;

use rusqlite::{Connection, Result, Row, params};

use super::errors::{failure, unsigned};
use super::writing::FORGOTTEN;
use super::{SqliteArchive, loading, rows};
use crate::store::StoreError;
use crate::store::query::{ANSWER_MAX, Entry};
use crate::store::record::{MaskChange, Write};

/// How far a walk through all entries has come: messages first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    in_happenings: bool,
    id: i64,
}

impl SqliteArchive {
    /// The next entries, in the order in which they were stored; none when there are no more.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn next_entries(
        &mut self,
        cursor: &mut Cursor,
    ) -> std::result::Result<Vec<Entry>, StoreError> {
        let connection = &self.connection;
        if !cursor.in_happenings {
            let sql = format!(
                "SELECT {}, m.id FROM message m WHERE m.id > ?1 \
                 AND ifnull(m.conversation NOT IN ({FORGOTTEN}), 1) ORDER BY m.id LIMIT ?2",
                rows::MESSAGE
            );
            let read = |row: &Row<'_>| {
                let entry = Entry::Message(Arc::new(rows::message(row)?));
                Ok((entry, row.get(18)?))
            };
            let entries = page(connection, &sql, &mut cursor.id, read).map_err(failure)?;
            if !entries.is_empty() {
                return Ok(entries);
            }
            *cursor = Cursor {
                in_happenings: true,
                id: 0,
            };
        }
        let sql = format!(
            "SELECT {}, h.id FROM happening h WHERE h.id > ?1 \
             AND h.conversation NOT IN ({FORGOTTEN}) ORDER BY h.id LIMIT ?2",
            rows::HAPPENING
        );
        let read = |row: &Row<'_>| {
            let entry = Entry::Happening(Arc::new(rows::happening(row)?));
            Ok((entry, row.get(9)?))
        };
        page(connection, &sql, &mut cursor.id, read).map_err(failure)
    }

    /// Everything else, as what would have to be stored for it to be there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn settings(&mut self) -> std::result::Result<Vec<Write>, StoreError> {
        settings(&mut self.connection).map_err(failure)
    }
}

fn page(
    connection: &Connection,
    sql: &str,
    after: &mut i64,
    read: impl FnMut(&Row<'_>) -> Result<(Entry, i64)>,
) -> Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![*after, ANSWER_MAX as i64], read)?;
    let rows: Vec<(Entry, i64)> = rows.collect::<Result<_>>()?;
    *after = rows.last().map_or(*after, |last| last.1);
    Ok(rows.into_iter().map(|(entry, _)| entry).collect())
}

fn settings(connection: &mut Connection) -> Result<Vec<Write>> {
    let snapshot = loading::snapshot(connection)?;
    let mut writes = Vec::new();
    let rooms = snapshot.rooms.into_iter();
    writes.extend(rooms.map(|room| Write::Room(Arc::new(room))));
    let masks = snapshot.masks.into_iter();
    writes.extend(masks.map(|(room, list, entry)| Write::Mask {
        room,
        list,
        entry: MaskChange::Added(entry),
    }));
    let roles = snapshot.roles.into_iter();
    writes.extend(roles.map(|(room, account, role)| Write::Role {
        room,
        account,
        role,
    }));
    let accounts = snapshot.accounts.into_iter();
    writes.extend(accounts.map(|account| Write::Account(Arc::new(account))));
    let bans = snapshot.bans.into_iter();
    writes.extend(bans.map(|ban| Write::ServerBan(Arc::new(ban))));
    let marks = "SELECT account, target, unix_ms FROM read_mark ORDER BY account, target";
    writes.extend(loading::all(connection, marks, |row| {
        Ok(Write::ReadMark {
            account: row.get(0)?,
            target: row.get(1)?,
            unix_ms: unsigned(row.get(2)?),
        })
    })?);
    let invitations = "SELECT code, used_by FROM invitation ORDER BY code";
    writes.extend(loading::all(connection, invitations, |row| {
        Ok(Write::Invitation {
            code: row.get(0)?,
            used_by: row.get(1)?,
        })
    })?);
    let audit = "SELECT unix_ms, admin, action FROM audit ORDER BY id";
    writes.extend(loading::all(connection, audit, |row| {
        Ok(Write::Audit {
            unix_ms: unsigned(row.get(0)?),
            admin: row.get(1)?,
            action: row.get(2)?,
        })
    })?);
    Ok(writes)
}
