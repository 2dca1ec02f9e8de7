//! The last call: `handle_close` comes once, after everything else, whatever ended the source; and
//! what ends one source leaves the others alone.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use switchboard::{Context, Error, OutboxPolicy, Result};

use crate::peers::End;
use crate::probe::{Log, Probe};
use crate::world::World;

/// Ends `name` in its own way, with another connection beside it that must not notice.
#[track_caller]
fn ends(world: &mut World, probe: Probe, end: impl FnOnce(&mut World), expected: &str) {
    let start = world.log().all().len();
    let (_, peer) = world.open(probe);
    world.send(peer, "x");
    world.settle();
    end(world);
    let why = world.drive_to_end("near");
    assert_eq!(why, expected);
    world.reset(peer);
    world.settle();
    let closes = world.log().all()[start..].iter();
    let closes = closes.filter(|(name, note)| *name == "near" && note.starts_with("closed"));
    assert_eq!(closes.count(), 1, "{expected}");
    let (name, note) = world.log().all().last().expect("it has ended");
    assert!(
        *name == "near" && note.starts_with("closed"),
        "{note} came after it"
    );
}

type Act = fn(&mut Log, &mut Context<'_, Log>) -> Result;

pub fn handle_close_comes_once_and_last_in_every_way_of_ending(world: &mut World) {
    world.rebuild(|builder| builder.close_timeout(Duration::from_millis(20)));
    let ways: [(Act, &str); 6] = [
        (
            |_, cx| {
                cx.close();
                Ok(())
            },
            "Requested",
        ),
        (
            |_, cx| {
                cx.abort();
                Ok(())
            },
            "Aborted",
        ),
        (|_, _| Err(Error::other("no")), "Error(no)"),
        (|_, _| panic!("no"), "Panicked(no)"),
        (
            |_, cx| {
                let options = cx.source_options(cx.token()).expect("it is there");
                let options = options.with_idle_timeout(Duration::from_millis(5));
                let token = cx.token();
                cx.set_source_options(token, options)
            },
            "TimedOut(Idle)",
        ),
        (
            |_, cx| {
                let options = cx.source_options(cx.token()).expect("it is there");
                let options = options.with_watermarks(1, 10);
                let token = cx.token();
                cx.set_source_options(token, options.with_policy(OutboxPolicy::Disconnect))?;
                cx.send([0; 6].as_slice())?;
                let refused = cx.send([0; 6].as_slice());
                assert!(refused.is_err());
                Ok(())
            },
            "SlowConsumer",
        ),
    ];
    for (act, why) in ways {
        let probe = Probe::new("near").on_read(move |log, cx| {
            cx.recv(usize::MAX);
            // Timers and jobs of a source end with it.
            cx.set_interval(Duration::from_millis(1))?;
            cx.offload(|| ())?;
            act(log, cx)
        });
        // The timers that fire and the jobs that end before it are not the point.
        let probe = probe.on_timer(|_, _, _| Ok(())).on_done(|_, _, _| Ok(()));
        ends(world, probe, |_| (), why);
    }
}

/// A connection that has to go on, whatever happens to another one.
fn echoes(world: &mut World, peer: crate::world::Peer) {
    let before = world.received(peer).len();
    world.send(peer, "still there?");
    world.drive_until("an echo", |world| {
        world.received(peer).len() == before + "still there?".len()
    });
}

pub fn an_error_closes_its_source_alone(world: &mut World) {
    let (_, other) = world.open(Probe::echo("other"));
    let fails = Probe::new("near").on_read(|_, _| Err("out of cheese".into()));
    let (_, peer) = world.open(fails);
    world.finish(peer);
    world.send(peer, "x");
    assert_eq!(world.drive_to_end("near"), "Error(out of cheese)");
    assert_eq!(
        world.log().of("near"),
        ["error out of cheese", "closed Error(out of cheese)"]
    );
    echoes(world, other);
}

pub fn an_error_sends_what_was_sent_before_it(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|_, cx| {
        cx.recv(usize::MAX);
        cx.send("you are talking nonsense")?;
        Err("nonsense".into())
    }));
    world.send(peer, "x");
    world.drive_until("the end of the stream", |world| world.end(peer).is_some());
    world.assert_received(peer, "you are talking nonsense");
    assert_eq!(world.end(peer), Some(End::Finished));
    world.leave(peer);
    assert_eq!(world.drive_to_end("near"), "Error(nonsense)");
}

