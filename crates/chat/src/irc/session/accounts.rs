//! `REGISTER` and `VERIFY`: an account is made. It must never keep a password, nor hash one itself.
//!
//! The source is <https://ircv3.net/specs/extensions/account-registration>. In place of an e-mail
//! address, a server that registers by invitation takes the invitation's code.

use std::sync::Arc;

use super::jobs::{HashJob, Hashed, Outcome};
use super::{Call, Entry};
use crate::accounts::names::AccountName;
use crate::accounts::password::{Password, PasswordError};
use crate::accounts::verifier::SALT_BYTES;
use crate::chat::command::Command;
use crate::chat::refusal::Refusal;
use crate::irc::message::Message;

pub(super) const COMMANDS: &[Entry] = &[
    Entry::new("REGISTER", 3, register),
    Entry::new("VERIFY", 2, verify),
];

fn register(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let nick = call.nick();
    let name = match message.params[0] {
        "*" => &*nick,
        name => name,
    };
    let invitation = Some(message.params[1]).filter(|code| *code != "*");
    if let Some(account) = call.account() {
        let text = format!("you are logged in as {account}");
        call.fail("REGISTER", "ALREADY_AUTHENTICATED", &[name], &text);
        return;
    }
    if !call.may_send_password() {
        let text = "connect by TLS: a password would travel in the clear";
        call.fail("REGISTER", "TLS_REQUIRED", &[name], text);
        return;
    }
    if let Err(refusal) = call.chat().may_be_registered(name, call.me()) {
        call.refuse("REGISTER", Some(name), &refusal);
        return;
    }
    let Ok(account) = name.parse::<AccountName>() else {
        call.refuse("REGISTER", None, &Refusal::BadAccountName(name.into()));
        return;
    };
    let password = match Password::chosen(message.params[2], &account) {
        Ok(password) => password,
        Err(error) => {
            let code = match error {
                PasswordError::TooShort | PasswordError::IsTheName => "WEAK_PASSWORD",
                _ => "UNACCEPTABLE_PASSWORD",
            };
            call.fail("REGISTER", code, &[name], &error.to_string());
            return;
        }
    };
    let mut salt = [0; SALT_BYTES];
    (call.view.random)(&mut salt);
    let job = HashJob::derive(password, salt, call.config().iterations);
    let (account, invitation): (Arc<str>, Option<Arc<str>>) =
        (name.into(), invitation.map(Into::into));
    let asked = call.hash(job, move |call, hashed| {
        let Some(Hashed(Outcome::Verifier(verifier))) = hashed else {
            call.refuse("REGISTER", Some(&account), &Refusal::Busy);
            return;
        };
        let command = Command::Register {
            account: Arc::clone(&account),
            verifier: verifier.into(),
            invitation,
            label: call.label(),
        };
        call.command_or_refuse("REGISTER", Some(&account), command);
    });
    if let Err(refusal) = asked {
        call.refuse("REGISTER", Some(name), &refusal);
    }
}

/// Nothing has to be verified here: an account is there when it is registered.
fn verify(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let text = "no account waits to be verified here";
    call.fail("VERIFY", "INVALID_CODE", &[message.params[0]], text);
}
