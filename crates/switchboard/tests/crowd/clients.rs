//! The clients: all of them on one reactor, each sending its part in random chunks at random
//! times, and comparing what it is answered byte for byte.

use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use fastrand::Rng;
use socket2::{Domain, Socket, Type};
use switchboard::{
    Close, Context, Error, Handler, LoopContext, Reactor, Result, SourceOptions, Stream, TimerId,
    Token,
};

use crate::plan::{Part, Receipts, Role, message};
use crate::server::KERNEL_BUFFER;

/// The longest time between two chunks of one client.
const PAUSE: u64 = 12;

/// A flood's outbox, in bytes.
const FLOOD_LOW: usize = 4 * 1024;
const FLOOD_HIGH: usize = 16 * 1024;

/// How far the crowd has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Everybody but the floods comes and goes.
    Mingling,
    /// Those who read late finish.
    ReadingLate,
    /// Those who never read are thrown out.
    Leaving,
}

/// The state of all clients.
#[derive(Debug)]
pub struct Crowd {
    act: Act,
    /// Clients of the present act that have not ended.
    going: usize,
    late: Vec<Token>,
    never: Vec<Token>,
    /// The server has accepted everybody. Nobody leaves before.
    is_complete: bool,
    /// The floods have filled the server's buffers.
    is_filled: bool,
    /// How often each client has ended, and how many messages it has sent.
    pub ends: Vec<u32>,
    pub sent: Vec<u32>,
    pub problems: Vec<String>,
}

impl Crowd {
    pub fn new(parts: &[Part]) -> Crowd {
        let floods = parts.iter().filter(|part| part.role.floods()).count();
        Crowd {
            act: Act::Mingling,
            going: parts.len() - floods,
            late: Vec::new(),
            never: Vec::new(),
            is_complete: false,
            is_filled: false,
            ends: vec![0; parts.len()],
            sent: vec![0; parts.len()],
            problems: Vec::new(),
        }
    }

    /// The server has all connections at once.
    pub fn complete(&mut self, _: &mut LoopContext<'_, Crowd>) {
        self.is_complete = true;
    }

    /// The server's buffers are full.
    pub fn filled(&mut self, cx: &mut LoopContext<'_, Crowd>) {
        self.is_filled = true;
        self.go_on(cx);
    }

    /// Begins the next act if the present one is over.
    fn go_on(&mut self, cx: &mut LoopContext<'_, Crowd>) {
        if self.going > 0 {
            return;
        }
        match self.act {
            Act::Mingling if self.is_filled => {
                self.act = Act::ReadingLate;
                self.going = self.late.len();
                for token in std::mem::take(&mut self.late) {
                    cx.resume_source(token);
                    if let Err(error) = cx.shutdown_source(token, Shutdown::Write) {
                        self.problems.push(format!("cannot finish: {error}"));
                    }
                }
            }
            Act::ReadingLate => {
                self.act = Act::Leaving;
                self.going = self.never.len();
                for token in std::mem::take(&mut self.never) {
                    cx.abort_source(token);
                }
            }
            Act::Mingling | Act::Leaving => {}
        }
    }

    fn has_ended(&self) -> bool {
        self.act == Act::Leaving && self.going == 0
    }
}

/// Lets all clients arrive at `server`, and runs until all have gone, or until the deadline.
pub fn run(
    reactor: &mut Reactor<Crowd>,
    server: SocketAddr,
    parts: &[Part],
    deadline: Instant,
) -> Result {
    reactor.with(|crowd, cx| {
        for part in parts {
            let guest = Guest::new(part.clone());
            if part.role.floods() {
                let token = guest.flood(crowd, cx, server)?;
                match part.role {
                    Role::ReadsLate => crowd.late.push(token),
                    _ => crowd.never.push(token),
                }
                continue;
            }
            cx.after(part.arrives_after, move |crowd, cx| {
                if let Err(error) = cx.connect(server, guest) {
                    crowd.problems.push(format!("cannot connect: {error}"));
                }
            })?;
        }
        Ok::<_, Error>(())
    })?;
    while !reactor.state().has_ended() && Instant::now() < deadline {
        reactor.turn(Some(deadline.saturating_duration_since(Instant::now())))?;
    }
    Ok(())
}

/// One client.
struct Guest {
    part: Part,
    rng: Rng,
    /// Bytes of the script that are sent.
    at: usize,
    receipts: Receipts,
    /// The server has closed, and everything was right.
    is_content: bool,
}

impl Guest {
    fn new(part: Part) -> Guest {
        Guest {
            rng: Rng::with_seed(part.seed),
            at: 0,
            receipts: Receipts::new(part.id),
            is_content: false,
            part,
        }
    }

