//! Whether somebody is there: `PING`, `PONG`, `AWAY`, `SETNAME`, `QUIT`. It must never let a client
//! speak for another one.

use super::table::Needs;
use super::{Call, Entry};
use crate::chat::command::Command;
use crate::irc::message::Message;
use crate::irc::numeric::{RPL_NOWAWAY, RPL_UNAWAY};

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("PING", 1, ping).when(Needs::Nothing),
    Entry::new("PONG", 0, pong).when(Needs::Nothing),
    Entry::new("AWAY", 0, away),
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

fn away(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let reason = message.params.get(0).filter(|reason| !reason.is_empty());
    let command = Command::SetAway(reason.map(Into::into));
    if call.command_or_refuse("AWAY", None, command) {
        let numeric = if reason.is_some() {
            RPL_NOWAWAY
        } else {
            RPL_UNAWAY
        };
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
