//! The load: one thread that keeps messages in flight on connections that speak TLS, and compares
//! what comes back. Must never rest while there is something to do.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A server that echoes nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 256 * 1024;

pub struct Load {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    size: usize,
    in_flight: usize,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    tls: ClientConnection,
    /// Bytes that are still to come back.
    awaited: usize,
    /// Bytes that came back, of the message that is coming back.
    part: usize,
    completed: u64,
}

fn config(trusted: &CertificateDer<'static>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn client(config: &Arc<ClientConfig>) -> Result<ClientConnection> {
    let name = "localhost".try_into()?;
    let mut client = ClientConnection::new(Arc::clone(config), name)?;
    client.set_buffer_limit(None);
    Ok(client)
}

/// Makes connections, one after the other, each with a full handshake, and ends them in order.
pub fn shake_hands(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    count: usize,
) -> Result<()> {
    let config = config(trusted)?;
    for _ in 0..count {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut stream = StreamOwned::new(client(&config)?, stream);
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        stream.conn.send_close_notify();
        stream.flush()?;
        ensure!(stream.read(&mut [0])? == 0, "it goes on after the end");
    }
    Ok(())
}

impl Load {
    pub fn new(
        address: SocketAddr,
        trusted: &CertificateDer<'static>,
        connections: usize,
        size: usize,
        in_flight: usize,
    ) -> Result<Load> {
        let config = config(trusted)?;
        let mut load = Load {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            size,
            in_flight,
            message: (0..size).map(|i| (i * 31) as u8).collect(),
            buffer: vec![0; READ_BYTES],
        };
        for index in 0..connections {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            let mut blocking = StreamOwned::new(client(&config)?, stream);
            while blocking.conn.is_handshaking() {
                blocking.conn.complete_io(&mut blocking.sock)?;
            }
            let (tls, stream) = blocking.into_parts();
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let both = Interest::READABLE | Interest::WRITABLE;
            load.poll
                .registry()
                .register(&mut stream, Token(index), both)?;
            load.connections.push(Connection {
                stream,
                tls,
                awaited: 0,
                part: 0,
                completed: 0,
            });
        }
        Ok(load)
    }

    /// Begins messages for as long as `duration`, waits for all of them, and says how many.
    pub fn run(&mut self, duration: Duration) -> Result<u64> {
        let start = Instant::now();
        let before: u64 = self.connections.iter().map(|of| of.completed).sum();
        for connection in &mut self.connections {
            for _ in 0..self.in_flight {
                connection.begin(&self.message)?;
            }
            connection.flush()?;
        }
        while self.connections.iter().any(|of| of.awaited > 0) {
            let goes_on = start.elapsed() < duration;
            self.poll.poll(&mut self.events, Some(SILENCE))?;
            ensure!(!self.events.is_empty(), "no echo for {SILENCE:?}");
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                if event.is_writable() {
                    connection.flush()?;
                }
                if event.is_readable() {
                    let back = connection.read(&mut self.buffer, &self.message)?;
                    for _ in 0..if goes_on { back } else { 0 } {
                        connection.begin(&self.message)?;
                    }
                    connection.flush()?;
                }
            }
        }
        let after: u64 = self.connections.iter().map(|of| of.completed).sum();
        debug_assert_eq!(self.message.len(), self.size);
        Ok(after - before)
    }
}

impl Connection {
    fn begin(&mut self, message: &[u8]) -> Result<()> {
        self.awaited += message.len();
        self.tls.writer().write_all(message).context("encrypting")
    }

    fn flush(&mut self) -> Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("writing to the server"),
            }
        }
        Ok(())
    }

    /// Reads all that there is, and says how many messages have come back.
    fn read(&mut self, buffer: &mut [u8], message: &[u8]) -> Result<usize> {
        let before = self.completed;
        loop {
            match self.tls.read_tls(&mut self.stream) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("reading from the server"),
            }
            let state = self.tls.process_new_packets()?;
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let most = left.min(buffer.len()).min(message.len() - self.part);
                let n = self.tls.reader().read(&mut buffer[..most])?;
                let expected = &message[self.part..self.part + n];
                ensure!(buffer[..n] == *expected, "the echo is another one");
                left -= n;
                self.part += n;
                self.awaited -= n;
                if self.part == message.len() {
                    self.part = 0;
                    self.completed += 1;
                }
            }
        }
        Ok((self.completed - before) as usize)
    }
}
