//! Which connection is whose, and how the chat's events reach it.
//!
//! It must never decide who is told: the chat does. What a client does not understand is left out by
//! `irc/render.rs`.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use switchboard::{Address, LoopContext, Result, Token};

use super::Server;
use super::due::Due;
use super::server::Counters;
use crate::answers::Answers;
use crate::chat::command::Label;
use crate::chat::event::{Event, Receipt};
use crate::chat::ids::UserId;
use crate::chat::outlet::Outlet;
use crate::chat::refusal::Refusal;
use crate::escape::Escaped;
use crate::irc::render::{self, Rendered, Viewer};
use crate::irc::session::write_error;
use crate::wire::websocket;

/// Why a WebSocket is closed (RFC 6455 section 7.4.1, and the registry that it founds).
pub(super) const GOES_AWAY: u16 = 1001;
pub(super) const RESTARTS: u16 = 1012;
const SENT_AWAY: u16 = 1008;

/// How a user is told things.
#[derive(Debug)]
pub(super) enum Carrier {
    /// IRC, over TCP or WebSocket.
    Irc(Viewer),
    /// Lines, and the answers that are due.
    Plain(Box<Due>),
}

impl Carrier {
    pub(super) fn plain() -> Carrier {
        Carrier::Plain(Box::default())
    }
}

#[derive(Debug)]
struct Link {
    user: UserId,
    token: Token,
    carrier: Carrier,
}

/// The connections of all users, by their slots.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Option<Link>>);

impl Links {
    pub(super) fn add(&mut self, user: UserId, token: Token, carrier: Carrier) {
        if self.0.len() <= user.slot() {
            self.0.resize_with(user.slot() + 1, || None);
        }
        self.0[user.slot()] = Some(Link {
            user,
            token,
            carrier,
        });
    }

    pub(super) fn remove(&mut self, user: UserId) {
        if let Some(slot) = self.0.get_mut(user.slot()) {
            slot.take_if(|link| link.user == user);
        }
    }

    fn get(&self, user: UserId) -> Option<&Link> {
        let link = self.0.get(user.slot())?.as_ref()?;
        (link.user == user).then_some(link)
    }

    fn get_mut(&mut self, user: UserId) -> Option<&mut Link> {
        let link = self.0.get_mut(user.slot())?.as_mut()?;
        (link.user == user).then_some(link)
    }

    /// What an IRC client understands from now on.
    pub(super) fn set_viewer(&mut self, user: UserId, viewer: Viewer) {
        if let Some(link) = self.get_mut(user) {
            link.carrier = Carrier::Irc(viewer);
        }
    }

    /// Changes what a plain client is due.
    pub(super) fn with_due(&mut self, user: UserId, change: impl FnOnce(&mut Due)) {
        if let Some(Link {
            carrier: Carrier::Plain(due),
            ..
        }) = self.get_mut(user)
        {
            change(due);
        }
    }

    /// Tells all IRC clients that the server goes. They hear of nothing more: the chat does not reach
    /// them any longer.
    pub(super) fn say_goodbye(
        &mut self,
        cx: &mut LoopContext<'_, Server>,
        (code, reason): (u16, &str),
    ) {
        for link in std::mem::take(&mut self.0).into_iter().flatten() {
            if let Carrier::Irc(viewer) = link.carrier {
                // Who does not take it is gone, or reads too slowly.
                let _ = cx.send_to(link.token, last_words(viewer, code, reason));
            }
        }
    }

    /// Every connection.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.0.iter().flatten().map(|link| link.token)
    }
}

/// Sends a plain client what it is due and may be told by now; `false`: no more is to be taken from
/// it before that has changed, and then `handle_read` or `handle_write` is called.
///
/// # Errors
/// The connection is gone.
pub(super) fn settle(
    server: &mut Server,
    cx: &mut LoopContext<'_, Server>,
    user: UserId,
) -> Result<bool> {
    let congested = server
        .chat
        .user(user)
        .is_some_and(|user| user.is_congested());
    let Some(link) = server.links.get_mut(user) else {
        return Ok(false);
    };
    let free = settle_link(link, &server.answers, cx)?;
    Ok(free && !congested)
}

