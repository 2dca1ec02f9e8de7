//! Which of the ends that a program owns are to speak TLS. It must never begin to: the reactor does,
//! when they are registered.

use super::{ConnectOptions, Listener, Stream};
use crate::tls::{Role, Server};

impl Stream {
    /// Has the connection speak TLS from its first byte on when it is registered, as a server
    /// (`&`[`tls::Server`](crate::tls::Server)) or as a client that
    /// [expects a name](crate::tls::Client::to). (Those that come from a
    /// [TLS listener](Listener::with_tls) do so by themselves.)
    #[must_use]
    pub fn with_tls(self, role: impl Into<Role>) -> Stream {
        self.with_role(Some(role.into()))
    }

    pub(crate) fn with_role(mut self, role: Option<Role>) -> Stream {
        self.role = role.map(Box::new);
        self
    }

    pub(crate) fn take_role(&mut self) -> Option<Role> {
        self.role.take().map(|role| *role)
    }
}

impl Listener {
    /// Has every connection that it accepts speak TLS: the handshake begins when it is registered.
    #[must_use]
    pub fn with_tls(mut self, server: &Server) -> Listener {
        self.role = Some(Box::new(server.into()));
        self
    }

    pub(crate) fn take_role(&mut self) -> Option<Role> {
        self.role.take().map(|role| *role)
    }
}

impl ConnectOptions {
    /// Speaks TLS (default: not). The server must show a certificate for the host as it is given to
    /// `connect`, or for the name of [`client.to(name)?`](crate::tls::Client::to). `handle_connect`
    /// is called after the handshake, which has a [timeout of its
    /// own](crate::tls::ClientOptions::with_handshake_timeout), and if it fails no other address is
    /// tried.
    #[must_use]
    pub fn with_tls(mut self, role: impl Into<Role>) -> ConnectOptions {
        self.role = Some(Box::new(role.into()));
        self
    }

    pub(crate) fn take_role(&mut self) -> Option<Role> {
        self.role.take().map(|role| *role)
    }
}
