//! The tutorial's server, asked by plain sockets. The protocol has no frames, so what these tests
//! count is replies per read.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;

use switchboard_partners::{PATIENCE, Process, Suite};

use crate::examples::example;
use crate::programs::Server;

const REPLY: &str = "Message received";

pub fn tests(suite: Suite) -> Suite {
    suite
        .needs([], "a_burst_has_a_reply_for_every_read", |[]| burst())
        .needs([], "quick_messages_have_whole_replies", |[]| quick())
        .needs([], "both_addresses_of_localhost_are_served", |[]| {
            both_addresses()
        })
        .needs([], "a_taken_port_is_named", |[]| taken_port())
        .needs([], "an_address_without_a_port_is_explained", |[]| no_port())
        .needs([], "the_default_address_is_the_tutorials", |[]| default())
}

fn visit(port: u16) -> TcpStream {
    let visitor = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    visitor.set_nodelay(true).expect("it is open");
    visitor
        .set_read_timeout(Some(PATIENCE))
        .expect("a valid time");
    visitor
}

/// What the visitor is told until the server closes, which it does when it has answered.
#[track_caller]
fn last_words(mut visitor: TcpStream) -> String {
    visitor.shutdown(Shutdown::Write).expect("it is open");
    let mut replies = String::new();
    visitor
        .read_to_string(&mut replies)
        .expect("the server closes");
    replies
}

/// The messages of one visitor, one for each read, as the server shows them.
#[track_caller]
fn shown(server: &mut Server) -> Vec<String> {
    let said = server.process.wait_for("Client has left the building\n");
    let messages = said
        .lines()
        .filter_map(|line| line.strip_prefix("[client] : "));
    messages.map(str::to_owned).collect()
}

fn burst() {
    let mut server = Server::start();
    let mut visitor = visit(server.port);
    visitor.write_all(&[b'x'; 20_000]).expect("it reads");
    assert_eq!(last_words(visitor), REPLY.repeat(3));
    let lengths: Vec<usize> = shown(&mut server).iter().map(String::len).collect();
    assert_eq!(lengths, [8192, 8192, 20_000 - 2 * 8192]);
}

fn quick() {
    let mut server = Server::start();
    for count in [2; 100].into_iter().chain([1000]) {
        let mut visitor = visit(server.port);
        let mut said = String::new();
        for number in 0..count {
            let message = format!("message {number}; ");
            visitor.write_all(message.as_bytes()).expect("it reads");
            said += &message;
        }
        let replies = last_words(visitor);
        let shown = shown(&mut server);
        assert_eq!(replies, REPLY.repeat(shown.len()));
        assert_eq!(shown.concat(), said);
    }
}

fn both_addresses() {
    let mut server = Server::start();
    assert_eq!(last_words(visit(server.port)), "");
    server
        .process
        .wait_for("Incoming connection from 127.0.0.1:");
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // the machine has no IPv6
    }
    let visitor = TcpStream::connect((Ipv6Addr::LOCALHOST, server.port)).expect("it listens");
    assert_eq!(last_words(visitor), "");
    server.process.wait_for("Incoming connection from [::1]:");
}

#[track_caller]
fn refusal(arguments: &[&str]) -> String {
    let mut command = example("tutorial_server");
    command.args(arguments);
    let mut process = Process::start(command);
    assert_eq!(process.finish().code(), Some(1));
    process.errors()
}

fn taken_port() {
    let owner = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = format!(
        "localhost:{}",
        owner.local_addr().expect("it is bound").port()
    );
    let errors = refusal(&[&address]);
    assert!(errors.contains("Address already in use"), "{errors}");
    assert!(errors.contains(&address), "{errors}");
}

fn no_port() {
    let errors = refusal(&["localhost"]);
    assert!(errors.contains("HOST:PORT"), "{errors}");
}

fn default() {
    // One run of these tests at a time: the port is to be ours from here to the end.
    let lock = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tutorial-port-8080");
    let lock = File::create(lock).expect("the directory is ours");
    lock.lock().expect("a file can be locked");
    // Whoever else may have the port, it is taken now.
    let owner = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080));
    let errors = refusal(&[]);
    assert!(errors.contains("localhost:8080"), "{errors}");
    if let Ok(owner) = owner {
        let mut client = Process::start(example("tutorial_client"));
        client.wait_for("> ");
        owner.accept().expect("a client has come");
        drop(client);
    }
}