pub fn an_error_in_handle_accepted_drops_that_connection_alone(world: &mut World) {
    let mut calls = 0;
    let (_, address) = world.listen(Probe::new("listener").on_accepted(move |_, cx, stream| {
        calls += 1;
        if calls == 2 {
            return Err("not you".into());
        }
        cx.register(stream, Probe::echo("near")).map(drop)
    }));
    let first = world.dial(address);
    echoes(world, first);
    let second = world.dial(address);
    world.drive_until("the refusal", |world| world.end(second).is_some());
    let third = world.dial(address);
    echoes(world, third);
    echoes(world, first);
    assert!(world.log().has("listener", "error not you"));
    assert_eq!(world.log().why("listener"), None);
}

pub fn an_event_without_its_method_is_an_error(world: &mut World) {
    struct Silent(mpsc::Sender<String>);
    impl switchboard::Handler<Log> for Silent {
        fn handle_close(
            &mut self,
            _: &mut Log,
            _: &mut Context<'_, Log>,
            why: &switchboard::Close,
        ) {
            self.0.send(why.to_string()).expect("the case listens");
        }
    }
    let (told, why) = mpsc::channel();
    let (token, peer) = world.open(Probe::new("near").on_read(move |_, cx| {
        cx.replace_handler(Silent(told.clone()));
        Ok(())
    }));
    world.finish(peer);
    world.send(peer, "bytes for nobody");
    world.drive_until("its end", |world| world.reactor.sources() == 0);
    let why = why.try_recv().expect("it was told once");
    assert!(why.contains("handle_read"), "{why}");
    assert!(!world.with(|cx| cx.is_open(token)));
}

pub fn a_source_closed_by_its_neighbour_in_the_same_batch_hears_nothing_more(world: &mut World) {
    // Whoever reads first closes all the others; which one that is is the driver's affair.
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let mut ends = Vec::new();
    for _ in 0..5 {
        let tokens = tokens.clone();
        ends.push(
            world.open(Probe::new("one of them").on_read(move |log, cx| {
                log.note("read");
                let me = cx.token();
                let tokens = tokens.lock().expect("nobody panics with it");
                for token in tokens.iter().filter(|token| **token != me) {
                    cx.abort_source(*token);
                }
                cx.recv(usize::MAX);
                Ok(())
            })),
        );
    }
    for (token, peer) in ends {
        tokens.lock().expect("nobody panics with it").push(token);
        world.send_at_once(peer, "all at once");
    }
    world.drive_until("the end of four", |world| world.reactor.sources() == 1);
    assert_eq!(world.log().count("one of them", "read"), 1);
    assert_eq!(world.log().count("one of them", "closed Aborted"), 4);
}

pub fn a_source_can_close_another_from_handle_close(world: &mut World) {
    let (second, _) = world.open(Probe::new("second"));
    let (first, _) = world.open(Probe::new("first").on_close(move |_, cx| {
        cx.abort_source(second);
        assert!(cx.send("too late").is_err());
        assert!(cx.set_timer(Duration::ZERO).is_err());
        Ok(())
    }));
    world.with(|cx| cx.abort_source(first));
    assert_eq!(world.drive_to_end("second"), "Aborted");
    assert_eq!(world.log().of("first"), ["closed Aborted"]);
    assert_eq!(world.log().all()[0].0, "first");
}

/// Tells its reason outside of the state, which goes with the reactor.
fn telling(told: &mpsc::Sender<&'static str>, name: &'static str) -> Probe {
    let told = told.clone();
    Probe::new(name).on_close(move |log, _| {
        assert_eq!(log.why(name), Some("Shutdown"));
        told.send(name).expect("the case listens");
        Ok(())
    })
}

