//! What a program registers to talk to others: addresses, TCP, UDP and Unix sockets.
//! It must never know of handlers or of a running loop.

mod address;
mod credentials;
mod known;
mod listener;
#[cfg(not(unix))]
mod no_unix;
#[cfg(feature = "tls")]
mod secured;
mod socket;
#[cfg(unix)]
mod socket_file;
mod stream;
mod udp;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_datagram;

pub(crate) mod resolve;

pub use address::{Address, Endpoint, ToEndpoint};
pub use credentials::PeerCredentials;
pub(crate) use known::{KnownEnds, copy_of};
#[cfg(unix)]
pub(crate) use listener::BACKLOG;
pub use listener::Listener;
pub(crate) use listener::{Sockets, cannot_listen};
#[cfg(not(unix))]
pub(crate) use no_unix::{SocketFile, UnixAddress};
pub(crate) use socket::socket;
use socket::{set_rebindable, set_shared};
#[cfg(target_os = "linux")]
pub(crate) use socket_file::FileClaim;
#[cfg(unix)]
pub(crate) use socket_file::SocketFile;
#[cfg(unix)]
pub(crate) use stream::dial_unix;
use stream::not_of_the_system;
pub use stream::{ConnectOptions, Stream};
pub(crate) use stream::{Taken, open_stream};
pub(crate) use udp::{DatagramEnd, LONGEST_DATAGRAM, cannot_bind, udp_endpoint};
pub use udp::{MulticastInterface, UdpSocket};
#[cfg(unix)]
pub use unix::UnixAddress;
#[cfg(unix)]
pub use unix_datagram::UnixDatagram;
#[cfg(unix)]
pub(crate) use unix_datagram::unix_endpoint;
