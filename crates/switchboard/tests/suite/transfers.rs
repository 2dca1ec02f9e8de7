//! Transfers: a file to a file or to a connection, whole, in little memory, and told when it is done.

use switchboard::{Error, FileOutcome, OpenOptions};

use crate::files::{drive_until_noted, large, opener, to_append, to_read};
use crate::probe::Probe;
use crate::world::{Peer, World};

/// A connection whose peer has a file sent by a word.
fn sender(world: &mut World, range: std::ops::Range<u64>) -> Peer {
    let path = world.path("file");
    world.put(&path, &large());
    let probe = Probe::new("near").on_read(move |_, cx| {
        cx.recv(usize::MAX);
        cx.send("head ")?;
        let file = cx.open_file(&path, to_read())?;
        cx.send_file(file, range.clone())?;
        cx.close_file(file).map(drop)
    });
    let probe = probe.on_file(|log, cx, done| match done.result? {
        FileOutcome::Sent { len } => {
            log.note(format_args!("sent {len}"));
            cx.send(" tail")?;
            cx.close();
            Ok(())
        }
        _ => Ok(()),
    });
    let (_, peer) = world.open_narrow(probe);
    peer
}

pub fn a_copy_is_whole(world: &mut World) {
    let (from, to) = (world.path("from"), world.path("to"));
    world.put(&from, &large());
    let target = to.clone();
    let probe = opener("near", move |_, cx, from| {
        let to = cx.open_file(&target, OpenOptions::new().write(true).create(true))?;
        let copy = cx.copy_file(from, to)?;
        assert_ne!(copy, cx.close_file(from)?, "which waits for the copy");
        cx.close_file(to).map(drop)
    });
    world.open_file(&from, to_read(), probe);
    world.drive_until("both are closed", |world| {
        world.log().count("near", "Closed") == 2
    });
    assert!(world.log().has("near", "Copied { len: 3000000 }"));
    assert!(world.content(&to).expect("it was made") == large());
}

pub fn a_copy_goes_behind_the_end_of_what_is_appended_to(world: &mut World) {
    let (from, to) = (world.path("from"), world.path("to"));
    world.put(&from, b"and more");
    world.put(&to, b"some ");
    let target = to.clone();
    let probe = opener("near", move |_, cx, from| {
        let to = cx.open_file(&target, to_append())?;
        cx.copy_file(from, to).map(drop)
    });
    world.open_file(&from, to_read(), probe);
    drive_until_noted(world, "near", "Copied { len: 8 }");
    assert_eq!(world.content(&to).as_deref(), Some(&b"some and more"[..]));
}

pub fn a_copy_that_fails_says_why_once(world: &mut World) {
    let (from, to) = (world.path("from"), world.path("to"));
    world.put(&from, &large());
    world.put(&to, b"");
    let probe = opener("near", move |log, cx, from| {
        assert!(cx.copy_file(from, from).is_err());
        let to = cx.open_file(&to, to_read())?;
        log.note("asked");
        cx.copy_file(from, to)?;
        cx.close_file(to)?;
        cx.close_file(from).map(drop)
    });
    world.open_file(&from, to_read(), probe);
    world.drive_until("both are closed", |world| {
        world.log().count("near", "Closed") == 2
    });
    let notes = world.log().of("near");
    assert_eq!(
        notes.len(),
        6,
        "opened, asked, opened, an error, closed twice: {notes:?}"
    );
    assert!(!notes.iter().any(|note| note.starts_with("Copied")));
}

