//! `MONITOR`: who is told when a nick comes and goes. It must never show where a nick is, only
//! whether it is there.
//!
//! The source is <https://ircv3.net/specs/extensions/monitor>.

use super::{Call, Entry};
use crate::chat::refusal::Refusal;
use crate::irc::message::Message;
use crate::irc::numeric::{
    ERR_MONLISTFULL, ERR_NEEDMOREPARAMS, Numeric, RPL_ENDOFMONLIST, RPL_MONLIST, RPL_MONOFFLINE,
    RPL_MONONLINE,
};
use crate::irc::render::source;
use crate::irc::write::text_room;

pub(super) const COMMANDS: &[Entry] = &[Entry::new("MONITOR", 1, monitor)];

fn monitor(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let nicks = message.params.get(1).unwrap_or("");
    let nicks = nicks.split(',').filter(|nick| !nick.is_empty());
    match message.params[0] {
        "+" => call.watch(nicks.collect()),
        "-" => {
            let me = call.me();
            nicks.for_each(|nick| call.view.chat.unwatch(me, nick));
        }
        "C" | "c" => {
            let me = call.me();
            call.view.chat.stop_watching(me);
        }
        "L" | "l" => {
            let watched = call.watched();
            call.nick_lines(RPL_MONLIST, &watched);
            call.numeric(RPL_ENDOFMONLIST, &[]);
        }
        "S" | "s" => {
            let watched = call.watched();
            call.show_watched(&watched);
        }
        _ => call.numeric(ERR_NEEDMOREPARAMS, &["MONITOR"]),
    }
}

impl Call<'_, '_> {
    fn watched(&self) -> Vec<String> {
        let me = self.chat().user(self.me());
        let watched = me.map_or(&[][..], |me| me.watches());
        watched.iter().map(|nick| nick.to_string()).collect()
    }

    fn watch(&mut self, nicks: Vec<&str>) {
        let me = self.me();
        let mut new = Vec::new();
        for (index, nick) in nicks.iter().enumerate() {
            match self.view.chat.watch(me, nick) {
                Ok(_) => new.push((*nick).to_owned()),
                Err(Refusal::ListFull(_)) => {
                    self.show_watched(&new);
                    let limit = self.chat().settings().watches_per_user.to_string();
                    let rest = nicks[index..].join(",");
                    self.numeric(ERR_MONLISTFULL, &[&limit, &rest]);
                    return;
                }
                // What is no nick never comes.
                Err(_) => {}
            }
        }
        self.show_watched(&new);
    }

    /// Which of these are there.
    fn show_watched(&mut self, nicks: &[String]) {
        let (mut online, mut offline) = (Vec::new(), Vec::new());
        for nick in nicks {
            let chat = self.chat();
            match chat.find(nick).and_then(|them| chat.user(them)) {
                Some(them) => online.push(source(them.identity())),
                None => offline.push(nick.clone()),
            }
        }
        self.nick_lines(RPL_MONONLINE, &online);
        self.nick_lines(RPL_MONOFFLINE, &offline);
    }

    /// The names with commas between them, in as many lines as they need.
    fn nick_lines(&mut self, numeric: Numeric, names: &[String]) {
        let space = text_room(&self.config().server, numeric.digits(), &[&self.nick()]);
        let mut text = String::new();
        for name in names {
            if !text.is_empty() && text.len() + 1 + name.len() > space {
                self.numeric_text(numeric, &[], &text);
                text.clear();
            }
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
        }
        if !text.is_empty() {
            self.numeric_text(numeric, &[], &text);
        }
    }
}
