//! One run: a server and its clients, what goes wrong, and what must hold at the end. It must never
//! make a run milder than its seed has drawn, but for what it says.

use std::sync::LazyLock;
use std::time::Duration;

use clap::Parser;
use fastrand::Rng;
use switchboard::signal::SIGTERM;
use switchboard::sim::{Action, Faults, Host, Simulation};
use switchboard::{OnPanic, Reactor, Result, SourceOptions};
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::cli::{Cli, Command, ServeArgs};
use switchboard_chat::rate::Rate;
use switchboard_chat::serve::{self, Server, Storage};

use crate::book::{Book, Person, Phase, ROOMS};
use crate::town::{self, Speech, Town};

/// However bad it was, all is well so long after all is well again: longer than those who are gone
/// without a word are in the way of the others.
const SETTLES_WITHIN: Duration = Duration::from_secs(900);

/// Longer than the server waits for anybody who says nothing.
const SILENCE: Duration = Duration::from_secs(700);

/// What a server keeps of a client that reads slowly, where that is to happen.
const SLOW: usize = 5 * 1024;

/// As usual.
const INBOX: usize = 16 * 1024;

/// The flags of the server.
static ARGS: LazyLock<ServeArgs> = LazyLock::new(|| {
    // A pause would make two messages of one that the network delays halfway, and what is shown to
    // whoever comes in was seen before.
    let words = [
        "switchboard",
        "serve",
        "--listen=10.0.0.1:8080",
        "--pause=off",
        "--backlog=off",
    ];
    match Cli::try_parse_from(words) {
        Ok(Cli {
            command: Command::Serve(args),
        }) => args,
        other => panic!("{other:?}"),
    }
});

/// Bounds from usual to narrow.
fn settings(rng: &mut Rng) -> Settings {
    let mut settings = ARGS.settings();
    if rng.bool() {
        settings.pending_per_user = rng.usize(1..6);
    }
    if rng.u8(..4) == 0 {
        settings.batch_max = rng.usize(1..4);
    }
    if rng.u8(..4) == 0 {
        settings.pending_bytes_max = rng.usize(300..4000);
    }
    if rng.bool() {
        settings.big_room = 2;
    }
    if rng.u8(..4) == 0 {
        settings.message_rate = Some(Rate::new(2, 4));
    }
    settings
}

fn server(sim: &mut Simulation, book: &Book, rng: &mut Rng) -> Result<Host<Server>> {
    let disk = sim.disk("server");
    let mut settings = settings(rng);
    let mut args = ARGS.clone();
    if rng.u8(..8) == 0 {
        // Those who are gone without a word are in the way of the others for a while.
        args.max_clients = book.pages.borrow().people.len() as u32 + 1;
        settings.users_max = args.max_clients as usize;
    }
    let mut builder = serve::bounded(&args, Reactor::builder().on_panic(OnPanic::Stop));
    if rng.u8(..4) == 0 {
        let options = SourceOptions::default().with_inbox_limit(INBOX);
        builder = builder.source_options(options.with_watermarks(1024, SLOW));
    }
    let (book, flags) = (book.clone(), args.clone());
    let state = move || {
        let (store, archive) = book.witness.open(&disk);
        let storage = Storage::new(Box::new(store), Box::new(archive));
        Server::new(&flags, storage).with_settings(settings.clone())
    };
    let boot = move |reactor: &mut Reactor<Server>| {
        let listeners = serve::bind(&args, reactor, |_| None)?;
        serve::start(&args, reactor, listeners)
    };
    sim.host_with("server", builder, state, boot)
}

fn people(rng: &mut Rng) -> Vec<Vec<(usize, Speech)>> {
    let mut number = 0;
    let mut host = |rng: &mut Rng| {
        let here = 0..rng.usize(1..4);
        let person = |_| {
            number += 1;
            let speech = match rng.u8(..8) {
                0..4 => Speech::Irc,
                4 => Speech::WebSocket,
                5 => Speech::OldIrc,
                _ => Speech::Plain,
            };
            (number - 1, speech)
        };
        here.map(person).collect()
    };
    (0..rng.usize(1..4)).map(|_| host(rng)).collect()
}

