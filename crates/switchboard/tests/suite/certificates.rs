//! Certificates for the cases about TLS, made anew for each run, and a client of `rustls` on the wire
//! of a peer. It must never be asked for what a case is about.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use switchboard::tls::rustls::{self, ClientConnection, RootCertStore};
use switchboard::tls::{Client, ClientOptions, Identity, Roots, Server, ServerOptions};

use crate::world::{Peer, World};

/// The name that the server's certificate is for, and the one that only some cases ask for.
pub const NAME: &str = "localhost";
pub const OTHER_NAME: &str = "other.example";

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut parameters = CertificateParams::new(Vec::new()).expect("no name is wrong");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("the system has randomness");
        let issuer = CertifiedIssuer::self_signed(parameters, key);
        Authority {
            issuer: issuer.expect("it can sign"),
        }
    }

    /// A certificate and its key, in PEM.
    pub fn issue(&self, name: &str) -> (String, String) {
        let parameters = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]);
        let key = KeyPair::generate().expect("the system has randomness");
        let certificate = parameters
            .expect("it is a name")
            .signed_by(&key, &self.issuer)
            .expect("it can sign");
        (certificate.pem(), key.serialize_pem())
    }

    pub fn identity(&self, name: &str) -> Identity {
        let (certificate, key) = self.issue(name);
        Identity::from_pem(certificate, key).expect("it was just made")
    }

    pub fn roots(&self) -> Roots {
        Roots::from_pem(self.issuer.pem()).expect("it was just made")
    }
}

/// The authority that both ends trust.
pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(Authority::new)
}

/// One that nobody trusts.
pub fn stranger() -> &'static Authority {
    static STRANGER: OnceLock<Authority> = OnceLock::new();
    STRANGER.get_or_init(Authority::new)
}

pub fn server_options() -> ServerOptions {
    ServerOptions::new(authority().identity(NAME))
}

pub fn server() -> Server {
    server_options().build().expect("the options are right")
}

pub fn client_options() -> ClientOptions {
    ClientOptions::new(authority().roots())
}

pub fn client() -> Client {
    client_options().build().expect("the options are right")
}

/// A client that the case drives itself, on the wire of a peer.
pub struct Wire {
    pub connection: ClientConnection,
    peer: Peer,
    /// Bytes of the peer's that it has seen.
    seen: usize,
    pub received: Vec<u8>,
    /// The server has said that it has finished.
    pub is_finished: bool,
    pub error: Option<rustls::Error>,
}

impl Wire {
    pub fn new(peer: Peer, versions: &[&'static rustls::SupportedProtocolVersion]) -> Wire {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        let pem = authority().issuer.der().clone();
        roots.add(pem).expect("it was just made");
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("there are such versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = NAME.try_into().expect("it is a name");
        let connection = ClientConnection::new(Arc::new(config), name);
        Wire {
            connection: connection.expect("the configuration is right"),
            peer,
            seen: 0,
            received: Vec::new(),
            is_finished: false,
            error: None,
        }
    }

    /// Does not hear the next bytes of the peer's, which are plain.
    pub fn skip(&mut self, bytes: usize) {
        self.seen += bytes;
    }

    /// What it has to say.
    pub fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            let written = self.connection.write_tls(&mut bytes);
            written.expect("memory takes all");
        }
        bytes
    }

    /// Hears what has come, and sends what it has to say.
    pub fn pump(&mut self, world: &mut World) {
        self.hear(world);
        let bytes = self.take();
        world.send(self.peer, bytes);
    }

    /// Hears what has come.
    pub fn hear(&mut self, world: &World) {
        let mut new = &world.received(self.peer)[self.seen..];
        self.seen += new.len();
        while !new.is_empty() && self.error.is_none() {
            self.connection.read_tls(&mut new).expect("memory has all");
            match self.connection.process_new_packets() {
                Ok(state) => {
                    let mut plain = vec![0; state.plaintext_bytes_to_read()];
                    let read = self.connection.reader().read_exact(&mut plain);
                    read.expect("as much was announced");
                    self.received.extend_from_slice(&plain);
                    self.is_finished = state.peer_has_closed();
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    #[track_caller]
    pub fn shake_hands(&mut self, world: &mut World) {
        self.drive_until(world, "the handshake", |wire, _| {
            !wire.connection.is_handshaking()
        });
    }

    /// Drives the world until `done`.
    #[track_caller]
    pub fn drive_until(
        &mut self,
        world: &mut World,
        awaited: &str,
        done: impl Fn(&Wire, &World) -> bool,
    ) {
        for _ in 0..10_000 {
            self.pump(world);
            if done(self, world) {
                return;
            }
            world
                .turn(std::time::Duration::from_millis(1))
                .expect("a turn goes well");
        }
        panic!("waited in vain for: {awaited}; {:?}", self.error);
    }
}
