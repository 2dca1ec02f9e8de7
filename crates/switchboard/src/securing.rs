//! From a connection to one that speaks TLS, as far as the core has to know: who wants it, by when the
//! handshake must be done, and what was agreed. It must never hold a key, or see an encrypted byte.

use std::collections::BTreeMap;
use std::net::Shutdown;

use crate::core::{Core, Request};
use crate::driver::{Driver, Resource, StartTls};
use crate::handler::{Close, Handler};
use crate::net::{ConnectOptions, Endpoint, ToEndpoint};
use crate::outbox::Outbox;
use crate::program::Program;
use crate::sources::{Kind, Phase};
use crate::tls::{self, Role, Session};
use crate::{Context, Error, LoopContext, Reactor, Result, Time, Token};

/// The sources that have to do with TLS.
#[derive(Default)]
pub(crate) struct Secure {
    /// What connections become that these listeners accept.
    listeners: BTreeMap<Token, Role>,
    connections: BTreeMap<Token, Connection>,
}

#[derive(Default)]
struct Connection {
    /// How long the handshake may take, and by when it must be done, once it has begun.
    timeout: std::time::Duration,
    until: Option<Time>,
    session: Option<Box<Session>>,
    /// The driver holds the last bytes of a connection that closes.
    keeps: bool,
}

/// What a source asked for, until its handler has returned.
pub(crate) struct Upgrade {
    token: Token,
    role: Role,
    plain: Option<Box<Outbox>>,
    unread: Vec<u8>,
    is_connected: bool,
}

