//! What a server needs in memory when it starts. It must never read a message.

use rusqlite::{Connection, Result, Row};

use super::errors::unsigned;
use super::rows;
use crate::store::record::{AccountRecord, MaskEntry, RoomRecord, ServerBan, Snapshot};

/// All of one moment.
pub(super) fn snapshot(connection: &mut Connection) -> Result<Snapshot> {
    let transaction = connection.transaction()?;
    let connection: &Connection = &transaction;
    let server = "SELECT origin, last_sequence, last_unix_ms FROM server";
    let (database, last_sequence, last_unix_ms) = connection.query_row(server, (), |row| {
        Ok((row.get(0)?, unsigned(row.get(1)?), unsigned(row.get(2)?)))
    })?;
    Ok(Snapshot {
        database,
        last_sequence,
        last_unix_ms,
        rooms: all(connection, "SELECT * FROM room ORDER BY key", room)?,
        masks: all(
            connection,
            "SELECT room, list, mask, set_by, set_ms FROM mask ORDER BY id",
            |row| {
                let list: String = row.get(1)?;
                let entry = MaskEntry {
                    mask: row.get(2)?,
                    by: row.get(3)?,
                    unix_ms: unsigned(row.get(4)?),
                };
                Ok((row.get(0)?, rows::list_named(&list)?, entry))
            },
        )?,
        roles: all(
            connection,
            "SELECT room, account, role FROM role ORDER BY room, account",
            |row| {
                let role: String = row.get(2)?;
                Ok((row.get(0)?, row.get(1)?, rows::role_named(&role)?))
            },
        )?,
        accounts: all(connection, "SELECT * FROM account ORDER BY key", account)?,
        bans: all(connection, "SELECT * FROM ban ORDER BY id", ban)?,
        invitations: all(
            connection,
            "SELECT code FROM invitation WHERE used_by IS NULL ORDER BY code",
            |row| row.get(0),
        )?,
    })
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map((), read)?.collect()
}

fn room(row: &Row<'_>) -> Result<RoomRecord> {
    let topic = match row.get(3)? {
        Some(text) => Some((text, row.get(4)?, unsigned(row.get(5)?))),
        None => None,
    };
    let flags: String = row.get(6)?;
    Ok(RoomRecord {
        name: row.get(1)?,
        created_unix_ms: unsigned(row.get(2)?),
        topic,
        flags: rows::flags_named(&flags)?,
        key: row.get(7)?,
        limit: row.get(8)?,
    })
}

fn account(row: &Row<'_>) -> Result<AccountRecord> {
    let certificates: String = row.get(4)?;
    Ok(AccountRecord {
        name: row.get(1)?,
        verifier: row.get(2)?,
        created_unix_ms: unsigned(row.get(3)?),
        certificates: rows::certificates(&certificates)?,
        suspended: row.get(5)?,
    })
}

fn ban(row: &Row<'_>) -> Result<ServerBan> {
    let until: Option<i64> = row.get(5)?;
    Ok(ServerBan {
        mask: row.get(1)?,
        reason: row.get(2)?,
        by: row.get(3)?,
        created_unix_ms: unsigned(row.get(4)?),
        until_unix_ms: until.map(unsigned),
    })
}
