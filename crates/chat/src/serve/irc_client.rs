//! An IRC client, over a stream or a WebSocket: its lines go to the session, and what the session
//! says is carried out.
//!
//! It must never know what a line means: `irc/session.rs` does.

use std::net::IpAddr;

use switchboard::{Close, Context, Done, Handler, JobId, Result, TimerId};

use super::greeting::Visitor;
use super::links::{self, Carrier as Link};
use super::storage::{Answered, moment};
use super::{Server, departed};
use crate::accounts::fingerprint::Fingerprint;
use crate::alarm::Alarm;
use crate::chat::ids::UserId;
use crate::irc::lines::{LineSplitter, Step};
use crate::irc::render::Carrier;
use crate::irc::session::{Hashed, Origin, Session, Ticket, Todo, View};
use crate::store::StoreError;
use crate::wire::websocket::{self, Kind, WebSocket};

/// Passwords of all clients that are being hashed, or wait for it; further ones are refused.
const HASHING_MAX: usize = 64;

/// What carries the lines.
#[derive(Debug)]
enum Input {
    Stream(LineSplitter),
    WebSocket(Box<WebSocket>),
}

/// What there is next in the bytes that have come.
enum Next {
    Line(Vec<u8>),
    TooLong,
    Nothing,
    Over,
}

/// The handler of one IRC client.
#[derive(Debug)]
pub(super) struct IrcClient {
    visitor: Option<Visitor>,
    session: Session,
    input: Input,
    carrier: Carrier,
    alarm: Alarm,
    /// Questions that are under way.
    asked: Vec<(JobId, Ticket)>,
    /// A password that is being hashed: one at a time.
    hashing: Option<(JobId, Ticket)>,
    user: Option<UserId>,
}

impl IrcClient {
    /// A stream that has greeted as IRC clients do.
    pub(super) fn take_over(
        visitor: Visitor,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
    ) -> Result {
        let input = Input::Stream(LineSplitter::new());
        Self::begin(visitor, input, Carrier::Stream, server, cx)
    }

    /// A WebSocket, whose opening was answered.
    pub(super) fn upgrade(
        visitor: Visitor,
        kind: Kind,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
    ) -> Result {
        let input = Input::WebSocket(Box::new(WebSocket::new(&websocket::Limits::DEFAULT)));
        Self::begin(visitor, input, Carrier::WebSocket(kind), server, cx)
    }

    fn begin(
        visitor: Visitor,
        input: Input,
        carrier: Carrier,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
    ) -> Result {
        let from: Option<IpAddr> = links::ip_of(&visitor.peer);
        let certificate = cx.tls().and_then(|tls| tls.peer_certificates().next());
        let certificate = certificate.map(Fingerprint::of_certificate);
        let origin = Origin {
            host: links::host_of(&visitor.peer),
            from,
            tls: visitor.tls,
            certificate,
        };
        let mut client = IrcClient {
            visitor: Some(visitor),
            session: Session::new(origin, carrier, moment(cx)),
            input,
            carrier,
            alarm: Alarm::default(),
            asked: Vec::new(),
            hashing: None,
            user: None,
        };
        client.proceed(server, cx)?;
        cx.replace_handler(client);
        Ok(())
    }

    fn proceed(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        loop {
            let congested = |user| {
                server
                    .chat
                    .user(user)
                    .is_some_and(|user| user.is_congested())
            };
            // The source is paused; its bytes are offered again when it goes on.
            if self.user.is_some_and(congested) || self.session.is_over() {
                break;
            }
            match self.next(cx)? {
                Next::Line(line) => {
                    self.with_view(server, cx, |session, view| session.line(&line, view))?;
                }
                Next::TooLong => {
                    self.with_view(server, cx, |session, view| session.too_long(view))?;
                }
                Next::Nothing => break,
                Next::Over => {
                    cx.close();
                    return Ok(());
                }
            }
        }
        if self.session.is_over() {
            cx.consume(cx.data().len());
            return Ok(());
        }
        self.alarm.arm(cx, Some(self.session.due(&server.irc)))
    }

    fn next(&mut self, cx: &mut Context<'_, Server>) -> Result<Next> {
        let data = cx.data();
        match &mut self.input {
            Input::Stream(lines) => {
                let (next, consumed) = match lines.next(data) {
                    Step::Line { line, consumed } => (Next::Line(line.to_vec()), consumed),
                    Step::TooLong { consumed } => (Next::TooLong, consumed),
                    Step::NeedMore { consumed } => (Next::Nothing, consumed),
                };
                cx.consume(consumed);
                Ok(next)
            }
            Input::WebSocket(socket) => {
                let mut out = Vec::new();
                let step = socket.next(data, cx.now().as_nanos(), &mut out);
                if !out.is_empty() {
                    cx.send(out)?;
                }
                Ok(match step {
                    websocket::Step::Line { line, consumed } => {
                        cx.consume(consumed);
                        Next::Line(line.to_vec())
                    }
                    websocket::Step::NeedMore { consumed } => {
                        cx.consume(consumed);
                        Next::Nothing
                    }
                    websocket::Step::Ended(why) => {
                        tracing::debug!("a WebSocket has ended: {why}");
                        Next::Over
                    }
                })
            }
        }
    }

