//! The fixture of all cases: a reactor, the peers of its connections, and the time that passes.
//!
//! Nothing here sleeps for a fixed time: a case says what it waits for, and fails if that does not
//! come within a bound.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[cfg(unix)]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Socket, Type};
use switchboard::sim::{Disk, Faults, Simulation};
use switchboard::{
    Builder, Handler, LoopContext, OpenOptions, Reactor, Result, SourceOptions, Time, Token,
};

pub use crate::bytes::{assert_same, pattern};
use crate::directory::Directory;
use crate::drivers::{Driver, NETWORK, Tape, network};
use crate::peers::{End, PeerEnd, Server, Wire};
use crate::probe::{Log, Probe};

/// What a simulated packet, its answer and the answer to that need.
const TRIP: Duration = Duration::from_micros(100);

/// All are on one machine of the simulated network, as they are on the loopback one.
const HERE: &str = "here";

/// How long anything may stand still, and how long it may take. Reached only by a case that fails.
const BOUND: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(120);

/// How often a machine may be too busy for a case about time.
const ATTEMPTS: usize = 20;

/// How long one turn may sleep while the peers wait for theirs.
const TURN: Duration = Duration::from_millis(2);

/// Nothing will move when nothing has for so many turns.
const QUIET_TURNS: usize = 8;

/// Names the other end of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(usize);

pub struct World {
    driver: Driver,
    simulation: Option<Simulation>,
    disk: Option<Disk>,
    pub reactor: Reactor<Log>,
    peers: Vec<PeerEnd>,
    tape: Tape,
    directory: Directory,
    last_turn: Instant,
    /// The longest that the reactor has been without a turn.
    longest_gap: Duration,
}

impl World {
    pub fn new(driver: Driver) -> World {
        let tape = Tape::new();
        let mut simulation = driver.simulation();
        let reactor = build(&mut simulation, tape.builder(driver));
        World {
            driver,
            disk: simulation.as_mut().map(|simulation| simulation.disk(HERE)),
            simulation,
            reactor,
            peers: Vec::new(),
            tape,
            directory: Directory::new(),
            last_turn: Instant::now(),
            longest_gap: Duration::ZERO,
        }
    }

    /// Drops the reactor and goes on with another one, of other bounds.
    pub fn rebuild(&mut self, configure: impl FnOnce(Builder) -> Builder) {
        let tape = Tape::new(); // the one before still has its file
        let builder = configure(tape.builder(self.driver));
        self.reactor = build(&mut self.simulation, builder);
        self.tape = tape;
    }

    /// As [`rebuild`](Self::rebuild), for cases about the bounds of one source.
    pub fn with_options(&mut self, configure: impl FnOnce(SourceOptions) -> SourceOptions) {
        self.rebuild(|builder| builder.source_options(configure(SourceOptions::default())));
    }

    /// How many turns later bytes come if a flood of others came before them.
    pub fn turns_to_receive(&self) -> usize {
        match self.driver {
            Driver::Readiness | Driver::Recorded | Driver::Simulated => 0,
            // The kernel has found no buffer for them: they are asked for again with the next wait.
            #[cfg(target_os = "linux")]
            Driver::IoUring => 1,
        }
    }

