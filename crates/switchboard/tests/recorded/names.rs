//! Names and the attempts at their addresses in recordings: a replay looks nothing up, and no
//! address is tried.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use switchboard::{
    Builder, Close, Context, Done, Driver, Handler, Reactor, Recording, Replay, ReplayEnd, Result,
    TimerId,
};

use crate::tape::{PROGRAM, Tape, VERSION};

type Notes = Vec<String>;

/// Asks for names, then connects to `localhost`, where one address may refuse.
struct Asks {
    port: u16,
    left: usize,
}

const NAMES: [&str; 3] = ["127.1:80", "nobody.invalid:80", "127.1:81"];

impl Handler<Notes> for Asks {
    fn handle_timer(&mut self, _: &mut Notes, cx: &mut Context<'_, Notes>, _: TimerId) -> Result {
        for name in NAMES {
            cx.resolve(name)?;
        }
        Ok(())
    }

    fn handle_done(
        &mut self,
        notes: &mut Notes,
        cx: &mut Context<'_, Notes>,
        done: Done,
    ) -> Result {
        let job = done.job;
        let found = done.take::<Vec<SocketAddr>>();
        notes.push(format!("{job:?}: {found:?}"));
        self.left -= 1;
        if self.left == 0 {
            let (port, left) = (self.port, 0);
            cx.connect(("localhost", port), Asks { port, left })?;
            cx.close();
        }
        Ok(())
    }

    fn handle_connect(&mut self, notes: &mut Notes, cx: &mut Context<'_, Notes>) -> Result {
        notes.push("connected".to_owned());
        cx.close();
        Ok(())
    }

    fn handle_close(&mut self, notes: &mut Notes, _: &mut Context<'_, Notes>, why: &Close) {
        notes.push(why.to_string());
    }
}

fn run(builder: Builder, port: u16) -> Result<Notes> {
    let mut reactor = builder.build(Notes::new())?;
    let left = NAMES.len();
    let listener = reactor.listen("127.0.0.1:0", Asks { port, left })?;
    reactor.with(|_, cx| cx.set_source_timer(listener, std::time::Duration::ZERO))?;
    reactor.run()?;
    Ok(std::mem::take(reactor.state_mut()))
}

fn names_and_attempts_are_replayed(tape: &Tape) {
    // On a system without IPv6, all addresses refuse.
    let server = TcpListener::bind((Ipv6Addr::LOCALHOST, 0));
    let port = server.as_ref().map_or(9, |server| {
        let address = server.local_addr().expect("it is bound");
        address.port()
    });
    let recording = Recording::new(&tape.path, PROGRAM, VERSION);
    let builder = Reactor::builder().driver(tape.driver).record(recording);
    let notes = run(builder, port).expect("it ends well");
    let connected = usize::from(server.is_ok());
    assert_eq!(notes.len(), NAMES.len() + connected + 2, "{notes:?}");
    let told = notes.iter().filter(|note| *note == "connected");
    assert_eq!(told.count(), connected);
    drop(server);
    let replay = Replay::open(&tape.path, PROGRAM, VERSION).expect("it is there");
    let replayed = run(Reactor::builder().replay(&replay), port);
    assert_eq!(replayed.expect("nothing differs"), notes);
    let outcome = replay.outcome().expect("nothing differs");
    assert_eq!(outcome, ReplayEnd::Complete);
}

on_each_driver! {
    names_and_attempts_are_replayed
}
