//! `CERT`: client certificates that log in to one's account (SASL `EXTERNAL`). It must never touch
//! an account that the client is not logged in to.

use super::{Call, Entry};
use crate::accounts::fingerprint::Fingerprint;
use crate::chat::command::Command;
use crate::chat::refusal::Refusal;
use crate::irc::message::Message;
use crate::irc::numeric::ERR_UNKNOWNERROR;

pub(super) const COMMANDS: &[Entry] = &[Entry::new("CERT", 1, cert)];

fn cert(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let given = message.params.get(1);
    match message.params[0].to_ascii_uppercase().as_str() {
        "ADD" => call.set_certificate(given, true),
        "DEL" => call.set_certificate(given, false),
        "LIST" => call.show_certificates(),
        other => {
            let text = "CERT ADD [fingerprint], CERT DEL fingerprint, or CERT LIST";
            call.numeric_text(ERR_UNKNOWNERROR, &["CERT", other], text);
        }
    }
}

impl Call<'_, '_> {
    fn set_certificate(&mut self, given: Option<&str>, add: bool) {
        let own = self.chat().user(self.me()).and_then(|me| me.certificate());
        let text = match given {
            Some(given) => given.to_owned(),
            None if add && own.is_some() => own.map(|own| own.to_string()).unwrap_or_default(),
            None => {
                let text = "your connection has shown no certificate: give its fingerprint";
                self.fail("CERT", "NEED_MORE_PARAMS", &[], text);
                return;
            }
        };
        let fingerprint: Fingerprint = match text.parse() {
            Ok(fingerprint) => fingerprint,
            Err(error) => {
                let error: crate::accounts::fingerprint::NotAFingerprint = error;
                self.fail("CERT", "INVALID_FINGERPRINT", &[], &error.to_string());
                return;
            }
        };
        let command = Command::SetCertificate {
            fingerprint: fingerprint.to_string().into(),
            add,
            label: self.label(),
        };
        self.command_or_refuse("CERT", None, command);
    }

    fn show_certificates(&mut self) {
        let chat = self.chat();
        let account = chat.user(self.me()).and_then(|me| me.account());
        let Some(account) = account.and_then(|name| chat.account(name)) else {
            self.refuse("CERT", None, &Refusal::NeedsAccount);
            return;
        };
        let certificates = account.certificates.clone();
        for fingerprint in &certificates {
            self.say_privately(fingerprint);
        }
        let text = match certificates.len() {
            0 => "no certificate logs in to your account: CERT ADD adds one".to_owned(),
            count => format!("{count} of your certificates log in to your account"),
        };
        self.say_privately(&text);
    }

    /// A line of the server's for this user alone.
    pub(super) fn say_privately(&mut self, text: &str) {
        let (server, nick) = (&self.config().server, self.nick());
        let line = self.line().from(server, "NOTICE");
        line.param(&nick).text(text);
    }
}
