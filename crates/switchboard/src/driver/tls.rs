//! TLS, as a layer between the core (or its recorder) and the driver of the operating system: what
//! goes up is decrypted, what goes down is encrypted, and neither side knows.
//!
//! The first source that wants TLS puts the driver into this layer; a program without one never
//! meets it, and a plain source beside one pays for one look-up. It must never lend encrypted bytes
//! to the core, nor let plain ones through for a source that speaks TLS: not even those that came
//! before the first encrypted one.

mod engine;
mod found;
mod link;
mod passing;
mod sealed;
mod sending;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::Shutdown;
use std::ops::Range;
use std::time::Duration;

use super::{Completion, Driver, Event, READ_BUFFER};
use crate::Token;
use crate::outbox::Outbox;
use crate::tls::Role;
use engine::Engine;
use found::{Found, KeptDatagram};
use link::{Finish, Link, News, Stage, Work};
use sending::ship;

/// What a source is told to do when it begins to speak TLS.
pub(crate) struct StartTls {
    pub(crate) role: Role,
    /// Sent before, and to go out as it is.
    pub(crate) plain: Option<Box<Outbox>>,
    /// Received before, and not read: this is encrypted, or somebody's trick.
    pub(crate) unread: Vec<u8>,
    pub(crate) is_connected: bool,
    pub(crate) reads: bool,
    pub(crate) room: usize,
}

pub(crate) struct Layer {
    inner: Driver,
    /// By slot.
    links: Vec<Option<Box<Link>>>,
    /// Those that have something to tell, each once.
    ready: VecDeque<Token>,
    /// Those whose bytes came back: they go out with the next `wait`.
    unsent: Vec<Token>,
    work: Work,
    lent: Lent,
    datagram: Option<KeptDatagram>,
}

/// Whose the bytes are that were lent last.
enum Lent {
    Inner,
    Ours,
}

impl Driver {
    pub(crate) fn start_tls(&mut self, token: Token, start: StartTls) -> io::Result<()> {
        match self {
            Driver::Recorder(recorder) => recorder.start_tls(token, start),
            Driver::Replayer(replayer) => replayer.start_tls(token, &start),
            Driver::Tls(layer) => layer.start_tls(token, start),
            plain => {
                let inner = mem::replace(plain, Driver::Moving);
                let mut layer = Box::new(Layer::new(inner));
                let started = layer.start_tls(token, start);
                *plain = Driver::Tls(layer);
                started
            }
        }
    }

    pub(crate) fn keeps(&mut self, token: Token) -> bool {
        match self {
            Driver::Recorder(recorder) => recorder.keeps(token),
            Driver::Replayer(replayer) => replayer.keeps(token),
            Driver::Tls(layer) => layer.keeps(token),
            _ => false,
        }
    }
}

fn find(links: &mut [Option<Box<Link>>], token: Token) -> Option<&mut Link> {
    let link = links.get_mut(token.slot as usize)?.as_deref_mut()?;
    (link.generation == token.generation).then_some(link)
}

impl Layer {
    fn new(inner: Driver) -> Layer {
        Layer {
            inner,
            links: Vec::new(),
            ready: VecDeque::new(),
            unsent: Vec::new(),
            work: Work::default(),
            lent: Lent::Inner,
            datagram: None,
        }
    }

    fn link(&mut self, token: Token) -> Option<&mut Link> {
        find(&mut self.links, token)
    }

    pub(crate) fn start_tls(&mut self, token: Token, start: StartTls) -> io::Result<()> {
        let engine = Engine::new(start.role).map_err(io::Error::other)?;
        let stage = match start.is_connected {
            true => Stage::Handshake,
            false => Stage::Dialling,
        };
        let mut link = Box::new(Link::new(token.generation, engine, stage));
        link.is_paused = !start.reads;
        link.room = start.room;
        if let Some(plain) = start.plain {
            link.wire = *plain;
        }
        let slot = token.slot as usize;
        if slot >= self.links.len() {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot] = Some(link);
        // Whatever the handler wants: nobody has spoken to it yet.
        self.inner.set_reading(token, true);
        self.inner.set_room(token, READ_BUFFER);
        if start.is_connected {
            self.open_for_later(token, Source::Given(&start.unread));
        }
        Ok(())
    }

