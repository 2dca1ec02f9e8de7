//! Whether somebody is there: `PING`, `PONG`, `AWAY`, `SETNAME`, `QUIT`. It must never let a client
//! speak for another one.

use super::table::Needs;
use super::{Call, Entry, State};
use crate::chat::command::Command;
use crate::irc::caps;
use crate::irc::message::Message;
use crate::irc::numeric::{ERR_NOTREGISTERED, RPL_NOWAWAY, RPL_UNAWAY};
use crate::irc::write::cut;

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("PING", 1, ping).when(Needs::Nothing),
    Entry::new("PONG", 0, pong).when(Needs::Nothing),
    Entry::new("AWAY", 0, away).when(Needs::Nothing),
    Entry::new("SETNAME", 1, setname),
    Entry::new("QUIT", 0, quit).when(Needs::Nothing),
    Entry::new("ERROR", 0, pong).when(Needs::Nothing),
];

fn ping(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let server = &call.config().server;
    let line = call.line().from(server, "PONG");
    line.param(server).text(message.params[0]);
}

/// Any line is a sign of life; these say nothing more.
fn pong(_: &mut Call<'_, '_>, _: &Message<'_>) {}

/// Before registration, too, for clients that connect while nobody is there (IRCv3 `pre-away`).
fn away(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let reason = message.params.get(0).filter(|reason| !reason.is_empty());
    let numeric = match reason {
        Some(_) => RPL_NOWAWAY,
        None => RPL_UNAWAY,
    };
    let is_asked_for = call.caps().has(caps::PRE_AWAY);
    let max = call.chat().settings().line_bytes_max;
    if let State::Greeting(greeting) = &mut call.session.state {
        if is_asked_for {
            greeting.away = reason.map(|reason| cut(reason, max).into());
            call.numeric(numeric, &[]);
        } else {
            call.numeric(ERR_NOTREGISTERED, &[]);
        }
        return;
    }
    let command = Command::SetAway(reason.map(Into::into));
    if call.command_or_refuse("AWAY", None, command) {
        call.numeric(numeric, &[]);
    }
}

fn setname(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let realname = message.params[0];
    if realname.len() > call.chat().settings().line_bytes_max {
        call.fail(
            "SETNAME",
            "INVALID_REALNAME",
            &[],
            "the realname is too long",
        );
        return;
    }
    call.command_or_refuse("SETNAME", None, Command::SetRealname(realname.into()));
}

fn quit(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let reason = message.params.get(0).unwrap_or("");
    match reason {
        "" => call.end("Quit"),
        reason => call.end(&format!("Quit: {reason}")),
    }
}
