//! Unix sockets: their names, their files, and that they are connections like any other.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use switchboard::{Address, ConnectOptions, Error, Listener, Stream, Token, UnixAddress};

use crate::peers::End;
use crate::probe::Probe;
use crate::world::{Peer, World, pattern};

/// A directory of its own for each case, with a short name: that of a socket has few bytes.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("switchboard-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("nobody else has that number");
        Directory(path)
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn echoes() -> Probe {
    Probe::new("listener")
        .on_accepted(|_, cx, stream| cx.register(stream, Probe::echo("near")).map(drop))
}

/// A connection whose near end is registered with `probe`.
fn open(world: &mut World, probe: Probe) -> (Token, Peer) {
    let (near, far) = UnixStream::pair().expect("a pair can be made");
    let near = Stream::try_from(near).expect("a socket can be non-blocking");
    let token = world.with(|cx| cx.register(near, probe));
    (token.expect("there is room"), world.adopt(far))
}

fn is_echoed(world: &mut World, path: &Path) {
    let far = UnixStream::connect(path).expect("somebody listens there");
    let peer = world.adopt(far);
    world.send(peer, "hello");
    world.drive_until_received(peer, "hello");
}

/// Somebody listens there who has room for `backlog` connections, and one more.
fn listener_with(backlog: i32, path: &Path) -> UnixListener {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket can be made");
    let address = SockAddr::unix(path).expect("the path is short");
    socket.bind(&address).expect("the path is free");
    socket.listen(backlog).expect("it is bound");
    socket.into()
}

pub fn a_path_is_listened_on_and_its_file_goes_with_the_listener(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let name = format!("unix://{}", path.display());
    let listener = world.reactor.bind(&name).expect("the path is free");
    let local = listener.local().expect("it is bound");
    assert_eq!(local, Address::Unix(UnixAddress::Path(path.clone())));
    assert_eq!(local.to_string(), name);
    assert_eq!(
        listener.locals().expect("it is bound"),
        std::slice::from_ref(&local)
    );
    let probe = Probe::new("listener").on_accepted(move |log, cx, stream| {
        assert_eq!(stream.peer()?, Address::Unix(UnixAddress::Unnamed));
        assert_eq!(stream.local()?, local);
        log.note("known");
        cx.register(stream, Probe::echo("near")).map(drop)
    });
    let token = world.reactor.listen_on(listener, probe);
    let token = token.expect("there is room");
    is_echoed(world, &path);
    assert!(world.log().has("listener", "known"));
    world.with(|cx| cx.close_source(token));
    assert_eq!(world.drive_to_end("listener"), "Requested");
    assert!(!path.exists(), "the file is left");
    // And with one that was never registered, or whose reactor is dropped.
    drop(world.reactor.bind(&name).expect("the path is free"));
    assert!(!path.exists(), "the file is left");
    let token = world.reactor.listen(&name, echoes());
    token.expect("the path is free");
    world.rebuild(|builder| builder);
    assert!(!path.exists(), "the file is left");
}

pub fn an_abstract_name_leaves_no_file(world: &mut World) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let directory = Directory::new();
    let name = format!("unix:@{}", directory.socket().display());
    let listener = world.reactor.bind(&name).expect("the name is free");
    assert_eq!(listener.local().expect("it is bound").to_string(), name);
    let token = world.reactor.listen_on(listener, echoes());
    let token = token.expect("there is room");
    match world.reactor.listen(&name, echoes()) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        other => panic!("{other:?}"),
    }
    world.with(|cx| {
        let client = cx
            .connect(&name, Probe::new("client"))
            .expect("there is room");
        cx.send_to(client, "hello").expect("there is room");
    });
    world.drive_until("the echo", |world| world.log().bytes("client") == b"hello");
    assert!(!directory.socket().exists());
    world.with(|cx| cx.close_source(token));
    world.drive_to_end("listener");
    world.reactor.bind(&name).expect("the name is free again");
}

