//! `REDACT`: a message is taken back. It must never decide whose message it is: the chat does, by
//! what the archive has.
//!
//! The source is <https://ircv3.net/specs/extensions/message-redaction>.

use std::sync::Arc;

use super::call::target;
use super::{Call, Entry};
use crate::chat::command::{Command, Target};
use crate::chat::event::{Message as Stored, Place};
use crate::chat::ids::Msgid;
use crate::chat::refusal::Refusal;
use crate::irc::message::Message;
use crate::irc::names;
use crate::store::StoreError;
use crate::store::query::{Answer, Query};

pub(super) const COMMANDS: &[Entry] = &[Entry::new("REDACT", 2, redact)];

fn redact(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let (to, msgid) = (message.params[0], message.params[1]);
    let reason: Arc<str> = message.params.get(2).unwrap_or("").into();
    let to: Arc<str> = to.into();
    let Ok(msgid) = msgid.parse::<Msgid>() else {
        call.fail(
            "REDACT",
            "UNKNOWN_MSGID",
            &[&to, msgid],
            "there is no such message",
        );
        return;
    };
    let name = Arc::clone(&to);
    let asked = call.ask(Query::Message(msgid), move |call, answer| {
        if let Err(refusal) = redact_found(call, &to, msgid, reason, answer) {
            refused(call, &to, msgid, &refusal);
        }
    });
    if let Err(refusal) = asked {
        refused(call, &name, msgid, &refusal);
    }
}

fn redact_found(
    call: &mut Call<'_, '_>,
    to: &str,
    msgid: Msgid,
    reason: Arc<str>,
    answer: Result<Answer, StoreError>,
) -> Result<(), Refusal> {
    let found = match answer {
        Ok(Answer::Message(found)) => found,
        Ok(_) => None,
        Err(error) => return Err(Refusal::CannotRead(error.to_string().into())),
    };
    let target = target(to);
    let there = found.filter(|found| was_said_there(call, found, &target));
    call.chat().may_redact(call.me(), there.as_deref())?;
    let label = call.label();
    call.command(Command::Redact {
        target,
        msgid,
        reason,
        label,
    })
}

/// Or somebody could take back by one room's rights what was said in another one.
fn was_said_there(call: &Call<'_, '_>, found: &Stored, target: &Target) -> bool {
    match (&found.place, target) {
        (Place::Room(room), Target::Room(name)) => names::are_same(room, name),
        (Place::Person { nick, account }, Target::Person(name)) => {
            let is_them = |other: &str| names::are_same(other, name);
            is_them(nick) || account.as_deref().is_some_and(is_them) || is_them(&call.nick())
        }
        _ => false,
    }
}

fn refused(call: &mut Call<'_, '_>, to: &str, msgid: Msgid, refusal: &Refusal) {
    let (msgid, text) = (msgid.to_string(), refusal.to_string());
    match refusal {
        Refusal::NoSuchMessage => call.fail("REDACT", "UNKNOWN_MSGID", &[to, &msgid], &text),
        Refusal::NeedsOperator(_) => call.fail("REDACT", "REDACT_FORBIDDEN", &[to, &msgid], &text),
        other => call.refuse("REDACT", Some(to), other),
    }
}