impl<S: 'static> Core<S> {
    /// Has connections that a listener accepts speak TLS.
    fn secure_listener(&mut self, token: Token, role: Role) {
        self.secure.listeners.insert(token, role);
    }

    /// What a connection is to be that this listener has accepted.
    pub(crate) fn role_of_accepted(&self, listener: Token) -> Option<Role> {
        self.secure.listeners.get(&listener).cloned()
    }

    /// Has a source that was just registered speak TLS.
    pub(crate) fn secure_registered(&mut self, token: Token, kind: Kind, role: Role) {
        match kind {
            Kind::Listener => self.secure_listener(token, role),
            _ => self.secure(token, role, true),
        }
    }

    /// Has a new source speak TLS: at once if it `is_connected`, else as soon as it is.
    pub(crate) fn secure(&mut self, token: Token, role: Role, is_connected: bool) {
        self.upgrade(Upgrade {
            token,
            role,
            plain: None,
            unread: Vec::new(),
            is_connected,
        });
    }

    fn upgrade(&mut self, upgrade: Upgrade) {
        let token = upgrade.token;
        let connection = Connection {
            timeout: upgrade.role.handshake_timeout(),
            ..Connection::default()
        };
        self.secure.connections.insert(token, connection);
        if upgrade.is_connected {
            self.start_handshake_deadline(token);
        }
        self.requests.push(Request::StartTls(Box::new(upgrade)));
    }

    fn check_role(&self, role: &Role) -> Result {
        // Only a simulation takes note of what it has seen.
        if self.seen.is_some() {
            let text = "a simulated reactor has no TLS, whose bytes no seed repeats: leave it out \
                        there, handlers are the same without";
            return Err(Error::Tls(text.to_owned()));
        }
        if !role.expects_somebody() {
            let text =
                "whose certificate is expected? Give `client.to(name)?` instead of `&client`";
            return Err(Error::Tls(text.to_owned()));
        }
        Ok(())
    }

    fn start_handshake_deadline(&mut self, token: Token) {
        if let Some(connection) = self.secure.connections.get_mut(&token) {
            let timeout = connection.timeout;
            connection.until = Some(self.now + timeout);
            self.start_deadline(token, timeout);
        }
    }

    pub(crate) fn submit_upgrade(&mut self, driver: &mut Driver, upgrade: Upgrade) {
        let Upgrade {
            token,
            role,
            plain,
            unread,
            is_connected,
        } = upgrade;
        let Some(source) = self.sources.get(token) else {
            return;
        };
        if source.phase == Phase::Finishing {
            return; // it could not be registered
        }
        let start = StartTls {
            role,
            plain,
            unread,
            is_connected,
            reads: source.reads(),
            room: source.room(self.now),
        };
        if let Err(error) = driver.start_tls(token, start) {
            self.finish(token, Close::Io(error));
        }
    }

    /// A connection is there: whether its handshake has to come first.
    pub(crate) fn begins_handshake(&mut self, token: Token) -> bool {
        if !self.secure.connections.contains_key(&token) {
            return false;
        }
        self.end_attempt(token);
        self.start_handshake_deadline(token);
        true
    }

    /// By when the handshake of a source must be done that is still at it.
    pub(crate) fn handshake_until(&self, token: Token) -> Option<Time> {
        let connection = self.secure.connections.get(&token)?;
        connection.until.filter(|_| connection.session.is_none())
    }

    /// The handshake is done.
    pub(crate) fn secured(
        &mut self,
        program: &mut Program<S>,
        token: Token,
        session: Box<Session>,
    ) {
        tracing::debug!(%token, ?session.version, session.resumed, "secured");
        let (Some(connection), Some(source)) = (
            self.secure.connections.get_mut(&token),
            self.sources.get_mut(token),
        ) else {
            return;
        };
        connection.session = Some(session);
        source.last_active = self.now;
        let dialled = source.phase == Phase::Connecting;
        match source.phase {
            Phase::Connecting => self.attempt_succeeded(token),
            Phase::Open => self.stop_deadline(token),
            _ => {}
        }
        self.mark_dirty(token); // what was sent meanwhile
        self.call(program, token, &[], |handler, state, cx| {
            handler.handle_secured(state, cx)?;
            match dialled {
                true => handler.handle_connect(state, cx),
                false => Ok(()),
            }
        });
    }

    pub(crate) fn session(&self, token: Token) -> Option<&Session> {
        self.secure.connections.get(&token)?.session.as_deref()
    }

    /// All of a closing source was sent, and its peer has finished: whether nothing is left to be
    /// said. On TLS, we say that we have finished too (RFC 8446, section 6.1).
    pub(crate) fn says_nothing_more(&mut self, driver: &mut Driver, token: Token) -> bool {
        if self.session(token).is_none() {
            return true;
        }
        if let Some(source) = self.sources.get_mut(token)
            && !std::mem::replace(&mut source.write_ended, true)
        {
            driver.shutdown(token, Shutdown::Write);
        }
        driver.is_flushed(token) || {
            self.await_driver(driver, token);
            false // `Sent` comes
        }
    }

    /// The outbox of a closing source is empty, but not all is with the kernel. It gets no more
    /// time for that than it would for what is in the outbox.
    #[cold]
    pub(crate) fn await_driver(&mut self, driver: &mut Driver, token: Token) {
        let keeps = driver.keeps(token);
        if let Some(connection) = self.secure.connections.get_mut(&token) {
            connection.keeps = keeps;
        }
        if keeps
            && self
                .sources
                .get(token)
                .is_some_and(|source| source.phase == Phase::Flushing && source.deadline.is_none())
        {
            self.start_deadline(token, self.config.close_timeout);
        }
    }

    /// Whether the driver still had bytes of a closing source when it was asked last.
    pub(crate) fn is_kept(&self, token: Token) -> bool {
        let connection = self.secure.connections.get(&token);
        connection.is_some_and(|connection| connection.keeps)
    }

    pub(crate) fn nothing_is_kept(&mut self, token: Token) {
        if let Some(connection) = self.secure.connections.get_mut(&token) {
            connection.keeps = false;
        }
    }

    /// The source has ended.
    pub(crate) fn forget_security(&mut self, token: Token) {
        self.secure.connections.remove(&token);
        self.secure.listeners.remove(&token);
    }

    fn start_tls(&mut self, token: Token, role: Role, unread: Vec<u8>) -> Result {
        let wrong = |asked| Err(Error::WrongKind { token, asked });
        self.check_role(&role)?;
        if self.secure.connections.contains_key(&token) {
            return wrong("start TLS twice");
        }
        #[cfg(unix)]
        if self.carriers.contains_key(&token) {
            return Err(no_descriptors());
        }
        let source = self.sender(token)?;
        if source.phase != Phase::Open {
            return wrong("start TLS before it is connected");
        }
        if source.eof {
            return wrong("start TLS: its peer has finished");
        }
        self.unstage(token);
        let plain = self.sender(token)?.outbox.take();
        self.outboxed -= plain.as_ref().map_or(0, |plain| plain.len());
        self.upgrade(Upgrade {
            token,
            role,
            plain,
            unread,
            is_connected: true,
        });
        Ok(())
    }
}

#[cfg(unix)]
fn no_descriptors() -> Error {
    Error::Tls("descriptors cannot be encrypted: they travel without TLS only".to_owned())
}

