//! Whether IRC clients are told to come by TLS alone, and where.
//!
//! It must never tell them so because of a certificate that they cannot check, unless it is asked
//! to: they would not come back.
//!
//! The source is <https://ircv3.net/specs/extensions/sts>.

use switchboard::{Listener, Result};

use crate::cli::{ServeArgs, Switch};
use crate::irc::config::Sts;

/// Whether `args` make sense.
///
/// # Errors
/// What to write instead.
pub(super) fn check(args: &ServeArgs) -> std::result::Result<(), String> {
    if args.sts_port.is_none() {
        return Ok(());
    }
    if args.tls.is_empty() {
        return Err(
            "--sts-port sends clients to TLS, for which there is no certificate: give \
                    --tls FILE and --tls-key FILE"
                .to_owned(),
        );
    }
    if args.sts_duration.0.is_none() {
        return Err("--sts-port is of no use with --sts-duration off".to_owned());
    }
    Ok(())
}

/// Turns it off where clients could not check the certificate, and nobody has asked for it.
///
/// # Errors
/// As [`check`].
pub(super) fn settle(args: &mut ServeArgs, is_checkable: bool) -> std::result::Result<(), String> {
    check(args)?;
    if !is_checkable && args.sts_port.is_none() {
        args.sts_duration = Switch(None);
    }
    Ok(())
}

/// What they are told by `args` that are settled. The port is the one that is for IRC over TLS
/// alone, if there is one, or one where TLS is spoken too.
///
/// # Errors
/// What the system reports of the listeners.
pub(super) fn of(args: &ServeArgs, listeners: &[Listener]) -> Result<Option<Sts>> {
    let Some(duration) = args.sts_duration.0.filter(|_| !args.tls.is_empty()) else {
        return Ok(None);
    };
    if let Some(port) = args.sts_port {
        return Ok(Some(Sts { port, duration }));
    }
    let entrances = || args.listen.iter().zip(listeners);
    let for_tls = entrances().find(|(entrance, _)| entrance.is_tls() && entrance.has_ircs());
    let found = for_tls.or_else(|| entrances().find(|(entrance, _)| entrance.has_ircs()));
    let Some((_, listener)) = found else {
        return Ok(None);
    };
    let port = listener.local()?.ip().map(|address| address.port());
    Ok(port.map(|port| Sts { port, duration }))
}
