//! `switchboard connect` from a pipe: what it sends, what it shows, and its exit status.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketType};
use switchboard_partners::{PATIENCE, Process};

use crate::world::{Server, switchboard};

const RECEIPT: &str = "Message received\n";

struct Ended {
    code: Option<i32>,
    output: String,
    errors: String,
}

/// Runs `connect` with this input to its end.
#[track_caller]
fn connect(address: &str, flags: &[&str], input: &str) -> Ended {
    let mut process = Process::start(switchboard(&[&["connect", address], flags].concat()));
    process.say(input);
    finish(&mut process)
}

#[track_caller]
fn finish(process: &mut Process) -> Ended {
    let code = process.finish().code();
    let (output, errors) = (process.output(), process.errors());
    Ended {
        code,
        output,
        errors,
    }
}

/// A shell script that finds the program in `$1` and the server in `$2`.
#[track_caller]
fn shell(script: &str, address: &str) -> Ended {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        script,
        "sh",
        env!("CARGO_BIN_EXE_switchboard"),
        address,
    ]);
    finish(&mut Process::start(command))
}

/// A server that does what a test says.
fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

/// A port that is nobody else's while the socket lives, and on which nobody listens; a server of
/// ours can. (A listener that was closed may live on in a process that another test just starts.)
fn deaf_port() -> (OwnedFd, String) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None);
    let socket = socket.expect("a socket can be made");
    set_socket_reuseaddr(&socket, true).expect("a socket can");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    rustix::net::bind(&socket, &any).expect("a port is free");
    let address = rustix::net::getsockname(&socket).expect("it is bound");
    let address = SocketAddr::try_from(address).expect("it is an IP address");
    (socket, address.to_string())
}

#[track_caller]
fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("the client connects");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it is not zero");
    stream
}

#[track_caller]
fn read_line(stream: &TcpStream) -> String {
    let mut line = String::new();
    BufReader::with_capacity(1, stream)
        .read_line(&mut line)
        .expect("the client sends a line");
    line
}

#[test]
fn two_lines_two_receipts() {
    let server = Server::start(&[]);
    let ended = connect(&server.address, &[], "a\nb\n");
    assert_eq!(ended.output, RECEIPT.repeat(2));
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
}

#[test]
fn a_name_stands_before_each_message() {
    let mut server = Server::start(&["-v"]);
    let ended = connect(&server.address, &["--name", "ann"], "hello\nno newline");
    assert_eq!((ended.code, ended.output), (Some(0), RECEIPT.repeat(2)));
    server.process.wait_for_error(": ann: hello\n");
    server.process.wait_for_error(": ann: no newline\n");
}

#[test]
fn input_from_a_file_from_nowhere_or_closed() {
    let server = Server::start(&[]);
    let file = std::env::temp_dir().join(format!("switchboard-input-{}", std::process::id()));
    fs::write(&file, "one\ntwo\nthree\n").expect("a file in the temporary directory");
    let from_file = format!("\"$1\" connect \"$2\" < '{}'", file.display());
    for (script, receipts) in [
        (from_file.as_str(), 3),
        ("\"$1\" connect \"$2\" < /dev/null", 0),
        ("\"$1\" connect \"$2\" <&-", 0),
    ] {
        let ended = shell(script, &server.address);
        assert_eq!(ended.output, RECEIPT.repeat(receipts), "{script}");
        assert_eq!(
            (ended.code, ended.errors.as_str()),
            (Some(0), ""),
            "{script}"
        );
    }
    fs::remove_file(file).expect("it is ours");
    let ended = shell("\"$1\" connect \"$2\" < /", &server.address);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .errors
            .contains("cannot read the input: Is a directory")
    );
}

#[test]
fn more_lines_than_fit_anywhere() {
    let server = Server::start(&["--rate", "off", "--quiet"]);
    let mut process = Process::start(switchboard(&["connect", &server.address]));
    let (line, lines) = (format!("{}\n", "x".repeat(99)), 20_000);
    process.say(&line.repeat(lines));
    let ended = finish(&mut process);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    assert!(ended.output == RECEIPT.repeat(lines));
}

#[test]
fn the_longest_line_that_any_server_takes() {
    let server = Server::start(&["--max-message", "1048576"]);
    let line = "x".repeat(1024 * 1024);
    let ended = connect(&server.address, &[], &line);
    assert_eq!((ended.code, ended.output.as_str()), (Some(0), RECEIPT));
    let ended = connect(&server.address, &[], &format!("one\n{line}x\n"));
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("a line of more than 1048576 bytes"));
}

#[test]
fn a_reader_that_has_enough_ends_it_without_a_word() {
    let server = Server::start(&["--rate", "off", "--quiet"]);
    let script = "yes | head -n 100000 | \"$1\" connect \"$2\" | head -n 1";
    let ended = shell(script, &server.address);
    assert_eq!(ended.output, RECEIPT);
    assert_eq!(ended.errors, "");
}

