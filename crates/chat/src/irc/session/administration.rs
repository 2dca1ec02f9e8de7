//! What administrators of the server type: `OPER`, `KILL`, `KLINE`, `UNKLINE`, `WALLOPS`,
//! `ANNOUNCE`, `INVITECODE`, `SUSPEND`, `AUDIT`. It must never decide who is one: the chat does.

use std::sync::Arc;

use super::{Call, Entry};
use crate::chat::command::{AdminCommand, Command};
use crate::chat::refusal::Refusal;
use crate::irc::message::Message;
use crate::irc::numeric::{ERR_NEEDMOREPARAMS, ERR_NOOPERHOST, RPL_YOUREOPER};
use crate::irc::render::IsoTime;
use crate::store::query::{Answer, Query};

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("OPER", 2, oper),
    Entry::new("KILL", 1, kill),
    Entry::new("KLINE", 1, kline),
    Entry::new("UNKLINE", 1, unkline),
    Entry::new("WALLOPS", 1, wallops),
    Entry::new("ANNOUNCE", 1, announce),
    Entry::new("INVITECODE", 0, invite_code),
    Entry::new("SUSPEND", 1, suspend),
    Entry::new("AUDIT", 0, audit),
];

/// Without `l` and `o`, which are mistaken for digits: five bits each.
const CODE_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// 80 bits: nobody guesses one.
const CODE_BYTES: usize = 16;

/// Entries of the audit log that are shown at once.
const AUDIT_MAX: usize = 100;

/// Entries that are shown if nobody says how many.
const AUDIT_USUAL: usize = 20;

/// The rights come with an account, so a password alone opens nothing here.
fn oper(call: &mut Call<'_, '_>, _: &Message<'_>) {
    let me = call.chat().user(call.me());
    let account = me.and_then(|me| me.account());
    let is_admins = account.is_some_and(|account| call.chat().is_admins(account));
    let is_admin = me.is_some_and(|me| me.is_admin());
    if !is_admins && !is_admin {
        let text = "log in to an administrator's account: its owner is one";
        call.numeric_text(ERR_NOOPERHOST, &[], text);
        return;
    }
    if is_admin {
        call.numeric(RPL_YOUREOPER, &[]);
        return;
    }
    // It is in the audit log first.
    let command = Command::BecomeAdmin(call.label());
    call.command_or_refuse("OPER", None, command);
}

fn kill(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let command = AdminCommand::Kill {
        nick: message.params[0].into(),
        reason: message.params.get(1).unwrap_or("").into(),
    };
    call.administer("KILL", Some(message.params[0]), command);
}

fn kline(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let mut params = message.params.iter().copied().peekable();
    let seconds = message.params.first().and_then(|text| duration(text));
    if seconds.is_some() {
        params.next();
    }
    let Some(mask) = params.next() else {
        call.numeric(ERR_NEEDMOREPARAMS, &["KLINE"]);
        return;
    };
    let command = AdminCommand::Ban {
        mask: mask.into(),
        seconds: seconds.filter(|seconds| *seconds > 0),
        reason: params.next().unwrap_or("no reason given").into(),
    };
    call.administer("KLINE", None, command);
}

/// Seconds: a number of minutes, or numbers with units as in `1d12h`; 0: for ever.
fn duration(text: &str) -> Option<u64> {
    if let Ok(minutes) = text.parse::<u64>() {
        return minutes.checked_mul(60);
    }
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let unit = match rest.as_bytes()[end].to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[end + 1..];
    }
    (!text.is_empty()).then_some(seconds)
}

fn unkline(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let mask = message.params[0].into();
    call.administer("UNKLINE", None, AdminCommand::Unban { mask });
}

fn wallops(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let text = message.params[0].into();
    call.administer("WALLOPS", None, AdminCommand::Announce(text));
}

fn announce(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let text = message.params[0].into();
    call.administer("ANNOUNCE", None, AdminCommand::Announce(text));
}

fn invite_code(call: &mut Call<'_, '_>, _: &Message<'_>) {
    let mut bytes = [0; CODE_BYTES];
    (call.view.random)(&mut bytes);
    let letters = bytes.map(|byte| char::from(CODE_LETTERS[usize::from(byte % 32)]));
    let code: String = letters.iter().collect();
    let code = code.into();
    call.administer("INVITECODE", None, AdminCommand::Invite { code });
}

fn suspend(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let account = message.params[0].into();
    call.administer("SUSPEND", None, AdminCommand::Suspend { account });
}

fn audit(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let me = call.chat().user(call.me());
    if !me.is_some_and(|me| me.is_admin()) {
        call.refuse("AUDIT", None, &Refusal::NeedsAdmin);
        return;
    }
    let limit = message.params.get(0).and_then(|limit| limit.parse().ok());
    let limit = limit.unwrap_or(AUDIT_USUAL).clamp(1, AUDIT_MAX);
    let asked = call.ask(Query::Audit { limit }, |call, answer| match answer {
        Ok(Answer::Audit(entries)) => call.show_audit(&entries),
        Ok(_) => call.show_audit(&[]),
        Err(error) => {
            let refusal = Refusal::CannotRead(error.to_string().into());
            call.refuse("AUDIT", None, &refusal);
        }
    });
    if let Err(refusal) = asked {
        call.refuse("AUDIT", None, &refusal);
    }
}

impl Call<'_, '_> {
    fn administer(&mut self, name: &str, about: Option<&str>, command: AdminCommand) {
        let command = Command::Admin(command, self.label());
        self.command_or_refuse(name, about, command);
    }

    fn show_audit(&mut self, entries: &[(u64, Arc<str>, Arc<str>)]) {
        for (unix_ms, admin, action) in entries {
            self.say_privately(&format!("{} {admin} {action}", IsoTime(*unix_ms)));
        }
        self.say_privately("End of the audit log");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("10"), Some(600));
        assert_eq!(duration("1d12H"), Some(129_600));
        assert_eq!(duration("90s"), Some(90));
        for text in ["", "1x", "d", "*@host", "1d2", "é", "99999999999999999999"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
