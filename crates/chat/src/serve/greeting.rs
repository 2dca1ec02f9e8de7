//! A client of which nobody knows yet what it speaks.
//!
//! It must never take a byte: whatever the client turns out to speak reads all of them.

use std::time::Duration;

use switchboard::{Address, Close, Context, Handler, Result, TimerId};

use super::http::HttpClient;
use super::irc_client::IrcClient;
use super::plain::PlainClient;
use super::server::Protocols;
use super::{Server, departed};
use crate::answers::Farewell;
use crate::chat::Admission;
use crate::escape::Escaped;
use crate::wire::detect::Decision;

/// What is known of a connection, whatever it speaks.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) peer: Address,
    /// It counts in its network's limit until it is closed.
    pub(super) admission: Option<Admission>,
    pub(super) tls: bool,
    /// It came in where only programs on this machine can.
    pub(super) local: bool,
}

/// The handler of such a client.
#[derive(Debug)]
pub(super) struct Greeting {
    visitor: Option<Visitor>,
    protocols: Protocols,
    /// Half a greeting is there, and this timer gives the client up.
    deadline: Option<TimerId>,
}

impl Greeting {
    pub(super) fn new(visitor: Visitor, protocols: Protocols) -> Greeting {
        Greeting {
            visitor: Some(visitor),
            protocols,
            deadline: None,
        }
    }

    fn look(&mut self, server: &mut Server, cx: &mut Context<'_, Server>, ended: bool) -> Result {
        let data = cx.data();
        let decision = match self.protocols.detect.look(data) {
            Decision::Undecided if ended && self.protocols.plain => Decision::Plain,
            decision => decision,
        };
        if decision == Decision::Undecided {
            if self.deadline.is_none() && !data.is_empty() {
                self.deadline = Some(cx.set_timer(server.handshake)?);
            }
            return Ok(());
        }
        if let Some(timer) = self.deadline.take() {
            cx.cancel_timer(timer);
        }
        let Some(visitor) = self.visitor.take() else {
            return Ok(());
        };
        tracing::info!("{} speaks {decision}", visitor.peer);
        self.go_on(decision, visitor, server, cx, ended)
    }

    fn go_on(
        &mut self,
        decision: Decision,
        mut visitor: Visitor,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        ended: bool,
    ) -> Result {
        match decision {
            Decision::Tls => {
                let Some((tls, _)) = &server.tls else {
                    tracing::warn!(
                        "{} speaks TLS, for which this server has no certificate: give it one \
                         by --tls",
                        visitor.peer
                    );
                    self.visitor = Some(visitor);
                    cx.abort();
                    return Ok(());
                };
                cx.start_tls(tls)?;
                visitor.tls = true;
                let mut protocols = self.protocols;
                protocols.detect.tls = false;
                cx.replace_handler(Greeting::new(visitor, protocols));
            }
            Decision::Http => {
                cx.replace_handler(HttpClient::new(visitor));
                cx.again();
            }
            Decision::Irc => {
                IrcClient::take_over(visitor, server, cx)?;
            }
            Decision::Plain if self.protocols.plain => {
                PlainClient::take_over(visitor, server, cx, ended)?;
            }
            Decision::Plain | Decision::Undecided => {
                tracing::warn!("{} speaks nothing that is spoken here", visitor.peer);
                self.visitor = Some(visitor);
                cx.abort();
            }
        }
        Ok(())
    }
}

impl Handler<Server> for Greeting {
    fn handle_read(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        self.look(server, cx, false)
    }

    fn handle_eof(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        if cx.data().is_empty() {
            cx.close();
            return Ok(());
        }
        self.look(server, cx, true)
    }

    fn handle_timer(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        timer: TimerId,
    ) -> Result {
        let Some(visitor) = &self.visitor else {
            return Ok(());
        };
        let peer = &visitor.peer;
        if self.deadline == Some(timer) {
            let waited = humantime::format_duration(server.handshake);
            tracing::warn!("{peer} has sent half a greeting for {waited}, and is given up");
        } else {
            // The door's timer: for those who never say anything.
            let line = server.answers.farewell(Farewell::Idle);
            tracing::warn!("{peer} is sent away: {}", Escaped::new(line.trim_ascii()));
            if self.protocols.plain && cx.send(line).is_ok() {
                cx.close();
                return Ok(());
            }
        }
        cx.abort();
        Ok(())
    }

    fn handle_close(&mut self, server: &mut Server, cx: &mut Context<'_, Server>, why: &Close) {
        if let Some(visitor) = self.visitor.take() {
            departed(server, cx, visitor, why);
        }
    }
}

/// A timer for those who never say anything runs out after this, whatever the idle limit is.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(24 * 3600);
