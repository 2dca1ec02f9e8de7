//! The process of clients: carries out one command after the other, in one thread.
//!
//! Must never write a line while something is being measured.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::chat::crowd::{Advance, Crowd};
use crate::chat::dialect::MARK;
use crate::chat::member::Phase;
use crate::chat::protocol::{Command, Few, Reply};
use crate::chat::rooms::{Rooms, nanos_of};

/// Until all have heard a message that counts for nothing.
const MARK_LIMIT: Duration = Duration::from_secs(60);

/// Carries out commands from standard input until it ends.
///
/// Whatever fails is reported as `Reply::Failed`, and ends the process.
pub fn obey_commands() -> Result<()> {
    let mut rooms = None;
    for line in io::stdin().lock().lines() {
        let command = serde_json::from_str(&line?)?;
        let reply =
            obey(&mut rooms, command).unwrap_or_else(|error| Reply::Failed(format!("{error:#}")));
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&reply)?)?;
        if matches!(reply, Reply::Failed(_)) {
            break;
        }
    }
    Ok(())
}

fn obey(made: &mut Option<Rooms>, command: Command) -> Result<Reply> {
    if let Command::Make {
        address,
        dialect,
        rooms,
        members,
    } = command
    {
        *made = Some(Rooms::new(Crowd::new(address, dialect, rooms, members)?)?);
        return Ok(Reply::Ready);
    }
    let rooms = made.as_mut().context("there are no clients yet")?;
    match command {
        Command::Make { .. } | Command::Leave => rooms.crowd.leave(),
        Command::Register(some) => {
            return advance(&mut rooms.crowd, some, Phase::Registered);
        }
        Command::Join(some) => return advance(&mut rooms.crowd, some, Phase::Joined),
        Command::Mark { number } => {
            let elapsed = rooms.crowd.tell_all(number, MARK_LIMIT)?;
            if number == MARK {
                rooms.crowd.drain()?;
            }
            return Ok(Reply::Heard {
                nanos: nanos_of(elapsed),
            });
        }
        Command::Run(offer) => return Ok(Reply::Slice(rooms.run(offer)?)),
        Command::Latency { paced } => {
            let latencies = match paced {
                true => &rooms.paced,
                false => &rooms.fast,
            };
            return Ok(Reply::Latency {
                delivery: pairs(&latencies.delivery),
                receipt: pairs(&latencies.receipt),
            });
        }
    }
    Ok(Reply::Ready)
}

fn advance(crowd: &mut Crowd, some: Few, goal: Phase) -> Result<Reply> {
    let limit = Duration::from_millis(some.limit_millis);
    let Advance { done, elapsed } = crowd.advance(some.count, goal, some.at_once, limit)?;
    Ok(Reply::Advanced {
        done,
        nanos: nanos_of(elapsed),
    })
}

fn pairs(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let recorded = histogram.iter_recorded();
    recorded
        .map(|v| (v.value_iterated_to(), v.count_at_value()))
        .collect()
}
