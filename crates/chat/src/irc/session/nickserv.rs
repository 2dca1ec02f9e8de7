//! `NickServ`, whom people tell their passwords on other servers: the commands on accounts in its
//! words. It must never pass on to anybody what it is told.

use super::{Call, Entry};
use crate::accounts::sasl::{Exchange, chunks};
use crate::accounts::scram::NONCE_RANDOM_BYTES;
use crate::chat::command::Command;
use crate::chat::settings::Registration;
use crate::irc::message::Message;
use crate::irc::numeric::{ERR_SASLALREADY, RPL_LOGGEDOUT};
use crate::irc::write::Line;

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("NICKSERV", 0, nickserv),
    Entry::new("NS", 0, nickserv),
];

/// How it is called, as a target of messages.
const NAME: &str = "NickServ";

const HELP: &[&str] = &[
    "IDENTIFY [account] password: logs in",
    "REGISTER password: makes an account of your nick (on some servers: REGISTER password invitation)",
    "SET PASSWORD password: another password for your account",
    "LOGOUT: logs out",
    "Clients that know SASL log in by themselves: set your account and password there",
];

fn nickserv(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let words: Vec<&str> = message.params.iter().copied().collect();
    call.tell_nickserv(&words.join(" "));
}

/// The first word of a text, and what is behind it.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim())
}

/// Whether a message to `target` is for it.
pub(super) fn is_meant(target: &str) -> bool {
    let name = target.split('@').next().unwrap_or(target);
    name.eq_ignore_ascii_case(NAME)
}

impl Call<'_, '_> {
    /// Does what a message to it asks for.
    pub(super) fn tell_nickserv(&mut self, text: &str) {
        let (verb, rest) = first_word(text);
        match (verb.to_ascii_uppercase().as_str(), rest) {
            ("IDENTIFY" | "ID" | "LOGIN", rest) if !rest.is_empty() => self.identify(rest),
            ("REGISTER", rest) if !rest.is_empty() => self.register_nick(rest),
            ("LOGOUT", _) => self.log_out(),
            ("PASSWD", password) if !password.is_empty() => self.change_password(password),
            ("SET", rest) => match first_word(rest) {
                (what, password)
                    if what.eq_ignore_ascii_case("PASSWORD") && !password.is_empty() =>
                {
                    self.change_password(password);
                }
                _ => self.say_help(),
            },
            _ => self.say_help(),
        }
    }

    /// `password`, or `account password`; a password can have spaces.
    fn identify(&mut self, text: &str) {
        if self.account().is_some() {
            self.numeric(ERR_SASLALREADY, &[]);
            return;
        }
        if !self.may_send_password() {
            self.nickserv_says("connect by TLS: a password would travel in the clear");
            return;
        }
        if self.session.exchange.is_some() || self.session.hashing.is_some() {
            self.nickserv_says("another password is being looked at: try again in a moment");
            return;
        }
        let nick = self.nick();
        let (account, password) = match first_word(text) {
            (first, rest) if !rest.is_empty() && self.chat().account(first).is_some() => {
                (first, rest)
            }
            _ => (&*nick, text),
        };
        let mut random = [0; NONCE_RANDOM_BYTES];
        (self.view.random)(&mut random);
        let mut exchange = Box::new(Exchange::new(self.sasl_offer(), random));
        // As a client would log in by SASL, so that there is one way in.
        let mut step = exchange.input("PLAIN");
        for chunk in chunks(format!("\0{account}\0{password}").as_bytes()) {
            step = exchange.input(&chunk);
        }
        self.go_on(exchange, step);
    }

    /// A password, and behind it an invitation where it takes one. Elsewhere people write an e-mail
    /// address there, for which nobody asks here.
    fn register_nick(&mut self, text: &str) {
        let by_invitation = self.chat().settings().registration == Registration::Invitation;
        let (password, last) = match text.rsplit_once(' ') {
            Some((password, last)) if by_invitation => (password.trim(), Some(last)),
            Some((password, last)) if last.contains('@') => (password.trim(), None),
            _ => (text, None),
        };
        let nick = self.nick();
        self.register(&nick, last, password);
    }

    fn log_out(&mut self) {
        let source = self.own_source();
        if self.command_or_refuse("LOGOUT", None, Command::LogOut) {
            self.numeric(RPL_LOGGEDOUT, &[&source]);
        }
    }

    fn say_help(&mut self) {
        for line in HELP {
            self.nickserv_says(line);
        }
    }

    fn nickserv_says(&mut self, text: &str) {
        let nick = self.nick();
        let source = format!("{NAME}!{NAME}@{}", self.config().server);
        let line = Line::new(self.view.reply).from(&source, "NOTICE");
        line.param(&nick).text(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_for_it_are_told_from_others() {
        for target in ["NickServ", "nickserv", "NICKSERV@services.example.org"] {
            assert!(is_meant(target), "{target}");
        }
        for target in ["nickserve", "#nickserv", "nick", ""] {
            assert!(!is_meant(target), "{target}");
        }
        assert_eq!(first_word("  a  b c "), ("a", "b c"));
        assert_eq!(first_word("a"), ("a", ""));
    }
}
