//! `switchboard serve`: messages, answers, the log, and the ways to an end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use switchboard_partners::{PATIENCE, Process};

use crate::speaker::Speaker;
use crate::world::{Server, switchboard};

const RECEIPT: &str = "Message received\n";

#[test]
fn every_line_is_answered_and_logged_under_its_sender() {
    let mut server = Server::start(&["-v"]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("hello\nworld\r\n\n");
    speaker.hear(&RECEIPT.repeat(3));
    let name = speaker.name();
    for message in ["connected", ": hello\n", ": world\n", ": \n"] {
        let separator = if message.starts_with(':') { "" } else { " " };
        server
            .process
            .wait_for_error(&format!("{name}{separator}{message}"));
    }
    speaker.finish();
    assert_eq!(speaker.hear_all(), "");
    server.process.wait_for_error(&format!("{name} left\n"));
}

#[test]
fn what_people_say_is_not_logged_unless_that_is_asked_for() {
    let mut server = Server::start(&[]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("a secret\nann: another secret\n/listen\n");
    speaker.hear(&RECEIPT.repeat(2));
    speaker.finish();
    speaker.hear_all();
    server.process.wait_for_error(" left\n");
    server.process.interrupt();
    assert!(server.process.finish().success());
    let log = server.process.errors();
    for text in ["secret", "ann", "/listen"] {
        assert!(!log.contains(text), "{text} in {log}");
    }
}

#[test]
fn a_message_without_a_newline_ends_at_a_pause_or_at_the_end() {
    let mut server = Server::start(&["-v", "--pause", "50ms"]);
    let mut speaker = Speaker::connect(&server.address);
    for message in ["hello", "once more"] {
        speaker.say(message);
        speaker.hear("Message received");
        server.process.wait_for_error(&format!(": {message}\n"));
    }
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("one\nbye");
    speaker.finish();
    assert_eq!(speaker.hear_all(), "Message received\nMessage received");
}

#[test]
fn after_its_first_newline_a_client_may_pause() {
    let mut server = Server::start(&["-v", "--pause", "50ms"]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("one\nha");
    speaker.hear(RECEIPT);
    // Its pauses are answered, so at least two have passed since the half line.
    let mut clock = Speaker::connect(&server.address);
    for _ in 0..2 {
        clock.say("tick");
        clock.hear("Message received");
    }
    speaker.say("lf\n");
    speaker.finish();
    assert_eq!(speaker.hear_all(), RECEIPT);
    server.process.wait_for_error(": half\n");
}

#[test]
fn what_could_harm_a_terminal_is_logged_escaped() {
    let mut server = Server::start(&["-v"]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say(b"\xff\x1b[2J\x07\r!\n");
    speaker.hear(RECEIPT);
    server.process.wait_for_error(": \\xff\\x1b[2J\\x07\\r!\n");
    assert!(!server.process.errors().contains('\x1b'));
}

#[test]
fn fifty_clients_at_once() {
    let mut server = Server::start(&["--rate", "off"]);
    let mut speakers: Vec<Speaker> = (0..50).map(|_| Speaker::connect(&server.address)).collect();
    for round in 0..20 {
        for (number, speaker) in speakers.iter_mut().enumerate() {
            speaker.say(format!("round {round}\nfrom {number}\n"));
        }
        speakers
            .iter_mut()
            .for_each(|speaker| speaker.hear(&RECEIPT.repeat(2)));
    }
    for speaker in &mut speakers {
        speaker.finish();
        assert_eq!(speaker.hear_all(), "");
        server
            .process
            .wait_for_error(&format!("{} left\n", speaker.name()));
    }
}

/// Without backpressure the answers to a client that never reads would pile up in the server.
#[test]
fn a_client_that_does_not_read_has_to_wait_and_gets_every_answer() {
    let server = Server::start(&["--rate", "off", "--quiet"]);
    let mut stream = &connect_by_a_narrow_way(&server.address);
    stream
        .set_write_timeout(Some(Duration::from_millis(300)))
        .expect("it is not zero");
    const LINE: usize = 256;
    let line = [&[b'a'; LINE - 1][..], b"\n"].concat();
    let lines = line.repeat(64);
    let mut said = 0;
    let rest = loop {
        match stream.write(&lines[said % LINE..]) {
            Ok(count) => said += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break said % LINE,
            Err(error) => panic!("{error}"),
        }
        assert!(said < 256 * 1024 * 1024, "nothing stops this client");
    };
    assert!(peak_memory_kib(&server) < 64 * 1024);
    let mut writer = stream.try_clone().expect("a second handle");
    let ending = thread::spawn(move || {
        writer.set_write_timeout(None).expect("none is valid");
        if rest > 0 {
            writer
                .write_all(&line[rest..])
                .expect("the server reads on");
        }
        writer
            .shutdown(std::net::Shutdown::Write)
            .expect("it is connected");
    });
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).expect("an orderly end");
    ending.join().expect("it has not failed");
    let messages = said.div_ceil(LINE);
    assert_eq!(heard.len(), messages * RECEIPT.len());
    let receipts = heard.chunks(RECEIPT.len());
    assert_eq!(
        receipts.filter(|line| *line == RECEIPT.as_bytes()).count(),
        messages
    );
    assert!(peak_memory_kib(&server) < 64 * 1024);
}

/// A connection of which little is in the kernel's hands, in either direction: each message has to
/// be stored, so it is as well that there are few before nothing more goes in.
fn connect_by_a_narrow_way(address: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    // The server's kernel gives a connection room for some segments, of whatever size these are.
    socket.set_tcp_mss(536).expect("any link carries as much");
    socket.set_recv_buffer_size(4096).expect("it is a size");
    socket.set_send_buffer_size(4096).expect("it is a size");
    let address: SocketAddr = address.parse().expect("an address");
    socket.connect(&address.into()).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    socket.into()
}

/// The most memory that the server has had at any time.
fn peak_memory_kib(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.process.id());
    let Ok(status) = std::fs::read_to_string(path) else {
        return 0; // not on this kind of Unix
    };
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .expect("Linux tells");
    let number = line.split_whitespace().nth(1).expect("a number and kB");
    number.parse().expect("a number")
}

#[test]
fn an_interrupt_ends_it_after_the_last_answers() {
    let mut server = Server::start(&["-v"]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("hello\n");
    server.process.wait_for_error(": hello\n");
    server.process.interrupt();
    assert_eq!(speaker.hear_all(), RECEIPT);
    drop(speaker);
    assert!(server.process.finish().success());
    assert!(server.process.errors().contains(" stopped\n"));
}

#[test]
fn an_interrupt_gives_clients_the_time_that_it_says() {
    let mut server = Server::start(&[]);
    let mut stays = Speaker::connect(&server.address);
    stays.say("hello\n");
    stays.hear(RECEIPT);
    server.process.interrupt();
    server.process.wait_for_error("stopping; clients have ");
    let began = Instant::now();
    let said = server.process.wait_for_error(" s to take");
    let seconds: u64 = said.trim_end_matches(" s to take").parse().unwrap();
    assert!(server.process.finish().success());
    let took = began.elapsed();
    assert!(
        took.as_secs_f32() + 0.5 > seconds as f32,
        "{took:?} of {seconds} s"
    );
}

#[test]
fn a_client_that_is_gone_before_it_is_let_in_is_no_error() {
    let mut server = Server::start(&[]);
    let pid = Pid::from_raw(server.process.id().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let gone = Speaker::connect(&server.address);
    set_socket_linger(gone.stream(), Some(Duration::ZERO)).unwrap(); // a reset, not an end
    drop(gone);
    kill_process(pid, Signal::CONT).unwrap();
    let mut next = Speaker::connect(&server.address);
    next.say("hello\n");
    next.hear(RECEIPT);
    server.process.interrupt();
    drop(next);
    assert!(server.process.finish().success());
    let log = server.process.errors();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_stop_with_people_in_rooms_is_no_error() {
    let mut server = Server::start(&[]);
    let mut ann = Speaker::connect(&server.address);
    ann.say("CAP REQ echo-message\r\nCAP END\r\nNICK ann\r\nUSER a 0 * :a\r\nJOIN #a\r\n");
    ann.say("PRIVMSG #a :hello\r\n");
    ann.hear_line_with("PRIVMSG #a");
    server.process.interrupt();
    assert!(server.process.finish().success());
    let log = server.process.errors();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let mut server = Server::start(&[]);
    let mut speaker = Speaker::connect(&server.address);
    speaker.say("hello\n");
    speaker.hear(RECEIPT);
    server.process.interrupt();
    server.process.wait_for_error("stopping;");
    // This client does not leave, so without a second interrupt it would be waited for.
    server.process.interrupt();
    server.process.wait_for_error("stopped at once");
    assert_eq!(server.process.finish().code(), Some(1));
}

#[test]
fn a_taken_port_is_told_with_another_one_to_try() {
    let server = Server::start(&[]);
    let mut second = Process::start(switchboard(&["serve", "--listen", &server.address]));
    assert_eq!(second.finish().code(), Some(1));
    let port: u16 = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let next = port.checked_add(1).unwrap_or(8080);
    assert_eq!(
        second.errors(),
        format!("switchboard: port {port} is taken; try --listen 127.0.0.1:{next}\n")
    );
}

#[test]
fn a_place_that_cannot_be_listened_at_is_named_once() {
    let host = "a".repeat(64);
    let mut unknown = Process::start(switchboard(&["serve", "--listen", &format!("{host}:0")]));
    assert_eq!(unknown.finish().code(), Some(1));
    assert_eq!(
        unknown.errors(),
        format!(
            "switchboard: cannot find a host named {host}; check the spelling and the network\n"
        )
    );
    // A link-local address without its link.
    let mut invalid = Process::start(switchboard(&["serve", "--listen", "[fe80::1]:0"]));
    assert_eq!(invalid.finish().code(), Some(1));
    let errors = invalid.errors();
    assert_eq!(errors.matches("[fe80::1]").count(), 1, "{errors}");
}

#[test]
fn it_listens_wherever_it_is_told_and_says_what_to_type() {
    let mut command = switchboard(&["serve", "--listen", "localhost:0"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let mut process = Process::start(command);
    let said = process.wait_for("Ctrl-C stops it\n");
    let addresses = said
        .lines()
        .filter_map(|line| line.split("listening on ").nth(1));
    let addresses: Vec<&str> = addresses.collect();
    assert!(addresses.len() >= 2, "{said}");
    for address in &addresses {
        let mut speaker = Speaker::connect(address);
        speaker.say("hello\n");
        speaker.hear(RECEIPT);
    }
    let port = addresses[0].rsplit(':').next().unwrap();
    let typed = format!("switchboard connect localhost:{port}\n");
    assert!(said.contains(&typed), "{typed} is missing in\n{said}");
    assert!(said.contains(&format!("nc localhost {port}\n")), "{said}");
    assert!(
        said.contains(&format!("http://localhost:{port}/\n")),
        "{said}"
    );
}
