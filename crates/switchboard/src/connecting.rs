//! From `connect` to a connection or a reason, and from a name to a listener: one attempt after
//! another over all addresses of the name. It must never block: names are looked up by the driver.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use crate::Token;
use crate::core::{Core, Request};
use crate::driver::Driver;
use crate::handler::Close;
use crate::net::{ConnectOptions, Endpoint, resolve};
use crate::sources::Phase;

/// What is still to be tried for one source.
#[derive(Default)]
pub(crate) struct Attempt {
    /// `None` for a listener, which binds all addresses instead of trying one by one.
    connect: Option<ConnectOptions>,
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
        let mut attempt = Attempt {
            connect,
            ..Attempt::default()
        };
        match endpoint {
            Endpoint::Ip(address) => {
                attempt.addresses.push_back(address);
                self.requests.push(Request::Attempt(token));
            }
            name => match resolve::known(&name) {
                Some(addresses) => {
                    attempt.addresses.extend(addresses);
                    self.requests.push(Request::Attempt(token));
                }
                None => self.requests.push(Request::Resolve(token, name)),
            },
        }
        self.attempts.insert(token, attempt);
        if let Some(timeout) = connect.and_then(|options| options.timeout) {
            self.start_deadline(token, timeout);
        }
    }

    /// The name of a source has been looked up.
    pub(crate) fn attempt_resolved(&mut self, token: Token, result: io::Result<Vec<SocketAddr>>) {
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
        self.request_flow(token);
        self.watch_idleness(token);
        self.mark_dirty(token); // what was sent meanwhile
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
        while let Some(address) = attempt.addresses.pop_front() {
            match driver.connect(token, address, &options) {
                Ok(()) => return,
                Err(error) => attempt.failure = Some(error),
            }
        }
        let failure = attempt.failure.take().unwrap_or_else(no_address);
        self.finish(token, Close::ConnectFailed(failure));
    }

    fn bind(&mut self, driver: &mut Driver, token: Token) {
        let Some(attempt) = self.attempts.remove(&token) else {
            return;
        };
        let registered = match attempt.failure {
            Some(error) => Err(error),
            None => driver.listen(token, &Vec::from(attempt.addresses)),
        };
        match (registered, self.sources.get_mut(token)) {
            (Ok(()), Some(source)) => {
                source.phase = Phase::Open;
                self.request_flow(token);
            }
            (Ok(()), None) => {}
            (Err(error), _) => self.finish(token, Close::Io(error)),
        }
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}
