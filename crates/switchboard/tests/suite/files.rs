//! Files: what was asked is done in order, whatever becomes of the source, and told to who asked.

use switchboard::{Bytes, Context, Error, FileId, FileOutcome, OpenOptions, Result};

use crate::probe::{Log, Probe};
use crate::world::World;

pub fn new_file() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create_new(true)
}

pub fn to_append() -> OpenOptions {
    OpenOptions::new().append(true).create(true)
}

pub fn to_read() -> OpenOptions {
    OpenOptions::new().read(true)
}

/// A probe that does `ask` once its first file is open.
pub fn opener(
    name: &'static str,
    ask: impl FnOnce(&mut Log, &mut Context<'_, Log>, FileId) -> Result + 'static,
) -> Probe {
    let mut ask = Some(ask);
    Probe::new(name).on_file(move |log, cx, done| match done.result {
        Ok(FileOutcome::Opened { .. }) => match ask.take() {
            Some(ask) => ask(log, cx, done.file),
            None => Ok(()), // another one, which it has asked for
        },
        _ => Ok(()),
    })
}

pub fn drive_until_noted(world: &mut World, name: &'static str, note: &str) {
    world.drive_until(note, |world| world.log().has(name, note));
}

pub fn large() -> Bytes {
    let pattern = |byte: u32| (byte % 251) as u8;
    (0..3_000_000).map(pattern).collect::<Vec<u8>>().into()
}

pub fn what_is_asked_of_a_file_is_done_in_that_order(world: &mut World) {
    let path = world.path("file");
    let probe = opener("near", |_, cx, file| {
        cx.write_file(file, 0, "one two")?;
        cx.read_file(file, 4, 100)?;
        cx.write_file(file, 4, "three")?;
        cx.sync_file(file)?;
        cx.sync_file_data(file)?;
        cx.read_file(file, 0, 100)?;
        cx.close_file(file).map(drop)
    });
    world.open_file(&path, new_file(), probe);
    drive_until_noted(world, "near", "Closed");
    let notes = [
        "opened 0",
        "written 7",
        "read 3 at 4",
        "written 5",
        "Synced",
        "Synced",
        "read 9 at 0",
        "Closed",
    ];
    assert_eq!(world.log().of("near"), notes);
    assert_eq!(world.log().bytes("near"), b"twoone three");
    assert_eq!(world.content(&path).as_deref(), Some(&b"one three"[..]));
}

/// A connection's handler asks in one call.
pub fn all_can_be_asked_before_the_file_is_open(world: &mut World) {
    let path = world.path("log");
    let log = path.clone();
    let probe = Probe::new("near")
        .on_read(move |_, cx| {
            let line = cx.recv(usize::MAX).to_vec();
            let file = cx.open_file(&log, to_append())?;
            let mut asked = vec![
                cx.append_file(file, line.clone())?,
                cx.append_file(file, line)?,
                cx.sync_file(file)?,
                cx.close_file(file)?,
            ];
            asked.dedup();
            assert_eq!(asked.len(), 4, "each has a name of its own");
            Ok(())
        })
        .on_file(|_, cx, done| match done.result? {
            FileOutcome::Closed => cx.send("kept"),
            _ => Ok(()),
        });
    let (_, peer) = world.open(probe);
    world.send(peer, "line\n");
    world.drive_until_received(peer, "kept");
    assert_eq!(world.content(&path).as_deref(), Some(&b"line\nline\n"[..]));
}

pub fn a_read_ends_where_the_file_does(world: &mut World) {
    let path = world.path("file");
    world.put(&path, b"0123456789");
    let probe = opener("near", |_, cx, file| {
        for (offset, len) in [(0, 4), (8, 4), (10, 4), (1 << 40, 4), (3, 0)] {
            cx.read_file(file, offset, len)?;
        }
        cx.close_file(file).map(drop)
    });
    world.open_file(&path, to_read(), probe);
    drive_until_noted(world, "near", "Closed");
    let notes = [
        "opened 10",
        "read 4 at 0",
        "read 2 at 8",
        "read 0 at 10",
        "read 0 at 1099511627776",
        "read 0 at 3",
        "Closed",
    ];
    assert_eq!(world.log().of("near"), notes);
    assert_eq!(world.log().bytes("near"), b"012389");
}

pub fn what_is_written_replaces_what_was_there_and_a_gap_reads_as_zeros(world: &mut World) {
    let path = world.path("file");
    world.put(&path, b"old content");
    let probe = opener("near", |_, cx, file| {
        cx.write_file(file, 0, "new")?;
        cx.write_file(file, 13, "end")?;
        cx.write_file(file, 20, "")?;
        cx.close_file(file).map(drop)
    });
    world.open_file(&path, OpenOptions::new().write(true), probe);
    drive_until_noted(world, "near", "Closed");
    let content = world.content(&path).expect("it is there");
    assert_eq!(content, b"new content\0\0end");
}

pub fn a_file_is_made_anew_or_emptied_if_that_was_asked(world: &mut World) {
    let path = world.path("file");
    world.put(&path, b"content");
    let write = OpenOptions::new().write(true);
    let closes = |name| opener(name, |_, cx, file| cx.close_file(file).map(drop));
    world.open_file(&path, new_file(), closes("new"));
    drive_until_noted(world, "new", "AlreadyExists");
    world.open_file(&path, write.create(true), closes("kept"));
    drive_until_noted(world, "kept", "Closed");
    assert_eq!(world.content(&path).as_deref(), Some(&b"content"[..]));
    world.open_file(&path, write.truncate(true), closes("emptied"));
    drive_until_noted(world, "emptied", "Closed");
    assert_eq!(world.content(&path).as_deref(), Some(&b""[..]));
    assert_eq!(world.log().of("emptied")[0], "opened 0");
}

pub fn large_writes_and_reads_are_whole(world: &mut World) {
    let path = world.path("file");
    let probe = opener("near", |_, cx, file| {
        cx.write_file(file, 100, large())?;
        cx.read_file(file, 100, 5_000_000)?;
        cx.close_file(file).map(drop)
    });
    world.open_file(&path, new_file(), probe);
    drive_until_noted(world, "near", "Closed");
    assert!(world.log().has("near", "written 3000000"));
    assert!(world.log().has("near", "read 3000000 at 100"));
    assert!(world.log().bytes("near") == large(), "other bytes");
    let content = world.content(&path).expect("it is there");
    assert!(content[..100] == [0; 100] && content[100..] == large());
}

/// Two handlers share the name of a file that belongs to a third one.
pub fn two_sources_append_to_one_file(world: &mut World) {
    let path = world.path("log");
    let shared = std::rc::Rc::new(std::cell::Cell::new(None));
    let file = shared.clone();
    let owner = opener("owner", move |_, _, opened| {
        file.set(Some(opened));
        Ok(())
    });
    world.open_file(&path, to_append(), owner);
    drive_until_noted(world, "owner", "opened 0");
    let file = shared.get().expect("it is open");
    let writer = |name| {
        Probe::new(name).on_read(move |_, cx| {
            let line = cx.recv(usize::MAX).to_vec();
            cx.append_file(file, line).map(drop)
        })
    };
    let (_, first) = world.open(writer("first"));
    let (_, second) = world.open(writer("second"));
    for round in 1..=20 {
        world.send(first, "a");
        world.send(second, "bb");
        world.drive_until("both", |world| {
            let log = world.log();
            log.count("first", "written 1") == round && log.count("second", "written 2") == round
        });
    }
    let content = world.content(&path).expect("it is there");
    assert_eq!(content.len(), 60);
    let a = content.iter().filter(|byte| **byte == b'a').count();
    assert_eq!(a, 20, "{content:?}");
    assert_eq!(world.log().of("owner"), ["opened 0"], "who asked is told");
}

pub fn files_go_on_side_by_side(world: &mut World) {
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let path = world.path(name);
        let probe = opener(name, move |_, cx, file| {
            for line in 0..50 {
                cx.write_file(file, line * 3, name.repeat(3))?;
            }
            cx.read_file(file, 0, 1000)?;
            cx.close_file(file)?;
            Ok(())
        });
        world.open_file(&path, new_file(), probe);
    }
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        drive_until_noted(world, name, "Closed");
        assert_eq!(world.log().bytes(name), name.repeat(150).as_bytes());
    }
}

