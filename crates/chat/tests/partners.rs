//! Clients and terminals that are not ours: netcat, the terminal client on a tmux screen, and GNU
//! SASL for the accounts. It must never need a network.

#[path = "accounts/gsasl.rs"]
mod gsasl;
#[path = "partners/screen.rs"]
mod screen;
#[path = "program/world.rs"]
mod world;

use std::process::ExitCode;

use switchboard_partners::{Installed, Partner, Process, Screen, Suite};

use world::{Server, switchboard};

fn main() -> ExitCode {
    screen::tests(gsasl::tests(Suite::new()))
        .needs([Partner::NC], "netcat_is_a_client", |[nc]| netcat(&nc))
        .needs(
            [Partner::TMUX],
            "answers_appear_above_the_line",
            |[tmux]| {
                answers_above(&tmux);
            },
        )
        .needs(
            [Partner::TMUX],
            "lines_are_edited_and_remembered",
            |[tmux]| {
                editing(&tmux);
            },
        )
        .needs(
            [Partner::TMUX],
            "a_paste_is_not_sent_by_itself",
            |[tmux]| {
                paste(&tmux);
            },
        )
        .needs(
            [Partner::TMUX],
            "a_narrower_window_scrolls_the_line",
            |[tmux]| {
                resize(&tmux);
            },
        )
        .needs(
            [Partner::TMUX],
            "ctrl_c_leaves_the_terminal_as_it_was",
            |[tmux]| {
                leaving(&tmux, "C-c");
            },
        )
        .needs(
            [Partner::TMUX],
            "ctrl_d_leaves_the_terminal_as_it_was",
            |[tmux]| {
                leaving(&tmux, "C-d");
            },
        )
        .needs(
            [Partner::TMUX],
            "ctrl_z_lends_the_terminal_to_the_shell",
            |[tmux]| suspending(&tmux),
        )
        .needs(
            [Partner::TMUX],
            "a_signal_leaves_the_terminal_as_it_was",
            |[tmux]| {
                termination(&tmux);
            },
        )
        .needs(
            [Partner::TMUX],
            "the_server_leaves_and_comes_back",
            |[tmux]| {
                reconnecting(&tmux);
            },
        )
        .needs([Partner::TMUX], "the_server_leaves_for_good", |[tmux]| {
            left_alone(&tmux);
        })
        .run()
}

fn netcat(nc: &Installed) {
    let server = Server::start(&[]);
    let (host, port) = server.address.rsplit_once(':').expect("host and port");
    let mut command = nc.command();
    command.args(["-N", host, port]);
    let mut client = Process::start(command);
    client.say("hello\n");
    client.wait_for("Message received\n");
    client.say("a\nb\n");
    client.wait_for("Message received\nMessage received\n");
    assert!(client.finish().success());
    assert_eq!(client.output(), "Message received\n".repeat(3));
}

/// A shell command line that runs the terminal client.
fn connect(server: &Server, flags: &str) -> String {
    let program = env!("CARGO_BIN_EXE_switchboard");
    format!("'{program}' connect {} --plain {flags}", server.address)
}

fn answers_above(tmux: &Installed) {
    let mut server = Server::start(&["-v", "--pause", "off"]);
    let mut screen = Screen::start(tmux, &connect(&server, "--name ann"));
    let connected = format!("connected to {}; Ctrl-C leaves\n>", server.address);
    screen.wait_for(&connected);
    screen.keys("'hello' Enter 'half a line'");
    screen.wait_for("> hello\nMessage received\n> half a line\n");
    server.process.wait_for_error(": ann: hello\n");
}

fn editing(tmux: &Installed) {
    let mut server = Server::start(&["-v"]);
    let mut screen = Screen::start(tmux, &connect(&server, ""));
    screen.wait_for("connected");
    screen.keys("'wrld' Left Left Left 'o' Home 'hello ' End '!' Enter");
    server.process.wait_for_error(": hello world!\n");
    screen.wait_for("> hello world!\nMessage received\n>\n");
    screen.keys("'two' Enter");
    screen.wait_for("> two\nMessage received\n>\n");
    screen.keys("'draft' Up Up");
    screen.wait_for("\n> hello world!\n");
    screen.keys("Down Down C-w 'again' Enter");
    server.process.wait_for_error(": again\n");
}

fn paste(tmux: &Installed) {
    let mut server = Server::start(&["-v"]);
    let mut screen = Screen::start(tmux, &connect(&server, ""));
    screen.wait_for("connected");
    screen.command("set-buffer \"one\ntwo\"");
    screen.command("paste-buffer -p");
    screen.wait_for("\n> one two\n");
    screen.keys("Enter");
    server.process.wait_for_error(": one two\n");
}

