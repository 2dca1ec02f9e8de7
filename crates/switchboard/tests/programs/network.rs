//! The loopback network: the peers' ends of connections, and those that programs find ready.
//! It must never be slower than the reactor wants: all of it happens within one turn.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, SockRef, Socket, Type};

use crate::model::{Far, Id, Model, Phase, Sight};
use crate::peers::{End, PeerEnd};
use crate::state::Supplies;

/// Connections of each kind that programs find ready.
const SUPPLIES: usize = 3;

pub enum FarEnd {
    /// The program has not connected yet.
    Door(TcpListener),
    There(PeerEnd),
}

/// Makes up for what programs have used.
pub fn stock_up(supplies: &mut Supplies, peers: &mut Vec<FarEnd>, narrow: Option<usize>) {
    while supplies.streams.len() < SUPPLIES {
        let (listener, address) = door();
        let far = dial(address, narrow).expect("it listens");
        let (near, _) = listener.accept().expect("the peer has connected");
        if let Some(bytes) = narrow {
            let near = SockRef::from(&near);
            near.set_send_buffer_size(bytes).expect("a socket can");
        }
        let near = near.try_into().expect("a socket can be non-blocking");
        supplies.streams.push_back((peers.len(), near));
        peers.push(FarEnd::There(PeerEnd::new(far)));
    }
    while supplies.doors.len() < SUPPLIES {
        let (listener, address) = door();
        listener.set_nonblocking(true).expect("a socket can");
        supplies.doors.push_back((peers.len(), address));
        peers.push(FarEnd::Door(listener));
    }
}

fn door() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// What each far end has seen, in the order of the model.
pub fn sights<'p>(model: &Model, peers: &'p [FarEnd]) -> Vec<Sight<'p>> {
    let sight = |far: &Far| match &peers[far.peer] {
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

/// One turn of a peer; says whether anything has moved.
pub fn pump(end: &mut FarEnd, model: &mut Model, far: Id) -> bool {
    let known = &mut model.fars[far];
    let peer = match end {
        FarEnd::There(peer) => peer,
        FarEnd::Door(listener) => match listener.accept() {
            Ok((stream, _)) => {
                let mut peer = PeerEnd::new(stream);
                peer.reads = known.reads;
                *end = FarEnd::There(peer);
                return true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("a door cannot accept: {error}"),
        },
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

pub fn peer_of(far: &mut FarEnd) -> &mut PeerEnd {
    match far {
        FarEnd::There(peer) => peer,
        FarEnd::Door(_) => unreachable!("who is not there is not chosen"),
    }
}

/// A socket that has an address, and does not listen there.
pub fn bound() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&address.into()).expect("a port is free");
    socket
}

pub fn address_of(socket: &Socket) -> SocketAddr {
    let address = socket.local_addr().expect("it is bound");
    address.as_socket().expect("it is an IP address")
}

pub fn dial(address: SocketAddr, narrow: Option<usize>) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(bytes) = narrow {
        socket.set_recv_buffer_size(bytes)?;
        socket.set_send_buffer_size(bytes)?;
    }
    socket.connect(&address.into())?;
    Ok(socket.into())
}
