//! The tutorial's programs as the tests start them, and the addresses that they serve.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Instant;

use socket2::{Domain, Socket, Type};
use switchboard_partners::{PATIENCE, Process};

use crate::examples::example;

/// The tutorial's client, which talks to `address`.
#[track_caller]
pub fn client(address: &str) -> Process {
    let mut command = example("tutorial_client");
    command.arg(address);
    Process::start(command)
}

/// A running tutorial server.
pub struct Server {
    pub process: Process,
    pub port: u16,
}

impl Server {
    /// Starts one, and returns once it answers. It prints nothing at its start, as in the tutorial,
    /// so a first visitor finds out.
    #[track_caller]
    pub fn start() -> Server {
        let port = free_port();
        let mut command = example("tutorial_server");
        command.arg(format!("localhost:{port}"));
        let mut process = Process::start(command);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "it does not listen");
            thread::yield_now();
        }
        process.wait_for("Client has left the building\n");
        Server { process, port }
    }

    /// The address, as a person writes it.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }
}

/// A port that nothing listens on. It lies outside the range from which the system takes the ports
/// of outgoing connections, so that none of these can have it by the time it is used.
#[track_caller]
pub fn free_port() -> u16 {
    const PORTS: u16 = 32;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 600) as u16 * PORTS;
    let mut ports = (0..PORTS).map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS);
    let is_free =
        |port: &u16| !is_taken(Ipv4Addr::LOCALHOST, *port) && !is_taken(Ipv6Addr::LOCALHOST, *port);
    ports.find(is_free).expect("not all can be taken")
}

/// A machine without IPv6 cannot bind there for another reason, and so can nobody else.
///
/// Listening would find out, too. But a process that another test starts has this socket until it
/// runs its program, however soon we close it: a visitor could reach it in place of the server, and
/// the server could not have the port.
fn is_taken(host: impl Into<IpAddr>, port: u16) -> bool {
    let address = SocketAddr::new(host.into(), port);
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())
    };
    bind().is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
