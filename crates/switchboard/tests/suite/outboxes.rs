//! The bounds of what waits to be sent: watermarks, policies, and the total of all sources.

use std::time::Duration;

use switchboard::{Bytes, Error, OutboxPolicy, SourceOptions, Token};

use crate::probe::{Log, Probe};
use crate::world::{Peer, World, pattern};

const KIB: usize = 1024;
const LOW: usize = 8 * KIB;
const HIGH: usize = 64 * KIB;

/// Longer than systems put off acknowledging what has arrived: Linux up to 40 ms at first.
const DELAYED_ACK: Duration = Duration::from_millis(60);

/// A connection whose peer does not read and whose outbox keeps what the network cannot hold.
fn stuffed(world: &mut World, probe: Probe) -> (Token, Peer) {
    let (token, peer) = world.open_narrow(probe);
    world.set_reads(peer, false);
    // The network takes some of each message, so fill it up first.
    loop {
        let before = world.reactor.buffered();
        let sent = world.with(|cx| cx.send_to(token, vec![b'.'; KIB]));
        sent.expect("the network takes it, or there is room");
        world.turn(Duration::ZERO).expect("a turn goes well");
        if world.reactor.buffered() > before {
            world.elapse(DELAYED_ACK); // what is acknowledged then makes room again
        }
        if world.reactor.buffered() > before {
            return (token, peer);
        }
    }
}

/// Sends numbered messages until one is refused, and says how many were taken.
fn fill(world: &mut World, token: Token) -> (usize, Error) {
    for i in 0.. {
        let message = vec![b'0' + (i % 10) as u8; KIB];
        if let Err(error) = world.with(|cx| cx.send_to(token, message.as_slice())) {
            return (i, error);
        }
    }
    unreachable!("an outbox has a bound");
}

