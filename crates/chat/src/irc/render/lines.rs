//! Each event as lines. It must never write what the client has not asked for and would not
//! understand without.

use super::answers_labels;
use super::messages;
use super::tagged::{by, source, timed};
use crate::chat::command::Change;
use crate::chat::event::{Event, Identity, Place};
use crate::chat::ids::UserId;
use crate::chat::letters;
use crate::irc::caps::{self, Caps};
use crate::irc::modes;
use crate::irc::numeric::{RPL_MONOFFLINE, RPL_MONONLINE};
use crate::irc::session::modes::MODES;
use crate::irc::write::{Body, Line, text_room};

/// What the lines of an event depend on, besides the event.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'s> {
    /// How the server calls itself.
    pub server: &'s str,
    /// Now.
    pub unix_ms: u64,
    /// The client's.
    pub caps: Caps,
    /// The event is the client's own doing.
    pub own: bool,
}

/// The capabilities that make a difference for somebody whose doing the event is not.
pub(super) fn matters(event: &Event) -> Caps {
    let tags = caps::SERVER_TIME | caps::ACCOUNT_TAG | caps::MESSAGE_TAGS;
    match event {
        Event::Said { message, .. } => messages::matters(message) | tags,
        Event::Signalled { .. } => tags,
        Event::Redacted { .. } => tags | caps::REDACTION,
        Event::Joined { .. } => tags | caps::EXTENDED_JOIN | caps::AWAY_NOTIFY,
        Event::Changed { .. } => tags | caps::ACCOUNT_NOTIFY | caps::SETNAME,
        Event::Away { .. } => tags | caps::AWAY_NOTIFY,
        Event::Invited { .. } => tags | caps::INVITE_NOTIFY,
        Event::MarkedRead { .. } => caps::READ_MARKER,
        Event::Watched { .. } | Event::Announced(_) => caps::SERVER_TIME,
        Event::OfWatched(inner) => matters(inner) | caps::EXTENDED_MONITOR,
        Event::Parted { .. }
        | Event::Kicked { .. }
        | Event::Quit { .. }
        | Event::Topic { .. }
        | Event::RoomChanged { .. } => tags,
    }
}

/// Whose doing it is, if there is something to answer or to leave out.
pub(super) fn sender(event: &Event) -> Option<UserId> {
    match event {
        Event::Said { sender, .. }
        | Event::Redacted { sender, .. }
        | Event::Topic { sender, .. }
        | Event::RoomChanged { sender, .. } => *sender,
        // Who is invited is told so whatever its client has asked for.
        Event::Invited { invited, .. } => Some(*invited),
        _ => None,
    }
}

fn label(event: &Event) -> Option<&str> {
    match event {
        Event::Said { label, .. }
        | Event::Redacted { label, .. }
        | Event::Topic { label, .. }
        | Event::RoomChanged { label, .. } => label.as_deref(),
        _ => None,
    }
}

/// Appends the lines that the client is sent, with the answer to its label.
pub fn event(out: &mut Vec<u8>, event: &Event, scene: &Scene<'_>) {
    let start = out.len();
    plain_event(out, event, scene);
    if let Some(label) = label(event).filter(|_| scene.own && answers_labels(scene.caps)) {
        crate::irc::session::labels::put(out, start, label, scene.server);
    }
}

fn plain_event(out: &mut Vec<u8>, event: &Event, scene: &Scene<'_>) {
    let caps = scene.caps;
    match event {
        Event::Said { message, .. } => messages::said(out, message, scene),
        Event::Signalled { from, place, tags } => {
            messages::signalled(out, from, place, tags, scene);
        }
        Event::Redacted {
            by,
            place,
            msgid,
            reason,
            ..
        } if caps.has(caps::REDACTION) => {
            let line = line(out, scene, by, "REDACT").param(target(place));
            text_if_any(line.param(&msgid.to_string()), reason);
        }
        Event::Joined { user, away, room } => joined(out, user, away.as_deref(), room, scene),
        Event::Parted { user, room, reason } => {
            text_if_any(line(out, scene, user, "PART").param(room), reason);
        }
        Event::Kicked {
            by,
            room,
            nick,
            reason,
        } => {
            let line = line(out, scene, by, "KICK").param(room).param(nick);
            line.text(if reason.is_empty() { nick } else { reason });
        }
        Event::Quit { user, reason } => {
            line(out, scene, user, "QUIT").text(reason);
        }
        Event::Changed { from, to } => changed(out, from, to, scene),
        Event::Away { user, reason } if caps.has(caps::AWAY_NOTIFY) => {
            away(out, user, reason.as_deref(), scene);
        }
        Event::Topic { by, room, text, .. } => {
            line(out, scene, by, "TOPIC").param(room).text(text);
        }
        Event::RoomChanged {
            by, room, changes, ..
        } => room_changed(out, by.as_deref(), room, changes, scene),
        Event::Invited { by, nick, room, .. } if scene.own || caps.has(caps::INVITE_NOTIFY) => {
            line(out, scene, by, "INVITE").param(nick).param(room).end();
        }
        Event::MarkedRead { place, unix_ms } if caps.has(caps::READ_MARKER) => {
            let time = format!("timestamp={}", super::IsoTime(*unix_ms));
            let line = Line::new(out).from(scene.server, "MARKREAD");
            line.param(target(place)).param(&time).end();
        }
        Event::Watched { nick, user } => watched(out, nick, user.as_deref(), scene),
        Event::OfWatched(inner) if caps.has(caps::EXTENDED_MONITOR) => {
            plain_event(out, inner, scene);
        }
        Event::Announced(text) => {
            let line = timed(Line::new(out), scene, scene.unix_ms);
            line.from(scene.server, "NOTICE").param("*").text(text);
        }
        Event::Redacted { .. }
        | Event::Away { .. }
        | Event::Invited { .. }
        | Event::OfWatched(_)
        | Event::MarkedRead { .. } => {}
    }
}

