//! `switchboard replay`: what a server was told, told to the same handlers again.
//!
//! It must never open a socket, and never set up a server by anything but what the recording says.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use switchboard::{Error, Reactor, Replay, ReplayEnd, Time};
use switchboard_chat::cli::{LogLevel, ReplayArgs, ServeArgs};
use switchboard_chat::logging::Log;

use switchboard_chat::serve::{self, PROGRAM, Server, Storage, VERSION};

/// How often a replay that takes long says how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

/// All was the same; something was not; the file cannot be used.
const SAME: u8 = 0;
const DIFFERS: u8 = 1;
const UNUSABLE: u8 = 2;

/// Replays a recording, and says what came of it.
pub fn run(args: &ReplayArgs) -> ExitCode {
    let outcome = open(args).and_then(|(replay, server)| {
        // The lines bear the times at which they were written then.
        let times = replay.clone();
        let clock = move || times.recorded_at() + (times.progress().time - Time::ZERO);
        let _log = Log::start_with_clock(args.log.level(LogLevel::Warn), clock);
        let outcome = replay_all(&replay, &server);
        outcome.map(|end| (replay.progress().ticks, end))
    });
    let file = args.file.display();
    ExitCode::from(match outcome {
        Ok((ticks, end)) => {
            println!("{file}: all {ticks} ticks are the same; {end}");
            SAME
        }
        Err(Error::Diverged(difference)) => {
            eprintln!("switchboard: {file} {difference}");
            DIFFERS
        }
        Err(error) => {
            eprintln!("switchboard: {error}");
            UNUSABLE
        }
    })
}

fn open(args: &ReplayArgs) -> switchboard::Result<(Replay, ServeArgs)> {
    let mut replay = Replay::open(&args.file, PROGRAM, VERSION)?;
    if let Some(speed) = args.at_speed {
        replay = replay.at_speed(speed);
    }
    let server = ServeArgs::from_lines(replay.configuration()).map_err(|why| {
        let file = args.file.display();
        Error::Recording(format!("{file} has flags of `serve` that are wrong: {why}"))
    })?;
    Ok((replay, server))
}

fn replay_all(replay: &Replay, args: &ServeArgs) -> switchboard::Result<ReplayEnd> {
    let builder = Reactor::builder().replay(replay);
    let mut reactor = serve::reactor(args, builder, Storage::absent())?;
    // A server that could not listen then cannot do so now, and ends here as it did.
    if let Ok(listeners) = serve::bind(args, &mut reactor, |_| None) {
        serve::start(args, &mut reactor, listeners)?;
        turn_all(replay, &mut reactor)?;
    }
    drop(reactor);
    replay.outcome()
}

fn turn_all(replay: &Replay, reactor: &mut Reactor<Server>) -> switchboard::Result {
    let mut said = Instant::now();
    while !reactor.is_done() {
        reactor.turn(None)?;
        if said.elapsed() >= PROGRESS && stderr().is_terminal() {
            said = Instant::now();
            let progress = replay.progress();
            let percent = progress.bytes * 100 / progress.bytes_in_all.max(1);
            let at = Duration::from_secs((progress.time - Time::ZERO).as_secs());
            eprintln!(
                "{percent} %: {} ticks, the first {} of the recording",
                progress.ticks,
                humantime::format_duration(at)
            );
        }
    }
    Ok(())
}
