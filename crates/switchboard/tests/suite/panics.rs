//! A panic in the program's code ends what it belongs to, and nothing else.

use std::sync::mpsc;
use std::time::Duration;

use switchboard::{Context, Error, OnPanic, Result};

use crate::probe::{Log, Probe};
use crate::world::{Peer, World};

/// A connection that has to go on, whatever happens elsewhere.
struct Witness(Peer);

impl Witness {
    fn new(world: &mut World) -> Witness {
        Witness(world.open(Probe::echo("witness")).1)
    }

    fn is_well(&self, world: &mut World) {
        let before = world.received(self.0).len();
        world.send(self.0, "well?");
        world.drive_until("the witness", |world| {
            world.received(self.0).len() == before + 5
        });
    }
}

fn panics(_: &mut Log, _: &mut Context<'_, Log>) -> Result {
    panic!("boom");
}

pub fn a_panic_closes_its_source_alone_in_each_method(world: &mut World) {
    let witness = Witness::new(world);
    let with_timer = |log: &mut Log, cx: &mut Context<'_, Log>| {
        log.keep(cx.recv(usize::MAX));
        cx.set_timer(Duration::from_millis(1)).map(drop)
    };
    let with_job = |log: &mut Log, cx: &mut Context<'_, Log>| {
        log.keep(cx.recv(usize::MAX));
        cx.offload(|| 7).map(drop)
    };
    let with_much = |log: &mut Log, cx: &mut Context<'_, Log>| {
        log.keep(cx.recv(usize::MAX));
        cx.send(vec![0; 100_000])
    };
    let probes = [
        Probe::new("read").on_read(panics),
        Probe::new("eof").on_eof(panics),
        Probe::new("timer")
            .on_read(with_timer)
            .on_timer(|_, _, _| panic!("boom")),
        Probe::new("done")
            .on_read(with_job)
            .on_done(|_, _, _| panic!("boom")),
        Probe::new("write").on_read(with_much).on_write(panics),
    ];
    for (probe, name) in probes
        .into_iter()
        .zip(["read", "eof", "timer", "done", "write"])
    {
        let (_, peer) = world.open(probe);
        world.send(peer, "x");
        if name == "eof" {
            world.finish(peer);
        }
        assert_eq!(
            world.drive_to_end(name),
            "Panicked(boom)",
            "in handle_{name}"
        );
        let errors = world.log().of(name);
        assert!(errors[errors.len() - 2].starts_with("error "), "{errors:?}");
        witness.is_well(world);
    }
    let (_, address) = world.listen(Probe::new("listener").on_accepted(|_, _, _| Ok(())));
    let connects = world.with(|cx| cx.connect(address, Probe::new("connect").on_connect(panics)));
    connects.expect("the address is well-formed");
    assert_eq!(world.drive_to_end("connect"), "Panicked(boom)");
    witness.is_well(world);
}

pub fn a_panic_between_the_messages_of_others_ends_its_source_alone(world: &mut World) {
    let peers: Vec<Peer> = ["first", "second", "third", "fourth", "fifth"]
        .into_iter()
        .enumerate()
        .map(|(i, name)| match i % 2 {
            0 => world.open(Probe::echo(name)).1,
            _ => world.open(Probe::new(name).on_read(panics)).1,
        })
        .collect();
    world.settle();
    for peer in &peers {
        world.send_at_once(*peer, "x");
    }
    for peer in [peers[0], peers[2], peers[4]] {
        world.drive_until_received(peer, "x");
    }
    for name in ["second", "fourth"] {
        assert_eq!(world.drive_to_end(name), "Panicked(boom)");
    }
    assert_eq!(world.reactor.sources(), 3);
}

pub fn what_a_handler_did_for_others_before_it_panicked_stays_done(world: &mut World) {
    let (other, others_peer) = world.open(Probe::echo("other"));
    let (_, address) = world.listen(Probe::new("listener").on_accepted(|_, _, _| Ok(())));
    let (_, peer) = world.open(Probe::new("near").on_read(move |_, cx| {
        let data = cx.recv(usize::MAX);
        cx.send_to(other, data)?;
        cx.connect(address, Probe::new("new"))?;
        panic!("boom");
    }));
    let bytes = crate::world::pattern(1000); // enough to be sent on as they lie
    world.send_at_once(peer, &bytes);
    assert_eq!(world.drive_to_end("near"), "Panicked(boom)");
    world.drive_until_received(others_peer, &bytes);
    world.drive_until("the new source", |world| {
        world.log().of("new").contains(&"connected")
    });
}

pub fn a_panic_in_handle_close_is_contained(world: &mut World) {
    let witness = Witness::new(world);
    let (first, _) = world.open(Probe::new("first").on_close(panics));
    let (second, _) = world.open(Probe::new("second"));
    world.with(|cx| {
        cx.abort_source(first);
        cx.abort_source(second);
    });
    world.drive_to_end("second");
    assert_eq!(world.log().of("first"), ["closed Aborted"]);
    assert_eq!(world.reactor.sources(), 1);
    witness.is_well(world);
}