    /// Takes what has arrived: `work.plain` is what there is to read of it.
    fn open(&mut self, token: Token, source: Source<'_>) {
        let Some(link) = find(&mut self.links, token) else {
            return;
        };
        let bytes = match source {
            Source::Lent(len) => self.inner.lent(0..len),
            Source::Given(bytes) => bytes,
        };
        let was_open = link.stage == Stage::Open;
        link.open(bytes, &mut self.work);
        let is_new = !was_open && link.stage == Stage::Open;
        if let Err(error) = ship(&mut self.inner, link, token, &mut self.work) {
            link.fail(error);
        }
        if is_new && link.is_paused {
            self.inner.set_reading(token, false);
        }
        if is_new {
            self.finish(token); // our half-close may have waited for it
        }
    }

    /// As `open`, and what was decrypted waits for its turn.
    fn open_for_later(&mut self, token: Token, source: Source<'_>) {
        self.open(token, source);
        if let Some(link) = find(&mut self.links, token) {
            link.keep(&self.work.plain);
        }
        self.settle(token);
    }

    /// Notes that there is something to tell, and tells the driver below how much there is room for.
    fn settle(&mut self, token: Token) {
        let Some(link) = find(&mut self.links, token) else {
            return;
        };
        let room = link.wanted_room();
        if room != link.told_room {
            link.told_room = room;
            self.inner.set_room(token, room);
        }
        if link.has_news() && !link.is_queued {
            link.is_queued = true;
            self.ready.push_back(token);
        }
    }

    /// Bytes of a source that speaks TLS: how many there are to lend for them, at once.
    fn receive(&mut self, token: Token, len: usize) -> usize {
        self.open(token, Source::Lent(len));
        let plain = self.work.plain.len();
        let usual = self
            .link(token)
            .is_some_and(|link| link.is_straight(plain) && !link.has_news());
        if usual {
            return plain;
        }
        if let Some(link) = find(&mut self.links, token) {
            link.keep(&self.work.plain);
        }
        self.settle(token);
        0
    }

    /// What there is to tell of the next source that has something to tell.
    fn news(&mut self) -> Option<(Token, News)> {
        while let Some(token) = self.ready.pop_front() {
            let Some(link) = find(&mut self.links, token) else {
                continue;
            };
            link.is_queued = false;
            // The peer learns why from an alert, which has to be out before its source ends.
            if link.is_alerting && link.wire.is_empty() && !self.inner.is_flushed(token) {
                continue; // until `Sent`
            }
            let news = link.news(&mut self.work);
            let room = link.wanted_room();
            if room != link.told_room {
                link.told_room = room;
                self.inner.set_room(token, room);
            }
            if link.has_news() {
                link.is_queued = true;
                self.ready.push_back(token);
            }
            if let Some(news) = news {
                return Some((token, news));
            }
        }
        None
    }

    #[inline]
    pub(crate) fn next_received(&mut self) -> Option<(Token, &[u8])> {
        if !self.ready.is_empty() {
            return None;
        }
        // By value first: what a driver has lent cannot be looked at and then perhaps passed on.
        let (token, len) = {
            let (token, bytes) = self.inner.next_received()?;
            (token, bytes.len())
        };
        self.lent = Lent::Inner;
        if self.link(token).is_none() {
            return Some((token, self.inner.lent(0..len)));
        }
        let plain = self.receive(token, len);
        self.lent = Lent::Ours;
        (plain > 0).then(|| (token, &self.work.plain[..plain]))
    }

