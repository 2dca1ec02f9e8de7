//! What a program registers to talk to others: addresses, TCP, UDP and Unix sockets.
//! It must never know of handlers or of a running loop.

mod address;
mod credentials;
mod known;
mod listener;
#[cfg(feature = "tls")]
mod secured;
mod socket;
mod socket_file;
mod stream;
mod udp;
mod unix;
mod unix_datagram;

pub(crate) mod resolve;

pub use address::{Address, Endpoint, ToEndpoint};
pub use credentials::PeerCredentials;
pub(crate) use known::{KnownEnds, copy_of};
pub(crate) use listener::BACKLOG;
pub use listener::Listener;
pub(crate) use listener::{Sockets, cannot_listen};
pub(crate) use socket::socket;
#[cfg(target_os = "linux")]
pub(crate) use socket_file::FileClaim;
pub(crate) use socket_file::SocketFile;
use stream::not_of_the_system;
pub use stream::{ConnectOptions, Stream};
pub(crate) use stream::{Taken, dial_unix, open_stream};
pub(crate) use udp::{DatagramEnd, LONGEST_DATAGRAM, cannot_bind, udp_endpoint};
pub use udp::{MulticastInterface, UdpSocket};
pub use unix::UnixAddress;
pub use unix_datagram::UnixDatagram;
pub(crate) use unix_datagram::unix_endpoint;