    /// Connects a flood, whose kernel buffers must be small from the start, and lets it begin.
    fn flood(
        self,
        crowd: &mut Crowd,
        cx: &mut LoopContext<'_, Crowd>,
        server: SocketAddr,
    ) -> Result<Token> {
        let id = self.part.id;
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.connect(&server.into())?;
        let stream = Stream::try_from(std::net::TcpStream::from(socket))?;
        // What this outbox waits for is that the server reads, and what the server waits for is
        // that this client reads: with backpressure on both sides a late reader never would.
        let options = SourceOptions::default()
            .with_watermarks(FLOOD_LOW, FLOOD_HIGH)
            .with_backpressure(false);
        let token = cx.register(stream, self)?;
        cx.set_source_options(token, options)?;
        cx.pause_source(token);
        // More than `FLOOD_LOW`: `handle_write` goes on from there.
        let mut first = String::new();
        let sent = &mut crowd.sent[id as usize];
        while first.len() <= FLOOD_LOW {
            first += &message(id, *sent, 0);
            *sent += 1;
        }
        cx.send_to(token, first.as_str())?;
        Ok(token)
    }

    fn pause(&mut self, cx: &mut Context<'_, Crowd>) -> Result {
        let pause = Duration::from_millis(self.rng.u64(..=PAUSE));
        cx.set_timer(pause).map(drop)
    }

    /// A byte, a few, some messages, or all that is left.
    fn chunk(&mut self, left: usize) -> usize {
        let largest = match self.rng.u8(..16) {
            0..3 => 1,
            3..7 => 10,
            7..15 => 300,
            _ => return left,
        };
        self.rng.usize(1..=largest).min(left)
    }

    /// Where the part ends, in bytes of the script.
    fn end(&self) -> usize {
        match self.part.role {
            Role::Finishes(at) | Role::Drops(at) | Role::Resets(at) => at,
            _ => self.part.script.len(),
        }
    }
}

impl Handler<Crowd> for Guest {
    fn handle_connect(&mut self, _: &mut Crowd, cx: &mut Context<'_, Crowd>) -> Result {
        if matches!(self.part.role, Role::Resets(_)) {
            cx.pause_reading();
        }
        self.pause(cx)
    }

    fn handle_timer(
        &mut self,
        crowd: &mut Crowd,
        cx: &mut Context<'_, Crowd>,
        _: TimerId,
    ) -> Result {
        let left = self.end() - self.at;
        if left > 0 {
            let n = self.chunk(left);
            cx.send(&self.part.script[self.at..self.at + n])?;
            self.at += n;
        }
        if left > 0 || !crowd.is_complete {
            return self.pause(cx);
        }
        crowd.sent[self.part.id as usize] = self.part.messages();
        match self.part.role {
            Role::Drops(_) | Role::Resets(_) => {
                cx.abort();
                Ok(())
            }
            _ => cx.shutdown(Shutdown::Write),
        }
    }

    /// A flood goes on as long as anything is taken.
    fn handle_write(&mut self, crowd: &mut Crowd, cx: &mut Context<'_, Crowd>) -> Result {
        let id = self.part.id;
        let sent = &mut crowd.sent[id as usize];
        while self.part.role.floods() && crowd.act == Act::Mingling {
            match cx.send(message(id, *sent, self.rng.usize(..4)).as_str()) {
                Ok(()) => *sent += 1,
                Err(Error::Full { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn handle_read(&mut self, _: &mut Crowd, cx: &mut Context<'_, Crowd>) -> Result {
        let data = cx.recv(self.rng.usize(1..=200));
        self.receipts.take(data).map_err(Error::other)
    }

    fn handle_eof(&mut self, crowd: &mut Crowd, cx: &mut Context<'_, Crowd>) -> Result {
        let sent = crowd.sent[self.part.id as usize];
        if !self.receipts.are_exactly(sent) {
            return Err(format!("{sent} messages, but {:?}", self.receipts).into());
        }
        self.is_content = true;
        cx.close();
        Ok(())
    }

    fn handle_close(&mut self, crowd: &mut Crowd, cx: &mut Context<'_, Crowd>, why: &Close) {
        let Part { id, role, .. } = self.part;
        let is_right = match why {
            Close::Requested | Close::Eof => role.hears_the_end() && self.is_content,
            Close::Aborted => !role.hears_the_end(),
            _ => false,
        };
        if !is_right {
            crowd
                .problems
                .push(format!("client {id} ({role:?}): {why}"));
        }
        crowd.ends[id as usize] += 1;
        crowd.going = crowd.going.saturating_sub(1);
        crowd.go_on(cx);
    }
}
