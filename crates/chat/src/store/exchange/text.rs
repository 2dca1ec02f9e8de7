//! A history as lines for people. It must never let a byte through that a terminal acts on.

use std::fmt::Write;

use super::moments::shown;
use crate::chat::command::Kind;
use crate::chat::event::Message;
use crate::escape::Escaped;
use crate::store::query::Entry;
use crate::store::record::{Happening, What};

/// What stands above the lines.
pub fn head(room: &str) -> String {
    format!("# {}, times in UTC\n", safe(room))
}

/// The lines of one entry.
pub fn entry(entry: &Entry) -> String {
    match entry {
        Entry::Message(message) => of_message(message),
        Entry::Happening(happening) => {
            let time = shown(happening.unix_ms);
            format!("{time} -!- {}\n", safe(&sentence(happening)))
        }
    }
}

fn of_message(message: &Message) -> String {
    let time = shown(message.unix_ms);
    let nick = safe(&message.from.nick).to_string();
    if let Some(redaction) = &message.redacted {
        let (by, why) = (safe(&redaction.by), safe(&redaction.reason));
        return format!("{time} <{nick}> (taken back by {by}: {why})\n");
    }
    let (open, close) = match message.kind {
        Kind::Message => ("<", ">"),
        Kind::Notice => ("-", "-"),
        Kind::Tags => {
            let tags = message
                .tags
                .iter()
                .map(|(key, value)| format!("{key}={value}"));
            let tags = tags.collect::<Vec<_>>().join(" ");
            return format!("{time} <{nick}> ({})\n", safe(&tags));
        }
    };
    let mut lines = String::new();
    for line in message.text.split('\n') {
        // Each line bears its speaker, so that no text looks like somebody else's line.
        let _ = writeln!(lines, "{time} {open}{nick}{close} {}", safe(line));
    }
    lines
}

/// What happened, in words.
pub fn sentence(happening: &Happening) -> String {
    let source = &happening.source;
    let who = source.split('!').next().unwrap_or(source);
    match &happening.what {
        What::Joined { .. } => format!("{who} came in ({source})"),
        What::Parted(why) => format!("{who} left{}", because(why)),
        What::Quit(why) => format!("{who} is gone{}", because(why)),
        What::Kicked { nick, reason } => format!("{who} put {nick} out{}", because(reason)),
        What::Renamed(nick) => format!("{who} is called {nick} now"),
        What::Topic(text) if text.is_empty() => format!("{who} took the topic away"),
        What::Topic(text) => format!("{who} set the topic: {text}"),
        What::Modes(modes) => format!("{who} changed the modes: {modes}"),
    }
}

fn because(why: &str) -> String {
    match why {
        "" => String::new(),
        why => format!(" ({why})"),
    }
}

fn safe(text: &str) -> Escaped<'_> {
    Escaped::new(text.as_bytes())
}
