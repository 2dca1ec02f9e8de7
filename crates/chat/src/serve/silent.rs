//! Clients that have connected and said nothing yet: who of them stays too long is sent away.
//!
//! It must never know a client that has spoken: from its first byte on it has a timer of its own,
//! which only its own handler can start.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard::{Address, Context, LoopContext, Result, TimerId, Token};
use switchboard_chat::answers::Farewell;
use switchboard_chat::escape::Escaped;

use super::Server;

/// The timers of the clients that are silent so far; as many as there may be clients.
#[derive(Debug, Default)]
pub struct Silent {
    timers: BTreeMap<Token, TimerId>,
}

impl Silent {
    /// Sends a new client away after `idle`, unless it is forgotten before.
    ///
    /// # Errors
    /// There are too many timers.
    pub fn watch(
        &mut self,
        cx: &mut LoopContext<'_, Server>,
        client: Token,
        peer: Address,
        idle: Option<Duration>,
    ) -> Result {
        if let Some(idle) = idle {
            let timer = cx.after(idle, move |server, cx| send_away(server, cx, client, &peer))?;
            self.timers.insert(client, timer);
        }
        Ok(())
    }

    /// The client of `cx` has spoken, or has left.
    pub fn forget(&mut self, cx: &mut Context<'_, Server>) {
        if let Some(timer) = self.timers.remove(&cx.token()) {
            cx.cancel_timer(timer);
        }
    }
}

fn send_away(server: &mut Server, cx: &mut LoopContext<'_, Server>, client: Token, peer: &Address) {
    server.silent.timers.remove(&client);
    let line = server.answers.farewell(Farewell::Idle);
    tracing::warn!("{peer} is sent away: {}", Escaped::new(line.trim_ascii()));
    // It was never sent anything, so there is room; if it has just gone, so has the need.
    let _ = cx.send_to(client, line);
    cx.close_source(client);
}
