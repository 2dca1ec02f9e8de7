//! A client that speaks HTTP: one request, one answer, and the end, or a WebSocket.
//!
//! It must never read a second request: see `wire/http.rs`.

use std::fmt::Write as _;

use switchboard::{Close, Context, Handler, Result, TimerId};

use super::greeting::Visitor;
use super::irc_client::IrcClient;
use super::{Server, departed};
use crate::wire::http::Step;

/// The handler of such a client.
#[derive(Debug)]
pub(super) struct HttpClient {
    visitor: Option<Visitor>,
    deadline: Option<TimerId>,
}

impl HttpClient {
    pub(super) fn new(visitor: Visitor) -> HttpClient {
        HttpClient {
            visitor: Some(visitor),
            deadline: None,
        }
    }

    fn proceed(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        if self.deadline.is_none() {
            self.deadline = Some(cx.set_timer(server.handshake)?);
        }
        let now = cx.wall_time();
        let local = self.visitor.as_ref().is_some_and(|visitor| visitor.local);
        let step = match local {
            true => server.site.take_locally(cx.data(), now),
            false => server.site.take(cx.data(), now),
        };
        let answer = match step {
            Step::NeedMore => return Ok(()),
            Step::Answer(answer) => answer,
            Step::Health(asked) => match &server.storage.failing {
                None => asked.answer(200, "ok\n", now),
                Some(error) => asked.answer(503, &format!("{error}\n"), now),
            },
            Step::Metrics(asked) => asked.answer(200, &metrics(server), now),
            Step::WebSocket(opening) => {
                cx.consume(opening.consumed);
                cx.send(&opening.answer[..])?;
                if let Some(timer) = self.deadline.take() {
                    cx.cancel_timer(timer);
                }
                return match self.visitor.take() {
                    Some(visitor) => IrcClient::upgrade(visitor, opening.kind, server, cx),
                    None => Ok(()),
                };
            }
        };
        if let Some(visitor) = &self.visitor {
            tracing::debug!("{} is answered {}", visitor.peer, answer.status);
        }
        cx.consume(cx.data().len());
        cx.send(answer.bytes)?;
        cx.close();
        Ok(())
    }
}

/// What the server tells of itself, in Prometheus' text format.
fn metrics(server: &Server) -> String {
    let (users, guests) = server.chat.population();
    let counters = &server.counters;
    let rows: [(&str, &str, &str, u64); 9] = [
        (
            "connections",
            "gauge",
            "Connections that are open.",
            server.clients as u64,
        ),
        ("users", "gauge", "Users with a nick.", users as u64),
        ("guests", "gauge", "Plain clients.", guests as u64),
        ("rooms", "gauge", "Rooms.", server.chat.room_count() as u64),
        (
            "accepted_total",
            "counter",
            "Connections that were let in.",
            counters.accepted,
        ),
        (
            "turned_away_total",
            "counter",
            "Connections that were not.",
            counters.turned_away,
        ),
        (
            "messages_total",
            "counter",
            "Messages that were stored and told.",
            counters.messages,
        ),
        (
            "deliveries_total",
            "counter",
            "Events that were sent to users.",
            counters.deliveries,
        ),
        (
            "batches_total",
            "counter",
            "Batches that went to the store.",
            server.storage.batches,
        ),
    ];
    let mut text = String::new();
    for (name, kind, help, value) in rows {
        // A string takes whatever is written to it.
        let _ = writeln!(
            text,
            "# HELP switchboard_{name} {help}\n# TYPE switchboard_{name} {kind}\n\
             switchboard_{name} {value}"
        );
    }
    text
}

impl Handler<Server> for HttpClient {
    fn handle_read(&mut self, server: &mut Server, cx: &mut Context<'_, Server>) -> Result {
        self.proceed(server, cx)
    }

    fn handle_timer(
        &mut self,
        _: &mut Server,
        cx: &mut Context<'_, Server>,
        timer: TimerId,
    ) -> Result {
        if self.deadline == Some(timer) {
            cx.abort();
        }
        Ok(())
    }

    fn handle_close(&mut self, server: &mut Server, cx: &mut Context<'_, Server>, why: &Close) {
        if let Some(visitor) = self.visitor.take() {
            departed(server, cx, visitor, why);
        }
    }
}
