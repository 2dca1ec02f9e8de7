//! Names that a program has looked up by itself.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use switchboard::{Error, Token};

use crate::probe::Probe;
use crate::world::{Peer, World};

/// A source that asks for each of these when its peer says so, and notes what it is told.
fn asks(world: &mut World, names: &'static [&'static str]) -> (Token, Peer) {
    let probe = Probe::new("near")
        .on_read(move |log, cx| {
            cx.recv(usize::MAX);
            for name in names {
                let job = cx.resolve(*name)?;
                log.note(format_args!("{name} is {job:?}"));
            }
            log.note("asked");
            Ok(())
        })
        .on_done(|log, _, done| {
            let job = done.job;
            match done.take::<Vec<SocketAddr>>() {
                Ok(addresses) => log.note(format_args!("{job:?}: {addresses:?}")),
                Err(Error::Io(error)) => log.note(format_args!("{job:?}: {error}")),
                Err(error) => return Err(error),
            }
            Ok(())
        });
    world.open(probe)
}

/// What was told of each name, in the order in which they were asked for.
fn answers(world: &mut World, names: &'static [&'static str]) -> Vec<String> {
    let (_, peer) = asks(world, names);
    world.send(peer, "go");
    world.drive_until("all answers", |world| {
        world.log().count("near", "done") == names.len()
    });
    let notes = world.log().of("near");
    assert_eq!(notes[names.len()], "asked", "it was told in the same call");
    let of = |name: &&str| {
        let job = notes.iter().find_map(|note| note.strip_prefix(*name));
        let job = job.expect("it was asked for").strip_prefix(" is ");
        let job = job.expect("it is named");
        let answer = notes.iter().find_map(|note| note.strip_prefix(job));
        let answer = answer.expect("it was told").strip_prefix(": ");
        answer.expect("it was told").to_owned()
    };
    names.iter().map(of).collect()
}

pub fn what_needs_no_look_up_is_told_in_a_call_of_its_own(world: &mut World) {
    let answers = answers(world, &["10.0.0.1:80", "localhost:81"]);
    assert_eq!(answers[0], "[10.0.0.1:80]");
    let both = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, 81)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 81)),
    ];
    assert_eq!(answers[1], format!("{both:?}"));
}

pub fn a_name_is_told_with_the_port_that_was_asked_for(world: &mut World) {
    let names: &'static [&'static str] = match world.name() {
        "127.1" => &["127.1:80", "127.1:81"],
        _ => &["here:80", "here:81"],
    };
    let answers = answers(world, names);
    assert!(answers[0].ends_with(":80]"), "{answers:?}");
    assert!(answers[1].ends_with(":81]"), "{answers:?}");
}

pub fn a_name_that_nobody_has_is_an_error_of_its_value(world: &mut World) {
    let answers = answers(world, &["nobody.invalid:80"]);
    let expected = "cannot find the host \"nobody.invalid\": ";
    assert!(answers[0].starts_with(expected), "{answers:?}");
}

pub fn a_source_that_is_closing_has_nothing_looked_up(world: &mut World) {
    let probe = Probe::new("near").on_read(|log, cx| {
        cx.recv(usize::MAX);
        let malformed = cx.resolve("localhost");
        assert!(matches!(malformed, Err(Error::BadAddress(_))));
        cx.close();
        let refused = cx.resolve("localhost:80");
        assert!(matches!(refused, Err(Error::Stale(of)) if of == cx.token()));
        log.note("refused");
        Ok(())
    });
    let (_, peer) = world.open(probe);
    world.send(peer, "go");
    world.drive_until("it", |world| world.log().has("near", "refused"));
    world.leave(peer);
    world.drive_to_end("near");
    assert_eq!(world.log().count("near", "done"), 0);
}

/// It is told of nothing but its end, and the reactor does not wait for the answer.
pub fn a_source_that_ends_does_not_hear_of_its_name(world: &mut World) {
    let (token, peer) = asks(world, &["nobody.invalid:80"]);
    world.send(peer, "go");
    world.drive_until("it", |world| world.log().has("near", "asked"));
    world.with(|cx| cx.abort_source(token));
    world.drive_to_end("near");
    assert_eq!(world.log().count("near", "done"), 0);
    assert!(world.reactor.is_done());
}