    /// A name for a file that is not there yet, in a directory of this world alone.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path(name)
    }

    /// A source of its own for a file.
    pub fn open_file(&mut self, path: &Path, options: OpenOptions, probe: Probe) -> Token {
        let token = self.with(|cx| cx.open(path, options, probe));
        token.expect("there is room for it")
    }

    /// Makes a file in which there is `content`.
    pub fn put(&self, path: &Path, content: &[u8]) {
        match &self.disk {
            None => std::fs::write(path, content),
            Some(disk) => disk.write(path_text(path), content),
        }
        .expect("there is room");
    }

    /// What is in a file; `None` if there is none.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        match &self.disk {
            None => std::fs::read(path).ok(),
            Some(disk) => disk.read(path_text(path)).ok(),
        }
    }

    pub fn log(&self) -> &Log {
        self.reactor.state()
    }

    /// What a handler could ask for, asked by the case.
    pub fn with<T>(&mut self, ask: impl FnOnce(&mut LoopContext<'_, Log>) -> T) -> T {
        self.reactor.with(|_, cx| ask(cx))
    }

    pub fn now(&mut self) -> Time {
        self.with(|cx| cx.now())
    }

    /// A connection whose near end is registered with `handler`.
    pub fn open(&mut self, handler: impl Handler<Log>) -> (Token, Peer) {
        self.open_with(handler, None)
    }

    /// A connection on which little is on its way: both ends buffer about 16 KiB.
    pub fn open_narrow(&mut self, handler: impl Handler<Log>) -> (Token, Peer) {
        self.open_with(handler, Some(16 * 1024))
    }

    fn open_with(&mut self, handler: impl Handler<Log>, buffers: Option<usize>) -> (Token, Peer) {
        if let Some(simulation) = &mut self.simulation {
            let bytes = buffers.unwrap_or(NETWORK);
            simulation.faults(Faults::none().buffers(bytes, bytes));
            let (near, far) = simulation.pair(HERE, HERE);
            simulation.faults(network());
            let token = self.with(|cx| cx.register(near, handler));
            return (token.expect("there is room for it"), self.adopt(far));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let far = dial(address, buffers);
        let (near, _) = listener.accept().expect("the peer has connected");
        if let Some(bytes) = buffers {
            let near = socket2::SockRef::from(&near);
            near.set_send_buffer_size(bytes).expect("a socket can");
        }
        let near = near.try_into().expect("a socket can be non-blocking");
        let token = self.with(|cx| cx.register(near, handler));
        (token.expect("there is room for it"), self.adopt(far))
    }

    /// A listener on a free port of the loopback network.
    pub fn listen(&mut self, probe: Probe) -> (Token, SocketAddr) {
        let listener = self.reactor.bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local().expect("it is bound");
        let token = self.reactor.listen_on(listener, probe);
        let address = address.ip().expect("it is an IP address");
        (token.expect("there is room for it"), address)
    }

    /// A peer that connects to a listener of the reactor.
    pub fn dial(&mut self, address: SocketAddr) -> Peer {
        let Some(simulation) = &mut self.simulation else {
            return self.adopt(dial(address, None));
        };
        let socket = simulation.dial(HERE, address).expect("it is an address");
        self.pass();
        self.adopt(socket)
    }

    /// Somebody else's server, on a free port.
    pub fn server(&mut self) -> Server {
        if let Some(simulation) = &mut self.simulation {
            // Where the name leads to: see `name`.
            let listener = simulation.listen(HERE, (HERE, 0));
            return Server::Simulated(listener.expect("a port is free"));
        }
        let server = self.server_on(Ipv4Addr::LOCALHOST.into());
        server.expect("a port is free")
    }

    /// The same on another address, if there is such a one.
    pub fn server_on(&mut self, ip: IpAddr) -> Option<Server> {
        match &mut self.simulation {
            None => TcpListener::bind((ip, 0)).ok().map(Server::from),
            Some(simulation) => {
                let listener = simulation.listen(HERE, SocketAddr::from((ip, 0)));
                listener.ok().map(Server::Simulated)
            }
        }
    }

    /// A name for this machine that has to be looked up.
    pub fn name(&self) -> &'static str {
        match self.simulation {
            None => "127.1",
            Some(_) => HERE,
        }
    }

    /// Whether nobody listens at an address. For a moment, somebody else may: a process that another
    /// case starts has our sockets until it runs its program, and the port may be given away.
    pub fn refuses(&mut self, address: SocketAddr) -> bool {
        let start = Instant::now();
        loop {
            let outcome = match &mut self.simulation {
                None => TcpStream::connect(address).map(drop),
                Some(simulation) => {
                    let mut socket = simulation.dial(HERE, address).expect("it is an address");
                    self.pass();
                    socket.read(&mut [0]).map(drop)
                }
            };
            let refused = outcome.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
            if refused || self.simulation.is_some() || start.elapsed() > BOUND {
                return refused;
            }
            std::thread::yield_now();
        }
    }

    /// Raises a signal that a source has asked for: it has come when this returns.
    #[cfg(unix)]
    pub fn raise(&mut self, signal: i32) {
        match &mut self.simulation {
            // For this thread, since each case runs in one of its own.
            None => signal_hook::low_level::raise(signal).expect("a thread can signal itself"),
            Some(simulation) => {
                let here = simulation.host_called(HERE).expect("the reactor is there");
                simulation.signal(here, signal);
            }
        }
    }

    /// The server's end of the connection that the reactor is making.
    pub fn accept(&mut self, server: &mut Server) -> Peer {
        let mut accepted = None;
        self.drive_until("the connection", |_| {
            accepted = server.accept();
            accepted.is_some()
        });
        self.adopt(accepted.expect("it has been waited for"))
    }

    /// Lets a simulated network deliver what is on its way; another one has done so.
    fn pass(&mut self) {
        if let Some(simulation) = &mut self.simulation {
            let passed = simulation.run_for(TRIP);
            passed.expect("there is no host that could fail");
        }
    }

    /// Takes the other end of a connection that the case made itself.
    pub fn adopt(&mut self, stream: impl Into<Wire>) -> Peer {
        self.peers.push(PeerEnd::new(stream));
        Peer(self.peers.len() - 1)
    }

    /// Has a peer send `bytes`, as fast as the network takes them while the world is driven.
    pub fn send(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.peers[peer.0].send(bytes.as_ref());
    }

    /// Has the network take all that the peer sends before the reactor gets its next turn.
    pub fn send_at_once(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.send(peer, bytes);
        self.push(peer);
    }

    /// Gives the network what a peer has to send, without a turn of the reactor.
    pub fn push(&mut self, peer: Peer) {
        while self.peers[peer.0].pump() {
            self.pass();
        }
        assert_eq!(self.unsent(peer), 0, "more than the network holds");
    }

    /// Bytes of a peer that the network has not taken yet.
    pub fn unsent(&self, peer: Peer) -> usize {
        self.peers[peer.0].unsent()
    }

    /// Has a peer shut down its sending side, once all is sent.
    pub fn finish(&mut self, peer: Peer) {
        self.peers[peer.0].finish();
    }

    pub fn reset(&mut self, peer: Peer) {
        self.peers[peer.0].reset();
    }

    /// Has a peer close its socket.
    pub fn leave(&mut self, peer: Peer) {
        self.peers[peer.0].leave();
    }

    /// Whether a peer takes what arrives for it.
    pub fn set_reads(&mut self, peer: Peer, reads: bool) {
        self.peers[peer.0].reads = reads;
    }

    pub fn received(&self, peer: Peer) -> &[u8] {
        &self.peers[peer.0].received
    }

    /// How the connection has ended for a peer that reads.
    pub fn end(&self, peer: Peer) -> Option<End> {
        self.peers[peer.0].end
    }

    /// One turn of the peers, and one of the reactor that sleeps no longer than `limit`.
    pub fn turn(&mut self, limit: Duration) -> Result<bool> {
        self.longest_gap = self.longest_gap.max(self.last_turn.elapsed());
        self.last_turn = Instant::now();
        let mut moved = false;
        for peer in &mut self.peers {
            moved |= peer.pump();
        }
        if moved {
            self.pass();
        }
        let before = (self.log().all().len(), self.reactor.buffered());
        self.reactor.turn(Some(limit))?;
        Ok(moved || before != (self.log().all().len(), self.reactor.buffered()))
    }

    /// Waits as somebody else's loop does, and says whether the reactor wants a turn.
    #[cfg(unix)]
    pub fn wants_a_turn(&self, patience: Duration) -> bool {
        let timeout = self.reactor.next_timeout();
        if timeout.is_some_and(|timeout| timeout <= patience) {
            return true;
        }
        let descriptor = self.reactor.as_fd();
        let mut descriptors = [PollFd::new(&descriptor, PollFlags::IN)];
        let patience = Timespec::try_from(patience).expect("it is short");
        poll(&mut descriptors, Some(&patience)).expect("one can poll it") > 0
    }

    /// Drives the reactor and its peers until `done`.
    #[track_caller]
    pub fn drive_until(&mut self, awaited: &str, mut done: impl FnMut(&World) -> bool) {
        let start = Instant::now();
        let mut last_move = start;
        while !done(self) {
            if self.turn(TURN).expect("a turn goes well") {
                last_move = Instant::now();
            }
            assert!(
                last_move.elapsed() < BOUND && start.elapsed() < WHOLE,
                "waited in vain for: {awaited}\n{}",
                self.describe()
            );
        }
    }

    /// Drives until `name` has ended, and says why.
    #[track_caller]
    pub fn drive_to_end(&mut self, name: &'static str) -> String {
        self.drive_until(&format!("the end of {name}"), |world| {
            world.log().why(name).is_some()
        });
        self.log().why(name).unwrap_or_default().to_owned()
    }

    /// Drives until a peer has received `bytes` and nothing else.
    #[track_caller]
    pub fn drive_until_received(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.drive_until("what the peer is sent", |world| {
            world.received(peer).len() >= bytes.len()
        });
        self.assert_received(peer, bytes);
    }

    #[track_caller]
    pub fn assert_received(&self, peer: Peer, bytes: impl AsRef<[u8]>) {
        assert_same(self.received(peer), bytes.as_ref());
    }

    /// Drives until nothing moves any more.
    #[track_caller]
    pub fn settle(&mut self) {
        let start = Instant::now();
        let mut quiet = 0;
        while quiet < QUIET_TURNS {
            let moved = self.turn(TURN).expect("a turn goes well");
            quiet = if moved { 0 } else { quiet + 1 };
            assert!(start.elapsed() < WHOLE, "no rest\n{}", self.describe());
        }
    }

    /// Makes attempts until one succeeds. One may fail only if the machine has kept the reactor from
    /// a turn for `limit`: then the peers were late, too, and nothing is proved.
    #[track_caller]
    pub fn in_time(&mut self, limit: Duration, attempt: impl Fn(&mut World) -> bool) {
        for _ in 0..ATTEMPTS {
            (self.last_turn, self.longest_gap) = (Instant::now(), Duration::ZERO);
            if attempt(self) {
                return;
            }
            let was_late = self.longest_gap.max(self.last_turn.elapsed()) >= limit;
            assert!(was_late, "nobody was late\n{}", self.describe());
        }
        panic!("the machine is too busy for a case about time");
    }

    /// Lets `duration` pass on the reactor's clock, and counts the turns that it took. A reactor
    /// with nothing to do sleeps through it in one.
    pub fn elapse(&mut self, duration: Duration) -> usize {
        let end = self.now() + duration;
        let mut turns = 0;
        loop {
            let left = end - self.now();
            if left.is_zero() {
                return turns;
            }
            self.turn(left).expect("a turn goes well");
            turns += 1;
        }
    }

    fn describe(&self) -> String {
        let mut text = format!("{:?} driver; the last notes:\n", self.driver);
        let notes = self.log().all();
        for (name, note) in &notes[notes.len().saturating_sub(20)..] {
            text += &format!("  {name}: {note}\n");
        }
        for (index, peer) in self.peers.iter().enumerate() {
            text += &format!(
                "  peer {index}: {} bytes unsent, {} received, end {:?}\n",
                peer.unsent(),
                peer.received.len(),
                peer.end
            );
        }
        text + &format!(
            "  {} bytes buffered in {} sources",
            self.reactor.buffered(),
            self.reactor.sources()
        )
    }
}

fn build(simulation: &mut Option<Simulation>, builder: Builder) -> Reactor<Log> {
    let reactor = match simulation {
        None => builder.build(Log::default()),
        Some(simulation) => simulation.reactor(HERE, builder, Log::default()),
    };
    reactor.expect("a reactor can be built")
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("it was made of text")
}

fn dial(address: SocketAddr, buffers: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)
        .expect("a socket can be made");
    if let Some(bytes) = buffers {
        socket.set_recv_buffer_size(bytes).expect("a socket can");
        socket.set_send_buffer_size(bytes).expect("a socket can");
    }
    socket
        .connect(&address.into())
        .expect("somebody listens there");
    socket.into()
}
