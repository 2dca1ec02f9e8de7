//! What connections cost in memory of ours, counted by the allocator: every byte that was asked
//! of it and not given back, capacity included. The kernel's memory for sockets is not part of it.
//!
//! The clients live in another process, this program once more, so that nothing of theirs is
//! counted and each side has descriptors of its own. The line `bytes per idle connection: N` of the
//! output is for programs to read.

#[path = "crowd/descriptors.rs"]
mod descriptors;
#[path = "crowd/drivers.rs"]
mod drivers;

use std::alloc::System;
use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{env, io};

use socket2::SockRef;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use switchboard::{Close, Context, Driver, Handler, Listener, Reactor, Result};
use switchboard_partners::{Process, Suite};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CONNECTIONS: usize = 10_000;

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: usize = 64;

/// What an idle connection may cost in bytes, its part of all tables included.
const IDLE: usize = 256;

/// From this many connections on `IDLE` holds, wherever the tables' growth has just got to.
const WORST_FROM: usize = 1_000;

/// What all connections together may leave behind when they are idle again, in bytes: the spare
/// outboxes (256, of at most 16 KiB each), and lists as long as the busiest tick.
const SPARE: usize = 256 * 16 * 1024;
const LISTS: usize = 256 * 1024;

/// So many clients do something at once, and the next when these are done: on a busy machine one
/// tick may find all of that, and lists grow with it.
const GROUP: usize = 1_000;

/// Messages of the two active rounds, in bytes. The larger one is just below the length from
/// which an echo goes straight to the kernel, without an outbox.
const SMALL: usize = 64;
const LARGE: usize = 4 * 1024 - 1;

/// The address that the clients connect to, and how many they are.
const CLIENTS: &str = "SWITCHBOARD_MEMORY_CLIENTS";

/// A test that hangs fails after this long.
const DEADLINE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    if let Ok(address) = env::var(CLIENTS) {
        be_clients(&address);
        return ExitCode::SUCCESS;
    }
    Suite::new()
        .needs([], "idle_connections_cost_little", |[]| {
            let connections = CONNECTIONS.min(descriptors::raise() - SPARE_DESCRIPTORS);
            if connections < CONNECTIONS {
                println!("only {connections} connections, for want of descriptors (ulimit -Hn)");
            }
            for driver in drivers::working() {
                let idle = check(driver, connections, || Echo([0; 0]));
                match driver {
                    Driver::Readiness => println!("bytes per idle connection: {idle}"),
                    _ => println!("bytes per idle connection with {driver}: {idle}"),
                }
                check(driver, connections, || Echo([0; 32]));
            }
        })
        .run()
}

/// Bytes that were asked of the allocator and not given back, in this process.
fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Runs one server with handlers of `N` bytes through all that is counted, shows the figures,
/// compares them with the bounds, and returns the bytes per idle connection.
fn check<const N: usize>(driver: Driver, connections: usize, handler: fn() -> Echo<N>) -> usize {
    let mut server = Server::start(driver, handler);
    server.clients.say(&format!("connect {connections}\n"));
    server.run_until(|counts| counts.accepted == connections);
    let counts = server.reactor.state();
    let (start, worst) = (counts.start, counts.worst);
    let all_idle = in_use() - start;
    let idle = all_idle.div_ceil(connections);

    let mut kept = [0, 0];
    for (size, kept) in [SMALL, LARGE].into_iter().zip(&mut kept) {
        server.reactor.state_mut().echoed = 0;
        server.clients.say(&format!("exchange {size}\n"));
        server.run_until(|counts| counts.echoed == connections * size);
        *kept = (in_use() - start).saturating_sub(all_idle);
    }

    server.is_closing = true;
    for gone in (0..connections).step_by(GROUP) {
        let group = GROUP.min(connections - gone);
        server.clients.say(&format!("leave {group}\n"));
        server.run_until(|counts| counts.ended == gone + group);
    }
    assert!(server.clients.finish().success());
    assert_eq!(server.reactor.sources(), 1, "the listener");
    let left = in_use() - start;

    let [small, large] = kept;
    println!(
        "{driver}: {connections} connections with handlers of {N} bytes: {idle} bytes each when idle, \
         {worst} at worst; {small} more in all after echoing {SMALL} bytes each, and {large} \
         after {LARGE}; {left} when all have gone"
    );
    assert!(idle <= IDLE && worst <= IDLE, "more than {IDLE} bytes each");
    assert!(
        small <= LISTS,
        "more than {LISTS} bytes after messages of {SMALL}"
    );
    assert!(
        large <= SPARE + LISTS,
        "more than the spare outboxes may hold"
    );
    assert!(
        left <= all_idle - connections * N + large + LISTS,
        "handlers are kept of connections that have gone"
    );
    idle
}

