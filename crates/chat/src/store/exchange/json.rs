//! Data as lines of JSON: a header with the version, and one object for each thing that is stored.
//! It must never read a line as something that was not meant: what is unknown is an error.

mod reading;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use reading::read;

use super::moments::{self, written};
use crate::chat::command::{Flag, Kind, MaskList, Role};
use crate::chat::event::{Message, Place};
use crate::store::query::Entry;
use crate::store::record::{AccountRecord, Happening, MaskChange, RoomRecord, What, Write};

/// What the first line says.
pub const HEADER: &str = r#"{"type":"switchboard-export","version":1}"#;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    r#type: String,
    version: u64,
}

/// Reads the first line.
///
/// # Errors
/// It is not the one of an export that this version can read.
pub fn check_header(line: &str) -> Result<(), String> {
    let header: Header = serde_json::from_str(line)
        .map_err(|_| "this is no export of switchboard, as JSON".to_owned())?;
    match (&*header.r#type, header.version) {
        ("switchboard-export", 1) => Ok(()),
        ("switchboard-export", version) => Err(format!(
            "a later version of switchboard has written this (format {version}, this one knows 1)"
        )),
        _ => Err("this is no export of switchboard, as JSON".to_owned()),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Message {
        msgid: String,
        time: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Person>,
        from: From,
        kind: KindName,
        text: Arc<str>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<(Arc<str>, Arc<str>)>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redacted: Option<Set>,
    },
    Happening {
        msgid: String,
        time: Time,
        room: Arc<str>,
        source: Arc<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<Arc<str>>,
        what: WhatLine,
    },
    Room {
        name: Arc<str>,
        created: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<Set>,
        flags: Vec<FlagName>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    Mask {
        room: Arc<str>,
        list: ListName,
        mask: Arc<str>,
        by: Arc<str>,
        time: Time,
    },
    Role {
        room: Arc<str>,
        account: Arc<str>,
        role: RoleName,
    },
    Account {
        name: Arc<str>,
        verifier: Arc<str>,
        created: Time,
        certificates: Vec<Arc<str>>,
        suspended: bool,
    },
    ReadMark {
        account: Arc<str>,
        target: Arc<str>,
        time: Time,
    },
    Ban {
        mask: Arc<str>,
        reason: Arc<str>,
        by: Arc<str>,
        created: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    Invitation {
        code: Arc<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        used_by: Option<Arc<str>>,
    },
    Audit {
        time: Time,
        admin: Arc<str>,
        action: Arc<str>,
    },
}

/// Milliseconds since 1970, written as people read a time.
#[derive(Clone, Copy)]
struct Time(u64);

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&written(self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || serde::de::Error::custom(format!("`{}` is no time", text.escape_debug()));
        moments::read(&text).map(Time).ok_or_else(wrong)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    nick: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    nick: Arc<str>,
    user: Arc<str>,
    host: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Arc<str>>,
    realname: Arc<str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    bot: bool,
}

/// A text, who set it, and when.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    text: Arc<str>,
    by: Arc<str>,
    time: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum WhatLine {
    Joined { realname: Arc<str> },
    Parted { reason: Arc<str> },
    Quit { reason: Arc<str> },
    Kicked { nick: Arc<str>, reason: Arc<str> },
    Renamed { nick: Arc<str> },
    Topic { text: Arc<str> },
    Modes { changes: Arc<str> },
}

/// Names in a file for the variants of an enumeration.
macro_rules! names {
    ($($name:ident of $of:ident { $($variant:ident),* })*) => {$(
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum $name { $($variant),* }

        impl $name {
            fn new(it: $of) -> $name {
                match it { $($of::$variant => $name::$variant),* }
            }

            fn get(&self) -> $of {
                match self { $($name::$variant => $of::$variant),* }
            }
        }
    )*};
}

names! {
    KindName of Kind { Message, Notice, Tags }
    ListName of MaskList { Ban, Exemption, Invitation, Mute }
    RoleName of Role { Member, Voice, Operator, Owner }
    FlagName of Flag {
        InviteOnly, Moderated, NoOutsiders, Secret, TopicLocked, AccountsOnly, AccountsSpeak
    }
}

/// One entry of a history as a line, without its end.
pub fn entry(entry: &Entry) -> String {
    let line = match entry {
        Entry::Message(message) => of_message(message),
        Entry::Happening(happening) => of_happening(happening),
    };
    to_text(&line)
}

/// One thing to store as a line, without its end; `None` for what only changes another thing.
pub fn line(write: &Write) -> Option<String> {
    let line = match write {
        Write::Message(message) => of_message(message),
        Write::Happened(happening) => of_happening(happening),
        Write::Room(room) => of_room(room),
        Write::Mask {
            room,
            list,
            entry: MaskChange::Added(entry),
        } => Line::Mask {
            room: room.clone(),
            list: ListName::new(*list),
            mask: entry.mask.clone(),
            by: entry.by.clone(),
            time: Time(entry.unix_ms),
        },
        Write::Role {
            room,
            account,
            role,
        } => Line::Role {
            room: room.clone(),
            account: account.clone(),
            role: RoleName::new(*role),
        },
        Write::Account(account) => of_account(account),
        Write::ReadMark {
            account,
            target,
            unix_ms,
        } => Line::ReadMark {
            account: account.clone(),
            target: target.clone(),
            time: Time(*unix_ms),
        },
        Write::ServerBan(ban) => Line::Ban {
            mask: ban.mask.clone(),
            reason: ban.reason.clone(),
            by: ban.by.clone(),
            created: Time(ban.created_unix_ms),
            until: ban.until_unix_ms.map(Time),
        },
        Write::Invitation { code, used_by } => Line::Invitation {
            code: code.clone(),
            used_by: used_by.clone(),
        },
        Write::Audit {
            unix_ms,
            admin,
            action,
        } => Line::Audit {
            time: Time(*unix_ms),
            admin: admin.clone(),
            action: action.clone(),
        },
        Write::Redact { .. }
        | Write::NoRoom { .. }
        | Write::NoServerBan { .. }
        | Write::Mask { .. } => return None,
    };
    Some(to_text(&line))
}

fn to_text(line: &Line) -> String {
    serde_json::to_string(line).expect("texts and numbers are always JSON")
}

fn of_message(message: &Message) -> Line {
    let (room, to) = match &message.place {
        Place::Room(name) => (Some(name.clone()), None),
        Place::Person { nick, account } => {
            let (nick, account) = (nick.clone(), account.clone());
            (None, Some(Person { nick, account }))
        }
    };
    let from = &message.from;
    Line::Message {
        msgid: message.msgid.to_string(),
        time: Time(message.unix_ms),
        room,
        to,
        from: From {
            nick: from.nick.clone(),
            user: from.user.clone(),
            host: from.host.clone(),
            account: from.account.clone(),
            realname: from.realname.clone(),
            bot: from.bot,
        },
        kind: KindName::new(message.kind),
        text: message.text.clone(),
        tags: message.tags.clone(),
        redacted: message.redacted.as_ref().map(|it| Set {
            text: it.reason.clone(),
            by: it.by.clone(),
            time: Time(it.unix_ms),
        }),
    }
}

fn of_happening(happening: &Happening) -> Line {
    let what = match happening.what.clone() {
        What::Joined { realname } => WhatLine::Joined { realname },
        What::Parted(reason) => WhatLine::Parted { reason },
        What::Quit(reason) => WhatLine::Quit { reason },
        What::Kicked { nick, reason } => WhatLine::Kicked { nick, reason },
        What::Renamed(nick) => WhatLine::Renamed { nick },
        What::Topic(text) => WhatLine::Topic { text },
        What::Modes(changes) => WhatLine::Modes { changes },
    };
    Line::Happening {
        msgid: happening.msgid.to_string(),
        time: Time(happening.unix_ms),
        room: happening.room.clone(),
        source: happening.source.clone(),
        account: happening.account.clone(),
        what,
    }
}

fn of_room(room: &RoomRecord) -> Line {
    Line::Room {
        name: room.name.clone(),
        created: Time(room.created_unix_ms),
        topic: room.topic.clone().map(|(text, by, unix_ms)| Set {
            text,
            by,
            time: Time(unix_ms),
        }),
        flags: room.flags.iter().copied().map(FlagName::new).collect(),
        key: room.key.clone(),
        limit: room.limit,
    }
}

fn of_account(account: &AccountRecord) -> Line {
    Line::Account {
        name: account.name.clone(),
        verifier: account.verifier.clone(),
        created: Time(account.created_unix_ms),
        certificates: account.certificates.clone(),
        suspended: account.suspended,
    }
}
