//! The client's end: whom it trusts, and who it is if it is asked.
//! It must never go on with a peer whose certificate is not that of the name that was asked for.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::sign::SingleCertAndKey;

use super::role::{Side, server_name};
use super::server::{HANDSHAKE, protocols};
use super::{Identity, Role, Roots, provider, refused};
use crate::Result;

/// How our end of connections behaves that we make; [`build`](Self::build) makes a [`Client`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientOptions {
    roots: Roots,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    handshake_timeout: Duration,
}

impl ClientOptions {
    /// A client that trusts `roots`, has no certificate of its own, and speaks TLS 1.3 or 1.2.
    pub fn new(roots: Roots) -> ClientOptions {
        ClientOptions {
            roots,
            identity: None,
            alpn: Vec::new(),
            handshake_timeout: HANDSHAKE,
        }
    }

    /// Who we are, for servers that ask.
    pub fn with_identity(mut self, identity: Identity) -> ClientOptions {
        self.identity = Some(identity);
        self
    }

    /// The protocols that we could speak, the preferred one first (ALPN, RFC 7301). A server that
    /// speaks none of them refuses; [`Session::alpn`](super::Session::alpn) says which it chose.
    pub fn with_alpn(mut self, names: impl IntoIterator<Item = impl AsRef<[u8]>>) -> ClientOptions {
        self.alpn = protocols(names);
        self
    }

    /// How long a handshake may take (default 10 s).
    pub fn with_handshake_timeout(mut self, timeout: Duration) -> ClientOptions {
        self.handshake_timeout = timeout;
        self
    }

    /// Makes the client. Sessions are resumed among all connections of this one (and its clones).
    ///
    /// # Errors
    /// [`Error::Tls`](crate::Error::Tls), which no set of these options is known to lead to.
    pub fn build(self) -> Result<Client> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_root_certificates(self.roots.0);
        let mut config = match self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = SingleCertAndKey::from((*identity.0).clone());
                config.with_client_cert_resolver(Arc::new(key))
            }
        };
        config.alpn_protocols = self.alpn;
        Ok(Client {
            config: Arc::new(config),
            handshake_timeout: self.handshake_timeout,
        })
    }
}

/// The client's end of TLS, for any number of connections. Clones are the same one.
///
/// ```no_run
/// use switchboard::{ConnectOptions, Handler, Reactor, tls};
/// # struct Fetch;
/// # impl Handler<()> for Fetch {}
///
/// let client = tls::ClientOptions::new(tls::Roots::system()?).build()?;
/// let mut reactor = Reactor::new(())?;
/// // The server must show a certificate for `example.com`.
/// let options = ConnectOptions::default().with_tls(&client);
/// reactor.with(|_, cx| cx.connect_with("example.com:443", options, Fetch))?;
/// # Ok::<(), switchboard::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) handshake_timeout: Duration,
}

impl Client {
    /// A client that is configured by the means of `rustls` itself: for what [`ClientOptions`] does
    /// not offer. Handshakes may take 10 s.
    pub fn from_rustls(config: Arc<ClientConfig>) -> Client {
        Client {
            config,
            handshake_timeout: HANDSHAKE,
        }
    }

    /// The client of a connection whose server must show a certificate for `name`: a host name, or
    /// an address. Without it, that is the host as it was given to `connect`.
    ///
    /// # Errors
    /// [`Error::Tls`](crate::Error::Tls) if it is neither.
    pub fn to(&self, name: &str) -> Result<Role> {
        Ok(Role(Side::Client(self.clone(), Some(server_name(name)?))))
    }
}
