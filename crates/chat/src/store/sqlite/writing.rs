//! One batch of writes as statements of one transaction. It must never commit one itself.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::errors::{clamped, unsigned};
use super::{pruning, rows, words};
use crate::chat::command::Role;
use crate::chat::event::{Message, Place, Redaction};
use crate::chat::ids::Msgid;
use crate::chat::names::fold;
use crate::store::record::{
    AccountRecord, Happening, MaskChange, RoomRecord, ServerBan, Write, conversation,
};
use crate::store::retention::{content_bytes, happening_bytes, message_bytes};

/// Conversations whose numbers are remembered; above it, all are forgotten and looked up again.
const KNOWN_MAX: usize = 10_000;

/// The numbers of conversations, by their names.
pub(super) type Known = BTreeMap<String, i64>;

/// What a batch adds up, to be written once at its end.
pub(super) struct Batch<'a> {
    connection: &'a Connection,
    known: &'a mut Known,
    origin: u32,
    last: (u64, u64),
    bytes: i64,
    /// The last message in the index of words, and the last one of all, by their ids.
    indexed: i64,
    last_id: i64,
    /// Messages and happenings, by conversation.
    counts: BTreeMap<i64, (i64, i64)>,
}

impl<'a> Batch<'a> {
    /// `indexed` is the last message in the index of words, by its id.
    pub(super) fn begin(
        connection: &'a Connection,
        known: &'a mut Known,
        origin: u32,
        indexed: i64,
    ) -> Self {
        if known.len() > KNOWN_MAX {
            known.clear();
        }
        Batch {
            connection,
            known,
            origin,
            last: (0, 0),
            bytes: 0,
            indexed,
            last_id: indexed,
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn write(&mut self, write: &Write) -> Result<()> {
        match write {
            Write::Message(message) => self.message(message),
            Write::Happened(happening) => self.happening(happening),
            Write::Redact { msgid, redaction } => self.redact(*msgid, redaction),
            Write::Room(room) => self.room(room),
            Write::NoRoom { room, history } => self.no_room(room, *history),
            Write::Mask { room, list, entry } => self.mask(room, rows::list(*list), entry),
            Write::Role {
                room,
                account,
                role,
            } => self.role(room, account, *role),
            Write::Account(account) => self.account(account),
            Write::ReadMark {
                account,
                target,
                unix_ms,
            } => self.run(
                "INSERT INTO read_mark VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE \
                 SET unix_ms = max(unix_ms, excluded.unix_ms)",
                params![account, target, clamped(*unix_ms)],
            ),
            Write::ServerBan(ban) => self.ban(ban),
            Write::NoServerBan { mask } => self.run("DELETE FROM ban WHERE mask = ?1", [mask]),
            Write::Invitation { code, used_by } => self.run(
                "INSERT INTO invitation VALUES (?1, ?2) ON CONFLICT DO UPDATE \
                 SET used_by = coalesce(used_by, excluded.used_by)",
                params![code, used_by],
            ),
            Write::Audit {
                unix_ms,
                admin,
                action,
            } => self.run(
                "INSERT INTO audit (unix_ms, admin, action) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO NOTHING",
                params![clamped(*unix_ms), admin, action],
            ),
        }
    }

    /// Writes what was added up; the last message in the index of words then.
    pub(super) fn end(self) -> Result<i64> {
        let (sequence, unix_ms) = self.last;
        let sql = "UPDATE server SET last_sequence = max(last_sequence, ?1), \
                   last_unix_ms = max(last_unix_ms, ?2), bytes = bytes + ?3";
        let row = params![clamped(sequence), clamped(unix_ms), self.bytes];
        self.run(sql, row)?;
        for (conversation, (messages, happenings)) in &self.counts {
            let sql = "UPDATE conversation SET messages = messages + ?2, \
                       happenings = happenings + ?3 WHERE id = ?1";
            self.run(sql, params![conversation, messages, happenings])?;
        }
        if self.last_id - self.indexed <= words::BEHIND_MAX {
            return Ok(self.indexed);
        }
        words::catch_up(self.connection)
    }

    fn message(&mut self, message: &Message) -> Result<()> {
        let key = conversation(&message.place, message.from.account.as_deref());
        let between = matches!(message.place, Place::Person { .. });
        let conversation = key.map(|key| self.conversation(key, between)).transpose()?;
        let bytes = clamped(message_bytes(message));
        let mut id = self.insert_message(message, conversation, bytes)?;
        if id.is_none() && self.remove_forgotten("message", message.msgid)? {
            id = self.insert_message(message, conversation, bytes)?;
        }
        let Some(id) = id else { return Ok(()) };
        self.bytes += bytes;
        self.last_id = self.last_id.max(id);
        if let Some(conversation) = conversation {
            self.counts.entry(conversation).or_default().0 += 1;
        }
        self.passed(message.msgid, message.unix_ms);
        Ok(())
    }

    /// The number of its row, if it was not there already.
    fn insert_message(
        &self,
        message: &Message,
        conversation: Option<i64>,
        bytes: i64,
    ) -> Result<Option<i64>> {
        let (is_private, target, account) = match &message.place {
            Place::Room(name) => (false, name, None),
            Place::Person { nick, account } => (true, nick, account.as_ref()),
        };
        let (from, redacted) = (&message.from, message.redacted.as_deref());
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO message (origin, sequence, unix_ms, conversation, bytes, kind, \
             is_private, target, target_account, nick, user, host, account, realname, bot, tags, \
             text, redacted_by, redacted_why, redacted_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
             ?18, ?19, ?20) ON CONFLICT DO NOTHING",
        )?;
        let inserted = insert.execute(params![
            message.msgid.database,
            sequence(message.msgid)?,
            clamped(message.unix_ms),
            conversation,
            bytes,
            rows::kind(message.kind),
            is_private,
            target,
            account,
            from.nick,
            from.user,
            from.host,
            from.account,
            from.realname,
            from.bot,
            rows::tags_text(&message.tags),
            message.text,
            redacted.map(|redaction| &redaction.by),
            redacted.map(|redaction| &redaction.reason),
            redacted.map(|redaction| clamped(redaction.unix_ms)),
        ])?;
        Ok((inserted > 0).then(|| self.connection.last_insert_rowid()))
    }

    fn happening(&mut self, happening: &Happening) -> Result<()> {
        let key = fold(&happening.room).into_owned();
        let conversation = self.conversation(key, false)?;
        let (kind, target, text) = rows::what(&happening.what);
        let bytes = clamped(happening_bytes(happening));
        let row = params![
            happening.msgid.database,
            sequence(happening.msgid)?,
            clamped(happening.unix_ms),
            conversation,
            bytes,
            kind,
            happening.room,
            happening.source,
            happening.account,
            target,
            text,
        ];
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO happening (origin, sequence, unix_ms, conversation, bytes, kind, room, \
             source, account, target, text) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        )?;
        let mut inserted = insert.execute(row)?;
        if inserted == 0 && self.remove_forgotten("happening", happening.msgid)? {
            inserted = insert.execute(row)?;
        }
        if inserted > 0 {
            self.bytes += bytes;
            self.counts.entry(conversation).or_default().1 += 1;
            self.passed(happening.msgid, happening.unix_ms);
        }
        Ok(())
    }

