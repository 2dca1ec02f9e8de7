//! A line of an export as what is to be stored. It must never let a name through that no conversation
//! could be found by.

use std::sync::Arc;

use super::{FlagName, Line, Person, WhatLine};
use crate::chat::event::{Identity, Message, Place, Redaction};
use crate::chat::ids::Msgid;
use crate::store::record::{
    AccountRecord, Happening, MaskChange, MaskEntry, RoomRecord, ServerBan, What, Write,
};

/// Reads a line.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str) -> Result<Write, String> {
    let line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(match line {
        Line::Message { .. } => Write::Message(to_message(line)?.into()),
        Line::Happening {
            msgid,
            time,
            room,
            source,
            account,
            what,
        } => Write::Happened(Arc::new(Happening {
            msgid: to_msgid(&msgid)?,
            unix_ms: time.0,
            room: is_one_word(room)?,
            source,
            account,
            what: to_what(what),
        })),
        Line::Room {
            name,
            created,
            topic,
            flags,
            key,
            limit,
        } => Write::Room(Arc::new(RoomRecord {
            name: is_one_word(name)?,
            created_unix_ms: created.0,
            topic: topic.map(|topic| (topic.text, topic.by, topic.time.0)),
            flags: flags.iter().map(FlagName::get).collect(),
            key,
            limit,
        })),
        Line::Account {
            name,
            verifier,
            created,
            certificates,
            suspended,
        } => Write::Account(Arc::new(AccountRecord {
            name: is_one_word(name)?,
            verifier,
            created_unix_ms: created.0,
            certificates,
            suspended,
        })),
        other => to_setting(other)?,
    })
}

fn to_setting(line: Line) -> Result<Write, String> {
    Ok(match line {
        Line::Mask {
            room,
            list,
            mask,
            by,
            time,
        } => Write::Mask {
            room,
            list: list.get(),
            entry: MaskChange::Added(MaskEntry {
                mask,
                by,
                unix_ms: time.0,
            }),
        },
        Line::Role {
            room,
            account,
            role,
        } => Write::Role {
            room,
            account,
            role: role.get(),
        },
        Line::ReadMark {
            account,
            target,
            time,
        } => Write::ReadMark {
            account,
            target,
            unix_ms: time.0,
        },
        Line::Ban {
            mask,
            reason,
            by,
            created,
            until,
        } => Write::ServerBan(Arc::new(ServerBan {
            mask,
            reason,
            by,
            created_unix_ms: created.0,
            until_unix_ms: until.map(|until| until.0),
        })),
        Line::Invitation { code, used_by } => Write::Invitation { code, used_by },
        Line::Audit {
            time,
            admin,
            action,
        } => Write::Audit {
            unix_ms: time.0,
            admin,
            action,
        },
        Line::Message { .. }
        | Line::Happening { .. }
        | Line::Room { .. }
        | Line::Account { .. } => {
            return Err("an entry is no setting".to_owned());
        }
    })
}

fn to_message(line: Line) -> Result<Message, String> {
    let Line::Message {
        msgid,
        time,
        room,
        to,
        from,
        kind,
        text,
        tags,
        redacted,
    } = line
    else {
        return Err("it is no message".to_owned());
    };
    let place = match (room, to) {
        (Some(room), None) => Place::Room(is_one_word(room)?),
        (None, Some(Person { nick, account })) => Place::Person {
            nick,
            account: account.map(is_one_word).transpose()?,
        },
        _ => return Err("a message has either a `room` or a `to`".to_owned()),
    };
    Ok(Message {
        msgid: to_msgid(&msgid)?,
        unix_ms: time.0,
        place,
        from: Arc::new(Identity {
            nick: from.nick,
            user: from.user,
            host: from.host,
            account: from.account.map(is_one_word).transpose()?,
            realname: from.realname,
            bot: from.bot,
        }),
        kind: kind.get(),
        text,
        tags,
        redacted: redacted.map(|it| {
            Arc::new(Redaction {
                by: it.by,
                reason: it.text,
                unix_ms: it.time.0,
            })
        }),
    })
}

fn to_what(what: WhatLine) -> What {
    match what {
        WhatLine::Joined { realname } => What::Joined { realname },
        WhatLine::Parted { reason } => What::Parted(reason),
        WhatLine::Quit { reason } => What::Quit(reason),
        WhatLine::Kicked { nick, reason } => What::Kicked { nick, reason },
        WhatLine::Renamed { nick } => What::Renamed(nick),
        WhatLine::Topic { text } => What::Topic(text),
        WhatLine::Modes { changes } => What::Modes(changes),
    }
}

fn to_msgid(text: &str) -> Result<Msgid, String> {
    let msgid = text.parse::<Msgid>().ok();
    let msgid = msgid.filter(|it| (1..=i64::MAX as u64).contains(&it.sequence));
    msgid.ok_or_else(|| format!("`{}` is no message's name", text.escape_debug()))
}

/// Conversations are found by names that hold no spaces.
fn is_one_word(name: Arc<str>) -> Result<Arc<str>, String> {
    let wrong = |c: char| c.is_whitespace() || c.is_control();
    if name.is_empty() || name.contains(wrong) {
        return Err(format!("`{}` is no name", name.escape_debug()));
    }
    Ok(name)
}
