//! Answers to durable commands that nobody else hears of. It must never say that something is stored
//! that is not.

use bytes::Bytes;

use super::{Viewer, answers_labels};
use crate::chat::command::Label;
use crate::chat::event::Receipt;
use crate::chat::refusal::Refusal;
use crate::irc::caps;
use crate::irc::numeric::RPL_YOUREOPER;
use crate::irc::refusals;
use crate::irc::session::labels;
use crate::irc::write::{self, Line};

/// What a client is sent when [`Outlet::answer`](crate::chat::outlet::Outlet::answer) is called for
/// it.
pub fn answer(
    outcome: &Result<Receipt, Refusal>,
    label: &Label,
    server: &str,
    viewer: Viewer,
) -> Bytes {
    let mut out = Vec::new();
    match outcome {
        Ok(receipt) => write(&mut out, receipt, server, viewer),
        Err(refusal) => {
            let scene = refusals::Scene {
                server,
                nick: "*",
                caps: viewer.caps(),
                command: "*",
                about: None,
            };
            refusals::write(&mut out, &scene, refusal);
        }
    }
    if let Some(label) = label.as_deref().filter(|_| answers_labels(viewer.caps())) {
        labels::put(&mut out, 0, label, server);
    }
    viewer.carrier().carry(out).into()
}

fn write(out: &mut Vec<u8>, receipt: &Receipt, server: &str, viewer: Viewer) {
    let note = |out: &mut Vec<u8>, command: &str, code: &str, text: &str| {
        if viewer.caps().has(caps::STANDARD_REPLIES) {
            let line = Line::new(out).from(server, "NOTE");
            line.param(command).param(code).text(text);
        } else {
            Line::new(out).from(server, "NOTICE").param("*").text(text);
        }
    };
    match receipt {
        Receipt::Registered { account } => {
            let line = Line::new(out).from(server, "REGISTER").param("SUCCESS");
            line.param(account)
                .text("the account is yours, and you are logged in");
        }
        Receipt::PasswordSet => note(out, "*", "PASSWORD_SET", "the password is set"),
        Receipt::CertificateSet => note(out, "*", "CERTIFICATE_SET", "the certificates are set"),
        Receipt::Administrator { nick } => {
            write::reply(out, server, RPL_YOUREOPER, nick, &[]);
        }
        Receipt::Administered { text } => {
            Line::new(out).from(server, "NOTICE").param("*").text(text);
        }
    }
}
