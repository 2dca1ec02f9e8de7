//! Pipes, terminals and files as streams: read and written like connections, and left as they were
//! for whoever else has them.

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, fcntl_getfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use switchboard::{Error, Stream, Token, terminal_size};

use crate::probe::Probe;
use crate::unix::Directory;
use crate::world::{World, pattern};

fn register(world: &mut World, fd: impl Into<OwnedFd>, probe: Probe) -> Token {
    let stream = Stream::try_from(fd.into()).expect("it can be a stream");
    world
        .with(|cx| cx.register(stream, probe))
        .expect("there is room")
}

fn reading(world: &mut World, probe: Probe) -> (Token, PipeReader, PipeWriter) {
    let (near, far) = pipe().expect("a pipe can be made");
    let ours = near.try_clone().expect("a descriptor is free");
    (register(world, near, probe), ours, far)
}

fn is_blocking(fd: impl AsFd) -> bool {
    let flags = fcntl_getfl(fd).expect("it is open");
    !flags.contains(OFlags::NONBLOCK)
}

pub fn a_pipe_is_read_to_its_end(world: &mut World) {
    let probe = Probe::new("pipe").on_eof(|_, _| Ok(()));
    let (token, ours, mut far) = reading(world, probe);
    world.settle();
    assert!(world.log().all().is_empty());
    far.write_all(b"hello").expect("it holds five bytes");
    world.drive_until("the bytes", |world| world.log().bytes("pipe") == b"hello");
    assert!(is_blocking(ours), "for all that have it");
    let refused = world.with(|cx| cx.send_to(token, "x"));
    assert!(
        matches!(refused, Err(Error::SendingEnded(_))),
        "{refused:?}"
    );
    let turns = world.elapse(Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    far.write_all(b" world").expect("it holds five bytes");
    drop(far);
    assert_eq!(world.drive_to_end("pipe"), "Eof");
    assert_eq!(world.log().bytes("pipe"), b"hello world");
}

pub fn megabytes_come_through_a_pipe_whole(world: &mut World) {
    let (_, _ours, mut far) = reading(world, Probe::new("pipe"));
    rustix::io::ioctl_fionbio(&far, true).expect("a pipe can");
    let all = pattern(4 << 20);
    let mut rest = &all[..];
    world.drive_until("all of it", |world| {
        while let Ok(n @ 1..) = far.write(rest) {
            rest = &rest[n..];
        }
        world.log().bytes("pipe").len() == all.len()
    });
    assert!(world.log().bytes("pipe") == all);
}

pub fn a_pipe_is_written_as_its_reader_reads(world: &mut World) {
    let (mut far, near) = pipe().expect("a pipe can be made");
    rustix::io::ioctl_fionbio(&far, true).expect("a pipe can");
    let ours = near.try_clone().expect("a descriptor is free");
    let token = register(world, near, Probe::new("pipe"));
    let all = pattern(1_000_000);
    world
        .with(|cx| cx.send_to(token, &all[..]))
        .expect("there is room");
    world.settle();
    assert!(is_blocking(&ours), "for all that have it");
    drop(ours);
    world.with(|cx| cx.close_source(token));
    world.settle();
    assert!(world.log().all().is_empty(), "it is not written yet");
    let mut read = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    world.drive_until("the end", |_| {
        loop {
            match far.read(&mut buffer) {
                Ok(0) => return true,
                Ok(n) => read.extend_from_slice(&buffer[..n]),
                Err(_) => return false,
            }
        }
    });
    assert!(read == all, "{} bytes came", read.len());
    assert_eq!(world.log().of("pipe"), ["closed Requested"]);
}

pub fn shutting_down_what_is_only_written_closes_it(world: &mut World) {
    let (mut far, near) = pipe().expect("a pipe can be made");
    let token = register(world, near, Probe::new("pipe"));
    world.with(|cx| {
        cx.send_to(token, "last words").expect("there is room");
        cx.shutdown_source(token, std::net::Shutdown::Write)
            .expect("it is open");
    });
    assert_eq!(world.drive_to_end("pipe"), "Requested");
    let mut text = String::new();
    far.read_to_string(&mut text).expect("it has an end");
    assert_eq!(text, "last words");
}

pub fn a_reader_that_goes_away_is_told(world: &mut World) {
    let (far, near) = pipe().expect("a pipe can be made");
    let token = register(world, near, Probe::new("idle"));
    world.settle();
    drop(far);
    assert_eq!(world.drive_to_end("idle"), "Io(BrokenPipe)");
    assert!(!world.with(|cx| cx.is_open(token)));
    let (far, near) = pipe().expect("a pipe can be made");
    let token = register(world, near, Probe::new("busy"));
    world
        .with(|cx| cx.send_to(token, vec![0; 900_000]))
        .expect("there is room");
    world.settle();
    drop(far);
    assert_eq!(world.drive_to_end("busy"), "Io(BrokenPipe)");
}

pub fn what_is_not_read_is_for_others(world: &mut World) {
    let (token, mut ours, mut far) = reading(world, Probe::new("pipe"));
    far.write_all(b"a").expect("it holds a byte");
    world.drive_until("the byte", |world| world.log().bytes("pipe") == b"a");
    world.with(|cx| cx.pause_source(token));
    world.settle();
    far.write_all(b"b").expect("it holds a byte");
    world.settle();
    world.with(|cx| cx.close_source(token));
    assert_eq!(world.drive_to_end("pipe"), "Requested");
    far.write_all(b"c").expect("it holds a byte");
    world.settle();
    let mut rest = [0; 2];
    ours.read_exact(&mut rest).expect("both are there");
    assert_eq!(&rest, b"bc");
}

pub fn reading_can_be_shut_down(world: &mut World) {
    let (token, _ours, _far) = reading(world, Probe::new("pipe"));
    world.settle();
    let refused = world.with(|cx| cx.shutdown_source(token, std::net::Shutdown::Read));
    // It takes the sending side for shut down already, which is as far as it goes.
    assert!(
        matches!(refused, Err(Error::SendingEnded(_))),
        "{refused:?}"
    );
    let (master, slave) = terminal();
    let token = register(world, slave, Probe::new("both"));
    world.settle();
    let done = world.with(|cx| cx.shutdown_source(token, std::net::Shutdown::Read));
    done.expect("it is open");
    assert_eq!(world.drive_to_end("both"), "Eof");
    drop(master);
}

/// By a program: not every system has a call for it that is safe to make.
pub fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("there is a mkfifo").success());
}

