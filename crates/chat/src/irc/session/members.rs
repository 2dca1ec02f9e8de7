//! Who is in a room: `NAMES`. It must never show an outsider who is in a secret room, nor be long
//! without having been asked for.

use std::sync::Arc;

use super::{Call, Entry, rooms};
use crate::chat::RoomView;
use crate::chat::command::{Flag, Role};
use crate::chat::event::Member;
use crate::irc::caps;
use crate::irc::message::Message;
use crate::irc::numeric::{RPL_ENDOFNAMES, RPL_NAMREPLY};
use crate::irc::render::source;
use crate::irc::write::{Line, text_room};

pub(super) const COMMANDS: &[Entry] = &[Entry::new("NAMES", 0, names)];

/// So many members of a big room are looked at for operators and voices, to be shown to whoever comes
/// in.
const LOOKED_AT_IN_BIG_ROOM: usize = 100;

fn names(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let name = message.params.get(0).unwrap_or("");
    // One room in a command: the answer to one can be long enough.
    let name = name.split(',').next().unwrap_or(name);
    let Some(room) = call.visible_room(name) else {
        let name = if name.is_empty() { "*" } else { name };
        call.numeric(RPL_ENDOFNAMES, &[name]);
        return;
    };
    let shown = Arc::clone(room.name());
    let members: Vec<Member> = room.members().collect();
    let room = Arc::clone(&shown);
    call.in_pieces(
        "NAMES",
        members,
        move |call, members| call.member_lines(&shown, members),
        move |call| call.numeric(RPL_ENDOFNAMES, &[&room]),
    );
}

impl Call<'_, '_> {
    /// The members of a room for somebody who has just come in; of a big one, this user and those
    /// who have a say, since the whole list would be long, and many come.
    pub(super) fn show_members(&mut self, name: &str) {
        let (me, big_room) = (self.me(), self.chat().settings().big_room);
        let Some(room) = self.chat().room(name) else {
            return;
        };
        let is_big = room.len() > big_room;
        let members = match is_big {
            false => room.members().collect(),
            true => excerpt(room, me),
        };
        let shown = Arc::clone(room.name());
        self.member_lines(&shown, &members);
        self.numeric(RPL_ENDOFNAMES, &[&shown]);
    }

    fn member_lines(&mut self, name: &str, members: &[Member]) {
        let (nick, has_hosts) = (self.nick(), self.caps().has(caps::USERHOST_IN_NAMES));
        let server = &self.view.config.server;
        let view = &mut *self.view;
        let Some(room) = view.chat.room(name) else {
            return;
        };
        let symbol = if room.has(Flag::Secret) { "@" } else { "=" };
        let space = text_room(server, RPL_NAMREPLY.digits(), &[&*nick, symbol, name]);
        let mut text = String::with_capacity(space);
        let reply = &mut *view.reply;
        let mut flush = |text: &mut String| {
            let line = Line::new(reply).numeric(server, RPL_NAMREPLY, &nick);
            line.param(symbol).param(name).text(text);
            text.clear();
        };
        for member in members {
            // The list may be from before, so the role is that of now.
            let user = view.chat.user(member.user);
            let Some((user, role)) = user.zip(room.role_of(member.user)) else {
                continue;
            };
            let name = match has_hosts {
                true => source(user.identity()),
                false => user.identity().nick.to_string(),
            };
            let sign = rooms::prefix(role);
            if !text.is_empty() && text.len() + 1 + sign.len() + name.len() > space {
                flush(&mut text);
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(sign);
            text.push_str(&name);
        }
        if !text.is_empty() {
            flush(&mut text);
        }
    }
}

fn excerpt(room: &RoomView, me: crate::chat::ids::UserId) -> Vec<Member> {
    let role = room.role_of(me).unwrap_or_default();
    let mut shown = vec![Member { user: me, role }];
    // Who made the room and whom they trust came first. To look at all would cost the square of their
    // number when all come at once.
    let first = room.members().take(LOOKED_AT_IN_BIG_ROOM);
    let others = first.filter(|member| member.user != me && member.role > Role::Member);
    shown.extend(others);
    shown
}