#[test]
fn messages_that_were_refused_are_counted() {
    let server = Server::start(&["--rate", "1"]);
    let ended = connect(&server.address, &[], &"x\n".repeat(12));
    assert_eq!(ended.code, Some(1));
    assert!(ended.output.starts_with(&RECEIPT.repeat(10)));
    assert_eq!(
        ended.errors,
        "switchboard: the server took 10 of 12 messages and refused 2\n"
    );
}

#[test]
fn nobody_listens() {
    let (_deaf, address) = deaf_port();
    let ended = connect(&address, &[], "");
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.errors,
        format!(
            "switchboard: nobody listens at {address}; start a server with \
             `switchboard serve --listen {address}`, or check the address\n"
        )
    );
}

/// Longer than a part of a host name may be, so that nobody has to be asked for it.
#[test]
fn a_host_that_does_not_exist() {
    let host = "a".repeat(64);
    let ended = connect(&format!("{host}:8080"), &[], "");
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.errors,
        format!(
            "switchboard: cannot find a host named {host}; check the spelling and the network\n"
        )
    );
}

#[test]
fn a_server_that_leaves_first() {
    let (listener, address) = listen();
    let mut process = Process::start(switchboard(&["connect", &address]));
    process.say("one\ntwo\n");
    let mut stream = accept(&listener);
    assert_eq!(read_line(&stream), "one\n");
    assert_eq!(read_line(&stream), "two\n");
    stream.write_all(RECEIPT.as_bytes()).expect("it reads");
    drop(stream);
    let ended = finish(&mut process);
    assert_eq!((ended.code, ended.output.as_str()), (Some(1), RECEIPT));
    assert!(ended.errors.contains("has left"), "{}", ended.errors);
    assert!(
        ended
            .errors
            .ends_with("switchboard: 1 of 2 messages were not answered\n"),
        "{}",
        ended.errors
    );
}

#[test]
fn a_server_that_does_not_answer() {
    let (listener, address) = listen();
    let mut process = Process::start(switchboard(&["connect", &address, "--timeout", "200ms"]));
    process.say("one\n");
    let stream = accept(&listener);
    assert_eq!(read_line(&stream), "one\n");
    let ended = finish(&mut process);
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.errors,
        "switchboard: the server does not answer; allow more time with --timeout\n\
         switchboard: 1 of 1 messages were not answered\n"
    );
}

#[test]
fn a_server_whose_answers_have_no_newline() {
    let (listener, address) = listen();
    let mut process = Process::start(switchboard(&["connect", &address]));
    let mut stream = accept(&listener);
    for message in ["one\n", "two\n"] {
        process.say(message);
        assert_eq!(read_line(&stream), message);
        stream.write_all(b"Message received").expect("it reads");
        assert_eq!(process.wait_for("\n"), RECEIPT);
    }
    process.close_input();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("an orderly end");
    drop(stream);
    assert_eq!(finish(&mut process).code, Some(0));
}

#[test]
fn a_full_server_is_heard() {
    let mut server = Server::start(&["--max-clients", "1"]);
    let occupant = TcpStream::connect(&server.address).expect("it listens");
    server.process.wait_for_error(" connected\n");
    let ended = connect(&server.address, &[], "a\nb\n");
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.output,
        "Error: the server is full (1 client); try again later\n"
    );
    drop(occupant);
}

#[test]
fn a_server_that_comes_later_is_found() {
    let (_deaf, address) = deaf_port();
    let mut process = Process::start(switchboard(&["connect", &address, "--reconnect"]));
    process.say("one\n");
    process.wait_for_error("try 2 of 10");
    let mut server = Process::start(switchboard(&["serve", "--listen", &address]));
    server.wait_for("Ctrl-C stops it\n");
    process.wait_for(RECEIPT);
    assert_eq!(finish(&mut process).code, Some(0));
}

#[test]
fn a_server_that_comes_back_gets_what_was_not_sent_yet() {
    let (listener, address) = listen();
    let mut process = Process::start(switchboard(&["connect", &address, "--reconnect"]));
    process.say("one\n");
    let stream = accept(&listener);
    assert_eq!(read_line(&stream), "one\n");
    drop(stream); // without an answer
    let mut stream = accept(&listener);
    process.say("two\n");
    assert_eq!(read_line(&stream), "two\n");
    stream.write_all(RECEIPT.as_bytes()).expect("it reads");
    process.wait_for(RECEIPT);
    drop(listener);
    process.close_input();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("an orderly end");
    drop(stream);
    let ended = finish(&mut process);
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("1 of 2 messages were not answered"));
}

#[test]
fn tries_come_to_an_end() {
    let (_deaf, address) = deaf_port();
    let ended = connect(&address, &["--reconnect=1"], "");
    assert_eq!(ended.code, Some(1));
    let end = format!("nobody listens at {address}; gave up after 1 tries in a row\n");
    assert!(ended.errors.ends_with(&end), "{}", ended.errors);
}
