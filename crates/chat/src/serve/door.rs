//! Lets clients in, and tells those who are too many.
//!
//! It must never hear what a client says.

use std::time::Duration;

use switchboard::{Address, Context, Handler, Result, Stream};

use super::Server;
use super::greeting::{Greeting, SILENCE_MAX, Visitor};
use super::links::ip_of;
use super::server::Protocols;
use super::storage::moment;
use crate::answers::{Answers, Farewell};

/// A peer that vanished without a word is found after this time where no idle limit does it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// The handler of a listener.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) protocols: Protocols,
    /// Its connections begin with a handshake.
    pub(super) tls: bool,
    /// Only programs on this machine can come in here.
    pub(super) local: bool,
}

impl Handler<Server> for Door {
    fn handle_accepted(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        stream: Stream,
    ) -> Result {
        let Ok(peer) = stream.peer() else {
            // Reset before it was looked at, as port scanners do: nothing to alarm anybody with.
            tracing::debug!("a client was gone before it was let in");
            return Ok(());
        };
        if server.clients >= server.limits.clients_max {
            let line = server.answers.farewell(Farewell::Full).to_vec();
            return self.turn_away(server, cx, stream, &peer, ("the server is full", line));
        }
        let admission = match server.chat.admit(ip_of(&peer), moment(cx)) {
            Ok(admission) => admission,
            Err(refusal) => {
                let line = Answers::refused(&refusal, true);
                return self.turn_away(server, cx, stream, &peer, (&refusal.to_string(), line));
            }
        };
        if server.limits.idle.is_none() {
            stream.set_keepalive(KEEPALIVE_IDLE)?;
        }
        tracing::info!("{peer} connected");
        let visitor = Visitor {
            peer,
            admission: Some(admission),
            tls: self.tls,
            local: self.local,
        };
        let token = cx.register(stream, Greeting::new(visitor, self.protocols))?;
        server.clients += 1;
        server.counters.accepted += 1;
        // One that never speaks has no other timer.
        cx.set_source_timer(token, server.limits.idle.unwrap_or(SILENCE_MAX))?;
        Ok(())
    }
}

impl Door {
    fn turn_away(
        &self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        stream: Stream,
        peer: &Address,
        (why, line): (&str, Vec<u8>),
    ) -> Result {
        tracing::info!("{peer} was turned away: {why}");
        server.counters.turned_away += 1;
        if self.tls || !self.protocols.plain {
            return Ok(()); // it would not understand a line
        }
        let token = cx.register(stream, TurnedAway)?;
        cx.send_to(token, line)?;
        cx.close_source(token);
        Ok(())
    }
}

/// A client too many. It is closed from the start, so nothing of what it does is heard.
struct TurnedAway;

impl Handler<Server> for TurnedAway {}