pub fn dropping_the_reactor_ends_each_source_once(world: &mut World) {
    let (told, ended) = mpsc::channel();
    let (_, peer) = world.open(telling(&told, "connection"));
    world.open(telling(&told, "other connection"));
    let (_, address) = world.listen(telling(&told, "listener"));
    world.settle();
    world.rebuild(|builder| builder);
    let mut ended: Vec<_> = ended.try_iter().collect();
    ended.sort_unstable();
    assert_eq!(ended, ["connection", "listener", "other connection"]);
    world.drive_until("the end of the stream", |world| world.end(peer).is_some());
    assert!(world.refuses(address));
}

pub fn handle_close_of_a_dropped_reactor_can_register_nothing(world: &mut World) {
    let (told, ended) = mpsc::channel();
    let (second, _) = world.open(telling(&told, "second"));
    world.open(Probe::new("first").on_close(move |_, cx| {
        let again = cx.connect("127.0.0.1:1", Probe::new("late"));
        assert!(matches!(again, Err(Error::ShuttingDown)));
        cx.close_source(second);
        told.send("first").expect("the case listens");
        Ok(())
    }));
    world.rebuild(|builder| builder);
    assert_eq!(ended.try_iter().count(), 2);
}

/// What is registered and closed in one call leaves nothing behind, whichever step of the tick
/// the call is in.
pub fn a_listener_made_and_closed_in_handle_write_is_gone(world: &mut World) {
    let listener = world.reactor.bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local().expect("it is bound").ip();
    let mut listener = Some(listener);
    world.with_options(|options| options.with_watermarks(1, 100));
    let (token, peer) = world.open(Probe::new("near").on_write(move |_, cx| {
        let Some(listener) = listener.take() else {
            return Ok(());
        };
        let token = cx.listen_on(listener, Probe::new("listener"))?;
        cx.close_source(token);
        Ok(())
    }));
    let sent = world.with(|cx| cx.send_to(token, "enough to be above low"));
    sent.expect("there is room");
    world.drive_until("the call", |world| world.log().has("near", "write"));
    world.drive_until_received(peer, "enough to be above low");
    world.settle();
    assert_eq!(world.log().why("listener"), Some("Requested"));
    assert!(world.refuses(address.expect("it is an IP address")));
}

/// It is too late for a new handler then; it must above all not get somebody else's source.
pub fn a_handler_replaced_in_its_last_calls_reaches_no_other_source(world: &mut World) {
    let (_, other) = world.open(Probe::echo("other"));
    let (first, _) = world.open(Probe::new("first").on_close(|_, cx| {
        cx.replace_handler(Probe::new("late"));
        Ok(())
    }));
    world.with(|cx| cx.abort_source(first));
    assert_eq!(world.drive_to_end("first"), "Aborted");
    echoes(world, other);
    let second = Probe::new("second")
        .on_read(|_, _| Err("trouble".into()))
        .on_error(|_, cx| {
            cx.replace_handler(Probe::new("late"));
            Ok(())
        });
    let (_, peer) = world.open(second);
    world.finish(peer);
    world.send(peer, "x");
    world.drive_until("the error", |world| {
        world.log().has("second", "error trouble")
    });
    echoes(world, other);
    echoes(world, other);
}

pub fn a_late_abort_does_not_hide_why_a_source_ended(world: &mut World) {
    let (_, peer) = world.open(Probe::new("near").on_read(|_, cx| {
        let token = cx.token();
        let remote = cx.remote();
        let posted = remote.post(move |log: &mut Log, cx| {
            log.note_of("post", format_args!("is open: {}", cx.is_open(token)));
            cx.abort_source(token);
        });
        posted.expect("there is room");
        panic!("the real trouble");
    }));
    world.send(peer, "x");
    world.drive_until("the post", |world| !world.log().of("post").is_empty());
    assert_eq!(world.log().of("post"), ["is open: false"]);
    assert_eq!(world.drive_to_end("near"), "Panicked(the real trouble)");
}