    /// Has the session act, and carries out what it says.
    fn with_view(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        act: impl FnOnce(&mut Session, &mut View<'_>),
    ) -> Result {
        let (mut reply, mut todo) = (Vec::new(), Vec::new());
        let now = moment(cx);
        let config = std::sync::Arc::clone(&server.irc);
        let mut dice = server.dice();
        let session = &mut self.session;
        server.tell(cx, |chat, out| {
            let mut view = View {
                chat,
                out,
                now,
                config: &config,
                reply: &mut reply,
                todo: &mut todo,
                random: &mut |bytes| dice.fill(bytes),
            };
            act(session, &mut view);
        });
        self.look_at_session(server, cx);
        if !reply.is_empty() {
            cx.send(self.carrier.carry(reply))?;
        }
        for todo in todo {
            self.carry_out(todo, server, cx)?;
        }
        Ok(())
    }

    /// The outlet has to know who this is, and what its client understands.
    fn look_at_session(&mut self, server: &mut Server, cx: &Context<'_, Server>) {
        let viewer = self.session.viewer();
        match (self.user, self.session.user()) {
            (None, Some(user)) => {
                server.links.add(user, cx.token(), Link::Irc(viewer));
                self.user = Some(user);
            }
            (Some(user), Some(_)) => server.links.set_viewer(user, viewer),
            (Some(user), None) => {
                server.links.remove(user);
                self.user = None;
            }
            (None, None) => {}
        }
    }

    fn carry_out(
        &mut self,
        todo: Todo,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
    ) -> Result {
        match todo {
            Todo::Ask(ticket, query) => match server.storage.ask(cx, query) {
                Ok(job) => self.asked.push((job, ticket)),
                Err(error) => {
                    let answer = Err(StoreError::Failed(error.to_string()));
                    self.with_view(server, cx, |session, view| {
                        session.answered(ticket, answer, view);
                    })?;
                }
            },
            Todo::Hash(ticket, job) => {
                let taken = (server.hashing < HASHING_MAX)
                    .then(|| cx.offload_replayable(move || job.run()))
                    .and_then(Result::ok);
                match taken {
                    Some(job) => {
                        server.hashing += 1;
                        self.hashing = Some((job, ticket));
                    }
                    None => self.with_view(server, cx, |session, view| {
                        session.hashed(ticket, None, view);
                    })?,
                }
            }
            Todo::Close => {
                let goodbye = self.carrier.goodbye();
                if !goodbye.is_empty() {
                    cx.send(goodbye)?;
                }
                cx.close();
            }
        }
        Ok(())
    }
}

impl Handler<Server> for IrcClient {
    fn handle_read(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        self.proceed(server, cx)
    }

    fn handle_timer(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        timer: TimerId,
    ) -> Result {
        self.alarm.fired(timer);
        self.with_view(server, cx, |session, view| session.wake(view))?;
        if self.session.is_over() {
            return Ok(());
        }
        self.alarm.arm(cx, Some(self.session.due(&server.irc)))
    }

    fn handle_done(
        &mut self,
        server: &mut Server,
        cx: &mut Context<'_, Server>,
        done: Done,
    ) -> Result {
        if let Some((_, ticket)) = self.hashing.take_if(|(job, _)| *job == done.job) {
            server.hashing -= 1;
            let hashed = done.take::<Hashed>()?;
            return self.with_view(server, cx, |session, view| {
                session.hashed(ticket, Some(hashed), view);
            });
        }
        let asked = self.asked.iter().position(|(job, _)| *job == done.job);
        let Some(index) = asked else {
            return Ok(());
        };
        let (_, ticket) = self.asked.swap_remove(index);
        let answer = done.take::<Answered>()?;
        self.with_view(server, cx, |session, view| {
            session.answered(ticket, answer, view)
        })
    }

    fn handle_eof(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        self.proceed(server, cx)?;
        cx.close();
        Ok(())
    }

    fn handle_close(&mut self, server: &mut Server, cx: &mut Context<'_, Server>, why: &Close) {
        let reason = match why {
            Close::Requested | Close::Eof => "connection closed".to_owned(),
            Close::Shutdown => "the server stops".to_owned(),
            Close::TimedOut(_) => "connection timed out".to_owned(),
            Close::Aborted | Close::SlowConsumer => "reads too slowly".to_owned(),
            _ => "connection lost".to_owned(),
        };
        if self.hashing.take().is_some() {
            server.hashing -= 1;
        }
        if let Some(user) = self.user.take() {
            server.links.remove(user);
        }
        let (mut reply, mut todo) = (Vec::new(), Vec::new());
        let (now, config) = (moment(cx), std::sync::Arc::clone(&server.irc));
        let mut dice = server.dice();
        let session = &mut self.session;
        server.tell(cx, |chat, out| {
            session.lost(
                &reason,
                &mut View {
                    chat,
                    out,
                    now,
                    config: &config,
                    reply: &mut reply,
                    todo: &mut todo,
                    random: &mut |bytes| dice.fill(bytes),
                },
            );
        });
        if let Some(visitor) = self.visitor.take() {
            departed(server, cx, visitor, why);
        }
    }
}
