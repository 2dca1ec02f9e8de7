//! How a reactor stops: nothing new, the last bytes first, and an end for everybody.

#[cfg(unix)]
use std::io::{Read, Write, pipe};
#[cfg(unix)]
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use switchboard::Token;
#[cfg(unix)]
use switchboard::{Error, Interest, signal::SIGCHLD};

use crate::peers::End;
use crate::probe::Probe;
use crate::world::{Peer, World, pattern};

const MIB: usize = 1024 * 1024;

/// A connection with a MiB in its outbox that the peer does not read.
fn stuffed(world: &mut World, probe: Probe) -> (Token, Peer) {
    let (token, peer) = world.open_narrow(probe);
    world.set_reads(peer, false);
    let sent = world.with(|cx| cx.send_to(token, pattern(MIB)));
    sent.expect("there is room");
    world.settle();
    (token, peer)
}

/// Makes sure that no deadline does what has to happen before it.
fn without_deadline(world: &mut World) {
    let long = Duration::from_secs(3600);
    world.rebuild(|builder| builder.shutdown_timeout(long).close_timeout(long));
}

fn shut_down(world: &mut World) {
    world.reactor.shutdown_handle().shutdown();
    world.turn(Duration::ZERO).expect("a turn goes well");
}

pub fn listeners_close_at_once_and_outboxes_are_sent_first(world: &mut World) {
    without_deadline(world);
    let (_, address) = world.listen(Probe::new("listener"));
    let (_, slow) = stuffed(world, Probe::new("slow"));
    let (_, idle) = world.open(Probe::new("idle"));
    shut_down(world);
    assert_eq!(world.log().of("listener"), ["closed Shutdown"]);
    assert!(world.refuses(address));
    world.settle();
    assert_eq!(world.log().why("slow"), None, "its bytes are not sent yet");
    assert_eq!(
        world.end(idle),
        Some(End::Finished),
        "it had nothing to send"
    );
    world.leave(idle);
    assert_eq!(world.drive_to_end("idle"), "Shutdown");
    assert!(!world.reactor.is_done());
    world.set_reads(slow, true);
    world.drive_until_received(slow, pattern(MIB));
    world.finish(slow);
    assert_eq!(world.drive_to_end("slow"), "Shutdown");
    world.reactor.run().expect("it is done");
    assert_eq!(world.log().all().len(), 3, "each ended once");
}

pub fn a_shutdown_ends_at_its_deadline(world: &mut World) {
    world.rebuild(|builder| builder.shutdown_timeout(Duration::from_millis(40)));
    let (_, peer) = stuffed(world, Probe::new("near"));
    let start = world.now();
    world.reactor.shutdown_handle().shutdown();
    assert_eq!(world.drive_to_end("near"), "Shutdown");
    let took = world.now() - start;
    assert!(took >= Duration::from_millis(40), "only {took:?}");
    assert!(world.reactor.is_done());
    assert_eq!(world.reactor.buffered(), 0);
    world.set_reads(peer, true);
    world.drive_until("the end", |world| world.end(peer).is_some());
    assert!(world.received(peer).len() < MIB);
}

pub fn a_second_shutdown_changes_nothing(world: &mut World) {
    world.rebuild(|builder| builder.shutdown_timeout(Duration::from_millis(60)));
    stuffed(world, Probe::new("near"));
    let handle = world.reactor.shutdown_handle();
    let start = world.now();
    while world.log().why("near").is_none() {
        handle.shutdown(); // again and again
        world.turn(Duration::from_millis(5)).expect("it goes well");
        let took = world.now() - start;
        assert!(took < Duration::from_secs(5), "it is put off every time");
    }
    assert_eq!(world.log().of("near"), ["closed Shutdown"]);
    handle.shutdown();
    world.settle();
    assert_eq!(world.log().all().len(), 1);
}

pub fn an_abort_waits_for_nothing(world: &mut World) {
    without_deadline(world);
    let (_, address) = world.listen(Probe::new("listener"));
    let (_, peer) = stuffed(world, Probe::new("near"));
    let (closing, _) = stuffed(world, Probe::new("closing"));
    world.with(|cx| cx.close_source(closing));
    world.settle();
    let handle = world.reactor.shutdown_handle();
    handle.abort();
    handle.shutdown(); // asks for less, so it changes nothing
    world.turn(Duration::ZERO).expect("a turn goes well");
    assert!(world.reactor.is_done());
    assert_eq!(world.log().of("listener"), ["closed Shutdown"]);
    assert_eq!(world.log().of("near"), ["closed Shutdown"]);
    // It was closing on request, but not all that was to be sent first has been.
    assert_eq!(world.log().of("closing"), ["closed Shutdown"]);
    assert_eq!(world.reactor.buffered(), 0);
    assert!(world.refuses(address));
    world.set_reads(peer, true);
    world.drive_until("the end", |world| world.end(peer).is_some());
    assert!(world.received(peer).len() < MIB);
}

