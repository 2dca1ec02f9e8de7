//! The load generator: one thread that keeps messages in flight and checks each echo.
//!
//! It runs as a process of its own for each server (so that each has its own
//! limit of descriptors) and must never write a line while a slice is running.

use std::collections::VecDeque;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::net::sockopt::set_socket_linger;

use crate::pattern::Pattern;
use crate::protocol::{Command, Limit, Reply, Slice};
use crate::scenario::Work;

const READ_BYTES: usize = 256 * 1024;
const EVENTS: usize = 1024;
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A server that echoes nothing for so long while messages are on the way is given up.
/// Generous, because under valgrind a bulk round takes seconds.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// Latencies above this are recorded as this.
const SLOWEST_NANOS: u64 = 20_000_000_000;

struct Connection {
    stream: TcpStream,
    /// Bytes written (by whom they are written, in a broadcast), bytes that messages begun so far
    /// amount to, bytes that came back.
    written: u64,
    begun: u64,
    echoed: u64,
    /// When each message on the way was begun, the oldest first.
    started: VecDeque<Instant>,
    /// Messages that this slice may still begin.
    left: u64,
    /// Stands in `Generator::again`.
    queued: bool,
}

/// What all connections share.
struct Shared {
    pattern: Pattern,
    buffer: Vec<u8>,
    /// Of this slice.
    latency: Histogram<u64>,
    size: u64,
    completed: u64,
    on_the_way: u64,
}

impl Connection {
    fn begin(&mut self, shared: &mut Shared, messages: u64, now: Instant) -> Result<()> {
        let messages = messages.min(self.left);
        self.left -= messages;
        self.begun += messages * shared.size;
        shared.on_the_way += messages;
        self.started
            .extend(std::iter::repeat_n(now, messages as usize));
        self.write(&shared.pattern)
    }

    fn write(&mut self, pattern: &Pattern) -> Result<()> {
        while self.written < self.begun {
            let bytes = pattern.slice(self.written, self.begun - self.written);
            match self.stream.write(bytes) {
                Ok(n) => self.written += n as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing to the server"),
            }
        }
        Ok(())
    }

    /// Reads once, begins a message for each one that came back, and says
    /// whether there may be more to read.
    fn read(&mut self, shared: &mut Shared) -> Result<bool> {
        let n = match self.stream.read(&mut shared.buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error).context("reading from the server"),
        };
        ensure!(
            self.echoed + n as u64 <= self.written
                && shared.pattern.matches(self.echoed, &shared.buffer[..n]),
            "the server echoed something that was not sent (after {} good bytes)",
            self.echoed
        );
        let before = self.echoed / shared.size;
        self.echoed += n as u64;
        let back = self.echoed / shared.size - before;
        if back > 0 {
            let now = Instant::now();
            self.record(shared, back, now);
            self.begin(shared, back, now)?;
        }
        // A short read has emptied the socket; the next byte is a new edge.
        Ok(n == shared.buffer.len())
    }

    fn record(&mut self, shared: &mut Shared, back: u64, now: Instant) {
        shared.completed += back;
        shared.on_the_way -= back;
        for started in self.started.drain(..back as usize) {
            let nanos = u64::try_from((now - started).as_nanos()).unwrap_or(u64::MAX);
            shared.latency.saturating_record(nanos);
        }
    }
}

/// A load generator with its open connections.
struct Generator {
    poll: Poll,
    events: Events,
    active: Vec<Connection>,
    /// Connections whose last read filled the buffer.
    again: VecDeque<usize>,
    idle: Vec<std::net::TcpStream>,
    work: Work,
    in_flight: u64,
    /// Of all measured slices.
    latency: Histogram<u64>,
    shared: Shared,
}

