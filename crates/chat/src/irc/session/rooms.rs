//! Rooms as clients see them: `JOIN`, `PART`, `TOPIC`, `KICK`, `INVITE`. It must never show
//! an outsider what is in a secret room, nor that there is one.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Call, Entry};
use crate::chat::RoomView;
use crate::chat::command::{Command, Flag, Role};
use crate::irc::message::Message;
use crate::irc::numeric::{
    ERR_NOSUCHCHANNEL, RPL_AWAY, RPL_ENDOFINVITELIST, RPL_INVITELIST, RPL_INVITING, RPL_NOTOPIC,
    RPL_TOPIC, RPL_TOPICWHOTIME,
};

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("JOIN", 1, join),
    Entry::new("PART", 1, part),
    Entry::new("TOPIC", 1, topic),
    Entry::new("KICK", 2, kick),
    Entry::new("INVITE", 0, invite),
];

fn join(call: &mut Call<'_, '_>, message: &Message<'_>) {
    if message.params[0] == "0" {
        for room in call.own_rooms() {
            let reason = "".into();
            call.command_or_refuse(
                "JOIN",
                Some(&room),
                Command::Part {
                    room: Arc::clone(&room),
                    reason,
                },
            );
        }
        return;
    }
    let mut entered = VecDeque::new();
    let mut keys = message.params.get(1).unwrap_or("").split(',');
    for name in message.params[0].split(',') {
        let key = keys.next().filter(|key| !key.is_empty());
        let me = call.me();
        let is_in = |room: &RoomView| room.role_of(me).is_some();
        if name.is_empty() || call.chat().room(name).is_some_and(is_in) {
            continue;
        }
        let command = Command::Join {
            room: name.into(),
            key: key.map(Into::into),
        };
        if call.command_or_refuse("JOIN", Some(name), command) {
            call.show_joined(name);
            entered.extend(call.with_backlog(name));
        }
    }
    call.show_backlogs(entered);
}

fn part(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let reason: Arc<str> = message.params.get(1).unwrap_or("").into();
    for name in message.params[0].split(',').filter(|name| !name.is_empty()) {
        let command = Command::Part {
            room: name.into(),
            reason: Arc::clone(&reason),
        };
        call.command_or_refuse("PART", Some(name), command);
    }
}

fn topic(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let name = message.params[0];
    if let Some(text) = message.params.get(1) {
        let command = Command::SetTopic {
            room: name.into(),
            text: text.into(),
            label: call.label(),
        };
        call.command_or_refuse("TOPIC", Some(name), command);
        return;
    }
    match call.visible_room(name).map(|room| room.topic().is_some()) {
        None => call.numeric(ERR_NOSUCHCHANNEL, &[name]),
        Some(false) => call.numeric(RPL_NOTOPIC, &[name]),
        Some(true) => call.show_topic(name),
    }
}

fn kick(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let room = message.params[0];
    let reason: Arc<str> = message.params.get(2).unwrap_or("").into();
    for nick in message.params[1].split(',').filter(|nick| !nick.is_empty()) {
        let command = Command::Kick {
            room: room.into(),
            nick: nick.into(),
            reason: Arc::clone(&reason),
        };
        call.command_or_refuse("KICK", Some(nick), command);
    }
}

fn invite(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let (Some(nick), Some(room)) = (message.params.get(0), message.params.get(1)) else {
        // Without parameters: where one is invited to.
        let me = call.chat().user(call.me());
        let invited = me.map_or(Vec::new(), |me| me.invited().to_vec());
        for room in invited {
            call.numeric(RPL_INVITELIST, &[&room]);
        }
        call.numeric(RPL_ENDOFINVITELIST, &[]);
        return;
    };
    let command = Command::Invite {
        room: room.into(),
        nick: nick.into(),
    };
    if !call.command_or_refuse("INVITE", Some(room), command) {
        return;
    }
    call.numeric(RPL_INVITING, &[nick, room]);
    call.show_away(nick);
}

/// The sign of a role before a nick.
pub(crate) const fn prefix(role: Role) -> &'static str {
    match role {
        Role::Owner => "~",
        Role::Operator => "@",
        Role::Voice => "+",
        Role::Member => "",
    }
}

impl Call<'_, '_> {
    pub(super) fn own_rooms(&self) -> Vec<Arc<str>> {
        let rooms = self.chat().user(self.me()).map_or(&[][..], |me| me.rooms());
        let names = rooms
            .iter()
            .filter_map(|room| self.chat().room_by_id(*room));
        names.map(|room| Arc::clone(room.name())).collect()
    }

    /// A room, if this user may know that it is there.
    pub(crate) fn visible_room(&self, name: &str) -> Option<&RoomView> {
        let room = self.chat().room(name)?;
        self.may_see(room).then_some(room)
    }

    /// Whether this user may know that a room is there, and who is in it.
    pub(crate) fn may_see(&self, room: &RoomView) -> bool {
        let me = self.me();
        let is_admin = || self.chat().user(me).is_some_and(|me| me.is_admin());
        !room.has(Flag::Secret) || room.role_of(me).is_some() || is_admin()
    }

    /// Topic and members for somebody who has just come in.
    fn show_joined(&mut self, name: &str) {
        if self
            .chat()
            .room(name)
            .is_some_and(|room| room.topic().is_some())
        {
            self.show_topic(name);
        }
        self.show_mark_of_joined(name);
        self.show_members(name);
    }

    fn show_topic(&mut self, name: &str) {
        let Some(room) = self.chat().room(name) else {
            return;
        };
        let name = Arc::clone(room.name());
        if let Some((text, by, unix_ms)) = room.topic() {
            let (text, by, seconds) = (text.to_owned(), by.to_owned(), unix_ms / 1000);
            self.numeric_text(RPL_TOPIC, &[&name], &text);
            self.numeric(RPL_TOPICWHOTIME, &[&name, &by, &seconds.to_string()]);
        }
    }

    /// That somebody is away, if so.
    pub(crate) fn show_away(&mut self, nick: &str) {
        let chat = self.chat();
        let Some(them) = chat.find(nick).and_then(|them| chat.user(them)) else {
            return;
        };
        if let Some(reason) = them.away().cloned() {
            let nick = Arc::clone(&them.identity().nick);
            self.numeric_text(RPL_AWAY, &[&nick], &reason);
        }
    }
}