/// Ctrl-C, and Ctrl-C once more.
pub fn an_abort_ends_a_shutdown_that_waits(world: &mut World) {
    without_deadline(world);
    stuffed(world, Probe::new("near"));
    shut_down(world);
    world.settle();
    assert_eq!(world.log().why("near"), None);
    world.reactor.shutdown_handle().abort();
    world.turn(Duration::ZERO).expect("a turn goes well");
    assert_eq!(world.log().of("near"), ["closed Shutdown"]);
    assert!(world.reactor.is_done());
}

#[cfg(unix)]
pub fn nothing_new_is_taken_in_a_shutdown(world: &mut World) {
    stuffed(world, Probe::new("near")); // keeps it going
    shut_down(world);
    let (reads, _writes) = pipe().expect("a pipe can be made");
    let listener = switchboard::Listener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local().expect("it is bound");
    let stream = TcpStream::connect(address.ip().expect("an IP address")).expect("it listens");
    let stream = stream.try_into().expect("a socket can be non-blocking");
    world.with(|cx| {
        let probe = || Probe::new("late");
        for refused in [
            cx.register(stream, probe()),
            cx.listen_on(listener, probe()),
            cx.listen("127.0.0.1:0", probe()),
            cx.connect(address, probe()),
            cx.watch(reads, Interest::Read, probe()),
            cx.signals(&[SIGCHLD], probe()),
        ] {
            assert!(matches!(refused, Err(Error::ShuttingDown)), "{refused:?}");
        }
    });
    world.settle();
    assert!(world.log().of("late").is_empty());
}

/// A second Ctrl-C has to be heard, and a terminal's line be taken, while the last bytes go out.
#[cfg(unix)]
pub fn watches_and_signals_live_until_the_connections_are_gone(world: &mut World) {
    without_deadline(world);
    let (mut reads, mut writes) = pipe().expect("a pipe can be made");
    let watched = reads.try_clone().expect("a descriptor is free");
    let probe = Probe::new("watch").on_ready(move |log, _, _| {
        let mut byte = [0];
        reads.read_exact(&mut byte)?;
        log.keep(&byte);
        Ok(())
    });
    world.with(|cx| {
        cx.watch(watched, Interest::Read, probe)
            .expect("there is room");
        cx.signals(&[SIGCHLD], Probe::new("signals"))
            .expect("it can be caught");
    });
    let (_, peer) = stuffed(world, Probe::new("near"));
    shut_down(world);
    writes.write_all(b"abc").expect("it holds three bytes");
    world.drive_until("the bytes", |world| world.log().bytes("watch") == b"abc");
    world.set_reads(peer, true);
    world.drive_until_received(peer, pattern(MIB));
    world.leave(peer);
    world.drive_until("the end", |world| world.reactor.is_done());
    for name in ["near", "watch", "signals"] {
        assert_eq!(world.log().count(name, "closed Shutdown"), 1, "{name}");
    }
    let last = world.log().all().len() - 2;
    assert_eq!(world.log().all()[..last].last().expect("a note").0, "near");
}

#[cfg(unix)]
pub fn a_reactor_without_connections_shuts_down_in_one_turn(world: &mut World) {
    without_deadline(world);
    let (reads, _writes) = pipe().expect("a pipe can be made");
    world.with(|cx| {
        cx.watch(reads, Interest::Read, Probe::new("watch"))
            .expect("there is room");
        // What nobody waits for any more holds nothing up.
        cx.after(Duration::from_secs(3600), |_, _| ())
            .expect("there is room");
    });
    let _remote = world.reactor.remote();
    shut_down(world);
    assert!(world.reactor.is_done());
    assert_eq!(world.log().of("watch"), ["closed Shutdown"]);
}

pub fn a_shutdown_from_another_thread_wakes_the_reactor(world: &mut World) {
    without_deadline(world);
    const LONG: Duration = Duration::from_secs(8);
    let (_, _address) = world.listen(Probe::new("listener"));
    let handle = world.reactor.shutdown_handle();
    let thread = thread::spawn(move || handle.shutdown());
    let start = Instant::now();
    while !world.reactor.is_done() {
        world.reactor.turn(Some(LONG)).expect("a turn goes well");
    }
    assert!(start.elapsed() < LONG, "nobody woke it");
    thread.join().expect("it has asked");
    assert_eq!(world.log().of("listener"), ["closed Shutdown"]);
}

pub fn a_handler_can_stop_the_reactor(world: &mut World) {
    without_deadline(world);
    let (_, peer) = world.open(Probe::new("near").on_read(|_, cx| {
        cx.recv(usize::MAX);
        cx.send("goodbye")?;
        cx.stop();
        Ok(())
    }));
    world.send(peer, "stop");
    world.drive_until_received(peer, "goodbye");
    world.leave(peer);
    world.drive_until("the end", |world| world.reactor.is_done());
    assert_eq!(world.log().of("near"), ["closed Shutdown"]);
}

/// Who was closing for a reason of his own keeps it.
pub fn a_source_that_was_closing_keeps_its_reason(world: &mut World) {
    without_deadline(world);
    let (token, peer) = stuffed(world, Probe::new("near"));
    world.with(|cx| cx.close_source(token));
    world.settle();
    shut_down(world);
    world.set_reads(peer, true);
    world.drive_until_received(peer, pattern(MIB));
    world.leave(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
    assert!(world.reactor.is_done());
}
