//! What an error of the network means to the person at the keyboard, and what to do about it.
//!
//! It must never print: it makes one line, and the caller says it and chooses the exit code.

use std::io::{self, ErrorKind};

use crate::host_port::HostPort;

/// The port of every default and every proposal.
const DEFAULT_PORT: u16 = 8080;

/// Ports below this one are reserved to the administrator on Unix.
const FIRST_OPEN_PORT: u16 = 1024;

/// Why the server cannot listen at `address`.
pub fn cannot_listen(address: &HostPort, error: &io::Error) -> String {
    let port = address.port();
    if is_unknown_name(error) {
        return unknown_name(address);
    }
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "port {port} is taken; try --listen {}",
                address.with_port(next_port(port))
            )
        }
        ErrorKind::PermissionDenied if port < FIRST_OPEN_PORT => {
            let open = address.with_port(DEFAULT_PORT);
            format!("port {port} is reserved to the administrator; try --listen {open}")
        }
        ErrorKind::AddrNotAvailable => format!(
            "{} is not an address of this machine; try --listen localhost:{port}, \
             or 0.0.0.0:{port} for all its networks",
            address.host()
        ),
        _ => error.to_string(), // it names the address already
    }
}

/// Why `connect` did not get through to `address`, and what to do.
pub fn cannot_connect(address: &HostPort, error: &io::Error) -> String {
    let problem = no_connection(address, error);
    match error.kind() {
        ErrorKind::ConnectionRefused => format!(
            "{problem}; start a server with `switchboard serve --listen {address}`, \
             or check the address"
        ),
        ErrorKind::TimedOut => {
            format!("{problem}; check the address and the network, or allow more with --timeout")
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            format!("{problem}; check the address and the network")
        }
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            format!("{problem}; try again, perhaps with --reconnect")
        }
        _ => problem,
    }
}

/// The same without advice: for somebody who is being helped already.
pub fn no_connection(address: &HostPort, error: &io::Error) -> String {
    if is_unknown_name(error) {
        return unknown_name(address);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => format!("nobody listens at {address}"),
        ErrorKind::TimedOut => format!("{address} did not answer in time"),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            format!("no way to {address} from here")
        }
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            format!("{address} broke the connection")
        }
        _ => format!("cannot connect to {address}: {error}"),
    }
}

fn unknown_name(address: &HostPort) -> String {
    format!(
        "cannot find a host named {}; check the spelling and the network",
        address.host()
    )
}

/// `std` has no error kind for a failed look-up, only this text in front of the system's reason; and
/// the reactor puts the host in front of it.
fn is_unknown_name(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error
            .to_string()
            .contains("failed to lookup address information")
}

fn next_port(port: u16) -> u16 {
    match port.checked_add(1) {
        Some(next) if next >= FIRST_OPEN_PORT => next,
        _ => DEFAULT_PORT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> HostPort {
        text.parse().unwrap()
    }

    fn listen(text: &str, kind: ErrorKind) -> String {
        cannot_listen(&at(text), &kind.into())
    }

    #[test]
    fn a_taken_port_comes_with_a_free_guess() {
        let taken = ErrorKind::AddrInUse;
        assert_eq!(
            listen("localhost:8080", taken),
            "port 8080 is taken; try --listen localhost:8081"
        );
        assert!(listen("[::1]:65535", taken).ends_with("--listen [::1]:8080"));
        assert!(listen("localhost:80", taken).ends_with("--listen localhost:8080"));
    }

    #[test]
    fn other_reasons_not_to_listen() {
        let denied = ErrorKind::PermissionDenied;
        assert!(listen("0.0.0.0:80", denied).ends_with("--listen 0.0.0.0:8080"));
        let foreign = listen("192.0.2.1:8080", ErrorKind::AddrNotAvailable);
        assert!(
            foreign.contains("not an address of this machine"),
            "{foreign}"
        );
    }

    #[test]
    fn reasons_not_to_connect() {
        let connect = |kind: ErrorKind| cannot_connect(&at("localhost:8080"), &kind.into());
        assert_eq!(
            connect(ErrorKind::ConnectionRefused),
            "nobody listens at localhost:8080; start a server with \
             `switchboard serve --listen localhost:8080`, or check the address"
        );
        assert!(connect(ErrorKind::TimedOut).contains("--timeout"));
        assert!(connect(ErrorKind::ConnectionReset).contains("--reconnect"));
        assert!(connect(ErrorKind::HostUnreachable).contains("network"));
        assert!(connect(ErrorKind::Other).starts_with("cannot connect to localhost:8080"));
    }

    #[test]
    fn a_name_that_nobody_knows() {
        let error = io::Error::other(
            "cannot find the host \"no-such.invalid\": \
             failed to lookup address information: Name or service not known",
        );
        let text = cannot_connect(&at("no-such.invalid:8080"), &error);
        assert_eq!(
            text,
            "cannot find a host named no-such.invalid; check the spelling and the network"
        );
        assert_eq!(cannot_listen(&at("no-such.invalid:8080"), &error), text);
    }
}
