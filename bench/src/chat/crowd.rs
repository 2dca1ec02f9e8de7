//! Many clients of one server in one thread: connected, registered, in their rooms, and gone again.
//!
//! Must never send a message that is measured under load: `rooms` does that.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token};

use crate::chat::dialect::{Dialect, text_of};
use crate::chat::member::{Member, Phase, of_client};

const READ_BYTES: usize = 64 * 1024;
const EVENTS: usize = 1024;
/// How long a wait may last before the time is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Clients of one server; the last one speaks, the others listen.
pub struct Crowd {
    pub(super) poll: Poll,
    pub(super) events: Events,
    pub(super) members: Vec<Member>,
    pub(super) buffer: Vec<u8>,
    pub(super) dialect: Dialect,
    pub(super) rooms: usize,
    address: SocketAddr,
    /// How often all have come: names are not used twice, since a server may not have noticed yet
    /// that their owners have gone.
    generation: usize,
}

/// How many have come as far as they should, and when the last of them had.
#[derive(Clone, Copy, Debug)]
pub struct Advance {
    /// Clients.
    pub done: usize,
    /// From the first step of the first one.
    pub elapsed: Duration,
}

impl Crowd {
    /// `members` of each of `rooms` rooms, and one who speaks in all of them; all away.
    pub fn new(
        address: SocketAddr,
        dialect: Dialect,
        rooms: usize,
        members: usize,
    ) -> Result<Self> {
        let listeners = (0..rooms * members).map(|index| Member::new(index % rooms, false));
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            members: listeners.chain([Member::new(0, true)]).collect(),
            buffer: vec![0; READ_BYTES],
            dialect,
            rooms,
            address,
            generation: 0,
        })
    }

    /// Brings the first `count` clients to `goal`, at most `at_once` of them on the way at the same
    /// time, until `limit` is over.
    pub fn advance(
        &mut self,
        count: usize,
        goal: Phase,
        at_once: usize,
        limit: Duration,
    ) -> Result<Advance> {
        let start = Instant::now();
        let mut advance = Advance {
            done: 0,
            elapsed: Duration::ZERO,
        };
        let mut begun = 0;
        while advance.done < count && start.elapsed() < limit {
            while begun < count && begun - advance.done < at_once {
                advance.done += usize::from(self.set_out(begun, goal)?);
                begun += 1;
            }
            let arrived = self.turn(LOOK, goal, |member| member.phase >= goal)?;
            advance.done += arrived;
            if arrived > 0 {
                advance.elapsed = start.elapsed();
            }
        }
        Ok(advance)
    }

    /// The first step of a client to `goal`; whether it is there already.
    fn set_out(&mut self, index: usize, goal: Phase) -> Result<bool> {
        let member = &mut self.members[index];
        if member.phase >= goal {
            return Ok(true);
        }
        match member.phase {
            Phase::Away => self.connect(index)?,
            Phase::Registered => join(member, self.dialect, self.rooms)?,
            other => bail!("client {index} is {other:?} and not ready for {goal:?}"),
        }
        Ok(self.members[index].phase >= goal)
    }

    fn connect(&mut self, index: usize) -> Result<()> {
        let stream = self.members[index]
            .connect(self.address, index)
            .map_err(|error| of_client(error, index))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(stream, Token(index), interest)?;
        Ok(())
    }

    /// Waits once, and moves all clients on to `goal` that the kernel has news for; how many of
    /// them are `there` now that were not before.
    fn turn(
        &mut self,
        limit: Duration,
        goal: Phase,
        there: impl Fn(&Member) -> bool,
    ) -> Result<usize> {
        match self.poll.poll(&mut self.events, Some(limit)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(0),
            other => other?,
        }
        let mut arrived = 0;
        let mut again = vec![];
        for event in &self.events {
            let index = event.token().0;
            let member = &mut self.members[index];
            let was_there = there(member);
            let nick = || format!("n{:x}g{}", index, self.generation);
            let joins = goal == Phase::Joined;
            let moved =
                move_on(member, event, &mut self.buffer, self.dialect, nick).and_then(|()| {
                    match member.phase == Phase::Registered && joins {
                        true => join(member, self.dialect, self.rooms),
                        false => Ok(()),
                    }
                });
            if let Err(error) = moved {
                // A server that cannot keep up with those who come has the kernel reset some.
                let may_retry = member.phase <= Phase::Greeting && error.is::<io::Error>();
                ensure!(may_retry, of_client(error, index));
                member.leave();
                again.push(index);
            }
            arrived += usize::from(!was_there && there(member));
        }
        for index in again {
            self.connect(index)?;
        }
        Ok(arrived)
    }

    /// Has the last client say `number` in every room, and waits until all others have heard it.
    pub fn tell_all(&mut self, number: u64, limit: Duration) -> Result<Duration> {
        let start = Instant::now();
        let Some((speaker, listeners)) = self.members.split_last_mut() else {
            bail!("there is nobody to speak");
        };
        for listener in &mut *listeners {
            ensure!(listener.phase == Phase::Joined, "a client is in no room");
            listener.phase = Phase::Listening(number);
        }
        let mut left = listeners.len();
        let mut text = String::new();
        for room in 0..self.rooms {
            self.dialect.speak(&mut text, room, &text_of(number), false);
        }
        speaker.say(&text)?;
        while left > 0 {
            left -= self.turn(LOOK, Phase::Joined, |member| member.phase == Phase::Joined)?;
            ensure!(
                start.elapsed() < limit,
                "{left} clients did not hear a message within {limit:?}"
            );
        }
        Ok(start.elapsed())
    }

    /// Reads what is still coming until the server is silent for a while.
    pub fn drain(&mut self) -> Result<()> {
        loop {
            self.turn(LOOK, Phase::Joined, |_| false)?;
            if self.events.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ends all connections by a reset.
    pub fn leave(&mut self) {
        self.members.iter_mut().for_each(Member::leave);
        self.generation += 1;
    }
}

/// Asks to be in its rooms; whoever speaks to redis is in none.
fn join(member: &mut Member, dialect: Dialect, rooms: usize) -> Result<()> {
    let wanted = match member.speaks {
        true => 0..rooms,
        false => member.room..member.room + 1,
    };
    if member.speaks && dialect == Dialect::Redis {
        member.phase = Phase::Joined;
        return Ok(());
    }
    let mut text = String::new();
    dialect.join(&mut text, wanted);
    member.phase = Phase::Joining;
    member.say(&text)
}

/// What a client does when the kernel has news for it.
fn move_on(
    member: &mut Member,
    event: &mio::event::Event,
    buffer: &mut [u8],
    dialect: Dialect,
    nick: impl Fn() -> String,
) -> Result<()> {
    if member.phase == Phase::Connecting && member.has_connected()? {
        let mut text = String::new();
        dialect.greet(&mut text, &nick(), member.speaks);
        member.phase = match dialect.registers() {
            true => Phase::Greeting,
            false => Phase::Registered,
        };
        member.say(&text)?;
    }
    if event.is_writable() {
        member.flush()?;
    }
    if !event.is_readable() {
        return Ok(());
    }
    // Until the socket is empty: the next byte is a new edge.
    while let Some(n) = member.read(buffer)? {
        let bytes = &buffer[..n];
        member
            .lines_of(bytes, |member, line| member.hear(dialect, line))
            .context("while it came")?;
    }
    Ok(())
}
