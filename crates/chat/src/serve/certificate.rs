//! The certificate that a server shows, from files or made here, and the secret that it keeps.
//!
//! It must never replace what was made before: people have noted the certificate's fingerprint.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use switchboard::tls::{self, Identity, ServerOptions};

use crate::accounts::decoys::SECRET_BYTES;
use crate::accounts::fingerprint::Fingerprint;
use crate::cli::{DecoySecret, ServeArgs, Tls};
use crate::durable::write_file;

/// The names of the files in the data directory.
const CERTIFICATE: &str = "self-signed.crt";
const KEY: &str = "self-signed.key";
const SECRET: &str = "decoys.secret";

/// What is needed to speak TLS.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) server: tls::Server,
    /// Of a certificate that was made here, which nobody can check otherwise.
    pub(super) fingerprint: Option<String>,
}

/// The certificate that `args` ask for; `None`: no TLS.
///
/// # Errors
/// One line that says what is wrong, and what to do.
pub(super) fn of(args: &ServeArgs) -> Result<Option<Certificate>, String> {
    let (identity, fingerprint) = match (&args.tls, &args.tls_key) {
        (None, None) if args.listen.iter().any(|entrance| entrance.is_tls()) => {
            return Err(
                "ircs:// and https:// need a certificate: --tls FILE --tls-key FILE, or \
                        --tls self-signed"
                    .to_owned(),
            );
        }
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err("--tls-key is of no use without --tls FILE".to_owned()),
        (Some(Tls::SelfSigned), None) => {
            let (identity, fingerprint) = self_signed(args)?;
            (identity, Some(fingerprint))
        }
        (Some(Tls::SelfSigned), Some(_)) => {
            return Err("--tls self-signed makes its own key: leave --tls-key out".to_owned());
        }
        (Some(Tls::File(_)), None) => {
            return Err(
                "where is the key of that certificate? Say it by --tls-key FILE".to_owned(),
            );
        }
        (Some(Tls::File(certificates)), Some(key)) => {
            let identity = Identity::from_files(certificates, key).map_err(|e| e.to_string())?;
            (identity, None)
        }
    };
    let options = ServerOptions::new(identity)
        .with_any_client_certificates()
        .with_handshake_timeout(args.handshake_timeout.0);
    let server = options.build().map_err(|error| error.to_string())?;
    Ok(Some(Certificate {
        server,
        fingerprint,
    }))
}

fn self_signed(args: &ServeArgs) -> Result<(Identity, String), String> {
    let directory = args.data.directory()?;
    let (certificate, key) = (directory.join(CERTIFICATE), directory.join(KEY));
    let cannot = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    match fs::metadata(&certificate) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut names = vec!["localhost".to_owned()];
            if args.name != "localhost" {
                names.push(args.name.clone());
            }
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(names).map_err(|error| error.to_string())?;
            // The key first: a certificate without one would be taken for whole.
            write_file(&key, signing_key.serialize_pem().as_bytes())
                .map_err(|e| cannot(&key, e))?;
            write_file(&certificate, cert.pem().as_bytes()).map_err(|e| cannot(&certificate, e))?;
        }
        Err(error) => return Err(cannot(&certificate, error)),
    }
    let identity = Identity::from_files(&certificate, &key).map_err(|error| error.to_string())?;
    let fingerprint = identity
        .certificates()
        .next()
        .map(Fingerprint::of_certificate);
    let fingerprint = fingerprint.map_or(String::new(), |fingerprint| fingerprint.to_string());
    Ok((identity, fingerprint))
}

/// What unknown accounts are answered with: made once, so that they answer alike after a restart.
///
/// # Errors
/// One line that says what is wrong.
pub(super) fn decoy_secret(directory: &Path) -> Result<DecoySecret, String> {
    let path = directory.join(SECRET);
    let cannot = |error: std::io::Error| format!("{}: {error}", path.display());
    match fs::read_to_string(&path) {
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|why| format!("{}: {why}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut secret = DecoySecret([0; SECRET_BYTES]);
            getrandom::fill(&mut secret.0)
                .map_err(|error| format!("the system has no randomness: {error}"))?;
            write_file(&path, secret.to_string().as_bytes()).map_err(cannot)?;
            Ok(secret)
        }
        Err(error) => Err(cannot(error)),
    }
}
