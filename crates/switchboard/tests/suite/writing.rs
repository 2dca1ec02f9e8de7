//! What a handler sends arrives: whole, in order, once, however slowly it is read.

use std::time::Duration;

use switchboard::{Bytes, Token};

use crate::probe::Probe;
use crate::world::{World, assert_same, pattern};

const MIB: usize = 1024 * 1024;

pub fn megabytes_reach_a_slow_reader_whole_and_in_order(world: &mut World) {
    world.with_options(|options| options.with_watermarks(MIB, 8 * MIB));
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    let message = pattern(4 * MIB);
    world
        .with(|cx| cx.send_to(token, message.as_slice()))
        .expect("it is below the watermark");
    world.settle();
    assert!(world.reactor.buffered() > MIB, "nobody reads");
    world.set_reads(peer, true);
    world.drive_until_received(peer, &message);
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn small_sends_keep_their_order(world: &mut World) {
    let probe = Probe::new("near").on_read(|_, cx| {
        cx.recv(usize::MAX);
        (0..5000).try_for_each(|i| cx.send(format!("{i} ").as_str()))
    });
    let (_, peer) = world.open_narrow(probe);
    world.send(peer, "go");
    let expected: String = (0..5000).map(|i| format!("{i} ")).collect();
    world.drive_until_received(peer, expected);
}

pub fn shared_and_copied_bytes_keep_their_order(world: &mut World) {
    let (token, peer) = world.open_narrow(Probe::new("near"));
    let shared = Bytes::from(pattern(40_000));
    let mut expected = Vec::new();
    world.with(|cx| {
        for i in 0..8u8 {
            let small = [b'0' + i; 10];
            cx.send_to(token, &small).expect("there is room");
            cx.send_to(token, shared.clone()).expect("there is room");
            cx.send_to(token, vec![b'a' + i; 20_000])
                .expect("there is room");
            expected.extend(small);
            expected.extend(&shared);
            expected.extend([b'a' + i; 20_000]);
        }
    });
    world.drive_until_received(peer, expected);
}

pub fn a_send_to_another_source_arrives(world: &mut World) {
    let (other, far) = world.open(Probe::new("other"));
    let (_, peer) = world.open(Probe::new("near").on_read(move |_, cx| {
        let data = cx.recv(usize::MAX);
        cx.send_to(other, data)
    }));
    world.send(peer, "for the other");
    world.drive_until_received(far, "for the other");
    world.send(peer, pattern(100_000)); // large enough to be forwarded without a copy
    world.drive_until("the rest", |world| world.received(far).len() == 100_013);
    assert_same(&world.received(far)[13..], &pattern(100_000));
    assert!(world.received(peer).is_empty());
}

pub fn an_empty_send_is_nothing(world: &mut World) {
    let (token, peer) = world.open(Probe::new("near"));
    world.with(|cx| {
        cx.send_to(token, "").expect("nothing fits always");
        cx.send_to(token, Bytes::new())
            .expect("nothing fits always");
        cx.send_to(token, "x").expect("there is room");
        assert_eq!(cx.source_outbox_len(token), 1);
    });
    world.drive_until_received(peer, "x");
}

pub fn what_is_forwarded_arrives_whole_at_a_slow_reader(world: &mut World) {
    let (_, peer) = world.open_narrow(Probe::echo("near"));
    let message = pattern(3 * MIB);
    world.set_reads(peer, false);
    world.send(peer, &message);
    world.settle();
    world.set_reads(peer, true);
    world.drive_until_received(peer, &message);
}

/// Echoes with something before and after each portion, and tells what the peer must receive.
fn wrapped(before: &'static str, after: &'static str) -> Probe {
    Probe::new("near").on_read(move |log, cx| {
        let data = cx.recv(usize::MAX);
        log.keep(before.as_bytes());
        log.keep(data);
        log.keep(after.as_bytes());
        cx.send(before)?;
        cx.send(data)?;
        cx.send(after)
    })
}

fn assert_wrapping_is_kept(world: &mut World, probe: Probe) {
    let (_, peer) = world.open_narrow(probe);
    world.set_reads(peer, false);
    world.send(peer, pattern(MIB));
    world.settle();
    world.set_reads(peer, true);
    world.drive_until("all of it", |world| {
        world.unsent(peer) == 0 && world.reactor.buffered() == 0
    });
    world.settle();
    assert!(world.received(peer).len() > MIB);
    assert_same(world.received(peer), world.log().bytes("near"));
}

pub fn a_send_before_the_forwarded_bytes_stays_before_them(world: &mut World) {
    assert_wrapping_is_kept(world, wrapped("before", ""));
}

pub fn a_send_after_the_forwarded_bytes_stays_after_them(world: &mut World) {
    assert_wrapping_is_kept(world, wrapped("", "after"));
}

pub fn bytes_can_be_forwarded_to_two_sources(world: &mut World) {
    let (first, first_peer) = world.open_narrow(Probe::new("first"));
    let (second, second_peer) = world.open_narrow(Probe::new("second"));
    let (_, peer) = world.open(Probe::new("near").on_read(move |_, cx| {
        let data = cx.recv(usize::MAX);
        cx.send_to(first, data)?;
        cx.send_to(second, &data[data.len() / 2..])?;
        cx.send_to(first, "|")
    }));
    world.set_reads(first_peer, false);
    world.send_at_once(peer, pattern(100_000));
    world.settle();
    world.set_reads(first_peer, true);
    world.settle();
    let sent: Vec<u8> = world.received(first_peer).to_vec();
    let bars = sent.len() - 100_000;
    assert!(bars >= 1);
    if bars == 1 {
        assert_same(&sent[..100_000], &pattern(100_000));
        assert_same(world.received(second_peer), &pattern(100_000)[50_000..]);
    }
}

pub fn backpressure_stops_reading_from_a_peer_that_does_not_read(world: &mut World) {
    world.with_options(|options| options.with_watermarks(16 * 1024, MIB));
    let (_, peer) = world.open_narrow(Probe::echo("near"));
    world.set_reads(peer, false);
    world.send(peer, pattern(8 * MIB));
    world.settle();
    assert!(world.unsent(peer) > 6 * MIB, "the peer does not wait");
    assert!(world.reactor.buffered() <= MIB);
    assert_eq!(world.log().why("near"), None);
    world.set_reads(peer, true);
    world.drive_until_received(peer, pattern(8 * MIB));
}

pub fn without_backpressure_reading_goes_on(world: &mut World) {
    world.with_options(|options| options.with_watermarks(1024, MIB).with_backpressure(false));
    let (token, peer) = world.open_narrow(Probe::new("near"));
    world.set_reads(peer, false);
    let sent = world.with(|cx| cx.send_to(token, vec![0; MIB]));
    sent.expect("it is at the watermark");
    world.send(peer, pattern(MIB));
    world.drive_until("all bytes", |world| world.log().bytes("near").len() == MIB);
    assert!(world.reactor.buffered() > 1024, "the outbox is still full");
}

pub fn shared_bytes_reach_many_and_are_counted_for_each(world: &mut World) {
    let ends: Vec<_> = (0..20)
        .map(|_| world.open_narrow(Probe::new("near")))
        .collect();
    let (tokens, peers): (Vec<Token>, Vec<_>) = ends.into_iter().unzip();
    for peer in &peers {
        world.set_reads(*peer, false);
    }
    let news = Bytes::from(pattern(600_000));
    world.with(|cx| {
        for token in &tokens {
            cx.send_to(*token, &news).expect("there is room");
        }
        assert_eq!(cx.source_outbox_len(tokens[0]), 600_000);
    });
    assert_eq!(world.reactor.buffered(), 20 * 600_000);
    world.turn(Duration::ZERO).expect("a turn goes well");
    for peer in &peers {
        world.set_reads(*peer, true);
    }
    for peer in peers {
        world.drive_until_received(peer, &news);
    }
    assert_eq!(world.reactor.buffered(), 0);
}
