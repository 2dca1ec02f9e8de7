//! The negotiation of capabilities. It must never turn one on that was not offered.
//!
//! The source is <https://ircv3.net/specs/extensions/capability-negotiation>.

use super::table::Needs;
use super::{Call, Entry, State};
use crate::chat::settings::Registration;
use crate::irc::caps::{self, Caps};
use crate::irc::message::Message;
use crate::irc::numeric::{ERR_INVALIDCAPCMD, ERR_NEEDMOREPARAMS};
use crate::irc::render::Carrier;
use crate::irc::write::{Line, text_room};

pub(super) const COMMANDS: &[Entry] = &[Entry::new("CAP", 1, cap).when(Needs::Nothing)];

/// Clients of this version and later understand values, and lists of several lines.
const WITH_VALUES: u16 = 302;

fn cap(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let argument = message.params.get(1).unwrap_or("");
    match message.params[0].to_ascii_uppercase().as_str() {
        "LS" => {
            call.negotiates(true);
            let version = argument.parse().unwrap_or(0);
            call.session.cap_version = call.session.cap_version.max(version);
            if version >= WITH_VALUES {
                // Such a client hears of changes.
                call.session.caps = call.session.caps | caps::CAP_NOTIFY;
            }
            let offered = call.offered_caps();
            let items = offered.iter().map(|cap| call.offered_text(cap)).collect();
            call.cap_list("LS", items);
        }
        "LIST" => {
            let names = call.session.caps.names().map(str::to_owned).collect();
            call.cap_list("LIST", names);
        }
        "REQ" => {
            call.negotiates(true);
            call.request(argument);
        }
        "END" => call.negotiates(false),
        _ if message.params[0].is_empty() => call.numeric(ERR_NEEDMOREPARAMS, &["CAP"]),
        _ => call.numeric(ERR_INVALIDCAPCMD, &[message.params[0]]),
    }
}

impl Call<'_, '_> {
    /// Registration waits while a client negotiates; after it, nothing does.
    fn negotiates(&mut self, on: bool) {
        if let State::Greeting(greeting) = &mut self.session.state {
            greeting.is_negotiating = on;
            if !on {
                self.abandon_sasl();
            }
        }
    }

    fn offered_caps(&self) -> Caps {
        let mut offered = caps::WORKING;
        if self.chat().settings().registration != Registration::Closed {
            offered = offered | caps::ACCOUNT_REGISTRATION;
        }
        // Without values, it says nothing; and a WebSocket's TLS is its page's business.
        let understands = self.session.cap_version >= WITH_VALUES
            && matches!(self.session.carrier, Carrier::Stream);
        if self.config().sts.is_some() && understands {
            offered = offered | caps::STS;
        }
        offered
    }

    /// A capability as it is listed, with its value for who understands values.
    fn offered_text(&self, cap: Caps) -> String {
        let name = caps::name(cap).unwrap_or_default();
        match self.cap_value(cap) {
            Some(value) if self.session.cap_version >= WITH_VALUES => format!("{name}={value}"),
            _ => name.to_owned(),
        }
    }

    fn cap_value(&self, cap: Caps) -> Option<String> {
        let config = self.config();
        match cap {
            caps::MULTILINE => Some(format!(
                "max-bytes={},max-lines={}",
                self.chat().settings().text_bytes_max,
                config.multiline_lines_max
            )),
            caps::SASL => Some(self.sasl_offer().to_string()),
            caps::ACCOUNT_REGISTRATION => Some("custom-account-name".to_owned()),
            // The one is for who comes in the clear, the other one for who must not again.
            caps::STS => config.sts.map(|sts| match self.session.tls {
                true => format!("duration={}", sts.duration.as_secs()),
                false => format!("port={}", sts.port),
            }),
            _ => None,
        }
    }

    /// `CAP nick LS :a b c`, in as many lines as it takes for who understands several.
    fn cap_list(&mut self, command: &str, items: Vec<String>) {
        let (server, nick) = (&self.config().server, self.nick());
        let room = text_room(server, "CAP", &[&nick, command, "*"]);
        let several = self.session.cap_version >= WITH_VALUES;
        let mut text = String::new();
        for item in items {
            if several && !text.is_empty() && text.len() + 1 + item.len() > room {
                let line = Line::new(self.view.reply).from(server, "CAP");
                line.param(&nick).param(command).param("*").text(&text);
                text.clear();
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&item);
        }
        let line = Line::new(self.view.reply).from(server, "CAP");
        line.param(&nick).param(command).text(&text);
    }

    /// All of what is asked for, or nothing.
    fn request(&mut self, asked: &str) {
        let offered = self.offered_caps().without(caps::STS);
        let mut wanted = self.session.caps;
        let mut knows_all = true;
        for word in asked.split_ascii_whitespace() {
            let (name, off) = match word.strip_prefix('-') {
                Some(name) => (name, true),
                None => (word, false),
            };
            match caps::named(name).filter(|cap| offered.has(*cap)) {
                // A client that understands lists of today cannot be kept from hearing of changes.
                Some(caps::CAP_NOTIFY) if off => {
                    knows_all &= self.session.cap_version < WITH_VALUES;
                    wanted = wanted.without(caps::CAP_NOTIFY);
                }
                Some(cap) if off => wanted = wanted.without(cap),
                Some(cap) => wanted = wanted.with(cap),
                None => knows_all = false,
            }
        }
        if knows_all {
            self.session.caps = wanted;
        }
        let (server, nick) = (&self.config().server, self.nick());
        let answer = if knows_all { "ACK" } else { "NAK" };
        let line = Line::new(self.view.reply).from(server, "CAP");
        line.param(&nick).param(answer).text(asked);
    }
}
