//! The tutorial's programs in conversation: with each other, and with counterparts on asyncore.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};

use switchboard_partners::{Installed, Partner, Process, Screen, Suite};

use crate::examples::example;
use crate::programs::{Server, client};

pub fn tests(suite: Suite) -> Suite {
    suite
        .needs([], "our_client_talks_to_our_server", |[]| ours())
        .needs(
            [Partner::PYTHON],
            "a_python_client_is_answered",
            |[python]| python_client(&python),
        )
        .needs([Partner::PYTHON], "a_python_server_answers", |[python]| {
            python_server(&python)
        })
        .needs(
            [Partner::PYTHON],
            "a_python_server_answers_piped_lines",
            |[python]| python_server_piped(&python),
        )
        .needs(
            [Partner::TMUX],
            "a_terminal_shows_replies_at_the_prompt",
            |[tmux]| terminal(&tmux),
        )
}

fn ours() {
    let mut server = Server::start();
    let mut first = client(&server.address());
    let mut second = client(&server.address());
    for message in ["hello", "bye"] {
        for client in [&mut first, &mut second] {
            client.say(&format!("{message}\n"));
            let shown = format!("[client] : client-{}: {message}\n", client.id());
            server.process.wait_for(&shown);
            client.wait_for("\nMessage received\n> ");
        }
    }
    first.interrupt();
    assert!(first.finish().success());
    server.process.wait_for("Client has left the building\n");
    second.close_input();
    assert!(second.finish().success());
    server.process.wait_for("Client has left the building\n");

    let mut third = client(&server.address());
    third.wait_for("> ");
    drop(server);
    third.wait_for_error("Server has left the building");
    assert_eq!(third.finish().code(), Some(1));
}

fn program(python: &Installed, name: &str, argument: &str) -> Process {
    let mut command = python.command();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tutorial");
    command.arg(format!("{directory}/{name}")).arg(argument);
    command.env("PYTHONIOENCODING", "utf-8");
    Process::start(command)
}

fn python_client(python: &Installed) {
    let mut server = Server::start();
    let mut client = program(python, "client.py", &server.address());
    client.wait_for("> ");
    server.process.wait_for("Incoming connection from ");
    client.say("hello\n");
    server.process.wait_for("[client] : python: hello\n");
    client.wait_for("> ");
    client.say("grüße\n");
    server
        .process
        .wait_for("[client] : python: gr\\xc3\\xbc\\xc3\\x9fe\n");
    client.close_input();
    client.wait_for("Server has left the building\n");
    assert!(client.finish().success(), "{}", client.errors());
    assert_eq!(client.output().matches("Message received").count(), 2);
    server.process.wait_for("Client has left the building\n");
}

/// A counterpart that serves, and its address.
fn serving(python: &Installed) -> (Process, String) {
    let mut server = program(python, "server.py", "127.0.0.1");
    server.wait_for("listening on port ");
    let port = server.wait_for(";");
    // By name: there are two addresses to try, and only one answers.
    let address = format!("localhost:{}", port.trim_end_matches(';'));
    (server, address)
}

fn python_server(python: &Installed) {
    let (mut server, address) = serving(python);
    let mut client = client(&address);
    client.wait_for("> ");
    server.wait_for("Incoming connection from 127.0.0.1:");
    for (message, shown) in [("hello", "hello"), ("grüße", "gr\\xc3\\xbc\\xc3\\x9fe")] {
        client.say(&format!("{message}\n"));
        client.wait_for("\nMessage received\n> ");
        server.wait_for(&format!("[client] : b'client-{}: {shown}'\n", client.id()));
    }
    client.interrupt();
    client.wait_for("Exiting client\n");
    assert!(client.finish().success());
    server.wait_for("Client has left the building\n");
}

fn python_server_piped(python: &Installed) {
    let (mut server, address) = serving(python);
    let mut client = client(&address);
    client.say("a\nb\n");
    client.close_input();
    client.wait_for("\nMessage received");
    assert!(client.finish().success());
    let shown = server.wait_for("Client has left the building\n");
    let id = client.id();
    let reads = shown.matches("[client] : ").count();
    assert!(shown.contains(&format!("client-{id}: a")), "{shown}");
    assert!(shown.contains(&format!("client-{id}: b")), "{shown}");
    assert_eq!(client.output().matches("Message received").count(), reads);
}

fn terminal(tmux: &Installed) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let program = example("tutorial_client");
    let program = program.get_program().to_string_lossy();
    let script = format!("trap : INT; '{program}' {address}; echo status=$?; exec cat");
    let mut screen = Screen::start(tmux, &script);
    screen.wait_for(">\n");
    let (mut peer, _) = listener.accept().expect("the client has connected");

    screen.keys("hello Enter");
    screen.wait_for("> hello\n>\n");
    peer.write_all(b"Message received").expect("it reads");
    screen.wait_for("> hello\nMessage received\n>\n");

    screen.keys("half");
    screen.wait_for("\n> half\n");
    peer.write_all(b"unasked").expect("it reads");
    screen.wait_for("> hello\nMessage received\nunasked\n>\n");

    screen.keys("C-c");
    screen.wait_for("\nunasked\nExiting client\n");
    drop(peer);
    screen.wait_for("\nunasked\nExiting client\nstatus=0\n");
}
