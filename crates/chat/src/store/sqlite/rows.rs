//! How values look in rows, and rows as values again. It must never guess: a row that says nothing
//! known is an error.

use std::sync::Arc;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Error, Result, Row};

use super::errors::unsigned;
use crate::chat::command::{Flag, Kind, MaskList, Role, Tag};
use crate::chat::event::{Identity, Message, Place, Redaction};
use crate::chat::ids::Msgid;
use crate::store::record::{Happening, What};

/// The columns that [`message`] reads, in its order.
pub(super) const MESSAGE: &str = "m.origin, m.sequence, m.unix_ms, m.kind, m.is_private, m.target, \
     m.target_account, m.nick, m.user, m.host, m.account, m.realname, m.bot, m.tags, m.text, \
     m.redacted_by, m.redacted_why, m.redacted_ms";

/// The columns that [`happening`] reads, in its order.
pub(super) const HAPPENING: &str = "h.origin, h.sequence, h.unix_ms, h.kind, h.room, h.source, \
     h.account, h.target, h.text";

pub(super) fn message(row: &Row<'_>) -> Result<Message> {
    let place = if row.get(4)? {
        Place::Person {
            nick: row.get(5)?,
            account: row.get(6)?,
        }
    } else {
        Place::Room(row.get(5)?)
    };
    let redacted_by: Option<Arc<str>> = row.get(15)?;
    let redacted = redacted_by.map(|by| -> Result<_> {
        Ok(Arc::new(Redaction {
            by,
            reason: row.get(16)?,
            unix_ms: unsigned(row.get(17)?),
        }))
    });
    Ok(Message {
        msgid: msgid(row)?,
        unix_ms: unsigned(row.get(2)?),
        place,
        from: Arc::new(Identity {
            nick: row.get(7)?,
            user: row.get(8)?,
            host: row.get(9)?,
            account: row.get(10)?,
            realname: row.get(11)?,
            bot: row.get(12)?,
        }),
        kind: coded(&KINDS, row.get(3)?)?,
        text: row.get(14)?,
        tags: tags(row.get(13)?)?,
        redacted: redacted.transpose()?,
    })
}

pub(super) fn happening(row: &Row<'_>) -> Result<Happening> {
    let text: Arc<str> = row.get(8)?;
    let what = match row.get(3)? {
        0 => What::Joined { realname: text },
        1 => What::Parted(text),
        2 => What::Quit(text),
        3 => What::Kicked {
            nick: row.get(7)?,
            reason: text,
        },
        4 => What::Renamed(text),
        5 => What::Topic(text),
        6 => What::Modes(text),
        other => return Err(unknown(other)),
    };
    Ok(Happening {
        msgid: msgid(row)?,
        unix_ms: unsigned(row.get(2)?),
        room: row.get(4)?,
        source: row.get(5)?,
        account: row.get(6)?,
        what,
    })
}

/// The kind, who was kicked, and the text.
pub(super) fn what(what: &What) -> (i64, Option<&str>, &str) {
    match what {
        What::Joined { realname } => (0, None, realname),
        What::Parted(reason) => (1, None, reason),
        What::Quit(reason) => (2, None, reason),
        What::Kicked { nick, reason } => (3, Some(nick), reason),
        What::Renamed(nick) => (4, None, nick),
        What::Topic(text) => (5, None, text),
        What::Modes(text) => (6, None, text),
    }
}

fn msgid(row: &Row<'_>) -> Result<Msgid> {
    Ok(Msgid {
        database: row.get(0)?,
        sequence: unsigned(row.get(1)?),
    })
}

const KINDS: [(i64, Kind); 3] = [(0, Kind::Message), (1, Kind::Notice), (2, Kind::Tags)];

pub(super) fn kind(kind: Kind) -> i64 {
    code(&KINDS, kind)
}

const LISTS: [(&str, MaskList); 4] = [
    ("ban", MaskList::Ban),
    ("exemption", MaskList::Exemption),
    ("invitation", MaskList::Invitation),
    ("mute", MaskList::Mute),
];

pub(super) fn list(list: MaskList) -> &'static str {
    code(&LISTS, list)
}

pub(super) fn list_named(name: &str) -> Result<MaskList> {
    coded(&LISTS, name)
}

const ROLES: [(&str, Role); 4] = [
    ("member", Role::Member),
    ("voice", Role::Voice),
    ("operator", Role::Operator),
    ("owner", Role::Owner),
];

pub(super) fn role(role: Role) -> &'static str {
    code(&ROLES, role)
}

pub(super) fn role_named(name: &str) -> Result<Role> {
    coded(&ROLES, name)
}

const FLAGS: [(char, Flag); 7] = [
    ('i', Flag::InviteOnly),
    ('m', Flag::Moderated),
    ('n', Flag::NoOutsiders),
    ('s', Flag::Secret),
    ('t', Flag::TopicLocked),
    ('R', Flag::AccountsOnly),
    ('M', Flag::AccountsSpeak),
];

pub(super) fn flags(flags: &[Flag]) -> String {
    flags.iter().map(|flag| code(&FLAGS, *flag)).collect()
}

pub(super) fn flags_named(letters: &str) -> Result<Vec<Flag>> {
    letters
        .chars()
        .map(|letter| coded(&FLAGS, letter))
        .collect()
}

pub(super) fn tags_text(tags: &[Tag]) -> Option<String> {
    let pairs: Vec<[&str; 2]> = tags.iter().map(|(key, value)| [&**key, &**value]).collect();
    (!pairs.is_empty()).then(|| serde_json::json!(pairs).to_string())
}

fn tags(text: Option<String>) -> Result<Vec<Tag>> {
    let pairs: Vec<(String, String)> = match text {
        Some(text) => from_json(&text)?,
        None => Vec::new(),
    };
    let pair = |(key, value): (String, String)| (key.into(), value.into());
    Ok(pairs.into_iter().map(pair).collect())
}

pub(super) fn certificates_text(certificates: &[Arc<str>]) -> String {
    let certificates: Vec<&str> = certificates.iter().map(AsRef::as_ref).collect();
    serde_json::json!(certificates).to_string()
}

pub(super) fn certificates(text: &str) -> Result<Vec<Arc<str>>> {
    let certificates: Vec<String> = from_json(text)?;
    Ok(certificates.into_iter().map(Into::into).collect())
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    let wrong = |error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error));
    serde_json::from_str(text).map_err(wrong)
}

fn code<C: Copy, T: PartialEq>(table: &[(C, T)], value: T) -> C {
    let found = table.iter().find(|(_, known)| *known == value);
    found.expect("each value is in its table").0
}

fn coded<C: Copy + PartialEq + ToString, T: Copy>(table: &[(C, T)], code: C) -> Result<T> {
    let found = table.iter().find(|(known, _)| *known == code);
    found.map(|(_, value)| *value).ok_or_else(|| unknown(code))
}

fn unknown(code: impl ToString) -> Error {
    let why = format!("`{}` means nothing there", code.to_string());
    let why = FromSqlError::Other(why.into());
    Error::FromSqlConversionFailure(0, Type::Null, Box::new(why))
}
