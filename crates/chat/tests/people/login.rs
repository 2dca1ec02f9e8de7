//! Accounts: made by hand, and from then on logged in to by the client itself, with a password or a
//! certificate.

use std::fs;

use switchboard_partners::{Installed, Partner, Process, Suite};

use crate::irssi::{Irssi, with_colons};
use crate::place::{House, Place};
use crate::weechat::WeeChat;

const PASSWORD: &str = "four-words-and-a-half";

pub fn tests(suite: Suite) -> Suite {
    let irssi = [Partner::IRSSI, Partner::TMUX, Partner::OPENSSL];
    let weechat = [Partner::WEECHAT, Partner::OPENSSL];
    suite
        .needs(irssi, "irssi_logs_in", with_irssi)
        .needs(weechat, "weechat_logs_in", with_weechat)
}

fn with_irssi(clients: [Installed; 3]) {
    let [irssi, tmux, _] = clients;
    let house = House::start(&[]);
    let place = Place::new();
    let (certificate, fingerprint) = client_certificate(&place);
    let mut iris = Irssi::start(&irssi, &tmux, "iris");
    let tls = format!("-tls -tls_pinned_cert {}", with_colons(&house.fingerprint));
    iris.types(&format!("/connect {tls} 127.0.0.1 {}", house.port));
    iris.sees("Welcome to Switchboard");
    iris.types("/msg NickServ REGISTER short");
    iris.sees("the password is too short");
    iris.types(&format!("/msg NickServ REGISTER {PASSWORD}"));
    iris.sees("the account is yours");
    iris.types(&format!("/quote CERT ADD {fingerprint}"));
    iris.sees("the certificates are set");
    iris.types("/quote CERT LIST");
    iris.sees("1 of your certificates log in to your account");
    for (mechanism, more) in [
        (
            "PLAIN",
            format!("-sasl_username iris -sasl_password {PASSWORD}"),
        ),
        ("EXTERNAL", String::new()),
    ] {
        iris.types("/disconnect");
        iris.sees("Connection lost to");
        iris.types(&format!(
            "/network add {more} -sasl_mechanism {mechanism} team"
        ));
        iris.sees("saved");
        let with = match mechanism {
            "EXTERNAL" => format!("{tls} -tls_cert {certificate}"),
            _ => tls.clone(),
        };
        iris.types(&format!(
            "/connect {with} -network team 127.0.0.1 {}",
            house.port
        ));
        iris.sees("SASL authentication succeeded");
        iris.sees("Welcome to Switchboard");
        iris.types("/whois iris");
        iris.sees("account  : iris");
    }
    iris.types("/disconnect");
    iris.sees("Connection lost to");
    iris.types("/network add -sasl_password wrong-wrong-wrong -sasl_mechanism PLAIN team");
    iris.types(&format!(
        "/connect {tls} -network team 127.0.0.1 {}",
        house.port
    ));
    iris.sees("Cannot authenticate via SASL (the account name or the password is wrong)");
}

fn with_weechat(clients: [Installed; 2]) {
    let [weechat, _] = clients;
    let house = House::start(&[]);
    let place = Place::new();
    let (certificate, fingerprint) = client_certificate(&place);
    let mut wee = WeeChat::start(&weechat, "wee");
    wee.comes(&house.port, Some(&house.fingerprint));
    wee.types_to_server(&format!("/msg NickServ REGISTER {PASSWORD}"));
    wee.server.wait_for("the account is yours");
    wee.types_to_server(&format!("/quote CERT ADD {fingerprint}"));
    wee.server.wait_for("the certificates are set");
    wee.types_to_server("/quote CERT LIST");
    wee.server
        .wait_for("1 of your certificates log in to your account");
    wee.types("/set irc.server.team.sasl_username wee");
    wee.types(&format!("/set irc.server.team.sasl_password {PASSWORD}"));
    wee.types(&format!("/set irc.server.team.tls_cert {certificate}"));
    for mechanism in ["plain", "scram-sha-256", "external"] {
        wee.types(&format!("/set irc.server.team.sasl_mechanism {mechanism}"));
        wee.types("/reconnect team");
        wee.server.wait_for("You are now logged in as wee");
        wee.server.wait_for("Welcome to Switchboard");
        wee.types_to_server("/whois wee");
        wee.server.wait_for("[wee] is using a secure connection");
        wee.server.wait_for("[wee] is logged in as wee");
        wee.server.wait_for("End of ");
    }
}

/// A certificate of a client's and its key in one file, made by `openssl`, and its fingerprint.
fn client_certificate(place: &Place) -> (String, String) {
    let openssl = Partner::OPENSSL.find().expect("the test has asked for it");
    let (key, certificate) = (place.path("key.pem"), place.path("certificate.pem"));
    let mut make = openssl.command();
    make.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]);
    make.args(["-nodes", "-days", "30", "-subj", "/CN=client"]);
    make.args(["-keyout", &key, "-out", &certificate]);
    assert!(Process::start(make).finish().success());
    let mut ask = openssl.command();
    ask.args([
        "x509",
        "-in",
        &certificate,
        "-noout",
        "-fingerprint",
        "-sha256",
    ]);
    let mut ask = Process::start(ask);
    assert!(ask.finish().success());
    let said = ask.output();
    let (_, fingerprint) = said.trim_end().split_once('=').expect("name=fingerprint");
    let read = |path: &str| fs::read_to_string(path).expect("openssl has written it");
    place.write("client.pem", &(read(&key) + &read(&certificate)));
    (
        place.path("client.pem"),
        fingerprint.replace(':', "").to_lowercase(),
    )
}