pub fn a_closed_file_is_stale(world: &mut World) {
    let path = world.path("file");
    let probe = opener("near", |log, cx, file| {
        cx.close_file(file)?;
        let refused = [
            cx.read_file(file, 0, 1),
            cx.write_file(file, 0, "x"),
            cx.append_file(file, "x"),
            cx.sync_file(file),
            cx.close_file(file),
        ];
        let is_stale = |result| matches!(result, Err(Error::StaleFile(_)));
        assert!(refused.into_iter().all(is_stale));
        log.note("refused");
        Ok(())
    });
    world.open_file(&path, new_file(), probe);
    drive_until_noted(world, "near", "Closed");
    assert_eq!(world.log().of("near"), ["opened 0", "refused", "Closed"]);
}

pub fn a_file_is_closed_with_the_source_that_opened_it(world: &mut World) {
    world.rebuild(|builder| builder.max_files(1));
    let path = world.path("file");
    let token = world.open_file(&path, new_file(), Probe::new("first"));
    drive_until_noted(world, "first", "opened 0");
    let full = world.with(|cx| cx.open(&path, to_read(), Probe::new("refused")));
    assert!(matches!(full, Err(Error::TooManyFiles { limit: 1 })));
    world.with(|cx| cx.close_source(token));
    world.drive_to_end("first");
    world.drive_until("its end", |world| world.reactor.is_done());
    world.open_file(&path, to_read(), Probe::new("second"));
    drive_until_noted(world, "second", "opened 0");
    assert_eq!(world.log().of("first"), ["opened 0", "closed Requested"]);
}

