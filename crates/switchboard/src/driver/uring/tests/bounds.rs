//! What happens where something is used up: a source's share of a tick, the buffers, the ring's room.
//! It must never need a second thread, nor a wait that nothing ends: each step has a bound.

use std::os::unix::net::UnixStream;

use super::*;

/// One that floods gets its share of a tick, in order, and the others get theirs: in the same one,
/// or, where the flood lies in all buffers there are, as soon as the first of them is free.
#[test]
fn a_flood_gets_its_share_of_a_tick_and_others_get_theirs() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&Setup::default());
    let (loud, quiet) = (token(0, 0), token(1, 0));
    let (mut flood, mut other) = (rig.register(loud), rig.register(quiet));
    flood.set_nonblocking(true).expect("a socket can");
    let message = pattern(4 * 1024 * 1024, 3);
    let (mut written, mut questions) = (0, 0);
    for tick in 0..TICKS {
        while let Ok(n @ 1..) = flood.write(&message[written..]) {
            written += n;
        }
        other.write_all(b"?").expect("it fits");
        questions += 1;
        let before = rig.len(loud);
        rig.tick();
        assert!(rig.len(loud) - before <= READ_BUFFER);
        let late = questions - rig.len(quiet);
        assert!(
            late <= if tick < 4 { 2 } else { 0 },
            "{late} in tick {tick}"
        );
        if rig.len(loud) == message.len() {
            break;
        }
    }
    assert!(rig.bytes[&loud] == message, "{} bytes", rig.len(loud));
}

/// Each gets all of its share, wherever the kernel's buffers end: the fewer ticks, the fewer calls.
#[test]
fn many_floods_get_whole_shares() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&Setup::default());
    let all: Vec<Token> = (0..16).map(|slot| token(slot, 0)).collect();
    let mut far: Vec<StdStream> = all.iter().map(|token| rig.register(*token)).collect();
    for far in &far {
        far.set_nonblocking(true).expect("a socket can");
    }
    let message = pattern(4 * READ_BUFFER, 3);
    let mut written = vec![0; far.len()];
    let mut sated = 0;
    for _ in 0..TICKS {
        for (far, written) in far.iter_mut().zip(&mut written) {
            while let Ok(n @ 1..) = far.write(&message[*written..]) {
                *written += n;
            }
        }
        let before: Vec<usize> = all.iter().map(|token| rig.len(*token)).collect();
        rig.tick();
        for told in &rig.uring.put_off {
            let token = rig.uring.table.at(told.place()).token;
            let got = rig.len(token) - before[token.slot as usize];
            assert!(got > READ_BUFFER - 4096, "{token} has more, and got {got}");
            sated += 1;
        }
        if all.iter().all(|token| rig.len(*token) == message.len()) {
            break;
        }
    }
    assert!(sated > 0, "the premise: some have more than a share");
    for token in &all {
        assert!(rig.bytes[token] == message, "{token}");
    }
}

/// It is the last of the memory, so whatever waits for the ring has to wait for longer.
#[test]
fn what_the_ring_refuses_is_queued_with_the_next_wait() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&Setup::default());
    let all: Vec<Token> = (0..20).map(|slot| token(slot, 0)).collect();
    let mut far: Vec<StdStream> = all.iter().map(|token| rig.register(*token)).collect();
    for far in &mut far {
        far.write_all(b"hello").expect("it fits");
    }
    for taken in [0, 7, 5] {
        rig.uring.ring.refuses_after = Some(taken);
        let refused = rig.uring.wait(TICK).expect_err("it refuses");
        assert_eq!(refused.raw_os_error(), Some(libc::ENOMEM));
        assert!(rig.uring.has_backlog(), "some are not armed");
    }
    rig.uring.ring.refuses_after = None;
    rig.tick_until("what all have sent", |rig| {
        all.iter().all(|token| rig.len(*token) == 5)
    });
    for token in &all {
        rig.uring.close(*token);
    }
    rig.uring.ring.refuses_after = Some(7);
    rig.uring.finish_closing().expect_err("it refuses");
    rig.uring.ring.refuses_after = None;
    rig.uring.rest().expect("it can wait");
    assert_eq!(rig.uring.table.ended(), 0, "all places are free");
}