impl Generator {
    fn new() -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            active: Vec::new(),
            again: VecDeque::new(),
            idle: Vec::new(),
            work: Work::Echo,
            in_flight: 1,
            latency: histogram()?,
            shared: Shared {
                pattern: Pattern::new(),
                buffer: vec![0; READ_BYTES],
                latency: histogram()?,
                size: 1,
                completed: 0,
                on_the_way: 0,
            },
        })
    }

    fn obey(&mut self, command: Command) -> Result<Reply> {
        match command {
            Command::Connect {
                address,
                work,
                active,
                size,
                in_flight,
            } => {
                self.work = work;
                self.shared.size = size as u64;
                self.in_flight = in_flight as u64;
                for _ in 0..active {
                    self.connect(address)?;
                }
            }
            Command::Idle { address, count } => {
                for _ in 0..count {
                    self.idle.push(connect(address)?);
                }
            }
            Command::WarmUp(limit) => drop(self.run(limit)?),
            Command::Run(limit) => {
                let slice = self.run(limit)?;
                self.latency.add(&self.shared.latency)?;
                return Ok(Reply::Slice(slice));
            }
            Command::Latency => {
                let recorded = self.latency.iter_recorded();
                let recorded = recorded.map(|v| (v.value_iterated_to(), v.count_at_value()));
                return Ok(Reply::Latency(recorded.collect()));
            }
        }
        Ok(Reply::Ready)
    }

    fn connect(&mut self, address: SocketAddr) -> Result<()> {
        let stream = connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(
            &mut stream,
            Token(self.active.len()),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.active.push(Connection {
            stream,
            written: 0,
            begun: 0,
            echoed: 0,
            started: VecDeque::with_capacity(self.in_flight as usize),
            left: 0,
            queued: false,
        });
        Ok(())
    }

    fn run(&mut self, limit: Limit) -> Result<Slice> {
        let (duration, each) = match limit {
            Limit::Millis(millis) => (Duration::from_millis(millis), u64::MAX),
            Limit::MessagesEach(each) => (Duration::MAX, each),
        };
        self.shared.latency.reset();
        self.shared.completed = 0;
        let start = Instant::now();
        match self.work {
            Work::Echo => self.exchange_each(each, duration)?,
            Work::Broadcast => self.spread(each, duration)?,
        }
        while self.shared.on_the_way > 0 {
            self.exchange()?;
        }
        Ok(Slice {
            messages: self.shared.completed,
            elapsed_nanos: u64::try_from(start.elapsed().as_nanos())?,
            p99_nanos: self.shared.latency.value_at_quantile(0.99),
            p999_nanos: self.shared.latency.value_at_quantile(0.999),
        })
    }

    /// Every connection begins a message whenever one has come back.
    fn exchange_each(&mut self, each: u64, duration: Duration) -> Result<()> {
        let start = Instant::now();
        for connection in &mut self.active {
            connection.left = each;
            connection.begin(&mut self.shared, self.in_flight, Instant::now())?;
        }
        while self.shared.on_the_way > 0 && start.elapsed() < duration {
            self.exchange()?;
        }
        for connection in &mut self.active {
            connection.left = 0;
        }
        Ok(())
    }

    /// The last connection sends a message whenever all have got the one before. The last, since
    /// the kernel may have accepted connections that the server has not looked at yet: once it
    /// reads from that one, it knows all others.
    fn spread(&mut self, messages: u64, duration: Duration) -> Result<()> {
        let start = Instant::now();
        let mut begun = 0;
        while begun < messages && start.elapsed() < duration {
            let now = Instant::now();
            for connection in &mut self.active {
                connection.started.push_back(now);
                connection.begun += self.shared.size;
                connection.written += self.shared.size;
            }
            self.shared.on_the_way += self.active.len() as u64;
            if let Some(sender) = self.active.last_mut() {
                sender.written -= self.shared.size;
                sender.write(&self.shared.pattern)?;
            }
            while self.shared.on_the_way > 0 {
                self.exchange()?;
            }
            begun += 1;
        }
        Ok(())
    }

    /// One wait, and one read on each connection that is ready. A connection
    /// with more to read waits for the next turn: to stay with it would starve
    /// the others, for the server keeps filling it.
    fn exchange(&mut self) -> Result<()> {
        let limit = match self.again.is_empty() {
            true => SILENCE_LIMIT,
            false => Duration::ZERO,
        };
        match self.poll.poll(&mut self.events, Some(limit)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        ensure!(
            !self.events.is_empty() || !self.again.is_empty(),
            "no echo for {SILENCE_LIMIT:?} with {} messages on the way",
            self.shared.on_the_way
        );
        let waited = self.again.len();
        for event in &self.events {
            let index = event.token().0;
            let connection = &mut self.active[index];
            if event.is_writable() {
                connection.write(&self.shared.pattern)?;
            }
            if event.is_readable() && !connection.queued {
                connection.queued = connection.read(&mut self.shared)?;
                if connection.queued {
                    self.again.push_back(index);
                }
            }
        }
        for _ in 0..waited {
            let Some(index) = self.again.pop_front() else {
                break;
            };
            let connection = &mut self.active[index];
            connection.queued = connection.read(&mut self.shared)?;
            if connection.queued {
                self.again.push_back(index);
            }
        }
        Ok(())
    }
}

/// As precise as the report needs; what it sends can be recorded in another one.
pub fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, SLOWEST_NANOS, 3)?)
}

fn connect(address: SocketAddr) -> Result<std::net::TcpStream> {
    let stream =
        std::net::TcpStream::connect_timeout(&address, CONNECT_LIMIT).map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::AddrNotAvailable => {
                    " (too few local ports; widen net.ipv4.ip_local_port_range)"
                }
                _ => "",
            };
            anyhow!("connecting to {address}: {error}{hint}")
        })?;
    // Closed by a reset: 10,000 connections of each server would otherwise
    // hold their ports for a minute after it.
    set_socket_linger(&stream, Some(Duration::ZERO))?;
    Ok(stream)
}

/// Carries out commands from standard input until it ends.
///
/// Whatever fails is reported as `Reply::Failed`, and ends the generator.
pub fn obey_commands() -> Result<()> {
    let mut generator = Generator::new()?;
    for line in io::stdin().lock().lines() {
        let command = serde_json::from_str(&line?)?;
        let reply = generator
            .obey(command)
            .unwrap_or_else(|error| Reply::Failed(format!("{error:#}")));
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&reply)?)?;
        if matches!(reply, Reply::Failed(_)) {
            break;
        }
    }
    Ok(())
}
