//! Which end of TLS a connection is. It must never hold anything of one connection.

use rustls::pki_types::ServerName;

use super::{Client, Server};
use crate::net::Endpoint;
use crate::{Error, Result};

/// Which end of TLS a connection is, and how it is to behave: a `&`[`Server`], a `&`[`Client`], or a
/// client that [expects a name](Client::to).
#[derive(Clone, Debug)]
pub struct Role(pub(crate) Side);

#[derive(Clone, Debug)]
pub(crate) enum Side {
    Server(Server),
    /// And whom it expects, if that is known yet.
    Client(Client, Option<ServerName<'static>>),
}

impl Role {
    pub(crate) fn handshake_timeout(&self) -> std::time::Duration {
        match &self.0 {
            Side::Server(server) => server.handshake_timeout(),
            Side::Client(client, _) => client.handshake_timeout,
        }
    }

    /// A client expects the host that it was told to connect to, unless it was told otherwise.
    pub(crate) fn expecting(mut self, endpoint: &Endpoint) -> Result<Role> {
        if let Side::Client(_, name @ None) = &mut self.0 {
            *name = Some(match endpoint {
                Endpoint::Ip(address) => ServerName::from(address.ip()),
                Endpoint::Name { host, .. } => server_name(host)?,
                #[allow(unreachable_patterns, reason = "endpoints that have no name come")]
                other => return Err(Error::Tls(format!("{other} has no name: use Client::to"))),
            });
        }
        Ok(self)
    }

    pub(crate) fn expects_somebody(&self) -> bool {
        !matches!(&self.0, Side::Client(_, None))
    }
}

pub(super) fn server_name(host: &str) -> Result<ServerName<'static>> {
    let host = host.strip_suffix('.').unwrap_or(host); // a full name, as resolvers take it
    ServerName::try_from(host.to_owned()).map_err(|_| {
        Error::Tls(format!(
            "{host:?} is not a name that a certificate can have"
        ))
    })
}

impl From<&Server> for Role {
    fn from(server: &Server) -> Role {
        Role(Side::Server(server.clone()))
    }
}

impl From<&Client> for Role {
    fn from(client: &Client) -> Role {
        Role(Side::Client(client.clone(), None))
    }
}
