//! The certificates that a server shows, from files or made here, and the secret that it keeps.
//!
//! It must never replace what was made before: people have noted the certificate's fingerprint.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::CertificateDer;
use switchboard::tls::{self, Identity, ServerOptions};
use switchboard::{Context, Done, JobId};
use webpki::EndEntityCert;

use super::Server;
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
    pub(super) files: Files,
    /// Of a certificate that was made here, which nobody can check otherwise.
    pub(super) fingerprint: Option<String>,
    /// Nobody vouches for one of them, so clients that check certificates refuse it.
    pub(super) is_self_signed: bool,
}

/// Where certificates and their keys are, to be read again, and how long a handshake may take.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pairs: Vec<(PathBuf, PathBuf)>,
    handshake: Duration,
}

/// The certificate that `args` ask for; `None`: no TLS.
///
/// # Errors
/// One line that says what is wrong, and what to do.
pub(super) fn of(args: &ServeArgs) -> Result<Option<Certificate>, String> {
    let Some(files) = files(args)? else {
        return Ok(None);
    };
    let identities = files.read()?;
    let server = files
        .options(&identities)?
        .build()
        .map_err(|error| error.to_string())?;
    let first = identities[0].certificates().next();
    let fingerprint = first.filter(|_| args.tls == [Tls::SelfSigned]);
    let fingerprint = fingerprint.map(|first| Fingerprint::of_certificate(first).to_string());
    Ok(Some(Certificate {
        server,
        files,
        fingerprint,
        is_self_signed: identities.iter().any(is_self_signed),
    }))
}

/// What stands in for it in a replay, which has what was said in the clear.
///
/// # Errors
/// None that a system with a working `ring` has.
pub(super) fn for_a_replay() -> switchboard::Result<tls::Server> {
    let made = generate_simple_self_signed(["localhost".to_owned()]);
    let CertifiedKey { cert, signing_key } = made.map_err(switchboard::Error::other)?;
    let identity = Identity::from_pem(cert.pem(), signing_key.serialize_pem())?;
    ServerOptions::new(identity).build()
}

/// The files that `args` name; what is to be made here is made.
fn files(args: &ServeArgs) -> Result<Option<Files>, String> {
    let (tls, keys) = (&args.tls, &args.tls_key);
    if tls.is_empty() {
        if args.listen.iter().any(|entrance| entrance.is_tls()) {
            return Err(
                "ircs:// and https:// need a certificate: --tls FILE --tls-key FILE, or \
                        --tls self-signed"
                    .to_owned(),
            );
        }
        if !keys.is_empty() {
            return Err("--tls-key is of no use without --tls FILE".to_owned());
        }
        return Ok(None);
    }
    if tls.contains(&Tls::SelfSigned) {
        if !keys.is_empty() {
            return Err("--tls self-signed makes its own key: leave --tls-key out".to_owned());
        }
        if tls.len() > 1 {
            return Err("--tls self-signed stands alone: leave the other --tls out".to_owned());
        }
        return self_signed(args).map(|pair| Some(Files::new(args, vec![pair])));
    }
    let certificates = tls.iter().filter_map(|tls| match tls {
        Tls::File(file) => Some(file.clone()),
        Tls::SelfSigned => None,
    });
    match keys.len() {
        number if number == tls.len() => {
            let pairs = certificates.zip(keys.iter().cloned());
            Ok(Some(Files::new(args, pairs.collect())))
        }
        0 if tls.len() == 1 => {
            Err("where is the key of that certificate? Say it by --tls-key FILE".to_owned())
        }
        number => Err(format!(
            "{} certificates and {number} keys: say the key of each --tls FILE by --tls-key FILE, \
             in the same order",
            tls.len()
        )),
    }
}

impl Files {
    fn new(args: &ServeArgs, pairs: Vec<(PathBuf, PathBuf)>) -> Files {
        let handshake = args.handshake_timeout.0;
        Files { pairs, handshake }
    }

