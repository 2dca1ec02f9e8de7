//! What every other test with a partner relies on: the partners work, and a missing one is named.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, ExitCode};

use switchboard_partners::{PATIENCE, Partner, Process, REQUIRED, Suite};

/// An echo server of one connection, as short as asyncore allows.
const ECHO: &str = r#"
import asyncore

class Echo(asyncore.dispatcher):
    def handle_read(self):
        self.send(self.recv(8192))

    def handle_close(self):
        print("closed")
        self.close()
        server.close()

class Server(asyncore.dispatcher):
    def __init__(self):
        asyncore.dispatcher.__init__(self)
        self.create_socket()
        self.bind(("127.0.0.1", 0))
        self.listen(1)
        print("port %d;" % self.socket.getsockname()[1])

    def handle_accepted(self, sock, addr):
        Echo(sock)

server = Server()
asyncore.loop()
"#;

fn main() -> ExitCode {
    Suite::new()
        .needs([Partner::PYTHON], "asyncore_serves_a_client", |[python]| {
            let mut command = python.command();
            command.args(["-c", ECHO]);
            let mut server = Process::start(command);
            server.wait_for("port ");
            let port = server
                .wait_for(";")
                .trim_end_matches(';')
                .parse()
                .expect("a number");

            let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
            client
                .set_read_timeout(Some(PATIENCE))
                .expect("a valid time");
            client.write_all(b"hello").expect("it reads");
            let mut answer = [0; 5];
            client.read_exact(&mut answer).expect("it answers");
            assert_eq!(&answer, b"hello");

            drop(client);
            server.wait_for("closed\n");
            assert!(server.finish().success(), "{}", server.errors());
        })
        .needs([], "a_missing_partner_is_named_and_nothing_fails", |[]| {
            let mut run = Process::start(without_partners());
            let output = run.wait_for("skipped, since a partner is missing:\n");
            assert!(output.contains("1 ignored"), "{output}");
            run.wait_for("asyncore_serves_a_client: needs a python3 with asyncore");
            assert!(run.finish().success());
        })
        .needs(
            [],
            "a_missing_partner_fails_where_partners_are_required",
            |[]| {
                let mut command = without_partners();
                command.env(REQUIRED, "1");
                let mut run = Process::start(command);
                run.wait_for("needs a python3 with asyncore");
                run.wait_for("1 failed");
                assert!(!run.finish().success());
            },
        )
        .run()
}

/// Runs the first test above where there is nothing to find it a Python.
fn without_partners() -> Command {
    let this = std::env::current_exe().expect("the system tells");
    let mut command = Command::new(this);
    command.args(["asyncore_serves_a_client", "--exact"]);
    command
        .env("PATH", "")
        .env_remove("SWITCHBOARD_PYTHON")
        .env_remove(REQUIRED);
    command
}