    /// Removes an entry that only waits for that, for it has come again; whether it was one.
    fn remove_forgotten(&mut self, table: &str, msgid: Msgid) -> Result<bool> {
        let sql = format!(
            "SELECT id, bytes FROM {table} \
             WHERE origin = ?1 AND sequence = ?2 AND conversation IN ({FORGOTTEN})"
        );
        let row = params![msgid.database, clamped(msgid.sequence)];
        let found = self
            .connection
            .query_row(&sql, row, |row| Ok((row.get(0)?, row.get(1)?)));
        let Some(found) = found.optional()? else {
            return Ok(false);
        };
        pruning::remove(self.connection, table, &[found])?;
        self.indexed = words::ends(self.connection)?.0;
        Ok(true)
    }

    fn redact(&mut self, msgid: Msgid, redaction: &Redaction) -> Result<()> {
        let sql = format!(
            "SELECT {}, m.id FROM message m \
             WHERE origin = ?1 AND sequence = ?2 AND redacted_by IS NULL",
            rows::MESSAGE
        );
        let found = |row: &Row<'_>| Ok((rows::message(row)?, row.get::<_, i64>(18)?));
        let row = params![msgid.database, clamped(msgid.sequence)];
        let mut select = self.connection.prepare_cached(&sql)?;
        let Some((message, id)) = select.query_row(row, found).optional()? else {
            return Ok(());
        };
        words::forget(self.connection, id, &message.text)?;
        let content = clamped(content_bytes(&message) as u64);
        self.bytes -= content;
        self.run(
            "UPDATE message SET text = '', tags = NULL, bytes = bytes - ?2, redacted_by = ?3, \
             redacted_why = ?4, redacted_ms = ?5 WHERE id = ?1",
            params![
                id,
                content,
                redaction.by,
                redaction.reason,
                clamped(redaction.unix_ms)
            ],
        )
    }