pub fn what_is_sent_before_the_connection_is_there_goes_out_first(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let server = UnixListener::bind(&path).expect("the path is free");
    world.with(|cx| {
        let probe = Probe::new("near").on_connect(|_, cx| cx.send("second"));
        let token = cx.connect(&path, probe).expect("there is room");
        cx.send_to(token, "first ").expect("there is room");
    });
    let (far, _) = server.accept().expect("it is there at once");
    let peer = world.adopt(far);
    world.drive_until_received(peer, "first second");
    assert_eq!(world.log().of("near"), ["connected"]);
    world.finish(peer);
    world.leave(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
}

pub fn where_nobody_listens_the_connection_fails(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    world.with(|cx| {
        cx.connect(&path, Probe::new("none"))
            .expect("there is room")
    });
    assert_eq!(world.drive_to_end("none"), "ConnectFailed(NotFound)");
    drop(UnixListener::bind(&path).expect("the path is free"));
    world.with(|cx| {
        cx.connect(&path, Probe::new("left"))
            .expect("there is room")
    });
    let why = world.drive_to_end("left");
    assert_eq!(why, "ConnectFailed(ConnectionRefused)");
    for bad in [
        "unix:",
        "unix://",
        "unix:@",
        &format!("unix:///{}", "x".repeat(200)),
    ] {
        let refused = world.with(|cx| cx.connect(bad, Probe::new("bad")));
        assert!(
            matches!(refused, Err(Error::BadAddress(_))),
            "{bad}: {refused:?}"
        );
    }
    let unnamed = world.with(|cx| cx.connect(UnixAddress::Unnamed, Probe::new("bad")));
    assert!(matches!(unnamed, Err(Error::BadAddress(_))), "{unnamed:?}");
}

/// The kernel has nothing to wait for then: it says so at once.
pub fn a_full_queue_is_tried_again_until_there_is_room(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let server = listener_with(0, &path);
    let _first = UnixStream::connect(&path).expect("there is room for one");
    world.with(|cx| {
        let probe = Probe::new("near").on_connect(|_, cx| cx.send("hello"));
        cx.connect(&path, probe).expect("there is room");
    });
    world.elapse(Duration::from_millis(30));
    assert!(world.log().all().is_empty(), "{:?}", world.log().all());
    drop(server.accept().expect("the first one waits"));
    world.drive_until("the connection", |world| {
        world.log().has("near", "connected")
    });
    let (far, _) = server.accept().expect("it is there");
    let peer = world.adopt(far);
    world.drive_until_received(peer, "hello");
}

pub fn a_full_queue_ends_at_the_deadline(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let _server = listener_with(0, &path);
    let _first = UnixStream::connect(&path).expect("there is room for one");
    let options = ConnectOptions::default().with_timeout(Some(Duration::from_millis(35)));
    world.with(|cx| {
        let token = cx.connect_with(&path, options, Probe::new("near"));
        token.expect("there is room");
    });
    assert_eq!(world.drive_to_end("near"), "TimedOut(Connect)");
}

pub fn a_path_that_somebody_listens_on_is_in_use(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    world
        .reactor
        .listen(&path, echoes())
        .expect("the path is free");
    match world.reactor.bind(&path) {
        Err(Error::Io(error)) => {
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            assert!(error.to_string().contains("somebody listens"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    is_echoed(world, &path);
    // One whose queue is full is there all the same.
    let full = directory.0.join("full");
    let _server = listener_with(0, &full);
    let _first = UnixStream::connect(&full).expect("there is room for one");
    match world.reactor.bind(&full) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        other => panic!("{other:?}"),
    }
    assert!(full.exists());
}

pub fn a_file_left_behind_is_replaced(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    drop(UnixListener::bind(&path).expect("the path is free")); // std leaves the file
    assert!(path.exists());
    world
        .reactor
        .listen(&path, echoes())
        .expect("nobody listens");
    is_echoed(world, &path);
    assert_eq!(fs::read_dir(&directory.0).expect("it is there").count(), 1);
}

pub fn a_file_that_is_no_socket_stays(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    fs::write(&path, "precious").expect("it can be written");
    match world.reactor.bind(&path) {
        Err(Error::Io(error)) => {
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            assert!(error.to_string().contains("no socket"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&path).expect("it is there"), b"precious");
}

pub fn a_file_in_the_place_of_ours_stays(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let ours = world.reactor.bind(&path).expect("the path is free");
    fs::remove_file(&path).expect("it is there");
    let _theirs = UnixListener::bind(&path).expect("the path is free");
    drop(ours);
    let file = fs::symlink_metadata(&path).expect("it is not ours to remove");
    assert!(file.file_type().is_socket());
    UnixStream::connect(&path).expect("they listen");
}

pub fn a_running_loop_can_listen(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    world.with(|cx| cx.listen(&path, echoes()).expect("there is room"));
    world.drive_until("the file", |_| path.exists());
    is_echoed(world, &path);
    let second = Probe::new("second");
    world.with(|cx| cx.listen(&path, second).expect("it is found out later"));
    assert_eq!(world.drive_to_end("second"), "Io(AddrInUse)");
    is_echoed(world, &path);
}

pub fn the_peer_is_known(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let listener = Listener::bind_with_mode(&path, 0o600).expect("the path is free");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(&path).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let probe = Probe::new("listener").on_accepted(|log, _, stream| {
        #[cfg(not(target_os = "linux"))]
        drop(stream);
        #[cfg(target_os = "linux")]
        {
            let peer = stream.peer_credentials()?;
            assert_eq!(peer.pid, Some(std::process::id()));
            assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
            assert_eq!(peer.gid, rustix::process::getegid().as_raw());
        }
        log.note("asked");
        Ok(())
    });
    world
        .reactor
        .listen_on(listener, probe)
        .expect("there is room");
    let _far = UnixStream::connect(&path).expect("somebody listens there");
    world.drive_until("the answer", |world| world.log().has("listener", "asked"));
    #[cfg(target_os = "linux")]
    tcp_tells_nothing_of_the_kind();
}

#[cfg(target_os = "linux")]
fn tcp_tells_nothing_of_the_kind() {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let far = std::net::TcpStream::connect(tcp.local_addr().expect("it is bound"));
    let far = switchboard::Stream::try_from(far.expect("it listens")).expect("a socket can");
    assert!(far.peer_credentials().is_err());
}

pub fn megabytes_reach_a_slow_reader_whole_and_in_order(world: &mut World) {
    let all = pattern(8 * 1024 * 1024);
    let mut sent = 0;
    let bytes = all.clone();
    let mut go_on = move |cx: &mut switchboard::Context<'_, crate::probe::Log>| {
        while sent < bytes.len() {
            let end = bytes.len().min(sent + 100_000);
            match cx.send(&bytes[sent..end]) {
                Ok(()) => sent = end,
                Err(error) if error.is_full() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        cx.close();
        Ok(())
    };
    let (token, peer) = open(world, Probe::new("near").on_write(move |_, cx| go_on(cx)));
    world.with(|cx| {
        // Above the low watermark, so that `handle_write` follows.
        let first = vec![b'-'; 100_000];
        cx.send_to(token, first).expect("there is room");
    });
    world.drive_until("all of it", |world| {
        world.received(peer).len() == 100_000 + all.len()
    });
    let mut expected = vec![b'-'; 100_000];
    expected.extend(all);
    world.assert_received(peer, expected);
    world.drive_until("the end", |world| world.end(peer).is_some());
    assert_eq!(world.end(peer), Some(End::Finished));
}

pub fn both_sides_end_one_after_the_other(world: &mut World) {
    let probe = Probe::new("near").on_eof(|_, cx| {
        cx.send("after your end")?;
        cx.close();
        Ok(())
    });
    let (_, peer) = open(world, probe);
    world.send(peer, "hello");
    world.finish(peer);
    world.drive_until_received(peer, "after your end");
    world.drive_until("the end", |world| world.end(peer).is_some());
    assert_eq!(world.drive_to_end("near"), "Eof");
    assert_eq!(world.log().bytes("near"), b"hello");
}
