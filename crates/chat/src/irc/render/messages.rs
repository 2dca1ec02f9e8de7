//! Messages as lines, in as many as they need. It must never cut a text, nor send an empty line to
//! a client that would take it for a message.

use super::lines::{Scene, target};
use super::tagged::{by, source, timed};
use crate::chat::command::{Kind, Tag};
use crate::chat::event::{Identity, Message, Place};
use crate::irc::caps::{self, Caps};
use crate::irc::write::{Line, cut, text_room};

/// What makes a difference for a message, tags aside.
pub(super) fn matters(message: &Message) -> Caps {
    match message.text.contains('\n') || message.text.len() > text_bytes(message) {
        true => caps::MULTILINE | caps::BATCH,
        false => Caps::NONE,
    }
}

const fn command(kind: Kind) -> &'static str {
    match kind {
        Kind::Message => "PRIVMSG",
        Kind::Notice => "NOTICE",
        Kind::Tags => "TAGMSG",
    }
}

/// How much text of a message fits into one line.
fn text_bytes(message: &Message) -> usize {
    let target = target(&message.place);
    text_room(&source(&message.from), command(message.kind), &[target])
}

/// A message; if it is the client's own, only if it wants to hear it.
pub(super) fn said(out: &mut Vec<u8>, message: &Message, scene: &Scene<'_>) {
    if !scene.own || scene.caps.has(caps::ECHO_MESSAGE) {
        write(out, message, scene, None);
    }
}

/// A message as lines; `batch` is the one that it stands in, if it does.
pub(crate) fn write(out: &mut Vec<u8>, message: &Message, scene: &Scene<'_>, batch: Option<&str>) {
    if message.kind == Kind::Tags {
        if scene.caps.has(caps::MESSAGE_TAGS) {
            let line = first_line(out, message, scene, batch);
            let line = line.from(&source(&message.from), "TAGMSG");
            line.param(target(&message.place)).end();
        }
        return;
    }
    let room = text_bytes(message);
    let is_one_line = !message.text.contains('\n') && message.text.len() <= room;
    match is_one_line {
        true => {
            let line = first_line(out, message, scene, batch);
            let line = line.from(&source(&message.from), command(message.kind));
            line.param(target(&message.place)).text(&message.text);
        }
        false if scene.caps.has(caps::MULTILINE | caps::BATCH) => {
            as_batch(out, message, scene, batch, room);
        }
        false => as_lines(out, message, scene, batch, room),
    }
}

/// The line that has all the tags of a message.
fn first_line<'b>(
    out: &'b mut Vec<u8>,
    message: &Message,
    scene: &Scene<'_>,
    batch: Option<&str>,
) -> Line<'b> {
    let mut line = further_line(out, message, scene, batch);
    if scene.caps.has(caps::MESSAGE_TAGS) {
        line = line.tag("msgid", &message.msgid.to_string());
        line = client_tags(line, &message.tags);
    }
    line
}

/// A line with the tags that each line of a message has.
fn further_line<'b>(
    out: &'b mut Vec<u8>,
    message: &Message,
    scene: &Scene<'_>,
    batch: Option<&str>,
) -> Line<'b> {
    let mut line = Line::new(out);
    if let Some(batch) = batch {
        line = line.tag("batch", batch);
    }
    by(timed(line, scene, message.unix_ms), scene, &message.from)
}

fn client_tags<'b>(line: Line<'b>, tags: &[Tag]) -> Line<'b> {
    let mut name = String::new();
    tags.iter().fold(line, |line, (key, value)| {
        name.clear();
        name.push('+');
        name.push_str(key);
        line.tag(&name, value)
    })
}

/// Each line of a text in pieces of at most `room` bytes; `true`: it goes on the line before.
fn pieces(text: &str, room: usize) -> impl Iterator<Item = (bool, &str)> {
    // A character has four bytes at most, so each piece takes something.
    let room = room.max(4);
    text.split('\n').flat_map(move |line| {
        let mut rest = Some(line);
        let mut goes_on = false;
        std::iter::from_fn(move || {
            let whole = rest?;
            let piece = cut(whole, room);
            rest = Some(&whole[piece.len()..]).filter(|rest| !rest.is_empty());
            Some((std::mem::replace(&mut goes_on, true), piece))
        })
    })
}

/// <https://ircv3.net/specs/extensions/multiline>.
fn as_batch(
    out: &mut Vec<u8>,
    message: &Message,
    scene: &Scene<'_>,
    batch: Option<&str>,
    room: usize,
) {
    let (source, target) = (source(&message.from), target(&message.place));
    let name = message.msgid.to_string();
    let line = first_line(out, message, scene, batch).from(&source, "BATCH");
    let line = line.param(&format!("+{name}")).param("draft/multiline");
    line.param(target).end();
    for (goes_on, piece) in pieces(&message.text, room) {
        let mut line = Line::new(out).tag("batch", &name);
        if goes_on {
            line = line.tag("draft/multiline-concat", "");
        }
        let line = line.from(&source, command(message.kind));
        line.param(target).text(piece);
    }
    let mut line = Line::new(out);
    if let Some(batch) = batch {
        line = line.tag("batch", batch);
    }
    line.from(scene.server, "BATCH")
        .param(&format!("-{name}"))
        .end();
}

fn as_lines(
    out: &mut Vec<u8>,
    message: &Message,
    scene: &Scene<'_>,
    batch: Option<&str>,
    room: usize,
) {
    let (source, target) = (source(&message.from), target(&message.place));
    let mut is_first = true;
    let pieces = pieces(&message.text, room).filter(|(_, piece)| !piece.is_empty());
    for (_, piece) in pieces {
        let line = match std::mem::take(&mut is_first) {
            true => first_line(out, message, scene, batch),
            false => further_line(out, message, scene, batch),
        };
        let line = line.from(&source, command(message.kind));
        line.param(target).text(piece);
    }
}

/// Typing and the like.
pub(super) fn signalled(
    out: &mut Vec<u8>,
    from: &Identity,
    place: &Place,
    tags: &[Tag],
    scene: &Scene<'_>,
) {
    let wants =
        scene.caps.has(caps::MESSAGE_TAGS) && (!scene.own || scene.caps.has(caps::ECHO_MESSAGE));
    if wants {
        let line = by(timed(Line::new(out), scene, scene.unix_ms), scene, from);
        let line = client_tags(line, tags).from(&source(from), "TAGMSG");
        line.param(target(place)).end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_into_whole_characters() {
        let all: Vec<_> = pieces("ab\n\nééé", 4).collect();
        assert_eq!(
            all,
            [(false, "ab"), (false, ""), (false, "éé"), (true, "é")]
        );
    }
}
