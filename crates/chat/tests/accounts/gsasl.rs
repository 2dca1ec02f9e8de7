//! GNU SASL, which is not ours, on the other side of every conversation.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_chat::accounts::decoys::Decoys;
use switchboard_chat::accounts::password::Password;
use switchboard_chat::accounts::sasl::{Exchange, Failure, Offer, Step, chunks};
use switchboard_chat::accounts::scram::Nonce;
use switchboard_chat::accounts::scram::client;
use switchboard_chat::accounts::verifier::{Iterations, Verifier};
use switchboard_partners::{Installed, Partner, Process, Suite};

/// The salt of RFC 7677's example, and the bytes that it is.
const SALT_TEXT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const SALT: [u8; 16] = *b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";

/// Passwords that are prepared, among others; the longest is hashed before it is a key.
const PASSWORDS: [&str; 5] = [
    "pencil",
    "correct horse, battery=staple",
    "\u{2168} caf\u{e9} \u{aa}",
    "I\u{ad}X\u{a0}y",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
];

/// Adds the tests of this file.
pub fn tests(suite: Suite) -> Suite {
    suite
        .needs(
            [Partner::GSASL],
            "gsasl_makes_the_same_verifiers",
            |[gsasl]| verifiers(&gsasl),
        )
        .needs([Partner::GSASL], "gsasl_logs_in", |[gsasl]| client(&gsasl))
        .needs([Partner::GSASL], "gsasl_lets_us_in", |[gsasl]| {
            server(&gsasl);
        })
}

fn typed(text: &str) -> Password {
    Password::typed(text).expect("it is short enough")
}

fn verifier(password: &str) -> Verifier {
    Verifier::from_password(&typed(password), &SALT, Iterations::MIN)
}

fn verifiers(gsasl: &Installed) {
    for password in PASSWORDS {
        let mut command = gsasl.command();
        command.args([
            "--mkpasswd",
            "--mechanism=SCRAM-SHA-256",
            "--iteration-count=4096",
        ]);
        command.args(["--salt", SALT_TEXT, "--password", password]);
        let output = command.output().expect("it runs");
        let theirs = String::from_utf8(output.stdout).expect("it is text");
        let theirs = theirs
            .trim_end()
            .replace("{SCRAM-SHA-256}", "SCRAM-SHA-256,");
        let ours = verifier(password).to_text().replace([':', '$'], ",");
        assert_eq!(ours, theirs, "{password}");
    }
}

/// A run as one side of `mechanism`; it says the mechanism at first.
fn run(gsasl: &Installed, side: &str, mechanism: &str, more: [&str; 4]) -> Process {
    let mut command: Command = gsasl.command();
    command.args([side, "--quiet", "--no-cb", "--mechanism", mechanism]);
    command.args(more);
    let mut process = Process::start(command);
    process.wait_for(&format!("{mechanism}\n"));
    process
}

fn line(process: &mut Process) -> String {
    process.wait_for("\n").trim_end().to_owned()
}

/// GNU SASL logs in to a server on which `ann` has the password `stored`.
fn log_in(gsasl: &Installed, mechanism: &str, name: &str, password: &str, stored: &str) -> Step {
    let offer = Offer {
        certificate: None,
        scram: true,
        plain: true,
    };
    let decoys = Decoys::new(&[5; 32], Iterations::MIN);
    let mut process = run(
        gsasl,
        "--client",
        mechanism,
        ["--authentication-id", name, "--password", password],
    );
    let mut exchange = Exchange::new(offer, [9; 18]);
    let mut step = exchange.input(mechanism);
    let mut is_first = true;
    loop {
        step = match step {
            Step::Challenge(pieces) => {
                let challenge = pieces.concat();
                // It speaks first by itself, so it is not told to.
                if !std::mem::take(&mut is_first) {
                    process.say(&format!("{challenge}\n"));
                }
                let reply = line(&mut process);
                exchange.input(if reply.is_empty() { "+" } else { &reply })
            }
            Step::NeedVerifier { ticket, account } => {
                let found = (account.as_str() == "ann").then(|| verifier(stored));
                exchange.verifier(ticket, found, &decoys)
            }
            Step::CheckPlain(check) => exchange.checked(check.run()),
            step => return step,
        };
    }
}

fn client(gsasl: &Installed) {
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        for password in PASSWORDS {
            let step = log_in(gsasl, mechanism, "ann", password, password);
            assert!(
                matches!(&step, Step::Done { account, .. } if account.as_str() == "ann"),
                "{mechanism}, {password}: {step:?}"
            );
        }
        for (name, password) in [("ann", "Pencil"), ("nobody", "pencil")] {
            let step = log_in(gsasl, mechanism, name, password, "pencil");
            assert!(
                matches!(step, Step::Failed(Failure::WrongCredentials)),
                "{mechanism}, {name}: {step:?}"
            );
        }
    }
}

fn server(gsasl: &Installed) {
    for password in PASSWORDS {
        let arguments = ["--password", password, "--iteration-count", "5000"];
        let mut process = run(gsasl, "--server", "SCRAM-SHA-256", arguments);
        // An empty challenge: it waits for the client.
        assert_eq!(line(&mut process), "");
        let nonce = Nonce::from_random(&[9; 18]);
        let (started, first) = client::start("a,b=c", typed(password), nonce).expect("a good name");
        let mut ask = |message: &str| {
            process.say(&format!("{}\n", chunks(message.as_bytes()).concat()));
            STANDARD.decode(line(&mut process)).expect("it is base64")
        };
        let (answered, proof) = started.answer(&ask(&first)).expect("a good challenge");
        assert_eq!(answered.finish(&ask(&proof)), Ok(()), "{password}");
    }
}
