//! An echo server on mio and nothing else: what raw_epoll.c does, edge-triggered.
//!
//! It must do no more than raw_epoll.c does, and lose no byte at the two places
//! where an edge comes only once: a read that fills the buffer, and bytes that
//! arrive together with the end of the stream.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

const READ_BYTES: usize = 256 * 1024;
const EVENTS: usize = 1024;
const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    /// What the kernel has not taken, from `rest_sent` on; no read while there is any.
    rest: Vec<u8>,
    rest_sent: usize,
    /// The peer has sent its last byte: no further edge will announce it.
    peer_finished: bool,
    queued: bool,
}

enum After {
    Wait,
    ReadAgain,
    Close,
}

impl Connection {
    fn on_event(&mut self, event: &Event, buffer: &mut [u8]) -> After {
        self.peer_finished |= event.is_read_closed();
        if self.rest.is_empty() {
            return self.read_once(buffer);
        }
        match self.write_rest() {
            Ok(true) => self.read_once(buffer),
            Ok(false) => After::Wait,
            Err(_) => After::Close,
        }
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> After {
        match self.stream.read(buffer) {
            Ok(0) => After::Close,
            Ok(n) => match self.answer(&buffer[..n]) {
                Err(_) => After::Close,
                Ok(false) => After::Wait,
                // A short read has emptied the socket, and the next byte is a new edge.
                Ok(true) if n < buffer.len() && !self.peer_finished => After::Wait,
                Ok(true) => After::ReadAgain,
            },
            Err(error) if error.kind() == ErrorKind::WouldBlock => After::Wait,
            Err(error) if error.kind() == ErrorKind::Interrupted => After::ReadAgain,
            Err(_) => After::Close,
        }
    }

    /// True when the kernel has taken all of it.
    fn answer(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let sent = write_some(&mut self.stream, bytes)?;
        self.rest.extend_from_slice(&bytes[sent..]);
        Ok(sent == bytes.len())
    }

    /// True when nothing is left.
    fn write_rest(&mut self) -> io::Result<bool> {
        self.rest_sent += write_some(&mut self.stream, &self.rest[self.rest_sent..])?;
        if self.rest_sent < self.rest.len() {
            return Ok(false);
        }
        self.rest = Vec::new();
        self.rest_sent = 0;
        Ok(true)
    }
}

/// What the kernel took: all, a part, or nothing if it is full.
fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            // Whatever is left after a short write is announced by an edge.
            Ok(n) => return Ok(n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    connections: Slab<Connection>,
    /// Read again before the next wait, after everybody else had a turn.
    again: Vec<usize>,
    buffer: Vec<u8>,
}

impl Server {
    fn accept_all(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let entry = self.connections.vacant_entry();
            self.poll.registry().register(
                &mut stream,
                Token(entry.key()),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            entry.insert(Connection {
                stream,
                rest: Vec::new(),
                rest_sent: 0,
                peer_finished: false,
                queued: false,
            });
        }
    }

    fn settle(&mut self, key: usize, after: After) {
        match after {
            After::Wait => {}
            After::Close => drop(self.connections.remove(key)),
            After::ReadAgain => {
                let connection = &mut self.connections[key];
                if !connection.queued {
                    connection.queued = true;
                    self.again.push(key);
                }
            }
        }
    }

    fn read_queued(&mut self) {
        for key in std::mem::take(&mut self.again) {
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            if std::mem::take(&mut connection.queued) && connection.rest.is_empty() {
                let after = connection.read_once(&mut self.buffer);
                self.settle(key, after);
            }
        }
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let limit = (!self.again.is_empty()).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, limit) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept_all()?;
                } else if let Some(connection) = self.connections.get_mut(event.token().0) {
                    let after = connection.on_event(event, &mut self.buffer);
                    self.settle(event.token().0, after);
                }
            }
            if !self.again.is_empty() {
                self.read_queued();
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr = std::env::args()
        .nth(1)
        .ok_or("usage: peer_mio ADDR")?
        .parse()?;
    let poll = Poll::new()?;
    // mio's `bind` listens with a backlog of at least 1024.
    let mut listener = TcpListener::bind(address)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {}", listener.local_addr()?);
    let server = Server {
        poll,
        listener,
        connections: Slab::new(),
        again: Vec::new(),
        buffer: vec![0; READ_BYTES],
    };
    Ok(server.run()?)
}
