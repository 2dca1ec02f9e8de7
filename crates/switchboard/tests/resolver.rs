//! `examples/dns_responder.rs` and a resolver that is not ours: what `dig` asks, it understands, and
//! what it is answered, too.

#[path = "crowd/drivers.rs"]
mod drivers;
#[path = "tutorial/examples.rs"]
mod examples;

use std::net::UdpSocket;
use std::process::ExitCode;

use switchboard::Driver;
use switchboard_partners::{Installed, PATIENCE, Partner, Process, Suite};

use examples::example;

fn main() -> ExitCode {
    Suite::new()
        .needs([Partner::DIG], "dig_gets_its_answers", |[dig]| {
            drivers::working()
                .into_iter()
                .for_each(|driver| answers(&dig, driver));
        })
        .needs([Partner::DIG], "dig_is_told_that_there_is_more", |[dig]| {
            more(&dig);
        })
        .needs([], "what_is_no_query_gets_no_answer_or_an_error", |[]| {
            nonsense()
        })
        .run()
}

/// The responder, and the port that it listens on.
struct Responder {
    _process: Process,
    port: String,
}

impl Responder {
    #[track_caller]
    fn start(driver: Driver, hosts: &[&str]) -> Responder {
        let mut command = example("dns_responder");
        command.args(["--driver", &driver.to_string(), "--listen", "127.0.0.1:0"]);
        command.args(hosts);
        let mut process = Process::start(command);
        process.wait_for("listening on 127.0.0.1:");
        let port = process.wait_for("\n").trim().to_owned();
        Responder {
            _process: process,
            port,
        }
    }

    /// What `dig` prints when it asks for this.
    #[track_caller]
    fn ask(&self, dig: &Installed, question: &[&str]) -> String {
        let mut command = dig.command();
        // Without what its user has set.
        command.args(["-r", "@127.0.0.1", "-p", &self.port, "+tries=1", "+time=20"]);
        let output = command.args(question).output().expect("it can be started");
        let text = String::from_utf8(output.stdout).expect("it prints text");
        assert!(output.status.success(), "{text}");
        text
    }
}

const HOSTS: [&str; 4] = [
    "www.example.test=192.0.2.1",
    "WWW.example.test=192.0.2.2",
    "www.example.test=2001:db8::1",
    "mail.example.test.=192.0.2.3",
];

fn answers(dig: &Installed, driver: Driver) {
    let responder = Responder::start(driver, &HOSTS);
    for (question, answer) in [
        (["www.example.test", "A"], "192.0.2.1\n192.0.2.2\n"),
        (["Www.Example.TEST", "AAAA"], "2001:db8::1\n"),
        (["mail.example.test", "A"], "192.0.2.3\n"),
        (["mail.example.test", "AAAA"], ""),
        (["nobody.example.test", "A"], ""),
    ] {
        let [name, kind] = question;
        assert_eq!(
            responder.ask(dig, &["+short", name, kind]),
            answer,
            "{name}"
        );
        // Without the extensions of RFC 6891, too.
        assert_eq!(
            responder.ask(dig, &["+short", "+noedns", name, kind]),
            answer
        );
    }
    for (name, status) in [
        ("www.example.test", "NOERROR"),
        ("nobody.example.test", "NXDOMAIN"),
    ] {
        let text = responder.ask(dig, &[name, "A"]);
        assert!(text.contains(&format!("status: {status}")), "{text}");
    }
    let text = responder.ask(dig, &["+opcode=NOTIFY", "www.example.test", "A"]);
    assert!(text.contains("status: NOTIMP"), "{text}");
}

fn more(dig: &Installed) {
    let hosts: Vec<String> = (0..60).map(|n| format!("many.test=192.0.2.{n}")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let responder = Responder::start(Driver::Auto, &hosts);
    let all = ["+short", "+bufsize=1232", "many.test", "A"];
    assert_eq!(responder.ask(dig, &all).lines().count(), 60);
    let text = responder.ask(dig, &["+noedns", "+ignore", "many.test", "A"]);
    let flags = text.lines().find(|line| line.starts_with(";; flags:"));
    assert!(flags.is_some_and(|flags| flags.contains(" tc")), "{text}");
}

fn nonsense() {
    let responder = Responder::start(Driver::Auto, &HOSTS);
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    client
        .set_read_timeout(Some(PATIENCE))
        .expect("a valid time");
    let server = format!("127.0.0.1:{}", responder.port);
    client.connect(server).expect("it is there");
    let mut answer = [0; 512];
    // Too short for a header, an answer, and a header whose question is missing.
    for nonsense in [
        &b""[..],
        b"hello",
        b"\x12\x34\x80\x00\0\0\0\0\0\0\0\0",
        b"\xab\xcd\x00\x00\0\x01\0\0\0\0\0\0",
    ] {
        client.send(nonsense).expect("it is there");
    }
    let len = client.recv(&mut answer).expect("the last one is answered");
    assert_eq!(answer[..2], *b"\xab\xcd");
    assert_eq!(
        (len, answer[2] & 0x80, answer[3] & 0x0f),
        (12, 0x80, 1),
        "a format error"
    );
}
