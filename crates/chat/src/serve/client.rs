//! One connected client: its session's decisions, carried out on the reactor.
//!
//! It must never decide what a message is or what is said to it: it does what `session.rs` says.

use std::io::ErrorKind;

use switchboard::{Address, Close, Context, Handler, Result, TimerId};
use switchboard_chat::answers::Farewell;
use switchboard_chat::escape::Escaped;
use switchboard_chat::limits::Limits;
use switchboard_chat::logging::TEXT_BYTES_MAX;
use switchboard_chat::session::{Answer, Session, Step};

use super::Server;
use crate::alarm::Alarm;

/// The handler of one client.
#[derive(Debug)]
pub struct Client {
    peer: Address,
    session: Session,
    alarm: Alarm,
}

impl Client {
    /// A client that has just connected.
    pub fn new(peer: Address, limits: &Limits, now_ns: u64) -> Client {
        Client {
            peer,
            session: Session::new(limits, now_ns),
            alarm: Alarm::default(),
        }
    }

    fn proceed(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        let peer = &self.peer;
        loop {
            let now_ns = cx.now().as_nanos();
            match self.session.next(&server.limits, cx.data(), now_ns) {
                Step::Message {
                    text,
                    consumed,
                    answer,
                } => {
                    tracing::info!("{peer}: {}", Escaped::new(text).limit(TEXT_BYTES_MAX));
                    cx.consume(consumed);
                    answer_or_owe(&mut self.session, server, cx, answer)?;
                }
                Step::Refused {
                    consumed,
                    answer,
                    first,
                } => {
                    if first {
                        tracing::warn!("{peer} sends too fast; its messages are refused");
                    }
                    cx.consume(consumed);
                    answer_or_owe(&mut self.session, server, cx, answer)?;
                }
                Step::Farewell(why) => {
                    self.send_away(server, cx, why);
                    return Ok(());
                }
                Step::Close => {
                    cx.close();
                    return Ok(());
                }
                Step::Wait => {
                    let deadline_ns = self.session.deadline(&server.limits);
                    return self.alarm.arm(cx, deadline_ns);
                }
            }
        }
    }

    fn send_away(&self, server: &Server, cx: &mut Context<'_, Server>, why: Farewell) {
        let peer = &self.peer;
        let line = server.answers.farewell(why);
        tracing::warn!("{peer} is sent away: {}", Escaped::new(line.trim_ascii()));
        match cx.send(line) {
            Ok(()) => cx.close(),
            // It has not read 64 KiB of answers, and will not read this one.
            Err(_) => cx.abort(),
        }
    }
}

/// Sends the answer; one that finds no room is kept until there is some.
fn answer_or_owe(
    session: &mut Session,
    server: &Server,
    cx: &mut Context<'_, Server>,
    answer: Answer,
) -> Result {
    match cx.send(server.answers.verdict(answer.verdict, answer.newline)) {
        Err(error) if error.is_full() => {
            session.owe(answer);
            Ok(())
        }
        result => result,
    }
}

impl Handler<Server> for Client {
    fn handle_read(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        self.proceed(server, cx)
    }

    fn handle_write(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        if let Some(answer) = self.session.settle() {
            answer_or_owe(&mut self.session, server, cx, answer)?;
        }
        self.proceed(server, cx)
    }

    fn handle_eof(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        self.session.end();
        self.proceed(server, cx)
    }

    fn handle_timer(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        timer: TimerId,
    ) -> Result {
        self.alarm.fired(timer);
        self.proceed(server, cx)
    }

    fn handle_close(&mut self, server: &mut Server, _: &mut Context<'_, Server>, why: &Close) {
        server.clients -= 1;
        let peer = &self.peer;
        match why {
            Close::Requested | Close::Eof => tracing::info!("{peer} left"),
            Close::Io(error) if is_plain_departure(error) => tracing::info!("{peer} left"),
            Close::Shutdown => tracing::info!("{peer} was disconnected: the server stops"),
            why => tracing::warn!("{peer} was disconnected: {why}"),
        }
    }
}

/// A client that was killed, or left with answers unread, is nothing to worry about.
fn is_plain_departure(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}
