//! The server's end: its certificates by name, which can be exchanged while it runs.
//! It must never change what a handshake that has begun has seen.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use super::any_client::AnyClient;
use super::{Identity, Roots, provider, refused};
use crate::Result;

/// How long a handshake may take. Of those that succeed on the worst of lines, hardly any needs a
/// third of it.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

type Resolver = Arc<dyn Fn(&str) -> Option<Identity> + Send + Sync>;

/// Which certificates of clients are asked for, and taken.
#[derive(Clone)]
enum Clients {
    NotAsked,
    Any,
    /// Those that lead to a root; whether there must be one.
    Trusted(Roots, bool),
}

/// How our end of accepted connections behaves; [`build`](Self::build) makes a [`Server`].
#[derive(Clone)]
#[must_use]
pub struct ServerOptions {
    identity: Identity,
    named: BTreeMap<String, Identity>,
    resolver: Option<Resolver>,
    alpn: Vec<Vec<u8>>,
    clients: Clients,
    handshake_timeout: Duration,
}

impl ServerOptions {
    /// A server that shows this certificate, asks for none, and speaks TLS 1.3 or 1.2.
    pub fn new(identity: Identity) -> ServerOptions {
        ServerOptions {
            identity,
            named: BTreeMap::new(),
            resolver: None,
            alpn: Vec::new(),
            clients: Clients::NotAsked,
            handshake_timeout: HANDSHAKE,
        }
    }

    /// The certificate for clients that ask for `name` (SNI, RFC 6066 section 3), such as
    /// `example.com`, or `*.example.com` for all names that are one label longer. Others see the
    /// first one.
    pub fn with_name(mut self, name: &str, identity: Identity) -> ServerOptions {
        self.named.insert(name.to_ascii_lowercase(), identity);
        self
    }

    /// Who chooses the certificate for a name that [`with_name`](Self::with_name) has none for. Called
    /// in the loop's thread, once for each handshake, with the name in lower case. `None` chooses the
    /// first one.
    pub fn with_resolver(
        mut self,
        resolver: impl Fn(&str) -> Option<Identity> + Send + Sync + 'static,
    ) -> ServerOptions {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// The protocols that we speak, the preferred one first (ALPN, RFC 7301). A client that offers
    /// some, but none of them, is refused; one that offers none at all is not.
    pub fn with_alpn(mut self, names: impl IntoIterator<Item = impl AsRef<[u8]>>) -> ServerOptions {
        self.alpn = protocols(names);
        self
    }

    /// Refuses clients that show no certificate which leads to one of `roots`.
    pub fn with_required_client_certificates(mut self, roots: Roots) -> ServerOptions {
        self.clients = Clients::Trusted(roots, true);
        self
    }

    /// As [`with_required_client_certificates`](Self::with_required_client_certificates), but takes
    /// clients that show none at all.
    pub fn with_optional_client_certificates(mut self, roots: Roots) -> ServerOptions {
        self.clients = Clients::Trusted(roots, false);
        self
    }

    /// Asks clients for a certificate and takes any, or none: one that leads to nobody shows only
    /// that the client has its key. [`Session::peer_certificates`](super::Session::peer_certificates)
    /// has it, for a program that knows clients by the fingerprints of theirs.
    pub fn with_any_client_certificates(mut self) -> ServerOptions {
        self.clients = Clients::Any;
        self
    }

    /// How long a handshake may take (default 10 s), from the moment at which the connection is
    /// registered, or upgraded.
    pub fn with_handshake_timeout(mut self, timeout: Duration) -> ServerOptions {
        self.handshake_timeout = timeout;
        self
    }

    /// Makes the server.
    ///
    /// # Errors
    /// [`Error::Tls`](crate::Error::Tls) if the roots for clients cannot be used, or if the system
    /// has no randomness for the keys of session tickets.
    pub fn build(self) -> Result<Server> {
        Ok(Server::of(self.into_live()?))
    }

    fn into_live(self) -> Result<Live> {
        let provider = provider();
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(refused)?;
        let config = match self.clients {
            Clients::NotAsked => config.with_no_client_auth(),
            Clients::Any => config.with_client_cert_verifier(Arc::new(AnyClient(provider))),
            Clients::Trusted(roots, is_required) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.0, provider);
                let verifier = match is_required {
                    true => verifier,
                    false => verifier.allow_unauthenticated(),
                };
                config.with_client_cert_verifier(verifier.build().map_err(refused)?)
            }
        };
        let mut config = config.with_cert_resolver(Arc::new(Named {
            first: self.identity,
            named: self.named,
            resolver: self.resolver,
        }));
        config.alpn_protocols = self.alpn;
        // The client keeps its session itself, encrypted: we hold nothing for it.
        config.ticketer = Ticketer::new().map_err(refused)?;
        Ok(Live {
            config,
            handshake_timeout: self.handshake_timeout,
        })
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("names", &self.named.keys())
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

/// The server's end of TLS, for any number of listeners and connections. Clones are the same one:
/// [`reload`](Self::reload) of any changes all.
#[derive(Clone)]
pub struct Server(Arc<RwLock<Arc<Live>>>);

/// What handshakes that begin now see.
struct Live {
    config: ServerConfig,
    handshake_timeout: Duration,
}

impl Server {
    /// A server that is configured by the means of `rustls` itself: for what [`ServerOptions`] does
    /// not offer. Handshakes may take 10 s.
    pub fn from_rustls(config: ServerConfig) -> Server {
        Server::of(Live {
            config,
            handshake_timeout: HANDSHAKE,
        })
    }