pub fn a_copy_ends_with_the_source_that_asked(world: &mut World) {
    world.rebuild(|builder| builder.max_file_bytes(1 << 20).max_files(2));
    let (from, to) = (world.path("from"), world.path("to"));
    world.put(&from, &large());
    let target = to.clone();
    let probe = opener("near", move |_, cx, from| {
        let to = cx.open_file(&target, OpenOptions::new().write(true).create(true))?;
        cx.copy_file(from, to)?;
        cx.copy_file(from, to)?;
        let full = cx.copy_file(from, to);
        assert!(matches!(full, Err(Error::FileBytes { limit: 1048576 })));
        cx.abort();
        Ok(())
    });
    world.open_file(&from, to_read(), probe);
    world.drive_to_end("near");
    world.drive_until("the end of all", |world| world.reactor.is_done());
    let content = world.content(&to).unwrap_or_default();
    assert!(large().starts_with(&content));
    // All is free again.
    let next = opener("next", move |_, cx, from| {
        let to = cx.open_file(&to, OpenOptions::new().write(true).create(true))?;
        cx.copy_file(from, to).map(drop)
    });
    world.open_file(&from, to_read(), next);
    drive_until_noted(world, "next", "Copied { len: 3000000 }");
}

/// All is asked before anybody knows that there is no such file.
pub fn a_file_that_is_not_there_is_closed_after_its_copy_has_failed(world: &mut World) {
    let (missing, to) = (world.path("missing"), world.path("to"));
    world.put(&to, b"");
    let probe = opener("near", move |_, cx, to| {
        let from = cx.open_file(&missing, to_read())?;
        cx.copy_file(from, to)?;
        cx.close_file(from)?;
        cx.close_file(to).map(drop)
    });
    let token = world.open_file(&to, OpenOptions::new().write(true), probe);
    world.drive_until("the open, the copy and the close have failed", |world| {
        world.log().count("near", "NotFound") == 3
    });
    drive_until_noted(world, "near", "Closed");
    world.with(|cx| cx.close_source(token));
    world.drive_until("the end of all", |world| world.reactor.is_done());
}

pub fn a_file_is_sent_to_a_peer_that_reads_slowly(world: &mut World) {
    let peer = sender(world, 0..u64::MAX);
    world.set_reads(peer, false);
    world.send(peer, "go");
    world.drive_until("a full outbox", |world| {
        world.reactor.buffered() > 64 * 1024
    });
    world.settle();
    // What may wait before a part follows, and that part: never the whole file.
    assert!(world.reactor.buffered() <= 64 * 1024 + 256 * 1024);
    assert!(!world.log().has("near", "sent 3000000"));
    world.set_reads(peer, true);
    let mut expected = b"head ".to_vec();
    expected.extend_from_slice(&large());
    expected.extend_from_slice(b" tail");
    world.drive_until_received(peer, &expected);
    assert!(world.log().has("near", "sent 3000000"));
}

pub fn a_part_of_a_file_is_sent(world: &mut World) {
    let peer = sender(world, 1_000_000..1_700_001);
    world.send(peer, "go");
    let mut expected = b"head ".to_vec();
    expected.extend_from_slice(&large()[1_000_000..1_700_001]);
    expected.extend_from_slice(b" tail");
    world.drive_until_received(peer, &expected);
}

pub fn what_lies_behind_the_end_of_a_file_is_nothing_to_send(world: &mut World) {
    let peer = sender(world, 3_000_000..4_000_000);
    world.send(peer, "go");
    world.drive_until_received(peer, "head  tail");
}

pub fn a_file_is_sent_by_a_connection_with_a_small_outbox(world: &mut World) {
    world.with_options(|options| options.with_watermarks(1000, 3000));
    let peer = sender(world, 0..100_000);
    world.send(peer, "go");
    let mut expected = b"head ".to_vec();
    expected.extend_from_slice(&large()[..100_000]);
    expected.extend_from_slice(b" tail");
    world.drive_until_received(peer, &expected);
    assert!(world.log().has("near", "sent 100000"));
}

pub fn who_has_no_connection_sends_no_file(world: &mut World) {
    let path = world.path("file");
    world.put(&path, b"content");
    let probe = opener("near", |log, cx, file| {
        let refused = cx.send_file(file, ..);
        assert!(matches!(refused, Err(Error::WrongKind { .. })));
        log.note("refused");
        Ok(())
    });
    world.open_file(&path, to_read(), probe);
    drive_until_noted(world, "near", "refused");
}
