//! `stop_on_signals` in a process of its own, this program once more: the first signal stops the
//! reactor, a second one ends the process, whatever the program is about.

#[path = "crowd/drivers.rs"]
mod drivers;

use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use switchboard::signal::{SIGHUP, SIGINT, SIGTERM};
use switchboard::{Context, Driver, Handler, Reactor, Result, SourceOptions, Stream};
use switchboard_partners::{Process, Suite};

/// More bytes than the network holds.
const FLOOD: usize = 64 << 20;

/// What the program is to be, and on which driver.
const ROLE: &str = "SWITCHBOARD_STOPPING_ROLE";
const DRIVER: &str = "SWITCHBOARD_STOPPING_DRIVER";

fn main() -> ExitCode {
    if let Ok(role) = env::var(ROLE) {
        return match play(&role) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    Suite::new()
        .needs([], "the_first_signal_stops_the_reactor", |[]| {
            on_each_driver(the_first_signal_stops_the_reactor)
        })
        .needs([], "a_second_one_ends_what_is_slow_to_stop", |[]| {
            on_each_driver(a_second_one_ends_what_is_slow_to_stop)
        })
        .needs([], "a_second_one_ends_a_loop_that_is_held", |[]| {
            on_each_driver(a_second_one_ends_a_loop_that_is_held)
        })
        .needs([], "afterwards_a_signal_does_what_it_does", |[]| {
            on_each_driver(afterwards_a_signal_does_what_it_does)
        })
        .needs([], "a_signal_that_others_catch_ends_nothing", |[]| {
            on_each_driver(a_signal_that_others_catch_ends_nothing)
        })
        .run()
}

fn the_first_signal_stops_the_reactor(driver: Driver) {
    for signal in [Signal::INT, Signal::TERM] {
        let mut program = start(driver, "quick");
        send(&program, signal);
        program.wait_for("over\n");
        assert_eq!(program.finish().code(), Some(0));
    }
}

/// The last words cannot go out, so the reactor would wait for a long time.
fn a_second_one_ends_what_is_slow_to_stop(driver: Driver) {
    let pairs = [
        (Signal::INT, Signal::INT),
        (Signal::TERM, Signal::TERM),
        (Signal::INT, Signal::TERM),
    ];
    for (first, second) in pairs {
        let mut program = start(driver, "slow");
        send(&program, first);
        program.wait_for("stopping\n");
        send(&program, second);
        assert_eq!(program.finish().signal(), Some(second.as_raw()));
        assert!(!program.output().contains("over"));
    }
}

fn a_second_one_ends_a_loop_that_is_held(driver: Driver) {
    let mut program = start(driver, "held");
    send(&program, Signal::INT);
    program.wait_for("held\n");
    send(&program, Signal::INT);
    assert_eq!(program.finish().signal(), Some(SIGINT));
}

fn afterwards_a_signal_does_what_it_does(driver: Driver) {
    let mut program = start(driver, "after");
    send(&program, Signal::TERM);
    program.wait_for("over\n");
    send(&program, Signal::INT);
    assert_eq!(program.finish().signal(), Some(SIGINT));
}

/// A source that catches it is left when the one that stops has been closed.
fn a_signal_that_others_catch_ends_nothing(driver: Driver) {
    let mut program = start(driver, "others");
    send(&program, Signal::HUP);
    program.wait_for("caught\n");
    send(&program, Signal::HUP);
    program.wait_for("caught\n");
    send(&program, Signal::INT);
    program.wait_for("over\n");
    assert_eq!(program.finish().code(), Some(0));
}

fn on_each_driver(test: fn(Driver)) {
    drivers::working().into_iter().for_each(test);
}

fn start(driver: Driver, role: &str) -> Process {
    let mut command = Command::new(env::current_exe().expect("the system tells"));
    command.env(ROLE, role).env(DRIVER, driver.to_string());
    let mut program = Process::start(command);
    program.wait_for("ready\n");
    program
}

fn send(program: &Process, signal: Signal) {
    let pid = Pid::from_raw(program.id().cast_signed()).expect("it is not zero");
    kill_process(pid, signal).expect("it runs");
}

fn say(line: &str) -> Result {
    println!("{line}");
    Ok(io::stdout().flush()?)
}

/// Until this process is ended.
fn hold() -> Result {
    let (mut near, _far) = UnixStream::pair()?;
    near.read_exact(&mut [0])?;
    Ok(())
}

fn play(role: &str) -> Result {
    let driver: Driver = env::var(DRIVER).unwrap_or_default().parse()?;
    let mut reactor = Reactor::builder()
        .driver(driver)
        .shutdown_timeout(Duration::from_secs(3600))
        .close_timeout(Duration::from_secs(3600))
        .build(())?;
    match role {
        "slow" => {
            let peer = deaf_peer()?;
            reactor.with(|(), cx| -> Result {
                let options = SourceOptions::default().with_watermarks(0, FLOOD);
                let flood = cx.register(peer, Flood)?;
                cx.set_source_options(flood, options)?;
                cx.send_to(flood, vec![b'x'; FLOOD])
            })?;
            reactor.with(|(), cx| cx.signals(&[SIGINT, SIGTERM], Says("stopping")))?;
        }
        "held" => {
            reactor.with(|(), cx| cx.signals(&[SIGINT], Holds))?;
        }
        "others" => {
            reactor.with(|(), cx| cx.signals(&[SIGHUP], Says("caught")))?;
            let stops = reactor.stop_on_signals(&[SIGHUP])?;
            reactor.with(|(), cx| cx.close_source(stops));
            reactor.turn(Some(Duration::ZERO))?;
        }
        _ => {}
    }
    reactor.stop_on_signals(&[SIGINT, SIGTERM, SIGINT])?;
    say("ready")?;
    reactor.run()?;
    say("over")?;
    if role == "after" {
        hold()?;
    }
    Ok(())
}

/// The near end of a connection whose far end reads nothing.
fn deaf_peer() -> Result<Stream> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    std::mem::forget(far);
    Stream::try_from(near)
}

struct Flood;

impl Handler<()> for Flood {}

struct Says(&'static str);

impl Handler<()> for Says {
    fn handle_signal(&mut self, (): &mut (), _: &mut Context<'_, ()>, _: i32) -> Result {
        say(self.0)
    }
}

struct Holds;

impl Handler<()> for Holds {
    fn handle_signal(&mut self, (): &mut (), _: &mut Context<'_, ()>, _: i32) -> Result {
        say("held")?;
        hold()
    }
}
