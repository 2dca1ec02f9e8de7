//! A chat server with the bug of the asyncore tutorial, and a swarm of simulations that finds it.
//! `simulated_chat [--seed N]`. It must never touch the real network or the real clock.

use std::process::ExitCode;
use std::time::Duration;

use switchboard::sim::{Fault, Simulation, Swarm};
use switchboard::{Context, Handler, Result, Stream, TimerId};

const HELP: &str = "\
Finds the bug of a chat server: its second reply overwrites the first one if that is not sent yet.

usage: simulated_chat [--seed N]
  --seed N  look at this seed alone, instead of searching for one that shows the bug

The exit code is 0 if the bug was found, 1 if it was not, 2 if the command was not understood.";

/// Who the server talks to, with the reply that is to be sent.
#[derive(Default)]
struct Member {
    reply: String,
}

impl Handler<()> for Member {
    fn handle_accepted(&mut self, _: &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
        cx.register(stream, Member::default()).map(drop)
    }

    fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
        let text = String::from_utf8_lossy(cx.recv(8192));
        // The bug: what waits here already is gone. `cx.send` at this place would keep both.
        self.reply = format!("received: {text}");
        cx.set_timer(Duration::from_millis(1)).map(drop) // sent in a later turn, as in the tutorial
    }

    fn handle_timer(&mut self, _: &mut (), cx: &mut Context<'_, ()>, _: TimerId) -> Result {
        cx.send(std::mem::take(&mut self.reply))
    }
}

/// Says three things, ten milliseconds apart; its state is what it got for them.
struct Client {
    lines: Vec<&'static str>,
}

impl Handler<String> for Client {
    fn handle_connect(&mut self, _: &mut String, cx: &mut Context<'_, String>) -> Result {
        cx.set_interval(Duration::from_millis(10)).map(drop)
    }

    fn handle_timer(&mut self, _: &mut String, cx: &mut Context<'_, String>, t: TimerId) -> Result {
        match self.lines.pop() {
            Some(line) => cx.send(line),
            None => {
                cx.cancel_timer(t);
                Ok(())
            }
        }
    }

    fn handle_read(&mut self, replies: &mut String, cx: &mut Context<'_, String>) -> Result {
        replies.push_str(&String::from_utf8_lossy(cx.recv(8192)));
        Ok(())
    }
}

/// One simulation: whatever the network does, each line has to be answered.
fn chat(sim: &mut Simulation) -> Result {
    sim.host(
        "server",
        || (),
        |reactor| reactor.listen("0.0.0.0:8080", Member::default()).map(drop),
    )?;
    let client = sim.host("client", String::new, |reactor| {
        let lines = vec!["goodbye\n", "how are you?\n", "hello\n"]; // said from the last one on
        reactor.connect("server:8080", Client { lines }).map(drop)
    })?;
    sim.run_for(Duration::from_secs(60))?;
    let replies = sim.state(client);
    for line in ["hello\n", "how are you?\n", "goodbye\n"] {
        if !replies.contains(line) {
            return Err(format!("{line:?} was never answered").into());
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Nothing that loses connections: those replies would be lost for a good reason.
    let swarm = Swarm::new("simulated_chat")
        .command("cargo run --example simulated_chat")
        .only(&[Fault::Delay, Fault::Loss, Fault::SlowHandler]);
    let swarm = match arguments[..] {
        [] => swarm.seeds(1000),
        ["--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["--seed", seed] if seed.parse::<u64>().is_ok() => {
            swarm.from_seed(seed.parse().unwrap_or_default()).seeds(1)
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match swarm.run(chat) {
        Err(failure) => {
            println!(
                "What happened with seed {}, in virtual time:\n",
                failure.seed()
            );
            print!("{}", failure.story());
            println!("\nThe bug is found: {}", failure.error());
            println!(
                "It needs {}. Again: --seed {}",
                failure.left().describe(),
                failure.seed()
            );
            println!("The hash of the log: {:032x}", failure.log_hash());
            ExitCode::SUCCESS
        }
        Ok(passed) => {
            println!("All lines were answered in {} simulations.", passed.seeds);
            println!("The hash of their logs: {:032x}", passed.digest);
            ExitCode::from(1)
        }
    }
}
