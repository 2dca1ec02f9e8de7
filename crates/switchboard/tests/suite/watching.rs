//! Bare readiness: a descriptor that the handler reads or writes itself is told for as long as it
//! is ready, and not otherwise.

use std::fs::{self, File};
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use switchboard::{Interest, Ready, Token};

use crate::probe::{Probe, Reason};
use crate::world::World;

/// Takes one byte in each call, and closes at the end of the file.
fn reads_a_byte(name: &'static str, mut source: impl Read + 'static) -> Probe {
    Probe::new(name).on_ready(move |log, cx, ready| {
        assert!(ready.read && !ready.write, "{ready:?}");
        log.note("ready");
        let mut byte = [0];
        match source.read(&mut byte)? {
            0 => cx.close(),
            n => log.keep(&byte[..n]),
        }
        Ok(())
    })
}

fn watched_pipe(world: &mut World) -> (Token, PipeReader, PipeWriter) {
    let (near, far) = pipe().expect("a pipe can be made");
    let clone = || near.try_clone().expect("a descriptor is free");
    let probe = reads_a_byte("pipe", clone());
    let token = world.with(|cx| cx.watch(clone(), Interest::Read, probe));
    (token.expect("there is room"), near, far)
}

pub fn a_pipe_is_told_until_it_is_empty_and_again_at_its_end(world: &mut World) {
    let (_, _near, mut far) = watched_pipe(world);
    world.settle();
    assert!(world.log().all().is_empty());
    far.write_all(b"abc").expect("it holds three bytes");
    world.settle();
    assert_eq!(world.log().bytes("pipe"), b"abc");
    assert_eq!(world.log().count("pipe", "ready"), 3);
    let turns = world.elapse(Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    drop(far);
    assert_eq!(world.drive_to_end("pipe"), "Requested");
    assert_eq!(world.log().count("pipe", "ready"), 4);
}

/// epoll refuses regular files; standard input may be one all the same.
pub fn a_regular_file_is_always_ready(world: &mut World) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let file = File::open(path).expect("it is there");
    let clone = file.try_clone().expect("a descriptor is free");
    let token = world.with(|cx| cx.watch(file, Interest::Read, reads_a_byte("file", clone)));
    let token = token.expect("there is room");
    world.turn(Duration::ZERO).expect("a turn goes well");
    world.with(|cx| cx.pause_source(token));
    world.turn(Duration::ZERO).expect("a turn goes well");
    let before = world.log().bytes("file").len();
    assert!(before > 0);
    let turns = world.elapse(Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    assert_eq!(world.log().bytes("file").len(), before, "it is paused");
    world.with(|cx| cx.resume_source(token));
    assert_eq!(world.drive_to_end("file"), "Requested");
    let expected = fs::read(path).expect("it is there");
    assert_eq!(world.log().bytes("file"), expected);
}

pub fn a_paused_watch_is_silent_until_it_is_resumed(world: &mut World) {
    let (token, _near, mut far) = watched_pipe(world);
    world.with(|cx| cx.pause_source(token));
    far.write_all(b"abc").expect("it holds three bytes");
    let turns = world.elapse(Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    assert!(world.log().all().is_empty());
    world.with(|cx| cx.resume_source(token));
    world.settle();
    assert_eq!(world.log().bytes("pipe"), b"abc");
}

/// A read of a blocking descriptor that is not ready would hold the whole loop.
pub fn what_was_taken_in_a_pause_is_not_told_after_it(world: &mut World) {
    let (token, mut near, mut far) = watched_pipe(world);
    ioctl_fionbio(&near, true).expect("a pipe can"); // here it is an error instead
    world.settle();
    world.with(|cx| cx.pause_source(token));
    far.write_all(b"a").expect("it holds a byte");
    world.settle();
    near.read_exact(&mut [0]).expect("a byte is there");
    world.with(|cx| cx.resume_source(token));
    world.settle();
    assert!(world.log().all().is_empty(), "nothing was there");
    far.write_all(b"b").expect("it holds a byte");
    world.drive_until("the byte", |world| world.log().bytes("pipe") == b"b");
}

pub fn a_descriptor_is_told_while_it_can_be_written(world: &mut World) {
    let (mut far, near) = pipe().expect("a pipe can be made");
    ioctl_fionbio(&near, true).expect("a pipe can");
    let mut writer = near.try_clone().expect("a descriptor is free");
    let probe = Probe::new("pipe").on_ready(move |log, _, ready| {
        assert!(ready.write && !ready.read, "{ready:?}");
        match writer.write(&[b'x'; 4096]) {
            Ok(n) => {
                log.keep(&[b'x'; 4096][..n]);
                log.note("written");
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => log.note("full"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    });
    let token = world.with(|cx| cx.watch(near, Interest::Write, probe));
    token.expect("there is room");
    world.settle();
    let written = world.log().bytes("pipe").len();
    assert!(written >= 4096);
    let turns = world.elapse(Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    far.read_exact(&mut vec![0; written]).expect("it is there");
    world.drive_until("more bytes", |world| {
        world.log().bytes("pipe").len() > written
    });
}

pub fn a_descriptor_can_be_watched_for_both(world: &mut World) {
    let (near, mut far) = UnixStream::pair().expect("a pair can be made");
    let mut own = near.try_clone().expect("a descriptor is free");
    let mut wrote = false;
    let probe = Probe::new("pair").on_ready(move |log, cx, ready| {
        if ready.write && !wrote {
            wrote = true;
            own.write_all(b"question")?;
        }
        if ready
            == (Ready {
                read: true,
                write: true,
            })
        {
            let mut bytes = [0; 6];
            own.read_exact(&mut bytes)?;
            log.keep(&bytes);
            cx.close();
        }
        Ok(())
    });
    let token = world.with(|cx| cx.watch(near, Interest::ReadWrite, probe));
    token.expect("there is room");
    world.turn(Duration::ZERO).expect("a turn goes well");
    let mut question = [0; 8];
    far.read_exact(&mut question).expect("it is there");
    assert_eq!(&question, b"question");
    far.write_all(b"answer").expect("it holds six bytes");
    assert_eq!(world.drive_to_end("pair"), "Requested");
    assert_eq!(world.log().bytes("pair"), b"answer");
}

pub fn the_descriptor_is_closed_when_the_source_ends(world: &mut World) {
    let (near, mut far) = pipe().expect("a pipe can be made");
    let token = world.with(|cx| cx.watch(near, Interest::Read, Probe::new("pipe")));
    let token = token.expect("there is room");
    world.settle();
    far.write_all(b"abc").expect("somebody holds the other end");
    world.with(|cx| cx.abort_source(token));
    assert_eq!(world.drive_to_end("pipe"), "Aborted");
    let error = far.write_all(b"abc").expect_err("nobody holds it");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

/// The program has a duplicate, so the kernel goes on knowing what was watched.
pub fn a_watch_that_has_ended_is_silent_though_a_duplicate_lives(world: &mut World) {
    let (token, _near, mut far) = watched_pipe(world);
    world.settle();
    world.with(|cx| cx.close_source(token));
    assert_eq!(world.drive_to_end("pipe"), "Requested");
    world.settle();
    far.write_all(b"abc").expect("the duplicate is there");
    assert!(!world.wants_a_turn(Duration::from_millis(20)));
    world.settle();
    assert_eq!(world.log().of("pipe"), ["closed Requested"]);
}

pub fn watching_one_descriptor_twice_ends_the_second_watch(world: &mut World) {
    let (near, _far) = pipe().expect("a pipe can be made");
    // Two names of one number: a duplicate would be another descriptor.
    let near: &'static PipeReader = Box::leak(Box::new(near));
    let watch = |world: &mut World, name| {
        let token = world.with(|cx| cx.watch(near, Interest::Read, Probe::new(name)));
        token.expect("there is room")
    };
    let first = watch(world, "first");
    watch(world, "second");
    assert_eq!(world.drive_to_end("second"), "Io(AlreadyExists)");
    let token = world.with(|cx| cx.watch(near, Interest::Read, Reason));
    token.expect("there is room");
    world.drive_until("a reason", |world| !world.log().of("reason").is_empty());
    let why = world.log().of("reason").join("; ");
    assert!(why.contains("is watched already"), "{why}");
    world.settle();
    assert!(world.log().of("first").is_empty());
    world.with(|cx| cx.close_source(first));
    world.drive_to_end("first");
    watch(world, "third");
    world.settle();
    assert!(
        world.log().of("third").is_empty(),
        "it can be watched again"
    );
}
