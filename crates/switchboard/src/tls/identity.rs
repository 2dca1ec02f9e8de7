//! Certificates and keys, as they are read from PEM: our own, and those of whom we trust.
//! It must never show a key, nor keep one that does not belong to its certificate.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, fs};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{provider, refused};
use crate::{Error, Result};

/// Who we are: a certificate, with those that lead from it to a root, and its private key.
///
/// Clones share the memory.
#[derive(Clone)]
pub struct Identity(pub(super) Arc<CertifiedKey>);

impl Identity {
    /// Reads a chain of certificates (our own first) and a key (PKCS #8, PKCS #1 or SEC 1), both
    /// in PEM. They may be in one text.
    ///
    /// # Errors
    /// [`Error::Tls`] if either is not there or cannot be used, or if the key is another
    /// certificate's.
    pub fn from_pem(certificates: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Identity> {
        let chain = certificates_in(certificates.as_ref())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref())
            .map_err(|error| refused(format_args!("no private key in PEM: {error}")))?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(refused)?;
        Ok(Identity(Arc::new(key)))
    }

    /// The chain of certificates in DER, our own first.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.cert.iter().map(AsRef::as_ref)
    }

    /// As [`from_pem`](Self::from_pem), from two files (or the same one twice). Blocks while it
    /// reads.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), with the name of the file; or it cannot be read.
    pub fn from_files(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Identity> {
        let (certificates, key) = (certificates.as_ref(), key.as_ref());
        let read = Identity::from_pem(read(certificates)?, read(key)?);
        read.map_err(|error| {
            let (certificates, key) = (certificates.display(), key.display());
            refused(format_args!("{certificates} and {key}: {error}"))
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificates", &self.0.cert.len())
            .finish_non_exhaustive()
    }
}

/// Whom we trust to say who somebody is: root certificates.
///
/// Clones share the memory.
#[derive(Clone)]
pub struct Roots(pub(super) Arc<RootCertStore>);

impl Roots {
    /// Reads certificates in PEM: those of an authority, or the one of a single peer.
    ///
    /// # Errors
    /// [`Error::Tls`] if there is none, or one of them cannot be used.
    pub fn from_pem(certificates: impl AsRef<[u8]>) -> Result<Roots> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates_in(certificates.as_ref())? {
            roots.add(certificate).map_err(refused)?;
        }
        Ok(Roots(Arc::new(roots)))
    }

    /// As [`from_pem`](Self::from_pem), from a file. Blocks while it reads.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), with the name of the file; or it cannot be read.
    pub fn from_file(certificates: impl AsRef<Path>) -> Result<Roots> {
        let path = certificates.as_ref();
        let roots = Roots::from_pem(read(path)?);
        roots.map_err(|error| refused(format_args!("{}: {error}", path.display())))
    }

    /// The authorities that this machine trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
    /// Reads files, and blocks meanwhile. Certificates that cannot be used are left out.
    ///
    /// # Errors
    /// [`Error::Tls`] if there is none.
    pub fn system() -> Result<Roots> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map(|error| format!(": {error}"));
            let why = why.unwrap_or_default();
            return Err(refused(format_args!(
                "this machine has no root certificates (the package ca-certificates has some){why}"
            )));
        }
        Ok(Roots(Arc::new(roots)))
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots")
            .field("certificates", &self.0.len())
            .finish()
    }
}

fn certificates_in(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(refused)?;
    match chain.is_empty() {
        true => Err(refused("no certificate in PEM")),
        false => Ok(chain),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        let text = format!("cannot read {}: {error}", path.display());
        Error::Io(std::io::Error::new(error.kind(), text))
    })
}
