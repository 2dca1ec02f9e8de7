//! Descriptors that travel with the bytes of a Unix socket: in their place, bounded, and closed when
//! nobody takes them.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::io::{FdFlags, fcntl_getfd};
use switchboard::{ConnectOptions, Error, Listener, LoopContext, OutboxPolicy, Stream, Token};

use crate::probe::{Log, Probe};
use crate::unix::Directory;
use crate::world::{World, pattern};

const LIMIT: usize = 4;

/// Two ends of one connection, both of this reactor.
fn ends(world: &mut World, limits: [usize; 2], probes: [Probe; 2]) -> [Token; 2] {
    let (one, other) = UnixStream::pair().expect("a pair can be made");
    let mut streams = [one, other].into_iter();
    let mut limits = limits.into_iter();
    probes.map(|probe| {
        let (stream, limit) = (streams.next(), limits.next());
        let (stream, limit) = (stream.expect("there are two"), limit.expect("of two"));
        let mut stream = Stream::try_from(stream).expect("a socket can be non-blocking");
        if limit > 0 {
            stream
                .enable_descriptors(limit)
                .expect("it is a Unix socket");
        }
        world
            .with(|cx| cx.register(stream, probe))
            .expect("there is room")
    })
}

/// Takes what comes, and notes after which byte.
fn taker() -> Probe {
    let mut read = 0;
    Probe::new("taker").on_read(move |log, cx| {
        let before = read;
        let data = cx.recv(usize::MAX);
        read += data.len();
        log.keep(data);
        for descriptor in cx.take_descriptors() {
            let mut text = String::new();
            File::from(descriptor).read_to_string(&mut text)?;
            log.note(format_args!("{text} in {before}..{read}"));
        }
        Ok(())
    })
}

/// The end of a pipe that says `text`.
fn saying(text: &str) -> OwnedFd {
    let (reader, mut writer) = pipe().expect("a pipe can be made");
    writer.write_all(text.as_bytes()).expect("it is short");
    reader.into()
}

fn send(cx: &mut LoopContext<'_, Log>, token: Token, bytes: &[u8], descriptors: Vec<OwnedFd>) {
    let sent = cx.send_with_descriptors_to(token, bytes, descriptors);
    sent.expect("there is room");
}

/// A pipe whose reader sees the end when all its writers are closed: without waiting for it.
fn pipe_to_watch() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe can be made");
    rustix::io::ioctl_fionbio(&reader, true).expect("a pipe can");
    (reader, writer)
}

fn is_closed(reader: &mut PipeReader) -> bool {
    match reader.read(&mut [0]) {
        Ok(n) => n == 0,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    }
}

pub fn descriptors_come_with_the_first_byte_of_their_message(world: &mut World) {
    let [near, _] = ends(world, [LIMIT; 2], [Probe::new("near"), taker()]);
    world.with(|cx| {
        cx.send_to(near, "12345").expect("there is room");
        send(cx, near, b"67", vec![saying("a"), saying("b")]);
        cx.send_to(near, "89").expect("there is room");
        send(cx, near, b"0", vec![saying("c")]);
    });
    world.drive_until("all", |world| world.log().bytes("taker").len() == 10);
    assert_eq!(world.log().bytes("taker"), b"1234567890");
    let notes = world.log().of("taker").join(", ");
    let mut taken = notes.split(", ").map(|note| {
        let (text, range) = note.split_once(" in ").expect("it is noted so");
        let (start, end) = range.split_once("..").expect("it is noted so");
        let number = |text: &str| text.parse::<usize>().expect("it is a number");
        (text, number(start)..number(end))
    });
    for (name, at) in [("a", 5), ("b", 5), ("c", 9)] {
        let (text, read) = taken.next().expect("three have come");
        assert_eq!(text, name);
        assert!(read.contains(&at), "{text} came in {read:?}");
    }
    assert_eq!(taken.next(), None);
}

pub fn descriptors_keep_their_place_between_megabytes(world: &mut World) {
    let [near, far] = ends(world, [LIMIT; 2], [Probe::new("near"), taker()]);
    let bulk = pattern(900_000);
    // Nothing is read for now, so that most of it has to wait in the outbox.
    world.with(|cx| cx.pause_source(far));
    world.with(|cx| {
        cx.send_to(near, &bulk[..]).expect("there is room");
        send(cx, near, b"!", vec![saying("a")]);
        send(cx, near, b"?", vec![saying("b")]);
        cx.send_to(near, "end").expect("there is room");
    });
    world.settle();
    world.with(|cx| cx.resume_source(far));
    world.drive_until("all", |world| world.log().bytes("taker").len() == 900_005);
    let all = world.log().bytes("taker");
    assert!(all.starts_with(&bulk) && all.ends_with(b"!?end"));
    let notes = world.log().of("taker");
    assert_eq!(notes.len(), 2, "{notes:?}");
    for (note, (name, at)) in notes.iter().zip([("a", 900_000), ("b", 900_001)]) {
        let (text, range) = note.split_once(" in ").expect("it is noted so");
        assert_eq!(text, name);
        let (start, end) = range.split_once("..").expect("it is noted so");
        let number = |text: &str| text.parse::<usize>().expect("it is a number");
        assert!((number(start)..number(end)).contains(&at), "{note}");
    }
}

