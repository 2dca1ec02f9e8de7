//! Who the echo is on TLS: what two files say, which SIGHUP has read again, or nobody in particular.
//! It must never end a server because a new certificate is wrong.

use rcgen::{CertifiedKey, generate_simple_self_signed};
#[cfg(unix)]
use switchboard::signal::SIGHUP;
use switchboard::tls::{Identity, Server, ServerOptions};
#[cfg(unix)]
use switchboard::{Context, Handler};
use switchboard::{Error, Reactor, Result};

/// Where the certificate is.
#[derive(Clone, Default)]
pub struct Certificate {
    pub cert: String,
    pub key: String,
    pub is_self_signed: bool,
}

/// The server's end of TLS, and where its certificate came from.
#[derive(Clone)]
pub struct Secret {
    #[cfg(unix)]
    certificate: Certificate,
    pub server: Server,
}

impl Certificate {
    pub fn read(self) -> Result<Secret> {
        let server = self.options()?.build()?;
        Ok(Secret {
            #[cfg(unix)]
            certificate: self,
            server,
        })
    }

    fn options(&self) -> Result<ServerOptions> {
        let identity = match (self.is_self_signed, self.cert.as_str(), self.key.as_str()) {
            (true, "", "") => {
                let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
                let CertifiedKey { cert, signing_key } =
                    generate_simple_self_signed(names).map_err(Error::other)?;
                Identity::from_pem(cert.pem(), signing_key.serialize_pem())?
            }
            (false, cert, key) if !cert.is_empty() && !key.is_empty() => {
                Identity::from_files(cert, key)?
            }
            _ => return Err("tls:// needs either --cert FILE --key FILE or --self-signed".into()),
        };
        Ok(ServerOptions::new(identity))
    }
}

#[cfg(not(unix))]
impl Secret {
    /// Nobody can ask for that where there are no signals.
    pub fn reload_at_hangup(self, _: &mut Reactor<()>) -> Result {
        Ok(())
    }
}

#[cfg(unix)]
impl Secret {
    /// Connections that are there go on as they are.
    pub fn reload_at_hangup(self, reactor: &mut Reactor<()>) -> Result {
        reactor.with(|_, cx| cx.signals(&[SIGHUP], self))?;
        Ok(())
    }
}

#[cfg(unix)]
impl Handler<()> for Secret {
    fn handle_signal(&mut self, _: &mut (), _: &mut Context<'_, ()>, _signal: i32) -> Result {
        let options = self.certificate.options();
        match options.and_then(|options| self.server.reload(options)) {
            Ok(()) => println!("the certificate was read again"),
            Err(error) => eprintln!("the old certificate stays: {error}"),
        }
        Ok(())
    }
}
