//! From `connect` to a connection or a reason, and from a name to a listener: several attempts side
//! by side over the addresses of the name ("happy eyeballs", RFC 8305). It must never block: names
//! are looked up by the driver.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;

use crate::core::{Core, Request};
use crate::driver::{Driver, Resource};
use crate::handler::{Close, Deadline};
use crate::names::Asked;
use crate::net::{ConnectOptions, Endpoint, UnixAddress, cannot_bind, cannot_listen};
use crate::program::Program;
use crate::sources::{Kind, Phase};
use crate::timeouts::Due;
use crate::{Time, TimerId, Token};

/// Addresses of one name that are tried, each by a socket of its own.
const MAX_ADDRESSES: usize = 32;

/// When to try a Unix socket again whose queue was full.
const QUEUE_RETRY: Duration = Duration::from_millis(10);

/// What is still to be tried for one source.
pub(crate) struct Attempt {
    endpoint: Endpoint,
    /// `None` for a listener, which binds all addresses instead of trying one by one, and for a
    /// datagram socket, which binds the first that it can.
    connect: Option<ConnectOptions>,
    /// When all of it must have succeeded.
    until: Option<Time>,
    addresses: VecDeque<SocketAddr>,
    /// Addresses that the driver tries now.
    under_way: usize,
    /// When the next address is tried though none has failed.
    next: Option<(TimerId, Time)>,
    /// The most telling reason why one failed; told if none succeeds.
    failure: Option<io::Error>,
}

impl Attempt {
    fn new(endpoint: Endpoint, connect: Option<ConnectOptions>, until: Option<Time>) -> Attempt {
        Attempt {
            endpoint,
            connect,
            until,
            addresses: VecDeque::new(),
            under_way: 0,
            next: None,
            failure: None,
        }
    }

    /// That a host cannot be reached at all, as all of IPv6 on many a machine, says less than what
    /// came of another address.
    fn note(&mut self, error: io::Error) {
        let replaces = |earlier: &io::Error| is_unreachable(earlier) || !is_unreachable(&error);
        if self.failure.as_ref().is_none_or(replaces) {
            self.failure = Some(error);
        }
    }
}

fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT)
    )
}

/// The families take turns, that of the first address begins; within a family the order stays, which
/// is the system's (RFC 8305, section 4).
fn in_turns(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let is_first = addresses.first().map(SocketAddr::is_ipv4);
    let (first, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| Some(address.is_ipv4()) == is_first);
    let (mut first, mut other) = (first.into_iter(), other.into_iter());
    let mut turns = VecDeque::new();
    loop {
        let before = turns.len();
        turns.extend(first.next().into_iter().chain(other.next()));
        if turns.len() == before {
            return turns;
        }
    }
}