pub fn a_full_outbox_takes_nothing_and_handle_write_comes_once_at_low(world: &mut World) {
    world.with_options(|options| options.with_watermarks(LOW, HIGH));
    let probe = Probe::new("near").on_write(|log, cx| {
        log.note(format_args!(
            "at {}",
            cx.source_outbox_len(cx.token()) <= LOW
        ));
        Ok(())
    });
    let (token, peer) = stuffed(world, probe);
    let (_, error) = fill(world, token);
    assert!(matches!(error, Error::Full { limit: HIGH, .. }), "{error}");
    assert!(error.is_full());
    let buffered = world.reactor.buffered();
    assert!(buffered > HIGH - KIB);
    let refused = world.with(|cx| cx.send_to(token, vec![b'x'; KIB]));
    assert!(refused.is_err());
    assert_eq!(
        world.reactor.buffered(),
        buffered,
        "nothing of it was taken"
    );
    world.settle();
    assert!(!world.log().has("near", "write"), "there is no room yet");
    world.set_reads(peer, true);
    world.settle();
    assert_eq!(world.log().of("near"), ["write", "at true"]);
    assert!(!world.received(peer).contains(&b'x'));
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn handle_write_comes_after_rising_above_low_without_a_refusal(world: &mut World) {
    world.with_options(|options| options.with_watermarks(LOW, HIGH));
    let (token, peer) = stuffed(world, Probe::new("near"));
    world.settle();
    assert!(world.log().all().is_empty(), "it was never above low");
    let sent = world.with(|cx| cx.send_to(token, vec![0; 2 * LOW]));
    sent.expect("there is room");
    world.settle();
    assert!(world.log().all().is_empty(), "it is above low");
    world.set_reads(peer, true);
    world.settle();
    assert_eq!(world.log().of("near"), ["write"]);
}

/// How a file is sent: as much as fits, and more whenever there is room.
pub fn a_handler_that_fills_up_in_handle_write_sends_all(world: &mut World) {
    const ALL: usize = 3 * 1024 * KIB;
    world.with_options(|options| options.with_watermarks(LOW, HIGH));
    let message = pattern(ALL);
    let mut sent = 0;
    let mut more = move |_: &mut Log, cx: &mut switchboard::Context<'_, Log>| {
        while sent < ALL {
            let end = ALL.min(sent + 5000);
            match cx.send(&message[sent..end]) {
                Ok(()) => sent = end,
                Err(error) if error.is_full() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        cx.close();
        Ok(())
    };
    let probe = Probe::new("near").on_write(move |log, cx| more(log, cx));
    let (token, peer) = world.open_narrow(probe);
    // Rising above low is what makes the first `handle_write` come.
    let sent = world.with(|cx| cx.send_to(token, vec![b'!'; LOW + 1]));
    sent.expect("there is room");
    world.drive_until("all bytes", |world| {
        world.received(peer).len() == LOW + 1 + ALL
    });
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
    crate::world::assert_same(&world.received(peer)[LOW + 1..], &pattern(ALL));
}

pub fn a_message_above_the_high_watermark_is_too_large(world: &mut World) {
    world.with_options(|options| options.with_watermarks(LOW, HIGH));
    let (token, peer) = world.open(Probe::new("near"));
    let sent = world.with(|cx| cx.send_to(token, vec![0; HIGH + 1]));
    match sent {
        Err(Error::TooLarge { len, limit }) => assert_eq!((len, limit), (HIGH + 1, HIGH)),
        other => panic!("{other:?}"),
    }
    let sent = world.with(|cx| cx.send_to(token, pattern(HIGH)));
    sent.expect("exactly the watermark fits");
    world.drive_until_received(peer, pattern(HIGH));
}

pub fn the_disconnect_policy_closes_a_slow_consumer(world: &mut World) {
    world.with_options(|options| {
        options
            .with_watermarks(LOW, HIGH)
            .with_policy(OutboxPolicy::Disconnect)
    });
    let (token, _) = stuffed(world, Probe::new("near"));
    let (_, error) = fill(world, token);
    assert!(error.is_full(), "{error}");
    assert_eq!(world.drive_to_end("near"), "SlowConsumer");
    assert_eq!(world.reactor.buffered(), 0);
}

/// The messages of a stream of `KIB` each, by their first bytes; panics if one was cut.
fn messages(mut stream: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    while let Some(first) = stream.first() {
        let len = if *first == b'.' { 1 } else { KIB };
        let message = &stream[..len.min(stream.len())];
        assert!(
            message.len() == len && message.iter().all(|byte| byte == first),
            "a message was cut after {} whole ones",
            found.len()
        );
        if *first != b'.' {
            found.push(*first);
        }
        stream = &stream[len..];
    }
    found
}

pub fn drop_oldest_drops_whole_sends_and_keeps_the_newest(world: &mut World) {
    const SENT: usize = 500;
    world.with_options(|options| {
        options
            .with_watermarks(LOW, 10 * KIB)
            .with_policy(OutboxPolicy::DropOldest)
    });
    let (token, peer) = stuffed(world, Probe::new("near"));
    for i in 0..SENT {
        let message = vec![b'A' + (i % 26) as u8; KIB];
        let sent = world.with(|cx| cx.send_to(token, message.as_slice()));
        sent.expect("older messages make room");
        assert!(world.reactor.buffered() <= 10 * KIB);
    }
    world.set_reads(peer, true);
    world.settle();
    let found = messages(world.received(peer));
    assert!(
        found.len() >= 8,
        "the newest that fit stay: {}",
        found.len()
    );
    assert!(found.len() < SENT / 2);
    let newest: Vec<u8> = (SENT - 8..SENT).map(|i| b'A' + (i % 26) as u8).collect();
    assert!(found.ends_with(&newest), "{}", found.escape_ascii());
}

/// A message that the network has taken a part of is not "unsent" any more.
pub fn drop_oldest_keeps_the_rest_of_a_message_that_was_forwarded_in_part(world: &mut World) {
    const EACH: usize = 16 * KIB; // large enough to be forwarded without a copy
    world.with_options(|options| {
        options
            .with_watermarks(LOW, 4 * EACH)
            .with_policy(OutboxPolicy::DropOldest)
    });
    let (target, peer) = world.open_narrow(Probe::new("near"));
    let (_, source) = world.open(Probe::new("source").on_read(move |log, cx| {
        let data = cx.data();
        if data.len() < EACH {
            return Ok(()); // the rest is on its way
        }
        cx.consume(EACH);
        log.note("forwarded");
        cx.send_to(target, &data[..EACH])
    }));
    world.set_reads(peer, false);
    for (i, letter) in (b'a'..=b'z').enumerate() {
        world.send_at_once(source, vec![letter; EACH]);
        world.drive_until("the message", |world| {
            world.log().count("source", "forwarded") == i + 1
        });
    }
    world.set_reads(peer, true);
    world.settle();
    let received = world.received(peer);
    assert!(received.len() < 26 * EACH, "the premise: some were dropped");
    for message in received.chunk_by(|a, b| a == b) {
        let letter = char::from(message[0]);
        assert_eq!(message.len(), EACH, "message {letter} was cut");
    }
    assert_eq!(received.last(), Some(&b'z'));
}

pub fn a_lowered_high_watermark_leaves_what_is_there(world: &mut World) {
    world.with_options(|options| options.with_watermarks(LOW, HIGH));
    let (token, peer) = stuffed(world, Probe::new("near"));
    let (taken, _) = fill(world, token);
    let lower = SourceOptions::default().with_watermarks(KIB, 2 * KIB);
    world
        .with(|cx| cx.set_source_options(token, lower))
        .expect("the source is there");
    world.settle();
    assert!(world.reactor.buffered() > 2 * KIB);
    let refused = world.with(|cx| cx.send_to(token, "x"));
    assert!(refused.is_err_and(|error| error.is_full()));
    world.set_reads(peer, true);
    world.settle();
    assert_eq!(messages(world.received(peer)).len(), taken);
    world
        .with(|cx| cx.send_to(token, "x"))
        .expect("there is room");
}

pub fn all_outboxes_together_keep_to_the_bound(world: &mut World) {
    world.rebuild(|builder| builder.max_buffered(100 * KIB));
    let (first, first_peer) = stuffed(world, Probe::new("first"));
    let (second, _) = stuffed(world, Probe::new("second"));
    let (_, error) = fill(world, first);
    assert!(matches!(error, Error::BufferedLimit { limit } if limit == 100 * KIB));
    let refused = world.with(|cx| cx.send_to(second, vec![0; 2 * KIB]));
    assert!(refused.is_err_and(|error| error.is_full()));
    assert!(world.reactor.buffered() <= 100 * KIB);
    world.set_reads(first_peer, true);
    world.settle();
    let sent = world.with(|cx| cx.send_to(second, vec![0; 50 * KIB]));
    sent.expect("the first has given its room back");
}

/// A source that is refused because of the others is told when there is room, not before: else
/// it would try in every tick, and the loop would never sleep.
pub fn the_bound_on_all_buffers_does_not_make_the_loop_spin(world: &mut World) {
    world.rebuild(|builder| builder.max_buffered(100 * KIB));
    let (first, first_peer) = stuffed(world, Probe::new("first"));
    fill(world, first);
    let probe = Probe::new("second").on_write(|log, cx| {
        match cx.send(Bytes::from_static(&[b'z'; 2 * KIB])) {
            Ok(()) => log.note("sent"),
            Err(error) => assert!(error.is_full(), "{error}"),
        }
        Ok(())
    });
    let (second, second_peer) = world.open(probe);
    let refused = world.with(|cx| cx.send_to(second, vec![b'z'; 2 * KIB]));
    assert!(refused.is_err_and(|error| error.is_full()));
    let turns = world.elapse(Duration::from_millis(50));
    assert!(turns <= 10, "{turns} turns in 50 ms for nothing");
    world.set_reads(first_peer, true);
    world.drive_until("room for the second", |world| {
        world.log().has("second", "sent")
    });
    world.drive_until_received(second_peer, [b'z'; 2 * KIB]);
}

/// Each of those that were refused is told, once.
pub fn all_that_were_refused_are_told_when_others_have_drained(world: &mut World) {
    world.rebuild(|builder| builder.max_buffered(100 * KIB));
    let (first, first_peer) = stuffed(world, Probe::new("first"));
    fill(world, first);
    for name in ["second", "third"] {
        let (token, _) = world.open(Probe::new(name));
        for _ in 0..2 {
            let refused = world.with(|cx| cx.send_to(token, vec![b'z'; 2 * KIB]));
            assert!(matches!(refused, Err(Error::BufferedLimit { .. })));
        }
    }
    world.settle();
    assert!(world.log().of("second").is_empty(), "nothing has gone yet");
    world.set_reads(first_peer, true);
    world.settle();
    assert_eq!(world.log().of("second"), ["write"]);
    assert_eq!(world.log().of("third"), ["write"]);
}

/// No draining would ever make room for it.
pub fn a_message_above_the_bound_on_all_buffers_is_too_large(world: &mut World) {
    world.rebuild(|builder| builder.max_buffered(10 * KIB));
    let (token, peer) = world.open(Probe::new("near"));
    let refused = world.with(|cx| cx.send_to(token, vec![0; 10 * KIB + 1]));
    match refused {
        Err(Error::TooLarge { len, limit }) => assert_eq!((len, limit), (10 * KIB + 1, 10 * KIB)),
        other => panic!("{other:?}"),
    }
    let sent = world.with(|cx| cx.send_to(token, pattern(10 * KIB)));
    sent.expect("exactly the bound fits");
    world.drive_until_received(peer, pattern(10 * KIB));
}

pub fn sending_to_a_listener_is_the_wrong_kind(world: &mut World) {
    let (listener, _) = world.listen(Probe::new("listener"));
    let sent = world.with(|cx| cx.send_to(listener, "x"));
    assert!(matches!(sent, Err(Error::WrongKind { token, .. }) if token == listener));
    world.settle();
    assert!(world.with(|cx| cx.is_open(listener)), "it goes on");
}

pub fn a_peer_that_has_finished_and_does_not_read_lets_the_loop_sleep(world: &mut World) {
    let probe = Probe::new("near").on_eof(|_, cx| cx.send(vec![b'x'; HIGH]));
    let (_, peer) = world.open_narrow(probe);
    world.set_reads(peer, false);
    world.finish(peer);
    world.settle();
    assert!(world.reactor.buffered() > 0, "the premise: not all fits");
    // The kernel takes some more when the peer's acknowledgement comes, which takes its time: that
    // is something to do.
    let mut before = 0;
    let mut turns = 0;
    while before != world.reactor.buffered() {
        before = world.reactor.buffered();
        turns = world.elapse(Duration::from_millis(20));
    }
    assert!(turns <= 2, "{turns} turns with nothing to do");
    world.set_reads(peer, true);
    world.drive_until_received(peer, vec![b'x'; HIGH]);
}