/// The server, and the process that its clients live in.
struct Server {
    reactor: Reactor<Counts>,
    clients: Process,
    deadline: Instant,
    is_closing: bool,
}

impl Server {
    fn start<const N: usize>(driver: Driver, handler: fn() -> Echo<N>) -> Server {
        let listener = Listener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local().expect("it is bound").to_string();
        let this = env::current_exe().expect("it runs");
        let mut command = Command::new(this);
        command.env(CLIENTS, address);
        let mut clients = Process::start(command);
        clients.wait_for("ready\n"); // what is needed to talk to them is allocated by now
        let reactor = Reactor::builder().driver(driver).build(Counts::default());
        let mut reactor = reactor.expect("there are descriptors");
        reactor.listen_on(listener, Door(handler)).expect("it can");
        reactor.state_mut().start = in_use();
        Server {
            reactor,
            clients,
            deadline: Instant::now() + DEADLINE,
            is_closing: false,
        }
    }

    fn run_until(&mut self, is_over: impl Fn(&Counts) -> bool) {
        while !is_over(self.reactor.state()) {
            self.turn();
        }
    }

    fn turn(&mut self) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.reactor.turn(Some(left)).expect("a turn goes well");
        let counts = self.reactor.state();
        let is_well = !left.is_zero() && (self.is_closing || counts.ended == 0);
        if !is_well {
            let counts = format!("{counts:?}");
            self.clients.finish();
            panic!("{counts}, and the clients say: {}", self.clients.errors());
        }
    }
}

/// The state of the server: how many connections there are, and what they have cost and echoed.
#[derive(Debug, Default)]
struct Counts {
    /// Bytes in use before the first connection.
    start: usize,
    accepted: usize,
    /// Bytes per connection, at the worst moment while they came.
    worst: usize,
    echoed: usize,
    ended: usize,
}

struct Door<F>(F);

impl<F: Fn() -> Echo<N> + 'static, const N: usize> Handler<Counts> for Door<F> {
    fn handle_accepted(
        &mut self,
        counts: &mut Counts,
        cx: &mut Context<'_, Counts>,
        stream: switchboard::Stream,
    ) -> Result {
        cx.register(stream, (self.0)())?;
        counts.accepted += 1;
        if counts.accepted >= WORST_FROM {
            let each = (in_use() - counts.start).div_ceil(counts.accepted);
            counts.worst = counts.worst.max(each);
        }
        Ok(())
    }
}

/// Sends back what it gets, and has `N` bytes of its own.
struct Echo<const N: usize>([u8; N]);

impl<const N: usize> Handler<Counts> for Echo<N> {
    fn handle_read(&mut self, counts: &mut Counts, cx: &mut Context<'_, Counts>) -> Result {
        let data = cx.recv(usize::MAX);
        counts.echoed += data.len();
        cx.send(data)
    }

    fn handle_close(&mut self, counts: &mut Counts, _: &mut Context<'_, Counts>, _: &Close) {
        counts.ended += 1;
        std::hint::black_box(&self.0);
    }
}

/// The clients: does what the lines of its input say until that ends.
fn be_clients(address: &str) {
    descriptors::raise();
    let address: SocketAddr = address.parse().expect("an address");
    let mut clients: Vec<TcpStream> = Vec::new();
    println!("ready");
    for line in io::stdin().lock().lines() {
        let line = line.expect("lines of text");
        let (order, number) = line.split_once(' ').expect("an order and a number");
        let number = number.parse().expect("a number");
        let mut bytes = vec![7; number];
        match order {
            "connect" => clients
                .extend((0..number).map(|_| TcpStream::connect(address).expect("it listens"))),
            "exchange" => {
                for group in clients.chunks_mut(GROUP) {
                    for client in &mut *group {
                        client.write_all(&bytes).expect("it reads");
                    }
                    for client in group {
                        client.read_exact(&mut bytes).expect("it answers");
                    }
                }
            }
            // A reset leaves no ten thousand ports behind that nobody can use for a minute.
            "leave" => {
                for client in clients.drain(..number) {
                    let reset = SockRef::from(&client).set_linger(Some(Duration::ZERO));
                    reset.expect("it is open");
                }
            }
            order => panic!("{order} is no order"),
        }
    }
}
