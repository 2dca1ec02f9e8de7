//! Unix datagram sockets: as UDP sockets, on this machine alone, and nothing is lost on the way.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram as SystemSocket;

use switchboard::{Address, Endpoint, Error, ToEndpoint, Token, UnixAddress, UnixDatagram};

use crate::datagrams::{drive_until_got, got, send};
use crate::probe::Probe;
use crate::unix::Directory;
use crate::world::World;

fn register(world: &mut World, socket: UnixDatagram, probe: Probe) -> Token {
    let token = world.with(|cx| cx.register_unix_datagram(socket, probe));
    token.expect("there is room for it")
}

fn open(world: &mut World, name: impl ToEndpoint, probe: Probe) -> (Token, Address) {
    let socket = world.reactor.bind_unix_datagram(name);
    let socket = socket.expect("the name is free");
    let address = socket.local().expect("it is bound");
    (register(world, socket, probe), address)
}

fn echo() -> Probe {
    Probe::new("server").on_datagram(|log, cx, bytes| {
        let from = log.from.clone().expect("it was noted");
        cx.send_datagram(bytes, from)
    })
}

pub fn a_datagram_comes_whole_with_the_name_of_its_sender(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let (server, address) = open(world, &path, echo());
    assert_eq!(address, Address::Unix(UnixAddress::Path(path.clone())));
    let (client, name) = open(world, path.with_extension("client"), Probe::new("client"));
    let long = "x".repeat(50_000);
    for text in ["question", "", long.as_str()] {
        send(world, client, &address, text);
    }
    drive_until_got(world, "client", 3);
    assert_eq!(got(world.log(), "client"), got(world.log(), "server"));
    assert_eq!(world.log().from, Some(address));
    // As another program sees it.
    let system = SystemSocket::bind(path.with_extension("system")).expect("the path is free");
    system.send_to(b"hello", &path).expect("somebody is there");
    let mut answer = [0; 16];
    world.drive_until("the echo", |world| {
        world.log().count("server", "got \"hello\"") == 1
    });
    assert_eq!(system.recv(&mut answer).expect("it was sent"), 5);
    world.with(|cx| {
        cx.close_source(server);
        cx.close_source(client);
    });
    assert_eq!(world.drive_to_end("server"), "Requested");
    assert!(!path.exists(), "the file is left");
    drop(name);
}

pub fn abstract_names_and_none(world: &mut World) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let directory = Directory::new();
    let name = format!("unix:@{}", directory.socket().display());
    let (_, server) = open(world, &name, echo());
    assert_eq!(server.to_string(), name);
    let client_name = format!("{name}-client");
    let (client, _) = open(world, &client_name, Probe::new("client"));
    send(world, client, &server, "a");
    drive_until_got(world, "client", 1);
    // Nobody can answer one without a name.
    let unnamed = UnixDatagram::unbound().expect("a descriptor is free");
    let unnamed = register(world, unnamed, Probe::new("unnamed"));
    send(world, unnamed, &server, "b");
    world.drive_until("the refusal", |world| {
        world
            .log()
            .of("server")
            .iter()
            .any(|note| note.starts_with("error"))
    });
    assert_eq!(got(world.log(), "server"), ["\"a\"", "\"b\""]);
    assert!(got(world.log(), "unnamed").is_empty());
}

pub fn who_is_not_there_is_told_and_the_socket_goes_on(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let (client, _) = open(world, path.with_extension("client"), Probe::new("client"));
    let nobody = Address::Unix(UnixAddress::Path(path.clone()));
    send(world, client, &nobody, "lost");
    world.drive_until("the error", |world| {
        world
            .log()
            .of("client")
            .iter()
            .any(|note| note.starts_with("error"))
    });
    let (_, server) = open(world, &path, Probe::new("server"));
    send(world, client, &server, "found");
    drive_until_got(world, "server", 1);
}

/// Linux keeps only a few for each receiver, and tells nobody when it has room again.
pub fn a_receiver_without_room_stops_nobody_else(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let full = path.with_extension("full");
    let _full = SystemSocket::bind(&full).expect("the path is free");
    let full = Address::Unix(UnixAddress::Path(full));
    let (_, server) = open(world, &path, Probe::new("server"));
    let (client, _) = open(world, path.with_extension("client"), Probe::new("client"));
    for _ in 0..1000 {
        send(world, client, &full, "x");
    }
    send(world, client, &server, "not behind them");
    drive_until_got(world, "server", 1);
    let notes = world.log().of("client");
    let refused = notes
        .iter()
        .filter(|note| note.starts_with("error"))
        .count();
    assert!((1..1000).contains(&refused), "{refused} were refused");
    let turns = world.elapse(std::time::Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
}

pub fn a_connected_socket_waits_for_room(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let slow = SystemSocket::bind(&path).expect("the path is free");
    let mut near = UnixDatagram::unbound().expect("a descriptor is free");
    near.connect(&path).expect("it is there");
    let near = register(world, near, Probe::new("near"));
    world.with(|cx| {
        for number in 0..200 {
            cx.send_to(near, format!("{number}"))
                .expect("there is room");
        }
    });
    world.settle();
    let turns = world.elapse(std::time::Duration::from_millis(30));
    assert!(turns <= 5, "{turns} turns in 30 ms for nothing");
    slow.set_nonblocking(true).expect("a socket can");
    let (mut buffer, mut next) = ([0; 16], 0);
    world.drive_until("all of them", |_| {
        while let Ok(n) = slow.recv(&mut buffer) {
            assert_eq!(&buffer[..n], next.to_string().as_bytes());
            next += 1;
        }
        next == 200
    });
    assert!(
        world
            .log()
            .of("near")
            .iter()
            .all(|note| !note.starts_with("error"))
    );
}

pub fn a_name_that_somebody_has_is_in_use(world: &mut World) {
    let directory = Directory::new();
    let path = directory.socket();
    let in_use = |world: &mut World| match world.reactor.bind_unix_datagram(&path) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
        other => panic!("{other:?}"),
    };
    let (first, _) = open(world, &path, Probe::new("first"));
    in_use(world);
    world.with(|cx| cx.close_source(first));
    world.drive_to_end("first");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("the path is free");
    in_use(world); // of another kind
    drop(listener);
    let (_, address) = open(world, &path, echo()); // it was left behind
    let (client, _) = open(world, path.with_extension("client"), Probe::new("client"));
    send(world, client, &address, "hello");
    drive_until_got(world, "client", 1);
    let endpoint = Endpoint::Unix(UnixAddress::Path(path.clone()));
    assert!(matches!(
        world.reactor.bind_udp(endpoint),
        Err(Error::BadAddress(_))
    ));
    let udp = world.reactor.bind_unix_datagram("127.0.0.1:0");
    assert!(matches!(udp, Err(Error::BadAddress(_))));
}
