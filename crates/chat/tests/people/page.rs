//! `docs/clients.md`: what it says is what works, since it is typed here.

use std::process::Command;

use switchboard_partners::{Installed, Partner, Process, Suite};

use crate::irssi::{Irssi, with_colons};
use crate::others;
use crate::place::House;
use crate::weechat::WeeChat;

const PAGE: &str = include_str!("../../../../docs/clients.md");

pub fn tests(suite: Suite) -> Suite {
    let irssi = [Partner::IRSSI, Partner::TMUX];
    let shell = [
        Partner::NC,
        Partner::OPENSSL,
        Partner::SOCAT,
        Partner::PYTHON,
    ];
    suite
        .needs(irssi, "the_page_about_irssi", about_irssi)
        .needs([Partner::WEECHAT], "the_page_about_weechat", about_weechat)
        .needs(shell, "the_page_about_plain_clients", about_plain_clients)
}

/// The blocks that begin with this word, as lists of lines, for a server at this port.
fn blocks(word: &str, house: &House, fingerprint: &str) -> Vec<Vec<String>> {
    let opening = format!("\n```{word}\n");
    let blocks = PAGE.split(&opening).skip(1).map(|rest| {
        let (block, _) = rest.split_once("\n```").expect("each block has an end");
        let lines = block.lines().map(|line| {
            line.replace("8080", &house.port)
                .replace("localhost", "127.0.0.1")
                .replace("FINGERPRINT", fingerprint)
        });
        lines.collect()
    });
    blocks.collect()
}

fn about_irssi(clients: [Installed; 2]) {
    let [irssi, tmux] = clients;
    let house = House::start(&[]);
    let fingerprint = with_colons(&house.fingerprint);
    let [plain, account] = &blocks("irssi", &house, &fingerprint)[..] else {
        panic!("two blocks are expected");
    };
    let [tls] = &blocks("irssi tls", &house, &fingerprint)[..] else {
        panic!("one block is expected");
    };
    let mut ann = Irssi::start(&irssi, &tmux, "ann");
    ann.types_all(plain);
    ann.sees("Join to #lobby was synced");
    ann.types_all(account);
    ann.sees("the account is yours");
    ann.types("/disconnect");
    ann.types("/connect team");
    ann.sees("SASL authentication succeeded");
    ann.sees("Join to #lobby was synced");
    ann.types_all(tls);
    ann.types("/disconnect");
    ann.types("/connect team");
    ann.sees("Certificate Chain");
    ann.sees("SASL authentication succeeded");
    ann.sees("Join to #lobby was synced");
    ann.types("/quit");
}

fn about_weechat(clients: [Installed; 1]) {
    let [weechat] = clients;
    let house = House::start(&[]);
    let [plain, account] = &blocks("weechat", &house, &house.fingerprint)[..] else {
        panic!("two blocks are expected");
    };
    let [tls] = &blocks("weechat tls", &house, &house.fingerprint)[..] else {
        panic!("one block is expected");
    };
    let mut ann = WeeChat::start(&weechat, "somebody");
    ann.types_all(plain);
    ann.lobby.wait_for("Channel #lobby: ");
    ann.types_all(account);
    ann.server.wait_for("the account is yours");
    ann.types("/reconnect team");
    ann.server.wait_for("You are now logged in as ann");
    ann.types_all(tls);
    ann.types("/reconnect team");
    ann.server.wait_for("certificate fingerprint matches");
    ann.server.wait_for("You are now logged in as ann");
    ann.lobby.wait_for("Channel #lobby: ");
}

fn about_plain_clients(clients: [Installed; 4]) {
    let [nc, ..] = clients;
    let house = House::start(&[]);
    let mut ear = others::plain(&nc, &house, false);
    ear.say("/listen\n");
    ear.wait_for("You hear #lobby now");
    let [once] = &blocks("sh", &house, "")[..] else {
        panic!("one block is expected");
    };
    let mut shell = in_a_shell(once);
    shell.wait_for("Message received\n");
    ear.wait_for("<ned> hello\n");
    assert!(shell.finish().success());
    let [tls] = &blocks("sh tls", &house, "")[..] else {
        panic!("one block is expected");
    };
    let mut shell = in_a_shell(tls);
    shell.say("ned: hello\n");
    shell.wait_for("Message received\n");
    ear.wait_for("<ned> hello\n");
    let [tutorial] = &blocks("sh tutorial", &house, "")[..] else {
        panic!("one block is expected");
    };
    let mut shell = in_a_shell(tutorial);
    shell.say("hello\n");
    ear.wait_for("<python> hello\n");
    assert!(shell.finish().success());
    assert!(shell.output().contains("Message received"));
}

/// In the directory that the page is written for.
fn in_a_shell(lines: &[String]) -> Process {
    let mut shell = Command::new("sh");
    shell.args(["-c", &lines.join("\n")]);
    shell.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    Process::start(shell)
}
