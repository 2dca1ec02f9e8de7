//! A crowd of users of one server: the memory of an idle one, a message to all, all at once.
//!
//! Must never hold the crowds of two servers at the same time.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::chat::clients::Clients;
use crate::chat::fanout::Setting;
use crate::chat::peers::{Peer, Running};
use crate::chat::protocol::Few;
use crate::{interrupt, process};

/// Users that are there before memory is measured for the first time: what a server needs once,
/// it has by then.
const FIRST: usize = 200;
/// Messages to all; the median and the slowest are reported.
const MESSAGES: u64 = 5;

/// So many of the users, in this time.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// How many there were.
    pub users: usize,
    /// Until the last of them.
    pub elapsed: Duration,
}

/// What a server's crowd showed.
pub struct Crowd {
    /// How many users were wanted.
    pub users: usize,
    /// They connected and registered, some at the same time.
    pub connected: Done,
    /// Growth of its resident memory by each registered user, in bytes.
    pub idle_bytes: f64,
    /// What one room of all showed; nothing if each who joins is announced to all.
    pub room: Option<Room>,
    /// They came back all at once, into the room if there was one.
    pub back: Done,
}

/// What a room that holds all showed.
pub struct Room {
    /// They joined it, some at the same time.
    pub joined: Done,
    /// As `idle_bytes`, of users that are in a room.
    pub member_bytes: f64,
    /// From sending a message to the last delivery, the shortest first.
    pub heard: Vec<Duration>,
}

/// Measures one server.
pub fn measure(peer: &Peer, setting: &Setting<'_>) -> Result<Crowd> {
    let users = setting.plan.crowd;
    let running = peer.start(setting.cores.server, setting.scratch, true)?;
    let clients = Clients::start(
        peer.name,
        setting.cores.load,
        running.address,
        peer.dialect,
        1,
        users,
    )?;
    let limit = setting.plan.step_limit;
    let mut site = Site {
        running,
        clients,
        users,
        limit,
    };
    let measured = site.measure(peer);
    measured.map_err(|error| site.running.ending().unwrap_or(error))
}

/// A server with its crowd.
struct Site {
    running: Running,
    clients: Clients,
    users: usize,
    limit: Duration,
}

impl Site {
    fn measure(&mut self, peer: &Peer) -> Result<Crowd> {
        let first = self.some(FIRST, peer.at_once)?;
        self.clients.register(first)?;
        let before = self.resident_bytes()?;
        let all = self.some(self.users, peer.at_once)?;
        let connected = done(self.clients.register(all)?);
        ensure!(
            connected.users > FIRST,
            "only {} users were registered after {:?}",
            connected.users,
            self.limit
        );
        let grown = |now: u64| now.saturating_sub(before) as f64 / (connected.users - FIRST) as f64;
        let idle_bytes = grown(self.resident_bytes()?);
        let whole = peer.hides_joins && connected.users == self.users;
        let room = match whole {
            true => Some(self.fill_a_room(peer, grown)?),
            false => None,
        };
        self.clients.leave()?;
        interrupt::check()?;
        // With the one who speaks.
        let everybody = self.some(self.users + 1, self.users + 1)?;
        let back = done(match room {
            Some(_) => self.clients.join(everybody)?,
            None => self.clients.register(everybody)?,
        });
        Ok(Crowd {
            users: self.users,
            connected,
            idle_bytes,
            room,
            back,
        })
    }

    fn fill_a_room(&mut self, peer: &Peer, grown: impl Fn(u64) -> f64) -> Result<Room> {
        let everybody = self.some(self.users + 1, peer.at_once)?;
        let joined = done(self.clients.join(everybody)?);
        ensure!(
            joined.users == everybody.count,
            "only {} users were in the room after {:?}",
            joined.users,
            self.limit
        );
        let member_bytes = grown(self.resident_bytes()?);
        let mut heard = vec![];
        for number in 0..MESSAGES {
            interrupt::check()?;
            heard.push(self.clients.mark(number)?);
        }
        heard.sort();
        Ok(Room {
            joined,
            member_bytes,
            heard,
        })
    }

    fn some(&self, count: usize, at_once: usize) -> Result<Few> {
        Ok(Few {
            count,
            at_once,
            limit_millis: u64::try_from(self.limit.as_millis())?,
        })
    }

    /// Once it has gone to sleep.
    fn resident_bytes(&self) -> Result<u64> {
        interrupt::check()?;
        process::cpu_nanos(self.running.pid())?;
        process::resident_bytes(self.running.pid())
    }
}

fn done((users, elapsed): (usize, Duration)) -> Done {
    Done { users, elapsed }
}