fn towns(sim: &mut Simulation, book: &Book, people: Vec<Vec<(usize, Speech)>>) -> Result {
    for (number, people) in people.into_iter().enumerate() {
        let book = book.clone();
        let state = move || Town {
            book: book.clone(),
            people: people.clone(),
        };
        let boot = |reactor: &mut Reactor<Town>| {
            reactor.with(|town, cx| {
                for (person, speech) in town.people.clone() {
                    town::connect(town, cx, person, speech);
                }
            });
            Ok(())
        };
        let builder = Reactor::builder().on_panic(OnPanic::Stop);
        sim.host_with(&format!("town {number}"), builder, state, boot)?;
    }
    Ok(())
}

pub fn chat(sim: &mut Simulation) -> Result {
    let mut rng = Rng::with_seed(sim.seed());
    let people = people(&mut rng);
    let person = |_: &(usize, Speech)| Person {
        quota: 0,
        ..Person::default()
    };
    let mut persons: Vec<Person> = people.iter().flatten().map(person).collect();
    for person in &mut persons {
        person.quota = rng.u32(1..16);
    }
    let book = Book::new(persons);
    let server = server(sim, &book, &mut rng)?;
    towns(sim, &book, people)?;
    let during = rng.u64(200..6_000);
    for _ in 0..rng.u8(..4) {
        let action = Action::Crash {
            host: server.id(),
            lasting: Some(Duration::from_millis(rng.u64(..2000))),
        };
        sim.at(Duration::from_micros(rng.u64(..during * 1000)), action);
    }
    sim.run_for(Duration::from_millis(during))?;
    if rng.u8(..4) == 0 {
        end_and_begin(sim, server, &mut rng)?;
    } else if rng.bool() {
        hush(sim, &book, server)?;
    }
    settle(sim, &book, server)?;
    leave(sim, &book, server)?;
    sim.crash(server);
    sim.restart(server)?;
    book.check_fates();
    Ok(())
}

/// The server is told to end, and whatever has come of that, begins anew.
fn end_and_begin(sim: &mut Simulation, server: Host<Server>, rng: &mut Rng) -> Result {
    sim.signal(server, SIGTERM);
    sim.run_for(Duration::from_millis(rng.u64(..4000)))?;
    sim.crash(server);
    sim.restart(server)
}

/// Nobody says anything: what waits to be stored is stored all the same.
fn hush(sim: &mut Simulation, book: &Book, server: Host<Server>) -> Result {
    book.phase.set(Phase::Silent);
    sim.faults(Faults::none());
    let is_settled = |sim: &Simulation| sim.is_up(server) && sim.state(server).chat().is_settled();
    let until = sim.now() + Duration::from_secs(20);
    sim.run_until(|sim| sim.now() > until && (is_settled(sim) || sim.now() > until + SILENCE))?;
    assert!(is_settled(sim), "something waits for somebody to speak");
    Ok(())
}

/// All goes well again: everybody is in all rooms, and hears all that is said there.
fn settle(sim: &mut Simulation, book: &Book, server: Host<Server>) -> Result {
    sim.faults(Faults::none());
    sim.act(Action::Heal)?;
    book.phase.set(Phase::Settling);
    let until = sim.now() + SETTLES_WITHIN;
    sim.run_until(|sim| {
        let people = &book.pages.borrow().people;
        let restless = people.iter().position(|it| !it.content);
        assert!(sim.now() < until, "{restless:?} is not content");
        restless.is_none()
    })?;
    sim.run_for(Duration::from_secs(5))?;
    book.check_all_heard();
    book.check_all_known();
    book.witness.stored().check();
    let chat = sim.state(server).chat();
    assert!(chat.is_settled(), "something is still to be stored");
    Ok(())
}

/// Everybody goes, and nothing is left of them.
fn leave(sim: &mut Simulation, book: &Book, server: Host<Server>) -> Result {
    book.phase.set(Phase::Leaving);
    sim.run_for(SILENCE)?;
    let state = sim.state(server);
    assert_eq!(state.counts(), (0, 0), "connections are left");
    let chat = state.chat();
    assert_eq!(chat.population(), (0, 0), "users are left");
    for room in ROOMS {
        let members = chat.room(room).map_or(0, |room| room.len());
        assert_eq!(members, 0, "members are left in {room}");
    }
    let sources = sim.with(server, |_, cx| cx.sources());
    assert_eq!(sources, ARGS.listen.len() + 1, "sources are left");
    Ok(())
}