pub fn a_fifo_and_a_file_are_streams(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    make_fifo(&path);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let near = rustix::fs::open(&path, flags, Mode::empty()).expect("it waits for nobody");
    let mut far = File::options().write(true).open(&path).expect("it is read");
    register(world, near, Probe::new("fifo"));
    far.write_all(b"hello").expect("it holds five bytes");
    drop(far);
    assert_eq!(world.drive_to_end("fifo"), "Eof");
    assert_eq!(world.log().bytes("fifo"), b"hello");

    let file = directory.socket().with_extension("txt");
    let written = File::create(&file).expect("it is ours");
    let token = register(world, written, Probe::new("written"));
    let all = pattern(900_000);
    world.with(|cx| {
        cx.send_to(token, &all[..]).expect("there is room");
        cx.close_source(token);
    });
    assert_eq!(world.drive_to_end("written"), "Requested");
    assert!(fs::read(&file).expect("it is there") == all);
    let read = File::open(&file).expect("it is there");
    register(world, read, Probe::new("read"));
    assert_eq!(world.drive_to_end("read"), "Eof");
    assert!(world.log().bytes("read") == all);
    let null = File::open("/dev/null").expect("it is there");
    register(world, null, Probe::new("null"));
    assert_eq!(world.drive_to_end("null"), "Eof");
}