impl<S: 'static> Context<'_, S> {
    /// Has this connection speak TLS from here on: as a server (`&`[`tls::Server`]), or as a client
    /// that expects a name ([`client.to(name)?`](tls::Client::to)). For protocols that begin without
    /// it (STARTTLS), or for a port that finds out first what a client speaks.
    ///
    /// What was sent before goes out as it is, and what is sent afterwards, in the same call too, is
    /// encrypted; it waits in the outbox until the handshake is done. Then `handle_secured` is called.
    ///
    /// What is unread is never given to the handler as if it had come encrypted: it is taken for the
    /// beginning of the handshake, and [`data`](Self::data) is empty from now on. That is right for a
    /// client that begins at once. A client that sends commands behind its `STARTTLS`, in the clear,
    /// is none of ours, since anybody on the way could have added them (CVE-2011-0411): then the
    /// handshake fails, and with it the connection. For this to work a handler must not have consumed
    /// more than the command itself.
    ///
    /// Makes no system call now; allocates a few KiB, and copies what is unread.
    ///
    /// # Errors
    /// [`Error::WrongKind`] if it speaks TLS already, is not connected yet, or if its peer has
    /// finished; [`Error::Stale`] and [`Error::SendingEnded`] as with a send; [`Error::Tls`] for a
    /// client that expects nobody, and in a [simulation](crate::sim), whose bytes a seed has to repeat.
    ///
    /// ```
    /// use switchboard::{Context, Handler, Result, tls};
    ///
    /// struct Mail {
    ///     server: tls::Server,
    /// }
    ///
    /// impl Handler<()> for Mail {
    ///     fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
    ///         let Some(end) = cx.data().iter().position(|byte| *byte == b'\n') else {
    ///             return Ok(());
    ///         };
    ///         let line = &cx.data()[..end + 1];
    ///         cx.consume(line.len()); // this line, and nothing behind it
    ///         if line == b"STARTTLS\r\n" && cx.tls().is_none() {
    ///             cx.send("220 go ahead\r\n")?;
    ///             return cx.start_tls(&self.server);
    ///         }
    ///         cx.again();
    ///         cx.send("250 ok\r\n")
    ///     }
    /// }
    /// ```
    pub fn start_tls(&mut self, role: impl Into<Role>) -> Result {
        // What was lent came in the clear, and a forward of it would go out like that: ahead of this
        // request.
        let (token, lent) = (self.token(), self.take_lent());
        self.core.keep_forward(lent);
        let unread = self.data().to_vec();
        let len = unread.len();
        self.core.start_tls(token, role.into(), unread)?;
        self.consume(len);
        Ok(())
    }

    /// What was agreed with the peer: `None` on a connection without TLS, and until the handshake is
    /// done.
    pub fn tls(&self) -> Option<&Session> {
        self.core.session(self.token())
    }
}

impl<S: 'static> LoopContext<'_, S> {
    /// As [`listen`](Self::listen), for connections that speak TLS. (On sockets that are bound
    /// already, see [`Listener::with_tls`](crate::Listener::with_tls).)
    ///
    /// # Errors
    /// As [`listen`](Self::listen); [`Error::Tls`] in a [simulation](crate::sim).
    pub fn listen_tls(
        &mut self,
        endpoint: impl ToEndpoint,
        server: &tls::Server,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        let role = Role::from(server);
        self.core.check_role(&role)?;
        let token = self.listen(endpoint, handler)?;
        self.core.secure_listener(token, role);
        Ok(token)
    }

    /// What was agreed with the peer of any connection; as [`Context::tls`].
    pub fn source_tls(&self, token: Token) -> Option<&Session> {
        self.core.session(token)
    }

    /// What a new source of the program's is to be on TLS, if that was asked for.
    pub(crate) fn role_of(&self, resource: &mut Resource) -> Result<Option<Role>> {
        let role = match resource {
            Resource::Stream(stream) => stream.take_role(),
            Resource::Listener(listener) => listener.take_role(),
            _ => None,
        };
        if let Some(role) = &role {
            self.core.check_role(role)?;
            #[cfg(unix)]
            if matches!(resource, Resource::Stream(stream) if stream.descriptor_limit() > 0) {
                return Err(no_descriptors());
            }
        }
        Ok(role)
    }

    /// The same for a connection that is to be made.
    pub(crate) fn role_to(
        &self,
        endpoint: &Endpoint,
        options: &mut ConnectOptions,
    ) -> Result<Option<Role>> {
        let Some(role) = options.take_role() else {
            return Ok(None);
        };
        let role = role.expecting(endpoint)?;
        self.core.check_role(&role)?;
        #[cfg(unix)]
        if options.descriptors > 0 {
            return Err(no_descriptors());
        }
        Ok(Some(role))
    }
}

impl<S: 'static> Reactor<S> {
    /// As [`listen`](Self::listen), for connections that speak TLS: each that is accepted and
    /// registered begins with the handshake.
    ///
    /// # Errors
    /// As [`listen`](Self::listen); [`Error::Tls`] in a [simulation](crate::sim).
    pub fn listen_tls(
        &mut self,
        endpoint: impl ToEndpoint,
        server: &tls::Server,
        handler: impl Handler<S>,
    ) -> Result<Token> {
        let listener = self.bind(endpoint)?.with_tls(server);
        self.listen_on(listener, handler)
    }
}
