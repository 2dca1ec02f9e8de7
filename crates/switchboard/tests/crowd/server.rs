//! The server: a reactor in its own thread that answers every line with a receipt, and what can
//! be seen of it from outside while it runs.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use socket2::SockRef;
use switchboard::{
    Close, Context, Driver, Error, Handler, Listener, LoopContext, Reactor, Remote, Result,
    SourceOptions, Stream, Token,
};

use crate::clients::Crowd;
use crate::plan::receipt;

/// Bounds of each connection, in bytes: far less than what a client wants to send or has to be
/// answered, so that everybody runs into them.
pub const LOW: usize = 1024;
pub const HIGH: usize = 2 * 1024;
pub const INBOX: usize = 2 * 1024;

/// Kernel buffers of each connection, in bytes. They are small so that it takes little to fill
/// them, and so that many sends are partial ones.
pub const KERNEL_BUFFER: usize = 16 * 1024;

/// How one connection has ended.
#[derive(Debug)]
pub struct End {
    /// Who it was: unknown if it left before its first message was complete.
    pub id: Option<u32>,
    pub answered: u32,
    pub how: How,
}

#[derive(Debug, PartialEq, Eq)]
pub enum How {
    /// It finished, and was closed after its last receipt.
    Finished,
    /// It was gone: reset, or closed while receipts were on their way.
    Broken,
    Wrong(String),
}

/// The state of the server.
#[derive(Debug, Default)]
pub struct Desk {
    pub accepted: usize,
    open: HashSet<Token>,
    pub ends: Vec<End>,
    pub listener_ends: usize,
    /// How often a receipt had to wait for room.
    pub refusals: u64,
    pub problems: Vec<String>,
}

struct Door;

impl Handler<Desk> for Door {
    fn handle_accepted(
        &mut self,
        desk: &mut Desk,
        cx: &mut Context<'_, Desk>,
        stream: Stream,
    ) -> Result {
        let fd = stream.as_fd().ok_or("it has no descriptor")?;
        SockRef::from(&fd).set_send_buffer_size(KERNEL_BUFFER)?;
        SockRef::from(&fd).set_recv_buffer_size(KERNEL_BUFFER)?;
        let token = cx.register(stream, Clerk::default())?;
        desk.accepted += 1;
        desk.open.insert(token);
        Ok(())
    }

    fn handle_error(&mut self, desk: &mut Desk, _: &mut Context<'_, Desk>, error: &Error) {
        desk.problems.push(format!("not accepted: {error}"));
    }

    fn handle_close(&mut self, desk: &mut Desk, _: &mut Context<'_, Desk>, _: &Close) {
        desk.listener_ends += 1;
    }
}

/// Answers one client, line by line.
#[derive(Default)]
struct Clerk {
    id: Option<u32>,
    answered: u32,
    /// The client has finished sending.
    finished: bool,
}

impl Clerk {
    /// Answers as many lines as there is room for; the rest stays unread.
    fn answer(&mut self, desk: &mut Desk, cx: &mut Context<'_, Desk>) -> Result {
        let data = cx.data();
        let mut taken = 0;
        let mut has_room = true;
        while let Some(length) = data[taken..].iter().position(|byte| *byte == b'\n') {
            let (id, number) = parse(&data[taken..taken + length])?;
            if *self.id.get_or_insert(id) != id || number != self.answered {
                let owed = self.answered;
                return Err(format!("message {id} {number} in place of number {owed}").into());
            }
            match cx.send(receipt(id, number).as_str()) {
                Ok(()) => self.answered += 1,
                Err(Error::Full { .. }) => {
                    desk.refusals += 1;
                    has_room = false;
                    break;
                }
                Err(error) => return Err(error),
            }
            taken += length + 1;
        }
        cx.consume(taken);
        if self.finished && has_room {
            cx.close(); // what is left is the beginning of a message that never ends
        }
        Ok(())
    }
}

fn parse(line: &[u8]) -> Result<(u32, u32)> {
    let line = str::from_utf8(line)?;
    let mut words = line.split(' ');
    let mut number = || words.next()?.parse().ok();
    match (number(), number()) {
        (Some(id), Some(number)) => Ok((id, number)),
        _ => Err(format!("{line:?} is not a message").into()),
    }
}