    pub(crate) fn next(&mut self) -> Option<Completion<'_>> {
        loop {
            if let Some((token, news)) = self.news() {
                self.lent = Lent::Ours;
                let event = match news {
                    News::Bytes(len) => Event::Received(&self.work.plain[..len]),
                    News::Event(event) => event,
                };
                return Some(Completion { token, event });
            }
            let (token, found) = {
                let Completion { token, event } = self.inner.next()?;
                (token, Found::of(event))
            };
            self.lent = Lent::Inner;
            match found {
                Found::Datagram(datagram) => {
                    let event = Event::Datagram(self.datagram.insert(datagram).lend());
                    return Some(Completion { token, event });
                }
                Found::Bytes(len) if self.link(token).is_none() => {
                    let event = Event::Received(self.inner.lent(0..len));
                    return Some(Completion { token, event });
                }
                #[cfg(unix)]
                Found::BytesWith(len, descriptors) => {
                    let event = Event::ReceivedWith(self.inner.lent(0..len), descriptors);
                    return Some(Completion { token, event });
                }
                Found::Bytes(len) => {
                    let plain = self.receive(token, len);
                    self.lent = Lent::Ours;
                    if plain > 0 {
                        let event = Event::Received(&self.work.plain[..plain]);
                        return Some(Completion { token, event });
                    }
                }
                Found::Event(event) => {
                    if let Some(event) = self.hear(token, event) {
                        return Some(Completion { token, event });
                    }
                }
            }
        }
    }

    /// What the driver below says of a source, and what of it the core has to know at once.
    fn hear(&mut self, token: Token, event: Event<'static>) -> Option<Event<'static>> {
        let Some(link) = find(&mut self.links, token) else {
            return Some(event);
        };
        match event {
            Event::Failed(error) if link.stage == Stage::Dialling => {
                return Some(Event::Failed(error)); // there may be another address
            }
            Event::Connected => {
                link.stage = Stage::Handshake;
                self.open_for_later(token, Source::Given(&[]));
                return Some(Event::Connected);
            }
            Event::EndOfFile => link.cut(false),
            Event::Failed(error) => link.fail(error),
            Event::Unsent(mut rest) => {
                rest.append(&mut link.wire);
                link.wire = *rest;
                self.unsent.push(token); // the reason, if there is one, comes first
            }
            Event::Sent => {
                self.send_on(token);
                let link = self.link(token)?;
                return (link.wire.is_empty() && link.stage == Stage::Open).then_some(Event::Sent);
            }
            other => return Some(other),
        }
        self.settle(token);
        None
    }

    /// Goes on with what the driver below did not take.
    fn send_on(&mut self, token: Token) {
        let Some(link) = find(&mut self.links, token) else {
            return;
        };
        if let Err(error) = ship(&mut self.inner, link, token, &mut self.work) {
            link.fail(error);
        }
        self.finish(token);
        self.settle(token);
    }

    /// Shuts down what is to be: for receiving at once, and for sending once we have said so and the
    /// kernel has all of it.
    fn finish(&mut self, token: Token) {
        let Some(link) = find(&mut self.links, token) else {
            return;
        };
        if matches!(link.stage, Stage::Dialling | Stage::Handshake) {
            return; // a handshake goes both ways
        }
        if mem::take(&mut link.is_deaf) {
            link.cut(true);
            self.inner.shutdown(token, Shutdown::Read);
        }
        if link.finish != Finish::Due {
            return;
        }
        link.notify(&mut self.work);
        if let Err(error) = ship(&mut self.inner, link, token, &mut self.work) {
            link.fail(error);
        }
        if link.wire.is_empty() && self.inner.is_flushed(token) {
            link.finish = Finish::Done;
            self.inner.shutdown(token, Shutdown::Write);
        }
    }

    pub(crate) fn is_flushed(&mut self, token: Token) -> bool {
        !self.keeps(token) && self.inner.is_flushed(token)
    }

    pub(crate) fn keeps(&mut self, token: Token) -> bool {
        self.link(token).is_some_and(|link| !link.wire.is_empty())
    }

    pub(crate) fn lent(&self, range: Range<usize>) -> &[u8] {
        match self.lent {
            Lent::Inner => self.inner.lent(range),
            Lent::Ours => &self.work.plain[range],
        }
    }

    pub(crate) fn set_reading(&mut self, token: Token, reading: bool) {
        let Some(link) = find(&mut self.links, token) else {
            return self.inner.set_reading(token, reading);
        };
        link.is_paused = !reading;
        if link.stage == Stage::Open {
            self.inner.set_reading(token, reading);
        }
        self.settle(token);
    }

    pub(crate) fn set_room(&mut self, token: Token, room: usize) {
        match find(&mut self.links, token) {
            None => self.inner.set_room(token, room),
            Some(link) => {
                link.room = room;
                self.settle(token);
            }
        }
    }

    pub(crate) fn shutdown(&mut self, token: Token, how: Shutdown) {
        let Some(link) = find(&mut self.links, token) else {
            return self.inner.shutdown(token, how);
        };
        if how != Shutdown::Write {
            link.is_deaf = true;
        }
        if how != Shutdown::Read {
            link.finish = Finish::Due;
        }
        self.finish(token);
        self.settle(token);
    }

    pub(crate) fn close(&mut self, token: Token) {
        if self.link(token).is_some() {
            self.links[token.slot as usize] = None;
        }
        self.inner.close(token);
    }

    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        for token in mem::take(&mut self.unsent) {
            self.send_on(token);
            self.inner.is_flushed(token); // who waits for that hears of it by a `Sent`
        }
        let timeout = match self.ready.is_empty() {
            true => timeout,
            false => Some(Duration::ZERO),
        };
        self.inner.wait(timeout)
    }

    pub(crate) fn has_backlog(&self) -> bool {
        !self.ready.is_empty() || self.inner.has_backlog()
    }
}

/// What a source that speaks TLS is to work on.
enum Source<'a> {
    /// What the driver below has lent.
    Lent(usize),
    Given(&'a [u8]),
}