fn resize(tmux: &Installed) {
    let server = Server::start(&[]);
    let mut screen = Screen::start(tmux, &connect(&server, ""));
    screen.wait_for("connected");
    screen.keys("'The quick brown fox jumps over the lazy dog'");
    screen.wait_for("\n> The quick brown fox jumps over the lazy dog\n");
    screen.command("resize-window -x 30 -y 24");
    screen.wait_for("\n> fox jumps over the lazy dog\n");
    screen.command("resize-window -x 80 -y 24");
    screen.keys("Home");
    screen.wait_for("\n> The quick brown fox jumps over the lazy dog\n");
}

/// Runs the client in a shell that shows how it ended and in what state the terminal is.
fn in_a_shell(server: &Server) -> String {
    format!(
        "{}; echo status $?; stty -a | tr ' ;' '\\n' | grep -xE -e '-?(icanon|echo|isig|icrnl)'; cat",
        connect(server, "")
    )
}

/// The shell's own state of the terminal, and the client's once it has been brought back.
fn suspending(tmux: &Installed) {
    let mut server = Server::start(&["-v"]);
    let client = in_a_shell(&server);
    let client = client.strip_suffix("; cat").expect("it ends so");
    let shell = format!("set -m; {client}; read go; fg >/dev/null");
    let mut screen = Screen::start(tmux, &shell);
    screen.wait_for("connected");
    screen.keys("'half a line' C-z");
    screen.wait_until(|shown| shown.contains("status 1") && shown.contains(AS_IT_WAS));
    assert!(!screen.shown().contains("Exiting client"));
    screen.keys("Enter");
    screen.wait_for("\n> half a line\n");
    screen.keys("' and the rest' Enter");
    server
        .process
        .wait_for_error(": half a line and the rest\n");
}

const AS_IT_WAS: &str = "icrnl\nisig\nicanon\necho\n";

fn leaving(tmux: &Installed, key: &str) {
    let mut server = Server::start(&[]);
    let mut screen = Screen::start(tmux, &in_a_shell(&server));
    screen.wait_for("connected");
    screen.keys("'hello' Enter");
    screen.wait_for("Message received");
    screen.keys(key);
    screen.wait_for(&format!("\nExiting client\nstatus 0\n{AS_IT_WAS}"));
    server.process.wait_for_error(" left\n");
    screen.keys("'echoed again'");
    screen.wait_for("\nechoed again\n");
}

fn termination(tmux: &Installed) {
    let server = Server::start(&[]);
    let client = connect(&server, "");
    let mut screen = Screen::start(
        tmux,
        &in_a_shell(&server).replace(
            &client,
            &format!("sh -c \"echo pid \\$\\$; exec {client}\""),
        ),
    );
    screen.wait_for("connected");
    let shown = screen.shown();
    let pid = shown.lines().find_map(|line| line.strip_prefix("pid "));
    let pid = pid.expect("the shell has said it");
    screen.command(&format!("run-shell 'kill -TERM {pid}'"));
    screen.wait_for(&format!("\nExiting client\nstatus 0\n{AS_IT_WAS}"));
}

fn reconnecting(tmux: &Installed) {
    let mut server = Server::start(&[]);
    let mut screen = Screen::start(tmux, &connect(&server, "--reconnect"));
    screen.wait_for("connected");
    server.process.interrupt();
    assert!(server.process.finish().success());
    screen.wait_for(&format!(
        "the server at {} has left; try 1 of 10 in",
        server.address
    ));
    screen.keys("'hello' Enter");
    screen.wait_for("not sent: there is no connection\n");
    let mut again = Process::start(switchboard(&["serve", "-v", "--listen", &server.address]));
    let connected = |shown: &str| shown.matches("connected to ").count() == 2;
    screen.wait_until(|shown| connected(shown) && shown.ends_with("\n> hello\n"));
    screen.keys("Enter");
    again.wait_for_error(": hello\n");
    screen.wait_for("Message received\n>\n");
}

fn left_alone(tmux: &Installed) {
    let mut server = Server::start(&[]);
    let mut screen = Screen::start(tmux, &in_a_shell(&server));
    screen.wait_for("connected");
    server.process.interrupt();
    screen.wait_for(&format!(
        "the server at {} has left; with --reconnect its return is awaited\nstatus 1\n{AS_IT_WAS}",
        server.address
    ));
}