fn settle_link(
    link: &mut Link,
    answers: &Answers,
    cx: &mut LoopContext<'_, Server>,
) -> Result<bool> {
    let Carrier::Plain(due) = &mut link.carrier else {
        return Ok(true);
    };
    let mut room = true;
    while let Some(answer) = due.next(answers) {
        match cx.send_to(link.token, answer.as_ref()) {
            Ok(()) => due.sent(),
            // `handle_write` is called when there is room.
            Err(error) if error.is_full() => {
                room = false;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    if due.closing && due.is_empty() {
        cx.close_source(link.token);
        return Ok(false);
    }
    let free = room && !due.is_full() && !due.closing;
    if due.is_full() && !due.holding {
        due.holding = true;
        cx.pause_source(link.token);
    } else if due.holding && !due.is_full() {
        due.holding = false;
        cx.resume_source(link.token);
    }
    Ok(free)
}

/// The chat's way out, for the time of one call.
pub(super) struct Post<'a, 'c> {
    pub(super) links: &'a mut Links,
    pub(super) counters: &'a mut Counters,
    pub(super) answers: &'a Answers,
    /// How the server calls itself.
    pub(super) server: &'a str,
    pub(super) unix_ms: u64,
    pub(super) cx: &'a mut LoopContext<'c, Server>,
}

impl Post<'_, '_> {
    #[inline]
    fn send(&mut self, token: Token, bytes: &Bytes) {
        match self.cx.send_to(token, bytes) {
            Ok(()) => {}
            Err(error) if error.is_full() => {
                // What it missed it can ask the history for, when it is back.
                tracing::warn!(%token, "a client reads too slowly, and is disconnected");
                self.cx.abort_source(token);
            }
            // It is closing: its `handle_close` says goodbye to the chat.
            Err(_) => {}
        }
    }

    #[cold]
    fn tell_plain(&mut self, user: UserId, events: &[Event]) {
        for event in events {
            let Some(link) = self.links.get_mut(user) else {
                return;
            };
            let own = matches!(event, Event::Said { sender, .. } if *sender == Some(user));
            match &mut link.carrier {
                Carrier::Plain(due) if own => {
                    due.decided(None);
                    // A connection that is gone says so to its handler.
                    let _ = settle_link(link, self.answers, self.cx);
                }
                _ => {
                    let token = link.token;
                    if let Some(line) = plain_line(event) {
                        self.counters.deliveries += 1;
                        self.send(token, &line.into());
                    }
                }
            }
        }
    }
}

impl Outlet for Post<'_, '_> {
    fn tell(&mut self, to: &mut dyn Iterator<Item = UserId>, event: &Event) {
        self.tell_all(to, std::slice::from_ref(event));
    }

    fn tell_all(&mut self, to: &mut dyn Iterator<Item = UserId>, events: &[Event]) {
        let is_said = |event: &&Event| matches!(event, Event::Said { .. });
        self.counters.messages += events.iter().filter(is_said).count() as u64;
        let mut rendered = Rendered::new(events, self.server, self.unix_ms);
        for user in to {
            let Some(link) = self.links.get_mut(user) else {
                continue;
            };
            match &link.carrier {
                Carrier::Irc(viewer) => {
                    let token = link.token;
                    if let Some(bytes) = rendered.to(user, *viewer) {
                        self.counters.deliveries += events.len() as u64;
                        self.send(token, bytes);
                    }
                }
                Carrier::Plain(_) => self.tell_plain(user, events),
            }
        }
    }

    fn answer(&mut self, to: UserId, label: Label, outcome: std::result::Result<Receipt, Refusal>) {
        let Some(link) = self.links.get_mut(to) else {
            return;
        };
        let token = link.token;
        match &mut link.carrier {
            Carrier::Irc(viewer) => {
                let bytes = render::answer(&outcome, &label, self.server, *viewer);
                self.counters.deliveries += 1;
                self.send(token, &bytes);
            }
            Carrier::Plain(due) => {
                due.decided(
                    outcome
                        .as_ref()
                        .err()
                        .map(|why| why as &dyn std::fmt::Display),
                );
                let _ = settle_link(link, self.answers, self.cx);
            }
        }
    }

    fn dismiss(&mut self, user: UserId, reason: &str) {
        let Some(link) = self.links.get(user) else {
            return;
        };
        let (token, bytes) = (
            link.token,
            match &link.carrier {
                Carrier::Irc(viewer) => last_words(*viewer, SENT_AWAY, reason),
                Carrier::Plain(_) => Answers::refused(&reason, true).into(),
            },
        );
        self.counters.deliveries += 1;
        self.send(token, &bytes);
        self.cx.close_source(token);
        self.links.remove(user);
    }

    fn congested(&mut self, user: UserId) {
        if let Some(link) = self.links.get(user) {
            self.cx.pause_source(link.token);
        }
    }

    fn ready(&mut self, user: UserId) {
        if let Some(link) = self.links.get(user) {
            self.cx.resume_source(link.token);
        }
    }
}

/// What an IRC client is told before its connection is closed; behind it nothing may be sent.
fn last_words(viewer: Viewer, code: u16, reason: &str) -> Bytes {
    let mut line = Vec::new();
    write_error(&mut line, reason);
    let mut words = viewer.carrier().carry(line);
    if let render::Carrier::WebSocket(_) = viewer.carrier() {
        websocket::put_close(code, reason, &mut words);
    }
    words.into()
}

/// What a listening plain client reads of an event.
fn plain_line(event: &Event) -> Option<Vec<u8>> {
    let Event::Said { message, .. } = event else {
        return None;
    };
    let nick = message
        .from
        .nick
        .strip_suffix("/line")
        .unwrap_or(&message.from.nick);
    let (opening, text) = match message.action() {
        Some(action) => (format!("* {nick}"), action),
        None => (format!("<{nick}>"), &*message.text),
    };
    let mut lines = String::new();
    for line in text.split('\n') {
        lines.push_str(&format!("{opening} {}\n", Escaped::new(line.as_bytes())));
    }
    Some(lines.into_bytes())
}

/// Where a connection comes from, as the others may see it.
pub(super) fn host_of(peer: &Address) -> Arc<str> {
    match peer.ip() {
        Some(address) => address.ip().to_canonical().to_string().into(),
        None => "localhost".into(),
    }
}

pub(super) fn ip_of(peer: &Address) -> Option<IpAddr> {
    peer.ip().map(|address| address.ip().to_canonical())
}
