//! `MODE` of rooms and of oneself. It must never change a mode itself: the chat does.

use std::sync::Arc;

use super::{Call, Entry};
use crate::chat::command::{Change, Command, Flag, MaskList, Role};
use crate::chat::letters;
use crate::irc::message::Message;
use crate::irc::modes::{self, Asked, ModeError, ModeTable};
use crate::irc::names;
use crate::irc::numeric::{
    ERR_CHANOPRIVSNEEDED, ERR_INVALIDKEY, ERR_INVALIDMODEPARAM, ERR_NEEDMOREPARAMS,
    ERR_NOSUCHCHANNEL, ERR_NOSUCHNICK, ERR_UMODEUNKNOWNFLAG, ERR_UNKNOWNMODE, ERR_USERSDONTMATCH,
    RPL_BANLIST, RPL_CHANNELMODEIS, RPL_CREATIONTIME, RPL_ENDOFBANLIST, RPL_ENDOFEXCEPTLIST,
    RPL_ENDOFINVEXLIST, RPL_EXCEPTLIST, RPL_INVEXLIST, RPL_UMODEIS,
};

pub(super) const COMMANDS: &[Entry] = &[Entry::new("MODE", 1, mode)];

/// The modes of rooms.
pub(crate) const MODES: ModeTable = ModeTable {
    lists: "beI",
    settings: "k",
    settings_on_add: "l",
    flags: "imnstRM",
    members: &[('q', '~'), ('o', '@'), ('v', '+')],
    arguments_max: 12,
};

/// The modes of users: a bot, not shown to strangers (all are), an administrator.
pub(crate) const USER_MODES: &str = "Bio";

const FLAGS: &[Flag] = &[
    Flag::InviteOnly,
    Flag::Moderated,
    Flag::NoOutsiders,
    Flag::Secret,
    Flag::TopicLocked,
    Flag::AccountsOnly,
    Flag::AccountsSpeak,
];

fn mode(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let (name, params) = (message.params[0], &message.params[1..]);
    if !names::is_channel(name) {
        own_mode(call, name, params);
    } else if call.visible_room(name).is_none() {
        call.numeric(ERR_NOSUCHCHANNEL, &[name]);
    } else if params.is_empty() {
        call.show_modes(name);
    } else {
        room_mode(call, name, params);
    }
}

fn room_mode(call: &mut Call<'_, '_>, name: &str, params: &[&str]) {
    let start = call.view.reply.len();
    let mut changes = Vec::new();
    for asked in MODES.parse(params) {
        match asked {
            Ok(Asked::List(letter)) => call.show_list(name, letter),
            Ok(Asked::Change(change)) => match read(&change) {
                Ok(change) => changes.push(change),
                Err(why) => {
                    let letter = change.letter.to_string();
                    let argument = change.argument.unwrap_or("*");
                    match letter.as_str() {
                        "k" => call.numeric(ERR_INVALIDKEY, &[name]),
                        _ => {
                            call.numeric_text(ERR_INVALIDMODEPARAM, &[name, &letter, argument], why)
                        }
                    }
                }
            },
            Err(ModeError::Unknown(letter)) => {
                call.numeric(ERR_UNKNOWNMODE, &[&letter.to_string()]);
            }
            Err(ModeError::MissingArgument(letter)) => {
                let text = ModeError::MissingArgument(letter).to_string();
                let letter = letter.to_string();
                call.numeric_text(ERR_INVALIDMODEPARAM, &[name, &letter, "*"], &text);
            }
            Err(error @ ModeError::TooMany) => {
                call.numeric_text(ERR_NEEDMOREPARAMS, &["MODE"], &error.to_string());
            }
        }
    }
    if changes.is_empty() {
        return;
    }
    // One label has one answer: if something was answered already, it is that.
    let is_answered = call.view.reply.len() > start;
    let command = Command::Change {
        room: name.into(),
        changes,
        label: call.label().filter(|_| !is_answered),
    };
    call.command_or_refuse("MODE", Some(name), command);
    if is_answered {
        call.answer_now();
    }
}

