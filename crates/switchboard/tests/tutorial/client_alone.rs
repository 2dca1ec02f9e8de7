//! The tutorial's client against a server that the test plays, and with every kind of input.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use switchboard_partners::{PATIENCE, Process, Suite};

use crate::examples::example;
use crate::programs::client;

pub fn tests(suite: Suite) -> Suite {
    suite
        .needs([], "an_empty_line_sends_nothing", |[]| empty_line())
        .needs([], "a_reply_is_shown_at_the_prompt", |[]| reply())
        .needs([], "ctrl_c_leaves", |[]| interrupt())
        .needs([], "ctrl_c_does_not_wait_for_a_server_that_hangs", |[]| {
            interrupt_hanging()
        })
        .needs([], "a_server_that_leaves_is_told", |[]| server_leaves())
        .needs([], "a_server_that_breaks_off_is_told", |[]| server_resets())
        .needs([], "a_server_that_is_not_there_is_told", |[]| no_server())
        .needs([], "piped_lines_are_sent_and_answered", |[]| piped())
        .needs([], "a_line_without_end_is_sent_in_pieces", |[]| {
            endless_line()
        })
        .needs([], "input_from_a_file_is_sent", |[]| from_file())
        .needs([], "input_from_nothing_ends_well", |[]| from_nothing())
        .needs([], "input_that_cannot_be_read_is_told", |[]| {
            from_directory()
        })
        .needs([], "a_large_file_waits_for_a_slow_server", |[]| {
            from_large_file()
        })
}

/// A listener in the role of the server, and its address.
fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

/// The server's end of the connection that the client has made.
#[track_caller]
fn accept(listener: &TcpListener) -> TcpStream {
    let (peer, _) = listener.accept().expect("the client has connected");
    peer.set_read_timeout(Some(PATIENCE)).expect("a valid time");
    peer
}

/// A client at its prompt, and the server's end of its connection.
#[track_caller]
fn conversation() -> (Process, TcpStream) {
    let (listener, address) = server();
    let mut client = client(&address);
    client.wait_for("> ");
    (client, accept(&listener))
}

#[track_caller]
fn expect(peer: &mut TcpStream, message: &str) {
    let mut bytes = vec![0; message.len()];
    peer.read_exact(&mut bytes).expect("the client sends");
    assert_eq!(String::from_utf8_lossy(&bytes), message);
}

#[track_caller]
fn rest(peer: &mut TcpStream) -> String {
    let mut rest = String::new();
    peer.read_to_string(&mut rest).expect("the client ends");
    rest
}

fn empty_line() {
    let (mut client, mut peer) = conversation();
    let id = client.id();
    client.say("\n");
    client.wait_for("No write buffer\n> ");
    client.say("grüße\n");
    expect(&mut peer, &format!("client-{id}: grüße"));
    client.say("bye\n");
    expect(&mut peer, &format!("client-{id}: bye"));
}

fn reply() {
    let (mut client, mut peer) = conversation();
    client.say("half a li");
    peer.write_all(b"Message received").expect("it reads");
    client.wait_for("\nMessage received\n> ");
    peer.write_all(b"\x1b[2J\n").expect("it reads");
    client.wait_for("\n\\x1b[2J\\n\n> ");
    client.say("ne\n");
    let id = client.id();
    expect(&mut peer, &format!("client-{id}: half a line"));
}

fn interrupt() {
    let (mut client, mut peer) = conversation();
    client.say("hello\n");
    let id = client.id();
    expect(&mut peer, &format!("client-{id}: hello"));
    client.interrupt();
    client.wait_for("Exiting client\n");
    assert_eq!(rest(&mut peer), "");
    drop(peer);
    assert_eq!(client.finish().code(), Some(0));
    assert_eq!(client.errors(), "");
    assert!(client.output().ends_with("\nExiting client\n"));
}

fn interrupt_hanging() {
    let (mut client, _peer) = conversation();
    let start = Instant::now();
    client.interrupt();
    client.wait_for("Exiting client\n");
    assert_eq!(client.finish().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5));
}

fn server_leaves() {
    let (mut client, peer) = conversation();
    drop(peer);
    client.wait_for_error("Server has left the building\n");
    assert_eq!(client.finish().code(), Some(1));
}

fn server_resets() {
    let (mut client, peer) = conversation();
    client.say("hello\n");
    peer.peek(&mut [0]).expect("the client sends");
    drop(peer); // with a message unread, which makes it a reset
    client.wait_for_error("Server has left the building: Connection reset by peer");
    assert_eq!(client.finish().code(), Some(1));
}

