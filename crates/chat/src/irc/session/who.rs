//! `WHO` and `WHOX`: users by room or by mask. It must never show by a mask somebody with whom the
//! asker shares no room: users are invisible to strangers, who know the nick or nothing.
//!
//! The source of the extended form is <https://ircv3.net/specs/extensions/whox>.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Call, Entry, rooms};
use crate::chat::ids::UserId;
use crate::chat::masks::glob;
use crate::chat::{Chat, User};
use crate::irc::message::Message;
use crate::irc::numeric::{RPL_ENDOFWHO, RPL_WHOREPLY, RPL_WHOSPCRPL};
use crate::irc::write::Line;

pub(super) const COMMANDS: &[Entry] = &[Entry::new("WHO", 0, who)];

/// The fields of the extended form, in the order in which they are answered.
const FIELDS: &[u8] = b"tcuihsnfdlaor";

/// The longest token of a client's.
const TOKEN_DIGITS_MAX: usize = 3;

/// What the asker wants to be told, and of whom.
#[derive(Debug, Clone)]
struct Asked {
    /// Of the room whose members they are.
    room: Option<Arc<str>>,
    admins_only: bool,
    /// The letters of the extended form; `None`: the old form.
    fields: Option<String>,
    token: String,
}

fn who(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let mask = message.params.get(0).unwrap_or("*");
    let mask = if matches!(mask, "" | "0") { "*" } else { mask };
    let mut asked = asked(message.params.get(1).unwrap_or(""));
    let mut found: Vec<UserId> = Vec::new();
    if let Some(room) = call.visible_room(mask) {
        asked.room = Some(Arc::clone(room.name()));
        found.extend(room.members().map(|member| member.user));
    } else {
        found.extend(call.chat().find(mask));
        if found.is_empty() && !crate::irc::names::is_channel(mask) {
            found = call.acquaintances(mask);
        }
    }
    let mask = mask.to_owned();
    call.in_pieces(
        "WHO",
        found,
        move |call, users| users.iter().for_each(|user| call.who_line(*user, &asked)),
        move |call| call.numeric(RPL_ENDOFWHO, &[&mask]),
    );
}

/// The second parameter: flags, and behind a `%` fields and a token.
fn asked(text: &str) -> Asked {
    let (flags, extended) = match text.split_once('%') {
        Some((flags, extended)) => (flags, Some(extended)),
        None => (text, None),
    };
    let (fields, token) = match extended.map(|extended| extended.split_once(',')) {
        Some(Some((fields, token))) => (Some(fields), token),
        _ => (extended, ""),
    };
    let is_token = (1..=TOKEN_DIGITS_MAX).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_digit());
    Asked {
        room: None,
        admins_only: flags.contains('o'),
        fields: fields.map(str::to_owned),
        token: if is_token { token } else { "0" }.to_owned(),
    }
}

impl Call<'_, '_> {
    /// Those in the user's own rooms (for an administrator, all) whom a mask means.
    fn acquaintances(&self, mask: &str) -> Vec<UserId> {
        let chat = self.chat();
        let Some(me) = chat.user(self.me()) else {
            return Vec::new();
        };
        let is_meant = |user: &User| {
            let who = user.identity();
            let mut names = [&who.nick, &who.user, &who.host, &who.realname]
                .into_iter()
                .chain(&who.account);
            names.any(|name| glob(mask, name))
        };
        if me.is_admin() {
            let all = chat.users().filter(|user| is_meant(user));
            return all.map(User::id).collect();
        }
        let rooms = me.rooms().iter().filter_map(|id| chat.room_by_id(*id));
        let near: BTreeSet<UserId> = rooms
            .flat_map(|room| room.members().map(|member| member.user))
            .chain([self.me()])
            .collect();
        let mut near = near.into_iter();
        near.by_ref()
            .filter(|id| chat.user(*id).is_some_and(is_meant))
            .collect()
    }

    fn who_line(&mut self, id: UserId, asked: &Asked) {
        let (me, nick) = (self.me(), self.nick());
        let view = &mut *self.view;
        let chat = &*view.chat;
        let Some(user) = chat.user(id) else {
            return;
        };
        if asked.admins_only && !user.is_admin() {
            return;
        }
        let room = asked.room.as_deref();
        let room = room.or_else(|| common_room(chat, me, user));
        let shown = room.unwrap_or("*");
        let who = user.identity();
        let flags = flags(chat, user, room);
        let server = &view.config.server;
        let line = Line::new(view.reply);
        let Some(fields) = &asked.fields else {
            let line = line.numeric(server, RPL_WHOREPLY, &nick);
            let line = line.params([shown, &who.user, &who.host, server, &who.nick, &flags]);
            line.text(&format!("0 {}", who.realname));
            return;
        };
        let may_know = id == me || chat.user(me).is_some_and(User::is_admin);
        let address = user.from().filter(|_| may_know);
        let mut line = line.numeric(server, RPL_WHOSPCRPL, &nick);
        for field in FIELDS.iter().copied().map(char::from) {
            if !fields.contains(field) {
                continue;
            }
            line = match field {
                't' => line.param(&asked.token),
                'c' => line.param(shown),
                'u' => line.param(&who.user),
                'i' => match address {
                    Some(address) => line.param(&address.to_string()),
                    None => line.param("255.255.255.255"),
                },
                'h' => line.param(&who.host),
                's' => line.param(server),
                'n' => line.param(&who.nick),
                'f' => line.param(&flags),
                'd' => line.param("0"),
                'l' => line.number(user.idle_seconds(view.now)),
                'a' => line.param(who.account.as_deref().unwrap_or("0")),
                'o' => line.param("n/a"),
                _ => line.param(&who.realname),
            };
        }
        line.end();
    }
}

/// A room in which both are.
fn common_room<'c>(chat: &'c Chat, me: UserId, user: &User) -> Option<&'c str> {
    let rooms = user.rooms().iter().filter_map(|id| chat.room_by_id(*id));
    let mut common = rooms.filter(|room| room.role_of(me).is_some());
    common.next().map(|room| &**room.name())
}

/// Here or gone, an administrator, the role, a bot.
fn flags(chat: &Chat, user: &User, room: Option<&str>) -> String {
    let mut flags = if user.away().is_some() { "G" } else { "H" }.to_owned();
    if user.is_admin() {
        flags.push('*');
    }
    let role = room.and_then(|room| chat.room(room)?.role_of(user.id()));
    flags.push_str(rooms::prefix(role.unwrap_or_default()));
    if user.identity().bot {
        flags.push('B');
    }
    flags
}