pub fn they_are_closed_on_exec(world: &mut World) {
    let taker = Probe::new("taker").on_read(|log, cx| {
        cx.recv(usize::MAX);
        for descriptor in cx.take_descriptors() {
            assert!(fcntl_getfd(descriptor).is_ok_and(|flags| flags.contains(FdFlags::CLOEXEC)));
            log.note("taken");
        }
        Ok(())
    });
    let [near, _] = ends(world, [LIMIT; 2], [Probe::new("near"), taker]);
    world.with(|cx| send(cx, near, b"x", vec![saying("a"), saying("b")]));
    world.drive_until("both", |world| world.log().count("taker", "taken") == 2);
}

pub fn what_is_not_taken_is_closed_with_its_source(world: &mut World) {
    let (mut reader, writer) = pipe_to_watch();
    let (mut unsent_reader, unsent_writer) = pipe_to_watch();
    let [near, far] = ends(world, [LIMIT; 2], [Probe::new("near"), Probe::new("far")]);
    world.with(|cx| send(cx, near, b"x", vec![writer.into()]));
    world.drive_until("the byte", |world| world.log().bytes("far") == b"x");
    assert!(!is_closed(&mut reader), "it can be taken");
    // And one that is not even sent.
    world.with(|cx| {
        cx.pause_source(far);
        cx.send_to(near, vec![0; 900_000]).expect("there is room");
        send(cx, near, b"x", vec![unsent_writer.into()]);
    });
    world.settle();
    assert!(!is_closed(&mut unsent_reader), "it waits");
    world.with(|cx| {
        cx.abort_source(near);
        cx.abort_source(far);
    });
    world.settle();
    assert!(is_closed(&mut reader));
    assert!(is_closed(&mut unsent_reader));
}

pub fn more_than_the_limit_end_the_source(world: &mut World) {
    let (mut reader, writer) = pipe_to_watch();
    let clone = || writer.try_clone().expect("a descriptor is free").into();
    let [near, _] = ends(world, [LIMIT; 2], [Probe::new("near"), Probe::new("far")]);
    world.with(|cx| send(cx, near, b"x", (0..LIMIT).map(|_| clone()).collect()));
    world.settle();
    assert_eq!(world.log().bytes("far"), b"x", "so many may be there");
    world.with(|cx| send(cx, near, b"y", vec![clone()]));
    let why = world.drive_to_end("far");
    assert!(
        why.contains("5 descriptors are too many: the limit is 4"),
        "{why}"
    );
    drop(writer);
    assert!(is_closed(&mut reader), "those that have come are closed");
}

pub fn more_than_the_limit_are_not_taken_for_sending(world: &mut World) {
    let near = Probe::new("near");
    let [near, far] = ends(world, [LIMIT, 1000], [near, taker()]);
    let many = |n: usize| (0..n).map(|_| saying("x")).collect::<Vec<_>>();
    world.with(|cx| {
        cx.pause_source(far);
        let refused = cx.send_with_descriptors_to(near, "x", many(LIMIT + 1));
        assert!(matches!(
            refused,
            Err(Error::TooManyDescriptors {
                count: 5,
                limit: LIMIT
            })
        ));
        cx.send_to(near, vec![0; 900_000]).expect("there is room");
        send(cx, near, b"x", many(LIMIT - 1));
    });
    world.settle();
    let before = world.log().count("near", "write");
    world.with(|cx| {
        let refused = cx.send_with_descriptors_to(near, "x", many(2));
        assert!(matches!(
            refused,
            Err(Error::TooManyDescriptors {
                count: 5,
                limit: LIMIT
            })
        ));
        send(cx, near, b"x", many(1));
        cx.resume_source(far);
    });
    world.drive_until("all", |world| world.log().bytes("taker").len() == 900_002);
    assert_eq!(world.log().of("taker").len(), LIMIT);
    assert!(
        world.log().count("near", "write") > before,
        "there is room again"
    );
    // More than one message of the system's takes.
    let [near, _] = ends(world, [1000; 2], [Probe::new("wide"), taker()]);
    world.with(|cx| {
        let clones = |n| (0..n).map(|_| saying("")).collect::<Vec<_>>();
        let refused = cx.send_with_descriptors_to(near, "x", clones(254));
        assert!(matches!(
            refused,
            Err(Error::TooManyDescriptors { count: 254, .. })
        ));
        send(cx, near, b"x", clones(253));
    });
    world.drive_until("all", |world| world.log().of("taker").len() == LIMIT + 253);
}

