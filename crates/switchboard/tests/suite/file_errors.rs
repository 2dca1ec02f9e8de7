//! Files that cannot be opened, written or read, and what is asked beyond the bounds.

#[cfg(unix)]
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use switchboard::{Context, Error, FileOutcome, OpenOptions};

#[cfg(unix)]
use crate::files::large;
use crate::files::{drive_until_noted, new_file, opener, to_append, to_read};
use crate::probe::{Log, Probe};
use crate::world::World;

pub fn a_file_that_cannot_be_opened_is_an_error_for_all_that_was_asked(world: &mut World) {
    let path = world.path("missing");
    let probe = Probe::new("near")
        .on_read(move |_, cx| {
            cx.recv(usize::MAX);
            let file = cx.open_file(&path, to_read())?;
            cx.read_file(file, 0, 1)?;
            cx.close_file(file).map(drop)
        })
        .on_file(|log, cx, done| {
            let error = done.result.expect_err("there is no file").to_string();
            assert!(error.contains("missing"), "{error}");
            let stale = cx.sync_file(done.file);
            assert!(matches!(stale, Err(Error::StaleFile(file)) if file == done.file));
            log.note("stale");
            Ok(())
        });
    let (_, peer) = world.open(probe);
    world.send(peer, "go");
    world.drive_until("three errors", |world| world.log().of("near").len() == 6);
    let notes = ["NotFound", "stale"].repeat(3);
    assert_eq!(world.log().of("near"), notes);
}

pub fn a_file_that_is_not_opened_for_it_cannot_be_written_or_read(world: &mut World) {
    let path = world.path("file");
    world.put(&path, b"content");
    let write = OpenOptions::new().write(true);
    for (name, options) in [("reader", to_read()), ("writer", write)] {
        let probe = opener(name, |_, cx, file| {
            cx.read_file(file, 0, 7)?;
            cx.write_file(file, 0, "CONTENT")?;
            cx.close_file(file).map(drop)
        });
        world.open_file(&path, options, probe);
        drive_until_noted(world, name, "Closed");
        let done = world.log().of(name).len();
        assert_eq!(done, 4);
    }
    assert!(world.log().has("reader", "read 7 at 0"));
    assert!(!world.log().has("reader", "written 7"));
    assert!(world.log().has("writer", "written 7"));
    assert!(!world.log().has("writer", "read 7 at 0"));
}

pub fn what_makes_no_sense_is_an_error_at_once(world: &mut World) {
    let path = world.path("file");
    let none = OpenOptions::new();
    for (options, says) in [
        (none, "read, write or append"),
        (to_append().truncate(true), "not truncated"),
        (to_append().write(true), "no other place"),
        (to_read().create(true), "to write or append, too"),
        (to_read().truncate(true), "to write or append, too"),
    ] {
        let refused = world.with(|cx| cx.open(&path, options, Probe::new("refused")));
        let error = refused.expect_err("it makes no sense").to_string();
        assert!(error.contains(says), "{error}");
    }
    let appends = opener("appends", |log, cx, file| {
        let refused = cx.write_file(file, 0, "x").expect_err("it appends");
        log.note(refused);
        cx.close_file(file).map(drop)
    });
    world.open_file(&path, to_append(), appends);
    drive_until_noted(world, "appends", "Closed");
    assert!(world.log().of("appends")[1].ends_with("call `append_file`"));
    let writes = opener("writes", |_, cx, file| {
        assert!(cx.append_file(file, "x").is_err());
        assert!(cx.read_file(file, u64::MAX, 1).is_err());
        assert!(cx.write_file(file, i64::MAX as u64, "x").is_err());
        cx.close_file(file).map(drop)
    });
    world.open_file(&path, OpenOptions::new().write(true), writes);
    drive_until_noted(world, "writes", "Closed");
    assert_eq!(world.content(&path).as_deref(), Some(&b""[..]));
}

pub fn bytes_beyond_the_bound_are_refused(world: &mut World) {
    world.rebuild(|builder| builder.max_file_bytes(1000));
    let path = world.path("file");
    let probe = Probe::new("near").on_file(|log, cx, done| {
        let file = done.file;
        match done.result? {
            FileOutcome::Opened { .. } => {
                cx.write_file(file, 0, vec![b'x'; 600])?;
                let full = |result| matches!(result, Err(Error::FileBytes { limit: 1000 }));
                assert!(full(cx.write_file(file, 600, vec![b'y'; 401])));
                assert!(full(cx.read_file(file, 0, 401)));
                assert!(full(cx.read_file(file, 0, usize::MAX / 2)));
                log.note("full");
                cx.read_file(file, 0, 400)?;
                assert!(full(cx.read_file(file, 0, 1)));
                cx.sync_file(file).map(drop) // holds nothing
            }
            FileOutcome::Synced => cx.read_file(file, 0, 1000).map(drop),
            _ => Ok(()),
        }
    });
    world.open_file(&path, new_file(), probe);
    drive_until_noted(world, "near", "read 600 at 0");
    let notes = [
        "opened 0",
        "full",
        "written 600",
        "read 400 at 0",
        "Synced",
        "read 600 at 0",
    ];
    assert_eq!(world.log().of("near"), notes);
}

