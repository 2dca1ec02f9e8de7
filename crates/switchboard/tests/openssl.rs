//! TLS with ends that are not ours: `openssl s_client`, `openssl s_server` and `curl`.

#[path = "tutorial/examples.rs"]
mod examples;
#[path = "openssl/files.rs"]
mod files;
#[path = "openssl/ours.rs"]
mod ours;

use std::fs;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, kill_process};
use switchboard::tls::{ClientOptions, ServerOptions, Version};
use switchboard_partners::{Installed, Partner, Process, Suite};

use examples::example;
use files::Files;
use ours::{Ours, Serves, ask};

fn main() -> ExitCode {
    Suite::new()
        .needs(
            [Partner::OPENSSL],
            "s_client_talks_to_us_in_both_versions",
            |[openssl]| s_client_in_both_versions(&openssl),
        )
        .needs(
            [Partner::OPENSSL],
            "s_client_resumes_its_session",
            |[openssl]| s_client_resumes(&openssl),
        )
        .needs(
            [Partner::OPENSSL],
            "s_client_begins_in_the_clear",
            |[openssl]| s_client_starttls(&openssl),
        )
        .needs(
            [Partner::OPENSSL],
            "s_client_shows_the_certificate_that_is_required",
            |[openssl]| s_client_with_a_certificate(&openssl),
        )
        .needs(
            [Partner::OPENSSL],
            "s_client_gets_back_more_than_a_few_records",
            |[openssl]| s_client_in_bulk(&openssl),
        )
        .needs(
            [Partner::OPENSSL],
            "we_talk_to_s_server_in_both_versions",
            |[openssl]| s_server_in_both_versions(&openssl),
        )
        .needs(
            [Partner::OPENSSL],
            "we_show_s_server_the_certificate_that_it_requires",
            |[openssl]| s_server_that_asks(&openssl),
        )
        .needs([Partner::CURL], "curl_gets_a_page", |[curl]| {
            curl_gets(&curl)
        })
        .needs([Partner::CURL], "curl_without_tls_is_refused", |[curl]| {
            curl_without_tls(&curl)
        })
        .needs(
            [Partner::OPENSSL],
            "the_echo_reads_its_certificate_again_under_a_live_connection",
            |[openssl]| reload(&openssl),
        )
        .run()
}

fn s_client(openssl: &Installed, files: &Files, port: u16, arguments: &[&str]) -> Process {
    let mut command = openssl.command();
    command
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
        .args(["-servername", "localhost", "-verify_hostname", "localhost"])
        .args(["-verify_return_error", "-CAfile"])
        .arg(files.authority())
        .args(arguments);
    Process::start(command)
}

fn s_client_in_both_versions(openssl: &Installed) {
    let files = Files::new("versions");
    for (flag, version) in [("-tls1_2", Version::Tls12), ("-tls1_3", Version::Tls13)] {
        let options = ServerOptions::new(files.identity()).with_alpn(["echo"]);
        let ours = Ours::serve(Serves::Echo, options);
        let mut client = s_client(
            openssl,
            &files,
            ours.port,
            &["-brief", flag, "-alpn", "echo"],
        );
        client.wait_for_error("Verification: OK");
        client.say("hello\n");
        client.wait_for("hello\n");
        assert!(client.finish().success());
        let session = ours.session();
        assert_eq!(session.version(), version);
        assert_eq!(session.alpn(), Some(&b"echo"[..]));
        assert_eq!(session.server_name(), Some("localhost"));
        assert_eq!(ours.ended(), "the peer has finished"); // it says so, and we heard it
    }
}

