//! Instructions per message in user space, counted by valgrind's callgrind.
//!
//! Must never report a count that start-up is part of: two runs with different
//! numbers of messages, and the difference of the one by the difference of the other.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::child::Child;
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
    // What `dump` writes.
    let dumped = scratch.join("callgrind.out.1");
    if dumped.exists() {
        fs::remove_file(&dumped)?;
    }
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(&profile);
    let valgrind = ["valgrind", "--tool=callgrind", "--quiet", "--vgdb-poll=100"];
    let wrapper: Vec<OsString> = valgrind
        .map(OsString::from)
        .into_iter()
        .chain([file])
        .collect();
    let server = Server::start_under(peer, REFERENCE.work, cores.server, &wrapper)?;
    let mut generator = Generator::start(&peer.name, cores.load, server.address, &REFERENCE)?;
    let mut messages = generator.run(Limit::MessagesEach(each))?.messages;
    messages += dump(&server, &mut generator, cores.load)?;
    server.kill()?;
    let text = fs::read_to_string(&dumped).context("reading callgrind's profile")?;
    let instructions = total(&text).context("callgrind's profile holds no total")?;
    Ok((instructions, messages))
}

/// Has the counts so far written to the file, and says how many messages went on before that.
///
/// A signal would do for a server that waits in `epoll_wait`, but valgrind (3.19) keeps signals
/// from one that waits in `io_uring_enter`, and looks for them only every 100,000 basic blocks.
/// For its debugger's commands it looks as often as `--vgdb-poll` says, if the server is awake.
fn dump(server: &Server, generator: &mut Generator, core: usize) -> Result<u64> {
    const ATTEMPTS: usize = 50;
    let pid = format!("--pid={}", server.pid());
    // It must not wake the server by itself: that would end the wait with an error.
    let arguments = [&pid, "--max-invoke-ms=0", "dump"];
    let mut vgdb = Child::start("vgdb", core, OsStr::new("vgdb"), arguments)?;
    let mut messages = 0;
    for _ in 0..ATTEMPTS {
        // Time for it to put the command where valgrind finds it; that is done once the server
        // wakes, so the messages that wake it come after what is written.
        if vgdb.ended() {
            break;
        }
        let wake = generator.run(Limit::MessagesEach(1))?;
        if !vgdb.ended() {
            messages += wake.messages;
        }
    }
    ensure!(vgdb.ended(), "vgdb got no answer from valgrind");
    Ok(messages)
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
