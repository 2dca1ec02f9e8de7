//! A message as lines of IRC. It must never write a line that the server would have to cut.

use super::{Outgoing, RoomClient};
use crate::irc::pieces::{pieces, tagged};
use crate::irc::write::Line;

impl RoomClient {
    pub(super) fn send(&self, outgoing: &Outgoing, out: &mut Vec<u8>) {
        let (room, label) = (outgoing.room.as_str(), outgoing.number.to_string());
        let label = self.has("labeled-response").then_some(label.as_str());
        let pieces = pieces(&outgoing.text);
        if let [(text, _)] = &pieces[..] {
            let line = tagged(out, [("label", label)]);
            line.command("PRIVMSG").param(room).text(text);
        } else if self.has("draft/multiline") && self.has("batch") {
            let name = format!("m{}", outgoing.number);
            let line = tagged(out, [("label", label)]).command("BATCH");
            line.param(&format!("+{name}"))
                .param("draft/multiline")
                .param(room)
                .end();
            for (text, goes_on) in pieces {
                let goes_on = goes_on.then_some("");
                let line = tagged(
                    out,
                    [
                        ("batch", Some(name.as_str())),
                        ("draft/multiline-concat", goes_on),
                    ],
                );
                line.command("PRIVMSG").param(room).text(text);
            }
            Line::new(out)
                .command("BATCH")
                .param(&format!("-{name}"))
                .end();
        } else {
            for (text, _) in pieces {
                Line::new(out).command("PRIVMSG").param(room).text(text);
            }
        }
        if !self.has("labeled-response") {
            // It is answered behind the message, which is as much as such a server says.
            let token = format!("switchboard-{}", outgoing.number);
            Line::new(out).command("PING").param(&token).end();
        }
    }
}