/// The reading end of a new FIFO, which waits for nobody.
fn fifo(path: &Path) -> OwnedFd {
    make_fifo(path);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).expect("it waits for nobody")
}

fn write_to(path: &Path, bytes: &[u8]) {
    let mut far = File::options().write(true).open(path).expect("it is read");
    far.write_all(bytes).expect("it holds a few bytes");
}

/// Whoever opens it anew knows nothing of the writer that there was.
pub fn a_fifo_whose_writer_has_gone_already_has_an_end(world: &mut World) {
    for (name, bytes) in [("some", &b"hello"[..]), ("none", b"")] {
        let path = world.path(name);
        let near = fifo(&path);
        write_to(&path, bytes);
        register(world, near, Probe::new(name));
        assert_eq!(world.drive_to_end(name), "Eof");
        assert_eq!(world.log().bytes(name), bytes);
    }
}

pub fn what_comes_behind_the_end_is_for_others(world: &mut World) {
    let path = world.path("fifo");
    let near = fifo(&path);
    let mut ours = File::from(near.try_clone().expect("a descriptor is free"));
    let probe = Probe::new("fifo").on_eof(|_, _| Ok(()));
    let token = register(world, near, probe);
    world.settle();
    write_to(&path, b"a");
    world.drive_until("the end", |world| world.log().has("fifo", "eof"));
    write_to(&path, b"b");
    world.settle();
    let turns = world.elapse(Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    let mut rest = [0; 2];
    let len = ours.read(&mut rest).expect("it is there");
    assert_eq!(&rest[..len], b"b");
    assert_eq!(world.log().bytes("fifo"), b"a");
    assert_eq!(world.log().count("fifo", "eof"), 1);
    world.with(|cx| cx.close_source(token));
    assert_eq!(world.drive_to_end("fifo"), "Eof");
}

/// The two ends of a terminal, of which the second does not show what is typed.
fn terminal() -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("one is free");
    grantpt(&master).expect("it is ours");
    unlockpt(&master).expect("it is ours");
    let name = ptsname(&master, Vec::new()).expect("it has one");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, Mode::empty()).expect("it is unlocked");
    let mut modes = tcgetattr(&slave).expect("it is a terminal");
    modes.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&slave, OptionalActions::Now, &modes).expect("it is a terminal");
    (master, slave)
}

/// One of them is opened once more, the other cannot be.
pub fn both_ends_of_a_terminal_are_streams(world: &mut World) {
    let (master, slave) = terminal();
    let ours = slave.try_clone().expect("a descriptor is free");
    let size = Winsize {
        ws_row: 25,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).expect("it is a terminal");
    let size = terminal_size(&ours)
        .expect("it is a terminal")
        .expect("it is known");
    assert_eq!((size.columns, size.rows), (80, 25));
    terminal_size(File::open("/dev/null").expect("it is there")).expect_err("it is none");

    let window = register(world, master, Probe::new("window"));
    let program = register(world, slave, Probe::new("program"));
    world
        .with(|cx| cx.send_to(window, "one\ntwo\nunfinished"))
        .expect("there is room");
    world.drive_until("both lines", |world| {
        world.log().bytes("program") == b"one\ntwo\n"
    });
    let text = "x".repeat(20_000);
    world
        .with(|cx| cx.send_to(program, text.as_str()))
        .expect("there is room");
    world.drive_until("the text", |world| {
        world.log().bytes("window").len() == 20_000
    });
    let turns = world.elapse(Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    assert!(is_blocking(&ours));
    // The end of what is typed: first of the line, then of all.
    world
        .with(|cx| cx.send_to(window, &[4, 4]))
        .expect("there is room");
    assert_eq!(world.drive_to_end("program"), "Eof");
    assert_eq!(world.log().bytes("program"), b"one\ntwo\nunfinished");
    assert!(world.with(|cx| cx.is_open(window)));
    drop(ours);
    assert_eq!(world.drive_to_end("window"), "Eof");
}