fn s_client_resumes(openssl: &Installed) {
    let files = Files::new("resumed");
    let ours = Ours::serve(Serves::Echo, ServerOptions::new(files.identity()));
    let session = files.path("session.pem");
    let session = session.to_str().expect("it is a plain path");
    for (flag, is_resumed) in [("-sess_out", false), ("-sess_in", true)] {
        let mut client = s_client(openssl, &files, ours.port, &["-tls1_3", flag, session]);
        client.say("hello\n");
        client.wait_for("hello\n"); // the ticket has come before
        assert!(client.finish().success());
        assert_eq!(ours.session().is_resumed(), is_resumed);
        let says = if is_resumed {
            "Reused, TLSv1.3"
        } else {
            "New, TLSv1.3"
        };
        assert!(client.output().contains(says), "{}", client.output());
        ours.ended();
    }
}

fn s_client_starttls(openssl: &Installed) {
    let files = Files::new("starttls");
    let ours = Ours::serve(Serves::Mail, ServerOptions::new(files.identity()));
    let mut client = s_client(openssl, &files, ours.port, &["-brief", "-starttls", "smtp"]);
    client.wait_for_error("Verification: OK");
    client.say("NOOP\r\n");
    client.wait_for("250 in secret\r\n");
    assert!(client.finish().success());
    ours.session();
    assert_eq!(ours.ended(), "the peer has finished");
}

fn s_client_with_a_certificate(openssl: &Installed) {
    let files = Files::new("known");
    let options = ServerOptions::new(files.identity());
    let options = options.with_required_client_certificates(files.roots());
    let ours = Ours::serve(Serves::Echo, options);
    let (cert, key) = (files.cert(), files.key());
    let known = [
        "-brief",
        "-cert",
        cert.to_str().expect("it is a plain path"),
        "-key",
        key.to_str().expect("it is a plain path"),
    ];
    let mut client = s_client(openssl, &files, ours.port, &known);
    client.say("hello\n");
    client.wait_for("hello\n");
    assert!(client.finish().success());
    assert!(ours.session().peer_certificates().len() > 0);
    ours.ended();

    let mut stranger = s_client(openssl, &files, ours.port, &["-brief"]);
    stranger.wait_for_error("certificate required");
    let why = ours.ended();
    assert!(why.contains("peer sent no certificates"), "{why}");
}

fn s_client_in_bulk(openssl: &Installed) {
    let files = Files::new("bulk");
    let ours = Ours::serve(Serves::Echo, ServerOptions::new(files.identity()));
    let mut client = s_client(openssl, &files, ours.port, &["-quiet", "-no_ign_eof"]);
    let line = "x".repeat(1023) + "\n";
    let bytes = 512 << 10;
    client.say(&line.repeat(bytes / line.len()));
    client.say("the end\n");
    client.wait_for("the end\n");
    assert!(client.finish().success());
    assert_eq!(client.output().len(), bytes + "the end\n".len());
}

fn s_server(openssl: &Installed, files: &Files, arguments: &[&str]) -> (Process, u16) {
    let mut command = openssl.command();
    command
        .args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-cert"])
        .arg(files.cert())
        .arg("-key")
        .arg(files.key())
        .arg("-CAfile")
        .arg(files.authority())
        .args(arguments);
    let mut server = Process::start(command);
    server.wait_for("ACCEPT ");
    let line = server.wait_for("\n");
    let port = line
        .trim()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    (server, port.expect("it says where"))
}

fn s_server_in_both_versions(openssl: &Installed) {
    let files = Files::new("reversed");
    for (flag, version) in [("-tls1_2", Version::Tls12), ("-tls1_3", Version::Tls13)] {
        let (_server, port) = s_server(openssl, &files, &[flag, "-alpn", "reverse"]);
        let client = ClientOptions::new(files.roots()).with_alpn(["reverse"]);
        let client = client.build().expect("the options are right");
        for round in 0..2 {
            let answer = ask(port, &client, "hello\n").expect("it answers");
            assert_eq!(answer.text, "olleh\n");
            assert_eq!(answer.session.version(), version);
            assert_eq!(answer.session.alpn(), Some(&b"reverse"[..]));
            assert_eq!(answer.session.is_resumed(), round > 0);
        }
    }
}