impl<S: 'static> Core<S> {
    pub(crate) fn start_attempt(
        &mut self,
        token: Token,
        endpoint: Endpoint,
        connect: Option<ConnectOptions>,
    ) {
        tracing::debug!(%token, %endpoint, "attempt begins");
        let timeout = connect.as_ref().and_then(|options| options.timeout);
        let until = timeout.map(|timeout| self.now + timeout);
        let attempt = Attempt::new(endpoint.clone(), connect, until);
        self.attempts.insert(token, attempt);
        if let Endpoint::Unix(_) = endpoint {
            self.requests.push(Request::Attempt(token));
        } else {
            match self.look_up(token, endpoint, Asked::Attempt) {
                Ok(Some(addresses)) => self.attempt_resolved(token, addresses),
                Ok(None) => {}
                Err(error) => self.attempt_resolved(token, Err(io::Error::other(error))),
            }
        }
        if let Some(timeout) = timeout {
            self.start_deadline(token, timeout);
        }
    }

    /// The name of a source has been looked up.
    pub(crate) fn attempt_resolved(&mut self, token: Token, result: io::Result<Vec<SocketAddr>>) {
        if let Some(attempt) = self.attempts.get_mut(&token) {
            match result {
                Ok(addresses) if attempt.connect.is_some() => {
                    attempt.addresses = in_turns(addresses);
                    attempt.addresses.truncate(MAX_ADDRESSES);
                }
                Ok(addresses) => attempt.addresses = addresses.into(),
                Err(error) => attempt.failure = Some(error),
            }
            self.requests.push(Request::Attempt(token));
        }
    }

    /// One of the addresses has failed: the next one is due at once.
    pub(crate) fn attempt_failed(&mut self, token: Token, error: io::Error) {
        if let Some(attempt) = self.attempts.get_mut(&token) {
            tracing::debug!(%token, %error, "attempt failed");
            attempt.under_way -= 1;
            attempt.note(error);
            self.requests.push(Request::Attempt(token));
        }
    }

    /// The address tried last has neither succeeded nor failed for a while: the next one is due,
    /// beside it. Or that of a Unix socket, once more.
    pub(crate) fn next_attempt_due(&mut self, token: Token) {
        if let Some(attempt) = self.attempts.get_mut(&token) {
            if !attempt.addresses.is_empty() {
                cov_mark::hit!(next_address_after_delay);
            }
            attempt.next = None;
            self.requests.push(Request::Attempt(token));
        }
    }

    /// The connection is there; a handler that is to speak TLS hears of it after the handshake.
    pub(crate) fn connected(&mut self, program: &mut Program<S>, token: Token) {
        #[cfg(feature = "tls")]
        if self.begins_handshake(token) {
            return;
        }
        self.attempt_succeeded(token);
        self.call(program, token, &[], |handler, state, cx| {
            handler.handle_connect(state, cx)
        });
    }

    /// No other address is tried, or none any more.
    pub(crate) fn end_attempt(&mut self, token: Token) {
        let attempt = self.attempts.remove(&token);
        if let Some((timer, _)) = attempt.and_then(|attempt| attempt.next) {
            self.cancel_timer(timer);
        }
    }

    /// The connection can be used.
    pub(crate) fn attempt_succeeded(&mut self, token: Token) {
        self.end_attempt(token);
        self.stop_deadline(token);
        let Some(source) = self.sources.get_mut(token) else {
            return;
        };
        if source.phase != Phase::Connecting {
            return; // closed meanwhile: too late
        }
        source.phase = Phase::Open;
        source.last_active = self.now;
        if source.why.is_some() {
            return self.begin_flushing(token); // closed meanwhile, but what was sent goes out
        }
        self.request_flow(token);
        self.watch_idleness(token);
        self.mark_dirty(token); // what was sent meanwhile
    }

    /// Starts the timers of an attempt again, after all timers of the source were stopped.
    pub(crate) fn restart_attempt_timers(&mut self, token: Token) {
        let Some(attempt) = self.attempts.get(&token) else {
            #[cfg(feature = "tls")]
            if let Some(until) = self.handshake_until(token) {
                self.start_deadline(token, until - self.now);
            }
            return;
        };
        let (until, next) = (attempt.until, attempt.next);
        if let Some(until) = until {
            self.start_deadline(token, until - self.now);
        }
        if let Some((_, at)) = next {
            self.await_next(token, at);
        }
    }

    fn await_next(&mut self, token: Token, at: Time) {
        let timer = self.start_timer(at, Due::Attempt(token));
        match (timer, self.attempts.get_mut(&token)) {
            (Ok(timer), Some(attempt)) => attempt.next = Some((timer, at)),
            (Ok(_), None) => {}
            (Err(error), _) => self.finish(token, Close::Error(error)),
        }
    }

    /// The time for all addresses is over, or for the handshake with one of them.
    pub(crate) fn attempts_timed_out(&mut self, token: Token) {
        if !self.attempts.contains_key(&token) {
            return self.finish(token, Close::TimedOut(Deadline::Handshake));
        }
        cov_mark::hit!(connect_timed_out);
        self.finish(token, Close::TimedOut(Deadline::Connect));
    }

    /// Tries the next address, or binds all of them.
    pub(crate) fn continue_attempt(&mut self, driver: &mut Driver, token: Token) {
        if self
            .sources
            .get(token)
            .is_none_or(|source| source.phase != Phase::Connecting)
        {
            return; // closed meanwhile
        }
        let Some(attempt) = self.attempts.get_mut(&token) else {
            return;
        };
        let Some(options) = attempt.connect.clone() else {
            return self.bind(driver, token);
        };
        if let Endpoint::Unix(address) = &attempt.endpoint {
            let address = address.clone();
            return self.connect_unix(driver, token, &address, &options);
        }
        let timer = attempt.next.take();
        while let Some(address) = attempt.addresses.pop_front() {
            match driver.connect(token, address, &options) {
                Ok(()) => {
                    tracing::debug!(%token, %address, "trying");
                    attempt.under_way += 1;
                    break;
                }
                Err(error) => attempt.note(error),
            }
        }
        let left = attempt.addresses.len() as u32;
        let failure = match attempt.under_way {
            0 => Some(attempt.failure.take().unwrap_or_else(no_address)),
            _ => None,
        };
        let until = attempt.until;
        if let Some((timer, _)) = timer {
            self.cancel_timer(timer);
        }
        if let Some(failure) = failure {
            self.finish(token, Close::ConnectFailed(failure));
        } else if left > 0 {
            // However little time there is, each address gets its share: one that never answers
            // leaves time for the others.
            let share = until.map(|until| (until - self.now) / (left + 1));
            let delay = share.map_or(options.delay, |share| share.min(options.delay));
            self.await_next(token, self.now + delay);
        }
    }

    /// Connects to a Unix socket. If its queue is full, the kernel has nothing to wait for: the
    /// connection is tried again after a while, as long as there is time.
    fn connect_unix(
        &mut self,
        driver: &mut Driver,
        token: Token,
        address: &UnixAddress,
        options: &ConnectOptions,
    ) {
        let Some(attempt) = self.attempts.get_mut(&token) else {
            return;
        };
        if let Some(error) = attempt.failure.take() {
            return self.finish(token, Close::ConnectFailed(error));
        }
        match driver.connect_unix(token, address, options) {
            Ok(()) => attempt.under_way += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                cov_mark::hit!(unix_queue_full);
                self.await_next(token, self.now + QUEUE_RETRY);
            }
            Err(error) => self.finish(token, Close::ConnectFailed(error)),
        }
    }

    fn bind(&mut self, driver: &mut Driver, token: Token) {
        let Some(attempt) = self.attempts.remove(&token) else {
            return;
        };
        let kind = self.sources.get(token).map(|source| source.kind);
        let addresses = Vec::from(attempt.addresses);
        let registered = match (attempt.failure, &attempt.endpoint, kind) {
            (Some(error), ..) => Err(error),
            (None, Endpoint::Unix(_), Some(Kind::Datagram)) => Err(no_udp()),
            (None, _, Some(Kind::Datagram)) => driver.listen_udp(token, &addresses),
            (None, unix @ Endpoint::Unix(_), _) => driver
                .bind(unix)
                .and_then(|listener| driver.register(token, Resource::Listener(listener))),
            (None, ..) => driver.listen(token, &addresses),
        };
        match (registered, self.sources.get_mut(token)) {
            (Ok(()), Some(source)) => {
                source.phase = Phase::Open;
                if source.why.is_some() {
                    return self.begin_flushing(token); // closed meanwhile, as a connection is
                }
                self.request_flow(token);
                if kind == Some(Kind::Datagram) {
                    self.mark_dirty(token); // what was sent meanwhile
                }
            }
            (Ok(()), None) => {}
            (Err(error), _) => {
                let error = match kind {
                    Some(Kind::Datagram) => cannot_bind(&attempt.endpoint, &error),
                    _ => cannot_listen(&attempt.endpoint, &error),
                };
                self.finish(token, Close::Io(error));
            }
        }
    }
}

fn no_udp() -> io::Error {
    let text = "a UDP socket is bound to an IP address";
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

#[cfg(test)]
mod tests;
