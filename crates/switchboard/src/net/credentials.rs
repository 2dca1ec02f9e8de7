//! Who is at the other end of a Unix socket, by the kernel's word.
//! It must never be taken from what the peer says itself.

use crate::replayable::Replayable;

/// The process that connected to a Unix socket, or that listens on it, as it was at that moment.
/// See [`Stream::peer_credentials`](crate::Stream::peer_credentials).
///
/// # Platforms
/// Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The number of the process: it may have ended since, and another may have the number. `None`
    /// if it has no number here, as in a container of its own.
    pub pid: Option<u32>,
    /// The user that it runs as (the effective one).
    pub uid: u32,
    /// The group that it runs as (the effective one).
    pub gid: u32,
}

#[cfg(target_os = "linux")]
impl PeerCredentials {
    pub(crate) fn of(socket: &impl std::os::fd::AsFd) -> std::io::Result<PeerCredentials> {
        use nix::sys::socket::{getsockopt, sockopt};
        // Of another kind of socket, the system answers with numbers that are nobody's.
        let family = rustix::net::sockopt::socket_domain(socket)?;
        if family != rustix::net::AddressFamily::UNIX {
            let text = "only a Unix socket tells who its peer is";
            return Err(std::io::Error::new(std::io::ErrorKind::Unsupported, text));
        }
        let peer = getsockopt(socket, sockopt::PeerCredentials)?;
        Ok(PeerCredentials {
            pid: u32::try_from(peer.pid()).ok().filter(|pid| *pid != 0),
            uid: peer.uid(),
            gid: peer.gid(),
        })
    }
}

impl Replayable for PeerCredentials {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.pid, self.uid, self.gid).encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<PeerCredentials> {
        let (pid, uid, gid) = Replayable::decode(bytes)?;
        Some(PeerCredentials { pid, uid, gid })
    }
}
