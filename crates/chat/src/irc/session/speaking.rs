//! Messages: `PRIVMSG`, `NOTICE`, `TAGMSG`. It must never say that a message is there before the chat
//! tells of it.

use std::sync::Arc;

use super::call::target;
use super::{Call, Entry, nickserv};
use crate::chat::command::{Command, Kind, Say, Tag};
use crate::irc::caps;
use crate::irc::message::Message;
use crate::irc::names;
use crate::irc::numeric::{ERR_NORECIPIENT, ERR_NOTEXTTOSEND, ERR_TOOMANYTARGETS};
use crate::irc::tags::Tags;

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("PRIVMSG", 0, privmsg),
    Entry::new("NOTICE", 0, notice),
    Entry::new("TAGMSG", 0, tagmsg),
];

/// Tags that are worth keeping without a text: reactions. Others, such as typing, are for now.
const KEPT: &[&str] = &["draft/react", "react", "draft/unreact", "unreact"];

fn privmsg(call: &mut Call<'_, '_>, message: &Message<'_>) {
    say(call, message, Kind::Message, "PRIVMSG");
}

fn notice(call: &mut Call<'_, '_>, message: &Message<'_>) {
    say(call, message, Kind::Notice, "NOTICE");
}

fn tagmsg(call: &mut Call<'_, '_>, message: &Message<'_>) {
    say(call, message, Kind::Tags, "TAGMSG");
}

fn say(call: &mut Call<'_, '_>, message: &Message<'_>, kind: Kind, name: &str) {
    let Some(targets) = message.params.get(0).filter(|targets| !targets.is_empty()) else {
        let text = format!("No recipient given ({name})");
        call.numeric_text(ERR_NORECIPIENT, &[], &text);
        return;
    };
    let text = message.params.get(1).unwrap_or("");
    if text.is_empty() && kind != Kind::Tags {
        call.numeric(ERR_NOTEXTTOSEND, &[]);
        return;
    }
    let targets: Vec<&str> = targets.split(',').filter(|name| !name.is_empty()).collect();
    if targets.len() > call.config().targets_max {
        call.numeric(ERR_TOOMANYTARGETS, &[targets[0]]);
        return;
    }
    // One label has one answer, so with several targets it is that they were taken.
    let is_one = targets.len() == 1;
    let tags = call.client_tags(message.tags);
    let text: Arc<str> = text.into();
    for to in targets {
        if nickserv::is_meant(to) {
            // What was said to it by a notice, or without a text, is answered by nobody.
            if kind == Kind::Message {
                call.tell_nickserv(&text);
            }
            continue;
        }
        let is_kept = |(key, _): &Tag| KEPT.contains(&&**key);
        let command = if kind != Kind::Tags || tags.iter().any(is_kept) {
            Command::Say(Say {
                target: target(to),
                kind,
                text: Arc::clone(&text),
                tags: tags.clone(),
                label: call.label().filter(|_| is_one),
            })
        } else {
            Command::Signal {
                target: target(to),
                tags: tags.clone(),
            }
        };
        let done = call.command_or_refuse(name, Some(to), command);
        if done && kind == Kind::Message && !names::is_channel(to) {
            call.show_away(to);
        }
    }
    if !is_one {
        call.answer_now();
    }
}

impl Call<'_, '_> {
    /// The tags that clients made for clients, unescaped and without their `+`.
    pub(super) fn client_tags(&self, tags: Tags<'_>) -> Vec<Tag> {
        if tags.is_empty() || !self.caps().has(caps::MESSAGE_TAGS) {
            return Vec::new();
        }
        let tags = tags.iter().filter(|tag| tag.is_client_only());
        let tags = tags.map(|tag| (tag.key[1..].into(), tag.value.unescaped().into()));
        tags.collect()
    }
}