pub fn files_beyond_the_bound_are_refused(world: &mut World) {
    world.rebuild(|builder| builder.max_files(2));
    let paths: Vec<PathBuf> = ["a", "b", "c"].map(|name| world.path(name)).into();
    let probe = Probe::new("near").on_read(move |log, cx| {
        cx.recv(usize::MAX);
        let open = |cx: &mut Context<'_, Log>, path: &Path| cx.open_file(path, new_file());
        let first = open(cx, &paths[0])?;
        open(cx, &paths[1])?;
        let full = open(cx, &paths[2]);
        assert!(matches!(full, Err(Error::TooManyFiles { limit: 2 })));
        cx.close_file(first)?;
        let full = open(cx, &paths[2]);
        assert!(full.is_err(), "until it is closed, it is one of them");
        log.note("full");
        Ok(())
    });
    let next = world.path("c");
    let probe = probe.on_file(move |_, cx, done| {
        if let FileOutcome::Closed = done.result? {
            cx.open_file(&next, new_file())?;
        }
        Ok(())
    });
    let (_, peer) = world.open(probe);
    world.send(peer, "go");
    world.drive_until("the third", |world| {
        world.log().count("near", "opened 0") == 3
    });
}

pub fn jobs_of_files_count_with_the_others(world: &mut World) {
    world.rebuild(|builder| builder.max_jobs(2));
    let path = world.path("file");
    let probe = opener("near", |log, cx, file| {
        cx.write_file(file, 0, "x")?;
        cx.offload(|| ())?;
        let full = |result: Option<Error>| matches!(result, Some(Error::TooManyJobs { limit: 2 }));
        assert!(full(cx.sync_file(file).err()));
        assert!(full(cx.open_file("other", to_read()).err()));
        assert!(full(cx.offload(|| ()).err()));
        log.note("full");
        cx.close_file(file).map(drop) // always can
    });
    world.open_file(&path, new_file(), probe);
    drive_until_noted(world, "near", "Closed");
    assert!(world.log().has("near", "full"));
}

#[cfg(unix)]
pub fn a_directory_or_a_pipe_is_no_file(world: &mut World) {
    let directory = world.path("");
    world.open_file(&directory, to_read(), Probe::new("directory"));
    drive_until_noted(world, "directory", "IsADirectory");
    let pipe = world.path("pipe");
    crate::pipes::make_fifo(&pipe);
    let probe = Probe::new("pipe").on_file(|log, _, done| {
        log.note(done.result.expect_err("it is a pipe"));
        Ok(())
    });
    world.open_file(&pipe, to_read(), probe); // nobody writes to it
    drive_until_noted(world, "pipe", "InvalidInput");
    assert!(world.log().of("pipe")[1].contains("`watch`"));
}

#[cfg(unix)]
pub fn a_full_disk_is_an_error(world: &mut World) {
    let probe = opener("near", |_, cx, file| {
        cx.write_file(file, 0, "x")?;
        cx.write_file(file, 0, large())?;
        cx.read_file(file, 0, 10)?;
        cx.close_file(file).map(drop)
    });
    let options = OpenOptions::new().read(true).write(true);
    world.open_file(Path::new("/dev/full"), options, probe);
    drive_until_noted(world, "near", "Closed");
    let notes = [
        "opened 0",
        "StorageFull",
        "StorageFull",
        "read 10 at 0",
        "Closed",
    ];
    assert_eq!(world.log().of("near"), notes);
}

#[cfg(unix)]
pub fn permissions_are_those_of_the_system(world: &mut World) {
    use std::os::unix::fs::PermissionsExt;
    let path = world.path("file");
    world.put(&path, b"content");
    let none = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(&path, none).expect("it is ours");
    world.open_file(&path, to_read(), Probe::new("near"));
    world.drive_until("an answer", |world| !world.log().all().is_empty());
    // The superuser may.
    let expected = match std::fs::File::open(&path) {
        Ok(_) => "opened 7".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    assert_eq!(world.log().of("near"), [&*expected]);
    assert!(expected == "opened 7" || expected == format!("{:?}", ErrorKind::PermissionDenied));
    let secret = world.path("secret");
    world.open_file(&secret, new_file().mode(0o600), Probe::new("secret"));
    drive_until_noted(world, "secret", "opened 0");
    let mode = std::fs::metadata(&secret)
        .expect("it is there")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}
