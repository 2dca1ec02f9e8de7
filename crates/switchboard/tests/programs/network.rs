//! The network of a run, loopback or simulated: the peers' ends of connections, and those that
//! programs find ready. It must never judge what passes through it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use switchboard::sim::{Faults, Simulation};
use switchboard::{Builder, Reactor};

use crate::drivers::Driver;
use crate::model::{Far, Id, Model, Phase, Sight};
use crate::peers::{End, PeerEnd, Server, Wire};
use crate::state::{State, Supplies};

/// Connections of each kind that programs find ready.
const SUPPLIES: usize = 3;

/// What a simulated packet needs to arrive, and its answer, and the answer to that.
const TRIP: Duration = Duration::from_micros(100);

/// All are on one machine of the simulated network, as they are on the loopback one.
const HERE: &str = "here";

pub struct Network {
    simulation: Option<Simulation>,
    /// Bytes that each end of a connection buffers, if not the usual.
    narrow: Option<usize>,
    /// All that were made, unused ones included.
    peers: Vec<FarEnd>,
    /// Bound, so that nobody else listens at its address.
    refusing: Option<Socket>,
}

enum FarEnd {
    /// The program has not connected yet.
    Door(Server),
    There(PeerEnd),
}

impl Network {
    pub fn new(driver: Driver, narrow: Option<usize>) -> Network {
        let mut simulation = driver.simulation();
        if let (Some(simulation), Some(bytes)) = (&mut simulation, narrow) {
            simulation.faults(Faults::none().buffers(bytes, bytes).backlog(4096));
        }
        Network {
            simulation,
            narrow,
            peers: Vec::new(),
            refusing: None,
        }
    }

    pub fn reactor(&mut self, builder: Builder, state: State) -> Reactor<State> {
        let reactor = match &mut self.simulation {
            None => builder.build(state),
            Some(simulation) => simulation.reactor(HERE, builder, state),
        };
        reactor.expect("a reactor can be built")
    }

    /// An address at which nobody listens.
    pub fn refusing(&mut self) -> SocketAddr {
        if let Some(simulation) = &mut self.simulation {
            let listener = simulation.listen(HERE, (HERE, 0));
            return listener.expect("a port is free").address();
        }
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&address.into()).expect("a port is free");
        let address = socket.local_addr().expect("it is bound");
        self.refusing = Some(socket);
        address.as_socket().expect("it is an IP address")
    }

    /// Makes up for what programs have used.
    pub fn stock_up(&mut self, supplies: &mut Supplies) {
        while supplies.streams.len() < SUPPLIES {
            let (near, far) = self.pair();
            supplies.streams.push_back((self.peers.len(), near));
            self.peers.push(FarEnd::There(far));
        }
        while supplies.doors.len() < SUPPLIES {
            let door = self.door();
            let address = door.address();
            supplies.doors.push_back((self.peers.len(), address));
            self.peers.push(FarEnd::Door(door));
        }
    }

    fn pair(&mut self) -> (switchboard::Stream, PeerEnd) {
        if let Some(simulation) = &mut self.simulation {
            let (near, far) = simulation.pair(HERE, HERE);
            return (near, PeerEnd::new(far));
        }
        let listener = listener();
        let address = listener.local_addr().expect("it is bound");
        let far = connect(address, self.narrow).expect("it listens");
        let (near, _) = listener.accept().expect("the peer has connected");
        if let Some(bytes) = self.narrow {
            let near = SockRef::from(&near);
            near.set_send_buffer_size(bytes).expect("a socket can");
        }
        let near = near.try_into().expect("a socket can be non-blocking");
        (near, PeerEnd::new(far))
    }

    fn door(&mut self) -> Server {
        match &mut self.simulation {
            None => listener().into(),
            Some(simulation) => {
                let listener = simulation.listen(HERE, (HERE, 0));
                Server::Simulated(listener.expect("a port is free"))
            }
        }
    }

    /// A peer that connects to `address`, unless nobody listens there any more.
    pub fn dial(&mut self, address: SocketAddr) -> Option<usize> {
        let wire: Wire = match &mut self.simulation {
            None => connect(address, self.narrow).ok()?.into(),
            Some(simulation) => {
                let socket = simulation.dial(HERE, address);
                socket.expect("it is an address").into()
            }
        };
        self.pass();
        self.peers.push(FarEnd::There(PeerEnd::new(wire)));
        Some(self.peers.len() - 1)
    }

    /// Lets a simulated network deliver what is on its way; another one has done so.
    pub fn pass(&mut self) {
        if let Some(simulation) = &mut self.simulation {
            let passed = simulation.run_for(TRIP);
            passed.expect("there is no host that could fail");
        }
    }

    /// A peer's end of a connection that is there.
    pub fn peer(&mut self, number: usize) -> Option<&mut PeerEnd> {
        match &mut self.peers[number] {
            FarEnd::There(peer) => Some(peer),
            FarEnd::Door(_) => None,
        }
    }

    /// One turn of all peers that the model knows; says whether anything has moved.
    pub fn pump(&mut self, model: &mut Model) -> bool {
        let mut moved = false;
        for far in 0..model.fars.len() {
            moved |= pump(&mut self.peers[model.fars[far].peer], model, far);
        }
        if moved {
            self.pass();
        }
        moved
    }

    /// What each far end has seen, in the order of the model.
    pub fn sights(&self, model: &Model) -> Vec<Sight<'_>> {
        let sight = |far: &Far| match &self.peers[far.peer] {
            FarEnd::Door(_) => Sight::default(),
            FarEnd::There(peer) => Sight {
                there: true,
                received: &peer.received,
                unsent: peer.unsent(),
                finished: peer.end == Some(End::Finished),
                reset: peer.end == Some(End::Reset),
            },
        };
        model.fars.iter().map(sight).collect()
    }
}

/// One turn of a peer.
fn pump(end: &mut FarEnd, model: &mut Model, far: Id) -> bool {
    let known = &mut model.fars[far];
    let peer = match end {
        FarEnd::There(peer) => peer,
        FarEnd::Door(server) => {
            let Some(wire) = server.accept() else {
                return false;
            };
            let mut peer = PeerEnd::new(wire);
            peer.reads = known.reads;
            *end = FarEnd::There(peer);
            return true;
        }
    };
    let moved = peer.pump();
    // Polite: who sees the end has nothing to add. In step this must not overtake what the end of
    // the one side has set off.
    let source = known.source.map(|id| model.sources[id].phase);
    let waits = model.in_step && source.is_some_and(|phase| phase <= Phase::Open);
    if peer.end.is_some() && !known.finished && !waits {
        peer.finish();
        known.finished = true;
        return true;
    }
    moved
}

fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free")
}

fn connect(address: SocketAddr, narrow: Option<usize>) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(bytes) = narrow {
        socket.set_recv_buffer_size(bytes)?;
        socket.set_send_buffer_size(bytes)?;
    }
    socket.connect(&address.into())?;
    Ok(socket.into())
}
