//! Instructions per message in user space, counted by valgrind's callgrind.
//!
//! Must never report a count that start-up is part of: two runs with different
//! numbers of messages, and the difference of the one by the difference of the other.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::cores::Cores;
use crate::generator::Generator;
use crate::peers::Peer;
use crate::protocol::Limit;
use crate::scenario::REFERENCE;
use crate::servers::Server;

/// Messages on each connection in the short and in the long run.
const MESSAGES_EACH: [u64; 2] = [50, 250];

/// Instructions that the peer executes per message of the reference scenario.
pub fn per_message(peer: &Peer, cores: Cores, scratch: &Path) -> Result<f64> {
    let [few, many] = MESSAGES_EACH.map(|each| run(peer, cores, each, scratch));
    let (few, many) = (few?, many?);
    ensure!(many.1 > few.1, "both runs exchanged as many messages");
    let instructions = many.0.checked_sub(few.0);
    let instructions = instructions.context("the longer run took fewer instructions")?;
    Ok(instructions as f64 / (many.1 - few.1) as f64)
}

/// Instructions and messages of one run.
fn run(peer: &Peer, cores: Cores, each: u64, scratch: &Path) -> Result<(u64, u64)> {
    let profile = scratch.join("callgrind.out");
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(&profile);
    let valgrind = ["valgrind", "--tool=callgrind", "--quiet"].map(OsString::from);
    let wrapper: Vec<OsString> = valgrind.into_iter().chain([file]).collect();
    let server = Server::start_under(peer, cores.server, &wrapper)?;
    let mut generator = Generator::start(&peer.name, cores.load, server.address, &REFERENCE)?;
    let slice = generator.run(Limit::MessagesEach(each))?;
    // The server first: closing 64 connections is no part of a message.
    server.stop()?;
    let text = fs::read_to_string(&profile).context("reading callgrind's profile")?;
    let instructions = total(&text).context("callgrind's profile holds no total")?;
    Ok((instructions, slice.messages))
}

fn total(profile: &str) -> Option<u64> {
    let line = |key| profile.lines().rev().find_map(|l| l.strip_prefix(key));
    let number = line("totals:").or_else(|| line("summary:"))?;
    number.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total_of_a_profile() {
        let profile = "events: Ir\nfn=(1) main\n7 120\n\nsummary: 119\ntotals: 120\n";
        assert_eq!(total(profile), Some(120));
        assert_eq!(total("events: Ir\nsummary: 119\n"), Some(119));
        assert_eq!(total("events: Ir\n"), None);
    }
}