/// A line of somebody's that happens now.
fn line<'b>(out: &'b mut Vec<u8>, scene: &Scene<'_>, who: &Identity, command: &str) -> Body<'b> {
    let line = by(timed(Line::new(out), scene, scene.unix_ms), scene, who);
    line.from(&source(who), command)
}

fn text_if_any(body: Body<'_>, text: &str) -> usize {
    match text {
        "" => body.end(),
        text => body.text(text),
    }
}

pub(super) fn target(place: &Place) -> &str {
    match place {
        Place::Room(name) => name,
        Place::Person { nick, .. } => nick,
    }
}

fn joined(out: &mut Vec<u8>, user: &Identity, reason: Option<&str>, room: &str, scene: &Scene<'_>) {
    let join = line(out, scene, user, "JOIN").param(room);
    if scene.caps.has(caps::EXTENDED_JOIN) {
        let account = user.account.as_deref().unwrap_or("*");
        join.param(account).text(&user.realname);
    } else {
        join.end();
    }
    if reason.is_some() && scene.caps.has(caps::AWAY_NOTIFY) && !scene.own {
        away(out, user, reason, scene);
    }
}

fn away(out: &mut Vec<u8>, user: &Identity, reason: Option<&str>, scene: &Scene<'_>) {
    text_if_any(line(out, scene, user, "AWAY"), reason.unwrap_or(""));
}

fn changed(out: &mut Vec<u8>, from: &Identity, to: &Identity, scene: &Scene<'_>) {
    if from.nick != to.nick {
        line(out, scene, from, "NICK").param(&to.nick).end();
    }
    if from.account != to.account && scene.caps.has(caps::ACCOUNT_NOTIFY) {
        let account = to.account.as_deref().unwrap_or("*");
        line(out, scene, to, "ACCOUNT").param(account).end();
    }
    if from.realname != to.realname && scene.caps.has(caps::SETNAME) {
        line(out, scene, to, "SETNAME").text(&to.realname);
    }
}

fn watched(out: &mut Vec<u8>, nick: &str, user: Option<&Identity>, scene: &Scene<'_>) {
    let line = timed(Line::new(out), scene, scene.unix_ms);
    match user {
        Some(user) => line
            .numeric(scene.server, RPL_MONONLINE, "*")
            .text(&source(user)),
        None => line.numeric(scene.server, RPL_MONOFFLINE, "*").text(nick),
    };
}

fn room_changed(
    out: &mut Vec<u8>,
    who: Option<&Identity>,
    room: &str,
    changes: &[Change],
    scene: &Scene<'_>,
) {
    let source = who.map_or_else(|| scene.server.to_owned(), source);
    let arguments: Vec<Option<String>> = changes.iter().map(letters::argument).collect();
    let changes: Vec<modes::Change<'_>> = changes
        .iter()
        .zip(&arguments)
        .map(|(change, argument)| {
            let (add, letter) = letters::of_change(change);
            modes::Change {
                add,
                letter,
                argument: argument.as_deref(),
            }
        })
        .collect();
    let space = text_room(&source, "MODE", &[room]);
    for changes in modes::lines(&changes, MODES.arguments_max, space) {
        let mut line = timed(Line::new(out), scene, scene.unix_ms);
        if let Some(who) = who {
            line = by(line, scene, who);
        }
        modes::write(line.from(&source, "MODE").param(room), changes).end();
    }
}