/// A change in the words of the chat.
fn read(change: &modes::Change<'_>) -> Result<Change, &'static str> {
    let (add, argument) = (change.add, change.argument.unwrap_or(""));
    let role = |role| Change::Role {
        nick: argument.into(),
        role,
        add,
    };
    Ok(match change.letter {
        'q' => role(Role::Owner),
        'o' => role(Role::Operator),
        'v' => role(Role::Voice),
        'b' => match argument.strip_prefix(letters::MUTE_PREFIX) {
            Some(mask) => mask_change(MaskList::Mute, mask, add),
            None => mask_change(MaskList::Ban, argument, add),
        },
        'e' => mask_change(MaskList::Exemption, argument, add),
        'I' => mask_change(MaskList::Invitation, argument, add),
        'k' if !add => Change::Key(None),
        'k' => {
            names::check_key(argument).map_err(|_| "this is no key")?;
            Change::Key(Some(argument.into()))
        }
        'l' if !add => Change::Limit(None),
        'l' => {
            let limit = argument.parse().ok().filter(|limit| *limit > 0);
            Change::Limit(Some(limit.ok_or("a limit is a number above 0")?))
        }
        letter => {
            let mut flags = FLAGS.iter().copied();
            let flag = flags.find(|flag| letters::of_flag(*flag) == letter);
            Change::Flag(flag.ok_or("there is no such mode")?, add)
        }
    })
}

fn mask_change(list: MaskList, mask: &str, add: bool) -> Change {
    Change::Mask {
        list,
        mask: mask.into(),
        add,
    }
}

fn own_mode(call: &mut Call<'_, '_>, name: &str, params: &[&str]) {
    if !names::are_same(name, &call.nick()) {
        match call.chat().find(name) {
            Some(_) => call.numeric(ERR_USERSDONTMATCH, &[]),
            None => call.numeric(ERR_NOSUCHNICK, &[name]),
        }
        return;
    }
    let Some(letters) = params.first() else {
        let me = call.chat().user(call.me());
        let mut modes = "+i".to_owned();
        if me.is_some_and(|me| me.identity().bot) {
            modes.push('B');
        }
        if me.is_some_and(|me| me.is_admin()) {
            modes.push('o');
        }
        call.numeric(RPL_UMODEIS, &[&modes]);
        return;
    };
    let mut add = true;
    let mut is_known = true;
    let mut bot = None;
    for letter in letters.chars() {
        match letter {
            '+' | '-' => add = letter == '+',
            'B' => bot = Some(add),
            // Nobody is shown to strangers, and nobody makes oneself an administrator.
            'i' | 'o' => {}
            _ => is_known = false,
        }
    }
    if let Some(bot) = bot
        && call.command_or_refuse("MODE", None, Command::SetBot(bot))
    {
        let (nick, source) = (call.nick(), call.own_source());
        let line = call.line().from(&source, "MODE");
        line.param(&nick).param(if bot { "+B" } else { "-B" }).end();
    }
    if !is_known {
        call.numeric(ERR_UMODEUNKNOWNFLAG, &[]);
    }
}

impl Call<'_, '_> {
    fn show_modes(&mut self, name: &str) {
        let me = self.me();
        let Some(room) = self.chat().room(name) else {
            return;
        };
        let mut letters = "+".to_owned();
        letters.extend(room.flags().map(letters::of_flag));
        let mut arguments: Vec<String> = Vec::new();
        if let Some(key) = room.key() {
            letters.push('k');
            // Who is in knows it; nobody else learns it here.
            arguments.push(if room.role_of(me).is_some() { key } else { "*" }.to_owned());
        }
        if let Some(limit) = room.limit() {
            letters.push('l');
            arguments.push(limit.to_string());
        }
        let (shown, seconds) = (Arc::clone(room.name()), room.created_unix_ms() / 1000);
        let mut params = vec![&*shown, &*letters];
        params.extend(arguments.iter().map(String::as_str));
        self.numeric(RPL_CHANNELMODEIS, &params);
        // The lobby is there before anything happens, so nobody knows since when.
        if seconds > 0 {
            self.numeric(RPL_CREATIONTIME, &[&shown, &seconds.to_string()]);
        }
    }

    fn show_list(&mut self, name: &str, letter: char) {
        let (lists, item, end) = match letter {
            'e' => (
                &[MaskList::Exemption][..],
                RPL_EXCEPTLIST,
                RPL_ENDOFEXCEPTLIST,
            ),
            'I' => (
                &[MaskList::Invitation][..],
                RPL_INVEXLIST,
                RPL_ENDOFINVEXLIST,
            ),
            _ => (
                &[MaskList::Ban, MaskList::Mute][..],
                RPL_BANLIST,
                RPL_ENDOFBANLIST,
            ),
        };
        let me = self.me();
        let Some(room) = self.chat().room(name) else {
            return;
        };
        let shown = Arc::clone(room.name());
        // Whom operators let in is for operators; who is banned may see it.
        let is_private = letter != 'b';
        if is_private && self.chat().standing(room, me) < Role::Operator {
            self.numeric(ERR_CHANOPRIVSNEEDED, &[&shown]);
            return;
        }
        let entries = lists.iter().flat_map(|list| {
            let entries = room.masks(*list).iter();
            entries.map(|entry| (letters::entry(*list, &entry.mask), entry.clone()))
        });
        for (text, entry) in entries.collect::<Vec<_>>() {
            let seconds = (entry.unix_ms / 1000).to_string();
            self.numeric(item, &[&shown, &text, &entry.by, &seconds]);
        }
        self.numeric(end, &[&shown]);
    }
}