pub fn a_panic_in_handle_error_is_contained(world: &mut World) {
    let witness = Witness::new(world);
    let probe = Probe::new("near")
        .on_read(|_, _| Err("the first trouble".into()))
        .on_error(panics);
    let (_, peer) = world.open(probe);
    world.send(peer, "x");
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Error(the first trouble)");
    witness.is_well(world);
}

pub fn a_panic_in_a_posted_closure_is_contained(world: &mut World) {
    let witness = Witness::new(world);
    let remote = world.reactor.remote();
    remote.post(|_, _| panic!("boom")).expect("there is room");
    remote
        .post(|log: &mut Log, _| log.note_of("post", "ran"))
        .expect("there is room");
    world.drive_until("the second one", |world| world.log().has("post", "ran"));
    witness.is_well(world);
}

pub fn a_panic_in_a_timer_closure_is_contained(world: &mut World) {
    let witness = Witness::new(world);
    world.with(|cx| {
        cx.after(Duration::ZERO, |_, _| panic!("boom"))
            .expect("there is room");
        cx.after(Duration::ZERO, |log: &mut Log, _| {
            log.note_of("timer", "ran")
        })
        .expect("there is room");
    });
    world.drive_until("the second one", |world| world.log().has("timer", "ran"));
    witness.is_well(world);
}

pub fn a_panic_while_a_handler_is_dropped_is_contained(world: &mut World) {
    let witness = Witness::new(world);
    let (first, peer) = world.open(Probe::new("first").on_drop(|| panic!("boom")));
    let (second, _) = world.open(Probe::new("second"));
    world.with(|cx| {
        cx.abort_source(first);
        cx.abort_source(second);
    });
    world.drive_to_end("second");
    assert_eq!(world.log().of("first"), ["closed Aborted"]);
    world.drive_until("its socket to be closed", |world| world.end(peer).is_some());
    witness.is_well(world);
}

pub fn a_panic_while_a_replaced_handler_is_dropped_is_contained(world: &mut World) {
    let witness = Witness::new(world);
    let probe = Probe::new("old")
        .on_read(|_, cx| {
            cx.replace_handler(Probe::new("new"));
            Ok(())
        })
        .on_drop(|| panic!("boom"));
    let (_, peer) = world.open(probe);
    world.send(peer, "for the new one");
    world.drive_until("the bytes", |world| {
        world.log().bytes("new") == b"for the new one"
    });
    assert!(world.log().all().is_empty(), "the new one is not to blame");
    witness.is_well(world);
}

/// What a job returns, when it cannot even be dropped.
struct Grenade(mpsc::Sender<()>);

impl Drop for Grenade {
    fn drop(&mut self) {
        // Nobody listens any more when the case has failed.
        let _ = self.0.send(());
        panic!("boom");
    }
}

pub fn a_panic_while_the_value_of_a_job_is_dropped_is_contained(world: &mut World) {
    let witness = Witness::new(world);
    let (dropped, is_dropped) = mpsc::channel();
    let probe = Probe::new("near").on_read(move |_, cx| {
        let grenade = dropped.clone();
        cx.offload(move || Grenade(grenade))?;
        cx.abort(); // so that the value comes when nobody is there to take it
        Ok(())
    });
    let (_, peer) = world.open(probe);
    world.send(peer, "x");
    assert_eq!(world.drive_to_end("near"), "Aborted");
    world.drive_until("the value", |_| is_dropped.try_recv().is_ok());
    witness.is_well(world);
}

pub fn a_panic_in_handle_accepted_closes_the_listener_alone(world: &mut World) {
    let (_, address) = world.listen(Probe::new("listener").on_accepted(|log, cx, stream| {
        if log.gate {
            panic!("boom");
        }
        log.gate = true;
        cx.register(stream, Probe::echo("near")).map(drop)
    }));
    let first = Witness(world.dial(address));
    first.is_well(world);
    let second = world.dial(address);
    assert_eq!(world.drive_to_end("listener"), "Panicked(boom)");
    world.drive_until("the end of the second", |world| world.end(second).is_some());
    first.is_well(world);
}

pub fn on_panic_stop_ends_the_loop_with_the_message(world: &mut World) {
    world.rebuild(|builder| builder.on_panic(OnPanic::Stop));
    let (_, peer) = world.open(Probe::new("near").on_read(panics));
    world.send_at_once(peer, "x");
    let outcome = loop {
        match world.turn(Duration::from_millis(100)) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&outcome, Error::Panicked(message) if message == "boom"),
        "{outcome}"
    );
    assert_eq!(
        world.log().why("near"),
        Some("Panicked(boom)"),
        "it was told first"
    );
    // Whoever goes on all the same can: the panic is reported once.
    world.settle();
}