    fn of(live: Live) -> Server {
        Server(Arc::new(RwLock::new(Arc::new(live))))
    }

    /// Exchanges certificates and everything else, for handshakes that begin from now on, from any
    /// thread. Connections that are there, and handshakes that have begun, go on as they were;
    /// sessions from before are not resumed, so that what the new options demand holds for all.
    ///
    /// ```no_run
    /// use switchboard::{Context, Handler, Result, tls};
    ///
    /// /// Reads the certificate again when it is told to.
    /// struct Reload(tls::Server);
    ///
    /// impl Handler<()> for Reload {
    ///     fn handle_signal(&mut self, _: &mut (), _: &mut Context<'_, ()>, _signal: i32) -> Result {
    ///         // Files that are wrong must not end a server that runs.
    ///         match tls::Identity::from_files("cert.pem", "key.pem") {
    ///             Ok(identity) => self.0.reload(tls::ServerOptions::new(identity)),
    ///             Err(error) => Ok(eprintln!("the old certificate stays: {error}")),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`ServerOptions::build`]; then nothing has changed.
    pub fn reload(&self, options: ServerOptions) -> Result {
        let live = Arc::new(options.into_live()?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = live;
        Ok(())
    }

    fn live(&self) -> Arc<Live> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.live().handshake_timeout
    }

    /// The configuration of one connection, and where the name will be that its client asks for:
    /// a connection of `rustls` that leaves the buffers to us does not tell.
    pub(crate) fn for_one(&self) -> (Arc<ServerConfig>, Arc<Asked>) {
        let mut config = self.live().config.clone(); // all that is large in it is shared
        let asked = Arc::new(Asked {
            name: OnceLock::new(),
            resolver: Arc::clone(&config.cert_resolver),
        });
        config.cert_resolver = Arc::clone(&asked) as _;
        (Arc::new(config), asked)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// Notes the name that one client asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    name: OnceLock<String>,
    resolver: Arc<dyn ResolvesServerCert>,
}

impl Asked {
    pub(crate) fn name(&self) -> Option<&String> {
        self.name.get()
    }
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            self.name.get_or_init(|| name.to_ascii_lowercase());
        }
        self.resolver.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }
}

struct Named {
    first: Identity,
    named: BTreeMap<String, Identity>,
    resolver: Option<Resolver>,
}

impl Named {
    fn find(&self, name: &str) -> Option<Identity> {
        let name = name.to_ascii_lowercase();
        if let Some(identity) = self.named.get(&name) {
            return Some(identity.clone());
        }
        if let Some((_, parent)) = name.split_once('.')
            && let Some(identity) = self.named.get(&format!("*.{parent}"))
        {
            return Some(identity.clone());
        }
        self.resolver.as_ref().and_then(|resolver| resolver(&name))
    }
}

impl ResolvesServerCert for Named {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.find(name));
        Some(named.unwrap_or_else(|| self.first.clone()).0)
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named")
            .field("names", &self.named.keys())
            .finish_non_exhaustive()
    }
}

/// Names of protocols, as ALPN wants them.
pub(super) fn protocols(names: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<Vec<u8>> {
    names
        .into_iter()
        .map(|name| name.as_ref().to_vec())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct RawKeys;

    impl ResolvesServerCert for RawKeys {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            None
        }

        fn only_raw_public_keys(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_resolver_of_raw_keys_stays_one() {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(RawKeys));
        let (config, _) = Server::from_rustls(config).for_one();
        assert!(config.cert_resolver.only_raw_public_keys()); // RFC 7250
    }
}
