//! The ways to log in, and which of them one client is offered.
//!
//! It must never decide that a password may travel in the clear: whoever makes the [`Offer`] knows
//! whether the connection is encrypted.

use std::fmt::{self, Display, Formatter};

use crate::accounts::fingerprint::Fingerprint;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// By the certificate of the TLS connection (RFC 4422, appendix A).
    External,
    /// By proving the password (RFC 7677).
    ScramSha256,
    /// By sending the password (RFC 4616).
    Plain,
}

impl Mechanism {
    /// All of them, the one that gives least away first.
    pub const ALL: [Mechanism; 3] = [
        Mechanism::External,
        Mechanism::ScramSha256,
        Mechanism::Plain,
    ];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::External => "EXTERNAL",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::Plain => "PLAIN",
        }
    }
}

/// What one client is offered. Written out, it is the list for `CAP LS` (`sasl=`) and for
/// `RPL_SASLMECHS`.
///
/// ```
/// use switchboard_chat::accounts::sasl::Offer;
///
/// let offer = Offer { certificate: None, scram: true, plain: true };
/// assert_eq!(offer.to_string(), "SCRAM-SHA-256,PLAIN");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The certificate that the client has shown, of which TLS has proved that it has the key.
    /// With one, EXTERNAL is offered.
    pub certificate: Option<Fingerprint>,
    /// Whether SCRAM-SHA-256 is offered.
    pub scram: bool,
    /// Whether PLAIN is offered.
    pub plain: bool,
}

impl Offer {
    /// Whether `mechanism` is in it.
    pub fn has(&self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::External => self.certificate.is_some(),
            Mechanism::ScramSha256 => self.scram,
            Mechanism::Plain => self.plain,
        }
    }

    /// The offered mechanism of that name, in any case.
    pub(super) fn find(&self, name: &str) -> Option<Mechanism> {
        let mut mechanisms = Mechanism::ALL.into_iter();
        mechanisms.find(|one| self.has(*one) && one.name().eq_ignore_ascii_case(name))
    }
}

impl Display for Offer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let offered = Mechanism::ALL.into_iter().filter(|one| self.has(*one));
        for (index, mechanism) in offered.enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            f.write_str(mechanism.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_offered_is_not_found() {
        let mut offer = Offer {
            certificate: Some(Fingerprint::of_certificate(b"")),
            scram: true,
            plain: true,
        };
        assert_eq!(offer.to_string(), "EXTERNAL,SCRAM-SHA-256,PLAIN");
        assert_eq!(offer.find("scram-sha-256"), Some(Mechanism::ScramSha256));
        assert_eq!(offer.find("external"), Some(Mechanism::External));
        assert_eq!(offer.find("PLAIN"), Some(Mechanism::Plain));
        assert_eq!(offer.find("SCRAM-SHA-256-PLUS"), None);
        offer = Offer {
            certificate: None,
            scram: false,
            plain: false,
        };
        assert_eq!(offer.to_string(), "");
        assert!(
            Mechanism::ALL
                .iter()
                .all(|one| offer.find(one.name()).is_none())
        );
    }
}
