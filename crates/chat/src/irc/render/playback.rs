//! What was, as lines: entries of a history. It must never tell a client of anything but messages
//! that has not asked for it, nor of a message that was taken back.

use super::lines::Scene;
use super::messages;
use super::tagged::timed;
use crate::chat::command::Kind;
use crate::irc::caps;
use crate::irc::write::Line;
use crate::store::query::Entry;
use crate::store::record::{Happening, What};

/// Whether a client with these capabilities is told of this entry.
pub(crate) fn is_shown(entry: &Entry, scene: &Scene<'_>) -> bool {
    let wants_all = scene.caps.has(caps::EVENT_PLAYBACK);
    match entry {
        Entry::Message(message) if message.redacted.is_some() => false,
        Entry::Message(message) if message.kind == Kind::Tags => {
            wants_all && scene.caps.has(caps::MESSAGE_TAGS)
        }
        Entry::Message(_) => true,
        Entry::Happening(_) => wants_all,
    }
}

/// Appends an entry that is shown; `batch` is the one that it stands in.
pub(crate) fn entry(out: &mut Vec<u8>, entry: &Entry, scene: &Scene<'_>, batch: Option<&str>) {
    match entry {
        Entry::Message(message) => messages::write(out, message, scene, batch),
        Entry::Happening(happening) => happened(out, happening, scene, batch),
    }
}

fn happened(out: &mut Vec<u8>, past: &Happening, scene: &Scene<'_>, batch: Option<&str>) {
    let mut line = Line::new(out);
    if let Some(batch) = batch {
        line = line.tag("batch", batch);
    }
    line = timed(line, scene, past.unix_ms);
    if let Some(account) = &past.account
        && scene.caps.has(caps::ACCOUNT_TAG)
    {
        line = line.tag("account", account);
    }
    if scene.caps.has(caps::MESSAGE_TAGS) {
        line = line.tag("msgid", &past.msgid.to_string());
    }
    let (source, room) = (&*past.source, &*past.room);
    match &past.what {
        What::Joined { realname } => {
            let join = line.from(source, "JOIN").param(room);
            match scene.caps.has(caps::EXTENDED_JOIN) {
                true => {
                    let account = past.account.as_deref().unwrap_or("*");
                    join.param(account).text(realname)
                }
                false => join.end(),
            }
        }
        What::Parted(reason) => line.from(source, "PART").param(room).text(reason),
        What::Quit(reason) => line.from(source, "QUIT").text(reason),
        What::Kicked { nick, reason } => {
            let kick = line.from(source, "KICK").param(room).param(nick);
            kick.text(if reason.is_empty() { nick } else { reason })
        }
        What::Renamed(nick) => line.from(source, "NICK").param(nick).end(),
        What::Topic(text) => line.from(source, "TOPIC").param(room).text(text),
        What::Modes(changes) => {
            let mode = line.from(source, "MODE").param(room);
            mode.params(changes.split(' ').filter(|word| !word.is_empty()))
                .end()
        }
    };
}