pub fn a_source_that_was_not_asked_gets_the_bytes_alone(world: &mut World) {
    let (mut reader, writer) = pipe_to_watch();
    let far = Probe::new("far").on_read(|log, cx| {
        log.keep(cx.recv(usize::MAX));
        assert!(cx.take_descriptors().is_empty());
        Ok(())
    });
    let [near, _] = ends(world, [LIMIT, 0], [Probe::new("near"), far]);
    world.with(|cx| {
        send(cx, near, b"x", vec![writer.into()]);
        send(cx, near, b"y", Vec::new());
    });
    world.drive_until("the bytes", |world| world.log().bytes("far") == b"xy");
    assert!(is_closed(&mut reader));
}

pub fn a_connection_of_ours_carries_them_too(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let listener = Probe::new("listener").on_accepted(|_, cx, mut stream| {
        stream.enable_descriptors(LIMIT)?;
        cx.register(stream, taker()).map(drop)
    });
    world
        .reactor
        .listen(&path, listener)
        .expect("the path is free");
    world.with(|cx| {
        let options = ConnectOptions::default().with_descriptors(LIMIT);
        let token = cx.connect_with(&path, options, Probe::new("near"));
        let token = token.expect("there is room");
        send(cx, token, b"x", vec![saying("before")]);
        cx.close_source(token);
    });
    assert_eq!(world.drive_to_end("near"), "Requested");
    world.drive_until("the end", |world| world.log().why("taker").is_some());
    assert_eq!(world.log().of("taker")[0], "before in 0..1");
}

pub fn what_cannot_carry_them_says_so(world: &mut World) {
    let (token, _peer) = world.open(Probe::new("tcp"));
    let refused = world.with(|cx| cx.send_with_descriptors_to(token, "x", vec![saying("")]));
    assert!(
        matches!(refused, Err(Error::WrongKind { .. })),
        "{refused:?}"
    );
    let (near, _far) = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| {
            let far = std::net::TcpStream::connect(listener.local_addr()?)?;
            Ok((listener.accept()?.0, far))
        })
        .expect("a port is free");
    let mut near = Stream::try_from(near).expect("a socket can");
    near.enable_descriptors(1).expect_err("TCP carries none");
    assert!(near.as_fd().is_some(), "it is as it was");
    // Nor does a connection of ours over TCP, whatever its options say.
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = server.local_addr().expect("it is bound");
    let (mut reader, writer) = pipe_to_watch();
    let refused = world.with(|cx| {
        let options = ConnectOptions::default().with_descriptors(LIMIT);
        let token = cx.connect_with(address, options, Probe::new("dialled"));
        let token = token.expect("there is room");
        cx.send_with_descriptors_to(token, "x", vec![writer.into()])
    });
    assert!(
        matches!(refused, Err(Error::WrongKind { .. })),
        "{refused:?}"
    );
    assert!(is_closed(&mut reader));
    let [near, _] = ends(world, [LIMIT; 2], [Probe::new("near"), Probe::new("far")]);
    let empty = world.with(|cx| cx.send_with_descriptors_to(near, "", vec![saying("")]));
    assert!(matches!(empty, Err(Error::WrongKind { .. })), "{empty:?}");
    // A policy that drops bytes leaves those alone that descriptors are counted by.
    world.with(|cx| {
        let options = cx.source_options(near).expect("it is open");
        let options = options
            .with_policy(OutboxPolicy::DropOldest)
            .with_watermarks(10, 100);
        cx.set_source_options(near, options).expect("it is open");
        send(cx, near, &[b'x'; 60], vec![saying("a")]);
        let full = cx.send_to(near, &[b'y'; 60]);
        assert!(matches!(full, Err(Error::Full { .. })), "{full:?}");
    });
    world.drive_until("the bytes", |world| world.log().bytes("far").len() == 60);
}

/// What a new version of a server does to take over from the old one.
pub fn a_listener_travels_to_another_reactor(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let listener = UnixListener::bind(&path).expect("the path is free");
    let waiting = UnixStream::connect(&path).expect("it has a queue");
    let receiver = Probe::new("receiver").on_read(|_, cx| {
        cx.recv(usize::MAX);
        for descriptor in cx.take_descriptors() {
            let echoes = Probe::new("listener")
                .on_accepted(|_, cx, stream| cx.register(stream, Probe::echo("near")).map(drop));
            cx.listen_on(Listener::try_from(UnixListener::from(descriptor))?, echoes)?;
        }
        Ok(())
    });
    let [near, _] = ends(world, [1; 2], [Probe::new("sender"), receiver]);
    world.with(|cx| send(cx, near, b"listener", vec![listener.into()]));
    let peer = world.adopt(waiting);
    world.send(peer, "hello");
    world.drive_until_received(peer, "hello");
    assert!(path.exists());
}