    fn room(&self, room: &RoomRecord) -> Result<()> {
        let topic = room.topic.as_ref();
        self.run(
            "INSERT OR REPLACE INTO room VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                fold(&room.name),
                room.name,
                clamped(room.created_unix_ms),
                topic.map(|topic| &topic.0),
                topic.map(|topic| &topic.1),
                topic.map(|topic| clamped(topic.2)),
                rows::flags(&room.flags),
                room.key,
                room.limit,
            ],
        )
    }

    fn no_room(&mut self, room: &str, history: bool) -> Result<()> {
        self.run("DELETE FROM room WHERE key = ?1", [room])?;
        self.run("DELETE FROM mask WHERE room = ?1", [room])?;
        self.run("DELETE FROM role WHERE room = ?1", [room])?;
        if history {
            // Nobody can ask for it any more; pruning removes it, however much it is.
            self.run(FORGET_CONVERSATION, [room])?;
            self.known.remove(room);
        }
        Ok(())
    }

    fn mask(&self, room: &str, list: &str, entry: &MaskChange) -> Result<()> {
        match entry {
            MaskChange::Added(entry) => self.run(
                "INSERT OR REPLACE INTO mask (room, list, mask, set_by, set_ms) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![room, list, entry.mask, entry.by, clamped(entry.unix_ms)],
            ),
            MaskChange::Removed { mask } => self.run(
                "DELETE FROM mask WHERE room = ?1 AND list = ?2 AND mask = ?3",
                params![room, list, mask],
            ),
        }
    }

    fn role(&self, room: &str, account: &str, role: Role) -> Result<()> {
        if role == Role::Member {
            let sql = "DELETE FROM role WHERE room = ?1 AND account = ?2";
            return self.run(sql, params![room, account]);
        }
        self.run(
            "INSERT OR REPLACE INTO role VALUES (?1, ?2, ?3)",
            params![room, account, rows::role(role)],
        )
    }

    fn account(&self, account: &AccountRecord) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO account VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                fold(&account.name),
                account.name,
                account.verifier,
                clamped(account.created_unix_ms),
                rows::certificates_text(&account.certificates),
                account.suspended,
            ],
        )
    }

    fn ban(&self, ban: &ServerBan) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO ban (mask, reason, set_by, created_ms, until_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                ban.mask,
                ban.reason,
                ban.by,
                clamped(ban.created_unix_ms),
                ban.until_unix_ms.map(clamped),
            ],
        )
    }

    fn conversation(&mut self, key: String, between: bool) -> Result<i64> {
        if let Some(id) = self.known.get(&key) {
            return Ok(*id);
        }
        let accounts = key.split_once(' ').filter(|_| between);
        let (first, second) = accounts.unzip();
        let sql = "INSERT INTO conversation (key, first, second) VALUES (?1, ?2, ?3) \
                   ON CONFLICT DO NOTHING";
        self.run(sql, params![key, first, second])?;
        let sql = "SELECT id FROM conversation WHERE key = ?1";
        let mut select = self.connection.prepare_cached(sql)?;
        let id = select.query_row([&key], |row| row.get(0))?;
        self.known.insert(key, id);
        Ok(id)
    }

    fn passed(&mut self, msgid: Msgid, unix_ms: u64) {
        if msgid.database == self.origin {
            let (last_sequence, last_unix_ms) = self.last;
            self.last = (last_sequence.max(msgid.sequence), last_unix_ms.max(unix_ms));
        }
    }

    fn run(&self, sql: &str, row: impl rusqlite::Params) -> Result<()> {
        self.connection.prepare_cached(sql)?.execute(row).map(drop)
    }
}

/// Gives a conversation a name that none can have, since each account has a name of its own.
const FORGET_CONVERSATION: &str = "UPDATE conversation SET key = ' ' || id WHERE key = ?1";

/// The conversations that were forgotten so: their entries only wait to be removed.
pub(super) const FORGOTTEN: &str = "SELECT id FROM conversation WHERE key >= ' ' AND key < '!'";

/// The number in a message's name, which has to be one that can be stored.
fn sequence(msgid: Msgid) -> Result<i64> {
    let number = clamped(msgid.sequence);
    if unsigned(number) != msgid.sequence {
        let why = format!("no message is called {msgid}");
        return Err(rusqlite::Error::ToSqlConversionFailure(why.into()));
    }
    Ok(number)
}
