//! How a connection becomes a user: `NICK`, `USER`, `PASS`, and the end of the negotiation. It must
//! never let anybody in under a name that the chat refuses.

use std::net::IpAddr;
use std::sync::Arc;

use super::table::Needs;
use super::{Call, Entry, State};
use crate::accounts::fingerprint::Fingerprint;
use crate::chat::Newcomer;
use crate::chat::command::Command;
use crate::chat::ids::Moment;
use crate::chat::refusal::Refusal;
use crate::irc::message::Message;
use crate::irc::names;
use crate::irc::numeric::{ERR_ERRONEUSNICKNAME, ERR_NONICKNAMEGIVEN};
use crate::irc::write::cut;

/// The longest user name, in bytes (`USERLEN`).
pub(super) const USER_BYTES_MAX: usize = 16;

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("NICK", 0, nick).when(Needs::Nothing),
    Entry::new("USER", 4, user).when(Needs::NoRegistration),
    Entry::new("PASS", 1, pass).when(Needs::NoRegistration),
];

/// Where a client comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// As the others may see it: no spaces, `!` or `@`.
    pub host: Arc<str>,
    /// The address, if it comes from a network.
    pub from: Option<IpAddr>,
    /// It speaks TLS.
    pub tls: bool,
    /// The certificate that it has shown, of which TLS has proved that it has the key.
    pub certificate: Option<Fingerprint>,
}

impl Origin {
    /// Whether nobody on the way can read what is said: by TLS, or within this machine.
    pub fn is_private(&self) -> bool {
        let is_local = |from: IpAddr| from.to_canonical().is_loopback();
        self.tls || self.from.is_none_or(is_local)
    }
}

/// What is known of a client that has not said all of who it is.
pub(super) struct Greeting {
    origin: Origin,
    since_ns: u64,
    nick: Option<Arc<str>>,
    /// The user name and the name for people.
    user: Option<(Arc<str>, Arc<str>)>,
    /// It negotiates capabilities: nothing else happens until it says that it has ended.
    pub(super) is_negotiating: bool,
    pub(super) account: Option<Arc<str>>,
    /// Away from the beginning, and why.
    pub(super) away: Option<Arc<str>>,
}

impl Greeting {
    pub(super) fn new(origin: Origin, now: Moment) -> Greeting {
        Greeting {
            origin,
            since_ns: now.monotonic_ns,
            nick: None,
            user: None,
            is_negotiating: false,
            account: None,
            away: None,
        }
    }

    pub(super) fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// `nick!user@host`, with `*` for what is not known.
    pub(super) fn source(&self) -> String {
        let nick = self.nick.as_deref().unwrap_or("*");
        let user = self.user.as_ref().map_or("*", |(user, _)| user);
        format!("{nick}!{user}@{}", self.origin.host)
    }

    pub(super) fn nick(&self) -> Option<&Arc<str>> {
        self.nick.as_ref()
    }
}

/// A nick, before or after registration.
fn nick(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let Some(nick) = message.params.get(0).filter(|nick| !nick.is_empty()) else {
        call.numeric(ERR_NONICKNAMEGIVEN, &[]);
        return;
    };
    if let State::Greeting(greeting) = &mut call.session.state {
        match names::check_nick(nick) {
            Ok(()) => greeting.nick = Some(nick.into()),
            Err(error) => call.numeric_text(ERR_ERRONEUSNICKNAME, &[nick], &error.to_string()),
        }
        return;
    }
    call.command_or_refuse("NICK", Some(nick), Command::Rename { nick: nick.into() });
}

fn user(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let user = user_name(message.params[0]);
    let realname = message.params[3];
    if let State::Greeting(greeting) = &mut call.session.state {
        let max = call.view.chat.settings().line_bytes_max;
        greeting.user = Some((user.into(), cut(realname, max).into()));
    }
}

/// What of a user name fits into `nick!user@host` and is seen as it is.
fn user_name(asked: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let user: String = asked.chars().filter(fits).take(USER_BYTES_MAX).collect();
    match user.is_empty() {
        true => "user".to_owned(),
        false => user,
    }
}

/// The server has no password, and nothing is made of one.
fn pass(_: &mut Call<'_, '_>, _: &Message<'_>) {}

impl Call<'_, '_> {
    /// Makes the client a user when all that is needed was said.
    pub(super) fn enter_if_ready(&mut self) {
        let State::Greeting(greeting) = &self.session.state else {
            return;
        };
        let (Some(nick), Some((user, realname)), false) =
            (&greeting.nick, &greeting.user, greeting.is_negotiating)
        else {
            return;
        };
        let newcomer = Newcomer {
            nick: Arc::clone(nick),
            user: Arc::clone(user),
            host: Arc::clone(&greeting.origin.host),
            realname: Arc::clone(realname),
            account: greeting.account.clone(),
            from: greeting.origin.from,
        };
        let (nick, now) = (Arc::clone(nick), self.view.now);
        let away = greeting.away.clone();
        match self.view.chat.enter(newcomer, now, self.view.out) {
            Ok(user) => {
                self.session.state = State::In(user);
                if self.session.tls {
                    let shown = self.session.certificate.as_ref();
                    let shown = shown.map(|shown| shown.to_string().into());
                    self.view.chat.secured(user, shown);
                }
                if away.is_some() {
                    // It is short enough, and the first thing that this user does.
                    let _ = self.command(Command::SetAway(away));
                }
                self.welcome();
            }
            Err(refusal @ (Refusal::BannedFromServer(_) | Refusal::Busy)) => {
                self.refuse("USER", None, &refusal);
                self.end(&refusal.to_string());
            }
            Err(refusal) => {
                if let State::Greeting(greeting) = &mut self.session.state {
                    greeting.nick = None;
                }
                self.refuse("NICK", Some(&nick), &refusal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_cannot_break_a_mask() {
        assert_eq!(user_name("ada"), "ada");
        assert_eq!(user_name("a!d@a *"), "ada");
        assert_eq!(user_name("@@"), "user");
        assert_eq!(user_name(&"x".repeat(99)).len(), USER_BYTES_MAX);
    }
}