fn no_server() {
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    deaf.bind(&any.into()).expect("a port is free");
    let address = deaf.local_addr().expect("it is bound").as_socket();
    let address = address.expect("it is an IP address").to_string();
    for address in [address.as_str(), "localhost"] {
        let mut client = client(address);
        assert_eq!(client.finish().code(), Some(1));
        let errors = client.errors();
        assert!(
            errors.contains(&format!("cannot connect to {address}: ")),
            "{errors}"
        );
        assert!(errors.contains("HOST:PORT"), "{errors}");
    }
}

fn piped() {
    let (listener, address) = server();
    let mut client = client(&address);
    client.say("first\nlast, without a line's end");
    client.close_input();
    client.wait_for("> ");
    let mut peer = accept(&listener);
    let id = client.id();
    let said = format!("client-{id}: firstclient-{id}: last, without a line's end");
    assert_eq!(rest(&mut peer), said);
    peer.write_all(b"Message received").expect("it reads");
    client.wait_for("\nMessage received\n> ");
    peer.write_all(b"Message received").expect("it reads");
    drop(peer);
    client.wait_for("\nMessage received\n> \n");
    assert_eq!(client.finish().code(), Some(0));
}

fn endless_line() {
    let (mut client, mut peer) = conversation();
    let line = "x".repeat(100_000);
    client.say(&line);
    client.close_input();
    let said = rest(&mut peer);
    let id = format!("client-{}: ", client.id());
    let pieces: Vec<&str> = said.split(id.as_str()).skip(1).collect();
    assert_eq!(pieces.concat(), line);
    // One that is not yet long enough, and one read.
    assert!(pieces.iter().all(|piece| piece.len() < 2 * 8192));
}

/// A client whose input is redirected from `path`.
fn redirected(address: &str, path: &Path) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$1\" \"$2\" < \"$3\"", "sh"]);
    command
        .arg(example("tutorial_client").get_program())
        .arg(address)
        .arg(path);
    Process::start(command)
}

/// A file of the test's own.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let name = format!("tutorial-{name}-{}", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).expect("the directory is ours");
    path
}

fn from_file() {
    let (listener, address) = server();
    let path = file("lines", b"one\n\ntwo\n");
    let mut client = redirected(&address, &path);
    client.wait_for("No write buffer\n> ");
    let mut peer = accept(&listener);
    let id = client.id();
    assert_eq!(rest(&mut peer), format!("client-{id}: oneclient-{id}: two"));
    drop(peer);
    assert_eq!(client.finish().code(), Some(0));
    fs::remove_file(path).expect("it is ours");
}

fn from_nothing() {
    let (listener, address) = server();
    let mut client = redirected(&address, Path::new("/dev/null"));
    client.wait_for("> ");
    let mut peer = accept(&listener);
    assert_eq!(rest(&mut peer), "");
    drop(peer);
    assert_eq!(client.finish().code(), Some(0));
    assert_eq!(client.output(), "> \n");
}

fn from_directory() {
    let (_listener, address) = server();
    let mut client = redirected(&address, Path::new("/"));
    client.wait_for_error("cannot go on with the input: Is a directory");
    assert_eq!(client.finish().code(), Some(1));
}

/// More than the outbox and the kernel's buffers hold together: the client has to wait.
fn from_large_file() {
    let (listener, address) = server();
    let line = "x".repeat(7_999);
    let path = file("large", format!("{line}\n").repeat(4_000).as_bytes());
    let mut client = redirected(&address, &path);
    client.wait_for("> ");
    let mut peer = accept(&listener);
    let deadline = Instant::now() + PATIENCE;
    while cfg!(target_os = "linux") && !is_asleep(client.id()) {
        assert!(Instant::now() < deadline, "the client does not wait");
        thread::yield_now();
    }
    let message = format!("client-{}: {line}", client.id());
    for _ in 0..4_000 {
        expect(&mut peer, &message);
    }
    assert_eq!(rest(&mut peer), "");
    drop(peer);
    assert_eq!(client.finish().code(), Some(0));
    fs::remove_file(path).expect("it is ours");
}

/// Whether the process waits for something: its state follows its name in parentheses.
fn is_asleep(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    status
        .rsplit(") ")
        .next()
        .is_some_and(|rest| rest.starts_with('S'))
}