pub fn what_a_source_has_asked_is_done_though_it_has_ended(world: &mut World) {
    let path = world.path("file");
    let probe = opener("near", |_, cx, file| {
        cx.write_file(file, 0, large())?;
        cx.write_file(file, 0, "last words")?;
        cx.read_file(file, 0, 1_000_000)?;
        cx.abort();
        Ok(())
    });
    world.open_file(&path, new_file(), probe);
    world.drive_to_end("near");
    assert_eq!(world.log().of("near"), ["opened 0", "closed Aborted"]);
    // The next source in its slot is none of theirs.
    let (_, peer) = world.open(Probe::new("next"));
    world.drive_until("the writes", |world| {
        let content = world.content(&path).unwrap_or_default();
        content.len() == large().len() && content.starts_with(b"last words")
    });
    assert!(world.log().of("next").is_empty());
    world.leave(peer);
    world.drive_to_end("next");
    world.drive_until("the end of all", |world| world.reactor.is_done());
}

pub fn a_shutdown_waits_for_what_was_asked(world: &mut World) {
    let path = world.path("file");
    let probe = opener("near", |_, cx, file| {
        cx.write_file(file, 0, large())?;
        cx.sync_file(file)?;
        cx.write_file(file, 0, "last words")?;
        cx.stop();
        Ok(())
    });
    world.open_file(&path, new_file(), probe);
    world.reactor.run().expect("it runs");
    assert_eq!(world.log().why("near"), Some("Shutdown"));
    let content = world.content(&path).expect("it is there");
    assert_eq!(content.len(), large().len());
    assert!(content.starts_with(b"last words"));
}

pub fn a_reactor_that_is_dropped_leaves_a_beginning(world: &mut World) {
    let path = world.path("file");
    let probe = opener("near", |_, cx, file| {
        for _ in 0..10 {
            cx.write_file(file, 0, large())?;
            cx.read_file(file, 0, 3_000_000)?;
        }
        Ok(())
    });
    world.open_file(&path, new_file(), probe);
    drive_until_noted(world, "near", "opened 0");
    world.rebuild(|builder| builder);
    let content = world.content(&path).expect("it was made");
    assert!(large().starts_with(&content));
}
