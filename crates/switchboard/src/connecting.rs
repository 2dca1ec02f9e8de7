//! From `connect` to a connection or a reason, and from a name to a listener: one attempt after
//! another over all addresses of the name. It must never block: names are looked up by the driver.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::core::{Core, Request};
use crate::driver::{Driver, Resource};
use crate::handler::{Close, Deadline};
use crate::net::{ConnectOptions, Endpoint, UnixAddress, cannot_listen, resolve};
use crate::sources::Phase;
use crate::{Error, Time, Token};

/// When to try a Unix socket again whose queue was full.
const QUEUE_RETRY: Duration = Duration::from_millis(10);

/// What is still to be tried for one source.
pub(crate) struct Attempt {
    endpoint: Endpoint,
    /// `None` for a listener, which binds all addresses instead of trying one by one.
    connect: Option<ConnectOptions>,
    /// When all of it must have succeeded.
    until: Option<Time>,
    addresses: VecDeque<SocketAddr>,
    /// Why the last address failed; told if no other one succeeds.
    failure: Option<io::Error>,
}

impl<S: 'static> Core<S> {
    pub(crate) fn start_attempt(
        &mut self,
        token: Token,
        endpoint: Endpoint,
        connect: Option<ConnectOptions>,
    ) {
        tracing::debug!(%token, %endpoint, "attempt begins");
        let timeout = connect.and_then(|options| options.timeout);
        let mut attempt = Attempt {
            connect,
            until: timeout.map(|timeout| self.now + timeout),
            addresses: VecDeque::new(),
            failure: None,
            endpoint: endpoint.clone(),
        };
        match endpoint {
            Endpoint::Ip(address) => attempt.addresses.push_back(address),
            Endpoint::Unix(_) => self.requests.push(Request::Attempt(token)),
            name => match resolve::known(&name) {
                Some(addresses) => attempt.addresses.extend(addresses),
                None if self.lookups >= self.config.max_jobs => {
                    let limit = self.config.max_jobs;
                    attempt.failure = Some(io::Error::other(Error::TooManyJobs { limit }));
                }
                None => {
                    self.lookups += 1;
                    self.requests.push(Request::Resolve(token, name));
                }
            },
        }
        if !attempt.addresses.is_empty() || attempt.failure.is_some() {
            self.requests.push(Request::Attempt(token));
        }
        self.attempts.insert(token, attempt);
        if let Some(timeout) = timeout {
            self.start_deadline(token, timeout);
        }
    }

    /// The name of a source has been looked up.
    pub(crate) fn attempt_resolved(&mut self, token: Token, result: io::Result<Vec<SocketAddr>>) {
        self.lookups -= 1;
        if let Some(attempt) = self.attempts.get_mut(&token) {
            match result {
                Ok(addresses) => attempt.addresses = addresses.into(),
                Err(error) => attempt.failure = Some(error),
            }
            self.requests.push(Request::Attempt(token));
        }
    }

    /// The address tried last did not answer: the next one is due.
    pub(crate) fn attempt_failed(&mut self, token: Token, error: io::Error) {
        if let Some(attempt) = self.attempts.get_mut(&token) {
            tracing::debug!(%token, %error, "attempt failed");
            attempt.failure = Some(error);
            self.requests.push(Request::Attempt(token));
        }
    }

    /// The connection is there.
    pub(crate) fn attempt_succeeded(&mut self, token: Token) {
        self.attempts.remove(&token);
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

    /// The time that is left for all addresses, after the timers of the source were stopped.
    pub(crate) fn restart_connect_deadline(&mut self, token: Token) {
        let Some(attempt) = self.attempts.get(&token) else {
            return;
        };
        let left = attempt.until.map(|until| until - self.now);
        let left = match attempt.endpoint {
            Endpoint::Unix(_) => Some(left.unwrap_or(QUEUE_RETRY).min(QUEUE_RETRY)),
            _ => left,
        };
        if let Some(left) = left {
            self.start_deadline(token, left);
        }
    }

    /// The deadline of one address has passed, or that of the look-up: is there another address?
    pub(crate) fn attempt_timed_out(&mut self, token: Token) {
        match self.attempts.get(&token) {
            Some(attempt) if matches!(attempt.endpoint, Endpoint::Unix(_)) => {
                self.requests.push(Request::Attempt(token));
            }
            Some(attempt) if !attempt.addresses.is_empty() => {
                cov_mark::hit!(next_address_after_timeout);
                self.attempt_failed(token, io::ErrorKind::TimedOut.into());
            }
            _ => {
                cov_mark::hit!(connect_timed_out);
                self.finish(token, Close::TimedOut(Deadline::Connect));
            }
        }
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
        let Some(options) = attempt.connect else {
            return self.bind(driver, token);
        };
        if let Endpoint::Unix(address) = &attempt.endpoint {
            let address = address.clone();
            return self.connect_unix(driver, token, &address, &options);
        }
        while let Some(address) = attempt.addresses.pop_front() {
            match driver.connect(token, address, &options) {
                Ok(()) => {
                    // Each address gets its share: one that never answers leaves time for others.
                    let shares = attempt.addresses.len() as u32 + 1;
                    if let Some(until) = attempt.until {
                        let share = (until - self.now) / shares;
                        self.start_deadline(token, share);
                    }
                    return;
                }
                Err(error) => attempt.failure = Some(error),
            }
        }
        let failure = attempt.failure.take().unwrap_or_else(no_address);
        self.finish(token, Close::ConnectFailed(failure));
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
        let left = attempt.until.map(|until| until - self.now);
        match attempt.failure.take() {
            Some(error) => return self.finish(token, Close::ConnectFailed(error)),
            None if left.is_some_and(|left| left.is_zero()) => {
                return self.finish(token, Close::TimedOut(Deadline::Connect));
            }
            None => {}
        }
        match driver.connect_unix(token, address, options) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                cov_mark::hit!(unix_queue_full);
                let pause = left.unwrap_or(QUEUE_RETRY).min(QUEUE_RETRY);
                self.start_deadline(token, pause);
            }
            Err(error) => self.finish(token, Close::ConnectFailed(error)),
        }
    }

    fn bind(&mut self, driver: &mut Driver, token: Token) {
        let Some(attempt) = self.attempts.remove(&token) else {
            return;
        };
        let registered = match attempt.failure {
            Some(error) => Err(error),
            None => match &attempt.endpoint {
                unix @ Endpoint::Unix(_) => driver
                    .bind(unix)
                    .and_then(|listener| driver.register(token, Resource::Listener(listener))),
                _ => driver.listen(token, &Vec::from(attempt.addresses)),
            },
        };
        match (registered, self.sources.get_mut(token)) {
            (Ok(()), Some(source)) => {
                source.phase = Phase::Open;
                self.request_flow(token);
            }
            (Ok(()), None) => {}
            (Err(error), _) => {
                let error = cannot_listen(&attempt.endpoint, &error);
                self.finish(token, Close::Io(error));
            }
        }
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}
