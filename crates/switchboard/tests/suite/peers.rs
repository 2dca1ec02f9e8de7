//! The other ends of connections, on the loopback network or on a simulated one: what they have to
//! send, what they have received. They never block, so that one thread can drive them and the
//! reactor in turn.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::SockRef;
use switchboard::sim::{Socket, SocketListener};

/// How much a peer reads or writes in one go, so that the reactor gets its turn in between.
const STRIDE: usize = 1024 * 1024;

/// How a connection ended, as its peer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: all bytes, then the end.
    Finished,
    /// By a reset, or another error.
    Reset,
}

/// A socket of the world that the reactor is in.
pub enum Wire {
    System(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Simulated(Socket),
}

impl From<TcpStream> for Wire {
    fn from(stream: TcpStream) -> Wire {
        stream.set_nonblocking(true).expect("a socket can do that");
        Wire::System(stream)
    }
}

#[cfg(unix)]
impl From<UnixStream> for Wire {
    fn from(stream: UnixStream) -> Wire {
        stream.set_nonblocking(true).expect("a socket can do that");
        Wire::Unix(stream)
    }
}

impl From<Socket> for Wire {
    fn from(socket: Socket) -> Wire {
        Wire::Simulated(socket)
    }
}

impl Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::System(stream) => stream.read(buffer),
            #[cfg(unix)]
            Wire::Unix(stream) => stream.read(buffer),
            Wire::Simulated(socket) => socket.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::System(stream) => stream.write(bytes),
            #[cfg(unix)]
            Wire::Unix(stream) => stream.write(bytes),
            Wire::Simulated(socket) => socket.write(bytes),
        }
    }

    fn finish(&mut self) {
        match self {
            // An error means that the connection is gone, which reading tells.
            Wire::System(stream) => drop(stream.shutdown(Shutdown::Write)),
            #[cfg(unix)]
            Wire::Unix(stream) => drop(stream.shutdown(Shutdown::Write)),
            Wire::Simulated(socket) => socket.shutdown(Shutdown::Write),
        }
    }

    fn reset(self) {
        match self {
            Wire::System(stream) => {
                let linger = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                linger.expect("a socket can do that");
            }
            #[cfg(unix)]
            Wire::Unix(_) => {} // there is none: the end is the same for all
            Wire::Simulated(socket) => socket.reset(),
        }
    }
}

/// Somebody else's server.
pub enum Server {
    System(TcpListener),
    Simulated(SocketListener),
}

impl From<TcpListener> for Server {
    fn from(listener: TcpListener) -> Server {
        listener.set_nonblocking(true).expect("a socket can");
        Server::System(listener)
    }
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        match self {
            Server::System(listener) => listener.local_addr().expect("it is bound"),
            Server::Simulated(listener) => listener.address(),
        }
    }

    /// A connection that has come, if one has.
    pub fn accept(&mut self) -> Option<Wire> {
        match self {
            Server::System(listener) => listener.accept().ok().map(|(stream, _)| stream.into()),
            Server::Simulated(listener) => listener.accept().ok().map(Wire::from),
        }
    }
}

pub struct PeerEnd {
    /// `None` once it is closed.
    stream: Option<Wire>,
    unsent: Vec<u8>,
    /// Bytes at the front of `unsent` that the network has.
    sent: usize,
    finishes: bool,
    pub reads: bool,
    pub received: Vec<u8>,
    pub end: Option<End>,
}

impl PeerEnd {
    pub fn new(stream: impl Into<Wire>) -> PeerEnd {
        PeerEnd {
            stream: Some(stream.into()),
            unsent: Vec::new(),
            sent: 0,
            finishes: false,
            reads: true,
            received: Vec::new(),
            end: None,
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Bytes that the network has not taken yet.
    pub fn unsent(&self) -> usize {
        self.unsent.len() - self.sent
    }

    pub fn finish(&mut self) {
        self.finishes = true;
    }

    /// Closes the connection in the way that makes the other side see a reset.
    pub fn reset(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.reset();
        }
    }

    /// Closes the connection as a program does that ends.
    pub fn leave(&mut self) {
        self.stream = None;
    }

    /// Writes and reads as much as is possible now, and says whether anything moved.
    pub fn pump(&mut self) -> bool {
        let Some(mut stream) = self.stream.take() else {
            return false;
        };
        let wrote = self.write(&mut stream);
        let read = self.reads && self.end.is_none() && self.read(&mut stream);
        self.stream = Some(stream);
        wrote || read
    }

    fn write(&mut self, stream: &mut Wire) -> bool {
        let before = self.sent;
        while self.sent < self.unsent.len() && self.sent - before < STRIDE {
            let end = self.unsent.len().min(self.sent + STRIDE);
            match stream.write(&self.unsent[self.sent..end]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    // The reading side tells how it ended.
                    self.sent = self.unsent.len();
                    self.finishes = false;
                }
            }
        }
        let finishes = self.finishes && self.sent == self.unsent.len();
        if finishes {
            self.finishes = false;
            stream.finish();
        }
        self.sent > before || finishes
    }

    fn read(&mut self, stream: &mut Wire) -> bool {
        let before = self.received.len();
        let mut buffer = vec![0; STRIDE];
        match stream.read(&mut buffer) {
            Ok(0) => self.end = Some(End::Finished),
            Ok(n) => self.received.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.end = Some(End::Reset),
        }
        self.received.len() > before || self.end.is_some()
    }
}