/// A multishot receive would take all buffers that there are for one that floods.
#[test]
fn who_has_had_too_much_receives_once_at_a_time_until_that_is_little() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&Setup::default());
    let it = token(0, 0);
    let mut far = rig.register(it);
    let is_greedy = |rig: &mut Rig| {
        let (_, place) = rig.uring.table.find(it).expect("it is there");
        place.any(table::GREEDY)
    };
    far.set_nonblocking(true).expect("a socket can");
    let message = pattern(8 * READ_BUFFER, 3);
    let (mut written, mut was_greedy) = (0, false);
    for _ in 0..TICKS {
        while let Ok(n @ 1..) = far.write(&message[written..]) {
            written += n;
        }
        rig.tick();
        was_greedy |= is_greedy(&mut rig);
        if rig.len(it) == message.len() {
            break;
        }
    }
    assert!(was_greedy && rig.bytes[&it] == message);
    for answers in 1..3 {
        far.write_all(b"a little").expect("it fits");
        rig.tick_until("it", |rig| rig.len(it) == message.len() + 8 * answers);
    }
    assert!(!is_greedy(&mut rig));
}

#[test]
fn no_more_is_kept_for_paused_sources_than_the_bound() {
    if !works() {
        return;
    }
    let setup = Setup {
        max_kept: 10_000,
        ..Setup::default()
    };
    let mut rig = Rig::new(&setup);
    let all: Vec<Token> = (0..3).map(|slot| token(slot, 0)).collect();
    let mut far: Vec<StdStream> = all.iter().map(|token| rig.register(*token)).collect();
    rig.tick();
    for token in &all {
        rig.uring.set_reading(*token, false);
    }
    let message = pattern(6000, 1);
    far[0].write_all(&message).expect("it fits");
    (0..3).for_each(|_| rig.tick());
    assert!(rig.notes.is_empty());
    far[1].write_all(&message).expect("it fits");
    rig.tick_until("the failure of the second", |rig| {
        rig.told(all[1], "failed")
    });
    rig.uring.set_reading(all[1], true);
    far[1].write_all(&message).expect("it fits");
    (0..3).for_each(|_| rig.tick());
    assert_eq!(rig.len(all[1]), 0, "its bytes would have a gap");
    rig.uring.set_reading(all[0], true);
    rig.tick_until("what was kept", |rig| rig.len(all[0]) == 6000);
    // There is room again, for this one and for the next.
    far[2].write_all(&message).expect("it fits");
    (0..3).for_each(|_| rig.tick());
    rig.uring.close(all[2]);
    rig.uring.set_reading(all[0], false);
    far[0].write_all(&message).expect("it fits");
    (0..3).for_each(|_| rig.tick());
    rig.uring.set_reading(all[0], true);
    rig.tick_until("all of it", |rig| rig.len(all[0]) == 12_000);
    assert_eq!(rig.notes.len(), 1);
}

/// A Unix socket tells whenever its peer has taken something: who was once blocked must not be
/// told of that for ever.
#[test]
fn a_peer_that_takes_what_was_sent_ends_no_wait() {
    if !works() {
        return;
    }
    let mut rig = Rig::new(&TINY);
    let it = token(2, 1);
    let (near, mut far) = UnixStream::pair().expect("there are descriptors");
    far.set_nonblocking(true).expect("a socket can");
    let near = crate::Stream::try_from(near).expect("a socket can");
    let registered = rig.uring.register(it, Resource::Stream(near));
    registered.expect("it is open");
    let mut outbox = Outbox::default();
    outbox.push(&vec![b'x'; 1 << 20]);
    let (mut taken, mut buffer) = (0, vec![0; 1 << 20]);
    while taken < 1 << 20 {
        rig.uring.send(it, &mut outbox).expect("it is open");
        rig.tick();
        for mut rest in std::mem::take(&mut rig.unsent) {
            rest.append(&mut outbox);
            outbox = rest;
        }
        while let Ok(n @ 1..) = far.read(&mut buffer) {
            taken += n;
        }
    }
    assert!(rig.told(it, "sent"), "it was never blocked");
    let mut told = 0;
    for _ in 0..20 {
        assert!(rig.send(&[(it, b"x".to_vec())]), "it is open");
        rig.tick_for(Some(Duration::ZERO));
        assert_eq!(far.read(&mut buffer).expect("it was sent"), 1);
        rig.uring
            .wait(Some(Duration::ZERO))
            .expect("the kernel works");
        told += rig.uring.told.len();
        while rig.uring.next().is_some() {}
    }
    // That there is room for nobody; then, that this is not asked any more.
    assert!(told <= 2, "{told} waits have ended");
}