fn s_server_that_asks(openssl: &Installed) {
    let files = Files::new("asked");
    let (_server, port) = s_server(openssl, &files, &["-Verify", "1", "-verify_return_error"]);
    let known = ClientOptions::new(files.roots()).with_identity(files.identity());
    let answer = ask(
        port,
        &known.build().expect("the options are right"),
        "hello\n",
    );
    assert_eq!(answer.expect("it answers").text, "olleh\n");
    let stranger = ClientOptions::new(files.roots());
    let answer = ask(
        port,
        &stranger.build().expect("the options are right"),
        "hello\n",
    );
    let why = answer.expect_err("it refuses");
    assert!(why.contains("alert"), "{why}");
}

fn curl(curl: &Installed, files: &Files, arguments: &[&str]) -> Command {
    let mut command = curl.command();
    command
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(files.authority())
        .args(arguments);
    command
}

fn curl_gets(program: &Installed) {
    let files = Files::new("curl");
    let options = ServerOptions::new(files.identity()).with_alpn(["http/1.1"]);
    let ours = Ours::serve(Serves::Pages, options);
    let url = |path: &str| format!("https://localhost:{}/{path}", ours.port);
    for flag in ["--tlsv1.3", "--tls-max=1.2"] {
        let flag: Vec<&str> = flag.split('=').collect();
        let mut command = curl(program, &files, &flag);
        command.args(["--ipv4", &url("4000000")]);
        let output = command.output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert_eq!(output.stdout.len(), 4_000_000, "{errors}");
        assert_eq!(ours.session().alpn(), Some(&b"http/1.1"[..]));
        ours.ended();
    }
    // One that nobody vouches for.
    let mut command = program.command();
    command.args(["--silent", "--show-error", "--ipv4", &url("1")]);
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(60)); // "Peer certificate cannot be authenticated"
    let why = ours.ended();
    assert!(why.contains("alert"), "{why}");
}

fn curl_without_tls(program: &Installed) {
    let files = Files::new("plain");
    let ours = Ours::serve(Serves::Pages, ServerOptions::new(files.identity()));
    let url = format!("http://127.0.0.1:{}/", ours.port);
    let output = curl(program, &files, &[&url]).output().expect("it runs");
    assert!(!output.status.success());
    assert_eq!(ours.ended(), "the peer does not speak TLS");
}

fn reload(openssl: &Installed) {
    let old = Files::new("old");
    let mut command = example("echo");
    command.args(["tls://127.0.0.1:0", "--cert"]);
    command.arg(old.cert()).arg("--key").arg(old.key());
    let mut echo = Process::start(command);
    echo.wait_for("listening on 127.0.0.1:");
    let port = echo.wait_for("\n").trim().parse().expect("it is a port");
    let mut before = s_client(openssl, &old, port, &["-brief"]);
    before.wait_for_error("Verification: OK");

    let pid = Pid::from_raw(echo.id() as i32).expect("it is not 0");
    let hang_up = || kill_process(pid, Signal::HUP).expect("it runs");
    // A file that is wrong changes nothing.
    let key = fs::read(old.key()).expect("it is there");
    fs::write(old.key(), "no key").expect("it is ours");
    hang_up();
    echo.wait_for_error("the old certificate stays: ");
    fs::write(old.key(), key).expect("it is ours");

    let new = Files::new("new");
    fs::copy(new.cert(), old.cert()).expect("it is ours");
    fs::copy(new.key(), old.key()).expect("it is ours");
    hang_up();
    echo.wait_for("the certificate was read again\n");
    let mut after = s_client(openssl, &new, port, &["-brief"]);
    after.wait_for_error("Verification: OK");
    let mut late = s_client(openssl, &old, port, &["-brief"]);
    late.wait_for_error("verify");
    assert!(!late.finish().success(), "the old certificate is shown");
    for client in [&mut before, &mut after] {
        client.say("still here\n");
        client.wait_for("still here\n");
        assert!(client.finish().success());
    }
}