impl Handler<Desk> for Clerk {
    fn handle_read(&mut self, desk: &mut Desk, cx: &mut Context<'_, Desk>) -> Result {
        self.answer(desk, cx)
    }

    fn handle_write(&mut self, desk: &mut Desk, cx: &mut Context<'_, Desk>) -> Result {
        self.answer(desk, cx)
    }

    fn handle_eof(&mut self, desk: &mut Desk, cx: &mut Context<'_, Desk>) -> Result {
        self.finished = true;
        self.answer(desk, cx)
    }

    fn handle_close(&mut self, desk: &mut Desk, cx: &mut Context<'_, Desk>, why: &Close) {
        if !desk.open.remove(&cx.token()) {
            desk.problems.push(format!("{} ended twice", cx.token()));
        }
        desk.ends.push(End {
            id: self.id,
            answered: self.answered,
            how: match why {
                Close::Requested | Close::Eof => How::Finished,
                Close::Io(_) => How::Broken,
                why => How::Wrong(why.to_string()),
            },
        });
    }
}

/// What was seen of the server.
#[derive(Debug)]
pub struct Report {
    pub desk: Desk,
    pub ticks: u64,
    pub largest_tick: Duration,
    /// The largest [`Reactor::buffered`] after a tick.
    pub largest_buffered: usize,
    /// Sources and buffered bytes when all connections had ended.
    pub sources: usize,
    pub buffered: usize,
}

/// What the server is run with.
pub struct Shift {
    pub driver: Driver,
    pub listener: Listener,
    pub clients: usize,
    /// The bound of all its buffers together, in bytes.
    pub max_buffered: usize,
    /// With so many bytes in its buffers, the crowd is told that the flood has filled them.
    pub filled: usize,
    pub crowd: Remote<Crowd>,
    pub deadline: Instant,
}

/// Serves until every client has come and gone, or until the deadline.
pub fn serve(shift: Shift) -> Result<Report> {
    let options = SourceOptions::default()
        .with_watermarks(LOW, HIGH)
        .with_inbox_limit(INBOX);
    let mut reactor = Reactor::builder()
        .driver(shift.driver)
        .max_buffered(shift.max_buffered)
        .source_options(options)
        .build(Desk::default())?;
    reactor.listen_on(shift.listener, Door)?;
    let (mut ticks, mut largest_buffered) = (0, 0);
    let mut largest_tick = Duration::ZERO;
    let (mut is_complete, mut is_filled) = (false, false);
    while reactor.state().ends.len() < shift.clients && Instant::now() < shift.deadline {
        wait(&reactor, shift.deadline)?;
        let begin = Instant::now();
        reactor.turn(Some(Duration::ZERO))?;
        largest_tick = largest_tick.max(begin.elapsed());
        largest_buffered = largest_buffered.max(reactor.buffered());
        ticks += 1;
        let (complete, filled) = (
            reactor.state().open.len() == shift.clients,
            reactor.buffered() >= shift.filled,
        );
        tell_once(&mut is_complete, complete, &shift.crowd, Crowd::complete)?;
        tell_once(&mut is_filled, filled, &shift.crowd, Crowd::filled)?;
    }
    let (sources, buffered) = (reactor.sources(), reactor.buffered());
    reactor.shutdown_handle().abort();
    reactor.run()?;
    Ok(Report {
        desk: std::mem::take(reactor.state_mut()),
        ticks,
        largest_tick,
        largest_buffered,
        sources,
        buffered,
    })
}

/// Tells the crowd when something is so for the first time.
fn tell_once(
    is_told: &mut bool,
    is_so: bool,
    crowd: &Remote<Crowd>,
    tell: fn(&mut Crowd, &mut LoopContext<'_, Crowd>),
) -> Result {
    if is_so && !*is_told {
        *is_told = true;
        let posted = crowd.post(tell);
        posted.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Sleeps until the next tick has something to do, so that a tick can be timed without its sleep.
fn wait(reactor: &Reactor<Desk>, deadline: Instant) -> Result {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = reactor.next_timeout().map_or(left, |next| next.min(left));
    let timeout = timeout.try_into().map_err(Error::other)?;
    let mut fds = [PollFd::new(reactor, PollFlags::IN)];
    match rustix::event::poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}
