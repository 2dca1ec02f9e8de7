//! One user by nick: `WHOIS`, `WHOWAS`, `ISON`, `USERHOST`. It must never tell a stranger's address,
//! nor of secret rooms that the asker is not in.

use std::sync::Arc;

use super::{Call, Entry, rooms};
use crate::chat::User;
use crate::chat::command::Flag;
use crate::chat::ids::UserId;
use crate::irc::message::Message;
use crate::irc::numeric::*;
use crate::irc::render::IsoTime;
use crate::irc::write::{Line, text_room};

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("WHOIS", 0, whois),
    Entry::new("WHOWAS", 0, whowas),
    Entry::new("ISON", 1, ison),
    Entry::new("USERHOST", 1, userhost),
];

/// Nicks of one `USERHOST`, as in RFC 2812.
const USERHOSTS_MAX: usize = 5;

/// Entries of one answer to `WHOWAS`.
const WHOWAS_MAX: usize = 10;

fn whois(call: &mut Call<'_, '_>, message: &Message<'_>) {
    // With two parameters, the first one is the server that is asked; there is one.
    let Some(asked) = message.params.last().filter(|nick| !nick.is_empty()) else {
        call.numeric(ERR_NONICKNAMEGIVEN, &[]);
        return;
    };
    let nicks = asked.split(',').filter(|nick| !nick.is_empty());
    for nick in nicks.take(call.config().targets_max) {
        match call.chat().find(nick) {
            Some(them) => call.show_whois(them),
            None => call.numeric(ERR_NOSUCHNICK, &[nick]),
        }
    }
    call.numeric(RPL_ENDOFWHOIS, &[asked]);
}

fn whowas(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let Some(nick) = message.params.get(0).filter(|nick| !nick.is_empty()) else {
        call.numeric(ERR_NONICKNAMEGIVEN, &[]);
        return;
    };
    let count = message.params.get(1).and_then(|count| count.parse().ok());
    let count = count.filter(|count| (1..WHOWAS_MAX).contains(count));
    let former = call.chat().former(nick).take(count.unwrap_or(WHOWAS_MAX));
    let former: Vec<_> = former
        .map(|(who, unix_ms)| (Arc::clone(who), unix_ms))
        .collect();
    if former.is_empty() {
        call.numeric(ERR_WASNOSUCHNICK, &[nick]);
    }
    let server = Arc::clone(&call.config().server);
    for (who, unix_ms) in former {
        let params = [&*who.nick, &who.user, &who.host, "*"];
        call.numeric_text(RPL_WHOWASUSER, &params, &who.realname);
        let until = IsoTime(unix_ms).to_string();
        call.numeric_text(RPL_WHOISSERVER, &[&who.nick, &server], &until);
    }
    call.numeric(RPL_ENDOFWHOWAS, &[nick]);
}

fn ison(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let asked = message.params.iter().flat_map(|nicks| nicks.split(' '));
    let found = asked.filter_map(|nick| {
        let them = call.chat().user(call.chat().find(nick)?)?;
        Some(&*them.identity().nick)
    });
    let found: Vec<&str> = found.collect();
    let found = found.join(" ");
    call.numeric_text(RPL_ISON, &[], &found);
}

fn userhost(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let asked = message.params.iter().flat_map(|nicks| nicks.split(' '));
    let found = asked.take(USERHOSTS_MAX).filter_map(|nick| {
        let them = call.chat().user(call.chat().find(nick)?)?;
        let who = them.identity();
        let admin = if them.is_admin() { "*" } else { "" };
        let away = if them.away().is_some() { '-' } else { '+' };
        Some(format!(
            "{}{admin}={away}{}@{}",
            who.nick, who.user, who.host
        ))
    });
    let found: Vec<String> = found.collect();
    call.numeric_text(RPL_USERHOST, &[], &found.join(" "));
}

impl Call<'_, '_> {
    fn show_whois(&mut self, them: UserId) {
        let (me, now) = (self.me(), self.view.now);
        let chat = self.chat();
        let Some(user) = chat.user(them) else {
            return;
        };
        let is_near = them == me || chat.user(me).is_some_and(User::is_admin);
        let who = Arc::clone(user.identity());
        let nick = &*who.nick;
        let (is_admin, is_secured) = (user.is_admin(), user.is_secured());
        let address = user.from().filter(|_| is_near);
        let certificate = user.certificate().filter(|_| is_near).cloned();
        let away = user.away().cloned();
        let idle = user.idle_seconds(now).to_string();
        let signed_on = (user.signed_on().unix_ms / 1000).to_string();
        let config = self.config();
        let params = [nick, &who.user, &who.host, "*"];
        self.numeric_text(RPL_WHOISUSER, &params, &who.realname);
        self.rooms_of(them, nick);
        self.numeric_text(RPL_WHOISSERVER, &[nick, &config.server], &config.network);
        if is_admin {
            let text = "is an administrator of the server";
            self.numeric_text(RPL_WHOISOPERATOR, &[nick], text);
        }
        if let Some(fingerprint) = certificate {
            let text = format!("has client certificate fingerprint {fingerprint}");
            self.numeric_text(RPL_WHOISCERTFP, &[nick], &text);
        }
        if let Some(address) = address {
            self.numeric(RPL_WHOISACTUALLY, &[nick, &address.to_string()]);
        }
        if is_secured {
            self.numeric(RPL_WHOISSECURE, &[nick]);
        }
        if let Some(account) = &who.account {
            self.numeric(RPL_WHOISACCOUNT, &[nick, account]);
        }
        if who.bot {
            self.numeric(RPL_WHOISBOT, &[nick]);
        }
        if let Some(reason) = away {
            self.numeric_text(RPL_AWAY, &[nick], &reason);
        }
        self.numeric(RPL_WHOISIDLE, &[nick, &idle, &signed_on]);
    }

    /// The rooms that somebody is in, as far as the asker may know.
    fn rooms_of(&mut self, them: UserId, nick: &str) {
        let (me, own_nick) = (self.me(), self.nick());
        let view = &mut *self.view;
        let (chat, server) = (&*view.chat, &view.config.server);
        let is_admin = chat.user(me).is_some_and(User::is_admin);
        let rooms = chat.user(them).map_or(&[][..], User::rooms).iter();
        let rooms = rooms.filter_map(|id| chat.room_by_id(*id)).filter(|room| {
            !room.has(Flag::Secret) || them == me || is_admin || room.role_of(me).is_some()
        });
        let space = text_room(server, RPL_WHOISCHANNELS.digits(), &[&own_nick, nick]);
        let reply = &mut *view.reply;
        let mut flush = |text: &str| {
            let line = Line::new(reply).numeric(server, RPL_WHOISCHANNELS, &own_nick);
            line.param(nick).text(text);
        };
        let mut text = String::new();
        for room in rooms {
            let sign = rooms::prefix(room.role_of(them).unwrap_or_default());
            if text.len() + sign.len() + room.name().len() + 1 > space {
                flush(&text);
                text.clear();
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(sign);
            text.push_str(room.name());
        }
        if !text.is_empty() {
            flush(&text);
        }
    }
}
