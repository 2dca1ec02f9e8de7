//! Talkers with a proxy between them, which pauses the one side while the other has no room.
//! It must never look at what it passes on.

use std::net::Shutdown;

use switchboard::{Close, ConnectOptions, Context, Error, Handler, Reactor, Result, Stream, Token};

use crate::life;
use crate::streams::idle;
use crate::talker::Host;

/// Accepts, and connects to the server.
pub struct Entrance;

pub fn boot(reactor: &mut Reactor<Host>) -> Result {
    life::listen(reactor, "0.0.0.0:9000", Entrance).map(drop)
}

impl Handler<Host> for Entrance {
    fn handle_accepted(
        &mut self,
        host: &mut Host,
        cx: &mut Context<'_, Host>,
        stream: Stream,
    ) -> Result {
        let near = life::register(host, cx, stream, Pipe { to: None })?;
        let options = ConnectOptions::default().with_timeout(None);
        let far = life::connect(host, cx, "server:8080", options, Pipe { to: Some(near) })?;
        // The near one learns where to by its own handler: nothing of it is read before.
        cx.pause_source(near);
        host.pipes.insert(near, far);
        for token in [near, far] {
            let options = switchboard::SourceOptions::default()
                .with_watermarks(500, 2000)
                .with_idle_timeout(idle(host));
            cx.set_source_options(token, options)?;
        }
        Ok(())
    }
}

/// One side of a connection that is passed on.
struct Pipe {
    to: Option<Token>,
}

impl Pipe {
    fn other(&self, host: &Host, cx: &Context<'_, Host>) -> Token {
        self.to.unwrap_or_else(|| host.pipes[&cx.token()])
    }
}

impl Handler<Host> for Pipe {
    fn handle_connect(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        let other = self.other(host, cx);
        cx.resume_source(other);
        Ok(())
    }

    fn handle_read(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        let other = self.other(host, cx);
        while !cx.data().is_empty() {
            let piece = &cx.data()[..cx.data().len().min(700)];
            match cx.send_to(other, piece) {
                Ok(()) => cx.consume(piece.len()),
                Err(Error::Full { .. }) => {
                    cx.pause_reading(); // until the other one has room
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn handle_write(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        let other = self.other(host, cx);
        cx.resume_source(other);
        Ok(())
    }

    fn handle_eof(&mut self, host: &mut Host, cx: &mut Context<'_, Host>) -> Result {
        assert!(cx.data().is_empty(), "the end before what is unread");
        let other = self.other(host, cx);
        cx.shutdown_source(other, Shutdown::Write)
    }

    fn handle_error(&mut self, host: &mut Host, _: &mut Context<'_, Host>, error: &Error) {
        assert!(!host.gentle, "{error}");
    }

    fn handle_close(&mut self, host: &mut Host, cx: &mut Context<'_, Host>, why: &Close) {
        let other = self.other(host, cx);
        if !matches!(why, Close::Eof) {
            cx.abort_source(other);
        }
    }
}
