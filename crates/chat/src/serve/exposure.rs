//! Whether what people write may be read on its way: who listens for the whole world speaks TLS, or
//! was told not to.
//!
//! It must never look at anything but addresses and settings.

use std::net::{IpAddr, SocketAddr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::cli::ServeArgs;

/// Whether `args` allow to listen at `address`.
///
/// # Errors
/// What to write instead.
pub(super) fn check(args: &ServeArgs, address: SocketAddr) -> Result<(), String> {
    if !args.tls.is_empty() || args.allow_plaintext || !is_public(address.ip()) {
        return Ok(());
    }
    Err(format!(
        "{address} can be reached from everywhere, and without TLS others can read passwords and \
         messages on their way: give --tls FILE and --tls-key FILE (or --tls self-signed), or \
         --allow-plaintext if a proxy in front of this server speaks TLS"
    ))
}

/// Whether it may be reached from beyond this machine and the network that it is in.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let shared = Ipv4Net::new_assert(std::net::Ipv4Addr::new(100, 64, 0, 0), 10); // RFC 6598
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || shared.contains(&ip))
        }
        IpAddr::V6(ip) => {
            let local =
                Ipv6Net::new_assert(std::net::Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);
            !(ip.is_loopback() || local.contains(&ip) || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_world_reaches_is_public() {
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.7",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "fd12::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(
                !is_public(private.parse().expect("an address")),
                "{private}"
            );
        }
        for public in [
            "0.0.0.0",
            "::",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }
}
