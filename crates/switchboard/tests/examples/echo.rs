//! `echo` on several addresses of different kinds at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use switchboard_partners::Process;

use crate::located::example;

const BOUND: Duration = Duration::from_secs(20);

/// Starts it, and gives what it says that it listens on.
fn start(arguments: &[&str], places: usize) -> (Process, Vec<String>) {
    let mut command = example("echo");
    command.args(arguments);
    let mut server = Process::start(command);
    let mut listening = Vec::new();
    for _ in 0..places {
        server.wait_for("listening on ");
        let line = server.wait_for("\n");
        listening.push(line.trim_end().to_owned());
    }
    (server, listening)
}

fn address(listening: &str) -> SocketAddr {
    listening.parse().expect("an IP address and a port")
}

fn assert_echoes(mut stream: impl Read + Write) {
    stream.write_all(b"hello").expect("it is connected");
    let mut back = [0; 5];
    stream.read_exact(&mut back).expect("it comes back");
    assert_eq!(&back, b"hello");
}

fn assert_echoes_datagrams(server: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(BOUND)).expect("it can");
    socket.connect(server).expect("it can");
    for message in [&b"one"[..], b"", b"and another"] {
        socket.send(message).expect("it is sent");
        let mut back = [0; 100];
        let n = socket.recv(&mut back).expect("it comes back");
        assert_eq!(&back[..n], message);
    }
}

fn talk(driver: &str, reactors: &str) {
    let name = format!("echo-{driver}-{reactors}-{}", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let unix = format!("unix://{}", path.display());
    let mut arguments = vec![
        "--driver",
        driver,
        "--reactors",
        reactors,
        "tcp://127.0.0.1:0",
    ];
    arguments.push("udp://127.0.0.1:0");
    if reactors == "1" {
        arguments.push(&unix); // a path has one listener
    }
    arguments.extend(["127.0.0.1:0", "--self-signed", "tls://127.0.0.1:0"]);
    let places = arguments.len() - 5;
    let (server, listening) = start(&arguments, places);
    let streams = &listening[..places - 1];
    for (i, listening) in streams.iter().enumerate() {
        if reactors == "1" && i == 1 {
            assert_echoes(UnixStream::connect(&path).expect("it listens"));
        } else if i + 1 < streams.len() {
            assert_echoes(TcpStream::connect(address(listening)).expect("it listens"));
        }
    }
    assert_echoes_datagrams(address(&listening[places - 1]));
    drop(server);
    let _ = std::fs::remove_file(&path); // it was killed, so its file is left
}

#[test]
fn all_kinds_of_address_are_served_at_once() {
    talk("readiness", "1");
    talk("auto", "1");
}

#[test]
fn two_reactors_serve_them_too() {
    talk("readiness", "2");
    talk("auto", "2");
}

#[test]
fn what_cannot_be_is_said() {
    for (arguments, told) in [
        (&["--help"][..], "Usage: echo"),
        (&["--driver"], "--driver needs a value"),
        (&["--reactors", "many"], "--reactors needs a number"),
        (&["tls://127.0.0.1:0"], "--self-signed"),
        (&["udp://nowhere"], "HOST:PORT"),
        (&["fax://127.0.0.1:0"], "fax"),
    ] {
        let mut command = example("echo");
        command.args(arguments);
        let output = command.output().expect("it runs");
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains(told), "{arguments:?}: {text}");
        assert_eq!(output.status.success(), arguments == ["--help"]);
    }
}