    fn read(&self) -> Result<Vec<Identity>, String> {
        let read = |(certificates, key): &(PathBuf, PathBuf)| {
            Identity::from_files(certificates, key).map_err(|error| error.to_string())
        };
        self.pairs.iter().map(read).collect()
    }

    /// The first one for everybody but those who ask for a name that another one is for.
    fn options(&self, identities: &[Identity]) -> Result<ServerOptions, String> {
        let mut options = ServerOptions::new(identities[0].clone())
            .with_any_client_certificates()
            .with_handshake_timeout(self.handshake);
        let mut named: Vec<String> = Vec::new();
        for (index, identity) in identities.iter().enumerate() {
            let names = names(identity);
            if names.is_empty() && index > 0 {
                return Err(format!(
                    "certificate {} is for no host by name, so nobody would ever be shown it: name it \
                 as the first --tls, or leave it out",
                    index + 1
                ));
            }
            for name in names {
                let name = name.to_ascii_lowercase();
                // Of two for one name it is the one that comes first.
                if !named.contains(&name) {
                    options = options.with_name(&name, identity.clone());
                    named.push(name);
                }
            }
        }
        Ok(options)
    }

    /// Reads all of them again for handshakes that begin from now on. Waits for the disk.
    ///
    /// # Errors
    /// One line that says what is wrong; then nothing has changed.
    pub(super) fn reload(&self, server: &tls::Server) -> Result<(), String> {
        let options = self.options(&self.read()?)?;
        server.reload(options).map_err(|error| error.to_string())
    }
}

/// What reading them again has come to.
type Reread = Result<(), String>;

/// Certificates that are being read again, off the loop.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The job, and whether the files have changed since it began.
    job: Option<(JobId, bool)>,
}

impl Reading {
    pub(super) fn begin(&mut self, server: &Server, cx: &mut Context<'_, Server>) {
        if let Some((_, again)) = &mut self.job {
            *again = true;
            return;
        }
        let Some((tls, files)) = server.tls.clone() else {
            tracing::info!("there are no certificates to be read again");
            return;
        };
        match cx.offload_replayable(move || -> Reread { files.reload(&tls) }) {
            Ok(job) => self.job = Some((job, false)),
            Err(error) => report(Err(error.to_string())),
        }
    }

    pub(super) fn is_read_by(&self, job: JobId) -> bool {
        self.job.is_some_and(|(own, _)| own == job)
    }

    pub(super) fn end(&mut self, server: &Server, cx: &mut Context<'_, Server>, done: Done) {
        let outcome = done.take::<Reread>();
        report(outcome.unwrap_or_else(|error| Err(error.to_string())));
        if self.job.take().is_some_and(|(_, again)| again) {
            self.begin(server, cx);
        }
    }
}

fn report(outcome: Reread) {
    match outcome {
        Ok(()) => tracing::info!("the certificates were read again, for who connects from now on"),
        Err(why) => tracing::error!("the certificates stay as they were: {why}"),
    }
}

/// The hosts that a certificate is for, as in its subject's alternative names (RFC 9525).
fn names(identity: &Identity) -> Vec<String> {
    let Some(der) = identity.certificates().next().map(CertificateDer::from) else {
        return Vec::new();
    };
    match EndEntityCert::try_from(&der) {
        Ok(certificate) => certificate.valid_dns_names().map(str::to_owned).collect(),
        // It may be good for clients that do not look at names.
        Err(_) => Vec::new(),
    }
}

/// Whether it was signed by its own subject.
fn is_self_signed(identity: &Identity) -> bool {
    let Some(der) = identity.certificates().next().map(CertificateDer::from) else {
        return true;
    };
    EndEntityCert::try_from(&der).map_or(true, |it| it.issuer() == it.subject())
}

/// The certificate and the key that were made here, now or before.
fn self_signed(args: &ServeArgs) -> Result<(PathBuf, PathBuf), String> {
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
    Ok((certificate, key))
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
