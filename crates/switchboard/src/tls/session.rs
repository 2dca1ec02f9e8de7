//! What both ends of a connection have agreed on: plain data, which a recording can hold.
//! It must never hold anything secret.

use crate::replayable::Replayable;

/// What was agreed in the handshake of one connection; [`Context::tls`](crate::Context::tls) has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub(crate) version: Version,
    pub(crate) cipher: String,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) name: Option<String>,
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) resumed: bool,
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Session {
    /// The version of the protocol.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The cipher suite, as it is called in the standards: `TLS13_AES_256_GCM_SHA384`, say.
    pub fn cipher(&self) -> &str {
        &self.cipher
    }

    /// The protocol that was chosen, if both ends named some.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The name of the server: the one that the client has asked for (in lower case; `None` if it
    /// asked for none), or, at the client's end, the one that the certificate was checked for.
    pub fn server_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The certificates that the peer has shown, its own first, in DER. They were verified. Empty
    /// at a server that asked for none, or whose client had none. A resumed session has those of the
    /// first one.
    pub fn peer_certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.certificates.iter().map(Vec::as_slice)
    }

    /// Whether an earlier session was resumed, which spares both ends most of the work.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }
}

impl Replayable for Session {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.version == Version::Tls13).encode(out);
        self.cipher.encode(out);
        self.alpn.encode(out);
        self.name.encode(out);
        self.certificates.encode(out);
        self.resumed.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Session> {
        Some(Session {
            version: match bool::decode(bytes)? {
                true => Version::Tls13,
                false => Version::Tls12,
            },
            cipher: Replayable::decode(bytes)?,
            alpn: Replayable::decode(bytes)?,
            name: Replayable::decode(bytes)?,
            certificates: Replayable::decode(bytes)?,
            resumed: Replayable::decode(bytes)?,
        })
    }
}
