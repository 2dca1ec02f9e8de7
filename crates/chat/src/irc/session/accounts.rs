//! `REGISTER` and `VERIFY`: an account is made; `PASSWD` and `SETPASS`: it gets another password. It
//! must never keep a password, nor hash one itself.
//!
//! The source is <https://ircv3.net/specs/extensions/account-registration>. In place of an e-mail
//! address, a server that registers by invitation takes the invitation's code.

use std::sync::Arc;

use super::jobs::{HashJob, Hashed, Outcome};
use super::{Call, Entry};
use crate::accounts::names::AccountName;
use crate::accounts::password::{Password, PasswordError};
use crate::accounts::verifier::SALT_BYTES;
use crate::chat::command::{AdminCommand, Command};
use crate::chat::refusal::Refusal;
use crate::irc::message::Message;

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("REGISTER", 3, register),
    Entry::new("VERIFY", 2, verify),
    Entry::new("PASSWD", 1, passwd),
    Entry::new("SETPASS", 2, setpass),
];

fn register(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let nick = call.nick();
    let name = match message.params[0] {
        "*" => &*nick,
        name => name,
    };
    let invitation = Some(message.params[1]).filter(|code| *code != "*");
    call.register(name, invitation, message.params[2]);
}

fn passwd(call: &mut Call<'_, '_>, message: &Message<'_>) {
    call.change_password(message.params[0]);
}

/// An administrator gives somebody who has forgotten theirs another password.
fn setpass(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let name: Arc<str> = message.params[0].into();
    let me = call.chat().user(call.me());
    if !me.is_some_and(|me| me.is_admin()) {
        call.refuse("SETPASS", None, &Refusal::NeedsAdmin);
        return;
    }
    let Some(account) = call.chat().account(&name) else {
        call.refuse("SETPASS", None, &Refusal::NoSuchNick(name));
        return;
    };
    let account = Arc::clone(&account.name);
    call.derive("SETPASS", &account, message.params[1], {
        let account = Arc::clone(&account);
        move |call, verifier| {
            let command = AdminCommand::SetPassword { account, verifier };
            let command = Command::Admin(command, call.label());
            call.command_or_refuse("SETPASS", None, command);
        }
    });
}

/// Nothing has to be verified here: an account is there when it is registered.
fn verify(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let text = "no account waits to be verified here";
    call.fail("VERIFY", "INVALID_CODE", &[message.params[0]], text);
}

impl Call<'_, '_> {
    /// Makes an account for this user.
    pub(super) fn register(&mut self, name: &str, invitation: Option<&str>, password: &str) {
        // Administrators make accounts for others.
        let me = self.chat().user(self.me());
        let is_admin = me.is_some_and(|me| me.is_admin());
        if let Some(account) = self.account().filter(|_| !is_admin) {
            let text = format!("you are logged in as {account}");
            self.fail("REGISTER", "ALREADY_AUTHENTICATED", &[name], &text);
            return;
        }
        if let Err(refusal) = self.chat().may_be_registered(name, self.me()) {
            self.refuse("REGISTER", Some(name), &refusal);
            return;
        }
        let invitation = invitation.map(Into::into);
        let account: Arc<str> = name.into();
        self.derive("REGISTER", name, password, move |call, verifier| {
            let command = Command::Register {
                account: Arc::clone(&account),
                verifier,
                invitation,
                label: call.label(),
            };
            call.command_or_refuse("REGISTER", Some(&account), command);
        });
    }

    /// Another password for this user's own account.
    pub(super) fn change_password(&mut self, password: &str) {
        let Some(account) = self.account() else {
            self.refuse("PASSWD", None, &Refusal::NeedsAccount);
            return;
        };
        self.derive("PASSWD", &account, password, |call, verifier| {
            let label = call.label();
            let command = Command::SetPassword { verifier, label };
            call.command_or_refuse("PASSWD", None, command);
        });
    }

    /// The verifier of a password that somebody has chosen, if it is a good one and nobody could read
    /// it on the way.
    fn derive(
        &mut self,
        command: &'static str,
        name: &str,
        password: &str,
        then: impl FnOnce(&mut Call<'_, '_>, Arc<str>) + 'static,
    ) {
        if !self.may_send_password() {
            let text = "connect by TLS: a password would travel in the clear";
            self.fail(command, "TLS_REQUIRED", &[name], text);
            return;
        }
        let Ok(account) = name.parse::<AccountName>() else {
            self.refuse(command, None, &Refusal::BadAccountName(name.into()));
            return;
        };
        let password = match Password::chosen(password, &account) {
            Ok(password) => password,
            Err(error) => {
                let code = match error {
                    PasswordError::TooShort | PasswordError::IsTheName => "WEAK_PASSWORD",
                    _ => "UNACCEPTABLE_PASSWORD",
                };
                self.fail(command, code, &[name], &error.to_string());
                return;
            }
        };
        let mut salt = [0; SALT_BYTES];
        (self.view.random)(&mut salt);
        let job = HashJob::derive(password, salt, self.config().iterations);
        let about: Box<str> = name.into();
        let asked = self.hash(job, move |call, hashed| match hashed {
            Some(Hashed(Outcome::Verifier(verifier))) => then(call, verifier.into()),
            _ => call.refuse(command, Some(&about), &Refusal::Busy),
        });
        if let Err(refusal) = asked {
            self.refuse(command, Some(name), &refusal);
        }
    }
}
