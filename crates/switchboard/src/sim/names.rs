//! What names mean in the simulation: the host that is called so, or the addresses that a test has
//! given them. It must never ask the system.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::Simulation;
use super::world::{Event, MachineId, World, no_unix_sockets};
use crate::Token;
use crate::net::Endpoint;
use crate::net::resolve::{known, with_port};

/// A unique local address (RFC 4193).
const FIRST_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);

pub(super) fn address_v6(machine: MachineId) -> Ipv6Addr {
    Ipv6Addr::from_bits(FIRST_V6.to_bits() + u128::from(machine.0))
}

impl Simulation {
    /// Gives a name these addresses, in place of those that it had; with none, it is unknown.
    /// The name of a host has the host's IPv4 address until then. An address may be any host's
    /// (see [`addresses`](Self::addresses)) or nobody's: then packets to it get lost, as on a dead
    /// route.
    ///
    /// ```
    /// use switchboard::sim::Simulation;
    ///
    /// let mut sim = Simulation::new(1);
    /// let [v4, v6] = sim.addresses("server");
    /// sim.name("server", &[v6, v4]);
    /// sim.name("half-dead.example", &["2001:db8::1".parse()?, v4]);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn name(&mut self, name: &str, addresses: &[IpAddr]) {
        let mut world = self.world.borrow_mut();
        world.names.insert(name.to_owned(), addresses.to_vec());
    }

    /// The addresses of a host: 10.0.0.1 and so on, fd00::1 and so on. It is given them now, if
    /// there is none of that name yet.
    pub fn addresses(&mut self, host: &str) -> [IpAddr; 2] {
        let mut world = self.world.borrow_mut();
        let machine = world.add_machine(host);
        let machine = world.machine(machine);
        [machine.address.into(), machine.address_v6.into()]
    }
}

impl World {
    pub(crate) fn resolve(&mut self, machine: MachineId, token: Token, host: String) {
        let delay = self.job_time(machine);
        let boot = self.machine(machine).boot;
        let event = Event::Resolved {
            machine,
            boot,
            token,
            host,
        };
        self.after(delay, event);
    }

    /// The addresses of an endpoint, at once.
    pub(crate) fn look_up(&self, endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = match endpoint {
            Endpoint::Ip(address) => return Ok(vec![*address]),
            Endpoint::Name { host, port } => (host, *port),
            Endpoint::Unix(_) => return Err(no_unix_sockets()),
        };
        match known(host) {
            Some(addresses) => Ok(with_port(&addresses, port)),
            None => Ok(with_port(&self.addresses_of(host)?, port)),
        }
    }

    pub(super) fn addresses_of(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let addresses = match (self.names.get(host), self.machine_called(host)) {
            (Some(addresses), _) => addresses.clone(),
            (None, Some(id)) => vec![self.machine(id).address.into()],
            (None, None) => Vec::new(),
        };
        if addresses.is_empty() {
            let text =
                format!("cannot find the host {host:?}: no machine of the simulation is called so");
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(addresses.into_iter().map(|ip| (ip, 0).into()).collect())
    }
}
